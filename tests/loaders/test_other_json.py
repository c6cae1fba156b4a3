"""JSON that says what an answer of Prometheus says: Grafana, kubelets, OpenTelemetry, clouds, as documented."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from tests.loaders.conftest import T0
from tests.loaders.test_scenarios import K8S, LEAK, MIB, STEP

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMES = [(T0 + STEP * index) * 1000 for index in range(len(LEAK))]
ISO = [dt.datetime.fromtimestamp(at // 1000, dt.UTC).isoformat() for at in TIMES]
TIME = {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}, "config": {"interval": 30000}}
VALUE = {"name": "Value", "type": "number", "typeInfo": {"frame": "float64"}, "config": {}}
NAMED = {"__name__": "container_memory_rss", **K8S}
TAGS = ["pod_name:db-0", "kube_namespace:shop", "kube_container_name:db", "kube_deployment:db"]


def frame(*columns: tuple[Mapping[str, Any], list[Any]], **schema: Any) -> dict[str, Any]:
    """A data frame as the server of Grafana writes it."""
    fields, values = zip(*columns, strict=True)
    return {"schema": {"refId": "A", **schema, "fields": list(fields)}, "data": {"values": list(values)}}


def answered(*frames: dict[str, Any]) -> dict[str, Any]:
    """What `/api/ds/query` answers."""
    return {"results": {"A": {"status": 200, "frames": list(frames)}}}


class Case(NamedTuple):
    """A document, or several in a loop, and the truth: the signal, or what the error says."""

    document: Any
    truth: str | tuple[str, ...]
    told: Mapping[str, str | None] = K8S
    options: Mapping[str, Any] = {}


UID = "0a1b2c3d-1111-4222-8333-444455556666"


def summary(at: str, value: int, *, pod: str = "db-0") -> dict[str, Any]:
    """What `/stats/summary` of a kubelet says, with what a recording does not need."""
    memory = {"time": at, "availableBytes": 5, "workingSetBytes": value, "usageBytes": value + 9, "rssBytes": 7}
    container = {"name": "db", "startTime": ISO[0], "cpu": {"time": at, "usageNanoCores": 3}, "memory": memory}
    about = {"podRef": {"name": pod, "namespace": "shop", "uid": UID}, "startTime": ISO[0], "memory": memory}
    node = {"nodeName": "n1", "memory": memory, "systemContainers": [{"name": "kubelet", "memory": memory}]}
    return {"node": node, "pods": [{**about, "containers": [container]}]}


def stats(at: int, value: int, **labels: str) -> dict[str, Any]:
    """What `crictl stats -o json` prints: protobuf's JSON, whose large numbers are texts."""
    amounts = {"workingSetBytes": value, "usageBytes": value + 9, "rssBytes": 7, "majorPageFaults": 3}
    told = {f"io.kubernetes.{name}": label for name, label in labels.items()}
    about = {"id": "f" * 64, "metadata": {"name": "db", "attempt": 0}, "labels": told, "annotations": {}}
    memory = {name: {"value": str(amount)} for name, amount in amounts.items()}
    return {"stats": [{"attributes": about, "memory": {"timestamp": str(at * 10**6), **memory}, "writableLayer": None}]}


RUNTIME = {"pod.namespace": "shop", "pod.name": "db-0", "container.name": "db", "pod.uid": UID}
OTEL = {"k8s.namespace.name": "shop", "k8s.pod.name": "db-0", "k8s.container.name": "db"}


def collected(at: int, value: float, place: Mapping[str, str] = OTEL, **metric: Any) -> dict[str, Any]:
    """What the file exporter of a collector of OpenTelemetry writes into a line."""
    point = (
        {"timeUnixNano": str(at * 10**6), "asInt": str(value)}
        if isinstance(value, int)
        else {"timeUnixNano": str(at * 10**6), "asDouble": value}
    )
    kind = metric.pop("kind", {"gauge": {"dataPoints": [point]}})
    for data in kind.values():
        data.setdefault("dataPoints", [point])
    known = {"name": "container.memory.working_set", "unit": "By", **metric, **kind}
    attributes = [{"key": name, "value": {"stringValue": label}} for name, label in place.items()]
    scopes = [{"scope": {"name": "kubeletstats"}, "metrics": [{"name": "container.cpu.time", "sum": {}}, known]}]
    return {"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": scopes}]}


