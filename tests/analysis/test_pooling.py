"""Weak evidence that repeats is strong; the running version and the worst pod decide."""

from __future__ import annotations

import cProfile
from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from msgspec import structs

import rmtoolkit as rm
from rmtoolkit.analysis.assess import pool_instances, pool_lives, weigh_age
from rmtoolkit.analysis.records import AgeKind, ByAge, Opinion, Pool, Reading, readings_of
from rmtoolkit.analysis.signals import by_age, read, split
from rmtoolkit.schema import Signal
from tests.analysis.curves import GI, MI, ar1, day, hours, record, saw, small_noise, together
from tests.analysis.records import life_of, opinion_of
from tests.analysis.verdicts import row_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rmtoolkit.recording import Recording
    from tests.analysis.curves import Array


@cache
def rising(slope: float) -> Reading:
    """What is read off a life of seven hours that grows by so many MiB a day."""
    t = hours(7, 60)
    recording = record(t, {"rss_bytes": (100 + slope * t / 24) * MI})
    nothing = pl.DataFrame(schema={"container_id": pl.UInt32, "signal": pl.String})
    return readings_of(read(split(recording), recording, nothing).table)[0][0][Signal.RSS]


def life(
    number: int,
    growing: float,
    bounded: float,
    *,
    length: float = 7.0,
    slope: float = 50.0,
    ended: str = "oom_kill",
    version: str | None = None,
) -> Opinion:
    """The opinion of one life among others that follow it every eight hours."""
    rest = 1 - growing - bounded
    reading = structs.replace(rising(slope), growing=growing, bounded=bounded, unresolved=rest)
    when = life_of(8 * number, 8 * number + length, ended, row=number, version=version)
    return opinion_of(when, {Signal.RSS: reading}, Signal.RSS, growing=growing, bounded=bounded, unresolved=rest)


def unread(number: int) -> Opinion:
    """A life with too few samples to read."""
    return Opinion(life(number, 0, 0).life)


def total(pool: Pool) -> float:
    """Sum of the three probabilities."""
    return pool.growing + pool.bounded + pool.unresolved


def test_one_life_speaks_for_itself() -> None:
    """A single life is passed on unchanged."""
    pool = pool_lives([life(0, 0.6, 0.1, ended="running")])
    assert [pool.growing, pool.bounded, pool.unresolved] == pytest.approx([0.6, 0.1, 0.3])


def test_weak_growth_in_every_life_is_a_masked_leak() -> None:
    """Lives that each grow a little at the same rate and are killed make a leak together."""
    pool = pool_lives([life(number, 0.45, 0.05) for number in range(6)])
    assert pool.masked
    assert pool.growing > 0.8
    assert total(pool) == pytest.approx(1)


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param([life(0, 0.5, 0.1), life(1, 0.5, 0.1, ended="running")], id="too_few"),
        pytest.param([life(n, 0.02, 0.4) for n in range(5)], id="slowing_in_every_life"),
        pytest.param([life(n, 0.02, 0.95, slope=0.0) for n in range(5)], id="flat"),
    ],
)
def test_what_is_not_masked(lives: list[Opinion]) -> None:
    """Few lives, differing rates, warm-ups and flat lives are no masked leak."""
    assert not pool_lives(lives).masked


@pytest.mark.parametrize(("slope", "length", "is_masked"), [(50, 7.5, False), (80, 7.5, True), (50, 6.0, True)])
def test_a_longer_life_that_rests_shows_where_others_were_going(slope: float, length: float, is_masked: bool) -> None:
    """Four lives of seven hours rise up to where one of seven and a half rests; beyond that, or longer, they leak."""
    rests = life(0, 0.02, 0.95, slope=60, length=length, ended="restart")
    flat = life(0, 0.02, 0.95, slope=0, length=length, ended="restart")
    assert pool_lives([flat, *(life(number, 0.6, 0.05, slope=slope) for number in range(1, 5))]).masked
    assert pool_lives([rests, *(life(number, 0.6, 0.05, slope=slope) for number in range(1, 5))]).masked == is_masked


def test_flat_lives_agree() -> None:
    """Lives that are all flat leave less doubt than one."""
    one = pool_lives([life(0, 0.1, 0.8, slope=0.0)])
    many = pool_lives([life(number, 0.1, 0.8, slope=0.0) for number in range(5)])
    assert many.bounded > one.bounded
    assert total(many) == pytest.approx(1)


def test_fixed_by_a_release() -> None:
    """The running version decides, and the older one that grew is remembered."""
    old = [life(number, 0.9, 0.05, version="1") for number in range(2)]
    new = [life(number, 0.03, 0.95, version="2", slope=0.0, ended="running") for number in range(2, 4)]
    pool = pool_lives([*old, *new])
    assert pool.bounded > 0.9
    assert pool.fixed_version == "2"
    assert {opinion.life.version for opinion in pool.opinions} == {"2"}


@pytest.mark.parametrize(("floor", "slope", "is_fixed"), [(40, 0, True), (60, 0, False), (40, 50, False)])
def test_only_growth_that_would_show_and_is_gone_was_fixed(floor: float, slope: float, is_fixed: bool) -> None:
    """Fifty MiB a day before a release: rest after it that hides sixty, or a rise as fast that pauses, ends nothing."""
    old = [life(number, 0.9, 0.05, version="1") for number in range(2)]
    new = life(2, 0.03, 0.95, version="2", slope=slope, ended="running")
    assert new.reading is not None
    new.reading = structs.replace(new.reading, floor_per_day=floor * MI)
    after = pool_lives([*old, new])
    assert ((after.fixed_version == "2"), after.bounded > 0.5) == (is_fixed, is_fixed)
    pods = [pool_lives(old), pool_lives([replace_container(new, 1)])]
    assert (pool_instances(pods)[0].bounded > 0.5) == is_fixed


def test_the_longest_leak_tells_how_fast_it_was() -> None:
    """A start that rose four times as fast makes no pause of what goes on at the pace of the days after it."""
    old = [life(0, 0.9, 0.05, version="1", slope=200, length=2), life(1, 0.9, 0.05, version="1")]
    new = life(2, 0.03, 0.95, version="2", ended="running")
    pools = [pool_lives([replace_container(one, pod)]) for pod, one in enumerate([*old, new])]
    assert pool_instances(pools)[0].fixed_version is None


@pytest.mark.parametrize(("leaked", "running", "is_fixed"), [(12, 1, True), (3, 1, False), (3, 7, True), (2, 1, True)])
def test_a_leak_of_a_few_pods_is_missed_in_a_few(leaked: int, running: int, is_fixed: bool) -> None:
    """Where one pod of four leaked, that one of a new version does not is chance; two of twelve may be noise."""
    old = [life(0, 0.9, 0.05, version="1") if pod < leaked else life(0, 0.03, 0.95, version="1") for pod in range(12)]
    new = [life(2, 0.03, 0.95, version="2", slope=0.0, ended="running") for _ in range(running)]
    pools = [pool_lives([replace_container(one, pod)]) for pod, one in enumerate([*old, *new])]
    assert (pool_instances(pools)[0].fixed_version == "2") == is_fixed


def test_a_version_just_begun_does_not_decide() -> None:
    """Half an hour of a new version clears nothing that seven hours of the old one showed."""
    old = [life(0, 0.9, 0.05, version="1")]
    new = [life(1, 0.03, 0.95, version="2", length=0.5, slope=0.0, ended="running")]
    pool = pool_lives([*old, *new])
    assert pool.bounded < 0.65
    assert pool.fixed_version is None


def test_lives_of_old_and_new_pods_are_told_of_once() -> None:
    """A pod of a version that has just begun opens what the old pod showed, and is counted once, as its end is."""
    old = life(0, 0.9, 0.05, version="1", ended="end")
    new = life(1, 0.03, 0.95, version="2", length=0.5, slope=0.0, ended="evicted")
    pool = pool_instances([pool_lives([replace_container(one, pod)]) for pod, one in enumerate([old, new])])[0]
    assert pool.longest_before_seconds is not None
    assert [one.life.container_id for one in pool.opinions] == [0, 1]


