"""Fit the rows of one width: floors of teeth apart, cycles taken out first where that explains more."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from rmtoolkit.analysis import models, season
from rmtoolkit.analysis.parameters import (
    DECELERATION,
    LIKELY,
    MANY_TEETH,
    NOISE_SHARE,
    START_JUMP,
    START_PART,
    START_SHARE,
    TEETH,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def fit_rows(
    values: Array,
    given: dict[str, Array],
    fitted: NDArray[np.bool_],
    teeth: NDArray[np.int64],
) -> tuple[Array, models.Fit, Array]:
    """Fit rows: floors of teeth on fewer bins, and without their cycle where that explains more.

    Parameters
    ----------
    values
        Bytes, rows x bins.
    given
        What `models.compete` wants to know about each row.
    fitted
        Rows to fit.
    teeth
        Teeth of each row.

    Returns
    -------
    tuple of (numpy.ndarray, Fit, numpy.ndarray)
        The values without their cycles, the fit of the rows to fit, and the share of the movement of each row
        that its cycle was; 0 where none was taken out.

    Examples
    --------
    >>> wave = 100 + 10 * np.sin(2 * np.pi * 6.4 * np.linspace(0, 1, 96))[None, :]
    >>> given = {"level": np.array([100.0]), "headroom": np.array([np.inf]), "filled": np.ones(1)}
    >>> _, found, periodic = fit_rows(wave, given, np.array([True]), np.array([0]))
    >>> bool(found.bounded[0] > 0.9), bool(periodic[0] > 0.9)
    (True, True)
    """
    values = values.copy()
    place = np.flatnonzero(fitted)
    fit = models.compete(values[place], **{name: column[place] for name, column in given.items()})
    periodic = np.zeros(len(values))
    names = models.Fit.__dataclass_fields__

    def replace(rows: NDArray[np.int64], better: models.Fit) -> None:
        where = np.searchsorted(place, rows)
        for name in names:
            getattr(fit, name)[where] = getattr(better, name)

    bins = values.shape[1]
    troubled, flattened = _without_start(values[place], fit.fitted, fit.bounded)
    if len(troubled):
        rows = place[troubled]
        found = models.compete(flattened, **{name: column[rows] for name, column in given.items()})
        # A slow-down that began with the start is seen no more: what is left has to rise on as it did.
        half = (bins - bins // START_PART) // 2
        late, middle = flattened[:, -1] - flattened[:, -1 - half], flattened[:, -1 - half] - flattened[:, -1 - 2 * half]
        goes_on = (found.bounded < LIKELY) & (late > DECELERATION * middle)
        replace(rows[goes_on], models.Fit(*(getattr(found, name)[goes_on] for name in names)))
    for low, high, width in ((TEETH, MANY_TEETH, 12), (MANY_TEETH, bins, 24)):
        rows = np.flatnonzero(fitted & (teeth >= low) & (teeth < high))
        if len(rows) and width < bins:
            thin = values[rows][:, (np.arange(width) * bins + bins // 2) // width]
            known = {name: column[rows] for name, column in given.items()}
            known["filled"] = np.minimum(known["filled"], teeth[rows] / width)
            found = models.compete(thin, **known)
            curves = np.array(
                [np.interp(np.linspace(0, 1, bins), np.linspace(0, 1, width), line) for line in found.fitted]
            )
            replace(rows, dataclasses.replace(found, fitted=curves))
    rows = np.flatnonzero(fitted & (teeth < TEETH))
    meter = NOISE_SHARE * np.abs(given["level"][rows])
    rest, share = season.remove(values[rows], meter)
    rows, rest, share = rows[share > 0], rest[share > 0], share[share > 0]
    if len(rows):
        found = models.compete(rest, **{name: column[rows] for name, column in given.items()})
        # A cycle costs as many parameters as it has waves; a bend that looks like one is no cycle.
        gain = fit.cost[np.searchsorted(place, rows)] - found.cost
        wins = gain > season.PARAMETERS / 2 * np.log(bins)
        replace(rows[wins], models.Fit(*(getattr(found, name)[wins] for name in names)))
        periodic[rows[wins]] = share[wins]
        values[rows[wins]] = rest[wins]
    return values, fit, periodic


def _without_start(values: Array, fitted: Array, bounded: Array) -> tuple[NDArray[np.int64], Array]:
    """Find rows called bounded only because no shape has their start, whose jump hides the rest; level that start.

    Parameters
    ----------
    values, fitted
        Bytes, rows x bins, and the curve of the best shape.
    bounded
        Probability of each row.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray)
        Their numbers, and their values with the start at the level in which it ended.
    """
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
