"""Docker without Kubernetes: `docker stats`, its API, `docker inspect` and `docker events` as one recording."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from rmtoolkit import _workloads
from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.loaders import _docker_rows, _files, _timestamps
from rmtoolkit.loaders._docker_rows import Happened, Inspected, Labels, Measured
from rmtoolkit.loaders._files import counted
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import CONTAINERS, SAMPLES, Report, empty
from rmtoolkit.text import count

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping, Sequence


#: Swarm appends slot and task; Compose and people append a number.
_NUMBERED: Final = re.compile(r"(?P<service>.+?)(?:\.\d+\.[a-z0-9]{25}|[-_.]\d{1,4})")


class Identities:
    """Containers by what different commands call them; each gets a number."""

    def __init__(self) -> None:
        self._known: list[Labels] = []
        self._by_id: dict[str, int] = {}
        self._by_name: dict[str | None, list[int]] = {}

    def meet(self, labels: Labels) -> None:
        """Learn of a container; what was said of it first is kept."""
        key = self._find(labels)
        if key is None:
            self._by_name.setdefault(labels.name, []).append(len(self._known))
            if labels.id is not None:
                self._by_id[labels.id] = len(self._known)
            self._known.append(labels)
            return
        known = self._known[key]
        merged = Labels(*(old if old is not None else new for old, new in zip(known, labels, strict=True)))
        if merged.name != known.name:
            self._by_name.setdefault(merged.name, []).append(key)
        if merged.id is not None:
            self._by_id[merged.id] = key
        self._known[key] = merged

    def key(self, labels: Labels) -> int:
        """Give the number of a container that was met."""
        found = self._find(labels)
        if found is None:
            msg = f"{labels} was never met"
            raise KeyError(msg)
        return found

    def _find(self, labels: Labels) -> int | None:
        if labels.id is not None:
            found = self._by_id.get(labels.id)
            if found is not None:
                return found
            # A name without an id is this one, as long as no other container has had that name.
            named = self._by_name.get(labels.name, []) if labels.name is not None else []
            return named[0] if len(named) == 1 and self._known[named[0]].id is None else None
        named = self._by_name.get(labels.name, [])
        alone = [key for key in named if self._known[key].id is None]
        return named[0] if len(named) == 1 else alone[0] if alone else None

    def rows(self, workload_pattern: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give number and identity of each container."""
        guessed = self._guesses(workload_pattern)
        for key, (labels, guess) in enumerate(zip(self._known, guessed, strict=True)):
            service = labels.service or guess
            yield (
                key,
                {
                    "namespace": labels.namespace,
                    "workload": service,
                    "workload_kind": labels.kind,
                    "workload_inferred": labels.service is None,
                    "pod": labels.name or labels.id,
                    "pod_uid": labels.id,
                    "container": service,
                    "version": labels.version,
                },
            )

    def _guesses(self, workload_pattern: str | None) -> list[str | None]:
        names = [labels.name or labels.id for labels in self._known]
        if workload_pattern is not None:
            frame = pl.DataFrame({"name": pl.Series(names, dtype=pl.String)})
            owner = _workloads.infer(pl.col("name"), workload_pattern).struct.field("workload")
            return frame.select(owner).to_series().to_list()
        found = [_NUMBERED.fullmatch(name) if name else None for name in names]
        return [match["service"] if match else name for match, name in zip(found, names, strict=True)]


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
    """Tell which limits were set, and when."""
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
    """Tell what happened to a container."""

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
            _Death(known[0].time if known else time, "oom_kill", None)
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


_EXPECTED: Final = "the output of docker stats, docker inspect or docker events, or answers of Docker's API"
#: The command line draws a new table every half second.
_DRAWN_EVERY: Final = "500ms"


@dataclass(slots=True)
class Found:
    """What several files hold together."""

    rows: list[tuple[int, _docker_rows.Row]] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    inspected: list[tuple[int, Inspected]] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    axes: list[str] = field(default_factory=list)  # where the times come from

    def leave_out(self, reason: str, number: int) -> None:
        """Count what is not used."""
        if number:
            self.left_out[reason] = self.left_out.get(reason, 0) + number