def test_a_version_just_begun_that_grows_as_the_last_one_is_surer_than_either() -> None:
    """What agrees adds up, and the three probabilities are still those of one thing."""
    old, new = life(0, 0.9, 0.05, version="1"), life(1, 0.7, 0.2, version="2", length=0.5, ended="running")
    pool = pool_lives([old, new])
    assert pool.growing > 0.9
    assert min(pool.growing, pool.bounded, pool.unresolved) >= 0
    assert total(pool) == pytest.approx(1)


def test_lives_too_short_to_read() -> None:
    """Without one readable life everything is open."""
    pool = pool_lives([unread(0)])
    assert (pool.growing, pool.bounded, pool.unresolved) == (0, 0, 1)


def pod(growing: float, bounded: float, slope: float = 50.0) -> Pool:
    """A pod of one life."""
    return pool_lives([life(0, growing, bounded, length=48, slope=slope, ended="running")])


@pytest.mark.parametrize(
    ("slopes", "leaks"), [([5, 5, 5, 5], True), ([30, 30, 30, 30], True), ([5, 5, 5, 45], False)], ids=str
)
def test_one_pod_of_five_grows(slopes: list[float], leaks: bool) -> None:
    """One pod that surely climbs is a leak of the workload, unless one that rests climbed as far in the same time."""
    climbing = pod(0.95, 0.01)
    pool, growing, judged = pool_instances([climbing, *(pod(0.02, 0.97, slope=slope) for slope in slopes)])
    assert (growing, judged) == (1, 5)
    assert (pool.growing > 0.75) == leaks
    assert pool.main is climbing.main
    assert total(pool) == pytest.approx(1)


@pytest.mark.parametrize(
    ("other", "surest"),
    [(pod(0.2, 0.1), 0.8), (pod(0.02, 0.97), 0.8), (pod(0.02, 0.97, slope=5.0), 1.0)],
    ids=["doubted", "rose as far and rests", "rests"],
)
def test_only_a_pod_that_rests_lower_makes_another_one_surer(other: Pool, surest: float) -> None:
    """Pods that rise alike are one rise, whether or not one of them has come to its bound already."""
    pool, _, _ = pool_instances([pod(0.97, 0.01), other])
    assert pool.surest == surest
    assert (pool.growing > 0.8) == (surest == 1.0)


def test_a_long_pod_that_surely_grows_stands_for_short_ones_that_look_surer() -> None:
    """Its rate, its time to the limit and how long it has risen are told, not those of a pod of half a day."""
    short, long = (pool_lives([life(0, 0.85, 0.01, length=length, ended="running")]) for length in (12, 96))
    surer = pool_lives([life(3, 0.98, 0.01, length=12, ended="running")])
    pool, _, _ = pool_instances([short, surer, long])
    assert pool.main is long.main


@pytest.mark.parametrize("order", [1, -1], ids=["as they are", "turned around"])
def test_of_pods_that_are_as_sure_the_longest_is_told_of(order: int) -> None:
    """The last digits of a chance, and the order of pods, choose nobody: length does, then who began last."""
    old, new, short = (
        pool_lives([life(number, growing, 0.01, length=length, ended="running")])
        for number, growing, length in ((0, 0.95, 48), (3, 0.9501, 48), (4, 0.9502, 44))
    )
    assert pool_instances([old, new, short][::order])[0].main is new.main
    assert pool_instances([old, short][::order])[0].main is old.main


def test_rises_one_after_the_other_are_seen_for_as_long_as_one_of_their_length() -> None:
    """Pods that follow each other tell what restarts of one process tell; side by side they tell it once."""
    samples = []
    for follow in (True, False):
        lives = [life(3 * number if follow else 0, 0.9, 0.01, length=20, ended="running") for number in range(4)]
        lives = [replace_container(one, number) for number, one in enumerate(lives)]
        pool, _, _ = pool_instances([pool_lives([one]) for one in lives])
        samples.append(pool.rise_samples)
    after, beside = samples
    assert after == pytest.approx(4 * beside)


def replace_container(opinion: Opinion, container: int) -> Opinion:
    """The same life in another pod."""
    return structs.replace(opinion, life=structs.replace(opinion.life, container_id=container))


def test_flat_pods_stay_flat_however_many() -> None:
    """Thirty flat pods, each with a small doubt, are no leak."""
    pool, growing, judged = pool_instances([pod(0.1, 0.85, slope=0.0) for _ in range(30)])
    assert (growing, judged) == (0, 30)
    assert pool.growing < 0.3
    assert pool.bounded > 0.65


def test_a_pod_without_samples_is_not_judged() -> None:
    """A pod that could not be read does not count, and does not spoil the others."""
    silent = pool_lives([unread(0)])
    pool, growing, judged = pool_instances([silent, pod(0.02, 0.97, slope=0.0)])
    assert (growing, judged) == (0, 1)
    assert pool.bounded > 0.9


def test_a_rounding_error_above_one_is_no_error() -> None:
    """Sums of weights may exceed 1 in the last digit; lives that rise together are pooled all the same."""
    pool = pool_lives([life(number, 1 + 4e-16, 0.0) for number in range(5)])
    assert pool.masked
    assert pool.growing == pytest.approx(1)


def in_place(minutes: int, growth: float) -> Recording:
    """A day of a leak of 192 MiB; then for some minutes a new version that grows by so many MiB a day."""
    rng = np.random.default_rng(5)
    t = hours(24, 60)
    at = 24 - minutes / 60
    curve = np.where(t < at, 200 + 8 * t, 200 + growth * (t - at) / 24)
    return record(
        t,
        {"working_set_bytes": (curve + ar1(rng, len(t), 1.0, 0.7)) * MI},
        version=["1.0" if moment < at else "1.1" for moment in t],
        limit_bytes=GI,
    )


def rolled_out(minutes: int, growth: float, *, canary: bool = False) -> Recording:
    """Two pods that leak for a day; two pods of a new version that replace them, or run beside them at the end."""
    rng = np.random.default_rng(6)
    begin = 24 - minutes / 60 if canary else 24.0
    pods = []
    for number in range(2):
        t = hours(24, 60)
        curve = 200 + 100 * t / 24 + ar1(rng, len(t), 1.0, 0.7)
        more: dict[str, Any] = {} if canary else {"events": [(24.0, "end", None)]}
        signals = {"working_set_bytes": curve * MI}
        pods.append(record(t, signals, pod=f"old-{number}", version="1.0", limit_bytes=GI, **more))
        t = begin + np.arange(1, minutes + 1) / 60
        curve = 200 + growth * (t - begin) / 24 + ar1(rng, len(t), 1.0, 0.7)
        signals = {"working_set_bytes": curve * MI}
        events = [(begin, "start", None)]
        pods.append(record(t, signals, pod=f"new-{number}", version="1.1", limit_bytes=GI, events=events))
    return together(pods)


def short_pods(growth: float, leaks: int = 40) -> Recording:
    """Four days of pods of 5 to 9 hours under a daily cycle, three at a time; of forty so many grow by the hour."""
    rng = np.random.default_rng(7)
    pods: list[Recording] = []
    for slot in range(3):
        begin = float(slot)
        while begin < 90:
            t = begin + hours(rng.uniform(5, 9), 300)
            base, grows = 200 * (1 + 0.04 * rng.standard_normal()), growth * (len(pods) % 40 < leaks)
            curve = base + 40 * day(t) + grows * (t - begin) + ar1(rng, len(t), 1.0, 0.7)
            suffix = "".join(rng.choice(list("bcdfghjk"), 5))
            pods.append(record(t, {"working_set_bytes": curve * MI}, pod=f"api-6c9f7d8b5-{suffix}", limit_bytes=GI))
            begin = t[-1] + 0.1
    return together(pods)


