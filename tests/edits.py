"""Files with one thing changed: a line, a word, a value of JSON. What an edit is called says what it does."""

from __future__ import annotations

import copy
import importlib
import json
import re
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

#: A number with its sign and unit, a quoted text, or a run of letters.
_WORD: Final = re.compile(r'"[^"\n]*"|[-+]?\d[\w.]*|[^\W\d]+')
_UNITS: Final = ("Mi", "Gi", "MiB", "GiB", "kB", "MB", "m", "Ki", "B", "s", "M", "k")

_LINES: Final[dict[str, Callable[[list[str], int], list[str]]]] = {
    "gone": lambda lines, at: lines[:at] + lines[at + 1 :],
    "twice": lambda lines, at: lines[: at + 1] + lines[at:],
    "swapped": lambda lines, at: [*lines[:at], *lines[at : at + 2][::-1], *lines[at + 2 :]],
    "half": lambda lines, at: [*lines[:at], lines[at][: len(lines[at]) // 2], *lines[at + 1 :]],
    "the last": lambda lines, at: [*lines[:at], lines[at][: 2 * len(lines[at]) // 3]],
    "indented": lambda lines, at: [*lines[:at], "  " + lines[at], *lines[at + 1 :]],
    "empty": lambda lines, at: [*lines[:at], "", *lines[at + 1 :]],
    "moved": lambda lines, at: [*lines[:at], *lines[at + 1 :], lines[at]],
}


def _unit(word: str) -> str:
    number = word.rstrip("".join(set("".join(_UNITS))))
    return number + _UNITS[(len(word) + len(number)) % len(_UNITS)]


_WORDS: Final[dict[str, Callable[[str], str]]] = {
    "gone": lambda _: "",
    "twice": lambda word: f"{word} {word}",
    "other": lambda word: f"{word[:-1]}x" if word[-1:] != '"' else f'{word[:-1]}x"',
    "0": lambda _: "0",
    "-1": lambda _: "-1",
    "1e30": lambda _: "1e30",
    "longer": lambda word: word[:1] + "7" + word[1:],
    "unit": _unit,
    "case": str.swapcase,
}

_VALUES: Final[dict[str, Callable[[Any], Any]]] = {
    "null": lambda _: None,
    "text": str,
    "other": lambda value: f"{value}x" if isinstance(value, str) else "x",
    "0": lambda value: "0" if isinstance(value, str) else 0,
    "-1": lambda value: "-1" if isinstance(value, str) else -1,
    "1e30": lambda value: "1e30" if isinstance(value, str) else 1e30,
    "more": lambda value: value * 3 + 1 if isinstance(value, int | float) else f"1{value}",
    "list": lambda value: [value],
    "empty": lambda value: type(value)(),
    "in it": lambda value: {"value": value},
}


def _nodes(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for name, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _nodes(below, (*path, name))


def _changed(value: Any, path: list[str], how: str) -> Any:
    """Change what stands at a path of a document."""
    value = copy.deepcopy(value)
    at = value
    *above, last = path
    for step in above:
        at = at[int(step) if isinstance(at, list) else step]
    place: Any = int(last) if isinstance(at, list) else last
    if how == "gone":
        del at[place]
    elif how == "twice":
        at.insert(place, at[place])
    elif how == "renamed":
        at[f"{place}X"] = at.pop(place)
    else:
        at[place] = _VALUES[how](at[place])
    return value


def _document(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None


def edited(text: str, edit: str) -> str:
    """Make a change of a text: `line 3 gone`, `line 3 word 2 unit`, `json 0/items/1/name null`."""
    kind, place, rest = edit.split(" ", 2)
    if kind == "json":
        line, *path = place.split("/")
        if line == "all":
            return json.dumps(_changed(json.loads(text), path, rest))
        lines = text.split("\n")
        lines[int(line)] = json.dumps(_changed(json.loads(lines[int(line)]), path, rest))
        return "\n".join(lines)
    lines, at = text.split("\n"), int(place)
    if rest.startswith("at "):
        _, number, how = rest.split(" ", 2)
        line = lines[at]
        lines[at] = line[: int(number)] + _WORDS[how](line[int(number)]) + line[int(number) + 1 :]
        return "\n".join(lines)
    if not rest.startswith("word "):
        return "\n".join(_LINES[rest](lines, at))
    _, number, how = rest.split(" ", 2)
    words = list(_WORD.finditer(lines[at]))
    word = words[int(number)]
    lines[at] = lines[at][: word.start()] + _WORDS[how](word[0]) + lines[at][word.end() :]
    return "\n".join(lines)


def drawn(text: str, chance: random.Random) -> str:
    """Draw a change of a text; a name of one that may well be impossible for this value is not drawn."""
    lines = text.split("\n")
    whole = _document(text)
    at = chance.randrange(len(lines))
    document = whole if whole is not None else _document(lines[at])
    if document is not None and chance.random() < 0.9:
        nodes = [path for path in _nodes(document) if not any(re.search(r"[/ ]", str(step)) for step in path)]
        # Each kind of place is as likely as another, however long its list is.
        kinds: dict[tuple[str, ...], list[tuple[str | int, ...]]] = {}
        for path in nodes:
            kinds.setdefault(tuple("#" if isinstance(step, int) else step for step in path), []).append(path)
        path = chance.choice(kinds[chance.choice(sorted(kinds))])
        value = document
        above: Any = None
        for step in path:
            above, value = value, value[step]
        ways = ["gone", "null", "list", "in it"]
        ways += ["twice"] if isinstance(above, list) else ["renamed"]
        ways += ["empty"] if isinstance(value, dict | list | str) else []
        ways += [] if isinstance(value, dict | list) or value is None else ["text", "other", "0", "-1", "1e30", "more"]
        return f"json {'all' if whole is not None else at}/{'/'.join(map(str, path))} {chance.choice(ways)}"
    if lines[at] and chance.random() < (0.7 if " " not in lines[at] else 0.1):
        return f"line {at} at {chance.randrange(len(lines[at]))} {chance.choice(sorted(_WORDS))}"
    words = len(_WORD.findall(lines[at]))
    if not words or chance.random() < 0.3:
        return f"line {at} {chance.choice(sorted(_LINES))}"
    return f"line {at} word {chance.randrange(words)} {chance.choice(sorted(_WORDS))}"


#: No edit.
AS_IT_IS: Final = "as it is"
#: So much of what an edit changes is stored.
_MOST: Final = 6


def _differing(now: Any, before: Any, place: str = "") -> Iterator[list[Any]]:
    if isinstance(now, dict) and isinstance(before, dict):
        for name in sorted(now.keys() | before.keys()):
            yield from _differing(now.get(name), before.get(name), f"{place} {name}".strip())
    elif now != before:
        if isinstance(now, list) and isinstance(before, list) and all(isinstance(one, str) for one in (*now, *before)):
            told = {
                "more": [one for one in now if one not in before],
                "less": [one for one in before if one not in now],
            }
            now = {name: several for name, several in told.items() if several} or now
        yield [place, now]


def changed(now: object, before: object) -> list[Any]:
    """What an edit changes of what is read: a place and what stands there now."""
    found: list[Any] = list(_differing(now, before))
    return found if len(found) <= _MOST else [*found[:_MOST], f"{len(found) - _MOST} more"]


def _as_if(edit: str) -> AbstractContextManager[object]:
    """Set a limit of a module."""
    place, value = edit.split(" = ")
    module, _, name = place.rpartition(".")
    return mock.patch.object(importlib.import_module(module), name, json.loads(value))


def outcomes(
    sources: Mapping[str, Mapping[str, str]], read: Callable[[Mapping[str, str]], Any], edits: Mapping[str, list[str]]
) -> dict[str, list[Any]]:
    """What each edit of a file of a source changes; an edit is called by its file and what it does.

    Limits that no small file reaches are set: `rmtoolkit.heap.heaptrack._PATTERNS = 1`.
    """
    found: dict[str, list[Any]] = {}
    for name, several in edits.items():
        files = sources[name]
        before = read(files)
        # What recorded files are read as is written down elsewhere.
        found[name] = [[AS_IT_IS, before]] if "." not in name else []
        for edit in several:
            if edit == AS_IT_IS:
                continue
            if edit.startswith("rmtoolkit."):
                with _as_if(edit):
                    found[name].append([edit, *changed(read(files), before)])
                continue
            file, how = edit.split(": ", 1)
            found[name].append([edit, *changed(read({**files, file: edited(files[file], how)}), before)])
    return found
