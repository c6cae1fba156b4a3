"""Figures and words: the one place that turns bytes, rates, hours, chances and verdicts into text."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import shutil
import textwrap
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from string import Formatter
from typing import IO, Any, Final

from msgspec import Struct

MI: Final = 1 << 20
GI: Final = 1 << 30
UNKNOWN: Final = "unknown"
NOT_APPLICABLE: Final = "–"

#: Money from this on has no hundredths.
_WHOLE_FROM: Final = 100

_SHAPES: Final = {"leak": ("▲", "[!]"), "unsure": ("◆", "[?]"), "ok": ("●", "[ok]")}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WIDTH: Final = 100
#: What words and figures use beyond ASCII, for encodings without it.
_ASCII: Final = str.maketrans("–—−·×≈’", "---.x~'") | str.maketrans(
    {"…": "...", "→": "->", "≤": "<=", "≥": ">=", "±": "+-"}
)
#: Stands for a space at which no line may end; foreign text has none, because it is printable.
_JOINED: Final = "\0"
#: Between a number and its unit.
_AMOUNT: Final = re.compile(r"(?<=\d) (?=(?:[KMGT]iB?|d|h|min|s)\b|%)")

#: Terminal styles: SGR parameters. Colour only on the verdict.
_SGR: Final = {"leak": "1;31", "ok": "1;36", "unsure": "1;35", "bold": "1", "dim": "2"}
#: Between two columns of a terminal.
GAP: Final = "  "


class Mark(Struct, frozen=True):
    """How one verdict, reading or kind of evidence looks: always a shape and a word, never a colour alone."""

    word: str
    token: str

    @property
    def shape(self) -> str:
        return _SHAPES[self.token][0]

    @property
    def plain(self) -> str:
        return _SHAPES[self.token][1]

    @property
    def badge(self) -> str:
        return self.word.upper()


@cache
def texts(room: str) -> dict[str, Any]:
    """Read a file of texts of the package, such as ``analysis/advice``."""
    return tomllib.loads((Path(__file__).parent / f"{room}.toml").read_text("utf-8"))


def looks(of: str) -> dict[str, str]:
    return {name: "".join(pieces) for name, pieces in texts("loaders/patterns")[of].items()}


def marks(kind: str) -> dict[str, Mark]:
    return {name: Mark(*mark) for name, mark in texts("words")["marks"][kind].items()}


VERDICTS, EVIDENCE, ALARMS, READINGS = map(marks, ("verdicts", "evidence", "alarms", "readings"))
#: How a signal is called everywhere, the one action, and what each level of evidence rests on.
SIGNAL_WORDS: Final[dict[str, str]] = texts("words")["signals"]
ACTIONS: Final[dict[str, str]] = texts("words")["actions"]
LEVELS: Final = dict(enumerate(texts("words")["levels"], 1))


def signal_word(name: str | None) -> str:
    known = "memory" if name is None else SIGNAL_WORDS.get(name)
    return known or printable(str(name).removesuffix("_bytes").replace("_", " "))


def not_complete(lacks: str | None) -> list[str]:
    return [] if lacks is None else [f"Not complete: {lacks}"]


def unread(failed: int, of: int, where: str = "") -> str:
    return f"{failed:,} of {count(of, 'file')}{where} could not be read"


def say(room: str, name: str, about: object) -> str:
    return filled(texts(room)[name], about)


def filled(words: str, about: object) -> str:
    """Fill a text in: ``{kills:times}`` is the attribute or key of what it is about, by the function of this module."""
    # ``{kills:kill/kills}`` is the word for one or for several; what else stands behind the colon is Python's.
    is_row, said = isinstance(about, Mapping), ""
    for before, name, find, write in _pieces(words):
        said += f"{before}{write(about[name] if is_row else find(about))}" if name else before  # type: ignore[index]
    return said


@cache
def _pieces(words: str) -> list[tuple[str, str | None, Callable[[object], Any], Callable[[Any], object]]]:
    """Take a text apart, once: what stands before a figure, its name, and how it is found and written."""
    parts = Formatter().parse(words)
    return [(before, name, attrgetter(name or "_"), _writer(spec or "")) for before, name, spec, _ in parts]


def _writer(spec: str) -> Callable[[Any], object]:
    one, several, many = spec.partition("/")
    if several:
        return lambda value: one if value == 1 else many
    write: Callable[[Any], object] | None = globals().get(one)
    return write or (lambda value: format(value, one))


def first(**holds: object) -> str | None:
    return next((name for name, true in holds.items() if true), None)


def number(value: float, digits: int = 3) -> str:
    """Write a measured number with few significant digits, a comma between thousands and a true minus."""
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    shown = f"{rounded:,.{max(places, 0)}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return shown.replace("-", "−")


def _unit(size: float) -> tuple[int, str]:
    units = ((10 * GI, GI, "GiB"), (MI / 10, MI, "Mi"), (1024 / 10, 1024, "Ki"), (0, 1, "B"))
    return next(((factor, unit) for least, factor, unit in units if size >= least), (1, "B"))


def _scaled(bytes_: float) -> tuple[float, str]:
    factor, unit = _unit(abs(bytes_) or MI)
    return bytes_ / factor, unit


def memory(bytes_: float | None) -> str:
    """Write a measured amount in three significant digits: Mi, from 10 GiB on GiB, below a tenth the unit below."""
    if bytes_ is None:
        return UNKNOWN
    value, unit = _scaled(bytes_)
    return f"{number(value)} {unit}"


def change(amount: float | None, *, counted: bool = False) -> str:
    """Write what is more with a plus and what is less with a minus: bytes, or what is counted."""
    if amount is None:
        return UNKNOWN
    size = f"{abs(amount):,}" if counted else memory(abs(amount))
    return f"{'+' if amount > 0 else '−'}{size}" if amount else NOT_APPLICABLE


def mi(bytes_: float) -> str:
    return number(bytes_ / MI)


def known(write: Callable[[Any], str], value: float | None) -> str:
    return NOT_APPLICABLE if value is None else write(value)


def between(low: float, high: float, factor: float = MI) -> str:
    """Write an interval without its unit, which is Mi unless another `factor` is given."""
    return f"{number(low / factor)}{' to ' if low < 0 else '–'}{number(high / factor)}"


def gib(bytes_: float) -> str:
    return number(bytes_ / GI)


def fleet_memory(bytes_: float, *, sign: bool = False) -> str:
    """Write an amount of a whole fleet: GiB, below one Mi as limits are; with `sign` what is more carries a plus."""
    plus = "+" if sign and bytes_ > 0 else ""
    return f"{plus}{gib(bytes_)} GiB" if abs(bytes_) >= GI else f"{plus}{mi(bytes_)} Mi"


def configured(bytes_: int | None, *, known: bool = True) -> str:
    """Write a limit or a request exactly as it was set; None is none, or unknown unless that is `known`."""
    if bytes_ is None:
        return "none" if known else UNKNOWN
    return f"{configured_mi(bytes_)} Mi"


def limit_now(row: Mapping[str, Any]) -> str:
    """Write the limit in force; `per pod` where each has its own, and the highest may take more."""
    return "per pod" if row["limits_differ"] else configured(row["limit_bytes"], known=bool(row["limit_known"]))


def configured_mi(bytes_: int) -> str:
    whole, rest = divmod(bytes_, MI)
    return f"{whole:,}" if not rest else f"{bytes_ / MI:,.2f}".rstrip("0").rstrip(".")


def block_size(bytes_: int) -> str:
    """Write the size of a block exactly, as allocators have them: bytes, or whole Ki or Mi."""
    for unit, name in ((MI, "Mi"), (1024, "Ki")):
        if bytes_ >= 2 * unit and not bytes_ % unit:
            return f"{bytes_ // unit:,} {name}"
    return f"{bytes_:,} bytes"


def small_memory(bytes_: float, *, like: float | None = None) -> str:
    """Write an amount that may be smaller than a page, such as growth for each request."""
    factor, unit = _unit(min(abs(bytes_ if like is None else like), MI))
    return number(bytes_ / factor) + (f" {unit}" if like is None else "")


def peak_against_limit(row: Mapping[str, Any], *, unit: bool = True) -> str:
    peak = UNKNOWN if row["peak_bytes"] is None else number(row["peak_bytes"] / MI)
    if row["limit_bytes"] is None or row["limits_differ"]:
        return f"{peak}{' Mi' if unit and row['peak_bytes'] is not None else ''} / {limit_now(row)}"
    return f"{peak} / {configured_mi(row['limit_bytes'])}{' Mi' if unit else ''}"


def rate(bytes_per_day: float | None, *, sign: bool = False, digits: int = 3) -> str:
    """Write a growth: Mi/day, from 10 GiB/day on GiB/day; with `sign` what grows carries a plus."""
    if bytes_per_day is None:
        return UNKNOWN
    value, unit = _scaled(bytes_per_day)
    plus = "+" if sign and bytes_per_day > 0 else ""
    return f"{plus}{number(value, digits)} {unit}/day"


def pace_unit(seconds: float | None) -> tuple[int, str]:
    units = ((86_400, "a day"), (3600, "an hour"), (60, "a minute"))
    return next((unit for unit in units if (seconds or 0) >= unit[0]), (1, "a second"))


def pace(bytes_per_second: float, seconds: float | None) -> str:
    length, unit = pace_unit(seconds)
    return f"{small_memory(length * bytes_per_second)} {unit}"


def floor(bytes_per_day: float | None) -> str:
    """Write the smallest growth that would have been found: it is an estimate, and has two digits."""
    return rate(bytes_per_day, digits=2)


def rate_range(growth: float | None, low: float | None, high: float | None) -> str:
    """Write the interval of a growth in the unit that `rate` gives the growth, without it."""
    if growth is None or low is None or high is None:
        return ""
    return between(low, high, _unit(abs(growth) or MI)[0])


def rate_with_range(growth: float | None, low: float | None, high: float | None) -> str:
    if growth is None or low is None or high is None:
        return rate(growth)
    # From 10 GiB on as `rate` has it, or one growth would stand in two units on one page.
    factor, unit = _unit(max(abs(growth), min(max(abs(low), abs(high)), MI)))
    return f"{number(growth / factor)} {unit}/day ({between(low, high, factor)})"


def hours(value: float | None) -> str:
    """Write hours: seconds below a minute, minutes below an hour, hours below 72, else days."""
    if value is None:
        return UNKNOWN
    for below, parts, unit in ((1 / 60, 3600, "s"), (1, 60, "min"), (72, 1, "h")):
        if value < below:
            return f"{number(value * parts, 2)} {unit}"
    return f"{number(value / 24, 2 if value < 240 else 3)} d"  # noqa: PLR2004 - ten days: one decimal throughout


def seconds(value: float | None) -> str:
    return hours(None if value is None else value / 3600)


def hours_range(low: float | None, high: float | None) -> str:
    if low is None:
        return ""
    if high is None:
        return f"from {hours(low)}"
    first, last = hours(low).rsplit(" ", 1), hours(high).rsplit(" ", 1)
    return f"{first[0]}–{last[0]} {last[1]}" if first[1] == last[1] else f"{' '.join(first)}–{' '.join(last)}"


def time_to_limit(row: Mapping[str, Any]) -> str:
    if row["limit_outlook"] == "reaches" and row["hours_to_limit"] is not None:
        return hours(row["hours_to_limit"]) if row["hours_to_limit"] > 0 else "reached"
    if row["limit_bytes"] is None:
        return "no limit" if row["limit_known"] else "limit unknown"
    return "not reached" if row["limit_outlook"] == "bounded" else UNKNOWN


def chance(value: float | None) -> str:
    """Write a probability with two significant digits; never 0 and never 100 %."""
    if value is None:
        return UNKNOWN
    if value < 0.001:  # noqa: PLR2004
        return "<0.1 %"
    return ">99 %" if value > 0.99 else f"{number(100 * value, 2)} %"  # noqa: PLR2004


def one_in(value: float) -> str:
    return chance(value) if value >= 0.001 else f"1 in {round(1 / value):,}"  # noqa: PLR2004 - as in `chance`


def share_up_to(part: float, *, exact: bool | None) -> str:
    """Write a share that is at most so large, unless it is known exactly."""
    written = chance(part)
    return written if exact or written.startswith("<") else f"at most {written}"


def chance_range(low: float | None, high: float | None) -> str:
    """Write the interval of a chance in brackets; nothing where it is not known, or too narrow to be told."""
    if low is None or high is None or chance(low) == chance(high):
        return ""
    return f" ({chance(low).removesuffix(' %')}–{chance(high)})"


def kill_chance(row: Mapping[str, Any]) -> str:
    """Write the chance of an OOM kill at the limit in force; without a limit there is nothing to exceed."""
    value = row["oom_probability_7d"]
    return NOT_APPLICABLE if value is None and row["limit_bytes"] is None and row["limit_known"] else chance(value)


def share(value: float | None) -> str:
    """Write a share of something that can be complete, rounded down: only what is complete reads 100 %."""
    if value is None or 0 < value < 0.001:  # noqa: PLR2004
        return chance(value)
    return f"{number(math.floor(1000 * value + 1e-9) / 10)} %"


def moment(time: dt.datetime, *, seconds: bool = False) -> str:
    """Write an instant in UTC; the view names UTC once."""
    return f"{day(time)} {clock(time, seconds=seconds)}"


def instant(at: dt.datetime, hours_left: float) -> str:
    """Write when something comes, and in which time counted from the last sample."""
    return f"{moment(at, seconds=hours_left < 1 / 6)} UTC (in {hours(hours_left)})"


def stamp(time: dt.datetime, *, seconds: bool = False) -> str:
    """Write an instant in UTC as it can be typed, such as ``2026-11-25 09:00``."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def money(amount: float, currency: str | None, *, sign: bool = False) -> str:
    """Write an amount of money: hundredths below 100; with `sign` what is more carries a plus."""
    plus = "+" if sign and amount > 0 else ""
    shown = f"{amount:.2f}".replace("-", "−") if abs(amount) < _WHOLE_FROM else number(amount)
    return f"{plus}{shown} {printable(currency or '')}".rstrip()


