"""What is said of each pattern, and what there is to do: settings as they are written, and what they change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.around import remedies, smaller_stacks
from rmtoolkit.analysis.models import Family
from rmtoolkit.analysis.records import Advice, Evidence, Layer, OpenKind, Statistic, Unit, VerdictRow, rejected
from rmtoolkit.exceptions import NOT_JUDGED, REPORT_BUG
from rmtoolkit.schema import Cause, Pattern, Signal, Verdict
from rmtoolkit.text import MI, configured, hours, memory, moment, number, printable, rate, share, small_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rmtoolkit.analysis.records import Opinion, Pool, Reading

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


_JEMALLOC_ARENAS: Final = Advice(
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


_MIMALLOC: Final = Advice(
    "With mimalloc, purge freed pages at once",
    setting="MIMALLOC_PURGE_DELAY=0",
    expected="freed pages go back without delay; a little more time in the kernel",
    because=Statistic.KEPT,
)
_MUSL: Final = Advice(
    "In a static musl build, replace its allocator: it is slow with threads and returns little",
    setting="#[global_allocator] static A: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;",
    expected="freed pages go back by decay, and gauges say what is kept (crate tikv-jemalloc-ctl)",
    because=Cause.ALLOCATOR,
)
_HUGE_PAGES: Final = Advice(
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
        if row.cause != Cause.ARENAS:
            yield _JEMALLOC_ARENAS
    else:
        yield jemalloc_decay(back, keep)
        yield glibc(back, None)
        yield _MIMALLOC
        yield _MUSL


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
    yield _JEMALLOC_ARENAS
    yield _HUGE_PAGES
    yield _MUSL


def watch_anonymous(row: VerdictRow) -> Iterator[Advice]:
    """Page cache: the kernel takes it back."""
    cache = row.by_statistic.get(Statistic.CACHE)
    amount = f" ({memory(cache.estimate)})" if cache is not None else ""
    yield Advice(
        f"Nothing to do: the kernel takes page cache{amount} back before it kills; watch anonymous memory instead",
        setting="container_memory_rss",
        expected="this metric predicts OOM kills; the working set also counts active page cache",
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
            "which is what the limit must hold; rm.what_if(recording, startup_spread_seconds=60) shows it",
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
    return bool(row.limit_bytes and row.peak_bytes and row.peak_bytes < th.CLOSE_TO_LIMIT * row.limit_bytes)


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
                _part(Layer.SLACK, "are gaps between live blocks"),
                remedy=close_gaps,
                threads_matter=True,
                made_around=True,
            )
        case Pattern.PAGE_CACHE:
            return PatternEntry(
                _part(Layer.CACHE, "is page cache the kernel can take back"),
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
    seconds = main.life.startup_seconds
    within = f" within {hours(seconds / 3600)}" if seconds else ""
    return f"it warmed up to {memory(row.settled_bytes)}{within}"


def _between(verb: str) -> Clause:

    def clause(_: VerdictRow, main: Opinion) -> str:
        reading = main.reading
        whole = main.footprint or reading
        if reading is None or whole is None:
            return f"it {verb}"
        low = min(whole.early_level, whole.middle_level, whole.end_level) * min(reading.trough, 1.0)
        return f"it {verb} between {memory(low)} and {memory(whole.late_peak)}, and its floor is flat"

    return clause


def _keeps(row: VerdictRow, main: Opinion) -> str:
    kept, gaps, live = main.amount(Layer.KEPT), main.amount(Layer.SLACK), main.live_bytes
    startup = " startup" if Pattern.STARTUP_SPIKE in row.also else ""
    used = f"it uses {memory(live)} and" if live is not None else "it"
    if gaps > kept:
        return f"{used} leaves {memory(gaps)} of gaps where{startup} memory was freed"
    return f"{used} keeps {memory(kept)} of freed{startup} memory"


def _part(layer: Layer, what: str) -> Clause:
    return lambda _, main: f"{memory(main.amount(layer))} of its {memory(main.whole_bytes)} {what}"


@dataclass(frozen=True, slots=True)
class Held:
    """One kind of thing that is held."""

    signal: Signal
    cause: Cause
    #: How one of them is called, and several.
    one: str
    many: str
    #: How the headline of a leak goes on.
    leaks: str
    #: Bytes that one can hold at most.
    most_bytes: int
    #: How to find out which they are, and how to bound them: what to do, the setting, what it changes.
    find: tuple[str, str, str]
    bound: tuple[str, str, str]


#: What explains the others comes first: a connection has its task, a task may have its series.
HELD: Final = (
    Held(
        Signal.QUEUED,
        Cause.QUEUE,
        "message",
        "Messages that wait",
        "in a queue that nobody empties",
        th.HELD_MOST,
        (
            "Look at the reader of the queue: is it alive, and how many messages a second does it take",
            'metrics::gauge!("queue_depth").set(receiver.len() as f64), and a counter where a message is taken',
            "no messages taken: the reader has ended or waits; fewer than come: it is too slow",
        ),
        (
            "Bound the queue, so that who sends has to wait, or drop what is too old",
            "tokio::sync::mpsc::channel(1024) instead of unbounded_channel(); try_send() where waiting is no choice",
            "at most 1,024 messages wait",
        ),
    ),
    Held(
        Signal.DESCRIPTORS,
        Cause.CONNECTIONS,
        "open file or socket",
        "Open files and sockets",
        "with connections or files that stay open",
        th.HELD_MOST,
        (
            "See what stays open, twice, an hour apart",
            "ls -l /proc/PID/fd | sed 's/.*-> //; s/[0-9]*]$//' | sort | uniq -c | sort -rn | head; "
            "ss -tan state close-wait",
            "CLOSE-WAIT: the peer has gone and the service does not close; a path that repeats names the file",
        ),
        (
            "Close what is idle, and bound how many there are",
            "hyper: http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30)); "
            "socket2: TcpKeepalive::new().with_time(Duration::from_secs(60)); tokio::sync::Semaphore::new(1024)",
            "at most 1,024 are open, and dead peers go within minutes",
        ),
    ),
    Held(
        Signal.TASKS,
        Cause.TASKS,
        "task",
        "Tasks alive",
        "in async tasks that never finish",
        th.HELD_MOST,
        (
            "Find the tasks that never finish, by the line that spawned them",
            "console_subscriber::init(), built with RUSTFLAGS='--cfg tokio_unstable'; then tokio-console",
            "the location whose tasks grow old and idle is the culprit",
        ),
        (
            "End what waits for ever: a deadline for each answer, and tasks that end with who started them",
            "tokio::time::timeout(Duration::from_secs(30), answer).await; tokio::task::JoinSet instead of tokio::spawn",
            "a task lives 30 seconds at most",
        ),
    ),
    Held(
        Signal.SERIES,
        Cause.EXPORTER,
        "series",
        "Series that it exports",
        "in the labels of its own metrics",
        th.SERIES_MOST,
        (
            "Find the metric whose series grow: count them twice, ten minutes apart",
            "curl -s localhost:PORT/metrics | grep -v '^#' | cut -d'{' -f1 | sort | uniq -c | sort -rn | head",
            "the metric whose count rises has a label with ids, paths or errors in it",
        ),
        (
            "Take that label off, or the route instead of the path; forget series that nothing touches",
            "axum::extract::MatchedPath as the label; "
            "PrometheusBuilder::new().idle_timeout(MetricKindMask::ALL, Some(Duration::from_secs(600)))",
            "the series stay as many as there are routes",
        ),
    ),
)
BY_CAUSE: Final = {held.cause: held for held in HELD}

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
        if row.teeth >= th.TEETH:
            also.append(Pattern.SAWTOOTH)
        elif row.family in _GROWS_WITH:
            also.append(_GROWS_WITH[row.family])
        if row.periodic > 0:
            also.append(Pattern.PERIODIC)
        if main.spikes_early:
            also.append(Pattern.STARTUP_SPIKE)
        cause = Cause.HEAP if row.signal == Signal.ALLOCATED else None
        if (held := name_held(main)) is not None:
            cause = held.cause
        return Pattern.LEAK, [name for name in dict.fromkeys(also) if PATTERNS[name].beside_leak], cause
    pattern, cause = main.pattern, main.cause
    faint = main.faint and pattern == Pattern.PLATEAU
    if verdict == Verdict.INCONCLUSIVE and cause is None and rises(main) and (held := name_held(main)) is not None:
        cause = held.cause
    if verdict == Verdict.INCONCLUSIVE and cause is None and allocator_moved(pool):
        cause = Cause.ALLOCATOR
    if verdict == Verdict.INCONCLUSIVE and not PATTERNS[pattern].named_while_open and not faint:
        if pattern != Pattern.UNEXPLAINED_GROWTH:
            also.insert(0, pattern)
        pattern = Pattern.UNEXPLAINED_GROWTH
    if verdict == Verdict.NOT_LEAK:
        pattern = Pattern.PLATEAU if pattern == Pattern.UNEXPLAINED_GROWTH else pattern
        if pattern == Pattern.PLATEAU and _burst_before(pool, main):
            pattern, cause = Pattern.BURST, Cause.TRAFFIC
        allocator, moved = allocator_moved(pool), pool.moved_bytes
        if allocator or (moved is not None and abs(moved) > th.MOVED_SHARE * row.settled):
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
    return around > th.MOVED_SHARE * whole.settled and abs(heap) < th.HEAP_STAYED * around


def _burst_before(pool: Pool, main: Opinion) -> bool:
    """Whether another life of the same level had a burst, which may have ended it."""
    level = main.footprint.settled if main.footprint is not None else 0.0
    for opinion in pool.opinions:
        whole = opinion.footprint
        if whole is None or opinion is main:
            continue
        if whole.late_peak >= th.BURST_RATIO * level and whole.middle_level < th.JUMP_RATIO * level:
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
    if stack is not None and not th.STACK_LEAST <= stack <= th.STACK_MOST:
        return False
    if heap is None or whole is None:
        return True
    return heap.mean_rise < th.THREADS_EXPLAIN * whole.mean_rise


def name_held(main: Opinion) -> Held | None:
    """Name what rises together with the judged signal, by as much as each of it can hold."""
    return next((held for held in HELD if explains(main, held)), None)


def rises(main: Opinion) -> bool:
    """Whether the judged signal has risen by more than matters."""
    row = main.reading
    return row is not None and row.end_level - row.early_level >= th.MATERIAL_SHARE * row.settled


def bytes_each(main: Opinion, signal: Signal) -> float | None:
    """Divide the growth of the judged signal by the things that came with it."""
    level, row = main.levels.get(signal), main.reading
    if level is None or row is None or (came := level.end_level - level.early_level) <= 0:
        return None
    return (row.end_level - row.early_level) / came


def explains(main: Opinion, held: Held) -> bool:
    """Whether the things rise together with the judged signal, each with as much as it can hold."""
    level, row, each = main.levels.get(held.signal), main.reading, bytes_each(main, held.signal)
    if level is None or row is None or each is None:
        return False
    came = level.end_level - level.early_level
    if came < max(th.HELD_RISE, th.HELD_RISE_SHARE * level.early_level):
        return False
    if not th.HELD_LEAST <= each <= held.most_bytes:
        return False
    return abs(level.half_way - row.half_way) <= th.HELD_TOGETHER


def leak(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Advise on a leak."""
    if row.cause == Cause.THREAD_STACKS:
        yield from _threads(evidence)
    else:
        yield from _on_heap(evidence)
        yield from advise_held(row, evidence)
        if Statistic.HEAP_SUSPECT not in evidence:
            yield from _profile(row, evidence)
        if row.cause not in BY_CAUSE:
            yield from _usual_suspects(row, evidence)
    yield from _where(evidence)
    yield from _time(row)


