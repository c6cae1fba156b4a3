from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views import report
from rmtoolkit.views.report import sections
from tests.views.conftest import arranged

if TYPE_CHECKING:
    from pathlib import Path

    from rmtoolkit.assessment import Assessment
    from rmtoolkit.views.report import Contents
    from rmtoolkit.views.report.columns import Section


CALM = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
HOSTILE = '"><script>alert(1)</script>'


class _Page(HTMLParser):
    """Elements with their attributes, the text, and whether every element was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _of(assessed: Assessment, rows: pl.DataFrame) -> Contents:
    """What a report on other rows says."""
    return report.Contents(arranged(assessed, rows, assessed))


def _unpacked(page: str, name: str) -> Any:
    """What a page carries packed."""
    found = re.search(rf'<script type="text/plain" id="{name}">([A-Za-z0-9+/=]*)</script>', page)
    assert found, name
    return json.loads(zlib.decompress(base64.b64decode(found[1]), -15))


@pytest.fixture(scope="module")
def told(assessed: Assessment) -> Contents:
    """What the fleet's report says."""
    return report.Contents(assessed)


@pytest.fixture(scope="module")
def written(told: Contents) -> str:
    """The fleet's page."""
    return report.page(told)


@pytest.fixture(scope="module")
def parsed(written: str) -> _Page:
    """The fleet's page, parsed."""
    return _Page(written)


def test_every_element_is_closed(parsed: _Page) -> None:
    """The page is well nested to its end."""
    assert parsed.open == []


def test_the_answer_comes_first(parsed: _Page) -> None:
    """Headline and where to start stand before any table; no line ends between an amount and its unit."""
    shown = parsed.text[parsed.text.index("Memory report, cluster") :]
    assert "and will hit its 512\u00a0Mi limit on Wed 25 Nov 16:17 UTC (in 61\u00a0h)." in shown
    shown = shown.replace("\u00a0", " ")
    order = [
        "2 of 7 workloads leak. 1 will hit its limit this week.",
        "2 were OOM-killed in the last 7 days.",
        "1 has too little data",
        "OOM-killed this week",
        "What to do first",
        "payments/ledger-api",
        "OOM kills",
        "Leaks 2 workloads",
        "ledger-api leaks 58 Mi/day and will hit its 512 Mi limit on Wed 25 Nov 16:17 UTC (in 61 h).",
        "Says",
        "What a higher limit buys",
        "Are caches bounded?",
        "Limits to raise or set 3 workloads",
        "Needs more data 2 workloads",
        "All workloads 7 workloads",
        "Data qualityCovers",
    ]
    places = [shown.index(words) for words in order]
    assert places == sorted(places)


def test_clusters_are_named_once_each(assessed: Assessment) -> None:
    """In the order of the alphabet; what has none is left out."""
    containers = assessed.recording.containers
    names = pl.Series(["west", None, "east", "west"]).gather(pl.int_range(containers.height, eager=True) % 4)
    recording = replace(assessed.recording, containers=containers.with_columns(cluster=names))
    shown = str(sections.top(replace(assessed, recording=recording), "A title"))
    assert "<b>A title</b>, clusters east, west</p>" in shown


def test_every_workload_has_a_card(told: Contents, written: str, parsed: _Page) -> None:
    """Row, card, chart, evidence and five answers for each workload, whether it stands in the page or is packed."""
    cards = [attributes.get("id") for _, attributes in parsed.elements if attributes.get("class") == "fold"]
    links = [attributes for attributes in parsed.all("a") if attributes.get("data-card")]
    assert {link["href"] for link in links} == {f"#{link['data-card']}" for link in links}
    assert {row["anchor"] for row in told.rows} == set(cards) == {link["data-card"] for link in links}
    assert "payments/ledger-api/app" in cards
    charts = [attributes for attributes in parsed.all("svg") if "timeline" in (attributes.get("class") or "")]
    assert len(charts) == len(told.rows)
    assert parsed.text.count("Question, and because") == len(told.rows)
    packed = _unpacked(written, "rows")
    assert packed["packed"] == [None] * len(told.rows)
    assert [row[0] for row in packed["sections"]["all"]] == list(range(len(told.rows)))


def test_cards_of_a_large_fleet_are_packed(assessed: Assessment) -> None:
    """What does not stand in the page is found in it: each card once, in the order that the page looks for."""
    calm = assessed.workloads.filter(workload="router")
    names = [f"edge/router-{number:02}" for number in range(60)]
    many = pl.concat([calm.with_columns(name=pl.lit(name), anchor=pl.lit(f"{name}/app")) for name in names])
    found = _of(assessed, many)
    page = report.page(found)
    packed = _unpacked(page, "rows")
    assert len(packed["anchors"]) == len(packed["sparks"]) == 60
    later = [anchor for anchor, place in zip(packed["anchors"], packed["packed"], strict=True) if place is not None]
    cards = [card for number in range(2) for card in _unpacked(page, f"cards-{number}")]
    assert len(cards) == len(later) > 32
    assert all(anchor.split("/")[1] in card for anchor, card in zip(later, cards, strict=True))
    standing = {attributes.get("id") for _, attributes in _Page(page).elements if attributes.get("class") == "fold"}
    assert standing == set(packed["anchors"]) - set(later)


