"""`rm.read_kubectl_top` on every real file in tests/data/kubectl: what each says is known, see the README there."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning

DATA: Final = Path(__file__).parents[1] / "data" / "kubectl"
MI: Final = 1 << 20

LONG: Final = (
    "a-pod-with-a-very-long-name-that-kubernetes-still-permits-because-names-may-be-up-to-253-chars-7c9d8f6b5-abcde"
)
API: Final = "api-7d9f8b6c5d-x2x7k"
COREDNS: Final = "coredns-5d78c9869d-8zq6v"
LEAKY: Final = "leaky-66f9c6b9b8-q5w2z"

UNAVAILABLE: Final = "Error from server (ServiceUnavailable): the server is currently unable to handle the request"

Row = tuple[str | None, str, str | None, int]


def rows(recording: rm.Recording) -> list[tuple[str | None, str, str | None, int]]:
    """Namespace, pod, container and bytes of every sample, sorted."""
    table = recording.samples.join(recording.containers, on="container_id")
    found = table.select("namespace", "pod", "container", "working_set_bytes").rows()
    return sorted(found, key=lambda row: tuple(str(cell) for cell in row))


def in_mi(expected: list[Row]) -> list[Row]:
    """Give the rows of a table in bytes, in the order of `rows`."""
    scaled = [(namespace, pod, container, amount * MI) for namespace, pod, container, amount in expected]
    return sorted(scaled, key=lambda row: tuple(str(cell) for cell in row))


def times(recording: rm.Recording) -> list[str]:
    """When there are samples, as clock times."""
    return [f"{time:%H:%M:%S}" for time in recording.samples["time"].unique().sort()]


def default_pods(namespace: str | None) -> list[Row]:
    return [
        (namespace, LONG, None, 1024),
        (namespace, API, None, 230),
        (namespace, "ingest-rs-0", None, 1536),
        (namespace, "tiny", None, 0),
    ]


def default_containers(namespace: str | None) -> list[Row]:
    return [
        (namespace, LONG, "main", 1024),
        (namespace, API, "api", 179),
        (namespace, API, "istio-proxy", 51),
        (namespace, "ingest-rs-0", "ingest", 1536),
        (namespace, "tiny", "tiny", 0),
    ]


def all_pods(leaky: int) -> list[Row]:
    return [
        *default_pods("default"),
        ("kube-system", COREDNS, None, 17),
        ("team-a", LEAKY, None, leaky),
        ("team-a", "worker-0", None, 2872),
    ]


def worker(namespace: str | None) -> list[Row]:
    return [
        (namespace, "worker-0", "init-wait", 0),
        (namespace, "worker-0", "sidecar", 11),
        (namespace, "worker-0", "worker", 2861),
    ]


def all_containers(leaky: int) -> list[Row]:
    return [
        *default_containers("default"),
        ("kube-system", COREDNS, "coredns", 17),
        ("team-a", LEAKY, "leaky", leaky),
        *worker("team-a"),
    ]


ONE_TABLE: Final[dict[str, list[Row]]] = {
    "pod": default_pods(None),
    "pod_noheaders": default_pods(None),
    "pod_sum": default_pods(None),
    "pod_sum_noheaders": default_pods(None),
    "pod_n_teama": [(None, LEAKY, None, 320), (None, "worker-0", None, 2872)],
    "pod_one": [(None, "ingest-rs-0", None, 1536)],
    "pod_label": [("team-a", "worker-0", None, 2872)],
    "pod_A": all_pods(319),
    "pod_A_noheaders": all_pods(319),
    "pod_A_sum": all_pods(323),
    "pod_A_sum_noheaders": all_pods(323),
    "pod_sort_memory": all_pods(325),
    "pod_sort_cpu": all_pods(325),
    "pod_noproto": all_pods(327),
    "pod_containers": default_containers(None),
    "pod_containers_noheaders": default_containers(None),
    "pod_containers_sum": default_containers(None),
    "pod_one_containers": worker(None),
    "pod_A_containers": all_containers(321),
    "pod_A_containers_noheaders": all_containers(321),
    "pod_A_containers_sum": all_containers(324),
    "synthetic/pod_show_swap_1_34": [(None, "worker-0", None, 2872), (None, "tiny", None, 0)],
    "synthetic/pod_A_containers_show_swap_1_34": [
        ("team-a", "worker-0", "sidecar", 11),
        ("team-a", "worker-0", "worker", 2861),
    ],
}


@pytest.mark.parametrize("name", ONE_TABLE)
def test_a_single_table_gives_each_row_at_the_given_time(name: str) -> None:
    """Every flag of kubectl top pod: names, values and null container are exact, sums are no rows."""
    recording = rm.read_kubectl_top(DATA / f"{name}.txt", time="2026-11-24T22:50")
    assert rows(recording) == in_mi(ONE_TABLE[name])
    assert recording.samples["time"].unique().to_list() == [dt.datetime(2026, 11, 24, 22, 50, tzinfo=dt.UTC)]
    assert recording.containers["quantum_bytes"].unique().to_list() == [MI]
    assert recording.report.time_axis.startswith(
        "assumed: no time in the file; taken as 2026-11-24 22:50:00 UTC as asked"
    )


def test_swap_is_read_beside_the_working_set() -> None:
    """The column of kubectl 1.34 becomes swap_bytes, and 0Mi of swap is 0, not unknown."""
    recording = rm.read_kubectl_top(DATA / "synthetic/pod_A_containers_show_swap_1_34.txt", time="2026-11-24")
    table = recording.samples.join(recording.containers, on="container_id")
    assert sorted(table.select("container", "swap_bytes").rows()) == [("sidecar", 0), ("worker", 128 * MI)]
    plain = rm.read_kubectl_top(DATA / "pod.txt", time="2026-11-24")
    assert plain.samples["swap_bytes"].null_count() == 4


def worker_and_leaky(*leaky: int) -> list[Row]:
    return [row for amount in leaky for row in ((None, LEAKY, None, amount), (None, "worker-0", None, 2872))]


LOOPS: Final[dict[str, tuple[list[Row], list[str]]]] = {
    "loop_date": (worker_and_leaky(345, 348, 352, 355), ["22:51:07", "22:51:08", "22:51:09", "22:51:10"]),
    "loop_date_de": (worker_and_leaky(670, 673), ["22:52:57", "22:52:59"]),
    "loop_crlf": (worker_and_leaky(505, 506), ["22:52:01", "22:52:02"]),
    "loop_ts": (worker_and_leaky(400, 403, 407), ["22:51:26", "22:51:27", "22:51:28"]),
    "loop_awk_csv": (worker_and_leaky(430, 434, 437), ["22:51:36", "22:51:37", "22:51:38"]),
    "loop_marker": (
        [(None, LEAKY, "leaky", amount) for amount in (389, 393, 397)] + worker(None) * 3,
        ["22:51:22", "22:51:23", "22:51:24"],
    ),
    "loop_date_iso_containers": (
        [row for leaky in (359, 362, 366, 369) for row in all_containers(leaky)],
        ["22:51:11", "22:51:13", "22:51:14", "22:51:15"],
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_gives_every_snapshot_at_its_own_time(name: str) -> None:
    """Date lines of two languages, markers, ts, awk, CRLF: rows and times are exact."""
    recording = rm.read_kubectl_top(DATA / f"{name}.txt")
    expected, clock = LOOPS[name]
    assert rows(recording) == in_mi(expected)
    assert times(recording) == clock
    assert recording.samples["time"].dt.date().unique().to_list() == [dt.date(2026, 11, 24)]
    assert recording.report.time_axis == "as recorded, UTC"
    assert recording.report.left_out == {}


def test_ts_without_a_year_takes_the_year_before_the_file_was_written(tmp_path: Path) -> None:
    """`Nov 24 22:51:29` needs a zone; its year follows from the file, or from time=."""
    source = DATA / "loop_ts_default.txt"
    with pytest.raises(
        ReadError, match=r"line 2: found 'Nov 24 22:51:29.*expected a time stamp that says its zone.*timezone="
    ):
        rm.read_kubectl_top(source)
    asked = rm.read_kubectl_top(source, timezone="Europe/Berlin", time="2025-12-01")
    assert rows(asked) == in_mi(worker_and_leaky(410, 413, 417))
    assert asked.samples["time"].max() == dt.datetime(2025, 11, 24, 21, 51, 31, tzinfo=dt.UTC)
    log = tmp_path / "ts.log"
    log.write_bytes(source.read_bytes())
    written = dt.datetime(2024, 3, 1, tzinfo=dt.UTC).timestamp()
    os.utime(log, (written, written))
    inferred = rm.read_kubectl_top(log, timezone="UTC")
    assert inferred.samples["time"].max() == dt.datetime(2023, 11, 24, 22, 51, 31, tzinfo=dt.UTC)
    assert "the year is that before the file was last written (2024-03-01 00:00 UTC)" in inferred.report.time_axis


def test_an_error_in_the_middle_is_a_gap_of_the_containers_around_it() -> None:
    """One scrape failed: both pods get a gap event, it is counted, and nothing is invented."""
    with pytest.warns(
        RmtoolkitWarning, match=r"1 scrape failed \(line 6: 'Error from server \(ServiceUnavailable\)"
    ) as seen:
        recording = rm.read_kubectl_top(DATA / "loop_error_in_middle.txt")
    assert seen[0].filename == __file__
    # All three snapshots say 22:52:02, so the later value stands, and one of the earlier ones differs from it.
    assert rows(recording) == in_mi(worker_and_leaky(507))
    assert recording.report.left_out == {
        "values given twice for one instant": 1,
        "values that contradict each other at one instant; the later one was used": 1,
    }
    events = recording.events.join(recording.containers, on="container_id")
    assert events.select("pod", "kind", pl.col("time").dt.to_string("%H:%M:%S"), "detail").rows() == [
        (
            pod,
            "gap",
            "22:52:02",
            f"scrape failed: {UNAVAILABLE}",
        )
        for pod in (LEAKY, "worker-0")
    ]


EXACT_LEAKY: Final = {"raw_pods": 340432 * 1024, "raw_pods_ns": 340624 * 1024, "get_podmetrics_json": 341536 * 1024}


def exact(namespace: str, leaky: int) -> list[tuple[str, str, str, int]]:
    everything = [
        ("default", LONG, "main", 1 << 30),
        ("default", API, "api", 183500 * 1024),
        ("default", API, "istio-proxy", 51 * MI),
        ("default", "ingest-rs-0", "ingest", 1610612736),
        ("default", "tiny", "tiny", 512 * 1024),
        ("kube-system", COREDNS, "coredns", 18204 * 1024),
        ("team-a", LEAKY, "leaky", leaky),
        ("team-a", "worker-0", "init-wait", 0),
        ("team-a", "worker-0", "sidecar", 12345678),
        ("team-a", "worker-0", "worker", 3_000_000_000),
    ]
    return [row for row in everything if namespace in ("", row[0])]


@pytest.mark.parametrize(
    ("name", "namespace", "second"),
    [("raw_pods", "", "51"), ("raw_pods_ns", "team-a", "51"), ("get_podmetrics_json", "", "52")],
    ids=["raw", "raw of a namespace", "get -o json"],
)
def test_json_is_exact(name: str, namespace: str, second: str) -> None:
    """Ki, Mi, Gi, G, plain bytes and 0 give exact bytes, at the instant of metrics-server, without quantum."""
    recording = rm.read_kubectl_top(DATA / f"{name}.txt")
    assert rows(recording) == sorted(exact(namespace, EXACT_LEAKY[name]), key=lambda row: tuple(map(str, row)))
    assert times(recording) == [f"22:50:{second}"]
    assert recording.containers["quantum_bytes"].null_count() == recording.containers.height


def test_json_of_a_single_pod() -> None:
    """A PodMetrics object alone is read like a list of one."""
    recording = rm.read_kubectl_top(DATA / "raw_pod_one.txt")
    assert rows(recording) == [row for row in exact("team-a", 0) if row[1] == "worker-0"]


REFUSED: Final = {
    "loop_cut80.txt": r"line 2: found 'POD'.*cut off or folded",
    "loop_fold80.txt": r"line 2: found 'POD'.*cut off or folded",
    "watch_script.txt": r"line 1: found 'codes that draw on a terminal screen'.*recording of watch",
    "watch_script_color.txt": r"line 1: found 'codes that draw on a terminal screen'.*recording of watch",
    "get_podmetrics_plain.txt": r"line 1: found 'NAMESPACE +NAME",
    "date_locales.txt": r"expected rows of kubectl top pod",
    "get_podmetrics_jsonpath.txt": "line 1: found 'default,api-7d9f8b6c5d-x2x7k,2026",
    "raw_nodes.txt": r"line 1: found 'metrics of nodes'",
    "err_empty_pod.err": r"'No resources found in default namespace\.'.*found no pods",
    "err_empty_pod_A.err": r"'No resources found'.*found no pods",
    **dict.fromkeys(
        ("err_empty_node.err", "err_toonew_pod.err", "err_toonew_pod_A.err"), r"'error: metrics not available yet'"
    ),
    **dict.fromkeys(
        ("err_noapi_node.err", "err_noapi_pod.err", "err_noapi_pod_A.err"), r"'error: Metrics API not available'"
    ),
    **dict.fromkeys(
        ("err_unavailable_node.err", "err_unavailable_pod.err", "err_unavailable_pod_A.err"),
        r"'Error from server \(ServiceUnavailable\)",
    ),
    **dict.fromkeys(
        ("err_forbidden_node.err", "err_forbidden_pod.err", "err_forbidden_pod_A.err"),
        r"'Error from server \(Forbidden\)",
    ),
    "pod_notfound.err": r"'Error from server \(NotFound\)",
    "node_one_missing.err": r"'Error from server \(NotFound\)",
    "pod_show_swap_unknown_flag_1_32.err": r"'error: unknown flag: --show-swap'",
    **dict.fromkeys(
        (
            *(f"node{name}.txt" for name in ("", "_noheaders", "_capacity", "_sort_memory", "_one")),
            *("node_swap_server_1_32_client.txt", "err_toonew_node.txt"),
            *(f"synthetic/node_{name}.txt" for name in ("pre_1_32", "show_swap_1_34", "show_swap_1_34_noswap")),
        ),
        r"These are nodes",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_readable_rows_is_refused_with_advice(name: str) -> None:
    """Errors alone, nodes alone, cut or drawn tables: one error that names file, line and what stands there."""
    with pytest.raises(ReadError, match=REFUSED[name]) as caught:
        rm.read_kubectl_top(DATA / name)
    assert str(caught.value).startswith(f"Could not read {str(DATA / name)!r}"[:60])
    assert "\n" not in str(caught.value)


def test_no_real_file_is_forgotten() -> None:
    """Each of the files has an expectation in this module."""
    here = {str(file.relative_to(DATA)) for file in DATA.rglob("*") if file.is_file()} - {"README.md", "index.tsv"}
    told = {f"{name}.txt" for name in (*ONE_TABLE, *LOOPS, *EXACT_LEAKY)} | set(REFUSED)
    told |= {"loop_ts_default.txt", "loop_error_in_middle.txt", "raw_pod_one.txt"}
    assert here == told
