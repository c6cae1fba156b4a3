"""What newcomers have: names, labels, forms and ways in, each with the truth written first. Right, or a clear error."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from tests.loaders.conftest import T0
from tests.loaders.remote_read import remote_read as written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MIB = 1 << 20
FLAT = [300 * MIB] * 60
LEAK = [(100 + 5 * number) * MIB for number in range(60)]
STEP = 30
BERLIN = dt.timezone(dt.timedelta(hours=1))

K8S = {"namespace": "shop", "pod": "db-0", "container": "db"}
OTEL = {"k8s_namespace_name": "shop", "k8s_pod_name": "db-0", "k8s_container_name": "db"}
DOTTED = {name.replace("_", "."): value for name, value in OTEL.items()}
GKE = {"namespace_name": "shop", "pod_name": "db-0", "container_name": "db", "project_id": "p"}
NOMAD = {"namespace": "shop", "exported_job": "db", "task_group": "g", "task": "db", "alloc_id": "7c2e"}


class Names(NamedTuple):
    """How an exporter calls the memory of a container, and the container."""

    metric: str
    labels: Mapping[str, str]
    signal: str = "working_set_bytes"
    #: The columns of the container, as far as the labels tell them.
    told: Mapping[str, str | None] = {"namespace": "shop", "pod": "db-0", "container": "db", "workload": "db"}


NAMES = {
    "cAdvisor": Names("container_memory_working_set_bytes", K8S),
    "cAdvisor before 1.16": Names(
        "container_memory_working_set_bytes", {"namespace": "shop", "pod_name": "db-0", "container_name": "db"}
    ),
    "cAdvisor of Docker": Names(
        "container_memory_working_set_bytes",
        {"name": "db", "id": "/docker/a"},
        told={"pod": None, "container": "db", "workload": "db"},
    ),
    "labels renamed by a scrape": Names(
        "container_memory_usage_bytes",
        {"exported_namespace": "shop", "exported_pod": "db-0", "exported_container": "db", "pod": "cadvisor-x"},
        "usage_bytes",
    ),
    "labels of old charts": Names(
        "container_memory_rss",
        {"kubernetes_namespace": "shop", "kubernetes_pod_name": "db-0", "kubernetes_container_name": "db"},
        "anon_bytes",
    ),
    "OpenTelemetry": Names("container_memory_working_set_bytes", OTEL),
    "OpenTelemetry's usage": Names("container_memory_usage_bytes", OTEL, "usage_bytes"),
    "OpenTelemetry with dots": Names("container.memory.working_set", DOTTED),
    "OpenTelemetry's RSS with dots": Names("container.memory.rss", DOTTED, "anon_bytes"),
    "OpenTelemetry's pods": Names(
        "k8s_pod_memory_working_set_bytes",
        {name: value for name, value in OTEL.items() if "container" not in name},
        told={"pod": "db-0", "container": None},
    ),
    "OpenTelemetry's processes": Names(
        "process_memory_usage_bytes", {**OTEL, "process_pid": "7", "process_executable_name": "db"}, "rss_bytes"
    ),
    "GKE": Names("kubernetes_io:container_memory_used_bytes", {**GKE, "memory_type": "non-evictable"}),
    "Nomad": Names(
        "nomad_client_allocs_memory_rss",
        NOMAD,
        "anon_bytes",
        {"namespace": "shop", "pod": "7c2e", "container": "db", "workload": "db"},
    ),
    "Podman": Names(
        "podman_container_mem_usage_bytes", {"id": "0a1b", "name": "db"}, "usage_bytes", {"container": "db"}
    ),
    "Datadog with dots": Names(
        "kubernetes.memory.working_set",
        {"kube_namespace": "shop", "pod_name": "db-0", "kube_container_name": "db", "kube_stateful_set": "db"},
    ),
    "Datadog of ECS with dots": Names(
        "ecs.fargate.mem.usage", {"container_name": "db"}, "usage_bytes", {"pod": None, "container": "db"}
    ),
    "process-exporter": Names(
        "namedprocess_namegroup_memory_bytes",
        {"groupname": "db", "memtype": "resident"},
        "rss_bytes",
        {"container": "db"},
    ),
    "a process of a pod": Names("process_resident_memory_bytes", K8S, "rss_bytes"),
    "jemalloc of a pod": Names("jemalloc_allocated_bytes", K8S, "allocated_bytes"),
    "a pod without namespace": Names(
        "container_memory_working_set_bytes", {"pod": "db-0", "container": "db"}, told={"pod": "db-0"}
    ),
}

#: Labels of the one container and of the other, of the same name: what tells them apart.
APART = {
    "cluster": ({"cluster": "eu"}, {"cluster": "us"}),
    "exported cluster": ({"exported_cluster": "eu"}, {"exported_cluster": "us"}),
    "OpenTelemetry's cluster": ({"k8s_cluster_name": "eu"}, {"k8s_cluster_name": "us"}),
    "GKE's cluster": ({"cluster_name": "eu"}, {"cluster_name": "us"}),
    "region": ({"region": "eu"}, {"region": "us"}),
    "tenant": ({"__tenant_id__": "eu"}, {"__tenant_id__": "us"}),
    "own label of one": ({"site": "eu"}, {}),
    "instance": ({"instance": "eu:8080"}, {"instance": "us:8080"}),
    "port": ({"instance": "eu:8080"}, {"instance": "eu:8081"}),
    "host": ({"host": "eu"}, {"host": "us"}),
    "node": ({"node": "eu", "job": "a"}, {"node": "us", "job": "a"}),
    "job": ({"job": "eu"}, {"job": "us"}),
    "Prometheus": ({"prometheus": "eu/k8s"}, {"prometheus": "us/k8s"}),
    "uid": ({"uid": "0a"}, {"uid": "0b"}),
    "region and node": ({"region": "eu", "node": "x"}, {"region": "us", "node": "y"}),
}

Series = tuple[dict[str, str], list[int], float]


def answer(*series: Series) -> bytes:
    """What `query_range` says."""
    result = [
        {"metric": labels, "values": [[T0 + at + STEP * index, str(value)] for index, value in enumerate(values)]}
        for labels, values, at in series
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def export(*series: Series) -> bytes:
    """Lines of VictoriaMetrics' export."""
    lines = [
        {
            "metric": labels,
            "values": values,
            "timestamps": [round(1000 * (T0 + at + STEP * index)) for index in range(len(values))],
        }
        for labels, values, at in series
    ]
    return b"\n".join(json.dumps(line).encode() for line in lines)


