"""Advice on a leak: find it, bound it, and live with it until then."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.analysis import heap_evidence, remedies
from rmtoolkit.analysis.records import Advice, evidence_of
from rmtoolkit.analysis.remedies import UNPREFIXED
from rmtoolkit.analysis.thresholds import CLOSE_TO_LIMIT, PEAK_NEAR_LIMIT, RISKY
from rmtoolkit.schema import TIME
from rmtoolkit.text import MI, configured, hours, memory, moment, number, printable, rate, small_memory

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    Evidence = dict[str, dict[str, Any]]


def leak(row: dict[str, Any], evidence: Evidence) -> Iterator[Advice]:
    """Advise on a leak."""
    if row["cause"] == "thread_stacks":
        yield from _threads(evidence)
    elif "heap_suspect" in evidence:
        yield from heap_evidence.advise(evidence)
        yield from _usual_suspects(row, evidence)
    elif row["cause"] == "heap":
        yield from heap_evidence.advise(evidence)
        yield _profile(evidence)
        yield from _usual_suspects(row, evidence)
    else:
        yield from heap_evidence.advise(evidence)
        if not any(name.startswith("rejected_") for name in evidence):
            yield _export_gauge()
        yield Advice(
            "Or trace allocations of the running process, half an hour at least, and read what was not freed",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="rm.suspects(rm.read_heap(FILE)) names the stacks that grow; with dhat-rs the same in a test "
            "(dhat::Profiler::new_heap())",
            because="no_live_heap",
        )
        yield from _usual_suspects(row, evidence)
    yield from _where(evidence)
    yield from _time(row)


def _threads(evidence: Evidence) -> Iterator[Advice]:
    rise, stack = evidence.get("threads_rise"), evidence.get("stack_of_a_thread")
    yield Advice(
        "Find the threads that are never joined: count thread names twice, an hour apart",
        setting="cat /proc/PID/task/*/comm | sort | uniq -c | sort -rn | head",
        expected="the name whose count rises is the pool or the spawn that never ends",
        because="threads_rise",
    )
    each = f"each thread costs {memory(stack['estimate'])} here" if stack is not None else "each thread has a stack"
    if rise is not None and stack is not None:
        each += f"; capped at 64, they take {memory(64 * stack['estimate'])}"
        each += f" instead of {memory(rise['estimate'] * stack['estimate'])} and growing"
    yield Advice(
        "Cap the threads: one runtime for the process, a bound on blocking threads, join what is spawned",
        setting="tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(64)",
        expected=each,
        because="threads_rise",
    )
    yield Advice(
        "Give threads that need little a small stack; only touched pages count, so this caps the worst case",
        setting="RUST_MIN_STACK=524288, or std::thread::Builder::new().stack_size(512 * 1024)",
        expected="no thread can touch more than 512 Ki of stack, instead of 2 Mi",
        because="threads_rise",
    )


def _profile(evidence: Evidence) -> Advice:
    """The profiler of the allocator that was seen."""
    kept = evidence.get("kept")
    if kept is not None and kept["signal"] == "free_bytes":
        return Advice(
            "Take a heap profile of one pod for half an hour: what was not freed names the code",
            setting="heaptrack --pid $(pidof SERVICE)",
            expected="rm.suspects(rm.read_heap(FILE)) names the stacks that grow",
            because="heap",
        )
    return Advice(
        "Take heap profiles half an hour apart on one pod and compare them: what grew names the code",
        setting="_RJEM_MALLOC_CONF=prof:true,lg_prof_interval:32,prof_prefix:/tmp/heap",
        expected=f"a dump for every 4 GiB allocated, if built with profiling ({UNPREFIXED}); "
        "rm.diff(rm.read_heap(FIRST), rm.read_heap(LAST)) lists what grew",
        because="heap",
    )


def _export_gauge() -> Advice:
    return Advice(
        "Export the allocator's live-heap gauge: it tells a leak in the heap from memory outside it",
        setting="tikv_jemalloc_ctl::stats::allocated::read() after epoch::advance()",
        expected="evidence level 4, and the cause",
        because="no_live_heap",
    )


def _usual_suspects(row: dict[str, Any], evidence: Evidence) -> Iterator[Advice]:
    """What piles up in services: caches, tasks, metric labels."""
    growth = rate(row["growth_bytes_per_day"])
    each = evidence.get("growth_per_work")
    of = f", {small_memory(each['estimate'])} for each unit of work" if each is not None else ""
    yield Advice(
        "Bound every cache and map, by weight where values differ in size",
        setting="moka::sync::Cache::builder().weigher(|_, v| v.len() as u32).max_capacity(64 << 20).build(), "
        "or lru::LruCache::new(NonZeroUsize::new(10_000).unwrap())",
        expected=f"if a cache is the cause, growth of {growth}{of} ends at its bound",
        because="growth",
    )
    yield Advice(
        "Count tasks that never end: in an async service each holds its future and all it captured",
        setting="tokio::runtime::Handle::current().metrics().num_alive_tasks() as a gauge, or tokio-console",
        expected="a count that rises with the memory names spawned tasks as the cause; a flat one clears them",
        because="growth",
    )
    yield Advice(
        "Count the series that the service exports: a label with user ids, paths or errors in it is kept for ever",
        setting="curl -s localhost:PORT/metrics | grep -v '^#' | cut -d'{' -f1 | sort | uniq -c | sort -rn | head",
        expected="a metric whose count rises between two looks has an unbounded label",
        because="growth",
    )


def _where(evidence: Evidence) -> Iterator[Advice]:
    pods, since = evidence.get("pods_growing"), evidence.get("since_version")
    if since is not None:
        yield Advice(
            f"Roll back, or look through what changed: the growth began with version {printable(since['value'])}",
            setting="kubectl rollout undo deployment/NAME",
            expected="the level stays where the version before it stayed",
            because="since_version",
        )
    if pods is not None and pods["estimate"] == 1 and "only" in pods["text"]:
        yield Advice(
            "Look at what only that pod does: its tenant, shard, leader role or stuck connection",
            expected="the others run the same code and do not grow",
            because="pods_growing",
        )


def _time(row: dict[str, Any]) -> Iterator[Advice]:
    """What a higher limit buys: time, not a cure."""
    growth, limit, left = row["growth_bytes_per_day"], row["limit_bytes"], row["hours_to_limit"]
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


def open_verdict(row: dict[str, Any], evidence: Evidence) -> Iterator[Advice]:
    """Advise what would settle an open verdict: the price list, the surest first."""
    kind = next((name.removeprefix("open_") for name in evidence if name.startswith("open_")), "too_few")
    piece = evidence.get(f"open_{kind}")
    if kind == "killed":
        yield _raise(row, 2, "if a life then settles, the start needed the memory; if it is killed later, it leaks")
    elif kind == "at_limit":
        yield _raise(row, 4, "the memory follows the limit if it is held down, and stays if that was all it needs")
    elif kind == "restarts_unknown":
        yield Advice(
            "Export the restart counter and look again: falls that it counts are restarts",
            setting="kube_pod_container_status_restarts_total",
            expected="rising between restarts is a leak that they hide; without restarts the falls are a sawtooth",
            because="restarts_unknown",
        )
    elif kind == "shmem":
        yield files_in_memory(evidence["shmem"]["estimate"] if "shmem" in evidence else None)
    elif kind == "kernel":
        yield _KERNEL
    elif kind == "mapped":
        yield _MAPPED
    elif kind == "outside":
        yield from _outside()
    elif kind == "heap_rests":
        yield from heap_evidence.advise(evidence)
    elif kind == "idle":
        yield Advice(
            "Send it traffic, or look again after a busy hour: at rest nothing that a request leaks would show",
            expected="growth for each unit of work, with its interval",
            because="open_idle",
        )
    if piece is not None and piece.get("estimate") is not None and piece.get("unit") == "hours":
        yield _wait(piece, kind, gauge="no_live_heap" in evidence)
    elif kind == "too_few":
        yield Advice("Record for longer: at least 24 samples of one life, better 200", because="open_too_few")
    if kind != "heap_rests":
        yield from heap_evidence.advise(evidence)
    yield from _missing(evidence, kind)


def _wait(piece: dict[str, Any], kind: str, *, gauge: bool) -> Advice:
    since: dt.datetime = piece["start"]
    until: dt.datetime = piece["end"]
    span = until - since
    when = moment(until, seconds=span.total_seconds() < 600)
    sooner = gauge and kind != "too_few"
    other = ", or export the allocator's live-heap gauge (jemalloc stats.allocated)" if sooner else ""
    return Advice(
        f"Wait until {when} UTC ({hours(span.total_seconds() / 3600)} more){other}, then judge again",
        because=f"open_{kind}",
        until=until,
    )


def _raise(row: dict[str, Any], share: int, expected: str) -> Advice:
    limit = row["limit_bytes"]
    part = {2: "half", 4: "a quarter"}[share]
    text = f"Raise the limit once by {part} and watch what the memory does"
    if not limit:
        return Advice(text, expected=expected, because="oom_kills")
    more = math.ceil(limit / share / (16 * MI)) * 16 * MI
    size = math.ceil((limit + more) / MI)
    return Advice(text, setting=f"resources.limits.memory: {size}Mi", expected=expected, because="limit_bytes")


_KERNEL: Final = Advice(
    "Read what the kernel holds for the container, an hour apart",
    setting="grep -E 'sock|pagetables|kernel_stack|slab|percpu' /sys/fs/cgroup/memory.stat",
    expected="sock, pagetables or slab_unreclaimable that rise are connections, mappings or handles that nobody "
    "closes; slab_reclaimable is given back before anything is killed",
    because="kernel",
)
_MAPPED: Final = Advice(
    "Tell mapped files from shared memory",
    setting="grep -E 'RssFile|RssShmem' /proc/PID/status",
    expected="RssFile is given back under pressure; RssShmem counts until somebody deletes it",
    because="mapped",
)


def _outside() -> Iterator[Advice]:
    yield Advice(
        "Compare the process's mappings an hour apart: the one that grew names the owner",
        setting="cp /proc/PID/smaps a; sleep 3600; diff a /proc/PID/smaps | grep -E 'Rss|Anonymous'",
        expected="[heap] is glibc's malloc (C code, or Rust without jemalloc), [stack] threads, a file name its mapper",
        because="outside_allocator",
    )
    yield Advice(
        "See whether transparent huge pages inflate it",
        setting="grep -E 'Rss|AnonHugePages' /proc/PID/smaps_rollup",
        expected="AnonHugePages that grow with Rss: turn them off (thp:never, or PR_SET_THP_DISABLE)",
        because="outside_allocator",
    )
    yield Advice(
        "If C code is linked in, it allocates from glibc beside jemalloc: ask glibc as well",
        setting="libc::malloc_info(0, stdout), or MALLOC_ARENA_MAX=2 for its arenas",
        expected="what glibc holds is the part that jemalloc's gauges do not see",
        because="outside_allocator",
    )


def _missing(evidence: Evidence, kind: str) -> Iterator[Advice]:
    """Signals that the source does not give, and that would settle it sooner."""
    if "no_live_heap" in evidence and kind not in ("too_few", "killed"):
        yield Advice(
            "Expose jemalloc's figures: a flat live heap settles it at once",
            setting=_GAUGE,
            expected="evidence level 4",
            because="no_live_heap",
        )
    if "no_restarts" in evidence and kind != "restarts_unknown":
        yield Advice(
            "Add the restart counter: a leak that restarts hide looks like a cycle",
            setting="kube_pod_container_status_restarts_total",
            expected="evidence level 2",
            because="no_restarts",
        )
    if "no_work" in evidence and kind not in ("too_few", "killed"):
        yield Advice(
            "Add a counter of the work done: growth for each request does not depend on how busy it was",
            setting='metrics={"http_requests_total": "work_total"} when reading',
            expected="evidence level 3",
            because="no_work",
        )
    if "no_limit" in evidence:
        yield Advice(
            "Add the limit: without it nothing can be said about time or kills",
            setting="kube_pod_container_resource_limits",
            expected="time to the limit and the chance of an OOM kill",
            because="no_limit",
        )


def files_in_memory(amount: float | None) -> Advice:
    """Advise to look at what lies on tmpfs."""
    size = memory(amount) if amount is not None else "files"
    return Advice(
        "List the largest files on the container's tmpfs mounts and in /dev/shm: they name the writer",
        setting="du -ah /dev/shm /tmp 2>/dev/null | sort -rh | head",
        expected=f"the writer of {size} that count as memory until somebody deletes them; "
        "bound it with emptyDir.sizeLimit",
        because="shmem",
    )


#: Columns of the frame that `frame` makes.
ADVICE: Final = pl.Schema(
    {"text": pl.String(), "setting": pl.String(), "expected": pl.String(), "because": pl.String(), "until": TIME}
)


#: By the check that rejected a gauge: what to do, and how.
_MENDING: Final = {
    "rejected_stale_allocator": (
        "Mend the exporter: jemalloc's figures stand still until its epoch is advanced",
        "tikv_jemalloc_ctl::epoch::advance() before each read",
    ),
    "rejected_self_incrementing": (
        "Mend the exporter: it adds the value to the gauge at each scrape instead of setting it",
        "gauge.set(value), not gauge.increment(value)",
    ),
    **{
        f"rejected_{check}": (
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


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row of verdicts and its evidence by statistic."""

    row: dict[str, Any]
    evidence: dict[str, dict[str, Any]]

    def amount(self, statistic: str) -> float | None:
        found = self.evidence.get(statistic)
        return None if found is None else found["estimate"]


