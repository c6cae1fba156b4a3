"""Dumps of Kubernetes objects beside a log of `kubectl top`: one Recording with limits, owners and restarts."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest
import yaml

import rmtoolkit as rm
from rmtoolkit.assessment import classify
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.loaders import kubernetes
from rmtoolkit.loaders.kubernetes import WITHOUT_OBJECTS
from rmtoolkit.schema import Report
from rmtoolkit.views import exports
from tests.loaders.kubernetes import API, MI, T0, at, container, ended, listed, owned, pod, running, save, status, top

if TYPE_CHECKING:
    from pathlib import Path

FLAT = {(API, "api"): [100] * 30}
SIZES: Final = {"eu": 100, "us": 300}
KILLED = status(restarts=1, last=ended(0, 19.5), state=running(19.6))


def events(recording: rm.Recording, container_id: int = 0) -> list[tuple[float, str, int | None, str | None]]:
    """Events of a container: minutes after the first instant, kind, bytes, detail."""
    rows = recording.events.filter(container_id=container_id).select("time", "kind", "value_bytes", "detail")
    return [
        (round((time - T0).total_seconds() / 60, 1), kind, value, detail)
        for time, kind, value, detail in rows.iter_rows()
    ]


def about(recording: rm.Recording, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of the containers."""
    return recording.containers.select(*columns).rows()


def test_a_folder_with_a_log_and_a_dump_is_one_recording(tmp_path: Path) -> None:
    """Limits, owner, version, node, uid and the kill with its time come from the dump, samples from the log."""
    rising = {(API, "api"): [100 + 10 * minute if minute < 20 else 10 * minute - 100 for minute in range(40)]}
    dump = listed(
        pod(API, container(limit="300Mi", request="0.2Gi"), statuses=(KILLED,)),
        owned("ReplicaSet", "api-7d9f8b6c5d", ("Deployment", "api")),
    )
    save(tmp_path, top(rising), dump)
    recording = rm.read(tmp_path)
    columns = ("workload", "workload_kind", "workload_inferred", "version", "node", "pod_uid")
    assert about(recording, *columns) == [("api", "Deployment", False, "1.2", "node-a", "uid-1")]
    assert about(recording, "limit_bytes", "request_bytes", "limit_known", "quantum_bytes") == [
        (300 * MI, 214_748_364, True, MI)
    ]
    assert recording.samples["working_set_bytes"].to_list() == [amount * MI for amount in rising[API, "api"]]
    assert events(recording) == [
        (0, "start", None, None),
        (19.5, "oom_kill", 300 * MI, "OOMKilled, exit code 137"),
        (19.6, "start", None, None),
    ]
    assert rm.lives(recording)["ended"].to_list() == ["oom_kill", "running"]
    verdict = rm.classify(recording).row(0, named=True)
    assert (verdict["limit_outlook"], verdict["limit_bytes"]) == ("reaches", 300 * MI)
    assert verdict["verdict"] != "not_leak"
    assert verdict["evidence_level"] >= 2
    assert recording.report.missing == ()
    assert set(recording.report.found) >= {"limits", "restarts", "reasons", "owners", "versions"}
    assert [source.rpartition("/")[2] for source in recording.report.sources] == ["top.log", "pods-0.json"]


def test_without_a_dump_the_report_says_what_would_supply_the_limits(tmp_path: Path) -> None:
    """The command that gives what is missing is in the report."""
    (log,) = save(tmp_path, top(FLAT))
    assert rm.read(log).report.missing == (WITHOUT_OBJECTS,)


@pytest.mark.parametrize("form", ["json", "indented", "yaml", "documents", "watch", "single", "PodList", "gzip"])
def test_every_way_to_print_a_dump_says_the_same(tmp_path: Path, form: str) -> None:
    """JSON or YAML, a list or one object, lines of a watch, the API's own list: one result."""
    objects = [pod(API, container(limit="300Mi"), statuses=(KILLED,)), owned("ReplicaSet", "api-7d9f8b6c5d", None)]
    if form == "single":
        objects = objects[:1]
    printed = {
        "json": lambda: listed(*objects),
        "gzip": lambda: listed(*objects),
        "indented": lambda: json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=4),
        "yaml": lambda: yaml.safe_dump({"apiVersion": "v1", "items": objects, "kind": "List"}),
        "documents": lambda: yaml.safe_dump_all(objects),
        "watch": lambda: "\n".join(json.dumps({"type": "MODIFIED", "object": one}) for one in objects),
        "single": lambda: json.dumps(objects[0], indent=1),
        "PodList": lambda: json.dumps(
            {"kind": "PodList", "items": [{name: objects[0][name] for name in ("metadata", "spec", "status")}]}
        ),
    }[form]()
    (log,) = save(tmp_path, top(FLAT))
    dump = tmp_path / "pods"
    dump.write_bytes(gzip.compress(printed.encode()) if form == "gzip" else printed.encode())
    recording = rm.read([log, dump])
    assert about(recording, "limit_bytes", "version", "pod_uid") == [(300 * MI, "1.2", "uid-1")]
    assert [kind for _, kind, _, _ in events(recording)] == ["start", "oom_kill", "start"]
    assert rm.read_kubectl_top(log, pods=dump).events.equals(recording.events)
    assert rm.read_kubectl_top(log, pods=[dump]).containers.equals(recording.containers)


