"""Measure what a recorded run shows and what its program counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from recorded import Recorded

#: The floor of a series is looked at in so many parts: few suit a handful of teeth, many a short onset.
BINS = (5, 8, 16)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured in the window; bytes, recorded seconds.

    Attributes
    ----------
    window
        How long it is.
    level, peak
        Working set: median of the last tenth of the samples, and the highest.
    early
        Median working set of the second tenth of the samples.
    live, live_early
        Bytes in use inside the program, heap and outside, at the same places.
    kept
        Anonymous memory that is not in use: what the allocator keeps, at the window's end.
    lost
        Bytes lost by the container of the last release that lost most, summed over its lives.
    onset
        Second at which it began to lose; null when it lost nothing.
    rate
        Bytes lost per second from the onset on.
    noise
        Spread of the working set's floor around a straight line, in the longest life; the floor is the minimum
        of each part, so that bursts and teeth are not noise, and the smallest spread over `BINS` counts.
    swing
        From the 5th to the 98th percentile of the working set, after the first fifth of the window.
    settled_at
        Part of the window after which the bytes in use stay within 5 % of their last level.
    late_growth
        Growth of the bytes in use from the third to the last fifth of the window.
    seen
        Growth of the working set's floor in the longest life, from the onset on, as the line through it.
    file_growth
        Growth of the page cache.
    follows
        Correlation of the working set with the load, both averaged over 15 samples.
    kills, lives
        OOM kills and lives in the window, all containers.
    longest_life
        Part of the window that the longest life covers.
    seconds_to_limit
        From the window's end to the next OOM kill; null when there was none.
    watched_seconds
        How long the run went on after its window.
    """

    window: int
    level: float
    peak: float
    early: float
    live: float
    live_early: float
    kept: float
    lost: int
    onset: int | None
    rate: float
    noise: float
    swing: float
    settled_at: float
    late_growth: float
    seen: float
    file_growth: float
    follows: float
    kills: int
    lives: int
    longest_life: float
    seconds_to_limit: int | None
    watched_seconds: int


def _within(frame: pl.DataFrame, column: str, low: float, high: float) -> float:
    """Take the median over a part of the samples: a container that is down has none."""
    values = frame[column].drop_nulls().to_numpy()
    part = values[int(low * len(values)) : max(int(high * len(values)), 1)]
    return float(np.median(part)) if len(part) else 0.0


def _floor_line(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Fit a line to the floor of a series; returns its rise over the series and the spread around it."""
    fits = [(0.0, 0.0)]
    for bins in BINS:
        if len(values) < 2 * bins:
            continue
        floor = np.array([part.min() for part in np.array_split(values.astype(float), bins)])
        place = np.arange(bins) - (bins - 1) / 2
        slope, level = np.polyfit(place, floor, 1)
        rest = floor - level - slope * place
        fits.append((float(slope * bins), float(1.48 * np.median(np.abs(rest - np.median(rest))))))
    return min(fits[1:] or fits, key=lambda fit: fit[1])


def _follows(frame: pl.DataFrame) -> float:
    """Correlate the working set with the load."""
    smooth = frame.drop_nulls("load").select(pl.col("load", "working_set_bytes").rolling_mean(15)).drop_nulls()
    if smooth.height < 30:
        return 0.0
    return float(np.nan_to_num(np.corrcoef(smooth["load"].to_numpy(), smooth["working_set_bytes"].to_numpy())[0, 1]))


def _most(column: pl.Series) -> float:
    """Take the largest value; 0 of none."""
    return float(column.drop_nulls().to_numpy().max()) if column.drop_nulls().len() else 0.0


def measure(shown: Recorded, whole: Recorded) -> Facts:
    """Measure a run.

    Parameters
    ----------
    shown
        The run cut to its window.
    whole
        The same run with what went on after the window.
    """
    window = shown.plan["window_seconds"]
    frame = shown.frame.with_columns(
        dead=pl.col("dead_bytes") + pl.col("outside_dead_bytes"),
        inside=pl.col("live_bytes") + pl.col("outside_bytes"),
    )
    # A leak that a release has ended is none: only the pods of the last release are looked at.
    last = max(one["version"] for one in shown.containers)
    current = frame.filter(
        pl.col("container").is_in([one["index"] for one in shown.containers if one["version"] == last])
    )
    grown = (
        current.drop_nulls("dead")
        .group_by("container", "life", maintain_order=True)
        # A child of the service that ends takes along what it had lost.
        .agg(lost=pl.col("dead").diff().clip(lower_bound=0).sum())
        .group_by("container", maintain_order=True)
        .agg(pl.col("lost").sum())
        .sort("lost", "container")
    )
    loser, lost = (grown["container"][-1], int(grown["lost"][-1])) if grown.height else (0, 0)
    focus = current.filter(pl.col("container") == loser)
    losing = focus.filter(pl.col("dead") > 0)
    onset = int(losing["second"][0]) if lost and losing.height else None
    # A start-up that passes is no noise of what comes after it.
    after = focus.filter(pl.col("second") >= max(onset or 0, 0.15 * window))
    longest = after.group_by("life").len().sort("len", "life")["life"][-1] if after.height else 0
    tail = after.filter(pl.col("life") == longest)
    seen, noise = _floor_line(tail["working_set_bytes"].to_numpy())
    settled = focus.filter(pl.col("second") >= 0.2 * window)["working_set_bytes"].cast(pl.Float64)
    live = _within(focus, "inside", 0.9, 1.0)
    moving = focus.filter((pl.col("inside").rolling_median(9) - live).abs() > 0.05 * live)
    events = [event for one in shown.containers for event in one["events"]]
    kills = [event for one in whole.containers for event in one["events"] if event["kind"] == "oom_kill"]
    end = shown.plan["window_seconds"]
    later = [int(event["time"] - whole.start) - end for event in kills if event["time"] - whole.start > end]
    spans = focus.group_by("container", "life").len()["len"]
    span = max(window - (onset or 0), 1)
    return Facts(
        window=window,
        level=_within(focus, "working_set_bytes", 0.9, 1.0),
        peak=_most(frame["working_set_bytes"]),
        early=_within(focus, "working_set_bytes", 0.1, 0.2),
        live=live,
        live_early=_within(focus, "inside", 0.1, 0.2),
        kept=max(0.0, _within(focus, "anon_bytes", 0.9, 1.0) - live),
        lost=lost,
        onset=onset,
        rate=lost / span if onset is not None else 0.0,
        noise=noise,
        swing=float((settled.quantile(0.98) or 0) - (settled.quantile(0.05) or 0)),
        settled_at=_most(moving["second"]) / window,
        late_growth=_within(focus, "inside", 0.8, 1.0) - _within(focus, "inside", 0.4, 0.6),
        seen=seen,
        file_growth=_within(focus, "file_bytes", 0.9, 1.0) - _within(focus, "file_bytes", 0.0, 0.1),
        follows=_follows(focus),
        kills=sum(event["kind"] == "oom_kill" for event in events),
        lives=sum(event["kind"] == "start" for event in events),
        longest_life=_most(spans) / window,
        seconds_to_limit=min(later, default=None),
        watched_seconds=int(_most(whole.frame["second"])) - end,
    )
