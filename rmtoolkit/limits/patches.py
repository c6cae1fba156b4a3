"""Advised limits in the forms in which they are applied: Kubernetes patches and kubectl lines."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl
from msgspec import Struct, convert

from rmtoolkit.limits.recommend import OF_LIMITS, quantity
from rmtoolkit.text import printable, sentence, texts


class _Kind(Struct, frozen=True):
    """A kind of object, where its pods are written down, and what stands in the way of changing them there."""

    name: str
    version: str
    template: tuple[str, ...] = ("template",)
    longest: int = 253
    but: str | None = None


#: By the name a recording has for them, in small letters.
_KINDS: Final = {
    kind.name.lower(): kind
    for kind in (
        _Kind("Deployment", "apps/v1"),
        _Kind("StatefulSet", "apps/v1"),
        _Kind("DaemonSet", "apps/v1"),
        # 11 characters are for the time that is put behind the name of each job.
        _Kind("CronJob", "batch/v1", ("jobTemplate", "spec", "template"), longest=52),
        _Kind("Job", "batch/v1", longest=63, but="the template of a Job cannot be changed, create it anew"),
    )
}
#: Kinds that have no patch, and containers that a webhook puts into pods: why, and what sets their limit.
_UNPATCHED: Final[dict[str, str]] = texts("limits/patches")["unpatched"]
_INJECTED: Final[dict[str, str]] = texts("limits/patches")["injected"]
#: What the API server takes for a namespace or a container (RFC 1123 label), and for an object (RFC 1123 subdomain).
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_LONGEST_LABEL: Final = 63


class Resources(Struct, frozen=True):
    cluster: str | None
    namespace: str | None
    workload: str | None
    container: str | None
    kind: str | None
    limit_bytes: int
    request_bytes: int | None
    reason: str | None = None
    qos_now: str | None = None
    qos_then: str | None = None
    #: What a limit that is only provisional rests on.
    provisional: str | None = None
    #: What else sets this memory, or forbids such a limit.
    obstacle: str | None = None


_TAKEN: Final = {name: name for name in ("cluster", "namespace", "workload", "container", "qos_now", "qos_then")} | {
    "kind": "workload_kind",
    "limit_bytes": "advised_limit_bytes",
    "request_bytes": "advised_request_bytes",
    "reason": "limit_reason",
    "obstacle": "limit_obstacle",
}


def changes(workloads: pl.DataFrame) -> list[Resources]:
    """Take from the workloads of an Assessment those whose one action is another limit: what stays needs no patch."""
    changed = workloads.filter(pl.col("advised_limit_bytes").is_not_null(), pl.col("action").is_in(OF_LIMITS))
    bases = {None: "a short history", "kills": "what killed it", "forecast": "a forecast"}
    found = []
    for row in changed.iter_rows(named=True):
        basis = row.get("advised_basis")
        # So many hours of data, where nothing else is named.
        rests_on = bases.get(basis, (basis or "").rpartition(", ")[2]) if row.get("provisional") else None
        found.append(convert({"provisional": rests_on} | {to: row.get(name) for to, name in _TAKEN.items()}, Resources))
    return found


def patches_yaml(workloads: pl.DataFrame) -> str:
    wanted = changes(workloads)
    kept = workloads.height - len(wanted)
    said = f"# {kept} without a patch: the limit stays, or no limit is safe while it grows.\n" if kept else ""
    lacks = workloads["incomplete"].drop_nulls().unique() if "incomplete" in workloads.columns else ()
    return "".join(f"# Not complete: {one}\n" for one in lacks) + documents(wanted) + said


def per_workload(workloads: pl.DataFrame) -> list[tuple[Resources, str]]:
    """Give the advised limits, each with the patch of its workload, or as a comment why there is none."""
    wanted = changes(workloads)
    groups = _grouped(wanted)
    return [
        (one, _document(groups[_object(one)]) if obstacle(one) is None else f"# {_left_out(one)}\n") for one in wanted
    ]


def _object(one: Resources) -> tuple[str | None, ...]:
    return one.cluster, one.namespace, one.workload, (one.kind or "").lower()


def _grouped(wanted: Iterable[Resources]) -> dict[tuple[str | None, ...], list[Resources]]:
    groups: dict[tuple[str | None, ...], list[Resources]] = {}
    for one in wanted:
        if obstacle(one) is None:
            groups.setdefault(_object(one), []).append(one)
    return groups


def _left_out(one: Resources) -> str:
    # Whatever is in a name stays in one line.
    name = printable("/".join(filter(None, (one.cluster, one.namespace, one.workload, one.container))) or "(no name)")
    asked = "" if one.request_bytes is None else f", request {quantity(one.request_bytes)}"
    return f"{name}: {obstacle(one)}; memory limit {quantity(one.limit_bytes)}{asked}"


def documents(wanted: Iterable[Resources]) -> str:
    """Write a patch per workload, and in comments what none can be written for."""
    wanted = list(wanted)
    left_out = [f"#   {_left_out(one)}" for one in wanted if obstacle(one) is not None]
    text = "---\n".join(_document(rows) for rows in _grouped(wanted).values())
    if text:
        text = "# Each document is a strategic merge patch: for Kustomize, or by the line of kubectl above it.\n" + text
    if left_out:
        text += "\n".join([f"# {len(left_out)} left out:", *left_out]) + "\n"
    return text


def obstacle(one: Resources) -> str | None:
    """Say why no patch can be written for a container; None where one can."""
    if one.obstacle:
        return printable(one.obstacle)
    if not one.kind:
        return "the kind is not known"
    kind = _KINDS.get(one.kind.lower())
    if kind is None:
        return _UNPATCHED.get(one.kind.lower(), f"no patch for the kind {printable(one.kind)}")
    if one.container in _INJECTED:
        return f"it is injected into the pod, annotate that with {_INJECTED[one.container]}"
    for what, name, form, longest in (
        ("namespace", one.namespace or "default", _LABEL, _LONGEST_LABEL),
        ("workload", one.workload or "", _SUBDOMAIN, kind.longest),
        ("container", one.container or "", _LABEL, _LONGEST_LABEL),
    ):
        if len(name) > longest or not re.fullmatch(form, name):
            return f"Kubernetes allows no such name of a {what}"
    return None


def _scalar(text: str) -> str:
    """Write a name so that YAML takes it for a string: 1e3, true and null are names too."""
    plain = text[0].isalpha() and text not in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return text if plain else json.dumps(text)


def _document(rows: Sequence[Resources]) -> str:
    first = rows[0]
    kind = _KINDS[(first.kind or "").lower()]
    lines = [] if first.cluster is None else [f"# Cluster {printable(first.cluster)}."]
    for row in rows:
        lines.append(f"# {printable(row.reason or 'No reason was given.')}")
        if row.provisional:
            lines.append(f"# Provisional: it rests on {printable(row.provisional)}.")
        if row.qos_now and row.qos_then and row.qos_now != row.qos_then:
            lines.append(f"# The QoS class becomes {printable(row.qos_then)}; it was {printable(row.qos_now)}.")
    lines += [f"# {sentence(kind.but)}"] if kind.but else [f"# {_line(row)}" for row in rows]
    lines += [
        f"apiVersion: {kind.version}",
        f"kind: {kind.name}",
        "metadata:",
        f"  name: {_scalar(first.workload or '')}",
        f"  namespace: {_scalar(first.namespace or 'default')}",
        "spec:",
    ]
    path = (*kind.template, "spec")
    lines += [f"{'  ' * depth}{name}:" for depth, name in enumerate((*path, "containers"), start=1)]
    indent = "  " * (len(path) + 2)
    for row in rows:
        lines.append(f"{indent}- name: {_scalar(row.container or '')}")
        lines += [f"{indent}  {line}" for line in fragment(row).splitlines()]
    return "\n".join(lines) + "\n"


def fragment(one: Resources) -> str:
    """Write the `resources` of one container: for a manifest whose kind is not known."""
    asked = "" if one.request_bytes is None else f"  requests:\n    memory: {quantity(one.request_bytes)}\n"
    return f"resources:\n{asked}  limits:\n    memory: {quantity(one.limit_bytes)}\n"


def _line(one: Resources) -> str:
    words = ["kubectl", "--namespace", one.namespace or "default", "set", "resources"]
    words += [f"{(one.kind or '').lower()}/{one.workload}", f"--containers={one.container}"]
    if one.request_bytes is not None:
        words.append(f"--requests=memory={quantity(one.request_bytes)}")
    return shlex.join([*words, f"--limits=memory={quantity(one.limit_bytes)}"])