def remote_read(*series: Series) -> bytes:
    """The answer to a remote read."""
    return written(
        [
            (labels, [(round(1000 * (T0 + at + STEP * index)), float(value)) for index, value in enumerate(values)])
            for labels, values, at in series
        ]
    )


def _text(labels: Mapping[str, str], blank: str = "") -> str:
    """A series as text; names with dots stand in quotes."""
    said = [f'"{label}"="{value}"' if "." in label else f'{label}="{value}"' for label, value in labels.items()]
    comma = f",{blank}"
    if any("." in part.partition("=")[0] for part in said) or "." in labels["__name__"]:
        name = f'"{labels["__name__"]}"'
        return f"{{{comma.join([name, *said[1:]])}}}"
    return f"{labels['__name__']}{{{comma.join(said[1:])}}}"


def exposition(*series: Series) -> bytes:
    """What `/federate` or an exporter says, with times in milliseconds."""
    lines = [
        f"{_text(labels)} {value:.15e} {round(1000 * (T0 + at + STEP * index))}"
        for labels, values, at in series
        for index, value in enumerate(values)
    ]
    return "\n".join(["# TYPE it untyped", *lines, ""]).encode()


def openmetrics(*series: Series) -> bytes:
    """What `promtool tsdb dump-openmetrics` prints, with times in seconds; one sample has an exemplar."""
    lines = [
        f"{_text(labels)} {value} {T0 + at + STEP * index:.3f}" + ' # {trace_id="a"} 1 1.5' * (index == 0)
        for labels, values, at in series
        for index, value in enumerate(values)
    ]
    return "\n".join([*lines, "# EOF", ""]).encode()