def advise(row: dict[str, Any]) -> Iterator[Advice]:
    """Give advice on a verdict, the first thing to do first; made as it is asked for."""
    seen = _Seen(row, evidence_of(row))
    given = 0
    for found in _all(seen):
        given += 1
        yield found
    if not given:
        yield Advice("Nothing to do.", because=row["pattern"])


def _all(seen: _Seen) -> Iterator[Advice]:
    verdict = seen.row["verdict"]
    # A broken gauge comes first where the working one would say more; else after what there is to do.
    needed = verdict != "not_leak" and "no_live_heap" in seen.evidence
    if needed:
        yield from _mend(seen)
    if verdict == "leak":
        yield from leak(seen.row, seen.evidence)
    elif verdict == "inconclusive":
        yield from open_verdict(seen.row, seen.evidence)
    else:
        yield from _not_leak(seen)
    if verdict != "leak" and "shmem" in seen.evidence and "open_shmem" not in seen.evidence:
        yield files_in_memory(seen.amount("shmem"))
    if not needed:
        yield from _mend(seen)


def _mend(seen: _Seen) -> Iterator[Advice]:
    """Exporters that are broken, the way to mend each."""
    for check, (text, setting) in _MENDING.items():
        if check in seen.evidence:
            yield Advice(text, setting=setting, expected="the live heap becomes evidence (level 4)", because=check)


