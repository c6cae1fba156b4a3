"""The arithmetic of the benchmark that cuts each run: where it is cut, what was true by then, and what flipped."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from rmtoolkit.recording import Recording
from tests.benchmarks import leak_early

MI = 1 << 20
BEGIN = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
#: Of each run: its beginning, seconds between its samples, and what it has lost by its end in MiB of a hundred.
RUNS = {"steady": (0, 10, 20.0), "late": (500, 60, 20.0), "calm": (90, 10, 0.0), "slight": (0, 10, 1.0)}
U = np.arange(101) / 100


def made(noise: float = 0.0) -> tuple[Recording, pl.DataFrame]:
    """Four runs of 101 samples of different cadence, and what their programs counted."""
    samples, truth = [], []
    wobble = noise * np.random.default_rng(1).normal(0, 1, 101)
    for name, (begin, cadence, lost) in RUNS.items():
        dead = lost * (np.maximum(U - 0.5, 0) * 2 if name == "late" else U)
        about = {
            "time": [BEGIN + dt.timedelta(seconds=begin + cadence * place) for place in range(101)],
            "namespace": "elm",
            "workload": name,
            "pod": f"{name}-0",
        }
        samples.append(pl.DataFrame(about | {"working_set_bytes": ((100 + dead + wobble) * MI).astype(np.int64)}))
        truth.append(pl.DataFrame(about | {"dead_bytes": (dead * MI).astype(np.int64), "outside_dead_bytes": 0}))
    events = pl.DataFrame(
        {"pod": "late-0", "time": [BEGIN + dt.timedelta(seconds=500 + at) for at in (600, 5_000)], "kind": "start"}
    )
    recording = Recording.from_frame(pl.concat(samples), events=events)
    known = pl.concat(truth).with_columns(pl.col("time").dt.cast_time_unit("ms"))
    return recording, known


@pytest.mark.parametrize(("share", "left"), [(0.25, 26), (0.6, 61), (1.0, 101)])
def test_each_run_is_cut_at_a_share_of_its_own_window(share: float, left: int) -> None:
    """Whatever the cadence and the beginning, the same number of samples is left; all end at one instant."""
    cut = leak_early.cut_at(made()[0], share)
    ends = leak_early.ends(cut)
    assert ends["end"].n_unique() == 1
    assert cut.samples.group_by("container_id").len()["len"].to_list() == [left] * len(RUNS)
    spans = dict(ends.select("workload", (pl.col("end") - pl.col("start")).dt.total_seconds()).iter_rows())
    assert spans == {name: (left - 1) * cadence for name, (_, cadence, _) in RUNS.items()}
    # An event that comes after the cut is not known yet; one before it stays where it was in the run.
    assert cut.events.height == (1 if share < 0.8 else 2)
    start = ends.filter(workload="late")["start"].item()
    assert cut.events["time"][0] == start + dt.timedelta(seconds=600)


@pytest.mark.parametrize(
    ("share", "leaks"),
    [
        (0.1, {"steady": None, "late": False, "calm": False, "slight": False}),
        (0.25, {"steady": True, "late": False, "calm": False, "slight": False}),
        (0.6, {"steady": True, "late": True, "calm": False, "slight": None}),
        (1.0, {"steady": True, "late": True, "calm": False, "slight": None}),
    ],
)
def test_the_truth_is_what_was_lost_by_then(share: float, leaks: dict[str, bool | None]) -> None:
    """A leak from 3 % of its level on, healthy up to .3 %, neither in between; before its onset a leak is healthy."""
    recording, truth = made()
    found = leak_early.truth_at(truth, recording, share)
    assert dict(found.select("workload", "leaks").iter_rows()) == leaks


def test_a_loss_that_noise_hides_is_no_leak_yet() -> None:
    """Twenty of a hundred MiB are lost among fifteen of noise: that cannot be seen, and is left out."""
    found = leak_early.truth_at(made(15.0)[1], made(15.0)[0], 1.0)
    leaks = dict(found.select("workload", "leaks").iter_rows())
    assert (leaks["steady"], leaks["calm"]) == (None, False)


def course(kills: list[float], watched: float = 150.0) -> leak_early.Course:
    """Two bytes a second for a hundred seconds, then three; a lost byte takes 1.1."""
    seconds = np.arange(151)
    lost = 2.0 * seconds + np.maximum(seconds - 100, 0)
    return leak_early.Course(seconds, lost, 1.1, kills, 100.0, watched)


@pytest.mark.parametrize(("share", "a_second"), [(0.4, 2.2), (1.0, 3.3), (0.8, 2.2 * 0.5 + 3.3 * 0.5), (1.4, None)])
def test_what_comes_is_measured_for_half_of_what_was_seen(share: float, a_second: float | None) -> None:
    """From the cut on, into the future; where a tenth of it is all there is, nothing is said."""
    rate = course([]).rate(share)
    assert rate == (None if a_second is None else pytest.approx(86_400 * a_second))


@pytest.mark.parametrize(
    ("kills", "low", "high", "time_held"),
    [
        ([120.0], 10, 30, True),
        ([40.0, 131.5], 10, 30, False),
        ([120.0], 21.5, 30, False),
        ([120.0], 20.5, 30, True),
        ([120.0], 10, None, True),
        ([], 10, 30, False),
        ([], 10, 60, None),
        ([], None, None, None),
    ],
)
def test_the_next_kill_is_held_against_the_interval(
    kills: list[float], low: float | None, high: float | None, time_held: bool | None
) -> None:
    """The next after the cut, to the second; without one the interval must reach beyond what was watched."""
    hours = [None if end is None else end / 3600 for end in (low, high)]
    said = pl.DataFrame(
        {"namespace": ["elm"], "workload": ["a"], "growth": [[86_400 * 3.0, 86_400 * 4.0]], "hours": [hours]},
        schema_overrides={"hours": pl.List(pl.Float64)},
    )
    found = leak_early.held(said, {("elm", "a"): course(kills)}, 1.0)
    assert found.select("growth_held", "time_held").row(0) == (True, time_held)


@pytest.mark.parametrize(
    ("verdicts", "leaks", "flips"),
    [
        (["leak", "not_leak", "leak"], [True, True, True], 2),
        (["leak", "inconclusive", "not_leak"], [True, True, True], 0),
        (["not_leak", "leak", "leak"], [False, True, True], 0),
        (["not_leak", "leak", "leak"], [None, None, True], 0),
        (["inconclusive", "leak", "leak"], [True, True, True], 0),
    ],
)
def test_a_flip_is_a_sure_verdict_that_turns_while_the_truth_stays(
    verdicts: list[str], leaks: list[bool | None], flips: int
) -> None:
    """From one cut to the next, run by run, in the order of the cuts."""
    rows = pl.DataFrame(
        {"namespace": "elm", "workload": "a", "cut": [0.2, 0.6, 1.0], "verdict": verdicts, "leaks": leaks},
        schema_overrides={"leaks": pl.Boolean},
    )
    calm = rows.with_columns(workload=pl.lit("b"), verdict=pl.lit("not_leak"), leaks=False)
    assert leak_early.flips(pl.concat([rows, calm]).reverse()) == flips


def test_the_calibration_error_is_the_mean_gap_between_said_and_true() -> None:
    """Ten said .95 of which eight leak, ten said .05 of which none does: .15 and .05, half each; chance makes .055."""
    said = pl.DataFrame({"leak_probability": [0.95] * 10 + [0.05] * 10, "leaks": [True] * 8 + [False] * 12})
    unknown = pl.DataFrame({"leak_probability": [None, 0.5], "leaks": [True, None]}, schema=said.schema)
    assert leak_early.calibration_error(pl.concat([said, unknown])) == pytest.approx((0.1, 0.055), abs=1e-3)
    assert leak_early.calibration_error(unknown) is None