def test_pods_of_different_ages_share_their_load() -> None:
    """Old pods that need no more than young ones beside them do not leak, though no life outlasts the cycle."""
    alone, leaks, one_in_ten = rows_of([short_pods(0.0), short_pods(8.0), short_pods(20.0, leaks=4)])
    assert alone["verdict"] == "not_leak"
    assert {leaks["verdict"], one_in_ten["verdict"]} <= {"leak", "inconclusive"}


def replaced(first: Array, second: Array, *, pods: int = 2) -> Recording:
    """Pods that are replaced by others at the end of the first curve; one pod restarts in place. By the minute."""
    rng = np.random.default_rng(8)
    at, recordings = len(first) / 60, []
    if pods == 1:
        curve = np.concatenate([first, second])
        signals = {"working_set_bytes": (curve + ar1(rng, len(curve), 0.1, 0.7)) * MI}
        return record(np.arange(len(curve)) / 60, signals, limit_bytes=GI, events=[(at, "start", None)])
    for number in range(pods):
        for name, curve, begin in (("old", first, 0.0), ("new", second, at)):
            t = begin + np.arange(len(curve)) / 60
            signals = {"working_set_bytes": (curve + ar1(rng, len(curve), 0.1, 0.7)) * MI}
            ended = [(at, "end", None)] if name == "old" else [(at, "start", None)]
            recordings.append(record(t, signals, pod=f"{name}-{number}", limit_bytes=GI, events=ended))
    return together(recordings)


@pytest.mark.parametrize(
    ("growth", "leaks", "begins", "late_heap", "verdict"),
    [
        pytest.param(0.0, 0, 0.0, False, "not_leak", id="at_rest"),
        pytest.param(0.06, 1, 0.0, False, "leak", id="one_of_forty_leaks_a_little"),
        pytest.param(0.03, 40, 0.0, False, "inconclusive", id="all_leak_a_little"),
        pytest.param(0.0, 0, 0.1, False, "inconclusive", id="each_begins_higher"),
        pytest.param(0.0, 0, 0.0, True, "not_leak", id="a_live_heap_at_the_end_of_the_oldest"),
    ],
)
def test_what_rests_by_age_may_grow_all_the_same(
    growth: float, leaks: int, begins: float, late_heap: bool, verdict: str
) -> None:
    """A pod that leaks alone is no error of others, nor is growth rest that old and young pods share."""
    rng = np.random.default_rng(3)
    pods: list[Recording] = []
    for pod in range(40):
        t = 6.0 * pod + hours(30 if late_heap and pod == 9 else 24, 600)
        grows = begins * t + growth * ((pod + 33) % 40 < leaks) * (t - t[0])
        share = 1 + grows / 24 + 0.003 * rng.standard_normal(len(t))
        signals = {"working_set_bytes": 300 * MI * share}
        if late_heap and pod == 9:
            signals["allocated_bytes"] = np.where(t - t[0] > 24.5, 150.0 * MI, np.nan)
        pods.append(record(t, signals, pod=f"api-{pod}"))
    assert row_of(together(pods))["verdict"] == verdict


def restarted_daily(
    growth: float = 0.0,
    *,
    data: float = 0.0,
    swing: float = 0.2,
    start_hours: float = 0.4,
    every: float = 24.0,
    runs: float = 240.0,
    pods: int = 1,
) -> Recording:
    """Ten days under a daily load; at 5 o'clock a new process begins, which grows by so much of itself a day."""
    rng, t = np.random.default_rng(11), hours(240, 900)
    begun = np.arange(5.0 - every, 240, every)
    start = begun[np.searchsorted(begun, t, side="right") - 1]
    level = 1 - 0.5 * np.exp(-(t - start) / start_hours) + growth * (t - start) / 24 + data * t / 24 + swing * day(t)
    level += ar1(rng, len(t), 0.004, 0.6)
    signals, there = {"working_set_bytes": 300 * MI * level}, t - start < runs
    if pods == 1:
        events = [(float(at), "start", None) for at in begun[1:]]
        return record(t[there], {name: values[there] for name, values in signals.items()}, events=events)
    parts = [(t >= at) & (t < at + every) & there for at in begun]
    level_bytes, parts = signals["working_set_bytes"], [(t >= at) & (t < at + every) & there for at in begun]
    apart = [record(t[one], {"working_set_bytes": level_bytes[one]}, pod=f"api-{at}") for at, one in enumerate(parts)]
    return together(apart)


@pytest.mark.parametrize("pods", [1, 10], ids=["in_place", "replaced"])
@pytest.mark.parametrize("swing", [0.05, 0.2, 0.4])
def test_what_rises_in_each_life_of_a_day_is_not_said_to_rest(swing: float, pods: int) -> None:
    """At night the load falls by more than the day's leak: each life by itself seems to rest."""
    row = row_of(restarted_daily(0.08, swing=swing, pods=pods))
    assert row["verdict"] != "not_leak"
    if row["verdict"] == "inconclusive":
        assert "open_rises_by_age" in {piece["statistic"] for piece in row["evidence"]}
        assert row["next_step"].startswith("Let one process run for 3 days")


@pytest.mark.parametrize(
    ("drawn", "kind", "most"),
    [
        pytest.param({"swing": 0.3}, AgeKind.NO_RISE, 0.6, id="a_load"),
        pytest.param({"start_hours": 4.0}, AgeKind.SLOW_START, 0.6, id="a_slow_start"),
        pytest.param({"growth": 0.1}, AgeKind.RISES, 0.9, id="a_leak"),
        pytest.param({"growth": 0.3, "start_hours": 1.0}, AgeKind.RISES, 0.9, id="a_leak_with_a_slow_start"),
    ],
)
def test_lives_of_a_day_say_together_what_none_says_alone(drawn: dict[str, Any], kind: AgeKind, most: float) -> None:
    """What the day or a slow start explains is no sure leak; what all lives rise by beside them may be."""
    recording = restarted_daily(**drawn)
    (found,) = by_age(split(recording), recording.containers).values()
    assert found.kind == kind
    grows = pod(0.9, 0.02)
    weigh_age(grows, ByAge("rss_bytes", found.kind, found.rise_bytes))
    assert grows.growing == pytest.approx(most)
    assert total(grows) == pytest.approx(1)
    rests = structs.replace(pod(0.02, 0.9), bounded=0.9, unresolved=0.08)
    weigh_age(rests, ByAge("rss_bytes", found.kind, found.rise_bytes))
    assert (rests.bounded == 0) == (kind in (AgeKind.SLOW_START, AgeKind.RISES))


@pytest.mark.parametrize(
    "rests",
    [
        pytest.param({}, id="a_load"),
        pytest.param({"data": 0.04}, id="data_that_grow"),
        pytest.param({"growth": 0.08, "every": 72.0}, id="lives_of_days_tell_by_themselves"),
        pytest.param({"growth": 0.3, "runs": 5.0}, id="a_nightly_job"),
    ],
)
def test_lives_that_do_not_rise_by_age(rests: dict[str, Any]) -> None:
    """Neither a load, nor data that outlive restarts, nor the work of a job is a rise by age."""
    row = row_of(restarted_daily(**rests))
    assert "open_rises_by_age" not in {piece["statistic"] for piece in row["evidence"]}


def test_restarts_of_a_pod_do_not_tell_that_it_was_made_anew() -> None:
    """As seldom as releases come, the teeth of a pod that keeps its name may be new pods that leak."""
    t = hours(240, 900)

    def teeth(days: float, **named: Any) -> Recording:
        level = 100 + 120 * saw(t, 24 * days) + small_noise(np.random.default_rng(1), np.full(len(t), 100.0))
        return record(t, {"working_set_bytes": level * MI}, restarts_total=0, **named)

    uid, own = teeth(2.1, pod_uid="7f"), teeth(2.1, pod="api-6c9f7d8b5-x2b4z")
    anew, *others = (row["verdict"] for row in rows_of([teeth(2.1), uid, own, teeth(1.0)]))
    assert anew == "inconclusive"
    assert others == ["not_leak"] * 3


