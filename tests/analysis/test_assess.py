"""One life: the signal that speaks, the layer that explains it, and what is held against its growth and its rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.analysis.assess import assess_lifetime, doubt_growth
from rmtoolkit.analysis.models import Family
from rmtoolkit.analysis.records import lives_of, readings_of
from rmtoolkit.analysis.signals import read, split, told_by_hash
from rmtoolkit.schema import Signal
from tests.analysis.curves import GI, MI, ar1, hours, record, saturate, saw, small_noise
from tests.analysis.records import life_of, opinion_of, reading_of
from tests.analysis.verdicts import row_of, rows_of

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Opinion, Reading
    from rmtoolkit.recording import Recording


T = hours(24, 60)
NOTHING = pl.DataFrame(schema={"container_id": pl.UInt32, "signal": pl.String})


def assessed(recording: Recording, *, restarts_known: bool = True) -> Opinion:
    """The opinion on the only life of a recording."""
    cut = split(recording)
    readings = readings_of(read(cut, recording, NOTHING).table)
    life = next(lives_of(cut.table.with_columns(hashed=told_by_hash(recording))))
    return assess_lifetime(life, *readings[life.row], restarts_known=restarts_known, files_told=True)


def opinion(signals: dict[str, np.ndarray], *, restarts_known: bool = True, **columns: Any) -> Opinion:
    """The opinion on one life of a day; signals in MiB."""
    rng = np.random.default_rng(4)
    noisy = {name: (values + small_noise(rng, values)) * MI for name, values in signals.items()}
    recording: Recording = record(T, noisy, **columns)
    return assessed(recording, restarts_known=restarts_known)


FLAT = np.full(len(T), 200.0)


def heap(*, active: float, resident: float, rss: float) -> dict[str, np.ndarray]:
    """A flat live heap of 100 MiB, and what lies above it in units of 200 MiB."""
    return {
        "allocated_bytes": 0.5 * FLAT,
        "active_bytes": active * FLAT,
        "resident_bytes": resident * FLAT,
        "rss_bytes": rss * FLAT,
    }


def test_no_reading_is_no_opinion() -> None:
    """Without samples everything is open, and says so."""
    found = assess_lifetime(life_of(), {}, {}, restarts_known=True, files_told=True)
    assert (found.signal, found.pattern, found.unresolved) == (None, "insufficient_data", 1.0)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("working_set_bytes", "rss_bytes", "anon_bytes", "allocated_bytes"), "allocated_bytes"),
        (("working_set_bytes", "rss_bytes", "anon_bytes"), "anon_bytes"),
        (("working_set_bytes", "rss_bytes"), "rss_bytes"),
        (("working_set_bytes",), "working_set_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "of" + str(len(value)),
)
def test_most_telling_signal_speaks(names: tuple[str, ...], chosen: str) -> None:
    """Allocated before anonymous before RSS before the working set."""
    assert opinion({name: FLAT * (1.05**-number) for number, name in enumerate(names)}).signal == chosen


def test_probabilities_stay_probabilities() -> None:
    """Whatever is held against growth, the three probabilities sum to 1."""
    for curve in (FLAT, 100 + 5 * T, 100 + 100 * saturate(T, 3), 100 + 60 * saw(T, 2.2), 100 + 30 * np.log1p(T)):
        found = opinion({"working_set_bytes": curve})
        assert found.growing + found.bounded + found.unresolved == pytest.approx(1)
        assert min(found.growing, found.bounded, found.unresolved) >= 0


@pytest.mark.parametrize("known", [True, False], ids=["restarts_known", "restarts_unknown"])
def test_deep_teeth_are_doubted_without_restart_data(known: bool) -> None:
    """Deep falls are a sawtooth where restarts would have been reported, and open where not."""
    found = opinion({"working_set_bytes": 60 + 340 * saw(T, 3.1)}, restarts_known=known)
    assert (found.bounded > 0.5) == known


def test_ended_growth_is_noted() -> None:
    """A ramp that ended is bounded."""
    assert opinion({"working_set_bytes": 200 + 80 * np.clip(T / 8, 0, 1)}).bounded > 0.65


@pytest.mark.parametrize(
    ("signals", "pattern", "cause"),
    [
        pytest.param({"working_set_bytes": FLAT}, "plateau", None, id="plateau"),
        pytest.param({"working_set_bytes": 100 + 150 * saturate(T, 1.5)}, "warm_up", "startup", id="warm_up"),
        pytest.param({"working_set_bytes": 200 + 60 * (T > 11)}, "step", None, id="step"),
        pytest.param({"working_set_bytes": 200 + 300 * np.exp(-T / 0.4)}, "startup_spike", "startup", id="spike"),
        pytest.param({"working_set_bytes": 200 + 50 * saw(T, 2.3)}, "sawtooth", None, id="sawtooth"),
        pytest.param(
            {"working_set_bytes": 200 + 150 * ((T > 12) & (T < 13.5))}, "burst", "traffic", id="burst",
        ),
        pytest.param(
            heap(active=0.55, resident=1.5, rss=1.6),
            "retention", "allocator", id="retention",
        ),
        pytest.param(
            heap(active=1.3, resident=1.4, rss=1.5),
            "fragmentation", "allocator", id="fragmentation",
        ),
        pytest.param(
            {"anon_bytes": 0.4 * FLAT, "working_set_bytes": 0.45 * FLAT + 200 * saturate(T, 2)},
            "page_cache", "page_cache", id="page_cache",
        ),
    ],
)  # fmt: skip
def test_pattern_of_a_bounded_life(signals: dict[str, np.ndarray], pattern: str, cause: str | None) -> None:
    """The layer or the shape that most of the memory at the end is made of names the pattern."""
    found = opinion(signals)
    assert (found.pattern, found.cause) == (pattern, cause)
    assert found.pattern not in found.also


def test_kept_startup_pages_are_retention_and_a_spike() -> None:
    """A heap that was large at the start and pages that stayed: retention, with the spike beside it."""
    heap = 100 + 400 * np.exp(-T / 0.4)
    kept = np.maximum.accumulate(heap[::1]) * 0 + 480
    found = opinion(
        {"allocated_bytes": heap, "resident_bytes": kept + 20, "rss_bytes": kept + 40, "working_set_bytes": kept + 60}
    )
    assert found.pattern == "retention"
    assert found.cause == "allocator"
    assert "startup_spike" in found.also


def test_growth_outside_the_allocator_is_open() -> None:
    """RSS that grows over a flat allocator belongs to somebody else."""
    found = opinion(
        {"allocated_bytes": FLAT, "resident_bytes": 1.1 * FLAT, "rss_bytes": 1.3 * FLAT + 8 * T},
    )
    assert (found.pattern, found.cause) == ("unexplained_growth", "outside_allocator")
    assert found.unresolved > 0.5


def test_threads_that_grow_explain_it() -> None:
    """RSS that grows with the threads over a flat heap is their stacks."""
    rng = np.random.default_rng(9)
    threads = np.round(20 + 4 * T + rng.normal(0, 0.4, len(T)))
    recording = record(
        T,
        {
            "allocated_bytes": (FLAT + small_noise(rng, FLAT)) * MI,
            "resident_bytes": (1.1 * FLAT + small_noise(rng, FLAT)) * MI,
            "rss_bytes": (1.3 * FLAT + 2 * threads + small_noise(rng, FLAT)) * MI,
            "threads": threads,
        },
    )
    found = assessed(recording)
    assert (found.pattern, found.cause) == ("thread_growth", "thread_stacks")


HALF = hours(12, 60)
U = HALF / 12
SEEDS = range(6)


def half_a_day(seed: int, signals: dict[str, np.ndarray], noise: float = 0.3, **more: Any) -> Recording:
    """These signals in MiB, with noise of so many MiB."""
    rng = np.random.default_rng(900 + seed)
    shared = ar1(rng, len(HALF), noise, 0.6)
    moving = {name: (values + shared) * MI for name, values in signals.items()}
    return record(HALF, moving, limit_bytes=GI, restarts_total=0, **more)


def test_tops_that_climb_over_a_floor_that_stays_are_open() -> None:
    """An allocator may hold the floor up while the heap within grows: without its gauge this is not cleared."""
    teeth = saw(HALF, 12 / 9.4, 0.3)
    climbing = {"rss_bytes": 100 + (25 + 25 * U) * teeth}
    with_gauge = {"allocated_bytes": 80 + (25 + 25 * U) * teeth, "rss_bytes": 100 + (25 + 25 * U) * teeth}
    rows = rows_of(half_a_day(seed, signals) for signals in (climbing, with_gauge) for seed in SEEDS)
    assert [row["verdict"] for row in rows] == ["inconclusive"] * 6 + ["not_leak"] * 6


def test_equal_teeth_are_cleared_wherever_the_window_cuts_them() -> None:
    """A tooth that the end of the window cuts, or a last floor above the others, begins nothing."""
    teeth = (saw(HALF, 12 / (5.3 + 0.9 * seed), 0.17 * seed) for seed in SEEDS)
    rows = rows_of(half_a_day(seed, {"working_set_bytes": 100 + 60 * one}) for seed, one in enumerate(teeth))
    assert {(row["verdict"], row["pattern"]) for row in rows} == {("not_leak", "sawtooth")}


def test_one_more_burst_as_high_as_the_others_is_no_news() -> None:
    """Bursts came and went before; one that the end of the window cuts off is another of them."""
    recordings = []
    for seed in SEEDS:
        at = np.array([0.2, 0.37, 0.55, 0.985]) + 0.01 * np.sin(seed)
        burst = ((at[:, None] <= U) & (at[:, None] + 0.02 > U)).any(axis=0)
        recordings.append(half_a_day(seed, {"working_set_bytes": 100 + 60 * burst}))
    assert {row["verdict"] for row in rows_of(recordings)} == {"not_leak"}


def test_growth_after_a_fall_begins_at_the_fall() -> None:
    """A start-up that is released late leaves a curve below its beginning; what grows since then is no younger."""
    curve = {"working_set_bytes": np.where(U < 0.16, 170, 90 + 60 * np.maximum(U - 0.16, 0))}
    for row in rows_of(half_a_day(seed, curve, events=[(0.0, "start", None)]) for seed in SEEDS):
        assert row["verdict"] != "not_leak"
        assert row["leak_probability"] > 0.45


def test_growth_below_the_detection_floor_is_not_called_a_leak() -> None:
    """What a verdict calls a leak grows by more than the floor that it prints."""
    recordings = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        level = 200 + ar1(rng, len(HALF), 2.0, 0.9)
        signals = {"rss_bytes": (level + rng.uniform(2, 12) * U) * MI}
        recordings.append(record(HALF, signals, limit_bytes=GI, restarts_total=0))
    leaks = [row for row in rows_of(recordings) if row["verdict"] == "leak"]
    assert leaks
    for row in leaks:
        assert row["growth_bytes_per_day"] >= row["detection_floor_bytes_per_day"], row["explanation"]


def test_a_tiny_rise_at_the_very_end_is_rest() -> None:
    """Half a percent more in the last minutes is no growth that only a longer window could tell."""
    heaps = (100 + 0.5 * (U > 0.97) + ar1(np.random.default_rng(seed), len(HALF), 0.03, 0.5) for seed in SEEDS)
    signals = ({"allocated_bytes": heap * MI, "rss_bytes": (heap + 20) * MI} for heap in heaps)
    assert {row["verdict"] for row in rows_of(record(HALF, one, restarts_total=0) for one in signals)} == {"not_leak"}


def test_files_in_memory_that_have_stopped_growing() -> None:
    """A tmpfs that was filled early and rests since then leaves nothing open, though the rest moved a little."""
    recordings = []
    for seed in SEEDS:
        anon = 88 + 1.8 * (U > 0.85) + ar1(np.random.default_rng(seed), len(HALF), 0.05, 0.5)
        shared = 48 * np.minimum(U / 0.3, 1)
        signals = {"anon_bytes": anon, "shmem_bytes": shared, "working_set_bytes": anon + shared + 1}
        moving = {name: values * MI for name, values in signals.items()}
        recordings.append(record(HALF, moving, limit_bytes=GI, restarts_total=0))
    assert {row["verdict"] for row in rows_of(recordings)} == {"not_leak"}


def test_freed_blocks_whose_pages_were_returned_are_not_kept() -> None:
    """What glibc counts as free is kept only as far as it lies in memory above the live heap."""
    burst = 60 * ((U > 0.4) & (U < 0.44))
    rng = np.random.default_rng(3)
    heap = 59 + burst + ar1(rng, len(HALF), 0.1, 0.5)
    free = np.where(U < 0.44, 0.3, 17.0)
    signals = {"allocated_bytes": heap, "free_bytes": free, "anon_bytes": heap + 0.6, "working_set_bytes": heap + 1}
    row = row_of(
        record(HALF, {name: values * MI for name, values in signals.items()}, limit_bytes=GI, restarts_total=0)
    )
    assert (row["verdict"], row["pattern"]) == ("not_leak", "burst")


def test_page_cache_that_came_and_went_is_named() -> None:
    """The footprint rose by half and fell again over flat anonymous memory: that was page cache, not a plateau."""
    rng = np.random.default_rng(4)
    anon = 75 + ar1(rng, len(HALF), 0.3, 0.6)
    cache = 40 * np.interp(U, [0, 0.3, 0.5, 1], [0.05, 1, 0.4, 0.35])
    signals = {"anon_bytes": anon, "working_set_bytes": anon + cache}
    row = row_of(
        record(HALF, {name: values * MI for name, values in signals.items()}, limit_bytes=GI, restarts_total=0)
    )
    assert (row["verdict"], row["pattern"], row["cause"]) == ("not_leak", "page_cache", "page_cache")


def test_a_burst_that_ended_the_life_before_is_named() -> None:
    """The running life is flat; what killed the one before it was a burst, and that is the answer."""
    curve = np.where((U > 0.37) & (U < 0.4), 190.0, 90.0)
    rng = np.random.default_rng(5)
    events = [(0.4 * 12, "oom_kill", None), (0.4 * 12 + 0.01, "start", None)]
    values = (curve + small_noise(rng, curve)) * MI
    row = row_of(record(HALF, {"working_set_bytes": values}, limit_bytes=192 * MI, events=events))
    assert (row["verdict"], row["pattern"]) == ("not_leak", "burst")


def test_bursts_that_follow_the_load_are_bursts() -> None:
    """Memory that follows a load of short peaks is bursty, not periodic; a smooth daily load is periodic."""
    rng = np.random.default_rng(6)
    peaks = sum(((at < U) & (at + 0.03 > U)).astype(float) for at in rng.uniform(0.02, 0.95, 11))
    load = 20 * (1 + 4 * np.minimum(peaks, 1.0))
    bursty = half_a_day(0, {"working_set_bytes": 60 + 0.4 * load}, load=load)
    smooth = 20 * (1 + 0.6 * np.sin(2 * np.pi * 2.6 * U))
    daily = half_a_day(0, {"working_set_bytes": 60 + 0.9 * smooth}, load=smooth)
    assert [row["pattern"] for row in rows_of([bursty, daily])] == ["burst", "periodic"]


def test_a_warm_up_that_is_over_keeps_its_name() -> None:
    """Doubts about growth leave a settled service alone."""
    curve = {"working_set_bytes": 60 + 80 * saturate(U, 0.06)}
    rows = rows_of(half_a_day(seed, curve) for seed in SEEDS)
    assert {(row["verdict"], row["pattern"]) for row in rows} == {("not_leak", "warm_up")}


def reading(**changed: Any) -> Reading:
    """A steady rise of 60 MiB a day on 100 MiB, seen by day in every third alike."""
    steady = {
        "settled": 100.0 * MI, "mean_rise": 60.0 * MI, "growth_per_day": 60.0 * MI,
        "floor_per_day": 5.0 * MI, "last_third": 1.0, "tail": 1.0, "between": None, "straight": 1.0,
        "samples": 1440,
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
            **dict.fromkeys(("last_third", "straight", "bend_noise", "repeats", "trough"), ODD),
            **dict.fromkeys(("tail", "between"), st.none() | ODD),
            **dict.fromkeys(("fresh", "stepped", "begun_at", "rest", "unrested"), SHARES),
            **dict.fromkeys(("floor_trend", "top_trend"), st.floats(-1, 1)),
            **dict.fromkeys(("mean_rise", "top_rise", "growth_per_day"), st.floats(-2e8, 2e8)),
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
    # A part of what is unresolved.
    changed["fresh"] = changed.get("fresh", 0.0) * unresolved
    left = doubted(reading(**changed), restarts_known=known, growing=growing, bounded=bounded, unresolved=unresolved)
    assert sum(left) == pytest.approx(1)
    assert all(-1e-9 <= chance <= 1 + 1e-9 for chance in left), left


RAMP = {"family": Family.RAMP, "bounded_family": Family.RAMP, "last_third": 0.05, "tail": 0.0, "rest": 0.4}


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        pytest.param({}, (0.873, 0.100, 0.027), id="steady"),
        pytest.param({"last_third": 0.05, "tail": 0.0}, (0.000, 0.550, 0.450), id="ended, no rest seen"),
        pytest.param({"last_third": 0.05, "tail": 0.0, "rest": 0.1}, (0.000, 0.550, 0.450), id="a pause near the end"),
        pytest.param({"last_third": 0.05, "tail": 0.0, "rest": 0.4}, (0.000, 0.830, 0.170), id="ended in a rest"),
        pytest.param(
            {"last_third": 0.05, "tail": 0.0, "rest": 0.4, "unrested": 0.1}, (0.000, 0.000, 1.000), id="rests on stairs"
        ),
        pytest.param({**RAMP, "growing": 1e-4}, (0.000, 0.000, 1.000), id="a ramp that growth may explain too"),
        pytest.param({**RAMP, "growing": 1e-6}, (0.000, 0.830, 0.170), id="a ramp that has ended"),
        pytest.param({"last_third": 0.4, "tail": 0.6}, (0.000, 0.100, 0.900), id="slows"),
        pytest.param({"last_third": 0.4, "tail": 0.6, "rest": 0.4}, (0.000, 0.100, 0.900), id="slows towards a rest"),
        pytest.param(
            {"last_third": 0.4, "tail": 0.6, "rest": 0.4, "growth_per_day": 4.0 * MI},
            (0.000, 0.799, 0.201),
            id="slows below the floor, in a rest",
        ),
        pytest.param({"last_third": 1.0, "tail": 0.1}, (0.000, 0.100, 0.900), id="only its tail slows"),
        pytest.param({"last_third": 0.6, "tail": None}, (0.437, 0.100, 0.463), id="the grain hides it"),
        pytest.param({"growth_per_day": 4.0 * MI}, (0.437, 0.100, 0.463), id="below the floor"),
        pytest.param({"noise": 30.0 * MI}, (0.437, 0.100, 0.463), id="within what it moves anyway"),
        pytest.param({"noise": 30.0 * MI, "teeth": 1}, (0.873, 0.100, 0.027), id="a fall is no such movement"),
        pytest.param({"unrested": 0.1}, (0.873, 0.000, 0.127), id="stairs"),
        pytest.param({"teeth": 8, "floor_trend": -0.1}, (0.000, 0.660, 0.340), id="floors stay"),
        pytest.param({"teeth": 8, "floor_trend": 0.4, "fresh": 0.05}, (0.000, 0.100, 0.900), id="floors rise a little"),
        pytest.param({"teeth": 8, "floor_trend": 0.9}, (0.900, 0.100, 0.000), id="floors rise"),
        pytest.param(
            {"teeth": 8, "floor_trend": 0.7, "floor_rise": 9.0 * MI, "rest": 0.4}, (0.700, 0.000, 0.300), id="few rest"
        ),
        pytest.param(
            {"teeth": 8, "floor_trend": 0.7, "floor_rise": 9.0 * MI, "rest": 0.6}, (0.7, 0.100, 0.200), id="most rest"
        ),
        pytest.param({"teeth": 2, "repeats": 1.0}, (0.0, 0.0, 1.0), id="two teeth"),
        pytest.param({"teeth": 3, "repeats": 1.0}, (0.0, 0.8, 0.2), id="three falls to one floor"),
        pytest.param({"between": 0.3, "stepped": 0.9}, (0.000, 0.100, 0.900), id="steps"),
        pytest.param({"between": 0.3, "stepped": 0.9, "rest": 0.4}, (0.000, 0.660, 0.340), id="steps, then a rest"),
        pytest.param({"straight": 0.4, "bend_noise": 0.1}, (0.054, 0.100, 0.846), id="bends"),
    ],
)
def test_what_is_left_of_a_likely_growth(changed: dict[str, Any], left: tuple[float, float, float]) -> None:
    """Of 0.7 growing, 0.1 bounded and 0.2 unresolved each doubt leaves its own share."""
    row = reading(**{"growing": 0.7, **changed})
    assert doubted(row, growing=0.7, bounded=0.1, unresolved=0.2) == pytest.approx(left, abs=5e-4)


@pytest.mark.parametrize(
    ("growing", "rest", "bounded"), [(0.05, 0.4, 0.81), (0.05, 0.1, 0.505), (0.2, 0.4, 0.585), (0.05, 0.0, 0.505)]
)
def test_of_a_rise_that_slowed_a_long_rest_is_told_unless_growth_may_explain_it(
    growing: float, rest: float, bounded: float
) -> None:
    """Of what only slows down, more counts as rest where the rest is long and no model sees growth."""
    ended = reading(last_third=0.02, tail=0.0, rest=rest, growing=growing)
    left = doubted(ended, growing=growing, bounded=0.01, unresolved=0.99 - growing)
    assert left[1] == pytest.approx(bounded, abs=5e-4)


def test_deep_teeth_without_restart_data_may_be_kills() -> None:
    """What was held for bounded is then unresolved; known restarts, or shallow teeth, leave it."""
    deep = {"teeth": 8, "floor_trend": 0.9, "trough": 0.1}
    known = doubted(reading(**deep), growing=0.2, bounded=0.6, unresolved=0.2)
    unknown = doubted(reading(**deep), restarts_known=False, growing=0.2, bounded=0.6, unresolved=0.2)
    assert unknown == pytest.approx((known[0], 0.0, known[1] + known[2]))
    shallow = reading(**(deep | {"trough": 0.9}))
    assert doubted(shallow, restarts_known=False, growing=0.2, bounded=0.6, unresolved=0.2) == pytest.approx(known)
