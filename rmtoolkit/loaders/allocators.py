"""What allocators say of themselves as a Recording: glibc, jemalloc, tcmalloc, mimalloc."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

import polars as pl

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.loaders import _allocator_text, _files, _timestamps
from rmtoolkit.loaders._allocator_text import Document, GlibcDocument, glibc_documents, jemalloc_documents
from rmtoolkit.loaders._files import counted
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import SAMPLES, Report
from rmtoolkit.text import memory

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Mapping, Sequence

    from rmtoolkit.loaders._timestamps import Stamp


#: Endings that say what a file is, not whose.
_ENDINGS: Final = (
    *(".gz", ".zst", ".log", ".txt", ".json", ".jsonl", ".xml", ".out", ".err", ".stderr", ".stats", ".jemalloc"),
    ".raw",
)

UNSTAMPED: Final = "documents without a time stamp, among others that have one"


class _HasStamp(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def stamp(self) -> tuple[Stamp, str] | None: ...


_Stamped = TypeVar("_Stamped", bound=_HasStamp)


class Said(NamedTuple):
    """One document: where it stands, when it was written if its log says so, and values by column of the samples."""

    line: int
    stamp: tuple[Stamp, str] | None
    amounts: Mapping[str, int | None]


class Text(NamedTuple):
    """The text of a file, and what a reader of the report should know of it."""

    path: str | os.PathLike[str]
    expected: str
    content: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, path: str | os.PathLike[str], expected: str) -> Text:
        """Read a file."""
        data, notes = _files.read_bytes(path, expected=expected)
        content, more = _files.as_text(data, path, expected=expected)
        return cls(path, expected, content, (*notes, *more))

    def asked(
        self, time: str | dt.datetime | None, interval: str | dt.timedelta | None, timezone: str | dt.tzinfo | None
    ) -> _timestamps.Asked:
        """Put what a user said about times beside what the file says of itself."""
        return _timestamps.Asked(self.path, _files.modified(self.path), time, interval, timezone)

    def nothing(self) -> ReadError:
        """Say what stands there instead of a document."""
        first = self.content.strip().split("\n", 1)[0]
        return ReadError.at(self.path, found=first, expected=self.expected, line=1)


def stamped(said: Sequence[_Stamped], asked: _timestamps.Asked) -> tuple[list[_Stamped], list[int], str] | None:
    """Keep the documents with a time stamp; give them, their times and where these come from. None without any."""
    timed = [(one, one.stamp) for one in said if one.stamp is not None]
    if not timed:
        return None
    first, stamp = timed[0]
    times, axis = _timestamps.instants([stamp[0] for _, stamp in timed], (first.line, stamp[1]), asked)
    return [one for one, _ in timed], times, axis


class Whose(NamedTuple):
    """Names that a user gave; without pod and workload the name of the file is taken."""

    pod: str | None = None
    namespace: str | None = None
    container: str | None = None
    workload: str | None = None

    def frame(self, path: str | os.PathLike[str], source: str) -> pl.DataFrame:
        """Make the one row of the containers."""
        inferred = self.workload is None and self.pod is None
        return pl.DataFrame(
            {
                "container_id": [0],
                "namespace": [self.namespace],
                "pod": [self.pod],
                "container": [self.container],
                "workload": [_name(path) if inferred else self.workload],
                "workload_inferred": [inferred],
                "source": [source],
            },
            schema_overrides={name: pl.String() for name in ("namespace", "pod", "container", "workload")},
        )


def _name(path: str | os.PathLike[str]) -> str:
    """Take from a file's name what says what it is, and keep whose it is."""
    name = Path(path).name
    while True:
        ending = next(
            (ending for ending in _ENDINGS if name.lower().endswith(ending) and len(name) > len(ending)), None
        )
        if ending is None:
            return name
        name = name[: -len(ending)]


