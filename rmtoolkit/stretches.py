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
