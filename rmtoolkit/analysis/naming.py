"""Name the shape of a life that is bounded, the most specific first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.shapes import TEETH

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion, Row

#: A peak this far above the settled level is a spike.
SPIKE_RATIO: Final = 1.25
#: ... and a startup spike if it stands this far above every later peak.
_ABOVE_LATER: Final = 1.1
#: Flat within this share of the limit is flat because it cannot grow.
_AT_LIMIT: Final = 0.955
#: With pressure, memory.high may hold it this much lower.
_AT_HIGH: Final = 0.7
#: Stalled for more than this share of the time is pressure.
_PRESSURE: Final = 0.02
#: A footprint counts as bounded beside a growing one when the growth in question is smaller than this share.
_PERIODIC: Final = 0.5
#: A cycle is worth naming when it moves the level by this share.
_SWING: Final = 0.08
#: Samples that range this far inside every bin rise and fall faster than the bins can show.
_FLUTTER: Final = 0.2
#: A peak this far above the settled level, after the start, is a burst.
_BURST_RATIO: Final = 1.15


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
    share = _AT_LIMIT if not _pressed(opinion) else _AT_HIGH
    if limit and whole["end_level"] >= share * limit and (anon is None or anon >= 0.9 * share * limit):
        return "at_limit", None
    if row["unresolved"] + row["growing"] > 0.5 and opinion.bounded < 0.5:
        return "unexplained_growth", None
    swings = row["swing"] >= _SWING * settled
    if row["load_share"] > 0 and swings:
        return "periodic", "traffic"
    if row["teeth"] >= TEETH:
        return "sawtooth", None
    if row["periodic"] > _PERIODIC and swings:
        return "periodic", "traffic"
    if startup:
        return "startup_spike", "startup"
    if spread >= _BURST_RATIO and row["high_share"] <= 0.3 and row["end_level"] < settled * (1 + 0.3 * (spread - 1)):
        return ("sawtooth", None) if row["bursts"] >= TEETH else ("burst", "traffic")
    if row["flutter"] >= _FLUTTER * settled:
        return "sawtooth", None
    family = row["bounded_family"]
    abrupt = abs(row["jump"]) >= max(0.08 * settled, 0.5 * row["swing"]) and row["jump_at"] > 0.08
    if abrupt and (family in ("step", "two_steps", "saturating_step") or abs(row["jump"]) >= 0.6 * abs(row["rise"])):
        return "step", "release" if opinion.notes.get("released") else None
    rise = row["settled"] - row["begun"]
    if rise >= 0.1 * settled and family in ("saturating", "two_saturating", "ramp_end", "log", "saturating_step"):
        return "warm_up", "startup"
    return "plateau", None


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
    return bool(row["early_peak"] >= max(SPIKE_RATIO * max(row["settled"], 1.0), _ABOVE_LATER * late))


def _pressed(opinion: Opinion) -> bool:
    """Whether the kernel held the container back for a good part of the time."""
    pressure = opinion.readings.get("psi_some_seconds")
    if pressure is None or opinion.duration_seconds <= 0:
        return False
    stalled = pressure["end_level"] - pressure["middle_level"]
    return bool(stalled > _PRESSURE * opinion.duration_seconds / 2)
