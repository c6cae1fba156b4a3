"""The evidence for and against a leak, a row each, and what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis import heap_evidence
from rmtoolkit.analysis.assess import peaks_at_limit, pressure, spikes_early
from rmtoolkit.analysis.models import GROWTH_FAMILIES
from rmtoolkit.analysis.patterns import stack_of_a_thread
from rmtoolkit.analysis.records import piece
from rmtoolkit.analysis.thresholds import (
    COVERED,
    GOOD,
    LAYER_SHOWN,
    LIKELY,
    MANY_THREADS,
    MATERIAL_SHARE,
    STACK_LEAST,
    STACK_MOST,
    STRONG,
)
from rmtoolkit.analysis.words import open_question
from rmtoolkit.text import (
    SIGNAL_WORDS,
    configured,
    count,
    hours,
    memory,
    number,
    printable,
    rate_with_range,
    share,
    small_memory,
)

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Opinion, Piece
    from rmtoolkit.analysis.words import Situation


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
    """Tell what the memory is made of, where the allocator and the cgroup say it."""
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
    """Tell whether threads rise, and whether their stacks explain what the memory grew by."""
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
    """Tell what says that a flat level is flat because it cannot grow."""
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
    """Set growth against the work that was done meanwhile."""
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


#: What was seen of growth that a model found, by the note it left.
_ENDS = {
    "floor_stays": "Only the tops rise: the floor stays",
    "ended": "What rose stands still in the last third of the window",
    "slowing": "The rise slows down towards the end of the window",
    "within_range": "The rise goes no further than the memory wandered before",
}

_SHAPES = {
    "constant": "One level",
    "step": "One step between two levels",
    "two_steps": "Two steps between levels",
    "pulse": "A burst above one level",
    "saturating": "A curve that levels off",
    "two_saturating": "A curve that levels off in two stages",
    "saturating_step": "A warm-up and a step",
    "log": "A curve that slows down but has no bound",
    "power": "Growth that slows down without an end",
    "ramp_end": "A ramp that ends",
    "ramp": "A ramp between two levels",
    "half_wave": "A part of a daily cycle",
    "linear": "A straight rise",
    "two_slopes": "A rise in two stages",
    "saturating_linear": "A warm-up, then a straight rise",
    "saturating_hinge": "A warm-up, a rest, then a straight rise",
    "step_linear": "A step and a straight rise",
    "step_hinge": "A step, then a straight rise",
    "two_steps_linear": "Two steps and a straight rise",
}


def rows(situation: Situation) -> list[Piece]:
    """Collect the evidence, strongest first: for, against, not measured."""
    main = situation.main
    if main is None or not main.life:
        return []
    found = _settling(situation, main)
    if situation.row["limit_bytes"] is None and not situation.row["limit_known"]:
        found.append(piece(main, "not_measured", "The memory limit", "not exported", 0, "no_limit"))
    if main.signal is not None:
        found += [
            *_trend(situation, main),
            *work(situation, main),
            *heap_evidence.rows(situation.pool, main),
            *_lives(situation, main),
            *layers(main),
            *threads(main),
            *held_down(main),
            *_doubts(situation, main),
            *_missing(situation, main),
        ]
    order = {"for": 0, "against": 1, "not_measured": 2}
    leak = situation.row["verdict"] == "leak"
    return sorted(
        found,
        key=lambda row: (
            order[row["says"]] if leak or row["says"] == "not_measured" else 1 - order[row["says"]],
            -row["weight"],
        ),
    )


def _settling(situation: Situation, main: Opinion) -> list[Piece]:
    """What an open verdict waits for; `end` is when it will have come, where waiting helps."""
    if situation.row["verdict"] != "inconclusive":
        return []
    question = open_question(situation)
    text = f"What keeps it open: {question.why}"
    since = main.life["end"]
    if question.until is None:
        return [piece(main, "not_measured", text, "time alone does not help", 1, f"open_{question.kind}")]
    wait = (question.until - since).total_seconds() / 3600
    value = f"until {question.wait(since)}"
    row = piece(main, "not_measured", text, value, 1, f"open_{question.kind}", estimate=wait, unit="hours")
    return [row | {"start": since, "end": question.until}]


def _trend(situation: Situation, main: Opinion) -> list[Piece]:
    reading = main.readings[main.signal or ""]
    signal = SIGNAL_WORDS.get(main.signal or "", main.signal)
    grows = reading["family"] in GROWTH_FAMILIES and reading["growing"] > LIKELY
    strength = max(reading["growing"], reading["bounded"], reading["unresolved"])
    weight = 3 if strength > STRONG else 2 if strength > GOOD else 1
    says = "for" if grows or reading["unresolved"] > LIKELY else "against"
    shape = f"{_SHAPES[reading['family']]} explains the {signal} best"
    shown = f"weight {number(100 * strength, 2)} %"
    found = [piece(main, says, shape, shown, weight, "shape", estimate=strength, unit="share")]
    row = situation.row
    growth, low, high = (
        row[name] for name in ("growth_bytes_per_day", "growth_low_bytes_per_day", "growth_high_bytes_per_day")
    )
    if low is None:
        return found
    value = rate_with_range(growth, low, high)
    lasting = next((text for note, text in _ENDS.items() if main.notes.get(note)), None)
    if low > 0 and grows and lasting is None:
        trend = ("for", f"The {signal} still grows at the end of the window", weight)
    elif lasting is not None and grows:
        trend = ("against", lasting, 2)
    elif reading["unresolved"] > reading["bounded"]:
        trend = ("for", f"The {signal} still rises, though less and less", 1)
    else:
        trend = ("against", f"The {signal} does not grow at the end of the window", weight)
    said, text, heavy = trend
    found.append(
        piece(main, said, text, value, heavy, "growth", estimate=growth, low=low, high=high, unit="bytes/day"),
    )
    return found


def _lives(situation: Situation, main: Opinion) -> list[Piece]:
    pool = situation.pool
    found = []
    rising, judged = int(pool.notes.get("lives_rising", 0)), int(pool.notes.get("lives_judged", 0))
    if judged > 1:
        says = "for" if rising > judged / 2 else "against"
        text, weight = "Lives in which the memory keeps rising", 3 if judged > 2 else 2
        found.append(
            piece(main, says, text, f"{rising} of {judged}", weight, "lives_rising", estimate=rising, unit="count")
        )
    if situation.judged > 1:
        found.append(_pods(situation, main))
    if kills := int(pool.notes.get("kills", 0)):
        text = "Lives that ended in an OOM kill"
        found.append(piece(main, "for", text, f"{kills}", 1, "oom_kills", estimate=kills, unit="count"))
    elsewhere = sum(opinion.life["ended"] in ("node_oom", "evicted") for opinion in pool.opinions)
    if elsewhere:
        text = "Ended by the node (eviction, node out of memory): says nothing about this limit"
        shown = count(elsewhere, "life", "lives")
        found.append(piece(main, "against", text, shown, 0, "node_events", estimate=elsewhere, unit="count"))
    if pool.fixed_version is not None:
        shown = printable(pool.fixed_version)[:40]
        found.append(piece(main, "against", "The growth ended with a release", shown, 3, "fixed_version"))
    if pool.since_version is not None and situation.row["verdict"] == "leak":
        shown = printable(pool.since_version)[:40]
        found.append(
            piece(main, "for", "The growth began with a release, the one before was flat", shown, 3, "since_version")
        )
    lasts = situation.lasts
    if lasts.longest_hours is not None and situation.row["limit_outlook"] == "reaches":
        text = "Restarts begin the growth anew: no life is expected to last longer"
        says = "against" if situation.capped else "for"
        found.append(
            piece(
                main,
                says,
                text,
                hours(lasts.longest_hours),
                0,
                "life_length",
                estimate=lasts.longest_hours,
                unit="hours",
            )
        )
    return found


def _pods(situation: Situation, main: Opinion) -> Piece:
    """One pod of several points at that instance, all of them at the code."""
    growing, judged = situation.growing, situation.judged
    says = "for" if growing else "against"
    text = "Pods that grow"
    if growing == judged:
        text = "Pods that grow: all of them, so the code does it wherever it runs"
    elif growing == 1 and situation.pod is not None:
        text = f"Pods that grow: only {printable(situation.pod)[:80]}, so look at what is different there"
    return piece(main, says, text, f"{growing} of {judged}", 2, "pods_growing", estimate=growing, unit="count")


def _doubts(situation: Situation, main: Opinion) -> list[Piece]:
    found = []
    if main.notes.get("restarts_unknown"):
        text = "Deep falls may be restarts that the source does not report"
        found.append(piece(main, "for", text, "unknown", 2, "restarts_unknown"))
    coverage = situation.row["coverage"]
    if coverage is not None and coverage < COVERED:
        shown = f"{number(100 * (1 - coverage), 2)} %"
        found.append(
            piece(main, "not_measured", "Samples are missing", shown, 1, "coverage", estimate=coverage, unit="share")
        )
    said: set[str] = set()
    for check, signal, detail in situation.rejected:
        # What is wrong between two signals is said of both; once is enough.
        if detail not in said:
            found.append(piece(main, "not_measured", detail[:160], "not used", 0, f"rejected_{check}", signal=signal))
        said.add(detail)
    return found


def _missing(situation: Situation, main: Opinion) -> list[Piece]:
    found = []
    rejected = {signal for _, signal, _ in situation.rejected}
    if "allocated_bytes" not in main.readings:
        shown = "not exported" if "allocated_bytes" not in rejected else "its exporter is broken"
        found.append(piece(main, "not_measured", "The live heap of the allocator", shown, 0, "no_live_heap"))
    if "load" not in main.readings and "work_total" not in main.readings:
        found.append(piece(main, "not_measured", "Requests or other work", "not exported", 0, "no_work"))
    if main.duration_seconds and situation.row["evidence_level"] < 2:
        shown = f"{hours(main.duration_seconds / 3600)} seen as one life"
        found.append(piece(main, "not_measured", "Restarts", shown, 0, "no_restarts"))
    return found
