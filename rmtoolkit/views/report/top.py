"""What stands first: period, headline, where to start, tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.limits.week import TARGET
from rmtoolkit.views import summary, svg
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.report.card import SHOWN_NAME
from rmtoolkit.views.report.cells import first_sentence, whole_name

if TYPE_CHECKING:
    from rmtoolkit.views.report.contents import Contents, Entry

#: Less than this is not worth a word.
_LITTLE_BYTES: Final = 64 << 20


def top(contents: Contents) -> Markup:
    """Write title, clusters and period."""
    named = contents.week.judgement.recording.containers["cluster"].drop_nulls().unique().sort()
    clusters = [text.printable(name) for name in named]
    where = f", cluster{'s' if len(clusters) > 1 else ''} {', '.join(clusters)}" if clusters else ""
    span = contents.week.span
    period = None
    if span is not None:
        beside = ", compared with the week before" if contents.changes is not None else ""
        period = el("p", text.period(*span) + beside)
    return el("header", el("p", el("b", text.printable(contents.title)), where), period, class_="top")


def headline(contents: Contents) -> list[str]:
    """Write the answer for all workloads."""
    counted = contents.counts
    lines = [counted.sentence]
    if counted.leak and counted.soon == counted.leak:
        verb = "leak reaches its" if counted.leak == 1 else "leaks reach their"
        lines = [f"{counted.leak:,} {verb} limit within 7 days."]
    if counted.above_target:
        verb = "exceeds" if counted.above_target == 1 else "exceed"
        lines.append(f"{text.count(counted.above_target, 'workload')} {verb} the {text.share(TARGET)} OOM target.")
    return lines


def heading(contents: Contents) -> Markup:
    """Write the headline as a heading."""
    return el("h1", *(el("span", line) for line in headline(contents)))


def begin(contents: Contents) -> tuple[Entry | None, str]:
    """Find where to start and why."""
    awake = contents.awake
    if not awake:
        return None, "Nothing to do."
    entry = awake[0]
    row = entry.row
    risk = row["oom_probability"] or 0.0
    if row["verdict"] == "leak":
        cure = "and a higher limit does not cure it"
        if row["limit_outlook"] == "reaches" and row["hours_to_limit"]:
            return entry, f"{text.hours(row['hours_to_limit'])} to its limit, {cure}."
        return entry, f"it leaks {text.rate(row['growth_bytes_per_day'])}, {cure}."
    if risk > TARGET and row["verdict"] == "not_leak":
        said = f"{text.chance(risk)} chance of an OOM kill in the next 7 days"
        if row["action"] == "raise":
            said += f"; a limit of {text.configured(row['recommended_limit_bytes'])} brings it to "
            said += text.chance(row["oom_probability_then"])
        return entry, f"{said}."
    if row["verdict"] == "inconclusive":
        return entry, first_sentence(row["next_step"])
    return None, "Nothing to do."


def start(contents: Contents) -> Markup:
    """Say where to start, and what can be given back."""
    entry, why = begin(contents)
    spare = ""
    if contents.spare_bytes > _LITTLE_BYTES:
        where = " elsewhere" if entry is not None else ""
        spare = f" {text.fleet_memory(contents.spare_bytes)} can be given back{where}."
    if entry is None:
        return el("p", why if not spare else spare.strip(), class_="start")
    name = summary.shortened(entry.name, SHOWN_NAME)
    link = el("a", name, href=f"#{entry.anchor}", title=whole_name(entry.name))
    return el("p", "Start with ", link, f": {why}{spare}", class_="start")


def figures(contents: Contents) -> list[tuple[str, str | None, str, str]]:
    """Gather what the tiles say."""
    counted = contents.counts
    above = text.UNKNOWN if counted.above_target is None else f"{counted.above_target:,}"
    soon = f"{counted.soon:,} {'reaches its' if counted.soon == 1 else 'reach their'} limit within 7 days"
    news = _since(contents)
    money = contents.money(contents.spare_bytes)
    givers = sum(entry.spare_bytes is not None for entry in contents.awake)
    unknown = all(entry.row["recommended_request_bytes"] is None for entry in contents.awake)
    resting = sum(entry.rests for entry in contents.entries)
    count = f"{len(contents.entries):,}"
    covers = f"covers {count} of {count} workloads" + (f", {resting:,} accepted" if resting else "")
    return [
        (above, None, "above the OOM target", f"more than {text.share(TARGET)} in 7 days{_more_above(contents)}"),
        (f"{counted.leak:,}", "leak", "leak", news or (soon if counted.leak else "")),
        (
            text.UNKNOWN if unknown and contents.awake else text.fleet_memory(contents.spare_bytes),
            None,
            "can be given back",
            ", ".join(filter(None, (money, f"{text.count(givers, 'workload')}" if givers else ""))),
        ),
        (
            f"{counted.inconclusive:,}",
            "inconclusive",
            "not decidable yet",
            "next step named for each" if counted.inconclusive else "",
        ),
        (text.share(summary.coverage(contents.week.judgement.completeness)), None, "coverage", covers),
    ]


def _more_above(contents: Contents) -> str:
    """Compare with the week before."""
    now = contents.counts.above_target
    if contents.changes is None or contents.changes.above_before is None or now is None:
        return ""
    more = now - contents.changes.above_before
    if not more:
        return "; as many last week"
    return f"; {abs(more):,} {'more' if more > 0 else 'fewer'} than last week"


def _since(contents: Contents) -> str:
    if contents.changes is None:
        return ""
    rows = contents.changes.rows
    new = rows.filter((pl.col("kind") == "new") & pl.col("what").str.starts_with("leaks")).height
    gone = rows.filter(pl.col("what").str.starts_with("no longer leaks")).height
    return ", ".join(f"{amount:,} {word}" for amount, word in ((new, "new"), (gone, "gone")) if amount) or "none new"


def tiles(contents: Contents) -> Markup:
    """Write the tiles."""
    return el(
        "ul",
        *(
            el(
                "li",
                el("div", svg.mark(text.VERDICTS[verdict].shape) if verdict else None, figure, class_="figure"),
                el("b", label),
                el("span", note, class_="note") if note else None,
                class_=text.VERDICTS[verdict].token if verdict else None,
            )
            for figure, verdict, label, note in figures(contents)
        ),
        class_="tiles",
    )
