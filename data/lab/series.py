"""What the exporters of a cluster would have said about a recorded run: Prometheus series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recorded import Recorded

_CADVISOR = {
    "container_memory_working_set_bytes": "working_set_bytes",
    "container_memory_rss": "anon_bytes",
    "container_memory_cache": "file_bytes",
    "container_memory_usage_bytes": "usage_bytes",
    "container_memory_swap": "swap_bytes",
    "container_memory_max_usage_bytes": "peak_bytes",
    "container_memory_kernel_usage": "kernel_bytes",
    "container_memory_total_inactive_file_bytes": "inactive_file_bytes",
    "container_memory_failcnt": "failcnt",
    "container_pressure_memory_waiting_seconds_total": "psi_some_seconds",
    "container_pressure_memory_stalled_seconds_total": "psi_full_seconds",
}
_PROCESS = {
    "process_resident_memory_bytes": "rss_bytes",
    "process_threads": "threads",
    "process_open_fds": "descriptors",
    "tokio_live_tasks_count": "tasks",
    "queue_depth": "queued",
    "scrape_samples_scraped": "series",
}
_JEMALLOC = {
    f"jemalloc_{name}_bytes": f"{name}_bytes"
    for name in ("allocated", "active", "resident", "mapped", "retained", "metadata")
}
_OOM_EXIT = "OOMKilled"


@dataclass(frozen=True, slots=True)
class Series:
    """One Prometheus series: a name, labels, and samples at Unix seconds."""

    name: str
    labels: dict[str, str]
    times: Sequence[int]
    values: Sequence[float]


def series(run: Recorded) -> list[Series]:
    """List what the exporters of a cluster would have said about a run.

    Parameters
    ----------
    run
        The run.

    Returns
    -------
    list of Series
        cAdvisor, kube-state-metrics, the process collector, and jemalloc gauges where the service has them.
    """
    found: list[Series] = []
    for container in run.containers:
        rows = run.frame.filter(pl.col("container") == container["index"], pl.col("scraped"))
        found += _per_life(run, container, rows)
        found += _state(run, container, rows)
    return found


def _per_life(run: Recorded, container: dict[str, Any], rows: pl.DataFrame) -> Iterator[Series]:
    pod = {"namespace": container["namespace"], "pod": container["pod"], "container": container["container"]}
    begins = [event["time"] for event in container["events"] if event["kind"] == "start"]
    target = {
        **pod,
        "instance": f"10.1.{run.plan['seed'] % 250}.{container['index'] + 10}:9464",
        "job": container["workload"],
    }
    for (life,), part in rows.group_by(["life"], maintain_order=True):
        name = run.digest(container["pod_uid"], life)
        cadvisor = {
            **pod,
            "id": f"/kubepods/burstable/pod{container['pod_uid']}/{name}",
            "image": _image(run, container),
            "name": name,
            "node": run.node,
            "job": "kubelet",
            "metrics_path": "/metrics/cadvisor",
        }
        for metric, column in _CADVISOR.items():
            yield from _column(metric, cadvisor, part, column)
        begin = int(begins[life])
        yield Series("container_start_time_seconds", cadvisor, part["unix"].to_list(), [begin] * part.height)
        for metric, column in _PROCESS.items():
            yield from _column(metric, target, part, column)
        if run.plan["allocator"].startswith("jemalloc"):
            for metric, column in _JEMALLOC.items():
                yield from _column(metric, target, part, column)
        yield from _column("http_requests_total", target, part, "work_total")


def _column(metric: str, labels: dict[str, str], part: pl.DataFrame, column: str) -> Iterator[Series]:
    if column not in part.columns:  # recorded before there was such a column
        return
    kept = part.select("unix", column).drop_nulls()
    if kept.height:
        yield Series(metric, labels, kept["unix"].to_list(), kept[column].to_list())


def _image(run: Recorded, container: dict[str, Any]) -> str:
    return f"registry.example/{container['workload']}:{run.version(container)}"


def _state(run: Recorded, container: dict[str, Any], rows: pl.DataFrame) -> Iterator[Series]:
    """List what kube-state-metrics says: it goes on while the container is down."""
    pod = {"namespace": container["namespace"], "pod": container["pod"]}
    place = {**pod, "container": container["container"]}
    first = int(container["events"][0]["time"])
    stopped = [event["time"] for event in container["events"] if event["kind"] == "end"]
    last = int(min([run.end, *stopped]))
    gaps = [(run.start + a * run.time_scale, run.start + b * run.time_scale) for a, b in run.plan["gaps"]]
    times = [
        time
        for time in range(run.start, last, run.time_scale)
        if time >= first and not any(a <= time < b for a, b in gaps)
    ]
    if not times or rows.is_empty():
        return
    ends = [event for event in container["events"] if event["kind"] in ("oom_kill", "error")]
    starts = [event["time"] for event in container["events"] if event["kind"] == "start"][1:]

    def steady(metric: str, labels: dict[str, str], value: float) -> Series:
        return Series(metric, labels, times, [value] * len(times))

    for kind, value in (("limits", run.plan["limit_bytes"]), ("requests", run.plan["request_bytes"])):
        if value is not None:
            labels = {**place, "node": run.node, "resource": "memory", "unit": "byte"}
            yield steady(f"kube_pod_container_resource_{kind}", labels, value)
    restarts = [sum(start <= time for start in starts) for time in times]
    yield Series("kube_pod_container_status_restarts_total", place, times, restarts)
    for reason in (_OOM_EXIT, "Error"):
        kinds = [("oom_kill" if reason == _OOM_EXIT else "error") == event["kind"] for event in ends]
        said = [time for time in times if _latest(time, ends, kinds)]
        labels = {**place, "reason": reason}
        if said:
            yield Series("kube_pod_container_status_last_terminated_reason", labels, said, [1] * len(said))
    image = {"image": _image(run, container), "image_id": f"sha256:{run.digest('image', container['version'])}"}
    yield steady("kube_pod_container_info", {**place, **image}, 1)
    owner = {"owner_kind": "ReplicaSet", "owner_name": container["replica_set"], "owner_is_controller": "true"}
    yield steady("kube_pod_owner", {**pod, **owner}, 1)
    deployment = {"owner_kind": "Deployment", "owner_name": container["workload"], "owner_is_controller": "true"}
    labels = {"namespace": container["namespace"], "replicaset": container["replica_set"], **deployment}
    if container["replica"] == 0:
        yield steady("kube_replicaset_owner", labels, 1)


def _latest(time: int, ends: list[dict[str, Any]], kinds: list[bool]) -> bool:
    """Whether the last end before a time was of the kind marked true."""
    before = [kind for event, kind in zip(ends, kinds, strict=True) if event["time"] <= time]
    return bool(before) and before[-1]
