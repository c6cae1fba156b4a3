"""Charts about limits: the chance of an OOM kill over every limit, and rules beside each other in a backtest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit.views import layout, notebook_style
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.layout import Box, text_box
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.svg import path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rmtoolkit.limits.backtest import Backtest

WIDTH: Final = 720
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BASE = 58, WIDTH - 20, 30, HEIGHT - 46
_CHANCES: Final = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart that a notebook shows."""

    svg: Markup
    says: str

    def __repr__(self) -> str:
        """Say what it shows."""
        return f"<Picture: {text.printable(self.says)}>"

    def _repr_html_(self) -> str:
        return el(
            "div",
            el("style", notebook_style.STYLE),
            self.svg,
            class_="rm rm-explanation",
            style="--rm-verdict:var(--rm-line)",
        )


def risk_curve(risk: pl.DataFrame, points: Sequence[tuple[str, int | None]] = ()) -> Picture:
    """Draw the chance of an OOM kill in 7 days over the limits that were tried for one workload container."""
    known = risk.filter(pl.col("oom_probability").is_not_null()).sort("limit_bytes")
    if not known.height:
        return Picture(_frame([], "No chance is known."), "No chance of an OOM kill is known")
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    middle, low, high = (
        known[name].fill_null(0.0).to_numpy()
        for name in ("oom_probability", "oom_probability_low", "oom_probability_high")
    )
    across = _scale(limits.min(), limits.max(), _LEFT, _RIGHT)
    drawn: list[Markup | None] = [*_chance_axis(), *_memory_axis(limits.min(), limits.max())]
    if known["oom_probability_low"].null_count() == 0:
        there, back = path(across(limits), _down(high)), path(across(limits[::-1]), _down(low[::-1]))
        drawn.append(el("path", d=f"{there}L{back[1:]}Z", class_="kept", opacity="0.5"))
    drawn.append(el("path", d=path(across(limits), _down(middle)), class_="line"))
    labels = layout.Labels(Box(_LEFT, 0, WIDTH, _BASE))
    for name, limit in points:
        if limit is None or not limits.min() <= limit <= limits.max():
            continue
        x, y = float(across(np.array([float(limit)]))[0]), float(_down(np.interp([limit], limits, middle))[0])
        drawn.append(el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4.5, class_="ink"))
        drawn.append(_label(labels, x, y, f"{name} {text.configured(limit)}"))
    says = (
        f"Chance of an OOM kill in 7 days: {text.chance(float(middle[0]))} at {text.memory(float(limits[0]))}, "
        f"{text.chance(float(middle[-1]))} at {text.memory(float(limits[-1]))}"
    )
    return Picture(_frame(drawn, says, "limit", "chance of an OOM kill in 7 days"), says)


def pareto(result: Backtest) -> Picture:
    """Draw the rules of a backtest: how often they killed, against how much they left unused."""
    arms = result.arms.filter(pl.col("slack").is_not_null()).sort("slack")
    if not arms.height:
        return Picture(_frame([], "No week was scored."), "No week was scored")
    slack, killed = arms["slack"].to_numpy(), arms["oom_share"].to_numpy()
    low, high = max(0.0, float(slack.min()) - 0.03), min(1.0, float(slack.max()) + 0.05)
    across = _scale(low, high, _LEFT, _RIGHT)
    drawn: list[Markup | None] = [*_chance_axis()]
    for tick in np.arange(math.ceil(low * 10), math.floor(high * 10) + 1) / 10:
        x = float(across(np.array([tick]))[0])
        drawn.append(text_element(x, _BASE + 18, f"{100 * tick:.0f} %", "note", "middle"))
    labels = layout.Labels(Box(_LEFT, 0, WIDTH, _BASE))
    families = (("rmtoolkit", "line"), ("max", "fit"))
    for family, kind in families:
        chosen = arms.filter(pl.col("arm").str.starts_with(family))
        if chosen.height:
            line = path(across(chosen["slack"].to_numpy()), _down(chosen["oom_share"].to_numpy()))
            drawn.append(el("path", d=line, class_=kind, fill="none"))
    order = sorted(range(arms.height), key=lambda at: not arms["arm"][at].startswith("rmtoolkit"))
    for at in order:
        x, y = float(across(slack[at : at + 1])[0]), float(_down(killed[at : at + 1])[0])
        ours = arms["arm"][at].startswith("rmtoolkit")
        drawn.append(el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4 if ours else 3, class_="ink" if ours else "ink-2"))
        labels.take(Box(x - 5, y - 5, x + 5, y + 5))
    for at in order:
        x, y = float(across(slack[at : at + 1])[0]), float(_down(killed[at : at + 1])[0])
        drawn.append(_label(labels, x, y, arms["arm"][at], strong=arms["arm"][at].startswith("rmtoolkit")))
    named = [row for row in arms.iter_rows(named=True) if row["arm"] in ("rmtoolkit 5 %", "KRR", "VPA target")]
    says = "; ".join(
        f"{row['arm']}: {100 * row['oom_share']:.1f} % of weeks with an OOM kill, {100 * row['slack']:.1f} % unused"
        for row in named
    )
    return Picture(_frame(drawn, says, "of the limit unused on average", "weeks with an OOM kill"), says)


def _scale(low: float, high: float, left: float, right: float) -> Any:  # noqa: ANN401 - a function of an array
    span = max(high - low, 1e-9)
    return lambda value: left + (value - low) / span * (right - left)


def _down(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn chances into px: square roots, so that 5 % can be read and 0 is there."""
    return np.asarray(_BASE - np.sqrt(np.clip(chance, 0, 1)) * (_BASE - _TOP), dtype=np.float64)


def _chance_axis() -> list[Markup]:
    drawn = []
    for chance in _CHANCES:
        y = float(_down(np.array([chance]))[0])
        drawn.append(
            el("line", x1=_LEFT, x2=_RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid", stroke="var(--rm-line)")
        )
        drawn.append(text_element(_LEFT - 8, y + 4, f"{100 * chance:.0f} %", "note", "end"))
    return drawn


def _memory_axis(low: float, high: float) -> list[Markup]:
    across = _scale(low, high, _LEFT, _RIGHT)
    step = 2.0 ** math.ceil(math.log2(max(high - low, 1) / 6.5))
    first = math.ceil(low / step)
    drawn = []
    for at in range(first, math.floor(high / step) + 1):
        x = float(across(np.array([at * step]))[0])
        drawn.append(text_element(x, _BASE + 18, text.memory(at * step), "note", "middle"))
    return drawn


def _label(labels: layout.Labels, x: float, y: float, written: str, *, strong: bool = False) -> Markup | None:
    places = [(x + 9, y - 7, "start"), (x - 9, y - 7, "end"), (x + 9, y + 15, "start"), (x - 9, y + 15, "end")]
    places += [(x, y - 12, "middle"), (x, y + 22, "middle"), (x + 9, y - 22, "start"), (x - 9, y - 22, "end")]
    found = labels.first_free([text_box(*place[:2], written, place[2], bold=strong) for place in places])
    if found is None:
        return None
    return text_element(*places[found][:2], written, "strong" if strong else "plain", places[found][2])


def _frame(drawn: list[Markup | None], says: str, below: str = "", beside: str = "") -> Markup:
    axis = [
        text_element((_LEFT + _RIGHT) / 2, HEIGHT - 8, below, "", "middle") if below else None,
        text_element(_LEFT - 50, 14, beside, "") if beside else None,
    ]
    return el(
        "svg",
        *axis,
        *drawn,
        class_="rm-chart",
        width=WIDTH,
        height=HEIGHT,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=says,
        style="max-width:100%",
    )
