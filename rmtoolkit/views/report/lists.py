"""Sections that are no tables of workloads: what changed, failed questions, capacity, what is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._html import table, wide
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.views import summary, svg
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.report.advised import bounds
from rmtoolkit.views.report.card import SHOWN_NAME
from rmtoolkit.views.report.cells import links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.views.report.contents import Contents, Entry

_WORDS: Final = {
    "new": ("▲", "New", "leak"),
    "worse": ("▲", "Worse", "leak"),
    "fixed": ("●", "Fixed", "ok"),
    "applied": ("●", "Applied", "ok"),
    "resolved": ("●", "Resolved", "ok"),
}
_SHOWN_CHANGES: Final = 60
_SHOWN_NAMES: Final = 12
_SHOWN_CAPACITY: Final = 60
_SHOWN_PARTIAL: Final = 3


def changed(contents: Contents) -> Markup | None:
    """Write what changed since the week before."""
    if contents.changes is None:
        return None
    known = {tuple(entry.row[part] for part in WORKLOAD): entry for entry in contents.entries}
    told = [
        (row, entry)
        for row in contents.changes.rows.iter_rows(named=True)
        if (entry := known.get(tuple(row[part] for part in WORKLOAD))) is not None and not entry.rests
    ]
    rows = [_change(row, entry) for row, entry in told[:_SHOWN_CHANGES]]
    more = len(told) - _SHOWN_CHANGES
    body: Markup = el("dl", *rows, class_="changes") if rows else el("p", "Nothing changed that is clear.")
    return el(
        "section",
        el("h2", "What changed since last week", id="section-changed"),
        body,
        el("p", f"and {more:,} more", class_="note") if more > 0 else None,
        _came_and_went(contents),
    )


def _change(row: dict[str, Any], entry: Entry) -> Markup:
    shape, word, token = _WORDS[row["kind"]]
    name = summary.shortened(entry.name, SHOWN_NAME)
    return el(
        "div",
        el("dt", svg.mark(shape), word, class_=f"marked {token}"),
        el("dd", el("a", name, href=f"#{entry.anchor}"), " ", row["what"]),
    )


def _came_and_went(contents: Contents) -> Markup | None:
    changes = contents.changes
    if changes is None:
        return None
    words = []
    if changes.appeared:
        words.append(f"{text.count(changes.appeared, 'workload')} {_was(changes.appeared)} not there last week.")
    if changes.gone.height:
        names = [
            "/".join(text.printable(part) for part in row[1:3] if part is not None)
            for row in changes.gone.select(WORKLOAD).head(_SHOWN_NAMES).iter_rows()
        ]
        more = f" and {changes.gone.height - _SHOWN_NAMES:,} more" if changes.gone.height > _SHOWN_NAMES else ""
        gone = text.count(changes.gone.height, "workload")
        words.append(f"{gone} of last week {_was(changes.gone.height)} not seen this week: {', '.join(names)}{more}.")
    return el("p", " ".join(words), class_="note") if words else None


def _was(amount: int) -> str:
    return "was" if amount == 1 else "were"


def failures(contents: Contents) -> Markup | None:
    """Write which of the five questions fail, and for whom."""
    checklist = contents.week.judgement.checklist
    places = {tuple(entry.row[part] for part in WORKLOAD): entry for entry in contents.awake}
    rows = []
    for question in checklist["question"].unique(maintain_order=True):
        mine = checklist.filter(pl.col("question") == question)
        concern = [
            entry
            for row in mine.filter(pl.col("reading") == "concern").select(WORKLOAD).iter_rows()
            if (entry := places.get(row)) is not None
        ]
        concern.sort(key=lambda entry: entry.at)
        unknown = mine.filter(pl.col("reading") == "unknown").height
        fine = mine.filter(pl.col("reading") == "fine").height
        rows.append((question, concern, unknown, fine))
    if not any(concern for _, concern, _, _ in rows):
        return None
    body = [
        (
            question,
            f"{len(concern):,}",
            f"{unknown:,}",
            f"{fine:,}",
            links(concern, _SHOWN_NAMES) if concern else text.NOT_APPLICABLE,
        )
        for question, concern, unknown, fine in rows
    ]
    heads = (("Question", ""), ("▲ concern", "n"), ("◆ unknown", "n"), ("● fine", "n"), ("Concern for", "names"))
    return _plain("checklist", "The five questions", "asked of every workload", heads, body)


def _plain(
    key: str,
    title: str,
    note: str,
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[object]],
    after: Markup | None = None,
) -> Markup:
    return el(
        "section",
        el("h2", title, " ", el("span", note, class_="note"), id=f"section-{key}"),
        wide(title, table(heads, rows, named=True, class_=f"plain-table {key}"), "wide-list"),
        after,
    )


def capacity(contents: Contents) -> Markup | None:
    """Write what nodes and quotas hold, and what the proposals would free."""
    frame = contents.capacity
    if not frame.height:
        return None
    order = frame.sort(pl.col("kind") == "quota", -pl.col("freed_bytes").abs(), "name", maintain_order=True)
    rows = [_held(row) for row in order.head(_SHOWN_CAPACITY).iter_rows(named=True)]
    heads = (
        ("Node or quota", ""),
        ("Available, GiB", "n"),
        ("Taken now, GiB", "n"),
        ("With the proposals, GiB", "n"),
        ("Freed, GiB", "n"),
        ("Containers", "n"),
    )
    nodes = frame.filter(pl.col("kind") == "node")
    freed = int(nodes["freed_bytes"].sum())
    words = []
    if nodes.height:
        side = "free" if freed >= 0 else "take"
        words.append(f"Applied, the proposals {side} {text.gib(abs(freed))} GiB of requests on all nodes.")
    if frame.height > _SHOWN_CAPACITY:
        words.append(f"{frame.height - _SHOWN_CAPACITY:,} more are not shown.")
    if unknown := int(nodes["unknown"].sum()):
        words.append(f"{text.count(unknown, 'container')} without a known request {_was(unknown)} not counted.")
    words.append("Only what is in this recording is counted; other pods take room as well.")
    after = el("p", " ".join(words), class_="note")
    return _plain("capacity", "Capacity", "by node and namespace", heads, rows, after)


def _held(row: dict[str, Any]) -> list[object]:
    amounts = (row["available_bytes"], row["now_bytes"], row["then_bytes"], row["freed_bytes"])
    kind = "node" if row["kind"] == "node" else "quota"
    unknown = f" ({row['unknown']:,} unknown)" if row["unknown"] else ""
    return [
        join(text.printable(row["name"]), el("span", kind, class_="small")),
        *map(text.gib, amounts),
        f"{row['containers']:,}{unknown}",
    ]


def accepted(contents: Contents) -> Markup | None:
    """Write what is known and accepted, at the end."""
    known = [entry for entry in contents.entries if entry.accepted is not None]
    if not known and not contents.unmatched:
        return None
    states = {None: ("●", "accepted", "ok"), "size": ("▲", "raised: size", "leak"), "day": ("▲", "raised: day", "leak")}
    rows = []
    for entry in known:
        shape, word, token = states[entry.passed]
        rows.append(
            (
                links([entry], 1),
                el("span", svg.mark(shape), word, class_=f"marked {token}"),
                text.printable(entry.accepted.known) if entry.accepted else "",
                bounds(entry),
                text.memory(entry.row["peak_bytes"]),
                text.VERDICTS[entry.row["verdict"]].word,
            )
        )
    heads = (
        ("Workload", ""),
        ("State", ""),
        ("What is known", ""),
        ("Accepted", ""),
        ("Peak", "n"),
        ("Verdict", ""),
    )
    names = ", ".join(f"{text.printable(one.workload)} (line {one.line})" for one in contents.unmatched)
    after = el("p", f"Known, but not in this recording: {names}.", class_="note") if names else None
    note = "out of the headline until a bound is passed"
    if not rows:
        return el("section", el("h2", "Known and accepted", id="section-accepted"), after)
    return _plain("accepted", "Known and accepted", note, heads, rows, after)


def incomplete(contents: Contents) -> Markup | None:
    """Say before anything else that something could not be read."""
    said = missing(contents)
    return None if said is None else el("p", el("b", "Not complete: "), said, class_="warned", role="alert")


def missing(contents: Contents) -> str | None:
    """Say what could not be read."""
    report = contents.week.judgement.recording.report
    lost = sum(amount for reason, amount in report.left_out.items() if "could not be read" in reason)
    if not lost and not report.partial:
        return None
    lines = [text.printable(line).rstrip(".") for line in report.partial[:_SHOWN_PARTIAL]]
    more = len(report.partial) - len(lines)
    head = [
        f"{text.count(lost, 'file')} could not be read: workloads in {'it' if lost == 1 else 'them'} may be missing"
    ]
    tail = [f"and {more:,} more, under Data quality"] if more > 0 else []
    return f"{'; '.join([*(head if lost else []), *lines, *tail])}."


def raised_again(contents: Contents) -> Markup | None:
    """Name what was accepted and has passed its bound."""
    passed = [entry for entry in contents.entries if entry.passed is not None]
    if not passed:
        return None
    told: list[object] = []
    for entry in passed[:_SHOWN_NAMES]:
        why = (
            f"peak {text.memory(entry.row['peak_bytes'])}, accepted {bounds(entry)}"
            if entry.passed == "size"
            else f"accepted {bounds(entry)}"
        )
        told += [", " if told else "", links([entry], 1), f" ({why})"]
    return el("p", el("b", "Past what was accepted: "), join(*told), ".", class_="again")
