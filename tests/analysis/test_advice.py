"""Advice fits the cause, names exact settings, and uses this recording's figures."""

from __future__ import annotations

import ast
import datetime as dt
import string
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.analysis import patterns
from rmtoolkit.analysis.judge import judge
from rmtoolkit.analysis.records import Advice, OpenKind, Statistic
from rmtoolkit.assessment import classify
from rmtoolkit.limits.recommend import OF_LIMITS
from rmtoolkit.schema import Action
from rmtoolkit.text import texts
from rmtoolkit.validation import ORDERS
from tests.analysis.curves import GI, MI, hours, record, small_noise
from tests.analysis.verdicts import row_of

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
T = hours(24, 60)


@cache
def verdicts() -> dict[str, dict[str, Any]]:
    """Verdicts on the recorded samples."""
    return {row["workload"]: row for row in classify(rm.read(SAMPLES)).iter_rows(named=True)}


def given(row: dict[str, Any]) -> str:
    """All advice on a verdict, in one text."""
    return "\n".join(found.sentence for found in patterns.advise(row))


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        pytest.param(
            "noble-newt",
            [
                "_RJEM_MALLOC_CONF=background_thread:true,dirty_decay_ms:",
                "203 Mi",
                "MALLOC_CONF",
                "narenas",
                "LazyLock",
            ],
            id="jemalloc_keeps_pages",
        ),
        pytest.param("opal-vole", ["gaps", "179 Mi", "thp:never", "AnonHugePages"], id="fragmentation"),
        pytest.param(
            "mellow-jackdaw",
            [
                "prof:true",
                "rm.diff(rm.read_heap",
                "moka",
                "lru::LruCache",
                "num_alive_tasks",
                "tokio-console",
                "label",
            ],
            id="heap_leak",
        ),
        pytest.param("tidy-grouse", ["stats::allocated", "heaptrack --pid", "dhat"], id="leak_without_a_gauge"),
        pytest.param(
            "amber-newt",
            ["/proc/PID/task/*/comm", "max_blocking_threads", "RUST_MIN_STACK", "each thread costs 0.171 Mi"],
            id="threads",
        ),
        pytest.param("vivid-vole", ["only that pod"], id="one_pod_of_two"),
        pytest.param("plain-heron", ["Stream", "Semaphore", "151 Mi"], id="burst"),
        pytest.param("opal-egret", ["resources.limits.memory: 400Mi", "LazyLock", "269 Mi"], id="startup"),
        pytest.param("young-badger", ["Nothing to do", "160 Mi"], id="page_cache"),
        pytest.param("rapid-grouse", ["Wait until", "stats::allocated", "work_total"], id="open"),
    ],
)
def test_advice_on_a_recorded_sample(workload: str, words: list[str]) -> None:
    """Each sample's cause gets its own settings, with the amounts of the sample."""
    text = given(verdicts()[workload])
    missing = [word for word in words if word not in text]
    assert missing == [], text


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        pytest.param("young-raven", ["MALLOC", "Wait", "limit"], id="a_cycle_needs_nothing"),
        pytest.param("young-badger", ["MALLOC", "Raise the limit"], id="page_cache_needs_no_allocator"),
        pytest.param("amber-newt", ["moka", "malloc_trim"], id="threads_are_no_cache"),
        pytest.param("mellow-jackdaw", ["malloc_trim", "MIMALLOC"], id="a_leak_is_no_retention"),
        pytest.param("noble-newt", ["MIMALLOC", "MALLOC_ARENA_MAX", "heaptrack"], id="jemalloc_is_known"),
    ],
)
def test_advice_that_the_evidence_does_not_support(workload: str, words: list[str]) -> None:
    """What belongs to another cause or another allocator is not advised."""
    text = given(verdicts()[workload])
    assert [word for word in words if word in text] == []


def test_next_step_is_the_first_piece() -> None:
    """The column `next_step` of a judgement and its advice begin alike, for every sample."""
    for row in judge(rm.read(SAMPLES))[0]["verdicts"].iter_rows(named=True):
        assert row["next_step"] == next(patterns.advise(row)).sentence


