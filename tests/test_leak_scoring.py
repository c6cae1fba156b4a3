from __future__ import annotations

import csv
import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.recording import Recording
from tests.benchmarks import baselines_leak, leak_or_not, leak_scores
from tests.benchmarks.baselines_leak import BASELINES, Series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MI = 1 << 20
GI = 1 << 30
SCRAPES = 600


def labels(*rows: dict[str, Any]) -> pl.DataFrame:
    """Make a labels table; what a row does not say is that of a decidable run without a leak."""
    usual = {
        "namespace": "elm",
        "leak": False,
        "decidable": True,
        "pattern": "plateau",
        "needs": "",
        "seconds_to_limit": None,
        "watched_seconds": 0,
        "allocator": "glibc",
        "window_seconds": 400,
        "shape": "plateau",
    }
    whole = [usual | {"workload": f"w{number}"} | row for number, row in enumerate(rows)]
    right = pl.when("leak").then(pl.lit("leak")).otherwise(pl.lit("not_leak"))
    verdict = pl.when("decidable").then(right).otherwise(pl.lit("inconclusive"))
    return pl.DataFrame(whole, schema_overrides={"seconds_to_limit": pl.Int64}).with_columns(verdict=verdict)


def said(verdicts: Sequence[str], **more: Sequence[Any]) -> pl.DataFrame:
    """Make the answers of a classifier about w0, w1 and so on."""
    return pl.DataFrame({"workload": [f"w{n}" for n in range(len(verdicts))], "verdict": verdicts, **more})


def figures(answers: pl.DataFrame, truth: pl.DataFrame) -> dict[str, float | None]:
    """Score and keep the values."""
    scored = leak_scores.score(leak_scores.join(answers, truth))
    return {name: figure.value for name, figure in scored.figures.items()}


LEAK, CLEAN = {"leak": True, "pattern": "leak"}, {"leak": False}
UNDECIDABLE = {"decidable": False}


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [
        pytest.param(0, 10, 0.0, 0.2775, id="none of ten"),
        pytest.param(5, 10, 0.2366, 0.7634, id="half of ten"),
        pytest.param(10, 10, 0.7225, 1.0, id="ten of ten"),
        pytest.param(81, 263, 0.2553, 0.3662, id="Newcombe 1998"),
        pytest.param(0, 0, 0.0, 1.0, id="nothing"),
    ],
)
def test_wilson_gives_published_bounds(hits: int, count: int, low: float, high: float) -> None:
    """The interval is Wilson's score interval without correction."""
    assert leak_scores.wilson(hits, count) == pytest.approx((low, high), abs=5e-5)


@given(found=st.integers(0, 50), alarms=st.integers(0, 50), missed=st.integers(0, 50))
def test_f1_is_that_of_precision_and_recall(found: int, alarms: int, missed: int) -> None:
    """The value is 2TP / (2TP + FP + FN) and lies in its interval."""
    figure = leak_scores.f1(found, alarms, missed)
    if not found + alarms + missed:
        assert figure.value is None
        return
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    assert figure.value == pytest.approx(2 * found / (2 * found + alarms + missed))
    assert 0 <= figure.low <= figure.value <= figure.high <= 1


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        pytest.param(0, 0, 1.0, id="no difference"),
        pytest.param(5, 5, 1.0, id="even"),
        pytest.param(10, 0, 2 / 1024, id="one side only"),
        pytest.param(2, 8, 0.109375, id="two against eight"),
    ],
)
def test_mcnemar_is_an_exact_sign_test(first: int, second: int, p: float) -> None:
    """The p-value is the two-sided binomial tail over the runs that only one judged right."""
    assert leak_scores.mcnemar(first, second) == pytest.approx(p)


def test_every_verdict_is_counted_where_it_belongs() -> None:
    """Of four leaks two are found, one is called clean, one left open; of three clean runs one is an alarm."""
    truth = labels(LEAK, LEAK, LEAK, LEAK, CLEAN, CLEAN, CLEAN)
    got = figures(said(["leak", "leak", "not_leak", "inconclusive", "leak", "not_leak", "inconclusive"]), truth)
    assert got["precision"] == pytest.approx(2 / 3)
    assert got["recall"] == pytest.approx(2 / 4)
    assert got["f1"] == pytest.approx(4 / 7)
    assert got["decided_recall"] == pytest.approx(2 / 3)
    assert got["decided_f1"] == pytest.approx(4 / 6)
    assert got["false_clean"] == pytest.approx(1 / 4)
    assert got["false_alarms"] == pytest.approx(1 / 3)
    assert got["abstained"] == pytest.approx(2 / 7)
    assert got["right"] == pytest.approx(3 / 7)
    assert got["cost"] == pytest.approx((10 + 3 + 2) / 7)


