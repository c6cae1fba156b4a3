"""Who owns a pod, which version it runs since when, and what happened to it, as any source may tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.schema import WORKLOAD

# Kubernetes draws random suffixes from this alphabet: no vowels and no 0, 1, 3, so no words appear.
_SAFE: Final = "[bcdfghjklmnpqrstvwxz2456789]"

#: A pod of a Deployment: its name, the hash of its template, and a suffix of its own.
OF_DEPLOYMENT: Final = rf"^(?P<workload>.+)-({_SAFE}{{6,10}})-{_SAFE}{{5}}$"
# Order matters: the longest form first. Sources: apimachinery rand.SafeEncodeString, controller naming.
_FORMS: Final = (
    ("CronJob", rf"^(?P<workload>.+)-[0-9]{{8,11}}-{_SAFE}{{5}}$"),
    ("Deployment", OF_DEPLOYMENT),
    ("StatefulSet", r"^(?P<workload>.+)-[0-9]{1,4}$"),
    # One suffix is a DaemonSet or a Job: the name alone cannot tell them apart.
    (None, rf"^(?P<workload>.+)-{_SAFE}{{5}}$"),
)


def infer(pod: pl.Expr, pattern: str | None = None) -> pl.Expr:
    own = pl.lit(None, pl.String) if pattern is None else pod.str.extract(pattern, owner_group(pattern))
    found = {name: pod.str.extract(form, 1) for name, form in _FORMS}
    kinds = [pl.when(one.is_not_null()).then(pl.lit(name, pl.String)) for name, one in found.items()]
    kind = pl.when(own.is_null()).then(pl.coalesce(kinds))
    return pl.struct(workload=pl.coalesce(own, *found.values(), pod), workload_kind=kind)


def releases_by_name(containers: pl.DataFrame) -> pl.DataFrame:
    """Take what a Deployment's pods are made from, a hash in their names, for their version where nothing tells it."""
    hashed = pl.when(pl.col("workload_kind") == "Deployment").then(pl.col("pod").str.extract(OF_DEPLOYMENT, 2))
    told = pl.col("version").is_not_null().any().over(WORKLOAD)
    several = hashed.drop_nulls().n_unique().over(WORKLOAD) > 1
    return containers.with_columns(version=pl.when(~told & several).then(hashed).otherwise("version"))


#: Swarm appends slot and task; Compose and people append a number.
_NUMBERED: Final = r"^(.+?)(?:\.\d+\.[a-z0-9]{25}|[-_.]\d{1,4})$"


def service_of(name: pl.Expr, pattern: str | None) -> pl.Expr:
    """Tell by the name of a container of Docker whose it is."""
    return name.str.extract(_NUMBERED, 1).fill_null(name) if pattern is None else infer(name, pattern).struct[0]


#: What a kubelet calls a container of Docker: by container, pod, namespace, uid and attempt.
KUBELET_NAME: Final = r"^k8s_([^_]+)_([^_]+)_([^_]+)_[^_]+_\d+$"
#: A pod's uid in the path of its cgroup: dashes, or underscores with the systemd driver; 32 digits for static pods.
UID_IN_CGROUP: Final = r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"

#: What a label or an annotation of a person or a team is called, after its prefix: `team`, `example.com/owner`, and as
#: kube-state-metrics spells them, `label_example_com_owner`.
_TEAM: Final = re.compile(r"(?:.*[/._-])?(owner|team)", re.IGNORECASE | re.DOTALL)
#: A label has no more; an annotation may have a whole document.
_MOST_OF_A_NAME: Final = 63
#: A prefix of a domain, a slash and a name, as kube-state-metrics spells it.
_LONGEST_LABEL: Final = 340


def team_of(labels: Mapping[Any, Any]) -> str | None:
    """Find the person or team that labels name: of several labels the shortest decides."""
    said = [
        (len(name), name, " ".join(value.split()))
        for name, value in labels.items()
        if isinstance(name, str) and isinstance(value, str) and len(name) <= _LONGEST_LABEL and _TEAM.fullmatch(name)
    ]
    return next((value for *_, value in sorted(said) if value and len(value) <= _MOST_OF_A_NAME), None)


