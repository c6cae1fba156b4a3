"""`rm.record_kubectl` and `rmtoolkit record --kubectl`: the real kubectl against an API server on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, Final

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders import record_kubectl as kubectl_client
from tests.live.api_server import Cluster, configuration, serving
from tests.loaders.kubernetes import API, at, container, ended, owned, pod, running, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.live.api_server import Answer

pytestmark = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="needs kubectl: apt-get install kubectl (Debian, from trixie on)"
)
MI: Final = 1 << 20
SECRET: Final = {"name": "PASSWORD", "value": "hunter2"}


@pytest.fixture
def cluster() -> Cluster:
    """A cluster with two pods in the namespace of the context and one elsewhere."""
    made = Cluster()
    api = pod(API, {**container(limit="512Mi", request="256Mi"), "env": [SECRET]}, statuses=(status(state=running(0)),))
    api["metadata"]["annotations"] = {"note": "hunter2"}
    db = pod("db-0", container("db", "db:7"), owner=("StatefulSet", "db"), uid="uid-2")
    other = pod("worker-0", container("worker"), owner=None, uid="uid-3", about={"namespace": "team-a"})
    made.objects = {
        "Pod": [api, db, other],
        "ReplicaSet": [owned("ReplicaSet", "api-7d9f8b6c5d", ("Deployment", "api"), container())],
        "Node": [{"metadata": {"name": "node-a"}, "status": {"allocatable": {"memory": "8Gi"}}}],
        "ResourceQuota": [
            {"metadata": {"name": "q", "namespace": "shop"}, "status": {"hard": {"limits.memory": "10Gi"}}}
        ],
    }
    made.memory = {("shop", API, "api"): 100_001, ("shop", "db-0", "db"): 50_000, ("team-a", "worker-0", "worker"): 7}
    return made


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configuration of a cluster that is being served; kubectl keeps what it learns by port in its home."""
    monkeypatch.setenv("HOME", str(tmp_path / "kube"))
    folder = tmp_path / "kube"
    folder.mkdir()
    with serving(cluster, folder) as file:
        yield file


def is_metrics(path: str) -> bool:
    """The memory of pods is asked for, not only what the server has."""
    return path.startswith("/apis/metrics.k8s.io/") and path.endswith("/pods")


def asked(cluster: Cluster) -> int:
    """How often memory was asked for."""
    return sum(map(is_metrics, cluster.paths))


