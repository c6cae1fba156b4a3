"""Heap profiles that are served: fetched from a service and kept, or read from what a Pyroscope server has kept."""

from __future__ import annotations

import ctypes
import datetime as dt
import math
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from rmtoolkit._io import make_folder, write_whole
from rmtoolkit._tables import asked_window, parse_duration
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.heap import IN_CLUSTER
from rmtoolkit.heap.formats import PPROF_EXPECTED, join, read_one_pprof
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.symbols import Paths, symbolised
from rmtoolkit.loaders._wire import field
from rmtoolkit.loaders.record_kubectl import Kubectl, end_group, kubectl_error
from rmtoolkit.loaders.server import Client, DamagedError, NothingThereError, Patience, Who, who_asks
from rmtoolkit.text import and_more, count, printable

_NEAR: Final = "rmtoolkit heap pod/NAME:6060/debug/pprof/heap -n NAMESPACE, which forwards the port by kubectl."
_WEB_PAGE: Final = "No profile looks like this: is the path right, such as /debug/pprof/heap?"
_FORWARDED: Final = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+) ")
_PARENT_DIED: Final = 1


def fetch(
    url: str,
    folder: str | os.PathLike[str],
    *,
    every: str | dt.timedelta | None = None,
    count: int | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tenant: str | None = None,
    ca_file: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
    timeout_seconds: float = 60.0,
) -> Iterator[Path]:
    waits = None if every is None else parse_duration(every).total_seconds()
    count = count if count is not None else 1 if waits is None else 2
    if count < 1 or (count > 1 and not waits):
        msg = f"count={count} and every={quote(every)}: expected how often, and how long to wait in between."
        raise RmtoolkitError(msg)
    told = who_asks(token_file=token_file, tenant=tenant, ca_file=ca_file)
    make_folder(folder)
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(begun + number * (waits or 0) - time.monotonic(), 0))
        # Nothing is kept open in between: kubectl gives up connections that are idle.
        within = IN_CLUSTER.fullmatch(url)
        place = _forwarded(within, namespace, context, timeout_seconds) if within else nullcontext(url)
        with place as address:
            patience = Patience(timeout_seconds, 5, 0.5)
            client = Client(address, Who(**told), patience=patience, near=_NEAR, web_page=_WEB_PAGE)
            with closing(client):
                data = client.get()
        yield write_whole(Path(folder, f"heap-{datetime.now(UTC):%Y%m%dT%H%M%S}Z.{number + 1:04}.heap"), data)


@contextmanager
def _forwarded(
    within: re.Match[str], namespace: str | None, context: str | None, timeout_seconds: float
) -> Iterator[str]:
    target, port, path = within.groups()
    kubectl = Kubectl.find("kubectl", context, None)
    asked = [f"--namespace={namespace}"] if namespace is not None else []
    words = ["port-forward", "--address=127.0.0.1", *asked, target, f":{port}"]
    with subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        [kubectl.program, *kubectl.options, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_dying_with_parent(),  # noqa: PLW1509 - no locks are taken there
    ) as process:
        try:
            yield f"http://127.0.0.1:{_port(process, words, timeout_seconds)}{path}"
        finally:
            if process.returncode is None:
                end_group(process)


def _port(process: subprocess.Popen[bytes], words: list[str], timeout_seconds: float) -> int:
    assert process.stdout is not None  # noqa: S101 - pipes were asked for
    assert process.stderr is not None  # noqa: S101
    line, until = b"", time.monotonic() + timeout_seconds
    while select.select([process.stdout], [], [], max(until - time.monotonic(), 0))[0]:
        line += (part := os.read(process.stdout.fileno(), 1 << 12))
        if (said := _FORWARDED.match(line)) is not None:
            return int(said[1])
        if not part or b"\n" in line:
            break
    end_group(process)
    complaints = process.stderr.read(1 << 16).decode("utf-8", "replace").splitlines()
    raise kubectl_error(" ".join(words), complaints or [f"no port within {timeout_seconds:g} s"], process.wait())


def _dying_with_parent() -> Callable[[], object] | None:
    return partial(ctypes.CDLL(None).prctl, _PARENT_DIED, signal.SIGKILL) if sys.platform == "linux" else None


_PYROSCOPE: Final = "kubectl port-forward svc/pyroscope 4040, then http://127.0.0.1:4040."
_NO_PYROSCOPE: Final = "That is no Pyroscope: a login page looks like this (token_file=), or the path is wrong."
_SERVICE: Final = "/querier.v1.QuerierService/"
#: What is live, as jemalloc, Go and others call it.
_LIVE: Final = "inuse_space"
#: Agents send a profile every 10 or 15 seconds; of a long window so many steps are looked at.
_LEAST_STEP_SECONDS: Final = 15
_MOST_STEPS: Final = 1000
_NAMED: Final = 5
_PLAIN: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
#: A label that says what was measured, not of what.
_OF_PROFILES: Final = ("__", "pyroscope_", "profile_id")
#: The shares of a sum that is one profile, or several, differ by chance no more than that.
_CLOSE: Final = 0.02


