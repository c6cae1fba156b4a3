"""How much room a limit leaves over the steady level, over the running peak and over startups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.views._plot import PX, Bar, Box, Plot, Rule, Scale, text_width
from rmtoolkit.views._plot_svg import picture

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Chosen, Scene
    from rmtoolkit.views.markup import Markup

WIDTH: Final = 372
#: A line of words, and the bar below it: words beside bars would run into each other.
_ROW: Final = 44
_BAR: Final = 18
_TOP: Final = 22


def headroom_chart(scene: Scene, chosen: Chosen) -> Markup:
    """Draw levels against the limit: a bar each, with the room above it as a share; negative is above the limit."""
    rows = levels(scene)
    limit = chosen.limit_bytes
    height = _TOP + len(rows) * _ROW
    x = Scale(0, max([limit, *(high for *_, high in rows)]) * 1.06, 0, WIDTH)
    plot = Plot(x, PX, Box(0, 0, WIDTH, height))
    said = []
    for at, (name, look, low, value, high) in enumerate(rows):
        bar = _TOP + (at + 1) * _ROW - _BAR - 4
        middle = bar + _BAR / 2
        written = f"{name} {text.memory(value)}"
        plot.add(Bar(look, 0, value, bar, bar + _BAR), Rule("limit", limit, limit, bar - 2, bar + _BAR + 2))
        if low < high:
            written += f" ({text.memory(low).removesuffix(' Mi')}–{text.memory(high).removesuffix(' Mi')})"
            plot.add(Rule("whisker", low, high, middle, middle))
            plot.add(*(Rule("whisker", end, end, bar + 4, bar + 14) for end in (low, high)))
        room = (limit - high) / limit
        verb = f"{_percent(room)} over {name}" if low == high else f"{_percent(room)} at the worst {name}"
        plot.write(0, bar - 6, "start", written, "plain")
        plot.write(WIDTH, bar - 6, "end", verb, "alarm" if room < 0 else "plain")
        said.append(f"{written}, {verb}")
    word = f"limit {text.configured(limit)}"
    half = text_width(word, bold=True) / 2
    plot.write(min(max(x.at(limit), half), WIDTH - half), 14, "middle", word, "strong")
    says = f"Headroom at {word}: " + ("; ".join(said) if said else "no level is known")
    return picture(WIDTH, height, plot, says=says)


def levels(scene: Scene) -> list[tuple[str, str, float, float, float]]:
    """Find the levels that a limit is held against: name, look, lowest, usual and highest value in bytes."""
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
