"""The memory of one container over time: curves and layers cut at lives and gaps, limits, events, fit and forecast.

Then what stands where, every label on its mark; and the same as static inline SVG.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from msgspec import Struct

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit._tables import TOPS, edges, run_starts, thick
from rmtoolkit.schema import BYTE_SIGNALS, FOOTPRINTS, Verdict
from rmtoolkit.views import _plot
from rmtoolkit.views._plot_svg import picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rmtoolkit.assessment import Assessment
    from rmtoolkit.recording import Recording


class Event(Struct, frozen=True):
    time: int
    kind: str
    words: str
    #: The limit in force.
    limit_bytes: int | None = None


def steps(settings: pl.DataFrame, kind: str, start: int, until: int) -> tuple[tuple[int, int, int], ...]:
    begin, end = pl.max_horizontal(pl.col("start").to_physical(), start), pl.col("end").to_physical().fill_null(until)
    mine = settings.filter(kind=kind).select(begin, end, "value_bytes")
    return tuple(mine.filter(pl.col("end") > pl.col("start")).iter_rows())


def happened(events: pl.DataFrame, start: int, now: int, until: int) -> tuple[Event, ...]:
    """Name what happened; kills of starts that left no sample come after the last one."""
    slack, time = (now - start) // 100, pl.col("time").to_physical()
    near = events.with_columns(time).filter(time.is_between(start - slack, max(now + slack, until)))
    found = (
        Event(max(row["time"], start), row["kind"], words, row["limit_bytes"])
        for row in near.iter_rows(named=True)
        if (words := _event_words(row, start)) is not None
    )
    return tuple(sorted(found, key=lambda event: (event.time, event.kind)))


def _event_words(row: dict[str, Any], start: int) -> str | None:
    kind, detail, value, before = (row[name] for name in ("kind", "detail", "value_bytes", "before_bytes"))
    if kind == "limit":
        # The first word on a limit says what it is, not that it changed.
        if before == value or (before is None and row["time"] <= start):
            return None
        was = "" if before is None or value is None else f"{text.configured_mi(before)} → "
        return f"limit {was}{text.configured(value)}"
    if kind == "start" and row["time"] > start:
        return "restart"
    words = text.event(kind) if kind in _RANK else None
    if detail and kind in ("release", "error"):
        words = f"{kind} {text.printable(detail)}"
    return words[:40] if words and kind == "error" else words


def ms(value: Any) -> int:  # noqa: ANN401 - a time of a frame
    found: int = round(value.timestamp() * 1000)
    return found


#: The lines that a chart can follow, the one nearest the limit first.
LINES: Final = (*FOOTPRINTS, "resident_bytes", "allocated_bytes")


class Curve(Struct, frozen=True):
    """One signal over time: its name on the chart, the token of its colour, ms since 1970 and bytes."""

    name: str
    token: str
    pieces: tuple[_plot.Piece, ...]

    @property
    def last_bytes(self) -> float | None:
        return float(self.pieces[-1][1][-1]) if self.pieces else None

    @property
    def peak_bytes(self) -> float:
        return max((float(values.max()) for _, values in self.pieces), default=0.0)


class Layer(Struct, frozen=True):
    """One stacked layer: its upper edge, and how thick the row says that it is; None where that is not known."""

    edge: Curve
    last_bytes: float | None


class Cutter:
    """Cuts the signals of one container at lives and gaps, and thins them to so many steps of time."""

    def __init__(self, samples: pl.DataFrame, lives: pl.DataFrame, start: int, now: int) -> None:
        self.span = (start, now, 420)
        times = samples["time"].to_physical().to_numpy()
        begin, self.ends = (lives[name].to_physical().to_numpy() for name in ("start", "end"))
        life = np.searchsorted(begin, times, side="right") - 1
        life[times > self.ends[life]] = -1
        self.samples = samples.with_columns(life=pl.Series(life)).filter(pl.col("life") >= 0)
        self.times, self.life = times[life >= 0], life[life >= 0]
        #: Signals that have a value, as floats; NaN where they were not sampled.
        known = (column for column in self.samples.select(BYTE_SIGNALS) if column.count())
        self.values = {column.name: column.to_numpy().astype(np.float64) for column in known}

    def _runs(self, values: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """Find the rows of each unbroken stretch of one value for each sample; NaN where there is none."""
        there = np.flatnonzero(~np.isnan(values))
        return [there[low:high] for low, high in _plot.stretches(self.times[there], self.life[there])]

    def curve(self, values: NDArray[np.float64], name: str, token: str) -> Curve:
        runs = self._runs(values)
        return Curve(name, token, tuple(_plot.thin(self.times[run], values[run], *self.span) for run in runs))

    def stack(self, edges: list[tuple[str, str, NDArray[np.float64]]]) -> list[Curve]:
        """Make the edges of layers, all of the same instants, so that none crosses another between its points."""
        runs = [self._runs(values) for *_, values in edges]
        start, end, bins = self.span
        kept = np.zeros(len(self.times), dtype=bool)
        for (*_, values), found in zip(edges, runs, strict=True):
            for run in found:
                kept[run[_plot.telling(self.times[run], values[run], start, end, bins // len(edges))]] = True
        curves = []
        for (name, token, values), found in zip(edges, runs, strict=True):
            rows = [run[kept[run]] for run in found]
            curves.append(Curve(name, token, tuple((self.times[row], values[row]) for row in rows)))
        return curves

    def gaps(self, name: str) -> tuple[tuple[int, int], ...]:
        runs = self._runs(self.values[name])
        ends = [(int(self.times[one[-1]]), int(self.times[other[0]])) for one, other in pairwise(runs)]
        return tuple(pair for pair in ends if np.diff(np.searchsorted(self.ends, pair))[0] == 0)


def layers(cutter: Cutter, line: str, row: dict[str, Any]) -> tuple[Layer, ...]:
    """Choose layers by what was measured, from the bottom up; how thick each is at the end, the row says."""
    known = cutter.values
    private = "anon_bytes" in known or "rss_bytes" in known
    footprint = "usage_bytes" in known or "working_set_bytes" in known
    rest = ("page cache, kernel" if private else "outside allocator, page cache", "cache", "cache")
    if "allocated_bytes" in known:
        names = ("live heap", "allocator slack", "kept pages", "outside allocator")
        wanted = [*((name, top, top) for name, top in zip(names, TOPS, strict=False)), rest]
    elif "anon_bytes" in known and footprint:
        wanted = [("anonymous memory", "whole", "outside"), rest]
    else:
        curve = cutter.curve(known[line], text.signal_word(line), "whole")
        return (Layer(curve, curve.last_bytes),)
    tops = edges(cutter.samples)
    stack = cutter.stack([(name, token, tops[top].to_numpy()) for name, token, top in wanted if tops[top].count()])
    thickness = thick(row)
    return tuple(Layer(edge, thickness[edge.token]) for edge in stack)


class Forecast(Struct, frozen=True):
    times: NDArray[np.int64]
    low: NDArray[np.float64]
    mid: NDArray[np.float64]
    high: NDArray[np.float64]
    outlook: str
    #: When the limit is reached, with its 80 % interval; None where that is not known.
    hit: int | None
    hit_low: int | None
    hit_high: int | None


class Timeline(Struct, frozen=True):
    """Everything that the chart of one container shows: ms since 1970 and bytes."""

    start: int
    now: int
    #: End of the axis.
    until: int
    #: Whether the last sample is as new as the recording, and that is up to date: then it is called *now*.
    current: bool
    line: Curve
    rss: Curve | None
    #: From the bottom up.
    layers: tuple[Layer, ...]
    #: Stretches of start, end and bytes.
    limits: tuple[tuple[int, int, int], ...]
    requests: tuple[tuple[int, int, int], ...]
    events: tuple[Event, ...]
    gaps: tuple[tuple[int, int], ...]
    fits: tuple[_plot.Piece, ...]
    fit_name: str
    forecast: Forecast | None

    @property
    def peak_bytes(self) -> float:
        return max(self.line.peak_bytes, *(layer.edge.peak_bytes for layer in self.layers), 1.0)


class Parts:
    """The rows of a frame by container, cut when they are asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        # Samples are in order as they are; they would take long to sort.
        ordered = frame["container_id"].is_sorted()
        self._frame = frame if ordered else frame.sort("container_id", maintain_order=True)
        ids = self._frame["container_id"]
        first = run_starts(ids)
        ends = np.append(first[1:], len(ids))
        self._at = dict(zip(ids.gather(first).to_list(), zip(first, ends - first, strict=True), strict=True))

    def get(self, container: int) -> pl.DataFrame:
        first, count = self._at.get(container, (0, 0))
        return self._frame.slice(int(first), int(count))


