"""`rm.Fleet`: all workloads of a fleet, sorted, filtered, opened."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import polars as pl
import traitlets

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit.analysis.judge import Judgement
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.recommend import gather as gather_needs
from rmtoolkit.limits.recommend import of_gathered
from rmtoolkit.limits.week import TARGET, Week, happened, survey
from rmtoolkit.recording import Recording
from rmtoolkit.views import charts, summary
from rmtoolkit.views.charts import Sparks
from rmtoolkit.views.dashboards import _base
from rmtoolkit.views.dashboards._base import Board, Page, Wiring
from rmtoolkit.views.report import columns
from rmtoolkit.views.report.contents import gather
from rmtoolkit.views.style import FLEET

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rmtoolkit._parallel import Source
    from rmtoolkit.limits.risk import Margins
    from rmtoolkit.views.report.columns import Column
    from rmtoolkit.views.report.contents import Contents, Entry

    Value = Callable[[Entry], float | str | None]


#: Rows of one page.
PAGE: Final = 25
#: What the tiles ask for.
ABOVE: Final = "above"
SPARE: Final = "spare"
TILES: Final = (ABOVE, *("leak", "inconclusive", "not_leak"), SPARE)


def _ratio(entry: Entry) -> float | None:
    row = entry.row
    return row["peak_bytes"] / row["limit_bytes"] if row["peak_bytes"] is not None and row["limit_bytes"] else None


def _growth(entry: Entry) -> float | None:
    growth: float | None = entry.row["growth_bytes_per_day"] if summary.is_growing(entry.row) else None
    return growth


#: What can be sorted by: value, and whether the largest comes first.
SORTS: Final[Mapping[str, tuple[Value, bool]]] = {
    "worst": (lambda entry: entry.at, False),
    "name": (lambda entry: entry.name.casefold(), False),
    "verdict": (lambda entry: summary.ORDER.index(entry.row["verdict"]), False),
    "kill": (lambda entry: entry.row["oom_probability"], True),
    "time": (lambda entry: entry.row["hours_to_limit"], False),
    "growth": (_growth, True),
    "peak": (_ratio, True),
    "spare": (lambda entry: entry.spare_bytes, True),
    "pods": (lambda entry: entry.row["pods"], True),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What somebody wants to see."""

    search: str = ""
    namespace: str | None = None
    tile: str | None = None
    sort: str = "worst"
    turned: bool = False
    page: int = 0


def belongs(entry: Entry, tile: str) -> bool:
    """Tell whether a workload is one of those that a tile counts."""
    if tile == ABOVE:
        return (entry.row["oom_probability"] or 0.0) > TARGET
    if tile == SPARE:
        return entry.spare_bytes is not None
    return bool(entry.row["verdict"] == tile)


def selected(entries: Sequence[Entry], wanted: Selection) -> list[Entry]:
    """Filter and sort."""
    words = wanted.search.casefold().split()
    found = [
        entry
        for entry in entries
        if (wanted.namespace is None or text.printable(entry.row["namespace"]) == wanted.namespace)
        and (wanted.tile is None or belongs(entry, wanted.tile))
        and all(word in entry.name.casefold() for word in words)
    ]
    value, largest = SORTS[wanted.sort]
    known: list[tuple[float | str, Entry]] = []
    unknown: list[Entry] = []
    for entry in found:
        key = value(entry)
        if key is None:
            unknown.append(entry)
        else:
            known.append((key, entry))
    known.sort(key=lambda pair: pair[0], reverse=largest != wanted.turned)
    return [entry for _, entry in known] + unknown


