"""Take the load out of memory that follows it, before a trend is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl  # noqa: TC002 - the example uses it

from rmtoolkit.analysis.parameters import LOAD_EXPLAINS, LOAD_EXPLAINS_ALONE, LOAD_TRENDS, LOAD_VARIES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.analysis.envelope import Envelope

    Array = NDArray[np.float64]

#: Shares of the last bin's load that memory still feels: delays that are tried.
_DELAYS: Final = (0.0, 0.5, 0.8)


def without_load(
    envelope: Envelope,
    rows: pl.DataFrame,
    values: Array,
    fitted: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Take out what follows the load, where a load was recorded.

    Parameters
    ----------
    envelope
        Signals in bins; `load` is a gauge, of the counter `work_total` its rate is the load.
    rows
        `life_row` and `signal` of each row.
    values
        Bytes, rows x bins.
    fitted
        Rows whose trend will be looked for.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray)
        The values without what follows the load, and the share of the movement that this was; 0 where the load
        does not explain it.

    Examples
    --------
    >>> from rmtoolkit.analysis.envelope import Envelope
    >>> wave = np.sin(np.linspace(0, 20, 96))
    >>> bins = np.array([100 + 10 * wave, 5 + wave])
    >>> rows = pl.DataFrame({"life_row": [0, 0], "signal": ["rss_bytes", "load"]})
    >>> without_load(Envelope(rows, bins, bins, bins), rows, bins, np.array([True, False]))[1].round(2).tolist()
    [1.0, 0.0]
    """
    share = np.zeros(len(rows))
    signal = rows["signal"].to_numpy()
    life = rows["life_row"].to_numpy()
    loads: dict[int, Array] = {}
    for row in np.flatnonzero(signal == "work_total"):
        loads[int(life[row])] = np.maximum(np.gradient(envelope.mean[row]), 0)
    for row in np.flatnonzero(signal == "load"):
        loads[int(life[row])] = envelope.mean[row]
    if not loads:
        return values, share
    values = values.copy()
    u = np.linspace(-0.5, 0.5, envelope.bins)
    for row in np.flatnonzero(fitted):
        load = loads.get(int(life[row]))
        if load is None or np.ptp(load) <= LOAD_VARIES * max(abs(float(np.median(load))), 1e-12):
            continue
        rest, best = _explained(values[row], load, u)
        if best > 0:
            values[row], share[row] = rest, best
    return values, share


def _explained(y: Array, load: Array, u: Array) -> tuple[Array, float]:
    """One row without what follows the load, and the share of its movement that this is."""
    best, rest = 0.0, y
    for smoothing in _DELAYS:
        felt = _smooth(load, smoothing)
        felt = (felt - felt.mean()) / max(float(felt.std()), 1e-12)
        with_trend = np.column_stack([np.ones_like(u), u, felt])
        base = with_trend[:, :2] if abs(float(np.corrcoef(felt, u)[0, 1])) < LOAD_TRENDS else with_trend[:, :1]
        full = np.column_stack([base, felt])
        before = y - base @ np.linalg.lstsq(base, y, rcond=None)[0]
        coefficients = np.linalg.lstsq(full, y, rcond=None)[0]
        after = y - full @ coefficients
        explained = 1 - (after**2).sum() / max((before**2).sum(), 1e-12)
        # Without room for a trend of its own, the load must explain nearly everything.
        needed = LOAD_EXPLAINS if base.shape[1] > 1 else LOAD_EXPLAINS_ALONE
        if coefficients[-1] > 0 and explained > max(best, needed):
            best, rest = float(explained), y - coefficients[-1] * felt
    return rest, best


def _smooth(load: Array, keep: float) -> Array:
    """Exponential moving average: memory follows the load with a delay."""
    if not keep:
        return load
    felt = np.empty_like(load)
    felt[0] = load[0]
    for index in range(1, len(load)):
        felt[index] = keep * felt[index - 1] + (1 - keep) * load[index]
    return felt
