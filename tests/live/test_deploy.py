"""What runs in a cluster: the image's file, the kustomize folder with the real kubectl, least rights."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

import rmtoolkit as rm
from rmtoolkit import cli
from tests.live.api_server import Answer, Cluster, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
pytestmark = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="needs kubectl: apt-get install kubectl (Debian, from trixie on)"
)


def kubectl(*words: str | Path) -> str:
    """What the real kubectl prints."""
    done = subprocess.run(["kubectl", *words], capture_output=True, text=True, check=False)  # noqa: S607 - from PATH
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> dict[str, dict[str, Any]]:
    """The objects that `kubectl kustomize` makes of the folder, by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(kubectl("kustomize", DEPLOY / "kustomize"))}


@pytest.fixture
def cluster() -> Cluster:
    """One pod with memory."""
    found = Cluster()
    pod = {"name": "api-6f9c7d5b8-abcde", "namespace": "shop", "uid": "u1", "creationTimestamp": "2026-11-23T00:00:00Z"}
    found.objects["Pod"] = [{"metadata": pod, "spec": {"containers": [{"name": "api"}]}, "status": {}}]
    found.memory["shop", pod["name"], "api"] = 51_200
    return found


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configuration of that cluster."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(cluster, tmp_path) as file:
        yield file


def pod_of(built: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the job's pod is made of."""
    spec: dict[str, Any] = built["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def test_the_api_server_knows_every_object(cluster: Cluster, kubeconfig: Path) -> None:
    """The real kubectl finds each kind of the folder among what a server has, and would create it there."""
    cluster.more = {
        "v1": [
            ("serviceaccounts", "ServiceAccount", True),
            ("configmaps", "ConfigMap", True),
            ("persistentvolumeclaims", "PersistentVolumeClaim", True),
        ],
        "batch/v1": [("cronjobs", "CronJob", True)],
        "rbac.authorization.k8s.io/v1": [("roles", "Role", True)],
    }
    words = ("create", "--dry-run=client", "--validate=false", "-n", "monitoring", "-o", "name")
    said = kubectl("--kubeconfig", kubeconfig, *words, "-k", DEPLOY / "kustomize")
    assert [re.sub(r"-[a-z0-9]{10}$", "", line) for line in said.splitlines()] == [
        "serviceaccount/rmtoolkit",
        "role.rbac.authorization.k8s.io/rmtoolkit-record",
        "configmap/rmtoolkit",
        "persistentvolumeclaim/rmtoolkit",
        "cronjob.batch/rmtoolkit",
    ]


def test_the_job_has_no_rights_and_nothing_to_write_on(built: dict[str, dict[str, Any]]) -> None:
    """No root, no token, no capability, a read-only root; each name that it mounts or reads is made beside it."""
    spec = pod_of(built)
    assert not built["ServiceAccount"]["automountServiceAccountToken"]
    assert not spec["automountServiceAccountToken"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not {one["kind"] for one in built.values()} & {"RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    for container in [*spec["initContainers"], *spec["containers"]]:
        locked = container["securityContext"]
        assert locked["readOnlyRootFilesystem"]
        assert not locked["allowPrivilegeEscalation"]
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert "command" not in container
        assert {one["name"] for one in container["volumeMounts"]} <= {one["name"] for one in spec["volumes"]}
    made = {one["metadata"]["name"] for one in built.values()}
    (claim,) = (one["persistentVolumeClaim"]["claimName"] for one in spec["volumes"] if "persistentVolumeClaim" in one)
    (known,) = (one["configMap"]["name"] for one in spec["volumes"] if "configMap" in one)
    assert {claim, known, spec["serviceAccountName"]} <= made


def test_the_job_runs_week_after_week(
    built: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The words of the CronJob are commands of ours: twice, the second time beside the first's verdicts."""
    spec = pod_of(built)
    monkeypatch.chdir(tmp_path)
    known = tmp_path / "accepted.toml"
    known.write_text(built["ConfigMap"]["data"]["accepted.toml"], "utf-8")
    (pull,), (report,) = ([one["args"] for one in spec[kind]] for kind in ("initContainers", "containers"))
    # Nobody listens at that address: the words are understood, and the server is what is missing.
    assert cli.main([word.replace("$(PROMETHEUS)", "http://127.0.0.1:9/") for word in pull]) == 2
    assert "127.0.0.1:9" in capsys.readouterr().err
    rm.Lake(tmp_path / "lake").append(rm.read(DEPLOY.parent / "data" / "samples" / "young-badger.json"))
    words = [str(known) if word == "/etc/rmtoolkit/accepted.toml" else word for word in report]
    assert cli.main(words) == 0
    first = (tmp_path / "week" / "verdicts.parquet").stat().st_mtime_ns
    assert cli.main(words) == 0
    assert (tmp_path / "week" / "verdicts.parquet").stat().st_mtime_ns > first


#: Ends the process at the first program, connection or file that the image has no shell, network or place for.
_WATCHED: Final = """
import os, sys
places = tuple(os.environ["PLACES"].split(os.pathsep))
never = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "socket.connect"}
writes = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}

def watch(event, given):
    path = given[0] if given else None
    changes = event in writes or (event == "open" and (given[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    named = changes and isinstance(path, (str, bytes)) and path != os.devnull
    if event in never or (named and not os.path.realpath(os.fsdecode(path)).startswith(places)):
        os.write(2, f"not in the image: {event} {given!r}".encode())
        os._exit(99)

sys.addaudithook(watch)
from rmtoolkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_job_starts_nothing_and_writes_only_on_its_volumes(
    built: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The report's own words, where a shell, a connection or a file elsewhere would end the process."""
    data, scratch = tmp_path / "data", tmp_path / "tmp"
    scratch.mkdir()
    data.mkdir()
    known = tmp_path / "accepted.toml"
    known.write_text(built["ConfigMap"]["data"]["accepted.toml"], "utf-8")
    rm.Lake(data / "lake").append(rm.read(DEPLOY.parent / "data" / "samples" / "young-badger.json"))
    (words,) = (one["args"] for one in pod_of(built)["containers"])
    words = [str(known) if word == "/etc/rmtoolkit/accepted.toml" else word for word in words]
    told = {"HOME": scratch, "TMPDIR": scratch, "PLACES": f"{data}:{scratch}", "PYTHONPATH": DEPLOY.parent}
    environment = {name: str(value) for name, value in told.items()} | {"PYTHONDONTWRITEBYTECODE": "1", "PATH": ""}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        watched = [sys.executable, "-c", _WATCHED, *words]
        return subprocess.run(watched, cwd=data, env=environment, capture_output=True, text=True, check=False)

    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert (data / "week.html").is_file()
    assert run("classify", "lake", "-o", str(tmp_path / "elsewhere.csv")).returncode == 99


def test_the_role_is_enough_to_record(
    built: dict[str, dict[str, Any]], cluster: Cluster, kubeconfig: Path, tmp_path: Path
) -> None:
    """`rmtoolkit record --kubectl -n shop`, where everything that the Role does not grant is forbidden."""
    granted = {
        (group, resource)
        for rule in built["Role"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if {"get", "list"} <= set(rule["verbs"])
    }
    refused = []

    def only_granted(path: str) -> Answer | None:
        found = re.fullmatch(r"/apis?/(?:([a-z0-9.]+)/)?v1\w*/namespaces/shop/(\w+)", path)
        discovery = re.fullmatch(r"/(api|apis|version|openapi/v3)(/[\w.]+){0,2}", path) and not path.endswith("/nodes")
        if discovery or (found and (found[1] or "", found[2]) in granted):
            return None
        refused.append(path)
        return (403, "Forbidden", "not granted")

    cluster.hook = only_granted
    recording = rm.record_kubectl(tmp_path / "a.jsonl", kubeconfig=kubeconfig, namespace="shop", duration="1ms")
    assert recording.samples["working_set_bytes"].to_list() == [51_200 * 1024]
    assert set(refused) <= {"/api/v1/nodes"}


def test_the_image_needs_no_root_and_no_shell() -> None:
    """What the Dockerfile copies is what a release has; its last stage runs as nobody's number, by its own program.

    A build needs a base image from a registry, which tests do not ask. By hand, buildah built it on Debian, and it
    ran as that user on a read-only root without shell or network.
    """
    lines = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text("utf-8")).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    stages = [number for number, step in enumerate(steps) if step[0] == "FROM"]
    assert [words for name, words in steps if name == "COPY"] == [
        "dist/image.lock dist/*.whl /dist/",
        "--from=build /opt/rmtoolkit /opt/rmtoolkit",
    ]
    last = dict(steps[stages[-1] :])
    assert "RUN" not in last
    assert last["USER"] == "65532:65532"
    assert last["ENTRYPOINT"] == '["/opt/rmtoolkit/bin/rmtoolkit"]'
    assert (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").split() == ["*", "!dist"]
