"""Thirty-six traces that fool naive code: one test each, over variants and seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.judge import judge
from rmtoolkit.assessment import classify
from rmtoolkit.recording import Recording
from rmtoolkit.validation import validate
from tests.analysis import layers, traces
from tests.analysis.curves import BEGIN, GI, MI, footprint, hours, saturate
from tests.analysis.verdicts import chances_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.analysis.curves import Array, Trace

SEEDS: Final = (1, 2)


def variants(*names: str) -> pytest.MarkDecorator:
    """Run a test for each of the named variants."""
    return pytest.mark.parametrize("variant", names)


def check(several: Iterable[Trace]) -> list[dict[str, Any]]:
    """Hold the engine's answer to each against the right one."""
    traced = list(several)
    rows = rows_of(trace.recording for trace in traced)
    for trace, row in zip(traced, rows, strict=True):
        said = (
            f"{row['verdict']} p={row['leak_probability']:.2f} {row['pattern']} also={row['also']} "
            f"cause={row['cause']} {row['limit_outlook']} by {row['signal']}: {row['explanation']}"
        )
        assert row["verdict"] in trace.verdicts, said
        assert not trace.patterns or row["pattern"] in trace.patterns, said
        assert not trace.causes or row["cause"] in trace.causes, said
        assert not trace.outlooks or row["limit_outlook"] in trace.outlooks, said
    return rows


def chances(several: Iterable[Trace]) -> list[float]:
    """The chance of an OOM kill of each."""
    return chances_of(trace.recording for trace in several)


@variants("full", "kinked", "first_8_h", "first_4_h")
def test_trace_01_vigia_warm_up(variant: str) -> None:
    """A climb of 8 h that is over is a warm-up; its beginning alone is never a leak.

    DESIGN section 5 judges by what was seen, not by hours: after 3.4 time constants "settled" may be said too.
    """
    check(traces.vigia(variant, seed) for seed in SEEDS)


@variants("full", "with_live_heap", "first_2_h", "first_3_h")
def test_trace_02_siphon_arenas(variant: str) -> None:
    """Kept pages that stop growing are no leak; two or three hours of them decide nothing."""
    check(traces.siphon(variant, seed) for seed in SEEDS)


@variants("full", "prefix")
def test_trace_03_appln2_ramp(variant: str) -> None:
    """A ramp that ended is bounded; a fresh one is open."""
    check(traces.appln2(variant, seed) for seed in SEEDS)


@variants("day", "six_hours", "ramp")
def test_trace_04_dotnet_start(variant: str) -> None:
    """Memory claimed in the first half hour after a deploy is no leak."""
    check(traces.dotnet_start(variant, seed) for seed in SEEDS)


@variants("one_life", "rollouts")
def test_trace_05_postgres_buffers(variant: str) -> None:
    """Buffers that fill after each rollout are bounded."""
    check(traces.postgres(variant, seed) for seed in SEEDS)


@variants("day", "hour")
def test_trace_06_apid_spikes(variant: str) -> None:
    """Tiny spikes are no leak however steep; one hour of them need not decide."""
    check(traces.apid(variant, seed) for seed in SEEDS)


@variants("flat_8", "flat_24", "flat_90", "rising_8", "rising_24", "rising_90")
def test_trace_07_sawtooth_floor(variant: str) -> None:
    """A sawtooth is judged by its floor.

    DESIGN section 5: the same picture in ten minutes at 1 s and in a day at 60 s gets the same answer.
    """
    check(traces.sawtooth(variant, seed) for seed in SEEDS)


@variants("one", "two")
def test_trace_08_few_teeth(variant: str) -> None:
    """Fewer than three cycles are never silently passed."""
    check(traces.few_teeth(variant, seed) for seed in SEEDS)


@variants("minute", "two_minutes")
def test_trace_09_small_leak_far_limit(variant: str) -> None:
    """A small leak is a leak, and its risk is low."""
    several = [traces.small_leak(variant, seed) for seed in SEEDS]
    for row in check(several):
        assert row["hours_to_limit"] is None or row["hours_to_limit"] > 4000
    assert max(chances(several)) < 0.05


@variants("whole", "first_35_h")
def test_trace_10_kubeedge_line(variant: str) -> None:
    """A nearly noise-free line is a leak although its residuals are autocorrelated."""
    check(traces.kubeedge(variant, seed) for seed in SEEDS)


@variants("rho_980", "rho_995", "rho_998")
def test_trace_11_wandering_level(variant: str) -> None:
    """A level that wanders is no leak."""
    check(traces.wandering(variant, seed) for seed in SEEDS)


@variants("narrow", "wide")
def test_trace_12_random_walk(variant: str) -> None:
    """Of forty random walks at most a tenth look like a leak, and some are left open."""
    said = [row["verdict"] for row in rows_of(traces.random_walk(variant, seed).recording for seed in range(40))]
    assert said.count("leak") <= 4, said
    assert said.count("inconclusive") >= 5, said


