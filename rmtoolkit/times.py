"""Durations and instants as people write them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from rmtoolkit.exceptions import RmtoolkitError, quote

_DURATION: Final = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h|d|w)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EARLIEST: Final = dt.datetime(1, 1, 2, tzinfo=dt.UTC)


def parse_duration(value: str | dt.timedelta) -> dt.timedelta:
    """Read a duration such as ``"7d"``, ``"1h30m"`` or a timedelta.

    Parameters
    ----------
    value
        Numbers with ms, s, m, h, d or w, without spaces; or a timedelta.

    Returns
    -------
    datetime.timedelta
        The duration.

    Raises
    ------
    RmtoolkitError
        It is no duration, or it is not above zero.

    Examples
    --------
    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(value, dt.timedelta):
        duration = value
    else:
        parts = list(_DURATION.finditer(value))
        if "".join(part[0] for part in parts) != value or not parts:
            msg = f"{quote(value)} is no duration. Write it like '7d', '36h' or '1h30m'."
            raise RmtoolkitError(msg)
        try:
            duration = dt.timedelta(seconds=sum(float(part["number"]) * _UNIT_SECONDS[part["unit"]] for part in parts))
        except OverflowError as error:
            msg = f"{quote(value)} is longer than any recording. Write it like '7d', '36h' or '1h30m'."
            raise RmtoolkitError(msg) from error
    if duration <= dt.timedelta(0):
        msg = f"A duration must be above zero, got {value!r}."
        raise RmtoolkitError(msg)
    return duration


def parse_time(value: str | dt.datetime) -> dt.datetime:
    """Read an instant; without a zone it is UTC.

    Parameters
    ----------
    value
        A datetime or an ISO 8601 string.

    Returns
    -------
    datetime.datetime
        In UTC.

    Raises
    ------
    RmtoolkitError
        It is no instant.

    Examples
    --------
    >>> parse_time("2026-11-23T03:05").isoformat()
    '2026-11-23T03:05:00+00:00'
    """
    try:
        stamp = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        return stamp.replace(tzinfo=dt.UTC) if stamp.tzinfo is None else stamp.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{quote(value)} is no time. Write it like '2026-11-23T03:05' (UTC) or '2026-11-23T03:05+01:00'."
        raise RmtoolkitError(msg) from error


def window_bounds(
    start: str | dt.datetime | None,
    end: str | dt.datetime | None,
    last: str | dt.timedelta | None,
    newest: dt.datetime | None,
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Find where a stretch of time begins and ends.

    Parameters
    ----------
    start, end
        First and last instant; None is open.
    last
        A duration before `end`, or before `newest`, instead of a start.
    newest
        The last instant there is; None when there is none.

    Returns
    -------
    tuple of (datetime or None, datetime or None)
        Both in UTC.

    Raises
    ------
    RmtoolkitError
        The window ends before it starts, or both `start` and `last` are given.

    Examples
    --------
    >>> window_bounds(None, "2026-01-02", "1d", None)[0].isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    low = parse_time(start) if start is not None else None
    high = parse_time(end) if end is not None else None
    if last is not None:
        if low is not None:
            msg = "Give either start or last, not both."
            raise RmtoolkitError(msg)
        stop = high if high is not None else newest
        length = parse_duration(last)
        # Longer than the calendar reaches back is as long as there is anything.
        low = stop - length if stop is not None and length < stop - _EARLIEST else None
    if low is not None and high is not None and high < low:
        msg = f"The window ends ({high.isoformat()}) before it starts ({low.isoformat()})."
        raise RmtoolkitError(msg)
    return low, high
