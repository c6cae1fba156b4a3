"""`rm.Fleet`: all workloads of a fleet, sorted, filtered, opened in Triage and LimitExplorer."""

from __future__ import annotations

import os
import pickle
import stat
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import traitlets

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit.exceptions import RmtoolkitError, door, quote_path
from rmtoolkit.recording import Recording
from rmtoolkit.views import _tables, charts, plots
from rmtoolkit.views.dashboards import SERVED, _base
from rmtoolkit.views.report import columns, contents
from rmtoolkit.views.report.sections import ALL, COUNTED, figures
from rmtoolkit.views.style import FLEET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_answers import Heap
    from rmtoolkit.assessment import Assessment
    from rmtoolkit.limits.risk import Margins
    from rmtoolkit.views.dashboards.explorer import LimitExplorer
    from rmtoolkit.views.dashboards.triage import Triage
    from rmtoolkit.views.report.columns import Row

PAGE: Final = 25
TILES: Final = (*COUNTED, "inconclusive", "not_leak")

#: What can be sorted by: its words, the value, and whether the largest comes first.
SORTS: Final[Mapping[str, tuple[str, Callable[[Row], Any], bool]]] = {
    "worst": ("worst first", itemgetter("workload_id"), False),
    "name": ("name", lambda row: row["name"].casefold(), False),
    "verdict": ("verdict", columns.rank_of_verdict, False),
    "kill": ("chance of an OOM kill", itemgetter("oom_probability_7d"), True),
    "time": ("time to limit", itemgetter("hours_to_limit"), False),
    "growth": ("growth", itemgetter("growth_bytes_per_day"), True),
    "peak": ("least room below the limit", itemgetter("headroom_share"), False),
    "spare": ("spare memory", columns.spare, True),
    "pods": ("pods", itemgetter("pods"), True),
}
#: Columns behind the name, and what each is sorted by.
_COLUMNS: Final = tuple(
    zip(ALL.columns, ("verdict", None, "kill", "time", "growth", "peak", "spare", "pods"), strict=True)
)
_SHOWN_NAME: Final = 70
_VERDICTS: Final = {"all": "", "leak": "leak", "inconclusive": "inconclusive", "not a leak": "not_leak"}
_VIEWS: Final = [("Fleet", "fleet"), ("Triage", "triage"), ("Limits", "limits")]


def belongs(row: Row, tile: str) -> bool:
    """Tell whether a workload is one of those that a tile or verdict counts: what is accepted is in none."""
    return not row["accepted"] and (COUNTED[tile](row) if tile in COUNTED else row["verdict"] == tile)


def selected(rows: Sequence[Row], wanted: Fleet) -> list[Row]:
    words = wanted.search.casefold().split()
    found = [
        row
        for row in rows
        if (not wanted.namespace or text.printable(row["namespace"]) == wanted.namespace)
        and (not wanted.tile or belongs(row, wanted.tile))
        and all(word in row["name"].casefold() for word in words)
    ]
    _, value, largest = SORTS[wanted.sort]
    known = [row for row in found if value(row) is not None]
    return sorted(known, key=value, reverse=largest != wanted.turned) + [row for row in found if value(row) is None]


