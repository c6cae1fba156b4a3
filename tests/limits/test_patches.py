"""Limits in the forms in which they are applied."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.limits.patches import patches_yaml, per_workload
from rmtoolkit.limits.recommend import quantity
from rmtoolkit.schema import Action

if TYPE_CHECKING:
    from pathlib import Path

ROW = {
    "cluster": None,
    "namespace": "shop",
    "workload": "api",
    "workload_kind": "StatefulSet",
    "container": "app",
    "action": "raise_limit",
    "advised_request_bytes": 200 * 2**20,
    "advised_limit_bytes": 256 * 2**20,
    "limit_reason": "Peak 200 Mi.",
    "qos_now": "Burstable",
    "qos_then": "Burstable",
}


def of(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows as the workloads of an Assessment have them."""
    strings: dict[str, Any] = dict.fromkeys(
        ("cluster", "namespace", "workload", "workload_kind", "container"), pl.String
    )
    return pl.DataFrame([ROW | row for row in rows or ({},)], schema_overrides=strings)


def written(*rows: dict[str, Any]) -> list[Any]:
    """The documents that are written for rows."""
    return [document for document in yaml.safe_load_all(patches_yaml(of(*rows))) if document]


def test_a_patch_has_what_the_api_server_wants() -> None:
    """Kind, name, container, request and limit."""
    (document,) = written()
    assert document["kind"] == "StatefulSet"
    assert document["apiVersion"] == "apps/v1"
    assert document["metadata"] == {"name": "api", "namespace": "shop"}
    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert container == {
        "name": "app",
        "resources": {"requests": {"memory": "200Mi"}, "limits": {"memory": "256Mi"}},
    }


def kubectl_lines(workloads: pl.DataFrame) -> list[str]:
    """The lines of kubectl that stand above patches."""
    return re.findall(r"^# (kubectl .*)$", patches_yaml(workloads), re.MULTILINE)


@pytest.mark.parametrize("action", list(Action))
def test_only_a_changed_limit_is_written(action: Action) -> None:
    """Raise, lower and set; of any other action there is no patch, though a limit is advised."""
    wanted = action in ("raise_limit", "lower_limit", "set_limit")
    assert len(written({"action": action})) == wanted
    assert len(kubectl_lines(of({"action": action}))) == wanted
    assert ("# 1 without a patch" in patches_yaml(of({"action": action}))) != wanted


@pytest.mark.parametrize(
    ("kind", "version", "template"),
    [
        ("Deployment", "apps/v1", ["template"]),
        ("StatefulSet", "apps/v1", ["template"]),
        ("DaemonSet", "apps/v1", ["template"]),
        ("CronJob", "batch/v1", ["jobTemplate", "spec", "template"]),
        ("Job", "batch/v1", ["template"]),
    ],
)
def test_each_kind_has_its_template_in_its_place(kind: str, version: str, template: list[str]) -> None:
    """However the recording writes it."""
    for said in (kind, kind.lower()):
        (document,) = written({"workload_kind": said})
        assert (document["kind"], document["apiVersion"]) == (kind, version)
        place = document["spec"]
        for name in template:
            place = place[name]
        assert place["spec"]["containers"][0]["resources"]["limits"] == {"memory": "256Mi"}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("Pod", "no template"),
        (None, "not known"),
        ("", "not known"),
        ("ReplicaSet", "no patch for the kind ReplicaSet"),
        ("Rollout", "would replace the list of containers of a Rollout"),
    ],
)
def test_what_has_no_template_is_left_out_and_listed(kind: str | None, why: str) -> None:
    """A bare pod, and kinds that are not known: nothing is assumed, and who is left out is named."""
    text = patches_yaml(of({"workload_kind": kind}))
    assert list(yaml.safe_load_all(text)) in ([], [None])
    assert re.search(rf"^# 1 left out:\n#   shop/api/app: .*{why}", text, re.MULTILINE)
    assert "memory limit 256Mi, request 200Mi" in text


def test_what_kubectl_cannot_change_gets_no_line() -> None:
    """The patch says why, and no line is written that would fail."""
    assert kubectl_lines(of({"workload_kind": "Job"})) == []
    assert "# The template of a Job cannot be changed" in patches_yaml(of({"workload_kind": "Job"}))


