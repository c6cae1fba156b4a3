"""Parts of an answer that the report and the notebook show alike: facts, marks, code."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views import svg
from rmtoolkit.views.markup import el, join
from rmtoolkit.views.summary import TARGET, is_growing

if TYPE_CHECKING:
    from rmtoolkit.views.markup import Markup

#: What each level of evidence rests on.
LEVELS: Final = {
    1: "one resident series",
    2: "restarts, limits or versions as well",
    3: "work or sibling pods as well",
    4: "live-heap gauge",
    5: "heap profile",
}


def facts(row: dict[str, Any]) -> Markup:
    """Write the same four facts, always in the same places."""
    return el("dl", _time(row), _risk(row), _confidence(row), _growth(row), class_="facts")


def _fact(label: str, value: str, drawn: Markup | None, note: str) -> Markup:
    return el(
        "div",
        el("dt", label),
        el("dd", value, class_="fact"),
        el("dd", drawn, note, class_="note") if drawn or note else None,
    )


def _time(row: dict[str, Any]) -> Markup:
    value = text.time_to_limit(
        row["limit_outlook"],
        row["hours_to_limit"],
        row["limit_bytes"],
        known=row["limit_known"],
    )
    span = text.hours_range(row["hours_to_limit_low"], row["hours_to_limit_high"])
    if row["limit_outlook"] == "reaches" and span:
        note = f"80 % interval {span}"
    elif row["limit_outlook"] == "bounded":
        note = (
            f"bounded: settled at {text.memory(row['settled_bytes'])}"
            if row["settled_bytes"] is not None
            else "bounded"
        )
    else:
        note = ""
    return _fact("Time to limit", value, None, note)


def _risk(row: dict[str, Any]) -> Markup:
    value = row["oom_probability_7d"]
    if value is None:
        why = "there is no limit to exceed" if row["limit_bytes"] is None and row["limit_known"] else ""
        return _fact("OOM kill, 7 days", text.UNKNOWN if not why else text.NOT_APPLICABLE, None, why)
    side = "above" if value > TARGET else "within"
    return _fact("OOM kill, 7 days", text.chance(value), svg.risk_bar(value), f"{side} the {text.share(TARGET)} target")


def _confidence(row: dict[str, Any]) -> Markup:
    level, leak = row["evidence_level"], row["leak_probability"]
    if row["verdict"] == "inconclusive":
        label, value = "Chance of a leak", text.chance(leak)
    else:
        label, value = "Confidence", text.chance(leak if row["verdict"] == "leak" or leak is None else 1 - leak)
    if level is None:
        return _fact(label, value, None, "")
    return _fact(label, value, svg.boxes(level), f"evidence level {level} of 5: {LEVELS.get(level, '')}")


def _growth(row: dict[str, Any]) -> Markup:
    signal = text.SIGNAL_WORDS.get(row["signal"] or "", "memory")
    growth = row["growth_bytes_per_day"]
    if growth is None:
        value = "none" if row["verdict"] == "not_leak" else text.UNKNOWN
    else:
        value = text.rate(growth) if is_growing(row) else "none"
    span = text.rate_range(row["growth_low_bytes_per_day"], row["growth_high_bytes_per_day"])
    if span and value == "none" and growth is not None:
        span = text.rate_with_range(growth, row["growth_low_bytes_per_day"], row["growth_high_bytes_per_day"])
    floor = row["detection_floor_bytes_per_day"]
    notes = [*([span] if span else []), *([f"smallest detectable here {text.floor(floor)}"] if floor else [])]
    return _fact(f"Growth of {signal}", value, None, ", ".join(notes))


def pattern_words(row: dict[str, Any]) -> list[str]:
    """Write pattern, other patterns and cause in words."""
    words = [row["pattern"].replace("_", " ")] if row["pattern"] else []
    words += [f"also {other.replace('_', ' ')}" for other in row["also"] or []]
    if row["cause"]:
        words.append(f"cause: {row['cause'].replace('_', ' ')}")
    if row.get("workload_inferred"):
        words.append("name inferred from the pod")
    return words


def with_code(sentence: str) -> Markup:
    """Show what stands between backticks as code."""
    parts = re.split(r"`([^`]+)`", text.printable(sentence))
    return join(*(el("code", part) if at % 2 else part for at, part in enumerate(parts)))


@lru_cache(maxsize=64)
def marked(mark: text.Mark) -> Markup:
    """Write a mark: its shape and its word."""
    return el("span", svg.mark(mark.shape), mark.word, class_=f"marked {mark.token}")
