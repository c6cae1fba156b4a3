"""What a few functions hold over time, for a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.heap.growth import curves
from rmtoolkit.heap.suspects import by_function

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from rmtoolkit.heap.profile import HeapProfile

OTHERS: Final = "everything else"
#: Longer than any recording: all of it is shown, its end too.
_ALL: Final = 1 << 60

#: One row per moment and function; `time_seconds` is null where the pictures know only their order (`step`).
OVER_TIME: Final = pl.Schema(
    {"step": pl.Int64(), "time_seconds": pl.Float64(), "function": pl.String(), "live_bytes": pl.Int64()}
)


def over_time(heap: HeapProfile, *, most: int = 5, moments: int = 240, own: Collection[str] = ()) -> pl.DataFrame:
    """Tell what the most suspicious functions hold over time, and what all others do.

    Parameters
    ----------
    heap
        A profile that knows time, or several pictures joined.
    most
        So many functions have rows of their own.
    moments
        So many moments at most; between two of them the last value counts.
    own
        Crates that are your own, where paths and names do not tell.

    Returns
    -------
    polars.DataFrame
        See `OVER_TIME`: functions in the order of suspicion, then "everything else"; empty where the profile knows no
        time. At every moment the rows add up to the live heap.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> over_time(HeapProfile(HeapSummary("dhat"))).height
    0
    """
    named, order = by_function(heap, own)
    places = {name: place for place, name in enumerate(order[:most])}
    shown = [*places, *([OTHERS] if len(order) > most else [])]
    if not shown:
        return pl.DataFrame(schema=OVER_TIME)
    numbered = named.with_columns(
        group=pl.col("function").replace_strict(places, default=len(places), return_dtype=pl.Int64)
    )
    found = curves(heap, numbered, len(places) + 1, end=_ALL)
    if found is None:
        return pl.DataFrame(schema=OVER_TIME)
    kept = _evenly(found.clocks[0], moments)
    seconds = [None if np.isnan(second) else float(second) for second in found.seconds[kept]]
    parts = [
        pl.DataFrame(
            {
                "step": np.arange(len(kept)),
                "time_seconds": seconds,
                "function": [name] * len(kept),
                "live_bytes": found.size[place][kept].astype(np.int64),
            },
            schema=OVER_TIME,
        )
        for place, name in enumerate(shown)
    ]
    return pl.concat(parts)


def _evenly(clock: NDArray[np.float64], moments: int) -> NDArray[np.int64]:
    """Choose moments that are evenly far apart: the last before each tick, and the first and the last of all."""
    if len(clock) <= moments:
        return np.arange(len(clock))
    ticks = np.searchsorted(clock, np.linspace(0, 1, moments), side="right") - 1
    return np.unique(np.concatenate([[0], ticks, [len(clock) - 1]]).clip(0))
