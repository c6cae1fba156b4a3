"""The quick look before the checks: it may suspect too many, never too few."""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmtoolkit import validation
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.validation import validate

MI = 1 << 20
BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SIGNALS = (
    "working_set_bytes",
    "usage_bytes",
    "rss_bytes",
    "anon_bytes",
    "peak_bytes",
    "allocated_bytes",
    "active_bytes",
    "resident_bytes",
    "work_total",
)


def everything(recording: Recording) -> pl.Series:
    """Suspect all."""
    return recording.containers["container_id"]


def both(recording: Recording) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is found after the quick look, and what without it."""
    quick = validate(recording)
    with mock.patch.object(validation, "prefilter", everything):
        return quick, validate(recording)


@st.composite
def signal(draw: st.DrawFn, rows: int) -> list[int | None]:
    """A signal that stands still, rises by itself, wanders, falls, repeats or is missing now and then."""
    kind = draw(st.sampled_from(["still", "sums", "wander", "twice", "decimal", "tiny", "absurd"]))
    size = draw(st.integers(1, 400)) * MI
    step = draw(st.integers(1, 40)) * 4096
    noise = [(7919 * row * (size // MI + 3)) % 97 for row in range(rows)]
    values: list[int] = {
        "still": [size] * rows,
        "sums": [size * (row + 1) for row in range(rows)],
        "wander": [size + step * jump for jump in noise],
        "twice": [size + step * noise[row // 2] for row in range(rows)],
        "decimal": [1_000_000 * (3 + jump) for jump in noise],
        "tiny": [100 + jump for jump in noise],
        "absurd": [size if jump else 1 << 50 for jump in noise],
    }[kind]
    missing = draw(st.sampled_from([0, 0, 0, 2, 5]))
    return [None if missing and row % missing == 0 else value for row, value in enumerate(values)]


@st.composite
def containers(draw: st.DrawFn) -> pl.DataFrame:
    """One to three containers with some signals, limits and gaps."""
    frames = []
    for number in range(draw(st.integers(1, 3))):
        rows = draw(st.sampled_from([1, 2, 9, 25, 60, 330]))
        columns: dict[str, Any] = {name: draw(signal(rows)) for name in SIGNALS if draw(st.booleans())}
        columns.setdefault("rss_bytes", draw(signal(rows)))
        limit = draw(st.sampled_from([None, 512, 64 * MI, 256 * MI, 500_000_000]))
        frames.append(
            pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int64)).with_columns(
                time=pl.lit(BEGIN) + pl.duration(seconds=15) * pl.int_range(rows),
                pod=pl.lit(f"pod-{number}"),
                limit_bytes=pl.lit(limit, dtype=pl.Int64),
            ),
        )
    return pl.concat(frames, how="diagonal")


@given(containers())
@settings(deadline=None, max_examples=60)
def test_the_quick_look_hides_nothing(table: pl.DataFrame) -> None:
    """With and without it, the findings are the same."""
    quick, full = both(as_recording(table))
    assert quick.equals(full)


def test_a_limit_that_was_lower_before_counts() -> None:
    """Usage above a limit that was in force earlier is found, though it is below the later one."""
    rows = 30
    table = pl.DataFrame(
        {
            "time": range(0, 15 * rows, 15),
            "usage_bytes": [300 * MI + 4096 * (row * 7 % 11) for row in range(rows)],
            "limit_bytes": [128 * MI] * 20 + [512 * MI] * 10,
        },
    )
    quick, full = both(as_recording(table))
    assert "usage_above_limit" in quick["check"].to_list()
    assert quick.equals(full)


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_an_ordinary_container_is_not_suspected(busy: bool) -> None:
    """Layers in order and values that move need no closer look; values that never move do."""
    moves = [row * 7919 % 97 if busy else 0 for row in range(400)]
    table = pl.DataFrame(
        {
            "time": range(0, 6000, 15),
            "working_set_bytes": [(200 << 20) + 4096 * jump for jump in moves],
            "rss_bytes": [(180 << 20) + 4096 * jump for jump in moves],
            "allocated_bytes": [(120 << 20) + 100 * jump for jump in moves],
            "limit_bytes": [512 * MI] * 400,
        },
    )
    assert validation.prefilter(as_recording(table)).to_list() == ([] if busy else [0])
