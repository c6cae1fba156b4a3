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
from rmtoolkit.schema import Outlook, Pattern, Signal, Verdict
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
    from rmtoolkit.analysis.records import Opinion, Reading
    from rmtoolkit.analysis.words import Situation


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


def layers(main: Opinion) -> list[Evidence]:
    """Tell what the memory is made of, where the allocator and the cgroup say it."""
    found: list[Evidence] = []
    heap = main.readings.get(Signal.ALLOCATED)
    whole = main.footprint
    if heap is not None and whole is not None and heap.bounded > LIKELY:
        change = f"{memory(heap.early_level)} → {memory(heap.end_level)}"
        found.append(
            Evidence.of(
                main,
                Says.AGAINST,
                "The live heap holds its level",
                change,
                3,
                Statistic.LIVE_HEAP,
                estimate=heap.end_level,
                unit=Unit.BYTES,
                signal=Signal.ALLOCATED,
            )
        )
        if spikes_early(heap):
            change = f"{memory(heap.early_peak)} → {memory(heap.settled)}"
            text = "The live heap returns to its level after startup"
            found.append(
                Evidence.of(
                    main,
                    Says.AGAINST,
                    text,
                    change,
                    3,
                    Statistic.STARTUP_HEAP,
                    estimate=heap.early_peak - heap.settled,
                    unit=Unit.BYTES,
                    signal=Signal.ALLOCATED,
                )
            )
    shares = main.shares
    footprint = whole.end_level if whole is not None else 0.0
    growing = main.growing_layer
    swapped = main.levels.get(Signal.SWAP)
    if swapped is not None and swapped.end_level - swapped.early_level >= MATERIAL_SHARE * footprint > 0:
        text = "Memory that was moved to swap, and is counted here as what it is"
        change = f"{memory(swapped.early_level)} → {memory(swapped.end_level)}"
        amount = swapped.end_level
        found.append(
            Evidence.of(
                main, Says.FOR, text, change, 2, Statistic.SWAP, estimate=amount, unit=Unit.BYTES, signal=Signal.SWAP
            ),
        )
    for layer, (text, signals) in _LAYERS.items():
        if shares.get(layer, 0.0) < LAYER_SHOWN and layer != growing:
            continue
        amount = shares.get(layer, 0.0) * footprint
        signal = next((name for name in signals if name in main.levels), signals[-1])
        grows = layer == growing
        says = Says.FOR if grows and layer in _COUNTS else Says.AGAINST
        words = f"{text}: this part grows" if grows else text
        value = f"{memory(amount)} of {memory(footprint)}"
        found.append(
            Evidence.of(main, says, words, value, 2, layer, estimate=amount, unit=Unit.BYTES, signal=signal),
        )
    return found


def threads(main: Opinion) -> list[Evidence]:
    """Tell whether threads rise, and whether their stacks explain what the memory grew by."""
    row = main.readings.get(Signal.THREADS)
    if row is None:
        return []
    found: list[Evidence] = []
    last = row.end_level
    if main.threads_grow:
        change = f"{row.first_level:.0f} → {last:.0f}"
        text = "The number of threads keeps rising"
        found.append(
            Evidence.of(
                main,
                Says.FOR,
                text,
                change,
                2,
                Statistic.THREADS_RISE,
                estimate=last,
                unit=Unit.COUNT,
                signal=Signal.THREADS,
            ),
        )
        stack = stack_of_a_thread(main)
        if stack is not None and STACK_LEAST <= stack <= STACK_MOST:
            text = "Growth outside the heap for each new thread: as much as a touched stack"
            value = f"{memory(stack)} a thread"
            found.append(
                Evidence.of(
                    main,
                    Says.FOR,
                    text,
                    value,
                    2,
                    Statistic.STACK_OF_A_THREAD,
                    estimate=stack,
                    unit=Unit.BYTES_PER_THREAD,
                    signal=Signal.THREADS,
                )
            )
    elif last >= MANY_THREADS:
        text = "Threads, a number that stays"
        found.append(
            Evidence.of(
                main,
                Says.AGAINST,
                text,
                f"{last:.0f}",
                0,
                Statistic.THREADS_MANY,
                estimate=last,
                unit=Unit.COUNT,
                signal=Signal.THREADS,
            )
        )
    return found


