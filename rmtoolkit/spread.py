"""Do the same work on all parts of a recording or a lake: on the cores of this machine, or on Dask's workers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import lake_files
from rmtoolkit.exceptions import warn
from rmtoolkit.lake import Lake
from rmtoolkit.lake_parts import gathered, group_parts
from rmtoolkit.parts import parts
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import SAMPLES, empty
from rmtoolkit.threads import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from distributed import Client

    from rmtoolkit.exceptions import ReadError
    from rmtoolkit.lake_view import View
    from rmtoolkit.places import Remote
    from rmtoolkit.provenance import Report

    Place = Path | Remote
    Frames = dict[str, pl.DataFrame]
    Source = Recording | Lake | pl.DataFrame | pl.LazyFrame | pd.DataFrame
    Work = Callable[[Recording], Frames]
    Done = tuple[list[tuple[Frames, Report]], list[ReadError]]

#: Files that could not be read are named in a report, up to so many.
_NAMED: Final = 20
#: Buckets are taken together up to this size of their files: some hundred thousand samples.
_GROUP_BYTES: Final = 8 << 20


def as_source(data: Any) -> Recording | Lake:  # noqa: ANN401 - any kind of table
    """Accept a lake, a recording, or any frame that can become one.

    Parameters
    ----------
    data
        A Lake, a Recording, or a polars, lazy or pandas frame.

    Returns
    -------
    Recording or Lake
        The lake itself, or a recording.

    Raises
    ------
    RmtoolkitError
        It is none of them.

    Examples
    --------
    >>> as_source(pl.DataFrame({"time": [0], "rss_bytes": [1]})).containers.height
    1
    """
    return data if isinstance(data, Lake) else as_recording(data)


def spread(source: Recording | Lake, work: Work, *, client: Client | None = None) -> tuple[Frames, Recording]:
    """Do the same work on every part, and put the answers together.

    Parameters
    ----------
    source
        What to work on. Of a lake one bucket after the other is read, and of a large bucket one part after the other:
        memory does not grow with it.
    work
        Makes frames of a part that holds all there is of some workloads. With a client it is sent to other processes,
        so it must be a function of a module, or a `functools.partial` of one.
    client
        Of Dask distributed: its workers do the work. They must see the lake under the same path, and have rmtoolkit;
        set POLARS_MAX_THREADS where they start. What a lost worker had is done again by another one. None: the cores
        of this machine.

    Returns
    -------
    tuple of (dict of polars.DataFrame, Recording)
        The frames, by name, of all parts: `container_id` is that of the recording. And the recording itself; that of a
        lake has no samples. Rows are in the order of its workloads. A file of a lake that cannot be read is left out
        with a warning that names it; the report counts and names all of them.

    Raises
    ------
    ReadError
        There is no lake, it is empty, or no file can be read.
    RmtoolkitError
        Dask lost too many workers, or the connection.

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0, 0], "pod": ["a-0", "b-0"], "rss_bytes": [1, 2]})
    >>> found, _ = spread(as_recording(table), lambda part: {"sizes": part.samples.select("rss_bytes")})
    >>> found["sizes"]["rss_bytes"].to_list()
    [1, 2]
    """
    if isinstance(source, Recording):
        pieces = list(_each(work, parts(source), client))
        return {name: pl.concat([piece[name] for piece in pieces], how="diagonal") for name in pieces[0]}, source
    groups = list(_groups(source.files()))
    done = list(_each(partial(_of_group, work, source.view), groups, client, total=len(groups)))
    found = [part for made, _ in done for part in made]
    failed = [error for _, errors in done for error in errors]
    if not found:
        raise failed[0] if failed else source.nothing()
    frames = gathered([frames for frames, _ in found])
    report = lake_files.joined(report for _, report in found)
    if failed:
        report = _without(report, failed)
        total = sum(len(files) for group in groups for files in group)
        warn(f"{len(failed):,} of {total:,} files of {source!r} could not be read; the first: {failed[0]}")
    about = Recording(frames.pop("containers"), empty(SAMPLES), frames.pop("events"), report)
    return frames, about


def _each(
    work: Callable[[Any], Any], items: Iterable[Any], client: Client | None, total: int | None = None
) -> Iterator[Any]:
    """Work on all items, in their order; where there are many buckets, a bar shows how far it is."""
    from tqdm.auto import tqdm  # noqa: PLC0415 - only for what takes long

    if client is None:
        made = in_parallel(work, items)
    else:
        from rmtoolkit.dask_workers import on_workers  # noqa: PLC0415 - an extra that few have

        made = on_workers(work, list(items), client)
    # None: no bar where nobody looks.
    yield from tqdm(made, total=total, disable=None if total else True, delay=2, leave=False, unit="bucket")


def _groups(files: Sequence[Place]) -> Iterator[list[list[Place]]]:
    """Take small buckets together: each part costs some time, however little is in it."""
    group: list[list[Place]] = []
    size = 0
    for _, mine in groupby(files, key=lambda file: file.parent):
        bucket = list(mine)
        # What has gone meanwhile is noticed when it is read.
        more = sum(file.stat().st_size for file in bucket if file.exists())
        if group and size + more > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(bucket)
        size += more
    if group:
        yield group


def _of_group(work: Work, view: View, buckets: Sequence[Sequence[Place]]) -> Done:
    failed: list[ReadError] = []
    found = (view.kept(part) for part in group_parts(buckets, failed))
    made = [
        (work(part) | {"containers": part.containers, "events": part.events}, part.report)
        for part in found
        if part.height
    ]
    return made, failed


def _without(report: Report, failed: Sequence[ReadError]) -> Report:
    lines = [str(error) for error in failed[:_NAMED]]
    if len(failed) > _NAMED:
        lines.append(f"{len(failed) - _NAMED:,} more files of the lake could not be read")
    lost = {**report.left_out, "files that could not be read": len(failed)}
    return replace(report, left_out=lost, partial=(*report.partial, *lines))
