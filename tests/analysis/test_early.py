"""Verdicts that hold when the rest of the window comes: stairs, pauses, bends, and what is said of an early one."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.schema import SIGNALS
from rmtoolkit.text import moment
from tests.analysis.curves import GI, MI, ar1, hours, record, when
from tests.analysis.verdicts import row_of, rows_of

if TYPE_CHECKING:
    from tests.analysis.curves import Array

DATA: Final = Path(__file__).parents[2] / "data"
ALL: Final = tuple(SIGNALS)
ONE: Final = ("working_set_bytes",)
SEEDS: Final = range(3)
T: Final = hours(24, 300)
U: Final = T / 24


def rows(curve: Array, **signals: Array) -> list[dict[str, Any]]:
    """The verdicts on a day of RSS in MiB, with other noise each time; more signals have none."""
    recordings = []
    for seed in SEEDS:
        values = {"rss_bytes": (curve + ar1(np.random.default_rng(seed), len(T), 0.3, 0.6)) * MI}
        values |= {name: level * MI for name, level in signals.items()}
        recordings.append(record(T, values, limit_bytes=GI, restarts_total=0))
    return rows_of(recordings)


def verdicts(curve: Array) -> set[str]:
    """What is said of a day of it."""
    return {row["verdict"] for row in rows(curve)}


def stairs(*steps: tuple[float, float]) -> Array:
    """100 MiB and steps up: where in the window, and by how much."""
    return 100 + sum((height * (at < U) for at, height in steps), np.zeros(len(T)))


def hump(at: float) -> Array:
    """40 MiB for about a tenth of the window."""
    return 40 * np.exp(-(((U - at) / 0.06) ** 2))


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        pytest.param(stairs((0.15, 30), (0.3, 30), (0.45, 30)), {"not_leak"}, id="three steps and half of the window"),
        pytest.param(stairs((0.25, 30), (0.5, 30), (0.75, 30)), {"leak"}, id="a step each quarter"),
        pytest.param(stairs((0.06, 20), (0.12, 40), (0.24, 80), (0.48, 160)), {"inconclusive"}, id="doublings"),
        pytest.param(
            stairs((0.03, 20), (0.06, 40), (0.12, 80), (0.24, 160)), {"not_leak"}, id="doublings, a long rest"
        ),
        pytest.param(stairs((0.3, 30), (0.8, 30)), {"inconclusive"}, id="the last rest is shorter than the one before"),
    ],
)
def test_steps_are_over_when_the_rest_outlasts_those_before(curve: Array, said: set[str]) -> None:
    """What comes in stairs may take one more until it has rested longer than ever, twice as long where it doubles."""
    assert verdicts(curve) == said


@pytest.mark.parametrize("at", [0.87, 0.9, 0.95])
def test_a_pause_near_the_end_is_no_rest(at: float) -> None:
    """A rise of most of the window that stands still at its end may go on; after half a day it has ended."""
    assert "not_leak" not in verdicts(100 + 60 * np.minimum(U, at))
    assert verdicts(100 + 60 * np.minimum(U, 0.47)) == {"not_leak"}


@pytest.mark.parametrize("bound", [0.3, 0.4, 0.45, 0.6, 0.7, 0.9])
def test_what_fills_up_after_its_start_is_clean_once_it_has_rested_for_long(bound: float) -> None:
    """A start, a straight rise and a rest are none of the shapes: a long rest tells, a short one does not clear it."""
    found = rows(10 + 30 * (1 - np.exp(-U / 0.004)) + 60 * np.minimum(U / bound, 1))
    assert ({row["verdict"] for row in found} == {"not_leak"}) is (bound < 0.5)
    for row in found:
        rises = [one["estimate"] for one in row["evidence"] if "still rises" in one["text"]]
        assert all(growth > 0 for growth in rises), rises


@pytest.mark.parametrize("leaked", [3, 6])
def test_what_rises_on_behind_a_fill_is_not_cleared_by_it(leaked: float) -> None:
    """The larger the fill, the smaller a leak behind it looks: a tenth of its pace is no rest."""
    fill = 10 + 30 * (1 - np.exp(-U / 0.004)) + 60 * np.minimum(U / 0.45, 1)
    assert "not_leak" not in verdicts(fill + leaked * np.maximum(U - 0.45, 0) / 0.55)


def test_one_small_drop_near_the_end_ends_no_rise() -> None:
    """A mebibyte or two given back are no rest."""
    assert verdicts(100 + 60 * U - 1.5 * (U > 0.87)) == {"leak"}


@pytest.mark.parametrize("exponent", [1.5, 2.0, 3.0])
def test_growth_that_speeds_up_is_a_leak(exponent: float) -> None:
    """It bends upwards, its growth is that of the end, and nobody says that it slows down."""
    for row in rows(100 + 60 * U**exponent):
        assert row["verdict"] == "leak"
        assert "slow" not in row["explanation"]
        assert row["growth_bytes_per_day"] == pytest.approx(60 * exponent * MI, rel=0.15)


@pytest.mark.parametrize(("height", "rise"), [(1, 20), (1, 30), (1, 60), (2.5, 40)])
def test_an_early_hump_hides_no_rise_after_it(height: float, rise: float) -> None:
    """What rises in a straight line after a hump, however much higher that was, is never cleared."""
    assert "not_leak" not in verdicts(100 + height * hump(0.15) + rise * np.maximum(U - 0.3, 0))
    assert verdicts(100 + height * hump(0.15)) == {"not_leak"}


@pytest.mark.parametrize(("over", "rise"), [(0.15, 9), (0.2, 12), (0.3, 12)])
def test_a_start_that_no_shape_has_hides_no_rise_after_it(over: float, rise: float) -> None:
    """What fits the start badly is no noise of the later half: a rise there is never cleared, and rest there is."""
    share = np.minimum(U / over, 1)
    start = 20 + 60 * share**2 + 14 * np.sin(9 * share) * (share < 1) + 20 * (share > 0.55)
    assert "not_leak" not in verdicts(start + rise * np.maximum(U - over, 0))
    assert verdicts(start) == {"not_leak"}


@pytest.mark.parametrize(
    ("until", "teeth", "rise"), [(0.4, 6, 25), (0.4, 20, 60), (0.5, 8, 25), (0.6, 12, 25), (0.7, 8, 60)]
)
def test_teeth_that_have_ended_clear_nothing_after_them(until: float, teeth: int, rise: float) -> None:
    """A release that is long overdue ended the teeth: what rises since is no tooth, and what rests since is at rest."""
    before = 100 + np.where(until > U, 40 * (teeth * U / until % 1), 0)
    assert "not_leak" not in verdicts(before + rise * np.maximum(U - until, 0) / (1 - until))
    assert verdicts(before) == {"not_leak"}


@pytest.mark.parametrize(("rho", "rise"), [(0.9, 25), (0.97, 25), (0.97, 40)])
def test_lows_that_grow_under_loud_noise_are_no_rest(rho: float, rise: float) -> None:
    """Bursts hide what the lowest samples show, to which the printed floor then belongs; on flat lows it is clean."""
    t = hours(24, 60)
    bursts = 60 + 40 * np.exp(ar1(np.random.default_rng(3), len(t), 0.6, rho))
    grown, flat = (
        row_of(record(t, {"rss_bytes": (bursts + by * t / 24) * MI}, limit_bytes=GI, restarts_total=0))
        for by in (rise, 0)
    )
    assert (grown["verdict"], flat["verdict"]) == ("inconclusive", "not_leak")
    assert grown["detection_floor_bytes_per_day"] < 1.5 * grown["growth_bytes_per_day"]


@pytest.mark.parametrize(("days", "said"), [(7.2, {"inconclusive"}), (9.0, {"not_leak"})])
def test_a_weekend_is_no_rest(days: float, said: set[str]) -> None:
    """What rises on five working days and rests on two may rise again on Monday; after four days it has ended."""
    t = hours(24 * days, 900)
    worked = np.clip(t % 24 - 8, 0, 10) / 10 + t // 24
    curves = (100 + 12 * np.minimum(worked, 5) + ar1(np.random.default_rng(seed), len(t), 0.3, 0.6) for seed in SEEDS)
    found = rows_of(record(t, {"rss_bytes": curve * MI}, limit_bytes=GI, restarts_total=0) for curve in curves)
    assert {row["verdict"] for row in found} == said
    assert all(("weekend" in row["explanation"]) == (said == {"inconclusive"}) for row in found)


@pytest.mark.parametrize("lives", [1, 3])
@pytest.mark.parametrize(
    ("rises", "rests", "said"),
    [(14, 4, "inconclusive"), (14, 10, "inconclusive"), (14, 14, "not_leak"), (2, 8, "not_leak")],
)
def test_a_night_is_no_rest(rises: float, rests: float, said: str, lives: int) -> None:
    """What rises all day, in each life anew, may rise again in the morning, unless it has rested for half a day."""
    age = hours(rises + rests, 600)
    t = np.concatenate([age + life * (age[-1] + 1 / 6) for life in range(lives)])
    curve = 100 + 20 * np.tile(np.minimum(age / rises, 1), lives)
    restarts = np.repeat(np.arange(lives), len(age))
    found = rows_of(
        record(t, {"rss_bytes": (curve + noise) * MI}, limit_bytes=GI, restarts_total=restarts)
        for noise in (ar1(np.random.default_rng(seed), len(t), 0.3, 0.6) for seed in SEEDS)
    )
    assert {row["verdict"] for row in found} == {said}
    assert all(("than a night" in row["explanation"]) == (said == "inconclusive") for row in found)


@pytest.mark.parametrize(("leak", "said"), [(0.0, {"not_leak"}), (12.0, {"leak"}), (16.0, {"leak"})])
def test_the_last_stage_is_judged_by_itself(leak: float, said: set[str]) -> None:
    """A cache fills for a third of the window; a small steady leak after it is no slow end of that."""
    assert verdicts(100 + 80 * np.minimum(U / 0.3, 1) + leak * np.maximum(U - 0.4, 0)) == said


def test_an_early_verdict_says_until_when_and_the_worst() -> None:
    """Forty samples of a rise: undecided until enough were seen, and the limit at the soonest that is forecast."""
    t = hours(39 * 300 / 3600, 300)
    rng = np.random.default_rng(1)
    row = row_of(record(t, {"rss_bytes": (200 + 12 * t + ar1(rng, 40, 0.3, 0.6)) * MI}, limit_bytes=GI // 2))
    said = re.fullmatch(
        r"api is undecided until about (.*) UTC: a warm-up and a leak look alike so far\. "
        r"At worst it hits its 512 Mi limit on (.*) UTC\.",
        row["headline"],
    )
    assert said
    # Ninety-six where it uses most of its room, and at this rate half as many again and more.
    until = dt.datetime.strptime(f"{said[1]} 2026", "%a %d %b %H:%M %Y").replace(tzinfo=dt.UTC)
    assert when(1.5 * 96 * 300 / 3600) < until < when(96 / 0.5 * 300 / 3600)
    assert said[2] == moment(when(t[-1] + row["hours_to_limit_low"]))
    assert row["next_step"].startswith(f"Wait until {said[1]}")


def test_what_waiting_does_not_decide_has_no_time() -> None:
    """A heap that rests under memory that grows outside of it asks for a measurement, not for patience."""
    heap, grown = 100 + 0 * U, 20 + 80 * U
    for row in rows(130 + 80 * U, allocated_bytes=heap, resident_bytes=heap + 5 + 0.1 * grown):
        assert row["verdict"] == "inconclusive"
        assert row["headline"].startswith(f"{row['workload']} cannot be decided yet: ")


def test_time_to_the_limit_counts_all_that_grows_against_it() -> None:
    """Anonymous memory and the kernel's (sockets, dentries) grow by 60 MiB a day each: the limit sees 120."""
    anon, kernel = 100 + 60 * U, 20 + 60 * U
    wobble = ar1(np.random.default_rng(3), len(T), 0.2, 0.6)
    parts = {"anon_bytes": anon, "kernel_bytes": kernel, "working_set_bytes": anon + kernel + 5}
    values = {name: (level + wobble) * MI for name, level in parts.items()}
    row = row_of(record(T, values, limit_bytes=GI, restarts_total=0))
    assert row["verdict"] == "leak"
    assert row["hours_to_limit"] == pytest.approx(24 * (1024 - 240) / 120, rel=0.06)
    alone = row_of(record(T, values | {"kernel_bytes": (20 + wobble) * MI}, limit_bytes=GI, restarts_total=0))
    assert alone["hours_to_limit"] > 1.6 * row["hours_to_limit"]


