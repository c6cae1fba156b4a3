"""The evidence for and against a leak, a row each, and what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtoolkit.analysis import heap_evidence
from rmtoolkit.analysis.bank import GROWTH_FAMILIES
from rmtoolkit.analysis.evidence_layers import held_down, layers, threads, work
from rmtoolkit.analysis.parameters import COVERED, GOOD, LIKELY, STRONG
from rmtoolkit.analysis.piece import piece
from rmtoolkit.analysis.settle import open_question
from rmtoolkit.intervals import rate_with_range
from rmtoolkit.text import SIGNAL_WORDS, count, hours, number, printable

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion
    from rmtoolkit.analysis.piece import Piece
    from rmtoolkit.analysis.situation import Situation

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
    """Collect the evidence, strongest first: for, against, not measured.

    Parameters
    ----------
    situation
        What is known.

    Returns
    -------
    list of dict
        Rows in the schema `columns.EVIDENCE`: `says` (``for``, ``against``, ``not_measured``), `text` and `value`
        in words, `weight` (0 to 3), `signal`, `start` and `end` of the window it rests on, and for programs
        `statistic`, `estimate` with `low` and `high` (80 % interval), `unit`.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> import polars as pl
    >>> found = judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).verdicts["evidence"]
    >>> [(row["says"], row["text"]) for row in found[0]][0]
    ('against', 'One level explains the RSS best')
    """
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
