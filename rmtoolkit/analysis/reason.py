"""The reason of a verdict: one sentence that says what was seen, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtoolkit.analysis.heap_evidence import names_leak
from rmtoolkit.analysis.held import pressure
from rmtoolkit.analysis.layers import BESIDE
from rmtoolkit.analysis.settle import open_question
from rmtoolkit.text import SIGNAL_WORDS, count, hours, printable, rate

if TYPE_CHECKING:
    from rmtoolkit.analysis.situation import Situation


def reason(situation: Situation) -> str:
    """Say why, in one sentence.

    Parameters
    ----------
    situation
        What is known.

    Returns
    -------
    str
        What the judged signal does, in how many lives or pods, and what was held against it.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> import polars as pl
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).verdicts["reason"].item()
    'The RSS is flat over 1.6 h; growth above 65 Mi/day would have shown.'
    """
    row, main, pool = situation.row, situation.main, situation.pool
    if main is None or main.signal is None:
        if kills := int(pool.notes.get("kills", 0)):
            longest = max((opinion.duration_seconds for opinion in pool.opinions), default=0.0)
            return f"{kills} lives ended in an OOM kill, the longest after {hours(longest / 3600)}."
        why = open_question(situation).why
        return why[:1].upper() + why[1:] + "."
    signal = SIGNAL_WORDS.get(main.signal, main.signal)
    span = hours(main.duration_seconds / 3600)
    floor = rate(row["detection_floor_bytes_per_day"], digits=2)
    if row["verdict"] == "leak":
        return f"{_why_leak(situation, signal, span)}; growth above {floor} shows here."
    if row["verdict"] == "inconclusive":
        return _why_open(situation, signal, span)
    if row["pattern"] in ("retention", "fragmentation", "page_cache") and main.notes.get("growing_layer"):
        around = f"The {signal} is flat over {span} while the memory around it grows by itself"
        return f"{around}; growth of it above {floor} would have shown."
    lives = int(pool.notes.get("lives_judged", 1))
    where = f"over {span}" if lives <= 1 else f"in {lives} lives, the last over {span}"
    if situation.judged > 1:
        where = f"on {situation.judged} pods over {span}"
    verb = "has a flat floor" if row["pattern"] in ("sawtooth", "periodic", "burst") else "is flat"
    if row["pattern"] in ("warm_up", "startup_spike", "step"):
        verb = "levels off"
    kills = int(pool.notes.get("kills", 0))
    killed = f", though {count(kills, 'life', 'lives')} ended in an OOM kill" if kills else ""
    return f"The {signal} {verb} {where}{killed}; growth above {floor} would have shown."


def _why_leak(situation: Situation, signal: str, span: str) -> str:
    row, main, pool = situation.row, situation.main, situation.pool
    rising, lives = int(pool.notes.get("lives_rising", 1)), int(pool.notes.get("lives_judged", 1))
    parts = []
    if row["cause"] == "thread_stacks" and main is not None:
        threads = main.readings["threads"]
        first, last = threads["first_level"], threads["end_level"]
        parts.append(f"The threads rise from {first:.0f} to {last:.0f} and the memory with them")
    elif "sawtooth" in row["also"]:
        parts.append(f"The floor of the {signal} rises after every fall over {span}")
    elif pool.masked:
        parts.append(f"The {signal} grows at the same rate in {rising} of {lives} lives")
    else:
        parts.append(f"The {signal} grows at a steady rate over {span}")
    if situation.judged > 1:
        parts.append(_on_pods(situation))
    text = " ".join(parts)
    if names_leak(pool) is not None:
        text += ", and a heap profile shows the same growth"
    kills = int(pool.notes.get("kills", 0))
    if kills:
        text += f", and {kills} {'life' if kills == 1 else 'lives'} ended in an OOM kill"
    longest = situation.lasts.longest_hours
    if situation.capped and longest is not None:
        text += f"; restarts begin it anew, and no life is expected to last longer than {hours(longest)}"
    return text


def _on_pods(situation: Situation) -> str:
    if situation.growing == situation.judged:
        return f"on all {situation.judged} pods"
    named = f", {printable(situation.pod)[:80]}" if situation.growing == 1 and situation.pod is not None else ""
    return f"on {situation.growing} of {situation.judged} pods{named}"


def _why_open(situation: Situation, signal: str, span: str) -> str:
    row, main = situation.row, situation.main
    if main is None:
        return ""
    question = open_question(situation)
    shows = f"growth of it above {rate(row['detection_floor_bytes_per_day'], digits=2)} would show"
    if question.kind == "at_limit":
        held = " under memory pressure" if pressure(main) else ""
        return f"The {signal} lies flat near the limit{held} over {span}; {question.why}."
    if question.kind == "restarts_unknown":
        return f"The {signal} falls to its first level several times and the source reports no restarts; {shows}."
    if question.kind in BESIDE:
        shared = main.readings.get(BESIDE[question.kind].signal)
        grows = shared is not None and main.readings[main.signal or ""]["mean_rise"] > shared["mean_rise"] / 2
        rest = f"the {signal} grows only by these files" if grows else f"the {signal} is flat"
        counts = "cannot be reclaimed" if question.kind == "shmem" else "can be reclaimed only in part, if at all"
        return f"Over {span} {rest}, and what grows counts against the limit and {counts}; {shows}."
    if question.kind == "outside":
        where = "outside the allocator: mappings, C code or stacks"
        return f"Over {span} the live heap is flat, and the growth lies {where}; {shows}."
    if question.kind == "heap_rests":
        return f"Over {span} the {signal} rises, and {question.why}; {shows}."
    lives = int(situation.pool.notes.get("lives_judged", 1))
    counted = "one life" if lives <= 1 else f"{lives} lives"
    gauge = "" if main.signal == "allocated_bytes" else ", no live-heap gauge"
    return f"{span} of {signal}, {counted}{gauge}: {question.why}; {shows}."
