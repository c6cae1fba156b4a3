"""Time stamps as logs write them: find one in a line, in whatever language and format."""

from __future__ import annotations

import calendar
import datetime as dt
import re
import unicodedata
from enum import IntEnum
from typing import Final, NamedTuple


class Kind(IntEnum):
    """How much a time stamp says; more is better."""

    CLOCK = 0
    YEARLESS = 1
    DATED = 2


class Stamp(NamedTuple):
    """A time stamp as it was written.

    Attributes
    ----------
    kind
        DATED: `milliseconds` count from 1970. YEARLESS: the same, in the year 2000, a leap year.
        CLOCK: they count from midnight.
    milliseconds
        As above; in UTC where `utc` is true, else on the clock of a zone that is not said.
    utc
        The stamp says its zone.
    order
        ``dm`` or ``md`` where only that order of day and month makes a date, ``?`` where both do,
        empty where the format leaves no doubt.
    other
        With ``?``: `milliseconds` is day first, this is month first.
    zone
        The zone as it was written; empty when there is none.
    """

    kind: Kind
    milliseconds: int
    utc: bool
    order: str = ""
    other: int = -1
    zone: str = ""

    def at(self, of_day: int) -> Stamp:
        """Move a stamp of midnight on.

        Parameters
        ----------
        of_day
            Milliseconds since midnight.

        Returns
        -------
        Stamp
            The same day at that time.

        Examples
        --------
        >>> Stamp(Kind.DATED, 86_400_000, utc=True).at(1000).milliseconds
        86401000
        """
        milliseconds = self.milliseconds + of_day
        if self.kind == Kind.CLOCK:
            milliseconds %= _DAY_MS
        other = self.other + of_day if self.other >= 0 else -1
        return Stamp(self.kind, milliseconds, self.utc, self.order, other, self.zone)


#: Month names and their short forms in the languages of glibc, folded; names that mean two months are not here.
_MONTH_NAMES: Final = (
    "jan january januar janv janvier ene enero janeiro gen gener gennaio januari sty stycznia styczen led ledna "
    "leden tammi tammikuu jaan jaanuar ian ianuarie яну януари янв января январь січ січня oca ocak ιαν "
    "ιανουαριου",
    "feb february februar fevr fevrier febrero fev fevereiro febbraio febrer februari lut lutego luty uno unora "
    "unor helmi helmikuu veebr veebruar febr februarie фев февр февруари февраля февраль лют лютого sub subat φεβ "
    "φεβρουαριου",
    "mar march marz mars marzo marco marc mrt maart marca marzec bre brezna brezen marec mart marts maalis "
    "maaliskuu marcius martie мар март марта бер березня μαρ μαρτιου maret",
    "apr april avr avril abr abril aprile kwi kwietnia kwiecien dub dubna duben huhti huhtikuu aprill aprilie апр "
    "април апреля апрель кві квітня nis nisan απρ απριλιου",
    "may mai mayo maio mag maig maggio mei maj maja kve kvetna kveten touko toukokuu majus май мая трав травня "
    "mayıs mayis μαι μαιου",
    "jun june juni juin junio junho juny giu giugno cze czerwca czerwiec cvn cen cervna cerven junij kesa kesakuu "
    "juuni junius iun iunie юни июн июня июнь чер червня haz haziran ιουν ιουνιου",
    "jul july juli juil juillet julio julho juliol lug luglio lip lipca lipiec cvc cec cervence cervenec julij "
    "heina heinakuu juuli julius iul iulie юли июл июля июль лип липня tem temmuz ιουλ ιουλιου",
    "aug august aout ago ag agost agosto augustus sie sierpnia sierpien srp srpna srpen avg avgust augusti elo "
    "elokuu augusztus авг август августа сер серпня agu agustos agustus αυγ αυγουστου",
    "sep september sept septembre septiembre set setembro setembre settembre wrz wrzesnia wrzesien zar zari syys "
    "syyskuu szept szeptember septembrie сеп септември сен сент сентября сентябрь вер вересня eyl eylul σεπ "
    "σεπτεμβριου",
    "oct october okt oktober octobre octubre out outubro ott ottobre paz pazdziernika pazdziernik rij rijna rijen "
    "loka lokakuu oktoober octombrie окт октомври октября октябрь жов жовтня eki ekim οκτ οκτωβριου",
    "nov november novembre noviembre novembro lis listopad listopadu listopada marras marraskuu noiembrie ное "
    "ноември ноя нояб ноября ноябрь лис листопада kas kasım kasim νοε νοεμβριου",
    "dec december dez dezember decembre des desembre dic diciembre dezembro dicembre gru grudnia grudzien pro "
    "prosince prosinec desember joulu joulukuu dets detsember decembrie дек декември декабря декабрь гру грудня "
    "ara aralık aralik δεκ δεκεμβριου",
)

