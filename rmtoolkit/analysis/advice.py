"""Advice on a leak: find it, bound it, and live with it until then."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis import evidence as heap_evidence
from rmtoolkit.analysis import patterns as remedies
from rmtoolkit.analysis.patterns import PATTERNS, UNPREFIXED
from rmtoolkit.analysis.records import Advice, Evidence, Statistic, Unit, VerdictRow, rejected
from rmtoolkit.analysis.thresholds import CLOSE_TO_LIMIT, PEAK_NEAR_LIMIT, RISKY
from rmtoolkit.analysis.words import OpenKind
from rmtoolkit.schema import TIME, Cause, Signal, Verdict
from rmtoolkit.text import MI, configured, hours, memory, moment, number, printable, rate, small_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def leak(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """Advise on a leak."""
    if row.cause == Cause.THREAD_STACKS:
        yield from _threads(evidence)
    elif Statistic.HEAP_SUSPECT in evidence:
        yield from heap_evidence.advise_on_heap(evidence)
        yield from _usual_suspects(row, evidence)
    elif row.cause == Cause.HEAP:
        yield from heap_evidence.advise_on_heap(evidence)
        yield _profile(evidence)
        yield from _usual_suspects(row, evidence)
    else:
        yield from heap_evidence.advise_on_heap(evidence)
        if not any(piece.rejects for piece in evidence.values()):
            yield _export_gauge()
        yield Advice(
            "Or trace allocations of the running process, half an hour at least, and read what was not freed",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="rm.suspects(rm.read_heap(FILE)) names the stacks that grow; with dhat-rs the same in a test "
            "(dhat::Profiler::new_heap())",
            because=Statistic.NO_LIVE_HEAP,
        )
        yield from _usual_suspects(row, evidence)
    yield from _where(evidence)
    yield from _time(row)


def _threads(evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    rise, stack = evidence.get(Statistic.THREADS_RISE), evidence.get(Statistic.STACK_OF_A_THREAD)
    yield Advice(
        "Find the threads that are never joined: count thread names twice, an hour apart",
        setting="cat /proc/PID/task/*/comm | sort | uniq -c | sort -rn | head",
        expected="the name whose count rises is the pool or the spawn that never ends",
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
    yield Advice(
        "Give threads that need little a small stack; only touched pages count, so this caps the worst case",
        setting="RUST_MIN_STACK=524288, or std::thread::Builder::new().stack_size(512 * 1024)",
        expected="no thread can touch more than 512 Ki of stack, instead of 2 Mi",
        because=Statistic.THREADS_RISE,
    )


def _profile(evidence: Mapping[str, Evidence]) -> Advice:
    """The profiler of the allocator that was seen."""
    kept = evidence.get(Statistic.KEPT)
    if kept is not None and kept.signal == Signal.FREE:
        return Advice(
            "Take a heap profile of one pod for half an hour: what was not freed names the code",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="rm.suspects(rm.read_heap(FILE)) names the stacks that grow",
            because=Cause.HEAP,
        )
    return Advice(
        "Take heap profiles half an hour apart on one pod and compare them: what grew names the code",
        setting="_RJEM_MALLOC_CONF=prof:true,lg_prof_interval:32,prof_prefix:/tmp/heap",
        expected=f"a dump for every 4 GiB allocated, if built with profiling ({UNPREFIXED}); "
        "rm.diff(rm.read_heap(FIRST), rm.read_heap(LAST)) lists what grew",
        because=Cause.HEAP,
    )


def _export_gauge() -> Advice:
    return Advice(
        "Export the allocator's live-heap gauge: it tells a leak in the heap from memory outside it",
        setting="tikv_jemalloc_ctl::stats::allocated::read() after epoch::advance()",
        expected="evidence level 4, and the cause",
        because=Statistic.NO_LIVE_HEAP,
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
    yield Advice(
        "Count tasks that never end: in an async service each holds its future and all it captured",
        setting="tokio::runtime::Handle::current().metrics().num_alive_tasks() as a gauge, or tokio-console",
        expected="a count that rises with the memory names spawned tasks as the cause; a flat one clears them",
        because=Statistic.GROWTH,
    )
    yield Advice(
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
        "If it must live until the cure, raise the limit: this buys time, not a cure",
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
    elif kind == OpenKind.SHMEM:
        files = evidence.get(Statistic.SHMEM)
        yield files_in_memory(files.estimate if files is not None else None)
    elif kind == OpenKind.KERNEL:
        yield _KERNEL
    elif kind == OpenKind.MAPPED:
        yield _MAPPED
    elif kind == OpenKind.OUTSIDE:
        yield from _outside()
    elif kind == OpenKind.HEAP_RESTS:
        yield from heap_evidence.advise_on_heap(evidence)
    elif kind == OpenKind.IDLE:
        yield Advice(
            "Send it traffic, or look again after a busy hour: at rest nothing that a request leaks would show",
            expected="growth for each unit of work, with its interval",
            because=OpenKind.IDLE.statistic,
        )
    if piece is not None and piece.estimate is not None and piece.unit == Unit.HOURS:
        yield _wait(piece, kind, gauge=Statistic.NO_LIVE_HEAP in evidence)
    elif kind == OpenKind.TOO_FEW:
        yield Advice(
            "Record for longer: at least 24 samples of one life, better 200", because=OpenKind.TOO_FEW.statistic
        )
    if kind != OpenKind.HEAP_RESTS:
        yield from heap_evidence.advise_on_heap(evidence)
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


def _missing(evidence: Mapping[str, Evidence], kind: OpenKind) -> Iterator[Advice]:
    """Signals that the source does not give, and that would settle it sooner."""
    if Statistic.NO_LIVE_HEAP in evidence and kind not in (OpenKind.TOO_FEW, OpenKind.KILLED):
        yield Advice(
            "Expose jemalloc's figures: a flat live heap settles it at once",
            setting=_GAUGE,
            expected="evidence level 4",
            because=Statistic.NO_LIVE_HEAP,
        )
    if Statistic.NO_RESTARTS in evidence and kind != OpenKind.RESTARTS_UNKNOWN:
        yield Advice(
            "Add the restart counter: a leak that restarts hide looks like a cycle",
            setting="kube_pod_container_status_restarts_total",
            expected="evidence level 2",
            because=Statistic.NO_RESTARTS,
        )
    if Statistic.NO_WORK in evidence and kind not in (OpenKind.TOO_FEW, OpenKind.KILLED):
        yield Advice(
            "Add a counter of the work done: growth for each request does not depend on how busy it was",
            setting='metrics={"http_requests_total": "work_total"} when reading',
            expected="evidence level 3",
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


#: Columns of the frame that `frame` makes.
ADVICE: Final = pl.Schema(
    {"text": pl.String(), "setting": pl.String(), "expected": pl.String(), "because": pl.String(), "until": TIME}
)


#: By the check that rejected a gauge: what to do, and how.
_MENDING: Final = {
    rejected("stale_allocator"): (
        "Mend the exporter: jemalloc's figures stand still until its epoch is advanced",
        "tikv_jemalloc_ctl::epoch::advance() before each read",
    ),
    rejected("self_incrementing"): (
        "Mend the exporter: it adds the value to the gauge at each scrape instead of setting it",
        "gauge.set(value), not gauge.increment(value)",
    ),
    **{
        rejected(check): (
            "Mend the exporter: figures of one allocator are to be read together, in bytes, after one epoch",
            "tikv_jemalloc_ctl::epoch::advance() once, then allocated, active, resident",
        )
        for check in (
            "allocated_above_active",
            "active_above_resident",
            "allocated_above_resident",
            "allocator_above_footprint",
        )
    },
}


def advise(row: Mapping[str, object]) -> Iterator[Advice]:
    """Give advice on a stored verdict, the first thing to do first; "Nothing to do." where there is nothing."""
    return advise_on(VerdictRow.stored(row))


def advise_on(row: VerdictRow) -> Iterator[Advice]:
    """Give advice on a verdict, made as it is asked for."""
    evidence = row.by_statistic
    given = 0
    for given, found in enumerate(_all(row, evidence), 1):  # noqa: B007 - counted, to know whether there was any
        yield found
    if not given:
        yield Advice("Nothing to do.", because=row.pattern)


def _all(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    # A broken gauge comes first where the working one would say more; else after what there is to do.
    needed = row.verdict in (Verdict.LEAK, Verdict.INCONCLUSIVE) and Statistic.NO_LIVE_HEAP in evidence
    if needed:
        yield from _mend(evidence)
    if row.verdict == Verdict.LEAK:
        yield from leak(row, evidence)
    elif row.verdict == Verdict.INCONCLUSIVE:
        yield from open_verdict(row, evidence)
    else:
        yield from _not_leak(row, evidence)
    files = evidence.get(Statistic.SHMEM)
    if row.verdict != Verdict.LEAK and files is not None and OpenKind.SHMEM.statistic not in evidence:
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
    for remedy in (*(other.remedy for other in also if other.remedy_beside), entry.remedy):
        if remedy is not None:
            yield from remedy(row)
    yield from _room(row, evidence)
    for remedy in (*(other.peak_remedy for other in also if other.peak_remedy_beside), entry.peak_remedy):
        if remedy is not None:
            yield from remedy(row)
    many = evidence.get(Statistic.THREADS_MANY)
    if many is not None and entry.threads_matter:
        yield remedies.threads_for_quota(many.estimate)


def _room(row: VerdictRow, evidence: Mapping[str, Evidence]) -> Iterator[Advice]:
    """A limit that the ordinary peak comes near to."""
    limit, peak, settled = row.limit_bytes, row.peak_bytes, row.settled_bytes
    word = PATTERNS[row.pattern].peak
    if limit and peak and peak > PEAK_NEAR_LIMIT * limit and word is not None:
        # Whole steps of 16 Mi, as people write limits.
        enough = math.ceil(peak / PEAK_NEAR_LIMIT / (16 * MI)) * 16 * MI
        share = number(100 * peak / limit)
        yield Advice(
            f"Raise the limit or spread the work: the {word} of {memory(peak)} is {share} % of the limit",
            setting=f"resources.limits.memory: {enough // MI}Mi",
            expected=f"the same peak is then {number(100 * peak / enough, 2)} % of the limit instead of {share} %",
            because="peak",
        )
    elif limit and settled and settled > CLOSE_TO_LIMIT * limit and word is not None:
        yield Advice(
            f"Leave room for a burst: ordinary use is {number(100 * settled / limit, 2)} % of {configured(limit)}",
            setting=f"resources.limits.memory: {math.ceil(settled / CLOSE_TO_LIMIT / (16 * MI)) * 16}Mi",
            expected=f"ordinary use is then {number(100 * CLOSE_TO_LIMIT)} % of the limit or less",
            because="settled",
        )
    elif Statistic.OOM_KILLS in evidence:
        yield Advice(
            "Find the burst that kills: it comes and goes between two samples",
            setting="container_memory_max_usage_bytes, or memory.peak in the cgroup; a scrape interval of 5 s",
            expected=f"a peak at the limit, beside {memory(settled)} of ordinary use",
            because=Statistic.OOM_KILLS,
        )
    elif (row.oom_probability_7d or 0.0) > RISKY and (watched := evidence.get(Statistic.GROWTH)) is not None:
        floor = rate(row.detection_floor_bytes_per_day, digits=2)
        yield Advice(
            f"Watch it for longer: in {hours(watched.hours)} growth below {floor} cannot be seen",
            expected="the detection floor falls to about a third when the window doubles",
            because="oom_probability_7d",
        )


def next_step(row: VerdictRow) -> str:
    """Say the first piece of advice in a sentence or two."""
    return next(advise_on(row)).sentence


def frame(row: Mapping[str, object]) -> pl.DataFrame:
    """Lay out all advice on a stored verdict."""
    return pl.DataFrame([asdict(found) for found in advise(row)], schema=ADVICE)
