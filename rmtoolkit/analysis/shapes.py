"""Reduce every signal of every life to bins, and describe what they look like: teeth, spikes, bursts, steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit._tables import run_starts, search_runs
from rmtoolkit.analysis import thresholds as th

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


#: Bins on each side that a burst is compared with: this many, or this share of all.
_NEIGHBOURS: Final = 5
_NEIGHBOUR_SHARE: Final = 8


@dataclass(frozen=True, slots=True)
class Shapes:
    """Descriptors, one entry a row."""

    #: Releases: abrupt falls of a good part of the range.
    teeth: NDArray[np.int64]
    #: Median of the floors between releases over the median of the tops before them; 1 without teeth.
    trough: Array
    #: Kendall's tau over time of the floors, and of the tops before them: 1 is a steady rise; 0 without teeth.
    floor_trend: Array
    top_trend: Array
    #: Bytes from the tops of the first third of the teeth to those of the last third; 0 without teeth.
    top_rise: Array
    #: With one to three releases: how much of the rise before the last one it took back; 0 otherwise.
    repeats: Array
    #: Rows x bins: the floors of the teeth, interpolated; without teeth the mean, spikes clipped.
    floor: Array
    #: Bytes: median of the later half, median of the last eighth.
    settled: Array
    end_level: Array
    #: Highest sample within the start-up share of the window, and after it.
    early_peak: Array
    late_peak: Array
    #: Share of bins after the start-up that reach half way from the settled level to the late peak.
    high_share: Array
    #: Median range of the samples inside a bin.
    flutter: Array
    #: How many separate times the highest samples do that; and how often before the last share `YOUNG`.
    bursts: NDArray[np.int64]
    earlier_bursts: NDArray[np.int64]
    #: How much the times between those usually differ, as a share of the usual one; infinite with too few of them.
    rhythm: Array
    #: The usual time from one to the next, as a share of the window; 0 with too few of them.
    period: Array
    #: How far the bins after the start-up go below the settled level, without the lowest 3 %.
    depth: Array
    #: Highest sample after the start-up and before the last share `YOUNG` of the window, and in it.
    earlier_top: Array
    tail_top: Array
    #: The lower one of the last two bins.
    last_level: Array
    #: Largest change of level between two neighbouring bins that lasts, and where (0 to 1).
    jump: Array
    jump_at: Array
    #: Range of the bins after the start-up, without the highest and lowest 3 %.
    swing: Array
    #: Level shortly after the start, at a twentieth of the window: the very first samples of a process say little.
    begun: Array
    #: Settled level minus the level after the first bin.
    rise: Array


def describe(envelope: Envelope) -> Shapes:
    """Describe every row of an envelope."""
    mean, low, high = envelope.mean, envelope.low, envelope.high
    bins = envelope.bins
    lead = max(1, round(th.STARTUP_SHARE * bins))
    tail = min(round((1 - th.YOUNG) * bins), bins - 1)
    settled = np.median(mean[:, bins // 2 :], axis=1)
    late_peak = high[:, lead:].max(axis=1)
    half_way = (settled + (late_peak - settled) / 2)[:, None]
    above = high[:, lead:] >= half_way
    begun = above & ~np.pad(above, ((0, 0), (1, 0)))[:, :-1]
    rhythm, period = _rhythm(begun, bins)
    clipped = _snapped(_without_start(_without_spikes(mean), lead))
    flutter = np.median(high - low, axis=1)
    everything = np.quantile(high[:, lead:], 0.9, axis=1) - np.quantile(low[:, lead:], 0.1, axis=1)
    fast = flutter > np.maximum(th.FAST_OF_RANGE * everything, th.FAST_OF_LEVEL * np.abs(settled))
    teeth, trough, trend, tops, repeats, floor = _teeth(envelope, clipped, lead, ~fast)
    floor[fast] = low[fast]
    steps = _lasting_changes(clipped)
    at = np.abs(steps).argmax(axis=1)
    return Shapes(
        teeth=teeth,
        trough=trough,
        floor_trend=trend,
        top_trend=tops[0],
        top_rise=tops[1],
        repeats=repeats,
        floor=floor,
        settled=settled,
        end_level=np.median(mean[:, -max(2, bins // 8) :], axis=1),
        early_peak=high[:, :lead].max(axis=1),
        late_peak=late_peak,
        high_share=above.mean(axis=1),
        flutter=flutter,
        bursts=begun.sum(axis=1),
        earlier_bursts=begun[:, : tail - lead].sum(axis=1),
        rhythm=rhythm,
        period=period,
        depth=settled - np.quantile(mean[:, lead:], 0.03, axis=1),
        earlier_top=high[:, lead:tail].max(axis=1),
        last_level=mean[:, -2:].min(axis=1),
        tail_top=high[:, tail:].max(axis=1),
        jump=np.take_along_axis(steps, at[:, None], axis=1)[:, 0],
        jump_at=(at + 1) / bins,
        swing=_range(mean[:, lead:]),
        begun=np.median(mean[:, bins // 24 : bins // 24 + max(2, bins // 32)], axis=1),
        rise=settled - mean[:, min(1, bins - 1)],
    )


def _rhythm(begun: NDArray[np.bool_], bins: int) -> tuple[Array, Array]:
    """Measure how evenly bursts come, and how often."""
    rhythm, period = np.full(len(begun), np.inf), np.zeros(len(begun))
    for row in np.flatnonzero(begun.sum(axis=1) >= th.TEETH):
        between = np.diff(np.flatnonzero(begun[row]))
        usual = float(np.median(between))
        rhythm[row], period[row] = np.median(np.abs(between - usual)) / usual, usual / bins
    return rhythm, period


def _range(values: Array) -> Array:
    """Range without the highest and lowest 3 %."""
    return np.quantile(values, 0.97, axis=1) - np.quantile(values, 0.03, axis=1)


def _without_spikes(mean: Array) -> Array:
    """Take out upward spikes that their neighbours do not share: they are bursts, not a trend."""
    reach = max(_NEIGHBOURS, mean.shape[1] // _NEIGHBOUR_SHARE)
    padded = np.pad(mean, ((0, 0), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=1)
    middle = np.median(windows, axis=2)
    spread = th.DEVIATIONS_PER_MAD * np.median(np.abs(mean - middle), axis=1, keepdims=True)
    return np.where(mean > middle + th.SPIKE_DEVIATIONS * spread + th.SPIKE_SHARE * np.abs(middle), middle, mean)


def _without_start(values: Array, lead: int) -> Array:
    """Hold the level after the start-up from the beginning, where the start stands clearly above it."""
    after = np.median(values[:, lead : lead + max(2, lead // 2)], axis=1, keepdims=True)
    top = values[:, :lead].max(axis=1, keepdims=True)
    later = values[:, lead : values.shape[1] // 2].max(axis=1, keepdims=True)
    above = (values[:, :lead] > after + th.START_OVER * (top - after)) & (top > th.ABOVE_LATER * later)
    last = np.where(above.any(axis=1), lead - above[:, ::-1].argmax(axis=1), 0)
    # The bin in which it falls is part of it.
    return np.where(np.arange(values.shape[1]) < (last + (last > 0))[:, None], after, values)


def _snapped(values: Array) -> Array:
    """Give the bin in which a step falls to one of its sides: half way between them it looks like a ramp."""
    steps = np.diff(values, axis=1)
    across = values[:, 2:] - values[:, :-2]
    deviation = th.DEVIATIONS_PER_MAD * np.median(np.abs(steps), axis=1, keepdims=True)
    large = np.abs(across) > th.JUMP_DEVIATIONS * deviation + th.STEP_SHARE / 2 * np.abs(values[:, 1:-1])
    # Before and after it the level must hold, or it is a bend and no step.
    calm = np.pad(np.abs(steps), ((0, 0), (1, 1)))
    holds = np.maximum(calm[:, :-3], calm[:, 3:]) < (1 - th.ABRUPT) / 2 * np.abs(across)
    inside = holds & ((values[:, 1:-1] - values[:, :-2]) * (values[:, 2:] - values[:, 1:-1]) > 0)
    nearer = np.where(np.abs(steps[:, 1:]) < np.abs(steps[:, :-1]), values[:, 2:], values[:, :-2])
    snapped = values.copy()
    snapped[:, 1:-1] = np.where(large & inside, nearer, values[:, 1:-1])
    return snapped


def _teeth(
    envelope: Envelope, clipped: Array, lead: int, resolved: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Array, Array, tuple[Array, Array], Array, Array]:
    """Find releases where bins resolve them; where there are enough, draw the floor through the troughs after them."""
    mean, low, high = envelope.mean, envelope.low, envelope.high
    body = mean[:, lead:]
    span = _range(body)
    # A trend adds to the range but makes no teeth: take it off before teeth are measured.
    trend = np.abs(np.median(body[:, -body.shape[1] // 4 :], axis=1) - np.median(body[:, : body.shape[1] // 4], axis=1))
    span = np.maximum(span - trend, th.TEETH_IN_RANGE * span)
    falls = np.zeros_like(mean)
    falls[:, 1:] = mean[:, :-1] - mean[:, 1:]
    falls[:, 2:] = np.maximum(falls[:, 2:], mean[:, :-2] - mean[:, 2:])
    rises = np.zeros_like(mean)
    rises[:, 1:] = mean[:, 1:] - mean[:, :-1]
    rises[:, 2:] = np.maximum(rises[:, 2:], mean[:, 2:] - mean[:, :-2])
    # Teeth fall faster than they rise, from bin to bin or over two of them; a wave or a burst does not.
    steps = np.diff(mean[:, lead - 1 :], axis=1)
    sharp = (np.quantile(falls[:, lead:], 0.98, axis=1) > th.SHARP * np.quantile(rises[:, lead:], 0.98, axis=1)) | (
        np.quantile(-steps, 0.98, axis=1) > th.SHARP * np.quantile(steps, 0.98, axis=1)
    )
    release = sharp[:, None] & (
        falls > np.maximum(th.RELEASE_SHARE * span, th.SMALL_RANGE * np.median(mean, axis=1))[:, None]
    )
    release[:, :lead] = False
    release[~resolved] = False
    # A fall that takes two bins is one release.
    begins = release & ~np.pad(release, ((0, 0), (1, 0)))[:, :-1]
    count = begins.sum(axis=1)
    floor = clipped.copy()
    trough = np.ones(len(mean))
    tau, top_tau, top_rise = (np.zeros(len(mean)) for _ in range(3))
    index = np.arange(mean.shape[1])
    for row in np.flatnonzero(count >= th.TEETH):
        starts = np.flatnonzero(begins[row])
        ends = np.append(starts[1:], mean.shape[1])
        places: list[int] = []
        floors, tops, peaks = [], [], []
        for start, end in zip(starts, ends, strict=True):
            # The last tooth may be cut by the window before its floor is known.
            if end - start < 2 and end == mean.shape[1]:
                continue
            # The trough may lie at the very end of the bin before, whose mean is still high.
            place = int(start) - 1 + int(low[row, start - 1 : min(end, start + 3)].argmin())
            if places and place <= places[-1]:
                continue
            places.append(place)
            floors.append(low[row, place])
            tops.append(mean[row, max(0, start - 2) : start].max())
            peaks.append(high[row, max(0, start - 2) : start + 1].max())
        floor[row] = _through(index, np.array(places), np.array(floors))
        trough[row] = np.median(floors) / max(float(np.median(tops)), 1.0)
        tau[row], top_tau[row] = _kendall(floors), _kendall(peaks)
        third = max(1, len(peaks) // 3)
        top_rise[row] = np.median(peaks[-third:]) - np.median(peaks[:third])
    repeats = np.zeros(len(mean))
    for row in np.flatnonzero((count >= 1) & (count < th.TEETH)):
        repeats[row] = _taken_back(mean[row], np.flatnonzero(begins[row]))
    return count, trough, tau, (top_tau, top_rise), repeats, floor


def _kendall(values: Sequence[float]) -> float:
    """Kendall's tau of values over time."""
    signs = np.sign(np.subtract.outer(values, values))
    return float(np.tril(signs, -1).sum() / max(len(values) * (len(values) - 1) / 2, 1))


