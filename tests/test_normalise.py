"""What a loader found becomes clean, sorted and free of duplicates, and what was dropped is counted."""

from __future__ import annotations

import datetime as dt
import itertools
import statistics
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit import _tables
from rmtoolkit._tables import clean_samples, conform, key_containers, order_samples, tidy_events, with_cadences
from rmtoolkit.exceptions import ColumnError
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import ABSURD_BYTES, CONTAINERS, EVENTS, SAMPLES, SIGNALS, ZEROS, Report

NAN, INF = float("nan"), float("inf")


def samples(**columns: Any) -> pl.DataFrame:
    """Make samples of one container, a minute apart, unless said otherwise."""
    rows = max(len(values) for values in columns.values())
    plain = {"container_id": [0] * rows, "time": [60 * row for row in range(rows)]}
    return pl.DataFrame(plain | columns, strict=False).with_columns(pl.col("container_id").cast(pl.UInt32))


@pytest.mark.parametrize(
    ("signal", "value", "reason"),
    [
        pytest.param("rss_bytes", NAN, "values that were NaN or infinite", id="nan"),
        pytest.param("rss_bytes", INF, "values that were NaN or infinite", id="infinity"),
        pytest.param("rss_bytes", -INF, "values that were NaN or infinite", id="minus-infinity"),
        pytest.param("rss_bytes", -1.0, "values that were negative or absurd", id="negative"),
        pytest.param("rss_bytes", 2.0**63, "values that were negative or absurd", id="two-to-the-63"),
        pytest.param("usage_bytes", 9223372036854771712, "values that were negative or absurd", id="no-limit"),
        pytest.param("usage_bytes", ABSURD_BYTES, "values that were negative or absurd", id="just-absurd"),
        pytest.param("threads", -4, "values that were negative or absurd", id="negative-count"),
        pytest.param("threads", 2.0**63, "values that were negative or absurd", id="absurd-count"),
        pytest.param("load", NAN, "values that were NaN or infinite", id="nan-load"),
    ],
)
def test_what_is_no_amount_becomes_null_and_is_counted(signal: str, value: float, reason: str) -> None:
    """The other values of the row and the other rows stay."""
    frame, left_out = clean_samples(samples(**{signal: [5, value]}, shmem_bytes=[1, 2]).with_columns(pl.col(signal)))
    assert frame[signal].to_list() == [5, None]
    assert frame["shmem_bytes"].to_list() == [1, 2]
    assert left_out == {reason: 1}


def test_unsigned_numbers_near_two_to_the_64_are_absurd() -> None:
    """A kernel's largest number does not wrap around to a small one."""
    frame, left_out = clean_samples(samples(usage_bytes=pl.Series([2**64 - 1, 7], dtype=pl.UInt64)))
    assert frame["usage_bytes"].to_list() == [7]
    assert left_out == {"values that were negative or absurd": 1, "rows without any value": 1}


def test_a_null_is_not_counted_as_left_out() -> None:
    """Not sampled is not the same as not usable."""
    frame, left_out = clean_samples(samples(rss_bytes=[1, None], usage_bytes=[None, 2.0]))
    assert frame.height == 2
    assert left_out == {}


