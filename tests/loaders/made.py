"""Small made-up sources, rich in what a reader may meet: each is a folder of files, read as one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.loaders import test_malloc
from tests.loaders.conftest import T0, Prom
from tests.loaders.kubernetes import API, at, container, ended, listed, owned, pod, running, status, top

if TYPE_CHECKING:
    from collections.abc import Iterator

GI: Final = 1 << 30
#: A container as most metrics name it, and one of cAdvisor's older names.
POD: Final = {"namespace": "shop", "pod": "api-7d9f8b6c5d-x2x7k", "container": "api", "node": "n1", "uid": "uid-1"}
OLD: Final = {"namespace": "shop", "pod_name": "db-0", "container_name": "db", "id": "/kubepods/pod77/5f5f"}


def _objects() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two looks at a namespace: who owns what, what was killed, moved and deleted between them."""
    api = [container(limit="64Mi", request="32Mi"), container("proxy", "mesh:7@sha256:aa", limit="16M")]
    new = [container(image="shop/api:1.3", limit="128Mi", request="32Mi"), api[1]]
    killed = status(restarts=3, last=ended(1, 2), state=running(2.5), imageID="docker.io/shop/api@sha256:12")
    about = {"labels": {"team": "pay"}, "annotations": {"owner": "x"}, "resourceVersion": "7"}
    setup = [container("setup", limit="1Gi"), container("side", limit="8Mi") | {"restartPolicy": "Always"}]
    first = [
        pod(API, *api, statuses=(killed, status("proxy", 1, state=running(0.2))), about=about),
        pod("api-7d9f8b6c5d-zzzzz", *new, uid="uid-2", created=3, statuses=(status(state=running(3)),), about=about),
        pod(
            "db-0",
            container("db", "db:9", request="1e8"),
            owner=("StatefulSet", "db"),
            uid="uid-3",
            statuses=(status("db", 2, last=ended(0, 3, "Error", 1), state=ended(4, 5, "Completed", 0)),),
            spec={"initContainers": setup, "resources": {"limits": {"memory": "200Mi"}}},
            initContainerStatuses=[status("side", 0, state=running(0.1))],
        ),
        pod(
            "night-28-abcde",
            container("job"),
            owner=("Job", "night-28"),
            uid="uid-4",
            created=1,
            reason="Evicted",
            message="The node was low on resource: memory.",
            conditions=[{"type": "DisruptionTarget", "lastTransitionTime": at(4)}],
        ),
        pod(
            "lost-1",
            container("lost", limit="10Mi"),
            owner=None,
            uid="uid-5",
            statuses=(status("lost", 1, last=ended(1, 3), state=ended(3, 4)),),
        ),
        pod(
            "debugged",
            container(),
            container("b"),
            owner=("DaemonSet", "agent"),
            uid="uid-6",
            spec={"ephemeralContainers": [{"name": "debugger", "image": "busybox"}]},
        ),
        owned("ReplicaSet", "api-7d9f8b6c5d", ("Deployment", "api"), *api),
        owned("ReplicaSet", "gone-5b5b5b5b5b", ("Deployment", "gone"), container("gone", "gone:4", limit="33Mi")),
        owned("Job", "night-28", ("CronJob", "night"), container("job")),
        owned("StatefulSet", "db", None, container("db"))
        | {"metadata": {"name": "db", "namespace": "shop", "labels": {"owner": "data"}}},
        {"kind": "Node", "metadata": {"name": "node-a"}, "status": {"allocatable": {"memory": "7900Mi"}}},
        {"kind": "Namespace", "metadata": {"name": "shop", "annotations": {"team": "shops"}}},
        {
            "kind": "ResourceQuota",
            "metadata": {"name": "q", "namespace": "shop"},
            "status": {"hard": {"limits.memory": "4Gi", "memory": "1000"}},
        },
        {
            "kind": "LimitRange",
            "metadata": {"name": "r", "namespace": "shop"},
            "spec": {
                "limits": [
                    {"type": "Container", "max": {"memory": "2Gi"}, "min": {"memory": "4Mi"}},
                    {"type": "Pod", "max": {"memory": "1Gi"}},
                ]
            },
        },
        {
            "kind": "VerticalPodAutoscaler",
            "metadata": {"name": "v", "namespace": "shop"},
            "spec": {
                "targetRef": {"kind": "Deployment", "name": "api"},
                "updatePolicy": {"updateMode": "Auto"},
                "resourcePolicy": {"containerPolicies": [{"containerName": "proxy", "mode": "Off"}]},
            },
        },
        {
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "h", "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"kind": "StatefulSet", "name": "db"},
                "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization"}}}],
            },
        },
        {
            "kind": "Event",
            "metadata": {"name": "e"},
            "reason": "Evicted",
            "message": "low on memory",
            "firstTimestamp": at(2.2),
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "gone-5b5b5b5b5b-aaaaa"},
        },
    ]
    more = {"labels": {"team": "pay"}, "resourceVersion": "9"}
    again = status(restarts=5, last=ended(2.5, 4.2), state=running(4.4), resources={"limits": {"memory": "96Mi"}})
    second = [
        pod(API, *new, statuses=(again, status("proxy", 1, state=running(0.2))), about=more),
        pod(
            "db-0",
            container("db", "db:10"),
            owner=("StatefulSet", "db"),
            uid="uid-9",
            created=5.5,
            statuses=(status("db", 0, state=running(5.6)),),
        ),
    ]
    return first, second


