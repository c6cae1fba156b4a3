"""Time stamps: what each format says, and what is none."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders._timestamps import Asked, Kind, find, instants, shaped
from rmtoolkit.text import texts

LOCALES: Final = Path(__file__).parents[1] / "data" / "kubectl" / "date_locales.txt"
#: When logs were written for which nobody says it.
WRITTEN: Final = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
INSTANT: Final = dt.datetime(2026, 11, 24, 22, 52, 57, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "line",
    [line for line in LOCALES.read_text().splitlines() if line.split("\t")[1]],
    ids=lambda line: line.split("\t")[0],
)
def test_each_locale_of_date_means_the_same_instant(line: str) -> None:
    """The output of date in ten locales and ten formats is read as 22:52:57 UTC, as far as it says so."""
    name, text = line.split("\t")
    found = find(text)
    assert found is not None
    stamp = found[0]
    if name == "date +%H:%M:%S":
        assert (stamp.kind, stamp.milliseconds, stamp.utc) == (Kind.CLOCK, 82_377_000, False)
        return
    assert stamp.kind is Kind.DATED
    assert stamp.utc is (name != "date +%c")
    assert dt.datetime.fromtimestamp(stamp.milliseconds // 1000, dt.UTC) == INSTANT


@pytest.mark.parametrize(
    "text",
    [
        "út 24. listopadu 2026, 23:52:57 CET",
        "mardi 24 novembre 2026 23:52:57 CET",
        "Di 24. November 2026 23:52:57 CET",
        "вівторок, 24 листопада 2026 23:52:57 +0100",
        "2026. nov. 24., kedd, 23:52:57 CET",
        "2026. 11. 25. (수) 07:52:57 KST",
        "ti 24.11.2026 22.52.57 +0000",
        "dimarts, 24 de novembre de 2026, 23:52:57 CET",
        "Sal 24 Kas 2026 23:52:57 CET",
        "Τρί 24 Νοε 2026 23:52:57 CET",
        "wt, 24 lis 2026, 23:52:57 CET",
        "24/Nov/2026:22:52:57 +0000",
        "2026-11-24T22:52:57.0+00",
        "1795560777",
    ],
)
def test_other_languages(text: str) -> None:
    """The date of glibc in more languages, and the formats of web servers."""
    found = find(text)
    assert found is not None
    assert (found[0].kind, found[0].utc) == (Kind.DATED, True)
    assert dt.datetime.fromtimestamp(found[0].milliseconds / 1000, dt.UTC) == INSTANT


@pytest.mark.parametrize(
    "text",
    [
        "api-7d9f8b6c5d-x2x7k",
        "worker-0",
        "25:00:00",
        "12:61:00",
        "2026-02-30T10:00:00Z",
        "02/30/2026 10:00:00",
        "0001-01-01T00:00:00Z",
        "10.0.0.1:443",
        "629340",
        "job-1795560777",
        "",
    ],
)
def test_what_is_no_time_stamp(text: str) -> None:
    """Names, addresses, small numbers and impossible dates are none."""
    assert find(text) is None


@pytest.mark.parametrize("zone", ["CST", "IST", "PST", "XYZ"])
def test_a_zone_name_of_several_zones_does_not_count(zone: str) -> None:
    """CST is Chicago, Shanghai or Havana: the stamp says no zone."""
    found = find(f"Tue Nov 24 22:52:57 {zone} 2026")
    assert found is not None
    assert (found[0].kind, found[0].utc) == (Kind.DATED, False)


FORMATS: Final = (
    "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "%a %b %d %H:%M:%S UTC %Y", "%a, %d %b %Y %H:%M:%S +0000",
    "%b %d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%a %d %b %Y %I:%M:%S %p UTC", "%H:%M:%S", "%Y%m%d-%H%M%S",
)  # fmt: skip
moments = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2099, 12, 31)).map(  # noqa: DTZ001 - wall clocks
    lambda moment: moment.replace(microsecond=0),
)


@settings(deadline=None)
@given(moment=moments, form=st.sampled_from(FORMATS), before=st.sampled_from(["", "[web] ", "=== "]))
def test_any_moment_comes_back(moment: dt.datetime, form: str, before: str) -> None:
    """Written in any format and read, a moment is itself, as far as the format says it; also by its shape."""
    text = before + moment.replace(tzinfo=dt.UTC).strftime(form)
    found = find(text)
    assert found is not None
    stamp = found[0]
    base = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock
    expected = moment
    if stamp.kind is Kind.YEARLESS:
        expected = moment.replace(year=2000)
    elif stamp.kind is Kind.CLOCK:
        expected = base.replace(hour=moment.hour, minute=moment.minute, second=moment.second)
    assert base + dt.timedelta(milliseconds=stamp.milliseconds) == expected
    shape, of_day = shaped(pl.Series([text])).row(0)
    again = find(shape)
    assert again is not None
    assert (again[0] if of_day is None else again[0].at(of_day)) == stamp


@pytest.mark.parametrize("form", [form for form in FORMATS if "%Y" in form])
def test_a_date_is_no_earlier_than_1970(form: str) -> None:
    """In any format; nor is it later than 2200, whether a form goes as far or not."""
    years = ((1969, False), (1970, True), (2099, True), (2200, form.startswith("%Y-")), (2201, False))
    for year, is_date in years:
        for month in (1, 12):
            found = find(dt.datetime(year, month, 31, 23, 59, 59, tzinfo=dt.UTC).strftime(form))
            is_dated = found is not None and found[0].kind is Kind.DATED
            assert is_dated is is_date or (is_dated and year == 2200), (year, month)
            assert not (is_date and form.startswith("%Y-")) or (
                found is not None and not found[1]
            )  # all of it was read


@settings(max_examples=30)
@given(text=st.text(st.sampled_from(list("0123456789:.,-/+ TZNovAPM年月日\u0663")), max_size=30))
def test_no_text_crashes(text: str) -> None:
    """Whatever digits and signs come together, it is a stamp within bounds or none."""
    found = find(text)
    assert found is None or 0 <= found[0].milliseconds < 7_300_000_000_000


def test_clock_times_need_a_day() -> None:
    """A log of clock times without time= is refused, with advice."""
    found = find("22:51:29")
    assert found is not None
    with pytest.raises(ReadError, match="time='2026-11-24', timezone='UTC'"):
        instants([found[0]], (1, "22:51:29"), Asked("a.log"))


def test_no_name_is_of_two_months() -> None:
    """A date with any name of a month of the table is of that month; a name stands there once."""
    months = texts("loaders/times")["months"]
    names = [name for some in months.values() for name in some]
    assert (len(months), len(names)) == (12, len(set(names)))
    for number, some in months.items():
        for name in some:
            stamp = find(f"24 {name} 2026 10:11:12")
            assert stamp is not None, name
            day = dt.datetime.fromtimestamp(stamp[0].milliseconds / 1000, dt.UTC)
            assert (day.month, day.day) == (int(number), 24), name


@pytest.mark.parametrize(
    ("lines", "asked", "read"),
    [
        (
            "23:59:50 00:00:05 23:59:55 11:59:55",
            {"time": "2026-11-24T23:00"},
            "24T23:59:50 25T00:00:05 24T23:59:55 24T11:59:55",
        ),
        ("06:00:00 18:00:00 06:00:00", {"time": "2026-11-24"}, "24T06:00:00 24T18:00:00 24T06:00:00"),
        ("01:00:00", {"time": "2026-11-24T23:30", "timezone": "+02:00"}, "23T23:00:00"),
        (
            "Dec_31_23:59:59 Jan__1_00:00:00 Dec_31_23:59:58",
            {"time": "2026-12-31"},
            "12-31T23:59:59 01-01T00:00:00 12-31T23:59:58",
        ),
        ("Feb_29_12:00:00", {"time": "2026-03-01"}, "2026-03-01T12:00:00"),
        ("Feb_29_12:00:00", {"time": "2028-02-01"}, "2028-02-29T12:00:00"),
        ("Jan__2_00:00:00", {"time": "2026-12-30"}, "2027-01-02T00:00:00"),
        ("Nov_24_10:00:00", {}, "2026-11-24T10:00:00"),
        ("Nov_25_23:00:00", {}, "2026-11-25T23:00:00"),
        ("Nov_27_00:00:00", {}, "2025-11-27T00:00:00"),
        ("Dec_31_23:59:59 Jan__1_00:00:00", {}, "2025-12-31T23:59:59 2026-01-01T00:00:00"),
        ("03/04/2026_10:00:00 25/04/2026_10:00:00", {}, "2026-04-03T10:00:00 2026-04-25T10:00:00"),
        ("03/04/2026_10:00:00 04/25/2026_10:00:00", {}, "2026-03-04T10:00:00 2026-04-25T10:00:00"),
        (
            "2026-10-25T02:50:00 2026-10-25T02:10:00 2026-10-25T02:50:00 2026-10-25T03:00:00",
            {"timezone": "Europe/Berlin"},
            "T00:50:00 T01:10:00 T01:50:00 T02:00:00",
        ),
        ("2026-03-29T01:59:59 2026-03-29T03:00:00", {"timezone": "Europe/Berlin"}, "T00:59:59 T01:00:00"),
        ("2026-11-24T10:00:00Z 2026-11-24T10:00:00", {"timezone": "-0330"}, "T10:00:00 T13:30:00"),
    ],
    ids=str,
)
def test_stamps_of_a_log_become_instants(lines: str, asked: dict[str, str], read: str, tmp_path: Path) -> None:
    """Days and years that are not written, which of two numbers is the month, clocks that are set back."""
    file = tmp_path / "a.log"
    file.touch()
    os.utime(file, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    words = [line.replace("_", " ") for line in lines.split()]
    stamps = [found[0] for word in words if (found := find(word)) is not None]
    told, _ = instants(stamps, (1, words[0]), Asked(file, **{"timezone": "UTC"} | asked))
    instant = [dt.datetime.fromtimestamp(one / 1000, dt.UTC).isoformat().removesuffix("+00:00") for one in told]
    assert [one.endswith(end) for one, end in zip(instant, read.split(), strict=True)] == [True] * len(words), instant


@pytest.mark.parametrize(
    "lines", ["03/04/2026_10:00:00", "25/04/2026_10:00:00 03/04/2026_10:00:00 04/25/2026_10:00:00"], ids=str
)
def test_which_number_is_the_month_is_not_guessed(lines: str) -> None:
    """Where no line tells, or two lines tell different things."""
    words = [line.replace("_", " ") for line in lines.split()]
    stamps = [found[0] for word in words if (found := find(word)) is not None]
    with pytest.raises(ReadError, match="day and month cannot be mixed up"):
        instants(stamps, (1, words[0]), Asked("a.log"))
