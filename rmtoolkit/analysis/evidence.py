"""The evidence for and against a leak, a row each, and what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmtoolkit.analysis.bank import GROWTH_FAMILIES
from rmtoolkit.analysis.parameters import COVERED, GOOD, LAYER_SHOWN, LIKELY, SPIKE_RATIO, STRONG
from rmtoolkit.text import SIGNAL_WORDS, hours, memory, number, rate, rate_range

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion
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


def rows(situation: Situation) -> list[dict[str, Any]]:
    """Collect the evidence, strongest first: for, against, not measured.

    Parameters
    ----------
    situation
        What is known.

    Returns
    -------
    list of dict
        `says` (``for``, ``against``, ``not_measured``), `text`, `value`, `weight` (0 to 3), `signal`, `start`
        and `end` of the window it rests on.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> import polars as pl
    >>> found = judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).verdicts["evidence"]
    >>> [(row["says"], row["text"]) for row in found[0]][0]
    ('against', 'One level explains the RSS best')
    """
    main = situation.main
    if main is None or main.signal is None:
        return []
    found = [
        *_trend(situation, main),
        *_lives(situation),
        *_layers(main),
        *_doubts(situation),
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


def _row(main: Opinion, says: str, text: str, value: str, weight: int, signal: str | None = None) -> dict[str, Any]:
    return {
        "says": says,
        "text": text,
        "value": value,
        "weight": weight,
        "signal": signal or main.signal,
        "start": main.life["start"],
        "end": main.life["end"],
    }


def _trend(situation: Situation, main: Opinion) -> list[dict[str, Any]]:
    reading = main.readings[main.signal or ""]
    signal = SIGNAL_WORDS.get(main.signal or "", main.signal)
    grows = reading["family"] in GROWTH_FAMILIES and reading["growing"] > LIKELY
    strength = max(reading["growing"], reading["bounded"], reading["unresolved"])
    weight = 3 if strength > STRONG else 2 if strength > GOOD else 1
    says = "for" if grows or reading["unresolved"] > LIKELY else "against"
    found = [
        _row(
            main,
            says,
            f"{_SHAPES[reading['family']]} explains the {signal} best",
            f"weight {number(100 * strength, 2)} %",
            weight,
        )
    ]
    row = situation.row
    low, high = row["growth_low_bytes_per_day"], row["growth_high_bytes_per_day"]
    if low is not None:
        interval = rate_range(low, high)
        value = f"{rate(row['growth_bytes_per_day'])} ({interval})"
        lasting = next((text for note, text in _ENDS.items() if main.notes.get(note)), None)
        if low > 0 and grows and lasting is None:
            found.append(_row(main, "for", f"The {signal} still grows at the end of the window", value, weight))
        elif lasting is not None and grows:
            found.append(_row(main, "against", lasting, value, 2))
        elif reading["unresolved"] > reading["bounded"]:
            found.append(_row(main, "for", f"The {signal} still rises, though less and less", value, 1))
        else:
            found.append(_row(main, "against", f"The {signal} does not grow at the end of the window", value, weight))
    if reading["load_share"] > 0:
        found.append(
            _row(
                main,
                "against",
                "The memory follows the load",
                f"{number(100 * reading['load_share'], 2)} % of its changes",
                2,
            )
        )
    return found


def _lives(situation: Situation) -> list[dict[str, Any]]:
    pool, main = situation.pool, situation.main
    if main is None:
        return []
    found = []
    rising, judged = int(pool.notes.get("lives_rising", 0)), int(pool.notes.get("lives_judged", 0))
    if judged > 1:
        says = "for" if rising > judged / 2 else "against"
        found.append(
            _row(main, says, "Lives in which the memory keeps rising", f"{rising} of {judged}", 3 if judged > 2 else 2)
        )
    if situation.judged > 1:
        says = "for" if situation.growing else "against"
        found.append(_row(main, says, "Pods that grow", f"{situation.growing} of {situation.judged}", 2))
    kills = int(pool.notes.get("kills", 0))
    if kills:
        found.append(_row(main, "for", "Lives that ended in an OOM kill", f"{kills}", 1))
    if pool.fixed_version is not None:
        found.append(_row(main, "against", "The growth ended with a release", f"{pool.fixed_version}"[:40], 3))
    return found


def _layers(main: Opinion) -> list[dict[str, Any]]:
    found = []
    heap = main.readings.get("allocated_bytes")
    whole = main.readings.get("footprint_bytes")
    if heap is not None and whole is not None and heap["bounded"] > LIKELY:
        change = f"{memory(heap['early_level'])} → {memory(heap['end_level'])}"
        found.append(_row(main, "against", "The live heap holds its level", change, 3, "allocated_bytes"))
        if heap["early_peak"] > SPIKE_RATIO * heap["settled"]:
            change = f"{memory(heap['early_peak'])} → {memory(heap['settled'])}"
            found.append(
                _row(main, "against", "The live heap returns to its level after startup", change, 3, "allocated_bytes")
            )
    shares = main.notes.get("shares", {})
    footprint = whole["end_level"] if whole is not None else 0.0
    words = {
        "kept": "Pages that the allocator keeps",
        "slack": "Gaps between live blocks",
        "outside": "Memory outside the allocator",
        "cache": "Page cache and kernel memory",
    }
    for layer, text in words.items():
        if shares.get(layer, 0.0) >= LAYER_SHOWN:
            found.append(
                _row(
                    main,
                    "against",
                    text,
                    f"{memory(shares[layer] * footprint)} of {memory(footprint)}",
                    2,
                    "footprint_bytes",
                )
            )
    threads = main.readings.get("threads")
    if threads is not None and main.notes.get("threads_grow"):
        change = f"{threads['first_level']:.0f} → {threads['end_level']:.0f}"
        found.append(_row(main, "for", "The number of threads keeps rising", change, 2, "threads"))
    return found


def _doubts(situation: Situation) -> list[dict[str, Any]]:
    main = situation.main
    if main is None:
        return []
    found = []
    if main.notes.get("restarts_unknown"):
        found.append(_row(main, "for", "Deep falls may be restarts that the source does not report", "unknown", 2))
    coverage = situation.row["coverage"]
    if coverage is not None and coverage < COVERED:
        found.append(_row(main, "not_measured", "Samples are missing", f"{number(100 * (1 - coverage), 2)} %", 1))
    found.extend(
        _row(main, "not_measured", finding["detail"][:160], "not used", 0, finding["signal"])
        for finding in situation.findings
        if finding["rejected"]
    )
    return found


def _missing(situation: Situation, main: Opinion) -> list[dict[str, Any]]:
    found = []
    if "allocated_bytes" not in main.readings:
        found.append(_row(main, "not_measured", "The live heap of the allocator", "not exported", 0))
    if "load" not in main.readings and "work_total" not in main.readings:
        found.append(_row(main, "not_measured", "Requests or other work", "not exported", 0))
    if situation.row["limit_bytes"] is None and not situation.row["limit_known"]:
        found.append(_row(main, "not_measured", "The memory limit", "not exported", 0))
    if main.duration_seconds and situation.row["evidence_level"] < 2:
        found.append(
            _row(main, "not_measured", "Restarts", f"{hours(main.duration_seconds / 3600)} seen as one life", 0)
        )
    return found
