"""Kubernetes objects as the API shows them, reduced to what a recording needs: pods, owners, nodes, events."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit.loaders._kubectl_rows import failure, quantity
from rmtoolkit.loaders.prometheus._events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


#: What is read; objects of other kinds are passed over.
KINDS: Final = (
    "Pod",
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
    "Node",
    "ResourceQuota",
    "Event",
)
#: 2001: an earlier time in a status is none.
_FIRST: Final = 1_000_000_000_000
_STATUSES: Final = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
_QUOTAS: Final = ("limits.memory", "requests.memory", "memory")

Key = tuple[str | None, str]


class Run(NamedTuple):
    """One run of a container, from start to end."""

    started: int | None
    finished: int | None = None
    reason: str | None = None  # why it ended, as the kubelet says it; None while it runs
    code: int | None = None


class ContainerSeen(NamedTuple):
    """A container of a pod as one dump shows it."""

    name: str
    stays: bool  # it runs as long as the pod: false for an init container that ends, and for a debugging container
    image: str | None
    image_id: str | None
    limit_bytes: int | None
    request_bytes: int | None
    restarts: int | None
    runs: tuple[Run, ...]


class PodSeen(NamedTuple):
    """A pod as one dump shows it."""

    seen: int | None  # when it was seen, milliseconds; None = unknown
    revision: int | None
    namespace: str | None
    name: str
    uid: str | None
    node: str | None
    created: int | None  # when it was made, milliseconds
    owner: tuple[str, str] | None  # kind and name of its controller; None without one
    quality: str | None
    evicted: tuple[int | None, str] | None
    gone: int | None  # when it was deleted, milliseconds
    limit_bytes: int | None  # a limit of the whole pod
    containers: tuple[ContainerSeen, ...]


@dataclass(slots=True)
class Objects:
    """Everything that dumps say."""

    pods: dict[tuple[str | None, str, str | None], list[PodSeen]] = field(default_factory=dict)
    owner_of: dict[tuple[str, tuple[str | None, str | None, str]], tuple[str, str]] = field(default_factory=dict)
    templates: dict[Key, tuple[ContainerSeen, ...]] = field(default_factory=dict)
    evictions: dict[Key, tuple[int | None, str]] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """There is something to join."""
        return bool(self.pods or self.owner_of or self.nodes or self.quotas or self.evictions)

    def add(self, document: Mapping[str, Any], seen: int | None) -> int:
        """Take in one document."""
        return sum(self.take(kind, item, seen, gone=gone) for kind, item, gone in items(document))

    def take(self, kind: str, item: Mapping[str, Any], seen: int | None, *, gone: bool = False) -> bool:
        """Take in one object."""
        about = _dict(item, "metadata")
        name, namespace = _text(about, "name"), _text(about, "namespace")
        if kind not in KINDS:
            return False
        if name is None:
            self.left_out["objects without a name"] = self.left_out.get("objects without a name", 0) + 1
            return False
        if kind == "Pod":
            self._see(pod_of(item, seen, gone=gone))
        elif kind == "Node":
            amount = _bytes(_dict(item, "status", "allocatable"), "memory")
            if amount is not None:
                self.nodes[name] = amount
        elif kind == "ResourceQuota":
            self._quota(f"{namespace or 'default'}/{name}", item)
        elif kind == "Event":
            self._event(item)
        else:
            self.owner_of[kind, (None, namespace, name)] = _controller(about) or ("", "")
            if kind == "ReplicaSet":
                self.templates[namespace, name] = _containers(_dict(item, "spec", "template", "spec"), {})
        return True

    def _see(self, pod: PodSeen) -> None:
        looks = self.pods.setdefault((pod.namespace, pod.name, pod.uid), [])
        if not looks or looks[-1]._replace(seen=None, revision=None) != pod._replace(seen=None, revision=None):
            looks.append(pod)

    def settle(self) -> None:
        """Put all looks at a pod in order; a time that contradicts the order is none."""
        for key, looks in self.pods.items():
            ordered = sorted(looks, key=_order) if all(pod.revision is not None for pod in looks) else looks
            times = [pod.seen for pod in ordered if pod.seen is not None]
            if times != sorted(times):
                ordered = [pod._replace(seen=None) for pod in ordered]
            self.pods[key] = ordered

    def _quota(self, place: str, item: Mapping[str, Any]) -> None:
        hard = _dict(item, "status", "hard") or _dict(item, "spec", "hard")
        amounts = ((resource, _bytes(hard, resource)) for resource in _QUOTAS)
        self.quotas.update((f"{place} {resource}", amount) for resource, amount in amounts if amount is not None)

    def _event(self, item: Mapping[str, Any]) -> None:
        """Keep what tells of an eviction: the pod itself may be gone."""
        about = _dict(item, "involvedObject") or _dict(item, "regarding")
        pod = _text(about, "name")
        if _text(item, "reason") != "Evicted" or _text(about, "kind") != "Pod" or pod is None:
            return
        times = (_time(item, name) for name in ("eventTime", "firstTimestamp", "deprecatedFirstTimestamp"))
        time = next((time for time in times if time is not None), None)
        said = _text(item, "message") or _text(item, "note") or ""
        self.evictions[_text(about, "namespace"), pod] = time, said


def items(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Give the objects of a document."""
    watched, event = document.get("object"), _text(document, "type")
    gone = event == "DELETED"
    if isinstance(watched, dict) and event is not None:
        if event == "BOOKMARK":
            return
        document = watched
    kind = _text(document, "kind") or ""
    found = document.get("items")
    if not isinstance(found, list):
        yield kind, document, gone
        return
    for item in found:
        if isinstance(item, dict):
            yield _text(item, "kind") or kind.removesuffix("List"), item, gone


