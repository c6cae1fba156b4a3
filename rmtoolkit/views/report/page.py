"""The page around the cards: headline, tiles, a table for each verdict, data quality."""

from __future__ import annotations

import base64
import hashlib
import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote as percent

import polars as pl

from rmtoolkit import text
from rmtoolkit.views import summary, svg, timeline
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.report.card import SHOWN_NAME, card
from rmtoolkit.views.report.quality import quality
from rmtoolkit.views.report.style import SCRIPT, STYLE
from rmtoolkit.views.summary import TARGET

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from rmtoolkit.analysis.verdict import Judgement
    from rmtoolkit.views.timeline import Timeline

#: Title of the section of a verdict, how it is ordered, and how many of its cards are open at first.
_SECTIONS: Final = (
    ("leak", "Leaks", "fastest to the limit first", 3),
    ("inconclusive", "Not decidable yet", "the next measurement is named for each", 1),
    ("not_leak", "Not a leak", "highest chance of an OOM kill first", 1),
)
#: Histories share one window when it is at most this many times the usual one.
_SIDE_BY_SIDE: Final = 2.5
#: The tile of workloads that do not leak names this many patterns.
_SHOWN_PATTERNS: Final = 3
_WEEK_MS: Final = 7 * 86_400_000


def page(judgement: Judgement, *, title: str | None = None, written: dt.datetime | None = None) -> str:
    """Write the whole page.

    Parameters
    ----------
    judgement
        What `judge` found.
    title
        Stands at the top; without it the clusters are named.
    written
        When the page was made; without it the page does not say, and the same judgement always gives the
        same page.

    Returns
    -------
    str
        HTML with its style, its charts and its script inside. The page forbids itself every request.

    Examples
    --------
    >>> import polars as pl
    >>> from rmtoolkit.analysis.verdict import judge
    >>> found = judge(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100}))
    >>> written = page(found)
    >>> written.startswith("<!doctype html>"), "http:" in written, written == page(found)
    (True, False, True)
    """
    rows = summary.worst_first(judgement.verdicts).to_dicts()
    names = summary.names(rows)
    anchors = _anchors(rows)
    counted = summary.counts(judgement.verdicts)
    timelines = timeline.Timelines(judgement)
    drawn = [timelines.of(row) for row in rows]
    heading = title or "Memory report"
    groups = _Groups(judgement)
    entries = list(zip(rows, names, anchors, drawn, strict=True))
    window = _window(judgement, entries)
    body = el(
        "body",
        el(
            "main",
            _top(judgement, heading),
            el("h1", *(el("span", line) for line in _headline(counted))),
            _start(entries, counted),
            _tiles(judgement, counted),
            el("div", el("button", "Open all", type="button", id="all"), class_="tools", hidden=True),
            *(_section(groups, entries, window, *section) for section in _SECTIONS),
            quality(judgement, names, rows),
            _footer(written),
        ),
        el("script", SCRIPT),
        class_="rm",
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy()),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{heading}: {counted.sentence}"),
        el("style", STYLE),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _policy() -> str:
    """Nothing from anywhere, and no script or style but the page's own: a hostile label can do nothing."""

    def own(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    return f"default-src 'none'; style-src {own(STYLE)}; script-src {own(SCRIPT)}; base-uri 'none'; form-action 'none'"


def _anchors(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Name cards ``namespace/workload/container``; what is no plain name is percent-encoded."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    for row in rows:
        parts = [
            percent(str(row[part]), safe="") for part in ("namespace", "workload", "container") if row[part] is not None
        ]
        name = "/".join(parts) or "workload"
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return found


def _top(judgement: Judgement, heading: str) -> Markup:
    clusters = [text.printable(name) for name in judgement.recording.containers["cluster"].drop_nulls().unique().sort()]
    where = f", cluster{'s' if len(clusters) > 1 else ''} {', '.join(clusters)}" if clusters else ""
    span = summary.extent(judgement.completeness)
    return el(
        "header",
        el("p", el("b", text.printable(heading)), where),
        el("p", text.period(*span)) if span else None,
        class_="top",
    )


def _headline(counted: summary.Counts) -> list[str]:
    lines = [counted.sentence]
    if counted.above_target:
        verb = "exceeds" if counted.above_target == 1 else "exceed"
        lines.append(f"{text.count(counted.above_target, 'workload')} {verb} the {text.share(TARGET)} OOM target.")
    return lines


Entry = tuple[dict[str, Any], str, str, "Timeline | None"]


def _start(entries: list[Entry], counted: summary.Counts) -> Markup | None:
    """Say where to start and why."""
    if not entries:
        return None
    risky = max(entries, key=lambda entry: entry[0]["oom_probability_7d"] or 0.0)
    row, name, anchor, _ = entries[0] if counted.leak or not counted.above_target else risky
    if row["verdict"] == "leak" and row["limit_outlook"] == "reaches" and row["hours_to_limit"]:
        why = f"{text.hours(row['hours_to_limit'])} to its limit, and a higher limit does not cure it."
    elif row["verdict"] == "leak":
        why = f"it leaks {text.rate(row['growth_bytes_per_day'])}, and a higher limit does not cure it."
    elif counted.above_target:
        why = f"{text.chance(row['oom_probability_7d'])} chance of an OOM kill in the next 7 days."
    elif row["verdict"] == "inconclusive":
        why = f"{_first_sentence(row['next_step'])}"
    else:
        return el("p", "Nothing to do.", class_="start")
    return el(
        "p",
        "Start with ",
        el("a", summary.shortened(name, SHOWN_NAME), href=f"#{anchor}", title=_whole(name)),
        f": {why}",
        class_="start",
    )


def _whole(name: str) -> str | None:
    return name if len(name) > SHOWN_NAME else None


def _first_sentence(words: str | None) -> str:
    return f"{text.printable(words or 'Nothing to do.').split('. ')[0].removesuffix('.')}.".replace("`", "")


def _tiles(judgement: Judgement, counted: summary.Counts) -> Markup:
    patterns = Counter(
        name.replace("_", " ")
        for name in judgement.verdicts.filter(pl.col("verdict") == "not_leak")["pattern"].drop_nulls()
    )
    ranked = sorted(patterns.items(), key=lambda item: (-item[1], item[0]))
    common = ", ".join(f"{amount} {name}" for name, amount in ranked[:_SHOWN_PATTERNS])
    if more := sum(amount for _, amount in ranked[_SHOWN_PATTERNS:]):
        common += f" and {more:,} more"
    above = text.UNKNOWN if counted.above_target is None else f"{counted.above_target:,}"
    soon = f"{counted.soon:,} {'reaches its' if counted.soon == 1 else 'reach their'} limit within 7 days"
    containers = judgement.recording.containers.height
    tiles = (
        (above, None, "above the OOM target", f"more than {text.share(TARGET)} in 7 days"),
        (f"{counted.leak:,}", "leak", "leak", soon if counted.leak else ""),
        (f"{counted.not_leak:,}", "not_leak", "not a leak", common),
        (
            f"{counted.inconclusive:,}",
            "inconclusive",
            "inconclusive",
            "next step named for each" if counted.inconclusive else "",
        ),
        (
            text.share(summary.coverage(judgement.completeness)),
            None,
            "coverage",
            f"samples of {text.count(containers, 'container')}",
        ),
    )
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
            for figure, verdict, label, note in tiles
        ),
        class_="tiles",
    )


