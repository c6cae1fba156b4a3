"""What glibc's allocator says of itself, found in whatever stands around it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rmtoolkit.loaders.around import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.loaders.around import Around
    from rmtoolkit.loaders.stamps import Stamp

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
    """One answer of `malloc_info`, `mallinfo2` or `malloc_stats`; None is unknown.

    Attributes
    ----------
    line
        1-based line on which it starts.
    stamp
        The time stamp that belongs to it, and the line in which it stands.
    system_bytes
        What all arenas have from the system, without large blocks that are mapped one by one.
    mapped_bytes
        Those.
    free_bytes
        Free within the arenas.
    top_bytes
        Free at the end of the main arena (keepcost).
    arenas
        Each arena, where it is listed.
    whole
        Its end was found.
    """

    line: int
    stamp: tuple[Stamp, str] | None
    system_bytes: int | None = None
    mapped_bytes: int | None = None
    free_bytes: int | None = None
    top_bytes: int | None = None
    arenas: list[Arena] = field(default_factory=list)
    whole: bool = True

    def allocated_bytes(self) -> int | None:
        """Give what the program holds, chunks in caches of threads included.

        Returns
        -------
        int or None
            None where the document does not say.

        Examples
        --------
        >>> GlibcDocument(1, None, system_bytes=10, free_bytes=4, mapped_bytes=5).allocated_bytes()
        11
        """
        if self.system_bytes is None or self.free_bytes is None or self.free_bytes > self.system_bytes:
            return None
        return self.system_bytes - self.free_bytes + (self.mapped_bytes or 0)


def parse_documents(text: str) -> list[GlibcDocument]:
    r"""Find every document in a text.

    Parameters
    ----------
    text
        A file or a program's whole output: XML of ``malloc_info``, fields of ``mallinfo2`` in any notation that keeps
        their names, text of ``malloc_stats``; any number, with log lines around them.

    Returns
    -------
    list of GlibcDocument
        Those that say how much is in use, in the order of the text.

    Examples
    --------
    >>> found = parse_documents('arena=1000 hblkhd=0 uordblks=600 fordblks=400\n{"uordblks": 700, "fordblks": 300}\n')
    >>> [(document.allocated_bytes(), document.free_bytes) for document in found]
    [(600, 400), (700, 300)]
    """
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
