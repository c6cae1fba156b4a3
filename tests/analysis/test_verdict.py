"""The verdict: its frames, its invariances, its honesty."""

from __future__ import annotations

import datetime as dt
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.judge import FORECAST, judge
from rmtoolkit.analysis.thresholds import SUREST
from rmtoolkit.analysis.words import CHECKLIST
from rmtoolkit.assessment import classify, fits
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.recording import Recording
from tests.analysis.curves import BEGIN, GI, MI, ar1, footprint, hours, record, saturate, saw, small_noise, together
from tests.analysis.verdicts import PATTERNS, chances_of, judged, row_of, rows_of

if TYPE_CHECKING:
    from tests.analysis.curves import Array

TIME: Final = pl.Datetime("ms", "UTC")
EVIDENCE: Final = pl.List(
    pl.Struct(
        {
            "says": pl.String,
            "text": pl.String,
            "value": pl.String,
            "weight": pl.Int64,
            "signal": pl.String,
            "start": TIME,
            "end": TIME,
            "statistic": pl.String,
            "estimate": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
            "unit": pl.String,
        },
    ),
)
#: The columns of `classify`, in their order.
COLUMNS: Final = {
    "cluster": pl.String,
    "namespace": pl.String,
    "workload": pl.String,
    "container": pl.String,
    "pods": pl.Int64,
    "verdict": pl.String,
    "leak_probability": pl.Float64,
    "pattern": pl.String,
    "also": pl.List(pl.String),
    "cause": pl.String,
    "signal": pl.String,
    "evidence_level": pl.Int64,
    "growth_bytes_per_day": pl.Float64,
    "growth_low_bytes_per_day": pl.Float64,
    "growth_high_bytes_per_day": pl.Float64,
    "detection_floor_bytes_per_day": pl.Float64,
    "limit_outlook": pl.String,
    "hours_to_limit": pl.Float64,
    "hours_to_limit_low": pl.Float64,
    "hours_to_limit_high": pl.Float64,
    "oom_probability_7d": pl.Float64,
    "oom_probability_24h": pl.Float64,
    "oom_probability_30d": pl.Float64,
    "startup_peak_bytes": pl.Int64,
    "settled_bytes": pl.Int64,
    "peak_bytes": pl.Int64,
    "limit_bytes": pl.Int64,
    "coverage": pl.Float64,
    "explanation": pl.String,
    "next_step": pl.String,
    "evidence": EVIDENCE,
}
FITS: Final = {
    "container_id": pl.UInt32,
    "life": pl.UInt32,
    "signal": pl.String,
    "model": pl.String,
    "growth_start": TIME,
    "growth_end": TIME,
    "growth_bytes_per_day": pl.Float64,
    "growth_low_bytes_per_day": pl.Float64,
    "growth_high_bytes_per_day": pl.Float64,
    "detection_floor_bytes_per_day": pl.Float64,
    "fitted": pl.List(pl.Struct({"time": TIME, "value_bytes": pl.Float64})),
}
CAUSES: Final = {
    None, "heap", "thread_stacks", "outside_allocator", "allocator", "page_cache", "startup", "traffic", "release",
    "tasks", "connections", "queue", "exporter",
}  # fmt: skip
T: Final = hours(24, 30)
#: Shapes of a day that leave no doubt, in MiB, and the answer to each.
CLEAR: Final = {
    "leak": (200 + 6 * T, "leak"),
    "plateau": (200 + 0 * T, "not_leak"),
    "warm_up": (100 + 120 * saturate(T, 1.5), "not_leak"),
    "rest_then_leak": (200 + 9 * np.maximum(T - 9, 0), "leak"),
    "teeth": (150 + 60 * saw(T, 2.1), "not_leak"),
}


def clear(shape: str, seed: int = 1) -> Recording:
    """A day of a clear shape."""
    return footprint(T, CLEAR[shape][0] * MI, np.random.default_rng(seed), limit=GI)


def table_of(recording: Recording) -> pl.DataFrame:
    """The samples as a user would hand them in."""
    return recording.frame().select("pod", "time", "limit_bytes", "working_set_bytes").with_columns(restarts_total=0)


