"""Dumps of Kubernetes objects, and what they add to a recording: owners, limits, versions, starts and ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from rmtoolkit._provenance import Report
from rmtoolkit.exceptions import ReadError, quote, quote_path
from rmtoolkit.loaders import _files
from rmtoolkit.loaders._files import counted
from rmtoolkit.loaders._kubernetes import Objects, Part, container_events, parts
from rmtoolkit.loaders._timestamps import Kind, find
from rmtoolkit.loaders.prometheus._metadata import Image, releases, top_owner, version_of
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import CONTAINERS, EVENTS, TIME

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from rmtoolkit.loaders._kubernetes import ContainerSeen, PodSeen
    from rmtoolkit.loaders.prometheus._events import Event


_EXPECTED: Final = "pods and other objects as kubectl get -o json (or yaml) prints them"
_DAMAGED: Final = "documents that are cut off or damaged"


# A dump does not say when it was made. That is the time stamp before it, or in the file's name, or for the last one in
# a file when the file was written. It only matters for what changes without a time of its own: limits, requests and how
# often a container restarted.
def read_objects(paths: Sequence[str | os.PathLike[str]]) -> tuple[Objects, list[tuple[Path, Exception]]]:
    """Read dumps of pods, their owners, nodes and quotas."""
    objects = Objects()
    failed: list[tuple[Path, Exception]] = []
    for file in sorted(map(Path, paths), key=_written):
        try:
            _read(file, objects)
        except ReadError as error:
            failed.append((file, error))
        except OSError as error:
            failed.append((file, _files.unreadable(file, error)))
    objects.settle()
    return objects, failed


def _written(file: Path) -> tuple[float, str]:
    try:
        return file.stat().st_mtime, str(file)
    except OSError:
        return 0.0, str(file)


def _read(file: Path, objects: Objects) -> None:
    data, _ = _files.read_bytes(file, expected=_EXPECTED)
    text, _ = _files.as_text(data, file, expected=_EXPECTED)
    used = 0
    seen = _instant(file.stem)
    damaged: list[Part] = []
    first: Part | None = None
    found = parts(text)
    part = next(found, None)
    while part is not None:
        following = next(found, None)
        first = first or part
        if part.damaged:
            damaged.append(part)
        elif part.content is None:
            told = _instant(part.text)
            seen = told if told is not None else seen
        else:
            is_last = following is None and seen is None
            used += objects.add(part.content, round(_files.modified(file).timestamp() * 1000) if is_last else seen)
        part = following
    if not used:
        what = damaged[0] if damaged else first
        shown = what.text if what is not None and what.text else "other objects"
        raise ReadError.at(file, found=shown, expected=_EXPECTED, line=what.line if what is not None else None)
    objects.sources.append(str(file))
    if damaged:
        objects.left_out[_DAMAGED] = objects.left_out.get(_DAMAGED, 0) + len(damaged)
        where = f"line {damaged[0].line}: {quote(damaged[0].text)}"
        _files.warn(f"{quote_path(file)}: left out {counted(len(damaged), _DAMAGED)} ({where}). The rest was read.")


def _instant(text: str) -> int | None:
    """Read a time stamp that leaves nothing open."""
    found = find(text)
    whole = found is not None and found[0].kind == Kind.DATED and found[0].utc
    return found[0].milliseconds if whole and found is not None else None


#: What a log of `kubectl top` lacks, and where it is.
WITHOUT_OBJECTS: Final = (
    "limits, restarts, owners and versions (read a dump of kubectl get pods,replicasets,nodes -A -o json with it)"
)
UNSAMPLED: Final = "pods without a memory sample"
#: The source whose containers have no events of their own.
SOURCE: Final = "kubectl top"

_FOUND: Final = ("limits", "restarts", "reasons", "start times", "owners", "versions")
_LIFE: Final = ("start", "end", "oom_kill", "node_oom", "evicted", "error")
#: A version that was not sampled for so many scrapes had ended.
_SLACK_SCRAPES: Final = 3
_PARENTS: Final = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController")


class _Instance(NamedTuple):
    """One pod, with all looks at it."""

    uid: str | None
    created: int | None
    looks: Sequence[PodSeen]


@dataclass(slots=True)
class _Known:
    """The objects, by the names that a recording has."""

    objects: Objects
    pods: dict[tuple[str | None, str], list[_Instance]]
    namespaces: dict[str, set[str | None]]

    @classmethod
    def of(cls, objects: Objects) -> _Known:
        pods: dict[tuple[str | None, str], list[_Instance]] = {}
        for (namespace, name, uid), looks in objects.pods.items():
            pods.setdefault((namespace, name), []).append(_Instance(uid, looks[0].created, looks))
        for instances in pods.values():
            instances.sort(key=lambda instance: instance.created or 0)
        namespaces: dict[str, set[str | None]] = {}
        for namespace, name in pods:
            namespaces.setdefault(name, set()).add(namespace)
        for kind, (_, namespace, name) in objects.owner_of:
            if kind in _PARENTS:
                namespaces.setdefault(f"{name}-", set()).add(namespace)
        return cls(objects, pods, namespaces)

    def namespace(self, namespace: str | None, pod: str) -> str | None:
        """Tell a namespace that a log does not name, if only one has such a pod or its owner."""
        if namespace is not None:
            return namespace
        found = self.namespaces.get(pod) or self.namespaces.get(f"{pod.rpartition('-')[0]}-") or {None}
        return next(iter(found)) if len(found) == 1 else None


class _Row(NamedTuple):
    """A container row of the recording as it will be."""

    container_id: int
    old_id: int
    begin: int | None
    about: dict[str, Any]
    events: list[Event]
    matched: bool
    versioned: bool


# The row of a whole pod (`kubectl top pod` without ``--containers``) becomes that of its container when it has one;
# else its limit is the sum of its containers' limits. A pod that is in no dump takes owner, version and limit from its
# ReplicaSet, if that is.
def joined(recording: Recording, objects: Objects) -> Recording:
    """Join what dumps of Kubernetes objects say onto a recording."""
    if not objects:
        return recording
    known = _Known.of(objects)
    rows = list(_rows(recording, known))
    samples, old_events = (_assigned(frame, rows) for frame in (recording.samples, recording.events))
    spans = {
        container: (first, last)
        for container, first, last in samples.group_by("container_id")
        .agg(pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
        .with_columns(pl.col("first", "last").to_physical())
        .iter_rows()
    }
    rows = [row for row in rows if row.container_id in spans or row.begin is None]
    told = {row.container_id for row in rows}
    happened = [
        (row.container_id, event.time, event.kind, event.value_bytes, event.detail)
        for row in rows
        for event in row.events
    ]
    happened += _releases(rows, spans, recording)
    events = pl.DataFrame(happened, schema={**EVENTS, "time": pl.Int64()}, orient="row")
    events = events.with_columns(pl.col("time").cast(TIME))
    containers = pl.DataFrame([{**row.about, "container_id": row.container_id} for row in rows], schema=CONTAINERS)
    return normalise(
        containers,
        samples,
        pl.concat([old_events.filter(pl.col("container_id").is_in(list(told))).select(*EVENTS), events]),
        _report(recording, objects, rows, known),
    )


def _rows(recording: Recording, known: _Known) -> Iterator[_Row]:
    """Make each container's row, and one more for each later pod of its name."""
    lived = recording.events.filter(pl.col("kind").is_in(_LIFE))["container_id"].unique().to_list()
    has_containers = {
        (row["namespace"], row["pod"])
        for row in recording.containers.filter(pl.col("container").is_not_null()).iter_rows(named=True)
    }
    following = recording.containers.select(pl.col("container_id").max().fill_null(0).cast(pl.Int64)).item() + 1
    for about in recording.containers.iter_rows(named=True):
        old = about["container_id"]
        pod = about["pod"]
        if pod is None:
            yield _Row(old, old, None, about, [], matched=False, versioned=False)
            continue
        namespace = known.namespace(about["namespace"], pod)
        instances = known.pods.get((namespace, pod), [])
        if about["pod_uid"] is not None:
            instances = [one for one in instances if one.uid in (None, about["pod_uid"])]
        if not instances:
            yield _without_pod(about, namespace, known)
            continue
        whole = about["container"] is None and (about["namespace"], pod) in has_containers
        for number, instance in enumerate(instances):
            # The first stands for everything before the second: its owner made the pod of that name before, too.
            container_id, following = (old, following) if number == 0 else (following, following + 1)
            begin = None if number == 0 else instance.created
            facts, events = _told(about, instance, known, only_whole=whole)
            add = old not in lived or about["source"] == SOURCE
            versioned = about["version"] is None and facts["version"] is not None
            yield _Row(
                container_id, old, begin, facts, events if add else [], matched=True, versioned=versioned and add
            )


