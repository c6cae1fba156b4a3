"""Rules by which series become containers, and several series one."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders.prometheus import _discover, _fetch
from rmtoolkit.loaders.prometheus._decode import Decoded
from rmtoolkit.loaders.prometheus._merge import (
    OLD_LIFE,
    OTHER_JOB,
    OTHER_LABELS,
    OTHER_METRIC,
    REPLICA,
    fills_gaps,
)
from rmtoolkit.loaders.prometheus._metrics import NO_CONTAINER, PAUSE, POD_LEVEL
from rmtoolkit.loaders.prometheus.saved import NO_MEMORY
from rmtoolkit.schema import CONTRADICTING, TWICE

if TYPE_CHECKING:
    from tests.loaders.conftest import Prom

WORKING_SET = "container_memory_working_set_bytes"
UID = "12345678-1234-1234-1234-123456789abc"


@pytest.mark.parametrize(
    ("scraped", "often"),
    [({80.0: 1}, 80), ({20.0: 9, 80.0: 1}, 20), ({20.0: 8, 80.0: 2}, 80), ({80.0: 1, 20.0: 1, 5.0: 18}, 5)],
    ids=str,
)
def test_nine_of_ten_series_tell_how_often_is_scraped(scraped: dict[float, int], often: float) -> None:
    """One of ten may be scraped more often, and two of ten not."""
    assert _discover._often(Counter(scraped)) == often


def test_what_a_server_has_is_found_by_two_looks() -> None:
    """The most of each name counts, within the window what lies in it; pods known as a whole are named up to 500."""
    rule = "node_namespace_pod_container:" + WORKING_SET
    cgroup, pods, cores = (
        _discover.Leg("cgroup", (), listed=(WORKING_SET, rule, "container_memory_rss")),
        _discover.Leg("cgroup", (), listed=(WORKING_SET,), of_pods=True),
        _discover.Leg(_discover.CORE_FAMILY, (), listed=_discover._CPU_LIMITS),
    )
    quotas, docker = (
        _discover.Leg(_discover.CORE_FAMILY, matchers, listed=_discover._QUOTAS)
        for matchers in ((), (_fetch.Matcher("name", "!=", ""),))
    )

    def seen(*series: tuple[str, str, list[float]]) -> Decoded:
        labels = [{"rmtoolkit_leg": leg, "rmtoolkit_name" if leg != "lone" else "pod": name} for leg, name, _ in series]
        values = [values for *_, values in series]
        times = np.concatenate([np.arange(len(one)) * 1000 for one in values])
        return Decoded(
            labels, [""] * len(labels), np.array([len(one) for one in values]), times, np.concatenate(values)
        )

    legs = [cgroup, pods, cores, quotas, docker]
    answer = seen(
        ("0", rule, [5, 4, 3]),
        ("0 often", "40", [7, 9, 1]),
        ("0 often", "20", [1, 1, 1]),
        ("1", WORKING_SET, [700, 0, 0]),
        *((str(at), leg.listed[0], [2.0]) for at, leg in enumerate(legs) if at > 1),
        ("lone", "b", [1]),
        ("lone", "a", [1]),
    )
    told = _discover._seen(answer, legs, 2000)
    assert told.counts[0] == {rule: 5, WORKING_SET: 10}
    assert told.sure[0] == {rule: 3, WORKING_SET: 2}
    found = _discover._found(legs, told, {})
    first, whole, *others = found
    assert first.counts == {WORKING_SET: 10, "container_memory_rss": 0}
    assert (first.sure, first.interval_seconds) == ({WORKING_SET: 2, rule: 0}, 30)
    assert (whole.matchers, whole.counts) == ((_fetch.Matcher("pod", "=~", "a|b"),), {WORKING_SET: 2})
    assert whole.interval_seconds == 30
    assert [leg.listed for leg in others] == [_discover._CPU_LIMITS, _discover._QUOTAS]
    for leg in others:
        assert leg.counts == dict.fromkeys(leg.listed, 0) | {leg.listed[0]: 2}
    assert others[1].matchers == docker.matchers
    for count, named in ((500, 1), (501, 0)):
        told = told._replace(lone={f"payments-worker-{at:04}" for at in range(count)})
        assert len(_discover._found(legs, told, {})[1].matchers) == named
    without = _discover._found(legs, told._replace(lone=set()), {})
    assert [leg.family for leg in without] == ["cgroup", _discover.CORE_FAMILY, _discover.CORE_FAMILY]
    rarely = told._replace(often={0: 1.0})
    assert _discover._found(legs, rarely, {})[0].interval_seconds == 15


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ({WORKING_SET: 3, "node_namespace_pod_container:" + WORKING_SET: 3}, {WORKING_SET}),
        ({WORKING_SET: 3, "node_namespace_pod_container:" + WORKING_SET: 4}, None),
        ({WORKING_SET: 3, "pod_memory_working_set_bytes": 2}, None),
        ({"kube_pod_container_resource_limits": 2, "node_namespace_pod_container:container_memory_rss": 1}, None),
        ({"mine": 1, WORKING_SET: 1}, None),
    ],
    ids=["as many", "more", "no rule", "of another", "unknown"],
)
def test_what_rules_made_of_metrics_is_left_out_where_these_are_there(
    counts: dict[str, int], kept: set[str] | None
) -> None:
    """A recording rule's metric counts where it has more series than the metric it was made of."""
    assert _discover._best(counts) == {name: size for name, size in counts.items() if kept is None or name in kept}


