"""What a heap profile could not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.heap.own_code import crates
from rmtoolkit.text import memory

if TYPE_CHECKING:
    from rmtoolkit.heap.profile import HeapProfile, HeapSummary

#: Resident memory beyond this times the peak of the heap, and this much more, is no overhead of the recorder.
_BLIND_RATIO: Final = 2
_BLIND_BYTES: Final = 64 << 20
_FEW_ALLOCATIONS: Final = 1000


def blind(summary: HeapSummary, stacks: pl.DataFrame, frames: pl.DataFrame) -> str | None:
    """Find out whether the program's own allocator was out of sight.

    Parameters
    ----------
    summary, stacks, frames
        Of a profile.

    Returns
    -------
    str or None
        Why, in words; None where nothing points at it.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import FRAMES, STACKS, HeapSummary
    >>> nothing = HeapSummary("heaptrack", peak_bytes=1 << 20, rss_peak_bytes=300 << 20)
    >>> (blind(nothing, pl.DataFrame(schema=STACKS), pl.DataFrame(schema=FRAMES)) or "")[:60]
    'at most 1 Mi of heap were seen while 300 Mi were resident: a'
    """
    peak, rss = summary.peak_bytes or 0, summary.rss_peak_bytes or 0
    if rss > _BLIND_RATIO * peak + _BLIND_BYTES:
        return (
            f"at most {memory(peak)} of heap were seen while {memory(rss)} were resident: an allocator that is linked "
            "statically (jemalloc, mimalloc), memory maps or thread stacks are not in this profile"
        )
    few = summary.allocations is not None and summary.allocations < _FEW_ALLOCATIONS
    if summary.format == "heaptrack" and few and _only_foreign(stacks, frames):
        return (
            "no Rust code was seen to allocate: the allocator is linked statically (jemalloc, mimalloc), so heaptrack "
            "could not see it; build with the system's allocator to record"
        )
    return None


def limits_of_sight(heap: HeapProfile) -> list[str]:
    """Say what a profile cannot show, whatever is in it.

    Parameters
    ----------
    heap
        A profile.

    Returns
    -------
    list of str
        A sentence each.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> limits_of_sight(HeapProfile(HeapSummary("dhat")))[0]
    'memory maps, thread stacks, and pages that the allocator keeps or that lie between live blocks'
    """
    summary = heap.summary
    said = ["memory maps, thread stacks, and pages that the allocator keeps or that lie between live blocks"]
    if summary.rss_peak_bytes is not None and summary.peak_bytes is not None:
        beside = summary.rss_peak_bytes - summary.peak_bytes
        if beside > 0:
            said.append(f"{memory(beside)} of what was resident at most: the above, the program's code, the recorder")
    if not heap.growth.height:
        said.append("time: what is held is not what grows, and what is alive at the end is no leak by itself")
    elif heap.growth["time_seconds"].null_count():
        said.append("times: the pictures have an order, so growth has no rate")
    if summary.sampled:
        said.append("small or few allocations: the amounts are estimates from a sample")
    return said


def _only_foreign(stacks: pl.DataFrame, frames: pl.DataFrame) -> bool:
    """Tell whether a Rust program's allocations all come from libraries of the system."""
    if not any(crates(name) for name in frames.filter(pl.col("origin") == "std")["function"].drop_nulls()):
        return False
    leaves = stacks.select(pl.col("frames").list.first().alias("frame_id")).join(frames, on="frame_id")
    return bool((leaves["origin"] == "system").all())
