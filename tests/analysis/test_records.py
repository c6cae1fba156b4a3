"""Records and frames: one place where a table becomes records, one where records become a table."""

from __future__ import annotations

import enum

import numpy as np
import pytest

from rmtoolkit.analysis import patterns
from rmtoolkit.analysis.judge import judge
from rmtoolkit.analysis.patterns import PATTERNS
from rmtoolkit.analysis.records import (
    BESIDE,
    EVIDENCE,
    INSTANCE,
    JUDGED,
    VERDICTS,
    Evidence,
    OpenKind,
    Opinion,
    Statistic,
    VerdictRow,
)
from rmtoolkit.schema import SIGNALS, Pattern, Signal, Verdict
from tests.analysis.curves import GI, MI, footprint, hours
from tests.analysis.records import life_of, opinion_of, reading_of


def names(record: type[VerdictRow | Evidence]) -> set[str]:
    """Fields of a record."""
    return set(record.__struct_fields__)


def test_a_verdict_has_the_columns_of_its_frames() -> None:
    """No column lacks a field, and no field is left out of all frames."""
    assert names(VerdictRow) == {*VERDICTS, *JUDGED, *INSTANCE}
    assert set(VERDICTS) - set(JUDGED) == {f"oom_probability_{span}" for span in ("24h", "7d", "30d")}
    assert names(Evidence) == {field.name for field in EVIDENCE.inner.fields}  # type: ignore[union-attr]


@pytest.mark.parametrize("pattern", Pattern)
def test_each_pattern_has_a_headline_of_its_row(pattern: Pattern) -> None:
    """Every pattern can be said of a life that does not leak, whatever was measured of it."""
    verdict = VerdictRow.stored({"settled_bytes": 50 * MI})
    whole = reading_of(Signal.FOOTPRINT, end_level=60.0 * MI, early_level=60.0 * MI, middle_level=60.0 * MI)
    life = opinion_of(life_of(), {Signal.FOOTPRINT: whole}, Signal.FOOTPRINT)
    assert PATTERNS[pattern].headline(verdict, life)[:1].isalnum()


def test_names_that_mean_the_same_are_the_same() -> None:
    """A layer that fills the limit is the question that it leaves open; signals are columns."""
    assert {str(layer) for layer in BESIDE} <= {str(kind) for kind in OpenKind}
    assert {str(signal) for signal in Signal} - {str(Signal.FOOTPRINT)} <= set(SIGNALS)


def test_a_stored_verdict_gives_the_same_advice() -> None:
    """What is read back from a frame advises as the verdict did, and holds enums again."""
    t = hours(24, 60)
    recording = footprint(t, (200 + 9 * t) * MI, np.random.default_rng(3), limit=GI)
    row = judge(recording)[0]["verdicts"].row(0, named=True)
    stored = VerdictRow.stored(row)
    assert next(patterns.advise_on(stored)).sentence == row["next_step"]
    assert isinstance(stored.pattern, enum.Enum)
    assert stored.by_statistic[Statistic.GROWTH].estimate == row["growth_bytes_per_day"]


def test_a_verdict_of_another_version_is_read() -> None:
    """A pattern that nobody knows any more, or yet, and columns that are missing are no error."""
    stored = VerdictRow.stored({"workload": "api", "pattern": "moonlight", "also": ["step", "comet"], "later": 1})
    assert (stored.pattern, stored.also) == (Pattern.INSUFFICIENT_DATA, [Pattern.STEP])
    assert not stored.verdict
    assert not stored.evidence
    assert next(patterns.advise_on(stored)).sentence == "Nothing to do."


def test_a_stored_row_gives_its_patterns_back_and_leaves_out_what_is_unknown() -> None:
    """Names of closed sets become their members; those of another version are none, and no column is no value."""
    row = VerdictRow.stored({"verdict": "leak", "pattern": "burst", "also": ["retention", "of tomorrow"]})
    assert (row.verdict, row.pattern, row.also) == (Verdict.LEAK, Pattern.BURST, [Pattern.RETENTION])
    bare = VerdictRow.stored({"pattern": "of tomorrow"})
    assert (bare.verdict, bare.pattern, bare.also, bare.evidence) == (None, Pattern.INSUFFICIENT_DATA, [], [])  # type: ignore[comparison-overlap]


def test_nothing_is_known_of_a_life_that_was_not_read() -> None:
    """An opinion begins wholly undecided, and names nothing."""
    found = Opinion(life_of())
    assert (found.growing, found.bounded, found.unresolved) == (0, 0, 1)
    assert (found.reading, found.pattern, found.threads_grow) == (None, Pattern.INSUFFICIENT_DATA, False)
