from __future__ import annotations

import ast
import datetime as dt
import re
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit import text
from rmtoolkit.text import GI, MI


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 Mi"),
        (300, "0.293 Ki"),
        (0.5 * MI, "0.5 Mi"),
        (512 * MI, "512 Mi"),
        (2873 * MI, "2,870 Mi"),
        (9.99 * GI, "10,200 Mi"),
        (10 * GI, "10 GiB"),
        (-3.25 * MI, "−3.25 Mi"),
        (None, "unknown"),
    ],
    ids=str,
)
def test_measured_memory(value: float, written: str) -> None:
    """Measured amounts have three significant digits and the unit of their size."""
    assert text.memory(value) == written


@given(st.floats(min_value=1, max_value=1e15))
def test_numbers_have_three_significant_digits(value: float) -> None:
    """No number shows more than three digits that mean something, and it is near what was measured."""
    shown = text.number(value).replace(",", "")
    assert len(shown.replace(".", "").strip("0")) <= 3
    assert float(shown) == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1 / 3600, "1 s"),
        (59 / 3600, "59 s"),
        (0.5, "30 min"),
        (1, "1 h"),
        (9.46, "9.5 h"),
        (71, "71 h"),
        (72, "3 d"),
        (2400, "100 d"),
        (None, "unknown"),
    ],
    ids=str,
)
def test_spans(value: float, written: str) -> None:
    """Hours below 72, days from there on, minutes and seconds for short recordings."""
    assert text.hours(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "<0.1 %"), (0.0004, "<0.1 %"), (0.0123, "1.2 %"), (0.5, "50 %"), (0.99, "99 %"), (1.0, ">99 %")],
    ids=str,
)
def test_chances_are_never_certain(value: float, written: str) -> None:
    """A probability never reads 0 % or 100 %."""
    assert text.chance(value) == written


@given(st.floats(min_value=0, max_value=1))
def test_only_what_is_complete_reads_100(value: float) -> None:
    """A share is rounded down."""
    assert (text.share(value) == "100 %") == (value > 1 - 1e-9)


@pytest.mark.parametrize(
    ("outlook", "hours", "limit", "known", "written"),
    [
        ("reaches", 61.0, 512, True, "61 h"),
        ("reaches", 0.0, 512, True, "reached"),
        ("bounded", None, 512, True, "not reached"),
        ("unknown", None, 512, True, "unknown"),
        ("bounded", None, None, True, "no limit"),
        ("bounded", None, None, False, "limit unknown"),
    ],
)
def test_time_to_limit(outlook: str, hours: float | None, limit: int | None, known: bool, written: str) -> None:
    """No limit, an unknown limit and an unknown time are three different answers."""
    row = {"limit_outlook": outlook, "hours_to_limit": hours, "limit_bytes": limit, "limit_known": known}
    assert text.time_to_limit(row) == written


@pytest.mark.parametrize(
    ("value", "limit", "known", "written"),
    [(0.05, GI, True, "5 %"), (None, GI, True, "unknown"), (None, None, False, "unknown"), (None, None, True, "–")],
)
def test_a_chance_that_is_unknown_and_one_that_is_none(
    value: float | None, limit: int | None, *, known: bool, written: str
) -> None:
    """Without a limit there is nothing to exceed; else a chance that is not known is unknown, in every view."""
    row = {"oom_probability_7d": value, "limit_bytes": limit, "limit_known": known}
    assert text.kill_chance(row) == written


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [(0.02, 0.09, " (2–9 %)"), (0.9991, 1, ""), (0.0001, 0.0009, ""), (0.05, None, ""), (0.0001, 0.05, " (<0.1–5 %)")],
)
def test_an_interval_says_something_or_is_not_there(low: float, high: float | None, written: str) -> None:
    """Ends that read alike tell nothing."""
    assert text.chance_range(low, high) == written


def test_times_are_utc_in_any_zone() -> None:
    """A time in another zone is shown in UTC."""
    there = dt.datetime(2026, 11, 25, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=3)))
    assert text.moment(there) == "Tue 24 Nov 22:30"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("p\u0430yments", "p<U+0430>yments"),
        ("\u0441\u043e\u0440", "<U+0441><U+043E><U+0440>"),
        ("\uff57\uff45\uff42-1", "<U+FF57><U+FF45><U+FF42>-1"),
        ("web\u3164", "web·"),
        *((f"we{unseen}b", "we·b") for unseen in "\u115f\u1160\u2800\u034f\ufe0f\u200b\u2060\u00ad"),
        *(
            (name, name)
            for name in (
                "\u043f\u043b\u0430\u0442\u0435\u0436\u0438",
                "\u03b1\u03b2\u03b3",
                "日本",
                "naïve",
                "4 µs",
                "m²",
                "…",
            )
        ),
    ],
)
def test_names_that_look_alike_are_told_apart(name: str, shown: str) -> None:
    """Letters that pass for those of ASCII are named, and what nobody sees is a dot; words of other alphabets stay."""
    assert text.printable(name) == shown


@given(st.text())
def test_foreign_text_becomes_one_printable_line(found: str) -> None:
    """Nothing from outside can move the cursor, change colours or break a line."""
    shown = text.printable(found)
    assert shown.isprintable()
    assert len(re.sub(r"<U\+[0-9A-F]{4,5}>", "·", shown)) == len(re.sub(r"<U\+[0-9A-F]{4,5}>", "·", found))


def test_an_amount_stays_on_one_line() -> None:
    """Number and unit of memory are not parted at a line's end, other words may be."""
    said = text.whole_amounts("1,024 Mi, 0.5 GiB, 5 % in 3 Minutes")
    assert said == "1,024\u00a0Mi, 0.5\u00a0GiB, 5\u00a0% in 3 Minutes"


