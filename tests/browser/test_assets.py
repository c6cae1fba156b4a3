"""The style sheets before a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

import rmtoolkit as rm

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FOLDER: Final = Path(__file__).parents[2] / "rmtoolkit" / "views" / "assets"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.css")))
def test_a_browser_knows_every_declaration(browser: Browser, name: str) -> None:
    """No property is misspelt and no value is refused; what a token gives is looked at for its property alone."""
    sheet = re.sub(r"/\*.*?\*/", "", (FOLDER / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    found = [
        (prop, "inherit" if "var(" in value else " ".join(value.removesuffix("!important").split()))
        for inside in re.findall(r"\{([^{}]*)\}", sheet)
        for prop, value in re.findall(r"([\w-]+):\s*([^;]+);", inside)
        if not prop.startswith("--") and prop != "size"
    ]
    assert found
    page = browser.new_page()
    refused = page.evaluate("found => found.filter(([name, value]) => !CSS.supports(name, value))", found)
    page.close()
    assert refused == []


def test_a_picture_without_a_kernel_is_read_on_a_phone_and_has_nothing_to_press(browser: Browser) -> None:
    """In an exported notebook the answer of a leak has what to do, and a chart whose words are not too small."""
    used = [(50 << 20) + at * (1 << 18) for at in range(600)]
    table = pl.DataFrame({"time": range(0, 36_000, 60), "workload": "api", "rss_bytes": used, "limit_bytes": 512 << 20})
    triage = rm.Triage(table)
    page = browser.new_page(viewport={"width": 400, "height": 800})
    page.set_content(triage.static())
    assert page.locator(".next code").is_visible()
    assert page.locator("button").count() > 0
    assert [one for one in page.locator("button").all() if one.is_visible()] == []
    heights = page.locator(".timeline text").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert heights
    assert min(heights) > 10
    explorer, fleet = rm.LimitExplorer(table), rm.Fleet(table)
    for board, told in ((explorer, "Move the limit to get a patch."), (fleet, "Enter on a name opens it.")):
        page.set_content(board.static())
        assert page.get_by_text(told).count() == 1
        assert not page.get_by_text(told).is_visible()
        board.close()
    page.close()
    triage.close()