@pytest.mark.parametrize(
    ("signal", "values", "kept"),
    [
        ("rss_bytes", [0, 9 << 20, 0, 9 << 20, 9 << 20], [9 << 20] * 3),
        ("rss_bytes", [0, 9 << 20, 0, 0, 9 << 20], [0, 9 << 20, 0, 0, 9 << 20]),
        ("working_set_bytes", [9 << 20, 0], [9 << 20]),
        ("allocated_bytes", [2 << 20, 0], [2 << 20]),
        # Less than one of whole MiB; nothing else was ever measured; what may well be nothing.
        ("working_set_bytes", [1 << 20, 0, 9 << 20], [1 << 20, 0, 9 << 20]),
        ("usage_bytes", [20 << 20, 0, 30 << 20, 40 << 20], [20 << 20, 0, 30 << 20, 40 << 20]),
        ("rss_bytes", [0, 0], [0, 0]),
        ("swap_bytes", [0, 9 << 20], [0, 9 << 20]),
        ("anon_bytes", [0, 9 << 20], [0, 9 << 20]),
    ],
)
def test_zeros_among_real_amounts_were_not_measured(signal: str, values: list[int], kept: list[int]) -> None:
    """A process that runs has some memory: its container's zeros go and are counted, those of another one stay."""
    both = [(0, 60 * at, value, 5) for at, value in enumerate(values)] + [(1, 0, 0, 5)]
    rows = pl.DataFrame(both, schema=["container_id", "time", signal, "descriptors"], orient="row")
    frame, left_out = clean_samples(rows)
    assert frame.filter(container_id=0)[signal].drop_nulls().to_list() == kept
    assert frame.filter(container_id=1)[signal].to_list() == [0]
    assert left_out == ({ZEROS: len(values) - len(kept)} if len(kept) < len(values) else {})


def test_a_zero_beside_another_amount_was_measured() -> None:
    """A heap that is empty between two batches, in a process that is there."""
    heap, rss = [9 << 20, 0, 9 << 20, 0], [30 << 20, 20 << 20, 30 << 20, 0]
    frame, left_out = clean_samples(samples(allocated_bytes=heap, rss_bytes=rss))
    assert frame["allocated_bytes"].to_list() == [*heap[:3], None]
    assert left_out == {ZEROS: 1}


@pytest.mark.parametrize(
    ("column", "of_a", "kept"),
    [("stat", ["mean"] * 9, [9, 9]), ("phi", [at / 7 for at in range(9)], [9, 9]), ("stat", ["max"] * 9, [9, 9])],
    ids=["only means", "a number of each row", "only maxima"],
)
def test_statistics_compete_where_there_are_several(column: str, of_a: list[object], kept: list[int]) -> None:
    """Of a pod that has one of them alone nothing is lost, whatever its neighbour has."""
    both = [("mean", 40), ("max", 50)] if column == "stat" else [(0.5, 50)]
    rows = [(60 * at, "a", (30 + at) << 20, said) for at, said in enumerate(of_a)]
    rows += [(60 * at, "b", (amount + at) << 20, said) for at in range(9) for said, amount in both]
    names = ["time", "pod", "working_set_bytes", column]
    frame = pl.DataFrame([(1.8e9 + at, *more) for at, *more in rows], schema=names, orient="row", strict=False)
    recording = Recording.from_frame(frame)
    assert recording.samples.group_by("container_id").len().sort("container_id")["len"].to_list() == kept
    assert recording.samples["working_set_bytes"].max() == 58 << 20


@pytest.mark.parametrize("amount", [0, -1, 2**53, 2**63 - 1])
def test_a_limit_that_is_taken_away_is_none_in_events_too(amount: int) -> None:
    """The kernel and the API write no limit as such a number: it is no wrong one, and it ends the one before."""
    frame = pl.DataFrame({"time": [1.8e9, 1.8e9 + 600], "pod": "a", "working_set_bytes": 9 << 20})
    change = pl.DataFrame({"time": [1.8e9 + 300], "pod": ["a"], "kind": ["limit"], "value_bytes": [amount]})
    recording = Recording.from_frame(frame, events=change)
    assert recording.events.select("kind", "value_bytes").rows() == [("limit", None)]
    assert recording.report.left_out == {}


def test_large_counters_are_no_absurd_amounts() -> None:
    """The bound on bytes does not hold for counters of work."""
    frame, left_out = clean_samples(samples(work_total=[1e20], rss_bytes=[1]))
    assert frame["work_total"].to_list() == [1e20]
    assert left_out == {}


def test_halves_of_bytes_are_rounded() -> None:
    """An average of bytes is a whole number of bytes."""
    assert clean_samples(samples(rss_bytes=[1.6, 2.4]))[0]["rss_bytes"].to_list() == [2, 2]