# Frames


@pytest.mark.parametrize("samples", [2881, 3], ids=["a_day", "three_samples"])
def test_columns_of_classify(samples: int) -> None:
    """The columns, their order and their types are the design's, with much data or hardly any."""
    found = classify(record(T[:samples], {"rss_bytes": np.full(samples, 200.0 * MI)}))
    assert list(found.columns) == list(COLUMNS)
    assert dict(found.schema) == COLUMNS


def test_columns_by_instance() -> None:
    """By instance: a row per pod, with `pod` as well, and `lives` pooled into it."""
    pods = [clear("plateau"), footprint(T, CLEAR["leak"][0] * MI, np.random.default_rng(2), pod="api-1", limit=GI)]
    found = classify(together(pods), by="instance")
    assert set(found.columns) == set(COLUMNS) | {"pod", "lives"}
    assert found.schema["lives"] == pl.Int64
    assert found.sort("pod").select("pod", "verdict", "lives").rows() == [
        ("api-0", "not_leak", 1),
        ("api-1", "leak", 1),
    ]


def test_columns_of_fits() -> None:
    """A fit a life, with a curve of at most 64 points between the life's first and last sample."""
    found = fits(clear("leak"))
    assert dict(found.schema) == FITS
    points = found["fitted"].item()
    assert 2 <= len(points) <= 64
    assert points[0]["time"] >= BEGIN
    assert points[-1]["time"] <= BEGIN + dt.timedelta(hours=24)
    assert points[-1]["value_bytes"] == pytest.approx(344 * MI, rel=0.02)
    assert found["growth_bytes_per_day"].item() == pytest.approx(144 * MI, rel=0.1)


def test_frames_of_a_judgement() -> None:
    """Views get every frame in its schema: verdicts and instances begin with the same columns."""
    frames, about = judge(
        together([clear("plateau"), footprint(T, CLEAR["leak"][0] * MI, np.random.default_rng(2), pod="web-1")])
    )
    assert [name for name in COLUMNS if not name.startswith("oom_probability")] == frames["verdicts"].columns[
        : len(COLUMNS) - 3
    ]
    assert {"headline", "reason", "container_id", "workload_inferred"} <= set(frames["verdicts"].columns)
    assert {"pod", "lives"} <= set(frames["instances"].columns)
    assert frames["checklist"].schema == CHECKLIST
    assert frames["forecast"].schema == FORECAST
    assert frames["checklist"].height == 5 * frames["verdicts"].height
    joined = frames["verdicts"].select((pl.col("headline") + " " + pl.col("reason") == pl.col("explanation")).all())
    assert joined.item()
    assert frames["verdicts"]["container_id"].is_in(about.containers["container_id"].implode()).all()


@pytest.mark.parametrize("shape", CLEAR)
def test_words_are_those_of_the_design(shape: str) -> None:
    """Verdict, pattern, cause and outlook come from the design's lists, and hours only where the limit is reached."""
    row = row_of(clear(shape))
    assert row["verdict"] == CLEAR[shape][1]
    assert row["pattern"] in PATTERNS
    assert set(row["also"]) <= PATTERNS - {row["pattern"]}
    assert row["cause"] in CAUSES
    assert row["limit_outlook"] in {"bounded", "reaches", "unknown"}
    assert (row["hours_to_limit"] is not None) == (row["limit_outlook"] == "reaches")
    assert row["growth_low_bytes_per_day"] <= row["growth_bytes_per_day"] <= row["growth_high_bytes_per_day"]
    for item in row["evidence"]:
        assert item["says"] in {"for", "against", "not_measured"}
        assert 0 <= item["weight"] <= 3
        assert item["value"]


def test_leaks_come_first() -> None:
    """Rows are sorted by urgency: leaks, then what is open, then the rest."""
    frames = [
        table_of(clear(shape)).with_columns(workload=pl.lit(shape), pod=pl.lit(shape))
        for shape in ("plateau", "leak", "warm_up", "rest_then_leak")
    ]
    said = classify(pl.concat(frames))["verdict"].to_list()
    assert said == ["leak", "leak", "not_leak", "not_leak"]


