"""`rm.record_kubectl`: sample a cluster through the user's own kubectl, into a file that a crash cannot spoil."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import shutil
import signal
import subprocess
import time as clock
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from rmtoolkit._io import check_target, refuse_links
from rmtoolkit._tables import parse_duration
from rmtoolkit.exceptions import RmtoolkitError, quote, quote_path, system_words
from rmtoolkit.loaders._kubectl_rows import failure
from rmtoolkit.loaders.kubectl_top import read_kubectl_top
from rmtoolkit.loaders.kubernetes import items, trimmed
from rmtoolkit.recording import Recording
from rmtoolkit.text import texts

#: What never gets better by itself, and what to do about it.
_LASTING: Final = {
    name: (re.compile("|".join(told["says"])), told["hint"]) for name, told in texts("loaders/kubectl").items()
}
_KLOG: Final = re.compile(r"[EWIF]\d{4} ")
_SECRET: Final = re.compile(r"(?i)(?:bearer|basic|token|password)[ =:]+\S+|eyJ[\w-]{10,}(?:\.[\w-]+)*")
_SHOWN: Final = 300
#: Failures before the first sample that end a recording; after it, nothing does.
_TRIES: Final = 3
ENDINGS: Final = (".jsonl", ".ndjson", ".json", ".log", ".parquet")

#: A large cluster needs more than an interval.
_TIMEOUT: Final = 10.0
_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_OURS: Final = re.compile(rb'\{"time": ?"[^"]*", ?"kubectl": ?"')


class KubectlError(RmtoolkitError):
    def __init__(self, command: str, said: str, hint: str) -> None:
        self.said = said
        self.hint = hint
        super().__init__(f"kubectl {command} failed: {quote(said, _SHOWN)}. {hint}".rstrip())

    @property
    def missing(self) -> bool:
        return _LASTING["missing"][0].search(self.said) is not None


class Kubectl(NamedTuple):
    program: str
    options: tuple[str, ...] = ()

    @classmethod
    def find(cls, program: str, context: str | None, kubeconfig: str | os.PathLike[str] | None) -> Kubectl:
        if (found := shutil.which(program)) is None:
            msg = (
                f"There is no program {quote(program)}. Install kubectl, or read what it prints elsewhere with rm.read."
            )
            raise RmtoolkitError(msg)
        options = [] if context is None else [f"--context={context}"]
        options += [] if kubeconfig is None else [f"--kubeconfig={os.fspath(kubeconfig)}"]
        return cls(found, tuple(options))

    def run(self, *arguments: str, timeout_seconds: float) -> bytes:
        shown = " ".join(arguments)
        command = [self.program, *self.options, f"--request-timeout={max(1, round(timeout_seconds))}s", *arguments]
        # A session of its own: Ctrl-C is for the recorder, and a credential helper dies with kubectl.
        with subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            try:
                # kubectl's own limit comes first: it says more.
                printed, complaints = process.communicate(timeout=timeout_seconds + 2)
            except BaseException as error:
                end_group(process)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                raise KubectlError(shown, f"no answer within {timeout_seconds:g} s", "") from error
        if process.returncode != 0:
            raise kubectl_error(shown, complaints.decode("utf-8", "replace").splitlines(), process.returncode)
        return printed


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a leader of a session and all that it started: whoever lives holds its pipes open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kubectl_error(command: str, lines: Sequence[str], status: int) -> KubectlError:
    """Find the line that says what is wrong: kubectl's own, not what its libraries log before."""
    plain = [line.strip() for line in lines if line.strip() and not _KLOG.match(line)]
    told = [found[0] for line in plain if (found := failure(line))]
    said = next(iter(told), plain[-1] if plain else next(iter(lines), f"exit status {status} and no word"))
    said = _SECRET.sub("…", " ".join(said.split()))[:_SHOWN]
    hint = next((hint for pattern, hint in _LASTING.values() if pattern.search(said)), "")
    return KubectlError(command, said, hint)


