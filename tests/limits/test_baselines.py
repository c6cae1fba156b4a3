"""What other tools recommend: held against worked examples that the real programs gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.limits import baselines
from rmtoolkit.recording import as_recording

if TYPE_CHECKING:
    from collections.abc import Callable


def on_frames(rule: Callable[..., pl.DataFrame]) -> Callable[..., pl.DataFrame]:
    """Let a rule take tables."""
    return lambda table, *more: rule(as_recording(table), *more)


krr_memory = on_frames(baselines.krr_memory)
max_plus = on_frames(baselines.max_plus)
vpa_memory = on_frames(baselines.vpa_memory)
ORACLE: Final[dict[str, list[dict[str, Any]]]] = json.loads(
    (Path(__file__).parent.parent / "data" / "limits" / "oracle.json").read_text("utf-8")
)
MIB: Final = 2**20
START: Final = 1_700_000_000
#: CPU was sampled for nine minutes more than memory, by which we count.
CPU_SELDOM: Final = {"V4 1 hot of 10", "V4 1 hot of 11"}
VPA: Final = [case for case in ORACLE["vpa"] if "pods" in case]


def series(seconds: Any, value: Any, pod: str = "api-0", **more: Any) -> pl.DataFrame:
    """One container's samples."""
    labels = {"namespace": "shop", "workload": "api", "pod": pod, "container": "api"} | more
    return pl.DataFrame({"time": list(seconds), "working_set_bytes": value}).with_columns(
        pl.lit(what).alias(name) for name, what in labels.items()
    )


def limit(frame: pl.DataFrame) -> int | None:
    """The one recommended limit."""
    value: int | None = frame["recommended_limit_bytes"].item()
    return value


@pytest.mark.parametrize("case", VPA, ids=lambda case: case["name"])
def test_vpa_agrees_to_the_byte(case: dict[str, Any]) -> None:
    """Lower, target and upper are those of the real recommender: the upper one where CPU was seen as long as memory."""
    frames, kills = [], []
    for number, pod in enumerate(case["pods"]):
        name = f"api-{number:02}"
        for container in range(case["containers_in_pod"]):
            frames += [
                series(range(a, b + 1, c), v, name, container=f"c{container}", request_bytes=pod["request_bytes"])
                for a, b, c, v in pod["working_set"]
            ]
            kills += [
                {"time": kill["time"], "kind": "oom_kill", "pod": name, "container": f"c{container}"}
                for kill in pod["oom"]
            ]
    recording = rm.Recording.from_frame(pl.concat(frames), events=pl.DataFrame(kills) if kills else None)
    answer = vpa_memory(recording).row(0, named=True)
    told = {name for name in case["expected"] if name != "upper" or case["name"] not in CPU_SELDOM}
    assert {name: answer[f"{name}_bytes"] for name in told} == {name: case["expected"][name] for name in told}


def test_vpa_follows_a_leak_up() -> None:
    """A line of 100 MiB a day raises the target with it, in silence."""
    (case,) = (case for case in ORACLE["vpa"] if "pods" not in case)
    minutes = range(START, START + 8 * 86_400, 60)
    table = series(minutes, [int(300 * MIB + 100 * MIB * (time - START) / 86_400) for time in minutes])
    answer = vpa_memory(table).row(0, named=True)
    assert {name: answer[f"{name}_bytes"] for name in case["expected"]} == case["expected"]


def test_vpa_forgets_a_peak_day_after_three_days_and_keeps_it_before() -> None:
    """The worked numbers for one high day among days of 500 MB."""
    answers = {}
    for ago in (1, 3):
        minutes = range(START, START + 8 * 86_400, 60)
        high = START + (7 - ago) * 86_400
        values = [900_000_000 if high <= time < high + 300 else 500_000_000 for time in minutes]
        answers[ago] = round(vpa_memory(series(minutes, values))["target_bytes"].item() / MIB, 1)
    assert answers == {1: 990.6, 3: 560.6}