def test_wrong_arguments() -> None:
    """A misspelt `by` and an empty recording are errors in one sentence."""
    with pytest.raises(RmtoolkitError, match="by must be 'workload' or 'instance'"):
        classify(clear("plateau"), by="pod")  # type: ignore[arg-type]
    empty = Recording.from_frame(table_of(clear("plateau")).head(0))
    with pytest.raises(RmtoolkitError, match="no samples"):
        classify(empty)


def test_never_summed_over_pods() -> None:
    """Pods of one workload make one row; two workloads make two."""
    pods = [footprint(T, (200 + 0 * T) * MI, np.random.default_rng(n), pod=f"api-{n}") for n in range(3)]
    row = row_of(together(pods))
    assert row["pods"] == 3
    assert row["settled_bytes"] == pytest.approx(200 * MI, rel=0.02)


# The same answer


@pytest.mark.parametrize("change", ["seconds", "milliseconds_off", "reversed"])
def test_the_same_answer(change: str) -> None:
    """Time's unit, times that are off and rows from back to front change no clear answer (more: `test_invariance`)."""
    after = rows_of(Recording.from_frame(changed(table_of(clear(shape)), change)) for shape in CLEAR)
    for shape, was, row in zip(CLEAR, plain(), after, strict=True):
        assert was["verdict"] == CLEAR[shape][1]
        assert row["verdict"] == was["verdict"], row["explanation"]


@cache
def plain() -> list[dict[str, Any]]:
    """What is said of each clear shape."""
    return rows_of(Recording.from_frame(table_of(clear(shape))) for shape in CLEAR)


def changed(table: pl.DataFrame, change: str) -> pl.DataFrame:
    """The same memory in another form."""
    rng = np.random.default_rng(12)
    match change:
        case "seconds":
            table = table.with_columns(pl.col("time").dt.epoch("s"))
        case "milliseconds_off":
            table = table.with_columns(
                pl.col("time") + pl.Series(rng.integers(0, 900, table.height)).cast(pl.Duration("ms"))
            )
        case "reversed":
            table = table.reverse()
    return table


@pytest.mark.parametrize("cadence", [0.2, 300], ids="cadence{}s".format)
def test_time_scale_does_not_matter(cadence: float) -> None:
    """Ten minutes and ten days of the same picture get the same answer, but for daily waves."""
    scaled = []
    for table in map(table_of, map(clear, CLEAR)):
        start = table["time"].min()
        assert isinstance(start, dt.datetime)
        scaled.append(table.with_columns(time=start + (pl.col("time") - start) * (cadence / 30)))
    said = [row["verdict"] for row in rows_of(map(Recording.from_frame, scaled))]
    assert said == [verdict for _, verdict in CLEAR.values()]


def test_size_does_not_matter() -> None:
    """The same picture twenty times larger gets the same answer and twenty times the growth."""
    larger = pl.col("working_set_bytes", "limit_bytes") * 20
    large = rows_of(Recording.from_frame(table_of(clear(shape)).with_columns(larger)) for shape in CLEAR)
    assert [row["verdict"] for row in large] == [row["verdict"] for row in plain()]
    growth = [20 * row["growth_bytes_per_day"] for row in plain()]
    assert [row["growth_bytes_per_day"] for row in large] == pytest.approx(growth, rel=0.02, abs=MI)


def test_one_workload_does_not_change_another() -> None:
    """A workload judged among others gets the verdict that it gets alone."""
    frames = [table_of(clear(shape, 5)).with_columns(workload=pl.lit(shape), pod=pl.lit(shape)) for shape in CLEAR]
    together_rows = {row["workload"]: row for row in classify(pl.concat(frames)).rows(named=True)}
    for frame, shape in zip(frames, CLEAR, strict=True):
        alone = row_of(frame)
        assert alone["verdict"] == together_rows[shape]["verdict"]
        assert alone["leak_probability"] == pytest.approx(together_rows[shape]["leak_probability"])


# Honesty


