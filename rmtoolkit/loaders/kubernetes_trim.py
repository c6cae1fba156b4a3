"""Keep of a Kubernetes object what a recording needs: no environment, no annotation, nothing that may be a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A mapping keeps these names; a list is kept entry by entry; None keeps a value as it is.
_RESOURCES: Final = {"limits": {"memory": None}, "requests": {"memory": None}}
_CONTAINERS: Final = {"name": None, "image": None, "restartPolicy": None, "resources": _RESOURCES}
_STATE: Final = {
    "running": {"startedAt": None},
    "terminated": {"startedAt": None, "finishedAt": None, "reason": None, "exitCode": None},
}
_STATUSES: Final = {
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
            "containerStatuses": _STATUSES,
            "initContainerStatuses": _STATUSES,
            "ephemeralContainerStatuses": _STATUSES,
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
    """Keep what a recording needs.

    Parameters
    ----------
    kind
        The object's kind.
    item
        The object, as the API shows it.

    Returns
    -------
    dict
        A part of it.

    Examples
    --------
    >>> secret = {"name": "TOKEN", "value": "s3cret"}
    >>> trimmed("Pod", {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "env": [secret]}]}})
    {'kind': 'Pod', 'metadata': {'name': 'a'}, 'spec': {'containers': [{'name': 'c'}]}}
    """
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
