"""What to do about memory that does not leak, by what it is made of and by what comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtoolkit.analysis import advice as settings
from rmtoolkit.analysis.records import Advice, Statistic
from rmtoolkit.analysis.thresholds import CLOSE_TO_LIMIT
from rmtoolkit.schema import Pattern, Signal
from rmtoolkit.text import memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.analysis.records import VerdictRow


def release(row: VerdictRow) -> Iterator[Advice]:
    """Pages that were freed and kept."""
    evidence = row.by_statistic
    found = evidence.get(Statistic.KEPT, evidence.get(Statistic.SLACK))
    back = f"about {memory(found.estimate)} less" if found is not None and found.estimate else "less memory kept"
    keep = "Keep the limit: startup needs it" if Pattern.STARTUP_SPIKE in row.also else None
    signal = found.signal if found is not None else None
    if signal == Signal.FREE:
        yield settings.glibc(back, keep)
    elif signal in (Signal.RESIDENT, Signal.ACTIVE):
        yield settings.jemalloc_decay(back, keep)
        yield settings.jemalloc_arenas()
    else:
        yield settings.jemalloc_decay(back, keep)
        yield settings.glibc(back, None)
        yield settings.mimalloc()
        yield settings.musl()


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
    yield settings.jemalloc_arenas()
    yield settings.huge_pages()
    yield settings.musl()


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
