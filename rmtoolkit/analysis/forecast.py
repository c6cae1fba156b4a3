"""From growth to the limit: how long, how likely, and the band that a chart shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.chances import ENDLESS, UNKNOWN, WEEK_HOURS, Chances, Exposure, chances, peaks_per_week
from rmtoolkit.analysis.layers import BESIDE
from rmtoolkit.analysis.parameters import (
    HORIZON_WEEKS,
    HORIZON_WINDOWS,
    LIKELY,
    PEAK_SPREAD,
    QUANTILE,
    SLOPE_DOUBT,
)
from rmtoolkit.schema import TIME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rmtoolkit.analysis.opinion import Opinion

#: Points of the forecast that a chart gets.
_POINTS: Final = 20

FORECAST: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        "time": TIME,
        "low_bytes": pl.Float64(),
        "mid_bytes": pl.Float64(),
        "high_bytes": pl.Float64(),
    },
)


@dataclass(frozen=True, slots=True)
class Outlook:
    """When a container reaches its limit.

    Attributes
    ----------
    outlook
        ``bounded``, ``reaches`` or ``unknown``.
    hours, low, high
        Hours from the last sample to the limit with an 80 % interval; None unless it reaches. An open
        upper end is None.
    chances
        Of at least one OOM kill in the next day, week and month.
    capped
        Whether restarts end a life before it is at the limit.

    Examples
    --------
    >>> Outlook("bounded", None, None, None, UNKNOWN).outlook
    'bounded'
    """

    outlook: str
    hours: float | None
    low: float | None
    high: float | None
    chances: Chances
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of the memory that counts against the limit.

    Attributes
    ----------
    per_day, error_per_day
        Bytes per day and their standard error.
    level_bytes
        What the kernel cannot take back, at the end of the life: the highest of its last samples.
    spread_bytes
        Standard deviation around the fit.

    Examples
    --------
    >>> Growth(0.0, 0.0, 1.0, 0.0).per_day
    0.0
    """

    per_day: float
    error_per_day: float
    level_bytes: float
    spread_bytes: float


def growth_against_limit(opinion: Opinion) -> Growth | None:
    """Pick the signal whose growth fills the limit.

    Parameters
    ----------
    opinion
        The life that runs.

    Returns
    -------
    Growth or None
        Of anonymous memory plus what else cannot be reclaimed where it is known, else of the footprint.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> growth_against_limit(Opinion({}, {}, None)) is None
    True
    """
    whole = opinion.readings.get("footprint_bytes")
    if whole is None:
        return None
    row = opinion.readings.get("anon_bytes", whole)
    level = row["top"]
    for part in ("shmem_bytes", "kernel_bytes"):
        if row is not whole and part in opinion.readings:
            level += opinion.readings[part]["end_level"]
    if row["growth_per_day"] is None:
        return None
    layer = opinion.notes.get("growing_layer")
    if layer in BESIDE:
        beside = opinion.readings.get(BESIDE[layer].signal, whole)
        level = whole["top"] if beside is whole else level
        return Growth(beside["growth_per_day"], beside["growth_error_per_day"], level, beside["noise"] or 0.0)
    return Growth(row["growth_per_day"], row["growth_error_per_day"], level, row["noise"] or 0.0)


def from_now(growth: Growth | None, main: Opinion, last: Opinion) -> Growth | None:
    """Start the forecast where the container is now, which may be a younger life than the one judged.

    Parameters
    ----------
    growth
        As the judged life shows it.
    main
        The judged life.
    last
        The youngest life of the same container.

    Returns
    -------
    Growth or None
        The same growth, from the level of the youngest life; from a new start when that was killed.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> from_now(None, Opinion({}, {}, None), Opinion({}, {}, None)) is None
    True
    """
    if growth is None or (last is main and last.life["ended"] == "running"):
        return growth
    whole = main.readings["footprint_bytes"]
    beside = max(whole["top"] - growth.level_bytes, 0.0)
    if last.life["ended"] == "running" and last.life["last_bytes"] is not None:
        return replace(growth, level_bytes=max(last.life["last_bytes"] - beside, 0.0))
    begun = max(whole["begun"] - beside, 0.0)
    return replace(growth, level_bytes=begun)


