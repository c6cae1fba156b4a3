"""What a past says of the next week, in numbers that are worked out by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.limits import history
from rmtoolkit.limits.history import BLOCKS, block_peaks, describe, kills, needs, usage
from rmtoolkit.recording import as_recording
from tests.limits.conftest import DAY, MIB, START, gather, samples, steady


def peaks_of(values: list[float], mean: float = 1e8) -> pl.DataFrame:
    """The highest values of fourteen blocks, each with the same mean."""
    return pl.DataFrame(
        {
            "workload_row": pl.Series([0] * len(values), dtype=pl.UInt32),
            "block": pl.Series(range(len(values)), dtype=pl.Int32),
            "peak_bytes": pl.Series([round(value) for value in values], dtype=pl.Int64),
            "mean_bytes": [mean] * len(values),
            "samples": 20,
        }
    )


def test_a_past_that_never_moved_has_no_spread() -> None:
    """The base is the peak, and the peak is what it always uses."""
    row = describe(peaks_of([1e8] * BLOCKS), 7 * DAY).row(0, named=True)
    assert row["base_bytes"] == row["peak_bytes"] == 1e8
    assert row["spread"] == 0
    assert not row["climbing"]
    assert row["blocks"] == BLOCKS


def test_the_spread_is_that_of_the_highest_and_of_a_usual_peak() -> None:
    """Peaks of twice the mean are the log of two, however long the history is; one high block counts less than all."""
    for seconds in (3600, DAY, 14 * DAY):
        assert describe(peaks_of([2e8] * 13 + [1e8]), seconds)["spread"][0] == pytest.approx(np.log(2))
    once = describe(peaks_of([1e8] * 13 + [9e8]), DAY)["spread"][0]
    assert once == pytest.approx(np.sqrt(0.01 * np.log(9)))
    assert describe(peaks_of([1e8] * 14, mean=2e8), DAY)["spread"][0] == 0
    # Peaks that are all alike say how restless it is, but for a history of few blocks.
    assert describe(peaks_of([2e8] * 13 + [1.98e8]), DAY)["spread"][0] == pytest.approx(8 * np.log(2 / 1.98))
    assert describe(peaks_of([2e8] * 7), DAY)["spread"][0] == pytest.approx(np.log(2))
    # Of three samples a block nobody knows how it moves.
    rare = peaks_of([1e8] * 13 + [9e8]).with_columns(samples=3)
    assert describe(rare, DAY)["spread"][0] == pytest.approx(np.log(9))


@pytest.mark.parametrize(("days", "drawn"), [(14, 0.5), (7, 1.0), (4, 1.0), (1, 0.0)])
def test_a_climb_is_drawn_on_for_a_week_and_no_longer_than_it_was_seen(days: int, drawn: float) -> None:
    """Two percent a block, as a line: over two weeks a week is half of it; within a day it is a warm-up."""
    found = describe(peaks_of([1e8 * 1.02**block for block in range(BLOCKS)]), days * DAY).row(0, named=True)
    assert found["climbing"] == bool(drawn)
    wanted = found["peak_bytes"] * (1 + drawn * (1 - 1.02**-BLOCKS))
    assert found["base_bytes"] == pytest.approx(wanted, rel=1e-5)


def test_seven_blocks_of_few_samples_say_nothing_of_movement() -> None:
    """Eight are the least, or four samples in each."""
    for blocks, each, spread in ((7, 3, None), (8, 3, 0.0), (7, 4, 0.0)):
        peaks = peaks_of([1e8] * blocks).with_columns(samples=pl.lit(each, dtype=pl.Int64))
        assert describe(peaks, 7 * DAY)["spread"].to_list() == [spread]


def test_blocks_are_equal_parts_of_the_time() -> None:
    """Each holds the highest value of its fourteenth, and the mean of the pod that uses most in it."""
    values = np.arange(1, 281) * MIB
    tables = samples(values, step=60), samples(values / 2, step=60, pod="api-1")
    found = block_peaks(usage(as_recording(pl.concat(tables))))
    assert found["block"].to_list() == list(range(BLOCKS))
    assert found["peak_bytes"].to_list() == [20 * (block + 1) * MIB for block in range(BLOCKS)]
    assert found["mean_bytes"].to_list() == [(20 * block + 10.5) * MIB for block in range(BLOCKS)]


@pytest.mark.parametrize("given", [False, True], ids=["from the first sample to the last", "between two instants"])
@pytest.mark.parametrize("length", [1, 13, 14, 15, 1001, 123_456_789])
def test_each_sample_counts_in_the_block_that_it_falls_into(length: int, given: bool) -> None:
    """Samples at every edge, a millisecond before and after it, and outside: counted one by one it is the same."""
    begin = START * 1000
    edges = {begin + -(-length * block // BLOCKS) + near for block in range(BLOCKS + 1) for near in (-1, 0, 1)}
    times = sorted(edges if given else {time for time in edges if begin <= time < begin + length} | {begin})
    length = length if given else times[-1] - times[0] + 1
    used = pl.DataFrame(
        {"container_id": 0, "workload_row": 0, "time": times, "used_bytes": [(7919 * at) % 101 for at in times]},
        schema={"container_id": pl.UInt32, "workload_row": pl.UInt32, "time": pl.Int64, "used_bytes": pl.Int64},
    ).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))
    start = dt.datetime.fromtimestamp(START, dt.UTC)
    bounds = (start, start + dt.timedelta(milliseconds=length)) if given else ()
    found = block_peaks(used, *bounds).select("block", "peak_bytes", "mean_bytes", "samples").rows()
    wanted = []
    for block in range(BLOCKS):
        low, high = (begin + -(-length * number // BLOCKS) for number in (block, block + 1))
        held = [(7919 * time) % 101 for time in times if low <= time < high]
        if held:
            wanted.append((block, max(held), sum(held) / len(held), len(held)))
    assert found == wanted


def test_a_need_is_read_from_the_samples() -> None:
    """Peak, pod, what it uses nearly always, the hot pod, and the pods that are still there."""
    values = np.arange(100, 200, dtype=float) * MIB
    other = samples(np.full(50, 90.0 * MIB), step=60, pod="api-1")
    third = samples(np.full(100, 80.0 * MIB), step=60, pod="api-2", limit_bytes=300 * MIB, request_bytes=200 * MIB)
    first = samples(values, step=60, limit_bytes=400 * MIB, request_bytes=400 * MIB)
    row = needs(rm.Recording.from_frame(pl.concat([first, other, third], how="diagonal"))).row(0, named=True)
    assert row["need_bytes"] == row["peak_bytes"] == 199 * MIB
    assert row["peak_pod"] == row["hot_pod"] == "api-0"
    assert row["peak_time"] == dt.datetime.fromtimestamp(START + 99 * 60, dt.UTC)
    assert row["hot_ratio"] == pytest.approx(199 / 90)
    assert (row["pods"], row["pods_now"]) == (3, 2)
    assert row["history_seconds"] == 99 * 60
    # The limit of the pod that is nearest to its own; no other is nearer.
    assert (row["limit_bytes"], row["request_bytes"], row["held_bytes"]) == (400 * MIB, 400 * MIB, None)
    # 98 of 100 samples, over all pods: five of 250 are above it.
    assert row["busy_bytes"] == 195 * MIB


@pytest.mark.parametrize(("days", "killed", "share"), [(6, False, 7 / 14), (7, False, 1), (6, True, 1)])
def test_a_history_with_holes_counts_for_what_it_holds(days: int, killed: bool, share: float) -> None:
    """Six days of fourteen and the last are half of it, eight are a history; between kills it waits to be started."""
    table = samples(steady(14), limit_bytes=1 << 30).filter(pl.int_range(pl.len()) // 24 % 13 < days)
    told = [{"time": START + DAY, "kind": "oom_kill", "pod": "api-0", "container": "app", "namespace": "shop"}]
    recording = rm.Recording.from_frame(table, events=pl.DataFrame(told) if killed else None)
    span = 14 * DAY - 3600
    assert needs(recording)["history_seconds"].to_list() == [pytest.approx(span * share)]


def test_a_need_is_what_cannot_be_taken_back() -> None:
    """Anonymous, kernel and shared memory where all are known; else the working set less its files."""
    whole = samples(np.full(20, 500.0 * MIB), step=60).with_columns(anon_bytes=pl.lit(60 * MIB))
    summed = whole.with_columns(kernel_bytes=pl.lit(20 * MIB), shmem_bytes=pl.lit(5 * MIB))
    assert usage(as_recording(summed))["used_bytes"].unique().to_list() == [85 * MIB]
    files = whole.with_columns(file_bytes=pl.lit(450 * MIB), inactive_file_bytes=pl.lit(30 * MIB))
    assert usage(as_recording(files))["used_bytes"].unique().to_list() == [80 * MIB]
    shared = files.with_columns(shmem_bytes=pl.lit(100 * MIB))
    assert usage(as_recording(shared))["used_bytes"].unique().to_list() == [180 * MIB]
    assert usage(as_recording(whole))["used_bytes"].unique().to_list() == [500 * MIB]


def test_the_kernels_peak_is_added_where_it_rises() -> None:
    """Above what this scrape saw; where it stays, it says nothing about now."""
    table = samples(np.full(4, 100.0 * MIB), step=60).with_columns(
        peak_bytes=pl.Series([150, 150, 170, 90], dtype=pl.Int64) * MIB
    )
    assert (usage(as_recording(table))["used_bytes"] // MIB).to_list() == [150, 100, 170, 100]


def test_a_kill_is_told_with_the_limit_that_held_then() -> None:
    """A limit that was raised afterwards is not the one that killed."""
    table = samples(steady(2), limit_bytes=512 * MIB, request_bytes=100 * MIB)
    events = pl.DataFrame(
        [
            {"time": START, "kind": "limit", "pod": "api-0", "value_bytes": 256 * MIB},
            {"time": START + DAY // 2, "kind": "oom_kill", "pod": "api-0", "value_bytes": None},
            {"time": START + DAY, "kind": "limit", "pod": "api-0", "value_bytes": 512 * MIB},
            {"time": START + DAY + 3600, "kind": "oom_kill", "pod": "api-0", "value_bytes": None},
        ]
    )
    recording = rm.Recording.from_frame(table, events=events)
    assert kills(recording)["limit_bytes"].to_list() == [256 * MIB, 512 * MIB]
    assert kills(recording)["request_bytes"].to_list() == [100 * MIB] * 2
    row = needs(recording).row(0, named=True)
    assert (row["kills"], row["kills_now"], row["killed_limit_bytes"]) == (2, 2, 512 * MIB)
    assert row["need_bytes"] == row["base_bytes"] == 512 * MIB
    assert row["need_of"] == "above a kill"


def test_before_its_first_change_no_limit_is_known() -> None:
    """Lives, kills and checks have one rule: the limit on record is that of the end; but a kill may say its own."""
    # What runs above a limit to the end has another one: here it falls below it.
    used = np.append(np.full(2 * 1440 - 60, 300.0 * MIB), np.full(60, 150.0 * MIB))
    table = samples(used, step=60, limit_bytes=512 * MIB)
    table = table.with_columns(restarts_total=pl.int_range(pl.len()) // 1440)
    told = [(0.5, "oom_kill", None), (0.7, "oom_kill", 256), (1.0, "limit", 200), (1.2, "oom_kill", None)]
    events = pl.DataFrame(
        [
            {"time": START + round(day * DAY), "kind": kind, "pod": "api-0", "value_bytes": value and value * MIB}
            for day, kind, value in told
        ]
    )
    recording = rm.Recording.from_frame(table, events=events)
    assert kills(recording)["limit_bytes"].to_list() == [None, 256 * MIB, 200 * MIB]
    for source in (recording, rm.assess(recording)):
        assert rm.lives(source)["limit_bytes"].to_list()[:5] == [None, None, None, 200 * MIB, 200 * MIB]
    found = rm.validate(recording).filter(check="usage_above_limit").row(0, named=True)
    # One scrape of slack is left between two gauges.
    assert found["first"].timestamp() >= START + DAY - 60


def test_a_climb_must_be_clear_of_its_own_error() -> None:
    """Three percent a block are a climb where blocks scatter by two percent, and none where they scatter by a half."""
    climb = 1e8 * 1.03 ** np.arange(BLOCKS)
    found = [describe(peaks_of(list(climb * np.exp(rough * WIGGLE))), 14 * DAY)["climbing"][0] for rough in (0.02, 0.5)]
    assert found == [True, False]


#: Blocks that lie one above, one below.
WIGGLE = np.array([1.0, -1.0] * 7)


@pytest.mark.parametrize(
    ("peak", "swap", "said"),
    [
        (103, 0, "working set less files"),
        (110, 0, "kernel peak"),
        (103, 5, "working set less files"),
        (103, 8, "with swap"),
    ],
)
def test_what_samples_do_not_show_is_named_where_it_is_a_twentieth_of_the_need(peak: int, swap: int, said: str) -> None:
    """A little more than what the scrape saw is no news; of swap is spoken only where there was some."""
    table = samples(np.full(20, 100.0 * MIB), step=60).with_columns(
        anon_bytes=pl.lit(90 * MIB),
        file_bytes=pl.lit(0),
        peak_bytes=pl.lit(peak * MIB),
        swap_bytes=pl.lit(swap * MIB),
    )
    recording = rm.Recording.from_frame(table)
    row = needs(recording).row(0, named=True)
    assert row["need_bytes"] == (peak + swap) * MIB
    assert row["need_of"] == said
    assert ("swapped out" in rm.recommend_limits(recording)["reason"][0]) == (said == "with swap")


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "running"])
def test_what_is_set_is_what_is_set_of_pods_that_run(gone: bool) -> None:
    """The limit and the request of a pod that is gone say nothing of those after it, nor that it had none."""
    values = np.full(100, 200.0 * MIB)
    before = samples(values[:40] if gone else values, pod="api-0", limit_bytes=300 * MIB, request_bytes=100 * MIB)
    need = gather(rm.Recording.from_frame(pl.concat([before, samples(values, pod="api-1")], how="diagonal")))
    told = need.select("limit_bytes", "request_bytes", "limit_known", "pods_now").row(0)
    assert told == ((None, None, False, 1) if gone else (300 * MIB, 100 * MIB, True, 2))


@pytest.mark.parametrize(
    ("verdict", "said", "broken"),
    [
        ("not_leak", ["rejected_usage_above_limit"], True),
        ("inconclusive", ["rejected_allocated_above_active", "no_live_heap"], True),
        ("inconclusive", ["rejected_allocated_above_active"], False),
        ("inconclusive", ["no_live_heap"], False),
        ("not_leak", ["rejected_allocated_above_active", "no_live_heap"], False),
        ("leak", [], False),
    ],
)
def test_an_exporter_is_broken_where_its_figures_would_settle_something(
    verdict: str, said: list[str], broken: bool
) -> None:
    """A limit that cannot be, or the heap's gauge of what is undecided without it."""
    evidence = pl.Series([[{"statistic": one} for one in said]], dtype=pl.List(pl.Struct({"statistic": pl.String})))
    assert pl.DataFrame({"verdict": [verdict], "evidence": evidence}).select(history._BROKEN).item() is broken
