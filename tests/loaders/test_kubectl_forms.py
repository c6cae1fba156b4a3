"""`rm.read_kubectl_top` on forms of logs that people keep beside those in tests/data."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MI: Final = 1 << 20
HEADER: Final = "NAME                     CPU(cores)   MEMORY(bytes)   \n"
ROW: Final = "api-7d9f8b6c5d-x2x7k     17m          230Mi           \n"
SECOND: Final = "2026-11-24T22:51:29Z"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., rm.Recording]:
    """Read a text as if it were a log last written at 2026-11-25 00:00 UTC."""

    def reader(text: str | bytes, **options: Any) -> rm.Recording:
        log = tmp_path / "top.log"
        log.write_bytes(text if isinstance(text, bytes) else text.encode())
        written = dt.datetime(2026, 11, 25, tzinfo=dt.UTC).timestamp()
        os.utime(log, (written, written))
        return rm.read_kubectl_top(log, **options)

    return reader


def samples(recording: rm.Recording) -> list[tuple[str, str, int]]:
    """Time, pod and MiB of every sample, by time."""
    table = recording.samples.join(recording.containers, on="container_id").sort("time", "pod")
    return [
        (f"{time:%Y-%m-%dT%H:%M:%S}", pod, amount // MI)
        for time, pod, amount in table.select("time", "pod", "working_set_bytes").iter_rows()
    ]


@pytest.mark.parametrize(
    ("stamp", "options", "expected"),
    [
        ("Tue Nov 24 23:51:29 CET 2026", {}, "22:51:29"),
        ("Tue 24 Nov 2026 10:51:29 PM UTC", {}, "22:51:29"),
        ("mar. 24 nov. 2026 23:51:29 CET", {}, "22:51:29"),
        ("Вт 24 ноя 2026 23:51:29 MSK", {}, "20:51:29"),
        ("2026年 11月 24日 火曜日 23:51:29 JST", {}, "14:51:29"),
        ("Tue, 24 Nov 2026 22:51:29 +0000", {}, "22:51:29"),
        ("1795560689", {}, "22:51:29"),
        ("1795560689.560616207", {}, "22:51:29"),
        ("1795560689123", {}, "22:51:29"),
        ("2026-11-24T23:51:29,557067216+01:00", {}, "22:51:29"),
        ("2026-11-24 22:51:29+00:00", {}, "22:51:29"),
        ("--- 2026-11-24T22:51:29Z ---", {}, "22:51:29"),
        ("# Snapshot at 2026-11-24T22:51:29Z", {}, "22:51:29"),
        ("Every 2.0s: kubectl top pod      vm: Tue Nov 24 22:51:29 2026", {"timezone": "UTC"}, "22:51:29"),
        ("2026-11-24 23:51:29", {"timezone": "Europe/Berlin"}, "22:51:29"),
        ("11/24/26 22:51:29", {"timezone": "UTC"}, "22:51:29"),
        ("24/11/2026 22:51:29", {"timezone": "UTC"}, "22:51:29"),
        ("24.11.2026 22:51:29", {"timezone": "-00:30"}, "23:21:29"),
        ("Tue Nov 24 22:51:29 CST 2026", {"timezone": "Asia/Shanghai"}, "14:51:29"),
        ("20261124-225129", {"timezone": "UTC"}, "22:51:29"),
        ("22:51:29", {"timezone": "UTC", "time": "2026-11-24"}, "22:51:29"),
        ("Nov 24 22:51:29", {"timezone": "UTC"}, "22:51:29"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_date_line_in_any_format_dates_the_table(
    read: Callable[..., rm.Recording],
    stamp: str,
    options: dict[str, str],
    expected: str,
) -> None:
    """Formats and languages of date(1), with the option that each needs, mean the same instant."""
    recording = read(f"{stamp}\n{HEADER}{ROW}", **options)
    assert samples(recording) == [(f"2026-11-24T{expected}", "api-7d9f8b6c5d-x2x7k", 230)]
    assert recording.report.left_out == {}


@pytest.mark.parametrize(
    ("prefix", "options"),
    [
        ("2026-11-24T22:51:29+0000 ", {}),
        ("2026-11-24T22:51:29.123456789Z ", {}),
        ("2026-11-24T22:51:29.123456789Z stdout F ", {}),
        ("1795560689.560616 ", {}),
        ("Tue Nov 24 22:51:29 UTC 2026 ", {}),
        ("[web 2] 22:51:29 | ", {"timezone": "UTC", "time": "2026-11-24"}),
        ("Nov 24 22:51:29 ", {"timezone": "UTC"}),
        ("Nov 24 22:51:29.1234 ", {"timezone": "UTC"}),
        ("2026-11-24 22:51:29 ", {"timezone": "UTC"}),
        ("[2026-11-24 22:51:29] ", {"timezone": "UTC"}),
        ("2026/11/24 22:51:29 ", {"timezone": "UTC"}),
        ("20261124-225129 ", {"timezone": "UTC"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
def test_a_stamp_before_each_line_dates_it(
    read: Callable[..., rm.Recording],
    prefix: str,
    options: dict[str, str],
    header: bool,
) -> None:
    """Lines from ts, from container logs or with tags keep names and values and give the time."""
    lines = [*([HEADER] if header else []), ROW, "db-0                     3m           20Mi\n"]
    recording = read("".join(prefix + line for line in lines), **options)
    assert samples(recording) == [
        ("2026-11-24T22:51:29", "api-7d9f8b6c5d-x2x7k", 230),
        ("2026-11-24T22:51:29", "db-0", 20),
    ]
    assert recording.containers["namespace"].null_count() == 2


def test_lines_stamped_while_kubectl_printed_are_one_snapshot(read: Callable[..., rm.Recording]) -> None:
    """Stamps with fractions differ from line to line: less than a second apart they are one instant."""
    log = (
        "1795560689.90 a-0 1m 1Mi\n1795560689.99 b-0 1m 2Mi\n1795560690.01 c-0 1m 3Mi\n"
        "1795560690.60 a-0 1m 4Mi\n1795560690.61 b-0 1m 5Mi\n"
    )
    recording = read(log)
    assert recording.samples["time"].dt.epoch("ms").unique().sort().to_list() == [1795560689900, 1795560690600]
    assert [amount for *_, amount in samples(recording)] == [1, 2, 3, 4, 5]


def test_a_stamp_after_the_table_is_recognised(read: Callable[..., rm.Recording]) -> None:
    """`kubectl top pod; date`: a table comes first and a stamp last, so each stamp dates what is above it."""
    log = f"{HEADER}{ROW}2026-11-24T22:51:00Z\n{HEADER}{ROW}2026-11-24T22:52:00Z\n"
    assert [time for time, *_ in samples(read(log))] == ["2026-11-24T22:51:00", "2026-11-24T22:52:00"]


def test_a_log_cut_at_its_head_loses_only_the_first_table(read: Callable[..., rm.Recording]) -> None:
    """Rows before the first stamp have no time: counted, the rest is read."""
    log = f"{ROW}{SECOND}\n{HEADER}{ROW}"
    with pytest.warns(RmtoolkitWarning, match="left out 1 row before the first time stamp"):
        recording = read(log)
    assert [time for time, *_ in samples(recording)] == ["2026-11-24T22:51:29"]


def test_clock_times_roll_over_midnight(read: Callable[..., rm.Recording]) -> None:
    """A log of clock times starts on the day of time= and goes on to the next day."""
    log = "".join(
        f"{clock} db-0 1m 5Mi\n" for clock in ("23:59:30", "23:59:59", "00:00:30", "12:00:00", "23:59:30", "00:00:01")
    )
    recording = read(log, time="2026-11-24", timezone="Europe/Berlin")
    assert [time for time, *_ in samples(recording)] == [
        "2026-11-24T22:59:30",
        "2026-11-24T22:59:59",
        "2026-11-24T23:00:30",
        "2026-11-25T11:00:00",
        "2026-11-25T22:59:30",
        "2026-11-25T23:00:01",
    ]


def test_years_roll_over(read: Callable[..., rm.Recording]) -> None:
    """Stamps without a year that pass New Year's Eve end before the file was written."""
    log = "Dec 31 23:59:30 db-0 1m 5Mi\nJan  1 00:00:30 db-0 1m 6Mi\nFeb 29 00:00:30 db-0 1m 7Mi\n"
    recording = read(log, timezone="UTC", time="2023-12-31")
    assert [time for time, *_ in samples(recording)] == [
        "2023-12-31T23:59:30",
        "2024-01-01T00:00:30",
        "2024-02-29T00:00:30",
    ]
    inferred = read(log[: log.index("Feb")], timezone="UTC")
    assert [time for time, *_ in samples(inferred)] == ["2025-12-31T23:59:30", "2026-01-01T00:00:30"]


