"""Tables of the triage dashboard: evidence, questions, lifetimes, pods, and how good the data is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views import svg
from rmtoolkit.views.lifetimes import amount, cells
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.parts import marked
from rmtoolkit.views.summary import is_growing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

_SHOWN: Final = 40
_ORDER: Final = {"for": 0, "against": 1, "not_measured": 2}
_SHORT: Final = 26


def evidence(row: dict[str, Any]) -> Markup:
    """List what speaks for a leak, what against, and what was not measured."""
    # What supports the verdict stands first, what speaks against it after, so that neither is hidden.
    order = dict(_ORDER) if row["verdict"] == "leak" else {"against": 0, "for": 1, "not_measured": 2}
    items = sorted(row["evidence"] or [], key=lambda item: (order[item["says"]], -(item["weight"] or 0)))
    if not items:
        return el("p", "No evidence: too few samples.", class_="note")
    rows = [
        (
            marked(text.EVIDENCE[item["says"]]),
            text.printable(item["text"]),
            el(
                "span",
                text.printable(item["value"] or ""),
                class_=None if len(item["value"] or "") > _SHORT else "whole",
            ),
            svg.dots(item["weight"]) if item["weight"] else "none",
        )
        for item in items
    ]
    return table("Evidence", (("Says", ""), ("Evidence", ""), ("Value", "n"), ("Weight", "n")), rows)


def questions(checklist: pl.DataFrame) -> Markup:
    """Answer the five questions."""
    rows = [
        (
            item["question"],
            el("b", item["answer"].capitalize()),
            marked(text.READINGS[item["reading"]]),
            text.printable(item["because"] or ""),
        )
        for item in checklist.iter_rows(named=True)
    ]
    heads = (("Question", "wrap"), ("Answer", "word"), ("Reading", "word"), ("Because", "wrap"))
    return table("The five questions", heads, rows)


def lifetimes(lives: pl.DataFrame, pods: dict[int, str]) -> Markup:
    """List lifetimes, the newest first: the data of the charts."""
    kills = int((lives["ended"] == "oom_kill").sum())
    summary = f"{lives.height:,}, {kills:,} of them ended in an OOM kill"
    shown = lives.sort("end", "start", descending=True).head(_SHOWN)
    seconds = bool(lives.height) and (lives["end"].max() - lives["start"].min()).total_seconds() < 3600  # type: ignore[operator, union-attr]  # noqa: PLR2004
    rows = [
        (
            text.printable(pods.get(life["container_id"], "")),
            *cells(life, seconds=seconds),
        )
        for life in shown.iter_rows(named=True)
    ]
    heads = [
        ("Pod", ""),
        ("Life", "n"),
        ("Start, UTC", ""),
        ("Length", "n"),
        ("Ended", ""),
        ("Version", ""),
        ("Limit", "n"),
    ]
    heads += [("Startup peak", "n"), ("Settled", "n"), ("Peak", "n")]
    summary = summary if kills else f"{lives.height:,}, none ended in an OOM kill"
    return folded("Lifetimes", summary, wide("Lifetimes", table(None, heads, rows)))


def siblings(instances: pl.DataFrame) -> Markup | None:
    """List the pods of a workload with their own verdicts."""
    if instances.height < 2:  # noqa: PLR2004
        return None
    rows = [
        (
            text.printable(pod["pod"]),
            marked(text.VERDICTS[pod["verdict"]]),
            text.rate(pod["growth_bytes_per_day"], sign=True) if is_growing(pod) else "none",
            amount(pod["peak_bytes"]),
            f"{pod['lives']:,}",
            text.share(pod["coverage"]),
        )
        for pod in instances.head(_SHOWN).iter_rows(named=True)
    ]
    counted = ", ".join(
        f"{amount:,} {text.VERDICTS[name].word.lower()}"
        for name, amount in instances["verdict"].value_counts(sort=True).rows()
    )
    heads = (("Pod", ""), ("Verdict", ""), ("Growth", "n"), ("Peak", "n"), ("Lives", "n"), ("Coverage", "n"))
    return folded("Pods", counted, wide("Pods", table(None, heads, rows)))


def quality(
    row: dict[str, Any], findings: pl.DataFrame, gaps: Sequence[tuple[int, int]], cadence: float | None
) -> Markup:
    """Say how good the data of a workload is."""
    lost = sum(last - first for first, last in gaps) / 3_600_000
    said = [f"coverage {text.share(row['coverage'])}"]
    said.append(f"{text.count(len(gaps), 'gap')} of {text.hours(lost)} in all" if gaps else "no gaps")
    if findings.height:
        said.append(f"{findings.height:,} doubtful")
    items: list[object] = [*said[:2]]
    if cadence is not None:
        items.append(f"a sample every {text.hours(cadence / 3600)}")
    items += [
        f"{text.SIGNAL_WORDS.get(found['signal'] or '', text.printable(found['signal']))}: "
        f"{text.printable(found['detail'])} {'Not used as evidence.' if found['rejected'] else 'Used all the same.'}"
        for found in findings.head(_SHOWN).iter_rows(named=True)
    ]
    return folded("Data quality", ", ".join(said), el("ul", *(el("li", item) for item in items), class_="plain"))


def folded(title: str, summary: str, *inside: Markup | None) -> Markup:
    """Put something behind its summary."""
    return el("details", el("summary", title, " ", el("span", summary, class_="note")), *inside)


def table(title: str | None, heads: Iterable[tuple[str, str]], rows: Iterable[Iterable[object]]) -> Markup:
    """Write a table."""
    heads = list(heads)
    head = el("tr", *(el("th", name, scope="col", class_=kind or None) for name, kind in heads))
    body = [
        el("tr", *(el("td", cell, class_=kind or None) for cell, (_, kind) in zip(row, heads, strict=True)))
        for row in rows
    ]
    caption = el("caption", title) if title else None
    return el("table", caption, el("thead", head), el("tbody", *body))


def wide(name: str, table: Markup) -> Markup:
    """Let a table of many columns scroll by itself."""
    return el("div", table, class_="wide", tabindex=0, role="group", aria_label=name)
