"""Limits in the forms in which they are applied."""

from __future__ import annotations

import shlex

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.limits.patches import kubectl_lines, patches_yaml, quantity, resize_lines

ROW = {
    "namespace": "shop",
    "workload": "api",
    "workload_kind": "StatefulSet",
    "container": "app",
    "recommended_request_bytes": 200 * 2**20,
    "recommended_limit_bytes": 256 * 2**20,
    "reason": "Peak 200 Mi.",
}


def test_a_patch_has_what_the_api_server_wants() -> None:
    """Kind, name, container, request and limit."""
    (document,) = yaml.safe_load_all(patches_yaml(pl.DataFrame([ROW])))
    assert document["kind"] == "StatefulSet"
    assert document["metadata"] == {"name": "api", "namespace": "shop"}
    (container,) = document["spec"]["template"]["spec"]["containers"]
    assert container == {
        "name": "app",
        "resources": {"requests": {"memory": "200Mi"}, "limits": {"memory": "256Mi"}},
    }


def test_containers_of_a_workload_share_one_patch() -> None:
    """One document per workload, each container in it."""
    rows = pl.DataFrame([ROW, ROW | {"container": "proxy"}, ROW | {"workload": "web"}])
    documents = list(yaml.safe_load_all(patches_yaml(rows)))
    assert [len(d["spec"]["template"]["spec"]["containers"]) for d in documents] == [2, 1]


def test_what_has_no_limit_is_counted_not_written() -> None:
    """A leak has none."""
    text = patches_yaml(pl.DataFrame([ROW, ROW | {"workload": "leak", "recommended_limit_bytes": None}]))
    assert "leak" not in text.replace("left out", "")
    assert "# 1 left out" in text


@pytest.mark.parametrize("name", ["a: b", "x\n---\nkind: Secret", "'", '"', "<script>", "A", "", "-a", "a" * 254])
def test_names_that_kubernetes_does_not_allow_are_left_out(name: str) -> None:
    """No name can change what the file says."""
    text = patches_yaml(pl.DataFrame([ROW | {"workload": name}]))
    assert list(yaml.safe_load_all(text)) in ([], [None])
    assert "1 left out" in text


@pytest.mark.parametrize("name", ["1e3", "true", "null", "0x1f", "yes", "1.5", "no"])
def test_names_that_yaml_takes_for_something_else_stay_names(name: str) -> None:
    """1e3 is a workload, not a number."""
    (document,) = yaml.safe_load_all(patches_yaml(pl.DataFrame([ROW | {"workload": name, "container": name}])))
    assert document["metadata"]["name"] == name


@given(reason=st.text())
def test_no_reason_leaves_its_comment(reason: str) -> None:
    """Whatever is in it."""
    (document,) = yaml.safe_load_all(patches_yaml(pl.DataFrame([ROW | {"reason": reason}])))
    assert document["metadata"]["name"] == "api"


@given(name=st.text(min_size=1))
def test_no_name_breaks_out_of_a_shell_line(name: str) -> None:
    """Each line is read back as the words that were meant."""
    (line,) = kubectl_lines(pl.DataFrame([ROW | {"workload": name}]))
    assert shlex.split(line)[5] == f"statefulset/{name}"


def test_running_pods_can_be_resized_in_place() -> None:
    """A line per pod of the workload, none for others."""
    pods = pl.DataFrame(
        [{"namespace": "shop", "workload": w, "container": "app", "pod": f"{w}-0"} for w in ("api", "web")]
    )
    (line,) = resize_lines(pl.DataFrame([ROW]), pods)
    assert "api-0 --subresource resize" in line
    assert '"memory": "256Mi"' in line


def test_quantities_are_rounded_up() -> None:
    """A limit is never a byte too small."""
    assert quantity(2**20) == "1Mi"
    assert quantity(2**20 + 1) == "2Mi"
