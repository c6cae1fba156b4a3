from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit._html import Markup, el, join


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.said += data


@given(st.text(), st.text())
def test_foreign_text_never_becomes_markup(inside: str, value: str) -> None:
    """Whatever a label holds, a parser sees one element, one attribute and text."""
    reader = _Reader()
    reader.feed(el("td", inside, title=value))
    reader.close()
    assert [tag for tag, _ in reader.seen] == ["td"]
    assert [name for name, _ in reader.seen[0][1]] == ["title"]


def test_markup_is_not_escaped_twice() -> None:
    """What is markup already stays as it is."""
    assert el("p", el("b", "a & b")) == "<p><b>a &amp; b</b></p>"
    assert join(Markup("<br/>")) == "<br/>"


def test_nothing_is_left_out_but_none() -> None:
    """None is left out; zero and empty text are written."""
    assert join(None, 0, "") == "0"
