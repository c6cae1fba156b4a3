"""The Recording: its laws, what it shows, and what it refuses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitError, RmtoolkitWarning, UnknownWorkloadError
from rmtoolkit.recording import as_recording
from rmtoolkit.schema import CONTAINERS, EVENTS, SAMPLES, SIGNALS, Report, empty

if TYPE_CHECKING:
    from pathlib import Path

# Amounts that are by chance all that 31 or 32 bits hold are warned of.
pytestmark = pytest.mark.filterwarnings("ignore:.* may have lost bits")

START = 1_700_000_000
PODS = ("api-7d4b9c8f6d-m8rtz", "db-0", "solo")


def instant(second: int) -> dt.datetime:
    """An instant so many seconds after the start."""
    return dt.datetime.fromtimestamp(START + second, dt.UTC)


@st.composite
def recordings(
    draw: st.DrawFn, signals: tuple[str, ...] = ("rss_bytes", "allocated_bytes"), most: int = 1 << 40
) -> rm.Recording:
    """Small recordings of up to three pods, with limits that change, restarts and odd values."""
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "time": st.integers(START, START + 20),
                    "pod": st.sampled_from(PODS),
                    "limit_bytes": st.sampled_from([None, 1 << 29, 1 << 30]),
                    "restarts_total": st.sampled_from([None, 0, 1, 2]),
                    # Whether a zero was measured is told by the other values.
                    **{name: st.one_of(st.none(), st.integers(1, most)) for name in signals},
                },
            ),
            min_size=1,
            max_size=20,
        ),
    )
    whole = dict.fromkeys(("time", "limit_bytes", "restarts_total", *signals), pl.Int64)
    return rm.Recording.from_frame(pl.DataFrame(rows, schema_overrides=whole))


def kept(recording: rm.Recording) -> list[tuple[Any, ...]]:
    """Samples as rows that name their pod, whatever the ids are."""
    joined = recording.samples.join(recording.containers.select("container_id", "pod"), on="container_id")
    return joined.select("pod", "time", "rss_bytes", "allocated_bytes").sort(pl.all()).rows()


@given(recordings())
def test_a_recording_is_sorted_and_has_no_doubles(recording: rm.Recording) -> None:
    """Nothing downstream has to sort or dedupe again."""
    keys = recording.samples.select("container_id", "time").rows()
    assert keys == sorted(set(keys))
    assert recording.containers["container_id"].to_list() == list(range(recording.containers.height))
    times = recording.events.select("container_id", "time").rows()
    assert times == sorted(times)
    assert recording.samples.select(
        pl.any_horizontal(pl.col(name).is_not_null() for name in SIGNALS).all(),
    ).item()


@given(recordings())
def test_parquet_gives_the_same_recording_back(
    tmp_path_factory: pytest.TempPathFactory, recording: rm.Recording
) -> None:
    """Samples, containers, events and report all survive, types included."""
    path = recording.write(tmp_path_factory.mktemp("written") / "a.parquet")
    again = rm.read_recording(path)
    assert again == recording
    assert again.samples.schema == SAMPLES
    assert [file.name for file in path.parent.iterdir()] == ["a.parquet"]


@given(recordings(), st.integers(-5, 25), st.integers(-5, 25))
def test_a_window_keeps_what_lies_inside(recording: rm.Recording, one: int, other: int) -> None:
    """Both ends included, nothing else, and windows of windows are windows."""
    first, last = sorted((one, other))
    window = recording.window(instant(first), instant(last))
    expected = recording.samples.filter(pl.col("time").is_between(instant(first), instant(last)))
    assert window.samples.equals(expected)
    assert set(window.containers["container_id"]) == set(expected["container_id"])
    assert window.events["time"].is_between(instant(first), instant(last)).all()
    assert window.window(instant(first), instant(last)) == window
    assert recording.window(instant(first)).window(None, instant(last)).samples.equals(expected)


@given(recordings())
def test_an_open_window_is_the_whole(recording: rm.Recording) -> None:
    """No bounds keep every container that has samples."""
    assert recording.window().samples.equals(recording.samples)
    assert (
        recording.window()
        .events.filter(
            ~pl.col("container_id").is_in(recording.samples["container_id"].implode()),
        )
        .is_empty()
    )


@given(recordings(), st.sampled_from(["api", "db", "solo", "none"]))
def test_filters_split_a_recording(recording: rm.Recording, workload: str) -> None:
    """What a filter keeps and what its opposite keeps are together the whole."""
    if workload not in recording.containers["workload"]:
        with pytest.raises(UnknownWorkloadError):
            recording.filter(workload=workload)
        return
    inside = recording.filter(workload=workload)
    outside = recording.filter(pl.col("workload") != workload)
    assert set(inside.containers["workload"]) <= {workload}
    for name in ("containers", "samples", "events"):
        whole = getattr(recording, name)
        parts = pl.concat([getattr(inside, name), getattr(outside, name)])
        assert parts.sort("container_id", maintain_order=True).equals(whole)


@given(recordings())
def test_a_recording_put_to_itself_is_itself(recording: rm.Recording) -> None:
    """Nothing is doubled; only the report counts what came twice."""
    twice = rm.concat([recording, recording])
    assert twice.samples.equals(recording.samples)
    assert twice.containers.equals(recording.containers)
    assert twice.events.equals(recording.events)


#: What every limit here allows: whether a value is impossible is told by the limits and neighbours that are known.
POSSIBLE = recordings(most=1 << 33)


@given(POSSIBLE, st.integers(0, 20))
def test_two_windows_put_together_are_the_whole(recording: rm.Recording, cut: int) -> None:
    """A recording pulled in two pieces is the recording pulled at once."""
    pieces = [recording.window(None, instant(cut)), recording.window(instant(cut + 1), None)]
    assert kept(rm.concat(pieces)) == kept(recording)


@given(recordings(("rss_bytes",), 1 << 33), recordings(("allocated_bytes",), 1 << 33))
def test_concat_of_different_signals_does_not_depend_on_order(one: rm.Recording, other: rm.Recording) -> None:
    """Where no value is said twice, either may come first."""
    first, second = rm.concat([one, other]), rm.concat([other, one])
    assert first.samples.equals(second.samples)
    for name in ("rss_bytes", "allocated_bytes"):
        assert first.samples[name].count() == one.samples[name].count() + other.samples[name].count()


@given(POSSIBLE, POSSIBLE, POSSIBLE)
def test_concat_is_associative(one: rm.Recording, two: rm.Recording, three: rm.Recording) -> None:
    """It does not matter which pieces are put together first."""
    assert kept(rm.concat([rm.concat([one, two]), three])) == kept(rm.concat([one, rm.concat([two, three])]))


@given(
    st.dictionaries(st.integers(0, 20), st.integers(1 << 35, 1 << 40), min_size=1),
    st.integers(0, 2),
    st.booleans(),
)
def test_what_no_limit_allows_hides_nothing(wild: dict[int, int], place: int, known: bool) -> None:
    """An impossible value is left out and counted wherever it stands, and what else was said then is kept."""
    whole = pl.DataFrame({"time": range(21), "pod": "db-0", "rss_bytes": range(1, 22), "limit_bytes": 1 << 29})
    limit = {"limit_bytes": pl.lit(1 << 29 if known else None, pl.Int64)}
    odd = pl.DataFrame({"time": list(wild), "pod": "db-0", "rss_bytes": list(wild.values())}).with_columns(**limit)
    expected = rm.Recording.from_frame(whole).samples
    pieces = [whole.filter(pl.col("time") < 10), whole.filter(pl.col("time") >= 10)]
    pieces.insert(place, odd)
    one, two, three = map(rm.Recording.from_frame, pieces)
    for made in (
        *(rm.concat([rm.concat([one, two]), three]), rm.concat([one, rm.concat([two, three])])),
        *(rm.concat([one, two, three]), rm.Recording.from_frame(pl.concat(pieces, how="diagonal_relaxed"))),
    ):
        assert made.samples.equals(expected)
        assert not any("contradict" in reason for reason in made.report.left_out)
        assert any("far above" in reason for reason in made.report.left_out)


def test_where_two_recordings_differ_the_later_wins_and_it_is_counted() -> None:
    """The report tells values that contradict each other from exact copies."""
    one, two = (
        rm.Recording.from_frame(pl.DataFrame({"time": [0, 60], "pod": ["db-0"] * 2, "rss_bytes": values}))
        for values in ([1, 2], [3, None])
    )
    both = rm.concat([one, two])
    assert both.samples["rss_bytes"].to_list() == [3, 2]
    assert both.report.left_out == {
        "rows without any value": 1,
        "values that contradict each other at one instant; the later one was used": 1,
    }


def test_copies_and_contradictions_are_counted_apart() -> None:
    """Of three values for an instant one stands, a copy of it is a copy, and what differs contradicts it."""
    table = pl.DataFrame(
        {"time": [0, 0, 0, 60], "rss_bytes": [1, 2, 2, 3], "anon_bytes": [1, 1, None, 1], "threads": [None, None, 4, 4]}
    )
    recording = rm.Recording.from_frame(table)
    assert recording.samples.select("rss_bytes", "anon_bytes", "threads").rows() == [(2, 1, 4), (3, 1, 4)]
    assert recording.report.left_out == {
        "values given twice for one instant": 2,
        "values that contradict each other at one instant; the later one was used": 1,
    }


@pytest.mark.parametrize(
    ("times", "assumed"),
    [
        ([dt.datetime(2026, 1, 1)], True),  # noqa: DTZ001 - a naive time is what is tested
        ([dt.date(2026, 1, 1)], True),
        (["2026-01-01T00:00:00"], True),
        (["2026-01-01T00:00:00Z", "2026-01-01T00:00:00"], True),
        (["2026-01-01"], True),
        ([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], False),
        (["2026-01-01T00:00:00Z", "2026-01-01 00:00:00.5+01:00"], False),
        ([0], False),
    ],
    ids=["datetime", "date", "text", "text, one of two", "text, day", "aware", "text with zones", "number"],
)
def test_an_assumed_zone_is_said(times: list[object], assumed: bool) -> None:
    """Times without a zone are taken as UTC, and the report says so; others need no such word."""
    frame = pl.DataFrame({"time": times, "rss_bytes": [1] * len(times)})
    assert ("UTC was assumed" in rm.Recording.from_frame(frame).report.time_axis) is assumed


def test_a_table_without_memory_hears_what_would_do() -> None:
    """The error lists the memory columns that are known, those that exist, and the nearest name."""
    with pytest.raises(ColumnError, match=r"One of these would do: .*rss_bytes.*It has: time, rss_byte\.") as caught:
        rm.Recording.from_frame(pl.DataFrame({"time": [0], "rss_byte": [1]}))
    assert "working_set_bytes" in str(caught.value)
    assert str(caught.value).endswith("Hint: rename 'rss_byte' to 'rss_bytes'?")


@pytest.mark.parametrize("name", ["cluster", "namespace", "workload", "pod", "container"])
def test_a_name_that_no_container_has_is_an_error(name: str) -> None:
    """A mistyped name is said with those that exist; an expression may find nothing."""
    recording = rm.Recording.from_frame(
        pl.DataFrame(
            {"time": [0], "rss_bytes": [1]}
            | {column: ["shop"] for column in ("cluster", "namespace", "workload", "pod", "container")}
        )
    )
    with pytest.raises(UnknownWorkloadError, match=f"No {name} 'shp'\\. There are: shop\\. Hint: did you mean 'shop'"):
        recording.filter(**{name: ["shop", "shp"]})
    assert recording.filter(pl.col(name) == "shp").containers.height == 0
    assert recording.filter(**{name: "shop"}) == recording


def test_an_unknown_name_can_be_asked_for() -> None:
    """None finds the containers whose namespace is not known."""
    recording = rm.Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [1]}))
    assert recording.filter(namespace=None, workload="db") == recording


def test_kubectl_and_prometheus_speak_of_one_pod() -> None:
    """A log without uid and owner joins the export that has them; each signal keeps its own instants."""
    name = {"namespace": ["shop"] * 2, "pod": [PODS[0]] * 2, "container": ["app"] * 2}
    kubectl = rm.Recording.from_frame(
        pl.DataFrame(
            {"time": [0, 60], **name, "working_set_bytes": [1 << 20, 2 << 20], "quantum_bytes": [1 << 20] * 2}
        ),
        source="kubectl top",
    )
    prometheus = rm.Recording.from_frame(
        pl.DataFrame(
            {
                "time": [5, 60],
                **name,
                "pod_uid": ["u1"] * 2,
                "workload": ["checkout"] * 2,
                "allocated_bytes": [7, 8],
                "limit_bytes": [1 << 30] * 2,
            },
        ),
        source="prometheus",
    )
    for parts in ([kubectl, prometheus], [prometheus, kubectl]):
        both = rm.concat(parts)
        assert both.containers.select(
            "workload", "workload_inferred", "pod_uid", "limit_bytes", "limit_known"
        ).rows() == [
            ("checkout", False, "u1", 1 << 30, True),
        ]
        assert both.samples.select("working_set_bytes", "allocated_bytes").rows() == [
            (1 << 20, None),
            (None, 7),
            (2 << 20, 8),
        ]
        assert set(both.report.sources) == {"kubectl top", "prometheus"}


def test_an_owner_read_by_the_users_pattern_survives_concat() -> None:
    """Putting recordings together does not infer again what was inferred with a pattern."""
    frame = pl.DataFrame({"time": [0], "pod": ["shop_cart.7"], "rss_bytes": [1]})
    parts = [
        rm.Recording.from_frame(frame.with_columns(pl.col("time") + shift), workload_pattern=r"_(?P<workload>\w+)\.")
        for shift in (0, 60)
    ]
    assert rm.concat(parts).containers.select("workload", "workload_inferred").rows() == [("cart", True)]


@pytest.mark.parametrize("turned", [False, True], ids=["in-order", "turned"])
def test_the_later_limit_counts_whatever_the_order(turned: bool) -> None:
    """Last week's recording put after this week's does not bring last week's limit back."""
    weeks = [
        rm.Recording.from_frame(
            pl.DataFrame({"time": [time], "pod": ["db-0"], "rss_bytes": [1], "limit_bytes": [limit]})
        )
        for time, limit in ((START, 1 << 29), (START + 604_800, 1 << 30))
    ]
    assert rm.concat(weeks[::-1] if turned else weeks).containers["limit_bytes"].to_list() == [1 << 30]


