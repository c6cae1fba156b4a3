"""Recommended limits in the forms in which they are applied: Kubernetes patches and kubectl lines."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.schema import Action
from rmtoolkit.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl


_MIB: Final = 2**20
#: Actions that change a limit.
OF_LIMITS: Final = (Action.RAISE_LIMIT, Action.LOWER_LIMIT, Action.SET_LIMIT)
#: Kinds that a strategic merge patch can be for, by the name a recording has for them.
_KINDS: Final = {
    "deployment": ("Deployment", "apps/v1"),
    "statefulset": ("StatefulSet", "apps/v1"),
    "daemonset": ("DaemonSet", "apps/v1"),
}
_LONGEST: Final = 253
#: What the API server takes as a name; anything else is not written as one.
_NAME: Final = set("abcdefghijklmnopqrstuvwxyz0123456789-.")


def quantity(bytes_: int) -> str:
    """Write an amount of memory as Kubernetes does."""
    return f"{-(-bytes_ // _MIB)}Mi"


def patches_yaml(limits: pl.DataFrame) -> str:
    r"""Write the recommended limits as strategic merge patches, one YAML document per workload."""
    documents: list[str] = []
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    left_out = 0
    for row in limits.iter_rows(named=True):
        names = (row.get("namespace") or "default", row.get("workload") or "", row.get("container") or "")
        if not _changes(row) or not all(map(_is_name, names)):
            left_out += 1
            continue
        groups.setdefault((row.get("workload_kind") or "", *names[:2]), []).append(row)
    for (kind, namespace, workload), rows in groups.items():
        documents.append(_document(kind, namespace, workload, rows))
    text = "---\n".join(documents)
    if left_out:
        text += f"# {left_out} left out: no plain limit is recommended, or the name is none that Kubernetes allows.\n"
    return text


def _advised(row: Mapping[str, Any], setting: str) -> int | None:
    """Find the advice in a row of an Assessment, or of `recommend_limits`."""
    advised: int | None = row.get(f"advised_{setting}_bytes", row.get(f"recommended_{setting}_bytes"))
    return advised


def _changes(row: Mapping[str, Any]) -> bool:
    """Tell whether the one action is another limit: what is to stay needs no patch."""
    return _advised(row, "limit") is not None and row.get("action", Action.SET_LIMIT) in OF_LIMITS


def _is_name(text: str) -> bool:
    """Tell whether Kubernetes would take it as a name."""
    return 0 < len(text) <= _LONGEST and set(text) <= _NAME and text[0].isalnum() and text[-1].isalnum()


def _scalar(text: str) -> str:
    """Write a name so that YAML takes it for a string: 1e3, true and null are names too."""
    plain = text[0].isalpha() and text not in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return text if plain else json.dumps(text)


def _document(kind: str, namespace: str, workload: str, rows: list[dict[str, Any]]) -> str:
    name, version = _KINDS.get(kind.lower(), _KINDS["deployment"])
    lines = [f"# {printable(row.get('limit_reason') or row.get('reason') or 'No reason was given.')}" for row in rows]
    if kind.lower() not in _KINDS:
        known = "not known" if not kind else "another"
        lines.append(f"# The kind was {known}: a Deployment was assumed.")
    lines += [
        f"apiVersion: {version}",
        f"kind: {name}",
        "metadata:",
        f"  name: {_scalar(workload)}",
        f"  namespace: {_scalar(namespace)}",
        "spec:",
        "  template:",
        "    spec:",
        "      containers:",
    ]
    for row in rows:
        lines += [f"        - name: {_scalar(row['container'])}", "          resources:"]
        for setting in ("request", "limit"):
            if (advised := _advised(row, setting)) is not None:
                lines += [f"            {setting}s:", f"              memory: {quantity(advised)}"]
    return "\n".join(lines) + "\n"


def kubectl_lines(limits: pl.DataFrame) -> list[str]:
    """Write the recommended limits as `kubectl set resources` lines."""
    lines = []
    for row in limits.iter_rows(named=True):
        if not _changes(row):
            continue
        kind = (row.get("workload_kind") or "Deployment").lower()
        words = ["kubectl", "--namespace", row.get("namespace") or "default", "set", "resources"]
        words.append(f"{kind if kind in _KINDS else 'deployment'}/{row.get('workload') or ''}")
        words.append(f"--containers={row.get('container') or ''}")
        for setting in ("request", "limit"):
            if (advised := _advised(row, setting)) is not None:
                words.append(f"--{setting}s=memory={quantity(advised)}")
        lines.append(shlex.join(words))
    return lines


def resize_lines(limits: pl.DataFrame, pods: pl.DataFrame) -> list[str]:
    """Write lines that resize running pods in place, without a restart (Kubernetes 1.33 or later)."""
    wanted = {
        (row.get("namespace"), row.get("workload"), row.get("container")): row
        for row in limits.iter_rows(named=True)
        if _changes(row)
    }
    lines = []
    for pod in pods.iter_rows(named=True):
        row = wanted.get((pod["namespace"], pod["workload"], pod["container"]))
        if row is None or not pod["pod"]:
            continue
        resources = {
            f"{setting}s": {"memory": quantity(advised)}
            for setting in ("limit", "request")
            if (advised := _advised(row, setting)) is not None
        }
        patch = {"spec": {"containers": [{"name": pod["container"], "resources": resources}]}}
        words = ["kubectl", "--namespace", pod["namespace"] or "default", "patch", "pod", pod["pod"]]
        lines.append(shlex.join([*words, "--subresource", "resize", "--patch", json.dumps(patch)]))
    return lines
