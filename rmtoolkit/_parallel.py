"""Do the same work on all parts of a recording or a lake: on this machine's cores, or on Dask's workers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import _lake_files
from rmtoolkit._lake_files import gathered, group_parts
from rmtoolkit._partition import in_parallel, parts
from rmtoolkit.exceptions import RmtoolkitError, quote, warn
from rmtoolkit.lake import Lake
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import SAMPLES, empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from distributed import Client

    from rmtoolkit._io import Remote
    from rmtoolkit._lake_files import View
    from rmtoolkit._provenance import Report
    from rmtoolkit.exceptions import ReadError

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
    """Accept a lake, a recording, or any frame that can become one."""
    return data if isinstance(data, Lake) else as_recording(data)


def spread(source: Recording | Lake, work: Work, *, client: Client | None = None) -> tuple[Frames, Recording]:
    """Do the same work on every part, and put the answers together."""
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
    report = _lake_files.joined(report for _, report in found)
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

    made = in_parallel(work, items) if client is None else on_workers(work, list(items), client)
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


#: A scheduler that does not answer for so long is none.
_PATIENCE: Final = "10s"


@contextmanager
def connected(address: str | None) -> Iterator[Client | None]:
    """Connect to a cluster while something is done."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client  # noqa: PLC0415 - an extra that few have, and slow to import
    except ImportError as error:
        msg = "A scheduler needs Dask distributed, which is not installed. Hint: pip install 'rmtoolkit[fleet]'."
        raise RmtoolkitError(msg) from error
    try:
        client = Client(address, timeout=_PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        msg = (
            f"No Dask scheduler answers at {quote(address)}. Hint: start one with `dask scheduler`, or see its address."
        )
        raise RmtoolkitError(msg) from error
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]


def on_workers(work: Callable[[Any], Any], items: Sequence[Any], client: Client) -> Iterator[Any]:
    """Work on items on a cluster."""
    from distributed import as_completed  # noqa: PLC0415 - an extra that few have, and slow to import
    from distributed.scheduler import KilledWorker  # noqa: PLC0415

    futures = client.map(partial(_alone, work), items, pure=False)
    made: dict[Any, Any] = {}
    place = {future.key: at for at, future in enumerate(futures)}
    waiting = 0
    try:
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            made[place[future.key]] = future.result()
            future.release()
            while waiting in made:
                yield made.pop(waiting)
                waiting += 1
    except KilledWorker as error:
        msg = (
            f"{error.allowed_failures + 1} Dask worker{'s' * bool(error.allowed_failures)} died at the same part: "
            "probably of too little memory. "
            "Hint: give workers more, fewer threads each, or make the lake with more buckets."
        )
        raise RmtoolkitError(msg) from error
    except ModuleNotFoundError as error:
        msg = f"A Dask worker could not import {error.name!r}. Hint: install the same rmtoolkit where the workers run."
        raise RmtoolkitError(msg) from error
    finally:
        client.cancel(futures)  # type: ignore[no-untyped-call]
    if waiting < len(items):
        msg = f"Dask gave back only {waiting:,} of {len(items):,} parts: the connection to the scheduler was lost."
        raise RmtoolkitError(msg)


def _alone(work: Callable[[Any], Any], item: Any) -> Any:  # noqa: ANN401 - whatever there is to do
    """Work on one item, with one thread for matrices: the other workers use the other cores."""
    return next(in_parallel(work, [item]))