def _kubernetes() -> Iterator[tuple[str, dict[str, str]]]:
    pods = {
        (API, "api"): [30, 60, 20, 40, 60, 30, 31],
        (API, "proxy"): [9, 9, 9, 9, 9, 9, 9],
        ("api-7d9f8b6c5d-zzzzz", "api"): [0, 0, 0, 50, 51, 52, 53],
        ("db-0", "db"): [100, 101, 102, 103, 104, 20, 21],
        ("night-28-abcde", "job"): [5, 6, 7, 8],
        ("gone-5b5b5b5b5b-aaaaa", "gone"): [20, 21],
        ("stranger", "x"): [1, 1, 1],
    }
    first, second = _objects()
    log = top(pods)
    yield "kubernetes", {"top.log": log, "pods-1.json": listed(*first), "pods-2.json": listed(*second)}
    whole = "\n".join(line for line in log.split("\n") if "proxy" not in line)
    for name in (*(key[1] for key in pods), "NAME"):
        whole = whole.replace(f"   {name}   ", "   ")
    one = {"type": "MODIFIED", "object": first[0]}
    watched = [
        one,
        {"type": "BOOKMARK", "object": {"kind": "Pod"}},
        {"type": "DELETED", "object": second[0]},
        *first[2:],
    ]
    yield (
        "whole pods",
        {
            "top.log": whole.replace("shop   ", "").replace("NAMESPACE   ", ""),
            "watch.jsonl": "\n".join([at(4.5), *map(json.dumps, watched)]),
        },
    )
    import yaml

    documents = "---\n".join(yaml.safe_dump(one, sort_keys=False) for one in (*first[:3], *second, first[6]))
    yield "yaml", {"top.log": log, "pods.yaml": documents}


