"""The weekly report as one self-contained page."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import UnknownWorkloadError
from rmtoolkit.views.assets import asset
from rmtoolkit.views.charts import Sparks
from rmtoolkit.views.report import sections as section_tables
from rmtoolkit.views.report.card import card
from rmtoolkit.views.report.columns import advised, heads, known, row, values
from rmtoolkit.views.report.sections import ALL as SECTIONS_ALL
from rmtoolkit.views.report.sections import SECTIONS as SECTIONS_SECTIONS
from rmtoolkit.views.report.sections import counted as sections_counted
from rmtoolkit.views.report.sections import heading, quality, start, tiles, top
from rmtoolkit.views.style import REPORT, REPORT_PART
from rmtoolkit.views.timeline import Timelines

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from rmtoolkit.views.report.contents import Contents, Entry
    from rmtoolkit.views.report.sections import Section as sections_Section


def packed(value: object) -> Markup:
    """Compress anything that JSON can hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    packer = zlib.compressobj(7, zlib.DEFLATED, -15, 9)
    return Markup(base64.b64encode(packer.compress(text.encode()) + packer.flush()).decode())


def element(ident: str, value: object, **attributes: object) -> Markup:
    """Put a packed value in the page."""
    return el("script", packed(value), type="text/plain", id=ident, **attributes)


def chunks(cards: Sequence[str], size: int) -> Iterator[Markup]:
    """Pack cards by the dozen, so that unfolding one costs little."""
    for number, begin in enumerate(range(0, len(cards), size)):
        yield element(f"cards-{number}", cards[begin : begin + size])


#: Rows of a section that stand in the page without a script; the rest is packed.
_STANDING: Final = 10
#: Cards that stand in the page, the worst; open ones are printed.
_CARDS: Final = 12
#: Workloads whose card has a drawn chart; the spark of the others is enlarged.
_CHARTS: Final = 240
#: Workloads that have a row and a card at all.
_MOST: Final = 5_000
_CHUNK: Final = 32


def page(contents: Contents, *, written: dt.datetime | None = None) -> str:
    """Write the whole page."""
    drawn = _Drawn(contents)
    chosen = [(section, section.choose(contents)) for section in SECTIONS_SECTIONS]
    chosen = [(section, entries) for section, entries in chosen if entries]
    everything = [entry for entry in contents.entries if entry.at < _MOST]
    sections = [drawn.section(section, entries, opened=not at) for at, (section, entries) in enumerate(chosen)]
    whole = drawn.section(SECTIONS_ALL, everything, opened=not chosen)
    body = el(
        "body",
        el(
            "main",
            top(contents),
            heading(contents),
            start(contents),
            section_tables.incomplete(contents),
            section_tables.raised_again(contents),
            tiles(contents),
            _overview(chosen, contents),
            section_tables.changed(contents),
            _filter(contents),
            *sections,
            section_tables.failures(contents),
            section_tables.capacity(contents),
            whole,
            _not_shown(contents),
            section_tables.accepted(contents),
            quality(contents),
            _footer(written),
        ),
        drawn.packed([*chosen, (SECTIONS_ALL, everything)]),
        el("script", asset("report.js")),
        class_="rm",
        data_chunk=_CHUNK,
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy()),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{text.printable(contents.title)}: {contents.counts.sentence}"),
        el("style", REPORT),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def fragment(contents: Contents) -> Markup:
    """Write the report for the output of a notebook: no script, no request, rows without cards."""
    drawn = _Drawn(contents)
    chosen = [(section, section.choose(contents)) for section in SECTIONS_SECTIONS]
    sections = [drawn.section(section, entries, opened=False, cards=False) for section, entries in chosen if entries]
    parts = (
        top(contents),
        heading(contents),
        start(contents),
        section_tables.incomplete(contents),
        section_tables.raised_again(contents),
        tiles(contents),
        section_tables.changed(contents),
        *sections,
        section_tables.failures(contents),
        section_tables.capacity(contents),
        section_tables.accepted(contents),
        quality(contents),
    )
    return Markup(f"{el('style', REPORT_PART)}{el('div', el('main', *parts), class_='rm')}")