def test_after_a_pause_the_worst_is_that_what_rose_goes_on() -> None:
    """60 Mi a day that rest for the last tenth: 14.5 days to the limit, not the months of the slope at the end."""
    for row in rows(100 + 60 * np.minimum(U, 0.9)):
        assert re.search(r"At worst it hits its 1,024 Mi limit on \w+ (30 Nov|[1-4] Dec)", row["explanation"])


def test_a_pod_alone_is_no_surer_than_a_workload_of_one_pod() -> None:
    """Pods that rise alike since their start have seen one rise, whenever they began: each is as sure as both."""
    noise = [ar1(np.random.default_rng(seed), len(T), 0.3, 0.6) for seed in SEEDS[:2]]
    rising = [{"rss_bytes": (100 + 60 * U + one) * MI} for one in noise]
    two = rm.concat([record(T + at * T[-1] / 2, signals, pod=f"api-{at}") for at, signals in enumerate(rising)])
    assert rm.classify(two)["leak_probability"].item() == pytest.approx(0.8)
    assert rm.classify(two, by="instance")["leak_probability"].to_list() == [pytest.approx(0.8)] * 2
    assert rm.assess(two).instances["leak_probability"].to_list() == [pytest.approx(0.8)] * 2


def test_what_climbed_to_its_limit_and_fell_three_times_is_not_cleared() -> None:
    """A child that leaks is killed at the limit and begun anew: the container lives on, and no restart is reported."""
    saw = 100 + 900 * (3.4 * U % 1)
    assert "not_leak" not in verdicts(saw)
    lower = 100 + 600 * (3.4 * U % 1)
    assert verdicts(lower) == {"not_leak"}