def test_samples_without_signals_are_no_rows() -> None:
    """A table of names and times has nothing to say about memory."""
    frame, left_out = clean_samples(pl.DataFrame({"container_id": [0], "time": [0]}))
    assert frame.is_empty()
    assert left_out == {"rows without any value": 1}


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1_700_000_000, 1_700_000_010),
        st.one_of(st.none(), st.integers(0, 9)),
        st.one_of(st.none(), st.integers(0, 9)),
    ),
    max_size=25,
)


def rows_as_samples(rows: list[tuple[int, int, int | None, int | None]]) -> pl.DataFrame:
    """Make a frame of drawn rows."""
    schema = {"container_id": pl.UInt32, "time": pl.Int64, "rss_bytes": pl.Int64, "allocated_bytes": pl.Int64}
    return clean_samples(pl.DataFrame(rows, schema=schema, orient="row"))[0]


@given(ROWS)
def test_order_is_strict_and_the_last_value_wins(rows: list[tuple[int, int, int | None, int | None]]) -> None:
    """One row per instant, in order, with the last value said of each signal; every double is counted."""
    frame, doubled = order_samples(rows_as_samples(rows))
    keys = frame.select("container_id", "time").rows()
    assert keys == sorted(set(keys))
    expected: dict[tuple[int, int], list[int | None]] = {}
    said = 0
    for container, time, *values in rows:
        if values != [None, None]:
            row = expected.setdefault((container, time), [None, None])
            said += sum(value is not None for value in values)
            row[:] = [old if new is None else new for old, new in zip(row, values, strict=True)]
    found = frame.select("container_id", pl.col("time").dt.epoch("s"), "rss_bytes", "allocated_bytes").rows()
    assert found == [(*key, *values) for key, values in sorted(expected.items())]
    kept = sum(value is not None for values in expected.values() for value in values)
    assert sum(doubled.values()) == said - kept
    assert frame.schema == SAMPLES


@given(ROWS)
def test_ordering_twice_changes_nothing(rows: list[tuple[int, int, int | None, int | None]]) -> None:
    """What is in order stays as it is and has no doubles."""
    once, *_ = order_samples(rows_as_samples(rows))
    twice, *doubled = order_samples(once)
    assert twice.equals(once)
    assert doubled == [{}]


def test_ids_and_times_as_far_apart_as_they_can_be_are_sorted() -> None:
    """Where container and time do not fit in one number, they are still in order."""
    far = pl.DataFrame(
        {"container_id": [4_000_000_000, 1, 4_000_000_000], "time": [1e14, 0.0, -9e12], "rss_bytes": [3, 1, 2]},
        schema_overrides={"container_id": pl.UInt32},
    )
    assert order_samples(clean_samples(far)[0])[0]["rss_bytes"].to_list() == [1, 2, 3]


SEEN = pl.DataFrame(
    {
        "container_id": [3, 8],
        "namespace": ["shop", "shop"],
        "pod": ["api-7d4b9c8f6d-m8rtz"] * 2,
        "container": ["app", "app"],
        "source": ["kubectl", "prometheus"],
    },
)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        pytest.param("pod_uid", [None, "u1"], id="uid"),
        pytest.param("workload", [None, "api"], id="owner"),
        pytest.param("cluster", [None, "prod"], id="cluster"),
        pytest.param("namespace", [None, "shop"], id="namespace"),
        pytest.param("node", ["n1", None], id="node"),
        pytest.param("version", [None, "1.2"], id="version"),
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["first-without", "first-with"])
def test_one_pod_in_two_sources_is_one_container(column: str, values: list[str | None], turned: bool) -> None:
    """A source that knows less speaks of the same pod, and what the other knows is kept."""
    rows = SEEN.with_columns(pl.Series(column, values, dtype=pl.String))
    frame, mapping = key_containers(rows.reverse() if turned else rows, None)
    assert frame.height == 1
    assert frame[column].item() == next(value for value in values if value)
    assert mapping.sort("old_id").rows() == [(3, 0), (8, 0)]


def test_two_pods_of_one_name_stay_two() -> None:
    """A StatefulSet's pod that was made anew has another uid; a row without one belongs to neither."""
    rows = pl.DataFrame({"container_id": [0, 1, 2], "pod": ["db-0"] * 3, "pod_uid": ["u1", "u2", None]})
    assert key_containers(rows, None)[0]["pod_uid"].to_list() == ["u1", "u2", None]