class _Kind(msgspec.Struct, rename={"kind": "ID", "sample": "sampleType"}):
    kind: str = ""
    name: str = ""
    sample: str = ""


class _Label(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Point(msgspec.Struct):
    value: float = 0.0
    timestamp: int | str = 0


class _Series(msgspec.Struct):
    labels: list[_Label] = []
    points: list[_Point] = []


class _Answer(msgspec.Struct, rename={"kinds": "profileTypes", "sets": "labelsSet"}):
    kinds: list[_Kind] = []
    sets: list[_Series] = []
    series: list[_Series] = []


def read_pyroscope(
    url: str,
    labels: Mapping[str, str] | Sequence[Mapping[str, str]],
    *,
    last: str | dt.timedelta | None = None,
    start: str | dt.datetime | None = None,
    end: str | dt.datetime | None = None,
    profiles: int = 24,
    binary: Paths | None = None,
    debug: Paths | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tenant: str | None = None,
    ca_file: str | None = None,
    timeout_seconds: float = 60.0,
) -> HeapProfile:
    """Read what a Pyroscope server has kept of the heap of one process.

    Parameters
    ----------
    url
        Address of the server, such as ``http://pyroscope:4040``.
    labels
        Labels of the process, such as ``{"service_name": "api", "pod": "api-7d9f8b6c5d-x2x4z"}``. Of several such
        mappings the first that names a process is taken.
    last, start, end
        As for `rm.Prometheus.recording`.
    profiles
        How many to fetch, evenly over the window.
    binary, debug
        As for `rm.read_heap`.
    token_file, tenant, ca_file, timeout_seconds
        As for `rm.Prometheus`; what is not said here, the environment says (``RMTOOLKIT_TOKEN`` and so on).

    Returns
    -------
    HeapProfile
        A series of profiles with their times: `rm.suspects` tells what grew. Numbers are estimates.

    Raises
    ------
    ServerError
        The server cannot be reached, or has no heap profile of such a process.
    RmtoolkitError
        The labels name several processes: the message says what tells them apart.

    Examples
    --------
    >>> read_pyroscope("http://127.0.0.1:9", {"service_name": "api"}, last="1h")
    Traceback (most recent call last):
    rmtoolkit.loaders.server.ServerError: Could not read http://127.0.0.1:9: the connection was refused. Is it \
running, and the address right? In a cluster: kubectl port-forward svc/pyroscope 4040, then http://127.0.0.1:4040.
    """
    if profiles < 1:
        msg = f"profiles={profiles}: at least one is expected."
        raise RmtoolkitError(msg)
    begin, stop = asked_window(last, start, end)
    told = who_asks(token_file=token_file, tenant=tenant, ca_file=ca_file)
    patience = Patience(timeout_seconds, 2, 0.5)
    client = Client(url, Who(**told), patience=patience, near=_PYROSCOPE, web_page=_NO_PYROSCOPE)
    with closing(client):
        store = _Store(client, math.floor(begin.timestamp() * 1000), math.ceil(stop.timestamp() * 1000))
        choices = [labels] if hasattr(labels, "keys") else list(labels)
        heap = store.read(choices, profiles)  # type: ignore[arg-type]
    return symbolised(heap, binary, debug)


class _Store:
    def __init__(self, client: Client, begin_ms: int, end_ms: int) -> None:
        self.client, self.begin_ms, self.end_ms = client, begin_ms, end_ms
        self.step_seconds = max(_LEAST_STEP_SECONDS, math.ceil((end_ms - begin_ms) / 1000 / _MOST_STEPS))

    def _ask(self, method: str, body: Mapping[str, Any]) -> _Answer:
        def read(answer: bytes) -> _Answer:
            try:
                return msgspec.json.decode(answer, type=_Answer)
            except msgspec.MsgspecError as error:
                raise DamagedError(str(error)) from None

        return self.client.ask(
            f"{_SERVICE}{method}",
            {},
            read,
            data=msgspec.json.encode({"start": self.begin_ms, "end": self.end_ms, **body}),
            headers={"Content-Type": "application/json"},
        )

    def read(self, choices: Sequence[Mapping[str, str]], profiles: int) -> HeapProfile:
        kind = self._kind()
        labels = self._chosen(kind, choices)
        points = self._points(kind, labels)
        places = np.unique(np.linspace(0, len(points) - 1, min(profiles, len(points))).round().astype(int))
        step_ms = self.step_seconds * 1000
        found, times, several = [], [], 0
        for place in places:
            time_ms, average = points[place]
            heap = self._profile(kind, labels, time_ms - step_ms + 1, time_ms)
            held = heap.summary.live_at_end_bytes or 0
            # A server adds up the profiles of a stretch; the average of what they hold tells how many there are.
            many = round(held / average) if average > 0 else 1
            if many > 1 and abs(held / average - many) < _CLOSE * many:
                several += 1
                heap = _divided(heap, many)
            found.append(heap)
            times.append(time_ms / 1000)
        heap = join(found, [time - times[0] for time in times])
        shown = ", ".join(f"{name}={quote(value)}" for name, value in labels.items())
        notes = (f"{count(several, 'snapshot')} are the mean of several profiles",) if several else ()
        report = replace(
            heap.report,
            sources=(self.client.address.url,),
            asked=f"{kind} of {shown}",
            time_axis="when the server received the profiles",
            warnings=(*heap.report.warnings, *notes),
        )
        return replace(heap, report=report)

    def _kind(self) -> str:
        kinds = self._ask("ProfileTypes", {}).kinds
        live = sorted((kind.name != "memory", kind.kind) for kind in kinds if kind.sample == _LIVE)
        if not live:
            there = sorted({printable(kind.kind) for kind in kinds})
            has = f"; it has {', '.join(there[:_NAMED])}{and_more(len(there), _NAMED)}" if there else ""
            hint = "Rust services send it with jemalloc's profiler (pyroscope-rs or Alloy, type memory)."
            raise NothingThereError(self.client.fault(f"it has no profiles of live memory ({_LIVE}) then{has}", hint))
        return live[0][1]

    def _chosen(self, kind: str, choices: Sequence[Mapping[str, str]]) -> dict[str, str]:
        sets: list[dict[str, str]] = []
        for labels in choices:
            asked = {"matchers": [_selector({"__profile_type__": kind, **labels})], "labelNames": []}
            found = [{one.name: one.value for one in item.labels} for item in self._ask("Series", asked).sets]
            sets = [{name: value for name, value in one.items() if not name.startswith(_OF_PROFILES)} for one in found]
            sets = [dict(one) for one in dict.fromkeys(tuple(sorted(one.items())) for one in sets)]
            if len(sets) == 1:
                return dict(labels) or sets[0]
            if sets:
                break
        wanted = " or ".join(_selector(labels) for labels in choices)
        if not sets:
            fault = self.client.fault(f"it has no heap profiles of {quote(wanted)} then", "Are labels and time right?")
            raise NothingThereError(fault)
        names = sorted({name for one in sets for name in one})
        apart = next((name for name in names if len({one.get(name) for one in sets}) == len(sets)), names[0])
        values = sorted({printable(one.get(apart, "")) for one in sets})
        hint = f"Add one {apart} of: {', '.join(values[:_NAMED])}{and_more(len(values), _NAMED)}."
        means = f"{quote(wanted)} means {len(sets)} processes, and a heap profile is of one"
        raise NothingThereError(self.client.fault(means, hint))

    def _points(self, kind: str, labels: Mapping[str, str]) -> list[tuple[int, float]]:
        asked = {
            "profileTypeID": kind,
            "labelSelector": _selector(labels),
            "step": self.step_seconds,
            "aggregation": "TIME_SERIES_AGGREGATION_TYPE_AVERAGE",
        }
        curves = self._ask("SelectSeries", asked).series
        points = [(int(point.timestamp), point.value) for one in curves for point in one.points if point.value > 0]
        if not points:
            raise NothingThereError(self.client.fault(f"it has no heap profiles of {quote(_selector(labels))} then"))
        return sorted(points)

    def _profile(self, kind: str, labels: Mapping[str, str], begin_ms: int, end_ms: int) -> HeapProfile:
        asked = field(1, kind.encode()) + field(2, _selector(labels).encode()) + field(3, begin_ms) + field(4, end_ms)
        data = self.client.ask(
            f"{_SERVICE}SelectMergeProfile", {}, bytes, data=asked, headers={"Content-Type": "application/proto"}
        )
        with tempfile.TemporaryDirectory(prefix="rmtoolkit-") as folder:
            file = Path(folder, "heap.pb")
            file.write_bytes(data)
            try:
                return read_one_pprof(file)
            except ReadError as error:
                fault = self.client.fault("its answer is no pprof profile", f"Expected {PPROF_EXPECTED}.")
                raise RmtoolkitError(fault) from error


def _selector(labels: Mapping[str, str]) -> str:
    """Write labels as the server selects them; names and values are hostile."""

    # A text of JSON is a quoted one there too.
    def quoted(text: str) -> str:
        return msgspec.json.encode(text).decode()

    parts = (f"{name if _PLAIN.fullmatch(name) else quoted(name)}={quoted(value)}" for name, value in labels.items())
    return f"{{{', '.join(parts)}}}"


def _divided(heap: HeapProfile, many: int) -> HeapProfile:
    names = [name for name, kind in heap.stacks.schema.items() if kind == pl.Int64()]
    summary = heap.summary
    held, blocks = (one and one // many for one in (summary.live_at_end_bytes, summary.live_at_end_blocks))
    summary = replace(summary, live_at_end_bytes=held, live_at_end_blocks=blocks)
    return replace(heap, stacks=heap.stacks.with_columns(pl.col(names) // many), summary=summary)