def test_the_hour_that_comes_twice_goes_on(read: Callable[..., rm.Recording]) -> None:
    """When the clock goes back in autumn, time does not: the second 02:10 is an hour after the first."""
    clocks = ("02:10:00", "02:50:00", "02:10:00", "02:50:00", "03:10:00")
    log = "".join(f"2026-10-25 {clock} db-0 1m {mi}Mi\n" for mi, clock in enumerate(clocks))
    found = samples(read(log, timezone="Europe/Berlin"))
    assert [time[11:] for time, *_ in found] == ["00:10:00", "00:50:00", "01:10:00", "01:50:00", "02:10:00"]
    assert [amount for *_, amount in found] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("stamp", "message"),
    [
        ("2026-11-24 22:51:29", "expected a time stamp that says its zone.*timezone='Europe/Berlin'"),
        ("Tue Nov 24 22:51:29 CST 2026", "expected a time stamp that says its zone"),
        ("Tue Nov 24 22:51:29 2026", "expected a time stamp that says its zone"),
        ("22:51:29", "expected a time stamp with a date.*time='2026-11-24', timezone='UTC'"),
        ("11/12/2026 22:51:29", "day and month cannot be mixed up"),
    ],
    ids=["no zone", "a zone name of three zones", "date +%c", "no date", "day or month"],
)
def test_a_stamp_that_says_too_little_is_refused_with_advice(
    read: Callable[..., rm.Recording],
    stamp: str,
    message: str,
) -> None:
    """What is not said is asked for, not guessed."""
    with pytest.raises(ReadError, match=rf"line 1: found '{stamp}'.*{message}"):
        read(f"{stamp}\n{HEADER}{ROW}")


