"""Check without any model whether growth that a model found was still going on at the window's end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Part of the window at its end that must still grow.
_TAIL: Final = 0.125
#: A prediction below this many noises cannot be checked.
_CLEAR: Final = 2.5
#: Where a tenth of the bins make this share of the rise, it comes in jumps.
_JUMPS: Final = 0.6


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
    excursion
        Rise since the onset over the range of the values before it; infinite without a time before.

    Examples
    --------
    >>> Persistence(*(np.zeros(1),) * 3).tail.tolist()
    [0.0]
    """

    last_third: Array
    tail: Array
    excursion: Array


def check(values: Array, onset: Array, growth: Array) -> Persistence:
    """Compare what the end of each row does with the growth that was found in it.

    Parameters
    ----------
    values
        Bytes, rows x bins.
    onset
        Where the growth begins, 0 to 1.
    growth
        Its slope in bytes per window.

    Returns
    -------
    Persistence
        Meaningful only for rows whose growth is above zero.

    Examples
    --------
    >>> line = np.linspace(0.0, 96.0, 96)[None, :]
    >>> found = check(line, np.array([0.0]), np.array([96.0]))
    >>> found.last_third.round(1).tolist(), found.tail.round(1).tolist()
    ([1.0], [1.0])
    """
    bins = values.shape[1]
    width = max(2, bins // 24)
    begin = np.clip(onset, 0.0, 0.9)
    levels, places = zip(*(_around(values, begin + (1 - begin) * part / 3, width) for part in range(4)), strict=True)
    whole = (levels[3] - levels[0]) / (places[3] - places[0])
    third = (levels[3] - levels[2]) / (places[3] - places[2])
    steps = np.abs(np.diff(values, axis=1))
    top = np.sort(steps, axis=1)[:, -max(1, bins // 10) :].sum(axis=1)
    jumpy = top > _JUMPS * steps.sum(axis=1)
    before, place = _around(values, np.full(len(values), 1 - _TAIL - 1.5 * width / bins), width)
    predicted = growth * (places[3] - place)
    noise = 1.4826 * np.median(steps, axis=1)
    tail = np.where(
        (predicted > _CLEAR * noise) & ~jumpy,
        (levels[3] - before) / np.where(predicted > 0, predicted, 1),
        np.nan,
    )
    return Persistence(np.where(whole > 0, third / np.where(whole > 0, whole, 1), 0.0), tail, _excursion(values, onset, levels[3]))


def _around(values: Array, place: Array, width: int) -> tuple[Array, Array]:
    """Median of a few bins around a place of the window, and the middle of the bins that were taken."""
    bins = values.shape[1]
    first = np.clip(np.round(place * bins).astype(int) - width, 0, bins - 2 * width)
    index = first[:, None] + np.arange(2 * width)[None, :]
    return np.median(np.take_along_axis(values, index, axis=1), axis=1), (first + width) / bins


def _excursion(values: Array, onset: Array, end: Array) -> Array:
    """How far the rise since the onset goes beyond what the values did before it."""
    bins = values.shape[1]
    found = np.full(len(values), np.inf)
    lead = bins // 10
    for row in np.flatnonzero(onset > 0.15):  # noqa: PLR2004
        until = int(onset[row] * bins)
        before = values[row, lead:until]
        if len(before) >= bins // 12:
            span = np.quantile(before, 0.95) - np.quantile(before, 0.05)
            found[row] = (end[row] - np.median(before[-max(2, bins // 24) :])) / max(span, 1.0)
    return found
