"""`rm.diff`: what two heap profiles hold differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.suspects import groups

if TYPE_CHECKING:
    from collections.abc import Collection


#: What is compared.
AMOUNTS: Final = ("live_bytes", "live_blocks", "peak_bytes", "allocations", "allocated_bytes", "temporary")

#: One row per function or stack that differs. Null means that one of the profiles does not say.
DIFF: Final = pl.Schema(
    {
        "function": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
        "origin": pl.String(),
        "stack": pl.List(pl.String()),
        **{f"{name}_{which}": pl.Int64() for name in AMOUNTS for which in ("before", "after", "change")},
    }
)


def diff(a: HeapProfile, b: HeapProfile, *, by: str = "function", own: Collection[str] = ()) -> pl.DataFrame:
    """Compare two profiles: two builds, two versions, or two moments of one program.

    Parameters
    ----------
    a, b
        Before and after.
    by
        ``function``: a row per function of your own code, as `rm.suspects` names them; lines that moved do not
        matter. ``stack``: a row per stack, the same when functions, files, lines and modules are.
    own
        Crates that are your own, where paths and names do not tell.

    Returns
    -------
    polars.DataFrame
        See `DIFF`: for each amount what it was before and after and by how much it changed, largest change of live
        memory first. What is in one profile only counts as zero in the other; what differs in nothing is left out.
        Addresses are ignored. The sum of each change is the difference of the totals.

    Raises
    ------
    RmtoolkitError
        These are no profiles, or there is no such `by`.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> empty = HeapProfile(HeapSummary("dhat"))
    >>> diff(empty, empty).height
    0
    """
    for heap in (a, b):
        found: object = heap
        if not isinstance(found, HeapProfile):
            msg = f"{quote(type(found).__name__)} is no heap profile. Hint: rm.diff(rm.read_heap(A), rm.read_heap(B))."
            raise RmtoolkitError(msg)
    if by not in ("function", "stack"):
        msg = f"by={quote(by)} is not known. There are: function, stack."
        raise RmtoolkitError(msg)
    before, after = (_amounts(heap, by, own) for heap in (a, b))
    keys = ["function"] if by == "function" else ["function", "stack"]
    joined = before.join(after, on=keys, how="full", coalesce=True, suffix="_after", maintain_order="left_right")
    known = {name: _knows(a, name) and _knows(b, name) for name in AMOUNTS}
    table = joined.select(
        "function",
        *(pl.coalesce(f"{name}_after", name).alias(name) for name in ("file", "line", "origin")),
        *(["stack"] if by == "stack" else [pl.lit(None, DIFF["stack"]).alias("stack")]),
        *(
            (pl.col(source).fill_null(0) if known[name] else pl.lit(None, pl.Int64())).alias(f"{name}_{which}")
            for name in AMOUNTS
            for which, source in (("before", name), ("after", f"{name}_after"))
        ),
    ).with_columns((pl.col(f"{name}_after") - pl.col(f"{name}_before")).alias(f"{name}_change") for name in AMOUNTS)
    differs = pl.any_horizontal(pl.col(f"{name}_change").fill_null(0) != 0 for name in AMOUNTS)
    order = [pl.col("live_bytes_change").abs(), pl.col("peak_bytes_change").abs(), pl.col("allocations_change").abs()]
    return table.filter(differs).sort(order, descending=True, nulls_last=True).select(DIFF.names()).cast(DIFF)


def _knows(heap: HeapProfile, name: str) -> bool:
    """Tell whether a profile says anything about an amount."""
    return not heap.stacks.height or heap.stacks[name].null_count() < heap.stacks.height


def _amounts(heap: HeapProfile, by: str, own: Collection[str]) -> pl.DataFrame:
    """Sum up per function, or per stack as text."""
    named = heap.stacks.join(groups(heap, own), on="stack_id", maintain_order="left")
    keys = ["function"]
    if by == "stack":
        places = heap.frames.select(
            "frame_id",
            place=pl.concat_str(
                pl.coalesce("function", "module", pl.lit("?")),
                pl.lit(" ("),
                pl.coalesce(
                    pl.col("file") + pl.lit(":") + pl.col("line").cast(pl.String), "file", "module", pl.lit("?")
                ),
                pl.lit(")"),
            ),
        )
        texts = (
            heap.stacks.select("stack_id", "frames")
            .explode("frames", empty_as_null=True)
            .join(places, left_on="frames", right_on="frame_id", how="left", maintain_order="left")
            .group_by("stack_id", maintain_order=True)
            .agg(pl.col("place").fill_null("?").alias("stack"))
        )
        named = named.join(texts, on="stack_id", maintain_order="left")
        keys.append("stack")
    return named.group_by(keys, maintain_order=True).agg(
        pl.col("file", "line", "origin").first(), *(pl.col(name).sum() for name in AMOUNTS)
    )