GOOGLE = {"cluster_name": "c", "namespace_name": "shop", "pod_name": "db-0", "container_name": "db", "project_id": "p"}


def google(metric: Mapping[str, Any], resource: Mapping[str, Any], **value: str) -> dict[str, Any]:
    """A page of `timeSeries`, the newest point first."""
    points = [
        {"interval": {"startTime": at, "endTime": at}, "value": value or {"int64Value": str(amount)}}
        for at, amount in zip(ISO, LEAK, strict=True)
    ]
    told = {"metric": metric, "resource": resource, "metricKind": "GAUGE", "valueType": "INT64"}
    return {"timeSeries": [{**told, "points": points[::-1]}], "unit": "By"}


USED = {"labels": {"memory_type": "non-evictable"}, "type": "kubernetes.io/container/memory/used_bytes"}
CLUSTER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks"
HEADS = ("TimeGenerated", "Computer", "ObjectName", "CounterName", "InstanceName", "CounterValue")
OF_CONTAINER = ("n1", "K8SContainer", "memoryWorkingSetBytes", f"{CLUSTER}/{UID}/db")
OF_NODE = ("n1", "K8SNode", "memoryWorkingSetBytes", f"{CLUSTER}/n1")
PERF = [(at, *OF_CONTAINER, float(value)) for at, value in zip(ISO, LEAK, strict=True)]
AZURE = {"cluster": "aks", "pod": UID, "container": "db", "node": "n1"}

