"""One verdict in words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.assessment import Assessment, assess, classify
from rmtoolkit.assessment.comparison import find_row
from rmtoolkit.cli import main
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError
from rmtoolkit.loaders import read
from rmtoolkit.recording import concat
from rmtoolkit.text import Pen, period, signal_word, wrapped
from rmtoolkit.views import _tables as tables
from rmtoolkit.views.explanation import Explanation, explain
from rmtoolkit.views.terminal import table as terminal_table
from tests.analysis.curves import BEGIN, GI, MI, footprint, hours

if TYPE_CHECKING:
    from collections.abc import Callable

T = hours(24, 60)


def table(*workloads: tuple[str, str, str]) -> Assessment:
    """What is known of flat workloads: namespace, workload and container."""
    rows = [
        pl.DataFrame(
            {
                "time": [round(BEGIN.timestamp()) + 60 * minute for minute in range(60)],
                "namespace": [namespace] * 60,
                "workload": [workload] * 60,
                "container": [container] * 60,
                "rss_bytes": [50 * MI] * 60,
            },
        )
        for namespace, workload, container in workloads
    ]
    return assess(pl.concat(rows))


SHOP = table(("shop", "api", "app"), ("shop", "api", "proxy"), ("shop", "web", "app"), ("test", "web", "app"))


@pytest.mark.parametrize("name", ["shop/api/app", "shop/web", "test/web/app"])
def test_found_by_its_shortest_unique_name(name: str) -> None:
    """A workload is found by as much of its name as makes it unique."""
    row = explain(SHOP, name).row
    assert f"{row['namespace']}/{row['workload']}/{row['container']}".startswith(name)


NAMES = SHOP.workloads["name"].to_list()


@pytest.mark.parametrize("name", ["api", "web", "shop/api", "nobody"])
def test_unknown_or_ambiguous_name(name: str) -> None:
    """A name of nobody is an error that lists the workloads there are; one of several lists these alone."""
    called = [full for full in NAMES if f"/{name}/" in f"/{full}/"]
    with pytest.raises(UnknownWorkloadError) as error:
        explain(SHOP, name)
    said = {full for full in NAMES if full in str(error.value)}
    assert said == set(called or NAMES)
    assert str(error.value).startswith(f"{len(called)} workloads match" if called else f"No workload {name!r}")


DOORS: Final[dict[str, Callable[[str], object]]] = {
    "explain": lambda name: rm.explain(SHOP, name),
    "compare": lambda name: rm.compare(SHOP, SHOP, name),
    "plot_memory": lambda name: rm.plot_memory(SHOP, name),
    "plot_lives": lambda name: rm.plot_lives(SHOP, name),
    "plot_risk": lambda name: rm.plot_risk(SHOP, name),
    "Triage": lambda name: rm.Triage(SHOP, workload=name),
    "LimitExplorer": lambda name: rm.LimitExplorer(SHOP, name),
    "heap": lambda name: rm.classify(SHOP.recording, {name: "no such profile"}),
}


@pytest.mark.parametrize("door", DOORS)
def test_no_door_chooses_one_of_several(door: str) -> None:
    """Two namespaces have a service of one name: whoever asks for it by that name alone is told of both."""
    with pytest.raises(
        UnknownWorkloadError, match=r"2 workloads match 'web': (shop|test)/web.*, (shop|test)/web"
    ) as error:
        DOORS[door]("web")
    assert len(set(re.findall(r"(?:shop|test)/web", str(error.value)))) == 2
    assert "/api" not in str(error.value)


def test_a_pod_of_several_workloads() -> None:
    """Its containers are named, and no workload that has nothing to do with it."""
    names = [("api", "one"), ("api", "two"), ("web", "app")]
    rows = [{"workload": one, "pod": f"{one}-0", "container": two, "time": 0, "rss_bytes": MI} for one, two in names]
    with pytest.raises(UnknownWorkloadError, match=r"2 workloads match 'api-0': api/(one|two), api/(one|two)\."):
        explain(pl.DataFrame(rows), "api-0")


def test_the_last_of_pods_that_followed_each_other_under_one_name() -> None:
    """A pod of a StatefulSet that was made anew: its name means the one that runs."""
    rows = [
        {"workload": "db", "pod": "db-0", "pod_uid": uid, "time": 60 * minute, "rss_bytes": 50 * MI}
        for uid, begin in (("a", 60), ("b", 0))
        for minute in range(begin, begin + 60)
    ]
    found = assess(pl.DataFrame(rows))
    assert explain(found, "db-0").row["workload"] == "db"
    uids = dict(found.recording.containers.select("container_id", "pod_uid").iter_rows())
    assert uids[find_row(found, "db-0")["container_id"]] == "a"


def test_a_frame_of_verdicts() -> None:
    """What was found without what it was found from is not enough; the error says what is."""
    with pytest.raises(RmtoolkitError, match=r"rm\.assess"):
        explain(classify(SHOP), "shop/web")


def test_leak_in_words() -> None:
    """A leak's explanation names the workload, its rate and its evidence."""
    found = explain(footprint(T, (200 + 5 * T) * MI, np.random.default_rng(1), limit=GI), "api")
    assert found.headline.startswith("api leaks 1")
    assert "limit" in found.headline
    assert repr(found).startswith("<Explanation: leak: api leaks")
    assert "\n" not in repr(found)
    text = found.summary()
    assert text.splitlines()[0] == found.row["explanation"]
    assert "for a leak" in text
    assert found.to_dict() == found.row
    assert found.to_dict() is not found.row