#: Minutes east of Greenwich for the zone names that mean one offset in the whole tz database since 2022.
_ZONES: Final = {
    "Z": 0, "UTC": 0, "UCT": 0, "GMT": 0, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180,
    "MSK": 180, "SAST": 120, "WAT": 60, "CAT": 120, "EAT": 180, "PKT": 300, "WIB": 420, "HKT": 480, "AWST": 480,
    "JST": 540, "KST": 540, "ACST": 570, "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
    "NST": -210, "NDT": -150, "AST": -240, "ADT": -180, "EST": -300, "EDT": -240, "MDT": -360, "PDT": -420,
    "AKST": -540, "AKDT": -480, "HST": -600,
}  # fmt: skip

_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?",
)
_EPOCH: Final = re.compile(r"(?<![\w.,:+-])(1\d{9}|[2-9]\d{9})(?:[.,](\d{1,9})|(\d{3}|\d{6}|\d{9}))?(?![\w:])")
_COMPACT: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)-?(\d\d)-?(\d\d)[-_T]?(\d\d)[-.]?(\d\d)[-.]?(\d\d)(?!\d)(Z?)")
_CLOCK: Final = re.compile(
    r"(?<![\d.])(?:(?<!:)|(?<=/\d{4}:))(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?![\d:])(?:\s*([AaPp])\.?\s?[Mm]\b\.?)?",
)
_DOTTED_CLOCK: Final = re.compile(r"(?<![\d.])(\d{1,2})\.(\d\d)\.(\d\d)(?![\d.])()()")
_ZONE: Final = re.compile(r",?\s*\(?(Z\b|[A-Z]{3,5}\b|[+-]\d\d(?::?\d\d)?(?!\d))\)?")
_YEAR_FIRST: Final = re.compile(r"(?<!\d)(\d{4})\s?[-/.年]\s?(\d{1,2})\s?[-/.月]\s?(\d{1,2})(?!\d)日?\.?")
_YEAR_LAST: Final = re.compile(r"(?<![\d.])(\d{1,2})(\.|/|-)\s?(\d{1,2})\2\s?(\d{4}|\d\d)(?!\d)\.?")
_WORD: Final = re.compile(r"[^\W\d_]+")
_DAY: Final = re.compile(r"(?<!\d)(\d{1,2})(?!\d)\.?")
_YEAR: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)\.?")
#: What may stand before a date in ISO 8601.
_BEFORE: Final = ("", " ", "[", "(", "=", '"', "\t", ":", "|")

_DAY_MS: Final = 86_400_000
_LEAP_YEAR: Final = 2000
_LAST_YEAR: Final = 2200
_NOON: Final = 12
_DAYS: Final = 31
_NEAR: Final = 5  # as in `24 de novembre`
_LAST_SECOND: Final = 7_258_118_400
_FARTHEST_MINUTES: Final = 15 * 60
_YEAR_DIGITS: Final = 4


def _fold(word: str) -> str:
    """Strip case and accents, so that `März` and `MARZ` are one."""
    spread = unicodedata.normalize("NFKD", word.casefold())
    return spread if spread.isascii() else "".join(letter for letter in spread if not unicodedata.combining(letter))


_MONTHS: Final = {_fold(name): number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}


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
    if zone in _ZONES:
        return _ZONES[zone]
    if zone[0] not in "+-":
        return None
    minutes = int(zone[1:3]) * 60 + int(zone[3:].replace(":", "") or 0)
    if minutes > _FARTHEST_MINUTES:
        return None
    return -minutes if zone[0] == "-" else minutes


