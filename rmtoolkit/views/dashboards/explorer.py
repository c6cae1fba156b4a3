"""`rm.LimitExplorer`: what would another limit, startup or load do?"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ipywidgets
import numpy as np
import polars as pl
import traitlets

from rmtoolkit import text
from rmtoolkit._html import Markup, el, join
from rmtoolkit._parallel import as_source
from rmtoolkit.analysis.judge import Judgement
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import explore
from rmtoolkit.limits.cost import requested
from rmtoolkit.limits.explore import Chosen, Scene, choose, scene
from rmtoolkit.limits.history import as_need
from rmtoolkit.limits.patches import Resources, documents, fragment, obstacle
from rmtoolkit.limits.recommend import Prices, advise, gather, of_gathered, qos
from rmtoolkit.limits.risk import as_margins
from rmtoolkit.limits.what_if import TOUCHED_STACK_BYTES, Past, of_workload
from rmtoolkit.recording import Recording
from rmtoolkit.views import _plot_svg, summary
from rmtoolkit.views._plot import (
    PX,
    Area,
    Bar,
    Box,
    Grows,
    Line,
    Piece,
    Plot,
    Point,
    Rule,
    Scale,
    Shape,
    chance_ticks,
    limit_ticks,
    memory_ticks,
    money_step,
    money_ticks,
    stretches,
    text_box,
    text_width,
    thin,
    time_ticks,
)
from rmtoolkit.views._plot_svg import picture as plot_svg_picture
from rmtoolkit.views.dashboards import _base
from rmtoolkit.views.dashboards._base import Board, Page, Wiring
from rmtoolkit.views.style import EXPLORER

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from rmtoolkit._parallel import Source
    from rmtoolkit.limits.history import Need
    from rmtoolkit.limits.risk import Margins
    from rmtoolkit.views._plot import Floats, Place


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
    return plot_svg_picture(WIDTH, height, plot, says=says)


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


HEIGHT: Final = 236
_LEFT, _RIGHT, _TOP_POINTS, _BASE = 44, WIDTH - 10, 14, HEIGHT - 30
#: px between two marks at the least, and of the unit behind the last number.
_APART: Final = 44
_UNIT: Final = 22


class Named(NamedTuple):
    """A limit with a name."""

    name: str
    limit_bytes: int
    look: str


def named(scene: Scene) -> list[Named]:
    """List the limits that have a name and are known; what grows has none of ours."""
    need = scene.found.need
    rows = (
        ("now", need.limit_bytes, "other"),
        ("ours", scene.ours_bytes, "ours"),
        ("VPA", need.vpa_target_bytes, "other"),
        ("KRR", need.krr_limit_bytes, "other"),
    )
    return [Named(name, limit, look) for name, limit, look in rows if limit]


def limit_plot(scene: Scene, top: float, grows: Grows = Grows.EVENLY) -> Plot:
    """Make a plot whose x is the limit, with its axis, and whose y ends at `top`."""
    across = Scale(scene.low, scene.high, _LEFT, _RIGHT, Grows.AS_LOG if scene.wide else Grows.EVENLY)
    plot = Plot(across, Scale(0, top, _BASE, _TOP_POINTS, grows), Box(_LEFT, 0, WIDTH, _BASE))
    ticks = limit_ticks(scene.low, scene.high, _RIGHT - _LEFT, _APART, doubled=scene.wide)
    plot.bottom_axis(ticks, right=WIDTH - _UNIT, unit="Mi")
    return plot


def picture(plot: Plot, says: str, instead: str = "") -> Markup:
    """Draw the plot, with a sentence `instead` of a curve where there is none."""
    if instead:
        plot.write((_LEFT + _RIGHT) / 2, 110, "middle", instead)
    return _plot_svg.picture(WIDTH, HEIGHT, plot, says=says)


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


WIDTH_REPLAYED: Final = 768
HEIGHT_REPLAYED: Final = 232
LEFT: Final = 44
RIGHT: Final = WIDTH_REPLAYED - 8
TOP: Final = 22
BASE: Final = HEIGHT_REPLAYED - 28
_BINS: Final = 390
#: A limit more than this many times above everything else would flatten the curve: it is named at the top instead.
_FAR: Final = 3.0
#: Kills that are drawn, that are named, and that are listed in words.
_DRAWN: Final = 400
_NAMED_REPLAYED: Final = 6
_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class Ground:
    """What does not depend on the limit: the pod that is drawn, its past, and the same as it was recorded."""

    pod: int
    start: int
    end: int
    pieces: tuple[Piece, ...]
    #: Empty where nothing was changed.
    before: tuple[Piece, ...]
    content_bytes: float


def ground(scene: Scene) -> Ground | None:
    """Prepare the pod that goes highest; None where nothing was recorded."""
    past, found = scene.past, scene.found
    if not past.times.size:
        return None
    low = int(past.first[found.pod])
    high = int(past.first[found.pod + 1]) if found.pod + 1 < past.first.size else past.times.size
    times, life = past.times[low:high], past.life[low:high]
    used, recorded = found.used[low:high], past.used[low:high]
    start, end = int(past.times.min()), int(past.times.max())

    def pieces(values: NDArray[np.float64]) -> tuple[Piece, ...]:
        runs = stretches(times, life)
        return tuple(thin(times[at:to], values[at:to], start, max(end, start + 1), _BINS) for at, to in runs)

    before = () if scene.change.nothing else pieces(recorded)
    content = float(max(used.max(), recorded.max(), 1.0))
    return Ground(found.pod, start, max(end, start + 1), pieces(used), before, content)


def replay_chart(scene: Scene, chosen: Chosen, base: Ground) -> Markup:
    """Draw the recorded past with a limit; a cross is a kill."""
    limit, ours = chosen.limit_bytes, scene.ours_bytes
    far = _FAR * base.content_bytes
    shown = [] if limit > far else [limit]
    if ours is not None and ours != limit and ours <= far:
        shown.append(ours)
    top = max(1.1 * base.content_bytes, *(1.12 * value for value in shown), 1.0)
    across = Scale(base.start, base.end, LEFT, RIGHT)
    plot = Plot(across, Scale(0, top, BASE, TOP), Box(LEFT, 0, WIDTH_REPLAYED, BASE))
    plot.left_axis(memory_ticks(top))
    plot.bottom_axis(time_ticks(base.start, base.end, RIGHT - LEFT), right=WIDTH_REPLAYED)
    plot.add(Area("whole", base.pieces), Line("recorded", base.before), Line("line", base.pieces))
    written = f"limit {text.configured(limit)}"
    if limit in shown:
        y = plot.rule("limit", limit)
        plot.label([(LEFT + 4, y - 6, "start"), (LEFT + 4, y + 16, "start")], written, "strong")
    else:
        plot.label([(LEFT + 4, 12, "start")], f"{written}, above this scale", "strong")
    if ours is not None and ours in shown and ours != limit:
        y = plot.rule("ours-rule", ours)
        places: list[Place] = [(LEFT + 4, y - 6, "start"), (RIGHT - 4, y - 6, "end"), (RIGHT - 4, y + 16, "end")]
        plot.label(places, f"ours {text.configured(ours)}", "ours")
    _kills(plot, chosen, base, limit if limit in shown else top)
    _level(plot, scene)
    return plot_svg_picture(WIDTH_REPLAYED, HEIGHT_REPLAYED, plot, says=replay_words(scene, chosen))


def _kills(plot: Plot, chosen: Chosen, base: Ground, height: float) -> None:
    mine = chosen.kills.filter(chosen.kills["pod"] == base.pod).select("time", "used_bytes").head(_DRAWN).rows()
    y = plot.y.at(height)
    for time, _ in mine:
        x = plot.x.at(time)
        plot.add(Point("kill", time, height, Shape.CROSS, 5))
        plot.take(Box(x - 6, y - 6, x + 6, y + 6))
    for time, used in sorted(mine, key=lambda kill: -kill[1])[:_NAMED_REPLAYED]:
        x = plot.x.at(time)
        places: list[Place] = [(x + 9, y - 7, "start"), (x - 9, y - 7, "end")]
        places += [(x + 9, y + 17, "start"), (x - 9, y + 17, "end")]
        plot.label(places, f"killed, needed {text.memory(used)}", "alarm")


def _level(plot: Plot, scene: Scene) -> None:
    level = scene.found.settled_bytes
    if level is None or level > plot.y.high:
        return
    y = plot.y.at(level)
    places: list[Place] = [(RIGHT - 8, y - 16, "end"), (RIGHT - 8, y + 24, "end")]
    places += [(RIGHT - 160, y - 20, "end"), (LEFT + 60, y - 20, "start")]
    plot.label(places, f"settled {text.memory(level)}")


def replay_words(scene: Scene, chosen: Chosen) -> str:
    """Say how many kills there would have been, and when."""
    kills = chosen.kills
    said = f"Recorded past at a limit of {text.configured(chosen.limit_bytes)}: {text.count(kills.height, 'OOM kill')}"
    if kills.height:
        starting = int(kills["starting"].sum())
        said += f", {starting:,} while starting"
        first = kills.sort("time").head(_LISTED)
        times = [dt.datetime.fromtimestamp(time / 1000, tz=dt.UTC) for time in first["time"]]
        said += ": " + ", ".join(text.moment(time) for time in times)
        said += f" and {kills.height - _LISTED:,} more" if kills.height > _LISTED else ""
        said += f" UTC; the highest needed {text.memory(_highest(kills['used_bytes'].max()))}"
    return f"{said}. The highest use was {text.memory(scene.found.need.peak_bytes)}."


def _highest(value: Any) -> float:  # noqa: ANN401 - polars gives a literal
    return float(value) if value is not None else math.nan


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
    named_here = [(point, chance) for point, chance in _at_risk(scene) if point.limit_bytes != chosen.limit_bytes]
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
    return picture(plot, _said_risk(scene, chosen))


def between(chosen: Chosen) -> str:
    """Write the interval of a chance, in brackets; empty where it is not known."""
    if chosen.low is None or chosen.high is None:
        return ""
    low, high = text.chance(chosen.low), text.chance(chosen.high)
    return f" ({low.removesuffix(' %')}–{high})"


def _said_risk(scene: Scene, chosen: Chosen) -> str:
    what = "that the growth reaches the limit" if scene.growing else "of an OOM kill"
    at = text.configured(chosen.limit_bytes)
    parts = [
        f"Chance {what} in 7 days at {at}: {text.chance(chosen.chance)}{between(chosen)}",
        *(
            f"{point.name} {text.configured(point.limit_bytes)}: {text.chance(chance)}"
            for point, chance in _at_risk(scene)
        ),
        f"target {text.share(scene.target)}",
    ]
    return "; ".join(parts)


def _at_risk(scene: Scene) -> list[tuple[Named, float]]:
    """Give the chance at named limits."""
    points = ((point, scene.at(point.limit_bytes).risk.week) for point in named(scene))
    return [(point, chance) for point, chance in points if chance is not None]


#: A total this much smaller is worth a sentence.
_CHEAPER: Final = 0.9
#: Above this share of the startups, startup is what matters.
_STARTUP_LEADS: Final = 1.05


def answer(scene: Scene, chosen: Chosen, name: str, ours: Chosen | None, currency: str) -> Markup:
    """Say what the limit that was chosen means, and what ours would."""
    return join(
        el("p", _which(scene, chosen), class_="rm-at"),
        el("p", *(_unbroken(part) for part in _headline(scene, chosen, name, ours)), class_="headline"),
        el("p", _because(scene, chosen, ours, currency), class_="reason"),
    )


def _unbroken(part: Markup | str) -> Markup | str:
    """Keep numbers and their units together."""
    return type(part)(re.sub(r"(\d) (Mi|GiB|%|h|d)(?!\w)", "\\1\u00a0\\2", part))


def _which(scene: Scene, chosen: Chosen) -> str:
    words = {
        "now": "the limit now",
        "ours": "our recommendation",
        "VPA": "what VPA would set",
        "KRR": "what KRR would set",
    }
    same = [words[point.name] for point in named(scene) if point.limit_bytes == chosen.limit_bytes]
    return f"At {text.configured(chosen.limit_bytes)}" + (f", {' and '.join(same)}" if same else "")


def _headline(scene: Scene, chosen: Chosen, name: str, ours: Chosen | None) -> list[Markup | str]:
    if scene.growing:
        return _of_growth(scene, chosen, name)
    if chosen.chance is None:
        return [f"The chance of an OOM kill at {text.configured(chosen.limit_bytes)} is unknown."]
    floor = "At most " if not chosen.certified and not chosen.kills.height else ""
    first = f"{floor}{text.chance(chosen.chance)} chance of an OOM kill in the next 7 days"
    if ours is None or ours.chance is None:
        return [f"{first}."]
    if ours.limit_bytes == chosen.limit_bytes:
        side = "within" if chosen.chance <= scene.target else "above"
        return [f"{first}, {side} the {text.share(scene.target)} target."]
    verb = "brings it to" if ours.limit_bytes > chosen.limit_bytes else "would do:"
    second = f"{text.configured(ours.limit_bytes)} {verb} {text.chance(ours.chance)}."
    return [f"{first}. ", el("span", second, class_="rm-ours")]


def _of_growth(scene: Scene, chosen: Chosen, name: str) -> list[Markup | str]:
    need = scene.found.need
    rate = need.growth_bytes_per_day
    grows = "leaks" if need.verdict == "leak" else "may leak"
    first = f"{text.printable(name)} {grows} {text.rate(rate)}. " if rate else f"{text.printable(name)} {grows}. "
    now = need.limit_bytes
    limit = text.configured(chosen.limit_bytes)
    if chosen.days is None:
        return [first, "No limit holds for long."]
    if now is not None and chosen.limit_bytes == now:
        return [first, f"At {limit}, the chance that it gets there in 7 days is {text.chance(chosen.chance)}."]
    if chosen.days <= 0:
        return [first, f"{limit} is below " + ("the limit now." if now is not None else "what it used already.")]
    span = text.hours_range(
        None if chosen.days_low is None else 24 * chosen.days_low,
        None if chosen.days_high is None else 24 * chosen.days_high,
    )
    between = f" ({span})" if span else ""
    raised = "Raising the limit to" if now is not None else "A limit of"
    return [
        first,
        el("span", f"{raised} {limit} buys {text.hours(24 * chosen.days)}{between}, not a cure.", class_="rm-ours"),
    ]


def _because(scene: Scene, chosen: Chosen, ours: Chosen | None, currency: str) -> str:
    parts = _startups(scene, chosen)
    if scene.growing:
        parts.append("No limit is recommended: fix the growth first.")
    elif not chosen.certified and chosen.because:
        parts.append(f"{chosen.because[:1].upper()}{chosen.because[1:]}.")
    if ours is None and not scene.growing and scene.ours.reason:
        parts.append(text.printable(scene.ours.reason))
    parts += _money(chosen, ours, scene, currency)
    return " ".join(parts)


def _startups(scene: Scene, chosen: Chosen) -> list[str]:
    """Say whether startups or the steady load are what matters."""
    starts, running = scene.found.startups, scene.found.running_bytes
    if not starts.size or (running is not None and float(starts.max()) <= _STARTUP_LEADS * running):
        need = scene.found.need
        where = f" in pod {text.printable(need.peak_pod)}" if need.peak_pod else ""
        said = f"The highest use was {text.memory(need.peak_bytes)}{where}"
        return [f"{said}, while running: no start needed much more." if starts.size else f"{said}."]
    above = int((starts > chosen.limit_bytes).sum())
    of_all = (
        f"of {text.count(int(starts.size), 'recorded start')} needed more than {text.configured(chosen.limit_bytes)}"
    )
    counted = f"{above:,} {of_all}" if above else f"none {of_all}, the highest {text.memory(float(starts.max()))}"
    return [f"Startup sets the peak, not steady load: {counted}."]


def _money(chosen: Chosen, ours: Chosen | None, scene: Scene, currency: str) -> list[str]:
    if ours is None or ours.total is None or chosen.total is None or ours.limit_bytes == chosen.limit_bytes:
        return []
    if ours.total > _CHEAPER * chosen.total:
        return []
    also = " also" if ours.chance is not None and chosen.chance is not None and ours.chance < chosen.chance else ""
    pods = text.count(scene.found.need.pods_now, "pod")
    return [
        f"With incidents counted, {text.configured(ours.limit_bytes)} is{also} cheaper: "
        f"{amount(ours.total, currency).removesuffix(f' {text.printable(currency)}')} instead of "
        f"{amount(chosen.total, currency)} a month for {pods}."
    ]


def patch(scene: Scene, chosen: Chosen, kind: str | None) -> tuple[int, str] | None:
    """Write the patch: for the limit that was chosen, or for ours as long as the one in force is chosen."""
    need = scene.found.need
    limit = scene.ours_bytes if chosen.limit_bytes == need.limit_bytes else chosen.limit_bytes
    if limit is None:
        return None
    request = requested(need, limit, whole=scene.whole, anew=True)
    then = qos(request, limit, known=True)
    why = _why(scene, limit, chosen)
    wanted = Resources(*need.names, kind, limit, request, why, scene.ours.qos_now, then)
    hinders = obstacle(wanted)
    return limit, documents([wanted]) if hinders is None else f"# {why}\n# No patch: {hinders}.\n{fragment(wanted)}"


def _why(scene: Scene, limit: int, chosen: Chosen) -> str:
    now = scene.found.need.limit_bytes
    was = f"The limit was {text.configured(now)}." if now is not None else "There was no limit, or it is not known."
    why = f"{text.chance(scene.at(limit).risk.week)} chance of an OOM kill in 7 days."
    if limit != scene.ours_bytes and scene.growing and chosen.days is not None and chosen.days > 0:
        why = f"Buys {text.hours(24 * chosen.days)} against the growth, not a cure."
    assumed = "" if scene.change.nothing else "Only after the changes that were assumed. "
    return f"{assumed}{why} {was}"


def assumptions(scene: Scene) -> list[str]:
    """Say what a change takes for granted."""
    change, said = scene.change, []
    if change.threads is not None:
        said.append(
            f"{change.threads:,} threads: each touches {TOUCHED_STACK_BYTES // 1024} Ki of stack, and no allocator "
            "arena comes or goes with it."
        )
    if change.traffic != 1:
        said.append(
            f"{change.traffic:g} times the traffic: what a pod holds above its quietest twentieth follows it in "
            "proportion."
        )
    if change.startup_scale != 1:
        said.append(
            f"Startups {change.startup_scale:.2g} times as high over the settled level, for as long as they lasted."
        )
    if change.spread_seconds:
        said.append(f"Startups spread over {text.hours(change.spread_seconds / 3600)} more: the same memory, averaged.")
    if said:
        said.append("Others (VPA, KRR) and the limit now are those of the recorded past.")
    return said


def board(
    scene: Scene,
    limit_bytes: int,
    ground: Ground | None,
    *,
    name: str,
    kind: str | None,
    currency: str,
    ours: Chosen | None,
) -> tuple[Markup, Markup]:
    """Draw everything that a limit changes."""
    chosen = choose(scene, limit_bytes)
    what = "Chance that the growth gets there in 7 days" if scene.growing else "Chance of an OOM kill in 7 days"
    pair = el(
        "div",
        el("section", _head(what, "by limit"), risk_chart(scene, chosen)),
        el(
            "section",
            _head("Cost a month with incidents", f"{text.printable(currency)}, by limit"),
            cost_chart(scene, chosen, currency),
        ),
        class_="rm-pair",
    )
    beside = el(
        "div",
        el("section", _head("Headroom", "of the limit"), headroom_chart(scene, chosen)),
        _patch(scene, chosen, kind),
        class_="rm-pair",
    )
    said = assumptions(scene)
    assumed = el("ul", *(el("li", one) for one in said), class_="rm-assumed") if said else None
    words = answer(scene, chosen, name, ours, currency)
    return Markup(words + (assumed or "")), Markup(pair + _replay(scene, chosen, ground) + beside)


def _head(title: str, note: str) -> Markup:
    return el("h2", title, " ", el("span", note, class_="note"))


def _replay(scene: Scene, chosen: Chosen, ground: Ground | None) -> Markup:
    if ground is None:
        return el("section", _head("Replay", ""), el("p", "There is no memory sample to replay.", class_="note"))
    span = text.hours((ground.end - ground.start) / 3_600_000).replace(" d", " days")
    kills = text.count(chosen.kills.height, "kill") if chosen.kills.height else "no kill"
    pods = len(scene.past.pods)
    pod = text.printable(scene.past.pods[ground.pod])
    note = f"{pod}, the highest of {pods:,} pods, time in UTC" if pods > 1 else "time in UTC"
    if chosen.kills.height and pods > 1:
        mine = chosen.kills.filter(chosen.kills["pod"] == ground.pod).height
        note = f"{mine:,} of them in {note}"
    if not scene.change.nothing:
        note += ", dashed: as recorded"
    title = f"{span} replayed at {text.configured(chosen.limit_bytes)}: {kills}"
    return el("section", _head(title, note), replay_chart(scene, chosen, ground), class_="rm-replay")


def _patch(scene: Scene, chosen: Chosen, kind: str | None) -> Markup:
    found = patch(scene, chosen, kind)
    if found is None:
        note = "Choose a limit other than the one in force, and its patch stands here."
        return el("section", _head("Patch", ""), el("p", note, class_="note"))
    limit, written = found
    title = f"Patch for {text.configured(limit)}"
    button = el("button", "Copy", type="button", class_="rm-button", data_rm_copy=written)
    head = el("div", _head(title, "requests and limits"), button, class_="rm-patch")
    return el("section", head, el("pre", written, class_="rm-code", tabindex=0, role="group", aria_label=title))


MI: Final = text.MI
#: Pasts that are kept laid out: going back to a workload is then quicker.
_KEPT: Final = 8


class LimitExplorer(Board):
    """Sliders over limit, startup, threads, traffic and prices, and what they change.

    Parameters
    ----------
    recording
        A recording, a frame that can become one, a lake, or a `Judgement`. That of a large file or a lake has only the
        samples that charts show: then give the recording or the lake, and the judgement as well.
    workload
        Which one to show first; None: the one most at risk. A part of its name is enough.
    judgement
        What `judge` found in the recording; None: it is judged.
    oom_probability, margins
        As in `rmtoolkit.recommend_limits`.
    price_per_gib_hour, price_per_incident
        What a GiB of reserved memory costs an hour, and what a week with OOM kills costs.
    currency
        Of both.

    Attributes
    ----------
    workload
        Name of the workload that is shown.
    limit_bytes
        The limit that is tried.
    startup_bytes
        Height of the highest startup over its settled level; None where no startup was recorded.
    spread_seconds
        Over how much more time startups are spread, as delayed initialisation of caches does.
    threads
        How many; None where they were not recorded.
    traffic
        1 as it was.
    price_per_gib_hour, price_per_incident
        Prices.
    reserve_limit
        Whether the whole limit is requested, or only what is used nearly always.

    Raises
    ------
    RmtoolkitError
        There is no memory sample, or no such workload.

    Notes
    -----
    Setting a trait in Python does what moving a slider does. All numbers come from functions that need no widget:
    `rmtoolkit.what_if`, `rmtoolkit.replay`, `rmtoolkit.limit_risk` and `rmtoolkit.recommend_limits`, in a quicker form
    for one workload (`rmtoolkit.limits.explore`).

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> explorer = LimitExplorer(table)
    >>> explorer.limit_bytes = 90 * 2**20
    >>> explorer.chosen.kills.height
    1
    >>> explorer.close()
    """

    workload = traitlets.Unicode()
    limit_bytes = traitlets.Int(MI, min=1)
    startup_bytes = traitlets.Float(None, allow_none=True, min=0.0)
    spread_seconds = traitlets.Float(0.0, min=0.0)
    threads = traitlets.Int(None, allow_none=True, min=0)
    traffic = traitlets.Float(1.0, min=0.0)
    price_per_gib_hour = traitlets.Float(0.005, min=0.0)
    price_per_incident = traitlets.Float(40.0, min=0.0)
    reserve_limit = traitlets.Bool(default_value=True)

    def __init__(
        self,
        recording: Source | Judgement,
        workload: str | None = None,
        *,
        judgement: Judgement | None = None,
        oom_probability: float = 0.05,
        margins: Margins | str | os.PathLike[str] | None = None,
        price_per_gib_hour: float = 0.005,
        price_per_incident: float = 40.0,
        currency: str = "USD",
    ) -> None:
        if isinstance(recording, Judgement):
            judgement, recording = recording, recording.recording
        self._source = as_source(recording)
        self._margins = as_margins(margins)
        self._target = oom_probability
        self._currency = currency
        known = gather(self._source, None if judgement is None else judgement.verdicts)
        known = known.filter(known["peak_bytes"].is_not_null())
        if not known.height:
            msg = "There is no memory sample to explore a limit with."
            raise RmtoolkitError(msg)
        advice = of_gathered(known, oom_probability, self._margins).to_dicts()
        order = sorted(range(known.height), key=lambda at: _urgency(advice[at]))
        rows = [known.row(at, named=True) for at in order]
        self._names = summary.names(rows)
        self._needs = {name: as_need(row) for name, row in zip(self._names, rows, strict=True)}
        source = self._source
        containers = source.containers if isinstance(source, Recording) else source.containers()
        kinds = containers.drop_nulls("workload_kind")
        self._kinds = {row[:3]: row[3] for row in kinds.select(*WORKLOAD[:3], "workload_kind").iter_rows()}
        self._pasts: OrderedDict[str, Past] = OrderedDict()
        self._quiet = 0
        self._scene: Scene | None = None
        self._ours: Chosen | None = None
        self._ground: Ground | None = None
        first = self._find(workload) if workload is not None else self._names[0]
        self.price_per_gib_hour, self.price_per_incident = price_per_gib_hour, price_per_incident
        super().__init__()
        self._wiring = Wiring()
        self._build()
        self.children = self._parts()
        self.add_class("rm").add_class("rm-dashboard")
        with self._together():
            self.workload = first
            self._start()
        self._connect()
        self._redo()

    def _find(self, typed: str) -> str:
        found = _base.match(typed, self._names)
        if found is None:
            msg = f"No workload is called {text.printable(typed)!r}. There are {len(self._names):,}, such as "
            msg += f"{', '.join(self._names[:3])}."
            raise RmtoolkitError(msg)
        return found

    # --- what is shown -----------------------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """Everything about the workload that does not depend on the limit."""
        assert self._scene is not None  # noqa: S101 - set before anybody can ask
        return self._scene

    @property
    def chosen(self) -> Chosen:
        """Everything about the limit that is tried."""
        return choose(self.scene, self.limit_bytes)

    def _build(self) -> None:
        """Make controls and places for pictures."""
        self._page = Page(css=EXPLORER)
        self._search = _base.search("Workload (type to search, worst first)", self._names, self._names[0])
        self._about = _base.html("", "rm-aside")
        self._limit = _base.slider("Limit", 1, 1, 2, step=1, unit="Mi")
        self._limit.box.add_class("rm-limit")
        self._tick = _base.html("", "rm-tick-row")
        self._presets = _base.choice("Set the limit to", [("now", 0)], 0)
        self._startup = _base.slider("Startup spike", 0, 0, 1, step=1, unit="Mi")
        self._spread = _base.slider("Spread startup over more time", 0, 0, 1800, step=10, unit="s")
        self._threads = _base.slider("Threads", 0, 0, 1, step=1)
        self._traffic = _base.slider("Traffic", 1, 0, 4, step=0.1, unit="×")
        currency = text.printable(self._currency)
        self._price = _base.slider("Memory, per GiB-hour", 0.005, 0, 0.05, step=0.0005, unit=currency)
        self._incident = _base.slider("One week with OOM kills", 40, 0, 1000, step=5, unit=currency)
        self._whole = _base.choice("Requested", [("the limit", True), ("what is used", False)], value=True)
        self._reset = _base.button("Reset to measured")
        self._words = _base.html("", "rm-status")
        self._charts = _base.html("", "rm-charts")

    def _parts(self) -> list[ipywidgets.Widget]:
        side = ipywidgets.VBox(
            [
                _base.html(el("h2", "What if")),
                ipywidgets.VBox([self._limit.box, self._tick]),
                self._presets,
                self._startup.box,
                self._spread.box,
                self._threads.box,
                self._traffic.box,
                _base.html(el("h2", "Prices")),
                self._price.box,
                self._incident.box,
                self._whole,
                self._reset,
            ]
        )
        side.add_class("rm-side")
        shown = ipywidgets.VBox([self._words, self._charts])
        both = ipywidgets.Box([side, shown])
        both.add_class("rm-explorer")
        return [self._page, self._wiring.alert, _base.controls(self._search, self._about), both]

    def _connect(self) -> None:
        """Connect controls with traits, and traits with pictures."""
        watch = self._wiring.watch
        watch(self._search, "value", self._searched)
        watch(self, "workload", lambda _: self._switched())
        for control, name, factor in self._pairs():
            watch(control.slider, "value", self._mover(name, factor))
            watch(self, name, lambda _: self._followed())
        watch(self._presets, "value", self._preset)
        watch(self._whole, "value", lambda change: self.set_trait("reserve_limit", change.new))
        watch(self, "reserve_limit", lambda _: self._followed())
        watch(self, "limit_bytes", lambda _: self._limit_changed())
        watch(self._limit.slider, "value", lambda change: self._moved("limit_bytes", change.new * MI))
        self._wiring.press(self._reset, self.reset)

    def _mover(self, name: str, factor: float) -> Callable[[Any], None]:
        return lambda change: self._moved(name, change.new * factor)

    def _pairs(self) -> list[tuple[_base.Slider, str, float]]:
        """List the sliders that change everything but the limit: trait, and how many of its units are in theirs."""
        return [
            (self._startup, "startup_bytes", MI),
            (self._spread, "spread_seconds", 1),
            (self._threads, "threads", 1),
            (self._traffic, "traffic", 1),
            (self._price, "price_per_gib_hour", 1),
            (self._incident, "price_per_incident", 1),
        ]

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Draw nothing until all is set."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    # --- what happens ------------------------------------------------------------------------------------------------

    def _searched(self, change: Any) -> None:  # noqa: ANN401 - a traitlets change
        if not self._quiet and change.new:
            self.workload = self._find(change.new)

    def _moved(self, name: str, value: float) -> None:
        """Follow a slider."""
        if self._quiet:
            return
        whole = name in ("limit_bytes", "threads")
        # A slider knows whole Mi only: where it stands for a limit of other bytes, those stay.
        if name == "limit_bytes" and abs(value - self.limit_bytes) < MI / 2:
            return
        self.set_trait(name, round(value) if whole else value)

    def _followed(self) -> None:
        if not self._quiet:
            self._redo()

    def _preset(self, change: Any) -> None:  # noqa: ANN401 - a traitlets change
        if not self._quiet and change.new is not None:
            self.limit_bytes = change.new

    def _switched(self) -> None:
        if self._quiet:
            return
        if self.workload not in self._needs:
            self.workload = self._find(self.workload)
            return
        with self._together():
            self._start()
        self._redo()

    def reset(self) -> None:
        """Put everything back to what was measured, and the limit to the one in force.

        Examples
        --------
        >>> import polars as pl
        >>> table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * 2**20})
        >>> explorer = LimitExplorer(table)
        >>> explorer.traffic = 3
        >>> explorer.reset()
        >>> explorer.traffic
        1.0
        """
        with self._together():
            self._start()
        self._redo()

    def _start(self) -> None:
        """Take what was measured of a workload."""
        need, past = self._needs[self.workload], self._past()
        spike = explore.measured_spike(past)
        self.startup_bytes = spike
        self.spread_seconds, self.traffic = 0.0, 1.0
        self.threads = None if past.threads is None else round(float(np.nanmedian(past.threads)))
        self.reserve_limit = need.whole
        ours = advise(need, self._target, self._margins)
        self.limit_bytes = (
            need.limit_bytes or ours.recommended_limit_bytes or ours.raise_to_bytes or max(need.peak_bytes or 0, 1)
        )
        top = self.threads or 0
        self._set(
            self._startup,
            0.0 if spike is None else spike / MI,
            0,
            max(2 * (spike or 0) / MI, 1),
            known=spike is not None,
        )
        self._set(self._spread, 0, 0, 1800, known=spike is not None)
        self._set(self._threads, top, 0, max(4 * top, 8), known=past.threads is not None)
        self._set(self._traffic, 1, 0, 4)
        self._set(self._price, self.price_per_gib_hour, 0, max(10 * self.price_per_gib_hour, 0.01))
        self._set(self._incident, self.price_per_incident, 0, max(10 * self.price_per_incident, 100))

    @staticmethod
    def _set(control: _base.Slider, value: float, low: float, high: float, *, known: bool = True) -> None:
        control.set(value, low=low, high=high)
        for part in (control.slider, control.number):
            part.disabled = not known
        label = control.number.description.rsplit(", ", 1)[0]
        control.box.children[0].value = el("span", label if known else f"{label}: not recorded")
        # A box that cannot say what is not known says nothing.
        (control.box.remove_class if known else control.box.add_class)("rm-unknown")

    def _past(self) -> Past:
        if self.workload not in self._pasts:
            need, mine = self._needs[self.workload], self._source
            if not isinstance(mine, Recording):
                wanted = zip(WORKLOAD, need.names, strict=True)
                mine = mine.recording(*(pl.col(column).eq_missing(pl.lit(name, pl.String)) for column, name in wanted))
            self._pasts[self.workload] = of_workload(mine, need.names)
            while len(self._pasts) > _KEPT:
                self._pasts.popitem(last=False)
        self._pasts.move_to_end(self.workload)
        return self._pasts[self.workload]

    def _change(self) -> explore.Change:
        """Read the traits; what is as measured is no change."""
        past = self._past()
        spike = explore.measured_spike(past)
        scale = 1.0
        if spike is not None and self.startup_bytes is not None and abs(self.startup_bytes - spike) >= MI / 2:
            scale = self.startup_bytes / spike
        measured = None if past.threads is None else round(float(np.nanmedian(past.threads)))
        threads = None if self.threads == measured else self.threads
        return explore.Change(scale, self.spread_seconds, threads, self.traffic)

    def _redo(self) -> None:
        """Work everything out and draw it."""
        need = self._needs[self.workload]
        prices = Prices(self.price_per_gib_hour, self.price_per_incident)
        whole = None if self.reserve_limit == need.whole else self.reserve_limit
        self._scene = scene(self._past(), need, self._change(), self._margins, self._target, prices, whole=whole)
        ours = self._scene.ours_bytes
        self._ours = None if ours is None else choose(self._scene, ours)
        self._ground = ground(self._scene)
        with self._together():
            self._follow_traits()
            self._follow_scene()
        self._draw()

    def _follow_traits(self) -> None:
        """Move the controls to where the traits are."""
        self._search.value = self.workload
        for control, name, factor in self._pairs():
            value = getattr(self, name)
            if value is not None and abs(control.slider.value - value / factor) > 1e-9:  # noqa: PLR2004 - rounding
                wanted = value / factor
                control.set(wanted, low=min(control.slider.min, wanted), high=max(control.slider.max, wanted))
        self._whole.value = self.reserve_limit

    def _follow_scene(self) -> None:
        """Give the limit its range, its tick and its presets, and say what all this rests on."""
        found = self.scene
        low, high = found.low / MI, found.high / MI
        limit = self.limit_bytes / MI
        low, high = min(low, limit), max(high, limit)
        step = 1.0 if high - low >= _FINE else (high - low) / _FINE
        for part in (self._limit.slider, self._limit.number):
            part.step = step
        self._limit.set(limit, low=low, high=high)
        ours = found.ours_bytes
        place = None if ours is None else 100 * (ours / MI - low) / max(high - low, 1e-9)
        self._tick.value = "" if place is None else _tick(place)
        points = named(found)
        self._presets.options = [(_button(point.name, point.limit_bytes), point.limit_bytes) for point in points]
        self._press()
        self._about.value = _about(found, self._needs[self.workload])

    def _press(self) -> None:
        """Show which preset the limit is, if it is one."""
        values = [value for _, value in self._presets.options]
        self._presets.value = self.limit_bytes if self.limit_bytes in values else None

    def _limit_changed(self) -> None:
        if self._quiet:
            return
        with self._together():
            limit = self.limit_bytes / MI
            slider = self._limit.slider
            if not slider.min <= limit <= slider.max:
                self._limit.set(limit, low=min(slider.min, limit), high=max(slider.max, limit))
            elif abs(slider.value - limit) > 1e-9:  # noqa: PLR2004 - rounding
                self._limit.number.value = limit
            self._press()
        self._draw()

    def _draw(self) -> None:
        need = self._needs[self.workload]
        words, charts = board(
            self.scene,
            self.limit_bytes,
            self._ground,
            name=self.workload,
            kind=self._kinds.get(need.names[:3]),
            currency=self._currency,
            ours=self._ours,
        )
        self._words.value = words
        self._charts.value = charts


#: Steps that a slider has at the least.
_FINE: Final = 64


def _urgency(row: dict[str, Any]) -> tuple[bool, float, str]:
    """Put what grows first, then go by the chance of an OOM kill."""
    return not row["growing"], -(row["oom_probability_now"] or 0.0), str(row["workload"])


def _button(name: str, limit: int) -> str:
    return f"{name} {text.memory(limit).removesuffix(' Mi')}"


def _tick(place: float) -> Markup:
    """Mark our limit on the slider; the rule reaches one slider only, since each dashboard has a page of its own."""
    return el("span", "", class_="rm-tick", style=f"--at:{place:.2f}%")


def _about(found: Scene, need: Need) -> Markup:
    pods = text.count(need.pods, "pod")
    lives = text.count(found.past.begins.size, "life", "lives")
    pairs = (
        f"{found.ours.pairs:,} pairs of weeks behind the curve"
        if found.ours.pairs
        else "no pairs of weeks behind the curve"
    )
    limit = "no limit is set" if need.limit_bytes is None and need.limit_known else None
    said = [pods, lives, pairs, *([limit] if limit else [])]
    return el("p", ", ".join(said), el("br"), "intervals are 80 %, all times UTC")
