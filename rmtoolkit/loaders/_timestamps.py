"""Time stamps as logs write them, in whatever language and format, turned into instants."""

from __future__ import annotations

import calendar
import datetime as dt
import os
import re
import unicodedata
import zoneinfo
from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit._tables import parse_duration, parse_time
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.text import looks, texts


class Kind(IntEnum):
    CLOCK = 0
    YEARLESS = 1
    DATED = 2


class Stamp(NamedTuple):
    kind: Kind
    milliseconds: int  # as above; in UTC where `utc` is true, else on the clock of a zone that is not said
    utc: bool
    order: str = ""
    other: int = -1  # with ``?``: `milliseconds` is day first, this is month first
    zone: str = ""  # the zone as it was written; empty when there is none

    def at(self, of_day: int) -> Stamp:
        milliseconds = self.milliseconds + of_day
        if self.kind == Kind.CLOCK:
            milliseconds %= _DAY_MS
        other = self.other + of_day if self.other >= 0 else -1
        return Stamp(self.kind, milliseconds, self.utc, self.order, other, self.zone)


_LOOKS: Final = looks("times")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?")
_EPOCH: Final = re.compile(r"(?<![\w.,:+-])([1-6]\d{9})(?:[.,](\d{1,9})|(\d{3}|\d{6}|\d{9}))?(?![\w:])")
_COMPACT: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)-?(\d\d)-?(\d\d)[-_T]?(\d\d)[-.]?(\d\d)[-.]?(\d\d)(?!\d)(Z?)")
_CLOCK: Final = re.compile(_LOOKS["clock"])
#: Which half of the day it is, where that stands before the clock.
_HALF: Final = re.compile(r"(?:(上午|午前|오전)|下午|午後|오후)\s*$")
_AFTER: Final = re.compile(r"\s*[AaPp]\.?\s?[Mm]\b")
_DOTTED_CLOCK: Final = re.compile(r"(?<![\d.])(\d{1,2})\.(\d\d)\.(\d\d)(?![\d.])()()")
#: JavaScript and Windows write how far a zone is from Greenwich: `GMT+0100`, `UTC+5:30`.
_ZONE: Final = re.compile(_LOOKS["zone"])
_YEAR_FIRST: Final = re.compile(r"(?<!\d)(\d{4})\s?[-/.年년]\s?(\d{1,2})\s?[-/.月월]\s?(\d{1,2})(?!\d)[日일]?\.?")
_YEAR_LAST: Final = re.compile(r"(?<![\d.])(\d{1,2})(\.|/|-)\s?(\d{1,2})\2\s?(\d{4}|\d\d)(?!\d)\.?")
_WORD: Final = re.compile(r"[^\W\d_]+")
_DAY: Final = re.compile(r"(?<!\d)(0?[1-9]|[12]\d|3[01])(?!\d)\.?")
_YEAR: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)\.?")
#: What may stand before a date in ISO 8601.
_BEFORE: Final = ("", " ", "[", "(", "=", '"', "\t", ":", "|")

_DAY_MS: Final = 86_400_000
_LEAP_YEAR: Final = 2000
_LAST_YEAR: Final = 2200
_NOON: Final = 12
_NEAR: Final = 5  # as in `24 de novembre`
_FARTHEST_MINUTES: Final = 15 * 60


def _fold(word: str) -> str:
    spread = unicodedata.normalize("NFKD", word.casefold())
    return spread if spread.isascii() else "".join(letter for letter in spread if not unicodedata.combining(letter))


@cache
def _months() -> dict[str, int]:
    return {_fold(name): int(number) for number, names in texts("loaders/times")["months"].items() for name in names}


def _local(year: int, month: int, day: int) -> int:
    """Count milliseconds from 1970 to a midnight, or give -1 where there is no such day."""
    if not (1970 <= year <= _LAST_YEAR and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):  # noqa: PLR2004
        return -1
    return calendar.timegm((year, month, day, 0, 0, 0)) * 1000