def test_html_is_escaped() -> None:
    """A hostile workload name shows as text."""
    found = explain(table(("ns", "<script>alert(1)</script>", "app")), "<script>alert(1)</script>")
    page = found._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("verdict", ["leak", "not_leak", "inconclusive"])
def test_html_of_each_verdict(verdict: str) -> None:
    """Each verdict has its sign and its word, and does without evidence."""
    found = explain(SHOP, "shop/web")
    page = replace(found, row=found.row | {"verdict": verdict}, evidence=found.evidence.clear())._repr_html_()
    assert {"leak": "▲ LEAK", "not_leak": "● NOT A LEAK", "inconclusive": "◆ INCONCLUSIVE"}[verdict] in page
    assert "No evidence" in page


HOSTILE = '"><script>alert(1)</script>\x1b[31m<!--\n{{x}}'


def hostile() -> Explanation:
    """A leak with attacks in every label and version."""
    rng = np.random.default_rng(1)
    frame = footprint(T, (200 + 5 * T) * MI, rng, limit=GI).frame().select("time", "working_set_bytes")
    names = dict.fromkeys(("cluster", "namespace", "workload", "pod", "container", "version"), HOSTILE)
    source = frame.with_columns(**{name: pl.lit(value) for name, value in names.items()}, restarts_total=0)
    return explain(source, HOSTILE)


def test_hostile_labels_stay_text() -> None:
    """Attacks in labels reach neither the page's markup nor the terminal: names, queries and advice are escaped."""
    found = hostile()
    page = found._repr_html_()
    assert "<script" not in page
    assert "<!--" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in found.summary()
    assert "\x1b" not in repr(found)


def test_the_page_has_everything_and_loads_nothing() -> None:
    """Answer, facts, evidence with window and interval, advice with settings, queries; and no address, no script."""
    found = explain(footprint(T, (200 + 5 * T) * MI, np.random.default_rng(1), limit=GI), "api")
    page = found._repr_html_()
    for part in (
        "Time to limit",
        "within 24 h",
        "within 30 days",
        "Evidence",
        "What else to do",
        "How this was got",
    ):
        assert part in page
    assert "working set, 16 Nov" in page
    assert "container_memory_working_set_bytes" in page
    assert "moka" in page
    assert not any(word in page for word in ("<script", "http:", "https:", "url(", " id=", "@import"))


def test_the_page_follows_the_notebooks_theme() -> None:
    """Light and dark tokens for notebooks that say their theme, and for those that leave it to the system."""
    page = explain(SHOP, "shop/web")._repr_html_()
    for rule in ("[data-jp-theme-light=true]", "[data-jp-theme-light=false]", "prefers-color-scheme:dark"):
        assert rule in page
    rules = page.split("<style>")[1].split("</style>")[0].replace("@media", "\n@media")
    selectors = [part.split("{")[0] for part in rules.split("}") if "{" in part and not part.strip().startswith("@")]
    listed = re.split(r",(?![^(]*\))", ",".join(selectors))
    loose = [name for name in listed if name.strip() and ".rm" not in name]
    assert loose == [], "a rule without the package's class leaks into the notebook"


