"""What was said before an OOM kill, from the samples of then alone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.limits.backtest import foretold
from rmtoolkit.recording import Recording
from rmtoolkit.schema import EVENTS
from tests import fleet
from tests.analysis.curves import BEGIN, MI

_MINUTE = dt.timedelta(minutes=1)


def _climbs(lives: int, minutes: int = 200) -> Recording:
    """Lives that climb straight into their limit of 256 Mi, and are killed there."""
    rows = [
        (BEGIN + _MINUTE * (life * minutes + at), round((40 + 216 * at / minutes) * MI))
        for life in range(lives)
        for at in range(minutes)
    ]
    table = pl.DataFrame(rows, schema=["time", "anon_bytes"], orient="row")
    made = Recording.from_frame(table.with_columns(workload=pl.lit("api"), pod=pl.lit("api-0"), limit_bytes=256 * MI))
    kills = [BEGIN + _MINUTE * (minutes * life) - dt.timedelta(seconds=20) for life in range(1, lives + 1)]
    events = pl.DataFrame({"container_id": 0, "time": kills, "kind": "oom_kill", "value_bytes": None, "detail": None})
    return replace(made, events=events.cast(EVENTS))


@pytest.fixture(scope="module")
def killed() -> rm.Recording:
    """Five such lives."""
    return _climbs(5)


def test_it_is_said_half_way_through_a_short_run_and_comes(killed: rm.Recording) -> None:
    """From the first half of each of the newest three runs the kill was said to within its interval."""
    told = foretold(killed)
    assert told["said_time"].null_count() == 2
    last = told.drop_nulls("said_time")
    assert last.height == 3
    for row in last.iter_rows(named=True):
        assert abs((row["time"] - row["said_time"]) - dt.timedelta(minutes=100)) < _MINUTE
        assert row["said_kill_time_low"] < row["time"] < row["said_kill_time_high"]


def test_a_long_run_is_looked_at_a_day_before() -> None:
    """Of a run of four days the samples of the last day are not used."""
    told = foretold(_climbs(1, 4 * 24 * 60)).row(0, named=True)
    assert told["time"] - told["said_time"] == dt.timedelta(days=1)
    assert told["said_kill_time"] is not None


def test_what_was_said_is_what_the_samples_of_then_say() -> None:
    """Each is what an assessment says of the container alone, with nothing that came later."""
    recording = fleet.recording()
    looked = foretold(recording).filter(pl.col("said_kill_time").is_not_null())
    assert looked.height
    for row in looked.iter_rows(named=True):
        alone = recording.filter(pl.col("container_id") == row["container_id"]).window(end=row["said_time"])
        then = rm.assess(alone).workloads.row(0, named=True)
        assert (then["verdict"], then["pattern"]) == (row["said_verdict"], row["said_pattern"])
        assert abs(then["limit_at"] - row["said_kill_time"]) < dt.timedelta(seconds=1)


def test_later_samples_change_nothing(killed: rm.Recording) -> None:
    """What was said before a kill stays the same when the recording goes on."""
    whole, cut = (foretold(one) for one in (killed, killed.window(end=BEGIN + _MINUTE * 600)))
    both = whole.drop_nulls("said_time").join(cut.drop_nulls("said_time"), on="time")
    assert both.height == 1
    assert both["said_kill_time"].to_list() == both["said_kill_time_right"].to_list()


def test_a_sentence_says_both_and_the_workload_its_last(killed: rm.Recording) -> None:
    """The record names the three instants; a row of workloads has the sentence of its last kill."""
    found = rm.assess(killed)
    said = found.kills["sentence"].to_list()
    assert said[0].startswith("Killed on ")
    assert found.workloads["foretold"].to_list() == said[-1:]
    assert said[-1].count(":") > 3
    assert "the data said" in said[-1]
    assert "it was killed at" in said[-1]


def test_a_backtest_says_when_the_past_said_it_and_when_it_came() -> None:
    """The week in which a climb of three weeks is killed has that instant, and the one that its past said."""
    climbs = _climbs(2, 16 * 24 * 60)
    weeks = rm.backtest(climbs, history="7d").weeks.filter(pl.col("killed_time").is_not_null(), arm="KRR")
    assert weeks["killed_time"].to_list() == [climbs.events["time"][0]]
    assert abs(weeks["said_kill_time"][0] - weeks["killed_time"][0]) < dt.timedelta(hours=12)


def test_without_kills_there_is_nothing_to_tell() -> None:
    """A calm recording gives no row."""
    table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    assert rm.assess(table).kills.height == 0
