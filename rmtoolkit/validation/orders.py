"""Layers of memory that hold each other: what is part of another cannot be larger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from rmtoolkit.schema import FOOTPRINTS
from rmtoolkit.validation.found import ABOVE_BYTES, ABOVE_SHARE, MI, REJECT_SHARE, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.recording import Recording


class _Order(NamedTuple):
    """`low` is part of `high`; where it is larger by more than share and slack, `blamed` are not to be trusted."""

    check: str
    low: str
    high: str
    share: float
    slack_bytes: int
    blamed: tuple[str, ...]


#: Signals for all memory of a process, and for what the limit is compared with, the best first.
FOOTPRINT: Final = ("rss_bytes", "usage_bytes", "working_set_bytes", "anon_bytes")
FULLNESS: Final = ("usage_bytes", "working_set_bytes")


def _layers(low: str, high: str, slack_bytes: int = MI, share: float = 0.02) -> _Order:
    words = (name.removesuffix("_bytes") for name in (low, high))
    return _Order("_above_".join(words), low, high, share, slack_bytes, (low, high))


ORDERS: Final = (
    _layers("allocated_bytes", "active_bytes"),
    _layers("active_bytes", "resident_bytes"),
    _layers("allocated_bytes", "resident_bytes"),
    _layers("active_bytes", "mapped_bytes"),
    # These may come from two exporters, each with a clock of its own.
    _layers("working_set_bytes", "usage_bytes", share=0.05),
    _layers("anon_bytes", "usage_bytes", 4 * MI, share=0.05),
    _layers("usage_bytes", "peak_bytes")._replace(blamed=("peak_bytes",)),
    *(
        _Order("allocator_above_footprint", name, "footprint", ABOVE_SHARE, ABOVE_BYTES, (name,))
        for name in ("allocated_bytes", "resident_bytes")
    ),
    _Order("usage_above_limit", "fullness", "limit", 0.1, MI, ("limit_bytes",)),
)


def check(samples: pl.DataFrame, recording: Recording) -> Iterator[pl.DataFrame]:
    """Find every order that is broken.

    Parameters
    ----------
    samples
        What `with_references` made of the recording.
    recording
        Where they come from.

    Yields
    ------
    polars.DataFrame
        Findings in the schema `FOUND`; `about` names the two layers.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> rows = pl.DataFrame({"time": [0], "working_set_bytes": [90 * MI], "usage_bytes": [30 * MI]})
    >>> recording = as_recording(rows)
    >>> [found["check"][0] for found in check(with_references(recording), recording) if found.height]
    ['working_set_above_usage']
    """
    has = {name: samples[name].count() > 0 for order in ORDERS for name in (order.low, order.high)}
    layered: set[int] = set()
    for order in ORDERS:
        if not (has[order.low] and has[order.high]):
            continue
        found = _out_of_order(samples, recording, order)
        if order.check in ("allocated_above_active", "active_above_resident"):
            layered.update(found["container_id"])
        elif order.check == "allocated_above_resident":
            # Said already, and nearer to the fault, where the layer between them is known.
            found = found.filter(~pl.col("container_id").is_in(list(layered)))
        yield found


def with_references(recording: Recording) -> pl.DataFrame:
    """Add to the samples what gauges are compared with.

    Parameters
    ----------
    recording
        Samples, events and limits.

    Returns
    -------
    polars.DataFrame
        The samples and: `footprint`, all memory of the process or else of its container, with swap;
        `moving`, the same without page cache where that is known; `fullness`, what the limit is compared
        with; `limit`, the one in force at that instant. All null where unknown.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> frame = pl.DataFrame({"time": [0], "rss_bytes": [5], "limit_bytes": [9]})
    >>> with_references(as_recording(frame)).select("footprint", "moving", "fullness", "limit").row(0)
    (5, 5, None, 9)
    """
    samples = recording.samples
    has = samples.group_by("container_id").agg(pl.col(name).count() > 0 for name in FOOTPRINTS)

    def first_of(*names: str) -> pl.Expr:
        chosen = pl.lit(None, dtype=pl.Int64)
        for name in reversed(names):
            ids = has.filter(name)["container_id"].implode()
            chosen = pl.when(pl.col("container_id").is_in(ids)).then(pl.col(name)).otherwise(chosen)
        return chosen

    samples = samples.with_columns(
        footprint=first_of(*FOOTPRINT) + pl.col("swap_bytes").fill_null(0),
        moving=first_of("rss_bytes", "anon_bytes", "working_set_bytes", "usage_bytes"),
        fullness=first_of(*FULLNESS),
    )
    changes = recording.events.filter(pl.col("kind") == "limit").select("container_id", "time", limit="value_bytes")
    if changes.height:
        samples = samples.join_asof(changes, on="time", by="container_id", check_sortedness=False)
    else:
        samples = samples.with_columns(limit=pl.lit(None, dtype=pl.Int64))
    # Before its first change a limit is unknown: the one on record is that of the window's end.
    only = recording.containers.select("container_id", only="limit_bytes").join(
        changes.select("container_id").unique(),
        on="container_id",
        how="anti",
    )
    return samples.join(only, on="container_id", how="left", maintain_order="left").with_columns(
        limit=pl.coalesce("limit", "only"),
    )


def _near(samples: pl.DataFrame, signal: str, *, largest: bool) -> pl.DataFrame:
    """Give each sample of a signal its most favourable reading within one scrape."""
    beside = [
        pl.when(pl.col("container_id") == pl.col("container_id").shift(by)).then(pl.col("value").shift(by))
        for by in (1, -1)
    ]
    pick = pl.max_horizontal if largest else pl.min_horizontal
    return (
        samples.lazy()
        .select("container_id", "time", value=signal)
        .drop_nulls("value")
        .with_columns(near=pick("value", *beside))
        .collect()
    )


def _out_of_order(samples: pl.DataFrame, recording: Recording, order: _Order) -> pl.DataFrame:
    # Most orders hold at every instant, and then no neighbour needs a look.
    too_large = pl.col(order.low) > pl.col(order.high) * (1 + order.share) + order.slack_bytes
    doubtful = samples.lazy().filter(pl.col(order.low).is_not_null(), pl.col(order.high).is_null() | too_large)
    samples = samples.lazy().join(doubtful.select("container_id").unique(), on="container_id", how="semi").collect()
    lows = _near(samples, order.low, largest=False)
    highs = _near(samples, order.high, largest=True)
    pairs = (
        lows.join_asof(
            highs.rename({"value": "other", "near": "other_near"}).with_columns(seen="time"),
            on="time",
            by="container_id",
            strategy="nearest",
            check_sortedness=False,
        )
        .join(recording.containers.select("container_id", "quantum_bytes"), on="container_id")
        .with_columns(
            bad=pl.col("near")
            > pl.col("other_near") * (1 + order.share)
            + pl.max_horizontal(pl.col("quantum_bytes").fill_null(0), pl.lit(order.slack_bytes)),
        )
    )
    suspects = pairs.filter("bad").select("container_id").unique()
    if not suspects.height:
        return nothing()
    steps = [
        rows.join(suspects, on="container_id", how="semi")
        .group_by("container_id")
        .agg(pl.col("time").diff().dt.total_milliseconds().median().alias("step"))
        for rows in (lows, highs)
    ]
    reach = steps[0].join(steps[1], on="container_id")
    reach = reach.select("container_id", reach=pl.max_horizontal("step", "step_right").fill_null(0) * 1.5)
    apart = (pl.col("time") - pl.col("seen")).dt.total_milliseconds().abs()
    worst = (pl.col("value") - pl.col("other")).filter("bad").arg_max()
    found = (
        pairs.join(reach, on="container_id")
        .filter(apart <= pl.col("reach"))
        .group_by("container_id")
        .agg(
            check=pl.lit(order.check),
            count=pl.col("bad").sum(),
            compared=pl.len(),
            first=pl.col("time").filter("bad").min(),
            last=pl.col("time").filter("bad").max(),
            low=pl.col("value").filter("bad").get(worst, null_on_oob=True),
            high=pl.col("other").filter("bad").get(worst, null_on_oob=True),
            about=pl.lit(f"{order.low} {order.high}"),
            rejected=pl.col("bad").mean() >= REJECT_SHARE,
        )
        .filter(pl.col("count") > 0)
    )
    return pl.concat(found.with_columns(signal=pl.lit(name)) for name in order.blamed)
