"""Amounts of memory of a whole fleet."""

from __future__ import annotations

from rmtoolkit import text


def fleet(bytes_: float, *, sign: bool = False) -> str:
    """Write an amount of memory of a whole fleet.

    Parameters
    ----------
    bytes_
        Bytes.
    sign
        Whether what is more carries a plus.

    Returns
    -------
    str
        At most three significant digits: GiB, below a tenth of one Mi.

    Examples
    --------
    >>> fleet(38.2 * text.GI), fleet(-3 * text.MI), fleet(2.5 * text.GI, sign=True)
    ('38.2 GiB', '−3 Mi', '+2.5 GiB')
    """
    unit, name = (text.GI, "GiB") if abs(bytes_) >= text.GI / 10 or not bytes_ else (text.MI, "Mi")
    return f"{'+' if sign and bytes_ > 0 else ''}{text.number(bytes_ / unit)} {name}"
