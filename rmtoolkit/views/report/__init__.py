"""The report: one self-contained HTML page that needs no network and no server, and the files beside it.

What it says, its sections, and a card for each workload.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._accepted import Acknowledgement, read_acknowledgements
from rmtoolkit._html import Markup, document, el, folded, headed, join, not_complete, wide, with_code
from rmtoolkit._io import check_target, replacing
from rmtoolkit.assessment import Assessment, assess
from rmtoolkit.exceptions import RmtoolkitError, fault, quote, spared, warn
from rmtoolkit.limits.patches import Resources, per_workload
from rmtoolkit.limits.risk import USUAL, Margins
from rmtoolkit.schema import WORKLOAD
from rmtoolkit.views import _tables
from rmtoolkit.views.charts import Sparks
from rmtoolkit.views.report import sections
from rmtoolkit.views.report.columns import Row, Section, advised, heads, known, name_cell, namespaces, row, values
from rmtoolkit.views.report.sections import Contents
from rmtoolkit.views.style import REPORT, asset
from rmtoolkit.views.timeline import Timelines, draw, titled

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from typing import ParamSpec, TypeVar

    from distributed import Client

    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_answers import Heap

    Given = ParamSpec("Given")
    Made = TypeVar("Made")

__all__ = ["ENDINGS", "Contents", "contents", "page", "report", "write"]

ENDINGS: Final = (".html", ".htm", ".pdf")


def report(
    recording: Source | Assessment,
    path: str | os.PathLike[str],
    *,
    heap: Heap | Mapping[str, Heap] | None = None,
    previous: Assessment | pl.DataFrame | str | os.PathLike[str] | None = None,
    acknowledged: str | os.PathLike[str] | Iterable[Acknowledgement] | None = None,
    beside: str | os.PathLike[str] | None = None,
    title: str | None = None,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    price_per_gib_hour: float | None = None,
    currency: str = "USD",
    date: dt.datetime | None = None,
    client: Client | None = None,
) -> Path:
    """Assess a recording and write what was found as one HTML page.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, a lake, which is read part by part, or an Assessment: of that only
        `beside`, `title` and `date` are heeded.
    path
        The page to write, such as week.html; an existing one is replaced whole. A name that ends in .pdf is printed by
        Chromium, where there is one.
    heap, client
        As `rm.classify` takes them: profiles that name the code, and a client of Dask distributed.
    previous
        Last time, to name what changed: ``verdicts.parquet`` of its report or the folder it is in, an Assessment or its
        `workloads`.
    acknowledged
        A TOML file of what is known and accepted; see `rmtoolkit._accepted.read_acknowledgements`.
    beside
        A folder for verdicts and limits as Parquet, CSV and JSON, ``limits.yaml`` and ``summary.md``; None: no files.
    title
        Stands at the top of the page.
    oom_probability, margins, price_per_gib_hour, currency
        As in `recommend_limits`; the price is in this currency.
    date
        When the page is written; None: ``SOURCE_DATE_EPOCH`` where that is set, else now. All else is the same for the
        same input.

    Returns
    -------
    pathlib.Path
        The page. It opens in any browser, light or dark, wide or narrow, and prints; it asks for nothing from anywhere.

    Raises
    ------
    RmtoolkitError
        There are no samples, no such folder, or the name does not end in .html or .pdf.

    Examples
    --------
    >>> import tempfile
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     "api does not leak" in report(table, f"{folder}/week.html").read_text(encoding="utf-8")
    True
    """
    check_target(path, ENDINGS)
    found = contents(
        recording,
        heap=heap,
        previous=previous,
        acknowledged=acknowledged,
        title=title,
        oom_probability=oom_probability,
        margins=margins,
        price_per_gib_hour=price_per_gib_hour,
        currency=currency,
        client=client,
        now=_date(date),
    )
    made = write(found, path, date=date)
    if beside is not None:
        from rmtoolkit.views.report.files import write_beside  # noqa: PLC0415 - only where files are asked for

        write_beside(found, beside)
    return made


def write(found: Contents, path: str | os.PathLike[str], *, date: dt.datetime | None = None) -> Path:
    html = page(found, written=_date(date))
    with replacing(path, ENDINGS) as part:
        if Path(path).suffix.lower() == ".pdf":
            from rmtoolkit.views.report.files import print_page  # noqa: PLC0415 - only for PDF

            print_page(html, part)
        else:
            part.write_text(html, encoding="utf-8")
    return Path(path)


def _date(asked: dt.datetime | None) -> dt.datetime:
    if asked is not None:
        return asked if asked.tzinfo is not None else asked.replace(tzinfo=dt.UTC)
    if not (epoch := os.environ.get("SOURCE_DATE_EPOCH")):
        return dt.datetime.now(dt.UTC)
    try:
        return dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    except (ValueError, OverflowError, OSError) as error:
        msg = f"SOURCE_DATE_EPOCH must be seconds since 1970, got {quote(epoch)}."
        raise RmtoolkitError(msg) from error


def contents(
    source: Source | Assessment,
    *,
    acknowledged: str | os.PathLike[str] | Iterable[Acknowledgement] | None = None,
    title: str | None = None,
    price_per_gib_hour: float | None = None,
    currency: str = "USD",
    **asked: Any,  # noqa: ANN401 - as `assess` takes it
) -> Contents:
    # What is wrong with a small file is said before the long work.
    if isinstance(acknowledged, str | os.PathLike):
        acknowledged = read_acknowledgements(acknowledged)
    known, per_gib = tuple(acknowledged or ()), price_per_gib_hour
    prices = None if per_gib is None else replace(USUAL, per_gib_hour=per_gib, currency=currency)
    made = Contents(assess(source, prices=prices, accepted=known, **asked), title or "Memory report")
    return replace(made, unmatched=tuple(one for one in known if not any(map(one.covers, made.rows))))


def element(ident: str, value: object) -> Markup:
    """Put in the page, compressed, anything that JSON can hold."""
    told = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    packer = zlib.compressobj(7, zlib.DEFLATED, -15, 9)
    packed = base64.b64encode(packer.compress(told.encode()) + packer.flush()).decode()
    return el("script", Markup(packed), type="text/plain", id=ident)


#: Rows of a section that stand in the page without a script; the rest is packed.
_STANDING: Final = 10
#: Cards that stand in the page, the worst; open ones are printed.
_CARDS: Final = 12
#: Workloads whose card has a drawn chart; the spark of the others is enlarged.
_CHARTS: Final = 200
#: Workloads that have a row and a card at all.
_MOST: Final = 5_000
_CHUNK: Final = 32


def page(contents: Contents, *, written: dt.datetime | None = None) -> str:
    found, rows = contents.found, contents.rows
    patches = per_workload(found.workloads.filter(~pl.col("accepted")))
    drawn = _Drawn(contents, patches)
    chosen = [(section, mine) for section in sections.of(found) if (mine := section.choose(contents.awake))]
    everything = [about for about in rows if about["workload_id"] < _MOST]
    tables = [drawn.section(section, mine, opened=not at) for at, (section, mine) in enumerate(chosen)]
    whole = drawn.section(sections.ALL, everything, opened=not chosen)
    killed = _part("OOM kills", sections.kills, found, everything)
    applied = _part("What to apply", sections.apply, patches, rows)
    beside = {"kills": killed, "apply": applied}
    there = {*(section.key for section, _ in chosen), *(key for key, made in beside.items() if made)}
    more = len(contents.rows) - _MOST
    said = f"{more:,} more workloads, the least urgent, have no row here: they are in verdicts.parquet."
    main = el(
        "main",
        sections.top(found, contents.title),
        sections.heading(found),
        _part("What was left out", not_complete, found.incomplete, class_="warned", role="alert"),
        _part("What was raised again", sections.raised_again, rows),
        _part("The totals", sections.tiles, found, there),
        _part("What to do", sections.acts, found, contents.awake),
        _overview(chosen, contents, there),
        _part("The groups", sections.groups, found),
        _part("What changed", sections.changed, found, contents.awake),
        killed,
        applied,
        _filter(contents),
        *tables,
        _part("What happened", sections.failures, found, contents.awake),
        _part("The capacity", sections.capacity, found),
        whole,
        el("p", said, class_="note") if more > 0 else None,
        _part("What is accepted", sections.accepted, rows, contents.unmatched),
        _part("The quality of the data", sections.quality, found, rows),
        _footer(written, found),
    )
    title = f"{text.printable(contents.title)}: {found.fleet.sentence}"
    parts = main, drawn.packed([*chosen, (sections.ALL, everything)])
    return document(title, REPORT, parts, join(asset("copy.js"), asset("report.js")), class_="rm", data_chunk=_CHUNK)


def _part(name: str, write: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made | Markup:
    return spared(partial(_not_drawn, name), write, *given, **named)


def _not_drawn(name: str, error: BaseException) -> Markup:
    said = text.printable(f"{name} could not be drawn: {fault(error)}.")
    warn(said)
    return el("p", said, class_="note")


class _Drawn:
    """Rows, sparks and cards of the page; each card is made once, and stands in the page or is packed."""

    def __init__(self, contents: Contents, patches: Sequence[tuple[Resources, str]]) -> None:
        self.found = found = contents.found
        self.patches = patches
        about = (one for one, _ in patches)
        self.patch = {(one.cluster, one.namespace, one.workload, one.container): at for at, one in enumerate(about)}
        self.shown = contents.rows[:_MOST]
        self.charted = {about["workload_id"] for about in self.shown[:_CHARTS]}
        self.sparks = Sparks(found, [about["container_id"] for about in self.shown])
        self.timelines = Timelines(found)
        pods = found.recording.containers.select("container_id", pl.coalesce("pod", "container"))
        self.pods = {container: text.printable(pod or "") for container, pod in pods.iter_rows()}
        self.lives = _grouped(found.lives.sort("container_id", "life"))
        self.checklist = _grouped(found.checklist)
        self.instances = _grouped(found.instances.drop("evidence"))
        self.bought = _grouped(found.buys)
        self.standing: set[int] = set()
        self.drawn: dict[int, object] = {}

    def spark(self, about: Row) -> object:
        at = about["workload_id"]
        if at not in self.drawn:
            self.drawn[at] = _part(f"The spark of {about['name']}", self.sparks.of, about["container_id"])
        return self.drawn[at]

    def section(self, section: Section, found: Sequence[Row], *, opened: bool) -> Markup:
        names = heads(section.columns, self.sparks.heading)
        sorted_by = ["text", *("" if column.value is None else "number" for column in section.columns)]
        rows: list[Markup] = []
        for about in found[:_STANDING]:
            line, unfolded = self._row(about, section, self.spark(about)), []
            if about["workload_id"] not in self.standing and len(self.standing) < _CARDS:
                self.standing.add(about["workload_id"])
                if opened and not rows:
                    line = Markup(line.replace("<a ", '<a data-open="1" ', 1))
                fold = el("div", self.card(about), id=about["anchor"], class_="fold")
                unfolded = [el("tr", el("td", fold, colspan=len(names), role="cell"), class_="unfolded", role="row")]
            rows += [line, *unfolded]
        ident = f"section-{section.key}"
        head = (
            el("th", name, scope="col", role="columnheader", class_=side or None, data_by=by or None)
            for (name, _, side), by in zip(names, sorted_by, strict=True)
        )
        return el(
            "section",
            headed("h2", section.title, f"{text.count(len(found), 'workload')}, {section.note}", id=ident),
            el(
                "table",
                el("colgroup", *(el("col", class_=kind) for _, kind, _ in names)),
                el("thead", el("tr", *head, role="row"), role="rowgroup"),
                el("tbody", *rows, role="rowgroup"),
                class_=f"workloads {section.key}",
                role="table",
                aria_labelledby=ident,
            ),
            el("button", "Show more", type="button", class_="more", hidden=True),
            data_key=section.key,
        )

    def _row(self, about: Row, section: Section, spark: object) -> Markup:
        def otherwise(error: BaseException) -> Markup:
            said = _not_drawn(f"The row of {about['name']}", error)
            cell = el("td", said, colspan=len(section.columns), role="cell")
            # The script finds rows by their links.
            return el("tr", name_cell(about), cell, class_="row", role="row")

        return spared(otherwise, row, about, section.columns, spark, self.sparks.heading)

    def card(self, about: Row) -> Markup:
        return _part(f"The card of {about['name']}", self._card, about)

    def _card(self, about: Row) -> Markup:
        at, ident = about["workload_id"], f"c{about['workload_id']}"
        instances = self.instances.get(at, ())
        beside = (known(about), advised(about, self.bought.get(at, ())))
        questions = _titled("The five questions", f"{ident}-q", _tables.questions, self.checklist.get(at, ()))
        return el(
            "article",
            _tables.answer(
                about,
                about["name"],
                el("h3", text.told(about["headline"])),
                el("p", el("b", "Next:"), " ", with_code(about["next_step"]), class_="next"),
                self.found.fleet.target,
            ),
            self._chart(about, ident),
            el(
                "div",
                _titled("Evidence", f"{ident}-e", _tables.evidence, about),
                el("div", *beside, questions),
                class_="halves",
            ),
            self._patch(about),
            _tables.pods(instances),
            _tables.lives(self.lives.get(at, ()), self.pods if len(instances) > 1 else None, about),
            class_=f"card {text.VERDICTS[about['verdict']].token}",
        )

    def _patch(self, about: Row) -> Markup | None:
        at = self.patch.get(tuple(about[name] for name in WORKLOAD))
        if at is None:
            return None
        note = "provisional" if about["provisional"] else "to apply"
        button = el("button", "Copy", type="button", data_patch="beside")
        # The page carries each patch once: a packed card is given its own where it is unfolded.
        stands = about["workload_id"] in self.standing
        code = el("code", self.patches[at][1]) if stands else el("code", data_of=at)
        return folded("Patch", note, el("div", el("pre", code), button, class_="patch"))

    def _chart(self, about: Row, ident: str) -> Markup:
        pod = self.pods[about["container_id"]] or about["name"]
        timeline = self.timelines.of(about) if about["workload_id"] in self.charted else None
        if timeline is None:
            heading = headed("h4", "Memory", f"{pod}; from 0 to the larger of limit and peak, dotted: limit")
            return el("div", heading, el("div", class_="large"), class_="chart")
        drawn = draw(timeline, about, ident, f"{about['name']} ({pod})")
        return el(
            "div",
            headed("h4", *titled(timeline, about, pod)),
            wide(f"Chart of {about['name']}, scrolls sideways", drawn, "scroll"),
            class_="chart",
        )

    def packed(self, chosen: list[tuple[Section, list[Row]]]) -> Markup:
        def row_of(section: Section, about: Row) -> list[Any]:
            nothing = [None] * (1 + len(section.columns))
            sorted_by = spared(lambda _: nothing, values, about, section.columns)
            return [about["workload_id"], self._row(about, section, ""), sorted_by]

        later = [about for about in self.shown if about["workload_id"] not in self.standing]
        places = {about["workload_id"]: place for place, about in enumerate(later)}
        told = {
            "anchors": [about["anchor"] for about in self.shown],
            "packed": [places.get(about["workload_id"]) for about in self.shown],
            "search": [about["name"].lower() for about in self.shown],
            "spaces": [text.printable(about["namespace"] or "") for about in self.shown],
            "sparks": [self.spark(about) for about in self.shown],
            "sections": {
                section.key: [row_of(section, about) for about in found if about["workload_id"] < _MOST]
                for section, found in chosen
            },
            "patches": [patch for _, patch in self.patches],
            "sets": sections.patch_sets(self.patches),
        }
        cards = [self.card(about) for about in later]
        # By the dozen, so that unfolding one costs little.
        parts = [cards[begin : begin + _CHUNK] for begin in range(0, len(cards), _CHUNK)]
        return join(element("rows", told), *(element(f"cards-{number}", part) for number, part in enumerate(parts)))


def _titled(title: str, ident: str, write: Callable[..., Markup], told: Any) -> Markup:  # noqa: ANN401 - of `write`
    return el("section", el("h4", title, id=ident), write(told, aria_labelledby=ident))


def _grouped(frame: pl.DataFrame) -> Mapping[int, list[Row]]:
    """Give the rows of each workload, in one go: thousands of small frames cost far more."""
    return frame.rows_by_key("workload_id", named=True, include_key=True)


def _overview(chosen: list[tuple[Section, list[Row]]], contents: Contents, beside: Container[str]) -> Markup:
    there = [("apply", "Apply")] if "apply" in beside else []
    there += [("kills", "OOM kills")] if "kills" in beside else []
    there += [("changed", "Changes")] if contents.found.fleet.gone is not None else []
    there += [(section.key, f"{section.title} {len(found):,}") for section, found in chosen]
    there += [("capacity", "Capacity")] if contents.found.capacity.height else []
    there += [("all", f"All {len(contents.rows):,}"), ("quality", "Data quality")]
    links = (el("a", words, href=f"#section-{key}") for key, words in there)
    return el("nav", *links, class_="contents", aria_label="Sections")


def _filter(contents: Contents) -> Markup:
    spaces = namespaces(contents.rows[:_MOST])
    options = [el("option", f"all {len(spaces):,}", value=""), *(el("option", space, value=space) for space in spaces)]
    one = el("select", el("option", "all", value=""), id="namespace", hidden=True, aria_label="Namespace")
    return el(
        "div",
        el("label", "Search", el("input", id="search", type="search", placeholder="workload", autocomplete="off")),
        el("label", "Namespace", el("select", *options, id="namespace")) if len(spaces) > 1 else one,
        el("p", id="hits", class_="note", role="status"),
        id="filter",
        hidden=True,
    )


def _footer(written: dt.datetime | None, found: Assessment) -> Markup:
    legend = (
        "Intervals are 80 %. Growth is measured on the most reliable signal available. "
        "Sparks start at 0 and end at the larger of limit and peak; dotted: limit; ✕: OOM kill. The chance of an OOM "
        "kill is based on past week-to-week comparisons; for what grows, it is that of the growth reaching the limit."
    )
    said = [legend, *([f"{found.record.sentence}."] if found.record else [])]
    said += [f"Written {text.day(written, year=True)} {text.clock(written)} UTC by rmtoolkit."] if written else []
    without = el("noscript", el("p", "Without scripts the first rows and cards are shown, and nothing is sorted."))
    return el("footer", *(el("p", one) for one in said), without)