def _window(judgement: Judgement, entries: list[Entry]) -> tuple[str, tuple[int, int] | None]:
    """One window for all sparks where the histories lie side by side in time, else each its own."""
    spans = [entry[3].now - entry[3].start for entry in entries if entry[3] is not None]
    extent = summary.extent(judgement.completeness)
    if not spans or extent is None:
        return "History, to limit", None
    first, last = (round(time.timestamp() * 1000) for time in extent)
    if last - first > _SIDE_BY_SIDE * statistics.median(spans):
        return "History, to limit", None
    first = max(first, last - _WEEK_MS)
    return f"{text.hours((last - first) / 3_600_000).replace(' d', ' days')}, to limit", (first, last)


def _section(
    groups: _Groups,
    entries: list[Entry],
    sparks: tuple[str, tuple[int, int] | None],
    verdict: str,
    heading: str,
    order: str,
    opened: int,
) -> Markup | None:
    mine = [(at, entry) for at, entry in enumerate(entries) if entry[0]["verdict"] == verdict]
    if not mine:
        return None
    spark_head, window = sparks
    heads = (
        ("Workload", "name", ""),
        (spark_head, "spark", ""),
        ("Growth, Mi/day", "growth", "n"),
        ("Time to limit", "time", "n"),
        ("OOM kill 7 d", "kill", "n"),
        ("Peak / limit, Mi", "peak", "n"),
        ("Evidence", "level", ""),
        ("Next step", "next", ""),
    )
    ident = f"section-{verdict.replace('_', '-')}"
    note = text.count(len(mine), "workload") + (f", {order}" if len(mine) > 1 else "")
    rows: list[Markup] = []
    for place, (at, (row, name, anchor, drawn)) in enumerate(mine):
        rows.append(
            _row(row, name, anchor, _spark(drawn, window), tuple(head for head, *_ in heads), is_open=place < opened)
        )
        inside = groups.card(row, name, f"c{at}", drawn)
        mark = text.VERDICTS[verdict]
        fold = el("div", el("article", inside, class_=f"card {mark.token}"), id=anchor, class_="fold")
        rows.append(el("tr", el("td", fold, colspan=len(heads), role="cell"), class_="unfolded", role="row"))
    return el(
        "section",
        el("h2", heading, " ", el("span", note, class_="note"), id=ident),
        el(
            "table",
            el("colgroup", *(el("col", class_=kind) for _, kind, _ in heads)),
            el(
                "thead",
                el(
                    "tr",
                    *(el("th", head, scope="col", role="columnheader", class_=side or None) for head, _, side in heads),
                    role="row",
                ),
                role="rowgroup",
            ),
            el("tbody", *rows, role="rowgroup"),
            class_="workloads",
            role="table",
            aria_labelledby=ident,
        ),
    )


