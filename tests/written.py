"""What was written down of a worked example: how it is stored, read and compared."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def plain(value: object) -> Any:
    """Make JSON of a value; four digits of a number tell enough."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, pl.Series | list | tuple):
        several = [plain(one) for one in value]
        # A curve is known by some of its points.
        return several[:: len(several) // 8] if len(several) > 32 and isinstance(several[0], float) else several
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if one is not None}
    return str(value) if isinstance(value, str) else value


def differences(now: object, before: object, place: str = "") -> Iterator[str]:
    """Where two of them differ; the last digits may, they depend on the machine."""
    if isinstance(now, dict) and isinstance(before, dict):
        for name in sorted(now.keys() | before.keys()):
            yield from differences(now.get(name), before.get(name), f"{place}.{name}")
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for number, (one, other) in enumerate(zip(now, before, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif not (
        math.isclose(now, before, rel_tol=2e-3, abs_tol=1e-6)
        if isinstance(now, float) and isinstance(before, float)
        else now == before
    ):
        yield f"{place}: {now!r}, was {before!r}"


def write(file: Path, told: dict[str, list[dict[str, Any]]]) -> None:
    """Store it with a line for each row, so that a change can be read."""
    frames = [
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
        for name, rows in told.items()
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{\n" + ",\n".join(frames) + "\n}\n", encoding="utf-8")


def changes(file: Path, told: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Where it differs from what was stored."""
    return list(differences(told, json.loads(file.read_text("utf-8"))))