def test_days_of_a_spreadsheet_are_no_seconds() -> None:
    """Days since 1900, minutes, digits of a date, other epochs are refused; seconds since a start are not."""
    days = pl.DataFrame({"time": [46_000 + at / 1440 for at in range(50)], "rss_bytes": 1 << 20})
    with pytest.raises(ColumnError, match="'time' holds days of a spreadsheet, such as 46000"):
        rm.Recording.from_frame(days)
    for start, step in ((29_919_360, 1), (202_611_200_800, 1), (816_854_400, 60), (134_396_352 * 10**9, 6 * 10**8)):
        other = pl.DataFrame({"time": [start + step * at for at in range(50)], "rss_bytes": 1 << 20})
        with pytest.raises(ColumnError, match="counts from another day than 1970"):
            rm.Recording.from_frame(other)
    seconds = pl.DataFrame({"time": [at + 0.5 for at in range(50)], "rss_bytes": 1 << 20})
    assert rm.Recording.from_frame(seconds).height == 50


def test_who_is_alone_in_its_recording_gets_no_empty_cluster() -> None:
    """Where two recordings contradict each other, a container of a third one keeps its unknown cluster."""
    flat, rising, other = (
        rm.Recording.from_frame(
            pl.DataFrame(
                {
                    "time": range(0, 6000, 60),
                    "pod": pod,
                    "workload": pod,
                    "rss_bytes": [(300 + at * step) << 20 for at in range(100)],
                }
            ),
            source=name,
        )
        for name, pod, step in (("eu", "web", 0), ("us", "web", 5), ("it", "db", 0))
    )
    both = rm.concat([flat, rising, other]).containers.select("workload", "cluster").sort("workload", "cluster")
    assert both.rows() == [("db", None), ("web", "eu"), ("web", "us")]


