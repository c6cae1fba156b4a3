"""Two hours of a made-up cluster, with everything that real ones do to their metrics."""

from __future__ import annotations

import random
from typing import Final

from tests.live.servers import T0, lines

#: Scrapes, and how far apart.
SCRAPES: Final = 480
STEP: Final = 15
END: Final = T0 + STEP * (SCRAPES - 1)
MIB: Final = 1 << 20

#: A namespace that tries to end the string, the selector and the line, and to be more than ASCII.
ODD: Final = 'sho"p} or vector(1) #\n\\ü{}|.*$'

_JOB: Final = {"job": "kubelet", "instance": "10.0.0.1:10250", "node": "n1"}
_KUBE: Final = {"job": "kube-state-metrics", "instance": "10.1.0.9:8080"}


def history() -> list[str]:
    """All samples, as lines of the text format."""
    return [
        *_exact(),
        *_shop(),
        *_two_replicas(),
        *_restart_without_marker(),
        *_two_jobs(),
        *_whole_pods(),
        *_docker(),
        *_odd_names(),
        *_brief(),
    ]


def grid(first: int = 0, last: int = SCRAPES, offset: float = 0.0) -> list[float]:
    """Instants of scrapes."""
    return [T0 + STEP * number + offset for number in range(first, last)]


def of(pod: str, container: str, namespace: str, **more: str) -> dict[str, str]:
    """Labels of a container as cAdvisor sets them."""
    place = {"namespace": namespace, "pod": pod, "container": container, "id": f"/kubepods/{pod}/{container}"}
    return {**place, "image": f"registry.example/{container}:1.4.2", "name": f"{pod}{container}", **_JOB, **more}


def _exact() -> list[str]:
    """Values and instants without any pattern, and what a number must not be."""
    draw = random.Random(7)  # noqa: S311 - numbers, no secrets
    made: list[str] = []
    for pod in ("draw-0", "draw-1", "draw-2"):
        times = sorted({T0 + draw.randrange(7_200_000) / 1000 for _ in range(SCRAPES)})
        labels = of(pod, "draw", "exact")
        made += lines("container_memory_working_set_bytes", labels, ((at, draw.randrange(1 << 40)) for at in times))
        made += lines("container_memory_rss", labels, ((at, draw.randrange(1 << 40)) for at in times[::2]))
        total = 0.0
        counted = []
        for at in times:
            total += draw.random()
            counted.append((at, repr(total)))
        made += lines("container_pressure_memory_waiting_seconds_total", labels, counted)
    special = ["1048576", "NaN", "+Inf", "-Inf", "2097152", "1e+09", "3145728", "-0", "4194304", "-5"]
    made += lines("container_memory_cache", of("draw-0", "draw", "exact"), zip(grid(0, 10, 0.5), special, strict=True))
    return made


def _shop() -> list[str]:
    """A Deployment of two pods, one of which is killed at its limit; with the service's own gauges."""
    made: list[str] = []
    kill = 240
    for pod, replica_set in (("api-7d4b9c8f6d-m8rtz", "api-7d4b9c8f6d"), ("api-7d4b9c8f6d-q2wxk", "api-7d4b9c8f6d")):
        labels = of(pod, "api", "shop")
        known = {"namespace": "shop", "pod": pod, "container": "api", **_KUBE}
        dies = pod.endswith("m8rtz")
        for name, base in (("working_set_bytes", 100), ("rss", 80), ("cache", 10), ("usage_bytes", 120)):
            at = [((number % kill if dies else number), time) for number, time in enumerate(grid())]
            made += lines(f"container_memory_{name}", labels, ((time, base * MIB + age * 65_536) for age, time in at))
        # The cgroup of the whole pod, and the container that only holds its network.
        for container in ("", "POD"):
            outside = {**labels, "container": container, "id": f"/kubepods/{pod}{container}"}
            made += lines("container_memory_working_set_bytes", outside, ((time, 300 * MIB) for time in grid()))
        start = [(time, T0 + kill * STEP - 2 if dies and time >= T0 + kill * STEP else T0 - 60) for time in grid()]
        made += lines("container_start_time_seconds", labels, start)
        memory = {"resource": "memory", "unit": "byte"}
        made += lines("kube_pod_container_resource_limits", known | memory, ((at, 128 * MIB) for at in grid()))
        made += lines("kube_pod_container_resource_requests", known | memory, ((at, 64 * MIB) for at in grid()))
        made += lines(
            "kube_pod_container_resource_limits",
            known | {"resource": "cpu", "unit": "core"},
            ((at, 2) for at in grid()),
        )
        made += lines(
            "kube_pod_container_status_restarts_total",
            known,
            ((time, int(dies and number >= kill + 1)) for number, time in enumerate(grid())),
        )
        if dies:
            reason = {**known, "reason": "OOMKilled"}
            name = "kube_pod_container_status_last_terminated_reason"
            made += lines(name, reason, ((time, 1) for time in grid(kill + 1)))
        image = {**known, "image": "registry.example/api:1.4.2", "image_id": "sha256:" + "ab" * 32}
        made += lines("kube_pod_container_info", image, ((time, 1) for time in grid()))
        owner = {"owner_kind": "ReplicaSet", "owner_name": replica_set, "owner_is_controller": "true"}
        made += lines("kube_pod_owner", {"namespace": "shop", "pod": pod, **_KUBE, **owner}, ((t, 1) for t in grid()))
        own = {"namespace": "shop", "pod": pod, "container": "api", "job": "shop/api", "instance": "10.2.0.4:9000"}
        for kind, base in (("allocated", 70), ("resident", 90)):
            made += lines(f"shop_jemalloc_{kind}_bytes", own, ((time, base * MIB) for time in grid(offset=4.25)))
        made += lines("shop_jemalloc_arena_allocated_bytes", own, ((time, MIB) for time in grid()))
        made += lines(
            "shop_requests_total", own, ((time, 10 * number) for number, time in enumerate(grid(offset=4.25)))
        )
    for resource, amount in (("cpu", 16), ("memory", 64 << 30)):
        labels = {"node": "n1", "resource": resource, **_KUBE}
        made += lines("kube_node_status_capacity", labels, ((time, amount) for time in grid()))
    above = {"owner_kind": "Deployment", "owner_name": "api", "owner_is_controller": "true"}
    labels = {"namespace": "shop", "replicaset": "api-7d4b9c8f6d", **_KUBE, **above}
    return made + lines("kube_replicaset_owner", labels, ((time, 1) for time in grid()))


