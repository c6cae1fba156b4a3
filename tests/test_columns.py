"""What the heads of people's tables mean."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from typing import TYPE_CHECKING

import polars as pl
import pytest
from prometheus_api_client import MetricRangeDataFrame

import rmtoolkit as rm
from rmtoolkit._columns import column_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

MIB = 1 << 20


@pytest.mark.parametrize(
    ("head", "name", "unit"),
    [
        ("memory_in_mib", "working_set_bytes", MIB),
        ("Memory Used (Megabytes)", "working_set_bytes", MIB),
        ("max(memory_mib)", "working_set_bytes", MIB),
        ("last(container.memory.working_set)", "working_set_bytes", None),
        ("container_memory_working_set_bytes (MiB)", "working_set_bytes", MIB),
        ("kubernetes.container.memory.usage.bytes", "usage_bytes", 1),
        ("max(limit_mib)", "limit_bytes", MIB),
        *((head, "", None) for head in ("memory_max_mib", "min(memory_mib)", "avg_memory_mib", "node_memory_mib")),
        *((head, "", None) for head in ("pod_memory_working_set", "kubernetes.pod.memory.usage.bytes")),
    ],
)
def test_what_stands_beside_an_amount_changes_nothing(head: str, name: str, unit: int | None) -> None:
    """A unit in full and the most of a step; not a mean, which the most may stand beside, nor what a whole pod has."""
    assert column_of(head) == (name, unit)


@pytest.mark.parametrize(
    ("head", "cell"),
    [
        ("time,container_memory_working_set_bytes (MiB)", "{at},{mib}"),
        # Kibana calls a MiB so.
        ("@timestamp,kubernetes.container.memory.usage.bytes", "{at},{mib}.0MB"),
    ],
)
def test_such_a_table_is_read(head: str, cell: str, tmp_path: Path) -> None:
    """Grafana's with a unit behind its metric, Kibana's as it shows amounts."""
    rows = [cell.format(at=1_795_000_000 + 60 * at, mib=300 + at) for at in range(9)]
    (tmp_path / "a.csv").write_text("\n".join([head, *rows, ""]))
    samples = rm.read(tmp_path / "a.csv").samples
    values = next(samples[name] for name in samples.columns[2:] if samples[name].count())
    assert values.to_list() == [(300 + at) * MIB for at in range(9)]


CLOCKS: dict[str, Callable[[int], str]] = {
    "text of seconds": str,
    "text of parts of a second": lambda at: f" {at}.250",
    "text of thousandths": lambda at: f"{at}000",
    "text of billionths": lambda at: f"{at}000000000",
    "text of both": lambda at: f"{at}000" if at % 120 else f"{dt.datetime.fromtimestamp(at, dt.UTC):%FT%TZ}",
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_times_since_1970_may_be_text(clock: str) -> None:
    """Whoever keeps numbers as text keeps times so; a day in digits is none."""
    starts = [1_795_000_020 + 60 * at for at in range(20)]
    rows = {"time": [*map(CLOCKS[clock], starts), "20261118"], "pod": "db-0", "rss_bytes": [*range(10**8, 10**8 + 21)]}
    found = rm.Recording.from_frame(pl.DataFrame(rows))
    assert sum(found.report.left_out.values()) == 1
    assert found.samples["time"].dt.epoch("s").to_list() == starts


@pytest.mark.parametrize("form", ["%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S00"])
def test_dates_in_digits_are_no_seconds(form: str) -> None:
    """Hours of a day would be seconds of 2034."""
    hours = [dt.datetime(1995 + 31 * (at > 9), 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=at) for at in range(20)]
    frame = pl.DataFrame({"time": [f"{hour:{form}}" for hour in hours], "pod": "db-0", "rss_bytes": 10**8})
    with pytest.raises(rm.RmtoolkitError, match="time"):
        rm.Recording.from_frame(frame)


def client_frame(*names: str) -> pd.DataFrame:
    """What the client of Prometheus makes of an answer: a row for each value, of all metrics."""
    pods = {"a": 10**5, "b": 10**6}
    frame: pd.DataFrame = MetricRangeDataFrame(
        [
            {
                "metric": {"__name__": name, "namespace": "shop", "pod": pod, "container": "c", "job": name[:4]},
                "values": [[1_795_000_000 + 60 * at, str(10**8 + more * at)] for at in range(30)],
            }
            for name in names
            for pod, more in pods.items()
        ]
    )
    return frame


WORKING_SET, RSS = "container_memory_working_set_bytes", "container_memory_rss"


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("names", [(WORKING_SET,), (RSS, WORKING_SET), (WORKING_SET, "kube_pod_status_phase")], ids=str)
@pytest.mark.parametrize("is_file", [False, True])
def test_a_frame_of_the_client_of_prometheus_is_a_source(names: tuple[str, ...], tmp_path: Path, is_file: bool) -> None:
    """Each pod with its amounts under the right signal; metrics without a use are named."""
    frame = client_frame(*names)
    if is_file:
        frame.reset_index().to_parquet(tmp_path / "a.parquet")
    found = rm.read(tmp_path / "a.parquet") if is_file else rm.Recording.from_frame(frame)
    assert found.containers["pod"].to_list() == ["a", "b"]
    assert found.samples["working_set_bytes"].count() == 60
    assert found.samples["anon_bytes"].count() == 60 * (RSS in names)
    assert found.samples["working_set_bytes"].max() == 10**8 + 29 * 10**6
    assert ("kube_pod_status_phase" in str(found.report.warnings)) == ("kube_pod_status_phase" in names)


@pytest.mark.parametrize("kind", ["pod", "node"])
def test_rows_of_nodes_beside_those_of_pods_are_told(kind: str) -> None:
    """A node holds what its pods hold; two pods that are called as kubectl prints them are two pods."""
    names = {"pod/db-0": 300, f"{kind}/n1": 400}
    cells = [(60 * at, name, (mib << 20) + 4096 * at) for at in range(20) for name, mib in names.items()]
    rows = pl.DataFrame(cells, ["time", "name", "rss_bytes"], orient="row")
    with pytest.warns(rm.RmtoolkitWarning, match="'name' names nodes, too") if kind == "node" else nullcontext():
        recording = rm.Recording.from_frame(rows)
    assert set(recording.containers["cluster"]) == set(names)
