"""What is held against the growth, or the rest, that the models found in one life."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rmtoolkit.analysis.thresholds import (
    ALL_AT_THE_END,
    AS_HIGH,
    BELOW_FLOOR,
    BETWEEN,
    BURSTS_BEFORE,
    COARSE,
    COARSE_SAMPLES,
    COARSE_STEADY,
    ENDED,
    ENDED_QUARTER,
    EXCURSION,
    FAINT_ERRORS,
    FAINT_FROM,
    FEW_SAMPLES,
    FEW_SHARE,
    FEW_TEETH_SHARE,
    FLOOR_FOLLOWS,
    FLOOR_STAYS,
    FLOORS_CLIMB,
    FLOORS_NOT_SEEN,
    FLOORS_OPEN,
    FLOORS_RISE,
    FLOORS_STAY,
    FLOORS_UNSURE,
    FORCED_REST,
    GROWTH_ENDED,
    GROWTH_JUMPS,
    GROWTH_SLOWS,
    GROWTH_STOPPED,
    GROWTH_UNCHECKED,
    GROWTH_YOUNG,
    INSIDE_RANGE,
    LEANING,
    LIKELY,
    MATERIAL_SHARE,
    NO_EXCURSION,
    NOTHING_BETWEEN,
    RESTART_LIKE,
    RESTS,
    SIDE_BY,
    SIDE_SHOW,
    SLOWING,
    SMALL_MATERIAL,
    SMALL_PART,
    STEADY,
    STEP_SHARE,
    STOPPED,
    STRAIGHT,
    STRAIGHT_MOST,
    STRAIGHT_NOISE,
    STRAIGHT_ODDS,
    TAIL_SLOWS,
    TAKES_BACK,
    TAKES_MORE,
    TEETH,
    TIPS,
    TOPS_RISE,
    UNCHECKED,
    WITHIN_RANGE,
    YOUNG,
    YOUNG_SEEN,
    Doubt,
)

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Opinion, Row


def doubt_growth(opinion: Opinion, row: Row, *, restarts_known: bool, others: int = 0) -> None:
    """Take from the growth, in place, what was not seen to go on to the end of the life."""
    if row["samples"] + others < FEW_SAMPLES:
        opinion.growing, opinion.bounded = FEW_SHARE * opinion.growing, FEW_SHARE * opinion.bounded
        opinion.unresolved = 1 - opinion.growing - opinion.bounded
    _weigh_heap(opinion, row)
    _hold_to_end(opinion, row)
    _hold_to_floor(opinion, row)
    _doubt_teeth(opinion, row, restarts_known=restarts_known)
    _doubt_faint(opinion, row)


def _weigh_heap(opinion: Opinion, row: Row) -> None:
    """A live heap that grows a little while the memory around it grows a lot is not what fills the limit."""
    whole = opinion.readings.get("anon_bytes") or opinion.readings.get("rss_bytes")
    if row["signal"] != "allocated_bytes" or whole is None:
        return
    small = row["mean_rise"] < SMALL_PART * whole["mean_rise"]
    if whole["mean_rise"] < MATERIAL_SHARE * whole["settled"]:
        return
    if small and row["mean_rise"] < SMALL_MATERIAL * MATERIAL_SHARE * whole["settled"]:
        opinion.bounded += SIDE_SHOW * (opinion.growing + opinion.unresolved)
        opinion.growing, opinion.unresolved = (1 - SIDE_SHOW) * opinion.growing, (1 - SIDE_SHOW) * opinion.unresolved


def _hold_to_end(opinion: Opinion, row: Row) -> None:
    """A leak still grows at the end, and goes beyond what the memory did before."""
    if row["teeth"] >= TEETH:
        if row["floor_trend"] < FLOORS_RISE:
            _floors_stay(opinion, row)
        elif row["floor_trend"] > STEADY and row["last_third"] > SLOWING and opinion.growing > LEANING / 2:
            moved = TIPS * opinion.unresolved
            opinion.growing, opinion.unresolved = opinion.growing + moved, opinion.unresolved - moved
        elif row["floor_trend"] > STEADY and row["low_rise"] > FLOORS_CLIMB * MATERIAL_SHARE * row["settled"]:
            moved = FLOORS_OPEN * opinion.bounded
            opinion.bounded, opinion.unresolved = opinion.bounded - moved, opinion.unresolved + moved
        return
    if row["fresh"] and row["earlier_bursts"] >= BURSTS_BEFORE:
        # Bursts as high came before, and went: one more is no news.
        again = row["tail_top"] - row["settled"] <= AS_HIGH * (row["earlier_top"] - row["settled"])
        moved = FORCED_REST * row["fresh"] if again else 0.0
        opinion.bounded, opinion.unresolved = opinion.bounded + moved, max(opinion.unresolved - moved, 0.0)
    if row["stepped"] < LIKELY:
        _weigh_bend(opinion, row)
    if row["last_level"] > row["earlier_top"] and row["last_level"] - row["settled"] > STEP_SHARE * row["settled"]:
        # It has just gone where it never was: nobody knows whether it stays, goes on or comes back.
        moved = FORCED_REST * opinion.bounded
        opinion.bounded, opinion.unresolved = opinion.bounded - moved, opinion.unresolved + moved
    if row["excursion"] < EXCURSION:
        opinion.notes["within_range"] = True
        _shift(opinion, INSIDE_RANGE if row["excursion"] < NO_EXCURSION else WITHIN_RANGE)
    quarter = row["quarter"]
    only_steps = _weigh_steps(opinion, row)
    if row["last_third"] < ENDED or (quarter is not None and quarter < ENDED_QUARTER) or only_steps:
        opinion.notes["ended"] = True
        _shift(opinion, GROWTH_ENDED)
        if row["last_third"] < ENDED / 2 and opinion.bounded > opinion.growing:
            moved = RESTS * max(opinion.unresolved - row["fresh"], 0.0)
            opinion.bounded, opinion.unresolved = opinion.bounded + moved, opinion.unresolved - moved
    elif row["last_third"] < SLOWING:
        stopped = row["tail"] is not None and row["tail"] < STOPPED
        opinion.notes["ended" if stopped else "slowing"] = True
        _shift(opinion, GROWTH_STOPPED if stopped or opinion.bounded > opinion.growing else GROWTH_SLOWS)
    elif row["tail"] is not None and row["tail"] < ENDED:
        opinion.notes["slowing"] = True
        _shift(opinion, TAIL_SLOWS)
    elif row["last_third"] > STEADY and (row["tail"] or 1.0) > STEADY and opinion.growing > LEANING:
        # Models that slow down or have just ended fit too, but nothing slowed down.
        moved = TIPS * (opinion.unresolved if row["stepped"] > LIKELY else min(row["fresh"], opinion.unresolved))
        opinion.growing, opinion.unresolved = opinion.growing + moved, opinion.unresolved - moved
    if row["last_third"] == UNCHECKED and row["tail"] is None and quarter is None:
        _shift(opinion, GROWTH_UNCHECKED)
    if row["samples"] < COARSE_SAMPLES:
        _shift(opinion, COARSE_STEADY if row["last_third"] > STEADY else COARSE)
    fell = row["stepped"] > LIKELY and row["mean_rise"] <= 0
    if (row["begun_at"] > 1 - YOUNG_SEEN * YOUNG and not fell) or (row["tail"] or 0.0) > ALL_AT_THE_END:
        _shift(opinion, GROWTH_YOUNG)
    if row["growth_per_day"] < row["floor_per_day"]:
        _shift(opinion, BELOW_FLOOR)


def _weigh_steps(opinion: Opinion, row: Row) -> bool:
    """Tell whether growth is made of the steps that explain it best; of jumps that no step explains more may come."""
    between = row["between"]
    if between is not None and between < NOTHING_BETWEEN and row["stepped"] <= LIKELY:
        _shift(opinion, GROWTH_JUMPS)
    return bool(between is not None and between < BETWEEN and row["stepped"] > LIKELY)


def _floors_stay(opinion: Opinion, row: Row) -> None:
    """Floors that do not rise: no leak, unless they do so only a little, or the allocator may hold them up."""
    opinion.notes["floor_stays"] = True
    teeth = row["teeth"]
    deviation = math.sqrt(2 * (2 * teeth + 5) / (9 * teeth * (teeth - 1)))
    stays = row["floor_trend"] < FLOORS_UNSURE * deviation
    _shift(opinion, FLOORS_STAY if stays else FLOORS_NOT_SEEN)
    if stays:
        # One high floor at the end of others that stayed has begun nothing.
        moved = FLOORS_STAY.taken * min(row["fresh"], opinion.unresolved)
        opinion.bounded, opinion.unresolved = opinion.bounded + moved, opinion.unresolved - moved
    climbs = row["top_trend"] > TOPS_RISE and row["top_rise"] > FLOORS_CLIMB * MATERIAL_SHARE * row["settled"]
    if climbs and row["signal"] != "allocated_bytes":
        moved = FLOORS_OPEN * opinion.bounded
        opinion.bounded, opinion.unresolved = opinion.bounded - moved, opinion.unresolved + moved


def _weigh_bend(opinion: Opinion, row: Row) -> None:
    """Growth that is as fast in its later half as in its earlier one is no warm-up; slower, it may be one."""
    slowing = opinion.unresolved - min(row["fresh"], opinion.unresolved)
    going = opinion.growing + slowing
    if row["last_third"] < ENDED or going <= 0 or not math.isfinite(row["straight"] or math.inf):
        return
    steep = STRAIGHT_ODDS / (1 + (row["bend_noise"] / STRAIGHT_NOISE) ** 2)
    shift = min(max(steep * (row["straight"] - STRAIGHT), -STRAIGHT_MOST), STRAIGHT_MOST)
    for_growth = opinion.growing * math.exp(shift)
    growing = going * for_growth / max(for_growth + slowing, 1e-12)
    if growing < opinion.growing / 2:
        opinion.notes["slowing"] = True
    opinion.growing, opinion.unresolved = growing, opinion.unresolved + opinion.growing - growing


def _hold_to_floor(opinion: Opinion, row: Row) -> None:
    """A leak lifts the floor too; where only the tops rise, the traffic does."""
    if row["teeth"] < TEETH and row["mean_rise"] > 0 and row["low_rise"] < FLOOR_FOLLOWS * row["mean_rise"]:
        opinion.notes["floor_stays"] = True
        _shift(opinion, FLOOR_STAYS)


def _doubt_teeth(opinion: Opinion, row: Row, *, restarts_known: bool) -> None:
    """Without restart data, deep teeth may be kills: a hidden leak, not a sawtooth."""
    if 0 < row["teeth"] < TEETH and TAKES_BACK <= row["repeats"] <= TAKES_MORE:
        # Too few teeth to know the floor: neither growth nor its absence was seen.
        opinion.growing, opinion.bounded = FEW_TEETH_SHARE * opinion.growing, FEW_TEETH_SHARE * opinion.bounded
        opinion.unresolved = 1 - opinion.growing - opinion.bounded
        return
    if restarts_known or row["teeth"] < TEETH or row["trough"] > RESTART_LIKE:
        return
    opinion.notes["restarts_unknown"] = True
    opinion.unresolved += opinion.bounded
    opinion.bounded = 0.0


def _doubt_faint(opinion: Opinion, row: Row) -> None:
    """Growth that is seen but too small to matter may go on: only a longer window tells."""
    faint = min(row.get("faint") or 0.0, opinion.bounded)
    if faint < FAINT_FROM or row["teeth"] >= TEETH or row["last_third"] < SLOWING:
        return
    if row["begun_at"] > 1 - YOUNG_SEEN * YOUNG:
        return
    whole = opinion.readings.get("footprint_bytes", row)
    if whole["mean_rise"] > SIDE_BY * max(row["mean_rise"], 0.0):
        # What grows most is around it, and has a name of its own.
        return
    if row["growth_per_day"] > FAINT_ERRORS * row["growth_error_per_day"]:
        opinion.notes["faint"] = True
        opinion.bounded, opinion.unresolved = opinion.bounded - faint, opinion.unresolved + faint


def doubt_rest(opinion: Opinion) -> None:
    """Open again, in place, the rest that was forced or that nothing disturbed: it is no sign of health."""
    if opinion.pattern == "at_limit" and opinion.signal != "allocated_bytes":
        _reopen(opinion)
    work = opinion.readings.get("work_total")
    if work is not None and work["end_level"] - work["first_level"] <= 0:
        _reopen(opinion)


def _reopen(opinion: Opinion) -> None:
    """Take back most of the rest: it cannot be told."""
    opinion.unresolved += FORCED_REST * opinion.bounded
    opinion.bounded *= 1 - FORCED_REST


def going_on(row: Row) -> float:
    """Give the probability that the growth of one signal goes on, whether it is a leak or not."""
    growing, unresolved = row["growing"] or 0.0, row["unresolved"] or 0.0
    steady = (row["last_third"] or 0.0) > STEADY and (row["tail"] or 1.0) > STEADY
    return float(growing + TIPS * unresolved if steady else growing)


def _shift(opinion: Opinion, doubt: Doubt) -> None:
    """Take a share off the growth that was not seen to go on."""
    moved = doubt.taken * opinion.growing
    opinion.growing -= moved
    opinion.bounded += doubt.ended * moved
    opinion.unresolved += (1 - doubt.ended) * moved
