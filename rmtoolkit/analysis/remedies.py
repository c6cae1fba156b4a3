"""Settings of allocators and runtimes, as they are written, and what they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.records import Advice, Statistic
from rmtoolkit.analysis.thresholds import CLOSE_TO_LIMIT
from rmtoolkit.schema import Cause, Pattern, Signal
from rmtoolkit.text import memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.analysis.records import VerdictRow


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
