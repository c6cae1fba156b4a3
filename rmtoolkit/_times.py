"""Durations and instants as people write them, runs of equal values, and settings as they were at another time."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.exceptions import RmtoolkitError, quote

if TYPE_CHECKING:
    from numpy.typing import NDArray


_DURATION: Final = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h|d|w)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EARLIEST: Final = dt.datetime(1, 1, 2, tzinfo=dt.UTC)


def parse_duration(value: str | dt.timedelta) -> dt.timedelta:
    """Read a duration such as ``"7d"``, ``"1h30m"`` or a timedelta."""
    if isinstance(value, dt.timedelta):
        duration = value
    else:
        parts = list(_DURATION.finditer(value))
        if "".join(part[0] for part in parts) != value or not parts:
            msg = f"{quote(value)} is no duration. Write it like '7d', '36h' or '1h30m'."
            raise RmtoolkitError(msg)
        try:
            duration = dt.timedelta(seconds=sum(float(part["number"]) * _UNIT_SECONDS[part["unit"]] for part in parts))
        except OverflowError as error:
            msg = f"{quote(value)} is longer than any recording. Write it like '7d', '36h' or '1h30m'."
            raise RmtoolkitError(msg) from error
    if duration <= dt.timedelta(0):
        msg = f"A duration must be above zero, got {value!r}."
        raise RmtoolkitError(msg)
    return duration


def parse_time(value: str | dt.datetime) -> dt.datetime:
    """Read an instant; without a zone it is UTC."""
    try:
        stamp = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        return stamp.replace(tzinfo=dt.UTC) if stamp.tzinfo is None else stamp.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{quote(value)} is no time. Write it like '2026-11-23T03:05' (UTC) or '2026-11-23T03:05+01:00'."
        raise RmtoolkitError(msg) from error


def window_bounds(
    start: str | dt.datetime | None,
    end: str | dt.datetime | None,
    last: str | dt.timedelta | None,
    newest: dt.datetime | None,
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Find where a stretch of time begins and ends."""
    low = parse_time(start) if start is not None else None
    high = parse_time(end) if end is not None else None
    if last is not None:
        if low is not None:
            msg = "Give either start or last, not both."
            raise RmtoolkitError(msg)
        stop = high if high is not None else newest
        length = parse_duration(last)
        # Longer than the calendar reaches back is as long as there is anything.
        low = stop - length if stop is not None and length < stop - _EARLIEST else None
    if low is not None and high is not None and high < low:
        msg = f"The window ends ({high.isoformat()}) before it starts ({low.isoformat()})."
        raise RmtoolkitError(msg)
    return low, high


def begins(column: pl.Series) -> NDArray[np.int64]:
    """Find the rows at which a value differs from the one before."""
    values = column.to_numpy()
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]]))


def search(
    values: NDArray[np.int64], first: NDArray[np.int64], length: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find in many sorted stretches at once where values begin to be large enough."""
    low = np.repeat(first[:, None], wanted.shape[1], axis=1)
    high = low + length[:, None]
    for _ in range(int(length.max(initial=0)).bit_length()):
        middle = (low + high) // 2
        # Where the search is over, low and high are equal and stay so.
        open_ = low < high
        below = open_ & (values[np.minimum(middle, len(values) - 1)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low


def settings_at(containers: pl.DataFrame, events: pl.DataFrame, end: dt.datetime) -> pl.DataFrame:
    """Give containers the limits and requests they had at an instant."""
    for kind in ("limit", "request"):
        column = f"{kind}_bytes"
        changes = events.filter(pl.col("kind") == kind)
        then = (
            changes.filter(pl.col("time") <= end)
            .group_by("container_id", maintain_order=True)
            .agg(pl.col("value_bytes").last().alias("then"), pl.lit(value=True).alias("set"))
        )
        later = changes.filter(pl.col("time") > end).select("container_id", later=pl.lit(value=True)).unique()
        containers = containers.join(then, on="container_id", how="left", maintain_order="left")
        containers = containers.join(later, on="container_id", how="left", maintain_order="left")
        # What was set only later says nothing about what held before.
        unknown = pl.col("set").is_null() & pl.col("later").is_not_null()
        containers = containers.with_columns(
            pl.when(pl.col("set") | unknown).then("then").otherwise(column).alias(column),
            *([(pl.col("limit_known") & ~unknown).alias("limit_known")] if kind == "limit" else []),
        ).drop("then", "set", "later")
    return containers
