"""A small chart over limits: its scales, its axes and labels that find their place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views import layout
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.layout import Box, text_box
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from rmtoolkit.limits.explore import Scene

    Floats = NDArray[np.float64]

WIDTH: Final = 372
HEIGHT: Final = 236
LEFT: Final = 44
RIGHT: Final = WIDTH - 10
TOP: Final = 14
BASE: Final = HEIGHT - 30
#: px of the unit behind the last number.
_UNIT: Final = 22
#: px between two marks at the least.
_APART: Final = 44


class Plot:
    """A chart whose x axis is the limit."""

    def __init__(self, scene: Scene, down: Callable[[Floats], Floats]) -> None:
        self._scene = scene
        self._down = down
        self.labels = layout.Labels(Box(LEFT, 0, WIDTH, BASE))
        self.drawn: list[Markup | None] = []

    def x(self, limits: ArrayLike) -> Floats:
        """Turn bytes into px."""
        low, high = float(self._scene.low), float(self._scene.high)
        values = np.asarray(limits, dtype=np.float64)
        if self._scene.wide:
            share = np.log(np.maximum(values, 1) / low) / math.log(high / low)
        else:
            share = (values - low) / max(high - low, 1)
        return np.asarray(LEFT + share * (RIGHT - LEFT))

    def y(self, values: ArrayLike) -> Floats:
        """Turn values into px."""
        return np.asarray(BASE - self._down(np.asarray(values, dtype=np.float64)) * (BASE - TOP))

    def add(self, *drawn: Markup | None) -> None:
        """Draw on top of what is there."""
        self.drawn += drawn

    def tick(self, value: float, written: str) -> None:
        """Mark a value at the left."""
        self.add(text_element(LEFT - 7, float(self.y(value)) + 4, written, "", "end"))

    def axis(self) -> None:
        """Draw the axis of limits."""
        self.add(el("line", x1=LEFT, x2=RIGHT, y1=BASE, y2=BASE, class_="axis"))
        free = -math.inf
        placed: list[tuple[float, str]] = []
        for value in _marks(self._scene.low, self._scene.high, wide=self._scene.wide):
            x, written = float(self.x(value)), text.number(value / text.MI, 4)
            half = layout.text_width(written) / 2
            if x - half >= free and x + half <= WIDTH - _UNIT:
                free = x + half + 8
                placed.append((x, written))
        for at, (x, written) in enumerate(placed):
            last = at == len(placed) - 1
            self.add(
                el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=BASE, y2=BASE + 4, class_="axis"),
                # The unit stands behind the last number, which stays under its mark.
                text_element(x, BASE + 17, written, "", "middle"),
                text_element(x + layout.text_width(written) / 2 + 3, BASE + 17, "Mi", "") if last else None,
            )

    def point(self, limit: float, value: float, kind: str) -> tuple[float, float]:
        """Mark a point; labels keep clear of it."""
        x, y = float(self.x(limit)), float(self.y(value))
        radius = 3.5 if kind == "other" else 5
        self.add(el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius, class_=f"point {kind}"))
        self.labels.take(Box(x - 6, y - 6, x + 6, y + 6))
        return x, y

    def label(self, x: float, y: float, written: str, kind: str) -> None:
        """Write beside a point, where there is room."""
        places = [
            (x + 10, y - 6, "start"),
            (x + 10, y - 20, "start"),
            (x - 10, y + 16, "end"),
            (x + 10, y + 16, "start"),
        ]
        places += [(x - 10, y - 6, "end"), (x, y - 14, "middle"), (x, y + 24, "middle"), (x + 10, y - 36, "start")]
        bold = kind in ("strong", "ours")
        found = self.labels.first_free([text_box(*place[:2], written, place[2], bold=bold) for place in places])
        if found is not None:
            self.add(text_element(*places[found][:2], written, kind, places[found][2]))

    def svg(self, says: str) -> Markup:
        """Put it together; the description says what it shows."""
        return el(
            "svg",
            *self.drawn,
            class_="rm-chart",
            width=WIDTH,
            height=HEIGHT,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            aria_label=says,
            style="max-width:100%",
        )


def _marks(low: int, high: int, *, wide: bool) -> list[float]:
    """Choose round limits."""
    if wide:
        first, last = math.ceil(math.log2(low)), math.floor(math.log2(high))
        every = max(math.ceil((last - first + 1) * _APART / (RIGHT - LEFT)), 1)
        return [2.0**at for at in range(first, last + 1, every)]
    step = 2.0 ** math.ceil(math.log2(max(high - low, 1) * _APART / (RIGHT - LEFT)))
    return [step * at for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