def _of_day(hour: str, minute: str, second: str | None, fraction: str | None, half: str | None) -> int:
    """Count milliseconds from midnight, or give -1 where there is no such time."""
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if half:
        hours = hours % _NOON + (_NOON if half in "Pp" else 0)
    if hours > 23 or minutes > 59 or seconds > 60:  # noqa: PLR2004 - a leap second is written as 60
        return -1
    return ((hours * 60 + minutes) * 60 + min(seconds, 59)) * 1000 + int(((fraction or "") + "000")[:3])


def _offset(zone: str) -> int | None:
    """Read a zone as minutes east of Greenwich; None where its name does not say."""
    named: dict[str, int] = texts("loaders/times")["zones"]
    if zone in named or (found := re.search(r"([+-])(\d\d?):?(\d\d)?$", zone)) is None:
        return named.get(zone)
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    if minutes > _FARTHEST_MINUTES:
        return None
    return -minutes if found[1] == "-" else minutes


def _iso(text: str) -> Stamp | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1970 <= moment.year <= _LAST_YEAR:  # noqa: PLR2004
        return None
    milliseconds = calendar.timegm(moment.utctimetuple()) * 1000 + moment.microsecond // 1000
    return Stamp(Kind.DATED, milliseconds, moment.tzinfo is not None)


def find(text: str) -> tuple[Stamp, str] | None:
    if (found := _ISO.search(text)) and text[found.start() - 1 : found.start()] in _BEFORE:
        stamp = _iso(found[0].replace(",", "."))
        follows = text[found.end() : found.end() + 1]
        named = stamp and not stamp.utc and (_ZONE.match(text, found.end()) or _AFTER.match(text, found.end()))
        if stamp and not named and not follows.isalnum() and (not follows or follows not in "-_:/."):
            return stamp, text[: found.start()] + text[found.end() :]
    if found := _EPOCH.search(text):
        seconds, fraction, more = found.groups()
        stamp = Stamp(Kind.DATED, int(seconds) * 1000 + int(f"{fraction or more or ''}000"[:3]), utc=True)
        return stamp, text[: found.start()] + text[found.end() :]
    return _compact(text) or _pieces(text)


def find_instant(text: object) -> Stamp | None:
    found = find(text) if isinstance(text, str) else None
    return found[0] if found and found[0].kind == Kind.DATED and found[0].utc else None


def milliseconds_of(text: object) -> int | None:
    stamp = find_instant(text)
    return None if stamp is None else stamp.milliseconds


def _compact(text: str) -> tuple[Stamp, str] | None:
    if (found := _COMPACT.search(text)) is None:
        return None
    year, month, day, hour, minute, second, utc = found.groups()
    # A leap second is written as 60.
    stamp = _iso(f"{year}-{month}-{day}T{hour}:{minute}:{second.replace('60', '59')}{utc}")
    return (stamp, text[: found.start()] + text[found.end() :]) if stamp else None


def _pieces(text: str) -> tuple[Stamp, str] | None:
    found = _CLOCK.search(text)
    clock, zone, rest = _clock(text, found) if found else (None, "", text)
    date, rest = _date(rest)
    if found is None and date.kind == Kind.DATED:
        if not any(letter.isdigit() for letter in rest.replace(".", "")):
            clock = 0
        elif dotted := _DOTTED_CLOCK.search(rest):
            clock, zone, rest = _clock(rest, dotted)
    if clock is None or date.milliseconds < 0:
        return None
    offset = _offset(zone) if zone else None
    shift = clock - (offset or 0) * 60_000
    first = date.milliseconds + shift
    stamp = date._replace(
        milliseconds=first % _DAY_MS if date.kind == Kind.CLOCK else first,
        other=date.other + shift if date.order == "?" else -1,
        utc=offset is not None,
        zone=zone,
    )
    return (stamp, " ".join(rest.split())) if stamp.milliseconds >= 0 else None


def _clock(text: str, found: re.Match[str]) -> tuple[int | None, str, str]:
    hour, minute, second, fraction, half = found.groups()
    if before := _HALF.search(text, 0, found.start()):
        half = "A" if before[1] else "P"
    of_day = _of_day(hour, minute, second, fraction, half)
    zone = _ZONE.match(text, found.end())
    rest = f"{text[: found.start()]} {text[zone.end() if zone else found.end() :]}"
    return (of_day if of_day >= 0 else None), (zone[1] if zone else ""), rest


