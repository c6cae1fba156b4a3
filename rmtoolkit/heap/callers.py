"""Helpers that allocate for many: of such a function only the caller tells what grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.heap.growth import Curves, curves, read_curves
from rmtoolkit.heap.own_code import OWN, plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rmtoolkit.heap.growth import Readings
    from rmtoolkit.heap.profile import HeapProfile

    Floats = NDArray[np.float64]
    Path = tuple[str, ...]

#: So many own functions outwards from the allocation are looked at, and so many groups.
_DEPTH: Final = 5
_LOOKED_AT: Final = 8
#: Paths of one helper that are told apart; the others count as one.
_PATHS: Final = 64
#: Callers with this share of a helper's growth grow; together they must have so much of it ...
_GROWS: Final = 0.15
_TOGETHER: Final = 0.8
#: ... and the callers that do not grow must hold this share, or make this share of the allocations.
_OTHERS_HOLD: Final = 0.2
_OTHERS_ALLOCATE: Final = 0.5


def tell_apart(heap: HeapProfile, named: pl.DataFrame, found: Curves, said: Readings) -> pl.DataFrame | None:
    """Name the callers of a helper where some of them grow and others do not.

    Parameters
    ----------
    heap
        The profile.
    named
        A row per stack: `stack_id`, `function`, `file`, `line`, `origin`, and the number of its `group`.
    found, said
        Curves of the groups, and what they say.

    Returns
    -------
    polars.DataFrame or None
        `named` in which stacks of such callers, and of those who hold much through the same helper, are theirs, with
        the helper's name in `through`; None where there is nothing to tell apart.

    Examples
    --------
    >>> from rmtoolkit.heap.frames import FrameTable, stacks_frame
    >>> from rmtoolkit.heap.groups import groups
    >>> from rmtoolkit.heap.profile import GROWTH, HeapProfile, HeapSummary
    >>> table = FrameTable()
    >>> helper, cache, load = (table.number(f"api::{one}", "a.rs", 1, "/app/api") for one in ("copy", "cache", "load"))
    >>> stacks, _ = stacks_frame([[helper, cache], [helper, load]], {"live_bytes": [900, 500], "allocations": [9, 5]})
    >>> rows = [(1, float(t), t, 10 * t, 1) for t in range(90)] + [(2, float(t), t, 500, 1) for t in range(90)]
    >>> growth = pl.DataFrame(rows, schema=GROWTH, orient="row")
    >>> heap = HeapProfile(HeapSummary("heaptrack"), stacks, table.frame(), growth=growth)
    >>> named = groups(heap).with_columns(group=pl.lit(0), through=pl.lit(None, pl.String))
    >>> found = curves(heap, named, 1)
    >>> tell_apart(heap, named, found, read_curves(found)).select("function", "through").rows()
    [('api::cache', 'api::copy'), ('api::load', 'api::copy')]
    """
    order = np.argsort(-said.score, kind="stable")[:_LOOKED_AT]
    wanted = [int(group) for group in order if said.growth[group] > 0]
    paths = _own_paths(heap, named.filter(pl.col("group").is_in(wanted)))
    if paths.filter(pl.len().over("group") > 1).is_empty():
        return None
    numbered, names = _numbered(heap, named, paths)
    if not names:
        return None
    fine = curves(heap, numbered, len(names) + 1, end=len(found.seconds))
    if fine is None:
        return None
    amounts = (
        numbered.filter(pl.col("group") < len(names))
        .join(heap.stacks.select("stack_id", "allocations"), on="stack_id")
        .group_by("group")
        .agg(pl.col("allocations").sum())
    )
    allocations = np.zeros(len(names) + 1)
    allocations[amounts["group"].to_numpy()] = amounts["allocations"].to_numpy()
    chosen: dict[int, int] = {}
    for group in wanted:
        rows = [row for row, (owner, _) in enumerate(names) if owner == group]
        if len(rows) > 1:
            chosen |= _growers(fine, allocations, rows, [path for _, path in names], 1)
    if not chosen:
        return None
    return _renamed(heap, named, numbered, chosen, [path for _, path in names])


def _own_paths(heap: HeapProfile, named: pl.DataFrame) -> pl.DataFrame:
    """List the own functions of each stack outwards from the allocation, each once where it is repeated."""
    frames = heap.frames.filter(pl.col("origin") == OWN, pl.col("function").is_not_null())
    plain = [plain_name(name) for name in frames["function"]]
    frames = frames.select("frame_id", name=pl.Series(plain, dtype=pl.String))
    listed = (
        named.select("stack_id", "group")
        .join(heap.stacks.select("stack_id", "frames"), on="stack_id", maintain_order="left")
        .explode("frames", empty_as_null=True)
        .join(frames, left_on="frames", right_on="frame_id", maintain_order="left")
    )
    once = listed.filter(pl.col("name").ne_missing(pl.col("name").shift(1).over("stack_id")))
    return once.group_by("stack_id", "group", maintain_order=True).agg(pl.col("name").head(_DEPTH).alias("path"))


def _numbered(
    heap: HeapProfile, named: pl.DataFrame, paths: pl.DataFrame
) -> tuple[pl.DataFrame, list[tuple[int, Path]]]:
    """Give each path of each group a number; what is left over has the last one."""
    held = paths.join(heap.stacks.select("stack_id", "live_bytes", "allocations"), on="stack_id", maintain_order="left")
    kinds = (
        held.group_by("group", "path", maintain_order=True)
        .agg(pl.col("live_bytes", "allocations").sum())
        .sort("live_bytes", "allocations", descending=True, nulls_last=True, maintain_order=True)
        .filter(pl.int_range(pl.len()).over("group") < _PATHS)
        .with_columns(fine=pl.int_range(pl.len(), dtype=pl.Int64))
    )
    names = [(group, tuple(path)) for group, path in kinds.select("group", "path").iter_rows()]
    placed = held.join(kinds.select("group", "path", "fine"), on=["group", "path"], how="left", maintain_order="left")
    numbered = named.select("stack_id").join(placed.select("stack_id", "fine"), on="stack_id", how="left")
    return numbered.select("stack_id", group=pl.col("fine").fill_null(len(names))), names


def _growers(fine: Curves, allocations: Floats, rows: list[int], paths: Sequence[Path], depth: int) -> dict[int, int]:
    """Find the rows that grow through a caller of their own, and how deep in their path that caller is."""
    branches: dict[str | None, list[int]] = {}
    for row in rows:
        branches.setdefault(paths[row][depth] if depth < len(paths[row]) else None, []).append(row)
    if len(branches) == 1:
        return {} if None in branches else _growers(fine, allocations, rows, paths, depth + 1)
    parts = list(branches.values())
    size, blocks = (np.array([values[part].sum(axis=0) for part in parts]) for values in (fine.size, fine.blocks))
    said = read_curves(Curves(fine.seconds, fine.clocks, size, blocks))
    whole = said.growth.sum()
    grows = (said.growth >= _GROWS * whole) & np.array([branch is not None for branch in branches])
    held, made = size[:, -1], np.array([allocations[part].sum() for part in parts])
    others = max(
        held[~grows].sum() / max(held.sum(), 1.0) / _OTHERS_HOLD,
        made[~grows].sum() / max(made.sum(), 1.0) / _OTHERS_ALLOCATE,
    )
    if not grows.any() or said.growth[grows].sum() < _TOGETHER * whole or others < 1:
        return {}
    chosen: dict[int, int] = {}
    # Where it is a helper, whoever holds much through it is named too.
    named = grows | ((held >= _GROWS * held.sum()) & np.array([branch is not None for branch in branches]))
    for part, caller in zip(parts, named, strict=True):
        if caller:
            deeper = _growers(fine, allocations, part, paths, depth + 1) if len(part) > 1 else {}
            # Whoever calls the caller is told apart in the same way; the rest of it is the caller's.
            chosen |= dict.fromkeys(part, depth) | deeper
    return chosen


def _renamed(
    heap: HeapProfile, named: pl.DataFrame, numbered: pl.DataFrame, chosen: dict[int, int], paths: Sequence[Path]
) -> pl.DataFrame:
    """Give stacks to the callers that were chosen."""
    callers = pl.DataFrame(
        [(row, paths[row][depth]) for row, depth in chosen.items()],
        schema={"fine": pl.Int64(), "caller": pl.String()},
        orient="row",
    )
    mine = numbered.rename({"group": "fine"}).join(callers, on="fine")
    plain = heap.frames.filter(pl.col("origin") == OWN, pl.col("function").is_not_null())
    plain = plain.with_columns(name=pl.Series([plain_name(name) for name in plain["function"]], dtype=pl.String))
    places = (
        mine.select("stack_id", "caller")
        .join(heap.stacks.select("stack_id", "frames"), on="stack_id", maintain_order="left")
        .explode("frames", empty_as_null=True)
        .join(plain.select("frame_id", "name", at="file", place="line"), left_on="frames", right_on="frame_id")
        .filter(pl.col("name") == pl.col("caller"))
        .unique("stack_id", keep="first", maintain_order=True)
    )
    joined = named.join(
        places.select("stack_id", "caller", "at", "place"), on="stack_id", how="left", maintain_order="left"
    )
    is_theirs = pl.col("caller").is_not_null()
    return joined.with_columns(
        through=pl.when(is_theirs).then("function").otherwise("through"),
        file=pl.when(is_theirs).then("at").otherwise("file"),
        line=pl.when(is_theirs).then("place").otherwise("line"),
        function=pl.coalesce("caller", "function"),
    ).drop("caller", "at", "place")
