"""The chance of an OOM kill: three horizons of one calculation."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.analysis.forecast import ENDLESS, Exposure, chances, exposure
from rmtoolkit.analysis.judge import classify
from tests.analysis.curves import GI, MI, footprint, hours, record, small_noise, when

COLUMNS = ("oom_probability_24h", "oom_probability_7d", "oom_probability_30d")
LEAK: dict[str, Any] = {
    "kills_per_hour": 0.0,
    "peaks_per_week": 0.0,
    "growing": 1.0,
    "per_day": 24.0 * MI,
    "doubt": 2.0 * MI,
}


def life(start: float, end: float, ended: str = "release", peak: int = 300) -> dict[str, Any]:
    """A life between two hours with a limit of 1 GiB."""
    row = {"start": when(start), "end": when(end), "ended": ended, "peak_bytes": peak * MI}
    return row | {"limit_bytes": GI}


@given(
    kills=st.floats(0, 2),
    peaks=st.floats(0, 2),
    growing=st.floats(0, 1),
    per_day=st.floats(-1e9, 1e9),
    doubt=st.floats(0, 1e8),
    spread=st.floats(0, 1e8),
    room=st.floats(-1e9, 1e10),
    age=st.floats(0, 2000),
    longest=st.one_of(st.none(), st.floats(0.1, 2000)),
)
def test_a_longer_horizon_is_never_safer(
    kills: float,
    peaks: float,
    growing: float,
    per_day: float,
    doubt: float,
    spread: float,
    room: float,
    age: float,
    longest: float | None,
) -> None:
    """Whatever the numbers, a day is no likelier than a week, a week no likelier than a month, and all are chances."""
    found = chances(
        kills_per_hour=kills,
        peaks_per_week=peaks,
        growing=growing,
        per_day=per_day,
        doubt=doubt,
        spread=spread,
        room=room,
        fresh_room=abs(room),
        lasts=Exposure(age, longest, 5),
    )
    assert found.day is not None
    assert found.week is not None
    assert found.month is not None
    assert 0 <= found.day <= found.week <= found.month <= 1


def test_growth_reaches_at_its_time() -> None:
    """With ten days of room a leak kills neither within a day nor a week, but surely within a month."""
    day, week, month = chances(**LEAK, room=240 * MI)
    assert day is not None
    assert week is not None
    assert month is not None
    assert day < 1e-3
    assert week < 0.01
    assert month > 0.99


def test_kills_come_as_often_as_they_came() -> None:
    """A kill every hundred hours: the chance within a horizon is that of a Poisson process."""
    found = chances(kills_per_hour=0.01, peaks_per_week=0.0)
    assert found == pytest.approx([1 - np.exp(-hours / 100) for hours in (24, 168, 720)], abs=1e-3)


def test_noise_can_be_at_the_limit_before_the_trend() -> None:
    """A level that wanders by as much as the room that is left is at the limit within a day, growth or not."""
    calm = chances(**LEAK, room=120 * MI).day
    noisy = chances(**LEAK, room=120 * MI, spread=100 * MI).day
    assert calm is not None
    assert noisy is not None
    assert noisy > 0.1 > calm


def test_daily_restarts_cap_exposure() -> None:
    """A service that something restarts every day does not live long enough to use ten days of room."""
    daily = Exposure(age_hours=5.0, longest_hours=28.0, ended=7)
    endless, capped = chances(**LEAK, room=240 * MI).month, chances(**LEAK, room=240 * MI, lasts=daily).month
    assert endless is not None
    assert capped is not None
    assert endless > 0.99
    assert capped < 1e-3


def test_a_life_older_than_any_before_is_not_capped() -> None:
    """Restarts that stopped coming protect no longer."""
    assert Exposure(age_hours=100.0, longest_hours=28.0, ended=7).left_hours == np.inf


def test_exposure_of_daily_releases() -> None:
    """Five days that each ended in a release: a life lasts a day and a fifth at most."""
    lives = [(life(24 * n, 24 * n + 24), 60.0) for n in range(5)]
    found = exposure([*lives, (life(120, 130, "running"), 60.0)])
    assert found.age_hours == pytest.approx(10)
    assert found.longest_hours == pytest.approx(28.8)
    assert found.ended == 5


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param([life(0, 8, "oom_kill"), life(8, 16, "oom_kill"), life(16, 24, "oom_kill")], id="killed"),
        pytest.param([life(8 * n, 8 * n + 8, "restart", peak=1000) for n in range(5)], id="perhaps_killed"),
        pytest.param([life(8 * n, 8 * n + 8, "gap") for n in range(5)], id="not_seen"),
        pytest.param([life(0, 8), life(8, 16)], id="too_few"),
        pytest.param([life(0, 8), life(0, 8.1), life(0, 8.2), life(0, 8.3)], id="one_rollout"),
        pytest.param([life(0, 8), life(8, 16), life(16, 16.01), life(17, 17.01)], id="false_starts"),
    ],
)
def test_what_is_no_cap(lives: list[dict[str, Any]]) -> None:
    """Kills, restarts near the limit that may be kills, unseen stretches and two lives say nothing about a cap."""
    assert exposure((row, 60.0) for row in [*lives, life(50, 51, "running")]).longest_hours is None


def test_pods_that_went_away_are_ended_lives() -> None:
    """Each release makes new pods: a pod that was last seen long ago has ended, though nothing says how."""
    gone = [(life(24 * n, 24 * n + 24, "running"), 60.0) for n in range(4)]
    assert exposure([*gone, (life(96, 100, "running"), 60.0)]).ended == 4


def test_no_life_is_no_exposure() -> None:
    """Without lives nothing is known to end one."""
    assert exposure([]) == ENDLESS


def leak_restarted_every(period: float) -> dict[str, Any]:
    """The verdict on seven days of 4 MiB an hour that begin anew at each release."""
    t = hours(168, 300)[:-1]
    rng = np.random.default_rng(5)
    curve = (200 + 4 * np.mod(t, period)) * MI
    events = [(float(at), "release", f"1.{n}") for n, at in enumerate(np.arange(period, 168, period))]
    rows = classify(record(t, {"working_set_bytes": curve + small_noise(rng, curve)}, events=events, limit_bytes=GI))
    return rows.row(0, named=True)


def test_releases_hide_a_leak_from_the_limit() -> None:
    """Released daily, a leak with eight days of room is a leak that hardly kills."""
    row = leak_restarted_every(24)
    assert row["verdict"] == "leak"
    assert row["oom_probability_30d"] < 0.05


@pytest.mark.parametrize("rate", [0.0, 1.0, 4.0, 12.0], ids="rate{}".format)
def test_columns_rise_with_the_horizon(rate: float) -> None:
    """In a frame of verdicts the three chances stand together and never fall."""
    t = hours(24, 60)
    frame = classify(footprint(t, (300 + rate * t) * MI, np.random.default_rng(3), limit=GI))
    at = frame.columns.index("oom_probability_7d")
    assert frame.columns[at : at + 3] == ["oom_probability_7d", "oom_probability_24h", "oom_probability_30d"]
    row = frame.row(0, named=True)
    day, week, month = (row[name] for name in COLUMNS)
    assert 0 <= day <= week <= month <= 1


def test_no_limit_no_chance() -> None:
    """Without a limit there is nothing to exceed: unknown in all three, never 0."""
    rows = {"time": range(0, 86_400, 60), "rss_bytes": [180 * MI] * 1_440}
    assert classify(pl.DataFrame(rows)).select(COLUMNS).row(0) == (None, None, None)
