"""From growth to the limit: how long, how likely, and the band that a chart shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.assess import BESIDE
from rmtoolkit.schema import TIME, Ending, Outlook, Signal

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from rmtoolkit.analysis.records import Life, Opinion


#: A day, a week, a month: ends of the column names, and hours.
HORIZONS: Final = {"24h": 24.0, "7d": 168.0, "30d": 720.0}
WEEK_HOURS: Final = 168.0
#: No single way of being killed is surer than this.
_SUREST: Final = 0.999


class Chances(NamedTuple):
    """Chance of at least one OOM kill within each horizon; None where there is no limit to hit, or it is unknown."""

    #: 0 to 1, never falling from one to the next.
    day: float | None
    week: float | None
    month: float | None


#: Where nothing can be said.
UNKNOWN: Final = Chances(None, None, None)


@dataclass(frozen=True, slots=True)
class Exposure:
    """For how long a life grows before something other than memory ends it."""

    #: Age of the youngest life.
    age_hours: float
    #: What a life hardly exceeds; None where restarts are too few to tell.
    longest_hours: float | None
    #: How often lives ended otherwise than by an OOM kill; all pods of a rollout are one time.
    ended: int

    @property
    def left_hours(self) -> float:
        """Hours that the running life still has; infinite where nothing is known to end it."""
        if self.longest_hours is None or self.age_hours > self.longest_hours:
            return math.inf
        return self.longest_hours - self.age_hours


#: Nothing ends a life.
ENDLESS: Final = Exposure(0.0, None, 0)


def exposure(lives: Iterable[tuple[Life, float | None]]) -> Exposure:
    """See from the lives of a workload how long one lasts when memory does not end it."""
    known = list(lives)
    if not known:
        return ENDLESS
    newest = max(life.start for life, _ in known)
    last = max(life.end for life, _ in known)
    # Where the youngest life has ended, the next one begins with the forecast.
    age = max((life.hours for life, _ in known if life.start == newest and life.ended == Ending.RUNNING), default=0.0)
    ended: list[Life] = []
    for life, cadence in known:
        silent = (last - life.end).total_seconds() > max(th.LINGER_SECONDS, th.LINGER_SCRAPES * (cadence or 0.0))
        over = life.ended not in (Ending.RUNNING, Ending.GAP, Ending.OOM_KILL) or (
            life.ended == Ending.RUNNING and silent
        )
        limit, peak = life.limit_bytes, life.peak_bytes
        if over and not (limit and peak and peak > th.PEAK_NEAR_LIMIT * limit):
            ended.append(life)
    longest = max((life.hours for life in ended), default=0.0)
    times = _endings(ended, longest)
    if times < th.RESTARTS_CAP:
        return Exposure(age, None, times)
    return Exposure(age, longest * (1 + 1 / times), times)


def _endings(lives: list[Life], longest_hours: float) -> int:
    """Count how often something ended lives: all pods of a rollout end together, and a false start is no life."""
    times = 0
    last: dt.datetime | None = None
    for life in sorted(lives, key=lambda life: life.end):
        if life.hours < th.SHORT * longest_hours:
            continue
        if last is None or (life.end - last).total_seconds() / 3600 > th.SHORT * longest_hours:
            times += 1
            last = life.end
    return times


def chances(
    *,
    kills_per_hour: float,
    peaks_per_week: float,
    growing: float = 0.0,
    per_day: float = 0.0,
    doubt: float = 0.0,
    spread: float = 0.0,
    room: float = math.inf,
    fresh_room: float = math.inf,
    lasts: Exposure = ENDLESS,
) -> Chances:
    """Put together what may kill: kills as seen before, peaks near the limit, and growth that goes on."""
    found: list[float] = []
    reached = 0.0
    for horizon in HORIZONS.values():
        now = min(horizon, lasts.left_hours)
        # A later life repeats the same growth from its start: the same slope decides in every one of them.
        later = min(horizon - now, lasts.longest_hours or 0.0)
        for hours, distance in ((now, room), (later, fresh_room)):
            reached = max(reached, _reaches(hours / 24, distance, per_day, doubt, spread) if hours > 0 else 0.0)
        found.append(
            _either(
                1 - math.exp(-kills_per_hour * horizon),
                1 - math.exp(-peaks_per_week * horizon / WEEK_HOURS),
                growing * reached,
            )
        )
    return Chances(*found)


def _reaches(days: float, room: float, per_day: float, doubt: float, spread: float) -> float:
    """Chance that a line of uncertain slope, with noise around it, is at the limit after some days."""
    if math.isinf(room):
        return 0.0
    deviation = max(math.hypot(doubt * days, spread), 1e-9)
    return 0.5 * (1 + math.erf((per_day * days - room) / deviation / math.sqrt(2)))


def _either(*parts: float) -> float:
    none = 1.0
    for part in parts:
        none *= 1 - min(max(part, 0.0), _SUREST)
    return 1 - none


def peaks_per_week(peak: float, limit: float, spread: float) -> float:
    """Estimate how often a week's highest peak passes the limit, from a peak that was seen."""
    if limit <= peak:
        return -math.log(1 - th.PEAK_PASSED)
    return math.exp(-(limit - peak) / spread)


