"""Which code allocates most, whatever it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.heap.groups import groups

if TYPE_CHECKING:
    from collections.abc import Collection

    from rmtoolkit.heap.profile import HeapProfile

#: One row per function, most allocations first. Null means that the profile does not say.
CHURN: Final = pl.Schema(
    {
        "function": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
        "origin": pl.String(),
        "allocations": pl.Int64(),
        "allocated_bytes": pl.Int64(),
        "temporary": pl.Int64(),
        "temporary_share": pl.Float64(),
    },
)


def churn(heap: HeapProfile, *, own: Collection[str] = ()) -> pl.DataFrame:
    """Count what each function allocates, and how much of it was freed before anything else happened.

    Parameters
    ----------
    heap
        A profile.
    own
        Crates that are your own, where paths and names do not tell.

    Returns
    -------
    polars.DataFrame
        See `CHURN`; empty where the profile counts no allocations. `temporary` is an upper bound unless
        ``heap.summary.temporary_exact``.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> churn(HeapProfile(HeapSummary("dhat"))).height
    0
    """
    counted = heap.stacks.filter(pl.col("allocations") > 0)
    named = counted.join(groups(heap, own), on="stack_id")
    summed = (
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)
        for name in ("allocations", "allocated_bytes", "temporary")
    )
    # A group is shown at the line that allocates most often.
    frame = (
        named.sort("allocations", descending=True, maintain_order=True)
        .group_by("function", maintain_order=True)
        .agg(pl.col("file", "line", "origin").first(), *summed)
        .with_columns(temporary_share=pl.col("temporary") / pl.col("allocations"))
    )
    return frame.sort("allocations", "function", descending=[True, False]).select(CHURN.names()).cast(CHURN)
