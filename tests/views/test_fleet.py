"""The fleet's table without a kernel and without a browser: filters, order, pages, opening."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import numpy as np
import polars as pl
import pytest
import traitlets

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.risk import USUAL
from rmtoolkit.views.dashboards.fleet import PAGE
from rmtoolkit.views.report import Contents, sections
from tests import fleet as worked_fleet
from tests.views.services import MI, service

if TYPE_CHECKING:
    from collections.abc import Iterator


HOSTILE: Final = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def found() -> rm.Assessment:
    """Thirty quiet services of two namespaces, two that leak, one that means harm and one without a limit."""
    rng = np.random.default_rng(2)
    hours = np.arange(7 * 24)
    frames = []
    for number in range(30):
        quiet = 100 + 3 * number + rng.standard_normal(hours.size)
        space = "shop" if number % 2 else "search"
        frames.append(service(f"calm-{number:02}", quiet, step=3600, namespace=space, request_bytes=512 * MI))
    frames += [service(f"leaky-{rate}", 200 + hours * 0.01 * rate, step=3600) for rate in (50, 150)]
    frames.append(service(HOSTILE, 150 + rng.standard_normal(hours.size), step=3600))
    frames.append(service("free", 150 + rng.standard_normal(hours.size), step=3600, limit=None))
    recording = rm.Recording.from_frame(pl.concat(frames, how="diagonal_relaxed"))
    return rm.assess(recording, prices=USUAL)


@pytest.fixture
def fleet(found: rm.Assessment) -> Iterator[rm.Fleet]:
    """Its table."""
    made = rm.Fleet(found)
    yield made
    made.close()


def press(fleet: rm.Fleet, value: str) -> None:
    """Press what the page would send."""
    fleet._page._handle_custom_msg({"kind": "send", "value": value}, [])


def test_the_worst_come_first_a_page_at_a_time(fleet: rm.Fleet) -> None:
    """Leaks lead; a page has so many rows; the next has the rest."""
    assert fleet.shown[0] == "shop/leaky-150"
    assert len(fleet.shown) == PAGE
    assert fleet._table.value.count("<tr>") == PAGE + 1
    press(fleet, "page next")
    assert fleet.page == 1
    assert len(fleet.shown) == 34 - PAGE
    assert f"{PAGE + 1}–34 of 34" in fleet._pager.value
    press(fleet, "page next")
    assert fleet.page == 1
    press(fleet, "page previous")
    assert fleet.page == 0


def test_every_column_sorts_both_ways(fleet: rm.Fleet) -> None:
    """The first press puts the most telling first, the second turns it around; the head says which way."""
    press(fleet, "sort name")
    assert fleet.shown == sorted(fleet.shown, key=str.casefold)
    assert 'aria-sort="ascending"' in fleet._table.value
    press(fleet, "sort name")
    assert fleet.shown == sorted(fleet.shown, key=str.casefold, reverse=True)
    press(fleet, "sort growth")
    assert fleet.shown[:2] == ["shop/leaky-150", "shop/leaky-50"]
    assert 'aria-sort="descending"' in fleet._table.value
    press(fleet, "sort peak")
    rooms = [fleet._by_name[name]["headroom_share"] for name in fleet.shown]
    assert rooms == sorted(rooms)
    for name in ("verdict", "kill", "time", "spare", "pods", "worst"):
        press(fleet, f"sort {name}")
        assert fleet.sort == name
        assert len(fleet.shown) == PAGE


def test_filters_add_up_and_tiles_are_one_of_them(fleet: rm.Fleet) -> None:
    """A tile, a namespace and words narrow the table; pressing the tile again widens it; counts are true."""
    press(fleet, "tile leak")
    assert fleet.shown == ["shop/leaky-150", "shop/leaky-50"]
    assert fleet._verdicts.value == "leak"
    assert "2 workloads of 34" in fleet._said.value
    press(fleet, "tile leak")
    assert len(fleet._found) == 34
    fleet._spaces.value = "search"
    assert len(fleet._found) == 15
    fleet._search_box.value = "CALM 1"
    assert {name.split("/")[0] for name in fleet.shown} == {"search"}
    assert all("1" in name for name in fleet.shown)
    fleet.search = "nothing like it"
    assert fleet.shown == []
    assert "No workload matches" in fleet._table.value
    fleet.search, fleet.namespace, fleet.tile = "", "", "spare"
    assert fleet._spaces.value == ""
    assert fleet._verdicts.value is None
    assert all(fleet._by_name[name]["waste_bytes"] for name in fleet.shown)
    assert len(fleet.shown) == min(len(fleet._found), PAGE) > 0


def test_a_tile_shows_what_it_counts() -> None:
    """Pressed, a tile shows as many workloads as it says; the report's section of that name lists the same."""
    made = Contents(worked_fleet.assessed())
    board = rm.Fleet(made.found)
    listed = {section.key: len(section.choose(made.awake)) for section in sections.SECTIONS}
    for tile in sections.figures(made.found):
        press(board, f"tile {tile.name}")
        said = re.search(r"(\d+) workloads?$", tile.note) if tile.name == "spare" else re.match(r"\d+$", tile.figure)
        assert said is not None
        count = int(re.sub(r"\D", "", said[0]))
        assert count == len(board._found) == listed.get(tile.name, count) > 0
        assert board._tiles.value.count('aria-pressed="true"') == 1
    board.close()


