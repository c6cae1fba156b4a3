from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rmtoolkit as rm

if TYPE_CHECKING:
    from pathlib import Path


def exported(raw: Path, form: str, target: Path, scale: int = 60) -> Path:
    import export
    import recorded

    export.export(recorded.read(raw, "r1", time_scale=scale), form, target)
    return target


def answers(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {path.stem: json.loads(path.read_text())["data"]["result"] for path in folder.glob("*.json")}


def test_prometheus_folder_has_the_measured_values(raw: Path, tmp_path: Path) -> None:
    """Each life is a series of its own, at the scaled times, with the working set as measured."""
    found = answers(exported(raw, "prometheus", tmp_path / "out"))["container_memory_working_set_bytes"]
    assert sorted(len(one["values"]) for one in found) == [4, 6, 10]
    assert len({one["metric"]["id"] for one in found}) == 3
    values = sorted(int(value) for one in found for _, value in one["values"])
    assert values[0] == 20_000_000
    times = [time for one in found for time, _ in one["values"]]
    assert all(time % 60 == 0 for time in times)
    assert max(times) - min(times) == 11 * 60


@pytest.mark.parametrize("form", ["prometheus", "prometheus_one_file"])
def test_package_reads_back_what_was_exported(raw: Path, tmp_path: Path, form: str) -> None:
    """A Prometheus export gives the same samples, limit and OOM kill as the run itself."""
    import export
    import recorded

    run = export.recording(recorded.read(raw, "r1", time_scale=60))
    name = "out.json" if form == "prometheus_one_file" else "out"
    back = rm.read(exported(raw, form, tmp_path / name))
    signals = ["container_id", "time", "working_set_bytes", "anon_bytes", "rss_bytes", "allocated_bytes"]
    assert back.samples.select(signals).equals(run.samples.select(signals))
    assert back.containers["limit_bytes"].to_list() == run.containers["limit_bytes"].to_list()
    assert back.events.filter(pl.col("kind") == "oom_kill").height == 1


def test_kube_state_metrics_count_the_restart(raw: Path, tmp_path: Path) -> None:
    """The restart and its reason are told by the metrics that survive a kill."""
    found = answers(exported(raw, "prometheus", tmp_path / "out"))
    restarts = {
        one["metric"]["pod"][-1]: one["values"][-1][1] for one in found["kube_pod_container_status_restarts_total"]
    }
    assert restarts == {"0": "1", "1": "0"}
    (reason,) = found["kube_pod_container_status_last_terminated_reason"]
    assert reason["metric"]["reason"] == "OOMKilled"
    (limit, _) = found["kube_pod_container_resource_limits"]
    assert (limit["metric"]["resource"], limit["metric"]["unit"], limit["value"][1]) == ("memory", "byte", "30000000")


def test_one_file_has_several_metrics(raw: Path, tmp_path: Path) -> None:
    """A single answer can hold several metrics, each series under its own name."""
    answer = json.loads(exported(raw, "prometheus_one_file", tmp_path / "all.json").read_text())
    names = {one["metric"]["__name__"] for one in answer["data"]["result"]}
    assert {"container_memory_working_set_bytes", "kube_pod_container_resource_limits"} <= names


def test_kubectl_log_is_floored_and_skips_gaps(raw: Path, tmp_path: Path) -> None:
    """Memory is in whole Mi rounded down, and a container that is not scraped has no row."""
    text = exported(raw, "kubectl_top", tmp_path / "top.log").read_text()
    assert len(re.findall(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:00 UTC \d{4}$", text, re.MULTILINE)) == 12
    memory = [int(value) for value in re.findall(r"(\d+)Mi", text)]
    assert len(memory) == 10 + 10
    assert min(memory) == 20_000_000 >> 20


def test_kubectl_log_of_all_namespaces_names_them(raw: Path, tmp_path: Path) -> None:
    """With -A the first column is the namespace."""
    lines = exported(raw, "kubectl_top_all", tmp_path / "top.log").read_text().splitlines()
    assert lines[1].split() == ["NAMESPACE", "POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert lines[2].split()[0] == "elm"


def test_openmetrics_has_one_block_per_family_and_an_end(raw: Path, tmp_path: Path) -> None:
    """Families stand together, counters are named without their suffix, and the file ends as promtool demands."""
    lines = exported(raw, "openmetrics", tmp_path / "out.om").read_text().splitlines()
    assert lines[-1] == "# EOF"
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    assert "http_requests" in families
    sample = re.compile(r'^[a-z_]+\{([a-z_]+="[^"]*",?)+\} \d+(\.\d+)? \d{10}$')
    assert all(sample.match(line) for line in lines if not line.startswith("#"))


def test_parquet_round_trip(raw: Path, tmp_path: Path) -> None:
    """The package reads back the recording that the lab wrote, events and limits included."""
    import export
    import recorded

    run = recorded.read(raw, "r1", time_scale=60)
    kept = rm.read_recording(exported(raw, "parquet", tmp_path / "run.parquet"))
    assert kept == export.recording(run)
    assert kept.samples.height == 20
    assert kept.containers["limit_bytes"].to_list() == [30_000_000] * 2
    assert kept.events.filter(pl.col("kind") == "oom_kill").height == 1
    assert not {"live_bytes", "dead_bytes"} & set(kept.samples.columns)


def test_unknown_format_names_those_there_are(raw: Path, tmp_path: Path) -> None:
    """A wrong format is answered with the right ones."""
    with pytest.raises(ValueError, match="prometheus"):
        exported(raw, "csv", tmp_path / "x")


def test_jemalloc_log_gets_the_time_of_the_cluster(raw: Path, tmp_path: Path) -> None:
    """The mark of a second becomes the instant that this second stands for."""
    import export
    import recorded

    run = recorded.read(raw, "r1", time_scale=60)
    source = tmp_path / "r1.log"
    source.write_text('# second 0\n{"jemalloc":{}}\n\n# second 2\n{"jemalloc":{}}\n')
    export.jemalloc_log(run, source, tmp_path / "out.log")
    stamps = re.findall(r"^\d{4}-\d\d-\d\dT\d\d:(\d\d):00Z$", (tmp_path / "out.log").read_text(), re.MULTILINE)
    assert (int(stamps[1]) - int(stamps[0])) % 60 == 2
