"""The form of a container's memory chart, whose rows a dashboard replaces; `tests.views.worked` writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import altair as alt

from rmtoolkit.views import _plot
from rmtoolkit.views._plot_vega import LIVE, PLOT, STRIP_SLOTS, haloed, swatches
from rmtoolkit.views.timeline import BASE, HEIGHT, LEFT, RIGHT, STRIP, STRIP_END, TOP

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Width of the plot in px for which labels are placed.
WIDTH: Final = RIGHT - LEFT
_PADDING: Final = {"left": LEFT, "right": 8, "top": 0, "bottom": 4}
#: Stretches of time that somebody chose, and how strongly they are tinted.
_CHOSEN: Final = {"judged": 0.06, "selected": 0.16}
#: A label whose place is in sight is moved so that all of it is; `px` is how wide it is.
_INSIDE: Final = (
    "datum.dx+(inrange(scale('x',datum.t),[0,width])?clamp(0,"
    "(datum.a=='left'?0:datum.a=='right'?datum.px:datum.px/2)-scale('x',datum.t)-datum.dx,"
    "width-(datum.a=='left'?datum.px:datum.a=='right'?0:datum.px/2)-scale('x',datum.t)-datum.dx):0)"
)
#: Days, hours and seconds as the report writes them.
_TICK: Final = (
    "utchours(datum.value)==0&&utcminutes(datum.value)==0&&utcseconds(datum.value)==0"
    "?utcFormat(datum.value,'%a %-d %b'):utcseconds(datum.value)"
    "?utcFormat(datum.value,'%H:%M:%S'):utcFormat(datum.value,'%H:%M')"
)


def _text_layers(x: Any, px: Any) -> list[Any]:
    """Labels, each over its halo, and the squares before them."""
    # A swatch stands before its label, also where that had to move.
    beside = alt.ExprRef(f"{_INSIDE}-10")
    return [
        swatches(alt, alt.NamedData("swatches"), x, px, clip=True, aria=False, xOffset=beside, yOffset=-4),
        *haloed(alt, alt.NamedData("labels"), x, px, clip=True, dx=alt.ExprRef(_INSIDE)),
        *haloed(alt, alt.NamedData("pinned"), alt.X("x:Q", scale=None, axis=None), px),
    ]


def form(tokens: Mapping[str, str] = LIVE) -> alt.LayerChart:
    """Make the chart without data; its parameters are `x0` and `x1` (ms since 1970, UTC) and `top` (bytes)."""
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
        *(slot.layer(x, y, tokens, alt.NamedData(slot.name)) for slot in PLOT),
        *(slot.layer(x, on_strip, tokens, alt.NamedData(slot.name)) for slot in STRIP_SLOTS),
        *(
            alt.Chart(alt.NamedData(name))
            .mark_rect(clip=True, aria=False, fill=tokens["accent"], fillOpacity=opacity, stroke=tokens["accent"])
            .encode(x=x, x2="t2:Q", y=alt.value(TOP - 4), y2=alt.value(BASE))
            for name, opacity in _CHOSEN.items()
        ),
        *_text_layers(x, alt.Y("y:Q", scale=None, axis=None)),
        alt.Chart(alt.NamedData("ticks"))
        .mark_text(align="right", dx=-7, dy=4, color=tokens["ink-2"], aria=False)
        .encode(x=alt.value(0), y=y, text="w:N"),
    ]
    params = [alt.param(name=name, value=value) for name, value in (("x0", 0), ("x1", 1), ("top", 1))]
    made: alt.LayerChart = (
        alt.layer(*layers)
        .add_params(*params)
        .properties(width=WIDTH, height=HEIGHT, padding=_PADDING, autosize=alt.AutoSizeParams(type="none"))
        .configure(background="transparent", font=_plot.FAMILY)
        .configure_view(stroke=None)
        .configure_text(fontSize=12)
        .configure_axis(labelFontSize=12)
    )
    return made
