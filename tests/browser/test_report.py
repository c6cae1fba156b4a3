"""The page in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.recording import Recording
from rmtoolkit.views import report

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
    """A page about leaks, calm services and one with a hostile name."""
    services = [_service("shop", f"leak{number}", MI // 8) for number in range(4)]
    calm = [_service("shop", f"calm{number}", 0) for number in range(3)]
    recording = Recording.from_frame(pl.concat([*services, *calm, _service("ops", HOSTILE, 0)]))
    return report.write(rm.judge(recording), tmp_path_factory.mktemp("report") / "week.html")


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


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[_Opened]:
    """A fresh page of 1,280 px, or of the width that a test asks for."""
    wanted: dict[str, object] = {"width": 1280, "scripts": True} | getattr(request, "param", {})
    context = browser.new_context(
        viewport={"width": int(str(wanted["width"])), "height": 800},
        java_script_enabled=bool(wanted["scripts"]),
    )
    yield _Opened(context.new_page())
    context.close()


WIDE_AND_NARROW = pytest.mark.parametrize(
    "opened", [{"width": 1280}, {"width": 400}], indirect=True, ids=["1280", "400"]
)
WITHOUT_SCRIPTS = pytest.mark.parametrize("opened", [{"scripts": False}], indirect=True, ids=["no script"])


@WIDE_AND_NARROW
def test_it_opens_from_a_file_and_asks_for_nothing(opened: _Opened, path: Path) -> None:
    """The only request is the page itself, and the console stays empty."""
    opened.page.goto(path.as_uri())
    opened.page.locator("#all").click()
    assert opened.requests == [path.as_uri()]
    assert opened.complaints == []
    assert "4 of 8 workloads leak." in opened.page.locator("h1").inner_text()


@WIDE_AND_NARROW
def test_only_charts_scroll_sideways(opened: _Opened, path: Path) -> None:
    """With every card open the page is as wide as its window."""
    opened.page.goto(path.as_uri())
    opened.page.locator("#all").click()
    for details in opened.page.locator("details").all():
        details.evaluate("element => element.open = true")
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("opened", [{"width": 400}], indirect=True, ids=["400"])
def test_a_narrow_chart_starts_at_now(opened: _Opened, path: Path) -> None:
    """On a phone the chart is scrolled to the last sample and what is ahead of it."""
    opened.page.goto(path.as_uri())
    chart = opened.page.locator(".scroll").first
    assert chart.evaluate("element => element.scrollWidth > element.clientWidth")
    seen = chart.evaluate(
        "element => (element.querySelector('svg').dataset.now * element.scrollWidth - element.scrollLeft)"
        " / element.clientWidth",
    )
    assert 0 < seen < 0.5


def test_cards_open_and_close(opened: _Opened, path: Path) -> None:
    """A row's name opens its card and closes it again, with the mouse and with the keyboard."""
    opened.page.goto(path.as_uri())
    name = opened.page.get_by_role("button", name="leak3", exact=True)
    card = opened.page.locator('[id="shop/leak3/app"]')
    assert not card.locator("h3").is_visible()
    name.click()
    assert name.get_attribute("aria-expanded") == "true"
    assert card.locator("h3").is_visible()
    name.press("Enter")
    assert name.get_attribute("aria-expanded") == "false"
    assert not card.locator("h3").is_visible()


def test_an_address_opens_its_card(opened: _Opened, path: Path) -> None:
    """`#namespace/workload/container` opens the card and shows it, on loading and afterwards."""
    opened.page.goto(f"{path.as_uri()}#shop/calm2/app")
    card = opened.page.locator('[id="shop/calm2/app"] h3')
    assert card.is_visible()
    assert opened.page.evaluate("scrollY") > 0
    opened.page.evaluate("location.hash = 'shop/leak3/app'")
    opened.page.locator('[id="shop/leak3/app"] h3').wait_for(state="visible", timeout=5000)


def test_hostile_labels_are_text(opened: _Opened, path: Path) -> None:
    """A workload named like markup is read as its name, and nothing of it runs."""
    opened.page.goto(path.as_uri())
    opened.page.locator("#all").click()
    assert HOSTILE in opened.page.locator("main").inner_text()
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("script").count() == 1
    assert opened.requests == [path.as_uri()]
    assert opened.complaints == []


@WITHOUT_SCRIPTS
def test_without_scripts_everything_is_open(opened: _Opened, path: Path) -> None:
    """Every card can be read where scripts are switched off, and the button that needs them is hidden."""
    opened.page.goto(path.as_uri())
    cards = opened.page.locator("article h3")
    assert cards.count() == 8
    assert all(card.is_visible() for card in cards.all())
    assert not opened.page.locator("#all").is_visible()


def test_print_opens_every_card(opened: _Opened, path: Path) -> None:
    """On paper every card is there."""
    opened.page.goto(path.as_uri())
    opened.page.emulate_media(media="print")
    assert all(card.is_visible() for card in opened.page.locator("article h3").all())


def test_labels_in_charts_do_not_overlap(opened: _Opened, path: Path) -> None:
    """As the browser really sets them, no label of a chart lies on another one."""
    opened.page.goto(path.as_uri())
    opened.page.locator("#all").click()
    found = opened.page.evaluate(
        """() => [...document.querySelectorAll("svg.timeline")].flatMap(chart => {
          const boxes = [...chart.querySelectorAll("text")].map(text => [text.textContent, text.getBBox()]);
          return boxes.flatMap(([one, a], at) => boxes.slice(at + 1).filter(([, b]) =>
            a.x < b.x + b.width && b.x < a.x + a.width && a.y + 2 < b.y + b.height - 2 && b.y + 2 < a.y + a.height - 2
          ).map(([other]) => one + " / " + other));
        })""",
    )
    assert found == []
