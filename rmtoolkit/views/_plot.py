"""One drawing kernel: scales, ticks, labels that find their place, and marks that are described once.

`_plot_svg` writes marks as SVG, `_plot_vega` as rows of an Altair chart. Positions are computed here, facts are not.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from rmtoolkit import text

Floats = NDArray[np.float64]

#: x and y of an unbroken stretch.
Piece = tuple["NDArray[Any]", "NDArray[np.float64]"]
#: x, y and anchor (``start``, ``middle`` or ``end``) of a text, px.
Place = tuple[float, float, str]
#: Widths of letters at 12 px.
_WIDTHS: Final[dict[str, float]] = {
    letter: wide for letters, wide in text.texts("views/looks")["widths"].items() for letter in letters
}
#: From this code point on most letters are as wide as high.
_EAST_ASIAN: Final = 0x2E80
Ticks = list[tuple[float, str]]

_SECOND: Final = 1000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_TIME_STEPS: Final = (
    *(step * _SECOND for step in (1, 2, 5, 10, 15, 30)),
    *(step * _MINUTE for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOUR for step in (1, 2, 3, 6, 12)),
    *(step * _DAY for step in (1, 2, 7, 14, 28, 56, 112, 364)),
)
#: Shares for a scale that grows as a root.
CHANCE_TICKS: Final[Ticks] = [(value, f"{100 * value:.0f} %") for value in (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)]
#: px between two instants at the least.
_APART: Final = 78
#: Name, ms, and how many of it an age has at least to be told in it.
_AGES: Final = (("days", _DAY, 4), ("hours", _HOUR, 3), ("minutes", _MINUTE, 3), ("seconds", _SECOND, 0))
#: A step longer than this many usual steps is a gap.
_GAP_STEPS: Final = 3.5


class Look(NamedTuple):
    """How a mark is painted: tokens of the theme, and px."""

    fill: str = ""
    stroke: str = ""
    width: float = 1.0
    dash: str = ""
    opacity: float = 1.0
    #: Fades from left to right.
    fades: bool = False
    #: Is cut off at the edges of the plot.
    clips: bool = False


#: Every look of a mark, in the order in which they are painted.
LOOKS: Final = {name: Look(**look) for name, look in text.texts("views/looks")["marks"].items()}
_DEPTH: Final = {name: depth for depth, name in enumerate(LOOKS)}


class Type(NamedTuple):
    """How text is painted: tokens of the theme; without a halo it stands on a colour of its own."""

    colour: str = "ink-2"
    bold: bool = False
    halo: str = "surface"


TYPES: Final = {name: Type(**kind) for name, kind in text.texts("views/looks")["texts"].items()}
LIGHT, DARK = ({name: both[at] for name, both in text.texts("views/looks")["tokens"].items()} for at in range(2))
FAMILY: Final = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


class Shape(StrEnum):
    CIRCLE = "circle"
    SQUARE = "square"
    DIAMOND = "diamond"
    CROSS = "cross"


class Line(Struct, frozen=True):
    """A curve in pieces; nothing joins them."""

    look: str
    pieces: tuple[Piece, ...]


class Area(Struct, frozen=True):
    """What lies between a lower and an upper edge; without a lower one, above 0."""

    look: str
    upper: tuple[Piece, ...]
    lower: tuple[Piece, ...] | None = None

    def between(self) -> Iterator[tuple[Piece, Piece | None]]:
        """Give the upper and the lower edge of each stretch where both are known, cut at the same ends."""
        for top in self.upper:
            if self.lower is None:
                yield top, None
                continue
            for below in self.lower:
                first, last = max(top[0][0], below[0][0]), min(top[0][-1], below[0][-1])
                if first < last:
                    yield _cut(top, first, last), _cut(below, first, last)

    def columns(self) -> Iterator[tuple[NDArray[Any], Floats, Floats]]:
        for top, below in self.between():
            if below is None:
                yield top[0], np.zeros(len(top[0])), top[1]
            else:
                x = np.union1d(top[0], below[0])
                low = np.interp(x, *below)
                yield x, low, np.maximum(np.interp(x, *top), low)


def _cut(piece: Piece, first: float, last: float) -> Piece:
    x, y = piece
    if x[0] == first and x[-1] == last:
        return piece
    inside = (x > first) & (x < last)
    ends = np.interp([first, last], x, y)
    return np.concatenate([[first], x[inside], [last]]), np.concatenate([ends[:1], y[inside], ends[1:]])


class Rule(Struct, frozen=True):
    look: str
    x: float
    x2: float
    y: float
    y2: float
    says: str = ""


class Point(Struct, frozen=True):
    look: str
    x: float
    y: float
    shape: Shape = Shape.CIRCLE
    size: float = 3.5
    says: str = ""


class Bar(Rule, frozen=True):
    """A rectangle between two corners."""


class Text(Struct, frozen=True):
    """A label, in px: with a `swatch` in front of it, and beside the mark at `beside` where it belongs to one."""

    look: str
    x: float
    y: float
    anchor: str
    written: str
    swatch: str = ""
    beside: float | None = None


Mark = Line | Area | Rule | Point | Bar | Text


class Grows(StrEnum):
    EVENLY = "evenly"
    #: Shares: square roots, so that 5 % can be read and 0 is there.
    AS_ROOT = "as root"
    AS_LOG = "as log"


class Scale(Struct, frozen=True):
    """From values to px: `low` stands at `first`, `high` at `last`."""

    low: float
    high: float
    first: float
    last: float
    grows: Grows = Grows.EVENLY

    def of(self, values: ArrayLike) -> Floats:
        found = np.asarray(values, dtype=np.float64)
        if self.grows is Grows.AS_ROOT:
            share = np.sign(found) * np.sqrt(np.abs(found))
        elif self.grows is Grows.AS_LOG:
            share = np.log(np.maximum(found, 1) / self.low) / math.log(self.high / self.low)
        else:
            share = (found - self.low) / ((self.high - self.low) or 1)
        return np.asarray(self.first + share * (self.last - self.first), dtype=np.float64)

    def at(self, value: float) -> float:
        return float(self.of(value))

    def back(self, px: float) -> float:
        share = (px - self.first) / (self.last - self.first)
        if self.grows is Grows.AS_ROOT:
            return share * abs(share)
        if self.grows is Grows.AS_LOG:
            return self.low * math.exp(share * math.log(self.high / self.low))
        return self.low + share * (self.high - self.low)


#: px that are px already.
PX: Final = Scale(0, 1, 0, 1)


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        wide = self.left <= other.left and other.right <= self.right
        return wide and self.top <= other.top and other.bottom <= self.bottom


def text_width(written: str, *, bold: bool = False) -> float:
    width = math.fsum(_WIDTHS.get(letter, 7.6 if ord(letter) < _EAST_ASIAN else 12.5) for letter in written)
    return width * (1.1 if bold else 1)


def text_box(
    x: float, y: float, written: str, anchor: str = "start", *, bold: bool = False, narrow: float = 1.0
) -> Box:
    """Box of a 12 px text, with a little air; so much wider where the picture is made so much narrower."""
    width = text_width(written, bold=bold)
    left = {"start": 0.0, "middle": -width / 2, "end": -width}[anchor]
    return Box(x + (left - 2) / narrow, y - 11, x + (left + width + 2) / narrow, y + 4)


def _crosses(box: Box, x: Floats, y: Floats) -> bool:
    left, right = max(box.left, float(x[0])), min(box.right, float(x[-1]))
    under = np.concatenate([np.interp([left, right], x, y), y[(x >= left) & (x <= right)]])
    return bool(under.min() < box.bottom and under.max() > box.top)


class Plot:
    """Marks on two scales, and labels that keep clear of each other inside a room."""

    def __init__(self, x: Scale, y: Scale, room: Box, narrow: float = 1.0) -> None:
        self.x, self.y, self.room, self.narrow = x, y, room, narrow
        self.marks: list[Mark] = []
        self.taken: list[Box] = []

    def add(self, *marks: Mark) -> None:
        self.marks += marks

    def painted(self) -> list[Mark]:
        return sorted(self.marks, key=lambda mark: _DEPTH[mark.look] if not isinstance(mark, Text) else len(_DEPTH))

    def take(self, *boxes: Box) -> None:
        self.taken += boxes

    def rule(self, look: str, value: float, says: str = "", x: float | None = None, x2: float | None = None) -> float:
        """Draw a rule at a height, over the full width unless its ends are given; labels keep clear of it."""
        rule = Rule(look, self.x.low if x is None else x, self.x.high if x2 is None else x2, value, value, says)
        y = self.y.at(value)
        self.add(rule)
        self.take(Box(self.x.at(rule.x), y - 1, self.x.at(rule.x2), y + 1))
        return y

    def mark(self, look: str, x: float, y: float) -> tuple[float, float]:
        """Mark a point, at the edge where it lies beyond it, and give its px; labels keep clear of it."""
        x, y = min(max(x, self.x.low), self.x.high), min(y, self.y.high)
        self.add(Point(look, x, y, size=3.5 if look in ("other", "ink-2") else 5))
        px, py = self.x.at(x), self.y.at(y)
        self.take(Box(px - 6, py - 6, px + 6, py + 6))
        return px, py

    def free(self, boxes: Sequence[Box]) -> int | None:
        """Take the first of some boxes that lies in the room and on nothing."""
        for number, box in enumerate(boxes):
            if self.room.holds(box) and not any(box.overlaps(other) for other in self.taken):
                self.take(box)
                return number
        return None

    def label(self, places: Iterable[Place], written: str, look: str = "", beside: float | None = None) -> bool:
        places, bold = list(places), TYPES[look].bold
        # A label too many in a narrow chart is better than none in a wide one.
        for narrow in (self.narrow, 1.0):
            boxes = [text_box(x, y, written, anchor, bold=bold, narrow=narrow) for x, y, anchor in places]
            if (found := self.free(boxes)) is not None:
                x, y, anchor = places[found]
                self.add(Text(look, x, y, anchor, written, beside=beside))
                return True
        return False

    def write(self, x: float, y: float, anchor: str, written: str, look: str = "", swatch: str = "") -> None:
        self.add(Text(look, x, y, anchor, written, swatch))

    def clear(self, places: Iterable[Place], written: str, look: str = "") -> list[Place]:
        """Keep the places where a text would cover no curve that is drawn already."""
        drawn = [(self.x.of(x), self.y.of(y)) for mark in self.marks if isinstance(mark, Line) for x, y in mark.pieces]
        left, right, top, bottom = np.array([(x[0], x[-1], y.min(), y.max()) for x, y in drawn]).reshape(-1, 4).T
        bold = TYPES[look].bold

        def covers(place: Place) -> bool:
            box = text_box(*place[:2], written, place[2], bold=bold)
            near = (left <= box.right) & (right >= box.left) & (top < box.bottom) & (bottom > box.top)
            return any(_crosses(box, *drawn[at]) for at in np.flatnonzero(near))

        return [place for place in places if not covers(place)]

    def name(self, point: tuple[float, float], written: str, look: str = "") -> bool:
        x, y = point
        near: list[Place] = [(x + 10, y - 6, "start"), (x + 10, y - 20, "start"), (x - 10, y + 16, "end")]
        near += [(x + 10, y + 16, "start"), (x - 10, y - 6, "end"), (x, y - 14, "middle"), (x, y + 24, "middle")]
        near += [(x + 10, y - 36, "start"), (x - 10, y - 20, "end"), (x + 10, y - 51, "start")]
        near += [(x - 10, y - 36, "end"), (x, y - 44, "middle"), (x - 10, y - 51, "end")]
        near += [(x + 10, y + 32, "start"), (x - 10, y + 32, "end")]
        return self.label([*self.clear(near, written, look), *near], written, look)

    def left_axis(self, ticks: Iterable[tuple[float, str]]) -> None:
        for value, written in ticks:
            self.write(self.x.first - 7, self.y.at(value) + 4, "end", written)

    def bottom_axis(
        self,
        ticks: Iterable[tuple[float, str]],
        look: str = "",
        *,
        marks: bool = True,
        right: float = math.inf,
        unit: str = "",
    ) -> None:
        """Draw the line at the bottom and write values under it, where one has room beside the other."""
        floor, below = (self.y.back(self.y.first + px) for px in (0, 4))
        self.add(Rule("axis", self.x.low, self.x.high, floor, floor))
        free = self.x.first - 24
        for value, written in ticks:
            x, half = self.x.at(value), text_width(written) / 2
            if marks:
                self.add(Rule("axis", value, value, floor, below))
            if x - half >= free and x + half <= right:
                free = x + half + 6
                self.write(x, self.y.first + 17, "middle", written, look)
        if unit and free > self.x.first:
            # The unit stands behind the last number, which stays under its mark.
            self.write(free - 3, self.y.first + 17, "start", unit, look)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move rising positions apart as little as needed, in their order; without room for all the end gives way."""
    gaps = gap * np.arange(len(wanted))
    # Without their gaps they only have to rise: neighbours that touch move as one, to their middle.
    free, ends = np.asarray(wanted) - gaps, range(1, len(wanted) + 1)
    rising = [
        max(min(free[first:end].mean() for end in ends[at:]) for first in range(at + 1)) for at in range(len(wanted))
    ]
    placed: list[float] = (np.maximum(np.minimum(rising, high - gaps.max(initial=0)), low) + gaps).tolist()
    return placed


