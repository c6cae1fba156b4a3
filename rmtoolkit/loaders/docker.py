"""Docker without Kubernetes: `docker stats`, its API, `docker inspect` and `docker events` as one recording."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.loaders import docker_objects, docker_text, files, timeline
from rmtoolkit.loaders.docker_objects import Happened, Inspected, Labels, Measured
from rmtoolkit.loaders.docker_people import People
from rmtoolkit.loaders.docker_story import events_of, set_limits
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.recording import Recording, Report, normalise
from rmtoolkit.schema import CONTAINERS, SAMPLES, empty
from rmtoolkit.text import count

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

_EXPECTED: Final = "the output of docker stats, docker inspect or docker events, or answers of Docker's API"
#: The command line draws a new table every half second.
_DRAWN_EVERY: Final = "500ms"


@dataclass(slots=True)
class Found:
    """What several files hold together.

    Attributes
    ----------
    rows
        Of tables, with their times in milliseconds.
    measured, inspected, happened
        Of JSON, and of events as text.
    left_out
        Counts by reason.
    notes
        For the report.
    axes
        Where the times come from.

    Examples
    --------
    >>> Found().rows
    []
    """

    rows: list[tuple[int, docker_text.Row]] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    inspected: list[tuple[int, Inspected]] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    axes: list[str] = field(default_factory=list)

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
            _read(file, timeline.Asked(file, files.modified(file), time, interval, timezone), found)
        except (ReadError, OSError) as error:
            failed.append(files.unreadable(file, error) if isinstance(error, OSError) and len(paths) > 1 else error)
    if len(failed) == len(paths):
        raise failed[0] if failed else ReadError.at("", found="no file", expected=_EXPECTED)
    if failed:
        found.leave_out("files that could not be read", len(failed))
        files.warn(f"{len(failed):,} of {count(len(paths), 'file')} could not be read; the first: {failed[0]}")
    return _put_together(found, paths, workload_pattern)


def _read(path: str | os.PathLike[str], asked: timeline.Asked, found: Found) -> None:
    data, notes = files.read_bytes(path, expected=_EXPECTED)
    text, more = files.as_text(data, path, expected=_EXPECTED)
    found.notes += [*notes, *more]
    written = int(asked.modified.timestamp() * 1000)
    if _objects(text, written, found):
        return
    happened = list(docker_objects.text_events(text))
    if happened:
        found.happened += happened
        found.axes.append("as recorded, UTC")
        return
    log = docker_text.read_text(text)
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
    values, lost = docker_objects.values(text)
    known = stopped = 0
    for value in values:
        measured, inspected = docker_objects.as_stats(value), docker_objects.as_inspected(value)
        happened = docker_objects.as_event(value)
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


def _times(log: docker_text.Log, asked: timeline.Asked) -> tuple[list[int], str]:
    """Tell when each row was printed."""
    own = [row.stamp for row in log.rows if row.stamp is not None]
    if len(own) == len(log.rows):
        first = (log.rows[0].line, log.stamps[own[0]][1])
        return timeline.instants([log.stamps[index][0] for index in own], first, asked)
    ticks = log.rows[-1].tick + 1
    if len(log.marks) > 1 or (log.marks and ticks == 1):
        first = (log.marks[0][0], log.stamps[log.marks[0][1]][1])
        instants, axis = timeline.instants([log.stamps[index][0] for _, index in log.marks], first, asked)
        lines = [line for line, _ in log.marks]
        # `date` may stand after its table.
        after = log.rows[0].line < lines[0] and log.rows[-1].line < lines[-1]
        before = [sum(line <= row.line for line in lines) - 1 for row in log.rows] if ticks < 2 else None  # noqa: PLR2004
        places = before if before is not None else _places([row.line for row in log.rows], lines)
        return [instants[min(len(lines) - 1, max(0, place + after))] for place in places], axis
    start = asked
    if log.marks:
        first = (log.marks[0][0], log.stamps[log.marks[0][1]][1])
        (moment,), _ = timeline.instants([log.stamps[log.marks[0][1]][0]], first, asked)
        start = asked._replace(time=timeline.as_datetime(moment))
    if log.drawn and asked.interval is None:
        start = start._replace(interval=_DRAWN_EVERY)
    instants, axis = timeline.spaced(ticks, start, found="tables")
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
    people = People()
    for labels in _everybody(found):
        people.meet(labels)
    samples, shown, quantum = _samples(found, people)
    inspected: dict[int, list[tuple[int, Inspected]]] = {}
    for written, entry in sorted(found.inspected, key=lambda pair: pair[0]):
        inspected.setdefault(people.key(entry.labels), []).append((written, entry))
    happened: dict[int, list[Happened]] = {}
    for event in sorted(found.happened, key=lambda event: event.time):
        happened.setdefault(people.key(event.labels), []).append(event)
    limits, guessed = set_limits(shown, inspected)
    if guessed:
        found.notes.append(
            f"{count(guessed, 'container')}: the limit shown is the memory of the host, which is taken as no limit; "
            "docker inspect beside it says for sure",
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
        for key, about in people.rows(workload_pattern)
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
        files.warn(f"{quote_path(paths[0])}{more}: left out {lines}. The rest was read.")
    return recording


def _samples(
    found: Found, people: People
) -> tuple[list[dict[str, Any]], dict[int, list[tuple[int, int]]], dict[int, int]]:
    """Give rows of samples, the limits shown with their times, and how coarse each container's amounts are."""
    samples: list[dict[str, Any]] = []
    shown: dict[int, list[tuple[int, int]]] = {}
    exact: dict[int, tuple[int, int]] = {}
    for measured in found.measured:
        key = people.key(measured.labels)
        first, last = exact.get(key, (measured.time, measured.time))
        exact[key] = min(first, measured.time), max(last, measured.time)
        signals = dict(measured.signals)
        if "limit_bytes" in signals:
            shown.setdefault(key, []).append((measured.time, signals.pop("limit_bytes")))
        samples.append({"container_id": key, "time": measured.time, **signals})
    quantum: dict[int, int] = {}
    for time, row in found.rows:
        key = people.key(Labels(row.id, row.name))
        if key in exact and exact[key][0] <= time <= exact[key][1]:
            found.leave_out("rows of tables whose container the API measured at the same time", 1)
            continue
        quantum[key] = max(quantum.get(key, 1), row.quantum_bytes)
        shown.setdefault(key, []).append((time, row.limit_bytes or 0))
        samples.append(
            {"container_id": key, "time": time, "working_set_bytes": row.working_set_bytes, "threads": row.threads},
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
