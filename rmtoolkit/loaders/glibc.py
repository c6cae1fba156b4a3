"""What glibc's allocator says of itself as a Recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import files
from rmtoolkit.loaders.allocator_samples import Said, Whose, as_recording
from rmtoolkit.loaders.glibc_documents import parse_documents
from rmtoolkit.loaders.timeline import Asked

if TYPE_CHECKING:
    import datetime as dt
    import os

    from rmtoolkit.recording import Recording

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
    data, notes = files.read_bytes(path, expected=_EXPECTED)
    text, more = files.as_text(data, path, expected=_EXPECTED)
    documents = parse_documents(text)
    if not documents:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    said = [
        Said(
            one.line,
            one.stamp,
            {
                "allocated_bytes": one.allocated_bytes(),
                "free_bytes": one.free_bytes,
                # Without the blocks that are mapped one by one the sum would be too small.
                "mapped_bytes": None
                if one.system_bytes is None or one.mapped_bytes is None
                else one.system_bytes + one.mapped_bytes,
            },
        )
        for one in documents
    ]
    asked = Asked(path, files.modified(path), time, interval, timezone)
    return as_recording(said, asked, Whose(pod, namespace, container, workload), "glibc malloc_info", (*notes, *more))
