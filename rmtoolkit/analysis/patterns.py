"""What is said of each pattern, and what there is to do: settings as they are written, and what they change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, assert_never

from msgspec import Struct

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.around import remedies
from rmtoolkit.analysis.models import Family
from rmtoolkit.analysis.records import REJECTED, Advice, Evidence, Layer, OpenKind, Statistic, Unit, VerdictRow
from rmtoolkit.exceptions import NOT_JUDGED, REPORT_BUG
from rmtoolkit.schema import Cause, Pattern, Signal, Verdict
from rmtoolkit.text import MI, configured, hours, memory, moment, number, printable, rate, share, small_memory, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rmtoolkit.analysis.records import Opinion, Pool, Reading

    Clause = Callable[[VerdictRow, Opinion], str]
    Remedy = Callable[[VerdictRow], Iterator[Advice]]


def _release(row: VerdictRow) -> Iterator[Advice]:
    evidence = row.by_statistic
    found = evidence.get(Layer.KEPT, evidence.get(Layer.SLACK))
    back = f"about {memory(found.estimate)} less" if found is not None and found.estimate else "less memory kept"
    keep = ". Keep the limit: startup needs it" if Pattern.STARTUP_SPIKE in row.also else ""
    signal = found.signal if found is not None else None
    if signal == Signal.FREE:
        yield Advice.of("glibc_trim", back=back, keep=keep)
        return
    yield Advice.of("jemalloc_decay", back=back, keep=keep)
    if signal not in (Signal.RESIDENT, Signal.ACTIVE):
        yield Advice.of("glibc_trim", back=back, keep="")
        yield Advice.of("mimalloc_purge")
        yield Advice.of("musl")
    elif row.cause != Cause.ARENAS:
        yield Advice.of("jemalloc_arenas")


def _close_gaps(row: VerdictRow) -> Iterator[Advice]:
    """Gaps between live blocks: no decay returns a page that a single block holds."""
    found = row.by_statistic.get(Layer.SLACK)
    known = found is not None and found.estimate
    yield Advice.of(
        "close_gaps", gaps=f"up to {memory(known)} of gaps could close" if known else "the gaps could close"
    )
    yield from map(Advice.of, ("jemalloc_arenas", "huge_pages", "musl"))


def _watch_anonymous(row: VerdictRow) -> Iterator[Advice]:
    cache = row.by_statistic.get(Layer.CACHE)
    yield Advice.of("watch_anonymous", amount=f" ({memory(cache.estimate)})" if cache is not None else "")


def _spread_startup(row: VerdictRow) -> Iterator[Advice]:
    startup, settled = row.startup_peak_bytes, row.settled_bytes
    if startup and settled and startup > settled and not (row.pattern == Pattern.BURST and _far_below(row)):
        yield Advice.of("spread_startup", amount=memory(startup - settled))


def _stream(row: VerdictRow) -> Iterator[Advice]:
    if row.peak_bytes and row.settled_bytes and not _far_below(row):
        yield Advice.of("stream", amount=memory(row.peak_bytes - row.settled_bytes))


def _far_below(row: VerdictRow) -> bool:
    return bool(row.limit_bytes and row.peak_bytes and row.peak_bytes < th.CLOSE_TO_LIMIT * row.limit_bytes)


_FLOOR: Final = "has a flat floor"
_LEVELS_OFF: Final = "levels off"
_ALL: Final = frozenset({Layer.CACHE, Layer.KEPT, Layer.SLACK})


def _at_level(what: str) -> Clause:
    return lambda row, _: f"it {what.format(memory(row.settled_bytes))}"


class PatternEntry(Struct, frozen=True):
    """What is said of one pattern where it is no leak, and what it allows."""

    headline: Clause = _at_level("stays at {}")
    #: The reason's verb: what the judged signal does; None where it is flat, or swings.
    reason: str | None = None
    #: Advice on what the memory is made of, and on what comes and goes: that after what there is to do about the limit.
    remedy: Remedy | None = None
    peak_remedy: Remedy | None = None
    #: Whether it is given where the pattern is named beside another too.
    remedy_beside: bool = False
    #: What comes near the limit; None where the kernel takes it back before it kills.
    peak: str | None = "peak"
    threads_matter: bool = False
    #: Whether rest means that caches are bounded, where no live heap says so.
    caches_bounded: bool = True
    #: Whether it is named as it is while the verdict is open.
    named_while_open: bool = False
    beside_leak: bool = True
    #: Layers that, where they are large, are what gives the memory this shape.
    hides: frozenset[Layer] = frozenset()


def _entry(pattern: Pattern) -> PatternEntry:
    """Give the row of a pattern; mypy and the import both fail where one has none."""
    match pattern:
        case Pattern.PLATEAU:
            return PatternEntry(beside_leak=False, hides=_ALL)
        case Pattern.WARM_UP:
            return PatternEntry(_warmed_up, reason=_LEVELS_OFF, hides=_ALL)
        case Pattern.STARTUP_SPIKE:
            return PatternEntry(
                _starts,
                reason=_LEVELS_OFF,
                peak_remedy=_spread_startup,
                remedy_beside=True,
                peak="startup peak",
                hides=_ALL - {Layer.CACHE},
            )
        case Pattern.STEP:
            return PatternEntry(_stepped, reason=_LEVELS_OFF, hides=_ALL)
        case Pattern.PERIODIC:
            return PatternEntry(_between("follows a cycle"), reason=_FLOOR, hides=_ALL - {Layer.SLACK})
        case Pattern.SAWTOOTH:
            return PatternEntry(_between("rises and falls"), reason=_FLOOR, hides=_ALL - {Layer.SLACK})
        case Pattern.BURST:
            clause = _between("has bursts")
            return PatternEntry(clause, reason=_FLOOR, peak_remedy=_stream, hides=_ALL - {Layer.SLACK})
        case Pattern.RETENTION:
            return PatternEntry(_keeps, remedy=_release, remedy_beside=True, threads_matter=True)
        case Pattern.FRAGMENTATION:
            clause = _part(Layer.SLACK, "are gaps between live blocks")
            return PatternEntry(clause, remedy=_close_gaps, threads_matter=True)
        case Pattern.PAGE_CACHE:
            clause, remedy = _part(Layer.CACHE, "is page cache the kernel can take back"), _watch_anonymous
            return PatternEntry(clause, remedy=remedy, peak=None, caches_bounded=False)
        case Pattern.THREAD_GROWTH:
            clause = _at_level("grew with its threads and stays at {}")
            return PatternEntry(clause, threads_matter=True, beside_leak=False)
        case Pattern.AT_LIMIT:
            return PatternEntry(named_while_open=True, hides=frozenset({Layer.CACHE}))
        case Pattern.UNEXPLAINED_GROWTH | Pattern.LEAK:
            return PatternEntry(beside_leak=False)
        case Pattern.INSUFFICIENT_DATA:
            return PatternEntry(named_while_open=True)
        case _:
            assert_never(pattern)


def _starts(row: VerdictRow, _: Opinion) -> str:
    starting = memory(row.startup_peak_bytes or row.peak_bytes)
    return f"starting needs {starting}, running needs {memory(row.settled_bytes)}"


def _warmed_up(row: VerdictRow, main: Opinion) -> str:
    seconds = main.life.startup_seconds
    within = f" within {hours(seconds / 3600)}" if seconds else ""
    return f"it warmed up to {memory(row.settled_bytes)}{within}"


def _stepped(row: VerdictRow, main: Opinion) -> str:
    reading, released = main.reading, row.cause in (Cause.RELEASE, Cause.ALLOCATOR)
    once = released or reading is None or abs(reading.jump) >= th.STEP_OF_RISE * abs(reading.rise)
    return f"it moved to {memory(row.settled_bytes)} in {'one step' if once else 'stages'} and stays there"


def _between(verb: str) -> Clause:
    def clause(row: VerdictRow, main: Opinion) -> str:
        does, floor = ("follows its load", "") if follows_load(row, main) else (verb, ", and its floor is flat")
        whole = main.footprint or main.reading
        if whole is None:
            return f"it {does}"
        return f"it {does} between {memory(whole.late_low)} and {memory(whole.late_peak)}{floor}"

    return clause


def follows_load(row: VerdictRow, main: Opinion) -> bool:
    return row.pattern == Pattern.PERIODIC and main.reading is not None and main.reading.load_share > 0


def _keeps(row: VerdictRow, main: Opinion) -> str:
    kept, gaps, live = main.amount(Layer.KEPT), main.amount(Layer.SLACK), main.live_bytes
    startup = " startup" if Pattern.STARTUP_SPIKE in row.also else ""
    used = f"it uses {memory(live)} and" if live is not None else "it"
    if gaps > kept:
        return f"{used} leaves {memory(gaps)} of gaps where{startup} memory was freed"
    return f"{used} keeps {memory(kept)} of freed{startup} memory"


def _part(layer: Layer, what: str) -> Clause:
    return lambda _, main: f"{memory(main.amount(layer))} of its {memory(main.whole_bytes)} {what}"


class Held(Struct, frozen=True):
    signal: Signal
    cause: Cause
    one: str
    many: str
    most_bytes: int


#: What explains the others comes first: a connection has its task, a task may have its series.
HELD: Final = (
    Held(Signal.QUEUED, Cause.QUEUE, "message", "Messages that wait", th.HELD_MOST),
    Held(Signal.DESCRIPTORS, Cause.CONNECTIONS, "open file or socket", "Open files and sockets", th.HELD_MOST),
    Held(Signal.TASKS, Cause.TASKS, "task", "Tasks alive", th.HELD_MOST),
    Held(Signal.SERIES, Cause.EXPORTER, "series", "Series that it exports", th.SERIES_MOST),
)
BY_CAUSE: Final = {held.cause: held for held in HELD}

PATTERNS: Final = {pattern: _entry(pattern) for pattern in Pattern}

_GROWS_WITH: Final = {
    **dict.fromkeys((Family.SATURATING_LINEAR, Family.SATURATING_HINGE), Pattern.WARM_UP),
    **dict.fromkeys((Family.STEP_LINEAR, Family.STEP_HINGE, Family.TWO_STEPS_LINEAR), Pattern.STEP),
}


def name_pattern(pool: Pool, verdict: Verdict) -> tuple[Pattern, list[Pattern], Cause | None]:
    main = pool.main
    if main is None or main.reading is None:
        return Pattern.INSUFFICIENT_DATA, [], None
    also, row = list(main.also), main.reading
    if verdict == Verdict.LEAK:
        if main.threads_grow and (main.pattern == Pattern.THREAD_GROWTH or _threads_explain(main)):
            return Pattern.THREAD_GROWTH, [name for name in also if name != Pattern.THREAD_GROWTH], Cause.THREAD_STACKS
        if row.teeth >= th.TEETH:
            also.append(Pattern.SAWTOOTH)
        elif row.family in _GROWS_WITH:
            also.append(_GROWS_WITH[row.family])
        if row.periodic > 0:
            also.append(Pattern.PERIODIC)
        if main.spikes_early:
            also.append(Pattern.STARTUP_SPIKE)
        cause = Cause.HEAP if row.signal == Signal.ALLOCATED else None
        cause = main.cause if main.cause == Cause.OUTSIDE_ALLOCATOR else cause
        cause = held.cause if (held := name_held(main)) is not None else cause
        return Pattern.LEAK, [name for name in dict.fromkeys(also) if PATTERNS[name].beside_leak], cause
    pattern, cause = main.pattern, main.cause
    if verdict == Verdict.INCONCLUSIVE:
        if cause is None and rises(main) and (held := name_held(main)) is not None:
            cause = held.cause
        elif cause is None and allocator_moved(pool):
            cause = Cause.ALLOCATOR
        if not PATTERNS[pattern].named_while_open:
            also.insert(0, pattern)
            pattern = Pattern.UNEXPLAINED_GROWTH
    else:
        pattern = Pattern.PLATEAU if pattern == Pattern.UNEXPLAINED_GROWTH else pattern
        if pattern == Pattern.PLATEAU and _burst_before(pool, main):
            pattern, cause = Pattern.BURST, Cause.TRAFFIC
        allocator, moved = allocator_moved(pool), pool.moved_bytes
        if allocator or (moved is not None and abs(moved) > th.STEP_SHARE * row.settled):
            was_flat = pattern == Pattern.PLATEAU
            cause = Cause.ALLOCATOR if allocator else Cause.RELEASE if was_flat else cause
            also, pattern = (also, Pattern.STEP) if was_flat else ([*also, Pattern.STEP], pattern)
        if main.spikes_early:
            also.append(Pattern.STARTUP_SPIKE)
    return pattern, [name for name in dict.fromkeys(also) if name != pattern], cause


def allocator_moved(pool: Pool) -> bool:
    """Whether a release raised what lies around the live heap, not the heap: another allocator, or other settings."""
    heap, around = pool.moved_heap_bytes, pool.moved_around_bytes
    whole = _whole(pool.main) if pool.main is not None else None
    if heap is None or around is None or whole is None:
        return False
    if around <= th.STACK_USUAL * (pool.moved_threads or 0.0):
        return False
    return around > th.STEP_SHARE * whole.settled and abs(heap) < th.HEAP_STAYED * around


def _burst_before(pool: Pool, main: Opinion) -> bool:
    """Whether another life of the same level had a burst, which may have ended it."""
    level = main.footprint.settled if main.footprint is not None else 0.0
    others = (whole for one in pool.opinions if one is not main and (whole := one.footprint) is not None)
    return any(one.late_peak >= th.BURST_RATIO * level and one.middle_level < th.JUMP_RATIO * level for one in others)


def stack_of_a_thread(main: Opinion) -> float | None:
    whole, threads = _whole(main), main.readings.get(Signal.THREADS)
    if whole is None or threads is None or threads.mean_rise <= 0:
        return None
    heap = main.readings.get(Signal.ALLOCATED)
    return (whole.mean_rise - (max(heap.mean_rise, 0.0) if heap is not None else 0.0)) / threads.mean_rise


def _whole(main: Opinion) -> Reading | None:
    return main.readings.get(Signal.ANON) or main.readings.get(Signal.RSS) or main.footprint


def _threads_explain(main: Opinion) -> bool:
    """Whether the growth lies outside the live heap, where stacks are, and is as much as stacks can be."""
    heap, whole, stack = main.readings.get(Signal.ALLOCATED), _whole(main), stack_of_a_thread(main)
    if stack is not None and not th.STACK_LEAST <= stack <= th.STACK_MOST:
        return False
    return heap is None or whole is None or heap.mean_rise < th.THREADS_EXPLAIN * whole.mean_rise


def name_held(main: Opinion) -> Held | None:
    return next((held for held in HELD if explains(main, held)), None)


def rises(main: Opinion) -> bool:
    row = main.reading
    return row is not None and row.came >= th.MATERIAL_SHARE * row.settled


def bytes_each(main: Opinion, signal: Signal) -> float | None:
    level, row = main.levels.get(signal), main.reading
    return row.came / level.came if level is not None and row is not None and level.came > 0 else None


def explains(main: Opinion, held: Held) -> bool:
    """Whether the things rise together with the judged signal, each with as much as it can hold."""
    level, row, each = main.levels.get(held.signal), main.reading, bytes_each(main, held.signal)
    if level is None or row is None or each is None or not level.piles_up:
        return False
    return abs(level.half_way - row.half_way) <= th.HELD_TOGETHER and th.HELD_LEAST <= each <= held.most_bytes


def _leak(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    if row.cause == Cause.THREAD_STACKS:
        yield from _threads(evidence)
    elif row.cause == Cause.OUTSIDE_ALLOCATOR:
        yield from map(Advice.of, _SETTLES[OpenKind.OUTSIDE])
    elif row.signal not in (Signal.SHMEM, Signal.KERNEL):
        yield from _on_heap(evidence)
        yield from _advise_held(row, evidence)
        if Statistic.HEAP_SUSPECT not in evidence:
            yield from _profile(row, evidence)
        if row.cause not in BY_CAUSE:
            yield from _usual_suspects(row, evidence)
    pods, since = evidence.get(Statistic.PODS_GROWING), evidence.get(Statistic.SINCE_VERSION)
    if since is not None:
        yield Advice.of("roll_back", version=printable(since.value))
    if pods is not None and pods.estimate == 1 and "only" in pods.text:
        yield Advice.of("look_at_pod")


def _advise_held(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    held = BY_CAUSE.get(row.cause) if row.cause is not None else None
    if held is None:
        return
    yield Advice.of(f"find_{held.cause}")
    per_piece, more = evidence.get(Statistic.BYTES_EACH), ""
    if per_piece is not None and per_piece.estimate and (row.growth_bytes_per_day or 0.0) > 0:
        more = f", at {small_memory(per_piece.estimate)} each, and growth of {rate(row.growth_bytes_per_day)} ends"
    yield Advice.of(f"bound_{held.cause}", each=more)


def _on_heap(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Advise what to do about a leak that a profile names, or that it could not see."""
    if (suspect := evidence.get(Statistic.HEAP_SUSPECT)) is not None:
        yield Advice.of("bound_suspect", place=suspect.value, share=share(min(suspect.estimate or 0.0, 1.0)))
    for statistic, name in texts("analysis/words")["unseen_by_profile"].items():
        if statistic in evidence:
            yield Advice.of(name)
    rests = next((name for name in (Statistic.HEAP_RESTS, Statistic.HEAP_SMALL) if name in evidence), None)
    if rests is not None:
        yield Advice.of("look_beside_heap", rests)


