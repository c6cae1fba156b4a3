"""Signals of one container as curves and layers: cut at lives and gaps, thinned so that peaks survive."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit import text
from rmtoolkit.schema import BYTE_SIGNALS, FOOTPRINTS
from rmtoolkit.views._plot import Piece, stretches, telling, thin
from rmtoolkit.views.happened import ms

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

#: The lines that a chart can follow, the one nearest the limit first.
LINES: Final = (*FOOTPRINTS, "resident_bytes", "allocated_bytes")


@dataclass(frozen=True, slots=True)
class Curve:
    """One signal over time: its name on the chart, its colour in `rmtoolkit.views.theme`, ms since 1970 and bytes."""

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
    """One stacked layer: its upper edge, and how thick it is at the end; None where that is not known."""

    edge: Curve
    last_bytes: float | None


class Cutter:
    """Cuts the signals of one container at lives and gaps, and thins them to so many steps of time."""

    def __init__(self, samples: pl.DataFrame, lives: pl.DataFrame, start: int, now: int, bins: int) -> None:
        self.edges = [(ms(first), ms(last)) for first, last in lives.select("start", "end").iter_rows()]
        self.span = (start, now, bins)
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

    def _runs(self, values: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """Find the rows of each unbroken stretch of one value for each sample; NaN where there is none."""
        there = np.flatnonzero(~np.isnan(values))
        return [there[low:high] for low, high in stretches(self.times[there], self.life[there])]

    def curve(self, values: NDArray[np.float64], name: str, token: str) -> Curve:
        """Make a curve."""
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


def layers(cutter: Cutter, line: str) -> tuple[Layer, ...]:
    """Choose layers by what was measured, from the bottom up; each edge lies on or above the ones below it."""
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
    edges: list[tuple[str, str, NDArray[np.float64]]] = []
    below: NDArray[np.float64] | None = None
    for name, token, values in wanted:
        if values is not None:
            # Gauges of different scrapes may cross: a layer is then empty, never negative.
            top = values if below is None else np.where(np.isnan(values), values, np.fmax(values, below))
            below = values if below is None else np.fmax(values, below)
            edges.append((name, token, top))
    found: list[Layer] = []
    under = 0.0
    for edge in cutter.stack(edges):
        last = edge.last_bytes
        found.append(Layer(edge, None if last is None else max(last - under, 0.0)))
        under = last if last is not None else under
    return tuple(found)
