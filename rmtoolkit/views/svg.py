"""Pictures in the size of a word: marks, sparks, bullets, bars of risk. Colours come from the page's theme."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit.views._plot import PX, Area, Bar, Box, Grows, Line, Plot, Point, Rule, Scale, Shape, thin
from rmtoolkit.views._plot_svg import STYLE, picture
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.summary import TARGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.views.curves import Curve

__all__ = ["STYLE", "boxes", "bullet", "dots", "mark", "risk_bar", "spark"]

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


@lru_cache(maxsize=64)
def mark(shape: str, *, size: int = 12) -> Markup:
    """Draw one of the marks ▲ ● ◆ in the colour of the text around it; the word stands beside it."""
    drawn = el("path", d=_SHAPES[shape], fill="currentColor")
    return el("svg", drawn, class_="mark", width=size, height=size, viewBox="0 0 12 12", aria_hidden="true")


def spark(line: Curve, limit: int | None, kills: Sequence[tuple[int, int | None]], start: int, end: int) -> Markup:
    """Draw the memory of a container from 0 to the larger of limit and peak: height means closeness to the limit."""
    top = max(limit or 0, line.peak_bytes, 1.0) * 1.04
    across = Scale(start, max(end, start + 1), 1, SPARK_WIDTH - 5)
    plot = Plot(across, Scale(0, top, SPARK_HEIGHT - 1, 2), Box(0, 0, SPARK_WIDTH, SPARK_HEIGHT))
    pieces = tuple(thin(times, values, start, end, _SPARK_BINS) for times, values in line.pieces)
    plot.add(Area("whole", pieces), Line("spark", pieces))
    if limit is not None:
        plot.add(Rule("spark-limit", start, across.back(SPARK_WIDTH), limit, limit))
    plot.add(*(Point("kill", time, then or line.peak_bytes, Shape.CROSS, 3) for time, then in kills))
    if line.pieces:
        times, values = line.pieces[-1]
        plot.add(Point("ink", float(times[-1]), float(values[-1]), size=2.2))
    words = [
        line.name,
        f"last {text.memory(line.last_bytes)}",
        f"peak {text.memory(line.peak_bytes)}",
        f"limit {text.configured(limit)}" if limit is not None else "no limit",
    ]
    if kills:
        words.append(text.count(len(kills), "OOM kill"))
    return picture(SPARK_WIDTH, SPARK_HEIGHT, plot, says=", ".join(words), style=None)


def _bits(width: int, height: int, *bits: Bar | Point, says: str = "", also: str = "") -> Markup:
    plot = Plot(PX, PX, Box(0, 0, width, height))
    plot.add(*bits)
    return picture(width, height, plot, says=says, also=also, style=None)


def bullet(peak_bytes: int, limit_bytes: int) -> Markup:
    """Draw a peak against its limit: a bar that turns to the colour of alarm when it reaches it."""
    reached = peak_bytes >= _AS_GOOD_AS * limit_bytes
    full = _BULLET_WIDTH - 6
    width = round(full * min(peak_bytes / max(limit_bytes, 1), 1))
    bar = Bar("alarm" if reached else "slack", 0, width, 3, 11)
    return _bits(
        _BULLET_WIDTH, 14, Bar("empty", 0, full, 3, 11), bar, Bar("ink", full - 1, full + 1, 0, 14), also="bullet"
    )


def risk_bar(probability: float) -> Markup:
    """Draw a chance of an OOM kill on a square-root scale, so that 5 % is readable, with a tick at the target."""
    scale = Scale(0, 1, 0, _RISK_WIDTH, Grows.AS_ROOT)
    width, tick = (round(scale.at(min(max(share, 0.0), 1.0))) for share in (probability, TARGET))
    return _bits(
        _RISK_WIDTH,
        16,
        Bar("empty", 0, _RISK_WIDTH, 5, 11),
        Bar("alarm" if probability > TARGET else "ink-2", 0, width, 5, 11),
        Bar("ink", tick - 1, tick + 1, 0, 16),
        says=f"{text.chance(probability)}, target at most {text.share(TARGET)}",
    )


@lru_cache(maxsize=64)
def boxes(level: int) -> Markup:
    """Draw an evidence level of 1 to 5 as five boxes."""
    looks = ["ink-2" if at < level else "hollow" for at in range(5)]
    drawn = (Bar(look, 0.5 + 21 * at, 18.5 + 21 * at, 1.5, 10.5) for at, look in enumerate(looks))
    return _bits(104, 12, *drawn, says=f"evidence level {level} of 5")


@lru_cache(maxsize=64)
def dots(weight: int) -> Markup:
    """Draw the weight of evidence, 0 to 3, as three dots."""
    drawn = (Point("ink-2" if at < weight else "hollow", 5 + 11 * at, 6, size=3.8) for at in range(3))
    return _bits(33, 12, *drawn, says=f"weight {weight} of 3")
