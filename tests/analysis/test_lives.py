"""Lives are cut exactly where a process began, and nowhere else."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmtoolkit.analysis.signals import lives, split
from tests.analysis.curves import MI, hours, record, saturate, together, when

TIME: Final = pl.Datetime("ms", "UTC")
COLUMNS: Final = {
    "container_id": pl.UInt32,
    "life": pl.UInt32,
    "start": TIME,
    "end": TIME,
    "start_seen": pl.Boolean,
    "ended": pl.String,
    "version": pl.String,
    "limit_bytes": pl.Int64,
    "samples": pl.Int64,
    "coverage": pl.Float64,
    "startup_peak_bytes": pl.Int64,
    "startup_seconds": pl.Float64,
    "settled_bytes": pl.Int64,
    "peak_bytes": pl.Int64,
    "peak_time": TIME,
    "last_bytes": pl.Int64,
}
T: Final = hours(4, 60)
FLAT: Final = np.full(len(T), 200.0 * MI)


def fallen(at: float) -> np.ndarray:
    """A process of 400 MiB that is followed by one of 150 MiB."""
    return np.where(at <= T, 150.0, 400.0) * MI


def test_columns_and_types() -> None:
    """The frame is exactly what views were promised, also when it has several lives."""
    found = lives(record(T, {"rss_bytes": FLAT}, events=[(2.0, "start", None)]))
    assert dict(found.schema) == COLUMNS


def test_one_life_that_runs() -> None:
    """Without any event a container has one life, whose start was not seen."""
    found = lives(record(T, {"rss_bytes": FLAT}))
    assert found.select("life", "start", "end", "start_seen", "ended", "samples", "coverage").rows() == [
        (0, when(0), when(4), False, "running", 241, 1.0),
    ]


@pytest.mark.parametrize("late", [0.0, 10 / 3600], ids=["at_the_sample", "ten_seconds_after"])
def test_kill_at_the_last_sample(late: float) -> None:
    """A kill at the last sample ends the life, and makes no empty one."""
    found = lives(record(T, {"rss_bytes": FLAT}, events=[(4.0 + late, "oom_kill", None)]))
    assert found.select("ended", "samples").rows() == [("oom_kill", 241)]


def test_kill_and_start_are_one_cut() -> None:
    """A kill and the start two seconds later cut once, and the kill is the reason."""
    events = [(2.0 - 5 / 3600, "oom_kill", None), (2.0 - 3 / 3600, "start", None)]
    found = lives(record(T, {"rss_bytes": fallen(2.0)}, events=events))
    assert found.select("start", "start_seen", "ended").rows() == [
        (when(0), False, "oom_kill"),
        (when(2), True, "running"),
    ]


@pytest.mark.parametrize("late", [0, 1, 2], ids="late{}".format)
def test_restart_counted_late(late: int) -> None:
    """The cut is where the memory falls, not where the counter is seen to rise."""
    counter = (2.0 + late / 60 - 1e-9 <= T).astype(int)
    found = lives(record(T, {"rss_bytes": fallen(2.0)}, restarts_total=counter))
    assert found["start"].to_list() == [when(0), when(2)]
    assert found["ended"].to_list() == ["restart", "running"]


def test_restart_counted_early() -> None:
    """The killed process is shown for three minutes more; they belong to it and not to its successor."""
    found = lives(record(T, {"working_set_bytes": fallen(2.0 + 3 / 60)}, events=[(2.0, "start", None)]))
    assert found["start"].to_list() == [when(0), when(2 + 3 / 60)]
    assert found["peak_bytes"].to_list() == [400 * MI, 150 * MI]
    assert found["startup_peak_bytes"].to_list() == [None, 150 * MI]


@pytest.mark.parametrize("high", [2, 5, 8], ids="minutes{}".format)
@pytest.mark.parametrize("begin", [0.0, 2.0], ids=["at_first", "later"])
def test_startup_spike_of_the_new_process_is_its_own(begin: float, high: int) -> None:
    """A new process that starts high and falls within minutes keeps its spike: that fall is not the restart."""
    spike = np.where((begin <= T) & (begin + high / 60 > T), 900.0 * MI, 0.0)
    found = lives(record(T, {"working_set_bytes": FLAT + spike}, events=[(begin, "start", None)]))
    assert found["start"].to_list() == ([when(0)] if begin == 0 else [when(0), when(2)])
    assert found["startup_peak_bytes"][-1] == 1100 * MI


def test_restart_without_a_fall() -> None:
    """A restart that the curve does not show cuts where it was reported."""
    found = lives(record(T, {"rss_bytes": FLAT}, events=[(2.0, "start", None)]))
    assert found["start"].to_list() == [when(0), when(2)]


def test_distant_fall_is_not_the_restart() -> None:
    """A fall an hour away from the restart does not move the cut."""
    found = lives(record(T, {"rss_bytes": fallen(3.0)}, events=[(2.0, "start", None)]))
    assert found["start"].to_list() == [when(0), when(2)]


def test_deep_fall_alone_is_no_restart() -> None:
    """Memory may be freed: a fall that nothing reports cuts nothing."""
    assert lives(record(T, {"rss_bytes": fallen(2.0)})).height == 1


def test_gap_cuts_nothing() -> None:
    """Half an hour without samples is missing data in one life, and is counted."""
    keep = (T <= 1) | (T >= 1.5)
    found = lives(record(T[keep], {"rss_bytes": FLAT[keep]}))
    assert found.height == 1
    assert found["coverage"].item() == pytest.approx(keep.sum() / 241)


def test_fall_across_a_gap_is_a_new_life() -> None:
    """A deep fall across a stretch without samples is a process that nobody saw start."""
    keep = (T <= 1) | (T >= 1.5)
    found = lives(record(T[keep], {"rss_bytes": fallen(1.5)[keep]}))
    assert found["start"].to_list() == [when(0), when(1.5)]


@pytest.mark.parametrize("name", ["work_total", "psi_some_seconds"])
def test_fall_across_a_gap_over_which_a_counter_goes_on_is_none(name: str) -> None:
    """What a process counts begins anew with it: where that goes on, memory was freed while nobody looked."""
    keep = (T <= 1) | (T >= 1.5)
    assert lives(record(T[keep], {"rss_bytes": fallen(1.5)[keep], name: 1_000.0 * T[keep]})).height == 1


def test_a_peak_of_each_interval_tells_of_no_life() -> None:
    """The kernel's peak falls with its cgroup alone: one that falls time and again is no sign of a new process."""
    peaks = FLAT * np.random.default_rng(1).uniform(1, 1.1, len(T))
    assert lives(record(T, {"rss_bytes": FLAT, "peak_bytes": peaks})).height == 1