def test_one_date_of_the_log_decides_the_order_of_day_and_month(read: Callable[..., rm.Recording]) -> None:
    """11/12 is 11 December where another line says 24/12."""
    log = f"11/12/2026 22:00:00\n{ROW}24/12/2026 22:00:00\n{ROW}"
    assert [time for time, *_ in samples(read(log, timezone="UTC"))] == ["2026-12-11T22:00:00", "2026-12-24T22:00:00"]


def test_snapshots_without_any_time_need_an_interval(read: Callable[..., rm.Recording]) -> None:
    """Three tables and no stamp: refused without interval=, spaced with it, and the report says so."""
    log = (HEADER + ROW) * 3
    with pytest.raises(ReadError, match=r"found '3 snapshots and no time stamp'.*interval='15s'"):
        read(log)
    last = read(log, interval="30s")
    assert [time for time, *_ in samples(last)] == ["2026-11-24T23:59:00", "2026-11-24T23:59:30", "2026-11-25T00:00:00"]
    assert last.report.time_axis.startswith(
        "assumed: no time in the file; the last snapshot taken as when the file was"
    )
    first = read(log, interval="30s", time="2026-11-24T10:00")
    assert samples(first)[0][0] == "2026-11-24T10:00:00"


def test_snapshots_without_headers_are_told_apart_by_pods_that_come_again(read: Callable[..., rm.Recording]) -> None:
    """`kubectl top pod --no-headers >> log`: a new snapshot begins with the first pod that was there already."""
    log = "a-0 1m 1Mi\nb-0 1m 2Mi\na-0 1m 3Mi\nc-0 1m 4Mi\na-0 1m 5Mi\n"
    assert samples(read(log, interval="1m", time="2026-11-24")) == [
        ("2026-11-24T00:00:00", "a-0", 1),
        ("2026-11-24T00:00:00", "b-0", 2),
        ("2026-11-24T00:01:00", "a-0", 3),
        ("2026-11-24T00:01:00", "c-0", 4),
        ("2026-11-24T00:02:00", "a-0", 5),
    ]


