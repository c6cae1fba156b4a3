"""Hours to the limit, the chance of a kill, and the band of a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from rmtoolkit.analysis.judge import (
    FORECAST,
    Growth,
    TimeToLimit,
    _ahead,
    exposure,
    judge,
    line_of,
    look_ahead,
    paths,
)
from rmtoolkit.analysis.records import ENDLESS, Exposure
from rmtoolkit.assessment import classify
from rmtoolkit.schema import Outlook, Signal
from tests.analysis.curves import BEGIN, GI, MI, footprint, hours, record, small_noise, together, when
from tests.analysis.records import life_of, opinion_of, reading_of

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Life, Opinion


def life(top: float = 300.0, *, late_peak: float | None = None, early_peak: float | None = None) -> Opinion:
    """A day of a footprint with the given levels in MiB."""
    reading = reading_of(
        Signal.FOOTPRINT,
        top=top * MI,
        end_level=top * MI,
        late_peak=(late_peak or top) * MI,
        early_peak=(early_peak or top) * MI,
        noise=1.0 * MI,
        begun=top * MI,
    )
    return opinion_of(life_of(0, 24, limit_bytes=1024 * MI), {Signal.FOOTPRINT: reading}, Signal.FOOTPRINT)


def ahead(opinion: Opinion, growth: Growth | None, **changed: Any) -> TimeToLimit:
    """Look ahead with a limit of 1024 MiB."""
    opinion.life = replace(opinion.life, limit_bytes=changed.pop("limit_bytes", opinion.life.limit_bytes))
    given: dict[str, Any] = {"growing": 0.9, "limit_known": True, "open_end": False, "lasts": ENDLESS} | changed
    return look_ahead(opinion, growth, **given)


STEADY = Growth(240.0 * MI, 2.0 * MI, 2.0 * MI, 300.0 * MI, 1.0 * MI)


def test_hours_are_those_of_the_line() -> None:
    """724 MiB of room at 10 MiB an hour are 72.4 hours, within their interval."""
    found = ahead(life(), STEADY)
    assert found.outlook == "reaches"
    assert found.hours == pytest.approx(72.4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 72.4 < found.high


def test_the_interval_is_that_of_rate_and_level() -> None:
    """80 % are 1.2816 deviations: of the rate 2 MiB a day, of the level 1 MiB."""
    found = ahead(life(), STEADY)
    rate, level = 1.2816 * 2, 1.2816
    assert found.low == pytest.approx((724 - level) / (240 + rate) * 24)
    assert found.high == pytest.approx((724 + level) / (240 - rate) * 24)


def test_no_limit_is_never_reached() -> None:
    """Without a limit, flat memory is bounded and growing memory unknown; a limit nobody knows is unknown."""
    assert ahead(life(), STEADY, growing=0.1, limit_bytes=None).outlook == "bounded"
    assert ahead(life(), STEADY, limit_bytes=None).outlook == "unknown"
    assert ahead(life(), STEADY, growing=0.1, limit_bytes=None, limit_known=False).outlook == "unknown"


def test_no_growth_is_bounded() -> None:
    """Memory that likely does not grow, or falls, has no hours."""
    still = ahead(life(), STEADY, growing=0.1)
    assert (still.outlook, still.hours, still.low, still.high) == ("bounded", None, None, None)
    assert ahead(life(), Growth(-5.0 * MI, MI, MI, 300.0 * MI, MI)).hours is None


def test_past_the_limit() -> None:
    """Memory at its limit has reached it: zero hours, never negative."""
    found = ahead(life(1024), Growth(240.0 * MI, 2.0 * MI, 2.0 * MI, 1030.0 * MI, MI))
    assert found.hours == 0
    assert found.low == 0


def test_open_upper_end() -> None:
    """Where the slope's interval touches zero, nobody knows the latest time."""
    found = ahead(life(), Growth(24.0 * MI, 24.0 * MI, 24.0 * MI, 300.0 * MI, MI))
    assert found.low is not None
    assert found.high is None


