"""What allocators say of themselves: the documents of glibc, jemalloc, tcmalloc and mimalloc, also as a Recording."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, Final, NamedTuple

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import _files, _timestamps
from rmtoolkit.loaders._files import LogContext, mapping, noted, read_text, unwrapped, warn_of_rest, whole_number
from rmtoolkit.loaders._timestamps import Asked, Stamp
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import POWERS, Report
from rmtoolkit.text import counted, looks, memory, texts

_LOOKS: Final = looks("allocators")
_XML: Final = re.compile(r"<malloc version=\"\d+\">")
_XML_END: Final = "</malloc>"
_TAG: Final = re.compile(r"<(/?)(heap|size|unsorted|total|system)\b([^<>]*)>")
_ATTRIBUTE: Final = re.compile(r"(?<!\w)(\w++)=\"([a-z]++|\d{1,19})\"")
#: Fields of `struct mallinfo2`, as programs print it: `fordblks=1`, `"fordblks": 1`, `(fordblks): 1`.
_FIELD: Final = re.compile(_LOOKS["field"])
_STATS: Final = re.compile(r"(?:^|\n)[^\n]*?\b(?:Arena (\d+)|Total \(incl\. mmap\)):[ \t\r]*+(?=\n)")
_BYTES: Final = re.compile(r"\n[^\n]*?\b(system bytes|in use bytes) ++= ++(\d{1,19})\b")
_MOST: Final = 1 << 62
TOTALS: Final = ("allocated", "active", "metadata", "resident", "mapped", "retained")

_START: Final = re.compile(_LOOKS["start"])
_TOTALS_LINE: Final = re.compile(r"\bAllocated: \d+, active: \d+[^\n]*")
_JSON_TOTALS: Final = re.compile(rf'"({"|".join(TOTALS)})"\s*:\s*(\d{{1,19}})\b')
_END: Final = re.compile(r"-{3} End jemalloc statistics -{3}")
_PAIR: Final = re.compile(r"(?<!\w)(\w++): (\d{1,19})")
_SECTION: Final = re.compile(r"(?:^|\s)(?:(Merged|Destroyed) arenas stats|arenas\[(\d+)\]):$")
_VERSION: Final = re.compile(r'(?:^|\s)Version: "?([^"\n]*+)')
_NUMBER: Final = re.compile(r"(?:^|\s)([a-z_]++|assigned threads): ++(\d{1,19})$")
_OF_ARENA: Final = {"assigned threads": "nthreads", "uptime": "uptime_ns"}
IN_USE: Final = "Bytes in use by application"
_LINE: Final = re.compile(r"\bMALLOC: *+(?:[+=] *+)?(\d{1,19}) \( *+[\d.]++ [A-Za-z]++\) ++([A-Z][^\n\r]*+)")
_PAGE: Final = re.compile(r"(?:^|\s)Page size: (\d{1,9})$", re.MULTILINE)
_TABLE: Final = re.compile(r"(?:^|\s)(bins|large|extents):\s++(size\s.*)")
_TABLES: Final = {"bins": "bins", "large": "lextents", "extents": "extents"}
_SUMS: Final = re.compile(r"(?:^|\s)(small|large):\s+(\d{1,19})\s")
_DECAY: Final = re.compile(r"(?:^|\s)(dirty|muzzy):\s+(?:-?\d+|N/A)\s+(\d{1,19})\s")
_CELL: Final = re.compile(r"\d+(?:\.\d+)?")
#: Endings that say what a file is, not whose.
_ENDINGS: Final = tuple[str, ...](texts("loaders/allocators")["names"]["endings"])

UNSTAMPED: Final = "documents without a time stamp, among others that have one"
_EXPECTED: Final[str] = texts("loaders/hints")["allocators"]["expected"]
_JEMALLOC_DUMP: Final = "statistics that jemalloc's malloc_stats_print wrote"
_AMOUNT: Final = r"(-?\d{1,9}(?:\.\d++)?) ?([KkMmGgTt]?i?[Bb]?)"
_COMMITTED: Final = re.compile(rf"\bcommitted: ++{_AMOUNT} ++{_AMOUNT} ++{_AMOUNT} ++{_AMOUNT}")
_PROCESS: Final = re.compile(rf"\bprocess: [^\n]{{0,300}}?\brss: ++{_AMOUNT}")


@dataclass(slots=True)
class Arena:
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
        if self.system_bytes is None or self.free_bytes is None or self.free_bytes > self.system_bytes:
            return None
        return self.system_bytes - self.free_bytes + (self.mapped_bytes or 0)


def glibc_documents(text: str) -> list[GlibcDocument]:
    text, context = unwrapped(text)
    found = [*_xml(text, context), *_fields(text, context), *_stats(text, context)]
    return sorted((one for one in found if one.allocated_bytes() is not None), key=lambda one: one.line)


def _each(pattern: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], int]]:
    found = list(pattern.finditer(text))
    yield from zip(found, [*(one.start() for one in found[1:]), len(text)], strict=False)


def _xml(text: str, context: LogContext) -> Iterator[GlibcDocument]:
    after = 0
    for start, following in _each(_XML, text):
        end = text.find(_XML_END, start.end(), following)
        document = GlibcDocument(*context.place(start.start(), after), mapped_bytes=0, whole=end >= 0)
        after = following if end < 0 else end + len(_XML_END)
        _tags(document, text[start.end() : after])
        for one in document.arenas:
            _tidy(one, document)
        if document.whole or document.system_bytes is not None:
            yield document


def _tags(document: GlibcDocument, text: str) -> None:
    arena: Arena | None = None
    for closing, tag, rest in _TAG.findall(text):
        says = dict(_ATTRIBUTE.findall(rest))
        size, count, largest, total = (whole_number(says.get(name), _MOST) for name in ("size", "count", "to", "total"))
        if tag == "heap":
            arena = None if closing else Arena(str(says.get("nr", "?")))
            if arena is not None:
                document.arenas.append(arena)
        elif tag in ("size", "unsorted") and arena is not None:
            if largest is not None and total is not None and count:
                arena.chunks.append((largest, count, total))
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


def _fields(text: str, context: LogContext) -> Iterator[GlibcDocument]:
    said: dict[str, int] = {}
    begin = after = 0
    for found in (*_FIELD.finditer(text), None):
        if said and (found is None or found[1] in said):
            document = GlibcDocument(*context.place(begin, after))
            used, free = said.get("uordblks"), said.get("fordblks")
            if used is not None and free is not None and max(said.values()) < _MOST:
                document.system_bytes, document.free_bytes = used + free, free
                document.mapped_bytes, document.top_bytes = said.get("hblkhd"), said.get("keepcost")
            yield document
            said, after = {}, begin + 1
        if found is not None:
            begin = begin if said else found.start()
            said[found[1]] = int(found[2])


def _stats(text: str, context: LogContext) -> Iterator[GlibcDocument]:
    document: GlibcDocument | None = None
    after = 0
    for found in _STATS.finditer(text):
        amounts = {name: int(size) for name, size in _BYTES.findall(text[found.end() : found.end() + 400])[:2]}
        system, used = amounts.get("system bytes"), amounts.get("in use bytes")
        if system is None or used is None or used > system:
            continue
        if document is None or found[1] == "0":
            document = GlibcDocument(*context.place(found.end(), after), whole=False)
        if found[1] is not None:
            document.arenas.append(Arena(found[1], system, system - used))
            continue
        # The total counts large blocks in both numbers.
        own = sum(arena.system_bytes or 0 for arena in document.arenas)
        document.system_bytes, document.free_bytes = min(own or system, system), system - used
        document.mapped_bytes, document.whole = system - document.system_bytes, True
        after = found.end()
        yield document
        document = None


@dataclass(frozen=True, slots=True)
class Document:
    line: int
    stamp: tuple[Stamp, str] | None
    whole: bool
    #: As JSON has it, whatever it was written as.
    data: Mapping[str, Any]
    #: Rows of tables with other columns than their heads.
    short: int

    def totals(self) -> dict[str, int]:
        stats = mapping(self.data, "stats")
        return {name: size for name in TOTALS if (size := whole_number(stats.get(name))) is not None}

    def age_ms(self) -> int | None:
        ages = (whole_number(mapping(self.data, "stats.arenas", name).get("uptime_ns")) for name in ("0", "merged"))
        return next((age // 1_000_000 for age in ages if age is not None), None)


def jemalloc_documents(text: str) -> list[Document]:
    text, context = unwrapped(text)
    decoder = json.JSONDecoder()
    documents: list[Document] = []
    position = 0
    while found := _START.search(text, position):
        start = found.start()
        data, end, whole, short = (
            _json(decoder, text, start) if found["json"] else _text(text, start, opened=found["begin"] is not None)
        )
        documents.append(Document(*context.place(start, position), whole, data, short))
        # The line after a document that was cut off may hold the time of the next one.
        totals = _TOTALS_LINE.search(text, found.end(), end)
        position = end if whole else totals.end() if totals else found.end()
    return documents


def _json(decoder: json.JSONDecoder, text: str, start: int) -> tuple[dict[str, Any], int, bool, int]:
    """Read a JSON document; of one that is cut off, its totals, which come before the arenas."""
    try:
        document, end = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        following = _START.search(text, start + 1)
        end = following.start() if following else len(text)
        place = text.find('"stats"', start, end)
        told = _JSON_TOTALS.finditer(text, place, end) if place >= 0 else ()
        return {"stats": {found[1]: int(found[2]) for found in reversed([*told])}}, end, False, 0
    return dict(mapping(document, "jemalloc")), end, True, 0


def _text(text: str, start: int, *, opened: bool) -> tuple[dict[str, Any], int, bool, int]:
    if not opened:
        end = stop if (stop := text.find("\n", start)) >= 0 else len(text)
        return {"stats": _pairs(text[start:end])}, end, True, 0
    following = next((found.start() for found in _START.finditer(text, start + 1) if not found["totals"]), len(text))
    closing = _END.search(text, start, following)
    end = closing.end() if closing else following
    data, short = _body(text[start:end])
    return data, end, closing is not None, short


def _body(body: str) -> tuple[dict[str, Any], int]:
    totals, page, version = (pattern.search(body) for pattern in (_TOTALS_LINE, _PAGE, _VERSION))
    data: dict[str, Any] = {"stats": _pairs(totals[0]) if totals else {}, "stats.arenas": {}}
    data["arenas"] = {"page": int(page[1])} if page else {}
    data |= {"version": version[1].rstrip()} if version else {}
    arena: dict[str, Any] | None = None
    table: list[dict[str, int]] | None = None
    columns: list[str] = []
    short = 0
    for line in body.split("\n"):
        stripped = line.rstrip()
        if section := _SECTION.search(stripped):
            arena, table = data["stats.arenas"].setdefault(section[2] or section[1].lower(), {}), None
        elif arena is None:
            continue
        elif head := _TABLE.search(stripped):
            columns, table = head[2].split(), arena.setdefault(_TABLES[head[1]], [])
        elif table is not None and (row := _row(stripped, columns)) is not None:
            table += [row] if row else []
            short += not row
        elif number := _NUMBER.search(stripped):
            arena.setdefault(_OF_ARENA.get(number[1], number[1]), int(number[2]))
            table = None
        elif table is not None:
            table = table if stripped.strip() in ("", "---") else None
        elif sums := _SUMS.search(stripped + " "):
            arena.setdefault(sums[1], {"allocated": int(sums[2])})
        elif decay := _DECAY.search(stripped + " "):
            arena.setdefault(f"p{decay[1]}", int(decay[2]))
    return data, short


def _row(line: str, columns: list[str]) -> dict[str, int] | None:
    """Read a row: numbers only, or as many as there are columns behind what a log adds. None is no row, {} is short."""
    words = line.split()
    numbers = len(list(takewhile(_CELL.fullmatch, reversed(words))))
    if not numbers or numbers < min(len(words), len(columns)):
        return None
    cells = dict(zip(columns, words[-len(columns) :], strict=False)) if len(words) >= len(columns) else {}
    values = {name: number for name, word in cells.items() if (number := whole_number(word)) is not None}
    return values | ({"nregs": values["regs"]} if "regs" in values else {})


def _pairs(line: str) -> dict[str, int]:
    return {name.lower(): int(amount) for name, amount in _PAIR.findall(line)}


class TcmallocDocument(NamedTuple):
    """One answer of ``MallocExtension::GetStats``: bytes by the words beside them, in the order of the text."""

    line: int
    stamp: tuple[Stamp, str] | None
    amounts: Mapping[str, int]

    def sum_of(self, word: str) -> int | None:
        found = [size for name, size in self.amounts.items() if word in name]
        return sum(found) if found else None


def tcmalloc_documents(text: str) -> list[TcmallocDocument]:
    text, context = unwrapped(text)
    documents: list[TcmallocDocument] = []
    amounts: dict[str, int] = {}
    after = 0
    for found in _LINE.finditer(text):
        name = found[2].strip()
        if name == IN_USE:
            amounts = {}
            documents.append(TcmallocDocument(*context.place(found.start(), after), amounts))
        if documents and int(found[1]) < 1 << 62:
            amounts.setdefault(name, int(found[1]))
        after = found.end()
    return documents


class Said(NamedTuple):
    """One document: where it stands, when it was written if its log says so, and values by column of the samples."""

    line: int
    stamp: tuple[Stamp, str] | None
    amounts: Mapping[str, int | None]
    age_ms: int | None = None  # of the process
    whole: bool = True


def _recording(
    said: Sequence[Said],
    asked: Asked,
    notes: Iterable[str],
    whose: Mapping[str, str | None],
    source: str,
    lost: int = 0,
) -> Recording:
    """Put documents together; without a pod and a workload they are called by what the name of the file says."""
    path = asked.path
    timed = [one for one in said if one.stamp is not None] or said
    times, axis = _times(timed, asked)
    left_out = +Counter({"documents without totals": lost, UNSTAMPED: len(said) - len(timed)})
    cut = sum(not one.whole for one in timed)
    partial = (f"{counted(cut, 'documents')} cut off after the totals",) if cut else ()
    if left_out or cut:
        warn_of_rest([path], *(f"left out {counted(count, reason)}" for reason, count in left_out.items()), *partial)
    if not any(whose.values()):
        whose = {**whose, **_files.of_kubelet(path)}
    inferred = whose["workload"] is None and whose["pod"] is None
    about = {"container_id": 0, **whose, "workload_inferred": inferred, "source": source}
    name = Path(path)
    while name.suffix.lower() in _ENDINGS:
        name = name.with_suffix("")
    about |= {"workload": name.name} if inferred else {}
    samples = [{"container_id": 0, "time": time, **one.amounts} for time, one in zip(times, timed, strict=True)]
    report = Report(
        sources=(str(path),),
        found=("restarts",) if all(one.age_ms is not None for one in timed) else (),
        left_out=left_out,
        partial=partial,
        time_axis=axis,
    )
    starts = _starts([(time, one.age_ms) for time, one in zip(times, timed, strict=True) if one.age_ms is not None])
    return normalise([about], samples, starts, noted(report, [path], notes))


def _times(said: Sequence[Said], asked: Asked) -> tuple[list[int], str]:
    if stamps := [one.stamp for one in said if one.stamp is not None]:
        return _timestamps.instants([stamp for stamp, _ in stamps], (said[0].line, stamps[0][1]), asked)
    ages = [one.age_ms for one in said if one.age_ms is not None]
    if asked.interval is not None or len(said) == 1 or len(ages) < len(said):
        return _timestamps.spaced(len(said), asked, found="documents")
    offsets, restarts = [0], 0
    for before, age in pairwise(ages):
        restarts += age < before
        offsets.append(offsets[-1] + (age - before if age >= before else age))
    (anchor,), says = _timestamps.spaced(1, asked, found="documents")
    origin = anchor if asked.start() is not None else anchor - offsets[-1]
    axis = f"{says}, the others by the age of the process that jemalloc tells (uptime)"
    return [origin + offset for offset in offsets], axis + (
        "; the time between two processes is not known" if restarts else ""
    )


def _starts(known: list[tuple[int, int]]) -> list[tuple[Any, ...]]:
    known.sort()
    begun = [told for before, told in zip([None, *known], known, strict=False) if before is None or told[1] < before[1]]
    return [(0, time - age, "start", None, "by the age of the process that jemalloc tells") for time, age in begun]


def read_malloc_info(
    path: str | os.PathLike[str],
    *,
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
    pod: str | None = None,
    namespace: str | None = None,
    container: str | None = None,
    workload: str | None = None,
) -> Recording:
    r"""Read what glibc's ``malloc_info``, ``mallinfo2`` or ``malloc_stats`` told, or tcmalloc or mimalloc printed.

    Parameters
    ----------
    path, time, interval, timezone, pod, namespace, container, workload
        As for `read_jemalloc_stats`.

    Returns
    -------
    Recording
        `allocated_bytes` is what the program holds, `free_bytes` what the allocator keeps for it, `mapped_bytes` both
        together: all that was taken from the system. Of mimalloc `mapped_bytes` only: a usual build does not count what
        the program holds, and what it calls ``rss`` is the most there ever was. Per arena see `read_allocator`.

    Raises
    ------
    ReadError
        There is no document that says how much is in use, or several and no way to tell when they were written.

    Notes
    -----
    Blocks that wait in the caches of threads (tcache) count as held.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.log")
    >>> _ = log.write_text("2026-11-24T22:51:07Z mallinfo2: arena=1000 hblkhd=0 uordblks=600 fordblks=400 keepcost=9\n")
    >>> read_malloc_info(log).samples.select("allocated_bytes", "free_bytes", "mapped_bytes").row(0)
    (600, 400, 1000)
    """
    text, notes = read_text(path, expected=_EXPECTED)
    documents, source = glibc_documents(text), "glibc malloc_info"
    if documents and not any(one.system_bytes or one.mapped_bytes for one in documents):
        hint = "The program uses another allocator: give what that one tells of itself."
        raise ReadError.at(path, found="zeros only", expected=_EXPECTED, line=documents[0].line, hint=hint)
    said = [Said(one.line, one.stamp, _amounts(one)) for one in documents]
    if not said:
        source = "tcmalloc stats"
        for one in tcmalloc_documents(text):
            sums = {signal: one.sum_of(word) for signal, word in texts("loaders/allocators")["tcmalloc"].items()}
            said.append(Said(one.line, one.stamp, {"allocated_bytes": one.amounts.get(IN_USE), **sums}))
    if not said:
        (said, about), source = mimalloc_documents(text), "mimalloc stats"
        notes += about
    if not said:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    whose = {"pod": pod, "namespace": namespace, "container": container, "workload": workload}
    return _recording(said, Asked(path, time, interval, timezone), notes, whose, source)


def _amounts(document: GlibcDocument) -> dict[str, int | None]:
    system, mapped = document.system_bytes, document.mapped_bytes
    return {
        "allocated_bytes": document.allocated_bytes(),
        "free_bytes": document.free_bytes,
        # Without the blocks that are mapped one by one the sum would be too small.
        "mapped_bytes": None if system is None or mapped is None else system + mapped,
    }


def read_jemalloc_stats(
    path: str | os.PathLike[str],
    *,
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
    pod: str | None = None,
    namespace: str | None = None,
    container: str | None = None,
    workload: str | None = None,
) -> Recording:
    r"""Read what jemalloc's ``malloc_stats_print`` wrote, as text or JSON.

    Parameters
    ----------
    path
        A text file, also packed with gzip or zstd: one document or many, alone or in a program's output
        or a container's log. One file is one container.
    time
        When the only document was written, or the first of several, where the file does not say; the day
        on which a log of clock times starts. Without a zone it is in `timezone`, else in UTC.
    interval
        Time between two documents, where the file does not say: ``"60s"`` or a timedelta.
    timezone
        Zone of time stamps that do not say theirs: ``"Europe/Berlin"``, ``"UTC"``, ``"+01:00"``.
    pod, namespace, container, workload
        Whose these are; without `pod` and `workload` the name of the file says it, marked as inferred.

    Returns
    -------
    Recording
        What the program holds (`allocated_bytes`), what the allocator keeps in RAM for it (`resident_bytes`) and the
        other totals of each document. Times come from the log, else from `interval`, else from the age of the process
        that documents with arenas tell; the report says which. Where it is known, a `start` event marks each process.

    Raises
    ------
    ReadError
        There is no document with totals, or several and no way to tell when they were written.

    Notes
    -----
    ``stats_interval`` writes a document every so many bytes allocated, not every so many seconds: give `interval` only
    when a timer wrote them. ``stats_interval_opts:Jgmdblxeh`` makes short documents that tell the age of the process.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.stats.log")
    >>> _ = log.write_text("2026-11-24T22:51:07Z\nAllocated: 1165784, active: 1261568, resident: 21889024\n")
    >>> recording = read_jemalloc_stats(log)
    >>> recording.containers["workload"].item(), recording.samples["allocated_bytes"].item()
    ('api', 1165784)
    """
    text, notes = read_text(path, expected=_JEMALLOC_DUMP)
    documents = jemalloc_documents(text)
    said = [
        Said(one.line, one.stamp, {f"{name}_bytes": size for name, size in totals.items()}, one.age_ms(), one.whole)
        for one in documents
        if (totals := one.totals())
    ]
    if not said:
        found, line, hint = text.strip().split("\n", 1)[0], 1, ""
        if documents:
            found, line = "a document without totals", documents[0].line
            hint = "Was it cut off, or is jemalloc built without stats?"
        raise ReadError.at(path, found=found, expected=_JEMALLOC_DUMP, line=line, hint=hint)
    whose = {"pod": pod, "namespace": namespace, "container": container, "workload": workload}
    asked = Asked(path, time, interval, timezone)
    return _recording(said, asked, notes, whose, "jemalloc stats", len(documents) - len(said))


def mimalloc_documents(text: str) -> tuple[list[Said], tuple[str, ...]]:
    """Read committed memory from each answer of ``mi_stats_print``; say the most that was ever resident."""
    text, context = unwrapped(text)
    said: list[Said] = []
    most = after = 0
    for found, following in _each(_COMMITTED, text):
        process = _PROCESS.search(text, found.end(), following)
        if (committed := _bytes(found[7], found[8])) is not None:
            said.append(Said(*context.place(found.start(), after), {"mapped_bytes": committed}))
            most = max(most, (process and _bytes(process[1], process[2])) or 0)
        after = (process or found).end()
    return said, (f"mimalloc: at most {memory(most)} were resident until then",) if most else ()


def _bytes(number: str, unit: str) -> int | None:
    """Read an amount; some versions count below zero, which says nothing."""
    amount = float(number) * 1024 ** POWERS.get(unit[:1].lower(), 0)
    return round(amount) if 0 <= amount < 1 << 62 else None
