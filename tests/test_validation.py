"""`rm.validate`: each check finds what cannot be true, and stays silent about what can."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.schema import BYTE_SIGNALS, FOOTPRINTS
from rmtoolkit.validation import FINDINGS, validate

if TYPE_CHECKING:
    from collections.abc import Callable

MI = 1 << 20


def recorded(**signals: Any) -> rm.Recording:
    """Make a recording of one container, a sample every 15 s; a single value stands for all rows."""
    rows = max((len(value) for value in signals.values() if isinstance(value, list | range)), default=40)
    columns = {name: value if isinstance(value, list | range) else [value] * rows for name, value in signals.items()}
    return rm.Recording.from_frame(pl.DataFrame({"time": range(0, rows * 15, 15), "pod": ["db-0"] * rows, **columns}))


def wave(base: int, swing: int, rows: int = 40) -> list[int]:
    """Bytes that move up and down without ever repeating a value."""
    return [int((base + swing * np.sin(row / 3)) * MI) + 4096 * row for row in range(rows)]


def keys(recording: rm.Recording | pl.DataFrame) -> set[tuple[str, str]]:
    """What was found, as pairs of check and signal."""
    found = rm.validate(recording)
    return {(row["check"], row["signal"]) for row in found.iter_rows(named=True)}


def rejected(recording: rm.Recording) -> set[str]:
    """Signals that are not to be used."""
    return set(rm.validate(recording).filter("rejected")["signal"])


def test_a_healthy_service_has_no_findings() -> None:
    """Layers in order, moving gauges and a binary limit give an empty frame with the full schema."""
    heap = wave(60, 5)
    recording = recorded(
        allocated_bytes=heap,
        active_bytes=[value + 2 * MI for value in heap],
        resident_bytes=[value + 9 * MI for value in heap],
        mapped_bytes=[value + 30 * MI for value in heap],
        rss_bytes=[value + 8 * MI for value in heap],
        working_set_bytes=[value + 12 * MI for value in heap],
        usage_bytes=[value + 20 * MI for value in heap],
        anon_bytes=[value + 7 * MI for value in heap],
        peak_bytes=[value + 20 * MI for value in np.maximum.accumulate(heap).tolist()],
        work_total=[float(row) for row in range(40)],
        limit_bytes=512 * MI,
    )
    found = rm.validate(recording)
    assert found.is_empty()
    assert found.schema == FINDINGS


ORDERS = [
    pytest.param("allocated_bytes", "active_bytes", {"allocated_bytes", "active_bytes"}, id="allocated-active"),
    pytest.param("active_bytes", "resident_bytes", {"active_bytes", "resident_bytes"}, id="active-resident"),
    pytest.param("allocated_bytes", "resident_bytes", {"allocated_bytes", "resident_bytes"}, id="allocated-resident"),
    pytest.param("active_bytes", "mapped_bytes", {"active_bytes", "mapped_bytes"}, id="active-mapped"),
    pytest.param("working_set_bytes", "usage_bytes", {"working_set_bytes", "usage_bytes"}, id="working-set-usage"),
    pytest.param("anon_bytes", "usage_bytes", {"anon_bytes", "usage_bytes"}, id="anon-usage"),
    pytest.param("usage_bytes", "peak_bytes", {"peak_bytes"}, id="usage-peak"),
]


@pytest.mark.parametrize(("low", "high", "blamed"), ORDERS)
def test_a_part_larger_than_the_whole_is_found(low: str, high: str, blamed: set[str]) -> None:
    """A layer that is larger than the one that holds it condemns the signals that may be wrong."""
    check = f"{low.removesuffix('_bytes')}_above_{high.removesuffix('_bytes')}"
    upside_down = recorded(rss_bytes=900 * MI, **{low: wave(300, 5), high: wave(200, 5)})
    assert {(check, name) for name in blamed} <= keys(upside_down)
    assert blamed <= rejected(upside_down)
    upright = recorded(rss_bytes=900 * MI, **{low: wave(200, 5), high: wave(300, 5)})
    assert not {found for found in keys(upright) if found[0] == check}


@pytest.mark.parametrize(("low", "high", "blamed"), ORDERS)
def test_one_scrape_of_skew_is_allowed(low: str, high: str, blamed: set[str]) -> None:
    """A part read one scrape after its whole, while both grow fast, is no broken order."""
    whole = [(100 + 20 * row) * MI for row in range(40)]
    late = [*whole[1:], whole[-1]]
    beside = {"rss_bytes": 900 * MI} if high == "mapped_bytes" else {}
    found = keys(recorded(**beside, **{low: late, high: whole}))
    assert not {name for check, name in found if "_above_" in check} & blamed


def test_the_missing_layer_is_not_named_twice() -> None:
    """Allocated above resident is only said where active, the layer between them, is not measured."""
    found = keys(recorded(allocated_bytes=wave(300, 5), active_bytes=wave(320, 5), resident_bytes=wave(200, 5)))
    assert {check for check, _ in found} == {"active_above_resident"}


def test_signals_from_different_instants_are_compared() -> None:
    """Two exporters never share an instant; their signals are compared with the nearest reading."""
    rows = [{"time": 15 * row, "working_set_bytes": 900 * MI + row} for row in range(20)]
    rows += [{"time": 15 * row + 7, "usage_bytes": 300 * MI + row} for row in range(20)]
    found = rm.validate(pl.DataFrame(rows))
    assert found["check"].unique().to_list() == ["working_set_above_usage"]
    assert found["count"].to_list() == [20, 20]


@pytest.mark.parametrize(("apart_ms", "compared"), [(30_000, True), (30_001, False), (90_000_000, False)])
def test_signals_far_apart_are_not_compared(apart_ms: int, *, compared: bool) -> None:
    """A usage from more than a scrape and a half ago says nothing about the working set of now."""
    times = [20_000 * row for row in range(20)]
    rows = [{"time": at, "usage_bytes": 300 * MI + at} for at in times]
    rows += [{"time": times[-1] + apart_ms + at, "working_set_bytes": 900 * MI + at} for at in times]
    frame = pl.DataFrame(rows).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))
    assert bool(keys(rm.Recording.from_frame(frame))) == compared


def test_containers_are_judged_apart() -> None:
    """The fault of one container says nothing about its neighbour, whichever comes first."""
    good = recorded(working_set_bytes=wave(200, 5), usage_bytes=wave(300, 5)).frame()
    bad = recorded(working_set_bytes=wave(300, 5), usage_bytes=wave(200, 5)).frame()
    named = [frame.with_columns(pod=pl.lit(pod)) for frame, pod in ((good, "a-0"), (bad, "b-0"), (good, "c-0"))]
    found = rm.validate(pl.concat(named))
    assert found["pod"].unique().to_list() == ["b-0"]
    assert found["count"].to_list() == [40, 40]


def test_a_rare_slip_is_listed_but_not_rejected() -> None:
    """A few impossible samples among many are said, and the signal is still used."""
    whole = wave(300, 5, rows=200)
    part = [value - 50 * MI for value in whole]
    part[100:104] = [value + 200 * MI for value in part[100:104]]
    found = rm.validate(recorded(working_set_bytes=part, usage_bytes=whole))
    assert found["rejected"].to_list() == [False, False]
    assert found["count"].to_list() == [2, 2]
    assert found["first"][0].timestamp() == 101 * 15
    assert found["last"][0].timestamp() == 102 * 15
    assert found["detail"][0].startswith("Working set was above usage in 2 of 200 samples")


@pytest.mark.parametrize("signal", ["allocated_bytes", "resident_bytes"])
def test_an_allocator_cannot_hold_far_more_than_the_process_has(signal: str) -> None:
    """A gauge far above RSS is a bad exporter, or memory never touched: no evidence of use either way."""
    found = recorded(rss_bytes=wave(100, 5), **{signal: wave(400, 5)})
    assert ("allocator_above_footprint", signal) in keys(found)
    assert signal in rejected(found)


def test_memory_never_touched_and_swap_may_exceed_rss() -> None:
    """Untouched metadata and pages in swap put an honest gauge above RSS."""
    untouched = recorded(rss_bytes=wave(100, 5), resident_bytes=wave(110, 5))
    swapped = recorded(rss_bytes=wave(100, 5), resident_bytes=wave(400, 5), swap_bytes=wave(310, 5))
    assert keys(untouched) == keys(swapped) == set()


def test_usage_above_the_limit_condemns_the_limit() -> None:
    """A container cannot use twice its limit: the limit on record is not the one in force."""
    found = recorded(usage_bytes=wave(400, 5), limit_bytes=200 * MI)
    assert ("usage_above_limit", "limit_bytes") in keys(found)
    assert rejected(found) == {"limit_bytes"}
    assert keys(recorded(usage_bytes=wave(190, 5), limit_bytes=200 * MI)) == set()


@pytest.mark.parametrize("grows", [0, 150_000])
def test_a_limit_above_which_it_goes_on_running_is_unknown_to_all(grows: int) -> None:
    """Such a limit holds nothing: no verdict, chance, advice or chart speaks of it, and a warning tells of it."""
    used = [395 * MI + grows * row + row * 7_919 % 13 * 16_384 for row in range(600)]
    recording = recorded(working_set_bytes=used, limit_bytes=16 * MI)
    with pytest.warns(rm.RmtoolkitWarning, match=r"above the limit in 600 of 600 .* taken as unknown") as told:
        found = rm.assess(recording)
    assert len(told) == 1
    row = found.workloads.row(0, named=True)
    assert (row["verdict"], row["action"]) == (("leak", "fix_leak") if grows else ("not_leak", "fix_exporter"))
    assert (row["limit_bytes"], row["limit_known"], row["oom_probability_7d"], row["limit_at"]) == (
        None,
        False,
        None,
        None,
    )
    assert not any("16 Mi" in str(row[name]) for name in ("headline", "next_step", "limit_reason", "alarm_text"))
    assert found.recording.containers["limit_bytes"].to_list() == [None]
    assert [rm.lives(source)["limit_bytes"].to_list() for source in (recording, found)] == [[None]] * 2
    # One that holds it at last, or that is passed only late, is in force.
    late, soon = ([6 * MI] * below + used[below:] for below in (310, 290))
    for values in ([*used[:-1], 15 * MI], late):
        assert rejected(recorded(working_set_bytes=values, limit_bytes=16 * MI)) == set()
    assert rejected(recorded(working_set_bytes=soon, limit_bytes=16 * MI)) == {"limit_bytes"}


def test_each_sample_is_held_against_the_limit_of_its_time() -> None:
    """A limit lowered later says nothing about the usage before."""
    usage = wave(400, 5)[:20] + wave(100, 5)[20:]
    assert keys(recorded(usage_bytes=usage, limit_bytes=[512 * MI] * 20 + [128 * MI] * 20)) == set()


def test_a_gauge_nobody_refreshes_is_stale() -> None:
    """An allocator gauge that stands still while RSS doubles is rejected, and the figures are said."""
    recording = recorded(rss_bytes=[(50 + row) * MI for row in range(40)], allocated_bytes=7 * MI, active_bytes=8 * MI)
    found = rm.validate(recording)
    assert keys(recording) == {("stale_allocator", "allocated_bytes"), ("stale_allocator", "active_bytes")}
    assert found["rejected"].to_list() == [True, True]
    assert found.filter(signal="allocated_bytes")["detail"].item() == (
        "Live heap did not change in 40 of 40 samples, while the memory of the process moved between 50 Mi and 89 Mi."
    )


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param({"allocated_bytes": 7 * MI, "rss_bytes": wave(50, 1)}, id="nothing-moves"),
        pytest.param(
            {"allocated_bytes": 7 * MI, "resident_bytes": wave(40, 9), "rss_bytes": wave(50, 9)}, id="another-moves"
        ),
        pytest.param({"allocated_bytes": wave(30, 2), "rss_bytes": wave(50, 30)}, id="it-moves"),
    ],
)
def test_an_honest_gauge_is_not_stale(signals: dict[str, Any]) -> None:
    """A gauge may stand still when nothing moves, or when its neighbours show that it is refreshed."""
    assert not {check for check, _ in keys(recorded(**signals)) if check == "stale_allocator"}


def test_a_gauge_that_went_stale_half_way_is_rejected_from_half_on() -> None:
    """Stale in most samples rejects the signal; stale in a quarter of them is only listed."""
    rss = [(50 + row) * MI for row in range(100)]
    live = wave(20, 3, rows=100)
    mostly = recorded(rss_bytes=rss, allocated_bytes=live[:40] + [live[40]] * 60)
    hardly = recorded(rss_bytes=rss, allocated_bytes=live[:75] + [live[75]] * 25)
    assert rejected(mostly) == {"allocated_bytes"}
    assert keys(hardly) == {("stale_allocator", "allocated_bytes")}
    assert rejected(hardly) == set()


def often(times: int, rows: int) -> list[bool]:
    """True so many times, spread over the rows, and not in the first of them."""
    return [bool(row and row * times // (rows - 1) > (row - 1) * times // (rows - 1)) for row in range(rows)]


BOUNDS: dict[str, Callable[[int], dict[str, Any]]] = {
    # The first and the last that are too high have a neighbour that is not, and are not told.
    "working_set_above_usage": lambda more: {
        "usage_bytes": [300 * MI] * 40,
        "working_set_bytes": [(400 if 9 < row < 13 + more else 100) * MI + row for row in range(40)],
    },
    "stale_allocator": lambda more: {
        "rss_bytes": [(50 + row) * MI for row in range(100)],
        "allocated_bytes": (wave(20, 3, 51 - more) + [MI] * 50)[:100],
    },
    "self_incrementing": lambda more: {
        "rss_bytes": wave(60, 5),
        "allocated_bytes": (40 * MI * (1 + np.cumsum(often(19 + more, 40)))).tolist(),
    },
}


@pytest.mark.parametrize("check", BOUNDS)
def test_a_share_at_its_bound_is_enough(check: str) -> None:
    """A twentieth of samples out of order, half of them stale, half of the steps upwards reject; one fewer does not."""
    for more in (0, 1):
        found = rm.validate(recorded(**BOUNDS[check](more)))
        assert (check in found.filter("rejected")["check"]) == bool(more), found


def test_a_gauge_added_to_itself_is_no_leak() -> None:
    """An exporter that increments by the value instead of setting it makes a gauge that passes all memory."""
    true = wave(40, 5)
    recording = recorded(rss_bytes=wave(60, 5), allocated_bytes=np.cumsum(true).tolist())
    assert ("self_incrementing", "allocated_bytes") in keys(recording)
    assert rejected(recording) == {"allocated_bytes"}


def test_restarts_of_a_gauge_added_to_itself_do_not_hide_it() -> None:
    """The sum starts anew with the process; that is a restart, no fall."""
    sums = np.cumsum(wave(40, 5, rows=20)).tolist() * 2
    assert ("self_incrementing", "allocated_bytes") in keys(recorded(rss_bytes=wave(60, 5), allocated_bytes=sums))


def test_a_real_leak_is_not_taken_for_a_gauge_added_to_itself() -> None:
    """A heap that grows within RSS is believed, even where each step is as large as the start."""
    heap = [(row + 1) * MI for row in range(40)]
    beside = recorded(allocated_bytes=heap, rss_bytes=[value + 9 * MI for value in heap])
    alone = recorded(allocated_bytes=heap)
    with_metadata = recorded(allocated_bytes=heap, metadata_bytes=[2 * MI + 64 * row for row in range(40)])
    assert keys(beside) == keys(alone) == keys(with_metadata) == set()


def test_without_rss_all_gauges_rising_by_their_own_size_give_it_away() -> None:
    """No leak makes an allocator's metadata double, treble and so on with its heap."""
    recording = recorded(
        allocated_bytes=np.cumsum(wave(40, 5)).tolist(),
        metadata_bytes=np.cumsum(wave(4, 1)).tolist(),
    )
    assert rejected(recording) == {"allocated_bytes", "metadata_bytes"}


