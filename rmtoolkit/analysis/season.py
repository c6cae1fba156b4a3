"""Take cycles out of a signal before its trend is judged, and say how much of it they were."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit.analysis.parameters import CYCLE_EXPLAINS, FEWEST_CYCLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_STEP_CYCLES: Final = 0.06
#: Bins that one cycle needs at least.
_BINS_A_CYCLE: Final = 4
_HARMONICS: Final = 2
#: Slow waves that belong to the trend and not to the season.
_SLOW_WAVES: Final = 3
#: Parameters that a cycle takes: two waves for each harmonic, and its length.
PARAMETERS: Final = 2 * _HARMONICS + 1
_CHUNK_ROWS: Final = 2000


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
    """Remove the strongest cycle of each row, where there is one.

    Parameters
    ----------
    values
        Bytes, rows x bins.
    meter
        What a meter can tell apart, bytes: a cycle smaller than that is left alone.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray)
        The values without the cycle, and the share of the movement beside the slow trend that it was; 0
        where there was none to remove.

    Examples
    --------
    >>> u = np.linspace(0, 1, 96)
    >>> wave = (100 + 20 * u + 10 * np.sin(2 * np.pi * 6.4 * u))[None, :]
    >>> rest, share = remove(wave, np.array([0.1]))
    >>> bool(share[0] > 0.95), bool(np.abs(rest[0] - 100 - 20 * u).max() < 2)
    (True, True)
    """
    rest = values.copy()
    share = np.zeros(len(values))
    if not len(values):
        return rest, share
    bins = values.shape[1]
    trend, waves, solvers = _waves(bins)
    for low in range(0, len(values), _CHUNK_ROWS):
        cut = slice(low, low + _CHUNK_ROWS)
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