def owner_group(pattern: str) -> int:
    """Find the group named ``workload`` in a user's pattern, or say what is wrong with it."""
    try:
        groups = re.compile(pattern).groupindex
        # Polars has an engine of its own, without look-around and back references.
        pl.Series([""]).str.extract(pattern)
    except (re.error, pl.exceptions.ComputeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if line.startswith("error: ")), lines[0]).removeprefix("error: ")
        msg = f"The workload pattern {quote(pattern)} is no regular expression for pod names: {reason}."
        raise RmtoolkitError(msg) from error
    if "workload" not in groups:
        msg = f"The workload pattern {quote(pattern)} needs a group (?P<workload>…)."
        raise RmtoolkitError(msg)
    return groups["workload"]


class Event(NamedTuple):
    """What happened, in the words of `rmtoolkit.schema.EVENTS`."""

    time: int  # milliseconds since 1970
    kind: str
    value_bytes: int | None = None  # the new limit or request; the limit in force at an OOM kill
    detail: str | None = None


def changes(kind: str, values: Iterable[tuple[int | None, int | None]]) -> list[Event]:
    """Tell every change of a setting, and before the first one what it changed from; a change at no time is none."""
    timed = [(time, value) for time, value in values if time is not None]
    changed = [after for before, after in pairwise(timed) if after[1] != before[1]]
    told = [timed[0], *changed] if changed else []
    return [Event(time, kind, value, None if value is not None else f"no {kind}") for time, value in told]


#: A ReplicaSet is its Deployment's name and a hash; a Job of a CronJob ends in a time.
_REPLICA_SET: Final = re.compile(rf"^(?P<name>.+)-{_SAFE}{{6,10}}")
_CRON_JOB: Final = re.compile(r"^(?P<name>.+)-\d{8,11}")

#: "No owner" was ``<none>`` before kube-state-metrics 2.8, and is an empty label since.
NO_OWNER: Final = ("", "<none>")

Pod = tuple[str | None, str | None, str]
Owner = tuple[str, str]


def top_owner(pod: Pod, owner: Owner, of_owner: Mapping[tuple[str, Pod], Owner]) -> tuple[str, str, bool]:
    """Go from a pod's owner to the workload that people know."""
    kind, name = owner
    if name in NO_OWNER:
        return pod[2], "Pod", False
    if kind == "Node":
        return pod[2].removesuffix(f"-{name}"), "StaticPod", False
    if (above := of_owner.get((kind, (pod[0], pod[1], name)))) is not None:
        return (name, kind, False) if above[1] in NO_OWNER else (above[1], above[0], False)
    pattern, kind_above = {"ReplicaSet": (_REPLICA_SET, "Deployment"), "Job": (_CRON_JOB, "CronJob")}.get(
        kind, (None, "")
    )
    match = pattern.fullmatch(name) if pattern is not None else None
    return (match["name"], kind_above, True) if match else (name, kind, False)


_DIGEST: Final = re.compile(r"sha256:(?P<hex>[0-9a-f]{12})")


class Image(NamedTuple):
    """A stretch of time in which a container ran a version."""

    container: int
    workload: object
    version: str
    first: int
    last: int


def version_of(image: str | None, image_id: str | None) -> str | None:
    name = (image or "").partition("@")[0]
    tag = "" if name.startswith("sha256:") else name.rpartition("/")[2].partition(":")[2]
    if tag not in ("", "latest"):
        return tag
    digest = _DIGEST.search(image or "") or _DIGEST.search(image_id or "")
    return digest["hex"] if digest else tag or None


def releases(images: Iterable[Image], slack: int) -> list[tuple[int, int, str]]:
    """Tell the first container of a workload that runs a version which was not running before, when, and which."""
    begun: dict[object, int] = {}
    newest: dict[object, str] = {}
    until: dict[tuple[object, str], int] = {}
    found = []
    for image in sorted(images, key=lambda image: (image.first, image.last)):
        last = until.get((image.workload, image.version))
        start = begun.setdefault(image.workload, image.first)
        if last is None or image.first > last + slack:
            if image.first > start + slack and image.version != newest.get(image.workload):
                found.append((image.container, image.first, image.version))
            newest[image.workload] = image.version
        until[image.workload, image.version] = image.last if last is None else max(last, image.last)
    return found