#: Forms that people stumbled over, and what is said instead.
_OLD: Final = {
    "would have shown": "would be visible",
    "would not show at rest": "it was idle, so a per-request leak would not show",
    "says most of": "the most reliable signal available",
    "which say little of": "so the margin is wide",
    "no start needed": "no startup needed more than 299 Mi",
    "startup never needed more": "no startup needed more than 299 Mi",
    "pairs of weeks": "week-to-week comparisons",
    "no plain limit": "no safe limit",
    "holds for long": "no safe limit: it keeps growing",
    "bound by their": "limit set by startup",
    "ended in an oom kill": "2 of 3 runs were OOM-killed",
    "grows by itself": "but fragmentation around it grows",
    "not a cure": "raising the limit only delays the kill",
    "only buys time": "raising the limit only delays the kill",
    "spawn that never ends": "the thread name whose count rises is the culprit",
    "above the limit is hidden": "we cannot see how much it would use without the limit",
    "what keeps it open": "undecided because",
    "profile is blind": "the heap profile missed the program's allocations",
    "one picture of": "a single snapshot",
    "pictures of": "snapshots of",
    "pictures in": "snapshots in",
    "last picture": "the last snapshot",
    "nobody knows how much": "its real need was higher and is unknown",
    "others would say": "for comparison",
    "mend the": "fix the",
    "the proposals free": "applying these would free",
    "that an oom kill follows": "this metric predicts OOM kills",
    "patch stands here": "move the limit to get a patch",
    "reaches its limit within": "will hit its limit this week",
    "reach their limit within": "will hit their limit this week",
    "limit in about": "an instant, and the time to it beside it",
}


def _spoken(path: Path) -> list[str]:
    """What a module may say: its strings, without docstrings, small, in one line."""
    tree = ast.parse(path.read_text("utf-8"))
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    docs = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [" ".join(str(node.value).lower().split()) for node in strings if id(node) not in docs]


def test_what_people_stumbled_over_is_not_said_again() -> None:
    """No string of the package has one of the old forms."""
    package = Path(text.__file__).parent
    said = [(path.name, string) for path in sorted(package.rglob("*.py")) for string in _spoken(path)]
    tables = [(path.name, path.read_text("utf-8").lower().splitlines()) for path in sorted(package.rglob("*.toml"))]
    said += [(name, line) for name, lines in tables for line in lines if not line.startswith("#")]
    assert len(said) > 4000
    found = [(name, string, better) for name, string in said for old, better in _OLD.items() if old in string]
    assert found == []


@pytest.mark.parametrize(
    ("growth", "low", "high", "written"),
    [
        (8480.0, 6500.0, 10_600.0, "6,500–10,600"),
        (20 * 1024.0, 9 * 1024.0, 30 * 1024.0, "9–30"),
        (0.05, -0.01, 0.2, "−10.2 to 205"),
        (5.0, None, 6.0, ""),
        (None, 1.0, 2.0, ""),
    ],
)
def test_the_interval_of_a_growth_has_its_unit(
    growth: float | None, low: float | None, high: float | None, written: str
) -> None:
    """Beside 8,480 Mi/day stands no interval in GiB: amounts are given in Mi here."""
    amounts = (None if one is None else one * text.MI for one in (growth, low, high))
    assert text.rate_range(*amounts) == written


@pytest.mark.parametrize(
    ("room", "beside"),
    [
        ("limits/reasons", "limits/recommend.py"),
        ("validation/findings", "validation/__init__.py"),
        ("assessment/totals", "assessment/_totals.py"),
        ("limits/what_if", "limits/what_if.py"),
    ],
)
def test_what_is_filled_in_is_asked_for_and_has_its_writer(room: str, beside: str) -> None:
    """Each sentence that `say` fills in is asked for in the code beside it; each figure has a writer that there is."""
    nodes = [*ast.walk(ast.parse((Path(text.__file__).parent / beside).read_text("utf-8")))]
    named = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) in ("first", "text.first")]
    asked = {str(one.arg) for call in calls for one in call.keywords}
    told = text.texts(room)
    assert asked <= set(told) <= named | asked
    for words in told.values():
        for _, field, spec, _ in Formatter().parse(words):
            if field and spec and len(spec) > 1 and "/" not in spec and "." not in spec:
                assert callable(getattr(text, spec)), words


def test_a_figure_is_written_by_what_stands_behind_its_colon() -> None:
    """By a function of the package, as one or several, or as Python does; of a row or of a record."""
    told = {"kills": 1, "need": 3 * MI, "times": 1.25}
    said = text.filled("{kills:times}: {kills:,} {kills:kill/kills}, {need:memory}, {times:.1f} {{}}", told)
    assert said == "once: 1 kill, 3 Mi, 1.2 {}"
    assert text.filled("{word}", text.VERDICTS["leak"]) == "Leak"


@pytest.mark.parametrize("name", ["{kills}", "{0}", "{kills.__class__}", "{kills:>999999999}", "%s", "{", "}", "{{x}}"])
def test_foreign_text_is_no_template(name: str) -> None:
    """What fills a sentence stands in it letter by letter, whatever its braces say; of a row and of a record alike."""
    about = {"name": name, "kills": 2}
    words = "{name} was killed {kills:times}: {kills:,} {kills:kill/kills}."
    said = f"{name} was killed twice: 2 kills."
    assert text.filled(words, about) == text.filled(words, SimpleNamespace(**about)) == said


def test_a_signal_that_nobody_knows_is_named_without_its_tricks() -> None:
    """What controls a terminal is no part of a word, wherever it is shown."""
    assert text.signal_word("queue_depth_bytes") == "queue depth"
    assert "\x1b" not in text.signal_word("\x1b[31mX_bytes\n")
    assert text.signal_word(None) == "memory"