def dump(*series: Series) -> bytes:
    """What `promtool tsdb dump` prints."""
    return "".join(
        "{"
        + ", ".join(f'{label}="{value}"' for label, value in labels.items())
        + f"}} {value:.15e} {round(1000 * (T0 + at + STEP * index))}\n"
        for labels, values, at in series
        for index, value in enumerate(values)
    ).encode()


def queried(*series: Series) -> bytes:
    """What `promtool query range` prints."""
    return "\n".join(
        f"{_text(labels, ' ')} =>\n"
        + "".join(f"{value} @[{T0 + at + STEP * index}]\n" for index, value in enumerate(values))
        for labels, values, at in series
    ).encode()


def scrapes(*series: Series) -> bytes:
    """A loop of `date` and `curl`: samples without a time below one that is not in UTC."""
    lines: list[str] = []
    for at in sorted({at for *_, at in series}):
        for index in range(60):
            lines.append(dt.datetime.fromtimestamp(T0 + at + STEP * index, BERLIN).isoformat())
            lines += [f"{_text(labels)} {values[index]}" for labels, values, shift in series if shift == at]
    return "\n".join([*lines, ""]).encode()


def read_back(folder: Path, name: str, content: bytes) -> rm.Recording:
    """Save and read."""
    (folder / name).write_bytes(content)
    return rm.read(folder / name)


def by_way_of_a_lake(folder: Path, *series: Series) -> rm.Recording:
    """Save, read, append to a lake, and read that."""
    lake = rm.Lake(folder / "lake")
    lake.append(read_back(folder, "a.json", answer(*series)))
    return rm.read(folder / "lake")


ROUTES: dict[str, Callable[..., rm.Recording]] = {
    "JSON": lambda folder, *series: read_back(folder, "a.json", answer(*series)),
    "VictoriaMetrics": lambda folder, *series: read_back(folder, "a.jsonl", export(*series)),
    "remote read": lambda folder, *series: read_back(folder, "a.bin", remote_read(*series)),
    "lake": by_way_of_a_lake,
    "exposition": lambda folder, *series: read_back(folder, "a.prom", exposition(*series)),
    "OpenMetrics": lambda folder, *series: read_back(folder, "a.om", openmetrics(*series)),
    "promtool tsdb dump": lambda folder, *series: read_back(folder, "a.txt", dump(*series)),
    "promtool query range": lambda folder, *series: read_back(folder, "a.txt", queried(*series)),
    "scrapes": lambda folder, *series: read_back(folder, "a.log", scrapes(*series)),
}


def levels(recording: rm.Recording, signal: str) -> list[list[int]]:
    """The values of each container, the flat one first."""
    rows = recording.samples.drop_nulls(signal).group_by("container_id", maintain_order=True).agg(signal)
    return sorted(rows[signal].to_list(), key=lambda values: values[-1] - values[0])


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("names", NAMES)
def test_a_container_is_known_by_the_names_of_every_exporter(tmp_path: Path, names: str, route: str) -> None:
    """One container: its samples under the right signal, and what the labels tell of it in the right columns."""
    metric, labels, signal, told = NAMES[names]
    recording = ROUTES[route](tmp_path, ({"__name__": metric, **labels}, LEAK, 0))
    assert levels(recording, signal) == [LEAK]
    assert recording.containers.select(*told).rows(named=True) == [dict(told)]


