"""The pages of `make docs`, built offline and read in a browser that reaches nothing else."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import pytest

import rmtoolkit as rm
from rmtoolkit import cli
from rmtoolkit.loaders import sources

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT: Final = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages; a warning of the generator, such as a reference that leads nowhere, fails the build."""
    target = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "build.py", target], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return target / "html"


class _Page(HTMLParser):
    """What a page refers to, loads, and can be referred to by."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := told.get(name))}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"] or "")
        self.loads += [told.get("src") or ""] if told.get("src") else []
        self.loads += [told.get("href") or ""] if tag == "link" and told.get("rel") != "canonical" else []


def test_every_link_leads_somewhere_and_nothing_is_fetched(site: Path) -> None:
    """Files and anchors exist; what a page loads lies beside it."""
    pages = {path: _Page(path) for path in site.rglob("*.html")}
    lost = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                lost += [link] if link in page.loads else []
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = pages.get(target)
            if not target.is_file() or (found and parts.fragment and unquote(parts.fragment) not in found.anchors):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []
    assert len(pages) > 80


def test_every_source_and_public_name_has_a_page(site: Path) -> None:
    """Sources come from their list, names from `rm.__all__`, with their examples."""
    assert len(list((site / "sources").glob("*.html"))) == len(sources()) + 1
    assert {path.stem for path in (site / "api").glob("*.html")} == {*rm.__all__, "index"}
    assert "&gt;&gt;&gt; " in (site / "api" / "classify.html").read_text("utf-8")


def test_commands_in_the_pages_are_understood() -> None:
    """Each line with a command of ours has words that the command line takes."""
    told = [
        line.removeprefix("$ ")
        for page in (ROOT / "docs").glob("*.md")
        for line in page.read_text("utf-8").splitlines()
        if line.startswith("$ rmtoolkit")
    ]
    assert len(told) >= 7
    for line in told:
        assert cli._parser().parse_args(shlex.split(line)[1:]).run


def test_a_reader_finds_a_page_without_any_network(site: Path, browser: Browser) -> None:
    """From the front page to an answer, and by search, with nothing but files of the site."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error {error}"))
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="What counts towards the limit").click()
    assert page.locator("h1").inner_text().startswith("How is memory counted?")
    page.goto((site / "search.html").as_uri() + "?q=retention")
    page.get_by_role("link", name=re.compile("Does it leak")).first.wait_for()
    page.close()
    assert [one for one in asked if not one.startswith(("file:", "data:"))] == []
