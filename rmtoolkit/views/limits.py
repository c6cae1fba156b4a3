"""Charts about limits: the chance of an OOM kill over every limit, and rules beside each other in a backtest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit.views import style
from rmtoolkit.views._plot import Area, Box, Grows, Line, Plot, Scale, chance_ticks, limit_ticks, share_ticks
from rmtoolkit.views._plot_svg import note, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.limits.backtest import Backtest


WIDTH: Final = 720
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BASE = 58, WIDTH - 20, 30, HEIGHT - 46


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart that a notebook shows, and what it shows in words, with its figures."""

    svg: Markup
    says: str

    def __repr__(self) -> str:
        """Say what it shows."""
        return f"<Picture: {text.printable(self.says)}>"

    def _repr_html_(self) -> str:
        return el(
            "div", el("style", style.STYLE), self.svg, class_="rm rm-explanation", style="--rm-verdict:var(--rm-line)"
        )


def risk_curve(risk: pl.DataFrame, points: Sequence[tuple[str, int | None]] = ()) -> Picture:
    """Draw the chance of an OOM kill over the limits tried for one container; `points` are names and limits to mark."""
    known = risk.filter(pl.col("oom_probability").is_not_null()).sort("limit_bytes")
    if not known.height:
        return _nothing("No chance of an OOM kill is known")
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    middle, low, high = (
        known[name].fill_null(0.0).to_numpy()
        for name in ("oom_probability", "oom_probability_low", "oom_probability_high")
    )
    first, last = float(limits[0]), float(limits[-1])
    plot = _plot(first, last, "limit", "chance of an OOM kill in 7 days")
    plot.bottom_axis(limit_ticks(first, last, _RIGHT - _LEFT, 95), "note", marks=False, unit="Mi")
    if known["oom_probability_low"].null_count() == 0:
        plot.add(Area("interval", ((limits, high),), ((limits, low),)))
    plot.add(Line("line", ((limits, middle),)))
    for name, limit in points:
        if limit is not None and first <= limit <= last:
            spot = plot.mark("ink", limit, float(np.interp(limit, limits, middle)))
            plot.name(spot, f"{name} {text.configured(limit)}", "plain")
    says = (
        f"Chance of an OOM kill in 7 days: {text.chance(float(middle[0]))} at {text.memory(first)}, "
        f"{text.chance(float(middle[-1]))} at {text.memory(last)}"
    )
    return Picture(picture(WIDTH, HEIGHT, plot, says=says), says)


def pareto(result: Backtest) -> Picture:
    """Draw the rules of a backtest: how often they killed, against how much they left unused."""
    arms = result.arms.filter(pl.col("slack").is_not_null()).sort("slack")
    if not arms.height:
        return _nothing("No week was scored")
    low, high = max(0.0, float(arms["slack"][0]) - 0.03), min(1.0, float(arms["slack"][-1]) + 0.05)
    plot = _plot(low, high, "of the limit unused on average", "weeks with an OOM kill")
    plot.bottom_axis(share_ticks(low, high), "note", marks=False)
    for family, look in (("rmtoolkit", "line"), ("max", "fit")):
        chosen = arms.filter(pl.col("arm").str.starts_with(family))
        if chosen.height:
            plot.add(Line(look, ((chosen["slack"].to_numpy(), chosen["oom_share"].to_numpy()),)))
    ours = pl.col("arm").str.starts_with("rmtoolkit")
    order = arms.with_columns(ours=ours).sort("ours", descending=True, maintain_order=True)
    marked = [
        (row["arm"], row["ours"], plot.mark("ink" if row["ours"] else "ink-2", row["slack"], row["oom_share"]))
        for row in order.iter_rows(named=True)
    ]
    for name, strong, spot in marked:
        plot.name(spot, name, "strong" if strong else "plain")
    named = [row for row in arms.iter_rows(named=True) if row["arm"] in ("rmtoolkit 5 %", "KRR", "VPA target")]
    says = "; ".join(
        f"{row['arm']}: {100 * row['oom_share']:.1f} % of weeks with an OOM kill, {100 * row['slack']:.1f} % unused"
        for row in named
    )
    return Picture(picture(WIDTH, HEIGHT, plot, says=says), says)


def _plot(low: float, high: float, below: str, beside: str) -> Plot:
    """Make the ground: shares upwards on a scale that grows as a root."""
    across = Scale(low, high, _LEFT, _RIGHT)
    plot = Plot(across, Scale(0, 1, _BASE, _TOP, Grows.AS_ROOT), Box(_LEFT, 0, WIDTH, _BASE))
    plot.left_axis(chance_ticks(), "note", grid=True)
    plot.write((_LEFT + _RIGHT) / 2, HEIGHT - 8, "middle", below)
    plot.write(_LEFT - 50, 14, "start", beside)
    return plot


def _nothing(says: str) -> Picture:
    return Picture(note(WIDTH, 40, says), says)
