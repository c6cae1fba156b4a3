"""Advice where the data cannot decide: what would settle it, and when."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.analysis import heap_evidence
from rmtoolkit.analysis.hint import Advice
from rmtoolkit.text import MI, hours, memory, moment

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    Evidence = dict[str, dict[str, Any]]

_GAUGE: Final = "tikv_jemalloc_ctl::stats::allocated::read() after epoch::advance()"


def open_verdict(row: dict[str, Any], evidence: Evidence) -> Iterator[Advice]:
    """Advise what would settle an open verdict: the price list, the surest first.

    Parameters
    ----------
    row
        The verdict.
    evidence
        Its evidence by statistic.

    Yields
    ------
    Advice
        A measurement each; one that is only a matter of time says until when.

    Examples
    --------
    >>> row = {"limit_bytes": 100 * MI}
    >>> next(open_verdict(row, {"open_at_limit": {}})).setting
    'resources.limits.memory: 132Mi'
    """
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
    """Advise to look at what lies on tmpfs.

    Parameters
    ----------
    amount
        Bytes of it; None is unknown.

    Returns
    -------
    Advice
        Such files count against the limit like memory, and only their deletion frees them.

    Examples
    --------
    >>> files_in_memory(3.0 * MI).expected
    'the writer of 3 Mi that count as memory until somebody deletes them; bound it with emptyDir.sizeLimit'
    """
    size = memory(amount) if amount is not None else "files"
    return Advice(
        "List the largest files on the container's tmpfs mounts and in /dev/shm: they name the writer",
        setting="du -ah /dev/shm /tmp 2>/dev/null | sort -rh | head",
        expected=f"the writer of {size} that count as memory until somebody deletes them; "
        "bound it with emptyDir.sizeLimit",
        because="shmem",
    )
