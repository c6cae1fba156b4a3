"""Pods, their owners, nodes and quotas as the Kubernetes API shows them, reduced to what a recording needs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit.loaders.kubectl_cells import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    """One run of a container, from start to end.

    Attributes
    ----------
    started, finished
        Milliseconds since 1970; None where it is not told, or has not happened.
    reason
        Why it ended, as the kubelet says it; None while it runs.
    code
        Its exit code.
    """

    started: int | None
    finished: int | None = None
    reason: str | None = None
    code: int | None = None


class ContainerSeen(NamedTuple):
    """A container of a pod as one dump shows it.

    Attributes
    ----------
    name
        Its name.
    stays
        It runs as long as the pod: false for an init container that ends, and for a debugging container.
    image, image_id
        What it runs.
    limit_bytes, request_bytes
        In force; None = none set. An in-place resize counts when the kubelet has made it.
    restarts
        How often it was started again.
    runs
        The runs that the status tells of: the present one and the one before.
    """

    name: str
    stays: bool
    image: str | None
    image_id: str | None
    limit_bytes: int | None
    request_bytes: int | None
    restarts: int | None
    runs: tuple[Run, ...]


class PodSeen(NamedTuple):
    """A pod as one dump shows it.

    Attributes
    ----------
    seen
        When it was seen, milliseconds; None = unknown.
    revision
        Rises with every change of the pod.
    namespace, name, uid, node
        Which pod, and where.
    created
        When it was made, milliseconds.
    owner
        Kind and name of its controller; None without one.
    quality
        Its class: Guaranteed, Burstable, BestEffort.
    evicted
        When and why it was evicted.
    gone
        When it was deleted, milliseconds.
    limit_bytes
        A limit of the whole pod.
    containers
        Of every kind.
    """

    seen: int | None
    revision: int | None
    namespace: str | None
    name: str
    uid: str | None
    node: str | None
    created: int | None
    owner: tuple[str, str] | None
    quality: str | None
    evicted: tuple[int | None, str] | None
    gone: int | None
    limit_bytes: int | None
    containers: tuple[ContainerSeen, ...]


@dataclass(slots=True)
class Objects:
    """Everything that dumps say.

    Attributes
    ----------
    pods
        Every look at a pod in which something had changed, by namespace, name and uid, in order.
    owner_of
        Kind, namespace and name of an owner, and what owns it; `("", "")` = nothing.
    templates
        Containers that pods of a ReplicaSet are made with.
    evictions
        When and why pods were evicted, told by events.
    nodes
        Memory that pods may use, by node.
    quotas
        Memory that the pods of a namespace may have: ``namespace/quota limits.memory``, bytes.
    sources
        Files.
    left_out
        Counts by reason.
    """

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
        """Take in one document.

        Parameters
        ----------
        document
            An object, a list of them, or an event of a watch.
        seen
            When it was printed, milliseconds since 1970; None = unknown.

        Returns
        -------
        int
            How many objects were used.

        Examples
        --------
        >>> objects = Objects()
        >>> objects.add({"kind": "Node", "metadata": {"name": "a"}, "status": {"allocatable": {"memory": "8Gi"}}}, None)
        1
        >>> objects.nodes
        {'a': 8589934592}
        """
        return sum(self.take(kind, item, seen, gone=gone) for kind, item, gone in items(document))

    def take(self, kind: str, item: Mapping[str, Any], seen: int | None, *, gone: bool = False) -> bool:
        """Take in one object.

        Parameters
        ----------
        kind
            Its kind.
        item
            The object.
        seen
            When it was printed, milliseconds.
        gone
            A watch said that it was deleted.

        Returns
        -------
        bool
            It was of use.

        Examples
        --------
        >>> Objects().take("Secret", {}, None)
        False
        """
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
        """Put all looks at a pod in order; a time that contradicts the order is none.

        Examples
        --------
        >>> objects = Objects()
        >>> for revision, node in ((7, "b"), (3, "a")):
        ...     about = {"name": "db-0", "resourceVersion": str(revision)}
        ...     _ = objects.add({"kind": "Pod", "metadata": about, "spec": {"nodeName": node}}, revision)
        >>> objects.settle()
        >>> [(pod.node, pod.seen) for pod in objects.pods[None, "db-0", None]]
        [('a', 3), ('b', 7)]
        """
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
    """Give the objects of a document.

    Parameters
    ----------
    document
        An object, a list of them, or an event of a watch.

    Yields
    ------
    tuple of (str, Mapping, bool)
        The kind (empty where it is not told), the object, and whether it is gone.

    Examples
    --------
    >>> [kind for kind, _, _ in items({"kind": "PodList", "items": [{}, {"kind": "Pod"}]})]
    ['Pod', 'Pod']
    """
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
    """Reduce a pod to what a recording needs.

    Parameters
    ----------
    item
        The pod, as the API shows it.
    seen
        When it was seen, milliseconds.
    gone
        A watch said that it was deleted.

    Returns
    -------
    PodSeen
        Without anything that could be a secret.

    Examples
    --------
    >>> pod = {"metadata": {"name": "db-0"}, "spec": {"containers": [
    ...     {"name": "db", "resources": {"limits": {"memory": "512Mi"}}}]}}
    >>> pod_of(pod, None).containers[0].limit_bytes
    536870912
    """
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
