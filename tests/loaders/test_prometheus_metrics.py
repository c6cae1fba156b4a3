"""Which metric means what."""

from __future__ import annotations

import pytest

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.prometheus._metrics import FACTS, Meant, is_known, meaning_of, spelled
from rmtoolkit.schema import IDENTITY
from rmtoolkit.text import texts


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("container_memory_working_set_bytes", "working_set_bytes"),
        ("container_memory_usage_bytes", "usage_bytes"),
        ("container_memory_rss", "anon_bytes"),
        ("container_memory_cache", "file_bytes"),
        ("container_memory_total_inactive_file_bytes", "inactive_file_bytes"),
        ("container_memory_swap", "swap_bytes"),
        ("container_memory_kernel_usage", "kernel_bytes"),
        ("container_memory_mapped_file", "file_mapped_bytes"),
        ("container_memory_max_usage_bytes", "peak_bytes"),
        ("container_pressure_memory_waiting_seconds_total", "psi_some_seconds"),
        ("container_pressure_memory_stalled_seconds_total", "psi_full_seconds"),
        ("container_memory_workingset_refault_file_total", "refaults_total"),
        ("container_memory_workingset_refault_anon_total", "refaults_total"),
        ("container_threads", "threads"),
        ("node_namespace_pod_container:container_memory_rss", "anon_bytes"),
        ("kube_pod_container_resource_limits_memory_bytes", "limit_bytes"),
        ("kube_pod_init_container_status_restarts_total", "restarts_total"),
        ("process_resident_memory_bytes", "rss_bytes"),
        ("process_num_threads", "threads"),
        ("process_thread_count", "threads"),
        ("process_open_file_descriptor_count", "descriptors"),
        ("process_open_fds", "descriptors"),
        ("container_file_descriptors", "descriptors"),
        ("scrape_samples_scraped", "series"),
        ("tokio_live_tasks_count", "tasks"),
        ("flags_tokio_alive_tasks", "tasks"),
        ("nym_node_tokio_runtime_num_alive_tasks", "tasks"),
        ("num_alive_tasks", "tasks"),
        ("live_tasks_count", "tasks"),
        ("tokio_runtime_alive_tasks", "tasks"),
        ("http_requests_total", "work_total"),
        ("axum_http_requests_total", "work_total"),
        ("http_server_requests_seconds_count", "work_total"),
        ("http_server_request_duration_seconds_count", "work_total"),
        ("http_request_duration_seconds_count", "work_total"),
        ("rpc_server_call_duration_seconds_count", "work_total"),
        ("grpc_server_handled_total", "work_total"),
    ],
)
def test_known_names(name: str, role: str) -> None:
    """Names of cAdvisor, the kubelet, kube-state-metrics and process collectors are known by heart."""
    meaning = meaning_of(name, {}, {})
    assert meaning is not None
    assert meaning.role == role


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("jemalloc_allocated_bytes", "allocated_bytes"),
        ("jemalloc_bytes_resident", "resident_bytes"),
        ("jemalloc_active", "active_bytes"),
        ("reth_jemalloc_resident", "resident_bytes"),
        ("greptime_sys_jemalloc_allocated", "allocated_bytes"),
        ("sys_jemalloc_resident_bytes", "resident_bytes"),
        ("apollo_router_jemalloc_mapped", "mapped_bytes"),
        ("jemalloc_total_allocated_bytes", "allocated_bytes"),
        ("app_jemalloc_stats_metadata", "metadata_bytes"),
        ("memory_retained_bytes", "retained_bytes"),
    ],
)
def test_allocator_gauges_by_pattern(name: str, role: str) -> None:
    """The gauges of jemalloc have no standard name; every family seen in the wild is found."""
    meaning = meaning_of(name, {}, {})
    assert meaning is not None
    assert (meaning.role, meaning.family) == (role, "app")


@pytest.mark.parametrize(
    "name",
    [
        "jemalloc_prof_active",
        "jemalloc_arena_0_allocated",
        "jemalloc_arenas_active",
        "jemalloc_bins_allocated",
        "jemalloc_tcache_allocated",
        "jemalloc_active_threads",
        "jemalloc_epoch",
        "app_allocated_bytes",
        "container_cpu_usage_seconds_total",
        "http_client_requests_total",
        "upstream_http_requests_total",
        "job:http_requests_total:rate5m",
        "job:http_requests_total",
        "promhttp_metric_handler_requests_total",
        "http_request_duration_seconds_sum",
        "http_requests_in_flight",
        "up",
    ],
)
def test_parts_and_strangers_are_no_totals(name: str) -> None:
    """Numbers of single arenas, bins or caches, what is asked of others, rules and scrapes, count nothing here."""
    assert meaning_of(name, {}, {}) is None


