"""What happened to a container, told from looks at its pod: each start and each end once, however often it was seen."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.loaders.prometheus_events import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.loaders.kubernetes_objects import ContainerSeen, PodSeen, Run

#: A run that ended so near an eviction was ended by it.
_EVICTION: Final = 360_000
#: From the making of a pod to the first start in it: its image may have to come first.
_PULLING: Final = 600_000
_DETAIL_CHARACTERS: Final = 200


class _Told(NamedTuple):
    """A run, the limit that held when it was first told of, and the restarts before it that nobody saw."""

    run: Run
    limit_bytes: int | None
    unseen: int


def container_events(
    looks: Sequence[tuple[PodSeen, ContainerSeen]], eviction: tuple[int | None, str] | None = None
) -> list[Event]:
    """Tell what happened to a container.

    Parameters
    ----------
    looks
        The pod and the container in it, as each dump shows them, in order; at least one.
    eviction
        When and why the pod was evicted, where an event told it.

    Returns
    -------
    list of Event
        A `start` and an `oom_kill`, `node_oom`, `error`, `end` or `evicted` for every run whose time is known;
        `limit` and `request` where they changed between two dumps whose times are known.

    Notes
    -----
    A status tells of the present run and of the one before. What restarted more often between two looks is
    counted in the detail of the start after it: when that was is not known.

    Examples
    --------
    >>> from rmtoolkit.loaders.kubernetes_objects import pod_of
    >>> killed = {"startedAt": "2026-11-24T10:00:00Z", "finishedAt": "2026-11-24T11:00:00Z", "exitCode": 137,
    ...           "reason": "OOMKilled"}
    >>> pod = pod_of({"metadata": {"name": "db-0"},
    ...               "spec": {"containers": [{"name": "db", "resources": {"limits": {"memory": "1Mi"}}}]},
    ...               "status": {"containerStatuses": [{"name": "db", "restartCount": 1,
    ...                                                 "lastState": {"terminated": killed}}]}}, None)
    >>> for event in container_events([(pod, pod.containers[0])]):
    ...     print(event.kind, event.value_bytes, event.detail)
    start None after 1 restart at unknown times
    oom_kill 1048576 OOMKilled, exit code 137
    """
    told = _runs([container for _, container in looks])
    last = looks[-1][0]
    evicted = next((pod.evicted for pod, _ in reversed(looks) if pod.evicted), eviction)
    found: list[Event] = []
    for run, limit, unseen in told:
        if run.started is not None:
            more = f"after {unseen} restart{'' if unseen == 1 else 's'} at unknown times" if unseen else None
            found.append(Event(run.started, "start", None, more))
        if run.finished is not None:
            found.append(_end(run, run.finished, limit, evicted))
    if last.created is not None and not any(
        event.kind == "start" and event.time <= last.created + _PULLING for event in found
    ):
        found.append(Event(last.created, "start", None, "the pod's start"))
    final = max((run.finished or run.started or 0 for run, _, _ in told), default=0)
    runs_on = not told or told[-1].run.finished is None
    if evicted is not None and not any(event.kind == "evicted" for event in found):
        time = evicted[0] if evicted[0] is not None else last.seen
        if time is not None and (runs_on or time >= final):
            found.append(Event(time, "evicted", None, _why(evicted[1], last.quality)))
    elif last.gone is not None and runs_on and last.gone >= final:
        found.append(Event(last.gone, "end", None, "deleted"))
    for kind, values in (
        ("limit", [(pod.seen, container.limit_bytes) for pod, container in looks]),
        ("request", [(pod.seen, container.request_bytes) for pod, container in looks]),
    ):
        found += _changes(kind, values)
    return sorted(found, key=lambda event: (event.time, event.kind))


def _runs(looks: Sequence[ContainerSeen]) -> list[_Told]:
    """Each run once, in order; a later look knows how it ended."""
    found: dict[tuple[str, int | None], _Told] = {}
    counted: int | None = None
    for look in looks:
        new = []
        for run in look.runs:
            key = ("started", run.started) if run.started is not None else ("finished", run.finished)
            if key not in found:
                new.append(key)
                found[key] = _Told(run, look.limit_bytes, 0)
            elif found[key].run.finished is None and run.finished is not None:
                # The limit is that of the first look that tells of the end.
                found[key] = found[key]._replace(run=run, limit_bytes=look.limit_bytes)
        if look.restarts is None:
            continue
        # The first start is no restart.
        happened = look.restarts - counted if counted is not None else look.restarts + 1
        if new and happened > len(new):
            found[new[0]] = found[new[0]]._replace(unseen=happened - len(new))
        counted = look.restarts
    return sorted(found.values(), key=lambda told: told.run.started or told.run.finished or 0)


def _end(run: Run, time: int, limit: int | None, evicted: tuple[int | None, str] | None) -> Event:
    reason = run.reason or "Error"
    detail = reason if run.code is None else f"{reason}, exit code {run.code}"
    if reason == "OOMKilled":
        # Without a limit of its own, a container can only be killed because the node ran out.
        return Event(time, "oom_kill" if limit is not None else "node_oom", limit, detail)
    if evicted is not None and (evicted[0] is None or abs(evicted[0] - time) <= _EVICTION):
        return Event(time, "evicted", None, _why(evicted[1], None))
    return Event(time, "end" if reason == "Completed" or run.code == 0 else "error", None, detail)


def _why(message: str, quality: str | None) -> str:
    said = " ".join(message.split())
    return f"Evicted{f' ({quality})' if quality else ''}{f': {said}' if said else ''}"[:_DETAIL_CHARACTERS]


def _changes(kind: str, values: Sequence[tuple[int | None, int | None]]) -> list[Event]:
    """Every change, and before the first one what it changed from; a change at an unknown time is none."""
    timed = [(seen, value) for seen, value in values if seen is not None]
    changes = [after for before, after in pairwise(timed) if after[1] != before[1]]
    if not changes:
        return []
    return [
        Event(seen, kind, value, None if value is not None else f"no {kind}") for seen, value in (timed[0], *changes)
    ]