def test_one_name_in_two_clusters_stays_two() -> None:
    """The same pod name in two clusters is two pods; a row without a cluster belongs to neither."""
    rows = pl.DataFrame({"container_id": [0, 1, 2], "pod": ["db-0"] * 3, "cluster": ["a", "b", None]})
    assert key_containers(rows, None)[0]["cluster"].to_list() == ["a", "b", None]


def test_one_pod_name_of_two_known_workloads_stays_two() -> None:
    """What two workloads call alike is two containers, with samples of their own; a guess belongs to neither."""
    rows = pl.DataFrame({"container_id": [0, 1, 2], "pod": ["db-0"] * 3, "workload": ["red", "blue", None]})
    found = key_containers(rows, None)[0].select("workload", "workload_inferred").rows()
    assert found == [("blue", False), ("db", True), ("red", False)]


def test_of_two_guesses_the_first_holds() -> None:
    """Guessed with a pattern in one recording and without in the next, a pod is still one."""
    rows = pl.DataFrame(
        {"container_id": [0, 1], "pod": ["db-0"] * 2, "workload": ["red", "db"], "workload_inferred": [True, True]}
    )
    assert key_containers(rows, None)[0]["workload"].to_list() == ["red"]


def test_a_known_owner_beats_an_inferred_one() -> None:
    """A guess from the name never overrides what a source says."""
    rows = SEEN.with_columns(workload=pl.Series([None, "checkout"]), workload_kind=pl.Series([None, "Rollout"]))
    (row,) = key_containers(rows, None)[0].select("workload", "workload_kind", "workload_inferred").rows()
    assert row == ("checkout", "Rollout", False)


def test_a_guessed_kind_does_not_stick_to_another_owner() -> None:
    """The kind read off a pod's name goes with the name that was read with it."""
    rows = SEEN.with_columns(workload=pl.Series([None, "checkout"]))
    (row,) = key_containers(rows, None)[0].select("workload", "workload_kind").rows()
    assert row == ("checkout", None)


def test_an_inferred_owner_is_marked() -> None:
    """A reader can tell a guess from knowledge."""
    (row,) = key_containers(SEEN, None)[0].select("workload", "workload_kind", "workload_inferred").rows()
    assert row == ("api", "Deployment", True)


def test_rows_without_a_pod_are_not_inferred() -> None:
    """There is nothing to infer from, and two such rows of one identity are one."""
    rows = pl.DataFrame({"container_id": [0, 1], "workload": ["api", "api"]})
    (row,) = key_containers(rows, None)[0].select("workload", "workload_inferred").rows()
    assert row == ("api", False)


@given(st.permutations(range(6)))
def test_ids_do_not_depend_on_the_order_of_rows(order: list[int]) -> None:
    """The id is the rank of the identity."""
    rows = pl.DataFrame(
        {
            "container_id": range(6),
            "namespace": ["a", "a", "b", None, None, "c"],
            "pod": ["db-0", "db-1", None, "web-0", None, "x-0"],
            "limit_bytes": range(100, 106),
        },
    )
    frame, mapping = key_containers(rows[list(order)], None)
    assert frame.equals(key_containers(rows, None)[0])
    assert frame["container_id"].to_list() == list(range(6))
    assert (
        mapping.join(rows, left_on="old_id", right_on="container_id")
        .join(frame, on="container_id")
        .select(
            (pl.col("limit_bytes") == pl.col("limit_bytes_right")).all(),
        )
        .item()
    )


def test_events_are_sorted_deduped_and_complete() -> None:
    """An event told twice is one, and one without a time is none."""
    rows = pl.DataFrame(
        {
            "container_id": [1, 0, 0, 0],
            "time": [9, 8, 8, None],
            "kind": ["start", "oom_kill", "oom_kill", "end"],
            "detail": ["a", None, None, None],
        },
    )
    frame = tidy_events(rows)
    assert frame.schema == EVENTS
    assert frame.select("container_id", "kind").rows() == [(0, "oom_kill"), (1, "start")]


