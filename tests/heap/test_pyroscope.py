"""What a Pyroscope server has kept is read as one profile, by labels and time.

The server here is none of Pyroscope's own, which no registry of the tests carries: it answers as the protocol and the
API's description say, from real messages of pprof, and like the real one adds up all profiles of a stretch.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.cli import main
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders._wire import fields
from tests.heap import makers

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND: Final = "memory:inuse_space:bytes:space:bytes"
BEGIN: Final = 1_790_000_000_000
MINUTE: Final = 60_000
TOKEN: Final = "s3cret-token"  # noqa: S105 - of our own server
HOSTILE: Final = 'a"} or {b="\\'
MI: Final = 1 << 20


@dataclass
class Store:
    """Processes by their labels; of each the times of its profiles and what two functions held."""

    processes: list[tuple[dict[str, str], dict[int, tuple[int, int]]]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=lambda: ["process_cpu:cpu:nanoseconds:cpu:nanoseconds", KIND])
    asked: list[tuple[str, Any]] = field(default_factory=list)
    garbage: bool = False

    def matching(self, selector: str) -> list[tuple[dict[str, str], dict[int, tuple[int, int]]]]:
        """Processes that a selector names."""
        text = r'"(?:[^"\\]|\\.)*"'
        pair = rf"([A-Za-z_]\w*|{text})=({text})"
        assert re.fullmatch(rf"\{{{pair}(, {pair})*\}}", selector, re.ASCII), selector
        pairs = re.findall(pair, selector, re.ASCII)
        wanted = {name.strip('"'): json.loads(value) for name, value in pairs}
        kind = wanted.pop("__profile_type__", KIND)
        assert kind == KIND
        return [one for one in self.processes if all(one[0].get(name) == value for name, value in wanted.items())]

    def answer(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the four methods say in JSON; numbers of 64 bits are texts there."""
        if method == "ProfileTypes":
            parts = [(kind, *kind.split(":")) for kind in self.kinds]
            return {"profileTypes": [{"ID": kind, "name": name, "sampleType": of} for kind, name, of, *_ in parts]}
        if method == "Series":
            found = self.matching(body["matchers"][0])
            sets = [{**labels, "__profile_type__": KIND, "__session_id__": "7"} for labels, _ in found]
            return {"labelsSet": [{"labels": [{"name": k, "value": v} for k, v in one.items()]} for one in sets]}
        assert method == "SelectSeries"
        assert body["aggregation"] == "TIME_SERIES_AGGREGATION_TYPE_AVERAGE"
        points = []
        for end in range(body["start"], body["end"] + 1, int(body["step"] * 1000)):
            sums = [sum(held) for _, held in self.within(body["labelSelector"], end - body["step"] * 1000, end)]
            if sums:
                points.append({"value": sum(sums) / len(sums), "timestamp": str(end)})
        return {"series": [{"points": points}]} if points else {}

    def within(self, selector: str, after: float, until: float) -> list[tuple[int, tuple[int, int]]]:
        """Profiles of a stretch."""
        return [one for _, held in self.matching(selector) for one in held.items() if after < one[0] <= until]

    def merged(self, message: bytes) -> bytes:
        """The sum of all profiles of a stretch, in pprof."""
        said = {n: message[a:b] if kind == 2 else a for n, kind, a, b in fields(message, 0, len(message))}
        assert said[1] == KIND.encode()
        found = self.within(bytes(said[2]).decode(), int(said[3]) - 1, int(said[4]))
        sums = [sum(held[place] for _, held in found) for place in (0, 1)]
        stacks = (["api::cache::put", "api::main"], ["api::index::build", "api::main"])
        return makers.pprof([(stack, [size // 1000, size]) for stack, size in zip(stacks, sums, strict=True)])


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """Serve it on loopback, to whoever has the token."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            method = self.path.rpartition("/")[2]
            store.asked.append((method, body))
            status, kind = 200, self.headers["Content-Type"]
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, data = 401, b'{"code":"unauthenticated","message":"no token"}'
            elif store.garbage:
                data = b"\0garbage"
            elif method == "SelectMergeProfile":
                assert kind == "application/proto"
                data = store.merged(body)
            else:
                data = json.dumps(store.answer(method, json.loads(body))).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def leaking(every_ms: int = MINUTE) -> dict[int, tuple[int, int]]:
    """An hour of profiles: the cache gets 1 MiB a minute, the index rests."""
    return {BEGIN + at: (at * MI // MINUTE + MI, 40 * MI) for at in range(0, 60 * MINUTE, every_ms)}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is said by the environment, as of Prometheus."""
    monkeypatch.setenv("RMTOOLKIT_TOKEN", TOKEN)


WINDOW: Final[dict[str, Any]] = {"start": "2026-09-21T14:13", "end": "2026-09-21T15:30"}


@pytest.mark.parametrize("every_ms", [MINUTE, 5000], ids=["one a minute", "several in a step"])
def test_what_grew_is_named_with_its_rate(every_ms: int) -> None:
    """A series of profiles with times: also where a step holds several, which the server adds up."""
    labels = {"service_name": "api", "pod": HOSTILE, "app.kubernetes.io/name": "api", "9é": "1"}
    store = Store([(labels, leaking(every_ms)), ({"service_name": "web"}, leaking())])
    with serving(store) as url:
        heap = rm.read_pyroscope(url, {"pod": HOSTILE}, **WINDOW)
    held = heap.timeline["live_bytes"].to_list()
    assert len(held) == 24
    assert held[-1] == pytest.approx(100 * MI, rel=0.02)
    first = rm.suspects(heap).row(0, named=True)
    assert (first["function"], first["reading"]) == ("api::cache::put", "grows")
    assert first["growth_bytes_per_second"] == pytest.approx(MI / 60, rel=0.1)
    assert heap.report.sources == (url,)
    several = ("24 snapshots are the mean of several profiles",)
    assert heap.report.warnings == (() if every_ms == MINUTE else several)


def test_a_leak_that_has_happened_names_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    """A recording asks for the profiles of its own pod and time; the command line does so by labels."""
    times = pl.datetime_range(pl.datetime(2026, 9, 21, 14, 13, 20), pl.datetime(2026, 9, 21, 15, 13), "1m", eager=True)
    minutes = range(len(times))
    table = {"time": times, "namespace": ["shop"] * len(times), "pod": ["api-0"] * len(times)}
    table |= {"workload": ["api"] * len(times), "container": ["api"] * len(times)}
    table |= {"anon_bytes": [(50 + at) * MI for at in minutes]}
    recording = rm.Recording.from_frame(pl.DataFrame(table))
    store = Store([({"namespace": "shop", "pod": name, "container": "api"}, leaking()) for name in ("api-0", "api-1")])
    with serving(store) as url:
        found = rm.assess(recording, heap={"api": url})
        words = ["heap", "--pyroscope", url, "--labels", "namespace=shop,pod=api-0", "--count", "8"]
        assert main([*words, "--start", WINDOW["start"], "--end", WINDOW["end"]]) == 0
    assert found.workloads["evidence_level"][0] == 5
    assert "api::cache::put" in " ".join(found.evidence["text"].drop_nulls()) + found.workloads["explanation"][0]
    said = capsys.readouterr().out
    assert "api::cache::put" in said.partition("READING")[0]
    assert TOKEN not in said


def test_what_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Several processes, none, no such kind, garbage, nobody's token, labels that are none: each in one clear line."""
    store = Store([({"service_name": "api", "pod": f"api-{at}"}, leaking()) for at in range(3)])
    with serving(store) as url:
        with pytest.raises(RmtoolkitError, match=r"means 3 processes.*Add one pod of: api-0, api-1, api-2\."):
            rm.read_pyroscope(url, {"service_name": "api"}, **WINDOW)
        with pytest.raises(rm.ServerError, match=r"no heap profiles of '\{service_name=\"web\"\}' then"):
            rm.read_pyroscope(url, {"service_name": "web"}, **WINDOW)
        store.kinds = store.kinds[:1]
        with pytest.raises(rm.ServerError, match=r"no profiles of live memory \(inuse_space\).*it has process_cpu"):
            rm.read_pyroscope(url, {"pod": "api-0"}, **WINDOW)
        store.garbage = True
        with pytest.raises(rm.ServerError, match="its answer was damaged"):
            rm.read_pyroscope(url, {"pod": "api-0"}, **WINDOW)
        monkeypatch.setenv("RMTOOLKIT_TOKEN", "wrong-token")
        assert main(["heap", "--pyroscope", url, "--labels", "pod=api-0"]) == 2
        assert "HTTP 401: no token" in (said := capsys.readouterr().err)
        assert "wrong-token" not in said
        assert main(["heap", "--pyroscope", url]) == 2
        assert "expected NAME=VALUE" in capsys.readouterr().err
        assert main(["heap"]) == 2
        assert "--pyroscope URL" in capsys.readouterr().err
