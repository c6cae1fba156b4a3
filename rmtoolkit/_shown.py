"""The memory of one instant taken apart into layers: the same rule for what is said and for what is drawn."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np
import polars as pl

from rmtoolkit._tables import run_starts

#: Signals that layers are made of; of the first five, from the lowest layer up, the first one that was ever scraped
#: says which instant is shown.
PARTS: Final = (
    "allocated_bytes",
    "anon_bytes",
    "rss_bytes",
    "working_set_bytes",
    "usage_bytes",
    "active_bytes",
    "resident_bytes",
    "free_bytes",
    "shmem_bytes",
    "kernel_bytes",
    "file_bytes",
)

_LOWEST: Final = PARTS[:5]
#: What was scraped longer before that instant is no part of it.
_SAME_INSTANT: Final = dt.timedelta(hours=1)
#: What was scraped longer before the last sample is not shown at all.
_RECENT_MS: Final = 24 * 3_600_000


def apart(rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Take `PARTS` of one instant apart; unknown is null. From live heap to cache they add up to the working set."""

    def below_roof(edge: pl.Expr) -> pl.Expr:
        # The allocator's own count of pages runs a little ahead of the kernel's: nothing is above what that says.
        return pl.when(edge.is_not_null()).then(pl.min_horizontal(edge, "roof"))

    live, gaps, whole, rest = (pl.col(name) for name in ("live", "gaps", "whole", "rest"))
    pages = pl.coalesce("active_bytes", "allocated_bytes") + pl.col("free_bytes")
    own = pl.col("private").is_not_null()
    shared = pl.col("shmem_bytes").is_not_null()
    told = pl.when(pl.col("kernel_bytes").is_not_null()).then(pl.min_horizontal("kernel_bytes", rest))
    # Step by step: as one expression the same parts would be worked out hundreds of times.
    return (
        rows.lazy()
        .with_columns(
            whole=pl.coalesce("working_set_bytes", "usage_bytes"), private=pl.coalesce("anon_bytes", "rss_bytes")
        )
        .with_columns(roof=pl.min_horizontal("private", pl.coalesce(whole, "rss_bytes", "anon_bytes", pl.lit(2**62))))
        .with_columns(
            live=below_roof(pl.col("allocated_bytes")),
            active=below_roof(pl.col("active_bytes")),
            held=below_roof(pl.coalesce("resident_bytes", pages)),
        )
        .with_columns(gaps=(pl.col("active") - live).clip(0))
        .with_columns(kept=(pl.col("held") - live - gaps.fill_null(0)).clip(0))
        .with_columns(heap=live + gaps.fill_null(0) + pl.col("kept").fill_null(0))
        .with_columns(anonymous=pl.when(own).then("roof").otherwise("heap"))
        .with_columns(room=(whole - pl.col("anonymous")).clip(0))
        .with_columns(shmem=pl.when(shared).then(pl.min_horizontal("shmem_bytes", pl.coalesce("room", "shmem_bytes"))))
        .with_columns(rest=pl.col("room") - pl.col("shmem").fill_null(0))
        .with_columns(files=(pl.col("file_bytes") - pl.col("shmem").fill_null(0)).clip(0))
        # What is neither the process's nor a file is the kernel's; where files are not told, all of the rest is cache.
        .with_columns(kernel=pl.when(own).then(pl.coalesce(told, (rest - pl.col("files")).clip(0))))
        .select(
            *keys,
            live_bytes=live,
            slack_bytes=gaps,
            kept_bytes="kept",
            outside_bytes=pl.when(own).then(pl.col("anonymous") - pl.col("heap")),
            anon_bytes="anonymous",
            cache_bytes=pl.when(own).then(rest - pl.col("kernel").fill_null(0)),
            kernel_bytes="kernel",
            shmem_bytes="shmem",
            working_set_bytes=whole,
            rss_bytes=pl.coalesce("rss_bytes", "anon_bytes"),
        )
        .collect()
    )


def last_layers(samples: pl.DataFrame, containers: pl.Series) -> pl.DataFrame:
    """Take the memory of containers apart at the last scrape of their lowest layer."""
    names = [name for name in PARTS if samples[name].null_count() < samples.height]
    lowest = [pl.col("time").filter(pl.col(name).is_not_null()).last() for name in _LOWEST if name in names]
    if not lowest or not containers.len():
        nothing = dict.fromkeys(PARTS, pl.Int64) | {"layers_time": samples.schema["time"]}
        found = pl.DataFrame({"container_id": containers}).with_columns(
            pl.lit(None, dtype=dtype).alias(name) for name, dtype in nothing.items()
        )
        return apart(found, "container_id", "layers_time")
    first = run_starts(samples["container_id"])
    length = np.diff(first, append=samples.height)
    time = samples["time"].to_physical().to_numpy()
    age = np.repeat(time[first + length - 1], length) - time
    recent = samples.select("container_id", "time", *names).filter(age < _RECENT_MS)
    instants = recent.group_by("container_id").agg(layers_time=pl.coalesce(lowest))
    found = (
        recent.lazy()
        .join(instants.lazy(), on="container_id", maintain_order="left")
        .filter(pl.col("time").is_between(pl.col("layers_time") - _SAME_INSTANT, "layers_time"))
        .group_by("container_id", maintain_order=True)
        .agg(pl.col("layers_time").first(), pl.col(names).last(ignore_nulls=True))
        .collect()
    )
    missing = set(PARTS).difference(names)
    found = found.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in missing)
    return apart(found, "container_id", "layers_time")


#: Upper edges of the layers, from the bottom up.
TOPS: Final = ("live", "slack", "kept", "outside", "cache")


def edges(samples: pl.DataFrame) -> pl.DataFrame:
    """Give the upper edges of the layers of one container at every sample, from the bottom up, by the colour of each.

    An edge is null where its own signal was not scraped; what bounds it is taken from the scrape before in its `life`.
    """
    own = {
        "live": pl.col("allocated_bytes"),
        "slack": pl.col("active_bytes"),
        "kept": pl.coalesce("resident_bytes", "free_bytes"),
        "outside": pl.coalesce("anon_bytes", "rss_bytes"),
        "cache": pl.coalesce("working_set_bytes", "usage_bytes"),
    }
    there = samples.select(signal.is_not_null().alias(name) for name, signal in own.items())
    filled = samples.select("life", *PARTS).with_columns(pl.col(PARTS).forward_fill().over("life"))
    heap = pl.sum_horizontal("live_bytes", "slack_bytes")
    kept = heap + pl.col("kept_bytes")
    tops = apart(filled).select(
        live="live_bytes", slack=heap, kept=kept, outside="anon_bytes", cache="working_set_bytes"
    )
    return tops.select(pl.when(there[name]).then(pl.col(name)).cast(pl.Float64).alias(name) for name in own)


def thick(row: dict[str, Any]) -> dict[str, int | None]:
    """Say how thick each layer is in a row, by its colour: what lies above the process's own memory is one layer."""
    whole, own = row["working_set_bytes"], row["anon_bytes"]
    rest = None if whole is None or own is None else whole - own
    layers = {name: row[f"{name}_bytes"] for name in ("live", "slack", "kept", "outside")}
    return layers | {"cache": rest, "whole": own}