def test_concat_of_nothing_is_an_error() -> None:
    """There is no empty recording to stand for it."""
    with pytest.raises(RmtoolkitError, match="no recording"):
        rm.concat([])


LIMITS = pl.DataFrame(
    {
        "time": [START, START + 10, START + 20],
        "pod": ["db-0"] * 3,
        "rss_bytes": [1, 2, 3],
        "limit_bytes": [1 << 28, 1 << 29, 1 << 30],
    },
)


@pytest.mark.parametrize(("end", "limit"), [(5, 1 << 28), (10, 1 << 29), (15, 1 << 29), (20, 1 << 30)], ids=str)
def test_a_window_has_the_limit_of_its_end(end: int, limit: int) -> None:
    """A limit raised later is not the limit of the week before."""
    window = rm.Recording.from_frame(LIMITS).window(None, instant(end))
    assert window.containers["limit_bytes"].to_list() == [limit]


def test_a_limit_set_after_the_window_is_not_known_in_it() -> None:
    """Where only the later change is on record, the window's limit is unknown, not the later one."""
    recording = rm.Recording.from_frame(
        LIMITS.drop("limit_bytes").with_columns(limit_bytes=pl.lit(1 << 30)),
        events=pl.DataFrame({"time": [START + 15], "kind": ["limit"], "value_bytes": [1 << 30]}),
    )
    window = recording.window(None, instant(10))
    assert window.containers.select("limit_bytes", "limit_known").row(0) == (None, False)
    assert recording.window().containers.select("limit_bytes", "limit_known").row(0) == (1 << 30, True)