@pytest.mark.parametrize(("corpus", "workload", "seen"), [("field", "plain-lark", ALL), ("corpus", "silver-lark", ONE)])
def test_a_start_opens_no_flat_rest(corpus: str, workload: str, seen: tuple[str, ...]) -> None:
    """Two recorded programs that start high and then gain nothing: a step and a line fit a hair better than rest."""
    recording = rm.read_recording(DATA / corpus / "dev.parquet").filter(workload=[workload])
    hidden = [pl.lit(None, recording.samples.schema[name]).alias(name) for name in SIGNALS if name not in seen]
    known = replace(recording, samples=recording.samples.with_columns(hidden))
    assert rm.classify(known)["verdict"].to_list() == ["not_leak"]


@pytest.mark.parametrize("slow", [0.0, 0.1, 0.25, 0.4])
def test_a_slow_start_makes_a_rise_no_surer(slow: float) -> None:
    """Fewer requests at first are no rest that ended: what rises in one life is one rise, whenever it began."""
    curve = 100 + 60 * np.where(slow > U, 0.15 * U, 0.15 * slow + U - slow)
    assert max(row["leak_probability"] for row in rows(curve)) <= 0.8


def test_a_rise_after_a_fall_is_no_slow_start() -> None:
    """A day at 160 MiB, a fall by a third, and a rise since then that stays below: that level is not its start."""
    fell = rows(160 - 60 * (U > 0.3) + 50 * np.maximum(U - 0.3, 0))
    assert {row["verdict"] for row in fell} == {"leak"}
    assert min(row["leak_probability"] for row in fell) > 0.8


def test_growth_that_speeds_up_since_the_start_is_one_rise_too() -> None:
    """Most of it comes late, but it began with the life: what fills up to a bound may look the same."""
    said = rows(100 + 60 * U**3)
    assert {row["verdict"] for row in said} == {"leak"}
    assert max(row["leak_probability"] for row in said) <= 0.8


@pytest.mark.parametrize("fell_at", [0.3, 0.5])
def test_a_line_beside_a_fall_that_brought_it_no_higher_is_no_leak(fell_at: float) -> None:
    """It rose, fell below where it began and came back to that: as slow swings do, whichever way they go next."""
    curve = np.where(fell_at > U, 50 + 6 * U / fell_at, 47 + 3 * (U - fell_at) / (1 - fell_at))
    restless = (curve + ar1(np.random.default_rng(seed), len(T), 0.3, 0.9) for seed in range(4))
    assert "leak" not in {row["verdict"] for level in restless for row in rows(level)}
