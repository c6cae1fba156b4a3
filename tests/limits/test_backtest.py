"""Past weeks, judged by what came before them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.backtest import FAMILY, RIVALS, WEEKS, summarise
from tests.limits.conftest import MIB, samples, steady


@pytest.fixture(scope="module")
def result(fleet: rm.Recording) -> rm.Backtest:
    """Three weeks of forty workloads."""
    return rm.backtest(fleet)


def test_every_rule_is_scored_on_the_same_weeks(result: rm.Backtest) -> None:
    """Ours at four chances, seven rivals, the family and hindsight."""
    assert result.arms.height == 4 + len(RIVALS) + len(FAMILY) + 1
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
    """No row of the table, no violation."""
    grown = steady(28, 200, rough=0.002) + np.linspace(0, 28 * 20 * MIB, 28 * 24)
    both = pl.concat([samples(grown, workload="leak", pod="leak-0"), samples(steady(28), workload="ok", pod="ok-0")])
    result = rm.backtest(both)
    assert result.growing.row(0) == (2, 0)
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
    result = summarise(pl.DataFrame(rows, schema=WEEKS))
    theirs = result.arms.filter(pl.col("arm") == "max + 10 %").row(0, named=True)
    assert (theirs["only_ours"], theirs["only_theirs"]) == (0, 8)
    assert theirs["p_value"] == pytest.approx(2 * 0.5**8)
    assert result.dominated_by() == []
