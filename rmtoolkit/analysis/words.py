"""A verdict in words: headline, reason, open question, evidence for and against, and the five questions."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from rmtoolkit.analysis import patterns, records
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.around import clause_of, threads_for_cores, too_many_threads
from rmtoolkit.analysis.models import GROWTH_FAMILIES, SLOWING_DOWN, Family
from rmtoolkit.analysis.records import Evidence, Layer, Open, OpenKind, Pool, Says, Statistic, VerdictRow
from rmtoolkit.schema import WORKLOAD, Cause, Ending, Outlook, Pattern, Signal, Verdict
from rmtoolkit.text import (
    configured,
    count,
    filled,
    hours,
    instant,
    memory,
    moment,
    number,
    pace,
    printable,
    rate,
    rate_with_range,
    runs_killed,
    sentence,
    share,
    signal_word,
    small_memory,
    texts,
    times,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rmtoolkit.analysis.records import Opinion, Reading, Rejected


class Situation(Struct, frozen=True):
    row: VerdictRow
    pool: Pool
    #: Instances that grow, and instances that could be judged.
    growing: int
    judged: int
    question: Open
    rejected: Sequence[Rejected]
    around: Sequence[Evidence]
    lasts: records.Exposure
    capped: bool
    #: Lives of all pods, those that an OOM kill ended, and all kills: a start without a sample is no life.
    runs: int
    killed: int
    kills: int
    #: The first and the last sample of all pods: what is to come is counted from the last.
    start: dt.datetime | None
    end: dt.datetime | None

    @property
    def main(self) -> Opinion | None:
        return self.pool.main

    @property
    def runs_killed(self) -> str:
        return runs_killed(self.killed, self.runs, self.kills) if self.kills else ""


#: A bend is told from a line when the window is this many times as long.
_LONGER: Final = 3.0
#: No wait is longer than so many windows like the one seen: something else settles it sooner.
_PATIENCE: Final = 8.0
_DAY_HOURS: Final = 24.0


def open_question(
    pool: Pool,
    pattern: Pattern,
    cause: Cause | None,
    rejected: Sequence[Rejected],
    end: dt.datetime | None,
    kills: int,
    longest_hours: float | None,
) -> Open:
    """Find what keeps the verdict open: the doubt that weighs most first; `end` is that of all that was seen."""
    main = pool.main
    if main is None or main.reading is None:
        found = _too_few(main, rejected, kills)
    else:
        found = _question(pool, main, main.reading, pattern, cause)
    if found.until is None or main is None:
        return found
    lasts = found.until - main.life.start
    if longest_hours is not None and lasts.total_seconds() / 3600 > longest_hours:
        # No life will be as long.
        return replace(found, until=None)
    # Where the life that it was read off is over, another one must last as long, from now on.
    return found if end is None or found.until > end else replace(found, until=end + lasts)


def _open(kind: OpenKind, until: dt.datetime | None = None, *, name: str | None = None, **figures: object) -> Open:
    return Open(kind, filled(texts("analysis/words")["why"][name or kind], figures), until)


def _question(pool: Pool, main: Opinion, row: Reading, pattern: Pattern, cause: Cause | None) -> Open:
    if pattern == Pattern.AT_LIMIT:
        return _open(OpenKind.AT_LIMIT)
    if main.restarts_unknown:
        return _open(OpenKind.RESTARTS_UNKNOWN)
    if main.beside is not None:
        return _open(OpenKind(main.beside))
    if cause == Cause.OUTSIDE_ALLOCATOR:
        return _open(OpenKind.OUTSIDE)
    rises = row.mean_rise > 0 and row.bounded < th.LIKELY
    if rises and pool.heap is not None and pool.heap.kind == records.HeapKind.RESTS:
        return _open(OpenKind.HEAP_RESTS)
    work = main.levels.get(Signal.WORK)
    if work is not None and work.end_level <= work.first_level and row.bounded > th.LIKELY:
        return _open(OpenKind.IDLE)
    if pool.rise_by_age_bytes:
        return _open(OpenKind.RISES_BY_AGE, rise=pool.rise_by_age_bytes)
    if (longest := pool.longest_before_seconds) is not None:
        # A release is judged when it was seen for a good part of the longest life before it.
        life = max(pool.opinions, key=lambda opinion: opinion.life.start).life
        name = "young_version" if life.version else None
        until = _at(life.start, 1.1 * th.SHORT * longest, life.seconds)
        return _open(OpenKind.YOUNG_RELEASE, until, name=name, version=life.version, age=life.hours)
    start, span = main.life.start, main.life.seconds
    if 0 < row.teeth < th.TEETH:
        until = _at(start, (th.TEETH + 0.5) * span / (row.teeth + 0.5), span)
        return _open(OpenKind.FEW_TEETH, until, seen="once" if row.teeth == 1 else f"{row.teeth} times", least=th.TEETH)
    half_wave = Family.HALF_WAVE in (row.family, row.bounded_family) and row.unresolved > th.LIKELY
    if (half_wave or pool.cycles_before) and span < th.FEWEST_CYCLES * _DAY_HOURS * 3600:
        until = start + dt.timedelta(hours=th.FEWEST_CYCLES * _DAY_HOURS)
        return _open(OpenKind.HALF_WAVE, until, days=th.FEWEST_CYCLES)
    if rises and row.begun_at > 1 - th.YOUNG:
        # Twice the share that a growth phase must fill: a burst has gone away by then.
        return _open(OpenKind.YOUNG, _at(start, row.begun_at * span / (1 - 2 * th.YOUNG), span))
    cadence = span / max(row.samples - 1, 1)
    if (row.on_stairs or main.pause_left) and (not rises or main.bounded > th.LIKELY):
        kind = OpenKind.PAUSED if main.pause_left else OpenKind.UNRESTED
        return _open(kind, _at(start, span * (1 + max(row.unrested, main.pause_left)), span))
    if rises and pool.rise_samples < th.ONE_RISE_SAMPLES and row.growing > th.LIKELY:
        needed = row.samples * th.ONE_RISE_SAMPLES / max(pool.rise_samples, 1.0)
        since = "since its start" if row.from_start else "for a part of the time only"
        return _open(OpenKind.ONE_RISE, _at(start, needed * cadence, span), since=since)
    if row.samples < th.FEW_SAMPLES:
        until = _at(start, th.ONE_RISE_SAMPLES * cadence, span)
        return _open(OpenKind.FEW_SAMPLES, until, seen=row.samples, enough=th.ONE_RISE_SAMPLES)
    lives, rising = pool.lives_judged, pool.lives_rising
    if lives > 1 and 0 < rising < lives:
        return _open(OpenKind.LIVES_DIFFER, _at(start, 2 * span, span), rising=rising, lives=lives)
    growth, floor = row.growth_per_day, row.floor_per_day
    if rises and growth > 0 and growth < floor and row.growing > row.unresolved:
        # The floor falls with the window's length to the power of one and a half.
        until = _at(start, span * (floor / growth) ** (2 / 3), span)
        return _open(OpenKind.FAINT, until, pace=growth, least=floor)
    slows = row.family in SLOWING_DOWN or records.Halt.SLOWING in main.halts
    name = None if rises and slows else "unsteady" if rises else "neither"
    return _open(OpenKind.SLOWING, _at(start, _LONGER * span, span), name=name)


def _too_few(main: Opinion | None, rejected: Sequence[Rejected], kills: int) -> Open:
    if kills:
        return _open(OpenKind.KILLED, kills=kills)
    if main is None:
        return _open(OpenKind.TOO_FEW, name="no_sample", least=th.FEW_SAMPLES)
    samples = main.life.samples
    if rejected and samples >= th.FEW_SAMPLES:
        return Open(OpenKind.REJECTED, rejected[0].detail.rstrip("."), None)
    cadence = main.life.seconds / (samples - 1) if samples > 1 else None
    until = main.life.start + dt.timedelta(seconds=(th.FEW_SAMPLES - 1) * cadence) if cadence else None
    until = until if until is None or until > main.life.end else None
    return _open(OpenKind.TOO_FEW, until, samples=samples, least=th.FEW_SAMPLES)


def _at(start: dt.datetime, needed_seconds: float, seen_seconds: float) -> dt.datetime:
    """When so much will have been seen: at least a tenth more than now, and not for ever."""
    return start + dt.timedelta(seconds=min(max(needed_seconds, 1.1 * seen_seconds), _PATIENCE * seen_seconds))


def headline(situation: Situation) -> str:
    row = situation.row
    subject = row.workload or row.container or "this process"
    if row.verdict == Verdict.LEAK:
        return _leak_headline(situation, subject)
    if row.verdict == Verdict.INCONCLUSIVE:
        until = situation.question.until
        if until is None or situation.main is None:
            return f"{subject} cannot be decided yet: {_why_open(situation)}."
        soon = until - (situation.end or situation.main.life.end) < dt.timedelta(minutes=10)
        when = f"{'' if soon else 'about '}{moment(until, seconds=soon)}"
        return f"{subject} is undecided until {when} UTC: {_why_open(situation)}.{_at_worst(situation)}"
    if situation.pool.fixed_version is not None:
        return f"{subject} no longer leaks: version {printable(situation.pool.fixed_version)[:40]} fixed it."
    main = situation.main
    why = patterns.PATTERNS[row.pattern].headline(row, main) if main is not None else "nothing grows"
    why = clause_of(row.cause, situation.around) or why
    return f"{subject} does not leak: {why}."


def _at_worst(situation: Situation) -> str:
    row, main = situation.row, situation.main
    whole = None if main is None else main.footprint
    # What was killed before may be killed again at any time.
    if main is None or whole is None or row.limit_bytes is None or situation.kills:
        return ""
    # After a pause the slope at the end is too mild: what rose in the last three quarters may go on as it did.
    fastest = max(row.growth_high_bytes_per_day or 0.0, 24 * whole.mean_rise / max(0.75 * main.life.hours, 1e-3))
    span = 24 * max(row.limit_bytes - whole.end_level, 0.0) / fastest if fastest > 0 else float("inf")
    # Never later than the forecast has it.
    span = span if row.hours_to_limit_low is None else min(span, row.hours_to_limit_low)
    # Restarts may end every life before.
    if span > min(th.FAR_HOURS, situation.lasts.left_hours):
        return ""
    when = moment((situation.end or main.life.end) + dt.timedelta(hours=span), seconds=span * 60 < 10)
    return f" At worst it hits its {configured(row.limit_bytes)} limit on {when} UTC."


def _leak_headline(situation: Situation, subject: str) -> str:
    row = situation.row
    growth = rate(row.growth_bytes_per_day)
    what = "leaks thread stacks," if row.cause == Cause.THREAD_STACKS else "leaks"
    since = situation.pool.since_version
    begin = f"{subject} {what} {growth}" + (f" since version {printable(since)[:40]}" if since is not None else "")
    code = situation.pool.leaking_code
    if code is not None and (row.cause == Cause.HEAP or row.cause in patterns.BY_CAUSE):
        begin += f" in {printable(code)[:80]}"
    elif (where := texts("analysis/words")["leaks"].get(row.cause or "")) is not None:
        begin += f" {where}"
    if row.limit_outlook == Outlook.REACHES and row.hours_to_limit is not None:
        limit, whole = configured(row.limit_bytes), row.ahead.per_day_bytes if row.ahead is not None else None
        if whole is not None and whole > th.PACE * (row.growth_bytes_per_day or 0.0):
            begin += f" ({rate(whole)} with what grows beside it)"
        if row.hours_to_limit > th.FAR_HOURS:
            return f"{begin}; its {limit} limit is more than 90 days away."
        if situation.capped:
            return f"{begin}; restarts end every life before its {limit} limit, {hours(row.hours_to_limit)} away."
        if row.hours_to_limit <= 0:
            return f"{begin} and has reached its {limit} limit."
        if situation.end is None:
            return f"{begin} and will hit its {limit} limit in {hours(row.hours_to_limit)}."
        at = situation.end + dt.timedelta(milliseconds=round(row.hours_to_limit * 3_600_000))
        return f"{begin} and will hit its {limit} limit on {instant(at, row.hours_to_limit)}."
    if row.limit_bytes is None:
        return f"{begin} and has no limit." if row.limit_known else f"{begin}; its limit is unknown."
    return f"{begin}."


def _why_open(situation: Situation) -> str:
    if (clause := clause_of(situation.row.cause, situation.around)) is not None:
        return clause
    why: str | None = texts("analysis/words")["open"].get(situation.question.kind)
    if why is not None:
        return why
    reading = situation.main.reading if situation.main is not None else None
    rises = reading is not None and reading.mean_rise > 0
    other = "a warm-up and a leak" if rises and situation.pool.unresolved > th.LIKELY else "growth and rest"
    return f"{other} look alike so far"


def reason(situation: Situation) -> str:
    row, main, pool = situation.row, situation.main, situation.pool
    if main is None or main.reading is None:
        why = situation.question.why
        if situation.kills:
            lengths = [opinion.life.hours for opinion in pool.opinions]
            why = situation.runs_killed + (f", the longest after {hours(max(lengths))}" if lengths else "")
        return sentence(why)
    reading = main.reading
    signal = signal_word(reading.signal)
    span = hours(main.life.hours)
    floor = rate(row.detection_floor_bytes_per_day, digits=2)
    if row.verdict == Verdict.LEAK:
        return f"{_why_leak(situation, main, reading, span)}; we would notice growth above {floor}."
    if row.verdict == Verdict.INCONCLUSIVE:
        return _why_open_reason(situation, main, reading, span)
    swings = max(reading.swing, reading.flutter) >= th.SWING * max(reading.settled, 1.0)
    does = patterns.PATTERNS[row.pattern].reason or ("does not keep growing" if swings else "is flat")
    does = "follows the load" if patterns.follows_load(row, main) else does
    where = f"over {span}" if pool.lives_judged <= 1 else f"in {pool.lives_judged} lives, the last over {span}"
    if situation.judged > 1:
        where = f"on {situation.judged} pods over {span}"
    around = texts("analysis/words")["around"].get(row.pattern) if main.growing_layer is not None else None
    where += f", but {around} around it grows" if around is not None else ""
    killed = f", though {situation.runs_killed}" if situation.kills else ""
    return f"The {signal} {does} {where}{killed}; growth above {floor} would be visible."


def _why_leak(situation: Situation, main: Opinion, reading: Reading, span: str) -> str:
    row, pool, signal = situation.row, situation.pool, signal_word(reading.signal)
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
        parts.append(f"The {signal} grows {_pace(reading)} over {span}")
    if situation.judged > 1:
        pod, growing = row.pod, situation.growing
        named = f", {printable(pod)[:80]}" if growing == 1 and pod is not None else ""
        some = f"on {growing} of {situation.judged} pods{named}"
        parts.append(f"on all {situation.judged} pods" if growing == situation.judged else some)
    text = " ".join(parts) + _rises_with(main, row.cause)
    if pool.leaking_code is not None:
        text += ", and a heap profile shows the same growth"
    if situation.kills:
        text += f", and {situation.runs_killed}"
    if situation.capped and (longest := situation.lasts.longest_hours) is not None:
        text += f"; restarts begin it anew, and no life is expected to last longer than {hours(longest)}"
    return text


def _pace(reading: Reading) -> str:
    if reading.bend_noise < th.STRAIGHT_NOISE and reading.last_third != th.UNCHECKED:
        if min(reading.last_third, reading.straight) > th.PACE:
            return "faster and faster"
        if max(reading.last_third, reading.straight) < 1 / th.PACE:
            return "ever more slowly"
    return "at a steady rate"


def _rises_with(main: Opinion, cause: Cause | None) -> str:
    kind = patterns.BY_CAUSE.get(cause) if cause is not None else None
    level = main.levels.get(kind.signal) if kind is not None else None
    if kind is None or level is None:
        return ""
    words = kind.many[:1].lower() + kind.many[1:]
    return f", and the {words} rise with it from {number(round(level.early_level))} to {number(round(level.end_level))}"


def _why_open_reason(situation: Situation, main: Opinion, reading: Reading, span: str) -> str:
    question, pool, signal = situation.question, situation.pool, signal_word(reading.signal)
    shows = f"growth above {rate(situation.row.detection_floor_bytes_per_day, digits=2)} would be visible"
    if question.kind == OpenKind.AT_LIMIT:
        held = " under memory pressure" if main.pressure else ""
        return f"The {signal} lies flat near the limit{held} over {span}; {question.why}."
    if question.kind == OpenKind.RESTARTS_UNKNOWN:
        return f"The {signal} falls to its first level several times and new processes may be behind it; {shows}."
    if main.beside is not None and question.kind == OpenKind(main.beside):
        shared = main.readings.get(records.BESIDE[main.beside])
        grows = shared is not None and reading.mean_rise > shared.mean_rise / 2
        rest = f"the {signal} grows only by these files" if grows else f"the {signal} is flat"
        counts = "cannot be reclaimed" if main.beside == Layer.SHMEM else "can be reclaimed only in part, if at all"
        return f"Over {span} {rest}, and what grows counts against the limit and {counts}; {shows}."
    if question.kind == OpenKind.OUTSIDE:
        where = "outside the allocator: mappings, C code or stacks"
        return f"Over {span} the live heap is flat, and the growth lies {where}; {shows}."
    if question.kind == OpenKind.RISES_BY_AGE:
        return f"{situation.runs} lives of up to {span}: {question.why}."
    if question.kind == OpenKind.HEAP_RESTS:
        return f"Over {span} the {signal} rises, and {question.why}; {shows}."
    counted = "one life" if pool.lives_judged <= 1 else f"{pool.lives_judged} lives"
    gauge = "" if Signal.ALLOCATED in main.readings else ", no live-heap gauge"
    return f"{span} of {signal}, {counted}{gauge}: {question.why}{_rises_with(main, situation.row.cause)}; {shows}."


QUESTIONS: Final[tuple[str, ...]] = tuple(texts("analysis/words")["questions"])


class Answer(NamedTuple):
    """An answer, whether that is good news, and the evidence in words."""

    answer: Literal["yes", "no", "unknown"]
    reading: Literal["fine", "concern", "unknown"]
    because: str


CHECKLIST: Final = pl.Schema(dict.fromkeys((*WORKLOAD, "question", *Answer._fields), pl.String()))


def _unknown(because: str) -> Answer:
    return Answer("unknown", "unknown", because)


_TOO_FEW: Final = _unknown("too few samples")


def answers(row: VerdictRow, pool: Pool) -> list[tuple[str | None, ...]]:
    main = pool.main
    bounded = threads = reserved = _TOO_FEW
    if main is not None and main.reading is not None:
        bounded, threads, reserved = _bounded(row, pool, main), _threads(main), _reserved(main)
    found = (_stabilises(row, pool), bounded, threads, _close(row), reserved)
    place = (row.cluster, row.namespace, row.workload, row.container)
    return [(*place, question, *answer) for question, answer in zip(QUESTIONS, found, strict=True)]


def _stabilises(row: VerdictRow, pool: Pool) -> Answer:
    if OpenKind.KILLED.statistic in row.by_statistic:
        return Answer("no", "concern", "an OOM kill ends each run before it settles")
    for kind, what in texts("analysis/words")["grows_beside"].items():
        if OpenKind(kind).statistic in row.by_statistic:
            return Answer("no", "concern", f"the heap rests, {what}")
    if pool.main is None or pool.main.reading is None:
        return _TOO_FEW
    if row.verdict == Verdict.LEAK:
        return Answer("no", "concern", "it keeps growing")
    if row.verdict == Verdict.INCONCLUSIVE:
        return _unknown("still rising, or not seen long enough")
    return Answer("yes", "fine", f"settled at {memory(row.settled_bytes)}")


def _bounded(row: VerdictRow, pool: Pool, main: Opinion) -> Answer:
    heap = main.readings.get(Signal.ALLOCATED)
    if row.verdict == Verdict.LEAK and (code := pool.leaking_code) is not None:
        return Answer("no", "concern", f"{printable(code)[:80]} keeps more and more, says the heap profile")
    if pool.heap is not None and pool.heap.kind == records.HeapKind.RESTS and pool.bounded > th.LIKELY:
        return Answer("yes", "fine", "the heap profile shows nothing that grows")
    if heap is not None:
        live = f"live heap at {memory(main.live_bytes)}"
        if row.verdict == Verdict.LEAK and (row.cause == Cause.HEAP or row.cause in patterns.BY_CAUSE):
            return Answer("no", "concern", f"{live} and growing")
        if heap.bounded > th.LIKELY:
            return Answer("yes", "fine", f"{live} and not growing")
        if row.verdict == Verdict.NOT_LEAK and main.signal == Signal.ALLOCATED:
            return Answer("yes", "fine", f"{live}, and nothing in it grows without bound")
        return _unknown("the live heap still rises")
    if row.verdict == Verdict.NOT_LEAK and patterns.PATTERNS[row.pattern].caches_bounded:
        return Answer("yes", "fine", "nothing grows without bound")
    if row.verdict == Verdict.LEAK:
        return _unknown("something grows without bound; no live-heap gauge says what")
    return _unknown("the live heap is not exported")


def _threads(main: Opinion) -> Answer:
    threads = main.readings.get(Signal.THREADS)
    if threads is None:
        return _unknown("threads not exported")
    last = count(round(threads.end_level), "thread")
    if main.threads_grow:
        return Answer("no", "concern", f"{threads.first_level:.0f} → {last}")
    if (many := too_many_threads(main)) is not None:
        return Answer("no", "concern", threads_for_cores(*many))
    return Answer("yes", "fine", f"{last}, flat")


def _close(row: VerdictRow) -> Answer:
    limit, settled = row.limit_bytes, row.settled_bytes
    if limit is None:
        return Answer("no", "fine", "no limit is set") if row.limit_known else _unknown("limit not exported")
    if (killed := row.by_statistic.get(Statistic.OOM_KILLS)) is not None:
        return Answer("yes", "concern", f"OOM-killed {times(round(killed.estimate or 0))} at {configured(limit)}")
    if not settled:
        return _TOO_FEW
    share = settled / limit
    text = f"average use is {number(100 * share, 2)} % of {configured(limit)}"
    return Answer("yes", "concern", text) if share > th.CLOSE_TO_LIMIT else Answer("no", "fine", text)


def _reserved(main: Opinion) -> Answer:
    if not main.shares.keys() - {Layer.OTHERS} or not main.whole_bytes:
        return _unknown("no allocator or cgroup detail exported")
    shares = {
        words: main.amount(Layer(layer)) / main.whole_bytes
        for layer, words in texts("analysis/words")["unused"].items()
    }
    largest = max(shares, key=lambda words: shares[words])
    unused = sum(shares.values())
    if unused > th.RESERVED_SHARE:
        text = f"{number(100 * shares[largest], 2)} % of the working set is {largest}, not used"
        return Answer("yes", "concern", text)
    if Layer.KEPT not in main.shares:
        return _unknown("allocator gauges not exported")
    return Answer("no", "fine", f"{number(100 * (1 - unused), 2)} % of the working set is in use")


_say: Final = Evidence.of


def _heap_rows(pool: Pool) -> Iterator[Evidence]:
    """Put what the profile says in rows of evidence: it has a clock of its own, and no window of the recording."""
    heap = pool.heap
    if heap is None:
        return
    span = "" if heap.span_seconds is None else f" over {hours(heap.span_seconds / 3600)}"
    held = f"{memory(heap.held_bytes)} held{span}"
    if heap.kind == records.HeapKind.GROWS:
        rate = heap.growth_bytes_per_second
        shown = memory(heap.growth_bytes) if rate is None else f"{pace(rate, heap.seconds)}{span}"
        weight = 1 if pool.bounded > th.LIKELY else 3
        yield _say(None, Statistic.HEAP_GROWTH, shown, None if rate is None else rate * 86_400, weight=weight)
        for place, one in enumerate(heap.suspects):
            begin, heavy = ("And then", 1) if place else ("The code that it grows in", weight)
            part = share(min(one.share, 1.0))
            yield _say(None, Statistic.HEAP_SUSPECT, one.place, one.share, weight=heavy, begin=begin, part=part)
    elif heap.kind == records.HeapKind.RESTS:
        yield _say(None, Statistic.HEAP_RESTS, held, heap.moved_bytes, weight=3 if heap.seconds else 2)
    elif heap.kind == records.HeapKind.SMALL:
        yield _say(None, Statistic.HEAP_SMALL, f"{pace(heap.growth_bytes_per_second or 0, heap.seconds)}{span}")
    elif heap.kind in (
        *(records.HeapKind.FILLS, records.HeapKind.FEW),
        *(records.HeapKind.RISES, records.HeapKind.DOUBLES),
    ):
        yield _say(None, f"heap_{heap.kind}", held, place=heap.suspects[0].place, snapshots=heap.snapshots)
    elif heap.kind == records.HeapKind.SHORT:
        yield _say(None, "heap_untimed" if heap.seconds is None else Statistic.HEAP_SHORT, held)
    elif heap.kind == records.HeapKind.PICTURE:
        most = f"; most is held by {heap.largest}" if heap.largest else ""
        yield _say(None, Statistic.HEAP_PICTURE, f"{memory(heap.held_bytes)} held", most=most)
    else:
        yield _say(None, Statistic.HEAP_BLIND, "not used", why=heap.why)


#: The signals that show each layer, the most telling first.
_LAYERS: Final = {
    Layer.KEPT: (Signal.FREE, Signal.RESIDENT, Signal.ALLOCATED),
    Layer.SLACK: (Signal.ACTIVE,),
    Layer.OUTSIDE: (Signal.RESIDENT, Signal.ALLOCATED),
    Layer.CACHE: (Signal.WORKING_SET, Signal.FILE),
    Layer.SHMEM: (Signal.SHMEM,),
    Layer.KERNEL: (Signal.KERNEL, Signal.USAGE, Signal.WORKING_SET),
    Layer.MAPPED: (Signal.RSS,),
    Layer.OTHERS: (Signal.WORKING_SET, Signal.USAGE),
}
#: Layers that fill the limit: the kernel cannot take them back.
_COUNTS: Final = (Layer.OUTSIDE, Layer.SHMEM, Layer.KERNEL, Layer.MAPPED, Layer.OTHERS)


def layers(main: Opinion) -> Iterator[Evidence]:
    heap, whole = main.readings.get(Signal.ALLOCATED), main.footprint
    if heap is not None and whole is not None and heap.bounded > th.LIKELY:
        yield _say(main, Statistic.LIVE_HEAP, f"{memory(heap.early_level)} → {memory(heap.end_level)}", heap.end_level)
        if heap.spikes_early:
            change = f"{memory(heap.early_peak)} → {memory(heap.settled)}"
            yield _say(main, Statistic.STARTUP_HEAP, change, heap.early_peak - heap.settled)
    footprint = whole.end_level if whole is not None else 0.0
    swap = main.levels.get(Signal.SWAP)
    if swap is not None and swap.came >= th.MATERIAL_SHARE * footprint > 0:
        yield _say(main, Statistic.SWAP, f"{memory(swap.early_level)} → {memory(swap.end_level)}", swap.end_level)
    for layer, signals in _LAYERS.items():
        part, grows = main.shares.get(layer, 0.0), layer == main.growing_layer
        if part < th.LAYER_SHOWN and not grows:
            continue
        amount = main.amount(layer)
        signal = next((name for name in signals if name in main.levels), signals[-1])
        says = Says.FOR if grows and layer in _COUNTS else Says.AGAINST
        value, more = f"{memory(amount)} of {memory(main.whole_bytes)}", ": this part grows" if grows else ""
        more += ", told by page cache that is never inactive" * (layer == Layer.SHMEM and not main.files_told)
        yield _say(main, layer, value, amount, says=says, signal=signal, grows=more)


def threads(main: Opinion) -> Iterator[Evidence]:
    row = main.readings.get(Signal.THREADS)
    if row is None:
        return
    last = row.end_level
    if main.threads_grow:
        yield _say(main, Statistic.THREADS_RISE, f"{row.first_level:.0f} → {last:.0f}", last)
        stack = patterns.stack_of_a_thread(main)
        if stack is not None and th.STACK_LEAST <= stack <= th.STACK_MOST:
            yield _say(main, Statistic.STACK_OF_A_THREAD, f"{memory(stack)} a thread", stack)
    elif last >= th.MANY_THREADS:
        yield _say(main, Statistic.THREADS_MANY, f"{last:.0f}", last)


def held(main: Opinion) -> Iterator[Evidence]:
    """Tell what rises with the memory, and what does not; of a memory that rises."""
    if not patterns.rises(main):
        return
    named = patterns.name_held(main)
    for kind in patterns.HELD:
        level = main.levels.get(kind.signal)
        if level is None:
            continue
        say = partial(_say, main, signal=kind.signal)
        change = f"{number(round(level.early_level))} → {number(round(level.end_level))}"
        if kind != named and not patterns.explains(main, kind):
            rise = "rise, but not" if level.piles_up else "do not rise"
            yield say(Statistic.HELD_APART, change, level.end_level, many=kind.many, rise=rise)
            continue
        yield say(Statistic.HELD_RISE, change, level.end_level, weight=3 if kind == named else 2, many=kind.many)
        if kind == named and (each := patterns.bytes_each(main, kind.signal)) is not None:
            yield say(Statistic.BYTES_EACH, f"{small_memory(each)} each", each, one=kind.one)


def held_down(main: Opinion) -> Iterator[Evidence]:
    if main.pattern != Pattern.AT_LIMIT:
        return
    limit, level = main.life.limit_bytes, main.end_level(Signal.FOOTPRINT)
    if limit and level is not None:
        yield _say(main, Statistic.AT_LIMIT, f"{memory(level)} of {configured(limit)}", level / limit)
    for name, amount in main.pressure.items():
        shown = f"{number(amount, 2)} × memory an hour" if name == Signal.REFAULTS else f"{share(amount)} of the time"
        yield _say(main, name, shown, amount)
    if main.peaks_at_limit:
        peak = main.end_level(Signal.PEAK)
        yield _say(main, Statistic.PEAK_AT_LIMIT, memory(peak), peak)


def work(row: VerdictRow, main: Opinion, reading: Reading) -> Iterator[Evidence]:
    if reading.load_share > 0:
        value = f"{number(100 * reading.load_share, 2)} % of its changes"
        yield _say(main, Statistic.FOLLOWS_LOAD, value, reading.load_share)
    counter = main.levels.get(Signal.WORK)
    days = main.life.seconds / 86_400
    if counter is None or days <= 0:
        return
    if counter.end_level <= counter.first_level:
        yield _say(main, Statistic.IDLE, "0 units", 0)
        return
    per_day = counter.late_rise / days
    growth, low, high = row.growth_bytes_per_day, row.growth_low_bytes_per_day, row.growth_high_bytes_per_day
    if growth is None or low is None or high is None or per_day <= 0:
        return
    each, least, most = (value / per_day for value in (growth, low, high))
    value = f"{small_memory(each)} ({small_memory(least, like=each)}–{small_memory(most, like=each)})"
    if least < 0:
        value = value.replace("–", " to ")
    name = Statistic.GROWTH_PER_WORK if low > 0 and row.verdict != Verdict.NOT_LEAK else "no_growth_per_work"
    yield _say(main, name, value, each, low=least, high=most)


#: What rests on all lives together, not on the one that stands for them.
OF_ALL_LIVES: Final = (
    *(Statistic.LIVES_RISING, Statistic.PODS_GROWING, Statistic.OOM_KILLS, Statistic.NODE_EVENTS),
    *(Statistic.FIXED_VERSION, Statistic.SINCE_VERSION, Statistic.LIFE_LENGTH),
)


def evidence(situation: Situation) -> list[Evidence]:
    """Collect the evidence, strongest first: what speaks for the verdict, against it, what was not measured."""
    main = situation.main
    found = _kills(situation, main) if main is None else _all(situation, main)
    pieces = [
        replace(piece, start=situation.start, end=situation.end) if piece.statistic in OF_ALL_LIVES else piece
        for piece in found
    ]
    first, second = (Says.FOR, Says.AGAINST) if situation.row.verdict == Verdict.LEAK else (Says.AGAINST, Says.FOR)
    order = {first: 0, second: 1, Says.NOT_MEASURED: 2}
    return sorted(pieces, key=lambda piece: (order[piece.says], -piece.weight))


def _all(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    row = situation.row
    if row.verdict == Verdict.INCONCLUSIVE:
        yield _settling(situation.question, main, situation.end or main.life.end)
    if row.limit_bytes is None and not row.limit_known:
        yield _say(main, Statistic.NO_LIMIT, "not exported")
    yield from situation.around
    yield from _kills(situation, main)
    if main.reading is not None:
        yield from _trend(row, main, main.reading)
        yield from work(row, main, main.reading)
        yield from _heap_rows(situation.pool)
        yield from _lives(situation, main)
        yield from layers(main)
        yield from threads(main)
        yield from held(main)
        yield from held_down(main)
        yield from _doubts(situation, main)
        yield from _missing(situation, main)


def _kills(situation: Situation, main: Opinion | None) -> Iterator[Evidence]:
    if situation.kills:
        name, value = str(Statistic.OOM_KILLS), f"{situation.killed:,} of {situation.runs:,}"
        if situation.kills > situation.killed:
            name, value = "oom_kills_between", f"{situation.kills:,}; {value}"
        yield _say(main, name, value, situation.kills)


def _settling(question: Open, main: Opinion, since: dt.datetime) -> Evidence:
    statistic = question.kind.statistic
    if question.until is None:
        value = "more samples" if question.kind is OpenKind.TOO_FEW else "time alone does not help"
        return _say(main, "open", value, statistic=statistic, why=question.why)
    wait = (question.until - since).total_seconds() / 3600
    text = f"until {moment(question.until, seconds=wait < 1 / 6)} UTC ({hours(wait)} more)"
    piece = _say(main, "open", text, wait, statistic=statistic, why=question.why)
    return replace(piece, start=since, end=question.until)


def _trend(row: VerdictRow, main: Opinion, reading: Reading) -> Iterator[Evidence]:
    signal = signal_word(reading.signal)
    grows = reading.family in GROWTH_FAMILIES and reading.growing > th.LIKELY
    strength = max(reading.growing, reading.bounded, reading.unresolved)
    weight = 3 if strength > th.STRONG else 2 if strength > th.GOOD else 1
    says = Says.FOR if grows or reading.unresolved > th.LIKELY else Says.AGAINST
    more = ", but its end is not seen yet" if says is Says.FOR and reading.family not in GROWTH_FAMILIES else ""
    shape, value = texts("analysis/words")["shape"][reading.family], f"weight {number(100 * strength, 2)} %"
    yield _say(main, Statistic.SHAPE, value, strength, says=says, weight=weight, shape=shape, what=signal, more=more)
    growth, low, high = row.growth_bytes_per_day, row.growth_low_bytes_per_day, row.growth_high_bytes_per_day
    if growth is None or low is None or high is None:
        return
    halt = next((words for name, words in texts("analysis/words")["halt"].items() if name in main.halts), None)
    name, sure = str(Statistic.GROWTH), weight
    if low > 0 and grows and halt is None:
        name = "growth_goes_on"
    elif halt is not None and grows:
        name, sure = "growth_halts", 2
    elif reading.unresolved > reading.bounded:
        name, sure = "growth_slows" if growth > 0 else name, 1
    value = rate_with_range(growth, low, high)
    yield _say(main, name, value, growth, low=low, high=high, weight=sure, what=signal, halt=halt)


def _lives(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    pool, lasts = situation.pool, situation.lasts
    rising, judged = pool.lives_rising, pool.lives_judged
    if judged > 1:
        says = Says.FOR if rising > judged / 2 else Says.AGAINST
        weight = 3 if judged > 2 else 2
        yield _say(main, Statistic.LIVES_RISING, f"{rising} of {judged}", rising, says=says, weight=weight)
    if situation.judged > 1:
        yield _pods(situation, main)
    elsewhere = sum(opinion.life.ended in (Ending.NODE_OOM, Ending.EVICTED) for opinion in pool.opinions)
    if elsewhere:
        yield _say(main, Statistic.NODE_EVENTS, count(elsewhere, "life", "lives"), elsewhere)
    if pool.fixed_version is not None:
        yield _say(main, Statistic.FIXED_VERSION, printable(pool.fixed_version)[:40])
    if pool.since_version is not None and situation.row.verdict == Verdict.LEAK:
        yield _say(main, Statistic.SINCE_VERSION, printable(pool.since_version)[:40])
    if situation.row.verdict != Verdict.LEAK and patterns.allocator_moved(pool):
        heap, around = pool.moved_heap_bytes or 0.0, pool.moved_around_bytes or 0.0
        shown = f"{memory(around)} more, live heap {memory(abs(heap))} {'more' if heap >= 0 else 'less'}"
        yield _say(main, Statistic.MOVED_AROUND, shown, around)
    if lasts.longest_hours is not None and situation.row.limit_outlook == Outlook.REACHES:
        says, longest = Says.AGAINST if situation.capped else Says.FOR, lasts.longest_hours
        yield _say(main, Statistic.LIFE_LENGTH, hours(longest), longest, says=says)


def _pods(situation: Situation, main: Opinion) -> Evidence:
    """One pod of several points at that instance, all of them at the code."""
    growing, judged, pod = situation.growing, situation.judged, situation.row.pod
    last = {one.life.container_id: one for one in situation.pool.opinions if one.reading is not None}
    last.pop(main.life.container_id, None)
    more = ""
    if growing == judged:
        more = ": all of them, so the code does it wherever it runs"
    elif growing == 1 and pod is not None and all(one.bounded > th.LIKELY for one in last.values()):
        # Every other pod is known to rest: one that is undecided may grow as well.
        more = f": only {printable(pod)[:80]}, so look at what is different there"
    says = Says.FOR if growing else Says.AGAINST
    return _say(main, Statistic.PODS_GROWING, f"{growing} of {judged}", growing, says=says, more=more)


def _doubts(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    if main.restarts_unknown:
        yield _say(main, Statistic.RESTARTS_UNKNOWN, "unknown")
    seen = situation.row.coverage
    if seen is not None and seen < th.COVERED:
        yield _say(main, Statistic.COVERAGE, f"{number(100 * (1 - seen), 2)} %", seen)
    # What is wrong between two signals is said of both; once is enough.
    first: dict[str, Rejected] = {}
    for one in situation.rejected:
        first.setdefault(one.detail, one)
    for one in first.values():
        row = _say(main, "rejected", "not used", statistic=records.REJECTED + one.check, detail=one.detail[:160])
        yield replace(row, signal=one.signal)


def _missing(situation: Situation, main: Opinion) -> Iterator[Evidence]:
    if Signal.ALLOCATED not in main.levels:
        broken = any(one.signal == Signal.ALLOCATED for one in situation.rejected)
        yield _say(main, Statistic.NO_LIVE_HEAP, "its exporter is broken" if broken else "not exported")
    if Signal.LOAD not in main.levels and Signal.WORK not in main.levels:
        yield _say(main, Statistic.NO_WORK, "not exported")
    if main.life.seconds and situation.row.evidence_level < 2:
        yield _say(main, Statistic.NO_RESTARTS, f"{hours(main.life.hours)} seen as one life")
