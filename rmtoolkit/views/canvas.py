"""The ground a chart is drawn on: scales, margins, and labels that find their place."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from rmtoolkit import text
from rmtoolkit.views import layout, strip
from rmtoolkit.views.layout import Box, text_box
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from rmtoolkit.views.timeline import Timeline

WIDTH: Final = 1080
LEFT: Final = 66
RIGHT: Final = WIDTH - 8
TOP: Final = 24
BASE: Final = 262
STRIP: Final = 290
HEIGHT: Final = STRIP + strip.HEIGHT + 2

#: A limit more than this many times above everything else would flatten the curve: it is named at the top instead.
FAR_LIMIT: Final = 3


class Placed(NamedTuple):
    """A label that found its place."""

    x: float
    y: float
    anchor: str
    written: str
    kind: str
    swatch: str = ""


class Canvas:
    """Scales of one chart, and the labels that were placed so far."""

    def __init__(
        self, timeline: Timeline, row: dict[str, Any], ident: str, top: float | None = None, narrow: float = 1.0
    ) -> None:
        self.t = timeline
        self.row = row
        self.ident = ident
        shown = [value for _, _, value in timeline.limits]
        highest = _top(timeline, shown) if top is None else top
        self.far_limit = bool(shown) and min(shown) > (FAR_LIMIT * timeline.peak_bytes if top is None else highest)
        self.top = highest
        self.labels = layout.Labels(Box(LEFT, 0, WIDTH, BASE))
        self.narrow = narrow
        #: Labels that found a place, for charts that are not drawn here.
        self.placed: list[Placed] = []
        self.days = timeline.until - timeline.start > 36 * 3_600_000
        self.seconds = timeline.until - timeline.start < 15 * 60_000

    def x(self, time: ArrayLike) -> NDArray[np.float64]:
        """Turn ms since 1970 into px."""
        share = (np.asarray(time, dtype=np.float64) - self.t.start) / max(self.t.until - self.t.start, 1)
        return LEFT + share * (RIGHT - LEFT)

    def y(self, value: ArrayLike) -> NDArray[np.float64]:
        """Turn bytes into px."""
        return BASE - np.asarray(value, dtype=np.float64) / self.top * (BASE - TOP)

    def px(self, time: float) -> float:
        """Turn one instant into px."""
        return float(self.x(time))

    def py(self, value: float) -> float:
        """Turn one amount into px."""
        return float(self.y(value))

    def clear(
        self, candidates: list[tuple[float, float, str]], written: str, *, bold: bool = False
    ) -> list[tuple[float, float, str]]:
        """Keep the places (x, y, anchor) where a text would cover no curve."""
        return [
            place for place in candidates if not self._on_a_curve(text_box(*place[:2], written, place[2], bold=bold))
        ]

    def _on_a_curve(self, box: Box) -> bool:
        curves = (*self.t.line.pieces, *(self.t.rss.pieces if self.t.rss is not None else ()), *self.t.fits)
        for times, values in curves:
            x, y = self.x(times), self.y(values)
            left, right = max(box.left, float(x[0])), min(box.right, float(x[-1]))
            if left > right:
                continue
            under = np.concatenate([np.interp([left, right], x, y), y[(x >= left) & (x <= right)]])
            if under.min() < box.bottom and under.max() > box.top:
                return True
        return False

    def label(self, candidates: list[tuple[float, float, str]], written: str, kind: str) -> Markup | None:
        """Write a label at the first place (x, y, anchor) that is free."""
        bold = kind in ("strong", "alarm", "on-live")
        boxes = [(x, text_box(x, y, written, anchor, bold=bold)) for x, y, anchor in candidates]
        wide = [
            Box(x - (x - box.left) / self.narrow, box.top, x + (box.right - x) / self.narrow, box.bottom)
            for x, box in boxes
        ]
        found = self.labels.first_free(wide)
        if found is None:
            # A label too many in a narrow chart is better than none in a wide one.
            found = self.labels.first_free([box for _, box in boxes])
        if found is None:
            return None
        x, y, anchor = candidates[found]
        self.placed.append(Placed(x, y, anchor, written, kind))
        return text_element(x, y, written, kind, anchor)

    def moment(self, time: int) -> str:
        """Write an instant, with seconds where the chart spans minutes."""
        stamp = dt.datetime.fromtimestamp(time / 1000, tz=dt.UTC)
        return text.moment(stamp, seconds=self.seconds)


def _top(timeline: Timeline, shown: list[int]) -> float:
    """Choose the upper end of the axis: above limits and requests, unless they would flatten the curve."""
    content = timeline.peak_bytes
    far = bool(shown) and min(shown) > FAR_LIMIT * content
    if timeline.forecast is not None:
        inside = timeline.forecast.mid[timeline.forecast.times <= timeline.until]
        ceiling = max(shown, default=0) if shown and not far else 1.6 * content
        content = max(content, min(float(np.nanmax(inside, initial=0.0)), ceiling))
    requests = [value for _, _, value in timeline.requests if value <= 2 * content]
    top = max(1.1 * content, *(1.08 * value for value in requests), 1.0)
    if shown and not far:
        top = max(top, *(1.15 * value for value in shown))
    return top


def text_element(x: float, y: float, written: str, kind: str, anchor: str = "start") -> Markup:
    """Write a text on a chart."""
    return el(
        "text",
        written,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        class_=kind or None,
        text_anchor=None if anchor == "start" else anchor,
    )
