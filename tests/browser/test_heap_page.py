"""The page about a heap profile in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from rmtoolkit.analysis import heap_answers as heap_answer
from rmtoolkit.views import heap as heap_page
from tests.analysis.profiles import MI, growing, profile, resting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CACHE, INDEX = "billing::cache::insert", "billing::index::build"
HOSTILE = "billing::<img src=http://127.0.0.1:9/x onerror=alert(1)>::f"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about one function that grows, one that rests, and one with a hostile name."""
    heap = profile({CACHE: growing(20_000), INDEX: resting(30 * MI), HOSTILE: resting(10 * MI)})
    return heap_page.write(heap_answer.answer(heap), tmp_path_factory.mktemp("heap") / "heap.html", source="api.zst")


@pytest.fixture
def complaints() -> list[str]:
    """What the page asked for or complained about."""
    return []


@pytest.fixture
def page(browser: Browser, path: Path, complaints: list[str]) -> Iterator[Page]:
    """The page, opened from its file, with what is live at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("request", lambda request: complaints.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(path.as_uri())
    page.get_by_label("Width is").select_option("live at the end")
    yield page
    context.close()


def width(page: Page, function: str) -> float:
    """How wide a function is drawn; 0 when it is not."""
    node = page.locator(f".drawn g[data-name='{function}']").first
    return float(node.locator("rect").get_attribute("width") or 0) if node.is_visible() else 0.0


def test_a_click_zooms_and_escape_shows_the_whole(page: Page, path: Path, complaints: list[str]) -> None:
    """What is clicked takes the whole width, what is beside it goes; nothing is asked of anybody."""
    narrow = width(page, CACHE)
    assert 0 < narrow < 540
    page.locator(f".drawn g[data-name='{CACHE}']").click()
    assert width(page, CACHE) == pytest.approx(1080)
    assert width(page, INDEX) == 0
    page.keyboard.press("Escape")
    assert width(page, CACHE) == pytest.approx(narrow, abs=1)
    assert complaints == [path.as_uri()]


def test_keys_do_everything_that_the_pointer_does(page: Page) -> None:
    """Arrows go from function to function, Enter zooms, and what has the focus is said."""
    page.locator(".drawn g[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label is not None
    assert page.locator(".said").inner_text() == label
    name = page.evaluate("document.activeElement.dataset.name")
    assert width(page, name) == pytest.approx(1080)
    page.get_by_role("button", name="Show the whole").press("Enter")
    assert width(page, INDEX) > 0


def test_search_marks_what_it_finds_and_says_how_much(page: Page) -> None:
    """Upper or lower case; Escape in the field ends it."""
    page.get_by_label("Search functions").fill("INDEX")
    hits = page.locator(".drawn g.hit")
    assert hits.count() == 1
    assert hits.get_attribute("data-name") == INDEX
    assert page.locator(".found").inner_text().startswith("1 place, ")
    page.get_by_label("Search functions").press("Escape")
    assert hits.count() == 0


def drawn(page: Page) -> list[tuple[str, int, float]]:
    """What is drawn: name, level and width of each function."""
    script = "all => all.map(g => [g.dataset.name, +g.ariaLevel, +g.querySelector('rect').getAttribute('width')])"
    return [tuple(row) for row in page.locator(".drawn g[role=treeitem]").evaluate_all(script)]


def test_from_either_end_and_nothing_that_is_small(page: Page) -> None:
    """What allocates can stand on top with its callers below; what is narrower than a share goes; each is as wide."""
    down = drawn(page)
    page.get_by_label("On top").select_option("what allocates")
    up = drawn(page)
    assert {name for name, level, _ in up if level == 2} == {CACHE, INDEX, "billing::f"}
    # The last function of each stack holds the same, from whichever end it is drawn.
    assert sorted(width for name, _, width in up if name == CACHE) == sorted(w for name, _, w in down if name == CACHE)
    page.get_by_label("Hide below").select_option("5 %")
    assert {name for name, _, width in up if width >= 0.05 * 1080} == {name for name, *_ in drawn(page)}


def test_a_stretch_of_time_shows_what_came_in_it(page: Page) -> None:
    """Dragged over the chart or typed with the keys of a slider: what grew in it, and by how much; a rest is none."""
    chart = page.locator(".rm-over-time svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 100, steps=3)
    page.mouse.up()
    assert page.get_by_label("Width is").input_value() == "came between two instants"
    assert {name for name, *_ in drawn(page)} == {"all", "api::main", CACHE, "alloc::alloc::alloc"}
    part = page.locator(".drawn g[role=treeitem]").first.get_attribute("aria-label")
    assert page.locator(".rm-over-time .chosen").is_visible()
    page.get_by_role("slider", name="From").press("Home")
    page.get_by_role("slider", name="To").press("End")
    whole = page.locator(".drawn g[role=treeitem]").first.get_attribute("aria-label")
    amounts = [float(re.search(r"all: ([\d.]+) Mi", label or "")[1]) for label in (part, whole)]  # type: ignore[index]
    # Everything that rests came at the start; the cache grew by as much in each part of the time.
    assert amounts[0] < 0.5 * amounts[1]
    page.get_by_label("Width is").select_option("live at the end")
    assert page.locator(".rm-over-time .chosen").is_hidden()


def test_a_stack_can_be_copied(page: Page) -> None:
    """The allocating function first, with its place, from whichever end it is drawn."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    found = []
    for top in ("what the program begins with", "what allocates"):
        page.get_by_label("On top").select_option(top)
        page.locator(".drawn g[role=treeitem]").last.focus()
        name = page.evaluate("document.activeElement.dataset.name")
        page.get_by_role("button", name="Copy the stack").click()
        page.get_by_text(re.compile(r"^Copied: \d+ function")).wait_for()
        found.append((name, page.evaluate("navigator.clipboard.readText()").split("\n")))
    (leaf, first), (caller, second) = found
    assert first[0].startswith(leaf)
    assert second[-1].startswith(caller)
    assert "onerror" not in page.content().partition("<body")[0]


