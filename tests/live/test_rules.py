"""What real clusters do to their metrics, each handled once and by rule; on a real server."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitWarning, UnknownWorkloadError
from rmtoolkit.schema import CORES
from tests.live.conftest import instant, pull, whole
from tests.live.history import END, MIB, ODD, SCRAPES, STEP
from tests.live.servers import T0

if TYPE_CHECKING:
    from tests.live.servers import Prometheus

pytestmark = pytest.mark.usefixtures("both_ways")


def values(recording: rm.Recording, signal: str = "working_set_bytes") -> list[int]:
    """The values of a recording of one container."""
    assert recording.containers.height == 1
    return recording.samples[signal].drop_nulls().to_list()


def test_of_two_replicas_one_is_used_and_the_other_fills_its_gaps(server: Prometheus) -> None:
    """Replicas scrape at other instants: mixed they would double the rate, so the second only fills gaps."""
    recording = whole(server, namespace="ha")
    seconds = [time.timestamp() - T0 for time in recording.samples["time"].to_list()]
    steps = {round(later - earlier) for earlier, later in itertools.pairwise(seconds)}
    assert min(steps) >= 8
    assert len(seconds) == SCRAPES
    assert "samples of a second Prometheus replica (it only fills gaps)" in recording.report.left_out


def test_a_restart_without_a_marker_is_one_container_after_another(server: Prometheus) -> None:
    """The old container seems to live on for minutes: from the new one's start it is not believed."""
    recording = whole(server, namespace="restart")
    found = values(recording)
    assert found == [500 * MIB] * 240 + [100 * MIB] * 240
    starts = recording.events.filter(kind="start")
    assert [time.timestamp() for time in starts["time"]] == [T0 + 240 * STEP]


def test_two_jobs_that_tell_of_one_container_count_once(server: Prometheus) -> None:
    """CAdvisor and the kubelet's resource metrics say the same: one of them is used."""
    recording = whole(server, namespace="twojobs")
    assert values(recording) == [70 * MIB] * SCRAPES
    assert recording.report.left_out["samples of a second job or exporter for the same container (it only fills gaps)"]


def test_rows_of_whole_pods_are_used_only_where_nothing_else_is_there(server: Prometheus) -> None:
    """The cgroup of a pod, and its pause container, would double its containers; alone, it is all there is."""
    shop = whole(server, namespace="shop")
    assert set(shop.containers["container"]) == {"api"}
    assert shop.samples.filter(pl.col("working_set_bytes") >= 300 * MIB).is_empty()
    lone = whole(server, namespace="whole")
    assert values(lone) == [33 * MIB] * SCRAPES
    assert "without series of containers" in " ".join(lone.report.notes())


def test_a_container_without_kubernetes_is_found_by_its_name(server: Prometheus) -> None:
    """Docker's containers have a name and no pod."""
    assert values(whole(server, workload="paperless")) == [44 * MIB] * SCRAPES


def test_a_kill_is_told_with_its_reason_time_and_limit(server: Prometheus) -> None:
    """Facts are looked at coarsely, and closely where something changed: the kill is where it was."""
    recording = whole(server, workload="api")
    kills = recording.events.filter(kind="oom_kill")
    assert kills.height == 1
    assert kills["time"].item().timestamp() == T0 + 240 * STEP - 2
    assert kills["value_bytes"].item() == 128 * MIB
    assert "OOMKilled" in kills["detail"].item()
    assert {"limits", "restarts", "reasons", "owners", "versions", "start times"} <= set(recording.report.found)


def test_owners_limits_and_versions_come_along(server: Prometheus) -> None:
    """A pod is its Deployment's; limits are those of memory, not of CPU."""
    rows = whole(server, namespace="shop").containers
    assert rows.select("workload", "workload_kind", "limit_bytes", "request_bytes", "version").unique().rows() == [
        ("api", "Deployment", 128 * MIB, 64 * MIB, "1.4.2"),
    ]
    assert rows["workload_inferred"].to_list() == [False, False]


@pytest.mark.parametrize("asked", [{}, {"namespace": "shop"}, {"workload": "api"}, {"pod": "api-7d4b9c8f6d-q2wxk"}])
def test_cpus_come_along(server: Prometheus, asked: dict[str, Any]) -> None:
    """The container's own limit and what its machine has, of a window of any length, as scraped or in steps."""
    windows: list[dict[str, Any]] = [{}, {"start": instant(END - 900)}, {"step": "10m"}]
    for window in windows:
        told = whole(server, **asked, **window).filter(namespace="shop").containers.select(*CORES)
        assert set(told.rows()) == {(2.0, 16.0)}


