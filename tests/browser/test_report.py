"""The page in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import polars as pl
import pytest
from axe_playwright_python.sync_playwright import Axe

from rmtoolkit.recording import Recording
from rmtoolkit.views import report
from rmtoolkit.views.report import files as pdf
from tests import fleet
from tests.browser.hosts import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

HOSTILE = '"><img src=http://127.0.0.1:9/x onerror=alert(1)><script>alert(1)</script>'
MI = 1 << 20


def _service(namespace: str, workload: str, growth: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": range(1_700_000_000, 1_700_000_000 + 60 * 400, 60),
            "namespace": namespace,
            "workload": workload,
            "pod": f"{workload}-0",
            "container": "app",
            "allocated_bytes": [40 * MI + at * growth for at in range(400)],
            "working_set_bytes": [50 * MI + at * growth for at in range(400)],
            "limit_bytes": 128 * MI,
        },
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about leaks, calm services and one with a hostile name: more than stand in it unpacked."""
    services = [_service("shop", f"leak{number}", MI // 8) for number in range(4)]
    calm = [_service(f"team{number % 3}", f"calm{number:02}", 0) for number in range(40)]
    recording = Recording.from_frame(pl.concat([*services, *calm, _service("ops", HOSTILE, 0)]))
    return report.report(recording, tmp_path_factory.mktemp("report") / "week.html")


@pytest.fixture(scope="module")
def stretched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of names that break nowhere, more leaks than are listed first, and gauges that cannot be right."""
    names = [f"{number}{'w' * 250}" for number in range(14)]
    services = pl.concat([_service("n" * 250, name, MI // 8) for name in names])
    stale = services.with_columns(active_bytes=pl.lit(70 * MI), cluster=pl.lit("c" * 250))
    return report.report(Recording.from_frame(stale), tmp_path_factory.mktemp("stretched") / "week.html")


class _Opened:
    """A page, and everything it asked for or complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[dict[bool, Page]]:
    """A tab with scripts and one without: each that is opened is a process of its own."""
    contexts = {scripts: browser.new_context(java_script_enabled=scripts) for scripts in (True, False)}
    yield {scripts: context.new_page() for scripts, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.fixture
def opened(tabs: dict[bool, Page], request: pytest.FixtureRequest) -> _Opened:
    """An empty tab of 1,280 px, or of the width that a test asks for."""
    wanted: dict[str, object] = {"width": 1280, "scripts": True} | getattr(request, "param", {})
    page = tabs[bool(wanted["scripts"])]
    page.goto("about:blank")
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": int(str(wanted["width"])), "height": 800})
    return _Opened(page)


WIDE_AND_NARROW = pytest.mark.parametrize(
    "opened", [{"width": 1280}, {"width": 400}], indirect=True, ids=["1280", "400"]
)
WITHOUT_SCRIPTS = pytest.mark.parametrize("opened", [{"scripts": False}], indirect=True, ids=["no script"])


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about the worked fleet, with what changed and what memory costs."""
    path = tmp_path_factory.mktemp("monday") / "week.html"
    found = fleet.assessed()
    # One of a kind that has patches, so that a provisional one is among them.
    kind = pl.when(workload="killed-while-starting").then(pl.lit("Deployment")).otherwise("workload_kind")
    changed = replace(found, workloads=found.workloads.with_columns(workload_kind=kind))
    return report.write(report.Contents(changed), path, date=fleet.NOW)


_SEEN = """words => [...document.querySelectorAll("h2, a, b, div, span, button, p, dd, th, td")].some(one => {
  const box = one.getBoundingClientRect();
  const seen = box.height && box.height < 200 && box.top >= 0 && box.bottom <= innerHeight;
  return seen && one.textContent.replaceAll("\u00a0", " ").includes(words);
})"""


#: What is asked on Monday: the link to press (None: it stands on the first screen), and what the answer says.
_MONDAY: Final = {
    "killed": ("OOM-killed this week", ["the data said 17:51 (80 %: 17:08 to 18:55); it was killed at 18:00."]),
    "will be": ("will be killed", ["start-and-bursts", "Raise the limit from 384 Mi to 608 Mi."]),
    "leaks": ("leak", ["killed-climbs", "quick-flutter", "release-after-a-gap"]),
    "money": ("can be given back", ["525 Mi", "1.50 EUR a month", "a-step-and-a-slow-rise", "Lower the limit from"]),
    "apply": ("Apply", ["Copy all 4", "provisional"]),
    "changed": ("Changes", ["mail/thread-stacks", "was not there last time"]),
}
_FIRST: Final = {
    400: ["mail/killed-climbs", "will hit its 256 Mi limit on Tue 17 Nov 02:51 UTC"],
    1280: [
        "OOM-killed twice at 256 Mi, last Mon 16 Nov 18:00 UTC",
        "will hit its 256 Mi limit on Tue 17 Nov 02:51 UTC",
    ],
}


@pytest.mark.parametrize(
    ("opened", "first"),
    [({"width": width}, one) for width, one in _FIRST.items()],
    indirect=["opened"],
    ids=["400", "1280"],
)
def test_each_question_of_monday_is_answered_within_a_click(opened: _Opened, monday: Path, first: list[str]) -> None:
    """What is killed, leaks, is wasted, changed and is to apply stands on one screen, a link away at most."""
    opened.page.goto(monday.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    for name, (click, answers) in {"first": (None, first), **_MONDAY}.items():
        if click is not None:
            opened.page.evaluate("scrollTo(0, 0)")
            opened.page.wait_for_function("scrollY === 0")
            opened.page.get_by_role("link", name=click, exact=True).click()
            opened.page.wait_for_function("scrollY > 0")
        assert [words for words in answers if not opened.page.evaluate(_SEEN, words)] == [], name


def test_a_patch_is_copied(opened: _Opened, monday: Path) -> None:
    """One patch, all of them, and those that are not provisional; each whole, containers of a pod once."""
    opened.page.goto(monday.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    opened.page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async it => { window.kept = it; }}})"
    )
    texts = {}
    for name in ("Copy the patch of mail/start-and-bursts", "Copy all 4", "Copy the 3 that are not provisional"):
        opened.page.evaluate("window.kept = null")
        opened.page.get_by_role("button", name=name, exact=True).click()
        opened.page.wait_for_function("window.kept !== null")
        texts[name] = opened.page.evaluate("window.kept")
    one, whole, settled = texts.values()
    assert one in whole
    assert one in settled
    assert "memory: 608Mi" in one
    assert "Provisional" not in settled
    assert "killed-while-starting" in whole
    assert "thread-stacks" not in whole
    assert opened.page.locator("#copied").inner_text() == "3 patches copied"
    assert opened.complaints == []


def test_no_heads_or_cells_lie_on_each_other(opened: _Opened, monday: Path) -> None:
    """What is written in a table stays in its own cell."""
    opened.page.goto(monday.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    for width in (400, 800, 1000, 1280):
        opened.page.set_viewport_size({"width": width, "height": 800})
        found = opened.page.evaluate(
            "() => [...document.querySelectorAll('.workloads > thead th, .workloads > tbody > .row > *, .apply td')]"
            ".filter(cell => cell.offsetParent && cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth > 1)"
            ".map(cell => cell.textContent)"
        )
        assert found == [], width


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_axe_finds_nothing(browser: Browser, monday: Path, scheme: Literal["light", "dark"], width: int) -> None:
    """Contrast, names, landmarks and the order of headings, in both themes, one of them narrow."""
    # The page allows no script but its own: the checker has to be let in.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(monday.as_uri())
    page.locator(CONTROLS).wait_for(state="visible")
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    context.close()


#: What everybody waits for: the packed rows are there, and the controls with them.
CONTROLS = "#filter"


def _open_all(opened: _Opened) -> None:
    """Unfold every card that has a row."""
    opened.page.locator(CONTROLS).wait_for(state="visible")
    opened.page.evaluate(
        "document.querySelectorAll('section[data-key=all] a[data-card][aria-expanded=false]').forEach(a => a.click())",
    )
    opened.page.wait_for_function(
        "[...document.querySelectorAll('section[data-key=all] a[data-card]')]"
        ".every(link => link.getAttribute('aria-expanded') === 'true')"
    )


def _rows(opened: _Opened, section: str) -> list[str]:
    """Names in a section, from the top down."""
    names: list[str] = opened.page.evaluate(
        "key => [...document.querySelectorAll(`section[data-key=${key}] .row a[data-card]`)].map(a => a.textContent)",
        section,
    )
    return names


@WIDE_AND_NARROW
def test_it_opens_from_a_file_and_asks_for_nothing(opened: _Opened, path: Path) -> None:
    """The only request is the page itself, and the console stays empty."""
    opened.page.goto(path.as_uri())
    _open_all(opened)
    assert opened.requests == [path.as_uri()]
    assert opened.complaints == []
    assert "4 will hit their limit this week." in opened.page.locator("h1").inner_text()


@WIDE_AND_NARROW
def test_only_charts_scroll_sideways(opened: _Opened, path: Path, monday: Path, stretched: Path) -> None:
    """With every card open the page is as wide as its window."""
    for page in (path, monday, stretched):
        opened.page.goto(page.as_uri())
        _open_all(opened)
        opened.page.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("opened", [{"width": 400}], indirect=True, ids=["400"])
def test_a_narrow_chart_starts_at_now(opened: _Opened, path: Path) -> None:
    """On a phone the chart is scrolled to the last sample and what is ahead of it."""
    opened.page.goto(f"{path.as_uri()}#shop/leak0/app")
    chart = opened.page.locator('[id="shop/leak0/app"] .scroll')
    chart.wait_for(state="visible")
    opened.page.wait_for_function("document.getElementById('shop/leak0/app').querySelector('.scroll').scrollLeft > 0")
    assert chart.evaluate("element => element.scrollWidth > element.clientWidth")
    seen = chart.evaluate(
        "element => (element.querySelector('svg').dataset.now * element.scrollWidth - element.scrollLeft)"
        " / element.clientWidth",
    )
    assert 0 < seen < 0.5


def test_cards_open_and_close(opened: _Opened, path: Path) -> None:
    """A row's name opens its card and closes it again, with the mouse and with the keyboard."""
    opened.page.goto(path.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    name = opened.page.locator("section[data-key=leak]").get_by_role("button", name="leak3", exact=True)
    heading = opened.page.locator('[id="shop/leak3/app"] h3')
    assert not heading.is_visible()
    name.click()
    heading.wait_for(state="visible")
    assert name.get_attribute("aria-expanded") == "true"
    name.press("Enter")
    heading.wait_for(state="hidden")
    assert name.get_attribute("aria-expanded") == "false"


def test_a_card_moves_to_the_row_that_asked(opened: _Opened, path: Path) -> None:
    """The same workload in two tables has one card: it unfolds under the row that was clicked last."""
    opened.page.goto(f"{path.as_uri()}#shop/leak3/app")
    card = opened.page.locator('[id="shop/leak3/app"]')
    card.wait_for(state="visible")
    assert card.evaluate("fold => fold.closest('section').dataset.key") == "dying"
    opened.page.locator("section[data-key=all]").get_by_role("button", name="leak3", exact=True).click()
    opened.page.wait_for_function(
        "document.getElementById('shop/leak3/app').closest('section').dataset.key === 'all'",
    )
    assert card.count() == 1
    first = opened.page.locator("section[data-key=dying] a[data-card='shop/leak3/app']")
    assert first.get_attribute("aria-expanded") == "false"


@pytest.mark.parametrize("name", ["team1/calm07", "team0/calm33", "shop/leak0"])
def test_an_address_opens_its_card(opened: _Opened, path: Path, name: str) -> None:
    """`#namespace/workload/container` opens the card and shows it, also one whose row is not shown yet."""
    opened.page.goto(f"{path.as_uri()}#{name}/app")
    heading = opened.page.locator(f'[id="{name}/app"] h3')
    heading.wait_for(state="visible")
    assert name.split("/")[1] in heading.inner_text()
    opened.page.wait_for_function("scrollY > 0")
    opened.page.evaluate("location.hash = 'shop/leak3/app'")
    opened.page.locator('[id="shop/leak3/app"] h3').wait_for(state="visible")


def test_search_and_namespace_filter_every_table(opened: _Opened, path: Path) -> None:
    """Both controls work on all tables at once, say how many they found, and give everything back when cleared."""
    opened.page.goto(path.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    before = _rows(opened, "all")
    opened.page.get_by_label("Search").fill("calm3")
    opened.page.get_by_text("10 of 45 workloads", exact=True).wait_for()
    assert sorted(_rows(opened, "all")) == [f"calm3{number}" for number in range(10)]
    assert _rows(opened, "leak") == []
    opened.page.get_by_label("Namespace").select_option("team1")
    opened.page.get_by_text("3 of 45 workloads", exact=True).wait_for()
    assert sorted(_rows(opened, "all")) == ["calm31", "calm34", "calm37"]
    opened.page.get_by_label("Namespace").select_option("")
    opened.page.get_by_label("Search").press("Escape")
    opened.page.wait_for_function("document.getElementById('hits').textContent === ''")
    assert _rows(opened, "all") == before


def test_tables_are_sorted_by_their_heads(opened: _Opened, path: Path) -> None:
    """A head sorts its whole table, not only what is shown, says so to screen readers, and a third press undoes it."""
    opened.page.goto(path.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    before = _rows(opened, "all")
    button = opened.page.locator("section[data-key=all] th").get_by_role("button", name="Workload")
    button.click()
    opened.page.wait_for_function("document.querySelector('section[data-key=all] th[aria-sort=ascending]')")
    opened.page.wait_for_function(
        "document.querySelectorAll('section[data-key=all] .row a')[1].textContent === 'leak0'",
    )
    assert _rows(opened, "all")[1:6] == ["leak0", "leak1", "leak2", "leak3", "calm00"]
    button.click()
    opened.page.wait_for_function("document.querySelector('section[data-key=all] th[aria-sort=descending]')")
    opened.page.wait_for_function(
        "document.querySelector('section[data-key=all] .row a').textContent === 'calm38'",
    )
    assert _rows(opened, "all")[:2] == ["calm38", "calm35"]
    button.click()
    opened.page.wait_for_function("!document.querySelector('section[data-key=all] th[aria-sort]')")
    opened.page.wait_for_function(
        "document.querySelector('section[data-key=all] .row a').textContent !== 'calm38'",
    )
    assert _rows(opened, "all") == before


def test_whatever_the_keyboard_reaches_shows_it(opened: _Opened, monday: Path) -> None:
    """Tab goes through the page and out of it at the end; what has the focus has a line around it."""
    opened.page.goto(monday.as_uri())
    kinds: set[str] = set()
    for _ in range(400):
        opened.page.keyboard.press("Tab")
        found = opened.page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
              return one === document.body ? null : [`${one.tagName}.${one.className}`, style.outlineStyle]; }"""
        )
        if found is None:
            break
        assert found[1] == "solid", found
        kinds.add(found[0])
    else:
        pytest.fail("the focus never leaves the page")
    assert {"BUTTON.sort", "INPUT.", "SUMMARY."} <= kinds


def test_more_rows_are_shown_when_asked(opened: _Opened, path: Path) -> None:
    """The button under a table shows the next rows, until there are no more."""
    opened.page.goto(path.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    button = opened.page.locator("section[data-key=all] .more")
    button.wait_for(state="visible")
    assert button.inner_text() == "Show 25 more of 35"
    button.click()
    assert button.inner_text() == "Show 10 more"
    button.click()
    assert not button.is_visible()
    assert len(_rows(opened, "all")) == 45


def test_hostile_labels_are_text(opened: _Opened, path: Path) -> None:
    """A workload named like markup is read as its name, and nothing of it runs."""
    opened.page.goto(path.as_uri())
    _open_all(opened)
    opened.page.get_by_label("Search").fill("onerror")
    opened.page.get_by_text("1 of 45 workloads", exact=True).wait_for()
    assert _rows(opened, "all") == [HOSTILE]
    link = opened.page.locator("section[data-key=all] a[data-card]")
    if link.get_attribute("aria-expanded") == "false":
        link.click()
    opened.page.locator("section[data-key=all] .fold h3").wait_for(state="visible")
    assert HOSTILE in opened.page.locator("section[data-key=all] .fold").inner_text()
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("script:not([type])").count() == 1
    assert opened.requests == [path.as_uri()]
    assert opened.complaints == []


@WITHOUT_SCRIPTS
def test_without_scripts_the_worst_is_open(opened: _Opened, path: Path) -> None:
    """The first cards can be read where scripts are switched off; controls that need them are hidden."""
    opened.page.goto(path.as_uri())
    cards = opened.page.locator("article h3")
    assert cards.count() == 12
    assert all(card.is_visible() for card in cards.all())
    assert not opened.page.locator(CONTROLS).is_visible()
    assert not opened.page.locator(".more").first.is_visible()


def test_print_opens_the_cards_in_the_page(opened: _Opened, path: Path) -> None:
    """On paper the worst cards are open, and controls are not there."""
    opened.page.goto(path.as_uri())
    opened.page.locator(CONTROLS).wait_for(state="visible")
    opened.page.emulate_media(media="print")
    assert all(card.is_visible() for card in opened.page.locator("article h3").all())
    assert not opened.page.locator(CONTROLS).is_visible()


def test_labels_in_charts_do_not_overlap(opened: _Opened, path: Path) -> None:
    """As the browser really sets them, no label of a chart lies on another one."""
    opened.page.goto(path.as_uri())
    _open_all(opened)
    found = opened.page.evaluate(
        """() => [...document.querySelectorAll("svg.timeline")].flatMap(chart => {
          const boxes = [...chart.querySelectorAll("text")].map(text => [text.textContent, text.getBBox()]);
          return boxes.flatMap(([one, a], at) => boxes.slice(at + 1).filter(([, b]) =>
            a.x < b.x + b.width && b.x < a.x + a.width && a.y + 2 < b.y + b.height - 2 && b.y + 2 < a.y + a.height - 2
          ).map(([other]) => one + " / " + other));
        })""",
    )
    assert found == []


def test_a_pdf_is_printed(path: Path, tmp_path: Path) -> None:
    """The same page is printed where a name ends in .pdf: A4, landscape."""
    if chromium() is None:
        pytest.skip("there is no Chromium: apt install chromium, or set RMTOOLKIT_CHROMIUM")
    pdf.print_page(path.read_text("utf-8"), tmp_path / "week.pdf")
    made = (tmp_path / "week.pdf").read_bytes()
    assert made.startswith(b"%PDF-")
    assert re.search(rb"/MediaBox\s*\[0 0 84[12](\.\d+)? 59[45](\.\d+)?\]", made)
