"""Events of a heaptrack file read and counted byte by byte, compiled: the same numbers, in half the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

from rmtoolkit.heap.blocks import MARGIN
from rmtoolkit.heap.heaptrack_account import Nets
from rmtoolkit.heap.heaptrack_events import Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

#: The shortest line of an event: ``+ 0``, and the shortest that is none: its end alone.
_SHORTEST: Final = 4
_MOST_OTHERS: Final = 1 << 16
#: Places of what a tally carries from one call to the next.
_LIVE, _LAST, _PEAK, _PEAK_AT, _PLACES = range(5)


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        compiled = numba.njit(nogil=True)(function)
    return compiled


def _find(text: Any, place: Any, keys: Any, count: Any, starts: Any, ends: Any, before: Any, others: Any) -> Any:  # noqa: ANN401
    """Read lines from a place on; stop where there is no more room for others."""
    size = len(text)
    while place < size:
        begin = place
        kind = text[place]
        if (kind == 43 or kind == 45) and place + 2 < size and text[place + 1] == 32:  # noqa: PLR1714
            place += 2
            value = 0
            good = True
            character = text[place]
            while character != 10:
                digit = (character & 15) + 9 * ((character >> 6) & 1)
                good = good and digit < 16 and ((character >> 6) ^ (character >> 4)) & 1 == 1
                value = (value << 4) | digit
                place += 1
                character = text[place]
            length = place - begin - 2
            place += 1
            if good and 0 < length <= 8:
                keys[count] = value * 2 + (kind == 45)
                count += 1
                continue
            place -= 1
        else:
            while text[place] != 10:
                place += 1
        starts[others] = begin
        ends[others] = place
        before[others] = count
        others += 1
        place += 1
        if others == len(starts):
            break
    return place, count, others


def _run(
    keys: Any,  # noqa: ANN401
    begin: Any,  # noqa: ANN401
    end: Any,  # noqa: ANN401
    signed: Any,  # noqa: ANN401
    traces: Any,  # noqa: ANN401
    counts: Any,  # noqa: ANN401
    temporaries: Any,  # noqa: ANN401
    nets: Any,  # noqa: ANN401
    state: Any,  # noqa: ANN401
    find_temporaries: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Count events, and follow what is live; return the most of it."""
    live = state[0]
    last = state[1]
    most = live
    most_at = -1
    for number in range(begin, end):
        key = keys[number]
        size = signed[key]
        live += size
        counts[key] += 1
        trace = traces[key >> 1]
        nets[trace, 0] += size
        if key & 1:
            nets[trace, 1] -= 1
            if find_temporaries and key ^ 1 == last:
                temporaries[key >> 1] += 1
            last = 0
        else:
            nets[trace, 1] += 1
            last = key
            if live > most:
                most = live
                most_at = number
    state[0] = live
    state[1] = last
    if most > state[2]:
        state[2] = most
        state[3] = most_at
    return most


_find_compiled: Final = _compile(_find)
_run_compiled: Final = _compile(_run)