class Timelines:
    """Collects what the charts of an Assessment draw; `samples_from` has more samples."""

    def __init__(self, found: Assessment, *, samples_from: Recording | None = None) -> None:
        recording = found.recording if samples_from is None else samples_from
        newest = recording.samples["time"].max()
        self.newest = None if newest is None else ms(newest)
        self.stale = found.fleet.stale
        self.cadence = dict(recording.containers.select("container_id", "cadence_seconds").iter_rows())
        self.samples, self.lives, self.fits = Parts(recording.samples), Parts(found.lives), Parts(found.fits)
        self.events, self.settings, self.forecast = Parts(found.events), Parts(found.settings), Parts(found.forecast)

    def of(self, row: dict[str, Any], span: tuple[int, int] | None = None) -> Timeline | None:
        """Collect what a chart draws, finely where `span` says which stretch; None without a sample of memory."""
        container = row["container_id"]
        samples, lives = self.samples.get(container), self.lives.get(container).sort("life")
        if samples.is_empty() or lives.is_empty():
            return None
        start, now = (ms(value) for value in (lives["start"].min(), lives["end"].max()))
        first, last = span or (start, now)
        near = samples if span is None else _beside(samples, first, last)
        cutter = Cutter(near, lives, first, max(last, first + 1))
        known = [name for name in LINES if name in cutter.values]
        if not known:
            return None
        step_ms = round(1000 * (self.cadence[container] or 60))
        settings = self.settings.get(container)
        forecast = _forecast(self.forecast.get(container), row)
        left, until = span or (start, now + ahead(forecast, max(now - start, 60_000)))
        rss = cutter.values.get("rss_bytes") if known[0] != "rss_bytes" else None
        fits = self.fits.get(container)
        return Timeline(
            start=left,
            now=now,
            until=until,
            current=not self.stale and (self.newest is None or self.newest - now <= 2 * step_ms),
            line=cutter.curve(cutter.values[known[0]], text.signal_word(known[0]), "ink"),
            rss=cutter.curve(rss, "RSS", "ink-3") if rss is not None else None,
            layers=layers(cutter, known[0], row),
            limits=steps(settings, "limit", left, until),
            requests=steps(settings, "request", left, until),
            events=happened(self.events.get(container), start, now, until),
            gaps=cutter.gaps(known[0]),
            fits=_fits(fits, until - left),
            fit_name="" if fits.is_empty() else text.signal_word(fits["signal"][0]),
            forecast=forecast,
        )


