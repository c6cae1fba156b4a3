"""One real Prometheus for each process of the tests."""

from __future__ import annotations

import datetime as dt
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

import rmtoolkit as rm
from tests.live.history import END, history
from tests.live.servers import T0, Prometheus, VictoriaMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.proxy import Proxy


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that holds the history of `tests.live.history`."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("needs Debian's package prometheus: apt install prometheus")
    with Prometheus(tmp_path_factory.mktemp("prometheus"), history()) as started:
        yield started


#: How raw samples are fetched where a test does not say it: `both_ways` changes it.
WAY: dict[str, Any] = {"remote_read": True}


@pytest.fixture(params=[False, True], ids=["json", "bulk"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with JSON, which every server has, and by remote read or export where this one has it."""
    monkeypatch.setitem(WAY, "remote_read", request.param)


def instant(seconds: float) -> dt.datetime:
    """Seconds since 1970 as a time."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def pull(
    server: Prometheus | VictoriaMetrics | Proxy,
    *,
    path: str = "",
    options: dict[str, Any] | None = None,
    **asked: Any,
) -> rm.Recording:
    """The whole history, or what is asked of it; `path` stands behind the server's address."""
    window: dict[str, Any] = {"start": instant(T0), "end": instant(END + 7)} | asked
    settings = {"backoff_seconds": 0.001, "timeout_seconds": 20, **WAY, **(options or {})}
    with rm.Prometheus(server.url + path, **settings) as source:
        return source.recording(**window)


def whole(server: Prometheus, **asked: Any) -> rm.Recording:
    """What it gives to somebody whom nothing disturbs: its history stays, so it is asked once for each way."""
    return _whole(server, remote_read=WAY["remote_read"], **asked)


@cache
def _whole(server: Prometheus, *, remote_read: bool, **asked: Any) -> rm.Recording:
    return pull(server, options={"remote_read": remote_read}, **asked)