def _not_leak(seen: _Seen) -> Iterator[Advice]:
    row = seen.row
    pattern = row["pattern"]
    if pattern == "retention" or "retention" in row["also"]:
        yield from _retention(seen)
    if pattern == "fragmentation":
        yield from _fragmentation(seen)
    if pattern == "page_cache":
        cache = seen.amount("cache")
        amount = f" ({memory(cache)})" if cache is not None else ""
        yield Advice(
            f"Nothing to do: the kernel takes page cache{amount} back before it kills; watch anonymous memory instead",
            setting="container_memory_rss",
            expected="the line that an OOM kill follows; the working set counts active page cache as well",
            because="page_cache",
        )
    yield from _room(seen)
    if pattern in ("startup_spike", "retention", "burst") or "startup_spike" in row["also"]:
        yield from _peaks(seen)
    if "threads_many" in seen.evidence and pattern in ("retention", "fragmentation", "thread_growth"):
        yield remedies.threads_for_quota(seen.amount("threads_many"))


def _retention(seen: _Seen) -> Iterator[Advice]:
    """Pages that were freed and kept."""
    layer = "kept" if "kept" in seen.evidence else "slack"
    found = seen.evidence.get(layer)
    amount = None if found is None else found["estimate"]
    back = f"about {memory(amount)} less" if amount else "less memory kept"
    keep = "Keep the limit: startup needs it" if "startup_spike" in seen.row["also"] else None
    signal = found["signal"] if found is not None else None
    if signal == "free_bytes":
        yield remedies.glibc(back, keep)
    elif signal in ("resident_bytes", "active_bytes"):
        yield remedies.jemalloc_decay(back, keep)
        yield remedies.jemalloc_arenas()
    else:
        yield remedies.jemalloc_decay(back, keep)
        yield remedies.glibc(back, None)
        yield remedies.mimalloc()
        yield remedies.musl()