def test_pod_cgroups_and_pause_containers(prom: Prom) -> None:
    """Rows of whole pods, of pause containers and of other cgroups do not double the containers'."""
    pod = {"namespace": "shop", "pod": "api-0"}
    recording = prom.read(
        prom.series(WORKING_SET, [10, 11], labels=pod, container="api", id="/kubepods/pod1/a"),
        prom.series(WORKING_SET, [1, 1], labels=pod, container="POD", id="/kubepods/pod1/p"),
        prom.series(WORKING_SET, [11, 12], labels=pod, id="/kubepods/pod1"),
        prom.series(WORKING_SET, [11, 12], labels=pod, container="", id="/kubepods/pod1", image="x"),
        prom.series(WORKING_SET, [99, 99], id="/"),
        prom.series(WORKING_SET, [99, 99], id="/system.slice/ssh.service"),
    )
    assert recording.containers["container"].to_list() == ["api"]
    assert recording.samples["working_set_bytes"].to_list() == [10, 11]
    assert dict(recording.report.left_out) == {PAUSE: 1, NO_CONTAINER: 2, POD_LEVEL: 2}


def test_whole_pods_where_there_is_nothing_else(prom: Prom) -> None:
    """Without series of containers the pod's own are used, under its only container, and the report says so."""
    recording = prom.read(
        prom.series(WORKING_SET, [11, 12], namespace="shop", pod="api-0", id="/kubepods/pod1"),
        prom.series(
            "kube_pod_container_resource_limits",
            [512 << 20, 512 << 20],
            namespace="shop",
            pod="api-0",
            container="api",
            resource="memory",
        ),
        prom.series("pod_memory_working_set_bytes", [7, 8], namespace="shop", pod="db-0"),
    )
    assert recording.containers.select("pod", "container", "limit_bytes").rows() == [
        ("api-0", "api", 512 << 20),
        ("db-0", None, None),
    ]
    assert recording.samples["working_set_bytes"].to_list() == [11, 12, 7, 8]
    assert any("2 pods without series of containers" in line for line in recording.report.warnings)


def test_two_jobs_for_one_container(prom: Prom) -> None:
    """The same container scraped by two jobs is one: the job with more samples, its gaps filled by the other."""
    recording = prom.read(
        prom.series(WORKING_SET, [1, 2, 3, None, None, None, 7, 8], labels=prom.pod(), job="kubelet"),
        prom.series(WORKING_SET, [11, 12, 13, 14], at=67, labels=prom.pod(), job="cadvisor"),
    )
    assert prom.seconds(recording) == [0, 30, 60, 67, 97, 127, 157, 180, 210]
    assert recording.samples["working_set_bytes"].to_list() == [1, 2, 3, 11, 12, 13, 14, 7, 8]
    assert recording.report.left_out == {}


def test_the_kubelets_own_metrics_beside_cadvisors(prom: Prom) -> None:
    """The kubelet's resource metrics have the same name as cAdvisor's and fewer labels: they are not added."""
    recording = prom.read(
        prom.series(WORKING_SET, [1, 2, 3], labels=prom.pod(), metrics_path="/metrics/cadvisor", id="/a", image="x:1"),
        prom.series(WORKING_SET, [1, 2, 3, 4], at=5, labels=prom.pod(), metrics_path="/metrics/resource"),
    )
    assert prom.seconds(recording) == [0, 30, 60]
    assert recording.report.left_out == {OTHER_JOB: 4}


def test_recording_rules_beside_their_source(prom: Prom) -> None:
    """A recording rule that repeats a metric is used only where the metric itself is missing."""
    rule = f"node_namespace_pod_container:{WORKING_SET}"
    recording = prom.read(
        prom.series(WORKING_SET, [1, 2, 3], labels=prom.pod()),
        prom.series(rule, [1, 2, 3, 4], at=10, labels=prom.pod()),
        prom.series(rule, [5], labels=prom.pod(pod="db-0", container="db")),
    )
    assert recording.samples["working_set_bytes"].to_list() == [1, 2, 3, 5]
    assert recording.report.left_out == {OTHER_METRIC: 4}


@pytest.mark.parametrize("label", ["prometheus_replica", "replica", "__replica__", "prometheus"])
def test_replicas_are_never_interleaved(prom: Prom, label: str) -> None:
    """Of two Prometheus replicas the longer is used; the other only fills gaps of more than two intervals."""
    recording = prom.read(
        prom.series(WORKING_SET, [1, 2, None, 4, None, None, None, 8, 9], step=15, labels=prom.pod(**{label: "a"})),
        prom.series(WORKING_SET, [21, 22, 23, 24], at=52, step=15, labels=prom.pod(**{label: "b"})),
    )
    assert prom.seconds(recording) == [0, 15, 45, 52, 67, 82, 97, 105, 120]
    longer = prom.read(
        prom.series(WORKING_SET, [1, 2, 3, 4], step=15, labels=prom.pod(**{label: "a"})),
        prom.series(WORKING_SET, [21, 22, 23, 24, 25, 26], at=7, step=15, labels=prom.pod(**{label: "b"})),
    )
    assert longer.samples["working_set_bytes"].to_list() == [21, 22, 23, 24, 25, 26]
    assert longer.report.left_out == {REPLICA: 4}