def test_frames_of_an_explanation() -> None:
    """Evidence, advice and queries are frames too, with their columns, also where there is nothing in them."""
    found = explain(footprint(T, (200 + 5 * T) * MI, np.random.default_rng(1), limit=GI), "api")
    assert {"says", "statistic", "estimate", "low", "high", "unit", "signal", "start", "end"} <= set(
        found.evidence.columns
    )
    growth = found.evidence.filter(statistic="growth").row(0, named=True)
    assert growth["low"] <= growth["estimate"] <= growth["high"]
    assert growth["unit"] == "bytes/day"
    assert found.advice.columns == ["text", "setting", "expected", "because", "until"]
    assert found.queries.columns == ["shows", "promql"]


def test_a_pod_is_found_by_its_name() -> None:
    """Of several pods one can be asked for: verdict and evidence are its own."""
    rng = np.random.default_rng(1)
    pods = [
        footprint(T, level, rng, limit=GI, namespace="shop", container="app", pod=f"api-{number}")
        for number, level in enumerate(((200 + 5 * T) * MI, 200 * MI + 0 * T))
    ]
    found = assess(concat(pods))
    assert [explain(found, f"api-{number}").row["verdict"] for number in range(2)] == ["leak", "not_leak"]
    page = explain(found, "api-1")._repr_html_()
    assert "shop/api/api-1" in page
    assert 'namespace="shop"' in page.replace("&quot;", '"')


def test_floor_and_horizons_in_the_summary() -> None:
    """The plain text says the smallest growth that would be found and the chance of a kill for all horizons."""
    text = explain(footprint(T, (200 + 5 * T) * MI, np.random.default_rng(1), limit=GI), "api").summary()
    assert "nine times in ten" in text
    assert "within 24 h, " in text
    assert " within 30 days." in text


SAMPLES = [file.name for file in sorted(Path("data/samples").iterdir()) if file.suffix not in (".md", ".csv", ".jsonl")]


@pytest.fixture(scope="module")
def samples() -> Assessment:
    """What is known of all of them."""
    return assess(read("data/samples"))


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_to_do_stands_before_what_it_rests_on(samples: Assessment, sample: str) -> None:
    """First the answer, then the first step and the others, then evidence, with what most of it is of said once."""
    explained = explain(samples, sample.partition(".")[0])
    answer, steps, *evidence = explained.summary().split("\n\n")
    assert answer.startswith(explained.row["explanation"])
    starts = [line.partition(":")[0] for line in steps.splitlines() if not line.startswith(" ")]
    assert starts == ["Next", *["Then"] * (explained.advice.height - 1)]
    head, *lines = evidence[0].splitlines()
    usual, others = tables.seen(explained.evidence.to_dicts())
    assert head == f"Evidence ({usual}):"
    assert usual not in "".join(lines)
    seen = explained.evidence.filter(pl.col("says") != "not_measured")
    for line, other, item in zip(lines, others, explained.evidence.iter_rows(named=True), strict=False):
        assert line.endswith(f": {item['value']} ({other})" if other else f": {item['value']}")
    for item in seen.iter_rows(named=True):
        window = period(item["start"], item["end"])
        line = next(line for line in lines if f" {item['text']}: {item['value']}" in line)
        assert (window in line) is (window not in usual)
        if signal := item["signal"] and signal_word(item["signal"]):
            assert (f" ({signal}" in line) is not usual.startswith(signal)


@pytest.mark.parametrize("width", range(40, 60))
def test_a_number_stays_with_its_unit(width: int) -> None:
    """No line begins with a unit, wherever it is broken."""
    said = "It uses 69.6 Mi and keeps 203 Mi of freed memory; 7.1 % within 7 days, 27 % within 30 days, 1,024 Gi in all"
    lines = wrapped(said, width)
    assert " ".join(lines) == said
    assert not any(line.startswith(("Mi", "Gi", "%")) for line in lines)


@pytest.mark.parametrize("columns", [60, 200])
def test_code_is_never_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int) -> None:
    """However narrow the terminal is, each query and setting stands whole on one line: it is there to be copied."""
    monkeypatch.setattr("rmtoolkit.text.columns", lambda _: columns)
    found = assess(read("data/samples/noble-newt"))
    table = terminal_table(found, pen=Pen(width=columns)).splitlines()
    assert main(["explain", "noble-newt", "data/samples/noble-newt"]) == 0
    card, explained = capsys.readouterr().out.splitlines(), explain(found, "noble-newt")
    for code in (*explained.queries["promql"], *explained.advice["setting"].drop_nulls()):
        assert any(code in line for line in card), code
    setting = found.workloads["setting"][0]
    assert any(setting in line for line in table)
