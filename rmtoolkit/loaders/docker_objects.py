"""What Docker's API and `docker inspect`, `docker events` say in JSON, and events as text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit.loaders import procfs, stamps
from rmtoolkit.loaders.prometheus_versions import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHORT_ID: Final = 12
#: Docker's word for never.
_NEVER: Final = "0001-"
_TEXT_EVENT: Final = re.compile(r"(\S+) container (\w+)(?:: .*)? ([0-9a-f]{64}) \((.*)\)\s*")
_ATTRIBUTE: Final = re.compile(r"(?:^|, )([\w./-]+)=(.*?)(?=, [\w./-]+=|$)")
#: What is said of the life of a container; `exec_die` and others say nothing of it.
_ACTIONS: Final = frozenset({"start", "die", "oom", "kill", "stop"})


class Labels(NamedTuple):
    """Who a container is.

    Attributes
    ----------
    id
        Its first 12 digits; None where it was not said.
    name
        Without the slash.
    namespace, service, kind
        Project and service of Compose, or stack and service of Swarm; null for others.
    version
        From the image.
    """

    id: str | None
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
    """What `docker inspect` says of a container.

    Attributes
    ----------
    labels
        Who it is.
    limit_bytes, request_bytes
        Null: not set.
    started, finished
        Milliseconds; null: never. The latter belongs to the life before while it runs.
    running, oom_killed
        As they are now.
    exit_code
        Of the last life.
    restarts
        How often Docker has restarted it.
    """

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
    r"""Read JSON: one value, one after another, or lines of them among other text.

    Parameters
    ----------
    text
        A file.

    Returns
    -------
    tuple of (list, int)
        The values, lists taken apart; and how many lines were neither JSON nor blank.

    Examples
    --------
    >>> values('{"a": 1}\nnot JSON\n[{"a": 2}, {"a": 3}]\n')
    ([{'a': 1}, {'a': 2}, {'a': 3}], 1)
    """
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
    """Read an answer of `/containers/ID/stats`.

    Parameters
    ----------
    value
        JSON.

    Returns
    -------
    Measured or None
        None when it is no such answer, or the container did not run. `working_set_bytes` is what the command
        line prints: usage without inactive file pages.

    Examples
    --------
    >>> told = {"usage": 100, "limit": 900, "stats": {"anon": 60, "inactive_file": 30}}
    >>> answer = {"read": "2026-11-25T03:44:31Z", "name": "/db", "memory_stats": told, "pids_stats": {"current": 2}}
    >>> measured = as_stats(answer)
    >>> measured.labels.name, measured.signals["working_set_bytes"], measured.signals["anon_bytes"]
    ('db', 70, 60)
    """
    memory = _mapping(value, "memory_stats")
    usage = _whole(memory.get("usage"))
    time = _instant(value.get("read")) if isinstance(value, dict) else None
    if usage is None or time is None:
        return None
    stat = {key: number for key, text in _mapping(memory, "stats").items() if (number := _whole(text)) is not None}
    signals = {"usage_bytes": usage, **procfs.memory_stat_signals(stat)}
    # On version 1 the API's `limit` is the host's memory where the cgroup has no limit.
    told = _whole(memory.get("limit"))
    if "hierarchical_memory_limit" not in stat and told is not None:
        signals["limit_bytes"] = told
    elif "hierarchical_memory_limit" in stat and "limit_bytes" not in signals:
        signals["limit_bytes"] = 0
    inactive = signals.get("inactive_file_bytes")
    if (working_set := procfs.working_set(usage, inactive)) is not None:
        signals["working_set_bytes"] = working_set
    if (peak := _whole(memory.get("max_usage"))) is not None:
        signals["peak_bytes"] = peak
    if (tasks := _whole(_mapping(value, "pids_stats").get("current"))) is not None:
        signals["threads"] = tasks
    labels = Labels(_id(value.get("id")), _name(value.get("name")))
    return Measured(labels, time, signals)


def as_inspected(value: Any) -> Inspected | None:  # noqa: ANN401 - any JSON
    """Read an entry of `docker inspect`.

    Parameters
    ----------
    value
        JSON.

    Returns
    -------
    Inspected or None
        None when it is none of a container.

    Examples
    --------
    >>> entry = {"Id": "5" * 64, "Name": "/db", "State": {"StartedAt": "2026-11-25T03:44:31Z", "Running": True},
    ...          "HostConfig": {"Memory": 67108864}, "Config": {"Image": "db:7"}}
    >>> inspected = as_inspected(entry)
    >>> inspected.labels.version, inspected.limit_bytes, inspected.running
    ('7', 67108864, True)
    """
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
    """Read an event in JSON.

    Parameters
    ----------
    value
        JSON of ``docker events --format json`` or of the API.

    Returns
    -------
    Happened or None
        None for what says nothing of the life of a container.

    Examples
    --------
    >>> actor = {"ID": "5" * 64, "Attributes": {"name": "db", "exitCode": "137"}}
    >>> as_event({"Type": "container", "Action": "die", "Actor": actor, "time": 1795578269})[1:]
    (1795578269000, 'die', 137)
    """
    if not isinstance(value, dict) or value.get("Type", "container") != "container":
        return None
    nanoseconds, seconds = _whole(value.get("timeNano")), _whole(value.get("time"))
    time = nanoseconds // 1_000_000 if nanoseconds else seconds * 1000 if seconds else None
    actor = _mapping(value, "Actor")
    told = _mapping(actor, "Attributes") or {"image": value.get("from")}
    return _event(str(value.get("Action") or value.get("status")), time, actor.get("ID") or value.get("id"), told)


def text_events(text: str) -> Iterator[Happened]:
    r"""Read the lines that `docker events` prints.

    Parameters
    ----------
    text
        A file.

    Yields
    ------
    Happened
        What says something of the life of a container.

    Examples
    --------
    >>> line = f"2026-11-25T03:44:46.5Z container oom {'5' * 64} (image=shop/api:1.4.2, name=shop-api-1)\n"
    >>> [(event.labels.name, event.labels.version, event.action) for event in text_events(line)]
    [('shop-api-1', '1.4.2', 'oom')]
    """
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
    found = stamps.find(value)
    return found[0].milliseconds if found and found[0].utc and found[0].kind == stamps.Kind.DATED else None
