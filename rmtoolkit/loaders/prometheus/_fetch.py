"""How a pull is cut into requests that a server can bear, and how they are asked, several at once."""

from __future__ import annotations

import math
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from copy import copy
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar

import msgspec
import numpy as np

from rmtoolkit._promql import exactly, quoted
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.loaders.prometheus import NO_SAMPLES, TRUNCATED, is_remote_read
from rmtoolkit.loaders.prometheus._decode import UNREADABLE, Decoded, Decoder
from rmtoolkit.loaders.prometheus._remote_read import CONTENT_TYPE, HEADERS, NO_SERIES, request_body
from rmtoolkit.loaders.server import MOST_BYTES, Client, DamagedError, Patience, ServerError, TooMuchError
from rmtoolkit.text import texts

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
#: Samples in one answer: some 35 MB of JSON.
BUDGET: Final = 1_200_000
#: What an answer may have that counts, and that of so many samples.
_TOLD_BYTES, _DATA_BYTES, _SAMPLE_BYTES = 16 << 20, 64 << 20, 128
#: So small an answer is not worth another request.
_SMALL: Final = 250_000
#: Samples that the server reads for one answer; Prometheus stops at 50 million.
_SERVER_SAMPLES: Final = 20_000_000
#: Prometheus refuses more steps than this in one series.
_MOST_STEPS: Final = 11_000
#: A stretch is not cut below this; then the metrics are shared out.
_SHORTEST_SECONDS: Final = 60
_Other = TypeVar("_Other")

#: A request is halved this often at most: into a thousand.
_MOST_HALVINGS: Final = 10
#: Until an endpoint has answered once, silence of this length means that it is not there.
_HASTY_SECONDS: Final = 10.0
#: Answers that speak of the size of the request, not of the endpoint.
_TOO_MUCH: Final = (413, 422)
#: Side by side, many short steps of numpy wait for each other: four threads take twice as long as one after another.
_DECODING: Final = threading.Lock()

_ORDINARY: Final = frozenset(texts("loaders/prometheus/metrics")["series"]["ordinary"])


class Matcher(NamedTuple):
    label: str
    operator: str  # ``=``, ``!=``, ``=~`` or ``!~``; the last two take a whole RE2 expression
    value: str


class Selector(NamedTuple):
    names: tuple[str, ...]  # names of metrics, as they are
    matchers: tuple[Matcher, ...] = ()

    def conditions(self) -> tuple[Matcher, ...]:
        return (one_of("__name__", self.names), *self.matchers)

    def promql(self) -> str:
        return promql(self.conditions())


def promql(conditions: Iterable[Matcher]) -> str:
    return "{" + ",".join(f"{label}{sign}{literal(value)}" for label, sign, value in conditions) + "}"


