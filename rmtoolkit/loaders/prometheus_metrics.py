"""What the metrics of cAdvisor, kube-state-metrics, process collectors and allocators mean."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a series says.

    Attributes
    ----------
    role
        A signal of the samples (``working_set_bytes``), or a fact from which events and columns come
        (``restarts_total``).
    family
        Who says it: ``cgroup`` (cAdvisor, kubelet), ``kube`` (kube-state-metrics), ``app`` (the process itself).
    rank
        Of several metrics that say the same of a container, the lowest is used.
    """

    role: str
    family: str
    rank: int = 0


_CGROUP: Final = {
    "container_memory_working_set_bytes": ("working_set_bytes", 0),
    "node_namespace_pod_container:container_memory_working_set_bytes": ("working_set_bytes", 1),
    "pod_memory_working_set_bytes": ("working_set_bytes", 2),
    "container_memory_usage_bytes": ("usage_bytes", 0),
    # Not a process's RSS: cgroup v1 total_rss or v2 anon, both without shared memory.
    "container_memory_rss": ("anon_bytes", 0),
    "node_namespace_pod_container:container_memory_rss": ("anon_bytes", 1),
    "container_memory_cache": ("file_bytes", 0),
    "node_namespace_pod_container:container_memory_cache": ("file_bytes", 1),
    "container_memory_total_inactive_file_bytes": ("inactive_file_bytes", 0),
    "container_memory_swap": ("swap_bytes", 0),
    "node_namespace_pod_container:container_memory_swap": ("swap_bytes", 1),
    "container_swap_usage_bytes": ("swap_bytes", 2),
    "pod_swap_usage_bytes": ("swap_bytes", 3),
    "container_memory_kernel_usage": ("kernel_bytes", 0),
    "container_memory_max_usage_bytes": ("peak_bytes", 0),
    "container_pressure_memory_waiting_seconds_total": ("psi_some_seconds", 0),
    "container_pressure_memory_stalled_seconds_total": ("psi_full_seconds", 0),
    # Pages that were dropped and had to be read again: memory is short, though it stands still.
    "container_memory_workingset_refault_file_total": ("refaults_total", 0),
    "container_memory_workingset_refault_anon_total": ("refaults_total", 1),
    "container_memory_failures_total": ("refaults_total", 2),
    "container_threads": ("threads", 0),
    "container_start_time_seconds": ("start_time_seconds", 0),
    "container_oom_events_total": ("oom_events_total", 0),
    "container_spec_memory_limit_bytes": ("limit_bytes", 9),
}

_KUBE_CONTAINER: Final = {
    "resource_limits": ("limit_bytes", 0),
    "resource_limits_memory_bytes": ("limit_bytes", 1),
    "resource_requests": ("request_bytes", 0),
    "resource_requests_memory_bytes": ("request_bytes", 1),
    "status_restarts_total": ("restarts_total", 0),
    "status_last_terminated_reason": ("last_terminated_reason", 0),
    "status_last_terminated_exitcode": ("last_terminated_exitcode", 0),
    "status_last_terminated_timestamp": ("last_terminated_timestamp", 0),
    "status_terminated_reason": ("terminated_reason", 0),
    "state_started": ("started_seconds", 0),
    "info": ("image", 0),
}

_KUBE: Final = {
    **{
        f"kube_pod_{kind}_{name}": meaning
        for kind in ("container", "init_container")
        for name, meaning in _KUBE_CONTAINER.items()
    },
    "cluster:namespace:pod_memory:active:kube_pod_container_resource_limits": ("limit_bytes", 2),
    "cluster:namespace:pod_memory:active:kube_pod_container_resource_requests": ("request_bytes", 2),
    "kube_pod_owner": ("pod_owner", 0),
    "kube_pod_info": ("pod_info", 0),
    "kube_pod_start_time": ("pod_start_seconds", 0),
    "kube_pod_status_reason": ("pod_reason", 0),
    "kube_replicaset_owner": ("replicaset_owner", 0),
    "kube_job_owner": ("job_owner", 0),
    "namespace_workload_pod:kube_pod_owner:relabel": ("pod_workload", 0),
}

_APP: Final = {
    "process_resident_memory_bytes": ("rss_bytes", 0),
    "process_threads": ("threads", 1),
    "process_num_threads": ("threads", 2),
    "process_start_time_seconds": ("process_start_seconds", 0),
}

#: All metrics that are known by their whole name.
KNOWN: Final = {
    name: Meaning(role, family, rank)
    for family, table in (("cgroup", _CGROUP), ("kube", _KUBE), ("app", _APP))
    for name, (role, rank) in table.items()
}

#: Which of the page faults that cAdvisor counts go to the disk; its other series count every first touch of a page.
_MAJOR_FAULTS: Final = {"failure_type": "pgmajfault", "scope": "container"}

#: Facts about a pod or its owner, not about one of its containers.
POD_ROLES: Final = ("pod_owner", "pod_info", "pod_start_seconds", "pod_reason", "pod_workload")
OWNER_ROLES: Final = ("replicaset_owner", "job_owner")

#: Facts of a container from which events and columns come.
FACTS: Final = (
    "limit_bytes",
    "request_bytes",
    "restarts_total",
    "start_time_seconds",
    "started_seconds",
    "process_start_seconds",
    "oom_events_total",
    "last_terminated_reason",
    "last_terminated_exitcode",
    "last_terminated_timestamp",
    "terminated_reason",
    "image",
)

#: What `metrics=` may say that a metric means.
NAMEABLE: Final = (*SIGNALS, "limit_bytes", "request_bytes", "restarts_total", "start_time_seconds", "oom_events_total")

