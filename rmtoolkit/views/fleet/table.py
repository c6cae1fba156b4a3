"""The top of a fleet and one page of its table, as markup."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.limits.week import TARGET
from rmtoolkit.views import summary, svg
from rmtoolkit.views.fleet.selection import ABOVE, PAGE, SORTS, SPARE, Selection, belongs, pages
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.report import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rmtoolkit.views.report.cells import Column
    from rmtoolkit.views.report.contents import Contents, Entry

#: Columns behind the name, and what each is sorted by.
_COLUMNS: Final[tuple[tuple[Column, str | None], ...]] = (
    (cells.VERDICT, "verdict"),
    (cells.SPARK, None),
    (cells.KILL, "kill"),
    (cells.TIME, "time"),
    (cells.GROWTH, "growth"),
    (cells.PEAK, "peak"),
    (cells.SPARE, "spare"),
    (cells.PODS, "pods"),
)
#: Names of the orders, for a list to choose from.
ORDERS: Final = (
    ("worst first", "worst"),
    ("name", "name"),
    ("verdict", "verdict"),
    ("chance of an OOM kill", "kill"),
    ("time to limit", "time"),
    ("growth", "growth"),
    ("peak against limit", "peak"),
    ("spare memory", "spare"),
    ("pods", "pods"),
)
_SHOWN_NAME: Final = 70
_SHOWN_PATTERNS: Final = 2


def headline(contents: Contents) -> Markup:
    """Say in a sentence how the fleet is."""
    counted = contents.counts
    total = text.count(counted.total, "workload")
    target = f"the {text.share(TARGET)} OOM target"
    if counted.above_target:
        verb = "exceeds" if counted.above_target == 1 else "exceed"
        first = f"{counted.above_target:,} of {total} {verb} {target}"
    else:
        known = "is known to exceed" if counted.above_target is None else "exceeds"
        first = f"None of {total} {known} {target}"
    if counted.soon:
        verb = "leaks and reaches its" if counted.soon == 1 else "leak and reach their"
        second = f"{counted.soon:,} {verb} limit this week"
    elif counted.leak:
        second = f"{counted.leak:,} {'leaks' if counted.leak == 1 else 'leak'}"
    else:
        second = "none leaks" if not counted.inconclusive else f"{counted.inconclusive:,} cannot be decided yet"
    span = contents.week.span
    cover = summary.coverage(contents.week.judgement.completeness)
    note = [text.period(*span)] if span else []
    note += [f"coverage {text.share(cover)}"] if cover is not None else []
    return Markup(el("p", f"{first}; {second}.", class_="headline") + el("p", ", ".join(note), class_="note"))


def tiles(contents: Contents, wanted: Selection) -> Markup:
    """Count the fleet in tiles that filter the table."""
    counted = contents.counts
    patterns = Counter(
        (entry.row["pattern"] or text.UNKNOWN).replace("_", " ")
        for entry in contents.entries
        if entry.row["verdict"] == "not_leak"
    )
    common = ", ".join(f"{amount:,} {name}" for name, amount in patterns.most_common(_SHOWN_PATTERNS))
    givers = sum(belongs(entry, SPARE) for entry in contents.entries)
    above = text.UNKNOWN if counted.above_target is None else f"{counted.above_target:,}"
    soon = f"{counted.soon:,} {'reaches its' if counted.soon == 1 else 'reach their'} limit this week"
    money = contents.money(contents.spare_bytes)
    shown: tuple[tuple[str, str, str, str], ...] = (
        (ABOVE, above, "above the OOM target", f"more than {text.share(TARGET)} in 7 days"),
        ("leak", f"{counted.leak:,}", "leak", soon if counted.leak else "none found"),
        ("inconclusive", f"{counted.inconclusive:,}", "inconclusive", "next measurement named"),
        ("not_leak", f"{counted.not_leak:,}", "not a leak", common),
        (
            SPARE,
            text.fleet_memory(contents.spare_bytes),
            "can be given back",
            ", ".join([*([money] if money else []), text.count(givers, "workload")]),
        ),
    )
    return el("div", *(_tile(*tile, pressed=wanted.tile == tile[0]) for tile in shown), class_="rm-tiles")


def _tile(name: str, figure: str, label: str, note: str, *, pressed: bool) -> Markup:
    verdict = text.VERDICTS.get(name)
    return el(
        "button",
        el("span", svg.mark(verdict.shape) if verdict else None, figure, class_="figure"),
        el("b", label),
        el("span", note, class_="note"),
        type="button",
        class_=f"rm-tile {verdict.token if verdict else ''}".strip(),
        aria_pressed=str(pressed).lower(),
        data_rm_send=f"tile {name}",
    )


def table(
    contents: Contents, found: Sequence[Entry], wanted: Selection, spark: Callable[[Entry], Any], spark_head: str
) -> Markup:
    """Write one page of the table."""
    page = min(wanted.page, pages(len(found)) - 1)
    shown = found[page * PAGE : (page + 1) * PAGE]
    heads = [_head("Workload", "name", wanted, "name", number=False)]
    heads += [
        _head(spark_head if column is cells.SPARK else column.head, sort, wanted, column.kind, number=column.number)
        for column, sort in _COLUMNS
    ]
    body = [_row(contents, entry, spark) for entry in shown]
    if not body:
        body = [el("tr", el("td", "No workload matches. Take a filter away.", colspan=len(heads), class_="note"))]
    caption = f"{text.count(len(found), 'workload')}, page {page + 1:,} of {pages(len(found)):,}"
    return el(
        "table",
        el("caption", caption, class_="rm-hidden"),
        el("thead", el("tr", *heads)),
        el("tbody", *body),
        class_="rm-fleet",
    )


def _head(word: str, sort: str | None, wanted: Selection, kind: str, *, number: bool) -> Markup:
    side = " n" if number else ""
    if sort is None:
        return el("th", word, scope="col", class_=f"c-{kind}{side}")
    direction = None
    if wanted.sort == sort:
        direction = "descending" if SORTS[sort][1] != wanted.turned else "ascending"
    arrow = {"descending": "▾", "ascending": "▴", None: None}[direction]
    button = el(
        "button",
        word,
        el("span", arrow, aria_hidden="true") if arrow else None,
        type="button",
        class_="rm-sort",
        data_rm_send=f"sort {sort}",
    )
    return el("th", button, scope="col", class_=f"c-{kind}{side}", aria_sort=direction)


def _row(contents: Contents, entry: Entry, spark: Callable[[Entry], Any]) -> Markup:
    space, own = cells.apart(entry)
    shown = summary.shortened(own, _SHOWN_NAME)
    link = el(
        "button",
        shown,
        type="button",
        class_="rm-open",
        data_rm_send=f"open {entry.at}",
        title=entry.name if shown != own else None,
    )
    where = el("span", summary.shortened(space, _SHOWN_NAME), class_="small") if space else None
    written = [
        el(
            "td",
            spark(entry) if column is cells.SPARK else column.cell(contents, entry),
            class_=" ".join(filter(None, ("n" if column.number else "", _hot(column, entry)))) or None,
        )
        for column, _ in _COLUMNS
    ]
    return el("tr", el("th", link, where, scope="row"), *written)


def _hot(column: Column, entry: Entry) -> str:
    """Bold only where the target is exceeded, or the limit is near."""
    row = entry.row
    if column is cells.KILL:
        return "hot" if belongs(entry, ABOVE) else ""
    near = row["hours_to_limit"] is not None and row["hours_to_limit"] <= summary.HORIZON_HOURS
    return "hot" if column is cells.TIME and near else ""


def pager(count: int, page: int) -> Markup:
    """Write which rows are shown, and buttons to the others."""
    last = pages(count) - 1
    page = min(page, last)
    first = page * PAGE
    where = f"{first + 1:,}–{min(first + PAGE, count):,} of {count:,}" if count else "0 of 0"
    legend = "Line: working set. Dotted: limit. ✕ OOM kill. Spare: reserved above what is recommended, all pods."
    return el(
        "div",
        el("p", legend, class_="note"),
        el("span", where),
        _step("Previous", off=page == 0),
        _step("Next", off=page == last),
        class_="rm-pager",
    )


def _step(word: str, *, off: bool) -> Markup:
    return el("button", word, type="button", class_="rm-button", disabled=off, data_rm_send=f"page {word.lower()}")