def test_a_quota_of_docker_is_that_of_its_period(server: Prometheus) -> None:
    """Without Kubernetes cAdvisor tells the limit, in microseconds of each period, and what its own machine has."""
    assert whole(server, workload="paperless").containers.select(*CORES).rows() == [(1.5, 4.0)]


def test_allocator_gauges_are_found_by_their_pattern_and_shown(server: Prometheus) -> None:
    """No two exporters agree on their names: what was found is said, and what is no total is left alone."""
    recording = whole(server, namespace="shop")
    assert recording.samples["allocated_bytes"].drop_nulls().unique().to_list() == [70 * MIB]
    assert "metric 'shop_jemalloc_allocated_bytes' was read as allocated_bytes" in recording.report.notes()


def test_the_user_says_what_a_metric_means(server: Prometheus) -> None:
    """`metrics=` goes before patterns, and finds what no pattern knows."""
    said = {"shop_requests_total": "work_total", "shop_jemalloc_resident_bytes": "rss_bytes"}
    recording = pull(server, namespace="shop", metrics=said)
    assert recording.samples["work_total"].max() == 10 * (SCRAPES - 1)
    assert recording.samples["rss_bytes"].max() == 90 * MIB
    assert recording.samples["resident_bytes"].null_count() == recording.samples.height
    with pytest.warns(RmtoolkitWarning, match=r"labels=\{'shp': 'node'\}: nothing at .* is called so"):
        pull(server, namespace="shop", metrics=said, labels={"shp": "node"})


def test_a_name_that_would_break_a_query_is_only_a_name(server: Prometheus) -> None:
    """Quotes, braces, line ends and operators in a namespace find exactly that namespace."""
    recording = whole(server, namespace=ODD)
    assert recording.containers["namespace"].to_list() == [ODD]
    several = pull(server, namespace=[ODD, "shop"])
    assert set(several.containers["namespace"]) == {ODD, "shop"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"namespace": "shopp"}, r"No namespace 'shopp'\. There are: .*did you mean 'shop'"),
        ({"pod": "ha-1"}, r"No pod 'ha-1'\. There are: .*did you mean 'ha-0'"),
        ({"workload": "apj"}, r"No workload 'apj'\. There are: .*did you mean 'api'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_name_that_does_not_exist_is_answered_with_those_that_do(
    server: Prometheus, asked: dict[str, Any], said: str
) -> None:
    """Nothing found is no empty recording but a hint."""
    with pytest.raises(UnknownWorkloadError, match=said):
        pull(server, **asked)


def test_a_window_without_samples_is_said(server: Prometheus) -> None:
    """Before the history begins there is nothing, and the message names the time."""
    with pytest.raises(ValueError, match=r"no memory of containers between 2020-01-01 .* no samples at all"):
        pull(server, start="2020-01-01", end="2020-01-02")


def test_a_pull_is_few_requests(server: Prometheus) -> None:
    """One to find out, few for samples and facts: twelve is the most for a week of fifty services."""
    from tests.live.proxy import Proxy

    with Proxy(server.url) as proxy:
        pull(proxy, namespace="shop")
    assert len(proxy.seen) <= 8
    assert {seen.method for seen in proxy.seen} == {"POST"}
    assert not [seen.path for seen in proxy.seen if "?" in seen.path]


def test_what_lives_between_two_looks_is_found(server: Prometheus) -> None:
    """A job of three minutes, with a gauge of its own, is in none of the instants that are looked at."""
    recording = whole(server, workload="nightly")
    assert values(recording) == [11 * MIB] * 10
    assert values(recording, "allocated_bytes") == [9 * MIB] * 10
    assert recording.containers["workload_kind"].to_list() == ["CronJob"]


def test_a_server_reads_like_a_file(server: Prometheus) -> None:
    """`rm.read` takes an address, and the verdicts follow as from any other source."""
    recording = rm.read(server.url, start=instant(T0), end=instant(END), namespace="shop")
    assert recording.report.sources == (server.url,)
    assert rm.classify(recording)["workload"].to_list() == ["api"]
    assert recording.samples.select(pl.col("time").max()).item() == instant(END)
