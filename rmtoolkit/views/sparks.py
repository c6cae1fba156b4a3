"""Sparks of a whole fleet: what a spark needs of each container, cut out of the samples in one go."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit.views import svg
from rmtoolkit.views.curves import LINES, Curve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from rmtoolkit.analysis.judge import Judgement
    from rmtoolkit.views.markup import Markup

#: Histories share one window when it is at most this many times the usual one.
_SIDE_BY_SIDE: Final = 2.5
_WEEK_MS: Final = 7 * 86_400_000
#: A step longer than this many usual steps is a gap.
_GAP_STEPS: Final = 3.5
#: More kills than this are one blot on a spark.
_MOST_KILLS: Final = 12


class Sparks:
    """Draws the spark of any container of a judgement."""

    def __init__(self, judgement: Judgement, shown: Iterable[int]) -> None:
        recording = judgement.recording
        wanted = pl.Series("container_id", sorted(set(shown)), dtype=pl.UInt32)
        samples = recording.samples.filter(pl.col("container_id").is_in(wanted.implode()))
        ids = samples["container_id"].to_numpy()
        self._times = samples["time"].to_physical().to_numpy()
        edges = np.flatnonzero(np.diff(ids, prepend=ids[:1] + 1)) if len(ids) else np.array([], dtype=np.int64)
        ends = np.append(edges[1:], len(ids)) if len(edges) else edges
        self._rows = {int(ids[begin]): (int(begin), int(end)) for begin, end in zip(edges, ends, strict=True)}
        known = [name for name in LINES if samples[name].null_count() < samples.height]
        counted = samples.lazy().group_by("container_id").agg(pl.col(known).count()).collect() if known else None
        self._signal: dict[int, str] = {}
        for row in () if counted is None else counted.iter_rows(named=True):
            self._signal[row["container_id"]] = next((name for name in known if row[name]), "")
        self._values: dict[str, NDArray[np.float64]] = {
            name: samples[name].cast(pl.Float64).to_numpy() for name in set(self._signal.values()) if name
        }
        lives = judgement.lives.filter(pl.col("container_id").is_in(wanted.implode())).sort("container_id", "start")
        cut = lives.partition_by("container_id", as_dict=True)
        self._starts = {key[0]: part["start"].to_physical().to_numpy() for key, part in cut.items()}
        self._limits = dict(recording.containers.select("container_id", "limit_bytes").iter_rows())
        self._kills = _kills(recording.events, wanted)
        self.heading, self._window = self._shared(recording.times())

    def _shared(self, extent: tuple[Any, Any] | None) -> tuple[str, tuple[int, int] | None]:
        """One window for all sparks where the histories lie side by side in time, else each its own."""
        spans = [int(self._times[end - 1] - self._times[begin]) for begin, end in self._rows.values()]
        if not spans or extent is None:
            return "History, to limit", None
        first, last = (round(time.timestamp() * 1000) for time in extent)
        if last - first > _SIDE_BY_SIDE * statistics.median(spans):
            return "History, to limit", None
        first = max(first, last - _WEEK_MS)
        return f"{text.hours((last - first) / 3_600_000).replace(' d', ' days')}, to limit", (first, last)

    def curve(self, container: int) -> Curve | None:
        """Give the memory of a container, cut at lives and gaps."""
        signal = self._signal.get(container)
        if not signal:
            return None
        begin, end = self._rows[container]
        times, values = self._times[begin:end], self._values[signal][begin:end]
        there = ~np.isnan(values)
        times, values = times[there], values[there]
        steps = np.diff(times)
        usual = float(np.median(steps)) if len(steps) else 0.0
        life = np.searchsorted(self._starts.get(container, times[:1]), times, side="right")
        cuts = np.flatnonzero((np.diff(life) != 0) | (steps > _GAP_STEPS * usual)) + 1
        bounds = [0, *cuts.tolist(), len(times)]
        pieces = tuple((times[low:high], values[low:high]) for low, high in pairwise(bounds) if high > low)
        return Curve(text.SIGNAL_WORDS.get(signal, signal), "ink", pieces)

    def of(self, container: int) -> Markup | str:
        """Draw the spark of a container."""
        line = self.curve(container)
        if line is None:
            return text.NOT_APPLICABLE
        start, end = self._window or (int(line.pieces[0][0][0]), int(line.pieces[-1][0][-1]))
        limit = self._limits.get(container)
        kills = [(time, limit) for time in self._kills.get(container, ()) if start <= time <= end]
        return svg.spark(line, limit, kills[-_MOST_KILLS:], start, end)


def _kills(events: pl.DataFrame, wanted: pl.Series) -> dict[int, list[int]]:
    killed = events.filter((pl.col("kind") == "oom_kill") & pl.col("container_id").is_in(wanted.implode()))
    found: dict[int, list[int]] = {}
    for container, time in killed.select("container_id", pl.col("time").to_physical()).iter_rows():
        found.setdefault(container, []).append(time)
    return found
