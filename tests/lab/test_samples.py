from __future__ import annotations

import csv
import datetime as dt
import itertools
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rmtoolkit as rm

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
TRUTH = list(csv.DictReader((SAMPLES / "truth.csv").open(newline="")))
PLAN = {line["run"]: line for line in map(json.loads, (SAMPLES / "plan.jsonl").read_text().splitlines())}
VERDICTS = {"leak", "not_leak", "inconclusive"}
PATTERNS = {
    "startup_spike",
    "plateau",
    "leak",
    "warm_up",
    "step",
    "periodic",
    "sawtooth",
    "burst",
    "retention",
    "fragmentation",
    "page_cache",
    "thread_growth",
    "at_limit",
    "unexplained_growth",
    "insufficient_data",
}
CAUSES = {"heap", "thread_stacks", "outside_allocator", "allocator", "page_cache", "startup", "traffic", "release", ""}


def of(*forms: str) -> list[Any]:
    """Parametrise over the samples of some formats."""
    return [pytest.param(row, id=row["sample"]) for row in TRUTH if row["format"] in forms]


def test_truth_names_every_file_and_no_other() -> None:
    """Whatever lies in the folder is a sample with a row, or one of the papers."""
    papers = {"README.md", "truth.csv", "plan.jsonl"}
    assert {path.name for path in SAMPLES.iterdir()} - papers == {row["sample"] for row in TRUTH}


def test_readme_has_the_truth_first() -> None:
    """The table in the README is the one that truth.csv gives."""
    import samples

    rows: list[dict[str, Any]] = [
        {key: int(value) if key.endswith(("_bytes", "_per_hour")) else value for key, value in row.items()}
        for row in TRUTH
    ]
    assert samples.table(rows) in (SAMPLES / "README.md").read_text()


def test_every_answer_is_a_word_of_the_engine() -> None:
    """Verdicts, patterns and causes are those that the engine can give."""
    for row in TRUTH:
        assert row["verdict"] in VERDICTS
        assert set(row["pattern"].split("|")) <= PATTERNS
        assert set(row["cause"].split("|")) <= CAUSES


def test_leaks_lost_memory_and_the_others_did_not() -> None:
    """What the programs counted agrees with the verdicts."""
    for row in TRUTH:
        assert (int(row["lost_bytes"]) > 0) == (row["verdict"] == "leak"), row["sample"]


def test_names_do_not_tell() -> None:
    """No name gives its class away."""
    telling = re.compile("leak|spike|cache|grow|plateau|burst|frag|thread|saw|step|retain|warm_|oom")
    for row in TRUTH:
        assert not telling.search(f"{row['sample']} {row['namespace']} {row['workload']} {row['container']}")


def test_labels_are_those_of_the_plan() -> None:
    """The truth was written into the plan before the recording."""
    for row in TRUTH:
        label = PLAN[row["run"]]["label"]
        assert (row["verdict"], row["pattern"], row["cause"]) == (label["verdict"], label["pattern"], label["cause"])
        assert int(row["limit_bytes"]) == PLAN[row["run"]]["limit_bytes"]


def test_all_samples_are_small() -> None:
    """All samples together stay under 6 MB."""
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 6_000_000


@pytest.mark.parametrize("row", [pytest.param(row, id=row["sample"]) for row in TRUTH])
def test_package_reads_every_sample(row: dict[str, str]) -> None:
    """The package finds the workload, the time axis and the limit that are in the file."""
    recording = rm.read(SAMPLES / row["sample"])
    assert set(recording.containers["workload"]) == {row["workload"]}
    span = recording.samples.select((pl.col("time").max() - pl.col("time").min()).dt.total_seconds()).item()
    assert span == pytest.approx(int(row["seconds_recorded"]) * int(row["time_scale"]), rel=0.04)
    if row["format"].startswith("prometheus"):
        assert set(recording.containers["limit_bytes"]) == {int(row["limit_bytes"])}
        assert recording.samples["working_set_bytes"].max() == int(row["peak_bytes"])


