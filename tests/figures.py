"""Figures and words of `rmtoolkit.text` at and around every turn, written down.

``python -m tests.figures`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import datetime as dt
import io
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.text import GI, MI
from tests.written import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FILE: Final = Path(__file__).parent / "data" / "worked" / "figures.json"
AMOUNTS: Final = (
    *(0, 1, -1, 7.5, 102, 103, 1023, 1024, 104_857, 104_858, MI - 1, MI, MI + 1, 1.005 * MI, 12.345 * MI, 99.96 * MI),
    *(-512 * MI, 999.4 * MI, 1000 * MI, GI // 10, GI / 10 - 1, 4 * GI, 10 * GI - 1, 10 * GI, -11 * GI, 5e15),
)
HOURS: Final = (
    *(0, 0.0004, 1 / 60 - 1e-9, 1 / 60, 0.5, 0.999, 1, 9.46, 36, 71.9, 72, 100, 239.9, 240, 250, 8766),
    None,
)
SHARES: Final = (0, 0.0009, 0.001, 0.0123, 0.05, 0.123456, 0.5, 0.9, 0.99, 0.9901, 0.9989, 0.999, 0.9999, 1, None)
STAMPS: Final = tuple(
    dt.datetime(2026, 11, 22, 23, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=more))) for more in (0, -3, 5)
)
SPANS: Final = (dt.timedelta(0), dt.timedelta(seconds=599), dt.timedelta(minutes=10), dt.timedelta(hours=30))


def _of(function: Callable[..., object], cases: Iterable[tuple[Any, ...]], **options: Any) -> list[Any]:
    return [[*map(str, case), function(*case, **options)] for case in cases]


def told() -> dict[str, list[Any]]:
    """A row for each call: what was given, and what was written."""
    ones = [(amount,) for amount in AMOUNTS]
    whole = [(int(amount),) for amount in AMOUNTS if amount >= 0]
    rates = [*ones, (None,)]
    ranges = [*pairwise(sorted(AMOUNTS)), (-2 * MI, 3.0), (None, 1.0), (1.0, None)]
    hours = [*pairwise(HOURS), (3.0, 5.0), (30.0, None), (None, 3.0), (71.0, 100.0)]
    limits = ("reaches", "bounded", "unknown", None)
    about = ("limit_outlook", "hours_to_limit", "limit_bytes", "limit_known")
    times = product(limits, (None, 0, -1, 5.0), (None, MI), (True, False))
    found = {
        "number": _of(text.number, ones),
        "number of two digits": _of(text.number, ones, digits=2),
        "memory": _of(text.memory, rates),
        "mi": _of(text.mi, ones),
        "between": _of(text.between, ranges[:-2]),
        "gib": _of(text.gib, ones),
        "fleet_memory": _of(text.fleet_memory, ones),
        "fleet_memory with a sign": _of(text.fleet_memory, ones, sign=True),
        "configured": _of(text.configured, [*whole, (None,)]),
        "configured, not known": _of(text.configured, [(None,), (5,)], known=False),
        "small_memory": _of(text.small_memory, ones),
        "small_memory like 5000": _of(text.small_memory, ones, like=5000.0),
        "small_memory like MI": _of(text.small_memory, ones, like=float(MI)),
        "peak": _of(text.peak_against_limit, product((None, 0, 300 * MI + 7), (None, 512 * MI, 512_000_000))),
        "peak, not known": _of(text.peak_against_limit, [(None, None), (MI, None), (MI, MI)], known=False),
        "peak without unit": _of(text.peak_against_limit, [(None, None), (MI, None), (MI, MI)], unit=False),
        "rate": _of(text.rate, rates),
        "rate with a sign": _of(text.rate, rates, sign=True),
        "floor": _of(text.floor, rates),
        "rate_range": _of(text.rate_range, [(low, low, high) for low, high in ranges]),
        "rate_with_range": _of(text.rate_with_range, [(low, low, high) for low, high in ranges]),
        "hours": _of(text.hours, [(value,) for value in HOURS]),
        "hours_range": _of(text.hours_range, hours),
        "time_to_limit": _of(lambda *row: text.time_to_limit(dict(zip(about, row, strict=True))), times),
        "chance": _of(text.chance, [(value,) for value in SHARES]),
        "share": _of(text.share, [(value,) for value in SHARES]),
        "money": _of(text.money, product((0, 0.004, 3.456, -7, 99.994, 99.996, 100, -1234.5), ("EUR", ""))),
        "money with a sign": _of(text.money, [(3, "EUR"), (0, "EUR"), (-3, "EUR")], sign=True),
        "count": _of(text.count, [(0, "life", "lives"), (1, "life", "lives"), (2, "life", "lives"), (1234, "pod")]),
        "times": _of(text.times, [(number,) for number in (0, 1, 2, 3, 1000)]),
        "printable": _of(text.printable, [(None,), ("a b",), ("a\tb\x1b",), (7,), ("",)]),
        "plain": _of(text.plain, [("–—−…·→×≤≥≈’±▲é",)]),
        "shortened": _of(text.shortened, product(("0123456789", "012345678"), (3, 4, 8, 9, 10, 11))),
    }
    for name in ("moment", "stamp", "clock"):
        function = getattr(text, name)
        found[name] = _of(function, [(one,) for one in STAMPS]) + _of(function, [(STAMPS[0],)], seconds=True)
    found["day"] = [text.day(one, year=year, weekday=not year) for one in STAMPS for year in (True, False)]
    found["day"] += [text.day(dt.datetime(2026, month, month, tzinfo=dt.UTC)) for month in range(1, 13)]
    found["period"] = [text.period(one, one + span) for one in STAMPS for span in SPANS]
    return found | {"has_unicode": [text.has_unicode(_stream(name)) for name in ("utf-8", "ascii", "cp437", "none")]}


def _stream(encoding: str) -> Any:
    class Stream(io.StringIO):
        pass

    Stream.encoding = encoding
    return Stream()


if __name__ == "__main__":
    write(FILE, told())