@pytest.mark.parametrize("change", [rolled_out, in_place])
def test_a_release_that_has_just_begun_fixes_nothing(change: Callable[[int, float], Recording]) -> None:
    """A restart into a new version just before the last sample neither fixes the leak nor carries it on."""
    for row in rows_of(change(minutes, 0.0) for minutes in (1, 6, 15, 60, 240)):
        assert row["verdict"] == "inconclusive", row["explanation"]
        assert "1.1" in row["explanation"]
        assert row["next_step"].startswith("Wait until")


def of_versions(t: Array, curve: Array, begun: list[float], *, replaced: bool) -> dict[str, Any]:
    """The row of versions that follow each other at these hours, in pods of their own or in one."""
    number = np.searchsorted(begun, t, side="right")
    parts = [(number == one, f"1.{one}") for one in range(len(begun) + 1)]
    whole = [(number >= 0, [f"1.{one}" for one in number])]
    pods = [
        record(t[part], {"working_set_bytes": curve[part] * MI}, pod=f"api-{place}", version=about, limit_bytes=GI)
        for place, (part, about) in enumerate(parts if replaced else whole)
    ]
    return row_of(together(pods))


@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
@pytest.mark.parametrize(("begun", "verdict"), [(200, "not_leak"), (260, "inconclusive")])
def test_a_young_release_at_the_level_of_the_one_before_opens_nothing(begun: int, verdict: str, replaced: bool) -> None:
    """A day at rest, then an hour of a new version: where it moved the level, it has to be seen for longer."""
    t = hours(24, 60)
    curve = np.where(t < 23, 200, begun) + ar1(np.random.default_rng(5), len(t), 1.0, 0.7)
    row = of_versions(t, curve, [23], replaced=replaced)
    assert row["verdict"] == verdict, row["explanation"]


@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
def test_one_more_release_just_begun_ends_no_leak_that_others_did_not_end(replaced: bool) -> None:
    """Three versions leak for two days each: an hour of the fourth is no reason to think that it is mended."""
    t = np.arange(1, 145 * 12) / 12
    curve = 150 + 4 * (t % 48) + ar1(np.random.default_rng(7), len(t), 0.3, 0.7)
    row = of_versions(t, curve, [48, 96, 144], replaced=replaced)
    assert row["verdict"] == "leak", row["explanation"]


@pytest.mark.parametrize(("rise", "verdict"), [(60, "inconclusive"), (0, "not_leak")])
@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
def test_rest_of_the_version_before_clears_no_rise(replaced: bool, rise: int, verdict: str) -> None:
    """A day at rest, then four hours of a new version: one that leaves that level is not cleared by it."""
    t = np.arange(1, 28 * 60) / 60
    curve = 200 + rise * np.sqrt(np.clip(t - 24, 0, None) / 4) + ar1(np.random.default_rng(6), len(t), 0.3, 0.7)
    row = of_versions(t, curve, [24], replaced=replaced)
    assert row["verdict"] == verdict, row["explanation"]


@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
def test_a_release_that_was_seen_for_long_enough_fixes(replaced: bool) -> None:
    """Flat for twelve hours after a leak of a day, or of twelve hours: fixed, and the version is named."""
    row = row_of(rolled_out(720, 0.0) if replaced else in_place(720, 0.0))
    assert row["verdict"] == "not_leak"
    assert "version 1.1 fixed it" in row["explanation"]


@pytest.mark.parametrize("replaced", [True, False], ids=["new_pods", "in_place"])
def test_a_leak_that_goes_on_under_a_new_version(replaced: bool) -> None:
    """A young version that grows as the old one did is no news: the leak goes on."""
    row = row_of(rolled_out(300, 100.0) if replaced else in_place(300, 192.0))
    assert row["verdict"] == "leak", row["explanation"]


@pytest.mark.parametrize(
    ("minutes", "growth", "verdict"),
    [(750, 0.0, "not_leak"), (660, 0.0, "inconclusive"), (60, 100.0, "leak"), (60, 0.0, "leak")],
)
def test_a_release_is_seen_in_the_names_of_pods(minutes: int, growth: float, verdict: str) -> None:
    """Without a version, pods of another ReplicaSet fix a leak if they rest half as long: restarts rename pods too."""
    known = rolled_out(minutes, growth)
    hashes = {"old": "7d4b9c8f6d", "new": "6799fc88d8"}
    names = [f"api-{hashes[pod[:3]]}-m8rt{pod[-1].translate({48: 'z', 49: 'x'})}" for pod in known.containers["pod"]]
    owner = {"workload_kind": pl.lit("Deployment"), "version": pl.lit(None, pl.String)}
    pods = known.containers.with_columns(pod=pl.Series(names), **owner)
    row = row_of(replace(known, containers=pods, events=known.events.filter(pl.col("kind") != "release")))
    assert row["verdict"] == verdict, row["explanation"]
    assert ("version 6799fc88d8 fixed it" in row["explanation"]) == (verdict == "not_leak")


def test_two_pods_that_began_together_are_one_rise() -> None:
    """A straight rise since the start is no surer for being seen in a second pod under the same load."""
    t = hours(6, 60)
    rise = (100 + 20 * t + ar1(np.random.default_rng(3), len(t), 0.2, 0.7)) * MI
    pods = [record(t, {"working_set_bytes": rise}, pod=f"api-{number}", limit_bytes=GI) for number in range(2)]
    one, both = row_of(pods[0]), row_of(together(pods))
    assert one["leak_probability"] == both["leak_probability"] <= 0.8
    apart = record(t + 3, {"working_set_bytes": rise}, pod="api-2", limit_bytes=GI)
    assert row_of(together([pods[0], apart]))["leak_probability"] <= 0.8


@pytest.mark.parametrize("pods", [1, 2], ids=["restarted", "rolled out"])
def test_lives_that_rise_one_after_the_other_are_one_rise(pods: int) -> None:
    """What fills in each life anew is no surer a leak for doing so twice; what goes on far beyond one is."""
    t = np.arange(400.0)
    seconds = (100 + 0.3 * np.arange(float(minutes)) for minutes in (400, 430, 700))
    *again, beyond = rows_of(replaced(100 + 0.3 * t, second, pods=pods) for second in seconds)
    for row in again:
        assert row["leak_probability"] <= 0.8, row["explanation"]
    assert beyond["verdict"] == "leak"
    assert beyond["leak_probability"] > 0.8, beyond["explanation"]


def test_a_rise_to_where_the_life_before_rested_is_no_leak_yet() -> None:
    """The level at which a life of the same program rested is a bound for the next one, until that has passed it."""
    rises = 100 + 0.3 * np.arange(400.0)
    rested = {at: 100 + (at - 100) * np.minimum(np.arange(500) / 100, 1) for at in (220, 130)}
    rows = rows_of(replaced(rested[at], rises, pods=pods) for at, pods in ((220, 1), (220, 2), (130, 2)))
    assert [row["verdict"] for row in rows] == ["inconclusive", "inconclusive", "leak"]


def test_a_rise_to_where_a_longer_life_slowed_down_is_no_leak_yet() -> None:
    """Pods before it were seen for longer, came higher, and nobody would say that they grow: it may do the same."""
    slowing = 100 + 25 * np.log1p(np.arange(1000) / 60)
    rows = rows_of(replaced(slowing, 100 + slope * np.arange(400.0)) for slope in (0.12, 0.2))
    assert [row["verdict"] for row in rows] == ["inconclusive", "leak"]


