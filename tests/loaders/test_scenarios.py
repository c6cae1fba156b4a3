"""What newcomers have: names, labels, forms and ways in, each with the truth written first. Right, or a clear error."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import re
import warnings
from contextlib import nullcontext
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.schema import DOUBTS, NO_LIMITS, SUMMARIES, SWAPPED, ZEROS
from tests.loaders.conftest import T0
from tests.loaders.remote_read import remote_read as written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MIB, GIB = 1 << 20, 1 << 30
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
        told={"pod": "db", "container": "db", "workload": "db"},
    ),
    "cAdvisor of Compose": Names(
        "container_memory_working_set_bytes",
        {
            "name": "shop-db-1",
            "id": "/docker/a",
            "container_label_com_docker_compose_project": "shop",
            "container_label_com_docker_compose_service": "db",
        },
        told={"namespace": "shop", "pod": "shop-db-1", "container": "db", "workload": "db"},
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
    "Podman": Names("podman_container_mem_usage_bytes", {"id": "0a1b", "name": "db"}, told={"container": "db"}),
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


def protocol(*series: Series) -> bytes:
    """What Telegraf writes of a scrape: its input `prometheus`, the output `file`."""

    def escaped(text: str) -> str:
        return re.sub(r"([ ,=\\])", r"\\\1", text)

    return "".join(
        ",".join(
            [escaped(labels["__name__"]), *(f"{escaped(name)}={escaped(told)}" for name, told in labels.items())]
        ).replace(f",__name__={escaped(labels['__name__'])}", "")
        + f" gauge={value} {round(1000 * (T0 + at + STEP * index))}000000\n"
        for labels, values, at in series
        for index, value in enumerate(values)
    ).encode()


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
    "line protocol": lambda folder, *series: read_back(folder, "a.lp", protocol(*series)),
}


def levels(recording: rm.Recording, signal: str) -> list[list[int]]:
    """The values of each container, the flat one first."""
    rows = recording.samples.drop_nulls(signal).group_by("container_id", maintain_order=True).agg(signal)
    return sorted(rows[signal].to_list(), key=lambda values: values[-1] - values[0])


def rotated(others: Sequence[str], each: int) -> list[tuple[str, str]]:
    """Pair every name with one in `each` of the others, the next one with the next ones: all meet several."""
    return [(names, others[at]) for first, names in enumerate(NAMES) for at in range(first % each, len(others), each)]


@pytest.mark.filterwarnings("ignore:.*what Podman calls memory usage:rmtoolkit.exceptions.RmtoolkitWarning")
@pytest.mark.parametrize(("names", "route"), [*((names, "JSON") for names in NAMES), *rotated([*ROUTES][1:], 3)])
def test_a_container_is_known_by_the_names_of_every_exporter(tmp_path: Path, names: str, route: str) -> None:
    """One container: its samples under the right signal, and what the labels tell of it in the right columns."""
    metric, labels, signal, told = NAMES[names]
    recording = ROUTES[route](tmp_path, ({"__name__": metric, **labels}, LEAK, 0))
    assert levels(recording, signal) == [LEAK]
    assert recording.containers.select(*told).rows(named=True) == [dict(told)]


@pytest.mark.filterwarnings("ignore:.*what Podman calls memory usage:rmtoolkit.exceptions.RmtoolkitWarning")
@pytest.mark.parametrize(("names", "apart"), rotated([*APART], 5))
def test_a_leak_beside_a_flat_container_of_the_same_name_is_kept(tmp_path: Path, names: str, apart: str) -> None:
    """Whatever names them and whatever label differs: both are there, with all of their samples, and none is lost."""
    metric, labels, signal, _ = NAMES[names]
    eu, us = ({"__name__": metric, **labels, **more} for more in APART[apart])
    recording = read_back(tmp_path, "a.json", answer((eu, FLAT, 0), (us, LEAK, 7)))
    assert levels(recording, signal) == [FLAT, LEAK]
    assert recording.containers.height == 2
    assert not recording.report.left_out


def test_each_pair_of_one_answer_is_told_apart_by_its_own_label(tmp_path: Path) -> None:
    """Namespaces of one answer whose containers differ in other labels: however many labels these are together."""
    pairs = [
        ({"__name__": "container_memory_rss", **K8S, "namespace": name, **more}, level, at)
        for name, apart in APART.items()
        for more, level, at in zip(apart, (FLAT, LEAK), (0, 7), strict=True)
    ]
    recording = read_back(tmp_path, "a.json", answer(*pairs))
    assert recording.containers["namespace"].value_counts()["count"].to_list() == [2] * len(APART)
    assert not recording.report.left_out
    assert not recording.report.unusable


@pytest.mark.parametrize(("first", "apart"), list(enumerate(APART)), ids=[*APART])
def test_every_way_in_tells_containers_apart_alike(tmp_path: Path, first: int, apart: str) -> None:
    """The same two containers by file, remote read, VictoriaMetrics or lake are the same recording."""
    series = [
        ({"__name__": "container_memory_rss", **K8S, **more}, level, at)
        for more, level, at in zip(APART[apart], (FLAT, LEAK), (0, 7), strict=True)
    ]
    expected = ROUTES["JSON"](tmp_path, *series)
    for route in [*ROUTES][1 + first % 3 :: 3]:
        recording = ROUTES[route](tmp_path, *series)
        assert recording.containers.drop("source").equals(expected.containers.drop("source")), route
        assert recording.samples.equals(expected.samples), route


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
    by_id = form == "docker stats as JSON"
    with pytest.warns(RmtoolkitWarning, match="several times at once under one name") if by_id else nullcontext():
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


def of_cadvisor(values: list[int], at: float, *others: Series, **labels: str) -> bytes:
    """An answer of cAdvisor, of Docker where nothing else is told."""
    told = labels or {"name": "db", "id": "/docker/a"}
    return answer(({"__name__": "container_memory_working_set_bytes", **told}, values, at), *others)


def names_only(values: list[int], at: float) -> bytes:
    """A table that calls containers by their own names alone."""
    rows = (f"{T0 + at + STEP * index:.0f},db,{value}" for index, value in enumerate(values))
    return "\n".join(["time,container,working_set_bytes", *rows]).encode()


def appended_one_by_one(lake: Path, folder: Path) -> rm.Recording:
    """Read each file of a folder, append it to a lake, and read that."""
    for file in sorted(folder.iterdir()):
        rm.Lake(lake).append(rm.read(file))
    return rm.read(lake)


STUCK = [*LEAK[:20], *[LEAK[19]] * 40]


@pytest.mark.parametrize("first", [LEAK, STUCK], ids=["goes on", "stands still"])
@pytest.mark.parametrize("way", ["job", "own label", "lake", "docker stats", "kubectl top", "CSV"])
def test_what_may_be_a_copy_that_stands_still_is_told(tmp_path: Path, way: str, first: list[int]) -> None:
    """A second look that stops moving, under another label or in a file of its own: another one, and it is said."""
    looks = [(first, 0), (STUCK if first is LEAK else LEAK, 9)]
    if way in ("job", "own label"):
        label, told = way.replace(" ", "_"), {"__name__": "container_memory_rss", **K8S}
        series = [({**told, label: name}, values, at) for name, (values, at) in zip("ab", looks, strict=True)]
        place = tmp_path / "a.json"
        place.write_bytes(answer(*series))
    else:
        place = tmp_path / "of"
        place.mkdir()
        for name, (values, at) in zip(("a", "b"), looks, strict=True):
            (place / name).write_bytes(LOGS.get(way, same_answer)(values, at))
    with pytest.warns(RmtoolkitWarning, match="counts twice"):
        recording = appended_one_by_one(tmp_path / "lake", place) if way == "lake" else rm.read(place)
    assert recording.containers.height == 2
    assert "counts twice" in " ".join(recording.report.unusable)


@pytest.mark.parametrize("first", ["raw", "means"])
def test_a_mean_of_what_a_lake_has_is_told(tmp_path: Path, first: str) -> None:
    """Samples and their means over five minutes in two appends: which is which is not said, so both stay, and it is."""
    teeth = [(100 + 40 * (number % 12)) * MIB for number in range(240)]
    means = [sum(teeth[at : at + 10]) // 10 for at in range(0, 240, 10)]
    told = {"__name__": "container_memory_working_set_bytes", **K8S}
    values = [[T0 + 300 * (at + 1), str(mean)] for at, mean in enumerate(means)]
    result = {"resultType": "matrix", "result": [{"metric": told, "values": values}]}
    looks = {"raw": answer((told, teeth, 0)), "means": json.dumps({"status": "success", "data": result}).encode()}
    (tmp_path / "of").mkdir()
    (tmp_path / "of" / "a.json").write_bytes(looks.pop(first))
    (tmp_path / "of" / "b.json").write_bytes(*looks.values())
    with pytest.warns(RmtoolkitWarning, match="counts twice"):
        recording = appended_one_by_one(tmp_path / "lake", tmp_path / "of")
    assert recording.containers.height == 2


COMPOSE = {
    "name": "db",
    "container_label_com_docker_compose_project": "shop",
    "container_label_com_docker_compose_service": "data",
}
ELSEWHERE = ({"__name__": "container_memory_working_set_bytes", **K8S, "namespace": "bill"}, FLAT[:50], 0)
#: Two looks at a container: the second tells more of it, or of others too.
LOOKS: dict[str, tuple[Callable[..., bytes], Callable[..., bytes]]] = {
    "docker stats, cAdvisor": (docker, of_cadvisor),
    "docker stats as JSON, cAdvisor": (docker_json, of_cadvisor),
    "docker stats, cAdvisor of Compose": (docker, lambda values, at: of_cadvisor(values, at, **COMPOSE)),
    "kubectl top, cAdvisor of two namespaces": (top, lambda values, at: of_cadvisor(values, at, ELSEWHERE, **K8S)),
    "a table of containers, cAdvisor": (names_only, lambda values, at: of_cadvisor(values, at, **K8S)),
}


@pytest.mark.parametrize("at", [0, 7], ids=["at the same instants", "between"])
@pytest.mark.parametrize("looks", LOOKS)
def test_two_looks_at_one_container_are_one(tmp_path: Path, looks: str, at: int) -> None:
    """Equal values and a name in common: one container, called as the source calls it that tells more."""
    (tmp_path / "a").write_bytes(LOOKS[looks][0](LEAK, at))
    (tmp_path / "b").write_bytes(LOOKS[looks][1](LEAK, 0))
    recording, alone = rm.read(tmp_path), rm.read(tmp_path / "b")
    place = ["cluster", "namespace", "workload", "pod", "container", "quantum_bytes"]
    assert recording.containers.select(place).equals(alone.containers.select(place))
    if "table" not in looks:
        # What was rounded adds nothing to what is exact.
        assert recording.samples.drop("threads").equals(alone.samples.drop("threads")) or at


@pytest.mark.parametrize("looks", LOOKS)
def test_two_looks_with_other_values_are_two(tmp_path: Path, looks: str) -> None:
    """The same names and other values: the leak is seen beside the flat one, and it is said."""
    (tmp_path / "a").write_bytes(LOOKS[looks][0](LEAK, 7))
    (tmp_path / "b").write_bytes(LOOKS[looks][1](FLAT, 0))
    recording = rm.read(tmp_path)
    assert levels(recording, "working_set_bytes")[-2:] == [FLAT, LEAK]
    assert re.search("kept apart|told apart by their file", " ".join(recording.report.warnings))


class Sheet(NamedTuple):
    """A table as people write it: its head, how a cell of time and one of memory look, and the truth."""

    head: str
    row: Callable[[int, int], str]  # seconds since 1970 and bytes
    truth: str | tuple[str, str]  # the signal, and that all values are those of LEAK; or what the error says
    options: Mapping[str, Any] = {}


def iso(seconds: int) -> str:
    """A time as ISO 8601 has it, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def month_first(seconds: int) -> str:
    """11/18/2026, 11:06:40.000 AM."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%m/%d/%Y, %I:%M:%S.000 %p")


def day_first(seconds: int) -> str:
    """18/11/2026 11:06:40."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%d/%m/%Y %H:%M:%S")


def german(number: float) -> str:
    """1.234.567,5."""
    return f"{number:,.1f}".replace(",", "_").replace(".", ",").replace("_", ".")


#: The head of a series as Grafana writes it in CSV.
GRAFANA = '"container_memory_rss{container=""db"", namespace=""shop"", pod=""db-0""}"'