RISING = [(100 + 5 * number) << 20 for number in range(60)]
STUCK = [*RISING[:20], *[RISING[19]] * 40]
AWAKE = [*RISING[:20], *[RISING[19]] * 25, *RISING[45:]]
#: Any two that follow each other differ by more than scrapes do, and none is far from the others.
RESTLESS = [(300 + number * 37 % 61) << 20 for number in range(60)]
OTHER = [700 << 20] * 60


@pytest.mark.parametrize("label", ["prometheus_replica", "replica", "__replica__"])
@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (STUCK, RISING, [RISING]),
        (RISING, STUCK, [RISING]),
        (AWAKE, RISING, [RISING]),
        (RESTLESS, [*RESTLESS[31:], *RESTLESS[:31]], [RESTLESS]),
        (RISING, OTHER, [RISING, OTHER]),
    ],
    ids=["the first stands still", "the second does", "for a while", "restless memory", "of two clusters"],
)
def test_a_copy_counts_once_or_it_is_told(
    first: list[int], second: list[int], kept: list[list[int]], label: str, prom: Prom
) -> None:
    """A replica that stands still is left out; where two never say the same, a line that every view shows says so."""
    series = [
        prom.series(WORKING_SET, values, at=at, labels=prom.pod(**{label: name}))
        for name, values, at in (("a", first, 0), ("b", second, 7))
    ]
    with pytest.warns(RmtoolkitWarning, match="counts twice") if len(kept) > 1 else nullcontext():
        recording = prom.read(*series)
    rows = recording.samples.group_by("container_id", maintain_order=True).agg("working_set_bytes")
    assert rows["working_set_bytes"].to_list() == kept
    assert ("names copies of one server, each counts twice" in " ".join(recording.report.unusable)) == (len(kept) > 1)
    assert sum(recording.report.left_out.values()) == 60 * (2 - len(kept))


def test_one_replica_for_all_signals(prom: Prom) -> None:
    """Signals of one container come from one replica, so that they share their instants."""
    series = [
        prom.series(name, values, at=at, labels=prom.pod(), prometheus_replica=replica)
        for name, counts in ((WORKING_SET, (4, 5)), ("container_memory_rss", (5, 3)))
        for replica, at, count in zip("ab", (0, 7), counts, strict=True)
        for values in [list(range(count))]
    ]
    recording = prom.read(*series)
    both = recording.samples.drop_nulls(["working_set_bytes", "anon_bytes"])
    assert prom.seconds(recording)[:4] == [0, 30, 60, 90]
    assert both.height == 4


def test_restart_without_stale_markers(prom: Prom) -> None:
    """The old container's last value lingers for five minutes: the new container wins from its start on."""
    old, new = (prom.pod(id=f"/kubepods/pod{UID}/{name}") for name in ("aaa", "bbb"))
    recording = prom.read(
        prom.series(WORKING_SET, [500] * 20, labels=old),
        prom.series(WORKING_SET, [100] * 20, at=10 * 30, labels=new),
        prom.series("container_memory_rss", [400] * 20, labels=old),
        prom.series("container_memory_rss", [90] * 20, at=10 * 30, labels=new),
    )
    assert recording.containers.height == 1
    assert recording.containers["pod_uid"].to_list() == [UID]
    assert recording.samples["working_set_bytes"].to_list() == [500] * 10 + [100] * 20
    assert recording.samples["anon_bytes"].to_list() == [400] * 10 + [90] * 20
    assert recording.report.left_out == {OLD_LIFE: 20}
    assert prom.events(recording) == [(300, "start", None, "another container of the same name")]


def test_restart_with_two_replicas_and_a_start_time(prom: Prom) -> None:
    """Replicas, restarts and start times together still give one series."""
    series = []
    for replica, shift in (("a", 0), ("b", 7)):
        for name, at, value, start in (("aaa", 0, 500, -1000), ("bbb", 300, 100, 290)):
            labels = prom.pod(id=f"/{name}", prometheus_replica=replica)
            series += [
                prom.series(WORKING_SET, [value] * 20, at=at + shift, labels=labels),
                prom.series("container_start_time_seconds", [prom.t0 + start] * 20, at=at + shift, labels=labels),
            ]
    recording = prom.read(*series)
    assert recording.samples["working_set_bytes"].to_list() == [500] * 10 + [100] * 20
    assert prom.seconds(recording) == [30 * number for number in range(30)]
    assert prom.events(recording) == [(-1000, "start", None, None), (290, "start", None, None)]


def test_two_containers_that_live_side_by_side(prom: Prom) -> None:
    """Two ids that overlap for longer than a lookback are no restart, but two containers."""
    recording = prom.read(
        prom.series(WORKING_SET, [5] * 100, labels=prom.pod(id="/a")),
        prom.series(WORKING_SET, [6] * 90, at=155, labels=prom.pod(id="/b")),
    )
    assert recording.samples.group_by("container_id", maintain_order=True).len()["len"].to_list() == [100, 90]
    assert recording.events.height == 0


