"""Evidence from more than one signal: layers of memory, threads, pressure, work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.held import peaks_at_limit, pressure
from rmtoolkit.analysis.naming import spikes_early
from rmtoolkit.analysis.parameters import LAYER_SHOWN, LIKELY, MANY_THREADS, MATERIAL_SHARE, STACK_LEAST, STACK_MOST
from rmtoolkit.analysis.pattern import stack_of_a_thread
from rmtoolkit.analysis.piece import piece
from rmtoolkit.intervals import small_memory
from rmtoolkit.text import configured, memory, number, share

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion
    from rmtoolkit.analysis.piece import Piece
    from rmtoolkit.analysis.situation import Situation

#: Layers by name: what they are called, and the signals that show them, the most telling first.
_LAYERS: Final = {
    "kept": ("Pages that the allocator keeps", ("free_bytes", "resident_bytes", "allocated_bytes")),
    "slack": ("Gaps between live blocks", ("active_bytes",)),
    "outside": ("Memory outside the allocator", ("resident_bytes", "allocated_bytes")),
    "cache": ("Page cache and kernel memory", ("working_set_bytes", "file_bytes")),
    "shmem": ("Files in memory (tmpfs, shared memory)", ("shmem_bytes",)),
    "kernel": ("Memory that the kernel holds for it", ("kernel_bytes", "usage_bytes", "working_set_bytes")),
    "mapped": ("Mapped files or shared memory", ("rss_bytes",)),
}
#: Layers that fill the limit: the kernel cannot take them back.
_COUNTS: Final = ("outside", "shmem", "kernel", "mapped")
#: From the middle of a life to where its end level is read, as a share of the life.
_LATER_PART: Final = 0.4375
_PRESSURE_WORDS: Final = {
    "psi_some_seconds": "Time that tasks waited for memory",
    "psi_full_seconds": "Time that all tasks waited for memory",
    "refaults_total": "Dropped pages read again",
}


def layers(main: Opinion) -> list[Piece]:
    """Tell what the memory is made of, where the allocator and the cgroup say it.

    Parameters
    ----------
    main
        The life that stands for the workload.

    Returns
    -------
    list of dict
        Rows of evidence.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> layers(Opinion({}, {}, None))
    []
    """
    found: list[Piece] = []
    heap = main.readings.get("allocated_bytes")
    whole = main.readings.get("footprint_bytes")
    if heap is not None and whole is not None and heap["bounded"] > LIKELY:
        change = f"{memory(heap['early_level'])} → {memory(heap['end_level'])}"
        found.append(
            piece(
                main,
                "against",
                "The live heap holds its level",
                change,
                3,
                "live_heap",
                estimate=heap["end_level"],
                unit="bytes",
                signal="allocated_bytes",
            )
        )
        if spikes_early(heap):
            change = f"{memory(heap['early_peak'])} → {memory(heap['settled'])}"
            text = "The live heap returns to its level after startup"
            found.append(
                piece(
                    main,
                    "against",
                    text,
                    change,
                    3,
                    "startup_heap",
                    estimate=heap["early_peak"] - heap["settled"],
                    unit="bytes",
                    signal="allocated_bytes",
                )
            )
    shares = main.notes.get("shares", {})
    footprint = whole["end_level"] if whole is not None else 0.0
    growing = main.notes.get("growing_layer")
    swapped = main.readings.get("swap_bytes")
    if swapped is not None and swapped["end_level"] - swapped["early_level"] >= MATERIAL_SHARE * footprint > 0:
        text = "Memory that was moved to swap, and is counted here as what it is"
        change = f"{memory(swapped['early_level'])} → {memory(swapped['end_level'])}"
        amount = swapped["end_level"]
        found.append(
            piece(main, "for", text, change, 2, "swap", estimate=amount, unit="bytes", signal="swap_bytes"),
        )
    for layer, (text, signals) in _LAYERS.items():
        if shares.get(layer, 0.0) < LAYER_SHOWN and layer != growing:
            continue
        amount = shares.get(layer, 0.0) * footprint
        signal = next((name for name in signals if name in main.readings), signals[-1])
        grows = layer == growing
        says = "for" if grows and layer in _COUNTS else "against"
        words = f"{text}: this part grows" if grows else text
        value = f"{memory(amount)} of {memory(footprint)}"
        found.append(
            piece(main, says, words, value, 2, layer, estimate=amount, unit="bytes", signal=signal),
        )
    return found


def threads(main: Opinion) -> list[Piece]:
    """Tell whether threads rise, and whether their stacks explain what the memory grew by.

    Parameters
    ----------
    main
        The life that stands for the workload.

    Returns
    -------
    list of dict
        Rows of evidence.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> threads(Opinion({}, {}, None))
    []
    """
    row = main.readings.get("threads")
    if row is None:
        return []
    found: list[Piece] = []
    last = row["end_level"]
    if main.notes.get("threads_grow"):
        change = f"{row['first_level']:.0f} → {last:.0f}"
        text = "The number of threads keeps rising"
        found.append(
            piece(main, "for", text, change, 2, "threads_rise", estimate=last, unit="count", signal="threads"),
        )
        stack = stack_of_a_thread(main)
        if stack is not None and STACK_LEAST <= stack <= STACK_MOST:
            text = "Growth outside the heap for each new thread: as much as a touched stack"
            value = f"{memory(stack)} a thread"
            found.append(
                piece(
                    main,
                    "for",
                    text,
                    value,
                    2,
                    "stack_of_a_thread",
                    estimate=stack,
                    unit="bytes/thread",
                    signal="threads",
                )
            )
    elif last >= MANY_THREADS:
        text = "Threads, a number that stays"
        found.append(
            piece(
                main, "against", text, f"{last:.0f}", 0, "threads_many", estimate=last, unit="count", signal="threads"
            )
        )
    return found


def held_down(main: Opinion) -> list[Piece]:
    """Tell what says that a flat level is flat because it cannot grow.

    Parameters
    ----------
    main
        The life that stands for the workload.

    Returns
    -------
    list of dict
        Rows of evidence; none where nothing holds the memory down.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> held_down(Opinion({}, {}, None, pattern="plateau"))
    []
    """
    if main.pattern != "at_limit":
        return []
    limit, level = main.life["limit_bytes"], main.level("footprint_bytes")
    found: list[Piece] = []
    if limit and level is not None:
        text = "Flat this near the limit: growth would not show"
        value = f"{memory(level)} of {configured(limit)}"
        found.append(piece(main, "for", text, value, 2, "at_limit", estimate=level / limit, unit="share"))
    for name, amount in pressure(main).items():
        shown = f"{share(amount)} of the time" if name != "refaults_total" else f"{number(amount, 2)} × memory an hour"
        unit = "per hour" if name == "refaults_total" else "share"
        found.append(
            piece(main, "for", _PRESSURE_WORDS[name], shown, 2, name, estimate=amount, unit=unit, signal=name),
        )
    if peaks_at_limit(main):
        peak = main.level("peak_bytes")
        text = "The highest usage that the kernel counted is the limit"
        found.append(
            piece(main, "for", text, memory(peak), 1, "peak_at_limit", estimate=peak, unit="bytes", signal="peak_bytes")
        )
    return found


def work(situation: Situation, main: Opinion) -> list[Piece]:
    """Set growth against the work that was done meanwhile.

    Parameters
    ----------
    situation
        What is known.
    main
        The life that stands for the workload.

    Returns
    -------
    list of dict
        Rows of evidence: growth for each unit of work, or that traffic explains it, or that there was none.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> import polars as pl
    >>> rows = {"time": range(0, 12_000, 60), "rss_bytes": range(100_000_000, 140_000_000, 200_000)}
    >>> found = judge(pl.DataFrame(rows).with_columns(work_total=100 * pl.int_range(200))).verdicts["evidence"][0]
    >>> [round(row["estimate"], -2) for row in found if row["statistic"] == "growth_per_work"]
    [2000.0]
    """
    row = main.readings[main.signal or ""]
    found: list[Piece] = []
    if row["load_share"] > 0:
        value = f"{number(100 * row['load_share'], 2)} % of its changes"
        text = "The memory follows the load"
        found.append(piece(main, "against", text, value, 2, "follows_load", estimate=row["load_share"], unit="share"))
    counter = main.readings.get("work_total")
    days = main.duration_seconds / 86_400
    if counter is None or days <= 0:
        return found
    if counter["end_level"] <= counter["first_level"]:
        text = "No work was done: rest says nothing about a leak per request"
        found.append(
            piece(main, "not_measured", text, "0 units", 1, "idle", estimate=0, unit="count", signal="work_total")
        )
        return found
    per_day = (counter["end_level"] - counter["middle_level"]) / (_LATER_PART * days)
    growth, low, high = (
        situation.row[name]
        for name in ("growth_bytes_per_day", "growth_low_bytes_per_day", "growth_high_bytes_per_day")
    )
    if growth is None or low is None or high is None or per_day <= 0:
        return found
    each = [value / per_day for value in (growth, low, high)]
    grows = low > 0 and situation.row["verdict"] != "not_leak"
    text = "Growth for each unit of work done" if grows else "For each unit of work done the memory does not grow"
    value = f"{small_memory(each[0])} ({small_memory(each[1], like=each[0])}–{small_memory(each[2], like=each[0])})"
    if each[1] < 0:
        value = value.replace("–", " to ")
    found.append(
        piece(
            main,
            "for" if grows else "against",
            text,
            value,
            2 if grows else 1,
            "growth_per_work",
            estimate=each[0],
            low=each[1],
            high=each[2],
            unit="bytes/unit",
        )
    )
    return found