def _fragmentation(seen: _Seen) -> Iterator[Advice]:
    """Gaps between live blocks: no decay returns a page that a single block holds."""
    amount = seen.amount("slack")
    gaps = f"up to {memory(amount)} of gaps could close" if amount else "the gaps could close"
    yield Advice(
        "Allocate together what is freed together (an arena for each request, `bumpalo`), or box large values: "
        "gaps between live blocks cannot be returned",
        setting="bumpalo::Bump::new() for each request, dropped at its end",
        expected=gaps,
        because="slack",
    )
    yield remedies.jemalloc_arenas()
    yield remedies.huge_pages()
    yield remedies.musl()


def _room(seen: _Seen) -> Iterator[Advice]:
    """A limit that the ordinary peak comes near to."""
    row = seen.row
    limit, peak, settled = row["limit_bytes"], row["peak_bytes"], row["settled_bytes"]
    if limit and peak and peak > PEAK_NEAR_LIMIT * limit and row["pattern"] != "page_cache":
        # Whole steps of 16 Mi, as people write limits.
        enough = math.ceil(peak / PEAK_NEAR_LIMIT / (16 * MI)) * 16 * MI
        which = "startup peak" if row["pattern"] == "startup_spike" else "peak"
        share = number(100 * peak / limit)
        yield Advice(
            f"Raise the limit or spread the work: the {which} of {memory(peak)} is {share} % of the limit",
            setting=f"resources.limits.memory: {enough // MI}Mi",
            expected=f"the same peak is then {number(100 * peak / enough, 2)} % of the limit instead of {share} %",
            because="peak",
        )
    elif limit and settled and settled > CLOSE_TO_LIMIT * limit and row["pattern"] != "page_cache":
        yield Advice(
            f"Leave room for a burst: ordinary use is {number(100 * settled / limit, 2)} % of {configured(limit)}",
            setting=f"resources.limits.memory: {math.ceil(settled / CLOSE_TO_LIMIT / (16 * MI)) * 16}Mi",
            expected=f"ordinary use is then {number(100 * CLOSE_TO_LIMIT)} % of the limit or less",
            because="settled",
        )
    elif "oom_kills" in seen.evidence:
        yield Advice(
            "Find the burst that kills: it comes and goes between two samples",
            setting="container_memory_max_usage_bytes, or memory.peak in the cgroup; a scrape interval of 5 s",
            expected=f"a peak at the limit, beside {memory(settled)} of ordinary use",
            because="oom_kills",
        )
    elif (row["oom_probability_7d"] or 0.0) > RISKY and (watched := seen.evidence.get("growth")) is not None:
        span = (watched["end"] - watched["start"]).total_seconds() / 3600
        floor = rate(row["detection_floor_bytes_per_day"], digits=2)
        yield Advice(
            f"Watch it for longer: in {hours(span)} growth below {floor} cannot be seen",
            expected="the detection floor falls to about a third when the window doubles",
            because="oom_probability_7d",
        )


