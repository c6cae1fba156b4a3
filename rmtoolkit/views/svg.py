"""Small static charts as inline SVG: marks, sparks, bullets, bars of risk. Colours come from the page's theme."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views.assets import asset
from rmtoolkit.views.curves import thin
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.summary import TARGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rmtoolkit.views.curves import Curve

SPARK_WIDTH: Final = 132
SPARK_HEIGHT: Final = 26
_SPARK_BINS: Final = 44
_RISK_WIDTH: Final = 200
_BULLET_WIDTH: Final = 96
#: A sample seldom meets the very byte at which the kernel kills.
_AS_GOOD_AS: Final = 0.995

_SHAPES: Final = {
    "▲": "M6 1.2 11.4 10.8H.6Z",
    "●": "M6 1.2a4.8 4.8 0 1 0 .01 0Z",
    "◆": "M6 .4 11.6 6 6 11.6.4 6Z",
}


def path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Write a line through points as short as tenths of a px allow."""
    points = np.rint(np.stack([x, y], axis=1) * 10).astype(np.int64)
    steps = np.diff(points, axis=0)
    steps = steps[(steps != 0).any(axis=1)]
    tail = " ".join(map(_tenths, steps.ravel().tolist())).replace(" -", "-")
    return f"M{_tenths(int(points[0, 0]))} {_tenths(int(points[0, 1]))}" + (f"l{tail}" if tail else "")


@lru_cache(maxsize=1 << 14)
def _tenths(value: int) -> str:
    whole, rest = divmod(abs(value), 10)
    return ("-" if value < 0 else "") + (f"{whole}.{rest}" if rest else str(whole))


@lru_cache(maxsize=64)
def mark(shape: str, *, size: int = 12) -> Markup:
    """Draw one of the marks ▲ ● ◆ in the colour of the text around it."""
    return el(
        "svg",
        el("path", d=_SHAPES[shape], fill="currentColor"),
        class_="mark",
        width=size,
        height=size,
        viewBox="0 0 12 12",
        aria_hidden="true",
    )


def spark(line: Curve, limit: int | None, kills: Sequence[tuple[int, int | None]], start: int, end: int) -> Markup:
    """Draw the memory of a container in the size of a word."""
    top = max(limit or 0, line.peak_bytes, 1.0) * 1.04
    width, base = SPARK_WIDTH - 5, SPARK_HEIGHT - 1

    def across(time: NDArray[np.int64]) -> NDArray[np.float64]:
        return 1 + (time - start) * (width - 1) / max(end - start, 1)

    def down(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return base - value / top * (base - 2)

    areas: list[str] = []
    lines: list[str] = []
    for times, values in line.pieces:
        times, values = thin(times, values, start, end, _SPARK_BINS)  # noqa: PLW2901 - a spark needs fewer points
        x, y = across(times), down(values)
        drawn = path(x, y)
        lines.append(drawn)
        areas.append(f"{drawn}V{base}H{_tenths(round(float(x[0]) * 10))}Z")
    marks: list[Markup] = []
    if limit is not None:
        rule = _tenths(round(float(down(np.array([float(limit)]))[0]) * 10))
        marks.append(el("path", d=f"M1 {rule}H{SPARK_WIDTH}", class_="spark-limit"))
    for time, then in kills:
        value = float(then or line.peak_bytes)
        marks.append(
            cross(round(float(across(np.array([time]))[0]), 1), round(float(down(np.array([value]))[0]), 1), 3)
        )
    if line.pieces:
        times, values = line.pieces[-1]
        x, y = across(times[-1:]), down(values[-1:])
        marks.append(el("circle", cx=f"{float(x[0]):.1f}", cy=f"{float(y[0]):.1f}", r=2.2, class_="ink"))
    words = [
        line.name,
        f"last {text.memory(line.last_bytes)}",
        f"peak {text.memory(line.peak_bytes)}",
        f"limit {text.configured(limit)}" if limit is not None else "no limit",
    ]
    if kills:
        words.append(text.count(len(kills), "OOM kill"))
    return el(
        "svg",
        el("path", d="".join(areas), class_="whole"),
        el("path", d="".join(lines), class_="spark"),
        *marks,
        class_="rm-chart",
        width=SPARK_WIDTH,
        height=SPARK_HEIGHT,
        viewBox=f"0 0 {SPARK_WIDTH} {SPARK_HEIGHT}",
        role="img",
        aria_label=", ".join(words),
    )


def cross(x: float, y: float, arm: float) -> Markup:
    """Draw the mark of an OOM kill."""
    size = f"{2 * arm:g}"
    return el("path", d=f"M{x - arm:g} {y - arm:g}l{size} {size}m0-{size}l-{size} {size}", class_="kill")


def bullet(peak_bytes: int, limit_bytes: int) -> Markup:
    """Draw a peak against its limit."""
    reached = peak_bytes >= _AS_GOOD_AS * limit_bytes
    full = _BULLET_WIDTH - 6
    width = round(full * min(peak_bytes / max(limit_bytes, 1), 1))
    return el(
        "svg",
        el("rect", x=0, y=3, width=full, height=8, class_="empty"),
        el("rect", x=0, y=3, width=width, height=8, class_="alarm" if reached else "slack"),
        el("rect", x=full - 1, y=0, width=2, height=14, class_="ink"),
        class_="rm-chart bullet",
        width=_BULLET_WIDTH,
        height=14,
        viewBox=f"0 0 {_BULLET_WIDTH} 14",
        aria_hidden="true",
    )


def risk_bar(probability: float) -> Markup:
    """Draw a chance of an OOM kill against the target."""
    width = round(_RISK_WIDTH * min(max(probability, 0), 1) ** 0.5)
    tick = round(_RISK_WIDTH * TARGET**0.5)
    return el(
        "svg",
        el("rect", x=0, y=5, width=_RISK_WIDTH, height=6, class_="empty"),
        el("rect", x=0, y=5, width=width, height=6, class_="alarm" if probability > TARGET else "ink-2"),
        el("rect", x=tick - 1, y=0, width=2, height=16, class_="ink"),
        class_="rm-chart",
        width=_RISK_WIDTH,
        height=16,
        viewBox=f"0 0 {_RISK_WIDTH} 16",
        role="img",
        aria_label=f"{text.chance(probability)}, target at most {text.share(TARGET)}",
    )


@lru_cache(maxsize=64)
def boxes(level: int) -> Markup:
    """Draw an evidence level as five boxes."""
    return el(
        "svg",
        *(
            el("rect", x=0.5 + 21 * at, y=1.5, width=18, height=9, rx=1, class_="ink-2" if at < level else "hollow")
            for at in range(5)
        ),
        class_="rm-chart",
        width=104,
        height=12,
        viewBox="0 0 104 12",
        role="img",
        aria_label=f"evidence level {level} of 5",
    )


@lru_cache(maxsize=64)
def dots(weight: int) -> Markup:
    """Draw the weight of evidence as three dots."""
    return el(
        "svg",
        *(el("circle", cx=5 + 11 * at, cy=6, r=3.8, class_="ink-2" if at < weight else "hollow") for at in range(3)),
        class_="rm-chart",
        width=33,
        height=12,
        viewBox="0 0 33 12",
        role="img",
        aria_label=f"weight {weight} of 3",
    )


#: Rules for everything drawn here; selectors stay under one class, so nothing leaks into a notebook.
STYLE: Final = asset("charts.css")


def definitions(*children: Markup) -> Markup:
    """Wrap gradients and patterns that a chart refers to."""
    return el("defs", join(*children))