@pytest.mark.parametrize("apart", APART)
@pytest.mark.parametrize("names", NAMES)
def test_a_leak_beside_a_flat_container_of_the_same_name_is_kept(tmp_path: Path, names: str, apart: str) -> None:
    """Whatever names them and whatever label differs: both are there, with all of their samples, and none is lost."""
    metric, labels, signal, _ = NAMES[names]
    eu, us = ({"__name__": metric, **labels, **more} for more in APART[apart])
    recording = read_back(tmp_path, "a.json", answer((eu, FLAT, 0), (us, LEAK, 7)))
    assert levels(recording, signal) == [FLAT, LEAK]
    assert recording.containers.height == 2
    assert not recording.report.left_out


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("apart", APART)
def test_every_way_in_tells_containers_apart_alike(tmp_path: Path, apart: str, route: str) -> None:
    """The same two containers by file, remote read, VictoriaMetrics or lake are the same recording."""
    series = [
        ({"__name__": "container_memory_rss", **K8S, **more}, level, at)
        for more, level, at in zip(APART[apart], (FLAT, LEAK), (0, 7), strict=True)
    ]
    recording = ROUTES[route](tmp_path, *series)
    expected = ROUTES["JSON"](tmp_path, *series)
    assert recording.containers.drop("source").equals(expected.containers.drop("source"))
    assert recording.samples.equals(expected.samples)


def docker(values: list[int], at: float) -> bytes:
    """A log of `docker stats` with a format of one's own, which names no id."""
    return "\n".join(
        f"{T0 + at + STEP * index:.0f} db {value / MIB:.1f}MiB / 15.5GiB" for index, value in enumerate(values)
    ).encode()


def docker_json(values: list[int], at: float) -> bytes:
    """Lines of `docker stats --format json` with times in front."""
    return "\n".join(
        f"{T0 + at + STEP * index:.0f} "
        + json.dumps({"Name": "db", "ID": f"{int(at) % 10:012x}", "MemUsage": f"{value / MIB:.1f}MiB / 15.5GiB"})
        for index, value in enumerate(values)
    ).encode()


def top(values: list[int], at: float) -> bytes:
    """A log of `kubectl top pod --containers`."""
    return "\n".join(
        f"{T0 + at + STEP * index:.0f}\nPOD NAME CPU(cores) MEMORY(bytes)\ndb-0 db 3m {value // MIB}Mi\n"
        for index, value in enumerate(values)
    ).encode()


def table(values: list[int], at: float) -> bytes:
    """A table in CSV."""
    rows = (f"{T0 + at + STEP * index:.0f},shop,db-0,db,{value}" for index, value in enumerate(values))
    return "\n".join(["time,namespace,pod,container,rss_bytes", *rows]).encode()


def same_answer(values: list[int], at: float) -> bytes:
    """An answer whose labels do not say where it was asked."""
    return answer(({"__name__": "container_memory_rss", **K8S}, values, at))


LOGS = {
    "docker stats": docker,
    "docker stats as JSON": docker_json,
    "kubectl top": top,
    "CSV": table,
    "JSON": same_answer,
}


@pytest.mark.parametrize("form", LOGS)
def test_files_of_two_clusters_are_not_merged(tmp_path: Path, form: str) -> None:
    """Two files with a container of one name: a leak in one and a flat one in the other stay two, and it is said."""
    for name, values, at in (("eu", FLAT, 0), ("us", LEAK, 7)):
        (tmp_path / name).write_bytes(LOGS[form](values, at))
    recording = rm.read(tmp_path)
    signal = next(name for name in recording.samples.columns[2:] if recording.samples[name].count())
    assert levels(recording, signal) == [FLAT, LEAK]
    if "docker" not in form:
        assert recording.containers["cluster"].to_list() == ["eu", "us"]
        assert "told apart by their file" in " ".join(recording.report.warnings)


