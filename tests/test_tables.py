"""Any table with a time and a memory column becomes a recording, whatever it is called and made of."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit._columns import plausible_unit
from rmtoolkit._identity import any_contradicts, contradict, place_names
from rmtoolkit._io import read_columns
from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.schema import CONTAINERS, EVENTS, NO_CONTAINER, NO_LIMITS, NO_TIME, PAUSE, SAMPLES, SUM, TOTALS
from rmtoolkit.text import MI

if TYPE_CHECKING:
    from pathlib import Path

FIRST = dt.datetime(2026, 11, 23, 3, 5, tzinfo=dt.UTC)
SECONDS = int(FIRST.timestamp())


def read(**columns: Any) -> rm.Recording:
    """Read a frame of these columns."""
    return rm.Recording.from_frame(pl.DataFrame(columns))


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(pl.Series([SECONDS, SECONDS + 60]), id="seconds"),
        pytest.param(pl.Series([SECONDS + 0.0, SECONDS + 60.0]), id="float-seconds"),
        pytest.param(pl.Series([SECONDS * 1_000, SECONDS * 1_000 + 60_000]), id="milliseconds"),
        pytest.param(pl.Series([SECONDS * 10**6, (SECONDS + 60) * 10**6]), id="microseconds"),
        pytest.param(pl.Series([SECONDS * 10**9, (SECONDS + 60) * 10**9]), id="nanoseconds"),
        pytest.param(pl.Series([SECONDS, SECONDS + 60], dtype=pl.UInt64), id="unsigned"),
        pytest.param(pl.Series([FIRST.replace(tzinfo=None), dt.datetime(2026, 11, 23, 3, 6)]), id="naive"),  # noqa: DTZ001
        pytest.param(
            pl.Series([FIRST, FIRST + dt.timedelta(minutes=1)]).dt.convert_time_zone("Asia/Kathmandu"),
            id="zoned",
        ),
        pytest.param(pl.Series([FIRST, FIRST + dt.timedelta(minutes=1)]).dt.cast_time_unit("ns"), id="nano-datetimes"),
        pytest.param(pl.Series(["2026-11-23T03:05:00Z", "2026-11-23T03:06:00Z"]), id="iso"),
        pytest.param(pl.Series(["2026-11-23 03:05:00", "2026-11-23 03:06:00"]), id="iso-with-a-space"),
        pytest.param(pl.Series(["2026-11-23T04:05:00+01:00", "2026-11-23T03:06:00Z"]), id="iso-with-offsets"),
    ],
)
def test_every_usual_form_of_time_is_the_same_instant(times: pl.Series) -> None:
    """Seconds, finer units, naive and zoned datetimes and ISO strings all mean the same two minutes."""
    recording = read(time=times, rss_bytes=[1, 2])
    assert recording.samples["time"].to_list() == [FIRST, FIRST + dt.timedelta(minutes=1)]
    assert recording.samples.schema["time"] == pl.Datetime("ms", "UTC")


def test_pods_of_one_name_in_two_workloads_keep_their_samples() -> None:
    """The column `workload` tells containers apart when it is given."""
    found = read(time=[0, 60] * 2, workload=["a", "a", "b", "b"], pod=["db-0"] * 4, rss_bytes=[1, 2, 3, 4]).frame()
    assert found.select("workload", "rss_bytes").rows() == [("a", 1), ("a", 2), ("b", 3), ("b", 4)]


def test_dates_are_midnights() -> None:
    """A table with a row per day is a table with a row per midnight, UTC."""
    assert read(time=[dt.date(2026, 11, 23)], rss_bytes=[1]).samples["time"].item().isoformat() == (
        "2026-11-23T00:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("times", "match"),
    [
        pytest.param(["soon", "later"], "no time that can be read, but 'soon'", id="words"),
        pytest.param([None, None], "no time that can be read, but nulls", id="nulls"),
        pytest.param([dt.timedelta(1)] * 2, "'time' holds Duration", id="durations"),
        pytest.param([True, False], "'time' holds Boolean", id="booleans"),
    ],
)
def test_a_time_nobody_can_read_is_an_error(times: list[Any], match: str) -> None:
    """The message says what stood there."""
    with pytest.raises(ColumnError, match=match):
        read(time=times, rss_bytes=[1, 2])


def test_some_unreadable_times_are_counted() -> None:
    """The rows with a time are used, the others are counted in the report."""
    recording = read(time=["2026-11-23T03:05:00Z", "soon", None], rss_bytes=[1, 2, 3])
    assert recording.samples["rss_bytes"].to_list() == [1]
    assert recording.report.left_out == {"rows without a readable time": 2}


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        pytest.param({"tiem": [0], "rss_bytes": [1]}, "no column 'time'.*Hint: did you mean 'tiem'", id="time"),
        pytest.param({"time": [0], "working_set_byte": [1]}, "Hint: rename 'working_set_byte' to", id="memory"),
        pytest.param({"time": [0], "threads": [1]}, "no memory column.*rss_bytes.*It has: time, threads", id="threads"),
        pytest.param({"time": [0], "rss_bytes": ["57Mi"]}, "'rss_bytes' holds String, expected a number", id="text"),
        pytest.param({"time": [0], "rss_bytes": [1], "limit_bytes": ["1Gi"]}, "'limit_bytes' holds String", id="limit"),
    ],
)
def test_a_frame_that_cannot_be_a_recording_says_why(columns: dict[str, Any], match: str) -> None:
    """The missing column, what there is, and the nearest name; or the type that was found."""
    with pytest.raises(ColumnError, match=match):
        read(**columns)


@pytest.mark.parametrize(
    "thing", [[1, 2], "rss_bytes", {"time": [0]}, None, 7], ids=["list", "text", "dict", "none", "number"]
)
def test_what_is_no_table_is_refused(thing: Any) -> None:
    """The type that was given is named."""
    with pytest.raises(RmtoolkitError, match=type(thing).__name__):
        rm.validate(thing)


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "time": st.integers(1_700_000_000, 1_700_000_300),
            "pod": st.sampled_from(["api-7d4b9c8f6d-m8rtz", "db-0", "solo"]),
            "rss_bytes": st.one_of(st.none(), st.integers(0, 1 << 40)),
            "load": st.one_of(st.none(), st.floats(0, 1e6)),
        },
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: (row["time"], row["pod"]),
)
WIDE = {"time": pl.Int64, "pod": pl.String, "rss_bytes": pl.Int64, "load": pl.Float64}


@pytest.mark.filterwarnings("ignore:.* may have lost bits")
@given(ROWS)
def test_polars_lazy_and_pandas_frames_agree(rows: list[dict[str, Any]]) -> None:
    """The same table gives the same recording, whoever holds it."""
    frame = pl.DataFrame(rows, schema=WIDE)
    expected = rm.Recording.from_frame(frame)
    assert rm.Recording.from_frame(frame.lazy()) == expected
    assert rm.Recording.from_frame(frame.to_pandas()) == expected
    assert rm.Recording.from_frame(frame.to_pandas(use_pyarrow_extension_array=True)) == expected
    indexed = frame.to_pandas().assign(time=lambda table: pd.to_datetime(table["time"], unit="s")).set_index("time")
    assert rm.Recording.from_frame(indexed).samples.equals(expected.samples)


def test_a_frame_that_is_worked_out_later_is() -> None:
    """Of dask, whose parts are put together."""
    later = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame({"time": [SECONDS, SECONDS + 60], "pod": "db-0", "rss_bytes": [1, 2]})
    assert rm.Recording.from_frame(later.from_pandas(frame, npartitions=2)) == rm.Recording.from_frame(frame)


def test_a_datetime_index_without_a_name_is_the_time() -> None:
    """The usual pandas frame, indexed by time, needs nothing."""
    index = pd.date_range("2026-11-23 03:05", periods=2, freq="1min", tz="Europe/Berlin")
    recording = rm.Recording.from_frame(pd.DataFrame({"rss_bytes": [1.0, np.nan]}, index=index))
    assert recording.samples["time"].item() == FIRST - dt.timedelta(hours=1)


def test_an_index_of_several_levels_gives_its_columns() -> None:
    """What a pandas group-by leaves behind is a table like any other."""
    index = pd.MultiIndex.from_tuples([("db-0", SECONDS), ("db-1", SECONDS)], names=["pod", "time"])
    recording = rm.Recording.from_frame(pd.DataFrame({"rss_bytes": [1, 2]}, index=index))
    assert recording.containers["pod"].to_list() == ["db-0", "db-1"]


@pytest.mark.parametrize("told", [None, ["pod=db-0"], 7], ids=["nothing", "a list", "a number"])
def test_a_frame_of_two_containers_that_nothing_names_is_told(told: object) -> None:
    """One below the other: half of the rows go, aloud; a column that could not be used is named."""
    times, amounts = [SECONDS + 60 * row for row in range(20)] * 2, [10 << 20] * 20 + [90 << 20] * 20
    table = pl.DataFrame({"time": times, "rss_bytes": amounts, **({} if told is None else {"labels": [told] * 40})})
    with pytest.warns(RmtoolkitWarning, match="20 rows that start anew"):
        recording = rm.Recording.from_frame(table)
    assert ("'labels'" in str(recording.report.warnings)) == (told is not None)


def test_an_index_that_is_also_a_column_is_no_obstacle() -> None:
    """A time that stands twice is read once, and the caller's frame stays as it was."""
    frame = pd.DataFrame({"time": [SECONDS], "rss_bytes": [1], 7: [0]}).set_index("time", drop=False)
    recording = rm.Recording.from_frame(frame)
    assert recording.samples.height == 1
    assert list(frame.columns) == ["time", "rss_bytes", 7]


