"""Events of a heaptrack file read and counted one by one, compiled: the same numbers, in less than half the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

from rmtoolkit.heap._heaptrack_events import MARGIN, Events, Nets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]


#: The shortest line of an event: ``+ 0`` and its end.
_SHORTEST: Final = 4
_MOST_OTHERS: Final = 1 << 16
#: Places of what a tally carries from one call to the next.
_LIVE, _LAST, _PEAK, _PEAK_AT, _STEP, _TOUCHED, _PLACES = range(7)
#: Columns of what it counts per entry; one entry's stand together, since memory is slower than everything else here.
_SIZE, _ALLOCATIONS, _FREES, _TEMPORARIES, _SEEN, _TRACE, _COLUMNS = range(7)
#: Words of eight bytes that are the same each, and one that holds n << 4 in its nth byte from the top.
_ENDS: Final = np.uint64(0x0A0A0A0A0A0A0A0A)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_PLACE: Final = np.uint64(0x0010203040506070)
_NIBBLES: Final = np.uint64(0x0F0F0F0F0F0F0F0F)
_SIXTEENS: Final = np.uint64(0x1010101010101010)
_BYTES: Final = np.uint64(0x00FF00FF00FF00FF)
_PAIRS: Final = np.uint64(0x0000FFFF0000FFFF)
_JOIN_NIBBLES: Final = np.uint64((16 << 8) + 1)
_JOIN_BYTES: Final = np.uint64((1 << 24) + 1)
_JOIN_PAIRS: Final = np.uint64((1 << 48) + 1)


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        compiled = numba.njit(nogil=True)(function)
    return compiled


def _one(text: Any, begin: Any, end: Any) -> Any:  # noqa: ANN401
    """Read one line; give its key, or -1 where it is no event."""
    kind = text[begin]
    length = end - begin - 2
    if not ((kind == 43 or kind == 45) and 0 < length <= 8 and text[begin + 1] == 32):  # noqa: PLR1714
        return -1
    index = 0
    for place in range(begin + 2, end):
        character = text[place]
        digit = (character & 15) + 9 * ((character >> 6) & 1)
        if digit > 15 or ((character >> 6) ^ (character >> 4)) & 1 == 0:
            return -1
        index = (index << 4) | digit
    return index * 2 + ((kind >> 2) & 1)


_one = _compile(_one)


def _find(
    text: Any,  # noqa: ANN401
    words: Any,  # noqa: ANN401
    place: Any,  # noqa: ANN401
    keys: Any,  # noqa: ANN401
    count: Any,  # noqa: ANN401
    starts: Any,  # noqa: ANN401
    ends: Any,  # noqa: ANN401
    before: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Read lines from a place on; stop where there is no more room for others."""
    size = len(text)
    others = 0
    one, four, six, seven, eight = np.uint64(1), np.uint64(4), np.uint64(6), np.uint64(7), np.uint64(8)
    while place < size:
        begin = place
        kind = text[place]
        if (kind == 43 or kind == 45) and place + 10 <= size and text[place + 1] == 32:  # noqa: PLR1714
            # Where the line ends within the next eight bytes, all its digits are read at once.
            word = words[place + 2]
            other = word ^ _ENDS
            found = (other - _ONES) & ~other & _HIGHS
            lowest = (found & (~found + one)) >> seven
            digits = (lowest * _PLACE) >> np.uint64(60)
            if digits > np.uint64(0):
                shift = np.uint64(64) - eight * digits
                word = word << shift
                letters = (word >> six) & _ONES
                either = ((word >> four) & _ONES) ^ letters
                value = (word & _NIBBLES) + letters * np.uint64(9)
                if either == (_ONES << shift) and value & _SIXTEENS == 0:
                    value = (value * _JOIN_NIBBLES) >> eight
                    value = ((value & _BYTES) * _JOIN_BYTES) >> np.uint64(16)
                    value = ((value & _PAIRS) * _JOIN_PAIRS) >> np.uint64(32)
                    keys[count] = np.int64(value) * 2 + ((kind >> 2) & 1)
                    count += 1
                    place += 3 + np.int64(digits)
                    continue
        while text[place] != 10:
            place += 1
        key = _one(text, begin, place)
        if key >= 0:
            keys[count] = key
            count += 1
            place += 1
            continue
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
    entries: Any,  # noqa: ANN401
    touched: Any,  # noqa: ANN401
    state: Any,  # noqa: ANN401
    find_temporaries: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Count events, and follow what is live; return the most of it."""
    live = state[0]
    last = state[1]
    step = state[4]
    count = state[5]
    most = live
    most_at = -1
    for number in range(begin, end):
        key = keys[number]
        is_free = key & 1
        entry = entries[key >> 1]
        live += entry[0] * (1 - 2 * is_free)
        entry[1 + is_free] += 1
        entry[3] += find_temporaries & (key ^ 1 == last)
        last = key * (1 - is_free)
        if entry[4] != step:
            entry[4] = step
            touched[count] = key >> 1
            count += 1
        if live > most:
            most = live
            most_at = number
    state[0] = live
    state[1] = last
    state[5] = count
    if most > state[2]:
        state[2] = most
        state[3] = most_at
    return most


def _sum_up(
    entries: Any,  # noqa: ANN401
    held: Any,  # noqa: ANN401
    touched: Any,  # noqa: ANN401
    count: Any,  # noqa: ANN401
    size: Any,  # noqa: ANN401
    blocks: Any,  # noqa: ANN401
    is_listed: Any,  # noqa: ANN401
    traces: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Add up per trace what changed in the entries that were touched; list the traces."""
    listed = 0
    for place in range(count):
        number = touched[place]
        entry = entries[number]
        live = entry[1] - entry[2]
        change = live - held[number]
        held[number] = live
        if change != 0:
            trace = entry[5]
            size[trace] += change * entry[0]
            blocks[trace] += change
            if not is_listed[trace]:
                is_listed[trace] = True
                traces[listed] = trace
                listed += 1
    return listed


