"""What Docker prints and its API answers, as rows."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit._workloads import version_of
from rmtoolkit.loaders import _timestamps, linux
from rmtoolkit.schema import ABSURD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rmtoolkit.loaders._timestamps import Stamp


_SHORT_ID: Final = 12
#: Docker's word for never.
_NEVER: Final = "0001-"
_TEXT_EVENT: Final = re.compile(r"(?=.*\)\s*+$)(\S++) container (\w++)(?:: .*?)? ([0-9a-f]{64}) \((.*)\)\s*")
_ATTRIBUTE: Final = re.compile(r"(?:^|, )([\w./-]++)=(.*?)(?=, [\w./-]{1,200}+=|$)")
#: What is said of the life of a container; `exec_die` and others say nothing of it.
_ACTIONS: Final = frozenset({"start", "die", "oom", "kill", "stop"})


class Labels(NamedTuple):
    """Who a container is."""

    id: str | None  # its first 12 digits; None where it was not said
    name: str | None
    namespace: str | None = None
    service: str | None = None
    kind: str | None = None
    version: str | None = None


class Measured(NamedTuple):
    """One answer of `/containers/ID/stats`: who, when (milliseconds), and signals and `limit_bytes` by name."""

    labels: Labels
    time: int
    signals: Mapping[str, int]


class Inspected(NamedTuple):
    """What `docker inspect` says of a container."""

    labels: Labels
    limit_bytes: int | None
    request_bytes: int | None
    started: int | None
    finished: int | None
    running: bool
    oom_killed: bool
    exit_code: int
    restarts: int


class Happened(NamedTuple):
    """One line of `docker events`: who, when (milliseconds), what, and the exit code or signal that goes with it."""

    labels: Labels
    time: int
    action: str
    code: int | None


def values(text: str) -> tuple[list[Any], int]:
    """Read JSON: one value, one after another, or lines of them among other text."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    place, lost = 0, 0
    while place < len(text):
        start = min((at for at in (text.find("{", place), text.find("[", place)) if at >= 0), default=len(text))
        lost += sum(bool(line.strip()) for line in text[place:start].split("\n"))
        if start == len(text):
            break
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            lost += 1
            end = text.find("\n", start)
            place = end if end >= 0 else len(text)
            continue
        found += value if isinstance(value, list) else [value]
    return found, lost


def as_stats(value: Any) -> Measured | None:  # noqa: ANN401 - any JSON
    """Read an answer of `/containers/ID/stats`."""
    memory = _mapping(value, "memory_stats")
    usage = _whole(memory.get("usage"))
    time = _instant(value.get("read")) if isinstance(value, dict) else None
    if usage is None or time is None:
        return None
    stat = {key: number for key, text in _mapping(memory, "stats").items() if (number := _whole(text)) is not None}
    signals = {"usage_bytes": usage, **linux.memory_stat_signals(stat)}
    # On version 1 the API's `limit` is the host's memory where the cgroup has no limit.
    told = _whole(memory.get("limit"))
    if "hierarchical_memory_limit" not in stat and told is not None:
        signals["limit_bytes"] = told
    elif "hierarchical_memory_limit" in stat and "limit_bytes" not in signals:
        signals["limit_bytes"] = 0
    inactive = signals.get("inactive_file_bytes")
    if (working_set := linux.working_set(usage, inactive)) is not None:
        signals["working_set_bytes"] = working_set
    if (peak := _whole(memory.get("max_usage"))) is not None:
        signals["peak_bytes"] = peak
    if (tasks := _whole(_mapping(value, "pids_stats").get("current"))) is not None:
        signals["threads"] = tasks
    labels = Labels(_id(value.get("id")), _name(value.get("name")))
    return Measured(labels, time, signals)


def as_inspected(value: Any) -> Inspected | None:  # noqa: ANN401 - any JSON
    """Read an entry of `docker inspect`."""
    state, host, config = (_mapping(value, key) for key in ("State", "HostConfig", "Config"))
    if not state or not host:
        return None
    told = {"image": config.get("Image"), "name": value.get("Name"), **_mapping(config, "Labels")}
    return Inspected(
        _labels(_id(value.get("Id")), told, value.get("Image")),
        _whole(host.get("Memory")) or None,
        _whole(host.get("MemoryReservation")) or None,
        _instant(state.get("StartedAt")),
        _instant(state.get("FinishedAt")),
        state.get("Running") is True,
        state.get("OOMKilled") is True,
        _whole(state.get("ExitCode")) or 0,
        _whole(value.get("RestartCount")) or 0,
    )


def as_event(value: Any) -> Happened | None:  # noqa: ANN401 - any JSON
    """Read an event in JSON."""
    if not isinstance(value, dict) or value.get("Type", "container") != "container":
        return None
    nanoseconds, seconds = _whole(value.get("timeNano")), _whole(value.get("time"))
    time = nanoseconds // 1_000_000 if nanoseconds else seconds * 1000 if seconds else None
    actor = _mapping(value, "Actor")
    told = _mapping(actor, "Attributes") or {"image": value.get("from")}
    return _event(str(value.get("Action") or value.get("status")), time, actor.get("ID") or value.get("id"), told)


