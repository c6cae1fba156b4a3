"""The tables that pages and dashboards share, and their one writer."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from rmtoolkit._html import el, folded, table, wide
from rmtoolkit.views import _tables, heap_terminal

START = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)


def _cells(markup: str) -> list[list[str]]:
    """Words of every row's cells."""
    return [
        [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", markup)
    ]


def _item(says: str, weight: int | None, **more: Any) -> dict[str, Any]:
    return {"says": says, "weight": weight, "text": f"{says} {weight}", "value": "5 Mi", "start": None} | more


def _life(at: int, **more: Any) -> dict[str, Any]:
    return {
        "container_id": 0,
        "life": at,
        "start": START + dt.timedelta(hours=at),
        "end": START + dt.timedelta(hours=at + 1),
        "start_seen": at > 0,
        "ended": "oom_kill",
        "version": None,
        "limit_bytes": None,
        "startup_peak_bytes": None,
        "settled_bytes": 3 << 20,
        "peak_bytes": 5 << 20,
        "coverage": 1.0,
    } | more


def test_elements_escape_what_they_are_given() -> None:
    """Text and attributes are escaped, markup is not; names of attributes are written as HTML has them."""
    assert el("p", "a < b", el("b", "c")) == "<p>a &lt; b<b>c</b></p>"
    assert el("td", 5, class_="n", aria_label='"', colspan=None, hidden=True) == (
        '<td class="n" aria-label="&quot;" hidden>5</td>'
    )
    assert el("br") == "<br/>"
    assert el("p", "a\x00b", None) == "<p>a\ufffdb</p>"


def test_a_table_has_heads_classes_and_a_caption() -> None:
    """Every column has its head and its class; a row may begin with a head; a column without a word has no head."""
    written = table([("Pod", ""), ("Peak", "n")], [["a<b", "5 Mi"]], caption="Pods", named=True, class_="x")
    assert written == (
        '<table class="x"><caption>Pods</caption><thead><tr><th scope="col">Pod</th><th class="n" scope="col">Peak</th>'
        '</tr></thead><tbody><tr><th scope="row">a&lt;b</th><td class="n">5 Mi</td></tr></tbody></table>'
    )
    assert table([("", ""), ("Limit", "n")], []).startswith('<table><thead><tr><td class="corner"></td><th')
    assert "<thead>" not in table([("", ""), ("", "")], [["a", "b"]])


def test_a_table_without_a_style_sheet_brings_its_own() -> None:
    """Inline cells say their side themselves: a notebook would set all to the right."""
    written = table([("Pod", ""), ("Peak", "n")], [["a", "5 Mi"]], inline=True)
    assert re.findall(r"text-align:(\w+)", written) == ["left", "right", "left", "right"]
    assert "class" not in written


def test_what_is_wide_can_be_scrolled_and_what_folds_says_what_is_in_it() -> None:
    """The keyboard reaches a table that scrolls; a folded part has a title and a summary."""
    assert wide("Pods", table([], [])).startswith('<div class="wide" tabindex="0" role="group" aria-label="Pods">')
    assert (
        folded("Pods", "3 leak", "x") == '<details><summary>Pods <span class="note">3 leak</span></summary>x</details>'
    )
    assert folded("Pods", "3 leak", opened=True).startswith("<details open>")


@pytest.mark.parametrize(
    ("verdict", "order"),
    [
        ("leak", ["for 3", "for 1", "against 2", "not_measured None"]),
        ("not_leak", ["against 2", "for 3", "for 1", "not_measured None"]),
        ("inconclusive", ["against 2", "for 3", "for 1", "not_measured None"]),
    ],
)
def test_evidence_begins_with_what_supports_the_verdict(verdict: str, order: list[str]) -> None:
    """The strongest first on each side, what speaks against the verdict after, what was not measured last."""
    items = [_item("not_measured", None), _item("for", 1), _item("against", 2), _item("for", 3)]
    rows = _cells(_tables.evidence({"verdict": verdict, "evidence": items}))
    assert [row[1] for row in rows[1:]] == order
    assert rows[0] == ["Says", "Evidence", "Value", "Weight"]
    assert rows[-1][3] == "–"


def test_evidence_may_say_where_it_was_seen() -> None:
    """Signal and window stand above the evidence; no evidence is said in words."""
    item = _item("for", 1, signal="rss_bytes", start=START, end=START + dt.timedelta(hours=2))
    row = {"verdict": "leak", "evidence": [item]}
    assert "RSS, 25 Nov 2026 00:00 to 02:00 UTC" in _tables.evidence(row, where=True)
    assert "RSS" not in _tables.evidence(row)
    assert "No evidence" in _tables.evidence({"verdict": "leak", "evidence": None})


def test_what_was_not_measured_has_no_window() -> None:
    """Only what was rejected says which signal it was rejected for."""
    for item, said in (
        (_item("not_measured", None, signal="rss_bytes"), ""),
        (_item("not_measured", None, signal="rss_bytes", statistic="rejected_stale"), "RSS"),
        (_item("for", 1), ""),
    ):
        assert _tables.seen([item]) == (said, [""])


def test_what_most_evidence_is_of_is_said_once() -> None:
    """Each piece says only what is otherwise; a signal with its window counts before what has less."""
    window, later = ({"start": START, "end": START + dt.timedelta(hours=hours)} for hours in (2, 3))
    items = [_item("not_measured", None)] * 3
    items += [_item("for", 1, signal=signal, **when) for signal, when in (("rss_bytes", window), ("threads", window))]
    items += [_item("for", 1, signal="rss_bytes", **later), _item("for", 1, signal="rss_bytes", **window)]
    usual, others = _tables.seen(items)
    assert usual == "RSS, 25 Nov 2026 00:00 to 02:00 UTC"
    assert others == ["", "", "", "", "threads", "25 Nov 2026 00:00 to 03:00 UTC", ""]
    assert _tables.seen([]) == ("", [])


def test_questions_have_an_answer_a_reading_and_a_reason() -> None:
    """The reason stands under the question, escaped."""
    asked = [{"question": "Stable?", "answer": "yes", "reading": "fine", "because": "a<b"}]
    assert _cells(_tables.questions(asked))[1] == ["Stable?a&lt;b", "Yes", "fine"]


def test_lives_are_listed_the_newest_first() -> None:
    """What a life ended in, its limit and levels; unknown is a dash; the beginning that was not seen says so."""
    rows = [_life(0, ended="running", limit_bytes=1 << 30), _life(1)]
    written = _tables.lives(rows)
    assert written is not None
    assert "2, 1 OOM kill" in written
    assert _cells(written)[1:] == [
        ["2", "Wed 25 Nov 01:00", "1 h", "OOM kill", "–", "–", "–", "3 Mi", "5 Mi", "100 %"],
        ["1", "Wed 25 Nov 00:00 or earlier", "1 h", "running", "–", "1,024 Mi", "–", "3 Mi", "5 Mi", "100 %"],
    ]


def test_lives_of_several_pods_say_whose_they_are() -> None:
    """With pods each life has a name; a long list is cut, and says so; short windows show seconds."""
    written = _tables.lives([_life(0, ended="end", end=START + dt.timedelta(minutes=5))], {0: "api-0"})
    assert written is not None
    assert _cells(written)[1][:3] == ["api-0", "1", "Wed 25 Nov 00:00:00 or earlier"]
    assert "1, no OOM kill" in written
    many = _tables.lives([_life(at) for at in range(45)])
    assert many is not None
    assert "The newest 40 of 45." in many
    assert len(_cells(many)) == 41
    assert _tables.lives([]) is None


def test_one_pod_needs_no_list_of_pods() -> None:
    """Several pods have a row each, counted by verdict; growth that cannot be seen is none."""
    pod = {
        "pod": "a",
        "verdict": "not_leak",
        "growth_bytes_per_day": None,
        "peak_bytes": None,
        "lives": 1200,
        "coverage": 0.5,
    }
    assert _tables.pods([pod]) is None
    leaking = pod | {"pod": "b", "verdict": "leak", "growth_bytes_per_day": 9 << 20}
    written = _tables.pods([pod, leaking, pod])
    assert written is not None
    assert "2 not a leak, 1 leak" in written
    assert _cells(written)[1:3] == [
        ["a", "Not a leak", "none", "–", "1,200", "50 %"],
        ["b", "Leak", "+9 Mi/day", "–", "1,200", "50 %"],
    ]


def test_quality_counts_gaps_and_doubts() -> None:
    """Coverage, gaps, cadence, and what was found in the data, used or not."""
    found = [{"signal": "rss_bytes", "detail": "stale", "rejected": True}]
    written = _tables.quality(0.99, found, [(0, 240_000)], 60.0)
    assert "coverage 99 %, 1 gap of 4 min in all, 1 doubtful" in written
    assert re.findall(r"<li>(.*?)</li>", written) == [
        "coverage 99 %",
        "1 gap of 4 min in all",
        "a sample every 1 min",
        "RSS: stale Not used as evidence.",
    ]
    assert "no gaps" in _tables.quality(None, [], [], None)


def test_a_table_for_a_terminal_keeps_the_end_of_names() -> None:
    """Figures stand to the right under their heads, and a long name loses its beginning."""
    names = ["LIVE", "PEAK"], [("5 Mi", "12 Mi")], ["billing::api::cache::put"]
    assert heap_terminal.columns(*names, 30) == [["LIVE   PEAK  FUNCTION"], ["5 Mi  12 Mi  …:api::cache::put"]]
    # Beside wide figures there is no room.
    below = [["LIVE   PEAK", "  FUNCTION"], ["5 Mi  12 Mi", "  …lling::api::cache::put"]]
    assert heap_terminal.columns(*names, 25) == below
    # What stands before the figures takes room from what stands beside them, not from what stands below.
    assert heap_terminal.columns(*names, 30, before=5) == [*below[:1], ["5 Mi  12 Mi", "  billing::api::cache::put"]]
