"""Work on several parts at once, each on one core."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Given = TypeVar("Given")
Made = TypeVar("Made")

#: Parts in memory at once, however many cores there are.
_MOST_WORKERS: Final = 4
_TWO: Final = 2
_OPENBLAS: Final = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads")


def in_parallel(work: Callable[[Given], Made], parts: Iterable[Given]) -> Iterator[Made]:
    """Work on parts, a few at once.

    Parameters
    ----------
    work
        Mostly in libraries that let other threads run.
    parts
        What to work on; each is asked for when its turn comes.

    Yields
    ------
    object
        What was made of each part, in their order; the first error ends it.

    Examples
    --------
    >>> list(in_parallel(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
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
