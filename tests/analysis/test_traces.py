"""Thirty-six traces that fool naive code: one test each, over variants and seeds that are judged together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.judge import judge
from rmtoolkit.assessment import classify
from rmtoolkit.recording import Recording, concat
from rmtoolkit.validation import validate
from tests.analysis import layers, traces
from tests.analysis.curves import BEGIN, GI, MI, Trace, as_read, footprint, hours, record, saturate, together
from tests.analysis.verdicts import chances_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.analysis.curves import Array

SEEDS: Final = (1, 2)


class Checked(NamedTuple):
    """A trace, and the row that is said of it."""

    variant: str
    trace: Trace
    row: dict[str, Any]


def check(make: Callable[[str, int], Trace], *variants: str, seeds: Sequence[int] = SEEDS) -> list[Checked]:
    """Judge the variants of a trace together, and hold the engine's answer to each against the right one."""
    drawn = [(variant, make(variant, seed)) for variant in variants for seed in seeds]
    rows = rows_of(trace.recording for _, trace in drawn)
    checked = [Checked(variant, trace, row) for (variant, trace), row in zip(drawn, rows, strict=True)]
    for variant, trace, row in checked:
        said = (
            f"{variant}: {row['verdict']} p={row['leak_probability']:.2f} {row['pattern']} also={row['also']} "
            f"cause={row['cause']} {row['limit_outlook']} by {row['signal']}: {row['explanation']}"
        )
        assert row["verdict"] in trace.verdicts, said
        assert not trace.patterns or row["pattern"] in trace.patterns, said
        assert not trace.causes or row["cause"] in trace.causes, said
        assert not trace.outlooks or row["limit_outlook"] in trace.outlooks, said
    return checked


def chances(several: Sequence[Checked]) -> list[float]:
    """The chance of an OOM kill of each."""
    return chances_of(one.trace.recording for one in several)


def test_trace_01_vigia_warm_up() -> None:
    """A climb of 8 h that is over is a warm-up; its beginning alone is never a leak.

    DESIGN section 5 judges by what was seen, not by hours: after 3.4 time constants "settled" may be said too.
    """
    check(traces.vigia, "full", "kinked", "first_8_h", "first_4_h")


def test_trace_02_siphon_arenas() -> None:
    """Kept pages that stop growing are no leak; two or three hours of them decide nothing."""
    check(traces.siphon, "full", "with_live_heap", "first_2_h", "first_3_h")


def test_trace_03_appln2_ramp() -> None:
    """A ramp that ended is bounded; a fresh one is open."""
    check(traces.appln2, "full", "prefix")


def test_trace_04_dotnet_start() -> None:
    """Memory claimed in the first half hour after a deploy is no leak."""
    check(traces.dotnet_start, "day", "six_hours", "ramp")


def test_trace_05_postgres_buffers() -> None:
    """Buffers that fill after each rollout are bounded."""
    check(traces.postgres, "one_life", "rollouts")


def test_trace_06_apid_spikes() -> None:
    """Tiny spikes are no leak however steep; one hour of them need not decide."""
    check(traces.apid, "day", "hour")


def test_trace_07_sawtooth_floor() -> None:
    """A sawtooth is judged by its floor.

    DESIGN section 5: the same picture in ten minutes at 1 s and in a day at 60 s gets the same answer.
    """
    check(traces.sawtooth, "flat_8", "flat_24", "flat_90", "rising_8", "rising_24", "rising_90")


def test_trace_08_few_teeth() -> None:
    """Fewer than three cycles are never silently passed."""
    check(traces.few_teeth, "one", "two")


def test_trace_09_small_leak_far_limit() -> None:
    """A small leak is a leak, and its risk is low."""
    several = check(traces.small_leak, "minute", "two_minutes")
    for _, _, row in several:
        assert row["hours_to_limit"] is None or row["hours_to_limit"] > 4000
    assert max(chances(several)) < 0.05


def test_trace_10_kubeedge_line() -> None:
    """A nearly noise-free line is a leak although its residuals are autocorrelated."""
    check(traces.kubeedge, "whole", "first_35_h")


def test_trace_11_wandering_level() -> None:
    """A level that wanders is no leak."""
    check(traces.wandering, "rho_980", "rho_995", "rho_998")