def test_band_of_the_chart() -> None:
    """The band starts at the last sample, is in order, and its middle is the line."""
    outlook = ahead(life(), STEADY)
    line = line_of(life(), STEADY, outlook, 0.9)
    assert line is not None
    frame = paths([line])
    assert frame.schema == FORECAST
    assert frame["container_id"].unique().to_list() == [life().life.container_id]
    assert frame["time"].is_sorted()
    assert frame["time"][0] == when(24)
    assert frame.height <= 24
    assert frame.select(
        ((pl.col("low_bytes") <= pl.col("mid_bytes")) & (pl.col("mid_bytes") <= pl.col("high_bytes"))).all()
    ).item()
    span = (frame["time"][-1] - frame["time"][0]).total_seconds() / 3600
    assert frame["mid_bytes"][-1] - frame["mid_bytes"][0] == pytest.approx(10 * MI * span)


def test_the_band_is_wider_the_farther_it_looks() -> None:
    """Around the line both ways; steady growth has much the same doubt above as below."""
    rng = np.random.default_rng(2)
    t = hours(24, 30)
    found = judge(footprint(t, (200 + 6 * t) * MI, rng, limit=1024 * MI))[0]["forecast"]
    below = (found["mid_bytes"] - found["low_bytes"]).to_numpy()
    above = (found["high_bytes"] - found["mid_bytes"]).to_numpy()
    assert (np.diff(below) > 0).all()
    assert (np.diff(above) > 0).all()
    assert above[0] > 0
    assert above == pytest.approx(below, rel=0.1)


def test_what_speeds_up_may_come_sooner_and_no_later() -> None:
    """More doubt above the line moves the early end of the interval alone."""
    steady = ahead(life(), STEADY)
    faster = ahead(life(), replace(STEADY, error_up_bytes=60.0 * MI))
    assert faster.low is not None
    assert steady.low is not None
    assert faster.low < 0.8 * steady.low
    assert (faster.hours, faster.high) == (steady.hours, steady.high)


def test_no_band_when_nothing_is_known() -> None:
    """An unknown outlook draws nothing."""
    assert line_of(life(), STEADY, TimeToLimit(Outlook.UNKNOWN), 0.9) is None
    assert paths([]).height == 0


@pytest.mark.parametrize("cadence", [15, 60, 300], ids="cadence{}s".format)
@pytest.mark.parametrize("rate", [4.0, 9.0], ids="rate{}".format)
def test_hours_of_a_clean_leak(cadence: float, rate: float) -> None:
    """A clean leak's hours are right within a tenth."""
    t = hours(24, cadence)
    recording = footprint(t, (200 + rate * t) * MI, np.random.default_rng(11), limit=800 * MI)
    row = classify(recording).row(0, named=True)
    assert row["verdict"] == "leak"
    assert row["hours_to_limit"] == pytest.approx((600 - rate * 24) / rate, rel=0.1)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """The 80 % interval holds the true hours in at least 75 % of sixty noisy straight leaks: it allows for bends."""
    t = hours(24, 60)
    parts, truth = [], {}
    for seed in range(60):
        rng = np.random.default_rng(8000 + seed)
        rate = rng.uniform(2, 8)
        name = f"w{seed}"
        parts.append(footprint(t, (250 + rate * t) * MI, rng, limit=900 * MI, workload=name, pod=f"{name}-0"))
        truth[name] = (650 - rate * 24) / rate
    rows = classify(together(parts)).filter(pl.col("hours_to_limit").is_not_null())
    reached = rows.height
    assert reached >= 55
    inside = sum(
        low <= truth[name] <= (np.inf if high is None else high)
        for name, low, high in rows.select("workload", "hours_to_limit_low", "hours_to_limit_high").iter_rows()
    )
    assert inside / reached >= 0.75, f"{inside} of {reached}"


def test_forecast_of_a_recording() -> None:
    """The judgement's forecast begins where the recording ends."""
    t = hours(24, 60)
    frames, _ = judge(footprint(t, (200 + 9 * t) * MI, np.random.default_rng(1), limit=800 * MI))
    assert frames["forecast"].schema == FORECAST
    assert frames["forecast"]["time"].min() == when(24)
    assert when(0) == BEGIN


