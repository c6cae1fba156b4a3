"""What happened to a Docker container, and which limit it had when."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rmtoolkit.loaders.docker_objects import Happened, Inspected

_MIB: Final = 1 << 20
_MB: Final = 10**6
_GIB: Final = 1 << 30
#: The kernel kills, then Docker notices: a death so soon after an OOM kill is its consequence.
_SAME_DEATH_MS: Final = 10_000
#: `docker stop` waits 10 s by default before it kills; people give more.
_STOPPED_MS: Final = 60_000
#: inspect and events tell one start a few milliseconds apart.
_SAME_MOMENT_MS: Final = 2_000
_STOP_SIGNALS: Final = frozenset({2, 3, 9, 15})
_KILLED: Final = 137

#: Sizes that people choose are round; the memory of a host never is.
_ROUND_BELOW: Final = (
    (10 * _GIB, (64 * _MIB, 100 * _MIB, 100 * _MB)),
    (1 << 62, (512 * _MIB, 1000 * _MIB, 1000 * _MB)),
)


class _Death(NamedTuple):
    time: int
    kind: str
    detail: str | None


def set_limits(
    shown: Mapping[int, Sequence[tuple[int, int]]], inspected: Mapping[int, Sequence[tuple[int, Inspected]]]
) -> tuple[dict[int, list[tuple[int, int]]], int]:
    """Tell which limits were set, and when.

    Parameters
    ----------
    shown
        For each container the limits that tables and answers show, with times in milliseconds; 0 is none.
    inspected
        What `docker inspect` says of it, with times.

    Returns
    -------
    tuple of (dict, int)
        For each container of which it is known, the limits in the order of time, each once (0 is none); and for how
        many containers the memory of the host was shown instead, without `docker inspect` to say so.

    Examples
    --------
    >>> set_limits({0: [(10, 64 << 20), (20, 64 << 20)], 1: [(10, 25_276_502_016)]}, {})
    ({0: [(10, 67108864)], 1: [(10, 0)]}, 1)
    """
    most = max((limit for told in shown.values() for _, limit in told), default=0)
    found: dict[int, list[tuple[int, int]]] = {}
    guessed = 0
    for key in {**shown, **inspected}:
        told = sorted(shown.get(key, []))
        entries = inspected.get(key, [])
        if entries:
            # Without a limit in inspect, the largest amount shown is the host's.
            unlimited = any(entry.limit_bytes is None for _, entry in entries)
            told = [(time, 0 if unlimited and limit == most else limit) for time, limit in told]
            if not told:
                told = [(time, entry.limit_bytes or 0) for time, entry in entries]
            elif told[-1][1]:
                # Exact where the table rounds.
                told = [(time, _sharper(limit, entries)) for time, limit in told]
        elif told and most and not _is_chosen(most) and any(limit == most for _, limit in told):
            guessed += 1
            told = [(time, 0 if limit == most else limit) for time, limit in told]
        changes = told[:1] + [after for before, after in pairwise(told) if before[1] != after[1]]
        if changes:
            found[key] = changes
    return found, guessed


def _sharper(limit: int, entries: Sequence[tuple[int, Inspected]]) -> int:
    near = [entry.limit_bytes for _, entry in entries if entry.limit_bytes]
    return next((exact for exact in near if abs(exact - limit) <= exact / 1000), limit)


def _is_chosen(limit: int) -> bool:
    """Tell whether somebody would choose this amount; a table shows four digits of it."""
    if limit % _MIB == 0:
        return True
    steps = next(steps for below, steps in _ROUND_BELOW if limit < below)
    coarse = 0.55 * 10 ** (len(str(limit)) - 4)
    return any(min(limit % step, -limit % step) <= coarse for step in steps)


def events_of(
    key: int,
    limits: Sequence[tuple[int, int]],
    inspected: Sequence[tuple[int, Inspected]],
    happened: Sequence[Happened],
) -> list[dict[str, Any]]:
    """Tell what happened to a container.

    Parameters
    ----------
    key
        Its number.
    limits
        As `set_limits` found them.
    inspected
        In the order of time.
    happened
        Its events in the order of time.

    Returns
    -------
    list of dict
        Rows of the events frame: `start`; `oom_kill`, `error` and `end`; `limit` where it changed.

    Examples
    --------
    >>> from rmtoolkit.loaders.docker_objects import Happened, Labels
    >>> told = [Happened(Labels("5", "db"), time, action, code)
    ...         for time, action, code in ((0, "start", None), (900, "oom", None), (950, "die", 137))]
    >>> [(row["time"], row["kind"], row["value_bytes"]) for row in events_of(0, [(0, 512)], [], told)]
    [(0, 'start', None), (950, 'oom_kill', 512)]
    """

    def row(time: int, kind: str, value: int | None = None, detail: str | None = None) -> dict[str, Any]:
        return {"container_id": key, "time": time, "kind": kind, "value_bytes": value, "detail": detail}

    starts = [event.time for event in happened if event.action == "start"]
    deaths = list(_deaths(happened))
    for _, entry in inspected:
        if entry.started is not None and not _near(entry.started, starts):
            starts.append(entry.started)
        if not entry.running and entry.finished is not None:
            deaths = _with_last(deaths, entry)
    rows = [row(time, "start") for time in sorted(starts)]
    for death in deaths:
        in_force = [limit for time, limit in limits if time <= death.time] or [limit for _, limit in limits[:1]]
        value = in_force[-1] or None if death.kind == "oom_kill" and in_force else None
        rows.append(row(death.time, death.kind, value, death.detail))
    rows += [row(time, "limit", limit or None) for time, limit in limits[1:]]
    return sorted(rows, key=lambda told: (told["time"], told["kind"] == "start"))


def _near(time: int, others: Sequence[int]) -> bool:
    return any(abs(time - other) <= _SAME_MOMENT_MS for other in others)


def _with_last(deaths: list[_Death], entry: Inspected) -> list[_Death]:
    """Add how inspect says that the last life ended; that the kernel killed it, events may not have said."""
    time = entry.finished or 0
    known = [death for death in deaths if abs(death.time - time) <= _SAME_MOMENT_MS]
    if entry.oom_killed:
        return [death for death in deaths if death not in known] + [
            _Death(known[0].time if known else time, "oom_kill", None),
        ]
    return deaths if known else [*deaths, _Death(time, *_by_code(entry.exit_code))]


def _by_code(code: int) -> tuple[str, str | None]:
    if code == 0:
        return "end", "exit status 0"
    return "error", f"exit status {code}" + (" (killed)" if code == _KILLED else "")


def _deaths(happened: Sequence[Happened]) -> Iterator[_Death]:
    kills: list[int] = []
    stop: int | None = None
    stopped_at = {event.time for event in happened if event.action == "stop"}
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
                yield _Death(event.time, "oom_kill", None)
            elif (stop is not None and event.time - stop <= _STOPPED_MS) or _near(event.time, list(stopped_at)):
                yield _Death(event.time, "end", "stopped")
            else:
                yield _Death(event.time, *_by_code(event.code or 0))
    yield from (_Death(time, "oom_kill", "a process in the container; the container went on") for time in kills)
