"""Headline, reason, open questions and the five questions of a verdict, in words."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.analysis.assess import BESIDE, pressure
from rmtoolkit.analysis.forecast import ENDLESS, Exposure
from rmtoolkit.analysis.heap_evidence import names_leak
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
from rmtoolkit.text import SIGNAL_WORDS, configured, count, hours, memory, moment, number, printable, rate

if TYPE_CHECKING:
    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.analysis.records import Opinion, Row


@dataclass(frozen=True, slots=True)
class Situation:
    """What the words are made from."""

    row: dict[str, Any]
    pool: Pool
    growing: int
    judged: int
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    pod: str | None = None
    lasts: Exposure = ENDLESS
    capped: bool = False

    @property
    def main(self) -> Opinion | None:
        """The life that stands for the workload."""
        return self.pool.main

    @property
    def footprint(self) -> float | None:
        """Bytes of its footprint at the end; None where it was not measured."""
        return None if self.main is None else self.main.level("footprint_bytes")


#: A bend is told from a line when the window is this many times as long.
_LONGER: Final = 3.0
#: No wait is longer than so many windows like the one seen: something else settles it sooner.
_PATIENCE: Final = 8.0
_DAY_HOURS: Final = 24.0
#: Shapes that rise less and less.
_SLOWING_DOWN: Final = ("saturating", "two_saturating", "saturating_step", "log", "power", "ramp_end", "ramp")


@dataclass(frozen=True, slots=True)
class Open:
    """Why a verdict is open."""

    kind: str
    why: str
    until: dt.datetime | None

    def wait(self, since: dt.datetime) -> str:
        """Say until when to wait, in UTC, and how much longer that is."""
        if self.until is None:
            return ""
        span = self.until - since
        when = moment(self.until, seconds=span < dt.timedelta(minutes=10))
        return f"{when} UTC ({hours(span.total_seconds() / 3600)} more)"


def open_question(situation: Situation) -> Open:
    """Find what keeps the verdict open: the doubt that weighs most first."""
    main, pool = situation.main, situation.pool
    if main is None or main.signal is None:
        return _too_few(situation)
    row = main.readings[main.signal]
    if situation.row["pattern"] == "at_limit":
        return Open("at_limit", "what it would need above the limit is hidden", None)
    if main.notes.get("restarts_unknown"):
        return Open("restarts_unknown", "the falls may be restarts, which the source does not report", None)
    layer = main.notes.get("growing_layer")
    if layer in BESIDE:
        return Open(layer, BESIDE[layer].unknown, None)
    if situation.row["cause"] == "outside_allocator":
        return Open("outside", "what grows lies outside the allocator: mappings, C code or stacks", None)
    if pool.heap is not None and pool.heap.kind == "rests" and row["mean_rise"] > 0 and row["bounded"] < LIKELY:
        return Open("heap_rests", "the heap does not: the allocator keeps it, or it lies outside the heap", None)
    work = main.readings.get("work_total")
    if work is not None and work["end_level"] <= work["first_level"] and row["bounded"] > LIKELY:
        return Open("idle", "no work was done meanwhile, so a leak for each request would not show", None)
    if pool.notes.get("young_release"):
        return _young_release(situation, main)
    return _shape(situation, main, row)


def _shape(situation: Situation, main: Opinion, row: Row) -> Open:
    """What the curve itself leaves open."""
    start, span = main.life["start"], main.duration_seconds
    if 0 < row["teeth"] < TEETH:
        period = span / (row["teeth"] + 0.5)
        falls = round(row["teeth"])
        seen = "once" if falls == 1 else f"{falls} times"
        why = f"it fell back only {seen}, and {TEETH} falls are needed to know its floor"
        return Open("few_teeth", why, _at(start, (TEETH + 0.5) * period, span))
    half_wave = "half_wave" in (row["family"], row["bounded_family"]) and row["unresolved"] > LIKELY
    if half_wave and span < FEWEST_CYCLES * _DAY_HOURS * 3600:
        why = f"it may be a part of a daily cycle, and {number(FEWEST_CYCLES)} days are needed to know one"
        return Open("half_wave", why, start + dt.timedelta(hours=FEWEST_CYCLES * _DAY_HOURS))
    rises = row["mean_rise"] > 0 and row["bounded"] < LIKELY
    if rises and row["begun_at"] > 1 - YOUNG_SEEN * YOUNG:
        # Twice the share that a growth phase must fill: a burst has gone away by then.
        why = "the rise began in the last fifth of what was seen"
        return Open("young", why, _at(start, row["begun_at"] * span / (1 - 2 * YOUNG), span))
    if rises and row["excursion"] < EXCURSION:
        why = "the rise goes no further than the memory wandered before"
        grown = (1 - row["onset"]) * span
        return Open("within_range", why, _at(start, span + (EXCURSION / max(row["excursion"], 0.5) - 1) * grown, span))
    cadence = span / max(row["samples"] - 1, 1)
    if row["samples"] < FEW_SAMPLES:
        why = f"there are only {row['samples']} samples, and {COARSE_SAMPLES} show a bend"
        return Open("few_samples", why, _at(start, COARSE_SAMPLES * cadence, span))
    lives = int(situation.pool.notes.get("lives_judged", 1))
    rising = int(situation.pool.notes.get("lives_rising", 0))
    if lives > 1 and 0 < rising < lives:
        return Open("lives_differ", f"it rises in {rising} of {lives} lives only", _at(start, 2 * span, span))
    growth, floor = row["growth_per_day"], row["floor_per_day"]
    if rises and growth > 0 and growth < floor and row["growing"] > row["unresolved"]:
        # The floor falls with the window's length to the power of one and a half.
        why = (
            f"it grows by {rate(growth, digits=2)}, and growth below {rate(floor, digits=2)} cannot be told from noise"
        )
        return Open("faint", why, _at(start, span * (floor / growth) ** (2 / 3), span))
    why = "it neither rises nor rests clearly enough"
    if rises:
        slows = row["family"] in _SLOWING_DOWN or main.notes.get("slowing")
        why = "the rise slows down, and may end or go on" if slows else "it rises, but not steadily enough to tell"
    return Open("slowing", why, _at(start, _LONGER * span, span))


def _too_few(situation: Situation) -> Open:
    pool, main = situation.pool, situation.main
    if kills := int(pool.notes.get("kills", 0)):
        return Open("killed", f"each of {kills} OOM kills came before a trend could show", None)
    if main is None or not main.life:
        return Open("too_few", f"at least {FEW_SAMPLES} samples of one life are needed to see a trend", None)
    samples = int(main.life.get("samples") or 0)
    cadence = main.duration_seconds / (samples - 1) if samples > 1 else None
    until = main.life["start"] + dt.timedelta(seconds=(FEW_SAMPLES - 1) * cadence) if cadence else None
    why = f"there {'is' if samples == 1 else 'are'} {samples}, and at least {FEW_SAMPLES} of one life show a trend"
    return Open("too_few", why, until if until is None or until > main.life["end"] else None)


def _young_release(situation: Situation, main: Opinion) -> Open:
    """A release is judged when it was seen for a good part of the longest life before it."""
    current = max(situation.pool.opinions, key=lambda opinion: opinion.life["start"])
    longest = float(situation.pool.notes.get("longest_before_seconds", main.duration_seconds))
    version = current.life["version"]
    since = hours(current.duration_seconds / 3600)
    why = f"version {version} has run for only {since}" if version else f"the last release is only {since} old"
    return Open("young_release", why, _at(current.life["start"], 1.1 * SHORT * longest, current.duration_seconds))


def _at(start: dt.datetime, needed_seconds: float, seen_seconds: float) -> dt.datetime:
    """When so much will have been seen: at least a tenth more than now, and not for ever."""
    seconds = min(max(needed_seconds, 1.1 * seen_seconds), _PATIENCE * seen_seconds)
    return start + dt.timedelta(seconds=seconds)


_HORIZON_WORDS: Final = "90 days"
#: Why it cannot be decided yet, by the question that is open.
_OPEN: Final = {
    "idle": "it rested, and a leak for each request would not show at rest",
    "young_release": "its last release has not run for long enough",
    "few_teeth": "it rose and fell too few times to know its floor",
    "half_wave": "a daily cycle and a leak fit what was seen equally well",
    "young": "a rise has only begun",
    "heap_rests": "its memory grows and its heap profile does not",
}


def headline(situation: Situation) -> str:
    """Say the verdict in one sentence."""
    row = situation.row
    subject = row["workload"] or row["container"] or "this process"
    if row["verdict"] == "leak":
        return _leak_headline(situation, subject)
    if row["verdict"] == "inconclusive":
        return _open_headline(situation, subject)
    if situation.pool.fixed_version is not None:
        return f"{subject} no longer leaks: version {printable(situation.pool.fixed_version)[:40]} fixed it."
    return f"{subject} does not leak: {_not_leak_clause(situation)}."


def _leak_headline(situation: Situation, subject: str) -> str:
    row = situation.row
    growth = rate(row["growth_bytes_per_day"])
    what = "leaks thread stacks," if row["cause"] == "thread_stacks" else "leaks"
    since = situation.pool.since_version
    begin = f"{subject} {what} {growth}" + (f" since version {printable(since)[:40]}" if since is not None else "")
    if (code := names_leak(situation.pool)) is not None and row["cause"] == "heap":
        begin += f" in {printable(code)[:80]}"
    if row["limit_outlook"] == "reaches" and row["hours_to_limit"] is not None:
        limit = configured(row["limit_bytes"])
        if row["hours_to_limit"] > FAR_HOURS:
            return f"{begin}; its {limit} limit is more than {_HORIZON_WORDS} away."
        if situation.capped:
            return f"{begin}; restarts end every life before its {limit} limit, {hours(row['hours_to_limit'])} away."
        if row["hours_to_limit"] <= 0:
            return f"{begin} and has reached its {limit} limit."
        return f"{begin} and reaches its {limit} limit in about {hours(row['hours_to_limit'])}."
    if row["limit_bytes"] is None:
        return f"{begin} and has no limit." if row["limit_known"] else f"{begin}; its limit is unknown."
    return f"{begin}."


def _open_headline(situation: Situation, subject: str) -> str:
    row = situation.row
    main = situation.main
    if row["pattern"] == "insufficient_data" or main is None:
        if situation.pool.notes.get("kills", 0):
            return f"{subject} cannot be decided yet: an OOM kill ends every life before a trend can show."
        return f"{subject} cannot be decided yet: there are too few samples."
    if row["pattern"] == "at_limit":
        return f"{subject} cannot be decided yet: it lies flat at its limit, where growth would not show."
    if main.notes.get("restarts_unknown"):
        return f"{subject} cannot be decided yet: the falls may be restarts that hide a leak, or a sawtooth."
    beside = BESIDE.get(main.notes.get("growing_layer", ""))
    if beside is not None:
        return f"{subject} cannot be decided yet: {beside.grows}, the rest does not."
    if row["cause"] == "outside_allocator":
        return f"{subject} cannot be decided yet: memory outside the allocator grows while the live heap does not."
    kind = open_question(situation).kind
    if kind in _OPEN:
        return f"{subject} cannot be decided yet: {_OPEN[kind]}."
    reading = main.readings[main.signal or ""]
    if situation.pool.unresolved > LIKELY and reading["mean_rise"] > 0:
        return f"{subject} cannot be decided yet: a warm-up and a leak fit what was seen equally well."
    return f"{subject} cannot be decided yet: growth and rest fit what was seen equally well."


def _not_leak_clause(situation: Situation) -> str:
    row, main = situation.row, situation.main
    settled = memory(row["settled_bytes"])
    if main is None:
        return "nothing grows"
    pattern = row["pattern"]
    heap = main.level("allocated_bytes")
    footprint = situation.footprint
    shares = main.notes.get("shares", {})
    if pattern == "retention":
        share = shares.get("slack" if main.notes.get("kept_as_gaps") else "kept", 0.0)
        kept = memory(share * (footprint or 0.0))
        startup = " startup" if "startup_spike" in row["also"] else ""
        used = f"it uses {memory(heap)} and " if heap is not None else "it "
        return f"{used}keeps {kept} of freed{startup} memory"
    if pattern == "fragmentation":
        slack = memory(shares.get("slack", 0.0) * (footprint or 0.0))
        return f"{slack} of its {memory(footprint)} are gaps between live blocks"
    if pattern == "page_cache":
        cache = memory(shares.get("cache", 0.0) * (footprint or 0.0))
        return f"{cache} of its {memory(footprint)} is page cache the kernel can take back"
    if pattern == "startup_spike":
        return f"starting needs {memory(row['startup_peak_bytes'] or row['peak_bytes'])}, running needs {settled}"
    if pattern == "thread_growth":
        return f"it grew with its threads and stays at {settled}"
    if pattern in ("periodic", "sawtooth", "burst"):
        low, high = _range(main)
        verb = {"periodic": "follows a cycle", "sawtooth": "rises and falls", "burst": "has bursts"}[pattern]
        return f"it {verb} between {memory(low)} and {memory(high)}, and its floor is flat"
    if pattern == "step":
        return f"it moved to {settled} in one step and stays there"
    if pattern == "warm_up":
        return f"it warmed up to {settled}{_settles(main)}"
    return f"it stays at {settled}"


def _settles(main: Opinion) -> str:
    """Say after how long a life settled, or nothing when that is not known."""
    seconds = main.life.get("startup_seconds")
    return f" within {hours(seconds / 3600)}" if seconds else ""


def _range(main: Opinion) -> tuple[float, float]:
    row = main.readings.get("footprint_bytes") or main.readings[main.signal or ""]
    high = row["late_peak"]
    reading = main.readings[main.signal or ""]
    return min(row["early_level"], row["middle_level"], row["end_level"]) * min(reading["trough"], 1.0), high


def reason(situation: Situation) -> str:
    """Say why, in one sentence."""
    row, main, pool = situation.row, situation.main, situation.pool
    if main is None or main.signal is None:
        if kills := int(pool.notes.get("kills", 0)):
            longest = max((opinion.duration_seconds for opinion in pool.opinions), default=0.0)
            return f"{kills} lives ended in an OOM kill, the longest after {hours(longest / 3600)}."
        why = open_question(situation).why
        return why[:1].upper() + why[1:] + "."
    signal = SIGNAL_WORDS.get(main.signal, main.signal)
    span = hours(main.duration_seconds / 3600)
    floor = rate(row["detection_floor_bytes_per_day"], digits=2)
    if row["verdict"] == "leak":
        return f"{_why_leak(situation, signal, span)}; growth above {floor} shows here."
    if row["verdict"] == "inconclusive":
        return _why_open(situation, signal, span)
    if row["pattern"] in ("retention", "fragmentation", "page_cache") and main.notes.get("growing_layer"):
        around = f"The {signal} is flat over {span} while the memory around it grows by itself"
        return f"{around}; growth of it above {floor} would have shown."
    lives = int(pool.notes.get("lives_judged", 1))
    where = f"over {span}" if lives <= 1 else f"in {lives} lives, the last over {span}"
    if situation.judged > 1:
        where = f"on {situation.judged} pods over {span}"
    verb = "has a flat floor" if row["pattern"] in ("sawtooth", "periodic", "burst") else "is flat"
    if row["pattern"] in ("warm_up", "startup_spike", "step"):
        verb = "levels off"
    kills = int(pool.notes.get("kills", 0))
    killed = f", though {count(kills, 'life', 'lives')} ended in an OOM kill" if kills else ""
    return f"The {signal} {verb} {where}{killed}; growth above {floor} would have shown."


def _why_leak(situation: Situation, signal: str, span: str) -> str:
    row, main, pool = situation.row, situation.main, situation.pool
    rising, lives = int(pool.notes.get("lives_rising", 1)), int(pool.notes.get("lives_judged", 1))
    parts = []
    if row["cause"] == "thread_stacks" and main is not None:
        threads = main.readings["threads"]
        first, last = threads["first_level"], threads["end_level"]
        parts.append(f"The threads rise from {first:.0f} to {last:.0f} and the memory with them")
    elif "sawtooth" in row["also"]:
        parts.append(f"The floor of the {signal} rises after every fall over {span}")
    elif pool.masked:
        parts.append(f"The {signal} grows at the same rate in {rising} of {lives} lives")
    else:
        parts.append(f"The {signal} grows at a steady rate over {span}")
    if situation.judged > 1:
        parts.append(_on_pods(situation))
    text = " ".join(parts)
    if names_leak(pool) is not None:
        text += ", and a heap profile shows the same growth"
    kills = int(pool.notes.get("kills", 0))
    if kills:
        text += f", and {kills} {'life' if kills == 1 else 'lives'} ended in an OOM kill"
    longest = situation.lasts.longest_hours
    if situation.capped and longest is not None:
        text += f"; restarts begin it anew, and no life is expected to last longer than {hours(longest)}"
    return text


def _on_pods(situation: Situation) -> str:
    if situation.growing == situation.judged:
        return f"on all {situation.judged} pods"
    named = f", {printable(situation.pod)[:80]}" if situation.growing == 1 and situation.pod is not None else ""
    return f"on {situation.growing} of {situation.judged} pods{named}"


def _why_open(situation: Situation, signal: str, span: str) -> str:
    row, main = situation.row, situation.main
    if main is None:
        return ""
    question = open_question(situation)
    shows = f"growth of it above {rate(row['detection_floor_bytes_per_day'], digits=2)} would show"
    if question.kind == "at_limit":
        held = " under memory pressure" if pressure(main) else ""
        return f"The {signal} lies flat near the limit{held} over {span}; {question.why}."
    if question.kind == "restarts_unknown":
        return f"The {signal} falls to its first level several times and the source reports no restarts; {shows}."
    if question.kind in BESIDE:
        shared = main.readings.get(BESIDE[question.kind].signal)
        grows = shared is not None and main.readings[main.signal or ""]["mean_rise"] > shared["mean_rise"] / 2
        rest = f"the {signal} grows only by these files" if grows else f"the {signal} is flat"
        counts = "cannot be reclaimed" if question.kind == "shmem" else "can be reclaimed only in part, if at all"
        return f"Over {span} {rest}, and what grows counts against the limit and {counts}; {shows}."
    if question.kind == "outside":
        where = "outside the allocator: mappings, C code or stacks"
        return f"Over {span} the live heap is flat, and the growth lies {where}; {shows}."
    if question.kind == "heap_rests":
        return f"Over {span} the {signal} rises, and {question.why}; {shows}."
    lives = int(situation.pool.notes.get("lives_judged", 1))
    counted = "one life" if lives <= 1 else f"{lives} lives"
    gauge = "" if main.signal == "allocated_bytes" else ", no live-heap gauge"
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
    },
)

Answer = tuple[str, str, str]


def answers(row: dict[str, Any], pool: Pool) -> list[tuple[str, ...]]:
    """Answer the five questions for one workload."""
    found = (_stabilises(row, pool), _bounded(row, pool), _threads(pool), _close(row, pool), _reserved(pool))
    place = [row[name] for name in ("cluster", "namespace", "workload", "container")]
    return [(*place, question, *answer) for question, answer in zip(QUESTIONS, found, strict=True)]


def _stabilises(row: dict[str, Any], pool: Pool) -> Answer:
    if pool.main is None or pool.main.signal is None:
        return "unknown", "unknown", "too few samples"
    if row["verdict"] == "leak":
        return "no", "concern", "it keeps growing"
    if row["verdict"] == "inconclusive":
        return "unknown", "unknown", "still rising, or not seen long enough"
    return "yes", "fine", f"settled at {memory(row['settled_bytes'])}"


def _bounded(row: dict[str, Any], pool: Pool) -> Answer:
    main = pool.main
    if main is None or main.signal is None:
        return "unknown", "unknown", "too few samples"
    heap = main.readings.get("allocated_bytes")
    if row["verdict"] == "leak" and (code := names_leak(pool)) is not None:
        return "no", "concern", f"{printable(code)[:80]} keeps more and more, says the heap profile"
    if pool.heap is not None and pool.heap.kind == "rests" and pool.bounded > LIKELY:
        return "yes", "fine", "the heap profile shows nothing that grows"
    if heap is not None:
        if row["verdict"] == "leak" and row["cause"] == "heap":
            return "no", "concern", f"live heap at {memory(heap['end_level'])} and growing"
        if heap["bounded"] > LIKELY:
            return "yes", "fine", f"live heap flat at {memory(heap['end_level'])}"
    elif row["verdict"] == "not_leak" and row["pattern"] != "page_cache":
        return "yes", "fine", "nothing grows without bound"
    elif row["verdict"] == "leak":
        return "unknown", "unknown", "something grows without bound; no live-heap gauge says what"
    return "unknown", "unknown", "the live heap is not exported" if heap is None else "the live heap still rises"


def _threads(pool: Pool) -> Answer:
    threads = pool.main.readings.get("threads") if pool.main is not None else None
    if threads is None:
        return "unknown", "unknown", "threads not exported"
    if pool.main is not None and pool.main.notes.get("threads_grow"):
        return "no", "concern", f"{threads['first_level']:.0f} → {count(round(threads['end_level']), 'thread')}"
    return "yes", "fine", f"{count(round(threads['end_level']), 'thread')}, flat"


def _close(row: dict[str, Any], pool: Pool) -> Answer:
    limit, settled = row["limit_bytes"], row["settled_bytes"]
    if limit is None:
        return ("no", "fine", "no limit is set") if row["limit_known"] else ("unknown", "unknown", "limit not exported")
    if not settled or pool.main is None:
        return "unknown", "unknown", "too few samples"
    kills = int(pool.notes.get("kills", 0))
    if kills:
        lives = "life" if kills == 1 else "lives"
        return "yes", "concern", f"{kills} {lives} ended in an OOM kill at {configured(limit)}"
    share = settled / limit
    text = f"average use is {number(100 * share, 2)} % of {configured(limit)}"
    return ("yes", "concern", text) if share > CLOSE_TO_LIMIT else ("no", "fine", text)


def _reserved(pool: Pool) -> Answer:
    shares = pool.main.notes.get("shares", {}) if pool.main is not None else {}
    if not shares:
        return "unknown", "unknown", "no allocator or cgroup detail exported"
    kept, cache = shares.get("kept", 0.0), shares.get("cache", 0.0)
    if kept + cache > RESERVED_SHARE:
        word = "kept by the allocator" if kept >= cache else "page cache"
        return "yes", "concern", f"{number(100 * max(kept, cache), 2)} % of the working set is {word}, not used"
    if "kept" not in shares:
        return "unknown", "unknown", "allocator gauges not exported"
    return "no", "fine", f"{number(100 * (1 - kept - cache), 2)} % of the working set is in use"