@pytest.mark.parametrize("form", LOGS)
def test_files_of_one_cluster_are_one_recording(tmp_path: Path, form: str) -> None:
    """A second copy, or a later part of the same container, is no second container."""
    for name, values, at in (("a", LEAK, 0), ("b", LEAK, 0), ("c", LEAK[:20], STEP * 60)):
        (tmp_path / name).write_bytes(LOGS[form](values, at))
    with warnings.catch_warnings():
        # That values were given twice is said.
        warnings.simplefilter("ignore", RmtoolkitWarning)
        recording = rm.read(tmp_path)
    assert recording.containers.height == 1
    assert recording.containers["cluster"].to_list() == [None]


class Sheet(NamedTuple):
    """A table as people write it: its head, how a cell of time and one of memory look, and the truth."""

    head: str
    row: Callable[[int, int], str]  # seconds since 1970 and bytes
    truth: str | tuple[str, str]  # the signal, and that all values are those of LEAK; or what the error says
    options: Mapping[str, Any] = {}


def iso(seconds: int) -> str:
    """A time as ISO 8601 has it, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_first(seconds: int) -> str:
    """18/11/2026 11:06:40."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%d/%m/%Y %H:%M:%S")


def german(number: float) -> str:
    """1.234.567,5."""
    return f"{number:,.1f}".replace(",", "_").replace(".", ",").replace("_", ".")