def test_the_last_stretch_ends_with_the_last_sample() -> None:
    """`last` counts back from the last sample, or from the given end."""
    recording = rm.Recording.from_frame(LIMITS)
    assert recording.window(last="10s").samples["rss_bytes"].to_list() == [2, 3]
    assert recording.window(last=dt.timedelta(seconds=10), end=instant(10)).samples["rss_bytes"].to_list() == [1, 2]
    assert recording.window(last="9999w").samples.height == 3
    assert recording.window(last="200000w").samples.height == 3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"start": "2026-01-02", "end": "2026-01-01"}, "ends .* before it starts", id="backwards"),
        pytest.param({"start": "2026-01-02", "last": "1d"}, "either start or last", id="both"),
        pytest.param({"last": "a while"}, "is no duration", id="no-duration"),
        pytest.param({"end": "tomorrow"}, "is no time", id="no-time"),
    ],
)
def test_windows_that_make_no_sense_are_refused(options: dict[str, str], match: str) -> None:
    """The message says what is wrong with the window."""
    with pytest.raises(RmtoolkitError, match=match):
        rm.Recording.from_frame(LIMITS).window(**options)


def test_a_window_of_nothing_is_an_empty_recording() -> None:
    """An hour without samples has no containers, and every view of it still works."""
    nothing = rm.Recording.from_frame(LIMITS).window("2020-01-01", "2020-01-02")
    assert repr(nothing) == "<Recording: 0 containers, 0 samples>"
    assert nothing.frame().is_empty()
    assert nothing.completeness().is_empty()
    assert "0 containers" in nothing._repr_html_()
    assert nothing.window(last="1d").samples.is_empty()
    assert rm.validate(nothing).is_empty()
    assert rm.concat([nothing, nothing]).samples.schema == SAMPLES