LABELLED = frame((TIME, TIMES), ({**VALUE, "labels": NAMED}, LEAK))
CASES = {
    "Grafana": Case(answered(LABELLED), "anon_bytes"),
    "Grafana, Inspector's query": Case(
        {"request": {"url": "api/ds/query"}, "response": answered(LABELLED)}, "anon_bytes"
    ),
    "Grafana, Inspector's frames": Case([LABELLED], "anon_bytes"),
    "Grafana, Inspector's panel data": Case(
        {
            "state": "Done",
            "series": [
                {"refId": "A", "fields": [{**TIME, "values": TIMES}, {**VALUE, "labels": NAMED, "values": LEAK}]}
            ],
        },
        "anon_bytes",
    ),
    "Grafana, the metric names the column": Case(
        answered(frame((TIME, TIMES), ({**VALUE, "name": "container_memory_rss", "labels": K8S}, LEAK))), "anon_bytes"
    ),
    "Grafana, the metric stands in the legend": Case(
        answered(
            frame(
                (TIME, TIMES),
                ({**VALUE, "labels": K8S, "config": {"displayNameFromDS": 'container_memory_rss{pod="db-0"}'}}, LEAK),
            )
        ),
        "anon_bytes",
    ),
    "Grafana, nobody names the metric": Case(
        answered(frame((TIME, TIMES), ({**VALUE, "labels": K8S}, LEAK))), ("do not say which metric", "metrics={'a'")
    ),
    "Grafana, the user names the metric": Case(
        answered(frame((TIME, TIMES), ({**VALUE, "labels": K8S}, LEAK))),
        "usage_bytes",
        K8S,
        {"metrics": {"a": "usage_bytes"}},
    ),
    "Grafana, a table": Case(
        answered(
            frame(
                (TIME, TIMES),
                *(({"name": name, "type": "string"}, [value] * len(LEAK)) for name, value in NAMED.items()),
                (VALUE, LEAK),
            )
        ),
        "anon_bytes",
    ),
    "Datadog": Case(
        {
            "status": "ok",
            "res_type": "time_series",
            "series": [
                {
                    "metric": "kubernetes.memory.working_set",
                    "pointlist": [[float(at), float(value)] for at, value in zip(TIMES, LEAK, strict=True)],
                    "scope": ",".join(TAGS),
                    "tag_set": TAGS,
                    "unit": [{"family": "bytes", "name": "byte"}, None],
                }
            ],
        },
        "working_set_bytes",
        {**K8S, "workload": "db"},
    ),
    "Datadog, in mebibytes": Case(
        {
            "series": [
                {
                    "metric": "container.memory.rss",
                    "pointlist": [[at, value / 2**20] for at, value in zip(TIMES, LEAK, strict=True)],
                    "scope": ",".join(TAGS),
                    "unit": [{"family": "bytes", "name": "mebibyte", "scale_factor": 1048576.0}, None],
                }
            ]
        },
        "anon_bytes",
    ),
    "Datadog, version 2, in kibibytes": Case(
        {
            "data": {
                "attributes": {
                    "series": [{"group_tags": TAGS, "unit": [{"family": "bytes", "name": "kibibyte"}, None]}],
                    "times": TIMES,
                    "values": [[value / 2**10 for value in LEAK]],
                },
            }
        },
        "usage_bytes",
        K8S,
        {"metrics": {"a": "usage_bytes"}},
    ),
    "Datadog, without a set of tags": Case(
        {
            "series": [
                {
                    "metric": "container.memory.rss",
                    "pointlist": [[at, value] for at, value in zip(TIMES, LEAK, strict=True)],
                    "scope": ",".join(TAGS),
                }
            ]
        },
        "anon_bytes",
    ),
    "Datadog, version 2": Case(
        {
            "data": {
                "type": "timeseries_response",
                "attributes": {
                    "series": [{"group_tags": TAGS, "query_index": 0, "unit": [{"name": "byte"}, None]}],
                    "times": TIMES,
                    "values": [LEAK],
                },
            }
        },
        "usage_bytes",
        K8S,
        {"metrics": {"a": "usage_bytes"}},
    ),
    "Datadog, version 2, nobody names the metric": Case(
        {"data": {"attributes": {"series": [{"group_tags": TAGS}], "times": TIMES, "values": [LEAK]}}},
        ("do not say which metric", "metrics={'a'"),
    ),
    "Datadog, a mean over pods": Case(
        {
            "series": [
                {
                    "metric": "kubernetes.memory.usage",
                    "pointlist": [[at, value] for at, value in zip(TIMES, LEAK, strict=True)],
                    "scope": "kube_deployment:db",
                }
            ]
        },
        ("'kubernetes_memory_usage of several containers'", "without a use"),
    ),
    "Datadog, a share": Case(
        {"series": [{"metric": "kubernetes.memory.usage_pct", "pointlist": [[at, 0.5] for at in TIMES], "scope": "*"}]},
        ("kubernetes_memory_usage_pct", "without a use"),
    ),
    "CloudWatch, data": Case(
        {
            "MetricDataResults": [
                {
                    "Id": "m1",
                    "Label": "pod_memory_working_set",
                    "Timestamps": ISO[::-1],
                    "Values": LEAK[::-1],
                    "StatusCode": "Complete",
                }
            ]
        },
        "working_set_bytes",
        {"container": "m1"},
    ),
    "CloudWatch, data of ECS": Case(
        {
            "MetricDataResults": [
                {
                    "Id": "m1",
                    "Label": "MemoryUtilized web",
                    "Timestamps": ISO,
                    "Values": [value // MIB for value in LEAK],
                }
            ]
        },
        "working_set_bytes",
        {"container": "web", "workload": "web"},
    ),
    "CloudWatch, statistics": Case(
        {
            "Label": "MemoryUtilized",
            "Datapoints": [
                {"Timestamp": at, "Maximum": value / MIB, "Average": 1.0, "Unit": "Megabytes"}
                for at, value in zip(ISO, LEAK, strict=True)
            ],
        },
        "working_set_bytes",
        {"container": "a"},
    ),
    "kubelet": Case([summary(at, value) for at, value in zip(ISO, LEAK, strict=True)], "working_set_bytes"),
    "kubelet, in a loop": Case(
        tuple(summary(at, value) for at, value in zip(ISO, LEAK, strict=True)),
        "working_set_bytes",
        {**K8S, "pod_uid": UID, "node": "n1", "workload": "db"},
    ),
    "kubelet, its pods alone": Case(
        tuple(summary(at, value)["pods"][0] for at, value in zip(ISO, LEAK, strict=True)), "working_set_bytes"
    ),
    "container runtime": Case(
        tuple(stats(at, value, **RUNTIME) for at, value in zip(TIMES, LEAK, strict=True)), "working_set_bytes"
    ),
    "container runtime without Kubernetes": Case(
        tuple(stats(at, value) for at, value in zip(TIMES, LEAK, strict=True)), "working_set_bytes", {"container": "db"}
    ),
    "container runtime, by pods": Case(
        tuple(
            {"stats": [{"attributes": {"id": "a"}, "linux": {"containers": stats(at, value, **RUNTIME)["stats"]}}]}
            for at, value in zip(TIMES, LEAK, strict=True)
        ),
        "working_set_bytes",
    ),
    "OpenTelemetry": Case(
        tuple(collected(at, value) for at, value in zip(TIMES, LEAK, strict=True)), "working_set_bytes"
    ),
    "OpenTelemetry, a process": Case(
        tuple(
            collected(
                at,
                float(value),
                {"service.name": "db", "service.instance.id": "db-7"},
                name="process.memory.usage",
                kind={"sum": {"aggregationTemporality": 2, "isMonotonic": False}},
            )
            for at, value in zip(TIMES, LEAK, strict=True)
        ),
        "rss_bytes",
        {"workload": "db", "pod": "db-7"},
    ),
    "OpenTelemetry, in mebibytes": Case(
        tuple(collected(at, value / MIB, unit="MiBy") for at, value in zip(TIMES, LEAK, strict=True)),
        "working_set_bytes",
    ),
    "OpenTelemetry, changes": Case(
        tuple(collected(at, 7, kind={"sum": {"aggregationTemporality": 1}}) for at in TIMES),
        ("'container_memory_working_set as changes'", "without a use"),
    ),
    "Google": Case(
        google(USED, {"type": "k8s_container", "labels": GOOGLE}), "working_set_bytes", {**K8S, "cluster": "c"}
    ),
    "Google, metrics of Prometheus": Case(
        google(
            {"type": "prometheus.googleapis.com/container_memory_rss/gauge", "labels": K8S},
            {"type": "prometheus_target", "labels": {"cluster": "c", "instance": "n1:10250", "job": "kubelet"}},
        ),
        "anon_bytes",
        {**K8S, "cluster": "c"},
    ),
    "Google, a sum over pods": Case(
        google(USED, {"type": "k8s_container", "labels": {"namespace_name": "shop"}}), ("of several containers",)
    ),
    "Google, what can be taken back": Case(
        google({**USED, "labels": {"memory_type": "evictable"}}, {"type": "k8s_container", "labels": GOOGLE}),
        ("without a use",),
    ),
    "Azure, a table": Case(
        {
            "tables": [
                {
                    "name": "PrimaryResult",
                    "columns": [{"name": head, "type": "string"} for head in HEADS],
                    "rows": [*map(list, PERF), [ISO[0], *OF_NODE, 5]],
                }
            ]
        },
        "working_set_bytes",
        AZURE,
    ),
    "Azure, rows": Case(
        [
            {**dict(zip(HEADS, row, strict=True)), "CounterValue": str(row[-1]), "TableName": "PrimaryResult"}
            for row in PERF
        ],
        "working_set_bytes",
        AZURE,
    ),
    "CloudWatch, percents": Case(
        {"Label": "MemoryUtilization", "Datapoints": [{"Timestamp": ISO[0], "Average": 40.0, "Unit": "Percent"}]},
        ("without series",),
    ),
}


def written(document: Any) -> str:
    """Write a document as a program does; those of a loop one after another, with what `date` prints between."""
    several = document if isinstance(document, tuple) else (document,)
    dates = [f"{at}\n" if len(several) > 1 else "" for at in ISO]
    return "".join(date + json.dumps(one, indent=2) + "\n" for date, one in zip(dates, several, strict=False))


@pytest.mark.parametrize("name", CASES)
def test_a_document_is_read_right_or_not_at_all(tmp_path: Path, name: str) -> None:
    """Every value and time as it was, of the container that the labels name; or an error that says what to do."""
    document, truth, told, options = CASES[name]
    file = tmp_path / "a.json"
    file.write_text(written(document))
    if isinstance(truth, tuple):
        with pytest.raises(RmtoolkitError) as caught:
            rm.read(file, **options)
        assert all(words in str(caught.value) for words in truth)
        return
    recording = rm.read(file, **options)
    rows = recording.samples.select("time", truth).drop_nulls()
    assert rows[truth].to_list() == LEAK
    assert rows["time"].dt.epoch("ms").to_list() == TIMES
    assert recording.containers.select(*told).rows(named=True) == [dict(told)]


def test_gaps_are_no_samples(tmp_path: Path) -> None:
    """Grafana and Datadog write null where there was nothing."""
    content = answered(frame((TIME, TIMES[:3]), ({**VALUE, "labels": NAMED}, [5, None, 7])))
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert rm.read(tmp_path).samples["anon_bytes"].to_list() == [5, 7]


def test_two_series_of_a_panel_are_two_containers(tmp_path: Path) -> None:
    """A frame each, or a column each."""
    series = [{**VALUE, "labels": {**NAMED, "pod": pod}} for pod in ("db-0", "db-1")]
    for document in (
        answered(frame((TIME, TIMES), (series[0], LEAK), (series[1], LEAK))),
        answered(*(frame((TIME, TIMES), (one, LEAK)) for one in series)),
    ):
        (tmp_path / "a.json").write_text(json.dumps(document))
        assert rm.read(tmp_path).containers["pod"].to_list() == ["db-0", "db-1"]


SINGLE = sorted(name for name, case in CASES.items() if not isinstance(case.document, tuple))


@given(share=st.floats(0, 1), name=st.sampled_from(SINGLE))
def test_a_document_that_is_cut_is_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, share: float, name: str
) -> None:
    """JSON that is cut off is not read in half."""
    document = CASES[name].document
    content = json.dumps(document)
    file = tmp_path_factory.mktemp("cut") / "a.json"
    cut = content[: int(share * (len(content) - 1))]
    file.write_text(cut)
    # Of a list, what is whole is read: braces within its first entry end nothing.
    if isinstance(document, list) and cut.startswith(f"[{json.dumps(document[0])}"):
        with pytest.warns(RmtoolkitWarning, match="cut-off"):
            rm.read(file)
        return
    with pytest.raises(ReadError) as caught:
        rm.read(file)
    assert "a.json" in str(caught.value)