SHEETS = {
    "bytes": Sheet("time,rss_bytes", lambda t, b: f"{iso(t)},{b}", "rss_bytes"),
    "capitals": Sheet("Time,RSS_Bytes", lambda t, b: f"{iso(t)},{b}", "rss_bytes"),
    "rss_kb": Sheet("time,rss_kb", lambda t, b: f"{iso(t)},{b >> 10}", "rss_bytes"),
    "RSS (KB)": Sheet("time,RSS (KB)", lambda t, b: f"{iso(t)},{b >> 10}", "rss_bytes"),
    "rss(KiB)": Sheet("time,rss(KiB)", lambda t, b: f"{iso(t)},{b >> 10}", "rss_bytes"),
    "mem_gb": Sheet("time,mem_gb", lambda t, b: f"{iso(t)},{b / 2**30!r}", "working_set_bytes"),
    "Memory [MiB]": Sheet("time,Memory [MiB]", lambda t, b: f"{iso(t)},{b >> 20}", "working_set_bytes"),
    "memoryMB": Sheet("timestamp,memoryMB", lambda t, b: f"{t},{b >> 20}", "working_set_bytes"),
    "rss in KiB, not said": Sheet("time,rss", lambda t, b: f"{iso(t)},{b >> 10}", "rss_bytes"),
    "RSS in KiB, not said": Sheet("time,RSS", lambda t, b: f"{iso(t)},{b >> 10}", "rss_bytes"),
    "rss in bytes, not said": Sheet("time,rss", lambda t, b: f"{iso(t)},{b}", "rss_bytes"),
    "memory in MiB, not said": Sheet("time,memory", lambda t, b: f"{iso(t)},{b >> 20}", "working_set_bytes"),
    "two units as likely": Sheet("time,rss", lambda t, b: f"{iso(t)},{b // 30}", ("does not say its unit", "rss_kib")),
    "semicolons and commas": Sheet(
        "time;memory_mib", lambda t, b: f"{iso(t)};{b / MIB:.1f}".replace(".", ","), "working_set_bytes"
    ),
    "points between thousands": Sheet("time;rss_kib", lambda t, b: f"{iso(t)};{german(b / 1024)}", "rss_bytes"),
    "commas between thousands": Sheet("time,rss_bytes", lambda t, b: f'{iso(t)},"{b:,}"', "rss_bytes"),
    "a thousand or a fraction": Sheet(
        "time;rss_kib", lambda t, b: f"{iso(t)};{b >> 20},000", ("may be a thousand or a fraction", "write a point")
    ),
    "units in cells": Sheet("time,memory", lambda t, b: f"{iso(t)},{b >> 20} MiB", "working_set_bytes"),
    "units of Kubernetes": Sheet("time,pod,memory", lambda t, b: f"{iso(t)},db-0,{b >> 10}Ki", "working_set_bytes"),
    "day first": Sheet("time,rss_bytes", lambda t, b: f"{day_first(t)},{b}", "rss_bytes"),
    "day or month first": Sheet(
        "time,rss_bytes",
        lambda t, b: f"{day_first(t - 10 * 86_400)},{b}",
        ("day and month cannot be mixed up", "ISO dates"),
    ),
    "local time": Sheet(
        "time,rss_bytes",
        lambda t, b: f"{iso(t + 3600).removesuffix('Z').replace('T', ' ')},{b}",
        "rss_bytes",
        {"timezone": "Europe/Berlin"},
    ),
    "a day and a clock": Sheet("date,time,rss_bytes", lambda t, b: f"{iso(t)[:10]},{iso(t)[11:19]},{b}", "rss_bytes"),
    "a head that is told, with its unit": Sheet(
        "time,foo_mb", lambda t, b: f"{iso(t)},{b >> 20}", "rss_bytes", {"metrics": {"foo_mb": "rss_bytes"}}
    ),
    "a head that is told, without a unit": Sheet(
        "time,foo", lambda t, b: f"{iso(t)},{b >> 20}", "rss_bytes", {"metrics": {"foo": "rss_bytes"}}
    ),
    "days of a spreadsheet": Sheet(
        "time,rss_bytes", lambda t, b: f"{t / 86_400 + 25_569:.6f},{b}", ("days of a spreadsheet", "yyyy-mm-dd")
    ),
    "milliseconds": Sheet("ts\trss_bytes", lambda t, b: f"{t}000\t{b}", "rss_bytes"),
    "a head that nobody knows": Sheet("time,foo", lambda t, b: f"{iso(t)},{b}", ("no memory column", "metrics={")),
    "pods and a head that nobody knows": Sheet(
        "time,pod,foo", lambda t, b: f"{iso(t)},db-0,{b >> 10}", ("no memory column", "metrics={")
    ),
    "a share under a head of kubectl's": Sheet(
        "time,pod,cpu,mem%", lambda t, b: f"{iso(t)},db-0,10,{b >> 22}", ("'time,pod,cpu,mem%'", "memory_bytes")
    ),
    "a head of kubectl's with a number": Sheet(
        "time,pod,cpu_p99,mem_p99", lambda t, b: f"{iso(t)},db-0,10,{b >> 20}", ("mem_p99", "memory_bytes")
    ),
    "a head that is told": Sheet(
        "time,foo,box",
        lambda t, b: f"{iso(t)},{b},db-0",
        "rss_bytes",
        {"metrics": {"foo": "rss_bytes"}, "labels": {"box": "pod"}},
    ),
    "Grafana, a column a series": Sheet(
        '"Time","container_memory_rss{container=""db"", namespace=""shop"", pod=""db-0""}"',
        lambda t, b: f"{iso(t)[:19].replace('T', ' ')},{b}",
        "anon_bytes",
    ),
    "Grafana, for spreadsheets": Sheet(
        'sep=,\n"Time","container_memory_rss{container=""db"", namespace=""shop"", pod=""db-0""}"',
        lambda t, b: f"{iso(t)[:19].replace('T', ' ')},{b >> 20} MiB",
        "anon_bytes",
    ),
    "Grafana, labels without a metric": Sheet(
        '"Time","{container=""db"", namespace=""shop"", pod=""db-0""}"',
        lambda t, b: f"{iso(t)[:19].replace('T', ' ')},{b}",
        ("do not say which metric", "metrics={"),
    ),
    "Grafana, a row a sample": Sheet(
        '"Time","Value","namespace","pod","container"',
        lambda t, b: f"{t}000,{b},shop,db-0,db",
        ("no memory column", "metrics={"),
    ),
    "Grafana, a row a sample, told": Sheet(
        '"Time","Value","namespace","pod","container"',
        lambda t, b: f"{t}000,{b},shop,db-0,db",
        "anon_bytes",
        {"metrics": {"Value": "anon_bytes"}},
    ),
    "pandas, the time is the index": Sheet(",rss_bytes", lambda t, b: f"{iso(t)},{b}", "rss_bytes"),
    "pandas, rows are counted": Sheet(",time,rss_bytes", lambda t, b: f"{(t - T0) // STEP},{iso(t)},{b}", "rss_bytes"),
    "Datadog, a query a column": Sheet(
        'Time,"avg:kubernetes.memory.working_set{pod_name:db-0,kube_namespace:shop}.rollup(avg, 30)"',
        lambda t, b: f"{iso(t)},{b}",
        "working_set_bytes",
    ),
    "Datadog, units in cells": Sheet(
        'timestamp,"kubernetes.memory.usage{pod_name:db-0}"', lambda t, b: f"{t}000,{b >> 20} MiB", "usage_bytes"
    ),
    "Datadog, tags a column": Sheet(
        ',date,metric,"pod_name:db-0,kube_namespace:shop"',
        lambda t, b: f"{(t - T0) // STEP},{iso(t)[:19].replace('T', ' ')},kubernetes.memory.rss (avg),{float(b)}",
        "anon_bytes",
    ),
    "Datadog, a row a sample": Sheet(
        "timestamp,metric,pod_name,value", lambda t, b: f"{iso(t)},kubernetes.memory.usage,db-0,{b}", "usage_bytes"
    ),
    "Datadog, tags in a cell": Sheet(
        "time,scope,query,value",
        lambda t, b: f'{iso(t)},"pod_name:db-0,kube_namespace:shop",avg:kubernetes.memory.usage{{*}},{b}',
        "usage_bytes",
    ),
    "Datadog, tags in columns": Sheet(
        "time,pod_name,kube_namespace,avg:kubernetes.memory.usage{*} by {pod_name}",
        lambda t, b: f"{iso(t)},db-0,shop,{b}",
        "usage_bytes",
    ),
    "Datadog, a mean over pods": Sheet(
        'Time,"avg:kubernetes.memory.usage{*}"',
        lambda t, b: f"{iso(t)},{b}",
        ("of several containers", "without a use"),
    ),
    "Datadog, a share": Sheet(
        'Time,"kubernetes.memory.usage_pct{pod_name:db-0}"',
        lambda t, b: f"{iso(t)},{b / 2**40}",
        ("usage_pct", "without a use"),
    ),
    "Datadog, arithmetic": Sheet(
        'Time,"kubernetes.memory.usage{pod_name:db-0} / 2"',
        lambda t, b: f"{iso(t)},{b}",
        ("no memory column", "metrics={"),
    ),
    "CloudWatch, of ECS": Sheet(
        "Full label,MemoryUtilized web\nLabel,MemoryUtilized\nUnit,Megabytes\nStatistic,Maximum\nPeriod,60",
        lambda t, b: f"{iso(t)[:19].replace('-', '/').replace('T', ' ')},{b >> 20}",
        "working_set_bytes",
    ),
    "CloudWatch, of EKS": Sheet(
        '"Label","pod_memory_working_set db-0"\n"Id","m1"', lambda t, b: f'"{iso(t)}","{b}"', "working_set_bytes"
    ),
    "CloudWatch, kilobytes": Sheet(
        "Label,pod_memory_working_set\nUnit,Kilobytes", lambda t, b: f"{iso(t)},{b >> 10}", "working_set_bytes"
    ),
    "CloudWatch, one line of head": Sheet(
        "Timestamp,MemoryUtilized", lambda t, b: f"{iso(t)},{b >> 20}", "working_set_bytes"
    ),
    "CloudWatch, percents": Sheet(
        "Label,MemoryUtilization\nUnit,Percent", lambda t, b: f"{iso(t)},{b / 2**30}", ("no memory column", "metrics={")
    ),
}