def _cadences(frame: pl.DataFrame) -> list[float | None]:
    ids = frame.select(pl.col("container_id").unique(maintain_order=True))
    return with_cadences(conform(ids, CONTAINERS), frame)["cadence_seconds"].to_list()


@pytest.mark.parametrize(
    ("columns", "cadence"),
    [
        pytest.param({"rss_bytes": [1, 2, 3]}, 60.0, id="regular"),
        pytest.param({"rss_bytes": [1]}, None, id="single"),
        pytest.param({"threads": [1, 2]}, None, id="no-memory"),
        pytest.param({"time": [0, 60, 120, 900], "rss_bytes": [1, 2, 3, 4]}, 60.0, id="with-a-gap"),
        pytest.param({"rss_bytes": [1, None, 3, None], "usage_bytes": [1, 2, 3, 4]}, 60.0, id="the-densest-signal"),
        pytest.param({"time": [0.0, 0.25, 0.5], "rss_bytes": [1, 2, 3]}, 0.25, id="below-a-second"),
        pytest.param({"allocated_bytes": [1, 2, 3]}, 60.0, id="allocator-only"),
    ],
)
def test_the_cadence_is_that_of_the_densest_memory_signal(columns: dict[str, Any], cadence: float | None) -> None:
    """Gaps and sparser signals do not stretch it; a single sample has none."""
    frame, *_ = order_samples(clean_samples(samples(**columns))[0])
    assert _cadences(frame) == [cadence]


@given(st.lists(st.lists(st.integers(1, 50), max_size=6), min_size=1, max_size=6))
def test_order_and_usual_steps_are_those_of_each_container(steps: list[list[int]]) -> None:
    """The step is the median one, whatever the order of the rows and the containers beside it."""
    times = [list(itertools.accumulate(some, initial=0)) for some in steps]
    container = [number for number, some in enumerate(times) for _ in some]
    columns = {"container_id": container, "time": list(itertools.chain(*times)), "rss_bytes": [1] * len(container)}
    frame, doubled = order_samples(clean_samples(samples(**columns))[0])
    found = _cadences(frame)
    assert order_samples(frame.reverse())[0].equals(frame)
    assert doubled == {}
    assert found == [statistics.median(some) if some else None for some in steps]


def test_conform_adds_casts_and_drops() -> None:
    """Exactly the schema comes out, whatever goes in."""
    frame = conform(pl.DataFrame({"kind": ["gap"], "value_bytes": [7.0], "extra": [1]}), EVENTS)
    assert frame.schema == EVENTS
    assert frame["value_bytes"].to_list() == [7]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt64, pl.UInt32, pl.Int32, pl.UInt16], ids=str)
@pytest.mark.parametrize("other", [pl.Int64, pl.UInt64], ids=str)
def test_ids_of_any_width_stay_uint32(dtype: pl.DataType, other: pl.DataType) -> None:
    """Ids of mixed widths never meet as Int128."""
    recording = normalise(
        pl.DataFrame({"container_id": [7], "pod": ["db-0"]}, schema_overrides={"container_id": dtype}),
        pl.DataFrame(
            {"container_id": [7], "time": [0], "rss_bytes": [1]},
            schema_overrides={"container_id": other, "rss_bytes": pl.UInt64},
        ),
        pl.DataFrame(
            {"container_id": [7], "time": [0], "kind": ["limit"], "value_bytes": [9 << 20]},
            schema_overrides={"value_bytes": pl.UInt64},
        ),
    )
    assert recording.containers.schema == CONTAINERS
    assert recording.samples.schema == SAMPLES
    assert recording.events.schema == EVENTS
    assert recording.samples.height == recording.events.height == 1


def test_samples_of_no_known_container_are_left_out() -> None:
    """A loader's stray rows do not become a container without a name; the report counts them."""
    recording = normalise(
        pl.DataFrame({"container_id": [0], "pod": ["db-0"]}),
        pl.DataFrame({"container_id": [0, 5], "time": [0, 0], "rss_bytes": [1, 2]}),
    )
    assert recording.samples["rss_bytes"].to_list() == [1]
    assert recording.report.left_out == {"rows of no known container": 1}