def lines(file: Path) -> list[dict[str, Any]]:
    """The lines of a recording."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def record(file: Path, kubeconfig: Path, **options: Any) -> rm.Recording:
    """Take one sample and one look."""
    return rm.record_kubectl(file, kubeconfig=kubeconfig, **{"duration": "1ms", **options})


def record_until(condition: Callable[[], bool], file: Path, kubeconfig: Path, **options: Any) -> rm.Recording:
    """Record until a condition is true, as a user does: with Ctrl-C."""
    lock, over = threading.Lock(), threading.Event()

    def press() -> None:
        end, pause = time.monotonic() + 60, 0.01
        while not over.wait(pause):
            if condition() or time.monotonic() > end:
                with lock:
                    if not over.is_set():
                        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                # Where Python tidies up, an interrupt is lost: then it is pressed again.
                pause = 30

    watcher = threading.Thread(target=press, daemon=True)
    watcher.start()
    try:
        asked = {"interval": "50ms", "objects_interval": "50ms", **options}
        return rm.record_kubectl(file, kubeconfig=kubeconfig, **asked)
    finally:
        with lock:
            over.set()
        watcher.join()
        assert condition()


def test_a_recording_has_exact_bytes_limits_owners_and_nodes(
    cluster: Cluster, kubeconfig: Path, tmp_path: Path
) -> None:
    """Bytes and times are those of the metrics API; the rest comes from the pods and what made them."""
    cluster.grows = lambda: cluster.memory.update({("shop", API, "api"): cluster.memory["shop", API, "api"] + 1})
    recording = record_until(lambda: asked(cluster) >= 4, tmp_path / "a.jsonl", kubeconfig)
    columns = ("namespace", "workload", "workload_kind", "container", "limit_bytes", "request_bytes", "version", "node")
    assert recording.containers.select(columns).rows() == [
        ("shop", "api", "Deployment", "api", 512 * MI, 256 * MI, "1.2", "node-a"),
        ("shop", "db", "StatefulSet", "db", None, None, "7", "node-a"),
    ]
    found = recording.samples.filter(container_id=0)["working_set_bytes"].to_list()
    assert found == [(100_001 + number) * 1024 for number in range(len(found))]
    assert len(found) >= 2
    assert recording.containers["quantum_bytes"].to_list() == [None, None]
    assert recording.report.nodes == {"node-a": 8 << 30}
    assert recording.report.quotas == {"shop/q limits.memory": 10 << 30}
    assert recording.report.left_out == {}
    assert recording.report.missing == ()


def test_no_secret_reaches_the_file(kubeconfig: Path, tmp_path: Path) -> None:
    """Environment, annotations and the token of the configuration are not kept."""
    record(tmp_path / "a.jsonl", kubeconfig)
    text = (tmp_path / "a.jsonl").read_text()
    assert "hunter2" not in text
    assert "s3cret" not in text
    assert API in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["shop", "shop"]),
        ({"namespace": "team-a"}, ["team-a"]),
        ({"context": "other"}, ["team-a"]),
        ({"all_namespaces": True}, ["shop", "shop", "team-a"]),
    ],
    ids=["of the context", "named", "other context", "all"],
)
def test_the_namespace_is_that_of_the_user(
    kubeconfig: Path, tmp_path: Path, options: dict[str, Any], expected: list[str]
) -> None:
    """Named, all of them, or the one that the context says, as kubectl does."""
    recording = record(tmp_path / "a.jsonl", kubeconfig, **options)
    assert recording.containers["namespace"].to_list() == expected


def test_a_pod_that_restarts_between_two_samples_is_seen(cluster: Cluster, kubeconfig: Path, tmp_path: Path) -> None:
    """A kill between two looks is an event with the kubelet's time; a pod that goes away ends."""
    looks = 0

    def hook(path: str) -> Answer | None:
        nonlocal looks
        looks += path == "/api/v1/namespaces/shop/pods"
        if looks == 2:
            killed = status(restarts=1, last=ended(0, 9), state=running(9.5))
            cluster.objects["Pod"][0]["status"]["containerStatuses"] = [killed]
        if looks == 3:
            del cluster.objects["Pod"][1]
            cluster.memory.pop(("shop", "db-0", "db"), None)
        return None

    cluster.hook = hook
    recording = record_until(lambda: looks >= 4, tmp_path / "a.jsonl", kubeconfig)
    events = recording.events.filter(container_id=0).select("kind", "value_bytes", "detail").rows()
    assert ("oom_kill", 512 * MI, "OOMKilled, exit code 137") in events
    assert [kind for kind, *_ in events].count("start") == 2
    times = recording.events.filter(container_id=0)["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").to_list()
    assert times == [at(0), at(9), at(9.5)]
    assert "end" in recording.events.filter(container_id=1)["kind"].to_list()
    changed = [line for line in lines(tmp_path / "a.jsonl") if line["kubectl"] == "get pods"]
    assert len(changed) == 3


