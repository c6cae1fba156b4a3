"""The window of each workload, what happened in it, and the layers of its memory at the last scrape."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit._tables import run_starts
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.limits.risk import HORIZON

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

#: From the lowest layer up: the first one that was ever scraped says which instant is shown.
_LOWEST: Final = ("allocated_bytes", "anon_bytes", "rss_bytes", "working_set_bytes", "usage_bytes")
_OTHER_PARTS: Final = (
    "active_bytes",
    "resident_bytes",
    "free_bytes",
    "shmem_bytes",
    "kernel_bytes",
    "file_bytes",
)
#: What was scraped longer before that instant is no part of it.
_SAME_INSTANT: Final = dt.timedelta(hours=1)


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


def layers(part: Recording, shown: pl.Series) -> pl.DataFrame:
    """Take the memory of some containers apart at the last scrape of their lowest layer; unknown is null."""
    samples = part.samples
    names = [name for name in (*_LOWEST, *_OTHER_PARTS) if samples[name].null_count() < samples.height]
    lowest = [pl.col("time").filter(pl.col(name).is_not_null()).last() for name in _LOWEST if name in names]
    if not lowest:
        return pl.DataFrame({"container_id": shown})
    recent = samples.select("container_id", "time", *names).filter(
        pl.col("container_id").is_in(shown.implode())
        & (pl.col("time") > pl.col("time").last().over("container_id") - 24 * _SAME_INSTANT)
    )
    instant = pl.coalesce(lowest)
    then = (pl.col("time") <= instant) & (pl.col("time") >= instant - _SAME_INSTANT)
    found = recent.group_by("container_id", maintain_order=True).agg(
        instant.alias("layers_time"), *(pl.col(name).filter(then).drop_nulls().last() for name in names)
    )
    missing = {*_LOWEST, *_OTHER_PARTS}.difference(names)
    found = found.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in missing)
    whole = pl.coalesce("working_set_bytes", "usage_bytes")
    top = pl.coalesce(whole, "rss_bytes", "anon_bytes", pl.lit(2**62))
    private = pl.coalesce("anon_bytes", "rss_bytes")
    roof = pl.min_horizontal(private, top)

    def below(edge: pl.Expr) -> pl.Expr:
        # The allocator's own count of pages runs a little ahead of the kernel's: nothing is above what that says.
        return pl.when(edge.is_not_null()).then(pl.min_horizontal(edge, roof))

    live = below(pl.col("allocated_bytes"))
    active = below(pl.col("active_bytes"))
    held = below(pl.coalesce("resident_bytes", pl.coalesce("active_bytes", "allocated_bytes") + pl.col("free_bytes")))
    gaps = (active - live).clip(0)
    kept = (held - live - gaps.fill_null(0)).clip(0)
    heap = live + gaps.fill_null(0) + kept.fill_null(0)
    anonymous = pl.when(private.is_not_null()).then(roof).otherwise(heap)
    room = (whole - anonymous).clip(0)
    shmem = pl.when(pl.col("shmem_bytes").is_not_null()).then(
        pl.min_horizontal("shmem_bytes", pl.coalesce(room, "shmem_bytes"))
    )
    rest = room - shmem.fill_null(0)
    files = (pl.col("file_bytes") - shmem.fill_null(0)).clip(0)
    # What is neither the process's nor a file is the kernel's; where files are not told, all of the rest is cache.
    told = pl.when(pl.col("kernel_bytes").is_not_null()).then(pl.min_horizontal("kernel_bytes", rest))
    kernel = pl.when(private.is_not_null()).then(pl.coalesce(told, (rest - files).clip(0)))
    return found.select(
        "container_id",
        "layers_time",
        live_bytes=live,
        slack_bytes=gaps,
        kept_bytes=kept,
        outside_bytes=pl.when(private.is_not_null()).then(anonymous - heap),
        anon_bytes=anonymous,
        cache_bytes=pl.when(private.is_not_null()).then(rest - kernel.fill_null(0)),
        kernel_bytes=kernel,
        shmem_bytes=shmem,
        working_set_bytes=whole,
        rss_bytes=pl.coalesce("rss_bytes", "anon_bytes"),
    )
