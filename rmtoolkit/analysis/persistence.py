"""Check without any model whether growth that a model found was still going on at the window's end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rmtoolkit.analysis.parameters import (
    BEGUN_SHARE,
    CLEAR_DEVIATIONS,
    DEVIATIONS_PER_MAD,
    FEW_JUMPS,
    JUMP_DEVIATIONS,
    JUMP_SHARE,
    JUMPY,
    LATE_ONSET,
    LIKELY,
    START_PART,
    STARTUP_OVER,
    STEP_SHARE,
    TAIL,
    UNCHECKED,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Persistence:
    """One entry a row.

    Attributes
    ----------
    last_third
        Slope in the last third of the growth phase over the slope of the whole phase; 1 is steady growth.
    tail
        Rise in the last eighth of the window over what the slope predicts for it; null (NaN) where the
        prediction is within the noise, or where growth comes in jumps that may fall beside the tail.
    quarter
        The same as `tail` for the last quarter.
    begun
        Where a quarter of the rise is reached for good, 0 to 1.
    straight
        Slope in the later half of the growth, after a start-up, over the slope in its earlier half.
    bend_noise
        Noise as a share of what each half would bring at the same speed.
    between
        Rise without the few large steps over what the slope predicts; null (NaN) where there is none, or many.
    excursion
        Rise since the onset over the range of the values before it; infinite without a time before.

    Examples
    --------
    >>> Persistence(*(np.zeros(1),) * 8).tail.tolist()
    [0.0]
    """

    last_third: Array
    tail: Array
    quarter: Array
    excursion: Array
    straight: Array
    bend_noise: Array
    between: Array
    begun: Array


def check(values: Array, onset: Array, growth: Array, growing: Array, grain: Array) -> Persistence:
    """Compare what the end of each row does with the growth that was found in it.

    Parameters
    ----------
    values
        Bytes, rows x bins.
    onset
        Where the growth begins, 0 to 1.
    growth
        Its slope in bytes per window.
    growing
        Its probability.
    grain
        Steps that the memory moves in, bytes: what is expected to be less than two of them cannot be checked.

    Returns
    -------
    Persistence
        Meaningful only for rows whose growth is above zero.

    Examples
    --------
    >>> line = np.linspace(0.0, 96.0, 96)[None, :]
    >>> found = check(line, np.array([0.0]), np.array([96.0]), np.array([1.0]), np.array([0.0]))
    >>> found.last_third.round(1).tolist(), found.tail.round(1).tolist()
    ([1.0], [1.0])
    """
    bins = values.shape[1]
    width = max(2, bins // 24)
    begin = np.clip(onset, 0.0, 0.9)
    # The first mark stands behind the onset: a step there is not part of the growth.
    begin = begin + np.where(begin > 0, 1.1 * width / bins, 0)
    levels, places = zip(*(_around(values, begin + (1 - begin) * part / 3, width) for part in range(4)), strict=True)
    whole = (levels[3] - levels[0]) / np.maximum(places[3] - places[0], 1 / bins)
    third = (levels[3] - levels[2]) / np.maximum(places[3] - places[2], 1 / bins)
    # Beside a step or a warm-up the slope that the models found is that of the growth, the whole rise is not.
    slope = np.where((growing > LIKELY) & (growth > 0), np.where(whole > 0, np.minimum(whole, growth), growth), whole)
    steps = np.abs(np.diff(values, axis=1))
    top = np.sort(steps, axis=1)[:, -max(1, bins // 10) :].sum(axis=1)
    jumpy = top > JUMPY * steps.sum(axis=1)
    before, place = _around(values, np.full(len(values), 1 - TAIL - 1.5 * width / bins), width)
    predicted = growth * (places[3] - place)
    noise = np.maximum(DEVIATIONS_PER_MAD * np.median(steps, axis=1), grain)
    tail = np.where(
        (predicted > CLEAR_DEVIATIONS * noise) & ~jumpy,
        (levels[3] - before) / np.where(predicted > 0, predicted, 1),
        np.nan,
    )
    early, early_place = _around(values, np.full(len(values), 1 - 2 * TAIL - 1.5 * width / bins), width)
    expected = growth * (places[3] - early_place)
    quarter = np.where(
        (expected > CLEAR_DEVIATIONS * noise) & ~jumpy,
        (levels[3] - early) / np.where(expected > 0, expected, 1),
        np.nan,
    )
    rise = levels[3] - levels[0]
    start = np.clip(np.maximum(onset, STARTUP_OVER), 0.0, 0.9)
    (low, middle), (low_at, middle_at) = zip(
        *(_around(values, start + (1 - start) * part / 2, width) for part in range(2)), strict=True
    )
    former = (middle - low) / np.maximum(middle_at - low_at, 1 / bins)
    latter = (levels[3] - middle) / np.maximum(places[3] - middle_at, 1 / bins)
    # A step or two beside the growth are no part of it; many small ones may be all of it.
    size = JUMP_DEVIATIONS * DEVIATIONS_PER_MAD * np.median(steps, axis=1) + STEP_SHARE / 2 * np.median(values, axis=1)
    large = steps > size[:, None]
    # However many the start took; one that falls within a bin shows at both its sides.
    later = large[:, bins // START_PART :]
    few = large.any(axis=1) & (later[:, :1].sum(axis=1) + (later[:, 1:] & ~later[:, :-1]).sum(axis=1) <= FEW_JUMPS)
    calm_steps = np.where(large, 0.0, np.diff(values, axis=1))
    calm = np.concatenate([np.zeros((len(values), 1)), np.cumsum(calm_steps, axis=1)], axis=1)
    ends, _ = _around(calm, np.full(len(values), 1.0), width)
    starts, _ = _around(calm, begin, width)
    due = growth * (places[3] - places[0])
    # Where growth comes in jumps, whether the last of them has come yet makes the difference of one.
    wobble = np.where(jumpy, top / max(1, bins // 10), noise / np.sqrt(width))
    return Persistence(
        last_third=np.where(
            # Where the bins are too few to tell the last third from the one before, or the grain too coarse.
            (places[3] <= places[2]) | ((slope > 0) & (slope * (1 - begin) / 3 < 2 * grain) & (third < slope)),
            UNCHECKED,
            np.where(slope > 0, np.where(whole > 0, third, np.maximum(third, 0)) / np.where(slope > 0, slope, 1), 0.0),
        ),
        tail=tail,
        quarter=quarter,
        excursion=_excursion(values, onset, rise),
        straight=np.where(former > 0, latter / np.where(former > 0, former, 1), np.inf),
        bend_noise=np.where(levels[3] > low, wobble / np.maximum((levels[3] - low) / 2, 1e-9), np.inf),
        between=np.where(few & (due > 0), (ends - starts) / np.where(due > 0, due, 1), np.nan),
        # After a fall the rise begins at the lowest place, not where the window does.
        begun=_begun(values, np.minimum(np.minimum(levels[0], levels[1]), levels[2]), levels[3]),
    )


def _around(values: Array, place: Array, width: int) -> tuple[Array, Array]:
    """Median of a few bins around a place of the window, and the middle of the bins that were taken."""
    bins = values.shape[1]
    first = np.clip(np.round(place * bins).astype(int) - width, 0, bins - 2 * width)
    index = first[:, None] + np.arange(2 * width)[None, :]
    return np.median(np.take_along_axis(values, index, axis=1), axis=1), (first + width) / bins


def _excursion(values: Array, onset: Array, rise: Array) -> Array:
    """How far the rise since the onset goes beyond what the values did before it."""
    bins = values.shape[1]
    found = np.full(len(values), np.inf)
    lead = bins // 10
    for row in np.flatnonzero(onset > LATE_ONSET):
        before = values[row, lead : int(onset[row] * bins)]
        # With fewer than three bins there is no range to go beyond.
        if len(before) >= max(3, bins // 12):
            # A step inside the time before is no wandering: only what is left between its jumps counts.
            steps = np.diff(before)
            deviation = DEVIATIONS_PER_MAD * np.median(np.abs(steps))
            jumps = np.abs(steps) > JUMP_DEVIATIONS * deviation + JUMP_SHARE * np.abs(rise[row])
            level = before - np.concatenate([[0.0], np.cumsum(np.where(jumps, steps, 0.0))])
            # Nor is a trend: growth before the onset is growth.
            place = np.arange(len(level)) - (len(level) - 1) / 2
            level = level - place * (level @ place) / max(float(place @ place), 1.0)
            span = np.quantile(level, 0.95) - np.quantile(level, 0.05)
            found[row] = rise[row] / max(float(span), 1.0)
    return found


def _begun(values: Array, first: Array, last: Array) -> Array:
    """Where the values pass a quarter of their rise for the last time."""
    bins = values.shape[1]
    below = values < (first + BEGUN_SHARE * (last - first))[:, None]
    return np.where(below.any(axis=1), (bins - below[:, ::-1].argmax(axis=1)) / bins, 0.0)
