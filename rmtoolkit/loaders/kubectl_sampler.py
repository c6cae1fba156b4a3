"""Ask a cluster through `kubectl`, and write down what is new, a line per answer."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from rmtoolkit.loaders.kubectl_client import KubectlError
from rmtoolkit.loaders.kubernetes_objects import items
from rmtoolkit.loaders.kubernetes_trim import trimmed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rmtoolkit.loaders.kubectl_client import Kubectl

_VERSIONS: Final = ("v1beta1", "v1")
#: Before the first sample; after it, nothing ends a recording.
_TRIES: Final = 3
#: Where objects are listed; nodes belong to no namespace.
_PLACES: Final = {
    "pods": ("Pod", "/api/v1"),
    "replicasets": ("ReplicaSet", "/apis/apps/v1"),
    "jobs": ("Job", "/apis/batch/v1"),
    "nodes": ("Node", "/api/v1"),
    "resourcequotas": ("ResourceQuota", "/api/v1"),
}
_OWNERS: Final = {"ReplicaSet": "replicasets", "Job": "jobs"}


class Sampler:
    """Samples a cluster.

    Attributes
    ----------
    namespace
        Which namespace is sampled, where it is not all of them.
    samples, failed
        How many answers came, and how many did not.
    containers
        How many containers the last answer had.
    last_error
        What failed last.
    continued
        There was something in the file already.

    Examples
    --------
    >>> import io
    >>> from rmtoolkit.loaders.kubectl_client import Kubectl
    >>> Sampler(Kubectl("kubectl"), io.BytesIO(), "shop", everywhere=False, timeout_seconds=5).scope
    ('--namespace=shop',)
    """

    def __init__(
        self, client: Kubectl, stream: BinaryIO, namespace: str | None, *, everywhere: bool, timeout_seconds: float
    ) -> None:
        self.client = client
        self.stream = stream
        self.timeout_seconds = timeout_seconds
        self.everywhere = everywhere
        self.namespace = namespace
        self.samples = 0
        self.failed = 0
        self.containers = 0
        self.last_error: KubectlError | None = None
        self.continued = stream.tell() > 0
        self._source: tuple[str, ...] | None = None
        self._served: dict[tuple[object, object], object] = {}
        self._pods: dict[tuple[object, object], dict[str, Any]] = {}
        self._owners: set[tuple[object, object, object]] = set()
        self._refused: dict[str, str] = {}

    @property
    def scope(self) -> tuple[str, ...]:
        """The words that say which namespace."""
        return ("--all-namespaces",) if self.everywhere else (f"--namespace={self.namespace}",)

    def sample(self) -> None:
        """Take one sample; a failure is written down and counted.

        Raises
        ------
        KubectlError
            Nothing was sampled yet, and nothing will be.
        """
        now = _now()
        try:
            if self.namespace is None and not self.everywhere:
                self.namespace = self._own_namespace()
            answer = self._choose() if self._source is None else self._metrics(self._source)
        except KubectlError as error:
            self.failed += 1
            self.last_error = error
            if not self.samples and (error.lasting or self.failed >= _TRIES):
                raise
            if self.samples:
                self._write({"time": now, "kubectl": " ".join(self._source or ()), "error": error.said})
            return
        self.samples += 1
        if answer:
            self._write({"time": now, "kubectl": " ".join(self._source or ()), **answer})

    def look(self) -> None:
        """Look at the pods, and at what made them where that is new; what is refused is written down once."""
        found = self._objects("pods")
        if found is not None:
            now = {_identity(pod): pod for pod in found}
            changed = [pod for key, pod in now.items() if self._pods.get(key) != pod]
            self._list("get pods", changed)
            for key, pod in self._pods.items():
                if key not in now:
                    gone = {"type": "DELETED", "object": pod}
                    self._write({"time": _now(), "kubectl": "get pods", "answer": gone})
            first, self._pods = not self._pods, now
            if first:
                self._look_once()
            self._look_at_owners(changed)

    def _own_namespace(self) -> str:
        view = ("config", "view", "--minify", "--output=jsonpath={..namespace}")
        return (
            self.client.run(*view, timeout_seconds=self.timeout_seconds).decode("utf-8", "replace").strip() or "default"
        )

    def _choose(self) -> dict[str, Any]:
        """Find the best that the server has."""
        place = "" if self.everywhere else f"namespaces/{self.namespace}/"
        source: tuple[str, ...]
        for version in _VERSIONS:
            source = ("get", "--raw", f"/apis/metrics.k8s.io/{version}/{place}pods")
            try:
                answer = self._metrics(source)
            except KubectlError as error:
                if not error.missing:
                    raise
                continue
            self._source = source
            return answer
        source = ("top", "pod", "--containers", *self.scope)
        answer = self._metrics(source)
        self._source = source
        return answer

    def _metrics(self, source: tuple[str, ...]) -> dict[str, Any]:
        """Ask for memory; an answer without anything new is empty."""
        printed = self.client.run(*source, timeout_seconds=self.timeout_seconds)
        if source[0] == "top":
            text = printed.decode("utf-8", "replace")
            self.containers = max(0, text.count("\n") - 1)
            return {"namespace": self.namespace, "answer": text} if self.containers else {}
        served = dict(self._served)
        pods = [trimmed("PodMetrics", item) for _, item, _ in items(_json(source, printed))]
        self._served = {_identity(pod): pod.get("timestamp") for pod in pods}
        self.containers = sum(len(pod.get("containers") or ()) for pod in pods)
        # metrics-server serves a sample again until its next window.
        new = [pod for pod in pods if (at := pod.get("timestamp")) is None or served.get(_identity(pod)) != at]
        return {"answer": {"kind": "PodMetricsList", "items": new}} if new else {}

    def _objects(self, resource: str) -> list[dict[str, Any]] | None:
        """List objects, trimmed; None where that is not possible."""
        kind, api = _PLACES[resource]
        place = "" if self.everywhere or kind == "Node" else f"/namespaces/{self.namespace}"
        # Revision 0: from the server's memory, without a word to its data base.
        command = ("get", "--raw", f"{api}{place}/{resource}?resourceVersion=0")
        try:
            printed = self.client.run(*command, timeout_seconds=self.timeout_seconds)
            found = items(_json(command, printed))
        except KubectlError as error:
            if self._refused.get(resource) != error.said:
                self._refused[resource] = error.said
                self._write({"time": _now(), "kubectl": f"get {resource}", "without": error.said})
            return None
        return [trimmed(kind, item) for _, item, _ in found]

    def _look_once(self) -> None:
        for resource in ("nodes", "resourcequotas"):
            self._list(f"get {resource}", self._objects(resource) or ())

    def _look_at_owners(self, pods: Iterable[Mapping[str, Any]]) -> None:
        """List ReplicaSets and Jobs when a pod has one that was not seen yet."""
        for kind, resource in _OWNERS.items():
            wanted = {
                (kind, pod["metadata"].get("namespace"), owner.get("name"))
                for pod in pods
                for owner in pod["metadata"].get("ownerReferences") or ()
                if owner.get("kind") == kind
            }
            if wanted <= self._owners:
                continue
            found = self._objects(resource) or []
            new = [
                one
                for one in found
                if (kind, one["metadata"].get("namespace"), one["metadata"].get("name")) not in self._owners
            ]
            self._list(f"get {resource}", new)
            self._owners |= wanted | {
                (kind, one["metadata"].get("namespace"), one["metadata"].get("name")) for one in new
            }

    def _list(self, command: str, objects: Iterable[Mapping[str, Any]]) -> None:
        kept = list(objects)
        if kept:
            self._write({"time": _now(), "kubectl": command, "answer": {"kind": "List", "items": kept}})

    def _write(self, line: Mapping[str, Any]) -> None:
        """Append one whole line, and see to it that it is on the disk."""
        import msgspec  # noqa: PLC0415 - only the recorder needs it

        rest = memoryview(msgspec.json.encode(line) + b"\n")
        while rest:
            rest = rest[self.stream.write(rest) :]
        try:
            os.fsync(self.stream.fileno())
        except OSError:
            # A pipe has no disk.
            return


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _identity(item: Mapping[str, Any]) -> tuple[object, object]:
    about = item.get("metadata") or {}
    return about.get("namespace"), about.get("uid") or about.get("name")


def _json(command: tuple[str, ...], printed: bytes) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415 - only the recorder needs it

    try:
        content = msgspec.json.decode(printed)
    except (msgspec.DecodeError, RecursionError):
        content = None
    if not isinstance(content, dict):
        said = "an answer that is no JSON object"
        raise KubectlError(" ".join(command), said, "")
    return content