def day(time: dt.datetime, *, year: bool = False, weekday: bool = True) -> str:
    """Write a day like ``Wed 25 Nov``, in UTC and whatever the locale."""
    time = time.astimezone(dt.UTC)
    text = f"{time.day} {MONTHS[time.month - 1]}"
    return (f"{_DAYS[time.weekday()]} " if weekday else "") + text + (f" {time.year}" if year else "")


def clock(time: dt.datetime, *, seconds: bool = False) -> str:
    return time.astimezone(dt.UTC).strftime("%H:%M:%S" if seconds else "%H:%M")


def period(start: dt.datetime, end: dt.datetime) -> str:
    if start == end:
        return f"{day(start, year=True, weekday=False)} {clock(start, seconds=True)} UTC"
    fine = (end - start) < dt.timedelta(minutes=10)
    first, last = clock(start, seconds=fine), clock(end, seconds=fine)
    if start.astimezone(dt.UTC).date() == end.astimezone(dt.UTC).date():
        return f"{day(start, year=True, weekday=False)} {first} to {last} UTC"
    return f"{day(start, weekday=False)} {first} to {day(end, year=True, weekday=False)} {last} UTC"


def count(amount: int, word: str, plural: str | None = None) -> str:
    return f"{amount:,} {word if amount == 1 else plural or word + 's'}"


