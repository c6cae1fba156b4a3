"""What all workloads together say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.assessment._rows import names
from rmtoolkit.assessment._totals import totals_of

if TYPE_CHECKING:
    from rmtoolkit.assessment._totals import Totals


@pytest.fixture(scope="module")
def fleet() -> Totals:
    """The totals of one calm service."""
    return rm.assess(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).fleet


@pytest.mark.parametrize(
    ("counted", "sentence"),
    [
        ({"not_leak": 0}, "There is no workload to judge."),
        ({"leak": 2, "leaks_reaching": 1, "not_leak": 4}, "2 of 6 workloads leak. 1 will hit its limit this week."),
        ({"leak": 3, "leaks_reaching": 2, "not_leak": 3}, "3 of 6 workloads leak. 2 will hit their limit this week."),
        (
            {"leak": 1, "leaks_reaching": 1, "not_leak": 0},
            "1 of 1 workload leaks. It will hit its limit this week.",
        ),
        ({"leak": 1, "not_leak": 2}, "1 of 3 workloads leaks. It will not hit its limit this week."),
        ({"leak": 2, "not_leak": 1}, "2 of 3 workloads leak. None will hit its limit this week."),
        (
            {"leak": 1, "leaks_unknown": 1, "not_leak": 2},
            "1 of 3 workloads leaks. When it would reach a limit is not known.",
        ),
        (
            {"leak": 3, "leaks_unknown": 2, "not_leak": 0},
            "3 of 3 workloads leak. When 2 of them would reach a limit is not known.",
        ),
        ({"inconclusive": 1, "not_leak": 3}, "No leak found in 4 workloads. 1 needs more data."),
        ({"not_leak": 4}, "No leak found in 4 workloads."),
        ({"inconclusive": 2, "not_leak": 0}, "No verdict yet: 2 workloads need more data."),
        (
            {"not_leak": 9, "killed": 1, "dying_otherwise": 2, "alarms": (("above_target", 2), ("too_little_data", 1))},
            "No leak found in 9 workloads. 1 was OOM-killed in the last 7 days. 2 more will probably be. 2 more are "
            "above the 5 % OOM target. 1 has too little data to rule an OOM kill out.",
        ),
        (
            {"not_leak": 9, "dying_otherwise": 1, "alarms": (("above_target", 1), ("too_little_data", 2))},
            "No leak found in 9 workloads. 1 will probably be OOM-killed this week. 1 more is above the 5 % OOM "
            "target. 2 have too little data to rule an OOM kill out.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sentence_says_what_was_found(fleet: Totals, counted: dict[str, Any], sentence: str) -> None:
    """The first sentence never claims more than is known."""
    assert replace(fleet, **counted).sentence == sentence


def test_what_to_start_with_is_the_first_that_has_something_to_do() -> None:
    """Whatever stands before it; where nothing is to be done for anybody, that is said."""
    found = rm.assess(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100}))
    rows = found.workloads

    def start(some: pl.DataFrame) -> tuple[int | None, str]:
        told = totals_of(some, found.completeness, None, 0.05, None, None)
        return told.start_with, told.start_because

    calm = pl.concat(rows.with_columns(workload_id=pl.lit(at, pl.UInt32), action=pl.lit("none")) for at in range(3))
    assert start(calm) == (None, "Nothing to do.")
    assert start(calm.clear()) == (None, "Nothing to do.")
    busy = calm.with_columns(action=pl.when(pl.col("workload_id") > 0).then(pl.lit("wait")).otherwise("action"))
    assert start(busy.with_columns(next_text=pl.lit("Wait."))) == (1, "Wait.")


def test_names_are_unique_and_as_short_as_can_be() -> None:
    """A container or a cluster is named only where it tells two rows apart."""
    row = {"cluster": "eu", "namespace": "shop", "workload": "api", "container": "app"}
    rows = [row, row | {"container": "proxy"}, row | {"workload": "db"}, row | {"workload": "db", "cluster": "us"}]
    assert names(rows) == ["shop/api/app", "shop/api/proxy", "eu/shop/db/app", "us/shop/db/app"]


def test_what_is_gone_was_above_the_target_too() -> None:
    """Last time's count is that of last time's rows: of the gone and the renamed too, not of what was accepted."""
    table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    rows = rm.assess(table).workloads.select(rm.classify(table).columns)
    then = pl.concat(rows.with_columns(workload=pl.lit(name), oom_probability_7d=0.2) for name in ("api", "gone", "x"))
    found = rm.assess(table, previous=then.with_columns(accepted=pl.col("workload") == "x"))
    assert (found.fleet.above_target_before, found.fleet.gone) == (2, 2)
    older = then.rename({"oom_probability_7d": "oom_probability"})
    assert rm.assess(table, previous=older).fleet.above_target_before == 3
    assert rm.assess(table, previous=then.drop("oom_probability_7d")).fleet.above_target_before is None
    assert rm.assess(table).fleet.above_target_before is None
