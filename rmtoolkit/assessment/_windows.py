"""The window of each workload and what happened in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rmtoolkit._tables import run_starts
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.limits.risk import HORIZON

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording


def windows(part: Recording, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Find the window of each workload and what happened in it, by the container that is shown."""
    shown = verdicts.select("container_id", *WORKLOAD)
    ids = part.samples["container_id"]
    first = run_starts(ids)
    last = np.append(first[1:], part.samples.height) - 1
    seen = pl.DataFrame(
        {
            "container_id": ids.gather(first),
            "first": part.samples["time"].gather(first),
            "last": part.samples["time"].gather(last),
        }
    )
    about = part.containers.select("container_id", *WORKLOAD, "pod", "cadence_seconds", "workload_kind")
    found = (
        about.join(seen, on="container_id", how="left", maintain_order="left")
        .group_by(*WORKLOAD, maintain_order=True)
        .agg(
            window_start=pl.col("first").min(),
            window_end=pl.col("last").max(),
            cadence_seconds=pl.col("cadence_seconds").median(),
            workload_kind=pl.col("workload_kind").drop_nulls().first(),
        )
    )
    end = found.select(*WORKLOAD, "window_end")
    beside = found.drop("window_end").join(
        _happened(part, end).drop("window_end"), on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left"
    )
    return (
        shown.join(about.select("container_id", "pod"), on="container_id", how="left", maintain_order="left")
        .join(beside, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .drop(WORKLOAD)
    )


def _happened(part: Recording, end: pl.DataFrame) -> pl.DataFrame:
    """Count kills, once each, and find the last release and the last change of the limit of each workload."""
    names = part.containers.select("container_id", *WORKLOAD, running="version")
    events = part.events.join(names, on="container_id", maintain_order="left").join(
        end, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left"
    )
    killed, release = (pl.col("kind") == kind for kind in ("oom_kill", "release"))
    # The first word on a limit says what it is, not that it changed.
    changed = (pl.col("kind") == "limit") & pl.col("value_bytes").ne(
        pl.col("value_bytes").filter(pl.col("kind") == "limit").first().over("container_id")
    )
    time = pl.col("time")
    told = (
        events.sort("time", maintain_order=True)
        .with_columns(changed=changed)
        .group_by(*WORKLOAD, maintain_order=True)
        .agg(
            kills=killed.sum().cast(pl.Int64),
            kills_7d=(killed & (time > pl.col("window_end") - HORIZON)).sum().cast(pl.Int64),
            last_kill=time.filter(killed).last(),
            detail=pl.col("detail").filter(release).last(),
            released=time.filter(release).last(),
            limit_changed=time.filter("changed").last(),
            kills_since=(killed & (time > time.filter("changed").last())).sum().cast(pl.Int64),
        )
    )
    known = names.group_by(*WORKLOAD, maintain_order=True).agg(running=pl.col("running").drop_nulls().last())
    return (
        known.join(told, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .join(end, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .select(
            *WORKLOAD,
            pl.col("kills", "kills_7d").fill_null(0),
            "last_kill",
            "released",
            "limit_changed",
            "window_end",
            version=pl.coalesce("detail", "running"),
            kills_since=pl.when(pl.col("limit_changed").is_not_null()).then("kills_since"),
        )
    )