def by_seed(curves: dict[int, Array], t: Array) -> dict[int, dict[str, Any]]:
    """The verdicts on many curves, judged at once as so many workloads."""
    names = {f"w{seed}": seed for seed in curves}
    parts = [
        record(t, {"rss_bytes": curve}, workload=f"w{seed}", pod=f"w{seed}-0", restarts_total=0)
        for seed, curve in curves.items()
    ]
    return {names[row["workload"]]: row for row in judged(together(parts)).rows(named=True)}


def wandering(seed: int, t: Array, strongest: float) -> Array:
    """A flat level in bytes with correlated noise of 0.5 to 2 %."""
    rng = np.random.default_rng(6000 + seed)
    level = rng.uniform(60, 900) * MI
    return level + ar1(rng, len(t), level * rng.uniform(0.005, 0.02), rng.uniform(0.5, strongest))


def test_growth_above_the_floor_is_found() -> None:
    """Growth at 1.1 times the floor that its flat twin prints is called a leak 9 times in 10, and never cleared."""
    t = hours(24, 60)
    flat = {seed: wandering(seed, t, 0.95) for seed in range(40)}
    floors = {seed: row["detection_floor_bytes_per_day"] for seed, row in by_seed(flat, t).items()}
    found = by_seed({seed: curve + 1.1 * floors[seed] * t / 24 for seed, curve in flat.items()}, t)
    said = [row["verdict"] for row in found.values()]
    assert said.count("leak") >= 36, said
    assert said.count("not_leak") == 0, said


def test_flat_noise_is_no_leak() -> None:
    """Of sixty flat series with correlated noise at most one is called a leak, and few are left open."""
    t = hours(24, 60)
    said = [row["verdict"] for row in by_seed({seed: wandering(seed, t, 0.97) for seed in range(100, 160)}, t).values()]
    assert said.count("leak") <= 1, said
    assert said.count("inconclusive") <= 6, said


@pytest.mark.parametrize("step", [0.0, 0.2, 0.4], ids="step{}".format)
def test_rounding_is_no_growth(step: float) -> None:
    """What stands still has no slope, whatever went before: none of a part of a byte a day is told."""
    t = hours(0.25, 5)
    levels = [97 + 7.3 * seed for seed in range(20)]
    curves = [np.where(t < step * t[-1], level - 31.7, level) * MI for level in levels]
    found = fits(together([record(t, {"rss_bytes": curve}, workload=f"s{n}") for n, curve in enumerate(curves)]))
    assert found["growth_bytes_per_day"].to_list() == [0] * len(curves)


def levels(level: int) -> Recording:
    """A clear leak, with the evidence of each level."""
    rng = np.random.default_rng(21)
    curve = (200 + 6 * T) * MI
    rss = curve + small_noise(rng, curve)
    match level:
        case 1:
            return record(T, {"rss_bytes": rss})
        case 2:
            return record(T, {"rss_bytes": rss}, restarts_total=0, limit_bytes=GI)
        case 3:
            return record(T, {"rss_bytes": rss, "work_total": 1000 * T}, restarts_total=0, limit_bytes=GI)
    return record(T, {"rss_bytes": rss + 9 * MI, "allocated_bytes": rss - 9 * MI}, restarts_total=0, limit_bytes=GI)


@pytest.mark.parametrize("level", [1, 2, 3, 4], ids="level{}".format)
def test_evidence_level_caps_the_probability(level: int) -> None:
    """One curve can suggest, never prove: the probability stays under its level's cap."""
    row = row_of(levels(level))
    assert row["evidence_level"] == level
    assert row["verdict"] == "leak"
    assert row["leak_probability"] <= SUREST[level] < 1
    assert row["leak_probability"] > 0.75


def test_replicas_are_evidence() -> None:
    """Sibling pods raise the evidence to level 3."""
    pods = [
        footprint(T, (200 + 0 * T) * MI, np.random.default_rng(n), pod=f"api-{n}", restarts=False) for n in range(2)
    ]
    assert row_of(together(pods))["evidence_level"] == 3