def memory_ticks(top_bytes: float) -> Ticks:
    """Choose four to seven round amounts from 0, each a multiple of a power of two; the unit stands on the last."""
    step = 2.0 ** math.ceil(math.log2(max(top_bytes, 1) / 6.5))
    values = [step * at for at in range(int(top_bytes / step + 1e-9) + 1)]
    units = (("GiB", text.GI, 4 * text.GI), ("Mi", text.MI, text.MI / 4), ("Ki", 1024, 256), ("B", 1, 0))
    unit, size = next((name, size) for name, size, least in units if step >= least)
    labels = [f"{value / size:,.2f}".rstrip("0").rstrip(".") if value else "0" for value in values]
    labels[-1] = f"{labels[-1]} {unit}"
    return list(zip(values, labels, strict=True))


def limit_ticks(low: float, high: float, width: float, apart: float, *, doubled: bool) -> Ticks:
    """Choose round amounts between two, in Mi: steps of a power of two, or each double of the one before."""
    if doubled:
        first, last = math.ceil(math.log2(low)), math.floor(math.log2(high))
        every = max(math.ceil((last - first + 1) * apart / width), 1)
        values = [2.0**at for at in range(first, last + 1, every)]
    else:
        step = 2.0 ** math.ceil(math.log2(max(high - low, 1) * apart / width))
        values = [step * at for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [(value, text.number(value / text.MI, 4)) for value in values]


def money_step(top: float) -> float:
    size = 10.0 ** math.floor(math.log10(top / 4))
    return next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= top / 4.5)


