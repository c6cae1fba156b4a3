"""What each metric and label means: cAdvisor, kube-state-metrics, process collectors, allocators."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a series says."""

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
    r"|memory_(?P<kind3>allocated|active|resident|retained|metadata)_bytes"
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
    """Check what the user says that metrics mean."""
    for name, signal in (metrics or {}).items():
        if signal not in NAMEABLE:
            close = difflib.get_close_matches(str(signal), NAMEABLE, n=1)
            hint = f"Hint: did you mean {close[0]!r}?" if close else f"There are: {', '.join(NAMEABLE)}."
            msg = f"metrics={{{quote(name)}: {quote(signal)}}}: there is no signal {quote(signal)}. {hint}"
            raise RmtoolkitError(msg)
    return dict(metrics or {})


def meaning_of(name: str, labels: Mapping[str, str], overrides: Mapping[str, str]) -> Meaning | None:
    """Tell what a series says."""
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
    """Tell whether a name alone, as of a file, is that of a metric with a meaning."""
    return (
        name in overrides or name in KNOWN or _ALLOCATOR.fullmatch(name) is not None or bool(_BY_LABEL.fullmatch(name))
    )


def is_guess(name: str, overrides: Mapping[str, str]) -> bool:
    """Tell whether the meaning was read out of the name by a pattern, so that the user should see it."""
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


NO_NAME: Final = "series without a metric name"
NO_USE: Final = "series of metrics without a use here"
PAUSE: Final = 'series of pause containers (container="POD")'
NO_CONTAINER: Final = "series of nodes, slices and other cgroups that are no container"
_SHOWN_NAMES: Final = 8

#: Where a label with this meaning may stand, the best place first.
_NAMESPACE: Final = ("exported_namespace", "namespace", "container_label_io_kubernetes_pod_namespace")
_POD: Final = ("pod", "pod_name", "container_label_io_kubernetes_pod_name")
_CONTAINER: Final = ("container", "container_name", "container_label_io_kubernetes_container_name")
_UID: Final = ("uid", "pod_uid", "container_label_io_kubernetes_pod_uid")
_NODE: Final = ("exported_node", "node", "kubernetes_io_hostname", "nodename")
_REPLICA: Final = ("prometheus_replica", "replica", "__replica__", "prometheus")
_SOURCE: Final = ("job", "metrics_path", "endpoint", "service", "instance")
_COMPOSE: Final = ("container_label_com_docker_compose_service", "container_label_com_docker_swarm_service_name")
_WORKLOAD: Final = ("workload", *_COMPOSE)

#: A pod's uid in the path of its cgroup: dashes, or underscores with the systemd driver; 32 digits for static pods.
_UID_IN_ID: Final = r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"


class Described(NamedTuple):
    """The series that are used."""

    table: pl.DataFrame
    left_out: Counter[str]
    warnings: list[str]


def describe(labels: Sequence[Mapping[str, str]], overrides: Mapping[str, str]) -> Described:
    """Tell what each series says, and of what."""
    left_out: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    guessed: dict[str, str] = {}
    meanings: list[tuple[int, str, str, str, int]] = []
    for index, one in enumerate(labels):
        name = one.get("__name__")
        if not name:
            left_out[NO_NAME] += 1
            continue
        meaning = meaning_of(name, one, overrides)
        if meaning is None:
            unknown[name] += 1
            continue
        meanings.append((index, name, meaning.role, meaning.family, meaning.rank))
        if is_guess(name, overrides):
            guessed[name] = meaning.role if guessed.get(name, meaning.role) == meaning.role else "by label"
    if unknown:
        names = [quote(name) for name, _ in unknown.most_common(_SHOWN_NAMES)]
        more = f" and {len(unknown) - _SHOWN_NAMES} more" if len(unknown) > _SHOWN_NAMES else ""
        left_out[f"{NO_USE} ({', '.join(names)}{more})"] = unknown.total()
    table = _identified([labels[index] for index, *_ in meanings], meanings)
    pause = (pl.col("family") == "cgroup") & (pl.col("container") == "POD")
    nowhere = (pl.col("family") == "cgroup") & pl.col("no_container")
    left_out[PAUSE] = table.filter(pause).height
    left_out[NO_CONTAINER] = table.filter(nowhere & ~pause.fill_null(value=False)).height
    table = table.filter(~pause.fill_null(value=False), ~nowhere)
    warnings = [f"metric {quote(name)} was read as {role}" for name, role in sorted(guessed.items())]
    return Described(table.drop("no_container"), +left_out, warnings)


