"""Whether the recordings of data/causes get the cause that they show, and those that look alike do not."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import rmtoolkit as rm

CAUSES = Path(__file__).parents[2] / "data" / "causes"
TRUTH = list(csv.DictReader((CAUSES / "truth.csv").open(newline="")))
KINDS = ("tasks", "connections", "queue", "exporter", "allocator")


@cache
def judged(path: Path) -> dict[str, Any]:
    """The row of the only workload, with the signals that rise with its memory and all that was measured."""
    told = {"metrics": {"queue_depth": "queued"}} if path.suffix == ".json" else {}
    found = rm.assess(rm.read(path, **told))
    (row,) = found.workloads.rows(named=True)
    rising = found.evidence.filter(statistic="held_rise")["signal"].to_list()
    return {**row, "rising": rising, "measured": set(found.evidence["statistic"])}


def is_named(row: dict[str, str]) -> bool:
    """Whether a recording gets the cause of its kind, with the evidence for it; of a look-alike, any such cause."""
    found = judged(CAUSES / f"{row['recording']}.parquet")
    if row["shown"] == "allocator":
        return found["cause"] == "allocator" and "moved_around" in found["measured"]
    if not row["cause"]:
        return bool(found["rising"]) or found["cause"] in KINDS
    return (
        found["cause"] in row["cause"].split("|")
        and row["signal"] in found["rising"]
        and "rise with it" in found["why"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_table_of_the_readme(kind: str) -> None:
    """So many recordings of a kind get its cause, and so many of those that look alike, as the table says."""
    shown = [row for row in TRUTH if row["shown"] == kind and kind in row["cause"].split("|")]
    alike = [row for row in TRUTH if row["shown"] == kind and row not in shown]
    right, false = sum(map(is_named, shown)), sum(map(is_named, alike))
    (line,) = [line for line in (CAUSES / "README.md").read_text().splitlines() if line.startswith(f"| `{kind}` ")]
    assert line.endswith(f"| {right} of {len(shown)} | {false} of {len(alike)} |")


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row["run"]) for row in TRUTH if (CAUSES / f"{row['recording']}.json").exists()]
)
def test_answers_of_prometheus_name_the_same_cause(row: dict[str, str]) -> None:
    """The count is found under the name that its exporter gives it, and belongs to the container with the memory."""
    found = judged(CAUSES / f"{row['recording']}.json")
    assert (row["signal"] in found["rising"]) == bool(row["cause"])
    assert found["cause"] == (row["cause"] or None) or found["verdict"] == "leak"


def test_truth_names_every_recording() -> None:
    """Whatever was recorded has a row."""
    assert {path.stem for path in CAUSES.glob("*.parquet")} == {row["recording"] for row in TRUTH}


def test_no_leak_shrinks() -> None:
    """Kept pages that climb into the limit around a live heap that rests kill, and leak nothing."""
    said = [judged(path) for path in sorted(CAUSES.glob("*.parquet"))]
    assert not [row["headline"] for row in said if row["verdict"] == "leak" and not row["growth_bytes_per_day"] > 0]