@pytest.mark.parametrize(
    ("owner", "above", "expected"),
    [
        (("ReplicaSet", "api-7d9f8b6c5d"), ("ReplicaSet", ("Deployment", "shop")), ("shop", "Deployment", False)),
        (("ReplicaSet", "api-7d9f8b6c5d"), ("ReplicaSet", ("Rollout", "api")), ("api", "Rollout", False)),
        (("ReplicaSet", "api-7d9f8b6c5d"), None, ("api", "Deployment", True)),
        (("Job", "n-29384756"), ("Job", ("CronJob", "nightly")), ("nightly", "CronJob", False)),
        (("Job", "once"), ("Job", None), ("once", "Job", False)),
        (("StatefulSet", "db"), None, ("db", "StatefulSet", False)),
        (("DaemonSet", "agent"), None, ("agent", "DaemonSet", False)),
        (("SparkApplication", "etl"), None, ("etl", "SparkApplication", False)),
        (("Node", "node-a"), None, (API, "StaticPod", False)),
        (None, None, (API, "Pod", False)),
    ],
    ids=["Deployment", "Rollout", "guess", "CronJob", "Job", "StatefulSet", "DaemonSet", "custom", "static", "bare"],
)  # fmt: skip
def test_the_owner_is_the_workload_that_people_know(
    tmp_path: Path,
    owner: tuple[str, str] | None,
    above: tuple[str, tuple[str, str] | None] | None,
    expected: tuple[str, str, bool],
) -> None:
    """From the pod over its ReplicaSet or Job to what made that; guessed only where the middle is not in the dump."""
    objects = [pod(owner=owner)]
    if owner is not None and above is not None:
        objects.append(owned(above[0], owner[1], above[1]))
    recording = rm.read(save(tmp_path, top(FLAT), listed(*objects)))
    assert about(recording, "workload", "workload_kind", "workload_inferred") == [expected]


@pytest.mark.parametrize(
    ("last", "limit", "kind", "value", "detail"),
    [
        (ended(0, 9), "1Gi", "oom_kill", 1 << 30, "OOMKilled, exit code 137"),
        (ended(0, 9), None, "node_oom", None, "OOMKilled, exit code 137"),
        (ended(0, 9, "Error", 137), "1Gi", "error", None, "Error, exit code 137"),
        (ended(0, 9, "Error", 1), "1Gi", "error", None, "Error, exit code 1"),
        (ended(0, 9, "Completed", 0), "1Gi", "end", None, "Completed, exit code 0"),
        (ended(0, 9, "ContainerStatusUnknown", 137), "1Gi", "error", None, "ContainerStatusUnknown, exit code 137"),
    ],
    ids=["OOM", "OOM without a limit", "killed", "failed", "completed", "unknown"],
)
def test_how_a_run_ended_is_an_event_with_its_time(
    tmp_path: Path, last: dict[str, Any], limit: str | None, kind: str, value: int | None, detail: str
) -> None:
    """Only OOMKilled below a limit says anything about the limit; exit code 137 alone does not."""
    spec = container(limit=limit) if limit else container()
    dump = listed(pod(API, spec, statuses=(status(restarts=1, last=last, state=running(9.5)),)))
    recording = rm.read(save(tmp_path, top(FLAT), dump))
    assert events(recording)[1] == (9, kind, value, detail)


def test_restarts_between_two_dumps_are_counted_and_each_known_one_is_told_once(tmp_path: Path) -> None:
    """What both dumps show is one event; what neither shows is counted at the start after it."""
    first = pod(API, container(limit="1Gi"), statuses=(status(restarts=1, last=ended(0, 5), state=running(5.5)),))
    second = pod(
        API,
        container(limit="1Gi"),
        statuses=(status(restarts=5, last=ended(20, 22, "Error", 2), state=running(22.5)),),
    )
    recording = rm.read(save(tmp_path, top(FLAT), listed(first), listed(second)))
    assert events(recording) == [
        (0, "start", None, None),
        (5, "oom_kill", 1 << 30, "OOMKilled, exit code 137"),
        (5.5, "start", None, None),
        (20, "start", None, "after 2 restarts at unknown times"),
        (22, "error", None, "Error, exit code 2"),
        (22.5, "start", None, None),
    ]


def test_a_run_seen_alive_and_then_dead_has_the_limit_under_which_it_died(tmp_path: Path) -> None:
    """The limit was raised in place after the kill: the kill keeps the old one, and the change is told."""
    before = pod(API, container(limit="200Mi"), statuses=(status(state=running(0)),))
    dead = pod(API, container(limit="200Mi"), statuses=(status(restarts=1, last=ended(0, 9), state=running(9.5)),))
    raised = pod(
        API,
        container(limit="400Mi"),
        statuses=(status(restarts=1, last=ended(0, 9), state=running(9.5), resources={"limits": {"memory": "400Mi"}}),),
    )
    dumps = "\n".join(f"{at(minute)}\n{listed(one)}" for minute, one in ((5, before), (12, dead), (20, raised)))
    recording = rm.read(save(tmp_path, top(FLAT), dumps))
    assert (9, "oom_kill", 200 * MI, "OOMKilled, exit code 137") in events(recording)
    assert [row for row in events(recording) if row[1] == "limit"] == [
        (5, "limit", 200 * MI, None),
        (20, "limit", 400 * MI, None),
    ]
    assert about(recording, "limit_bytes") == [(400 * MI,)]