def test_a_failed_scrape_takes_its_place_in_a_log_without_times(read: Callable[..., rm.Recording]) -> None:
    """With interval=, a failed scrape counts as a snapshot: what follows is not moved up."""
    log = f"{HEADER}{ROW}error: Metrics API not available\n{HEADER}{ROW}"
    with pytest.warns(RmtoolkitWarning, match="1 scrape failed"):
        recording = read(log, interval="1m", time="2026-11-24")
    assert [time for time, *_ in samples(recording)] == ["2026-11-24T00:00:00", "2026-11-24T00:02:00"]
    assert recording.events.select("kind", pl.col("time").dt.minute()).rows() == [("gap", 1)]


def test_one_date_above_several_snapshots_starts_them(read: Callable[..., rm.Recording]) -> None:
    """A single date line at the head of a log is the time of the first snapshot; the rest need interval=."""
    log = f"{SECOND}\n" + (HEADER + ROW) * 2
    with pytest.raises(ReadError, match="2 snapshots under one time stamp"):
        read(log)
    recording = read(log, interval="15s")
    assert [time for time, *_ in samples(recording)] == ["2026-11-24T22:51:29", "2026-11-24T22:51:44"]
    assert "the one time stamp is that of the first snapshot" in recording.report.time_axis


def test_times_in_a_log_go_before_an_interval(read: Callable[..., rm.Recording]) -> None:
    """And which of them was used is said."""
    recording = read("".join(f"2026-11-24T22:5{at}:29Z\n{HEADER}{ROW}" for at in range(3)), interval="15s")
    assert [time[-5:] for time, *_ in samples(recording)] == ["50:29", "51:29", "52:29"]
    assert recording.report.time_axis == "as recorded, UTC, not 15s apart"


def test_tables_of_several_namespaces_under_one_date_are_one_snapshot(read: Callable[..., rm.Recording]) -> None:
    """A loop over namespaces prints several tables under each date."""
    log = "".join(f"2026-11-24T22:51:{s:02}Z\n{HEADER}a-0 1m 1Mi\n{HEADER}b-0 1m 2Mi\n" for s in (10, 20))
    assert [(time[-2:], pod) for time, pod, _ in samples(read(log))] == [
        ("10", "a-0"),
        ("10", "b-0"),
        ("20", "a-0"),
        ("20", "b-0"),
    ]


@pytest.mark.parametrize("containers", [True, False], ids=["pod and container", "namespace and pod"])
def test_two_names_without_a_header_are_asked_for(read: Callable[..., rm.Recording], containers: bool) -> None:
    """`shop db-0` may be a namespace and a pod, or a pod and a container: refused unless containers= says it."""
    log = f"{SECOND}\nshop   db-0   1m   5Mi\n"
    with pytest.raises(ReadError, match=r"line 2: found 'shop +db-0.*containers=True.*containers=False"):
        read(log)
    found = read(log, containers=containers).containers.select("namespace", "pod", "container").row(0)
    assert found == ((None, "shop", "db-0") if containers else ("shop", "db-0", None))


def test_a_header_further_up_stays_in_force(read: Callable[..., rm.Recording]) -> None:
    """A header that was printed once says what all later rows are."""
    header = "NAMESPACE   NAME   CPU(cores)   MEMORY(bytes)\n"
    log = f"2026-11-24T22:50:29Z\n{header}{SECOND}\nshop db-0 1m 5Mi\n2026-11-24T22:52:29Z\nshop db-0 1m 6Mi\n"
    recording = read(log)
    assert recording.containers.select("namespace", "pod", "container").rows() == [("shop", "db-0", None)]
    assert [amount for *_, amount in samples(recording)] == [5, 6]


def test_namespace_fills_only_what_is_not_named(read: Callable[..., rm.Recording]) -> None:
    """namespace= is for rows without one."""
    log = f"{SECOND}\n{HEADER}db-0 1m 5Mi\nNAMESPACE NAME CPU(cores) MEMORY(bytes)\nother web-0 1m 6Mi\n"
    found = read(log, namespace="shop").containers.select("namespace", "pod").rows()
    assert sorted(found) == [("other", "web-0"), ("shop", "db-0")]


def test_workload_pattern_reads_the_owner(read: Callable[..., rm.Recording]) -> None:
    """The owner is inferred from the pod's name, or read by the user's pattern."""
    log = f"{SECOND}\n{HEADER}{ROW}"
    assert read(log).containers.select("workload", "workload_kind", "workload_inferred").row(0) == (
        "api",
        "Deployment",
        True,
    )
    assert read(log, workload_pattern=r"^(?P<workload>a)pi-").containers["workload"].item() == "a"