def _told(
    about: Mapping[str, Any], instance: _Instance, known: _Known, *, only_whole: bool
) -> tuple[dict[str, Any], list[Event]]:
    """Fill in what is known of a pod, and tell what happened to it."""
    pod = instance.looks[-1]
    name = about["container"]
    staying = [container for container in pod.containers if container.stays]
    if name is None and len(staying) == 1 and not only_whole:
        name = staying[0].name
    looks = [(look, one) for look in instance.looks for one in look.containers if one.name == name]
    eviction = known.objects.evictions.get((pod.namespace, pod.name))
    if looks:
        limit, request, image = looks[-1][1].limit_bytes, looks[-1][1].request_bytes, _version(looks[-1][1])
        events = container_events(looks, eviction)
    else:
        staying = staying if name is None else []
        limit = pod.limit_bytes or _total([one.limit_bytes for one in staying])
        request = _total([one.request_bytes for one in staying])
        versions = {_version(one) for one in staying}
        image = versions.pop() if len(versions) == 1 else None
        events = [event for one in staying for event in _of_whole_pod(instance, one, eviction)]
    owner, kind, inferred = top_owner((None, pod.namespace, pod.name), pod.owner or ("", ""), known.objects.owner_of)
    facts = {**about, "namespace": pod.namespace or about["namespace"], "container": name}
    facts["node"] = about["node"] or pod.node
    facts["pod_uid"] = about["pod_uid"] or instance.uid
    if about["workload_inferred"] or about["workload"] is None:
        facts |= {"workload": owner, "workload_kind": kind, "workload_inferred": inferred}
    facts["version"] = about["version"] or image
    if (looks or staying) and not about["limit_known"]:
        facts |= {"limit_bytes": limit, "limit_known": True}
    if about["request_bytes"] is None:
        facts["request_bytes"] = request
    return facts, events


