"""What a chart of one container draws: lines cut at lives and gaps, layers, limits, events, fit, forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit.schema import BYTE_SIGNALS, EVENTS, empty
from rmtoolkit.views.curves import LINES, Curve, Cutter, Layer, Piece, layers
from rmtoolkit.views.happened import Event, happened, ms, steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from rmtoolkit.analysis.judge import Judgement

#: A restart is seen in the samples up to this many steps away from the event that tells of it.
_REACH_STEPS: Final = 10

#: Parts of the chart's width that the future gets, as a share of the past: least and most.
_LEAST_AHEAD: Final = 0.36
_MOST_AHEAD: Final = 0.8


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the memory is expected to go."""

    times: NDArray[np.int64]
    low: NDArray[np.float64]
    mid: NDArray[np.float64]
    high: NDArray[np.float64]
    outlook: str
    hit: int | None
    hit_low: int | None
    hit_high: int | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that the chart of one container shows."""

    start: int
    now: int
    until: int
    current: bool
    line: Curve
    rss: Curve | None
    layers: tuple[Layer, ...]
    limits: tuple[tuple[int, int, int], ...]
    requests: tuple[tuple[int, int, int], ...]
    events: tuple[Event, ...]
    gaps: tuple[tuple[int, int], ...]
    fits: tuple[Piece, ...]
    fit_name: str
    forecast: Forecast | None

    @property
    def peak_bytes(self) -> float:
        """The highest value that is drawn."""
        return max(self.line.peak_bytes, *(layer.edge.peak_bytes for layer in self.layers), 1.0)

    def limit_at(self, time: int) -> int | None:
        """Find the limit in force."""
        # At the instant of a change the old limit was still the one that killed.
        return next((value for start, end, value in self.limits if start <= time <= end), None)


class Timelines:
    """Collects what the charts of a judgement draw."""

    def __init__(self, judgement: Judgement, bins: int = 420, *, only: Iterable[int] | None = None) -> None:
        self.bins = bins
        wanted = None if only is None else pl.Series(sorted(set(only)), dtype=pl.UInt32).implode()
        recording = judgement.recording
        newest = recording.samples["time"].max()
        self.newest = None if newest is None else ms(newest)
        self.about = {row["container_id"]: row for row in recording.containers.iter_rows(named=True)}
        # Cut once by container: a filter over all samples for every chart would take most of the time.
        self.samples = _parts(recording.samples, wanted)
        self.events = _parts(recording.events, wanted)
        self.lives = _parts(judgement.lives, wanted)
        self.fits = _parts(judgement.fits, wanted)
        self.forecast = _parts(judgement.forecast, wanted)

    def of(self, row: dict[str, Any], span: tuple[int, int] | None = None) -> Timeline | None:
        """Collect what the chart of one workload's container draws."""
        container = row["container_id"]
        samples, lives = self.samples.get(container), self.lives.get(container)
        if samples is None or lives is None:
            return None
        lives = lives.sort("life")
        start, now = (ms(value) for value in (lives["start"].min(), lives["end"].max()))
        if span is None:
            cutter = Cutter(samples, lives, start, max(now, start + 1), self.bins)
        else:
            cutter = Cutter(_beside(samples, *span), lives, span[0], max(span[1], span[0] + 1), self.bins)
        known = [name for name in LINES if name in cutter.values]
        if not known:
            return None
        about = self.about[container]
        step_ms = round(1000 * (about["cadence_seconds"] or 60))
        events = self.events.get(container, empty(EVENTS))
        forecast = _forecast(self.forecast.get(container), row, now)
        left, until = span or (start, now + ahead(forecast, max(now - start, 60_000)))
        rss = cutter.values.get("rss_bytes") if known[0] != "rss_bytes" else None
        fits = self.fits.get(container)
        return Timeline(
            start=left,
            now=now,
            until=until,
            current=self.newest is None or self.newest - now <= 2 * step_ms,
            line=cutter.curve(cutter.values[known[0]], text.SIGNAL_WORDS[known[0]], "ink"),
            rss=cutter.curve(rss, "RSS", "ink-3") if rss is not None else None,
            layers=layers(cutter, known[0]),
            limits=steps(events, "limit", about, (left, until)),
            requests=steps(events, "request", about, (left, until)),
            events=happened(events, lives, start, now, _REACH_STEPS * step_ms),
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


def _parts(frame: pl.DataFrame, wanted: pl.Series | None) -> dict[int, pl.DataFrame]:
    if wanted is not None:
        frame = frame.filter(pl.col("container_id").is_in(wanted))
    parts = frame.partition_by("container_id", as_dict=True, maintain_order=True)
    return {container: part for (container,), part in parts.items()}


def ahead(forecast: Forecast | None, span: int) -> int:
    """Choose how much time after the last sample the axis shows."""
    least, most = int(_LEAST_AHEAD * span), int(_MOST_AHEAD * span)
    if forecast is None:
        return least
    now = int(forecast.times[0])
    if forecast.hit is not None:
        wanted = int(1.12 * ((forecast.hit_high or forecast.hit) - now))
        if wanted > most:
            wanted = int(1.12 * (forecast.hit - now))
        return max(least, wanted) if wanted <= most else least
    return least


def _forecast(rows: pl.DataFrame | None, row: dict[str, Any], now: int) -> Forecast | None:
    if rows is None or row["limit_outlook"] == "unknown":
        return None
    low, mid, high = (
        rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for name in ("low_bytes", "mid_bytes", "high_bytes")
    )
    ends: list[int | None] = [None, None, None]
    if row["limit_outlook"] == "reaches":
        values = (row["hours_to_limit"], row["hours_to_limit_low"], row["hours_to_limit_high"])
        ends = [None if value is None else now + round(3_600_000 * value) for value in values]
    return Forecast(rows["time"].to_physical().to_numpy(), low, mid, high, row["limit_outlook"], *ends)


def _fits(rows: pl.DataFrame) -> tuple[Piece, ...]:
    found = []
    for row in rows.iter_rows(named=True):
        points = row["fitted"] or []
        if len(points) > 1 and row["signal"] in BYTE_SIGNALS:
            times = np.array([ms(point["time"]) for point in points], dtype=np.int64)
            found.append((times, np.array([point["value_bytes"] for point in points], dtype=np.float64)))
    return tuple(found)