def read_docker_stats(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
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
        A file or several that belong together, also packed with gzip or zstd: output of ``docker stats`` (one
        table, many, or the stream that it draws; ``--no-stream``, ``--format json`` or a format of your own; with
        or without time stamps), answers of ``/containers/ID/stats``, and beside them ``docker inspect`` and
        ``docker events``, which supply limits, versions, owners, restarts and kills.
    time
        When a single table without a time stamp was printed, or the first of several.
    interval
        Time between two tables that have no time stamps. A stream is drawn every half second: that is assumed
        for it.
    timezone
        Zone of time stamps that do not say theirs.
    workload_pattern
        Regular expression with a group ``workload`` that reads the owner from a container's name where no label of
        Compose or Swarm tells it.

    Returns
    -------
    Recording
        `working_set_bytes` per container: what Docker calls memory usage is usage without inactive file pages.
        Tables print four digits: `quantum_bytes` says how coarse that is. The API is exact and adds `usage_bytes`,
        `anon_bytes`, `file_bytes` and others. `pod` is the container's name, `namespace` the project, `workload`
        and `container` the service. Where a container has no limit, Docker prints the memory of the host: that
        is no limit, and the report says for how many it was taken so.

    Raises
    ------
    ReadError
        There is nothing of Docker in it, or the times are not known and nothing was said about them.
    OSError
        There is no such file.

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
    failed: list[Exception] = []
    for file in paths:
        try:
            _read(file, _timestamps.Asked(file, _files.modified(file), time, interval, timezone), found)
        except (ReadError, OSError) as error:
            failed.append(_files.unreadable(file, error) if isinstance(error, OSError) and len(paths) > 1 else error)
    if len(failed) == len(paths):
        raise failed[0] if failed else ReadError.at("", found="no file", expected=_EXPECTED)
    if failed:
        found.leave_out("files that could not be read", len(failed))
        _files.warn(f"{len(failed):,} of {count(len(paths), 'file')} could not be read; the first: {failed[0]}")
    return _put_together(found, paths, workload_pattern)


def _read(path: str | os.PathLike[str], asked: _timestamps.Asked, found: Found) -> None:
    data, notes = _files.read_bytes(path, expected=_EXPECTED)
    text, more = _files.as_text(data, path, expected=_EXPECTED)
    found.notes += [*notes, *more]
    written = int(asked.modified.timestamp() * 1000)
    if _objects(text, written, found):
        return
    happened = list(_docker_rows.text_events(text))
    if happened:
        found.happened += happened
        found.axes.append("as recorded, UTC")
        return
    log = _docker_rows.read_text(text)
    if not log.rows:
        what = log.first_other[1] if log.first_other else "containers that do not run" if log.idle else "no table"
        hint = "Windows containers have other columns: use the API's answers." if log.windows else None
        line = log.first_other[0] if log.first_other else None
        raise ReadError.at(path, found=what, expected=_EXPECTED, line=line, hint=hint)
    times, axis = _times(log, asked)
    timed = list(zip(times, log.rows, strict=True))
    if log.drawn:
        # Drawn twice a second, stamped by the second: the last picture of a second counts.
        kept = list({(time, row.id, row.name): (time, row) for time, row in timed}.values())
        found.leave_out("rows drawn again within one time stamp", len(timed) - len(kept))
        timed = kept
    found.rows += timed
    found.axes.append(axis)
    found.leave_out("rows of containers that did not run", log.idle)
    found.leave_out("lines that are no rows", log.other)


def _objects(text: str, written: int, found: Found) -> bool:
    """Take what is an answer of the API, or of inspect or events; false when nothing is."""
    if not any(key in text for key in ('"memory_stats"', '"HostConfig"', '"Action"', '"status"')):
        return False
    values, lost = _docker_rows.values(text)
    known = stopped = 0
    for value in values:
        measured, inspected = _docker_rows.as_stats(value), _docker_rows.as_inspected(value)
        happened = _docker_rows.as_event(value)
        if measured is not None:
            found.measured.append(measured)
        elif inspected is not None:
            found.inspected.append((written, inspected))
        elif happened is not None:
            found.happened.append(happened)
        elif isinstance(value, dict) and "memory_stats" in value:
            stopped += 1
        elif not (isinstance(value, dict) and ("Action" in value or "status" in value)):
            continue
        known += 1
    if known:
        found.leave_out("rows of containers that did not run", stopped)
        found.leave_out("lines that are no rows", lost + len(values) - known)
        found.axes.append("as recorded, UTC")
    return known > 0


def _times(log: _docker_rows.Log, asked: _timestamps.Asked) -> tuple[list[int], str]:
    """Tell when each row was printed."""
    own = [row.stamp for row in log.rows if row.stamp is not None]
    if len(own) == len(log.rows):
        first = (log.rows[0].line, log.stamps[own[0]][1])
        return _timestamps.instants([log.stamps[index][0] for index in own], first, asked)
    ticks = log.rows[-1].tick + 1
    if len(log.marks) > 1 or (log.marks and ticks == 1):
        first = (log.marks[0][0], log.stamps[log.marks[0][1]][1])
        instants, axis = _timestamps.instants([log.stamps[index][0] for _, index in log.marks], first, asked)
        lines = [line for line, _ in log.marks]
        # `date` may stand after its table.
        after = log.rows[0].line < lines[0] and log.rows[-1].line < lines[-1]
        before = [sum(line <= row.line for line in lines) - 1 for row in log.rows] if ticks < 2 else None  # noqa: PLR2004
        places = before if before is not None else _places([row.line for row in log.rows], lines)
        return [instants[min(len(lines) - 1, max(0, place + after))] for place in places], axis
    start = asked
    if log.marks:
        first = (log.marks[0][0], log.stamps[log.marks[0][1]][1])
        (moment,), _ = _timestamps.instants([log.stamps[log.marks[0][1]][0]], first, asked)
        start = asked._replace(time=_timestamps.as_datetime(moment))
    if log.drawn and asked.interval is None:
        start = start._replace(interval=_DRAWN_EVERY)
    instants, axis = _timestamps.spaced(ticks, start, found="tables")
    return [instants[row.tick] for row in log.rows], axis


def _places(lines: Sequence[int], marks: Sequence[int]) -> list[int]:
    """For each row the number of the last mark above it; -1 above all of them."""
    found, place = [], -1
    for line in lines:
        while place + 1 < len(marks) and marks[place + 1] <= line:
            place += 1
        found.append(place)
    return found


def _put_together(found: Found, paths: Sequence[str | os.PathLike[str]], workload_pattern: str | None) -> Recording:
    identities = Identities()
    for labels in _everybody(found):
        identities.meet(labels)
    samples, shown, quantum = _samples(found, identities)
    inspected: dict[int, list[tuple[int, Inspected]]] = {}
    for written, entry in sorted(found.inspected, key=lambda pair: pair[0]):
        inspected.setdefault(identities.key(entry.labels), []).append((written, entry))
    happened: dict[int, list[Happened]] = {}
    for event in sorted(found.happened, key=lambda event: event.time):
        happened.setdefault(identities.key(event.labels), []).append(event)
    limits, guessed = set_limits(shown, inspected)
    if guessed:
        found.notes.append(
            f"{count(guessed, 'container')}: the limit shown is the memory of the host, which is taken as no limit; "
            "docker inspect beside it says for sure"
        )
    containers = [
        {
            "container_id": key,
            **about,
            "quantum_bytes": quantum.get(key),
            "limit_known": key in limits,
            "limit_bytes": limits[key][-1][1] or None if key in limits else None,
            "request_bytes": inspected[key][-1][1].request_bytes if key in inspected else None,
            "source": "docker stats",
        }
        for key, about in identities.rows(workload_pattern)
    ]
    events = [
        event
        for key in range(len(containers))
        for event in events_of(key, limits.get(key, []), inspected.get(key, []), happened.get(key, []))
    ]
    recording = normalise(
        pl.DataFrame(containers, schema_overrides=CONTAINERS, infer_schema_length=None),
        pl.DataFrame(samples, schema_overrides=SAMPLES, infer_schema_length=None) if samples else empty(SAMPLES),
        pl.DataFrame(
            events, schema_overrides={"detail": pl.String(), "value_bytes": pl.Int64()}, infer_schema_length=None
        )
        if events
        else None,
        _report(found, paths, has_samples=bool(samples), has_limits=bool(limits)),
    )
    if other := found.left_out.get("lines that are no rows"):
        more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
        lines = counted(other, "lines that are no rows")
        _files.warn(f"{quote_path(paths[0])}{more}: left out {lines}. The rest was read.")
    return recording


def _samples(
    found: Found, identities: Identities
) -> tuple[list[dict[str, Any]], dict[int, list[tuple[int, int]]], dict[int, int]]:
    """Give rows of samples, the limits shown with their times, and how coarse each container's amounts are."""
    samples: list[dict[str, Any]] = []
    shown: dict[int, list[tuple[int, int]]] = {}
    exact: dict[int, tuple[int, int]] = {}
    for measured in found.measured:
        key = identities.key(measured.labels)
        first, last = exact.get(key, (measured.time, measured.time))
        exact[key] = min(first, measured.time), max(last, measured.time)
        signals = dict(measured.signals)
        if "limit_bytes" in signals:
            shown.setdefault(key, []).append((measured.time, signals.pop("limit_bytes")))
        samples.append({"container_id": key, "time": measured.time, **signals})
    quantum: dict[int, int] = {}
    for time, row in found.rows:
        key = identities.key(Labels(row.id, row.name))
        if key in exact and exact[key][0] <= time <= exact[key][1]:
            found.leave_out("rows of tables whose container the API measured at the same time", 1)
            continue
        quantum[key] = max(quantum.get(key, 1), row.quantum_bytes)
        shown.setdefault(key, []).append((time, row.limit_bytes or 0))
        samples.append(
            {"container_id": key, "time": time, "working_set_bytes": row.working_set_bytes, "threads": row.threads}
        )
    return samples, shown, quantum


def _report(found: Found, paths: Sequence[str | os.PathLike[str]], *, has_samples: bool, has_limits: bool) -> Report:
    missing = [] if has_samples else ["samples: only docker inspect or docker events was read"]
    if not found.inspected and not found.happened:
        missing.append("restarts and kills (docker events, docker inspect)")
    if not found.inspected and has_samples:
        missing.append("requests (docker inspect)")
    kinds = {"restarts": bool(found.inspected or found.happened), "limits": has_limits}
    return Report(
        sources=tuple(str(path) for path in paths),
        found=tuple(kind for kind, there in kinds.items() if there),
        missing=tuple(missing),
        left_out=found.left_out,
        warnings=tuple(dict.fromkeys(found.notes)),
        time_axis="; ".join(dict.fromkeys(found.axes)),
    )


def _everybody(found: Found) -> Iterable[Labels]:
    """All labels, those that say most first."""
    yield from (entry.labels for _, entry in found.inspected)
    yield from (event.labels for event in found.happened)
    yield from (measured.labels for measured in found.measured)
    yield from (Labels(row.id, row.name) for _, row in found.rows)