def test_a_resize_counts_when_the_kubelet_has_made_it(tmp_path: Path) -> None:
    """The spec asks for more than the status says is in force: the status counts."""
    resized = status(state=running(0), resources={"limits": {"memory": "200Mi"}, "requests": {"memory": "100Mi"}})
    dump = listed(pod(API, container(limit="400Mi", request="300Mi"), statuses=(resized,)))
    recording = rm.read(save(tmp_path, top(FLAT), dump))
    assert about(recording, "limit_bytes", "request_bytes") == [(200 * MI, 100 * MI)]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("128974848", 128_974_848), ("129e6", 129_000_000), ("129M", 129_000_000), ("128974848000m", 128_974_848),
        ("123Mi", 123 * MI), ("1.5Gi", 3 << 29), ("2048Ki", 2 * MI), ("1G", 10**9), ("1T", 10**12),
        ("5000k", 5_000_000), (1073741824, 1 << 30), ("0", None), ("-5", None), ("lots", None), (None, None),
    ],
)  # fmt: skip
def test_amounts_in_every_unit(tmp_path: Path, written: Any, amount: int | None) -> None:
    """Quantities as Kubernetes writes them; nothing is no limit, and known to be none."""
    spec = {"name": "api", "resources": {"limits": {"memory": written, "cpu": "1"}}}
    recording = rm.read(save(tmp_path, top(FLAT), listed(pod(API, spec))))
    assert about(recording, "limit_bytes", "limit_known") == [(amount, True)]


def test_sidecars_and_init_containers_have_limits_of_their_own(tmp_path: Path) -> None:
    """A sidecar is an init container that stays; each row finds its own container."""
    log = top({(API, "api"): [100] * 9, (API, "proxy"): [50] * 9, (API, "migrate"): [5] * 2})
    spec = {
        "initContainers": [
            {**container("proxy", "proxy:2", limit="64Mi"), "restartPolicy": "Always"},
            container("migrate", "migrate:3", limit="32Mi"),
        ]
    }
    done = [status("migrate", state=ended(0, 2, "Completed", 0))]
    dump = listed(pod(API, container(limit="1Gi"), spec=spec, initContainerStatuses=done))
    recording = rm.read(save(tmp_path, log, dump))
    assert about(recording, "container", "limit_bytes", "version") == [
        ("api", 1 << 30, "1.2"),
        ("migrate", 32 * MI, "3"),
        ("proxy", 64 * MI, "2"),
    ]
    assert events(recording, 1) == [(0, "start", None, None), (2, "end", None, "Completed, exit code 0")]
    # A patch of the template's containers would add one without an image.
    says = "it is one of the initContainers of its pod, change it in the manifest"
    assert recording.report.governors == {"shop/api/proxy": says, "shop/api/migrate": says}


def pods_log(name: str, minutes: int = 9) -> str:
    """A log of `kubectl top pod`, without containers and namespaces."""
    return "".join(f"{at(minute)}\nNAME CPU(cores) MEMORY(bytes)\n{name} 1m 100Mi\n" for minute in range(minutes))


def test_the_row_of_a_pod_with_one_container_is_that_container(tmp_path: Path) -> None:
    """Namespace and container, which the log does not name, come from the dump."""
    recording = rm.read(save(tmp_path, pods_log(API), listed(pod(API, container(limit="1Gi"), statuses=(KILLED,)))))
    assert about(recording, "namespace", "container", "limit_bytes") == [("shop", "api", 1 << 30)]
    assert len(events(recording)) == 3


def test_the_row_of_a_pod_with_several_containers_has_their_sum(tmp_path: Path) -> None:
    """The limit is the sum, known to be none when one has none; a kill names the container and no limit of the pod."""
    both = (container(limit="1Gi", request="1Mi"), container("proxy", limit="64Mi", request="2Mi"))
    recording = rm.read(save(tmp_path, pods_log(API), listed(pod(API, *both, statuses=(KILLED,)))))
    assert about(recording, "container", "limit_bytes", "request_bytes", "version") == [
        (None, (1 << 30) + 64 * MI, 3 * MI, "1.2")
    ]
    assert (19.5, "oom_kill", None, "api: OOMKilled, exit code 137") in events(recording)
    without = rm.read(save(tmp_path, pods_log(API), listed(pod(API, both[0], container("proxy", "proxy:9")))))
    assert about(without, "limit_bytes", "limit_known", "version") == [(None, True, None)]


def test_a_limit_of_the_whole_pod_holds_for_containers_without_one(tmp_path: Path) -> None:
    """Pod-level resources: the pod's limit is the container's ceiling, and is not counted twice for the pod."""
    spec = {"resources": {"limits": {"memory": "512Mi"}}}
    dump = listed(pod(API, container(limit="128Mi"), container("proxy"), spec=spec))
    log = top({(API, "api"): [9] * 3, (API, "proxy"): [9] * 3})
    recording = rm.read(save(tmp_path, log, dump))
    assert about(recording, "container", "limit_bytes") == [("api", 128 * MI), ("proxy", 512 * MI)]
    assert set(recording.report.governors.values()) == {"its whole pod has a limit too, change both"}
    assert about(rm.read(save(tmp_path, pods_log(API), dump)), "limit_bytes") == [(512 * MI,)]


