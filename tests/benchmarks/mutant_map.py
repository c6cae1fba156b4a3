"""A pytest plugin that notes which test runs which line, what each test costs, and which fail already.

``pytest -p tests.benchmarks.mutant_map`` on Python 3.12 or later; the folder that the notes go to stands in MUTANT_MAP.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import CodeType

assert sys.version_info >= (3, 12), "sys.monitoring came with Python 3.12"
_SPENT: Final = pytest.StashKey[float]()
FOLDER: Final = Path(os.environ.get("MUTANT_MAP", "."))
_PACKAGE: Final = f"{Path.cwd()}/rmtoolkit/"
_TOOL: Final = sys.monitoring.COVERAGE_ID
_noted: Final = coverage.CoverageData(str(FOLDER / "coverage"), suffix=True)
_lines: Final[defaultdict[str, set[int]]] = defaultdict(set)
_cpu_seconds: Final[defaultdict[str, float]] = defaultdict(float)
_wall_seconds: Final[defaultdict[str, float]] = defaultdict(float)
_failed: Final[set[str]] = set()


def _runs_tests(config: pytest.Config) -> bool:
    """Tell a process that runs tests from one that only hands them to workers."""
    return hasattr(config, "workerinput") or not config.getoption("numprocesses", None)


def _on_line(code: CodeType, line: int) -> object:
    """Note a line once: until the next test begins, it costs nothing more."""
    if code.co_filename.startswith(_PACKAGE):
        _lines[code.co_filename].add(line)
    return sys.monitoring.DISABLE


def _note(test: str) -> None:
    """Keep the lines since the last call under the name of a test, and let each be seen anew."""
    _noted.set_context(test)
    _noted.add_lines(_lines)
    _lines.clear()
    sys.monitoring.restart_events()


def pytest_configure(config: pytest.Config) -> None:
    """Begin before the package is imported."""
    if _runs_tests(config):
        sys.monitoring.use_tool_id(_TOOL, "mutants")
        sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, _on_line)
        sys.monitoring.set_events(_TOOL, sys.monitoring.events.LINE)


def _forget() -> None:
    """Clear what tests keep for each other: else only the first of them would be noted to run what made it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tests."):
            for kept in list(vars(module).values()):
                if callable(clear := getattr(kept, "cache_clear", None)):
                    clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note lines under the name of the test that runs them."""
    _forget()
    _note("")
    item.stash[_SPENT] = sum(os.times()[:4])
    done = yield
    _note(item.nodeid)
    return done


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the CPU time so far along: on a busy machine wall time says little of what a test costs."""
    report = yield
    spent = sum(os.times()[:4])
    vars(report)["cpu_seconds"] = spent - item.stash.get(_SPENT, spent)
    item.stash[_SPENT] = spent
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up a test's set-up, call and tear-down."""
    _cpu_seconds[report.nodeid] += vars(report)["cpu_seconds"]
    _wall_seconds[report.nodeid] += report.duration
    if report.outcome != "passed":
        _failed.add(report.nodeid)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Store the lines of this process, and the times of all."""
    if _runs_tests(config):
        sys.monitoring.set_events(_TOOL, 0)
        sys.monitoring.free_tool_id(_TOOL)
        _noted.write()
    if not hasattr(config, "workerinput"):
        told = {"cpu_seconds": _cpu_seconds, "wall_seconds": _wall_seconds, "failed": sorted(_failed)}
        text = json.dumps(told)
        (FOLDER / "tests.json").write_text(text, encoding="utf-8")
