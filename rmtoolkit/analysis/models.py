"""Signals in bins: what they look like (teeth, spikes, bursts, steps), and the shapes that compete to explain them.

Each shape, bounded or growing, is a small family of straight least-squares problems on the bins of a life's time, 0 to
1. Their bases are made once for a width and an autocorrelation; fitting all lives is then one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from itertools import zip_longest
from statistics import median
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from rmtoolkit._tables import run_starts, search_runs
from rmtoolkit.analysis import thresholds as th

Array = NDArray[np.float64]


def describe(envelope: Envelope) -> tuple[dict[str, NDArray[Any]], Array]:
    """Describe every row of an envelope, as `records.Reading` says; and give the floors that its signal stands on."""
    mean, low, high = envelope.mean, envelope.low, envelope.high
    bins = envelope.bins
    lead = max(1, round(th.STARTUP_SHARE * bins))
    tail = min(round((1 - th.YOUNG) * bins), bins - 1)
    settled = np.median(mean[:, bins // 2 :], axis=1)
    # What is high after a rest at the settled level is no start.
    near = th.RESTED_WITHIN * np.abs(settled)[:, None]
    rested = (np.abs(low - settled[:, None]) <= near) & (np.abs(high - settled[:, None]) <= near)
    started = rested[:, :lead].cumsum(axis=1) < th.RESTED_BINS
    late_peak = high[:, lead:].max(axis=1)
    half_way = (settled + (late_peak - settled) / 2)[:, None]
    above = high[:, lead:] >= half_way
    begun = above & ~np.pad(above, ((0, 0), (1, 0)))[:, :-1]
    rhythm, period = _rhythm(begun, bins)
    clipped = cleaned(mean)
    flutter = np.median(high - low, axis=1)
    everything = np.quantile(high[:, lead:], 0.9, axis=1) - np.quantile(low[:, lead:], 0.1, axis=1)
    fast = flutter > np.maximum(th.FAST_OF_RANGE * everything, th.FAST_OF_LEVEL * np.abs(settled))
    bottom, top = np.quantile(mean[:, lead:], (0.03, 0.97), axis=1)
    teeth, trough, trend, tops, repeats, floor = _teeth(envelope, clipped, lead, ~fast, top - bottom)
    floor[fast] = low[fast]
    steps = _lasting_changes(clipped)
    at = np.abs(steps).argmax(axis=1)
    found = {
        "teeth": teeth,
        "trough": trough,
        "floor_trend": trend,
        "top_trend": tops[0],
        "top_rise": tops[1],
        "repeats": repeats,
        "settled": settled,
        "end_level": np.median(mean[:, -max(2, bins // 8) :], axis=1),
        "early_peak": np.where(started, high[:, :lead], 0.0).max(axis=1),
        "late_peak": late_peak,
        "late_low": np.maximum(bottom - np.median(mean - low, axis=1), low[:, lead:].min(axis=1)),
        "high_share": above.mean(axis=1),
        "flutter": flutter,
        "bursts": begun.sum(axis=1),
        "earlier_bursts": begun[:, : tail - lead].sum(axis=1),
        "rhythm": rhythm,
        "period": period,
        "depth": settled - bottom,
        "jump": np.take_along_axis(steps, at[:, None], axis=1)[:, 0],
        "jump_at": (at + 1) / bins,
        "swing": top - bottom,
        "begun": np.median(mean[:, bins // 24 : bins // 24 + max(2, bins // 32)], axis=1),
        "rise": settled - mean[:, min(1, bins - 1)],
    }
    return found, floor


def _rhythm(begun: NDArray[np.bool_], bins: int) -> tuple[Array, Array]:
    rhythm, period = np.full(len(begun), np.inf), np.zeros(len(begun))
    for row in np.flatnonzero(begun.sum(axis=1) >= th.TEETH):
        between = np.diff(np.flatnonzero(begun[row])).tolist()
        usual = median(between)
        rhythm[row], period[row] = median(abs(one - usual) for one in between) / usual, usual / bins
    return rhythm, period


def cleaned(values: Array) -> Array:
    return _snapped(_levelled_start(_without_spikes(values), max(1, round(th.STARTUP_SHARE * values.shape[1]))))


def smoothed(values: Array, reach: int) -> Array:
    """Give the median of each bin and so many finite ones on either side; beyond the ends the last bin goes on."""
    padded = np.pad(values, ((0, 0), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=1)
    return np.partition(windows, reach, axis=2)[:, :, reach]


def _without_spikes(mean: Array) -> Array:
    """Take out upward spikes that their neighbours do not share: they are bursts, not a trend."""
    reach = max(5, mean.shape[1] // 8)
    middle = smoothed(mean, reach)
    spread = th.DEVIATIONS_PER_MAD * np.median(np.abs(mean - middle), axis=1, keepdims=True)
    return np.where(mean > middle + th.SPIKE_DEVIATIONS * spread + th.SPIKE_SHARE * np.abs(middle), middle, mean)


def _levelled_start(values: Array, lead: int) -> Array:
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
    envelope: Envelope, clipped: Array, lead: int, resolved: NDArray[np.bool_], swing: Array
) -> tuple[NDArray[np.int64], Array, Array, tuple[Array, Array], Array, Array]:
    """Find releases where bins resolve them; where there are enough, draw the floor through the troughs after them."""
    mean, low, high = envelope.mean, envelope.low, envelope.high
    body = mean[:, lead:]
    # A trend adds to the range but makes no teeth: take it off before teeth are measured.
    trend = np.abs(np.median(body[:, -body.shape[1] // 4 :], axis=1) - np.median(body[:, : body.shape[1] // 4], axis=1))
    span = np.maximum(swing - trend, th.TEETH_IN_RANGE * swing)
    steps, over_two = (np.pad(mean[:, by:] - mean[:, :-by], ((0, 0), (by, 0))) for by in (1, 2))
    falls, rises = np.maximum(-steps, -over_two), np.maximum(steps, over_two)

    def fastest(changes: Array) -> Array:
        return np.asarray(np.quantile(changes[:, lead:], 0.98, axis=1))

    # Teeth fall faster than they rise, from bin to bin or over two of them; a wave or a burst does not.
    sharp = (fastest(falls) > th.SHARP * fastest(rises)) | (fastest(-steps) > th.SHARP * fastest(steps))
    release = sharp[:, None] & (
        falls > np.maximum(th.RELEASE_SHARE * span, th.SMALL_RANGE * np.median(mean, axis=1))[:, None]
    )
    release[:, :lead] = False
    release[~resolved] = False
    # A fall that takes two bins is one release.
    begins = release & ~np.pad(release, ((0, 0), (1, 0)))[:, :-1]
    count = begins.sum(axis=1)
    for row in np.flatnonzero(count >= th.TEETH):
        starts = np.flatnonzero(begins[row])
        # A release that is long overdue ended the teeth: they tell no floor of the stage that came after them.
        if begins.shape[1] - starts[-1] > th.OVERDUE * np.diff(starts, prepend=lead).max():
            begins[row], count[row] = False, 0
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
        # One trough that its neighbours do not share is none of the floor.
        shared = [
            median(floors[max(at - 1, 0) : at + 2]) if 0 < at < len(floors) - 1 else floors[at]
            for at in range(len(floors))
        ]
        floor[row] = _through(index, np.array(places), np.array(shared))
        trough[row] = median(floors) / max(median(tops), 1.0)
        tau[row], top_tau[row] = _kendall(floors), _kendall(peaks)
        third = max(1, len(peaks) // 3)
        top_rise[row] = median(peaks[-third:]) - median(peaks[:third])
    repeats = np.zeros(len(mean))
    for row in np.flatnonzero((count >= 1) & (count < th.TEETH)):
        repeats[row] = _taken_back(mean[row], np.flatnonzero(begins[row]))
    return count, trough, tau, (top_tau, top_rise), repeats, floor


def _kendall(values: Sequence[float]) -> float:
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
    last = int(starts[-1])
    first = int(starts[-2]) if len(starts) > 1 else 0
    top = float(values[max(first, last - 2) : last].max(initial=values[last]))
    bottom = float(values[last : last + 3].min())
    if median(values[last + 3 : last + 9].tolist() or [bottom]) > (top + bottom) / 2:
        # What is back at once was a dip.
        return 0.0
    before = values[first : max(last - 1, first + 1)]
    rise = top - float(before.min())
    # A tooth rises slowly: its middle lies between bottom and top. A burst lies at the bottom until it comes.
    slow = median(before.tolist()) > bottom + th.SLOW_RISE * (top - bottom)
    return (top - bottom) / rise if rise > 0 and slow else 0.0


def _lasting_changes(values: Array) -> Array:
    """Change of level across each boundary between bins, between the medians of three bins on each side."""
    width = 3
    middle = smoothed(values, 1)[:, 1:-1]
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


class Envelope(NamedTuple):
    """Signals in equal bins of their life's time: a row per life and signal."""

    #: `life_row` (row of the lives table), `signal`, `samples`, `filled` (share of bins with a sample).
    rows: pl.DataFrame
    #: Bytes; rows x bins. Bins without a sample are interpolated.
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def bins(self) -> int:
        return int(self.mean.shape[1])