@variants("rising_half", "week", "week_leak")
def test_trace_13_diurnal(variant: str) -> None:
    """Half a daily wave is open, a week of them is periodic, a leak beneath is found.

    DESIGN section 5: a day competes only where the shape fits half a wave, and 12 h of cosine do.
    """
    check(traces.diurnal(variant, seed) for seed in SEEDS)


@variants("abrupt", "gradual")
def test_trace_14_weekend_to_weekday(variant: str) -> None:
    """The working week begins: no leak."""
    check(traces.weekend(variant, seed) for seed in SEEDS)


@variants("middle", "middle_versioned", "fresh", "fresh_versioned")
def test_trace_15_deploy_step(variant: str) -> None:
    """A step with flat sides is a step, of the release where one is known; a step at the very end is open."""
    check(traces.step(variant, seed) for seed in SEEDS)


@variants("constant", "decelerating")
def test_trace_16_staircase(variant: str) -> None:
    """Equal steps for ten nights are a leak in batches, ever smaller ones a ratchet."""
    check(traces.staircase(variant, seed) for seed in SEEDS)


@variants("one_tau", "log")
def test_trace_17_unfinished_growth(variant: str) -> None:
    """Growth that slows down but has not ended is open, never bounded, and the answer says how long to wait."""
    for row in check(traces.unfinished(variant, seed) for seed in SEEDS):
        assert "Wait until" in row["next_step"]


@variants("leak", "between_plateaus")
def test_trace_18_warm_up_flat_then_leak(variant: str) -> None:
    """A leak after a long rest is found; growth that has rested for a day is none now."""
    check(traces.warm_up_flat_then_leak(variant, seed) for seed in SEEDS)


@variants("oom_kills", "restarts_only", "no_metadata")
def test_trace_19_masked_by_restarts(variant: str) -> None:
    """Growth in every life is a leak; without restart data it is open, and restart data is asked for."""
    for row in check(layers.masked(variant, seed) for seed in SEEDS):
        if variant == "no_metadata":
            assert "restart" in row["next_step"]


@variants("last_whole", "last_short")
def test_trace_20_masked_by_deploys(variant: str) -> None:
    """Deploys do not hide a slow leak."""
    check(layers.deploys(variant, seed) for seed in (*SEEDS, 38))


@variants("long_after", "short_after")
def test_trace_21_fixed_version(variant: str) -> None:
    """A leak that a version ended is none now, once that version was seen for long enough."""
    for row in check(layers.fixed(variant, seed) for seed in SEEDS):
        if variant == "long_after":
            assert "2.0.2" in row["explanation"]


@variants("retention", "fragmentation")
def test_trace_22_flat_live_heap(variant: str) -> None:
    """A flat live heap forbids the word leak; growing gaps still fill the limit."""
    several = [layers.allocator(variant, seed) for seed in SEEDS]
    assert {row["signal"] for row in check(several)} == {"allocated_bytes"}
    assert {chance > 0.5 for chance in chances(several)} == {variant == "fragmentation"}


@variants("three_gauges", "two_gauges")
def test_trace_23_growth_outside_the_allocator(variant: str) -> None:
    """Growth that the allocator does not see is not the Rust heap's, and not cleared either."""
    for row in check(layers.kura(variant, seed) for seed in SEEDS):
        assert "smaps" in row["next_step"]


@variants("with_free", "without_free")
def test_trace_24_retention_that_kills(variant: str) -> None:
    """Cause and risk are separate: what glibc keeps is no leak and reaches the limit in hours."""
    several = [layers.sipi(variant, seed) for seed in SEEDS]
    for row in check(several):
        assert row["hours_to_limit"] == pytest.approx((4 * GI / 1e6 - 2650) / 500, rel=0.15)
    assert min(chances(several)) > 0.9


@variants("cache", "shared")
def test_trace_25_page_cache(variant: str) -> None:
    """Page cache up to the limit is harmless; shared memory is not called page cache."""
    several = [layers.page_cache(variant, seed) for seed in SEEDS]
    rows = check(several)
    if variant == "cache":
        assert max(chances(several)) < 0.1
    else:
        assert not [row for row in rows if "live heap is" in row["explanation"]]


@variants("at_limit", "at_high")
def test_trace_26_pinned_at_the_limit(variant: str) -> None:
    """Flat at the limit, or at memory.high under it, with rising pressure: open, and dangerous."""
    several = [layers.pinned(variant, seed) for seed in SEEDS]
    check(several)
    if variant == "at_limit":
        assert min(chances(several)) > 0.1


@variants("scaled_out", "one_of_five")
def test_trace_27_replicas(variant: str) -> None:
    """More pods are no growth; one pod that climbs is a leak in that pod."""
    several = [layers.replicas(variant, seed) for seed in SEEDS]
    check(several)
    for trace in several if variant == "one_of_five" else []:
        by_pod = dict(classify(trace.recording, by="instance").select("pod", "verdict").iter_rows())
        assert by_pod == {f"api-{number}": "leak" if number == 3 else "not_leak" for number in range(5)}


