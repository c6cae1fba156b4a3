from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit import text
from rmtoolkit.text import GI, MI


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 Mi"),
        (300, "0.293 Ki"),
        (0.5 * MI, "0.5 Mi"),
        (512 * MI, "512 Mi"),
        (2873 * MI, "2,870 Mi"),
        (9.99 * GI, "10,200 Mi"),
        (10 * GI, "10 GiB"),
        (-3.25 * MI, "−3.25 Mi"),
        (None, "unknown"),
    ],
    ids=str,
)
def test_measured_memory(value: float, written: str) -> None:
    """Measured amounts have three significant digits and the unit of their size."""
    assert text.memory(value) == written


@given(st.floats(min_value=1, max_value=1e15))
def test_numbers_have_three_significant_digits(value: float) -> None:
    """No number shows more than three digits that mean something, and it is near what was measured."""
    shown = text.number(value).replace(",", "")
    assert len(shown.replace(".", "").strip("0")) <= 3
    assert float(shown) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1 / 3600, "1 s"),
        (59 / 3600, "59 s"),
        (0.5, "30 min"),
        (1, "1 h"),
        (9.46, "9.5 h"),
        (71, "71 h"),
        (72, "3 d"),
        (2400, "100 d"),
        (None, "unknown"),
    ],
    ids=str,
)
def test_spans(value: float, written: str) -> None:
    """Hours below 72, days from there on, minutes and seconds for short recordings."""
    assert text.hours(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "<0.1 %"), (0.0004, "<0.1 %"), (0.0123, "1.2 %"), (0.5, "50 %"), (0.99, "99 %"), (1.0, ">99 %")],
    ids=str,
)
def test_chances_are_never_certain(value: float, written: str) -> None:
    """A probability never reads 0 % or 100 %."""
    assert text.chance(value) == written


@given(st.floats(min_value=0, max_value=1))
def test_only_what_is_complete_reads_100(value: float) -> None:
    """A share is rounded down."""
    assert (text.share(value) == "100 %") == (value > 1 - 1e-9)


@pytest.mark.parametrize(
    ("outlook", "hours", "limit", "known", "written"),
    [
        ("reaches", 61.0, 512, True, "61 h"),
        ("reaches", 0.0, 512, True, "reached"),
        ("bounded", None, 512, True, "not reached"),
        ("unknown", None, 512, True, "unknown"),
        ("bounded", None, None, True, "no limit"),
        ("bounded", None, None, False, "limit unknown"),
    ],
)
def test_time_to_limit(outlook: str, hours: float | None, limit: int | None, known: bool, written: str) -> None:
    """No limit, an unknown limit and an unknown time are three different answers."""
    assert text.time_to_limit(outlook, hours, limit, known=known) == written


def test_times_are_utc_in_any_zone() -> None:
    """A time in another zone is shown in UTC."""
    there = dt.datetime(2026, 11, 25, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=3)))
    assert text.moment(there) == "Tue 24 Nov 22:30"


@given(st.text())
def test_foreign_text_becomes_one_printable_line(found: str) -> None:
    """Nothing from outside can move the cursor, change colours or break a line."""
    shown = text.printable(found)
    assert shown.isprintable()
    assert len(shown) == len(found)


def test_number() -> None:
    """Write a measured number with few significant digits."""
    assert [text.number(value) for value in (2873, 58.24, 0.04, -0.4, 31.0)] == ["2,870", "58.2", "0.04", "−0.4", "31"]


def test_memory() -> None:
    """Write a measured amount of memory."""
    assert (text.memory(242.4 * text.MI), text.memory(12.3 * text.GI), text.memory(None)) == (
        "242 Mi",
        "12.3 GiB",
        "unknown",
    )


def test_configured() -> None:
    """Write a limit or a request exactly as it was set."""
    assert (
        text.configured(1 << 30),
        text.configured(100_000_000),
        text.configured(None),
        text.configured(None, known=False),
    ) == ("1,024 Mi", "95.37 Mi", "none", "unknown")


def test_configured_mi() -> None:
    """Write a configured amount in Mi without the unit."""
    assert text.configured_mi(1 << 29) == "512"


def test_small_memory() -> None:
    """Write an amount that may be smaller than a page, such as growth for each request."""
    assert (
        text.small_memory(12.34),
        text.small_memory(1946.0),
        text.small_memory(1900.0, like=1946.0),
        text.small_memory(3 * text.MI),
    ) == ("12.3 B", "1.9 Ki", "1.86", "3 Mi")


def test_peak_against_limit() -> None:
    """Write a peak beside the limit it must stay under."""
    assert (
        text.peak_against_limit(825.3 * text.MI, 1 << 30),
        text.peak_against_limit(118 * text.MI, None, unit=False),
    ) == ("825 / 1,024 Mi", "118 / none")
    assert text.peak_against_limit(118 * text.MI, None) == "118 Mi / none"


def test_rate() -> None:
    """Write a growth."""
    assert (text.rate(58.24 * text.MI, sign=True), text.rate(-0.4 * text.MI), text.rate(84 * text.GI)) == (
        "+58.2 Mi/day",
        "−0.4 Mi/day",
        "84 GiB/day",
    )


