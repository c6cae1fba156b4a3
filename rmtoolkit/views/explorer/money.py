"""What a month costs at every limit: memory that is set aside, and the incidents that are to be expected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rmtoolkit import text
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.explorer.plot import BASE, LEFT, RIGHT, Plot
from rmtoolkit.views.explorer.points import named
from rmtoolkit.views.layout import Box, text_width
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.svg import path

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Chosen, Scene


def amount(value: float | None, currency: str) -> str:
    """Write a price."""
    if value is None:
        return text.UNKNOWN
    shown = text.number(value, 2) if value < 10 else f"{value:,.0f}"  # noqa: PLR2004
    return f"{shown} {text.printable(currency)}"


def cost_chart(scene: Scene, chosen: Chosen, currency: str) -> Markup:
    """Draw what a month costs at every limit."""
    known = scene.costs.drop_nulls("memory")
    totals = known["total"].drop_nulls()
    top = _top(scene, chosen, [float(value) for value in totals] or [float(v) for v in known["memory"]] or [1.0])
    plot = Plot(scene, lambda value: np.clip(value / top, 0, 1))
    step = _step(top)
    last = int(top / step + 1e-9)
    for at in range(last + 1):
        plot.tick(at * step, text.number(at * step, 3) if at else "0")
    if not known.height:
        plot.axis()
        plot.add(text_element((LEFT + RIGHT) / 2, 110, "unknown: no request is known", "", "middle"))
        return plot.svg("Cost a month: unknown, no request is known")
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    memory = known["memory"].to_numpy()
    x = plot.x(limits)
    ground = f"V{BASE}H{float(x[0]):.1f}Z"
    total = known["total"].fill_null(float("nan")).to_numpy()
    line = ""
    if totals.len():
        seen = ~np.isnan(total)
        line = path(x[seen], plot.y(total[seen]))
        plot.add(el("path", d=f"{line}V{BASE}H{float(x[seen][0]):.1f}Z", class_="incidents"))
    plot.add(el("path", d=f"{path(x, plot.y(memory))}{ground}", class_="area cache"))
    if line:
        plot.add(el("path", d=line, class_="line"))
    plot.axis()
    _points(plot, scene, chosen, limits, total, currency)
    _names(plot, x, plot.y(memory), plot.y(np.where(np.isnan(total), memory, total)))
    return plot.svg(_said(scene, chosen, currency))


def _points(plot: Plot, scene: Scene, chosen: Chosen, limits: object, total: object, currency: str) -> None:
    ours = scene.ours_bytes
    places = []
    if ours is not None and ours != chosen.limit_bytes:
        value = float(np.interp(ours, limits, total))  # type: ignore[call-overload]
        if not math.isnan(value):
            places.append((*plot.point(ours, value, "ours"), f"ours {amount(value, currency)}", "ours"))
    if chosen.total is not None:
        said = f"{text.configured(chosen.limit_bytes)}: {amount(chosen.total, currency)}"
        places.insert(0, (*plot.point(chosen.limit_bytes, chosen.total, "chosen"), said, "strong"))
    for x, y, written, kind in places:
        plot.label(x, y, written, kind)


def _names(plot: Plot, x: object, memory: object, total: object) -> None:
    """Name both areas where they are thick enough."""
    across, low, high = np.asarray(x), np.asarray(memory), np.asarray(total)
    for written, kind, top, base in (("expected incidents", "alarm-word", high, low), ("memory", "plain", low, None)):
        under = np.full(across.size, float(BASE)) if base is None else base
        for at in np.argsort(-(under - top), kind="stable")[:40]:
            thick = float(under[at] - top[at])
            if thick < 18:  # noqa: PLR2004 - px of a line of text
                break
            y = float(top[at] + thick / 2 + 4)
            half = text_width(written) / 2 + 4
            place = min(max(float(across[at]), LEFT + half), RIGHT - half)
            near = np.abs(across - place) < half
            if (top[near] > y - 11).any() or (under[near] < y + 3).any():
                continue
            if plot.labels.first_free([Box(place - half, y - 11, place + half, y + 4)]) is not None:
                plot.add(text_element(place, y, written, kind, "middle"))
                break


def _top(scene: Scene, chosen: Chosen, totals: list[float]) -> float:
    """Let the axis end above what is of interest: certain kills would flatten the rest."""
    shown = [chosen.total or 0.0]
    known = scene.costs.drop_nulls("total")
    if known.height:
        limits, values = known["limit_bytes"].to_numpy(), known["total"].to_numpy()
        shown += [float(np.interp(point.limit_bytes, limits, values)) for point in named(scene)]
    wanted = max(1.6 * min(totals), 1.25 * max(shown), 1e-9)
    top = min(wanted, max(1.1 * max(totals), 1e-9))
    step = _step(top)
    return math.ceil(top / step) * step


def _step(top: float) -> float:
    """Choose a round step of which four or so fit."""
    size = 10.0 ** math.floor(math.log10(top / 4))
    return next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= top / 4.5)


def _said(scene: Scene, chosen: Chosen, currency: str) -> str:
    parts = [
        f"Cost a month at {text.configured(chosen.limit_bytes)}: {amount(chosen.total, currency)}, of which memory "
        f"{amount(chosen.memory, currency)}, expected incidents {amount(chosen.incidents, currency)}"
    ]
    known = scene.costs.drop_nulls("total")
    if known.height:
        limits, values = known["limit_bytes"].to_numpy(), known["total"].to_numpy()
        parts += [
            f"{point.name} {text.configured(point.limit_bytes)}: "
            f"{amount(float(np.interp(point.limit_bytes, limits, values)), currency)}"
            for point in named(scene)
        ]
    return "; ".join(parts)
