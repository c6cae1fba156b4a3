"""What readers give in the tests of a folder, whole, beside the one thing that a test looks at.

``python -m tests.readings`` writes it down anew after a change that is meant; files of tests may be named behind it.
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from tests.written import differences, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    #: How each function's result is put in rows.
    Told: TypeAlias = dict[str, Callable[[Any], list[Any]]]

TESTS: Final = Path(__file__).parent
STORED: Final = TESTS / "data" / "readings"
#: Where set, what is given is stored instead of compared.
WRITES: Final = "READINGS_WRITTEN"
#: So many are kept of what a test reads: some read a file in a hundred states.
MOST: Final = 8
#: Whether the last step of a test passed.
PASSED: Final = pytest.StashKey[bool]()
#: What is compared already, and what draws its damage from all files that there are.
OTHERS: Final = ("test_worked_examples.py", "test_damage.py", "test_wrong_words.py")
_written: Final[dict[Path, dict[str, list[Any]]]] = {}


@functools.cache
def _stored(file: Path) -> dict[str, list[Any]]:
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def _noted(name: str, function: Callable[..., Any], tell: Callable[[Any], list[Any]], found: list[Any]) -> Any:
    """Let a function note what it gives, warns of and raises; a warning still points at its caller."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        caller = sys._getframe(1)
        outcome: list[Any] = []
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = function(*arguments, **options)
            outcome += tell(result) if len(found) < MOST else []
        except RmtoolkitError as error:
            outcome += [{"error": str(error)}]
            raise
        finally:
            # What an earlier test left open may be tidied up now.
            outcome += [{"warns": str(one.message)} for one in caught if one.category is not ResourceWarning]
            if len(found) < MOST:
                found.append([name, *outcome])
            for one in caught:
                ours = issubclass(one.category, RmtoolkitWarning)
                place = (caller.f_code.co_filename, caller.f_lineno) if ours else (one.filename, one.lineno)
                warnings.warn_explicit(one.message, one.category, *place)
        return result

    return call


_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NOW: Final = dt.timedelta(hours=1)


def _is_of_now(told: str) -> bool:
    """Tell whether a reading depends on when its file was written: that is never the same, and was just now."""
    now = dt.datetime.now(dt.UTC)
    instants = (dt.datetime.fromisoformat(f"{one}:00+00:00") for one in _INSTANT.findall(told))
    return "last written" in told or any(abs(now - instant) < _NOW for instant in instants)


def _portable(found: list[Any], folders: list[str]) -> list[Any]:
    """Leave out where the test's folder lies, and what is the same as before."""
    timeless = [one if not _is_of_now(json.dumps(one)) else [one[0], "of when its file was written"] for one in found]
    told = json.dumps(["as before" if at and one == timeless[at - 1] else one for at, one in enumerate(timeless)])
    told = re.sub(rf"{re.escape(tempfile.gettempdir())}/{tempfile.gettempprefix()}\w+/", "", told)
    told = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", told)
    for folder in sorted([*folders, str(TESTS.parent)], key=len, reverse=True):
        told = told.replace(f"{folder}/", "").replace(folder, "FOLDER")
    return list(json.loads(told))


@functools.cache
def _draws(function: Callable[..., Any]) -> bool:
    """Tell whether a test draws what it reads."""
    return hasattr(function, "hypothesis") or "@given(" in inspect.getsource(function)


def _is_kept(node: pytest.Item) -> bool:
    """Tell whether a test reads the same each time, and what it reads is not compared already."""
    return isinstance(node, pytest.Function) and node.path.name not in OTHERS and not _draws(node.obj)


class Few:
    """A plugin of pytest that runs no other tests."""

    @staticmethod
    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        """Keep those that are compared."""
        items[:] = filter(_is_kept, items)


def kept(request: pytest.FixtureRequest, told: Told) -> Iterator[None]:
    """Note what functions of the package give while a test runs; then compare it with what was stored."""
    node: pytest.Function = request.node
    if not _is_kept(node):
        yield
        return
    found: list[Any] = []
    names = vars(rm)
    before = {name: names[name] for name in told if name in names}
    names.update({name: _noted(name, getattr(rm, name), tell, found) for name, tell in told.items()})
    try:
        yield
    finally:
        for name in told:
            del names[name]
        names.update(before)
    if not node.stash.get(PASSED, default=False):
        return
    now = _portable(found, [str(value) for value in node.funcargs.values() if isinstance(value, Path)])
    file = STORED / node.path.relative_to(TESTS).with_suffix(".json")
    if os.environ.get(WRITES):
        _written.setdefault(file, {})[node.name] = now
        return
    changed = list(differences(now, _stored(file).get(node.name, [])))
    assert not changed, f"`python -m tests.readings` writes down what is meant: {changed[:5]}"


if __name__ == "__main__":
    os.environ[WRITES] = "1"
    from tests import readings  # what the tests import is another module than the one that runs

    asked = sys.argv[1:] or ["tests/loaders", "tests/heap"]
    code = pytest.main(["-q", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider", *asked], [Few()])
    for place, tests in readings._written.items():
        if any(tests.values()):
            write(place, {name: calls for name, calls in sorted(tests.items()) if calls})
    sys.exit(code)