def test_nodes_among_pods_are_left_out_and_counted(read: Callable[..., rm.Recording]) -> None:
    """A loop over nodes and pods: node rows are no containers, with or without % cells, headers or not."""
    node = "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)\nnode-a 612m 15% 8909Mi 60%\nnode-new 100m 200Mi\n"
    with pytest.warns(RmtoolkitWarning, match="left out 2 rows of nodes"):
        recording = read(f"{SECOND}\n{node}{HEADER}{ROW}")
    assert [pod for _, pod, _ in samples(recording)] == ["api-7d9f8b6c5d-x2x7k"]
    bare = "node-a 612m 15% 8909Mi 60%\nnode-b 100m 200Mi\nnode-c 1m 1% 1Mi 101%\n"
    with pytest.warns(RmtoolkitWarning, match="left out 3 rows of nodes"):
        recording = read(f"{SECOND}\n{bare}\n{ROW}")
    assert [pod for _, pod, _ in samples(recording)] == ["api-7d9f8b6c5d-x2x7k"]


def test_sums_are_no_rows_even_behind_a_stamp(read: Callable[..., rm.Recording]) -> None:
    """The sum of --sum has no name of its own; the stamp before it is not taken for one."""
    log = "".join(
        f"{SECOND[:-1]} UTC 2026 {line}\n" if line else "\n" for line in ("db-0 1m 5Mi", "________ ________", "1m 5Mi")
    )
    log = log.replace("2026-11-24T22:51:29 UTC", "Tue Nov 24 22:51:29 UTC")
    assert samples(read(log)) == [("2026-11-24T22:51:29", "db-0", 5)]


def test_failures_in_a_row_are_one_gap(read: Callable[..., rm.Recording]) -> None:
    """Consecutive failures become one event per container, with their number; klog's echo is no failure of its own."""
    failing = (
        "E1124 22:52:29.123456   12 memcache.go:265] couldn't get current server API group list: refused\n"
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n"
    )
    log = f"{SECOND}\n{ROW}2026-11-24T22:52:29Z\n{failing}2026-11-24T22:53:29Z\n{failing}2026-11-24T22:54:29Z\n{ROW}"
    with pytest.warns(RmtoolkitWarning, match="2 scrapes failed"):
        recording = read(log)
    (event,) = recording.events.select("kind", pl.col("time").dt.minute(), "detail").rows()
    assert event[:2] == ("gap", 52)
    assert event[2].startswith("scrape failed: The connection to the server")
    assert event[2].endswith("(2 in a row)")


def test_no_resources_found_is_a_gap_too(read: Callable[..., rm.Recording]) -> None:
    """An empty answer says nothing about the pods that were there before and after."""
    log = f"{SECOND}\n{ROW}2026-11-24T22:52:29Z\nNo resources found in default namespace.\n2026-11-24T22:53:29Z\n{ROW}"
    with pytest.warns(RmtoolkitWarning, match="1 scrape found no pods"):
        recording = read(log)
    assert recording.events.select("kind", "detail").rows() == [
        ("gap", "scrape failed: No resources found in default namespace."),
    ]


def test_a_trailing_failure_is_a_gap_of_the_last_containers(read: Callable[..., rm.Recording]) -> None:
    """The last scrape failed: the containers of the one before it are told."""
    log = f"{SECOND}\n{ROW}2026-11-24T22:52:29Z\nUnable to connect to the server: dial tcp: i/o timeout\n"
    with pytest.warns(RmtoolkitWarning, match="1 scrape failed"):
        assert read(log).events.height == 1


