"""An icicle that a page can zoom and search by itself: pointer and keyboard, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.heap.tree import MEASURES, measure_of, tree
from rmtoolkit.views.heap_icicle import LETTER, ROW, WIDTH, amount, describe, fitting, frame, labels, legend, placed
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    import polars as pl

    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.views.heap_icicle import Node

_MOST_ROWS: Final = 60
#: What a page offers, the most telling first; what a profile does not know is left out.
OFFERED: Final = ("growth_bytes", "peak_bytes", "live_bytes", "allocations")

STYLE: Final = Markup(
    ".rm-zoom .above rect{fill-opacity:.45}"
    ".rm-zoom .tools{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:end;margin:8px 0}"
    ".rm-zoom label{font-size:12px;color:var(--rm-ink-2);display:grid;gap:2px}"
    ".rm-zoom input,.rm-zoom select,.rm-zoom button{font:14px/1.45 var(--rm-family);color:var(--rm-ink);"
    "background:var(--rm-surface);border:1px solid var(--rm-control);border-radius:4px;padding:4px 8px}"
    ".rm-zoom :is(input,select,button):focus-visible{outline:2px solid var(--rm-accent);outline-offset:2px}"
    ".rm-zoom .said{min-height:1.45em;margin:6px 0 0;overflow-wrap:anywhere}.rm-zoom .found{font-size:13px}"
    ".rm-zoom:not(.live) .tools,.rm-zoom:not(.live) .said{display:none}"
    ".rm-zoom .key svg{display:inline-block;vertical-align:-1px;margin-left:10px}"
    "@media print{.rm-zoom .tools{display:none}}"
)

#: Runs once in a page, for every icicle in it. It reads what the markup says and asks nothing of anybody.
SCRIPT: Final = Markup(
    """
for (const box of document.querySelectorAll(".rm-zoom")) {
  const views = [...box.querySelectorAll(".view")];
  const said = box.querySelector(".said"), found = box.querySelector(".found");
  const search = box.querySelector("input"), choice = box.querySelector("select"), whole = box.querySelector("button");
  let view = 0;
  const all = views.map(part => {
    const nodes = [...part.querySelectorAll("g[data-x]")].map((g, at) => ({
      g, at, x: +g.dataset.x, w: +g.dataset.w, d: +g.dataset.d, up: g.dataset.up === "" ? -1 : +g.dataset.up,
      name: g.dataset.name, size: g.dataset.size, mark: g.dataset.mark || "", value: +g.dataset.value,
      rect: g.querySelector("rect"), text: g.querySelector("text"), shown: true}));
    return {nodes, part, zoom: nodes[0], at: nodes[0]};
  });
  const label = (node, width) => {
    const room = Math.floor((width - 10) / LETTER), parts = node.name.split("::");
    for (let at = 0; at < parts.length; at++) {
      const text = node.mark + parts.slice(at).join("::") + " " + node.size;
      if (text.length <= room) return text;
    }
    const last = node.mark + parts[parts.length - 1];
    return last.length <= room ? last : room >= 4 ? last.slice(0, room - 1) + "…" : "";
  };
  const draw = now => {
    const above = new Set();
    for (let node = now.zoom; node; node = now.nodes[node.up]) above.add(node);
    for (const node of now.nodes) {
      let x = (node.x - now.zoom.x) / now.zoom.w, w = node.w / now.zoom.w;
      if (above.has(node)) { x = 0; w = 1; }
      const left = x * WIDTH, width = w * WIDTH;
      node.shown = above.has(node) || (node.d > now.zoom.d && x > -1e-4 && x + w < 1 + 1e-4 && width >= 0.7);
      node.g.style.display = node.shown ? "" : "none";
      node.g.classList.toggle("above", above.has(node) && node !== now.zoom);
      node.rect.setAttribute("x", left); node.rect.setAttribute("width", width);
      node.text.setAttribute("x", left + 6); node.text.textContent = label(node, width);
    }
    whole.disabled = now.zoom === now.nodes[0];
  };
  const say = node => { said.textContent = node.g.getAttribute("aria-label"); };
  const go = (now, node) => {
    if (!node) return;
    now.at.g.tabIndex = -1; now.at = node; node.g.tabIndex = 0; node.g.focus(); say(node);
  };
  const zoom = (now, node) => { now.zoom = node; draw(now); go(now, node); };
  const look = () => {
    const wanted = search.value.trim().toLowerCase();
    for (const now of all) {
      const inside = new Set(); let hits = 0, total = 0;
      for (const node of now.nodes) {
        const hit = wanted !== "" && node.up >= 0 && node.name.toLowerCase().includes(wanted);
        node.g.classList.toggle("hit", hit); node.g.classList.toggle("dim", wanted !== "" && !hit);
        hits += hit;
        if (inside.has(node.up)) inside.add(node.at);
        else if (hit) { inside.add(node.at); total += node.value; }
      }
      if (now === all[view]) {
        const share = now.nodes[0].value ? Math.floor(1000 * total / now.nodes[0].value) / 10 : 0;
        found.textContent = wanted === "" ? "" : `${hits} place${hits === 1 ? "" : "s"}, ${share} %`;
      }
    }
  };
  const beside = (now, node, step) => {
    const row = now.nodes.filter(one => one.shown && one.d === node.d).sort((a, b) => a.x - b.x);
    return row[row.indexOf(node) + step];
  };
  all.forEach((now, place) => {
    now.part.addEventListener("click", event => {
      const g = event.target.closest("g[data-x]");
      if (g) zoom(now, now.nodes.find(node => node.g === g));
    });
    now.part.addEventListener("pointerover", event => {
      const g = event.target.closest("g[data-x]");
      if (g) said.textContent = g.getAttribute("aria-label");
    });
    now.part.addEventListener("keydown", event => {
      const moves = {
        ArrowDown: () => now.nodes.find(node => node.up === now.at.at && node.shown),
        ArrowUp: () => now.nodes[now.at.up],
        ArrowRight: () => beside(now, now.at, 1), ArrowLeft: () => beside(now, now.at, -1), Home: () => now.nodes[0]};
      if (event.key in moves) go(now, moves[event.key]());
      else if (event.key === "Enter" || event.key === " ") zoom(now, now.at);
      else if (event.key === "Escape") zoom(now, now.nodes[0]);
      else return;
      event.preventDefault();
    });
    now.part.hidden = place !== view;
  });
  search.addEventListener("input", look);
  search.addEventListener("keydown", event => { if (event.key === "Escape") { search.value = ""; look(); } });
  whole.addEventListener("click", () => zoom(all[view], all[view].nodes[0]));
  if (choice) choice.addEventListener("change", () => {
    view = choice.selectedIndex; views.forEach((part, at) => { part.hidden = at !== view; }); look(); draw(all[view]);
  });
  box.classList.add("live");
  all.forEach(draw);
}
""".replace("LETTER", str(LETTER)).replace("WIDTH", str(WIDTH))
)


def zoomable(
    heap: HeapProfile,
    *,
    by: str | None = None,
    before: HeapProfile | None = None,
    suspects: pl.DataFrame | None = None,
) -> Markup:
    """Draw an icicle that zooms and searches where a page runs `SCRIPT`; without it, it is a picture for each measure."""
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
