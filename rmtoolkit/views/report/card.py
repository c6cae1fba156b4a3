"""One workload's card: the answer, the chart, the evidence, the five questions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views import lifetimes, svg, timeline_svg
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.parts import facts, marked, pattern_words, with_code
from rmtoolkit.views.summary import is_growing, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.views.timeline import Timeline

    Rows = Sequence[dict[str, Any]]

#: A longer name is cut, and whole in the title of its element.
SHOWN_NAME: Final = 160
_SHOWN_LIVES: Final = 30
_SHOWN_PODS: Final = 50


def card(
    row: dict[str, Any],
    *,
    name: str,
    ident: str,
    timeline: Timeline | None,
    beside: Sequence[Markup | None],
    checklist: Rows,
    lives: Rows,
    instances: Rows,
    about: dict[str, Any],
) -> Markup:
    """Write the card of one workload."""
    return join(
        el("div", _answer(row, name), facts(row), class_="answer"),
        _chart(row, name, ident, timeline, about),
        el("div", _evidence(row, ident), el("div", *beside, _questions(checklist, ident)), class_="halves"),
        _pods(instances),
        _lives(lives),
    )


def _answer(row: dict[str, Any], name: str) -> Markup:
    mark = text.VERDICTS[row["verdict"]]
    words = [*([text.count(row["pods"], "pod")] if row["pods"] else []), *pattern_words(row)]
    return el(
        "div",
        el("span", svg.mark(mark.shape), mark.badge, class_="badge"),
        el(
            "span",
            ", ".join([shortened(name, SHOWN_NAME), *words]),
            class_="who",
            title=name if len(name) > SHOWN_NAME else None,
        ),
        el("h3", text.printable(row["headline"])),
        el("p", text.printable(row["reason"]), class_="reason"),
        el("p", el("b", "Next:"), " ", with_code(row["next_step"] or "Nothing to do."), class_="next"),
    )


def _chart(row: dict[str, Any], name: str, ident: str, timeline: Timeline | None, about: dict[str, Any]) -> Markup:
    pod = text.printable(about["pod"] or about["container"] or name)
    if timeline is None:
        words = f"{pod}; from 0 to the larger of limit and peak, dotted: limit"
        heading = el("h4", "Memory ", el("span", words, class_="note"))
        return el("div", heading, el("div", class_="large"), class_="chart")
    title = "Memory by layer" if len(timeline.layers) > 1 else "Memory"
    note = f"{pod}, time in UTC" + (", band = 80 % interval" if timeline.forecast is not None else "")
    return el(
        "div",
        el(
            "h4",
            f"{title}, one pod" if row["pods"] and row["pods"] > 1 else title,
            " ",
            el("span", note, class_="note"),
        ),
        el(
            "div",
            timeline_svg.draw(timeline, row, ident, f"{name} ({pod})"),
            class_="scroll",
            tabindex=0,
            role="group",
            aria_label=f"Chart of {name}, scrolls sideways",
        ),
        class_="chart",
    )


def _evidence(row: dict[str, Any], ident: str) -> Markup:
    rows = [
        el(
            "tr",
            el("td", marked(text.EVIDENCE[item["says"]]), role="cell"),
            el("td", text.printable(item["text"]), role="cell"),
            el(
                "td",
                text.printable(item["value"] or ""),
                role="cell",
                class_="n" if _is_short(item["value"]) else "value",
            ),
            el("td", svg.dots(item["weight"]) if item["weight"] else "none", role="cell", class_="n weight"),
        )
        for item in row["evidence"] or []
    ]
    head = el(
        "tr",
        el("th", "Says", scope="col"),
        el("th", "Evidence", scope="col"),
        el("th", "Value", scope="col", class_="n"),
        el("th", "Weight", scope="col", class_="n weight"),
    )
    body = el("table", el("thead", head), el("tbody", *rows), class_="evidence", aria_labelledby=f"{ident}-e")
    nothing = el("p", "No evidence: too few samples.", class_="note")
    return el("section", el("h4", "Evidence", id=f"{ident}-e"), body if rows else nothing)


def _is_short(value: str | None) -> bool:
    return len(value or "") <= _SHORT


_SHORT: Final = 24


def _questions(checklist: Rows, ident: str) -> Markup:
    rows = [
        el(
            "tr",
            el("td", item["question"], el("span", text.printable(item["because"] or ""), class_="small"), role="cell"),
            el("td", el("b", item["answer"].capitalize()), role="cell"),
            el("td", marked(text.READINGS[item["reading"]]), role="cell"),
        )
        for item in checklist
    ]
    head = el(
        "tr",
        el("th", "Question, and because", scope="col"),
        el("th", "Answer", scope="col"),
        el("th", "Reading", scope="col"),
    )
    return el(
        "section",
        el("h4", "The five questions", id=f"{ident}-q"),
        el("table", el("thead", head), el("tbody", *rows), class_="questions", aria_labelledby=f"{ident}-q"),
    )


def _table(heads: list[tuple[str, str]], rows: list[list[object]]) -> Markup:
    """Write a plain table; heads are (text, class)."""
    return el(
        "div",
        el(
            "table",
            el("thead", el("tr", *(el("th", head, scope="col", class_=kind or None) for head, kind in heads))),
            el(
                "tbody",
                *(
                    el("tr", *(el("td", cell, class_=kind or None) for cell, (_, kind) in zip(row, heads, strict=True)))
                    for row in rows
                ),
            ),
        ),
        class_="wide",
        tabindex=0,
        role="group",
    )


def _lives(lives: Rows) -> Markup | None:
    """List the lifetimes behind the chart: its data as a table."""
    if not lives:
        return None
    kills = sum(life["ended"] == "oom_kill" for life in lives)
    summary = f"{len(lives):,}, " + (
        f"{kills:,} of them ended in an OOM kill" if kills else "none ended in an OOM kill"
    )
    shown = lives[: -_SHOWN_LIVES - 1 : -1]
    seconds = (lives[-1]["end"] - lives[0]["start"]).total_seconds() < 3600  # noqa: PLR2004 - an hour
    rows: list[list[object]] = [
        [
            *lifetimes.cells(life, seconds=seconds),
            text.share(life["coverage"]),
        ]
        for life in shown
    ]
    heads = [
        ("Life", ""),
        ("Start, UTC", ""),
        ("Length", "n"),
        ("Ended", ""),
        ("Version", ""),
        ("Limit", "n"),
        ("Startup peak", "n"),
        ("Settled", "n"),
        ("Peak", "n"),
        ("Coverage", "n"),
    ]
    more = f"The newest {_SHOWN_LIVES} of {len(lives):,}." if len(lives) > _SHOWN_LIVES else None
    return el(
        "details",
        el("summary", "Lifetimes ", el("span", summary, class_="note")),
        el("p", more, class_="note") if more else None,
        _table(heads, rows),
    )


def _pods(instances: Rows) -> Markup | None:
    """Every pod with its own verdict, where there are several."""
    if len(instances) < 2:  # noqa: PLR2004
        return None
    shown = instances[:_SHOWN_PODS]
    rows: list[list[object]] = [
        [
            text.printable(pod["pod"]),
            marked(text.VERDICTS[pod["verdict"]]),
            text.rate(pod["growth_bytes_per_day"], sign=True) if is_growing(pod) else "none",
            lifetimes.amount(pod["peak_bytes"]),
            f"{pod['lives']:,}",
            text.share(pod["coverage"]),
        ]
        for pod in shown
    ]
    heads = [("Pod", ""), ("Verdict", ""), ("Growth", "n"), ("Peak", "n"), ("Lives", "n"), ("Coverage", "n")]
    counted = ", ".join(
        f"{amount} {text.VERDICTS[name].word.lower()}"
        for name, amount in Counter(pod["verdict"] for pod in instances).most_common()
    )
    more = f"The first {_SHOWN_PODS} of {len(instances):,}." if len(instances) > _SHOWN_PODS else None
    return el(
        "details",
        el("summary", "Pods ", el("span", counted, class_="note")),
        el("p", more, class_="note") if more else None,
        _table(heads, rows),
    )
