"""Names that are no names: what is asked by a model, or of a pair of recordings, shows them as text."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.cli import _sources, mcp
from tests.test_mcp import strings

if TYPE_CHECKING:
    from pathlib import Path

NAMES: Final = {
    "markup": "<img src=x onerror=alert(1)>",
    "the end of a script": "</script><script>alert(2)</script>",
    "an attribute": '" onmouseover="alert(3)',
    "a formula": '=HYPERLINK("http://evil","x")',
    "colours": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "colours of one byte": "\x9b31mred",
    "lines": "a\nb: c\r\n# d\u2028e",
    "turned round": "\u202egnp.exe\u2066x\u2069",
    "nothing to see": "a\u200bb\ufeff",
    "a table": "a|b||c",
    "a link": "[x](javascript:alert(1)) ![y](http://evil/z)",
    "a template": "{{ printf `x` }}${7*7}$(touch x)",
    "a path": "../../etc/passwd",
    "a long one": "x" * 3000,
    "quotes": 'it\'s "q" \\ \\u0041',
}
#: What moves a cursor, ends a line or turns text round.
_MOVES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def named(name: str, step: int = 0) -> pl.DataFrame:
    """A service of which everything is called so."""
    names = dict.fromkeys(("namespace", "workload", "pod", "container", "version"), name)
    return pl.DataFrame({"time": range(0, 12_000, 60), **names}).with_columns(
        rss_bytes=(100 << 20) + step * pl.int_range(200), allocated_bytes=pl.lit(50 << 20)
    )


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_pair_shows_names_as_text(name: str) -> None:
    """The terminal's words move nothing, the page has no markup but its own."""
    found = rm.compare(rm.Recording.from_frame(named(name)), rm.Recording.from_frame(named(name, 1 << 20)))
    for said in (repr(found), str(found), found.summary()):
        assert not _MOVES.search(said.replace("\n", ""))
    page = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", found._repr_html_())
    assert not _MOVES.search(page.replace("\n", ""))
    assert not re.search(r"<img|<script|<[^>]*\s(?:onmouseover|onerror)=", page)


@pytest.mark.usefixtures("judged_once")
def test_a_model_hears_names_as_quoted_words(tmp_path: Path) -> None:
    """In judge, limits and explain a name is one short line, and each can be asked for by what was told."""
    file = rm.Recording.from_frame(pl.concat(map(named, NAMES.values()))).write(tmp_path / "a.parquet")
    parser = argparse.ArgumentParser()
    _sources.add_options(parser, "mcp")
    tools = mcp.Tools(parser.parse_args([str(file)]))
    judged: Any = tools.judge(str(file))
    told = [(row["workload"], row["namespace"]) for row in judged["workloads"]]
    assert len(set(told)) == len(told)
    answers = [judged, tools.limits(str(file))]
    answers += [tools.explain(str(file), workload=workload, namespace=namespace) for workload, namespace in told]
    for said in strings(answers):
        assert not _MOVES.search(said)
        assert "\n" not in said
        assert len(said) < 2000


def test_a_model_hears_both_versions_of_a_release_quoted() -> None:
    """Plain ones stand as they are; of others no half of a quote is told."""
    from tests import fleet

    whole = fleet.recording().filter(workload="release-after-a-gap")
    for version, told in (("1.1", "1.1"), ("1.1 and so on", '"1.1 and so on"'), ("a → b c", '"b c"')):
        events = whole.events.with_columns(pl.col("detail").str.replace("1.1", version, literal=True))
        found = rm.assess(mcp._tamed(replace(whole, events=events)))
        assert f"since version {told} and will" in found.workloads["headline"].item()