def test_an_injected_container_is_set_where_it_is_injected() -> None:
    """A patch of the template would add a container without an image: the annotation is named, the others stay."""
    rows = of({}, {"container": "istio-proxy", "advised_limit_bytes": 300 * 2**20, "advised_request_bytes": None})
    text = patches_yaml(rows)
    (document,) = [document for document in yaml.safe_load_all(text) if document]
    assert [one["name"] for one in document["spec"]["template"]["spec"]["containers"]] == ["app"]
    said = "annotate that with sidecar.istio.io/proxyMemoryLimit; memory limit 300Mi"
    assert f"#   shop/api/istio-proxy: it is injected into the pod, {said}\n" in text
    assert len(kubectl_lines(rows)) == 1


def kubectl(*words: str, folder: Path) -> str:
    """What a real kubectl answers without a server."""
    environment = os.environ | {"KUBECONFIG": os.devnull}
    called = [shutil.which("kubectl") or "kubectl", *words]
    done = subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl: install it to check what it makes of patches")
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"])
def test_a_real_kubectl_merges_patches_as_they_are_meant(kind: str, tmp_path: Path) -> None:
    """By `patch`, `set resources` and `kustomize` memory is as advised; images, CPU and other containers stay."""
    (document,) = written({"workload_kind": kind})
    containers = [
        {"name": "app", "image": "app:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
        {"name": "other", "image": "other:1"},
    ]
    pod = {"metadata": {"labels": {"app": "api"}}, "spec": {"restartPolicy": "OnFailure", "containers": containers}}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "api"}}, "template": pod}
    if kind == "CronJob":
        spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": pod}}}
    whole = {name: document[name] for name in ("apiVersion", "kind", "metadata")} | {"spec": spec}
    (tmp_path / "object.yaml").write_text(yaml.safe_dump(whole))
    (tmp_path / "patch.yaml").write_text(patches_yaml(of({"workload_kind": kind})))
    (tmp_path / "kustomization.yaml").write_text("resources: [object.yaml]\npatches: [{path: patch.yaml}]\n")
    answers = [
        kubectl("patch", "--local", "-f", "object.yaml", "--patch-file", "patch.yaml", "-o", "yaml", folder=tmp_path),
        kubectl("kustomize", ".", folder=tmp_path),
    ]
    if kind != "Job":
        words = shlex.split(kubectl_lines(of({"workload_kind": kind}))[0])
        assert words[5] == f"{kind.lower()}/api"
        local = ("--local", "-f", "object.yaml", "-o", "yaml")
        answers.append(kubectl("set", "resources", *words[6:], *local, folder=tmp_path))
    for answer in answers:
        place = yaml.safe_load(answer)["spec"]
        place = (place["jobTemplate"]["spec"] if kind == "CronJob" else place)["template"]["spec"]
        app, other = sorted(place["containers"], key=lambda one: one["name"])
        assert app["image"] == "app:1"
        assert app["resources"] == {"requests": {"memory": "200Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
        assert {name: value for name, value in other.items() if value} == {"name": "other", "image": "other:1"}


def test_the_line_of_kubectl_stands_above_its_patch() -> None:
    """A file of many documents says how each is applied, with the same numbers."""
    (line,) = kubectl_lines(of())
    assert shlex.split(line) == [
        "kubectl",
        "--namespace",
        "shop",
        "set",
        "resources",
        "statefulset/api",
        "--containers=app",
        "--requests=memory=200Mi",
        "--limits=memory=256Mi",
    ]


def test_without_a_request_only_the_limit_is_set() -> None:
    """Null is not zero."""
    (document,) = written({"advised_request_bytes": None})
    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"limits": {"memory": "256Mi"}}
    assert "--requests" not in kubectl_lines(of({"advised_request_bytes": None}))[0]


def test_containers_of_a_workload_share_one_patch() -> None:
    """One document per workload, each container in it."""
    documents = written({}, {"container": "proxy"}, {"workload": "web"})
    assert [len(d["spec"]["template"]["spec"]["containers"]) for d in documents] == [2, 1]


def test_clusters_are_kept_apart() -> None:
    """The same name in two clusters is two objects, and each patch says where it belongs."""
    text = patches_yaml(of({"cluster": "east"}, {"cluster": "west"}))
    assert len(list(yaml.safe_load_all(text))) == 2
    assert re.findall(r"^# Cluster (\w+)\.", text, re.MULTILINE) == ["east", "west"]


def test_another_qos_class_is_said() -> None:
    """What was Guaranteed and is no longer may be evicted sooner: nobody should find out later."""
    text = patches_yaml(of({"qos_now": "Guaranteed", "qos_then": "Burstable"}))
    assert "# The QoS class becomes Burstable; it was Guaranteed.\n" in text
    assert "QoS" not in patches_yaml(of())


@pytest.mark.parametrize(
    ("provisional", "basis", "said"),
    [
        (False, "shipped, 16 h of data", None),
        (True, "shipped, 16 h of data", "16 h of data"),
        (True, "kills", "what killed it"),
        (True, "forecast", "a forecast"),
        (True, None, "a short history"),
    ],
)
def test_only_what_is_provisional_says_what_it_rests_on(provisional: bool, basis: str | None, said: str | None) -> None:
    """Who applies it learns whether it may change again, and why; a limit that is settled says nothing of it."""
    text = patches_yaml(of({"provisional": provisional, "advised_basis": basis}))
    assert re.findall(r"# Provisional: (.*)", text) == ([f"it rests on {said}."] if said else [])


def test_what_has_no_limit_is_counted_not_written() -> None:
    """A leak has none."""
    text = patches_yaml(of({}, {"workload": "leak", "action": "fix_leak", "advised_limit_bytes": None}))
    assert "api" in text
    assert "# 1 without a patch: the limit stays, or no limit is safe while it grows." in text
    assert "leak" not in text


@pytest.mark.parametrize(
    "names",
    [
        *({"workload": name} for name in ("a: b", "x\n---\nkind: Secret", "'", '"', "<script>", "A", "-a", "a" * 254)),
        {"workload": "a..b"},
        {"workload": "a.-b"},
        {"workload": "é"},
        {"workload": "--server=http://evil"},
        {"workload": "\x1b[31mred"},
        {"workload": "a\n"},
        {"workload": None},
        {"workload": "a" * 53, "workload_kind": "CronJob"},
        {"workload": "a" * 64, "workload_kind": "Job"},
        {"namespace": "a.b"},
        {"namespace": "a" * 64},
        {"namespace": "kube\nsystem"},
        {"container": "a.b"},
        {"container": "a" * 64},
        {"container": "app,proxy"},
        {"container": None},
    ],
    ids=repr,
)
def test_names_that_kubernetes_does_not_allow_are_left_out(names: dict[str, str]) -> None:
    """No name can change what a file or a line says: it is listed in a comment of one line."""
    text = patches_yaml(of(names))
    assert list(yaml.safe_load_all(text)) in ([], [None])
    assert "# 1 left out:\n" in text
    assert kubectl_lines(of(names)) == []
    ((_, copied),) = per_workload(of(names))
    assert copied.startswith("# ")
    assert copied.count("\n") == 1
    assert copied.removesuffix("\n").isprintable()
    for said in text.splitlines():
        assert said.startswith("#")
        assert said.isprintable()


@pytest.mark.parametrize("workload", ["a", "1e3", "a.b", "a" * 253, "web-1.eu"])
def test_names_that_kubernetes_allows_are_written(workload: str) -> None:
    """A subdomain of up to 253 characters."""
    (document,) = written({"workload": workload, "namespace": "n" * 63, "container": "c" * 63})
    assert document["metadata"] == {"name": workload, "namespace": "n" * 63}


@pytest.mark.parametrize("name", ["1e3", "true", "null", "0x1f", "yes", "1-5", "no"])
def test_names_that_yaml_takes_for_something_else_stay_names(name: str) -> None:
    """1e3 is a workload, not a number."""
    (document,) = written({"workload": name, "container": name})
    assert document["metadata"]["name"] == name
    assert document["spec"]["template"]["spec"]["containers"][0]["name"] == name


@given(reason=st.text(), kind=st.text())
def test_no_text_leaves_its_comment(reason: str, kind: str) -> None:
    """Whatever is in a reason, or where a kind should be."""
    assert len(written({"limit_reason": reason})) == 1
    assert not written({"limit_reason": reason, "workload_kind": f"{kind}?"})


@given(name=st.text(min_size=1))
def test_no_name_breaks_out_of_a_shell_line(name: str) -> None:
    """Each line is read back as the words that were meant, or is a comment."""
    for line in kubectl_lines(of({"workload": name})):
        assert line.isprintable()
        assert shlex.split(line)[5] == f"statefulset/{name}"
    assert all(map(str.isprintable, patches_yaml(of({"workload": name})).splitlines()))


def test_quantities_are_rounded_up() -> None:
    """A limit is never a byte too small."""
    assert quantity(2**20) == "1Mi"
    assert quantity(2**20 + 1) == "2Mi"
