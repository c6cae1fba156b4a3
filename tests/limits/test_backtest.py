"""Past weeks, judged by what came before them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.backtest import FAMILY, PROMISED, RIVALS, WEEKS, rivals, summarise
from rmtoolkit.limits.baselines import krr_memory
from tests.limits.conftest import DAY, MIB, START, samples, steady


@pytest.fixture(scope="module")
def result(fleet: rm.Recording) -> rm.Backtest:
    """Three weeks of forty workloads."""
    return rm.backtest(fleet)


def test_every_rule_is_scored_on_the_same_weeks(result: rm.Backtest) -> None:
    """Ours at five chances, seven rivals, the family and hindsight."""
    assert result.arms.height == 5 + len(RIVALS) + len(FAMILY) + 1
    others = result.arms.filter(~pl.col("arm").str.starts_with("rmtoolkit") | (pl.col("arm") == "rmtoolkit 5 %"))
    assert others["weeks"].unique().to_list() == [120]


def test_hindsight_never_kills_and_nobody_has_less_slack_without_kills(result: rm.Backtest) -> None:
    """The bound that every rule is held against."""
    arms = {row["arm"]: row for row in result.arms.iter_rows(named=True)}
    assert arms["hindsight"]["oom_weeks"] == 0
    clean = result.arms.filter(pl.col("oom_weeks") == 0)
    assert clean["slack"].min() == arms["hindsight"]["slack"]


def test_the_family_trades_kills_for_slack(result: rm.Backtest) -> None:
    """More percent: never more kills, always more slack."""
    family = result.arms.filter(pl.col("arm").str.starts_with("max"))
    assert family["oom_weeks"].is_sorted(descending=True)
    assert family["slack"].is_sorted()


def test_a_week_counts_as_killed_when_it_needed_more_than_the_limit(result: rm.Backtest) -> None:
    """Counted again by hand, from the rows."""
    for row in result.arms.iter_rows(named=True):
        rows = result.weeks.filter((pl.col("arm") == row["arm"]) & ~pl.col("growing"))
        assert (rows["needed_bytes"] > rows["limit_bytes"]).sum() == row["oom_weeks"]


def test_a_leak_is_scored_apart_and_gets_no_limit() -> None:
    """No week of the table, no limit of ours."""
    grown = steady(28, 200, rough=0.002) + np.linspace(0, 28 * 20 * MIB, 28 * 24)
    both = pl.concat([samples(grown, workload="leak", pod="leak-0"), samples(steady(28), workload="ok", pod="ok-0")])
    result = rm.backtest(both)
    grew = result.weeks.filter(pl.col("growing") & pl.col("arm").str.starts_with("rmtoolkit"))
    assert (grew["week"].n_unique(), grew["limit_bytes"].count()) == (2, 0)
    assert result.arms["weeks"].unique().to_list() == [2]


def test_too_short_a_history_is_refused_with_what_it_takes() -> None:
    """Two weeks and one are needed."""
    with pytest.raises(RmtoolkitError, match="21 days"):
        rm.backtest(samples(steady(14)))


def test_paired_tests_see_who_is_better() -> None:
    """Made-up weeks: ours is never killed, theirs in 8 of 20, at the same slack."""
    rows = []
    for arm, kills in (("rmtoolkit 5 %", 0), ("max + 10 %", 8)):
        rows += [
            {
                "cluster": None,
                "namespace": "n",
                "workload": f"w{number}",
                "container": "c",
                "week": None,
                "arm": arm,
                "growing": False,
                "limit_bytes": 100,
                "needed_bytes": 200 if number < kills else 50,
                "oom": number < kills,
                "slack": 0.5,
                "pods": 1,
            }
            for number in range(20)
        ]
    result = summarise(pl.DataFrame(rows, schema=WEEKS), PROMISED)
    theirs = result.arms.filter(pl.col("arm") == "max + 10 %").row(0, named=True)
    assert (theirs["only_ours"], theirs["only_theirs"]) == (0, 8)
    assert theirs["p_value"] == pytest.approx(2 * 0.5**8)


def test_a_week_without_a_limit_keeps_no_promise_and_breaks_none() -> None:
    """Too few pairs for a chance of 1 %: such weeks count for 5 %, and for 1 % those alone that had a limit."""
    monday = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    about = {"namespace": "n", "container": "c", "week": monday, "growing": False, "needed_bytes": 3, "pods": 1}
    made = [
        about | {"workload": f"w{at}", "arm": f"rmtoolkit {chance} %", "limit_bytes": limit, "oom": limit and limit < 3}
        for chance, limits in ((5, (4, 4, 4, 2)), (1, (None, None, 8, 2)))
        for at, limit in enumerate(limits)
    ]
    found = summarise(pl.DataFrame(made, schema=WEEKS), (0.05, 0.01))
    assert found.calibration.select("weeks", "oom_weeks", "observed").rows() == [(4, 1, 0.25), (2, 1, 0.5)]
    assert found.arms.select("arm", "weeks").rows() == [("rmtoolkit 5 %", 4), ("rmtoolkit 1 %", 2)]


def test_the_table_of_a_rule_is_counted_by_hand() -> None:
    """Two weeks of two workloads: shares, slack and memory."""
    made = []
    for arm, limits, slack in (("rmtoolkit 5 %", (4, 4), 0.5), ("KRR", (2, 8), 0.6)):
        for workload, pods in (("a", 1), ("b", 3)):
            for week, limit in enumerate(limits):
                monday = dt.datetime(2026, 1, 5 + 7 * week, tzinfo=dt.UTC)
                more = 0.2 if (workload, week) == ("b", 1) else 0.0
                names = {"namespace": "n", "workload": workload, "container": "c", "week": monday, "arm": arm}
                about = {"growing": False, "needed_bytes": 3 * 2**30, "limit_bytes": limit * 2**30, "pods": pods}
                made.append(names | about | {"oom": limit < 3, "slack": slack + more})
    arms = {row["arm"]: row for row in summarise(pl.DataFrame(made, schema=WEEKS), PROMISED).arms.iter_rows(named=True)}
    ours, theirs = arms["rmtoolkit 5 %"], arms["KRR"]
    assert (theirs["weeks"], theirs["oom_weeks"], theirs["oom_share"]) == (4, 2, 0.5)
    assert (theirs["only_ours"], theirs["only_theirs"]) == (0, 2)
    # 2 + 3 × 2 GiB in the first week, 8 + 3 × 8 in the second.
    assert theirs["reserved_gib"] == pytest.approx((8 + 32) / 2)
    assert ours["slack"] == pytest.approx((0.5 + 0.5 + 0.5 + 0.7) / 4)


def test_slack_is_the_share_that_stays_unused(result: rm.Backtest) -> None:
    """Of the limit, over the week's mean use: that of hindsight is how flat a week is."""
    row = result.weeks.filter((pl.col("arm") == "hindsight") & (pl.col("workload") == "w07")).row(0, named=True)
    assert row["limit_bytes"] == row["needed_bytes"]
    assert 0.01 < row["slack"] < 0.06
    krr = result.weeks.filter((pl.col("arm") == "KRR") & (pl.col("workload") == "w07")).row(0, named=True)
    mean = row["limit_bytes"] * (1 - row["slack"])
    assert krr["slack"] == pytest.approx(1 - mean / krr["limit_bytes"])