def test_undecidable_runs_count_only_when_confident_and_wrong() -> None:
    """A verdict on them is wrong when it differs from the truth; abstaining and luck are not."""
    truth = labels(*({**kind, **UNDECIDABLE} for kind in (LEAK, LEAK, LEAK, CLEAN)))
    got = figures(said(["not_leak", "leak", "inconclusive", "leak"]), truth)
    assert got["wrong_undecidable"] == pytest.approx(2 / 4)
    assert got["recall"] is None
    assert got["abstained"] is None


def test_a_run_without_an_answer_is_a_miss() -> None:
    """Silence is scored as inconclusive, and counted."""
    scored = leak_scores.score(leak_scores.join(said(["leak"]), labels(LEAK, LEAK)))
    assert scored.unanswered == 1
    assert scored.figures["recall"].value == pytest.approx(0.5)


def test_workloads_of_one_name_are_told_apart_by_namespace() -> None:
    """An answer goes to the run of its own namespace."""
    truth = labels({**LEAK, "workload": "api", "namespace": "ash"}, {"workload": "api", "namespace": "elm"})
    answers = pl.DataFrame(
        {"namespace": ["elm", "ash"], "workload": ["api", "api"], "verdict": ["not_leak", "leak"]},
    )
    assert figures(answers, truth)["right"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        pytest.param(said(["Leak"]), r"found \['Leak'\]", id="unknown verdict"),
        pytest.param(pl.concat([said(["leak"])] * 2), "'w0' has more than one answer", id="two answers"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(answers: pl.DataFrame, message: str) -> None:
    """A frame that would be scored wrongly raises instead."""
    with pytest.raises(ValueError, match=message):
        leak_scores.join(answers, labels(LEAK))


def test_pattern_is_right_when_it_is_one_of_the_alternatives() -> None:
    """Macro-F1 weighs each pattern the same, and a run without a pattern is wrong."""
    truth = labels({"pattern": "leak|sawtooth"}, {"pattern": "leak"}, {"pattern": "plateau"}, {"pattern": "step"})
    got = figures(said(["leak"] * 4, pattern=["sawtooth", "leak", "leak", None]), truth)
    assert got["pattern_right"] == pytest.approx(2 / 4)
    # sawtooth 1, leak 2/3, plateau 0, step 0
    assert got["pattern_f1"] == pytest.approx((1 + 2 / 3) / 4)


def test_times_are_judged_only_where_a_kill_was_seen() -> None:
    """Errors are relative; an open interval covers all later times; a leak alive after its interval is too early."""
    killed = {**LEAK, "seconds_to_limit": 3600, "watched_seconds": 3599}
    alive = {**LEAK, "watched_seconds": 7200}
    truth = labels(killed, killed, killed, killed, alive, alive)
    got = figures(
        said(
            ["leak", "leak", "leak", "inconclusive", "leak", "leak"],
            hours_to_limit=[1.1, 0.5, 2.0, 1.0, 1.5, 1.5],
            hours_to_limit_low=[0.9, 0.4, 0.9, 0.5, 1.0, 1.0],
            hours_to_limit_high=[1.3, 0.6, None, 2.0, 1.9, 2.1],
        ),
        truth,
    )
    assert got["timed"] == pytest.approx(3 / 4)
    assert got["time_error"] == pytest.approx(0.5)
    assert got["time_covered"] == pytest.approx(2 / 3)
    assert got["too_early"] == pytest.approx(1 / 2)


def test_brier_and_reliability_compare_what_was_said_with_what_was() -> None:
    """Undecidable runs count too: a probability is an answer there."""
    truth = labels(LEAK, CLEAN, {**LEAK, **UNDECIDABLE})
    answers = said(["leak", "not_leak", "inconclusive"], leak_probability=[1.0, 0.1, 0.5])
    scored = leak_scores.score(leak_scores.join(answers, truth))
    assert scored.figures["brier"].value == pytest.approx((0 + 0.01 + 0.25) / 3)
    assert scored.figures["base_rate_brier"].value == pytest.approx(2 / 9)
    assert [one.low for one in scored.reliability] == [0.05, 0.4, 0.95]
    assert [one.said for one in scored.reliability] == pytest.approx([0.1, 0.5, 1.0])
    assert [one.seen.value for one in scored.reliability] == [0.0, 1.0, 1.0]


def test_every_figure_is_explained() -> None:
    """What is measured and what is described are the same names, also when there is nothing to measure."""
    scored = leak_scores.score(leak_scores.join(said(["inconclusive"]), labels({**CLEAN, **UNDECIDABLE})))
    assert set(scored.figures) == set(leak_scores.FIGURES)


def curve(kind: str, scrapes: int = SCRAPES) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Draw an obvious series of bytes under a limit of 1 GiB."""
    at = np.arange(scrapes)
    noise = np.random.default_rng(7).normal(0, 0.2, scrapes)
    level = {
        "leak": 400 + 0.6 * at,
        "flat": np.full(scrapes, 400.0),
        "falling": 700 - 0.5 * at,
        "step": 400 + 200.0 * (at > scrapes / 2),
    }[kind]
    return (level + noise) * MI


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize(
    ("kind", "leaks"), [pytest.param("leak", True, id="leak"), pytest.param("falling", False, id="falling")]
)
def test_every_baseline_sees_the_obvious(name: str, kind: str, leaks: bool) -> None:
    """A straight rise to the limit is a leak for all of them, a straight fall for none."""
    assert judged(name, {"api-0": curve(kind)}) == ("leak" if leaks else "not_leak")


@pytest.mark.parametrize("name", sorted(set(BASELINES) - {"mann_kendall"}))
def test_flat_noise_is_clean(name: str) -> None:
    """No rule but Mann-Kendall, which is wrong by design in one of forty, may alarm at flat noise."""
    assert judged(name, {"api-0": curve("flat")}) == "not_leak"


@pytest.mark.parametrize(
    ("name", "leaks"),
    [
        pytest.param("mann_kendall", "leak", id="mann_kendall"),
        pytest.param("first_and_last", "leak", id="first_and_last"),
        pytest.param("quarters", "leak", id="quarters"),
        pytest.param("straight_line", "not_leak", id="straight_line"),
        pytest.param("predict_linear", "not_leak", id="predict_linear"),
        pytest.param("coroot", "not_leak", id="coroot"),
        pytest.param("precog_mf", "not_leak", id="precog_mf"),
    ],
)
def test_a_step_fools_the_rules_that_compare_ends(name: str, leaks: str) -> None:
    """A step that stays is a leak to whoever looks at ends or ranks, and none to whoever wants a line."""
    assert judged(name, {"api-0": curve("step")}) == leaks


@pytest.mark.parametrize("name", BASELINES)
def test_too_little_data_is_inconclusive(name: str) -> None:
    """Two scrapes carry no rule but predict_linear, which asks for no more."""
    expected = "not_leak" if name == "predict_linear" else "inconclusive"
    assert judged(name, {"api-0": curve("flat", 2)}) == expected


@pytest.mark.parametrize("name", BASELINES)
def test_one_leaking_replica_is_enough(name: str) -> None:
    """Replicas are judged one by one, never as a sum."""
    assert judged(name, {"api-0": curve("flat"), "api-1": curve("leak")}) == "leak"


def test_time_left_is_the_way_to_the_limit_at_the_rate_of_the_line() -> None:
    """400 MiB plus 0.6 MiB a scrape meet 1 GiB after 1040 scrapes, 440 of them still to come."""
    leaks, left = baselines_leak.predict_linear(Series(np.arange(SCRAPES, dtype=float), curve("leak"), GI))
    assert leaks
    assert left == pytest.approx(440, rel=0.02)


def test_restart_is_no_fall_and_no_trend() -> None:
    """The longest life is judged alone, without the time to a limit that another life will meet."""
    halves = np.r_[curve("leak", 500), curve("flat", 100)]
    found = BASELINES["straight_line"](recorded({"api-0": halves}, [("api-0", 0, "start"), ("api-0", 500, "start")]))
    assert found.select("verdict", "hours_to_limit").row(0) == ("leak", None)


def test_replaced_containers_are_left_out() -> None:
    """A leak that went away with its release is no alarm now."""
    memory = {"api-old": curve("leak", 400), "api-new": curve("flat")}
    found = BASELINES["straight_line"](recorded(memory, [("api-old", 0, "start"), ("api-old", 400, "end")]))
    assert found["verdict"].to_list() == ["not_leak"]


def test_coroot_looks_at_rss() -> None:
    """RSS decides where there is one, the working set where there is none."""
    whole = recorded({"api-0": curve("flat")}, rss={"api-0": curve("leak")})
    assert BASELINES["coroot"](whole)["verdict"].to_list() == ["leak"]
    bare, _ = leak_or_not.at_level(whole, labels(CLEAN), "working-set")
    assert BASELINES["coroot"](bare)["verdict"].to_list() == ["not_leak"]


def test_hidden_signals_make_what_needs_them_undecidable() -> None:
    """Without the allocator's numbers a run that needs them is no longer decidable; the others stay as they are."""
    truth = labels({"needs": "allocator"}, {"needs": "restarts"}, {"needs": "load"}, {})
    whole = recorded({"api-0": curve("flat")})
    decidable = {level: leak_or_not.at_level(whole, truth, level)[1]["decidable"] for level in leak_or_not.LEVELS}
    assert decidable["full"].to_list() == [True, True, True, True]
    assert decidable["no-allocator"].to_list() == [False, True, True, True]
    assert decidable["working-set"].to_list() == [False, True, False, True]


def recorded(
    working_set: dict[str, np.ndarray[Any, np.dtype[np.float64]]],
    turns: Sequence[tuple[str, int, str]] = (),
    rss: dict[str, np.ndarray[Any, np.dtype[np.float64]]] | None = None,
) -> Recording:
    """Make a recording of one workload, a scrape a second, with events at some seconds."""
    frames = [
        pl.DataFrame({"time": range(len(values)), "working_set_bytes": values.astype(int)}).with_columns(
            pl.Series("rss_bytes", rss[pod].astype(int) if rss else [None] * len(values), dtype=pl.Int64),
            workload=pl.lit("w0"),
            pod=pl.lit(pod),
            limit_bytes=GI,
        )
        for pod, values in working_set.items()
    ]
    events = pl.DataFrame(
        [{"pod": pod, "workload": "w0", "time": second, "kind": kind} for pod, second, kind in turns],
        schema={"pod": pl.String, "workload": pl.String, "time": pl.Int64, "kind": pl.String},
    )
    return Recording.from_frame(pl.concat(frames), events=events if turns else None)


def judged(name: str, working_set: dict[str, np.ndarray[Any, np.dtype[np.float64]]]) -> str:
    """Ask a baseline about one workload."""
    verdicts = BASELINES[name](recorded(working_set))["verdict"].to_list()
    assert len(verdicts) == 1
    return str(verdicts[0])


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Store a corpus of one leak, the same in both parts, and point the benchmark at it."""
    for part in ("dev", "sealed"):
        recorded({"w0-0": curve("leak")}).write(tmp_path / f"{part}.parquet")
        labels({**LEAK, "namespace": None, "seconds_to_limit": 440}).write_csv(tmp_path / f"{part}_labels.csv")
    monkeypatch.setattr(leak_or_not, "CORPUS", tmp_path)
    monkeypatch.setattr(leak_or_not, "LOGS", tmp_path)
    return tmp_path


def test_dev_is_printed_and_leaves_no_trace(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table names the classifier and its rates with intervals; every figure goes into the CSV file."""
    leak_or_not.main(["--classifier", "predict_linear", "--csv", str(corpus / "all.csv")])
    printed = capsys.readouterr().out
    assert "predict_linear  100 (21–100)" in printed
    assert max(map(len, printed.splitlines())) < 160
    assert not (corpus / "sealed_runs.csv").exists()
    with (corpus / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    recall = [row for row in rows if row["figure"] == "recall" and row["level"] == "full" and not row["slice"]]
    assert [(row["classifier"], row["runs"], row["value"]) for row in recall] == [("predict_linear", "1", "1.0")]


def test_every_run_on_sealed_is_logged(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run appends its date, commit and headline figures, and says so."""
    for _ in range(2):
        leak_or_not.main(["--part", "sealed", "--classifier", "quarters"])
    assert "was recorded in sealed_runs.csv" in capsys.readouterr().out
    with (corpus / "sealed_runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["level"] for row in rows] == [*leak_or_not.LEVELS] * 2
    assert {row["recall"] for row in rows} == {"1.0000"}
    assert all(row["commit"] for row in rows)
    assert dt.datetime.fromisoformat(rows[0]["date"]).year >= 2024


def test_a_missing_corpus_is_one_clear_line(corpus: Path) -> None:
    """Without the recordings the program names the file and the way to get it."""
    (corpus / "dev_labels.csv").unlink()
    with pytest.raises(SystemExit, match=r"dev_labels.csv is not there. Hint: `make corpus`"):
        leak_or_not.main(["--part", "dev"])
