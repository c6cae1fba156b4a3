"""Reduce every signal of every life to a few dozen bins, so that all lives can be fitted at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.stretches import begins, search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Bins of a life, the finest first. A signal with too few samples for one width takes the next.
WIDTHS: Final = (96, 48, 24, 12)
#: Samples that a width needs: two a bin, and at the end one.
_NEEDED: Final = (192, 72, 24, 10)
#: Up to so many samples it matters where in its bin a sample lies: a line would get ripples.
_CENTRED: Final = 1000
#: Fewer samples than this say nothing about a trend.
MINIMUM_SAMPLES: Final = _NEEDED[-1]


@dataclass(frozen=True, slots=True)
class Envelope:
    """Signals in equal bins of their life's time: a row per life and signal.

    Attributes
    ----------
    rows
        `life_row` (row of the lives table), `signal`, `samples`, `filled` (share of bins with a sample).
    mean, low, high
        Bytes; rows x bins. Bins without a sample are interpolated.

    Examples
    --------
    >>> Envelope(pl.DataFrame(), *(np.zeros((0, 24)),) * 3).bins
    24
    """

    rows: pl.DataFrame
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def bins(self) -> int:
        """Bins of a life."""
        return int(self.mean.shape[1])


def envelopes(samples: pl.DataFrame, lives: pl.DataFrame, signals: Sequence[str]) -> list[Envelope]:
    """Bin the signals of all lives in one pass.

    Parameters
    ----------
    samples
        With `life_row`, `time` and the signals, sorted by life and time.
    lives
        With `start` and `end`; its row number is the `life_row`.
    signals
        Columns to bin.

    Returns
    -------
    list of Envelope
        One for each width that has rows. A signal with fewer than 10 samples in a life is in none.

    Examples
    --------
    >>> import datetime as dt
    >>> start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    >>> times = [start + dt.timedelta(minutes=minute) for minute in range(240)]
    >>> samples = pl.DataFrame({"life_row": [0] * 240, "time": times, "rss_bytes": range(240)})
    >>> lives = pl.DataFrame({"start": [times[0]], "end": [times[-1]]})
    >>> found, = envelopes(samples, lives, ["rss_bytes"])
    >>> found.mean.shape, found.low[0, :2].tolist(), found.high[0, -1:].tolist()
    ((1, 96), [0.0, 3.0], [239.0])
    """
    finest = WIDTHS[0]
    bins = _bins(samples, lives, finest)
    found: dict[int, list[tuple[pl.DataFrame, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]] = {}
    for name in signals:
        grids = _reduce(samples[name], bins, (lives.height, finest))
        counts = grids["count"].sum(axis=1)
        for position, width in enumerate(WIDTHS):
            upper = _NEEDED[position - 1] if position else np.inf
            chosen = np.flatnonzero((counts >= _NEEDED[position]) & (counts < upper))
            if not len(chosen):
                continue
            shape = (len(chosen), width, finest // width)
            count = grids["count"][chosen].reshape(shape).sum(axis=2)
            filled = count > 0
            low = np.where(filled, grids["low"][chosen].reshape(shape).min(axis=2), np.nan)
            high = np.where(filled, grids["high"][chosen].reshape(shape).max(axis=2), np.nan)
            some = np.where(filled, count, np.nan)
            mean = grids["sum"][chosen].reshape(shape).sum(axis=2) / some
            place = grids["place"][chosen].reshape(shape).sum(axis=2) / some
            late = np.where(counts[chosen, None] < _CENTRED, np.nan_to_num(place * width - np.arange(width) - 0.5), 0.0)
            mean = _centred(_bridge(mean), late)
            rows = pl.DataFrame(
                {
                    "life_row": chosen.astype(np.uint32),
                    "signal": np.full(len(chosen), name),
                    "samples": counts[chosen].astype(np.int64),
                    "filled": filled.mean(axis=1),
                },
            )
            found.setdefault(width, []).append((rows, mean, _bridge(low), _bridge(high)))
    return [
        Envelope(
            pl.concat([part[0] for part in parts]),
            *(np.concatenate([part[index] for part in parts]) for index in (1, 2, 3)),
        )
        for parts in found.values()
    ]


@dataclass(frozen=True, slots=True)
class _Bins:
    """Stretches of samples that fall into one bin.

    Their first rows, their lengths, their places in the grid, the times of all samples, and when the life of each
    stretch began and how long it is.
    """

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    place: NDArray[np.int64]
    time: NDArray[np.int64]
    start: NDArray[np.int64]
    span: NDArray[np.int64]


def _bins(samples: pl.DataFrame, lives: pl.DataFrame, finest: int) -> _Bins:
    """Find where each bin of each life begins; samples are sorted, so that bins are stretches of rows."""
    time = samples["time"].dt.cast_time_unit("ms").to_physical().to_numpy()
    begin = begins(samples["life_row"])
    life = samples["life_row"].gather(begin).to_numpy().astype(np.int64)
    start, span = (
        lives.select(
            first=pl.col("start").dt.cast_time_unit("ms").to_physical(),
            span=(pl.col("end") - pl.col("start")).dt.total_milliseconds().clip(1),
        )
        .to_numpy()[life]
        .T
    )
    # A sample is in bin k or later when (time - start) * bins // span >= k, in whole numbers.
    edge = start[:, None] - -(span[:, None] * np.arange(finest)) // finest
    edges = search(time, begin, np.diff(begin, append=samples.height), edge)
    edges[:, 0] = begin
    edges = edges.ravel()
    length = np.diff(edges, append=samples.height)
    place = (life[:, None] * finest + np.arange(finest)).ravel()
    kept = length > 0
    start, span = (np.repeat(column, finest)[kept] for column in (start, span))
    return _Bins(edges[kept], length[kept], place[kept], time, start, span)


def _reduce(column: pl.Series, bins: _Bins, shape: tuple[int, int]) -> dict[str, NDArray[np.float64]]:
    """Sum, count and extremes of a signal in each bin; bins without a value keep what changes nothing."""
    grids = {
        part: np.full(shape, empty)
        for part, empty in (("sum", 0.0), ("low", np.inf), ("high", -np.inf), ("count", 0.0), ("place", 0.0))
    }
    if column.null_count() == len(column):
        return grids
    if column.null_count():
        count = np.add.reduceat(column.is_not_null().to_numpy(), bins.first, dtype=np.int64)
        # Whatever stands for null must change nothing in a bin that has a value.
        sums, lows, highs = (column.fill_null(value).to_numpy() for value in (0, column.max(), column.min()))
    else:
        count = bins.length
        sums = lows = highs = column.to_numpy()
    parts = {
        "place": _places(column, bins, count, shape),
        "sum": np.add.reduceat(sums, bins.first),
        "low": np.minimum.reduceat(lows, bins.first),
        "high": np.maximum.reduceat(highs, bins.first),
        "count": count,
    }
    filled = count > 0
    for part, values in parts.items():
        grids[part].reshape(-1)[bins.place[filled]] = values[filled]
    return grids


def _places(column: pl.Series, bins: _Bins, count: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Sum where the samples of each stretch lie in their life, 0 to 1; only if a life has so few that it matters."""
    whole = np.bincount(bins.place // shape[1], count, minlength=shape[0])
    if whole.min(where=whole > 0, initial=_CENTRED) >= _CENTRED:
        return np.zeros(len(count))
    time = bins.time * column.is_not_null().to_numpy() if column.null_count() else bins.time
    found: NDArray[np.float64] = (np.add.reduceat(time, bins.first) - count * bins.start) / bins.span
    return found


def _centred(mean: NDArray[np.float64], late: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move each mean to the middle of its bin, along the smaller slope beside it; a line stays a line.

    Parts of a bin after its middle are positive. At a step or a spike one of the slopes is none: nothing moves.
    """
    steps = np.diff(mean, axis=1)
    before = np.concatenate([steps[:, :1], steps], axis=1)
    after = np.concatenate([steps, steps[:, -1:]], axis=1)
    slope = np.where(before * after > 0, np.sign(before) * np.minimum(np.abs(before), np.abs(after)), 0.0)
    return mean - slope * late


def _bridge(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate the bins without a sample; the model fit counts them as missing by `filled`."""
    index = np.arange(grid.shape[1])
    for row in np.flatnonzero(np.isnan(grid).any(axis=1)):
        known = ~np.isnan(grid[row])
        grid[row] = np.interp(index, index[known], grid[row, known])
    return grid
