"""Settings of allocators and runtimes, as they are written, and what they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from rmtoolkit.analysis.models import Family
from rmtoolkit.analysis.records import Advice, Layer, Statistic
from rmtoolkit.analysis.thresholds import (
    BURST_RATIO,
    CLOSE_TO_LIMIT,
    JUMP_RATIO,
    MOVED_SHARE,
    STACK_LEAST,
    STACK_MOST,
    TEETH,
    THREADS_EXPLAIN,
)
from rmtoolkit.schema import Cause, Pattern, Signal, Verdict
from rmtoolkit.text import hours, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.analysis.records import Opinion, Reading, VerdictRow

    Clause = Callable[[VerdictRow, Opinion], str]
    Remedy = Callable[[VerdictRow], Iterator[Advice]]


_DECAY: Final = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0"


#: tikv-jemallocator prefixes its symbols and variables by default; Debian's and preloaded libraries do not.
_CONF: Final = "_RJEM_MALLOC_CONF"
UNPREFIXED: Final = "an unprefixed jemalloc reads MALLOC_CONF"


def jemalloc_decay(back: str, keep: str | None) -> Advice:
    """Advise to give freed pages back soon."""
    return Advice(
        "Let the allocator return freed pages",
        setting=f"{_CONF}={_DECAY}",
        expected=f"{back} within seconds of a burst, also when idle ({UNPREFIXED})" + (f". {keep}" if keep else ""),
        because=Statistic.KEPT,
    )


def jemalloc_arenas() -> Advice:
    """Advise fewer arenas."""
    return Advice(
        "Set the arenas by the CPU quota: jemalloc makes 4 for each core of the node, and each keeps pages of its own",
        setting=f"{_CONF}=narenas:4",
        expected="fewer half-used pages; more waiting for locks if threads allocate a lot",
        because=Cause.ALLOCATOR,
    )


def glibc(back: str, keep: str | None) -> Advice:
    """Advise glibc to trim and to share arenas."""
    return Advice(
        "Let glibc return pages: fewer arenas, a fixed trim threshold, and libc::malloc_trim(0) after a burst",
        setting="MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072",
        expected=back + (f". {keep}" if keep else ""),
        because=Statistic.KEPT,
    )


def mimalloc() -> Advice:
    """Advise mimalloc to purge at once."""
    return Advice(
        "With mimalloc, purge freed pages at once",
        setting="MIMALLOC_PURGE_DELAY=0",
        expected="freed pages go back without delay; a little more time in the kernel",
        because=Statistic.KEPT,
    )


def musl() -> Advice:
    """Advise another allocator for a static musl build."""
    return Advice(
        "In a static musl build, replace its allocator: it is slow with threads and returns little",
        setting="#[global_allocator] static A: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;",
        expected="freed pages go back by decay, and gauges say what is kept (crate tikv-jemalloc-ctl)",
        because=Cause.ALLOCATOR,
    )


def huge_pages() -> Advice:
    """Advise small pages where huge ones are half empty."""
    return Advice(
        "See whether transparent huge pages inflate it; if AnonHugePages is most of Rss, turn them off for the process",
        setting=f"grep -E 'Rss|AnonHugePages' /proc/PID/smaps_rollup; {_CONF}=thp:never",
        expected="a 2 Mi page with one live block in it costs 4 Ki again",
        because=Cause.ALLOCATOR,
    )


def threads_for_quota(count: float | None) -> Advice:
    """Advise as many worker threads as the quota has cores."""
    seen = f"{count:.0f} threads now; " if count is not None else ""
    return Advice(
        "Set worker threads by the CPU quota, not by the node's cores",
        setting="TOKIO_WORKER_THREADS=2, Builder::max_blocking_threads(16)",
        expected=f"{seen}each has a stack and its share of the allocator",
        because=Statistic.THREADS_MANY,
    )


def release(row: VerdictRow) -> Iterator[Advice]:
    """Pages that were freed and kept."""
    evidence = row.by_statistic
    found = evidence.get(Statistic.KEPT, evidence.get(Statistic.SLACK))
    back = f"about {memory(found.estimate)} less" if found is not None and found.estimate else "less memory kept"
    keep = "Keep the limit: startup needs it" if Pattern.STARTUP_SPIKE in row.also else None
    signal = found.signal if found is not None else None
    if signal == Signal.FREE:
        yield glibc(back, keep)
    elif signal in (Signal.RESIDENT, Signal.ACTIVE):
        yield jemalloc_decay(back, keep)
        yield jemalloc_arenas()
    else:
        yield jemalloc_decay(back, keep)
        yield glibc(back, None)
        yield mimalloc()
        yield musl()


def close_gaps(row: VerdictRow) -> Iterator[Advice]:
    """Gaps between live blocks: no decay returns a page that a single block holds."""
    found = row.by_statistic.get(Statistic.SLACK)
    known = found is not None and found.estimate
    gaps = f"up to {memory(found.estimate)} of gaps could close" if found and known else "the gaps could close"
    yield Advice(
        "Allocate together what is freed together (an arena for each request, `bumpalo`), or box large values: "
        "gaps between live blocks cannot be returned",
        setting="bumpalo::Bump::new() for each request, dropped at its end",
        expected=gaps,
        because=Statistic.SLACK,
    )
    yield jemalloc_arenas()
    yield huge_pages()
    yield musl()


def watch_anonymous(row: VerdictRow) -> Iterator[Advice]:
    """Page cache: the kernel takes it back."""
    cache = row.by_statistic.get(Statistic.CACHE)
    amount = f" ({memory(cache.estimate)})" if cache is not None else ""
    yield Advice(
        f"Nothing to do: the kernel takes page cache{amount} back before it kills; watch anonymous memory instead",
        setting="container_memory_rss",
        expected="the line that an OOM kill follows; the working set counts active page cache as well",
        because=Pattern.PAGE_CACHE,
    )


def spread_startup(row: VerdictRow) -> Iterator[Advice]:
    """A startup that needs more than running does."""
    if row.pattern == Pattern.BURST and _far_below(row):
        return
    if row.startup_peak_bytes and row.settled_bytes and row.startup_peak_bytes > row.settled_bytes:
        yield Advice(
            "Fill caches when they are first used, or step by step, instead of all at once at the start",
            setting="std::sync::LazyLock, or loading behind a tokio::sync::Semaphore of 1",
            expected=f"up to {memory(row.startup_peak_bytes - row.settled_bytes)} less at the start, "
            "which is what the limit must hold",
            because="startup_peak_bytes",
        )


def stream(row: VerdictRow) -> Iterator[Advice]:
    """A burst that the limit must hold."""
    if row.peak_bytes and row.settled_bytes and not _far_below(row):
        yield Advice(
            "Stream what is large instead of holding it whole, and bound how many such jobs run at once",
            setting="Body::into_data_stream() or tokio_util::io::ReaderStream; tokio::sync::Semaphore::new(2)",
            expected=f"up to {memory(row.peak_bytes - row.settled_bytes)} less at the peak",
            because="peak_bytes",
        )


def _far_below(row: VerdictRow) -> bool:
    """Whether the limit holds the peak with room to spare."""
    return bool(row.limit_bytes and row.peak_bytes and row.peak_bytes < CLOSE_TO_LIMIT * row.limit_bytes)


_FLAT: Final = "is flat"
_FLOOR: Final = "has a flat floor"
_LEVELS_OFF: Final = "levels off"


@dataclass(frozen=True, slots=True)
class PatternEntry:
    """What is said of one pattern where it is no leak, and what it allows."""

    #: The end of the headline: "it does not leak: ...".
    headline: Clause
    #: The reason's verb: what the judged signal does.
    reason: str = _FLAT
    #: Advice on what the memory is made of, and whether it is given where the pattern is named beside another too.
    remedy: Remedy | None = None
    remedy_beside: bool = False
    #: Advice on what comes and goes, likewise; after what there is to do about the limit.
    peak_remedy: Remedy | None = None
    peak_remedy_beside: bool = False
    #: What comes near the limit; None where the kernel takes it back before it kills.
    peak: str | None = "peak"
    #: Whether many threads are a part of it.
    threads_matter: bool = False
    #: Whether rest means that caches are bounded, where no live heap says so.
    caches_bounded: bool = True
    #: Whether memory around the judged signal makes it, by growing itself.
    made_around: bool = False
    #: Whether it is named as it is while the verdict is open.
    named_while_open: bool = False
    #: Whether it is named beside a leak.
    beside_leak: bool = True
    #: Layers that, where they are large, are what gives the memory this shape.
    hides: frozenset[Layer] = frozenset()


def _entry(pattern: Pattern) -> PatternEntry:
    """Give the row of a pattern; mypy and the import both fail where one has none."""
    match pattern:
        case Pattern.PLATEAU:
            return PatternEntry(_stays, beside_leak=False, hides=frozenset({Layer.CACHE, Layer.KEPT, Layer.SLACK}))
        case Pattern.WARM_UP:
            return PatternEntry(_warmed_up, reason=_LEVELS_OFF, hides=frozenset({Layer.CACHE, Layer.KEPT, Layer.SLACK}))
        case Pattern.STARTUP_SPIKE:
            return PatternEntry(
                lambda row, _: (
                    f"starting needs {memory(row.startup_peak_bytes or row.peak_bytes)}, "
                    f"running needs {memory(row.settled_bytes)}"
                ),
                reason=_LEVELS_OFF,
                peak_remedy=spread_startup,
                peak_remedy_beside=True,
                peak="startup peak",
                hides=frozenset({Layer.KEPT, Layer.SLACK}),
            )
        case Pattern.STEP:
            return PatternEntry(
                lambda row, _: f"it moved to {memory(row.settled_bytes)} in one step and stays there",
                reason=_LEVELS_OFF,
                hides=frozenset({Layer.CACHE, Layer.KEPT, Layer.SLACK}),
            )
        case Pattern.PERIODIC:
            return PatternEntry(_between("follows a cycle"), reason=_FLOOR, hides=frozenset({Layer.CACHE, Layer.KEPT}))
        case Pattern.SAWTOOTH:
            return PatternEntry(_between("rises and falls"), reason=_FLOOR, hides=frozenset({Layer.CACHE, Layer.KEPT}))
        case Pattern.BURST:
            return PatternEntry(
                _between("has bursts"), reason=_FLOOR, peak_remedy=stream, hides=frozenset({Layer.CACHE, Layer.KEPT})
            )
        case Pattern.RETENTION:
            return PatternEntry(_keeps, remedy=release, remedy_beside=True, threads_matter=True, made_around=True)
        case Pattern.FRAGMENTATION:
            return PatternEntry(
                lambda _, main: f"{_part(main, Layer.SLACK)} are gaps between live blocks",
                remedy=close_gaps,
                threads_matter=True,
                made_around=True,
            )
        case Pattern.PAGE_CACHE:
            return PatternEntry(
                lambda _, main: f"{_part(main, Layer.CACHE)} is page cache the kernel can take back",
                remedy=watch_anonymous,
                peak=None,
                caches_bounded=False,
                made_around=True,
            )
        case Pattern.THREAD_GROWTH:
            return PatternEntry(
                lambda row, _: f"it grew with its threads and stays at {memory(row.settled_bytes)}",
                threads_matter=True,
                beside_leak=False,
            )
        case Pattern.AT_LIMIT:
            return PatternEntry(_stays, named_while_open=True, hides=frozenset({Layer.CACHE}))
        case Pattern.UNEXPLAINED_GROWTH:
            return PatternEntry(_stays, beside_leak=False)
        case Pattern.INSUFFICIENT_DATA:
            return PatternEntry(_stays, named_while_open=True)
        case Pattern.LEAK:
            return PatternEntry(_stays, beside_leak=False)
        case _:
            assert_never(pattern)


def _stays(row: VerdictRow, _: Opinion) -> str:
    return f"it stays at {memory(row.settled_bytes)}"


def _warmed_up(row: VerdictRow, main: Opinion) -> str:
    """Say after how long it settled, where that is known."""
    seconds = main.life.startup_seconds
    within = f" within {hours(seconds / 3600)}" if seconds else ""
    return f"it warmed up to {memory(row.settled_bytes)}{within}"


def _between(verb: str) -> Clause:
    """Say between which levels it moves."""

    def clause(_: VerdictRow, main: Opinion) -> str:
        reading = main.reading
        whole = main.footprint or reading
        if reading is None or whole is None:
            return f"it {verb}"
        low = min(whole.early_level, whole.middle_level, whole.end_level) * min(reading.trough, 1.0)
        return f"it {verb} between {memory(low)} and {memory(whole.late_peak)}, and its floor is flat"

    return clause


def _keeps(row: VerdictRow, main: Opinion) -> str:
    share = main.shares.get(Layer.SLACK if main.kept_as_gaps else Layer.KEPT, 0.0)
    kept = memory(share * (main.end_level(Signal.FOOTPRINT) or 0.0))
    startup = " startup" if Pattern.STARTUP_SPIKE in row.also else ""
    heap = main.end_level(Signal.ALLOCATED)
    used = f"it uses {memory(heap)} and " if heap is not None else "it "
    return f"{used}keeps {kept} of freed{startup} memory"


def _part(main: Opinion, layer: Layer) -> str:
    footprint = main.end_level(Signal.FOOTPRINT)
    return f"{memory(main.shares.get(layer, 0.0) * (footprint or 0.0))} of its {memory(footprint)}"


PATTERNS: Final = {pattern: _entry(pattern) for pattern in Pattern}

_GROWS_WITH: Final = {
    Family.SATURATING_LINEAR: Pattern.WARM_UP,
    Family.SATURATING_HINGE: Pattern.WARM_UP,
    Family.STEP_LINEAR: Pattern.STEP,
    Family.STEP_HINGE: Pattern.STEP,
    Family.TWO_STEPS_LINEAR: Pattern.STEP,
}


def name_pattern(pool: Pool, verdict: Verdict) -> tuple[Pattern, list[Pattern], Cause | None]:
    """Name what explains most of the memory at the end of the window."""
    main = pool.main
    if main is None or main.reading is None:
        return Pattern.INSUFFICIENT_DATA, [], None
    also, row = list(main.also), main.reading
    if verdict == Verdict.LEAK:
        if main.threads_grow and (main.pattern == Pattern.THREAD_GROWTH or _threads_explain(main)):
            return Pattern.THREAD_GROWTH, [name for name in also if name != Pattern.THREAD_GROWTH], Cause.THREAD_STACKS
        if row.teeth >= TEETH:
            also.append(Pattern.SAWTOOTH)
        elif row.family in _GROWS_WITH:
            also.append(_GROWS_WITH[row.family])
        if row.periodic > 0:
            also.append(Pattern.PERIODIC)
        if main.spikes_early:
            also.append(Pattern.STARTUP_SPIKE)
        cause = Cause.HEAP if row.signal == Signal.ALLOCATED else None
        return Pattern.LEAK, [name for name in dict.fromkeys(also) if PATTERNS[name].beside_leak], cause
    pattern, cause = main.pattern, main.cause
    faint = main.faint and pattern == Pattern.PLATEAU
    if verdict == Verdict.INCONCLUSIVE and not PATTERNS[pattern].named_while_open and not faint:
        if pattern != Pattern.UNEXPLAINED_GROWTH:
            also.insert(0, pattern)
        pattern = Pattern.UNEXPLAINED_GROWTH
    if verdict == Verdict.NOT_LEAK and pattern == Pattern.UNEXPLAINED_GROWTH:
        pattern = Pattern.PLATEAU
    if verdict == Verdict.NOT_LEAK and pattern == Pattern.PLATEAU and _burst_before(pool, main):
        pattern, cause = Pattern.BURST, Cause.TRAFFIC
    moved = pool.moved_bytes
    if verdict == Verdict.NOT_LEAK and moved is not None and abs(moved) > MOVED_SHARE * row.settled:
        if pattern == Pattern.PLATEAU:
            pattern, cause = Pattern.STEP, Cause.RELEASE
        else:
            also.append(Pattern.STEP)
    if verdict == Verdict.NOT_LEAK and main.spikes_early and pattern != Pattern.STARTUP_SPIKE:
        also.append(Pattern.STARTUP_SPIKE)
    return pattern, [name for name in dict.fromkeys(also) if name != pattern], cause


def _burst_before(pool: Pool, main: Opinion) -> bool:
    """Whether another life of the same level had a burst, which may have ended it."""
    level = main.footprint.settled if main.footprint is not None else 0.0
    for opinion in pool.opinions:
        whole = opinion.footprint
        if whole is None or opinion is main:
            continue
        if whole.late_peak >= BURST_RATIO * level and whole.middle_level < JUMP_RATIO * level:
            return True
    return False


def stack_of_a_thread(main: Opinion) -> float | None:
    """Divide the growth outside the live heap by the threads that came with it."""
    whole, threads = _whole(main), main.readings.get(Signal.THREADS)
    if whole is None or threads is None or threads.mean_rise <= 0:
        return None
    heap = main.readings.get(Signal.ALLOCATED)
    outside = whole.mean_rise - (max(heap.mean_rise, 0.0) if heap is not None else 0.0)
    return outside / threads.mean_rise


def _whole(main: Opinion) -> Reading | None:
    return main.readings.get(Signal.ANON) or main.readings.get(Signal.RSS) or main.footprint


def _threads_explain(main: Opinion) -> bool:
    """Whether the growth lies outside the live heap, where stacks are, and is as much as stacks can be."""
    heap, whole, stack = main.readings.get(Signal.ALLOCATED), _whole(main), stack_of_a_thread(main)
    if stack is not None and not STACK_LEAST <= stack <= STACK_MOST:
        return False
    if heap is None or whole is None:
        return True
    return heap.mean_rise < THREADS_EXPLAIN * whole.mean_rise
