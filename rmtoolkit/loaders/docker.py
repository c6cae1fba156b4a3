"""Docker without Kubernetes: `docker stats`, its API, `docker inspect`, `docker events`; tables of `crictl stats`."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit._identity import KUBELET_NAME, Event, contradictions, place_names, service_of, version_of
from rmtoolkit._tables import one_stretch
from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import _files, _timestamps, linux
from rmtoolkit.loaders._timestamps import Asked, Stamp, milliseconds_of
from rmtoolkit.loaders.kubernetes import parts
from rmtoolkit.recording import Recording, doubt, normalise, parted, under_several_ids
from rmtoolkit.schema import ABSURD_BYTES, ANEW, PAUSE, PODMAN, SAMPLES, UNITS, Report, in_doubt
from rmtoolkit.text import GI, MI, count, counted, texts

_SHORT_ID: Final = 12
_TEXT_EVENT: Final = re.compile(r"(?=.*\)\s*+$)(\S++) container (\w++)(?:: .*?)? ([0-9a-f]{64}) \((.*)\)\s*")
_ATTRIBUTE: Final = re.compile(r"(?:^|, )([\w./-]++)=")
#: What is said of the life of a container; `exec_die` and others say nothing of it.
_ACTIONS: Final = frozenset({"start", "die", "oom", "kill", "stop"})
_SIZE: Final = r"(\d{1,30}(?:\.\d{1,30})?(?:[eE][+]\d{1,2})?)[ ]?((?:[KMGTPEkmgtpe]i?)?B)"
_COUNT: Final = re.compile(r"[0-9]{1,9}")
#: Podman writes an object over several lines.
_SPREAD: Final = re.compile(r'\{\s+"[^{}]*+\}')
#: The first pair of a line is memory; network and disk come after it, and are none where memory was not told.
_PAIR: Final = re.compile(rf"(?<![\w.]){_SIZE}\s*/\s*{_SIZE}(?![\w.])")
_UNKNOWN_PAIR: Final = re.compile(r"(?<!\S)--\s+/\s+--(?!\S)")
_HEADER: Final = re.compile(r"\bMEM USAGE ?/ ?LIMIT\b|\bMEM\s+DISK\s+INODES\b")
#: In a table of `crictl` no limit stands behind the first size, that of memory.
_ALONE: Final = re.compile(rf"(?<=\s)\d++\.\d\d\s++{_SIZE}")
#: A picture ends where the rest of the screen is wiped; older versions wipe the whole screen first.
_WIPED: Final = re.compile(r"\x1b\[[02]?J")
_HOME: Final = re.compile(r"\x1b\[(?:1;1)?H")
_CODES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CELLS: Final = re.compile(r"\s{2,}|\t")
_WORDS: Final = re.compile(r"[\s,;|]+")
_ID: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{12,13}")
#: Go prints amounts with "%.4g".
_DIGITS: Final = 4
_TIME_KEYS: Final = ("time", "timestamp", "ts", "@timestamp", "date", "read")
_MB: Final = 10**6
#: The kernel kills, then Docker notices: a death so soon after an OOM kill is its consequence.
_SAME_DEATH_MS: Final = 10_000
#: `docker stop` waits 10 s by default before it kills; people give more.
_STOPPED_MS: Final = 60_000
#: inspect and events tell one start a few milliseconds apart.
_SAME_MOMENT_MS: Final = 2_000
_STOP_SIGNALS: Final = frozenset({2, 3, 9, 15})
_KILLED: Final = 137

#: Sizes that people choose are round; the memory of a host never is.
_ROUND_BELOW: Final = ((10 * GI, (64 * MI, 100 * MI, 100 * _MB)), (1 << 62, (512 * MI, 1000 * MI, 1000 * _MB)))
_EXPECTED: Final = "the output of docker stats, docker inspect or docker events, or answers of Docker's API"
_IDLE: Final = "rows of containers that did not run"
_NO_ROWS: Final = "lines that are no rows"
_TIME: Final = attrgetter("time")


class Labels(NamedTuple):
    id: str | None  # its first 12 digits; None where it was not said
    name: str | None
    namespace: str | None = None
    service: str | None = None
    kind: str | None = None
    version: str | None = None


class Measured(NamedTuple):
    """What a container had at an instant (milliseconds): signals by name, `limit_bytes` among them."""

    labels: Labels
    time: int
    signals: Mapping[str, int | float | None]
    quantum_bytes: int | None = None  # of a table, how coarse its amounts are; None of the API, which is exact
    file: str = ""  # of a table


class Inspected(NamedTuple):
    labels: Labels
    time: int
    limit_bytes: int | None
    request_bytes: int | None
    started: int | None
    ended: Event | None  # None while it runs


class Happened(NamedTuple):
    """One line of `docker events`: who, when (milliseconds), what, and the exit code or signal that goes with it."""

    labels: Labels
    time: int
    action: str
    code: int | None


def as_stats(value: Any) -> Measured | None:  # noqa: ANN401 - any JSON
    memory = _files.mapping(value, "memory_stats")
    usage = _files.whole_number(memory.get("usage"))
    time = milliseconds_of(value.get("read")) if isinstance(value, dict) else None
    if usage is None or time is None:
        return None
    stat = {
        key: number
        for key, text in _files.mapping(memory, "stats").items()
        if (number := _files.whole_number(text)) is not None
    }
    signals: dict[str, int | float] = {"usage_bytes": usage, **linux.memory_stat_signals(stat)}
    # On version 1 the API's `limit` is the host's memory where the cgroup has no limit.
    told = _files.whole_number(memory.get("limit"))
    if "hierarchical_memory_limit" not in stat and told is not None:
        signals["limit_bytes"] = told
    elif "hierarchical_memory_limit" in stat and "limit_bytes" not in signals:
        signals["limit_bytes"] = 0
    linux.add_working_set(signals)
    more = {"peak_bytes": memory.get("max_usage"), "threads": _files.mapping(value, "pids_stats").get("current")}
    signals |= {name: amount for name, told in more.items() if (amount := _files.whole_number(told)) is not None}
    return Measured(Labels(_id(value.get("id")), _name(value.get("name"))), time, signals)


def as_inspected(value: Any, written: int) -> Inspected | None:  # noqa: ANN401 - any JSON
    state, host, config = (_files.mapping(value, key) for key in ("State", "HostConfig", "Config"))
    if not state or not host:
        return None
    told = {"image": config.get("Image"), "name": value.get("Name"), **_files.mapping(config, "Labels")}
    ended = None
    if state.get("Running") is not True and (time := milliseconds_of(state.get("FinishedAt"))) is not None:
        is_kill = state.get("OOMKilled") is True
        ended = Event(time, "oom_kill") if is_kill else _exited(time, _files.whole_number(state.get("ExitCode")) or 0)
    return Inspected(
        _labels(_id(value.get("Id")), told, value.get("Image")),
        written,
        _files.whole_number(host.get("Memory")) or None,
        _files.whole_number(host.get("MemoryReservation")) or None,
        milliseconds_of(state.get("StartedAt")),
        ended,
    )


def as_event(value: Any) -> Happened | None:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict) or value.get("Type", "container") != "container":
        return None
    nanoseconds, seconds = _files.whole_number(value.get("timeNano")), _files.whole_number(value.get("time"))
    time = nanoseconds // 1_000_000 if nanoseconds else seconds * 1000 if seconds else None
    actor = _files.mapping(value, "Actor")
    told = _files.mapping(actor, "Attributes") or {"image": value.get("from")}
    return _event(str(value.get("Action") or value.get("status")), time, actor.get("ID") or value.get("id"), told)


def text_events(text: str) -> Iterator[Happened]:
    """Read the lines of `docker events`, with `a=1, b=2, 3`: what names nothing belongs to the value before it."""
    for line in text.split("\n"):
        if found := _TEXT_EVENT.fullmatch(line.rstrip("\r")):
            _, *words = _ATTRIBUTE.split(found[4])
            told = dict(zip(words[::2], words[1::2], strict=True))
            if event := _event(found[2], milliseconds_of(found[1]), found[3], told):
                yield event


def _event(action: str, time: int | None, id_: Any, told: Mapping[str, Any]) -> Happened | None:  # noqa: ANN401
    if time is None or action not in _ACTIONS:
        return None
    code = _files.whole_number(told.get("exitCode" if action == "die" else "signal"))
    return Happened(_labels(_id(id_), told, None), time, action, code)


def _labels(id_: str | None, told: Mapping[str, Any], image_id: Any) -> Labels:  # noqa: ANN401
    version = version_of(_files.text_of(told, "image"), image_id if isinstance(image_id, str) else None)
    labels = Labels(id_, _name(told.get("name")), version=version)
    for prefix in ("com.docker.compose.", "io.podman.compose."):
        if service := _files.text_of(told, f"{prefix}service"):
            return labels._replace(namespace=_files.text_of(told, f"{prefix}project"), service=service, kind="Compose")
    if service := _files.text_of(told, "com.docker.swarm.service.name"):
        stack = _files.text_of(told, "com.docker.stack.namespace")
        own = service.removeprefix(f"{stack}_") if stack else service
        return labels._replace(namespace=stack, service=own, kind="Swarm")
    return labels


def _id(value: Any) -> str | None:  # noqa: ANN401
    return value[:_SHORT_ID] if isinstance(value, str) and value else None


def _name(value: Any) -> str | None:  # noqa: ANN401
    return value.removeprefix("/") or None if isinstance(value, str) else None


class Row(NamedTuple):
    line: int
    tick: int
    stamp: tuple[Stamp, str] | None  # at the head of the line
    said: Measured  # at a time that the stamps have yet to tell


@dataclass(slots=True)
class Log:
    rows: list[Row] = field(default_factory=list)  # in order
    marks: list[tuple[int, Stamp, str]] = field(default_factory=list)  # time stamps on lines of their own
    drawn: bool = False
    idle: int = 0
    other: int = 0  # lines that are none of these
    first_other: tuple[int, str] | None = None
    podman: bool = False
    #: The table that is read: its number, the containers that it has had, the names of its columns.
    tick: int = 0
    seen: set[Labels] = field(default_factory=set)
    columns: list[str] = field(default_factory=list)

    def new_tick(self, *, drawn: bool = False) -> None:
        """Begin another table, unless this one is empty; in what is drawn, only a picture does."""
        if self.seen and self.drawn == drawn:
            self.tick += 1
            self.seen = set()

    def take(self, line: int, text: str) -> None:
        if not text.strip("[], \t"):
            return
        if "INODES" in self.columns:
            text = _ALONE.sub(r"\g<0> / 0B", text, count=1)
        if _HEADER.search(text):
            self.columns = [cell.strip() for cell in _CELLS.split(_headed(text)[0].strip())]
            self.podman = self.podman or "NET IO" in self.columns
            self.new_tick()
        elif (brace := text.find('{"')) >= 0 and self._json(line, text[:brace], text[brace:]):
            return
        elif brace < 0 and (found := _PAIR.search(text)) and " / " not in text[: found.start()]:
            self._row(line, text, found)
        elif _UNKNOWN_PAIR.search(text):
            self.idle += 1
        elif (stamp := _timestamps.find(text)) is not None:
            self.new_tick()
            self.marks.append((line, stamp[0], text))
        else:
            self.other += 1
            self.first_other = self.first_other or (line, text)

    def _row(self, line: int, text: str, pair: re.Match[str]) -> None:
        head, stamp = _headed(text[: pair.start()])
        cells = [cell.strip() for cell in _CELLS.split(f"{head}\0{text[pair.start() :]}".replace("\0", "").strip())]
        if self.columns and len(cells) == len(self.columns):
            named = dict(zip(self.columns, cells, strict=True))
            id_ = named.get("CONTAINER ID") or named.get("ID") or named.get("CONTAINER")
            self._add(line, stamp, pair, id_, named.get("NAME"), named.get("PIDS"))
            return
        words = [word.strip("\"':=") for word in _WORDS.split(head) if word and not word.endswith("%")]
        id_ = next((word for word in words if _ID.fullmatch(word)), None)
        name = next((word for word in words if word and not _ID.fullmatch(word)), None)
        self._add(line, stamp, pair, id_, name, None)

    def _json(self, line: int, head: str, text: str) -> bool:
        found = [entry for part in parts(text) for entry in _entries(_files.mapping(part.content))]
        self.podman = self.podman or any({"mem_usage", "pids"} <= entry.keys() for entry in found)
        entries = ({key.lower().replace("_", ""): told for key, told in entry.items()} for entry in found)
        known = [entry for entry in entries if "memusage" in entry]
        for entry in known:
            if (pair := _PAIR.fullmatch(str(entry["memusage"]).strip())) is None:
                self.idle += 1
                continue
            _, stamp = _headed(next((str(entry[key]) for key in _TIME_KEYS if entry.get(key) is not None), head))
            id_ = entry.get("id") or entry.get("container")
            self._add(line, stamp, pair, id_, entry.get("name"), entry.get("pids"))
        return bool(known)

    def _add(self, line: int, stamp: tuple[Stamp, str] | None, pair: re.Match[str], *about: object) -> None:
        id_, name, threads = (None if word in (None, "", "--") else str(word) for word in about)
        # What no column can hold stays absurd, and is counted with what else is no real amount.
        (used, quantum), (limit, _) = _amount(pair[1], pair[2]), _amount(pair[3], pair[4])
        used = min(used, ABSURD_BYTES)
        if used == 0 and limit == 0:
            self.idle += 1
            return
        if id_ is not None and not _ID.fullmatch(id_):
            # `docker stats NAME` prints what was asked for in the place of the id.
            id_, name = None, name or id_
        labels = Labels(id_[:_SHORT_ID] if id_ else None, name)
        if labels in self.seen:
            self.new_tick()
        self.seen.add(labels)
        count = int(threads) if threads and _COUNT.fullmatch(threads) else None
        signals = {"working_set_bytes": used, "limit_bytes": limit or None, "threads": count}
        self.rows.append(Row(line, self.tick, stamp, Measured(labels, 0, signals, quantum)))


def _entries(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give an object; or those of a list in it, as of a loop that puts a time beside its answers, with what it says."""
    own = {name: value for name, value in told.items() if not isinstance(value, list)}
    inner = [entry for value in told.values() if isinstance(value, list) for entry in value if isinstance(entry, dict)]
    yield from ({**own, **entry} for entry in inner or [own])