def held_down(main: Opinion) -> list[Evidence]:
    """Tell what says that a flat level is flat because it cannot grow."""
    if main.pattern != Pattern.AT_LIMIT:
        return []
    limit, level = main.life.limit_bytes, main.end_level(Signal.FOOTPRINT)
    found: list[Evidence] = []
    if limit and level is not None:
        text = "Flat this near the limit: growth would not show"
        value = f"{memory(level)} of {configured(limit)}"
        found.append(
            Evidence.of(main, Says.FOR, text, value, 2, Statistic.AT_LIMIT, estimate=level / limit, unit=Unit.SHARE)
        )
    for name, amount in pressure(main).items():
        shown = f"{share(amount)} of the time" if name != Signal.REFAULTS else f"{number(amount, 2)} × memory an hour"
        unit = Unit.PER_HOUR if name == Signal.REFAULTS else Unit.SHARE
        found.append(
            Evidence.of(main, Says.FOR, _PRESSURE_WORDS[name], shown, 2, name, estimate=amount, unit=unit, signal=name),
        )
    if peaks_at_limit(main):
        peak = main.end_level(Signal.PEAK)
        text = "The highest usage that the kernel counted is the limit"
        found.append(
            Evidence.of(
                main,
                Says.FOR,
                text,
                memory(peak),
                1,
                Statistic.PEAK_AT_LIMIT,
                estimate=peak,
                unit=Unit.BYTES,
                signal=Signal.PEAK,
            )
        )
    return found


def work(situation: Situation, main: Opinion, row: Reading) -> list[Evidence]:
    """Set growth against the work that was done meanwhile."""
    found: list[Evidence] = []
    if row.load_share > 0:
        value = f"{number(100 * row.load_share, 2)} % of its changes"
        text = "The memory follows the load"
        found.append(
            Evidence.of(
                main, Says.AGAINST, text, value, 2, Statistic.FOLLOWS_LOAD, estimate=row.load_share, unit=Unit.SHARE
            )
        )
    counter = main.levels.get(Signal.WORK)
    days = main.life.seconds / 86_400
    if counter is None or days <= 0:
        return found
    if counter.end_level <= counter.first_level:
        text = "No work was done: rest says nothing about a leak per request"
        found.append(
            Evidence.of(
                main,
                Says.NOT_MEASURED,
                text,
                "0 units",
                1,
                Statistic.IDLE,
                estimate=0,
                unit=Unit.COUNT,
                signal=Signal.WORK,
            )
        )
        return found
    per_day = (counter.end_level - counter.middle_level) / (_LATER_PART * days)
    seen = situation.row
    growth, low, high = seen.growth_bytes_per_day, seen.growth_low_bytes_per_day, seen.growth_high_bytes_per_day
    if growth is None or low is None or high is None or per_day <= 0:
        return found
    each = [value / per_day for value in (growth, low, high)]
    grows = low > 0 and seen.verdict != Verdict.NOT_LEAK
    text = "Growth for each unit of work done" if grows else "For each unit of work done the memory does not grow"
    value = f"{small_memory(each[0])} ({small_memory(each[1], like=each[0])}–{small_memory(each[2], like=each[0])})"
    if each[1] < 0:
        value = value.replace("–", " to ")
    found.append(
        Evidence.of(
            main,
            Says.FOR if grows else Says.AGAINST,
            text,
            value,
            2 if grows else 1,
            Statistic.GROWTH_PER_WORK,
            estimate=each[0],
            low=each[1],
            high=each[2],
            unit=Unit.BYTES_PER_WORK,
        )
    )
    return found


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
    """Collect the evidence, strongest first: for, against, not measured."""
    main = situation.main
    if main is None:
        return []
    found = _settling(situation, main)
    if situation.row.limit_bytes is None and not situation.row.limit_known:
        found.append(Evidence.of(main, Says.NOT_MEASURED, "The memory limit", "not exported", 0, Statistic.NO_LIMIT))
    if main.reading is not None:
        found += [
            *_trend(situation, main, main.reading),
            *work(situation, main, main.reading),
            *heap_evidence.rows(situation.pool),
            *_lives(situation, main),
            *layers(main),
            *threads(main),
            *held_down(main),
            *_doubts(situation, main),
            *_missing(situation, main),
        ]
    order = {Says.FOR: 0, Says.AGAINST: 1, Says.NOT_MEASURED: 2}
    leak = situation.row.verdict == Verdict.LEAK
    return sorted(
        found,
        key=lambda row: (
            order[row.says] if leak or row.says == Says.NOT_MEASURED else 1 - order[row.says],
            -row.weight,
        ),
    )