def test_a_later_pod_of_the_same_name_is_an_instance_of_its_own(tmp_path: Path) -> None:
    """A StatefulSet's pod made anew, with another limit and image: samples go to the pod that was there."""
    log = top({("db-0", "db"): [*range(100, 120), *range(50, 70)]})
    old = pod("db-0", container("db", "db:7", limit="1Gi"), owner=("StatefulSet", "db"), uid="a", created=-600)
    new = pod("db-0", container("db", "db:8", limit="2Gi"), owner=("StatefulSet", "db"), uid="b", created=19.5)
    recording = rm.read(save(tmp_path, log, listed(old), listed(new)))
    assert about(recording, "pod_uid", "limit_bytes", "version") == [("a", 1 << 30, "7"), ("b", 2 << 30, "8")]
    assert recording.samples.group_by("container_id", maintain_order=True).len().rows() == [(0, 20), (1, 20)]
    assert recording.samples.filter(container_id=1)["working_set_bytes"].to_list()[0] == 50 * MI
    assert [row for row in events(recording, 1) if row[1] == "release"] == [(20, "release", None, "8")]


def test_one_dump_made_after_a_pod_was_made_anew_still_cuts_its_life(tmp_path: Path) -> None:
    """Samples from before the pod belong to its forerunner; the pod's start parts the two."""
    log = top({("db-0", "db"): [*range(100, 120), *range(50, 70)]})
    recording = rm.read(
        save(tmp_path, log, listed(pod("db-0", container("db"), owner=("StatefulSet", "db"), created=19.5)))
    )
    assert events(recording) == [(19.5, "start", None, "the pod's start")]
    assert rm.lives(recording)["samples"].to_list() == [20, 20]


def test_a_pod_that_is_gone_is_known_by_its_replica_set(tmp_path: Path) -> None:
    """Owner, version and limit of rolled-away pods come from the ReplicaSet, and the release is seen."""
    old = "api-66f9c6b9b8-q5w2z"
    log = top({(old, "api"): [100] * 10, (API, "api"): [100] * 30})
    log = log.replace(f"shop   {API}   api   1m   100Mi\n", "", 8)
    dump = listed(
        pod(API, container(limit="1Gi")),
        owned("ReplicaSet", "api-66f9c6b9b8", ("Deployment", "api"), container(image="shop/api:1.1", limit="512Mi")),
        owned("ReplicaSet", "api-7d9f8b6c5d", ("Deployment", "api"), container()),
    )
    recording = rm.read(save(tmp_path, log, dump))
    assert about(recording, "pod", "workload", "version", "limit_bytes", "workload_inferred") == [
        (old, "api", "1.1", 512 * MI, False),
        (API, "api", "1.2", 1 << 30, False),
    ]
    releases = recording.events.filter(kind="release").select("container_id", "detail").rows()
    assert releases == [(1, "1.2")]


