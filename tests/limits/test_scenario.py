"""The quick past of the explorer says what `what_if`, `replay`, `limit_risk` and `recommend_limits` say."""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import recommend
from rmtoolkit.limits import what_if as past
from rmtoolkit.limits import what_if as scenario
from rmtoolkit.limits.history import Need, as_need
from rmtoolkit.limits.risk import USUAL, Margins, lookup
from tests.limits.conftest import MIB, START, gather, samples

MARGINS: Final = Margins.shipped()


@pytest.fixture(scope="module")
def recording() -> rm.Recording:
    """Three pods that restart now and then, each time with a startup spike, under traffic of days."""
    rng = np.random.default_rng(3)
    frames = []
    for pod in range(3):
        at = np.arange(8 * 1440)
        begun = np.zeros(at.size, dtype=np.int64)
        begun[[700 + 50 * pod, 5000 + 100 * pod, 9000]] = 1
        age = at - np.maximum.accumulate(np.where(begun == 1, at, 0))
        spike = np.where((age < 6) & (begun.cumsum() > 0), 180 * np.exp(-age / 3), 0)
        values = 300 + 20 * np.sin(at / 229) + 2 * rng.standard_normal(at.size) + spike
        frames.append(
            samples(values * MIB, step=60, pod=f"api-{pod}").with_columns(
                restarts_total=pl.Series(begun.cumsum()),
                threads=pl.lit(24),
                limit_bytes=pl.lit(512 * MIB),
                request_bytes=pl.lit(512 * MIB),
            )
        )
    return rm.Recording.from_frame(pl.concat(frames))


@pytest.fixture(scope="module")
def known(recording: rm.Recording) -> tuple[past.Past, Need]:
    """Its past, and what was gathered of it."""
    need = as_need(gather(recording).row(0, named=True))
    return past.of_workload(recording, need.names), need