@variants("follows", "per_call")
def test_trace_28_load(variant: str) -> None:
    """Memory that follows the load is no leak; memory that each call keeps is one."""
    check(layers.load(variant, seed) for seed in SEEDS)


@variants("counter", "counter_and_load")
def test_trace_29_idle_service(variant: str) -> None:
    """Flat memory without any work clears nothing."""
    check(layers.idle(variant, seed) for seed in SEEDS)


@variants("event", "counter_late")
def test_trace_30_predecessor_and_gap(variant: str) -> None:
    """A killed process that is still shown makes no step, and a gap no new life; what is missing is counted."""
    several = [layers.overlap(variant, seed) for seed in SEEDS]
    for trace, row in zip(several, check(several), strict=True):
        assert row["coverage"] < 1
        lives = judge(trace.recording)[0]["lives"]
        assert lives.height == 2
        assert lives["startup_peak_bytes"][1] < 360 * MI


@variants("raw_15s", "max_5m", "percent", "mebibytes")
def test_trace_31_same_memory_other_form(variant: str) -> None:
    """Cadence and rounding do not change a clear answer."""
    t = hours(24, 15)
    leak, plateau, warm_up = 180 + 6 * t, 200 + 0 * t, 120 + 100 * saturate(t, 1.5)
    rows = rows_of(in_form(variant, t, curve * MI) for curve in (leak, plateau, warm_up))
    assert [row["verdict"] for row in rows] == ["leak", "not_leak", "not_leak"]


def in_form(variant: str, t: Array, curve: Array) -> Recording:
    """A curve as somebody hands it in."""
    rng = np.random.default_rng(31)
    frame = footprint(t, curve, rng, limit=512 * MI).frame().select("pod", "time", "limit_bytes", "working_set_bytes")
    value = pl.col("working_set_bytes")
    match variant:
        case "max_5m":
            frame = frame.group_by_dynamic("time", every="5m", group_by=["pod", "limit_bytes"]).agg(value.max())
        case "percent":
            frame = frame.with_columns(((value / (512 * MI) * 100).round() / 100 * 512 * MI).cast(pl.Int64))
        case "mebibytes":
            frame = frame.with_columns((value / MI).ceil().cast(pl.Int64) * MI, quantum_bytes=pl.lit(MI))
    return Recording.from_frame(frame)


@variants("same", "by_work")
def test_trace_32_runs_of_more_work(variant: str) -> None:
    """Two runs that keep the same amount keep caches; what scales with the work is a leak.

    The trace speaks of heap profiles; here the two runs are recordings of 10 and 40 minutes at 1 s, which
    DESIGN section 5 judges by their samples.
    """
    check(layers.runs(variant, seed) for seed in SEEDS)


@variants("growing", "waving")
def test_trace_33_stale_allocator_gauges(variant: str) -> None:
    """Gauges that never move while the process does are an error in the data, not evidence."""
    several = [layers.stale(variant, seed) for seed in SEEDS]
    for trace, row in zip(several, check(several), strict=True):
        assert row["signal"] == "rss_bytes"
        assert row["evidence_level"] < 4
        found = validate(trace.recording).filter(pl.col("check") == "stale_allocator")
        assert found["rejected"].all()
        assert "allocated_bytes" in found["signal"].to_list()


@variants("flat_1s", "steady_1s", "warming_1s", "flat_30s", "steady_30s", "warming_30s")
def test_trace_34_load_test(variant: str) -> None:
    """Twenty minutes at 1 s decide what is clear; 40 samples may leave it open.

    The facts call any 20 minutes inconclusive; DESIGN section 5 decides: samples count, not hours.
    """
    check(traces.load_test(variant, seed) for seed in SEEDS)


@variants("recovered", "just_ended")
def test_trace_34_stress_hog(variant: str) -> None:
    """A short hog that is killed again and again is a limit too low for it, and a risk, but no leak."""
    several = [traces.stress_hog(variant, seed) for seed in SEEDS]
    check(several)
    assert min(chances(several)) > 0.5


@variants("middle", "end")
def test_trace_35_burst(variant: str) -> None:
    """A burst that went away is no leak; one that has just begun is open."""
    check(traces.burst(variant, seed) for seed in SEEDS)


@variants("then_flat", "then_leak")
def test_trace_36_decline(variant: str) -> None:
    """Released start-up memory is no leak; growth after a drop is one."""
    check(traces.decline(variant, seed) for seed in SEEDS)


def test_every_trace_begins_where_it_says() -> None:
    """The generators are fixed: the same variant and seed give the same recording."""
    first, second = traces.vigia("full", 1).recording, traces.vigia("full", 1).recording
    assert first == second
    assert first.samples["time"].min() == BEGIN
