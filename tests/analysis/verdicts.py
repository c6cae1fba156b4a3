"""What a verdict may say, and what judging says of a recording before any limit is decided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit.analysis.judge import judge
from tests.analysis.curves import together

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rmtoolkit.recording import Recording

#: The patterns that there are.
PATTERNS: Final = {
    "startup_spike", "plateau", "leak", "warm_up", "step", "periodic", "sawtooth", "burst", "retention",
    "fragmentation", "page_cache", "thread_growth", "at_limit", "unexplained_growth", "insufficient_data",
}  # fmt: skip


def judged(recording: Recording | pl.DataFrame) -> pl.DataFrame:
    """The rows of verdicts."""
    return judge(recording, whole=False)[0]["verdicts"]


def chance_of(recording: Recording | pl.DataFrame, span: str = "7d") -> float:
    """The chance of an OOM kill of the only workload, which the limits add."""
    return float(rm.classify(recording)[f"oom_probability_{span}"].item())


def chances_of(recordings: Iterable[Recording]) -> list[float]:
    """That of the only workload of each, found together."""
    return rm.classify(_together(recordings)).sort("workload")["oom_probability_7d"].to_list()


def row_of(recording: Recording | pl.DataFrame) -> dict[str, Any]:
    """The only row of verdicts."""
    rows = judged(recording).rows(named=True)
    assert len(rows) == 1
    return rows[0]


def rows_of(recordings: Iterable[Recording]) -> list[dict[str, Any]]:
    """The only row of each, judged together: that takes a fraction of the time, and neighbours change nothing."""
    several = list(recordings)
    rows = {row["workload"]: row for row in judged(_together(several)).rows(named=True)}
    assert len(rows) == len(several)
    return [rows[name] for name in sorted(rows)]


def _together(recordings: Iterable[Recording]) -> Recording:
    return together(
        [
            replace(one, containers=one.containers.with_columns(workload=pl.lit(f"w{at:03}")))
            for at, one in enumerate(recordings)
        ]
    )
