from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import UnknownWorkloadError
from rmtoolkit.heap._names import FrameTable, stacks_frame
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.heap.tree import MEASURES, call_tree, tree
from rmtoolkit.views import _plot
from rmtoolkit.views.icicle import COMPARED, zoomable
from tests.analysis.profiles import MI, growing, profile, resting
from tests.views.colours import contrast

if TYPE_CHECKING:
    from collections.abc import Mapping


def picture(holds: Mapping[tuple[str, ...], int], origin: Mapping[str, str] | None = None) -> HeapProfile:
    """A profile of stacks, the allocating function first, with what each holds."""
    table = FrameTable()
    files = {"std": "/rustc/0123456789/library/a.rs", "dependency": "/x/.cargo/registry/src/a.rs"}

    def number(name: str) -> int:
        file = files.get((origin or {}).get(name, ""), "/app/src/a.rs")
        return table.number(name, file, 3, "/app/api")

    stacks, _ = stacks_frame([[number(name) for name in path] for path in holds], {"live_bytes": list(holds.values())})
    return HeapProfile(HeapSummary("dhat", live_at_end_bytes=sum(holds.values())), stacks, table.frame())


HELD: dict[tuple[str, ...], int] = {
    ("api::cache::put", "api::handle", "api::main"): 6 * MI,
    ("api::log::line", "api::handle", "api::main"): 1 * MI,
    ("api::cache::put", "api::warm", "api::main"): 3 * MI,
}


def test_a_tree_adds_up() -> None:
    """Every node is its children and what is its own; the whole is the profile."""
    nodes = tree(picture(HELD))
    found = {(row["depth"], row["name"]): row["value"] for row in nodes.iter_rows(named=True)}
    assert found[0, "all"] == found[1, "api::main"] == 10 * MI
    assert found[2, "api::handle"] == 7 * MI
    children: dict[int, int] = {}
    for row in nodes.iter_rows(named=True):
        if row["parent_id"] is not None:
            children[row["parent_id"]] = children.get(row["parent_id"], 0) + row["value"]
    assert all(nodes["value"][parent] >= total for parent, total in children.items())


def test_rows_of_foreign_frames_are_one_node() -> None:
    """What runs before the program, and the many frames of Rust below it, do not hide the own code."""
    path = (
        "alloc::a",
        "alloc::b",
        "alloc::c",
        "api::put",
        "serde::x",
        "serde::y",
        "api::main",
        "std::rt",
        "std::start",
    )
    origin = {name: "std" for name in path if name.startswith(("alloc", "std"))} | {"serde::x": "dependency"}
    origin["serde::y"] = "dependency"
    heap = picture({path: MI}, origin)
    short = tree(heap).select("name", "frames").rows()[1:]
    assert short == [("api::main", 1), ("serde::y", 2), ("api::put", 1), ("alloc::c", 3)]


def test_zooming_adds_up_all_callers() -> None:
    """A function that takes the whole width has what it holds from everywhere."""
    zoomed = tree(picture(HELD), root="api::cache::put")
    assert zoomed.select("name", "value").rows() == [("api::cache::put", 9 * MI)]
    assert "Live at the end through api::handle: 7 Mi" in zoomable(picture(HELD), root="api::handle")
    with pytest.raises(UnknownWorkloadError, match=r"No function 'api::handel'.*did you mean 'api::handle'"):
        zoomable(picture(HELD), root="api::handel")


def test_a_function_below_itself_counts_once() -> None:
    """Recursion does not make a function larger than the whole."""
    heap = picture({("api::put", "api::walk", "api::list", "api::walk", "api::main"): MI})
    assert tree(heap, root="api::walk")["value"][0] == MI


def test_widths_are_shares() -> None:
    """Three quarters of the memory are three quarters of the width."""
    svg = zoomable(picture({("api::a", "api::main"): 3 * MI, ("api::b", "api::main"): MI}))
    widths = {name: float(width) for name, width in re.findall(r"<title>(api::\w+): .*?width=\"([\d.]+)\"", svg)}
    assert widths == {"api::main": 1080.0, "api::a": 810.0, "api::b": 270.0}


