"""Signals of one container as curves and layers: cut at lives and gaps, thinned so that peaks survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.schema import BYTE_SIGNALS, FOOTPRINTS
from rmtoolkit.views.happened import ms

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

#: The lines that a chart can follow, the one nearest the limit first.
LINES: Final = (*FOOTPRINTS, "resident_bytes", "allocated_bytes")

#: A step longer than this many usual steps is a gap.
_GAP_STEPS: Final = 3.5

Piece = tuple["NDArray[np.int64]", "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One signal over time."""

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
    """One stacked layer, drawn as the area under its upper edge; layers below cover it."""

    edge: Curve
    last_bytes: float | None


class Cutter:
    """Cuts the signals of one container at lives and gaps, and thins them."""

    def __init__(self, samples: pl.DataFrame, lives: pl.DataFrame, start: int, now: int, bins: int) -> None:
        self.edges = [(ms(first), ms(last)) for first, last in lives.select("start", "end").iter_rows()]
        self.start = start
        self.now = now
        self.bins = bins
        times = samples["time"].to_physical().to_numpy()
        life = np.full(len(times), -1)
        for number, (first, last) in enumerate(self.edges):
            life[(times >= first) & (times <= last)] = number
        self.times = times[life >= 0]
        self.life = life[life >= 0]
        #: Signals that have a value, as floats; NaN where they were not sampled.
        self.values: dict[str, NDArray[np.float64]] = {}
        for name in BYTE_SIGNALS:
            if samples[name].null_count() < samples.height:
                values = samples[name].to_numpy().astype(np.float64)[life >= 0]
                if not np.isnan(values).all():
                    self.values[name] = values

    def _runs(self, values: NDArray[np.float64]) -> tuple[Piece, NDArray[np.int64]]:
        """Find times and values that are there, and where each unbroken run of them begins."""
        there = ~np.isnan(values)
        times, life = self.times[there], self.life[there]
        steps = np.diff(times)
        usual = float(np.median(steps)) if len(steps) else 0.0
        breaks = np.flatnonzero((np.diff(life) != 0) | (steps > _GAP_STEPS * usual)) + 1
        return (times, values[there]), np.concatenate([[0], breaks]).astype(np.int64)

    def curve(self, values: NDArray[np.float64], name: str, token: str) -> Curve:
        """Make a curve."""
        (times, there), begins = self._runs(values)
        ends = [*begins[1:].tolist(), len(times)]
        pieces = [
            thin(times[begin:end], there[begin:end], self.start, self.now, self.bins)
            for begin, end in zip(begins.tolist(), ends, strict=True)
            if end > begin
        ]
        return Curve(name, token, tuple(pieces))

    def gaps(self, name: str) -> tuple[tuple[int, int], ...]:
        """Find stretches inside a life without a sample of a signal."""
        (times, _), begins = self._runs(self.values[name])
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
    """Keep the smallest and the largest value of every step of time, and both ends."""
    if len(times) <= 2 * bins * (int(times[-1]) - int(times[0])) / max(end - start, 1) or len(times) < 4:  # noqa: PLR2004
        return times, values
    step = ((times - start) * bins) // max(end - start, 1)
    order = np.lexsort((values, step))
    first = np.flatnonzero(np.diff(step[order], prepend=step[order][0] - 1))
    last = np.append(first[1:], len(order)) - 1
    kept = np.unique(np.concatenate([order[first], order[last], [0, len(times) - 1]]))
    return times[kept], values[kept]


def layers(cutter: Cutter, line: str) -> tuple[Layer, ...]:
    """Choose layers by what was measured; each edge lies on or above the ones below it."""
    known = cutter.values
    whole = known.get("usage_bytes", known.get("working_set_bytes"))
    private = known.get("anon_bytes", known.get("rss_bytes"))
    wanted: list[tuple[str, str, NDArray[np.float64] | None]]
    if "allocated_bytes" in known:
        kept = known.get("resident_bytes")
        if kept is None and "free_bytes" in known:
            kept = known["allocated_bytes"] + known["free_bytes"]
        rest = "page cache, kernel" if private is not None else "outside allocator, page cache"
        wanted = [
            ("live heap", "live", known["allocated_bytes"]),
            ("allocator slack", "slack", known.get("active_bytes")),
            ("kept pages", "kept", kept),
            ("outside allocator", "outside", private),
            (rest, "cache", whole),
        ]
    elif "anon_bytes" in known and whole is not None:
        wanted = [("anonymous memory", "whole", private), ("page cache, kernel", "cache", whole)]
    else:
        wanted = [(text.SIGNAL_WORDS[line], "whole", known[line])]
    found: list[Layer] = []
    below: NDArray[np.float64] | None = None
    under = 0.0
    for name, token, values in wanted:
        if values is None:
            continue
        # Gauges of different scrapes may cross: a layer is then empty, never negative.
        top = values if below is None else np.where(np.isnan(values), values, np.fmax(values, below))
        edge = cutter.curve(top, name, token)
        below = values if below is None else np.fmax(values, below)
        last = edge.last_bytes
        found.append(Layer(edge, None if last is None else max(last - under, 0.0)))
        under = last if last is not None else under
    return tuple(found)
