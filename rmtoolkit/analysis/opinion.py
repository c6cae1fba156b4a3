"""One life at a time: which signal speaks, what it says, which layer of memory explains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from rmtoolkit.analysis.models import MATERIAL_SHARE, YOUNG
from rmtoolkit.analysis.shapes import TEETH
from rmtoolkit.analysis.signals import JUDGED

Row = dict[str, Any]

#: A layer names the pattern when it is at least this share of the footprint at the window's end.
_NAMING_SHARE: Final = 0.25
#: A peak this far above the settled level is a spike.
SPIKE_RATIO: Final = 1.25
#: The lowest part of a tooth as a share of its top: below it the fall may as well be a restart.
_RESTART_LIKE: Final = 0.35
#: ... and a startup spike if it stands this far above every later peak.
_ABOVE_LATER: Final = 1.1
#: Flat within this share of the limit is flat because it cannot grow.
_AT_LIMIT: Final = 0.955
#: A life with fewer samples than this decides nothing alone; several of them may.
_FEW_SAMPLES: Final = 24
_FEW_SHARE: Final = 0.6
#: With fewer samples than this a bend is hard to see: growth must be steady to the end.
_COARSE_SAMPLES: Final = 72
#: With pressure, memory.high may hold it this much lower.
_AT_HIGH: Final = 0.7
#: Stalled for more than this share of the time is pressure.
_PRESSURE: Final = 0.02
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
#: A footprint counts as bounded beside a growing one when the growth in question is smaller than this share.
_PERIODIC: Final = 0.5
#: Growth of the live heap below this share of the growth around it is a side show.
_SMALL_PART: Final = 0.1
#: A cycle is worth naming when it moves the level by this share.
_SWING: Final = 0.08
#: Samples that range this far inside every bin rise and fall faster than the bins can show.
_FLUTTER: Final = 0.2
#: A peak this far above the settled level, after the start, is a burst.
_BURST_RATIO: Final = 1.15


@dataclass(slots=True)
class Opinion:
    """What one life says.

    Attributes
    ----------
    life
        Row of the lives table, with `life_row`.
    readings
        Row of the readings by signal.
    signal
        The signal it is judged by; None when there are too few samples.
    growing, bounded, unresolved
        Probabilities, they sum to 1.
    pattern, also, cause
        What the memory at the end of the life is mostly made of, if it is not a leak.
    notes
        Facts found on the way, by key, for the words.

    Examples
    --------
    >>> Opinion({}, {}, None).unresolved
    1.0
    """

    life: Row
    readings: dict[str, Row]
    signal: str | None
    growing: float = 0.0
    bounded: float = 0.0
    unresolved: float = 1.0
    pattern: str = "insufficient_data"
    also: list[str] = field(default_factory=list)
    cause: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def level(self, signal: str, at: str = "end_level") -> float | None:
        """Level of a signal in bytes at a place of the life; None where it was not measured."""
        row = self.readings.get(signal)
        return None if row is None else row[at]

    @property
    def duration_seconds(self) -> float:
        """From the first to the last sample."""
        return float((self.life["end"] - self.life["start"]).total_seconds())


def form(life: Row, readings: dict[str, Row], *, restarts_known: bool) -> Opinion:
    """Form an opinion on one life.

    Parameters
    ----------
    life
        Row of the lives table.
    readings
        Its readings by signal.
    restarts_known
        Whether the source reports restarts; without, a deep fall may be one.

    Returns
    -------
    Opinion
        Growing near 1 says leak, bounded near 1 says none; the pattern holds where it is not a leak.

    Examples
    --------
    >>> form({}, {}, restarts_known=True).pattern
    'insufficient_data'
    """
    signal = next((name for name in JUDGED if name in readings), None)
    opinion = Opinion(life, readings, signal)
    if signal is None:
        return opinion
    row = readings[signal]
    opinion.growing, opinion.bounded, opinion.unresolved = row["growing"], row["bounded"], row["unresolved"]
    if row["samples"] < _FEW_SAMPLES:
        opinion.growing, opinion.bounded = _FEW_SHARE * opinion.growing, _FEW_SHARE * opinion.bounded
        opinion.unresolved = 1 - opinion.growing - opinion.bounded
    _weigh_heap(opinion, row)
    _hold_to_end(opinion, row)
    _hold_to_floor(opinion, row)
    _doubt_teeth(opinion, row, restarts_known=restarts_known)
    _explain(opinion, row)
    _doubt_rest(opinion)
    return opinion


def _shift(opinion: Opinion, share: float, *, bounded: float = 0.0) -> None:
    """Take a share off the growth: it was not seen to go on; `bounded` of it was seen to end."""
    moved = share * opinion.growing
    opinion.growing -= moved
    opinion.bounded += bounded * moved
    opinion.unresolved += (1 - bounded) * moved


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


def _doubt_rest(opinion: Opinion) -> None:
    """Rest that was forced, or that nothing disturbed, is no sign of health."""
    if opinion.pattern == "at_limit" and opinion.signal != "allocated_bytes":
        opinion.unresolved += 0.9 * opinion.bounded
        opinion.bounded *= 0.1
    work = opinion.readings.get("work_total")
    if work is not None and work["end_level"] - work["first_level"] <= 0:
        opinion.notes["idle"] = True
        opinion.unresolved += 0.9 * opinion.bounded
        opinion.bounded *= 0.1


def _pressed(opinion: Opinion) -> bool:
    """Whether the kernel held the container back for a good part of the time."""
    pressure = opinion.readings.get("psi_some_seconds")
    if pressure is None or opinion.duration_seconds <= 0:
        return False
    stalled = pressure["end_level"] - pressure["middle_level"]
    return bool(stalled > _PRESSURE * opinion.duration_seconds / 2)


def _explain(opinion: Opinion, row: Row) -> None:
    footprint = opinion.level("footprint_bytes") or opinion.level(opinion.signal or "") or 0.0
    layers = _layers(opinion)
    _name_growth_elsewhere(opinion, layers, footprint)
    if opinion.pattern == "insufficient_data":
        opinion.pattern, opinion.cause = _name_shape(opinion, row)
    _name_layers(opinion, layers, footprint)
    opinion.also = [name for name in dict.fromkeys(opinion.also) if name != opinion.pattern]


def _layers(opinion: Opinion) -> dict[str, tuple[float, float]]:
    """Bytes at the end, and growth since the early part, of what lies between the signals."""

    def between(upper: str, lower: str) -> tuple[float, float] | None:
        high, low = opinion.readings.get(upper), opinion.readings.get(lower)
        if high is None or low is None:
            return None
        end = high["end_level"] - low["end_level"]
        return end, end - (high["early_level"] - low["early_level"])

    anonymous = "anon_bytes" if "anon_bytes" in opinion.readings else "rss_bytes"
    found = {
        "slack": between("active_bytes", "allocated_bytes"),
        "kept": between("resident_bytes", "active_bytes") or between("resident_bytes", "allocated_bytes"),
        "outside": between(anonymous, "resident_bytes"),
        "cache": between("working_set_bytes", "anon_bytes"),
    }
    if "free_bytes" in opinion.readings:
        free = opinion.readings["free_bytes"]
        kept = (free["end_level"], free["end_level"] - free["early_level"])
        found["kept"] = kept
        if "allocated_bytes" in opinion.readings and anonymous in opinion.readings:
            above = between(anonymous, "allocated_bytes")
            if above is not None:
                found["outside"] = (above[0] - kept[0], above[1] - kept[1])
    if found["kept"] is None and "allocated_bytes" in opinion.readings:
        heap, above = opinion.readings["allocated_bytes"], between(anonymous, "allocated_bytes")
        # The heap was once this much larger, and the pages are still there: the allocator keeps them.
        if above is not None and heap["early_peak"] - heap["settled"] >= 0.5 * above[0]:
            found["kept"] = above
    if found["kept"] is None and found["outside"] is None and "allocated_bytes" in opinion.readings:
        # Nothing says where the pages above the live heap are: the allocator is the likeliest place.
        found["kept"] = between(anonymous, "allocated_bytes") or between("footprint_bytes", "allocated_bytes")
        opinion.notes["kept_known"] = False
    cache = found["cache"]
    if cache is not None and "shmem_bytes" in opinion.readings:
        reading = opinion.readings["shmem_bytes"]
        shared = (reading["end_level"], reading["end_level"] - reading["early_level"])
        found["shmem"] = shared
        found["cache"] = (cache[0] - shared[0], cache[1] - shared[1])
    return {name: value for name, value in found.items() if value is not None}


def _name_growth_elsewhere(opinion: Opinion, layers: dict[str, tuple[float, float]], footprint: float) -> None:
    """The judged signal is bounded, but the footprint grows: say which layer does."""
    whole = opinion.readings.get("footprint_bytes")
    upper = next((name for name in ("anon_bytes", "rss_bytes") if name in opinion.readings), None)
    candidates = [whole, opinion.readings.get(upper) if upper else None]
    grows = max((row["growing"] + row["unresolved"] for row in candidates if row is not None), default=0.0)
    threads = opinion.readings.get("threads")
    threads_grow = (
        threads is not None and threads["growing"] + threads["unresolved"] > 0.5 and threads["mean_rise"] >= 3
    )
    opinion.notes["threads_grow"] = threads_grow
    if opinion.bounded < 0.5 or grows < 0.5:
        return
    if not layers:
        return
    name, (_, growth) = max(layers.items(), key=lambda item: item[1][1])
    if growth < MATERIAL_SHARE * footprint:
        return
    opinion.notes["growing_layer"] = name
    if name == "kept":
        opinion.pattern, opinion.cause = "retention", "allocator"
    elif name == "slack":
        opinion.pattern, opinion.cause = "fragmentation", "allocator"
    elif name == "cache":
        opinion.pattern, opinion.cause = "page_cache", "page_cache"
    elif threads_grow:
        opinion.pattern, opinion.cause = "thread_growth", "thread_stacks"
        opinion.growing, opinion.bounded = max(opinion.growing, threads["growing"] if threads else 0.0), 0.0
        opinion.unresolved = 1 - opinion.growing
    else:
        opinion.pattern, opinion.cause = "unexplained_growth", "outside_allocator"
        opinion.unresolved, opinion.bounded, opinion.growing = 0.9, 0.1, 0.0


def _name_layers(opinion: Opinion, layers: dict[str, tuple[float, float]], footprint: float) -> None:
    """A layer that is much of the footprint at the end is named, and comes first where it is most of it."""
    if footprint <= 0:
        return
    shares = {name: end / footprint for name, (end, _) in layers.items()}
    opinion.notes["shares"] = shares
    kept = shares.get("kept", 0.0) if opinion.notes.get("kept_known", True) else 0.0
    if kept >= _NAMING_SHARE and opinion.pattern != "retention":
        previous = opinion.pattern
        if opinion.pattern in ("plateau", "startup_spike", "burst", "warm_up", "step", "sawtooth", "periodic"):
            opinion.pattern, opinion.cause = "retention", "allocator"
            if previous != "plateau":
                opinion.also.append(previous)
        else:
            opinion.also.append("retention")
    if shares.get("slack", 0.0) >= _NAMING_SHARE and opinion.pattern in ("plateau", "warm_up", "step", "startup_spike"):
        if opinion.pattern != "plateau":
            opinion.also.append(opinion.pattern)
        # Gaps that the startup left are pages it keeps; gaps that come while running are fragmentation.
        heap = opinion.readings.get("allocated_bytes")
        name = "retention" if heap is not None and _spikes_early(heap) else "fragmentation"
        opinion.pattern, opinion.cause = name, "allocator"
        opinion.notes["kept_as_gaps"] = name == "retention"
    cache = shares.get("cache", 0.0)
    if cache >= 0.5 and opinion.pattern in ("plateau", "warm_up", "step", "burst", "at_limit", "periodic", "sawtooth"):
        if opinion.pattern not in ("plateau", "at_limit"):
            opinion.also.append(opinion.pattern)
        opinion.pattern, opinion.cause = "page_cache", "page_cache"
    elif cache >= _NAMING_SHARE:
        opinion.also.append("page_cache")
    if opinion.notes.get("threads_grow") and opinion.pattern != "thread_growth":
        opinion.also.append("thread_growth")


def _spikes_early(row: Row) -> bool:
    """Whether the start needs clearly more than running does, and more than any later peak."""
    late: float = row["late_peak"]
    return bool(row["early_peak"] >= max(SPIKE_RATIO * max(row["settled"], 1.0), _ABOVE_LATER * late))


def _name_shape(opinion: Opinion, row: Row) -> tuple[str, str | None]:
    """Name the shape of a bounded life, the most specific first."""
    settled = max(row["settled"], 1.0)
    limit = opinion.life["limit_bytes"]
    whole = opinion.readings.get("footprint_bytes", row)
    startup = _spikes_early(whole) or _spikes_early(row)
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
