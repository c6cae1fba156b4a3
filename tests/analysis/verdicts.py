"""What a verdict may say, and the only verdict on a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.assessment import classify

if TYPE_CHECKING:
    import polars as pl

    from rmtoolkit.recording import Recording

#: The patterns that there are.
PATTERNS: Final = {
    "startup_spike", "plateau", "leak", "warm_up", "step", "periodic", "sawtooth", "burst", "retention",
    "fragmentation", "page_cache", "thread_growth", "at_limit", "unexplained_growth", "insufficient_data",
}  # fmt: skip


def row_of(recording: Recording | pl.DataFrame) -> dict[str, Any]:
    """The only row of verdicts."""
    rows = classify(recording).rows(named=True)
    assert len(rows) == 1
    return rows[0]
