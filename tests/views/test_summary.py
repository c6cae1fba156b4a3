from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from rmtoolkit.views import summary
from rmtoolkit.views.summary import Counts

if TYPE_CHECKING:
    from rmtoolkit.analysis.judge import Judgement


@pytest.mark.parametrize(
    ("counted", "sentence"),
    [
        (Counts(0, 0, 0, 0, 0, 0, 0, None), "There is no workload to judge."),
        (Counts(6, 2, 1, 3, 1, 0, 1, 0), "2 of 6 workloads leak. 1 reaches its limit within 7 days."),
        (Counts(6, 3, 0, 3, 2, 1, 2, 0), "3 of 6 workloads leak. 2 reach their limit within 7 days."),
        (Counts(1, 1, 0, 0, 1, 0, 1, 0), "1 of 1 workload leaks. It reaches its limit within 7 days."),
        (Counts(3, 1, 0, 2, 0, 0, 0, 0), "1 of 3 workloads leaks. It does not reach its limit within 7 days."),
        (Counts(3, 2, 0, 1, 0, 0, 0, 0), "2 of 3 workloads leak. None reaches its limit within 7 days."),
        (Counts(3, 1, 0, 2, 0, 1, 0, None), "1 of 3 workloads leaks. When it would reach a limit is not known."),
        (Counts(4, 0, 1, 3, 0, 0, 0, 0), "No leak found in 4 workloads. 1 cannot be decided yet."),
        (Counts(4, 0, 0, 4, 0, 0, 0, 0), "No leak found in 4 workloads."),
        (Counts(2, 0, 2, 0, 0, 0, 0, 0), "None of 2 workloads can be decided yet."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sentence_says_what_was_found(counted: Counts, sentence: str) -> None:
    """The first sentence never claims more than is known."""
    assert counted.sentence == sentence


def test_counts_of_the_fleet(fleet: Judgement) -> None:
    """Every verdict is counted once, and 5 % is the target."""
    assert summary.counts(fleet.verdicts) == Counts(7, 2, 2, 3, 1, 0, 1, 4)


def test_unknown_chances_are_not_counted_as_low(fleet: Judgement) -> None:
    """Without any probability the number above the target is unknown, not 0."""
    verdicts = fleet.verdicts.with_columns(oom_probability_7d=pl.lit(None, dtype=pl.Float64))
    assert summary.counts(verdicts).above_target is None


def test_worst_first(fleet: Judgement) -> None:
    """Leaks come first, the soonest at its limit before the others; then what is open; then by risk."""
    found = summary.worst_first(fleet.verdicts.reverse())["workload"].to_list()
    assert found[:3] == ["ledger-api", "indexer", "renderer"]
    assert found[4:] == ["recommender", "query-gateway", "router"]


def test_names_are_unique_and_as_short_as_can_be() -> None:
    """A container, a pod or a cluster is named only where it tells two rows apart."""
    row = {"cluster": "eu", "namespace": "shop", "workload": "api", "pod": "api-0", "container": "app"}
    rows = [row, row | {"container": "proxy"}, row | {"workload": "db"}, row | {"workload": "db", "cluster": "us"}]
    assert summary.names(rows) == ["shop/api/app", "shop/api/proxy", "eu/shop/db/app", "us/shop/db/app"]


def test_coverage_of_a_gap(fleet: Judgement) -> None:
    """Missing samples lower the coverage."""
    covered = summary.coverage(fleet.completeness)
    assert covered is not None
    assert 0.99 < covered < 1