def test_mixed_pandas_columns_are_refused_with_a_hint() -> None:
    """A column of numbers and words is an error of ours."""
    with pytest.raises(ColumnError, match=r"one type|holds"):
        rm.Recording.from_frame(pd.DataFrame({"time": [0, 60], "rss_bytes": [1, "two"]}))


def test_other_names_are_read_and_reported() -> None:
    """Common names are taken for ours, what is not used is named, and nothing is dropped in silence."""
    recording = read(timestamp_s=[SECONDS], series_id=["api"], memory_bytes=[5], timestamp=[SECONDS], colour=["red"])
    assert recording.frame().select("workload", "working_set_bytes").row(0) == ("api", 5)
    notes = "\n".join(recording.report.notes())
    assert "column 'memory_bytes' was read as 'working_set_bytes'" in notes
    assert "columns not used: 'timestamp', 'colour'" in notes


def test_a_frame_without_identity_is_one_container() -> None:
    """A lone series is the memory of one nameless container."""
    recording = read(time=[0, 60], rss_bytes=[1, 2])
    assert recording.containers.height == 1
    assert recording.containers["workload"].to_list() == [None]
    assert recording.containers["workload_inferred"].to_list() == [False]


@pytest.mark.parametrize("rows", [0, 1], ids=["no-rows", "one-row"])
def test_small_frames_have_the_full_schemas(rows: int) -> None:
    """No row and one row are recordings too."""
    recording = read(time=[0][:rows], pod=["db-0"][:rows], rss_bytes=[1][:rows], limit_bytes=[1 << 29][:rows])
    assert recording.samples.schema == SAMPLES
    assert recording.containers.schema == CONTAINERS
    assert recording.events.schema == EVENTS
    assert recording.containers.height == rows


def test_null_names_are_names_too() -> None:
    """Rows without a pod are a container of their own, not mixed with others; what names nothing is counted."""
    with pytest.warns(RmtoolkitWarning, match="Left out 1 row of no known container"):
        recording = read(time=[0, 0, 60], namespace=["a", "a", None], pod=[None, "db-0", None], rss_bytes=[1, 2, 3])
    assert recording.containers.select("namespace", "pod").rows() == [("a", "db-0"), ("a", None)]
    assert recording.samples.height == 2
    assert recording.report.left_out[NO_CONTAINER] == 1


@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.UInt32, pl.UInt64, pl.Int128, pl.Float32, pl.Float64, pl.Decimal(20, 2)], ids=str
)
def test_numbers_of_any_type_become_int64(dtype: pl.DataType) -> None:
    """Unsigned and wide numbers do not widen the frames."""
    limit = pl.Series([1 << 21], dtype=pl.Int64 if dtype == pl.Int8 else dtype)
    recording = read(time=[0], rss_bytes=pl.Series([100], dtype=dtype), limit_bytes=limit)
    assert recording.samples["rss_bytes"].to_list() == [100]
    assert recording.containers["limit_bytes"].to_list() == [1 << 21]
    assert recording.samples.schema == SAMPLES


