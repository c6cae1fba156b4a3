"""What allocations and frees add up to is the same however a file is cut into blocks."""

from __future__ import annotations

import itertools
import re
from typing import Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.heap import _heaptrack_events
from rmtoolkit.heap._heaptrack_events import MARGIN, Account, Mark, Nets, Tally, added, decode, pairs

SIZES: Final = (10, 300, 7, 64)
TRACES: Final = (1, 2, 2, 3)


def count(blocks: list[list[int]], marks: list[list[Mark]], most_traces: int = 4) -> Account:
    """Count events, block by block."""
    tally = Tally()
    tally.grow(np.array(SIZES), np.array(TRACES), most_traces)
    account = Account(tally, 100)
    for keys, stamps in zip(blocks, marks, strict=True):
        account.add(np.array(keys, np.int64), stamps)
    account.close()
    return account


def temporaries(keys: list[int]) -> list[int]:
    """As heaptrack counts: a free of what was allocated last; after any free that is entry 0."""
    found, last = [0] * len(SIZES), 0
    for key in keys:
        if not key & 1:
            last = key >> 1
            continue
        found[key >> 1] += key >> 1 == last
        last = 0
    return found


@given(st.lists(st.integers(0, 7), min_size=1, max_size=60), st.data())
def test_blocks_make_no_difference(keys: list[int], data: st.DataObject) -> None:
    """Totals, the peak, temporary allocations and what each trace holds are those of counting one by one."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(keys)), max_size=5)))
    bounds = [0, *cuts, len(keys)]
    stamps = sorted(data.draw(st.lists(st.integers(0, len(keys)), max_size=5)))
    blocks = [keys[low:high] for low, high in itertools.pairwise(bounds)]
    marks: list[list[Mark]] = [[] for _ in blocks]
    for number, place in enumerate(stamps):
        at = next(block for block in range(len(blocks)) if bounds[block] <= place <= bounds[block + 1])
        marks[at].append(Mark(place - bounds[at], "c", 10 * number))
    account = count(blocks, marks, data.draw(st.sampled_from([4, 1000])))
    live, held = [0], {1: 0, 2: 0, 3: 0}
    for key in keys:
        signed = SIZES[key >> 1] * (-1 if key & 1 else 1)
        live.append(live[-1] + signed)
        held[TRACES[key >> 1]] += signed
    tally = account.tally
    assert tally.counts.tolist() == [keys.count(key) for key in range(8)]
    assert tally.temporaries.tolist() == temporaries(keys)
    assert (account.peak, tally.live) == (max(0, *live), live[-1])
    if account.peak:
        peak = live.index(account.peak)
        assert tally.at_peak().tolist() == [keys[:peak].count(key) for key in range(8)]
    assert [row.live for row in account.rows] == [live[place] for place in stamps]
    assert [row.events for row in account.rows] == stamps
    begins = [0, *stamps]
    assert [row.most for row in account.rows] == [
        max(live[begin : end + 1]) for begin, end in zip(begins, stamps, strict=False)
    ]
    grown = dict.fromkeys(held, 0)
    for *_, nets in account.steps:
        for trace, size in zip(nets.traces.tolist(), nets.size.tolist(), strict=True):
            grown[trace] += size
    assert grown == held


def test_a_free_at_the_border_of_two_blocks_is_temporary() -> None:
    """The last allocation of one block is freed by the first event of the next."""
    assert count([[2], [3, 5]], [[], []]).tally.temporaries.tolist() == [0, 1, 0, 0]
    # After a free the memory is of entry 0, as in heaptrack.
    assert count([[0, 2, 3], [1]], [[], []]).tally.temporaries.tolist() == [1, 1, 0, 0]


def test_the_peak_has_the_stamp_before_it() -> None:
    """Its time is that of the last stamp that came before it."""
    account = count([[0, 2], [2, 3]], [[Mark(1, "c", 10)], [Mark(0, "c", 20), Mark(2, "c", 30)]])
    assert (account.peak, account.peak_ms) == (610, 20)


def test_what_was_before_an_attachment_is_forgotten() -> None:
    """Counts, peak and growth begin anew in the middle of a block, temporary allocations after it."""
    account = count([[2, 2, 0, 6, 7], [4, 5]], [[Mark(1, "c", 10), Mark(2, "A", 0)], [Mark(2, "c", 20)]])
    assert account.tally.counts.tolist() == [1, 0, 0, 0, 1, 1, 1, 1]
    assert (account.peak, account.tally.live) == (74, 10)
    assert account.tally.at_peak().tolist() == [1, 0, 0, 0, 0, 0, 1, 0]
    assert [(row.ms, row.live) for row in account.rows] == [(20, 10)]
    assert sum(int(nets.size.sum()) for *_, nets in account.steps) == 10


def test_steps_stay_few() -> None:
    """When there are many, every two become one, and nothing is lost by it."""
    most = _heaptrack_events._MOST_STEPS
    stamps = [Mark(1, "c", 10 * (number + 1)) for number in range(3 * most)]
    account = count([[2]] * len(stamps), [[stamp] for stamp in stamps])
    assert most / 4 <= len(account.steps) < most
    assert sum(int(nets.size.sum()) for *_, nets in account.steps) == 300 * len(stamps)
    assert sum(int(nets.blocks.sum()) for *_, nets in account.steps) == len(stamps)
    assert [events for events, *_ in account.steps] == sorted(events for events, *_ in account.steps)


def test_two_steps_that_cancel_each_other_leave_nothing() -> None:
    """A trace that gave back what it took is in neither column."""
    one = Nets(np.array([1, 2]), np.array([10, 5]), np.array([1, 1]))
    both = added(one, Nets(np.array([1]), np.array([-10]), np.array([-1])))
    assert [column.tolist() for column in both] == [[2], [5], [1]]


def test_an_event_is_a_sign_a_blank_and_hex_digits() -> None:
    """Every byte in every place of a line is taken as Python takes it; lines of any other form are told as they are."""
    heads = [bytes([byte]) for byte in range(256) if byte != ord("\n")]
    lines = [b"", b"+", b"-", b"+ ", b"+ 123456789", b"+ 7f000000 10 1"]
    lines += [
        form % head
        for form in (b"+ %b", b"- 1%b", b"+ %b23", b"+ f000%b0", b"%b 1", b"+%b1", b"+ 1 %b")
        for head in heads
    ]
    lines += [b"- ffffffff", b"", b"-"]
    is_event = [re.fullmatch(b"[+-] [0-9a-fA-F]{1,8}", line) is not None for line in lines]
    block = bytes(MARGIN - 1) + b"\n" + b"\n".join(lines) + b"\n"
    events = decode(memoryview(block))
    taken = [line.split() for line, event in zip(lines, is_event, strict=True) if event]
    assert events.keys.tolist() == [2 * int(index, 16) + (sign == b"-") for sign, index in taken]
    left = [block[start:end] for start, end in zip(events.starts, events.ends, strict=True)]
    assert left == [line for line, event in zip(lines, is_event, strict=True) if not event]
    assert events.before.tolist() == [sum(is_event[:place]) for place, event in enumerate(is_event) if not event]


def test_a_block_of_one_empty_line_has_no_event() -> None:
    """A recording may be cut, or end, right behind a line feed that comes in a block of its own."""
    block = b"\n" * MARGIN + b"\n"
    assert decode(memoryview(block)).keys.size == 0


def test_lines_of_two_numbers_are_read_at_once() -> None:
    """A table of good lines is read as a whole; where one of them is none, each has to be looked at."""
    table = pairs([b"t 1 2", b"t ff 7fffffffffffffff"])
    assert table is not None
    assert table.tolist() == [[1, 2], [255, (1 << 63) - 1]]
    for wrong in (b"t 1", b"t 1 2 3", b"t 1 g", b"t  1 2", b"t 1 8000000000000000", b""):
        assert pairs([b"t 1 2", wrong, b"t 3 4"]) is None, wrong
