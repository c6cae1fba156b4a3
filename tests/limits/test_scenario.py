"""The quick past of the explorer says what `what_if`, `replay`, `limit_risk` and `recommend_limits` say."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import explore as scenario
from rmtoolkit.limits import recommend
from rmtoolkit.limits import what_if as past
from rmtoolkit.limits.risk import Margins
from tests.limits.conftest import MIB, samples

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
def known(recording: rm.Recording) -> tuple[past.Past, dict[str, object]]:
    """Its past, and what was gathered of it."""
    row = recommend.gather(recording).row(0, named=True)
    return past.of_workload(recording, row), row


CHANGES: Final = {
    "nothing": (scenario.Change(), {}),
    "startup": (scenario.Change(startup_scale=0.5), {"startup_scale": 0.5}),
    "spread": (scenario.Change(spread_seconds=900), {"startup_spread_seconds": 900}),
    "threads": (scenario.Change(threads=4), {"threads": 4}),
    "traffic": (scenario.Change(traffic=1.7), {"traffic": 1.7}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_past_is_that_of_what_if(
    name: str, recording: rm.Recording, known: tuple[past.Past, dict[str, object]]
) -> None:
    """Every sample is the same to the byte that rounding may take, and so are the kills of a limit."""
    quick, options = CHANGES[name]
    changed = rm.what_if(recording, **options).recording  # type: ignore[arg-type]
    used = scenario.change(known[0], quick)
    assert np.abs(used - changed.samples["working_set_bytes"].to_numpy()).max() <= 1
    slow = rm.replay(changed, 400 * MIB)
    fast = known[0].kills(used, 400 * MIB)
    assert slow.height == fast.height
    assert sorted(fast["time"]) == sorted(slow["time"].to_physical())
    assert fast["starting"].sum() == (slow["phase"] == "startup").sum()


@pytest.mark.parametrize("name", CHANGES)
def test_the_limit_of_a_changed_past_is_that_of_the_slow_way(
    name: str, recording: rm.Recording, known: tuple[past.Past, dict[str, object]]
) -> None:
    """Limit, request and chances as when the changed recording is judged anew."""
    quick, options = CHANGES[name]
    found = scenario.outcome(*known, quick)
    changed = rm.what_if(recording, **options).recording  # type: ignore[arg-type]
    slow = rm.recommend_limits(changed, 0.2).row(0, named=True)
    fast = scenario.ours(found, 0.2, MARGINS)
    for column in ("recommended_limit_bytes", "recommended_request_bytes"):
        assert fast[column] == pytest.approx(slow[column], abs=MIB), column
    assert fast["peak_bytes"] == pytest.approx(slow["peak_bytes"], abs=1)
    limits = [400 * MIB, 600 * MIB, 900 * MIB]
    chances = scenario.curve(found, np.array(limits, dtype=np.float64), MARGINS)["oom_probability"]
    assert chances.to_list() == pytest.approx(rm.limit_risk(changed, limits)["oom_probability"].to_list())


def test_a_kill_in_startup_needs_less_once_startup_is_lower() -> None:
    """A life that was killed while it started tells how high the startup went; halving that lowers the need."""
    values = np.full(3000, 200.0 * MIB)
    rise = np.array([20, 100, *np.linspace(150, 380, 12), 380, 350, 320, 290, 260, 230]) * MIB
    for start in (500, 1500):
        values[start : start + rise.size] = rise
    values[2500:2516] = np.array([20, 100, *np.linspace(150, 480, 14)]) * MIB  # killed after this, at the limit
    values[2516:2518] = np.array([20, 100]) * MIB
    starts = np.isin(np.arange(3000), [500, 1500, 2500, 2516]).cumsum()
    table = samples(values, step=60).with_columns(
        restarts_total=pl.Series(starts),
        oom_kills_total=pl.Series((np.arange(3000) >= 2516).astype(np.int64)),
        limit_bytes=pl.lit(500 * MIB),
    )
    recording = rm.Recording.from_frame(table)
    row = recommend.gather(recording).row(0, named=True)
    assert row["killed_limit_bytes"] == 500 * MIB
    one = past.of_workload(recording, row)
    assert scenario.measured_spike(one) == pytest.approx(280 * MIB, rel=0.02)
    halved = scenario.outcome(one, row, scenario.Change(startup_scale=0.5))
    assert halved.need["killed_limit_bytes"] == pytest.approx(350 * MIB, rel=0.02)
    assert halved.need["base_bytes"] < 360 * MIB
    assert rm.what_if(recording, startup_scale=0.5).recording.samples["working_set_bytes"].max() < 350 * MIB  # type: ignore[operator]


def test_unknown_threads_cannot_change() -> None:
    """Nothing is made up."""
    recording = rm.Recording.from_frame(samples(np.full(100, 100.0 * MIB)))
    one = past.of_workload(recording, recording.containers.row(0, named=True))
    with pytest.raises(RmtoolkitError, match="threads"):
        scenario.change(one, scenario.Change(threads=3))


def test_costs_follow_the_request_or_the_limit(known: tuple[past.Past, dict[str, object]]) -> None:
    """With the limit as request every Mi is paid; else only the request is; incidents go by the chance."""
    found = scenario.outcome(*known, scenario.Change())
    row = scenario.ours(found, 0.2, MARGINS)
    risk = scenario.curve(found, np.array([600.0 * MIB, 1200.0 * MIB]), MARGINS)
    whole = scenario.costs_of(risk, row, 0.005, 40, whole=True)
    assert whole["memory"][1] == pytest.approx(2 * whole["memory"][0])
    assert scenario.costs_of(risk, row, 0.005, 40, whole=False)["memory"].n_unique() == 1
    assert whole["incidents"].to_list() == pytest.approx([40 * p * 730.5 / 168 for p in risk["oom_probability"]])


def test_a_workload_without_samples_has_a_past_without_samples() -> None:
    """Nothing to draw, nothing to change, no error."""
    recording = rm.Recording.from_frame(samples(np.full(3, 100.0 * MIB)))
    nothing = past.of_workload(recording, recording.containers.row(0, named=True) | {"workload": "other"})
    assert nothing.used.size == 0
    assert scenario.change(nothing, scenario.Change(traffic=2)).size == 0
    assert nothing.kills(nothing.used, 1).height == 0
