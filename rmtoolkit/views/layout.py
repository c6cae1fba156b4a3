"""Where ticks and labels go: round steps, and boxes of text that keep clear of each other."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

#: Widths at 12 px of DejaVu Sans, the widest of the fonts that a page may get: what fits there fits everywhere.
_WIDTHS: Final = (
    (3.8, " ,.·'ijlI|"),
    (4.9, '/:;\\f-()[]t!r"J'),
    (6.6, "*_–szcLFk?`"),
    (8.2, "ABCKRVXYZPT"),
    (10.1, "+<=>~−→×#GHNDOQU&"),
    (12.0, "%mMWw@…"),
)
_WIDTH_OF: Final = {letter: width for width, letters in _WIDTHS for letter in letters}
_LETTER: Final = 7.6
_BOLD: Final = 1.1
#: From this code point on most letters are as wide as high.
_EAST_ASIAN: Final = 0x2E80


class Box(NamedTuple):
    """A rectangle in px: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Tell whether two boxes share more than an edge."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def text_width(written: str, *, size: float = 12, bold: bool = False) -> float:
    """Guess how wide a text is."""
    width = sum(_WIDTH_OF.get(letter, _LETTER if ord(letter) < _EAST_ASIAN else 12.5) for letter in written)
    return width * size / 12 * (_BOLD if bold else 1)


def text_box(x: float, y: float, written: str, anchor: str = "start", *, bold: bool = False) -> Box:
    """Box of a 12 px text."""
    width = text_width(written, bold=bold)
    left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
    return Box(left - 2, y - 11, left + width + 2, y + 4)


class Labels:
    """Boxes that are taken; finds a free place for the next label."""

    def __init__(self, room: Box) -> None:
        self.room = room
        self.taken: list[Box] = []

    def take(self, box: Box) -> None:
        """Mark a box as taken."""
        self.taken.append(box)

    def first_free(self, candidates: Iterable[Box]) -> int | None:
        """Take the first candidate that lies inside the room and on nothing."""
        for number, box in enumerate(candidates):
            inside = (
                self.room.left <= box.left
                and box.right <= self.room.right
                and self.room.top <= box.top
                and box.bottom <= self.room.bottom
            )
            if inside and not any(box.overlaps(other) for other in self.taken):
                self.take(box)
                return number
        return None


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart as little as needed, keeping their order."""
    groups: list[list[float]] = []  # centre sum, count: neighbours that touch move as one
    for value in wanted:
        groups.append([value, 1])
        while len(groups) > 1:
            (first_sum, first_count), (second_sum, second_count) = groups[-2], groups[-1]
            first_end = first_sum / first_count + (first_count - 1) * gap / 2
            second_start = second_sum / second_count - (second_count - 1) * gap / 2
            if second_start - first_end >= gap:
                break
            groups[-2:] = [[first_sum + second_sum, first_count + second_count]]
    placed: list[float] = []
    for total, count in groups:
        start = total / count - (count - 1) * gap / 2
        placed.extend(start + gap * at for at in range(int(count)))
    for at in range(len(placed) - 1, -1, -1):
        bound = high if at == len(placed) - 1 else placed[at + 1] - gap
        placed[at] = min(placed[at], bound)
    for at in range(len(placed)):
        bound = low if at == 0 else placed[at - 1] + gap
        placed[at] = max(placed[at], bound)
    return placed


def memory_ticks(top_bytes: float) -> tuple[list[float], list[str]]:
    """Choose round amounts for a y axis that starts at 0."""
    step = 2.0 ** math.ceil(math.log2(max(top_bytes, 1) / 6.5))
    count = int(top_bytes / step + 1e-9)
    values = [step * at for at in range(count + 1)]
    unit, size = next(
        (name, size)
        for name, size, least in (
            ("GiB", text.GI, 4 * text.GI),
            ("Mi", text.MI, text.MI / 4),
            ("Ki", 1024, 256),
            ("B", 1, 0),
        )
        if step >= least
    )
    labels = [f"{value / size:,.2f}".rstrip("0").rstrip(".") if value else "0" for value in values]
    labels[-1] = f"{labels[-1]} {unit}"
    return values, labels


def time_ticks(start: int, end: int, width: float, *, apart: float = 78) -> list[tuple[int, str]]:
    """Choose round instants for a time axis."""
    per_px = max(end - start, 1) / width
    step = next((step for step in _TIME_STEPS if step / per_px >= apart), _TIME_STEPS[-1])
    # Weeks begin on Monday; 1 January 1970 was a Thursday.
    origin = 4 * _DAY if step >= 7 * _DAY else 0
    first = -(-(start - origin) // step) * step + origin
    return [(time, _tick(time, step)) for time in range(first, end + 1, step)]


def _tick(time: int, step: int) -> str:
    moment = dt.datetime.fromtimestamp(time / 1000, tz=dt.UTC)
    if step >= _DAY or time % _DAY == 0:
        return text.day(moment)
    return text.clock(moment, seconds=step < _MINUTE)