def test_an_evicted_pod_ends_with_an_eviction(tmp_path: Path) -> None:
    """An eviction is no OOM kill and says nothing about the limit, whatever the exit code."""
    message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi."
    conditions = [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": at(12)}]
    evicted: dict[str, Any] = {"phase": "Failed", "reason": "Evicted", "message": message, "conditions": conditions}
    killed = status(state=ended(0, 12.2, "Error", 137))
    with_status = listed(pod(API, container(limit="1Gi"), statuses=(killed,), **evicted))
    recording = rm.read(save(tmp_path, top({(API, "api"): [100] * 12}), with_status))
    assert events(recording)[1] == (12.2, "evicted", None, f"Evicted: {message}")
    assert rm.lives(recording)["ended"].to_list() == ["evicted"]
    without = rm.read(save(tmp_path, top({(API, "api"): [100] * 12}), listed(pod(API, **evicted))))
    assert events(without)[1] == (12, "evicted", None, f"Evicted (Burstable): {message}")


def test_an_eviction_told_by_an_event_counts_when_the_pod_is_gone(tmp_path: Path) -> None:
    """`kubectl get events` remembers the eviction of a pod that is no more."""
    told = {
        "kind": "Event",
        "metadata": {"name": "api.17", "namespace": "shop", "uid": "e"},
        "involvedObject": {"kind": "Pod", "name": API, "namespace": "shop"},
        "reason": "Evicted",
        "message": "low on memory",
        "firstTimestamp": at(12),
    }
    recording = rm.read(save(tmp_path, top({(API, "api"): [100] * 12}), listed(told)))
    assert events(recording) == [(12, "evicted", None, "Evicted: low on memory")]


def test_a_deleted_pod_ends(tmp_path: Path) -> None:
    """A watch tells that a pod is gone; a run without an end of its own ends with it."""
    alive = pod(API, statuses=(status(state=running(0)),))
    gone = pod(API, statuses=(status(state=running(0)),), about={"deletionTimestamp": at(15)})
    watched = "\n".join(
        json.dumps({"type": kind, "object": one}) for kind, one in (("ADDED", alive), ("DELETED", gone))
    )
    recording = rm.read(save(tmp_path, top({(API, "api"): [100] * 15}), watched))
    assert events(recording) == [(0, "start", None, None), (15, "end", None, "deleted")]


def test_who_is_responsible_is_in_the_report(tmp_path: Path) -> None:
    """Labels and annotations of pods and namespaces name people and teams; a dump that is trimmed keeps just that."""
    labelled = pod(about={"labels": {"app": "api", "example.com/team": "checkout"}, "annotations": {"secret": "s"}})
    space = {"kind": "Namespace", "metadata": {"name": "shop", "annotations": {"owner": "Ann Lee"}}}
    expected = {"shop/api": "checkout", "shop": "Ann Lee"}
    assert rm.read(save(tmp_path, top(FLAT), listed(labelled, space))).report.owners == expected
    short = [kubernetes.trimmed(str(one["kind"]), one) for one in (labelled, space)]
    assert "secret" not in json.dumps(short)
    recording = rm.read(save(tmp_path, top(FLAT), listed(*short)))
    assert recording.report.owners == expected
    assert rm.read_recording(recording.write(tmp_path / "kept.parquet")).report == recording.report
    assert rm.assess(recording).workloads["owner"].to_list() == ["checkout"]


@pytest.mark.parametrize(
    ("of_pod", "of_parent", "expected"),
    [
        pytest.param({}, {"team": "checkout"}, {"shop/api": "checkout"}, id="the Deployment alone"),
        pytest.param({"team": "api"}, {"team": "checkout"}, {"shop/api": "api"}, id="its pods first"),
        pytest.param({}, {"app": "api"}, {}, id="nobody"),
    ],
)
def test_who_is_responsible_for_a_deployment(
    tmp_path: Path, of_pod: dict[str, str], of_parent: dict[str, str], expected: dict[str, str]
) -> None:
    """Labels of what made the pods count where the pods have none; a row that is written names who it is."""
    about = {"name": "api", "namespace": "shop", "labels": of_parent}
    parent = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": about}
    elsewhere = {"kind": "StatefulSet", "metadata": {**about, "labels": {"team": "other"}}}
    dumped = [pod(about={"labels": of_pod}), parent, elsewhere]
    for objects in (dumped, [kubernetes.trimmed(str(one["kind"]), one) for one in dumped]):
        recording = rm.read(save(tmp_path, top(FLAT), listed(*objects)))
        assert recording.report.owners == expected
    found = rm.assess(recording)
    for rows in (rm.classify(found), rm.classify(found, by="instance"), rm.recommend_limits(found)):
        told = json.loads(exports.as_bytes(exports.as_told(rows, found), ".json"))
        assert [one["owner"] for one in told] == [expected.get("shop/api")]


def test_nodes_and_quotas_are_in_the_report(tmp_path: Path) -> None:
    """What pods may use on a node, and what a namespace may have, in bytes; both survive the Parquet round trip."""
    node = {"kind": "Node", "metadata": {"name": "node-a"}, "status": {"allocatable": {"memory": "8000Ki"}}}
    quota = {
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "shop"},
        "status": {"hard": {"limits.memory": "10Gi", "cpu": "4"}},
    }
    recording = rm.read(save(tmp_path, top(FLAT), listed(pod(), node, quota)))
    assert recording.report.nodes == {"node-a": 8_192_000}
    assert recording.report.quotas == {"shop/q limits.memory": 10 << 30}
    assert rm.read_recording(recording.write(tmp_path / "kept.parquet")).report == recording.report


VPA: Final[dict[str, Any]] = {
    "kind": "VerticalPodAutoscaler",
    "metadata": {"name": "watch", "namespace": "shop"},
    "spec": {"targetRef": {"kind": "Deployment", "name": "api"}},
}
HPA: Final[dict[str, Any]] = {
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "count", "namespace": "shop"},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "api"}},
}


def policy(**content: Any) -> dict[str, Any]:
    """A VerticalPodAutoscaler with a policy for one container."""
    return {**VPA, "spec": {**VPA["spec"], "resourcePolicy": {"containerPolicies": [content]}}}


def metric(target: str, name: str = "memory", **more: Any) -> dict[str, Any]:
    """A HorizontalPodAutoscaler with one metric."""
    source = {"name": name, "target": {"type": target}, **more}
    return {**HPA, "spec": {**HPA["spec"], "metrics": [{"resource": source}]}}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (VPA, "the VerticalPodAutoscaler watch sets its memory (Auto)"),
        ({**VPA, "spec": {**VPA["spec"], "updatePolicy": {"updateMode": "Off"}}}, None),
        ({**VPA, "spec": {"targetRef": {"kind": "StatefulSet", "name": "api"}}}, None),
        ({**VPA, "metadata": {"name": "watch", "namespace": "test"}}, None),
        (policy(containerName="api", mode="Off"), None),
        (policy(containerName="*", controlledResources=["cpu"]), None),
        (policy(containerName="other", mode="Off"), "the VerticalPodAutoscaler watch sets its memory (Auto)"),
        (
            metric("Utilization"),
            "the HorizontalPodAutoscaler count sets the pods by its memory over its request",
        ),
        (metric("AverageValue"), None),
        (metric("Utilization", "cpu"), None),
        ({**VPA, "spec": None}, None),
        ({**HPA, "spec": {"metrics": [None, {"resource": 7}], "scaleTargetRef": []}}, None),
    ],
)
def test_what_sets_memory_beside_the_manifest_is_known(tmp_path: Path, rule: dict[str, Any], says: str | None) -> None:
    """Of this container only, and only where it is memory that is set or counted by."""
    replicas = {
        "kind": "ReplicaSet",
        "metadata": {
            "name": "api-7d9f8b6c5d",
            "namespace": "shop",
            "ownerReferences": [{"kind": "Deployment", "name": "api", "controller": True}],
        },
    }
    recording = rm.read(save(tmp_path, top(FLAT), listed(pod(), replicas, rule)))
    assert recording.report.governors == ({} if says is None else {"shop/api/api": says})