def _of_whole_pod(instance: _Instance, one: ContainerSeen, eviction: tuple[int | None, str] | None) -> list[Event]:
    """Tell what happened to one of several containers as an event of the pod; its limit is not that of the pod."""
    looks = [(look, same) for look in instance.looks for same in look.containers if same.name == one.name]
    found = [event for event in container_events(looks, eviction) if event.kind in _LIFE]
    return [
        event._replace(value_bytes=None, detail=f"{one.name}: {event.detail}" if event.detail else one.name)
        for event in found
    ]


def _without_pod(about: Mapping[str, Any], namespace: str | None, known: _Known) -> _Row:
    """Tell of a pod that is in no dump what its name and its ReplicaSet say."""
    facts = dict(about)
    pod, old = about["pod"], about["container_id"]
    parent = pod.rpartition("-")[0]
    kind = next((kind for kind in _PARENTS if (kind, (None, namespace, parent)) in known.objects.owner_of), None)
    versioned = False
    if kind is not None and (about["workload_inferred"] or about["workload"] is None):
        owner, owner_kind, inferred = top_owner((None, namespace, pod), (kind, parent), known.objects.owner_of)
        facts |= {"namespace": namespace, "workload": owner, "workload_kind": owner_kind, "workload_inferred": inferred}
        made = known.objects.templates.get((namespace, parent), ()) if kind == "ReplicaSet" else ()
        staying = [one for one in made if one.stays]
        one = next(
            (one for one in made if one.name == about["container"]),
            staying[0] if about["container"] is None and len(staying) == 1 else None,
        )
        if one is not None:
            versioned = about["version"] is None and _version(one) is not None
            facts["version"] = about["version"] or _version(one)
            # What is not in the template may have been given by the namespace's defaults.
            if one.limit_bytes is not None and not about["limit_known"]:
                facts |= {"limit_bytes": one.limit_bytes, "limit_known": True}
            facts["request_bytes"] = about["request_bytes"] or one.request_bytes
    evicted = known.objects.evictions.get((namespace, pod))
    events = []
    if evicted is not None and evicted[0] is not None:
        from rmtoolkit.loaders.prometheus._events import Event  # noqa: PLC0415 - only its type is needed elsewhere

        events = [Event(evicted[0], "evicted", None, f"Evicted: {evicted[1]}"[:200])]
    return _Row(old, old, None, facts, events, matched=kind is not None, versioned=versioned)


