"""Headline, reason, open questions and the five questions of a verdict, in words."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import polars as pl

from rmtoolkit.analysis.assess import BESIDE, pressure
from rmtoolkit.analysis.forecast import ENDLESS, Exposure
from rmtoolkit.analysis.models import SLOWING_DOWN, Family
from rmtoolkit.analysis.patterns import PATTERNS
from rmtoolkit.analysis.pooling import names_leak
from rmtoolkit.analysis.records import Halt, HeapKind, Layer, Statistic
from rmtoolkit.analysis.thresholds import (
    CLOSE_TO_LIMIT,
    COARSE_SAMPLES,
    EXCURSION,
    FAR_HOURS,
    FEW_SAMPLES,
    FEWEST_CYCLES,
    LIKELY,
    RESERVED_SHARE,
    SHORT,
    TEETH,
    YOUNG,
    YOUNG_SEEN,
)
from rmtoolkit.schema import Cause, Outlook, Pattern, Signal, Verdict
from rmtoolkit.text import SIGNAL_WORDS, configured, count, hours, memory, moment, number, printable, rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.analysis.records import Opinion, Reading, Rejected, VerdictRow


@dataclass(frozen=True, slots=True)
class Situation:
    """What the words are made from."""

    #: The verdict's columns so far.
    row: VerdictRow
    #: The pooled lives behind it.
    pool: Pool
    #: Instances that grow, and instances that could be judged.
    growing: int
    judged: int
    #: What keeps the verdict open.
    question: Open
    #: About the instance that is shown.
    rejected: Sequence[Rejected] = ()
    #: How long a life lasts when memory does not end it.
    lasts: Exposure = ENDLESS
    #: Whether restarts end a life before it is at the limit.
    capped: bool = False
    #: Lives that an OOM kill ended, of all pods.
    kills: int = 0

    @property
    def main(self) -> Opinion | None:
        """The life that stands for the workload."""
        return self.pool.main


#: A bend is told from a line when the window is this many times as long.
_LONGER: Final = 3.0
#: No wait is longer than so many windows like the one seen: something else settles it sooner.
_PATIENCE: Final = 8.0
_DAY_HOURS: Final = 24.0


class OpenKind(StrEnum):
    """What a verdict waits for."""

    TOO_FEW = "too_few"
    KILLED = "killed"
    RESTARTS_UNKNOWN = "restarts_unknown"
    AT_LIMIT = "at_limit"
    SHMEM = "shmem"
    KERNEL = "kernel"
    MAPPED = "mapped"
    OUTSIDE = "outside"
    IDLE = "idle"
    YOUNG_RELEASE = "young_release"
    FEW_TEETH = "few_teeth"
    YOUNG = "young"
    WITHIN_RANGE = "within_range"
    HALF_WAVE = "half_wave"
    FEW_SAMPLES = "few_samples"
    LIVES_DIFFER = "lives_differ"
    FAINT = "faint"
    SLOWING = "slowing"
    HEAP_RESTS = "heap_rests"

    @property
    def statistic(self) -> str:
        """The statistic of the evidence that says so."""
        return f"open_{self}"


@dataclass(frozen=True, slots=True)
class Open:
    """Why a verdict is open."""

    kind: OpenKind
    #: The end of a sentence that begins with what was seen.
    why: str
    #: When the same data, longer, decides; None where waiting does not help.
    until: dt.datetime | None

    def wait(self, since: dt.datetime) -> str:
        """Say until when to wait, in UTC, and how much longer that is."""
        if self.until is None:
            return ""
        span = self.until - since
        when = moment(self.until, seconds=span < dt.timedelta(minutes=10))
        return f"{when} UTC ({hours(span.total_seconds() / 3600)} more)"


def open_question(pool: Pool, pattern: Pattern, cause: Cause | None) -> Open:
    """Find what keeps the verdict open: the doubt that weighs most first."""
    main = pool.main
    if main is None or main.reading is None:
        return _too_few(pool)
    row = main.reading
    if pattern == Pattern.AT_LIMIT:
        return Open(OpenKind.AT_LIMIT, "what it would need above the limit is hidden", None)
    if main.restarts_unknown:
        return Open(OpenKind.RESTARTS_UNKNOWN, "the falls may be restarts, which the source does not report", None)
    if (beside := main.beside) is not None:
        return Open(OpenKind(beside), BESIDE[beside].unknown, None)
    if cause == Cause.OUTSIDE_ALLOCATOR:
        return Open(OpenKind.OUTSIDE, "what grows lies outside the allocator: mappings, C code or stacks", None)
    if pool.heap is not None and pool.heap.kind == HeapKind.RESTS and row.mean_rise > 0 and row.bounded < LIKELY:
        return Open(OpenKind.HEAP_RESTS, "the heap does not: the allocator keeps it, or it lies outside the heap", None)
    work = main.levels.get(Signal.WORK)
    if work is not None and work.end_level <= work.first_level and row.bounded > LIKELY:
        return Open(OpenKind.IDLE, "no work was done meanwhile, so a leak for each request would not show", None)
    if pool.young_release:
        return _young_release(pool, main)
    return _shape(pool, main, row)


def _shape(pool: Pool, main: Opinion, row: Reading) -> Open:
    """What the curve itself leaves open."""
    start, span = main.life.start, main.life.seconds
    if 0 < row.teeth < TEETH:
        period = span / (row.teeth + 0.5)
        falls = round(row.teeth)
        seen = "once" if falls == 1 else f"{falls} times"
        why = f"it fell back only {seen}, and {TEETH} falls are needed to know its floor"
        return Open(OpenKind.FEW_TEETH, why, _at(start, (TEETH + 0.5) * period, span))
    half_wave = Family.HALF_WAVE in (row.family, row.bounded_family) and row.unresolved > LIKELY
    if half_wave and span < FEWEST_CYCLES * _DAY_HOURS * 3600:
        why = f"it may be a part of a daily cycle, and {number(FEWEST_CYCLES)} days are needed to know one"
        return Open(OpenKind.HALF_WAVE, why, start + dt.timedelta(hours=FEWEST_CYCLES * _DAY_HOURS))
    rises = row.mean_rise > 0 and row.bounded < LIKELY
    if rises and row.begun_at > 1 - YOUNG_SEEN * YOUNG:
        # Twice the share that a growth phase must fill: a burst has gone away by then.
        why = "the rise began in the last fifth of what was seen"
        return Open(OpenKind.YOUNG, why, _at(start, row.begun_at * span / (1 - 2 * YOUNG), span))
    if rises and row.excursion < EXCURSION:
        why = "the rise goes no further than the memory wandered before"
        grown = (1 - row.onset) * span
        return Open(
            OpenKind.WITHIN_RANGE, why, _at(start, span + (EXCURSION / max(row.excursion, 0.5) - 1) * grown, span)
        )
    cadence = span / max(row.samples - 1, 1)
    if row.samples < FEW_SAMPLES:
        why = f"there are only {row.samples} samples, and {COARSE_SAMPLES} show a bend"
        return Open(OpenKind.FEW_SAMPLES, why, _at(start, COARSE_SAMPLES * cadence, span))
    lives, rising = pool.lives_judged, pool.lives_rising
    if lives > 1 and 0 < rising < lives:
        return Open(OpenKind.LIVES_DIFFER, f"it rises in {rising} of {lives} lives only", _at(start, 2 * span, span))
    growth, floor = row.growth_per_day, row.floor_per_day
    if rises and growth > 0 and growth < floor and row.growing > row.unresolved:
        # The floor falls with the window's length to the power of one and a half.
        why = (
            f"it grows by {rate(growth, digits=2)}, and growth below {rate(floor, digits=2)} cannot be told from noise"
        )
        return Open(OpenKind.FAINT, why, _at(start, span * (floor / growth) ** (2 / 3), span))
    why = "it neither rises nor rests clearly enough"
    if rises:
        slows = row.family in SLOWING_DOWN or Halt.SLOWING in main.halts
        why = "the rise slows down, and may end or go on" if slows else "it rises, but not steadily enough to tell"
    return Open(OpenKind.SLOWING, why, _at(start, _LONGER * span, span))


def _too_few(pool: Pool) -> Open:
    main = pool.main
    if pool.kills:
        return Open(OpenKind.KILLED, f"each of {pool.kills} OOM kills came before a trend could show", None)
    if main is None:
        return Open(OpenKind.TOO_FEW, f"at least {FEW_SAMPLES} samples of one life are needed to see a trend", None)
    samples = main.life.samples
    cadence = main.life.seconds / (samples - 1) if samples > 1 else None
    until = main.life.start + dt.timedelta(seconds=(FEW_SAMPLES - 1) * cadence) if cadence else None
    why = f"there {'is' if samples == 1 else 'are'} {samples}, and at least {FEW_SAMPLES} of one life show a trend"
    return Open(OpenKind.TOO_FEW, why, until if until is None or until > main.life.end else None)


def _young_release(pool: Pool, main: Opinion) -> Open:
    """A release is judged when it was seen for a good part of the longest life before it."""
    current = max(pool.opinions, key=lambda opinion: opinion.life.start)
    longest = pool.longest_before_seconds or main.life.seconds
    version = current.life.version
    since = hours(current.life.seconds / 3600)
    why = f"version {version} has run for only {since}" if version else f"the last release is only {since} old"
    return Open(OpenKind.YOUNG_RELEASE, why, _at(current.life.start, 1.1 * SHORT * longest, current.life.seconds))


def _at(start: dt.datetime, needed_seconds: float, seen_seconds: float) -> dt.datetime:
    """When so much will have been seen: at least a tenth more than now, and not for ever."""
    seconds = min(max(needed_seconds, 1.1 * seen_seconds), _PATIENCE * seen_seconds)
    return start + dt.timedelta(seconds=seconds)


_HORIZON_WORDS: Final = "90 days"
#: Why it cannot be decided yet, by the question that is open; the others are of growth and rest that fit equally well.
_OPEN: Final = {
    OpenKind.TOO_FEW: "there are too few samples",
    OpenKind.KILLED: "an OOM kill ends every life before a trend can show",
    OpenKind.AT_LIMIT: "it lies flat at its limit, where growth would not show",
    OpenKind.RESTARTS_UNKNOWN: "the falls may be restarts that hide a leak, or a sawtooth",
    **{OpenKind(layer): f"{beside.grows}, the rest does not" for layer, beside in BESIDE.items()},
    OpenKind.OUTSIDE: "memory outside the allocator grows while the live heap does not",
    OpenKind.IDLE: "it rested, and a leak for each request would not show at rest",
    OpenKind.YOUNG_RELEASE: "its last release has not run for long enough",
    OpenKind.FEW_TEETH: "it rose and fell too few times to know its floor",
    OpenKind.HALF_WAVE: "a daily cycle and a leak fit what was seen equally well",
    OpenKind.YOUNG: "a rise has only begun",
    OpenKind.HEAP_RESTS: "its memory grows and its heap profile does not",
}


def headline(situation: Situation) -> str:
    """Say the verdict in one sentence."""
    row = situation.row
    subject = row.workload or row.container or "this process"
    if row.verdict == Verdict.LEAK:
        return _leak_headline(situation, subject)
    if row.verdict == Verdict.INCONCLUSIVE:
        return f"{subject} cannot be decided yet: {_why_open(situation)}."
    if situation.pool.fixed_version is not None:
        return f"{subject} no longer leaks: version {printable(situation.pool.fixed_version)[:40]} fixed it."
    main = situation.main
    why = PATTERNS[row.pattern].headline(row, main) if main is not None else "nothing grows"
    return f"{subject} does not leak: {why}."


def _leak_headline(situation: Situation, subject: str) -> str:
    row = situation.row
    growth = rate(row.growth_bytes_per_day)
    what = "leaks thread stacks," if row.cause == Cause.THREAD_STACKS else "leaks"
    since = situation.pool.since_version
    begin = f"{subject} {what} {growth}" + (f" since version {printable(since)[:40]}" if since is not None else "")
    if (code := names_leak(situation.pool)) is not None and row.cause == Cause.HEAP:
        begin += f" in {printable(code)[:80]}"
    if row.limit_outlook == Outlook.REACHES and row.hours_to_limit is not None:
        limit = configured(row.limit_bytes)
        if row.hours_to_limit > FAR_HOURS:
            return f"{begin}; its {limit} limit is more than {_HORIZON_WORDS} away."
        if situation.capped:
            return f"{begin}; restarts end every life before its {limit} limit, {hours(row.hours_to_limit)} away."
        if row.hours_to_limit <= 0:
            return f"{begin} and has reached its {limit} limit."
        return f"{begin} and reaches its {limit} limit in about {hours(row.hours_to_limit)}."
    if row.limit_bytes is None:
        return f"{begin} and has no limit." if row.limit_known else f"{begin}; its limit is unknown."
    return f"{begin}."


def _why_open(situation: Situation) -> str:
    if situation.question.kind in _OPEN:
        return _OPEN[situation.question.kind]
    reading = situation.main.reading if situation.main is not None else None
    rises = reading is not None and reading.mean_rise > 0
    other = "a warm-up and a leak" if rises and situation.pool.unresolved > LIKELY else "growth and rest"
    return f"{other} fit what was seen equally well"


def reason(situation: Situation) -> str:
    """Say why, in one sentence."""
    row, main, pool = situation.row, situation.main, situation.pool
    if main is None or main.reading is None:
        if situation.kills:
            longest = max((opinion.life.hours for opinion in pool.opinions), default=0.0)
            lives = count(situation.kills, "life", "lives")
            return f"{lives} ended in an OOM kill, the longest after {hours(longest)}."
        why = situation.question.why
        return why[:1].upper() + why[1:] + "."
    signal = SIGNAL_WORDS.get(main.reading.signal, main.reading.signal)
    span = hours(main.life.hours)
    floor = rate(row.detection_floor_bytes_per_day, digits=2)
    if row.verdict == Verdict.LEAK:
        return f"{_why_leak(situation, main, signal, span)}; growth above {floor} shows here."
    if row.verdict == Verdict.INCONCLUSIVE:
        return _why_open_reason(situation, main, main.reading, signal, span)
    entry = PATTERNS[row.pattern]
    if entry.made_around and main.growing_layer is not None:
        around = f"The {signal} is flat over {span} while the memory around it grows by itself"
        return f"{around}; growth of it above {floor} would have shown."
    where = f"over {span}" if pool.lives_judged <= 1 else f"in {pool.lives_judged} lives, the last over {span}"
    if situation.judged > 1:
        where = f"on {situation.judged} pods over {span}"
    killed = f", though {count(situation.kills, 'life', 'lives')} ended in an OOM kill" if situation.kills else ""
    return f"The {signal} {entry.reason} {where}{killed}; growth above {floor} would have shown."


def _why_leak(situation: Situation, main: Opinion, signal: str, span: str) -> str:
    row, pool = situation.row, situation.pool
    parts = []
    if row.cause == Cause.THREAD_STACKS:
        threads = main.readings[Signal.THREADS]
        first, last = threads.first_level, threads.end_level
        parts.append(f"The threads rise from {first:.0f} to {last:.0f} and the memory with them")
    elif Pattern.SAWTOOTH in row.also:
        parts.append(f"The floor of the {signal} rises after every fall over {span}")
    elif pool.masked:
        parts.append(f"The {signal} grows at the same rate in {pool.lives_rising} of {pool.lives_judged} lives")
    else:
        parts.append(f"The {signal} grows at a steady rate over {span}")
    if situation.judged > 1:
        parts.append(_on_pods(situation))
    text = " ".join(parts)
    if names_leak(pool) is not None:
        text += ", and a heap profile shows the same growth"
    if situation.kills:
        text += f", and {count(situation.kills, 'life', 'lives')} ended in an OOM kill"
    longest = situation.lasts.longest_hours
    if situation.capped and longest is not None:
        text += f"; restarts begin it anew, and no life is expected to last longer than {hours(longest)}"
    return text


def _on_pods(situation: Situation) -> str:
    if situation.growing == situation.judged:
        return f"on all {situation.judged} pods"
    pod = situation.row.pod
    named = f", {printable(pod)[:80]}" if situation.growing == 1 and pod is not None else ""
    return f"on {situation.growing} of {situation.judged} pods{named}"


def _why_open_reason(situation: Situation, main: Opinion, reading: Reading, signal: str, span: str) -> str:
    question, pool = situation.question, situation.pool
    shows = f"growth of it above {rate(situation.row.detection_floor_bytes_per_day, digits=2)} would show"
    if question.kind == OpenKind.AT_LIMIT:
        held = " under memory pressure" if pressure(main) else ""
        return f"The {signal} lies flat near the limit{held} over {span}; {question.why}."
    if question.kind == OpenKind.RESTARTS_UNKNOWN:
        return f"The {signal} falls to its first level several times and the source reports no restarts; {shows}."
    if main.beside is not None and question.kind == OpenKind(main.beside):
        shared = main.readings.get(BESIDE[main.beside].signal)
        grows = shared is not None and reading.mean_rise > shared.mean_rise / 2
        rest = f"the {signal} grows only by these files" if grows else f"the {signal} is flat"
        counts = "cannot be reclaimed" if main.beside == Layer.SHMEM else "can be reclaimed only in part, if at all"
        return f"Over {span} {rest}, and what grows counts against the limit and {counts}; {shows}."
    if question.kind == OpenKind.OUTSIDE:
        where = "outside the allocator: mappings, C code or stacks"
        return f"Over {span} the live heap is flat, and the growth lies {where}; {shows}."
    if question.kind == OpenKind.HEAP_RESTS:
        return f"Over {span} the {signal} rises, and {question.why}; {shows}."
    counted = "one life" if pool.lives_judged <= 1 else f"{pool.lives_judged} lives"
    gauge = "" if reading.signal == Signal.ALLOCATED else ", no live-heap gauge"
    return f"{span} of {signal}, {counted}{gauge}: {question.why}; {shows}."


#: In the order in which they are asked.
QUESTIONS: Final = (
    "Does memory stabilise after startup?",
    "Are caches bounded?",
    "Are thread counts controlled?",
    "Is the limit too close to average usage?",
    "Is reserved memory being confused with used memory?",
)

CHECKLIST: Final = pl.Schema(
    {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "container": pl.String(),
        "question": pl.String(),
        "answer": pl.String(),
        "reading": pl.String(),
        "because": pl.String(),
    }
)


class Answer(NamedTuple):
    """An answer, whether that is good news, and the evidence in words."""

    answer: Literal["yes", "no", "unknown"]
    reading: Literal["fine", "concern", "unknown"]
    because: str


def _unknown(because: str) -> Answer:
    return Answer("unknown", "unknown", because)


_TOO_FEW: Final = _unknown("too few samples")


def answers(row: VerdictRow, pool: Pool) -> list[tuple[str | None, ...]]:
    """Answer the five questions for one workload."""
    found = (_stabilises(row, pool), _bounded(row, pool), _threads(pool), _close(row, pool), _reserved(pool))
    place = (row.cluster, row.namespace, row.workload, row.container)
    return [(*place, question, *answer) for question, answer in zip(QUESTIONS, found, strict=True)]


def _stabilises(row: VerdictRow, pool: Pool) -> Answer:
    if pool.main is None or pool.main.reading is None:
        return _TOO_FEW
    if row.verdict == Verdict.LEAK:
        return Answer("no", "concern", "it keeps growing")
    if row.verdict == Verdict.INCONCLUSIVE:
        return _unknown("still rising, or not seen long enough")
    return Answer("yes", "fine", f"settled at {memory(row.settled_bytes)}")


def _bounded(row: VerdictRow, pool: Pool) -> Answer:
    main = pool.main
    if main is None or main.reading is None:
        return _TOO_FEW
    heap = main.readings.get(Signal.ALLOCATED)
    if row.verdict == Verdict.LEAK and (code := names_leak(pool)) is not None:
        return Answer("no", "concern", f"{printable(code)[:80]} keeps more and more, says the heap profile")
    if pool.heap is not None and pool.heap.kind == HeapKind.RESTS and pool.bounded > LIKELY:
        return Answer("yes", "fine", "the heap profile shows nothing that grows")
    if heap is not None:
        if row.verdict == Verdict.LEAK and row.cause == Cause.HEAP:
            return Answer("no", "concern", f"live heap at {memory(heap.end_level)} and growing")
        if heap.bounded > LIKELY:
            return Answer("yes", "fine", f"live heap flat at {memory(heap.end_level)}")
        return _unknown("the live heap still rises")
    if row.verdict == Verdict.NOT_LEAK and PATTERNS[row.pattern].caches_bounded:
        return Answer("yes", "fine", "nothing grows without bound")
    if row.verdict == Verdict.LEAK:
        return _unknown("something grows without bound; no live-heap gauge says what")
    return _unknown("the live heap is not exported")


def _threads(pool: Pool) -> Answer:
    threads = pool.main.readings.get(Signal.THREADS) if pool.main is not None else None
    if pool.main is None or threads is None:
        return _unknown("threads not exported")
    last = count(round(threads.end_level), "thread")
    if pool.main.threads_grow:
        return Answer("no", "concern", f"{threads.first_level:.0f} → {last}")
    return Answer("yes", "fine", f"{last}, flat")


def _close(row: VerdictRow, pool: Pool) -> Answer:
    limit, settled = row.limit_bytes, row.settled_bytes
    if limit is None:
        return Answer("no", "fine", "no limit is set") if row.limit_known else _unknown("limit not exported")
    if not settled or pool.main is None:
        return _TOO_FEW
    killed = row.by_statistic.get(Statistic.OOM_KILLS)
    # Lives too short to be judged have no such evidence.
    if kills := pool.kills if killed is None else round(killed.estimate or 0):
        lives = count(kills, "life", "lives")
        return Answer("yes", "concern", f"{lives} ended in an OOM kill at {configured(limit)}")
    share = settled / limit
    text = f"average use is {number(100 * share, 2)} % of {configured(limit)}"
    return Answer("yes", "concern", text) if share > CLOSE_TO_LIMIT else Answer("no", "fine", text)


def _reserved(pool: Pool) -> Answer:
    shares = pool.main.shares if pool.main is not None else {}
    if not shares:
        return _unknown("no allocator or cgroup detail exported")
    kept, cache = shares.get(Layer.KEPT, 0.0), shares.get(Layer.CACHE, 0.0)
    if kept + cache > RESERVED_SHARE:
        word = "kept by the allocator" if kept >= cache else "page cache"
        text = f"{number(100 * max(kept, cache), 2)} % of the working set is {word}, not used"
        return Answer("yes", "concern", text)
    if Layer.KEPT not in shares:
        return _unknown("allocator gauges not exported")
    return Answer("no", "fine", f"{number(100 * (1 - kept - cache), 2)} % of the working set is in use")
