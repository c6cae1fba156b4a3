"""The chart of one container as an Altair chart that zooms, pans and selects; labels stand where the report puts them.

The form of the chart is fixed and its data sets have names, so a dashboard makes it once and then replaces rows.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.views._plot import FAMILY, LIGHT, Area, Bar, Line, Point, Rule, memory_ticks
from rmtoolkit.views._plot_vega import TEXTS, Rows, Slot, columns, text_layers, text_rows
from rmtoolkit.views.assets import asset
from rmtoolkit.views.timeline_svg import BASE, HEIGHT, LEFT, RIGHT, STRIP, STRIP_END, TOP, Chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altair import LayerChart

    from rmtoolkit.views.timeline import Timeline

#: Width of the plot in px for which labels are placed.
WIDTH: Final = RIGHT - LEFT
PADDING: Final = {"left": LEFT, "right": 8, "top": 0, "bottom": 4}
#: Colours that follow the theme of the page: the browser looks them up.
LIVE: Final = {name: f"var(--rm-{name})" for name in LIGHT}

#: Days, hours and seconds as the report writes them.
_TICK: Final = (
    "utchours(datum.value)==0&&utcminutes(datum.value)==0&&utcseconds(datum.value)==0"
    "?utcFormat(datum.value,'%a %-d %b'):utcseconds(datum.value)"
    "?utcFormat(datum.value,'%H:%M:%S'):utcFormat(datum.value,'%H:%M')"
)
#: The asset that holds the form of the chart; `python -m tests.views.worked` writes it.
SPEC: Final = "timeline.json"
#: What the plot draws, from the lowest to the uppermost, and what the strip does.
PLOT: Final = (
    Slot("areas", Area, ("cache", "outside", "kept", "slack", "whole", "live")),
    Slot("second", Line, ("second",)),
    Slot("rules", Rule, ("request", "limit"), told=True),
    Slot("lines", Line, ("line",)),
    Slot("halos", Line, ("halo",)),
    Slot("fits", Line, ("fit",)),
    Slot("bare", Line, ("bare",)),
    *(Slot(f"band-{outlook}", Area, (f"band-{outlook}",)) for outlook in ("reaches", "bounded")),
    *(Slot(f"ahead-{outlook}", Line, (f"ahead-{outlook}",)) for outlook in ("reaches", "bounded")),
    Slot("stretch", Rule, ("stretch",)),
    Slot("now", Rule, ("now",)),
    Slot("hits", Point, ("diamond",), told=True),
    Slot("kills", Point, ("kill",), told=True),
)
STRIP_SLOTS: Final = (Slot("gaps", Bar, ("hatch",), told=True), Slot("marks", Point, ("event", "kill"), told=True))
#: Stretches of time that somebody chose, and how strongly they are tinted.
_CHOSEN: Final = {"judged": 0.06, "selected": 0.16}
#: Columns of every data set.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    **{slot.name: slot.columns for slot in (*PLOT, *STRIP_SLOTS)},
    **dict.fromkeys(_CHOSEN, ("t", "t2")),
    **TEXTS,
    "ticks": ("v", "w"),
}


def spec() -> dict[str, Any]:
    """Give `form()` as it was written down: Altair takes seconds to load, and a dashboard needs nothing else of it."""
    written: dict[str, Any] = json.loads(asset(SPEC))
    return written


def form(tokens: Mapping[str, str] = LIVE) -> LayerChart:
    """Make the chart without data; its parameters are `x0` and `x1` (ms since 1970, UTC) and `top` (bytes)."""
    alt: Any = import_module("altair")  # takes a second, and its types do not know its own channels

    axis = alt.Axis(
        offset=BASE - HEIGHT,
        labelExpr=_TICK,
        title=None,
        grid=False,
        labelOverlap=True,
        tickCount=alt.ExprRef("max(2,width/110)"),
        tickColor=tokens["control"],
        domainColor=tokens["control"],
        labelColor=tokens["ink-2"],
        labelPadding=3,
        tickSize=4,
    )
    ends: list[Any] = [alt.ExprRef("x0"), alt.ExprRef("x1")]
    x = alt.X("t:T", scale=alt.Scale(type="utc", domain=ends, nice=False, zero=False), axis=axis)
    scale = alt.Scale(domain=[0, alt.ExprRef("top")], range=[BASE, TOP], nice=False)
    y = alt.Y("v:Q", scale=scale, axis=None, stack=None)
    on_strip = alt.Y("v:Q", scale=None, axis=None)
    panel = {"x": alt.value(0), "x2": alt.value("width"), "y": alt.value(STRIP), "y2": alt.value(STRIP_END)}
    layers = [
        alt.Chart(alt.InlineData([{}])).mark_rect(aria=False, color=tokens["panel"]).encode(**panel),
        *(slot.layer(x, y, tokens) for slot in PLOT),
        *(slot.layer(x, on_strip, tokens) for slot in STRIP_SLOTS),
        *(
            alt.Chart(alt.NamedData(name))
            .mark_rect(clip=True, aria=False, fill=tokens["accent"], fillOpacity=opacity, stroke=tokens["accent"])
            .encode(x=x, x2="t2:Q", y=alt.value(TOP - 4), y2=alt.value(BASE))
            for name, opacity in _CHOSEN.items()
        ),
        *text_layers(x, alt.Y("y:Q", scale=None, axis=None)),
        alt.Chart(alt.NamedData("ticks"))
        .mark_text(align="right", dx=-7, dy=4, color=tokens["ink-2"], aria=False)
        .encode(x=alt.value(0), y=y, text="w:N"),
    ]
    params = [alt.param(name=name, value=value) for name, value in (("x0", 0), ("x1", 1), ("top", 1))]
    made: LayerChart = (
        alt.layer(*layers)
        .add_params(*params)
        .properties(width=WIDTH, height=HEIGHT, padding=PADDING, autosize=alt.AutoSizeParams(type="none"))
        .configure(background="transparent", font=FAMILY)
        .configure_view(stroke=None)
        .configure_text(fontSize=12)
        .configure_axis(labelFontSize=12)
    )
    return made


def rows(
    timeline: Timeline, row: dict[str, Any], tokens: Mapping[str, str] = LIVE, top: float | None = None
) -> dict[str, Rows]:
    """Give columns for every data set of `COLUMNS`; `top` is that of the whole where a part is drawn."""
    # A board of 800 px has so much of the width for its chart.
    drawn = Chart(timeline, row, top, narrow=0.7).compose()
    found = {slot.name: slot.rows(drawn, tokens) for slot in PLOT}
    found |= {slot.name: slot.rows(drawn.strip, tokens) for slot in STRIP_SLOTS}
    found |= text_rows((drawn, drawn.strip), tokens)
    return columns(COLUMNS, found | {"ticks": memory_ticks(drawn.y.high)})
