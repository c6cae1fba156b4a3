"""A small Kubernetes API server on loopback: enough of it for a real `kubectl` to list pods and read their memory."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_GROUPS: Final = {
    "apps": ("v1", [("replicasets", "ReplicaSet", True)]),
    "batch": ("v1", [("jobs", "Job", True)]),
    "metrics.k8s.io": ("v1beta1", [("pods", "PodMetrics", True), ("nodes", "NodeMetrics", False)]),
}
_CORE: Final = [("pods", "Pod", True), ("nodes", "Node", False), ("resourcequotas", "ResourceQuota", True)]

#: What a test puts in the place of an answer: status, reason and message, or raw bytes.
Answer = tuple[int, str, str] | bytes


class Cluster:
    """What the server knows; tests change it while it runs.

    Attributes
    ----------
    objects
        By kind.
    memory
        Ki of each container: by namespace, pod and container.
    window
        Seconds between two samples of metrics-server.
    more
        Kinds that the server has besides, by group and version.
    hook
        Is given each path, and may give another answer; called in the server's threads.
    """

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.memory: dict[tuple[str, str, str], int] = {}
        self.window = 0.05
        self.paths: list[str] = []
        self.hook: Callable[[str], Answer | None] = lambda _: None
        self.version: str | None = "v1beta1"
        self.more: dict[str, list[tuple[str, str, bool]]] = {}
        self.grows: Callable[[], None] = lambda: None

    def metrics(self, namespace: str | None) -> list[dict[str, Any]]:
        """PodMetrics of now, at the last window's end."""
        now = time.time() // self.window * self.window
        stamp = dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        pods: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for (place, pod, container), amount in self.memory.items():
            usage = {"cpu": "1500000n", "memory": f"{amount}Ki"}
            pods.setdefault((place, pod), []).append({"name": container, "usage": usage})
        return [
            {
                "metadata": {"name": pod, "namespace": place, "creationTimestamp": _now()},
                "timestamp": stamp,
                "window": "15.063s",
                "containers": containers,
            }
            for (place, pod), containers in pods.items()
            if namespace in (None, place)
        ]

    def answer(self, path: str) -> Any:
        """The document at a path; None is 404."""
        parts = path.strip("/").split("/")
        groups = self._groups()
        known: dict[tuple[str, ...], Any] = {
            ("api",): {"kind": "APIVersions", "versions": ["v1"]},
            ("apis",): {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(name) for name in groups]},
            ("api", "v1"): _resources("v1", [*_CORE, *self.more.get("v1", ())]),
        }
        for name, (version, resources) in groups.items():
            known["apis", name] = self._group(name)
            full = f"{name}/{version}"
            known["apis", name, version] = _resources(full, [*resources, *self.more.get(full, ())])
        if tuple(parts) in known:
            return known[tuple(parts)]
        depth = 2 if parts[0] == "api" else 3
        place, rest = tuple(parts[:depth]), parts[depth:]
        return self._listed(known[place], rest) if place in known else None

    def _listed(self, resources: dict[str, Any], rest: list[str]) -> Any:
        namespace = None
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = next((one["kind"] for one in resources["resources"] if rest == [one["name"]]), None)
        if kind is None:
            return None
        about = {"kind": kind, "apiVersion": resources["groupVersion"]}
        found = self.metrics(namespace) if kind == "PodMetrics" else self.objects.get(kind, [])
        items = [{**one, **about} for one in found if namespace in (None, one["metadata"].get("namespace"))]
        if kind == "PodMetrics":
            self.grows()
        return {**about, "kind": f"{kind}List", "metadata": {"resourceVersion": "7"}, "items": items}

    def _groups(self) -> dict[str, tuple[str, list[tuple[str, str, bool]]]]:
        named = (name.split("/") for name in self.more if "/" in name)
        groups = {**{group: (version, []) for group, version in named}, **_GROUPS}
        if self.version is None:
            del groups["metrics.k8s.io"]
        else:
            groups["metrics.k8s.io"] = (self.version, groups["metrics.k8s.io"][1])
        return groups

    def _group(self, name: str) -> dict[str, Any]:
        version = {"groupVersion": f"{name}/{self._groups()[name][0]}", "version": self._groups()[name][0]}
        return {
            "kind": "APIGroup",
            "apiVersion": "v1",
            "name": name,
            "versions": [version],
            "preferredVersion": version,
        }


def _resources(version: str, resources: list[tuple[str, str, bool]]) -> dict[str, Any]:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
            for name, kind, namespaced in resources
        ],
    }


def _now() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        cluster = self.server.cluster
        path = urlsplit(self.path).path
        cluster.paths.append(path)
        given = cluster.hook(path)
        if isinstance(given, bytes):
            self._send(200, given)
        elif given is not None:
            self._fail(*given)
        elif (document := cluster.answer(path)) is None:
            self._fail(404, "NotFound", "the server could not find the requested resource")
        else:
            self._send(200, json.dumps(document).encode())

    def _fail(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
        self._send(code, json.dumps({**status, "code": code}).encode())

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    cluster: Cluster

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gives up is part of the tests."""


@contextmanager
def serving(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """Serve a cluster on a free port; give the configuration for kubectl."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.cluster = cluster
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield configuration(folder, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def configuration(folder: Path, port: int) -> Path:
    """Write what kubectl reads: one cluster, one user with a token, two contexts."""
    file = folder / "kubeconfig"
    contexts = [
        {"name": name, "context": {"cluster": "stub", "user": "dev", "namespace": namespace}}
        for name, namespace in (("stub", "shop"), ("other", "team-a"))
    ]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "stub",
        "clusters": [{"name": "stub", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "dev", "user": {"token": "s3cret-token"}}],
        "contexts": contexts,
    }
    file.write_text(json.dumps(content))
    return file