def test_a_list_of_rows_without_its_end_is_told(tmp_path: Path) -> None:
    """Cut between two rows, all rows that are there are whole: only the bracket is missing."""
    series = json.dumps(CASES["Azure, rows"].document)
    plain = json.dumps([{"time": time, "pod": "web-1", "rss_bytes": 5} for time in ISO])
    for text, told in ((series, "cut-off"), (plain, "cut off")):
        for rows in (1, 2, text.count("}")):
            cut = "}".join(text.split("}")[:rows]) + "}"
            (tmp_path / "a.json").write_text(cut)
            with pytest.warns(RmtoolkitWarning, match=told):
                assert rm.read(tmp_path / "a.json").samples.height == rows


def test_a_loop_that_is_cut_is_told(tmp_path: Path) -> None:
    """The documents before are read, and the one that is cut is counted."""
    text = "\n".join(json.dumps(one) for one in CASES["kubelet, in a loop"].document)
    (tmp_path / "a.json").write_text(text[:-9])
    with pytest.warns(RmtoolkitWarning, match="cut-off"):
        recording = rm.read(tmp_path)
    assert recording.samples["working_set_bytes"].to_list() == LEAK[:-1]


def test_a_loop_may_put_the_time_in_front(tmp_path: Path) -> None:
    """As `ts` does; and what fails between is no document."""
    lines = [f"{at} {json.dumps(one)}\n" for at, one in zip(ISO, CASES["kubelet, in a loop"].document, strict=True)]
    lines[9] = 'Error from server (NotFound): nodes "n1" not found\n'
    (tmp_path / "a.log").write_text("".join(lines))
    recording = rm.read(tmp_path)
    assert recording.samples["working_set_bytes"].to_list() == [*LEAK[:9], *LEAK[10:]]
    assert recording.report.left_out == {"lines that are no sample": 1}