def shown_card(contents: Contents, name: str) -> Markup:
    """Write the card of one workload for the output of a notebook."""
    entry = next((entry for entry in contents.entries if name in (entry.name, entry.anchor)), None)
    if entry is None:
        raise UnknownWorkloadError.named(name, (one.name for one in contents.entries))
    card_of = _Drawn(contents, [entry]).card(entry)
    return Markup(f"{el('style', REPORT_PART)}{el('div', card_of, class_='rm')}")


def _policy() -> str:
    """Nothing from anywhere, and no script or style but the page's own: a hostile label can do nothing."""

    def own(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    script = own(asset("report.js"))
    return f"default-src 'none'; style-src {own(REPORT)}; script-src {script}; base-uri 'none'; form-action 'none'"


class _Drawn:
    """Rows, sparks and cards of the page; each card is made once, and stands in the page or is packed."""

    def __init__(self, contents: Contents, only: Sequence[Entry] | None = None) -> None:
        judgement = contents.week.judgement
        self.contents = contents
        self.entries = contents.entries[:_MOST] if only is None else only
        self.charted = {entry.at for entry in self.entries[:_CHARTS]}
        charted = [entry.row["container_id"] for entry in self.entries[:_CHARTS]]
        shown = pl.Series([entry.row["container_id"] for entry in self.entries], dtype=pl.UInt32)
        self.sparks = Sparks(judgement, shown)
        self.timelines = Timelines(judgement, only=charted)
        self.about = {one["container_id"]: one for one in judgement.recording.containers.iter_rows(named=True)}
        lives = judgement.lives.filter(pl.col("container_id").is_in(shown.implode())).sort("container_id", "life")
        self.lives = _grouped(lives, ("container_id",))
        self.checklist = _grouped(judgement.checklist, WORKLOAD)
        self.instances = _grouped(judgement.instances.drop("evidence"), WORKLOAD)
        self.bought = contents.buys.partition_by(WORKLOAD, as_dict=True)
        self.standing: set[int] = set()
        self.drawn: dict[int, object] = {}

    def spark(self, entry: Entry) -> object:
        """Draw a spark once."""
        if entry.at not in self.drawn:
            self.drawn[entry.at] = self.sparks.of(entry.row["container_id"])
        return self.drawn[entry.at]

    def section(self, section: sections_Section, entries: list[Entry], *, opened: bool, cards: bool = True) -> Markup:
        """Write a table with its first rows, and the first cards under them."""
        names = heads(section.columns, self.sparks.heading)
        sorted_by = ["text", *("" if column.value is None else "number" for column in section.columns)]
        rows: list[Markup] = []
        for place, entry in enumerate(entries[:_STANDING]):
            first = place == 0 and opened
            line = row(self.contents, entry, section.columns, self.spark(entry), self.sparks.heading)
            if cards and entry.at not in self.standing and len(self.standing) < _CARDS:
                self.standing.add(entry.at)
                if first:
                    line = Markup(line.replace("<a ", '<a data-open="1" ', 1))
                fold = el("div", self.card(entry), id=entry.anchor, class_="fold")
                unfolded = el("tr", el("td", fold, colspan=len(names), role="cell"), class_="unfolded", role="row")
                rows += [line, unfolded]
            else:
                rows.append(line)
        ident = f"section-{section.key}"
        head = (
            el("th", name, scope="col", role="columnheader", class_=side or None, data_by=by or None)
            for (name, _, side), by in zip(names, sorted_by, strict=True)
        )
        return el(
            "section",
            el("h2", section.title, " ", el("span", sections_counted(section, len(entries)), class_="note"), id=ident),
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

    def card(self, entry: Entry) -> Markup:
        """Write the card of one workload."""
        found = entry.row
        same = tuple(found[part] for part in WORKLOAD)
        inside = card(
            found | {"oom_probability_7d": found["oom_probability"]},
            name=entry.name,
            ident=f"c{entry.at}",
            timeline=self.timelines.of(found) if entry.at in self.charted else None,
            beside=(known(entry), advised(self.contents, entry, self.bought.get(same))),
            checklist=self.checklist.get(same, ()),
            lives=self.lives.get((found["container_id"],), ()),
            instances=self.instances.get(same, ()),
            about=self.about[found["container_id"]],
        )
        return el("article", inside, class_=f"card {text.VERDICTS[found['verdict']].token}")

    def packed(self, chosen: list[tuple[sections_Section, list[Entry]]]) -> Markup:
        """Pack all rows, and the cards that do not stand in the page."""
        rows: dict[str, list[Any]] = {}
        for section, entries in chosen:
            rows[section.key] = [
                [
                    entry.at,
                    row(self.contents, entry, section.columns, "", self.sparks.heading),
                    values(entry, section.columns),
                ]
                for entry in entries
                if entry.at < _MOST
            ]
        later = [entry for entry in self.entries if entry.at not in self.standing]
        places = {entry.at: place for place, entry in enumerate(later)}
        told = {
            "anchors": [entry.anchor for entry in self.entries],
            "packed": [places.get(entry.at) for entry in self.entries],
            "search": [entry.name.lower() for entry in self.entries],
            "spaces": [text.printable(entry.row["namespace"] or "") for entry in self.entries],
            "sparks": [self.spark(entry) for entry in self.entries],
            "sections": rows,
        }
        cards = chunks([self.card(entry) for entry in later], _CHUNK)
        return Markup("".join([element("rows", told), *cards]))


def _grouped(frame: pl.DataFrame, keys: Sequence[str]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Give rows by a key, in one go: thousands of small frames cost far more."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in frame.iter_rows(named=True):
        found.setdefault(tuple(one[key] for key in keys), []).append(one)
    return found


def _overview(chosen: list[tuple[sections_Section, list[Entry]]], contents: Contents) -> Markup:
    """Link to the sections that are there."""
    parts: list[object] = []
    for section, entries in chosen:
        parts.append(el("a", f"{section.title} {len(entries):,}", href=f"#section-{section.key}"))
    if contents.capacity.height:
        parts.append(el("a", "Capacity", href="#section-capacity"))
    parts.append(el("a", f"All {len(contents.entries):,}", href="#section-all"))
    parts.append(el("a", "Data quality", href="#section-quality"))
    return el("nav", *parts, class_="contents", aria_label="Sections")


def _filter(contents: Contents) -> Markup:
    """Write the controls; they appear where the script runs."""
    spaces = sorted({text.printable(entry.row["namespace"] or "") for entry in contents.entries[:_MOST]})
    options = [el("option", f"all {len(spaces):,}", value="")]
    options += [el("option", space or text.NOT_APPLICABLE, value=space) for space in spaces if space]
    return el(
        "div",
        el("label", "Search", el("input", id="search", type="search", placeholder="workload", autocomplete="off")),
        el("label", "Namespace", el("select", *options, id="namespace")) if len(spaces) > 1 else _one_space(),
        el("p", id="hits", class_="note", role="status"),
        id="filter",
        hidden=True,
    )


def _one_space() -> Markup:
    return el("select", el("option", "all", value=""), id="namespace", hidden=True, aria_label="Namespace")


def _not_shown(contents: Contents) -> Markup | None:
    more = len(contents.entries) - _MOST
    if more <= 0:
        return None
    where = "they are in verdicts.parquet and limits.parquet"
    return el("p", f"{more:,} more workloads, the least urgent, have no row here: {where}.", class_="note")


def _footer(written: dt.datetime | None) -> Markup:
    legend = (
        "Intervals are 80 %. Growth is of the live heap where it is exported, else of the nearest signal there is. "
        "Sparks start at 0 and end at the larger of limit and peak; dotted: limit; ✕: OOM kill. The chance of an OOM "
        "kill is counted in past pairs of weeks; for what grows, it is that of the growth reaching the limit."
    )
    stamp = (
        el("p", f"Written {text.day(written, year=True)} {text.clock(written)} UTC by rmtoolkit.") if written else None
    )
    without = el("noscript", el("p", "Without scripts the first rows and cards are shown, and nothing is sorted."))
    return el("footer", el("p", legend), stamp, without)