@pytest.mark.parametrize(
    ("limits", "limit", "known"),
    [
        pytest.param([512 * MI, 512 * MI], 512 * MI, True, id="constant"),
        pytest.param([None, 512 * MI], 512 * MI, True, id="once"),
        pytest.param([None, None], None, False, id="never"),
        pytest.param([float("nan"), float("nan")], None, False, id="nan-is-unknown"),
        pytest.param([512 * MI, None], 512 * MI, True, id="null-later-is-unknown"),
        pytest.param([0, 0], None, True, id="zero-is-none-set"),
        pytest.param([-1, -1], None, True, id="minus-one-is-none-set"),
        pytest.param([9223372036854771712] * 2, None, True, id="cgroup-v1-without-a-limit"),
        pytest.param([float("inf")] * 2, None, True, id="infinity"),
        pytest.param([512 * MI, 0], None, True, id="limit-removed"),
        pytest.param([2, 2], None, False, id="no-container-runs-in-2-bytes"),
        pytest.param([2, 512 * MI], 512 * MI, True, id="2-bytes-before"),
        pytest.param([1 << 50] * 2, None, False, id="no-machine-has-a-pebibyte"),
    ],
)
def test_a_limit_is_known_none_or_unknown(limits: list[Any], limit: int | None, known: bool) -> None:
    """That none is set and that it is unknown are different things, however a source writes them."""
    wrong = not {2, 1 << 50}.isdisjoint(limits)
    with pytest.warns(RmtoolkitWarning, match="limits? below 1 MiB") if wrong else contextlib.nullcontext():
        recording = read(time=[0, 60], rss_bytes=[1, 2], limit_bytes=pl.Series(limits))
    assert recording.containers.select("limit_bytes", "limit_known").row(0) == (limit, known)
    # What was tried is neither the limit nor a change of it.
    assert not recording.events.filter(pl.col("value_bytes") == 2).height
    assert (NO_LIMITS in recording.report.left_out) == wrong


def test_a_limit_known_to_be_none_is_taken_as_said() -> None:
    """A column `limit_known` beside an empty limit says that none is set."""
    recording = read(time=[0], rss_bytes=[1], limit_bytes=[None], limit_known=[True])
    assert recording.containers["limit_known"].to_list() == [True]


def test_changes_from_row_to_row_become_events() -> None:
    """Limits, requests, versions, restarts and kills that change are events; the first limit is kept as well."""
    recording = read(
        time=[0, 60, 120, 180],
        rss_bytes=[1, 2, 3, 4],
        limit_bytes=[512 * MI, 512 * MI, 1024 * MI, 1024 * MI],
        request_bytes=[256 * MI, 128 * MI, 128 * MI, 128 * MI],
        version=["1.0", "1.0", None, "1.1"],
        restarts_total=[3, 3, 4, 4],
        oom_kills_total=[0, 0, 1, 1],
    )
    found = [(row[1].timestamp(), *row[2:]) for row in recording.events.iter_rows()]
    assert found == [
        (0, "limit", 512 * MI, None),
        (0, "request", 256 * MI, None),
        (60, "request", 128 * MI, None),
        (120, "limit", 1024 * MI, None),
        (120, "oom_kill", None, None),
        (120, "start", None, None),
        (180, "release", None, "1.0 → 1.1"),
    ]
    assert recording.containers.select("limit_bytes", "request_bytes", "version").row(0) == (1024 * MI, 128 * MI, "1.1")
    assert recording.report.found == ("restarts", "OOM kills")


@pytest.mark.parametrize(
    ("restarts", "starts"),
    [
        pytest.param([0, 1, 0, 0, 2, 0], [60, 240], id="since the row before"),
        pytest.param([0.0, 1.02, 1.02, 0.0, 0.0, 2.04], [60, 300], id="since a few rows before"),
        pytest.param([0, 1, 1, 2, 2, 2], [60, 180], id="since the start"),
        pytest.param([4, 4, 4, 0, 0, 1], [180, 300], id="made anew"),
        pytest.param([4, 0, 0, 0, 1, 0], [60, 240, 300], id="made anew at once"),
        pytest.param([0, 3, 0, 2, 0, 1], [60, 180, 300], id="fewer each time"),
        pytest.param([0.0, 0.5, 1.0, 1.0, 1.5, 2.0], [120, 300], id="means of rows since the start"),
        pytest.param([float("nan"), 0.0, 1.0, 1.0, 2.0, 2.0], [120, 240], id="not known at first"),
    ],
)
def test_restarts_are_counted_since_the_start_or_since_the_row_before(restarts: list[float], starts: list[int]) -> None:
    """Each restart begins one life, however it is counted."""
    recording = read(time=range(0, 360, 60), rss_bytes=[MI] * 6, restarts_total=restarts)
    assert [time.timestamp() for time in recording.events.filter(kind="start")["time"]] == starts


def test_what_holds_a_pod_together_is_no_container() -> None:
    """Rows of pause containers go, and what is told of whole pods beside their containers, both counted."""
    amounts = {"db ": 100 * MI, "proxy": 20 * MI, "POD": MI, "": 125 * MI}
    rows = [(60 * at, "db-0", name, amount + 4096 * at) for at in range(9) for name, amount in amounts.items()]
    recording = rm.Recording.from_frame(pl.DataFrame(rows, ["time", "pod", "container", "rss_bytes"], orient="row"))
    assert recording.containers["container"].to_list() == ["db", "proxy"]
    assert recording.report.left_out == {PAUSE: 9, TOTALS: 9}


@pytest.mark.parametrize(
    ("unnamed", "side", "told", "is_asked"),
    [
        pytest.param([80 * MI + MI * at for at in range(9)], [100 * MI] * 9, {}, False, id="of another size"),
        pytest.param([100 * MI + MI * at for at in range(9)], [101 * MI] * 9, {}, True, id="of about the same size"),
        pytest.param([100 * MI + MI * at for at in range(40)], [104 * MI] * 5, {}, False, id="beside a short one"),
        pytest.param([300 * MI + MI * at for at in range(9)], [100 * MI] * 9, {}, True, id="far above the other"),
        pytest.param([101 * MI] * 9, [100 * MI] * 9, {"limit_bytes": 200 * MI}, True, id="whose limit nobody tells"),
        pytest.param([101 * MI] * 9, [100 * MI] * 9, {"oom_kills_total": 1}, True, id="whose kill nobody else tells"),
    ],
)
def test_a_container_without_a_name_beside_one_that_has_some_stays(
    unnamed: list[int], side: list[int], told: dict[str, int], is_asked: bool
) -> None:
    """Only what is at nearly all instants the others, and a little that hardly moves, is a whole pod; it is asked."""
    rows: list[dict[str, Any]] = [
        {"time": at, "rss_bytes": value, **({name: amount * (at > 3) for name, amount in told.items()})}
        for at, value in enumerate(unnamed)
    ]
    rows += [{"time": at, "container": "side", "rss_bytes": value} for at, value in enumerate(side)]
    table = pl.DataFrame(rows, infer_schema_length=None)
    several = pl.concat(table.with_columns(pod=pl.lit(f"db-{number}")) for number in range(5))
    asked = f"'db-0', 'db-1', 'db-2' and 2 more {SUM}"
    with pytest.warns(RmtoolkitWarning, match=asked) if is_asked else contextlib.nullcontext() as warned:
        recording = rm.Recording.from_frame(several)
    assert len(warned or ()) == is_asked
    assert recording.report.unusable == (asked,) * is_asked
    assert recording.containers["container"].to_list() == ["side", None] * 5
    assert recording.samples.height == 5 * (len(unnamed) + len(side))


