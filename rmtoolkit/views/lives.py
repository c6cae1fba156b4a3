"""Lives of one workload by age: one life per line, so that one that climbs higher than the others is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit.views._plot import Box, Line, Piece, Place, Plot, Point, Scale, Shape, age_ticks, memory_ticks, thin
from rmtoolkit.views._plot_svg import picture
from rmtoolkit.views.timeline import LINES, Parts, ms

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

WIDTH: Final = 400
HEIGHT: Final = 232
_LEFT, _RIGHT, _TOP, _BASE = 58, WIDTH - 10, 14, HEIGHT - 40
#: So many lives are drawn, the newest ones.
SHOWN: Final = 40
_ENDS: Final = text.texts("words")["endings"]


class Life(Struct, frozen=True):
    """One container lifetime: ms since its start and bytes, and how it ended."""

    ages: NDArray[np.int64]
    values: NDArray[np.float64]
    ended: str


def collect(samples: Parts, lives: pl.DataFrame, signal: str | None) -> list[Life]:
    found: list[Life] = []
    for row in lives.sort("end", maintain_order=True).reverse().iter_rows(named=True):
        frame = samples.get(row["container_id"])
        start, end = ms(row["start"]), ms(row["end"])
        times = frame["time"].to_physical().to_numpy()
        first, last = np.searchsorted(times, [start, end + 1])
        # One signal for all of a container: a curve from one to the other would rise or fall by itself.
        name = signal or next((name for name in LINES if frame[name].count()), LINES[0])
        part = frame[int(first) : int(last)].select("time", bytes=name).drop_nulls()
        if part.height:
            ages = part["time"].to_physical().to_numpy() - start
            found.append(Life(ages, part["bytes"].to_numpy().astype(np.float64), row["ended"]))
        if len(found) == SHOWN:
            break
    return found[::-1]


def plotted(shown: list[Life], row: dict[str, Any]) -> Plot:
    # The axis goes to the longest life, unless it is much longer than the rest.
    lengths = sorted(int(life.ages[-1]) for life in shown)
    usual = lengths[len(lengths) // 2]
    end = max(lengths[-1] if lengths[-1] <= 4 * usual else 2 * usual, 1)
    curves = [_inside(life, end) for life in shown]
    highest = max((float(values.max()) for _, values in curves), default=1.0)
    limit = row["limit_bytes"]
    near = None if limit is None or limit > 2 * highest else limit
    top = max(1.12 * highest, 1.1 * (near or 0), 1.0)
    plot = Plot(Scale(0, end, _LEFT, _RIGHT), Scale(0, top, _BASE, _TOP), Box(_LEFT, 0, WIDTH, _BASE))
    plot.left_axis(memory_ticks(top))
    unit, ticks = age_ticks(end)
    plot.bottom_axis(ticks)
    plot.write(_RIGHT, _BASE + 34, "end", f"{unit} since start", "note")
    if near is not None:
        y = plot.rule("limit", near)
        plot.label([(_LEFT + 4, y - 6, "start")], f"limit {text.configured(near)}", "strong")
    # The running life, else the one that ended last.
    running = (at for at in reversed(range(len(shown))) if shown[at].ended == "running")
    newest = next(running, len(shown) - 1)
    for at, (life, curve) in enumerate(zip(shown, curves, strict=True)):
        plot.add(Line("newest" if at == newest else "life", (curve,)))
        last = float(curve[0][-1]), float(curve[1][-1])
        if life.ages[-1] <= end and life.ended == "oom_kill":
            plot.add(Point("kill", *last, Shape.CROSS))
        elif life.ages[-1] <= end and at == newest:
            plot.add(Point("live", *last))
    _names(plot, shown, curves)
    return plot


def titled(row: dict[str, Any], name: str) -> tuple[str, str]:
    parts = [f"{text.signal_word(row['signal'])} by time since start"]
    parts += [text.runs_killed(row["runs_killed"], row["runs"], row["kills"])] if row["kills"] else []
    if row["run_peak_low_bytes"] is not None:
        low, high = (text.memory(row[f"run_peak_{end}_bytes"]) for end in ("low", "high"))
        parts.append(f"lives peak at {low} to {high}")
    parts += [f"the newest {SHOWN} are drawn"] if row["runs"] > SHOWN else []
    said = ", ".join(parts)
    return f"{text.count(row['runs'], 'life', 'lives')} of {name} by age", text.sentence(said)


def draw(lives: list[Life], row: dict[str, Any], name: str) -> Markup:
    title, says = titled(row, name)
    before = (el("title", title), el("desc", says))
    drawn = plotted(lives, row)
    return picture(WIDTH, HEIGHT, drawn, says=f"{title}. {says}", also="ages", before=before, sized=False)


def _inside(life: Life, end: int) -> Piece:
    kept = max(int(np.searchsorted(life.ages, end, side="right")), 1)
    return thin(life.ages[:kept], life.values[:kept], 0, end, 130)


def _names(plot: Plot, lives: list[Life], curves: list[Piece]) -> None:
    groups: dict[str, list[Piece]] = {}
    for life, curve in zip(lives, curves, strict=True):
        groups.setdefault(life.ended, []).append(curve)
    for ended in sorted(groups, key=lambda name: (name != "running", name != "oom_kill")):
        members, words = groups[ended], _ENDS.get(ended, text.event(ended))
        ends = [(plot.x.at(times[-1]), plot.y.at(values[-1])) for times, values in reversed(members)]
        places: list[Place] = [(x, y + down, "end") for x, y in ends for down in (-9, 18, -24, 34)]
        kind = {"oom_kill": "alarm", "running": "strong"}.get(ended, "")
        plot.label(places, words if len(members) == 1 else f"{words} ({len(members):,})", kind)
