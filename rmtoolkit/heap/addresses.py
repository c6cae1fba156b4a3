"""Addresses in a profile without symbols: which module, and how far into it."""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAP: Final = re.compile(
    r"([0-9a-f]{1,16})-([0-9a-f]{1,16}) +[-r][-w][-x][-ps] +([0-9a-f]{1,16}) +\S+ +\d+ *(.*)", re.IGNORECASE
)


class Maps:
    """Memory maps of a process, as ``/proc/PID/maps`` lists them.

    Examples
    --------
    >>> maps = Maps(["55d0-55e0 r-xp 00000100 00:00 7    /app/api", "not a map"])
    >>> maps.place(0x55D4), maps.place(1)
    (('api+0x104', '/app/api'), ('0x1', None))
    """

    def __init__(self, lines: Iterable[str]) -> None:
        found = []
        for line in lines:
            if match := _MAP.match(line.strip()):
                begin, end, offset = (int(number, 16) for number in match.groups()[:3])
                found.append((begin, end, offset, match[4].strip() or None))
        self._maps = sorted(found, key=lambda one: one[:3])
        self._begins = [begin for begin, *_ in self._maps]
        # Where each module begins: symbol tables count from there.
        self._bases = {module: begin for begin, _, offset, module in reversed(self._maps) if not offset}

    def place(self, address: int) -> tuple[str, str | None]:
        """Name an address.

        Parameters
        ----------
        address
            Where the code is.

        Returns
        -------
        tuple of (str, str or None)
            Module and offset, the same in every run; and the path of the module.
        """
        number = bisect_right(self._begins, address) - 1
        if number >= 0:
            begin, end, offset, module = self._maps[number]
            if address < end and module is not None:
                return f"{PurePosixPath(module).name}+{address - self._bases.get(module, begin - offset):#x}", module
        return f"{address:#x}", None