def test_what_sets_memory_is_known_without_namespaces_too(tmp_path: Path) -> None:
    """As in a dump that somebody cut down: what has no namespace is of what has none."""
    alone = pod(owner=("Deployment", "api"))
    del alone["metadata"]["namespace"]
    watch = {**VPA, "metadata": {"name": "watch"}}
    recording = rm.read(save(tmp_path, pods_log(API), listed(alone, watch)))
    assert about(recording, "namespace", "workload", "container") == [(None, "api", "api")]
    assert list(recording.report.governors) == ["/api/api"]
    (row,) = rm.assess(recording).workloads.to_dicts()
    assert row["limit_obstacle"] == "the VerticalPodAutoscaler watch sets its memory (Auto)"


def test_what_two_clusters_say_otherwise_is_not_known() -> None:
    """A namespace of both may have a range in each; one that only one has, or both alike, is known."""
    one = Report(ranges={"shop max": 1, "ops max": 2, "a min": 3}, governors={"shop/api/api": "it"})
    both = one.joined(Report(ranges={"shop max": 2, "ops max": 2}, governors={"shop/api/api": "another"}))
    assert (both.ranges, both.governors) == ({"ops max": 2, "a min": 3}, {})


def test_the_narrowest_range_of_a_namespace_holds(tmp_path: Path) -> None:
    """Of several, and of a whole pod's at most; what is no memory, and other kinds of it, are passed over."""
    limits = [
        {"type": "Container", "max": {"memory": "2Gi"}, "min": {"memory": "16Mi"}},
        {"type": "Container", "max": {"cpu": "4"}, "min": {"memory": "64Mi"}},
        {"type": "Pod", "max": {"memory": "1Gi"}, "min": {"memory": "1Gi"}},
        {"type": "PersistentVolumeClaim", "max": {"memory": "1Mi"}},
        None,
    ]
    given = {"kind": "LimitRange", "metadata": {"name": "r", "namespace": "shop"}, "spec": {"limits": limits}}
    recording = rm.read(save(tmp_path, top(FLAT), listed(pod(), given)))
    assert recording.report.ranges == {"shop max": 1 << 30, "shop min": 64 * MI}
    assert rm.read_recording(recording.write(tmp_path / "kept.parquet")).report == recording.report


def test_dumps_are_put_in_order_by_their_revision(tmp_path: Path) -> None:
    """Files whose dates were lost, as after a checkout: the API's own revision says which came first."""
    dumps = [
        listed(pod(API, container(limit=limit), about={"resourceVersion": revision}))
        for limit, revision in (("400Mi", "1200"), ("200Mi", "900"))
    ]
    recording = rm.read(save(tmp_path, top(FLAT), *dumps))
    assert about(recording, "limit_bytes") == [(400 * MI,)]


def test_a_pod_of_that_name_in_two_namespaces_is_left_open(tmp_path: Path) -> None:
    """A log without namespaces does not say which of two pods it means; nothing is guessed."""
    other = pod(API, container(limit="2Gi"), uid="uid-2", about={"namespace": "test"})
    recording = rm.read(save(tmp_path, pods_log(API), listed(pod(API, container(limit="1Gi")), other)))
    assert about(recording, "namespace", "limit_bytes", "limit_known") == [(None, None, False)]
    assert WITHOUT_OBJECTS in recording.report.missing
    named = rm.read(save(tmp_path, pods_log(API), listed(pod(API, container(limit="1Gi")), other)), namespace="test")
    assert about(named, "limit_bytes") == [(2 << 30,)]


@pytest.mark.parametrize("part", ["", ".250"], ids=["seconds", "milliseconds"])
def test_each_pod_of_an_answer_has_its_own_time(tmp_path: Path, part: str) -> None:
    """metrics-server asks one node after the other: the pods of one answer are some seconds apart."""
    seconds = {"db-0": 0, "db-1": 11}
    pods = [
        {
            "metadata": {"name": name, "namespace": "shop"},
            "timestamp": f"{T0 + dt.timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}{part}Z",
            "containers": [{"name": one, "usage": {"memory": "100Ki"}} for one in ("db", "proxy")],
        }
        for name, second in seconds.items()
    ]
    (tmp_path / "pods.json").write_text(json.dumps({"kind": "PodMetricsList", "items": pods}))
    recording = rm.read(tmp_path / "pods.json")
    told = recording.samples.join(recording.containers, on="container_id").select("pod", "time").rows()
    moved = dt.timedelta(seconds=float(f"0{part}"))
    assert sorted(told) == [(name, T0 + dt.timedelta(seconds=seconds[name]) + moved) for name in seconds for _ in "ab"]
    assert recording.report.left_out == {}