def test_filter_takes_values_lists_and_expressions() -> None:
    """All conditions hold at once."""
    frame = pl.DataFrame({"time": [0] * 3, "namespace": ["a", "a", "b"], "pod": PODS, "rss_bytes": [1, 2, 3]})
    recording = rm.Recording.from_frame(frame)
    assert recording.filter(namespace="a", workload=["db", "solo"]).containers["pod"].to_list() == ["db-0"]
    assert recording.filter(pl.col("pod").str.starts_with("s"), namespace="b").containers["pod"].to_list() == ["solo"]
    assert recording.filter() == recording
    assert recording.filter(container_id=0).containers.height == 1
    with pytest.raises(UnknownWorkloadError, match=r"namespace='a', workload='solo'.*not together"):
        recording.filter(namespace="a", workload="solo")


def test_a_filter_on_no_column_suggests_one() -> None:
    """The nearest column is named."""
    with pytest.raises(ColumnError, match="did you mean 'workload'"):
        rm.Recording.from_frame(LIMITS).filter(workloads="db")


def test_the_joined_frame_is_tidy() -> None:
    """Identity, limits, time and every signal that has a value; one row per sample."""
    recording = rm.Recording.from_frame(LIMITS)
    frame = recording.frame()
    assert frame.height == 3
    assert frame.columns[-2:] == ["time", "rss_bytes"]
    assert frame["limit_bytes"].unique().to_list() == [1 << 30]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0, 0.0, 1e30, None])