def _settling(situation: Situation, main: Opinion) -> list[Evidence]:
    """What an open verdict waits for; `end` is when it will have come, where waiting helps."""
    if situation.row.verdict != Verdict.INCONCLUSIVE:
        return []
    question = situation.question
    text = f"What keeps it open: {question.why}"
    since = main.life.end
    if question.until is None:
        return [Evidence.of(main, Says.NOT_MEASURED, text, "time alone does not help", 1, question.kind.statistic)]
    wait = (question.until - since).total_seconds() / 3600
    value = f"until {question.wait(since)}"
    row = Evidence.of(main, Says.NOT_MEASURED, text, value, 1, question.kind.statistic, estimate=wait, unit=Unit.HOURS)
    return [replace(row, start=since, end=question.until)]


def _trend(situation: Situation, main: Opinion, reading: Reading) -> list[Evidence]:
    signal = SIGNAL_WORDS.get(reading.signal, reading.signal)
    grows = reading.family in GROWTH_FAMILIES and reading.growing > LIKELY
    strength = max(reading.growing, reading.bounded, reading.unresolved)
    weight = 3 if strength > STRONG else 2 if strength > GOOD else 1
    says = Says.FOR if grows or reading.unresolved > LIKELY else Says.AGAINST
    shape = f"{_SHAPES[reading.family]} explains the {signal} best"
    shown = f"weight {number(100 * strength, 2)} %"
    found = [Evidence.of(main, says, shape, shown, weight, Statistic.SHAPE, estimate=strength, unit=Unit.SHARE)]
    row = situation.row
    growth, low, high = row.growth_bytes_per_day, row.growth_low_bytes_per_day, row.growth_high_bytes_per_day
    if growth is None or low is None or high is None:
        return found
    value = rate_with_range(growth, low, high)
    lasting = next((text for halt, text in _HALTS.items() if halt in main.halts), None)
    if low > 0 and grows and lasting is None:
        trend = (Says.FOR, f"The {signal} still grows at the end of the window", weight)
    elif lasting is not None and grows:
        trend = (Says.AGAINST, lasting, 2)
    elif reading.unresolved > reading.bounded:
        trend = (Says.FOR, f"The {signal} still rises, though less and less", 1)
    else:
        trend = (Says.AGAINST, f"The {signal} does not grow at the end of the window", weight)
    said, text, heavy = trend
    found.append(
        Evidence.of(
            main,
            said,
            text,
            value,
            heavy,
            Statistic.GROWTH,
            estimate=growth,
            low=low,
            high=high,
            unit=Unit.BYTES_PER_DAY,
        ),
    )
    return found