@pytest.mark.parametrize(
    ("signals", "found"),
    [
        pytest.param({"rss_bytes": 9 * MI, "threads": 1 << 30}, ("absurd_value", "threads"), id="threads"),
        pytest.param(
            {"rss_bytes": 9 * MI, "request_bytes": 64}, ("absurd_value", "request_bytes"), id="request-of-64-bytes"
        ),
    ],
)
def test_absurd_amounts_are_rejected(signals: dict[str, Any], found: tuple[str, str]) -> None:
    """What no machine has and nothing can run in is no evidence."""
    recording = recorded(**signals)
    assert found in keys(recording)
    assert rejected(recording) == {found[1]}


def test_what_no_machine_has_is_left_out_and_found_in_files_of_before() -> None:
    """An amount of 64 TiB is none: it is told when a table is read, and rejected in a recording that holds it."""
    made = recorded(rss_bytes=9 * MI)
    before = [replace(made, samples=made.samples.with_columns(rss_bytes=(1 << 46) - less)) for less in (0, 1)]
    assert list(map(keys, before)) == [{("absurd_value", "rss_bytes")}, set()]
    with pytest.warns(rm.RmtoolkitWarning, match="Left out 1 value that was negative or absurd"):
        assert recorded(rss_bytes=[9 * MI, (1 << 46) - 1, 1 << 46]).samples.height == 2