def test_advice_on_a_stored_verdict_is_the_same(tmp_path: Path) -> None:
    """Advice is read off the row: stored as Parquet and read again, it does not change."""
    frame = classify(rm.read(SAMPLES / "noble-newt"))
    frame.write_parquet(tmp_path / "verdicts.parquet")
    again = pl.read_parquet(tmp_path / "verdicts.parquet")
    assert given(again.row(0, named=True)) == given(frame.row(0, named=True))


def test_glibc_gets_its_own_settings() -> None:
    """Pages that glibc keeps (fordblks) are returned by its variables, not jemalloc's."""
    rng = np.random.default_rng(1)
    heap = np.where(T < 1, 400.0, 100.0) * MI
    free = 410 * MI - heap
    signals = {
        "allocated_bytes": heap + small_noise(rng, heap) / 4,
        "free_bytes": free,
        "anon_bytes": heap + free + 20 * MI,
        "working_set_bytes": heap + free + 30 * MI,
    }
    row = row_of(record(T, signals, limit_bytes=GI, restarts_total=0))
    assert row["pattern"] == "retention"
    assert "MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=" in row["next_step"]
    assert "malloc_trim" in row["next_step"]
    assert "RJEM" not in given(row)


def test_an_unknown_allocator_gets_all_of_them() -> None:
    """Where nothing says which allocator keeps the pages, the advice names each, musl's too."""
    rng = np.random.default_rng(1)
    heap = np.where(T < 2, 400.0, 100.0) * MI
    above = np.full(len(T), 430.0) * MI
    signals = {"allocated_bytes": heap + small_noise(rng, heap) / 4, "rss_bytes": above + small_noise(rng, above) / 9}
    row = row_of(record(T, signals, limit_bytes=GI, restarts_total=0))
    assert row["pattern"] == "retention"
    for word in ("_RJEM_MALLOC_CONF", "MALLOC_ARENA_MAX", "MIMALLOC_PURGE_DELAY", "musl"):
        assert word in given(row)


def test_many_threads_beside_retention() -> None:
    """With more threads than a quota can run, worker threads and arenas are set by the quota."""
    row = dict(verdicts()["noble-newt"])
    many = {"statistic": "threads_many", "estimate": 96.0, "says": "against", "text": "", "value": "96"}
    row["evidence"] = [*row["evidence"], many]
    assert "TOKIO_WORKER_THREADS" in given(row)
    assert "96 threads now" in given(row)


def test_sentence() -> None:
    """Action, setting as code, effect; one full stop each."""
    assert Advice("Do it.").sentence == "Do it."
    assert Advice("Do it: now", setting="A=1").sentence == "Do it: now. `A=1`."


def test_advice_without_evidence() -> None:
    """A verdict that came through a CSV has no evidence: advice says less, and does not fail."""
    for row in verdicts().values():
        assert given(row | {"evidence": None})


END = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
#: A limit of 1,000 Mi, half of it used at the peak.
CALM: dict[str, Any] = {
    "verdict": "not_leak",
    "pattern": "plateau",
    "limit_bytes": 1000 * MI,
    "settled_bytes": 400 * MI,
    "peak_bytes": 500 * MI,
}
WATCHED = {"statistic": "growth", "start": END - dt.timedelta(hours=16), "end": END}