def test_flat_live_heap_overrules_the_shape() -> None:
    """RSS that rises over a flat live heap is never called a leak."""
    recordings = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        heap = np.full(len(T), 200.0 * MI) + small_noise(rng, np.full(len(T), 200.0 * MI))
        resident = heap + (20 + 8 * T) * MI
        signals = {"allocated_bytes": heap, "resident_bytes": resident, "rss_bytes": resident + 9 * MI}
        recordings.append(record(T, signals, limit_bytes=GI))
    assert "leak" not in {row["verdict"] for row in rows_of(recordings)}


@pytest.mark.parametrize("shape", ["warming", "begun"])
def test_inconclusive_says_what_would_settle_it(shape: str) -> None:
    """An open verdict has a reason and a next step that is to be done."""
    curve = 150 + 200 * saturate(T / 24, 1.0) if shape == "warming" else 200 + 8 * np.maximum(T - 21, 0)
    row = row_of(record(T, {"rss_bytes": curve * MI}))
    assert row["verdict"] == "inconclusive"
    until = (
        r"api is undecided until about \w{3} \d\d Nov \d\d:\d\d UTC: (a warm-up and a leak look alike|a rise has only)"
    )
    assert re.match(until, row["explanation"])
    assert row["next_step"].startswith(("Wait", "Watch", "Export", "Measure"))


@pytest.mark.parametrize("seed", [3, 4])
def test_the_nearer_the_limit_the_less_growth_matters_enough(seed: int) -> None:
    """4 MiB a day are a leak seven MiB below the limit; 800 MiB below it they are not called one yet."""
    curve = (200 + 0.15 * T) * MI
    near, far = (row_of(footprint(T, curve, np.random.default_rng(seed), limit=limit * MI)) for limit in (210, 1024))
    assert near["verdict"] == "leak"
    assert far["verdict"] != "leak"
    assert near["leak_probability"] > far["leak_probability"] + 0.3
    assert near["growth_bytes_per_day"] == pytest.approx(0.15 * 24 * MI, rel=0.25)


def test_growth_over_a_flat_heap_keeps_its_risk() -> None:
    """Whatever the shape competition doubts, 400 MiB an hour towards a limit four hours away is no small risk."""
    t = hours(4, 30)
    recordings = []
    for seed in range(6):
        rng = np.random.default_rng(9000 + seed)
        heap = 300 * MI * (1 + ar1(rng, len(t), 0.006, 0.8))
        above = (60 + 400 * t) * MI * (1 + ar1(rng, len(t), 0.006, 0.8))
        signals = {"allocated_bytes": heap, "anon_bytes": heap + above, "working_set_bytes": heap + above + 20 * MI}
        recordings.append(record(t, signals, limit_bytes=int(3.6 * GI), restarts_total=0))
    rows = rows_of(recordings)
    assert "leak" not in {row["verdict"] for row in rows}
    assert "bounded" not in {row["limit_outlook"] for row in rows}
    assert min(chances_of(recordings)) > 0.3


@pytest.mark.parametrize(("sigma", "slope", "seed"), [(8, 0.06, 5), (8, 0.06, 6), (12, 0.1, 6)])
def test_a_trend_within_what_the_memory_moves_anyway_is_no_leak(sigma: float, slope: float, seed: int) -> None:
    """A rise of less than three deviations of what the memory wanders besides may be wandering: open, or clean."""
    t, rng = hours(24 * 21, 1800), np.random.default_rng(seed)
    walk = ar1(rng, len(t), sigma * MI, 0.97)
    assert row_of(footprint(t, (200 + slope * t) * MI + walk, rng, limit=2 * GI))["verdict"] != "leak"


@pytest.mark.parametrize(("rise", "sigma", "seed"), [(2, 0.6, 2), (3, 0.6, 1), (3, 1.2, 2)])
def test_a_creep_below_the_floor_over_a_long_rest_is_clean(rise: float, sigma: float, seed: int) -> None:
    """One per cent in a day, within the noise and below the printed floor, is no reason to leave a verdict open."""
    rng = np.random.default_rng(seed)
    row = row_of(footprint(T, (200 + rise * T / 24) * MI + ar1(rng, len(T), sigma * MI, 0.9), rng, limit=8 * GI))
    assert row["verdict"] == "not_leak"
    assert row["growth_bytes_per_day"] < row["detection_floor_bytes_per_day"]