def test_numbers_that_ran_over_are_told() -> None:
    """More than one in a hundred that no machine has, or that are negative, are not left out in silence."""
    with pytest.warns(RmtoolkitWarning, match="Left out 2 values that were negative or absurd"):
        read(time=range(9), rss_bytes=[*range(MI, MI + 7), -(2**31), 1 << 52])


def test_nothing_that_stays_the_same_is_an_event() -> None:
    """A constant limit in every row is a fact about the container, no event."""
    constant = read(
        time=[0, 60], rss_bytes=[1, 2], limit_bytes=[512 * MI, 512 * MI], version=["1"] * 2, restarts_total=[7, 7]
    )
    assert constant.events.is_empty()


def test_two_containers_do_not_change_into_each_other() -> None:
    """The limit of the next container is no change of this one's."""
    recording = read(
        time=[0, 60, 0, 60],
        pod=["a-0", "a-0", "b-0", "b-0"],
        rss_bytes=[1] * 4,
        limit_bytes=[512 * MI, 512 * MI, 1024 * MI, 1024 * MI],
        version=["1", "1", "2", "2"],
        restarts_total=[0, 0, 5, 5],
    )
    assert recording.events.is_empty()


def test_changes_follow_time_and_not_the_order_of_rows() -> None:
    """A table in any order has the same events and the same limit at its end."""
    frame = pl.DataFrame({"time": [0, 60, 120], "rss_bytes": [1, 2, 3], "limit_bytes": [512 * MI, 512 * MI, 1024 * MI]})
    assert rm.Recording.from_frame(frame.reverse()) == rm.Recording.from_frame(frame)


def test_more_than_few_services_have_is_told() -> None:
    """Bytes called KiB are a quarter of a TiB: read as their head says, and said."""
    with pytest.warns(RmtoolkitWarning, match="Few services have 300 Gi, as 'rss_kb' says"):
        recording = read(time=[0, 60], rss_kb=[300 * MI, 300 * MI])
    assert recording.samples["rss_bytes"].to_list() == [300 << 30] * 2


def test_events_find_their_container_by_name() -> None:
    """Events name their container by the identity columns they share with the frame, nulls included."""
    namespaces = [None, "w", "x"]
    frame = pl.DataFrame({"time": [0] * 3, "namespace": namespaces, "pod": ["db-0"] * 3, "rss_bytes": [1, 2, 3]})
    events = pl.DataFrame({"time": [5, 6, 7], "namespace": [None, "x", "y"], "pod": ["db-0"] * 3, "kind": ["end"] * 3})
    recording = rm.Recording.from_frame(frame, events=events)
    named = recording.events.join(recording.containers, on="container_id").select("namespace", "time")
    assert [(space, time.timestamp()) for space, time in named.sort("time").rows()] == [(None, 5), ("x", 6)]
    assert recording.report.left_out == {"events of containers that are not in the frame": 1}


def test_a_kill_before_any_sample_is_known() -> None:
    """A container that only an OOM kill names is kept, in a namespace that the frame has."""
    frame = pl.DataFrame({"time": [0], "namespace": ["w"], "pod": ["db-0"], "rss_bytes": [1]})
    events = pl.DataFrame({"time": [5, 6, 7], "namespace": ["w", "x", "w"], "pod": ["db-1"] * 3, "kind": "oom_kill"})
    recording = rm.Recording.from_frame(frame, events=events)
    named = recording.events.join(recording.containers, on="container_id").select("namespace", "workload", "pod")
    assert named.rows() == [("w", "db", "db-1")] * 2
    assert recording.report.left_out == {"events of containers that are not in the frame": 1}


def test_events_may_come_from_pandas() -> None:
    """A pandas frame of events is as good as one of polars."""
    events = pd.DataFrame({"time": pd.to_datetime([SECONDS], unit="s"), "kind": ["release"], "detail": ["1.1"]})
    recording = rm.Recording.from_frame(pl.DataFrame({"time": [SECONDS], "rss_bytes": [1]}), events=events)
    assert recording.events.select("time", "kind", "detail").row(0) == (FIRST, "release", "1.1")


@pytest.mark.parametrize(
    ("events", "match"),
    [
        pytest.param({"time": [0], "kind": ["explosion"]}, "Unknown event kinds: 'explosion'. Known: start", id="kind"),
        pytest.param({"kind": ["start"]}, "no column 'time'", id="no-time"),
        pytest.param({"time": [0]}, "no column 'kind'", id="no-kind"),
    ],
)
def test_events_nobody_knows_are_refused(events: dict[str, Any], match: str) -> None:
    """The kinds that exist are listed."""
    frame = pl.DataFrame({"time": [0], "rss_bytes": [1]})
    with pytest.raises(RmtoolkitError, match=match):
        rm.Recording.from_frame(frame, events=pl.DataFrame(events))


def test_the_users_pattern_names_the_workload() -> None:
    """A pattern of one's own decides, and the result is marked as inferred."""
    frame = pl.DataFrame({"time": [0], "pod": ["shop_cart.7"], "rss_bytes": [1]})
    recording = rm.Recording.from_frame(frame, workload_pattern=r"_(?P<workload>\w+)\.")
    assert recording.containers.select("workload", "workload_inferred").row(0) == ("cart", True)


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        # Of a MiB and of 64 GiB, each unit's least and most.
        ([1 << 20], None),
        ([(1 << 20) - 1], 1 << 10),
        ([1 << 26], 1),
        ([(1 << 26) - 1], None),
        ([1 << 36], 1),
        ([1024.0], None),
        ([1023.5], 1 << 20),
        ([64.0], 1 << 20),
        ([63.5], None),
        ([1.0, 0.0, float("nan"), float("inf"), -5.0, None], None),
        ([0.5], 1 << 30),
        ([0.001], 1 << 30),
        # Whole pages tell the larger unit from the smaller one, from four numbers on.
        ([4096.0 * 512, 4096 * 513, 4096 * 514], None),
        ([4096.0 * 512, 4096 * 513, 4096 * 514, 4096 * 515], 1),
        ([4096.0 * 512 + 4, 4096 * 513, 4096 * 514, 4096 * 515], 1 << 10),
        ([4096.0 * 512 + 1, 4096 * 513, 4096 * 514, 4096 * 515], None),
        ([], 1),
    ],
)
def test_amounts_that_name_no_unit_have_the_one_that_a_service_may_have(
    values: list[float | None], unit: int | None
) -> None:
    """Between a MiB and 64 GiB, and in whole pages where there are several: else it is asked for."""
    column = pl.Series(values, dtype=pl.Float64)
    if unit is None:
        with pytest.raises(RmtoolkitError, match="'rss' does not say its unit"):
            plausible_unit("rss", column)
    else:
        assert plausible_unit("rss", column) == unit