def _identified(
    labels: Sequence[Mapping[str, str]], meanings: Sequence[tuple[int, str, str, str, int]]
) -> pl.DataFrame:
    schema = {"series": pl.Int64(), "name": pl.String(), "role": pl.String(), "family": pl.String(), "rank": pl.Int64()}
    table = pl.DataFrame(meanings, schema=schema, orient="row")
    present = set().union(*labels)

    def label(name: str) -> pl.Series | None:
        # An empty label is the same as none.
        return pl.Series(name, [one.get(name) or None for one in labels], pl.String()) if name in present else None

    def first_of(names: Sequence[str]) -> pl.Expr:
        found = [pl.lit(column) for column in map(label, names) if column is not None]
        return pl.coalesce(*found, pl.lit(None, pl.String())) if found else pl.lit(None, pl.String())

    def joined(names: Sequence[str]) -> pl.Expr:
        found = [pl.lit(column).fill_null("") for column in map(label, names) if column is not None]
        return pl.concat_str(found, separator="\n") if found else pl.lit("")

    cgroup = pl.col("family") == "cgroup"
    table = table.with_columns(
        cluster=first_of(["exported_cluster", "cluster"]),
        namespace=first_of(_NAMESPACE),
        uid=first_of(_UID),
        node=first_of(_NODE),
        id=first_of(["id"]),
        docker=first_of(["name"]),
        replica=joined(_REPLICA),
        source=joined(_SOURCE),
        job=first_of(["job"]),
        instance=first_of(["instance"]),
        workload=first_of(_WORKLOAD),
        workload_kind=first_of(["workload_type"]),
        image=first_of(["image"]),
        image_id=first_of(["image_id"]),
        reason=first_of(["reason"]),
        # honor_labels=false: what the exporter said is "exported_…", and "pod" is the exporter's own.
        pod=pl.when(first_of(["exported_namespace"]).is_null()).then(first_of(_POD)),
        container=pl.when(first_of(["exported_pod"]).is_null()).then(first_of(_CONTAINER)),
    ).with_columns(
        pod=pl.coalesce(first_of(["exported_pod"]), "pod"),
        container=pl.coalesce(first_of(["exported_container"]), "container"),
    )
    # Without Kubernetes, cAdvisor names a container by `name` alone.
    is_docker = cgroup & pl.col("pod").is_null() & pl.col("container").is_null() & pl.col("docker").is_not_null()
    has_no_pod = pl.col("pod").is_null() & pl.col("container").is_null()
    level = (
        pl.when(pl.col("role").is_in(POD_ROLES))
        .then(pl.lit("pod"))
        .when(pl.col("role").is_in(OWNER_ROLES))
        .then(pl.lit("owner"))
        .otherwise(pl.lit("container"))
    )
    return table.with_columns(
        level=level,
        container=pl.when(is_docker).then("docker").otherwise("container"),
        no_container=cgroup & has_no_pod & ~is_docker & pl.col("id").is_not_null(),
        uid=pl.coalesce("uid", pl.col("id").str.extract(_UID_IN_ID, 1).str.replace_all("_", "-")),
        node=pl.coalesce("node", pl.when(cgroup).then(pl.col("instance").str.replace(r":\d+$", ""))),
        life=pl.when(pl.col("family") != "kube").then(pl.coalesce("id", pl.when(cgroup).then("docker"))),
        workload_kind=pl.col("workload_kind").replace_strict(_KINDS_SERIES, default=None, return_dtype=pl.String()),
        fact=pl.when(pl.col("role") == "image").then(None).otherwise("reason"),
    ).drop("id", "docker", "reason")


#: What recording rules call the kinds of owners.
_KINDS_SERIES: Final = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "replicaset": "ReplicaSet",
    "job": "Job",
    "cronjob": "CronJob",
    "rollout": "Rollout",
    "barepod": "Pod",
    "staticpod": "StaticPod",
}
