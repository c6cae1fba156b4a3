"""What the triage dashboard shows, without a widget: a state goes in, pictures come out."""

from __future__ import annotations

import html
import re
import shlex
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.heap._names import FrameTable, stacks_frame
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.views import _plot, _tables
from rmtoolkit.views import _plot_vega as timeline_chart
from rmtoolkit.views._plot import instant
from rmtoolkit.views.dashboards.triage import Case, Picture, State, picture, pods, timeline, windows

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
SHOWN = ("tidy-grouse", "noble-newt", "amber-kestrel")
MI = 1 << 20
START = 1_700_000_000
HOSTILE = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def case() -> Case:
    """Three of the recorded services: a leak with four kills, kept startup memory, a step after a release."""
    recording = rm.concat([rm.read(SAMPLES / name) for name in SHOWN])
    return Case(rm.assess(recording))


def table(name: str, values: list[int], pod: str = "api-0", **more: object) -> pl.DataFrame:
    """A service that is sampled every minute."""
    times = range(START, START + 60 * len(values), 60)
    columns = {"namespace": "shop", "workload": name, "pod": pod, "container": "app", "working_set_bytes": values}
    return pl.DataFrame({"time": times, **columns, "limit_bytes": 512 * MI, **more})


def markup(found: Picture) -> str:
    """All markup of a picture."""
    parts = (found.aside, found.answer, found.judged, found.heading, found.ages, found.evidence, found.questions)
    return "".join((*parts, found.how, found.heap, found.folded))


def test_the_worst_workload_comes_first(case: Case) -> None:
    """Names stand in the order in which somebody on call wants to see them."""
    assert [case.row(name)["verdict"] for name in case.names] == ["leak", "not_leak", "not_leak"]


def test_what_left_no_sample_is_not_the_first_that_is_drawn() -> None:
    """It may be the most urgent, for its kills; there is nothing to draw of it, and the others are shown."""
    seen = rm.Recording.from_frame(pl.concat([table("api", [MI] * 60), table("gone", [MI] * 60, "gone-0")]))
    (gone,) = seen.containers.filter(workload="gone")["container_id"]
    kills = pl.DataFrame({"container_id": gone, "time": seen.samples["time"][:30], "kind": "oom_kill"})
    events = pl.concat([seen.events, kills.cast({"container_id": pl.UInt32})], how="diagonal")
    samples = seen.samples.filter(pl.col("container_id") != gone)
    found = rm.assess(rm.Recording(seen.containers, samples, events, seen.report))
    assert found.workloads["workload"].to_list() == ["gone", "api"]
    board = rm.Triage(found)
    assert "api" in repr(board)
    board.close()
    with pytest.raises(RmtoolkitError, match="gone has no memory sample to draw"):
        rm.Triage(found, workload="gone")


def test_the_answer_has_word_shape_facts_reason_and_next_step(case: Case) -> None:
    """The verdict is a sentence, a word and a shape; the four facts are always there; the setting can be copied."""
    found = picture(case, State("aster/tidy-grouse"))
    assert "LEAK" in found.answer
    assert '<svg class="mark"' in found.answer
    said = r'aria-level="1">tidy-grouse leaks [\d,]+\u00a0Mi/day and will hit its 128\u00a0Mi limit'
    assert re.search(said, found.answer)
    labels = re.findall(r"<dt>(.*?)</dt>", found.answer)
    assert labels == ["Time to limit", "OOM kill, 7 days", "Confidence", "Growth of anonymous memory"]
    assert "<b>Next:</b>" in found.answer
    assert found.answer.count("data-rm-copy=") == 1


