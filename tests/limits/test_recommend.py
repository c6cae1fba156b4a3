"""Recommended requests and limits."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import polars as pl
import pytest
from msgspec import structs

import rmtoolkit as rm
from rmtoolkit.analysis.records import Ahead
from rmtoolkit.analysis.thresholds import QUANTILE
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.history import Need, as_need
from rmtoolkit.limits.recommend import _Case, advise
from tests.limits.conftest import DAY, MIB, START, gather, samples, steady


def only(frame: pl.DataFrame) -> dict[str, object]:
    """The one row."""
    assert frame.height == 1
    return frame.row(0, named=True)


def test_a_settled_service_gets_a_little_above_its_peak() -> None:
    """Less than KRR's 15 %, never below the peak, in whole MiB, and the request below the limit."""
    row = only(rm.recommend_limits(samples(steady(14))))
    assert row["action"] == "set_limit"
    assert row["recommended_limit_bytes"] == row["target_limit_bytes"]
    assert row["peak_bytes"] < row["recommended_limit_bytes"] < row["krr_limit_bytes"]  # type: ignore[operator]
    assert row["recommended_limit_bytes"] % MIB == 0  # type: ignore[operator]
    assert row["recommended_request_bytes"] <= row["recommended_limit_bytes"]  # type: ignore[operator]
    assert row["oom_probability"] <= 0.05  # type: ignore[operator]


def test_the_smaller_the_chance_the_higher_the_limit(fleet: rm.Recording) -> None:
    """For every workload."""
    limits = [rm.recommend_limits(fleet, chance)["recommended_limit_bytes"].to_numpy() for chance in (0.2, 0.1, 0.05)]
    assert (limits[0] <= limits[1]).all()
    assert (limits[1] <= limits[2]).all()


def test_nothing_at_or_below_a_limit_that_killed_is_recommended() -> None:
    """Killed at 512 MiB with a recorded peak of 210: the true need was above 512."""
    table = samples(steady(14), limit_bytes=512 * MIB)
    kill = pl.DataFrame([{"time": START + 10 * DAY, "kind": "oom_kill", "pod": "api-0"}])
    row = only(rm.recommend_limits(rm.Recording.from_frame(table, events=kill)))
    assert row["recommended_limit_bytes"] > 512 * MIB  # type: ignore[operator]
    assert row["action"] == "raise_limit"
    assert "OOM-killed once, at 512 Mi" in str(row["reason"])


@pytest.mark.parametrize("limit", [210, 220, 240, 256])
def test_a_limit_that_killed_is_raised_however_well_it_fits(limit: int) -> None:
    """Killed at today's limit: it is never kept, nor lowered, though the samples would do with less."""
    kill = pl.DataFrame([{"time": START + 10 * DAY, "kind": "oom_kill", "pod": "api-0"}])
    table = samples(steady(14), limit_bytes=limit * MIB)
    row = only(rm.recommend_limits(rm.Recording.from_frame(table, events=kill)))
    assert row["action"] == "raise_limit"
    assert row["recommended_limit_bytes"] > limit * MIB  # type: ignore[operator]


@pytest.mark.parametrize(
    ("share", "action"),
    [(0.94, "raise_limit"), (0.97, "raise_limit"), (1.0, "none"), (1.08, "none"), (4.0, "lower_limit")],
)
def test_a_limit_is_moved_only_where_that_pays(share: float, action: str) -> None:
    """Too small a limit is raised to what is advised without one, and not for a single MiB; one that holds is kept."""
    advised = int(only(rm.recommend_limits(samples(steady(14))))["recommended_limit_bytes"])  # type: ignore[call-overload]
    limit = round(advised * share)
    row = only(rm.recommend_limits(samples(steady(14), limit_bytes=limit)))
    assert row["action"] == action
    if action == "lower_limit":
        assert advised <= int(row["recommended_limit_bytes"]) < 0.7 * limit  # type: ignore[call-overload]
    else:
        raised = max(advised, math.ceil(1.05 * limit / MIB) * MIB)
        assert row["recommended_limit_bytes"] == (limit if action == "none" else raised)


