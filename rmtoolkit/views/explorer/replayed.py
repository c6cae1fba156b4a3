"""The recorded past of the pod nearest the limit, with the limit that was chosen and the kills it would have caused."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views._plot import (
    Area,
    Box,
    Line,
    Piece,
    Plot,
    Point,
    Scale,
    Shape,
    memory_ticks,
    stretches,
    thin,
    time_ticks,
)
from rmtoolkit.views._plot_svg import picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rmtoolkit.limits.explore import Chosen, Scene
    from rmtoolkit.views._plot import Place
    from rmtoolkit.views.markup import Markup

WIDTH: Final = 768
HEIGHT: Final = 232
LEFT: Final = 44
RIGHT: Final = WIDTH - 8
TOP: Final = 22
BASE: Final = HEIGHT - 28
_BINS: Final = 390
#: A limit more than this many times above everything else would flatten the curve: it is named at the top instead.
_FAR: Final = 3.0
#: Kills that are drawn, that are named, and that are listed in words.
_DRAWN: Final = 400
_NAMED: Final = 6
_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class Ground:
    """What does not depend on the limit: the pod that is drawn, its past, and the same as it was recorded."""

    pod: int
    start: int
    end: int
    pieces: tuple[Piece, ...]
    #: Empty where nothing was changed.
    before: tuple[Piece, ...]
    content_bytes: float


def ground(scene: Scene) -> Ground | None:
    """Prepare the pod that goes highest; None where nothing was recorded."""
    past, found = scene.past, scene.found
    if not past.times.size:
        return None
    low = int(past.first[found.pod])
    high = int(past.first[found.pod + 1]) if found.pod + 1 < past.first.size else past.times.size
    times, life = past.times[low:high], past.life[low:high]
    used, recorded = found.used[low:high], past.used[low:high]
    start, end = int(past.times.min()), int(past.times.max())

    def pieces(values: NDArray[np.float64]) -> tuple[Piece, ...]:
        runs = stretches(times, life)
        return tuple(thin(times[at:to], values[at:to], start, max(end, start + 1), _BINS) for at, to in runs)

    before = () if scene.change.nothing else pieces(recorded)
    content = float(max(used.max(), recorded.max(), 1.0))
    return Ground(found.pod, start, max(end, start + 1), pieces(used), before, content)


def replay_chart(scene: Scene, chosen: Chosen, base: Ground) -> Markup:
    """Draw the recorded past with a limit; a cross is a kill."""
    limit, ours = chosen.limit_bytes, scene.ours_bytes
    far = _FAR * base.content_bytes
    shown = [] if limit > far else [limit]
    if ours is not None and ours != limit and ours <= far:
        shown.append(ours)
    top = max(1.1 * base.content_bytes, *(1.12 * value for value in shown), 1.0)
    across = Scale(base.start, base.end, LEFT, RIGHT)
    plot = Plot(across, Scale(0, top, BASE, TOP), Box(LEFT, 0, WIDTH, BASE))
    plot.left_axis(memory_ticks(top))
    plot.bottom_axis(time_ticks(base.start, base.end, RIGHT - LEFT), right=WIDTH)
    plot.add(Area("whole", base.pieces), Line("recorded", base.before), Line("line", base.pieces))
    written = f"limit {text.configured(limit)}"
    if limit in shown:
        y = plot.rule("limit", limit)
        plot.label([(LEFT + 4, y - 6, "start"), (LEFT + 4, y + 16, "start")], written, "strong")
    else:
        plot.label([(LEFT + 4, 12, "start")], f"{written}, above this scale", "strong")
    if ours is not None and ours in shown and ours != limit:
        y = plot.rule("ours-rule", ours)
        places: list[Place] = [(LEFT + 4, y - 6, "start"), (RIGHT - 4, y - 6, "end"), (RIGHT - 4, y + 16, "end")]
        plot.label(places, f"ours {text.configured(ours)}", "ours")
    _kills(plot, chosen, base, limit if limit in shown else top)
    _level(plot, scene)
    return picture(WIDTH, HEIGHT, plot, says=replay_words(scene, chosen))


def _kills(plot: Plot, chosen: Chosen, base: Ground, height: float) -> None:
    mine = chosen.kills.filter(chosen.kills["pod"] == base.pod).select("time", "used_bytes").head(_DRAWN).rows()
    y = plot.y.at(height)
    for time, _ in mine:
        x = plot.x.at(time)
        plot.add(Point("kill", time, height, Shape.CROSS, 5))
        plot.take(Box(x - 6, y - 6, x + 6, y + 6))
    for time, used in sorted(mine, key=lambda kill: -kill[1])[:_NAMED]:
        x = plot.x.at(time)
        places: list[Place] = [(x + 9, y - 7, "start"), (x - 9, y - 7, "end")]
        places += [(x + 9, y + 17, "start"), (x - 9, y + 17, "end")]
        plot.label(places, f"killed, needed {text.memory(used)}", "alarm")


def _level(plot: Plot, scene: Scene) -> None:
    level = scene.found.settled_bytes
    if level is None or level > plot.y.high:
        return
    y = plot.y.at(level)
    places: list[Place] = [(RIGHT - 8, y - 16, "end"), (RIGHT - 8, y + 24, "end")]
    places += [(RIGHT - 160, y - 20, "end"), (LEFT + 60, y - 20, "start")]
    plot.label(places, f"settled {text.memory(level)}")


def replay_words(scene: Scene, chosen: Chosen) -> str:
    """Say how many kills there would have been, and when."""
    kills = chosen.kills
    said = f"Recorded past at a limit of {text.configured(chosen.limit_bytes)}: {text.count(kills.height, 'OOM kill')}"
    if kills.height:
        starting = int(kills["starting"].sum())
        said += f", {starting:,} while starting"
        first = kills.sort("time").head(_LISTED)
        times = [dt.datetime.fromtimestamp(time / 1000, tz=dt.UTC) for time in first["time"]]
        said += ": " + ", ".join(text.moment(time) for time in times)
        said += f" and {kills.height - _LISTED:,} more" if kills.height > _LISTED else ""
        said += f" UTC; the highest needed {text.memory(_highest(kills['used_bytes'].max()))}"
    return f"{said}. The highest use was {text.memory(scene.found.need.peak_bytes)}."


def _highest(value: Any) -> float:  # noqa: ANN401 - polars gives a literal
    return float(value) if value is not None else math.nan
