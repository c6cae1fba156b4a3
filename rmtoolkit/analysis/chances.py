"""How likely an OOM kill is within a day, a week and a month: one calculation, so that the three agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit.analysis.parameters import (
    LINGER_SCRAPES,
    LINGER_SECONDS,
    PEAK_NEAR_LIMIT,
    PEAK_PASSED,
    RESTARTS_CAP,
    SHORT,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

#: A day, a week, a month: ends of the column names, and hours.
HORIZONS: Final = {"24h": 24.0, "7d": 168.0, "30d": 720.0}
WEEK_HOURS: Final = 168.0
#: No single way of being killed is surer than this.
_SUREST: Final = 0.999


class Chances(NamedTuple):
    """Chance of at least one OOM kill within each horizon; None where there is no limit to hit, or it is unknown.

    Attributes
    ----------
    day, week, month
        0 to 1, never falling from one to the next.
    """

    day: float | None
    week: float | None
    month: float | None


#: Where nothing can be said.
UNKNOWN: Final = Chances(None, None, None)


@dataclass(frozen=True, slots=True)
class Exposure:
    """For how long a life grows before something other than memory ends it.

    Attributes
    ----------
    age_hours
        Age of the youngest life.
    longest_hours
        What a life hardly exceeds; None where restarts are too few to tell.
    ended
        How often lives ended otherwise than by an OOM kill; all pods of a rollout are one time.

    Examples
    --------
    >>> Exposure(5.0, 26.0, 6).left_hours
    21.0
    """

    age_hours: float
    longest_hours: float | None
    ended: int

    @property
    def left_hours(self) -> float:
        """Hours that the running life still has; infinite where nothing is known to end it."""
        if self.longest_hours is None or self.age_hours > self.longest_hours:
            return math.inf
        return self.longest_hours - self.age_hours


#: Nothing ends a life.
ENDLESS: Final = Exposure(0.0, None, 0)


def exposure(lives: Iterable[tuple[dict[str, Any], float | None]]) -> Exposure:
    """See from the lives of a workload how long one lasts when memory does not end it.

    Parameters
    ----------
    lives
        Rows of the lives table, and seconds between two samples (None is unknown), of all its containers.

    Returns
    -------
    Exposure
        The longest ended life, and 1/n of it more where lives ended n times: what n draws say of a maximum. Lives
        that ended near the limit do not count, since a restart without a reason may hide a kill there.

    Examples
    --------
    >>> import datetime as dt
    >>> day = lambda n: dt.datetime(2026, 11, n, tzinfo=dt.UTC)
    >>> row = {"peak_bytes": 50, "limit_bytes": 100}
    >>> ended = [row | {"start": day(n), "end": day(n + 1), "ended": "release"} for n in (1, 2, 3)]
    >>> running = row | {"start": day(4), "end": day(4), "ended": "running"}
    >>> exposure((life, 60.0) for life in [*ended, running])
    Exposure(age_hours=0.0, longest_hours=32.0, ended=3)
    """
    known = list(lives)
    if not known:
        return ENDLESS
    newest = max(life["start"] for life, _ in known)
    last: dt.datetime = max(life["end"] for life, _ in known)
    # Where the youngest life has ended, the next one begins with the forecast.
    age = max(
        (_hours(life) for life, _ in known if life["start"] == newest and life["ended"] == "running"),
        default=0.0,
    )
    ended: list[dict[str, Any]] = []
    for life, cadence in known:
        silent = (last - life["end"]).total_seconds() > max(LINGER_SECONDS, LINGER_SCRAPES * (cadence or 0.0))
        over = life["ended"] not in ("running", "gap", "oom_kill") or (life["ended"] == "running" and silent)
        limit, peak = life["limit_bytes"], life["peak_bytes"]
        if over and not (limit and peak and peak > PEAK_NEAR_LIMIT * limit):
            ended.append(life)
    longest = max((_hours(life) for life in ended), default=0.0)
    times = _endings(ended, longest)
    if times < RESTARTS_CAP:
        return Exposure(age, None, times)
    return Exposure(age, longest * (1 + 1 / times), times)


def _endings(lives: list[dict[str, Any]], longest_hours: float) -> int:
    """Count how often something ended lives: all pods of a rollout end together, and a false start is no life."""
    times = 0
    last: dt.datetime | None = None
    for life in sorted(lives, key=lambda life: life["end"]):
        if _hours(life) < SHORT * longest_hours:
            continue
        if last is None or (life["end"] - last).total_seconds() / 3600 > SHORT * longest_hours:
            times += 1
            last = life["end"]
    return times


def _hours(life: dict[str, Any]) -> float:
    return float((life["end"] - life["start"]).total_seconds()) / 3600


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
    """Put together what may kill: kills as seen before, peaks near the limit, and growth that goes on.

    Parameters
    ----------
    kills_per_hour
        OOM kills seen, by the hours watched.
    peaks_per_week
        How often a peak passes the limit.
    growing
        Probability that growth goes on.
    per_day, doubt
        Bytes a day, and how well they are known (standard error).
    spread
        Standard deviation of the level around the trend, bytes.
    room, fresh_room
        Bytes from now to the limit, and from the level after a restart to the limit.
    lasts
        How long a life lasts when memory does not end it.

    Returns
    -------
    Chances
        A longer horizon is never less likely: growth reaches the limit once, at the first instant it is there.

    Examples
    --------
    >>> MI = 1 << 20
    >>> leak = {"kills_per_hour": 0.0, "peaks_per_week": 0.0, "growing": 0.9, "per_day": 50 * MI, "doubt": 5 * MI}
    >>> [round(value, 2) for value in chances(**leak, room=200 * MI)]
    [0.0, 0.9, 0.9]
    >>> daily = Exposure(age_hours=20.0, longest_hours=28.0, ended=6)
    >>> [round(value, 2) for value in chances(**leak, room=200 * MI, fresh_room=240 * MI, lasts=daily)]
    [0.0, 0.0, 0.0]
    """
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
    """Estimate how often a week's highest peak passes the limit, from a peak that was seen.

    Parameters
    ----------
    peak
        The highest peak seen, bytes that cannot be reclaimed.
    limit
        Bytes.
    spread
        By how much peaks differ from week to week, bytes.

    Returns
    -------
    float
        Expected number a week: a Gumbel tail with the peak seen as the typical one of a week; above the limit,
        that of a peak that comes once a week.

    Examples
    --------
    >>> round(peaks_per_week(90.0, 100.0, 5.0), 3)
    0.135
    """
    if limit <= peak:
        return -math.log(1 - PEAK_PASSED)
    return math.exp(-(limit - peak) / spread)