def test_honor_labels_false(prom: Prom) -> None:
    """What kube-state-metrics says of a pod wins over the labels of kube-state-metrics' own pod."""
    target = {"namespace": "monitoring", "pod": "ksm-0", "container": "ksm", "job": "ksm"}
    about = {"exported_namespace": "shop", "exported_pod": "api-0"}
    recording = prom.read(
        prom.series(WORKING_SET, [1, 2], namespace="shop", pod="api-0", container="api"),
        prom.series(
            "kube_pod_container_resource_limits",
            [64 << 20],
            labels=target | about,
            exported_container="api",
            resource="memory",
        ),
        prom.series("kube_pod_info", [1], labels=target | about, exported_node="n1"),
        prom.series(
            "kube_replicaset_owner",
            [1],
            labels=target,
            exported_namespace="shop",
            replicaset="r",
            owner_kind="Deployment",
            owner_name="api",
        ),
        prom.series("kube_pod_owner", [1], labels=target | about, owner_kind="ReplicaSet", owner_name="r"),
    )
    columns = recording.containers.select("namespace", "workload", "pod", "container", "limit_bytes", "node")
    assert columns.rows() == [("shop", "api", "api-0", "api", 64 << 20, "n1")]


@pytest.mark.parametrize(
    ("containers", "job", "expected"),
    [
        pytest.param(["api"], "metrics", [("api", True)], id="the only container"),
        pytest.param(["api", "proxy"], "shop/api", [("api", True), ("proxy", False)], id="called like the job"),
        pytest.param(
            ["api", "proxy"],
            "metrics",
            [("api", False), ("proxy", False), (None, True)],
            id="cannot be told",
        ),
    ],
)
def test_exporters_without_a_container(
    prom: Prom,
    containers: list[str],
    job: str,
    expected: list[tuple[str | None, bool]],
) -> None:
    """A process's own metrics are joined to its container where that is certain, else they are a row of their own."""
    recording = prom.read(
        *(prom.series(WORKING_SET, [1], labels=prom.pod(container=name)) for name in containers),
        prom.series("process_resident_memory_bytes", [7], namespace="shop", pod=prom.pod()["pod"], job=job),
    )
    joined = recording.samples.join(recording.containers, on="container_id", maintain_order="left")
    assert [(name, rss == 7) for name, rss in joined.select("container", "rss_bytes").iter_rows()] == expected


def test_exporters_known_by_address_only(prom: Prom) -> None:
    """An exporter outside Kubernetes is its address, and its workload is its job; a pod's address names the pod."""
    recording = prom.read(
        prom.series("reth_jemalloc_allocated", [5], instance="10.0.0.9:9001", job="reth"),
        prom.series("process_resident_memory_bytes", [9], instance="10.0.0.9:9001", job="reth"),
        prom.series("process_resident_memory_bytes", [3], instance="10.0.0.5:80", job="api"),
        prom.series("kube_pod_info", [1], namespace="shop", pod="api-0", pod_ip="10.0.0.5"),
    )
    columns = recording.containers.select("namespace", "workload", "pod", "workload_inferred")
    assert columns.rows() == [("shop", "api", "api-0", True), (None, "reth", "10.0.0.9:9001", True)]
    assert recording.samples.select("rss_bytes", "allocated_bytes").rows() == [(3, None), (9, 5)]
    assert "metric 'reth_jemalloc_allocated' was read as allocated_bytes" in recording.report.warnings


def test_docker_without_kubernetes(prom: Prom) -> None:
    """Beside plain Docker, cAdvisor names containers by `name`; compose tells the workload."""
    recording = prom.read(
        prom.series(WORKING_SET, [1], labels={"id": "/docker/a", "name": "shop_api_1", "image": "api:2"}),
        prom.series(
            WORKING_SET,
            [2],
            labels={"id": "/docker/b", "name": "shop_db_1", "container_label_com_docker_compose_service": "db"},
        ),
    )
    columns = recording.containers.select("workload", "container", "version", "workload_inferred")
    assert columns.rows() == [("db", "db", None, False), ("shop_api", "shop_api", "2", True)]
    assert recording.containers["pod"].to_list() == ["shop_db_1", "shop_api_1"]