def test_pods_that_join_for_the_day_rise_to_where_others_rested() -> None:
    """Pods that an autoscaler adds and takes away while the load rises: one that stays has been there and back."""
    stays, joins = hours(96, 300), hours(9, 300)

    def pod(name: str, t: np.ndarray, curve: np.ndarray) -> Recording:
        noise = ar1(np.random.default_rng(len(name)), len(t), 0.3, 0.6)
        return record(t, {"working_set_bytes": (curve + noise) * MI}, pod=f"api-{name}", limit_bytes=GI)

    rises = 100 + 3 * np.maximum(joins - 4, 0)
    pods = [pod("a", stays, 110 + 10 * np.cos(2 * np.pi * (stays - 12) / 24))]
    pods += [pod("b" * at, joins + 24 * at + 8, rises) for at in range(1, 4)]
    # Beyond where that one has been they leak.
    beyond = [pod("c" * at, joins + 24 * at + 8, rises + 30) for at in range(1, 4)]
    rested, leaks = rows_of([together(pods), together([*pods, *beyond])])
    assert rested["verdict"] != "leak"
    assert leaks["verdict"] == "leak"


def released(age: float, level: float, leaks: float, *, cycle: float = 0.2, own: float | None = None) -> Recording:
    """A month with a daily cycle, then a version at its own level that leaks so many MiB an hour."""
    pods = []
    for version, t in (("1", hours(30 * 24, 2880)), ("2", 30 * 24 + hours(age, round(6 * age)))):
        is_new = version == "2"
        swing = cycle if own is None or not is_new else own
        load = 1 + swing * (1 - np.cos(2 * np.pi * (t - 1) / 24)) / 2
        curve = (level if is_new else 1) * 300 * load + (leaks * (t - t[0]) if is_new else 0)
        noise = ar1(np.random.default_rng(3), len(t), 0.3, 1)
        signals = {"rss_bytes": (curve + noise) * MI}
        pods.append(record(t, signals, pod=f"api-{version}", version=version, limit_bytes=GI))
    return together(pods)


@pytest.mark.parametrize("level", [1.0, 1.6])
@pytest.mark.parametrize("age", [8, 12, 16])
def test_a_release_that_rises_with_the_day_is_no_leak(age: float, level: float) -> None:
    """A version of half a day rises as the one before it did each morning, at its own level; beyond that, it leaks."""
    calm, same_all_day, leaks = rows_of(
        [released(age, level, 0), released(age, level, 4, cycle=0), released(age, level, 60)]
    )
    assert calm["verdict"] != "leak", calm["explanation"]
    if level > 1:
        assert same_all_day["verdict"] == leaks["verdict"] == "leak"


@pytest.mark.parametrize("days", [4, 10])
def test_a_cycle_before_it_excuses_no_release_that_has_seen_days(days: int) -> None:
    """What rises in a straight line for days is no part of a daily cycle, however large that was."""
    row = row_of(released(24 * days, 1.3, 40 / (24 * days), own=0.0))
    assert row["verdict"] == "leak", row["explanation"]


@pytest.mark.parametrize(("end", "verdict"), [(0.6, "inconclusive"), (1.3, "leak")], ids=["as they did", "beyond"])
def test_a_pod_that_warms_up_as_those_before_it_did_is_no_leak(end: float, verdict: str) -> None:
    """Nodes are drained one after the other: each new pod rises for hours, to where those before it came to rest."""
    pods = []
    for number in range(4):
        t = hours(20 if number < 3 else 4, 120)
        warm = 100 + 60 * (1 - np.exp(-t / 3)) if number < 3 else 100 + 60 * end * t / 4
        noise = ar1(np.random.default_rng(number), len(t), 0.3, 0.6)
        pods.append(
            record(t + 20 * number, {"rss_bytes": (warm + noise) * MI}, pod=f"api-{'abcd'[number]}", version="1")
        )
    row = row_of(together(pods))
    assert row["verdict"] == verdict, row["explanation"]


def test_teeth_of_one_pod_are_one_rise() -> None:
    """Floors that come in order on one of three pods, by luck or by a leak, are no surer than one rise."""
    t = hours(192, 600)[:1152]
    floors = [
        np.repeat(order, 144) for order in (np.arange(8) * 3.0, [2, 5, 1, 4, 3, 0, 5, 1], [3, 1, 4, 2, 0, 5, 2, 4])
    ]
    falls = 60 * (t % 24) / 24
    pods = [
        record(
            t,
            {"rss_bytes": (100 + floor + falls + ar1(np.random.default_rng(at), len(t), 0.2, 0.5)) * MI},
            pod=f"api-{at}",
        )
        for at, floor in enumerate(floors)
    ]
    assert row_of(together(pods))["leak_probability"] <= 0.8


def test_a_canary_clears_no_pods_that_still_leak() -> None:
    """New pods beside old ones that still run and leak, however long: the workload leaks."""
    for row in rows_of(rolled_out(minutes, 0.0, canary=True) for minutes in (60, 720, 1320)):
        assert row["verdict"] == "leak"
        assert "on 2 of 4 pods" in row["explanation"]


def test_a_restart_of_the_same_version_changes_nothing() -> None:
    """A restart just before the last sample is no release: the leak is still one."""
    t = hours(24, 60)
    curve = np.where(t < 23.9, 200 + 8 * t, 200) + ar1(np.random.default_rng(5), len(t), 1.0, 0.7)
    signals = {"working_set_bytes": curve * MI}
    row = row_of(record(t, signals, version="1.0", limit_bytes=GI, events=[(23.9, "start", None)]))
    assert row["verdict"] == "leak"
    assert "fixed" not in row["explanation"]


@pytest.mark.parametrize(("length", "open_"), [(6.5, True), (3.0, False)])
def test_a_running_life_that_rests_as_long_as_the_one_before_grew(length: float, open_: bool) -> None:
    """It takes the certainty from the growth before it, unless it is still short; what is told is a life that grows."""
    pool = pool_lives([life(0, 0.99, 0.0, ended="restart"), life(1, 0.0, 0.92, length=length, ended="running")])
    assert (pool.growing < 0.75) == open_
    grown = pool_lives([life(0, 0.99, 0.0), life(1, 0.9, 0.0), life(2, 0.2, 0.3, slope=-50, ended="running")])
    assert grown.growing > 0.75
    assert grown.main is not None
    assert grown.main.reading is not None
    assert grown.main.reading.growth_per_day > 0


def restarted(days: Sequence[float], leaks: Sequence[int], *, versions: bool) -> Recording:
    """A process that restarts after so many days, by five minutes; lives that leak rise by half, and may be told."""
    rng, begun, parts = np.random.default_rng(7), 0.0, []
    for number, length in enumerate(days):
        t = hours(24 * length, 300)
        grows = number in leaks
        parts.append((begun + t, 300 * (1 + grows * t / 48 / length) + ar1(rng, len(t), 1.0, 0.0), 0 * t + number))
        begun += 24 * length
    t, curve, lives = map(np.concatenate, zip(*parts, strict=True))
    version = np.where(lives >= leaks[0], "2", "1") if versions else None
    return record(t, {"anon_bytes": curve * MI}, limit_bytes=GI, restarts_total=lives.astype(int), version=version)


