"""Samples of one series that fill the gaps of another, and counters of several series summed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: A stretch without a sample is a gap when it is longer than this many intervals.
_GAP_INTERVALS: Final = 2
#: Taken for the interval of a series of a single sample.
_UNKNOWN_INTERVAL: Final = 60_000


class Rows(NamedTuple):
    """Samples, sorted by key and time.

    Attributes
    ----------
    key
        What the samples belong to; rises.
    series
        The series they come from.
    times
        Milliseconds; rise within a key.
    values
        The samples.
    """

    key: NDArray[np.int64]
    series: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Rows:
        """Keep some of the samples.

        Parameters
        ----------
        chosen
            A mask, or row numbers.

        Returns
        -------
        Rows
            Only these.

        Examples
        --------
        >>> empty = np.empty(0, np.int64)
        >>> len(Rows(empty, empty, empty, np.empty(0)).where(np.empty(0, bool)).times)
        0
        """
        return Rows(*(part[chosen] for part in self))  # type: ignore[arg-type] # mypy loses the types of the parts

    def ordered(self) -> Rows:
        """Sort by key and time.

        Returns
        -------
        Rows
            The same samples.

        Examples
        --------
        >>> Rows(*(np.array([1, 0]) for _ in range(4))).ordered().times.tolist()
        [0, 1]
        """
        return self.where(np.lexsort((self.times, self.key)))


def combined(parts: Sequence[Rows]) -> Rows:
    """Put samples together.

    Parameters
    ----------
    parts
        At least one.

    Returns
    -------
    Rows
        All samples, sorted.

    Examples
    --------
    >>> part = Rows(*(np.array([1]) for _ in range(4)))
    >>> combined([part, part]).times.tolist()
    [1, 1]
    """
    if len(parts) == 1:
        return parts[0]
    return Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True))).ordered()


def fill_gaps(base: Rows, extra: Rows) -> NDArray[np.bool_]:
    """Say which samples fall into gaps of others: never between two that follow each other.

    Parameters
    ----------
    base
        The samples that are used.
    extra
        Samples that say the same.

    Returns
    -------
    numpy.ndarray
        A mask over `extra`: true where `base` has no sample for more than two of its usual intervals
        (also before its first and after its last sample).

    Examples
    --------
    >>> zero = lambda times: np.zeros(len(times), np.int64)
    >>> rows = lambda times: Rows(zero(times), zero(times), np.array(times), np.zeros(len(times)))
    >>> fill_gaps(rows([0, 10, 20, 90, 100]), rows([7, 17, 27, 87, 97, 107])).tolist()
    [False, False, True, True, False, False]
    """
    if not len(base.key):
        return np.ones(len(extra.key), bool)
    if not len(extra.key):
        return np.zeros(0, bool)
    origin = min(int(base.times.min()), int(extra.times.min()))
    span = max(int(base.times.max()), int(extra.times.max())) - origin + 1
    base_line, line = _line(base, origin, span), _line(extra, origin, span)
    at = np.searchsorted(base_line, line, side="right")
    before, after = np.maximum(at - 1, 0), np.minimum(at, len(base.key) - 1)
    keys, starts = np.unique(extra.key, return_index=True)
    ends = np.append(starts[1:], len(extra.key)) - 1
    place = np.searchsorted(keys, extra.key)
    interval = _intervals(base, extra, keys)[place]
    previous = np.where((at > 0) & (base.key[before] == extra.key), base.times[before], extra.times[starts][place])
    is_inside = (at < len(base.key)) & (base.key[after] == extra.key)
    following = np.where(is_inside, base.times[after], extra.times[ends][place])
    is_gap: NDArray[np.bool_] = following - previous > _GAP_INTERVALS * interval
    is_twice: NDArray[np.bool_] = (at > 0) & (base_line[before] == line)
    return is_gap & ~is_twice


def _line(rows: Rows, origin: int, span: int) -> NDArray[np.int64]:
    """Keys and times as one rising number."""
    return rows.key * span + (rows.times - origin)


def _intervals(base: Rows, extra: Rows, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How long the usual step of each key is; of `extra` where `base` has a single sample."""
    found = np.zeros(len(keys))
    for rows in (extra, base):
        medians = (
            pl.DataFrame({"key": rows.key, "step": np.diff(rows.times, prepend=rows.times[:1])})
            .filter(pl.col("key") == pl.col("key").shift())
            .group_by("key")
            .agg(pl.col("step").median())
            .filter(pl.col("key").is_in(keys))
        )
        found[np.searchsorted(keys, medians["key"].to_numpy())] = medians["step"].to_numpy()
    return np.where(found > 0, found, _UNKNOWN_INTERVAL).astype(np.int64)


def sum_increments(rows: Rows) -> Rows:
    """Sum counters that belong together, such as one for each status code, at every instant.

    Parameters
    ----------
    rows
        Samples of several counters a key.

    Returns
    -------
    Rows
        One counter a key that never falls: a counter that fell has restarted from zero, and one that
        appears late began at zero.

    Examples
    --------
    >>> zero = np.zeros(4, np.int64)
    >>> rows = Rows(zero, np.array([1, 2, 1, 2]), np.array([10, 10, 20, 20]), np.array([5.0, 7.0, 6.0, 1.0]))
    >>> sum_increments(rows).values.tolist()
    [12.0, 14.0]
    """
    value = pl.col("value")
    step = value - value.shift().over("key", "series")
    frame = (
        pl.DataFrame({"key": rows.key, "series": rows.series, "time": rows.times, "value": rows.values})
        .filter(value.is_finite())
        .with_columns(step=pl.when(step >= 0).then(step).otherwise(value))
        .group_by("key", "time")
        .agg(pl.col("series").min(), pl.col("step").sum())
        .sort("key", "time")
        .with_columns(pl.col("step").cum_sum().over("key"))
    )
    return Rows(*(frame[name].to_numpy() for name in ("key", "series", "time", "step")))


def sum_gauges(rows: Rows) -> Rows:
    """Sum gauges that belong together, such as requests in flight of each handler, at every instant.

    Parameters
    ----------
    rows
        Samples of several gauges a key.

    Returns
    -------
    Rows
        One gauge a key.

    Examples
    --------
    >>> zero = np.zeros(2, np.int64)
    >>> sum_gauges(Rows(zero, np.array([1, 2]), zero, np.array([5.0, 7.0]))).values.tolist()
    [12.0]
    """
    frame = (
        pl.DataFrame({"key": rows.key, "series": rows.series, "time": rows.times, "value": rows.values})
        .group_by("key", "time")
        .agg(pl.col("series").min(), pl.col("value").sum())
        .sort("key", "time")
    )
    return Rows(*(frame[name].to_numpy() for name in ("key", "series", "time", "value")))
