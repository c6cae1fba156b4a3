"""Weak evidence that repeats is strong; the running version and the worst pod decide."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import polars as pl
import pytest

from rmtoolkit.analysis.lives import split
from rmtoolkit.analysis.pooling import Pool, pool_instances, pool_lives
from rmtoolkit.analysis.records import Opinion
from rmtoolkit.analysis.signals import read
from tests.analysis.curves import MI, hours, record, when


@cache
def reading_of(slope: float) -> dict[str, Any]:
    """What is read off a life of seven hours that grows by so many MiB a day."""
    t = hours(7, 60)
    recording = record(t, {"rss_bytes": (100 + slope * t / 24) * MI})
    nothing = pl.DataFrame(schema={"container_id": pl.UInt32, "signal": pl.String})
    return read(split(recording), recording, nothing).table.row(0, named=True)


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
    row: dict[str, Any] = {
        "life_row": number,
        "life": number,
        "container_id": 0,
        "start": when(8 * number),
        "end": when(8 * number) + dt.timedelta(hours=length),
        "ended": ended,
        "version": version,
        "limit_bytes": None,
    }
    reading = reading_of(slope) | {"growing": growing, "bounded": bounded, "unresolved": 1 - growing - bounded}
    return Opinion(row, {"rss_bytes": reading}, "rss_bytes", growing, bounded, 1 - growing - bounded)


def unread(number: int) -> Opinion:
    """A life with too few samples to read."""
    return Opinion(life(number, 0, 0).life, {}, None)


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
    assert pool.notes["kills"] == 6


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param([life(0, 0.5, 0.1), life(1, 0.5, 0.1, ended="running")], id="too_few"),
        pytest.param([life(n, 0.5, 0.1, slope=50 * 4**n) for n in range(5)], id="rates_differ"),
        pytest.param([life(n, 0.02, 0.4) for n in range(5)], id="slowing_in_every_life"),
        pytest.param([life(n, 0.02, 0.95, slope=0.0) for n in range(5)], id="flat"),
    ],
)
def test_what_is_not_masked(lives: list[Opinion]) -> None:
    """Few lives, differing rates, warm-ups and flat lives are no masked leak."""
    assert not pool_lives(lives).masked


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
    assert {opinion.life["version"] for opinion in pool.opinions} == {"2"}


def test_a_version_just_begun_does_not_decide() -> None:
    """Half an hour of a new version clears nothing that seven hours of the old one showed."""
    old = [life(0, 0.9, 0.05, version="1")]
    new = [life(1, 0.03, 0.95, version="2", length=0.5, slope=0.0, ended="running")]
    pool = pool_lives([*old, *new])
    assert pool.bounded < 0.65
    assert pool.fixed_version is None


def test_lives_too_short_to_read() -> None:
    """Without one readable life everything is open."""
    pool = pool_lives([unread(0)])
    assert (pool.growing, pool.bounded, pool.unresolved) == (0, 0, 1)


def pod(growing: float, bounded: float) -> Pool:
    """A pod of one life."""
    return pool_lives([life(0, growing, bounded, length=48, ended="running")])


def test_one_pod_of_five_grows() -> None:
    """One pod that surely climbs is a leak of the workload, and stands for it."""
    climbing = pod(0.95, 0.01)
    pool, growing, judged = pool_instances(
        [pod(0.02, 0.97), pod(0.02, 0.97), climbing, pod(0.02, 0.97), pod(0.02, 0.97)]
    )
    assert (growing, judged) == (1, 5)
    assert pool.growing > 0.75
    assert pool.main is climbing.main
    assert total(pool) == pytest.approx(1)


def test_flat_pods_stay_flat_however_many() -> None:
    """Thirty flat pods, each with a small doubt, are no leak."""
    pool, growing, judged = pool_instances([pod(0.1, 0.85) for _ in range(30)])
    assert (growing, judged) == (0, 30)
    assert pool.growing < 0.3
    assert pool.bounded > 0.65


def test_a_pod_without_samples_is_not_judged() -> None:
    """A pod that could not be read does not count, and does not spoil the others."""
    silent = pool_lives([unread(0)])
    pool, growing, judged = pool_instances([silent, pod(0.02, 0.97)])
    assert (growing, judged) == (0, 1)
    assert pool.bounded > 0.9


def test_a_rounding_error_above_one_is_no_error() -> None:
    """Sums of weights may exceed 1 in the last digit; lives that rise together are pooled all the same."""
    pool = pool_lives([life(number, 1 + 4e-16, 0.0) for number in range(5)])
    assert pool.masked
    assert pool.growing == pytest.approx(1)
