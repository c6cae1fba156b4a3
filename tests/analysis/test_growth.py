"""What is held against growth and against rest: teeth, bursts, floors, what begins late, what is below the floor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rmtoolkit.analysis.growth import doubt_growth

from rmtoolkit.schema import Signal
from tests.analysis.curves import GI, MI, ar1, hours, record, saturate, saw, small_noise
from tests.analysis.records import life_of, opinion_of, reading_of
from tests.analysis.verdicts import row_of

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Reading

T = hours(12, 60)
U = T / 12
SEEDS = range(6)


def judged(seed: int, signals: dict[str, np.ndarray], noise: float = 0.3, **more: Any) -> dict[str, Any]:
    """The verdict on half a day of these signals in MiB, with noise of so many MiB."""
    rng = np.random.default_rng(900 + seed)
    shared = ar1(rng, len(T), noise, 0.6)
    moving = {name: (values + shared) * MI for name, values in signals.items()}
    return row_of(record(T, moving, limit_bytes=GI, restarts_total=0, **more))


@pytest.mark.parametrize("seed", SEEDS)
def test_tops_that_climb_over_a_floor_that_stays_are_open(seed: int) -> None:
    """An allocator may hold the floor up while the heap within grows: without its gauge this is not cleared."""
    teeth = saw(T, 12 / 9.4, 0.3)
    climbing = {"rss_bytes": 100 + (25 + 25 * U) * teeth}
    assert judged(seed, climbing)["verdict"] == "inconclusive"
    with_gauge = {"allocated_bytes": 80 + (25 + 25 * U) * teeth, "rss_bytes": 100 + (25 + 25 * U) * teeth}
    assert judged(seed, with_gauge)["verdict"] == "not_leak"


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_teeth_are_cleared_wherever_the_window_cuts_them(seed: int) -> None:
    """A tooth that the end of the window cuts, or a last floor above the others, begins nothing."""
    teeth = saw(T, 12 / (5.3 + 0.9 * seed), 0.17 * seed)
    row = judged(seed, {"working_set_bytes": 100 + 60 * teeth})
    assert (row["verdict"], row["pattern"]) == ("not_leak", "sawtooth")


@pytest.mark.parametrize("seed", SEEDS)
def test_one_more_burst_as_high_as_the_others_is_no_news(seed: int) -> None:
    """Bursts came and went before; one that the end of the window cuts off is another of them."""
    at = np.array([0.2, 0.37, 0.55, 0.985]) + 0.01 * np.sin(seed)
    burst = ((at[:, None] <= U) & (at[:, None] + 0.02 > U)).any(axis=0)
    assert judged(seed, {"working_set_bytes": 100 + 60 * burst})["verdict"] == "not_leak"


@pytest.mark.parametrize("seed", SEEDS)
def test_growth_after_a_fall_begins_at_the_fall(seed: int) -> None:
    """A start-up that is released late leaves a curve below its beginning; what grows since then is no younger."""
    curve = np.where(U < 0.16, 170, 90 + 60 * np.maximum(U - 0.16, 0))
    row = judged(seed, {"working_set_bytes": curve}, events=[(0.0, "start", None)])
    assert row["verdict"] != "not_leak"
    assert row["leak_probability"] > 0.45


def test_growth_below_the_detection_floor_is_not_called_a_leak() -> None:
    """What a verdict calls a leak grows by more than the floor that it prints."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        level = 200 + ar1(rng, len(T), 2.0, 0.9)
        row = row_of(record(T, {"rss_bytes": (level + rng.uniform(2, 12) * U) * MI}, limit_bytes=GI, restarts_total=0))
        if row["verdict"] == "leak":
            assert row["growth_bytes_per_day"] >= row["detection_floor_bytes_per_day"], row["explanation"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tiny_rise_at_the_very_end_is_rest(seed: int) -> None:
    """Half a percent more in the last minutes is no growth that only a longer window could tell."""
    rng = np.random.default_rng(seed)
    heap = 100 + 0.5 * (U > 0.97) + ar1(rng, len(T), 0.03, 0.5)
    row = row_of(record(T, {"allocated_bytes": heap * MI, "rss_bytes": (heap + 20) * MI}, restarts_total=0))
    assert row["verdict"] == "not_leak"


@pytest.mark.parametrize("seed", SEEDS)
def test_files_in_memory_that_have_stopped_growing(seed: int) -> None:
    """A tmpfs that was filled early and rests since then leaves nothing open, though the rest moved a little."""
    rng = np.random.default_rng(seed)
    anon = 88 + 1.8 * (U > 0.85) + ar1(rng, len(T), 0.05, 0.5)
    shared = 48 * np.minimum(U / 0.3, 1)
    signals = {"anon_bytes": anon, "shmem_bytes": shared, "working_set_bytes": anon + shared + 1}
    recording = record(T, {name: values * MI for name, values in signals.items()}, limit_bytes=GI, restarts_total=0)
    assert row_of(recording)["verdict"] == "not_leak"


def test_freed_blocks_whose_pages_were_returned_are_not_kept() -> None:
    """What glibc counts as free is kept only as far as it lies in memory above the live heap."""
    burst = 60 * ((U > 0.4) & (U < 0.44))
    rng = np.random.default_rng(3)
    heap = 59 + burst + ar1(rng, len(T), 0.1, 0.5)
    free = np.where(U < 0.44, 0.3, 17.0)
    signals = {"allocated_bytes": heap, "free_bytes": free, "anon_bytes": heap + 0.6, "working_set_bytes": heap + 1}
    row = row_of(record(T, {name: values * MI for name, values in signals.items()}, limit_bytes=GI, restarts_total=0))
    assert (row["verdict"], row["pattern"]) == ("not_leak", "burst")


def test_page_cache_that_came_and_went_is_named() -> None:
    """The footprint rose by half and fell again over flat anonymous memory: that was page cache, not a plateau."""
    rng = np.random.default_rng(4)
    anon = 75 + ar1(rng, len(T), 0.3, 0.6)
    cache = 40 * np.interp(U, [0, 0.3, 0.5, 1], [0.05, 1, 0.4, 0.35])
    signals = {"anon_bytes": anon, "working_set_bytes": anon + cache}
    row = row_of(record(T, {name: values * MI for name, values in signals.items()}, limit_bytes=GI, restarts_total=0))
    assert (row["verdict"], row["pattern"], row["cause"]) == ("not_leak", "page_cache", "page_cache")


def test_a_burst_that_ended_the_life_before_is_named() -> None:
    """The running life is flat; what killed the one before it was a burst, and that is the answer."""
    curve = np.where((U > 0.37) & (U < 0.4), 190.0, 90.0)
    rng = np.random.default_rng(5)
    events = [(0.4 * 12, "oom_kill", None), (0.4 * 12 + 0.01, "start", None)]
    values = (curve + small_noise(rng, curve)) * MI
    row = row_of(record(T, {"working_set_bytes": values}, limit_bytes=192 * MI, events=events))
    assert (row["verdict"], row["pattern"]) == ("not_leak", "burst")


def test_bursts_that_follow_the_load_are_bursts() -> None:
    """Memory that follows a load of short peaks is bursty, not periodic; a smooth daily load is periodic."""
    rng = np.random.default_rng(6)
    peaks = sum(((at < U) & (at + 0.03 > U)).astype(float) for at in rng.uniform(0.02, 0.95, 11))
    load = 20 * (1 + 4 * np.minimum(peaks, 1.0))
    assert judged(0, {"working_set_bytes": 60 + 0.4 * load}, load=load)["pattern"] == "burst"
    smooth = 20 * (1 + 0.6 * np.sin(2 * np.pi * 2.6 * U))
    assert judged(0, {"working_set_bytes": 60 + 0.9 * smooth}, load=smooth)["pattern"] == "periodic"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_warm_up_that_is_over_keeps_its_name(seed: int) -> None:
    """Doubts about growth leave a settled service alone."""
    row = judged(seed, {"working_set_bytes": 60 + 80 * saturate(U, 0.06)})
    assert (row["verdict"], row["pattern"]) == ("not_leak", "warm_up")


def reading(**changed: Any) -> Reading:
    """A steady rise of 60 MiB a day on 100 MiB, seen by day in every third alike."""
    steady = {
        "settled": 100.0 * MI, "mean_rise": 60.0 * MI, "low_rise": 60.0 * MI, "growth_per_day": 60.0 * MI,
        "floor_per_day": 5.0 * MI, "last_third": 1.0, "tail": 1.0, "quarter": 1.0, "between": None, "straight": 1.0,
        "excursion": math.inf, "last_level": 160.0 * MI, "earlier_top": 150.0 * MI, "samples": 1440,
    }  # fmt: skip
    return reading_of(Signal.RSS, **(steady | changed))


def doubted(found: Reading, *, restarts_known: bool = True, **chances: float) -> tuple[float, float, float]:
    """What is left of the three chances."""
    opinion = opinion_of(life_of(), {Signal.RSS: found}, Signal.RSS, **chances)
    doubt_growth(opinion, found, restarts_known=restarts_known)
    return opinion.growing, opinion.bounded, opinion.unresolved


SHARES = st.floats(0, 1)
ODD = st.floats(-2, 4)


@given(
    parts=st.tuples(SHARES, SHARES, SHARES).filter(lambda parts: sum(parts) > 0.01),
    changed=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("last_third", "excursion", "straight", "bend_noise", "repeats", "trough"), ODD),
            **dict.fromkeys(("tail", "quarter", "between"), st.none() | ODD),
            **dict.fromkeys(("fresh", "faint", "stepped", "begun_at"), SHARES),
            **dict.fromkeys(("floor_trend", "top_trend"), st.floats(-1, 1)),
            **dict.fromkeys(("mean_rise", "low_rise", "top_rise", "growth_per_day"), st.floats(-2e8, 2e8)),
            **dict.fromkeys(("teeth", "earlier_bursts"), st.integers(0, 12)),
            "samples": st.integers(12, 2000),
        },
    ),
    known=st.booleans(),
)
def test_whatever_was_read_the_chances_stay_chances(
    parts: tuple[float, float, float], changed: dict[str, Any], known: bool
) -> None:
    """Each doubt moves a part from one chance to another: each stays between 0 and 1, and the sum is 1."""
    growing, bounded, unresolved = (part / sum(parts) for part in parts)
    for part in ("fresh", "faint"):
        # Of what is unresolved, and of what is bounded.
        whole = unresolved if part == "fresh" else bounded
        changed[part] = changed.get(part, 0.0) * whole
    left = doubted(reading(**changed), restarts_known=known, growing=growing, bounded=bounded, unresolved=unresolved)
    assert sum(left) == pytest.approx(1)
    assert all(-1e-9 <= chance <= 1 + 1e-9 for chance in left), left


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        pytest.param({}, (0.873, 0.010, 0.117), id="steady"),
        pytest.param({"last_third": 0.05, "tail": 0.0}, (0.070, 0.722, 0.208), id="ended"),
        pytest.param({"last_third": 0.4, "tail": 0.6}, (0.175, 0.010, 0.815), id="slows"),
        pytest.param({"last_third": 0.4, "tail": 0.05}, (0.087, 0.600, 0.313), id="stopped"),
        pytest.param({"quarter": 0.05}, (0.087, 0.639, 0.274), id="the last quarter alone ended"),
        pytest.param({"last_third": 1.0, "tail": 0.1}, (0.262, 0.010, 0.728), id="only its tail slows"),
        pytest.param({"excursion": 0.5}, (0.175, 0.499, 0.326), id="within what was before"),
        pytest.param({"begun_at": 0.97}, (0.175, 0.010, 0.815), id="young"),
        pytest.param({"growth_per_day": 4.0 * MI}, (0.437, 0.010, 0.553), id="below the floor"),
        pytest.param({"low_rise": 0.0}, (0.175, 0.010, 0.815), id="only the tops rise"),
        pytest.param({"samples": 60}, (0.699, 0.010, 0.291), id="few samples"),
        pytest.param({"teeth": 8, "floor_trend": -0.1}, (0.070, 0.604, 0.326), id="floors stay"),
        pytest.param({"teeth": 8, "floor_trend": 0.4, "fresh": 0.05}, (0.070, 0.100, 0.830), id="floors rise a little"),
        pytest.param({"teeth": 8, "floor_trend": 0.9}, (0.820, 0.100, 0.080), id="floors rise"),
        pytest.param({"teeth": 2, "repeats": 1.0}, (0.175, 0.002, 0.823), id="two teeth"),
        pytest.param({"between": 0.05, "stepped": 0.2}, (0.087, 0.010, 0.903), id="jumps that no step explains"),
        pytest.param({"between": 0.3, "stepped": 0.9}, (0.070, 0.514, 0.416), id="steps"),
        pytest.param({"straight": 0.4, "bend_noise": 0.1}, (0.054, 0.010, 0.936), id="bends"),
    ],
)
def test_what_is_left_of_a_likely_growth(changed: dict[str, Any], left: tuple[float, float, float]) -> None:
    """Of 0.7 growing, 0.1 bounded and 0.2 unresolved each doubt leaves its own share."""
    assert doubted(reading(**changed), growing=0.7, bounded=0.1, unresolved=0.2) == pytest.approx(left, abs=5e-4)


def test_deep_teeth_without_restart_data_may_be_kills() -> None:
    """What was held for bounded is then unresolved; known restarts, or shallow teeth, leave it."""
    deep = {"teeth": 8, "floor_trend": 0.9, "trough": 0.1}
    known = doubted(reading(**deep), growing=0.2, bounded=0.6, unresolved=0.2)
    unknown = doubted(reading(**deep), restarts_known=False, growing=0.2, bounded=0.6, unresolved=0.2)
    assert unknown == pytest.approx((known[0], 0.0, known[1] + known[2]))
    shallow = reading(**(deep | {"trough": 0.9}))
    assert doubted(shallow, restarts_known=False, growing=0.2, bounded=0.6, unresolved=0.2) == pytest.approx(known)