def samples_frame(times: Sequence[int], amounts: Sequence[Mapping[str, int | None]]) -> pl.DataFrame:
    """Put values at their times, for `normalise`."""
    names = list(dict.fromkeys(name for values in amounts for name in values))
    columns = {name: [values.get(name) for values in amounts] for name in names}
    return pl.DataFrame(
        {"container_id": [0] * len(times), "time": list(times), **columns},
        schema={"container_id": pl.UInt32(), "time": pl.Int64(), **{name: SAMPLES[name] for name in names}},
    ).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))


def as_recording(
    said: Sequence[Said], text: Text, asked: _timestamps.Asked, whose: Whose, source: str, about: Sequence[str] = ()
) -> Recording:
    """Make a Recording of documents that say no more than their values."""
    if not said:
        raise text.nothing()
    timed, times, axis = stamped(said, asked) or (said, *_timestamps.spaced(len(said), asked, found="documents"))
    left_out = {UNSTAMPED: len(said) - len(timed)} if len(timed) < len(said) else {}
    if left_out:
        _files.warn(f"{quote_path(asked.path)}: left out {counted(left_out[UNSTAMPED], UNSTAMPED)}. The rest was read.")
    return normalise(
        whose.frame(asked.path, source),
        samples_frame(times, [one.amounts for one in timed]),
        None,
        Report(sources=(str(asked.path),), left_out=left_out, warnings=(*text.notes, *about), time_axis=axis),
    )


_EXPECTED: Final = "what glibc's malloc_info (XML), mallinfo2 (its fields by name) or malloc_stats wrote"


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
    r"""Read what glibc's ``malloc_info``, ``mallinfo2`` or ``malloc_stats`` told.

    Parameters
    ----------
    path
        A text file, also packed with gzip or zstd: one document or many, alone or in a program's output or a
        container's log. One file is one container.
    time
        When the only document was written, or the first of several, where the file does not say. Without a zone it
        is in `timezone`, else in UTC.
    interval
        Time between two documents, where the file does not say: ``"60s"`` or a timedelta.
    timezone
        Zone of time stamps that do not say theirs: ``"Europe/Berlin"``, ``"UTC"``, ``"+01:00"``.
    pod, namespace, container
        Whose memory this is.
    workload
        The same; when neither `pod` nor `workload` is given, the name of the file, marked as inferred.

    Returns
    -------
    Recording
        `allocated_bytes` is what the program holds, `free_bytes` what the allocator keeps for it in its arenas
        (``fordblks``), `mapped_bytes` both together: all that was taken from the system. Per arena and size see
        `rmtoolkit.read_allocator`.

    Raises
    ------
    ReadError
        There is no document that says how much is in use, or several and no way to tell when they were written.
    OSError
        There is no such file.

    Notes
    -----
    Nothing exports these numbers by itself: a program must call ``mallinfo2()`` and log or serve what it returns.
    Blocks that wait in the caches of threads (tcache) count as held.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.log")
    >>> _ = log.write_text("2026-11-24T22:51:07Z mallinfo2: arena=1000 hblkhd=0 uordblks=600 fordblks=400 keepcost=9\n")
    >>> read_malloc_info(log).samples.select("allocated_bytes", "free_bytes", "mapped_bytes").row(0)
    (600, 400, 1000)
    """
    text = Text.of(path, _EXPECTED)
    said = [Said(one.line, one.stamp, _amounts(one)) for one in glibc_documents(text.content)]
    whose = Whose(pod, namespace, container, workload)
    return as_recording(said, text, text.asked(time, interval, timezone), whose, "glibc malloc_info")


def _amounts(document: GlibcDocument) -> dict[str, int | None]:
    system, mapped = document.system_bytes, document.mapped_bytes
    return {
        "allocated_bytes": document.allocated_bytes(),
        "free_bytes": document.free_bytes,
        # Without the blocks that are mapped one by one the sum would be too small.
        "mapped_bytes": None if system is None or mapped is None else system + mapped,
    }