WIDE = {
    "Grafana": ('container_memory_rss{{pod=""{pod}""}}', 1),
    "Datadog": ("kubernetes.memory.rss{{pod_name:{pod}}}", 1),
    "Datadog, tags": ("pod_name:{pod}", 1),
    "CloudWatch": ("MemoryUtilized {pod}", MIB),
    "CloudWatch, without names": ("MemoryUtilized", MIB),
}


@pytest.mark.parametrize("name", WIDE)
def test_a_column_is_a_container(tmp_path: Path, name: str) -> None:
    """Two series side by side: a leak and a flat one, each with the name that its head gives it."""
    head, unit = WIDE[name]
    heads = ",".join(f'"{head.format(pod=pod)}"' for pod in ("db-0", "db-1"))
    rows = [
        f"{iso(T0 + STEP * at)},kubernetes.memory.rss,{one // unit},{other // unit}"
        for at, (one, other) in enumerate(zip(FLAT, LEAK, strict=True))
    ]
    (tmp_path / "week.csv").write_text("\n".join([f"Time,metric,{heads}", *rows]))
    recording = rm.read(tmp_path)
    signal = "working_set_bytes" if unit > 1 else "anon_bytes"
    assert levels(recording, signal) == [FLAT, LEAK]
    if "without" not in name:
        column = "pod" if unit == 1 else "container"
        assert recording.containers[column].to_list() == ["db-0", "db-1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("sheet", SHEETS)
def test_a_table_is_read_right_or_not_at_all(tmp_path: Path, sheet: str, encoding: str) -> None:
    """Units, times, commas and heads: every value as it was, or an error that says what to do."""
    head, row, truth, options = SHEETS[sheet]
    file = tmp_path / "week.csv"
    lines = (row(T0 + STEP * index, value) for index, value in enumerate(LEAK))
    file.write_text("\r\n".join([head, *lines]) + "\r\n", encoding)
    if isinstance(truth, tuple):
        with pytest.raises(RmtoolkitError) as caught:
            rm.read(file, **options)
        assert all(words in str(caught.value) for words in truth)
        return
    recording = rm.read(file, **options)
    assert levels(recording, truth) == [LEAK]
    assert recording.samples["time"].dt.epoch("s").to_list() == [T0 + STEP * index for index in range(len(LEAK))]


@pytest.mark.parametrize("column", ["node", "host", "region", "site"])
@pytest.mark.parametrize("at", [0, 7], ids=["at the same instants", "between"])
def test_a_column_tells_containers_apart(tmp_path: Path, column: str, at: int) -> None:
    """Two hosts in one table, whose containers have one name: a leak and a flat one, told apart by their column."""
    rows = [
        f"{T0 + shift + STEP * index},db,{name},{value}"
        for name, values, shift in (("eu", FLAT, 0), ("us", LEAK, at))
        for index, value in enumerate(values)
    ]
    (tmp_path / "a.csv").write_text("\n".join([f"time,container,{column},rss_bytes", *rows]))
    recording = rm.read(tmp_path / "a.csv")
    assert levels(recording, "rss_bytes") == [FLAT, LEAK]
    assert recording.containers["cluster"].to_list() == ["eu", "us"]


def test_a_column_that_only_marks_rows_tells_nothing_apart(tmp_path: Path) -> None:
    """A state that follows from the value is no second container."""
    rows = [
        f"{T0 + STEP * index},db,{'high' if index % 20 > 12 else 'low'},{(400 if index % 20 > 12 else 100) * MIB}"
        for index in range(100)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["time,container,state,rss_bytes", *rows]))
    assert rm.read(tmp_path / "a.csv").containers.height == 1
