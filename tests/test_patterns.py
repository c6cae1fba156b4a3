"""No text makes a pattern of the package run long: each is tried on texts that are made to."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import re
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import rmtoolkit

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The parser of patterns that Python itself uses; no other tells what may be repeated.
parser: Any = importlib.import_module("re._parser")
kinds: Any = importlib.import_module("re._constants")
LENGTH = 30_000
#: A linear pattern needs some milliseconds, a quadratic one many seconds.
LONGEST_SECONDS = 0.5
_REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT)


def patterns() -> Iterator[Any]:
    """All compiled patterns of all modules."""
    for module in pkgutil.walk_packages(rmtoolkit.__path__, "rmtoolkit."):
        loaded = importlib.import_module(module.name)
        source = Path(str(loaded.__file__)).read_text("utf-8")
        for name, value in vars(loaded).items():
            for number, found in enumerate(within(value)):
                # A table's patterns are used under the names that a loop gives them.
                named = rf"\b(?:{name}|[a-z_]+)\.(search|match|fullmatch|finditer|findall|sub)\("
                uses = set(re.findall(named.replace("|[a-z_]+", ""), source)) or set(re.findall(named, source))
                yield pytest.param(found, uses, id=f"{module.name.removeprefix('rmtoolkit.')}.{name}{number or ''}")


def within(value: object) -> Iterator[re.Pattern[Any]]:
    """Patterns that stand in a value, however deep."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from within((*value, *value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from within(one)


def character(parts: Any) -> str:
    """A character that is in a class."""
    if parts[0][0] is kinds.NEGATE:
        taken = re.compile("[" + "".join(map(as_class, parts[1:])) + "]")
        return next(letter for letter in "a0 .:=\t\n" if not taken.match(letter))
    kind, value = parts[0]
    if kind is kinds.RANGE:
        return chr(value[0])
    return (
        {kinds.CATEGORY_DIGIT: "0", kinds.CATEGORY_SPACE: " ", kinds.CATEGORY_WORD: "a"}.get(value, "x")
        if (kind is kinds.CATEGORY)
        else chr(value)
    )


def as_class(part: Any) -> str:
    """A part of a class, as text."""
    kind, value = part
    if kind is kinds.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    if kind is kinds.CATEGORY:
        return {"SPACE": r"\s", "DIGIT": r"\d", "WORD": r"\w"}.get(str(value).removeprefix("CATEGORY_"), r"\S")
    return re.escape(chr(value))


def shortest(parsed: Any, pumps: list[tuple[str, str]], before: str = "") -> str:  # noqa: C901 - a kind a branch
    """A short text that a pattern matches; what may be repeated in it, and what stands before that, goes to `pumps`."""
    text = ""
    for kind, value in parsed:
        here = before + text
        if kind is kinds.LITERAL:
            text += chr(value)
        elif kind is kinds.NOT_LITERAL:
            text += "a" if value != ord("a") else "b"
        elif kind is kinds.ANY:
            text += "a"
        elif kind is kinds.IN:
            text += character(value)
        elif kind in _REPEATS:
            least, most, inner = value
            once = shortest(inner, pumps, here)
            if most > 1:
                pumps.append((here, once))
            text += once * max(least, 1)
        elif kind is kinds.SUBPATTERN:
            text += shortest(value[-1], pumps, here)
        elif kind is kinds.ATOMIC_GROUP:
            text += shortest(value, pumps, here)
        elif kind is kinds.BRANCH:
            text += next(shortest(branch, pumps, here) for branch in value[1])
    return text


def hostile(pattern: re.Pattern[Any]) -> set[str]:
    """Texts that repeat what may be repeated, with its beginning once and again and again, and then go wrong."""
    pumps: list[tuple[str, str]] = []
    whole = shortest(
        parser.parse(
            pattern.pattern, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
        ),
        pumps,
    )
    texts = {letter * LENGTH for letter in "a0 .:-_=\n\t/["}
    for before, once in [*pumps, ("", whole), ("", whole[:-1])]:
        if once:
            many = once * (LENGTH // len(once))
            texts |= {many + "\0", before + many + "\0", ((before + once) * LENGTH)[:LENGTH] + "\0"}
            texts |= {before + (once + gap) * (LENGTH // (len(once) + 1)) + "\0" for gap in " a0\n"}
    return texts


def spent(pattern: re.Pattern[Any], uses: set[str], subject: Any) -> float:
    """Seconds of this thread that the pattern takes, without collecting what other tests have left in memory."""
    collects = gc.isenabled()
    gc.disable()
    begun = time.thread_time()
    for use in uses:
        found = getattr(pattern, {"sub": "finditer"}.get(use, use))(subject)
        if use in ("finditer", "sub"):
            deque(found, maxlen=0)
    taken = time.thread_time() - begun
    if collects:
        gc.enable()
    return taken


@pytest.mark.parametrize(("pattern", "uses"), list(patterns()))
def test_no_pattern_runs_long(pattern: re.Pattern[Any], uses: set[str]) -> None:
    """Texts of 30,000 characters that almost match are done with at once, in each way in which a pattern is used."""
    for text in hostile(pattern):
        subject: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
        # What is slow is slow every time; a machine that others use may be so once.
        assert any(spent(pattern, uses, subject) < LONGEST_SECONDS for _ in range(3)), text[:200]
