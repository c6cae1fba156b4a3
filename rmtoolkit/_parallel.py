"""Cut a recording or a lake into parts, and do the same work on all: on this machine's cores, or on Dask's workers."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
import polars as pl
from msgspec.structs import replace

from rmtoolkit._tables import beside, conform
from rmtoolkit.exceptions import NOT_JUDGED, REPORT_BUG, RmtoolkitError, fault, met, named, quote_path, spared, warn
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import CONTAINERS, EVENTS, SAMPLES, WORKLOAD, empty

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd
    from distributed import Client
    from numpy.typing import NDArray

    Frames = dict[str, pl.DataFrame]
    Source: TypeAlias = "Recording | Parted | pl.DataFrame | pl.LazyFrame | pd.DataFrame"
    Work = Callable[[Recording], Frames]
    Otherwise = Callable[[Recording, BaseException], Frames]

#: Samples that a part has at least, unless the recording ends before.
PART_ROWS: Final = 1_500_000
#: Workloads that are judged at once: each takes a millisecond and 20 KB.
_MOST_WORKLOADS: Final = 200_000
#: A scheduler that does not answer for so long is none.
_PATIENCE: Final = "10s"


def partition(recording: Recording, rows: int = PART_ROWS) -> Iterator[Recording]:
    """Cut a recording into parts, without reading the samples of a stored one."""
    small = recording.stored is None and recording.height < rows
    if small or not recording.containers.height:
        yield recording
        return
    counts = _counts(recording)
    stored = recording.stored and replace(recording.stored, counts=tuple(counts.tolist()))
    ends = np.cumsum(counts)
    begin = 0
    for end in _bounds(recording.containers, ends, rows):
        containers = recording.containers[begin:end]
        events = recording.events.filter(pl.col("container_id").is_in(containers["container_id"].implode()))
        low = int(ends[begin - 1]) if begin else 0
        mine: Any = stored.part(begin, end) if stored else recording.samples[low : int(ends[end - 1])]
        yield Recording(containers, mine, events, recording.report)
        begin = end


def _counts(recording: Recording) -> NDArray[np.int64]:
    if recording.stored is not None and recording.stored.counts is not None:
        return np.array(recording.stored.counts, dtype=np.int64)
    samples = recording.samples.lazy() if recording.stored is None else recording.stored.scan()
    found = samples.group_by("container_id").len("rows").collect(engine="streaming")
    joined = beside(recording.containers.select("container_id"), found, "container_id")
    return joined["rows"].fill_null(0).to_numpy().astype(np.int64)


def _bounds(containers: pl.DataFrame, ends: NDArray[np.int64], rows: int) -> Iterator[int]:
    # Containers are sorted by workload; should they not be, a part reaches to the last one of a workload.
    number = containers.select(pl.struct("cluster", "namespace", "workload").rank("dense")).to_series().to_numpy()
    last = np.zeros(int(number.max()) + 1, dtype=np.int64)
    last[number] = np.arange(len(number))
    reach = np.maximum.accumulate(last[number])
    begun = 0
    for end in np.flatnonzero(reach == np.arange(len(number))) + 1:
        if ends[end - 1] - begun >= rows or end == len(number):
            yield int(end)
            begun = ends[end - 1]


Given = TypeVar("Given")
Made = TypeVar("Made")

#: Parts in memory at once, however many cores there are.
_MOST_WORKERS: Final = 4


def in_parallel(work: Callable[[Given], Made], parts: Iterable[Given]) -> Iterator[Made]:
    todo = iter(parts)
    ahead = list(islice(todo, 2))
    workers = min(_cores(), _MOST_WORKERS) if len(ahead) > 1 else 1
    todo = chain(ahead, todo)
    # A part that was worked on is let go.
    del ahead
    with _one_thread_for_matrices():
        if workers == 1:
            yield from map(work, todo)
            return
        pool = ThreadPoolExecutor(workers)
        try:
            # One more than there are workers: none waits while the oldest answer is taken.
            futures = deque(pool.submit(work, part) for part in islice(todo, workers + 1))
            while futures:
                done = futures.popleft().result()
                futures.extend(pool.submit(work, part) for part in islice(todo, 1))
                yield done
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _one_thread_for_matrices() -> Iterator[None]:
    """Keep OpenBLAS to one thread: the others would only wait, busily, for matrices as small as these."""
    ask, tell = _openblas() or (lambda: 1, lambda _: None)
    before = ask()
    tell(1)
    try:
        yield
    finally:
        tell(before)


def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Find the two functions in the library that numpy brings; None where it uses another one."""
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined] # noqa: SLF001
        for name in ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads"):
            ask, tell = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
            if ask is not None and tell is not None:
                return ask, tell
    return None


@runtime_checkable
class Parted(Protocol):
    """What is read part by part, and knows its parts itself: a lake."""

    def recording(self, *predicates: pl.Expr) -> Recording: ...
    def containers(self) -> pl.DataFrame: ...
    def times(self) -> tuple[dt.datetime, dt.datetime] | None: ...
    def tells_restarts(self) -> bool: ...
    def map_parts(self, work: Work, client: Client | None) -> tuple[Frames, Recording]: ...


def as_source(data: Any) -> Recording | Parted:  # noqa: ANN401 - any kind of table
    return data if isinstance(data, Parted) and not isinstance(data, type) else as_recording(data)


def parallel_map(
    source: Recording | Parted, work: Work, *, client: Client | None = None, otherwise: Otherwise | None = None
) -> tuple[Frames, Recording]:
    """Do the same work on every part, and put the answers together; with whom it fails stands alone."""
    _check_bound(source)
    work = partial(netted, work, otherwise=otherwise or partial(_unjudged, work))
    if isinstance(source, Parted):
        return source.map_parts(work, client)
    return _together(each(work, partition(source), client)), source


