"""The style sheets before a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

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