@pytest.mark.parametrize(
    ("owner", "more", "expected"),
    [
        pytest.param(("ReplicaSet", "api-7d4b9c8f6d"), {}, ("api", "Deployment", True), id="hash"),
        pytest.param(
            ("ReplicaSet", "odd"),
            {"name": "kube_replicaset_owner", "replicaset": "odd", "owner_kind": "Rollout", "owner_name": "api"},
            ("api", "Rollout", False),
            id="rollout",
        ),
        pytest.param(("Job", "nightly-29384756"), {}, ("nightly", "CronJob", True), id="cron job"),
        pytest.param(
            ("Job", "j"),
            {"name": "kube_job_owner", "job_name": "j", "owner_kind": "CronJob", "owner_name": "nightly"},
            ("nightly", "CronJob", False),
            id="job owner",
        ),
        pytest.param(("StatefulSet", "db"), {}, ("db", "StatefulSet", False), id="stateful set"),
        pytest.param(("", ""), {}, ("api-0", "Pod", False), id="bare pod"),
        pytest.param(("<none>", "<none>"), {}, ("api-0", "Pod", False), id="bare pod before 2.8"),
        pytest.param(("Node", "n1"), {}, ("api-0", "StaticPod", False), id="static pod"),
        pytest.param(
            ("ReplicaSet", "x"),
            {
                "name": "namespace_workload_pod:kube_pod_owner:relabel",
                "pod": "api-0",
                "workload": "api",
                "workload_type": "deployment",
            },
            ("api", "Deployment", False),
            id="recorded",
        ),
    ],
)
def test_owners(prom: Prom, owner: tuple[str, str], more: dict[str, str], expected: tuple[str, str, bool]) -> None:
    """The workload is the owner's owner where that is known, else read from the owner's name and marked so."""
    extra = [prom.series(more.pop("name"), [1], namespace="shop", labels=more)] if more else []
    recording = prom.read(
        prom.series(WORKING_SET, [1], labels=prom.pod(pod="api-0")),
        prom.series("kube_pod_owner", [1], namespace="shop", pod="api-0", owner_kind=owner[0], owner_name=owner[1]),
        *extra,
    )
    assert recording.containers.select("workload", "workload_kind", "workload_inferred").row(0) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param([{"label_team": "checkout"}], {"shop/api": "checkout"}, id="team"),
        pytest.param([{"label_example_com_owner": "Ann  Lee\n"}], {"shop/api": "Ann Lee"}, id="owner with a prefix"),
        pytest.param([{"label_example_com_owner": "x", "label_team": "y"}], {"shop/api": "y"}, id="the shortest name"),
        pytest.param([{"annotation_owner": "<b>a</b>"}], {"shop/api": "<b>a</b>"}, id="markup stays text"),
        pytest.param([{"label_team": "a"}, {"label_team": "b"}], {}, id="two that differ"),
        pytest.param([{"label_steam": "a", "label_owners": "b", "label_team": " "}], {}, id="other labels, or nothing"),
        pytest.param([{"label_team": "x" * 64}], {}, id="no name is so long"),
    ],
)
def test_who_is_responsible(prom: Prom, labels: list[dict[str, str]], expected: dict[str, str]) -> None:
    """Labels of pods name a person or a team; who is told of the namespace stands beside it."""
    told = [prom.series("kube_pod_labels", [1], labels={**prom.pod(), "container": "", **one}) for one in labels]
    recording = prom.read(
        prom.series(WORKING_SET, [64 << 20], labels=prom.pod()),
        *told,
        prom.series("kube_namespace_labels", [1], namespace="shop", label_owner="platform"),
    )
    assert recording.report.owners == {**expected, "shop": "platform"}
    named = rm.assess(recording).workloads["owner"].to_list()
    assert named == [expected.get("shop/api", "platform")]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({"name": "kube_deployment_labels", "deployment": "api"}, "checkout", id="a Deployment"),
        pytest.param({"name": "kube_deployment_annotations", "exported_deployment": "api"}, "checkout", id="renamed"),
        pytest.param({"name": "kube_statefulset_labels", "statefulset": "api"}, "platform", id="another kind"),
        pytest.param({"name": "kube_deployment_labels", "deployment": "db"}, "platform", id="another name"),
        pytest.param({"name": "kube_deployment_labels"}, "platform", id="without a name"),
    ],
)
def test_a_deployment_names_who_is_responsible(prom: Prom, told: dict[str, str], expected: str) -> None:
    """Where pods say nothing their Deployment does, and only of itself; what a pod says comes first."""
    labels = {"label_team": "checkout", **told}
    given = (
        prom.series(WORKING_SET, [64 << 20], labels=prom.pod()),
        prom.series("kube_pod_owner", [1], labels={**prom.pod(), "owner_kind": "Deployment", "owner_name": "api"}),
        prom.series("kube_namespace_labels", [1], namespace="shop", label_owner="platform"),
        prom.series(labels.pop("name"), [1], namespace="shop", labels=labels),
    )
    assert rm.assess(prom.read(*given)).workloads["owner"].to_list() == [expected]
    pod = prom.series("kube_pod_labels", [1], labels={**prom.pod(), "label_team": "search"})
    assert rm.assess(prom.read(*given, pod)).workloads["owner"].to_list() == ["search"]


def test_pods_made_anew_under_the_same_name(prom: Prom) -> None:
    """Two pods of one name are two rows when every series says which it means, else one row with a restart."""
    old, new = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
    series = [
        prom.series(WORKING_SET, [1, 2], labels=prom.pod(pod="db-0", id=f"/pod{old}/a")),
        prom.series(WORKING_SET, [3, 4], at=600, labels=prom.pod(pod="db-0", id=f"/pod{new}/b")),
    ]
    assert prom.read(*series).containers["pod_uid"].to_list() == [old, new]
    one = prom.read(*series, prom.series("process_resident_memory_bytes", [9], namespace="shop", pod="db-0"))
    assert one.containers["pod_uid"].to_list() == [None]
    assert one.events["kind"].to_list() == ["start"]


def test_gaps_in_identity_are_filled_from_others(prom: Prom) -> None:
    """Cluster, namespace and uid that one series tells hold for all series of the pod."""
    recording = prom.read(
        prom.series(WORKING_SET, [1], labels=prom.pod(cluster="eu", id=f"/kubepods/pod{UID.replace('-', '_')}/a")),
        prom.series("process_resident_memory_bytes", [2], pod=prom.pod()["pod"]),
        prom.series("kube_pod_container_status_restarts_total", [0], labels=prom.pod()),
    )
    assert recording.containers.select("cluster", "namespace", "pod_uid").rows() == [("eu", "shop", UID)]
    assert recording.samples.select("working_set_bytes", "rss_bytes").rows() == [(1, 2)]


