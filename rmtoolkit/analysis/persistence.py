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
#: Where a tenth of the bins make this share of the rise, it comes in jumps.
_JUMPS: Final = 0.6


@dataclass(frozen=True, slots=True)
class Persistence:
    """One entry a row.

    Attributes
    ----------
    last_third
        Rise in the last third of the growth phase over the mean rise of its thirds; 1 is steady growth.
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
    begin = np.clip(onset, 0.02, 0.9)
    marks = [_around(values, begin + (1 - begin) * part / 3, width) for part in range(4)]
    whole = marks[3] - marks[0]
    third = marks[3] - marks[2]
    mean = np.where(np.abs(whole) > 0, whole / 3, 1)
    steps = np.abs(np.diff(values, axis=1))
    top = np.sort(steps, axis=1)[:, -max(1, bins // 10) :].sum(axis=1)
    jumpy = top > _JUMPS * steps.sum(axis=1)
    predicted = growth * _TAIL
    noise = 1.4826 * np.median(np.abs(np.diff(values, axis=1)), axis=1)
    rise = marks[3] - _around(values, np.full(len(values), 1 - _TAIL), width)
    tail = np.where((predicted > 2.5 * noise) & ~jumpy, rise / np.where(predicted > 0, predicted, 1), np.nan)
    return Persistence(np.where(whole > 0, third / mean, 0.0), tail, _excursion(values, onset, marks[3]))


def _around(values: Array, place: Array, width: int) -> Array:
    """Median of a few bins that end at, or lie around, a place of the window."""
    bins = values.shape[1]
    first = np.clip(np.round(place * bins).astype(int) - width, 0, bins - 2 * width)
    first = np.where(place >= 1, bins - 2 * width, first)
    index = first[:, None] + np.arange(2 * width)[None, :]
    return np.median(np.take_along_axis(values, index, axis=1), axis=1)


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
