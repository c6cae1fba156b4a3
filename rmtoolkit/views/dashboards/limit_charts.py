"""The pictures of `rm.LimitExplorer`: headroom, cost and chance of every limit, and the past replayed under one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl
from msgspec import Struct

from rmtoolkit import text
from rmtoolkit.views import _plot
from rmtoolkit.views._plot_svg import picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rmtoolkit._html import Markup
    from rmtoolkit.limits.risk import AtLimit
    from rmtoolkit.limits.what_if import Chosen, Scene

WIDTH: Final = 372
#: A line of words, and the bar below it: words beside bars would run into each other.
_ROW: Final = 44
_BAR: Final = 18
_TOP: Final = 22
_LOOKS: Final = {"steady": "live", "running peak": "whole", "startup": "kept"}
HEIGHT: Final = 236
_LEFT, _RIGHT, _TOP_POINTS, _BASE = 50, WIDTH - 10, 14, HEIGHT - 30
#: px of a line of text.
_LINE: Final = 18
#: The replayed past is a picture of its own size.
PAST: Final = _plot.Box(72, 22, 760, 204)
_PAST_WIDTH, _PAST_HEIGHT = 768, 232
_LISTED: Final = 8


def headroom_chart(scene: Scene, chosen: Chosen) -> Markup:
    """Draw levels against the limit: a bar each, with the room above it as a share; negative is above the limit."""
    rows = scene.found.levels
    limit = chosen.limit_bytes
    height = _TOP + len(rows) * _ROW
    x = _plot.Scale(0, max([limit, *(level.high_bytes for level in rows)]) * 1.06, 0, WIDTH)
    plot = _plot.Plot(x, _plot.PX, _plot.Box(0, 0, WIDTH, height))
    said = []
    for at, level in enumerate(rows):
        name, low, value, high = level
        bar = _TOP + (at + 1) * _ROW - _BAR - 4
        middle = bar + _BAR / 2
        written = f"{name} {text.memory(value)}"
        plot.add(
            _plot.Bar(_LOOKS[name], 0, value, bar, bar + _BAR),
            _plot.Rule("limit", limit, limit, bar - 2, bar + _BAR + 2),
        )
        if low < high:
            written += f" ({text.memory(low).removesuffix(' Mi')}–{text.memory(high).removesuffix(' Mi')})"
            plot.add(_plot.Rule("whisker", low, high, middle, middle))
            plot.add(*(_plot.Rule("whisker", end, end, bar + 4, bar + 14) for end in (low, high)))
        room = level.room(limit)
        share = f"{100 * room:.0f} %".replace("-0 %", "0 %").replace("-", "−")
        verb = f"{share} over {name}" if low == high else f"{share} at the worst {name}"
        plot.write(0, bar - 6, "start", written, "plain")
        plot.write(WIDTH, bar - 6, "end", verb, "alarm" if room < 0 else "plain")
        said.append(f"{written}, {verb}")
    word = f"limit {text.configured(limit)}"
    half = _plot.text_width(word, bold=True) / 2
    plot.write(min(max(x.at(limit), half), WIDTH - half), 14, "middle", word, "strong")
    says = f"Headroom at {word}: " + ("; ".join(said) if said else "no level is known")
    return picture(WIDTH, height, plot, says=says)


class Named(NamedTuple):
    name: str
    limit_bytes: int
    look: str

    @property
    def words(self) -> str:
        """Its name and size, in Mi: what is or may be set exactly, what others would say as they say it."""
        written = text.memory if self.name in ("VPA", "KRR") else text.configured
        return f"{self.name} {written(self.limit_bytes).removesuffix(' Mi')}"


def named(scene: Scene) -> list[Named]:
    need = scene.found.need
    known = {
        "now": need.limit_bytes,
        "ours": scene.ours_bytes,
        "VPA": need.vpa_target_bytes,
        "KRR": need.krr_limit_bytes,
    }
    return [Named(name, limit, "ours" if name == "ours" else "other") for name, limit in known.items() if limit]


def limit_plot(scene: Scene, top: float, grows: _plot.Grows = _plot.Grows.EVENLY) -> _plot.Plot:
    across = _plot.Scale(scene.low, scene.high, _LEFT, _RIGHT, _plot.Grows.AS_LOG if scene.wide else _plot.Grows.EVENLY)
    plot = _plot.Plot(across, _plot.Scale(0, top, _BASE, _TOP_POINTS, grows), _plot.Box(_LEFT, 0, WIDTH, _BASE))
    ticks = _plot.limit_ticks(scene.low, scene.high, _RIGHT - _LEFT, 44, doubled=scene.wide)
    plot.bottom_axis(ticks, right=WIDTH - 22, unit="Mi")
    return plot


def drawn(plot: _plot.Plot, says: str) -> Markup:
    return picture(WIDTH, HEIGHT, plot, says=says)


def amount(value: float | None, currency: str) -> str:
    if value is None:
        return text.UNKNOWN
    shown = text.number(value, 2) if value < 10 else f"{value:,.0f}"  # noqa: PLR2004
    return f"{shown} {text.printable(currency)}"


def cost_plot(scene: Scene, chosen: Chosen, currency: str) -> tuple[_plot.Plot, str]:
    known = scene.curve.drop_nulls("memory")
    totals = known["total"].drop_nulls()
    prices = _of_named(scene, lambda one: one.total_per_month)
    top = _top(chosen, [float(value) for value in (totals if totals.len() else known["memory"])] or [1.0], prices)
    plot = limit_plot(scene, top)
    plot.left_axis(_plot.money_ticks(top))
    if not known.height:
        plot.write((_LEFT + _RIGHT) / 2, 110, "middle", "unknown: no request is known")
        return plot, "Cost a month: unknown, no request is known"
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    memory = np.minimum(known["memory"].to_numpy(), top)
    total = np.minimum(known["total"].fill_null(float("nan")).to_numpy(), top)
    seen = ~np.isnan(total)
    plot.add(_plot.Area("cache", ((limits, memory),)))
    if seen.any():
        across, price = limits[seen], total[seen]
        plot.add(_plot.Area("incidents", ((across, price),), ((limits, memory),)))
        # What costs more than the axis has leaves the picture: along its upper end it would read as a price.
        shown = np.flatnonzero(price < top)
        if shown.size:
            near = slice(max(shown[0] - 1, 0), shown[-1] + 2)
            plot.add(_plot.Line("line", ((across[near], price[near]),)))
    places = []
    if chosen.total_per_month is not None:
        said = f"{text.configured(chosen.limit_bytes)}: {amount(chosen.total_per_month, currency)}"
        places.append((plot.mark("ink", chosen.limit_bytes, chosen.total_per_month), said, "strong"))
    for point, price in prices:
        if point.name == "ours" and point.limit_bytes != chosen.limit_bytes:
            places.append((plot.mark("ours", point.limit_bytes, price), f"ours {amount(price, currency)}", "ours"))
    # Both points are there before the first label looks for its place.
    for place in places:
        plot.name(*place)
    across, edge = plot.x.of(limits), plot.y.of(memory)
    _name(plot, "expected incidents", "alarm-word", across, plot.y.of(np.where(seen, total, memory)), edge)
    _name(plot, "memory", "plain", across, edge, np.full(limits.size, plot.y.first))
    costs, for_memory, incidents = (
        amount(cost, currency) for cost in (chosen.total_per_month, chosen.memory_per_month, chosen.incidents_per_month)
    )
    parts = [
        f"Cost a month at {text.configured(chosen.limit_bytes)}: {costs}, of which memory {for_memory}, "
        f"expected incidents {incidents}",
        *(f"{point.name} {text.configured(point.limit_bytes)}: {amount(price, currency)}" for point, price in prices),
    ]
    return plot, "; ".join(parts)


def _name(
    plot: _plot.Plot, written: str, kind: str, across: _plot.Floats, top: _plot.Floats, under: _plot.Floats
) -> None:
    half = _plot.text_width(written) / 2 + 4
    for at in np.argsort(top - under, kind="stable")[:40]:
        if under[at] - top[at] < _LINE:
            return
        y = float(top[at] + under[at]) / 2 + 4
        place = min(max(float(across[at]), plot.x.first + half), plot.x.last - half)
        near = np.abs(across - place) < half
        if (top[near] > y - 11).any() or (under[near] < y + 3).any():
            continue
        if plot.free([_plot.Box(place - half, y - 11, place + half, y + 4)]) is not None:
            plot.write(place, y, "middle", written, kind)
            return


def _top(chosen: Chosen, totals: list[float], prices: list[tuple[Named, float]]) -> float:
    """Let the axis end above what is of interest: certain kills would flatten the rest."""
    shown = [chosen.total_per_month or 0.0, *(price for _, price in prices)]
    wanted = max(1.6 * min(totals), 1.25 * max(shown), 1e-9)
    top = min(wanted, max(1.1 * max(totals), 1e-9))
    step = _plot.money_step(top)
    return math.ceil(top / step) * step


class Ground(Struct, frozen=True):
    """What does not depend on the limit: the pod that is drawn, its past, and the same as it was recorded."""

    pod: int
    start: int
    end: int
    pieces: tuple[_plot.Piece, ...]
    #: Empty where nothing was changed.
    before: tuple[_plot.Piece, ...]
    content_bytes: float


def ground(scene: Scene) -> Ground | None:
    past, found = scene.past, scene.found
    if not past.times.size:
        return None
    low, high = map(int, [*past.first, past.times.size][found.pod : found.pod + 2])
    times, life = past.times[low:high], past.life[low:high]
    used, recorded = found.used[low:high], past.used[low:high]
    start = int(past.times.min())
    end = max(int(past.times.max()), start + 1)

    def pieces(values: NDArray[np.float64]) -> tuple[_plot.Piece, ...]:
        runs = _plot.stretches(times, life)
        return tuple(_plot.thin(times[at:to], values[at:to], start, end, 390) for at, to in runs)

    before = () if scene.change.nothing else pieces(recorded)
    content = float(max(used.max(), recorded.max(), 1.0))
    return Ground(found.pod, start, end, pieces(used), before, content)


def replay_chart(scene: Scene, chosen: Chosen, base: Ground) -> Markup:
    # A limit more than this many times above everything else would flatten the curve: it is named at the top instead.
    limit, ours, far = chosen.limit_bytes, scene.ours_bytes, 3.0 * base.content_bytes
    shown = [value for value in dict.fromkeys((limit, ours)) if value is not None and value <= far]
    top = max(1.1 * base.content_bytes, *(1.12 * value for value in shown), 1.0)
    across = _plot.Scale(base.start, base.end, PAST.left, PAST.right)
    up = _plot.Scale(0, top, PAST.bottom, PAST.top)
    plot = _plot.Plot(across, up, _plot.Box(PAST.left, 0, _PAST_WIDTH, PAST.bottom))
    plot.left_axis(_plot.memory_ticks(top))
    plot.bottom_axis(_plot.time_ticks(base.start, base.end, PAST.right - PAST.left), right=_PAST_WIDTH)
    plot.add(_plot.Area("whole", base.pieces), _plot.Line("recorded", base.before), _plot.Line("line", base.pieces))
    written = f"limit {text.configured(limit)}"
    if limit in shown:
        y = plot.rule("limit", limit)
        plot.label([(PAST.left + 4, y - 6, "start"), (PAST.left + 4, y + 16, "start")], written, "strong")
    else:
        plot.label([(PAST.left + 4, 12, "start")], f"{written}, above this scale", "strong")
    if ours is not None and ours in shown and ours != limit:
        y = plot.rule("ours-rule", ours)
        right, left = PAST.right - 4, PAST.left + 4
        places: list[_plot.Place] = [(left, y - 6, "start"), (right, y - 6, "end"), (right, y + 16, "end")]
        plot.label(places, f"ours {text.configured(ours)}", "ours")
    _kills(plot, chosen, base, limit if limit in shown else top)
    _level(plot, scene)
    return picture(_PAST_WIDTH, _PAST_HEIGHT, plot, says=replay_words(scene, chosen))


def _kills(plot: _plot.Plot, chosen: Chosen, base: Ground, height: float) -> None:
    slack = (base.end - base.start) // 100
    inside = pl.col("time").is_between(base.start - slack, base.end + slack)
    mine = chosen.kills.filter(inside, pod=base.pod).head(400)
    y = plot.y.at(height)
    for time in mine["time"]:
        x = plot.x.at(time)
        plot.add(_plot.Point("kill", time, height, _plot.Shape.CROSS, 5))
        plot.take(_plot.Box(x - 6, y - 6, x + 6, y + 6))
    for kill in mine.sort("used_bytes", descending=True).head(6).iter_rows(named=True):
        x = plot.x.at(kill["time"])
        places: list[_plot.Place] = [(x + 9, y - 7, "start"), (x - 9, y - 7, "end")]
        places += [(x + 9, y + 17, "start"), (x - 9, y + 17, "end")]
        plot.label(places, f"killed, needed {_needed(kill)}", "alarm")


def _needed(kill: dict[str, Any]) -> str:
    """Write what a killed process needed: where the kill is in the record, it was more than anybody saw."""
    return f"{'more than ' if kill['recorded'] else ''}{text.memory(kill['used_bytes'])}"


def _level(plot: _plot.Plot, scene: Scene) -> None:
    level = scene.found.settled_bytes
    if level is not None and level <= plot.y.high:
        y, right = plot.y.at(level), PAST.right - 8
        places: list[_plot.Place] = [(right, y - 16, "end"), (right, y + 24, "end")]
        places += [(PAST.right - 160, y - 20, "end"), (PAST.left + 60, y - 20, "start")]
        plot.label(places, f"settled {text.memory(level)}")


def replay_words(scene: Scene, chosen: Chosen) -> str:
    kills = chosen.kills
    said = f"Recorded past at a limit of {text.configured(chosen.limit_bytes)}: {text.count(kills.height, 'OOM kill')}"
    if kills.height:
        times = ", ".join(text.moment(_plot.instant(time)) for time in kills["time"].sort().head(_LISTED))
        highest = kills.sort("used_bytes", "recorded").row(-1, named=True)
        said += f", {kills['starting'].sum():,} while starting: {times}{text.and_more(kills.height, _LISTED)} UTC"
        said += f"; the highest needed {_needed(highest)}"
    return f"{said}. The highest use was {text.memory(scene.found.need.peak_bytes)}."


def risk_plot(scene: Scene, chosen: Chosen) -> tuple[_plot.Plot, str]:
    """Plot the chance of at least one OOM kill within 7 days at every limit, with its 80 % interval; and say it."""
    plot = limit_plot(scene, 1.0, _plot.Grows.AS_ROOT)
    plot.left_axis(_plot.CHANCE_TICKS)
    known = scene.curve.drop_nulls("oom_probability")
    if not known.height:
        plot.write((_LEFT + _RIGHT) / 2, 110, "middle", "unknown: the history is too short")
        return plot, f"Chance of an OOM kill in 7 days: unknown. {chosen.risk.because}"
    limits = known["limit_bytes"].to_numpy().astype(np.float64)
    if known["oom_probability_low"].null_count() == 0:
        low, high = (known[f"oom_probability_{side}"].to_numpy() for side in ("low", "high"))
        plot.add(_plot.Area("interval", ((limits, high),), ((limits, low),)))
    target = plot.rule("request", scene.target)
    written = f"target {text.share(scene.target)}"
    plot.take(_plot.text_box(plot.x.first + 6, target - 5, written))
    plot.write(plot.x.first + 6, target - 5, "start", written, "note")
    plot.add(_plot.Line("curve", ((limits, known["oom_probability"].to_numpy()),)))
    chances = _of_named(scene, lambda one: one.risk.week)
    places = [
        (point, plot.mark(point.look, point.limit_bytes, chance), chance)
        for point, chance in chances
        if point.limit_bytes != chosen.limit_bytes and scene.low <= point.limit_bytes <= scene.high
    ]
    if chosen.chance is not None:
        spot = plot.mark("ink", chosen.limit_bytes, chosen.chance)
        shown = f"{text.configured(chosen.limit_bytes)}: {text.chance(chosen.chance)}"
        shown += text.chance_range(chosen.risk.low, chosen.risk.high)
        plot.name(spot, shown, "strong")
    for point, spot, chance in sorted(places, key=lambda place: place[0].look != "ours"):
        ours = point.look == "ours"
        plot.name(spot, f"{point.words}: {text.chance(chance)}" if ours else point.words, "ours" if ours else "")
    what = "that the growth reaches the limit" if scene.growing else "of an OOM kill"
    at, risk = text.configured(chosen.limit_bytes), chosen.risk
    parts = [
        f"Chance {what} in 7 days at {at}: {text.chance(risk.week)}{text.chance_range(risk.low, risk.high)}",
        *(f"{point.name} {text.configured(point.limit_bytes)}: {text.chance(chance)}" for point, chance in chances),
        f"target {text.share(scene.target)}",
    ]
    return plot, "; ".join(parts)


def _of_named(scene: Scene, figure: Callable[[AtLimit], float | None]) -> list[tuple[Named, float]]:
    found = ((point, figure(scene.at(point.limit_bytes))) for point in named(scene))
    return [(point, value) for point, value in found if value is not None]