@pytest.mark.parametrize(
    ("overlap_ms", "theirs", "contradicts"),
    [
        # As long as one container hands over to the next, and a millisecond longer.
        (360_000, [200] * 11, False),
        (360_001, [200] * 11, True),
        # Two percent above, and below, are the same value.
        (900_000, [102] * 11, False),
        (900_000, [102.1] * 11, True),
        (900_000, [98] * 11, False),
        (900_000, [97.9] * 11, True),
        # Most of the values decide.
        (900_000, [200] * 5 + [100] * 6, False),
        (900_000, [200] * 6 + [100] * 5, True),
    ],
)
def test_two_looks_at_one_container_say_the_same(overlap_ms: int, theirs: list[float], contradicts: bool) -> None:
    """Values of another series lie between those around them, give or take two percent, or it is another's."""
    times = np.linspace(0, overlap_ms, 11).astype(np.int64)
    long = np.append(times, times[-1] + 60_000)
    assert contradict((long, np.full(12, 100.0)), (times, np.array(theirs, dtype=float))) == contradicts
    # Whichever is longer is the one that the others are held against, and where they do not overlap nothing is said.
    series = [(times, np.array(theirs, dtype=float)), (long, np.full(12, 100.0))]
    assert any_contradicts(series) == contradicts
    assert not contradict((long, np.full(12, 100.0)), (times + 10_000_000, np.array(theirs, dtype=float)))
    # Between two scrapes a value may be anything between theirs.
    rising = np.arange(12, dtype=float) ** 2
    assert not contradict((long, rising), (times + 1, rising[:11] + 0.7))


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["a/x.json", "b/x.json"], ["a", "b"]),
        (["in/a.csv", "in/b.csv", "in/a.csv"], ["a", "b"]),
        (["in/a.csv", "in/a.json"], ["a.csv", "a.json"]),
        (["in/.a", "in/.b"], [".a", ".b"]),
        (["in/a/b", "in/a"], ["b", "in/a"]),
        (["one.csv"], ["one"]),
    ],
)
def test_sources_are_named_by_where_they_differ(sources: list[str], names: list[str]) -> None:
    """The first part of their paths that tells them apart, without its ending where that is enough."""
    assert list(place_names(sources).values()) == names


def test_a_numeric_or_categorical_name_is_a_name() -> None:
    """Names come out as text, whatever type they came in."""
    recording = read(time=[0, 0], pod=pl.Series(["a", "b"], dtype=pl.Categorical), namespace=[1, 2], rss_bytes=[1, 2])
    assert recording.containers.select("namespace", "pod").rows() == [("1", "a"), ("2", "b")]