def _peaks(seen: _Seen) -> Iterator[Advice]:
    """Needs that come and go: a startup, a burst."""
    row = seen.row
    settled, peak, limit = row["settled_bytes"], row["peak_bytes"], row["limit_bytes"]
    if row["pattern"] == "burst" and limit and peak and peak < CLOSE_TO_LIMIT * limit:
        return
    if "startup_spike" in (row["pattern"], *row["also"]) and row["startup_peak_bytes"] and settled:
        above = row["startup_peak_bytes"] - settled
        if above > 0:
            yield Advice(
                "Fill caches when they are first used, or step by step, instead of all at once at the start",
                setting="std::sync::LazyLock, or loading behind a tokio::sync::Semaphore of 1",
                expected=f"up to {memory(above)} less at the start, which is what the limit must hold",
                because="startup_peak_bytes",
            )
    if row["pattern"] == "burst" and row["peak_bytes"] and settled:
        above = row["peak_bytes"] - settled
        yield Advice(
            "Stream what is large instead of holding it whole, and bound how many such jobs run at once",
            setting="Body::into_data_stream() or tokio_util::io::ReaderStream; tokio::sync::Semaphore::new(2)",
            expected=f"up to {memory(above)} less at the peak",
            because="peak_bytes",
        )


def next_step(row: dict[str, Any]) -> str:
    """Say the first piece of advice in a sentence or two."""
    return next(advise(row)).sentence


def frame(row: dict[str, Any]) -> pl.DataFrame:
    """Lay out all advice on a verdict."""
    return pl.DataFrame([asdict(found) for found in advise(row)], schema=ADVICE)
