"""One fact, one number: what any view shows of a workload is what stands in the Assessment."""

from __future__ import annotations

from typing import Final

import pytest

import rmtoolkit as rm
from tests.shown_numbers import FACTS, VIEWS, Fleet, disagreements, rows_of, run_of_corpus

#: The chance beside an answer is a second place for the same fact.
_SAME: Final = {"fact_chance": "chance"}


@pytest.fixture(scope="session")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fleet]:
    """The samples and thirty runs of the corpus, each read and assessed once."""
    folder = tmp_path_factory.mktemp("numbers")
    read = {"samples": rm.read("data/samples"), "corpus": run_of_corpus(30)}
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


_WORKLOAD: Final = ("cluster", "namespace", "workload", "container")
_TINY: Final = 1e-6