def test_a_kill_of_an_older_version_does_not_count() -> None:
    """A release may have fixed what was needed."""
    table = samples(steady(28), limit_bytes=512 * MIB).with_columns(
        version=pl.when(pl.int_range(pl.len()) < 14 * 24).then(pl.lit("1.0")).otherwise(pl.lit("1.1"))
    )
    kill = pl.DataFrame([{"time": START + 5 * DAY, "kind": "oom_kill", "pod": "api-0"}])
    row = only(rm.recommend_limits(rm.Recording.from_frame(table, events=kill)))
    assert row["kills"] == 1
    assert row["killed_limit_bytes"] is None
    assert row["recommended_limit_bytes"] < 512 * MIB  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["node_oom", "evicted"])
def test_a_node_that_ran_out_says_nothing_about_the_limit(kind: str) -> None:
    """Neither raises the limit, nor sets what was needed."""
    events = pl.DataFrame([{"time": START + 10 * DAY, "kind": kind, "pod": "api-0"}])
    recording = rm.Recording.from_frame(samples(steady(14), limit_bytes=512 * MIB), events=events)
    row = only(rm.recommend_limits(recording))
    assert row["recommended_limit_bytes"] <= 512 * MIB  # type: ignore[operator]
    assert row["target_limit_bytes"] < 300 * MIB  # type: ignore[operator]


@pytest.mark.parametrize("per_day", [5, 20, 60])
def test_a_leak_gets_no_plain_higher_limit(per_day: int) -> None:
    """It gets the number of days that a higher limit would buy, with an interval that holds the truth."""
    values = steady(14, 200, rough=0.002) + np.linspace(0, 14 * per_day * MIB, 14 * 24)
    row = only(rm.recommend_limits(samples(values, limit_bytes=2048 * MIB)))
    assert row["action"] == "fix_leak"
    assert row["recommended_limit_bytes"] is None
    assert row["raise_to_bytes"] == 3072 * MIB
    assert row["buys_days_low"] <= 1024 / per_day * 1.02  # type: ignore[operator]
    assert row["buys_days_high"] >= 1024 / per_day * 0.98  # type: ignore[operator]
    # Where the limit in force holds for a month, no days are to be bought.
    assert ("no limit holds for good" if per_day < 60 else "buys") in str(row["reason"])


def test_the_hot_pod_is_named() -> None:
    """One of three pods at twice the level of the others sets the limit, and is shown."""
    frames = [samples(steady(14, level, seed=level), pod=f"api-{level}") for level in (200, 210, 400)]
    row = only(rm.recommend_limits(pl.concat(frames)))
    assert row["peak_pod"] == row["hot_pod"] == "api-400"
    assert row["hot_ratio"] == pytest.approx(400 / 210, rel=0.05)
    assert "times as high as the median pod" in str(row["reason"])


def test_a_short_history_says_what_a_week_would_give() -> None:
    """Its margin is wide, and the reason tells which limit a week like it would be enough for."""
    short = only(rm.recommend_limits(samples(steady(1, step=60), step=60)))
    assert short["recommended_limit_bytes"] > 1.3 * short["peak_bytes"]  # type: ignore[operator]
    assert "Only 24 h of data, so the margin is wide" in str(short["reason"])
    told = str(short["reason"]).split("With a full week of similar data: ")[1].split(" Mi")[0]
    told_bytes = int(told.replace(",", "")) * MIB
    assert short["peak_bytes"] < told_bytes < 1.2 * short["peak_bytes"]  # type: ignore[operator]
    assert "It rests on" not in str(only(rm.recommend_limits(samples(steady(14))))["reason"])


@pytest.mark.parametrize(("hours", "limit", "said"), [(6, 4096, True), (6, 210, False), (30, 4096, False)])
def test_a_high_limit_is_kept_for_a_day_and_the_reason_says_so(hours: int, limit: int, said: bool) -> None:
    """Before a day was seen no limit is lowered: the reason tells what a week like it would be enough for."""
    values = steady(2, 200, step=60, rough=0.002)[: hours * 60]
    row = only(rm.recommend_limits(samples(values, step=60, limit_bytes=limit * MIB)))
    assert ("no limit is lowered before a day was seen" in str(row["reason"])) == said
    if said:
        assert (row["action"], row["recommended_limit_bytes"]) == ("none", limit * MIB)
        assert int(str(row["reason"]).split("of similar data: ")[1].split(" Mi")[0]) < 300


