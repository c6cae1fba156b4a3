"""What was written down of a worked example: how it is stored, read and compared."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def plain(value: object) -> Any:
    """Make JSON of a value; four digits of a number tell enough."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, pl.Series | list | tuple):
        several = [plain(one) for one in value]
        # A curve is known by some of its points.
        return several[:: len(several) // 8] if len(several) > 32 and isinstance(several[0], float) else several
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if one is not None}
    return str(value) if isinstance(value, str) else value


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def _drawn(line: object) -> tuple[str, str, list[float]]:
    """A line of markup: its element without numbers, its words, and the numbers."""
    element, _, words = str(line).partition(">")
    return _NUMBER.sub("#", element), words, [float(number) for number in _NUMBER.findall(element)]


#: A number in full, whose last digits depend on how a Python adds.
_WHOLE = re.compile(r"-?\d+\.\d{9,}")


def _rounded(value: object) -> object:
    return _WHOLE.sub(lambda found: f"{float(found[0]):.9g}", value) if isinstance(value, str) else value


def _same(now: object, before: object) -> bool:
    if isinstance(now, float) and isinstance(before, float):
        return math.isclose(now, before, rel_tol=2e-3, abs_tol=1e-6)
    now, before = _rounded(now), _rounded(before)
    if now == before or not (str(now).startswith("<") and isinstance(before, str)):
        return now == before
    # A coordinate may be rounded the other way on another machine.
    (element, words, numbers), (other, said, others) = _drawn(now), _drawn(before)
    alike = len(numbers) == len(others) and all(map(lambda a, b: abs(a - b) < 0.11, numbers, others))
    return alike and (element, words) == (other, said)


def differences(now: object, before: object, place: str = "") -> Iterator[str]:
    """Where two of them differ; the last digits may, they depend on the machine."""
    if isinstance(now, dict) and isinstance(before, dict):
        for name in sorted(now.keys() | before.keys()):
            yield from differences(now.get(name), before.get(name), f"{place}.{name}")
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for number, (one, other) in enumerate(zip(now, before, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif not _same(now, before):
        yield f"{place}: {now!r}, was {before!r}"


_PATH = re.compile(r' d="([^"]{120,})"')


def _shorter(path: re.Match[str]) -> str:
    """Of a long line its length and some of its points."""
    numbers = _NUMBER.findall(path[1])
    return f' d="{len(numbers)} numbers: {" ".join(numbers[:: max(len(numbers) // 12, 1)])} {numbers[-1]}"'


def markup(written: str) -> list[str]:
    """Markup as lines, each an element and the words in it; style sheets, scripts and ends are left out."""
    whole = re.sub(r"<(style|script)\b.*?</\1>", "", written, flags=re.DOTALL)
    return [_PATH.sub(_shorter, line).strip() for line in re.split(r"</\w+>|(?=<)", whole) if line.strip()]


def write(file: Path, told: Mapping[str, Sequence[object]]) -> None:
    """Store it with a line for each row, so that a change can be read."""
    frames = [
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
        for name, rows in told.items()
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{\n" + ",\n".join(frames) + "\n}\n", encoding="utf-8")


def changes(file: Path, told: Mapping[str, Sequence[object]]) -> list[str]:
    """Where it differs from what was stored."""
    return list(differences(json.loads(json.dumps(told)), json.loads(file.read_text("utf-8"))))
