"""The chance of an OOM kill over every limit, with the limit that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.explorer.plot import LEFT, RIGHT, Plot
from rmtoolkit.views.explorer.points import Named, named
from rmtoolkit.views.layout import text_box
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.svg import path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.limits.explore import Chosen, Scene

_CHANCES: Final = (
    (0.0, "0 %"),
    (0.01, "1 %"),
    (0.05, "5 %"),
    (0.1, "10 %"),
    (0.25, "25 %"),
    (0.5, "50 %"),
    (1.0, "100 %"),
)


def risk_chart(scene: Scene, chosen: Chosen) -> Markup:
    """Draw the chance of at least one OOM kill within 7 days at every limit."""
    plot = Plot(scene, lambda chance: np.sqrt(np.clip(chance, 0, 1)))
    for value, written in _CHANCES:
        plot.tick(value, written)
    known = scene.risk.drop_nulls("oom_probability")
    if not known.height:
        plot.axis()
        plot.add(text_element((LEFT + RIGHT) / 2, 110, "unknown: the history is too short", "", "middle"))
        return plot.svg(f"Chance of an OOM kill in 7 days: unknown. {chosen.because}")
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    middle = known["oom_probability"].to_numpy()
    if known["oom_probability_low"].null_count() == 0:
        low, high = (known[f"oom_probability_{side}"].to_numpy() for side in ("low", "high"))
        there, back = path(plot.x(limits), plot.y(high)), path(plot.x(limits[::-1]), plot.y(low[::-1]))
        plot.add(el("path", d=f"{there}L{back[1:]}Z", class_="band"))
    target = float(plot.y(scene.target))
    plot.add(el("line", x1=LEFT, x2=RIGHT, y1=f"{target:.1f}", y2=f"{target:.1f}", class_="request"))
    written = f"target {text.share(scene.target)}"
    plot.labels.take(text_box(LEFT + 6, target - 5, written))
    plot.add(text_element(LEFT + 6, target - 5, written, "note"))
    plot.add(el("path", d=path(plot.x(limits), plot.y(middle)), class_="curve"))
    plot.axis()
    _points(plot, scene, chosen, limits, middle)
    return plot.svg(_said(scene, chosen))


def _points(plot: Plot, scene: Scene, chosen: Chosen, limits: NDArray[np.float64], middle: NDArray[np.float64]) -> None:
    points = [
        (point, _exact(scene, point, float(np.interp(point.limit_bytes, limits, middle))))
        for point in named(scene)
        if point.limit_bytes != chosen.limit_bytes and scene.low <= point.limit_bytes <= scene.high
    ]
    places = [(point, *plot.point(point.limit_bytes, chance, point.kind), chance) for point, chance in points]
    if chosen.chance is not None:
        x, y = plot.point(chosen.limit_bytes, chosen.chance, "chosen")
        plot.label(
            x, y, f"{text.configured(chosen.limit_bytes)}: {text.chance(chosen.chance)}{between(chosen)}", "strong"
        )
    for point, x, y, chance in sorted(places, key=lambda place: place[0].kind == "other"):
        figure = f": {text.chance(chance)}" if point.kind == "ours" else ""
        written = f"{point.name} {text.memory(point.limit_bytes).removesuffix(' Mi')}{figure}"
        plot.label(x, y, written, "ours" if point.kind == "ours" else "")


def between(chosen: Chosen) -> str:
    """Write the interval of a chance, in brackets."""
    if chosen.low is None or chosen.high is None:
        return ""
    low, high = text.chance(chosen.low), text.chance(chosen.high)
    return f" ({low.removesuffix(' %')}–{high})"


def _said(scene: Scene, chosen: Chosen) -> str:
    what = "that the growth reaches the limit" if scene.growing else "of an OOM kill"
    at = text.configured(chosen.limit_bytes)
    parts = [
        f"Chance {what} in 7 days at {at}: {text.chance(chosen.chance)}{between(chosen)}",
        *(
            f"{point.name} {text.configured(point.limit_bytes)}: {text.chance(float(chance))}"
            for point, chance in _at(scene)
        ),
        f"target {text.share(scene.target)}",
    ]
    return "; ".join(parts)


def _at(scene: Scene) -> list[tuple[Named, float]]:
    known = scene.risk.drop_nulls("oom_probability")
    limits, chances = known["limit_bytes"].to_numpy(), known["oom_probability"].to_numpy()
    return [
        (point, _exact(scene, point, float(np.interp(point.limit_bytes, limits, chances)))) for point in named(scene)
    ]


def _exact(scene: Scene, point: Named, between_tried: float) -> float:
    """Take the chance at our limit as it was counted; others lie near enough to limits that were tried."""
    counted: float | None = scene.ours["oom_probability"]
    return counted if point.kind == "ours" and counted is not None else between_tried