def test_every_part_speaks_of_the_workload(case: Case) -> None:
    """Lives, evidence for the verdict before what speaks against it, five questions, lifetimes, data quality."""
    found = picture(case, State("aster/tidy-grouse"))
    assert "Five lives by age" in found.ages
    assert "4 of 5 runs were OOM-killed" in found.ages
    says = re.findall(r"(for a leak|against|not measured)</span>", found.evidence)
    assert says == sorted(says, key=["for a leak", "against", "not measured"].index)
    assert found.questions.count("<tr>") == 6
    assert "5, 4 OOM kills" in found.folded
    assert "coverage 99.1 %" in found.folded


def test_kills_limits_and_restarts_are_marks_with_words(case: Case) -> None:
    """Each kill stands at the limit in force, on the plot and on the strip, and says when it was."""
    found = picture(case, State("aster/tidy-grouse"))
    rows = timeline_chart.rows(found.drawn, found.row)
    assert len(rows["kills"]["t"]) == 4
    assert set(rows["kills"]["v"]) == {128 * MI}
    assert all(re.fullmatch(r"OOM kill \w{3} \d\d:\d\d UTC.*", words) for words in rows["kills"]["w"])
    assert {"limit 128 Mi", "request 64 Mi"} == set(rows["rules"]["w"])
    assert any(words.startswith("reaches the limit in") for words in rows["labels"]["w"])


def test_layers_stand_in_their_order(case: Case) -> None:
    """Each layer lies between its lower and its upper edge, and begins where the one below ends."""
    found = picture(case, State("iris/noble-newt"))
    areas = pl.DataFrame(timeline_chart.rows(found.drawn, found.row, _plot.LIGHT)["areas"])
    order = areas["c"].unique(maintain_order=True).to_list()
    assert order == [_plot.LIGHT[name] for name in ("live", "slack", "kept", "outside", "cache")]
    parts = [areas.filter(pl.col("c") == colour).select("t", "v", "v2") for colour in order]
    assert parts[0]["v2"].unique().to_list() == [0]
    assert all((part["v"] >= part["v2"]).all() for part in parts)
    for below, above in pairwise(parts):
        both = above.join(below, on="t", suffix="_below")
        assert both.height > 50
        assert (both["v2"] == both["v_below"]).all()


def test_peaks_survive() -> None:
    """One sample of 20,000 is in the chart, however far away one looks from, and so is the trough beside it."""
    values = [100 * MI] * 20_000
    values[7_777], values[7_779] = 400 * MI, 5 * MI
    spiky = Case(rm.assess(table("spiky", values)))
    for last_ms in (0, 3_600_000 * 250):
        drawn = picture(spiky, State("shop/spiky", last_ms=last_ms))
        heights = timeline_chart.rows(drawn.drawn, drawn.row)["lines"]["v"]
        assert (max(heights), min(heights)) == (400 * MI, 5 * MI)
        assert len(heights) < 4_000


def test_what_is_looked_at_from_near_is_drawn_finely() -> None:
    """A stretch of an hour shows its sixty samples, the limit and the same height of the axis as the whole."""
    many = Case(rm.assess(table("many", [(100 + at % 7) * MI for at in range(20_000)])))
    row = many.row("shop/many")
    first = (START + 60 * 9_000) * 1000
    near = timeline(many, row, (first, first + 3_600_000))
    inside = [time for time in near.line.pieces[0][0].tolist() if first <= time <= first + 3_600_000]
    assert len(inside) == 61
    assert near.limits == ((first, first + 3_600_000, 512 * MI),)
    whole = picture(many, State("shop/many"))
    ticks = timeline_chart.rows(whole.drawn, row)["ticks"]
    assert timeline_chart.rows(near, row, top=whole.top)["ticks"] == ticks


def test_windows_fit_the_recording(case: Case) -> None:
    """Stretches are offered that are shorter than what was recorded; choosing one moves the left end alone."""
    offered = windows(case, "aster/tidy-grouse")
    assert [words for words, _ in offered] == ["1 h", "6 h", "all"]
    near = picture(case, State("aster/tidy-grouse", last_ms=3_600_000))
    assert near.home[0] == near.drawn.now - 3_600_000
    assert near.answer == picture(case, State("aster/tidy-grouse")).answer