def _spark(drawn: Timeline | None, window: tuple[int, int] | None) -> Markup | str:
    if drawn is None:
        return text.NOT_APPLICABLE
    return svg.spark(drawn, *(window or (drawn.start, drawn.now)))


def _row(
    row: dict[str, Any],
    name: str,
    anchor: str,
    spark: Markup | str,
    labels: tuple[str, ...],
    *,
    is_open: bool,
) -> Markup:
    space, _, own = name.rpartition("/")
    shown = summary.shortened(own, SHOWN_NAME)
    whole = name if shown != own or len(space) > SHOWN_NAME else None
    link = el("a", shown, href=f"#{anchor}", data_card=anchor, data_open=int(is_open), title=whole)
    space = summary.shortened(space, SHOWN_NAME)
    soon = row["hours_to_limit"] is not None and row["hours_to_limit"] <= summary.HORIZON_HOURS
    risky = (row["oom_probability_7d"] or 0) > TARGET
    time = text.time_to_limit(row["limit_outlook"], row["hours_to_limit"], row["limit_bytes"], known=row["limit_known"])
    peak = text.peak_against_limit(row["peak_bytes"], row["limit_bytes"], known=row["limit_known"], unit=False)
    bar = svg.bullet(row["peak_bytes"], row["limit_bytes"]) if row["peak_bytes"] and row["limit_bytes"] else None
    cells: tuple[tuple[Markup | str, str], ...] = (
        (spark, ""),
        (_growth(row), "n"),
        (time, "n hot" if soon else "n"),
        (text.chance(row["oom_probability_7d"]), "n hot" if risky else "n"),
        (el("span", peak, bar), "n"),
        (f"level {row['evidence_level']}" if row["evidence_level"] else text.UNKNOWN, ""),
        (el("span", _first_sentence(row["next_step"]), class_="short"), ""),
    )
    return el(
        "tr",
        el("th", link, el("span", space, class_="small") if space else None, scope="row", role="rowheader"),
        *(
            el("td", cell, role="cell", class_=kind or None, data_label=label)
            for (cell, kind), label in zip(cells, labels[1:], strict=True)
        ),
        class_="row",
        role="row",
    )


def _growth(row: dict[str, Any]) -> Markup | str:
    if not summary.is_growing(row):
        return (
            text.NOT_APPLICABLE
            if row["growth_bytes_per_day"] is not None or row["verdict"] == "not_leak"
            else text.UNKNOWN
        )
    low, high = row["growth_low_bytes_per_day"], row["growth_high_bytes_per_day"]
    interval = None
    if low is not None and high is not None:
        between = " to " if low < 0 else "–"
        interval = el("span", f"{text.number(low / text.MI)}{between}{text.number(high / text.MI)}", class_="small")
    return el("span", f"+{text.number(row['growth_bytes_per_day'] / text.MI)}", interval)


class _Groups:
    """Frames of a judgement, cut once by what a card asks for."""

    def __init__(self, judgement: Judgement) -> None:
        self.about = {row["container_id"]: row for row in judgement.recording.containers.iter_rows(named=True)}
        self.lives = judgement.lives.partition_by("container_id", as_dict=True)
        self.checklist = judgement.checklist.partition_by(_WORKLOAD, as_dict=True)
        self.instances = judgement.instances.partition_by(_WORKLOAD, as_dict=True)
        self.nothing = (judgement.lives.clear(), judgement.checklist.clear(), judgement.instances.clear())

    def card(self, row: dict[str, Any], name: str, ident: str, drawn: Timeline | None) -> Markup:
        """Write the card of one workload."""
        no_lives, no_answers, no_instances = self.nothing
        same = tuple(row[part] for part in _WORKLOAD)
        return card(
            row,
            name=name,
            ident=ident,
            timeline=drawn,
            checklist=self.checklist.get(same, no_answers),
            lives=self.lives.get((row["container_id"],), no_lives),
            instances=self.instances.get(same, no_instances),
            about=self.about[row["container_id"]],
        )


_WORKLOAD: Final = ("cluster", "namespace", "workload", "container")


def _footer(written: dt.datetime | None) -> Markup:
    legend = (
        "Intervals are 80 %. Growth is of the live heap where it is exported, else of the nearest signal there is. "
        "Sparks start at 0 and end at the larger of limit and peak; dotted: limit; ✕: OOM kill."
    )
    stamp = (
        el("p", f"Written {text.day(written, year=True)} {text.clock(written)} UTC by rmtoolkit.") if written else None
    )
    return el("footer", el("p", legend), stamp)
