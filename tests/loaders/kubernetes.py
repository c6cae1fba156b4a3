"""Pods and other objects as the Kubernetes API shows them, and the logs beside them."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

MI: Final = 1 << 20
#: The first instant of the logs.
T0: Final = dt.datetime(2026, 11, 24, 22, tzinfo=dt.UTC)
API: Final = "api-7d9f8b6c5d-x2x7k"


def at(minutes: float) -> str:
    """An instant so many minutes after the first, as the API writes it."""
    return f"{T0 + dt.timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def ended(started: float, finished: float, reason: str = "OOMKilled", code: int = 137) -> dict[str, Any]:
    """The state of a run that ended, in minutes."""
    return {"terminated": {"startedAt": at(started), "finishedAt": at(finished), "reason": reason, "exitCode": code}}


def running(started: float) -> dict[str, Any]:
    """The state of a run that goes on."""
    return {"running": {"startedAt": at(started)}}


def container(name: str = "api", image: str = "shop/api:1.2", **amounts: str) -> dict[str, Any]:
    """A container of a pod's spec, with `limit` and `request`."""
    resources = {f"{kind}s": {"memory": amounts[kind]} for kind in ("limit", "request") if kind in amounts}
    return {"name": name, "image": image, "resources": resources}


def status(name: str = "api", restarts: int = 0, **states: Any) -> dict[str, Any]:
    """What a pod's status says of a container: `state`, `last`, and other fields."""
    last = {"lastState": states.pop("last")} if "last" in states else {}
    return {"name": name, "restartCount": restarts, **last, **states}


def pod(
    name: str = API,
    *containers: dict[str, Any],
    statuses: tuple[dict[str, Any], ...] = (),
    owner: tuple[str, str] | None = ("ReplicaSet", "api-7d9f8b6c5d"),
    created: float | None = 0,
    uid: str = "uid-1",
    **more: Any,
) -> dict[str, Any]:
    """A pod; `more` goes into its status, `spec` into its spec, `about` into its metadata."""
    about = {"name": name, "namespace": "shop", "uid": uid, **more.pop("about", {})}
    if owner is not None:
        about["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    if created is not None:
        about["creationTimestamp"] = at(created)
    spec = {"nodeName": "node-a", "containers": list(containers or (container(),)), **more.pop("spec", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": about,
        "spec": spec,
        "status": {"qosClass": "Burstable", "containerStatuses": list(statuses), **more},
    }


def owned(kind: str, name: str, owner: tuple[str, str] | None, *containers: dict[str, Any]) -> dict[str, Any]:
    """A ReplicaSet, a Job or the like."""
    references = [] if owner is None else [{"kind": owner[0], "name": owner[1], "controller": True}]
    about = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "ownerReferences": references}
    return {"kind": kind, "metadata": about, "spec": {"template": {"spec": {"containers": list(containers)}}}}


def listed(*objects: dict[str, Any]) -> str:
    """What `kubectl get -o json` prints of some objects."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects, "metadata": {"resourceVersion": ""}})


def top(rows: dict[tuple[str, str], list[int]], *, every: float = 1) -> str:
    """A log of `kubectl top pod -A --containers`: Mi for each pod and container, every so many minutes."""
    lines = []
    for number in range(max(map(len, rows.values()))):
        lines += [at(number * every), "NAMESPACE   POD   NAME   CPU(cores)   MEMORY(bytes)"]
        lines += [
            f"shop   {pod}   {name}   1m   {amounts[number]}Mi"
            for (pod, name), amounts in rows.items()
            if number < len(amounts)
        ]
    return "\n".join(lines) + "\n"


def save(folder: Path, log: str, *dumps: str) -> list[Path]:
    """Save a log and dumps, each dump a minute younger than the one before."""
    files = [folder / "top.log", *(folder / f"pods-{number}.json" for number in range(len(dumps)))]
    for number, (file, text) in enumerate(zip(files, (log, *dumps), strict=True)):
        file.write_text(text)
        moment = T0.timestamp() + 3600 + 60 * number
        os.utime(file, (moment, moment))
    return files