def _iso(text: str) -> Stamp | None:
    """Read ISO 8601 and RFC 3339."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1970 <= moment.year <= _LAST_YEAR:  # noqa: PLR2004
        return None
    milliseconds = calendar.timegm(moment.utctimetuple()) * 1000 + moment.microsecond // 1000
    return Stamp(Kind.DATED, milliseconds, moment.tzinfo is not None)


def find(text: str) -> tuple[Stamp, str] | None:
    """Find the time stamp in a line.

    Parameters
    ----------
    text
        One line, or the part of it before the data.

    Returns
    -------
    tuple of (Stamp, str), or None
        The stamp and what is left of the text without it.

    Examples
    --------
    >>> find("=== 2026-11-24T22:51:22Z ===")[1]
    '===  ==='
    >>> find("Di 24. Nov 22:52:57 UTC 2026")[0].milliseconds
    1795560777000
    >>> find("[api] 22:51:29 |")[0].kind.name
    'CLOCK'
    >>> find("no time here") is None
    True
    """
    found = _ISO.search(text)
    if found and text[found.start() - 1 : found.start()] in _BEFORE:
        stamp = _iso(found[0].replace(",", "."))
        follows = text[found.end() : found.end() + 1]
        named = stamp and not stamp.utc and _ZONE.match(text, found.end())
        if stamp and not named and not follows.isalnum() and (not follows or follows not in "-_:/."):
            return stamp, text[: found.start()] + text[found.end() :]
    found = _EPOCH.search(text)
    if found and int(found[1]) < _LAST_SECOND:
        seconds, fraction, more = found.groups()
        digits = f"{fraction or more or ''}000"
        stamp = Stamp(Kind.DATED, int(seconds) * 1000 + int(digits[:3]), utc=True)
        return stamp, text[: found.start()] + text[found.end() :]
    return _compact(text) or _pieces(text)


def _compact(text: str) -> tuple[Stamp, str] | None:
    """Find a stamp such as 20261124-225257."""
    found = _COMPACT.search(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, utc = found.groups()
    of_day = _of_day(hour, minute, second, None, None)
    midnight = _local(int(year), int(month), int(day))
    if of_day < 0 or midnight < 0:
        return None
    return Stamp(Kind.DATED, midnight + of_day, bool(utc)), text[: found.start()] + text[found.end() :]


def _pieces(text: str) -> tuple[Stamp, str] | None:
    """Find clock, zone and date one by one, taking each out of the text."""
    found = _CLOCK.search(text)
    clock, zone, rest = _clock(text, found) if found else (None, "", text)
    date, rest = _date(rest)
    if found is None:
        if date.kind != Kind.DATED or any(letter.isdigit() for letter in rest.replace(".", "")):
            found = _DOTTED_CLOCK.search(rest)
            if date.kind != Kind.DATED or found is None:
                return None
            clock, zone, rest = _clock(rest, found)
        else:
            clock = 0
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
    """Take clock and zone out of the text; None where the clock shows no real time."""
    of_day = _of_day(*found.groups())
    zone = _ZONE.match(text, found.end())
    rest = f"{text[: found.start()]} {text[zone.end() if zone else found.end() :]}"
    return (of_day if of_day >= 0 else None), (zone[1] if zone else ""), rest


def _date(text: str) -> tuple[Stamp, str]:
    """Take a date out of the text: the stamp of its midnight, negative where there is no such day."""
    if found := _YEAR_FIRST.search(text):
        year, month, day = map(int, found.groups())
        rest = text[: found.start()] + text[found.end() :]
        return Stamp(Kind.DATED, _local(year, month, day), utc=False), rest
    if found := _YEAR_LAST.search(text):
        one, two = int(found[1]), int(found[3])
        year = int(found[4]) if len(found[4]) == _YEAR_DIGITS else 2000 + int(found[4])
        day_first, month_first = _local(year, two, one), _local(year, one, two)
        rest = text[: found.start()] + text[found.end() :]
        if found[2] == "." or day_first == month_first:
            return Stamp(Kind.DATED, day_first, utc=False), rest
        if day_first < 0 or month_first < 0:
            return Stamp(
                Kind.DATED, max(day_first, month_first), utc=False, order="dm" if month_first < 0 else "md"
            ), rest
        return Stamp(Kind.DATED, day_first, utc=False, order="?", other=month_first), rest
    return _named_date(text) or (Stamp(Kind.CLOCK, 0, utc=False), text)


def _named_date(text: str) -> tuple[Stamp, str] | None:
    """Take out a date whose month is a word."""
    # `mar.` is March in one language and Tuesday in another: the weekday comes first.
    for word in reversed(list(_WORD.finditer(text))):
        month = _MONTHS.get(_fold(word[0]))
        if month is None:
            continue
        rest = _blank(text, word)
        year = _YEAR.search(rest)
        if year:
            rest = _blank(rest, year)
        near = (
            day
            for day in _DAY.finditer(rest)
            if -_NEAR <= day.start() - word.end() <= _NEAR or 0 <= word.start() - day.end() <= _NEAR
        )
        day = next((day for day in near if 1 <= int(day[1]) <= _DAYS), None)
        if day is None:
            continue
        midnight = _local(int(year[1]) if year else _LEAP_YEAR, month, int(day[1]))
        return Stamp(Kind.DATED if year else Kind.YEARLESS, midnight, utc=False), _blank(rest, day)
    return None


def _blank(text: str, found: re.Match[str]) -> str:
    """Put blanks in the place of what was found, so that places stay."""
    return f"{text[: found.start()]}{' ' * (found.end() - found.start())}{text[found.end() :]}"
