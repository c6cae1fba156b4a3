"""Whether the recordings of data/causes get the cause that they show, and those that look alike do not."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import rmtoolkit as rm

CAUSES = Path(__file__).parents[2] / "data" / "causes"
TRUTH = list(csv.DictReader((CAUSES / "truth.csv").open(newline="")))


def judged(path: Path) -> dict[str, Any]:
    """The row of the only workload, the signals that rise with its memory as "rising"."""
    told = {"metrics": {"queue_depth": "queued"}} if path.suffix == ".json" else {}
    found = rm.assess(rm.read(path, **told))
    (row,) = found.workloads.rows(named=True)
    rising = found.evidence.filter(statistic="held_rise")["signal"].to_list()
    return {**row, "rising": rising}


@pytest.mark.parametrize("row", [pytest.param(row, id=row["run"]) for row in TRUTH])
def test_cause_of_each_recording(row: dict[str, str]) -> None:
    """What shows a cause gets it, with words of its own; what looks alike gets another, or none."""
    found = judged(CAUSES / f"{row['recording']}.parquet")
    assert found["verdict"] in ("leak", "inconclusive")
    if row["cause"]:
        assert found["cause"] in row["cause"].split("|")
        assert row["signal"] in found["rising"]
        assert "rise with it from" in found["why"]
    else:
        assert found["cause"] == "heap"
        assert found["rising"] == []


@pytest.mark.parametrize("row", [pytest.param(row, id=row["run"]) for row in TRUTH if row["run"].endswith("-1")])
def test_answers_of_prometheus_name_the_same_cause(row: dict[str, str]) -> None:
    """The count is found under the name that its exporter gives it, and belongs to the container with the memory."""
    found = judged(CAUSES / f"{row['recording']}.json")
    assert (row["signal"] in found["rising"]) == bool(row["cause"])
    assert found["cause"] == (row["cause"] or None) or found["verdict"] == "leak"


def test_readme_counts_the_recordings() -> None:
    """The table names each cause with as many recordings as there are."""
    lines = (CAUSES / "README.md").read_text().splitlines()
    shown = Counter((row["shown"], bool(row["cause"])) for row in TRUTH)
    for kind in ("tasks", "connections", "queue", "exporter"):
        (line,) = [line for line in lines if line.startswith(f"| `{kind}` ")]
        right, false = shown[kind, True], shown[kind, False]
        assert line.endswith(f"| {right} of {right} | 0 of {false} |")
    assert {path.stem for path in CAUSES.glob("*.parquet")} == {row["recording"] for row in TRUTH}
