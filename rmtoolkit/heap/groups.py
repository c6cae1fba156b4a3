"""Stacks by the function that a user would name: the first one of their own code."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.heap.own_code import OWN, STD, SYSTEM, crates, plain_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from rmtoolkit.heap.profile import HeapProfile

#: Whose code names a group, when a stack has none of what comes before.
_ORDER: Final = ("own", "dependency", None, STD, SYSTEM)

#: One row per stack.
GROUPS: Final = pl.Schema(
    {
        "stack_id": pl.UInt32(),
        "function": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
        "origin": pl.String(),
    },
)


def groups(heap: HeapProfile, own: Collection[str] = ()) -> pl.DataFrame:
    """Name the function that is responsible for each stack.

    Parameters
    ----------
    heap
        A profile.
    own
        Crates that are the user's own, where paths and names do not tell.

    Returns
    -------
    polars.DataFrame
        One row per stack: the first function of the user's own code on the way from the allocation outwards, without
        closures and type arguments; where there is none, that of a dependency, else of Rust or the system.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import FRAMES, STACKS, HeapProfile, HeapSummary
    >>> frames = pl.DataFrame(
    ...     [(0, "alloc::alloc::alloc", None, None, None, "std"), (1, "api::put::{closure#0}", "a.rs", 3, None, "own")],
    ...     schema=FRAMES,
    ...     orient="row",
    ... )
    >>> stacks = pl.DataFrame({"stack_id": [7], "frames": [[0, 1]]}, schema_overrides={"frames": STACKS["frames"]})
    >>> groups(HeapProfile(HeapSummary("dhat"), stacks, frames)).row(0)
    (7, 'api::put', 'a.rs', 3, 'own')
    """
    frames = heap.frames
    if own:
        is_own = [bool(set(crates(name or "")) & set(own)) for name in frames["function"]]
        demoted = pl.when(pl.col("origin") == OWN).then(pl.lit("dependency")).otherwise(pl.col("origin"))
        frames = frames.with_columns(
            origin=pl.when(pl.Series(is_own, dtype=pl.Boolean)).then(pl.lit(OWN)).otherwise(demoted)
        )
    ranks = {origin: rank for rank, origin in enumerate(_ORDER)}
    names = [_name(function, module) for function, module in frames.select("function", "module").iter_rows()]
    places = frames.with_columns(
        pl.Series("name", names, dtype=pl.String),
        rank=pl.col("origin").replace_strict(ranks, default=ranks[None], return_dtype=pl.Int8),
    )
    exploded = (
        heap.stacks.select("stack_id", "frames")
        .explode("frames", empty_as_null=True)
        .with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(places, left_on="frames", right_on="frame_id", how="left", maintain_order="left")
    )
    # Of Rust's own frames the outermost says most: the innermost is always the allocator.
    nearness = pl.when(pl.col("rank") == ranks[STD]).then(-pl.col("place")).otherwise(pl.col("place"))
    best = exploded.with_columns(nearness=nearness).sort("rank", "nearness", nulls_last=True)
    first = best.unique("stack_id", keep="first", maintain_order=True)
    found = heap.stacks.select("stack_id").join(first, on="stack_id", how="left", maintain_order="left")
    return found.select(
        "stack_id", pl.col("name").fill_null("(unknown)").alias("function"), "file", "line", "origin"
    ).cast(GROUPS)


def _name(function: str | None, module: str | None) -> str:
    """Name a frame for people."""
    if function is not None:
        return plain_name(function)
    return f"({PurePosixPath(module).name}, no symbols)" if module else "(unknown)"
