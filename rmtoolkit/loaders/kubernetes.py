"""Kubernetes objects as the API shows them, reduced to what a recording needs: pods, owners, nodes, events."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import polars as pl
from msgspec import Struct, field

from rmtoolkit._identity import OTHER_LIST, Event, Image, changes, releases, team_of, top_owner, version_of
from rmtoolkit.exceptions import ReadError, quote
from rmtoolkit.loaders._files import KINDS, grouped, mapping, read_text, text_of, unreadable, warn_of_rest, whole_number
from rmtoolkit.loaders._kubectl_rows import DETAIL_CHARACTERS, failure, quantity
from rmtoolkit.loaders._timestamps import Asked, find_instant, milliseconds_of
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import ABSURD_BYTES, CONTAINERS, EVENTS, TIME, WORKLOAD, Report, agreed
from rmtoolkit.text import counted, texts

#: 2001: an earlier time in a status is none.
_FIRST: Final = 1_000_000_000_000
#: Lists of a pod; what is reported of each stands under its name in the singular.
_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")
_MOST: Final = 1 << 31
#: A run that ended so near an eviction was ended by it.
_EVICTION: Final = 360_000
#: From the making of a pod to the first start in it: its image may have to come first.
_PULLING: Final = 600_000

Key = tuple[str | None, str]
#: Words without one of which there is none of it; looking for a word is quick.
METRICS_WORDS: Final = ("Metrics", "metrics.k8s.io/", '"kubectl"')
_YAML: Final = ("apiVersion: ", "kind: ", "- apiVersion: ", "- kind: ", "stats:\n- attributes:")
_NEXT_DOCUMENT: Final = re.compile(r"\n(?=\{)")
_TOP_LEVEL: Final = re.compile(r"(?:- )?[A-Za-z][\w.-]*:(?: |$)|-(?: |$)|#")
#: What looks like a reference to another part of the document.
_ALIAS: Final = re.compile(r"(?:^|[\s\[,:-])\*[^\s*,\[\]{}]")
_SHOWN: Final = 100
_KEPT: Final[dict[str, dict[str, str]]] = texts("loaders/kubernetes")
_EXPECTED: Final = "pods and other objects as kubectl get -o json (or yaml) prints them"
_DAMAGED: Final = "documents that are cut off or damaged"
#: What a log of `kubectl top` lacks, and where it is; what a dump of one cluster does not say.
WITHOUT_OBJECTS, OTHER_CLUSTER = (
    str(texts("loaders/hints")["kubernetes"][name]) for name in ("without", "other_cluster")
)
UNSAMPLED: Final = "pods without a memory sample"
SOURCE: Final = "kubectl top"

_LIFE: Final = ("start", "end", "oom_kill", "node_oom", "evicted", "error")
#: A version that was not sampled for so many scrapes had ended.
_SLACK_SCRAPES: Final = 3
_PARENTS: Final = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController")


class Run(NamedTuple):
    started: int | None
    finished: int | None = None
    reason: str | None = None  # why it ended, as the kubelet says it; None while it runs
    code: int | None = None


class ContainerSeen(NamedTuple):
    name: str
    declared: str  # in which list of the pod
    stays: bool  # it runs as long as the pod: false for an init container that ends, and for a debugging container
    image: str | None
    image_id: str | None
    limit_bytes: int | None
    request_bytes: int | None
    restarts: int | None
    runs: tuple[Run, ...]


class PodSeen(NamedTuple):
    seen: int | None  # when it was seen, milliseconds; None = unknown
    revision: int | None
    namespace: str | None
    name: str
    uid: str | None
    node: str | None
    created: int | None  # when it was made, milliseconds
    owner: tuple[str, str] | None  # kind and name of its controller; None without one
    team: str | None  # the person or team that its labels name
    quality: str | None
    evicted: tuple[int | None, str] | None
    gone: int | None  # when it was deleted, milliseconds
    limit_bytes: int | None  # a limit of the whole pod
    containers: tuple[ContainerSeen, ...]
    places: tuple[str, ...] = ()  # what the folders and the file of the dump are called


class Governor(NamedTuple):
    """What sets the memory of a workload's containers beside its manifest, or counts by it."""

    namespace: str | None
    target: tuple[str | None, str | None]  # kind and name
    #: None: all but those that have one of their own.
    container: str | None
    #: None: this container is left alone.
    says: str | None


