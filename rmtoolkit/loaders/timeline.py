"""From what logs write to instants: zones, missing years and dates, logs without any time."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.loaders.stamps import Kind, Stamp
from rmtoolkit.recording import parse_duration, parse_time

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock, no instant
_DAY_MS: Final = 86_400_000
_HALF_YEAR_MS: Final = 183 * _DAY_MS
_QUARTER_MS: Final = 15 * 60_000
_FIXED_ZONE: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d\d?)(?::?(\d\d))?")


class Asked(NamedTuple):
    """What a user said about the times of a log, and what the file says of itself.

    Attributes
    ----------
    path
        The file, for messages.
    modified
        When it was last written, in UTC.
    time
        An instant: of a single snapshot, of the first of several, or the day on which the log starts.
    interval
        Time between two snapshots.
    timezone
        Zone of the clock that wrote the stamps: a tz name such as ``Europe/Berlin``, or an offset.
    """

    path: str | os.PathLike[str]
    modified: dt.datetime
    time: str | dt.datetime | None = None
    interval: str | dt.timedelta | None = None
    timezone: str | dt.tzinfo | None = None

    def zone(self) -> dt.tzinfo | None:
        """Read `timezone`, or take that of `time`.

        Returns
        -------
        datetime.tzinfo or None
            None where nothing was said.

        Raises
        ------
        RmtoolkitError
            It is no zone.

        Examples
        --------
        >>> Asked("a.log", dt.datetime.now(dt.UTC), timezone="+01:00").zone()
        datetime.timezone(datetime.timedelta(seconds=3600))
        """
        if isinstance(self.timezone, dt.tzinfo):
            return self.timezone
        if self.timezone is None:
            naive = self._time()
            return naive.tzinfo if naive is not None else None
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
        """Read `time` as an instant; without a zone it is in `timezone`, else in UTC.

        Returns
        -------
        datetime.datetime or None
            In UTC; None where nothing was said.

        Examples
        --------
        >>> Asked("a.log", dt.datetime.now(dt.UTC), time="2026-11-24", timezone="+01:00").start().isoformat()
        '2026-11-23T23:00:00+00:00'
        """
        moment = self._time()
        if moment is None:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone() or dt.UTC)
        return moment.astimezone(dt.UTC)


def instants(stamps: Sequence[Stamp], first: tuple[int, str], asked: Asked) -> tuple[list[int], str]:
    """Turn the stamps of one log into instants.

    Parameters
    ----------
    stamps
        In the order in which they stand in the log; at least one.
    first
        Line number and text of the first, for messages.
    asked
        What is known besides.

    Returns
    -------
    tuple of (list of int, str)
        Milliseconds since 1970, and in words where the times come from.

    Raises
    ------
    ReadError
        Zone, date or the order of day and month are open and nothing was said about them.

    Examples
    --------
    >>> stamp = Stamp(Kind.DATED, 60_000, utc=False)
    >>> instants([stamp], (1, "1970-01-01 00:01"), Asked("a.log", dt.datetime.now(dt.UTC), timezone="+00:30"))
    ([-1740000], 'as recorded, in +00:30')
    """
    stamps = _ordered(stamps, first, asked)
    kind = min(stamp.kind for stamp in stamps)
    says = "as recorded, UTC"
    if kind == Kind.DATED:
        local = [stamp.milliseconds for stamp in stamps]
    elif kind == Kind.YEARLESS:
        local, says = _with_years(stamps, asked)
    else:
        local, says = _with_dates(stamps, first, asked)
    if not all(stamp.utc for stamp in stamps):
        zone = asked.zone()
        if zone is None:
            raise ReadError.at(
                asked.path,
                found=first[1],
                expected="a time stamp that says its zone",
                line=first[0],
                hint="Say where the log was made: timezone='Europe/Berlin', or timezone='UTC'.",
            )
        local = _in_zone(local, [stamp.utc for stamp in stamps], zone)
        says = f"{says.removesuffix(', UTC')}, in {asked.timezone or zone}"
    named = sorted({stamp.zone for stamp in stamps if stamp.utc and stamp.zone.isalpha()} - {"UTC", "GMT", "Z"})
    return local, says + (f"; the zone {', '.join(named)} was taken at its word" if named else "")


def _ordered(stamps: Sequence[Stamp], first: tuple[int, str], asked: Asked) -> Sequence[Stamp]:
    """Decide the order of day and month once for the whole log."""
    orders = {stamp.order for stamp in stamps}
    if "?" not in orders:
        return stamps
    if {"dm", "md"} <= orders or not orders & {"dm", "md"}:
        raise ReadError.at(
            asked.path,
            found=first[1],
            expected="a date in which day and month cannot be mixed up",
            line=first[0],
            hint="Log ISO dates: date -Is.",
        )
    if "dm" in orders:
        return stamps
    return [stamp._replace(milliseconds=stamp.other) if stamp.order == "?" else stamp for stamp in stamps]


def _with_years(stamps: Sequence[Stamp], asked: Asked) -> tuple[list[int], str]:
    """Give stamps without a year theirs: the log ends before the file was last written."""
    turns, turn, before = [], 0, stamps[0].milliseconds
    for stamp in stamps:
        if stamp.kind == Kind.YEARLESS:
            step = stamp.milliseconds - before
            turn += (step < -_HALF_YEAR_MS) - (step > _HALF_YEAR_MS)
            before = stamp.milliseconds
        turns.append(turn)

    shifts: dict[tuple[int, int], int] = {}

    def in_year(index: int, year: int) -> int:
        stamp = stamps[index]
        if stamp.kind == Kind.DATED:
            return stamp.milliseconds
        key = stamp.milliseconds // _DAY_MS, year + turns[index]
        if key not in shifts:
            day = _EPOCH + dt.timedelta(days=key[0])
            try:
                moved = day.replace(year=key[1])
            except ValueError:  # 29 February in a year that has none
                moved = day.replace(year=key[1], month=3, day=1)
            shifts[key] = (moved - day).days * _DAY_MS
        return stamp.milliseconds + shifts[key]

    start = asked.start()
    if start is not None:
        wanted = _wall(start)
        year = min(range(start.year - 1, start.year + 2), key=lambda year: abs(in_year(0, year) - wanted))
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
    start = asked.start()
    if start is None or any(stamp.kind != Kind.CLOCK for stamp in stamps):
        raise ReadError.at(
            asked.path,
            found=first[1],
            expected="a time stamp with a date",
            line=first[0],
            hint="Say on which day the log starts, and in which zone: time='2026-11-24', timezone='UTC'.",
        )
    zone = dt.UTC if stamps[0].utc else (asked.zone() or dt.UTC)
    midnight = _wall(start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0))
    local, before = [], stamps[0].milliseconds
    for stamp in stamps:
        step = stamp.milliseconds - before
        midnight += ((step < -_DAY_MS // 2) - (step > _DAY_MS // 2)) * _DAY_MS
        before = stamp.milliseconds
        local.append(midnight + before)
    return local, f"clock times as recorded, from {start.astimezone(zone):%Y-%m-%d} on, UTC"


def _wall(moment: dt.datetime) -> int:
    """Count milliseconds from 1970 on this clock."""
    return round((moment.replace(tzinfo=None) - _EPOCH).total_seconds() * 1000)


def _in_zone(local: list[int], utc: list[bool], zone: dt.tzinfo) -> list[int]:
    """Turn wall-clock times into instants; in the hour that comes twice, time goes on where the clock goes back."""
    offsets: dict[int, tuple[int, int]] = {}
    found: list[int] = []
    second_time, before = False, local[0]
    for wall, known in zip(local, utc, strict=True):
        if known:
            found.append(wall)
            continue
        quarter = wall // _QUARTER_MS
        both = offsets.get(quarter)
        if both is None:
            moment = (_EPOCH + dt.timedelta(milliseconds=quarter * _QUARTER_MS)).replace(tzinfo=zone)
            both = _offset_ms(moment), _offset_ms(moment.replace(fold=1))
            offsets[quarter] = both
        if both[0] > both[1]:
            second_time |= wall < before - _QUARTER_MS
        else:
            second_time = False
        found.append(wall - both[second_time])
        before = wall
    return found


def _offset_ms(moment: dt.datetime) -> int:
    offset = moment.utcoffset()
    return round(offset.total_seconds() * 1000) if offset is not None else 0


def spaced(count: int, asked: Asked, *, found: str) -> tuple[list[int], str]:
    """Give times to snapshots that have none.

    Parameters
    ----------
    count
        How many snapshots there are.
    asked
        What is known besides.
    found
        What has no time, for messages.

    Returns
    -------
    tuple of (list of int, str)
        Milliseconds since 1970, and in words where the times come from.

    Raises
    ------
    ReadError
        There are several and no interval was given.

    Examples
    --------
    >>> spaced(2, Asked("a.log", dt.datetime.now(dt.UTC), time="1970-01-01", interval="1m"), found="snapshots")[0]
    [0, 60000]
    """
    start = asked.start()
    if count > 1 and asked.interval is None:
        raise ReadError.at(
            asked.path,
            found=f"{count:,} {found} and no time stamp",
            expected="a time for each",
            hint="Say how far apart they are: interval='15s' (and time= for the first).",
        )
    step = parse_duration(asked.interval) if asked.interval is not None else dt.timedelta(0)
    step_ms = step / dt.timedelta(milliseconds=1)
    if start is not None:
        origin, anchor = _wall(start), f"{start:%Y-%m-%d %H:%M:%S} UTC as asked"
    else:
        origin = _wall(asked.modified) - round(step_ms * (count - 1))
        anchor = f"when the file was last written ({asked.modified:%Y-%m-%d %H:%M:%S} UTC)"
    says = f"assumed: no time in the file; taken as {anchor}"
    if count > 1:
        which = "first" if start is not None else "last"
        says = f"assumed: no time in the file; the {which} snapshot taken as {anchor}, the others {step} apart"
    return [origin + round(step_ms * index) for index in range(count)], says


def as_datetime(milliseconds: int) -> dt.datetime:
    """Turn milliseconds since 1970 into an instant.

    Parameters
    ----------
    milliseconds
        Since 1970, UTC.

    Returns
    -------
    datetime.datetime
        In UTC.

    Examples
    --------
    >>> as_datetime(60_000).isoformat()
    '1970-01-01T00:01:00+00:00'
    """
    return (_EPOCH + dt.timedelta(milliseconds=milliseconds)).replace(tzinfo=dt.UTC)
