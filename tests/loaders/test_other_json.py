"""JSON that says what an answer of Prometheus says: Grafana, Datadog, CloudWatch, as documented."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError
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
    """A document, and its truth: the signal, or what the error says."""

    document: Any
    truth: str | tuple[str, ...]
    told: Mapping[str, str | None] = K8S
    options: Mapping[str, Any] = {}


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
    "CloudWatch, percents": Case(
        {"Label": "MemoryUtilization", "Datapoints": [{"Timestamp": ISO[0], "Average": 40.0, "Unit": "Percent"}]},
        ("without series",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_document_is_read_right_or_not_at_all(tmp_path: Path, name: str) -> None:
    """Every value and time as it was, of the container that the labels name; or an error that says what to do."""
    document, truth, told, options = CASES[name]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document, indent=2))
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


@given(share=st.floats(0, 1), name=st.sampled_from(sorted(CASES)))
def test_a_document_that_is_cut_is_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, share: float, name: str
) -> None:
    """JSON that is cut off is not read in half."""
    content = json.dumps(CASES[name].document)
    file = tmp_path_factory.mktemp("cut") / "a.json"
    file.write_text(content[: int(share * (len(content) - 1))])
    with pytest.raises(ReadError) as caught:
        rm.read(file)
    assert "a.json" in str(caught.value)


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
    {"Datapoints": [5, {"Unit": []}, {"Unit": "Bytes", "Maximum": {}}], "Label": None},
]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_odd_documents_are_one_clear_error(tmp_path: Path, number: int) -> None:
    """Whatever stands where something else is expected."""
    (tmp_path / "a.json").write_text(json.dumps(ODD[number]))
    with pytest.raises(RmtoolkitError):
        rm.read(tmp_path / "a.json")