def _date(text: str) -> tuple[Stamp, str]:
    if found := _YEAR_FIRST.search(text):
        midnight = _local(*map(int, found.groups()))
        return Stamp(Kind.DATED, midnight, utc=False), text[: found.start()] + text[found.end() :]
    if found := _YEAR_LAST.search(text):
        one, two = int(found[1]), int(found[3])
        year = int(f"20{found[4]}"[-4:])
        day_first, month_first = _local(year, two, one), _local(year, one, two)
        rest = text[: found.start()] + text[found.end() :]
        if found[2] == "." or day_first == month_first:
            return Stamp(Kind.DATED, day_first, utc=False), rest
        if day_first < 0 or month_first < 0:
            order = "dm" if month_first < 0 else "md"
            return Stamp(Kind.DATED, max(day_first, month_first), utc=False, order=order), rest
        return Stamp(Kind.DATED, day_first, utc=False, order="?", other=month_first), rest
    return _named_date(text) or (Stamp(Kind.CLOCK, 0, utc=False), text)


def _named_date(text: str) -> tuple[Stamp, str] | None:
    # `mar.` is March in one language and Tuesday in another: the weekday comes first.
    for word in reversed(list(_WORD.finditer(text))):
        if (month := _months().get(_fold(word[0]))) is None:
            continue
        rest = _blank(text, word)
        if year := _YEAR.search(rest):
            rest = _blank(rest, year)
        near = (
            day
            for day in _DAY.finditer(rest)
            if -_NEAR <= day.start() - word.end() <= _NEAR or 0 <= word.start() - day.end() <= _NEAR
        )
        if (day := next(near, None)) is None:
            continue
        midnight = _local(int(year[1]) if year else _LEAP_YEAR, month, int(day[1]))
        return Stamp(Kind.DATED if year else Kind.YEARLESS, midnight, utc=False), _blank(rest, day)
    return None


def _blank(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]}{' ' * (found.end() - found.start())}{text[found.end() :]}"


_PARTS: Final = _LOOKS["parts"]


def shaped(texts: pl.Series) -> pl.DataFrame:
    # Step by step: an expression that is used twice would be computed twice.
    frame = texts.to_frame("text").select("text", pl.col("text").str.extract_groups(_PARTS).struct.unnest())
    another = pl.concat_str("before", pl.lit(" "), "after").str.contains(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}")
    half_day = pl.col("after").str.contains(r"^\s*[aApP]\.?\s?[mM]\b") | pl.col("before").str.contains(_HALF.pattern)
    frame = frame.with_columns(usable=pl.col("hour").is_not_null() & ~another & ~half_day)
    hour, minute, second = (pl.col(name).cast(pl.Int64) for name in ("hour", "minute", "second"))
    fraction = pl.concat_str(pl.col("fraction").fill_null(""), pl.lit("000")).str.slice(0, 3).cast(pl.Int64)
    shape = pl.when("usable").then(pl.concat_str("before", pl.lit("00:00:00"), "after")).otherwise("text")
    of_day = pl.when("usable").then(((hour * 60 + minute) * 60 + second) * 1000 + fraction)
    return frame.select(shape=shape, of_day=of_day)


_EPOCH_TIMELINE: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock, no instant
_LEAP_YEAR_MS: Final = 366 * _DAY_MS
_QUARTER_MS: Final = 15 * 60_000
#: No clock is set back further.
_SET_BACK_MS: Final = 3_600_000
_FIXED_ZONE: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d\d?)(?::?(\d\d))?")


