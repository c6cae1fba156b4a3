"""A heap profile beside a recording: what it adds to the verdict, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.analysis.records import Advice, piece
from rmtoolkit.analysis.thresholds import (
    CLEAN_FROM,
    HEAP_EXPLAINS,
    HEAP_LEAST,
    HEAP_ODDS,
    HEAP_SETTLES,
    HEAP_SHOWS,
    LIKELY,
)
from rmtoolkit.text import hours, memory, share, small_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.analysis.heap_reading import HeapReading
    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.analysis.records import Opinion, Piece


_SECONDS_PER_DAY: Final = 86_400
_SIGNAL: Final = "heap_profile"
#: What kinds of reading decide something.
_DECIDES: Final = ("grows", "rests")


def with_heap(pool: Pool, reading: HeapReading | None) -> Pool:
    """Let a heap profile speak about a workload."""
    main = pool.main
    if reading is None or main is None or main.signal is None:
        return pool
    heard = replace(reading, kind=_heard(pool, main, reading))
    growing, bounded, unresolved = pool.growing, pool.bounded, pool.unresolved
    if heard.kind == "grows":
        growing, unresolved = growing + HEAP_SETTLES * unresolved, (1 - HEAP_SETTLES) * unresolved
        growing *= HEAP_ODDS
    elif heard.kind == "rests" and main.signal != "allocated_bytes" and not main.notes.get("threads_grow"):
        # What grows is not in the heap that was seen; whether it ends elsewhere is another question.
        taken = growing * (1 - 1 / HEAP_ODDS)
        growing, unresolved = growing - taken, unresolved + taken
    whole = growing + bounded + unresolved
    return replace(pool, growing=growing / whole, bounded=bounded / whole, unresolved=unresolved / whole, heap=heard)


def _heard(pool: Pool, main: Opinion, reading: HeapReading) -> str:
    """What a profile says beside what was recorded."""
    if reading.kind not in _DECIDES:
        return reading.kind
    grows = main.readings[main.signal or ""]["growth_per_day"] or 0.0
    recorded = max(grows, 0.0) / _SECONDS_PER_DAY if pool.bounded < CLEAN_FROM else 0.0
    if reading.kind == "grows":
        rate = reading.growth_bytes_per_second
        return "small" if rate is not None and rate < HEAP_EXPLAINS * recorded else "grows"
    if not recorded:
        return "rests"
    # In the stretch that the profile measured, so much would have come.
    due = recorded * (reading.seconds or 0.0)
    return "rests" if due >= max(HEAP_LEAST, HEAP_SHOWS * reading.moved_bytes) else "short"


def decides(pool: Pool) -> bool:
    """Tell whether the verdict rests on a heap profile as well: evidence level 5."""
    return pool.heap is not None and pool.heap.kind in _DECIDES


def names_leak(pool: Pool) -> str | None:
    """Name the code that leaks, where a profile does."""
    heap = pool.heap
    return heap.suspects[0].function if heap is not None and heap.kind == "grows" and heap.suspects else None


def rows(pool: Pool, main: Opinion) -> list[Piece]:
    """Put what the profile says in rows of evidence."""
    heap = pool.heap
    if heap is None:
        return []

    def row(says: str, text: str, value: str, weight: int, statistic: str, **numbers: Any) -> Piece:  # noqa: ANN401
        # A profile has a clock of its own: no window of the recording.
        made = piece(main, says, text, value, weight, statistic, signal=_SIGNAL, **numbers)
        return made | {"start": None, "end": None}

    span = "" if heap.seconds is None else f" over {hours(2 * heap.seconds / 3600)}"
    if heap.kind == "grows":
        rate = heap.growth_bytes_per_second
        shown = memory(heap.growth_bytes) if rate is None else f"{small_memory(rate)}/s{span}"
        text = "The heap profile grows steadily, to its end"
        weight = 1 if pool.bounded > LIKELY else 3
        numbers = {} if rate is None else {"estimate": rate * _SECONDS_PER_DAY, "unit": "bytes/day"}
        found = [row("for", text, shown, weight, "heap_growth", **numbers)]
        for place, one in enumerate(heap.suspects):
            part = f"{share(min(one.share, 1.0))} of its growth"
            text = f"The code that it grows in: {part}" if not place else f"And then: {part}"
            numbers = {"estimate": one.share, "unit": "share"}
            found.append(row("for", text, one.place, weight if not place else 1, "heap_suspect", **numbers))
        return found
    held = f"{memory(heap.held_bytes)} held{span}"
    if heap.kind == "rests":
        text = "The heap profile shows nothing that grows to its end"
        numbers = {"estimate": heap.moved_bytes, "unit": "bytes"}
        return [row("against", text, held, 3 if heap.seconds else 2, "heap_rests", **numbers)]
    if heap.kind == "small":
        text = "The heap profile grows by too little to be what was recorded"
        return [row("against", text, f"{small_memory(heap.growth_bytes_per_second or 0)}/s{span}", 1, "heap_small")]
    if heap.kind == "short":
        text = "The heap profile is too short: what was recorded would hardly show in it"
        if heap.seconds is None:
            text = "The heap profiles know no time: whether what was recorded would show in them is not known"
        return [row("not_measured", text, held, 0, "heap_short")]
    if heap.kind == "picture":
        text = "One heap profile tells what is held, not what grows" + (
            f"; most is held by {heap.largest}" if heap.largest else ""
        )
        return [row("not_measured", text, f"{memory(heap.held_bytes)} held", 0, "heap_picture")]
    text = f"The heap profile is blind: {heap.why}"
    return [row("not_measured", text, "not used", 0, "heap_blind")]


def advise(evidence: dict[str, dict[str, Any]]) -> Iterator[Advice]:
    """Advise what to do about a leak that a profile names, or that it could not see."""
    suspect = evidence.get("heap_suspect")
    if suspect is not None:
        yield Advice(
            "Bound or free what this code keeps",
            setting=suspect["value"],
            expected=f"{share(min(suspect['estimate'], 1.0))} of the growth in the heap profile ends",
            because="heap_suspect",
        )
    if "heap_blind" in evidence:
        yield Advice(
            "Profile with the allocator that the program has: heaptrack sees only one that is linked dynamically",
            setting="_RJEM_MALLOC_CONF=prof:true,lg_prof_interval:32,prof_prefix:/tmp/heap",
            expected="jemalloc's own dumps, for heap=; or build once with the system's allocator for heaptrack",
            because="heap_blind",
        )
    if "heap_picture" in evidence:
        yield Advice(
            "Take a second profile half an hour later and give both: two of them tell what grows",
            setting="rm.classify(recording, heap=[rm.read_heap(FIRST), rm.read_heap(SECOND)])",
            expected="the function that grows, at evidence level 5",
            because="heap_picture",
        )
    if "heap_short" in evidence:
        yield Advice(
            "Record a longer heap profile, or one under more load: growth like this hardly shows in so short a one",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="the function that grows, or the proof that the heap does not",
            because="heap_short",
        )
    if "heap_rests" in evidence or "heap_small" in evidence:
        yield Advice(
            "Look beside the heap, an hour apart: what the allocator keeps (resident − allocated), and the mappings",
            setting="malloc_stats_print or malloc_info(0, stdout); cp /proc/PID/smaps a; sleep 3600; diff a "
            "/proc/PID/smaps | grep -E 'Rss|Anonymous'",
            expected="kept pages that grow are retention or fragmentation; a mapping that grows names its owner",
            because="heap_rests" if "heap_rests" in evidence else "heap_small",
        )
