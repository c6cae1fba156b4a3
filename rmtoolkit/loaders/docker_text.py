"""What `docker stats` prints: tables, drawn over each other or one by one, and JSON lines."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit.loaders import stamps
from rmtoolkit.schema import ABSURD_BYTES

if TYPE_CHECKING:
    from rmtoolkit.loaders.stamps import Stamp

_UNITS: Final = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_SIZE: Final = r"(\d{1,30}(?:\.\d{1,30})?(?:[eE][+]\d{1,2})?)[ ]?((?:[KMGTkmgt]i?)?B)"
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_AMOUNT: Final = re.compile(_SIZE)
#: The first pair of a line is memory; network and disk come after it.
_PAIR: Final = re.compile(rf"(?<![\w.]){_SIZE}\s*/\s*{_SIZE}(?![\w.])")
_UNKNOWN_PAIR: Final = re.compile(r"(?<!\S)--\s+/\s+--(?!\S)")
_HEADER: Final = re.compile(r"\bMEM USAGE ?/ ?LIMIT\b")
_WINDOWS: Final = re.compile(r"\bPRIV WORKING SET\b")
#: A picture ends where the rest of the screen is wiped; older versions wipe the whole screen first.
_WIPED: Final = re.compile(r"\x1b\[[02]?J")
_HOME: Final = re.compile(r"\x1b\[(?:1;1)?H")
_CODES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CELLS: Final = re.compile(r"\s{2,}|\t")
_WORDS: Final = re.compile(r"[\s,;|]+")
_ID: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{12}")
_SHORT_ID: Final = 12
#: Go prints amounts with "%.4g".
_DIGITS: Final = 4
_TIME_KEYS: Final = ("time", "timestamp", "ts", "@timestamp", "date", "read")


class Row(NamedTuple):
    """One container in one table.

    Attributes
    ----------
    line
        1-based.
    tick
        Number of the table that it stands in.
    stamp
        Index of the time stamp at the head of the line; None without.
    id, name
        As printed; the id is cut to 12 digits; None where it was not printed.
    working_set_bytes, limit_bytes
        The amounts.
    quantum_bytes
        How coarse the first amount is.
    threads
        The column PIDS; None without.
    """

    line: int
    tick: int
    stamp: int | None
    id: str | None
    name: str | None
    working_set_bytes: int
    limit_bytes: int | None
    quantum_bytes: int
    threads: int | None


@dataclass(slots=True)
class Log:
    """What stands in one file.

    Attributes
    ----------
    rows
        In order.
    stamps
        Time stamps with the text they were read from.
    marks
        Line and index into `stamps` of those on lines of their own.
    drawn
        The tables were drawn over each other on a terminal.
    idle
        Rows of containers that did not run, which print 0 of 0.
    other
        Lines that are none of these.
    first_other
        Number and text of the first of those.
    windows
        It lists Windows containers, which have other columns.

    Examples
    --------
    >>> Log().rows
    []
    """

    rows: list[Row] = field(default_factory=list)
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    drawn: bool = False
    idle: int = 0
    other: int = 0
    first_other: tuple[int, str] | None = None
    windows: bool = False


def amount(text: str) -> tuple[int, int] | None:
    """Read an amount as Docker prints it.

    Parameters
    ----------
    text
        A number and a unit.

    Returns
    -------
    tuple of (int, int), or None
        Bytes, and how coarse that is: one in the last of four digits.

    Examples
    --------
    >>> amount("13.15MiB"), amount("1.5GB"), amount("0B"), amount("--")
    ((13788774, 10486), (1500000000, 1000000), (0, 1), None)
    """
    found = _AMOUNT.fullmatch(text.strip())
    return _amount(found[1], found[2]) if found else None


def _amount(number: str, unit: str) -> tuple[int, int]:
    scale = _UNITS[unit.lower()]
    value = float(number)
    step = 10.0 ** (math.floor(math.log10(value)) + 1 - _DIGITS) if value > 0 else 0.0
    return round(value * scale), max(1, round(min(step, 1.0) * scale) if scale > 1 else 1)


def read_text(text: str) -> Log:
    r"""Read the output of `docker stats`.

    Parameters
    ----------
    text
        One table or many, in any format that prints usage and limit, with or without time stamps.

    Returns
    -------
    Log
        What was found.

    Examples
    --------
    >>> log = read_text("NAME    MEM USAGE / LIMIT\ndb      1.5MiB / 64MiB\nold     0B / 0B\n")
    >>> [(row.name, row.working_set_bytes, row.limit_bytes) for row in log.rows], log.idle
    ([('db', 1572864, 67108864)], 1)
    """
    log = Log(drawn="\x1b[" in text and bool(_HOME.search(text) or _WIPED.search(text)))
    reader = _Reader(log)
    # Some versions draw every picture twice between two wipes: what is printed again replaces itself.
    border = _WIPED if _WIPED.search(text) else _HOME
    line = 1
    for picture in border.split(text) if log.drawn else [text]:
        for content in picture.split("\n"):
            reader.take(line, _CODES.sub("", content).replace("\r", "").rstrip())
            line += 1
        line -= 1
        if log.drawn:
            reader.new_tick()
    if log.drawn:
        log.rows = list({(row.tick, row.id, row.name): row for row in log.rows}.values())
    return log


class _Reader:
    """Goes through the lines and remembers the header and which containers the table has."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tick = 0
        self._seen: set[tuple[str | None, str | None]] = set()
        self._columns: list[str] = []

    def new_tick(self) -> None:
        """Begin another table."""
        if self._seen:
            self._tick += 1
            self._seen = set()

    def take(self, line: int, text: str) -> None:
        """Read a line."""
        if not text.strip():
            return
        if _HEADER.search(text):
            self._header(text)
        elif (brace := text.find('{"')) >= 0 and self._json(line, text[:brace], text[brace:]):
            return
        elif found := _PAIR.search(text):
            self._row(line, text, found)
        elif _UNKNOWN_PAIR.search(text):
            self._log.idle += 1
        elif _WINDOWS.search(text):
            self._log.windows = True
        elif (stamp := stamps.find(text)) is not None:
            if not self._log.drawn:
                self.new_tick()
            self._log.marks.append((line, len(self._log.stamps)))
            self._log.stamps.append((stamp[0], text))
        else:
            self._log.other += 1
            self._log.first_other = self._log.first_other or (line, text)

    def _header(self, text: str) -> None:
        found = stamps.find(text)
        self._columns = [cell.strip() for cell in _CELLS.split((found[1] if found else text).strip())]
        if not self._log.drawn:
            self.new_tick()

    def _row(self, line: int, text: str, pair: re.Match[str]) -> None:
        head, stamp = self._stamp(text[: pair.start()])
        cells = [cell.strip() for cell in _CELLS.split(f"{head}\0{text[pair.start() :]}".replace("\0", "").strip())]
        named = dict(zip(self._columns, cells, strict=False)) if len(cells) == len(self._columns) else {}
        if named:
            id_ = named.get("CONTAINER ID") or named.get("ID")
            name = named.get("NAME") or named.get("CONTAINER")
            threads = named.get("PIDS")
        else:
            words = [word.strip("\"':=") for word in _WORDS.split(head) if word and not word.endswith("%")]
            id_ = next((word for word in words if _ID.fullmatch(word)), None)
            name = next((word for word in words if word and not _ID.fullmatch(word)), None)
            threads = None
        self._add(line, stamp, (id_, name, threads), pair)

    def _json(self, line: int, head: str, text: str) -> bool:
        try:
            value, _ = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return False
        entry = {key.lower().replace("_", ""): value[key] for key in value} if isinstance(value, dict) else {}
        if "memusage" not in entry:
            return False
        pair = _PAIR.fullmatch(str(entry["memusage"]).strip())
        if pair is None:
            self._log.idle += 1
            return True
        told = next((str(entry[key]) for key in _TIME_KEYS if entry.get(key) is not None), head)
        _, stamp = self._stamp(told)
        id_ = entry.get("id") or entry.get("container")
        self._add(line, stamp, (_text(id_), _text(entry.get("name")), _text(entry.get("pids"))), pair)
        return True

    def _stamp(self, head: str) -> tuple[str, int | None]:
        """Take the time stamp out of the beginning of a line."""
        found = stamps.find(head)
        if found is None:
            return head, None
        self._log.stamps.append((found[0], head))
        return found[1], len(self._log.stamps) - 1

    def _add(
        self, line: int, stamp: int | None, about: tuple[str | None, str | None, str | None], pair: re.Match[str]
    ) -> None:
        id_, name, threads = ((word if word not in ("", "--") else None) if word else None for word in about)
        # What no column can hold stays absurd, and is counted with what else is no real amount.
        (used, quantum), (limit, _) = _amount(pair[1], pair[2]), _amount(pair[3], pair[4])
        used, limit = min(used, ABSURD_BYTES), min(limit, ABSURD_BYTES)
        if used == 0 and limit == 0:
            self._log.idle += 1
            return
        if id_ is not None and not _ID.fullmatch(id_):
            # `docker stats NAME` prints what was asked for in the place of the id.
            id_, name = None, name or id_
        key = (id_, name)
        if key in self._seen and not self._log.drawn:
            self.new_tick()
        self._seen.add(key)
        count = int(threads) if threads and _COUNT.fullmatch(threads) else None
        self._log.rows.append(
            Row(line, self._tick, stamp, id_[:_SHORT_ID] if id_ else None, name, used, limit or None, quantum, count),
        )


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return None if value is None else str(value)
