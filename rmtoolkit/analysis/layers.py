"""The layers of memory between the signals of one life: which of them grows, which of them is large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.analysis.naming import spikes_early
from rmtoolkit.analysis.parameters import (
    BURST_RATIO,
    INDEX_SHARE,
    LIKELY,
    MATERIAL_SHARE,
    MOST_SHARE,
    NAMING_SHARE,
    ONCE_USED,
    OUTSIDE_BOUNDED,
    THREADS_RISE,
)

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion

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
    """Tell apart what lies between the signals of a life.

    Parameters
    ----------
    opinion
        The life.

    Returns
    -------
    dict of str to (float, float)
        Bytes at the end, and growth since the early part, of each layer that was measured: `slack` (gaps between
        live blocks), `kept` (freed pages that the allocator keeps), `outside` (of the allocator), `cache`, `shmem`,
        `kernel` (what the kernel holds for it), `mapped` (files or shared memory of a process, where nothing tells
        these apart).

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> heap, rss = {"end_level": 5.0, "early_level": 5.0}, {"end_level": 9.0, "early_level": 6.0}
    >>> layers_of(Opinion({}, {"active_bytes": rss, "allocated_bytes": heap}, "allocated_bytes"))["slack"]
    (4.0, 3.0)
    """

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
    """Name, in place, the layer that grows where the judged signal is bounded but the footprint is not.

    Parameters
    ----------
    opinion
        The life.
    layers
        As `layers_of` tells them apart.
    footprint
        Bytes at the end.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> rising = {"growing": 1.0, "unresolved": 0.0}
    >>> found = Opinion({}, {"footprint_bytes": rising}, "allocated_bytes", bounded=1.0, unresolved=0.0)
    >>> name_growing_layer(found, {"kept": (50.0, 40.0)}, 100.0)
    >>> found.pattern
    'retention'
    """
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
    """Name, in place, the layers that are much of the footprint at the end; first where they are most of it.

    Parameters
    ----------
    opinion
        The life, with the name of its shape.
    layers
        As `layers_of` tells them apart.
    footprint
        Bytes at the end.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> found = Opinion({}, {}, "anon_bytes", bounded=1.0, unresolved=0.0, pattern="plateau")
    >>> name_large_layers(found, {"cache": (60.0, 0.0)}, 100.0)
    >>> found.pattern
    'page_cache'
    """
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
