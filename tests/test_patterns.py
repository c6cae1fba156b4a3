"""No text makes a pattern of the package run long: each is tried on texts that are made to."""

from __future__ import annotations

import ast
import gc
import importlib
import pkgutil
import re
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import rmtoolkit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: The parser of patterns that Python itself uses; no other tells what may be repeated.
parser: Any = importlib.import_module("re._parser")
kinds: Any = importlib.import_module("re._constants")
_REPEATS: Final = (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT)
USES: Final = frozenset({"search", "match", "fullmatch", "finditer", "findall", "sub", "split"})
#: Every text is tried at the first lengths, those that took longest at the next, and the worst of these at the last.
SHORT: Final = (24, 32, 48, 160, 1_000)
LONG: Final = (16_000, 200_000)
#: A linear pattern takes some nanoseconds a character; one that looks back at each takes as many more as there are.
MOST_SECONDS: Final = {24: 0.01, 32: 0.01, 48: 0.01, 160: 0.01, 1_000: 0.01, 16_000: 0.02, 200_000: 0.2}
#: How many times slower for a character a text may be at the last length than at the one before.
GROWTH: Final = 4


@dataclass(frozen=True, slots=True)
class Text:
    """A text of any length: a beginning, what is repeated, and what goes wrong in the end."""

    begins: str
    again: str
    ends: str

    def of(self, length: int) -> str:
        """So many characters of it, about."""
        return self.begins + self.again * (length // len(self.again)) + self.ends


def uses_of(nodes: list[ast.AST]) -> dict[str | None, set[str]]:
    """How a module uses the patterns of each name; of none, those that a loop or a table gives another name."""
    found: dict[str | None, set[str]] = defaultdict(set)
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in USES:
            of = getattr(node.value, "id", None)
            if of is not None:
                found[of].add(node.attr)
            if of != "re":
                # What has no name is no text: those are split, a pattern is not.
                found[None] |= {node.attr} - {"split"}
    return found


@cache
def patterns() -> list[tuple[str, re.Pattern[Any], set[str]]]:
    """All compiled patterns of all modules, and those that are written where they are used; each with its uses."""
    seen: dict[int, set[str]] = defaultdict(set)
    named: dict[int, tuple[re.Pattern[Any], str]] = {}
    for module in ["rmtoolkit", *(found.name for found in pkgutil.walk_packages(rmtoolkit.__path__, "rmtoolkit."))]:
        loaded: Any = importlib.import_module(module)
        code = Path(str(loaded.__file__)).read_text("utf-8")
        held = {name: several for name, value in vars(loaded).items() if (several := list(within(value)))}
        if not held and "re." not in code:
            continue
        nodes = list(ast.walk(ast.parse(code)))
        used = uses_of(nodes)
        for node in nodes:
            if isinstance(node, ast.Call) and (said := written(node)) is not None:
                pattern, use = said
                place = f"{module.removeprefix('rmtoolkit.')}:{node.lineno}:{node.col_offset}"
                named.setdefault(id(pattern), (pattern, place))
                seen[id(pattern)].add(use)
        for name, uses in kept(nodes, vars(loaded)).items():
            for where, pattern in within_texts(vars(loaded)[name], f"{module.removeprefix('rmtoolkit.')}.{name}"):
                named.setdefault(id(pattern), (pattern, where))
                seen[id(pattern)] |= OTHERWISE.get(where, uses)
        for name, several in held.items():
            for number, found in enumerate(several):
                named.setdefault(id(found), (found, f"{module.removeprefix('rmtoolkit.')}.{name}{number or ''}"))
                seen[id(found)] |= used.get(name) or used[None]
    return [(name, pattern, seen[key] or {"search"}) for key, (pattern, name) in named.items()]


def written(node: ast.Call) -> tuple[re.Pattern[Any], str] | None:
    """The pattern that a call of `re` has in it, and what is done with it."""
    if not (isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", None) == "re"):
        return None
    use, first = node.func.attr, node.args[0]
    if use not in USES or not isinstance(first, ast.Constant):
        return None
    pattern: Any = first.value
    flags = next((word.value for word in node.keywords if word.arg == "flags"), None)
    return re.compile(pattern, eval(ast.unparse(flags)) if flags else 0), use  # noqa: S307 - our own flags


def kept(nodes: list[ast.AST], names: Mapping[str, object]) -> dict[str, set[str]]:
    """The constants of a module in which patterns stand as texts that calls of `re` are given, each with its uses."""
    found: dict[str, set[str]] = defaultdict(set)
    loose: set[str] = set()
    for node in nodes:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in USES):
            continue
        if getattr(node.func.value, "id", None) != "re":
            continue
        root: Any = node.args[0]
        while isinstance(root, ast.Subscript | ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name):
            (found[root.id] if root.id in names else loose).add(node.func.attr)
    if loose:
        # What a loop or a parameter names may be any text of the module that no call names.
        for name in names:
            if name.isupper() and name not in found and name not in SOURCES:
                found[name] = set(loose)
    return found


#: What a text has that is meant as a pattern.
_PATTERN_LIKE: Final = re.compile(r"\\[sdwbSWD]|\(\?|\[\^")


def within_texts(value: object, where: str) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Patterns that stand in a value as texts, however deep, and where: they are compiled when they are used."""
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode("latin-1")
        if _PATTERN_LIKE.search(text):
            yield where, re.compile(value)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from within_texts(one, f"{where}.{key}")
    elif isinstance(value, tuple | list):
        for one in value:
            yield from within_texts(one, where)


#: Texts that patterns are made of and that are none themselves.
SOURCES: Final = {"_SIGNS"}
#: Where a table has one that is used in another way than the others.
OTHERWISE: Final = {"loaders._MARKS.heap": {"match"}}


def within(value: object) -> Iterator[re.Pattern[Any]]:
    """Patterns that stand in a value, however deep."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from within((*value, *value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from within(one)


def parsed(pattern: re.Pattern[Any]) -> Any:
    """What Python reads a pattern as."""
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    return parser.parse(pattern.pattern, flags)


#: What a class may mean.
_MEMBERS: Final = "a0 .:-_=\n\t/[\"'(,\\@{<Z\0"
_CATEGORIES: Final[dict[Any, Callable[[str], bool]]] = {
    kinds.CATEGORY_DIGIT: str.isdigit,
    kinds.CATEGORY_SPACE: str.isspace,
    kinds.CATEGORY_WORD: lambda letter: letter.isalnum() or letter == "_",
    kinds.CATEGORY_NOT_DIGIT: lambda letter: not letter.isdigit(),
    kinds.CATEGORY_NOT_SPACE: lambda letter: not letter.isspace(),
    kinds.CATEGORY_NOT_WORD: lambda letter: not (letter.isalnum() or letter == "_"),
}


def is_in(parts: Any, letter: str) -> bool:
    """Whether a class has a character."""
    negated = parts[0][0] is kinds.NEGATE
    for kind, value in parts[negated:]:
        if kind is kinds.LITERAL:
            found = ord(letter) == value
        elif kind is kinds.RANGE:
            found = value[0] <= ord(letter) <= value[1]
        else:
            found = _CATEGORIES[value](letter)
        if found:
            return not negated
    return bool(negated)


def character(parts: Any, letters: str) -> str:
    """A character that is in a class."""
    first = next((chr(value[0] if kind is kinds.RANGE else value) for kind, value in parts if kind in _ONE), "a")
    return next((letter for letter in (first, *letters, *_MEMBERS) if is_in(parts, letter)), first)


_ONE: Final = (kinds.LITERAL, kinds.RANGE)


def shortest(tree: Any, pumps: list[tuple[str, str]], letters: str, before: str = "") -> str:  # noqa: C901 - a kind a branch
    """A short text that a pattern matches; what may be repeated in it, and what stands before that, goes to `pumps`."""
    text = ""
    for kind, value in tree:
        here = before + text
        if kind is kinds.LITERAL:
            text += chr(value)
        elif kind is kinds.NOT_LITERAL:
            text += "a" if value != ord("a") else "b"
        elif kind is kinds.ANY:
            text += "a"
        elif kind is kinds.IN:
            text += character(value, letters)
        elif kind in _REPEATS:
            least, most, inner = value
            once = shortest(inner, pumps, letters, here)
            if most > 1:
                pumps.append((here, once))
            text += once * max(min(least, 300), 1)
        elif kind is kinds.SUBPATTERN:
            text += shortest(value[-1], pumps, letters, here)
        elif kind is kinds.ATOMIC_GROUP:
            text += shortest(value, pumps, letters, here)
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            shortest(value[1], pumps, letters, here)
        elif kind is kinds.BRANCH:
            first, *_ = [shortest(branch, pumps, letters, here) for branch in value[1]]
            text += first
    return text


def letters_of(tree: Any) -> Iterator[str]:
    """Characters that a pattern names."""
    for kind, value in tree:
        if kind in (kinds.LITERAL, kinds.NOT_LITERAL):
            yield chr(value)
        elif kind is kinds.IN:
            yield from (chr(one if kind_ is kinds.LITERAL else one[0]) for kind_, one in value if kind_ in _ONE)
        elif kind in (*_REPEATS, kinds.SUBPATTERN):
            yield from letters_of(value[-1])
        elif kind is kinds.ATOMIC_GROUP:
            yield from letters_of(value)
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            yield from letters_of(value[1])
        elif kind is kinds.BRANCH:
            for branch in value[1]:
                yield from letters_of(branch)


def hostile(pattern: re.Pattern[Any]) -> list[Text]:
    """Texts that repeat what may be repeated, what stands before it, and each of its letters, and then go wrong."""
    tree = parsed(pattern)
    letters = "".join(dict.fromkeys(letters_of(tree)))
    pumps: list[tuple[str, str]] = []
    whole = shortest(tree, pumps, letters)
    singles = dict.fromkeys([*letters[:40], *"a0 .:-_=\n\t/["])
    few = dict.fromkeys([*(letter for letter in letters if not letter.isalnum()), *"a0 "])
    words = dict.fromkeys([*singles, *(one + two for one in [*few][:8] for two in [*few][:8] if one != two)])
    begins = dict.fromkeys(["", *(before for before, _ in pumps)])
    texts = [Text(before, word, "\0") for before in [*begins][:12] for word in words]
    for before, once in [*dict.fromkeys(pumps), ("", whole), ("", whole[:-1])]:
        if once:
            texts += [Text(start, once, "\0") for start in ("", before)] + [Text("", before + once, "\0")]
            texts += [Text(before, once + gap, "\0") for gap in " a0\n"]
    return texts + [Text(text.begins, text.again, "\n\n") for text in texts[-12:]]


#: Characters that stand for all.
_ALL: Final = frozenset(map(chr, range(256)))


def members(tree: Any, flags: int = 0) -> frozenset[str]:  # noqa: C901 - a kind a branch
    """Characters that may stand in what a part of a pattern matches."""
    found: frozenset[str] = frozenset()
    for kind, value in tree:
        if kind is kinds.LITERAL:
            found |= {chr(value)}
        elif kind is kinds.NOT_LITERAL:
            found |= _ALL - {chr(value)}
        elif kind is kinds.ANY:
            found |= _ALL if flags & re.DOTALL else _ALL - {"\n"}
        elif kind is kinds.IN:
            found |= {letter for letter in _ALL if is_in(value, letter)}
        elif kind is kinds.SUBPATTERN:
            found |= members(value[-1], flags | value[1])
        elif kind in _REPEATS:
            found |= members(value[-1], flags)
        elif kind is kinds.ATOMIC_GROUP:
            found |= members(value, flags)
        elif kind is kinds.BRANCH:
            found |= frozenset().union(*(members(branch, flags) for branch in value[1]))
        elif kind is kinds.GROUPREF:
            found |= _ALL
    return found


def may_be_empty(tree: Any) -> bool:
    """Whether a part of a pattern matches nothing at all, wherever it stands."""
    for kind, value in tree:
        if kind in _REPEATS:
            empty = value[0] == 0 or may_be_empty(value[-1])
        elif kind is kinds.SUBPATTERN:
            empty = may_be_empty(value[-1])
        elif kind is kinds.ATOMIC_GROUP:
            empty = may_be_empty(value)
        elif kind is kinds.BRANCH:
            empty = any(map(may_be_empty, value[1]))
        else:
            empty = False
        if not empty:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Run:
    """A repeat without end: what stands before it, its characters, and whether what comes after it can fail."""

    before: list[Any]
    letters: frozenset[str]
    can_fail: bool


#: What comes after a part of a pattern: nothing, the end of the text only, or what may be missing.
NOTHING, END, MORE = range(3)


def runs(tree: Any, before: list[Any], flags: int, after: int = NOTHING) -> Iterator[Run]:
    """All repeats without end."""
    parts = list(tree)
    for place, (kind, value) in enumerate(parts):
        rest, here = parts[place + 1 :], [*before, *parts[:place]]
        follows = after
        if not may_be_empty(rest):
            follows = END if after < MORE and [one for one, _ in rest] == [kinds.AT] else MORE
        if kind in _REPEATS and value[1] is kinds.MAXREPEAT:
            letters = members(value[-1], flags)
            # Where a run of all characters ends, the text ends.
            yield Run(here, letters, can_fail=follows == MORE or (follows == END and letters != _ALL))
        if kind is kinds.BRANCH:
            for branch in value[1]:
                yield from runs(branch, here, flags, follows)
        elif kind in (*_REPEATS, kinds.SUBPATTERN):
            yield from runs(value[-1], here, flags | (value[1] if kind is kinds.SUBPATTERN else 0), follows)
        elif kind is kinds.ATOMIC_GROUP:
            yield from runs(value, here, flags, follows)


def begins_within(run: Run, flags: int) -> bool:
    """Whether what stands before a repeat can stand at every place of its run."""
    return all(stands_within(kind, value, run.letters, flags) for kind, value in run.before)


_WORD: Final = frozenset(filter(_CATEGORIES[kinds.CATEGORY_WORD], _ALL))


def stands_within(kind: Any, value: Any, run: frozenset[str], flags: int) -> bool:
    """Whether a part of a pattern can stand at every place of a run."""
    if kind is kinds.AT:
        if value is kinds.AT_BEGINNING:
            return bool(flags & re.MULTILINE) and "\n" in run
        return value is not kinds.AT_BEGINNING_STRING and (
            value is not kinds.AT_BOUNDARY or bool(run & _WORD) is not (run <= _WORD)
        )
    if kind in (kinds.ASSERT, kinds.ASSERT_NOT):
        behind, inner = value[0] < 0, value[1]
        if kind is kinds.ASSERT_NOT:
            return not (behind and run <= members(inner, flags))
        return not (behind and any(not members([one], flags) & run for one in inner))
    return may_be_empty([(kind, value)]) or bool(members([(kind, value)], flags) & run)


def begins_anywhere(pattern: re.Pattern[Any]) -> str | None:
    """Say which characters a search would run through again and again, from each of them to the last."""
    for run in runs(parsed(pattern), [], pattern.flags):
        if run.can_fail and begins_within(run, pattern.flags):
            return "".join(sorted(run.letters))[:40]
    return None


def spent(pattern: re.Pattern[Any], uses: Sequence[str], text: str) -> float:
    """Seconds of this thread that the pattern takes, without collecting what other tests have left in memory."""
    subject: Any = text.encode("utf-8", "surrogatepass") if isinstance(pattern.pattern, bytes) else text
    begun = time.thread_time()
    for use in uses:
        found = getattr(pattern, {"sub": "finditer", "split": "finditer", "findall": "finditer"}.get(use, use))(subject)
        if not isinstance(found, re.Match | None):
            deque(found, maxlen=0)
    return time.thread_time() - begun


def least(pattern: re.Pattern[Any], uses: Sequence[str], text: str, enough: float, again: int) -> float:
    """The same, of some tries: what is slow is slow every time; a machine that others use may be so once."""
    taken = spent(pattern, uses, text)
    for _ in range(again):
        if taken <= enough:
            break
        taken = min(taken, spent(pattern, uses, text))
    return taken


def runs_long(pattern: re.Pattern[Any], uses: Sequence[str], again: int = 3) -> str | None:
    """Say on which text the time grows faster than the text."""
    collects = gc.isenabled()
    gc.disable()
    try:
        texts = hostile(pattern)
        times: dict[Text, float] = {}
        for length, most in zip((*SHORT, *LONG), (None, None, None, 80, 8, 2, None), strict=True):
            before, times = times, {}
            for text in texts:
                enough = MOST_SECONDS[length]
                if length == LONG[1]:
                    # Less than this is too short to compare.
                    enough = min(enough, GROWTH * max(before[text], 5e-4) * length / LONG[0])
                times[text] = least(pattern, uses, text.of(length), enough, again)
                if times[text] > enough:
                    return f"{times[text]:.3f} s for {length} characters: {text}"
            texts = sorted(texts, key=times.__getitem__, reverse=True)[:most]
    finally:
        if collects:
            gc.enable()
    return None


#: Patterns that seem to begin within their own run, and why they do not.
SEEMING: Final = {
    "loaders.tables._LABEL": "the quote that begins the run ends the one before it: inside there are only escaped ones",
    "loaders.prometheus._forms._LABEL": "what has no last quote is taken to the end of the line",
}


#: To look for all patterns takes a second: they are looked for where they are tried, in so many parts.
PARTS: Final = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_no_pattern_runs_long(part: int) -> None:
    """Texts that almost match take time by their length, up to 200 KB, in each way in which a pattern is used."""
    wrong, tried = {}, patterns()[part::PARTS]
    for name, pattern, uses in tried:
        if said := runs_long(pattern, sorted(uses)):
            wrong[name] = said
        if not uses <= {"match", "fullmatch"} and name not in SEEMING and (begins := begins_anywhere(pattern)):
            wrong[name] = f"begins anew at each of {begins}"
    assert len(tried) > 20
    assert wrong == {}


@pytest.mark.parametrize(
    ("planted", "use"),
    [
        ("a+b", "search"),
        (r"\s*$", "sub"),
        (r"(?:a+)+b", "match"),
        (r"(?:aa|a)*!", "fullmatch"),
        (r".*a.*b", "match"),
        (r"\d+\.?\d+x", "match"),
        (r"\[[^\]]*\]", "finditer"),
        (r"(?:x|y(?:a*b*c?)a*)z", "match"),
    ],
)
def test_a_pattern_that_runs_long_is_found(planted: str, use: str) -> None:
    """One that takes time by the square of the length, however little, and one that doubles it with each letter."""
    assert runs_long(re.compile(planted), [use], again=0) is not None


@pytest.mark.parametrize(
    "planted", ["a+b", r"\s+$", r"x?a+!", r"\[[^\]]*\]", r"(?i)name\w+=", r"(?:^|,)(.*)=", "aa*a+b"]
)
def test_a_search_that_begins_anew_within_its_run_is_seen(planted: str) -> None:
    """It is seen without trying it."""
    assert begins_anywhere(re.compile(planted)) is not None


@pytest.mark.parametrize(
    "sound", [r"(?<!a)a+b", r"^a+b", r"\ba+ ", "a++", r"xa+b", r"a{1,9}b", r"(?s)x.*\Z", r"(?m)^x.*y"]
)
def test_a_search_that_does_not_is_left_alone(sound: str) -> None:
    """What is anchored, looks behind, ends, or cannot fail."""
    assert begins_anywhere(re.compile(sound)) is None