def _check_bound(source: Recording | Parted) -> None:
    """Refuse at once what would not be done within memory and an hour."""
    containers = source.containers if isinstance(source, Recording) else source.containers()
    if containers.height > _MOST_WORKLOADS and (found := containers.select(WORKLOAD).n_unique()) > _MOST_WORKLOADS:
        names = source.report.sources[:3] if isinstance(source, Recording) else ()
        msg = (
            f"{', '.join(map(quote_path, names)) or repr(source)}: {found:,} containers of workloads, and at most "
            f"{_MOST_WORKLOADS:,} are judged at once. Hint: look at a namespace or a cluster at a time, or read less."
        )
        raise RmtoolkitError(msg)


def _together(pieces: Iterable[Frames]) -> Frames:
    made = list(pieces)
    return {name: pl.concat([piece[name] for piece in made], how="diagonal") for name in made[0]}


def netted(work: Work, part: Recording, *, otherwise: Otherwise) -> Frames:
    """Do the work on a part; with whom it fails is found by halves, and its neighbours are as without it."""

    def apart(error: BaseException) -> Frames:
        # Where the containers of another workload begin; one alone where these are not side by side.
        same = part.containers.select(pl.struct("cluster", "namespace", "workload").rle_id()).to_series()
        is_sorted = same.len() and same[-1] + 1 == part.containers.select("cluster", "namespace", "workload").n_unique()
        begins = same.arg_unique().to_list() if is_sorted else [0]
        if len(begins) > 1:
            middle = begins[len(begins) // 2]
            halves = (part.containers[:middle], part.containers[middle:])
            parts = (part.filter(pl.col("container_id").is_in(half["container_id"].implode())) for half in halves)
            return _together(netted(work, half, otherwise=otherwise) for half in parts)
        name = _name(part)
        with named(f"{quote_path(name)} could not be judged"):
            made = otherwise(part, error)
        warn(f"{quote_path(name)} could not be judged: {fault(error)}.")
        return made

    return spared(apart, work, part)


def _name(part: Recording) -> str:
    about = part.containers.row(0, named=True)
    name = "/".join(filter(None, (about["cluster"], about["namespace"], about["workload"])))
    return name or about["container"] or "this process"


def _unjudged(work: Work, part: Recording, error: BaseException) -> Frames:
    name = _name(part)
    blank = part.containers.drop("limit_bytes", "request_bytes").with_columns(limit_known=pl.lit(value=False))
    last = part.samples.group_by("container_id", maintain_order=True).agg(pl.col("time").last())
    made = work(Recording(conform(blank, CONTAINERS), conform(last, SAMPLES), empty(EVENTS), part.report))
    said, why = f"{name} could not be judged.", f"It ended in an {fault(error)}."
    step = f"{REPORT_BUG}: {met(error)}."
    words = {"headline": said, "reason": why, "explanation": f"{said} {why}", "next_step": step}
    piece = {
        "says": "not_measured",
        "text": "could not be judged",
        "value": met(error),
        "weight": 3,
        "statistic": NOT_JUDGED,
    }
    for frame in {"verdicts", "instances"} & made.keys():
        rows = made[frame]
        made[frame] = rows.with_columns(
            *(pl.lit(words[column], dtype).alias(column) for column, dtype in rows.schema.items() if column in words),
            pl.Series("evidence", [[piece]] * rows.height, dtype=rows.schema["evidence"]),
        )
    return made


def each(
    work: Callable[[Any], Any], items: Iterable[Any], client: Client | None, total: int | None = None
) -> Iterator[Any]:
    """Work on all items, in their order; where it is known how many there are, a bar shows how far it is."""
    made = in_parallel(work, items) if client is None else on_workers(work, list(items), client)
    if total is None:
        yield from made
        return
    from tqdm.auto import tqdm  # noqa: PLC0415 - only for what takes long

    # None: no bar where nobody looks.
    yield from tqdm(made, total=total, disable=None, delay=2, leave=False, unit="bucket")


@contextmanager
def connected(address: str | None) -> Iterator[Client | None]:
    if address is None:
        yield None
        return
    try:
        from distributed import Client  # noqa: PLC0415 - an extra that few have, and slow to import
    except ImportError as error:
        msg = "A scheduler needs Dask distributed, which is not installed. Hint: pip install 'rmtoolkit[fleet]'."
        raise RmtoolkitError(msg) from error
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        msg = f"No Dask scheduler answers at {quote_path(address)}. Hint: start `dask scheduler`, or see its address."
        raise RmtoolkitError(msg) from error
    try:
        yield client
    finally:
        client.close()


def on_workers(work: Callable[[Any], Any], items: Sequence[Any], client: Client) -> Iterator[Any]:
    from distributed.scheduler import KilledWorker  # noqa: PLC0415 - an extra that few have, and slow to import

    futures = client.map(partial(_alone, work), items, pure=False)
    done = 0
    try:
        for done, future in enumerate(futures):  # noqa: B007 - how many were given when it ended
            yield future.result()
            future.release()
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
    except CancelledError as error:
        msg = f"Dask gave back only {done:,} of {len(items):,} parts: the connection to the scheduler was lost."
        raise RmtoolkitError(msg) from error
    finally:
        client.cancel(futures)


def _alone(work: Callable[[Any], Any], item: Any) -> Any:  # noqa: ANN401 - whatever there is to do
    """Work on one item, with one thread for matrices: the other workers use the other cores."""
    return next(in_parallel(work, [item]))