def _headed(text: str) -> tuple[str, tuple[Stamp, str] | None]:
    found = _timestamps.find(text)
    return (text, None) if found is None else (found[1], (found[0], text))


def _amount(number: str, unit: str) -> tuple[int, int]:
    scale = UNITS[unit.lower()]
    value = float(number)
    step = 10.0 ** (math.floor(math.log10(value)) + 1 - _DIGITS) if value > 0 else 0.0
    return round(value * scale), max(1, round(min(step, 1.0) * scale) if scale > 1 else 1)


def read_stats(text: str) -> Log:
    text = _SPREAD.sub(lambda found: re.sub(r"\n\s*+", "", found[0]) + "\n" * found[0].count("\n"), text)
    log = Log(drawn="\x1b[" in text and bool(_HOME.search(text) or _WIPED.search(text)))
    # Some versions draw every picture twice between two wipes: what is printed again replaces itself.
    border = _WIPED if _WIPED.search(text) else _HOME
    line = 1
    for picture in border.split(text) if log.drawn else [text]:
        for content in picture.split("\n"):
            log.take(line, _CODES.sub("", content).replace("\r", "").rstrip())
            line += 1
        line -= 1
        log.new_tick(drawn=True)
    if log.drawn:
        log.rows = list({(row.tick, row.said.labels): row for row in log.rows}.values())
    return log


