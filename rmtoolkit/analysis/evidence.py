"""The evidence for and against a leak, a row each, and what was not measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis import heap_evidence
from rmtoolkit.analysis.assess import peaks_at_limit, pressure, spikes_early
from rmtoolkit.analysis.models import GROWTH_FAMILIES, Family
from rmtoolkit.analysis.patterns import stack_of_a_thread
from rmtoolkit.analysis.records import Evidence, Halt, Layer, Says, Statistic, Unit, rejected
from rmtoolkit.analysis.thresholds import (
    COVERED,
    GOOD,
    LAYER_SHOWN,
    LIKELY,
    MANY_THREADS,
    MATERIAL_SHARE,
    STACK_LEAST,
    STACK_MOST,
    STRONG,
)
from rmtoolkit.schema import Ending, Outlook, Pattern, Signal, Verdict
from rmtoolkit.text import (
    SIGNAL_WORDS,
    configured,
    count,
    hours,
    memory,
    number,
    printable,
    rate_with_range,
    share,
    small_memory,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.analysis.records import Opinion, Reading, VerdictRow
    from rmtoolkit.analysis.words import Open, Situation


#: Layers by name: what they are called, and the signals that show them, the most telling first.
_LAYERS: Final = {
    Layer.KEPT: ("Pages that the allocator keeps", (Signal.FREE, Signal.RESIDENT, Signal.ALLOCATED)),
    Layer.SLACK: ("Gaps between live blocks", (Signal.ACTIVE,)),
    Layer.OUTSIDE: ("Memory outside the allocator", (Signal.RESIDENT, Signal.ALLOCATED)),
    Layer.CACHE: ("Page cache and kernel memory", (Signal.WORKING_SET, Signal.FILE)),
    Layer.SHMEM: ("Files in memory (tmpfs, shared memory)", (Signal.SHMEM,)),
    Layer.KERNEL: ("Memory that the kernel holds for it", (Signal.KERNEL, Signal.USAGE, Signal.WORKING_SET)),
    Layer.MAPPED: ("Mapped files or shared memory", (Signal.RSS,)),
}
#: Layers that fill the limit: the kernel cannot take them back.
_COUNTS: Final = ("outside", Statistic.SHMEM, Statistic.KERNEL, Statistic.MAPPED)
#: From the middle of a life to where its end level is read, as a share of the life.
_LATER_PART: Final = 0.4375
_PRESSURE_WORDS: Final = {
    Signal.PSI_SOME: "Time that tasks waited for memory",
    Signal.PSI_FULL: "Time that all tasks waited for memory",
    Signal.REFAULTS: "Dropped pages read again",
}


def layers(main: Opinion) -> Iterator[Evidence]:
    """Tell what the memory is made of, where the allocator and the cgroup say it."""
    heap, whole = main.readings.get(Signal.ALLOCATED), main.footprint
    if heap is not None and whole is not None and heap.bounded > LIKELY:
        text, change = "The live heap holds its level", f"{memory(heap.early_level)} → {memory(heap.end_level)}"
        yield Evidence.of(
            main, Says.AGAINST, 3, Statistic.LIVE_HEAP, text, change, heap.end_level, Unit.BYTES, signal=heap.signal
        )
        if spikes_early(heap):
            text = "The live heap returns to its level after startup"
            change, fall = f"{memory(heap.early_peak)} → {memory(heap.settled)}", heap.early_peak - heap.settled
            yield Evidence.of(
                main, Says.AGAINST, 3, Statistic.STARTUP_HEAP, text, change, fall, Unit.BYTES, signal=heap.signal
            )
    footprint = whole.end_level if whole is not None else 0.0
    swap = main.levels.get(Signal.SWAP)
    if swap is not None and swap.end_level - swap.early_level >= MATERIAL_SHARE * footprint > 0:
        text = "Memory that was moved to swap, and is counted here as what it is"
        change = f"{memory(swap.early_level)} → {memory(swap.end_level)}"
        yield Evidence.of(
            main, Says.FOR, 2, Statistic.SWAP, text, change, swap.end_level, Unit.BYTES, signal=swap.signal
        )
    for layer, (words, signals) in _LAYERS.items():
        part, grows = main.shares.get(layer, 0.0), layer == main.growing_layer
        if part < LAYER_SHOWN and not grows:
            continue
        amount = part * footprint
        signal = next((name for name in signals if name in main.levels), signals[-1])
        says = Says.FOR if grows and layer in _COUNTS else Says.AGAINST
        text, value = f"{words}: this part grows" if grows else words, f"{memory(amount)} of {memory(footprint)}"
        yield Evidence.of(main, says, 2, layer, text, value, amount, Unit.BYTES, signal=signal)


def threads(main: Opinion) -> Iterator[Evidence]:
    """Tell whether threads rise, and whether their stacks explain what the memory grew by."""
    row = main.readings.get(Signal.THREADS)
    if row is None:
        return
    last = row.end_level
    if main.threads_grow:
        text, change = "The number of threads keeps rising", f"{row.first_level:.0f} → {last:.0f}"
        yield Evidence.of(main, Says.FOR, 2, Statistic.THREADS_RISE, text, change, last, Unit.COUNT, signal=row.signal)
        stack, unit = stack_of_a_thread(main), Unit.BYTES_PER_THREAD
        if stack is not None and STACK_LEAST <= stack <= STACK_MOST:
            text = "Growth outside the heap for each new thread: as much as a touched stack"
            value = f"{memory(stack)} a thread"
            yield Evidence.of(
                main, Says.FOR, 2, Statistic.STACK_OF_A_THREAD, text, value, stack, unit, signal=row.signal
            )
    elif last >= MANY_THREADS:
        text, value = "Threads, a number that stays", f"{last:.0f}"
        yield Evidence.of(
            main, Says.AGAINST, 0, Statistic.THREADS_MANY, text, value, last, Unit.COUNT, signal=row.signal
        )


def held_down(main: Opinion) -> Iterator[Evidence]:
    """Tell what says that a flat level is flat because it cannot grow."""
    if main.pattern != Pattern.AT_LIMIT:
        return
    limit, level = main.life.limit_bytes, main.end_level(Signal.FOOTPRINT)
    if limit and level is not None:
        text, value = "Flat this near the limit: growth would not show", f"{memory(level)} of {configured(limit)}"
        yield Evidence.of(main, Says.FOR, 2, Statistic.AT_LIMIT, text, value, level / limit, Unit.SHARE)
    for name, amount in pressure(main).items():
        text, shown, unit = _PRESSURE_WORDS[name], f"{share(amount)} of the time", Unit.SHARE
        if name == Signal.REFAULTS:
            shown, unit = f"{number(amount, 2)} × memory an hour", Unit.PER_HOUR
        yield Evidence.of(main, Says.FOR, 2, name, text, shown, amount, unit, signal=name)
    if peaks_at_limit(main):
        text, peak = "The highest usage that the kernel counted is the limit", main.end_level(Signal.PEAK)
        yield Evidence.of(
            main, Says.FOR, 1, Statistic.PEAK_AT_LIMIT, text, memory(peak), peak, Unit.BYTES, signal=Signal.PEAK
        )


def work(row: VerdictRow, main: Opinion, reading: Reading) -> Iterator[Evidence]:
    """Set growth against the work that was done meanwhile."""
    if reading.load_share > 0:
        text, value = "The memory follows the load", f"{number(100 * reading.load_share, 2)} % of its changes"
        yield Evidence.of(main, Says.AGAINST, 2, Statistic.FOLLOWS_LOAD, text, value, reading.load_share, Unit.SHARE)
    counter = main.levels.get(Signal.WORK)
    days = main.life.seconds / 86_400
    if counter is None or days <= 0:
        return
    if counter.end_level <= counter.first_level:
        text = "No work was done: rest says nothing about a leak per request"
        yield Evidence.of(
            main, Says.NOT_MEASURED, 1, Statistic.IDLE, text, "0 units", 0, Unit.COUNT, signal=counter.signal
        )
        return
    per_day = (counter.end_level - counter.middle_level) / (_LATER_PART * days)
    growth, low, high = row.growth_bytes_per_day, row.growth_low_bytes_per_day, row.growth_high_bytes_per_day
    if growth is None or low is None or high is None or per_day <= 0:
        return
    each, least, most = (value / per_day for value in (growth, low, high))
    value = f"{small_memory(each)} ({small_memory(least, like=each)}–{small_memory(most, like=each)})"
    if least < 0:
        value = value.replace("–", " to ")
    says, weight, text = Says.AGAINST, 1, "For each unit of work done the memory does not grow"
    if low > 0 and row.verdict != Verdict.NOT_LEAK:
        says, weight, text = Says.FOR, 2, "Growth for each unit of work done"
    statistic, unit = Statistic.GROWTH_PER_WORK, Unit.BYTES_PER_WORK
    yield Evidence.of(main, says, weight, statistic, text, value, each, unit, low=least, high=most)


#: What was seen of growth that a model found.
_HALTS: Final = {
    Halt.FLOOR_STAYS: "Only the tops rise: the floor stays",
    Halt.ENDED: "What rose stands still in the last third of the window",
    Halt.SLOWING: "The rise slows down towards the end of the window",
    Halt.WITHIN_RANGE: "The rise goes no further than the memory wandered before",
}

_SHAPES: Final = {
    Family.CONSTANT: "One level",
    Family.STEP: "One step between two levels",
    Family.TWO_STEPS: "Two steps between levels",
    Family.PULSE: "A burst above one level",
    Family.SATURATING: "A curve that levels off",
    Family.TWO_SATURATING: "A curve that levels off in two stages",
    Family.SATURATING_STEP: "A warm-up and a step",
    Family.LOG: "A curve that slows down but has no bound",
    Family.POWER: "Growth that slows down without an end",
    Family.RAMP_END: "A ramp that ends",
    Family.RAMP: "A ramp between two levels",
    Family.HALF_WAVE: "A part of a daily cycle",
    Family.LINEAR: "A straight rise",
    Family.TWO_SLOPES: "A rise in two stages",
    Family.SATURATING_LINEAR: "A warm-up, then a straight rise",
    Family.SATURATING_HINGE: "A warm-up, a rest, then a straight rise",
    Family.STEP_LINEAR: "A step and a straight rise",
    Family.STEP_HINGE: "A step, then a straight rise",
    Family.TWO_STEPS_LINEAR: "Two steps and a straight rise",
}


def rows(situation: Situation) -> list[Evidence]:
    """Collect the evidence, strongest first: what speaks for the verdict, against it, what was not measured."""
    main = situation.main
    if main is None:
        return []
    first, second = (Says.FOR, Says.AGAINST) if situation.row.verdict == Verdict.LEAK else (Says.AGAINST, Says.FOR)
    order = {first: 0, second: 1, Says.NOT_MEASURED: 2}
    return sorted(_all(situation, main), key=lambda piece: (order[piece.says], -piece.weight))


def _all(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    row = situation.row
    if row.verdict == Verdict.INCONCLUSIVE:
        yield _settling(situation.question, main)
    if row.limit_bytes is None and not row.limit_known:
        yield Evidence.of(main, Says.NOT_MEASURED, 0, Statistic.NO_LIMIT, "The memory limit", "not exported")
    if main.reading is not None:
        yield from _trend(row, main, main.reading)
        yield from work(row, main, main.reading)
        yield from heap_evidence.rows(situation.pool)
        yield from _lives(situation, main)
        yield from layers(main)
        yield from threads(main)
        yield from held_down(main)
        yield from _doubts(situation, main)
        yield from _missing(situation, main)


def _settling(question: Open, main: Opinion) -> Evidence:
    """What an open verdict waits for; `end` is when it will have come, where waiting helps."""
    text, since = f"What keeps it open: {question.why}", main.life.end
    statistic = question.kind.statistic
    if question.until is None:
        return Evidence.of(main, Says.NOT_MEASURED, 1, statistic, text, "time alone does not help")
    wait = (question.until - since).total_seconds() / 3600
    value = f"until {question.wait(since)}"
    row = Evidence.of(main, Says.NOT_MEASURED, 1, statistic, text, value, wait, Unit.HOURS)
    return replace(row, start=since, end=question.until)


def _trend(row: VerdictRow, main: Opinion, reading: Reading) -> Iterator[Evidence]:
    signal = SIGNAL_WORDS.get(reading.signal, reading.signal)
    grows = reading.family in GROWTH_FAMILIES and reading.growing > LIKELY
    strength = max(reading.growing, reading.bounded, reading.unresolved)
    weight = 3 if strength > STRONG else 2 if strength > GOOD else 1
    says = Says.FOR if grows or reading.unresolved > LIKELY else Says.AGAINST
    text, value = f"{_SHAPES[reading.family]} explains the {signal} best", f"weight {number(100 * strength, 2)} %"
    yield Evidence.of(main, says, weight, Statistic.SHAPE, text, value, strength, Unit.SHARE)
    growth, low, high = row.growth_bytes_per_day, row.growth_low_bytes_per_day, row.growth_high_bytes_per_day
    if growth is None or low is None or high is None:
        return
    lasting = next((words for halt, words in _HALTS.items() if halt in main.halts), None)
    if low > 0 and grows and lasting is None:
        says, text = Says.FOR, f"The {signal} still grows at the end of the window"
    elif lasting is not None and grows:
        says, text, weight = Says.AGAINST, lasting, 2
    elif reading.unresolved > reading.bounded:
        says, text, weight = Says.FOR, f"The {signal} still rises, though less and less", 1
    else:
        says, text = Says.AGAINST, f"The {signal} does not grow at the end of the window"
    value, unit = rate_with_range(growth, low, high), Unit.BYTES_PER_DAY
    yield Evidence.of(main, says, weight, Statistic.GROWTH, text, value, growth, unit, low=low, high=high)


def _lives(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    pool, lasts = situation.pool, situation.lasts
    rising, judged = pool.lives_rising, pool.lives_judged
    if judged > 1:
        says = Says.FOR if rising > judged / 2 else Says.AGAINST
        text, value, weight = "Lives in which the memory keeps rising", f"{rising} of {judged}", 3 if judged > 2 else 2
        yield Evidence.of(main, says, weight, Statistic.LIVES_RISING, text, value, rising, Unit.COUNT)
    if situation.judged > 1:
        yield _pods(situation, main)
    if situation.kills:
        text = "Lives that ended in an OOM kill"
        yield Evidence.of(
            main, Says.FOR, 1, Statistic.OOM_KILLS, text, f"{situation.kills}", situation.kills, Unit.COUNT
        )
    elsewhere = sum(opinion.life.ended in (Ending.NODE_OOM, Ending.EVICTED) for opinion in pool.opinions)
    if elsewhere:
        text = "Ended by the node (eviction, node out of memory): says nothing about this limit"
        shown = count(elsewhere, "life", "lives")
        yield Evidence.of(main, Says.AGAINST, 0, Statistic.NODE_EVENTS, text, shown, elsewhere, Unit.COUNT)
    if pool.fixed_version is not None:
        shown = printable(pool.fixed_version)[:40]
        yield Evidence.of(main, Says.AGAINST, 3, Statistic.FIXED_VERSION, "The growth ended with a release", shown)
    if pool.since_version is not None and situation.row.verdict == Verdict.LEAK:
        text, shown = "The growth began with a release, the one before was flat", printable(pool.since_version)[:40]
        yield Evidence.of(main, Says.FOR, 3, Statistic.SINCE_VERSION, text, shown)
    if lasts.longest_hours is not None and situation.row.limit_outlook == Outlook.REACHES:
        text = "Restarts begin the growth anew: no life is expected to last longer"
        says, longest = Says.AGAINST if situation.capped else Says.FOR, lasts.longest_hours
        yield Evidence.of(main, says, 0, Statistic.LIFE_LENGTH, text, hours(longest), longest, Unit.HOURS)


def _pods(situation: Situation, main: Opinion) -> Evidence:
    """One pod of several points at that instance, all of them at the code."""
    growing, judged, pod = situation.growing, situation.judged, situation.row.pod
    text = "Pods that grow"
    if growing == judged:
        text = "Pods that grow: all of them, so the code does it wherever it runs"
    elif growing == 1 and pod is not None:
        text = f"Pods that grow: only {printable(pod)[:80]}, so look at what is different there"
    says = Says.FOR if growing else Says.AGAINST
    return Evidence.of(main, says, 2, Statistic.PODS_GROWING, text, f"{growing} of {judged}", growing, Unit.COUNT)


def _doubts(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    if main.restarts_unknown:
        text = "Deep falls may be restarts that the source does not report"
        yield Evidence.of(main, Says.FOR, 2, Statistic.RESTARTS_UNKNOWN, text, "unknown")
    seen = situation.row.coverage
    if seen is not None and seen < COVERED:
        text, shown = "Samples are missing", f"{number(100 * (1 - seen), 2)} %"
        yield Evidence.of(main, Says.NOT_MEASURED, 1, Statistic.COVERAGE, text, shown, seen, Unit.SHARE)
    # What is wrong between two signals is said of both; once is enough.
    said: set[str] = set()
    for one in situation.rejected:
        if one.detail in said:
            continue
        said.add(one.detail)
        row = Evidence.of(main, Says.NOT_MEASURED, 0, rejected(one.check), one.detail[:160], "not used")
        yield replace(row, signal=one.signal)


def _missing(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    if Signal.ALLOCATED not in main.levels:
        broken = any(one.signal == Signal.ALLOCATED for one in situation.rejected)
        text, shown = "The live heap of the allocator", "its exporter is broken" if broken else "not exported"
        yield Evidence.of(main, Says.NOT_MEASURED, 0, Statistic.NO_LIVE_HEAP, text, shown)
    if Signal.LOAD not in main.levels and Signal.WORK not in main.levels:
        yield Evidence.of(main, Says.NOT_MEASURED, 0, Statistic.NO_WORK, "Requests or other work", "not exported")
    if main.life.seconds and situation.row.evidence_level < 2:
        shown = f"{hours(main.life.hours)} seen as one life"
        yield Evidence.of(main, Says.NOT_MEASURED, 0, Statistic.NO_RESTARTS, "Restarts", shown)