@pytest.mark.parametrize("told", [{}, {"http_requests_total": "work_total"}], ids=["known", "told"])
def test_counters_of_several_label_sets_are_summed(prom: Prom, told: dict[str, str]) -> None:
    """Requests of all status codes together; a code that appears late began at zero, a fall is a restart."""
    recording = prom.read(
        prom.series("http_requests_total", [100, 110, 3, 5], labels=prom.pod(), code="200"),
        prom.series("http_requests_total", [1, 2], at=60, labels=prom.pod(), code="500"),
        prom.series(WORKING_SET, [9, 9, 9, 9], labels=prom.pod()),
        metrics=told,
    )
    assert recording.samples["work_total"].to_list() == [100, 110, 114, 117]
    assert ("metric 'http_requests_total' was read as work_total" in recording.report.warnings) is not bool(told)


def test_requests_that_are_counted_twice_are_done_once(prom: Prom) -> None:
    """A histogram of their times counts the same requests again: the counter is used, and what was not is told."""
    recording = prom.read(
        prom.series(WORKING_SET, [9, 9, 9], labels=prom.pod()),
        *(
            prom.series(name, values, labels=prom.pod(), code=code)
            for name in ("http_request_duration_seconds_count", "http_requests_total")
            for code, values in (("200", [10, 20, 30]), ("500", [1, 2, 3]))
        ),
        prom.series("grpc_server_handled_total", [5, 5, 6], labels=prom.pod()),
    )
    assert recording.samples["work_total"].to_list() == [16, 27, 39]
    assert recording.report.left_out == {"samples of another metric that says the same": 6}


def test_requests_without_the_memory_of_their_pod_make_no_container(prom: Prom) -> None:
    """A gateway of whose pod no memory is there is no row of its own."""
    recording = prom.read(
        prom.series(WORKING_SET, [9, 9], labels=prom.pod()),
        prom.series("http_requests_total", [1, 2], namespace="shop", pod="gateway-0", container="envoy"),
    )
    assert recording.containers["pod"].to_list() == [prom.pod()["pod"]]
    assert recording.samples["work_total"].to_list() == [None, None]


def test_one_counter_stays_as_it_is(prom: Prom) -> None:
    """A single counter keeps its fall: it shows a restart."""
    recording = prom.read(
        prom.series("http_requests_total", [100, 110, 3], labels=prom.pod()),
        metrics={"http_requests_total": "work_total"},
    )
    assert recording.samples["work_total"].to_list() == [100, 110, 3]


def test_other_label_sets_of_a_gauge_are_not_summed(prom: Prom) -> None:
    """Two gauges of one name, job and container contradict each other: the longer one is used and it is said."""
    recording = prom.read(
        prom.series("heap", [1, 2, 3], labels=prom.pod(), part="a"),
        prom.series("heap", [7, 8], labels=prom.pod(), part="b"),
        metrics={"heap": "allocated_bytes"},
    )
    assert recording.samples["allocated_bytes"].to_list() == [1, 2, 3]
    assert recording.report.left_out == {OTHER_LABELS: 2}


@pytest.mark.parametrize(
    ("label", "others", "highest"),
    [
        ("quantile", ("0.5", "0.9"), "0.99"),
        ("stat", ("p50", "p9"), "p99"),
        ("statistic", ("Minimum", "Average"), "Maximum"),
    ],
)
def test_statistics_of_one_amount_are_one_container(
    prom: Prom, label: str, others: tuple[str, ...], highest: str
) -> None:
    """The highest is used, in whatever order they come; what is no statistic still parts containers."""
    levels = dict(zip((*others, highest), (1e8, 2e8, 3e8), strict=True))

    def told(label: str, said: str, level: float) -> dict[str, Any]:
        return prom.series(WORKING_SET, [level] * 30, labels=prom.pod() | {label: said})

    series = [told(label, said, level) for said, level in levels.items()]
    for some in (series, series[::-1]):
        recording = prom.read(*some)
        assert recording.samples["working_set_bytes"].to_list() == [3 * 10**8] * 30
        assert recording.containers["cluster"].to_list() == [None]
        assert recording.report.left_out == {OTHER_LABELS: 60}
    apart = prom.read(told("stat", "a", 1e8), told("stat", "b", 2e8))
    assert apart.containers["cluster"].to_list() == ["a", "b"]


def test_counts_of_a_target_without_memory_make_no_container(prom: Prom) -> None:
    """Each target of a scrape has a count of its samples: alone it is no workload, and is said to be left out."""
    recording = prom.read(
        prom.series(WORKING_SET, [1, 2, 3], labels=prom.pod()),
        prom.series("scrape_samples_scraped", [90, 91, 95], labels=prom.pod()),
        prom.series("tokio_live_tasks_count", [8, 8, 9], labels=prom.pod()),
        prom.series("scrape_samples_scraped", [4000, 4000], job="kubelet", instance="10.0.0.7:10250"),
        prom.series("process_open_fds", [40, 41], job="kubelet", instance="10.0.0.7:10250"),
    )
    assert recording.containers.height == 1
    assert recording.samples.select("series", "tasks").rows() == [(90, 8), (91, 8), (95, 9)]
    assert recording.report.left_out[NO_MEMORY] == 2