@dataclass(slots=True)
class Identities:
    _known: list[Labels] = field(default_factory=list)
    _by_id: dict[str | None, int] = field(default_factory=dict)
    _by_name: dict[str | None, list[int]] = field(default_factory=dict)
    #: Who was meant, also when only a name was said, before others of that name were met.
    _meant: dict[Labels, int] = field(default_factory=dict)

    def meet(self, labels: Labels) -> int:
        if labels in self._meant:
            return self._meant[labels]
        if (key := self._find(labels)) is None:
            key = len(self._known)
            self._known.append(labels)
            self._by_name.setdefault(labels.name, []).append(key)
        known = self._known[key]
        merged = Labels(*(old if old is not None else new for old, new in zip(known, labels, strict=True)))
        if merged.name != known.name:
            self._by_name.setdefault(merged.name, []).append(key)
        if merged.id is not None:
            self._by_id[merged.id] = key
        self._known[key] = merged
        self._meant[labels] = key
        return key

    def _find(self, labels: Labels) -> int | None:
        if labels.id in self._by_id:
            return self._by_id[labels.id]
        named = self._by_name.get(labels.name, [])
        only = named[0] if len(named) == 1 else None
        if labels.id is None:
            return only if only is not None else next((key for key in named if self._known[key].id is None), None)
        # A name without an id is this one, as long as no other container has had that name.
        return only if only is not None and labels.name is not None and self._known[only].id is None else None

    def rows(self, workload_pattern: str | None) -> Iterator[dict[str, Any]]:
        names = pl.Series("name", [labels.name or labels.id for labels in self._known], dtype=pl.String)
        guesses = names.to_frame().select(service_of(pl.col("name"), workload_pattern)).to_series()
        by_kubelet = names.str.extract_groups(KUBELET_NAME).struct.unnest().rows()
        for key, (labels, name, guess, told) in enumerate(zip(self._known, names, guesses, by_kubelet, strict=True)):
            container, pod, namespace = told
            service = labels.service or (None if pod else guess)
            yield {
                "container_id": key,
                "namespace": labels.namespace or namespace,
                "workload": service,
                "workload_kind": labels.kind,
                "workload_inferred": labels.service is None,
                "pod": pod or name,
                "pod_uid": labels.id,
                "container": container or service,
                "version": labels.version,
                "source": "docker stats",
            }


