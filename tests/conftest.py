"""Settings for all tests.

In CI nothing may be skipped: there a skip is a failure, so that a missing tool cannot hide a broken test.
"""

from __future__ import annotations

import fcntl
import gc
import os
import runpy
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import psutil
import pytest
from hypothesis import settings

from tests import readings
from tests.once import judged_once

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


# This process, which has begun, and those that the tests start.
_PROCESSES: Final = Path(__file__).parent / "processes"
runpy.run_path(str(_PROCESSES / "sitecustomize.py"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PROCESSES), os.environ.get("PYTHONPATH")]))

# Several processes share two cores: in them polars has one thread. What the tests start has as many as there are cores.
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("POLARS_MAX_THREADS", "1")
    pl.thread_pool_size()
# Prometheus, promtool and kubectl are written in Go: they live for short, so most of their garbage may stay.
os.environ.setdefault("GOGC", "400")

# Two shared cores: no deadline, and few examples here; `--hypothesis-profile=thorough` looks for longer.
settings.register_profile("quick", max_examples=12, deadline=None)
settings.register_profile("thorough", max_examples=1_000, deadline=None)
settings.load_profile("quick")


def pytest_report_header() -> list[str]:
    """Name the versions that most often explain a difference."""
    from importlib.metadata import version

    return [", ".join(f"{name} {version(name)}" for name in ("polars", "pandas", "numpy", "altair", "hypothesis"))]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """One process collects before the others: it rewrites the asserts of all files, and they find that done."""
    with Path(__file__).open() as first:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(first, fcntl.LOCK_SH)
        return (yield)


#: Those whose tests wait for a browser, a server or a compiler begin first, while the others have work to do.
FOLDERS: Final = ("browser", "live", "lab", "heap", "loaders", "views", "limits", "assessment", "analysis")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares servers and recordings, which each process makes once; inside, the order is random."""
    places = {name: at for at, name in enumerate(FOLDERS)}
    items.sort(key=lambda item: places.get(item.nodeid.removeprefix("tests/").partition("/")[0], len(places)))


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end: each later search for garbage passes them over."""
    gc.collect()
    gc.freeze()


#: On a busy machine the slowest test takes a quarter of it. What waits for more than for a process has pytest's
#: `faulthandler_timeout`.
PATIENCE_SECONDS: Final = 200


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """What a test has started ends after a while: who waits for it goes on, and fails where they stand."""
    # Times of processes are cut to a second.
    begun = time.time() - 1

    def end(*_: object) -> None:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.create_time() > begun:
                    child.kill()

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS, 5)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works() -> Iterator[None]:
    """A shell that starts the tests in the background lets them ignore Ctrl-C, and so the programs they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module", name="judged_once")
def _judged_once() -> Iterator[None]:
    """For files whose tests ask many questions about the same recordings."""
    with judged_once():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI; what a test read is compared where it passed."""
    report = yield
    item.stash[readings.PASSED] = report.passed
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and in CI nothing may be: {reason}"
    return report