def look_ahead(
    opinion: Opinion,
    growth: Growth | None,
    *,
    growing: float,
    open_end: bool = False,
    limit_bytes: int | None,
    limit_known: bool,
    kills: int,
    watched_hours: float,
    lasts: Exposure = ENDLESS,
) -> Outlook:
    """Say when the limit is reached, if it is.

    Parameters
    ----------
    opinion
        The life that runs.
    growth
        Of the memory that counts against the limit.
    growing
        Probability that this growth goes on.
    open_end
        Whether it cannot be told if the growth goes on.
    limit_bytes
        The limit; None is none, or unknown.
    limit_known
        Whether None means that there is none.
    kills
        OOM kills seen.
    watched_hours
        How long all lives together were watched.
    lasts
        How long a life lasts when memory does not end it.

    Returns
    -------
    Outlook
        The time is that of the straight line, as if nothing restarted the container. The chances add kills seen
        before and peaks near the limit, and know that a restart ends growth.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> look_ahead(
    ...     Opinion({}, {}, None), None, growing=0.0, limit_bytes=None, limit_known=True, kills=0, watched_hours=1.0
    ... ).outlook
    'bounded'
    """
    if limit_bytes is None:
        rises = growing > LIKELY
        return Outlook("unknown" if rises or not limit_known else "bounded", None, None, None, UNKNOWN)
    repeated = kills / max(watched_hours, 1e-6)
    if growth is None:
        seen = chances(kills_per_hour=repeated, peaks_per_week=0.0) if kills else UNKNOWN
        return Outlook("unknown", None, None, None, seen)
    room = limit_bytes - growth.level_bytes
    peaks = _peaks(opinion, limit_bytes, growth)
    window = max(opinion.duration_seconds / 3600, 1e-6)
    doubt = math.hypot(growth.error_per_day, SLOPE_DOUBT * growth.per_day)
    risk = chances(
        kills_per_hour=repeated,
        peaks_per_week=peaks,
        growing=growing,
        per_day=growth.per_day,
        doubt=doubt,
        spread=growth.spread_bytes,
        room=room,
        fresh_room=limit_bytes - _begun(opinion, growth),
        lasts=lasts,
    )
    if growing <= LIKELY or growth.per_day <= 0:
        return Outlook("unknown" if open_end else "bounded", None, None, None, risk)
    hours = max(room, 0.0) / growth.per_day * 24
    fast, slow = growth.per_day + QUANTILE * doubt, growth.per_day - QUANTILE * doubt
    wobble = QUANTILE * growth.spread_bytes
    low = max(room - wobble, 0.0) / fast * 24
    high = (max(room, 0.0) + wobble) / slow * 24 if slow > 0 else None
    if hours > HORIZON_WINDOWS * window and hours > HORIZON_WEEKS * WEEK_HOURS:
        return Outlook("bounded", None, None, None, chances(kills_per_hour=repeated, peaks_per_week=peaks))
    return Outlook("reaches", hours, low, high, risk, capped=hours > lasts.left_hours)


def _begun(opinion: Opinion, growth: Growth) -> float:
    """Level after a restart of what counts against the limit; never above where it is now."""
    whole = opinion.readings["footprint_bytes"]
    beside = max(whole["top"] - growth.level_bytes, 0.0)
    return float(min(max(whole.get("begun", whole["top"]) - beside, 0.0), growth.level_bytes))


def _peaks(opinion: Opinion, limit_bytes: int, growth: Growth) -> float:
    """How often a week a peak like those seen passes the limit."""
    whole = opinion.readings.get("footprint_bytes")
    if whole is None:
        return 0.0
    reclaimable = max(whole["top"] - growth.level_bytes, 0.0)
    peak = max(whole["early_peak"], whole["late_peak"]) - reclaimable
    return peaks_per_week(peak, limit_bytes, max(PEAK_SPREAD * peak, growth.spread_bytes))


@dataclass(frozen=True, slots=True)
class Course:
    """What the forecast of one workload is drawn from.

    Attributes
    ----------
    container_id
        The instance that the chart shows.
    opinion
        Its running life.
    growth
        Of the memory that counts against the limit; None when unknown.
    outlook
        As `look_ahead` says.
    growing
        Probability that the growth goes on.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> Course(0, Opinion({}, {}, None), None, Outlook("unknown", None, None, None, UNKNOWN), 0.0).growing
    0.0
    """

    container_id: int
    opinion: Opinion
    growth: Growth | None
    outlook: Outlook
    growing: float


def paths(courses: Iterable[Course]) -> pl.DataFrame:
    """Draw the forecasts of the footprint from the last sample on.

    Parameters
    ----------
    courses
        One for each workload.

    Returns
    -------
    polars.DataFrame
        `container_id`, `time`, `low_bytes`, `mid_bytes`, `high_bytes` (80 % band); no rows where unknown.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> paths([Course(0, Opinion({}, {}, None), None, Outlook("unknown", None, None, None, UNKNOWN), 0.0)]).height
    0
    """
    known = [line for course in courses if (line := _line(course)) is not None]
    container, start, ahead, level, rate, doubt, spread = np.array(known, dtype=float).reshape(-1, 7).T[:, :, None]
    hours = ahead * np.arange(_POINTS + 1) / _POINTS
    columns = {
        "container_id": np.broadcast_to(container, hours.shape).astype(np.uint32),
        "time": np.rint(start + hours * 3_600_000).astype(np.int64),
        "low_bytes": np.maximum(level + (rate - QUANTILE * doubt) * hours / 24 - QUANTILE * spread, 0.0),
        "mid_bytes": level + rate * hours / 24,
        "high_bytes": level + (rate + QUANTILE * doubt) * hours / 24 + QUANTILE * spread,
    }
    return pl.DataFrame({name: column.ravel() for name, column in columns.items()}).cast(FORECAST)


def _line(course: Course) -> tuple[float, ...] | None:
    """Where a forecast starts, how far it reaches, and how fast it rises."""
    opinion, growth, outlook = course.opinion, course.growth, course.outlook
    whole = opinion.readings.get("footprint_bytes")
    if whole is None or growth is None or outlook.outlook == "unknown":
        return None
    window = opinion.duration_seconds / 3600
    ahead = 0.3 * window
    if outlook.hours is not None:
        ahead = min(max(1.15 * (outlook.high or outlook.hours), ahead), 1.0 * window)
    goes_on = course.growing > LIKELY
    rate = growth.per_day if goes_on else 0.0
    doubt = math.hypot(growth.error_per_day, SLOPE_DOUBT * growth.per_day) if goes_on else 0.0
    start = opinion.life["end"].timestamp() * 1000
    return course.container_id, start, ahead, whole["end_level"], rate, doubt, whole["noise"] or 0.0