def set_limits(
    shown: Mapping[int, Sequence[tuple[int, int]]], inspected: Mapping[int, Sequence[Inspected]]
) -> tuple[dict[int, list[tuple[int, int]]], int]:
    most = max((limit for told in shown.values() for _, limit in told), default=0)
    found: dict[int, list[tuple[int, int]]] = {}
    guessed = 0
    for key in {**shown, **inspected}:
        told = sorted(shown.get(key, []))
        if entries := inspected.get(key, []):
            exact = [entry.limit_bytes for entry in entries if entry.limit_bytes]
            # Exact where the table rounds. Without a limit in inspect the largest amount shown is the host's.
            host = most if len(exact) < len(entries) or not _is_chosen(most) else -1
            told = [
                (time, next((one for one in exact if abs(one - limit) <= one / 1000), 0 if limit == host else limit))
                for time, limit in told
            ]
            told = sorted([*told, *((entry.time, entry.limit_bytes or 0) for entry in entries)])
        elif told and most and not _is_chosen(most) and any(limit == most for _, limit in told):
            guessed += 1
            told = [(time, 0 if limit == most else limit) for time, limit in told]
        if changes := told[:1] + [after for before, after in pairwise(told) if before[1] != after[1]]:
            found[key] = changes
    return found, guessed