def test_two_profiles_are_told_apart_by_colour(browser: Browser, tmp_path: Path) -> None:
    """What holds more has another look than what holds less, from either end."""
    before, after = (
        profile({CACHE: growing(rate), INDEX: resting(size * MI)}) for rate, size in ((500, 30), (9000, 10))
    )
    page = browser.new_page()
    page.goto(heap_page.report_heap(after, tmp_path / "diff.html", before=before).as_uri())
    for top in ("what allocates", "what the program begins with"):
        page.get_by_label("On top").select_option(top)
        looks = {g.get_attribute("data-name"): g.get_attribute("class") for g in page.locator(".drawn g").all()}
        assert (looks[CACHE], looks[INDEX]) == ("more", "less")
    page.close()


def test_without_scripts_every_measure_is_a_picture(browser: Browser, path: Path) -> None:
    """The controls are not there, and all pictures are."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    views = page.locator(".view:not(.drawn)")
    assert [view.is_visible() for view in views.all()] == [True] * views.count()
    assert views.count() >= 3
    assert page.get_by_label("Search functions").is_hidden()
    context.close()


def test_the_page_does_not_scroll_sideways_on_a_phone(browser: Browser, path: Path) -> None:
    """Charts scroll inside their own box."""
    context = browser.new_context(viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("scripts", [True, False], ids=["zooms", "still"])
def test_nothing_is_painted_without_a_colour(
    browser: Browser, path: Path, scheme: Literal["light", "dark"], *, scripts: bool
) -> None:
    """What no rule reaches is black: no shape and no word of any picture is, with the script or without."""
    context = browser.new_context(color_scheme=scheme, java_script_enabled=scripts)
    page = context.new_page()
    page.goto(path.as_uri())
    shapes = page.locator("svg :is(rect, path, polygon, text):visible")
    fills = shapes.evaluate_all("found => found.map((one) => getComputedStyle(one).fill)")
    assert len(fills) > 20
    assert "rgb(0, 0, 0)" not in fills
    assert len(set(fills)) > 5
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, path: Path, scheme: Literal["light", "dark"]) -> None:
    """Contrast, names, roles and order of headings, in both themes."""
    # The page allows no script but its own: the checker has to be let in.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    found = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    context.close()
