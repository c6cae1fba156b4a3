"""An icicle that a page can zoom and search by itself: pointer and keyboard, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.heap.tree import MEASURES, measure_of, tree
from rmtoolkit.views.assets import asset
from rmtoolkit.views.heap_icicle import LETTER, ROW, WIDTH, amount, describe, fitting, frame, labels, legend, placed
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    import polars as pl

    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.views.heap_icicle import Node

_MOST_ROWS: Final = 60
#: What a page offers, the most telling first; what a profile does not know is left out.
OFFERED: Final = ("growth_bytes", "peak_bytes", "live_bytes", "allocations")

STYLE: Final = asset("zoom.css")

#: Runs once in a page, for every icicle in it. It reads what the markup says and asks nothing of anybody.
SCRIPT: Final = asset("zoom.js")


def zoomable(
    heap: HeapProfile,
    *,
    by: str | None = None,
    before: HeapProfile | None = None,
    suspects: pl.DataFrame | None = None,
) -> Markup:
    """Draw an icicle that zooms and searches where a page runs `SCRIPT`; else it is a picture for each measure."""
    offered = [by] if by else [name for name in OFFERED if tree(heap, name, before=before)["value"][0]]
    first = measure_of(heap)
    offered.sort(key=lambda name: name != first)
    if not offered:
        return el("p", "No stack holds anything in this profile.", class_="note")
    views = [
        el("div", el("h3", MEASURES[name].capitalize()), _view(heap, name, before, suspects), class_="view")
        for name in offered
    ]
    choice = (
        el("label", "Width is", el("select", *(el("option", MEASURES[name]) for name in offered)))
        if len(offered) > 1
        else None
    )
    return el(
        "div",
        el("style", STYLE),
        el(
            "div",
            el("label", "Search functions", el("input", type="search", autocomplete="off", spellcheck="false")),
            choice,
            el("button", "Show the whole", type="button"),
            el("span", class_="found", role="status"),
            class_="tools",
        ),
        *views,
        el(
            "p",
            "Point at a function, or go to one with the arrows. Enter zooms, Escape shows the whole.",
            class_="said",
        ),
        legend(compared=before is not None),
        class_="rm-zoom",
        data_width=WIDTH,
        data_letter=LETTER,
    )


def _view(heap: HeapProfile, by: str, before: HeapProfile | None, suspects: pl.DataFrame | None) -> Markup:
    found = [node for node in placed(tree(heap, by, before=before), suspects) if node.row["depth"] < _MOST_ROWS]
    places = {node.row["node_id"]: at for at, node in enumerate(found)}
    drawn = [_node(node, by, at, places.get(node.row["parent_id"])) for at, node in enumerate(found)]
    height = ROW * (1 + max(node.row["depth"] for node in found)) + 1
    says = f"{MEASURES[by].capitalize()}, by function: {amount(found[0].row, by)}"
    return frame(drawn, height, says, role="tree")


def _node(node: Node, by: str, at: int, parent: int | None) -> Markup:
    row, width = node.row, node.share * WIDTH
    sizes = labels(node, by)
    name = "::".join(part for part in row["name"].split("::"))
    written = sizes[0].removeprefix("▲ ")
    return el(
        "g",
        el(
            "rect",
            x=f"{node.left * WIDTH:.1f}",
            y=row["depth"] * ROW,
            width=f"{width:.1f}",
            height=ROW,
            fill_opacity=None if node.weight == 1 else f"{node.weight:.2f}",
        ),
        el("text", fitting(sizes, width), x=f"{node.left * WIDTH + 6:.1f}", y=row["depth"] * ROW + 15),
        class_=" ".join([node.kind, *(["suspect"] if node.suspect else [])]),
        role="treeitem",
        aria_level=row["depth"] + 1,
        aria_label=("grows steadily: " if node.suspect else "") + describe(node, by, 1.0),
        tabindex=0 if not at else -1,
        data_x=f"{node.left:.6f}",
        data_w=f"{node.share:.6f}",
        data_d=row["depth"],
        data_up="" if parent is None else parent,
        data_name=name,
        data_size=written[len(name) + 1 :],
        data_mark="▲ " if node.suspect else None,
        data_value=row["value"],
    )
