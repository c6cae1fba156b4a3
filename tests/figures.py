"""Figures and words of `rmtoolkit.text` at and around every turn, written down.

``python -m tests.figures`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from itertools import pairwise, product
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit._accepted import Acknowledgement, read_acknowledgements
from rmtoolkit._lake_files import as_read_error
from rmtoolkit._store import Remote
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError
from rmtoolkit.text import GI, MI
from tests.written import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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


_LIMITED: Final = ("oom_probability_7d", "limit_bytes", "limit_known")
WORDS: Final = (
    "one two three four five six seven",
    "takes 512 Mi of 4 GiB, or 12 % of it",
    "run `kubectl top pods -n shop` now",
    "anameofmorethantwentyletters and `codeofmorethantwentyletters` so",
    "a ` alone",
    "",
)
#: Of Cyrillic, of Greek, unseen, wide, and of an alphabet of its own.
ALIKE: Final = (
    *("p\u0430y", "\u0430\u0441\u0435", "\u043f\u0430\u0440\u0430", "a\u200bb", "a\u3164b", "\uff41pi", "\u03bfk"),
    *("\U0001d41api", "x\u202ey", "1\u0663", "caf\u00e9", "a\ufe0f"),
)
#: What a team writes down as known, right and wrong.
KNOWN: Final = (
    'workload = "a/b"\nknown = "so"\nup_to = "900Mi"',
    'workload = " a "\nknown = "so"\nup_to = 5\ncluster = "eu"',
    'workload = "a"\nknown = "so"\nuntil = 2027-01-31',
    'workload = "a"\nknown = "so"\nuntil = 2027-01-31T05:00:00Z',
    *(
        f'workload = "a"\nknown = "so"\nup_to = "{size}"'
        for size in ("1.5G", "2 Ti", "3k", "7Ki", "8B", "0", "9Pi", "1e3")
    ),
    *(f'workload = "a"\nknown = "so"\nup_to = {size}' for size in ("true", "0", "-1", "1.5", "9999999999999999")),
    'workload = "a"\nknown = "so"',
    'workload = "a"\nup_to = 5',
    'known = "a"\nup_to = 5',
    'workload = ""\nknown = "so"\nup_to = 5',
    'workload = "a"\nknown = 3\nup_to = 5',
    'workload = "a"\nknown = "so"\nuntil = "2027-01-31"',
    'workload = "a"\nknown = "so"\nup_to = 5\nowner = "me"',
    'workload = "a"\nknown = "so"\nup_to = 5\n[[accepted]]\nworkload = "b"\nknown = 4',
    'workload = "a"\nknown = so',
    'workload = "a\nknown = "so"',
    "[[other]]\na = 1",
)
_STORE: Final = Remote("s3", "bucket", PurePosixPath("lake/1"))
#: What stores answer.
ANSWERS: Final = (
    "status code: 403 Forbidden\n<Code>AccessDenied</Code> secret",
    "status code: 401 Unauthorized",
    "status code: 404 Not Found: <Code>NoSuchBucket</Code>",
    "status code: 501 Not Implemented",
    "status code: 500 Internal Server Error\nmore",
    "error sending request for http://10.0.0.1/secret",
    "Generic error: no region\nmore",
)
#: Tables that are none of a recording.
NO_RECORDINGS: Final[tuple[dict[str, list[Any]], ...]] = (
    {},
    {"tim": [1], "rss_bytes": [1]},
    {"time": [1], "rs_bytes": [1]},
    {"time": [1], "a\nb": [1], "x" * 200: [2]},
    {"time": [1], "rss_bytes": ["a"]},
    {"time": [1], "rss_bytes": [1], "limit_bytes": ["256Mi"]},
    {"time": [1], "rss_bytes": [1], "restarts_total": ["no"]},
    {"time": [True], "rss_bytes": [1]},
    {"time": ["soon", "later"], "rss_bytes": [1, 2]},
    {"time": [10**30], "rss_bytes": [1]},
    {"time": [None], "rss_bytes": [1]},
    {"time": [45_000.25, 45_000.5], "rss_bytes": [1, 2]},
    {"time": [1, 2], "memory": [3e6, 3.5e6]},
)


def _accepted(told: str) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.toml"
        path.write_text(f"# known\n[[accepted]]\n{told}\n", "utf-8")
        try:
            return [repr(one) for one in read_acknowledgements(path)]
        except RmtoolkitError as error:
            # What the parser says is its own, and differs from Python to Python.
            return [str(error).replace(folder, "").partition(" The parser says")[0]]


def _covered() -> Iterator[list[Any]]:
    day = dt.date(2027, 1, 1)
    for workload, cluster in product(("a", "s/a", "s/a/main", "s/a/"), (None, "eu")):
        one = Acknowledgement(workload, "so", 5, day, cluster, 1)
        rows = product((None, "s"), ("a", None), ("main", None), ("eu", "us"))
        names = ("namespace", "workload", "container", "cluster")
        yield [workload, cluster, "".join("01"[one.covers(dict(zip(names, row, strict=True)))] for row in rows)]
    for bound, until in product((None, 5), (None, day)):
        one = Acknowledgement("a", "so", bound, until, None, 1)
        peaks, days = (None, 5, 6), (None, day, day + dt.timedelta(1))
        yield [bound, str(until), *(one.passed(peak, when) for peak, when in product(peaks, days))]


def _refused(columns: dict[str, list[Any]]) -> str:
    try:
        return repr(rm.Recording.from_frame(pl.DataFrame(columns)))
    except RmtoolkitError as error:
        return str(error)


def _not_found() -> Iterator[str]:
    names = [f"shop/service-{at}" for at in range(40)]
    for wanted, some in product(("service-3", "shop/service-4", "zzz", "a\nb"), ([], names[:2], names)):
        yield str(UnknownWorkloadError.named(wanted, some, kind="pod"))
        yield str(UnknownWorkloadError.not_one(wanted, some[5:25], some))


def _of(function: Callable[..., object], cases: Iterable[tuple[Any, ...]], **options: Any) -> list[Any]:
    return [[*map(str, case), function(*case, **options)] for case in cases]


def _limits(cases: Iterable[tuple[Any, Any]], **about: bool) -> list[tuple[dict[str, Any]]]:
    """Give rows of a peak and a limit."""
    known = {"limit_known": True, "limits_differ": False, **about}
    return [({"peak_bytes": peak, "limit_bytes": limit, **known},) for peak, limit in cases]


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
    kills = list(product((None, 0.2), (None, MI), (True, False)))
    grown = list(product((None, 0.0, -2e6, 3e6), ("leak", "not_leak")))
    found: dict[str, list[Any]] = {
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
        "peak": _of(text.peak_against_limit, _limits(product((None, 0, 300 * MI + 7), (None, 512 * MI, 512_000_000)))),
        "peak, not known": _of(
            text.peak_against_limit, _limits([(None, None), (MI, None), (MI, MI)], limit_known=False)
        ),
        "peak without unit": _of(text.peak_against_limit, _limits([(None, None), (MI, None), (MI, MI)]), unit=False),
        "peak, limits of their own": _of(text.peak_against_limit, _limits([(None, MI), (MI, MI)], limits_differ=True)),
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
    found |= {
        "configured_mi": _of(text.configured_mi, whole),
        "block_size": _of(text.block_size, whole),
        "share_up_to": _of(text.share_up_to, [(value,) for value in SHARES[:-1]], exact=False),
        "share_up_to, exact": _of(text.share_up_to, [(0.5,)], exact=True),
        "chance_range": _of(text.chance_range, [*pairwise(SHARES), (0.5, 0.5001)]),
        "kill_chance": _of(lambda *row: text.kill_chance(dict(zip(_LIMITED, row, strict=True))), kills),
        "growth": _of(lambda rate, said: text.growth({"growth_bytes_per_day": rate, "verdict": said}), grown),
        "grows_beside": [
            text.grows_beside({"limit_outlook": one, "growing": grows}) for one in limits for grows in (True, False)
        ],
        "instant": _of(text.instant, product(STAMPS[:2], (0.1, 0.1667, 5.0, 100.0))),
        "and_more": _of(text.and_more, [(3, 3), (4, 3), (5000, 3)]),
        "runs_killed": _of(text.runs_killed, [(1, 1, 1), (2, 5, 2), (0, 0, 3), (0, 1, 1), (1, 2000, 3)]),
        "whole_amounts": _of(text.whole_amounts, [("5 Mi, 3 GiB and 7 % of 8 pods, 4 MiBs",)]),
        "wrapped": _of(text.wrapped, product(WORDS, (20, 34)), indent="  "),
        "aligned": [text.aligned([("a", "bcd", ""), ("efg", "h", "i")])],
        "styled": [text.Pen(colour=True).style(name, "x") for name in ("leak", "ok", "unsure", "bold", "dim")],
        "not styled": [text.Pen(colour=True).style("leak", ""), text.Pen().style("leak", "x")],
        "named": [text.named({"name": "a/b", "pod": "p\t"} | more) for more in ({}, {"lives": 3})],
        "known": _of(lambda value: text.known(text.memory, value), [(None,), (0,), (MI,)]),
        "change": [text.change(one, counted=counted) for one in (None, 0, 5, -3 * MI) for counted in (True, False)],
        "alike": _of(text.printable, [(word,) for word in ALIKE]),
    }
    for name in ("moment", "stamp", "clock"):
        function = getattr(text, name)
        found[name] = _of(function, [(one,) for one in STAMPS]) + _of(function, [(STAMPS[0],)], seconds=True)
    found["day"] = [text.day(one, year=year, weekday=not year) for one in STAMPS for year in (True, False)]
    found["day"] += [text.day(dt.datetime(2026, month, month, tzinfo=dt.UTC)) for month in range(1, 13)]
    found["period"] = [text.period(one, one + span) for one in STAMPS for span in SPANS]
    found |= {"accepted": [[one, *_accepted(one)] for one in KNOWN], "covers": list(_covered())}
    found |= {
        "store": [[said, what, str(_STORE._trouble(what, said))] for said, what in product(ANSWERS, ("read", "write"))]
    }
    found["store"] += [str(as_read_error(Path("/lake/a.parquet"), OSError(21, "Is a directory")))]
    found |= {"no recording": [_refused(frame) for frame in NO_RECORDINGS], "not found": list(_not_found())}
    return found | {"has_unicode": [text.has_unicode(_stream(name)) for name in ("utf-8", "ascii", "cp437", "none")]}


def _stream(encoding: str) -> Any:
    class Stream(io.StringIO):
        pass

    Stream.encoding = encoding
    return Stream()


if __name__ == "__main__":
    write(FILE, told())