def envelopes(samples: pl.DataFrame, lives: pl.DataFrame, signals: Sequence[str]) -> list[Envelope]:
    finest = WIDTHS[0]
    bins = _bins(samples, lives, finest)
    found: dict[int, list[Envelope]] = {}
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
            about = {"life_row": chosen.astype(np.uint32), "signal": np.full(len(chosen), name)}
            sampled = {"samples": counts[chosen].astype(np.int64), "filled": filled.mean(axis=1)}
            rows = pl.DataFrame(about | sampled)
            found.setdefault(width, []).append(Envelope(rows, mean, _bridge(low), _bridge(high)))
    columns = (tuple(zip(*parts, strict=True)) for parts in found.values())
    return [Envelope(pl.concat(rows), *map(np.concatenate, grids)) for rows, *grids in columns]


class _Bins(Struct, frozen=True):
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    place: NDArray[np.int64]
    time: NDArray[np.int64]
    start: NDArray[np.int64]
    span: NDArray[np.int64]


def _bins(samples: pl.DataFrame, lives: pl.DataFrame, finest: int) -> _Bins:
    time = samples["time"].dt.cast_time_unit("ms").to_physical().to_numpy()
    begin = run_starts(samples["life_row"])
    life = samples["life_row"].gather(begin).to_numpy().astype(np.int64)
    first, lasted = pl.col("start").dt.cast_time_unit("ms").to_physical(), pl.col("end") - pl.col("start")
    start, span = lives.select(first=first, span=lasted.dt.total_milliseconds().clip(1)).to_numpy()[life].T
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


class Family(StrEnum):
    """Shapes that compete: the bounded ones first."""

    CONSTANT = "constant"
    STEP = "step"
    TWO_STEPS = "two_steps"
    PULSE = "pulse"
    SATURATING = "saturating"
    TWO_SATURATING = "two_saturating"
    SATURATING_STEP = "saturating_step"
    LOG = "log"
    POWER = "power"
    RAMP_END = "ramp_end"
    RAMP = "ramp"
    HALF_WAVE = "half_wave"
    LINEAR = "linear"
    ACCELERATING = "accelerating"
    TWO_SLOPES = "two_slopes"
    SATURATING_LINEAR = "saturating_linear"
    SATURATING_HINGE = "saturating_hinge"
    STEP_LINEAR = "step_linear"
    STEP_HINGE = "step_hinge"
    TWO_STEPS_LINEAR = "two_steps_linear"