@dataclass(slots=True)
class Sampler:
    client: Kubectl
    stream: BinaryIO
    namespace: str | None
    everywhere: bool
    timeout_seconds: float
    samples: int = 0
    failed: int = 0
    containers: int = 0
    last_error: KubectlError | None = None
    _source: tuple[str, ...] | None = None
    _served: dict[tuple[object, object], object] = field(default_factory=dict)
    _pods: dict[tuple[object, object], dict[str, Any]] = field(default_factory=dict)
    _owners: set[tuple[object, object, object]] = field(default_factory=set)
    _refused: dict[str, str] = field(default_factory=dict)

    def sample(self) -> None:
        now = _now()
        try:
            if self.namespace is None and not self.everywhere:
                view = ("config", "view", "--minify", "--output=jsonpath={..namespace}")
                own = self.client.run(*view, timeout_seconds=self.timeout_seconds).decode("utf-8", "replace").strip()
                self.namespace = own or "default"
            answer = self._choose() if self._source is None else self._metrics(self._source)
        except KubectlError as error:
            self.failed += 1
            self.last_error = error
            if not self.samples and (error.hint or self.failed >= _TRIES):
                raise
            if self.samples:
                self._write(" ".join(self._source or ()), {"error": error.said}, now)
            return
        self.samples += 1
        if answer:
            self._write(" ".join(self._source or ()), answer, now)

    def look(self) -> None:
        """Look at the pods, and at what made them where that is new; what is refused is written down once."""
        if (found := self._objects("pods")) is not None:
            now = {_identity(pod): pod for pod in found}
            changed = [pod for key, pod in now.items() if self._pods.get(key) != pod]
            self._list("get pods", changed)
            for key, pod in self._pods.items():
                if key not in now:
                    self._write("get pods", {"answer": {"type": "DELETED", "object": pod}})
            first, self._pods = not self._pods, now
            for resource in ("nodes", "resourcequotas") if first else ():
                self._list(f"get {resource}", self._objects(resource) or ())
            self._look_at_owners(changed)

    def _choose(self) -> dict[str, Any]:
        place = "" if self.everywhere else f"namespaces/{self.namespace}/"
        where = "--all-namespaces" if self.everywhere else f"--namespace={self.namespace}"
        sources: list[tuple[str, ...]] = [
            ("get", "--raw", f"/apis/metrics.k8s.io/{version}/{place}pods") for version in ("v1beta1", "v1")
        ]
        sources.append(("top", "pod", "--containers", where))
        while True:
            try:
                answer = self._metrics(sources[0])
            except KubectlError as error:
                if not error.missing or len(sources) == 1:
                    raise
                del sources[0]
            else:
                self._source = sources[0]
                return answer

    def _metrics(self, source: tuple[str, ...]) -> dict[str, Any]:
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
        kind, api = texts("loaders/kubernetes")["places"][resource]
        # Nodes belong to no namespace.
        place = "" if self.everywhere or kind == "Node" else f"/namespaces/{self.namespace}"
        # Revision 0: from the server's memory, without a word to its data base.
        command = ("get", "--raw", f"{api}{place}/{resource}?resourceVersion=0")
        try:
            found = items(_json(command, self.client.run(*command, timeout_seconds=self.timeout_seconds)))
        except KubectlError as error:
            if self._refused.get(resource) != error.said:
                self._refused[resource] = error.said
                self._write(f"get {resource}", {"without": error.said})
            return None
        return [trimmed(kind, item) for _, item, _ in found]

    def _look_at_owners(self, pods: Iterable[Mapping[str, Any]]) -> None:
        for kind, resource in (("ReplicaSet", "replicasets"), ("Job", "jobs")):
            wanted = {
                (kind, pod["metadata"].get("namespace"), owner.get("name"))
                for pod in pods
                for owner in pod["metadata"].get("ownerReferences") or ()
                if owner.get("kind") == kind
            }
            if wanted <= self._owners:
                continue
            found = {
                (kind, one["metadata"].get("namespace"), one["metadata"].get("name")): one
                for one in self._objects(resource) or ()
            }
            self._list(f"get {resource}", [one for key, one in found.items() if key not in self._owners])
            self._owners |= wanted | found.keys()

    def _list(self, command: str, objects: Iterable[Mapping[str, Any]]) -> None:
        if kept := list(objects):
            self._write(command, {"answer": {"kind": "List", "items": kept}})

    def _write(self, command: str, said: Mapping[str, Any], time: str | None = None) -> None:
        rest = memoryview(msgspec.json.encode({"time": time or _now(), "kubectl": command, **said}) + b"\n")
        while rest:
            rest = rest[self.stream.write(rest) :]
        # A pipe has no disk.
        with suppress(OSError):
            os.fsync(self.stream.fileno())


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _identity(item: Mapping[str, Any]) -> tuple[object, object]:
    about = item.get("metadata") or {}
    return about.get("namespace"), about.get("uid") or about.get("name")


