"""What a month costs at every limit: memory that is set aside, and the incidents that are to be expected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views._plot import Area, Box, Line, money_step, money_ticks, text_width
from rmtoolkit.views.explorer.points import Named, limit_plot, named, picture

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Chosen, Scene
    from rmtoolkit.views._plot import Floats, Plot
    from rmtoolkit.views.markup import Markup

#: px of a line of text.
_LINE: Final = 18


def amount(value: float | None, currency: str) -> str:
    """Write a price: two significant digits below 10, else whole."""
    if value is None:
        return text.UNKNOWN
    shown = text.number(value, 2) if value < 10 else f"{value:,.0f}"  # noqa: PLR2004
    return f"{shown} {text.printable(currency)}"


def cost_chart(scene: Scene, chosen: Chosen, currency: str) -> Markup:
    """Draw what a month costs at every limit: memory below, incidents above."""
    known = scene.curve.drop_nulls("memory")
    totals = known["total"].drop_nulls()
    prices = _at(scene)
    top = _top(chosen, [float(value) for value in (totals if totals.len() else known["memory"])] or [1.0], prices)
    plot = limit_plot(scene, top)
    plot.left_axis(money_ticks(top))
    if not known.height:
        return picture(plot, "Cost a month: unknown, no request is known", "unknown: no request is known")
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    memory = np.minimum(known["memory"].to_numpy(), top)
    total = np.minimum(known["total"].fill_null(float("nan")).to_numpy(), top)
    seen = ~np.isnan(total)
    plot.add(Area("cache", ((limits, memory),)))
    if seen.any():
        whole = ((limits[seen], total[seen]),)
        plot.add(Area("incidents", whole, ((limits, memory),)), Line("line", whole))
    _points(plot, chosen, prices, currency)
    edges = plot.y.of(memory), plot.y.of(np.where(seen, total, memory)), np.full(limits.size, plot.y.first)
    _name(plot, "expected incidents", "alarm-word", plot.x.of(limits), edges[1], edges[0])
    _name(plot, "memory", "plain", plot.x.of(limits), edges[0], edges[2])
    return picture(plot, _said(chosen, prices, currency))


def _at(scene: Scene) -> list[tuple[Named, float]]:
    points = ((point, scene.at(point.limit_bytes).total_per_month) for point in named(scene))
    return [(point, price) for point, price in points if price is not None]


def _points(plot: Plot, chosen: Chosen, prices: list[tuple[Named, float]], currency: str) -> None:
    places = []
    if chosen.total is not None:
        said = f"{text.configured(chosen.limit_bytes)}: {amount(chosen.total, currency)}"
        places.append((chosen.limit_bytes, chosen.total, "ink", said, "strong"))
    for point, price in prices:
        if point.name == "ours" and point.limit_bytes != chosen.limit_bytes:
            places.append((point.limit_bytes, price, "ours", f"ours {amount(price, currency)}", "ours"))
    spots = [plot.mark(look, limit, price) for limit, price, look, *_ in places]
    for spot, (*_, said, kind) in zip(spots, places, strict=True):
        plot.name(spot, said, kind)


def _name(plot: Plot, written: str, kind: str, across: Floats, top: Floats, under: Floats) -> None:
    """Name an area where it is thick enough."""
    half = text_width(written) / 2 + 4
    for at in np.argsort(top - under, kind="stable")[:40]:
        if under[at] - top[at] < _LINE:
            return
        y = float(top[at] + under[at]) / 2 + 4
        place = min(max(float(across[at]), plot.x.first + half), plot.x.last - half)
        near = np.abs(across - place) < half
        if (top[near] > y - 11).any() or (under[near] < y + 3).any():
            continue
        if plot.free([Box(place - half, y - 11, place + half, y + 4)]) is not None:
            plot.write(place, y, "middle", written, kind)
            return


def _top(chosen: Chosen, totals: list[float], prices: list[tuple[Named, float]]) -> float:
    """Let the axis end above what is of interest: certain kills would flatten the rest."""
    shown = [chosen.total or 0.0, *(price for _, price in prices)]
    wanted = max(1.6 * min(totals), 1.25 * max(shown), 1e-9)
    top = min(wanted, max(1.1 * max(totals), 1e-9))
    step = money_step(top)
    return math.ceil(top / step) * step


def _said(chosen: Chosen, prices: list[tuple[Named, float]], currency: str) -> str:
    parts = [
        f"Cost a month at {text.configured(chosen.limit_bytes)}: {amount(chosen.total, currency)}, of which memory "
        f"{amount(chosen.memory, currency)}, expected incidents {amount(chosen.incidents, currency)}"
    ]
    parts += [
        f"{point.name} {text.configured(point.limit_bytes)}: {amount(price, currency)}" for point, price in prices
    ]
    return "; ".join(parts)