@pytest.mark.parametrize(
    ("name", "anew"),
    [
        *((name, 1000 * np.where(T < 2, T, T - 2)) for name in ("work_total", "psi_some_seconds", "psi_full_seconds")),
        ("peak_bytes", np.where(T < 2, 300 * MI, 210 * MI)),
        ("restarts_total", np.where(T < 2, 3, 0)),
    ],
)
def test_counter_reset_is_a_new_life(name: str, anew: np.ndarray) -> None:
    """A counter, or the kernel's peak, that starts again belongs to a new process of the same name."""
    found = lives(record(T, {"rss_bytes": FLAT, name: anew}))
    assert found["start"].to_list() == [when(0), when(2)]


def test_peak_that_lags_a_little_is_no_new_life() -> None:
    """The counters behind a peak lag: where it falls by a few pages, nothing began."""
    found = lives(record(T, {"rss_bytes": FLAT, "peak_bytes": np.where(T < 2, 300 * MI, 299 * MI)}))
    assert found["start"].to_list() == [when(0)]


def test_reset_and_event_nearby_are_one_cut() -> None:
    """The counter's reset and the restart's event a few seconds apart are the same restart."""
    work = np.where(T < 2, T, T - 2) * 1000
    found = lives(record(T, {"rss_bytes": fallen(2.0), "work_total": work}, events=[(2.0 + 40 / 3600, "start", None)]))
    assert found["start"].to_list() == [when(0), when(2)]


