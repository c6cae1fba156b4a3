"""The chance that a limit kills."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import rmtoolkit as rm
from rmtoolkit.analysis.records import Ahead
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.backtest import mcnemar
from rmtoolkit.limits.history import LEAST_BYTES, Need, as_need
from rmtoolkit.limits.risk import Scores, above_kills, chances, risk, wilson
from tests.limits.conftest import DAY, MIB, START, gather, samples, steady

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_higher_limit_never_has_a_higher_chance(fleet: rm.Recording) -> None:
    """The curve falls, from nearly certain below the peak to what the pairs can tell."""
    risk = rm.limit_risk(fleet.filter(workload="w07"), [n * 10 * MIB for n in range(5, 60)])
    chances = risk["oom_probability"].to_numpy()
    assert (np.diff(chances) <= 0).all()
    assert chances[0] > 0.9
    assert chances[-1] < 0.01


def test_the_interval_holds_the_chance_and_the_pairs_are_counted(fleet: rm.Recording) -> None:
    """Each number comes with how sure it is and what it rests on."""
    margins = rm.learn_margins(fleet)
    risk = rm.limit_risk(fleet, [150 * MIB, 400 * MIB], margins)
    assert (risk["oom_probability_low"] <= risk["oom_probability"]).all()
    assert (risk["oom_probability"] <= risk["oom_probability_high"]).all()
    assert (risk["pairs"] >= 80).all()
    assert risk["margins"].str.starts_with("learnt from 40 workloads").all()


def test_no_chance_below_what_the_pairs_can_tell_is_claimed(fleet: rm.Recording) -> None:
    """Far above everything the chance is 1 in n + 1, and said not to be certified."""
    margins = rm.learn_margins(fleet)
    row = rm.limit_risk(fleet.filter(workload="w07"), 100_000 * MIB, margins).row(0, named=True)
    assert row["oom_probability"] == pytest.approx(1 / (row["pairs"] + 1))
    assert row["oom_probability"] == row["smallest_probability"]
    assert not row["certified"]


def test_a_limit_that_killed_is_no_good() -> None:
    """At or below it the chance is large, and the reason says why."""
    table = samples(steady(14), limit_bytes=256 * MIB)
    kill = pl.DataFrame([{"time": START + 10 * DAY, "kind": "oom_kill", "pod": "api-0"}])
    recording = rm.Recording.from_frame(table, events=kill)
    risk = rm.limit_risk(recording, [256 * MIB, 600 * MIB])
    assert risk["oom_probability"][0] > 0.4
    assert "OOM killed" in risk["because"][0]
    assert risk["oom_probability"][1] < 0.1


def test_a_limit_that_past_weeks_went_above_is_counted(fleet: rm.Recording) -> None:
    """An ordinary history: the chance, its interval and its reason are those of the pairs, and they are certified."""
    margins = rm.learn_margins(fleet)
    row = rm.limit_risk(fleet.filter(workload="w07"), 137 * MIB, margins).row(0, named=True)
    assert row["because"] == "based on past week-to-week comparisons"
    assert row["certified"]
    above = round(row["oom_probability"] * (row["pairs"] + 1)) - 1
    assert above > 0
    assert row["oom_probability_low"] < row["oom_probability"] < row["oom_probability_high"] < 1.0


def test_half_an_hour_of_history_certifies_nothing() -> None:
    """It counts as an hour, so that the true chance may be anything above."""
    row = rm.limit_risk(samples(steady(1, step=30)[:60], step=30), 400 * MIB).row(0, named=True)
    assert row["oom_probability_high"] == 1.0
    assert not row["certified"]
    assert "shorter than an hour" in row["because"]


def test_growth_that_reaches_the_limit_within_a_week_kills_as_surely_as_it_goes_on() -> None:
    """A leak of 20 MiB a day: 50 MiB above it is gone in a week, 500 MiB is not. One rise goes on by at most .8."""
    values = steady(14, 200, rough=0.002) + np.linspace(0, 14 * 20 * MIB, 14 * 24)
    risk = rm.limit_risk(samples(values), [540 * MIB, 1000 * MIB])
    assert risk["growing"].all()
    assert risk["oom_probability"][0] == pytest.approx(0.8, abs=0.005)
    assert risk["oom_probability"][1] < 0.05


def test_limits_may_differ_by_workload(fleet: rm.Recording) -> None:
    """A frame of limits is matched by the names that it has."""
    wanted = pl.DataFrame({"workload": ["w01", "w02"], "limit_bytes": [200 * MIB, 300 * MIB]})
    risk = rm.limit_risk(fleet, wanted)
    assert risk.select("workload", "limit_bytes").rows() == [("w01", 200 * MIB), ("w02", 300 * MIB)]


def of_api(*limits: object) -> pl.DataFrame:
    """A frame of limits of one workload."""
    return pl.DataFrame({"workload": ["w01"] * len(limits), "limit_bytes": list(limits)}, strict=False)


NO_LIMITS: tuple[Any, ...] = (
    *([], [0], [-5], [None], None, True, "500Mi", b"abc", float("nan"), float("inf"), [1e8, float("nan")], 10**30),
    *(
        [True, 5],
        (5, False),
        {1},
        {"w01": 5},
        [[1, 2]],
        pl.DataFrame({"workload": ["w01"]}),
        pl.DataFrame({"limit_bytes": [None]}),
    ),
    *(of_api("500Mi"), of_api(*[True]), of_api(float("nan")), of_api(float("inf")), of_api(-1), of_api([1, 2])),
)


@pytest.mark.parametrize("limits", NO_LIMITS, ids=str)
@pytest.mark.parametrize("ask", [rm.limit_risk, rm.replay], ids=["limit_risk", "replay"])
def test_no_limit_and_no_sense_are_refused(fleet: rm.Recording, ask: Callable[..., object], limits: object) -> None:
    """One clear error, and nothing computed: no kills would read like a limit that holds."""
    with pytest.raises(RmtoolkitError, match="limit"):
        ask(fleet, limits)


@pytest.mark.parametrize(
    "names",
    [pl.Series(["w01"], dtype=pl.Categorical), pl.Series(["w01"], dtype=pl.Enum(["w01"])), ["w01"]],
    ids=["categorical", "enum", "pandas"],
)
@pytest.mark.parametrize("ask", [rm.limit_risk, rm.replay], ids=["limit_risk", "replay"])
def test_a_frame_of_limits_may_be_of_any_kind(fleet: rm.Recording, ask: Callable[..., Any], names: Any) -> None:
    """Names of another type are the same names, and pandas is a frame like polars."""
    of_polars = pl.DataFrame({"workload": names, "limit_bytes": [50 * MIB]})
    wanted = of_polars if of_polars.schema["workload"] != pl.String else of_polars.to_pandas()
    assert ask(fleet, wanted).equals(ask(fleet, of_api(50 * MIB)))


@pytest.mark.parametrize("name", [["w01"], {"of": "w01"}, b"w01", None, "", 7, dt.timedelta(1)], ids=str)
@pytest.mark.parametrize("ask", [rm.limit_risk, rm.replay], ids=["limit_risk", "replay"])
def test_names_of_odd_types_are_one_clear_error(fleet: rm.Recording, ask: Callable[..., Any], name: object) -> None:
    """What is no name of a workload is told with its column, or as the name that no workload has."""
    with pytest.raises(RmtoolkitError, match=r"column 'workload' holds .*, expected names|No workload '(null||7)'"):
        ask(fleet, pl.DataFrame({"workload": [name], "limit_bytes": [50 * MIB]}))


@pytest.mark.parametrize("ask", [rm.limit_risk, rm.replay], ids=["limit_risk", "replay"])
def test_limits_of_names_that_no_workload_has_are_refused(fleet: rm.Recording, ask: Callable[..., Any]) -> None:
    """A name that is misspelt is told, with the nearest one; beside one that is there it is warned of."""
    wanted = pl.DataFrame({"namespace": "shop", "workload": ["w99", "w01", "w98", "w99"], "limit_bytes": 200 * MIB})
    with pytest.raises(rm.UnknownWorkloadError, match=r"'shop/w99'.*did you mean 'shop/w"):
        ask(fleet, wanted.head(1))
    with pytest.warns(rm.RmtoolkitWarning, match=r"^Left out limits. No workload 'shop/w99, shop/w98'.") as told:
        found = ask(fleet, wanted)
    assert len(told) == 1
    assert found.equals(ask(fleet, wanted[1:2]))


def test_a_minute_of_history_says_nothing_about_a_week() -> None:
    """Null, and the reason; never a made-up chance."""
    row = rm.limit_risk(samples(steady(1)[:2], step=30), 500 * MIB).row(0, named=True)
    assert row["oom_probability"] is None
    assert "too short" in row["because"]


def test_the_intervals_are_those_of_the_books() -> None:
    """Wilson and McNemar against published values."""
    assert wilson(0, 20, 1.959964) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0.5, 100) == pytest.approx((0.4364, 0.5636), abs=1e-4)
    # Exactly: 0.015625 lies between two roundings, and what is a hair off is written otherwise.
    assert (mcnemar(0, 5), mcnemar(0, 7)) == (0.0625, 0.015625)
    assert mcnemar(0, 0) == 1.0


SCORES = Scores(np.arange(1, 100) / 100, workloads=50, swing=0.01)
NEED = Need(base_bytes=100.0 * MIB, spread=0.5, history_seconds=14.0 * DAY, need_bytes=100 * MIB)


def test_a_chance_is_the_place_among_the_rises() -> None:
    """Ninety-nine rises from 0.01 to 0.99: a limit of exp(0.795) times base and 16 MiB leaves twenty, of a hundred."""
    limit = 116 * MIB * np.exp(0.795) - LEAST_BYTES
    found = risk(NEED, limit, SCORES)
    assert found.week == pytest.approx((20 + 1) / 100)
    assert found.pairs == 99
    assert found.smallest == pytest.approx(1 / 100)
    # Fifty workloads in weeks that differ are as good as 33 draws.
    assert (found.low, found.high) == pytest.approx(wilson(0.21, 1 / (0.01 + 1 / 50)))
    assert risk(NEED, 50 * MIB, SCORES).week == 1.0


def test_a_day_and_a_month_are_weeks_of_the_same_kind() -> None:
    """Weeks that are alike: 1 − p to the power of the share of a week."""
    found = risk(NEED, 116 * MIB * np.exp(0.795) - LEAST_BYTES, SCORES)
    assert found.day == pytest.approx(1 - 0.79 ** (1 / 7))
    assert found.month == pytest.approx(1 - 0.79 ** (30 / 7))


def again(days: float, weeks: float, next_weeks: float = 1.0) -> float:
    """The chance of another kill by days with kills in so many weeks, a rate with half a day more as its prior."""
    return float(1 - (weeks / (weeks + next_weeks)) ** (days + 0.5))


#: Of two weeks the older counts for less: together as much as 1.44.
TWO_WEEKS: Final = 1 / np.log(2)


def test_kills_go_on_at_the_limit_that_killed() -> None:
    """Kills on seven days in fourteen go on as often; above the limit each 15 % more halves the chance."""
    need = structs.replace(NEED, kills=7, kills_now=7, killed_days=7.0, killed_limit_bytes=100 * MIB)
    at = risk(need, 100 * MIB, Scores(np.full(99, -5.0), 99, 0.0))
    assert at.week == pytest.approx(again(7, TWO_WEEKS))
    assert at.day == pytest.approx(again(7, TWO_WEEKS, 1 / 7))
    assert at.basis == "kills"
    # Seven were counted: 3.9 to 11.8 were expected, at 80 % (half of the quantiles of chi squared).
    assert at.low == pytest.approx(1 - np.exp(-3.895 / TWO_WEEKS), abs=1e-3)
    assert at.high == pytest.approx(1 - np.exp(-11.77 / TWO_WEEKS), abs=1e-3)
    above = risk(need, 115 * MIB, Scores(np.full(99, -5.0), 99, 0.0))
    assert above.week == pytest.approx((at.week or 0) / 2)
    assert (above.high or 0) == pytest.approx((at.high or 0) * 0.5 ** (np.log(1.15) / np.log(1.3)))


def test_a_kill_counts_for_less_the_longer_all_was_quiet_since() -> None:
    """Killed once in eight weeks: the chance falls with each quiet week since, and is never small."""
    chances = []
    for quiet in range(8):
        table = samples(steady(56, step=3600), limit_bytes=256 * MIB)
        kill = pl.DataFrame([{"time": START + (56 - 7 * quiet) * DAY - 7200, "kind": "oom_kill", "pod": "api-0"}])
        needs = gather(rm.Recording.from_frame(table, events=kill))
        need = structs.replace(as_need(needs.row(0, named=True)), base_bytes=None)
        chances.append(risk(need, 256 * MIB, SCORES).week or 0.0)
    assert chances == sorted(chances, reverse=True)
    assert (chances[0], chances[-1]) == pytest.approx((0.36, 0.16), abs=0.02)


def test_a_kill_before_the_first_sample_is_counted_since_it_happened() -> None:
    """One kill a week ago, and 29 minutes of samples: one in a week is what was seen, and no certainty."""
    table = samples(steady(1, step=60)[:30], step=60, limit_bytes=256 * MIB)
    end = START + 29 * 60
    kill = pl.DataFrame([{"time": end - 7 * DAY, "kind": "oom_kill", "pod": "api-0"}])
    row = rm.limit_risk(rm.Recording.from_frame(table, events=kill), 256 * MIB).row(0, named=True)
    days, weeks = 0.5 ** (7.5 / 14), TWO_WEEKS * 2 * (1 - 0.5**0.5)
    assert row["oom_probability"] == pytest.approx(again(days, weeks), abs=1e-3)
    assert row["oom_probability_24h"] == pytest.approx(again(days, weeks, 1 / 7), abs=1e-3)
    assert 0.01 < row["oom_probability_low"] < row["oom_probability"] < 0.95 < row["oom_probability_high"] < 1


@pytest.mark.parametrize(("pods", "minutes"), [(1, 1440), (5, 1440), (1, 30)], ids=["one pod", "five pods", "a job"])
def test_kills_are_counted_by_the_days_in_which_they_came(pods: int, minutes: int) -> None:
    """Seven kills in a week are seven in the next, of one pod or of five, and of a job that runs half an hour a day."""
    tables = [samples(steady(7, step=60), step=60, pod=f"api-{pod}", limit_bytes=256 * MIB) for pod in range(pods)]
    table = pl.concat(tables).filter((pl.col("time") - START) // 60 % 1440 < minutes)
    killed = [{"time": START + day * DAY + minutes * 60, "kind": "oom_kill", "pod": "api-0"} for day in range(7)]
    row = rm.limit_risk(rm.Recording.from_frame(table, events=pl.DataFrame(killed)), 256 * MIB).row(0, named=True)
    assert row["oom_probability_24h"] == pytest.approx(1 - np.exp(-1), abs=0.06)
    assert row["oom_probability"] > 0.98


@pytest.mark.parametrize("chance", [0.3, 0.05, 0.01])
def test_above_kills_is_the_limit_at_which_they_leave_the_chance(chance: float) -> None:
    """The inverse of what kills say of a limit."""
    need = structs.replace(NEED, kills=7, kills_now=7, killed_days=7.0, killed_limit_bytes=2048 * MIB)
    limit = above_kills(need, chance)
    assert limit > 2048 * MIB
    assert risk(need, limit, Scores(np.full(99, -5.0), 99, 0.0)).week == pytest.approx(chance, rel=1e-3)


@pytest.mark.parametrize(("killed", "least"), [(64, 164), (500, 600), (1000, 1200)])
def test_no_limit_after_a_kill_is_below_what_the_vpa_takes_it_for(killed: int, least: int) -> None:
    """100 MiB more or a fifth, whichever is more, though a chance of 90 % is accepted, or more was seen since."""
    need = structs.replace(NEED, kills=1, kills_now=1, killed_limit_bytes=killed * MIB)
    assert above_kills(need, 0.9) == pytest.approx(least * MIB)
    seen = structs.replace(need, need_bytes=(killed + 1) * MIB)
    assert above_kills(seen, 0.9) == pytest.approx(least * MIB)


def test_kills_at_once_ask_for_more_than_as_many_over_weeks() -> None:
    """Sixteen in a day: the fourth root of sixteen is twice the chance of one, and one halving more."""
    killed = {"kills": 1, "kills_now": 1, "killed_days": 1.0, "killed_limit_bytes": 2048 * MIB, "kills_hours": 24.0}
    once = structs.replace(NEED, **killed)
    # As many over as many days are no crowd.
    daily = structs.replace(once, kills=16, kills_now=16, kills_hours=16 * 24.0)
    assert above_kills(daily, 0.05) == pytest.approx(above_kills(structs.replace(once, kills_hours=16 * 24.0), 0.05))
    at_once = structs.replace(once, kills=16, kills_now=16)
    assert above_kills(at_once, 0.05) / above_kills(once, 0.05) == pytest.approx(1.15, rel=1e-3)


@pytest.mark.parametrize("days", [2.0, 1.0, 1e-3, 1e-9, 0.0])
def test_a_kill_of_long_ago_still_has_a_chance_with_an_interval(days: float) -> None:
    """However little it counts: a year and more ago it is nothing, and the chance falls towards that."""
    killed = {"kills": 1, "kills_now": 1, "killed_limit_bytes": 200 * MIB}
    calm = Scores(np.full(99, -5.0), 99, 0.0)
    found = risk(structs.replace(NEED, **killed, killed_days=days), 200 * MIB, calm)
    newer = risk(structs.replace(NEED, **killed, killed_days=days + 1), 200 * MIB, calm)
    assert found.low is not None
    assert found.week is not None
    assert found.high is not None
    assert newer.week is not None
    assert 0 <= found.low <= found.week <= found.high <= 1
    assert found.week < newer.week


def test_growth_whose_rate_is_unknown_is_unknown_with_a_known_peak() -> None:
    """Nulls for every span, and no error."""
    found = risk(Need(growing=True, peak_bytes=100 * MIB, need_bytes=100 * MIB), 200 * MIB, SCORES)
    assert (found.day, found.week, found.month, found.low, found.high, found.basis) == (None,) * 6
    assert "not at a rate that is known" in found.because


def test_a_limit_below_what_is_used_now_is_certain_to_kill() -> None:
    """However unsure the growth is, a limit that is passed already has no chance."""
    row = rm.limit_risk(samples([100 * MIB + n * MIB // 4 for n in range(14 * 24)]), 150 * MIB).row(0, named=True)
    assert (row["oom_probability"], row["oom_probability_low"]) == (1.0, 1.0)
    assert row["because"] == "it uses more than that already"


#: A leak of 24 MiB a day, known to 2: its level is 100 MiB, and nothing doubts that it goes on.
LEAK = Ahead(
    per_day_bytes=24.0 * MIB,
    error_bytes=2.0 * MIB,
    level_bytes=100.0 * MIB,
    noise_bytes=0.0,
    goes_on=1.0,
)


def leaks(room: float, **changed: Any) -> tuple[float | None, float | None, float | None]:
    """The chances of a day, a week and a month of that leak with so many MiB of room."""
    need = Need(growing=True, need_bytes=100 * MIB, ahead=structs.replace(LEAK, **changed))
    found = risk(need, (100 + room) * MIB, SCORES)
    return found.day, found.week, found.month


@given(
    growing=st.floats(0, 1),
    per_day=st.floats(-1e9, 1e9),
    doubt=st.floats(0, 1e8),
    spread=st.floats(0, 1e8),
    room=st.floats(-1e9, 1e10),
    age=st.floats(0, 2000),
    longest=st.one_of(st.none(), st.floats(0.1, 2000)),
)
def test_a_longer_horizon_is_never_safer(
    growing: float, per_day: float, doubt: float, spread: float, room: float, age: float, longest: float | None
) -> None:
    """Whatever the numbers, a day is no likelier than a week, a week no likelier than a month, and all are chances."""
    ahead = Ahead(level_bytes=-room, fresh_bytes=-abs(room), noise_bytes=spread, age_hours=age, longest_hours=longest)
    day, week, month = chances(ahead, 0.0, per_day, doubt, growing)
    assert 0 <= day <= week <= month <= 1


def test_growth_reaches_at_its_time() -> None:
    """With ten days of room, a week leaves 72 MiB that are five deviations away; a month is as sure as can be."""
    day, week, month = leaks(240)
    assert day == pytest.approx(0, abs=1e-9)
    assert week == pytest.approx(1.4e-7, rel=0.1)
    assert month == 0.999


def test_growth_that_is_doubted_is_as_likely_as_it_is_to_go_on() -> None:
    """A third of a certainty is a third."""
    assert leaks(240, goes_on=1 / 3)[2] == pytest.approx(1 / 3, rel=1e-3)


def test_the_interval_of_growth_is_that_of_its_slope() -> None:
    """168 MiB are a week's growth: with the slope at its 80 % bounds the chance is none or nearly certain."""
    found = risk(Need(growing=True, need_bytes=100 * MIB, ahead=LEAK), 268 * MIB, SCORES)
    assert found.week == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.0, 0.999), abs=1e-6)
    assert found.basis == "forecast"


def test_noise_can_be_at_the_limit_before_the_trend() -> None:
    """A level that wanders by as much as the room that is left is at the limit within a day, growth or not."""
    calm, noisy = leaks(120)[0], leaks(120, noise_bytes=100.0 * MIB)[0]
    assert calm == pytest.approx(0, abs=1e-9)
    # 96 MiB above the line of a day, at a deviation of 100 and 2.
    assert noisy == pytest.approx(0.1686, abs=1e-3)


def test_daily_restarts_cap_exposure() -> None:
    """What something restarts every day does not live long enough to use ten days of room; each life begins anew."""
    capped = leaks(240, age_hours=5.0, longest_hours=28.0)[2]
    assert capped == pytest.approx(0, abs=1e-3)
    begun_at_the_limit = leaks(240, age_hours=5.0, longest_hours=28.0, fresh_bytes=339.0 * MIB)[2]
    assert begun_at_the_limit == 0.999