def _answers() -> Iterator[tuple[str, dict[str, str]]]:
    series, answer = Prom.series, Prom.answer
    level = [50 << 20, 51 << 20, 52 << 20, 20 << 20, 21 << 20, 22 << 20]
    reasons = {
        "container_memory_working_set_bytes": level,
        "container_memory_rss": level,
        "container_memory_cache": [4096] * 6,
        "container_memory_usage_bytes": [60 << 20] * 6,
        "container_memory_total_inactive_file_bytes": [1024] * 6,
        "container_start_time_seconds": [T0 - 60] * 3 + [T0 + 80] * 3,
        "container_oom_events_total": [0, 0, 0, 1, 1, 1],
        "kube_pod_container_status_restarts_total": [2, 2, 2, 3, 3, 3],
        "container_memory_failures_total": [1, 2, 3, 4, 5, 6],
        "container_spec_memory_limit_bytes": [1 << 30] * 6,
        "container_spec_cpu_quota": [50000] * 6,
        "container_spec_cpu_period": [100000] * 6,
    }
    labels = {"container_memory_failures_total": {"failure_type": "pgmajfault", "scope": "container"}}
    all_of = [series(name, values, labels={**POD, **labels.get(name, {})}) for name, values in reasons.items()]
    about = {key: POD[key] for key in ("namespace", "pod", "container")}
    all_of += [
        series(
            "kube_pod_container_resource_limits",
            [64 << 20] * 4 + [96 << 20] * 2,
            labels=about,
            resource="memory",
            unit="byte",
        ),
        series("kube_pod_container_resource_limits", [0.5] * 6, labels=about, resource="cpu", unit="core"),
        series("kube_pod_container_resource_requests", [32 << 20] * 6, labels=about, resource="memory", unit="byte"),
        series(
            "kube_pod_container_status_last_terminated_reason",
            [None, None, None, 1, 1, 1],
            labels=about,
            reason="OOMKilled",
        ),
        series("kube_pod_container_status_last_terminated_exitcode", [None, None, None, 137, 137, 137], labels=about),
        series("kube_pod_container_info", [1, 1, 1], labels=about, image="shop/api:1.2", image_id="sha256:12"),
        series("kube_pod_container_info", [1, 1, 1], at=90, labels=about, image="shop/api:1.3", image_id="sha256:13"),
        series(
            "kube_pod_owner",
            [1, 1],
            namespace="shop",
            pod=POD["pod"],
            owner_kind="ReplicaSet",
            owner_name="api-7d9f8b6c5d",
        ),
        series(
            "kube_replicaset_owner",
            [1, 1],
            namespace="shop",
            replicaset="api-7d9f8b6c5d",
            owner_kind="Deployment",
            owner_name="api",
        ),
        series("kube_pod_labels", [1], namespace="shop", pod=POD["pod"], label_team="pay"),
        series("kube_namespace_labels", [1], namespace="shop", label_owner="shops"),
        series("machine_cpu_cores", [4], node="n1"),
        series(
            "process_resident_memory_bytes",
            level,
            labels={"namespace": "shop", "pod": POD["pod"], "instance": "10.0.0.1:80", "job": "api"},
        ),
        series("jemalloc_allocated_bytes", level, labels={"namespace": "shop", "pod": POD["pod"], "container": "api"}),
        series("scrape_samples_scraped", [900] * 6, labels={"namespace": "shop", "pod": POD["pod"], "job": "api"}),
        series("container_memory_rss", level, labels=OLD),
        series("container_memory_rss", level, labels=OLD | {"image": "k8s.gcr.io/pause:3"} | {"container_name": "POD"}),
        series(
            "container_memory_rss", level[::-1], labels={"namespace": "shop", "pod": "db-0", "id": "/kubepods/pod77"}
        ),
        series("container_memory_rss", level, at=5, labels=OLD, prometheus_replica="b"),
        series("http_requests_total", [1, 2, 3], labels=about),
    ]
    yield "answer", {"answer.json": json.dumps(answer(*all_of))}
    yield (
        "two clusters",
        {
            "eu.json": json.dumps(
                answer(
                    *(series("container_memory_rss", level, labels=POD, cluster=one) for one in ("eu", "us")),
                    warnings=["slow"],
                )
            ),
            "port.json": json.dumps(
                answer(
                    *(
                        series("process_resident_memory_bytes", [number << 20] * 6, instance=f"web:{number}", job="web")
                        for number in (80, 81)
                    )
                )
            ),
            "vector.json": json.dumps(
                {
                    "status": "success",
                    "data": {
                        "resultType": "vector",
                        "result": [{"metric": {"__name__": "container_memory_rss", **POD}, "value": [T0, "7e7"]}],
                    },
                }
            ),
        },
    )
    exported = [
        {
            "metric": one["metric"],
            "values": [float(value) for _, value in one["values"]],
            "timestamps": [int(1000 * time) for time, _ in one["values"]],
        }
        for one in all_of[:8]
    ]
    yield "export", {"export.jsonl": "\n".join(map(json.dumps, exported))}
    lines = [
        f'{one["metric"]["__name__"]}{{pod="a-{at}",namespace="shop"}} {value} {int(1000 * time)}'
        for at, one in enumerate(all_of[:3])
        for time, value in one["values"]
    ]
    yield "exposition", {"metrics.prom": "\n".join(["# HELP x y", "# TYPE x gauge", *lines])}
    scrape = 'process_resident_memory_bytes {}\nprocess_threads 9\njemalloc_allocated_bytes{{pool="a\\"b"}} {}\n'
    yield (
        "scrapes",
        {"api-3.prom": "".join(f"2026-11-24T22:0{at}:00Z\n{scrape.format(9000 + at, 100 * at)}" for at in range(4))},
    )