FAMILIES: Final = tuple(Family)
CODE: Final = {name: code for code, name in enumerate(FAMILIES)}
GROWTH_FAMILIES: Final = FAMILIES[FAMILIES.index(Family.LINEAR) :]
SLOWING_DOWN: Final = FAMILIES[FAMILIES.index(Family.SATURATING) : FAMILIES.index(Family.HALF_WAVE)]
#: Autocorrelations, bin to bin, that compete; the last is nearly a random walk.
RHOS: Final = (0.0, 0.35, 0.6, 0.78, 0.9, 0.96)
#: Terms nearer than this to each other count as one.
_SAME: Final = 1e-7
_MOST_CYCLES: Final = 1.75
#: Of these large families every n-th member is enough to choose an autocorrelation.
_SPARSE: Final = {
    **dict.fromkeys((Family.TWO_STEPS, Family.TWO_STEPS_LINEAR, Family.SATURATING_STEP, Family.SATURATING_HINGE), 6),
    Family.PULSE: 7,
    Family.TWO_SATURATING: 8,
    Family.TWO_SLOPES: 2,
    Family.RAMP_END: 3,
    Family.RAMP: 4,
    Family.SATURATING: 3,
}


class Bank(Struct, frozen=True):
    time: Array
    #: Orthonormal bases, each orthogonal to the constant: the first term of every shape (zeros for the constant), then
    #: the second of those that have one, and so on.
    columns: Array
    #: How many terms each shape has (0 for the constant), and the column of each: shapes x terms.
    count: NDArray[np.int64]
    place: NDArray[np.int64]
    family: NDArray[np.int64]
    #: Projection on the last column times this = coefficient of the shape's last term.
    scale: Array
    #: Where the last term begins, 0 to 1.
    onset: Array
    #: The time constant or the number of cycles, where a family has one.
    shape: Array
    #: Log prior: families are equal, the members of a family share.
    prior: Array
    #: Of each shape its terms, what they share with the constant, and the triangle that turns projections into
    #: coefficients: by the number of terms, with the rank of each shape in its group.
    groups: dict[int, tuple[Array, Array, Array]]
    rank: NDArray[np.int64]

    def curves(self, members: NDArray[np.int64], projection: Array, mean: Array) -> Array:
        drawn = np.repeat(mean[:, None], len(self.time), axis=1)
        for count, (terms, shared, triangle) in self.groups.items():
            rows = np.flatnonzero(self.count[members] == count)
            which = members[rows]
            rank = self.rank[which]
            mine = projection[rows[:, None], self.place[which, :count]]
            solved = np.linalg.solve(triangle[rank], mine[:, :, None])
            drawn[rows] += ((terms[rank] - shared[rank][:, :, None]) * solved).sum(axis=1)
        return drawn


