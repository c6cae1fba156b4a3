"""One fact, one number: what any view shows of a workload is what stands in the Assessment."""

from __future__ import annotations

from typing import Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.schema import WORKLOAD
from tests import fleet as drawn
from tests.shown_numbers import FACTS, VIEWS, Fleet, disagreements, parsed, rows_of, run_of_corpus

#: The chance beside an answer is a second place for the same fact.
_SAME: Final = {"fact_chance": "chance"}


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory, judged_once: None) -> dict[str, Fleet]:  # noqa: ARG001
    """The samples, a dozen runs of the corpus, and one of each kind, shape and advice; each judged once."""
    folder = tmp_path_factory.mktemp("numbers")
    read = {"samples": rm.read("data/samples"), "corpus": run_of_corpus(12), "drawn": drawn.recording()}
    return {name: Fleet(name, recording, folder) for name, recording in read.items()}


# A view is read once, for all of its facts: two processes that share them would each read it.
@pytest.mark.parametrize("view", VIEWS)
def test_view_says_what_the_assessment_says(fleets: dict[str, Fleet], view: str) -> None:
    """A view shows each of its facts of every workload as the Assessment has it, and nothing that is not compared."""
    for name in VIEWS[view].fleets:
        assert {seen.fact for seen in fleets[name].seen(view)} <= set(VIEWS[view].shows)
    wrong = [
        f"{view}, {fact}, {name}/{one}"
        for fact in VIEWS[view].shows
        for name in VIEWS[view].fleets
        for one in disagreements(fleets[name], view, fact)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("view", VIEWS)
def test_every_fact_is_shown_or_known_to_be_left_out(view: str) -> None:
    """No view drops a fact without a word: what it shows and what it lacks are all facts."""
    shown = {_SAME.get(fact, fact) for fact in VIEWS[view].shows}
    assert not shown & set(VIEWS[view].lacks)
    assert shown | set(VIEWS[view].lacks) == set(FACTS)


@pytest.mark.parametrize("name", ["samples", "corpus"])
def test_room_over_growth_is_the_time_to_the_limit_and_what_a_raise_buys(fleets: dict[str, Fleet], name: str) -> None:
    """One growth, of what fills the limit: the time to it, and to each higher one, is the room over that growth."""
    found = fleets[name].found
    bought = found.buys.select("workload_id", "hours_bought", to="limit_bytes", then="hours_to_limit")
    rows = found.workloads.join(found.needs.select(*WORKLOAD, "ahead"), on=WORKLOAD, nulls_equal=True).unnest("ahead")
    rows = rows.join(bought, "workload_id", how="left").filter(pl.col("hours_to_limit") > 0)
    days = pl.lit(24) / pl.col("per_day_bytes")
    for time, room in (
        ("hours_to_limit", pl.col("limit_bytes") - pl.col("level_bytes")),
        ("hours_bought", pl.col("to") - pl.col("limit_bytes")),
        ("then", pl.col("to") - pl.col("level_bytes")),
        (24 * pl.col("buys_days"), pl.col("raise_to_bytes") - pl.col("limit_bytes")),
    ):
        told = rows.select(time=time, due=room * days).drop_nulls()
        assert told.height
        assert told["time"].to_list() == pytest.approx(told["due"].to_list())
    # A leak never fills its limit slower than it leaks: what the allocator keeps takes it in for a while only.
    leaks = rows.filter((pl.col("verdict") == "leak") & (pl.col("cause") == "heap"))
    assert (leaks["per_day_bytes"] >= 0.999 * leaks["growth_bytes_per_day"]).all()


@pytest.mark.parametrize("name", ["samples", "corpus"])
def test_verdicts_and_limits_agree_on_every_column_they_share(fleets: dict[str, Fleet], name: str) -> None:
    """`classify -o` and `limits -o` write the same number under the same name."""
    tables = []
    for command in ("classify", "limits"):
        path = fleets[name].written(command, "json")
        tables.append({tuple(row[part] for part in _WORKLOAD): row for row in rows_of(path)})
    verdicts, limits = tables
    assert verdicts.keys() == limits.keys()
    wrong = []
    for one, row in verdicts.items():
        for column in row.keys() & limits[one].keys():
            first, second = row[column], limits[one][column]
            numbers = isinstance(first, float | int) and isinstance(second, float | int)
            if not (abs(first - second) <= _TINY * max(1.0, abs(first)) if numbers else first == second):
                wrong.append(f"{'/'.join(map(str, one))}, {column}: {first!r} and {second!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["samples", "corpus"])
def test_page_and_fleet_offer_the_same_namespaces(fleets: dict[str, Fleet], name: str) -> None:
    """What belongs to no namespace is none: the filters of the page and of Fleet count and list the same ones."""
    page = parsed(fleets[name].report.read_text()).first("select", id="namespace")
    assert page is not None
    offered = [option.text() for option in page.all("option")]
    known = fleets[name].found.workloads["namespace"].drop_nulls().unique().sort().to_list()
    assert offered == [f"all {len(known)}", *known]
    assert [words for words, _ in rm.Fleet(fleets[name].found)._spaces.options] == offered


_WORKLOAD: Final = ("cluster", "namespace", "workload", "container")
_TINY: Final = 1e-6