def test_a_window_is_judged_again(case: Case) -> None:
    """The verdict, fit and forecast are those of the window, and the picture says so."""
    row = case.row("aster/tidy-grouse")
    lives = case.found.lives.filter(container_id=row["container_id"])
    window = tuple(int(lives[name].to_physical()[0]) for name in ("start", "end"))
    found = picture(case, State("aster/tidy-grouse", judged=(window[0], window[1])))
    assert re.search(r"Judged on </b>Tue 24 Nov 09:30 to Tue 24 Nov 12:50 UTC only", found.judged)
    assert (found.drawn.start, found.drawn.now) == window
    words = timeline_chart.rows(found.drawn, found.row)["labels"]["w"]
    assert "last sample, Tue 24 Nov 12:50" in words
    assert len(found.drawn.fits) == 1
    assert "One life by age" in found.ages
    assert picture(case, State("aster/tidy-grouse")).judged == ""


def test_a_window_of_too_few_samples_is_refused(case: Case) -> None:
    """The message counts the samples and says what to do."""
    start = picture(case, State("aster/tidy-grouse")).drawn.start
    with pytest.raises(RmtoolkitError, match=r"There are 4 samples between .* Select a longer window\."):
        picture(case, State("aster/tidy-grouse", judged=(start, start + 180_000)))