def _others() -> Iterator[tuple[str, dict[str, str]]]:
    times = [1000 * (T0 + 30 * at) for at in range(5)]
    level = [50.5, 51, None, 53, 54]
    time = {"name": "Time", "type": "time"}
    value = {"name": "Value", "type": "number", "labels": {"__name__": "container_memory_rss", **POD}}
    table = [("pod", ["a-0", "a-0", "b-0", "b-0", "b-0"]), ("__name__", ["container_memory_rss"] * 5)]
    frames = [
        {"schema": {"name": "x", "fields": [time, value]}, "data": {"values": [times, level]}},
        {
            "schema": {
                "fields": [
                    time,
                    *({"name": name, "type": "string"} for name, _ in table),
                    {"name": "Value", "type": "number"},
                ]
            },
            "data": {"values": [times, *(values for _, values in table), level]},
        },
        {
            "schema": {
                "fields": [
                    time,
                    {
                        "name": "V",
                        "type": "number",
                        "config": {"displayNameFromDS": "container_memory_cache{}"},
                        "labels": POD,
                    },
                ]
            },
            "data": {"values": [times, level]},
        },
    ]
    yield (
        "grafana",
        {"panel.json": json.dumps({"response": {"results": {"A": {"frames": frames}, "B": {"error": "bad query"}}}})},
    )
    tags = ["pod_name:db-0", "kube_namespace:shop", "kube_container_name:db"]
    unit = [{"family": "bytes", "name": "mebibyte", "scale_factor": 1048576}, None]
    points = [[time, value] for time, value in zip(times, level, strict=True)]
    datadog = {
        "status": "ok",
        "series": [
            {"metric": "kubernetes.memory.rss", "tag_set": tags, "pointlist": points, "unit": unit},
            {
                "metric": "kubernetes.memory.usage",
                "scope": ",".join(tags),
                "pointlist": points,
                "unit": [{"family": "bytes", "scale_factor": 1024}],
            },
            {"metric": "kubernetes.memory.usage", "scope": "kube_namespace:shop", "pointlist": points, "unit": None},
        ],
    }
    yield "datadog", {"query.json": json.dumps(datadog)}
    yield (
        "datadog scalar",
        {
            "query.json": json.dumps(
                {
                    "data": {
                        "attributes": {
                            "times": times,
                            "values": [level],
                            "series": [{"group_tags": ["pod_name:db-0"], "unit": unit}],
                        }
                    }
                }
            )
        },
    )
    stamps = [f"2026-11-24T22:0{at}:00Z" for at in range(5)]
    yield (
        "cloudwatch",
        {
            "data.json": json.dumps(
                {
                    "MetricDataResults": [
                        {
                            "Id": "m1",
                            "Label": "MemoryUtilized shop",
                            "Timestamps": stamps,
                            "Values": [50, 51, 52, 53, 54],
                            "StatusCode": "PartialData",
                        }
                    ]
                }
            ),
            "statistics.json": json.dumps(
                {
                    "Label": "pod_memory_working_set",
                    "Datapoints": [
                        {"Timestamp": stamp, "Maximum": 7.5, "Average": 1, "Unit": "Megabytes"} for stamp in stamps
                    ]
                    + [{"Timestamp": stamps[0], "Maximum": 1, "Unit": "Percent"}],
                }
            ),
        },
    )
    heads = 'time,namespace,pod,container,"memory (MiB)",limit_mb,restarts,threads'
    rows = [f'2026-11-24 22:0{at}:00,shop,db-{at % 2},db,"{50 + at},5",1.024,{at // 3},{at}' for at in range(8)]
    yield "table", {"week.csv": "\n".join([heads, *rows])}
    days = [f"{13 + at}.11.2026;22:00:0{at};api;12.34{at} KB;true" for at in range(5)]
    yield "table of days", {"days.csv": "\n".join(["sep=;", "date;time;container;rss;limit_known", *days])}
    prometheus = '"container_memory_rss{namespace=""shop"", pod=""db-0""}"'
    series = f'{prometheus},"kubernetes.memory.usage{{pod_name:a}}",MemoryUtilized web,Value'
    wide = [f"2026-11-24T22:0{at}:00Z,{50 + at} MiB,{60 + at},{70 + at},1" for at in range(5)]
    yield "table of series", {"panel.csv": "\n".join([f"Time,{series}", *wide])}
    long = [
        f"{times[at]},{name},pod_name:a-{at % 2},{50 + at}"
        for at in range(4)
        for name in ("container_memory_rss", "kubernetes.memory.rss")
    ]
    yield "table of metrics", {"long.csv": "\n".join(["time,metric,tags,value", *long])}
    console = ["Full label,MemoryUtilized web,MemoryUtilized api", "Label,a,b", "Unit,Megabytes,Bytes"]
    yield "console", {"cw.csv": "\n".join([*console, *(f"2026/11/24 22:0{at}:00,{50 + at},{5e7}" for at in range(4))])}


