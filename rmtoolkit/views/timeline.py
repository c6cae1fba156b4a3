"""What a chart of one container draws: lines cut at lives and gaps, layers, limits, events, fit, forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit.schema import BYTE_SIGNALS, FOOTPRINTS
from rmtoolkit.views.happened import Event, happened, ms, steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.analysis.verdict import Judgement

#: The lines that a chart can follow, the one nearest the limit first.
LINES: Final = (*FOOTPRINTS, "resident_bytes", "allocated_bytes")

#: A step longer than this many usual steps is a gap.
_GAP_STEPS: Final = 3.5

#: A restart is seen in the samples up to this many steps away from the event that tells of it.
_REACH_STEPS: Final = 10

#: Parts of the chart's width that the future gets, as a share of the past: least and most.
_LEAST_AHEAD: Final = 0.36
_MOST_AHEAD: Final = 0.8

Piece = tuple["NDArray[np.int64]", "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One signal over time.

    Attributes
    ----------
    name
        What it is called on the chart.
    token
        Its colour in `rmtoolkit.views.theme`.
    pieces
        Times (ms since 1970) and bytes; a piece ends where a life or the data ends.

    Examples
    --------
    >>> Curve("working set", "ink", ()).last_bytes is None
    True
    """

    name: str
    token: str
    pieces: tuple[Piece, ...]

    @property
    def last_bytes(self) -> float | None:
        """The newest value."""
        return float(self.pieces[-1][1][-1]) if self.pieces else None

    @property
    def peak_bytes(self) -> float:
        """The largest value; 0 where there is none."""
        return max((float(values.max()) for _, values in self.pieces), default=0.0)


