"""Let bounded and growing shapes compete for every life at once.

Residuals are a first-order autoregression whose strength is chosen for each row, so that a wandering level is
no trend and a clean line is one. Shapes are weighed by BIC; the members of a family share its prior.

References
----------
Schwarz, Estimating the dimension of a model, Annals of Statistics 1978 (BIC); Prais and Winsten, Trend
estimators and serial correlation, Cowles Commission 1954 (whitening); Hoeting et al., Bayesian model
averaging, Statistical Science 1999.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit.analysis.bank import CODE, FAMILIES, GROWTH_FAMILIES, RHOS, Bank, bank, whiten
from rmtoolkit.analysis.parameters import (
    DECELERATION,
    EARLY_BEND,
    FAINT_SHARE,
    FLOOR_EVIDENCE,
    FLOOR_MATERIAL,
    FRESH_RAMP,
    FRESH_STEP,
    LIKELY,
    MATERIAL_SHARE,
    MATERIAL_WINDOWS,
    NEAR_A_DAY,
    NOISE_SHARE,
    QUANTILE,
    YOUNG,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

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
    """What the competition says about each row; all arrays have one entry a row.

    Attributes
    ----------
    growing, bounded, unresolved
        Probabilities of the three kinds; they sum to 1.
    faint
        Probability, within `bounded`, of growth that is too small to matter in this window.
    fresh
        Probability, within `unresolved`, of a rise that has only just begun.
    best
        Member of the bank with most weight; `family` is the family with most weight.
    families
        Weight of each family: rows x families.
    growth, growth_error
        Slope at the window's end in bytes per window, and its standard error.
    onset
        Where the growth begins, 0 to 1 (of the best growing shape).
    noise
        Standard deviation of the residuals around the best shape, bytes.
    floor
        Smallest growth per window that would be found nine times in ten, bytes.
    fitted
        The best shape's curve, bytes: rows x bins.
    cost
        Minus log evidence of all shapes together: the lower, the better the values are explained.

    Examples
    --------
    >>> line = np.linspace(100.0, 200.0, 24)[None, :]
    >>> found = compete(line, level=np.array([100.0]), headroom=np.array([np.inf]))
    >>> bool(found.growing[0] > 0.9), FAMILIES[found.family[0]]
    (True, 'linear')
    """

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
    """Fit every shape to every row and weigh them.

    Parameters
    ----------
    values
        Bytes, rows x bins.
    level
        Typical level of each row, bytes: the measure of what is material.
    headroom
        Bytes from the row's end to its limit; infinite where there is none or it is unknown.
    filled
        Share of bins that have a sample; 1 when left out.
    grain
        Resolution of the meter in bytes (1 MiB for `kubectl top`); 0 when left out.
    day_cycles
        Days that the row's window spans: half a day's wave competes only where a day is near the
        window. Left out, it never does.

    Returns
    -------
    Fit
        The probabilities sum to 1 in each row. A probability of growth near 1 says that no bounded shape
        explains the window as well as growth that still goes on at its end; one signal alone cannot
        prove a leak, so weigh it with the evidence level.

    Examples
    --------
    >>> flat = 100 + np.sin(np.arange(48) * 2.4)[None, :]
    >>> bool(compete(flat, level=np.array([100.0]), headroom=np.array([50.0])).bounded[0] > 0.9)
    True
    """
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
