"""PromQL that shows in Grafana what a verdict rests on, and that watches for what would change it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from rmtoolkit._promql import exactly, quoted
from rmtoolkit.analysis.records import Evidence, Layer, Statistic, VerdictRow
from rmtoolkit.schema import Signal
from rmtoolkit.text import signal_word, texts

#: Metrics by signal: of the container, as cAdvisor names them, and of the process itself.
_CGROUP: Final[dict[str, str]] = texts("analysis/queries")["cgroup"]
_PROCESS: Final[dict[str, str]] = texts("analysis/queries")["process"]
#: The metric of a signal that has one name.
METRICS: Final = _CGROUP | _PROCESS
#: No two exporters of jemalloc agree on names: a pattern finds them all.
_ALLOCATOR: Final = ("allocated", "active", "resident", "retained", "mapped", "metadata")
#: Nor do exporters of counts of tasks.
_TASKS: Final = "(.+_)?(alive|live)_tasks(_count)?"
_WEEK_SECONDS: Final = 604_800
_SHORTEST_SECONDS: Final = 300
_DAY_SECONDS: Final = 86_400


class Query(Struct, frozen=True):
    shows: str
    promql: str


class Watched(StrEnum):
    GROWTH = "MemoryGrows"
    LIMIT = "MemoryReachesLimit"
    KILL = "MemoryOomKilled"
    GAUGES = "AllocatorGaugesOutOfOrder"


class Alert(Struct, frozen=True):
    """One rule: what is true of a workload when it fires, and how long it has to be."""

    watched: Watched
    promql: str
    wait_seconds: int
    #: The shortest history in which it can fire.
    needs_seconds: int


def queries(stored: Mapping[str, object]) -> Iterator[Query]:
    row = VerdictRow.stored(stored)
    names, evidence, signal = _Names(row), row.by_statistic, row.signal
    if signal is not None:
        shown, window = names.signal(signal), _window(evidence)
        word = signal_word(signal)
        yield Query(f"{word[:1].upper()}{word[1:]}, which the verdict rests on", shown)
        yield Query(f"Growth of it, bytes a day over {window}", f"deriv({shown}[{window}]) * 86400")
    if names.in_kubernetes:
        by = "max by (namespace, pod, container)"
        limit = "kube_pod_container_resource_limits" + names.pods('resource="memory"')
        share = f"{by} ({names.signal(Signal.WORKING_SET)}) / {by} ({limit})"
        yield Query("Working set as a share of the limit", share)
        restarts = f"kube_pod_container_status_restarts_total{names.pods()}"
        yield Query("Restarts within a week", f"increase({restarts}[7d])")
        reason = "kube_pod_container_status_last_terminated_reason" + names.pods('reason="OOMKilled"')
        yield Query("Containers whose last end was an OOM kill", f"{reason} == 1")
    if Statistic.GROWTH_PER_WORK in evidence or Statistic.FOLLOWS_LOAD in evidence:
        matchers = names.process()
        yield Query("Requests a second (put your own counter here)", f"sum(rate(http_requests_total{matchers}[5m]))")
    if {Statistic.THREADS_RISE, Statistic.THREADS_MANY} & evidence.keys():
        yield Query("Threads", names.signal(Signal.THREADS))
    held = evidence.get(Statistic.HELD_RISE)
    counted = str(held.signal) if held is not None else ""
    if counted in {Signal.TASKS, Signal.DESCRIPTORS, Signal.SERIES}:
        shown = signal_word(counted)
        yield Query(f"{shown[:1].upper()}{shown[1:]}", names.signal(counted))
    if {Signal.PSI_SOME, Signal.PSI_FULL, Statistic.AT_LIMIT} & evidence.keys():
        waiting = f"container_pressure_memory_waiting_seconds_total{names.container()}"
        yield Query("Share of time that tasks wait for memory", f"rate({waiting}[5m])")
    if {Layer.KEPT, Layer.SLACK, Layer.OUTSIDE, Statistic.LIVE_HEAP} & evidence.keys():
        for kind in (Signal.ALLOCATED, Signal.ACTIVE, Signal.RESIDENT):
            if kind != signal:
                yield Query(f"jemalloc, {kind.removesuffix('_bytes')}", names.signal(kind))
    if Layer.KERNEL in evidence:
        yield Query("What the kernel holds for the container", names.signal(Signal.KERNEL))
    if {Layer.CACHE, Layer.SHMEM} & evidence.keys():
        yield Query("Page cache, files in memory included", names.signal(Signal.FILE))


def alerts(stored: Mapping[str, object]) -> Iterator[Alert]:
    """Write the rules that watch a stored verdict: each gives one number for the whole workload, or nothing."""
    row = VerdictRow.stored(stored)
    names, evidence, floor = _Names(row), row.by_statistic, row.detection_floor_bytes_per_day
    if not names.matches:
        return
    held = names.highest(row.signal or Signal.WORKING_SET)
    start, end = stored.get("window_start"), stored.get("window_end")
    if floor and isinstance(start, dt.datetime) and isinstance(end, dt.datetime):
        # Between the two lows that are compared: a day, as nights differ from days; of short histories a third.
        lag = 60 * round(min(max((end - start).total_seconds() / 3, 3_600), _DAY_SECONDS) / 60)
        rate = _risen(held, lag)
        # A step, a release or a cache that fills is over before that: the older low has passed it.
        wait = 60 * round(lag * 1.25 / 60)
        yield Alert(Watched.GROWTH, f"max({rate}) > {floor:.0f}", wait, lag + lag // 4 + wait)
        if names.in_kubernetes:
            room = f"({names.limit()} - {names.highest(Signal.WORKING_SET)})"
            yield Alert(
                Watched.LIMIT, f"min({room} / ({rate} > {floor:.0f})) * 24 < 24", lag // 2, lag + lag // 4 + lag // 2
            )
    killed = f"increase(container_oom_events_total{names.container()}[1h]) > 0"
    if names.in_kubernetes:
        restarts = f"max by ({names.by}) (increase(kube_pod_container_status_restarts_total{names.pods()}[1h])) > 0"
        reason = "kube_pod_container_status_last_terminated_reason" + names.pods('reason="OOMKilled"')
        killed = f"({restarts} and max by ({names.by}) ({reason}) == 1) or {killed}"
    yield Alert(Watched.KILL, f"max({killed})", 0, 0)
    if row.signal == Signal.ALLOCATED or {Layer.KEPT, Layer.SLACK, Statistic.LIVE_HEAP} & evidence.keys():
        kinds = (Signal.ALLOCATED, Signal.ACTIVE, Signal.RESIDENT)
        allocated, active, resident = (names.highest(kind) for kind in kinds)
        yield Alert(Watched.GAUGES, f"max({allocated} > {active} or {active} > {resident})", 900, 900)


def _risen(held: str, lag_seconds: int) -> str:
    """Bytes a day by which the low of a quarter lies above the low of the quarter a lag earlier."""
    quarter, step = lag_seconds // 4, max(lag_seconds // 96, 15)
    window = f"{held}[{quarter}s:{step}s]"
    days = lag_seconds / _DAY_SECONDS
    return f"((min_over_time({window}) - min_over_time({window} offset {lag_seconds}s)) / {days:.6g})"


class _Names:
    def __init__(self, row: VerdictRow) -> None:
        named = (("cluster", row.cluster), ("namespace", row.namespace))
        self._places = [f"{label}={quoted(name)}" for label, name in named if name is not None]
        workload = row.workload
        # Pods come and go: those of a workload that has a name are asked for by it.
        if workload is None and row.pod is not None:
            self._places.append(f"pod={quoted(row.pod)}")
        elif workload is not None and row.namespace is not None:
            # The pod of a Deployment, a StatefulSet or a Job begins with its name; a bare pod's is its name.
            self._places.append(f"pod=~{quoted(exactly(workload) + '(-.+)?')}")
        self.in_kubernetes = bool(self._places)
        self._container = row.container
        self._name = workload
        #: Without a name a query would ask for everything that there is.
        self.matches = self.in_kubernetes or row.container is not None or workload is not None
        self.by = "namespace, pod" if self.in_kubernetes else "name"

    def container(self) -> str:
        """For the metrics of cAdvisor: without a name, all containers but the sums over a pod."""
        if not self.in_kubernetes:
            name = self._container or self._name
            return _braces([f"name={quoted(name)}"] if name is not None else [])
        if self._container is None:
            return _braces([*self._places, 'container!=""', 'container!="POD"'])
        return _braces([*self._places, f"container={quoted(self._container)}"])

    def pods(self, *more: str) -> str:
        own = [f"container={quoted(self._container)}"] if self._container is not None else []
        return _braces([*self._places, *own, *more])

    def process(self, *more: str) -> str:
        """For what the process exports: scrape rules give it a namespace and a pod, seldom a container."""
        return _braces([*more, *self._places])

    def signal(self, signal: str) -> str:
        if signal in _CGROUP:
            return _CGROUP[signal] + self.container()
        if signal in _PROCESS:
            return _PROCESS[signal] + self.process()
        if signal == Signal.TASKS:
            return self.process(f"__name__=~{quoted(_TASKS)}")
        kind = signal.removesuffix("_bytes")
        if kind in _ALLOCATOR:
            pattern = f"(.+_)?jemalloc_(.+_)?{kind}(_bytes)?"
            return self.process(f"__name__=~{quoted(pattern)}")
        return "container_memory_working_set_bytes" + self.container()

    def highest(self, signal: str) -> str:
        """The metric of a signal, once for each pod: exporters and scrapes may tell it several times."""
        return f"max by ({self.by}) ({self.signal(signal)})"

    def limit(self) -> str:
        """The limit of each pod, from kube-state-metrics or else from cAdvisor."""
        limits = "kube_pod_container_resource_limits" + self.pods('resource="memory"')
        spec = f"container_spec_memory_limit_bytes{self.container()} > 0"
        return f"(max by ({self.by}) ({limits}) or max by ({self.by}) ({spec}))"


def _braces(matchers: list[str]) -> str:
    return "{" + ",".join(matchers) + "}" if matchers else ""


def _window(evidence: Mapping[str, Evidence]) -> str:
    """The stretch that was judged, at most a week: a slope over less is noise."""
    found = evidence.get(Statistic.GROWTH)
    if found is None or found.start is None or found.end is None:
        return "6h"
    seconds = (found.end - found.start).total_seconds()
    seconds = min(max(seconds, _SHORTEST_SECONDS), _WEEK_SECONDS)
    return f"{round(seconds / 3600)}h" if seconds >= 3 * 3600 else f"{round(seconds / 60)}m"