def test_trace_12_random_walk() -> None:
    """Of forty random walks at most a tenth look like a leak, and some are left open."""
    walks = [traces.random_walk(variant, seed) for variant in ("narrow", "wide") for seed in range(40)]
    rows = rows_of(walk.recording for walk in walks)
    for several in (rows[:40], rows[40:]):
        said = [row["verdict"] for row in several]
        assert said.count("leak") <= 4, said
        assert said.count("inconclusive") >= 5, said


def test_trace_13_diurnal() -> None:
    """Half a daily wave is open, a week of them is periodic, a leak beneath is found.

    DESIGN section 5: a day competes only where the shape fits half a wave, and 12 h of cosine do.
    """
    check(traces.diurnal, "rising_half", "week", "week_leak")


def test_trace_14_weekend_to_weekday() -> None:
    """The working week begins: no leak."""
    check(traces.weekend, "abrupt", "gradual")


def test_trace_15_deploy_step() -> None:
    """A step with flat sides is a step, of the release where one is known; a step at the very end is open."""
    check(traces.step, "middle", "middle_versioned", "fresh", "fresh_versioned")


def test_trace_16_staircase() -> None:
    """Equal steps for ten nights are a leak in batches, ever smaller ones a ratchet."""
    check(traces.staircase, "constant", "decelerating")


def test_trace_17_unfinished_growth() -> None:
    """Growth that slows down but has not ended is open, never bounded, and the answer says how long to wait."""
    for _, _, row in check(traces.unfinished, "one_tau", "log"):
        assert "Wait until" in row["next_step"]


def test_trace_18_warm_up_flat_then_leak() -> None:
    """A leak after a long rest is found; growth that has rested for a day is none now."""
    check(traces.warm_up_flat_then_leak, "leak", "between_plateaus")


def test_trace_19_masked_by_restarts() -> None:
    """Growth in every life is a leak; without restart data it is open, and restart data is asked for."""
    check(layers.masked, "oom_kills", "restarts_only")
    # Where nobody knows of restarts, that holds for the whole recording.
    for _, _, row in check(layers.masked, "no_metadata"):
        assert "restart" in row["next_step"]


def test_trace_20_masked_by_deploys() -> None:
    """Deploys do not hide a slow leak."""
    check(layers.deploys, "last_whole", "last_short", seeds=(*SEEDS, 38))


def test_trace_21_fixed_version() -> None:
    """A leak that a version ended is none now, once that version was seen for long enough."""
    for variant, _, row in check(layers.fixed, "long_after", "short_after"):
        if variant == "long_after":
            assert "2.0.2" in row["explanation"]


def test_trace_22_flat_live_heap() -> None:
    """A flat live heap forbids the word leak; growing gaps still fill the limit."""
    several = check(layers.allocator, "retention", "fragmentation")
    assert {row["signal"] for _, _, row in several} == {"allocated_bytes"}
    assert [chance > 0.5 for chance in chances(several)] == [one.variant == "fragmentation" for one in several]


def test_trace_23_growth_outside_the_allocator() -> None:
    """Growth that the allocator does not see is not the Rust heap's, and not cleared either."""
    for _, _, row in check(layers.kura, "three_gauges", "two_gauges"):
        assert "smaps" in row["next_step"]


def test_trace_24_retention_that_kills() -> None:
    """Cause and risk are separate: what glibc keeps is no leak and reaches the limit in hours."""
    several = check(layers.sipi, "with_free", "without_free")
    for _, _, row in several:
        assert row["hours_to_limit"] == pytest.approx((4 * GI / 1e6 - 2650) / 500, rel=0.15)
    assert min(chances(several)) > 0.9


def test_trace_25_page_cache() -> None:
    """Page cache up to the limit is harmless; shared memory is not called page cache."""
    several = check(layers.page_cache, "cache", "shared")
    assert max(chances([one for one in several if one.variant == "cache"])) < 0.1
    shared = [one.row["explanation"] for one in several if one.variant == "shared"]
    assert not [said for said in shared if "live heap is" in said]


def test_trace_26_pinned_at_the_limit() -> None:
    """Flat at the limit, or at memory.high under it, with rising pressure: open, and dangerous."""
    several = check(layers.pinned, "at_limit", "at_high")
    assert min(chances([one for one in several if one.variant == "at_limit"])) > 0.1


def test_trace_27_replicas() -> None:
    """More pods are no growth; one pod that climbs is a leak in that pod."""
    for variant, trace, _ in check(layers.replicas, "scaled_out", "one_of_five"):
        if variant == "one_of_five":
            by_pod = dict(classify(trace.recording, by="instance").select("pod", "verdict").iter_rows())
            assert by_pod == {f"api-{number}": "leak" if number == 3 else "not_leak" for number in range(5)}