def in_tokyo(form: str) -> Callable[[int, int], str]:
    """A row whose time is that of Tokyo, in a form."""
    return lambda t, b: f"{dt.datetime.fromtimestamp(t + 9 * 3600, dt.UTC).strftime(form)},{b >> 20}"


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
    **{
        f"the half of the day before the clock, {form}": Sheet(
            "time,memory_mib",
            in_tokyo(form),
            "working_set_bytes",
            {"timezone": "Asia/Tokyo"},
        )
        for form in ("%Y/%m/%d 下午%I:%M:%S", "%Y년 %m월 %d일 오후 %I:%M:%S")
    },
    "semicolons and commas": Sheet(
        "time;memory_mib", lambda t, b: f"{iso(t)};{b / MIB:.1f}".replace(".", ","), "working_set_bytes"
    ),
    "points between thousands": Sheet("time;rss_kib", lambda t, b: f"{iso(t)};{german(b / 1024)}", "rss_bytes"),
    "commas between thousands": Sheet("time,rss_bytes", lambda t, b: f'{iso(t)},"{b:,}"', "rss_bytes"),
    "a thousand or a fraction": Sheet(
        "time;rss_kib", lambda t, b: f"{iso(t)};{b >> 20},000", ("may be a thousand or a fraction", "write a point")
    ),
    "a thousand or a fraction, some below": Sheet(
        "time;memory_mib",
        lambda t, b: f"{iso(t)};{(b >> 20) + 880:,}".replace(",", "."),
        ("may be a thousand or a fraction", "no sign between digits"),
    ),
    **{
        f"parts of a KiB, all below a thousand: {head}": Sheet(
            f"time;pod;{head}",
            lambda t, b: f"{iso(t)};db-0;{b >> 10:,}".replace(",", "."),
            ("may be a thousand or a fraction", "no sign between digits"),
        )
        for head in ("rss_kib", "rssKiB", "rssKB", "rss_kilobytes")
    },
    **{
        f"parts of a KiB beside MiB: {head}": Sheet(
            f"time,pod,rss_mib,{head}", lambda t, b: f"{iso(t)},db-0,{b / MIB:.6f},{100 + b % 99 / 7:.3f}", "rss_bytes"
        )
        for head in ("swap_kib", "kernel_kib", "sock_kb")
    },
    "parts of a MiB": Sheet("time;pod;rss_mib", lambda t, b: f"{iso(t)};db-0;{b / MIB:.3f}", "rss_bytes"),
    "bytes called MiB": Sheet("time,memory_mib", lambda t, b: f"{iso(t)},{b}", ("No machine has", "call it")),
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
        "time,pod,cpu,mem%", lambda t, b: f"{iso(t)},db-0,10,{b >> 22}", ("no memory column", "mem%")
    ),
    "a head of kubectl's with a number": Sheet(
        "time,pod,cpu_p99,mem_p99", lambda t, b: f"{iso(t)},db-0,10,{b >> 20}", ("no memory column", "mem_p99")
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
        'Time,"avg:kubernetes.memory.working_set{pod_name:db-0,kube_namespace:shop}.rollup(max, 30)"',
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
    "Grafana, GiB in cells": Sheet(
        f"Time,{GRAFANA}", lambda t, b: f"{iso(t)[:19].replace('T', ' ')},{b / 2**30:.10f} GiB", "anon_bytes"
    ),
    "Grafana, MB in cells": Sheet(f"Time,{GRAFANA}", lambda t, b: f"{t}000,{b / 1e6:.6f} MB", "anon_bytes"),
    "Grafana, units shorter than those of bytes": Sheet(
        f"Time,{GRAFANA}", lambda t, b: f"{t}000,{b / 1e6:.1f} Mil", ("104.9 Mil", "such as 300 MiB")
    ),
    "Grafana in German": Sheet(
        f"Time;{GRAFANA}",
        lambda t, b: f'{dt.datetime.fromtimestamp(t, BERLIN):%d.%m.%Y %H:%M:%S};"{german(b / MIB)} MiB"',
        "anon_bytes",
        {"timezone": "Europe/Berlin"},
    ),
    "Grafana in French": Sheet(
        f"Time;{GRAFANA}", lambda t, b: f"{day_first(t)};{german(b / 1024).replace('.', chr(0x202F))} KiB", "anon_bytes"
    ),
    "Grafana in American": Sheet(
        f"Time,{GRAFANA}", lambda t, b: f"{dt.datetime.fromtimestamp(t, dt.UTC):%m/%d/%Y %I:%M:%S %p},{b}", "anon_bytes"
    ),
    "Grafana, series to rows": Sheet("Time,Metric,Value", lambda t, b: f"{t}000,{GRAFANA},{b}", "anon_bytes"),
    "Grafana, labels to fields": Sheet(
        "Time,__name__,container,id,job,namespace,pod,Value",
        lambda t, b: f"{t}000,container_memory_rss,db,/kubepods/a,kubelet,shop,db-0,{b}",
        "anon_bytes",
    ),
    "Grafana, a query by its letter": Sheet(
        "Time,namespace,pod,Value #A", lambda t, b: f"{t}000,shop,db-0,{b}", ("no memory column", "metrics={")
    ),
    "Grafana, a query by its letter, told": Sheet(
        "Time,namespace,pod,Value #A",
        lambda t, b: f"{t}000,shop,db-0,{b}",
        "anon_bytes",
        {"metrics": {"Value #A": "anon_bytes"}},
    ),
    "Grafana, pods as heads, told": Sheet(
        "Time,db-0,web-0",
        lambda t, b: f"{t}000,{b >> 20},",
        "rss_bytes",
        {"metrics": {"db-0": "rss_bytes", "web-0": "rss_bytes"}},
    ),
    "Grafana, heads over CPU": Sheet(
        "Time,db-0,web-0", lambda t, b: f"{t}000,{b / 2**33},.5", ("no memory column", "metrics={")
    ),
    "files of a cgroup": Sheet(
        "ts,memory.current,memory.peak,memory.swap.current,memory.max,memory_max,oom_kill",
        lambda t, b: f"{t},{b},{b + MIB},0,max,{MIB},0",
        "usage_bytes",
    ),
    "means, maxima and minima": Sheet(
        "ts,memory.used,memory.max,memory.min", lambda t, b: f"{t},{b},{b + MIB},{b - MIB}", "working_set_bytes"
    ),
    "the most of what a cgroup has now": Sheet(
        "ts,memory.current,memory.max,memory.avg", lambda t, b: f"{t},{b},{b + MIB},{b - MIB}", "usage_bytes"
    ),
    "kills, yes or no": Sheet("time,rss_bytes,oom_kill", lambda t, b: f"{t},{b},{str(b % 2 > 0).lower()}", "rss_bytes"),
    "what New Relic calls a process": Sheet(
        "timestamp,processDisplayName,memoryResidentSizeBytes", lambda t, b: f"{t}000,db,{b}", "rss_bytes"
    ),
    "ram": Sheet("time,ram_mib,swap_mib", lambda t, b: f"{iso(t)},{b >> 20},0", "working_set_bytes"),
    "a head that is told, its unit before a statistic": Sheet(
        "time,foo_mib_avg", lambda t, b: f"{iso(t)},{b >> 20}", "rss_bytes", {"metrics": {"foo_mib_avg": "rss_bytes"}}
    ),
    "Grafana, pods as heads": Sheet("Time,db-0", lambda t, b: f"{t}000,{b}", ("no memory column", "metrics={")),
    "a spreadsheet in Switzerland": Sheet(
        "time;pod;rss_kib",
        lambda t, b: f"{day_first(t).replace('/', '.')};db-0;{b >> 10:,}".replace(",", "'"),
        "rss_bytes",
    ),
    "a spreadsheet in German": Sheet(
        "Datum;Uhrzeit;Pod;Speicher (MB)",
        lambda t, b: f"{day_first(t).replace(' ', ';')};db-0;{german(b / MIB)}",
        "working_set_bytes",
    ),
    "a spreadsheet in Polish": Sheet(
        "Czas;Pod;Pamięć (MB)", lambda t, b: f"{day_first(t)};db-0;{b >> 20}", ("Czas;Pod", "call the columns time")
    ),
    "amounts of a machine": Sheet(
        "time,total,used,free", lambda t, b: f"{iso(t)},{16 << 20},{b >> 10},{9 << 20}", ("no memory column", "pod")
    ),
    "a heap's free memory alone": Sheet(
        "time,total_bytes,used_bytes,free_bytes",
        lambda t, b: f"{iso(t)},{GIB},{b},{GIB - b}",
        ("no memory column", "pod"),
    ),
    "text in quotes, as Excel keeps it": Sheet(
        'time, "pod", "rss_bytes"', lambda t, b: f'{iso(t)}, ="db-0", " {b} "', "rss_bytes"
    ),
    "years of two digits": Sheet(
        "time;rss_bytes", lambda t, b: f"{dt.datetime.fromtimestamp(t, dt.UTC):%d.%m.%y %H:%M:%S};{b}", "rss_bytes"
    ),
    "a zone that is named": Sheet(
        "time,rss_bytes", lambda t, b: f"{dt.datetime.fromtimestamp(t, BERLIN):%Y-%m-%d %H:%M:%S} CET,{b}", "rss_bytes"
    ),
    "hours from Greenwich": Sheet(
        "time,rss_bytes",
        lambda t, b: f"{dt.datetime.fromtimestamp(t, BERLIN):%Y-%m-%d %H:%M:%S} UTC+1,{b}",
        "rss_bytes",
    ),
    "times of JavaScript": Sheet(
        "time,rss_bytes",
        lambda t, b: (
            f"{dt.datetime.fromtimestamp(t, BERLIN):%a %b %d %Y %H:%M:%S} GMT+0100 (Central European Time),{b}"
        ),
        "rss_bytes",
    ),
    "a zone that is three": Sheet(
        "time,rss_bytes",
        lambda t, b: f"{dt.datetime.fromtimestamp(t, BERLIN):%Y-%m-%d %H:%M:%S} IST,{b}",
        ("IST", "timezone="),
    ),
    "a zone by its city": Sheet(
        "time,rss_bytes",
        lambda t, b: f"{dt.datetime.fromtimestamp(t, BERLIN):%Y-%m-%d %H:%M:%S} Europe/Berlin,{b}",
        ("Europe/Berlin", "timezone="),
    ),
    "halves of a second, east": Sheet(
        "time,rss_bytes",
        lambda t, b: f"{dt.datetime.fromtimestamp(t, BERLIN):%Y-%m-%dT%H:%M:%S}.500+0100,{b}",
        "rss_bytes",
    ),
    "two units in one column": Sheet(
        "time,memory",
        lambda t, b: f"{iso(t)},{f'{b >> 20} MiB' if t % 60 else f'{b / 2**30:.10f} GiB'}",
        "working_set_bytes",
    ),
    "a unit in its first cell alone": Sheet(
        "time,memory",
        lambda t, b: f"{iso(t)},{b >> 20}{' MiB' * (t == T0)}",
        ("some amounts have a unit", "105 has none"),
    ),
    "a unit in all cells but one": Sheet(
        "time,memory",
        lambda t, b: f"{iso(t)},{b >> 20}{' MiB' * (t != T0)}",
        ("some amounts have a unit", "100 has none"),
    ),
    "bytes beside units": Sheet(
        "time,memory", lambda t, b: f"{iso(t)},{f'{b >> 20}Mi' if t % 60 else b}", "working_set_bytes"
    ),
    "a share alone": Sheet(
        "time,memory_percent", lambda t, b: f"{iso(t)},{b / 2**33:.4f}", ("no memory column", "metrics={")
    ),
    "pages": Sheet("time,rss_pages", lambda t, b: f"{iso(t)},{b >> 12}", ("no memory column", "metrics={")),
    "units of France": Sheet(
        "time,memory", lambda t, b: f"{iso(t)},{b >> 20} Mio", ("no sample is left", "no numbers")
    ),
    "New Relic": Sheet(
        "Timestamp,Pod Name,Memory Working Set Bytes", lambda t, b: f"{t}000,db-0,{b}", "working_set_bytes"
    ),
    "Azure's Log Analytics": Sheet(
        '"TimeGenerated [UTC]",Computer,CounterName,CounterValue',
        lambda t, b: f'"{iso(t)}",aks,memoryWorkingSetBytes,{b}',
        ("'memoryWorkingSetBytes of no container'", "without a use"),
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


# What bytes mean is known before what is in them: each encoding meets a third of the sheets.
@pytest.mark.parametrize(("sheet", "encoding"), [*zip(SHEETS, cycle(["utf-8", "utf-8-sig", "utf-16"]))])
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
    guessed = " in " in sheet and sheet.endswith("iB, not said")
    with pytest.warns(RmtoolkitWarning, match="does not say its unit") if guessed else nullcontext():
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


@pytest.mark.parametrize("unit", ["", " MiB"])
def test_grafanas_legends_are_pods(tmp_path: Path, unit: str) -> None:
    """Heads that are names alone, over whole pages or amounts that say bytes: it is told that they are read as pods."""
    factor = MIB if unit else 1
    rows = [f"{t}000,{FLAT[at] // factor}{unit},{LEAK[at] // factor}{unit}" for at, t in enumerate(range(T0, T0 + N))]
    (tmp_path / "a.csv").write_text("\n".join(['"Time","web-0","db-0"', *rows]))
    with pytest.warns(
        RmtoolkitWarning, match="each column was read as the memory of a pod of that name, such as 'web-0'"
    ):
        recording = rm.read(tmp_path / "a.csv")
    assert levels(recording, "working_set_bytes") == [FLAT, LEAK]
    assert recording.containers["pod"].to_list() == ["db-0", "web-0"]


def test_a_column_that_only_marks_rows_tells_nothing_apart(tmp_path: Path) -> None:
    """A state that follows from the value is no second container."""
    rows = [
        f"{T0 + STEP * index},db,{'high' if index % 20 > 12 else 'low'},{(400 if index % 20 > 12 else 100) * MIB}"
        for index in range(100)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["time,container,state,rss_bytes", *rows]))
    assert rm.read(tmp_path / "a.csv").containers.height == 1


def test_two_series_that_take_turns_are_told(tmp_path: Path) -> None:
    """A table without names whose every second value is another container's; one that swings at random is silent."""
    rows = [f"{T0 + STEP * at + late},{values[at]}" for at in range(N) for values, late in ((FLAT, 0), (LEAK, 7))]
    (tmp_path / "a.csv").write_text("\n".join(["time,rss_bytes", *rows]))
    with pytest.warns(RmtoolkitWarning, match="'rss_bytes' two series seem to take turns"):
        assert "take turns" in str(rm.read(tmp_path / "a.csv").report.warnings)
    rows = [f"{T0 + STEP * at},{(100 + at * 37 % 60) * MIB}" for at in range(N)]
    (tmp_path / "a.csv").write_text("\n".join(["time,rss_bytes", *rows]))
    assert not rm.read(tmp_path / "a.csv").report.warnings


def apart(values: Sequence[float], route: str, late: int = 0) -> Callable[[Path], rm.Recording]:
    """A pod's amounts in a table; or the second half in another file, or in another append to a lake."""

    def read(folder: Path) -> rm.Recording:
        rows = [f"{T0 + STEP * at + late * (at >= N // 2)},db-0,{value}" for at, value in enumerate(values)]
        (folder / "of").mkdir()
        for name, some in (("a", rows[: N // 2]), ("b", rows[N // 2 :])) if route != "table" else (("a", rows),):
            (folder / "of" / f"{name}.csv").write_text("\n".join(["time,pod,rss_bytes", *some, ""]))
        return appended_one_by_one(folder / "lake", folder / "of") if route == "lake" else rm.read(folder / "of")

    return read


@pytest.mark.parametrize("route", ["table", "files", "lake"])
@pytest.mark.parametrize("factor", [1 << 10, 10**6])
def test_a_unit_that_changes_on_the_way_is_told(tmp_path: Path, factor: int, route: str) -> None:
    """From one value to the next amounts are a thousandth, or a millionth, and stay so; a restart is no such thing."""
    both = [value if at < N // 2 else value // factor for at, value in enumerate(LEAK)]
    with pytest.warns(RmtoolkitWarning, match="'db-0' may change unit"):
        recording = apart(both, route)(tmp_path)
    assert "'db-0' may change unit" in str(recording.report.unusable)
    (tmp_path / "silent").mkdir()
    rest = [value if at % 20 else value // factor for at, value in enumerate(FLAT)]
    assert not apart(rest, "table")(tmp_path / "silent").report.unusable


def test_a_unit_that_changes_beyond_a_gap_and_a_restart_is_told(tmp_path: Path) -> None:
    """Where one side is less than anything needs, the other need not be just a thousand times of it."""
    both = [value >> 10 if at < N // 2 else value - 100 * MIB for at, value in enumerate(LEAK)]
    with pytest.warns(RmtoolkitWarning, match="'db-0' may change unit"):
        apart(both, "table", late=7200)(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([500 << 10] * 20 + [300 * MIB] * 40, id="starts small"),
        pytest.param(([900 << 10] * 10 + [400 * MIB] * 10) * 3, id="idles"),
        pytest.param(([500 << 10] * 10 + [500 * MIB] * 10) * 3, id="idles at a thousandth"),
    ],
)
def test_who_starts_small_or_idles_changes_no_unit(tmp_path: Path, values: list[int]) -> None:
    """A few hundred times more at once is a service that wakes, and so is a thousand times more, again and again."""
    assert not apart(values, "table")(tmp_path).report.unusable


def test_of_several_that_change_their_unit_it_is_said_of_each() -> None:
    """What stands behind names fits one and several."""
    both = [value if at < N // 2 else value >> 10 for at, value in enumerate(LEAK)]
    times = range(T0, T0 + STEP * N, STEP)
    tables = [pl.DataFrame({"time": times, "pod": f"db-{number}", "rss_bytes": both}) for number in range(5)]
    with pytest.warns(RmtoolkitWarning, match="'db-0', 'db-1', 'db-2' and 2 more may change unit on the way: from"):
        rm.Recording.from_frame(pl.concat(tables))


@pytest.mark.parametrize("route", ["table", "files", "lake"])
@pytest.mark.parametrize("bits", ["begins again", "of 32", "of 31"])
def test_amounts_that_lack_bits_are_told(tmp_path: Path, bits: str, route: str) -> None:
    """What is kept in 32 bits begins again, or stays at the most, whatever it is read of."""
    real = [value + (900 if bits == "of 31" else 1900) * MIB for value in LEAK]
    most = {"of 32": 2**32 - 1, "of 31": 2**31 - 1}.get(bits)
    kept = [min(value * 2, most) if most else value * 2 % 2**32 for value in real]
    with pytest.warns(RmtoolkitWarning, match="'db-0' may have lost bits"):
        recording = apart(kept, route)(tmp_path)
    assert "'db-0' may have lost bits" in str(recording.report.unusable)


@pytest.mark.parametrize("times", [1, 6])
@pytest.mark.parametrize("known", ["limit_bytes", "restarts_total", "oom_kills_total", "nothing"])
def test_who_fills_4_gib_and_starts_again_lacks_no_bits(times: int, known: str) -> None:
    """At its limit, where it is made anew, or again and again; a lone fall that nothing explains is told."""
    fill = [*range(80 * MIB, 4096 * MIB, 100 * MIB)]
    values = [*fill * times, *fill[:20]]
    lives = [at // len(fill) for at in range(len(values))]
    stamps = range(T0, T0 + 3600 * len(values), 3600)
    table = pl.DataFrame({"time": stamps, "pod": "db-0", "rss_bytes": values, known: lives})
    table = table.with_columns(limit_bytes=4096 * MIB) if known == "limit_bytes" else table
    with pytest.warns(RmtoolkitWarning) if known == "nothing" and times == 1 else nullcontext():
        unusable = rm.Recording.from_frame(table).report.unusable
    assert ("may have lost bits" in str(unusable)) == (known == "nothing" and times == 1)


@pytest.mark.parametrize("of_one", [True, False])
def test_a_source_of_more_bits_says_nothing_of_another(tmp_path: Path, of_one: bool) -> None:
    """Where a container of one table has more than 4 GiB its others lack no bits; those of another table may."""
    tables = {"a": [value * 20 for value in LEAK], "b": [(value * 2 + 3600 * MIB) % 2**32 for value in LEAK]}
    for name, values in tables.items():
        rows = (f"{T0 + STEP * at},{name}-0,{value}\n" for at, value in enumerate(values))
        with (tmp_path / ("a.csv" if of_one else f"{name}.csv")).open("a") as file:
            file.writelines(["time,pod,rss_bytes\n", *rows])
    with nullcontext() if of_one else pytest.warns(RmtoolkitWarning, match="'b-0' may have lost bits"):
        recording = rm.read(tmp_path)
    assert ("may have lost bits" in str(recording.report.unusable)) != of_one


@pytest.mark.parametrize("signal", ["file_bytes", "inactive_file_bytes", "swap_bytes"])
def test_files_that_come_at_once_change_no_unit(tmp_path: Path, signal: str) -> None:
    """Of page cache and swap there may be a page for long, and then as much as a thousand of them."""
    rows = [f"{T0 + STEP * at},db-0,{value},{4096 << (10 * (at > N // 2))}" for at, value in enumerate(LEAK)]
    (tmp_path / "a.csv").write_text("\n".join([f"time,pod,rss_bytes,{signal}", *rows, ""]))
    assert not rm.read(tmp_path / "a.csv").report.unusable


@pytest.mark.parametrize("after", [300 * MIB, 40 * MIB])
def test_what_is_killed_at_4_gib_lacks_no_bits(tmp_path: Path, after: int) -> None:
    """It begins again with what it needs to start; and what goes beyond 4 GiB elsewhere has more bits."""
    both = [2**32 - (30 - at) * MIB if at < 30 else after + at * MIB for at in range(N)]
    if after == 40 * MIB:
        both[-1] = 5 * GIB
    assert not apart(both, "table")(tmp_path).report.unusable


def cloudwatch(statistic: str) -> bytes:
    """What the console exports of a metric of ECS, with its statistic."""
    head = f"Full label,MemoryUtilized web\nLabel,MemoryUtilized\nUnit,Megabytes\nStatistic,{statistic}\n"
    return (head + "".join(f"{iso(T0 + STEP * at)},{value >> 20}\n" for at, value in enumerate(LEAK))).encode()


def cloudwatch_json(statistic: str) -> bytes:
    """What `get-metric-statistics` prints of one statistic."""
    points = [
        {"Timestamp": iso(T0 + STEP * at), statistic: value / MIB, "Unit": "Megabytes"} for at, value in enumerate(LEAK)
    ]
    return json.dumps({"Label": "MemoryUtilized", "Datapoints": points}).encode()


def cloudwatch_in_part(statistic: str) -> bytes:
    """The same, of which some points have a maximum as well."""
    told = json.loads(cloudwatch_json(statistic))
    for point in told["Datapoints"][::3]:
        point["Maximum"] = point[statistic] + 1
    return json.dumps(told).encode()


def datadog_json(statistic: str) -> bytes:
    """An answer of Datadog that repeats its query."""
    query = f"avg:kubernetes.memory.usage{{pod_name:db-0}}.rollup({statistic}, 30)"
    points = [[1000 * (T0 + STEP * at), value] for at, value in enumerate(LEAK)]
    series = {"metric": "kubernetes.memory.usage", "expression": query, "tag_set": ["pod_name:db-0"]}
    return json.dumps({"series": [{**series, "pointlist": points}]}).encode()


def rolled_up(statistic: str) -> bytes:
    """A query of Datadog that sums up each stretch of time."""
    rows = "".join(f"{iso(T0 + STEP * at)},{value}\n" for at, value in enumerate(LEAK))
    return f'Time,"kubernetes.memory.usage{{pod_name:db-0}}.rollup({statistic}, 30)"\n{rows}'.encode()


def of_each(statistic: str) -> bytes:
    """A table that says of each amount which statistic it is."""
    return rows_of("time,pod,stat,rss_bytes", lambda time, leak, _: f"{time},db-0,{statistic},{leak}")


def annotated(statistic: str) -> bytes:
    """What InfluxDB's page exports: the result has the name of what it made of each stretch."""
    head = f"#datatype,string,long,dateTime:RFC3339,double,string,string,string\n#default,{statistic},,,,,,\n"
    head += ",result,table,_time,_value,_field,_measurement,container_name\n"
    rows = (f",,0,{iso(T0 + STEP * at)},{value},usage,docker_container_mem,web\n" for at, value in enumerate(LEAK))
    return (head + "".join(rows)).encode()


def by_label(statistic: str) -> bytes:
    """An answer of a rule whose label says it."""
    return answer(of(WORKING_SET, LEAK, quantile=statistic))


@pytest.mark.parametrize(
    ("form", "statistic"),
    [
        *((cloudwatch, name) for name in ("Average", "Minimum", "p50", "Maximum", "p99", "Sum", "SampleCount")),
        *((cloudwatch_json, name) for name in ("Average", "Maximum", "Sum")),
        (cloudwatch_in_part, "Average"),
        *(
            (of_datadog, name)
            for of_datadog in (rolled_up, datadog_json)
            for name in ("avg", "min", "max", "sum", "count")
        ),
        *((of_each, name) for name in ("avg", "mean", "max")),
        *((annotated, name) for name in ("mean", "max", "_result")),
        *((by_label, name) for name in ("0.5", "0.99")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_is_no_maximum_is_told_by_what_its_source_says(
    tmp_path: Path, form: Callable[[str], bytes], statistic: str
) -> None:
    """A mean hides peaks, and a warning says so; a sum over time, or a count, is no amount of memory at all."""
    file = tmp_path / "a.txt"
    file.write_bytes(form(statistic))
    if statistic.lower() in ("sum", "samplecount", "count"):
        with pytest.raises(RmtoolkitError, match=f"as {statistic}|without samples"):
            rm.read(file)
        return
    is_less = statistic.lower() not in ("maximum", "max", "p99", "0.99", "_result")
    with pytest.warns(RmtoolkitWarning, match="how high it went is not in it") if is_less else nullcontext():
        recording = rm.read(file)
    assert ("how high it went is not in it" in str(recording.report.unusable)) == is_less
    name = next(name for name in recording.samples.columns[2:] if recording.samples[name].count())
    assert levels(recording, name) == [LEAK]


@pytest.mark.parametrize("route", ["files", "lake"])
@pytest.mark.parametrize("steps", [2, 4, 10, 120])
def test_what_is_seen_far_less_often_later_is_told(tmp_path: Path, route: str, steps: int) -> None:
    """Samples, and then values of five minutes or an hour: if these are means, their peaks are not there."""
    (tmp_path / "of").mkdir()
    for name, begin, step in (("a", T0, STEP), ("b", T0 + 86_400, STEP * steps)):
        rows = [f"{begin + step * at},db-0,{value}" for at, value in enumerate(LEAK)]
        (tmp_path / "of" / f"{name}.csv").write_text("\n".join(["time,pod,rss_bytes", *rows, ""]))
    found = appended_one_by_one(tmp_path / "lake", tmp_path / "of") if route == "lake" else rm.read(tmp_path / "of")
    assert ("'db-0' seen far less often" in str(found.report.warnings)) == (steps > 4)


@pytest.mark.parametrize("column", ["oom_kills_total", "restarts_total"])
@pytest.mark.parametrize(
    ("at", "size"),
    [((7, 8, 20, 40), 1), ((7, 20, 21, 22, 40, 50), 1), ((9, 30), 2), ((1, 59), 1)],
    ids=["two in a row", "three in a row", "two at once", "at the ends"],
)
def test_what_is_counted_in_each_interval_happened_then(column: str, at: tuple[int, ...], size: int) -> None:
    """A count that is 0 nearly always, again and again, is no counter: each is one, and nothing was made anew."""
    counts = [size * (index in at) for index in range(N)]
    table = pl.DataFrame({"time": range(T0, T0 + STEP * N, STEP), "pod": "db-0", "rss_bytes": LEAK, column: counts})
    kind = "oom_kill" if column.startswith("oom") else "start"
    events = rm.Recording.from_frame(table).events
    assert events["kind"].to_list() == [kind] * len(at)
    assert (events["time"].dt.epoch("s") - T0).to_list() == [STEP * index for index in at]


@pytest.mark.parametrize("column", ["result", "stat", "aggregation"])
@pytest.mark.parametrize("code", [0, 1, 300])
def test_a_number_that_is_no_quantile_is_no_statistic(column: str, code: int) -> None:
    """A program's exit code, or a window's length, beside the samples."""
    table = pl.DataFrame({"time": range(T0, T0 + STEP * N, STEP), "pod": "db-0", "rss_bytes": LEAK, column: code})
    assert not rm.Recording.from_frame(table).report.unusable


@pytest.mark.parametrize("stands", [2, 3])
def test_a_counter_that_stands_before_it_falls_counts_on(stands: int) -> None:
    """One kill, seen in several samples, and then a container that was made anew: twice the same."""
    counts = [*[0] * 20, *[1] * stands, *[0] * 20, *[1] * stands]
    counts += [0] * (N - len(counts))
    stamps = range(T0, T0 + STEP * N, STEP)
    table = pl.DataFrame({"time": stamps, "pod": "db-0", "rss_bytes": LEAK, "oom_kills_total": counts})
    assert rm.Recording.from_frame(table).events["kind"].to_list() == ["oom_kill", "start"] * 2


@pytest.mark.parametrize("label", ["region", "site", "node", "instance", "uid"])
def test_one_name_under_a_label_and_then_another_is_told(tmp_path: Path, label: str) -> None:
    """A pod that is gone in one region and seen in another later is read as one, and that is said; pods may move."""
    first, then = (of(WORKING_SET, LEAK, K8S, at, **{label: name}) for at, name in ((0, "eu"), (86_400, "us")))
    recording = read_back(tmp_path, "a.json", answer(first, then))
    said = f"1 container of one name, under one '{label}' and then another: read as one"
    assert (said in recording.report.warnings) == (label in ("region", "site"))


@pytest.mark.parametrize("word", ["max", "unlimited", "Infinity", "<none>", "No limit", "0"])
def test_no_limit_is_known_in_words(tmp_path: Path, word: str) -> None:
    """As cgroups, systemd, Docker and kubectl write it: nothing is unknown, and nothing lost."""
    rows = [f"{T0 + STEP * at},db-0,{value},{word},{word}" for at, value in enumerate(LEAK)]
    (tmp_path / "a.csv").write_text("\n".join(["time,pod,rss_bytes,limit_bytes,request_bytes", *rows]))
    recording = rm.read(tmp_path / "a.csv")
    assert recording.containers.select("limit_bytes", "limit_known", "request_bytes").rows() == [(None, True, None)]
    assert not recording.report.left_out


def test_a_limit_of_half_a_byte_is_unknown(tmp_path: Path) -> None:
    """What `512m` comes to is no limit that anything runs in, and none is not set; other parts of a byte are none."""
    name = "kube_pod_container_resource_limits_memory_bytes"
    (tmp_path / "a.json").write_bytes(of_cadvisor(LEAK, 0, of(name, [512] * N), **K8S).replace(b'"512"', b'"0.512"'))
    with pytest.warns(RmtoolkitWarning, match="1 limit below 1 MiB"):
        recording = rm.read(tmp_path / "a.json")
    assert recording.containers.select("limit_bytes", "limit_known").rows() == [(None, False)]
    said = (tmp_path / "a.json").read_bytes().replace(b'"0.512"', b'"536870912.4"')
    (tmp_path / "a.json").write_bytes(said)
    assert rm.read(tmp_path / "a.json").containers["limit_bytes"].to_list() == [512 * MIB]


def test_a_name_is_that_of_a_pod_where_kubectl_says_so_or_what_the_user_says(tmp_path: Path) -> None:
    """Pods of kubectl top in a CSV stay pods, and a label that the user names goes before a column `name`."""
    rows = [f"{T0 + STEP * at},web-7d9f8b6c5d-{pod},{value >> 20}Mi" for at, value in enumerate(LEAK) for pod in "xy"]
    (tmp_path / "a.csv").write_text("\n".join(["time,NAME,MEMORY(bytes)", *rows]))
    recording = rm.read(tmp_path / "a.csv")
    assert sorted(recording.containers["pod"]) == ["web-7d9f8b6c5d-x", "web-7d9f8b6c5d-y"]
    rows = [f"{T0 + STEP * at},host1,api,{value}" for at, value in enumerate(LEAK)]
    (tmp_path / "a.csv").write_text("\n".join(["time,name,svc,rss_bytes", *rows]))
    assert rm.read(tmp_path / "a.csv", labels={"svc": "container"}).containers["container"].to_list() == ["api"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"labels": {"svc": "container"}}, "labels={'svc': 'container'}"),
        ({"metrics": {"own": "allocated_bytes"}}, "metrics={'own': 'allocated_bytes'}"),
        ({"metrics": {"anon_bytes": "anon_bytes"}}, "metrics={'anon_bytes': 'anon_bytes'}"),
        ({"metrics": {"x": "rss_bytes"}}, "metrics={'x': 'rss_bytes'}"),
        ({"metrics": {"heap": "allocated_bytes"}}, ""),
        ({"labels": {"team": "workload"}}, ""),
    ],
)
@pytest.mark.parametrize("form", ["a.json", "a.csv", "a.parquet", "several"])
def test_a_name_that_is_nowhere_is_told(tmp_path: Path, form: str, given: dict[str, Any], told: str) -> None:
    """What a user gives a meaning to and nothing has is misspelt; what one of several files has is not."""
    some = [of(name, LEAK, K8S, team="x") for name in (WORKING_SET, "heap")]
    table = pl.DataFrame({"time": [T0 + STEP * at for at in range(N)], "rss_bytes": LEAK, "pod": "a-0"})
    whole = table.with_columns(pl.lit("x").alias("team"), heap="rss_bytes")
    if form in ("a.json", "several"):
        (tmp_path / "a.json").write_bytes(answer(*some))
    if form != "a.json":
        made = table if form == "several" else whole
        made.write_csv(tmp_path / "a.csv") if form != "a.parquet" else made.write_parquet(tmp_path / form)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        rm.read(tmp_path, **given)
    said = [str(one.message) for one in found if "is called so" in str(one.message)]
    assert said == ([f"{told}: nothing in these files is called so."] if told else [])


@pytest.mark.parametrize("form", ["a.json", "a.csv"])
@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        ([5 * MIB / 30 + at / 7 for at in range(60)], True),
        ([3 * MIB + at / 7 for at in range(60)], True),
        ([600_000 + 4096 * (at % 3) + 0.25 for at in range(60)], True),
        ([value + 0.25 for value in LEAK], True),
        ([300_000 + 4096 * (at % 3) for at in range(60)], False),
        ([300_000 + (at == 7) / 2 for at in range(60)], False),
        ([0 if at % 3 else 300_000 + at / 7 for at in range(60)], True),
        ([(123.4 + at % 9 / 10) * MIB for at in range(60)], False),
        ([(1.234 + at % 9 / 1000) * 1024 * MIB for at in range(60)], False),
    ],
    ids=[
        *("a rate", "a fast rate", "means of a small program", "means", "a small program", "one odd sample"),
        *("a rate of what mostly idles", "as Docker writes MiB", "as Docker writes GiB"),
    ],
)
def test_a_rate_under_its_metrics_own_name_is_told(tmp_path: Path, form: str, values: list[Any], is_told: bool) -> None:
    """It is no amount, or a mean: bytes are counted whole, however many there are."""
    table = pl.DataFrame({"time": [T0 + STEP * at for at in range(N)], f'{WORKING_SET}{{pod="db-0"}}': values})
    (tmp_path / form).write_bytes(answer(of(WORKING_SET, values)) if form == "a.json" else table.write_csv().encode())
    with pytest.warns(RmtoolkitWarning, match="told in parts of a byte") if is_told else nullcontext():
        rm.read(tmp_path)


@pytest.mark.parametrize("labels", [{}, {"job": "api"}, K8S], ids=["none", "a job", "a container"])
def test_series_without_a_single_label_are_told(tmp_path: Path, labels: dict[str, str]) -> None:
    """A scrape gives some: what has none was made by a query, as a sum over containers is."""
    (tmp_path / f"{WORKING_SET}.json").write_bytes(answer((labels, LEAK, 0)))
    is_told = not labels
    with pytest.warns(RmtoolkitWarning, match="a sum over containers looks so") if is_told else nullcontext():
        assert rm.read(tmp_path).containers.height == 1
    named = ",".join(f'{name}=""{value}""' for name, value in labels.items())
    rows = "".join(f"{T0 + STEP * at},{value}\n" for at, value in enumerate(LEAK))
    (tmp_path / "a.csv").write_text(f'Time,"{WORKING_SET}{{{named}}}"\n{rows}')
    with pytest.warns(RmtoolkitWarning, match="a sum over containers looks so") if is_told else nullcontext():
        assert rm.read(tmp_path / "a.csv").containers.height == 1


@pytest.mark.parametrize(
    ("names", "there"),
    [
        (("api-2026-11-18.prom", "api-2026-11-19.prom"), {"api"}),
        (("api_20261118.txt", "api_20261119.txt"), {"api"}),
        (("api.2026-11-18.prom", "web.2026-11-19.prom"), {"api", "web"}),
        (("2026-11-18-api.prom", "2026-11-19-api.prom"), {"api"}),
        (("api/2026-11-18.prom", "api/20261119.txt"), {"api"}),
        (("api/2026-11-18.prom", "web/2026-11-18.prom"), {"api", "web"}),
        (("api/2026-11-18T00.prom", "api/2026-11-19T01.prom"), {"api"}),
        (("api-20261118_2330.prom", "api-20261119_0030Z.prom"), {"api"}),
        (("api/2026-11-18-23-30-59.prom", "api/2026-11-19T00+0100.prom"), {"api"}),
        (("2026-11-18-10x.prom", "2026-11-19-11x.prom"), {"10x", "11x"}),
        (("2026-11-18-01.prom", "2026-11-19-02.prom"), {"01", "02"}),
        (("web-2026-11-18-10-10-0-7.prom", "web-2026-11-19-10-20-0-7.prom"), {"web -10-10-0-7", "web -10-20-0-7"}),
        (("ip-10-20-26-11.prom", "ip-10-20-26-12.prom"), {"ip-10-20-26-11", "ip-10-20-26-12"}),
    ],
)
def test_a_file_a_day_is_one_process(tmp_path: Path, names: tuple[str, str], there: set[str]) -> None:
    """The day and the hour in the name of a file say when, and not who: each day would be a workload of its own."""
    for day, name in enumerate(names):
        loop = (
            f"{iso(T0 + 86400 * day + STEP * at)}\nprocess_resident_memory_bytes {value}\n"
            for at, value in enumerate(LEAK)
        )
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("".join(loop))
    assert set(rm.read(tmp_path).containers["pod"]) == there


def test_a_limit_without_its_unit_costs_no_more_than_itself(tmp_path: Path) -> None:
    """Beside others with a unit: unknown, with a warning, and the file is read."""
    pods = (("a-0", "512Mi"), ("b-0", "1"))
    rows = [f"{T0 + STEP * at},{pod},{value},{limit}" for at, value in enumerate(LEAK) for pod, limit in pods]
    (tmp_path / "a.csv").write_text("\n".join(["time,pod,rss_bytes,limit", *rows]))
    with pytest.warns(RmtoolkitWarning, match="1 limit below 1 MiB"):
        recording = rm.read(tmp_path / "a.csv")
    assert recording.containers.select("pod", "limit_bytes").rows() == [("a-0", 512 * MIB), ("b-0", None)]


@pytest.mark.parametrize(
    "names",
    [
        *(("memory_avg", "memory_max"), ("rss", "usage"), ("db-working-set", "db-usage"), ("eu", "us")),
        *(("node-min-1", "node-2"), ("replica-set-1", "replica-1"), ("api", "api-usage"), ("bytes", "working")),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_files_called_by_a_statistic_count_twice(tmp_path: Path, names: tuple[str, str], form: str) -> None:
    """Means and maxima of one pod in a file each are told, and two of its amounts; files of two places are two."""
    for name, less in zip(names, (90 * MIB, 0), strict=True):
        values = [value - less for value in LEAK]
        rows = "".join(f"{T0 + STEP * at},db-0,{value}\n" for at, value in enumerate(values))
        told = f"time,pod,rss_bytes\n{rows}".encode() if form == "csv" else of_cadvisor(values, 0, **K8S)
        (tmp_path / f"{name}.{form}").write_bytes(told)
    is_told = names[1] in ("memory_max", "usage", "db-usage")
    with pytest.warns(RmtoolkitWarning, match="each counts twice") if is_told else nullcontext():
        assert rm.read(tmp_path).containers.height == 2


@pytest.mark.parametrize("request_bytes", [512 * MIB, 514 * MIB, 600 * MIB])
def test_a_request_above_its_limit_is_told_once(tmp_path: Path, request_bytes: int) -> None:
    """Kubernetes takes no such pod: the columns may be swapped, if they were not rounded. Both stay as given."""
    for name in "abcde":
        rows = "".join(
            f"{T0 + STEP * at},{name},{value},{512 * MIB},{request_bytes}\n" for at, value in enumerate(LEAK)
        )
        (tmp_path / f"{name}.csv").write_text(f"time,pod,rss_bytes,limit_bytes,request_bytes\n{rows}")
    is_above, told = request_bytes > 522 * MIB, f"'a', 'b', 'c' and 2 more {SWAPPED}"
    with pytest.warns(RmtoolkitWarning, match=re.escape(told)) if is_above else nullcontext() as said:
        recording = rm.read(tmp_path)
    assert len(said or ()) == is_above
    assert recording.containers.select("limit_bytes", "request_bytes").unique().rows() == [(512 * MIB, request_bytes)]
    assert [line for line in recording.report.warnings if line.endswith(DOUBTS)] == [told] * is_above


def test_a_request_that_ended_is_not_above_a_later_limit(tmp_path: Path) -> None:
    """The last request that anybody told is of a time at which the limit was higher."""
    settings = [(2048, 1024 * MIB) if at < N // 2 else (512, "") for at in range(N)]
    rows = [f"{T0 + STEP * at},db-0,{LEAK[at]},{limit},{asked}" for at, (limit, asked) in enumerate(settings)]
    (tmp_path / "a.csv").write_text("\n".join(["time,pod,rss_bytes,limit_mib,request_bytes", *rows, ""]))
    recording = rm.read(tmp_path / "a.csv")
    assert recording.containers.select("limit_bytes", "request_bytes").rows() == [(512 * MIB, 1024 * MIB)]


def test_a_later_look_at_a_pods_only_container_goes_on_with_it(tmp_path: Path) -> None:
    """A table that names the pod alone, and an answer of later hours that says all: one container."""
    rows = "".join(f"{T0 + STEP * at},db-0,{LEAK[at]}\n" for at in range(30))
    (tmp_path / "a.csv").write_text(f"time,pod,working_set_bytes\n{rows}")
    (tmp_path / "b.json").write_bytes(of_cadvisor(LEAK[30:], 30 * STEP, **K8S))
    recording = rm.read(tmp_path)
    assert levels(recording, "working_set_bytes") == [LEAK]
    assert recording.containers["namespace"].to_list() == ["shop"]


class Scene(NamedTuple):
    """What some program leaves in a file or a folder, and the truth: containers with their samples, or an error."""

    files: bytes | Mapping[str, bytes]
    #: Columns and signals of each container; or what the error says.
    truth: Sequence[Mapping[str, Any]] | tuple[str, ...]
    options: Mapping[str, Any] = {}


def cadvisor(
    values: list[int], at: float = 0, /, metric: str = "container_memory_working_set_bytes", **labels: str
) -> Series:
    """A series as the kubelet's cAdvisor gives it to a scrape of the Prometheus operator."""
    scrape = {"job": "kubelet", "instance": "10.0.0.7:10250", "metrics_path": "/metrics/cadvisor", "node": "n1"}
    return {"__name__": metric, **scrape, **labels}, values, at


def of(metric: str, values: list[int], labels: Mapping[str, str] = K8S, at: float = 0, /, **more: str) -> Series:
    """A series of one metric."""
    return {"__name__": metric, **labels, **more}, values, at


def log(row: Callable[[int], str], values: list[int] = LEAK, at: float = 0, head: str = "") -> str:
    """A loop that prints the time, a head perhaps, and a row."""
    return "".join(f"{iso(T0 + int(at) + STEP * index)}\n{head}{row(value)}\n" for index, value in enumerate(values))


def shown(name: str) -> Callable[[int], str]:
    """A row of `docker stats`."""
    return lambda value: f"{ID}  {name}  0.5%  {value / MIB:.1f}MiB / 1GiB  29.3%  1.2kB / 0B  0B / 0B  7"


def kernel(stamp: Callable[[int], str], lines: Sequence[str]) -> bytes:
    """What the kernel says of a kill at the third minute, each line with a time."""
    return "".join(f"{stamp(T0 + 180)}{line}\n" for line in lines).encode()


N = len(LEAK)
#: What is said of what is not there.
_REASONS = SUMMARIES, NO_LIMITS, ZEROS
ANEW, MORE, FAILED = "start anew in time", "there is more", "query 'B' failed: 'timeout'"
CUT, NO_TIME = "what could be unpacked was read", "rows without a readable time"
NOBODY = "rows of no known container"
PODMAN = "what Podman calls memory usage"
ID = "0a1b2c3d4e5f"
UID = "dc35e999-4467-45c5-92ee-4dd4ae8baa2c"
SLICE = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
SCOPE, OTHER = (f"{SLICE}/cri-containerd-{digit * 64}.scope" for digit in "ab")
WORKING_SET, RSS, LIMIT = (
    "container_memory_working_set_bytes",
    "container_memory_rss",
    "kube_pod_container_resource_limits",
)
DB = {**K8S, "working_set_bytes": LEAK}
LIMITED = {**DB, "limit_bytes": 512 * MIB}
FLAT_DB = {**K8S, "working_set_bytes": FLAT}
TOP = "NAMESPACE   POD    NAME   CPU(cores)   MEMORY(bytes)\n"
DOCKER = "CONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT   MEM %   NET I/O   BLOCK I/O   PIDS\n"
WEB = {"container": "web", "working_set_bytes": LEAK}
MEMORY = {"resource": "memory", "unit": "byte"}
KSM = {
    "exported_namespace": "shop",
    "exported_pod": "db-0",
    "exported_container": "db",
    "namespace": "mon",
    "pod": "ksm-x",
}
GOOGLE = {
    "monitored_resource": "k8s_container",
    "project_id": "p",
    "location": "eu",
    "cluster_name": "prod",
    "namespace_name": "shop",
    "pod_name": "db-0",
    "container_name": "db",
}
ALLOC = {"alloc_id": "0a1b2c3d-aaaa", "job": "nomad", "exported_job": "db", "namespace": "default", "task": "db"}
PARQUET: Sequence[tuple[Literal["ms", "us", "ns"], str | None]] = (
    *(("ms", None), ("us", "Europe/Berlin"), ("ns", "UTC"), ("ns", None)),
)
KILLED_V2 = (
    "api invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=985",
    "memory: usage 524288kB, limit 524288kB, failcnt 41",
    f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg={SCOPE},task_memcg={SCOPE},"
    "task=api,pid=42,uid=0",
    "Memory cgroup out of memory: Killed process 42 (api) total-vm:1000000kB, anon-rss:520000kB, file-rss:3000kB, "
    "shmem-rss:0kB, UID:0 pgtables:1200kB oom_score_adj:985",
)
KILLED_V1 = (
    f"Task in /kubepods/burstable/pod{UID}/{'a' * 64} killed as a result of limit of /kubepods/burstable/pod{UID}",
    "memory: usage 524288kB, limit 524288kB, failcnt 41",
    "Memory cgroup out of memory: Kill process 42 (api) score 1983 or sacrifice child",
    "Killed process 42 (api) total-vm:1000000kB, anon-rss:520000kB, file-rss:3000kB, shmem-rss:0kB",
)
KILL = [{"pod_uid": UID, "killed": [T0 + 180]}]


def told_at(form: str, hours: int = 0) -> Callable[[int], str]:
    """A time in a form of strftime."""
    return lambda seconds: dt.datetime.fromtimestamp(seconds + 3600 * hours, dt.UTC).strftime(form)


def framed(*fields: tuple[str, Mapping[str, str]], values: Sequence[list[int] | list[int | None]]) -> dict[str, Any]:
    """A frame of Grafana with a column of times and one for each series."""
    time = {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}}
    numbers = [{"name": name, "type": "number", "labels": dict(labels), "config": {}} for name, labels in fields]
    times = [1000 * (T0 + STEP * index) for index in range(N)]
    return {"schema": {"refId": "A", "fields": [time, *numbers]}, "data": {"values": [times, *values]}}


def pod_metrics(value: int, at: int) -> bytes:
    """What the metrics API says of one pod."""
    usage = {"cpu": "3m", "memory": f"{value >> 10}Ki"}
    pod = {"metadata": {"name": "db-0", "namespace": "shop"}, "timestamp": iso(at), "window": "15s"}
    found = {**pod, "containers": [{"name": "db", "usage": usage}]}
    return json.dumps({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "items": [found]}).encode()


def snapshots(folder: str, values: list[int]) -> dict[str, bytes]:
    """A file for each look at the metrics API."""
    return {f"{folder}/{at:02}.json": pod_metrics(values[at], T0 + STEP * at) for at in range(0, N, 5)}


def framed_rows(unit: Literal["ms", "us", "ns"] = "ms", zone: str | None = "UTC") -> pl.DataFrame:
    """A table of another program, names in a dictionary."""
    times = pl.Series([(T0 + STEP * index) * 1000 for index in range(N)]).cast(pl.Datetime("ms", "UTC"))
    times = times.dt.cast_time_unit(unit).dt.convert_time_zone(zone or "UTC")
    table = pl.DataFrame({"time": times if zone else times.dt.replace_time_zone(None), "rss_bytes": LEAK})
    return table.with_columns(pod=pl.lit("db-0", pl.Categorical))


def stored(write: Callable[[pl.DataFrame, io.BytesIO], object], table: pl.DataFrame | None = None) -> bytes:
    """What such a table is in a file."""
    file = io.BytesIO()
    write(framed_rows() if table is None else table, file)
    return file.getvalue()


def rows_of(head: str, *row: Callable[[str, int, int], str]) -> bytes:
    """A table of which each instant has a row, or several, with its time, what leaks, and what is flat."""
    cells = ((iso(T0 + STEP * at), value, FLAT[at]) for at, value in enumerate(LEAK))
    return "\n".join([head, *(one(*said) for said in cells for one in row), ""]).encode()


def with_most(most: Callable[[int], object]) -> Callable[[str, int, int], str]:
    """A row of files of a cgroup, with what may be its limit."""
    return lambda time, leak, _: f"{time},db-0,{leak},{most(leak)},{leak}"


#: Teeth that are longer than five minutes, and what lies in each five of them.
TEETH = [(100 + 40 * (at % 12)) * MIB for at in range(240)]
FIVES = [TEETH[at : at + 10] for at in range(0, 240, 10)]


def every_so_often(values: list[int], steps: int) -> bytes:
    """An answer with a value at the end of so many steps."""
    return answer(
        *(of(WORKING_SET, [value], K8S, at * STEP) for at, value in zip(range(steps, 999, steps), values, strict=False))
    )


def table_of(values: list[int], steps: int) -> bytes:
    """A table of the same."""
    rows = (
        f"{T0 + at * STEP},shop,db-0,db,{value}" for at, value in zip(range(steps, 999, steps), values, strict=False)
    )
    return "\n".join(["time,namespace,pod,container,working_set_bytes", *rows, ""]).encode()


#: Of pandas' `to_json`, one object that holds all.
BY_PANDAS = {
    "split": {
        "columns": ["time", "pod", "rss_bytes"],
        "index": [*range(N)],
        "data": [[(T0 + STEP * at) * 1000, "db-0", value] for at, value in enumerate(LEAK)],
    },
    "columns": {
        "time": {str(at): (T0 + STEP * at) * 1000 for at in range(N)},
        "pod": dict.fromkeys(map(str, range(N)), "db-0"),
        "rss_bytes": dict(zip(map(str, range(N)), LEAK, strict=True)),
    },
    "lists": {"time": [T0 + STEP * at for at in range(N)], "pod": ["db-0"] * N, "rss_bytes": LEAK},
}


def monitored(split: Mapping[str, str], values: list[int]) -> bytes:
    """What `az monitor metrics list` prints of an app."""
    place = "/subscriptions/s/providers/Microsoft.App/containerapps/shop/providers/Microsoft.Insights/metrics/x"
    points = [{"timeStamp": iso(T0 + STEP * at), "average": float(value)} for at, value in enumerate(values)]
    series = {"metadatavalues": [{"name": {"value": name}, "value": of} for name, of in split.items()]}
    metric = {"id": place, "name": {"value": "WorkingSetBytes"}, "unit": "Bytes"}
    nothing = {"timeStamp": iso(T0 - STEP), "average": None}
    return json.dumps({"value": [{**metric, "timeseries": [{**series, "data": [nothing, *points]}]}]}).encode()


CRICTL = """stats:
- attributes:
    id: 0a1b
    labels:
      io.kubernetes.container.name: db
      io.kubernetes.pod.name: db-0
      io.kubernetes.pod.namespace: shop
  memory:
    timestamp: "{time}000000000"
    workingSetBytes:
      value: "{value}"
"""

#: What is written of a time and an amount at first, and later on.
ON_THE_WAY: Sequence[tuple[str, Callable[[str, int], str], Callable[[str, int], str]]] = (
    (
        "a column is called otherwise",
        lambda time, value: json.dumps({"time": time, "pod": "db-0", "rss_bytes": value}) + "\n",
        lambda time, value: json.dumps({"time": time, "pod": "db-0", "rss_kb": value >> 10}) + "\n",
    ),
    (
        "a pod stands elsewhere",
        lambda time, value: json.dumps({"time": time, "pod": "db-0", "rss_bytes": value}) + "\n",
        lambda time, value: json.dumps({"time": time, "kubernetes": {"pod_name": "db-0"}, "rss_bytes": value}) + "\n",
    ),
    (
        "a head before each row",
        lambda time, value: f"time,pod,rss_bytes\n{time},db-0,{value}\n",
        lambda time, value: f"time,pod,rss_bytes\n{time},db-0,{value}\n",
    ),
    (
        "a head with columns in another order, of another unit, and one more",
        lambda time, value: f"time,pod,rss_bytes,limit_bytes\n{time},db-0,{value},{512 * MIB}\n",
        lambda time, value: (
            f"time,pod,limit_bytes,rss_mib,node\n{time},db-0,{512 * MIB},{value >> 20},n1\n"
            f"time,node,rss_bytes\n{time},n1,{64 * value}\n"
        ),
    ),
)
PROGRAMS = {
    "cAdvisor under containerd: pause, pod, slice, root": Scene(
        answer(
            cadvisor([9 << 30] * N, id="/"),
            cadvisor([8 << 30] * N, id="/kubepods.slice"),
            cadvisor([5 * MIB] * N, id="/system.slice/kubelet.service"),
            cadvisor([value + MIB for value in LEAK], id=SLICE, namespace="shop", pod="db-0"),
            cadvisor([MIB] * N, id=OTHER, image="pause:3.9", name="b" * 64, namespace="shop", pod="db-0"),
            cadvisor(LEAK, id=SCOPE, image="db:1", name="a" * 64, **K8S),
        ),
        [{**DB, "pod_uid": UID, "node": "n1"}],
    ),
    "cAdvisor: cgroups inside a container's": Scene(
        answer(
            cadvisor(LEAK, id=SCOPE, name="a" * 64, **K8S),
            cadvisor([40 * MIB] * N, id=f"{SCOPE}{SLICE}", name="a" * 64, **K8S),
            cadvisor([3 * MIB] * N, id=f"{SCOPE}/init.scope", name="a" * 64, **K8S),
        ),
        [DB],
    ),
    "cAdvisor under CRI-O: conmon, POD": Scene(
        answer(
            cadvisor(LEAK, id=f"{SLICE}/crio-{'a' * 64}.scope", name=f"k8s_db_db-0_shop_{UID}_0", **K8S),
            cadvisor([2 * MIB] * N, id=f"{SLICE}/crio-conmon-{'a' * 64}.scope"),
            cadvisor([MIB] * N, id=f"{SLICE}/crio-{'b' * 64}.scope", namespace="shop", pod="db-0", container="POD"),
        ),
        [{**DB, "pod_uid": UID}],
    ),
    "cAdvisor of a host whose containers are nodes": Scene(
        answer(
            of(WORKING_SET, [2 << 30] * N, {"id": "/docker/abc", "name": "kind", "instance": "h:8080"}),
            of(WORKING_SET, LEAK, K8S, id=f"/docker/abc/kubepods/pod{UID}/x", instance="h:8080"),
        ),
        [{"container": "kind", "working_set_bytes": [2 << 30] * N}, DB],
    ),
    "the kubelet's resource metrics alone": Scene(
        answer(
            of(WORKING_SET, LEAK, metrics_path="/metrics/resource"),
            of("pod_memory_working_set_bytes", [value + MIB for value in LEAK], {"namespace": "shop", "pod": "db-0"}),
            of("container_start_time_seconds", [T0 - 500] * N),
        ),
        [DB],
    ),
    "a restart: another id, killed at its limit": Scene(
        answer(
            cadvisor(LEAK[:30], id=SCOPE, name="a" * 64, **K8S),
            cadvisor(LEAK[:30], 30 * STEP, id=OTHER, name="b" * 64, **K8S),
            of("kube_pod_container_status_restarts_total", [0] * 30 + [1] * 30),
            of("kube_pod_container_status_last_terminated_reason", [1] * 30, K8S, 30 * STEP, reason="OOMKilled"),
            of(LIMIT, [512 * MIB] * N, resource="memory", unit="byte"),
        ),
        [{**LIMITED, "working_set_bytes": LEAK[:30] * 2, "kills": 1}],
    ),
    "a reason from before the window is no kill in it": Scene(
        answer(
            of(WORKING_SET, LEAK),
            of("kube_pod_container_status_restarts_total", [3] * N),
            of("kube_pod_container_status_last_terminated_reason", [1] * N, reason="OOMKilled"),
        ),
        [{**DB, "kills": 0}],
    ),
    "a counter of kills that starts anew": Scene(
        answer(of(WORKING_SET, LEAK), of("container_oom_events_total", [5] * 30 + [0] * 30)), [{**DB, "kills": 0}]
    ),
    "kube-state-metrics 1": Scene(
        answer(
            of(WORKING_SET, LEAK),
            of("kube_pod_container_resource_limits_memory_bytes", [512 * MIB] * N),
            of("kube_pod_container_resource_requests_memory_bytes", [256 * MIB] * N),
            of("kube_pod_container_resource_limits_cpu_cores", [2] * N),
        ),
        [{**LIMITED, "request_bytes": 256 * MIB}],
    ),
    "kube-state-metrics 2 without honor_labels": Scene(
        answer(
            of(WORKING_SET, LEAK),
            of(LIMIT, [512 * MIB] * N, KSM, **MEMORY),
            of(LIMIT, [2] * N, KSM, resource="cpu", unit="core"),
            of(LIMIT, [1] * N, KSM, resource="ephemeral_storage", unit="byte"),
            of(LIMIT, [2 << 30] * N, KSM, resource="hugepages_2Mi", unit="byte"),
        ),
        [LIMITED],
    ),
    "kube-state-metrics in shards, one after the other": Scene(
        answer(
            of(WORKING_SET, LEAK),
            of(LIMIT, [256 * MIB] * 30, **MEMORY, instance="a:8080"),
            of(LIMIT, [512 * MIB] * 30, K8S, 30 * STEP, **MEMORY, instance="b:8080"),
        ),
        [LIMITED],
    ),
    "limits of init containers": Scene(
        answer(
            of(WORKING_SET, LEAK),
            of(LIMIT, [512 * MIB] * N, **MEMORY),
            of("kube_pod_init_container_resource_limits", [64 * MIB] * N, {**K8S, "container": "migrate"}, **MEMORY),
        ),
        [LIMITED],
    ),
    "a sidecar among the init containers": Scene(
        answer(
            of(WORKING_SET, LEAK),
            of(WORKING_SET, FLAT, {**K8S, "container": "proxy"}),
            of("kube_pod_init_container_resource_limits", [512 * MIB] * N, {**K8S, "container": "proxy"}, **MEMORY),
        ),
        [DB, {**FLAT_DB, "container": "proxy", "limit_bytes": 512 * MIB}],
    ),
    "a limit near 2**63 is none": Scene(
        answer(of(WORKING_SET, LEAK), of("container_spec_memory_limit_bytes", [9223372036854771712] * N)),
        [{**DB, "limit_bytes": None}],
    ),
    "a swap of 2**64": Scene(
        answer(of(RSS, LEAK), of("container_memory_swap", [2**64 - 1024] * N)),
        [{**K8S, "anon_bytes": LEAK, "swap_bytes": []}],
    ),
    "kubeletstats with every attribute": Scene(
        answer(
            of(WORKING_SET, LEAK, OTEL, k8s_pod_uid=UID, k8s_node_name="n1"),
            of("container_memory_rss_bytes", [value - MIB for value in LEAK], OTEL, k8s_pod_uid=UID),
            of("container_memory_available_bytes", FLAT, OTEL, k8s_pod_uid=UID),
            of("k8s_container_memory_limit_bytes", [512 * MIB] * N, OTEL, container_image_tag="1"),
        ),
        [{**LIMITED, "anon_bytes": [value - MIB for value in LEAK], "pod_uid": UID}],
    ),
    "hostmetrics: two processes of one name": Scene(
        answer(
            *(
                of(
                    "process_memory_usage_bytes",
                    values,
                    {"host_name": "h", "process_executable_name": "db"},
                    process_pid=pid,
                )
                for pid, values in (("11", FLAT), ("12", LEAK))
            )
        ),
        [{"rss_bytes": FLAT}, {"rss_bytes": LEAK}],
    ),
    "hostmetrics: memory of the machine": Scene(
        answer(of("system_memory_usage_bytes", LEAK, {"host_name": "h", "state": "used"})),
        ("without a use", "metrics={"),
    ),
    "docker_stats of OpenTelemetry": Scene(
        answer(
            of("container_memory_usage_total_bytes", LEAK, {"container_name": "web", "container_id": ID}),
            of("container_memory_usage_limit_bytes", [512 * MIB] * N, {"container_name": "web", "container_id": ID}),
        ),
        [{"container": "web", "pod": "web", "usage_bytes": LEAK, "limit_bytes": 512 * MIB}],
    ),
    "dots in quotes, with a limit": Scene(
        exposition(
            of("container.memory.working_set", LEAK, DOTTED), of("k8s.container.memory_limit", [512 * MIB] * N, DOTTED)
        ),
        [LIMITED],
    ),
    "Google's own metrics by their paths": Scene(
        answer(
            of("kubernetes.io/container/memory/used_bytes", [40 * MIB] * N, GOOGLE, memory_type="evictable"),
            of("kubernetes.io/container/memory/used_bytes", LEAK, GOOGLE, memory_type="non-evictable"),
            of("kubernetes.io/container/memory/limit_bytes", [512 * MIB] * N, GOOGLE),
        ),
        [{**LIMITED, "cluster": "prod"}],
    ),
    "Google's managed Prometheus in two places": Scene(
        answer(
            *(
                of(WORKING_SET, values, project_id="p", cluster="prod", location=place)
                for place, values in (("eu", FLAT), ("us", LEAK))
            )
        ),
        [FLAT_DB, DB],
    ),
    "Azure's managed Prometheus": Scene(
        answer(
            of(WORKING_SET, LEAK, cluster="aks", id=SCOPE, instance="aks-np-1", job="cadvisor"),
            of(LIMIT, [512 * MIB] * N, cluster="aks", instance="ama-metrics-ksm", node="aks-np-1", **MEMORY),
        ),
        [{**LIMITED, "cluster": "aks"}],
    ),
    "tenants of VictoriaMetrics": Scene(
        export(*(of(WORKING_SET, values, vm_account_id=who) for who, values in (("0", FLAT), ("42", LEAK)))),
        [FLAT_DB, DB],
    ),
    "tenants of Thanos Receive": Scene(
        answer(*(of(WORKING_SET, values, tenant_id=who) for who, values in (("a", FLAT), ("b", LEAK)))), [FLAT_DB, DB]
    ),
    "a pair of replicas, one after the other": Scene(
        answer(
            of(WORKING_SET, LEAK[:40], cluster="eu", __replica__="r1"),
            of(WORKING_SET, LEAK[20:], K8S, 20 * STEP, cluster="eu", __replica__="r2"),
        ),
        [{**DB, "cluster": "eu"}],
    ),
    "signals of two replicas": Scene(
        answer(of(RSS, LEAK, prometheus_replica="a"), of("container_memory_usage_bytes", FLAT, prometheus_replica="b")),
        [{**K8S, "anon_bytes": LEAK, "usage_bytes": FLAT}],
    ),
    "Nomad's memory, request and kill": Scene(
        answer(
            of("nomad_client_allocs_memory_usage", LEAK, ALLOC),
            of("nomad_client_allocs_memory_allocated", [256 * MIB] * N, ALLOC),
            of("nomad_client_allocs_oom_killed", [0] * 30 + [1] * 30, ALLOC),
        ),
        [{"workload": "db", "usage_bytes": LEAK, "request_bytes": 256 * MIB, "kills": 1}],
    ),
    "a pod of Podman with two containers": Scene(
        answer(
            *(
                of("podman_container_mem_usage_bytes", values, {"id": id_})
                for id_, values in (("1a", FLAT), ("2b", LEAK))
            ),
            *(
                of("podman_container_info", [1] * N, {"id": id_, "name": name})
                for id_, name in (("1a", "web"), ("2b", "db"))
            ),
        ),
        [{"container": "web", "working_set_bytes": FLAT, PODMAN: True}, {"container": "db", "working_set_bytes": LEAK}],
    ),
    **{
        f"statistics of one amount, told by {label}": Scene(
            answer(*(of(WORKING_SET, [int(share * value) for value in LEAK], **{label: name}) for name, share in said)),
            [DB],
        )
        for label, said in {
            "rollup": (("min", 0.5), ("max", 1), ("avg", 0.8)),
            "phi": (("0.5", 0.8), ("1", 1)),
            "quantile": (("0.99", 1), ("0.5", 0.8)),
        }.items()
    },
    "cgroups of containers that have no other name": Scene(
        answer(
            of(WORKING_SET, LEAK, {"id": SCOPE}),
            of(WORKING_SET, FLAT, {"id": f"/docker/{'b' * 64}"}),
            of(WORKING_SET, FLAT, {"id": SLICE}),
            of(WORKING_SET, FLAT, {"id": "/system.slice/kubelet.service"}),
        ),
        [{"container": "a" * 12, "pod_uid": UID, "working_set_bytes": LEAK}, {"container": "b" * 12}],
    ),
    "a sum that names no metric": Scene(
        answer(({"namespace": "shop", "pod": "db-0"}, LEAK, 0)), ("do not say which metric", "metrics={")
    ),
    "a rule of one's own": Scene(answer(of("pod:memory:sum", LEAK)), ("without a use", "metrics={")),
    "an answer and the status that curl appended": Scene(answer(of(WORKING_SET, LEAK)) + b"\n200\n", [DB]),
    **{
        f"raw samples, and their {statistic} over five minutes in another file, {form}": Scene(
            {f"raw.{form}": written(TEETH, 1), f"of_five.{form}": written([over(*of_five) for of_five in FIVES], 10)},
            [{**K8S, "working_set_bytes": TEETH, SUMMARIES: True}],
        )
        for statistic, over in (("mean", lambda *of_five: sum(of_five) // 10), ("most", max), ("least", min))
        for form, written in (("json", every_so_often), ("csv", table_of))
    },
    "samples that are no statistic of those in another file": Scene(
        {"eu.json": every_so_often(TEETH, 1), "us.json": every_so_often([MIB * (90 + at) for at in range(24)], 10)},
        [{**K8S, "cluster": "eu", "working_set_bytes": TEETH}, {**K8S, "cluster": "us", SUMMARIES: False}],
    ),
    "services of systemd by their cgroups alone": Scene(
        answer(
            *(
                of(WORKING_SET, values, {"id": f"/system.slice{name}", "instance": "n1:8080"})
                for name, values in (("", FLAT), ("/db.service", LEAK), ("/web.service", FLAT), ("/docker.slice", FLAT))
            )
        ),
        [{"workload": "db", "node": "n1", "working_set_bytes": LEAK}, {"workload": "web", "working_set_bytes": FLAT}],
    ),
    "a day's answer in a file each": Scene(
        {"1.json": answer(of(WORKING_SET, LEAK[:30])), "2.json": answer(of(WORKING_SET, LEAK[30:], K8S, 30 * STEP))},
        [DB],
    ),
    "answers of two clusters in two folders": Scene(
        {"eu/a.json": answer(of(WORKING_SET, FLAT)), "us/a.json": answer(of(WORKING_SET, LEAK, K8S, 4))},
        [{**FLAT_DB, "cluster": "eu"}, {**DB, "cluster": "us"}],
    ),
    "the metrics API of two clusters, a file a look": Scene(
        {**snapshots("eu", FLAT), **snapshots("us", LEAK)},
        [
            {**K8S, "cluster": cluster, "working_set_bytes": values[::5]}
            for cluster, values in (("eu", FLAT), ("us", LEAK))
        ],
    ),
    "the metrics API, a file a look": Scene(snapshots("eu", LEAK), [{**K8S, "working_set_bytes": LEAK[::5]}]),
    "braces and commas in a label of promtool": Scene(dump(of(WORKING_SET, LEAK, image="a,b={c}")), [DB]),
    "scrapes in files that are called by their time": Scene(
        {
            f"scrape-{told_at('%Y%m%dT%H%M%SZ')(T0 + STEP * index)}.prom": b"process_resident_memory_bytes %d\n" % value
            for index, value in enumerate(LEAK)
        },
        [{"rss_bytes": LEAK}],
    ),
    "docker stats after a date": Scene(log(shown("web"), head=DOCKER).encode(), [{**WEB, "limit_bytes": 1 << 30}]),
    "docker stats drawn anew": Scene(
        "".join(
            f"\x1b[H{time} {DOCKER[:-1]}\x1b[K\n{time} {shown('web')(value)}\x1b[K\n\x1b[J"
            for index, value in enumerate(LEAK)
            for time in [iso(T0 + STEP * index)]
        ).encode(),
        [WEB],
    ),
    "docker stats, a format with bars": Scene(
        log(lambda value: f"{ID}|web|{value / MIB:.1f}MiB / 1GiB|1.2kB / 3kB").encode(), [WEB]
    ),
    "docker stats as a list on one line": Scene(
        log(
            lambda value: json.dumps(
                [
                    {"Name": "web", "ID": ID, "MemUsage": f"{value / MIB:.1f}MiB / 1GiB"},
                    {"Name": "db", "ID": ID[::-1], "MemUsage": "300MiB / 1GiB"},
                ]
            )
        ).encode(),
        [{"container": "db", "working_set_bytes": FLAT}, WEB],
    ),
    "podman stats as JSON over several lines": Scene(
        log(
            lambda value: json.dumps(
                [{"id": ID, "name": "web", "mem_usage": f"{value / 1e6:.6f}MB / 1.074GB", "pids": "3"}], indent=1
            )
        ).encode(),
        [{**WEB, PODMAN: True}],
    ),
    "podman stats as a table": Scene(
        log(
            lambda value: f"{ID}  web  0.1%  {value / 1e6:.6f}MB / 1.074GB  9%  -- / --  -- / --  2  1s  0.1%",
            head="ID  NAME  CPU %  MEM USAGE / LIMIT  MEM %  NET IO  BLOCK IO  PIDS  CPU TIME  AVG CPU %\n",
        ).encode(),
        [{**WEB, PODMAN: True}],
    ),
    "docker stats in objects that tell the time": Scene(
        b"".join(
            json.dumps(
                {
                    "time": iso(T0 + STEP * at),
                    "containers": [
                        {"Name": name, "ID": name * 4, "MemUsage": f"{values[at] / MIB:.1f}MiB / 1GiB"}
                        for name, values in (("web", LEAK), ("cdb", FLAT))
                    ],
                }
            ).encode()
            + b'\n{"level": "info", "msg": "web 7MiB / 1GiB"}\n'
            for at in range(N)
        ),
        [WEB, {"container": "cdb", "working_set_bytes": FLAT}],
    ),
    "podman stats where memory is not known": Scene(
        log(lambda _: f"{ID}  web  --  -- / --  --  -- / --  22.43MB / 0B  3", head=DOCKER).encode(),
        ("do not run", "docker"),
    ),
    "a row for each statistic": Scene(
        b"time,pod,stat,memory_mib\n"
        + b"".join(
            f"{iso(T0 + STEP * at)},db-0,{stat},{value // MIB - less}\n".encode()
            for at, value in enumerate(LEAK)
            for stat, less in (("avg", 40), ("max", 0))
        ),
        [{"pod": "db-0", "cluster": None, "working_set_bytes": LEAK, SUMMARIES: True}],
    ),
    "a row for each amount": Scene(
        b"time,pod,kind,memory_bytes\n"
        + b"".join(
            f"{iso(T0 + STEP * at)},db-0,{kind},{amount}\n".encode()
            for at, value in enumerate(LEAK)
            for kind, amount in (("usage", value), ("limit", GIB))
        ),
        ("'kind' says which amount", "a column of its own"),
    ),
    "percentiles over all pods": Scene(
        b"Time,p50,p99\n"
        + b"".join(f"{iso(T0 + STEP * at)},{value // 2},{value}\n".encode() for at, value in enumerate(LEAK)),
        ("no memory column",),
    ),
    "cAdvisor with zeros where nothing was measured": Scene(
        answer(cadvisor([0, *LEAK[1:50], *[0] * 10], **K8S)),
        [{"pod": "db-0", "working_set_bytes": LEAK[1:50], ZEROS: True}],
    ),
    "a limit of 512m, which is half a byte": Scene(
        answer(cadvisor(LEAK, **K8S), of("kube_pod_container_resource_limits", [1] * 60, resource="memory")),
        [{"pod": "db-0", "limit_bytes": None, "limit_known": False, NO_LIMITS: True}],
    ),
    "nerdctl stats without a limit": Scene(
        log(
            lambda value: f"{ID}  web  0.5%  {value / MIB:.1f}MiB / 16EiB  0.0%  2.4kB / 0B  0B / 0B  3", head=DOCKER
        ).encode(),
        [WEB],
    ),
    "docker stats of two hosts, one after the other": Scene(
        (
            log(lambda value: f"web {value / MIB:.1f}MiB / 1GiB", FLAT + FLAT[:9])
            + log(lambda value: f"web {value / MIB:.1f}MiB / 1GiB", at=7)
        ).encode(),
        [{"container": "web", "working_set_bytes": FLAT + FLAT[:9], ANEW: True}],
    ),
    "kubectl top of two clusters, one after the other": Scene(
        (
            log(lambda value: f"shop db-0 db 3m {value >> 20}Mi", FLAT + FLAT[:9], head=TOP)
            + log(lambda value: f"shop db-0 db 3m {value >> 20}Mi", at=7, head=TOP)
        ).encode(),
        [{**K8S, "working_set_bytes": FLAT + FLAT[:9], ANEW: True}],
    ),
    "kubectl top by two loops of one cluster": Scene(
        (
            log(lambda value: f"shop db-0 db 3m {value >> 20}Mi", head=TOP)
            + log(lambda value: f"shop db-0 db 3m {value >> 20}Mi", at=11, head=TOP)
        ).encode(),
        [{**K8S, "working_set_bytes": [value for value in LEAK for _ in range(2)]}],
    ),
    "kubectl top, made CSV by sed": Scene(
        rows_of(
            "timestamp,NAMESPACE,POD,NAME,CPU(cores),MEMORY(bytes)",
            lambda time, leak, _: f"{time},shop,db-0,db,3m,{leak >> 20}Mi",
            lambda time, _, flat: f"{time},shop,db-0,proxy,3m,{flat >> 20}Mi",
        ),
        [DB, {**FLAT_DB, "container": "proxy"}],
    ),
    "docker stats in a table of one's own": Scene(
        rows_of("time,name,mem_usage", lambda time, leak, _: f"{time},db,{leak >> 20}MiB / 1GiB"),
        [{"usage_bytes": LEAK, "limit_bytes": 1 << 30}],
    ),
    "Grafana's panel: statistics, limits and cells without an amount": Scene(
        rows_of(
            '"Time","db max","db mean","db (limit)","web max","web mean","quota - requests"',
            lambda time, leak, flat: f"{time[:19]},{leak >> 20} MiB,90 MiB,1 GiB,{flat >> 20} MiB,undefined,1 GiB",
        ),
        [{"pod": "db max", "working_set_bytes": LEAK}, {"pod": "web max", "working_set_bytes": FLAT}],
    ),
    "Grafana's panel of a pod: requests and limits by their names alone": Scene(
        rows_of(
            '"Time","db","requests","limits"', lambda time, leak, _: f"{time[:19]},{leak >> 20} MiB,1 GiB,{1 << 31} B"
        ),
        [{"pod": "db", "working_set_bytes": LEAK, "limit_bytes": None}],
    ),
    "a column without a value beside a limit, and one of answered requests": Scene(
        rows_of(
            "time,pod,anon_bytes,rss_bytes,limit_bytes,requests",
            lambda time, leak, flat: f"{time},db-0,,{leak},{1 << 30},{flat >> 10}",
        ),
        [{"pod": "db-0", "rss_bytes": LEAK, "limit_bytes": 1 << 30, "request_bytes": None}],
    ),
    "Grafana's panel: commas between thousands, a null": Scene(
        rows_of(
            '"Time","db-0","web-0"',
            lambda time, leak, flat: f'{time[:19]},"{leak:,}",{"null" if leak == LEAK[3] else flat}',
        ),
        [{"pod": "db-0", "working_set_bytes": LEAK}, {"pod": "web-0", "working_set_bytes": FLAT[1:]}],
    ),
    "a table as psql draws it": Scene(
        rows_of(" time | pod | rss_bytes \n-----+-----+----", lambda time, leak, _: f" {time} | db-0 | {leak}")
        + b"(60 rows)\n",
        [{"pod": "db-0", "rss_bytes": LEAK, NO_TIME: True}],
    ),
    "a table as MySQL draws it": Scene(
        rows_of(
            "+----+----+\n| time | pod | rss_bytes |\n+----+----+", lambda time, leak, _: f"| {time} | db-0 | {leak} |"
        )
        + b"+----+----+\n",
        [{"pod": "db-0", "rss_bytes": LEAK}],
    ),
    "a single pod and its total": Scene(
        rows_of(
            "time,pod,rss_bytes",
            lambda time, leak, _: f"{time},db-0,{leak}",
            lambda time, leak, _: f"{time},TOTAL,{leak}",
        ),
        [{"pod": "db-0", "rss_bytes": LEAK}],
    ),
    **{
        f"files of a cgroup whose names have underscores, {name}": Scene(
            rows_of("time,pod,memory_current,memory_max,memory_peak", with_most(most)),
            [{"pod": "db-0", "usage_bytes": LEAK, "peak_bytes": LEAK, "limit_bytes": limit, "limit_known": known}],
        )
        for name, most, limit, known in (
            ("no limit", lambda _: "max", None, True),
            ("a limit", lambda _: 512 * MIB, 512 * MIB, True),
            ("the most of each minute", lambda leak: leak + MIB, None, False),
            ("the most of each minute, which is what there is", lambda leak: leak, None, False),
        )
    },
    "an answer of Docker's API that says no limit": Scene(
        b"".join(
            json.dumps(
                {
                    "read": iso(T0 + STEP * at),
                    "name": "web",
                    "id": ID * 6,
                    "memory_stats": {"usage": value + MIB, "stats": {"inactive_file": MIB}, "limit": 2**63 - 4096},
                }
            ).encode()
            + b"\n"
            for at, value in enumerate(LEAK)
        ),
        [
            {
                "container": "web",
                "usage_bytes": [value + MIB for value in LEAK],
                "limit_bytes": None,
                "limit_known": True,
            }
        ],
    ),
    **{
        f"Grafana's Inspector, {unit}": Scene(
            json.dumps(
                [
                    {
                        "schema": {
                            "fields": [
                                {"name": "Time", "type": "time"},
                                {"name": WORKING_SET, "type": "number", "labels": K8S, "config": {"unit": unit}},
                            ]
                        },
                        "data": {
                            "values": [
                                [1000 * (T0 + STEP * at) for at in range(N)],
                                [(100 + at) * 2**30 // factor for at in range(N)],
                            ]
                        },
                    }
                ]
            ).encode(),
            [{**K8S, "working_set_bytes": [(100 + at) * 2**30 // factor * factor for at in range(N)]}],
        )
        for unit, factor in (("bytes", 1), ("mbytes", MIB), ("decmbytes", 10**6), ("deckbytes", 1000), ("gbytes", GIB))
    },
    "containers by their ids alone": Scene(
        rows_of(
            "ts_ms,container_id,rss_bytes",
            lambda time, leak, _: f"{time},0a1b2c,{leak}",
            lambda time, _, flat: f"{time},3d4e5f,{flat}",
        ),
        [{"container": "0a1b2c", "rss_bytes": LEAK}, {"container": "3d4e5f", "rss_bytes": FLAT}],
    ),
    "containers by their ids and names": Scene(
        rows_of(
            "ts_ms,container_id,name,rss_bytes",
            lambda time, leak, _: f"{time},0a1b2c,db,{leak}",
            lambda time, _, flat: f"{time},3d4e5f,web,{flat}",
        ),
        [{"container": "db", "rss_bytes": LEAK}, {"container": "web", "rss_bytes": FLAT}],
    ),
    "containers by their names alone": Scene(
        rows_of(
            "time,Name,mem",
            lambda time, leak, _: f"{time},db,{leak >> 20}MiB / 2GiB",
            lambda time, _, flat: f"{time},web,{flat >> 20}MiB / 1GiB",
        ),
        [
            {"container": "db", "working_set_bytes": LEAK, "limit_bytes": 2 << 30},
            {"container": "web", "working_set_bytes": FLAT, "limit_bytes": 1 << 30},
        ],
    ),
    "rows of nobody beside those of a pod": Scene(
        rows_of("time,pod,rss_bytes", lambda time, leak, _: f"{time},{'' if leak == LEAK[3] else 'db-0'},{leak}"),
        [{"pod": "db-0", "rss_bytes": [*LEAK[:3], *LEAK[4:]], NOBODY: True}],
    ),
    "two columns of one name": Scene(
        rows_of("time,pod,rss_mib,rss_mib", lambda time, leak, flat: f"{time},db-0,{leak >> 20},{flat >> 20}"),
        [{"pod": "db-0", "rss_bytes": LEAK}],
    ),
    "a workbook": Scene(b"PK\3\4" + bytes(99), ("a zip archive or a workbook", "save the sheet as CSV")),
    "a tar archive": Scene(
        b"a.csv".ljust(257, b"\0") + b"ustar\0" + b"00".ljust(249, b"\0") + b"time",
        ("a tar archive", "Unpack it first."),
    ),
    "packed twice": Scene(
        gzip.compress(gzip.compress(b"time,pod,rss_bytes\n1795000000,db-0,9\n")), ("packed twice", "Unpack it first.")
    ),
    "sar -r": Scene(
        log(lambda value: f"11:06:40 9 9 {value} 1", head="11:06:40 kbmemfree kbavail kbmemused %memused\n").encode(),
        ("memory of a whole machine", "--pid"),
    ),
    "Telegraf's JSON": Scene(
        b'{"fields": {"usage": 9}, "name": "docker_container_mem", "tags": {}, "timestamp": 1795000000}\n',
        ("rows of Telegraf as JSON", "data_format"),
    ),
    "kubectl top behind the name of a cluster": Scene(
        log(lambda value: f"eu shop db-0 db 3m {value >> 20}Mi", head=f"CLUSTER {TOP}").encode(),
        ("eu shop", "whole lines"),
    ),
    "kubectl top of nodes": Scene(
        log(
            lambda value: f"n1 300m 7% {value >> 20}Mi 40%", head="NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)\n"
        ).encode(),
        ("These are nodes", "--containers"),
    ),
    "systemd-cgtop": Scene(
        log(
            lambda value: f"api.service 9 0.1 {value / MIB:.1f}M - -",
            head="CGroup Tasks %CPU Memory Input/s Output/s\n",
        ).encode(),
        ("as systemd-cgtop prints them", "rmtoolkit record --cgroup"),
    ),
    "crictl stats": Scene(
        log(
            lambda value: f"{ID}a   db   0.07   {value / 1e6:.1f}MB   28.67kB   8   0B",
            [at * 10**5 for at in range(1000, 1060)],
            head="CONTAINER       NAME   CPU %   MEM     DISK      INODES   SWAP\n",
        ).encode(),
        [{"container": "db", "pod": "db", "working_set_bytes": [at * 10**5 for at in range(1000, 1060)]}],
    ),
    "crictl stats before it said names": Scene(
        log(
            lambda value: f"{ID}a   0.07   {value / 1e6:.1f}MB   28.67kB   8",
            [at * 10**5 for at in range(1000, 1060)],
            head="CONTAINER       CPU %   MEM     DISK      INODES\n",
        ).encode(),
        [{"pod": ID, "working_set_bytes": [at * 10**5 for at in range(1000, 1060)]}],
    ),
    "Azure's Perf as its portal exports it": Scene(
        b'"TimeGenerated [UTC]",Computer,ObjectName,CounterName,InstanceName,CounterValue\r\n'
        + b"".join(
            f'"{month_first(T0 + STEP * at)}",n1,K8SContainer,memory{name}Bytes,/sub/s/aks/{UID}/db,{amount}\r\n'
            f'"{month_first(T0 + STEP * at)}",n1,K8SNode,memory{name}Bytes,/sub/s/aks/n1,{amount * 9}\r\n'.encode()
            for at, value in enumerate(LEAK)
            for name, amount in (("WorkingSet", value), ("Rss", value // 2))
        ),
        [{"cluster": "aks", "pod": UID, "container": "db", "node": "n1", "working_set_bytes": LEAK}],
    ),
    "Telegraf's inputs of Kubernetes": Scene(
        b"".join(
            b"kubernetes_pod_container,container_name=db,host=t\\ 1,namespace=shop,node_name=n1,pod_name=db-0,state=up "
            b'cpu_usage_nanocores=5i,memory_rss_bytes=7i,memory_working_set_bytes=%di,terminated_reason="a b=1,c" %d\n'
            b"kubernetes_pod_container,container_name=db,namespace=shop,node_name=n1,pod_name=db-0 "
            b"resource_limits_memory_bytes=536870912i,restarts_total=0i %d\n"
            b"kubernetes_node,node_name=n1 memory_working_set_bytes=9i %d\n" % (value, *[(T0 + STEP * at) * 10**9] * 3)
            for at, value in enumerate(LEAK)
        ),
        [{**DB, "node": "n1", "limit_bytes": 512 * MIB}],
    ),
    "Metricbeat's lines": Scene(
        b"".join(
            b'{"@timestamp":"%b","kubernetes":{"namespace":"shop","pod":{"name":"db-0"},"container":{"name":"db","memory":{'
            b'"workingset":{"bytes":%d},"rss":{"bytes":7},"usage":{"bytes":9,"limit":{"pct":0.1}}}}}}\n'
            % (iso(T0 + STEP * at).encode(), value)
            for at, value in enumerate(LEAK)
        ),
        [DB],
    ),
    "Telegraf's test": Scene(
        b"".join(
            b"> docker_container_mem,container_image=web,container_name=%b,engine_host=h limit=%di,"
            b'max_usage=0i,usage=%di,container_id="%b" %d\n'
            % (name, limit, value, ID.encode(), (T0 + STEP * at) * 10**9)
            # Without a limit Docker shows the memory of the host.
            for name, limit, values in ((b"web", 16_591_712_256, LEAK), (b"db", 512 * MIB, FLAT))
            for at, value in enumerate(values)
        ),
        [
            {**WEB, "pod": "web", "limit_bytes": None},
            {**WEB, "container": "db", "pod": "db", "working_set_bytes": FLAT, "limit_bytes": 512 * MIB},
        ],
    ),
    "Telegraf's processes": Scene(
        b"".join(
            b"procstat,host=h,process_name=db memory_rss=%di,memory_vms=%di,pid=7i %d\n"
            % (value, value * 9, T0 + STEP * at)
            for at, value in enumerate(LEAK)
        ),
        [{"container": "db", "rss_bytes": LEAK}],
    ),
    "a table of two clusters, one below the other": Scene(
        b"".join(
            b"time,pod,rss_bytes\n"
            + b"".join(b"%d,db-0,%d\n" % (T0 + at + STEP * index, value) for index, value in enumerate(values))
            for values, at in ((FLAT + FLAT[:9], 0), (LEAK, 7))
        ),
        [{"pod": "db-0", "rss_bytes": FLAT + FLAT[:9], ANEW: True}],
    ),
    "a table below comments": Scene(
        b"# made by memlog 1.2\n# host: h1\ntime,pod,rss_bytes\n"
        + b"".join(b"%d,db-0,%d\n" % (T0 + STEP * index, value) for index, value in enumerate(LEAK)),
        [{"pod": "db-0", "rss_bytes": LEAK}],
    ),
    "CloudWatch's Logs Insights": Scene(
        b"@timestamp,kubernetes.namespace_name,kubernetes.pod_name,kubernetes.container_name,container_memory_working_set\n"
        + b"".join(b"%d,shop,db-0,db,%d\n" % (T0 + STEP * index, value) for index, value in enumerate(LEAK)),
        [DB],
    ),
    "Logs Insights of ECS": Scene(
        b"@timestamp,ClusterName,TaskId,ContainerName,MemoryUtilized\n"
        + b"".join(b"%d,prod,t1,db,%d\n" % (T0 + STEP * index, value >> 20) for index, value in enumerate(LEAK)),
        [{"cluster": "prod", "pod": "t1", "container": "db", "working_set_bytes": LEAK}],
    ),
    "InfluxDB's tags in one column": Scene(
        b"name,tags,time,usage,limit\n"
        + b"".join(
            b'docker_container_mem,"container_name=%b,host=h1",%d000000000,%d,1073741824\n'
            % (name, T0 + STEP * at, values[at])
            for at in range(N)
            for name, values in ((b"db", FLAT), (b"web", LEAK))
        ),
        [
            {**WEB, "cluster": None, "node": "h1"},
            {"container": "db", "working_set_bytes": FLAT},
        ],
    ),
    "names and tags that are no measurement's": Scene(
        b"time,metric,name,tags,value\n"
        + b"".join(
            b"%d,container_memory_working_set_bytes,web,env=prod,%d\n" % (T0 + STEP * at, value)
            for at, value in enumerate(LEAK)
        ),
        [WEB],
    ),
    "tags that are words": Scene(
        b"time,name,tags,process_resident_memory_bytes\n"
        + b"".join(b"%d,web,prod,%d\n" % (T0 + STEP * at, value) for at, value in enumerate(LEAK)),
        [{"rss_bytes": LEAK}],
    ),
    **{
        f"a row below the column, called {name}": Scene(
            b"Timestamp (UTC),Pod Name,RSS (MiB),\r\n"
            + b"".join(
                b"%b,%b,%d,\r\n" % (iso(T0 + STEP * at).encode(), pod, values[at] >> 20)
                for at in range(N)
                for pod, values in ((b"db-0", LEAK), (b"web-0", FLAT))
            )
            + f"{iso(T0 + STEP * (N - 1))},{name},{(LEAK[-1] + FLAT[-1] >> 20) // parts},\r\n".encode(),
            [{"pod": "db-0", "rss_bytes": LEAK}, {"pod": "web-0", "rss_bytes": FLAT}],
        )
        for name, parts in (("TOTAL", 1), ("Average", 2))
    },
    "times of which some say a zone": Scene(
        b"time,pod,rss_mib\n2026-11-20T09:00:00Z,db-0,100\n2026-11-20T10:00:30,web-0,100\n",
        ("'2026-11-20T09:00:00Z' says its zone, '2026-11-20T10:00:30' does not", "timezone="),
    ),
    "InfluxDB's annotated CSV": Scene(
        b"#group,false,false,true,false,false,true,true\r\n#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,"
        b"double,string,string\r\n#default,_result,,,,,,\r\n,result,table,_start,_time,_value,_field,pod_name\r\n"
        + b"".join(
            f",,0,{iso(T0)},{iso(T0 + STEP * index)},{value},memory_working_set_bytes,db-0\r\n".encode()
            for index, value in enumerate(LEAK)
        ),
        [{"pod": "db-0", "working_set_bytes": LEAK}],
        {"metrics": {"memory_working_set_bytes": "working_set_bytes"}},
    ),
    **{
        f"InfluxDB's annotated CSV of a measurement, {name}": Scene(
            b"#datatype,string,long,dateTime:RFC3339,double,string,string,string\n,result,table,_time,_value,_field,"
            b"_measurement,container_name\n"
            + b"".join(
                f",,0,{iso(T0 + STEP * at)},{value},usage,docker_container_mem,web\n".encode()
                for at, value in enumerate(LEAK)
            ),
            [{"container": "web", role: LEAK}],
            options,
        )
        for name, role, options in (
            ("known", "working_set_bytes", {}),
            ("told", "usage_bytes", {"metrics": {"usage": "usage_bytes"}}),
        )
    },
    "a log of JSON that tells its memory now and then": Scene(
        b"".join(
            b'{"ts": %d, "level": "info", "cpu": {"usage": 9}}\n{"ts": %d, "k8s": {"pod": {"name": "db-0"}}, "fields": '
            b'{"rss_bytes": %d, "allocated_bytes": %d}, "of": [1]}\n'
            % (T0 + at * STEP - 1, T0 + at * STEP, value, value // 2)
            for at, value in enumerate(LEAK)
        ),
        [{"pod": "db-0", "rss_bytes": LEAK, "allocated_bytes": [value // 2 for value in LEAK]}],
    ),
    "a container's log whose lines are rows of JSON": Scene(
        b"".join(
            b'2026-11-18T00:00:00.000000001Z stdout F {"ts": %d, "rss_bytes": %d}\n' % (T0 + at * STEP, value)
            for at, value in enumerate(LEAK)
        ),
        [{"pod": None, "rss_bytes": LEAK}],
    ),
    "a table with CPU beside memory": Scene(
        b"time,pod,cpu_usage,cpu_limit,memory_usage_bytes,memory_limit_bytes\n"
        + b"".join(b"%d,db-0,0.25,2,%d,536870912\n" % (T0 + STEP * index, value) for index, value in enumerate(LEAK)),
        [{"pod": "db-0", "usage_bytes": LEAK, "limit_bytes": 512 * MIB}],
    ),
    "rows of JSON in a list": Scene(
        json.dumps(
            [{"time": iso(T0 + at * STEP), "pod": "db-0", "memory_mib": value >> 20} for at, value in enumerate(LEAK)]
        ).encode(),
        [{"pod": "db-0", "working_set_bytes": LEAK}],
    ),
    "rows of JSON with too many names": Scene(
        b"".join(b'{"ts": %d, "rss_bytes": 5000000, "x%d": 1}\n' % (T0 + at, at) for at in range(1100)),
        ("rows of 1,102 names", "expected"),
    ),
    "docker stats of a kubelet's containers": Scene(
        b"".join(
            f"{iso(T0 + at * STEP)}\n{DOCKER}"
            f"{'a' * 12}   k8s_db_db-0_shop_{UID}_0   0.1%   {value >> 20}MiB / 512MiB   9%   0B / 0B   0B / 0B   5\n"
            f"{'b' * 12}   k8s_POD_db-0_shop_{UID}_0   0.0%   1MiB / 512MiB   0%   0B / 0B   0B / 0B   1\n".encode()
            for at, value in enumerate(LEAK)
        ),
        [{**DB, "limit_bytes": 512 * MIB}],
    ),
    "cAdvisor that knows no labels of a kubelet": Scene(
        answer(
            of(WORKING_SET, LEAK, {"name": f"k8s_db_db-0_shop_{UID}_0", "id": f"/kubepods/pod{UID}/x"}),
            of(WORKING_SET, [MIB] * N, {"name": f"k8s_POD_db-0_shop_{UID}_0", "id": f"/kubepods/pod{UID}/y"}),
        ),
        [{**DB, "pod_uid": UID}],
    ),
    "OpenTelemetry without units": Scene(
        answer(
            of("container_memory_working_set", LEAK, OTEL),
            of("k8s_container_memory_limit", [512 * MIB] * N, OTEL),
        ),
        [{**DB, "limit_bytes": 512 * MIB}],
    ),
    "a packed table that is cut off": Scene(
        gzip.compress(
            b"time,pod,rss_bytes\n"
            + b"".join(b"%d,db-0,%d\n" % (T0 + STEP * index, value) for index, value in enumerate(LEAK))
        )[:-8],
        [{"pod": "db-0", "rss_bytes": LEAK, CUT: True}],
    ),
    "a table newest first": Scene(
        b"time,pod,rss_bytes\n"
        + b"".join(b"%d,db-0,%d\n" % (T0 + STEP * index, LEAK[index]) for index in reversed(range(N))),
        [{"pod": "db-0", "rss_bytes": LEAK}],
    ),
    "a table whose containers have no name": Scene(
        b"time,rss_bytes\n"
        + b"".join(
            b"%d,%d\n" % (T0 + STEP * index, LEAK[index] * factor) for index in range(N) for factor in (1, 2, 3)
        ),
        ("60 instants", "no column tells containers apart"),
    ),
    "times that a spreadsheet cut": Scene(
        b"time,pod,rss_bytes\n" + b"".join(b"%.3E,db-0,%d\n" % (T0 + STEP * index, LEAK[index]) for index in range(N)),
        ("1 instant", "lack digits"),
    ),
    "units in a row below the head": Scene(
        b"time,pod,rss\ns,,bytes\n"
        + b"".join(b"%d,db-0,%d\n" % (T0 + STEP * index, LEAK[index]) for index in range(N)),
        [{"pod": "db-0", "rss_bytes": LEAK}],
    ),
    "two series in turn, blanks between": Scene(
        b'"Time","container_memory_rss{pod=""a""}","container_memory_rss{pod=""b""}"\n'
        + b"".join(b"%d,%d,\n%d,,%d\n" % (T0 + STEP * at, LEAK[at], T0 + STEP * at + 10, FLAT[at]) for at in range(N)),
        [{"pod": "a", "anon_bytes": LEAK}, {"pod": "b", "anon_bytes": FLAT}],
    ),
    "Grafana's Inspector, two queries": Scene(
        json.dumps(
            {
                "results": {
                    "A": {"frames": [framed((WORKING_SET, K8S), values=[LEAK])]},
                    "B": {"frames": [framed((LIMIT, {**K8S, **MEMORY}), values=[[512 * MIB] * N])]},
                }
            }
        ).encode(),
        [LIMITED],
    ),
    "Grafana's Inspector, a query that failed": Scene(
        json.dumps(
            {
                "results": {
                    "A": {"frames": [framed((WORKING_SET, K8S), values=[LEAK])]},
                    "B": {"error": "timeout", "frames": []},
                }
            }
        ).encode(),
        [{**DB, FAILED: True}],
    ),
    "Grafana's panel, joined, with holes": Scene(
        json.dumps(
            [framed((WORKING_SET, K8S), (WORKING_SET, {**K8S, "pod": "db-1"}), values=[[*LEAK[:-1], None], FLAT])]
        ).encode(),
        [{**K8S, "working_set_bytes": LEAK[:-1]}, {**FLAT_DB, "pod": "db-1"}],
    ),
    "CloudWatch, newest first, and more to come": Scene(
        json.dumps(
            {
                "MetricDataResults": [
                    {
                        "Id": "m1",
                        "Label": "MemoryUtilized web",
                        "StatusCode": "PartialData",
                        "Timestamps": [iso(T0 + STEP * index) for index in reversed(range(N))],
                        "Values": [value / MIB for value in reversed(LEAK)],
                    }
                ]
            }
        ).encode(),
        [{**WEB, MORE: True}],
    ),
    "Datadog, a unit that it scales": Scene(
        json.dumps(
            {
                "series": [
                    {
                        "metric": "kubernetes.memory.usage",
                        "tag_set": ["pod_name:db-0"],
                        "scope": "pod_name:db-0",
                        "unit": [{"family": "bytes", "name": "megabyte", "scale_factor": 1e6}, None],
                        "pointlist": [[1000 * (T0 + STEP * index), 100 + index] for index in range(N)],
                    }
                ]
            }
        ).encode(),
        [{"pod": "db-0", "usage_bytes": [(100 + index) * 10**6 for index in range(N)]}],
    ),
    "Datadog, one name on two hosts": Scene(
        json.dumps(
            {
                "series": [
                    {
                        "metric": "docker.mem.rss",
                        "tag_set": ["container_name:web", f"host:{host}"],
                        "pointlist": [[1000 * (T0 + STEP * index), value] for index, value in enumerate(values)],
                    }
                    for host, values in (("a", FLAT), ("b", LEAK))
                ]
            }
        ).encode(),
        [{"container": "web", "anon_bytes": FLAT}, {"container": "web", "anon_bytes": LEAK}],
    ),
    **{
        f"Parquet in {unit}, {zone or 'no zone'}": Scene(
            stored(pl.DataFrame.write_parquet, framed_rows(unit, zone)), [{"pod": "db-0", "rss_bytes": LEAK}]
        )
        for unit, zone in PARQUET
    },
    "a file of Arrow": Scene(stored(pl.DataFrame.write_ipc), [{"pod": "db-0", "rss_bytes": LEAK}]),
    "feather of pandas, packed": Scene(
        gzip.compress(stored(lambda table, file: table.write_ipc(file, compression="lz4"))),
        [{"pod": "db-0", "rss_bytes": LEAK}],
    ),
    "a stream of Arrow": Scene(stored(pl.DataFrame.write_ipc_stream), [{"pod": "db-0", "rss_bytes": LEAK}]),
    "a file of Arrow, cut": Scene(
        stored(pl.DataFrame.write_ipc)[:-20], ("Not an Arrow file", "a time and a memory column")
    ),
    "a stream of Arrow, cut": Scene(stored(pl.DataFrame.write_ipc_stream)[:-8], ("a stream of Arrow", "cut off")),
    **{
        f"JSON of pandas, {name}": Scene(json.dumps(table).encode(), [{"pod": "db-0", "rss_bytes": LEAK}])
        for name, table in BY_PANDAS.items()
    },
    "jemalloc inside a row that has more": Scene(
        b"".join(
            b'{"ts": %d, "pod": "db-0", "jemalloc": {"allocated": 9, "resident": %d}, "rss_mib": %d}\n'
            % (T0 + STEP * at, value, value >> 20)
            for at, value in enumerate(LEAK)
        ),
        [{"pod": "db-0", "rss_bytes": LEAK, "resident_bytes": LEAK}],
    ),
    "Azure's Monitor, split by pods": Scene(
        monitored({"podname": "db-0"}, LEAK), [{"pod": "db-0", "workload": "shop", "working_set_bytes": LEAK}]
    ),
    "Azure's Monitor, a mean over pods": Scene(
        monitored({}, LEAK), ("WorkingSetBytes of several containers", "metrics=")
    ),
    **{
        f"crictl stats as YAML, {name}": Scene(
            "".join(
                f"{between and iso(T0 + STEP * at)}{between}{CRICTL.format(time=T0 + STEP * at, value=value)}"
                for at, value in enumerate(LEAK)
            ).encode(),
            [DB],
        )
        for name, between in (("one behind the other", ""), ("below dates", "\n"))
    },
    **{
        f"two taken for one: {name}": Scene(
            "".join(
                row.format(*of, time=iso(T0 + STEP * at), value=values[at] >> 20)
                for at in range(N)
                for *of, values in (("eu", "db-0", LEAK), ("us", "db-1", FLAT))
            ).encode(),
            ("values fall on", "no column tells containers apart"),
        )
        for name, row in {
            "contexts of kubectl": "{time} context={0}\nNAME CPU(cores) MEMORY(bytes)\ndb-0 3m {value}Mi\n",
            "namespaces by headings": "{time}\n== {0} ==\nNAME CPU(cores) MEMORY(bytes)\ndb-0 3m {value}Mi\n",
            "logs of pods": (
                "[pod/{1}/db] {time} ___ Begin jemalloc statistics ___\n"
                "[pod/{1}/db] Allocated: {value}000000, active: {value}100000, metadata: 3, resident: {value}200000,"
                " mapped: {value}300000, retained: 4\n[pod/{1}/db] --- End jemalloc statistics ---\n"
            ),
            "rows that a collector wrapped": (
                '{{"log": "{{\\"ts\\": \\"{time}\\", \\"rss_mib\\": {value}}}", "time": "{time}",'
                ' "kubernetes": {{"pod_name": "{1}"}}}}\n'
            ),
        }.items()
    },
    "a head with a line break": Scene(
        "\n".join(['time,"Memory\n(MiB)"', *(f"{iso(T0 + STEP * at)},{LEAK[at] >> 20}" for at in range(N))]).encode(),
        [{"working_set_bytes": LEAK}],
    ),
    **{
        f"a table that changes on the way: {name}": Scene(
            "".join(first(iso(T0 + STEP * at), LEAK[at]) for at in range(30)).encode()
            + "".join(then(iso(T0 + STEP * at), LEAK[at]) for at in range(30, N)).encode(),
            [{"pod": "db-0", "rss_bytes": LEAK}],
        )
        for name, first, then in ON_THE_WAY
    },
    "a percentage before the amount": Scene(
        (
            "time,pod,memory_usage,memory_usage_mib\n"
            + "".join(f"{iso(T0 + STEP * at)},db-0,{LEAK[at] / MIB / 10:.1f}%,{LEAK[at] >> 20}\n" for at in range(N))
        ).encode(),
        [{"pod": "db-0", "usage_bytes": LEAK}],
    ),
    "rows whose cells another sign parts": Scene(
        (
            "time,pod,rss_bytes\n"
            + "".join(f"{iso(T0 + STEP * at)},db-0,{LEAK[at]}\n" for at in range(30))
            + "".join(f"{iso(T0 + STEP * at)};db-0;{LEAK[at]}\n" for at in range(30, N))
        ).encode(),
        [{"pod": "db-0", "rss_bytes": LEAK[:30], NO_TIME: True}],
    ),
    "whole pods, then containers": Scene(
        answer(cadvisor(LEAK[:30], namespace="shop", pod="db-0", container=""), cadvisor(LEAK[30:], 30 * STEP, **K8S)),
        [DB],
    ),
    **{
        f"no recording: {found}": Scene(text.encode(), (found, hint))
        for text, found, hint in (
            (log(lambda value: f"7 {value >> 10} db", head="PID RSS COMMAND\n"), "rows of processes", "smaps_rollup"),
            ("# Time UID PID minflt/s majflt/s VSZ RSS %MEM Command\n1 0 7 0 0 9 9 1 db\n", "as ps, pidstat", "in CSV"),
            (log(lambda value: f"MemoryCurrent={value}", head="Id=db.service\n"), "as systemctl show", "--cgroup"),
            ("CMDLINE /usr/bin/db\nMEM 9.015625 1795000000.1234\n", "mprof recorded", "time,rss_mib"),
            ("heroku[web.1]: dyno=heroku.1.a sample#memory_rss=9.00MB\n", "metrics of Heroku", "time,pod,rss_mib"),
            ("REPORT RequestId: a Memory Size: 512 MB Max Memory Used: 9 MB\n", "AWS Lambda", "not in them"),
            ('[{"target": "a.rss", "datapoints": [[1.0, 1795000000]]}]', "a series of Graphite", "rss_bytes"),
            ('{"result": [{"itemid": "7", "clock": "1795000000", "value": "9"}]}', "history of Zabbix", "in CSV"),
            ('{"result": [{"metricId": "builtin:containers.memory", "data": []}]}', "of Dynatrace", "in CSV"),
            ('{"ResourceUsage": {"MemoryStats": {"RSS": 9}}, "Timestamp": 1}', "of Nomad", "nomad_client_allocs"),
        )
    },
    "sums over a namespace": Scene(answer(cadvisor(LEAK, namespace="shop")), ("nothing about memory", "no container")),
    "times whose zone stands beside them": Scene(
        b"time,timezone,rss_mib\n2026-11-20 09:00:00,+01:00,100\n", ("of its own, 'timezone'", "timezone='+01:00'")
    ),
    "times that have a zone, and one beside them": Scene(
        (
            "time,timezone,rss_mib\n" + "".join(f"{iso(T0 + STEP * at)},UTC,{LEAK[at] >> 20}\n" for at in range(N))
        ).encode(),
        [{"rss_bytes": LEAK}],
    ),
    "dmesg, a kill under cgroup 2": Scene(kernel(told_at("%Y-%m-%dT%H:%M:%S,123456+00:00 "), KILLED_V2), KILL),
    "dmesg, a kill under cgroup 1": Scene(kernel(told_at("%Y-%m-%dT%H:%M:%S,123456+00:00 "), KILLED_V1), KILL),
    "dmesg -T does not say where": Scene(
        kernel(told_at("[%a %b %d %H:%M:%S %Y] "), KILLED_V2), ("its zone", "timezone=")
    ),
    "dmesg -T in Berlin": Scene(
        kernel(told_at("[%a %b %d %H:%M:%S %Y] ", 1), KILLED_V2), KILL, {"timezone": "Europe/Berlin"}
    ),
    "dmesg counts from the start": Scene(
        kernel(lambda _: "[12345.678901] ", KILLED_V2), ("the time of day", "--time-format iso")
    ),
    "a journal east of Greenwich": Scene(kernel(told_at("%Y-%m-%dT%H:%M:%S+01:00 n1 kernel: ", 1), KILLED_V2), KILL),
    "a journal as JSON": Scene(
        "".join(
            json.dumps({"__REALTIME_TIMESTAMP": f"{T0 + 180}000000", "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": line})
            + "\n"
            for line in KILLED_V2
        ).encode(),
        KILL,
    ),
    "talosctl dmesg": Scene(kernel(told_at("n1: kern: warning: [%Y-%m-%dT%H:%M:%S.123Z]: "), KILLED_V2), KILL),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_program_wrote_is_read_right_or_not_at_all(tmp_path: Path, program: str) -> None:
    """Containers, samples, limits and kills as they were, what is lost said; or an error that says what to do."""
    files, truth, options = PROGRAMS[program]
    place = tmp_path / "a.log" if isinstance(files, bytes) else tmp_path
    for name, content in ({"a.log": files} if isinstance(files, bytes) else files).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with warnings.catch_warnings():
        # What is lost stands in the report too.
        warnings.simplefilter("ignore", RmtoolkitWarning)
        if isinstance(truth, tuple):
            with pytest.raises(RmtoolkitError) as caught:
                rm.read(place, **options)
            assert all(str(words) in str(caught.value) for words in truth)
            return
        found = rm.read(place, **options)
    ids = found.containers["container_id"].to_list()
    assert len(ids) == len(truth)
    for one in truth:
        assert dict(one) in [dict(_told(found, container, one)) for container in ids]


@pytest.mark.parametrize(
    ("heads", "used", "most", "limit"),
    [
        ("memory.current,memory.max", lambda at: min(GIB, (600 + 8 * (at % 144)) * MIB), lambda _: GIB, GIB),
        ("memory.current,memory.max", lambda _: 500 * MIB, lambda _: "", None),
        ("memory_current,memory_max", lambda at: min(300 + at, 350) * MIB, lambda at: min(300 + at, 350) * MIB, None),
        ("memory_current,memory_max", lambda at: (300 + at % 7) * MIB, lambda at: (300 + min(at, 6)) * MIB, None),
        ("memory_current,memory_max", lambda _: 500 * MIB, lambda _: 500 * MIB, None),
        ("memory_current,memory_max", lambda at: min(500 + at, 512) * MIB, lambda _: 512 * MIB, 512 * MIB),
    ],
    ids=["kept at its limit", "empty", "rising", "the highest so far", "flat", "kept at it, with underscores"],
)
def test_the_most_of_a_cgroup_is_a_limit_or_the_highest_so_far(
    tmp_path: Path, heads: str, used: Callable[[int], int], most: Callable[[int], object], limit: int | None
) -> None:
    """The kernel's own name is a limit, however near; another is one where it was there before it was reached."""
    (tmp_path / "cgroup.csv").write_text(
        f"time,pod,{heads}\n" + "".join(f"{T0 + 60 * at},a-0,{used(at)},{most(at)}\n" for at in range(288))
    )
    recording = rm.read(tmp_path / "cgroup.csv")
    assert recording.containers["limit_bytes"].to_list() == [limit]
    assert recording.samples.height == 288


def test_a_statistic_hides_no_files_name(tmp_path: Path) -> None:
    """CloudWatch's table names no container: the file does, also where a row above it tells the statistic."""
    for name, level in (("api", 500), ("web", 300)):
        rows = "".join(f"{iso(T0 + 60 * at)},{level + at % 9}\n" for at in range(60))
        (tmp_path / f"{name}.csv").write_text(f"Label,MemoryUtilized\nStatistic,Maximum\nUnit,Megabytes\n{rows}")
    assert {*rm.read([*tmp_path.iterdir()]).containers["container"]} == {"api", "web"}


def test_the_last_number_of_a_table_may_be_cut_off(tmp_path: Path) -> None:
    """A row without its end whose number lacks digits is left out, and told; one that is whole is not."""
    rows = "time,rss_bytes\n" + "\n".join(f"{T0 + at * STEP},{value}" for at, value in enumerate(LEAK))
    (tmp_path / "a.csv").write_text(rows)
    assert levels(rm.read(tmp_path / "a.csv"), "rss_bytes") == [LEAK]
    (tmp_path / "a.csv").write_text(rows[:-3])
    with pytest.warns(RmtoolkitWarning, match="left out 1 row that is cut off at the end"):
        assert levels(rm.read(tmp_path / "a.csv"), "rss_bytes") == [LEAK[:-1]]


def test_rows_of_json_that_are_cut_off_are_counted(tmp_path: Path) -> None:
    """What stands before the cut is read, and a warning says that the last row is not whole."""
    rows = ",".join(f'{{"ts": {T0 + at * STEP}, "rss_bytes": {value}}}' for at, value in enumerate(LEAK))
    (tmp_path / "a.json").write_text(f"[{rows[:-9]}")
    with pytest.warns(RmtoolkitWarning, match="left out 1 object that is cut off or damaged"):
        assert levels(rm.read(tmp_path / "a.json"), "rss_bytes") == [LEAK[:-1]]


def _told(found: rm.Recording, container: int, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """What a recording says of a container under some names."""
    about = found.containers.row(by_predicate=pl.col("container_id") == container, named=True)
    samples, events = (rows.filter(container_id=container) for rows in (found.samples, found.events))
    killed = events.filter(kind="oom_kill")["time"].dt.epoch("s").to_list()
    lost = " ".join([*found.report.left_out, *found.report.partial, *found.report.unusable])
    said = {
        **about,
        "kills": len(killed),
        "killed": killed,
        **{words: words in lost for words in (ANEW, MORE, FAILED, CUT, NO_TIME, PODMAN, NOBODY, *_REASONS)},
    }
    for name in names:
        yield name, said[name] if name in said else samples[name].drop_nulls().to_list()
