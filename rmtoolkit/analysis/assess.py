"""Assess one life: which signal speaks, which layer of memory explains it, which name its shape has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.analysis import growth
from rmtoolkit.analysis.records import Opinion
from rmtoolkit.analysis.signals import JUDGED
from rmtoolkit.analysis.thresholds import (
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
    INDEX_SHARE,
    LIKELY,
    LOAD_EXPLAINS_ALONE,
    MATERIAL_SHARE,
    MOST_SHARE,
    NAMING_SHARE,
    ONCE_USED,
    OUTSIDE_BOUNDED,
    PEAK_AT_LIMIT,
    PERIODIC,
    PRESSURE,
    REFAULTS,
    SPIKE_RATIO,
    STEP_AFTER,
    STEP_OF_RISE,
    STEP_OF_SWING,
    STEP_SHARE,
    SWING,
    TEETH,
    THREADS_RISE,
    WARM_UP_RISE,
)

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Row


#: Refaults are counted in pages.
_PAGE_BYTES: Final = 4096


def pressure(opinion: Opinion) -> dict[str, float]:
    """Tell how hard the kernel held the container back in the later half of a life, where that is much."""
    half = opinion.duration_seconds / 2
    found: dict[str, float] = {}
    if half <= 0:
        return found
    for name in ("psi_some_seconds", "psi_full_seconds"):
        row = opinion.readings.get(name)
        if row is not None and (share := (row["end_level"] - row["middle_level"]) / half) > PRESSURE:
            found[name] = share
    refaults, footprint = opinion.readings.get("refaults_total"), opinion.level("footprint_bytes")
    if refaults is not None and footprint:
        read_again = (refaults["end_level"] - refaults["middle_level"]) * _PAGE_BYTES
        if (times := read_again / footprint / (half / 3600)) > REFAULTS:
            found["refaults_total"] = times
    return found


def peaks_at_limit(opinion: Opinion) -> bool:
    """Tell whether the kernel's own peak counter is at the limit, which scrapes may have missed."""
    limit, peak = opinion.life.get("limit_bytes"), opinion.level("peak_bytes")
    return bool(limit and peak is not None and peak >= PEAK_AT_LIMIT * limit)


_DAY_SECONDS: Final = 86_400
#: Shapes with a step in them, and shapes that rise less and less.
_STEPPED: Final = ("step", "two_steps", "saturating_step")
_SLOWING_DOWN: Final = ("saturating", "two_saturating", "ramp_end", "ramp", "log", "power", "saturating_step")


def name_shape(opinion: Opinion, row: Row) -> tuple[str, str | None]:
    """Name the shape of a bounded life."""
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
    """Tell whether the start needs clearly more than running does, and more than any later peak."""
    late: float = row["late_peak"]
    return bool(row["early_peak"] >= max(SPIKE_RATIO * max(row["settled"], 1.0), ABOVE_LATER * late))


def _still(whole: Row, limit: float | None) -> bool:
    """Whether the footprint was near its end level already in the middle of the window."""
    return limit is None or bool(
        whole["end_level"] - whole.get("middle_level", whole["end_level"]) <= AT_LIMIT_RISE * limit
    )


#: Bytes at the end of a life, and growth since its early part.
Layer = tuple[float, float]
Layers = dict[str, Layer]


class Beside(NamedTuple):
    """A layer that may grow beside the judged signal and fill the limit: in words, and the signal that shows it."""

    grows: str
    unknown: str
    signal: str


BESIDE: Final = {
    "shmem": Beside(
        "files in memory (tmpfs, shared memory) grow",
        "files in memory (tmpfs) grow, and whether anything deletes them is not known",
        "shmem_bytes",
    ),
    "kernel": Beside(
        "memory that the kernel holds for it (sockets, page tables, slab) grows",
        "the kernel holds more and more for it, and how much of that it would give back is not known",
        "kernel_bytes",
    ),
    "mapped": Beside(
        "mapped files or shared memory grow",
        "mapped files can be reclaimed and shared memory cannot, and which of them grows is not known",
        "footprint_bytes",
    ),
}

#: Signals that count files in memory.
_WITH_FILES: Final = ("rss_bytes", "working_set_bytes", "usage_bytes")
#: Shapes that page cache gives the working set by itself.
_MADE_BY_CACHE: Final = ("plateau", "warm_up", "step", "burst", "at_limit", "periodic", "sawtooth")
#: Shapes that kept pages explain better ...
_MADE_BY_KEPT: Final = ("plateau", "startup_spike", "burst", "warm_up", "step", "sawtooth", "periodic")
#: ... and shapes that gaps between live blocks do.
_MADE_BY_GAPS: Final = ("plateau", "warm_up", "step", "startup_spike")