def _version(container: ContainerSeen) -> str | None:
    return version_of(container.image, container.image_id)


def _total(amounts: Sequence[int | None]) -> int | None:
    """Sum amounts; without one of them there is no sum."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def _assigned(frame: pl.DataFrame, rows: Sequence[_Row]) -> pl.DataFrame:
    """Give what was said after a later pod of the same name began to that pod."""
    later = [(row.old_id, row.begin, row.container_id) for row in rows if row.begin is not None]
    if not later or frame.is_empty():
        return frame
    schema = {"container_id": pl.UInt32(), "time": pl.Int64(), "new_id": pl.UInt32()}
    begins = pl.DataFrame(later, schema=schema, orient="row").with_columns(pl.col("time").cast(TIME)).sort("time")
    found = frame.sort("time").join_asof(begins, on="time", by="container_id", check_sortedness=False)
    return found.with_columns(container_id=pl.coalesce("new_id", "container_id")).drop("new_id")


def _releases(
    rows: Sequence[_Row], spans: Mapping[int, tuple[int, int]], recording: Recording
) -> list[tuple[int, int, str, int | None, str | None]]:
    """Tell when a workload began to run another version."""
    cadence = recording.containers["cadence_seconds"].max()
    slack = round(1000 * _SLACK_SCRAPES * float(cadence)) if isinstance(cadence, float) else 0
    ran = [
        Image(
            row.container_id,
            tuple(row.about[name] for name in ("cluster", "namespace", "workload", "container")),
            row.about["version"],
            *spans[row.container_id],
        )
        for row in rows
        if row.versioned and row.container_id in spans
    ]
    return [(container, time, "release", None, version) for container, time, version in releases(ran, slack)]


def _report(recording: Recording, objects: Objects, rows: Sequence[_Row], known: _Known) -> Report:
    matched = [row for row in rows if row.matched]
    pods = {(row.about["namespace"], row.about["pod"]) for row in matched}
    named = [row for row in rows if row.about["pod"] is not None]
    told = dict.fromkeys(_FOUND, bool(matched))
    told["versions"] = any(row.about["version"] is not None for row in matched)
    unsampled = len(set(known.pods) - pods)
    partial: tuple[str, ...] = ()
    if matched and len(matched) < len(named):
        partial = (f"{len(matched):,} of {len(named):,} containers are in the Kubernetes objects",)
    report = replace(
        recording.report,
        missing=tuple(line for line in recording.report.missing if line != WITHOUT_OBJECTS or not matched),
    )
    left_out = dict(objects.left_out) | ({UNSAMPLED: unsampled} if unsampled else {})
    return report.joined(
        Report(
            sources=tuple(objects.sources),
            found=tuple(name for name, there in told.items() if there),
            left_out=left_out,
            partial=partial,
            warnings=() if matched or not known.pods else ("no pod of the Kubernetes objects was sampled",),
            time_axis=recording.report.time_axis,
            nodes=dict(objects.nodes),
            quotas=dict(objects.quotas),
        )
    )
