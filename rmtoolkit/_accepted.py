"""What a team knows and accepts: workloads that a report keeps out of its headline, up to a size and a day."""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from rmtoolkit._io import read_told
from rmtoolkit.exceptions import ReadError, quote, system_words
from rmtoolkit.schema import ABSURD_BYTES, UNITS

_LARGEST: Final = 1_000_000
_EXPECTED: Final = (
    'tables [[accepted]] with workload = "namespace/name", known = "…", up_to = "900Mi", until = 2027-01-31'
)


class Acknowledgement(Struct, frozen=True):
    workload: str
    known: str
    up_to_bytes: int | None
    until: dt.date | None
    cluster: str | None
    line: int

    def covers(self, row: Mapping[str, Any]) -> bool:
        if self.cluster is not None and self.cluster != row["cluster"]:
            return False
        name = [part for part in (row["namespace"], row["workload"]) if part is not None]
        return self.workload in ("/".join(name), "/".join([*name, row["container"] or ""]))

    def passed(self, peak_bytes: int | None, day: dt.date | None) -> str | None:
        if self.up_to_bytes is not None and peak_bytes is not None and peak_bytes > self.up_to_bytes:
            return "size"
        if self.until is not None and day is not None and day > self.until:
            return "day"
        return None


def read_acknowledgements(path: str | os.PathLike[str]) -> tuple[Acknowledgement, ...]:
    try:
        text = read_told(Path(path), _LARGEST)
    except OSError as error:
        raise ReadError.at(path, found=system_words(error), expected="a TOML file") from error
    except UnicodeDecodeError as error:
        raise ReadError.at(path, found="bytes that are not UTF-8", expected="a TOML file") from error
    except ValueError as error:
        raise ReadError.at(path, found="more than a megabyte", expected=_EXPECTED) from error
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(path, text, error) from error
    except RecursionError as error:
        raise ReadError.at(path, found="arrays that are nested too deeply", expected=_EXPECTED) from error
    lines = _Lines(text)
    for key, value in told.items():
        if key != "accepted" or not isinstance(value, list):
            raise ReadError.at(path, line=lines.of(key), found=key, expected=_EXPECTED)
    return tuple(_one(path, entry, number, lines) for number, entry in enumerate(told.get("accepted", [])))


def _no_toml(path: str | os.PathLike[str], text: str, error: tomllib.TOMLDecodeError) -> ReadError:
    where = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)", str(error))
    number = int(where[1]) if where and where[1] else max(text.count("\n") + (not text.endswith("\n")), 1)
    rows = text.splitlines()
    found = rows[number - 1].strip() if number <= len(rows) else ""
    why = str(error).split(" (at ")[0].rstrip(".")
    return ReadError.at(path, line=number, found=found, expected="TOML", hint=f"The parser says: {quote(why, 120)}.")


class _Lines:
    """Finds keys in the text, since the parser does not say where they stood."""

    def __init__(self, text: str) -> None:
        self.rows = text.splitlines()
        self.tables = [number for number, row in enumerate(self.rows, 1) if re.match(r"\s*\[\[\s*accepted\s*\]\]", row)]

    def of(self, key: str, table: int | None = None) -> int | None:
        begin, end = 0, len(self.rows)
        if table is not None and table < len(self.tables):
            begin = self.tables[table] - 1
            end = self.tables[table + 1] - 1 if table + 1 < len(self.tables) else end
        pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}\b")
        return next((at + 1 for at in range(begin, end) if pattern.match(self.rows[at])), None)


def _one(path: str | os.PathLike[str], entry: object, number: int, lines: _Lines) -> Acknowledgement:
    # An array written in one line has no such place.
    begin = lines.of("accepted", number) or 1
    if not isinstance(entry, dict):
        raise ReadError.at(path, line=begin, found=entry, expected=_EXPECTED)
    for key, value in entry.items():
        check, expected = _CHECKS.get(key, (None, f"one of {', '.join(_CHECKS)}"))
        if check is None or not check(value):
            found = key if check is None else value
            raise ReadError.at(path, line=lines.of(key, number) or begin, found=found, expected=expected)
    if lacking := [key for key in ("workload", "known") if key not in entry]:
        raise ReadError.at(path, line=begin, found=f"a table without {lacking[0]}", expected=_EXPECTED)
    if not {"up_to", "until"} & entry.keys():
        hint = "Give up_to, until or both: what is accepted without a bound is never seen again."
        raise ReadError.at(path, line=begin, found="a table without a bound", expected=_EXPECTED, hint=hint)
    until = entry.get("until")
    day = until.date() if isinstance(until, dt.datetime) else until
    return Acknowledgement(
        entry["workload"].strip(), entry["known"], _bytes(entry.get("up_to")), day, entry.get("cluster"), begin
    )


def _bytes(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 < value <= ABSURD_BYTES else None
    found = re.fullmatch(r"\s*+(\d++(?:\.\d++)?)\s*+(k|[KMGT]i?)?B?\s*+", value) if isinstance(value, str) else None
    if found is None:
        return None
    size = float(found[1]) * UNITS[f"{found[2] or ''}b".lower()]
    return int(size) if 1 <= size <= ABSURD_BYTES else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


#: What each key may be, and how that is said.
_CHECKS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "workload": (_is_text, 'a name in quotes, such as "shop/cache"'),
    "known": (_is_text, "words in quotes"),
    "up_to": (lambda value: _bytes(value) is not None, 'an amount such as "900Mi" or 943718400'),
    "until": (lambda value: isinstance(value, dt.date), "a date without quotes, such as 2027-01-31"),
    "cluster": (_is_text, "a name in quotes"),
}