def layers_of(opinion: Opinion) -> Layers:
    """Tell apart what lies between the signals of a life."""

    def between(upper: str, lower: str) -> Layer | None:
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
                # Pages of free blocks may have been given back: no more is kept than lies above the heap.
                if kept[0] > max(above[0], 0.0):
                    kept = (max(above[0], 0.0), max(above[1], 0.0))
                    found["kept"] = kept
                found["outside"] = (above[0] - kept[0], above[1] - kept[1])
    if found["kept"] is None and "allocated_bytes" in opinion.readings:
        heap, above = opinion.readings["allocated_bytes"], between(anonymous, "allocated_bytes")
        # The heap was once this much larger, and the pages are still there: the allocator keeps them.
        if above is not None and heap["early_peak"] - heap["settled"] >= ONCE_USED * above[0]:
            found["kept"] = above
    if found["kept"] is None and found["outside"] is None and "allocated_bytes" in opinion.readings:
        # Nothing says where the pages above the live heap are: the allocator is the likeliest place.
        above = between(anonymous, "allocated_bytes") or between("footprint_bytes", "allocated_bytes")
        shared = _shared(opinion)
        if above is not None and shared is not None and 0 < shared[1] <= 2 * above[1] and anonymous != "anon_bytes":
            # The RSS of a process counts the files in memory that it maps: they are nothing that the allocator keeps.
            above = (above[0] - shared[0], above[1] - shared[1])
        found["kept"] = above
        opinion.notes["kept_known"] = False
    if found["cache"] is not None:
        found["kernel"] = _kernel(opinion)
    elif "anon_bytes" in opinion.readings and "working_set_bytes" not in opinion.readings:
        # Of a process without a cgroup: its RSS counts the files that it maps, and those in memory.
        mapped = between("rss_bytes", "anon_bytes")
        found["cache" if "file_bytes" in opinion.readings else "mapped"] = mapped
    found["shmem"] = _shared(opinion)
    for other in ("shmem", "kernel"):
        for name in ("cache", "mapped"):
            whole, part = found.get(name), found.get(other)
            if whole is not None and part is not None:
                found[name] = (whole[0] - part[0], whole[1] - part[1])
    return {name: value for name, value in found.items() if value is not None}


def _shared(opinion: Opinion) -> Layer | None:
    """Files in memory (tmpfs, shared memory) at the end, and their growth since the early part."""
    reading = opinion.readings.get("shmem_bytes")
    return None if reading is None else (reading["end_level"], reading["end_level"] - reading["early_level"])


def _kernel(opinion: Opinion) -> Layer | None:
    """What the kernel holds for the container (sockets, page tables, slab): measured, or what nothing else explains."""
    reading = opinion.readings.get("kernel_bytes")
    anon, file = opinion.readings.get("anon_bytes"), opinion.readings.get("file_bytes")
    if reading is not None:
        growth = reading["end_level"] - reading["early_level"]
        # Page cache takes some for its own index, which goes with it.
        of_files = file is not None and growth <= INDEX_SHARE * (file["end_level"] - file["early_level"])
        return reading["end_level"], 0.0 if of_files else growth
    usage, working = opinion.readings.get("usage_bytes"), opinion.readings.get("working_set_bytes")
    if anon is None or file is None:
        return None
    if usage is not None:
        end, early = (usage[at] - anon[at] - file[at] for at in ("end_level", "early_level"))
        return end, end - early
    if working is None:
        return None
    # Without the files that are left out of the working set: at least so much at the end, at most so much before.
    end = max(working["end_level"] - anon["end_level"] - file["end_level"], 0.0)
    return end, max(end - max(working["early_level"] - anon["early_level"], 0.0), 0.0)


def _files_explain(opinion: Opinion) -> bool:
    """Whether files in memory are all that grows in a signal that counts them."""
    shared = opinion.readings.get("shmem_bytes")
    if shared is None or opinion.signal not in _WITH_FILES or not shared["growing"] + shared["unresolved"] > LIKELY:
        return False
    row = opinion.readings[opinion.signal]
    return bool(row["mean_rise"] - shared["mean_rise"] < MATERIAL_SHARE * row["settled"] < row["mean_rise"])


