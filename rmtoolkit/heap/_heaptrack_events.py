"""Events of a heaptrack file as numbers: what allocations and frees add up to, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import _files

Integers = NDArray[np.int64]
Words = NDArray[np.unsignedinteger[Any]]

#: Steps of the growth table: when there are so many, every two become one.
_MOST_STEPS: Final = 512
#: Rows of the growth table: the same.
_MOST_GROWTH: Final = 1 << 19
#: A step is at least so many events or so many milliseconds long.
_STEP_EVENTS: Final = 256
_STEP_MS: Final = 10
#: Bytes of a packed file per event: a first guess that spares merging.
_PACKED_PER_EVENT: Final = 2
#: So many events may wait until they are summed up.
_MOST_MOVED: Final = 1 << 20


class Mark(NamedTuple):
    """A line that has its place among the events: a stamp (c), the resident pages (R), an attachment (A)."""

    before: int
    kind: str
    value: int


class Nets(NamedTuple):
    """What changed within a step: traces, and by how many bytes and blocks."""

    traces: Integers
    size: Integers
    blocks: Integers


def _nothing() -> Nets:
    return Nets(*np.zeros((3, 0), np.int64))


class Tally:
    def __init__(self) -> None:
        self.counts = self.temporaries = np.zeros(0, np.int64)
        self.live = 0
        self._signed = self._places = self._keys = self._moves = self._cum = np.zeros(0, np.int64)
        self._most_traces = self._last = self._peak = self._at = self._base = 0
        self._best: tuple[Integers, Integers] = self.counts, self._keys
        # Events since the last step, with their bytes, and what was summed up of them already.
        self._moved: list[tuple[Integers, Integers]] = []
        self._nets = _nothing()

    def grow(self, sizes: Integers, traces: Integers, most_traces: int) -> None:
        """Learn of more entries; the last one takes events of entries that do not exist."""
        # What moved was counted for the table as it was.
        self._sum_up()
        more = np.zeros(len(sizes) - len(self.temporaries), np.int64)
        self._signed = np.column_stack((sizes, -sizes)).ravel()
        self._places = np.column_stack((2 * traces, 2 * traces + 1)).ravel()
        self._most_traces = most_traces
        self.counts = np.concatenate((self.counts, more, more))
        self.temporaries = np.append(self.temporaries, more)

    def load(self, keys: Integers, temporary: Integers | None = None) -> None:
        self._keys, self._at, self._base = keys, 0, self.live
        if not len(keys):
            return
        if sum(len(moved) for moved, _ in self._moved) > _MOST_MOVED:
            self._sum_up()
        # No key is beyond the table, so none is clipped: it only spares a second look at each.
        self._moves = self._signed.take(keys, mode="clip")
        self._cum = self._moves.cumsum()
        best = int(self._cum.argmax())
        if self._base + int(self._cum[best]) > self._peak:
            self._peak = self._base + int(self._cum[best])
            self._best = self.counts.copy(), keys[: best + 1]
        self.counts += np.bincount(keys, minlength=len(self.counts))
        if temporary is None:
            temporary = self._freed_at_once(keys)
        self.temporaries += np.bincount(temporary, minlength=len(self.temporaries))

    def _freed_at_once(self, keys: Integers) -> Integers:
        """Find entries that are freed right after they were allocated; entry 0 after any free, as heaptrack does."""
        pairs = keys[1:][keys[1:] - keys[:-1] == 1]
        pairs = pairs[(pairs & 1) == 1]
        zeros = np.flatnonzero(keys == 1)
        before = np.where(zeros > 0, keys[zeros - 1], self._last)
        more = int(((before & 1) == 1).sum())
        first = int(keys[0]) & 1 and int(keys[0]) ^ 1 == self._last
        self._last = int(keys[-1])
        return np.concatenate((pairs >> 1, np.zeros(more, np.int64), keys[:1] >> 1 if first else zeros[:0]))

    def advance(self, end: int) -> int:
        if end <= self._at:
            return self.live
        most = max(self.live, self._base + int(self._cum[self._at : end].max()))
        self.live = self._base + int(self._cum[end - 1])
        self._moved.append((self._keys[self._at : end], self._moves[self._at : end]))
        self._at = end
        return most

    def nets(self) -> Nets:
        self._sum_up()
        found, self._nets = self._nets, _nothing()
        return found

    def _sum_up(self) -> None:
        if not self._moved:
            return
        keys, moves = self._moved[0] if len(self._moved) == 1 else map(np.concatenate, zip(*self._moved, strict=True))
        self._moved.clear()
        places, many, found = self._places.take(keys, mode="clip"), self._most_traces, None
        if 4 * len(keys) < many:
            found, where = np.unique(places >> 1, return_inverse=True)
            places, many = 2 * where + (places & 1), len(found)
        counts = np.bincount(places, minlength=2 * many)
        blocks = counts[0::2] - counts[1::2]
        size = np.bincount(places, moves, 2 * many)
        sizes = (size[0::2] + size[1::2]).astype(np.int64)
        changed = np.flatnonzero((sizes != 0) | (blocks != 0))
        nets = Nets(changed if found is None else found[changed], sizes[changed], blocks[changed])
        self._nets = added(self._nets, nets) if len(self._nets.traces) else nets

    def at_peak(self) -> Integers:
        counts, keys = self._best
        counts = np.append(counts, np.zeros(len(self.counts) - len(counts), np.int64))
        return counts + np.bincount(keys, minlength=len(counts))

    def reset(self) -> None:
        left = self._keys[self._at :]
        self.counts = np.bincount(left, minlength=len(self.counts))
        self.temporaries[:] = 0
        self._moved.clear()
        self._nets = _nothing()
        self._base -= self.live
        self.live = self._peak = 0
        self._best = self.counts[:0], left[:0]
        if len(left):
            best = int(self._cum[self._at :].argmax())
            if (most := self._base + int(self._cum[self._at + best])) > 0:
                self._peak = most
                self._best = self.counts[:0], left[: best + 1]


class Row(NamedTuple):
    """A stamp: when, how much is live, at most since the stamp before, resident, and events so far."""

    ms: int
    live: int
    most: int
    rss: int
    events: int


class Account:
    """Follows a whole file: the timeline, the peak, and what each trace holds over time."""

    def __init__(self, tally: Tally, packed_bytes: int) -> None:
        self.tally = tally
        self.peak = self.peak_ms = self.last_ms = self.rss_pages = self.events = 0
        self.rows: list[Row] = []
        self.steps: list[tuple[int, int, Nets]] = []
        self.late_stamps = 0
        self._most = self._growth_rows = 0
        self._step_events = max(_STEP_EVENTS, packed_bytes // _PACKED_PER_EVENT // _MOST_STEPS)
        self._step_ms = _STEP_MS
        self._step_began = (0, 0)

    def add(self, keys: Integers, marks: Sequence[Mark], temporary: Integers | None = None) -> None:
        self.tally.load(keys, temporary)
        begun = self.events
        for mark in marks:
            self._go(begun, mark.before)
            if mark.kind == "c":
                self._stamp(mark.value)
            elif mark.kind == "R":
                self._resident(mark.value)
            else:
                self._forget()
        self._go(begun, len(keys))

    def _go(self, begun: int, end: int) -> None:
        """Go on to an event; close steps on the way that hold enough events."""
        while (full := self._step_began[0] + self._step_events - begun) <= end:
            self._advance(full, begun)
            self.close()
        self._advance(end, begun)

    def _advance(self, end: int, begun: int) -> None:
        most = self.tally.advance(end)
        self._most = max(self._most, most)
        if most > self.peak:
            self.peak, self.peak_ms = most, self.last_ms
        self.events = max(self.events, begun + end)

    def _stamp(self, ms: int) -> None:
        if ms < self.last_ms:
            self.late_stamps += 1
            return
        self.last_ms = ms
        self.rows.append(Row(ms, self.tally.live, max(self._most, self.tally.live), -1, self.events))
        self._most = self.tally.live
        if ms - self._step_began[1] >= self._step_ms:
            self.close()

    def _resident(self, pages: int) -> None:
        self.rss_pages = max(self.rss_pages, pages)
        if self.rows:
            self.rows[-1] = self.rows[-1]._replace(rss=pages)

    def close(self) -> None:
        nets = self.tally.nets()
        self.steps.append((self.events, self.last_ms, nets))
        self._step_began = self.events, self.last_ms
        self._growth_rows += len(nets.traces)
        if len(self.steps) >= _MOST_STEPS or (self._growth_rows > _MOST_GROWTH and len(self.steps) > 1):
            self._merge()

    def _merge(self) -> None:
        self._step_events *= 2
        self._step_ms *= 2
        pairs = list(zip(self.steps[::2], self.steps[1::2], strict=False))
        odd = self.steps[2 * len(pairs) :]
        self.steps = [(events, ms, added(first, nets)) for (_, _, first), (events, ms, nets) in pairs] + odd
        self._growth_rows = sum(len(nets.traces) for *_, nets in self.steps)

    def _forget(self) -> None:
        self.tally.reset()
        self.rows.clear()
        self.steps.clear()
        self.peak = self.peak_ms = self._most = self._growth_rows = self.rss_pages = 0
        self._step_began = self.events, self.last_ms


def added(first: Nets, second: Nets) -> Nets:
    traces, where = np.unique(np.concatenate((first.traces, second.traces)), return_inverse=True)
    size, blocks = np.zeros((2, len(traces)), np.int64)
    np.add.at(size, where, np.concatenate((first.size, second.size)))
    np.add.at(blocks, where, np.concatenate((first.blocks, second.blocks)))
    kept = (size != 0) | (blocks != 0)
    return Nets(traces[kept], size[kept], blocks[kept])


_Item = TypeVar("_Item")

#: Room in front of every block, so that the digits before any end of line exist; its last byte is such an end.
MARGIN: Final = 32
_LINE_FEED: Final = ord("\n")
#: No line of any format is longer.
_LINE_BYTES: Final = 1 << 20

#: A packed file may unpack to this much, whatever its size; beyond that to this many times its size.
_ALWAYS_BYTES: Final = 128 << 20
_RATIO: Final = 100


class Blocks:
    def __init__(self, path: str | os.PathLike[str], *, expected: str, block_bytes: int) -> None:
        self.path = Path(path)
        self.block_bytes = block_bytes
        self.damage: str | None = None
        #: The last line, once all were given.
        self.end = b""
        if self.path.is_dir():
            raise ReadError.at(path, found="a folder", expected=expected)
        self.packed_bytes = self.path.stat().st_size
        with self.path.open("rb") as stream:
            self._magic = stream.read(6)
        if not self._magic:
            raise ReadError.at(path, found="an empty file", expected=expected)

    def __iter__(self) -> Iterator[memoryview]:
        """Give blocks of whole lines after `MARGIN` bytes; the next block overwrites the last one."""
        # What was left of the last block goes in front of the next one.
        front = MARGIN + _LINE_BYTES
        slot = bytearray(front + self.block_bytes)
        rest, given, begin, end = b"", 0, front, front
        allowed = max(_ALWAYS_BYTES, _RATIO * self.packed_bytes)
        for size in self._parts(memoryview(slot)[front:]):
            given += size
            if given > allowed or len(rest) > _LINE_BYTES:
                what = f"unpacks to more than {given - size:,}" if given > allowed else f"has a line of {len(rest):,}"
                self.damage = f"it {what} bytes, and no more was read"
                return
            end = slot.rfind(b"\n", front, front + size) + 1
            begin = front
            if end:
                begin = front - len(rest)
                slot[begin - 1] = _LINE_FEED
                slot[begin:front] = rest
                yield memoryview(slot)[begin - MARGIN : end]
            rest = bytes(slot[end : front + size]) if end else rest + slot[front : front + size]
        self.end = rest or bytes(slot[slot.rfind(b"\n", begin - 1, max(begin, end - 1)) + 1 : end])
        if rest:
            yield memoryview(b"".join((bytes(MARGIN - 1), b"\n", rest, b"\n")))

    def _parts(self, room: memoryview) -> Iterator[int]:
        with self.path.open("rb", buffering=0) as stream:
            parts = _files.unpacked(stream, self._magic)
            filled = 0
            try:
                for part in parts or ():
                    if filled + len(part) > len(room):
                        yield filled
                        filled = 0
                    room[filled : filled + len(part)] = part
                    filled += len(part)
            except _files.DAMAGE as error:
                self.damage = "it is cut off" if isinstance(error, EOFError) else "it is damaged"
            if filled:
                yield filled
            while parts is None and (size := stream.readinto(room)):
                yield size


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Make the next item while the last one is used; what makes it must let go of the interpreter to gain from that."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


_PLUS, _MINUS, _BLANK, _ZERO, _A = b"+- 0a"
#: What makes a capital small.
_SMALL: Final = 32
_MOST_DIGITS: Final = 8


class Events(NamedTuple):
    """What stands in one block; where blocks have addresses, also what is freed at once, and frees of nothing."""

    keys: Integers
    starts: Integers
    ends: Integers
    before: Integers
    temporary: Integers | None = None
    unmatched: int = 0


def decode(block: memoryview) -> Events:
    text = np.frombuffer(block, np.uint8)
    # From the line feed in front on: each line stands between two of them.
    marks = np.flatnonzero(text[MARGIN - 1 :] == _LINE_FEED)
    begins, ends = marks[:-1], marks[1:]
    digits = (ends - begins).astype(np.uint32)
    digits -= 3
    kind = text[MARGIN:].take(begins)
    is_free = kind == _MINUS
    is_event = (kind == _PLUS) | is_free
    # A line of one character has no second one, and the last line nothing behind it, also where it is the only one.
    is_event &= text[min(MARGIN + 1, text.size - 1) :].take(begins, mode="clip") == _BLANK
    is_event &= (digits > 0) & (digits <= _MOST_DIGITS)
    digits *= is_event
    values, good = _hex(text, ends, digits)
    is_event &= good
    others = np.flatnonzero(~is_event)
    if len(others):
        values, is_free = values[is_event], is_free[is_event]
    keys = values.astype(np.int64)
    keys <<= 1
    keys |= is_free
    return Events(keys, begins[others] + MARGIN, ends[others] + MARGIN - 1, others - np.arange(len(others)))


def _hex(text: NDArray[np.uint8], ends: Integers, digits: Words) -> tuple[Words, NDArray[np.bool_]]:
    most = int(digits.max(initial=0))
    values: Words = np.zeros(len(ends), np.uint32 if most <= _MOST_DIGITS else np.uint64)
    good = np.ones(len(ends), np.bool_)
    for place in range(most):
        character = text[MARGIN - 2 - place :].take(ends)
        inside = digits > place
        good &= (character - _ZERO <= 9) | ((character | _SMALL) - _A <= 5) | ~inside
        # Letters have one bit more, and begin with 1.
        digit = (character & 15) + 9 * (character >> 6)
        digit *= inside
        values |= digit.astype(values.dtype) << 4 * place
    return values, good


_MOST_DIGITS_HEAPTRACK_RAW: Final = 16
#: Size and trace make one number: no larger block and no more traces are believed.
_TRACE_BITS: Final = 24
_SIZE_BITS: Final = 39


class Addresses:
    def __init__(self) -> None:
        self._entries: dict[int, int] = {}
        self._live: dict[int, int] = {}
        self._last = -1

    def infos(self) -> tuple[Integers, Integers]:
        packed = np.fromiter(self._entries, np.int64, len(self._entries))
        return packed >> _TRACE_BITS, packed & ((1 << _TRACE_BITS) - 1)

    def decode(self, block: memoryview) -> Events:
        text = np.frombuffer(block, np.uint8)
        marks = np.flatnonzero((text == 32) | (text == 10))
        marks = marks[np.searchsorted(marks, MARGIN) :]
        lasts = np.flatnonzero(text[marks] == 10)
        ends = marks[lasts]
        starts = np.append(MARGIN, ends[:-1] + 1)
        words = np.diff(lasts, prepend=-1)
        kind = text[starts]
        is_alloc = (kind == ord("+")) & (words == 4)
        is_free = (kind == ord("-")) & (words == 2)
        both = np.flatnonzero(is_alloc | is_free)
        pointers, good = _field(block, marks, lasts[both])
        good &= pointers > 0
        entries = np.full(len(both), -1, np.int64)
        allocs = np.flatnonzero(is_alloc[both])
        traces, good_traces = _field(block, marks, lasts[both[allocs]] - 1)
        sizes, good_sizes = _field(block, marks, lasts[both[allocs]] - 2)
        good[allocs] &= good_traces & good_sizes & (traces < 1 << _TRACE_BITS) & (sizes < 1 << _SIZE_BITS)
        entries[allocs] = self._numbered(sizes, traces, good[allocs])
        others = np.ones(len(starts), bool)
        others[both[good]] = False
        other = np.flatnonzero(others)
        keys, temporary, kept = self._match(pointers[good], entries[good])
        # Events that stand before each other line, without those that match nothing.
        before = np.append(0, np.cumsum(kept))[other - np.arange(len(other))]
        return Events(keys, starts[other], ends[other], before, temporary, int((~kept).sum()))

    def _numbered(self, sizes: Integers, traces: Integers, good: NDArray[np.bool_]) -> Integers:
        packed = np.where(good, sizes << _TRACE_BITS | traces, -1)
        found, first, where = np.unique(packed, return_index=True, return_inverse=True)
        numbers = np.full(len(found), -1, np.int64)
        for place in np.argsort(first).tolist():  # in the order of the file
            key = int(found[place])
            if key >= 0:
                numbers[place] = self._entries.setdefault(key, len(self._entries))
        return numbers[where]

    def _match(self, pointers: Integers, entries: Integers) -> tuple[Integers, Integers, NDArray[np.bool_]]:
        """Find for each free the last allocation at its address, in this block or before it."""
        if not len(pointers):
            return pointers, pointers, np.zeros(0, bool)
        is_free = entries < 0
        order = np.argsort(pointers, kind="stable")
        sorted_pointers = pointers[order]
        same = np.zeros(len(order), bool)
        same[1:] = sorted_pointers[1:] == sorted_pointers[:-1]
        before = np.empty(len(order), np.int64)
        before[1:] = entries[order[:-1]]
        # The first event at an address looks among what was live before the block, and the last one stays.
        before[~same] = [self._live.pop(pointer, -1) for pointer in sorted_pointers[~same].tolist()]
        stays = np.append(~same[1:], True) & (entries[order] >= 0)
        self._live.update(zip(sorted_pointers[stays].tolist(), entries[order][stays].tolist(), strict=True))
        matched = np.empty(len(order), np.int64)
        matched[order] = before
        temporary = is_free & (np.append(self._last, np.where(is_free, -1, pointers)[:-1]) == pointers)
        self._last = -1 if is_free[-1] else int(pointers[-1])
        kept = ~is_free | (matched >= 0)
        keys = np.where(is_free, 2 * matched + 1, 2 * entries)[kept]
        return keys, matched[temporary & kept], kept


def _field(block: memoryview, marks: Integers, numbers: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    ends = marks[numbers]
    digits = (ends - marks[numbers - 1] - 1 if len(numbers) else ends).astype(np.uint64)
    fits = (digits > 0) & (digits <= _MOST_DIGITS_HEAPTRACK_RAW)
    words, good = _hex(np.frombuffer(block, np.uint8), ends - (MARGIN - 1), digits * fits)
    values = words.astype(np.int64)
    good &= fits & (values >= 0)
    return values, good


def pairs(lines: Sequence[bytes]) -> Integers | None:
    """Read lines of a letter and two hex numbers each; None if any is not that."""
    block = memoryview(b"".join((bytes(MARGIN), b"\n".join(lines), b"\n")))
    text = np.frombuffer(block, np.uint8)
    marks = np.flatnonzero((text == _BLANK) | (text == _LINE_FEED))
    if len(marks) != 3 * len(lines) or (text[marks[2::3]] != _LINE_FEED).any():
        return None
    numbers = np.arange(len(marks)).reshape(-1, 3)
    (first, is_first), (second, is_second) = (_field(block, marks, numbers[:, place]) for place in (1, 2))
    return np.column_stack((first, second)) if is_first.all() and is_second.all() else None
