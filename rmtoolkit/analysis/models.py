"""The bank of shapes that compete to explain a life: bounded ones and growing ones.

Each shape is a small family of straight least-squares problems on the bins of a life's time, 0 to 1. Their
bases are made once for a width and an autocorrelation; fitting all lives is then one matrix product.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit.analysis.thresholds import (
    CYCLE_EXPLAINS,
    DECELERATION,
    EARLY_BEND,
    FAINT_SHARE,
    FEWEST_CYCLES,
    FLOOR_EVIDENCE,
    FLOOR_MATERIAL,
    FRESH_RAMP,
    FRESH_STEP,
    LIKELY,
    MANY_TEETH,
    MATERIAL_SHARE,
    MATERIAL_WINDOWS,
    NEAR_A_DAY,
    NOISE_SHARE,
    QUANTILE,
    RICHER,
    START_JUMP,
    START_PART,
    START_SHARE,
    TEETH,
    YOUNG,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


#: Names of the shapes: the bounded ones first.
FAMILIES: Final = (
    "constant",
    "step",
    "two_steps",
    "pulse",
    "saturating",
    "two_saturating",
    "saturating_step",
    "log",
    "power",
    "ramp_end",
    "ramp",
    "half_wave",
    "linear",
    "two_slopes",
    "saturating_linear",
    "saturating_hinge",
    "step_linear",
    "step_hinge",
    "two_steps_linear",
)
#: Index of each family in `FAMILIES`.
CODE: Final = {name: code for code, name in enumerate(FAMILIES)}
#: Families that grow without an end.
GROWTH_FAMILIES: Final = FAMILIES[FAMILIES.index("linear") :]
#: Autocorrelations, bin to bin, that compete; the last is nearly a random walk.
RHOS: Final = (0.0, 0.35, 0.6, 0.78, 0.9, 0.96)
#: Terms nearer than this to each other count as one.
_SAME: Final = 1e-7
_MOST_CYCLES: Final = 1.75
#: Of these large families every n-th member is enough to choose an autocorrelation.
_SPARSE: Final = {
    "two_steps": 6,
    "pulse": 7,
    "two_steps_linear": 6,
    "two_saturating": 8,
    "saturating_step": 6,
    "saturating_hinge": 6,
    "two_slopes": 2,
    "ramp_end": 3,
    "ramp": 4,
    "saturating": 3,
}


@dataclass(frozen=True, slots=True)
class Bank:
    """All shapes for one number of bins."""

    time: Array
    columns: Array
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    family: NDArray[np.int64]
    scale: Array
    lead: Array
    mix: Array
    onset: Array
    shape: Array
    prior: Array
    design: tuple[Array, ...]
    triangle: tuple[Array, ...]


def _terms(u: Array) -> Iterator[tuple[str, list[Array], float, float]]:
    """Give every member of every family: name, terms beside the constant, onset, shape."""
    bins = len(u)
    fine = np.linspace(0.06, 0.96, 24 if bins >= 48 else 16)
    coarse = np.linspace(0.08, 0.92, 13)
    taus = np.geomspace(0.012, 2.5, 36)
    fast = taus[taus < 0.34][::2]

    def step(c: float) -> Array:
        return (u > c).astype(float)

    def hinge(c: float) -> Array:
        return np.maximum(u - c, 0)

    yield "constant", [], 0, 0
    yield "linear", [u], 0, 0
    # A step falls between two bins: a coarser grid would leave its edge as an outlier.
    for c in np.arange(3, bins - 2) / bins:
        yield "step", [step(c)], c, 0
        yield "step_linear", [step(c), u], 0, c
        yield "step_hinge", [step(c), hinge(c)], c, 0
    for c in fine:
        yield "ramp_end", [np.minimum(u, c)], c, 0
        yield "two_slopes", [np.minimum(u, c), hinge(c)], c, 0
    for index, c in enumerate(coarse):
        for d in coarse[index + 1 :]:
            yield "two_steps", [step(c), step(d)], d, c
            yield "two_steps_linear", [step(c), step(d), u], 0, c
            yield "ramp", [np.clip((u - c) / (d - c), 0, 1)], d, c
    edges = np.arange(3, bins - 2, max(1, bins // 32)) / bins
    for index, c in enumerate(edges):
        for d in edges[index + 1 :]:
            yield "pulse", [step(c) - step(d)], d, c
    for tau in taus:
        yield "saturating", [np.exp(-u / tau)], 0, tau
    for tau in taus[::3]:
        for slower in taus[1::3]:
            if slower > 2.5 * tau:
                yield "two_saturating", [np.exp(-u / tau), np.exp(-u / slower)], 0, slower
    for tau in fast:
        yield "saturating_linear", [np.exp(-u / tau), u], 0, tau
        for c in coarse:
            yield "saturating_step", [np.exp(-u / tau), step(c)], c, tau
            yield "saturating_hinge", [np.exp(-u / tau), hinge(c)], c, tau
    for c in np.geomspace(0.004, 1.0, 12):
        yield "log", [np.log1p(u / c)], 0, c
    # Distinct keys among repeating ones grow by a power of the time (Heaps' law): ever slower, without an end.
    for exponent in np.arange(0.3, 0.81, 0.05):
        yield "power", [u**exponent], 0, exponent
    for cycles in np.geomspace(0.25, _MOST_CYCLES, 12):
        yield "half_wave", [np.sin(2 * np.pi * cycles * u), np.cos(2 * np.pi * cycles * u)], 0, cycles


def whiten(rows: Array, rho: float) -> Array:
    """Take a first-order autocorrelation out of rows."""
    white = rows.astype(float)
    white[:, 1:] -= rho * rows[:, :-1]
    white[:, 0] *= np.sqrt(1 - rho**2)
    return white


@lru_cache(maxsize=48)
def bank(bins: int, rho: float = 0.0, *, sparse: bool = False) -> Bank:
    """Make the bases of all shapes for a width; made once, then kept."""
    u = (np.arange(bins) + 0.5) / bins
    constant = whiten(np.ones((1, bins)), rho)[0]
    length = np.sqrt((constant**2).sum())
    constant /= length
    seen: dict[str, int] = {}
    given: list[tuple[str, float, float, Array]] = []
    for name, terms, begins, value in _terms(u):
        seen[name] = seen.get(name, -1) + 1
        if not (sparse and seen[name] % _SPARSE.get(name, 1)):
            given.append((name, begins, value, np.array(terms).reshape(len(terms), bins)))
    bases = _bases([design for *_, design in given], rho, constant)
    members = [
        (name, begins, value, design.T - shared / length, q, r)
        for (name, begins, value, design), (shared, q, r) in zip(given, bases, strict=True)
        # On few bins two terms can be the same: such a member says nothing new.
        if not len(design) or np.abs(np.diag(r)).min() >= _SAME * np.abs(np.diag(r)).max()
    ]
    count = np.array([member[5].shape[0] for member in members])
    codes = np.array([CODE[member[0]] for member in members])
    last = [member[5] for member in members]
    return Bank(
        time=u,
        columns=np.concatenate([member[4] for member in members], axis=1),
        first=np.cumsum(count) - count,
        count=count,
        family=codes,
        scale=np.array([1 / r[-1, -1] if len(r) else 0.0 for r in last]),
        lead=np.array([1 / r[-2, -2] if len(r) > 1 else 0.0 for r in last]),
        mix=np.array([r[-2, -1] if len(r) > 1 else 0.0 for r in last]),
        onset=np.array([member[1] for member in members], dtype=float),
        shape=np.array([member[2] for member in members], dtype=float),
        prior=np.array([RICHER.get(member[0], 0.0) for member in members]) - np.log(np.bincount(codes)[codes]),
        design=tuple(member[3] for member in members),
        triangle=tuple(last),
    )


def _bases(designs: list[Array], rho: float, constant: Array) -> list[tuple[Array, Array, Array]]:
    """Make the bases of many designs at once: what each shares with the constant, and its two factors."""
    found: dict[int, tuple[Array, Array, Array]] = {}
    for terms in {len(design) for design in designs}:
        which = [index for index, design in enumerate(designs) if len(design) == terms]
        stack = np.array([designs[index] for index in which])
        white = whiten(stack.reshape(-1, stack.shape[2]), rho).reshape(stack.shape)
        shared = white @ constant
        q, r = np.linalg.qr((white - shared[:, :, None] * constant).transpose(0, 2, 1))
        found |= zip(which, zip(shared, q, r, strict=True), strict=True)
    return [found[index] for index in range(len(designs))]


#: What a shape says about the time after the window.
BOUNDED: Final = 0
GROWING: Final = 1
UNRESOLVED: Final = 2
#: Growth that is too small to matter: counted as bounded, and told apart.
FAINT: Final = 3
#: Growth or a rise that has only just begun: counted as unresolved, and told apart.
FRESH: Final = 4
#: Rows projected at once: few enough for the cache, which makes it a third faster than with all of them.
_CHUNK_ROWS: Final = 150


@dataclass(frozen=True, slots=True)
class Fit:
    """What the competition says about each row; all arrays have one entry a row."""

    growing: Array
    bounded: Array
    unresolved: Array
    faint: Array
    fresh: Array
    best: NDArray[np.int64]
    family: NDArray[np.int64]
    families: Array
    growth: Array
    growth_error: Array
    onset: Array
    noise: Array
    floor: Array
    fitted: Array
    cost: Array


def compete(
    values: Array,
    *,
    level: Array,
    headroom: Array,
    filled: Array | None = None,
    grain: Array | None = None,
    day_cycles: Array | None = None,
) -> Fit:
    """Fit every shape to every row and weigh them."""
    rows = len(values)
    given = (
        level,
        headroom,
        np.ones(rows) if filled is None else filled,
        np.zeros(rows) if day_cycles is None else day_cycles,
    )
    meter = np.sqrt((NOISE_SHARE * np.abs(level)) ** 2 + (0 if grain is None else grain**2 / 12) + 1.0)
    rho, cost = np.zeros(rows), np.zeros(rows)
    for low in range(0, rows, _CHUNK_ROWS):
        some = slice(low, low + _CHUNK_ROWS)
        rho[some], cost[some] = _choose_rho(values[some], meter[some], given[3][some])
    parts: list[tuple[NDArray[np.int64], Fit]] = []
    for choice in np.unique(rho):
        mine = np.flatnonzero(rho == choice)
        for low in range(0, len(mine), _CHUNK_ROWS):
            cut = mine[low : low + _CHUNK_ROWS]
            part = _compete(values[cut], float(choice), cost[cut], meter[cut], *(column[cut] for column in given))
            parts.append((cut, part))
    if not parts:
        return _compete(values, 0.0, cost, meter, *given)
    order = np.argsort(np.concatenate([cut for cut, _ in parts]))
    return Fit(
        **{
            name: np.concatenate([getattr(part, name) for _, part in parts])[order] for name in Fit.__dataclass_fields__
        },
    )


def _project(values: Array, shapes: Bank, rho: float) -> tuple[Array, Array, Array]:
    """Project rows on all bases: the projections, the residual sums of squares, and the means."""
    white = whiten(values, rho)
    constant = whiten(np.ones((1, values.shape[1])), rho)[0]
    mean = white @ constant / (constant @ constant)
    white -= np.outer(mean, constant)
    projection = white @ shapes.columns
    # The constant, which has no columns and explains nothing beside the mean, stands first.
    residual = np.zeros((len(values), len(shapes.count)))
    np.add.reduceat(projection**2, shapes.first[1:], axis=1, out=residual[:, 1:])
    np.subtract((white**2).sum(axis=1, keepdims=True), residual, out=residual)
    return projection, np.maximum(residual, 0, out=residual), mean


def _choose_rho(values: Array, meter: Array, day_cycles: Array) -> tuple[Array, Array]:
    """Choose for each row the autocorrelation under which its best shape is likeliest."""
    bins = values.shape[1]
    best = np.full(len(values), np.inf)
    chosen = np.zeros(len(values))
    for rho in RHOS:
        shapes = bank(bins, rho, sparse=True)
        _, residual, _ = _project(values, shapes, rho)
        floor = (meter**2 * (1 + rho**2))[:, None]
        cost = bins * np.log(residual / bins + floor) - np.log(1 - rho**2) + np.log(bins) * shapes.count
        evidence = np.where(_possible(shapes, day_cycles), shapes.prior - cost / 2, -np.inf)
        top = evidence.max(axis=1)
        cost = -top - np.log(np.exp(evidence - top[:, None]).sum(axis=1))
        better = cost < best
        chosen[better] = rho
        best = np.minimum(best, cost)
    return chosen, best


def _compete(
    values: Array,
    rho: float,
    cost: Array,
    meter: Array,
    level: Array,
    headroom: Array,
    filled: Array,
    day_cycles: Array,
) -> Fit:
    bins = values.shape[1]
    shapes = bank(bins, rho)
    projection, residual, mean = _project(values, shapes, rho)
    effective = np.maximum(filled * bins, 8)
    floor = meter**2 * (1 + rho**2)
    possible = _possible(shapes, day_cycles)
    spread = np.maximum(residual / bins, floor[:, None])
    score = effective[:, None] * np.log(spread) + np.log(effective)[:, None] * shapes.count
    evidence = np.where(possible, shapes.prior - score / 2, -np.inf)
    evidence -= evidence.max(axis=1, keepdims=True)
    weight = np.exp(evidence)
    weight /= weight.sum(axis=1, keepdims=True)
    best = weight.argmax(axis=1)
    innovation = np.sqrt(spread[np.arange(len(values)), best])
    noise = innovation / np.sqrt(1 - rho**2)

    has = shapes.count > 0
    coefficient = projection[:, np.where(has, shapes.first + shapes.count - 1, 0)] * shapes.scale
    kind = _kinds(shapes, projection, coefficient, level, headroom, noise)
    chance = [np.where(kind == value, weight, 0).sum(axis=1) for value in (BOUNDED, GROWING, UNRESOLVED, FAINT, FRESH)]
    fitted = _curves(shapes, projection, mean, best)
    growth, error, onset = _tail(
        shapes, projection, weight, kind, coefficient, innovation, rho, values - fitted, fitted, best
    )
    families = np.zeros((len(values), len(FAMILIES)))
    for code in range(len(FAMILIES)):
        families[:, code] = weight[:, shapes.family == code].sum(axis=1)
    line = float(np.abs(shapes.scale[shapes.family == CODE["linear"]]).max(initial=0.0))
    detectable = (np.sqrt(FLOOR_EVIDENCE + np.log(effective)) + QUANTILE) * innovation * line
    material = np.minimum(MATERIAL_SHARE * np.abs(level), np.maximum(headroom, 0) / MATERIAL_WINDOWS)
    return Fit(
        growing=chance[GROWING],
        bounded=chance[BOUNDED] + chance[FAINT],
        unresolved=chance[UNRESOLVED] + chance[FRESH],
        faint=chance[FAINT],
        fresh=chance[FRESH],
        best=best,
        family=families.argmax(axis=1),
        families=families,
        growth=growth,
        growth_error=error,
        onset=onset,
        noise=noise,
        floor=detectable + FLOOR_MATERIAL * material,
        fitted=fitted,
        cost=cost,
    )


def _possible(shapes: Bank, day_cycles: Array) -> NDArray[np.bool_]:
    """Half a wave is a rival only where a day is its period: nothing else in service life is."""
    half = shapes.family == CODE["half_wave"]
    near = np.abs(np.log(np.maximum(day_cycles[:, None], 1e-9) / np.maximum(shapes.shape, 1e-9))) < NEAR_A_DAY
    possible: NDArray[np.bool_] = ~half | near
    return possible


def _curves(shapes: Bank, projection: Array, mean: Array, member: NDArray[np.int64]) -> Array:
    """Draw the curve of one member for each row, in bytes."""
    curves = np.repeat(mean[:, None], len(shapes.time), axis=1)
    for index in np.unique(member):
        if shapes.count[index]:
            rows = np.flatnonzero(member == index)
            cut = slice(shapes.first[index], shapes.first[index] + shapes.count[index])
            coefficients = np.linalg.solve(shapes.triangle[index], projection[rows, cut].T)
            curves[rows] += (shapes.design[index] @ coefficients).T
    return curves


def _kinds(
    shapes: Bank,
    projection: Array,
    coefficient: Array,
    level: Array,
    headroom: Array,
    noise: Array,
) -> NDArray[np.int8]:
    """Decide for each row and shape what it says about the time after the window."""
    size = np.maximum(np.abs(level), 1)[:, None]
    material = MATERIAL_SHARE * size
    seen = FAINT_SHARE * size
    reach = np.maximum(headroom, 0)[:, None]
    counts = np.minimum(material, reach / MATERIAL_WINDOWS)
    kind = np.zeros(coefficient.shape, dtype=np.int8)

    def members(*names: str) -> NDArray[np.int64]:
        return np.flatnonzero(np.isin(shapes.family, [CODE[name] for name in names]))

    grows = members(*GROWTH_FAMILIES)
    slope = coefficient[:, grows]
    phase = 1 - shapes.onset[grows]
    rise = slope * phase
    matters = ((rise > material) | (slope * MATERIAL_WINDOWS > reach)) & (rise > noise[:, None]) & (slope > 0)
    young = phase < YOUNG
    # Too little to matter yet, but seen: only a longer window tells what comes of it.
    faint = (rise > seen) & (rise > noise[:, None]) & ~matters
    kind[:, grows] = np.where(matters, np.where(young, FRESH, GROWING), np.where(faint, FAINT, BOUNDED))

    two, early, late = _slopes(shapes, projection, coefficient)
    # A bend near the start is a warm-up that is over; one later on is a slow-down that may go on.
    late_bend = shapes.onset[two] > EARLY_BEND
    slowing = (early > 0) & (late < DECELERATION * early) & late_bend & (kind[:, two] == GROWING)
    kind[:, two] = np.where(slowing, UNRESOLVED, kind[:, two])
    # A late bend in growth that went on since the start makes it no younger.
    going_on = (early * shapes.onset[two] > material) & (late > DECELERATION * early) & (kind[:, two] == FRESH)
    kind[:, two] = np.where(going_on, GROWING, kind[:, two])

    rising = members("saturating", "two_saturating")
    # The term falls from 1, so a rise has a negative coefficient; what is still to come is its rest.
    to_come = -coefficient[:, rising] * np.exp(-1 / shapes.shape[rising])
    kind[:, rising] = np.where(to_come > material, UNRESOLVED, BOUNDED)

    logs = members("log")
    c = shapes.shape[logs]
    next_window = coefficient[:, logs] * (np.log1p(2 / c) - np.log1p(1 / c))
    kind[:, logs] = np.where(next_window > counts, UNRESOLVED, np.where(next_window > seen, FAINT, BOUNDED))

    powers = members("power")
    still = coefficient[:, powers] * (2.0 ** shapes.shape[powers] - 1)
    kind[:, powers] = np.where(still > counts, UNRESOLVED, np.where(still > seen, FAINT, BOUNDED))

    ends = members("ramp_end", "ramp", "step", "two_steps", "saturating_step")
    from_start = shapes.family[ends] == CODE["ramp_end"]
    is_ramp = from_start | (shapes.family[ends] == CODE["ramp"])
    jump = coefficient[:, ends] * np.where(from_start, shapes.onset[ends], 1)
    fresh = shapes.onset[ends] > np.where(is_ramp, FRESH_RAMP, FRESH_STEP)
    kind[:, ends] = np.where(fresh & (jump > material), FRESH, BOUNDED)

    half = members("half_wave")
    amplitude = np.abs(coefficient[:, half])
    kind[:, half] = np.where(amplitude > material, UNRESOLVED, BOUNDED)
    return kind


def _slopes(shapes: Bank, projection: Array, coefficient: Array) -> tuple[NDArray[np.int64], Array, Array]:
    """Which shapes have two slopes, and their early and late ones."""
    two = np.flatnonzero(shapes.family == CODE["two_slopes"])
    late = coefficient[:, two]
    early = (projection[:, shapes.first[two]] - shapes.mix[two] * late) * shapes.lead[two]
    return two, early, late


def _tail(
    shapes: Bank,
    projection: Array,
    weight: Array,
    kind: NDArray[np.int8],
    coefficient: Array,
    innovation: Array,
    rho: float,
    left: Array,
    fitted: Array,
    best: NDArray[np.int64],
) -> tuple[Array, Array, Array]:
    """Slope at the end: of the growing shapes where they win, else of the best shape and what it leaves."""
    grows = np.where(kind == GROWING, weight, 0)
    share = grows.sum(axis=1)
    safe = np.where(share > 0, share, 1)
    error = innovation[:, None] * np.abs(shapes.scale)
    mean = (grows * coefficient).sum(axis=1) / safe
    square = (grows * (coefficient**2 + error**2)).sum(axis=1) / safe
    two, early, late = _slopes(shapes, projection, coefficient)
    # Growth that was about as fast before its bend did not begin at it.
    begins = np.where(early > DECELERATION * late, 0.0, shapes.onset[two])
    onset = (grows @ shapes.onset + (grows[:, two] * (begins - shapes.onset[two])).sum(axis=1)) / safe

    later = shapes.time > 0.5
    axis = shapes.time[later] - shapes.time[later].mean()
    rest = left[:, later] @ axis / (axis**2).sum()
    white = whiten(np.array([axis, np.ones(len(axis))]), rho)
    white[0] -= white[1] * (white[0] @ white[1]) / (white[1] @ white[1])
    rest_error = innovation / np.sqrt((white[0] ** 2).sum())
    last = max(2, len(shapes.time) // 8)
    wave = shapes.family[best] == CODE["half_wave"]
    curve = np.where(wave, 0, (fitted[:, -1] - fitted[:, -1 - last]) / (shapes.time[-1] - shapes.time[-1 - last]))
    use = share > LIKELY
    return (
        np.where(use, mean, curve + rest),
        np.where(use, np.sqrt(np.maximum(square - mean**2, 0)), rest_error),
        np.where(use, onset, 0),
    )


_STEP_CYCLES: Final = 0.06
#: Bins that one cycle needs at least.
_BINS_A_CYCLE: Final = 4
_HARMONICS: Final = 2
#: Slow waves that belong to the trend and not to the season.
_SLOW_WAVES: Final = 3
#: Parameters that a cycle takes: two waves for each harmonic, and its length.
PARAMETERS: Final = 2 * _HARMONICS + 1
_CHUNK_ROWS_SEASON: Final = 2000


@lru_cache(maxsize=4)
def _waves(bins: int) -> tuple[Array, Array, list[tuple[Array, Array]]]:
    """Bases for a width: the slow trend, all cycles beside it, and what solves for each cycle."""
    u = (np.arange(bins) + 0.5) / bins
    slow = [np.ones(bins), u - 0.5, *(np.cos(np.pi * order * u) for order in range(1, _SLOW_WAVES + 1))]
    trend = np.linalg.qr(np.column_stack(slow))[0]
    stacked: list[Array] = []
    solvers: list[tuple[Array, Array]] = []
    for cycles in np.arange(FEWEST_CYCLES, bins / _BINS_A_CYCLE, _STEP_CYCLES):
        orders = [order for order in range(1, _HARMONICS + 1) if cycles * order < bins / 2.5]
        waves = np.column_stack(
            [wave(2 * np.pi * cycles * order * u) for order in orders for wave in (np.sin, np.cos)],
        )
        if len(orders) < _HARMONICS:
            # Too fast for its harmonics: columns of zeros keep the blocks alike.
            waves = np.column_stack([waves, np.zeros((bins, 2 * (_HARMONICS - len(orders))))])
        left = waves - trend @ (trend.T @ waves)
        q, r = np.linalg.qr(left + 1e-12)
        live = np.abs(np.diag(r)) > 1e-6
        q = np.where(live, q, 0)
        stacked.append(q)
        solvers.append((waves[:, live], np.linalg.inv(r[np.ix_(live, live)])))
    return trend, np.concatenate(stacked, axis=1), solvers


def remove(values: Array, meter: Array) -> tuple[Array, Array]:
    """Remove the strongest cycle of each row, where there is one."""
    rest = values.copy()
    share = np.zeros(len(values))
    if not len(values):
        return rest, share
    bins = values.shape[1]
    trend, waves, solvers = _waves(bins)
    for low in range(0, len(values), _CHUNK_ROWS_SEASON):
        cut = slice(low, low + _CHUNK_ROWS_SEASON)
        block = values[cut]
        left = block - (block @ trend) @ trend.T
        projection = left @ waves
        power = (projection**2).reshape(len(block), len(solvers), -1).sum(axis=2)
        best = power.argmax(axis=1)
        total = (left**2).sum(axis=1)
        found = power.max(axis=1) / np.maximum(total, 1e-12)
        strong = (found >= CYCLE_EXPLAINS) & (power.max(axis=1) / bins > (2 * meter[cut]) ** 2)
        for index in np.unique(best[strong]):
            rows = np.flatnonzero(strong & (best == index))
            shape, inverse = solvers[index]
            width = projection.shape[1] // len(solvers)
            mine = projection[rows, index * width : (index + 1) * width][:, : len(inverse)]
            season = mine @ inverse.T @ shape.T
            rest[low + rows] -= season - season.mean(axis=1, keepdims=True)
            share[low + rows] = found[rows]
    return rest, share


def fit_rows(
    values: Array,
    given: dict[str, Array],
    fitted: NDArray[np.bool_],
    teeth: NDArray[np.int64],
) -> tuple[Array, Fit, Array]:
    """Fit rows: floors of teeth on fewer bins, and without their cycle where that explains more."""
    values = values.copy()
    place = np.flatnonzero(fitted)
    fit = compete(values[place], **{name: column[place] for name, column in given.items()})
    periodic = np.zeros(len(values))
    names = Fit.__dataclass_fields__

    def replace(rows: NDArray[np.int64], better: Fit) -> None:
        where = np.searchsorted(place, rows)
        for name in names:
            getattr(fit, name)[where] = getattr(better, name)

    bins = values.shape[1]
    troubled, flattened = _without_start(values[place], fit.fitted, fit.bounded)
    if len(troubled):
        rows = place[troubled]
        found = compete(flattened, **{name: column[rows] for name, column in given.items()})
        # A slow-down that began with the start is seen no more: what is left has to rise on as it did.
        half = (bins - bins // START_PART) // 2
        late, middle = flattened[:, -1] - flattened[:, -1 - half], flattened[:, -1 - half] - flattened[:, -1 - 2 * half]
        goes_on = (found.bounded < LIKELY) & (late > DECELERATION * middle)
        replace(rows[goes_on], Fit(*(getattr(found, name)[goes_on] for name in names)))
    for low, high, width in ((TEETH, MANY_TEETH, 12), (MANY_TEETH, bins, 24)):
        rows = np.flatnonzero(fitted & (teeth >= low) & (teeth < high))
        if len(rows) and width < bins:
            thin = values[rows][:, (np.arange(width) * bins + bins // 2) // width]
            known = {name: column[rows] for name, column in given.items()}
            known["filled"] = np.minimum(known["filled"], teeth[rows] / width)
            found = compete(thin, **known)
            curves = np.array(
                [np.interp(np.linspace(0, 1, bins), np.linspace(0, 1, width), line) for line in found.fitted]
            )
            replace(rows, dataclasses.replace(found, fitted=curves))
    rows = np.flatnonzero(fitted & (teeth < TEETH))
    meter = NOISE_SHARE * np.abs(given["level"][rows])
    rest, share = remove(values[rows], meter)
    rows, rest, share = rows[share > 0], rest[share > 0], share[share > 0]
    if len(rows):
        found = compete(rest, **{name: column[rows] for name, column in given.items()})
        # A cycle costs as many parameters as it has waves; a bend that looks like one is no cycle.
        gain = fit.cost[np.searchsorted(place, rows)] - found.cost
        wins = gain > PARAMETERS / 2 * np.log(bins)
        replace(rows[wins], Fit(*(getattr(found, name)[wins] for name in names)))
        periodic[rows[wins]] = share[wins]
        values[rows[wins]] = rest[wins]
    return values, fit, periodic


def _without_start(values: Array, fitted: Array, bounded: Array) -> tuple[NDArray[np.int64], Array]:
    """Find rows called bounded only because no shape has their start, whose jump hides the rest; level that start."""
    early = values.shape[1] // START_PART
    left = np.abs(np.diff(values - fitted, axis=1))
    usual = np.quantile(left[:, early:], 0.9, axis=1)
    share = (left[:, :early] ** 2).sum(axis=1) / np.maximum((left**2).sum(axis=1), 1.0)
    jumps = left[:, :early] > START_JUMP * usual[:, None]
    rows = np.flatnonzero((bounded > LIKELY) & (share > START_SHARE) & jumps.any(axis=1))
    level = values[rows].copy()
    # The start ends behind its last jump.
    last = early - np.argmax(jumps[rows, ::-1], axis=1)
    before = np.arange(values.shape[1]) < last[:, None]
    return rows, np.where(before, np.take_along_axis(level, last[:, None], axis=1), level)