def _terms(u: Array) -> Iterator[tuple[Family, list[Array], float, float]]:
    bins = len(u)
    fine = np.linspace(0.06, 0.96, 24 if bins >= 48 else 16).tolist()
    coarse = np.linspace(0.08, 0.92, 13).tolist()
    finer = np.geomspace(0.012, 2.5, 71)
    taus = finer[::2]
    fast = taus[taus < 0.34][::2]

    @cache
    def step(c: float) -> Array:
        return (u > c).astype(float)

    @cache
    def hinge(c: float) -> Array:
        return np.maximum(u - c, 0)

    @cache
    def falls(tau: float) -> Array:
        return np.exp(-u / tau)

    yield Family.CONSTANT, [], 0, 0
    yield Family.LINEAR, [u], 0, 0
    # A step falls between two bins: a coarser grid would leave its edge as an outlier.
    for c in (np.arange(3, bins - 2) / bins).tolist():
        yield Family.STEP, [step(c)], c, 0
        yield Family.STEP_LINEAR, [step(c), u], 0, c
        yield Family.STEP_HINGE, [step(c), hinge(c)], c, 0
    for c in fine:
        yield Family.RAMP_END, [np.minimum(u, c)], c, 0
        yield Family.TWO_SLOPES, [np.minimum(u, c), hinge(c)], c, 0
    for index, c in enumerate(coarse):
        for d in coarse[index + 1 :]:
            yield Family.TWO_STEPS, [step(c), step(d)], d, c
            yield Family.TWO_STEPS_LINEAR, [step(c), step(d), u], 0, c
            yield Family.RAMP, [np.clip((u - c) / (d - c), 0, 1)], d, c
    edges = (np.arange(3, bins - 2, max(1, bins // 32)) / bins).tolist()
    for index, c in enumerate(edges):
        for d in edges[index + 1 :]:
            yield Family.PULSE, [step(c) - step(d)], d, c
    for tau in finer:
        yield Family.SATURATING, [falls(tau)], 0, tau
    for tau in taus[::3]:
        for slower in taus[1::3]:
            if slower > 2.5 * tau:
                yield Family.TWO_SATURATING, [falls(tau), falls(slower)], 0, slower
    for tau in fast:
        yield Family.SATURATING_LINEAR, [falls(tau), u], 0, tau
        for c in coarse:
            yield Family.SATURATING_STEP, [falls(tau), step(c)], c, tau
            yield Family.SATURATING_HINGE, [falls(tau), hinge(c)], c, tau
    for c in np.geomspace(0.004, 1.0, 12):
        yield Family.LOG, [np.log1p(u / c)], 0, c
    # Distinct keys among repeating ones grow by a power of the time (Heaps' law): ever slower, without an end.
    for exponent in np.arange(0.3, 0.81, 0.05):
        yield Family.POWER, [u**exponent], 0, exponent
    # Over its exponent, so that the last coefficient is the slope at the end.
    for exponent in (1.5, 2.0, 2.5, 3.0):
        yield Family.ACCELERATING, [u**exponent / exponent], 0, exponent
    for cycles in np.geomspace(0.25, _MOST_CYCLES, 12):
        yield Family.HALF_WAVE, [np.sin(2 * np.pi * cycles * u), np.cos(2 * np.pi * cycles * u)], 0, cycles


def whiten(rows: Array, rho: float) -> Array:
    white = rows.astype(float)
    white[:, 1:] -= rho * rows[:, :-1]
    white[:, 0] *= np.sqrt(1 - rho**2)
    return white


class _Members(NamedTuple):
    terms: Array
    #: Of each member: how many terms it has, which, its family, the place of it within that, onset, shape.
    length: NDArray[np.int64]
    uses: NDArray[np.int64]
    family: NDArray[np.int64]
    number: NDArray[np.int64]
    onset: Array
    shape: Array


@lru_cache(maxsize=8)
def _members(bins: int) -> _Members:
    terms: dict[int, tuple[int, Array]] = {}
    seen = [-1] * len(FAMILIES)
    uses, rows = [], []
    for name, given, onset, shape in _terms((np.arange(bins) + 0.5) / bins):
        code = CODE[name]
        seen[code] += 1
        uses.append([terms.setdefault(id(term), (len(terms), term))[0] for term in given])
        rows.append((len(given), code, seen[code], onset, shape))
    length, family, number, onsets, shapes = (np.array(column) for column in zip(*rows, strict=True))
    library, which = np.array([term for _, term in terms.values()]), np.array([*zip_longest(*uses, fillvalue=0)]).T
    return _Members(library, length, which, family, number, onsets.astype(float), shapes.astype(float))


@lru_cache(maxsize=48)
def bank(bins: int, rho: float, *, sparse: bool = False) -> Bank:
    """Make the bases of all shapes for a width; made once, then kept."""
    members = _members(bins)
    constant = whiten(np.ones((1, bins)), rho)[0]
    length = np.sqrt((constant**2).sum())
    constant /= length
    every = np.array([_SPARSE.get(name, 1) if sparse else 1 for name in FAMILIES])
    chosen = np.flatnonzero(members.number % every[members.family] == 0)
    count = members.length[chosen]
    white = whiten(members.terms, rho)
    shared = white @ constant
    white -= np.outer(shared, constant)
    # On few bins two terms can be the same: such a member says nothing new.
    kept = np.ones(len(chosen), dtype=bool)
    groups: dict[int, tuple[Array, Array, Array]] = {0: (np.zeros((1, 0, bins)), np.zeros((1, 0)), np.zeros((1, 0, 0)))}
    bases: dict[int, Array] = {}
    for terms in np.unique(count[count > 0]).tolist():
        which = np.flatnonzero(count == terms)
        uses = members.uses[chosen[which], :terms]
        q, r = _orthonormal(white[uses])
        size = np.diagonal(r, axis1=1, axis2=2)
        good = size.min(axis=1) >= _SAME * size.max(axis=1)
        kept[which] = good
        groups[terms] = members.terms[uses[good]], shared[uses[good]] / length, r[good]
        bases[terms] = q[good]
    chosen, count = chosen[kept], count[kept]
    has = np.arange(count.max()) < np.maximum(count, 1)[:, None]
    place = np.zeros(has.shape, dtype=np.int64)
    place.T[has.T] = np.arange(has.sum())
    columns = np.zeros((int(has.sum()), bins))
    scale, rank = np.zeros(len(count)), np.zeros(len(count), dtype=np.int64)
    for terms, base in bases.items():
        which = np.flatnonzero(count == terms)
        rank[which] = np.arange(len(which))
        columns[place[which, :terms]] = base
        scale[which] = 1 / groups[terms][2][:, -1, -1]
    codes = members.family[chosen]
    richer = np.array([th.RICHER.get(name, 0.0) for name in FAMILIES])
    return Bank(
        time=(np.arange(bins) + 0.5) / bins,
        columns=columns.T,
        count=count,
        place=place,
        family=codes,
        scale=scale,
        onset=members.onset[chosen],
        shape=members.shape[chosen],
        prior=richer[codes] - np.log(np.bincount(codes)[codes]),
        groups=groups,
        rank=rank,
    )


def _orthonormal(terms: Array) -> tuple[Array, Array]:
    """Gram-Schmidt, in place, for shapes of a few terms each, all at once: LAPACK takes them one by one."""
    count = terms.shape[1]
    triangle = np.zeros((len(terms), count, count))
    for at in range(count):
        for before in range(at):
            triangle[:, before, at] = np.vecdot(terms[:, before], terms[:, at])
            terms[:, at] -= triangle[:, before, at, None] * terms[:, before]
        triangle[:, at, at] = np.sqrt(np.vecdot(terms[:, at], terms[:, at]))
        terms[:, at] /= np.maximum(triangle[:, at, at, None], np.finfo(float).tiny)
    return terms, triangle


BOUNDED: Final = 0
GROWING: Final = 1
UNRESOLVED: Final = 2
#: Growth or a rise that has only just begun: counted as unresolved, and told apart.
FRESH: Final = 3
#: Rows projected at once: few enough for the cache, which makes it a third faster than with all of them.
_CHUNK_ROWS: Final = 150


class Fit(NamedTuple):
    """What the competition says about each row; all arrays have one entry a row."""

    growing: Array
    bounded: Array
    unresolved: Array
    #: Probability, within `unresolved`, of a rise that has only just begun.
    fresh: Array
    family: NDArray[np.int64]
    families: Array
    #: Slope at the window's end in bytes per window, and its standard error.
    growth: Array
    growth_error: Array
    #: Where the growth begins, 0 to 1 (of the best growing shape).
    onset: Array
    noise: Array
    #: Smallest growth per window that would be found nine times in ten, bytes.
    floor: Array
    fitted: Array
    #: Minus log evidence of all shapes together: the lower, the better the values are explained.
    cost: Array


class Given(NamedTuple):
    level: Array
    headroom: Array
    filled: Array
    grain: Array
    day_cycles: Array

    def at(self, rows: NDArray[np.int64]) -> Given:
        return Given(*(column[rows] for column in self))


def compete(values: Array, given: Given) -> Fit:
    rows = len(values)
    meter = np.sqrt((th.NOISE_SHARE * np.abs(given.level)) ** 2 + given.grain**2 / 12 + 1.0)
    rho, cost = np.zeros(rows), np.zeros(rows)
    for low in range(0, rows, _CHUNK_ROWS):
        some = slice(low, low + _CHUNK_ROWS)
        rho[some], cost[some] = _choose_rho(values[some], meter[some], given.day_cycles[some])
    parts: list[tuple[NDArray[np.int64], Fit]] = []
    for choice in np.unique(rho):
        mine = np.flatnonzero(rho == choice)
        for low in range(0, len(mine), _CHUNK_ROWS):
            cut = mine[low : low + _CHUNK_ROWS]
            parts.append((cut, _compete(values[cut], float(choice), cost[cut], meter[cut], given.at(cut))))
    if not parts:
        return _compete(values, 0.0, cost, meter, given)
    order = np.argsort(np.concatenate([cut for cut, _ in parts]))
    return Fit(*(np.concatenate(columns)[order] for columns in zip(*(part for _, part in parts), strict=True)))


def _project(values: Array, shapes: Bank, rho: float) -> tuple[Array, Array, Array]:
    """Project rows on all terms; what each shape leaves is a mean square."""
    white = whiten(values, rho)
    constant = whiten(np.ones((1, values.shape[1])), rho)[0]
    mean = white @ constant / (constant @ constant)
    white -= np.outer(mean, constant)
    # Side by side in memory stand the rows, of which whole columns are then added.
    projection = (shapes.columns.T @ white.T).T
    explained = projection[:, : len(shapes.count)] ** 2
    for term in range(1, shapes.place.shape[1]):
        having = np.flatnonzero(shapes.count > term)
        explained[:, having] += projection[:, shapes.place[having[0], term] :][:, : len(having)] ** 2
    left = np.subtract((white**2).sum(axis=1, keepdims=True), explained, out=explained)
    left /= values.shape[1]
    return projection, np.maximum(left, 0, out=left), mean


def _choose_rho(values: Array, meter: Array, day_cycles: Array) -> tuple[Array, Array]:
    bins = values.shape[1]
    best = np.full(len(values), np.inf)
    chosen = np.zeros(len(values))
    for rho in RHOS:
        shapes = bank(bins, rho, sparse=True)
        left = _project(values, shapes, rho)[1]
        left += (meter**2 * (1 + rho**2))[:, None]
        weight, top = _weigh(shapes, left, np.array([bins]), day_cycles)
        cost = -top - np.log(weight.sum(axis=1)) - np.log(1 - rho**2) / 2
        better = cost < best
        chosen[better] = rho
        best = np.minimum(best, cost)
    return chosen, best


def _compete(values: Array, rho: float, cost: Array, meter: Array, given: Given) -> Fit:
    bins = values.shape[1]
    shapes = bank(bins, rho)
    projection, left, mean = _project(values, shapes, rho)
    effective = np.maximum(given.filled * bins, 4)
    spread = np.maximum(left, (meter**2 * (1 + rho**2))[:, None], out=left)
    weight, _ = _weigh(shapes, spread, effective, given.day_cycles)
    best = _first(weight, 1.0)
    weight /= weight.sum(axis=1, keepdims=True)
    innovation = np.sqrt(spread[np.arange(len(values)), best])
    noise = innovation / np.sqrt(1 - rho**2)

    last = shapes.place[np.arange(len(shapes.count)), np.maximum(shapes.count - 1, 0)]
    coefficient = np.take(projection.T, last, axis=0).T * shapes.scale
    bends = _slopes(shapes, projection, coefficient)
    kind = _kinds(shapes, bends, coefficient, given, noise)
    chance = [np.where(kind == value, weight, 0).sum(axis=1) for value in (BOUNDED, GROWING, UNRESOLVED, FRESH)]
    fitted = shapes.curves(best, projection, mean)
    share, slope, error, onset = _growth(shapes, bends, weight, kind, coefficient, innovation, given.level)
    rest, rest_error = _left_over(shapes, best, fitted, values - fitted, innovation, rho)
    # Of the growing shapes where they win, else of the best shape and what it leaves.
    grows = share > th.LIKELY
    families = np.zeros((len(values), len(FAMILIES)))
    for code in range(len(FAMILIES)):
        families[:, code] = weight[:, shapes.family == code].sum(axis=1)
    line = float(np.abs(shapes.scale[shapes.family == CODE[Family.LINEAR]]).max(initial=0.0))
    detectable = (np.sqrt(th.FLOOR_EVIDENCE + np.log(effective)) + th.QUANTILE) * innovation * line
    material = np.minimum(th.MATERIAL_SHARE * np.abs(given.level), np.maximum(given.headroom, 0) / th.MATERIAL_WINDOWS)
    return Fit(
        growing=chance[GROWING],
        bounded=chance[BOUNDED],
        unresolved=chance[UNRESOLVED] + chance[FRESH],
        fresh=chance[FRESH],
        family=_first(families, families.max(axis=1, keepdims=True)),
        families=families,
        growth=np.where(grows, slope, rest),
        growth_error=np.where(grows, error, rest_error),
        onset=np.where(grows, onset, 0),
        noise=noise,
        floor=detectable + th.FLOOR_MATERIAL * material,
        fitted=fitted,
        cost=cost,
    )


def _weigh(shapes: Bank, left: Array, effective: Array, day_cycles: Array) -> tuple[Array, Array]:
    """Weigh shapes by what they leave and how many terms that takes: beside the heaviest, and the log of that one."""
    weight = np.log(left)
    weight *= -effective[:, None] / 2
    weight += shapes.prior - np.log(effective)[:, None] / 2 * shapes.count
    # Half a wave is a rival only where a day is its period: nothing else in service life is.
    half = np.flatnonzero(shapes.family == CODE[Family.HALF_WAVE])
    near = np.abs(np.log(np.maximum(day_cycles[:, None], 1e-9) / shapes.shape[half])) < th.NEAR_A_DAY
    weight[:, half] = np.where(near, weight[:, half], -np.inf)
    top = weight.max(axis=1)
    weight -= top[:, None]
    return np.exp(weight, out=weight), top


def _first(weight: Array, most: Array | float) -> NDArray[np.int64]:
    """Find the first that weighs most: where several explain all but the noise, rounding decides nothing."""
    return np.asarray(np.argmax(weight >= most * (1 - 1e-9), axis=1), np.int64)


def _members_of(shapes: Bank, *names: Family) -> NDArray[np.int64]:
    return np.flatnonzero(np.isin(shapes.family, [CODE[name] for name in names]))


def _kinds(shapes: Bank, bends: _Bends, coefficient: Array, given: Given, noise: Array) -> NDArray[np.int8]:
    """Decide for each row and shape what it says about the time after the window."""
    material = th.MATERIAL_SHARE * np.maximum(np.abs(given.level), 1)[:, None]
    reach = np.maximum(given.headroom, 0)[:, None]
    counts = np.minimum(material, reach / th.MATERIAL_WINDOWS)
    kind = np.zeros_like(coefficient, dtype=np.int8)

    grows = _members_of(shapes, *GROWTH_FAMILIES)
    slope = coefficient[:, grows]
    phase = 1 - shapes.onset[grows]
    # What speeds up has risen by its slope at the end over its exponent.
    bent = shapes.family[grows] == CODE[Family.ACCELERATING]
    rise = slope * phase / np.where(bent, shapes.shape[grows], 1.0)
    matters = ((rise > material) | (slope * th.MATERIAL_WINDOWS > reach)) & (rise > noise[:, None]) & (slope > 0)
    kind[:, grows] = np.where(matters, np.where(phase < th.YOUNG, FRESH, GROWING), BOUNDED)

    two, early, late = bends
    # A bend near the start is a warm-up that is over; one later on is a slow-down that may go on.
    late_bend = shapes.onset[two] > th.EARLY_BEND
    slowing = (early > 0) & (late < th.DECELERATION * early) & late_bend & (kind[:, two] == GROWING)
    kind[:, two] = np.where(slowing, UNRESOLVED, kind[:, two])
    # A late bend in growth that went on since the start makes it no younger.
    going_on = (early * shapes.onset[two] > material) & (late > th.DECELERATION * early) & (kind[:, two] == FRESH)
    kind[:, two] = np.where(going_on, GROWING, kind[:, two])

    def leave_open(least: Array, comes: Callable[[Array, Array], Array], *names: Family) -> None:
        """Leave open what may still come of shapes, by their coefficients and what each has of its own."""
        members = _members_of(shapes, *names)
        to_come = comes(coefficient[:, members], shapes.shape[members])
        kind[:, members] = np.where(to_come > least, UNRESOLVED, BOUNDED)

    # The term falls from 1, so a rise has a negative coefficient; what is still to come is its rest.
    leave_open(material, lambda rise, tau: -rise * np.exp(-1 / tau), Family.SATURATING, Family.TWO_SATURATING)
    # What comes in as long again.
    leave_open(counts, lambda rise, c: rise * (np.log1p(2 / c) - np.log1p(1 / c)), Family.LOG)
    leave_open(counts, lambda rise, exponent: rise * (2.0**exponent - 1), Family.POWER)
    leave_open(material, lambda amplitude, _: np.abs(amplitude), Family.HALF_WAVE)

    ends = _members_of(shapes, Family.RAMP_END, Family.RAMP, Family.STEP, Family.TWO_STEPS, Family.SATURATING_STEP)
    from_start = shapes.family[ends] == CODE[Family.RAMP_END]
    is_ramp = from_start | (shapes.family[ends] == CODE[Family.RAMP])
    jump = coefficient[:, ends] * np.where(from_start, shapes.onset[ends], 1)
    fresh = shapes.onset[ends] > np.where(is_ramp, th.FRESH_RAMP, th.FRESH_STEP)
    kind[:, ends] = np.where(fresh & (jump > material), FRESH, BOUNDED)
    return kind


_Bends: TypeAlias = "tuple[NDArray[np.int64], Array, Array]"


def _slopes(shapes: Bank, projection: Array, coefficient: Array) -> _Bends:
    """Give the shapes of two slopes, and both slopes of each."""
    two = np.flatnonzero(shapes.family == CODE[Family.TWO_SLOPES])
    late = coefficient[:, two]
    triangle = shapes.groups[2][2][shapes.rank[two]]
    early = (projection[:, two] - triangle[:, 0, 1] * late) / triangle[:, 0, 0]
    return two, early, late


def _growth(
    shapes: Bank, bends: _Bends, weight: Array, kind: NDArray[np.int8], coefficient: Array, noise: Array, level: Array
) -> tuple[Array, Array, Array, Array]:
    """Give the weight of the growing shapes, their slope at the end with its error, and where they begin to grow."""
    members = _members_of(shapes, *GROWTH_FAMILIES)
    grows, slope = np.where(kind[:, members] == GROWING, weight[:, members], 0), coefficient[:, members]
    two, early, late = bends
    bent = np.searchsorted(members, two)
    # Growth that was about as fast before its bend, or was growth enough already, did not begin at it.
    material = th.MATERIAL_SHARE * np.abs(level)
    before = (early > th.DECELERATION * late) | (early * shapes.onset[two] > material[:, None])
    # How fast it goes on, a bend near the end does not tell.
    slope[:, bent] = np.where(before & (1 - shapes.onset[two] < th.YOUNG), early, late)
    share = grows.sum(axis=1)
    safe = np.where(share > 0, share, 1)
    mean = (grows * slope).sum(axis=1) / safe
    square = ((grows * slope**2).sum(axis=1) + noise**2 * (grows @ shapes.scale[members] ** 2)) / safe
    begun = np.where(before, grows[:, bent], 0.0)
    onset = (grows @ shapes.onset[members] - begun @ shapes.onset[two]) / safe
    return share, mean, np.sqrt(np.maximum(square - mean**2, 0)), onset


def _left_over(
    shapes: Bank, best: NDArray[np.int64], fitted: Array, left: Array, noise: Array, rho: float
) -> tuple[Array, Array]:
    """Give the slope at the end of the best shape and of what it leaves, with its error."""
    later = shapes.time > 0.5
    axis = shapes.time[later] - shapes.time[later].mean()
    rest = left[:, later] @ axis / (axis**2).sum()
    white = whiten(np.array([axis, np.ones(len(axis))]), rho)
    white[0] -= white[1] * (white[0] @ white[1]) / (white[1] @ white[1])
    last = max(2, len(shapes.time) // 8)
    wave = shapes.family[best] == CODE[Family.HALF_WAVE]
    curve = np.where(wave, 0, (fitted[:, -1] - fitted[:, -1 - last]) / (shapes.time[-1] - shapes.time[-1 - last]))
    return curve + rest, noise / np.sqrt((white[0] ** 2).sum())


_STEP_CYCLES: Final = 0.06
_BINS_A_CYCLE: Final = 4
_HARMONICS: Final = 2
#: Slow waves that belong to the trend and not to the season.
_SLOW_WAVES: Final = 3
#: Parameters that a cycle takes: two waves for each harmonic, and its length.
PARAMETERS: Final = 2 * _HARMONICS + 1
_CHUNK_ROWS_SEASON: Final = 2000


@lru_cache(maxsize=4)
def _waves(bins: int) -> tuple[Array, Array, Array, Array]:
    u = (np.arange(bins) + 0.5) / bins
    slow = [np.ones(bins), u - 0.5, *(np.cos(np.pi * order * u) for order in range(1, _SLOW_WAVES + 1))]
    trend = np.linalg.qr(np.column_stack(slow))[0]
    cycles = np.arange(th.FEWEST_CYCLES, bins / _BINS_A_CYCLE, _STEP_CYCLES)
    waves = np.zeros((len(cycles), bins, 2 * _HARMONICS))
    for order in range(1, _HARMONICS + 1):
        # Too fast for its harmonics: columns of zeros keep the blocks alike.
        slow_enough = cycles * order < bins / 2.5
        angle = (2 * np.pi * cycles[slow_enough] * order)[:, None] * u
        waves[slow_enough, :, 2 * order - 2], waves[slow_enough, :, 2 * order - 1] = np.sin(angle), np.cos(angle)
    q, r = np.linalg.qr(waves - trend @ (trend.T @ waves) + 1e-12)
    live = np.abs(np.diagonal(r, axis1=1, axis2=2)) > 1e-6
    stacked = np.where(live[:, None, :], q, 0)
    solvers = np.linalg.inv(np.where(live[:, :, None] & live[:, None, :], r, np.eye(2 * _HARMONICS)))
    return trend, stacked.transpose(1, 0, 2).reshape(bins, -1), waves, solvers


def remove(values: Array, meter: Array) -> tuple[Array, Array]:
    rest = values.copy()
    share = np.zeros(len(values))
    if not len(values):
        return rest, share
    bins = values.shape[1]
    trend, bases, waves, solvers = _waves(bins)
    for low in range(0, len(values), _CHUNK_ROWS_SEASON):
        cut = slice(low, low + _CHUNK_ROWS_SEASON)
        block = values[cut]
        left = block - (block @ trend) @ trend.T
        projection = (left @ bases).reshape(len(block), *solvers.shape[:2])
        power = (projection**2).sum(axis=2)
        best = power.argmax(axis=1)
        found = power.max(axis=1) / np.maximum((left**2).sum(axis=1), 1e-12)
        strong = (found >= th.CYCLE_EXPLAINS) & (power.max(axis=1) / bins > (2 * meter[cut]) ** 2)
        for index in np.unique(best[strong]):
            rows = np.flatnonzero(strong & (best == index))
            season = projection[rows, index] @ solvers[index].T @ waves[index].T
            rest[low + rows] -= season - season.mean(axis=1, keepdims=True)
            share[low + rows] = found[rows]
    return rest, share


def fit_rows(
    values: Array, given: Given, fitted: NDArray[np.bool_], teeth: NDArray[np.int64], work: Array
) -> tuple[Array, Fit, Array]:
    """Fit rows: floors of teeth on fewer bins, and without their cycle or over the work done where that says more."""
    over, values = values, values.copy()
    place = np.flatnonzero(fitted)

    def fit_to(rows: NDArray[np.int64], curves: Array, **other: Array) -> Fit:
        return compete(curves, given.at(rows)._replace(**other))

    fit = fit_to(place, values[place])
    periodic = np.zeros(len(values))

    def replace(rows: NDArray[np.int64], better: Fit, wins: NDArray[np.bool_] | slice = slice(None)) -> None:
        where = np.searchsorted(place, rows[wins])
        for mine, theirs in zip(fit, better, strict=True):
            mine[where] = theirs[wins]

    bins = values.shape[1]
    troubled, flattened = _without_start(values[place], fit.fitted)
    if len(troubled):
        rows = place[troubled]
        found = fit_to(rows, flattened)
        # A slow-down that began with the start is seen no more: what is left has to rise on as it did.
        half = (bins - bins // th.START_PART) // 2
        late, middle = flattened[:, -1] - flattened[:, -1 - half], flattened[:, -1 - half] - flattened[:, -1 - 2 * half]
        quiet = (fit.bounded[troubled] > th.LIKELY) | (found.noise < fit.noise[troubled] / th.START_JUMP)
        # What slows down as a whole may be a start, then growth; not where a later step is all that came.
        quiet |= (fit.unresolved[troubled] > th.LIKELY) & (middle > th.STEADY * late)
        replace(rows, found, quiet & (found.bounded < th.LIKELY) & (late > th.DECELERATION * middle))
    for low, high, width in ((th.TEETH, th.MANY_TEETH, 12), (th.MANY_TEETH, bins, 24)):
        rows = np.flatnonzero(fitted & (teeth >= low) & (teeth < high))
        if len(rows) and width < bins:
            thin = values[rows][:, (np.arange(width) * bins + bins // 2) // width]
            found = fit_to(rows, thin, filled=np.minimum(given.filled[rows], th.OF_TROUGHS * teeth[rows] / width))
            whole, few = np.linspace(0, 1, bins), np.linspace(0, 1, width)
            curves = np.array([np.interp(whole, few, line) for line in found.fitted])
            replace(rows, found._replace(fitted=curves))
    rows = np.flatnonzero(fitted & (teeth < th.TEETH))
    rest, share = remove(values[rows], th.NOISE_SHARE * np.abs(given.level[rows]))
    rows, rest, share = rows[share > 0], rest[share > 0], share[share > 0]
    if len(rows):
        # A cycle costs as many parameters as it has waves; a bend that looks like one is no cycle.
        gain = fit.cost[np.searchsorted(place, rows)] - fit_to(rows, rest).cost
        wins = gain > PARAMETERS / 2 * np.log(bins)
        rows, rest, share = rows[wins], rest[wins], share[wins]
        # No cycle is the same twice: what is left is not known better than by a share of it.
        uneven = th.CYCLE_UNEVEN * np.sqrt(12) * (values[rows] - rest).std(axis=1)
        replace(rows, fit_to(rows, rest, grain=np.hypot(given.grain[rows], uneven)))
        periodic[rows], values[rows] = share, rest
    rows = np.flatnonzero(fitted & (work[:, -1] > work[:, 0]) & (teeth < th.TEETH))
    # Where little work was done of late, rest may be a pause.
    late = work[rows, -1] - work[rows, bins - 1 - bins // 4]
    ebbs = late < th.EBB * (work[rows, -1] - work[rows, 0]) / 4
    where = np.searchsorted(place, rows)
    open_still = np.where(fit.bounded[where] > th.LIKELY, ebbs, fit.growing[where] < th.LEAK_FROM)
    rows, where = rows[open_still], where[open_still]
    if len(rows):
        over, found = _over_work(over[rows], work[rows], given.at(rows))
        # What grew over time is not cleared by the work that came with it.
        wins = (found.bounded <= th.LIKELY) | (fit.growing[where] <= th.LIKELY)
        wins &= found.cost + np.log(bins) / 2 < fit.cost[where]
        replace(rows, found, wins)
        values[rows[wins]] = over[wins]
    return values, fit, periodic


def _over_work(values: Array, work: Array, given: Given) -> tuple[Array, Fit]:
    index = np.arange(values.shape[1])
    share = (work - work[:, :1]) / (work[:, -1:] - work[:, :1])
    # A hair of time beside it tells the bins of a pause apart.
    done = ((1 - 1e-6) * share + 1e-6 * index / index[-1]) * index[-1]
    over = np.array([np.interp(index, line, mine) for line, mine in zip(done, values, strict=True)])
    found = compete(over, given)
    curves = np.array([np.interp(line, index, mine) for line, mine in zip(done, found.fitted, strict=True)])
    return over, found._replace(fitted=curves)


def _without_start(values: Array, fitted: Array) -> tuple[NDArray[np.int64], Array]:
    """Find rows judged by a start or a hump that no shape has, and whose jumps hide the rest; level what it was."""
    bins = values.shape[1]
    half, place = bins // 2, np.arange(bins)
    left = np.abs(np.diff(values - fitted, axis=1))
    # A hump in the first half, which went by half at least, is no part of what came then.
    after = place > values[:, :half].argmax(axis=1)[:, None]
    hump = values.min(axis=1, where=after, initial=np.inf) < (values[:, 0] + values[:, :half].max(axis=1)) / 2
    usual = np.where(hump, *(np.quantile(left[:, start:], 0.9, axis=1) for start in (half, bins // th.START_PART)))
    early = place[1:] <= np.where(hump, half, bins // th.START_PART)[:, None]
    share = (left**2).sum(axis=1, where=early) / np.maximum((left**2).sum(axis=1), 1.0)
    jumps = early & (left > th.START_JUMP * usual[:, None])
    rows = np.flatnonzero((share > th.START_SHARE) & jumps.any(axis=1))
    # The start ends behind its last jump.
    level, last = values[rows], (bins - 1 - np.argmax(jumps[rows, ::-1], axis=1))[:, None]
    return rows, np.where(place < last, np.take_along_axis(level, last, axis=1), level)