def pod_of(item: Mapping[str, Any], seen: int | None, *, gone: bool = False) -> PodSeen:
    """Reduce a pod to what a recording needs."""
    about, spec, status = _dict(item, "metadata"), _dict(item, "spec"), _dict(item, "status")
    deleted = _time(about, "deletionTimestamp")
    return PodSeen(
        seen=seen,
        revision=_number(about, "resourceVersion", most=1 << 63),
        namespace=_text(about, "namespace"),
        name=_text(about, "name") or "",
        uid=_text(about, "uid"),
        node=_text(spec, "nodeName"),
        created=_time(about, "creationTimestamp"),
        owner=_controller(about),
        quality=_text(status, "qosClass"),
        evicted=_evicted(status),
        gone=(deleted if deleted is not None else seen) if gone else None,
        limit_bytes=_bytes(_dict(spec, "resources", "limits"), "memory") or None,
        containers=_containers(spec, status),
    )


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[ContainerSeen, ...]:
    whole = _bytes(_dict(spec, "resources", "limits"), "memory") or None
    found: list[ContainerSeen] = []
    for declared, reported in _STATUSES:
        statuses = {_text(one, "name"): one for one in _dicts(status, reported)}
        for container in _dicts(spec, declared):
            name = _text(container, "name")
            if name is None:
                continue
            now = statuses.get(name, {})
            runs = (_run(_dict(now, "lastState")), _run(_dict(now, "state")))
            found.append(
                ContainerSeen(
                    name,
                    declared == "containers"
                    or (declared == "initContainers" and _text(container, "restartPolicy") == "Always"),
                    _text(container, "image"),
                    _text(now, "imageID"),
                    _in_force(container, now, "limits") or whole,
                    _in_force(container, now, "requests"),
                    _number(now, "restartCount"),
                    tuple(run for run in runs if run is not None),
                )
            )
    return tuple(found)


def _in_force(container: Mapping[str, Any], now: Mapping[str, Any], which: str) -> int | None:
    """Tell what the kubelet has set, else what is asked for; an amount of 0 is none."""
    asked = _bytes(_dict(container, "resources", which), "memory")
    made = _bytes(_dict(now, "resources", which), "memory")
    return (asked if made is None else made) or None


def _run(state: Mapping[str, Any]) -> Run | None:
    ended = _dict(state, "terminated")
    if ended:
        reason = _text(ended, "reason")
        code = _number(ended, "exitCode")
        reason = reason or ("Completed" if code == 0 else "Error")
        run = Run(_time(ended, "startedAt"), _time(ended, "finishedAt"), reason, code)
        return run if (run.started, run.finished) != (None, None) else None
    started = _time(_dict(state, "running"), "startedAt")
    return None if started is None else Run(started)


def _evicted(status: Mapping[str, Any]) -> tuple[int | None, str] | None:
    if _text(status, "reason") != "Evicted":
        return None
    conditions = {_text(one, "type"): _time(one, "lastTransitionTime") for one in _dicts(status, "conditions")}
    time = next((conditions[name] for name in ("DisruptionTarget", "Ready") if conditions.get(name)), None)
    return time, _text(status, "message") or ""


def _controller(about: Mapping[str, Any]) -> tuple[str, str] | None:
    """Find the one owner that controls; of several that do not say so, the first."""
    owners = [(one, _text(one, "kind"), _text(one, "name")) for one in _dicts(about, "ownerReferences")]
    named = [(one, kind, name) for one, kind, name in owners if kind and name]
    controls = [(kind, name) for one, kind, name in named if str(one.get("controller")).lower() == "true"]
    found = controls or [(kind, name) for _, kind, name in named]
    return found[0] if found else None