def test_a_page_is_small_and_draws_only_its_rows(fleet: rm.Fleet) -> None:
    """The markup does not grow with the fleet, and sparks of other pages are not drawn."""
    assert len(fleet._table.value) < 120_000
    assert len(fleet._sparks) == PAGE
    assert fleet._table.value.count("limit 512 Mi") == PAGE - ("none" in fleet._table.value)


def test_hostile_names_are_text(fleet: rm.Fleet) -> None:
    """Nothing of a label becomes markup, in the table or in the list of namespaces."""
    fleet.search = "onerror"
    assert fleet.shown == [f"shop/{HOSTILE}"]
    assert "<img" not in fleet._table.value + fleet._tiles.value + fleet._said.value + fleet._top.value


def test_a_row_opens_triage_in_its_place(fleet: rm.Fleet) -> None:
    """Pressing a name opens it, by the trait too; back shows the table as it was."""
    heard: list[str] = []
    fleet.observe(lambda change: heard.append(change.new), "opened")
    press(fleet, "sort name")
    press(fleet, "open 1")
    assert fleet.opened == "shop/leaky-50"
    assert heard == ["shop/leaky-50"]
    opened = fleet.board
    assert isinstance(opened, rm.Triage)
    assert opened.picture.row["workload"] == "leaky-50"
    assert opened.picture.row["verdict"] == "leak"
    assert fleet._list.layout.display == "none"
    fleet._page._handle_custom_msg({"kind": "escape", "value": ""}, [])
    assert fleet.board is None
    assert fleet._list.layout.display is None
    assert fleet.sort == "name"
    fleet.opened = "calm-07"
    assert fleet.opened == "shop/calm-07"
    fleet.back()
    fleet.opened = "nothing like it"
    assert "No workload" in str(fleet._wiring.failed)
    assert fleet._list.layout.display is None


@pytest.mark.parametrize("value", ["open 99999", "open x", "tile none", "sort none", "page", "", "x y", "open -1"])
def test_what_the_page_cannot_have_sent_changes_nothing(fleet: rm.Fleet, value: str) -> None:
    """A message from a page that was tampered with opens and sorts nothing."""
    before = (fleet.opened, fleet.sort, fleet.tile)
    press(fleet, value)
    assert (fleet.opened, fleet.sort, fleet.tile) == before


def test_values_that_cannot_be_are_refused(fleet: rm.Fleet) -> None:
    """Traits know what they may be."""
    for name, value in (("sort", "weight"), ("tile", "all"), ("page", -1)):
        with pytest.raises(traitlets.TraitError):
            setattr(fleet, name, value)
    fleet.page = 999
    assert fleet.page == 1


def test_a_recording_and_an_assessment_give_the_same_table(found: rm.Assessment) -> None:
    """Whatever was found out already is not asked again, and changes nothing."""
    tables: list[Any] = []
    for source in (found.recording, found):
        fleet = rm.Fleet(source, price_per_gib_hour=USUAL.per_gib_hour)
        tables.append((fleet.shown, fleet._table.value, fleet._tiles.value))
        fleet.close()
    assert tables[0] == tables[1]


def test_a_lake_is_a_fleet_too(found: rm.Assessment, tmp_path: Any) -> None:
    """Read part by part; the rows are the same."""
    lake = rm.Lake(tmp_path / "lake", buckets=2)
    part = found.recording.filter(namespace=found.workloads["namespace"][0])
    lake.append(part)
    one, other = rm.Fleet(lake), rm.Fleet(part)
    assert len(one.shown) > 3
    assert one.shown == other.shown
    one.close()
    other.close()


def test_nothing_recorded_is_an_error() -> None:
    """There is no table of nothing."""
    with pytest.raises(RmtoolkitError):
        rm.Fleet(pl.DataFrame({"time": [], "rss_bytes": []}, schema={"time": pl.Int64, "rss_bytes": pl.Int64}))


def test_closing_leaves_nothing_behind(found: rm.Assessment) -> None:
    """Every widget is gone, that of an open workload too, and nothing listens any more."""
    registry = ipywidgets.widgets.widget._instances
    before = set(registry)
    fleet = rm.Fleet(found)
    fleet.opened = fleet.shown[0]
    assert set(registry) > before
    fleet.close()
    assert set(registry) == before
    fleet.search = "calm"
    assert fleet._wiring.failed is None
