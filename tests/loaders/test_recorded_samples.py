"""Every sample that the package ships reads to what its README and truth.csv say."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import pytest

import rmtoolkit as rm

SAMPLES: Final = Path(__file__).parents[2] / "data" / "samples"
TRUTH: Final = list(csv.DictReader((SAMPLES / "truth.csv").open()))
MI: Final = 1 << 20


@pytest.mark.parametrize("truth", TRUTH, ids=lambda truth: truth["sample"])
def test_a_sample_reads_to_its_truth(truth: dict[str, str]) -> None:
    """Workload, length, peak, limit and kills are those of the run, as far as the format can tell them."""
    recording = rm.read(SAMPLES / truth["sample"])
    peak = int(truth["peak_bytes"])
    assert recording.containers["workload"].unique().to_list() == [truth["workload"]]
    assert recording.report.left_out == {}
    assert recording.report.time_axis == "as recorded, UTC"
    times = recording.samples["time"]
    length = (times.max() - times.min()).total_seconds()  # type: ignore[operator, union-attr]
    expected = int(truth["seconds_recorded"]) * int(truth["time_scale"])
    assert 0.97 * expected <= length <= expected
    found = recording.samples.max().row(0, named=True)
    if truth["format"].startswith("jemalloc"):
        # Allocator statistics know neither container nor limit; what they hold lies below the peak of the process.
        assert found["allocated_bytes"] <= found["active_bytes"] <= found["resident_bytes"]
        assert 0.9 * peak < found["allocated_bytes"] < peak
        return
    if truth["format"].startswith("kubectl"):
        assert recording.containers["quantum_bytes"].unique().to_list() == [MI]
        assert recording.containers["container"].unique().to_list() == [truth["container"]]
        assert found["working_set_bytes"] % MI == 0
        assert 0 <= peak - found["working_set_bytes"] < 2 * MI
        return
    assert found["working_set_bytes"] == peak
    assert recording.containers["namespace"].unique().to_list() == [truth["namespace"]]
    assert recording.containers["limit_bytes"].unique().to_list() == [int(truth["limit_bytes"])]
    assert recording.events.filter(kind="oom_kill").height == int(truth["oom_kills"])


def test_all_samples_at_once() -> None:
    """The folder is one recording of all of them; its documents are named and skipped, nothing fails."""
    recording = rm.read(SAMPLES)
    assert set(recording.containers["workload"]) == {truth["workload"] for truth in TRUTH}
    assert "skipped, no recording: README.md, plan.jsonl, truth.csv" in recording.report.warnings
    assert recording.report.left_out == {}