def _is_chosen(limit: int) -> bool:
    steps = next(steps for below, steps in _ROUND_BELOW if limit < below)
    coarse = 0.55 * 10 ** (len(str(limit)) - 4)
    return limit % MI == 0 or any(min(limit % step, -limit % step) <= coarse for step in steps)


def events_of(
    limits: Sequence[tuple[int, int]], inspected: Sequence[Inspected], happened: Sequence[Happened]
) -> list[Event]:
    starts = [event.time for event in happened if event.action == "start"]
    deaths = list(_deaths(happened))
    for entry in inspected:
        if entry.started is not None and not _near(entry.started, starts):
            starts.append(entry.started)
        if (ended := entry.ended) is None:
            continue
        known = [death for death in deaths if _near(death.time, [ended.time])]
        if ended.kind == "oom_kill":
            # That the kernel killed it, events may not have said.
            others = [death for death in deaths if death not in known]
            deaths = [*others, ended._replace(time=known[0].time) if known else ended]
        elif not known:
            deaths.append(ended)
    events = [Event(time, "start") for time in sorted(starts)]
    for death in deaths:
        in_force = [limit for time, limit in limits if time <= death.time] or [limit for _, limit in limits[:1]]
        value = in_force[-1] or None if death.kind == "oom_kill" and in_force else None
        events.append(death._replace(value_bytes=value))
    events += [Event(time, "limit", limit or None) for time, limit in limits[1:]]
    return sorted(events, key=lambda event: (event.time, event.kind == "start"))


