"""The recorded past of the pod nearest the limit, with the limit that was chosen and the kills it would have caused."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views import layout
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.curves import thin
from rmtoolkit.views.layout import Box, text_box
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.svg import cross, path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rmtoolkit.limits.explore import Chosen, Scene

WIDTH: Final = 768
HEIGHT: Final = 232
LEFT: Final = 44
RIGHT: Final = WIDTH - 8
TOP: Final = 22
BASE: Final = HEIGHT - 28
_BINS: Final = 390
#: A limit more than this many times above everything else would flatten the curve: it is named at the top instead.
_FAR: Final = 3.0
#: A step longer than this many usual steps is a gap.
_GAP_STEPS: Final = 3.5
#: Kills that are drawn, and that are named.
_DRAWN: Final = 400
_NAMED: Final = 6


@dataclass(frozen=True, slots=True)
class Ground:
    """What does not depend on the limit, drawn once."""

    pod: int
    start: int
    end: int
    pieces: tuple[tuple[NDArray[np.int64], NDArray[np.float64]], ...]
    before: tuple[tuple[NDArray[np.int64], NDArray[np.float64]], ...]
    content_bytes: float


def ground(scene: Scene) -> Ground | None:
    """Prepare the pod that goes highest."""
    past, found = scene.past, scene.found
    if not past.times.size:
        return None
    low = int(past.first[found.pod])
    high = int(past.first[found.pod + 1]) if found.pod + 1 < past.first.size else past.times.size
    times, life, used = past.times[low:high], past.life[low:high], found.used[low:high]
    start, end = int(past.times.min()), int(past.times.max())
    pieces = _pieces(times, life, used, start, end)
    recorded = past.used[low:high]
    before = () if scene.change.nothing else _pieces(times, life, recorded, start, end)
    return Ground(found.pod, start, max(end, start + 1), pieces, before, float(max(used.max(), recorded.max(), 1.0)))


def _pieces(
    times: NDArray[np.int64], life: NDArray[np.int64], used: NDArray[np.float64], start: int, end: int
) -> tuple[tuple[NDArray[np.int64], NDArray[np.float64]], ...]:
    steps = np.diff(times)
    usual = float(np.median(steps)) if steps.size else 0.0
    cuts = np.flatnonzero((np.diff(life) != 0) | (steps > _GAP_STEPS * usual)) + 1
    bounds = [0, *cuts.tolist(), times.size]
    return tuple(
        thin(times[low:high], used[low:high], start, max(end, start + 1), _BINS)
        for low, high in pairwise(bounds)
        if high > low
    )


class _Drawing:
    """Scales of one chart, and the labels that were placed so far."""

    def __init__(self, scene: Scene, chosen: Chosen, base: Ground) -> None:
        self.base = base
        ours = scene.ours_bytes
        self.far = chosen.limit_bytes > _FAR * base.content_bytes
        top = 1.1 * base.content_bytes
        if not self.far:
            top = max(top, 1.12 * chosen.limit_bytes)
        self.ours_shown = ours is not None and ours != chosen.limit_bytes and ours <= _FAR * base.content_bytes
        if self.ours_shown and ours is not None:
            top = max(top, 1.12 * ours)
        self.top = top
        self.labels = layout.Labels(Box(LEFT, 0, WIDTH, BASE))
        self.drawn: list[Markup | None] = []

    def x(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        share = (times - self.base.start) / (self.base.end - self.base.start)
        return np.asarray(LEFT + share * (RIGHT - LEFT), dtype=np.float64)

    def y(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(BASE - values / self.top * (BASE - TOP), dtype=np.float64)

    def py(self, value: float) -> float:
        return BASE - value / self.top * (BASE - TOP)

    def label(self, places: Sequence[tuple[float, float, str]], written: str, kind: str) -> bool:
        bold = kind in ("strong", "alarm")
        found = self.labels.first_free([text_box(*place[:2], written, place[2], bold=bold) for place in places])
        if found is None:
            return False
        x, y, anchor = places[found]
        self.drawn.append(text_element(x, y, written, kind, anchor))
        return True


def replay_chart(scene: Scene, chosen: Chosen, base: Ground) -> Markup:
    """Draw the recorded past with a limit."""
    chart = _Drawing(scene, chosen, base)
    values, written = layout.memory_ticks(chart.top)
    for value, word in zip(values, written, strict=True):
        chart.drawn.append(text_element(LEFT - 7, chart.py(value) + 4, word, "", "end"))
    areas, lines = [], []
    for times, used in base.pieces:
        x, line = chart.x(times), path(chart.x(times), chart.y(used))
        if times.size > 1:
            areas.append(f"{line}V{BASE}H{float(x[0]):.1f}Z")
        lines.append(line)
    chart.drawn.append(el("path", d="".join(areas), class_="area whole"))
    if base.before:
        recorded = "".join(path(chart.x(times), chart.y(used)) for times, used in base.before)
        chart.drawn.append(el("path", d=recorded, class_="recorded"))
    chart.drawn.append(el("path", d="".join(lines), class_="line"))
    _rules(chart, scene, chosen)
    _kills(chart, chosen)
    _level(chart, scene)
    _time_axis(chart)
    return el(
        "svg",
        *chart.drawn,
        class_="rm-chart",
        width=WIDTH,
        height=HEIGHT,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=replay_words(scene, chosen),
        style="max-width:100%",
    )


def _rules(chart: _Drawing, scene: Scene, chosen: Chosen) -> None:
    written = f"limit {text.configured(chosen.limit_bytes)}"
    if chart.far:
        chart.label([(LEFT + 4, 12, "start")], f"{written}, above this scale", "strong")
    else:
        y = chart.py(chosen.limit_bytes)
        chart.drawn.append(el("line", x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="limit"))
        chart.labels.take(Box(LEFT, y - 1, RIGHT, y + 1))
        chart.label([(LEFT + 4, y - 6, "start"), (LEFT + 4, y + 16, "start")], written, "strong")
    ours = scene.ours_bytes
    if chart.ours_shown and ours is not None:
        y = chart.py(ours)
        chart.drawn.append(el("line", x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="ours-rule"))
        places = [(LEFT + 4, y - 6, "start"), (RIGHT - 4, y - 6, "end"), (RIGHT - 4, y + 16, "end")]
        chart.label(places, f"ours {text.configured(ours)}", "ours")


def _kills(chart: _Drawing, chosen: Chosen) -> None:
    mine = chosen.kills.filter(chosen.kills["pod"] == chart.base.pod)
    y = TOP if chart.far else chart.py(chosen.limit_bytes)
    crosses, places = [], []
    for time, used in mine.select("time", "used_bytes").head(_DRAWN).iter_rows():
        x = float(chart.x(np.array([time]))[0])
        crosses.append(cross(round(x, 1), round(y, 1), 5))
        chart.labels.take(Box(x - 6, y - 6, x + 6, y + 6))
        places.append((x, used))
    named = 0
    for x, used in sorted(places, key=lambda place: -place[1])[:_NAMED]:
        where = [(x + 9, y - 7, "start"), (x - 9, y - 7, "end"), (x + 9, y + 17, "start"), (x - 9, y + 17, "end")]
        named += chart.label(where, f"killed, needed {text.memory(used)}", "alarm")
    chart.drawn.append(join(*crosses))


def _level(chart: _Drawing, scene: Scene) -> None:
    level = scene.found.settled_bytes
    if level is None or chart.py(level) < TOP:
        return
    y = chart.py(level)
    places = [
        (RIGHT - 8, y - 16, "end"),
        (RIGHT - 8, y + 24, "end"),
        (RIGHT - 160, y - 20, "end"),
        (LEFT + 60, y - 20, "start"),
    ]
    chart.label(places, f"settled {text.memory(level)}", "")


def _time_axis(chart: _Drawing) -> None:
    chart.drawn.append(el("line", x1=LEFT, x2=RIGHT, y1=BASE, y2=BASE, class_="axis"))
    for time, written in layout.time_ticks(chart.base.start, chart.base.end, RIGHT - LEFT):
        x = float(chart.x(np.array([time]))[0])
        chart.drawn.append(el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=BASE, y2=BASE + 4, class_="axis"))
        half = layout.text_width(written) / 2
        if x - half >= LEFT - 20 and x + half <= WIDTH:
            chart.drawn.append(text_element(x, BASE + 17, written, "", "middle"))


def replay_words(scene: Scene, chosen: Chosen) -> str:
    """Say how many kills there would have been, and when."""
    kills = chosen.kills
    said = f"Recorded past at a limit of {text.configured(chosen.limit_bytes)}: {text.count(kills.height, 'OOM kill')}"
    if kills.height:
        starting = int(kills["starting"].sum())
        said += f", {starting:,} while starting"
        first = kills.sort("time").head(8)
        times = [dt.datetime.fromtimestamp(time / 1000, tz=dt.UTC) for time in first["time"]]
        said += ": " + ", ".join(text.moment(time) for time in times)
        said += f" and {kills.height - 8:,} more" if kills.height > 8 else ""  # noqa: PLR2004 - as many as are listed
        said += f" UTC; the highest needed {text.memory(_highest(kills['used_bytes'].max()))}"
    return f"{said}. The highest use was {text.memory(scene.found.need['peak_bytes'])}."


def _highest(value: Any) -> float:  # noqa: ANN401 - polars gives a literal
    return float(value) if value is not None else math.nan
