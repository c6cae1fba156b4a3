"""Events that name addresses, as heaptrack writes them before they are interpreted: which free frees what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from rmtoolkit.heap.blocks import MARGIN
from rmtoolkit.heap.heaptrack_events import hex_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

_MOST_DIGITS: Final = 16
_WORD: Final = 8
#: Size and trace make one number: no larger block and no more traces are believed.
_TRACE_BITS: Final = 24
_SIZE_BITS: Final = 39


class RawEvents(NamedTuple):
    """What stands in one block.

    Attributes
    ----------
    keys, temporary
        As `rmtoolkit.heap.heaptrack_account.Account.add` takes them.
    starts, ends, before
        The other lines, as in `rmtoolkit.heap.heaptrack_events.Events`.
    unmatched
        Frees of what was never allocated, as far as the recording knows.
    """

    keys: Integers
    temporary: Integers
    starts: Integers
    ends: Integers
    before: Integers
    unmatched: int


class Addresses:
    r"""Remembers what is live, from block to block.

    Examples
    --------
    >>> addresses = Addresses()
    >>> found = addresses.decode(memoryview(b"\0" * MARGIN + b"+ 10 1 7f00\n+ 20 1 7f20\n- 7f20\n- 1\n- 7f00\n"))
    >>> found.keys.tolist(), found.temporary.tolist(), found.unmatched
    ([0, 2, 3, 1], [1], 1)
    >>> addresses.infos()
    (array([16, 32]), array([1, 1]))
    """

    def __init__(self) -> None:
        self._entries: dict[int, int] = {}
        self._live = np.zeros(0, np.int64)
        self._of_live = np.zeros(0, np.int64)
        self._last = -1

    def infos(self) -> tuple[Integers, Integers]:
        """Give size and trace of each entry so far."""
        packed = np.fromiter(self._entries, np.int64, len(self._entries))
        return packed >> _TRACE_BITS, packed & ((1 << _TRACE_BITS) - 1)

    def decode(self, block: memoryview) -> RawEvents:
        """Read the events of a block, and find for each free what it frees."""
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
        pointers, good = _field(text, block, marks, lasts[both])
        good &= pointers > 0
        entries = np.full(len(both), -1, np.int64)
        allocs = np.flatnonzero(is_alloc[both])
        traces, good_traces = _field(text, block, marks, lasts[both[allocs]] - 1)
        sizes, good_sizes = _field(text, block, marks, lasts[both[allocs]] - 2)
        good[allocs] &= good_traces & good_sizes & (traces < 1 << _TRACE_BITS) & (sizes < 1 << _SIZE_BITS)
        entries[allocs] = self._numbered(sizes, traces, good[allocs])
        others = np.ones(len(starts), bool)
        others[both[good]] = False
        other = np.flatnonzero(others)
        keys, temporary, kept = self._match(pointers[good], entries[good])
        # Events that stand before each other line, without those that match nothing.
        before = np.append(0, np.cumsum(kept))[other - np.arange(len(other))]
        return RawEvents(keys, temporary, starts[other], ends[other], before, int((~kept).sum()))

    def _numbered(self, sizes: Integers, traces: Integers, good: NDArray[np.bool_]) -> Integers:
        """Give each pair of size and trace its number."""
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
        # The first event at an address looks among what was live before the block.
        first = np.flatnonzero(~same)
        place = np.minimum(np.searchsorted(self._live, sorted_pointers[first]), max(len(self._live) - 1, 0))
        known = np.zeros(len(first), bool) if not len(self._live) else self._live[place] == sorted_pointers[first]
        before[first] = np.where(known, self._of_live[place] if len(self._live) else 0, -1)
        matched = np.empty(len(order), np.int64)
        matched[order] = before
        temporary = is_free & (np.append(self._last, np.where(is_free, -1, pointers)[:-1]) == pointers)
        self._last = -1 if is_free[-1] else int(pointers[-1])
        self._remember(sorted_pointers, entries[order], np.append(~same[1:], True), place[known])
        kept = ~is_free | (matched >= 0)
        keys = np.where(is_free, 2 * matched + 1, 2 * entries)[kept]
        return keys, matched[temporary & kept], kept

    def _remember(self, pointers: Integers, entries: Integers, last: NDArray[np.bool_], known: Integers) -> None:
        """Take what the last event at each address left."""
        left = np.flatnonzero(last & (entries >= 0))
        kept = np.ones(len(self._live), bool)
        kept[known] = False
        live, of_live = self._live[kept], self._of_live[kept]
        where = np.searchsorted(live, pointers[left])
        self._live = np.insert(live, where, pointers[left])
        self._of_live = np.insert(of_live, where, entries[left])


def _field(
    text: NDArray[np.uint8], block: memoryview, marks: Integers, numbers: Integers
) -> tuple[Integers, NDArray[np.bool_]]:
    """Read the hex field that ends at each of some blanks or line feeds, up to sixteen digits."""
    ends = marks[numbers]
    digits = ends - marks[numbers - 1] - 1 if len(numbers) else ends
    words = np.ndarray((len(text) - 7,), "<u8", block, strides=(1,))
    low, good = hex_words(words[ends - _WORD], np.minimum(digits, _WORD))
    long = np.flatnonzero(digits > _WORD)
    values = low.view(np.int64)
    if len(long):
        high, also_good = hex_words(
            words[np.maximum(ends[long] - 2 * _WORD, 0)], np.minimum(digits[long] - _WORD, _WORD)
        )
        values[long] |= (high << np.uint64(32)).view(np.int64)
        good[long] &= also_good
    good &= (digits > 0) & (digits <= _MOST_DIGITS) & (values >= 0)
    return values, good