@pytest.mark.parametrize(
    ("name", "labels", "role"),
    [
        ("tikv_allocator_stats", {"type": "allocated"}, "allocated_bytes"),
        ("tikv_allocator_stats", {"type": "dirty"}, None),
        ("jemalloc_memstats_bytes", {"stat": "stats.retained"}, "retained_bytes"),
        ("jemalloc_memstats_bytes", {"stat": "alloc"}, "allocated_bytes"),
        ("jemalloc_memory_bytes", {"kind": "resident"}, "resident_bytes"),
        ("kube_pod_container_resource_limits", {"resource": "memory"}, "limit_bytes"),
        ("kube_pod_container_resource_limits", {"resource": "cpu"}, "quota_cores"),
        ("kube_pod_container_resource_requests", {"resource": "cpu"}, None),
        ("kube_pod_container_resource_limits", {"unit": "byte"}, "limit_bytes"),
        ("kube_pod_container_resource_limits", {"unit": "core"}, "quota_cores"),
        ("kube_pod_container_resource_limits", {"unit": "integer"}, None),
        ("kube_pod_container_resource_limits", {"resource": "ephemeral_storage", "unit": "byte"}, None),
        ("kube_pod_container_resource_requests", {"unit": "core"}, None),
        ("kube_pod_init_container_resource_limits", {"unit": "byte"}, "limit_bytes"),
        ("process_threads", {"unit": "integer"}, "threads"),
        ("container_memory_rss", {"unit": "core"}, "anon_bytes"),
        ("kube_pod_container_resource_limits_cpu_cores", {}, "quota_cores"),
        ("kube_pod_container_resource_requests_cpu_cores", {}, None),
        ("kube_node_status_capacity", {"unit": "byte"}, None),
        ("kube_node_status_capacity", {"unit": "core"}, "node_cores"),
    ],
)
def test_kind_in_a_label(name: str, labels: dict[str, str], role: str | None) -> None:
    """Where one metric holds several kinds, the label tells."""
    meaning = meaning_of(name, labels, {})
    assert (meaning.role if meaning else None) == role


def test_the_user_knows_better() -> None:
    """What the user says goes before what is known."""
    overrides = Meant.checked({"container_memory_rss": "rss_bytes", "heap": "allocated_bytes"}, None, None).metrics
    known, new = (meaning_of(name, {}, overrides) for name in overrides)
    assert known is not None
    assert (known.role, known.family) == ("rss_bytes", "cgroup")
    assert new is not None
    assert (new.role, new.family) == ("allocated_bytes", "app")
    assert is_known("heap", overrides)


def test_a_name_with_dots_is_the_users_before_it_is_spelled_without() -> None:
    """What the user names is meant as it is written; other names of OpenTelemetry are those that are known."""
    roles = {"container.memory.rss": "rss_bytes", "shop.heap": "allocated_bytes"}
    meant = {name: meaning_of(name, {}, roles) for name in (*roles, "container.memory.working_set")}
    told = {name: one and one.role for name, one in meant.items()}
    assert told == {**roles, "container.memory.working_set": "working_set_bytes"}


def test_unknown_signals_are_refused() -> None:
    """A misspelt signal is an error that says which ones there are."""
    with pytest.raises(RmtoolkitError, match="did you mean 'allocated_bytes'"):
        Meant.checked({"heap": "alocated_bytes"}, None, None)
    with pytest.raises(RmtoolkitError, match=r"There are: usage_bytes, working_set_bytes"):
        Meant.checked({"heap": "42"}, None, None)


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        ({"failure_type": "pgmajfault", "scope": "container"}, True),
        ({"failure_type": "pgfault", "scope": "container"}, False),
        ({"failure_type": "pgmajfault", "scope": "hierarchy"}, False),
    ],
    ids=["major", "minor", "hierarchy"],
)
def test_only_major_faults_of_the_container_are_refaults(labels: dict[str, str], *, known: bool) -> None:
    """A first touch of a page is no sign of pressure, and the sum over a hierarchy would count twice."""
    meaning = meaning_of("container_memory_failures_total", labels, {})
    assert (meaning is not None and meaning.role == "refaults_total") == known


def test_no_name_has_two_meanings() -> None:
    """The table of names gives each once, for something that is used; labels tell what identifies a container."""
    told = texts("loaders/prometheus/metrics")
    names = [name for some in told["names"].values() for name in some]
    assert len(names) == len(set(names))
    assert set(told["meant"]) <= set(names)
    assert {"working_set_bytes", "limit_bytes", "request_bytes"} <= told["names"].keys()
    assert set(FACTS) <= told["names"].keys()
    assert set(told["labels"]) <= {*IDENTITY, "node", "workload"}
    assert all(len(some) == len(set(some)) for some in told["labels"].values())


@pytest.mark.parametrize("prefix", ["", "exported_"], ids=["as it is", "renamed by a scrape"])
def test_target_info_tells_where_a_process_runs(prefix: str) -> None:
    """What it says of a job and an instance holds for their series; what two pods say of one, for neither."""
    target = {f"{prefix}job": "shop/db", f"{prefix}instance": "7c2e"}
    process = {"__name__": "process_memory_usage_bytes", **target}
    info = {"__name__": "target_info", **target, "k8s.namespace.name": "shop", "service_version": "1"}
    nobody = Meant({}, {}, None, {})
    (one, _) = spelled([process, {**info, "k8s.pod.name": "db-0"}], nobody)
    assert one == {**process, "k8s_namespace_name": "shop", "k8s_pod_name": "db-0"}
    (one, *_) = spelled([process, {**info, "k8s.pod.name": "db-0"}, {**info, "k8s.pod.name": "db-1"}], nobody)
    assert one == {**process, "k8s_namespace_name": "shop"}
    (one, _) = spelled([{**process, f"{prefix}instance": "other"}, {**info, "k8s.pod.name": "db-0"}], nobody)
    assert one == {**process, f"{prefix}instance": "other"}
