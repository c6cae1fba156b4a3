"""One workload's card: the answer, the chart, the evidence, the five questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmtoolkit import text
from rmtoolkit._html import Markup, el, join
from rmtoolkit.text import shortened
from rmtoolkit.views import _tables, timeline_svg
from rmtoolkit.views import charts as svg
from rmtoolkit.views._tables import facts, pattern_words, with_code
from rmtoolkit.views.report.columns import SHOWN_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rmtoolkit.views.timeline import Timeline

    Rows = Sequence[dict[str, Any]]


def card(
    row: dict[str, Any],
    *,
    ident: str,
    timeline: Timeline | None,
    beside: Sequence[Markup | None],
    checklist: Rows,
    lives: Rows,
    instances: Rows,
    pods: Mapping[int, str],
    target: float,
) -> Markup:
    """Write the card of one workload."""
    return join(
        el("div", _answer(row), facts(row, target), class_="answer"),
        _chart(row, ident, timeline, pods[row["container_id"]] or row["name"]),
        el("div", _evidence(row, ident), el("div", *beside, _questions(checklist, ident)), class_="halves"),
        _tables.pods(instances),
        _tables.lives(lives, pods if len(instances) > 1 else None, row),
    )


def _answer(row: dict[str, Any]) -> Markup:
    mark, name = text.VERDICTS[row["verdict"]], row["name"]
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
        el("p", text.printable(row["why"]), class_="reason"),
        el("p", el("b", "Next:"), " ", with_code(row["next_step"]), class_="next"),
    )


def _chart(row: dict[str, Any], ident: str, timeline: Timeline | None, pod: str) -> Markup:
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
            timeline_svg.draw(timeline, row, ident, f"{row['name']} ({pod})"),
            class_="scroll",
            tabindex=0,
            role="group",
            aria_label=f"Chart of {row['name']}, scrolls sideways",
        ),
        class_="chart",
    )


def _evidence(row: dict[str, Any], ident: str) -> Markup:
    return el("section", el("h4", "Evidence", id=f"{ident}-e"), _tables.evidence(row, aria_labelledby=f"{ident}-e"))


def _questions(checklist: Rows, ident: str) -> Markup:
    return el(
        "section",
        el("h4", "The five questions", id=f"{ident}-q"),
        _tables.questions(checklist, aria_labelledby=f"{ident}-q"),
    )
