"""What a lake holds and gives after the worked fleet was appended in pieces that overlap and differ, written down.

``python -m tests.lakes`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit import _lake_files
from rmtoolkit.schema import SIGNALS
from tests import fleet
from tests.analysis.curves import BEGIN
from tests.loaders.outcomes import digest
from tests.written import markup, plain, write

FILE: Final = Path(__file__).parent / "data" / "worked" / "lakes.json"


def hour(number: float) -> dt.datetime:
    """An instant of the fleet."""
    return BEGIN + dt.timedelta(hours=number)


def _later() -> rm.Recording:
    """From hour 20 on: two with other limits, one whose working set is a MiB higher, one with another version."""
    late = fleet.recording().window(start=hour(20))
    name = pl.col("workload")
    containers = late.containers.with_columns(
        limit_bytes=pl.when(name == "days-and-nights").then(pl.col("limit_bytes") * 2).otherwise("limit_bytes"),
        request_bytes=pl.when(name == "release-after-a-gap").then(7 << 20).otherwise("request_bytes"),
        version=pl.when(name == "thread-stacks").then(pl.lit("2.0")).otherwise("version"),
    )
    ids = late.containers.filter(workload="days-and-nights")["container_id"].implode()
    more = pl.when(pl.col("container_id").is_in(ids)).then(1 << 20).otherwise(0)
    samples = late.samples.with_columns(working_set_bytes=pl.col("working_set_bytes") + more)
    return replace(late, containers=containers, samples=samples)


def _counts(recording: rm.Recording) -> list[Any]:
    """Who is in it, with how many samples and events, and the sums of their signals."""
    kinds = recording.events.group_by("container_id").agg(pl.col("kind"), pl.col("value_bytes").sum())
    sums = recording.samples.group_by("container_id").agg(
        pl.len(), pl.col("time").min(), end=pl.col("time").max(), sums=pl.struct(pl.col(*SIGNALS).sum())
    )
    about = recording.containers.select(
        "container_id", "workload", "pod", "container", "limit_bytes", "cadence_seconds"
    )
    for frame in (sums, kinds):
        about = about.join(frame, on="container_id", how="left", maintain_order="left")
    rows = [plain(row) for row in about.iter_rows(named=True)]
    return [row | {"sums": {k: v for k, v in row["sums"].items() if v}} for row in rows] + [repr(recording)]


def told() -> dict[str, list[Any]]:
    """Files, names, times and samples, whole and in part."""
    with tempfile.TemporaryDirectory() as folder:
        lake = rm.Lake(Path(folder) / "lake", buckets=5)
        early, late = fleet.recording().window(end=hour(30)), _later()
        within = (hour(20), hour(90))
        changed = [lake.append(early), lake.append(late), lake.append(late), lake.append(early, events_within=within)]
        files = lake.partitions().drop("bytes").with_columns(pl.col("path").str.replace_all(folder, "", literal=True))
        narrow = lake.window(start=hour(25), end=hour(50))
        scanned = lake.scan().group_by("bucket", "date").agg(pl.len(), pl.col("working_set_bytes", "rss_bytes").mean())
        found = {
            "changed": changed,
            "files": [plain(row) for row in files.iter_rows(named=True)],
            "times": [plain(one) for one in (lake.times(), narrow.times(), lake.tells_restarts())],
            "names": [plain(row) for row in lake.containers().iter_rows(named=True)],
            "whole": digest(lake.recording()),
            "window": _counts(narrow.recording()),
            "narrower": _counts(lake.window(last="50h").filter(namespace=["search", "mail"]).recording()),
            "filtered": _counts(lake.recording(pl.col("workload").str.starts_with("r"), start=hour(10), end=hour(70))),
            "scanned": [plain(row) for row in scanned.collect().sort("bucket", "date").iter_rows(named=True)],
            "assessed": [plain(row) for row in rm.classify(lake).select("workload", "verdict", "peak_bytes").rows()],
        }
        found["files in days"] = [
            len(lake.window(start=hour(a), end=hour(b)).files()) for a, b in ((0, 1), (24, 47), (30, 96))
        ]
        for begin, end in ((3, 5), (9, 12), (5, 6), (20, 30), (11, 13)):
            lake.note("a", pulled=(hour(begin), hour(end)))
        found["pulled"] = [plain(lake.pulled("a")), lake.pulled("b")]
        wanted = product((2, 4, 6, 10, 12), (4, 6, 12.5, 40))
        missing = (
            (a, b, _lake_files.missing((hour(a), hour(b)), lake.pulled("a"), dt.timedelta(minutes=30)))
            for a, b in wanted
            if a < b
        )
        found["missing"] = [plain(one) for one in missing]
    several = rm.concat([early, late])
    return found | {
        "concat": digest(several),
        "completeness": [plain(row) for row in several.completeness().iter_rows(named=True)],
        "html": markup(several._repr_html_()),
        "windows": [
            repr(several.window(start, end, last=last))
            for start, end, last in ((None, None, "6h"), (hour(50), None, None), (None, hour(50), "90m"))
        ],
        "frame": [several.frame().columns, *map(plain, several.frame().gather_every(2000).iter_rows())],
    }


if __name__ == "__main__":
    write(FILE, told())