def test_a_footprint_of_a_few_bytes_is_a_question_of_units() -> None:
    """A process of 312 bytes is a process of 312 MiB in the wrong unit: said, not rejected."""
    recording = recorded(rss_bytes=range(300, 340))
    assert keys(recording) == {("tiny_value", "rss_bytes")}
    assert rejected(recording) == set()
    assert keys(recorded(rss_bytes=[0, *wave(50, 5)[1:]])) == set()


def test_whole_megabytes_make_one_ask_for_mebibytes() -> None:
    """Values and limits that are whole MB, where Kubernetes counts in MiB, are said and still used."""
    values = recorded(working_set_bytes=[(100 + row % 7) * 1_000_000 for row in range(40)])
    limit = recorded(working_set_bytes=wave(100, 5), limit_bytes=512_000_000)
    assert keys(values) == {("decimal_units", "working_set_bytes")}
    assert keys(limit) == {("decimal_units", "limit_bytes")}
    assert rejected(values) == rejected(limit) == set()
    assert "488.28 Mi" in rm.validate(limit)["detail"].item()


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param({"working_set_bytes": [(100 + row % 7) * MI for row in range(40)]}, id="whole-mebibytes"),
        pytest.param({"working_set_bytes": wave(100, 5), "limit_bytes": 1000 * MI}, id="limit-of-1000-Mi"),
        pytest.param({"working_set_bytes": wave(100, 5), "limit_bytes": 16_384_000_000}, id="whole-in-both"),
    ],
)
def test_whole_mebibytes_are_no_question(signals: dict[str, Any]) -> None:
    """Amounts that are whole in MiB were meant that way."""
    assert keys(recorded(**signals)) == set()


