"""Stretches of equal values in a sorted column: what takes a hash elsewhere is a glance at the neighbour here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


def begins(column: pl.Series) -> NDArray[np.int64]:
    """Find the rows at which a value differs from the one before.

    Parameters
    ----------
    column
        Numbers without nulls, equal ones together.

    Returns
    -------
    numpy.ndarray
        First row of each stretch; empty for an empty column.

    Examples
    --------
    >>> import polars as pl
    >>> begins(pl.Series([7, 7, 8, 9, 9])).tolist()
    [0, 2, 3]
    """
    values = column.to_numpy()
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]]))


def search(
    values: NDArray[np.int64], first: NDArray[np.int64], length: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find in many sorted stretches at once where values begin to be large enough.

    Parameters
    ----------
    values
        Sorted within each stretch.
    first, length
        First row and length of each stretch.
    wanted
        What to look for, stretches x values.

    Returns
    -------
    numpy.ndarray
        For each wanted value the first row of its stretch that reaches it, else the row behind the stretch.

    Examples
    --------
    >>> values = np.array([1, 3, 5, 0, 9])
    >>> search(values, np.array([0, 3]), np.array([3, 2]), np.array([[2, 6], [0, 1]])).tolist()
    [[1, 3], [3, 4]]
    """
    low = np.repeat(first[:, None], wanted.shape[1], axis=1)
    high = low + length[:, None]
    for _ in range(int(length.max(initial=0)).bit_length()):
        middle = (low + high) // 2
        # Where the search is over, low and high are equal and stay so.
        open_ = low < high
        below = open_ & (values[np.minimum(middle, len(values) - 1)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low