def test_counts_alone_are_no_recording(prom: Prom) -> None:
    """An answer that only counts things says that nothing in it is memory."""
    with pytest.raises(RmtoolkitError, match="memory"):
        prom.read(prom.series("process_open_fds", [40, 41], labels=prom.pod()))


def test_signals_with_different_instants_share_the_frame(prom: Prom) -> None:
    """Where a signal was not sampled stands null, not the value before."""
    recording = prom.read(
        prom.series(WORKING_SET, [1, 2, 3], labels=prom.pod()),
        prom.series("process_resident_memory_bytes", [8, 9], step=60, at=30, labels=prom.pod()),
        prom.series("process_threads", [4, 4, 4], labels=prom.pod()),
    )
    assert prom.seconds(recording) == [0, 30, 60, 90]
    columns = recording.samples.select("working_set_bytes", "rss_bytes", "threads")
    assert columns.rows() == [(1, None, 4), (2, 8, 4), (3, None, 4), (None, 9, None)]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("app_rss_mb", 1 << 20), ("app.heap.kilobytes", 1 << 10), ("app_rss_bytes", 1), ("app_mb_used", 1 << 20)],
)
def test_a_unit_in_a_name_that_is_told_is_heard(prom: Prom, name: str, unit: int) -> None:
    """What the user calls an amount is turned into bytes where its name has another unit, and it is said."""
    recording = prom.read(prom.series(name, [300], labels=prom.pod()), metrics={name: "rss_bytes"})
    assert recording.samples["rss_bytes"].to_list() == [300 * unit]
    said = f"metric {name!r} was read as rss_bytes, in units of {unit:,} bytes"
    assert (said in recording.report.warnings) == (unit > 1)


def test_what_parts_some_containers_names_no_other(prom: Prom) -> None:
    """A container without the label that parts others has no cluster, not an empty one; a second label stands alone."""
    pairs = [prom.pod(), prom.pod("db-0", "db", region="eu"), prom.pod("db-0", "db", region="us")]
    pairs += [{"name": "web", "instance": host} for host in ("h1:80", "h2:80")]
    pairs += [prom.pod("mq-0", "mq", cluster="one"), prom.pod("mq-0", "mq")]
    recording = prom.read(
        *(
            prom.series(
                "container_memory_working_set_bytes", [at * 1000 + number * 50 for number in range(40)], labels=one
            )
            for at, one in enumerate(pairs, 1)
        )
    )
    clusters = recording.containers.select("workload", "cluster").sort("workload", "cluster").rows()
    webs = [("web", "h1"), ("web", "h2")]
    assert clusters == [("api", None), ("db", "eu"), ("db", "us"), ("mq", "no cluster"), ("mq", "one"), *webs]


def test_series_in_pieces(prom: Prom) -> None:
    """Chunks, repeated edges and disorder give one series; a repeated instant keeps its last value."""
    pieces = [([5, 6], 60), ([1, 2, 3], 0), ([3, 4, 9], 60)]
    recording = prom.read(*(prom.series(WORKING_SET, values, at=at, labels=prom.pod()) for values, at in pieces))
    assert prom.seconds(recording) == [0, 30, 60, 90, 120]
    assert recording.samples["working_set_bytes"].to_list() == [1, 2, 3, 4, 9]
    assert recording.report.left_out == {TWICE: 1, CONTRADICTING: 2}


def test_lookback_repeats_stay(prom: Prom) -> None:
    """Repeats of the last value over a gap are left as they are: nobody can tell them from real samples."""
    recording = prom.read(prom.series(WORKING_SET, [19] * 12 + [30], labels=prom.pod()))
    assert recording.samples["working_set_bytes"].to_list() == [19] * 12 + [30]


@given(
    st.sets(st.integers(0, 60), min_size=3).map(sorted),
    st.sets(st.integers(0, 60), min_size=1).map(sorted),
)
def test_filling_never_interleaves(base: list[int], extra: list[int]) -> None:
    """No sample is put between two that follow each other within two intervals."""
    there, others = (pl.DataFrame({"group": 0, "time": times}) for times in (base, extra))
    kept = fills_gaps(there, others, "group")
    interval = int(np.median(np.diff(base)))
    for time in kept["time"]:
        before = [other for other in base if other <= time]
        after = [other for other in base if other >= time]
        assert not before or not after or after[0] - before[-1] > 2 * interval


FLAT, LEAK = [300 << 20] * 100, [(100 + 3 * number) << 20 for number in range(100)]


