"""What a chart of one container draws: curves and layers cut at lives and gaps, limits, events, fit, forecast."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit._tables import TOPS, edges, run_starts, thick
from rmtoolkit.schema import BYTE_SIGNALS, FOOTPRINTS
from rmtoolkit.views._plot import Piece, stretches, telling, thin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.assessment import Assessment
    from rmtoolkit.recording import Recording


@dataclass(frozen=True, slots=True)
class Event:
    time: int
    kind: str
    words: str
    #: The limit in force.
    limit_bytes: int | None = None


def steps(settings: pl.DataFrame | None, kind: str, start: int, until: int) -> tuple[tuple[int, int, int], ...]:
    """Give the stretches of a limit or a request that lie on the axis: start, end and bytes."""
    if settings is None:
        return ()
    mine = settings.filter(kind=kind).select(
        pl.max_horizontal(pl.col("start").to_physical(), start),
        pl.col("end").to_physical().fill_null(until),
        "value_bytes",
    )
    return tuple(mine.filter(pl.col("end") > pl.col("start")).iter_rows())


_WORDS: Final = {"oom_kill": "OOM kill", "node_oom": "node OOM"} | {
    kind: kind for kind in ("evicted", "error", "start", "end", "restart", "release")
}


def happened(events: pl.DataFrame | None, start: int, now: int, until: int) -> tuple[Event, ...]:
    """Name what happened; kills of starts that left no sample come after the last one."""
    if events is None:
        return ()
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
    words = _WORDS.get(kind)
    if detail and kind in ("release", "error"):
        words = f"{kind} {text.printable(detail)}"
    return words[:40] if words and kind == "error" else words


def ms(value: object) -> int:
    """Turn a time of a frame into ms since 1970."""
    if not isinstance(value, dt.datetime):
        msg = f"expected a time, got {type(value).__name__}"
        raise TypeError(msg)
    return round(value.timestamp() * 1000)


#: The lines that a chart can follow, the one nearest the limit first.
LINES: Final = (*FOOTPRINTS, "resident_bytes", "allocated_bytes")


@dataclass(frozen=True, slots=True)
class Curve:
    """One signal over time: its name on the chart, the token of its colour, ms since 1970 and bytes."""

    name: str
    token: str
    pieces: tuple[Piece, ...]

    @property
    def last_bytes(self) -> float | None:
        return float(self.pieces[-1][1][-1]) if self.pieces else None

    @property
    def peak_bytes(self) -> float:
        return max((float(values.max()) for _, values in self.pieces), default=0.0)


@dataclass(frozen=True, slots=True)
class Layer:
    """One stacked layer: its upper edge, and how thick the row says that it is; None where that is not known."""

    edge: Curve
    last_bytes: float | None


class Cutter:
    """Cuts the signals of one container at lives and gaps, and thins them to so many steps of time."""

    def __init__(self, samples: pl.DataFrame, lives: pl.DataFrame, start: int, now: int) -> None:
        self.edges = [(ms(first), ms(last)) for first, last in lives.select("start", "end").iter_rows()]
        self.span = (start, now, 420)
        times = samples["time"].to_physical().to_numpy()
        life = np.full(len(times), -1)
        for number, (first, last) in enumerate(self.edges):
            life[(times >= first) & (times <= last)] = number
        self.times = times[life >= 0]
        self.life = life[life >= 0]
        self.samples = samples.with_columns(life=pl.Series(life)).filter(pl.col("life") >= 0)
        #: Signals that have a value, as floats; NaN where they were not sampled.
        known = (column for column in self.samples.select(BYTE_SIGNALS) if column.count())
        self.values = {column.name: column.to_numpy().astype(np.float64) for column in known}

    def _runs(self, values: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """Find the rows of each unbroken stretch of one value for each sample; NaN where there is none."""
        there = np.flatnonzero(~np.isnan(values))
        return [there[low:high] for low, high in stretches(self.times[there], self.life[there])]

    def curve(self, values: NDArray[np.float64], name: str, token: str) -> Curve:
        runs = self._runs(values)
        return Curve(name, token, tuple(thin(self.times[run], values[run], *self.span) for run in runs))

    def stack(self, edges: list[tuple[str, str, NDArray[np.float64]]]) -> list[Curve]:
        """Make the edges of layers, all of the same instants, so that none crosses another between its points."""
        runs = [self._runs(values) for *_, values in edges]
        start, end, bins = self.span
        kept = np.zeros(len(self.times), dtype=bool)
        for (*_, values), found in zip(edges, runs, strict=True):
            for run in found:
                kept[run[telling(self.times[run], values[run], start, end, bins // len(edges))]] = True
        curves = []
        for (name, token, values), found in zip(edges, runs, strict=True):
            rows = [run[kept[run]] for run in found]
            curves.append(Curve(name, token, tuple((self.times[row], values[row]) for row in rows)))
        return curves

    def gaps(self, name: str) -> tuple[tuple[int, int], ...]:
        """Find stretches inside a life without a sample: last before and first after, ms since 1970."""
        runs = self._runs(self.values[name])
        cuts = {last for _, last in self.edges}
        ends = [(int(self.times[one[-1]]), int(self.times[other[0]])) for one, other in pairwise(runs)]
        return tuple((last, first) for last, first in ends if not any(last <= cut < first for cut in cuts))


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
        curve = cutter.curve(known[line], text.SIGNAL_WORDS[line], "whole")
        return (Layer(curve, curve.last_bytes),)
    tops = edges(cutter.samples)
    stack = cutter.stack([(name, token, tops[top].to_numpy()) for name, token, top in wanted if tops[top].count()])
    thickness = thick(row)
    return tuple(Layer(edge, thickness[edge.token]) for edge in stack)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the memory is expected to go: ms since 1970 and bytes; `low` and `high` are NaN where unknown."""

    times: NDArray[np.int64]
    low: NDArray[np.float64]
    mid: NDArray[np.float64]
    high: NDArray[np.float64]
    outlook: str
    #: When the limit is reached, with its 80 % interval; None where that is not known.
    hit: int | None
    hit_low: int | None
    hit_high: int | None