_SINGULAR: Final[dict[str, dict[str, str]]] = texts("words")["singular"]


def counted(number: int, reason: str) -> str:
    """Put a count before a reason that is written for several."""
    if number != 1:
        return f"{number:,} {reason}"
    noun, space, rest = reason.partition(" ")
    for several, one in _SINGULAR["phrases"].items():
        rest = rest.replace(several, one, 1)
    return f"1 {_SINGULAR['nouns'].get(noun, noun.removesuffix('s'))}{space}{rest}"


def and_more(amount: int, shown: int) -> str:
    return f" and {amount - shown:,} more" if amount > shown else ""


def sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}."


def event(kind: str) -> str:
    return kind.replace("_", " ").replace("oom", "OOM")


def times(amount: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(amount, f"{amount:,} times")


def runs_killed(killed: int, runs: int, kills: int) -> str:
    """Write how many runs of a workload its limit ended, and how often it killed where starts left no sample."""
    if kills > killed and not runs:
        return f"it was OOM-killed {times(kills)}, and no run left a sample"
    if kills > killed:
        sampled = "only run" if runs == 1 else f"{runs:,} runs"
        return f"it was OOM-killed {times(kills)}, {times(killed)} in the {sampled} that left samples"
    return f"{killed:,} of {count(runs, 'run')} {'was' if killed == 1 else 'were'} OOM-killed"


#: Letters that nobody sees: fillers, joiners and the choice of a form.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_ALIKE: Final = re.compile(f"[{texts('words')['alike']}]")


def printable(text: object) -> str:
    r"""Make foreign text safe for one line: what is unseen is a dot, what is not the letter it looks like is named."""
    if text is None:
        return NOT_APPLICABLE
    said = str(text)
    if said.isascii() and said.isprintable():
        return said
    said = "".join(letter if letter.isprintable() else "·" for letter in _UNSEEN.sub("·", said))

    def told_apart(word: re.Match[str]) -> str:
        # Letters of a word that without them would be one in ASCII; other words are of their own alphabet.
        named = "".join(f"<U+{ord(letter):04X}>" if _looks_ascii(letter) else letter for letter in word[0])
        return named if named.isascii() else word[0]

    return re.sub(r"\w+", told_apart, said)


def _looks_ascii(letter: str) -> bool:
    if letter.isascii():
        return False
    form = unicodedata.normalize("NFKC", letter) if letter.isalpha() or letter.isdecimal() else letter
    return (len(form) == 1 and form.isascii()) or _ALIKE.match(letter) is not None


def columns(stream: IO[str]) -> int:
    """Tell how wide a terminal is, within what can be read; a file or a pipe is as wide as ever."""
    if not stream.isatty():
        return WIDTH
    return min(max(shutil.get_terminal_size((WIDTH, 24)).columns, 60), 200)


def plain(body: str) -> str:
    return body.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def shortened(name: str, characters: int) -> str:
    """Cut a name in its middle: its beginning says whose it is, its end tells it from others."""
    if len(name) <= characters:
        return name
    tail = (characters - 1) // 2
    return f"{name[: characters - 1 - tail]}…{name[-tail:]}"


def wrapped(line: str, room: int = WIDTH, *, indent: str = "") -> list[str]:
    """Break foreign text into lines; a word longer than a line is cut in its middle, but never code: it is copied."""
    *parts, last = _AMOUNT.sub(_JOINED, printable(line)).split("`")
    # An odd part is code; what is after a backtick without its like is none.
    parts = [part.replace(" ", _JOINED) if at % 2 else part for at, part in enumerate(parts)]
    words = "`".join([*parts, last]).split(" ")
    kept = [word if "`" in word else shortened(word, room - len(indent)) for word in words]
    lines = textwrap.wrap(
        " ".join(kept), room, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return [part.replace(_JOINED, " ") for part in lines] or [""]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [GAP.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def wants_colour(stream: IO[str]) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def has_unicode(stream: IO[str]) -> bool:
    try:
        "▲◆●–−·…→".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Pen(Struct, frozen=True):
    """How a terminal, a log or a pipe is written to."""

    colour: bool = False
    unicode: bool = True
    width: int = WIDTH

    @classmethod
    def of(cls, stream: IO[str], *, colour: bool = True) -> Pen:
        return cls(colour and wants_colour(stream), has_unicode(stream), columns(stream))

    def style(self, name: str, written: str) -> str:
        return f"\x1b[{_SGR[name]}m{written}\x1b[0m" if self.colour and written else written

    def marked(self, mark: Mark, word: str) -> str:
        return f"{mark.shape if self.unicode else mark.plain} {word}"

    def body(self, lines: Iterable[str]) -> str:
        body = "\n".join(lines) + "\n"
        return body if self.unicode else plain(body)


def named(row: Mapping[str, Any]) -> str:
    return "/".join(printable(row[part]) for part in ("name", "pod") if part == "name" or "lives" in row)


def growth(row: Mapping[str, Any]) -> str:
    if row["growth_bytes_per_day"] is None:
        return "none" if row["verdict"] == "not_leak" else UNKNOWN
    return rate(row["growth_bytes_per_day"], sign=True)


def grows_beside(row: Mapping[str, Any]) -> bool:
    """Tell whether something else reaches the limit than what a row's growth is of."""
    return row["limit_outlook"] == "reaches" and not row["growing"]


def told(words: str) -> str:
    return whole_amounts(printable(words))


def whole_amounts(sentence: str) -> str:
    """Keep an amount of memory or a share and its unit on one line."""
    return _AMOUNT.sub("\u00a0", sentence)
