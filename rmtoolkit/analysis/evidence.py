"""The evidence for and against a verdict, a heap profile's too, and the PromQL that shows the same."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis.assess import peaks_at_limit, pressure, spikes_early
from rmtoolkit.analysis.models import GROWTH_FAMILIES, Family
from rmtoolkit.analysis.patterns import stack_of_a_thread
from rmtoolkit.analysis.records import (
    Advice,
    Evidence,
    Halt,
    HeapKind,
    Layer,
    Says,
    Statistic,
    Unit,
    VerdictRow,
    rejected,
)
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
    from collections.abc import Iterator, Mapping

    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.analysis.records import Opinion, Reading
    from rmtoolkit.analysis.words import Open, Situation


_SECONDS_PER_DAY: Final = 86_400
_HEAP_SIGNAL: Final = "heap_profile"


def heap_rows(pool: Pool) -> list[Evidence]:
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
        return Evidence(says, text, value, weight, _HEAP_SIGNAL, None, None, statistic, estimate, None, None, unit)

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


def advise_on_heap(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
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
    Family.ACCELERATING: "Growth that speeds up",
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
        yield from heap_rows(situation.pool)
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


#: Columns of the frame that `frame` makes.
QUERIES: Final = pl.Schema({"shows": pl.String(), "promql": pl.String()})

#: Metrics of the container, as cAdvisor names them, by signal.
_CGROUP: Final[dict[str, str]] = {
    Signal.WORKING_SET: "container_memory_working_set_bytes",
    Signal.USAGE: "container_memory_usage_bytes",
    Signal.ANON: "container_memory_rss",
    Signal.FILE: "container_memory_cache",
    Signal.KERNEL: "container_memory_kernel_usage",
    Signal.PEAK: "container_memory_max_usage_bytes",
    Signal.THREADS: "container_threads",
}
#: Of the process itself, as Prometheus' client libraries name them.
_PROCESS: Final[dict[str, str]] = {Signal.RSS: "process_resident_memory_bytes"}
#: No two exporters of jemalloc agree on names: a pattern finds them all.
_ALLOCATOR: Final = ("allocated", "active", "resident", "retained", "mapped", "metadata")
_WORDS: Final = {
    Signal.WORKING_SET: "Working set",
    Signal.USAGE: "Usage",
    Signal.ANON: "Anonymous memory",
    Signal.RSS: "RSS",
    Signal.ALLOCATED: "Live heap",
}
_REGEX: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WEEK_SECONDS: Final = 604_800
_SHORTEST_SECONDS: Final = 300
_LAST_CONTROL: Final = 0x20


@dataclass(frozen=True, slots=True)
class Query:
    """One query."""

    #: What its graph shows.
    shows: str
    #: The expression, to be pasted into Grafana or Prometheus.
    promql: str


def quoted(text: str) -> str:
    r"""Write text as a PromQL string."""
    written = []
    # Half a surrogate is no character: no label of Prometheus can hold one.
    for letter in _SURROGATE.sub("\ufffd", text):
        if letter in _ESCAPES:
            written.append(_ESCAPES[letter])
        elif ord(letter) < _LAST_CONTROL or ord(letter) == 0x7F:
            written.append(f"\\x{ord(letter):02x}")
        else:
            # Prometheus takes the mark of a broken character for one, unless it is escaped.
            plain = letter.isprintable() and letter != "\ufffd"
            written.append(letter if plain else f"\\U{ord(letter):08x}")
    return '"' + "".join(written) + '"'


def literal(text: str) -> str:
    r"""Write text as an RE2 expression that matches it and nothing else."""
    return _REGEX.sub(lambda found: "\\" + found[0], text)


def queries(stored: Mapping[str, object]) -> Iterator[Query]:
    """Write the queries that show what a stored verdict rests on."""
    row = VerdictRow.stored(stored)
    names, evidence, signal = _Names(row), row.by_statistic, row.signal
    if signal is not None:
        shown, window = names.signal(signal), _window(evidence)
        word = _WORDS.get(signal, signal)
        yield Query(f"{word}, which the verdict rests on", shown)
        yield Query(f"Growth of it, bytes a day over {window}", f"deriv({shown}[{window}]) * 86400")
    if names.in_kubernetes:
        yield Query("Working set as a share of the limit", _share_of_limit(names))
        restarts = f"kube_pod_container_status_restarts_total{names.pods()}"
        yield Query("Restarts within a week", f"increase({restarts}[7d])")
        reason = "kube_pod_container_status_last_terminated_reason" + names.pods('reason="OOMKilled"')
        yield Query("Containers whose last end was an OOM kill", f"{reason} == 1")
    if Statistic.GROWTH_PER_WORK in evidence or Statistic.FOLLOWS_LOAD in evidence:
        matchers = names.process()
        yield Query("Requests a second (put your own counter here)", f"sum(rate(http_requests_total{matchers}[5m]))")
    if {Statistic.THREADS_RISE, Statistic.THREADS_MANY} & evidence.keys():
        yield Query("Threads", names.signal(Signal.THREADS))
    if {Statistic.PSI_SOME, Statistic.PSI_FULL, Statistic.AT_LIMIT} & evidence.keys():
        waiting = f"container_pressure_memory_waiting_seconds_total{names.container()}"
        yield Query("Share of time that tasks wait for memory", f"rate({waiting}[5m])")
    if {Statistic.KEPT, Statistic.SLACK, Statistic.OUTSIDE, Statistic.LIVE_HEAP} & evidence.keys():
        for kind in (Signal.ALLOCATED, Signal.ACTIVE, Signal.RESIDENT):
            if kind != signal:
                yield Query(f"jemalloc, {kind.removesuffix('_bytes')}", names.signal(kind))
    if Statistic.KERNEL in evidence:
        yield Query("What the kernel holds for the container", names.signal(Signal.KERNEL))
    if {Statistic.CACHE, Statistic.SHMEM} & evidence.keys():
        yield Query("Page cache, files in memory included", names.signal(Signal.FILE))


def _share_of_limit(names: _Names) -> str:
    by = "max by (namespace, pod, container)"
    limit = "kube_pod_container_resource_limits" + names.pods('resource="memory"')
    return f"{by} ({names.signal(Signal.WORKING_SET)}) / {by} ({limit})"


class _Names:
    """Label matchers of one workload container."""

    def __init__(self, row: VerdictRow) -> None:
        named = (("cluster", row.cluster), ("namespace", row.namespace))
        self._places = [f"{label}={quoted(name)}" for label, name in named if name is not None]
        pod, workload = row.pod, row.workload
        if pod is not None:
            self._places.append(f"pod={quoted(pod)}")
        elif workload is not None and row.namespace is not None:
            # The pod of a Deployment, a StatefulSet or a Job begins with its name; a bare pod's is its name.
            self._places.append(f"pod=~{quoted(literal(workload) + '(-.+)?')}")
        self.in_kubernetes = bool(self._places)
        self._container = row.container
        self._name = workload

    def container(self) -> str:
        """For the metrics of cAdvisor: without a name, all containers but the sums over a pod."""
        if not self.in_kubernetes:
            name = self._container or self._name
            return _braces([f"name={quoted(name)}"] if name is not None else [])
        if self._container is None:
            return _braces([*self._places, 'container!=""', 'container!="POD"'])
        return _braces([*self._places, f"container={quoted(self._container)}"])

    def pods(self, *more: str) -> str:
        """For kube-state-metrics."""
        own = [f"container={quoted(self._container)}"] if self._container is not None else []
        return _braces([*self._places, *own, *more])

    def process(self, *more: str) -> str:
        """For what the process exports: scrape rules give it a namespace and a pod, seldom a container."""
        return _braces([*more, *self._places])

    def signal(self, signal: str) -> str:
        """The metric of a signal."""
        if signal in _CGROUP:
            return _CGROUP[signal] + self.container()
        if signal in _PROCESS:
            return _PROCESS[signal] + self.process()
        kind = signal.removesuffix("_bytes")
        if kind in _ALLOCATOR:
            pattern = f"(.+_)?jemalloc_(.+_)?{kind}(_bytes)?"
            return self.process(f"__name__=~{quoted(pattern)}")
        return "container_memory_working_set_bytes" + self.container()


def _braces(matchers: list[str]) -> str:
    return "{" + ",".join(matchers) + "}" if matchers else ""


def _window(evidence: Mapping[str, Evidence]) -> str:
    """The stretch that was judged, at most a week: a slope over less is noise."""
    found = evidence.get(Statistic.GROWTH)
    if found is None or found.start is None or found.end is None:
        return "6h"
    seconds = (found.end - found.start).total_seconds()
    seconds = min(max(seconds, _SHORTEST_SECONDS), _WEEK_SECONDS)
    return f"{round(seconds / 3600)}h" if seconds >= 3 * 3600 else f"{round(seconds / 60)}m"


def frame(row: Mapping[str, object]) -> pl.DataFrame:
    """Lay out the queries for a verdict."""
    return pl.DataFrame([asdict(query) for query in queries(row)], schema=QUERIES)