def test_the_loaders_report_is_kept_and_added_to() -> None:
    """What the loader says stays, and the counts made here join it."""
    report = Report(sources=("a.json",), left_out={"values that were NaN or infinite": 2}, time_axis="as exported")
    recording = normalise(
        pl.DataFrame({"container_id": [0], "pod": ["db-0"]}),
        samples(rss_bytes=[1.0, NAN]),
        report=report,
    )
    assert recording.report.sources == ("a.json",)
    assert recording.report.time_axis == "as exported"
    assert recording.report.left_out == {"values that were NaN or infinite": 3, "rows without any value": 1}


@given(ROWS, st.randoms(use_true_random=False))
def test_shuffled_distinct_rows_give_the_same_recording(
    rows: list[tuple[int, int, int | None, int | None]],
    random: Any,
) -> None:
    """Order carries no meaning where no instant is told twice."""
    distinct = list({row[:2]: row for row in rows}.values())
    containers = pl.DataFrame({"container_id": [0, 1, 2], "pod": ["web-0", "db-0", "api-0"]})
    schema = {"container_id": pl.UInt32, "time": pl.Int64, "rss_bytes": pl.Int64, "allocated_bytes": pl.Int64}
    one, other = (
        normalise(containers, pl.DataFrame(part, schema=schema, orient="row"))
        for part in (distinct, random.sample(distinct, len(distinct)))
    )
    assert one == other


@given(ROWS)
def test_rows_told_twice_give_the_same_samples(rows: list[tuple[int, int, int | None, int | None]]) -> None:
    """Every row twice is every row once, with a note."""
    containers = pl.DataFrame({"container_id": [0, 1, 2], "pod": ["web-0", "db-0", "api-0"]})
    schema = {"container_id": pl.UInt32, "time": pl.Int64, "rss_bytes": pl.Int64, "allocated_bytes": pl.Int64}
    once, twice = (
        normalise(containers, pl.DataFrame(part, schema=schema, orient="row"))
        for part in (rows, list(itertools.chain(rows, rows)))
    )
    assert once.samples.equals(twice.samples)
    assert once.containers.equals(twice.containers)
    values = sum(value is not None for row in rows for value in row[2:])
    assert sum(twice.report.left_out.values()) >= values


def test_every_signal_is_cleaned() -> None:
    """No signal of the schema slips past the cleaning."""
    frame, left_out = clean_samples(samples(**{name: [1.0, NAN] for name in SIGNALS}))
    assert frame.height == 1
    assert left_out["values that were NaN or infinite"] == len(SIGNALS)