def advise_held(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Advise how to find what is held, and how to bound it."""
    held = BY_CAUSE.get(row.cause) if row.cause is not None else None
    if held is None:
        return
    text, setting, expected = held.find
    yield Advice(text, setting=setting, expected=expected, because=Statistic.HELD_RISE)
    text, setting, expected = held.bound
    each = evidence.get(Statistic.BYTES_EACH)
    if each is not None and each.estimate and (row.growth_bytes_per_day or 0.0) > 0:
        expected += f", at {small_memory(each.estimate)} each, and growth of {rate(row.growth_bytes_per_day)} ends"
    yield Advice(text, setting=setting, expected=expected, because=Statistic.HELD_RISE)


def _on_heap(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
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
            expected="the function that grows, at evidence level 5 of 5",
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


def _threads(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    rise, stack = evidence.get(Statistic.THREADS_RISE), evidence.get(Statistic.STACK_OF_A_THREAD)
    yield Advice(
        "Find the threads that are never joined: count thread names twice, an hour apart",
        setting="cat /proc/PID/task/*/comm | sort | uniq -c | sort -rn | head",
        expected="the thread name whose count rises is the culprit",
        because=Statistic.THREADS_RISE,
    )
    each = f"each thread costs {memory(stack.estimate)} here" if stack is not None else "each thread has a stack"
    if rise is not None and rise.estimate and stack is not None and stack.estimate:
        each += f"; capped at 64, they take {memory(64 * stack.estimate)}"
        each += f" instead of {memory(rise.estimate * stack.estimate)} and growing"
    yield Advice(
        "Cap the threads: one runtime for the process, a bound on blocking threads, join what is spawned",
        setting="tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(64)",
        expected=each,
        because=Statistic.THREADS_RISE,
    )
    yield smaller_stacks(Statistic.THREADS_RISE)


def _profile(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    kept = evidence.get(Statistic.KEPT)
    if row.cause != Cause.HEAP and not (row.cause in BY_CAUSE and row.signal == Signal.ALLOCATED):
        if not any(piece.rejects for piece in evidence.values()):
            yield Advice(
                "Export the allocator's live-heap gauge: it tells a leak in the heap from memory outside it",
                setting=_GAUGE,
                expected="evidence level 4 of 5, and the cause",
                because=Statistic.NO_LIVE_HEAP,
            )
        yield Advice(
            "Or trace allocations of the running process, half an hour at least, and read what was not freed",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="rm.suspects(rm.read_heap(FILE)) names the stacks that grow; with dhat-rs the same in a test "
            "(dhat::Profiler::new_heap())",
            because=Statistic.NO_LIVE_HEAP,
        )
    elif kept is not None and kept.signal == Signal.FREE:
        yield Advice(
            "Take a heap profile of one pod for half an hour: what was not freed names the code",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="rm.suspects(rm.read_heap(FILE)) names the stacks that grow",
            because=Cause.HEAP,
        )
    else:
        yield Advice(
            "Take heap profiles half an hour apart on one pod and compare them: what grew names the code",
            setting="_RJEM_MALLOC_CONF=prof:true,lg_prof_interval:32,prof_prefix:/tmp/heap",
            expected=f"a dump for every 4 GiB allocated, if built with profiling ({UNPREFIXED}); "
            "rm.diff(rm.read_heap(FIRST), rm.read_heap(LAST)) lists what grew",
            because=Cause.HEAP,
        )


def _usual_suspects(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """What piles up in services: caches, tasks, metric labels."""
    growth = rate(row.growth_bytes_per_day)
    each = evidence.get(Statistic.GROWTH_PER_WORK)
    of = f", {small_memory(each.estimate)} for each unit of work" if each and each.estimate is not None else ""
    yield Advice(
        "Bound every cache and map, by weight where values differ in size",
        setting="moka::sync::Cache::builder().weigher(|_, v| v.len() as u32).max_capacity(64 << 20).build(), "
        "or lru::LruCache::new(NonZeroUsize::new(10_000).unwrap())",
        expected=f"if a cache is the cause, growth of {growth}{of} ends at its bound",
        because=Statistic.GROWTH,
    )
    apart = {piece.signal for piece in row.evidence if piece.statistic == Statistic.HELD_APART}
    if Signal.TASKS not in apart:
        yield _COUNT_TASKS
    if Signal.SERIES not in apart:
        yield _COUNT_SERIES


_COUNT_TASKS: Final = Advice(
    "Count tasks that never end: in an async service each holds its future and all it captured",
    setting="tokio::runtime::Handle::current().metrics().num_alive_tasks() as a gauge, or tokio-console",
    expected="a count that rises with the memory names spawned tasks as the cause; a flat one clears them",
    because=Statistic.GROWTH,
)
_COUNT_SERIES: Final = Advice(
    "Count the series that the service exports: a label with user ids, paths or errors in it is kept for ever",
    setting="curl -s localhost:PORT/metrics | grep -v '^#' | cut -d'{' -f1 | sort | uniq -c | sort -rn | head",
    expected="a metric whose count rises between two looks has an unbounded label",
    because=Statistic.GROWTH,
)


def _where(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    pods, since = evidence.get(Statistic.PODS_GROWING), evidence.get(Statistic.SINCE_VERSION)
    if since is not None:
        yield Advice(
            f"Roll back, or look through what changed: the growth began with version {printable(since.value)}",
            setting="kubectl rollout undo deployment/NAME",
            expected="the level stays where the version before it stayed",
            because=Statistic.SINCE_VERSION,
        )
    if pods is not None and pods.estimate == 1 and "only" in pods.text:
        yield Advice(
            "Look at what only that pod does: its tenant, shard, leader role or stuck connection",
            expected="the others run the same code and do not grow",
            because=Statistic.PODS_GROWING,
        )


def _time(row: VerdictRow) -> Iterator[Advice]:
    """What a higher limit buys: time, not a cure."""
    growth, limit, left = row.growth_bytes_per_day, row.limit_bytes, row.hours_to_limit
    if not growth or growth <= 0 or not limit or left is None:
        return
    more = math.ceil(limit / 2 / (16 * MI)) * 16 * MI
    yield Advice(
        "If it must survive until it is fixed, raise the limit: this only delays the kill",
        setting=f"resources.limits.memory: {math.ceil((limit + more) / MI)}Mi",
        expected=f"{hours(left + more / growth * 24)} to the limit instead of {hours(left)}",
        because="hours_to_limit",
    )


_GAUGE: Final = "tikv_jemalloc_ctl::stats::allocated::read() after epoch::advance()"


def open_verdict(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Advise what would settle an open verdict: the price list, the surest first."""
    kind = next((kind for kind in OpenKind if kind.statistic in evidence), OpenKind.TOO_FEW)
    piece = evidence.get(kind.statistic)
    if kind == OpenKind.KILLED:
        yield _raise(row, 2, "if a life then settles, the start needed the memory; if it is killed later, it leaks")
    elif kind == OpenKind.AT_LIMIT:
        yield _raise(row, 4, "the memory follows the limit if it is held down, and stays if that was all it needs")
    elif kind == OpenKind.RESTARTS_UNKNOWN:
        yield Advice(
            "Export the restart counter and look again: falls that it counts are restarts",
            setting="kube_pod_container_status_restarts_total",
            expected="rising between restarts is a leak that they hide; without restarts the falls are a sawtooth",
            because=Statistic.RESTARTS_UNKNOWN,
        )
    elif kind == OpenKind.SHMEM and row.cause != Cause.TMPFS:
        files = evidence.get(Statistic.SHMEM)
        yield files_in_memory(files.estimate if files is not None else None)
    elif kind == OpenKind.KERNEL and row.cause != Cause.SOCKETS:
        yield _KERNEL
    elif kind == OpenKind.MAPPED:
        yield _MAPPED
    elif kind == OpenKind.OUTSIDE:
        yield from _outside()
    elif kind == OpenKind.HEAP_RESTS:
        yield from _on_heap(evidence)
    elif kind == OpenKind.IDLE:
        yield Advice(
            "Send it traffic, or look again after a busy hour: while it is idle, a per-request leak would not show",
            expected="growth for each unit of work, with its interval",
            because=OpenKind.IDLE.statistic,
        )
    if piece is not None and piece.estimate is not None and piece.unit == Unit.HOURS:
        yield _wait(piece, kind, gauge=Statistic.NO_LIVE_HEAP in evidence)
    elif kind == OpenKind.REJECTED:
        yield Advice("Fix the exporter or its query: no figure of it can be used", because=kind.statistic)
    elif kind == OpenKind.TOO_FEW:
        yield Advice(
            "Record for longer: at least 24 samples of one life, better 200", because=OpenKind.TOO_FEW.statistic
        )
    yield from advise_held(row, evidence)
    yield from _other_allocator(evidence)
    if kind != OpenKind.HEAP_RESTS:
        yield from _on_heap(evidence)
    yield from _missing(evidence, kind)


def _wait(piece: Evidence, kind: OpenKind, *, gauge: bool) -> Advice:
    when = "later" if piece.end is None else f"{moment(piece.end, seconds=piece.hours < 1 / 6)} UTC"
    sooner = gauge and kind != OpenKind.TOO_FEW
    other = ", or export the allocator's live-heap gauge (jemalloc stats.allocated)" if sooner else ""
    return Advice(
        f"Wait until {when} ({hours(piece.hours)} more){other}, then judge again",
        because=kind.statistic,
        until=piece.end,
    )


def _raise(row: VerdictRow, share: int, expected: str) -> Advice:
    limit = row.limit_bytes
    part = {2: "half", 4: "a quarter"}[share]
    text = f"Raise the limit once by {part} and watch what the memory does"
    if not limit:
        return Advice(text, expected=expected, because=Statistic.OOM_KILLS)
    more = math.ceil(limit / share / (16 * MI)) * 16 * MI
    size = math.ceil((limit + more) / MI)
    return Advice(text, setting=f"resources.limits.memory: {size}Mi", expected=expected, because="limit_bytes")


_KERNEL: Final = Advice(
    "Read what the kernel holds for the container, an hour apart",
    setting="grep -E 'sock|pagetables|kernel_stack|slab|percpu' /sys/fs/cgroup/memory.stat",
    expected="sock, pagetables or slab_unreclaimable that rise are connections, mappings or handles that nobody "
    "closes; slab_reclaimable is given back before anything is killed",
    because=Statistic.KERNEL,
)
_MAPPED: Final = Advice(
    "Tell mapped files from shared memory",
    setting="grep -E 'RssFile|RssShmem' /proc/PID/status",
    expected="RssFile is given back under pressure; RssShmem counts until somebody deletes it",
    because=Statistic.MAPPED,
)


def _outside() -> Iterator[Advice]:
    yield Advice(
        "Compare the process's mappings an hour apart: the one that grew names the owner",
        setting="cp /proc/PID/smaps a; sleep 3600; diff a /proc/PID/smaps | grep -E 'Rss|Anonymous'",
        expected="[heap] is glibc's malloc (C code, or Rust without jemalloc), [stack] threads, a file name its mapper",
        because=Cause.OUTSIDE_ALLOCATOR,
    )
    yield Advice(
        "See whether transparent huge pages inflate it",
        setting="grep -E 'Rss|AnonHugePages' /proc/PID/smaps_rollup",
        expected="AnonHugePages that grow with Rss: turn them off (thp:never, or PR_SET_THP_DISABLE)",
        because=Cause.OUTSIDE_ALLOCATOR,
    )
    yield Advice(
        "If C code is linked in, it allocates from glibc beside jemalloc: ask glibc as well",
        setting="libc::malloc_info(0, stdout), or MALLOC_ARENA_MAX=2 for its arenas",
        expected="what glibc holds is the part that jemalloc's gauges do not see",
        because=Cause.OUTSIDE_ALLOCATOR,
    )


#: Another signal would be seen no better.
_NOT_SEEN: Final = (OpenKind.TOO_FEW, OpenKind.REJECTED, OpenKind.KILLED)


def _missing(evidence: Mapping[str, Evidence], kind: OpenKind) -> Iterator[Advice]:
    """Signals that the source does not give, and that would settle it sooner."""
    if Statistic.NO_LIVE_HEAP in evidence and kind not in _NOT_SEEN:
        yield Advice(
            "Expose jemalloc's figures: a flat live heap settles it at once",
            setting=_GAUGE,
            expected="evidence level 4 of 5",
            because=Statistic.NO_LIVE_HEAP,
        )
    if Statistic.NO_RESTARTS in evidence and kind != OpenKind.RESTARTS_UNKNOWN:
        yield Advice(
            "Add the restart counter: a leak that restarts hide looks like a cycle",
            setting="kube_pod_container_status_restarts_total",
            expected="evidence level 2 of 5",
            because=Statistic.NO_RESTARTS,
        )
    if Statistic.NO_WORK in evidence and kind not in _NOT_SEEN:
        yield Advice(
            "Add a counter of the work done: growth for each request does not depend on how busy it was",
            setting='metrics={"http_requests_total": "work_total"} when reading',
            expected="evidence level 3 of 5",
            because=Statistic.NO_WORK,
        )
    if Statistic.NO_LIMIT in evidence:
        yield Advice(
            "Add the limit: without it nothing can be said about time or kills",
            setting="kube_pod_container_resource_limits",
            expected="time to the limit and the chance of an OOM kill",
            because=Statistic.NO_LIMIT,
        )


def files_in_memory(amount: float | None) -> Advice:
    """Advise to look at what lies on tmpfs."""
    size = memory(amount) if amount is not None else "files"
    return Advice(
        "List the largest files on the container's tmpfs mounts and in /dev/shm: they name the writer",
        setting="du -ah /dev/shm /tmp 2>/dev/null | sort -rh | head",
        expected=f"the writer of {size} that count as memory until somebody deletes them; "
        "bound it with emptyDir.sizeLimit",
        because=Statistic.SHMEM,
    )


_OUT_OF_ORDER: Final = (
    *("allocated_above_active", "active_above_resident", "allocated_above_resident", "allocator_above_footprint"),
)
#: By the check that rejected a gauge: what to do, and how.
_MENDING: Final = {
    rejected("stale_allocator"): (
        "Fix the exporter: jemalloc's figures stand still until its epoch is advanced",
        "tikv_jemalloc_ctl::epoch::advance() before each read",
    ),
    rejected("self_incrementing"): (
        "Fix the exporter: it adds the value to the gauge at each scrape instead of setting it",
        "gauge.set(value), not gauge.increment(value)",
    ),
    **dict.fromkeys(
        map(rejected, _OUT_OF_ORDER),
        (
            "Fix the exporter: advance the epoch once, then read all gauges, in bytes",
            "tikv_jemalloc_ctl::epoch::advance() once, then allocated, active, resident",
        ),
    ),
}


def advise(row: Mapping[str, object]) -> Iterator[Advice]:
    """Give advice on a stored verdict, the first thing to do first; "Nothing to do." where there is nothing."""
    return advise_on(VerdictRow.stored(row))


def advise_on(row: VerdictRow) -> Iterator[Advice]:
    """Give advice on a verdict, made as it is asked for."""
    evidence = row.by_statistic
    if NOT_JUDGED in evidence:
        yield Advice(f"{REPORT_BUG}: {evidence[NOT_JUDGED].value}.", because=NOT_JUDGED)
        return
    found = _all(row, evidence)
    yield next(found, Advice("Nothing to do.", because=row.pattern))
    yield from found


def _all(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    # A broken gauge comes first where the working one would say more; else after what there is to do.
    needed = row.verdict in (Verdict.LEAK, Verdict.INCONCLUSIVE) and Statistic.NO_LIVE_HEAP in evidence
    if needed:
        yield from _mend(evidence)
    yield from remedies(row)
    if row.verdict == Verdict.LEAK:
        yield from leak(row, evidence)
    elif row.verdict == Verdict.INCONCLUSIVE:
        yield from open_verdict(row, evidence)
    else:
        yield from _not_leak(row, evidence)
    files = evidence.get(Statistic.SHMEM)
    if (
        row.verdict != Verdict.LEAK
        and files is not None
        and row.cause != Cause.TMPFS
        and OpenKind.SHMEM.statistic not in evidence
    ):
        yield files_in_memory(files.estimate)
    if not needed:
        yield from _mend(evidence)


def _mend(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Exporters that are broken, the way to mend each."""
    for check, (text, setting) in _MENDING.items():
        if check in evidence:
            yield Advice(text, setting=setting, expected="the live heap becomes evidence (level 4)", because=check)


def _not_leak(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """What the memory is made of, the room under the limit, then what comes and goes."""
    entry, also = PATTERNS[row.pattern], [PATTERNS[name] for name in row.also]
    yield from _other_allocator(evidence)
    for remedy in (*(other.remedy for other in also if other.remedy_beside), entry.remedy):
        if remedy is not None:
            yield from remedy(row)
    yield from _room(row, evidence)
    for remedy in (*(other.peak_remedy for other in also if other.peak_remedy_beside), entry.peak_remedy):
        if remedy is not None:
            yield from remedy(row)
    many = evidence.get(Statistic.THREADS_MANY)
    if many is not None and entry.threads_matter and row.cause != Cause.RUNTIME:
        yield threads_for_quota(many.estimate)


def _other_allocator(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """What to do about an allocator that a release changed."""
    if (moved := evidence.get(Statistic.MOVED_AROUND)) is not None:
        yield Advice(
            "Compare the allocators of the two releases: its crate, the base image, its settings, huge pages",
            setting="cargo update -p libmimalloc-sys --precise FORMER (or tikv-jemalloc-sys); the former base image, "
            "or GLIBC_TUNABLES=glibc.malloc.hugetlb=0; MIMALLOC_*, MALLOC_* and _RJEM_MALLOC_CONF as they were",
            expected=f"at most {memory(moved.estimate)} less, as before the release; the live heap is no larger",
            because=Statistic.MOVED_AROUND,
        )


def _room(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    limit, peak, settled = row.limit_bytes, row.peak_bytes, row.settled_bytes
    word = PATTERNS[row.pattern].peak
    if limit and peak and peak > th.PEAK_NEAR_LIMIT * limit and word is not None:
        # Whole steps of 16 Mi, as people write limits.
        enough = math.ceil(peak / th.PEAK_NEAR_LIMIT / (16 * MI)) * 16 * MI
        share = number(100 * peak / limit)
        yield Advice(
            f"Raise the limit or spread the work: the {word} of {memory(peak)} is {share} % of the limit",
            setting=f"resources.limits.memory: {enough // MI}Mi",
            expected=f"the same peak is then {number(100 * peak / enough, 2)} % of the limit instead of {share} %",
            because="peak",
        )
    elif limit and settled and settled > th.CLOSE_TO_LIMIT * limit and word is not None:
        yield Advice(
            f"Leave room for a burst: ordinary use is {number(100 * settled / limit, 2)} % of {configured(limit)}",
            setting=f"resources.limits.memory: {math.ceil(settled / th.CLOSE_TO_LIMIT / (16 * MI)) * 16}Mi",
            expected=f"ordinary use is then {number(100 * th.CLOSE_TO_LIMIT)} % of the limit or less",
            because="settled",
        )
    elif Statistic.OOM_KILLS in evidence:
        yield Advice(
            "Find the burst that kills: it comes and goes between two samples",
            setting="container_memory_max_usage_bytes, or memory.peak in the cgroup; a scrape interval of 5 s",
            expected=f"a peak at the limit, beside {memory(settled)} of ordinary use",
            because=Statistic.OOM_KILLS,
        )
    elif (row.oom_probability_7d or 0.0) > th.RISKY and (watched := evidence.get(Statistic.GROWTH)) is not None:
        floor = rate(row.detection_floor_bytes_per_day, digits=2)
        yield Advice(
            f"Watch it for longer: in {hours(watched.hours)} growth below {floor} cannot be seen",
            expected="the detection floor falls to about a third when the window doubles",
            because="oom_probability_7d",
        )


def next_step(row: VerdictRow) -> str:
    """Say the first piece of advice in a sentence or two."""
    return next(advise_on(row)).sentence