@pytest.mark.parametrize(
    ("labels", "eu", "us"),
    [
        ({"name": "web", "id": "/docker/a"}, {"instance": "eu:8080"}, {"instance": "us:8080", "id": "/docker/b"}),
        ({"namespace": "shop", "pod": "db-0", "container": "db"}, {"region": "eu"}, {"region": "us"}),
        (
            {"namespace": "shop", "pod": "db-0", "container": "db"},
            {"site": "eu"},
            {"site": "us"},
        ),
        (
            {"pod": "db-0", "container": "db"},
            {"__tenant_id__": "eu", "node": "1"},
            {"__tenant_id__": "us", "node": "2"},
        ),
        ({"pod": "db-0", "container": "db", "cluster": "x"}, {"region": "eu"}, {"region": "us"}),
    ],
    ids=["hosts of Docker", "regions", "clusters by another name", "tenants", "regions within a cluster"],
)
def test_containers_of_one_name_are_parted_by_the_label_that_differs(
    prom: Prom, labels: dict[str, str], eu: dict[str, str], us: dict[str, str]
) -> None:
    """A leak beside a flat one of the same name stays a leak, whatever label tells them apart; and it is said."""
    recording = prom.read(
        prom.series(WORKING_SET, FLAT, labels=labels | eu), prom.series(WORKING_SET, LEAK, at=7, labels=labels | us)
    )
    assert [name.removeprefix("x/") for name in recording.containers["cluster"]] == ["eu", "us"]
    found = recording.samples.group_by("container_id", maintain_order=True).agg("working_set_bytes")
    assert found["working_set_bytes"].to_list() == [FLAT, LEAK]
    assert recording.report.left_out == {}
    assert "told apart by the label" in " ".join(recording.report.warnings)


def test_no_more_than_32_labels_part_containers(prom: Prom) -> None:
    """34 pods, each of them twice, and each told apart by a label of its own: the last two are said to be mixed."""
    both = [
        prom.series(
            WORKING_SET, level, labels={"namespace": "shop", "pod": f"db-{at}", "container": "db", f"site{at}": to}
        )
        for at in range(34)
        for to, level in (("eu", FLAT), ("us", LEAK))
    ]
    with pytest.warns(RmtoolkitWarning, match="2 containers of one name .* and no label tells them apart"):
        recording = prom.read(*both)
    assert " ".join(recording.report.warnings).count("told apart by the label") == 32


def test_facts_go_with_the_container_that_has_their_label(prom: Prom) -> None:
    """Limits of two clusters stay with their containers, and so do the other containers of these clusters."""
    limit = "kube_pod_container_resource_limits"
    both = [
        series
        for region, level in (("eu", FLAT), ("us", LEAK))
        for pod in ("db-0", f"only-{region}")
        for labels in [prom.pod(pod=pod, region=region)]
        for series in (
            prom.series(WORKING_SET, level, labels=labels),
            prom.series(limit, [len(region + pod) << 28] * 100, labels=labels, resource="memory"),
        )
    ]
    containers = prom.read(*both).containers.select("cluster", "pod", "limit_bytes")
    sizes = [(region, pod, len(region + pod) << 28) for region in ("eu", "us") for pod in ("db-0", f"only-{region}")]
    assert containers.rows() == sizes


@pytest.mark.parametrize(
    ("more", "at"),
    [({"region": "us"}, 0), ({"region": "us"}, 7), ({"instance": "b:1", "prometheus_replica": "b"}, 7)],
    ids=["exact copy", "scraped a little later", "replica"],
)
def test_copies_of_one_container_still_fold(prom: Prom, more: dict[str, str], at: float) -> None:
    """Values that lie between each other's are two looks at one container, whatever their labels say."""
    recording = prom.read(
        prom.series(WORKING_SET, LEAK, labels=prom.pod(region="eu", instance="a:1")),
        prom.series(WORKING_SET, LEAK[:90], at=at, labels=prom.pod(region="eu", instance="a:1") | more),
    )
    assert recording.samples["working_set_bytes"].to_list() == LEAK


def test_containers_that_differ_in_their_ids_only_are_two(prom: Prom) -> None:
    """Two containers of one name, of which only the cgroup says that they are two: each keeps all of its samples."""
    recording = prom.read(
        prom.series(WORKING_SET, [*FLAT[:40], *[None] * 20, *FLAT[:40]], labels=prom.pod(id="/a")),
        prom.series(WORKING_SET, LEAK[:70], at=155, labels=prom.pod(id="/b")),
        prom.series("container_memory_rss", LEAK[:20], at=155, labels=prom.pod(id="/b")),
    )
    assert recording.containers["cluster"].to_list() == ["/a", "/b"]
    found = recording.samples.group_by("container_id", maintain_order=True).agg(
        pl.col("working_set_bytes", "anon_bytes").drop_nulls()
    )
    assert found.select("working_set_bytes", "anon_bytes").rows() == [(FLAT[:80], []), (LEAK[:70], LEAK[:20])]
    assert recording.report.left_out == {}


def test_a_container_that_is_named_is_not_that_of_its_job(prom: Prom) -> None:
    """A series that says its container keeps it, though its job is called like another or its pod has one only."""
    pod = {"namespace": "shop", "pod": "api-0"}
    recording = prom.read(
        prom.series(WORKING_SET, [10 << 20] * 2, labels=pod, container="api"),
        prom.series(WORKING_SET, [20 << 20] * 2, labels=pod, container="proxy"),
        prom.series("process_resident_memory_bytes", [5 << 20] * 2, labels=pod, container="proxy", job="shop/api"),
        prom.series("process_resident_memory_bytes", [4 << 20] * 2, labels=pod, job="shop/api"),
    )
    rows = recording.frame().select("container", "rss_bytes").unique().drop_nulls().sort("container").rows()
    assert rows == [("api", 4 << 20), ("proxy", 5 << 20)]
