"""One chart shows one workload after the other: every layer stays between its edges."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import vl_convert

import rmtoolkit as rm
from rmtoolkit.views import _plot
from rmtoolkit.views import _plot_vega as timeline_chart
from rmtoolkit.views.dashboards.triage import Case, State, picture
from rmtoolkit.views.timeline import BASE, LEFT, RIGHT, TOP
from tests.views import timeline_form

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAMPLES: Final = Path(__file__).parents[2] / "data" / "samples"
SHOWN: Final = ("brisk-kestrel.stats.log", "noble-newt", "mellow-jackdaw", "opal-vole", "tidy-grouse")
#: A layer at least this thick, px, can be pointed at between its edges.
THICK: Final = 4
SCRIPT: Final = """
const tuples = columns => columns[Object.keys(columns)[0]].map(
  (_, at) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[at]])));
window.start = async spec => {
  const result = await vegaEmbed(document.querySelector("#chart"), spec, {actions: false, renderer: "svg"});
  window.view = result.view;
};
window.change = async (rows, axes) => {
  for (const [name, columns] of Object.entries(rows)) view.data(name, tuples(columns));
  for (const [name, value] of Object.entries(axes)) view.signal(name, value);
  await view.runAsync();
};
window.colours = spots => spots.map(([x, y]) => {
  const box = document.querySelector("#chart svg").getBoundingClientRect();
  const found = document.elementsFromPoint(box.left + x, box.top + y).find(
    element => element.closest(".mark-area") && element.tagName === "path" && element.getAttribute("fill") !== "none");
  return found ? found.getAttribute("fill") : "";
});
window.ready = true;
"""


def spots(rows: dict[str, Any], axes: dict[str, float]) -> list[tuple[float, float, str]]:
    """Places in the middle of layers that are thick enough to be seen: x, y and the colour there."""
    areas = {name: np.array(values) for name, values in rows["areas"].items()}
    width = RIGHT - LEFT
    x = LEFT + (areas["t"] - axes["x0"]) / (axes["x1"] - axes["x0"]) * width
    upper, lower = (BASE - areas[edge] / axes["top"] * (BASE - TOP) for edge in ("v", "v2"))
    found = []
    for part in np.unique(areas["p"]):
        at = np.flatnonzero(areas["p"] == part)
        if len(at) < 2 or x[at[-1]] - x[at[0]] < 2 * THICK:
            continue
        middle = np.linspace(x[at[0]] + THICK, x[at[-1]] - THICK, 5)
        near = [np.interp(middle + side, x[at], edge[at]) for side in (-1, 0, 1) for edge in (upper, lower)]
        top, below = np.max(near[::2], axis=0), np.min(near[1::2], axis=0)
        thick = below - top > THICK
        found += [
            (a, b, str(areas["c"][at[0]])) for a, b in zip(middle[thick], ((top + below) / 2)[thick], strict=True)
        ]
    return found


@pytest.fixture(scope="module")
def shown() -> dict[str, tuple[dict[str, Any], dict[str, float]]]:
    """Rows and axes of each sample."""
    case = Case(rm.assess(rm.concat([rm.read(SAMPLES / name) for name in SHOWN])))
    found = {}
    for name in case.names:
        one = picture(case, State(name))
        axes = {"x0": float(one.home[0]), "x1": float(one.home[1]), "top": one.top}
        found[name] = (timeline_chart.rows(one.drawn, one.row, _plot.LIGHT, one.top), axes)
    return found


def test_layers_stay_between_their_edges_after_every_switch(
    browser: Browser, shown: dict[str, tuple[dict[str, Any], dict[str, float]]], tmp_path: Path
) -> None:
    """From any workload to any other, each layer has its colour wherever it is thick enough to be pointed at."""
    bundle = vl_convert.javascript_bundle(SCRIPT, vl_version=vl_convert.get_vegalite_versions()[-1])
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><meta charset=utf-8><style>body{margin:0}svg *{pointer-events:all!important}</style>"
        f"<div id=chart></div><script type=module>{bundle}</script>",
        "utf-8",
    )
    tab = browser.new_page(viewport={"width": 1200, "height": 400})
    tab.goto(page.as_uri())
    tab.wait_for_function("window.ready")
    tab.evaluate("spec => start(spec)", timeline_form.form(_plot.LIGHT).to_dict())
    checked = 0
    walk = [name for both in combinations(shown, 2) for name in both] + [next(iter(shown))]
    assert {*pairwise(walk)} == {*permutations(shown, 2)}
    tab.evaluate("([rows, axes]) => change(rows, axes)", list(shown[walk[0]]))
    for before, after in pairwise(walk):
        tab.evaluate("([rows, axes]) => change(rows, axes)", list(shown[after]))
        wanted = spots(*shown[after])
        found = tab.evaluate("spots => colours(spots)", [spot[:2] for spot in wanted])
        assert found == [colour for *_, colour in wanted], f"{before} to {after}"
        checked += len({colour for *_, colour in wanted})
    tab.close()
    assert checked > len(shown) * 8