@pytest.mark.parametrize(
    "text",
    [
        "time,pod,cpu,memory\n{t},db-0,3m,20Mi\n",
        "timestamp,namespace,pod,container,cpu,memory\n{t},shop,db-0,db,3m,20Mi\n",
        "{t},db-0,3m,20Mi\n",
        "{t},shop,db-0,db,3m,20Mi\n",
        '"time","pod","cpu","memory"\n"{t}","db-0","3m","20Mi"\n',
        "time;pod;CPU(cores);MEMORY(bytes)\n{t};db-0;3m;20Mi\n",
        "pod,memory\n",
    ],
    ids=[
        "awk",
        "all names",
        "no header",
        "no header, all names",
        "quoted",
        "semicolons",
        "no time",
    ],
)
def test_csv_made_of_kubectl_top(read: Callable[..., rm.Recording], text: str) -> None:
    """CSV with or without a header gives the same sample; kubectl's amounts are whole MiB."""
    if text == "pod,memory\n":
        recording = read("pod,cpu,memory\ndb-0,3m,20Mi\n", time="2026-11-24T22:51:29")
    else:
        recording = read(text.format(t=SECOND))
    assert samples(recording) == [("2026-11-24T22:51:29", "db-0", 20)]
    assert recording.containers["quantum_bytes"].item() == MI


@pytest.mark.parametrize(
    ("text", "quantum"),
    [
        ("time,pod,cpu,memory\n{t},db-0,3m,20Mi\n", MI),
        ("memory,pod,time\n20Mi,db-0,{t}\n", MI),
        ("time,pod,memory\n{t},db-0,20.0MiB\n", None),
        ("time;pod;memory_mb\n{t};db-0;20\n", None),
        ("time\tpod\tmemory_bytes\n{t}\tdb-0\t20971520\n", None),
    ],
)
def test_a_table_with_heads_is_one_like_any_other(tmp_path: Path, text: str, quantum: int | None) -> None:
    """In any order and unit; whole Mi, as only Kubernetes writes them, were rounded down."""
    (tmp_path / "top.csv").write_text(text.format(t=SECOND))
    recording = rm.read(tmp_path)
    assert samples(recording) == [("2026-11-24T22:51:29", "db-0", 20)]
    assert recording.containers["quantum_bytes"].item() == quantum


def test_csv_with_errors_and_headers_in_the_middle(read: Callable[..., rm.Recording]) -> None:
    """Through awk, error messages and headers become rows: errors are gaps, headers nothing, noise is counted."""
    log = (
        f"{SECOND},db-0,3m,20Mi\n2026-11-24T22:52:29Z,Error,from,server\n2026-11-24T22:53:29Z,NAME,CPU(cores),MEMORY(bytes)\n"
        "2026-11-24T22:53:29Z,db-0,3m,21Mi\nwhat,is,this\n"
    )
    with pytest.warns(RmtoolkitWarning, match=r"left out 1 line .*line 5: 'what is this'.*1 scrape failed"):
        recording = read(log)
    assert [amount for *_, amount in samples(recording)] == [20, 21]


def test_table_of_kubectl_get_pods_metrics(read: Callable[..., rm.Recording]) -> None:
    """A real metrics-server prints exact amounts and its window."""
    log = f"{SECOND}\nNAME   CPU          MEMORY     WINDOW\ndb-0   12345678n    18204Ki    15.063s\n"
    recording = read(log)
    assert recording.samples["working_set_bytes"].to_list() == [18204 * 1024]
    assert recording.containers["quantum_bytes"].null_count() == 1


def metrics(pod: str, stamp: str | None, memory: str) -> dict[str, Any]:
    """Make a PodMetrics object of one container."""
    found = {"metadata": {"name": pod, "namespace": "shop"}, "containers": [{"name": "c", "usage": {"memory": memory}}]}
    return found | ({"timestamp": stamp} if stamp else {})


def listed(*items: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "items": list(items)}


def test_lines_of_json_with_dates_and_errors_between(read: Callable[..., rm.Recording]) -> None:
    """A loop of kubectl get --raw: repeats of metrics-server are one sample, an error is a gap."""
    first, second = "2026-11-24T22:51:20Z", "2026-11-24T22:51:35Z"
    documents = [
        listed(metrics("db-0", stamp, memory)) for stamp, memory in ((first, "1Mi"), (first, "1Mi"), (second, "2Mi"))
    ]
    log = "\n".join(
        [
            "Tue Nov 24 22:51:21 UTC 2026",
            json.dumps(documents[0]),
            json.dumps(documents[1], indent=2),
            "2026-11-24T22:51:30Z",
            "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
            json.dumps(documents[2]),
            "",
        ],
    )
    with pytest.warns(RmtoolkitWarning, match="1 scrape failed"):
        recording = read(log)
    assert samples(recording) == [("2026-11-24T22:51:20", "db-0", 1), ("2026-11-24T22:51:35", "db-0", 2)]
    assert recording.report.left_out == {"samples that metrics-server served again": 1}
    assert recording.events.select("kind", pl.col("time").dt.second()).rows() == [("gap", 30)]