def text_events(text: str) -> Iterator[Happened]:
    """Read the lines that `docker events` prints."""
    for line in text.split("\n"):
        found = _TEXT_EVENT.fullmatch(line.rstrip("\r"))
        if found:
            told = dict(_ATTRIBUTE.findall(found[4]))
            event = _event(found[2], _instant(found[1]), found[3], told)
            if event is not None:
                yield event


def _event(action: str, time: int | None, id_: Any, told: Mapping[str, Any]) -> Happened | None:  # noqa: ANN401
    if time is None or action not in _ACTIONS:
        return None
    code = _whole(told.get("exitCode" if action == "die" else "signal"))
    return Happened(_labels(_id(id_), told, None), time, action, code)


def _labels(id_: str | None, told: Mapping[str, Any], image_id: Any) -> Labels:  # noqa: ANN401
    def word(key: str) -> str | None:
        value = told.get(key)
        return value if isinstance(value, str) and value else None

    version = version_of(word("image"), image_id if isinstance(image_id, str) else None)
    for prefix, kind in (("com.docker.compose.", "Compose"), ("io.podman.compose.", "Compose")):
        if service := word(f"{prefix}service"):
            return Labels(id_, _name(told.get("name")), word(f"{prefix}project"), service, kind, version)
    if service := word("com.docker.swarm.service.name"):
        stack = word("com.docker.stack.namespace")
        service = service.removeprefix(f"{stack}_") if stack else service
        return Labels(id_, _name(told.get("name")), stack, service, "Swarm", version)
    return Labels(id_, _name(told.get("name")), version=version)