def _json(command: tuple[str, ...], printed: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(printed)
    except (msgspec.DecodeError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise KubectlError(" ".join(command), "an answer that is no JSON object", "")
    return content


def record_kubectl(
    path: str | os.PathLike[str],
    *,
    namespace: str | None = None,
    all_namespaces: bool = False,
    context: str | None = None,
    kubeconfig: str | os.PathLike[str] | None = None,
    interval: str | dt.timedelta = "15s",
    duration: str | dt.timedelta | None = None,
    objects_interval: str | dt.timedelta = "1m",
    kubectl: str = "kubectl",
    progress: bool | None = None,
) -> Recording:
    """Record the memory of a cluster's containers through `kubectl`, until Ctrl-C or for a while.

    Parameters
    ----------
    path
        The file: ``.jsonl`` (also .ndjson, .json, .log), a line per answer, added to what an earlier recording left
        there; or ``.parquet``, made of such lines (in a file beside it, ``.parquet.jsonl``) at the end.
    namespace, all_namespaces
        Which namespace, or all; None is that of the context.
    context, kubeconfig
        Which cluster; None is kubectl's own choice.
    interval
        Time between two samples. metrics-server has a new one every 15 seconds, or what it was told to.
    duration
        Stop after so long; None goes on until Ctrl-C.
    objects_interval
        Time between two looks at the pods, for limits, versions and restarts.
    kubectl
        The program.
    progress
        Show a line that counts; None shows it on a terminal.

    Returns
    -------
    Recording
        What is in the file, as `rmtoolkit.read_kubectl_top` reads it.

    Raises
    ------
    RmtoolkitError
        There is no kubectl; it may not, or cannot, read metrics; the file cannot be written. Once something was
        recorded, failed answers are `gap` events, and end nothing.

    Notes
    -----
    Where the server has no ``/apis/metrics.k8s.io``, ``kubectl top pod --containers`` is asked, which rounds down to
    whole MiB. Of pods only what is needed is kept: no environment, no arguments, no annotations.

    Examples
    --------
    >>> record_kubectl("week.txt", duration="1s")
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: Could not write 'week.txt': the name must end in .jsonl, .ndjson, ...
    """
    target = Path(path)
    every, looks = (parse_duration(given).total_seconds() for given in (interval, objects_interval))
    until = None if duration is None else parse_duration(duration).total_seconds()
    if namespace is not None and (all_namespaces or not _LABEL.fullmatch(namespace)):
        why = "give a namespace or all of them, not both" if all_namespaces else f"{quote(namespace)} is no namespace"
        msg = f"Could not record: {why}."
        raise RmtoolkitError(msg)
    check_target(target, ENDINGS)
    if target.exists() and not target.is_file():
        msg = f"Could not write {quote_path(target)}: it is no file. Name one."
        raise RmtoolkitError(msg)
    lines = target.with_name(f"{target.name}.jsonl") if target.suffix.lower() == ".parquet" else target
    client = Kubectl.find(kubectl, context, kubeconfig)
    with _appending(lines) as stream:
        continued = stream.tell() > 0
        sampler = Sampler(client, stream, namespace, all_namespaces, max(every, _TIMEOUT))
        _run(sampler, every=every, looks=looks, until=until, progress=progress)
    if not sampler.samples and sampler.last_error is not None:
        raise sampler.last_error
    if not sampler.containers and not continued:
        where = "" if all_namespaces else f" in the namespace {quote(sampler.namespace)}"
        msg = f"Nothing was recorded: there are no pods with metrics{where}."
        raise RmtoolkitError(msg)
    recording = read_kubectl_top(lines)
    if lines != target:
        recording.write(target)
        lines.unlink()
    return recording


def _run(sampler: Sampler, *, every: float, looks: float, until: float | None, progress: bool | None) -> None:
    from tqdm import tqdm  # noqa: PLC0415 - only this needs it

    total = None if until is None else int(until / every) + 1
    begin = due = clock.monotonic()
    looked: float | None = None
    hidden = None if progress is None else not progress
    try:
        with tqdm(total=total, unit=" samples", desc="kubectl", disable=hidden, leave=False) as bar:
            while True:
                sampler.sample()
                if sampler.samples and (looked is None or due - looked >= looks):
                    sampler.look()
                    looked = due
                bar.set_postfix(containers=sampler.containers, failed=sampler.failed)
                bar.update()
                # What takes longer than an interval costs turns, and shifts none.
                due += every * max(1, math.ceil((clock.monotonic() - due) / every))
                if until is not None and due > begin + until:
                    break
                clock.sleep(max(0.0, due - clock.monotonic()))
        if sampler.samples and due - every != looked:
            sampler.look()
    except KeyboardInterrupt:
        # The usual end: a last look, for what restarted meanwhile.
        if not sampler.samples:
            raise
        with suppress(KeyboardInterrupt):
            sampler.look()


@contextmanager
def _appending(path: Path) -> Iterator[BinaryIO]:
    try:
        refuse_links(path)
        # What was checked above is opened, and nothing that was put in its place since.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(os.path.realpath(path), flags, 0o666), "ab+", buffering=0) as stream:
            if size := stream.seek(0, os.SEEK_END):
                stream.seek(0)
                if not _OURS.match(stream.read(200)):
                    msg = f"Could not write {quote_path(path)}: it holds something else. Choose another name."
                    raise RmtoolkitError(msg)
                stream.seek(size - 1)
                if stream.read(1) != b"\n":
                    # A crash left half a line: it stays alone.
                    stream.write(b"\n")
            yield stream
    except OSError as error:
        msg = f"Could not write {quote_path(path)}: {system_words(error)}. What was recorded before is in it."
        raise RmtoolkitError(msg) from error
    finally:
        if path.exists() and not path.stat().st_size:
            path.unlink()