class Objects(Struct):
    pods: dict[tuple[str | None, str, str | None], list[PodSeen]] = field(default_factory=dict)
    owner_of: dict[tuple[str, tuple[str | None, str | None, str]], tuple[str, str]] = field(default_factory=dict)
    templates: dict[Key, tuple[ContainerSeen, ...]] = field(default_factory=dict)
    evictions: dict[Key, tuple[int | None, str]] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    #: As in the report.
    ranges: dict[str, int] = field(default_factory=dict)
    governors: list[Governor] = field(default_factory=list)
    #: Who is told, by namespace, and by kind, namespace and name of what has pods.
    teams: dict[str, str] = field(default_factory=dict)
    teams_of: dict[tuple[str, str | None, str], str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    places: tuple[str, ...] = ()  # of the file that is read
    left_out: Counter[str] = field(default_factory=Counter)
    #: All looks at each pod of a name, the oldest first; and the namespaces of pods and, with a dash, of owners.
    by_name: dict[Key, list[list[PodSeen]]] = field(default_factory=dict)
    namespaces: dict[str, set[str | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self != Objects(sources=self.sources, places=self.places, left_out=self.left_out)

    def take(self, kind: str, item: Mapping[str, Any], seen: int | None, *, gone: bool = False) -> bool:
        about = mapping(item, "metadata")
        name, namespace = text_of(about, "name"), text_of(about, "namespace")
        if kind not in KINDS or name is None:
            self.left_out["objects without a name"] += kind in KINDS
            return False
        if kind == "Pod":
            pod = pod_of(item, seen, gone=gone)._replace(places=self.places)
            looks = self.pods.setdefault((pod.namespace, pod.name, pod.uid), [])
            before = looks and looks[-1]._replace(seen=None, revision=None, places=())
            if before != pod._replace(seen=None, revision=None, places=()):
                looks.append(pod)
        elif kind == "Node":
            if (amount := _bytes(mapping(item, "status", "allocatable"), "memory")) is not None:
                self.nodes[name] = amount
        elif kind in ("ResourceQuota", "LimitRange", "VerticalPodAutoscaler", "HorizontalPodAutoscaler"):
            self._rule(kind, namespace, name, item)
        elif kind == "Event":
            self._event(item)
        elif kind == "Namespace":
            self.teams.update({name: team} if (team := _team(about)) else {})
        else:
            self.owner_of[kind, (None, namespace, name)] = _controller(about) or ("", "")
            self.teams_of.update({(kind, namespace, name): team} if (team := _team(about)) else {})
            if kind == "ReplicaSet":
                self.templates[namespace, name] = _containers(mapping(item, "spec", "template", "spec"), {})
        return True

    def settle(self) -> None:
        """Put all looks at a pod in order, and find them by name; a time that contradicts the order is none."""
        for key, looks in self.pods.items():
            is_told = all(pod.revision is not None for pod in looks)
            ordered = sorted(looks, key=lambda pod: pod.revision or 0) if is_told else looks
            times = [pod.seen for pod in ordered if pod.seen is not None]
            if times != sorted(times):
                ordered = [pod._replace(seen=None) for pod in ordered]
            self.pods[key] = ordered
        pods = sorted(self.pods.values(), key=lambda looks: looks[0].created or 0)
        self.by_name = grouped(((looks[0].namespace, looks[0].name), looks) for looks in pods)
        for namespace, name in self.by_name:
            self.namespaces.setdefault(name, set()).add(namespace)
        for kind, (_, namespace, name) in self.owner_of:
            if kind in _PARENTS:
                self.namespaces.setdefault(f"{name}-", set()).add(namespace)

    def namespace(self, namespace: str | None, pod: str) -> str | None:
        """Tell a namespace that a log does not name, if only one has such a pod or its owner."""
        if namespace is not None:
            return namespace
        found = self.namespaces.get(pod) or self.namespaces.get(f"{pod.rpartition('-')[0]}-") or {None}
        return next(iter(found)) if len(found) == 1 else None

    def _rule(self, kind: str, namespace: str | None, name: str, item: Mapping[str, Any]) -> None:
        """Keep what a namespace and its containers may have, and what sets memory beside the manifests."""
        spec, home = mapping(item, "spec"), namespace or "default"
        self.governors += _governors(kind, namespace, name, spec) if kind.endswith("Autoscaler") else ()
        for resource in ("limits.memory", "requests.memory", "memory") if kind == "ResourceQuota" else ():
            if (amount := _bytes(mapping(item, "status", "hard") or mapping(spec, "hard"), resource)) is not None:
                self.quotas[f"{home}/{name} {resource}"] = amount
        for limits in _dicts(spec, "limits") if kind == "LimitRange" else ():
            # What a whole pod may have at most, a container of it may not pass.
            bounds = {"Container": (("max", min), ("min", max)), "Pod": (("max", min),)}
            for bound, narrower in bounds.get(text_of(limits, "type") or "", ()):
                if (amount := _bytes(mapping(limits, bound), "memory")) is not None:
                    place = f"{home} {bound}"
                    self.ranges[place] = narrower(amount, self.ranges.get(place, amount))

    def _event(self, item: Mapping[str, Any]) -> None:
        about = mapping(item, "involvedObject") or mapping(item, "regarding")
        pod = text_of(about, "name")
        if text_of(item, "reason") != "Evicted" or text_of(about, "kind") != "Pod" or pod is None:
            return
        times = (_time(item, name) for name in ("eventTime", "firstTimestamp", "deprecatedFirstTimestamp"))
        said = text_of(item, "message") or text_of(item, "note") or ""
        self.evictions[text_of(about, "namespace"), pod] = next(filter(None, times), None), said


def items(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    watched, event = document.get("object"), text_of(document, "type")
    gone = event == "DELETED"
    if isinstance(watched, dict) and event is not None:
        if event == "BOOKMARK":
            return
        document = watched
    kind = text_of(document, "kind") or ""
    if not isinstance(found := document.get("items"), list):
        yield kind, document, gone
        return
    for item in found:
        if isinstance(item, dict):
            yield text_of(item, "kind") or kind.removesuffix("List"), item, gone


def pod_of(item: Mapping[str, Any], seen: int | None, *, gone: bool) -> PodSeen:
    about, spec, status = mapping(item, "metadata"), mapping(item, "spec"), mapping(item, "status")
    deleted = _time(about, "deletionTimestamp")
    return PodSeen(
        seen=seen,
        revision=whole_number(about.get("resourceVersion")),
        namespace=text_of(about, "namespace"),
        name=text_of(about, "name") or "",
        uid=text_of(about, "uid"),
        node=text_of(spec, "nodeName"),
        created=_time(about, "creationTimestamp"),
        owner=_controller(about),
        team=_team(about),
        quality=text_of(status, "qosClass"),
        evicted=_evicted(status),
        gone=(deleted if deleted is not None else seen) if gone else None,
        limit_bytes=_bytes(mapping(spec, "resources", "limits"), "memory") or None,
        containers=_containers(spec, status),
    )


def _team(about: Mapping[str, Any]) -> str | None:
    return team_of(mapping(about, "labels")) or team_of(mapping(about, "annotations"))


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[ContainerSeen, ...]:
    of_pod = _bytes(mapping(spec, "resources", "limits"), "memory") or None
    found: list[ContainerSeen] = []
    for declared in _LISTS:
        statuses = {text_of(one, "name"): one for one in _dicts(status, f"{declared[:-1]}Statuses")}
        for container in _dicts(spec, declared):
            if (name := text_of(container, "name")) is None:
                continue
            now = statuses.get(name, {})
            runs = (_run(mapping(now, "lastState")), _run(mapping(now, "state")))
            is_sidecar = declared == "initContainers" and text_of(container, "restartPolicy") == "Always"
            found.append(
                ContainerSeen(
                    name,
                    declared,
                    declared == "containers" or is_sidecar,
                    text_of(container, "image"),
                    text_of(now, "imageID"),
                    _in_force(container, now, "limits") or of_pod,
                    _in_force(container, now, "requests"),
                    whole_number(now.get("restartCount"), _MOST),
                    tuple(run for run in runs if run is not None),
                )
            )
    return tuple(found)


def _in_force(container: Mapping[str, Any], now: Mapping[str, Any], which: str) -> int | None:
    """Tell what the kubelet has set, else what is asked for; an amount of 0 is none."""
    asked = _bytes(mapping(container, "resources", which), "memory")
    made = _bytes(mapping(now, "resources", which), "memory")
    return (asked if made is None else made) or None


def _run(state: Mapping[str, Any]) -> Run | None:
    if ended := mapping(state, "terminated"):
        code = whole_number(ended.get("exitCode"), _MOST)
        reason = text_of(ended, "reason") or ("Completed" if code == 0 else "Error")
        run = Run(_time(ended, "startedAt"), _time(ended, "finishedAt"), reason, code)
        return run if (run.started, run.finished) != (None, None) else None
    started = _time(mapping(state, "running"), "startedAt")
    return None if started is None else Run(started)


def _evicted(status: Mapping[str, Any]) -> tuple[int | None, str] | None:
    if text_of(status, "reason") != "Evicted":
        return None
    times = {text_of(one, "type"): _time(one, "lastTransitionTime") for one in _dicts(status, "conditions")}
    return times.get("DisruptionTarget") or times.get("Ready"), text_of(status, "message") or ""


def _controller(about: Mapping[str, Any]) -> tuple[str, str] | None:
    controls = sorted(_dicts(about, "ownerReferences"), key=lambda one: str(one.get("controller")).lower() != "true")
    named = ((text_of(one, "kind"), text_of(one, "name")) for one in controls)
    return next(((kind, name) for kind, name in named if kind and name), None)


def _governors(kind: str, namespace: str | None, name: str, spec: Mapping[str, Any]) -> Iterator[Governor]:
    """Name the containers whose memory a VerticalPodAutoscaler sets: one that only recommends sets none."""
    # A HorizontalPodAutoscaler counts pods over the requests of memory of those that it names.
    about = mapping(spec, "targetRef") if kind == "VerticalPodAutoscaler" else mapping(spec, "scaleTargetRef")
    target = text_of(about, "kind"), text_of(about, "name")
    if kind == "VerticalPodAutoscaler":
        mode = text_of(mapping(spec, "updatePolicy"), "updateMode") or "Auto"
        for policy in ({}, *_dicts(mapping(spec, "resourcePolicy"), "containerPolicies")):
            container, resources = text_of(policy, "containerName"), policy.get("controlledResources")
            others = isinstance(resources, list) and "memory" not in resources
            idle = others or "Off" in (mode, text_of(policy, "mode"))
            says = None if idle else f"the VerticalPodAutoscaler {name} sets its memory ({mode})"
            yield Governor(namespace, target, None if container == "*" else container, says)
        return
    for metric in _dicts(spec, "metrics"):
        source = mapping(metric, "containerResource") or mapping(metric, "resource")
        if text_of(source, "name") == "memory" and text_of(mapping(source, "target"), "type") == "Utilization":
            says = f"the HorizontalPodAutoscaler {name} sets the pods by its memory over its request"
            yield Governor(namespace, target, text_of(source, "container"), says)


def _dicts(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = content.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _bytes(content: Mapping[str, Any], name: str) -> int | None:
    value = content.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = int(value) if 0 <= value < 1 << 62 else None
    else:
        found = quantity(value) if isinstance(value, str) else None
    # What no machine has stays absurd, and is said; nothing is worked out with it that no column holds.
    return None if found is None else min(found, ABSURD_BYTES)


def _time(content: Mapping[str, Any], name: str) -> int | None:
    time = milliseconds_of(content.get(name))
    return time if time is not None and time >= _FIRST else None


class _Told(NamedTuple):
    run: Run
    limit_bytes: int | None
    unseen: int


def container_events(
    looks: Sequence[tuple[PodSeen, ContainerSeen]], eviction: tuple[int | None, str] | None
) -> list[Event]:
    told = _runs([container for _, container in looks])
    last = looks[-1][0]
    evicted = next((pod.evicted for pod, _ in reversed(looks) if pod.evicted), eviction)
    found: list[Event] = []
    for run, limit, unseen in told:
        if run.started is not None:
            more = f"after {unseen} restart{'' if unseen == 1 else 's'} at unknown times" if unseen else None
            found.append(Event(run.started, "start", None, more))
        if run.finished is not None:
            found.append(_end(run, run.finished, limit, evicted))
    started = min((event.time for event in found if event.kind == "start"), default=None)
    if last.created is not None and (started is None or started > last.created + _PULLING):
        found.append(Event(last.created, "start", None, "the pod's start"))
    final = max((run.finished or run.started or 0 for run, _, _ in told), default=0)
    runs_on = not told or told[-1].run.finished is None
    if evicted is not None and not any(event.kind == "evicted" for event in found):
        time = evicted[0] if evicted[0] is not None else last.seen
        if time is not None and (runs_on or time >= final):
            found.append(Event(time, "evicted", None, _why(evicted[1], last.quality)))
    elif last.gone is not None and runs_on and last.gone >= final:
        found.append(Event(last.gone, "end", None, "deleted"))
    found += changes("limit", ((pod.seen, container.limit_bytes) for pod, container in looks))
    found += changes("request", ((pod.seen, container.request_bytes) for pod, container in looks))
    return sorted(found, key=lambda event: (event.time, event.kind))


def _runs(looks: Sequence[ContainerSeen]) -> list[_Told]:
    found: dict[tuple[str, int | None], _Told] = {}
    counted: int | None = None
    for look in looks:
        new = []
        for run in look.runs:
            key = ("started", run.started) if run.started is not None else ("finished", run.finished)
            if key not in found:
                new.append(key)
                found[key] = _Told(run, look.limit_bytes, 0)
            elif found[key].run.finished is None and run.finished is not None:
                # The limit is that of the first look that tells of the end.
                found[key] = found[key]._replace(run=run, limit_bytes=look.limit_bytes)
        if look.restarts is None:
            continue
        # The first start is no restart.
        happened = look.restarts - counted if counted is not None else look.restarts + 1
        if new and happened > len(new):
            found[new[0]] = found[new[0]]._replace(unseen=happened - len(new))
        counted = look.restarts
    return sorted(found.values(), key=lambda told: told.run.started or told.run.finished or 0)


def _end(run: Run, time: int, limit: int | None, evicted: tuple[int | None, str] | None) -> Event:
    reason = run.reason or "Error"
    detail = reason if run.code is None else f"{reason}, exit code {run.code}"
    if reason == "OOMKilled":
        # Without a limit of its own, a container can only be killed because the node ran out.
        return Event(time, "oom_kill" if limit is not None else "node_oom", limit, detail)
    if evicted is not None and (evicted[0] is None or abs(evicted[0] - time) <= _EVICTION):
        return Event(time, "evicted", None, _why(evicted[1], None))
    return Event(time, "end" if reason == "Completed" or run.code == 0 else "error", None, detail)


def _why(message: str, quality: str | None) -> str:
    said = " ".join(message.split())
    return f"Evicted{f' ({quality})' if quality else ''}{f': {said}' if said else ''}"[:DETAIL_CHARACTERS]


class Part(NamedTuple):
    line: int
    content: Any = None  # the document; None for a line between documents and for what is damaged
    text: str = ""
    damaged: bool = False


def parts(text: str) -> Iterator[Part]:
    is_yaml = text.startswith(_YAML) or any(f"\n{mark}" in text for mark in _YAML)
    return _yaml_parts(text) if is_yaml else _json_parts(text)


def _json_parts(text: str) -> Iterator[Part]:
    decoder = json.JSONDecoder()
    position, line, depth, end = 0, 1, 0, -1
    while position < len(text):
        start = text.find("{", position)
        stop = start if start >= 0 else len(text)
        # Lines between documents, without the commas of a list.
        for number, between in enumerate(text[position:stop].split("\n"), line):
            if stripped := between.strip(" \t\r[],"):
                yield Part(number, None, stripped)
            else:
                depth += between.count("[") - between.count("]")
        line += text.count("\n", position, stop)
        if start < 0:
            break
        if is_first := start > end:
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
        # The rest of a line is looked at once: there may be thousands on it.
        content, position, whole = _one_json(text, start, end if is_first else start, decoder)
        yield Part(line, content) if whole else Part(line, None, text[start : start + _SHOWN], damaged=True)
        depth = depth if whole else 0
        line += text.count("\n", start, position)
    if depth > 0:
        yield Part(line, None, "a list without its end", damaged=True)


def _one_json(text: str, start: int, end: int, decoder: json.JSONDecoder) -> tuple[Any, int, bool]:
    """Read the document that starts here, perhaps all of a line; say where it stops and whether it is whole."""
    try:
        # One document a line is what long recordings are made of.
        return msgspec.json.decode(text[start:end]), end, True
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return *decoder.raw_decode(text, start), True
    except (ValueError, RecursionError):
        after = _NEXT_DOCUMENT.search(text, start)
        return None, after.end() if after else len(text), False


def _yaml_parts(text: str) -> Iterator[Part]:
    """Cut at separators, and where a document without one begins: a loop that appends writes none."""
    begin, seen = 0, set[str]()
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line or line[0] in " \t\r" or line.startswith("- "):
            continue
        key = line.partition(" ")[0]
        separator = line.startswith(("---", "..."))
        stray = not separator and (not _TOP_LEVEL.match(line) or failure(line) is not None)
        if separator or stray or key in seen:
            yield from _one_yaml(lines[begin:number], begin + 1)
            begin, seen = number + (separator or stray), set()
        if stray:
            yield Part(number + 1, None, line.strip())
        elif not separator and key in ("apiVersion:", "kind:", "stats:"):
            seen.add(key)
    yield from _one_yaml(lines[begin:], begin + 1)


def _one_yaml(lines: list[str], first: int) -> Iterator[Part]:
    if not any(line.strip() and not line.startswith("#") for line in lines):
        return
    import yaml  # noqa: PLC0415 - slow to import, and only YAML needs it

    # Texts only: `no` stays a name, a time stamp stays one, and no tag can make anything else.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    text = "\n".join(lines)
    try:
        # kubectl writes no aliases: a document with them may be a bomb.
        refers = _ALIAS.search(text) and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader))
        content = None if refers else yaml.load(text, Loader=loader)  # noqa: S506 - BaseLoader makes texts, lists, dicts
    except (yaml.YAMLError, RecursionError, ValueError):
        content = None
    if isinstance(content, dict | list):
        yield Part(first, content if isinstance(content, dict) else {"items": content})
    else:
        yield Part(first, None, next(line for line in lines if line.strip())[:_SHOWN], damaged=True)


def trimmed(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = _part({**item, "kind": kind}, _KEPT["kinds"].get(kind, "kind metadata:metadata"))
    if isinstance(kept.get("metadata"), dict) and (team := _team(mapping(item, "metadata"))) is not None:
        kept["metadata"]["labels"] = {"owner": team}
    return kept


def _part(value: Any, fields: str | None) -> Any:  # noqa: ANN401 - any JSON
    if fields is None:
        return value
    if isinstance(value, list):
        return [_part(one, fields) for one in value if isinstance(one, dict)]
    if not isinstance(value, dict):
        return None
    named = (one.partition(":") for one in fields.split())
    return {name: _part(value[name], _KEPT["parts"].get(part)) for name, _, part in named if name in value}


# When a dump was made is the time stamp before it, or in the file's name, or for the last one in a file when that was
# written. It matters for what changes without a time of its own: limits, requests, counts of restarts.
def read_objects(paths: Sequence[str | os.PathLike[str]]) -> tuple[Objects, list[tuple[Path, Exception]]]:
    objects = Objects()
    failed: list[tuple[Path, Exception]] = []
    for file in sorted(map(Path, paths), key=_age):
        try:
            _read(file, objects)
        except (ReadError, OSError) as error:
            failed.append((file, unreadable(file, error)))
    objects.settle()
    return objects, failed


def _age(file: Path) -> tuple[float, str]:
    with suppress(OSError):
        return file.stat().st_mtime, str(file)
    return 0.0, str(file)


def _read(file: Path, objects: Objects) -> None:
    text, _ = read_text(file, expected=_EXPECTED)
    objects.places = tuple(part.partition(".")[0] for part in file.parts)
    used = 0
    dated = find_instant(file.stem)
    damaged: list[Part] = []
    first: Part | None = None
    end = Part(0)
    for part, following in pairwise(chain(parts(text), (end,))):
        first = first or part
        if part.damaged:
            damaged.append(part)
        elif part.content is None:
            dated = find_instant(part.text) or dated
        else:
            seen = dated.milliseconds if dated is not None else None
            if following is end and seen is None:
                seen = int(Asked(file).modified.timestamp() * 1000)
            used += sum(objects.take(kind, item, seen, gone=gone) for kind, item, gone in items(part.content))
    if not used:
        what = damaged[0] if damaged else first
        shown = what.text if what is not None and what.text else "other objects"
        raise ReadError.at(file, found=shown, expected=_EXPECTED, line=what.line if what is not None else None)
    objects.sources.append(str(file))
    if damaged:
        objects.left_out[_DAMAGED] += len(damaged)
        where = f"line {damaged[0].line}: {quote(damaged[0].text)}"
        warn_of_rest([file], f"left out {counted(len(damaged), _DAMAGED)} ({where})")


class _Row(NamedTuple):
    container_id: int
    old_id: int
    about: dict[str, Any]
    events: Sequence[Event] = ()
    begin: int | None = None
    matched: bool = False
    versioned: bool = False


# The row of a whole pod becomes that of its container when it has one; else its limit is the sum of its containers'
# limits. A pod that is in no dump takes owner, version and limit from its ReplicaSet, if that is.
def joined(recording: Recording, objects: Objects) -> Recording:
    if not objects:
        return recording
    rows = list(_rows(recording, objects))
    samples, old_events = (_assigned(frame, rows) for frame in (recording.samples, recording.events))
    time = pl.col("time").to_physical()
    sampled = samples.group_by("container_id").agg(first=time.min(), last=time.max())
    spans = {container: (first, last) for container, first, last in sampled.iter_rows()}
    rows += _never_sampled(rows, objects)
    rows = [row for row in rows if row.container_id in spans or row.begin is None or _was_killed(row)]
    happened = [(row.container_id, *event) for row in rows for event in row.events]
    happened += _releases(rows, spans, recording)
    events = pl.DataFrame(happened, schema=EVENTS, orient="row")
    containers = [{**row.about, "container_id": row.container_id} for row in rows]
    events = pl.concat([old_events.select(*EVENTS), events])
    return normalise(containers, samples, events, _report(recording, objects, rows))


def _rows(recording: Recording, objects: Objects) -> Iterator[_Row]:
    lived = recording.events.filter(pl.col("kind").is_in(_LIFE))["container_id"].unique().to_list()
    named = recording.containers.filter(pl.col("container").is_not_null())
    has_containers = set(named.select("namespace", "pod").iter_rows())
    following = recording.containers.select(pl.col("container_id").max().fill_null(0).cast(pl.Int64)).item() + 1
    several = _in_several_clusters(recording)
    for about in recording.containers.iter_rows(named=True):
        old = about["container_id"]
        if (pod := about["pod"]) is None:
            yield _Row(old, old, about)
            continue
        namespace = objects.namespace(about["namespace"], pod)
        instances = objects.by_name.get((namespace, pod), [])
        if about["pod_uid"] is not None:
            instances = [looks for looks in instances if looks[0].uid in (None, about["pod_uid"])]
        elif instances and (about["namespace"], pod) in several:
            # A dump does not say of which cluster it is; its folder or its name may.
            instances = [looks for looks in instances if about["cluster"] in looks[-1].places]
            objects.left_out[OTHER_CLUSTER] += not instances
        if not instances:
            yield _without_pod(about, namespace, objects)
            continue
        whole = about["container"] is None and (about["namespace"], pod) in has_containers
        for number, looks in enumerate(instances):
            # The first stands for everything before the second: its owner made the pod of that name before, too.
            container_id, following = (old, following) if number == 0 else (following, following + 1)
            begin = None if number == 0 else looks[0].created
            facts, events = _told(about, looks, objects, only_whole=whole)
            add = old not in lived or about["source"] == SOURCE
            versioned = add and about["version"] is None and facts["version"] is not None
            yield _Row(container_id, old, facts, events if add else (), begin, matched=True, versioned=versioned)


def _in_several_clusters(recording: Recording) -> set[tuple[str | None, str]]:
    ends = recording.samples.group_by("container_id").agg(first=pl.col("time").min(), last=pl.col("time").max())
    named = recording.containers.drop_nulls(["cluster", "pod"]).join(ends, on="container_id")
    pods = named.group_by("namespace", "pod", "cluster").agg(pl.col("first").min(), pl.col("last").max()).sort("first")
    at_once = pl.col("first") < pl.col("last").cum_max().shift().over("namespace", "pod")
    return set(pods.filter(at_once).select("namespace", "pod").iter_rows())


def _was_killed(row: _Row) -> bool:
    return any(event.kind == "oom_kill" for event in row.events)


def _never_sampled(rows: Sequence[_Row], objects: Objects) -> list[_Row]:
    """Tell of containers that were OOM-killed before any sample, in namespaces that are sampled."""
    sampled = {(row.about["namespace"], row.about["pod"]) for row in rows}
    namespaces = {namespace for namespace, _ in sampled}
    following = max((row.container_id for row in rows), default=-1) + 1
    found: list[_Row] = []
    for (namespace, pod), instances in objects.by_name.items():
        if namespace not in namespaces or (namespace, pod) in sampled:
            continue
        for looks, name in ((each, one.name) for each in instances for one in each[-1].containers if one.stays):
            about = dict.fromkeys(CONTAINERS) | {"namespace": namespace, "pod": pod, "container": name}
            about |= {"source": SOURCE, "limit_known": False, "workload_inferred": True}
            facts, events = _told(about, looks, objects, only_whole=False)
            number = following + len(found)
            row = _Row(number, number, facts, events, matched=True)
            found += [row] if _was_killed(row) else []
    return found


def _told(
    about: Mapping[str, Any], looks: Sequence[PodSeen], objects: Objects, *, only_whole: bool
) -> tuple[dict[str, Any], list[Event]]:
    pod = looks[-1]
    name = about["container"]
    staying = [container for container in pod.containers if container.stays]
    if name is None and len(staying) == 1 and not only_whole:
        name = staying[0].name
    own = _looks_at(looks, name)
    eviction = objects.evictions.get((pod.namespace, pod.name))
    if own:
        limit, request, image = own[-1][1].limit_bytes, own[-1][1].request_bytes, _version(own[-1][1])
        events = container_events(own, eviction)
    else:
        staying = staying if name is None else []
        limit = pod.limit_bytes or _total([one.limit_bytes for one in staying])
        request = _total([one.request_bytes for one in staying])
        versions = {_version(one) for one in staying}
        image = versions.pop() if len(versions) == 1 else None
        # Of one of several containers it is an event of the pod; its limit is not that of the pod.
        events = [
            event._replace(value_bytes=None, detail=f"{one.name}: {event.detail}" if event.detail else one.name)
            for one in staying
            for event in container_events(_looks_at(looks, one.name), eviction)
            if event.kind in _LIFE
        ]
    owner, kind, inferred = top_owner((None, pod.namespace, pod.name), pod.owner or ("", ""), objects.owner_of)
    facts = {**about, "namespace": pod.namespace or about["namespace"], "container": name}
    facts["node"] = about["node"] or pod.node
    facts["pod_uid"] = about["pod_uid"] or pod.uid
    if about["workload_inferred"] or about["workload"] is None:
        facts |= {"workload": owner, "workload_kind": kind, "workload_inferred": inferred}
    facts["version"] = about["version"] or image
    if (own or staying) and not about["limit_known"]:
        facts |= {"limit_bytes": limit, "limit_known": True}
    if about["request_bytes"] is None:
        facts["request_bytes"] = request
    return facts, events


def _looks_at(looks: Sequence[PodSeen], container: str | None) -> list[tuple[PodSeen, ContainerSeen]]:
    return [(pod, one) for pod in looks for one in pod.containers if one.name == container]


def _without_pod(about: Mapping[str, Any], namespace: str | None, objects: Objects) -> _Row:
    facts = dict(about)
    pod, old = about["pod"], about["container_id"]
    parent = pod.rpartition("-")[0]
    kind = next((kind for kind in _PARENTS if (kind, (None, namespace, parent)) in objects.owner_of), None)
    versioned = False
    if kind is not None and (about["workload_inferred"] or about["workload"] is None):
        owner, owner_kind, inferred = top_owner((None, namespace, pod), (kind, parent), objects.owner_of)
        facts |= {"namespace": namespace, "workload": owner, "workload_kind": owner_kind, "workload_inferred": inferred}
        made = objects.templates.get((namespace, parent), ()) if kind == "ReplicaSet" else ()
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
    evicted = [objects.evictions[namespace, pod]] if (namespace, pod) in objects.evictions else []
    events = [Event(time, "evicted", None, f"Evicted: {why}"[:DETAIL_CHARACTERS]) for time, why in evicted if time]
    return _Row(old, old, facts, events, matched=kind is not None, versioned=versioned)


def _version(container: ContainerSeen) -> str | None:
    return version_of(container.image, container.image_id)


def _total(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def _assigned(frame: pl.DataFrame, rows: Sequence[_Row]) -> pl.DataFrame:
    later = [(row.old_id, row.begin, row.container_id) for row in rows if row.begin is not None]
    if not later or frame.is_empty():
        return frame
    schema = {"container_id": pl.UInt32(), "time": TIME, "new_id": pl.UInt32()}
    begins = pl.DataFrame(later, schema=schema, orient="row").sort("time")
    found = frame.sort("time").join_asof(begins, on="time", by="container_id", check_sortedness=False)
    return found.with_columns(container_id=pl.coalesce("new_id", "container_id")).drop("new_id")


def _releases(
    rows: Sequence[_Row], spans: Mapping[int, tuple[int, int]], recording: Recording
) -> list[tuple[int, int, str, int | None, str | None]]:
    cadence = recording.containers["cadence_seconds"].max()
    slack = round(1000 * _SLACK_SCRAPES * float(cadence)) if isinstance(cadence, float) else 0
    versioned = [(row.container_id, row.about) for row in rows if row.versioned and row.container_id in spans]
    ran = [Image(key, tuple(map(about.get, WORKLOAD)), about["version"], *spans[key]) for key, about in versioned]
    return [(container, time, "release", None, version) for container, time, version in releases(ran, slack)]


def _teams(objects: Objects, rows: Sequence[_Row]) -> dict[str, str]:
    """Name who is told: of a workload what its pods say, else its Deployment or the like; of its namespace."""
    of_pods: list[tuple[str, str]] = []
    of_workloads: dict[str, str] = {}
    for row in rows:
        namespace, workload, pod = row.about["namespace"], row.about["workload"], row.about["pod"]
        if namespace is None or workload is None:
            continue
        name, owner = f"{namespace}/{workload}", objects.teams_of.get((row.about["workload_kind"], namespace, workload))
        of_workloads |= {} if owner is None else {name: owner}
        teams = (looks[-1].team for looks in objects.by_name.get((namespace, pod), ()))
        of_pods += [(name, team) for team in teams if team is not None]
    return {**objects.teams, **of_workloads, **agreed(of_pods)}


def _governed(objects: Objects, rows: Sequence[_Row]) -> dict[str, str]:
    """Say of each container what else sets its memory; what is said of it alone counts more than what is of all."""
    containers: dict[tuple[str | None, ...], list[str]] = {}
    elsewhere: dict[str, str] = {}
    for row in rows:
        namespace, kind, workload, name = (row.about[key] for key in ("namespace", "workload_kind", *WORKLOAD[2:]))
        if workload is not None and name is not None:
            containers.setdefault((namespace, kind, workload), []).append(name)
            for pod in (looks[-1] for looks in objects.by_name.get((namespace, row.about["pod"]), ())):
                declared = next((one.declared for one in pod.containers if one.name == name), "containers")
                if declared != "containers":
                    elsewhere[f"{namespace or ''}/{workload}/{name}"] = OTHER_LIST.format(declared)
                elif pod.limit_bytes is not None:
                    elsewhere[f"{namespace or ''}/{workload}/{name}"] = "its whole pod has a limit too, change both"
    found: dict[str, str | None] = {}
    for one in sorted(objects.governors, key=lambda one: one.container is not None):
        for name in containers.get((one.namespace, *one.target), ()):
            if one.container in (None, name):
                found[f"{one.namespace or ''}/{one.target[1]}/{name}"] = one.says
    return elsewhere | {name: says for name, says in found.items() if says is not None}


def _report(recording: Recording, objects: Objects, rows: Sequence[_Row]) -> Report:
    matched = [row for row in rows if row.matched]
    unsampled = len(objects.by_name.keys() - {(row.about["namespace"], row.about["pod"]) for row in matched})
    named = [row for row in rows if row.about["pod"] is not None]
    versions = ["versions"] if any(row.about["version"] is not None for row in matched) else []
    found = ["limits", "restarts", "reasons", "start times", "owners", *versions] if matched else []
    partial: tuple[str, ...] = ()
    if matched and len(matched) < len(named):
        partial = (f"{len(matched):,} of {len(named):,} containers are in the Kubernetes objects",)
    missing = tuple(line for line in recording.report.missing if line != WITHOUT_OBJECTS or not matched)
    return replace(recording.report, missing=missing).more(
        sources=tuple(objects.sources),
        found=tuple(found),
        left_out=+(objects.left_out + Counter({UNSAMPLED: unsampled})),
        partial=partial,
        warnings=() if matched or not objects.pods else ("no pod of the Kubernetes objects was sampled",),
        nodes=objects.nodes,
        quotas=objects.quotas,
        ranges=objects.ranges,
        governors=_governed(objects, rows),
        owners=_teams(objects, rows),
    )