CHANGES: Final = {
    "nothing": (past.Change(), {}),
    "startup": (past.Change(startup_scale=0.5), {"startup_scale": 0.5}),
    "spread": (past.Change(startup_spread_seconds=900), {"startup_spread_seconds": 900}),
    "threads": (past.Change(threads=4), {"threads": 4}),
    "traffic": (past.Change(traffic=1.7), {"traffic": 1.7}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_past_is_that_of_what_if(name: str, recording: rm.Recording, known: tuple[past.Past, Need]) -> None:
    """Every sample is the same to the byte that rounding may take, and so are the kills of a limit."""
    quick, options = CHANGES[name]
    changed = rm.what_if(recording, **options).recording  # type: ignore[arg-type]
    used = past.changed(known[0], quick)[0]
    assert np.abs(used - changed.samples["working_set_bytes"].to_numpy()).max() <= 1
    slow = rm.replay(changed, 400 * MIB)
    fast = known[0].kills(used, 400 * MIB)
    assert slow.height == fast.height
    assert sorted(fast["time"]) == sorted(slow["time"].to_physical())
    assert fast["starting"].sum() == (slow["phase"] == "startup").sum()


@pytest.mark.parametrize("name", CHANGES)
def test_the_limit_of_a_changed_past_is_that_of_the_slow_way(
    name: str, recording: rm.Recording, known: tuple[past.Past, Need]
) -> None:
    """Limit, need and chances as when the changed recording is judged anew."""
    quick, options = CHANGES[name]
    found = scenario.outcome(*known, quick)
    changed = rm.what_if(recording, **options).recording  # type: ignore[arg-type]
    slow = rm.recommend_limits(changed, 0.2).row(0, named=True)
    fast = recommend.advise(found.need, 0.2, MARGINS)
    assert fast.target_limit_bytes == pytest.approx(slow["target_limit_bytes"], abs=MIB)
    assert found.need.need_bytes == pytest.approx(slow["need_bytes"], abs=MIB)
    limits = [400 * MIB, 600 * MIB, 900 * MIB]
    scores = lookup(MARGINS)(found.need)
    chances = scenario.curve_of(found.need, limits, scores, USUAL, whole=None)["oom_probability"]
    assert chances.to_list() == pytest.approx(rm.limit_risk(changed, limits)["oom_probability"].to_list())


@pytest.mark.parametrize("seen", [3000, 2516], ids=["started again", "gone"])
def test_a_kill_in_startup_needs_less_once_startup_is_lower(seen: int) -> None:
    """A life that was killed while it started tells how high the startup went; halving that lowers the need."""
    values = np.full(3000, 200.0 * MIB)
    rise = np.array([20, 100, *np.linspace(150, 380, 12), 380, 350, 320, 290, 260, 230]) * MIB
    for start in (500, 1500):
        values[start : start + rise.size] = rise
    values[2500:2516] = np.array([20, 100, *np.linspace(150, 480, 14)]) * MIB  # killed after this, at the limit
    values[2516:2518] = np.array([20, 100]) * MIB
    starts = np.isin(np.arange(3000), [500, 1500, 2500, 2516]).cumsum()
    table = (
        samples(values, step=60)
        .with_columns(
            restarts_total=pl.Series(starts),
            oom_kills_total=pl.Series((np.arange(3000) >= 2516).astype(np.int64)),
            limit_bytes=pl.lit(500 * MIB),
        )
        .head(seen)
    )
    kill = pl.DataFrame([{"time": START + 2516 * 60, "kind": "oom_kill", "workload": "api", "pod": "api-0"}])
    recording = rm.Recording.from_frame(table, events=kill)
    need = as_need(gather(recording).row(0, named=True))
    assert need.killed_limit_bytes == 500 * MIB
    one = past.of_workload(recording, need.names)
    assert scenario.measured_spike(one) == pytest.approx(280 * MIB, rel=0.02)
    halved = scenario.outcome(one, need, past.Change(startup_scale=0.5))
    assert halved.need.killed_limit_bytes == pytest.approx(350 * MIB, rel=0.02)
    assert (halved.need.base_bytes or math.inf) < 360 * MIB
    assert rm.what_if(recording, startup_scale=0.5).recording.samples["working_set_bytes"].max() < 350 * MIB  # type: ignore[operator]
    scene = scenario.scene(one, need, past.Change(), MARGINS)
    at = scenario.choose(scene, 500 * MIB)
    assert (at.kills.height, at.starts_above) == (1, 1)
    assert scenario.choose(scene, 501 * MIB).kills.height == 0
    eased = scenario.scene(one, need, past.Change(startup_scale=0.5), MARGINS)
    assert [scenario.choose(eased, limit * MIB).kills["recorded"].sum() for limit in (340, 360)] == [1, 0]


@pytest.mark.parametrize("limit", [None, 500])
@pytest.mark.parametrize("change", [past.Change(), past.Change(traffic=1.5)], ids=["as it was", "changed"])
def test_a_kill_at_an_unknown_limit_says_nothing_of_another(limit: int | None, change: past.Change) -> None:
    """Nobody knows what was needed: it is no kill at any limit that is tried; one at a known limit is."""
    told = [{"time": 1_750_000_000 + 3600 * 100, "kind": "oom_kill", "workload": "api", "pod": "api-0"}]
    table = samples(np.full(200, 100.0 * MIB)).with_columns(
        limit_bytes=pl.lit(None if limit is None else limit * MIB, pl.Int64)
    )
    recording = rm.Recording.from_frame(table, events=pl.DataFrame(told))
    need = as_need(gather(recording).row(0, named=True))
    scene = scenario.scene(past.of_workload(recording, need.names), need, change, MARGINS)
    kills = [scenario.choose(scene, tried * MIB).kills["recorded"].sum() for tried in (300, 2000)]
    assert kills == [0 if limit is None else 1, 0]


def test_unknown_threads_cannot_change() -> None:
    """Nothing is made up."""
    recording = rm.Recording.from_frame(samples(np.full(100, 100.0 * MIB)))
    one = past.of_workload(recording, (None, "shop", "api", "app"))
    with pytest.raises(RmtoolkitError, match="threads"):
        past.changed(one, past.Change(threads=3))


@pytest.mark.parametrize("asked", [512, 300, None], ids=["guaranteed", "burstable", "unknown"])
def test_the_explorer_says_what_the_assessment_says(asked: int | None, recording: rm.Recording) -> None:
    """Chance, request and cost at the limit in force and at ours are columns of the Assessment."""
    request = None if asked is None else asked * MIB
    containers = recording.containers.with_columns(request_bytes=pl.lit(request, dtype=pl.Int64))
    found = rm.assess(dataclasses.replace(recording, containers=containers), prices=USUAL)
    row = found.workloads.row(0, named=True)
    need = as_need(found.needs.row(0, named=True))
    opened = scenario.scene(past.of_workload(found.recording, need.names), need, past.Change(), found.margins)
    now, then = (opened.at(row[name]) for name in ("limit_bytes", "advised_limit_bytes"))
    assert row["advised_limit_bytes"] == opened.ours_bytes
    assert now.risk.week == row["oom_probability_7d"]
    assert (now.risk.low, now.risk.high) == (row["oom_probability_7d_low"], row["oom_probability_7d_high"])
    assert now.memory_per_month == row["cost_now_per_month"]
    assert now.incidents_per_month == row["incidents_now_per_month"]
    if row["advised_limit_bytes"] != row["limit_bytes"]:
        assert then.memory_per_month == row["cost_then_per_month"]
        assert then.risk.week == row["advised_oom_probability"]


def test_a_limit_in_force_is_a_point_of_the_curve(known: tuple[past.Past, Need]) -> None:
    """What is drawn at a limit with a name is what is said of it: nothing lies between two limits that were tried."""
    opened = scenario.scene(*known, past.Change(), MARGINS)
    drawn = dict(opened.curve.select("limit_bytes", "oom_probability").iter_rows())
    for limit in (512 * MIB, opened.ours_bytes):
        assert limit is not None
        assert drawn[limit] == opened.at(limit).risk.week


def test_costs_follow_the_request_or_the_limit(known: tuple[past.Past, Need]) -> None:
    """With the limit as request every Mi of every pod is paid; else only the request is; incidents go by the chance."""
    need = known[1]
    scores = lookup(MARGINS)(need)
    limits = [600 * MIB, 1200 * MIB]
    whole = scenario.curve_of(need, limits, scores, USUAL, whole=None)
    assert whole["memory"].to_list() == pytest.approx([3 * limit / 2**30 * 0.005 * 730.5 for limit in limits])
    assert whole["incidents"].to_list() == pytest.approx([40 * p * 730.5 / 168 for p in whole["oom_probability"]])
    assert whole["total"].to_list() == pytest.approx((whole["memory"] + whole["incidents"]).to_list())
    used = math.ceil((need.busy_bytes or 0) / MIB) * MIB
    part = scenario.curve_of(need, limits, scores, USUAL, whole=False)
    assert part["memory"].to_list() == pytest.approx([3 * used / 2**30 * 0.005 * 730.5] * 2)


def test_a_workload_without_samples_has_a_past_without_samples() -> None:
    """Nothing to draw, nothing to change, no error."""
    recording = rm.Recording.from_frame(samples(np.full(3, 100.0 * MIB)))
    nothing = past.of_workload(recording, (None, "shop", "other", "app"))
    assert nothing.used.size == 0
    assert past.changed(nothing, past.Change(traffic=2))[0].size == 0
    assert nothing.kills(nothing.used, 1).height == 0