def _beside(samples: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    time = pl.col("time").to_physical()
    near = samples.filter(time.is_between(2 * first - last, 2 * last - first))
    return near if near.height else samples


def ahead(forecast: Forecast | None, span: int) -> int:
    """Choose how many ms ahead the axis shows: a third of the past, more when the limit is reached soon after."""
    least, most = int(0.36 * span), int(0.8 * span)
    if forecast is None or forecast.hit is None:
        return least
    ends = (forecast.hit_high or forecast.hit, forecast.hit)
    wanted = (int(1.12 * (end - int(forecast.times[0]))) for end in ends)
    return max(least, next((far for far in wanted if far <= most), least))


def _forecast(rows: pl.DataFrame, row: dict[str, Any]) -> Forecast | None:
    if rows.is_empty() or row["limit_outlook"] == "unknown":
        return None
    names, reaches = ("low_bytes", "mid_bytes", "high_bytes"), row["limit_outlook"] == "reaches"
    low, mid, high = (rows[name].cast(pl.Float64).to_numpy() for name in names)
    times = (row[f"limit_at{side}"] if reaches else None for side in ("", "_low", "_high"))
    ends = (None if time is None else ms(time) for time in times)
    return Forecast(rows["time"].to_physical().to_numpy(), low, mid, high, row["limit_outlook"], *ends)


def _fits(rows: pl.DataFrame, span: int) -> tuple[_plot.Piece, ...]:
    curves = rows.filter(pl.col("signal").is_in(BYTE_SIGNALS) & (pl.col("fitted").list.len() > 1))["fitted"]
    pieces = ([column.to_physical().to_numpy() for column in curve.struct.unnest()] for curve in curves)
    # Of what is a few px wide the ends are all that can be seen.
    least = span * _NEAR / (RIGHT - LEFT)
    return tuple((x, y) if x[-1] - x[0] > least else (x[[0, -1]], y[[0, -1]]) for x, y in pieces)


WIDTH: Final = 1080
LEFT: Final = 66
RIGHT: Final = WIDTH - 8
TOP: Final = 24
BASE: Final = 262
STRIP: Final = 290
STRIP_END: Final = STRIP + 24
HEIGHT: Final = STRIP_END + 2

#: A limit more than this many times above everything else would flatten the curve: it is named at the top instead.
_FAR_LIMIT: Final = 3
#: A live heap at least this high in px carries the fit's label.
_ROOM_ON_LIVE: Final = 34
#: Lines closer than this many px cannot be told apart.
_CLOSE: Final = 3
#: A name this near to the rule of a request is moved away from it, px.
_STRUCK: Final = 11
#: So many events are told in words; at one of so many fits, the longest ones, stands what they say.
_TOLD: Final = 8
_LIVE: Final = text.signal_word("allocated_bytes")

#: Events nearer than this many px are one mark: a kill and the restart after it.
_NEAR: Final = 5
#: The most telling event gives a mark its shape and gets its label first.
_RANK: Final = ("oom_kill", "release", "limit", "node_oom", "evicted", "error", "end", "restart", "start")
#: What somebody changed.
_SQUARES: Final = ("release", "limit")
_SHAPES: Final = {"oom_kill": ("kill", _plot.Shape.CROSS)} | dict.fromkeys(_SQUARES, ("event", _plot.Shape.SQUARE))


def draw(timeline: Timeline, row: dict[str, Any], ident: str, name: str) -> Markup:
    """Draw memory over time as SVG; `ident` is unlike any other in the page, `name` says whose memory it is."""
    chart = Chart(timeline, row).compose(axes=True)
    title = el("title", f"Memory of {name}", id=f"{ident}-t")
    told = el("desc", describe(timeline, row), id=f"{ident}-d")
    return picture(
        WIDTH,
        HEIGHT,
        chart,
        chart.strip,
        before=(title, told),
        also="timeline",
        ident=ident,
        sized=False,
        aria_labelledby=f"{ident}-t {ident}-d",
        data_now=f"{chart.x.at(timeline.now) / WIDTH:.3f}",
    )


def titled(timeline: Timeline, row: dict[str, Any], pod: str) -> tuple[str, str]:
    title = "Memory by layer" if len(timeline.layers) > 1 else "Memory"
    band = "band = 80 % interval" if timeline.forecast is not None else ""
    one = ", one pod" if row["pods"] and row["pods"] > 1 else ""
    return f"{title}{one}", ", ".join(filter(None, (pod, "time in UTC", band)))


class Chart(_plot.Plot):
    def __init__(self, timeline: Timeline, row: dict[str, Any], top: float | None = None, narrow: float = 1.0) -> None:
        self.t, self.row = timeline, row
        limits = [value for _, _, value in timeline.limits]
        highest = _top(timeline, limits) if top is None else top
        self.far_limit = bool(limits) and min(limits) > (_FAR_LIMIT * timeline.peak_bytes if top is None else highest)
        x = _plot.Scale(timeline.start, max(timeline.until, timeline.start + 1), LEFT, RIGHT)
        super().__init__(x, _plot.Scale(0, highest, BASE, TOP), _plot.Box(LEFT, 0, WIDTH, BASE), narrow)
        self.strip = _plot.Plot(x, _plot.PX, _plot.Box(LEFT, STRIP, RIGHT, STRIP_END))
        self.now = x.at(timeline.now)
        self.days = timeline.until - timeline.start > 36 * 3_600_000

    def compose(self, *, axes: bool = False) -> Chart:
        """Add everything. Labels are placed by importance: the less important gives way."""
        self._lines()
        x, word = self.now, "now" if self.t.current else "last sample"
        self.add(_plot.Rule("now", self.t.now, self.t.now, self.y.back(2), 0))
        self.label([(x - 6, 11, "end"), (x + 6, 11, "start")], f"{word}, {self.moment(self.t.now)}", beside=x)
        self._limits()
        self._requests()
        self._kills()
        self._ahead()
        self._layers()
        self._name_fits()
        if len(self.t.layers) > 1:
            self._name_line(self.t.line.pieces, self.t.line.name, "plain")
        if self.t.rss is not None and self.shows_rss:
            self._name_line(self.t.rss.pieces, "RSS", "")
        self._events()
        if axes:
            self.left_axis(_plot.memory_ticks(self.y.high))
            self.bottom_axis(_plot.time_ticks(self.t.start, self.t.until, RIGHT - LEFT), right=WIDTH)
            self.strip.add(_plot.Bar("panel", self.x.low, self.x.high, STRIP, STRIP_END))
        return self

    def moment(self, time: int) -> str:
        return text.moment(_plot.instant(time), seconds=self.t.until - self.t.start < 15 * 60_000)

    def _limits(self) -> None:
        if self.far_limit:
            written = f"limit {text.configured(self.t.limits[-1][2])}, above this scale"
            self.label([(LEFT + 4, 11, "start")], written, "strong")
            return
        for start, end, value in self.t.limits:
            self.rule("limit", value, f"limit {text.configured(value)}", start, end)
        for (_, end, value), (start, _, after) in pairwise(self.t.limits):
            if end == start:
                self.add(_plot.Rule("limit", end, end, value, after, f"limit {text.configured(after)}"))
        for start, _, value in self.t.limits:
            x, y = self.x.at(start) + 4, self.y.at(value)
            self.label([(x, y - 7, "start"), (x, y + 15, "start")], f"limit {text.configured(value)}", "strong")

    def _requests(self) -> None:
        for start, end, value in self.t.requests:
            if value > self.y.high:
                continue
            written = f"request {text.configured(value)}"
            left, right, y = self.x.at(start), self.x.at(end), self.y.at(value)
            along = np.arange(left + 4, max(min(right, self.now) - _plot.text_width(written), left + 5), 12)
            places: list[_plot.Place] = [(float(x), y + side, "start") for x in along for side in (-6, 15)]
            places.append((RIGHT - 4, y - 6, "end"))
            self.label(self.clear(places, written) or places, written)
            self.rule("request", value, written, start, end)

    def _kills(self) -> None:
        # Of those that fall on one px one is marked.
        kills = (event for event in self.t.events if event.kind == "oom_kill")
        marks = {(round(self.x.at(event.time)), self.kill_height(event)): event for event in kills}
        for (_, height), event in marks.items():
            x, y = self.x.at(event.time), self.y.at(height)
            self.take(_plot.Box(x - 7, y - 7, x + 7, y + 7))
            self.add(_plot.Point("kill", event.time, height, _plot.Shape.CROSS, 5, _told([event])))

    def kill_height(self, kill: Event) -> float:
        """Find where a kill is marked: at the limit in force, or the last value where that is unknown or far above."""
        if kill.limit_bytes is not None and not self.far_limit:
            return float(kill.limit_bytes)
        begun = bisect_right(self.t.line.pieces, kill.time, key=lambda piece: piece[0][0])
        before = self.t.line.pieces[:begun][-1:]
        return next((float(values[times <= kill.time][-1]) for times, values in before), 0.0)

    def _ahead(self) -> None:
        if (ahead := self.t.forecast) is None:
            return
        limit = self.t.limits[-1][2] if self.t.limits else None
        reaches = ahead.outlook == "reaches"
        ceiling = limit if reaches and limit is not None and not self.far_limit else np.inf
        kind = "reaches" if reaches else "bounded"
        known = ~(np.isnan(ahead.low) | np.isnan(ahead.high))
        if known.all():
            low, high = (np.minimum(edge, ceiling) for edge in (ahead.low, ahead.high))
            self.add(_plot.Area(f"band-{kind}", ((ahead.times, high),), ((ahead.times, low),)))
        times, mid = ahead.times, np.minimum(ahead.mid, ceiling)
        if ahead.hit is not None and ceiling < np.inf:
            before = times < ahead.hit
            times, mid = np.append(times[before], ahead.hit), np.append(mid[before], ceiling)
        self.add(_plot.Line(f"ahead-{kind}", ((times, mid),)))
        if not reaches:
            self._level(ahead)
        elif ahead.hit is not None and limit is not None:
            self._hit(ahead, ahead.hit, limit)

    def _level(self, ahead: Forecast) -> None:
        low, mid, high = (float(values[-1]) for values in (ahead.low, ahead.mid, ahead.high))
        written = f"expected {text.memory(mid)}"
        if math.isfinite(low) and math.isfinite(high):
            written += f" ({text.number(low / text.MI)}–{text.number(high / text.MI)})"
        left, edge = self.now + 10, self.y.at(min(np.nanmax([ahead.mid.max(), high]), self.y.high))
        places: list[_plot.Place] = [(left, edge - 7, "start"), (left, edge - 22, "start")]
        places.append((left, self.y.at(mid) + 16, "start"))
        self.label(places, written, "strong", beside=self.now)

    def _hit(self, ahead: Forecast, hit: int, limit: int) -> None:
        written, y = "has reached the limit", TOP if self.far_limit else self.y.at(limit)
        if (hours := self.row["hours_to_limit"]) > 0:
            span = text.hours_range(self.row["hours_to_limit_low"], self.row["hours_to_limit_high"])
            written = f"reaches the limit in {text.hours(hours)}"
            whole = f"{written} ({span})"
            # Right of the last sample, whose rule it would cross.
            fits = _plot.text_width(f"{whole} →", bold=True) <= self.narrow * (RIGHT - self.now - 16)
            written = whole if span and fits else written
        if not self.far_limit:
            first = max(hit if ahead.hit_low is None else ahead.hit_low, self.t.now)
            last = self.t.until if ahead.hit_high is None else ahead.hit_high
            self.add(_plot.Rule("stretch", first, last, limit, limit))
            says = f"reaches the limit {self.moment(hit)} UTC"
            self.add(_plot.Point("diamond", hit, limit, _plot.Shape.DIAMOND, 4.5, says))
        if hit > self.t.until or self.far_limit:
            places: list[_plot.Place] = [(RIGHT, y - 9, "end"), (RIGHT, y + 18, "end"), (RIGHT, 11, "end")]
            self.label(places, f"{written} →", "alarm")
            return
        half = _plot.text_width(written, bold=True) / 2 / self.narrow
        middle = min(max(self.x.at(hit), self.now + half + 8), RIGHT - half)
        places = [(middle, y - 13, "middle"), (middle, y + 24, "middle"), (RIGHT, y - 27, "end")]
        self.label(places, written, "alarm")

    def _layers(self) -> None:
        below: tuple[_plot.Piece, ...] | None = None
        under = 0.0
        found: list[tuple[float, str, str, str]] = []
        for at, layer in enumerate(self.t.layers):
            self.add(_plot.Area(layer.edge.token, layer.edge.pieces, below))
            below = layer.edge.pieces
            last = layer.edge.last_bytes
            if last is None or layer.last_bytes is None:
                continue
            middle, under = self.y.at((under + max(last, under)) / 2), max(last, under)
            # A layer thinner than this share of the axis gets no label.
            if layer.last_bytes < 0.004 * self.y.high and len(self.t.layers) > 1:
                continue
            written, kind = f"{layer.edge.name} {text.memory(layer.last_bytes)}", ""
            if at == 0 and layer.edge.name == _LIVE:
                kind = "strong"
                if self.row["signal"] == "allocated_bytes":
                    written += f" {_growth(self.row, 'flat')}".rstrip()
            found.append((self._unstruck(middle), written, layer.edge.token, kind))
        found.reverse()  # from the top down, as y grows
        edge = self.y.at(under)
        if self.t.forecast is not None:
            edge = max(edge, self.y.at(float(self.t.forecast.mid[0])))
        low = min(edge + 16, BASE - 15 * len(found))
        places = _plot.spread([y + 4 for y, *_ in found], 15, max(low, TOP + 12), BASE - 4)
        x = self.now + 10
        for y, (_, written, token, kind) in zip(places, found, strict=True):
            self.take(_plot.text_box(x - 2, y, f"xx {written}", bold=bool(kind)))
            self.add(_plot.Text(kind, x, y, "start", written, token, self.now))

    def _unstruck(self, middle: float) -> float:
        for _, end, value in self.t.requests:
            rule = self.y.at(value)
            if end > self.t.now and abs(middle - rule) < _STRUCK:
                return rule + math.copysign(_STRUCK, middle - rule)
        return middle

    def _lines(self) -> None:
        line, rss = self.t.line, self.t.rss
        self.add(_plot.Line("line", tuple(map(self._dashed, line.pieces))))
        self.shows_rss = rss is not None and bool(rss.pieces) and abs(self._middle(rss) - self._middle(line)) > _CLOSE
        if rss is not None and self.shows_rss:
            self.add(_plot.Line("second", rss.pieces))
        # On a dark layer a halo lifts the fit off; on a light one it would cut the measured line, so it is thick.
        looks = ("halo", "fit") if self.t.fit_name == _LIVE else ("bare",)
        self.add(*(_plot.Line(look, self.t.fits) for look in looks if self.t.fits))

    def _dashed(self, piece: _plot.Piece) -> _plot.Piece:
        """Draw a single sample as a dash: a line needs two ends."""
        times, values = piece
        if len(times) != 1:
            return piece
        x = self.x.at(times[0])
        return np.array([self.x.back(x - 6), self.x.back(x + 6)]), values.repeat(2)

    def _name_fits(self) -> None:
        if not self.t.fits:
            return
        on_live = self.t.fit_name == _LIVE
        written = f"fit on {self.t.fit_name}: {_growth(self.row) or text.UNKNOWN}"
        half = _plot.text_width(written, bold=True) / 2
        live = self.t.layers[0].edge.pieces if on_live and self.t.layers else ()
        inside: list[_plot.Place] = []
        outside: list[_plot.Place] = []
        for times, values in sorted(self.t.fits, key=lambda piece: int(piece[0][0] - piece[0][-1]))[:_TOLD]:
            first, last = self.x.at(times[0]) + half + 6, self.x.at(times[-1]) - half - 6
            if first > last:
                first = last = max(LEFT + half, (first + last) / 2)
            for share in (0.5, 0.35, 0.65, 0.15, 0.85, 0.0, 1.0):
                x = first + share * (last - first)
                near = np.interp([x - half, x, x + half], self.x.of(times), self.y.of(values))
                covered = any(self.x.at(seen[0]) <= x - half and x + half <= self.x.at(seen[-1]) for seen, _ in live)
                if covered and BASE - near.max() > _ROOM_ON_LIVE:
                    inside.append((x, float(near.max()) + 18, "middle"))
                outside += [(x, float(near.min()) - 9, "middle"), (x, float(near.max()) + 19, "middle")]
        # Where spikes of the measured line stand in the way, the label goes above or below them.
        outside += [(x, y + far, "middle") for x, y, _ in outside for far in (-20, 20, -40, 40)]
        free = self.clear(outside, written, "strong")
        if not self.label(inside, written, "on-live"):
            self.label([*free, *outside], written, "strong")

    def _middle(self, curve: Curve) -> float:
        return float(np.median(np.concatenate([self.y.of(values) for _, values in curve.pieces])))

    def _name_line(self, pieces: tuple[_plot.Piece, ...], name: str, kind: str) -> None:
        half = _plot.text_width(name) / 2
        x = np.concatenate([self.x.of(times) for times, _ in pieces])
        y = np.concatenate([self.y.of(values) for _, values in pieces])
        places: list[_plot.Place] = []
        for share in (0.78, 0.6, 0.45, 0.9, 0.3, 0.15, 0.06, 0.97):
            middle = LEFT + half + share * (self.now - LEFT - 2 * half)
            under = y[(x >= middle - half - 2) & (x <= middle + half + 2)]
            if len(under):
                places.append((middle, float(under.min()) - 7, "middle"))
        self.label([*places, *((x, y - 13, anchor) for x, y, anchor in places)], name, kind)

    def _events(self) -> None:
        strip, baseline, middle = self.strip, STRIP_END - 8, (STRIP + STRIP_END) / 2
        wide = []
        for first, last in self.t.gaps:
            words = f"no data {text.hours((last - first) / 3_600_000)}"
            left, right = self.x.at(first), max(self.x.at(last), self.x.at(first) + 2)
            wide.append((left, right, words))
            strip.take(_plot.Box(left, STRIP, right, STRIP_END))
            strip.add(_plot.Bar("hatch", first, self.x.back(right), STRIP, STRIP_END, words))
        marks = self._gathered()
        for x, events in marks:
            strip.take(_plot.Box(x - 6, STRIP, x + 6, STRIP_END))
            kind = events[0].kind
            look, shape = _SHAPES.get(kind, ("event", _plot.Shape.CIRCLE))
            strip.add(_plot.Point(look, self.x.back(x), middle, shape, 3.5, _told(events)))
        for x, variants, kind in _labels(marks, days=self.days):
            look = "alarm on-panel" if kind == "oom_kill" else "on-panel"
            for words in variants:
                if strip.label([(x + 10, baseline, "start"), (x - 10, baseline, "end")], words, look, x):
                    break
        for left, right, words in wide:
            strip.label([(right + 5, baseline, "start"), (left - 5, baseline, "end")], words, "note on-panel")
        if not marks and not wide:
            strip.write(LEFT + 8, baseline, "start", "no restart, kill, release or gap seen", "note on-panel")

    def _gathered(self) -> list[tuple[float, list[Event]]]:
        found: list[tuple[float, list[Event]]] = []
        for event in self.t.events:
            x = self.x.at(event.time)
            if found and x - found[-1][0] < _NEAR:
                found[-1][1].append(event)
            else:
                found.append((x, [event]))
        for _, events in found:
            events.sort(key=lambda event: _RANK.index(event.kind))
        return found


def _growth(row: dict[str, Any], none: str = "no growth") -> str:
    if row["growth_bytes_per_day"] is not None:
        return text.rate(row["growth_bytes_per_day"], sign=True)
    return none if row["verdict"] == Verdict.NOT_LEAK else ""


def _top(timeline: Timeline, limits: list[int]) -> float:
    """Choose the upper end of the axis: above limits and requests, unless they would flatten the curve."""
    content = timeline.peak_bytes
    far = bool(limits) and min(limits) > _FAR_LIMIT * content
    if timeline.forecast is not None:
        inside = timeline.forecast.mid[timeline.forecast.times <= timeline.until]
        ceiling = max(limits) if limits and not far else 1.6 * content
        content = max(content, min(float(np.nanmax(inside, initial=0.0)), ceiling))
    requests = [1.08 * value for _, _, value in timeline.requests if value <= 2 * content]
    return max([1.1 * content, 1.0, *requests, *(1.15 * value for value in limits if not far)])


def _told(events: Sequence[Event]) -> str:
    return "; ".join(f"{event.words} {_short(event.time, days=True)} UTC" for event in events)


def _labels(marks: list[tuple[float, list[Event]]], *, days: bool) -> list[tuple[float, list[str], str]]:
    """Words for marks, by rank, each from long to short; a row of one kind is counted once, at its last mark."""
    found: list[tuple[float, list[str], str]] = []
    for kind in _RANK:
        mine = [(x, events) for x, events in marks if events[0].kind == kind]
        labels: list[tuple[float, list[str], str]] = []
        row: list[Event] = []
        for (x, events), after in zip(mine, (*(x for x, _ in mine[1:]), math.inf), strict=False):
            row += [event for event in events if event.kind == kind]
            own = _words(events, days=days)
            if after - x >= _plot.text_box(0, 0, own).right + 24:
                labels.append((x, _variants(row, own, days=days), kind))
                row = []
        found += reversed(labels)
    return found


def _variants(row: list[Event], own: str, *, days: bool) -> list[str]:
    last = row[-1]
    if len(row) == 1:
        return [own, f"{last.words} {_short(last.time, days=False)}", last.words]
    if last.kind in _SQUARES:
        return [f"{text.count(len(row), last.kind)}, last {last.words.removeprefix(last.kind).strip()}"]
    times = f"{len(row):,} × {last.words}"
    return [f"{times}, last {_short(last.time, days=days)}", times]


def _words(events: list[Event], *, days: bool) -> str:
    first = events[0]
    restarted = first.kind == "release" and {event.kind for event in events[1:]} & {"restart", "start"}
    return f"{first.words}{', restart' if restarted else ''} {_short(first.time, days=days)}"


def _short(time: int, *, days: bool) -> str:
    stamp = _plot.instant(time)
    return f"{text.day(stamp).split()[0]} {text.clock(stamp)}" if days else text.clock(stamp)


def describe(timeline: Timeline, row: dict[str, Any]) -> str:
    line = timeline.line
    parts = [
        text.period(_plot.instant(timeline.start), _plot.instant(timeline.now)),
        f"{line.name[:1].upper()}{line.name[1:]} {text.memory(line.last_bytes)} at the end, "
        f"peak {text.memory(line.peak_bytes)}",
    ]
    if len(timeline.layers) > 1:
        layers = [f"{layer.edge.name} {text.memory(layer.last_bytes)}" for layer in timeline.layers]
        parts.append(f"Layers from the bottom: {', '.join(layers)}")
    limit = row["limit_bytes"]
    parts.append("No limit known" if limit is None else f"Limit {text.configured(limit)}")
    parts += [f"{event.words} {text.moment(_plot.instant(event.time))}" for event in timeline.events[-_TOLD:]]
    if len(timeline.events) > _TOLD:
        parts.append(f"{len(timeline.events) - _TOLD:,} earlier events")
    if timeline.fits and (growth := _growth(row)):
        parts.append(f"Fit on {timeline.fit_name}: {growth}")
    if (ahead := timeline.forecast) is not None:
        reaches = ahead.outlook == "reaches" and row["hours_to_limit"] is not None
        said = f"reaches the limit in {text.hours(row['hours_to_limit'])}"
        parts.append(f"Forecast: {said if reaches else f'about {text.memory(float(ahead.mid[-1]))}'}")
    return ". ".join(parts) + "."