def _threads(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    rise, stack = evidence.get(Statistic.THREADS_RISE), evidence.get(Statistic.STACK_OF_A_THREAD)
    yield Advice.of("find_threads")
    each = f"each thread costs {memory(stack.estimate)} here" if stack is not None else "each thread has a stack"
    if rise is not None and rise.estimate and stack is not None and stack.estimate:
        each += f"; capped at 64, they take {memory(64 * stack.estimate)}"
        each += f" instead of {memory(rise.estimate * stack.estimate)} and growing"
    yield Advice.of("cap_threads", each=each)
    yield Advice.of("small_stacks", Statistic.THREADS_RISE)


def _profile(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    kept = evidence.get(Layer.KEPT)
    if row.cause != Cause.HEAP and not (row.cause in BY_CAUSE and row.signal == Signal.ALLOCATED):
        if not any(statistic.startswith(REJECTED) for statistic in evidence):
            yield Advice.of("export_live_heap")
        yield Advice.of("trace")
    else:
        yield Advice.of("profile_glibc" if kept is not None and kept.signal == Signal.FREE else "profile_jemalloc")


def _usual_suspects(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    growth = rate(row.growth_bytes_per_day)
    each = evidence.get(Statistic.GROWTH_PER_WORK)
    of = f", {small_memory(each.estimate)} for each unit of work" if each and each.estimate is not None else ""
    yield Advice.of("bound_caches", growth=growth, each=of)
    apart = {piece.signal for piece in row.evidence if piece.statistic == Statistic.HELD_APART}
    counts = {Signal.TASKS: "count_tasks", Signal.SERIES: "count_series"}
    yield from (Advice.of(name) for signal, name in counts.items() if signal not in apart)


def _steps(size: float) -> int:
    return math.ceil(size / (16 * MI)) * 16 * MI


def _open_verdict(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Advise what would settle an open verdict: the price list, the surest first."""
    kind = next((kind for kind in OpenKind if kind.statistic in evidence), OpenKind.TOO_FEW)
    piece = evidence.get(kind.statistic)
    if kind == OpenKind.KILLED:
        yield _raise(row, 2, "if a life then settles, the start needed the memory; if it is killed later, it leaks")
    elif kind == OpenKind.AT_LIMIT:
        yield _raise(row, 4, "the memory follows the limit if it is held down, and stays if that was all it needs")
    elif kind == OpenKind.SHMEM and row.cause != Cause.TMPFS:
        yield _files_in_memory(evidence.get(Layer.SHMEM))
    elif kind == OpenKind.HEAP_RESTS:
        yield from _on_heap(evidence)
    elif kind != OpenKind.KERNEL or row.cause != Cause.SOCKETS:
        yield from map(Advice.of, _SETTLES.get(kind, ()))
    if piece is not None and piece.estimate is not None and piece.unit == Unit.HOURS:
        yield _wait(piece, kind, gauge=Statistic.NO_LIVE_HEAP in evidence)
    elif kind in _NOT_SEEN and kind != OpenKind.KILLED:
        yield Advice.of("fix_query" if kind == OpenKind.REJECTED else "record_longer")
    yield from _advise_held(row, evidence)
    yield from _other_allocator(evidence)
    if kind != OpenKind.HEAP_RESTS:
        yield from _on_heap(evidence)
    for statistic, (name, needless) in _MISSING.items():
        if statistic in evidence and kind not in needless:
            yield Advice.of(name)


def _wait(piece: Evidence, kind: OpenKind, *, gauge: bool) -> Advice:
    when = "later" if piece.end is None else f"{moment(piece.end, seconds=piece.hours < 1 / 6)} UTC"
    sooner = gauge and kind != OpenKind.TOO_FEW
    other = ", or export the allocator's live-heap gauge (jemalloc stats.allocated)" if sooner else ""
    return Advice.of("wait", kind.statistic, piece.end, when=when, left=hours(piece.hours), other=other)


def _raise(row: VerdictRow, share: int, expected: str) -> Advice:
    limit = row.limit_bytes
    part = {2: "half", 4: "a quarter"}[share]
    if not limit:
        return Advice.of("set_once", part=part, expected=expected)
    return Advice.of("raise_once", part=part, expected=expected, limit=math.ceil((limit + _steps(limit / share)) / MI))


#: By what keeps a verdict open: what to look at.
_SETTLES: Final[dict[str, list[str]]] = texts("analysis/words")["settles"]
#: Another signal would be seen no better.
_NOT_SEEN: Final = (OpenKind.TOO_FEW, OpenKind.REJECTED, OpenKind.KILLED)
#: Signals that the source does not give, and that would settle it sooner; but for some questions.
_MISSING: Final = {
    Statistic.NO_LIVE_HEAP: ("add_live_heap", _NOT_SEEN),
    Statistic.NO_RESTARTS: ("add_restarts", (OpenKind.RESTARTS_UNKNOWN,)),
    Statistic.NO_WORK: ("add_work", _NOT_SEEN),
    Statistic.NO_LIMIT: ("add_limit", ()),
}


def _files_in_memory(found: Evidence | None) -> Advice:
    amount = memory(found.estimate) if found is not None and found.estimate is not None else "files"
    return Advice.of("list_files", amount=amount, bound="; bound it with emptyDir.sizeLimit")


def advise(row: Mapping[str, object]) -> Iterator[Advice]:
    """Give advice on a stored verdict, the first thing to do first; "Nothing to do." where there is nothing."""
    return advise_on(VerdictRow.stored(row))


def advise_on(row: VerdictRow) -> Iterator[Advice]:
    evidence = row.by_statistic
    if NOT_JUDGED in evidence:
        yield Advice(f"{REPORT_BUG}: {evidence[NOT_JUDGED].value}.", because=NOT_JUDGED)
        return
    found = _all(row, evidence)
    yield next(found, Advice.of("nothing", row.pattern))
    yield from found


def _all(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    # A broken gauge comes first where the working one would say more; else after what there is to do.
    needed = row.verdict in (Verdict.LEAK, Verdict.INCONCLUSIVE) and Statistic.NO_LIVE_HEAP in evidence
    if needed:
        yield from _mend(evidence)
    yield from remedies(row)
    if row.verdict == Verdict.LEAK:
        yield from _leak(row, evidence)
    elif row.verdict == Verdict.INCONCLUSIVE:
        yield from _open_verdict(row, evidence)
    else:
        yield from _not_leak(row, evidence)
    files = evidence.get(Layer.SHMEM)
    told = row.verdict == Verdict.LEAK or row.cause == Cause.TMPFS or OpenKind.SHMEM.statistic in evidence
    if files is not None and not told:
        yield _files_in_memory(files)
    if not needed:
        yield from _mend(evidence)


def _mend(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    for check, name in texts("analysis/words")["mends"].items():
        if (rejected := REJECTED + check) in evidence:
            yield Advice.of(name, rejected)


def _not_leak(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """What the memory is made of, the room under the limit, then what comes and goes."""
    entry, also = PATTERNS[row.pattern], [PATTERNS[name] for name in row.also]
    yield from _other_allocator(evidence)
    beside = [other for other in also if other.remedy_beside]
    for remedy in filter(None, (*(other.remedy for other in beside), entry.remedy)):
        yield from remedy(row)
    yield from _room(row, evidence)
    for remedy in filter(None, (*(other.peak_remedy for other in beside), entry.peak_remedy)):
        yield from remedy(row)
    many = evidence.get(Statistic.THREADS_MANY)
    if many is not None and entry.threads_matter and row.cause != Cause.RUNTIME:
        seen = f"{many.estimate:.0f} threads now; " if many.estimate is not None else ""
        yield Advice.of("threads_by_quota", seen=seen)


def _other_allocator(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    if (moved := evidence.get(Statistic.MOVED_AROUND)) is not None:
        yield Advice.of("compare_allocators", amount=memory(moved.estimate))


def _room(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    limit, peak, settled = row.limit_bytes, row.peak_bytes, row.settled_bytes
    word = PATTERNS[row.pattern].peak
    if limit and peak and peak > th.PEAK_NEAR_LIMIT * limit and word is not None:
        enough, used = _steps(peak / th.PEAK_NEAR_LIMIT), number(100 * peak / limit)
        then, amount = number(100 * peak / enough, 2), memory(peak)
        yield Advice.of("raise_or_spread", peak=word, amount=amount, share=used, limit=enough // MI, then=then)
    elif limit and settled and settled > th.CLOSE_TO_LIMIT * limit and word is not None:
        enough, used = _steps(settled / th.CLOSE_TO_LIMIT) // MI, number(100 * settled / limit, 2)
        then = number(100 * th.CLOSE_TO_LIMIT)
        yield Advice.of("leave_room", share=used, limit=configured(limit), enough=enough, then=then)
    elif Statistic.OOM_KILLS in evidence:
        yield Advice.of("find_burst", amount=memory(settled))
    elif (row.oom_probability_7d or 0.0) > th.RISKY and (watched := evidence.get(Statistic.GROWTH)) is not None:
        floor = rate(row.detection_floor_bytes_per_day, digits=2)
        yield Advice.of("watch_longer", span=hours(watched.hours), floor=floor)