@pytest.mark.parametrize("name", FOOTPRINTS)
@pytest.mark.parametrize("alone", [True, False])
def test_each_footprint_is_looked_at_by_itself(name: str, alone: bool) -> None:
    """What is wrong with one is told, whether the others are there and healthy or not there at all."""
    others = {} if alone else {other: wave(100, 20, 120) for other in FOOTPRINTS}
    faults = {
        "decimal_units": [1_000_000 * round(value / 1_000_000) for value in wave(101, 20, 120)],
    }
    for check, values in faults.items():
        assert {found for found in keys(recorded(**others | {name: values})) if found[0] in faults} == {(check, name)}


@pytest.mark.parametrize(
    ("after", "refused"),
    [pytest.param(35.0, True, id="by-a-part"), pytest.param(1.0, False, id="to-nothing")],
)
def test_a_counter_that_falls_without_a_restart_is_told(after: float, refused: bool) -> None:
    """Down by a part is no counter at all; down to nothing is a restart nobody recorded."""
    work = [float(row) for row in range(40)]
    work[39:] = [after]
    recording = recorded(rss_bytes=wave(100, 5), work_total=work)
    assert keys(recording) == {("counter_fell", "work_total")}
    assert rejected(recording) == ({"work_total"} if refused else set())


def test_of_several_falls_of_a_counter_the_deepest_is_told() -> None:
    """From 100 to 60, from 80 to 20: the second is, though it falls from less."""
    work = [float(value) for value in (*range(81, 101), *range(60, 81), *range(20, 39))]
    detail = rm.validate(recorded(rss_bytes=(wave(100, 5) * 2)[: len(work)], work_total=work))["detail"].item()
    assert "fell 2 times" in detail
    assert "80 to 20" in detail