def test_a_pod_can_be_looked_at_alone() -> None:
    """With several pods each has its own verdict, its own chart and its own lives."""
    rising = [(50 + at // 4) * MI for at in range(600)]
    two = pl.concat([table("api", rising, "api-0"), table("api", [80 * MI] * 600, "api-1")])
    case = Case(rm.assess(two))
    assert pods(case, "shop/api") == [("all pods", ""), ("api-0", "api-0"), ("api-1", "api-1")]
    verdicts = {pod: picture(case, State("shop/api", pod)).row["verdict"] for pod in ("api-0", "api-1")}
    assert verdicts == {"api-0": "leak", "api-1": "not_leak"}
    assert "Two lives by age" in picture(case, State("shop/api")).ages
    assert "One life by age" in picture(case, State("shop/api", "api-1")).ages
    assert "Pods" in picture(case, State("shop/api")).folded


def test_hostile_names_are_text() -> None:
    """A label value that is markup stays text, in every part."""
    case = Case(rm.assess(table(HOSTILE, [(50 + at) * MI for at in range(300)], pod=HOSTILE)))
    found = picture(case, State(case.names[0]))
    assert "<img" not in markup(found)
    assert "onerror=alert(1)&gt;" in markup(found)


def test_a_heap_profile_names_the_code() -> None:
    """Suspects as a table and an icicle of who calls them, behind a summary; without a profile the way to load one."""
    table = FrameTable()
    named = (("api::put", 40), ("api::main", 7))
    leaf, main = (table.number(name, "src/main.rs", line, "/app/api") for name, line in named)
    stacks, _ = stacks_frame([[leaf, main], [main]], {"live_bytes": [5 * MI, 3 * MI]})
    profile = HeapProfile(HeapSummary("dhat"), stacks, table.frame())
    recording = rm.read(SAMPLES / "tidy-grouse")
    case = Case(rm.assess(recording, heap=profile), profile)
    shown = picture(case, State(case.names[0]))
    found = shown.heap
    assert re.search(r"Heap profile <span class=.note..A single snapshot .*api::put \(main\.rs:40\) holds most", found)
    assert "<code>api::put</code>" in found
    assert found.count('class="rm-icicle"') == 1
    zoomed = picture(case, State(case.names[0], function="api::put")).heap
    assert "through api::put: 5 Mi" in zoomed
    assert "api::main:" not in zoomed
    assert "fills the width" in zoomed
    bare = Case(rm.assess(recording))
    unnamed = picture(bare, State(case.names[0]))
    # A word of code may break behind a colon.
    assert re.search(
        r"rmtoolkit heap pod/tidy-grouse-\S+:<wbr/>PORT/debug/pprof/heap --every 30m -n aster</code>", unnamed.heap
    )
    # What takes one from the answer to the code says whether the code is there.
    assert ("Show its code" in shown.answer, "Name its code" in unnamed.answer) == (True, True)
    with pytest.raises(RmtoolkitError, match="There is no heap profile to show 'api::put' in"):
        picture(bare, State(case.names[0], function="api::put"))


def test_a_hostile_pod_stays_one_word_of_the_command() -> None:
    """What is copied into a shell runs nothing that a label says."""
    pod = "a; curl evil | sh `x` $(y)"
    found = Case(rm.assess(table("api", [(50 + at // 4) * MI for at in range(600)], pod)))
    heap = picture(found, State(found.names[0])).heap
    copied = html.unescape(re.findall('data-rm-copy="(.*?)"', heap)[0])
    assert shlex.split(copied)[2] == f"pod/{pod}:PORT/debug/pprof/heap"


def test_every_figure_says_how_it_was_got(case: Case) -> None:
    """Window, interval and reason of each figure, and the queries of the Assessment, each to copy."""
    for name in case.names:
        found, row = picture(case, State(name)), case.row(name)
        told = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", found.how))
        assert told["Window"].startswith(text.period(row["window_start"], row["window_end"]))
        assert html.unescape(told["OOM kill, 7 days"]).startswith(text.chance(row["oom_probability_7d"]))
        assert row["risk_because"] in html.unescape(told["OOM kill, 7 days"])
        assert row["evidence_words"] in told[row["confidence_of"]]
        copied = [html.unescape(one) for one in re.findall('data-rm-copy="(.*?)"', found.how)]
        assert copied == case.of(case.found.queries, name)["promql"].to_list() != []
        usual, others = _tables.seen(case.of(case.found.evidence, name).to_dicts())
        assert f"<caption>Evidence: {html.escape(usual)}</caption>" in found.evidence
        assert all(html.escape(other) in found.evidence for other in others)
    ends = (START * 1000, (START + 7200) * 1000)
    calm = Case(rm.assess(table("api", [50 * MI] * 600)))
    judged = picture(calm, State(calm.names[0], judged=ends))
    assert text.period(*map(instant, ends)) in judged.how


def test_what_was_said_before_each_kill(case: Case) -> None:
    """The last kill stands beside the answer, all of them behind a summary: the sentences of the Assessment."""
    found = picture(case, State("aster/tidy-grouse"))
    sentences = case.found.kills.sort("time", descending=True)["sentence"].to_list()
    assert len(sentences) == 4
    assert f"<b>Last kill:</b> {html.escape(sentences[0])}" in found.answer
    assert "the data said" in sentences[0]
    listed = re.findall("<li>(.*?)</li>", found.folded.partition("Lifetimes")[0])
    assert listed == [html.escape(sentence) for sentence in sentences]
    calm = picture(case, State("iris/noble-newt"))
    assert "Last kill" not in calm.answer
    assert "OOM kills" not in calm.folded


def test_the_same_state_is_the_same_picture(case: Case) -> None:
    """Nothing but case and state goes in."""
    state = State("iris/noble-newt", last_ms=3_600_000)
    assert markup(picture(case, state)) == markup(picture(case, state))


def test_rows_have_the_columns_that_the_chart_reads(case: Case) -> None:
    """Every data set of the form has its columns, all of one length, and no number that JSON lacks."""
    for name in case.names:
        found = picture(case, State(name))
        for data, columns in timeline_chart.rows(found.drawn, found.row).items():
            assert tuple(columns) == timeline_chart.COLUMNS[data]
            assert len({len(values) for values in columns.values()}) == 1
            assert all(value == value for values in columns.values() for value in values)  # noqa: PLR0124