def pages(count: int) -> int:
    return max(-(-count // PAGE), 1)


def on_page(rows: Sequence[Row], page: int) -> Sequence[Row]:
    return rows[page * PAGE : (page + 1) * PAGE]


def headline(found: Assessment) -> Markup:
    fleet = found.fleet
    note = [text.period(*found.span)] if found.span else []
    note += [f"coverage {text.share(fleet.coverage)}"] if fleet.coverage is not None else []
    said = el("p", fleet.sentence, class_="headline") + _tables.caveats(found)
    return Markup(said + el("p", ", ".join(note), class_="note"))


def tiles(found: Assessment, wanted: Fleet) -> Markup:
    """Count the fleet in the tiles of the report, which filter the table here."""
    drawn = []
    for name, figure, verdict, label, note in figures(found):
        mark = text.VERDICTS[verdict] if verdict else None
        button = el(
            "button",
            el("span", charts.mark(mark.shape) if mark else None, figure, class_="figure"),
            el("b", label),
            el("span", note, class_="note"),
            type="button",
            class_=f"rm-tile {mark.token if mark else ''}".strip(),
            aria_pressed=str(wanted.tile == name).lower(),
            data_rm_send=f"tile {name}",
        )
        drawn.append(button)
    return el("div", *drawn, class_="rm-tiles")


def table(found: Sequence[Row], wanted: Fleet, sparks: Mapping[int, object], spark_head: str) -> Markup:
    names = columns.heads(tuple(column for column, _ in _COLUMNS), spark_head)
    sorts = ("name", *(sort for _, sort in _COLUMNS))
    heads = [_head(wanted, *name, sort) for name, sort in zip(names, sorts, strict=True)]
    body = [_row(row, sparks[row["workload_id"]]) for row in on_page(found, wanted.page)]
    if not body:
        body = [el("tr", el("td", "No workload matches. Take a filter away.", colspan=len(heads), class_="note"))]
    caption = f"{text.count(len(found), 'workload')}, page {wanted.page + 1:,} of {pages(len(found)):,}"
    return el(
        "table",
        el("caption", caption, class_="rm-hidden"),
        el("thead", el("tr", *heads)),
        el("tbody", *body),
        class_="rm-fleet",
    )


def _head(wanted: Fleet, word: str, kind: str, side: str, sort: str | None) -> Markup:
    shown: Markup | str = word
    arrow = direction = None
    if sort is not None:
        if wanted.sort == sort:
            direction, mark = ("descending", "▾") if SORTS[sort][2] != wanted.turned else ("ascending", "▴")
            arrow = el("span", mark, aria_hidden="true")
        shown = el("button", word, arrow, type="button", class_="rm-sort", data_rm_send=f"sort {sort}")
    return el("th", shown, scope="col", class_=f"c-{kind} {side}".strip(), aria_sort=direction)


def _row(row: Row, spark: object) -> Markup:
    sent = f"open {row['workload_id']}"
    name = columns.named(row, "button", _SHOWN_NAME, type="button", class_="rm-open", data_rm_send=sent)
    cells = ((column, spark if column is columns.SPARK else column.cell(row)) for column, _ in _COLUMNS)
    written = (el("td", cell, class_=columns.class_of(column, row)) for column, cell in cells)
    return el("tr", name, *written)


def pager(count: int, page: int) -> Markup:
    last = pages(count) - 1
    first = page * PAGE
    where = f"{first + 1:,}–{min(first + PAGE, count):,} of {count:,}" if count else "0 of 0"
    legend = "Line: working set. Dotted: limit. ✕ OOM kill. Spare: reserved above what is recommended, all pods."
    steps = (
        el("button", word, type="button", class_="rm-button", disabled=page == end, data_rm_send=f"page {word.lower()}")
        for word, end in (("Previous", 0), ("Next", last))
    )
    return el("div", el("p", legend, class_="note"), el("span", where), *steps, class_="rm-pager")


class Fleet(_base.Board):
    """A table of all workloads: verdict, memory, chance of an OOM kill, growth, peak against limit, what is spare.

    Parameters
    ----------
    source
        A recording, a frame that can become one, a lake, or an Assessment, of which nothing is worked out again.
    heap, oom_probability, margins
        As in `rmtoolkit.assess`; of heap profiles Triage shows the code.
    samples_from
        Beside an Assessment of a large file, which has only the samples that charts show: the recording itself.
    price_per_gib_hour, currency
        What a GiB of reserved memory costs an hour; None: nothing is said about money. An Assessment has its own.

    Attributes
    ----------
    search, namespace
        A part of a name, all words of which must be in it; one namespace, empty: all.
    tile
        ``killed`` (this week), ``dying`` (will be killed), ``leak``, ``spare`` (can be given back) or ``data`` (needs
        more), as the tiles count; or the verdict ``inconclusive`` or ``not_leak``; empty: all.
    sort, turned
        ``worst``, ``name``, ``verdict``, ``kill``, ``time``, ``growth``, ``peak``, ``spare`` or ``pods``; whether the
        order is turned around.
    page
        From 0 on.
    view, opened
        ``fleet`` (the table), ``triage`` or ``limits`` (of the workload that is open); name of that workload, empty:
        none. Observe it to do something else.

    Raises
    ------
    RmtoolkitError
        There are no samples.

    Notes
    -----
    Only one page of rows is drawn at a time, so a fleet of thousands stays quick. A row opens `rmtoolkit.Triage` in
    place of the table; from there it is one click to `rmtoolkit.LimitExplorer` of the same workload, and back.

    Examples
    --------
    >>> import polars as pl
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
    view = traitlets.Enum(tuple(name for _, name in _VIEWS), "fleet")
    opened = traitlets.Unicode()

    @door
    def __init__(
        self,
        source: Source | Assessment,
        heap: Heap | Mapping[str, Heap] | None = None,
        *,
        samples_from: Recording | None = None,
        oom_probability: float = 0.05,
        margins: Margins | str | os.PathLike[str] | None = None,
        price_per_gib_hour: float | None = None,
        currency: str = "USD",
    ) -> None:
        self._samples_from = source if isinstance(source, Recording) else samples_from
        made = contents(
            source,
            heap=heap,
            oom_probability=oom_probability,
            margins=margins,
            price_per_gib_hour=price_per_gib_hour,
            currency=currency,
        )
        self._assessed, self._rows = made.found, made.rows
        self._by_name = {row["name"]: row for row in self._rows}
        super().__init__()
        self._wiring = _base.Wiring()
        self._heap = heap
        #: Dashboards that were shown, by view.
        self._boards: dict[str, Triage | LimitExplorer] = {}
        self._last = self._rows[0]["name"]
        self._sparks: dict[int, Any] = {}
        self._head = ""
        self._found: list[Row] = []
        self._build()
        watch = self._wiring.watch
        watch(self._search_box, "value", lambda change: self._set(search=change.new))
        watch(self._spaces, "value", lambda change: self._set(namespace=change.new))
        watch(self._verdicts, "value", lambda change: None if change.new is None else self._set(tile=change.new))
        watch(self._order, "value", lambda change: self._set(sort=change.new, turned=False))
        watch(self, ["search", "namespace", "tile", "sort", "turned"], lambda _: self._filtered())
        watch(self, "page", lambda _: self._show())
        self._wiring.lead(self._views, self, "view")
        watch(self, "view", lambda change: self._open(change.new, self.opened or self._last))
        watch(self, "opened", lambda change: self._open(self._opens() if change.new else "fleet", change.new))
        self._wiring.hear(self._page, self._heard)
        self.add_class("rm").add_class("rm-dashboard")
        self._show()

    def __repr__(self) -> str:
        return f"<Fleet: {text.printable(self._assessed.fleet.sentence)}>"

    @property
    def shown(self) -> list[str]:
        """Names of the workloads on this page, in order."""
        return [row["name"] for row in on_page(self._found, self.page)]

    @property
    def board(self) -> Triage | LimitExplorer | None:
        """The dashboard of the open workload; None while the table is shown."""
        return self._boards[self.view] if self._place.children else None

    def _build(self) -> None:
        self._page = _base.Page(css=FLEET)
        spaces = columns.namespaces(self._rows)
        self._search_box = ipywidgets.Text(
            description="Search", placeholder="workload or namespace", style={"description_width": "initial"}
        )
        self._spaces = _base.dropdown("Namespace", [(f"all {len(spaces):,}", ""), *((s, s) for s in spaces)], "")
        self._verdicts = _base.choice("Verdict", list(_VERDICTS.items()), "")
        self._order = _base.dropdown("Sort by", [(words, name) for name, (words, *_) in SORTS.items()], "worst")
        self._top = _base.html(headline(self._assessed), "rm-top")
        self._tiles = _base.html("")
        self._said = _base.html("", "rm-aside", "rm-status")
        self._table = _base.html("", "rm-scroll")
        self._pager = _base.html("")
        row = _base.controls(self._search_box, self._spaces, self._verdicts, self._order, self._said)
        self._views = _base.choice("Show", _VIEWS, "fleet")
        self._views.add_class("rm-views")
        self._list = ipywidgets.VBox([self._top, self._tiles, row, self._table, self._pager])
        self._place = ipywidgets.VBox([])
        self.children = (self._page, self._views, self._wiring.alert, self._list, self._place)

    def _opens(self) -> str:
        return "triage" if self.view == "fleet" else self.view

    def _set(self, **traits: str | bool) -> None:
        with self._wiring.quiet():
            for name, value in traits.items():
                setattr(self, name, value)
        self._filtered()

    def _heard(self, kind: str, value: str) -> None:
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
        elif what == "open" and which.isdecimal() and int(which) < len(self._rows):
            self.opened = self._rows[int(which)]["name"]

    def _filtered(self) -> None:
        with self._wiring.quiet():
            self.page = 0
        self._show()

    def _show(self) -> None:
        self._found = selected(self._rows, self)
        with self._wiring.quiet():
            self.page = min(self.page, pages(len(self._found)) - 1)
            self._search_box.value = self.search
            for box, value in ((self._spaces, self.namespace), (self._verdicts, self.tile), (self._order, self.sort)):
                box.value = value if value in [known for _, known in box.options] else None
        # Draw what is not drawn yet; a page is cut out of the samples in one go.
        missing = [row for row in on_page(self._found, self.page) if row["workload_id"] not in self._sparks]
        if missing:
            drawn = charts.Sparks(self._assessed, [row["container_id"] for row in missing])
            self._head = self._head or drawn.heading
            self._sparks |= {row["workload_id"]: drawn.of(row["container_id"]) for row in missing}
        self._tiles.value = tiles(self._assessed, self)
        self._table.value = table(self._found, self, self._sparks, self._head)
        self._pager.value = pager(len(self._found), self.page)
        self._tell()

    def _tell(self) -> None:
        of = f" of {len(self._rows):,}" if len(self._found) < len(self._rows) else ""
        hint = el("span", " Enter on a name opens it.", class_="rm-hand")
        self._said.value = el("p", f"{text.count(len(self._found), 'workload')}{of}.", hint)

    def _open(self, view: str, name: str) -> None:
        try:
            if view != "fleet":
                name = plots.find(name, list(self._by_name))
                self._said.value = el("p", f"Opening {text.printable(name)} …")
                if view not in self._boards:
                    self._boards[view] = board = self._made(view, name)
                    self._beside = tuple(self._boards.values())
                    self._wiring.watch(board, "workload", lambda change: self._settle(self.view, change.new))
                with self._wiring.quiet():
                    self._boards[view].workload = name
                self._place.children = (self._boards[view],)
        except Exception:
            view = "fleet"
            raise
        finally:
            self._settle(view, "" if view == "fleet" else name)

    def _made(self, view: str, name: str) -> Triage | LimitExplorer:
        # Each takes a second to load, and the table none.
        if view == "triage":
            from rmtoolkit.views.dashboards.triage import Triage  # noqa: PLC0415

            return Triage(self._assessed, self._heap, workload=name, samples_from=self._samples_from)
        from rmtoolkit.views.dashboards.explorer import LimitExplorer  # noqa: PLC0415

        return LimitExplorer(self._assessed, name, samples_from=self._samples_from)

    def _settle(self, view: str, name: str) -> None:
        with self._wiring.quiet():
            self.view = self._views.value = view
            self.opened, self._last = name, name or self._last
        if view == "fleet":
            self._place.children = ()
        self._list.layout.display = None if view == "fleet" else "none"
        self._tell()

    def back(self) -> None:
        """Close the open workload and show the table again.

        Examples
        --------
        >>> import polars as pl
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20})
        >>> fleet = Fleet(table)
        >>> fleet.back()
        >>> fleet.opened
        ''
        >>> fleet.close()
        """
        self.opened = ""


def served() -> Fleet:
    """Make the dashboards of what the environment names: a file that the command wrote in a folder of its own."""
    if (told := os.environ.get(SERVED)) is None:
        msg = f"The environment has no {SERVED}: this page is made by rmtoolkit dashboard."
        raise RmtoolkitError(msg)
    file = Path(told)
    about = file.lstat()
    # What is in it runs: nobody else may have written it.
    if (
        not stat.S_ISREG(about.st_mode)
        or about.st_mode & 0o022
        or (os.name == "posix" and about.st_uid != os.geteuid())
    ):
        msg = f"{quote_path(file)} is no file that only you can write: this page is made by rmtoolkit dashboard."
        raise RmtoolkitError(msg)
    found, heap, recording = pickle.loads(file.read_bytes())  # noqa: S301 - our own, as seen above
    fleet = Fleet(found, heap, samples_from=recording)
    fleet.pictured = False
    return fleet