def test_a_counter_may_fall_at_a_restart() -> None:
    """A restart on record explains the fall."""
    work = [float(row % 20) for row in range(40)]
    assert keys(recorded(rss_bytes=wave(100, 5), work_total=work, restarts_total=[0] * 20 + [1] * 20)) == set()


# Amounts that are by chance all that 31 or 32 bits hold are warned of.
@pytest.mark.filterwarnings("ignore::rmtoolkit.exceptions.RmtoolkitWarning")
@given(
    st.lists(
        st.fixed_dictionaries(
            {"time": st.integers(0, 3_000), "pod": st.sampled_from(["a-0", "b-0"])},
            optional={
                name: st.integers(0, 1 << 40) for name in (*BYTE_SIGNALS[:4], "allocated_bytes", "resident_bytes")
            },
        ),
        min_size=1,
        max_size=60,
    ),
)
def test_validate_never_raises_and_counts_are_sound(rows: list[dict[str, Any]]) -> None:
    """Whatever the numbers, the answer has the schema, and no count exceeds the samples."""
    frame = pl.DataFrame(rows, schema_overrides={"usage_bytes": pl.Int64}).with_columns(rss_bytes=pl.lit(5 * MI))
    recording = rm.Recording.from_frame(frame)
    found = rm.validate(recording)
    assert found.schema == FINDINGS
    assert found["detail"].null_count() == 0
    assert (found["count"] <= recording.samples.height).all()
    assert found.is_unique().all()
    assert rm.validate(recording).equals(found)


BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SIGNALS = (
    "working_set_bytes",
    "usage_bytes",
    "rss_bytes",
    "anon_bytes",
    "peak_bytes",
    "allocated_bytes",
    "active_bytes",
    "resident_bytes",
    "work_total",
)


@st.composite
def signal(draw: st.DrawFn, rows: int) -> list[int | None]:
    """A signal that stands still, rises by itself, wanders, falls, repeats or is missing now and then."""
    kind = draw(st.sampled_from(["still", "sums", "wander", "twice", "decimal", "tiny"]))
    size = draw(st.integers(1, 400)) * MI
    step = draw(st.integers(1, 40)) * 4096
    noise = [(7919 * row * (size // MI + 3)) % 97 for row in range(rows)]
    values: list[int] = {
        "still": [size] * rows,
        "sums": [size * (row + 1) for row in range(rows)],
        "wander": [size + step * jump for jump in noise],
        "twice": [size + step * noise[row // 2] for row in range(rows)],
        "decimal": [1_000_000 * (3 + jump) for jump in noise],
        "tiny": [100 + jump for jump in noise],
    }[kind]
    missing = draw(st.sampled_from([0, 0, 0, 2, 5]))
    return [None if missing and row % missing == 0 else value for row, value in enumerate(values)]


@st.composite
def containers(draw: st.DrawFn) -> pl.DataFrame:
    """One to three containers with some signals, limits and gaps."""
    frames = []
    for number in range(draw(st.integers(1, 3))):
        rows = draw(st.sampled_from([1, 2, 9, 25, 60, 330]))
        columns: dict[str, Any] = {name: draw(signal(rows)) for name in SIGNALS if draw(st.booleans())}
        columns.setdefault("rss_bytes", draw(signal(rows)))
        limit = draw(st.sampled_from([None, 64 * MI, 256 * MI, 500_000_000]))
        frames.append(
            pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int64)).with_columns(
                time=pl.lit(BEGIN) + pl.duration(seconds=15) * pl.int_range(rows),
                pod=pl.lit(f"pod-{number}"),
                limit_bytes=pl.lit(limit, dtype=pl.Int64),
            ),
        )
    return pl.concat(frames, how="diagonal")


@given(containers())
def test_neighbours_change_no_finding(table: pl.DataFrame) -> None:
    """Each container alone is found to be what it is among the others."""
    recording = rm.Recording.from_frame(table)
    pods = recording.containers["pod"].to_list()
    assert pl.concat([validate(recording.filter(pod=pod)) for pod in pods]).equals(validate(recording))


def test_a_limit_that_was_lower_before_counts() -> None:
    """Usage above a limit that was in force earlier is found, though it is below the later one."""
    rows = 30
    table = pl.DataFrame(
        {
            "time": range(0, 15 * rows, 15),
            "usage_bytes": [300 * MI + 4096 * (row * 7 % 11) for row in range(rows)],
            "limit_bytes": [128 * MI] * 20 + [512 * MI] * 10,
        },
    )
    assert "usage_above_limit" in validate(table)["check"].to_list()


@pytest.mark.parametrize(
    ("check", "signal", "just", "beyond", "beside"),
    [
        ("active_above_resident", "active_bytes", 409 * MI, 410 * MI, {"resident_bytes": 400 * MI}),
        ("working_set_above_usage", "working_set_bytes", 421 * MI, 422 * MI, {"usage_bytes": 400 * MI}),
        ("anon_above_usage", "anon_bytes", 424 * MI, 425 * MI, {"usage_bytes": 400 * MI}),
        ("usage_above_limit", "usage_bytes", 441 * MI, 442 * MI, {"limit_bytes": 400 * MI}),
        ("allocator_above_footprint", "allocated_bytes", 516 * MI, 517 * MI, {"rss_bytes": 400 * MI}),
        ("absurd_value", "request_bytes", (1 << 46) - 1, 1 << 46, {"rss_bytes": 400 * MI}),
        ("absurd_value", "threads", 1 << 22, (1 << 22) + 1, {"rss_bytes": 400 * MI}),
        ("tiny_value", "rss_bytes", 524_288, 524_287, {}),
        ("tiny_value", "working_set_bytes", 65_536, 65_535, {}),
        ("tiny_value", "allocated_bytes", 1, 0, {"rss_bytes": 400 * MI}),
    ],
)
def test_each_bound_is_where_it_is(check: str, signal: str, just: int, beyond: int, beside: dict[str, int]) -> None:
    """What lies just at a bound is silent, and the next amount is found, so that no bound moves unseen."""
    assert check not in {found for found, _ in keys(recorded(**{signal: just}, **beside))}
    found = rm.validate(recorded(**{signal: beyond}, **beside))
    assert check in found["check"]
    # In words, not in names of columns.
    assert not found["detail"].str.contains("_").any()


@pytest.mark.parametrize(
    ("signals", "check", "told"),
    [
        ({"rss_bytes": [100_000_000 + 1_000_000 * row for row in range(5)]}, "decimal_units", True),
        ({"rss_bytes": [100_000_000 + 1_000_000 * row for row in range(4)]}, "decimal_units", False),
        ({"rss_bytes": [100_000_000] * 5}, "decimal_units", False),
        ({"rss_bytes": [*(100_000_000 + 1_000_000 * row for row in range(9)), 5_000_001]}, "decimal_units", False),
        ({"allocated_bytes": [90 * MI] * 20, "rss_bytes": [(100 + row) * MI for row in range(20)]}, "stale", True),
        ({"allocated_bytes": [90 * MI] * 19, "rss_bytes": [(100 + row) * MI for row in range(19)]}, "stale", False),
        ({"allocated_bytes": [9 * MI] * 20, "rss_bytes": [20 * MI] * 19 + [28 * MI]}, "stale", True),
        ({"allocated_bytes": [9 * MI] * 20, "rss_bytes": [20 * MI] * 19 + [28 * MI - 1]}, "stale", False),
        ({"allocated_bytes": [90 * MI] * 20, "rss_bytes": [180 * MI] * 19 + [200 * MI]}, "stale", True),
        ({"allocated_bytes": [90 * MI] * 20, "rss_bytes": [181 * MI] * 19 + [200 * MI]}, "stale", False),
        ({"allocated_bytes": range(42 * MI, 12 * 42 * MI, 42 * MI), "rss_bytes": wave(40, 1, 11)}, "self", True),
        ({"allocated_bytes": range(42 * MI, 11 * 42 * MI, 42 * MI), "rss_bytes": wave(40, 1, 10)}, "self", False),
    ],
)
def test_a_habit_needs_enough_of_it(signals: dict[str, Any], check: str, told: bool) -> None:
    """One value fewer, or a little less movement beside it, and nothing is said."""
    assert any(found.startswith(check) for found, _ in keys(recorded(**signals))) is told
