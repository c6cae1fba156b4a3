"""The memory of one instant taken apart into layers: the same rule for what is said and for what is drawn."""

from __future__ import annotations

from typing import Final

import polars as pl

#: Signals that layers are made of.
PARTS: Final = (
    "allocated_bytes",
    "anon_bytes",
    "rss_bytes",
    "working_set_bytes",
    "usage_bytes",
    "active_bytes",
    "resident_bytes",
    "free_bytes",
    "shmem_bytes",
    "kernel_bytes",
    "file_bytes",
)


def layers() -> dict[str, pl.Expr]:
    """Take `PARTS` of one instant apart; unknown is null. From live heap to cache they add up to the working set."""
    whole = pl.coalesce("working_set_bytes", "usage_bytes")
    top = pl.coalesce(whole, "rss_bytes", "anon_bytes", pl.lit(2**62))

    def below(edge: pl.Expr) -> pl.Expr:
        # The allocator's own count of pages runs a little ahead of the kernel's: nothing is above the whole.
        return pl.when(edge.is_not_null()).then(pl.min_horizontal(edge, top))

    private = pl.coalesce("anon_bytes", "rss_bytes")
    live = below(pl.col("allocated_bytes"))
    active = below(pl.col("active_bytes"))
    held = below(pl.coalesce("resident_bytes", pl.coalesce("active_bytes", "allocated_bytes") + pl.col("free_bytes")))
    gaps = (active - live).clip(0)
    kept = (held - live - gaps.fill_null(0)).clip(0)
    heap = live + gaps.fill_null(0) + kept.fill_null(0)
    anonymous = below(pl.max_horizontal(private, heap))
    room = (whole - anonymous).clip(0)
    shmem = pl.when(pl.col("shmem_bytes").is_not_null()).then(
        pl.min_horizontal("shmem_bytes", pl.coalesce(room, "shmem_bytes"))
    )
    rest = room - shmem.fill_null(0)
    files = (pl.col("file_bytes") - shmem.fill_null(0)).clip(0)
    # What is neither the process's nor a file is the kernel's; where files are not told, all of the rest is cache.
    told = pl.when(pl.col("kernel_bytes").is_not_null()).then(pl.min_horizontal("kernel_bytes", rest))
    kernel = pl.when(private.is_not_null()).then(pl.coalesce(told, (rest - files).clip(0)))
    return {
        "live_bytes": live,
        "slack_bytes": gaps,
        "kept_bytes": kept,
        "outside_bytes": pl.when(private.is_not_null()).then(anonymous - heap),
        "anon_bytes": anonymous,
        "cache_bytes": pl.when(private.is_not_null()).then(rest - kernel.fill_null(0)),
        "kernel_bytes": kernel,
        "shmem_bytes": shmem,
        "working_set_bytes": whole,
        "rss_bytes": pl.coalesce("rss_bytes", "anon_bytes"),
    }
