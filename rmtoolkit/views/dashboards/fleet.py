"""Every workload of a fleet in one table that sorts, filters and opens."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import polars as pl
import traitlets

from rmtoolkit import text
from rmtoolkit.analysis.judge import Judgement
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.recommend import gather as gather_needs
from rmtoolkit.limits.recommend import of_gathered
from rmtoolkit.limits.week import Week, happened, survey
from rmtoolkit.recording import Recording
from rmtoolkit.views.dashboards import controls
from rmtoolkit.views.dashboards.board import Board
from rmtoolkit.views.dashboards.page import Page
from rmtoolkit.views.dashboards.wiring import Wiring
from rmtoolkit.views.fleet.selection import PAGE, SORTS, TILES, Selection, pages, selected
from rmtoolkit.views.fleet.table import ORDERS, headline, pager, table, tiles
from rmtoolkit.views.markup import el
from rmtoolkit.views.notebook_style import FLEET
from rmtoolkit.views.report.contents import gather
from rmtoolkit.views.sparks import Sparks

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from rmtoolkit._parallel import Source
    from rmtoolkit.limits.risk import Margins
    from rmtoolkit.views.report.contents import Entry

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
        self._spaces = controls.dropdown("Namespace", [(f"all {len(spaces):,}", _ALL), *((s, s) for s in spaces)], _ALL)
        verdicts = [("all", _ALL), ("leak", "leak"), ("inconclusive", "inconclusive"), ("not a leak", "not_leak")]
        self._verdicts = controls.choice("Verdict", verdicts, _ALL)
        self._order = controls.dropdown("Sort by", list(ORDERS), "worst")
        self._top = controls.html(headline(self._contents), "rm-top")
        self._tiles = controls.html("")
        self._said = controls.html("", "rm-aside", "rm-status")
        self._table = controls.html("", "rm-scroll")
        self._pager = controls.html("")
        self._row = controls.controls(self._search_box, self._spaces, self._verdicts, self._order, self._said)
        self._back = controls.button("Back to the fleet")
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
        found = controls.match(typed, list(self._by_name))
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