def _near(time: int, others: Sequence[int]) -> bool:
    return any(abs(time - other) <= _SAME_MOMENT_MS for other in others)


def _exited(time: int, code: int) -> Event:
    kind, killed = "end" if code == 0 else "error", " (killed)" if code == _KILLED else ""
    return Event(time, kind, detail=f"exit status {code}{killed}")


def _deaths(happened: Sequence[Happened]) -> Iterator[Event]:
    kills: list[int] = []
    stop: int | None = None
    stopped_at = [event.time for event in happened if event.action == "stop"]
    for event in happened:
        if event.action == "oom":
            kills.append(event.time)
        elif event.action == "kill" and event.code in _STOP_SIGNALS:
            stop = event.time
        elif event.action == "start":
            stop = None
        elif event.action == "die":
            if kills and event.time - kills[-1] <= _SAME_DEATH_MS:
                kills.pop()
                yield Event(event.time, "oom_kill")
            elif (stop is not None and event.time - stop <= _STOPPED_MS) or _near(event.time, stopped_at):
                yield Event(event.time, "end", detail="stopped")
            else:
                yield _exited(event.time, event.code or 0)
    yield from (Event(time, "oom_kill", detail="a process in the container; the container went on") for time in kills)


@dataclass(slots=True)
class Found:
    measured: list[Measured] = field(default_factory=list)
    inspected: list[Inspected] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    axes: list[str] = field(default_factory=list)  # where the times come from
    podman: bool = False


