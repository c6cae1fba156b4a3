"""Never run, only type-checked: it pins the types that users of the public names see."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import assert_type

import pandas as pd
import polars as pl

import rmtoolkit as rm

frame = pl.DataFrame({"time": [0], "rss_bytes": [1]})

# Any table becomes a recording.
recording = rm.Recording.from_frame(frame)
assert_type(recording, rm.Recording)
assert_type(rm.Recording.from_frame(frame.lazy(), source="a query"), rm.Recording)
assert_type(rm.Recording.from_frame(pd.DataFrame(), events=pd.DataFrame(), workload_pattern="x"), rm.Recording)

# So does what is read.
assert_type(rm.read("data/samples"), rm.Recording)
assert_type(rm.read(Path("data/samples")), rm.Recording)
assert_type(rm.read_prometheus("answer.json"), rm.Recording)
assert_type(rm.read_kubectl_top("top.log"), rm.Recording)
assert_type(rm.read_jemalloc_stats("stats.txt"), rm.Recording)
assert_type(rm.read_recording("a.parquet"), rm.Recording)

# The frames of a recording, and recordings made of it.
assert_type(recording.containers, pl.DataFrame)
assert_type(recording.samples, pl.DataFrame)
assert_type(recording.events, pl.DataFrame)
assert_type(recording.frame(), pl.DataFrame)
assert_type(recording.completeness(), pl.DataFrame)
assert_type(recording.report.notes(), tuple[str, ...])
assert_type(recording.filter(pl.col("pod").is_not_null(), namespace="shop", workload=["api", "web"]), rm.Recording)
assert_type(recording.window("2026-11-23", dt.datetime.now(dt.UTC)), rm.Recording)
assert_type(recording.window(last="7d"), rm.Recording)
assert_type(recording.window(last=dt.timedelta(days=7)), rm.Recording)
assert_type(rm.concat([recording, recording]), rm.Recording)
assert_type(recording.write("a.parquet"), Path)

# Everything that takes a recording takes a frame as well.
assert_type(rm.validate(recording), pl.DataFrame)
assert_type(rm.validate(frame), pl.DataFrame)
assert_type(rm.lives(recording), pl.DataFrame)
assert_type(rm.lives(frame), pl.DataFrame)
assert_type(rm.fits(recording), pl.DataFrame)
assert_type(rm.checklist(recording), pl.DataFrame)
verdicts = rm.classify(recording, by="instance")
assert_type(verdicts, pl.DataFrame)
assert_type(rm.classify(frame), pl.DataFrame)
# A heap profile, its path, several in a row, or one for each workload.
assert_type(rm.classify(frame, heap="a.zst"), pl.DataFrame)
assert_type(rm.classify(frame, heap=[rm.read_heap("a.heap"), Path("b.heap")]), pl.DataFrame)
assert_type(rm.classify(frame, heap={"billing/api": rm.read_heap("a.zst")}), pl.DataFrame)
assert_type(rm.checklist(frame, heap="a.zst"), pl.DataFrame)
found = rm.assess(recording)
assert_type(found, rm.Assessment)
assert_type(found.workloads, pl.DataFrame)
assert_type(rm.classify(found), pl.DataFrame)
assert_type(rm.recommend_limits(found), pl.DataFrame)
assert_type(rm.ReadError("why"), rm.ReadError)

# An explanation for people and for programs.
explanation = rm.explain(recording, "api")
assert_type(explanation, rm.Explanation)
assert_type(explanation.headline, str)
assert_type(explanation.summary(), str)

# A local run beside the cluster's.
comparison = rm.compare(recording, found, "shop/api")
assert_type(comparison, rm.Comparison)
assert_type(comparison.layers, pl.DataFrame)
assert_type(comparison.difference_bytes, int)

# What must not type-check: the checkers report an unused comment if it does.
rm.classify(recording, by="pod")  # type: ignore[arg-type]
recording.window(last=7)  # type: ignore[arg-type]
rm.read(7)  # type: ignore[arg-type]
recording.samples = frame  # type: ignore[misc]