def _allocators() -> Iterator[tuple[str, dict[str, str]]]:
    stamp = "2026-11-24T22:0{}:00Z\n"
    mine = {
        "glibc": [test_malloc.MALLINFO, test_malloc.STATS, test_malloc.XML],
        "mimalloc": [test_malloc.MIMALLOC.format(now=40 + at, rss=50) for at in range(3)],
        "tcmalloc": [test_malloc.TCMALLOC] * 3,
    }
    for name, documents in mine.items():
        yield name, {"api.log": "".join(stamp.format(at) + text for at, text in enumerate(documents))}
    wrapped = [
        f"2026-11-24T22:0{at}:00.000000001Z stderr {'P' if at % 2 else 'F'} {line}"
        for at, line in enumerate(test_malloc.MALLINFO.split("\n") * 3)
    ]
    yield "in a pod's log", {"api.log": "\n".join(wrapped)}


def _clocks() -> Iterator[tuple[str, dict[str, str]]]:
    table = "NAME   CPU(cores)   MEMORY(bytes)\napi-7d9f8b6c5d-x2x7k   1m   {}Mi\n"
    stamps = {
        "local times": [
            f"Sun Oct 25 0{hour}:{minute:02}:00 2026" for hour, minute in ((1, 50), (2, 10), (2, 50), (2, 20), (3, 5))
        ],
        "days without a year": [
            "Dec 30 23:58:00",
            "Dec 31 23:58:00",
            "Jan  1 00:01:00",
            "Feb 28 00:01:00",
            "Mar  1 00:01:00",
        ],
        "clocks": ["23:58:10", "23:59:10", "00:00:10", "00:01:10", "12:00:00"],
        "offsets": [
            "2026-11-24T23:58:00+0100",
            "2026-11-24T22:59:00Z",
            "2026-11-25 01:30:00 +02:30",
            "1795000000",
            "1795000060.5",
        ],
        "no times": ["", "", "", ""],
    }
    said = {
        "local times": {"timezone": "Europe/Berlin"},
        "days without a year": {"time": "2026-12-31", "timezone": "UTC"},
        "clocks": {"time": "2026-10-24", "timezone": "-03:30"},
        "no times": {"time": "2026-11-24T22:00:00Z", "interval": "90s", "namespace": "shop"},
    }
    for name, several in stamps.items():
        log = "".join(f"{stamp}\n{table.format(30 + at)}" for at, stamp in enumerate(several))
        yield name, {"top.log": log} | ({"options": json.dumps(said[name])} if name in said else {})
        if name in said and "no" not in name:
            yield f"{name}, less said", {"top.log": log, "options": json.dumps({"timezone": "Europe/Berlin"})}
    told = {"metrics": {"my_heap": "allocated_bytes"}, "labels": {"unit": "pod"}, "timezone": "+02:00"}
    series = [Prom.series(name, [1 << 20, 2 << 20], unit="a-0", namespace="shop") for name in ("my_heap", "other")]
    yield "names told", {"answer.json": json.dumps(Prom.answer(*series)), "options": json.dumps(told)}
    logged = [
        json.dumps({"log": f"{line}\n", "stream": "stderr", "time": at(0.1)}) for line in test_malloc.STATS.split("\n")
    ]
    yield "in JSON of Docker", {"api.log": "\n".join(logged)}
    events = [
        json.dumps({"timestamp": at(number), "fields": {"message": test_malloc.MALLINFO.strip()}})
        for number in range(3)
    ]
    yield "in JSON of tracing", {"api.log": "\n".join(events)}


def made() -> dict[str, dict[str, str]]:
    """All of them, by name."""
    return {name: files for make in (_kubernetes, _answers, _others, _allocators, _clocks) for name, files in make()}
