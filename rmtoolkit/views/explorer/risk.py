"""The chance of an OOM kill over every limit, with the limit that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmtoolkit import text
from rmtoolkit.views._plot import Area, Grows, Line, chance_ticks, text_box
from rmtoolkit.views.explorer.points import Named, limit_plot, named, picture

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Chosen, Scene
    from rmtoolkit.views.markup import Markup


def risk_chart(scene: Scene, chosen: Chosen) -> Markup:
    """Draw the chance of at least one OOM kill within 7 days at every limit; the band is the 80 % interval."""
    plot = limit_plot(scene, 1.0, Grows.AS_ROOT)
    plot.left_axis(chance_ticks())
    known = scene.curve.drop_nulls("oom_probability")
    if not known.height:
        return picture(
            plot, f"Chance of an OOM kill in 7 days: unknown. {chosen.because}", "unknown: the history is too short"
        )
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    if known["oom_probability_low"].null_count() == 0:
        low, high = (known[f"oom_probability_{side}"].to_numpy() for side in ("low", "high"))
        plot.add(Area("interval", ((limits, high),), ((limits, low),)))
    target = plot.rule("request", scene.target)
    written = f"target {text.share(scene.target)}"
    plot.take(text_box(plot.x.first + 6, target - 5, written))
    plot.write(plot.x.first + 6, target - 5, "start", written, "note")
    plot.add(Line("curve", ((limits, known["oom_probability"].to_numpy()),)))
    named_here = [(point, chance) for point, chance in _at(scene) if point.limit_bytes != chosen.limit_bytes]
    inside = [(point, chance) for point, chance in named_here if scene.low <= point.limit_bytes <= scene.high]
    places = [(point, plot.mark(point.look, point.limit_bytes, chance), chance) for point, chance in inside]
    if chosen.chance is not None:
        spot = plot.mark("ink", chosen.limit_bytes, chosen.chance)
        shown = f"{text.configured(chosen.limit_bytes)}: {text.chance(chosen.chance)}{between(chosen)}"
        plot.name(spot, shown, "strong")
    for point, spot, chance in sorted(places, key=lambda place: place[0].name != "ours"):
        ours = point.name == "ours"
        figure = f": {text.chance(chance)}" if ours else ""
        shown = f"{point.name} {text.memory(point.limit_bytes).removesuffix(' Mi')}{figure}"
        plot.name(spot, shown, "ours" if ours else "")
    return picture(plot, _said(scene, chosen))


def between(chosen: Chosen) -> str:
    """Write the interval of a chance, in brackets; empty where it is not known."""
    if chosen.low is None or chosen.high is None:
        return ""
    low, high = text.chance(chosen.low), text.chance(chosen.high)
    return f" ({low.removesuffix(' %')}–{high})"


def _said(scene: Scene, chosen: Chosen) -> str:
    what = "that the growth reaches the limit" if scene.growing else "of an OOM kill"
    at = text.configured(chosen.limit_bytes)
    parts = [
        f"Chance {what} in 7 days at {at}: {text.chance(chosen.chance)}{between(chosen)}",
        *(f"{point.name} {text.configured(point.limit_bytes)}: {text.chance(chance)}" for point, chance in _at(scene)),
        f"target {text.share(scene.target)}",
    ]
    return "; ".join(parts)


def _at(scene: Scene) -> list[tuple[Named, float]]:
    """Give the chance at named limits."""
    points = ((point, scene.at(point.limit_bytes).risk.week) for point in named(scene))
    return [(point, chance) for point, chance in points if chance is not None]