_find_compiled: Final = _compile(_find)
_run_compiled: Final = _compile(_run)
_sum_up_compiled: Final = _compile(_sum_up)


def decode(block: memoryview) -> Events:
    r"""Find the events of a block, and the lines that are none."""
    text = np.frombuffer(block, np.uint8)
    words = np.ndarray((len(text) - 7,), "<u8", block, strides=(1,))
    keys = np.empty(len(text) // _SHORTEST + 1, np.int64)
    parts = []
    place, count = MARGIN, 0
    while place < len(text):
        starts, ends, before = (np.empty(_MOST_OTHERS, np.int64) for _ in range(3))
        place, count, others = _find_compiled(text, words, place, keys, count, starts, ends, before)
        parts.append((starts[:others], ends[:others], before[:others]))
    if len(parts) == 1:
        return Events(keys[:count], *parts[0])
    starts, ends, before = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Events(keys[:count], starts, ends, before)


class NumbaTally:
    """Counts events one by one: what `rmtoolkit.heap._heaptrack_events.NumpyTally` does."""

    def __init__(self) -> None:
        self._entries = np.zeros((0, _COLUMNS), np.int64)
        self._held = np.zeros(0, np.int64)
        self._touched = np.zeros(0, np.int64)
        self._size = np.zeros(0, np.int64)
        self._blocks = np.zeros(0, np.int64)
        self._is_listed = np.zeros(0, np.bool_)
        self._state = np.zeros(_PLACES, np.int64)
        self._state[_PEAK_AT] = -1
        self._state[_STEP] = 1
        self._from = 0
        self._at = 0
        self._keys = self._before = self._held
        self._best: tuple[Integers, Integers] = self._held, self._held
        self._find_temporaries = 1

    @property
    def live(self) -> int:
        """Bytes that are live now."""
        return int(self._state[_LIVE])

    @property
    def counts(self) -> Integers:
        """Allocations and frees of each entry, one after the other."""
        return self._entries[:, _ALLOCATIONS : _FREES + 1].ravel()

    @property
    def temporaries(self) -> Integers:
        """Temporary allocations of each entry."""
        return self._entries[:, _TEMPORARIES]

    @property
    def entries(self) -> int:
        """How many entries are known."""
        return len(self._entries)

    def grow(self, sizes: Integers, traces: Integers, most_traces: int) -> None:
        """Learn of more entries; the last one takes events of entries that do not exist."""
        more = len(sizes) - len(self._entries)
        self._entries = np.append(self._entries, np.zeros((more, _COLUMNS), np.int64), axis=0)
        self._entries[:, _SIZE], self._entries[:, _TRACE] = sizes, traces
        self._held, self._touched = (np.append(old, np.zeros(more, np.int64)) for old in (self._held, self._touched))
        more = most_traces - len(self._size)
        self._size, self._blocks = (np.append(old, np.zeros(more, np.int64)) for old in (self._size, self._blocks))
        self._is_listed = np.append(self._is_listed, np.zeros(more, np.bool_))

    def load(self, keys: Integers, temporary: Integers | None = None) -> None:
        """Take the events of a block."""
        self._keep_peak()
        self._keys, self._at, self._from = keys, 0, 0
        self._before = self.counts
        self._find_temporaries = int(temporary is None)
        if temporary is not None:
            self._entries[:, _TEMPORARIES] += np.bincount(temporary, minlength=len(self._entries))

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
        begin, self._at = self._at, end
        return int(
            _run_compiled(self._keys, begin, end, self._entries, self._touched, self._state, self._find_temporaries)
        )

    def nets(self) -> Nets:
        """Say what changed since the last time."""
        count = int(self._state[_TOUCHED])
        traces = np.empty(min(count, len(self._size)), np.int64)
        listed = _sum_up_compiled(
            self._entries, self._held, self._touched, count, self._size, self._blocks, self._is_listed, traces
        )
        self._state[_TOUCHED] = 0
        self._state[_STEP] += 1
        traces = np.sort(traces[:listed])
        size, blocks = self._size[traces], self._blocks[traces]
        self._size[traces] = self._blocks[traces] = 0
        self._is_listed[traces] = False
        kept = (size != 0) | (blocks != 0)
        return Nets(traces[kept], size[kept], blocks[kept])

    def at_peak(self) -> Integers:
        """Count the allocations and frees of each entry up to the peak."""
        self._keep_peak()
        counts, keys = self._best
        counts = np.append(counts, np.zeros(2 * len(self._entries) - len(counts), np.int64))
        return counts + np.bincount(keys, minlength=len(counts))

    def reset(self) -> None:
        """Forget everything so far."""
        self._entries[:, _ALLOCATIONS : _TEMPORARIES + 1] = 0
        self._held[:] = 0
        self._state[[_LIVE, _LAST, _PEAK, _TOUCHED]] = 0
        self._state[_PEAK_AT] = -1
        self._state[_STEP] += 1
        self._from = self._at
        self._before = self.counts
        self._best = self._before, self._held[:0]
