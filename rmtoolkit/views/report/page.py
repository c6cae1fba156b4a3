"""One workload's card: the answer, the chart, the evidence, the five questions."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, el, join
from rmtoolkit.exceptions import UnknownWorkloadError
from rmtoolkit.text import shortened
from rmtoolkit.views import _tables, charts, timeline_svg
from rmtoolkit.views._tables import facts, pattern_words, with_code
from rmtoolkit.views.assets import asset
from rmtoolkit.views.charts import Sparks
from rmtoolkit.views.report import sections
from rmtoolkit.views.report.columns import SHOWN_NAME, advised, heads, known, row, values
from rmtoolkit.views.style import REPORT, REPORT_PART
from rmtoolkit.views.timeline import Timelines

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from rmtoolkit.views.report.contents import Contents, Row, Section
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
        el("span", charts.mark(mark.shape), mark.badge, class_="badge"),
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
    chosen = _chosen(contents)
    everything = [about for about in contents.rows if about["workload_id"] < _MOST]
    tables = [drawn.section(section, found, opened=not at) for at, (section, found) in enumerate(chosen)]
    whole = drawn.section(sections.ALL, everything, opened=not chosen)
    body = el(
        "body",
        el(
            "main",
            *_first_screen(contents, _overview(chosen, contents)),
            _filter(contents),
            *tables,
            sections.failures(contents),
            sections.capacity(contents),
            whole,
            _not_shown(contents),
            sections.accepted(contents),
            sections.quality(contents),
            _footer(written),
        ),
        drawn.packed([*chosen, (sections.ALL, everything)]),
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
        el("title", f"{text.printable(contents.title)}: {contents.found.fleet.sentence}"),
        el("style", REPORT),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def fragment(contents: Contents) -> Markup:
    """Write the report for the output of a notebook: no script, no request, rows without cards."""
    drawn = _Drawn(contents)
    tables = [drawn.section(section, found, opened=False, cards=False) for section, found in _chosen(contents)]
    parts = (
        *_first_screen(contents),
        *tables,
        sections.failures(contents),
        sections.capacity(contents),
        sections.accepted(contents),
        sections.quality(contents),
    )
    return Markup(f"{el('style', REPORT_PART)}{el('div', el('main', *parts), class_='rm')}")


def _chosen(contents: Contents) -> list[tuple[Section, list[Row]]]:
    """Find the sections that have rows."""
    return [(section, found) for section in sections.SECTIONS if (found := section.choose(contents))]


def _first_screen(contents: Contents, overview: Markup | None = None) -> Iterator[Markup | None]:
    """Write what stands before the tables."""
    yield sections.top(contents)
    yield sections.heading(contents)
    yield sections.start(contents)
    yield sections.incomplete(contents)
    yield sections.raised_again(contents)
    yield sections.tiles(contents)
    yield overview
    yield sections.changed(contents)


def shown_card(contents: Contents, name: str) -> Markup:
    """Write the card of one workload for the output of a notebook."""
    found = next((about for about in contents.rows if name in (about["name"], about["anchor"])), None)
    if found is None:
        raise UnknownWorkloadError.named(name, (about["name"] for about in contents.rows))
    card_of = _Drawn(contents, [found]).card(found)
    return Markup(f"{el('style', REPORT_PART)}{el('div', card_of, class_='rm')}")


def _policy() -> str:
    """Nothing from anywhere, and no script or style but the page's own: a hostile label can do nothing."""

    def own(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    script = own(asset("report.js"))
    return f"default-src 'none'; style-src {own(REPORT)}; script-src {script}; base-uri 'none'; form-action 'none'"


class _Drawn:
    """Rows, sparks and cards of the page; each card is made once, and stands in the page or is packed."""

    def __init__(self, contents: Contents, only: Sequence[Row] | None = None) -> None:
        found = contents.found
        self.contents = contents
        self.shown = contents.rows[:_MOST] if only is None else only
        charted = self.shown[:_CHARTS]
        self.charted = {about["workload_id"] for about in charted}
        self.sparks = Sparks(found, [about["container_id"] for about in self.shown])
        self.timelines = Timelines(found)
        pods = found.recording.containers.select("container_id", pl.coalesce("pod", "container"))
        self.pods = {container: text.printable(pod or "") for container, pod in pods.iter_rows()}
        self.lives = _grouped(found.lives.sort("container_id", "life"), "workload_id")
        self.checklist = _grouped(found.checklist, "workload_id")
        self.instances = _grouped(found.instances.drop("evidence"), "workload_id")
        self.bought = _grouped(found.buys, "workload_id")
        self.standing: set[int] = set()
        self.drawn: dict[int, object] = {}

    def spark(self, about: Row) -> object:
        """Draw a spark once."""
        if about["workload_id"] not in self.drawn:
            self.drawn[about["workload_id"]] = self.sparks.of(about["container_id"])
        return self.drawn[about["workload_id"]]

    def section(self, section: Section, found: Sequence[Row], *, opened: bool, cards: bool = True) -> Markup:
        """Write a table with its first rows, and the first cards under them."""
        names = heads(section.columns, self.sparks.heading)
        sorted_by = ["text", *("" if column.value is None else "number" for column in section.columns)]
        rows: list[Markup] = []
        for place, about in enumerate(found[:_STANDING]):
            first = place == 0 and opened
            line = row(self.contents, about, section.columns, self.spark(about), self.sparks.heading)
            if cards and about["workload_id"] not in self.standing and len(self.standing) < _CARDS:
                self.standing.add(about["workload_id"])
                if first:
                    line = Markup(line.replace("<a ", '<a data-open="1" ', 1))
                fold = el("div", self.card(about), id=about["anchor"], class_="fold")
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
            el("h2", section.title, " ", el("span", sections.counted(section, len(found)), class_="note"), id=ident),
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

    def card(self, about: Row) -> Markup:
        """Write the card of one workload."""
        at = about["workload_id"]
        inside = card(
            about,
            ident=f"c{at}",
            timeline=self.timelines.of(about) if at in self.charted else None,
            beside=(known(about), advised(self.contents, about, self.bought.get(at, ()))),
            checklist=self.checklist.get(at, ()),
            lives=self.lives.get(at, ()),
            instances=self.instances.get(at, ()),
            pods=self.pods,
            target=self.contents.found.fleet.target,
        )
        return el("article", inside, class_=f"card {text.VERDICTS[about['verdict']].token}")

    def packed(self, chosen: list[tuple[Section, list[Row]]]) -> Markup:
        """Pack all rows, and the cards that do not stand in the page."""
        rows = {
            section.key: [
                [
                    about["workload_id"],
                    row(self.contents, about, section.columns, "", self.sparks.heading),
                    values(about, section.columns),
                ]
                for about in found
                if about["workload_id"] < _MOST
            ]
            for section, found in chosen
        }
        later = [about for about in self.shown if about["workload_id"] not in self.standing]
        places = {about["workload_id"]: place for place, about in enumerate(later)}
        told = {
            "anchors": [about["anchor"] for about in self.shown],
            "packed": [places.get(about["workload_id"]) for about in self.shown],
            "search": [about["name"].lower() for about in self.shown],
            "spaces": [text.printable(about["namespace"] or "") for about in self.shown],
            "sparks": [self.spark(about) for about in self.shown],
            "sections": rows,
        }
        cards = chunks([self.card(about) for about in later], _CHUNK)
        return Markup("".join([element("rows", told), *cards]))


def _grouped(frame: pl.DataFrame, key: str) -> dict[int, list[dict[str, Any]]]:
    """Give rows by a key, in one go: thousands of small frames cost far more."""
    found: dict[int, list[dict[str, Any]]] = {}
    for one in frame.iter_rows(named=True):
        found.setdefault(one[key], []).append(one)
    return found


def _overview(chosen: list[tuple[Section, list[Row]]], contents: Contents) -> Markup:
    """Link to the sections that are there."""
    parts: list[object] = []
    for section, found in chosen:
        parts.append(el("a", f"{section.title} {len(found):,}", href=f"#section-{section.key}"))
    if contents.found.capacity.height:
        parts.append(el("a", "Capacity", href="#section-capacity"))
    parts.append(el("a", f"All {len(contents.rows):,}", href="#section-all"))
    parts.append(el("a", "Data quality", href="#section-quality"))
    return el("nav", *parts, class_="contents", aria_label="Sections")


def _filter(contents: Contents) -> Markup:
    """Write the controls; they appear where the script runs."""
    spaces = sorted({text.printable(about["namespace"] or "") for about in contents.rows[:_MOST]})
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
    more = len(contents.rows) - _MOST
    if more <= 0:
        return None
    where = "they are in verdicts.parquet"
    return el("p", f"{more:,} more workloads, the least urgent, have no row here: {where}.", class_="note")


def _footer(written: dt.datetime | None) -> Markup:
    legend = (
        "Intervals are 80 %. Growth is measured on the most reliable signal available. "
        "Sparks start at 0 and end at the larger of limit and peak; dotted: limit; ✕: OOM kill. The chance of an OOM "
        "kill is counted in past pairs of weeks; for what grows, it is that of the growth reaching the limit."
    )
    stamp = (
        el("p", f"Written {text.day(written, year=True)} {text.clock(written)} UTC by rmtoolkit.") if written else None
    )
    without = el("noscript", el("p", "Without scripts the first rows and cards are shown, and nothing is sorted."))
    return el("footer", el("p", legend), stamp, without)