@pytest.mark.parametrize(
    ("changed", "text", "setting", "expected"),
    [
        ({"peak_bytes": 900 * MI}, "Nothing to do.", None, None),
        (
            {"peak_bytes": 901 * MI},
            "Raise the limit or spread the work: the peak of 901 Mi is 90.1 % of the limit",
            "resources.limits.memory: 1008Mi",
            "the same peak is then 89 % of the limit instead of 90.1 %",
        ),
        ({"settled_bytes": 800 * MI}, "Nothing to do.", None, None),
        (
            {"settled_bytes": 801 * MI},
            "Leave room for a burst: ordinary use is 80 % of 1,000 Mi",
            "resources.limits.memory: 1008Mi",
            "ordinary use is then 80 % of the limit or less",
        ),
        (
            {"evidence": [{"statistic": "oom_kills", "estimate": 2.0}]},
            "Find the burst that kills: it comes and goes between two samples",
            "container_memory_max_usage_bytes, or memory.peak in the cgroup; a scrape interval of 5 s",
            "a peak at the limit, beside 400 Mi of ordinary use",
        ),
        ({"evidence": [WATCHED], "oom_probability_7d": 0.05}, "Nothing to do.", None, None),
        (
            {"evidence": [WATCHED], "oom_probability_7d": 0.051, "detection_floor_bytes_per_day": 5.0 * MI},
            "Watch it for longer: in 16 h growth below 5 Mi/day cannot be seen",
            None,
            "the detection floor falls to about a third when the window doubles",
        ),
        ({"oom_probability_7d": 0.9}, "Nothing to do.", None, None),
    ],
    ids=["peak", "high_peak", "settled", "full", "killed", "within_target", "risky", "not_watched"],
)
def test_room_under_the_limit(changed: dict[str, Any], text: str, setting: str | None, expected: str | None) -> None:
    """On both sides of 90 % for a peak, 80 % for ordinary use, and the target; sizes in whole steps of 16 Mi."""
    (found,) = patterns.advise(CALM | changed)
    assert (found.text, found.setting, found.expected) == (text, setting, expected)


def test_page_cache_needs_no_room() -> None:
    """What the kernel takes back may fill the limit."""
    (found,) = patterns.advise(CALM | {"pattern": "page_cache", "peak_bytes": 990 * MI, "settled_bytes": 980 * MI})
    assert found.text.startswith("Nothing to do: the kernel takes page cache back")


@pytest.mark.parametrize(("kind", "part", "size"), [("killed", "half", 1512), ("at_limit", "a quarter", 1256)])
def test_a_limit_is_raised_once_to_see(kind: str, part: str, size: int) -> None:
    """By a half where starts were killed, by a quarter where it is held down; without a limit there is no size."""
    row = CALM | {"verdict": "inconclusive", "evidence": [{"statistic": f"open_{kind}"}]}
    first = next(patterns.advise(row))
    assert first.text == f"Raise the limit once by {part} and watch what the memory does"
    assert first.setting == f"resources.limits.memory: {size}Mi"
    assert next(patterns.advise(row | {"limit_bytes": None})).setting is None


def test_advice_is_asked_for_by_its_name_with_its_figures() -> None:
    """Whoever asks for advice names one that there is and gives just its figures; nothing is there that nobody asks."""
    figures = {
        name: {field for words in said.values() for _, field, *_ in string.Formatter().parse(words) if field}
        for name, said in texts("analysis/advice").items()
    }
    files = [ast.parse(file.read_text("utf-8")) for file in Path(rm.__file__).parent.rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(file)]
    named = {f"{verb}_{held.cause}" for verb in ("find", "bound") for held in patterns.HELD}
    named |= {f"only_{action}" for action in Action if action not in (*OF_LIMITS, Action.NONE)}
    words = texts("analysis/words")
    named |= {*words["mends"].values(), *words["unseen_by_profile"].values()}.union(*words["settles"].values())
    assert {*words["settles"], *words["grows_beside"]} <= {*OpenKind}
    assert words["mends"].keys() <= texts("validation/findings").keys() | {order[0] for order in ORDERS}
    assert {*words["unseen_by_profile"]} <= {*Statistic}
    assert named <= figures.keys()
    assert figures.keys() - named <= {node.value for node in nodes if isinstance(node, ast.Constant)}
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "Advice.of"]
    assert calls
    for call in calls:
        if isinstance(call.args[0], ast.Constant):
            given = {str(one.arg) for one in call.keywords} - {"because", "until"}
            assert given == figures[str(call.args[0].value)], ast.unparse(call)