def test_costs_are_those_of_the_request_times_the_pods() -> None:
    """Two pods with 1 GiB requested at 1 per GiB and hour."""
    frames = [samples(steady(14), pod=pod, request_bytes=1024 * MIB, limit_bytes=1024 * MIB) for pod in ("a", "b")]
    row = only(rm.recommend_limits(pl.concat(frames), price_per_gib_hour=1.0))
    assert row["reserved_now_bytes"] == 2048 * MIB
    assert row["cost_now_per_month"] == pytest.approx(2 * 730.5)
    assert row["cost_then_per_month"] == pytest.approx(
        2 * row["recommended_request_bytes"] / 2**30 * 730.5  # type: ignore[operator]
    )
    assert row["qos_now"] == "Guaranteed"
    assert only(rm.recommend_limits(frames[0]))["cost_now_per_month"] is None


def test_retention_has_two_numbers() -> None:
    """As it is, and once the allocator gives back what it keeps."""
    values = steady(14, 400, rough=0.002)
    gauges = {"allocated_bytes": 0.4, "active_bytes": 0.45, "resident_bytes": 0.95}
    table = samples(values).with_columns(
        (pl.col("working_set_bytes") * share).cast(pl.Int64).alias(name) for name, share in gauges.items()
    )
    row = only(rm.recommend_limits(table))
    assert row["purged_limit_bytes"] < 0.65 * row["recommended_limit_bytes"]  # type: ignore[operator]
    assert "gives kept pages back" in str(row["reason"])


def test_only_who_keeps_much_has_a_second_number() -> None:
    """A neighbour that keeps next to nothing gets no smaller limit: giving that back would change nothing."""
    shares = {
        "keeper": {"active_bytes": 0.45, "resident_bytes": 0.95},
        "api": {"active_bytes": 0.9, "resident_bytes": 0.95},
    }
    tables = [
        samples(steady(14, 400, rough=0.002), workload=name, pod=f"{name}-0").with_columns(
            (pl.col("working_set_bytes") * share).cast(pl.Int64).alias(gauge)
            for gauge, share in {"allocated_bytes": 0.4 if name == "keeper" else 0.88, **gauges}.items()
        )
        for name, gauges in shares.items()
    ]
    advised = rm.recommend_limits(pl.concat(tables))
    told = dict(advised.select("workload", pl.col("purged_limit_bytes").is_not_null()).iter_rows())
    assert told == {"keeper": True, "api": False}


def test_a_short_history_has_both_numbers_too() -> None:
    """Half a day is enough to say what giving back kept pages would save."""
    values = steady(14, 400, rough=0.002)[:12]
    gauges = {"allocated_bytes": 0.4, "active_bytes": 0.45, "resident_bytes": 0.95}
    table = samples(values).with_columns(
        (pl.col("working_set_bytes") * share).cast(pl.Int64).alias(name) for name, share in gauges.items()
    )
    row = only(rm.recommend_limits(table))
    assert row["recommended_limit_bytes"] is not None
    assert row["purged_limit_bytes"] is not None
    assert row["purged_limit_bytes"] < 0.65 * row["recommended_limit_bytes"]  # type: ignore[operator]


def test_too_small_a_chance_is_refused_with_what_would_help(fleet: rm.Recording) -> None:
    """A hundred pairs cannot tell 1 in 10,000."""
    limits = rm.recommend_limits(fleet, 0.0001, rm.learn_margins(fleet))
    assert limits["recommended_limit_bytes"].is_null().all()
    assert (limits["action"] == "wait").all()
    assert limits["reason"].str.contains(r"cannot certify 1 in 10,000: .* is 0\.38 %").all()


def test_what_went_too_high_is_not_said_to_be_too_few_pairs() -> None:
    """Pairs that can tell 5 % do not "certify" it less for ending in kills: the sentence says what happened."""
    kept = rm.Margins.shipped().tables.with_columns(rises=pl.col("rises").list.eval(pl.element() * 0 + 1e9))
    margins = rm.Margins("made", kept)
    found = advise(as_need(gather(rm.Recording.from_frame(samples(steady(14)))).row(0, named=True)), 0.05, margins)
    assert found.recommended_limit_bytes is None
    assert "cannot certify" not in found.reason
    assert "as high as 5 % of such weeks" in found.reason


