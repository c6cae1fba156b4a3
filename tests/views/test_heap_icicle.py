from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError
from rmtoolkit.heap._names import FrameTable, stacks_frame
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.heap.tree import MEASURES, tree
from rmtoolkit.views import theme
from rmtoolkit.views.icicle import icicle, zoomable
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
    assert tree(heap, every_frame=True).height == 1 + len(path)


def test_zooming_adds_up_all_callers() -> None:
    """A function that takes the whole width has what it holds from everywhere."""
    zoomed = tree(picture(HELD), root="api::cache::put")
    assert zoomed.select("name", "value").rows() == [("api::cache::put", 9 * MI)]
    assert icicle(picture(HELD), root="api::handle").says.startswith("Live at the end through api::handle: 7 Mi")
    with pytest.raises(UnknownWorkloadError, match=r"No function 'api::handel'.*did you mean 'api::handle'"):
        icicle(picture(HELD), root="api::handel")


def test_a_function_below_itself_counts_once() -> None:
    """Recursion does not make a function larger than the whole."""
    heap = picture({("api::put", "api::walk", "api::list", "api::walk", "api::main"): MI})
    assert tree(heap, root="api::walk")["value"][0] == MI


def test_widths_are_shares() -> None:
    """Three quarters of the memory are three quarters of the width."""
    svg = icicle(picture({("api::a", "api::main"): 3 * MI, ("api::b", "api::main"): MI})).svg
    widths = {name: float(width) for name, width in re.findall(r"<title>(api::\w+): .*?width=\"([\d.]+)\"", svg)}
    assert widths == {"api::main": 1080.0, "api::a": 810.0, "api::b": 270.0}


def test_a_change_is_told_and_what_is_gone_keeps_its_place() -> None:
    """More and less have a colour, a sign and a word; what only the older profile has is drawn too."""
    before = picture({("api::a", "api::main"): 4 * MI, ("api::gone", "api::main"): 4 * MI})
    after = picture({("api::a", "api::main"): 8 * MI, ("api::new", "api::main"): MI})
    svg = zoomable(after, by="live_bytes", before=before)
    assert "api::a: +4 Mi to 8 Mi" in svg
    assert "api::gone: −4 Mi to 0 Mi" in svg
    shares = {name: float(share) for share, name in re.findall(r'data-w="([\d.]+)"[^>]*data-name="([\w:]+)"', svg)}
    assert shares["api::gone"] == pytest.approx(4 / 13, abs=1e-5)
    kinds = {name: kind for kind, name in re.findall(r'class="(\w+)" role="treeitem"[^>]*data-name="([\w:]+)"', svg)}
    assert (kinds["api::a"], kinds["api::gone"], kinds["all"]) == ("more", "less", "all")


def test_what_grows_is_marked_by_shape_and_word() -> None:
    """The first suspect carries a mark, and growth is what is drawn where something grew."""
    heap = profile({"billing::cache::insert": growing(900), "billing::index::build": resting(40 * MI)})
    found = icicle(heap, suspects=rm.suspects(heap))
    assert found.says.startswith("Growth after startup: ")
    assert "▲ billing::cache::insert" in found.svg
    assert "billing::index" not in found.svg


@pytest.mark.parametrize("by", list(MEASURES))
def test_every_measure_can_be_drawn(by: str) -> None:
    """Also one that the profile knows nothing of: then the picture says so."""
    found = zoomable(picture(HELD), by=by)
    assert "<svg" in found
    assert f"<h3>{MEASURES[by].capitalize()}</h3>" in found


def test_unknown_measure_is_refused() -> None:
    """The error lists what there is."""
    with pytest.raises(RmtoolkitError, match=r"by='bytes' is not known\. There are: growth_bytes, peak_bytes"):
        tree(picture(HELD), "bytes")


def test_hostile_names_are_text() -> None:
    """Markup and control characters in a function's name are shown, not run."""
    svg = icicle(picture({("api::<script>alert(1)</script>\x1b::f", "api::main"): MI})).svg
    assert "<script>" not in svg
    assert "\x1b" not in svg


def test_a_very_deep_and_a_very_wide_profile_stay_small() -> None:
    """Thousands of stacks, some a thousand frames deep, make a picture of bounded size."""
    deep: dict[tuple[str, ...], int] = {tuple(f"api::f{at}" for at in range(1000)): MI}
    wide: dict[tuple[str, ...], int] = {(f"api::g{at}", "api::main"): 1 + at for at in range(6000)}
    found = icicle(picture(deep | wide))
    assert len(found.svg) < 400_000
    assert "smaller stacks" in " ".join(tree(picture(deep | wide))["name"])


def test_text_can_be_read_on_every_fill() -> None:
    """Text on each kind of node has at least 4.5:1 in both themes."""
    for tokens in (theme.LIGHT, theme.DARK):
        for text, fill in (
            ("ink", "kept"),
            ("ink", "whole"),
            ("ink-2", "panel"),
            ("on-badge", "leak"),
            ("ink", "cache"),
        ):
            assert contrast(tokens[text], tokens[fill]) >= 4.5, (text, fill)