_KINDS: Final = ("allocated", "active", "resident", "mapped", "retained", "metadata")
_ANY_KIND: Final = "|".join(_KINDS)
#: No exporter agrees with another on these names; see facts of the jemalloc crates' users.
_ALLOCATOR: Final = re.compile(
    rf"(?:.*[_:])?jemalloc_(?:.*_)?(?P<kind>{_ANY_KIND})(?:_bytes)?"
    rf"|(?:.*[_:])?jemalloc_(?:.*_)?bytes_(?P<kind2>{_ANY_KIND})"
    r"|memory_(?P<kind3>allocated|active|resident|retained|metadata)_bytes",
)
#: Numbers of jemalloc that carry the same words but are no totals of the process.
_NO_TOTAL: Final = re.compile(r"(?:arenas?|threads?|tcache|bins?|extents?|small|large|huge|prof|opt|merged)(?:_|\b|\d)")
#: `tikv_allocator_stats{type="allocated"}`, `jemalloc_memstats_bytes{stat="allocated"}`.
_BY_LABEL: Final = re.compile(r".*(?:allocator|jemalloc).*stats?(?:_bytes)?|(?:.*[_:])?jemalloc(?:_memory)?_bytes")
#: What a server is asked for (RE2); which of these are meant is then told by their whole name.
ALLOCATOR_NAMES: Final = (
    ".*jemalloc.*|.*allocator.*stats?(_bytes)?|memory_(allocated|active|resident|retained|metadata)_bytes"
)
_KIND_LABELS: Final = ("type", "stat", "kind", "name", "state")


def check_overrides(metrics: Mapping[str, str] | None) -> dict[str, str]:
    """Check what the user says that metrics mean.

    Parameters
    ----------
    metrics
        Metric name to signal.

    Returns
    -------
    dict
        The same.

    Raises
    ------
    RmtoolkitError
        There is no such signal.

    Examples
    --------
    >>> check_overrides({"http_requests_total": "work_totl"})
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: metrics={'http_requests_total': 'work_totl'}: there is no signal \
'work_totl'. Hint: did you mean 'work_total'?
    """
    for name, signal in (metrics or {}).items():
        if signal not in NAMEABLE:
            close = difflib.get_close_matches(str(signal), NAMEABLE, n=1)
            hint = f"Hint: did you mean {close[0]!r}?" if close else f"There are: {', '.join(NAMEABLE)}."
            msg = f"metrics={{{quote(name)}: {quote(signal)}}}: there is no signal {quote(signal)}. {hint}"
            raise RmtoolkitError(msg)
    return dict(metrics or {})


def meaning_of(name: str, labels: Mapping[str, str], overrides: Mapping[str, str]) -> Meaning | None:
    """Tell what a series says.

    Parameters
    ----------
    name
        The metric's name.
    labels
        Its labels; some metrics carry the kind of memory there.
    overrides
        What the user says that metrics mean; these go first.

    Returns
    -------
    Meaning or None
        None for a metric that is not known, or not about memory.

    Examples
    --------
    >>> meaning_of("reth_jemalloc_resident", {}, {})
    Meaning(role='resident_bytes', family='app', rank=0)
    >>> meaning_of("tikv_allocator_stats", {"type": "allocated"}, {}).role
    'allocated_bytes'
    >>> meaning_of("kube_pod_container_resource_limits", {"resource": "cpu"}, {}) is None
    True
    """
    if name in overrides:
        family = KNOWN[name].family if name in KNOWN else ("cgroup" if name.startswith("container_") else "app")
        return Meaning(overrides[name], family, -1)
    known = KNOWN.get(name)
    if known is not None:
        is_memory = labels.get("resource", "memory") == "memory"
        is_refault = all(labels.get(label, value) == value for label, value in _MAJOR_FAULTS.items())
        return known if is_memory and (is_refault or name != "container_memory_failures_total") else None
    kind = _allocator_kind(name, labels)
    return Meaning(f"{kind}_bytes", "app") if kind else None


def is_known(name: str, overrides: Mapping[str, str]) -> bool:
    """Tell whether a name alone, as of a file, is that of a metric with a meaning.

    Parameters
    ----------
    name
        Perhaps a metric's name.
    overrides
        What the user says that metrics mean.

    Returns
    -------
    bool
        It is.

    Examples
    --------
    >>> is_known("container_memory_rss", {}), is_known("answer", {}), is_known("heap", {"heap": "allocated_bytes"})
    (True, False, True)
    """
    return (
        name in overrides or name in KNOWN or _ALLOCATOR.fullmatch(name) is not None or bool(_BY_LABEL.fullmatch(name))
    )


def is_guess(name: str, overrides: Mapping[str, str]) -> bool:
    """Tell whether the meaning was read out of the name by a pattern, so that the user should see it.

    Parameters
    ----------
    name
        Metric with a meaning.
    overrides
        What the user says that metrics mean.

    Returns
    -------
    bool
        The name is in no table.

    Examples
    --------
    >>> is_guess("reth_jemalloc_resident", {}), is_guess("container_memory_rss", {})
    (True, False)
    """
    return name not in KNOWN and name not in overrides


def _allocator_kind(name: str, labels: Mapping[str, str]) -> str | None:
    if _NO_TOTAL.search(name.partition("jemalloc")[2]):
        return None
    found = _ALLOCATOR.fullmatch(name)
    if found:
        return found["kind"] or found["kind2"] or found["kind3"]
    if _BY_LABEL.fullmatch(name):
        kinds = (labels.get(label, "").removeprefix("stats.").removesuffix("_bytes") for label in _KIND_LABELS)
        return next((kind for kind in kinds if kind in _KINDS), None)
    return None
