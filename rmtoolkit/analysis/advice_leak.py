"""Advice on a leak: find it, bound it, and live with it until then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rmtoolkit.analysis import heap_evidence
from rmtoolkit.analysis.hint import Advice
from rmtoolkit.analysis.settings import UNPREFIXED
from rmtoolkit.intervals import small_memory
from rmtoolkit.text import MI, hours, memory, printable, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    Evidence = dict[str, dict[str, Any]]


def leak(row: dict[str, Any], evidence: Evidence) -> Iterator[Advice]:
    """Advise on a leak.

    Parameters
    ----------
    row
        The verdict.
    evidence
        Its evidence by statistic.

    Yields
    ------
    Advice
        What finds the cause first, then what bounds it, then what buys time.

    Examples
    --------
    >>> row = {"cause": "heap", "growth_bytes_per_day": 50.0 * MI, "limit_bytes": None, "settled_bytes": None}
    >>> row |= {"hours_to_limit": None, "signal": "allocated_bytes"}
    >>> [found.because for found in leak(row, {})]
    ['heap', 'growth', 'growth', 'growth']
    """
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
