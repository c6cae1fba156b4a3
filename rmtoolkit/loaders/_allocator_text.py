"""The documents that allocators print, found in whatever stands around them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit.loaders._files import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rmtoolkit.loaders._files import Around
    from rmtoolkit.loaders._timestamps import Stamp


_XML: Final = re.compile(r"<malloc version=\"\d+\">")
_XML_END: Final = "</malloc>"
_TAG: Final = re.compile(r"<(/?)(heap|size|unsorted|total|system)\b([^<>]*)>")
_ATTRIBUTE: Final = re.compile(r"(\w+)=\"([a-z]+|\d{1,19})\"")
#: Fields of `struct mallinfo2`, as programs print it: `fordblks=1`, `"fordblks": 1`, `(fordblks): 1`.
_FIELD: Final = re.compile(
    r"\b(?:\w*_)?(arena|ordblks|hblks|hblkhd|uordblks|fordblks|keepcost)\b[\"')\]]*\s*(?:[:=]|=>)\s*[\"']?(\d{1,19})\b"
)
_STATS: Final = re.compile(r"(?:^|\n)[^\n]*?\b(?:Arena (\d+)|Total \(incl\. mmap\)):[ \t\r]*(?=\n)")
_BYTES: Final = re.compile(r"\n[^\n]*?\b(system bytes|in use bytes) += +(\d{1,19})\b")
_MOST: Final = 1 << 62


@dataclass(slots=True)
class Arena:
    """One arena: bytes from the system, free ones among them, and free chunks by size."""

    number: str
    system_bytes: int | None = None
    free_bytes: int | None = None
    #: Largest size of a row, its chunks and their bytes.
    chunks: list[tuple[int, int, int]] = field(default_factory=list)
    #: Free bytes at its end, which are in no row.
    top_bytes: int | None = None


@dataclass(slots=True)
class GlibcDocument:
    """One answer of `malloc_info`, `mallinfo2` or `malloc_stats`; None is unknown."""

    line: int
    stamp: tuple[Stamp, str] | None
    system_bytes: int | None = None
    mapped_bytes: int | None = None
    free_bytes: int | None = None
    top_bytes: int | None = None
    arenas: list[Arena] = field(default_factory=list)  # each arena, where it is listed
    whole: bool = True

    def allocated_bytes(self) -> int | None:
        """Give what the program holds, chunks in caches of threads included."""
        if self.system_bytes is None or self.free_bytes is None or self.free_bytes > self.system_bytes:
            return None
        return self.system_bytes - self.free_bytes + (self.mapped_bytes or 0)


def glibc_documents(text: str) -> list[GlibcDocument]:
    """Find every document in a text."""
    text, around = unwrapped(text)
    found = [*_xml(text, around), *_fields(text, around), *_stats(text, around)]
    return sorted((one for one in found if one.allocated_bytes() is not None), key=lambda one: one.line)


def _xml(text: str, around: Around) -> Iterator[GlibcDocument]:
    before = 0
    starts = list(_XML.finditer(text))
    for number, start in enumerate(starts):
        following = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        end = text.find(_XML_END, start.end(), following)
        document = GlibcDocument(
            around.line(start.start()), around.stamp(start.start(), before), mapped_bytes=0, whole=end >= 0
        )
        before = following if end < 0 else end + len(_XML_END)
        _tags(document, text[start.end() : before])
        for one in document.arenas:
            _tidy(one, document)
        if document.whole or document.system_bytes is not None:
            yield document


def _tags(document: GlibcDocument, text: str) -> None:
    """Read the sums of each arena, then those of all."""
    arena: Arena | None = None
    for closing, tag, rest in _TAG.findall(text):
        says = dict(_ATTRIBUTE.findall(rest))
        size, count = _number(says.get("size")), _number(says.get("count"))
        if tag == "heap":
            arena = None if closing else Arena(str(says.get("nr", "?")))
            if arena is not None:
                document.arenas.append(arena)
        elif tag in ("size", "unsorted") and arena is not None:
            _chunk(arena, says)
        elif tag == "total" and says.get("type") in ("fast", "rest") and size is not None:
            where = document if arena is None else arena
            where.free_bytes = (where.free_bytes or 0) + size
            if arena is not None and says["type"] == "rest":
                # Rows with an even size are fast chunks, which have a sum of their own.
                arena.top_bytes = size - sum(chunk[2] for chunk in arena.chunks if chunk[0] & 1)
        elif tag == "total" and says.get("type") == "mmap" and size is not None and count is not None:
            document.mapped_bytes = size
        elif tag == "system" and says.get("type") == "current" and size is not None:
            (document if arena is None else arena).system_bytes = size


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdigit() and int(text) < _MOST else None


def _chunk(arena: Arena, says: dict[str, str]) -> None:
    largest, total, count = (_number(says.get(name)) for name in ("to", "total", "count"))
    if largest is not None and total is not None and count:
        arena.chunks.append((largest, count, total))


def _tidy(arena: Arena, document: GlibcDocument) -> None:
    """Take off the flag that stands in the lowest bit of each size, and is counted in every sum."""
    flags = sum(count for largest, count, _ in arena.chunks if largest & 1)
    for where in (arena, document):
        if where.free_bytes is not None:
            where.free_bytes = max(where.free_bytes - flags, 0)
    arena.chunks = [
        (largest - 1, count, total - count) if largest & 1 else (largest, count, total)
        for largest, count, total in arena.chunks
    ]
    if arena.top_bytes is not None and arena.top_bytes < 0:
        arena.top_bytes = None


def _fields(text: str, around: Around) -> Iterator[GlibcDocument]:
    """Gather fields until one comes again."""
    said: dict[str, int] = {}
    begin = before = 0
    for found in _FIELD.finditer(text):
        if found[1] in said:
            yield _of_fields(said, begin, before, around)
            said, before = {}, begin + 1
        if not said:
            begin = found.start()
        said[found[1]] = int(found[2])
    if said:
        yield _of_fields(said, begin, before, around)


def _of_fields(said: dict[str, int], begin: int, before: int, around: Around) -> GlibcDocument:
    used, free = said.get("uordblks"), said.get("fordblks")
    document = GlibcDocument(around.line(begin), around.stamp(begin, before))
    if used is not None and free is not None and max(said.values()) < _MOST:
        document.system_bytes, document.free_bytes = used + free, free
        document.mapped_bytes, document.top_bytes = said.get("hblkhd"), said.get("keepcost")
    return document


def _stats(text: str, around: Around) -> Iterator[GlibcDocument]:
    document: GlibcDocument | None = None
    before = 0
    for found in _STATS.finditer(text):
        amounts = {name: int(size) for name, size in _BYTES.findall(text[found.end() : found.end() + 400])[:2]}
        system, used = amounts.get("system bytes"), amounts.get("in use bytes")
        if system is None or used is None or used > system:
            continue
        if document is None or found[1] == "0":
            document = GlibcDocument(around.line(found.end()), around.stamp(found.end(), before), whole=False)
        if found[1] is not None:
            document.arenas.append(Arena(found[1], system, system - used))
            continue
        # The total counts large blocks in both numbers.
        own = sum(arena.system_bytes or 0 for arena in document.arenas)
        document.system_bytes, document.free_bytes = min(own or system, system), system - used
        document.mapped_bytes, document.whole = system - document.system_bytes, True
        before = found.end()
        yield document
        document = None


TOTALS: Final = ("allocated", "active", "metadata", "resident", "mapped", "retained")

_START: Final = re.compile(
    r'(?P<json>\{\s*"jemalloc"\s*:)|(?P<begin>_{3} Begin jemalloc statistics _{3})'
    r"|(?P<totals>\bAllocated: \d+, active: \d+)"
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
    """One answer of `malloc_stats_print`."""

    line: int
    format: str
    whole: bool
    stamp: tuple[Stamp, str] | None
    data: Mapping[str, Any]
    body: str = field(repr=False)

    def totals(self) -> dict[str, int]:
        """Give the totals of the process."""
        stats = self.data.get("stats")
        if not isinstance(stats, dict):
            return {}
        return {name: stats[name] for name in TOTALS if _is_amount(stats.get(name))}

    def uptime_ns(self) -> int | None:
        """Give the age of the process: that of its first arena."""
        arenas = self.data.get("stats.arenas")
        for name in ("0", "merged"):
            arena = arenas.get(name) if isinstance(arenas, dict) else None
            if isinstance(arena, dict) and _is_amount(arena.get("uptime_ns")):
                return int(arena["uptime_ns"])
        return None


def _is_amount(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def jemalloc_documents(text: str) -> list[Document]:
    """Find every document in a text."""
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


_AMOUNT: Final = r"(-?\d{1,9}(?:\.\d+)?) ?([KkMmGgTt]?i?[Bb]?)"
_COMMITTED: Final = re.compile(rf"\bcommitted: +{_AMOUNT} +{_AMOUNT} +{_AMOUNT} +{_AMOUNT}")
_PROCESS: Final = re.compile(rf"\bprocess: [^\n]*?\brss: +{_AMOUNT}")
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class MimallocDocument(NamedTuple):
    """One answer of ``mi_stats_print``: committed memory now, and the most that was ever resident; None is unknown."""

    line: int
    stamp: tuple[Stamp, str] | None
    committed_bytes: int | None
    rss_peak_bytes: int | None


def mimalloc_documents(text: str) -> list[MimallocDocument]:
    """Find every document in a text."""
    text, around = unwrapped(text)
    starts = list(_COMMITTED.finditer(text))
    documents = []
    before = 0
    for number, found in enumerate(starts):
        following = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        process = _PROCESS.search(text, found.end(), following)
        documents.append(
            MimallocDocument(
                around.line(found.start()),
                around.stamp(found.start(), before),
                _bytes(found[7], found[8]),
                _bytes(process[1], process[2]) if process else None,
            )
        )
        before = process.end() if process else found.end()
    return documents


def _bytes(number: str, unit: str) -> int | None:
    """Read an amount; some versions count below zero, which says nothing."""
    amount = float(number) * 1024 ** _POWERS[unit[:1].lower().replace("b", "")]
    return round(amount) if 0 <= amount < 1 << 62 else None


_LINE: Final = re.compile(r"\bMALLOC: *[+=]? *(\d{1,19}) \( *[\d.]+ [A-Za-z]+\) +([A-Z][^\n\r]*)")
#: The first line of a document.
IN_USE: Final = "Bytes in use by application"


class TcmallocDocument(NamedTuple):
    """One answer of ``MallocExtension::GetStats``: bytes by the words beside them, in the order of the text."""

    line: int
    stamp: tuple[Stamp, str] | None
    amounts: Mapping[str, int]

    def sum_of(self, word: str) -> int | None:
        """Add up what stands beside words that contain another."""
        found = [size for name, size in self.amounts.items() if word in name]
        return sum(found) if found else None


def tcmalloc_documents(text: str) -> list[TcmallocDocument]:
    """Find every document in a text."""
    text, around = unwrapped(text)
    documents: list[TcmallocDocument] = []
    amounts: dict[str, int] = {}
    before = 0
    for found in _LINE.finditer(text):
        name = found[2].strip()
        if name == IN_USE:
            amounts = {}
            documents.append(TcmallocDocument(around.line(found.start()), around.stamp(found.start(), before), amounts))
        if documents and int(found[1]) < 1 << 62:
            amounts.setdefault(name, int(found[1]))
        before = found.end()
    return documents