def test_rate_range() -> None:
    """Write the interval of a growth without its unit repeated."""
    assert (
        text.rate_range(52 * text.MI, 64 * text.MI),
        text.rate_range(-2.2 * text.MI, 1.5 * text.MI),
        text.rate_range(None, text.MI),
    ) == ("52–64", "−2.2 to 1.5", "")


def test_rate_with_range() -> None:
    """Write a growth and its interval in one unit."""
    assert (
        text.rate_with_range(58 * text.MI, 52 * text.MI, 64 * text.MI),
        text.rate_with_range(-20_000, -9 * text.MI, 8 * text.MI),
    ) == ("58 Mi/day (52–64)", "−0.0191 Mi/day (−9 to 8)")


def test_hours() -> None:
    """Write a span of time."""
    assert [text.hours(value) for value in (0.01, 0.5, 4.25, 61.2, 305)] == [
        "36 s",
        "30 min",
        "4.2 h",
        "61 h",
        "12.7 d",
    ]


def test_hours_range() -> None:
    """Write an interval of time; the unit stands once where both ends share it."""
    assert (text.hours_range(54, 69), text.hours_range(60, 100), text.hours_range(60, None)) == (
        "54–69 h",
        "60 h–4.2 d",
        "from 60 h",
    )


def test_time_to_limit_in_words() -> None:
    """Write how long until the limit is reached."""
    assert (
        text.time_to_limit("reaches", 61.0, 1),
        text.time_to_limit("bounded", None, 1),
        text.time_to_limit("unknown", None, None),
    ) == ("61 h", "not reached", "no limit")


def test_chance() -> None:
    """Write a probability."""
    assert [text.chance(value) for value in (0.97, 0.061, 0.0004, 0.998, None)] == [
        "97 %",
        "6.1 %",
        "<0.1 %",
        ">99 %",
        "unknown",
    ]


def test_share() -> None:
    """Write a share of something that can be complete."""
    assert (text.share(0.98765), text.share(0.99999), text.share(1.0), text.share(0.0)) == (
        "98.7 %",
        "99.9 %",
        "100 %",
        "0 %",
    )


def test_moment() -> None:
    """Write an instant in UTC; the view names UTC once."""
    assert text.moment(dt.datetime(2026, 11, 25, 9, tzinfo=dt.UTC)) == "Wed 25 Nov 09:00"


def test_day() -> None:
    """Write a day."""
    assert text.day(dt.datetime(2026, 11, 5, tzinfo=dt.UTC), year=True, weekday=False) == "5 Nov 2026"


def test_clock() -> None:
    """Write a time of day."""
    assert text.clock(dt.datetime(2026, 11, 25, 9, 0, 7, tzinfo=dt.UTC), seconds=True) == "09:00:07"


def test_period() -> None:
    """Write a stretch of time."""
    start = dt.datetime(2026, 11, 16, 3, 5, tzinfo=dt.UTC)
    assert (text.period(start, start + dt.timedelta(days=7)), text.period(start, start + dt.timedelta(minutes=20))) == (
        "16 Nov 03:05 to 23 Nov 2026 03:05 UTC",
        "16 Nov 2026 03:05 to 03:25 UTC",
    )


def test_count() -> None:
    """Write how many there are of something."""
    assert (text.count(1, "life", "lives"), text.count(2, "workload")) == ("1 life", "2 workloads")


def test_printable() -> None:
    """Make foreign text safe for one line of a terminal or an attribute."""
    assert text.printable("api\x1b[31m\nevil") == "api·[31m·evil"


def test_amounts_under_a_head_that_names_the_unit() -> None:
    """Mi of a container, GiB of a fleet, intervals with a word where a minus would be read as a range."""
    assert (text.mi(242.4 * text.MI), text.gib(38.25 * text.GI)) == ("242", "38.2")
    assert (text.mi_range(52 * text.MI, 64 * text.MI), text.mi_range(-text.MI, text.MI)) == ("52–64", "−1 to 1")


def test_fleet_memory() -> None:
    """A fleet is counted in GiB, small amounts in Mi; nothing is 0 GiB."""
    assert [text.fleet_memory(value) for value in (38.2 * text.GI, -3 * text.MI, 0)] == ["38.2 GiB", "−3 Mi", "0 GiB"]
    assert text.fleet_memory(2.5 * text.GI, sign=True) == "+2.5 GiB"


def test_stamps_can_be_typed() -> None:
    """A stamp is UTC whatever the zone, with seconds where they are asked for."""
    time = dt.datetime(2026, 11, 25, 9, 0, 7, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert (text.stamp(time), text.stamp(time, seconds=True)) == ("2026-11-25 07:00", "2026-11-25 07:00:07")


def test_money() -> None:
    """Hundredths below a hundred, three digits above; the currency is any word."""
    assert [text.money(value, "USD") for value in (3.5, -0.25, 1234.5)] == ["3.50 USD", "−0.25 USD", "1,230 USD"]
    assert text.money(3, "", sign=True) == "+3.00"


def test_a_floor_has_two_digits() -> None:
    """What could have been found is an estimate."""
    assert (text.floor(4.26 * text.MI), text.floor(None)) == ("4.3 Mi/day", "unknown")
