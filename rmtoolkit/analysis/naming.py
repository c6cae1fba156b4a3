"""Name the shape of a life that is bounded, the most specific first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.held import peaks_at_limit, pressure
from rmtoolkit.analysis.parameters import (
    ABOVE_LATER,
    AT_HIGH,
    AT_LIMIT,
    AT_LIMIT_ANON,
    AT_LIMIT_RISE,
    AT_PEAK,
    BURST_ABOVE,
    BURST_OVER,
    BURST_RATIO,
    BURST_SHARE,
    BURSTS_SHARE,
    EVEN,
    EVEN_SHARE,
    FLUTTER,
    LIKELY,
    LOAD_EXPLAINS_ALONE,
    PERIODIC,
    SPIKE_RATIO,
    STEP_AFTER,
    STEP_OF_RISE,
    STEP_OF_SWING,
    STEP_SHARE,
    SWING,
    TEETH,
    WARM_UP_RISE,
)

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion, Row

_DAY_SECONDS: Final = 86_400
#: Shapes with a step in them, and shapes that rise less and less.
_STEPPED: Final = ("step", "two_steps", "saturating_step")
_SLOWING_DOWN: Final = ("saturating", "two_saturating", "ramp_end", "ramp", "log", "power", "saturating_step")


def name_shape(opinion: Opinion, row: Row) -> tuple[str, str | None]:
    """Name the shape of a bounded life.

    Parameters
    ----------
    opinion
        The life; that its start is a spike is noted in place.
    row
        Readings of the signal that speaks.

    Returns
    -------
    tuple of (str, str or None)
        The pattern, and its cause where the shape tells it.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> row = {"settled": 90.0, "early_peak": 90.0, "late_peak": 96.0, "teeth": 0, "end_level": 96.0}
    >>> name_shape(Opinion({"limit_bytes": 100}, {}, "rss_bytes"), row)
    ('at_limit', None)
    """
    settled = max(row["settled"], 1.0)
    limit = opinion.life["limit_bytes"]
    whole = opinion.readings.get("footprint_bytes", row)
    startup = spikes_early(whole) or spikes_early(row)
    spread = row["late_peak"] / settled
    if startup and row["teeth"] < TEETH:
        opinion.notes["startup"] = True
    anon = opinion.level("anon_bytes")
    share = AT_LIMIT
    if limit and AT_HIGH * limit <= whole["end_level"] < AT_LIMIT * limit:
        share = min(AT_HIGH if pressure(opinion) else AT_LIMIT, AT_PEAK if peaks_at_limit(opinion) else AT_LIMIT)
    still = opinion.life.get("ended") != "oom_kill" and _still(whole, limit)
    if (
        limit
        and still
        and whole["end_level"] >= share * limit
        and (anon is None or anon >= AT_LIMIT_ANON * share * limit)
    ):
        return "at_limit", None
    if row["unresolved"] + row["growing"] > LIKELY and opinion.bounded < LIKELY:
        return "unexplained_growth", None
    swings = row["swing"] >= SWING * settled
    over = row["end_level"] < settled * (1 + BURST_OVER * (spread - 1))
    above = row["late_peak"] - row["settled"]
    from_rest = above >= BURST_ABOVE * row["depth"]
    again = from_rest and row["bursts"] >= TEETH
    rare = row["high_share"] <= (BURSTS_SHARE if again else BURST_SHARE)
    bursts = spread >= BURST_RATIO and rare and over and (row["bursts"] > 1 or row["begun"] < settled + above / 2)
    if row["teeth"] >= TEETH and row["load_share"] < LOAD_EXPLAINS_ALONE:
        return "sawtooth", None
    follows = row["load_share"] > 0 and swings and whole["swing"] >= SWING * max(whole["settled"], 1.0)
    if follows and from_rest and (bursts or (again and spread >= BURST_RATIO)):
        return "burst", "traffic"
    if follows:
        return "periodic", "traffic"
    if row["teeth"] >= TEETH:
        return "sawtooth", None
    if row["periodic"] > PERIODIC and swings:
        return "periodic", "traffic"
    if startup:
        return "startup_spike", "startup"
    if from_rest and spread >= BURST_RATIO and row["rhythm"] <= EVEN and row["high_share"] >= EVEN_SHARE:
        # What comes by the clock and lasts is a cycle: that of the day, or the program's own.
        return ("periodic", "traffic") if _daily(opinion, row["period"]) else ("sawtooth", None)
    if bursts:
        return ("sawtooth", None) if row["bursts"] >= TEETH and not from_rest else ("burst", "traffic")
    if row["flutter"] >= FLUTTER * settled:
        return "sawtooth", None
    family = row["bounded_family"]
    abrupt = abs(row["jump"]) >= max(STEP_SHARE * settled, STEP_OF_SWING * row["swing"]) and row["jump_at"] > STEP_AFTER
    if abrupt and (family in _STEPPED or abs(row["jump"]) >= STEP_OF_RISE * abs(row["rise"])):
        return "step", None
    rise = row["settled"] - row["begun"]
    if rise >= WARM_UP_RISE * settled and family in _SLOWING_DOWN:
        return "warm_up", "startup"
    return "plateau", None


def _daily(opinion: Opinion, period: float) -> bool:
    """Whether a cycle takes a day."""
    return abs(period * opinion.duration_seconds / _DAY_SECONDS - 1) <= EVEN


def spikes_early(row: Row) -> bool:
    """Tell whether the start needs clearly more than running does, and more than any later peak.

    Parameters
    ----------
    row
        Readings of a signal.

    Returns
    -------
    bool
        True for a spike at startup.

    Examples
    --------
    >>> spikes_early({"early_peak": 200.0, "settled": 100.0, "late_peak": 110.0})
    True
    """
    late: float = row["late_peak"]
    return bool(row["early_peak"] >= max(SPIKE_RATIO * max(row["settled"], 1.0), ABOVE_LATER * late))


def _still(whole: Row, limit: float | None) -> bool:
    """Whether the footprint was near its end level already in the middle of the window."""
    return limit is None or bool(
        whole["end_level"] - whole.get("middle_level", whole["end_level"]) <= AT_LIMIT_RISE * limit
    )