def test_json_without_a_timestamp_uses_the_creation_time(read: Callable[..., rm.Recording]) -> None:
    """The zero time of Go is no time; creationTimestamp stands in."""
    item = metrics("db-0", "0001-01-01T00:00:00Z", "1Mi")
    item["metadata"]["creationTimestamp"] = "2026-11-24T22:51:20Z"
    assert samples(read(json.dumps(listed(item)))) == [("2026-11-24T22:51:20", "db-0", 1)]


def test_a_cut_off_json_document_is_counted(read: Callable[..., rm.Recording]) -> None:
    """The last answer is cut off: the others are read."""
    text = json.dumps(listed(metrics("db-0", SECOND, "1Mi"))) + "\n"
    with pytest.warns(RmtoolkitWarning, match="left out 1 document that is cut off or damaged"):
        assert samples(read(text + text[:90])) == [("2026-11-24T22:51:29", "db-0", 1)]


def test_docker_and_cri_logs_are_unwrapped(read: Callable[..., rm.Recording]) -> None:
    """The log of a CronJob that runs kubectl top, as the runtime stored it."""
    lines = ["Tue Nov 24 22:51:29 UTC 2026", HEADER.strip(), ROW.strip()]
    docker = "\n".join(
        json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-11-24T22:51:29.5Z"}) for line in lines
    )
    cri = "\n".join(f"2026-11-24T22:51:29.5Z stdout F {line}" for line in lines)
    for text in (docker, cri):
        recording = read(text)
        assert samples(recording) == [("2026-11-24T22:51:29", "api-7d9f8b6c5d-x2x7k", 230)]
        assert recording.report.left_out == {}


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("api", "\x1b[1mapi\x1b[0m").encode(),
        lambda text: ("\x1b[H\x1b[2J\x1b[3J" + text).encode(),
        lambda text: "\n".join("    " + line for line in text.split("\n")).encode(),
        lambda text: (
            " ".join(text.split("\n")[1].split()).join(["Tue Nov 24 22:51:29 UTC 2026\n", f"\n{ROW}"]).encode()
        ),
    ],
    ids=["PowerShell's UTF-16", "byte order mark", "gzip", "CRLF", "CR", "colours", "clear", "indented", "column -t"],
)
def test_the_same_log_in_other_clothes(read: Callable[..., rm.Recording], encode: Callable[[str], bytes]) -> None:
    """Encodings, line ends, colours and alignment change nothing."""
    text = f"Tue Nov 24 22:51:29 UTC 2026\n{HEADER}{ROW}"
    assert samples(read(encode(text))) == [("2026-11-24T22:51:29", "api-7d9f8b6c5d-x2x7k", 230)]


def test_latin_1_is_read_and_said(read: Callable[..., rm.Recording]) -> None:
    """A date line in an old encoding is understood."""
    recording = read(f"Di 24. März 22:51:29 UTC 2026\n{HEADER}{ROW}".encode("latin-1"))
    assert samples(recording)[0][0] == "2026-03-24T22:51:29"
    assert "not UTF-8; read as Latin-1" in recording.report.warnings


def test_what_a_log_says_itself_goes_before_options(read: Callable[..., rm.Recording]) -> None:
    """interval= and time= on a log with full stamps change nothing."""
    recording = read(f"{SECOND}\n{ROW}", interval="15s", time="2020-01-01")
    assert samples(recording)[0][0] == "2026-11-24T22:51:29"


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "+99:99", "../etc/passwd"], ids=["unknown", "empty", "absurd", "a path"]
)
def test_a_wrong_zone_is_refused(read: Callable[..., rm.Recording], zone: str) -> None:
    """A zone that is none gives one clear error, also where the log says its own."""
    for stamp in ("2026-11-24 22:51:29", SECOND):
        with pytest.raises(RmtoolkitError, match="is no time zone"):
            read(f"{stamp}\n{ROW}", timezone=zone)
