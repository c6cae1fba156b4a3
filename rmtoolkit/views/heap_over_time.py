"""What the heap holds over time, by the functions that hold it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.heap._names import spoken
from rmtoolkit.heap.suspects import OTHERS, over_time
from rmtoolkit.views.assets import asset
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.curves import thin
from rmtoolkit.views.heap_icicle import fitting
from rmtoolkit.views.layout import memory_ticks, spread
from rmtoolkit.views.limit_charts import Picture
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.svg import path

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from rmtoolkit.heap.profile import HeapProfile

    Floats = NDArray[np.float64]

WIDTH: Final = 1080
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BASE = 62, WIDTH - 262, 30, HEIGHT - 40
#: The largest is the lightest, so that the picture is no wall; what grows has the colour of alarm instead.
_FILLS: Final = ("kept", "slack", "whole", "live")
#: What never holds this share of the top is not worth a colour, unless it grows.
_SEEN: Final = 0.01
#: ... which is this share of all growth at least.
_GROWS: Final = 0.02
_STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
_MARK: Final = 10
_TICKS: Final = 8
#: Fewer samples of resident memory make no line.
_FEWEST: Final = 2


#: What grows, and what grows beside it.
STYLE: Final = asset("heap_time.css")


@dataclass(frozen=True, slots=True)
class _Scales:
    """From seconds and bytes to px."""

    clock: Floats
    top: float

    def across(self, time: Floats) -> Floats:
        begin, span = float(self.clock[0]), max(float(self.clock[-1] - self.clock[0]), 1e-9)
        return np.asarray(_LEFT + (time - begin) / span * (_RIGHT - _LEFT), dtype=np.float64)

    def down(self, value: Floats) -> Floats:
        return np.asarray(_BASE - value / self.top * (_BASE - _TOP), dtype=np.float64)


def heap_over_time(heap: HeapProfile, suspects: pl.DataFrame | None = None) -> Picture:
    """Draw what the heap holds over time, stacked by the functions that hold it."""
    table = over_time(heap)
    if not table.height:
        says = "This profile knows no time"
        return Picture(_frame([text_element(6, 20, f"{says}.", "")], says, 40), says)
    names = table["function"].unique(maintain_order=True).to_list()
    levels = np.array([table.filter(function=name)["live_bytes"].to_numpy() for name in names], dtype=np.float64)
    first = table.filter(function=names[0])
    timed = first["time_seconds"].null_count() == 0
    clock = (first["time_seconds"] if timed else first["step"] + 1).to_numpy().astype(np.float64)
    resident = _resident(heap) if timed else None
    grows = _growing(suspects)
    top = float(levels.sum(axis=0).max())
    names, levels = _ordered(names, levels, grows, top)
    top = max(top, float(resident[1].max()) if resident is not None and len(resident[1]) else 0.0, 1.0)

    # Time begins with the program, whenever the first stamp came.
    scales = _Scales(np.concatenate([[0.0 if timed else clock[0]], clock]), top)
    kinds = _kinds(names, grows)
    upper = levels.cumsum(axis=0)
    drawn: list[Markup | None] = [*_axes(top, clock, scales, timed=timed)]
    for place, kind in enumerate(kinds):
        lower = upper[place - 1] if place else np.zeros(len(clock))
        there, back = (
            path(scales.across(clock), scales.down(upper[place])),
            path(scales.across(clock[::-1]), scales.down(lower[::-1])),
        )
        drawn.append(el("path", d=f"{there}L{back[1:]}Z", class_=f"area {kind}"))
    if resident is not None and len(resident[0]) > 1:
        inside = (resident[0] >= 0) & (resident[0] <= clock[-1])
        line = path(scales.across(resident[0][inside]), scales.down(resident[1][inside]))
        drawn += [el("path", d=line, class_="halo"), el("path", d=line, class_="line")]
    drawn += _labels(names, kinds, levels, upper, resident, top)
    drawn.append(_peak(heap, clock, scales, timed=timed))
    says = _says(names, levels, grows, heap)
    return Picture(_frame(drawn, says), says)


def _growing(suspects: pl.DataFrame | None) -> set[str]:
    """Name what grows steadily, and by enough to be seen beside the rest that grows."""
    if suspects is None:
        return set()
    growing = suspects.filter(suspects["reading"] == "grows")
    return set(growing.filter(growing["growth_share"] >= _GROWS)["function"])


def _ordered(names: list[str], levels: Floats, grows: set[str], top: float) -> tuple[list[str], Floats]:
    """Put what grows below, the largest of the others next, and what is too small to see to everything else."""
    kept = [place for place, name in enumerate(names) if name in grows]
    seen = [place for place, name in enumerate(names) if name not in grows and name != OTHERS]
    seen = [place for place in seen if levels[place].max() >= _SEEN * top]
    kept += sorted(seen, key=lambda place: -levels[place][-1])
    rest = [place for place in range(len(names)) if place not in kept]
    shown = [names[place] for place in kept] + ([OTHERS] if rest else [])
    parts = [levels[place] for place in kept] + ([levels[rest].sum(axis=0)] if rest else [])
    return shown, np.array(parts)


def _kinds(names: list[str], grows: set[str]) -> list[str]:
    """Choose a fill for each function."""
    calm = iter(_FILLS)
    alarms = iter(("alarm", "alarm faint"))
    return ["cache" if name == OTHERS else next(alarms if name in grows else calm, "whole") for name in names]


def _resident(heap: HeapProfile) -> tuple[Floats, Floats] | None:
    known = heap.timeline.drop_nulls(["time_seconds", "rss_bytes"]).sort("time_seconds")
    if known.height < _FEWEST:
        return None
    times = (known["time_seconds"] * 1000).round().cast(int).to_numpy()
    times, values = thin(times, known["rss_bytes"].to_numpy().astype(np.float64), int(times[0]), int(times[-1]), 240)
    return times / 1000, values


def _axes(top: float, clock: Floats, scales: _Scales, *, timed: bool) -> list[Markup]:
    values, labels = memory_ticks(top)
    heights = scales.down(np.array(values))
    drawn = [text_element(_LEFT - 8, float(y) + 4, label, "", "end") for y, label in zip(heights, labels, strict=True)]
    drawn.append(el("line", x1=_LEFT, x2=_RIGHT, y1=_BASE, y2=_BASE, class_="axis"))
    span = float(clock[-1] - clock[0])
    step = (
        next((step for step in _STEPS if span / step <= _TICKS), span / _TICKS)
        if timed
        else max(1, round(span / _TICKS))
    )
    first = math.ceil(scales.clock[0] / step)
    for tick in range(first, math.floor(clock[-1] / step + 1e-9) + 1):
        x = float(scales.across(np.array([tick * step]))[0])
        shown = (text.hours(tick * step / 3600) if tick else "0") if timed else f"{tick * step:g}"
        drawn.append(text_element(x, _BASE + 18, shown, "", "middle"))
    below = "since the recording began" if timed else "pictures, in the order in which they were taken"
    drawn.append(text_element(_RIGHT, _BASE + 34, below, "note", "end"))
    return drawn


def _labels(
    names: list[str],
    kinds: list[str],
    levels: Floats,
    upper: Floats,
    resident: tuple[Floats, Floats] | None,
    top: float,
) -> list[Markup]:
    """Write the functions beside the end of their areas, with what they hold there."""
    scales = _Scales(np.array([0.0, 1.0]), top)
    middles = scales.down(upper[:, -1] - levels[:, -1] / 2)
    told = [
        (float(middle), kinds[place], _named(names[place], levels[place, -1])) for place, middle in enumerate(middles)
    ]
    if resident is not None:
        told.append((float(scales.down(resident[1][-1:])[0]), "", f"resident {text.memory(resident[1][-1])}"))
    told.sort()
    drawn = []
    for y, (_, kind, shown) in zip(spread([y for y, *_ in told], 17, _TOP, _BASE), told, strict=True):
        if kind:
            drawn.append(el("rect", x=_RIGHT + 12, y=f"{y - 5:.1f}", width=_MARK, height=_MARK, class_=kind))
        else:
            drawn.append(el("path", d=f"M{_RIGHT + 12} {y:.1f}h{_MARK}", class_="line"))
        mark = "▲ " if kind.startswith("alarm") else ""
        weight = "alarm" if mark else "plain" if kind != "cache" else ""
        drawn.append(text_element(_RIGHT + 28, y + 4, mark + shown, weight))
    return drawn


def _named(name: str, held: float) -> str:
    parts = text.printable(spoken(name)).split("::")
    size = text.memory(held)
    return fitting([f"{'::'.join(parts[at:])} {size}" for at in range(len(parts))], 240) or size


def _peak(heap: HeapProfile, clock: Floats, scales: _Scales, *, timed: bool) -> Markup | None:
    """Mark the most that was held at any time."""
    when, most = heap.summary.peak_time_seconds, heap.summary.peak_bytes
    if not timed or when is None or most is None or not clock[0] <= when <= clock[-1]:
        return None
    x, y = float(scales.across(np.array([when]))[0]), float(scales.down(np.array([float(most)]))[0])
    end = "end" if x > (_LEFT + _RIGHT) / 2 else "start"
    return join(
        el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.5, class_="event"),
        text_element(x, y + 19, f"peak {text.memory(most)} after {text.hours(when / 3600)}", "strong", end),
    )


def _says(names: list[str], levels: Floats, grows: set[str], heap: HeapProfile) -> str:
    whole = levels.sum(axis=0)
    said = f"Live heap over time: {text.memory(whole[0])} at first, {text.memory(whole[-1])} at the end"
    if heap.summary.peak_bytes is not None:
        said += f", at most {text.memory(heap.summary.peak_bytes)}"
    parts = [
        f"{text.printable(spoken(name))} {'grows' if name in grows else 'goes'} from {text.memory(level[0])} to "
        f"{text.memory(level[-1])}"
        for name, level in zip(names[:2], levels[:2], strict=True)
    ]
    return f"{said}; {', '.join(parts)}"


def _frame(drawn: list[Markup | None], says: str, height: int = HEIGHT) -> Markup:
    return el(
        "svg",
        el("style", STYLE),
        *drawn,
        class_="rm-chart rm-heap-time",
        width=WIDTH,
        height=height,
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=says,
        style="max-width:100%;height:auto;display:block",
    )