def test_failures_in_the_middle_are_gaps_and_end_nothing(cluster: Cluster, kubeconfig: Path, tmp_path: Path) -> None:
    """An overloaded server, an answer of a proxy, a cut one: each is counted, and recording goes on."""
    answers: list[Answer | None] = [
        None,
        (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
        b"<html>502 Bad Gateway</html>",
        b'{"kind": "PodMetricsList", "items": [{"metadata"',
        (403, "Forbidden", 'pods.metrics.k8s.io is forbidden: User "dev" cannot list resource "pods"'),
        None,
    ]
    asked = 0

    def hook(path: str) -> Answer | None:
        nonlocal asked
        if not is_metrics(path):
            return None
        asked += 1
        return answers[asked - 1] if asked <= len(answers) else None

    cluster.hook = hook
    with pytest.warns(RmtoolkitWarning, match="4 scrapes failed .*unable to handle"):
        recording = record_until(lambda: asked >= 8, tmp_path / "a.jsonl", kubeconfig)
    gaps = recording.events.filter(kind="gap")
    assert gaps["container_id"].n_unique() == 2
    assert "unable to handle the request" in gaps["detail"][0]
    assert "(4 in a row)" in gaps["detail"][0]
    assert recording.samples.filter(container_id=0).height >= 2


def test_a_slow_answer_is_given_up_and_counted(
    cluster: Cluster, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer costs one turn; nothing hangs, and kubectl is gone."""
    from rmtoolkit.loaders import record_kubectl as kubectl_record

    monkeypatch.setattr(kubectl_record, "_TIMEOUT", 1.0)
    asked, released = 0, threading.Event()

    def hook(path: str) -> Answer | None:
        nonlocal asked
        if is_metrics(path):
            asked += 1
            if asked == 2:
                released.wait(60)
        return None

    cluster.hook = hook
    begin = time.monotonic()
    with pytest.warns(RmtoolkitWarning, match=r"1 scrape failed"):
        recording = record_until(lambda: asked >= 4, tmp_path / "a.jsonl", kubeconfig)
    assert time.monotonic() - begin < 30
    assert recording.samples.filter(container_id=0).height >= 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((403, "Forbidden", "pods.metrics.k8s.io is forbidden"), r"Forbidden\).*the role view is enough"),
        ((401, "Unauthorized", "Unauthorized"), r"must be logged in.*Log in to the cluster again"),
        ((503, "ServiceUnavailable", "the server is currently unable to handle the request"), r"ServiceUnavailable"),
    ],
    ids=["forbidden", "unauthorized", "unavailable"],
)
def test_what_fails_from_the_beginning_is_one_clear_error(
    cluster: Cluster, kubeconfig: Path, tmp_path: Path, answer: Answer, message: str
) -> None:
    """Nothing was recorded: the error says what kubectl said and what to do, and no file is left."""
    cluster.hook = lambda path: answer if is_metrics(path) else None
    with pytest.raises(RmtoolkitError, match=message) as caught:
        record(tmp_path / "a.jsonl", kubeconfig, interval="50ms", duration="60s")
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "a.jsonl").exists()


def test_a_cluster_without_metrics_server_is_one_clear_error(
    cluster: Cluster, kubeconfig: Path, tmp_path: Path
) -> None:
    """Neither version of the API is there, and kubectl top says so."""
    cluster.version = None
    with pytest.raises(RmtoolkitError, match=r"Metrics API not available.*needs metrics-server"):
        record(tmp_path / "a.jsonl", kubeconfig)


def test_the_newer_version_of_the_api_is_found(cluster: Cluster, kubeconfig: Path, tmp_path: Path) -> None:
    """A server that has only v1 is asked for that."""
    cluster.version = "v1"
    recording = record(tmp_path / "a.jsonl", kubeconfig, duration="1ms")
    assert recording.samples["working_set_bytes"].to_list() == [100_001 * 1024, 50_000 * 1024]


@pytest.mark.parametrize("options", [{}, {"all_namespaces": True}], ids=["one namespace", "all"])
def test_kubectl_top_is_the_last_resort(
    cluster: Cluster, kubeconfig: Path, tmp_path: Path, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the raw paths are not served, the table is recorded: whole MiB, and known to be; its rows are counted."""
    tops = 0

    def hook(path: str) -> Answer | None:
        nonlocal tops
        # kubectl top asks for the group first, and then for the same path as --raw: that is the second time.
        tops += path == "/apis"
        if is_metrics(path) and not tops:
            return 404, "NotFound", "the server could not find the requested resource"
        return None

    cluster.hook = hook
    recording = record(tmp_path / "a.jsonl", kubeconfig, progress=True, **options)
    assert f"containers={recording.containers.height}, failed=0" in capsys.readouterr().err
    assert recording.containers["quantum_bytes"].unique().to_list() == [MI]
    first = recording.containers.row(0, named=True)
    assert (first["namespace"], first["workload"], first["container"]) == ("shop", "api", "api")
    assert first["limit_bytes"] == 512 * MI
    assert recording.samples.filter(container_id=0)["working_set_bytes"].unique().to_list() == [97 * MI]


def test_what_may_not_be_listed_is_said_and_missed_by_nothing_else(
    cluster: Cluster, kubeconfig: Path, tmp_path: Path
) -> None:
    """Nodes are not for everybody: the report says so, and limits and owners are there all the same."""
    refused = (403, "Forbidden", 'nodes is forbidden: User "dev" cannot list resource "nodes" at the cluster scope')
    cluster.hook = lambda path: refused if path == "/api/v1/nodes" else None
    recording = record(tmp_path / "a.jsonl", kubeconfig)
    assert recording.report.nodes == {}
    assert len(recording.report.warnings) == 1
    assert recording.report.warnings[0].startswith("not recorded: 'nodes', because of 'Error from server (Forbidden)")
    assert recording.containers["limit_bytes"].to_list() == [512 * MI, None]
    assert recording.events.filter(kind="gap").is_empty()


def test_a_recording_goes_on_in_the_same_file(kubeconfig: Path, tmp_path: Path) -> None:
    """A second recording adds to the first, also behind half a line that a crash left."""
    file = tmp_path / "a.jsonl"
    record(file, kubeconfig)
    before = rm.read(file).samples.height
    with file.open("a") as stream:
        stream.write('{"time":"2026-11-24T22:00:00Z","kubectl":"get --raw","answer":{"kind":"PodMe')
    with pytest.warns(RmtoolkitWarning, match="1 document that is cut off or damaged"):
        both = record(file, kubeconfig)
    assert both.samples.height == 2 * before
    assert both.report.left_out["documents that are cut off or damaged"] == 1


def test_a_file_of_something_else_is_not_touched(kubeconfig: Path, tmp_path: Path) -> None:
    """A name that is taken is refused before anything is written."""
    file = tmp_path / "notes.log"
    file.write_text("my notes\n")
    with pytest.raises(RmtoolkitError, match="it holds something else"):
        record(file, kubeconfig)
    assert file.read_text() == "my notes\n"


def test_parquet_is_made_at_the_end(kubeconfig: Path, tmp_path: Path) -> None:
    """The lines stand beside it while recording, and are gone when it is whole."""
    recording = record(tmp_path / "a.parquet", kubeconfig)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.parquet", "kube"]
    assert rm.read(tmp_path / "a.parquet").samples.equals(recording.samples)


@pytest.mark.parametrize(
    ("how", "name"),
    [
        pytest.param(signal.SIGINT, "a.jsonl", id="Ctrl-C"),
        pytest.param(signal.SIGTERM, "a.parquet", id="kill"),
        pytest.param(signal.SIGKILL, "a.parquet", id="crash before the end"),
    ],
)
def test_whenever_it_ends_the_file_can_be_read(
    cluster: Cluster, kubeconfig: Path, tmp_path: Path, how: signal.Signals, name: str
) -> None:
    """Ctrl-C is the usual end and a success, like a polite kill; after a crash all that was answered is there."""
    file = tmp_path / name
    command = [
        sys.executable,
        "-m",
        "rmtoolkit",
        "record",
        "--kubectl",
        "-A",
        "--interval",
        "100ms",
        "-o",
        str(file),
    ]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        _wait_for(lambda: asked(cluster) >= 5, process)
        process.send_signal(how)
        printed, complaints = process.communicate(timeout=60)
    if how is signal.SIGKILL:
        file = tmp_path / "a.parquet.jsonl"
    else:
        assert (process.returncode, complaints) == (0, "")
        assert printed.startswith(f"Recorded: {file} (")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        recording = rm.read(file)
    assert recording.samples["container_id"].n_unique() == 3
    assert recording.samples.filter(container_id=0).height >= 3


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    """Nobody listens on that port: exit status 2, one line, no file."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        file = configuration(tmp_path, taken.getsockname()[1])
        command = [
            sys.executable,
            "-m",
            "rmtoolkit",
            "record",
            "--kubectl",
            "-n",
            "shop",
            "-o",
            str(tmp_path / "a.jsonl"),
        ]
        environment = {**os.environ, "KUBECONFIG": str(file)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Is the cluster running, and is this the right context?" in done.stderr
    assert not (tmp_path / "a.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"namespace": "../../secrets"}, "is no namespace"),
        ({"namespace": "--token=x"}, "is no namespace"),
        ({"namespace": "shop", "all_namespaces": True}, "not both"),
        ({"context": "nowhere"}, r"cannot locate context nowhere.*kubectl config get-contexts"),
        ({"kubectl": "no-such-kubectl"}, "There is no program 'no-such-kubectl'"),
        ({"interval": "often"}, "is no duration"),
    ],
    ids=["path", "option", "both", "no context", "no kubectl", "no duration"],
)
def test_what_cannot_be_asked_for_is_refused(
    kubeconfig: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    """No name can become a path or an option of kubectl."""
    with pytest.raises(RmtoolkitError, match=message):
        record(tmp_path / "a.jsonl", kubeconfig, **options)
    assert not (tmp_path / "a.jsonl").exists()


def test_a_namespace_without_pods_says_so(kubeconfig: Path, tmp_path: Path) -> None:
    """Nothing to record is an error that names the namespace."""
    with pytest.raises(RmtoolkitError, match="no pods with metrics in the namespace 'empty'"):
        record(tmp_path / "a.jsonl", kubeconfig, namespace="empty", duration="1ms")


def test_a_secret_in_a_complaint_is_not_repeated() -> None:
    """A credential helper may print what it should not."""
    said = "error: getting credentials: exec: token=abc.def Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.x failed"
    error = kubectl_client.kubectl_error("top", [said], 1)
    assert "abc" not in str(error)
    assert "eyJ" not in str(error)


def test_a_real_dump_of_kubectl_beside_a_real_table(kubeconfig: Path, tmp_path: Path) -> None:
    """What kubectl itself prints as JSON and as YAML joins onto what it prints as a table."""

    def printed(*arguments: str) -> str:
        command = ["kubectl", f"--kubeconfig={kubeconfig}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    log = tmp_path / "top.log"
    log.write_text("".join(f"{at(minute)}\n{printed('top', 'pod', '-A', '--containers')}" for minute in range(3)))
    for form in ("json", "yaml"):
        dump = tmp_path / f"pods.{form}"
        dump.write_text(printed("get", "pods,replicasets,nodes,resourcequotas", "-A", "-o", form))
        recording = rm.read([log, dump])
        owned_by = recording.containers.select("workload", "workload_kind", "limit_bytes").rows()
        assert owned_by == [
            ("api", "Deployment", 512 * MI),
            ("db", "StatefulSet", None),
            ("worker-0", "Pod", None),
        ]
        assert recording.report.nodes == {"node-a": 8 << 30}
    metrics = tmp_path / "metrics.yaml"
    metrics.write_text(printed("get", "pods.metrics.k8s.io", "-A", "-o", "yaml") + "---\n" + dump.read_text())
    exact = rm.read(metrics)
    assert exact.samples["working_set_bytes"].to_list() == [100_001 * 1024, 50_000 * 1024, 7 * 1024]
    assert exact.containers["limit_bytes"].to_list() == [512 * MI, None, None]


POD_COLUMN: Final = "NAME:.metadata.name,MEM:.containers[*].usage.memory"
COLUMNS: Final = {
    "pods": POD_COLUMN,
    "namespaces": f"NAMESPACE:.metadata.namespace,{POD_COLUMN}",
    "containers": f"NS:.metadata.namespace,CONTAINERS:.containers[*].name,CPU:.containers[*].usage.cpu,{POD_COLUMN}",
    "times": f"TIME:.timestamp,WHO:.containers[*].name,{POD_COLUMN}",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_one_s_own(cluster: Cluster, kubeconfig: Path, tmp_path: Path, name: str) -> None:
    """What the real kubectl prints with `-o custom-columns`: each container where it is named, else each pod's sum."""
    cluster.memory = {("shop", "db-0", "db"): 102_401, ("shop", "db-0", "proxy"): 2048, ("shop", "web-0", "web"): 7}
    command = ["/usr/bin/kubectl", "--kubeconfig", str(kubeconfig), "get", "pods.metrics.k8s.io", "-o"]
    said = [
        f"2026-11-24T22:51:{second:02}Z\n"
        + subprocess.run(
            [*command, f"custom-columns={COLUMNS[name]}"], capture_output=True, text=True, check=True
        ).stdout
        for second in (0, 15)
    ]
    (tmp_path / "top.log").write_text("".join(said))
    recording = rm.read(tmp_path / "top.log")
    namespace = "shop" if name in ("namespaces", "containers") else None
    pods: dict[tuple[str, str | None], int] = {("db-0", None): 104_449, ("web-0", None): 7}
    if name == "containers":
        pods = {("db-0", "db"): 102_401, ("db-0", "proxy"): 2048, ("web-0", "web"): 7}
    about = recording.samples.join(recording.containers, on="container_id")
    found = about.select("namespace", "pod", "container", "working_set_bytes").unique().sort("pod", "container").rows()
    assert found == [(namespace, *place, amount << 10) for place, amount in pods.items()]
    assert recording.height == len(pods) * 2 or name == "times"