def pages(count: int) -> int:
    """Count the pages of so many rows."""
    return max(-(-count // PAGE), 1)


#: Columns behind the name, and what each is sorted by.
_COLUMNS: Final[tuple[tuple[Column, str | None], ...]] = (
    (columns.VERDICT, "verdict"),
    (columns.SPARK, None),
    (columns.KILL, "kill"),
    (columns.TIME, "time"),
    (columns.GROWTH, "growth"),
    (columns.PEAK, "peak"),
    (columns.SPARE, "spare"),
    (columns.PODS, "pods"),
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
        el("span", charts.mark(verdict.shape) if verdict else None, figure, class_="figure"),
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
        _head(spark_head if column is columns.SPARK else column.head, sort, wanted, column.kind, number=column.number)
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
    space, own = columns.apart(entry)
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
            spark(entry) if column is columns.SPARK else column.cell(contents, entry),
            class_=" ".join(filter(None, ("n" if column.number else "", _hot(column, entry)))) or None,
        )
        for column, _ in _COLUMNS
    ]
    return el("tr", el("th", link, where, scope="row"), *written)


def _hot(column: Column, entry: Entry) -> str:
    """Bold only where the target is exceeded, or the limit is near."""
    row = entry.row
    if column is columns.KILL:
        return "hot" if belongs(entry, ABOVE) else ""
    near = row["hours_to_limit"] is not None and row["hours_to_limit"] <= summary.HORIZON_HOURS
    return "hot" if column is columns.TIME and near else ""


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


_ALL: Final = ""


class Fleet(Board):
    """A table of all workloads: verdict, memory, chance of an OOM kill, growth, peak against limit, what is spare.

    Parameters
    ----------
    recording
        A recording, a frame that can become one, a lake, or what was found out already: a `Judgement`, or a week as
        `rmtoolkit.limits.week.survey` gives it, which saves judging again.
    samples_from
        Beside what was found out already: the recording itself, so that an opened row has all samples. What was found
        in a large file has only those that charts show.
    oom_probability, margins
        As in `rmtoolkit.recommend_limits`.
    price_per_gib_hour, currency
        What a GiB of reserved memory costs an hour; None: nothing is said about money.

    Attributes
    ----------
    search
        A part of a name; several words must all be in it.
    namespace
        One namespace; empty: all.
    tile
        ``above`` (the OOM target), ``leak``, ``inconclusive``, ``not_leak``, ``spare`` (can be given back); empty: all.
    sort
        ``worst``, ``name``, ``verdict``, ``kill``, ``time``, ``growth``, ``peak``, ``spare`` or ``pods``.
    turned
        Whether the order is turned around.
    page
        From 0 on.
    opened
        Name of the workload that is open below; empty: none. Observe it to do something else.

    Raises
    ------
    RmtoolkitError
        There are no samples.

    Notes
    -----
    Only one page of rows is drawn at a time, so a fleet of thousands stays quick. A row opens `rmtoolkit.Triage` in
    place of the table.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20})
    >>> fleet = Fleet(table)
    >>> fleet.tile = "leak"
    >>> fleet.shown
    []
    >>> fleet.close()
    """

    search = traitlets.Unicode()
    namespace = traitlets.Unicode()
    tile = traitlets.Enum(("", *TILES), "")
    sort = traitlets.Enum(tuple(SORTS), "worst")
    turned = traitlets.Bool(default_value=False)
    page = traitlets.Int(0, min=0)
    opened = traitlets.Unicode()

    def __init__(
        self,
        recording: Source | Judgement | Week,
        *,
        samples_from: Recording | None = None,
        oom_probability: float = 0.05,
        margins: Margins | str | os.PathLike[str] | None = None,
        price_per_gib_hour: float | None = None,
        currency: str = "USD",
    ) -> None:
        #: All samples, where they are at hand: a judgement of a large file has only those that charts show.
        self._recording = recording if isinstance(recording, Recording) else samples_from
        week = recording if isinstance(recording, Week) else _week(recording, oom_probability, margins)
        self._judgement = week.judgement
        self._contents = gather(week, currency=currency, price_per_gib_hour=price_per_gib_hour, asked=oom_probability)
        self._by_name = {entry.name: entry for entry in self._contents.entries}
        super().__init__()
        self._wiring = Wiring()
        self._triage: Any = None
        self._sparks: dict[int, Any] = {}
        self._head = ""
        self._quiet = 0
        self._found: list[Entry] = []
        self._build()
        self._connect()
        self.add_class("rm").add_class("rm-dashboard")
        self._show()

    @property
    def shown(self) -> list[str]:
        """Names of the workloads on this page, in order."""
        begin = min(self.page, pages(len(self._found)) - 1) * PAGE
        return [entry.name for entry in self._found[begin : begin + PAGE]]

    @property
    def triage(self) -> Any:  # noqa: ANN401 - imported only when a row is opened
        """The dashboard of the open workload; None while the table is shown."""
        return self._triage

    def _build(self) -> None:
        self._page_widget = Page(css=FLEET)
        spaces = sorted({text.printable(e.row["namespace"]) for e in self._contents.entries if e.row["namespace"]})
        self._search_box = ipywidgets.Text(
            description="Search", placeholder="workload or namespace", style={"description_width": "initial"}
        )
        self._spaces = _base.dropdown("Namespace", [(f"all {len(spaces):,}", _ALL), *((s, s) for s in spaces)], _ALL)
        verdicts = [("all", _ALL), ("leak", "leak"), ("inconclusive", "inconclusive"), ("not a leak", "not_leak")]
        self._verdicts = _base.choice("Verdict", verdicts, _ALL)
        self._order = _base.dropdown("Sort by", list(ORDERS), "worst")
        self._top = _base.html(headline(self._contents), "rm-top")
        self._tiles = _base.html("")
        self._said = _base.html("", "rm-aside", "rm-status")
        self._table = _base.html("", "rm-scroll")
        self._pager = _base.html("")
        self._row = _base.controls(self._search_box, self._spaces, self._verdicts, self._order, self._said)
        self._back = _base.button("Back to the fleet")
        self._back.add_class("rm-opened")
        self._beside = (self._back,)
        self._list = ipywidgets.VBox([self._top, self._tiles, self._row, self._table, self._pager])
        self._place = ipywidgets.VBox([])
        self.children = (self._page_widget, self._wiring.alert, self._list, self._place)

    def _connect(self) -> None:
        watch = self._wiring.watch
        watch(self._search_box, "value", lambda change: self._set(search=change.new))
        watch(self._spaces, "value", lambda change: self._set(namespace=change.new))
        watch(self._verdicts, "value", lambda change: None if change.new is None else self._set(tile=change.new))
        watch(self._order, "value", lambda change: self._set(sort=change.new, turned=False))
        for name in ("search", "namespace", "tile", "sort", "turned"):
            watch(self, name, lambda _: self._filtered())
        watch(self, "page", lambda _: self._paged())
        watch(self, "opened", lambda change: self._open(change.new))
        self._wiring.press(self._back, self.back)
        self._wiring.hear(self._page_widget, self._heard)

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def _set(self, **traits: str | bool) -> None:
        """Set several traits and draw once; a control that only follows sets nothing."""
        if self._quiet:
            return
        with self._together():
            for name, value in traits.items():
                setattr(self, name, value)
        self._filtered()

    def _heard(self, kind: str, value: str) -> None:
        """Do what was pressed in the table or on a tile."""
        if kind == "escape":
            if self.opened:
                self.back()
            return
        what, _, which = value.partition(" ")
        if what == "tile" and which in TILES:
            self._set(tile="" if self.tile == which else which)
        elif what == "sort" and which in SORTS:
            self._set(sort=which, turned=not self.turned if self.sort == which else False)
        elif what == "page":
            self.page = max(self.page + (1 if which == "next" else -1), 0)
        elif what == "open" and which.isdecimal() and int(which) < len(self._contents.entries):
            self.opened = self._contents.entries[int(which)].name

    def _filtered(self) -> None:
        if self._quiet:
            return
        with self._together():
            self.page = 0
        self._show()

    def _paged(self) -> None:
        if not self._quiet:
            self._show()

    def _selection(self) -> Selection:
        return Selection(self.search, self.namespace or None, self.tile or None, self.sort, self.turned, self.page)

    def _show(self) -> None:
        """Draw one page."""
        wanted = self._selection()
        self._found = selected(self._contents.entries, wanted)
        last = pages(len(self._found)) - 1
        if wanted.page > last:
            with self._together():
                self.page = last
            wanted = replace(wanted, page=last)
        begin = wanted.page * PAGE
        self._draw_sparks(self._found[begin : begin + PAGE])
        with self._together():
            self._search_box.value = self.search
            self._spaces.value = self.namespace if self.namespace in [v for _, v in self._spaces.options] else None
            self._verdicts.value = self.tile if self.tile in ("", "leak", "inconclusive", "not_leak") else None
            self._order.value = self.sort
        self._tiles.value = tiles(self._contents, wanted)
        self._table.value = table(
            self._contents,
            self._found,
            wanted,
            lambda entry: self._sparks.get(entry.at, text.NOT_APPLICABLE),
            self._head,
        )
        self._pager.value = pager(len(self._found), wanted.page)
        self._tell()

    def _tell(self) -> None:
        """Say how many workloads there are."""
        said = f"{text.count(len(self._found), 'workload')}"
        if len(self._found) < len(self._contents.entries):
            said += f" of {len(self._contents.entries):,}"
        self._said.value = el("p", f"{said}. Enter on a name opens it.")

    def _draw_sparks(self, entries: Sequence[Entry]) -> None:
        """Draw what is not drawn yet; a page is cut out of the samples in one go."""
        missing = [entry for entry in entries if entry.at not in self._sparks]
        if not missing:
            return
        drawn = Sparks(self._judgement, [entry.row["container_id"] for entry in missing])
        self._head = self._head or drawn.heading
        for entry in missing:
            self._sparks[entry.at] = drawn.of(entry.row["container_id"])

    def _open(self, name: str) -> None:
        """Show Triage of one workload in place of the table; of none, the table again."""
        self._close_triage()
        if not name:
            self._list.layout.display = None
            return
        entry = self._by_name.get(name) or self._like(name)
        if entry.name != name:
            self.opened = entry.name
            return
        self._said.value = el("p", f"Opening {text.printable(name)} …")
        from rmtoolkit.views.dashboards.triage import Triage  # noqa: PLC0415 - only once a row is opened

        self._triage = Triage(_only(self._judgement, entry.row, self._recording or self._judgement.recording))
        self._place.children = (self._back, self._triage)
        self._tell()
        self._list.layout.display = "none"

    def _like(self, typed: str) -> Entry:
        found = _base.match(typed, list(self._by_name))
        if found is None:
            msg = f"No workload is called {text.printable(typed)!r}."
            raise RmtoolkitError(msg)
        return self._by_name[found]

    def _close_triage(self) -> None:
        self._place.children = ()
        if self._triage is not None:
            self._triage.close()
            self._triage = None

    def back(self) -> None:
        """Close the open workload and show the table again.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20})
        >>> fleet = Fleet(table)
        >>> fleet.back()
        >>> fleet.opened
        ''
        >>> fleet.close()
        """
        self.opened = ""


def _week(
    recording: Source | Judgement, oom_probability: float, margins: Margins | str | os.PathLike[str] | None
) -> Week:
    if not isinstance(recording, Judgement):
        return survey(recording, oom_probability=oom_probability, margins=margins)
    known = gather_needs(recording.recording, recording.verdicts)
    return Week(recording, of_gathered(known, oom_probability, margins), happened(recording.recording))


def _only(judgement: Judgement, names: dict[str, Any], recording: Recording) -> Judgement:
    """Keep one workload container of a judgement and of its recording."""
    same = [pl.col(name).eq_missing(pl.lit(names[name], dtype=pl.String)) for name in WORKLOAD]
    mine_only = recording.filter(*same)
    ids = pl.col("container_id").is_in(mine_only.containers["container_id"].implode())

    def mine(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(ids) if "container_id" in frame.columns else frame.filter(same)

    return replace(
        judgement,
        recording=mine_only,
        lives=mine(judgement.lives),
        fits=mine(judgement.fits),
        verdicts=judgement.verdicts.filter(same),
        instances=judgement.instances.filter(same),
        checklist=judgement.checklist.filter(same),
        forecast=mine(judgement.forecast),
        findings=mine(judgement.findings),
        completeness=mine(judgement.completeness),
    )