def test_cpus_that_cannot_be_are_unknown(odd: float | None, tmp_path: Path) -> None:
    """A frame tells CPUs as facts: what is no number of CPUs is no statement, and what is survives every door."""
    rows = [{"time": START + at, "container": "api", "rss_bytes": 1 << 20, "quota_cores": odd} for at in range(3)]
    first = rm.Recording.from_frame(pl.DataFrame(rows, schema_overrides={"quota_cores": pl.Float64}))
    assert first.containers["quota_cores"].to_list() == [None]
    rows[1]["quota_cores"] = 2.0
    told = rm.Recording.from_frame(pl.DataFrame(rows, schema_overrides={"quota_cores": pl.Float64}))
    told.write(tmp_path / "told.parquet")
    for again in (told, rm.read(tmp_path / "told.parquet"), rm.Recording.from_frame(told.frame())):
        assert again.containers["quota_cores"].to_list() == [2.0]
    with pytest.raises(ColumnError, match="quota_cores"):
        rm.Recording.from_frame(pl.DataFrame(rows).with_columns(quota_cores=pl.lit("x")))


def test_completeness_counts_the_scrapes_that_were_due() -> None:
    """Three of four minutes is three quarters; one sample says nothing."""
    frame = pl.DataFrame(
        {"time": [0, 60, 120, 240, 0], "pod": ["a-0"] * 4 + ["b-0"], "rss_bytes": [1] * 5, "load": [1.0] * 5},
    )
    found = rm.Recording.from_frame(frame).completeness()
    assert found.select("samples", "expected", "coverage").rows() == [(4, 5, 0.8), (1, None, None)]


def test_the_repr_says_what_is_inside() -> None:
    """One line: containers, samples, and from when to when in UTC."""
    assert repr(rm.Recording.from_frame(LIMITS)) == (
        "<Recording: 1 container, 3 samples, 2023-11-14 22:13 to 2023-11-14 22:13 UTC>"
    )