def test_after_a_restart_it_begins_where_it_began_but_never_higher_than_now() -> None:
    """A footprint of 300 MiB of which 200 count began at 250: after a restart 150 count; at 500, those 200."""
    growth = Growth(240.0 * MI, 0.0, 0.0, 200.0 * MI, 0.0)
    for begun, level in ((250, 150), (50, 0), (500, 200)):
        reading = reading_of(Signal.FOOTPRINT, top=300.0 * MI, begun=float(begun * MI))
        opinion = opinion_of(life_of(), {Signal.FOOTPRINT: reading}, Signal.FOOTPRINT)
        assert _ahead(opinion, growth, 0.0, ENDLESS).fresh_bytes == level * MI


def test_lives_that_end_before_the_limit_cap_the_hours() -> None:
    """72.4 h of growth are more than the 30 h that a life has left; what has no end caps nothing."""
    assert ahead(life(), STEADY, lasts=Exposure(10.0, 40.0)).capped
    assert not ahead(life(), STEADY, lasts=Exposure(10.0, 90.0)).capped
    assert not ahead(life(), STEADY).capped
    assert Exposure(50.0, 40.0).left_hours == np.inf


def test_false_starts_and_pods_of_one_rollout_are_no_further_ends() -> None:
    """Four nights, two pods each, and one start that failed after an hour: four ends, the longest life and a part."""
    nights = [life_of(24 * night, 24 * night + 24 - pod / 100, "end") for night in range(4) for pod in range(2)]
    lives = [*nights, life_of(50, 51, "error"), life_of(96, 106)]
    found = exposure((one, 60.0) for one in lives)
    assert found.age_hours == 10.0
    assert found.longest_hours == pytest.approx(24 * 1.25)


COLUMNS = ("oom_probability_24h", "oom_probability_7d", "oom_probability_30d")


def lived(start: float, end: float, ended: str = "release", peak: int = 300) -> Life:
    """A life between two hours with a limit of 1 GiB."""
    return life_of(start, end, ended, peak_bytes=peak * MI, limit_bytes=GI)


def test_a_life_older_than_any_before_is_not_capped() -> None:
    """Restarts that stopped coming protect no longer."""
    assert Exposure(age_hours=100.0, longest_hours=28.0).left_hours == np.inf


def test_exposure_of_daily_releases() -> None:
    """Five days that each ended in a release: a life lasts a day and a fifth at most."""
    lives = [(lived(24 * n, 24 * n + 24), 60.0) for n in range(5)]
    found = exposure([*lives, (lived(120, 130, "running"), 60.0)])
    assert found.age_hours == pytest.approx(10)
    assert found.longest_hours == pytest.approx(28.8)


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param([lived(0, 8, "oom_kill"), lived(8, 16, "oom_kill"), lived(16, 24, "oom_kill")], id="killed"),
        pytest.param([lived(8 * n, 8 * n + 8, "restart", peak=1000) for n in range(5)], id="perhaps_killed"),
        pytest.param([lived(8 * n, 8 * n + 8, "gap") for n in range(5)], id="not_seen"),
        pytest.param([lived(0, 8), lived(8, 16)], id="too_few"),
        pytest.param([lived(0, 8), lived(0, 8.1), lived(0, 8.2), lived(0, 8.3)], id="one_rollout"),
        pytest.param([lived(0, 8), lived(8, 16), lived(16, 16.01), lived(17, 17.01)], id="false_starts"),
    ],
)
def test_what_is_no_cap(lives: list[Life]) -> None:
    """Kills, restarts near the limit that may be kills, unseen stretches and two lives say nothing about a cap."""
    assert exposure((row, 60.0) for row in [*lives, lived(50, 51, "running")]).longest_hours is None


def test_pods_that_went_away_are_ended_lives() -> None:
    """Each release makes new pods: a pod that was last seen long ago has ended, though nothing says how."""
    gone = [(lived(24 * n, 24 * n + 24, "running"), 60.0) for n in range(4)]
    assert exposure([*gone, (lived(96, 100, "running"), 60.0)]).longest_hours == 24 * 1.25


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
