"""A heap profile beside a recording: what it adds to the verdict, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.records import Advice, Evidence, HeapKind, HeapReading, Says, Statistic, Unit
from rmtoolkit.analysis.thresholds import (
    CLEAN_FROM,
    HEAP_EXPLAINS,
    HEAP_LEAST,
    HEAP_ODDS,
    HEAP_SETTLES,
    HEAP_SHOWS,
    LIKELY,
)
from rmtoolkit.schema import Signal
from rmtoolkit.text import hours, memory, share, small_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.analysis.records import Reading


_SECONDS_PER_DAY: Final = 86_400
_SIGNAL: Final = "heap_profile"
#: What kinds of reading decide something.
_DECIDES: Final = (HeapKind.GROWS, HeapKind.RESTS)


def with_heap(pool: Pool, reading: HeapReading | None) -> Pool:
    """Let a heap profile speak about a workload."""
    main = pool.main
    if reading is None or main is None or main.reading is None:
        return pool
    heard = replace(reading, kind=_heard(pool, main.reading, reading))
    growing, bounded, unresolved = pool.growing, pool.bounded, pool.unresolved
    if heard.kind == HeapKind.GROWS:
        growing, unresolved = growing + HEAP_SETTLES * unresolved, (1 - HEAP_SETTLES) * unresolved
        growing *= HEAP_ODDS
    elif heard.kind == HeapKind.RESTS and main.signal != Signal.ALLOCATED and not main.threads_grow:
        # What grows is not in the heap that was seen; whether it ends elsewhere is another question.
        taken = growing * (1 - 1 / HEAP_ODDS)
        growing, unresolved = growing - taken, unresolved + taken
    whole = growing + bounded + unresolved
    return replace(pool, growing=growing / whole, bounded=bounded / whole, unresolved=unresolved / whole, heap=heard)


def _heard(pool: Pool, judged: Reading, reading: HeapReading) -> HeapKind:
    """What a profile says beside what was recorded."""
    if reading.kind not in _DECIDES:
        return reading.kind
    recorded = max(judged.growth_per_day, 0.0) / _SECONDS_PER_DAY if pool.bounded < CLEAN_FROM else 0.0
    if reading.kind == HeapKind.GROWS:
        rate = reading.growth_bytes_per_second
        return HeapKind.SMALL if rate is not None and rate < HEAP_EXPLAINS * recorded else HeapKind.GROWS
    if not recorded:
        return HeapKind.RESTS
    # In the stretch that the profile measured, so much would have come.
    due = recorded * (reading.seconds or 0.0)
    return HeapKind.RESTS if due >= max(HEAP_LEAST, HEAP_SHOWS * reading.moved_bytes) else HeapKind.SHORT


def decides(pool: Pool) -> bool:
    """Tell whether the verdict rests on a heap profile as well: evidence level 5."""
    return pool.heap is not None and pool.heap.kind in _DECIDES


def names_leak(pool: Pool) -> str | None:
    """Name the code that leaks, where a profile does."""
    heap = pool.heap
    return heap.suspects[0].function if heap is not None and heap.kind == HeapKind.GROWS and heap.suspects else None


def rows(pool: Pool) -> list[Evidence]:
    """Put what the profile says in rows of evidence."""
    heap = pool.heap
    if heap is None:
        return []

    def row(
        says: Says,
        text: str,
        value: str,
        weight: int,
        statistic: Statistic,
        estimate: float | None = None,
        unit: Unit | None = None,
    ) -> Evidence:
        # A profile has a clock of its own: no window of the recording.
        return Evidence(says, text, value, weight, _SIGNAL, None, None, statistic, estimate, None, None, unit)

    span = "" if heap.seconds is None else f" over {hours(2 * heap.seconds / 3600)}"
    if heap.kind == HeapKind.GROWS:
        rate = heap.growth_bytes_per_second
        shown = memory(heap.growth_bytes) if rate is None else f"{small_memory(rate)}/s{span}"
        text = "The heap profile grows steadily, to its end"
        weight = 1 if pool.bounded > LIKELY else 3
        per_day = (None, None) if rate is None else (rate * _SECONDS_PER_DAY, Unit.BYTES_PER_DAY)
        found = [row(Says.FOR, text, shown, weight, Statistic.HEAP_GROWTH, *per_day)]
        for place, one in enumerate(heap.suspects):
            part = f"{share(min(one.share, 1.0))} of its growth"
            text = f"The code that it grows in: {part}" if not place else f"And then: {part}"
            heavy = weight if not place else 1
            found.append(row(Says.FOR, text, one.place, heavy, Statistic.HEAP_SUSPECT, one.share, Unit.SHARE))
        return found
    held = f"{memory(heap.held_bytes)} held{span}"
    if heap.kind == HeapKind.RESTS:
        text = "The heap profile shows nothing that grows to its end"
        heavy = 3 if heap.seconds else 2
        return [row(Says.AGAINST, text, held, heavy, Statistic.HEAP_RESTS, heap.moved_bytes, Unit.BYTES)]
    if heap.kind == HeapKind.SMALL:
        text = "The heap profile grows by too little to be what was recorded"
        return [
            row(
                Says.AGAINST,
                text,
                f"{small_memory(heap.growth_bytes_per_second or 0)}/s{span}",
                1,
                Statistic.HEAP_SMALL,
            )
        ]
    if heap.kind == HeapKind.SHORT:
        text = "The heap profile is too short: what was recorded would hardly show in it"
        if heap.seconds is None:
            text = "The heap profiles know no time: whether what was recorded would show in them is not known"
        return [row(Says.NOT_MEASURED, text, held, 0, Statistic.HEAP_SHORT)]
    if heap.kind == HeapKind.PICTURE:
        text = "One heap profile tells what is held, not what grows" + (
            f"; most is held by {heap.largest}" if heap.largest else ""
        )
        return [row(Says.NOT_MEASURED, text, f"{memory(heap.held_bytes)} held", 0, Statistic.HEAP_PICTURE)]
    text = f"The heap profile is blind: {heap.why}"
    return [row(Says.NOT_MEASURED, text, "not used", 0, Statistic.HEAP_BLIND)]


def advise(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Advise what to do about a leak that a profile names, or that it could not see."""
    suspect = evidence.get(Statistic.HEAP_SUSPECT)
    if suspect is not None:
        yield Advice(
            "Bound or free what this code keeps",
            setting=suspect.value,
            expected=f"{share(min(suspect.estimate or 0.0, 1.0))} of the growth in the heap profile ends",
            because=Statistic.HEAP_SUSPECT,
        )
    if Statistic.HEAP_BLIND in evidence:
        yield Advice(
            "Profile with the allocator that the program has: heaptrack sees only one that is linked dynamically",
            setting="_RJEM_MALLOC_CONF=prof:true,lg_prof_interval:32,prof_prefix:/tmp/heap",
            expected="jemalloc's own dumps, for heap=; or build once with the system's allocator for heaptrack",
            because=Statistic.HEAP_BLIND,
        )
    if Statistic.HEAP_PICTURE in evidence:
        yield Advice(
            "Take a second profile half an hour later and give both: two of them tell what grows",
            setting="rm.classify(recording, heap=[rm.read_heap(FIRST), rm.read_heap(SECOND)])",
            expected="the function that grows, at evidence level 5",
            because=Statistic.HEAP_PICTURE,
        )
    if Statistic.HEAP_SHORT in evidence:
        yield Advice(
            "Record a longer heap profile, or one under more load: growth like this hardly shows in so short a one",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="the function that grows, or the proof that the heap does not",
            because=Statistic.HEAP_SHORT,
        )
    if Statistic.HEAP_RESTS in evidence or Statistic.HEAP_SMALL in evidence:
        yield Advice(
            "Look beside the heap, an hour apart: what the allocator keeps (resident − allocated), and the mappings",
            setting="malloc_stats_print or malloc_info(0, stdout); cp /proc/PID/smaps a; sleep 3600; diff a "
            "/proc/PID/smaps | grep -E 'Rss|Anonymous'",
            expected="kept pages that grow are retention or fragmentation; a mapping that grows names its owner",
            because=Statistic.HEAP_RESTS if Statistic.HEAP_RESTS in evidence else Statistic.HEAP_SMALL,
        )
