"""An icicle of a heap profile, which a page can zoom and search by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, el, join
from rmtoolkit.heap._names import plain_name, spoken
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.tree import MEASURES, CallTree, call_tree, measure_of, tree
from rmtoolkit.views.style import asset

WIDTH: Final = 1080
ROW: Final = 22
#: A letter of the code font at 12 px: the widest of those that a page may get.
LETTER: Final = 7.25
_ROWS: Final = 40
#: Nodes narrower than this are not drawn, px; in a page that can be zoomed they are there below a share of the whole.
_NARROWEST: Final = 0.7
_LEAST_SHARE: Final = 4e-4
_MOST_NODES: Final = 3000
#: A label that is cut has so many letters at least, the ellipsis too.
_FEWEST: Final = 4

#: Where a name may begin later: behind a part of its path, but not inside brackets.
_PARTS: Final = re.compile(r"(?:::|/|\.(?![^(\[]{0,24}/))(?=[^\W\d]|[(<{*])(?![^()\[\]<>]{0,24}[)\]>])")

_KINDS: Final = {"own": "own", "dependency": "dep"}

#: Rules for what is drawn here; they stand in the picture, so that it can be put anywhere.
STYLE: Final = asset("icicle.css")


class Node(msgspec.Struct, frozen=True):
    """A node of `rmtoolkit.heap.tree.TREE`, and where it is, as shares of the whole."""

    row: dict[str, Any]
    left: float
    share: float
    kind: str
    weight: float
    suspect: bool


def placed(nodes: pl.DataFrame, suspects: pl.DataFrame | None) -> list[Node]:
    grows = () if suspects is None else suspects.filter(reading="grows")["function"][:1]
    marked = {spoken(plain_name(name)) for name in grows}
    whole = nodes["width"][0]
    change = nodes.select((pl.col("value") - pl.col("before")).abs().max()).item()
    # What is too narrow is never looked at: there may be a million of them.
    wide = nodes.filter((pl.col("width") >= _LEAST_SHARE * max(whole, 1)) | (pl.col("depth") == 0))
    found: list[Node] = []
    for row in wide.head(_MOST_NODES).iter_rows(named=True):
        kind, weight = (_KINDS.get(row["origin"] or "", "std"), 1.0) if change is None else _changed(row, change)
        left, share = (row[name] / max(whole, 1) for name in ("left", "width"))
        found.append(Node(row, left, share, kind if row["depth"] else "all", weight, row["name"] in marked))
    return found


def _changed(row: dict[str, Any], most: int) -> tuple[str, float]:
    change = row["value"] - row["before"]
    # Below this share of the largest change a node has not changed.
    if not most or abs(change) < 0.01 * most:
        return "same", 1.0
    return ("more" if change > 0 else "less"), 0.2 + 0.4 * abs(change) / most


def amount(row: dict[str, Any], by: str) -> str:
    write = text.memory if by.endswith("_bytes") else lambda value: f"{value:,}"
    shown = write(row["value"])
    if row["before"] is None:
        return shown
    change = row["value"] - row["before"]
    return f"{'+' if change > 0 else '−'}{write(abs(change))} to {shown}" if change else f"{shown} as before"


def labels(node: Node, by: str) -> list[str]:
    """Write what may stand in a node, the longest first: its name and its amount, then less and less of the name."""
    names = [f"{'▲ ' if node.suspect else ''}{name}" for name in shorter(node.row["name"])]
    # In a node only the change, or how much it is as before; all of it is told beside it.
    size = amount(node.row, by).split(" to ")[0].removesuffix(" as before")
    return [*(f"{name} {size}" for name in names), names[-1]]


def shorter(name: str) -> list[str]:
    name = text.printable(name)
    return [name, *(name[part.end() :] for part in _PARTS.finditer(name))]


def fitting(written: list[str], width: float) -> str:
    letters = int((width - 10) / LETTER)
    cut = text.shortened(written[-1], letters) if letters >= _FEWEST else ""
    return next((label for label in written if len(label) <= letters), cut)


def describe(node: Node, by: str) -> str:
    row = node.row
    said = f"{text.printable(row['name'])}: {amount(row, by)}, {text.share(node.share)}"
    if row["file"]:
        line = "" if row["line"] is None else f":{row['line']}"
        said += f"; {text.printable(str(row['file']).rsplit('/', 1)[-1])}{line}"
    return said + (f"; {row['frames']} frames" if (row["frames"] or 0) > 1 else "")


def _node(node: Node, by: str, *, sends: bool) -> Markup:
    name, depth, said = node.row["name"], node.row["depth"], describe(node, by)
    x, width, y = node.left * WIDTH, node.share * WIDTH, depth * ROW
    weight = None if node.weight == 1 else f"{node.weight:.2f}"
    # A press on the whole program names no function; a zoomed one stands where that would.
    whole = node.row["origin"] is None and node.row["parent_id"] is None
    return el(
        "g",
        el("title", said),
        el("rect", x=f"{x:.1f}", y=y, width=f"{width:.1f}", height=ROW, fill_opacity=weight),
        el("text", fitting(labels(node, by), width), x=f"{x + 6:.1f}", y=y + 15),
        class_=f"{node.kind} suspect" if node.suspect else node.kind,
        role="treeitem",
        aria_level=depth + 1,
        aria_label=f"grows steadily: {said}" if node.suspect else said,
        tabindex=-1 if depth else 0,
        data_name=name,
        data_rm_send=("zoom " if whole else f"zoom {name}") if sends else None,
    )


def legend(*, compared: bool) -> Markup:
    kinds = (
        (("more", "holds more"), ("less", "holds less"), ("same", "as before"))
        if compared
        else (("own", "your own code"), ("dep", "dependencies"), ("std", "Rust and the system"))
    )
    square = el("rect", width=12, height=12, fill_opacity="0.6" if compared else None)
    size = {"width": 12, "height": 12, "viewBox": "0 0 12 12", "aria_hidden": "true"}
    parts = (
        join(el("svg", el("g", square, class_=kind), class_="rm-icicle key", **size), f" {words}  ")
        for kind, words in kinds
    )
    return el("p", *parts, None if compared else el("span", "▲\u00a0grows steadily"), class_="note key")


#: What a page offers, the most telling first; what a profile does not know is left out.
OFFERED: Final = ("growth_bytes", "peak_bytes", "live_bytes", "allocations")
#: ... of two profiles.
COMPARED: Final = ("live_bytes", "peak_bytes")

#: Runs once in a page, for every icicle in it. It reads what the markup says and asks nothing of anybody.
SCRIPT: Final = join(asset("copy.js"), asset("zoom.js"))


def zoomable(
    heap: HeapProfile,
    *,
    by: Sequence[str] = OFFERED,
    before: HeapProfile | None = None,
    suspects: pl.DataFrame | None = None,
    root: str | None = None,
    sends: bool = False,
) -> Markup:
    """Draw call trees that zoom, turn and can be searched where `SCRIPT` runs, else are pictures by each measure."""
    # What `sends` tells whoever listens which function is pressed; `root` is the one that fills the width.
    first = measure_of(heap)
    trees = {name: tree(heap, name, before=before, root=root if name == first else None) for name in by}
    offered = [name for name, nodes in trees.items() if nodes["value"][0] or nodes["before"][0]]
    offered.sort(key=lambda name: name != first)
    if not offered:
        return el("p", "No stack holds anything in this profile.", class_="note")
    whole = call_tree(heap, offered, before=before)
    measures = [MEASURES[name] for name in offered] + (["came between two instants"] if len(whole.seconds) > 1 else [])
    found = [(name, placed(trees[name], suspects)) for name in (offered[:1] if sends else offered)]
    grows = next((node.row["name"] for _, nodes in found for node in nodes if node.suspect), "")
    keys = "Point at a function, or go to one with the arrows. Enter zooms, Escape shows the whole."
    # Two instants that somebody may choose.
    last = len(whole.seconds) - 1
    ends = (
        el("label", name, el("input", type="range", min=0, max=last, value=at), el("output"))
        for name, at in (("From", 0), ("To", last))
    )
    return el(
        "div",
        # Not in the pictures: the script takes those away and draws its own.
        el("style", join(STYLE, asset("zoom.css"))),
        el(
            "div",
            _choice("Width is", measures),
            _choice("On top", ("what the program begins with", "what allocates")),
            _choice("Hide below", [f"{share} %" for share in ("0", "0.1", "1", "5")]),
            el("label", "Search functions", el("input", type="search", autocomplete="off", spellcheck="false")),
            el("button", "Show the whole", type="button", class_="whole"),
            el("button", "Copy the stack", type="button", class_="copy"),
            el("span", class_="found", role="status"),
            class_="tools",
        ),
        el("div", *ends, class_="stretch", hidden=True),
        *(
            el("div", el("h3", MEASURES[name].capitalize()), _view(nodes, name, sends=sends), class_="view")
            for name, nodes in found
        ),
        el("div", el("h3"), class_="view drawn"),
        el("p", keys, class_="said"),
        legend(compared=before is not None),
        class_="rm-zoom",
        data_width=WIDTH,
        data_row=ROW,
        data_letter=LETTER,
        data_root=root and text.printable(root),
        data_sends=sends,
        data_tree=_data(whole, offered, grows),
    )


def _choice(name: str, words: Sequence[str]) -> Markup:
    return el("label", name, el("select", *(el("option", word) for word in words)))


def _data(whole: CallTree, by: Sequence[str], grows: str) -> str:
    places: dict[tuple[Any, ...], int] = {}
    frames = []
    for about in whole.about:
        where = about["file"] and str(about["file"]).rsplit("/", 1)[-1]
        at = where if about["line"] is None else f"{where}:{about['line']}"
        name = text.printable(about["name"])
        sent = (about["name"],) if about["name"] != name else ()
        key = (name, text.printable(at or ""), _KINDS.get(about["origin"] or "", "std"), about["frames"], *sent)
        frames.append(places.setdefault(key, len(places)))
    told = {
        "frames": list(places),
        "nodes": [whole.parents, frames],
        "measures": [
            {
                "name": MEASURES[name],
                "bytes": name.endswith("_bytes"),
                "now": whole.amounts[name],
                "before": whole.before.get(name),
            }
            for name in by
        ],
        "instants": [
            f"snapshot {step + 1:,}" if second is None else text.hours(second / 3600) if second else "the start"
            for step, second in enumerate(whole.seconds)
        ],
        "times": [step if second is None else second for step, second in enumerate(whole.seconds)],
        "held": [[node, *np.diff(curve, prepend=0).tolist()] for node, curve in whole.held.items()],
        "grows": text.printable(grows),
    }
    return msgspec.json.encode(told).decode()


def _view(found: list[Node], by: str, *, sends: bool) -> Markup:
    wide = [node for node in found if node.share * WIDTH >= _NARROWEST and node.row["depth"] < _ROWS]
    height = ROW * (1 + max(node.row["depth"] for node in wide)) + 1
    whole = found[0]
    most = sorted(found[1:], key=lambda node: (node.kind != "own", -node.share))
    told = [f"{text.printable(node.row['name'])} ({amount(node.row, by)})" for node in most[:2]]
    zoomed = "" if whole.row["name"] == "all" else f" through {text.printable(whole.row['name'])}"
    said = f"{MEASURES[by].capitalize()}{zoomed}: {amount(whole.row, by)}"
    return el(
        "svg",
        *(_node(node, by, sends=sends) for node in wide),
        class_="rm-icicle",
        width=WIDTH,
        height=height,
        viewBox=f"0 0 {WIDTH} {height}",
        role="tree",
        aria_label=said + (f", most of it through {', '.join(told)}." if told else "."),
    )
