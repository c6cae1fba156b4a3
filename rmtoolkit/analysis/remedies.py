"""Settings of allocators and runtimes, as they are written, and what they change."""

from __future__ import annotations

from typing import Final

from rmtoolkit.analysis.records import Advice

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
        because="kept",
    )


def jemalloc_arenas() -> Advice:
    """Advise fewer arenas."""
    return Advice(
        "Set the arenas by the CPU quota: jemalloc makes 4 for each core of the node, and each keeps pages of its own",
        setting=f"{_CONF}=narenas:4",
        expected="fewer half-used pages; more waiting for locks if threads allocate a lot",
        because="allocator",
    )


def glibc(back: str, keep: str | None) -> Advice:
    """Advise glibc to trim and to share arenas."""
    return Advice(
        "Let glibc return pages: fewer arenas, a fixed trim threshold, and libc::malloc_trim(0) after a burst",
        setting="MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072",
        expected=back + (f". {keep}" if keep else ""),
        because="kept",
    )


def mimalloc() -> Advice:
    """Advise mimalloc to purge at once."""
    return Advice(
        "With mimalloc, purge freed pages at once",
        setting="MIMALLOC_PURGE_DELAY=0",
        expected="freed pages go back without delay; a little more time in the kernel",
        because="kept",
    )


def musl() -> Advice:
    """Advise another allocator for a static musl build."""
    return Advice(
        "In a static musl build, replace its allocator: it is slow with threads and returns little",
        setting="#[global_allocator] static A: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;",
        expected="freed pages go back by decay, and gauges say what is kept (crate tikv-jemalloc-ctl)",
        because="allocator",
    )


def huge_pages() -> Advice:
    """Advise small pages where huge ones are half empty."""
    return Advice(
        "See whether transparent huge pages inflate it; if AnonHugePages is most of Rss, turn them off for the process",
        setting=f"grep -E 'Rss|AnonHugePages' /proc/PID/smaps_rollup; {_CONF}=thp:never",
        expected="a 2 Mi page with one live block in it costs 4 Ki again",
        because="allocator",
    )


def threads_for_quota(count: float | None) -> Advice:
    """Advise as many worker threads as the quota has cores."""
    seen = f"{count:.0f} threads now; " if count is not None else ""
    return Advice(
        "Set worker threads by the CPU quota, not by the node's cores",
        setting="TOKIO_WORKER_THREADS=2, Builder::max_blocking_threads(16)",
        expected=f"{seen}each has a stack and its share of the allocator",
        because="threads_many",
    )