def test_vpa_of_a_workload_whose_footprint_is_unknown_is_null() -> None:
    """An allocator's gauge is no footprint: unknown is null, never the floor of 250 MiB."""
    heap = series([START], [5 * MIB], "heap-0", workload="heap").rename({"working_set_bytes": "allocated_bytes"})
    both = pl.concat([heap, series([START], [400 * MIB])], how="diagonal")
    answers = {row["workload"]: row["target_bytes"] for row in vpa_memory(both).iter_rows(named=True)}
    assert answers["heap"] is None
    assert answers["api"] == 511_772_986


def quarters(seconds: int) -> range:
    """One scrape every 15 seconds; the start is a multiple of 75."""
    return range(1_700_000_025, 1_700_000_025 + seconds, 15)


@pytest.mark.parametrize(
    ("value", "seconds", "expected"),
    [(412_345_678, 172_800, 475_004_928), (20 * MIB, 172_800, 104_857_600), (400 * MIB, 7201, None)],
    ids=["flat", "below the floor", "two hours"],
)
def test_krr_gives_what_the_real_program_gives(value: int, seconds: int, expected: int | None) -> None:
    """Flat series: 15 % more in whole MiB, at least 100 MiB, and nothing below 100 points."""
    assert limit(krr_memory(series(quarters(seconds), value))) == expected


@pytest.mark.parametrize(("offset", "expected"), [(0, 690), (15, 230), (30, 230), (45, 230), (60, 690)])
def test_krr_sees_a_short_spike_or_does_not(offset: int, expected: int) -> None:
    """Thirty seconds are seen when a multiple of 75 seconds falls into them."""
    begin = 1_700_000_025 + 75 * 500 + offset
    values = [600 * MIB if begin <= time < begin + 30 else 200 * MIB for time in quarters(172_800)]
    assert limit(krr_memory(series(quarters(172_800), values))) == expected * MIB


def test_krr_takes_the_highest_pod() -> None:
    """Two pods are not averaged, and their points are added."""
    times = quarters(172_800)
    both = pl.concat([series(times, 300 * MIB), series(times, 350 * MIB, "api-1")])
    assert limit(krr_memory(both)) == 422_576_128
    assert krr_memory(both)["points"].item() == 2 * 172_800 // 75


def test_krr_sees_nothing_of_what_ended_long_ago() -> None:
    """A container whose samples are all older than the history has no point and no amount."""
    late = series(quarters(172_800), 300 * MIB)
    early = series([time - 20 * 86_400 for time in quarters(7200)], 300 * MIB, "old-0", workload="old")
    found = krr_memory(pl.concat([late, early])).sort("workload").select("points", "recommended_limit_bytes")
    assert found.rows() == [(2304, 361_758_720), (0, None)]


def test_krr_follows_a_leak_over_a_week() -> None:
    """300 MiB and 100 MiB a day for seven days: 1,150 MiB."""
    times = quarters(7 * 86_400 + 1)
    values = [int(300 * MIB + 100 * MIB * (time - times[0]) / 86_400) for time in times]
    assert limit(krr_memory(series(times, values))) == 1150 * MIB


def test_max_plus_is_exact() -> None:
    """Percent are taken in whole numbers: 200 and 15 % is 230, and not one byte more."""
    assert limit(max_plus(series([START, START + 60], [100, 200]), 15)) == 230
    assert limit(max_plus(series([START], [1000]), 0)) == 1000
    assert limit(max_plus(series([START], [1000]), 12.5)) == 1125


def test_every_rule_answers_for_every_workload() -> None:
    """A row per workload container, in the same order, whatever the rule."""
    table = pl.concat(
        [series(range(START, START + 600, 60), 5 * MIB, workload=name, pod=f"{name}-0") for name in ("b", "a", "c")]
    )
    for rule in (vpa_memory, krr_memory):
        assert rule(table)["workload"].to_list() == ["a", "b", "c"]