def _through(index: NDArray[np.int64], places: NDArray[np.int64], floors: Array) -> Array:
    """Floors between the troughs, and beyond the first and the last of them as those nearest to them go on."""
    line = np.interp(index, places, floors)
    half = max(3, (len(places) + 1) // 2)
    for near, outside in ((slice(None, half), index < places[0]), (slice(-half, None), index > places[-1])):
        x, y = places[near], floors[near]
        first, second = np.triu_indices(len(x), 1)
        slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
        edge = 0 if near.start is None else -1
        line[outside] = floors[edge] + slope * (index[outside] - places[edge])
    return line


def _taken_back(values: Array, starts: NDArray[np.int64]) -> float:
    """Share of the rise before the last release that it took back."""
    last = int(starts[-1])
    first = int(starts[-2]) if len(starts) > 1 else 0
    top = float(values[max(first, last - 2) : last].max(initial=values[last]))
    bottom = float(values[last : last + 3].min())
    before = values[first : max(last - 1, first + 1)]
    rise = top - float(before.min())
    # A tooth rises slowly: its middle lies between bottom and top. A burst lies at the bottom until it comes.
    slow = float(np.median(before)) > bottom + th.SLOW_RISE * (top - bottom)
    return (top - bottom) / rise if rise > 0 and slow else 0.0


def _lasting_changes(values: Array) -> Array:
    """Change of level across each boundary between bins, between the medians of three bins on each side."""
    width = 3
    windows = np.lib.stride_tricks.sliding_window_view(values, width, axis=1)
    middle = np.median(windows, axis=2)
    changes = np.zeros((len(values), values.shape[1] - 1))
    wide = middle[:, width:] - middle[:, :-width]
    edge = values[:, 1:] - values[:, :-1]
    inner = slice(width - 1, width - 1 + wide.shape[1])
    # Abrupt means: most of the lasting change happens at two neighbouring boundaries; an edge may fall into a bin.
    near = np.maximum(np.abs(edge + np.roll(edge, 1, axis=1)), np.abs(edge + np.roll(edge, -1, axis=1)))
    near = np.maximum(near, np.abs(edge))
    changes[:, inner] = np.where(near[:, inner] > th.ABRUPT * np.abs(wide), wide, 0)
    return changes


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
    """Signals in equal bins of their life's time: a row per life and signal."""

    #: `life_row` (row of the lives table), `signal`, `samples`, `filled` (share of bins with a sample).
    rows: pl.DataFrame
    #: Bytes; rows x bins. Bins without a sample are interpolated.
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def bins(self) -> int:
        """Bins of a life."""
        return int(self.mean.shape[1])


def envelopes(samples: pl.DataFrame, lives: pl.DataFrame, signals: Sequence[str]) -> list[Envelope]:
    """Bin the signals of all lives in one pass."""
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
                }
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
    """Stretches of samples that fall into one bin."""

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    place: NDArray[np.int64]
    time: NDArray[np.int64]
    start: NDArray[np.int64]
    span: NDArray[np.int64]


def _bins(samples: pl.DataFrame, lives: pl.DataFrame, finest: int) -> _Bins:
    """Find where each bin of each life begins; samples are sorted, so that bins are stretches of rows."""
    time = samples["time"].dt.cast_time_unit("ms").to_physical().to_numpy()
    begin = run_starts(samples["life_row"])
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
    edges = search_runs(time, begin, np.diff(begin, append=samples.height), edge)
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
    """Move each mean to the middle of its bin, along the smaller slope beside it; a line stays a line."""
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