class Asked(NamedTuple):
    """What a user said about the times of a log, and what the file says of itself."""

    path: str | os.PathLike[str]
    time: str | dt.datetime | None = None
    interval: str | dt.timedelta | None = None
    timezone: str | dt.tzinfo | None = None

    @property
    def modified(self) -> dt.datetime:
        return as_datetime(Path(self.path).stat().st_mtime_ns // 1_000_000)

    def zone(self) -> dt.tzinfo | None:
        if isinstance(self.timezone, dt.tzinfo):
            return self.timezone
        if self.timezone is None:
            moment = self._time()
            return moment.tzinfo if moment is not None else None
        fixed = _FIXED_ZONE.fullmatch(self.timezone)
        try:
            if fixed:
                offset = dt.timedelta(hours=int(fixed[2]), minutes=int(fixed[3] or 0))
                return dt.timezone(-offset if fixed[1] == "-" else offset)
            return dt.UTC if self.timezone in ("UTC", "Z") else zoneinfo.ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            msg = f"{quote(self.timezone)} is no time zone. Write it like 'Europe/Berlin', 'UTC' or '+01:00'."
            raise RmtoolkitError(msg) from error

    def _time(self) -> dt.datetime | None:
        if isinstance(self.time, str):
            parse_time(self.time)  # raises the message for what is no time
            return dt.datetime.fromisoformat(self.time)
        return self.time

    def start(self) -> dt.datetime | None:
        """Read `time` as an instant; without a zone it is in `timezone`, else in UTC."""
        if (moment := self._time()) is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone() or dt.UTC)
        return moment and moment.astimezone(dt.UTC)


def instants(stamps: Sequence[Stamp], first: tuple[int, str], asked: Asked) -> tuple[list[int], str]:
    stamps, zone = _ordered(stamps, first, asked), asked.zone()
    kind = min(stamp.kind for stamp in stamps)
    says = "as recorded, UTC"
    if kind == Kind.DATED:
        local = [stamp.milliseconds for stamp in stamps]
    elif kind == Kind.YEARLESS:
        local, says = _with_years(stamps, asked)
    else:
        local, says = _with_dates(stamps, first, asked)
    if not all(stamp.utc for stamp in stamps):
        if zone is None:
            hint = "Say where the log was made: timezone='Europe/Berlin', or timezone='UTC'."
            raise _unclear(first, asked, "a time stamp that says its zone", hint)
        local = _in_zone(local, [stamp.utc for stamp in stamps], zone)
        says = f"{says.removesuffix(', UTC')}, in {asked.timezone or zone}"
    if asked.interval is not None and len(stamps) > 1:
        says += f", not {asked.interval} apart"
    named = sorted({stamp.zone for stamp in stamps if stamp.utc and stamp.zone.isalpha()} - {"UTC", "GMT", "Z"})
    return local, says + (f"; the zone {', '.join(named)} was taken at its word" if named else "")


def _unclear(first: tuple[int, str], asked: Asked, expected: str, hint: str) -> ReadError:
    return ReadError.at(asked.path, found=first[1], expected=expected, line=first[0], hint=hint)


def _ordered(stamps: Sequence[Stamp], first: tuple[int, str], asked: Asked) -> Sequence[Stamp]:
    if "?" not in (orders := {stamp.order for stamp in stamps}):
        return stamps
    if {"dm", "md"} <= orders or not orders & {"dm", "md"}:
        raise _unclear(first, asked, "a date in which day and month cannot be mixed up", "Log ISO dates: date -Is.")
    if "dm" in orders:
        return stamps
    return [stamp._replace(milliseconds=stamp.other) if stamp.order == "?" else stamp for stamp in stamps]