def _two_replicas() -> list[str]:
    """A pair of Prometheus servers that scrape 7 s apart; the first misses ten minutes."""
    labels = of("ha-0", "ha", "ha")
    made: list[str] = []
    for replica, offset in (("a", 0.0), ("b", 7.0)):
        points = [
            (time, (50 + number) * MIB)
            for number, time in enumerate(grid(offset=offset))
            if replica == "b" or not 200 <= number < 240
        ]
        made += lines("container_memory_working_set_bytes", labels | {"prometheus_replica": replica}, points)
    return made


def _restart_without_marker() -> list[str]:
    """A container that seems to live on for four and a half minutes beside its successor."""
    old, new = (of("back-0", "back", "restart", id=f"/kubepods/back/{life}") for life in ("old", "new"))
    made = lines("container_memory_working_set_bytes", old, ((time, 500 * MIB) for time in grid(0, 258)))
    return made + lines("container_memory_working_set_bytes", new, ((time, 100 * MIB) for time in grid(240)))


def _two_jobs() -> list[str]:
    """One container, told by cAdvisor and by the kubelet's resource metrics."""
    labels = of("twice-0", "twice", "twojobs")
    made = lines("container_memory_working_set_bytes", labels, ((time, 70 * MIB) for time in grid()))
    short = {name: labels[name] for name in ("namespace", "pod", "container")} | {"job": "kubelet-resource"}
    return made + lines("container_memory_working_set_bytes", short, ((time, 71 * MIB) for time in grid(offset=3.0)))


def _whole_pods() -> list[str]:
    """A runtime that tells of whole pods only."""
    labels = of("lone-0", "", "whole", image="", name="")
    return lines("container_memory_working_set_bytes", labels, ((time, 33 * MIB) for time in grid()))


def _docker() -> list[str]:
    """A container without Kubernetes."""
    labels = {"name": "paperless", "id": "/docker/0123", "image": "paperless:2.1", "job": "cadvisor", "instance": "nas"}
    made = lines("container_memory_working_set_bytes", labels, ((time, 44 * MIB) for time in grid()))
    for name, value in (("quota", 150_000), ("period", 100_000)):
        made += lines(f"container_spec_cpu_{name}", labels, ((time, value) for time in grid()))
    machine = {"job": "cadvisor", "instance": "nas", "machine_id": "0123"}
    return made + lines("machine_cpu_cores", machine, ((time, 4) for time in grid()))


def _odd_names() -> list[str]:
    labels = of("odd-0", "odd", ODD)
    return lines("container_memory_working_set_bytes", labels, ((time, 22 * MIB) for time in grid()))


def _brief() -> list[str]:
    """A job that begins and ends between two instants at which the window is looked at."""
    labels = of("nightly-29384756-xk2lp", "nightly", "brief")
    own = {name: labels[name] for name in ("namespace", "pod", "container")} | {"job": "nightly"}
    made = lines("container_memory_working_set_bytes", labels, ((time, 11 * MIB) for time in grid(62, 72)))
    return made + lines("nightly_jemalloc_allocated", own, ((time, 9 * MIB) for time in grid(62, 72)))