def test_a_growth_has_the_same_digits_everywhere(assessed: Assessment) -> None:
    """103 Mi/day is 103 in row, fact and chart."""
    changed = pl.when(pl.col("workload") == "ledger-api").then(103.4 * (1 << 20)).otherwise("growth_bytes_per_day")
    shown = _Page(report.page(_of(assessed, assessed.workloads.with_columns(growth_bytes_per_day=changed))))
    assert "+103 Mi/day" in shown.text
    assert "100 Mi/day" not in shown.text


def test_an_endless_name_is_whole_in_a_title(assessed: Assessment) -> None:
    """Row and card show the ends of a label of 5,000 characters, and all of it when pointed at."""
    name = f"begin{'x' * 5000}end"
    row = assessed.workloads.filter(workload="router").with_columns(name=pl.lit(f"edge/{name}"))
    shown = _Page(report.page(_of(assessed, row)))
    titles = [attributes.get("title") or "" for tag, attributes in shown.elements if tag in ("a", "span")]
    assert sum(title.endswith(name) for title in titles) >= 2
    assert re.search(r"beginx{50,80}…x{50,80}end", shown.text)


def test_ids_are_unique(parsed: _Page) -> None:
    """Two charts in one page share no gradient, no clip, no pattern."""
    ids = [attributes["id"] for _, attributes in parsed.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_it_asks_for_nothing(written: str, parsed: _Page) -> None:
    """No address, no import, nothing that a browser would fetch; and the page forbids it besides."""
    assert "://" not in written
    assert "@import" not in written
    assert not [attributes for _, attributes in parsed.elements if "src" in attributes]
    assert not parsed.all("link")
    assert all((attributes.get("href") or "#").startswith("#") for attributes in parsed.all("a"))
    policy = next(attributes["content"] for attributes in parsed.all("meta") if "http-equiv" in attributes) or ""
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("name", ["style", "script"])
def test_the_policy_allows_its_own_parts_only(written: str, name: str) -> None:
    """The hash in the policy is that of the one style and the one script in the page."""
    found = re.findall(rf"<{name}>(.*?)</{name}>", written, re.DOTALL)
    assert len(found) == 1
    digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
    assert f"{name}-src &#x27;sha256-{digest}&#x27;" in written


def test_hostile_labels_are_text(written: str, parsed: _Page) -> None:
    """A workload that is named like markup is shown, not run."""
    assert HOSTILE in parsed.text
    assert "<script>alert" not in written
    assert "\x1b" not in written


def test_headings_and_tables_are_in_order(parsed: _Page) -> None:
    """Headings go down one level at a time; every table head has a scope."""
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(attributes.get("scope") in ("col", "row") for attributes in parsed.all("th"))


def test_images_have_a_name(parsed: _Page) -> None:
    """Every picture either says what it shows or is hidden from screen readers."""
    for attributes in parsed.all("svg"):
        named = attributes.get("aria-label") or attributes.get("aria-labelledby")
        assert attributes.get("aria-hidden") == "true" or (attributes.get("role") == "img" and named)


def test_the_same_week_gives_the_same_bytes(told: Contents, written: str) -> None:
    """Only the line that says when it was written differs from one day to the next."""
    assert report.page(told) == written
    dated = [report.page(told, written=dt.datetime(2026, 11, day, tzinfo=dt.UTC)) for day in (24, 25)]
    assert dated[0] != dated[1]
    assert dated[0].replace("Tue 24 Nov 2026", "Wed 25 Nov 2026") == dated[1]


def test_data_quality_is_told(parsed: _Page) -> None:
    """Coverage, what was left out and what was doubted are on the page."""
    shown = parsed.text[parsed.text.rindex("Data quality") :]
    assert "Coverage99." in shown
    assert "left out: 3 values that were NaN or infinite" in shown
    assert "missing: jemalloc gauges for mail/renderer" in shown
    assert "not used" in shown


def test_a_quiet_fleet_has_nothing_to_do(assessed: Assessment) -> None:
    """Without leak, doubt or risk the page says so."""
    calm = assessed.workloads.filter(workload="router").with_columns(action=pl.lit("none"))
    page = _Page(report.page(_of(assessed, calm)))
    assert "No leak found in 1 workload." in page.text
    assert "Nothing to do." in page.text or "can be given back." in page.text
    assert "Start with" not in page.text


def test_without_prices_there_is_no_cost(assessed: Assessment) -> None:
    """What is reserved stands in the place of what it costs, under its own name."""
    priced = [
        section for section in sections.SECTIONS if any(column.head == "Cost a month" for column in section.columns)
    ]
    shown = {currency: _of_currency(assessed, currency) for currency in (None, "USD")}
    assert priced
    assert {one.key for one in shown["USD"] if "Cost a month" in _heads(one)} == {one.key for one in priced}
    assert {one.key for one in shown[None] if "Reserved, all pods" in _heads(one)} == {one.key for one in priced}
    assert not any("Cost a month" in _heads(one) for one in shown[None])


def _of_currency(assessed: Assessment, currency: str | None) -> list[Section]:
    return sections.of(replace(assessed, fleet=replace(assessed.fleet, currency=currency)))


def _heads(section: Section) -> list[str]:
    return [column.head for column in section.columns]


def _service(name: str, mebibytes: int, pods: int = 1, **more: Any) -> pl.DataFrame:
    """Two weeks of a level, in hours; the first pod of several needs three times as much."""
    noise = np.random.default_rng(len(name)).normal(1, 0.01, 14 * 24)
    tables = []
    for pod in range(pods):
        values = (mebibytes << 20) * (3 if pods > 1 and pod == 0 else 1) * noise
        about = {"time": range(0, 14 * 86_400, 3600), "workload": name, "pod": f"{name}-{pod}", **more}
        tables.append(pl.DataFrame(about).with_columns(rss_bytes=pl.Series(values).cast(pl.Int64)))
    return pl.concat(tables)


def test_only_what_was_killed_is_said_to_have_been(tmp_path: Path) -> None:
    """A kill is told with the limit that killed, a hot pod with how hot it is; neither of a calm service."""
    from rmtoolkit.recording import Recording

    kill = pl.DataFrame([{"time": 10 * 86_400, "kind": "oom_kill", "pod": "api-0"}])
    sources: dict[str, pl.DataFrame | Recording] = {
        "killed": Recording.from_frame(_service("api", 150, limit_bytes=256 << 20), events=kill),
        "hot": _service("api", 100, pods=4, limit_bytes=2 << 30),
        "calm": _service("api", 200, limit_bytes=1 << 30),
    }
    texts = {}
    for name, source in sources.items():
        texts[name] = _Page(report.report(source, tmp_path / f"{name}.html").read_text("utf-8")).text
    told = {r"It was OOM.killed .*?at 256 Mi": "killed", r"One pod is 3\.0 times as high as the median pod": "hot"}
    for said, whose in told.items():
        assert [name for name, text in texts.items() if re.search(said, text)] == [whose]


def test_workloads_that_are_gone_are_named_twelve_at_most() -> None:
    """Of fourteen that were there last week twelve are named and two are counted; of twelve none is only counted."""
    tables = [_service(f"w{number:02}", 50) for number in range(15)]
    for gone in (12, 14):
        before = rm.assess(pl.concat(tables[: gone + 1]))
        text = _Page(report.page(report.contents(tables[0], previous=before))).text
        names = ", ".join(f"w{number:02}" for number in range(1, 13))
        more = " and 2 more." if gone > 12 else "."
        assert f"{gone} workloads of last time were not seen this time: {names}{more}" in text


@pytest.mark.parametrize("amount", [1, 10, 60, 120])
def test_a_fold_holds_as_many_as_it_says(assessed: Assessment, amount: int) -> None:
    """Changes and kills: rows that stand, rows that the fold says it holds and rows that it says it lacks are all."""
    row = assessed.workloads.row(0, named=True)
    kills = {"time": dt.datetime(2026, 11, 24, tzinfo=dt.UTC), "container_id": 0, "limit_bytes": 1 << 28}
    many = pl.DataFrame([{"workload_id": row["workload_id"], "kind": "worse", "sentence": "more", **kills}] * amount)
    found = replace(assessed, changes=many, kills=many, fleet=replace(assessed.fleet, gone=0))
    for section, begins in ((sections.changed, "<dt"), (sections.kills, "<li")):
        standing, _, rest = str(section(found, [row])).partition("<details")
        summary = re.search(r"<summary>(\d+) more .*?</summary>", rest)
        lacks = re.search(r"and (\d+) that are not listed", rest or standing)
        assert rest.count(begins) == (int(summary[1]) if summary else 0)
        assert standing.count(begins) + rest.count(begins) + (int(lacks[1]) if lacks else 0) == amount
        assert len(re.findall(r"\d+ (?:more|that are not)", rest)) <= 2


def test_the_title_is_the_readers(assessed: Assessment) -> None:
    """A title given is shown, escaped."""
    page = _Page(report.page(report.Contents(assessed, "Week <48>")))
    assert "Week <48>" in page.text


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    """`rm.report` judges and writes one file, and nothing else."""
    path = report.report(CALM, tmp_path / "week.html")
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_only_the_date_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """With a date of your own, or SOURCE_DATE_EPOCH, the same input gives the same bytes in every file."""
    date = dt.datetime(2026, 11, 23, 3, 5, tzinfo=dt.UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", f"{date.timestamp():.0f}" if source == "environment" else "")
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        report.report(CALM, folder / "week.html", beside=folder, date=date if source == "argument" else None)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 9
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    assert "Written Mon 23 Nov 2026 03:05 UTC" in (tmp_path / "a" / "week.html").read_text("utf-8")


def test_a_date_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOURCE_DATE_EPOCH that is no number is an error that quotes it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "monday")
    with pytest.raises(RmtoolkitError, match="SOURCE_DATE_EPOCH must be seconds since 1970, got 'monday'"):
        report.report(CALM, tmp_path / "week.html")
