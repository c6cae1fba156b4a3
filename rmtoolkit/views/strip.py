"""The strip under a chart: what happened to the container, and where data is missing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit import text
from rmtoolkit.views.layout import Box, Labels, text_box
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.svg import cross

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from rmtoolkit.views.happened import Event
    from rmtoolkit.views.timeline import Timeline

HEIGHT: Final = 24

#: Events nearer than this many px are one mark: a kill and the restart after it.
_NEAR: Final = 5
#: The most telling event gives a mark its shape and gets its label first.
_RANK: Final = ("oom_kill", "release", "limit", "node_oom", "evicted", "error", "end", "restart", "start")
_SQUARES: Final = ("release", "limit")


def draw(
    timeline: Timeline,
    scale: Callable[[ArrayLike], NDArray[np.float64]],
    sides: tuple[float, float],
    top: float,
    hatch: str,
    *,
    days: bool,
) -> Markup:
    """Draw events and gaps."""
    found = arrange(timeline, scale, sides, top, days=days)
    left, right = sides
    drawn = [el("rect", x=left, y=top, width=right - left, height=HEIGHT, class_="panel")]
    drawn += [
        el("rect", x=f"{first:.1f}", y=top, width=f"{last - first:.1f}", height=HEIGHT, fill=f"url(#{hatch})")
        for first, last in found.gaps
    ]
    drawn += [_mark(x, top + HEIGHT / 2, events) for x, events in found.marks]
    drawn += [_label(x, y, anchor, written, f"{kind} on-panel".strip()) for x, y, anchor, written, kind in found.labels]
    return join(*drawn)


class Arranged(NamedTuple):
    """What stands where on the strip, in px."""

    marks: list[tuple[float, list[Event]]]
    gaps: list[tuple[float, float]]
    labels: list[tuple[float, float, str, str, str]]


def arrange(
    timeline: Timeline,
    scale: Callable[[ArrayLike], NDArray[np.float64]],
    sides: tuple[float, float],
    top: float,
    *,
    days: bool,
) -> Arranged:
    """Find out what stands where."""
    left, right = sides
    baseline = top + HEIGHT / 2 + 4
    room = Labels(Box(left, top, right, top + HEIGHT))
    written: list[tuple[float, float, str, str, str]] = []
    gaps = [(float(scale(first)), float(scale(last)), last - first) for first, last in timeline.gaps]
    wide = [(first, max(last, first + 2.0), span) for first, last, span in gaps]
    for first, last, _ in wide:
        room.take(Box(first, top, last, top + HEIGHT))
    marks = _marks(timeline, scale)
    for x, _ in marks:
        room.take(Box(x - 6, top, x + 6, top + HEIGHT))
    for x, variants, kind in _labels(marks, days=days):
        bold = kind == "oom_kill"
        tried = [(x + side, anchor, words) for words in variants for side, anchor in ((10, "start"), (-10, "end"))]
        found = room.first_free([text_box(at, baseline, words, anchor, bold=bold) for at, anchor, words in tried])
        if found is not None:
            at, anchor, words = tried[found]
            written.append((at, baseline, anchor, words, "alarm" if bold else ""))
    for first, last, span in wide:
        words = f"no data {text.hours(span / 3_600_000)}"
        places = [(last + 5, baseline, "start"), (first - 5, baseline, "end")]
        found = room.first_free([text_box(*place[:2], words, place[2]) for place in places])
        if found is not None:
            written.append((*places[found], words, "note"))
    if not marks and not gaps:
        written.append((left + 8, baseline, "start", "no restart, kill, release or gap seen", "note"))
    return Arranged(marks, [(first, last) for first, last, _ in wide], written)


def _label(x: float, y: float, anchor: str, written: str, kind: str) -> Markup:
    return el(
        "text",
        written,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        class_=kind,
        text_anchor=None if anchor == "start" else anchor,
    )


def _marks(timeline: Timeline, scale: Callable[[ArrayLike], NDArray[np.float64]]) -> list[tuple[float, list[Event]]]:
    """Gather events that would lie on each other; the most telling stands first."""
    found: list[tuple[float, list[Event]]] = []
    for event in timeline.events:
        x = float(scale(event.time))
        if found and x - found[-1][0] < _NEAR:
            found[-1][1].append(event)
        else:
            found.append((x, [event]))
    for _, events in found:
        events.sort(key=lambda event: _RANK.index(event.kind))
    return found


def _mark(x: float, middle: float, events: list[Event]) -> Markup:
    drawn = {
        "cross": lambda: cross(round(x, 1), middle, 3.5),
        "square": lambda: el("rect", x=f"{x - 3.5:.1f}", y=middle - 3.5, width=7, height=7, class_="event"),
        "circle": lambda: el("circle", cx=f"{x:.1f}", cy=middle, r=3.5, class_="event"),
    }
    return el("g", el("title", told(events)), drawn[shape(events)]())


def shape(events: Sequence[Event]) -> str:
    """Choose the shape of a mark."""
    kind = events[0].kind
    return "cross" if kind == "oom_kill" else "square" if kind in _SQUARES else "circle"


def told(events: Sequence[Event]) -> str:
    """Say what one mark stands for."""
    return "; ".join(f"{event.words} {_moment(event.time, days=True)} UTC" for event in events)


def _labels(marks: list[tuple[float, list[Event]]], *, days: bool) -> list[tuple[float, list[str], str]]:
    """Words for marks, by rank, each from long to short; a row of one kind is counted once, at its last mark."""
    found: list[tuple[int, float, list[str], str]] = []
    for rank, kind in enumerate(_RANK):
        mine = [(x, events) for x, events in marks if events[0].kind == kind]
        row: list[Event] = []
        for at, (x, events) in enumerate(mine):
            row += [event for event in events if event.kind == kind]
            own = _words(events, days=days)
            if at + 1 < len(mine) and mine[at + 1][0] - x < text_box(0, 0, own).right + _ROOM:
                continue
            found.append((rank, x, _variants(row, own, days=days), kind))
            row = []
    return [(x, words, kind) for _, x, words, kind in sorted(found, key=lambda label: (label[0], -label[1]))]


def _variants(row: list[Event], own: str, *, days: bool) -> list[str]:
    last = row[-1]
    if len(row) == 1:
        return [own, f"{last.words} {_moment(last.time, days=False)}", last.words]
    if last.kind in _SQUARES:
        return [f"{text.count(len(row), last.kind)}, last {last.words.removeprefix(last.kind).strip()}"]
    times = f"{len(row):,} × {last.words}"
    return [f"{times}, last {_moment(last.time, days=days)}", times]


_ROOM: Final = 24


def _words(events: list[Event], *, days: bool) -> str:
    first = events[0]
    others = {event.kind for event in events[1:]}
    words = first.words
    if first.kind == "release" and others & {"restart", "start"}:
        words += ", restart"
    return f"{words} {_moment(first.time, days=days)}"


def _moment(time: int, *, days: bool) -> str:
    stamp = dt.datetime.fromtimestamp(time / 1000, tz=dt.UTC)
    return f"{text.day(stamp).split()[0]} {text.clock(stamp)}" if days else text.clock(stamp)
