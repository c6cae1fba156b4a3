"""Durations and instants as people write them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from rmtoolkit.exceptions import RmtoolkitError, quote

_DURATION: Final = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h|d|w)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


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