def test_a_restart_that_the_kubelet_tells_is_one(tmp_path: Path) -> None:
    """When a container began stands beside its memory."""
    first, second = summary(ISO[5], 7), summary(ISO[20], 9)
    second["pods"][0]["containers"][0]["startTime"] = ISO[15]
    (tmp_path / "a.json").write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    events = rm.read(tmp_path).events
    assert events.filter(kind="start")["time"].dt.epoch("ms").to_list() == [TIMES[0], TIMES[15]]


def test_pages_that_are_missing_are_told(tmp_path: Path) -> None:
    """Google answers page by page."""
    document = {**CASES["Google"].document, "nextPageToken": "x"}
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.warns(RmtoolkitWarning, match="more pages"):
        rm.read(tmp_path)


ODD = [
    {"results": {"A": {"frames": [{"schema": {"fields": 5}, "data": {"values": [[1], [2]]}}]}}},
    {
        "results": {
            "A": {
                "frames": [{"schema": {"fields": [{"type": "time"}, {"type": "number"}]}, "data": {"values": [[1], 2]}}]
            }
        }
    },
    {"results": {"A": {"frames": [{"schema": {"fields": [5, None]}, "data": {"values": [[1], [2]]}}]}}},
    {"series": [{"metric": 5, "pointlist": [[1], [], 7], "scope": None}]},
    {"data": {"attributes": {"series": [{"group_tags": [5]}], "times": [1, 2], "values": [[1]]}}},
    {"MetricDataResults": [{"Label": 5, "Timestamps": ["x"], "Values": ["y" * 9]}]},
    {"MetricDataResults": [{"Label": "MemoryUtilized", "Timestamps": "x", "Values": None}]},
    {"MetricDataResults": [{"Label": "a", "Timestamps": [10**40], "Values": [1]}]},
    {"node": 5, "pods": [5, {"podRef": 5, "containers": [{"memory": {"time": 5, "workingSetBytes": []}}]}]},
    {"pods": [{"podRef": {}, "containers": [{"startTime": "x", "memory": {"time": ISO[0], "workingSetBytes": 5}}]}]},
    {"pods": [{"podRef": {}, "containers": {"memory": 5}}]},
    {"stats": [{"attributes": {"labels": 5}, "memory": {"timestamp": "9" * 40, "workingSetBytes": {"value": "x"}}}]},
    {"resourceMetrics": [5, {"scopeMetrics": [{"metrics": [{"name": 5, "gauge": {"dataPoints": [{"asInt": "x"}]}}]}]}]},
    {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints": [{"timeUnixNano": "x"}]}}]}]}]},
    {"timeSeries": [{"metric": {"type": 5}, "resource": 5, "metricKind": 5, "points": [5, {"value": 5}]}]},
    {"tables": [{"columns": [{"name": "CounterName"}], "rows": [[], 5]}]},
    {"tables": [{"columns": [{"name": "CounterName"}], "rows": [["x"]]}]},
    {"tables": [{"columns": [{"text": "Time"}, {"text": "db-0"}], "rows": [[TIMES[0], 5]]}]},
    {"Datapoints": [5, {"Unit": []}, {"Unit": "Bytes", "Maximum": {}}], "Label": None},
]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_odd_documents_are_one_clear_error(tmp_path: Path, number: int) -> None:
    """Whatever stands where something else is expected; none is in the words of Python, which change."""
    (tmp_path / "a.json").write_text(json.dumps(ODD[number]))
    with pytest.raises(RmtoolkitError) as raised:
        rm.read(tmp_path / "a.json")
    assert not re.search(r"\(\) |literal for|out of range|hashable|attribute|not iterable|DataFrame", str(raised.value))