@pytest.mark.parametrize("dumped", [("eu", "us"), ("eu",), ("backup",)], ids=["both", "one", "neither"])
def test_a_dump_is_of_the_cluster_whose_folder_it_lies_in(tmp_path: Path, dumped: tuple[str, ...]) -> None:
    """Of a pod that two clusters have at once, a dump that lies with neither says nothing, and that is counted."""
    rows = [
        f"{at(minute)},{cluster},shop,db-0,db,{size * MI}" for minute in range(9) for cluster, size in SIZES.items()
    ]
    table = "\n".join(["time,cluster,namespace,pod,container,working_set_bytes", *rows])
    (tmp_path / "table.csv").write_text(table)
    limits = {"eu": 512, "us": 1024, "backup": 256}
    for number, folder in enumerate(dumped):
        place = tmp_path / folder
        place.mkdir()
        dump = pod("db-0", container("db", limit=f"{limits[folder]}Mi"), uid=f"uid-{number}")
        (place / "pods.json").write_text(listed(dump))
    recording = rm.read(tmp_path)
    known = [limits[cluster] * MI if cluster in dumped else None for cluster in ("eu", "us")]
    assert about(recording, "cluster", "limit_bytes") == list(zip(("eu", "us"), known, strict=True))
    assert recording.report.left_out.get(kubernetes.OTHER_CLUSTER, 0) == known.count(None)


def test_what_another_source_knows_stays(tmp_path: Path) -> None:
    """A table with a limit of its own keeps it, and takes the owner that it lacks."""
    table = pl.DataFrame(
        {
            "time": [at(0), at(1)],
            "namespace": "shop",
            "pod": API,
            "container": "api",
            "rss_bytes": [5, 6],
            "limit_bytes": 7 * MI,
        }
    )
    table.write_csv(tmp_path / "table.csv")
    dump = tmp_path / "pods.json"
    dump.write_text(listed(pod(API, container(limit="1Gi"), owner=("StatefulSet", "db"))))
    recording = rm.read(tmp_path)
    assert about(recording, "workload", "workload_kind", "limit_bytes", "version") == [
        ("db", "StatefulSet", 7 * MI, "1.2")
    ]


def test_reading_twice_changes_nothing(tmp_path: Path) -> None:
    """The same dump given by name and found in the folder is told once."""
    log, dump = save(tmp_path, top(FLAT), listed(pod(API, container(limit="1Gi"), statuses=(KILLED,))))
    once, twice = rm.read([log, dump]), rm.read([log, dump], pods=dump)
    assert twice.events.equals(once.events)
    assert twice.containers.equals(once.containers)


def test_only_dumps_are_one_clear_error(tmp_path: Path) -> None:
    """Objects hold no memory: the error says what to put beside them."""
    dump = tmp_path / "pods.json"
    dump.write_text(listed(pod()))
    with pytest.raises(ReadError, match=r"found 'Kubernetes objects'.*together with the output of kubectl top pod"):
        rm.read(dump)
    with pytest.raises(ReadError, match=r"expected rows of kubectl top pod"):
        rm.read_kubectl_top(dump)


def test_a_broken_dump_beside_a_good_log_is_a_warning(tmp_path: Path) -> None:
    """The samples are read, and the file that could not be is named."""
    log, _ = save(tmp_path, top(FLAT), listed(pod())[:-40])
    with pytest.warns(RmtoolkitWarning, match=r"1 of 2 files could not be read: pods-0\.json"):
        recording = rm.read(tmp_path)
    assert recording.samples.height == 30
    with pytest.raises(ReadError, match=r"pods-0\.json.*expected pods and other objects"):
        rm.read_kubectl_top(log, pods=tmp_path / "pods-0.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "line 1: found 'other objects'"),
        ("hello\n", "line 1: found 'hello'"),
        ("2026-11-24T10:00:00Z\n{}", "line 1: found '2026-11-24T10:00:00Z'"),
        ('{"kind": "Pod"', """line 1: found '{"kind": "Pod"'"""),
        ('{"kind":"Pod"}\n{"a', """line 2: found '{"a'"""),
    ],
    ids=["nothing", "a word", "a date", "cut off", "the second"],
)
def test_what_is_no_dump_is_named_by_its_first_damage(tmp_path: Path, text: str, said: str) -> None:
    """Line and words of what cannot be read; where all can be, and none is of use, other objects."""
    log, dump = save(tmp_path, top(FLAT), text)
    with pytest.raises(ReadError, match=re.escape(f"{said}, expected pods and other objects as kubectl get")):
        rm.read_kubectl_top(log, pods=dump)


def test_what_is_cut_off_behind_a_good_dump_is_counted(tmp_path: Path) -> None:
    """The objects before it count, and the warning says what and where it is."""
    log, dump = save(tmp_path, top(FLAT), listed(pod()) + '\n{"broken')
    with pytest.warns(
        RmtoolkitWarning, match=r"""left out 1 document that is cut off or damaged \(line 2: '{"broken'"""
    ):
        recording = rm.read_kubectl_top(log, pods=dump)
    assert recording.report.left_out == {"documents that are cut off or damaged": 1}
    assert recording.containers["limit_known"].all()


