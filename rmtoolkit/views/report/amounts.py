"""Amounts of memory of a whole fleet."""

from __future__ import annotations

from rmtoolkit import text


def fleet(bytes_: float, *, sign: bool = False) -> str:
    """Write an amount of memory of a whole fleet."""
    unit, name = (text.GI, "GiB") if abs(bytes_) >= text.GI / 10 or not bytes_ else (text.MI, "Mi")
    return f"{'+' if sign and bytes_ > 0 else ''}{text.number(bytes_ / unit)} {name}"