def _lives(situation: Situation, main: Opinion) -> list[Evidence]:
    pool = situation.pool
    found = []
    rising, judged = pool.lives_rising, pool.lives_judged
    if judged > 1:
        says = Says.FOR if rising > judged / 2 else Says.AGAINST
        text, weight = "Lives in which the memory keeps rising", 3 if judged > 2 else 2
        found.append(
            Evidence.of(
                main,
                says,
                text,
                f"{rising} of {judged}",
                weight,
                Statistic.LIVES_RISING,
                estimate=rising,
                unit=Unit.COUNT,
            )
        )
    if situation.judged > 1:
        found.append(_pods(situation, main))
    if kills := pool.kills:
        text = "Lives that ended in an OOM kill"
        found.append(
            Evidence.of(main, Says.FOR, text, f"{kills}", 1, Statistic.OOM_KILLS, estimate=kills, unit=Unit.COUNT)
        )
    elsewhere = sum(opinion.life.ended in ("node_oom", "evicted") for opinion in pool.opinions)
    if elsewhere:
        text = "Ended by the node (eviction, node out of memory): says nothing about this limit"
        shown = count(elsewhere, "life", "lives")
        found.append(
            Evidence.of(main, Says.AGAINST, text, shown, 0, Statistic.NODE_EVENTS, estimate=elsewhere, unit=Unit.COUNT)
        )
    if pool.fixed_version is not None:
        shown = printable(pool.fixed_version)[:40]
        found.append(
            Evidence.of(main, Says.AGAINST, "The growth ended with a release", shown, 3, Statistic.FIXED_VERSION)
        )
    if pool.since_version is not None and situation.row.verdict == Verdict.LEAK:
        shown = printable(pool.since_version)[:40]
        found.append(
            Evidence.of(
                main,
                Says.FOR,
                "The growth began with a release, the one before was flat",
                shown,
                3,
                Statistic.SINCE_VERSION,
            )
        )
    lasts = situation.lasts
    if lasts.longest_hours is not None and situation.row.limit_outlook == Outlook.REACHES:
        text = "Restarts begin the growth anew: no life is expected to last longer"
        says = Says.AGAINST if situation.capped else Says.FOR
        found.append(
            Evidence.of(
                main,
                says,
                text,
                hours(lasts.longest_hours),
                0,
                Statistic.LIFE_LENGTH,
                estimate=lasts.longest_hours,
                unit=Unit.HOURS,
            )
        )
    return found


def _pods(situation: Situation, main: Opinion) -> Evidence:
    """One pod of several points at that instance, all of them at the code."""
    growing, judged = situation.growing, situation.judged
    says = Says.FOR if growing else Says.AGAINST
    text = "Pods that grow"
    if growing == judged:
        text = "Pods that grow: all of them, so the code does it wherever it runs"
    elif growing == 1 and situation.row.pod is not None:
        text = f"Pods that grow: only {printable(situation.row.pod)[:80]}, so look at what is different there"
    return Evidence.of(
        main, says, text, f"{growing} of {judged}", 2, Statistic.PODS_GROWING, estimate=growing, unit=Unit.COUNT
    )


def _doubts(situation: Situation, main: Opinion) -> list[Evidence]:
    found = []
    if main.restarts_unknown:
        text = "Deep falls may be restarts that the source does not report"
        found.append(Evidence.of(main, Says.FOR, text, "unknown", 2, Statistic.RESTARTS_UNKNOWN))
    coverage = situation.row.coverage
    if coverage is not None and coverage < COVERED:
        shown = f"{number(100 * (1 - coverage), 2)} %"
        found.append(
            Evidence.of(
                main,
                Says.NOT_MEASURED,
                "Samples are missing",
                shown,
                1,
                Statistic.COVERAGE,
                estimate=coverage,
                unit=Unit.SHARE,
            )
        )
    said: set[str] = set()
    for one in situation.rejected:
        # What is wrong between two signals is said of both; once is enough.
        if one.detail not in said:
            row = Evidence.of(main, Says.NOT_MEASURED, one.detail[:160], "not used", 0, rejected(one.check))
            found.append(replace(row, signal=one.signal))
        said.add(one.detail)
    return found


def _missing(situation: Situation, main: Opinion) -> list[Evidence]:
    found = []
    broken = {one.signal for one in situation.rejected}
    if Signal.ALLOCATED not in main.levels:
        shown = "not exported" if Signal.ALLOCATED not in broken else "its exporter is broken"
        found.append(
            Evidence.of(main, Says.NOT_MEASURED, "The live heap of the allocator", shown, 0, Statistic.NO_LIVE_HEAP)
        )
    if Signal.LOAD not in main.levels and Signal.WORK not in main.levels:
        found.append(
            Evidence.of(main, Says.NOT_MEASURED, "Requests or other work", "not exported", 0, Statistic.NO_WORK)
        )
    if main.life.seconds and situation.row.evidence_level < 2:
        shown = f"{hours(main.life.seconds / 3600)} seen as one life"
        found.append(Evidence.of(main, Says.NOT_MEASURED, "Restarts", shown, 0, Statistic.NO_RESTARTS))
    return found
