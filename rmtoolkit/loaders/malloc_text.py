"""What tcmalloc and mimalloc print of themselves as a Recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import files, mimalloc_documents, tcmalloc_documents
from rmtoolkit.loaders.allocator_samples import Said, Whose, as_recording
from rmtoolkit.loaders.timeline import Asked
from rmtoolkit.text import memory

if TYPE_CHECKING:
    import datetime as dt
    import os

    from rmtoolkit.recording import Recording

_EXPECTED: Final = "what tcmalloc (MALLOCSTATS) or mimalloc (MIMALLOC_SHOW_STATS) printed"


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
    data, notes = files.read_bytes(path, expected=_EXPECTED)
    text, more = files.as_text(data, path, expected=_EXPECTED)
    about: tuple[str, ...] = ()
    said, source = _tcmalloc(text), "tcmalloc stats"
    if not said:
        (said, about), source = _mimalloc(text), "mimalloc stats"
    if not said:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    asked = Asked(path, files.modified(path), time, interval, timezone)
    return as_recording(said, asked, Whose(pod, namespace, container, workload), source, (*notes, *more, *about))


def _tcmalloc(text: str) -> list[Said]:
    return [
        Said(
            one.line,
            one.stamp,
            {
                "allocated_bytes": one.amounts.get(tcmalloc_documents.IN_USE),
                "free_bytes": one.sum_of("freelist"),
                "metadata_bytes": one.sum_of("malloc metadata"),
                "resident_bytes": one.sum_of("Actual memory used"),
                "mapped_bytes": one.sum_of("Actual memory used"),
                "retained_bytes": one.sum_of("released to OS"),
            },
        )
        for one in tcmalloc_documents.parse_documents(text)
    ]


def _mimalloc(text: str) -> tuple[list[Said], tuple[str, ...]]:
    found = [one for one in mimalloc_documents.parse_documents(text) if one.committed_bytes is not None]
    said = [Said(one.line, one.stamp, {"mapped_bytes": one.committed_bytes}) for one in found]
    most = max((one.rss_peak_bytes or 0 for one in found), default=0)
    return said, (f"mimalloc: at most {memory(most)} were resident until then",) if most else ()