def _mapping(value: Any, key: str) -> dict[str, Any]:  # noqa: ANN401
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _whole(value: Any) -> int | None:  # noqa: ANN401
    """Read a number that is whole and not below zero; Docker writes some as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004 - 64 bits
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < 1 << 63 else None


def _id(value: Any) -> str | None:  # noqa: ANN401
    return value[:_SHORT_ID] if isinstance(value, str) and value else None


def _name(value: Any) -> str | None:  # noqa: ANN401
    return value.removeprefix("/") or None if isinstance(value, str) else None


def _instant(value: Any) -> int | None:  # noqa: ANN401
    """Read RFC 3339 with up to nine decimals, as milliseconds."""
    if not isinstance(value, str) or value.startswith(_NEVER):
        return None
    found = _timestamps.find(value)
    return found[0].milliseconds if found and found[0].utc and found[0].kind == _timestamps.Kind.DATED else None


_UNITS: Final = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_SIZE: Final = r"(\d{1,30}(?:\.\d{1,30})?(?:[eE][+]\d{1,2})?)[ ]?((?:[KMGTkmgt]i?)?B)"
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_AMOUNT: Final = re.compile(_SIZE)
#: The first pair of a line is memory; network and disk come after it.
_PAIR: Final = re.compile(rf"(?<![\w.]){_SIZE}\s*/\s*{_SIZE}(?![\w.])")
_UNKNOWN_PAIR: Final = re.compile(r"(?<!\S)--\s+/\s+--(?!\S)")
_HEADER: Final = re.compile(r"\bMEM USAGE ?/ ?LIMIT\b")
_WINDOWS: Final = re.compile(r"\bPRIV WORKING SET\b")
#: A picture ends where the rest of the screen is wiped; older versions wipe the whole screen first.
_WIPED: Final = re.compile(r"\x1b\[[02]?J")
_HOME: Final = re.compile(r"\x1b\[(?:1;1)?H")
_CODES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CELLS: Final = re.compile(r"\s{2,}|\t")
_WORDS: Final = re.compile(r"[\s,;|]+")
_ID: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{12}")
#: Go prints amounts with "%.4g".
_DIGITS: Final = 4
_TIME_KEYS: Final = ("time", "timestamp", "ts", "@timestamp", "date", "read")


class Row(NamedTuple):
    """One container in one table."""

    line: int
    tick: int
    stamp: int | None  # index of the time stamp at the head of the line; None without
    id: str | None
    name: str | None
    working_set_bytes: int
    limit_bytes: int | None
    quantum_bytes: int
    threads: int | None  # the column PIDS; None without


@dataclass(slots=True)
class Log:
    """What stands in one file."""

    rows: list[Row] = field(default_factory=list)  # in order
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    drawn: bool = False
    idle: int = 0
    other: int = 0  # lines that are none of these
    first_other: tuple[int, str] | None = None
    windows: bool = False


def amount(text: str) -> tuple[int, int] | None:
    """Read an amount as Docker prints it."""
    found = _AMOUNT.fullmatch(text.strip())
    return _amount(found[1], found[2]) if found else None


def _amount(number: str, unit: str) -> tuple[int, int]:
    scale = _UNITS[unit.lower()]
    value = float(number)
    step = 10.0 ** (math.floor(math.log10(value)) + 1 - _DIGITS) if value > 0 else 0.0
    return round(value * scale), max(1, round(min(step, 1.0) * scale) if scale > 1 else 1)


def read_text(text: str) -> Log:
    """Read the output of `docker stats`."""
    log = Log(drawn="\x1b[" in text and bool(_HOME.search(text) or _WIPED.search(text)))
    reader = _Reader(log)
    # Some versions draw every picture twice between two wipes: what is printed again replaces itself.
    border = _WIPED if _WIPED.search(text) else _HOME
    line = 1
    for picture in border.split(text) if log.drawn else [text]:
        for content in picture.split("\n"):
            reader.take(line, _CODES.sub("", content).replace("\r", "").rstrip())
            line += 1
        line -= 1
        if log.drawn:
            reader.new_tick()
    if log.drawn:
        log.rows = list({(row.tick, row.id, row.name): row for row in log.rows}.values())
    return log


class _Reader:
    """Goes through the lines and remembers the header and which containers the table has."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tick = 0
        self._seen: set[tuple[str | None, str | None]] = set()
        self._columns: list[str] = []

    def new_tick(self) -> None:
        """Begin another table."""
        if self._seen:
            self._tick += 1
            self._seen = set()

    def take(self, line: int, text: str) -> None:
        """Read a line."""
        if not text.strip():
            return
        if _HEADER.search(text):
            self._header(text)
        elif (brace := text.find('{"')) >= 0 and self._json(line, text[:brace], text[brace:]):
            return
        elif found := _PAIR.search(text):
            self._row(line, text, found)
        elif _UNKNOWN_PAIR.search(text):
            self._log.idle += 1
        elif _WINDOWS.search(text):
            self._log.windows = True
        elif (stamp := _timestamps.find(text)) is not None:
            if not self._log.drawn:
                self.new_tick()
            self._log.marks.append((line, len(self._log.stamps)))
            self._log.stamps.append((stamp[0], text))
        else:
            self._log.other += 1
            self._log.first_other = self._log.first_other or (line, text)

    def _header(self, text: str) -> None:
        found = _timestamps.find(text)
        self._columns = [cell.strip() for cell in _CELLS.split((found[1] if found else text).strip())]
        if not self._log.drawn:
            self.new_tick()

    def _row(self, line: int, text: str, pair: re.Match[str]) -> None:
        head, stamp = self._stamp(text[: pair.start()])
        cells = [cell.strip() for cell in _CELLS.split(f"{head}\0{text[pair.start() :]}".replace("\0", "").strip())]
        named = dict(zip(self._columns, cells, strict=False)) if len(cells) == len(self._columns) else {}
        if named:
            id_ = named.get("CONTAINER ID") or named.get("ID")
            name = named.get("NAME") or named.get("CONTAINER")
            threads = named.get("PIDS")
        else:
            words = [word.strip("\"':=") for word in _WORDS.split(head) if word and not word.endswith("%")]
            id_ = next((word for word in words if _ID.fullmatch(word)), None)
            name = next((word for word in words if word and not _ID.fullmatch(word)), None)
            threads = None
        self._add(line, stamp, (id_, name, threads), pair)

    def _json(self, line: int, head: str, text: str) -> bool:
        try:
            value, _ = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return False
        entry = {key.lower().replace("_", ""): value[key] for key in value} if isinstance(value, dict) else {}
        if "memusage" not in entry:
            return False
        pair = _PAIR.fullmatch(str(entry["memusage"]).strip())
        if pair is None:
            self._log.idle += 1
            return True
        told = next((str(entry[key]) for key in _TIME_KEYS if entry.get(key) is not None), head)
        _, stamp = self._stamp(told)
        id_ = entry.get("id") or entry.get("container")
        self._add(line, stamp, (_text(id_), _text(entry.get("name")), _text(entry.get("pids"))), pair)
        return True

    def _stamp(self, head: str) -> tuple[str, int | None]:
        """Take the time stamp out of the beginning of a line."""
        found = _timestamps.find(head)
        if found is None:
            return head, None
        self._log.stamps.append((found[0], head))
        return found[1], len(self._log.stamps) - 1

    def _add(
        self, line: int, stamp: int | None, about: tuple[str | None, str | None, str | None], pair: re.Match[str]
    ) -> None:
        id_, name, threads = ((word if word not in ("", "--") else None) if word else None for word in about)
        # What no column can hold stays absurd, and is counted with what else is no real amount.
        (used, quantum), (limit, _) = _amount(pair[1], pair[2]), _amount(pair[3], pair[4])
        used, limit = min(used, ABSURD_BYTES), min(limit, ABSURD_BYTES)
        if used == 0 and limit == 0:
            self._log.idle += 1
            return
        if id_ is not None and not _ID.fullmatch(id_):
            # `docker stats NAME` prints what was asked for in the place of the id.
            id_, name = None, name or id_
        key = (id_, name)
        if key in self._seen and not self._log.drawn:
            self.new_tick()
        self._seen.add(key)
        count = int(threads) if threads and _COUNT.fullmatch(threads) else None
        self._log.rows.append(
            Row(line, self._tick, stamp, id_[:_SHORT_ID] if id_ else None, name, used, limit or None, quantum, count)
        )


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return None if value is None else str(value)
