"""What the heap holds over time, by the functions that hold it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.heap._names import spoken
from rmtoolkit.heap.suspects import OTHERS, over_time
from rmtoolkit.views._plot import Area, Box, Line, Plot, Point, Rule, Scale, count_step, memory_ticks, spread, thin
from rmtoolkit.views._plot_svg import note, picture
from rmtoolkit.views.heap_icicle import fitting
from rmtoolkit.views.limit_charts import Picture

if TYPE_CHECKING:
    import polars as pl

    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.views._plot import Floats, Piece, Ticks

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
_TICKS: Final = 8
#: Fewer samples of resident memory make no line.
_FEWEST: Final = 2


def heap_over_time(heap: HeapProfile, suspects: pl.DataFrame | None = None) -> Picture:
    """Draw what the heap holds over time, stacked by the functions that hold it; what grows stands at the bottom."""
    table = over_time(heap)
    if not table.height:
        says = "This profile knows no time"
        return Picture(note(WIDTH, 40, says), says)
    names = table["function"].unique(maintain_order=True).to_list()
    levels = np.array([table.filter(function=name)["live_bytes"].to_numpy() for name in names], dtype=np.float64)
    first = table.filter(function=names[0])
    timed = first["time_seconds"].null_count() == 0
    clock = (first["time_seconds"] if timed else first["step"] + 1).to_numpy().astype(np.float64)
    # Time begins with the program, whenever the first stamp came.
    begin, end = (0.0 if timed else float(clock[0])), float(clock[-1])
    resident = _resident(heap, end) if timed else None
    grows = _growing(suspects)
    top = float(levels.sum(axis=0).max())
    names, levels = _ordered(names, levels, grows, top)
    top = max(top, float(resident[1].max()) if resident is not None else 0.0, 1.0)

    plot = Plot(
        Scale(begin, max(end, begin + 1e-9), _LEFT, _RIGHT), Scale(0, top, _BASE, _TOP), Box(0, 0, WIDTH, HEIGHT)
    )
    plot.left_axis(memory_ticks(top))
    plot.bottom_axis(_timed(begin, end) if timed else _counted(begin, end), marks=False)
    below = "since the recording began" if timed else "pictures, in the order in which they were taken"
    plot.write(_RIGHT, _BASE + 34, "end", below, "note")
    looks = _looks(names, grows)
    edges = [((clock, edge),) for edge in levels.cumsum(axis=0)]
    for at, (look, edge) in enumerate(zip(looks, edges, strict=True)):
        plot.add(Area(look, edge, edges[at - 1] if at else None))
    if resident is not None:
        plot.add(Line("wide-halo", (resident,)), Line("line", (resident,)))
    _name(plot, names, looks, levels, resident)
    if timed:
        _peak(plot, heap)
    says = _says(names, levels, grows, heap)
    style = "max-width:100%;height:auto;display:block"
    return Picture(picture(WIDTH, HEIGHT, plot, says=says, style=style), says)


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


def _looks(names: list[str], grows: set[str]) -> list[str]:
    """Choose a look for each function."""
    calm = iter(_FILLS)
    alarms = iter(("alarm", "alarm-faint"))
    return ["cache" if name == OTHERS else next(alarms if name in grows else calm, "whole") for name in names]


def _resident(heap: HeapProfile, end: float) -> Piece | None:
    known = heap.timeline.drop_nulls(["time_seconds", "rss_bytes"]).sort("time_seconds")
    known = known.filter(known["time_seconds"].is_between(0, end))
    if known.height < _FEWEST:
        return None
    times = (known["time_seconds"] * 1000).round().cast(int).to_numpy()
    times, values = thin(times, known["rss_bytes"].to_numpy().astype(np.float64), int(times[0]), int(times[-1]), 240)
    return times / 1000, values


def _timed(begin: float, end: float) -> Ticks:
    span = end - begin
    step = next((step for step in _STEPS if span / step <= _TICKS), span / _TICKS)
    ticks = range(math.ceil(begin / step), math.floor(end / step + 1e-9) + 1)
    return [(tick * step, text.hours(tick * step / 3600) if tick else "0") for tick in ticks]


def _counted(begin: float, end: float) -> Ticks:
    step = count_step(end - begin, _TICKS)
    return [(at, f"{at:,}") for at in range(math.ceil(begin), math.floor(end) + 1, step)]


def _name(plot: Plot, names: list[str], looks: list[str], levels: Floats, resident: Piece | None) -> None:
    """Write the functions beside the end of their areas, with what they hold there."""
    upper = levels[:, -1].cumsum()
    told = [
        (plot.y.at(upper[at] - levels[at, -1] / 2), look, _named(name, levels[at, -1]))
        for at, (name, look) in enumerate(zip(names, looks, strict=True))
    ]
    if resident is not None:
        told.append((plot.y.at(resident[1][-1]), "", f"resident {text.memory(resident[1][-1])}"))
    told.sort()
    x = _RIGHT + 12
    for y, (_, look, shown) in zip(spread([y for y, *_ in told], 17, _TOP, _BASE), told, strict=True):
        grows = look.startswith("alarm")
        kind = "alarm" if grows else "" if look in ("", "cache") else "plain"
        if look:
            plot.write(x, y + 4, "start", f"{'▲ ' if grows else ''}{shown}", kind, swatch=look)
        else:
            height = plot.y.back(y)
            plot.add(Rule("line", plot.x.back(x), plot.x.back(x + 10), height, height))
            plot.write(x + 15, y + 4, "start", shown, "plain")


def _named(name: str, held: float) -> str:
    parts = text.printable(spoken(name)).split("::")
    size = text.memory(held)
    return fitting([f"{'::'.join(parts[at:])} {size}" for at in range(len(parts))], 240) or size


def _peak(plot: Plot, heap: HeapProfile) -> None:
    """Mark the most that was held at any time."""
    when, most = heap.summary.peak_time_seconds, heap.summary.peak_bytes
    if when is None or most is None or not plot.x.low <= when <= plot.x.high:
        return
    plot.add(Point("event", when, most))
    x = plot.x.at(when)
    written = f"peak {text.memory(most)} after {text.hours(when / 3600)}"
    plot.write(x, plot.y.at(most) + 19, "end" if x > (_LEFT + _RIGHT) / 2 else "start", written, "strong")


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