class _Tags(HTMLParser):
    """Collect tags and text, and check that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.tags.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_notebook_shows_what_is_there_and_what_is_not() -> None:
    """Signals, events, limits, coverage, and everything that was left out."""
    frame = LIMITS.with_columns(rss_bytes=pl.Series([1.0, float("nan"), 3.0]), colour=pl.lit("red"))
    page = _Tags()
    page.feed(rm.Recording.from_frame(frame)._repr_html_())
    assert page.open == []
    for text in (
        "1 container",
        "signals: RSS",
        "3 × limit",
        "1,024 Mi",
        "columns not used: 'colour'",
        "1 value that was NaN",
    ):
        assert text in page.text


def test_a_row_of_the_notebook_says_all_of_a_container_or_that_it_is_unknown() -> None:
    """Names with what was inferred, the limit, how often it was scraped, how many samples of how many came."""
    frame = pl.DataFrame(
        {
            "time": [0, 30, 60, 120, 0],
            "namespace": ["shop"] * 4 + [None],
            "pod": ["cart-5d89f7b9c4-x2x7k"] * 4 + [None],
            "container": ["app"] * 4 + [None],
            "limit_bytes": [512 << 20] * 4 + [None],
            "workload": [None] * 4 + ["job"],
            "rss_bytes": [1 << 20] * 5,
        }
    )
    rows = re.findall(r"<tr>(.*?)</tr>", rm.Recording.from_frame(frame)._repr_html_())[1:]
    assert [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows] == [
        ["shop/cart (inferred)", "cart-5d89f7b9c4-x2x7k / app", "512 Mi", "30 s", "4", "80 %"],
        ["job", "– / –", "unknown", "unknown", "1", "unknown"],
    ]


def test_the_notebook_escapes_hostile_names() -> None:
    """A pod called like a script is shown, not run."""
    evil = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    frame = pl.DataFrame({"time": [0], "pod": [evil], "namespace": [evil], "rss_bytes": [1], evil: [0]})
    page = _Tags()
    page.feed(rm.Recording.from_frame(frame)._repr_html_())
    assert page.tags <= {"div", "p", "b", "br", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert evil in page.text


def test_a_large_fleet_is_not_all_shown() -> None:
    """Twenty containers and a count of the others."""
    frame = pl.DataFrame({"time": [0] * 2_000, "pod": [f"db-{n}" for n in range(2_000)], "rss_bytes": [1] * 2_000})
    text = rm.Recording.from_frame(frame)._repr_html_()
    assert text.count("<tr>") == 21
    assert "and 1,980 more containers" in text
    for number, said in ((20, False), (21, True)):
        text = rm.Recording.from_frame(frame.head(number))._repr_html_()
        assert ("and 1 more container<" in text, " more " in text) == (said, said)


def test_a_recording_checks_its_schemas() -> None:
    """A frame that was put together by hand is refused with what differs and how to do it."""
    frames: dict[str, Any] = {"containers": empty(CONTAINERS), "samples": empty(SAMPLES), "events": empty(EVENTS)}
    assert rm.Recording(**frames).samples.is_empty()
    wrong: dict[str, Any] = frames | {
        "samples": empty(SAMPLES).with_columns(pl.col("rss_bytes").cast(pl.UInt64), extra=pl.lit(1))
    }
    with pytest.raises(RmtoolkitError, match=r"rss_bytes is UInt64, not Int64; extra is unknown.*from_frame"):
        rm.Recording(**wrong)
    turned: dict[str, Any] = frames | {"events": empty(EVENTS).select(reversed(EVENTS.names()))}
    with pytest.raises(RmtoolkitError, match=r"events frame .* the order differs"):
        rm.Recording(**turned)


def test_a_recording_equals_only_a_recording() -> None:
    """Frames and reports decide; it has no hash, since frames have none."""
    recording = rm.Recording.from_frame(LIMITS)
    assert recording == rm.Recording.from_frame(LIMITS)
    assert recording != rm.Recording.from_frame(LIMITS, source="elsewhere")
    assert recording != "a recording"
    # Each frame counts, whatever the others are.
    for name in ("containers", "samples", "events"):
        assert recording != dataclasses.replace(recording, **{name: getattr(recording, name).clear()}), name
    with pytest.raises(TypeError):
        hash(recording)


def test_every_function_takes_a_recording_or_a_frame() -> None:
    """The recording itself comes back untouched."""
    recording = rm.Recording.from_frame(LIMITS)
    assert as_recording(recording) is recording
    assert as_recording(LIMITS) == recording
    assert as_recording(LIMITS.lazy()) == recording
    assert as_recording(LIMITS.to_pandas()) == recording


def test_a_written_recording_is_a_tidy_table_for_others(tmp_path: Path) -> None:
    """Any Parquet reader sees names, times and signals."""
    path = rm.Recording.from_frame(LIMITS).write(tmp_path / "a.parquet")
    table = pl.read_parquet(path)
    assert table.select("workload", "pod", "rss_bytes").row(0) == ("db", "db-0", 1)


def _foreign(path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(path)


def _broken_metadata(path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(path, metadata={"rmtoolkit.recording": '{"containers": 3}'})


def _no_object(path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(path, metadata={"rmtoolkit.recording": "[]"})


def _of_the_future(path: Path) -> None:
    rm.Recording.from_frame(LIMITS).write(path)
    kept = json.loads(pl.read_parquet_metadata(path)["rmtoolkit.recording"])
    kept["report"] = json.dumps({"colour": "red"})
    pl.read_parquet(path).write_parquet(path, metadata={"rmtoolkit.recording": json.dumps(kept)})


def _truncated(path: Path) -> None:
    rm.Recording.from_frame(LIMITS).write(path)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        pytest.param(lambda path: path.write_bytes(b""), "expected a recording in Parquet", id="empty"),
        pytest.param(lambda path: path.write_bytes(b"<html>login"), "expected a recording in Parquet", id="html"),
        pytest.param(
            lambda path: path.write_bytes(b"PAR1" + bytes(200)), "expected a recording in Parquet", id="zeros"
        ),
        pytest.param(_truncated, "expected a recording in Parquet", id="truncated"),
        pytest.param(_foreign, "found 'another Parquet file'.*Use rm.read", id="another"),
        pytest.param(_broken_metadata, "expected a recording in Parquet", id="broken-metadata"),
        pytest.param(_no_object, "expected a recording in Parquet", id="no-object"),
        pytest.param(_of_the_future, "expected a recording in Parquet", id="of-the-future"),
        pytest.param(lambda path: path.mkdir(), "expected a recording in Parquet", id="a-folder"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, make: Any, match: str) -> None:
    """One line that names the file, what was found and what was expected."""
    path = tmp_path / "a.parquet"
    make(path)
    with pytest.raises(ReadError, match=match) as caught:
        rm.read_recording(path)
    assert "a.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_not_there(tmp_path: Path) -> None:
    """The usual error says so."""
    with pytest.raises(FileNotFoundError):
        rm.read_recording(tmp_path / "a.parquet")


def test_reports_join_without_repeating_themselves() -> None:
    """Counts are summed, lines are kept once and in order."""
    one = Report(sources=("a",), asked="x", missing=("limits",), left_out={"NaN": 1}, partial=("cut",), warnings=("w",))
    two = Report(sources=("b", "a"), asked="x", missing=("limits", "uid"), left_out={"NaN": 2, "odd": 1})
    assert one.joined(two) == Report(
        sources=("a", "b"),
        asked="x",
        missing=("limits", "uid"),
        left_out={"NaN": 3, "odd": 1},
        partial=("cut",),
        warnings=("w",),
    )
    assert one.joined(two).notes() == (
        "partial: cut",
        "missing: limits",
        "missing: uid",
        "left out: 3 NaN",
        "left out: 1 odd",
        "w",
    )


def test_a_recording_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """A signal that the writer did not know yet is unknown; the rest is there."""
    path = rm.Recording.from_frame(LIMITS).write(tmp_path / "a.parquet")
    metadata = {"rmtoolkit.recording": pl.read_parquet_metadata(path)["rmtoolkit.recording"]}
    pl.read_parquet(path).drop("refaults_total").write_parquet(path, metadata=metadata)
    samples = rm.read_recording(path).samples
    assert samples["rss_bytes"].to_list() == [1, 2, 3]
    assert samples["refaults_total"].null_count() == 3


def test_a_frame_whose_rows_fall_on_few_instants_is_refused() -> None:
    """Many rows for a day, of which only the last would be left: an error; a Series is a table."""
    days = pl.DataFrame({"time": [dt.date(2026, 11, 18)] * 60, "pod": ["db-0"] * 60, "rss_bytes": range(60)})
    with pytest.raises(RmtoolkitError, match="60 values fall on 1 instant"):
        rm.Recording.from_frame(days)
    hours = pl.DataFrame({"time": [0, 60], "rss_bytes": [9, 8]}).to_pandas().set_index("time")["rss_bytes"]
    assert rm.Recording.from_frame(hours).samples["rss_bytes"].to_list() == [9, 8]  # type: ignore[arg-type]
    with pytest.raises(RmtoolkitError, match=r"polars\.DataFrame"):
        rm.Recording.from_frame({"time": [0]})  # type: ignore[arg-type]


def test_a_recording_of_before_gives_no_limit_that_cannot_be(tmp_path: Path) -> None:
    """Older versions stored whatever limit they were given: opening takes it for unknown, and says so."""
    made = rm.Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["a-0"], "rss_bytes": [9]}))
    wrong = made.containers.with_columns(limit_bytes=pl.lit(2, pl.Int64), limit_known=True)
    path = dataclasses.replace(made, containers=wrong).write(tmp_path / "a.parquet")
    with pytest.warns(RmtoolkitWarning, match="Left out 1 limit below 1 MiB"):
        recording = rm.read(path)
    assert recording.containers.select("limit_bytes", "limit_known").row(0) == (None, False)
