"""Heap profiles that are made of what a few functions hold over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rmtoolkit.heap._names import FrameTable, stacks_frame
from rmtoolkit.heap.profile import GROWTH, TIMELINE, HeapProfile, HeapSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MI = 1 << 20


def profile(
    holds: Mapping[str, Callable[[float], float]], *, seconds: float = 600.0, rss_bytes: int | None = None
) -> HeapProfile:
    """Make the profile of a program in which each function holds so many bytes after so many seconds."""
    table = FrameTable()
    paths = [
        [
            table.number("alloc::alloc::alloc", "/rustc/0123456789/library/alloc/src/alloc.rs", 95, "/app/api"),
            table.number(name, f"/app/src/{name.split('::')[-2]}.rs", 40 + place, "/app/api"),
            table.number("api::main", "/app/src/main.rs", 9, "/app/api"),
        ]
        for place, name in enumerate(holds)
    ]
    times = np.linspace(0, seconds, 301)
    levels = {name: np.array([curve(time) for time in times]).astype(np.int64) for name, curve in holds.items()}
    rows = [
        (stack, float(time), at + 1, int(level), int(level) // 1000)
        for stack, level_of in enumerate(levels.values(), start=1)
        for at, (time, level) in enumerate(zip(times, level_of, strict=True))
        if not at or level != level_of[at - 1]
    ]
    whole = sum(levels.values(), np.zeros(len(times), dtype=np.int64))
    ends = [int(level[-1]) for level in levels.values()]
    stacks, _ = stacks_frame(
        paths, {"live_bytes": ends, "live_blocks": [end // 1000 for end in ends], "allocations": [10_000] * len(ends)}
    )
    timeline = pl.DataFrame({"time_seconds": times, "live_bytes": whole, "events": np.arange(1, len(times) + 1)})
    return HeapProfile(
        HeapSummary(
            "heaptrack",
            allocations=10_000 * len(ends),
            live_at_end_bytes=int(whole[-1]),
            peak_bytes=int(whole.max()),
            rss_peak_bytes=int(whole.max()) + 4 * MI if rss_bytes is None else rss_bytes,
            runtime_seconds=seconds,
        ),
        stacks,
        table.frame(),
        timeline.with_columns(peak_bytes=pl.col("live_bytes"), rss_bytes=pl.lit(None))
        .select(TIMELINE.names())
        .cast(TIMELINE),
        pl.DataFrame(rows, schema=GROWTH, orient="row"),
    )


def growing(rate: float, start: float = 1e6) -> Callable[[float], float]:
    """So many bytes more every second."""
    return lambda time: start + rate * time


def resting(level: float) -> Callable[[float], float]:
    """All of it in the first seconds, and then no more."""
    return lambda time: level * min(time / 6.0, 1.0)