def money_ticks(top: float) -> Ticks:
    step = money_step(top)
    return [(at * step, text.number(at * step, 3) if at else "0") for at in range(int(top / step + 1e-9) + 1)]


def time_ticks(start: int, end: int, width: float) -> Ticks:
    """Choose round instants, ms since 1970: days as ``Tue 17 Nov``, hours as ``03:00``; midnight is its day."""
    per_px = max(end - start, 1) / width
    step = next((step for step in _TIME_STEPS if step / per_px >= _APART), _TIME_STEPS[-1])
    # Weeks begin on Monday; 1 January 1970 was a Thursday.
    origin = 4 * _DAY if step >= 7 * _DAY else 0
    first = -(-(start - origin) // step) * step + origin
    return [
        (time, text.clock(at, seconds=step < _MINUTE) if step < _DAY and time % _DAY else text.day(at))
        for time in range(first, end + 1, step)
        for at in [instant(time)]
    ]


def instant(time: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(time / 1000, tz=dt.UTC)


def age_ticks(end: float) -> tuple[str, Ticks]:
    """Choose whole days, hours, minutes or seconds up to an age in ms; the unit stands apart."""
    unit, size = next((name, size) for name, size, least in _AGES if end >= least * size)
    step = count_step(end / size, 8)
    return unit, [(at * step * size, f"{at * step:,}") for at in range(int(end / size / step + 1e-9) + 1)]


def count_step(most: float, ticks: int) -> int:
    steps = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 500, 1000, 2500, 5000, 10_000, 100_000, 10**9)
    return next(step for step in steps if most / step <= ticks)


def stretches(times: NDArray[np.int64], life: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Find unbroken stretches, as first row and the row after the last: a life or missing data ends them."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    cuts = np.flatnonzero((np.diff(life) != 0) | (steps > _GAP_STEPS * usual)) + 1
    return list(pairwise([0, *cuts.tolist(), len(times)])) if len(times) else []


def thin(times: NDArray[np.int64], values: Floats, start: int, end: int, bins: int) -> Piece:
    """Keep the smallest and the largest value of every step of time, and both ends: a peak of one sample stays."""
    kept = telling(times, values, start, end, bins)
    return times[kept], values[kept]


def telling(times: NDArray[np.int64], values: Floats, start: int, end: int, bins: int) -> NDArray[np.int64]:
    if len(times) <= 2 * bins * (int(times[-1]) - int(times[0])) / max(end - start, 1) or len(times) < 4:  # noqa: PLR2004
        return np.arange(len(times))
    step = ((times - start) * bins) // max(end - start, 1)
    order = np.lexsort((values, step))
    first = np.flatnonzero(np.diff(step[order], prepend=step[order][0] - 1))
    last = np.append(first[1:], len(order)) - 1
    return np.unique(np.concatenate([order[first], order[last], [0, len(times) - 1]]))