def _dict(content: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Go down a path; what is not there, or is no mapping, is empty."""
    for name in path:
        inner = content.get(name)
        if not isinstance(inner, dict):
            return {}
        content = inner
    return content


def _dicts(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = content.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    return value if isinstance(value, str) and value else None


def _order(pod: PodSeen) -> int:
    return pod.revision or 0


def _number(content: Mapping[str, Any], name: str, most: int = 1 << 31) -> int | None:
    """Read a count, which YAML gives as text."""
    value = content.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < most else None


def _bytes(content: Mapping[str, Any], name: str) -> int | None:
    value = content.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if 0 <= value < 1 << 62 else None
    return quantity(value) if isinstance(value, str) else None


def _time(content: Mapping[str, Any], name: str) -> int | None:
    """Read an instant as the API writes it, in milliseconds."""
    value = content.get(name)
    if not isinstance(value, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
        milliseconds = round(moment.timestamp() * 1000) if moment.tzinfo is not None else 0
    except (ValueError, OverflowError):
        return None
    return milliseconds if _FIRST <= milliseconds < 1 << 43 else None


#: A run that ended so near an eviction was ended by it.
_EVICTION: Final = 360_000
#: From the making of a pod to the first start in it: its image may have to come first.
_PULLING: Final = 600_000
_DETAIL_CHARACTERS: Final = 200


class _Told(NamedTuple):
    """A run, the limit that held when it was first told of, and the restarts before it that nobody saw."""

    run: Run
    limit_bytes: int | None
    unseen: int


def container_events(
    looks: Sequence[tuple[PodSeen, ContainerSeen]], eviction: tuple[int | None, str] | None = None
) -> list[Event]:
    """Tell what happened to a container."""
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
    if last.created is not None and not any(
        event.kind == "start" and event.time <= last.created + _PULLING for event in found
    ):
        found.append(Event(last.created, "start", None, "the pod's start"))
    final = max((run.finished or run.started or 0 for run, _, _ in told), default=0)
    runs_on = not told or told[-1].run.finished is None
    if evicted is not None and not any(event.kind == "evicted" for event in found):
        time = evicted[0] if evicted[0] is not None else last.seen
        if time is not None and (runs_on or time >= final):
            found.append(Event(time, "evicted", None, _why(evicted[1], last.quality)))
    elif last.gone is not None and runs_on and last.gone >= final:
        found.append(Event(last.gone, "end", None, "deleted"))
    for kind, values in (
        ("limit", [(pod.seen, container.limit_bytes) for pod, container in looks]),
        ("request", [(pod.seen, container.request_bytes) for pod, container in looks]),
    ):
        found += _changes(kind, values)
    return sorted(found, key=lambda event: (event.time, event.kind))


def _runs(looks: Sequence[ContainerSeen]) -> list[_Told]:
    """Each run once, in order; a later look knows how it ended."""
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
    return f"Evicted{f' ({quality})' if quality else ''}{f': {said}' if said else ''}"[:_DETAIL_CHARACTERS]


def _changes(kind: str, values: Sequence[tuple[int | None, int | None]]) -> list[Event]:
    """Every change, and before the first one what it changed from; a change at an unknown time is none."""
    timed = [(seen, value) for seen, value in values if seen is not None]
    changes = [after for before, after in pairwise(timed) if after[1] != before[1]]
    if not changes:
        return []
    return [
        Event(seen, kind, value, None if value is not None else f"no {kind}") for seen, value in (timed[0], *changes)
    ]


#: A regular expression for what holds metrics: answers of `metrics.k8s.io`, or our own recordings of them.
METRICS: Final = (
    r'"(?:Pod|Node)Metrics(?:List)?"|"metrics\.k8s\.io/|(?:^|\n)(?:- |  )?(?:kind: ["\']?(?:Pod|Node)Metrics'
    r'|apiVersion: ["\']?metrics\.k8s\.io/)|(?:^|\n)\{"time": ?"[^"]*", ?"kubectl": ?"'
)
#: Words without one of which there is none of it; looking for a word is quick.
METRICS_WORDS: Final = ("Metrics", "metrics.k8s.io/", '"kubectl"')
_YAML: Final = ("apiVersion: ", "kind: ", "- apiVersion: ", "- kind: ")
_NEXT_DOCUMENT: Final = re.compile(r"\n(?=\{)")
_TOP_LEVEL: Final = re.compile(r"(?:- )?[A-Za-z][\w.-]*:(?: |$)|-(?: |$)|#")
_BEGINS: Final = ("apiVersion:", "kind:")
#: What looks like a reference to another part of the document.
_ALIAS: Final = re.compile(r"(?:^|[\s\[,:-])\*[^\s*,\[\]{}]")
_SHOWN: Final = 100


class Part(NamedTuple):
    """A document, or a line that is none."""

    line: int
    content: Any = None  # the document; None for a line between documents and for what is damaged
    text: str = ""
    damaged: bool = False


def looks_like_yaml(text: str) -> bool:
    """Tell whether documents are YAML."""
    return text.startswith(_YAML) or any(f"\n{mark}" in text for mark in _YAML)


def parts(text: str) -> Iterator[Part]:
    """Take a file apart."""
    return _yaml_parts(text) if looks_like_yaml(text) else _json_parts(text)


def _json_parts(text: str) -> Iterator[Part]:
    decoder = json.JSONDecoder()
    position, line = 0, 1
    while position < len(text):
        start = text.find("{", position)
        stop = start if start >= 0 else len(text)
        yield from _between(text[position:stop], line)
        line += text.count("\n", position, stop)
        if start < 0:
            break
        content, position, whole = _one_json(text, start, decoder)
        yield Part(line, content) if whole else Part(line, None, text[start : start + _SHOWN], damaged=True)
        line += text.count("\n", start, position)


def _one_json(text: str, start: int, decoder: json.JSONDecoder) -> tuple[Any, int, bool]:
    """Read the document that starts here; say where it stops and whether it is whole."""
    import msgspec  # noqa: PLC0415 - only documents need it

    end = text.find("\n", start)
    end = len(text) if end < 0 else end
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


def _between(text: str, line: int) -> Iterator[Part]:
    """Give lines between documents, without the commas of a list."""
    for number, part in enumerate(text.split("\n"), line):
        stripped = part.strip(" \t[],")
        if stripped:
            yield Part(number, None, stripped)


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
        elif not separator and key in _BEGINS:
            seen.add(key)
    yield from _one_yaml(lines[begin:], begin + 1)


def _one_yaml(lines: list[str], first: int) -> Iterator[Part]:
    """Read one document; without content there is none."""
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


#: A mapping keeps these names; a list is kept entry by entry; None keeps a value as it is.
_RESOURCES: Final = {"limits": {"memory": None}, "requests": {"memory": None}}
_CONTAINERS: Final = {"name": None, "image": None, "restartPolicy": None, "resources": _RESOURCES}
_STATE: Final = {
    "running": {"startedAt": None},
    "terminated": {"startedAt": None, "finishedAt": None, "reason": None, "exitCode": None},
}
_STATUSES_TRIM: Final = {
    "name": None,
    "imageID": None,
    "restartCount": None,
    "resources": _RESOURCES,
    "state": _STATE,
    "lastState": _STATE,
}
_METADATA: Final = {
    "name": None,
    "namespace": None,
    "uid": None,
    "resourceVersion": None,
    "creationTimestamp": None,
    "deletionTimestamp": None,
    "ownerReferences": {"kind": None, "name": None, "controller": None},
}
_SPEC: Final = {
    "nodeName": None,
    "resources": _RESOURCES,
    "containers": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "ephemeralContainers": {"name": None, "image": None},
}
_KEPT: Final[Mapping[str, Any]] = {
    "Pod": {
        "kind": None,
        "metadata": _METADATA,
        "spec": _SPEC,
        "status": {
            "phase": None,
            "reason": None,
            "message": None,
            "qosClass": None,
            "conditions": {"type": None, "lastTransitionTime": None},
            "containerStatuses": _STATUSES_TRIM,
            "initContainerStatuses": _STATUSES_TRIM,
            "ephemeralContainerStatuses": _STATUSES_TRIM,
        },
    },
    "ReplicaSet": {"kind": None, "metadata": _METADATA, "spec": {"template": {"spec": _SPEC}}},
    "Node": {"kind": None, "metadata": _METADATA, "status": {"allocatable": {"memory": None}}},
    "ResourceQuota": {"kind": None, "metadata": _METADATA, "status": {"hard": None}},
    "PodMetrics": {
        "kind": None,
        "metadata": {"name": None, "namespace": None},
        "timestamp": None,
        "window": None,
        "containers": {"name": None, "usage": {"memory": None, "swap": None}},
    },
}
_OWNER: Final = {"kind": None, "metadata": _METADATA}


def trimmed(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a recording needs."""
    kept = _part({**item, "kind": kind}, _KEPT.get(kind, _OWNER))
    return kept if isinstance(kept, dict) else {}


def _part(value: Any, names: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - any JSON
    if names is None:
        return value
    if isinstance(value, list):
        return [_part(one, names) for one in value if isinstance(one, dict)]
    if not isinstance(value, dict):
        return None
    return {name: _part(value[name], inner) for name, inner in names.items() if name in value}