def name_growing_layer(opinion: Opinion, layers: Layers, footprint: float) -> None:
    """Name, in place, the layer that grows where the judged signal is bounded but the footprint is not."""
    whole = opinion.readings.get("footprint_bytes")
    upper = next((name for name in ("anon_bytes", "rss_bytes") if name in opinion.readings), None)
    candidates = [whole, opinion.readings.get(upper) if upper else None]
    grows = max((row["growing"] + row["unresolved"] for row in candidates if row is not None), default=0.0)
    threads = opinion.readings.get("threads")
    threads_grow = (
        threads is not None
        and threads["growing"] + threads["unresolved"] > LIKELY
        and threads["mean_rise"] >= THREADS_RISE
    )
    opinion.notes["threads_grow"] = threads_grow
    if _files_explain(opinion):
        opinion.notes["growing_layer"] = "shmem"
        opinion.pattern, opinion.cause = "unexplained_growth", "outside_allocator"
        opinion.unresolved, opinion.bounded, opinion.growing = 1 - OUTSIDE_BOUNDED, OUTSIDE_BOUNDED, 0.0
        return
    if opinion.bounded < LIKELY or grows < LIKELY:
        return
    for layer in ("shmem", "kernel"):
        row = opinion.readings.get(f"{layer}_bytes")
        if row is not None and row["bounded"] is not None and row["bounded"] > LIKELY:
            layers = {name: value for name, value in layers.items() if name != layer}
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
        opinion.unresolved, opinion.bounded, opinion.growing = 1 - OUTSIDE_BOUNDED, OUTSIDE_BOUNDED, 0.0


def name_large_layers(opinion: Opinion, layers: Layers, footprint: float) -> None:
    """Name, in place, the layers that are much of the footprint at the end; first where they are most of it."""
    if footprint <= 0:
        return
    shares = {name: end / footprint for name, (end, _) in layers.items()}
    opinion.notes["shares"] = shares
    kept = shares.get("kept", 0.0) if opinion.notes.get("kept_known", True) else 0.0
    if kept >= NAMING_SHARE and opinion.pattern != "retention":
        previous = opinion.pattern
        if opinion.pattern in _MADE_BY_KEPT:
            opinion.pattern, opinion.cause = "retention", "allocator"
            if previous != "plateau":
                opinion.also.append(previous)
        else:
            opinion.also.append("retention")
    if shares.get("slack", 0.0) >= NAMING_SHARE and opinion.pattern in _MADE_BY_GAPS:
        if opinion.pattern != "plateau":
            opinion.also.append(opinion.pattern)
        # Gaps that the startup left are pages it keeps; gaps that come while running are fragmentation.
        heap = opinion.readings.get("allocated_bytes")
        name = "retention" if heap is not None and spikes_early(heap) else "fragmentation"
        opinion.pattern, opinion.cause = name, "allocator"
        opinion.notes["kept_as_gaps"] = name == "retention"
    cache = shares.get("cache", 0.0)
    if opinion.pattern == "plateau" and "cache" in layers and _cache_moves(opinion):
        opinion.pattern, opinion.cause = "page_cache", "page_cache"
    if cache >= MOST_SHARE and opinion.pattern in _MADE_BY_CACHE:
        if opinion.pattern not in ("plateau", "at_limit"):
            opinion.also.append(opinion.pattern)
        opinion.pattern, opinion.cause = "page_cache", "page_cache"
    elif cache >= NAMING_SHARE and opinion.pattern != "page_cache":
        opinion.also.append("page_cache")
    if opinion.notes.get("threads_grow") and opinion.pattern != "thread_growth":
        opinion.also.append("thread_growth")


def _cache_moves(opinion: Opinion) -> bool:
    """Whether the footprint rose and fell by much more than anonymous and kernel memory did: that was page cache."""
    whole, anon = opinion.readings.get("footprint_bytes"), opinion.readings.get("anon_bytes")
    if whole is None or anon is None:
        return False
    kernel = opinion.readings.get("kernel_bytes")
    others = anon["swing"] + (kernel["swing"] if kernel is not None else 0.0)
    return bool(whole["swing"] - others >= (BURST_RATIO - 1) * whole["settled"])


def form(life: Row, readings: dict[str, Row], *, restarts_known: bool, others: int = 0) -> Opinion:
    """Form an opinion on one life."""
    signal = next((name for name in JUDGED if name in readings), None)
    opinion = Opinion(life, readings, signal)
    if signal is None:
        return opinion
    row = readings[signal]
    opinion.growing, opinion.bounded, opinion.unresolved = row["growing"], row["bounded"], row["unresolved"]
    growth.doubt_growth(opinion, row, restarts_known=restarts_known, others=others)
    _explain(opinion, row)
    growth.doubt_rest(opinion)
    return opinion


def _explain(opinion: Opinion, row: Row) -> None:
    """Name what the memory is made of, unless it is a leak."""
    footprint = opinion.level("footprint_bytes") or opinion.level(opinion.signal or "") or 0.0
    found = layers_of(opinion)
    name_growing_layer(opinion, found, footprint)
    if opinion.pattern == "insufficient_data":
        opinion.pattern, opinion.cause = name_shape(opinion, row)
    name_large_layers(opinion, found, footprint)
    opinion.also = [name for name in dict.fromkeys(opinion.also) if name != opinion.pattern]