def test_no_limit_is_a_thousand_times_the_need() -> None:
    """A climb that is drawn on counts as well: what no integer holds is no limit, and nothing overflows."""
    need = Need(base_bytes=1e23, need_bytes=10**12, spread=0.5, history_seconds=14 * DAY, verdict="not_leak")
    assert advise(need, 0.05, rm.Margins.shipped()).recommended_limit_bytes is None
    near = structs.replace(need, base_bytes=1.1e12)
    assert (advise(near, 0.05, rm.Margins.shipped()).recommended_limit_bytes or 0) > 1.1e12


@pytest.mark.parametrize("level", [0.3, 5.0])
def test_nothing_is_too_small_to_start_in(level: float) -> None:
    """A container of 5 Mi gets 16: below that its processes may not even start."""
    assert only(rm.recommend_limits(samples(steady(14, level))))["recommended_limit_bytes"] == 16 * MIB


def test_weekdays_alone_are_said_not_to_be_a_week() -> None:
    """Five days seen, a batch on Sundays perhaps: the reason says that no whole week was seen."""
    said = only(rm.recommend_limits(samples(steady(5), limit_bytes=256 * MIB)))["reason"]
    assert "No whole week was seen" in str(said)
    assert "No whole week was seen" not in str(
        only(rm.recommend_limits(samples(steady(7), limit_bytes=256 * MIB)))["reason"]
    )


@pytest.mark.parametrize("chance", [0, 1, -0.1, 5])
def test_a_chance_is_between_none_and_certain(chance: float) -> None:
    """5 is not 5 %."""
    with pytest.raises(RmtoolkitError, match="between 0 and 1"):
        rm.recommend_limits(samples(steady(14)), chance)


def test_a_stored_recording_is_recommended_part_by_part_with_the_same_result(
    fleet: rm.Recording, tmp_path: object
) -> None:
    """What is read lazily from a file gives the rows of what is in memory."""
    path = fleet.write(f"{tmp_path}/fleet.parquet")
    assert rm.recommend_limits(rm.read_recording(path)).equals(rm.recommend_limits(fleet))


@pytest.mark.parametrize(("per_day", "buys"), [(51.0, False), (1.0 * MIB, True)])
def test_growth_of_a_century_buys_no_days(per_day: float, buys: bool) -> None:
    """A cache that creeps by bytes a day has no rate: nobody is told that 384 Mi last for millions of days."""
    need = Need(
        growing=True,
        verdict="inconclusive",
        need_bytes=250 * MIB,
        limit_bytes=256 * MIB,
        history_seconds=14.0 * DAY,
        growth_bytes_per_day=per_day,
        ahead=Ahead(per_day_bytes=per_day, error_bytes=per_day / 2 / QUANTILE, error_up_bytes=per_day / QUANTILE),
    )
    found = advise(need, 0.05, rm.Margins.shipped())
    assert found.buys_days == (pytest.approx(128) if buys else None)
    assert found.buys_days_low == (pytest.approx(64) if buys else None)
    assert found.raise_to_bytes == (384 * MIB if buys else None)
    assert ("Raising to 384 Mi buys" in found.reason) == buys


def test_no_limit_is_more_than_the_node_has() -> None:
    """A limit for one in a thousand weeks ends where the node does, and the chance that is left is said."""
    recording = rm.Recording.from_frame(samples(steady(14, 900), node="n1"))
    report = dataclasses.replace(recording.report, nodes={"n1": 1000 * MIB})
    small = dataclasses.replace(recording, report=report)
    free, held = (only(rm.recommend_limits(one, 0.005)) for one in (recording, small))
    assert free["recommended_limit_bytes"] > 1000 * MIB  # type: ignore[operator]
    assert held["recommended_limit_bytes"] == 1000 * MIB
    assert held["oom_probability"] > 0.005  # type: ignore[operator]
    assert "Its node has no more: the chance of an OOM kill in 7 days is " in str(held["reason"])


@pytest.mark.parametrize(
    ("longest_hours", "said"),
    [(None, "2,000 % a day"), (400.0, "2,000 % a day"), (0.5, "41.6 % in each run"), (0.03, "2.5 % in each run")],
    ids=str,
)
def test_growth_that_runs_end_is_told_of_a_run(longest_hours: float | None, said: str) -> None:
    """A job of two minutes that rose by 2 % rises by no 1,750 % a day."""
    need = Need(need_bytes=100, growth_bytes_per_day=2000.0, ahead=Ahead(longest_hours=longest_hours))
    assert _Case(need, None, 0.05, None).growth == said  # type: ignore[arg-type]
