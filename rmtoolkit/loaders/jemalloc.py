"""jemalloc's own statistics as a Recording."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.loaders import files, timeline
from rmtoolkit.loaders.allocator_samples import UNSTAMPED, Whose, samples_frame
from rmtoolkit.loaders.jemalloc_documents import Document, parse_documents
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.recording import Recording, Report, normalise

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Sequence

_EXPECTED: Final = "statistics that jemalloc's malloc_stats_print wrote"
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
    data, notes = files.read_bytes(path, expected=_EXPECTED)
    text, more = files.as_text(data, path, expected=_EXPECTED)
    documents = parse_documents(text)
    if not documents:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    good = [document for document in documents if document.totals()]
    left_out = {"documents without totals": len(documents) - len(good)}
    if not good:
        raise ReadError.at(
            path,
            found="a document without totals",
            expected=_EXPECTED,
            line=documents[0].line,
            hint="Was it cut off, or is jemalloc built without stats?",
        )
    asked = timeline.Asked(path, files.modified(path), time, interval, timezone)
    timed = [document for document in good if document.stamp is not None]
    if timed:
        left_out[UNSTAMPED] = len(good) - len(timed)
        good = timed
        first = timed[0].stamp
        stamps = [document.stamp[0] for document in timed if document.stamp is not None]
        times, axis = timeline.instants(stamps, (timed[0].line, first[1] if first else ""), asked)
    else:
        times, axis = _untimed(good, asked)
    cut = sum(not document.whole for document in good)
    left_out = {reason: count for reason, count in left_out.items() if count}
    partial = (f"{cut:,} document{'' if cut == 1 else 's'} cut off after the totals",) if cut else ()
    if left_out or cut:
        files.warn(
            f"{quote_path(path)}: "
            f"{'; '.join([*(f'left out {counted(n, what)}' for what, n in left_out.items()), *partial])}. "
            "The rest was read.",
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
            warnings=(*notes, *more),
            time_axis=axis,
        ),
    )


def _untimed(documents: Sequence[Document], asked: timeline.Asked) -> tuple[list[int], str]:
    """Place documents without time stamps: by the interval, else by the age of the process."""
    uptimes = [document.uptime_ns() for document in documents]
    ages = [uptime // _NS_PER_MS for uptime in uptimes if uptime is not None]
    if asked.interval is not None or len(documents) == 1 or len(ages) < len(documents):
        return timeline.spaced(len(documents), asked, found="documents")
    offsets, restarts = [0], 0
    for before, age in pairwise(ages):
        restarts += age < before
        offsets.append(offsets[-1] + (age - before if age >= before else age))
    start = asked.start()
    (anchor,), says = timeline.spaced(1, asked, found="documents")
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