def test_the_promise_is_counted(result: rm.Backtest) -> None:
    """Each promised chance with the share that came true, of all weeks that had a limit at it."""
    for row in result.calibration.iter_rows(named=True):
        weeks = result.weeks.filter((pl.col("arm") == f"rmtoolkit {100 * row['promised']:g} %") & ~pl.col("growing"))
        assert row["weeks"] == weeks["limit_bytes"].count()
        assert row["observed"] == pytest.approx(weeks["oom"].sum() / row["weeks"])
        assert row["low"] <= row["observed"] <= row["high"]


def test_the_result_says_how_ours_did(result: rm.Backtest) -> None:
    """In percent, at 5 % accepted."""
    ours = result.arms.filter(pl.col("arm") == "rmtoolkit 5 %").row(0, named=True)
    shares = f"{100 * ours['oom_share']:.1f} % with an OOM kill, {100 * ours['slack']:.1f} % slack"
    assert repr(result) == f"<Backtest: 120 workload weeks, at 5 %: {shares}>"


def test_a_fleets_own_weeks_are_recorded_beside_krr_and_vpa(fleet: rm.Recording) -> None:
    """Four weeks have one before them; each limit comes from what lay before it, counted again from the backtest."""
    found = rm.assess(fleet)
    record = found.record
    assert record is not None
    assert (record.weeks, record.counted, record.promised) == (4, 160, 0.05)
    weeks = rm.backtest(fleet, history="28d").weeks.filter(pl.col("week") == pl.col("week").max())
    for arm, kills in (("KRR", record.krr), ("rmtoolkit 5 %", record.kills)):
        last = weeks.filter(arm=arm)["oom"].sum()
        assert last <= kills <= 8, arm
    assert record.kills <= record.worst[0] * record.weeks
    assert record.worst[1] == 40
    assert record.sentence.startswith(
        f"On your last 4 weeks: {record.kills} of 160 weeks of workloads with an OOM kill,"
    )
    assert record.sentence.endswith(f"5 % promised; KRR {record.krr}, VPA {record.vpa}")


def test_the_five_newest_weeks_are_held_against_other_rules() -> None:
    """Of eight; what a rule sets for a week comes from what lies before it, with a limit above what was used."""
    part = rm.Recording.from_frame(samples(steady(70, step=7200), step=7200))
    end = dt.datetime.fromtimestamp(START + 70 * DAY, dt.UTC)
    weeks = [end - week * dt.timedelta(days=7) for week in range(1, 9)]
    pairs = pl.DataFrame({"week": weeks}).cast(pl.Datetime("ms", "UTC"))
    found = rivals(part, pairs)
    assert found["week"].to_list() == weeks[:5]
    assert found.filter(pl.min_horizontal("krr_limit_bytes", "vpa_target_bytes") < 200 * MIB).is_empty()
    before = part.window(start=weeks[0] - dt.timedelta(days=14), end=weeks[0] - dt.timedelta(milliseconds=1))
    assert found["krr_limit_bytes"][0] == krr_memory(before)["recommended_limit_bytes"].item()


def test_the_own_weeks_are_learnt_by_default_and_everywhere(fleet: rm.Recording) -> None:
    """What is assessed, recommended and asked about rests on the same margins; given ones are left as they are."""
    found = rm.assess(fleet)
    assert found.margins == rm.learn_margins(fleet)
    limits = rm.recommend_limits(fleet)
    assert limits.equals(rm.recommend_limits(found))
    tried = [120 * MIB, 300 * MIB]
    assert rm.limit_risk(fleet, tried).equals(rm.limit_risk(found, tried))
    assert rm.recommend_limits(fleet, margins=rm.Margins.shipped())["margins"].str.starts_with("shipped").all()
    assert rm.assess(fleet, margins=rm.Margins.shipped()).record is None


def test_less_than_three_weeks_have_no_record(fleet: rm.Recording) -> None:
    """Twenty days teach nothing: the shipped margins stand alone."""
    found = rm.assess(fleet.window(last="20d"))
    assert found.record is None
    assert found.margins == rm.Margins.shipped()