def series(sample: str) -> list[dict[str, Any]]:
    path = SAMPLES / sample
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    answers = [json.loads(file.read_text()) for file in files]
    assert all(answer["status"] == "success" for answer in answers)
    return [one for answer in answers for one in answer["data"]["result"]]


@pytest.mark.parametrize("row", of("prometheus", "prometheus_one_file"))
def test_prometheus_sample(row: dict[str, str]) -> None:
    """Times rise on the grid, values are numbers, and the peak is the one in the truth."""
    peak = 0
    for one in series(row["sample"]):
        values = one.get("values") or [one["value"]]
        times = [time for time, _ in values]
        assert all(later > earlier for earlier, later in itertools.pairwise(times))
        assert all(time % int(row["time_scale"]) == 0 for time in times)
        assert all(float(value) >= 0 for _, value in values)
        assert one["metric"]["namespace"] == row["namespace"]
        if one["metric"]["__name__"] == "container_memory_working_set_bytes":
            peak = max(peak, *(int(value) for _, value in values))
    assert peak == int(row["peak_bytes"])


@pytest.mark.parametrize("row", of("prometheus", "prometheus_one_file"))
def test_prometheus_sample_knows_limit_and_owner(row: dict[str, str]) -> None:
    """The limit and the owner of each pod are in the export."""
    found = series(row["sample"])
    limits = {
        (one.get("values") or [one["value"]])[-1][1]
        for one in found
        if one["metric"]["__name__"] == "kube_pod_container_resource_limits"
    }
    owners = {one["metric"]["owner_name"] for one in found if one["metric"]["__name__"] == "kube_replicaset_owner"}
    assert limits == {row["limit_bytes"]}
    assert owners == {row["workload"]}


@pytest.mark.parametrize("row", of("kubectl_top", "kubectl_top_all"))
def test_kubectl_sample(row: dict[str, str]) -> None:
    """Every line is a date, a header or a row; none is above the peak."""
    memory: list[int] = []
    stamps: list[dt.datetime] = []
    for line in (SAMPLES / row["sample"]).read_text().splitlines():
        cells = line.split()
        if cells[-1] == "MEMORY(bytes)":
            assert line.endswith(" ")
        elif "UTC" in cells:
            stamps.append(dt.datetime.strptime(line, "%a %b %d %H:%M:%S UTC %Y").replace(tzinfo=dt.UTC))
        else:
            assert cells[-3] == row["container"]
            assert re.fullmatch(r"\d+Mi", cells[-1])
            memory.append(int(cells[-1][:-2]))
    assert len(stamps) == len(memory) == len(set(stamps))
    assert stamps == sorted(stamps)
    assert max(memory) <= int(row["peak_bytes"]) >> 20


@pytest.mark.parametrize("row", of("jemalloc_json"))
def test_jemalloc_json_sample(row: dict[str, str]) -> None:
    """Dated documents of jemalloc, one after the other, whose live heap grows."""
    text = (SAMPLES / row["sample"]).read_text()
    documents = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    stamps = re.findall(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", text, re.MULTILINE)
    allocated = [document["jemalloc"]["stats"]["allocated"] for document in documents]
    assert len(stamps) == len(documents) == 960 // 24
    assert allocated == sorted(allocated)


@pytest.mark.parametrize("row", of("jemalloc_text"))
def test_jemalloc_text_sample(row: dict[str, str]) -> None:
    """Dated documents of jemalloc's text form, whose live heap grows."""
    text = (SAMPLES / row["sample"]).read_text()
    stamps = re.findall(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", text, re.MULTILINE)
    allocated = [int(value) for value in re.findall(r"^Allocated: (\d+), active: \d+", text, re.MULTILINE)]
    assert (
        text.count("___ Begin jemalloc statistics ___") == text.count("--- End jemalloc statistics ---") == len(stamps)
    )
    assert len(allocated) == len(stamps) == 960 // 16
    assert allocated == sorted(allocated)