def test_version_change_in_place() -> None:
    """A release ends a life, and each life knows its version."""
    versions = ["1.0" if moment < 2 else "1.1" for moment in T]
    found = lives(record(T, {"rss_bytes": FLAT}, version=versions))
    assert found.select("start", "ended", "version").rows() == [
        (when(0), "release", "1.0"),
        (when(2), "running", "1.1"),
    ]


def test_limit_in_force() -> None:
    """Each life has the limit that held when it ended."""
    limits = np.where(T < 2, 512 * MI, 1024 * MI)
    found = lives(record(T, {"rss_bytes": FLAT}, limit_bytes=limits, restarts_total=(T >= 2).astype(int)))
    assert found["limit_bytes"].to_list() == [512 * MI, 1024 * MI]


@pytest.mark.parametrize("kind", ["oom_kill", "node_oom", "evicted", "error", "end"])
def test_ending_is_named(kind: str) -> None:
    """A life ends as its event says."""
    found = lives(record(T, {"rss_bytes": FLAT}, events=[(2.0, kind, None), (2.01, "start", None)]))
    assert found["ended"].to_list() == [kind, "running"]


@pytest.mark.parametrize(("kind", "seen"), [("start", True), ("limit", False), ("request", False)])
def test_only_a_start_at_the_first_sample_is_a_start_that_was_seen(kind: str, *, seen: bool) -> None:
    """A limit that was set then says nothing of when the process began."""
    found = lives(record(T, {"rss_bytes": FLAT}, events=[(T[0], kind, None)]))
    assert found["start_seen"].to_list() == [seen]
    assert (found["startup_peak_bytes"].null_count() == 0) == seen


def test_pods_are_apart() -> None:
    """One pod's restart cuts only that pod's life."""
    first = record(T, {"rss_bytes": FLAT}, pod="api-0", events=[(2.0, "start", None)])
    second = record(T, {"rss_bytes": FLAT}, pod="api-1")
    found = lives(together([first, second]))
    assert found.group_by("container_id", maintain_order=True).len()["len"].to_list() == [2, 1]
    assert found.filter(pl.col("container_id") == 1)["samples"].to_list() == [241]


def test_levels_of_a_start_that_was_seen() -> None:
    """Start-up peak, settling time and settled level are read off the footprint."""
    curve = 100 + 300 * np.exp(-T / 0.1)
    found = lives(record(T, {"working_set_bytes": curve * MI}, events=[(0.0, "start", None)])).row(0, named=True)
    assert found["start_seen"]
    assert found["startup_peak_bytes"] == found["peak_bytes"] == 400 * MI
    assert found["peak_time"] == when(0)
    assert found["settled_bytes"] == pytest.approx(100 * MI, rel=0.001)
    # 300 exp(-t / 0.1) falls below 10 after 0.34 h.
    assert found["startup_seconds"] == pytest.approx(0.34 * 3600, abs=90)
    assert found["last_bytes"] == pytest.approx(100 * MI, rel=0.001)


def test_start_that_was_not_seen_has_no_startup_peak() -> None:
    """Where the recording begins in the middle of a life its start-up is unknown, not zero."""
    found = lives(record(T, {"working_set_bytes": (100 + 300 * saturate(T, 0.2)) * MI}))
    assert found["startup_peak_bytes"].to_list() == [None]
    assert found["startup_seconds"].to_list() == [None]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(5, 234), max_size=6, unique=True))
def test_every_sample_has_one_life(minutes: list[int]) -> None:
    """However restarts fall, each of them cuts once, and no sample is lost or doubled."""
    counter = np.searchsorted(np.sort(minutes), np.arange(len(T)), side="right")
    cut = split(record(T, {"rss_bytes": FLAT}, restarts_total=counter))
    assert cut.table.height == len(minutes) + 1
    assert cut.table["samples"].sum() == len(T)
    assert cut.samples["life_row"].to_list() == counter.tolist()
