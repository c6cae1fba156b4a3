"""Durations and instants as people write them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit._tables import asked_window, parse_duration, parse_time
from rmtoolkit.exceptions import RmtoolkitError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("7d", 604_800, id="days"),
        pytest.param("1h30m", 5_400, id="two-parts"),
        pytest.param("2w", 1_209_600, id="weeks"),
        pytest.param("1.5h", 5_400, id="fraction"),
        pytest.param("250ms", 0.25, id="milliseconds"),
        pytest.param("90s", 90, id="seconds"),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Each unit counts what it says."""
    assert parse_duration(text) == dt.timedelta(seconds=seconds)


def test_a_timedelta_is_a_duration() -> None:
    """A timedelta comes back as it is."""
    assert parse_duration(dt.timedelta(minutes=3)) == dt.timedelta(minutes=3)


@pytest.mark.parametrize("text", ["", "7", "d", "7 d", "7D", "-7d", "7d!", "1h 30m", "٧d", "7days", "1e3s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """The message quotes what was given and shows how to write it."""
    with pytest.raises(RmtoolkitError, match=r"is no duration\. Write it like '7d'"):
        parse_duration(text)


@pytest.mark.parametrize("value", ["0s", "0d", dt.timedelta(0), dt.timedelta(seconds=-1)], ids=str)
def test_a_duration_is_above_zero(value: str | dt.timedelta) -> None:
    """No time at all is no duration."""
    with pytest.raises(RmtoolkitError, match="above zero"):
        parse_duration(value)


def test_an_endless_duration_is_refused() -> None:
    """A number that no calendar holds is an error of ours, not an OverflowError."""
    with pytest.raises(RmtoolkitError, match="longer than any recording"):
        parse_duration("999999999999d")


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_clear_error(text: str) -> None:
    """Nothing but RmtoolkitError ever leaves the reader of durations."""
    found: dt.timedelta | RmtoolkitError
    try:
        found = parse_duration(text)
    except RmtoolkitError as error:
        found = error
    assert str(found).isprintable() if isinstance(found, RmtoolkitError) else found > dt.timedelta(0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("2026-11-23T03:05", "2026-11-23T03:05:00+00:00", id="naive-is-utc"),
        pytest.param("2026-11-23", "2026-11-23T00:00:00+00:00", id="a-day"),
        pytest.param("2026-11-23T03:05+01:00", "2026-11-23T02:05:00+00:00", id="with-offset"),
        pytest.param("2026-11-23T03:05Z", "2026-11-23T03:05:00+00:00", id="zulu"),
        pytest.param(dt.datetime(2026, 11, 23, 3, 5), "2026-11-23T03:05:00+00:00", id="datetime"),  # noqa: DTZ001
    ],
)
def test_instants_are_read(value: str | dt.datetime, expected: str) -> None:
    """Every instant comes out in UTC."""
    assert parse_time(value).isoformat() == expected


@given(st.text(max_size=20))
def test_any_text_is_an_instant_or_a_clear_error(text: str) -> None:
    """Nothing but RmtoolkitError ever leaves the reader of instants."""
    try:
        outcome = str(parse_time(text).tzinfo)
    except RmtoolkitError as error:
        outcome = str(error)
    assert outcome == "UTC" or "is no time" in outcome


def test_an_instant_before_the_calendar_is_refused() -> None:
    """An offset that leads out of the calendar is an error of ours."""
    with pytest.raises(RmtoolkitError, match="is no time"):
        parse_time("0001-01-01T00:00+10:00")


@pytest.mark.parametrize(
    ("asked", "begin"),
    [
        ((None, None, "2026-01-08"), "2026-01-01"),
        (("36h", None, "2026-01-08"), "2026-01-06T12:00"),
        ((None, "2026-01-07T23:59:59.999", "2026-01-08"), "2026-01-07T23:59:59.999"),
        (("9000000d", None, "2026-01-08"), "1970-01-02"),
    ],
)
def test_the_window_of_a_fetch_begins_where_it_is_asked_to(asked: tuple[str | None, ...], begin: str) -> None:
    """A week, so long before the end, or an instant; what is longer than the calendar begins with the clocks."""
    assert asked_window(*asked) == (parse_time(begin), parse_time("2026-01-08"))


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ((None, "2026-01-08", "2026-01-08"), r"The window ends \(2026-01-08T00:00:00\+00:00\) before it starts"),
        ((None, "2026-01-09", "2026-01-08"), r"before it starts \(2026-01-09T00:00:00\+00:00\)"),
        (("1d", "2026-01-07", "2026-01-08"), "Give either start or last, not both"),
    ],
)
def test_a_window_that_cannot_be_is_refused(asked: tuple[str | None, ...], match: str) -> None:
    """One without length, one that runs backwards, one that is said twice."""
    with pytest.raises(RmtoolkitError, match=match):
        asked_window(*asked)


def test_the_window_of_a_fetch_ends_now() -> None:
    """Without an end it is the last week."""
    before = dt.datetime.now(dt.UTC)
    begin, end = asked_window(None, None, None)
    assert end - begin == dt.timedelta(days=7)
    assert before <= end <= dt.datetime.now(dt.UTC)