def test_trace_28_load() -> None:
    """Memory that follows the load is no leak; memory that each call keeps is one."""
    check(layers.load, "follows", "per_call")


def test_trace_29_idle_service() -> None:
    """Flat memory without any work clears nothing."""
    check(layers.idle, "counter", "counter_and_load")


def test_trace_30_predecessor_and_gap() -> None:
    """A killed process that is still shown makes no step, and a gap no new life; what is missing is counted."""
    for _, trace, row in check(layers.overlap, "event", "counter_late"):
        assert row["coverage"] < 1
        lives = judge(trace.recording)[0]["lives"]
        assert lives.height == 2
        assert lives["startup_peak_bytes"][1] < 360 * MI


def test_trace_31_same_memory_other_form() -> None:
    """Cadence and rounding do not change a clear answer."""
    t = hours(24, 15)
    leak, plateau, warm_up = 180 + 6 * t, 200 + 0 * t, 120 + 100 * saturate(t, 1.5)
    forms = ("raw_15s", "max_5m", "percent", "mebibytes")
    rows = rows_of(in_form(form, t, curve * MI) for form in forms for curve in (leak, plateau, warm_up))
    assert [row["verdict"] for row in rows] == ["leak", "not_leak", "not_leak"] * 4


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


def test_trace_32_runs_of_more_work() -> None:
    """Two runs that keep the same amount keep caches; what scales with the work is a leak.

    The trace speaks of heap profiles; here the two runs are recordings of 10 and 40 minutes at 1 s, which
    DESIGN section 5 judges by their samples.
    """
    check(layers.runs, "same", "by_work")


def test_trace_33_stale_allocator_gauges() -> None:
    """Gauges that never move while the process does are an error in the data, not evidence."""
    for _, trace, row in check(layers.stale, "growing", "waving"):
        assert row["signal"] == "rss_bytes"
        assert row["evidence_level"] < 4
        found = validate(trace.recording).filter(pl.col("check") == "stale_allocator")
        assert found["rejected"].all()
        assert "allocated_bytes" in found["signal"].to_list()


def test_trace_34_load_test() -> None:
    """Twenty minutes at 1 s decide what is clear; 40 samples may leave it open.

    The facts call any 20 minutes inconclusive; DESIGN section 5 decides: samples count, not hours.
    """
    check(traces.load_test, "flat_1s", "steady_1s", "warming_1s", "flat_30s", "steady_30s", "warming_30s")


def test_trace_34_stress_hog() -> None:
    """A short hog that is killed again and again is a limit too low for it, and a risk, but no leak."""
    assert min(chances(check(traces.stress_hog, "recovered", "just_ended"))) > 0.5


def test_trace_35_burst() -> None:
    """A burst that went away is no leak; one that has just begun is open."""
    check(traces.burst, "middle", "end")


def test_trace_36_decline() -> None:
    """Released start-up memory is no leak; growth after a drop is one."""
    check(traces.decline, "then_flat", "then_leak")


def test_every_trace_begins_where_it_says() -> None:
    """The generators are fixed: the same variant and seed give the same recording."""
    first, second = traces.vigia("full", 1).recording, traces.vigia("full", 1).recording
    assert first == second
    assert first.samples["time"].min() == BEGIN


@pytest.mark.parametrize("about", [{}, {"restarts_total": 0, "limit_bytes": GI, "version": "1"}], ids=["plain", "told"])
def test_what_is_drawn_is_what_the_reader_of_tables_gives(about: dict[str, Any]) -> None:
    """Whole bytes, ratios as they are, an id, a cadence, a limit; several together are what `concat` makes of them."""
    t = hours(3, 60)
    signals = {"working_set_bytes": 1e8 + t / 7, "rss_bytes": 0 * t, "load": t / 3, "work_total": t}
    events = [(2.0, "start", None), (2.0, "oom_kill", None), (1.0, "release", "2")] if about else []
    drawn = record(t, signals, events=events, **about)
    read = as_read(t, signals, {"workload": "api", "pod": "api-0", **about}, events)
    assert drawn == read
    others = [record(t, signals, pod="api-00", **about), record(t[3:], {"anon_bytes": t[3:]}, workload="b", **about)]
    assert together([*others, drawn]) == concat([*others, read])
