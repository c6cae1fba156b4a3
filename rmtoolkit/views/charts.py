"""Small static charts as inline SVG: marks, sparks, bullets, bars of risk."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit.views import _plot
from rmtoolkit.views._plot_svg import picture
from rmtoolkit.views.timeline import LINES, Curve, Parts, ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rmtoolkit.assessment import Assessment

SPARK_WIDTH: Final = 132
SPARK_HEIGHT: Final = 26
_RISK_WIDTH: Final = 200
_BULLET_WIDTH: Final = 96

_SHAPES: Final = {"▲": "M6 1.2 11.4 10.8H.6Z", "●": "M6 1.2a4.8 4.8 0 1 0 .01 0Z", "◆": "M6 .4 11.6 6 6 11.6.4 6Z"}
#: More kills than this are one blot on a spark.
_MOST_KILLS: Final = 12


@lru_cache(maxsize=64)
def mark(shape: str) -> Markup:
    drawn = el("path", d=_SHAPES[shape], fill="currentColor")
    return el("svg", drawn, class_="mark", width=12, height=12, viewBox="0 0 12 12", aria_hidden="true")


def spark(line: Curve, limit: int | None, kills: Sequence[tuple[int, int | None]], start: int, end: int) -> Markup:
    """Draw the memory of a container from 0 to the larger of limit and peak: height means closeness to the limit."""
    top = max(limit or 0, line.peak_bytes, 1.0) * 1.04
    across = _plot.Scale(start, max(end, start + 1), 1, SPARK_WIDTH - 5)
    plot = _plot.Plot(across, _plot.Scale(0, top, SPARK_HEIGHT - 1, 2), _plot.Box(0, 0, SPARK_WIDTH, SPARK_HEIGHT))
    pieces = tuple(_plot.thin(times, values, start, end, 44) for times, values in line.pieces)
    plot.add(_plot.Area("whole", pieces), _plot.Line("spark", pieces))
    if limit is not None:
        plot.add(_plot.Rule("spark-limit", start, across.back(SPARK_WIDTH), limit, limit))
    heights = ((time, min(then or line.peak_bytes, top)) for time, then in kills)
    plot.add(*(_plot.Point("kill", *place, _plot.Shape.CROSS, 3) for place in heights))
    plot.add(*(_plot.Point("ink", float(times[-1]), float(values[-1]), size=2.2) for times, values in line.pieces[-1:]))
    words = [line.name, f"last {text.memory(line.last_bytes)}", f"peak {text.memory(line.peak_bytes)}"]
    words.append(f"limit {text.configured(limit)}" if limit is not None else "no limit")
    words += [text.count(len(kills), "OOM kill")] if kills else []
    return picture(SPARK_WIDTH, SPARK_HEIGHT, plot, says=", ".join(words), style=None)


def _bits(width: int, height: int, *bits: _plot.Bar | _plot.Point, says: str = "", also: str = "") -> Markup:
    plot = _plot.Plot(_plot.PX, _plot.PX, _plot.Box(0, 0, width, height))
    plot.add(*bits)
    return picture(width, height, plot, says=says, also=also, style=None)


def bullet(peak_bytes: int, limit_bytes: int, *, reached: bool) -> Markup:
    full = _BULLET_WIDTH - 6
    width = round(full * min(peak_bytes / max(limit_bytes, 1), 1))
    empty, tick = _plot.Bar("empty", 0, full, 3, 11), _plot.Bar("ink", full - 1, full + 1, 0, 14)
    bar = _plot.Bar("alarm" if reached else "slack", 0, width, 3, 11)
    return _bits(_BULLET_WIDTH, 14, empty, bar, tick, also="bullet")


def risk_bar(probability: float, target: float) -> Markup:
    """Draw a chance of an OOM kill on a square-root scale, so that 5 % is readable, with a tick at the target."""
    scale = _plot.Scale(0, 1, 0, _RISK_WIDTH, _plot.Grows.AS_ROOT)
    width, tick = (round(scale.at(min(max(share, 0.0), 1.0))) for share in (probability, target))
    return _bits(
        _RISK_WIDTH,
        16,
        _plot.Bar("empty", 0, _RISK_WIDTH, 5, 11),
        _plot.Bar("alarm" if probability > target else "ink-2", 0, width, 5, 11),
        _plot.Bar("ink", tick - 1, tick + 1, 0, 16),
        says=f"{text.chance(probability)}, target at most {text.share(target)}",
    )


@lru_cache(maxsize=64)
def boxes(level: int) -> Markup:
    looks = ["ink-2" if at < level else "hollow" for at in range(5)]
    drawn = (_plot.Bar(look, 0.5 + 21 * at, 18.5 + 21 * at, 1.5, 10.5) for at, look in enumerate(looks))
    return _bits(104, 12, *drawn, says=f"evidence level {level} of 5")


@lru_cache(maxsize=64)
def dots(weight: int) -> Markup:
    drawn = (_plot.Point("ink-2" if at < weight else "hollow", 5 + 11 * at, 6, size=3.8) for at in range(3))
    return _bits(33, 12, *drawn, says=f"weight {weight} of 3")


class Sparks:
    def __init__(self, found: Assessment, shown: Iterable[int]) -> None:
        recording = found.recording
        mine = pl.col("container_id").is_in(pl.Series(sorted(set(shown)), dtype=pl.UInt32).implode())
        samples = recording.samples.filter(mine)
        self._samples, self._lives = Parts(samples), Parts(found.lives.filter(mine))
        self._limits = dict(recording.containers.select("container_id", "limit_bytes").iter_rows())
        killed = found.events.filter(mine, kind="oom_kill")
        self._kills = Parts(killed.select("container_id", pl.col("time").to_physical(), "limit_bytes"))
        self.heading, self._window = self._shared(samples, recording.times())

    def _shared(self, samples: pl.DataFrame, extent: tuple[Any, Any] | None) -> tuple[str, tuple[int, int] | None]:
        """One window for all sparks where the histories lie side by side in time, else each its own."""
        time = pl.col("time").to_physical()
        usual = samples.group_by("container_id").agg(span=time.max() - time.min())["span"].median()
        first, last = (0, 0) if extent is None else map(ms, extent)
        # Histories share one window when it is at most this many times the usual one.
        if not isinstance(usual, float) or last - first > 2.5 * usual:
            return "History, to limit", None
        first = max(first, last - 7 * 86_400_000)
        return f"{text.hours((last - first) / 3_600_000).replace(' d', ' days')}, to limit", (first, last)

    def curve(self, container: int) -> Curve | None:
        samples, lives = self._samples.get(container), self._lives.get(container)
        signal = next((name for name in LINES if samples[name].count()), None)
        if signal is None:
            return None
        known = samples.select("time", signal).drop_nulls()
        times, values = known["time"].to_physical().to_numpy(), known[signal].cast(pl.Float64).to_numpy()
        starts = times[:1] if lives.is_empty() else lives["start"].to_physical().to_numpy()
        runs = _plot.stretches(times, np.searchsorted(starts, times, side="right"))
        pieces = tuple((times[low:high], values[low:high]) for low, high in runs)
        return Curve(text.signal_word(signal), "ink", pieces)

    def of(self, container: int) -> Markup | str:
        if (line := self.curve(container)) is None:
            return text.NOT_APPLICABLE
        start, end = self._window or (int(line.pieces[0][0][0]), int(line.pieces[-1][0][-1]))
        kills = self._kills.get(container)
        inside = kills.filter(pl.col("time").is_between(start, end)).tail(_MOST_KILLS).rows()
        return spark(line, self._limits.get(container), [kill[1:] for kill in inside], start, end)