def test_a_small_file_of_many_rows_is_refused_before_they_are_made(tmp_path: Path) -> None:
    """What a Parquet file declares is looked at first: rows that repeat take no room in it, and all of it in memory."""
    rows: dict[str, Any] = {"time": 0, "pod": "db-0", "rss_bytes": 1 << 20}
    table = pl.select(pl.repeat(value, 3_000_000).alias(name) for name, value in rows.items())
    table.write_parquet(tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size < 100_000
    with pytest.raises(ReadError, match=r"bytes that unpack to 3,000,000 rows of [\d,]+ bytes', expected a table"):
        rm.read(tmp_path / "rows.parquet")
    written = rm.Recording.from_frame(table.head(10)).write(tmp_path / "own.parquet")
    about = {"rmtoolkit.recording": pl.read_parquet_metadata(written)["rmtoolkit.recording"]}
    times = pl.col("time").cast(pl.Datetime("ms", "UTC"))
    own = table.select(pl.lit(0, pl.UInt32).alias("container_id"), times, "rss_bytes")
    own.write_parquet(written, metadata=about)
    with pytest.raises(ReadError, match=r"bytes that unpack to 3,000,000 rows', expected a recording in Parquet"):
        rm.read(written)


@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream], ids=["file", "stream"])
@pytest.mark.parametrize("packing", ["zstd", "lz4"])
def test_arrow_is_asked_what_it_holds_before_it_is_unpacked(tmp_path: Path, new: Any, packing: str) -> None:
    """One batch, or one dictionary, of which a few kilobytes become half a gigabyte."""
    zeros = pa.array(np.zeros(1 << 25, np.int64))
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), zeros)
    for at, columns in enumerate(
        [{"time": zeros, "rss_bytes": zeros}, {"time": [0, 1], "rss_bytes": [1, 2], "n": names}]
    ):
        table = pa.table(columns)
        with new(tmp_path / f"{at}.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as file:
            file.write_table(table, max_chunksize=len(zeros))
        before = pa.default_memory_pool().max_memory()
        with pytest.raises(ReadError, match=r"bytes that unpack to \d[\d,]+ rows of \d{3},\d{3},\d{3} bytes"):
            rm.read(tmp_path / f"{at}.arrow")
        assert pa.default_memory_pool().max_memory() == before


@given(
    st.sampled_from(["write_ipc", "write_ipc_stream"]),
    st.sampled_from(["uncompressed", "zstd"]),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_damaged_arrow_is_an_error_or_a_table(write: str, packing: str, damage: list[tuple[int, int]]) -> None:
    """What a damaged file says of itself is checked before anything follows it."""
    table = pl.DataFrame(
        {"time": range(50), "rss_bytes": 1 << 20, "n": pl.Series(["a", "b"] * 25, dtype=pl.Categorical)}
    )
    made = io.BytesIO()
    getattr(table, write)(made, compression=packing)
    data = bytearray(made.getvalue())
    for place, value in damage:
        data[-1 - place % (len(data) - 8)] = value
    with contextlib.suppress(ReadError):
        read_columns(bytes(data), "a.arrow", "a table")


def test_long_texts_and_packed_ones_are_refused(tmp_path: Path) -> None:
    """A name of megabytes, stored once for all rows, or packed; lists, which nothing needs, are not looked at."""
    plain = {"time": range(300), "rss_bytes": [1 << 20] * 300}
    table = pl.DataFrame({**plain, "pod": ["x" * (1 << 20)] * 300})
    for kind in (pl.String, pl.Categorical, pl.Enum(["x" * (1 << 20)])):
        table.cast({"pod": kind}).write_parquet(tmp_path / "once.parquet", statistics=False)
        with pytest.raises(
            ReadError, match=r"a text of 1,048,576 bytes in the column 'pod'.*, expected texts of at most 65"
        ):
            rm.read(tmp_path / "once.parquet")
    each = pl.DataFrame({**plain, "pod": [f"{at:03}" + "x" * (1 << 20) for at in range(300)]})
    each.write_parquet(tmp_path / "packed.parquet", statistics=False)
    with pytest.raises(ReadError, match=r"bytes that unpack to 300 rows of 31\d,\d{3},\d{3} bytes"):
        rm.read(tmp_path / "packed.parquet")
    pl.DataFrame({**plain, "pod": "db-0", "many": [[0] * 10_000] * 300}).write_parquet(tmp_path / "lists.parquet")
    assert rm.read(tmp_path / "lists.parquet").height == 300


@pytest.mark.parametrize("order", [1, -1], ids=["oldest-first", "newest-first"])
@pytest.mark.parametrize("stacked", [False, True], ids=["a-column-each", "one-below-the-other"])
def test_the_hour_that_comes_twice_is_two_hours_of_a_table(stacked: bool, order: int, tmp_path: Path) -> None:
    """In local time the second 02:10 of an autumn night is an hour after the first, in every series of a table."""
    clocks = ("01:50", "02:10", "02:50", "02:10", "02:50", "03:10")
    file = tmp_path / "night.csv"
    pods = ("db-0", "db-1") if stacked else ("db-0",)
    rows = [f"2026-10-25 {clock},{pod},{mi << 20}" for pod in pods for mi, clock in enumerate(clocks)]
    file.write_text("\n".join(["time,pod,rss_bytes", *rows[::order]]))
    samples = rm.read(file, timezone="Europe/Berlin").samples
    found = samples.group_by("container_id", maintain_order=True).agg(pl.col("time").dt.strftime("%H:%M"), "rss_bytes")
    assert found["time"].to_list() == [["23:50", "00:10", "00:50", "01:10", "01:50", "02:10"]] * len(pods)
    assert found["rss_bytes"].to_list() == [[mi << 20 for mi in range(6)]] * len(pods)


HOURS = [FIRST + dt.timedelta(minutes=18 * row) for row in range(60)]


@pytest.mark.parametrize("order", [1, -1], ids=["oldest-first", "newest-first"])
@pytest.mark.parametrize("clock", ["%Y-%m-%d %I:%M", "%Y-%m-%d %I:%M %p", "%Y-%m-%d %H:%M"])
def test_a_clock_of_twelve_hours_is_asked_about(clock: str, order: int, tmp_path: Path) -> None:
    """Its times go back by half a day, less a step; with AM and PM, or twice in one file, they are what they say."""
    rows = [f"{time.strftime(clock)},{pod},{mi << 20}" for mi, time in enumerate(HOURS) for pod in ("db-0", "db-1")]
    is_plain = not clock.endswith("%I:%M")
    (tmp_path / "a.csv").write_text("\n".join(["time,pod,rss_bytes", *rows[::order] * (1 + is_plain)]))
    if not is_plain:
        with pytest.raises(ReadError, match=r"the clock has twelve hours.*AM and PM"):
            rm.read(tmp_path, timezone="UTC")
        return
    recording = rm.read(tmp_path, timezone="UTC")
    assert recording.samples.filter(container_id=0)["time"].to_list() == HOURS
    assert recording.samples.filter(container_id=1)["rss_bytes"].to_list() == [mi << 20 for mi in range(60)]


@pytest.mark.parametrize("depth", range(4), ids=["of all", "of a cluster", "of a namespace", "of a pod"])
@pytest.mark.parametrize("off", [0, 1])
def test_what_is_the_sum_of_the_others_is_no_container(depth: int, off: int) -> None:
    """At each instant, at whatever level, also of sums' own parts; a byte more once makes it one of its own."""
    place = ("cluster", "namespace", "pod", "container")
    rows: list[dict[str, Any]] = []
    for at in range(9):
        parts = {f"part {each}": (each + 2) * 10_007 * (at + 7) for each in range(3)}
        named = {**parts, "in total": sum(parts.values()) + (off if at == 4 else 0)}
        for name, amount in named.items():
            names = dict.fromkeys(place[:depth], "one") | {place[depth]: name}
            rows.append({"time": SECONDS + 60 * at, "rss_bytes": amount, **dict.fromkeys(place), **names})
        if depth:
            rows.append(
                {**rows[-1], **dict.fromkeys(place), place[0]: "all in total", "rss_bytes": sum(parts.values())}
            )
    recording = rm.Recording.from_frame(pl.DataFrame(rows))
    called = recording.containers.select(pl.concat_str(place, ignore_nulls=True)).to_series()
    sums = 2 if depth else 1
    assert called.str.contains("in total").sum() == sums * off
    assert called.str.contains("part").sum() == 3
    assert recording.report.left_out.get(TOTALS, 0) == 9 * sums * (1 - off)


def test_the_least_that_holds_a_sum_are_two_parts_and_their_sum() -> None:
    """Of three rows one may be the sum of two; of two rows none is."""
    curves = {"a": 20_014, "b": 30_021, "c": 50_035}
    rows: list[dict[str, Any]] = [
        {"time": SECONDS + 60 * at, "pod": pod, "rss_bytes": each * (at + 7)}
        for at in range(9)
        for pod, each in curves.items()
    ]
    assert rm.Recording.from_frame(pl.DataFrame(rows)).containers["pod"].to_list() == ["a", "b"]
    two = [row | {"rss_bytes": SECONDS + row["time"] % 1000} for row in rows if row["pod"] != "a"]
    assert rm.Recording.from_frame(pl.DataFrame(two)).containers["pod"].to_list() == ["b", "c"]


@pytest.mark.parametrize("name", ["Mean", "max", "min", "Grand Total", "in all"])
@pytest.mark.parametrize("step", [1, 1 << 10, (1 << 20) / 10, 1 << 20])
def test_a_summary_that_was_rounded_is_no_container(name: str, step: float) -> None:
    """Rounded to any digit: a sum is known by its values, what else is known of the others by its name as well."""
    parts = [[(100 + 3 * at) * 1_000_003, (290 + at % 7) * 1_000_003, 305 * 1_000_003 - at * 9] for at in range(30)]
    made: Any = {"Mean": lambda some: sum(some) / 3, "max": max, "min": min}.get(name, sum)
    rows = [
        {"time": SECONDS + 60 * at, "pod": pod, "rss_bytes": round(round(amount / step) * step)}
        for at, some in enumerate(parts)
        for pod, amount in zip(("a", "b", "c", name), (*some, made(some)), strict=True)
    ]
    recording = rm.Recording.from_frame(pl.DataFrame(rows))
    assert recording.containers["pod"].to_list() == ["a", "b", "c"]
    assert recording.report.left_out == {TOTALS: 30}
    other = pl.DataFrame([row | {"pod": str(row["pod"]).replace(name, "d")} for row in rows])
    assert rm.Recording.from_frame(other).containers.height == (3 if made is sum else 4)


@pytest.mark.parametrize("name", ["c", "c-0"])
def test_a_container_that_weighs_as_much_as_the_others_is_one(name: str) -> None:
    """Two that stand still beside one of about their sum: it does not move with them, and nobody can tell.

    A name that Kubernetes gave tells it.
    """
    rows = [
        {"time": SECONDS + 60 * at, "pod": pod, "rss_bytes": (size + (at * step) % 3) << 20}
        for at in range(30)
        for pod, size, step in (("a", 100, 1), ("b", 200, 2), (name, 301, 1), ("total", 900, 1))
    ]
    is_told = name == "c"
    with pytest.warns(RmtoolkitWarning, match="'c' may be no") if is_told else contextlib.nullcontext():
        recording = rm.Recording.from_frame(pl.DataFrame(rows))
    assert recording.containers.height == 4
    said = (f"'c' {SUM}",)
    assert recording.report.unusable == said * is_told
    # What has been said once is known.
    assert rm.concat([recording, recording]).report.unusable == said * is_told


@pytest.mark.parametrize("far", [0, 253_402_214_400, -2_208_988_800])
def test_a_clock_that_was_not_set_tells_no_time(far: int, tmp_path: Path) -> None:
    """One row of 1970, of the year 9999 in seconds, which are milliseconds of 1978, or of 1900: it is left out."""
    rows = [f"{far if at == 7 else SECONDS + 60 * at},db-0,{10**8 + at}" for at in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["time,pod,rss_bytes", *rows, ""]))
    with pytest.warns(RmtoolkitWarning, match="1 row without a readable time"):
        recording = rm.read(tmp_path / "a.csv")
    assert recording.samples["rss_bytes"].to_list() == [10**8 + at for at in range(20) if at != 7]


def test_a_container_that_is_all_of_another_time_keeps_it() -> None:
    """What is far from the others of its container is left out; two of them do not hide which."""
    now, then = dt.datetime(2026, 11, 20, tzinfo=dt.UTC), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    times = {"a": [now] * 29 + [then], "b": [now, then], "c": [then] * 3}
    rows = [
        {"time": time + dt.timedelta(minutes=at), "pod": pod, "rss_bytes": 10**8 + at}
        for pod, some in times.items()
        for at, time in enumerate(some)
    ]
    recording = rm.Recording.from_frame(pl.DataFrame(rows))
    assert recording.samples.group_by("container_id", maintain_order=True).len()["len"].to_list() == [29, 1, 3]
    assert recording.report.left_out == {NO_TIME: 2}


@pytest.mark.parametrize("later", [0, 7200], ids=["at one time", "one after the other"])
def test_the_path_of_a_part_says_whose_it_is(later: int, tmp_path: Path) -> None:
    """As Hive, Spark and DuckDB write them; what a column says goes before."""
    for at, pod in enumerate(("db-0", "web-0")):
        (tmp_path / f"pod={pod}" / "day=20").mkdir(parents=True)
        times = [SECONDS + at * later + 60 * row for row in range(9)]
        table = pl.DataFrame({"time": times, "rss_bytes": [(at + 1) << 20] * 9})
        table.write_parquet(tmp_path / f"pod={pod}" / "day=20" / "part-0.parquet")
    assert rm.read(tmp_path).containers["pod"].to_list() == ["db-0", "web-0"]
    table.with_columns(podName=pl.lit("api-0")).write_parquet(tmp_path / "pod=web-0" / "day=20" / "part-0.parquet")
    assert rm.read(tmp_path).containers["pod"].to_list() == ["api-0", "db-0"]


@pytest.mark.parametrize(
    ("names", "is_told"),
    [
        (("DB-0", "web-0"), True),
        (("export-1", "export-2"), True),
        (("2026-11-20", "2026-11-21"), False),
        (("top.20261120T0130", "top.20261120T0230"), False),
    ],
)
def test_files_without_names_that_follow_each_other_are_told(
    names: tuple[str, str], is_told: bool, tmp_path: Path
) -> None:
    """Whether two files are of one container nobody can tell, unless their names differ in days and times alone."""
    for at, name in enumerate(names):
        rows = [f"{SECONDS + 3600 * at + 60 * row},{(at + 1) << 20}" for row in range(9)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["time,rss_bytes", *rows, ""]))
    said = f"read as one: '{names[0]}' and"
    with pytest.warns(RmtoolkitWarning, match=said) if is_told else contextlib.nullcontext():
        recording = rm.read(tmp_path)
    assert recording.containers.height == 1
    assert ("read as one" in " ".join(recording.report.notes())) == is_told