@dataclass(frozen=True, slots=True)
class Timeline:
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
    fits: tuple[Piece, ...]
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

    def get(self, container: int) -> pl.DataFrame | None:
        """Give the rows of a container; None where it has none."""
        first, count = self._at.get(container, (0, 0))
        return self._frame.slice(int(first), int(count)) if count else None


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
        samples, lives = self.samples.get(container), self.lives.get(container)
        if samples is None or lives is None:
            return None
        lives = lives.sort("life")
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
            line=cutter.curve(cutter.values[known[0]], text.SIGNAL_WORDS[known[0]], "ink"),
            rss=cutter.curve(rss, "RSS", "ink-3") if rss is not None else None,
            layers=layers(cutter, known[0], row),
            limits=steps(settings, "limit", left, until),
            requests=steps(settings, "request", left, until),
            events=happened(self.events.get(container), start, now, until),
            gaps=cutter.gaps(known[0]),
            fits=() if fits is None else _fits(fits),
            fit_name="" if fits is None else text.SIGNAL_WORDS.get(str(fits["signal"][0]), ""),
            forecast=forecast,
        )


def _beside(samples: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Keep a stretch of time, and as much again on both sides for whoever moves it."""
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


def _forecast(rows: pl.DataFrame | None, row: dict[str, Any]) -> Forecast | None:
    if rows is None or row["limit_outlook"] == "unknown":
        return None
    names, reaches = ("low_bytes", "mid_bytes", "high_bytes"), row["limit_outlook"] == "reaches"
    low, mid, high = (rows[name].cast(pl.Float64).to_numpy() for name in names)
    times = (row[f"limit_at{side}"] if reaches else None for side in ("", "_low", "_high"))
    ends = (None if time is None else ms(time) for time in times)
    return Forecast(rows["time"].to_physical().to_numpy(), low, mid, high, row["limit_outlook"], *ends)


def _fits(rows: pl.DataFrame) -> tuple[Piece, ...]:
    curves = rows.filter(pl.col("signal").is_in(BYTE_SIGNALS) & (pl.col("fitted").list.len() > 1))["fitted"]
    points = (curve.struct.unnest() for curve in curves)
    return tuple((known["time"].to_physical().to_numpy(), known["value_bytes"].to_numpy()) for known in points)