_JEMALLOC_DUMP: Final = "statistics that jemalloc's malloc_stats_print wrote"
_NS_PER_MS: Final = 1_000_000


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
    pod, namespace, container
        Whose statistics these are.
    workload
        The same; when neither `pod` nor `workload` is given, the name of the file, marked as inferred.

    Returns
    -------
    Recording
        `allocated_bytes`, `active_bytes`, `metadata_bytes`, `resident_bytes`, `mapped_bytes` and
        `retained_bytes` per document: allocated is what the program holds, resident is what the allocator
        keeps in RAM for it, retained is address space only. Times come from the log, else from the line
        before a document, else from `interval`, else from the age of the process that documents with
        arenas tell; the report says which. Where that age is known, a `start` event marks each process.

    Raises
    ------
    ReadError
        There is no document with totals, or several and no way to tell when they were written.
    OSError
        There is no such file.

    Notes
    -----
    ``stats_interval`` writes a document every so many bytes allocated, not every so many seconds: give
    `interval` only when a timer wrote them. ``stats_interval_opts:Jgmdblxeh`` makes short documents that tell
    the age of the process; with ``a`` among the letters (``Jmdablxe``) they do not.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.stats.log")
    >>> _ = log.write_text("2026-11-24T22:51:07Z\nAllocated: 1165784, active: 1261568, resident: 21889024\n")
    >>> recording = read_jemalloc_stats(log)
    >>> recording.containers["workload"].item(), recording.samples["allocated_bytes"].item()
    ('api', 1165784)
    """
    text = Text.of(path, _JEMALLOC_DUMP)
    documents = jemalloc_documents(text.content)
    if not documents:
        raise text.nothing()
    good = [document for document in documents if document.totals()]
    left_out = {"documents without totals": len(documents) - len(good)}
    if not good:
        raise ReadError.at(
            path,
            found="a document without totals",
            expected=_JEMALLOC_DUMP,
            line=documents[0].line,
            hint="Was it cut off, or is jemalloc built without stats?",
        )
    asked = text.asked(time, interval, timezone)
    timed, times, axis = stamped(good, asked) or (good, *_untimed(good, asked))
    left_out[UNSTAMPED] = len(good) - len(timed)
    good = timed
    cut = sum(not document.whole for document in good)
    left_out = {reason: count for reason, count in left_out.items() if count}
    partial = (f"{cut:,} document{'' if cut == 1 else 's'} cut off after the totals",) if cut else ()
    if left_out or cut:
        _files.warn(
            f"{quote_path(path)}: "
            f"{'; '.join([*(f'left out {counted(n, what)}' for what, n in left_out.items()), *partial])}. "
            "The rest was read."
        )
    uptimes = [document.uptime_ns() for document in good]
    amounts = [{f"{name}_bytes": size for name, size in document.totals().items()} for document in good]
    return normalise(
        Whose(pod, namespace, container, workload).frame(path, "jemalloc stats"),
        samples_frame(times, amounts),
        _starts(times, uptimes),
        Report(
            sources=(str(path),),
            found=("restarts",) if None not in uptimes else (),
            left_out=left_out,
            partial=partial,
            warnings=text.notes,
            time_axis=axis,
        ),
    )


def _untimed(documents: Sequence[Document], asked: _timestamps.Asked) -> tuple[list[int], str]:
    """Place documents without time stamps: by the interval, else by the age of the process."""
    uptimes = [document.uptime_ns() for document in documents]
    ages = [uptime // _NS_PER_MS for uptime in uptimes if uptime is not None]
    if asked.interval is not None or len(documents) == 1 or len(ages) < len(documents):
        return _timestamps.spaced(len(documents), asked, found="documents")
    offsets, restarts = [0], 0
    for before, age in pairwise(ages):
        restarts += age < before
        offsets.append(offsets[-1] + (age - before if age >= before else age))
    start = asked.start()
    (anchor,), says = _timestamps.spaced(1, asked, found="documents")
    origin = anchor if start is not None else anchor - offsets[-1]
    axis = f"{says}, the others by the age of the process that jemalloc tells (uptime)"
    return [origin + offset for offset in offsets], axis + (
        "; the time between two processes is not known" if restarts else ""
    )


def _starts(times: Sequence[int], uptimes: Sequence[int | None]) -> pl.DataFrame | None:
    """Tell when each process began: a document says how old it is."""
    known = sorted(
        (time, uptime // _NS_PER_MS) for time, uptime in zip(times, uptimes, strict=True) if uptime is not None
    )
    found, before = [], None
    for time, age in known:
        if before is None or age < before:
            found.append((0, time - age, "start", "by the age of the process that jemalloc tells"))
        before = age
    if not found:
        return None
    frame = pl.DataFrame(
        found,
        schema={"container_id": pl.UInt32(), "time": pl.Int64(), "kind": pl.String(), "detail": pl.String()},
        orient="row",
    )
    return frame.with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))


_EXPECTED_MALLOC_TEXT: Final = "what tcmalloc (MALLOCSTATS) or mimalloc (MIMALLOC_SHOW_STATS) printed"


def read_malloc_text(
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
    r"""Read what tcmalloc or mimalloc printed of themselves.

    Parameters
    ----------
    path
        A text file, also packed with gzip or zstd: one document or many, alone or in a program's output or a
        container's log. One file is one container.
    time
        When the only document was written, or the first of several, where the file does not say. Without a zone it
        is in `timezone`, else in UTC.
    interval
        Time between two documents, where the file does not say: ``"60s"`` or a timedelta.
    timezone
        Zone of time stamps that do not say theirs: ``"Europe/Berlin"``, ``"UTC"``, ``"+01:00"``.
    pod, namespace, container
        Whose memory this is.
    workload
        The same; when neither `pod` nor `workload` is given, the name of the file, marked as inferred.

    Returns
    -------
    Recording
        Of tcmalloc `allocated_bytes`, `free_bytes` (all its free lists), `metadata_bytes`, `resident_bytes`,
        `mapped_bytes` and `retained_bytes` (released to the system). Of mimalloc `mapped_bytes` only (committed now):
        a usual build does not count what the program holds, and what it calls ``rss`` is the most there ever was.

    Raises
    ------
    ReadError
        There is no such document, or several and no way to tell when they were written.
    OSError
        There is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.log")
    >>> _ = log.write_text("MALLOC:  2097152 (    2.0 MiB) Bytes in use by application\n")
    >>> read_malloc_text(log).samples["allocated_bytes"].item()
    2097152
    """
    text = Text.of(path, _EXPECTED_MALLOC_TEXT)
    about: tuple[str, ...] = ()
    said, source = _tcmalloc(text.content), "tcmalloc stats"
    if not said:
        (said, about), source = _mimalloc(text.content), "mimalloc stats"
    whose = Whose(pod, namespace, container, workload)
    return as_recording(said, text, text.asked(time, interval, timezone), whose, source, about)


def _tcmalloc(text: str) -> list[Said]:
    return [
        Said(
            one.line,
            one.stamp,
            {
                "allocated_bytes": one.amounts.get(_allocator_text.IN_USE),
                "free_bytes": one.sum_of("freelist"),
                "metadata_bytes": one.sum_of("malloc metadata"),
                "resident_bytes": one.sum_of("Actual memory used"),
                "mapped_bytes": one.sum_of("Actual memory used"),
                "retained_bytes": one.sum_of("released to OS"),
            },
        )
        for one in _allocator_text.tcmalloc_documents(text)
    ]


def _mimalloc(text: str) -> tuple[list[Said], tuple[str, ...]]:
    found = [one for one in _allocator_text.mimalloc_documents(text) if one.committed_bytes is not None]
    said = [Said(one.line, one.stamp, {"mapped_bytes": one.committed_bytes}) for one in found]
    most = max((one.rss_peak_bytes or 0 for one in found), default=0)
    return said, (f"mimalloc: at most {memory(most)} were resident until then",) if most else ()