@pytest.mark.parametrize(
    ("stamp", "second"),
    [
        pytest.param(9_214_560_000, 9_214_560_000, id="last-second"),
        pytest.param(100_000_000_000, 100_000_000, id="first-millisecond"),
        pytest.param(9_214_560_000_000, 9_214_560_000, id="last-millisecond"),
        pytest.param(100_000_000_000_000, 100_000_000, id="first-microsecond"),
        pytest.param(9_214_560_000_000_000, 9_214_560_000, id="last-microsecond"),
        pytest.param(100_000_000_000_000_000, 100_000_000, id="first-nanosecond"),
        pytest.param(1_795_564_800_000_000_000, 1_795_564_800, id="nanosecond"),
    ],
)
def test_a_number_is_a_time_in_the_unit_that_fits_its_size(stamp: int, second: int) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds since 1970 are told apart by their size."""
    frame = pl.DataFrame({"time": [stamp]}, schema={"time": pl.Int64})
    read = frame.select(_tables.as_time(pl.col("time"), pl.Int64())).item()
    assert read == dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second)


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(pl.Series([-(1 << 62), 1 << 62], dtype=pl.Datetime("ms", "UTC")), id="ends-of-64-bits"),
        pytest.param(pl.Series([-(1 << 62), 1 << 62], dtype=pl.Datetime("ms")), id="ends-without-zone"),
        pytest.param(pl.Series([-(1 << 62), 1 << 62], dtype=pl.Datetime("us", "Europe/Berlin")), id="ends-elsewhere"),
        pytest.param(pl.Series([-(1 << 31), (1 << 31) - 1]).cast(pl.Int32).cast(pl.Date), id="ends-of-dates"),
        pytest.param(pl.Series(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]), id="zero-of-go"),
        pytest.param(pl.Series([INF, -INF, NAN]), id="no-numbers"),
        pytest.param(pl.Series([9_214_560_001, -9_300_000_000]), id="beyond-the-calendar"),
    ],
)
def test_what_no_clock_tells_is_no_time(times: pl.Series) -> None:
    """Zeros and overflows of clocks, in any type, are left out and counted; alone they are one clear error."""
    bad = times.to_frame("time").with_columns(rss_bytes=pl.lit(1))
    frame, left_out = clean_samples(bad.with_columns(container_id=pl.lit(0)))
    assert (frame.height, left_out) == (0, {"rows without a readable time": bad.height})
    with pytest.raises(ColumnError, match="holds no time that can be read"):
        Recording.from_frame(bad)


@pytest.mark.parametrize(
    ("high_mib", "limit_mib", "node_mib", "values", "left"),
    [
        pytest.param(9 << 20, 512, None, "hXh", "h.h", id="far-above-the-limit"),
        pytest.param(16 * 512 + 1, 512, None, "hhX", "hh.", id="the-last-one"),
        pytest.param(16 * 512 + 1, 512, None, "XnhnX", ".nhn.", id="beside-scrapes-that-failed"),
        pytest.param(16 * 512, 512, None, "hXh", "hXh", id="the-limit-may-have-been-another"),
        pytest.param(9 << 20, 512, None, "hXXh", "hXXh", id="two-in-a-row"),
        pytest.param(9 << 20, 512, None, "X", "X", id="nothing-beside-it"),
        pytest.param(9 << 20, None, None, "hXh", "hXh", id="no-limit"),
        pytest.param(2 * 16384 + 1, None, 16384, "hXh", "h.h", id="more-than-the-node-has"),
        pytest.param(2 * 16384, 512, 16384, "hXh", "hXh", id="on-a-node-that-may-have-it"),
    ],
)
@pytest.mark.parametrize("signal", ["working_set_bytes", "anon_bytes", "kernel_bytes", "swap_bytes"])
def test_a_single_value_that_cannot_be_is_left_out(
    signal: str, high_mib: int, limit_mib: int | None, node_mib: int | None, values: str, left: str
) -> None:
    """One scrape far above limit and node is no peak for anybody, is counted, and everybody is told."""
    named = {"X": high_mib << 20, "h": 200 << 20, "n": None}
    given = samples(**{signal: [named[one] for one in values]}, threads=[3] * len(values))
    limit = None if limit_mib is None else limit_mib << 20
    about = pl.DataFrame({"container_id": [0], "pod": ["db-0"], "node": ["n"], "limit_bytes": [limit]})
    nodes = {} if node_mib is None else {"n": node_mib << 20}
    recording = normalise(about, given, (), Report(nodes=nodes))
    kept = [None if one == "." else named[one] for one in left]
    assert recording.samples[signal].to_list() == kept
    assert sum(recording.report.left_out.values()) == left.count(".")
    assert recording.report.is_noticeable == ("." in left)


def test_a_limit_that_was_higher_makes_a_high_value_possible() -> None:
    """Of the limits on record the highest one says what cannot be."""
    about = pl.DataFrame({"container_id": [0], "pod": ["db-0"], "limit_bytes": [16 << 20]})
    events = pl.DataFrame({"container_id": [0], "time": [0], "kind": ["limit"], "value_bytes": [512 << 20]})
    given = samples(rss_bytes=[9 << 20, 500 << 20, 9 << 20])
    assert normalise(about, given, events).samples["rss_bytes"][1] == 500 << 20
    assert normalise(about, given).samples["rss_bytes"].to_list() == [9 << 20, 9 << 20]