def _with_years(stamps: Sequence[Stamp], asked: Asked) -> tuple[list[int], str]:
    """Give stamps without a year theirs: the log ends before the file was last written."""
    # A date that falls by more than half a year has passed the end of one.
    told = pl.Series([stamp.milliseconds if stamp.kind == Kind.YEARLESS else None for stamp in stamps])
    shown = told.forward_fill().backward_fill().to_numpy()
    turns = ((np.unwrap(shown, period=_LEAP_YEAR_MS) - shown) // _LEAP_YEAR_MS).astype(int).tolist()

    @cache
    def shift(days: int, year: int) -> int:
        day = _EPOCH_TIMELINE + dt.timedelta(days=days)
        try:
            moved = day.replace(year=year)
        except ValueError:  # 29 February in a year that has none
            moved = day.replace(year=year, month=3, day=1)
        return (moved - day).days * _DAY_MS

    def in_year(index: int, year: int) -> int:
        milliseconds, is_dated = stamps[index].milliseconds, stamps[index].kind == Kind.DATED
        return milliseconds + (0 if is_dated else shift(milliseconds // _DAY_MS, year + turns[index]))

    if (start := asked.start()) is not None:
        year = min(range(start.year - 1, start.year + 2), key=lambda year: abs(in_year(0, year) - _wall(start)))
        says = f"as recorded; the year follows from time={asked.time}, UTC"
    else:
        latest = _wall(asked.modified) + _DAY_MS
        last = max(range(len(stamps)), key=lambda index: (turns[index], stamps[index].milliseconds))
        year = asked.modified.year + 1 - turns[last]
        while in_year(last, year) > latest:
            year -= 1
        says = (
            f"as recorded; the year is that before the file was last written ({asked.modified:%Y-%m-%d %H:%M} UTC), UTC"
        )
    return [in_year(index, year) for index in range(len(stamps))], says


def _with_dates(stamps: Sequence[Stamp], first: tuple[int, str], asked: Asked) -> tuple[list[int], str]:
    """Give clock times their day: the log starts on the day of `time`."""
    if (start := asked.start()) is None or any(stamp.kind != Kind.CLOCK for stamp in stamps):
        hint = "Say on which day the log starts, and in which zone: time='2026-11-24', timezone='UTC'."
        raise _unclear(first, asked, "a time stamp with a date", hint)
    zone = dt.UTC if stamps[0].utc else (asked.zone() or dt.UTC)
    midnight = _wall(start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0))
    # A clock that falls by more than half a day has passed midnight.
    local = midnight + np.unwrap([stamp.milliseconds for stamp in stamps], period=_DAY_MS)
    return local.astype(int).tolist(), f"clock times as recorded, from {start.astimezone(zone):%Y-%m-%d} on, UTC"


def _wall(moment: dt.datetime) -> int:
    return round((moment.replace(tzinfo=None) - _EPOCH_TIMELINE).total_seconds() * 1000)


def _in_zone(local: list[int], utc: list[bool], zone: dt.tzinfo) -> list[int]:
    """Turn wall-clock times into instants; in the hour that comes twice, time goes on where the clock goes back."""
    if local[0] - local[-1] > _SET_BACK_MS:
        # A table whose newest row comes first.
        return _in_zone(local[::-1], utc[::-1], zone)[::-1]
    wall = np.array(local)[~np.array(utc)]
    quarters, places = np.unique(wall // _QUARTER_MS, return_inverse=True)
    moments = [_EPOCH_TIMELINE + dt.timedelta(milliseconds=int(each) * _QUARTER_MS) for each in quarters]
    both = ((moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)) for moment in moments)
    offsets = [[round(one.total_seconds() * 1000) if one else 0 for one in each] for each in both]
    first, second = np.array(offsets)[places].T
    comes_twice, goes_back = first > second, np.diff(wall, prepend=wall[:1]) < -_QUARTER_MS
    place = np.arange(len(wall))
    since_once, since_back = (
        np.maximum.accumulate(np.where(some, place, -1)) for some in (~comes_twice, comes_twice & goes_back)
    )
    found = np.array(local)
    found[~np.array(utc)] = wall - np.where(since_back > since_once, second, first)
    instants: list[int] = found.tolist()
    return instants


def spaced(count: int, asked: Asked, *, found: str) -> tuple[list[int], str]:
    start = asked.start()
    if count > 1 and asked.interval is None:
        said = f"{count:,} {found} and no time stamp"
        hint = "Say how far apart they are: interval='15s' (and time= for the first)."
        raise ReadError.at(asked.path, found=said, expected="a time for each", hint=hint)
    step = parse_duration(asked.interval) if asked.interval is not None else dt.timedelta(0)
    step_ms = step / dt.timedelta(milliseconds=1)
    if start is not None:
        origin, which, anchor = _wall(start), "first", f"{start:%Y-%m-%d %H:%M:%S} UTC as asked"
    else:
        origin, which = _wall(asked.modified) - round(step_ms * (count - 1)), "last"
        anchor = f"when the file was last written ({asked.modified:%Y-%m-%d %H:%M:%S} UTC)"
    taken = f"the {which} snapshot taken as {anchor}, the others {step} apart" if count > 1 else f"taken as {anchor}"
    return [origin + round(step_ms * index) for index in range(count)], f"assumed: no time in the file; {taken}"


def as_datetime(milliseconds: int) -> dt.datetime:
    return (_EPOCH_TIMELINE + dt.timedelta(milliseconds=milliseconds)).replace(tzinfo=dt.UTC)
