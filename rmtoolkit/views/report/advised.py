"""The part of a card about limits: what is set, what we would set, what others would, and what a higher one buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit._html import table
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    import polars as pl

    from rmtoolkit.views.report.contents import Contents, Entry

_ACTIONS: Final = {
    "raise": "raise the limit",
    "set": "set a limit",
    "lower": "lower the limit",
    "keep": "keep the limit",
    "wait": "wait for more history",
    "fix": "fix the growth first",
}


def advised(contents: Contents, entry: Entry, bought: pl.DataFrame | None) -> Markup | None:
    """Write the limits of one workload."""
    row = entry.row
    if row["action"] is None:
        return None
    if bought is not None and bought.height:
        return el("section", el("h4", "What a higher limit buys"), _bought(contents, bought))
    note = _ACTIONS.get(row["action"], "")
    return el(
        "section",
        el("h4", "Request and limit ", el("span", note, class_="note")),
        _table(("", "Request", "Limit", "OOM kill 7 d"), _rows(row)),
        el("p", text.printable(row["limit_reason"] or ""), class_="because"),
    )


def _rows(row: dict[str, Any]) -> list[tuple[str, ...]]:
    then = row["recommended_limit_bytes"]
    known = bool(row["limit_known"])
    low, high = row["oom_probability_low"], row["oom_probability_high"]
    span = f" ({text.chance(low).removesuffix(' %')}–{text.chance(high)})" if None not in (low, high, then) else ""
    rows: list[tuple[str, ...]] = [
        (
            "now",
            text.configured(row["request_bytes"], known=known),
            text.configured(row["limit_bytes"], known=known),
            text.chance(row["oom_probability"]),
        ),
        (
            "recommended",
            _or_dash(row["recommended_request_bytes"]),
            _or_dash(then),
            text.NOT_APPLICABLE if then is None else text.chance(row["oom_probability_then"]) + span,
        ),
    ]
    if row["purged_limit_bytes"] is not None and then is not None and row["purged_limit_bytes"] < then:
        rows.append(("once kept pages are given back", "", text.configured(row["purged_limit_bytes"]), ""))
    if row["vpa_target_bytes"] is not None:
        rows.append(("VPA would say", text.memory(row["vpa_target_bytes"]), "", ""))
    if row["krr_limit_bytes"] is not None:
        rows.append(("KRR would say", text.memory(row["krr_limit_bytes"]), text.memory(row["krr_limit_bytes"]), ""))
    return rows


def _or_dash(value: int | None) -> str:
    return text.NOT_APPLICABLE if value is None else text.configured(value)


def _bought(contents: Contents, bought: pl.DataFrame) -> Markup:
    rows: list[tuple[str, ...]] = [
        (
            text.configured(row["limit_bytes"]) + (" (now)" if number == 0 else ""),
            text.chance(row["oom_probability"]),
            text.UNKNOWN if row["hours"] is None else text.hours(row["hours"]),
            text.NOT_APPLICABLE if row["cost_per_month"] is None else contents.amount(row["cost_per_month"], sign=True),
        )
        for number, row in enumerate(bought.iter_rows(named=True))
    ]
    return _table(("Limit", "OOM kill 7 d", "Time", "Cost a month"), rows)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Markup:
    sides = [(name, "n" if at else "") for at, name in enumerate(heads)]
    return table(sides, rows, named=True, class_="limits")


def known(entry: Entry) -> Markup | None:
    """Write what the team knows and accepts of a workload."""
    if entry.accepted is None:
        return None
    said = {"size": "It has passed the size that was accepted.", "day": "It was accepted until a day that is past."}
    return el(
        "section",
        el("h4", "Known"),
        el("p", text.printable(entry.accepted.known), " ", el("span", bounds(entry), class_="note"), class_="because"),
        el("p", said[entry.passed], class_="because") if entry.passed else None,
    )


def bounds(entry: Entry) -> str:
    """Write up to which size and day a workload is accepted."""
    if entry.accepted is None:
        return ""
    words = []
    if entry.accepted.up_to_bytes is not None:
        words.append(f"up to {text.configured(entry.accepted.up_to_bytes)}")
    if (day := entry.accepted.until) is not None:
        words.append(f"until {day.day} {text.MONTHS[day.month - 1]} {day.year}")
    return ", ".join(words)
