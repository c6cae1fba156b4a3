"""The chart of one container as an Altair chart that zooms, pans and selects; labels stand where the report puts them.

The form of the chart is fixed and its data sets have names, so a dashboard makes it once and then replaces rows.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views import strip, theme
from rmtoolkit.views.canvas import BASE, HEIGHT, LEFT, RIGHT, STRIP, TOP, Canvas, Placed
from rmtoolkit.views.layout import memory_ticks, text_width
from rmtoolkit.views.timeline_svg import describe, kill_height, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from altair import LayerChart

    from rmtoolkit.views.curves import Piece
    from rmtoolkit.views.timeline import Timeline

Rows = dict[str, list[Any]]

#: Width of the plot in px for which labels are placed.
WIDTH: Final = RIGHT - LEFT
PADDING: Final = {"left": LEFT, "right": 8, "top": 0, "bottom": 4}
#: Colours that follow the theme of the page: the browser looks them up.
LIVE: Final = {name: f"var(--rm-{name})" for name in theme.LIGHT}

#: Days, hours and seconds as the report writes them.
_TICK: Final = (
    "utchours(datum.value)==0&&utcminutes(datum.value)==0&&utcseconds(datum.value)==0"
    "?utcFormat(datum.value,'%a %-d %b'):utcseconds(datum.value)"
    "?utcFormat(datum.value,'%H:%M:%S'):utcFormat(datum.value,'%H:%M')"
)
#: A label whose place is in sight is moved so that all of it is; `px` is how wide it is.
_INSIDE: Final = (
    "datum.dx+(inrange(scale('x',datum.t),[0,width])?clamp(0,"
    "(datum.a=='left'?0:datum.a=='right'?datum.px:datum.px/2)-scale('x',datum.t)-datum.dx,"
    "width-(datum.a=='left'?datum.px:datum.a=='right'?0:datum.px/2)-scale('x',datum.t)-datum.dx):0)"
)
_IN_SIGHT: Final = "inrange(scale('x',datum.t),[-1,width+1])?1:0"
_COLOURS: Final = {"strong": "ink", "plain": "ink", "alarm": "leak", "on-live": "on-badge", "note": "ink-3"}
_BOLD: Final = ("strong", "alarm", "on-live")
#: A label this near to its mark, in px, keeps its distance when the chart is zoomed.
_BESIDE: Final = 12
_CROSS: Final = "M-1 -1L1 1M1 -1L-1 1"
_OUTLOOKS: Final = (("reaches", "leak"), ("bounded", "ink-2"))
#: Columns of every data set, in the order in which the chart draws them.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "areas": ("t", "v", "c", "p"),
    "second": ("t", "v", "p"),
    "lines": ("t", "v", "p"),
    "rules": ("t", "t2", "v", "v2", "c", "s", "d", "w"),
    "halos": ("t", "v", "p"),
    "fits": ("t", "v", "p"),
    **{f"band-{outlook}": ("t", "lo", "hi") for outlook, _ in _OUTLOOKS},
    **{f"ahead-{outlook}": ("t", "v", "p") for outlook, _ in _OUTLOOKS},
    "stretch": ("t", "t2", "v"),
    "now": ("t",),
    "hits": ("t", "v", "w"),
    "kills": ("t", "v", "w"),
    "gaps": ("t", "t2", "w"),
    "marks": ("t", "f", "c", "w"),
    "judged": ("t", "t2"),
    "selected": ("t", "t2"),
    "swatches": ("t", "y", "c", "a", "dx", "px"),
    "labels": ("t", "y", "a", "b", "c", "h", "w", "dx", "px"),
    "pinned": ("x", "y", "a", "b", "c", "h", "w"),
    "ticks": ("v", "w"),
}


def form(tokens: Mapping[str, str] = LIVE) -> LayerChart:
    """Make the chart without data."""
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
    px = alt.Y("y:Q", scale=None, axis=None)
    own = alt.Color("c:N", scale=None)
    on_strip = {"y": alt.value(STRIP), "y2": alt.value(STRIP + strip.HEIGHT)}
    on_plot = {"y": alt.value(TOP - 4), "y2": alt.value(BASE)}

    def rows(name: str) -> Any:  # noqa: ANN401 - a chart
        return alt.Chart(alt.NamedData(name))

    def line(name: str, **mark: Any) -> Any:  # noqa: ANN401 - a chart
        drawn = rows(name).mark_line(clip=True, aria=False, strokeJoin="round", **mark)
        return drawn.encode(x=x, y=y, detail="p:N")

    def written(name: str, across: Any, height: Any, **mark: Any) -> list[Any]:  # noqa: ANN401 - charts
        """Text with a halo: two layers, the lower with a stroke."""
        look = {
            "align": alt.ExprRef("datum.a"),
            "fontWeight": alt.ExprRef("datum.b?600:400"),
            "baseline": "alphabetic",
            **mark,
        }
        halo = {"strokeWidth": 4, "strokeJoin": "round", "aria": False, "opacity": alt.ExprRef("datum.h?1:0")}
        # Without a description a screen reader would read out colours and px.
        words = rows(name).mark_text(**look).encode(x=across, y=height, text="w:N", color=own, description="w:N")
        below = rows(name).mark_text(**look, **halo, stroke=tokens["surface"], fill=tokens["surface"])
        return [below.encode(x=across, y=height, text="w:N"), words]

    # A swatch stands before its label, also where that had to move.
    beside = alt.ExprRef(f"{_INSIDE}-10")
    layers = [
        alt.Chart(alt.InlineData([{}]))
        .mark_rect(aria=False, color=tokens["panel"])
        .encode(x=alt.value(0), x2=alt.value("width"), **on_strip),
        rows("areas")
        .mark_area(clip=True, aria=False, stroke=tokens["surface"], strokeWidth=0.75)
        .encode(x=x, y=y, color=own, detail="p:N"),
        line("second", stroke=tokens["ink-2"], strokeWidth=1),
        rows("rules")
        .mark_rule(clip=True, strokeDash=alt.ExprRef("datum.d?[2,3]:[1,0]"), strokeWidth=alt.ExprRef("datum.s"))
        .encode(x=x, x2="t2:Q", y=y, y2="v2:Q", color=own, description="w:N"),
        line("lines", stroke=tokens["ink"], strokeWidth=1.6),
        line("halos", stroke=tokens["surface"], strokeWidth=4),
        line("fits", stroke=tokens["ink"], strokeWidth=2, strokeDash=[6, 4]),
        *(
            rows(f"band-{outlook}")
            .mark_area(clip=True, aria=False, color=_fading(tokens[token]))
            .encode(x=x, y=alt.Y("lo:Q", scale=scale, axis=None, stack=None), y2="hi:Q")
            for outlook, token in _OUTLOOKS
        ),
        *(
            line(f"ahead-{outlook}", stroke=tokens[token], strokeWidth=2, strokeDash=[6, 4])
            for outlook, token in _OUTLOOKS
        ),
        rows("stretch")
        .mark_rule(clip=True, aria=False, strokeWidth=7, opacity=0.4, color=tokens["leak"])
        .encode(x=x, x2="t2:Q", y=y),
        rows("now")
        .mark_rule(clip=True, aria=False, color=tokens["ink-3"])
        .encode(x=x, y=alt.value(2), y2=alt.value(BASE)),
        rows("hits")
        .mark_point(
            clip=True,
            shape="diamond",
            size=70,
            opacity=1,
            strokeWidth=1.6,
            fill=tokens["surface"],
            stroke=tokens["leak"],
        )
        .encode(x=x, y=y, description="w:N", tooltip="w:N"),
        rows("kills")
        .mark_point(clip=True, shape=_CROSS, size=100, opacity=1, stroke=tokens["leak"], strokeWidth=2.5)
        .encode(x=x, y=y, description="w:N", tooltip="w:N"),
        rows("gaps")
        .mark_rect(clip=True, color=tokens["line"])
        .encode(x=x, x2="t2:Q", description="w:N", tooltip="w:N", **on_strip),
        rows("marks")
        .mark_point(size=49, opacity=alt.ExprRef(_IN_SIGHT), strokeWidth=1.6, fill=tokens["panel"])
        .encode(
            x=x,
            y=alt.value(STRIP + strip.HEIGHT / 2),
            shape=alt.Shape("f:N", scale=None),
            stroke=alt.Stroke("c:N", scale=None),
            description="w:N",
            tooltip="w:N",
        ),
        *(
            rows(name)
            .mark_rect(clip=True, aria=False, fill=tokens["accent"], fillOpacity=opacity, stroke=tokens["accent"])
            .encode(x=x, x2="t2:Q", **on_plot)
            for name, opacity in (("judged", 0.06), ("selected", 0.16))
        ),
        rows("swatches")
        .mark_point(clip=True, aria=False, shape="square", size=100, opacity=1, filled=True, xOffset=beside, yOffset=-4)
        .encode(x=x, y=px, color=own),
        *written("labels", x, px, clip=True, dx=alt.ExprRef(_INSIDE)),
        *written("pinned", alt.X("x:Q", scale=None, axis=None), px),
        rows("ticks")
        .mark_text(align="right", dx=-7, dy=4, color=tokens["ink-2"], aria=False)
        .encode(x=alt.value(0), y=y, text="w:N"),
    ]
    params = [alt.param(name=name, value=value) for name, value in (("x0", 0), ("x1", 1), ("top", 1))]
    made: LayerChart = (
        alt.layer(*layers)
        .add_params(*params)
        .properties(width=WIDTH, height=HEIGHT, padding=PADDING, autosize=alt.AutoSizeParams(type="none"))
        .configure(background="transparent", font=theme.FAMILY)
        .configure_view(stroke=None)
        .configure_text(fontSize=12)
        .configure_axis(labelFontSize=12)
    )
    return made


def _fading(colour: str) -> Any:  # noqa: ANN401 - a gradient of Vega
    stops = [
        {"offset": offset, "color": f"color-mix(in srgb,{colour} {share}%,transparent)"}
        for offset, share in ((0, 40), (1, 10))
    ]
    return {"gradient": "linear", "x1": 0, "y1": 0, "x2": 1, "y2": 0, "stops": stops}


def rows(
    timeline: Timeline, row: dict[str, Any], tokens: Mapping[str, str] = LIVE, top: float | None = None
) -> dict[str, Rows]:
    """Collect the data sets of the chart."""
    chart = place(timeline, row, top)
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}
    for layer in reversed(timeline.layers):
        for at, piece in enumerate(layer.edge.pieces):
            part = f"{layer.edge.token}{at}"
            found["areas"] += [(t, v, tokens[layer.edge.token], part) for t, v in _points(piece)]
    found["lines"] = _line(timeline.line.pieces)
    if timeline.rss is not None:
        found["second"] = _line(timeline.rss.pieces)
    on_live = timeline.fit_name == text.SIGNAL_WORDS["allocated_bytes"]
    found["fits"] = _line(timeline.fits)
    found["halos"] = _line(timeline.fits) if on_live else []
    _rules(found, chart, tokens)
    _ahead(found, chart)
    found["now"] = [(timeline.now,)]
    found["kills"] = [
        (event.time, round(kill_height(chart, event.time)), strip.told([event]))
        for event in timeline.events
        if event.kind == "oom_kill"
    ]
    _strip(found, chart, tokens)
    _labels(found, chart.placed, chart, tokens)
    values, words = memory_ticks(chart.top)
    found["ticks"] = list(zip(values, words, strict=True))
    return {
        name: dict(zip(columns, map(list, zip(*found[name], strict=True)), strict=True))
        if found[name]
        else {column: [] for column in columns}
        for name, columns in COLUMNS.items()
    }


def _points(piece: Piece) -> Iterable[tuple[int, int]]:
    times, values = piece
    return zip(times.tolist(), values.round().astype("int64").tolist(), strict=True)


def _line(pieces: Sequence[Piece]) -> list[tuple[Any, ...]]:
    return [(t, v, at) for at, piece in enumerate(pieces) for t, v in _points(piece)]


def _rules(found: dict[str, list[tuple[Any, ...]]], chart: Canvas, tokens: Mapping[str, str]) -> None:
    if not chart.far_limit:
        before: tuple[int, int] | None = None
        for start, end, value in chart.t.limits:
            words = f"limit {text.configured(value)}"
            if before is not None and before[0] == start:
                found["rules"].append((start, start, before[1], value, tokens["ink"], 2, 0, words))
            found["rules"].append((start, end, value, value, tokens["ink"], 2, 0, words))
            before = (end, value)
    for start, end, value in chart.t.requests:
        if value <= chart.top:
            words = f"request {text.configured(value)}"
            found["rules"].append((start, end, value, value, tokens["ink-2"], 1.2, 1, words))


def _ahead(found: dict[str, list[tuple[Any, ...]]], chart: Canvas) -> None:
    ahead = chart.t.forecast
    if ahead is None:
        return
    limit = chart.t.limits[-1][2] if chart.t.limits and not chart.far_limit else None
    reaches = ahead.outlook == "reaches" and limit is not None
    ceiling = float(limit) if reaches and limit is not None else float("inf")
    kind = "reaches" if ahead.outlook == "reaches" else "bounded"
    for t, low, mid, high in zip(
        *(part.tolist() for part in (ahead.times, ahead.low, ahead.mid, ahead.high)), strict=True
    ):
        if low == low and high == high:  # noqa: PLR0124 - NaN where the band is unknown
            found[f"band-{kind}"].append((t, round(min(low, ceiling)), round(min(high, ceiling))))
        if not reaches or ahead.hit is None or t <= ahead.hit:
            found[f"ahead-{kind}"].append((t, round(min(mid, ceiling)), 0))
    if reaches and ahead.hit is not None and limit is not None:
        words = "reaches the limit"
        found[f"ahead-{kind}"].append((ahead.hit, limit, 0))
        found["hits"].append((ahead.hit, limit, f"{words} {chart.moment(ahead.hit)} UTC"))
        first = max(ahead.hit if ahead.hit_low is None else ahead.hit_low, chart.t.now)
        found["stretch"].append((first, chart.t.until if ahead.hit_high is None else ahead.hit_high, limit))


def _strip(found: dict[str, list[tuple[Any, ...]]], chart: Canvas, tokens: Mapping[str, str]) -> None:
    arranged = strip.arrange(chart.t, chart.x, (LEFT, RIGHT), STRIP, days=chart.days)
    for first, last in chart.t.gaps:
        found["gaps"].append((first, last, f"no data {text.hours((last - first) / 3_600_000)}"))
    for _, events in arranged.marks:
        shape = strip.shape(events)
        colour = tokens["leak" if shape == "cross" else "ink-2"]
        found["marks"].append((events[0].time, _CROSS if shape == "cross" else shape, colour, strip.told(events)))
    places = [x for x, _ in arranged.marks]
    for x, y, anchor, words, kind in arranged.labels:
        near = min(places, key=lambda place: abs(place - x), default=x)
        found["labels"].append(_label(chart, Placed(x, y, anchor, words, kind), near, tokens))


def _labels(
    found: dict[str, list[tuple[Any, ...]]], placed: Sequence[Placed], chart: Canvas, tokens: Mapping[str, str]
) -> None:
    for label in placed:
        if label.swatch:
            found["swatches"].append((chart.t.now, label.y, tokens[label.swatch], "left", 25, _wide(label)))
            found["labels"].append(
                (chart.t.now, label.y, "left", *_look(label.kind, tokens), label.written, 25, _wide(label))
            )
        elif label.x <= LEFT + 5:
            # What begins at the edge stays there when the chart is zoomed.
            found["pinned"].append((label.x - LEFT, label.y, "left", *_look(label.kind, tokens), label.written))
        else:
            found["labels"].append(_label(chart, label, chart.px(chart.t.now), tokens))


def _label(chart: Canvas, label: Placed, mark: float, tokens: Mapping[str, str]) -> tuple[Any, ...]:
    """Tie a label to its mark where it stands beside one, else to the instant it stands at."""
    x = mark if abs(label.x - mark) <= _BESIDE else label.x
    time = chart.t.start + (x - LEFT) / WIDTH * (chart.t.until - chart.t.start)
    anchor = {"start": "left", "middle": "center", "end": "right"}[label.anchor]
    return (
        round(time),
        label.y,
        anchor,
        *_look(label.kind, tokens),
        label.written,
        round(label.x - x, 1),
        _wide(label),
    )


def _wide(label: Placed) -> int:
    return round(text_width(label.written, bold=label.kind in _BOLD))


def _look(kind: str, tokens: Mapping[str, str]) -> tuple[int, str, int]:
    """Whether it is bold, its colour, and whether it has a halo."""
    return int(kind in _BOLD), tokens[_COLOURS.get(kind, "ink-2")], int(kind != "on-live")


def says(timeline: Timeline, row: dict[str, Any]) -> str:
    """Say in words what the chart shows."""
    return f"Memory over time. {describe(timeline, row)}"


def chart(timeline: Timeline, row: dict[str, Any], tokens: Mapping[str, str] = theme.LIGHT) -> LayerChart:
    """Make the whole chart, with its data inside, to show, change or save."""
    whole: Any = form(tokens).properties(description=says(timeline, row))
    found = rows(timeline, row, tokens)
    whole.datasets = {
        name: [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        for name, columns in found.items()
    }
    values = parameters(timeline, row)
    for parameter in whole.params:
        parameter.value = values[parameter.name]
    made: LayerChart = whole
    return made


def parameters(timeline: Timeline, row: dict[str, Any]) -> dict[str, float]:
    """Say what the chart's axes span."""
    return {"x0": float(timeline.start), "x1": float(timeline.until), "top": float(Canvas(timeline, row, "").top)}
