"""The forecast on a chart: band, middle, and the limit it reaches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rmtoolkit import text
from rmtoolkit.views import layout
from rmtoolkit.views.canvas import RIGHT, TOP, Canvas
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.svg import path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.views.curves import Piece
    from rmtoolkit.views.timeline import Forecast


def draw_forecast(chart: Canvas) -> tuple[list[Markup], Markup | None]:
    """Draw where the memory is expected to go."""
    ahead = chart.t.forecast
    if ahead is None:
        return [], None
    limit = chart.t.limits[-1][2] if chart.t.limits else None
    ceiling = float(limit) if limit is not None and ahead.outlook == "reaches" and not chart.far_limit else np.inf
    times, mid = _until(ahead.times, ahead.mid, min(chart.t.until, ahead.hit or chart.t.until))
    drawn: list[Markup] = []
    if not np.isnan(ahead.low).any() and not np.isnan(ahead.high).any():
        low_times, low = _until(ahead.times, ahead.low, chart.t.until)
        high_times, high = _until(ahead.times, ahead.high, chart.t.until)
        x = np.concatenate([chart.x(high_times), chart.x(low_times)[::-1]])
        y = chart.y(np.minimum(np.concatenate([high, low[::-1]]), ceiling))
        band = el("path", d=path(x, y) + "Z", fill=f"url(#{chart.ident}-g)")
        drawn.append(el("g", band, clip_path=f"url(#{chart.ident}-c)"))
    middle = el("path", d=path(chart.x(times), chart.y(np.minimum(mid, ceiling))), class_=f"ahead {ahead.outlook}")
    drawn.append(el("g", middle, clip_path=f"url(#{chart.ident}-c)"))
    if ahead.outlook == "reaches":
        more, label = _hit(chart, limit)
        return [*drawn, *more], label
    return drawn, _level(chart, ahead)


def _level(chart: Canvas, ahead: Forecast) -> Markup | None:
    """Name the level that a bounded memory is expected to keep."""
    low, mid, high = (float(values[-1]) for values in (ahead.low, ahead.mid, ahead.high))
    written = f"expected {text.memory(mid)}"
    if math.isfinite(low) and math.isfinite(high):
        written += f" ({text.number(low / text.MI)}–{text.number(high / text.MI)})"
    left = chart.px(chart.t.now) + 10
    edge = chart.py(min(np.nanmax([ahead.mid.max(), high]), chart.top))
    places = [(left, edge - 7, "start"), (left, edge - 22, "start"), (left, chart.py(mid) + 16, "start")]
    return chart.label(places, written, "strong")


def _until(times: NDArray[np.int64], values: NDArray[np.float64], end: int) -> Piece:
    """Cut a curve at an instant, with a point there."""
    kept = times < end
    last = float(np.interp(end, times, values))
    return np.append(times[kept], min(end, int(times[-1]))), np.append(values[kept], last)


def _hit(chart: Canvas, limit: int | None) -> tuple[list[Markup], Markup | None]:
    ahead = chart.t.forecast
    if ahead is None or ahead.hit is None or limit is None:
        return [], None
    span = text.hours_range(chart.row["hours_to_limit_low"], chart.row["hours_to_limit_high"])
    hours = chart.row["hours_to_limit"]
    written = f"reaches the limit in {text.hours(hours)}" if hours > 0 else "has reached the limit"
    written += f" ({span})" if span and hours > 0 else ""
    y = chart.py(limit) if not chart.far_limit else TOP
    if ahead.hit > chart.t.until or chart.far_limit:
        return [], chart.label(
            [(RIGHT, y - 9, "end"), (RIGHT, y + 18, "end"), (RIGHT, 11, "end")], f"{written} →", "alarm"
        )
    left = chart.px(max(ahead.hit_low if ahead.hit_low is not None else ahead.hit, chart.t.now))
    right = chart.px(min(ahead.hit_high if ahead.hit_high is not None else chart.t.until, chart.t.until))
    x = chart.px(ahead.hit)
    drawn = [
        el("line", x1=f"{left:.1f}", x2=f"{right:.1f}", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="stretch reaches"),
        el("path", d=f"M{x:.1f} {y - 4.5:.1f}l4.5 4.5-4.5 4.5-4.5-4.5Z", class_="diamond"),
    ]
    half = layout.text_width(written, bold=True) / 2
    middle = min(max(x, chart.px(chart.t.now) + half + 8), RIGHT - half)
    return drawn, chart.label(
        [(middle, y - 13, "middle"), (middle, y + 24, "middle"), (RIGHT, y - 27, "end")], written, "alarm"
    )