#: Points of the forecast that a chart gets.
_POINTS: Final = 20

FORECAST: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        "time": TIME,
        "low_bytes": pl.Float64(),
        "mid_bytes": pl.Float64(),
        "high_bytes": pl.Float64(),
    }
)


@dataclass(frozen=True, slots=True)
class TimeToLimit:
    """When a container reaches its limit."""

    outlook: Outlook
    #: Hours from the last sample to the limit with an 80 % interval; None unless it reaches. An open upper end is
    #: None.
    hours: float | None
    low: float | None
    high: float | None
    #: Of at least one OOM kill in the next day, week and month.
    chances: Chances
    #: Whether restarts end a life before it is at the limit.
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of the memory that counts against the limit."""

    #: Bytes per day and their standard error.
    per_day: float
    error_per_day: float
    #: What the kernel cannot take back, at the end of the life: the highest of its last samples.
    level_bytes: float
    #: Standard deviation around the fit.
    spread_bytes: float


def growth_against_limit(opinion: Opinion) -> Growth | None:
    """Pick the signal whose growth fills the limit."""
    whole = opinion.footprint
    if whole is None:
        return None
    row = opinion.readings.get(Signal.ANON, whole)
    level = row.top
    for part in (Signal.SHMEM, Signal.KERNEL):
        if row is not whole and part in opinion.readings:
            level += opinion.readings[part].end_level
    if (layer := opinion.beside) is not None:
        row = opinion.readings.get(BESIDE[layer].signal, whole)
        level = whole.top if row is whole else level
    return Growth(row.growth_per_day, row.growth_error_per_day, level, row.noise)


def from_now(growth: Growth | None, main: Opinion, last: Opinion) -> Growth | None:
    """Start the forecast where the container is now, which may be a younger life than the one judged."""
    if growth is None or (last is main and last.life.ended == Ending.RUNNING):
        return growth
    whole = main.readings[Signal.FOOTPRINT]
    beside = max(whole.top - growth.level_bytes, 0.0)
    if last.life.ended == Ending.RUNNING and last.life.last_bytes is not None:
        return replace(growth, level_bytes=max(last.life.last_bytes - beside, 0.0))
    begun = max(whole.begun - beside, 0.0)
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
) -> TimeToLimit:
    """Say when the limit is reached, if it is."""
    if limit_bytes is None:
        rises = growing > th.LIKELY
        return TimeToLimit(Outlook.UNKNOWN if rises or not limit_known else Outlook.BOUNDED, None, None, None, UNKNOWN)
    repeated = kills / max(watched_hours, 1e-6)
    if growth is None:
        seen = chances(kills_per_hour=repeated, peaks_per_week=0.0) if kills else UNKNOWN
        return TimeToLimit(Outlook.UNKNOWN, None, None, None, seen)
    room = limit_bytes - growth.level_bytes
    peaks = _peaks(opinion, limit_bytes, growth)
    window = max(opinion.life.seconds / 3600, 1e-6)
    doubt = math.hypot(growth.error_per_day, th.SLOPE_DOUBT * growth.per_day)
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
    if growing <= th.LIKELY or growth.per_day <= 0:
        return TimeToLimit(Outlook.UNKNOWN if open_end else Outlook.BOUNDED, None, None, None, risk)
    hours = max(room, 0.0) / growth.per_day * 24
    fast, slow = growth.per_day + th.QUANTILE * doubt, growth.per_day - th.QUANTILE * doubt
    wobble = th.QUANTILE * growth.spread_bytes
    low = max(room - wobble, 0.0) / fast * 24
    high = (max(room, 0.0) + wobble) / slow * 24 if slow > 0 else None
    if hours > th.HORIZON_WINDOWS * window and hours > th.HORIZON_WEEKS * WEEK_HOURS:
        return TimeToLimit(Outlook.BOUNDED, None, None, None, chances(kills_per_hour=repeated, peaks_per_week=peaks))
    return TimeToLimit(Outlook.REACHES, hours, low, high, risk, capped=hours > lasts.left_hours)


def _begun(opinion: Opinion, growth: Growth) -> float:
    """Level after a restart of what counts against the limit; never above where it is now."""
    whole = opinion.readings[Signal.FOOTPRINT]
    beside = max(whole.top - growth.level_bytes, 0.0)
    return min(max(whole.begun - beside, 0.0), growth.level_bytes)


def _peaks(opinion: Opinion, limit_bytes: int, growth: Growth) -> float:
    """How often a week a peak like those seen passes the limit."""
    whole = opinion.footprint
    if whole is None:
        return 0.0
    reclaimable = max(whole.top - growth.level_bytes, 0.0)
    peak = max(whole.early_peak, whole.late_peak) - reclaimable
    return peaks_per_week(peak, limit_bytes, max(th.PEAK_SPREAD * peak, growth.spread_bytes))


@dataclass(frozen=True, slots=True)
class Course:
    """What the forecast of one workload is drawn from."""

    #: The instance that the chart shows.
    container_id: int
    #: Its running life.
    opinion: Opinion
    #: Of the memory that counts against the limit; None when unknown.
    growth: Growth | None
    #: As `look_ahead` says.
    outlook: TimeToLimit
    #: Probability that the growth goes on.
    growing: float


def ahead(course: Course, lasts: Exposure, watched_hours: float) -> dict[str, float | None]:
    """Give what the chance of an OOM kill at any limit is worked out from: `columns.AHEAD`."""
    growth = course.growth
    return {
        "per_day_bytes": None if growth is None else growth.per_day,
        "error_bytes": None if growth is None else growth.error_per_day,
        "level_bytes": None if growth is None else growth.level_bytes,
        "fresh_bytes": None if growth is None else _begun(course.opinion, growth),
        "noise_bytes": None if growth is None else growth.spread_bytes,
        "goes_on": course.growing,
        "age_hours": lasts.age_hours,
        "longest_hours": lasts.longest_hours,
        "endings": lasts.ended,
        "watched_hours": watched_hours,
    }


def paths(courses: Iterable[Course]) -> pl.DataFrame:
    """Draw the forecasts of the footprint from the last sample on."""
    known = [line for course in courses if (line := _line(course)) is not None]
    container, start, ahead, level, rate, doubt, spread = np.array(known, dtype=float).reshape(-1, 7).T[:, :, None]
    hours = ahead * np.arange(_POINTS + 1) / _POINTS
    columns = {
        "container_id": np.broadcast_to(container, hours.shape).astype(np.uint32),
        "time": np.rint(start + hours * 3_600_000).astype(np.int64),
        "low_bytes": np.maximum(level + (rate - th.QUANTILE * doubt) * hours / 24 - th.QUANTILE * spread, 0.0),
        "mid_bytes": level + rate * hours / 24,
        "high_bytes": level + (rate + th.QUANTILE * doubt) * hours / 24 + th.QUANTILE * spread,
    }
    return pl.DataFrame({name: column.ravel() for name, column in columns.items()}).cast(FORECAST)


def _line(course: Course) -> tuple[float, ...] | None:
    """Where a forecast starts, how far it reaches, and how fast it rises."""
    opinion, growth, outlook = course.opinion, course.growth, course.outlook
    whole = opinion.footprint
    if whole is None or growth is None or outlook.outlook == Outlook.UNKNOWN:
        return None
    window = opinion.life.seconds / 3600
    ahead = 0.3 * window
    if outlook.hours is not None:
        ahead = min(max(1.15 * (outlook.high or outlook.hours), ahead), 1.0 * window)
    goes_on = course.growing > th.LIKELY
    rate = growth.per_day if goes_on else 0.0
    doubt = math.hypot(growth.error_per_day, th.SLOPE_DOUBT * growth.per_day) if goes_on else 0.0
    start = opinion.life.end.timestamp() * 1000
    return course.container_id, start, ahead, whole.end_level, rate, doubt, whole.noise