@pytest.mark.parametrize(("hours_each", "named"), [(12, True), (8, True), (8, False)])
def test_a_leak_that_is_deployed_often_is_one(hours_each: int, named: bool) -> None:
    """Pods that all rise anew are of one code, for all that their hashes tell; a version tells more."""
    rng, pods = np.random.default_rng(3), []
    for number in range(72 // hours_each):
        t = hours(hours_each, 60)
        curve = 300 + 5 * t + ar1(rng, len(t), 1.0, 0.7)
        name = f"api-6b7c8d9f{'bcdfghjkl'[number]}-xxxxx"
        told = None if named else f"1.{number}"
        signals = {"anon_bytes": curve * MI}
        pods.append(record(hours_each * number + t, signals, pod=name, version=told, limit_bytes=GI))
    assert row_of(together(pods))["verdict"] in ({"leak"} if named else {"leak", "inconclusive"})


def replicas(spans: Sequence[tuple[str | None, str | None, float, float, float]], last: float = 200.0) -> Recording:
    """Pods with these hashes and versions, each from an hour to an hour, that gain so many MiB a day, below 0 early.

    All begin at 200 MiB, the last one at another level.
    """
    pods = []
    for number, (of, version, begin, end, growth) in enumerate(spans):
        t = begin + number / 60 + hours(end - begin, 300)
        way = ((t - t[0]) / 24) ** (1 if growth > 0 else 0.3)
        level = last if number == len(spans) - 1 else 200.0
        curve = level + abs(growth) * way + ar1(np.random.default_rng(number), len(t), 0.5, 0.7)
        name = f"api-{of}-xxxx{'bcdfghjk'[number]}" if of else f"api-{number}"
        pods.append(record(t, {"working_set_bytes": curve * MI}, pod=name, version=version, limit_bytes=GI))
    return together(pods)


OLD, NEW = ("6b7c8d9f4b", None), ("5f6d7c8b9c", None)


@pytest.mark.parametrize(("growth", "verdict"), [(0, "not_leak"), (-60, "inconclusive"), (240, "leak")])
def test_old_pods_at_rest_clear_no_young_one_that_outgrows_them(growth: int, verdict: str) -> None:
    """Three pods rest for four days and run on: six hours of a new version beside them are judged by what they did."""
    row = row_of(replicas([(None, "1.0", 0, 96, 0)] * 3 + [(None, "1.1", 90, 96, growth)]))
    assert row["verdict"] == verdict, row["explanation"]


@pytest.mark.parametrize(("old", "new"), [((None, "1.0"), (None, "1.1")), (OLD, NEW)], ids=["told", "hash"])
def test_a_young_pod_that_is_gone_opens_nothing(old: tuple[str, str], new: tuple[str, str]) -> None:
    """What a canary that was taken back, or a pod of a busy day, rose by is no news of the pods that run on."""
    row = row_of(replicas([(*old, 0, 96, 0)] * 3 + [(*new, 40, 46, -60)]))
    assert row["verdict"] == "not_leak", row["explanation"]


@pytest.mark.parametrize(("old", "new"), [((None, "1.0"), (None, "1.1")), (OLD, NEW)], ids=["told", "hash"])
def test_a_young_version_that_rests_on_higher_ground_is_at_rest(old: tuple[str, str], new: tuple[str, str]) -> None:
    """A day of a canary that needs a tenth more and stays there, beside old pods that run on."""
    row = row_of(replicas([(*old, 0, 140, 0)] * 3 + [(*new, 116, 140, 0)], last=220))
    assert row["verdict"] == "not_leak", row["explanation"]


@pytest.mark.parametrize(("growth", "verdict"), [(0, "not_leak"), (-60, "inconclusive")])
def test_pods_at_rest_clear_no_young_one_of_their_version_that_goes_beyond_them(growth: int, verdict: str) -> None:
    """Three pods rest for four days and run on: what one more does in twelve hours is seen in it alone."""
    row = row_of(replicas([(*OLD, 0, 96, 0)] * 3 + [(*NEW, 84, 96, growth)]))
    assert row["verdict"] == verdict, row["explanation"]


@pytest.mark.parametrize(("version", "verdict"), [(None, "inconclusive"), ("bcdfgh24", "not_leak")])
def test_a_version_is_a_hash_only_where_no_more_is_told(version: str | None, verdict: str) -> None:
    """Two days of a leak, then 18 hours of rest: a fix where a version says so, however it is spelled; else open."""
    old, new = (OLD, NEW) if version is None else ((OLD[0], "1.0"), (NEW[0], version))
    row = row_of(replicas([(*old, 0, 48, 60)] * 2 + [(*new, 48, 66, 0)] * 2))
    assert row["verdict"] == verdict, row["explanation"]


def test_young_pods_of_another_hash_at_rest_open_nothing() -> None:
    """Three pods rest for four days, and those that replace them rest as they did: a restart, and no news."""
    row = row_of(replicas([(*OLD, 0, 96, 0)] * 3 + [(*NEW, 96, 99, 0)] * 3))
    assert row["verdict"] == "not_leak", row["explanation"]


@pytest.mark.parametrize("rising", [(), (5, 20, 31), (20, 38)])
def test_a_few_of_many_lives_that_rise_are_no_leak(rising: tuple[int, ...]) -> None:
    """Of forty lives of six hours a few gain a seventh, as what they were asked for may make them; all others rest."""
    at = np.arange(40 * 36)
    gains = np.isin(at // 36, rising) * 30.0 * (at % 36) / 36
    curve = 200 + gains + ar1(np.random.default_rng(5), len(at), 0.5, 0.7)
    row = row_of(record(at / 6, {"working_set_bytes": curve * MI}, restarts_total=at // 36, limit_bytes=GI))
    assert row["verdict"] == "not_leak", row["explanation"]


@pytest.mark.parametrize("told", [True, False], ids=["fixed_by_an_event", "after_an_import"])
def test_what_rose_once_and_rests_for_long_is_known_to_rest(told: bool) -> None:
    """Two days of a rise, then sixty of rest under the same load: fixed where a release says so, and at rest anyway."""
    t = np.arange(62 * 24.0)
    curve = 200 + np.where(t < 48, 2 * t, 0) + ar1(np.random.default_rng(6), len(t), 0.5, 0.7)
    events = [(47.5, "release", "1.0 → 1.1")] if told else []
    restarts = (t >= 48).astype(int)
    row = row_of(record(t, {"working_set_bytes": curve * MI}, restarts_total=restarts, limit_bytes=GI, events=events))
    assert row["verdict"] == "not_leak", row["explanation"]
    assert ("version 1.1 fixed it" in row["explanation"]) == told


@pytest.mark.parametrize("versions", [False, True], ids=["one_version", "two_versions"])
@pytest.mark.parametrize(
    ("days", "leaks", "verdicts"),
    [
        ((5, 5, 4), [2], {"leak"}),
        ((10, 2), [1], {"leak"}),
        ((4, 4, 4, 2, 2), [3, 4], {"leak"}),
        pytest.param((5, 5, 4, 0.2), [2], {"leak", "inconclusive"}, id="nobody_knows_of_what_has_just_begun"),
        pytest.param((9, 2, 1.5), [1], {"not_leak", "inconclusive"}, id="rest_after_it_does"),
    ],
)
def test_rest_before_it_clears_nothing_of_a_life_that_goes_beyond(
    days: tuple[float, ...], leaks: list[int], verdicts: set[str], versions: bool
) -> None:
    """One process rested for days, the next one rises by half in as few."""
    row = row_of(restarted(days, leaks, versions=versions))
    assert row["verdict"] in verdicts, row["explanation"]


@pytest.mark.parametrize(
    ("falls", "fills", "verdict"), [(True, 1, "leak"), (True, 60, "leak"), (False, 1, "inconclusive")]
)
def test_growth_that_a_restart_does_not_end_is_no_leak_of_the_process(falls: bool, fills: int, verdict: str) -> None:
    """A new process of one pod in two begins where the one before it had risen to: data grow; lower, and it leaks.

    What the first process took hours to fill, and the second at once, is no part of what grew.
    """
    t = hours(336, 600)
    pods = []
    for number, restart in enumerate((300, 400)):
        rise = (t - np.where(t >= restart, restart, 0) if falls else t) / 10
        curve = 300 * np.minimum(t / fills, 1) + rise + ar1(np.random.default_rng(number), len(t), 0.5, 0.7)
        restarts = (t >= restart).astype(int)
        pods.append(record(t, {"working_set_bytes": curve * MI}, pod=f"api-{number}", restarts_total=restarts))
    row = row_of(together(pods))
    assert row["verdict"] == verdict, row["explanation"]
    assert row["growth_bytes_per_day"] == pytest.approx(2.4 * MI, rel=0.1)


@pytest.mark.parametrize("limit", [None, GI], ids=["unlimited", "limited"])
@pytest.mark.parametrize(
    ("grows", "leaks", "verdict"),
    [(1.0, 0.0, "inconclusive"), (0.0, 1.0, "leak"), (0.5, 0.5, "leak")],
    ids=["data_grow", "leaks", "both_alike"],
)
def test_what_restarts_take_away_in_all_tells_data_from_a_leak(
    grows: float, leaks: float, verdict: str, limit: int | None
) -> None:
    """Three pods grow, each as fast as its share of the data; one restart of four brings less memory with it."""
    t, pods = hours(336, 900), []
    for number, (a_day, restarts) in enumerate([(6.0, (110, 230)), (4.0, (200,)), (2.0, (120,))]):
        begun = np.select([t >= at for at in restarts[::-1]], restarts[::-1], 0)
        curve = 300 + a_day * (grows * t + leaks * (t - begun)) / 24 - 16 * (t >= 230) * (number == 0)
        curve += ar1(np.random.default_rng(number), len(t), 0.5, 0.7)
        told: dict[str, Any] = {"restarts_total": np.searchsorted(restarts, t, side="right"), "limit_bytes": limit}
        pods.append(record(t, {"working_set_bytes": curve * MI}, pod=f"api-{number}", **told))
    row = row_of(together(pods))
    assert row["verdict"] == verdict, row["explanation"]


@pytest.mark.parametrize(("follows", "old_gains", "needs_more"), [(30, 0, 15), (60, 0, 15), (0, 30, 100)])
def test_a_release_that_needs_more_hides_no_leak(follows: float, old_gains: float, needs_more: float) -> None:
    """Two pods of 1.0 follow the day, or leak too; those of 1.1, which begin as high or far higher, leak by a fifth."""
    t, pods = hours(150, 900), []
    for number in range(4):
        new = number >= 2
        mine = t[t > 90] if new else t[t <= 90]
        gains = (60 if new else old_gains) * (mine - mine[0]) / 60
        curve = 300 + gains + follows * day(mine) + needs_more * new
        curve += ar1(np.random.default_rng(number), len(mine), 0.5, 0.7)
        told: dict[str, Any] = {"version": "1.1" if new else "1.0"}
        pods.append(record(mine, {"working_set_bytes": curve * MI}, pod=f"api-{number}", **told))
    row = row_of(together(pods))
    assert row["verdict"] == "leak", row["explanation"]


@pytest.mark.parametrize(
    ("steps", "start", "spread"), [(200, 0, 0), (300, 0, 0), (0, 100, 0), (0, 0, 0.15), (0, 0, 0.3)]
)
def test_what_else_comes_with_a_restart_hides_no_leak(steps: float, start: float, spread: float) -> None:
    """A step up by a new setting, a start that takes hours, pods of uneven size in one release after the other."""
    t, pods = hours(336, 900), []
    restarts = [62.0, 237.0] if steps else [70.0, 150.0, 230.0, 300.0]
    if spread:
        ends = [0.0, 60.0, 130.0, 200.0, 280.0, 336.0]
        for at, (pod, (begin, end)) in enumerate(product(range(3), pairwise(ends))):
            mine = t[(t >= begin + (begin > 0) * pod * 0.5) & (t < end + (pod + 1) * 0.5)]
            curve = 300 * (1 + spread * (1 - pod)) + 20 * (mine - mine[0]) / 24
            curve += ar1(np.random.default_rng(at), len(mine), 1.0, 0.7)
            pods.append(record(mine, {"working_set_bytes": curve * MI}, pod=f"api-{at}", version=f"1.{begin:.0f}"))
    else:
        age = t - np.select([t >= at for at in restarts[::-1]], restarts[::-1], 0.0)
        curve = 300 + 22 * age / 24 + steps * (t >= restarts[0]) + start * np.exp(-((age / 6) ** 2))
        curve += ar1(np.random.default_rng(0), len(t), 1.0, 0.7)
        told: dict[str, Any] = {"restarts_total": np.searchsorted(restarts, t, side="right")}
        pods.append(record(t, {"working_set_bytes": curve * MI}, pod="api-0", **told))
    row = row_of(together(pods))
    assert row["verdict"] == "leak", row["explanation"]


def killed_at_noon(swing: float, leak: float, warm: float, pods: int = 1) -> Recording:
    """Ten days of a daily swing under 500 MiB; each process warms up in so many hours, and may leak MiB a day."""
    made, t = [], hours(240, 900)
    for number in range(pods):
        noise = ar1(np.random.default_rng(number), len(t), 1.5, 0.7)
        level = 499 - leak - swing * (1 - day(t, 12.0)) + noise
        kept, begun = [], -24.0
        kills: list[tuple[float, str, str | None]] = []
        for hour, value in zip(t.tolist(), level.tolist(), strict=True):
            now = value * (1 - 0.3 * np.exp((begun - hour) / warm)) + leak * (hour - begun) / 24
            if now < 500:
                kept.append((hour, now, len(kills)))
            else:
                kills.append((hour, "oom_kill", None))
                begun = hour
        at, curve, restarts = np.array(kept).T
        told: dict[str, Any] = {"restarts_total": restarts.astype(int), "limit_bytes": 500 * MI}
        made.append(record(at, {"working_set_bytes": curve * MI}, pod=f"api-{number}", events=kills, **told))
    return together(made)


@pytest.mark.parametrize("pods", [1, 3])
@pytest.mark.parametrize(("swing", "warm"), [(60.0, 0.2), (60.0, 0.6), (150.0, 0.2), (150.0, 0.6)])
def test_peaks_of_a_day_that_touch_the_limit_are_no_leak(swing: float, warm: float, pods: int) -> None:
    """Each process begins, at noon, as high as the one before it was killed: it gets a limit above that."""
    recording = killed_at_noon(swing, 0.0, warm, pods)
    assert recording.events.filter(kind="oom_kill").height >= 4 * pods
    row = row_of(recording)
    assert row["verdict"] != "leak", row["explanation"]
    advised = rm.recommend_limits(recording).row(0, named=True)
    assert advised["action"] == "raise_limit"
    assert 510 * MI < advised["recommended_limit_bytes"] < 1250 * MI


@pytest.mark.parametrize("pods", [1, 3])
@pytest.mark.parametrize(("swing", "leak"), [(0.0, 60.0), (40.0, 60.0), (60.0, 200.0)])
def test_a_leak_that_is_killed_at_noon_is_one(swing: float, leak: float, pods: int) -> None:
    """Each process begins lower than the one before it was killed: the day alone does not take it there."""
    row = row_of(killed_at_noon(swing, leak, 0.3, pods))
    assert row["verdict"] == "leak", row["explanation"]


@pytest.mark.parametrize(("fills", "verdict"), [(True, "not_leak"), (False, "leak")])
def test_what_rests_with_more_room_above_where_it_was_killed_needed_that_much(fills: bool, verdict: str) -> None:
    """Killed twice on its way to 480 MiB by a limit of 410, then raised: it rests at 480, or grows on past it."""
    t = hours(336, 300)
    age = np.where(t < 130, np.mod(t, 65), t - 130)
    way = np.minimum(age / 81, 1) if fills else age / 81
    curve = 280 + 200 * way + ar1(np.random.default_rng(3), len(t), 2.0, 0.7)
    kills = [(hour, kind, None) for hour in (65.0, 130.0) for kind in ("oom_kill", "start")]
    limits = np.where(t < 130, 450, 2_000) * MI
    row = row_of(record(t, {"anon_bytes": curve * MI}, limit_bytes=limits.astype(int), events=kills))
    assert row["verdict"] == verdict, row["explanation"]


def teeth_on_pods(service: int, leaks: Sequence[float]) -> Recording:
    """A day of pods whose memory is freed every two hours, above a level that wanders; each may leak so many MiB."""
    rng = np.random.default_rng(service)
    t = hours(24, 180)
    pods = [
        record(
            t,
            {"working_set_bytes": (150 + 80 * saw(t, 2) + leak * t / 24 + ar1(rng, len(t), 4, 0.97)) * MI},
            workload=f"api-{service}",
            pod=f"api-{service}-{number}",
            limit_bytes=GI,
        )
        for number, leak in enumerate(leaks)
    ]
    return together(pods)


def test_more_pods_are_more_evidence_not_more_chances_to_err() -> None:
    """What wanders up on one of eight pods as far as it falls on another is noise; what one alone leaks is not."""
    rests = [row["verdict"] for row in rows_of(teeth_on_pods(service, [0] * 8) for service in range(10))]
    assert rests.count("leak") == 0
    assert rests.count("not_leak") >= 5
    leaks = [row["verdict"] for row in rows_of(teeth_on_pods(service, [0] * 7 + [60]) for service in range(6))]
    assert leaks.count("leak") >= 5
    assert leaks.count("not_leak") == 0


def test_lives_that_end_alike_without_a_kill_are_one_rise() -> None:
    """A cache that no life fills, and a probe that ends each of seven: nobody can be surer of it than of one rise."""
    rng = np.random.default_rng(4)
    t = hours(21, 60)
    age, life = np.mod(t, 3), np.floor(t / 3).astype(int)
    curve = 40 + 20 * (1 - np.exp(-age / 5)) + ar1(rng, len(t), 0.2, 0.7)
    ends = [(3.0 * number, kind, "Error") for number in range(1, 7) for kind in ("end", "start")]
    row = row_of(record(t, {"working_set_bytes": curve * MI}, limit_bytes=GI, restarts_total=life, events=ends))
    assert row["leak_probability"] <= 0.8, row["explanation"]


def fleet(spans: Sequence[tuple[float, float]], leaking: Sequence[int]) -> Recording:
    """Pods that follow the day by 60 MiB, each from an hour to an hour; some gain 60 MiB a day on top."""
    pods = []
    for number, (begin, end) in enumerate(spans):
        rng = np.random.default_rng(number)
        t = begin + number / 600 + hours(end - begin, 600)
        curve = 200 + 60 * day(t) + (60 * (t - begin) / 24 if number in leaking else 0) + ar1(rng, len(t), 1.0, 0.7)
        pods.append(record(t, {"working_set_bytes": curve * MI}, pod=f"api-{number}", limit_bytes=GI))
    return together(pods)


#: Three pods of four days, and others that an autoscaler adds each morning and removes in the evening.
SCALED = [(0.0, 96.0)] * 3 + [(24 * number + 5.0, 24 * number + end) for number in range(4) for end in (13, 16, 20)]
#: Five pods of four days, of which nodes took two on the way.
DRAINED = [(0.0, 96.0)] * 3 + [(0.0, 30.0), (30.2, 44.0), (44.2, 96.0), (0.0, 62.0), (62.2, 96.0)]


@pytest.mark.parametrize("spans", [SCALED, DRAINED], ids=["scaled", "drained"])
def test_short_pods_that_rise_with_the_day_beside_long_ones(spans: Sequence[tuple[float, float]]) -> None:
    """A morning seen alone looks like growth; a pod beside it that saw the evening too tells what it is."""
    long = 1 if spans is SCALED else 5
    rows = rows_of(fleet(spans, leaking) for leaking in ([], range(len(spans)), [long]))
    assert [row["verdict"] for row in rows] == ["not_leak", "leak", "leak"]


@pytest.mark.parametrize("rises", [True, False])
def test_hundreds_of_lives_are_judged_as_a_few_are(rises: bool) -> None:
    """A service that is restarted all day has as clear an answer after 400 lives as after forty."""
    found = []
    for lives in (40, 400):
        at = np.arange(60 * lives)
        level = 200.0 + 2 * (at % 60) if rises else 200.0 + np.minimum(at % 60, 5)
        found.append(record(at / 12, {"rss_bytes": level * MI}, restarts_total=at // 60))
    few, many = (row["verdict"] for row in rows_of(found))
    assert (few, many) == (("leak", "leak") if rises else ("not_leak", "not_leak"))


@pytest.mark.parametrize("pods", [True, False])
def test_twice_the_lives_of_a_service_are_twice_the_work(monkeypatch: pytest.MonkeyPatch, pods: bool) -> None:
    """Each job of a schedule, or each restart, is a life: calls, and rows that are looked through, grow as lives do."""
    rows = 0

    def count(name: str) -> None:
        method = getattr(pl.DataFrame, name)

        def counting(frame: pl.DataFrame, *given: Any, **named: Any) -> pl.DataFrame:
            nonlocal rows
            found: pl.DataFrame = method(frame, *given, **named)
            rows += frame.height + found.height
            return found

        monkeypatch.setattr(pl.DataFrame, name, counting)

    for name in ("filter", "join", "join_asof"):
        count(name)
    found = []
    for lives in (300, 600):
        at = np.arange(24 * lives)
        seconds = 20 * at + 600 * (at // 24)
        names = [f"job-{number:04}" if pods else "job" for number in at // 24]
        table = {"time": seconds, "pod": names, "rss_bytes": (90 + at % 24) * MI, "workload": "job"}
        kills = {"time": seconds[23::24] + 20, "pod": names[23::24], "kind": "oom_kill", "workload": "job"}
        recording = rm.Recording.from_frame(pl.DataFrame(table), events=pl.DataFrame(kills))
        rows = 0
        with cProfile.Profile() as profile:
            rm.recommend_limits(recording)
        found.append((sum(entry.callcount for entry in profile.getstats()), rows))
    (calls, looked), (calls_twice, looked_twice) = found
    assert calls_twice < 2.2 * calls
    assert looked_twice < 2.2 * looked


def runs(killed: int, ended: int, *, climbs: bool, seed: int) -> Recording:
    """One pod a day, some of which climb until their limit of 480 MiB kills them; the others climb to less, or not."""
    parts = []
    for number, dies in enumerate(np.random.default_rng(seed).permutation([True] * killed + [False] * ended).tolist()):
        rng = np.random.default_rng([seed, number])
        t = hours(24 * number, 60)[-1] + np.arange(0, 8, 1 / 20)
        age = (t - t[0]) / 8
        most = rng.uniform(560, 640) if dies else rng.uniform(380, 470)
        curve = most * np.minimum((age + 0.05) / 0.6, 1.0) if dies or climbs else np.full(len(t), 100.0)
        curve += ar1(rng, len(t), 1.0, 0.5)
        lasts = int((curve > 480).argmax()) or len(t)
        kill = [(t[lasts - 1] + 0.02, "oom_kill", None)] if dies else []
        signals = {"working_set_bytes": curve[:lasts] * MI}
        parts.append(record(t[:lasts], signals, pod=f"api-{number}", events=kill, limit_bytes=480 * MI))
    return together(parts)


def test_runs_that_end_their_climb_tell_of_those_that_were_killed() -> None:
    """Where others climb half as far, live longer and rest, what was killed may need no more; else it leaks."""
    counts = [(4, 4), (8, 4), (3, 6), (9, 3)]
    drawn = [(*of, climbs, seed) for of in counts for climbs in (True, False) for seed in range(2)]
    rows = rows_of(runs(killed, ended, climbs=climbs, seed=seed) for killed, ended, climbs, seed in drawn)
    found = [(of, row["verdict"]) for of, row in zip(drawn, rows, strict=True)]
    assert found == [(of, "inconclusive" if of[2] else "leak") for of in drawn]