def read_docker_stats(
    path: _files.PathLike | Iterable[_files.PathLike],
    *,
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
    workload_pattern: str | None = None,
) -> Recording:
    r"""Read what Docker says of its containers.

    Parameters
    ----------
    path
        A file or several that belong together, also packed: output of ``docker stats`` or ``podman stats`` in any
        format, with or without time stamps, answers of ``/containers/ID/stats``, and beside them ``docker inspect``
        and ``docker events``, which supply limits, versions, owners, restarts and kills.
    time, interval, timezone
        As for `rmtoolkit.read_jemalloc_stats`, of tables instead of documents. A stream is drawn every half second:
        that is assumed for it.
    workload_pattern
        As for `rmtoolkit.read_prometheus`, of the names of containers where no label of Compose or Swarm tells it.

    Returns
    -------
    Recording
        `working_set_bytes` per container, four digits of it (`quantum_bytes`); the API is exact and adds others. `pod`
        is the container's name, `namespace` the project, `workload` and `container` the service. Where a container has
        no limit, Docker prints the memory of the host, and the report says for how many it was taken so.

    Raises
    ------
    ReadError
        There is nothing of Docker in it, or the times are not known and nothing was said about them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "stats.log")
    >>> _ = log.write_text(
    ...     "Wed Nov 25 03:44:31 UTC 2026\n"
    ...     "CONTAINER ID   NAME         CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   BLOCK I/O   PIDS\n"
    ...     "55cd73e22513   shop-api-1   0.14%     62.88MiB / 64MiB    98.25%    0B / 0B   0B / 0B     1\n")
    >>> recording = read_docker_stats(log)
    >>> recording.containers.select("workload", "pod", "limit_bytes").row(0)
    ('shop-api', 'shop-api-1', 67108864)
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    found = Found()
    failed = _files.read_each(
        paths, lambda file: _read(Asked(file, time, interval, timezone), found), expected=_EXPECTED
    )
    recording = _put_together(found, paths, workload_pattern)
    return replace(recording, report=recording.report.without(failed))


def _read(asked: Asked, found: Found) -> None:
    text, notes = _files.read_text(asked.path, expected=_EXPECTED)
    found.notes += notes
    if _objects(text, int(asked.modified.timestamp() * 1000), found):
        return
    if happened := list(text_events(text)):
        found.happened += happened
        found.axes.append("as recorded, UTC")
        return
    log = read_stats(text)
    if not log.rows:
        line, what = log.first_other or (None, "containers that do not run" if log.idle else "no table")
        raise ReadError.at(asked.path, found=what, expected=_EXPECTED, line=line)
    times, axis = _times(log, asked)
    timed = [row.said._replace(time=at, file=str(asked.path)) for at, row in zip(times, log.rows, strict=True)]
    if log.drawn:
        # Drawn twice a second, stamped by the second: the last picture of a second counts.
        kept = list({(one.time, one.labels): one for one in timed}.values())
        found.left_out["rows drawn again within one time stamp"] += len(timed) - len(kept)
        timed = kept
    found.measured += timed
    found.podman |= log.podman
    found.axes.append(axis)
    found.left_out.update({_IDLE: log.idle, _NO_ROWS: log.other})


def _objects(text: str, written: int, found: Found) -> bool:
    if not any(key in text for key in ('"memory_stats"', '"HostConfig"', '"Action"', '"status"')):
        return False
    documents = list(parts(text))
    known = stopped = 0
    values = [value for document in documents for value in _answers(document.content)]
    for value in values:
        if (measured := as_stats(value)) is not None:
            found.measured.append(measured)
        elif (inspected := as_inspected(value, written)) is not None:
            found.inspected.append(inspected)
        elif (happened := as_event(value)) is not None:
            found.happened.append(happened)
        elif "memory_stats" in _files.mapping(value):
            stopped += 1
        elif not ("time" in _files.mapping(value) and ("Action" in value or "status" in value)):
            continue
        known += 1
    if known:
        found.left_out.update({_IDLE: stopped, _NO_ROWS: len(values) - known})
        found.axes.append("as recorded, UTC")
    return known > 0


def _answers(content: object) -> list[Any]:
    """Give the answers for all containers of a task, which ECS puts below their ids; nothing of one that waits."""
    told = list(_files.mapping(content).values())
    are_answers = any("memory_stats" in _files.mapping(one) for one in told)
    are_answers &= all(isinstance(one, dict | None) for one in told)
    return [one or {"memory_stats": None} for one in told] if are_answers else [content]


def _times(log: Log, asked: Asked) -> tuple[list[int], str]:
    own = [row.stamp for row in log.rows if row.stamp is not None]
    if len(own) == len(log.rows):
        return _timestamps.instants([stamp for stamp, _ in own], (log.rows[0].line, own[0][1]), asked)
    ticks = log.rows[-1].tick + 1
    if log.marks:
        lines, stamps = [line for line, _, _ in log.marks], [stamp for _, stamp, _ in log.marks]
        several = len(lines) > 1 or ticks == 1
        instants, axis = _timestamps.instants(stamps if several else stamps[:1], (lines[0], log.marks[0][2]), asked)
        if several:
            # `date` may stand after its table.
            after = log.rows[0].line < lines[0] and log.rows[-1].line < lines[-1]
            places = np.searchsorted(lines, [row.line for row in log.rows], side="right") - 1 + after
            return [instants[place] for place in places.clip(0, len(lines) - 1).tolist()], axis
        asked = asked._replace(time=_timestamps.as_datetime(instants[0]))
    if log.drawn and asked.interval is None:
        # The command line draws a new table every half second.
        asked = asked._replace(interval="500ms")
    instants, axis = _timestamps.spaced(ticks, asked, found="tables")
    return [instants[row.tick] for row in log.rows], axis


def _parted_by_file(measured: list[Measured]) -> list[bool]:
    """Let their file be the id of containers that have other values in another; does one of them stand still?"""
    lone = [(at, one) for at, one in enumerate(measured) if one.file and one.labels.id is None]
    rows = [(at, one.labels.name, one.file, one.time, one.signals["working_set_bytes"]) for at, one in lone]
    table = pl.DataFrame(rows, schema=["at", "name", "file", "time", "working_set_bytes"], orient="row").sort("time")
    names, told = place_names(one.file for one in measured if one.file), list[bool]()
    for _, parts_of_one, is_still in contradictions(table, ["name"], "file", 1):
        told.append(is_still)
        for at, file in chain.from_iterable(part.select("at", "file").iter_rows() for part in parts_of_one):
            measured[at] = measured[at]._replace(labels=measured[at].labels._replace(id=names[file]))
    return told


def _put_together(found: Found, paths: Sequence[str | os.PathLike[str]], workload_pattern: str | None) -> Recording:
    parted_by_file = _parted_by_file(found.measured)
    identities = Identities()
    measured = [one for one in found.measured if not (one.labels.name or "").startswith("k8s_POD_")]
    found.left_out[PAUSE], found.measured = len(found.measured) - len(measured), measured
    # Those that say most first: of what was measured, what is exact.
    found.measured.sort(key=lambda one: one.quantum_bytes is not None)
    said: list[Measured | Inspected | Happened] = [*found.inspected, *found.happened, *found.measured]
    for told in said:
        identities.meet(told.labels)
    inspected = _files.grouped((identities.meet(one.labels), one) for one in sorted(found.inspected, key=_TIME))
    happened = _files.grouped((identities.meet(one.labels), one) for one in sorted(found.happened, key=_TIME))
    samples: list[dict[str, Any]] = []
    shown: dict[int, list[tuple[int, int]]] = {}
    quantum: dict[int, int | None] = {}
    for key, some in _files.grouped((identities.meet(one.labels), one) for one in found.measured).items():
        exact = sorted(one.time for one in some if one.quantum_bytes is None)
        for one in some:
            if one.quantum_bytes is not None and exact and exact[0] <= one.time <= exact[-1]:
                found.left_out["rows of tables whose container the API measured at the same time"] += 1
                continue
            signals = dict(one.signals)
            limit = signals.pop("limit_bytes", None)
            # No limit may be a number near 2**63.
            if limit is not None:
                shown.setdefault(key, []).append((one.time, int(limit) if limit < ABSURD_BYTES else 0))
            quantum[key] = max(quantum.get(key) or 0, one.quantum_bytes or 0) or None
            samples.append({"container_id": key, "time": one.time, **signals})
    limits, guessed = set_limits(shown, inspected)
    if guessed:
        found.notes.append(f"{count(guessed, 'container')}: {texts('loaders/hints')['docker']['host']}")
    containers = [
        {
            **about,
            "quantum_bytes": quantum.get(key),
            "limit_known": key in limits,
            "limit_bytes": limits[key][-1][1] or None if key in limits else None,
            "request_bytes": inspected[key][-1].request_bytes if key in inspected else None,
        }
        for key, about in enumerate(identities.rows(workload_pattern))
    ]
    events = [
        (key, *event)
        for key in range(len(containers))
        for event in events_of(limits.get(key, []), inspected.get(key, []), happened.get(key, []))
    ]
    kept, found.left_out[ANEW] = one_stretch(pl.DataFrame(samples, schema=SAMPLES))
    lacks = {
        "samples: only docker inspect or docker events was read": not samples,
        "restarts and kills (docker events, docker inspect)": not (found.inspected or found.happened),
        "requests (docker inspect)": samples and not found.inspected,
    }
    kinds = {"restarts": found.inspected or found.happened, "limits": limits}
    report = Report(
        sources=tuple(map(str, paths)),
        found=tuple(kind for kind, there in kinds.items() if there),
        missing=tuple(what for what, lacking in lacks.items() if lacking),
        left_out=+found.left_out,
        unusable=in_doubt(*([PODMAN] if found.podman else [])),
        time_axis="; ".join(dict.fromkeys(found.axes)),
    )
    if parted_by_file:
        report = parted(report, is_still=any(parted_by_file))
    recording = normalise(containers, kept, events, _files.noted(report, paths, found.notes))
    if not found.happened:
        anew = under_several_ids(recording.containers, recording.samples)[1].unique("pod")
        lines = doubt(anew, texts("loaders/hints")["docker"]["one_by_one"])
        recording = replace(recording, report=recording.report.more(warnings=lines))
    if other := found.left_out[_NO_ROWS]:
        _files.warn_of_rest(paths, f"left out {counted(other, _NO_ROWS)}")
    return recording