def decode(block: memoryview) -> Events:
    r"""Find the events of a block, and the lines that are none.

    Parameters
    ----------
    block
        `MARGIN` bytes of anything, then whole lines.

    Returns
    -------
    Events
        The same as `rmtoolkit.heap.heaptrack_events.decode` gives.

    Examples
    --------
    >>> events = decode(memoryview(b"\0" * MARGIN + b"+ 1f\nc a\n- 1f\n+ 1 2 3\n"))
    >>> events.keys.tolist(), events.starts.tolist(), events.before.tolist()
    ([62, 63], [13, 22], [1, 2])
    """
    text = np.frombuffer(block, np.uint8)
    keys = np.empty(len(text) // _SHORTEST + 1, np.int64)
    parts = []
    place, count = MARGIN, 0
    while place < len(text):
        starts, ends, before = (np.empty(_MOST_OTHERS, np.int64) for _ in range(3))
        place, count, others = _find_compiled(text, place, keys, count, starts, ends, before, 0)
        parts.append((starts[:others], ends[:others], before[:others]))
    if len(parts) == 1:
        return Events(keys[:count], *parts[0])
    starts, ends, before = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Events(keys[:count], starts, ends, before)


class NumbaTally:
    """Counts events one by one: what `rmtoolkit.heap.heaptrack_account.NumpyTally` does.

    Examples
    --------
    >>> tally = NumbaTally()
    >>> tally.grow(np.array([10, 5]), np.array([1, 2]), 3)
    >>> tally.load(np.array([0, 2, 1]))  # both entries, then the first is freed
    >>> tally.advance(2), tally.live, tally.advance(3), tally.live
    (15, 15, 15, 5)
    >>> tally.counts.tolist(), tally.at_peak().tolist()
    ([1, 1, 1, 0], [1, 0, 1, 0])
    """

    def __init__(self) -> None:
        self.counts = np.zeros(0, np.int64)
        self.temporaries = np.zeros(0, np.int64)
        self._signed = np.zeros(0, np.int64)
        self._traces = np.zeros(0, np.int64)
        self._nets = np.zeros((0, 2), np.int64)
        self._state = np.zeros(_PLACES, np.int64)
        self._state[_PEAK_AT] = -1
        self._from = 0
        self._at = 0
        self._keys = self._before = self.counts
        self._best: tuple[Integers, Integers] = self.counts, self.counts
        self._find_temporaries = True

    @property
    def live(self) -> int:
        """Bytes that are live now."""
        return int(self._state[_LIVE])

    def grow(self, sizes: Integers, traces: Integers, most_traces: int) -> None:
        """Learn of more entries; the last one takes events of entries that do not exist."""
        more = 2 * len(sizes) - len(self.counts)
        self._signed = np.column_stack((sizes, -sizes)).ravel()
        self._traces = traces
        self.counts = np.append(self.counts, np.zeros(more, np.int64))
        self.temporaries = np.append(self.temporaries, np.zeros(more // 2, np.int64))
        self._nets = np.append(self._nets, np.zeros((most_traces - len(self._nets), 2), np.int64), axis=0)

    def load(self, keys: Integers, temporary: Integers | None = None) -> None:
        """Take the events of a block."""
        self._keep_peak()
        self._keys, self._at, self._from = keys, 0, 0
        self._before = self.counts.copy()
        self._find_temporaries = temporary is None
        if temporary is not None:
            self.temporaries += np.bincount(temporary, minlength=len(self.temporaries))

    def _keep_peak(self) -> None:
        """Remember the block in which the peak was, before the next one comes."""
        if self._state[_PEAK_AT] >= 0:
            end = int(self._state[_PEAK_AT]) + 1
            self._best = self._before, self._keys[self._from : end]
            self._state[_PEAK_AT] = -1

    def advance(self, end: int) -> int:
        """Go on to an event of the block; say how much was live at most on the way."""
        if end <= self._at:
            return self.live
        most = _run_compiled(
            self._keys,
            self._at,
            end,
            self._signed,
            self._traces,
            self.counts,
            self.temporaries,
            self._nets,
            self._state,
            self._find_temporaries,
        )
        self._at = end
        return int(most)

    def nets(self) -> Nets:
        """Say what changed since the last time."""
        changed = np.flatnonzero(self._nets.any(axis=1))
        size, blocks = self._nets[changed].T
        self._nets[changed] = 0
        return Nets(changed, size, blocks)

    def at_peak(self) -> Integers:
        """Count the allocations and frees of each entry up to the peak."""
        self._keep_peak()
        counts, keys = self._best
        counts = np.append(counts, np.zeros(len(self.counts) - len(counts), np.int64))
        return counts + np.bincount(keys, minlength=len(counts))

    def reset(self) -> None:
        """Forget everything so far."""
        for array in (self.counts, self.temporaries, self._nets, self._state):
            array[:] = 0
        self._state[_PEAK_AT] = -1
        self._from = self._at
        self._before = self.counts.copy()
        self._best = self._before, self.counts[:0]
