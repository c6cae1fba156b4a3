"""Rows of the tables about an allocator, as its readers gather them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

Row: TypeAlias = dict[str, int | str | None]


@dataclass(slots=True)
class Rows:
    """What has been read so far, see `rmtoolkit.heap.allocator` for the columns; a column that is not there is unknown.

    Examples
    --------
    >>> rows = Rows()
    >>> rows.arenas.append({"document": 0, "arena": "0", "allocated_bytes": 10})
    >>> rows.left_out.total()
    0
    """

    totals: list[Row] = field(default_factory=list)
    arenas: list[Row] = field(default_factory=list)
    bins: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def less(whole: object, *parts: object) -> int | None:
    """Take parts away from a whole.

    Parameters
    ----------
    whole, parts
        Amounts; None is unknown.

    Returns
    -------
    int or None
        None where one of them is unknown; never below zero, since the parts were read a moment later.

    Examples
    --------
    >>> less(10, 3, 2), less(1, 2), less(5, None)
    (5, 0, None)
    """
    known = [part for part in parts if isinstance(part, int)]
    if not isinstance(whole, int) or len(known) < len(parts):
        return None
    return max(whole - sum(known), 0)


def plus(*parts: object) -> int | None:
    """Add amounts up.

    Parameters
    ----------
    parts
        Amounts; None is unknown.

    Returns
    -------
    int or None
        None where one of them is unknown.

    Examples
    --------
    >>> plus(1, 2), plus(1, None)
    (3, None)
    """
    known = [part for part in parts if isinstance(part, int)]
    return sum(known) if len(known) == len(parts) else None
