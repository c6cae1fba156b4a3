"""How much room a limit leaves over the steady level, over the running peak and over startups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.layout import text_width
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Chosen, Scene

WIDTH: Final = 372
#: A line of words, and the bar below it: words beside bars would run into each other.
_ROW: Final = 44
_BAR: Final = 18
_TOP: Final = 22


def headroom_chart(scene: Scene, chosen: Chosen) -> Markup:
    """Draw levels against the limit that was chosen."""
    rows = levels(scene)
    limit = chosen.limit_bytes
    top = max([limit, *(high for *_, high in rows)]) * 1.06
    drawn: list[Markup] = []
    said = []
    for at, (name, colour, low, value, high) in enumerate(rows):
        y = _TOP + at * _ROW
        bar = y + _ROW - _BAR - 4
        drawn.append(el("rect", x=0, y=bar, width=f"{value / top * WIDTH:.1f}", height=_BAR, class_=colour))
        written = f"{name} {text.memory(value)}"
        if low < high:
            written += f" ({text.memory(low).removesuffix(' Mi')}–{text.memory(high).removesuffix(' Mi')})"
        drawn.append(text_element(0, bar - 6, written, "plain"))
        if low < high:
            ends = [value_ / top * WIDTH for value_ in (low, high)]
            middle = bar + _BAR / 2
            whisker = f"M{ends[0]:.1f} {middle}H{ends[1]:.1f}M{ends[0]:.1f} {bar + 4}v10M{ends[1]:.1f} {bar + 4}v10"
            drawn.append(el("path", d=whisker, class_="whisker"))
        room = (limit - high) / limit
        verb = f"{_percent(room)} over {name}" if low == high else f"{_percent(room)} at the worst {name}"
        drawn.append(text_element(WIDTH, bar - 6, verb, "alarm" if room < 0 else "plain", "end"))
        x = limit / top * WIDTH
        drawn.append(el("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=bar - 2, y2=bar + _BAR + 2, class_="limit"))
        said.append(f"{written}, {verb}")
    x = limit / top * WIDTH
    height = _TOP + len(rows) * _ROW
    word = f"limit {text.configured(limit)}"
    half = text_width(word, bold=True) / 2
    drawn.append(text_element(min(max(x, half), WIDTH - half), 14, word, "strong", "middle"))
    return el(
        "svg",
        *drawn,
        class_="rm-chart",
        width=WIDTH,
        height=height,
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=f"Headroom at {word}: " + ("; ".join(said) if said else "no level is known"),
        style="max-width:100%",
    )


def levels(scene: Scene) -> list[tuple[str, str, float, float, float]]:
    """Find the levels that a limit is held against."""
    found = scene.found
    rows = []
    if found.settled_bytes is not None:
        rows.append(("steady", "live", *(found.settled_bytes,) * 3))
    if found.running_bytes is not None:
        rows.append(("running peak", "whole", *(found.running_bytes,) * 3))
    if found.startups.size:
        low, high = float(found.startups.min()), float(found.startups.max())
        rows.append(("startup", "kept", low, float(np.median(found.startups)), high))
    return rows


def _percent(room: float) -> str:
    return f"{100 * room:.0f} %".replace("-0 %", "0 %").replace("-", "−")
