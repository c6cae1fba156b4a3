"""What is held against the growth, or the rest, that the models found in one life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.models import MATERIAL_SHARE, YOUNG
from rmtoolkit.analysis.shapes import TEETH

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion, Row

#: The lowest part of a tooth as a share of its top: below it the fall may as well be a restart.
_RESTART_LIKE: Final = 0.35
#: A life with fewer samples than this decides nothing alone; several of them may.
_FEW_SAMPLES: Final = 24
_FEW_SHARE: Final = 0.6
#: With fewer samples than this a bend is hard to see: growth must be steady to the end.
_COARSE_SAMPLES: Final = 72
#: Growth of the floor must be at least this share of the growth of the mean.
_FLOOR_FOLLOWS: Final = 0.35
#: Growth whose last third rises less than this share of the mean has ended ...
_ENDED: Final = 0.2
#: ... as has growth of whose expected rise the last quarter brings less than this ...
_ENDED_QUARTER: Final = 0.12
#: ... or slows down.
_SLOWING: Final = 0.42
#: Growth whose end is this near to what was expected is steady ...
_STEADY: Final = 0.8
#: ... and tips the scales where growth is this likely already.
_LEANING: Final = 0.3
#: ... by this share of what else could not be told.
_TIPS: Final = 0.6
#: A tail below this share of what was expected stands still.
_STOPPED: Final = 0.1
#: A tail above this multiple of it is where all the growth is.
_ALL_AT_THE_END: Final = 2.2
#: Floors of teeth rise when most pairs of them do.
_FLOORS_RISE: Final = 0.6
#: A fall that takes back this much of the rise before it may come again.
_TAKES_BACK: Final = 0.5
#: A fall much larger than the rise before it is a change of level, not a tooth.
_TAKES_MORE: Final = 1.8
#: A rise that begins late must go this far beyond the range of what was before it.
_EXCURSION: Final = 2.0
#: Growth of the live heap below this share of the growth around it is a side show.
_SMALL_PART: Final = 0.1


def doubt_growth(opinion: Opinion, row: Row, *, restarts_known: bool) -> None:
    """Take from the growth, in place, what was not seen to go on to the end of the life.

    Parameters
    ----------
    opinion
        With the probabilities of the models.
    row
        Readings of the signal that speaks.
    restarts_known
        Whether the source reports restarts; without, a deep fall may be one.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> few = Opinion({}, {}, "rss_bytes", growing=1.0, unresolved=0.0)
    >>> steady = {"excursion": 9.0, "last_third": 1.0, "tail": 1.0, "quarter": 1.0, "begun_at": 0.2}
    >>> row = {"signal": "rss_bytes", "samples": 20, "teeth": 0, "mean_rise": 1.0, "low_rise": 1.0, **steady}
    >>> doubt_growth(few, row, restarts_known=True)
    >>> few.growing < 1
    True
    """
    if row["samples"] < _FEW_SAMPLES:
        opinion.growing, opinion.bounded = _FEW_SHARE * opinion.growing, _FEW_SHARE * opinion.bounded
        opinion.unresolved = 1 - opinion.growing - opinion.bounded
    _weigh_heap(opinion, row)
    _hold_to_end(opinion, row)
    _hold_to_floor(opinion, row)
    _doubt_teeth(opinion, row, restarts_known=restarts_known)


def _weigh_heap(opinion: Opinion, row: Row) -> None:
    """A live heap that grows a little while the memory around it grows a lot is not what fills the limit."""
    whole = opinion.readings.get("anon_bytes") or opinion.readings.get("rss_bytes")
    if row["signal"] != "allocated_bytes" or whole is None:
        return
    small = row["mean_rise"] < _SMALL_PART * whole["mean_rise"]
    if small and row["mean_rise"] < 2 * MATERIAL_SHARE * whole["settled"]:
        opinion.notes["heap_grows_little"] = True
        opinion.bounded += 0.9 * (opinion.growing + opinion.unresolved)
        opinion.growing, opinion.unresolved = 0.1 * opinion.growing, 0.1 * opinion.unresolved


def _hold_to_end(opinion: Opinion, row: Row) -> None:
    """A leak still grows at the end, and goes beyond what the memory did before."""
    if row["teeth"] >= TEETH:
        if row["floor_trend"] < _FLOORS_RISE:
            opinion.notes["floor_stays"] = True
            _shift(opinion, 0.9, bounded=0.8)
        elif row["floor_trend"] > _STEADY and row["last_third"] > _SLOWING and opinion.growing > _LEANING / 2:
            moved = _TIPS * opinion.unresolved
            opinion.growing, opinion.unresolved = opinion.growing + moved, opinion.unresolved - moved
        return
    if row["excursion"] < _EXCURSION:
        opinion.notes["within_range"] = True
        _shift(opinion, 0.8, bounded=0.7 if row["excursion"] < 1 else 0.0)
    if row["last_third"] < _ENDED or (row["quarter"] is not None and row["quarter"] < _ENDED_QUARTER):
        opinion.notes["ended"] = True
        _shift(opinion, 0.9, bounded=0.8)
        if row["last_third"] < _ENDED / 2 and opinion.bounded > opinion.growing:
            moved = 0.5 * opinion.unresolved
            opinion.bounded, opinion.unresolved = opinion.bounded + moved, opinion.unresolved - moved
    elif row["last_third"] < _SLOWING:
        stopped = row["tail"] is not None and row["tail"] < _STOPPED
        opinion.notes["ended" if stopped else "slowing"] = True
        _shift(opinion, 0.9 if stopped else 0.8, bounded=0.75 if stopped else 0.0)
    elif row["tail"] is not None and row["tail"] < _ENDED:
        opinion.notes["slowing"] = True
        _shift(opinion, 0.7)
    elif row["last_third"] > _STEADY and (row["tail"] or 1.0) > _STEADY and opinion.growing > _LEANING:
        # Models that slow down fit too, but nothing slowed down.
        moved = _TIPS * opinion.unresolved
        opinion.growing, opinion.unresolved = opinion.growing + moved, opinion.unresolved - moved
    if row["samples"] < _COARSE_SAMPLES:
        _shift(opinion, 0.2 if row["last_third"] > _STEADY else 0.6)
    if row["begun_at"] > 1 - YOUNG * 0.95 or (row["tail"] or 0.0) > _ALL_AT_THE_END:
        opinion.notes["young"] = True
        _shift(opinion, 0.8)


def _hold_to_floor(opinion: Opinion, row: Row) -> None:
    """A leak lifts the floor too; where only the tops rise, the traffic does."""
    if row["teeth"] < TEETH and row["mean_rise"] > 0 and row["low_rise"] < _FLOOR_FOLLOWS * row["mean_rise"]:
        opinion.notes["floor_stays"] = True
        _shift(opinion, 0.8)


def _doubt_teeth(opinion: Opinion, row: Row, *, restarts_known: bool) -> None:
    """Without restart data, deep teeth may be kills: a hidden leak, not a sawtooth."""
    if 0 < row["teeth"] < TEETH and _TAKES_BACK <= row["repeats"] <= _TAKES_MORE:
        # Too few teeth to know the floor: neither growth nor its absence was seen.
        opinion.notes["few_teeth"] = True
        opinion.growing, opinion.bounded = 0.2 * opinion.growing, 0.2 * opinion.bounded
        opinion.unresolved = 1 - opinion.growing - opinion.bounded
        return
    if restarts_known or row["teeth"] < TEETH or row["trough"] > _RESTART_LIKE:
        return
    opinion.notes["restarts_unknown"] = True
    opinion.unresolved += opinion.bounded
    opinion.bounded = 0.0


def doubt_rest(opinion: Opinion) -> None:
    """Open again, in place, the rest that was forced or that nothing disturbed: it is no sign of health.

    Parameters
    ----------
    opinion
        With its pattern.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> flat = Opinion({}, {}, "rss_bytes", bounded=1.0, unresolved=0.0, pattern="at_limit")
    >>> doubt_rest(flat)
    >>> flat.unresolved
    0.9
    """
    if opinion.pattern == "at_limit" and opinion.signal != "allocated_bytes":
        opinion.unresolved += 0.9 * opinion.bounded
        opinion.bounded *= 0.1
    work = opinion.readings.get("work_total")
    if work is not None and work["end_level"] - work["first_level"] <= 0:
        opinion.notes["idle"] = True
        opinion.unresolved += 0.9 * opinion.bounded
        opinion.bounded *= 0.1


def going_on(row: Row) -> float:
    """Give the probability that the growth of one signal goes on, whether it is a leak or not.

    Parameters
    ----------
    row
        A row of the readings.

    Returns
    -------
    float
        0 where nothing was fitted.

    Examples
    --------
    >>> going_on({"growing": 0.4, "unresolved": 0.6, "last_third": 1.0, "tail": 1.0})
    0.76
    """
    growing, unresolved = row["growing"] or 0.0, row["unresolved"] or 0.0
    steady = (row["last_third"] or 0.0) > _STEADY and (row["tail"] or 1.0) > _STEADY and growing > _LEANING
    return float(growing + _TIPS * unresolved if steady else growing)


def _shift(opinion: Opinion, share: float, *, bounded: float = 0.0) -> None:
    """Take a share off the growth: it was not seen to go on; `bounded` of it was seen to end."""
    moved = share * opinion.growing
    opinion.growing -= moved
    opinion.bounded += bounded * moved
    opinion.unresolved += (1 - bounded) * moved
