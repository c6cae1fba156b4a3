"""One fact, one number: what any view shows of a workload is what stands in the Assessment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm
from tests.shown_numbers import FACTS, VIEWS, Fleet, disagreements, rows_of, run_of_corpus

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

#: Views that still say something else: a fact leaves this table when its view reads the Assessment. `read` is a view
#: that raises, `shared` are the columns that two files have in common.
KNOWN: Final[frozenset[tuple[str, str]]] = frozenset({})

#: The chance beside an answer is a second place for the same fact.
_SAME: Final = {"fact_chance": "chance"}


@pytest.fixture(scope="session")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fleet]:
    """The samples and thirty runs of the corpus, each read and assessed once."""
    folder = tmp_path_factory.mktemp("numbers")
    read = {"samples": rm.read("data/samples"), "corpus": run_of_corpus(30)}
    return {name: Fleet(name, recording, folder) for name, recording in read.items()}


def _case(*parts: str, view: str, fact: str) -> ParameterSet:
    """Give a case that must fail as long as it stands in the table."""
    known = pytest.mark.xfail(strict=True, reason=f"{view} works out {fact} itself")
    return pytest.param(*parts, marks=[known] if (view, fact) in KNOWN else [], id="-".join(parts))


_PAIRS: Final = [_case(view, fact, view=view, fact=fact) for view, about in VIEWS.items() for fact in about.shows]


@pytest.mark.parametrize(("view", "fact"), _PAIRS)
def test_view_says_what_the_assessment_says(fleets: dict[str, Fleet], view: str, fact: str) -> None:
    """A view shows a fact of every workload as the Assessment has it."""
    wrong = [
        f"{view}, {fact}, {name}/{one}"
        for name in VIEWS[view].fleets
        for one in disagreements(fleets[name], view, fact)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_table_of_exceptions_names_only_what_is_there() -> None:
    """A pair that no test has would hide nothing and stay for ever."""
    there = {(view, fact) for view, about in VIEWS.items() for fact in (*about.shows, "read", "shared")}
    assert there >= KNOWN


@pytest.mark.parametrize("view", VIEWS)
def test_every_fact_is_shown_or_known_to_be_left_out(view: str) -> None:
    """No view drops a fact without a word: what it shows and what it lacks are all facts."""
    shown = {_SAME.get(fact, fact) for fact in VIEWS[view].shows}
    assert not shown & set(VIEWS[view].lacks)
    assert shown | set(VIEWS[view].lacks) == set(FACTS)


@pytest.mark.parametrize("view", [_case(view, view=view, fact="read") for view in VIEWS])
def test_nothing_is_read_that_is_not_compared(fleets: dict[str, Fleet], view: str) -> None:
    """What can be read out of a view is also held against the Assessment."""
    for name in VIEWS[view].fleets:
        assert {seen.fact for seen in fleets[name].seen(view)} <= set(VIEWS[view].shows)


@pytest.mark.parametrize("name", [_case(name, view="limits json", fact="shared") for name in ("samples", "corpus")])
def test_verdicts_and_limits_agree_on_every_column_they_share(fleets: dict[str, Fleet], name: str) -> None:
    """`classify -o` and `limits -o` write the same number under the same name."""
    fleet = fleets[name]
    tables = []
    for command in ("classify", "limits"):
        path = fleet.folder / f"{fleet.name}-shared-{command}.json"
        fleet.run(command, "-o", path)
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
