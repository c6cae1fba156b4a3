"""The two shapes of a finding, and the tolerances that several checks share."""

from __future__ import annotations

from typing import Final

import polars as pl

from rmtoolkit.schema import TIME

MI: Final = 1 << 20

#: One row per container, check and signal.
FINDINGS: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "pod": pl.String(),
        "container": pl.String(),
        "check": pl.String(),
        "signal": pl.String(),
        "count": pl.Int64(),
        "first": TIME,
        "last": TIME,
        "detail": pl.String(),
        "rejected": pl.Boolean(),
    },
)

#: What a check finds, before it is put in words: `low` and `high` are figures for the sentence.
FOUND: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        "check": pl.String(),
        "signal": pl.String(),
        "count": pl.Int64(),
        "compared": pl.Int64(),
        "first": TIME,
        "last": TIME,
        "low": pl.Float64(),
        "high": pl.Float64(),
        "about": pl.String(),
        "rejected": pl.Boolean(),
    },
)

#: A signal at fault in this share of its samples is no slip of a clock.
REJECT_SHARE: Final = 0.05
#: An allocator counts pages that were never touched, but not this much more than the process has.
ABOVE_SHARE: Final = 0.25
ABOVE_BYTES: Final = 16 * MI


def nothing() -> pl.DataFrame:
    """Make the answer of a check that has no objection.

    Returns
    -------
    polars.DataFrame
        `FOUND` without rows.

    Examples
    --------
    >>> nothing().height
    0
    """
    return pl.DataFrame(schema=FOUND)
