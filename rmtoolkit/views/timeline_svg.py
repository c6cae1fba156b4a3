"""The chart of one container as static inline SVG, every label on its mark."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views import layout, strip
from rmtoolkit.views.canvas import BASE, HEIGHT, LEFT, RIGHT, STRIP, TOP, WIDTH, Canvas, Placed, text_element
from rmtoolkit.views.forecast import draw_forecast
from rmtoolkit.views.layout import Box, text_box
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.summary import is_growing
from rmtoolkit.views.svg import cross, definitions, path

if TYPE_CHECKING:
    from rmtoolkit.views.curves import Piece
    from rmtoolkit.views.timeline import Timeline

#: A board of 800 px has so much of the width for its chart.
_NARROW: Final = 0.7
#: A layer thinner than this share of the axis gets no label.
_THIN: Final = 0.004
#: A live heap at least this high in px carries the fit's label.
_ROOM_ON_LIVE: Final = 34


def draw(timeline: Timeline, row: dict[str, Any], ident: str, name: str) -> Markup:
    """Draw memory over time with all that explains it."""
    chart = Canvas(timeline, row, ident)
    parts, labels = _parts(chart)
    return el(
        "svg",
        el("title", f"Memory of {name}", id=f"{ident}-t"),
        el("desc", describe(timeline, row), id=f"{ident}-d"),
        _definitions(chart),
        _y_axis(chart),
        *_layers(chart),
        *parts["requests"],
        *parts["limits"],
        *parts["line"],
        *parts["fits"],
        *parts["ahead"],
        *parts["now"],
        *parts["kills"],
        _x_axis(chart),
        *parts["names"],
        *labels,
        strip.draw(timeline, chart.x, (LEFT, RIGHT), STRIP, f"{ident}-h", days=chart.days),
        class_="rm-chart timeline",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_labelledby=f"{ident}-t {ident}-d",
        data_now=f"{chart.px(timeline.now) / WIDTH:.3f}",
    )


def _parts(chart: Canvas) -> tuple[dict[str, list[Markup]], list[Markup]]:
    """Draw what has labels. They are placed by importance: the less important gives way; drawing has its own order."""
    parts: dict[str, list[Markup]] = {}
    parts["now"], now_label = _now(chart)
    parts["limits"], limit_labels = _limits(chart)
    parts["requests"], request_labels = _requests(chart)
    parts["kills"] = _kills(chart)
    parts["ahead"], ahead_label = draw_forecast(chart)
    parts["names"] = _layer_names(chart)
    parts["fits"], fit_label = _fits(chart)
    parts["line"], line_labels = _lines(chart)
    labels = [now_label, *limit_labels, *request_labels, ahead_label, fit_label, *line_labels]
    return parts, [label for label in labels if label is not None]


def place(timeline: Timeline, row: dict[str, Any], top: float | None = None) -> Canvas:
    """Find the places of all labels without drawing, for a chart of the same proportions."""
    chart = Canvas(timeline, row, "", top, _NARROW)
    _parts(chart)
    return chart


def describe(timeline: Timeline, row: dict[str, Any]) -> str:
    """Say in words what the chart shows."""
    start, now = (dt.datetime.fromtimestamp(value / 1000, tz=dt.UTC) for value in (timeline.start, timeline.now))
    line = timeline.line
    parts = [
        text.period(start, now),
        f"{line.name[:1].upper()}{line.name[1:]} {text.memory(line.last_bytes)} at the end, "
        f"peak {text.memory(line.peak_bytes)}",
    ]
    if len(timeline.layers) > 1:
        layers = [f"{layer.edge.name} {text.memory(layer.last_bytes)}" for layer in timeline.layers]
        parts.append(f"Layers from the bottom: {', '.join(layers)}")
    parts.append(f"Limit {text.configured(timeline.limits[-1][2])}" if timeline.limits else "No limit known")
    parts += [
        f"{event.words} {text.moment(dt.datetime.fromtimestamp(event.time / 1000, tz=dt.UTC))}"
        for event in timeline.events[-_TOLD_EVENTS:]
    ]
    if len(timeline.events) > _TOLD_EVENTS:
        parts.append(f"{len(timeline.events) - _TOLD_EVENTS:,} earlier events")
    if timeline.fits and row.get("growth_bytes_per_day") is not None:
        growth = text.rate(row["growth_bytes_per_day"], sign=True) if is_growing(row) else "no growth"
        parts.append(f"Fit on {timeline.fit_name}: {growth}")
    if timeline.forecast is not None:
        if timeline.forecast.outlook == "reaches" and row["hours_to_limit"] is not None:
            parts.append(f"Forecast: reaches the limit in {text.hours(row['hours_to_limit'])}")
        else:
            parts.append(f"Forecast: about {text.memory(float(timeline.forecast.mid[-1]))}")
    return ". ".join(parts) + "."


_TOLD_EVENTS: Final = 8


def _definitions(chart: Canvas) -> Markup:
    reaches = chart.t.forecast is not None and chart.t.forecast.outlook == "reaches"
    stops = (
        el("stop", offset=offset, stop_opacity=opacity, class_="from-leak" if reaches else "from-ink")
        for offset, opacity in ((0, 0.4), (1, 0.1))
    )
    return definitions(
        el("linearGradient", *stops, id=f"{chart.ident}-g", x1=0, x2=1, y1=0, y2=0),
        el(
            "clipPath",
            el("rect", x=LEFT, y=TOP - 4, width=RIGHT - LEFT, height=BASE - TOP + 4),
            id=f"{chart.ident}-c",
        ),
        el(
            "pattern",
            el("line", x1=0, y1=0, x2=0, y2=6, class_="hatch"),
            id=f"{chart.ident}-h",
            width=5,
            height=6,
            patternUnits="userSpaceOnUse",
            patternTransform="rotate(45)",
        ),
    )


def _y_axis(chart: Canvas) -> Markup:
    values, labels = layout.memory_ticks(chart.top)
    return join(
        *(
            text_element(LEFT - 7, chart.py(value) + 4, label, "", "end")
            for value, label in zip(values, labels, strict=True)
        ),
    )


def _x_axis(chart: Canvas) -> Markup:
    ticks = layout.time_ticks(chart.t.start, chart.t.until, RIGHT - LEFT)
    drawn = [el("line", x1=LEFT, x2=RIGHT, y1=BASE, y2=BASE, class_="axis")]
    for time, label in ticks:
        x = chart.px(time)
        drawn.append(el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=BASE, y2=BASE + 4, class_="axis"))
        half = layout.text_width(label) / 2
        if x + half <= WIDTH:
            drawn.append(text_element(x, BASE + 17, label, "", "middle"))
    return join(*drawn)


def _layers(chart: Canvas) -> list[Markup]:
    """Areas from the top layer down: each covers what lies below its edge."""
    drawn = []
    for layer in reversed(chart.t.layers):
        shapes = []
        for times, values in layer.edge.pieces:
            x = chart.x(times)
            if len(times) == 1:
                continue
            shapes.append(f"{path(x, chart.y(values))}V{BASE}H{float(x[0]):.1f}Z")
        if shapes:
            drawn.append(el("path", d="".join(shapes), class_=f"area {layer.edge.token}"))
    return drawn


def _polyline(chart: Canvas, pieces: tuple[Piece, ...]) -> str:
    return "".join(path(chart.x(times), chart.y(values)) for times, values in pieces)


def _now(chart: Canvas) -> tuple[list[Markup], Markup | None]:
    x = chart.px(chart.t.now)
    word = "now" if chart.t.current else "last sample"
    label = chart.label([(x - 6, 11, "end"), (x + 6, 11, "start")], f"{word}, {chart.moment(chart.t.now)}", "")
    rule = el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=2, y2=BASE, class_="now")
    return [rule], label


def _limits(chart: Canvas) -> tuple[list[Markup], list[Markup | None]]:
    if chart.far_limit:
        written = f"limit {text.configured(chart.t.limits[-1][2])}, above this scale"
        return [], [chart.label([(LEFT + 4, 11, "start")], written, "strong")]
    drawn: list[Markup] = []
    for start, end, value in chart.t.limits:
        left, right, y = chart.px(start), chart.px(end), chart.py(value)
        drawn.append(el("line", x1=f"{left:.1f}", x2=f"{right:.1f}", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="limit"))
        chart.labels.take(Box(left, y - 1, right, y + 1))
    for (_, end, value), (_, _, after) in pairwise(chart.t.limits):
        turn = f"{chart.px(end):.1f}"
        steep = {"y1": f"{chart.py(value):.1f}", "y2": f"{chart.py(after):.1f}"}
        drawn.append(el("line", x1=turn, x2=turn, class_="limit", **steep))
    labels = []
    for start, _, value in chart.t.limits:
        x, y = chart.px(start) + 4, chart.py(value)
        places = [(x, y - 7, "start"), (x, y + 15, "start")]
        labels.append(chart.label(places, f"limit {text.configured(value)}", "strong"))
    return drawn, labels


def _requests(chart: Canvas) -> tuple[list[Markup], list[Markup | None]]:
    drawn: list[Markup] = []
    labels: list[Markup | None] = []
    for start, end, value in chart.t.requests:
        left, right, y = chart.px(start), chart.px(end), chart.py(value)
        if y < TOP:
            continue
        drawn.append(el("line", x1=f"{left:.1f}", x2=f"{right:.1f}", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="request"))
        written = f"request {text.configured(value)}"
        along = np.arange(left + 4, max(min(right, chart.px(chart.t.now)) - layout.text_width(written), left + 5), 12)
        places = [(float(x), y + side, "start") for x in along for side in (-6, 15)] + [(RIGHT - 4, y - 6, "end")]
        labels.append(chart.label(chart.clear(places, written) or places, written, ""))
        chart.labels.take(Box(left, y - 1, right, y + 1))
    return drawn, labels


def _kills(chart: Canvas) -> list[Markup]:
    drawn = []
    for event in chart.t.events:
        if event.kind != "oom_kill":
            continue
        x, y = chart.px(event.time), chart.py(kill_height(chart, event.time))
        chart.labels.take(Box(x - 7, y - 7, x + 7, y + 7))
        drawn.append(join(el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=0), cross(round(x, 1), round(y, 1), 5)))
    return drawn


def kill_height(chart: Canvas, time: int) -> float:
    """Find the height at which a kill is marked."""
    limit = chart.t.limit_at(time)
    return float(limit) if limit is not None and not chart.far_limit else _before(chart.t.line.pieces, time)


def _before(pieces: tuple[Piece, ...], time: int) -> float:
    """Last value at or before an instant."""
    found = 0.0
    for times, values in pieces:
        earlier = times <= time
        if earlier.any():
            found = float(values[earlier][-1])
    return found


def _layer_names(chart: Canvas) -> list[Markup]:
    """Names of layers with their last values, right of now, at the height of the layer."""
    under = 0.0
    found: list[tuple[float, str, str, str]] = []
    for at, layer in enumerate(chart.t.layers):
        last = layer.edge.last_bytes
        if last is None or layer.last_bytes is None:
            continue
        middle, under = chart.py((under + max(last, under)) / 2), max(last, under)
        if layer.last_bytes < _THIN * chart.top and len(chart.t.layers) > 1:
            continue
        written = f"{layer.edge.name} {text.memory(layer.last_bytes)}"
        kind = ""
        if at == 0 and layer.edge.name == text.SIGNAL_WORDS["allocated_bytes"]:
            kind = "strong"
            if chart.row["signal"] == "allocated_bytes" and chart.row["growth_bytes_per_day"] is not None:
                written += (
                    f" {text.rate(chart.row['growth_bytes_per_day'], sign=True)}" if is_growing(chart.row) else " flat"
                )
        found.append((middle, written, layer.edge.token, kind))
    found.reverse()  # from the top down, as y grows
    edge = chart.py(under)
    if chart.t.forecast is not None:
        edge = max(edge, chart.py(float(chart.t.forecast.mid[0])))
    low = min(edge + 16, BASE - 15 * len(found))
    places = layout.spread([y + 4 for y, *_ in found], 15, max(low, TOP + 12), BASE - 4)
    x = chart.px(chart.t.now) + 10
    drawn = []
    for y, (_, written, token, kind) in zip(places, found, strict=True):
        chart.labels.take(text_box(x - 2, y, f"xx {written}", bold=bool(kind)))
        chart.placed.append(Placed(x + 15, y, "start", written, kind, token))
        drawn.append(
            join(
                el("rect", x=f"{x:.1f}", y=f"{y - 9:.1f}", width=10, height=10, class_=token),
                text_element(x + 15, y, written, kind),
            )
        )
    return drawn


def _fits(chart: Canvas) -> tuple[list[Markup], Markup | None]:
    if not chart.t.fits:
        return [], None
    line = _polyline(chart, chart.t.fits)
    # On a dark layer a halo lifts the fit off; on a light one it would cut the measured line, so it is thick instead.
    if chart.t.fit_name == text.SIGNAL_WORDS["allocated_bytes"]:
        drawn = [el("path", d=line, class_="halo"), el("path", d=line, class_="fit")]
    else:
        drawn = [el("path", d=line, class_="fit bare")]
    growth = text.rate(chart.row["growth_bytes_per_day"], sign=True) if is_growing(chart.row) else "no growth"
    written = f"fit on {chart.t.fit_name}: {growth}"
    half = layout.text_width(written, bold=True) / 2
    on_live = chart.t.fit_name == text.SIGNAL_WORDS["allocated_bytes"]
    live = chart.t.layers[0].edge.pieces if on_live and chart.t.layers else ()
    inside: list[tuple[float, float, str]] = []
    outside: list[tuple[float, float, str]] = []
    for times, values in sorted(chart.t.fits, key=lambda piece: int(piece[0][0] - piece[0][-1])):
        first, last = chart.px(times[0]) + half + 6, chart.px(times[-1]) - half - 6
        if first > last:
            first = last = max(LEFT + half, (first + last) / 2)
        for share in (0.5, 0.35, 0.65, 0.15, 0.85, 0.0, 1.0):
            x = first + share * (last - first)
            near = np.interp([x - half, x, x + half], chart.x(times), chart.y(values))
            covered = any(chart.px(seen[0]) <= x - half and x + half <= chart.px(seen[-1]) for seen, _ in live)
            if covered and BASE - near.max() > _ROOM_ON_LIVE:
                inside.append((x, float(near.max()) + 18, "middle"))
            outside += [(x, float(near.min()) - 9, "middle"), (x, float(near.max()) + 19, "middle")]
    # Where spikes of the measured line stand in the way, the label goes above or below them.
    outside += [(x, y + far, "middle") for x, y, _ in outside for far in (-20, 20, -40, 40)]
    label = chart.label(inside, written, "on-live") if inside else None
    free = chart.clear(outside, written, bold=True)
    return drawn, label or chart.label(free, written, "strong") or chart.label(outside, written, "strong")


def _lines(chart: Canvas) -> tuple[list[Markup], list[Markup | None]]:
    line = chart.t.line
    drawn = [el("path", d=_polyline(chart, line.pieces), class_="line")]
    labels: list[Markup | None] = []
    named = len(chart.t.layers) > 1
    rss = chart.t.rss
    if rss is not None and rss.pieces:
        apart = abs(_middle_y(chart, rss.pieces) - _middle_y(chart, line.pieces))
        if apart > 3:  # noqa: PLR2004 - px: closer lines cannot be told apart
            drawn.insert(0, el("path", d=_polyline(chart, rss.pieces), class_="second"))
            labels.append(_name_line(chart, rss.pieces, "RSS", ""))
    if named:
        labels.insert(0, _name_line(chart, line.pieces, line.name, "plain"))
    return drawn, labels


def _middle_y(chart: Canvas, pieces: tuple[Piece, ...]) -> float:
    return float(np.median(np.concatenate([chart.y(values) for _, values in pieces])))


def _name_line(chart: Canvas, pieces: tuple[Piece, ...], name: str, kind: str) -> Markup | None:
    """Put a line's name just above it, where there is room."""
    half = layout.text_width(name) / 2
    x = np.concatenate([chart.x(times) for times, _ in pieces])
    y = np.concatenate([chart.y(values) for _, values in pieces])
    places = []
    for share in (0.78, 0.6, 0.45, 0.9, 0.3, 0.15, 0.06, 0.97):
        middle = LEFT + half + share * (chart.px(chart.t.now) - LEFT - 2 * half)
        under = y[(x >= middle - half - 2) & (x <= middle + half + 2)]
        if len(under):
            places.append((middle, float(under.min()) - 7, "middle"))
    return chart.label([*places, *((x, y - 13, anchor) for x, y, anchor in places)], name, kind)
