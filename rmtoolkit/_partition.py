"""Cut a recording into parts that hold all there is of some workloads, and work on several at once."""

from __future__ import annotations

import ctypes
import dataclasses
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import polars as pl

from rmtoolkit.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray


#: Samples that a part has at least, unless the recording ends before.
PART_ROWS: Final = 2_000_000


def parts(recording: Recording, rows: int = PART_ROWS) -> Iterator[Recording]:
    """Cut a recording into parts, without reading the samples of a stored one."""
    if not recording.containers.height:
        yield recording
        return
    counts = _counts(recording)
    ends = np.cumsum(counts)
    begin = 0
    for end in _bounds(recording.containers, ends, rows):
        if begin == 0 and end == len(counts) and recording.stored is None:
            yield recording
            return
        containers = recording.containers[begin:end]
        low = int(ends[begin - 1]) if begin else 0
        length = int(ends[end - 1]) - low
        events = recording.events.filter(pl.col("container_id").is_in(containers["container_id"].implode()))
        if recording.stored is None:
            yield Recording(containers, recording.samples.slice(low, length), events, recording.report)
        else:
            mine = dataclasses.replace(
                recording.stored, first=low, rows=length, counts=tuple(map(int, counts[begin:end]))
            )
            yield Recording.waiting(containers, mine, events, recording.report)
        begin = end


def _counts(recording: Recording) -> NDArray[np.int64]:
    """Count the samples of each container, in the order of the containers."""
    if recording.stored is not None and recording.stored.counts is not None:
        return np.array(recording.stored.counts, dtype=np.int64)
    samples = recording.samples.lazy() if recording.stored is None else recording.stored.scan()
    found = samples.group_by("container_id").len("rows").collect(engine="streaming")
    joined = recording.containers.join(found, on="container_id", how="left", maintain_order="left")
    return joined["rows"].fill_null(0).to_numpy().astype(np.int64)


def _bounds(containers: pl.DataFrame, ends: NDArray[np.int64], rows: int) -> Iterator[int]:
    """Positions behind the last container of each part."""
    # Containers are sorted by workload; should they not be, a part reaches to the last one of a workload.
    number = containers.select(pl.struct("cluster", "namespace", "workload").rank("dense")).to_series().to_numpy()
    last = np.zeros(int(number.max(initial=0)) + 1, dtype=np.int64)
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
_TWO: Final = 2
_OPENBLAS: Final = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads")


def in_parallel(work: Callable[[Given], Made], parts: Iterable[Given]) -> Iterator[Made]:
    """Work on parts, a few at once."""
    todo = iter(parts)
    ahead = list(islice(todo, 2))
    workers = min(_cores(), _MOST_WORKERS) if len(ahead) == _TWO else 1
    todo = chain(ahead, todo)
    # A part that was worked on is let go.
    del ahead
    with _one_thread_for_matrices():
        if workers == 1:
            yield from map(work, todo)
            return
        pool = ThreadPoolExecutor(workers)
        try:
            futures: deque[Future[Made]] = deque()
            # One more than there are workers: none waits while the oldest answer is taken.
            futures.extend(pool.submit(work, part) for part in islice(todo, workers + 1))
            while futures:
                done = futures.popleft().result()
                futures.extend(pool.submit(work, part) for part in islice(todo, 1))
                yield done
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _one_thread_for_matrices() -> Iterator[None]:
    """Keep OpenBLAS to one thread: the others would only wait, busily, for matrices as small as these."""
    calls = _openblas()
    if calls is None:
        yield
        return
    ask, tell = calls
    before = ask()
    tell(1)
    try:
        yield
    finally:
        tell(before)


def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Find the two functions in the library that numpy brings; None where it uses another one."""
    try:
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined] # noqa: SLF001
    except (AttributeError, OSError):
        return None
    for name in _OPENBLAS:
        ask, tell = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
        if ask is not None and tell is not None:
            return ask, tell
    return None
