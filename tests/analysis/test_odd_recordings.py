"""Recordings that must not break the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.judge import judge
from rmtoolkit.assessment import classify
from rmtoolkit.exceptions import RmtoolkitWarning
from tests.analysis.curves import GI, MI
from tests.analysis.verdicts import PATTERNS, row_of


def degenerate() -> dict[str, dict[str, list[Any]]]:
    """Frames at the edge of sense, by name."""
    minutes = [60 * minute for minute in range(200)]
    return {
        "one_sample": {"time": [0], "rss_bytes": [5 * MI]},
        "two_samples": {"time": [0, 60], "rss_bytes": [5 * MI, 6 * MI]},
        "nine_samples": {"time": minutes[:9], "rss_bytes": [5 * MI] * 9},
        "constant": {"time": minutes, "rss_bytes": [5 * MI] * 200},
        "zeros": {"time": minutes, "rss_bytes": [0] * 200},
        "one_byte": {"time": minutes, "rss_bytes": [1] * 200},
        "huge": {"time": minutes, "rss_bytes": [(1 << 45) + value for value in range(200)]},
        "zero_then_much": {"time": minutes, "rss_bytes": [0] * 100 + [5 * GI] * 100},
        "one_spike": {"time": minutes, "rss_bytes": [5 * MI] * 150 + [900 * GI] + [5 * MI] * 49},
        "one_instant": {"time": [0], "rss_bytes": [200]},
        "two_instants": {"time": [0, 1], "rss_bytes": [5 * MI, 0]},
        "nanoseconds_apart": {"time": [moment / 1e6 for moment in range(200)], "rss_bytes": [5 * MI] * 200},
        "years_apart": {"time": [moment * 400_000 for moment in range(200)], "rss_bytes": [5 * MI] * 200},
        "some_null": {"time": minutes, "rss_bytes": [None, 5 * MI] * 100},
        "one_signal_null": {"time": minutes, "rss_bytes": [5 * MI] * 200, "allocated_bytes": [None] * 200},
        "counters_only_once": {"time": minutes, "rss_bytes": [5 * MI] * 200, "work_total": [1.0] + [None] * 199},
        "threads_zero": {"time": minutes, "rss_bytes": [5 * MI] * 200, "threads": [0] * 200},
        "load_zero": {"time": minutes, "rss_bytes": [5 * MI] * 200, "load": [0.0] * 200},
        "limit_of_one": {"time": minutes, "rss_bytes": [5 * MI] * 200, "limit_bytes": [1] * 200},
        "limit_of_zero": {"time": minutes, "rss_bytes": [5 * MI] * 200, "limit_bytes": [0] * 200},
        "restart_each_sample": {"time": minutes, "rss_bytes": [5 * MI] * 200, "restarts_total": list(range(200))},
        "nan_and_infinity": {"time": minutes, "rss_bytes": [float("nan"), float("inf"), 5e6, 6e6] * 50},
        "falling": {"time": minutes, "rss_bytes": [(400 - value) * MI for value in range(200)]},
        "limit_null": {"time": minutes, "rss_bytes": [5 * MI] * 200, "limit_bytes": [None] * 200},
    }


@pytest.mark.filterwarnings("ignore:.*less than any process needs", "ignore:.*1 limit below 1 MiB")
@pytest.mark.parametrize("name", degenerate())
def test_degenerate_recordings_are_judged(name: str) -> None:
    """Whatever the numbers, there is a row, in the design's words, without a NaN and without an error."""
    frames, _ = judge(pl.DataFrame(degenerate()[name]))
    (row,) = frames["verdicts"].rows(named=True)
    assert row["verdict"] in {"leak", "not_leak", "inconclusive"}
    assert row["pattern"] in PATTERNS
    assert 0 <= row["leak_probability"] <= 1
    for column, value in row.items():
        assert not isinstance(value, float) or np.isfinite(value), (column, value)
    assert row["explanation"]
    assert "nan" not in row["explanation"].lower().replace("nano", "")
    assert row["next_step"]
    assert frames["checklist"].height == 5


@pytest.mark.parametrize("name", ["one_sample", "two_samples", "nine_samples"])
def test_too_few_samples_are_inconclusive(name: str) -> None:
    """A few samples decide nothing, and the answer says so."""
    row = row_of(pl.DataFrame(degenerate()[name]))
    assert (row["verdict"], row["pattern"], row["limit_outlook"]) == ("inconclusive", "insufficient_data", "unknown")
    assert row["hours_to_limit"] is None
    assert row["growth_bytes_per_day"] is None


@pytest.mark.parametrize("name", ["constant", "falling", "load_zero", "some_null", "limit_null"])
def test_flat_and_falling_recordings_are_no_leak(name: str) -> None:
    """A constant and a decline are never a leak."""
    assert row_of(pl.DataFrame(degenerate()[name]))["verdict"] != "leak"


def test_unnamed_container_is_judged() -> None:
    """A frame without any name gets a row whose names are null."""
    row = row_of(pl.DataFrame({"time": range(0, 12_000, 60), "rss_bytes": [50 * MI] * 200}))
    assert (row["workload"], row["pods"], row["verdict"]) == (None, 1, "not_leak")


def test_pods_of_a_workload_whose_container_has_no_name_are_one() -> None:
    """One name is enough; only what has neither is counted alone."""
    table = pl.DataFrame({"time": range(0, 12_000, 60), "rss_bytes": [50 * MI] * 200})
    pods = [table.with_columns(pod=pl.lit(f"api-{pod}"), workload=pl.lit("api")) for pod in "ab"]
    assert row_of(pl.concat(pods))["pods"] == 2


def test_amounts_that_are_no_bytes_are_told() -> None:
    """MiB given as bytes are judged by their shape, and a warning asks for bytes."""
    table = pl.DataFrame({"time": range(0, 12_000, 60), "rss_bytes": [200 + step // 3 for step in range(200)]})
    with pytest.warns(RmtoolkitWarning, match="is its unit KiB or MiB"):
        assert classify(table)["verdict"].item() == "leak"
