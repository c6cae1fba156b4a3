"""Marks as an Altair chart: with its data inside, or of a fixed form that is made once and whose rows are replaced.

The memory of a container is such a form; it zooms, pans and selects, and labels stand where the report puts them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from itertools import groupby
from typing import Any, Final

from msgspec import Struct

from rmtoolkit.views import _plot
from rmtoolkit.views._plot import Mark, Plot, Scale
from rmtoolkit.views.style import asset
from rmtoolkit.views.timeline import Chart, Timeline

Rows = dict[str, list[Any]]

#: Columns of the rows of a mark: `t` is x, `v` the height, `c` and `b` colours of stroke or area and of what is inside.
_COLUMNS: Final[Mapping[type[Mark], tuple[str, ...]]] = {
    _plot.Area: ("t", "v", "v2", "c", "p"),
    _plot.Line: ("t", "v", "p"),
    _plot.Rule: ("t", "t2", "v", "v2", "c", "s", "d", "w"),
    _plot.Point: ("t", "v", "f", "z", "c", "b", "s", "w"),
    _plot.Bar: ("t", "t2", "v", "v2", "c", "w"),
}
#: Data sets of text: tied to an instant, with the square of a layer before it, and at the left edge.
TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "swatches": ("t", "y", "c", "a", "dx", "px"),
    "labels": ("t", "y", "a", "b", "c", "h", "w", "dx", "px"),
    "pinned": ("x", "y", "a", "b", "c", "h", "w"),
}
_SHAPES: Final = {_plot.Shape.CROSS: "M-1 -1L1 1M1 -1L-1 1"}
_ANCHORS: Final = {"start": "left", "middle": "center", "end": "right"}
#: A label this near to its mark, in px, keeps its distance when the chart is zoomed.
_BESIDE: Final = 12
_IN_SIGHT: Final = "inrange(scale('x',datum.t),[-1,width+1])?1:0"
_WHOLE: Final = 10_000
_SCALES: Final = {_plot.Grows.EVENLY: "linear", _plot.Grows.AS_ROOT: "sqrt", _plot.Grows.AS_LOG: "log"}


class Slot(Struct, frozen=True):
    """A data set: marks of one kind and of some looks; what it says is read out where it is `told`."""

    name: str
    kind: type[Mark]
    looks: tuple[str, ...]
    told: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return _COLUMNS[self.kind]

    def layer(self, x: Any, y: Any, tokens: Mapping[str, str], data: Any) -> Any:  # noqa: ANN401 - channels, charts
        alt: Any = import_module("altair")  # takes a second, and its types do not know its own channels
        rows = alt.Chart(data)
        look, colour = _plot.LOOKS[self.looks[0]], alt.Color("c:N", scale=None)
        place: dict[str, Any] = {"x": x, "y": y}
        words = {"description": "w:N", "tooltip": "w:N"} if self.told else {}
        paint = {"stroke": tokens[look.stroke], "strokeWidth": look.width} if look.stroke else {}
        if self.kind is _plot.Area:
            paint |= {"opacity": look.opacity} if look.opacity < 1 else {}
            paint |= {"color": _fading(tokens[look.fill])} if look.fades else {}
            drawn = rows.mark_area(clip=True, aria=False, **paint).encode(**place, y2="v2:Q", detail="p:N")
            return drawn if look.fades else drawn.encode(color=colour)
        if self.kind is _plot.Line:
            paint |= {"strokeJoin": "round"} | ({"strokeDash": list(map(int, look.dash.split()))} if look.dash else {})
            return rows.mark_line(clip=True, aria=False, **paint).encode(**place, detail="p:N")
        if self.kind is _plot.Rule:
            paint = {"strokeWidth": alt.ExprRef("datum.s"), "strokeDash": alt.ExprRef("datum.d?[2,3]:[1,0]")}
            drawn = rows.mark_rule(clip=True, aria=self.told, opacity=look.opacity, **paint)
            words.pop("tooltip", None)
            return drawn.encode(**place, x2="t2:Q", y2="v2:Q", color=colour, **words)
        if self.kind is _plot.Bar:
            drawn = rows.mark_rect(clip=True, aria=self.told)
            return drawn.encode(**place, x2="t2:Q", y2="v2:Q", color=colour, **words)
        drawn = rows.mark_point(opacity=alt.ExprRef(_IN_SIGHT), strokeWidth=alt.ExprRef("datum.s"))
        channels = {"shape": alt.Shape("f:N", scale=None), "size": alt.Size("z:Q", scale=None)}
        paints = {"stroke": alt.Stroke("c:N", scale=None), "fill": alt.Fill("b:N", scale=None)}
        return drawn.encode(**place, **channels, **paints, **words)

    def rows(self, plot: Plot, tokens: Mapping[str, str]) -> list[tuple[Any, ...]]:
        across, up = (None if scale.high - scale.low >= _WHOLE else 5 for scale in (plot.x, plot.y))
        mine = (mark for mark in plot.marks if type(mark) is self.kind and mark.look in self.looks)
        return [row for mark in mine for row in _rows(mark, tokens, across, up)]


def _rows(mark: Mark, tokens: Mapping[str, str], across: int | None, up: int | None) -> Iterable[tuple[Any, ...]]:
    look = _plot.LOOKS[mark.look]
    stroke, fill = (tokens[token] if token else "transparent" for token in (look.stroke, look.fill))
    match mark:
        case _plot.Area():
            for at, (x, low, high) in enumerate(mark.columns()):
                for t, upper, lower in zip(x.tolist(), _rounded(high, up), _rounded(low, up), strict=True):
                    yield t, upper, lower, fill, f"{mark.look}{at}"
        case _plot.Line():
            for at, (x, y) in enumerate(mark.pieces):
                for t, v in zip(x.tolist(), _rounded(y, up), strict=True):
                    yield t, v, at
        case _plot.Rule():
            ends = (round(mark.x, across), round(mark.x2, across), round(mark.y, up), round(mark.y2, up))
            if isinstance(mark, _plot.Bar):
                yield *ends, fill, mark.says
            else:
                yield *ends, stroke, look.width, int(bool(look.dash)), mark.says
        case _plot.Point():
            size = (2 * mark.size) ** 2
            shape = _SHAPES.get(mark.shape, str(mark.shape))
            place = (round(mark.x, across), round(mark.y, up))
            yield *place, shape, size, stroke, fill, look.width, mark.says


def _rounded(values: Any, digits: int | None) -> list[float]:  # noqa: ANN401 - an array
    found = values.round(digits or 0)
    rounded: list[float] = (found if digits else found.astype("int64")).tolist()
    return rounded


def text_rows(plots: Sequence[Plot], tokens: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TEXTS}
    labels = ((plot, mark) for plot in plots for mark in plot.marks if isinstance(mark, _plot.Text))
    for name, row in (told for plot, label in labels for told in _text_rows(label, plot, tokens)):
        found[name].append(row)
    return found


def _text_rows(label: _plot.Text, plot: Plot, tokens: Mapping[str, str]) -> Iterable[tuple[str, tuple[Any, ...]]]:
    left, (x, y, anchor, *paint) = plot.x.first, _pinned(label, tokens)
    if label.x <= left + 5:
        # What begins at the edge stays there when the chart is zoomed.
        yield "pinned", (x - left, y, anchor, *paint)
        return
    at = x
    if label.beside is not None and (label.swatch or abs(label.x - label.beside) <= _BESIDE):
        at = label.beside
    place, wide = (round(plot.x.back(at)), y), round(_plot.text_width(label.written, bold=_plot.TYPES[label.look].bold))
    beside = round(x - at, 1)
    if label.swatch:
        yield "swatches", (*place, tokens[_plot.LOOKS[label.swatch].fill], anchor, beside, wide)
    yield "labels", (*place, anchor, *paint, beside, wide)


def _pinned(label: _plot.Text, tokens: Mapping[str, str]) -> tuple[Any, ...]:
    kind = _plot.TYPES[label.look]
    halo = tokens[kind.halo] if kind.halo else "transparent"
    # From the left of a swatch to its text.
    place = (label.x + (15 if label.swatch else 0), label.y, _ANCHORS[label.anchor])
    return *place, int(kind.bold), tokens[kind.colour], halo, label.written


def swatches(alt: Any, rows: Any, x: Any, y: Any, **mark: Any) -> Any:  # noqa: ANN401 - altair, channels, a chart
    drawn = alt.Chart(rows).mark_point(shape="square", size=100, filled=True, opacity=1, **mark)
    return drawn.encode(x=x, y=y, color=alt.Color("c:N", scale=None))


def haloed(alt: Any, rows: Any, x: Any, y: Any, **mark: Any) -> list[Any]:  # noqa: ANN401 - altair, channels, charts
    """Write texts, each over a halo, which is a text with a stroke below it."""
    bold = alt.ExprRef("datum.b?600:400")
    look = {"align": alt.ExprRef("datum.a"), "fontWeight": bold, "baseline": "alphabetic", **mark}
    place = {"x": x, "y": y, "text": "w:N"}
    paint = {"stroke": alt.Stroke("h:N", scale=None), "fill": alt.Fill("h:N", scale=None)}
    halo = alt.Chart(rows).mark_text(**look, strokeWidth=4, strokeJoin="round", aria=False)
    # Without a description a screen reader would read out colours and px.
    words = alt.Chart(rows).mark_text(**look).encode(**place, color=alt.Color("c:N", scale=None), description="w:N")
    return [halo.encode(**place, **paint), words]


def _fading(colour: str) -> dict[str, Any]:
    stops = [{"offset": offset, "color": _thinned(colour, share)} for offset, share in ((0, 40), (1, 10))]
    return {"gradient": "linear", "x1": 0, "y1": 0, "x2": 1, "y2": 0, "stops": stops}


def _thinned(colour: str, share: int) -> str:
    if colour.startswith("#"):
        return f"{colour}{round(share * 2.55):02x}"
    return f"color-mix(in srgb,{colour} {share}%,transparent)"


def columns(names: Mapping[str, tuple[str, ...]], rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> dict[str, Rows]:
    return {
        name: {column: [row[at] for row in rows.get(name, ())] for at, column in enumerate(wanted)}
        for name, wanted in names.items()
    }


def chart(width: float, height: float, *plots: Plot, says: str, tokens: Mapping[str, str], timed: bool = False) -> Any:  # noqa: ANN401 - of Altair
    """Draw plots as one Altair chart with its data inside: in px of the picture, on the scales of the plots."""
    # Nothing is configured and no parameter is set, so it can be layered with others.
    alt: Any = import_module("altair")
    layers = []
    for plot in plots:
        x, y = _channel(alt.X, "t", plot.x, timed=timed), _channel(alt.Y, "v", plot.y)
        drawn = [mark for mark in plot.painted() if not isinstance(mark, _plot.Text)]
        for (kind, look), _ in groupby(drawn, lambda mark: (type(mark), mark.look)):
            slot = Slot(look, kind, (look,), told=kind in (_plot.Rule, _plot.Point, _plot.Bar))
            rows = alt.InlineData([dict(zip(slot.columns, row, strict=True)) for row in slot.rows(plot, tokens)])
            layers.append(slot.layer(x, y, tokens, rows))
    made = alt.layer(*layers, *_written(alt, plots, tokens))
    made = made.properties(width=width, height=height, description=says, view=alt.ViewBackground(stroke=None))
    # A background of one's own keeps a chart from standing inside others: white is there anyway.
    return made if tokens == _plot.LIGHT else made.properties(background=tokens["surface"])


def _channel(channel: Any, field: str, scale: Scale, *, timed: bool = False) -> Any:  # noqa: ANN401 - of Altair
    """Give a scale of a plot to a channel; what is px already stays."""
    alt: Any = import_module("altair")
    kind = "utc" if timed else _SCALES[scale.grows]
    ends, px = [scale.low, scale.high], [scale.first, scale.last]
    own = None if scale == _plot.PX else alt.Scale(type=kind, domain=ends, range=px, nice=False, zero=False)
    more: dict[str, Any] = {"stack": None} if field == "v" else {}
    return channel(f"{field}:{'T' if timed else 'Q'}", scale=own, axis=_silent(alt), **more)


def _silent(alt: Any) -> Any:  # noqa: ANN401 - altair and an axis
    """Show nothing: the ticks are texts. No axis at all could not be layered with a chart that has one."""
    return alt.Axis(title=None, labels=False, ticks=False, domain=False, grid=False)


def _written(alt: Any, plots: Sequence[Plot], tokens: Mapping[str, str]) -> list[Any]:  # noqa: ANN401 - altair, charts
    labels = [mark for plot in plots for mark in plot.marks if isinstance(mark, _plot.Text)]
    x, y = alt.X("x:Q", scale=None, axis=_silent(alt)), alt.Y("y:Q", scale=None, axis=_silent(alt))
    squares = [
        {"x": one.x + 5, "y": one.y - 4, "c": tokens[_plot.LOOKS[one.swatch].fill]} for one in labels if one.swatch
    ]
    rows = [dict(zip(TEXTS["pinned"], _pinned(one, tokens), strict=True)) for one in labels]
    return [
        *([swatches(alt, alt.InlineData(squares), x, y)] if squares else []),
        *(haloed(alt, alt.InlineData(rows), x, y, font=_plot.FAMILY, fontSize=12) if rows else []),
    ]


#: Colours that follow the theme of the page: the browser looks them up.
LIVE: Final = {name: f"var(--rm-{name})" for name in _plot.LIGHT}

#: The asset that holds the form of the chart; `python -m tests.views.worked` writes it.
SPEC: Final = "timeline.json"
#: What the plot draws, from the lowest to the uppermost, and what the strip does.
PLOT: Final = (
    Slot("areas", _plot.Area, ("cache", "outside", "kept", "slack", "whole", "live")),
    Slot("second", _plot.Line, ("second",)),
    Slot("rules", _plot.Rule, ("request", "limit"), told=True),
    Slot("lines", _plot.Line, ("line",)),
    Slot("halos", _plot.Line, ("halo",)),
    Slot("fits", _plot.Line, ("fit",)),
    Slot("bare", _plot.Line, ("bare",)),
    *(Slot(f"band-{outlook}", _plot.Area, (f"band-{outlook}",)) for outlook in ("reaches", "bounded")),
    *(Slot(f"ahead-{outlook}", _plot.Line, (f"ahead-{outlook}",)) for outlook in ("reaches", "bounded")),
    Slot("stretch", _plot.Rule, ("stretch",)),
    Slot("now", _plot.Rule, ("now",)),
    Slot("hits", _plot.Point, ("diamond",), told=True),
    Slot("kills", _plot.Point, ("kill",), told=True),
)
STRIP_SLOTS: Final = (
    Slot("gaps", _plot.Bar, ("hatch",), told=True),
    Slot("marks", _plot.Point, ("event", "kill"), told=True),
)
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    **{slot.name: slot.columns for slot in (*PLOT, *STRIP_SLOTS)},
    # Stretches of time that somebody chose.
    **dict.fromkeys(("judged", "selected"), ("t", "t2")),
    **TEXTS,
    "ticks": ("v", "w"),
}


def spec() -> dict[str, Any]:
    """Give the form of the chart as it was written down: Altair takes seconds to load, and nothing else needs it."""
    written: dict[str, Any] = json.loads(asset(SPEC))
    return written


def rows(
    timeline: Timeline, row: dict[str, Any], tokens: Mapping[str, str] = LIVE, top: float | None = None
) -> dict[str, Rows]:
    """Give columns for every data set of `COLUMNS`; `top` is that of the whole where a part is drawn."""
    # A board of 800 px has so much of the width for its chart.
    drawn = Chart(timeline, row, top, narrow=0.7).compose()
    found = {slot.name: slot.rows(drawn, tokens) for slot in PLOT}
    found |= {slot.name: slot.rows(drawn.strip, tokens) for slot in STRIP_SLOTS}
    found |= text_rows((drawn, drawn.strip), tokens)
    return columns(COLUMNS, found | {"ticks": _plot.memory_ticks(drawn.y.high)})
