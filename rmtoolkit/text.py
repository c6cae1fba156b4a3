"""Figures and words: the one place that turns bytes, rates, hours, chances and verdicts into text."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Final

MI: Final = 1 << 20
GI: Final = 1 << 30
UNKNOWN: Final = "unknown"
NOT_APPLICABLE: Final = "–"

#: A container's memory reads in Mi below this and in GiB from it on.
GIB_FROM: Final = 10 * GI
#: Hours below this many, days from it on.
_DAYS_FROM_HOURS: Final = 72

#: How a signal is called everywhere.
SIGNAL_WORDS: Final = {
    "allocated_bytes": "live heap",
    "active_bytes": "active pages",
    "resident_bytes": "allocator resident",
    "anon_bytes": "anonymous memory",
    "rss_bytes": "RSS",
    "working_set_bytes": "working set",
    "usage_bytes": "usage",
    "threads": "threads",
    "file_bytes": "page cache",
    "shmem_bytes": "files in memory",
    "psi_some_seconds": "memory pressure (some)",
    "psi_full_seconds": "memory pressure (full)",
    "refaults_total": "refaults",
    "heap_profile": "heap profile",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """How one verdict, reading or kind of evidence looks: always a shape and a word, never a colour alone.

    Attributes
    ----------
    shape, plain
        The mark with Unicode and without it.
    word
        In running text and rows.
    token
        Name of the colour in `rmtoolkit.views.theme`.

    Examples
    --------
    >>> VERDICTS["leak"].badge
    'LEAK'
    """

    shape: str
    plain: str
    word: str
    token: str

    @property
    def badge(self) -> str:
        """The word on a badge."""
        return self.word.upper()


VERDICTS: Final = {
    "leak": Mark("▲", "[!]", "Leak", "leak"),
    "inconclusive": Mark("◆", "[?]", "Inconclusive", "unsure"),
    "not_leak": Mark("●", "[ok]", "Not a leak", "ok"),
}

#: Kinds of evidence, by the value of `says`.
EVIDENCE: Final = {
    "for": Mark("▲", "[!]", "for a leak", "leak"),
    "against": Mark("●", "[ok]", "against", "ok"),
    "not_measured": Mark("◆", "[?]", "not measured", "unsure"),
}

READINGS: Final = {
    "fine": Mark("●", "[ok]", "fine", "ok"),
    "concern": Mark("▲", "[!]", "concern", "leak"),
    "unknown": Mark("◆", "[?]", "unknown", "unsure"),
}


def number(value: float, digits: int = 3) -> str:
    """Write a measured number with few significant digits.

    Parameters
    ----------
    value
        The number.
    digits
        Significant digits at most; trailing zeros after the point are dropped.

    Returns
    -------
    str
        With a comma between thousands and a true minus.

    Examples
    --------
    >>> [number(value) for value in (2873, 58.24, 0.04, -0.4, 31.0)]
    ['2,870', '58.2', '0.04', '−0.4', '31']
    """
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    shown = f"{rounded:,.{max(places, 0)}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return shown.replace("-", "−")


def _scaled(bytes_: float) -> tuple[float, str]:
    size = abs(bytes_)
    if size >= GIB_FROM:
        return bytes_ / GI, "GiB"
    if size < MI / 10 and bytes_:
        return bytes_ / 1024, "Ki"
    return bytes_ / MI, "Mi"


def memory(bytes_: float | None) -> str:
    """Write a measured amount of memory.

    Parameters
    ----------
    bytes_
        Bytes; None is unknown.

    Returns
    -------
    str
        At most three significant digits: Mi, from 10 GiB on GiB, below 0.1 Mi Ki.

    Examples
    --------
    >>> memory(242.4 * MI), memory(12.3 * GI), memory(None)
    ('242 Mi', '12.3 GiB', 'unknown')
    """
    if bytes_ is None:
        return UNKNOWN
    value, unit = _scaled(bytes_)
    return f"{number(value)} {unit}"


def configured(bytes_: int | None, *, known: bool = True) -> str:
    """Write a limit or a request exactly as it was set.

    Parameters
    ----------
    bytes_
        Bytes; None is none set, or unknown.
    known
        Whether None means that none is set.

    Returns
    -------
    str
        In Mi; a value that is no whole number of Mi keeps two decimals.

    Examples
    --------
    >>> configured(1 << 30), configured(100_000_000), configured(None), configured(None, known=False)
    ('1,024 Mi', '95.37 Mi', 'none', 'unknown')
    """
    if bytes_ is None:
        return "none" if known else UNKNOWN
    return f"{configured_mi(bytes_)} Mi"


def configured_mi(bytes_: int) -> str:
    """Write a configured amount in Mi without the unit.

    Parameters
    ----------
    bytes_
        Bytes.

    Returns
    -------
    str
        Exact where it is a whole number of Mi, else with two decimals.

    Examples
    --------
    >>> configured_mi(1 << 29)
    '512'
    """
    whole, rest = divmod(bytes_, MI)
    return f"{whole:,}" if not rest else f"{bytes_ / MI:,.2f}".rstrip("0").rstrip(".")


def peak_against_limit(
    peak_bytes: float | None,
    limit_bytes: int | None,
    *,
    known: bool = True,
    unit: bool = True,
) -> str:
    """Write a peak beside the limit it must stay under.

    Parameters
    ----------
    peak_bytes
        Largest working set; None is unknown.
    limit_bytes
        The limit at the window's end; None is none, or unknown.
    known
        Whether None means that there is none.
    unit
        False where the column's head names Mi.

    Returns
    -------
    str
        Both in Mi.

    Examples
    --------
    >>> peak_against_limit(825.3 * MI, 1 << 30), peak_against_limit(118 * MI, None, unit=False)
    ('825 / 1,024 Mi', '118 / none')
    >>> peak_against_limit(118 * MI, None)
    '118 Mi / none'
    """
    peak = UNKNOWN if peak_bytes is None else number(peak_bytes / MI)
    if limit_bytes is None:
        return f"{peak}{' Mi' if unit and peak_bytes is not None else ''} / {'none' if known else UNKNOWN}"
    return f"{peak} / {configured_mi(limit_bytes)}{' Mi' if unit else ''}"


def rate(bytes_per_day: float | None, *, sign: bool = False, digits: int = 3) -> str:
    """Write a growth.

    Parameters
    ----------
    bytes_per_day
        Bytes per day; None is unknown.
    sign
        Whether growth carries a plus.
    digits
        Significant digits.

    Returns
    -------
    str
        Mi/day, from 10 GiB/day on GiB/day.

    Examples
    --------
    >>> rate(58.24 * MI, sign=True), rate(-0.4 * MI), rate(84 * GI)
    ('+58.2 Mi/day', '−0.4 Mi/day', '84 GiB/day')
    """
    if bytes_per_day is None:
        return UNKNOWN
    value, unit = _scaled(bytes_per_day)
    plus = "+" if sign and bytes_per_day > 0 else ""
    return f"{plus}{number(value, digits)} {unit}/day"


def rate_range(low: float | None, high: float | None) -> str:
    """Write the interval of a growth without its unit repeated.

    Parameters
    ----------
    low, high
        Bytes per day; None is unknown.

    Returns
    -------
    str
        The two ends in the unit of the larger, or nothing when either is unknown.

    Examples
    --------
    >>> rate_range(52 * MI, 64 * MI), rate_range(-2.2 * MI, 1.5 * MI), rate_range(None, MI)
    ('52–64', '−2.2 to 1.5', '')
    """
    if low is None or high is None:
        return ""
    unit = GI if max(abs(low), abs(high)) >= GIB_FROM else MI
    between = " to " if low < 0 else "–"
    return f"{number(low / unit)}{between}{number(high / unit)}"


def grows(growth: float | None, low: float | None, floor: float | None) -> bool:
    """Tell whether a growth is to be named, or is below what can be seen.

    Parameters
    ----------
    growth, low
        Growth and the lower end of its interval, bytes per day; None is unknown.
    floor
        The smallest growth that the data could show, bytes per day; None is unknown.

    Returns
    -------
    bool
        False for "none": the interval includes zero, or the growth is below the floor.

    Examples
    --------
    >>> grows(58.0, 52.0, 3.1), grows(-0.4, -2.2, 4.0), grows(2.0, 1.0, 4.0)
    (True, False, False)
    """
    return growth is not None and growth > 0 and (low is None or low > 0) and (floor is None or growth >= floor)


def hours(value: float | None) -> str:
    """Write a span of time.

    Parameters
    ----------
    value
        Hours; None is unknown.

    Returns
    -------
    str
        Seconds below a minute, minutes below an hour, hours below 72, else days.

    Examples
    --------
    >>> [hours(value) for value in (0.01, 0.5, 4.25, 61.2, 305)]
    ['36 s', '30 min', '4.2 h', '61 h', '12.7 d']
    """
    if value is None:
        return UNKNOWN
    if value < 1 / 60:
        return f"{number(value * 3600, 2)} s"
    if value < 1:
        return f"{number(value * 60, 2)} min"
    if value < _DAYS_FROM_HOURS:
        return f"{number(value, 2)} h"
    return f"{number(value / 24, 2 if value < 240 else 3)} d"  # noqa: PLR2004 - ten days: one decimal throughout


def hours_range(low: float | None, high: float | None) -> str:
    """Write an interval of time; the unit stands once where both ends share it.

    Parameters
    ----------
    low, high
        Hours; None at the upper end is open.

    Returns
    -------
    str
        The interval, or nothing when the lower end is unknown.

    Examples
    --------
    >>> hours_range(54, 69), hours_range(60, 100), hours_range(60, None)
    ('54–69 h', '60 h–4.2 d', 'from 60 h')
    """
    if low is None:
        return ""
    if high is None:
        return f"from {hours(low)}"
    first, last = hours(low).rsplit(" ", 1), hours(high).rsplit(" ", 1)
    return f"{first[0]}–{last[0]} {last[1]}" if first[1] == last[1] else f"{' '.join(first)}–{' '.join(last)}"


def time_to_limit(outlook: str | None, value: float | None, limit_bytes: int | None, *, known: bool = True) -> str:
    """Write how long until the limit is reached.

    Parameters
    ----------
    outlook
        ``bounded``, ``reaches`` or ``unknown``.
    value
        Hours; null unless it reaches.
    limit_bytes
        The limit; None when there is none or it is unknown.
    known
        Whether None means that there is none.

    Returns
    -------
    str
        A span, or a word.

    Examples
    --------
    >>> time_to_limit("reaches", 61.0, 1), time_to_limit("bounded", None, 1), time_to_limit("unknown", None, None)
    ('61 h', 'not reached', 'no limit')
    """
    if outlook == "reaches" and value is not None:
        return hours(value) if value > 0 else "reached"
    if limit_bytes is None:
        return "no limit" if known else "limit unknown"
    return "not reached" if outlook == "bounded" else UNKNOWN


def chance(value: float | None) -> str:
    """Write a probability.

    Parameters
    ----------
    value
        0 to 1; None is unknown.

    Returns
    -------
    str
        Per cent with two significant digits; never 0 and never 100.

    Examples
    --------
    >>> [chance(value) for value in (0.97, 0.061, 0.0004, 0.998, None)]
    ['97 %', '6.1 %', '<0.1 %', '>99 %', 'unknown']
    """
    if value is None:
        return UNKNOWN
    if value < 0.001:  # noqa: PLR2004
        return "<0.1 %"
    return ">99 %" if value > 0.99 else f"{number(100 * value, 2)} %"  # noqa: PLR2004


def share(value: float | None) -> str:
    """Write a share of something that can be complete.

    Parameters
    ----------
    value
        0 to 1; None is unknown.

    Returns
    -------
    str
        Per cent, rounded down, so that only what is complete reads 100 %.

    Examples
    --------
    >>> share(0.98765), share(0.99999), share(1.0), share(0.0)
    ('98.7 %', '99.9 %', '100 %', '0 %')
    """
    return UNKNOWN if value is None else f"{number(math.floor(1000 * value + 1e-9) / 10)} %"


def moment(time: dt.datetime, *, seconds: bool = False) -> str:
    """Write an instant in UTC; the view names UTC once.

    Parameters
    ----------
    time
        An aware time.
    seconds
        Whether seconds matter here.

    Returns
    -------
    str
        Like ``Wed 25 Nov 09:00``, whatever the locale.

    Examples
    --------
    >>> moment(dt.datetime(2026, 11, 25, 9, tzinfo=dt.UTC))
    'Wed 25 Nov 09:00'
    """
    return f"{day(time)} {clock(time, seconds=seconds)}"


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(time: dt.datetime, *, year: bool = False, weekday: bool = True) -> str:
    """Write a day.

    Parameters
    ----------
    time
        An aware time.
    year, weekday
        What to add around day and month.

    Returns
    -------
    str
        Like ``Wed 25 Nov``, whatever the locale.

    Examples
    --------
    >>> day(dt.datetime(2026, 11, 5, tzinfo=dt.UTC), year=True, weekday=False)
    '5 Nov 2026'
    """
    time = time.astimezone(dt.UTC)
    text = f"{time.day} {MONTHS[time.month - 1]}"
    return (f"{_DAYS[time.weekday()]} " if weekday else "") + text + (f" {time.year}" if year else "")


def clock(time: dt.datetime, *, seconds: bool = False) -> str:
    """Write a time of day.

    Parameters
    ----------
    time
        An aware time.
    seconds
        Whether seconds matter here.

    Returns
    -------
    str
        Like ``09:00``, in UTC.

    Examples
    --------
    >>> clock(dt.datetime(2026, 11, 25, 9, 0, 7, tzinfo=dt.UTC), seconds=True)
    '09:00:07'
    """
    return time.astimezone(dt.UTC).strftime("%H:%M:%S" if seconds else "%H:%M")


def period(start: dt.datetime, end: dt.datetime) -> str:
    """Write a stretch of time.

    Parameters
    ----------
    start, end
        Aware times.

    Returns
    -------
    str
        With the year and UTC once; seconds only below ten minutes.

    Examples
    --------
    >>> start = dt.datetime(2026, 11, 16, 3, 5, tzinfo=dt.UTC)
    >>> period(start, start + dt.timedelta(days=7)), period(start, start + dt.timedelta(minutes=20))
    ('16 Nov 03:05 to 23 Nov 2026 03:05 UTC', '16 Nov 2026 03:05 to 03:25 UTC')
    """
    fine = (end - start) < dt.timedelta(minutes=10)
    first, last = clock(start, seconds=fine), clock(end, seconds=fine)
    if start.astimezone(dt.UTC).date() == end.astimezone(dt.UTC).date():
        return f"{day(start, year=True, weekday=False)} {first} to {last} UTC"
    return f"{day(start, weekday=False)} {first} to {day(end, year=True, weekday=False)} {last} UTC"


def count(amount: int, word: str, plural: str | None = None) -> str:
    """Write how many there are of something.

    Parameters
    ----------
    amount
        How many.
    word, plural
        The word for one, and for more (default: with an s).

    Returns
    -------
    str
        Number and word.

    Examples
    --------
    >>> count(1, "life", "lives"), count(2, "workload")
    ('1 life', '2 workloads')
    """
    return f"{amount:,} {word if amount == 1 else plural or word + 's'}"


def printable(text: object) -> str:
    r"""Make foreign text safe for one line of a terminal or an attribute.

    Parameters
    ----------
    text
        A label value, a name, anything from outside; None is not applicable.

    Returns
    -------
    str
        One line; control characters, escape sequences and direction marks become ``·``.

    Examples
    --------
    >>> printable("api\x1b[31m\nevil")
    'api·[31m·evil'
    """
    if text is None:
        return NOT_APPLICABLE
    said = str(text)
    return said if said.isprintable() else "".join(letter if letter.isprintable() else "·" for letter in said)
