"""What the heads of people's tables mean."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit._columns import column_of

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize("kind", ["pod", "node"])
def test_rows_of_nodes_beside_those_of_pods_are_told(kind: str) -> None:
    """A node holds what its pods hold; two pods that are called as kubectl prints them are two pods."""
    names = {"pod/db-0": 300, f"{kind}/n1": 400}
    cells = [(60 * at, name, (mib << 20) + 4096 * at) for at in range(20) for name, mib in names.items()]
    rows = pl.DataFrame(cells, ["time", "name", "rss_bytes"], orient="row")
    with pytest.warns(rm.RmtoolkitWarning, match="'name' names nodes, too") if kind == "node" else nullcontext():
        recording = rm.Recording.from_frame(rows)
    assert set(recording.containers["cluster"]) == set(names)
