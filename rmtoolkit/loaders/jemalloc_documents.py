"""The documents that jemalloc's `malloc_stats_print` writes, found in whatever stands around them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.loaders.around import unwrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rmtoolkit.loaders.stamps import Stamp

TOTALS: Final = ("allocated", "active", "metadata", "resident", "mapped", "retained")

_START: Final = re.compile(
    r'(?P<json>\{\s*"jemalloc"\s*:)|(?P<begin>_{3} Begin jemalloc statistics _{3})'
    r"|(?P<totals>\bAllocated: \d+, active: \d+)",
)
_TOTALS_LINE: Final = re.compile(r"\bAllocated: \d+, active: \d+[^\n]*")
_END: Final = re.compile(r"-{3} End jemalloc statistics -{3}")
_PAIR: Final = re.compile(r"(\w+): (\d{1,19})")
_SECTION: Final = re.compile(r"(?:^|\s)(?:(Merged|Destroyed) arenas stats|arenas\[(\d+)\]):$")
_VERSION: Final = re.compile(r'(?:^|\s)Version: "?([^"]*)"?$')
_NUMBER: Final = re.compile(r"(?:^|\s)([a-z_]+|assigned threads): +(\d{1,19})$")
_OF_ARENA: Final = {"assigned threads": "nthreads", "uptime": "uptime_ns"}


@dataclass(frozen=True, slots=True)
class Document:
    """One answer of `malloc_stats_print`.

    Attributes
    ----------
    line
        1-based line of the file on which it starts.
    format
        ``json`` or ``text``.
    whole
        Its end was found.
    stamp
        The time stamp that belongs to it, and the line in which it stands; None where there is none.
    data
        What JSON has under ``jemalloc``; of a text the same keys as far as they are read: ``version``,
        ``stats``, ``stats.arenas`` with a mapping per arena.
    body
        The text itself, for readers that want more of it.
    """

    line: int
    format: str
    whole: bool
    stamp: tuple[Stamp, str] | None
    data: Mapping[str, Any]
    body: str = field(repr=False)

    def totals(self) -> dict[str, int]:
        """Give the totals of the process.

        Returns
        -------
        dict of str to int
            Bytes: `allocated`, `active`, `metadata`, `resident`, `mapped`, `retained`, as far as there.

        Examples
        --------
        >>> parse_documents("Allocated: 10, active: 20")[0].totals()
        {'allocated': 10, 'active': 20}
        """
        stats = self.data.get("stats")
        if not isinstance(stats, dict):
            return {}
        return {name: stats[name] for name in TOTALS if _is_amount(stats.get(name))}

    def uptime_ns(self) -> int | None:
        """Give the age of the process: that of its first arena.

        Returns
        -------
        int or None
            Nanoseconds; None where the document does not say.

        Examples
        --------
        >>> parse_documents("Allocated: 10, active: 20")[0].uptime_ns() is None
        True
        """
        arenas = self.data.get("stats.arenas")
        for name in ("0", "merged"):
            arena = arenas.get(name) if isinstance(arenas, dict) else None
            if isinstance(arena, dict) and _is_amount(arena.get("uptime_ns")):
                return int(arena["uptime_ns"])
        return None


def _is_amount(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def parse_documents(text: str) -> list[Document]:
    r"""Find every document in a text.

    Parameters
    ----------
    text
        A file or a program's whole output: JSON and text documents, in any number, without anything
        between them or with log lines around them, as a container runtime stored them or not. A line
        ``Allocated: …`` alone is a document too.

    Returns
    -------
    list of Document
        In the order of the text. One without totals has an empty `totals()`.

    Examples
    --------
    >>> text = 'ready\n{"jemalloc":{"stats":{"allocated":1}}}{"jemalloc":{"stats":{"allocated":2}}}done'
    >>> [(document.line, document.totals()) for document in parse_documents(text)]
    [(2, {'allocated': 1}), (2, {'allocated': 2})]
    """
    text, around = unwrapped(text)
    decoder = json.JSONDecoder()
    documents: list[Document] = []
    position = 0
    while found := _START.search(text, position):
        start = found.start()
        if found["json"]:
            data, end, whole = _json(decoder, text, start)
        else:
            data, end, whole = _text(text, start, opened=found["begin"] is not None)
        stamp = around.stamp(start, position)
        body = text[start:end]
        documents.append(Document(around.line(start), "json" if found["json"] else "text", whole, stamp, data, body))
        # The line after a document that was cut off may hold the time of the next one.
        position = end if whole else _after_totals(text, start + len(found[0]), end)
    return documents


def _after_totals(text: str, start: int, end: int) -> int:
    totals = _TOTALS_LINE.search(text, start, end)
    return totals.end() if totals else start


def _json(decoder: json.JSONDecoder, text: str, start: int) -> tuple[dict[str, Any], int, bool]:
    """Read a JSON document; of one that is cut off, its totals, which come before the arenas."""
    try:
        document, end = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        following = _START.search(text, start + 1)
        end = following.start() if following else len(text)
        place = text.find('"stats"', start, end)
        stats: dict[str, int] = {}
        for name in TOTALS if place >= 0 else ():
            amount = re.compile(rf'"{name}"\s*:\s*(\d{{1,19}})\b').search(text, place, end)
            if amount:
                stats[name] = int(amount[1])
        return {"stats": stats}, end, False
    data = document.get("jemalloc")
    return (data if isinstance(data, dict) else {}), end, True


def _text(text: str, start: int, *, opened: bool) -> tuple[dict[str, Any], int, bool]:
    """Read a text document: totals, and the plain numbers of each arena."""
    if not opened:
        stop = text.find("\n", start)
        end = stop if stop >= 0 else len(text)
        return {"stats": _pairs(text[start:end])}, end, True
    closing = _END.search(text, start)
    following = next((found for found in _START.finditer(text, start + 1) if not found["totals"]), None)
    whole = closing is not None and (following is None or closing.start() < following.start())
    end = following.start() if following else len(text)
    if whole and closing is not None:
        end = closing.end()
    body = text[start:end]
    totals = _TOTALS_LINE.search(body)
    data: dict[str, Any] = {"stats": _pairs(totals[0]) if totals else {}, "stats.arenas": {}}
    arena: dict[str, int] | None = None
    for line in body.split("\n"):
        stripped = line.rstrip()
        if section := _SECTION.search(stripped):
            arena = data["stats.arenas"].setdefault(section[2] or section[1].lower(), {})
        elif arena is not None and (number := _NUMBER.search(stripped)):
            arena.setdefault(_OF_ARENA.get(number[1], number[1]), int(number[2]))
        elif arena is None and "version" not in data and (version := _VERSION.search(stripped)):
            data["version"] = version[1]
    return data, end, whole


def _pairs(line: str) -> dict[str, int]:
    """Read `Allocated: 1, active: 2, metadata: 3 (n_thp 0), …`."""
    return {name.lower(): int(amount) for name, amount in _PAIR.findall(line)}