@dataclass(frozen=True, slots=True)
class Layer:
    """One stacked layer, drawn as the area under its upper edge; layers below cover it.

    Attributes
    ----------
    edge
        The upper edge.
    last_bytes
        Thickness at the end; None where it is not known.

    Examples
    --------
    >>> Layer(Curve("live heap", "live", ()), None).edge.name
    'live heap'
    """

    edge: Curve
    last_bytes: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the memory is expected to go.

    Attributes
    ----------
    times
        ms since 1970.
    low, mid, high
        Bytes; `low` and `high` are NaN where the band is unknown.
    outlook
        ``bounded``, ``reaches`` or ``unknown``.
    hit, hit_low, hit_high
        When the limit is reached, ms since 1970, with its 80 % interval; None where that is not known.

    Examples
    --------
    >>> Forecast.__slots__[-3:]
    ('hit', 'hit_low', 'hit_high')
    """

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
    """Everything that the chart of one container shows.

    Attributes
    ----------
    start, now, until
        First sample, last sample and end of the axis, ms since 1970.
    current
        Whether the last sample is as new as the recording: then it is called *now*.
    line
        The memory that counts against the limit, or the nearest there is.
    rss
        A second line, where RSS is known and is not the first.
    layers
        From the bottom up.
    limits, requests
        Stretches of start, end (ms) and bytes.
    events, gaps
        In order of time.
    fits, fit_name
        Fitted curves, one a life, and what was fitted.
    forecast
        None where nothing can be said.

    Examples
    --------
    >>> Timeline.__slots__[:3]
    ('start', 'now', 'until')
    """

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
        """Find the limit in force.

        Parameters
        ----------
        time
            ms since 1970.

        Returns
        -------
        int or None
            Bytes.

        Examples
        --------
        >>> nothing = Curve("", "", ())
        >>> Timeline(0, 9, 9, True, nothing, None, (), ((0, 5, 1), (5, 9, 2)), (), (), (), (), "", None).limit_at(5)
        1
        """
        # At the instant of a change the old limit was still the one that killed.
        return next((value for start, end, value in self.limits if start <= time <= end), None)


def prepare(judgement: Judgement, row: dict[str, Any], *, bins: int = 420) -> Timeline | None:
    """Collect what the chart of one workload's container draws.

    Parameters
    ----------
    judgement
        What `judge` found.
    row
        A verdict, as a dict: its `container_id` says which container stands for the workload.
    bins
        Steps of the recorded time; each keeps its smallest and its largest value, so peaks survive.

    Returns
    -------
    Timeline or None
        None when the container has no memory sample.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from rmtoolkit.recording import Recording
    >>> recording = Recording.from_frame(pl.DataFrame({"time": [0, 60, 120], "rss_bytes": [1, 2, 3]}))
    >>> lives = recording.samples.select("container_id", life=0, start=pl.col("time").min(), end=pl.col("time").max(),
    ...     start_seen=False, ended=pl.lit("running"), limit_bytes=None).head(1)
    >>> nothing = pl.DataFrame({"container_id": []}, schema={"container_id": pl.UInt32})
    >>> found = prepare(SimpleNamespace(recording=recording, lives=lives, fits=nothing, forecast=nothing), {
    ...     "container_id": 0, "limit_outlook": "unknown", "hours_to_limit": None, "signal": "rss_bytes"})
    >>> found.line.name, found.line.last_bytes, found.now - found.start
    ('RSS', 3.0, 120000)
    """
    mine = pl.col("container_id") == row["container_id"]
    samples = judgement.recording.samples.filter(mine)
    lives = judgement.lives.filter(mine).sort("life")
    known = [name for name in LINES if samples[name].count()]
    if not known or not lives.height:
        return None
    about = judgement.recording.containers.filter(mine).row(0, named=True)
    start, now = (ms(value) for value in (lives["start"].min(), lives["end"].max()))
    cutter = _Cutter(samples, lives, start, max(now, start + 1), bins)
    line = cutter.curve(pl.col(known[0]), text.SIGNAL_WORDS[known[0]], "ink")
    second = "rss_bytes" if known[0] != "rss_bytes" and "rss_bytes" in known else None
    step_ms = round(1000 * (about["cadence_seconds"] or 60))
    events = happened(judgement.recording.events.filter(mine), lives, start, now, _REACH_STEPS * step_ms)
    forecast = _forecast(judgement.forecast.filter(mine), row, now)
    until = now + _ahead(forecast, max(now - start, 60_000))
    fits = judgement.fits.filter(mine)
    newest = judgement.recording.samples["time"].max()
    return Timeline(
        start=start,
        now=now,
        until=until,
        current=newest is None or ms(newest) - now <= 2 * step_ms,
        line=line,
        rss=cutter.curve(pl.col(second), "RSS", "ink-3") if second else None,
        layers=_layers(cutter, known),
        limits=steps(judgement.recording.events.filter(mine), "limit", about, (start, until)),
        requests=steps(judgement.recording.events.filter(mine), "request", about, (start, until)),
        events=events,
        gaps=cutter.gaps(known[0]),
        fits=_fits(fits),
        fit_name=text.SIGNAL_WORDS.get(str(fits["signal"][0]), "") if fits.height else "",
        forecast=forecast,
    )


class _Cutter:
    """Cuts signals of one container at lives and gaps and thins them."""

    def __init__(self, samples: pl.DataFrame, lives: pl.DataFrame, start: int, now: int, bins: int) -> None:
        self.samples = samples
        self.edges = [(ms(first), ms(last)) for first, last in lives.select("start", "end").iter_rows()]
        self.start = start
        self.now = now
        self.bins = bins

    def _runs(self, value: pl.Expr) -> tuple[Piece, NDArray[np.int64]]:
        """Find times and values that are there, and where each unbroken run of them begins."""
        found = self.samples.select(time=pl.col("time").to_physical(), value=value.cast(pl.Float64)).drop_nulls()
        times, values = found["time"].to_numpy(), found["value"].to_numpy()
        life = np.full(len(times), -1)
        for number, (first, last) in enumerate(self.edges):
            life[(times >= first) & (times <= last)] = number
        times, values, life = times[life >= 0], values[life >= 0], life[life >= 0]
        if not len(times):
            return (times, values), np.zeros(0, dtype=np.int64)
        steps = np.diff(times)
        usual = float(np.median(steps)) if len(steps) else 0.0
        breaks = np.flatnonzero((np.diff(life) != 0) | (steps > _GAP_STEPS * usual)) + 1
        return (times, values), np.concatenate([[0], breaks]).astype(np.int64)

    def curve(self, value: pl.Expr, name: str, token: str) -> Curve:
        """Make a curve of an expression over the samples."""
        (times, values), begins = self._runs(value)
        ends = [*begins[1:].tolist(), len(times)]
        pieces = [
            thin(times[begin:end], values[begin:end], self.start, self.now, self.bins)
            for begin, end in zip(begins.tolist(), ends, strict=True)
            if end > begin
        ]
        return Curve(name, token, tuple(pieces))

    def gaps(self, name: str) -> tuple[tuple[int, int], ...]:
        """Find stretches inside a life without a sample of a signal."""
        (times, _), begins = self._runs(pl.col(name))
        cuts = {last for _, last in self.edges}
        return tuple(
            (int(times[at - 1]), int(times[at]))
            for at in begins.tolist()[1:]
            if not any(times[at - 1] <= cut < times[at] for cut in cuts)
        )


def thin(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    start: int,
    end: int,
    bins: int,
) -> Piece:
    """Keep the smallest and the largest value of every step of time, and both ends.

    Parameters
    ----------
    times, values
        One unbroken run, in order of time.
    start, end
        What the steps divide, ms since 1970.
    bins
        How many steps there are.

    Returns
    -------
    tuple of arrays
        At most two points a step: a peak of a single sample stays.

    Examples
    --------
    >>> times = np.arange(1000)
    >>> kept = thin(times, np.where(times == 501, 9.0, 1.0), 0, 1000, 10)
    >>> len(kept[0]), float(kept[1].max())
    (20, 9.0)
    """
    if len(times) <= 2 * bins * (int(times[-1]) - int(times[0])) / max(end - start, 1) or len(times) < 4:  # noqa: PLR2004
        return times, values
    step = ((times - start) * bins) // max(end - start, 1)
    order = np.lexsort((values, step))
    first = np.flatnonzero(np.diff(step[order], prepend=step[order][0] - 1))
    last = np.append(first[1:], len(order)) - 1
    kept = np.unique(np.concatenate([order[first], order[last], [0, len(times) - 1]]))
    return times[kept], values[kept]


def _layers(cutter: _Cutter, known: list[str]) -> tuple[Layer, ...]:
    """Choose layers by what was measured; each edge lies on or above the ones below it."""
    samples = cutter.samples
    sampled = {name for name in BYTE_SIGNALS if samples[name].count()}
    whole = next((name for name in ("usage_bytes", "working_set_bytes") if name in sampled), None)
    private = next((name for name in ("anon_bytes", "rss_bytes") if name in sampled), None)
    wanted: list[tuple[str, str, pl.Expr | None]]
    if "allocated_bytes" in sampled:
        kept = "resident_bytes" if "resident_bytes" in sampled else None
        free = pl.col("allocated_bytes") + pl.col("free_bytes") if kept is None and "free_bytes" in sampled else None
        wanted = [
            ("live heap", "live", pl.col("allocated_bytes")),
            ("allocator slack", "slack", pl.col("active_bytes") if "active_bytes" in sampled else None),
            ("kept pages", "kept", pl.col(kept) if kept else free),
            ("outside allocator", "outside", pl.col(private) if private else None),
            (
                "page cache, kernel" if private else "outside allocator, page cache",
                "cache",
                pl.col(whole) if whole else None,
            ),
        ]
    elif private == "anon_bytes" and whole:
        wanted = [
            ("anonymous memory", "whole", pl.col(private)),
            ("page cache, kernel", "cache", pl.col(whole)),
        ]
    else:
        wanted = [(text.SIGNAL_WORDS[known[0]], "whole", pl.col(known[0]))]
    found: list[Layer] = []
    below: list[pl.Expr] = []
    under = 0.0
    for name, token, value in wanted:
        if value is None:
            continue
        top = pl.when(value.is_not_null()).then(pl.max_horizontal(value, *below)) if below else value
        edge = cutter.curve(top, name, token)
        below.append(value)
        last = edge.last_bytes
        found.append(Layer(edge, None if last is None else max(last - under, 0.0)))
        under = last if last is not None else under
    return tuple(found)


def _ahead(forecast: Forecast | None, span: int) -> int:
    """How much time after the last sample the axis shows."""
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


def _forecast(rows: pl.DataFrame, row: dict[str, Any], now: int) -> Forecast | None:
    if not rows.height or row["limit_outlook"] == "unknown":
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
