"""What a limit would have done in the past, and what memory would have been."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import what_if
from rmtoolkit.limits.history import as_need
from rmtoolkit.limits.what_if import Change, Past, of_workload
from tests.limits.conftest import MIB, gather, samples, steady

if TYPE_CHECKING:
    from collections.abc import Callable


def spiky() -> pl.DataFrame:
    """A process that restarts after a day, with a startup spike, and one more peak later."""
    values = np.full(2 * 1440, 200.0 * MIB)
    values[1440] = 50 * MIB
    values[1441:1445] = 400 * MIB
    values[2000:2010] = 300 * MIB
    return samples(values, step=60).with_columns(restarts_total=(pl.int_range(pl.len()) >= 1440).cast(pl.Int64))


def test_each_stretch_above_the_limit_is_one_kill_and_startup_is_apart() -> None:
    """Two kills at 250 MiB: one in startup, one later; one at 350."""
    kills = rm.replay(spiky(), 250 * MIB)
    assert kills.select("phase", "used_bytes").rows() == [("startup", 400 * MIB), ("running", 300 * MIB)]
    assert rm.replay(spiky(), 350 * MIB)["phase"].to_list() == ["startup"]
    assert rm.replay(spiky(), 400 * MIB).height == 0


def test_a_flapping_peak_is_one_kill() -> None:
    """Below the limit for less than ten minutes is still the same episode."""
    values = np.full(600, 200.0 * MIB)
    values[100:130:3] = 300 * MIB
    assert rm.replay(samples(values, step=60), 250 * MIB).height == 1


@given(st.lists(st.integers(40 * MIB, 420 * MIB), min_size=1, max_size=4))
def test_several_limits_are_replayed_each_by_itself(limits: list[int]) -> None:
    """A list gives for each limit the kills that it gives alone."""
    found = rm.replay(spiky(), limits)
    for limit in limits:
        assert found.filter(limit_bytes=limit).equals(rm.replay(spiky(), limit))


def test_limits_may_differ_by_container() -> None:
    """A workload without a limit in the frame is not replayed."""
    both = pl.concat([samples(steady(1), workload="a", pod="a"), samples(steady(1), workload="b", pod="b")])
    kills = rm.replay(both, pl.DataFrame({"workload": ["b"], "limit_bytes": [10 * MIB]}))
    assert kills["workload"].unique().to_list() == ["b"]


def test_a_name_that_is_null_is_matched_too() -> None:
    """A recording of one cluster has no name for it, and its limits have none either."""
    found = rm.recommend_limits(spiky())
    assert found["cluster"].to_list() == [None]
    wanted = found.select("cluster", "namespace", "workload", "container", limit_bytes=pl.lit(350 * MIB))
    assert rm.replay(spiky(), wanted)["used_bytes"].to_list() == [400 * MIB]


def test_a_limit_of_nothing_is_refused() -> None:
    """Zero is no limit."""
    with pytest.raises(RmtoolkitError, match="above zero"):
        rm.replay(spiky(), 0)


@pytest.mark.parametrize(("scale", "said"), [(1.25, "1.25 times"), (150.0, "150 times"), (0.125, "0.125 times")])
def test_a_scale_is_said_as_it_was_given(scale: float, said: str) -> None:
    """What is taken for granted has the scale that was asked for, not one rounded to two digits or with an exponent."""
    (told,) = rm.what_if(spiky(), startup_scale=scale).assumptions
    assert said in told


def test_a_startup_of_half_the_height() -> None:
    """400 over 200 becomes 300 over 200; what comes later stays."""
    changed = rm.what_if(spiky(), startup_scale=0.5)
    values = changed.recording.samples["working_set_bytes"].to_numpy() / MIB
    assert values[1441:1445].tolist() == [300] * 4
    assert values[2005] == 300
    assert "0.5 times" in changed.assumptions[0]


def test_a_startup_spread_over_time_is_lower_and_longer() -> None:
    """Delayed initialisation: the peak falls, and the later peak stays."""
    changed = rm.what_if(spiky(), startup_spread_seconds=1200)
    values = changed.recording.samples["working_set_bytes"].to_numpy() / MIB
    assert 200 < values[1441:1460].max() < 260
    assert values[2005] == 300
    assert rm.replay(changed.recording, 320 * MIB).height == 0


def test_changes_add_up_and_each_says_what_it_assumes() -> None:
    """Twice the traffic and fewer threads."""
    table = samples(steady(2)).with_columns(threads=pl.lit(64))
    changed = rm.what_if(table, traffic=2, threads=4)
    assert len(changed.assumptions) == 2
    assert repr(changed).startswith("<WhatIf: 2 changes")


def test_less_than_nothing_is_refused() -> None:
    """A negative factor, and an allocator that is not there."""
    with pytest.raises(RmtoolkitError, match="traffic"):
        rm.what_if(spiky(), traffic=-1)
    with pytest.raises(RmtoolkitError, match="allocator statistics"):
        rm.what_if(spiky(), purge=True)
    with pytest.raises(RmtoolkitError, match="threads"):
        rm.what_if(spiky(), threads=3)


def test_glibc_gives_back_its_free_chunks() -> None:
    """Fordblks is what malloc_trim could return."""
    table = samples(np.full(10, 100.0 * MIB)).with_columns(free_bytes=pl.lit(30 * MIB))
    changed = rm.what_if(table, purge=True)
    assert changed.recording.samples["working_set_bytes"].unique().to_list() == [70 * MIB]
    assert "malloc_trim" in changed.assumptions[0]


def test_nothing_asked_is_nothing_changed() -> None:
    """The same samples, and no assumption."""
    recording = rm.Recording.from_frame(spiky())
    changed = rm.what_if(recording)
    assert changed.recording is recording
    assert changed.assumptions == ()


def test_a_day_of_memory_never_falls_below_zero() -> None:
    """Whatever is taken away."""
    table = samples(np.full(24, 1.0 * MIB)).with_columns(threads=pl.lit(1000))
    assert rm.what_if(table, threads=0).recording.samples["working_set_bytes"].min() == 0


def test_kills_of_several_pods_come_in_the_order_of_time() -> None:
    """The pod that is named last is killed first, while it starts; the other while it runs."""
    early, late = (np.full(300, 200.0 * MIB) for _ in range(2))
    early[120] = late[240] = 400 * MIB
    begun = (pl.int_range(pl.len()) >= 115).cast(pl.Int64)
    table = pl.concat(
        [
            samples(late, step=60, pod="api-0").with_columns(restarts_total=pl.lit(0, dtype=pl.Int64)),
            samples(early, step=60, pod="api-9").with_columns(restarts_total=begun),
        ]
    )
    kills = rm.replay(table, 300 * MIB)
    assert kills.select("pod", "phase").rows() == [("api-9", "startup"), ("api-0", "running")]
    assert kills["time"].is_sorted()


def test_ten_minutes_below_the_limit_end_an_episode() -> None:
    """The gap is counted from sample to sample: ten minutes are one episode, eleven are two."""
    for gap, number in ((10, 1), (11, 2)):
        values = np.full(100, 200.0 * MIB)
        values[[20, 20 + gap]] = 300 * MIB
        assert rm.replay(samples(values, step=60), 250 * MIB).height == number


def test_other_traffic_scales_what_is_above_the_quietest_twentieth() -> None:
    """100 at rest and 160 at work are 100 and 220 at twice the traffic."""
    values = np.where(np.arange(100) < 50, 100.0, 160.0) * MIB
    changed = rm.what_if(samples(values), traffic=2).recording.samples["working_set_bytes"].to_numpy() / MIB
    assert changed.tolist() == np.where(np.arange(100) < 50, 100.0, 220.0).tolist()


def test_other_threads_touch_other_stacks() -> None:
    """64 KiB for each that comes, the last count held where none was scraped."""
    table = samples(np.full(10, 100.0 * MIB)).with_columns(threads=pl.Series([16, *[None] * 9], dtype=pl.Int64))
    changed = rm.what_if(table, threads=48).recording.samples["working_set_bytes"].unique().to_list()
    assert changed == [100 * MIB + 32 * 64 * 1024]


def test_jemalloc_gives_back_its_dirty_pages() -> None:
    """Resident less active less metadata."""
    table = samples(np.full(10, 100.0 * MIB)).with_columns(
        resident_bytes=pl.lit(90 * MIB), active_bytes=pl.lit(50 * MIB), metadata_bytes=pl.lit(4 * MIB)
    )
    changed = rm.what_if(table, purge=True)
    assert changed.recording.samples["working_set_bytes"].unique().to_list() == [64 * MIB]


def test_a_startup_is_averaged_over_the_time_it_is_spread_over() -> None:
    """200 Mi above the level for four minutes are 40 over twenty."""
    changed = rm.what_if(spiky(), startup_spread_seconds=1200).recording.samples["working_set_bytes"].to_numpy() / MIB
    assert changed[1441:1461].max() == pytest.approx(240)


def killed_below() -> pl.DataFrame:
    """A process that a limit of 400 MiB kills twice within seven minutes, with a last sample of 300 MiB before each."""
    values = np.full(600, 200.0 * MIB)
    values[300] = values[307] = 300 * MIB
    times = np.arange(600)
    return samples(values, step=60).with_columns(
        restarts_total=pl.Series((times > 300).astype(np.int64) + (times > 307)),
        oom_kills_total=pl.Series((times > 300).astype(np.int64) + (times > 307)),
        limit_bytes=pl.lit(400 * MIB),
    )


@pytest.mark.parametrize(("limit", "kills"), [(500, 0), (400, 2), (350, 2), (250, 2), (201, 2), (150, 3)])
def test_what_was_killed_is_killed_again(limit: int, kills: int) -> None:
    """A limit at or below the one that killed did kill, wherever the last sample lay; the explorer says so too."""
    recording = rm.Recording.from_frame(killed_below())
    slow = rm.replay(recording, limit * MIB)
    assert slow.height == kills
    assert slow.filter("recorded").height == (2 if limit <= 400 else 0)
    assert slow.filter("recorded")["used_bytes"].to_list() == [400 * MIB] * slow.filter("recorded").height
    fast = of_workload(recording, (None, "shop", "api", "app"))
    found = fast.kills(fast.used, limit * MIB)
    assert found["time"].to_list() == slow["time"].to_physical().to_list()
    assert found["used_bytes"].to_list() == slow["used_bytes"].to_list()
    assert found["recorded"].to_list() == slow["recorded"].to_list()
    # The second came six minutes after the first; the third, of what came after it, again.
    assert slow["phase"].to_list() == ["running", "startup", "startup"][:kills]
    assert found["starting"].to_list() == (slow["phase"] == "startup").to_list()


def test_a_kill_that_no_sample_saw_is_one() -> None:
    """A pod that died before its first scrape was killed by its limit all the same; at a higher one nobody knows."""
    recording = rm.Recording.from_frame(killed_below())
    blind = dataclasses.replace(recording, samples=recording.samples.clear())
    beside = rm.concat([blind, rm.Recording.from_frame(samples(steady(1), pod="other"))])
    assert rm.replay(beside, 400 * MIB)["recorded"].to_list() == [True, True]
    assert rm.replay(beside, 401 * MIB).height == 0
    past = of_workload(beside, (None, "shop", "api", "app"))
    assert past.kills(past.used, 400 * MIB).height == 2
    need = as_need(gather(beside).row(0, named=True))
    assert what_if.choose(what_if.scene(past, need, Change(), rm.Margins.shipped()), 400 * MIB).kills.height == 2


@pytest.mark.parametrize("made", [killed_below, spiky])
def test_a_past_with_known_lives_is_the_past(made: Callable[[], pl.DataFrame]) -> None:
    """Lives that were assessed are not looked for again; those of other samples are not taken."""
    recording = rm.Recording.from_frame(made())
    names, lives = (None, "shop", "api", "app"), rm.lives(recording)
    anew = of_workload(recording, names)
    moved = lives.with_columns(pl.col("settled_bytes") + MIB)
    assert_same_past(of_workload(recording, names, lives), anew)
    assert of_workload(recording, names, moved).settled[-1] == anew.settled[-1] + MIB
    later = dataclasses.replace(recording, samples=recording.samples[1:])
    assert_same_past(of_workload(later, names, moved), of_workload(later, names))


def assert_same_past(one: Past, other: Past) -> None:
    """Compare every value."""
    for name in Past.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, pl.DataFrame):
            assert mine.equals(theirs), name
        else:
            np.testing.assert_equal(mine, theirs, name)


def test_a_changed_past_says_that_its_kills_are_as_recorded() -> None:
    """What moves is told, and what does not."""
    assert "OOM kills stay" in rm.what_if(killed_below(), traffic=0.5).assumptions[-1]
    assert rm.what_if(killed_below()).assumptions == ()
