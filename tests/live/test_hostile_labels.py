"""Whatever a label holds, a query finds exactly that; judged by a real server."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rmtoolkit._promql import exactly
from rmtoolkit.exceptions import UnknownWorkloadError
from rmtoolkit.loaders.prometheus._fetch import Selector, literal, one_of
from tests.live.conftest import pull
from tests.live.history import END, ODD

if TYPE_CHECKING:
    from tests.live.servers import Prometheus

_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
_NASTY = st.text(st.sampled_from("\"\\{}()[]|.*+?^$\n\r\t\0#'`,=~! axü€\U0001f600"), max_size=30)


@settings(max_examples=30)
@given(text=_TEXT | _NASTY)
@example(text=ODD)
@example(text='"} or vector(1) #')
@example(text="\\")
def test_a_server_reads_back_exactly_the_text_that_was_written(server: Prometheus, text: str) -> None:
    """`label_replace` puts the literal into a label: it comes back as it was, `$` aside, which that function reads."""
    if "$" in text:
        query = f"{literal(text)}"
        data = json.loads(_ask(server, query))["data"]
        assert data["resultType"] == "string"
        assert data["result"][1] == text
    else:
        (found,) = server.query(f'label_replace(vector(1), "said", {literal(text)}, "", "")', END)
        assert found["metric"].get("said", "") == text


@settings(max_examples=30)
@given(text=(_TEXT | _NASTY).filter(bool), others=st.lists(_TEXT | _NASTY, max_size=3))
@example(text=ODD, others=["shop"])
def test_an_expression_matches_the_text_and_nothing_else(server: Prometheus, text: str, others: list[str]) -> None:
    """As one of several values the text is quoted for RE2 too: it finds itself, and not what it would mean."""
    vector = f'label_replace(vector(1), "said", {literal(text.replace("$", "$$"))}, "", "")'
    pattern = "|".join(map(exactly, [text, *others]))
    # A second `label_replace` acts on a full match only.
    fired = f'label_replace({vector}, "hit", "yes", "said", {literal(pattern)})'
    (found,) = server.query(fired, END)
    assert found["metric"].get("hit") == "yes"
    longer = f'label_replace(vector(1), "said", {literal((text + "x").replace("$", "$$"))}, "", "")'
    (other,) = server.query(f'label_replace({longer}, "hit", "yes", "said", {literal(exactly(text))})', END)
    assert "hit" not in other["metric"]


@given(text=(_TEXT | _NASTY).filter(bool))
def test_a_selector_never_finds_more_than_it_says(server: Prometheus, text: str) -> None:
    """An odd namespace finds nothing (or itself), never the series of others: nothing is injected."""
    selector = Selector(("container_memory_working_set_bytes",), (one_of("namespace", [text]),))
    assert {one["metric"]["namespace"] for one in server.query(selector.promql(), END)} <= {text}
    several = Selector(selector.names, (one_of("namespace", [text, "no such"]),))
    assert {one["metric"]["namespace"] for one in server.query(several.promql(), END)} <= {text}


def test_an_odd_workload_finds_nothing_instead_of_everything(server: Prometheus) -> None:
    """A workload that is an expression is only a name."""
    with pytest.raises(UnknownWorkloadError, match=r"No workload '\.\*'"):
        pull(server, workload=".*")


def _ask(server: Prometheus, query: str) -> bytes:
    data = urllib.parse.urlencode({"query": query, "time": END}).encode()
    with urllib.request.urlopen(f"{server.url}/api/v1/query", data, timeout=60) as answer:  # noqa: S310
        body: bytes = answer.read()
        return body