def literal(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"{quote(text)} is no text that a server could hold: it is not UTF-8."
        raise RmtoolkitError(msg) from error
    return quoted(text)


def one_of(label: str, values: Iterable[str]) -> Matcher:
    several = list(dict.fromkeys(values))
    if not _NAME.fullmatch(label) or not several:
        msg = f"{quote(label)} is no label name, or no value was given for it."
        raise RmtoolkitError(msg)
    if len(several) == 1:
        return Matcher(label, "=", several[0])
    return Matcher(label, "=~", "|".join(map(exactly, several)))


class Stretch(NamedTuple):
    after: int
    until: int

    @property
    def seconds(self) -> int:
        return self.until - self.after

    def only(self, decoded: Decoded) -> Decoded:
        return between(decoded, self.after * 1000 + 1, self.until * 1000)


class Ask(NamedTuple):
    selector: Selector
    how: str


class Part(NamedTuple):
    asks: tuple[Ask, ...]  # one of raw samples; any number of others
    time: Stretch
    step_seconds: int = 0  # 0 for raw samples; else points lie at the end of the time and every step before it
    samples: int = 0

    def promql(self) -> str:
        parts = [text for ask in self.asks for text in _terms(ask, self.step_seconds)]
        if len(parts) == 1:
            return parts[0]
        # `or` takes no account of names: series of two parts must differ in another label.
        return " or ".join(
            f'label_replace({part}, "rmtoolkit_leg", "{number}", "", "")' for number, part in enumerate(parts)
        )

    @property
    def most_bytes(self) -> int:
        return min(_DATA_BYTES + _SAMPLE_BYTES * self.samples, MOST_BYTES)

    def times(self) -> dict[str, str]:
        first = self.time.after + self.step_seconds
        return {"start": str(first), "end": str(self.time.until), "step": str(self.step_seconds)}

    def halves(self) -> tuple[Part, Part] | None:
        """Cut it in two: by time, and what is as short as can be by its metrics."""
        (after, until), step = self.time, self.step_seconds or 1
        if until - after >= 2 * (self.step_seconds or _SHORTEST_SECONDS):
            middle = after + (until - after) // step // 2 * step
            return self._replace(time=Stretch(after, middle)), self._replace(time=Stretch(middle, until))
        if len(self.asks) > 1:
            half = len(self.asks) // 2
            return self._replace(asks=self.asks[:half]), self._replace(asks=self.asks[half:])
        (names, matchers), how = next(iter(self.asks))
        if not (half := len(names) // 2):
            return None
        one, other = (Ask(Selector(some, matchers), how) for some in (names[:half], names[half:]))
        return self._replace(asks=(one,)), self._replace(asks=(other,))


def _terms(ask: Ask, step_seconds: int) -> Iterable[str]:
    if ask.how != "max":
        last = f"last_over_time({ask.selector.promql()}[{step_seconds}s])"
        return [last if ask.how == "last" else f"({last} > 0)"]
    # This function drops the metric's name, so there is one term for each.
    return [
        f"label_replace(max_over_time({ask.selector._replace(names=(name,)).promql()}[{step_seconds}s]), "
        f'"rmtoolkit_name", {literal(name)}, "", "")'
        for name in ask.selector.names
    ]


def plan(
    asks: Sequence[Ask],
    time: Stretch,
    *,
    samples_per_second: float,
    series: int,
    step_seconds: int = 0,
    parallel: int = 4,
) -> list[Part]:
    length, unit = time.seconds, step_seconds or 1
    raw = samples_per_second * length
    points = series * (length / step_seconds) if step_seconds else raw
    count = max(math.ceil(points / BUDGET), min(parallel, int(points / _SMALL)), 1)
    if step_seconds:
        count = max(count, math.ceil(raw / _SERVER_SAMPLES), math.ceil(length / step_seconds / _MOST_STEPS))
    pieces = max(1, min(count, length // (step_seconds or _SHORTEST_SECONDS)))
    edges = [time.after + round(length / unit * number / pieces) * unit for number in range(pieces)]
    stretches = [Stretch(one, other) for one, other in pairwise([*edges, time.until]) if other > one]
    parts = [Part(tuple(asks), stretch, step_seconds, int(points / pieces)) for stretch in stretches]
    # Few instants of very many series: the metrics are shared out.
    for _ in range(math.ceil(math.log2(max(1.0, count / pieces)))):
        halved = [(part, part.halves()) for part in parts]
        parts = [one for part, two in halved for one in (two if two and two[0].time == part.time else (part,))]
    return parts


#: How raw samples are fetched. Raises `TooMuchError` to be asked for less, `ServerError` when nothing helps.
RawFetch: TypeAlias = Callable[[Client, Selector, Stretch, int], Decoded]

#: Labels of our own queries; no answer keeps them.
OWN_LABELS: Final = ("rmtoolkit_leg", "rmtoolkit_name")
_NOT_WHOLE: Final = "not whole"
_SOMETHING_ELSE: Final = "it answers something else"


def raw_by_json(client: Client, selector: Selector, time: Stretch, most_bytes: int = MOST_BYTES) -> Decoded:
    """Fetch raw samples with a range selector in an instant query: the one way that every server has."""
    query = f"{selector.promql()}[{time.seconds}s]"
    # Up to version 2 a range holds both its ends, since version 3 only the later one.
    return time.only(ask(client, "/api/v1/query", {"query": query, "time": str(time.until)}, most_bytes))


def ask(
    client: Client, path: str, parameters: Mapping[str, str], most_bytes: int = _TOLD_BYTES, *, keep_own: bool = False
) -> Decoded:

    def read(body: bytes) -> Decoded:
        # A list of series is a form of files: no server answers so.
        if body.lstrip().startswith(b"["):
            raise DamagedError(_SOMETHING_ELSE)
        decoder = _taken(body, client, _NOT_WHOLE if body.lstrip().startswith(b"{") else "no JSON")
        if decoder.left_out[TRUNCATED] or decoder.left_out[UNREADABLE]:
            raise DamagedError(_NOT_WHOLE)
        return decoder.finish()

    decoded = client.ask(path, parameters, read, most_bytes=most_bytes)
    mask = client.secrets.mask
    return replace(
        decoded,
        labels=decoded.labels if keep_own else list(map(_own_names, decoded.labels)),
        warnings=[mask(line) for line in decoded.warnings],
        partial=[mask(line) for line in decoded.partial],
    )


def _taken(body: bytes, client: Client, said: str = _NOT_WHOLE) -> Decoder:
    decoder = Decoder()
    try:
        decoder.add(body, repr(client.address))
    except ReadError as error:
        raise DamagedError(said) from error
    return decoder


def _own_names(labels: dict[str, str]) -> dict[str, str]:
    """Put the metric's name back where a function of PromQL had dropped it."""
    if labels.keys().isdisjoint(OWN_LABELS):
        return labels
    name = labels.get("rmtoolkit_name")
    kept = {label: value for label, value in labels.items() if label not in OWN_LABELS}
    return kept if name is None else {"__name__": name, **kept}


def between(decoded: Decoded, first: int, last: int) -> Decoded:
    good = (decoded.times >= first) & (decoded.times <= last)
    kept = decoded if good.all() else decoded.only(good)
    return kept.where(kept.counts > 0)


def together(parts: list[Decoded]) -> Decoded:
    if len(parts) == 1:
        return parts.pop()
    # Containers mostly stand in this order afterwards too: then nothing of this size is copied again.
    names = ("__name__", "cluster", "namespace", "pod", "container")
    every = {frozenset(one.items()): [one.get(name, "") for name in names] for part in parts for one in part.labels}
    numbers = {series: number for number, series in enumerate(sorted(every, key=every.__getitem__))}
    places = [np.array([numbers[frozenset(one.items())] for one in part.labels], np.int64) for part in parts]
    counts = np.zeros(len(numbers), np.int64)
    for part, place in zip(parts, places, strict=True):
        np.add.at(counts, place, part.counts)
    free = np.cumsum(counts) - counts
    size = int(counts.sum())
    whole = Decoded([{}] * len(counts), [""] * len(counts), counts, np.empty(size, np.int64), np.empty(size))
    places.reverse()
    parts.reverse()
    while parts:
        part, place = parts.pop(), places.pop()
        for labels, source, number, start, count in zip(
            part.labels, part.sources, place.tolist(), part.starts.tolist(), part.counts.tolist(), strict=True
        ):
            whole.labels[number], whole.sources[number] = labels, source
            begin = free[number]
            whole.times[begin : begin + count] = part.times[start : start + count]
            whole.values[begin : begin + count] = part.values[start : start + count]
            free[number] += count
        whole.warnings.extend(part.warnings)
        whole.partial.extend(part.partial)
        whole.left_out.update(part.left_out)
    return whole


class Fetcher:
    def __init__(self, client: Client, raw: RawFetch, parallel: int, *, progress: bool | None) -> None:
        self._client = client
        self._raw = raw
        self._parallel = max(1, parallel)
        self._slots = threading.BoundedSemaphore(self._parallel)
        self._depth = 0
        self._lock = threading.Lock()
        in_notebook = "ipykernel" in sys.modules
        shown = (sys.stderr.isatty() or in_notebook) if progress is None else progress
        # The one for notebooks brings asyncio along.
        tqdm = import_module("tqdm.auto" if in_notebook else "tqdm").tqdm
        self._bar: Any = tqdm(total=0, disable=not shown, desc="Prometheus", unit=" requests", leave=False)
        self.halved = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def fetch(self, parts: Sequence[Part]) -> list[Decoded]:
        self._bar.total = (self._bar.total or 0) + len(parts)
        self._bar.refresh()
        if len(parts) == 1:
            return self._one(parts[0], 0)
        pool = ThreadPoolExecutor(min(self._parallel, len(parts)) or 1, thread_name_prefix="rmtoolkit")
        try:
            futures = [pool.submit(self._one, part, 0) for part in parts]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            return [decoded for future in futures for decoded in future.result()]
        except BaseException:
            # Nobody waits for what is under way, be it an error or the user's Ctrl-C.
            self._client.stop.set()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def fetch_beside(self, parts: Sequence[Part], other: Callable[[Fetcher], _Other]) -> tuple[list[Decoded], _Other]:
        beside = copy(self)
        beside._client = self._client.for_one_pull()  # noqa: SLF001 - ours too
        pool = ThreadPoolExecutor(1, thread_name_prefix="rmtoolkit-beside")
        try:
            given = pool.submit(other, beside)
            return self.fetch(parts), given.result()
        except BaseException:
            beside._client.stop.set()  # noqa: SLF001 - ours too
            raise
        finally:
            self.halved += beside.halved
            pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, part: Part, depth: int) -> list[Decoded]:
        halves = part.halves() if depth < self._depth else None
        if halves is None:
            try:
                with self._slots:
                    decoded = self._sent(part)
            except TooMuchError:
                halves = part.halves() if depth < _MOST_HALVINGS else None
                if halves is None:
                    raise
                with self._lock:
                    # What was too much once is not tried again in this pull.
                    self._depth = max(self._depth, depth + 1)
                    self.halved += 1
            else:
                self._bar.update()
                return [decoded]
        self._bar.total += 1
        return [decoded for half in halves for decoded in self._one(half, depth + 1)]

    def _sent(self, part: Part) -> Decoded:
        if part.step_seconds == 0:
            return self._raw(self._client, part.asks[0].selector, part.time, part.most_bytes)
        asked = {"query": part.promql(), **part.times()}
        return part.time.only(ask(self._client, "/api/v1/query_range", asked, part.most_bytes))


class _NotThereError(Exception):
    """The server has no such endpoint, or speaks another form of it."""


class BulkFetch:
    """Fetches raw samples by remote read, else by VictoriaMetrics' export, else by JSON: a `RawFetch`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Labels that the server adds to every series, and those that series of a selector have themselves.
        self._external: frozenset[str] = frozenset()
        self._own: dict[Selector, frozenset[str]] = {}
        #: The first request finds out what there is; the others wait until that is known.
        self._first = threading.Lock()
        self._known = threading.Event()
        #: Ways that are still to be tried; the first one that works is used from then on.
        self._ways: tuple[str, ...] = ("read", "export")
        #: Why remote read was given up, until that was told.
        self._trouble = ""

    @property
    def reads(self) -> bool:
        return self._known.is_set() and self._ways[:1] == ("read",)

    def give_up(self, why: str) -> None:
        with self._lock:
            self._ways, self._trouble = (), self._trouble or why

    def told(self) -> str:
        """Say once why JSON is read although remote read was asked for; nothing where it is not."""
        with self._lock:
            why, self._trouble = ("", self._trouble) if self._ways else (self._trouble, "")
        return f"remote read was asked for, and JSON was read instead: {why.rstrip('.')}" if why else ""

    def __call__(self, client: Client, selector: Selector, time: Stretch, most_bytes: int = MOST_BYTES) -> Decoded:
        if not self._known.is_set() and not self._first.acquire(blocking=False):
            self._known.wait()
        try:
            return self._tried(client, selector, time, most_bytes)
        finally:
            self._known.set()

    def _tried(self, client: Client, selector: Selector, time: Stretch, most_bytes: int) -> Decoded:
        for way in self._ways:
            fetch = self._by_remote_read if way == "read" else raw_by_export
            known = self._known.is_set()
            try:
                found = fetch(client if known else _hasty(client), selector, time, most_bytes)
            except _NotThereError as error:
                why = str(error)
            except ServerError as error:
                # What is too much once something has come is asked for in smaller parts.
                if isinstance(error, TooMuchError) and (known or error.status in _TOO_MUCH):
                    raise
                why = f"HTTP {error.status}" if error.status not in (None, 200) else str(error)
                why = why.removeprefix(f"Could not read {client.address!r}: ")
            else:
                return time.only(found)
            with self._lock:
                self._ways = tuple(other for other in self._ways if other != way)
                if way == "read":
                    self._trouble = self._trouble or why
        return raw_by_json(client, selector, time, most_bytes)

    def _by_remote_read(self, client: Client, selector: Selector, time: Stretch, most_bytes: int) -> Decoded:
        body = request_body(selector.conditions(), time.after * 1000 + 1, time.until * 1000)

        def read(content: bytes) -> Decoded:
            is_empty = content in (b"", NO_SERIES)
            if not is_empty and not is_remote_read(content):
                raise _NotThereError(_SOMETHING_ELSE)
            self._known.set()
            with _DECODING:
                decoder = Decoder() if is_empty else _taken(content, client)
            if decoder.partial:
                raise DamagedError(_NOT_WHOLE)
            found = decoder.finish()
            # Who has no sample in this stretch has some in others, and stays silent in JSON too.
            found.left_out.pop(NO_SAMPLES, None)
            return found

        asked: dict[str, Any] = {"data": body, "headers": HEADERS, "pieces": True, "types": (CONTENT_TYPE,)}
        decoded = client.ask("/api/v1/read", {}, read, most_bytes=most_bytes, **asked)
        if not (external := self._added(client, selector, time, decoded.labels)):
            return decoded
        kept = [{name: value for name, value in labels.items() if name not in external} for labels in decoded.labels]
        return replace(decoded, labels=kept)

    # A remote read adds the server's external labels to every series, which no other answer has. They are taken away,
    # so that samples and facts speak of the same containers, whichever way they came.
    def _added(
        self, client: Client, selector: Selector, time: Stretch, series: Sequence[Mapping[str, str]]
    ) -> frozenset[str]:
        """Tell which labels were added to all series: the server does not list them as labels of its own."""
        unknown = frozenset(set(series[0]).intersection(*series) - _ORDINARY if series else ())
        with self._lock:
            if not unknown <= self._external | self._own.get(selector, frozenset()):
                asked = {"match[]": selector.promql(), "start": str(time.after), "end": str(time.until)}
                listed = client.ask("/api/v1/labels", asked, _labels)
                self._own[selector] = unknown.intersection(listed)
                self._external |= unknown.difference(listed)
            return self._external - self._own.get(selector, frozenset())


def _hasty(client: Client) -> Client:
    hasty, (silence_seconds, retries, backoff_seconds) = copy(client), client.patience
    hasty.patience = Patience(min(silence_seconds, _HASTY_SECONDS), min(retries, 1), backoff_seconds)
    return hasty


def _labels(body: bytes) -> list[str]:
    try:
        return msgspec.convert(msgspec.json.decode(body, type=dict[str, Any])["data"], list[str])
    except (KeyError, msgspec.MsgspecError) as error:
        said = "no list of labels"
        raise DamagedError(said) from error


def raw_by_export(client: Client, selector: Selector, time: Stretch, most_bytes: int = MOST_BYTES) -> Decoded:
    asked = {"match[]": selector.promql(), "start": f"{time.after}.001", "end": str(time.until)}

    def read(body: bytes) -> Decoded:
        if body.strip() and not body.startswith(b'{"metric"'):
            raise _NotThereError(_SOMETHING_ELSE)
        decoder = _taken(body, client) if body.strip() else Decoder()
        if decoder.partial:
            raise DamagedError(_NOT_WHOLE)
        return decoder.finish()

    return client.ask("/api/v1/export", asked, read, pieces=True, most_bytes=most_bytes)
