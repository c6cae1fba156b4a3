"""Lives of a workload laid over each other by age: a spike at the start or a slope that repeats shows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views import layout
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.curves import thin
from rmtoolkit.views.happened import ms
from rmtoolkit.views.layout import Box, text_box
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.svg import cross, path

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray

    from rmtoolkit.views.curves import Piece

    Scale = Callable[[NDArray[Any]], NDArray[np.float64]]

WIDTH: Final = 400
HEIGHT: Final = 232
_LEFT, _RIGHT, _TOP, _BASE = 58, WIDTH - 10, 14, HEIGHT - 40
_BINS: Final = 130
#: So many lives are drawn, the newest ones.
SHOWN: Final = 40
_LONGER_THAN_USUAL: Final = 4
_UNITS: Final = (("days", 86_400_000, 4), ("hours", 3_600_000, 3), ("minutes", 60_000, 3), ("seconds", 1000, 0))


@dataclass(frozen=True, slots=True)
class Life:
    """One container lifetime."""

    ages: NDArray[np.int64]
    values: NDArray[np.float64]
    ended: str
    end: int
    start_seen: bool


def collect(samples: dict[int, pl.DataFrame], lives: pl.DataFrame, signal: str) -> list[Life]:
    """Cut a signal into lives."""
    found: list[Life] = []
    for row in lives.iter_rows(named=True):
        frame = samples.get(row["container_id"])
        if frame is None or signal not in frame.columns:
            continue
        start, end = ms(row["start"]), ms(row["end"])
        times = frame["time"].to_physical().to_numpy()
        first, last = np.searchsorted(times, [start, end + 1])
        part = frame[int(first) : int(last)].select("time", signal).drop_nulls()
        if part.height:
            ages = part["time"].to_physical().to_numpy() - start
            values = part[signal].to_numpy().astype(np.float64)
            found.append(Life(ages, values, row["ended"], end, bool(row["start_seen"])))
    return sorted(found, key=lambda life: life.end)


def draw(lives: list[Life], row: dict[str, Any], name: str) -> Markup:
    """Draw lives by age."""
    shown = lives[-SHOWN:]
    end = _reach(shown)
    curves = [_inside(life, end) for life in shown]
    highest = max((float(values.max()) for _, values in curves), default=1.0)
    limit = row["limit_bytes"]
    near = limit is not None and limit <= 2 * highest
    top = max(1.12 * highest, 1.1 * (limit or 0) if near else 0, 1.0)

    def down(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return _BASE - values / top * (_BASE - _TOP)

    def across(ages: NDArray[np.int64]) -> NDArray[np.float64]:
        return _LEFT + ages / max(end, 1) * (_RIGHT - _LEFT)

    newest = _newest(shown)
    drawn: list[Markup] = []
    ends: list[Markup] = []
    taken = layout.Labels(Box(_LEFT, 0, WIDTH, _BASE))
    labels: list[Markup] = []
    if near and limit is not None:
        rule = float(down(np.array([float(limit)]))[0])
        drawn.append(el("line", x1=_LEFT, x2=_RIGHT, y1=f"{rule:.1f}", y2=f"{rule:.1f}", class_="limit"))
        labels.append(text_element(_LEFT + 4, rule - 6, f"limit {text.configured(limit)}", "strong"))
        taken.take(text_box(_LEFT + 4, rule - 6, f"limit {text.configured(limit)}", bold=True))
    for at, (life, (ages, values)) in enumerate(zip(shown, curves, strict=True)):
        x, y = across(ages), down(values)
        drawn.append(el("path", d=path(x, y), class_="life newest" if at == newest else "life"))
        if life.ages[-1] > end:
            continue
        last = (round(float(x[-1]), 1), round(float(y[-1]), 1))
        if life.ended == "oom_kill":
            ends.append(cross(*last, 3.5))
        elif at == newest:
            ends.append(el("circle", cx=last[0], cy=last[1], r=3.5, class_="live"))
    labels += _names(shown, curves, newest, (across, down), taken)
    axis = [
        text_element(_LEFT - 7, float(down(np.array([value]))[0]) + 4, word, "", "end")
        for value, word in zip(*layout.memory_ticks(top), strict=True)
    ]
    return el(
        "svg",
        el("title", f"{text.count(len(lives), 'life', 'lives')} of {name} by age"),
        el("desc", _says(lives, row)),
        *axis,
        *_age_axis(end),
        *drawn,
        *ends,
        *labels,
        class_="rm-chart ages",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{text.count(len(lives), 'life', 'lives')} of {name} by age. {_says(lives, row)}",
    )


def _reach(lives: list[Life]) -> int:
    """How far the axis goes: to the longest life, unless it is much longer than the rest."""
    lengths = sorted(int(life.ages[-1]) for life in lives) or [1]
    usual = lengths[len(lengths) // 2]
    return max(lengths[-1] if lengths[-1] <= _LONGER_THAN_USUAL * usual else 2 * usual, 1)


def _inside(life: Life, end: int) -> Piece:
    kept = max(int(np.searchsorted(life.ages, end, side="right")), 1)
    return thin(life.ages[:kept], life.values[:kept], 0, max(end, 1), _BINS)


def _newest(lives: list[Life]) -> int:
    """Find the running life, else the one that ended last."""
    running = [at for at, life in enumerate(lives) if life.ended == "running"]
    return (running or list(range(len(lives))) or [0])[-1]


def _names(
    lives: list[Life],
    curves: list[Piece],
    newest: int,
    scales: tuple[Scale, Scale],
    taken: layout.Labels,
) -> list[Markup]:
    """Say at the end of the curves how lives ended, once for each way."""
    across, down = scales
    groups: dict[str, list[int]] = {}
    for at, life in enumerate(lives):
        groups.setdefault("running" if at == newest and life.ended == "running" else life.ended, []).append(at)
    found: list[Markup] = []
    for ended in sorted(groups, key=lambda name: (name != "running", name != "oom_kill")):
        members = groups[ended]
        words = _ENDS.get(ended, ended.replace("_", " "))
        written = words if len(members) == 1 else f"{words} ({len(members):,})"
        kind = {"oom_kill": "alarm", "running": "strong"}.get(ended, "")
        places = []
        for at in reversed(members):
            ages, values = curves[at]
            x, y = float(across(ages[-1:])[0]), float(down(values[-1:])[0])
            places += [(x, y - 9, "end"), (x, y + 18, "end"), (x, y - 24, "end"), (x, y + 34, "end")]
        spot = taken.first_free([text_box(x, y, written, anchor, bold=bool(kind)) for x, y, anchor in places])
        if spot is not None:
            x, y, anchor = places[spot]
            found.append(text_element(x, y, written, kind, anchor))
    return found


_ENDS: Final = {
    "running": "running",
    "oom_kill": "OOM kill",
    "restart": "restarted",
    "release": "ended by release",
    "end": "ended",
    "gap": "lost from sight",
}


def _age_axis(end: int) -> list[Markup]:
    unit, size = next((name, size) for name, size, least in _UNITS if end >= least * size)
    share = end / size
    step = next(step for step in _STEPS if share / step <= _MOST_TICKS)
    drawn = [el("line", x1=_LEFT, x2=_RIGHT, y1=_BASE, y2=_BASE, class_="axis")]
    for at in range(int(share / step + 1e-9) + 1):
        x = _LEFT + at * step / share * (_RIGHT - _LEFT)
        drawn.append(el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=_BASE, y2=_BASE + 4, class_="axis"))
        drawn.append(text_element(x, _BASE + 17, f"{at * step:,}", "", "middle"))
    return [*drawn, text_element(_RIGHT, _BASE + 34, f"{unit} since start", "note", "end")]


_STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240, 500, 1000, 2500, 5000, 10_000, 100_000, 10**9)
_MOST_TICKS: Final = 8


def _says(lives: list[Life], row: dict[str, Any]) -> str:
    signal = text.SIGNAL_WORDS.get(row["signal"] or "", "memory")
    kills = sum(life.ended == "oom_kill" for life in lives)
    parts = [f"{signal} by time since start"]
    if kills:
        parts.append(f"{kills:,} ended in an OOM kill")
    peaks = [float(life.values.max()) for life in lives]
    if peaks:
        parts.append(f"peaks {text.memory(min(peaks))} to {text.memory(max(peaks))}")
    if len(lives) > SHOWN:
        parts.append(f"the newest {SHOWN} are drawn")
    said = ", ".join(parts)
    return join(f"{said[:1].upper()}{said[1:]}.")