@pytest.mark.parametrize(
    ("inexact", "exact", "unit"),
    [("memory_mb", "memory_mib", 1 << 20), ("rss (kB)", "rss (KiB)", 1 << 10), ("RSS_GB", "rss_bytes", 1)],
)
def test_of_two_units_the_one_that_can_mean_nothing_else_is_read(inexact: str, exact: str, unit: int) -> None:
    """MB may be either; where MiB stand beside it, these are what was measured."""
    for heads in ((inexact, exact), (exact, inexact)):
        amounts = {head: [7.5, 8.5] if head == inexact else [(7 << 20) // unit, (8 << 20) // unit] for head in heads}
        recording = read(time=[SECONDS, SECONDS + 60], **amounts)
        assert recording.frame().to_series(-1).to_list() == [7 << 20, 8 << 20]


@pytest.mark.parametrize(
    ("kills", "told"),
    [
        ([row // 15 for row in range(40)], ["oom_kill"] * 2),
        ([int(row in {5, 20, 35}) for row in range(40)], ["oom_kill"] * 3),
        ([str(row == 20).lower() for row in range(40)], []),
    ],
)
def test_kills_that_a_cgroup_counts_beside_its_memory(kills: list[Any], told: list[str], tmp_path: Path) -> None:
    """A log of `memory.current` and `oom_kill` has the kills; yes and no are no counts, and the column is noted."""
    file = tmp_path / "db.csv"
    rows = (f"{1_764_000_000 + 60 * row},{(100 + row % 9) * MI},{kill}" for row, kill in enumerate(kills))
    file.write_text("\n".join(["time,memory.current,oom_kill", *rows]), "utf-8")
    recording = rm.read(file)
    assert recording.events["kind"].to_list() == told
    assert any("oom_kill" in said for said in recording.report.warnings)


def test_a_comment_above_a_table_says_whose_it_is(tmp_path: Path) -> None:
    """Of each table by itself; what a column says goes before, and other words mean nothing."""
    tables = [
        f"# {said}\n# made: today\ntime,{column}rss_bytes\n" + f"{SECONDS},{value}1e8\n{SECONDS + 60},{value}2e8\n"
        for said, column, value in (("pod: db-0", "", ""), ("pod=db-1", "", ""), ("pod : no", "pod,", "db-2,"))
    ]
    (tmp_path / "a.csv").write_text("\n".join(tables))
    recording = rm.read(tmp_path)
    assert recording.containers["pod"].to_list() == ["db-0", "db-1", "db-2"]
    assert recording.samples["rss_bytes"].to_list() == [10**8, 2 * 10**8] * 3
    (tmp_path / "a.csv").write_text(tables[1])
    assert rm.read(tmp_path).containers["pod"].to_list() == ["db-1"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("damaged", ['"api-0', 'api-0"', 'ap"i-0', '"api-0"x'])
@pytest.mark.parametrize("quoted", [False, True], ids=["bare", "quoted"])
def test_a_quotation_mark_gone_astray_costs_its_row_alone(
    tmp_path: Path, delimiter: str, damaged: str, *, quoted: bool
) -> None:
    """The other rows are read as they are without it, and the lost one is told; where most are so it is no table."""
    pod = '"api-0"' if quoted else "api-0"
    rows = [delimiter.join([str(SECONDS + 60 * at), pod, str(100 * MI + at)]) for at in range(20)]
    wrong = [row.replace(pod, damaged) for row in rows]
    head = delimiter.join(["time", "pod", "memory_bytes"])
    file = tmp_path / "table.csv"
    file.write_text("\n".join([head, *rows[:7], wrong[7], *rows[8:]]) + "\n")
    with pytest.warns(RmtoolkitWarning, match="left out 1 row with a damaged quotation mark"):
        found = rm.read(file)
    assert found.report.left_out == {"rows with a damaged quotation mark": 1}
    assert found.report.dropped_share == pytest.approx(1 / 20)
    assert found.samples["working_set_bytes"].to_list() == [100 * MI + at for at in range(20) if at != 7]
    assert found.containers["pod"].to_list() == ["api-0"]
    file.write_text("\n".join([head, *wrong]) + "\n")
    if damaged == '"api-0"x':
        with pytest.raises(ReadError, match="Could not read"):
            rm.read(file)


@pytest.mark.parametrize("word", ["", " ", "NULL", "N/A", "NaN", "None", "<none>", "<null>", "<NA>", "\\N"])
def test_a_name_that_says_none_is_none(tmp_path: Path, word: str) -> None:
    """As databases, pandas and kubectl write it; a name that such a word begins or ends is a name."""
    file = tmp_path / "table.csv"
    file.write_text(f"time,namespace,pod,rss_bytes\n{SECONDS},{word},a,1e8\n{SECONDS},{word}-x,b,1e8\n")
    for recording in (
        rm.read(file),
        read(time=[0, 0], namespace=[word, f"{word}-x"], pod=["a", "b"], rss_bytes=[1, 2]),
    ):
        assert recording.containers.sort("pod")["namespace"].to_list() == [None, f"{word}-x".strip()]


def test_a_file_that_is_called_after_its_metric_needs_no_other_name(tmp_path: Path) -> None:
    """A column `Value` is what the file is called after, as in saved answers; called otherwise it is nothing known."""
    rows = "".join(f"{(SECONDS + 60 * at) * 1000},shop,db-0,db,{100 * MI + at}\n" for at in range(9))
    file = tmp_path / "container_memory_working_set_bytes.csv"
    file.write_text(f"Time,namespace,pod,container,Value\n{rows}")
    recording = rm.read(file)
    assert recording.containers.select("namespace", "pod", "container").rows() == [("shop", "db-0", "db")]
    assert recording.samples["working_set_bytes"].to_list() == [100 * MI + at for at in range(9)]
    with pytest.raises(ReadError, match="no memory column"):
        rm.read(file.rename(tmp_path / "panel.csv"))


@pytest.mark.parametrize("nothing", ["", "   ", "\t", ",,", ";;", " , ,", "\u00a0"])
@pytest.mark.parametrize("head", ["time,pod,rss_bytes", "time,\"rss_bytes{pod='api-0'}\",note"])
def test_a_line_that_says_nothing_is_no_row(tmp_path: Path, nothing: str, head: str) -> None:
    """Wherever it stands, above the table, below its head, between rows or at the end, it is nothing that was lost."""
    is_wide = "note" in head
    head = head.replace("'api-0'", '""api-0""')
    rows = [
        f"{SECONDS + 60 * at},{100 * MI + at},x" if is_wide else f"{SECONDS + 60 * at},api-0,{100 * MI + at}"
        for at in range(9)
    ]
    file = tmp_path / "table.csv"
    for lines in ([nothing, head, *rows], [head, nothing, *rows], [head, *rows[:4], nothing, *rows[4:], nothing]):
        for end in ("\n", "\r\n"):
            file.write_text(end.join(lines), newline="")
            recording = rm.read(file)
            assert recording.samples["rss_bytes"].to_list() == [100 * MI + at for at in range(9)]
            assert recording.containers["pod"].to_list() == ["api-0"]
            assert not recording.report.left_out


@pytest.mark.parametrize("pod", ["api-0", '"api-0"', '{pod="api-0"}', '"api\n0, of two lines"', '"a ""b"""'])
@pytest.mark.parametrize("apart", [0, 1, 4])
def test_rows_are_counted_and_not_lines(tmp_path: Path, pod: str, apart: int) -> None:
    """Two quotation marks gone astray may close each other: they cost two rows, whatever cells are written like."""
    rows = [f"{SECONDS + 60 * at},{pod},{100 * MI + at}" for at in range(20)]
    wrong = {9: rows[9].replace(pod, '"api-0'), 9 + apart: rows[9 + apart].replace(pod, 'api-0"')}
    (tmp_path / "a.csv").write_text(
        "\n".join(["time,pod,memory_bytes", *({**dict(enumerate(rows)), **wrong}.values())])
    )
    with pytest.warns(RmtoolkitWarning, match="damaged quotation mark"):
        found = rm.read(tmp_path)
    assert found.report.left_out == {"rows with a damaged quotation mark": len(wrong)}
    kept = [100 * MI + at for at in range(20) if at not in wrong]
    assert found.samples["working_set_bytes"].to_list() == kept
    assert found.containers.height == 1