def test_a_change_is_told_and_what_is_gone_keeps_its_place() -> None:
    """More and less have a colour, a sign and a word; what only the older profile has is drawn too."""
    before = picture({("api::a", "api::main"): 4 * MI, ("api::gone", "api::main"): 4 * MI})
    after = picture({("api::a", "api::main"): 8 * MI, ("api::new", "api::main"): MI})
    svg = zoomable(after, by=("live_bytes",), before=before)
    assert "api::a: +4 Mi to 8 Mi" in svg
    assert "api::gone: −4 Mi to 0 Mi" in svg
    widths = {name: float(width) for name, width in re.findall(r'data-name="([\w:]+)".*?width="([\d.]+)"', svg)}
    assert widths["api::gone"] == pytest.approx(1080 * 4 / 13, abs=0.1)
    kinds = {name: kind for kind, name in re.findall(r'class="(\w+)" role="treeitem"[^>]*data-name="([\w:]+)"', svg)}
    assert (kinds["api::a"], kinds["api::gone"], kinds["all"]) == ("more", "less", "all")


def test_two_profiles_are_compared_by_what_is_live_and_by_the_peak() -> None:
    """A peak that grew is seen where as much is live at the end as before."""
    before, after = (picture(HELD) for _ in range(2))
    before, after = (
        replace(heap, stacks=heap.stacks.with_columns(peak_bytes=pl.col("live_bytes") * times))
        for heap, times in ((before, 2), (after, 5))
    )
    found = zoomable(after, by=COMPARED, before=before)
    assert "<h3>Held at the peak</h3>" in found
    assert "api::log::line: +3 Mi to 5 Mi" in found
    assert "api::log::line: 1 Mi as before" in found


def test_what_grows_is_marked_by_shape_and_word() -> None:
    """The first suspect carries a mark, and growth is what is drawn where something grew."""
    heap = profile({"billing::cache::insert": growing(900), "billing::index::build": resting(40 * MI)})
    found = zoomable(heap, suspects=rm.suspects(heap), sends=True)
    drawn = found[found.index("<h3>Growth after startup") : found.index("</svg>")]
    assert "▲ billing::cache::insert" in drawn
    assert "billing::index" not in drawn


@pytest.mark.parametrize("by", list(MEASURES))
def test_every_measure_can_be_drawn(by: str) -> None:
    """Also one that the profile knows nothing of: then it is said that there is nothing to draw."""
    found = zoomable(picture(HELD), by=(by,))
    assert (f"<h3>{MEASURES[by].capitalize()}</h3>" in found) == (by == "live_bytes")
    assert ("No stack holds anything" in found) == (by != "live_bytes")


def test_all_that_a_page_draws_from_adds_up() -> None:
    """Whatever is cut off as too small stands at its caller: each measure and each moment is the whole profile's."""
    wide: dict[tuple[str, ...], int] = {(f"api::g{at}", f"api::f{at % 50}", "api::main"): 1 + at for at in range(5000)}
    heap = picture(HELD | wide)
    found = call_tree(heap, ("live_bytes",), before=None)
    assert sum(found.amounts["live_bytes"]) == sum((HELD | wide).values())
    assert len(found.about) < 4000
    assert all(parent < place for place, parent in enumerate(found.parents) if place)
    many = profile({f"billing::m{at}::insert": growing(300 + at, start=3e5) for at in range(700)})
    timed = call_tree(many, ("growth_bytes", "live_bytes"), before=None)
    ends = [sum(curve[at] for curve in timed.held.values()) for at in (0, -1)]
    assert ends == [many.timeline["live_bytes"][0], many.timeline["live_bytes"][-1]]
    assert len(timed.seconds) == 64


def test_hostile_names_are_text() -> None:
    """Markup and control characters in a function's name are shown, not run."""
    svg = zoomable(picture({("api::<script>alert(1)</script>\x1b::f", "api::main"): MI}))
    assert "<script>" not in svg
    assert "\x1b" not in svg


def test_a_very_deep_and_a_very_wide_profile_stay_small() -> None:
    """Thousands of stacks, some a thousand frames deep, make a picture of bounded size."""
    deep: dict[tuple[str, ...], int] = {tuple(f"api::f{at}" for at in range(1000)): MI}
    wide: dict[tuple[str, ...], int] = {(f"api::g{at}", "api::main"): 1 + at for at in range(6000)}
    assert len(zoomable(picture(deep | wide))) < 1_000_000
    assert "smaller stacks" in " ".join(tree(picture(deep | wide))["name"])


def test_text_can_be_read_on_every_fill() -> None:
    """Text on each kind of node has at least 4.5:1 in both themes."""
    for tokens in (_plot.LIGHT, _plot.DARK):
        for text, fill in (
            ("ink", "kept"),
            ("ink", "whole"),
            ("ink-2", "panel"),
            ("on-badge", "leak"),
            ("ink", "cache"),
        ):
            assert contrast(tokens[text], tokens[fill]) >= 4.5, (text, fill)
