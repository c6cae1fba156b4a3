"""Amounts beside their interval, all in one unit, down to single bytes."""

from __future__ import annotations

from rmtoolkit.text import GI, GIB_FROM, MI, number, rate


def rate_with_range(growth: float | None, low: float | None, high: float | None) -> str:
    """Write a growth and its interval in one unit.

    Parameters
    ----------
    growth, low, high
        Bytes per day; None is unknown.

    Returns
    -------
    str
        The growth, and its interval in brackets where that is known.

    Examples
    --------
    >>> rate_with_range(58 * MI, 52 * MI, 64 * MI), rate_with_range(-20_000, -9 * MI, 8 * MI)
    ('58 Mi/day (52–64)', '−0.0191 Mi/day (−9 to 8)')
    """
    if growth is None or low is None or high is None:
        return rate(growth)
    size = max(abs(growth), abs(low), abs(high))
    factor, unit = (GI, "GiB") if size >= GIB_FROM else (MI, "Mi") if size >= MI / 10 else (1024, "Ki")
    if size < 1024 / 10:
        factor, unit = 1, "B"
    between = " to " if low < 0 else "–"
    return f"{number(growth / factor)} {unit}/day ({number(low / factor)}{between}{number(high / factor)})"


def small_memory(bytes_: float, *, like: float | None = None) -> str:
    """Write an amount that may be smaller than a page, such as growth for each request.

    Parameters
    ----------
    bytes_
        Bytes.
    like
        An amount whose unit is used and not written again.

    Returns
    -------
    str
        Three significant digits: bytes below a tenth of a Ki, Ki below a tenth of a Mi, else Mi.

    Examples
    --------
    >>> small_memory(12.34), small_memory(1946.0), small_memory(1900.0, like=1946.0), small_memory(3 * MI)
    ('12.3 B', '1.9 Ki', '1.86', '3 Mi')
    """
    size = abs(bytes_ if like is None else like)
    factor, unit = (1, "B") if size < 1024 / 10 else (1024, "Ki") if size < MI / 10 else (MI, "Mi")
    return number(bytes_ / factor) + (f" {unit}" if like is None else "")