def test_manifests_are_no_dumps(tmp_path: Path) -> None:
    """What people write to deploy is not what runs: a folder with both reads as before."""
    (tmp_path / "deploy.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Values.name }}\nspec:\n  replicas: 2\n"
    )
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump({"kind": "Pod", "metadata": {"name": API}}))
    save(tmp_path, top(FLAT))
    recording = rm.read(tmp_path)
    assert recording.report.notes()[-1] == "skipped, no recording: deploy.yaml, pod.yaml"


def test_a_kill_before_the_first_sample_is_known_and_not_counted_as_watched(tmp_path: Path) -> None:
    """The status tells of a kill hours before: its limit is never called safe, and one kill is no certainty."""
    killed = status(restarts=1, last=ended(-9999, -9000), state=running(-8999))
    dump = listed(pod(API, container(limit="300Mi"), statuses=(killed,), created=-9999))
    recording = rm.read(save(tmp_path, top(FLAT), dump))
    assert "oom_kill" in recording.events["kind"].to_list()
    chance = classify(recording)["oom_probability_7d"].item()
    without = rm.read(save(tmp_path, top(FLAT), listed(pod(API, container(limit="300Mi"), created=-9999))))
    assert classify(without)["oom_probability_7d"].item() < 0.05
    assert 0.5 < chance < 0.95


def test_what_is_killed_before_any_sample_of_it_is_known(tmp_path: Path) -> None:
    """A replica that dies between two looks counts for its workload; in a namespace without samples it is counted."""
    killed = status(restarts=4, last=ended(5, 6), state=running(7))
    unseen = pod("api-7d9f8b6c5d-zzzzz", container(limit="300Mi"), statuses=(killed,), uid="uid-2", created=4)
    elsewhere = pod("web-0", container(limit="300Mi"), statuses=(killed,), about={"namespace": "mall", "uid": "uid-3"})
    recording = rm.read(save(tmp_path, top(FLAT), listed(pod(API, container(limit="300Mi")), unseen, elsewhere)))
    assert about(recording, "pod", "limit_bytes") == [(API, 300 * MI), ("api-7d9f8b6c5d-zzzzz", 300 * MI)]
    assert recording.report.left_out == {"pods without a memory sample": 1}
    row = classify(recording).row(0, named=True)
    assert (row["workload"], row["pods"]) == ("api", 2)
    assert row["oom_probability_7d"] > 0.5


def test_whole_mebibytes_do_not_hide_a_slow_leak_nor_make_one(tmp_path: Path) -> None:
    """A leak of 72 MiB a day and a flat line that flickers by one MiB, both as `kubectl top` rounds them."""
    flicker = [0.1, 0.7, 0.4, 0.9, 0.2, 0.6]
    leak = [int(200 + 0.05 * minute + flicker[minute % 6] / 2) for minute in range(600)]
    flat = [int(200.5 + flicker[minute * minute % 7 % 6]) for minute in range(600)]
    assert len(set(flat)) == 2
    dump = listed(
        pod(API, container(limit="300Mi"), statuses=(status(state=running(-1000)),), created=-1001),
        pod(
            "db-0",
            container("db", limit="300Mi"),
            statuses=(status("db", state=running(-1000)),),
            owner=("StatefulSet", "db"),
            uid="uid-2",
            created=-1001,
        ),
    )
    recording = rm.read(save(tmp_path, top({(API, "api"): leak, ("db-0", "db"): flat}), dump))
    leaking, steady = rm.classify(recording).sort("workload").iter_rows(named=True)
    assert (leaking["verdict"], leaking["limit_outlook"]) == ("leak", "reaches")
    assert leaking["growth_bytes_per_day"] == pytest.approx(72 * MI, rel=0.1)
    assert steady["verdict"] == "not_leak"
    limits = rm.recommend_limits(recording).sort("workload")["recommended_limit_bytes"].to_list()
    assert limits[0] is None
    assert limits[1] >= 201 * MI


def test_containers_without_a_pod_in_the_dump_are_counted(tmp_path: Path) -> None:
    """A dump of another moment covers only some; the report says how many, and which pods were not sampled."""
    log = top({(API, "api"): [1] * 3, ("web-0", "web"): [1] * 3})
    recording = rm.read(save(tmp_path, log, listed(pod(), pod("cache-0", uid="uid-9"))))
    assert recording.report.partial == ("1 of 2 containers are in the Kubernetes objects",)
    assert recording.report.left_out == {"pods without a memory sample": 1}


@pytest.mark.parametrize("controls", [True, "true"])
def test_the_owner_that_controls_is_the_workload(tmp_path: Path, controls: object) -> None:
    """Of several owners the one that controls names it, however a dump writes that."""
    one = pod("odd-pod-name", container(), statuses=(status(),))
    one["metadata"]["ownerReferences"] = [
        {"kind": "Tenant", "name": "first"},
        {"kind": "StatefulSet", "name": "db", "controller": controls},
    ]
    about = rm.read(save(tmp_path, top({("odd-pod-name", "api"): [100] * 30}), listed(one))).containers
    assert about.select("workload", "workload_kind").row(0) == ("db", "StatefulSet")
