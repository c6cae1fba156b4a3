"""The PromQL that shows in Grafana what a verdict rests on."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.analysis.records import evidence_of

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Columns of the frame that `frame` makes.
QUERIES: Final = pl.Schema({"shows": pl.String(), "promql": pl.String()})

#: Metrics of the container, as cAdvisor names them, by signal.
_CGROUP: Final = {
    "working_set_bytes": "container_memory_working_set_bytes",
    "usage_bytes": "container_memory_usage_bytes",
    "anon_bytes": "container_memory_rss",
    "file_bytes": "container_memory_cache",
    "kernel_bytes": "container_memory_kernel_usage",
    "peak_bytes": "container_memory_max_usage_bytes",
    "threads": "container_threads",
}
#: Of the process itself, as Prometheus' client libraries name them.
_PROCESS: Final = {"rss_bytes": "process_resident_memory_bytes"}
#: No two exporters of jemalloc agree on names: a pattern finds them all.
_ALLOCATOR: Final = ("allocated", "active", "resident", "retained", "mapped", "metadata")
_WORDS: Final = {
    "working_set_bytes": "Working set",
    "usage_bytes": "Usage",
    "anon_bytes": "Anonymous memory",
    "rss_bytes": "RSS",
    "allocated_bytes": "Live heap",
}
_REGEX: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WEEK_SECONDS: Final = 604_800
_SHORTEST_SECONDS: Final = 300
_LAST_CONTROL: Final = 0x20


@dataclass(frozen=True, slots=True)
class Query:
    """One query."""

    shows: str
    promql: str


def quoted(text: str) -> str:
    r"""Write text as a PromQL string."""
    written = []
    # Half a surrogate is no character: no label of Prometheus can hold one.
    for letter in _SURROGATE.sub("\ufffd", text):
        if letter in _ESCAPES:
            written.append(_ESCAPES[letter])
        elif ord(letter) < _LAST_CONTROL or ord(letter) == 0x7F:
            written.append(f"\\x{ord(letter):02x}")
        else:
            # Prometheus takes the mark of a broken character for one, unless it is escaped.
            plain = letter.isprintable() and letter != "\ufffd"
            written.append(letter if plain else f"\\U{ord(letter):08x}")
    return '"' + "".join(written) + '"'


def literal(text: str) -> str:
    r"""Write text as an RE2 expression that matches it and nothing else."""
    return _REGEX.sub(lambda found: "\\" + found[0], text)


def queries(row: dict[str, Any]) -> Iterator[Query]:
    """Write the queries that show what a verdict rests on."""
    names = _Names(row)
    evidence = evidence_of(row)
    signal = row.get("signal")
    if signal is not None:
        shown, window = names.signal(signal), _window(evidence)
        word = _WORDS.get(signal, signal)
        yield Query(f"{word}, which the verdict rests on", shown)
        yield Query(f"Growth of it, bytes a day over {window}", f"deriv({shown}[{window}]) * 86400")
    if names.in_kubernetes:
        yield Query("Working set as a share of the limit", _share_of_limit(names))
        restarts = f"kube_pod_container_status_restarts_total{names.pods()}"
        yield Query("Restarts within a week", f"increase({restarts}[7d])")
        reason = "kube_pod_container_status_last_terminated_reason" + names.pods('reason="OOMKilled"')
        yield Query("Containers whose last end was an OOM kill", f"{reason} == 1")
    if "growth_per_work" in evidence or "follows_load" in evidence:
        matchers = names.process()
        yield Query("Requests a second (put your own counter here)", f"sum(rate(http_requests_total{matchers}[5m]))")
    if {"threads_rise", "threads_many"} & evidence.keys():
        yield Query("Threads", names.signal("threads"))
    if {"psi_some_seconds", "psi_full_seconds", "at_limit"} & evidence.keys():
        waiting = f"container_pressure_memory_waiting_seconds_total{names.container()}"
        yield Query("Share of time that tasks wait for memory", f"rate({waiting}[5m])")
    if {"kept", "slack", "outside", "live_heap"} & evidence.keys():
        for kind in ("allocated", "active", "resident"):
            if f"{kind}_bytes" != signal:
                yield Query(f"jemalloc, {kind}", names.signal(f"{kind}_bytes"))
    if "kernel" in evidence:
        yield Query("What the kernel holds for the container", names.signal("kernel_bytes"))
    if {"cache", "shmem"} & evidence.keys():
        yield Query("Page cache, files in memory included", names.signal("file_bytes"))


def _share_of_limit(names: _Names) -> str:
    by = "max by (namespace, pod, container)"
    limit = "kube_pod_container_resource_limits" + names.pods('resource="memory"')
    return f"{by} ({names.signal('working_set_bytes')}) / {by} ({limit})"


class _Names:
    """Label matchers of one workload container."""

    def __init__(self, row: dict[str, Any]) -> None:
        self._places = [
            f"{label}={quoted(row[label])}" for label in ("cluster", "namespace") if row.get(label) is not None
        ]
        pod = row.get("pod")
        workload = row.get("workload")
        if pod is not None:
            self._places.append(f"pod={quoted(pod)}")
        elif workload is not None and row.get("namespace") is not None:
            # The pod of a Deployment, a StatefulSet or a Job begins with its name; a bare pod's is its name.
            self._places.append(f"pod=~{quoted(literal(workload) + '(-.+)?')}")
        self.in_kubernetes = bool(self._places)
        self._container = row.get("container")
        self._name = workload

    def container(self) -> str:
        """For the metrics of cAdvisor: without a name, all containers but the sums over a pod."""
        if not self.in_kubernetes:
            name = self._container or self._name
            return _braces([f"name={quoted(name)}"] if name is not None else [])
        if self._container is None:
            return _braces([*self._places, 'container!=""', 'container!="POD"'])
        return _braces([*self._places, f"container={quoted(self._container)}"])

    def pods(self, *more: str) -> str:
        """For kube-state-metrics."""
        own = [f"container={quoted(self._container)}"] if self._container is not None else []
        return _braces([*self._places, *own, *more])

    def process(self, *more: str) -> str:
        """For what the process exports: scrape rules give it a namespace and a pod, seldom a container."""
        return _braces([*more, *self._places])

    def signal(self, signal: str) -> str:
        """The metric of a signal."""
        if signal in _CGROUP:
            return _CGROUP[signal] + self.container()
        if signal in _PROCESS:
            return _PROCESS[signal] + self.process()
        kind = signal.removesuffix("_bytes")
        if kind in _ALLOCATOR:
            pattern = f"(.+_)?jemalloc_(.+_)?{kind}(_bytes)?"
            return self.process(f"__name__=~{quoted(pattern)}")
        return "container_memory_working_set_bytes" + self.container()


def _braces(matchers: list[str]) -> str:
    return "{" + ",".join(matchers) + "}" if matchers else ""


def _window(evidence: dict[str, dict[str, Any]]) -> str:
    """The stretch that was judged, at most a week: a slope over less is noise."""
    found = evidence.get("growth")
    if found is None or found.get("start") is None or found.get("end") is None:
        return "6h"
    seconds = (found["end"] - found["start"]).total_seconds()
    seconds = min(max(seconds, _SHORTEST_SECONDS), _WEEK_SECONDS)
    return f"{round(seconds / 3600)}h" if seconds >= 3 * 3600 else f"{round(seconds / 60)}m"


def frame(row: dict[str, Any]) -> pl.DataFrame:
    """Lay out the queries for a verdict."""
    return pl.DataFrame([asdict(query) for query in queries(row)], schema=QUERIES)
