"""Allocator gauges that an exporter keeps wrongly: never refreshed, or added to themselves."""

from __future__ import annotations

from typing import Final

import polars as pl

from rmtoolkit.validation.found import ABOVE_BYTES, ABOVE_SHARE, MI, nothing

#: Gauges of one allocator; they are refreshed together.
ALLOCATOR: Final = (
    "allocated_bytes",
    "active_bytes",
    "resident_bytes",
    "mapped_bytes",
    "metadata_bytes",
    "retained_bytes",
    "free_bytes",
)
#: Unchanged for this many samples, with this much movement beside it: nobody refreshes the gauge.
STALE_SAMPLES: Final = 20
_STALE_MOVE_BYTES: Final = 8 * MI
_STALE_MOVE_SHARE: Final = 0.1
#: Rises that make a habit.
_RISES: Final = 10


def stale(samples: pl.DataFrame) -> pl.DataFrame:
    """Find allocator gauges that all stand still while the memory of the process moves.

    Parameters
    ----------
    samples
        What `orders.with_references` made of a recording.

    Returns
    -------
    polars.DataFrame
        Findings in the schema `FOUND`; `low` and `high` are the movement beside the gauge.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> from rmtoolkit.validation.orders import with_references
    >>> moving = [(50 + step) * MI for step in range(40)]
    >>> rows = pl.DataFrame({"time": range(0, 600, 15), "rss_bytes": moving, "allocated_bytes": [5 * MI] * 40})
    >>> stale(with_references(as_recording(rows))).select("signal", "count", "rejected").row(0)
    ('allocated_bytes', 40, True)
    """
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in ("container_id", *ALLOCATOR))
    runs = (
        samples.lazy()
        .select("container_id", "time", *ALLOCATOR)
        .filter(pl.any_horizontal(pl.col(name).is_not_null() for name in ALLOCATOR))
        .with_columns(run=changed.cum_sum())
        .filter(pl.len().over("run") >= STALE_SAMPLES)
        .group_by("run")
        .agg(
            *(pl.col(name).first() for name in ("container_id", "time", *ALLOCATOR)),
            end=pl.col("time").last(),
            samples=pl.len(),
        )
        .sort("run")
        .collect()
    )
    if not runs.height:
        return nothing()
    moved = (
        samples.select("container_id", "time", "moving")
        .drop_nulls("moving")
        .join_asof(
            runs.select("container_id", "time", "end", "run"),
            on="time",
            by="container_id",
            check_sortedness=False,
        )
        .filter(pl.col("time") <= pl.col("end"))
        .group_by("run")
        .agg(low=pl.col("moving").min(), high=pl.col("moving").max())
    )
    enough = pl.max_horizontal(pl.col("high") * _STALE_MOVE_SHARE, pl.lit(_STALE_MOVE_BYTES))
    total = samples.group_by("container_id").agg(pl.col(name).count().alias(f"{name}_n") for name in ALLOCATOR)
    still = (
        runs.join(moved.filter(pl.col("high") - pl.col("low") >= enough), on="run")
        .join(total, on="container_id")
        .sort("run")
    )
    return pl.concat(
        still.filter(pl.col(name).is_not_null())
        .group_by("container_id", maintain_order=True)
        .agg(
            check=pl.lit("stale_allocator"),
            signal=pl.lit(name),
            count=pl.col("samples").sum(),
            compared=pl.col(f"{name}_n").first(),
            first=pl.col("time").min(),
            last=pl.col("end").max(),
            low=pl.col("low").min(),
            high=pl.col("high").max(),
            about=pl.lit(None, dtype=pl.String),
            rejected=pl.col("samples").sum() >= pl.col(f"{name}_n").first() / 2,
        )
        for name in ALLOCATOR
    )


def self_incrementing(samples: pl.DataFrame) -> pl.DataFrame:
    """Find gauges to which an exporter adds their own value at every scrape.

    Such a gauge only rises, by about the true amount each time, and soon passes all the memory the process
    has. Where no such memory is known, one rising gauge may be a leak; that every gauge of the allocator
    rises by its own size, its metadata too, is no leak.

    Parameters
    ----------
    samples
        What `orders.with_references` made of a recording.

    Returns
    -------
    polars.DataFrame
        Findings in the schema `FOUND`; `low` is the usual step, `high` the largest value.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> from rmtoolkit.validation.orders import with_references
    >>> sums = [30 * MI * step for step in range(1, 21)]
    >>> rows = pl.DataFrame({"time": range(0, 300, 15), "rss_bytes": [50 * MI] * 20, "allocated_bytes": sums})
    >>> self_incrementing(with_references(as_recording(rows)))["signal"].to_list()
    ['allocated_bytes']
    """
    found = [_rises(samples, name) for name in ALLOCATOR if samples[name].count()]
    if not found:
        return nothing()
    beside = samples.group_by("container_id").agg(
        usual=pl.col("footprint").median(),
        most=pl.col("footprint").max() * (1 + ABOVE_SHARE) + ABOVE_BYTES,
    )
    passes = (pl.col("high") > pl.col("most")) & pl.col("low").is_between(pl.col("usual") / 20, pl.col("most"))
    own_size = pl.col("only_rises") & pl.col("low").is_between(pl.col("start") / 3, pl.col("start") * 3)
    all_alike = own_size.all().over("container_id") & (pl.len().over("container_id") > 1)
    return (
        pl.concat(found)
        .join(beside, on="container_id")
        .filter(
            pl.when(pl.col("most").is_null()).then(all_alike).otherwise(pl.col("only_rises") & passes),
        )
        .with_columns(
            check=pl.lit("self_incrementing"),
            compared="count",
            about=pl.lit(None, dtype=pl.String),
            rejected=pl.lit(value=True),
        )
    )


def _rises(samples: pl.DataFrame, signal: str) -> pl.DataFrame:
    step = pl.col("value") - pl.col("before")
    # Down to less than half is a restart, not a gauge that fell.
    falls = (step < 0) & (pl.col("value") >= pl.col("before") / 2)
    up = (step > 0).sum()
    return (
        samples.lazy()
        .select("container_id", "time", value=signal)
        .drop_nulls("value")
        .with_columns(
            before=pl.when(pl.col("container_id") == pl.col("container_id").shift()).then(pl.col("value").shift()),
        )
        .group_by("container_id")
        .agg(
            signal=pl.lit(signal),
            count=up,
            first=pl.col("time").first(),
            last=pl.col("time").last(),
            low=step.filter(step > 0).median(),
            high=pl.col("value").max(),
            start=pl.col("value").first(),
            only_rises=~falls.any() & (up >= _RISES) & (up >= pl.len() / 2),
        )
        .collect()
    )
