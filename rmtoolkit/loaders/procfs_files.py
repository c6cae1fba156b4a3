"""Copies and logs of `/proc/PID/smaps_rollup`, `/proc/PID/status` and cgroup files as a recording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import files, procfs, timeline
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.loaders.procfs_blocks import CGROUP_FILES, PROCESS_FILES, Block, Log, read_blocks
from rmtoolkit.recording import Recording, Report, normalise
from rmtoolkit.schema import CONTAINERS, SAMPLES
from rmtoolkit.text import count

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

_EXPECTED: Final = "smaps_rollup or status of a process, or memory.stat and other files of a cgroup"


class _Source(NamedTuple):
    """One file with its blocks and their times."""

    path: Path
    log: Log
    times: list[int]


def read_procfs(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
) -> Recording:
    r"""Read what Linux says of processes and cgroups.

    Parameters
    ----------
    path
        A file or several: copies of `/proc/PID/smaps_rollup`, `/proc/PID/status`, `memory.stat` (version 1 or 2),
        `memory.current`, `memory.max`, `memory.peak`, `memory.events`, `memory.pressure` and their like under their
        own names; or logs of a loop that printed them (with `cat`, `head -v`, `tail -n +1` or ``grep .``), with or
        without time stamps, also packed. Copies in one folder belong to one container.
    time
        When a copy was made, or the first snapshot of a log without time stamps. Without it, when the file was last
        written.
    interval
        Time between two snapshots of a log without time stamps.
    timezone
        Zone of time stamps that do not say theirs.

    Returns
    -------
    Recording
        Of processes `rss_bytes`, `anon_bytes`, `file_bytes` (mapped files), `shmem_bytes`, `swap_bytes`, `threads`;
        of cgroups `usage_bytes`, `working_set_bytes` and what `memory.stat` has, `peak_bytes`, pressure, the limit,
        and an `oom_kill` event where the kernel counted one between two snapshots.

    Raises
    ------
    ReadError
        There is nothing of memory in it, or the times are not known.
    OSError
        There is no such file.

    Examples
    --------
    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp(), "api.log")
    >>> _ = log.write_text("2026-11-25T03:44:31Z\nName:\tapi\nPid:\t7\nVmRSS:\t  2048 kB\n")
    >>> recording = read_procfs(log)
    >>> recording.containers["container"].item(), recording.samples["rss_bytes"].item()
    ('api', 2097152)
    """
    paths = [Path(path)] if isinstance(path, str | os.PathLike) else [Path(file) for file in path]
    notes: list[str] = []
    axes: list[str] = []
    sources: list[_Source] = []
    failed: list[Exception] = []
    for file in paths:
        try:
            source, axis, more = _read(file, time, interval, timezone)
        except (ReadError, OSError) as error:
            failed.append(files.unreadable(file, error) if isinstance(error, OSError) and len(paths) > 1 else error)
            continue
        notes += more
        axes.append(axis)
        sources.append(source)
    if not sources:
        raise failed[0] if failed else ReadError.at("", found="no file", expected=_EXPECTED)
    if failed:
        files.warn(f"{len(failed):,} of {count(len(paths), 'file')} could not be read; the first: {failed[0]}")
    containers, samples, events = _tell(sources)
    other = sum(source.log.other for source in sources)
    report = Report(
        sources=tuple(str(file) for file in paths),
        found=("limits",) if any(entry["limit_known"] for entry in containers) else (),
        left_out={
            reason: number
            for reason, number in (
                ("lines that do not say what they are", other),
                ("files that could not be read", len(failed)),
            )
            if number
        },
        warnings=tuple(dict.fromkeys(notes)),
        time_axis="; ".join(dict.fromkeys(axes)),
    )
    if not samples:
        raise ReadError.at(paths[0], found="no amount of memory", expected=_EXPECTED)
    recording = normalise(
        pl.DataFrame(containers, schema_overrides=CONTAINERS, infer_schema_length=None),
        pl.DataFrame(samples, schema_overrides=SAMPLES, infer_schema_length=None),
        pl.DataFrame(events, infer_schema_length=None) if events else None,
        report,
    )
    if other:
        files.warn(f"{paths[0].name!r}: left out {counted(other, 'lines that do not say what they are')}.")
    return recording


def _read(
    file: Path,
    time: str | dt.datetime | None,
    interval: str | dt.timedelta | None,
    timezone: str | dt.tzinfo | None,
) -> tuple[_Source, str, tuple[str, ...]]:
    data, notes = files.read_bytes(file, expected=_EXPECTED)
    text, more = files.as_text(data, file, expected=_EXPECTED)
    log = read_blocks(text, file.name)
    if log.mappings:
        hint = "Read smaps_rollup, which is their sum."
        raise ReadError.at(file, found="smaps, one mapping after another", expected=_EXPECTED, hint=hint)
    if not log.blocks:
        raise ReadError.at(file, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    times, axis = _times(log, timeline.Asked(file, files.modified(file), time, interval, timezone))
    return _Source(file, log, times), axis, (*notes, *more)


def _times(log: Log, asked: timeline.Asked) -> tuple[list[int], str]:
    own = [block.stamp for block in log.blocks if block.stamp is not None]
    ticks = log.blocks[-1].tick + 1
    if len(own) == len(log.blocks) and (len(set(own)) > 1 or ticks == 1):
        first = (log.blocks[0].line, log.stamps[own[0]][1])
        return timeline.instants([log.stamps[index][0] for index in own], first, asked)
    if own:
        (moment,), _ = timeline.instants([log.stamps[own[0]][0]], (log.blocks[0].line, log.stamps[own[0]][1]), asked)
        asked = asked._replace(time=timeline.as_datetime(moment))
    instants, axis = timeline.spaced(ticks, asked, found="snapshots")
    return [instants[block.tick] for block in log.blocks], axis


def _tell(sources: Sequence[_Source]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Say who was measured, what, and what happened."""
    keys: dict[tuple[str, str], int] = {}
    containers: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    merged = _merged(sources)
    for (home, subject), told in merged.items():
        key = keys.setdefault((home, subject), len(keys))
        told.sort(key=lambda pair: pair[0])
        about, limit, kills = _about(home, [block for _, block in told]), None, None
        for time, block in told:
            status, rollup = block.text("status"), block.text("smaps_rollup")
            process = procfs.process_signals(procfs.parse_status(status), procfs.parse_smaps_rollup(rollup))
            signals: dict[str, Any] = procfs.cgroup_signals({name: block.text(name) for name in block.files})
            now, counted_now = signals.pop("limit_bytes", None), signals.pop("oom_kills", None)
            if now is not None:
                if limit is not None and now != limit:
                    events.append(_event(key, time, "limit", now or None))
                limit = now
            if counted_now is not None:
                if kills is not None and counted_now > kills:
                    events.append(_event(key, time, "oom_kill", limit or None))
                kills = counted_now
            # The process's own figures where the cgroup has the same name for its own.
            if values := {**process, **signals}:
                samples.append({"container_id": key, "time": time, **values})
        known = {"limit_known": limit is not None, "limit_bytes": limit or None, "source": "proc"}
        containers.append({"container_id": key, **about, **known})
    return containers, samples, events


def _event(key: int, time: int, kind: str, value: int | None) -> dict[str, Any]:
    return {"container_id": key, "time": time, "kind": kind, "value_bytes": value, "detail": None}


def _merged(sources: Sequence[_Source]) -> dict[tuple[str, str], list[tuple[int, Block]]]:
    """Put together what speaks of one container; copies of one folder were made at one instant."""
    found: dict[tuple[str, str], list[tuple[int, Block]]] = {}
    for source in sources:
        copied = source.path.name in CGROUP_FILES | PROCESS_FILES
        home = str(source.path.parent if copied else source.path)
        subjects = list(dict.fromkeys(block.subject for block in source.log.blocks))
        # One process and one cgroup in a log are a container seen from inside.
        alone = len([name for name in subjects if name.isdigit() or name == "self"]) <= 1
        alone = alone and len([name for name in subjects if name and not name.isdigit() and name != "self"]) <= 1
        for time, block in zip(source.times, source.log.blocks, strict=True):
            subject = "" if copied or alone else block.subject
            told = found.setdefault((home, subject), [])
            if copied and told and len(source.log.blocks) == 1:
                told[0][1].files.update(block.files)
                told[0] = (max(time, told[0][0]), told[0][1])
            elif alone and told and told[-1][0] == time and told[-1][1].tick == block.tick:
                told[-1][1].files.update(block.files)
            else:
                told.append((time, block))
    return found


def _about(home: str, blocks: Sequence[Block]) -> dict[str, Any]:
    """Tell who a container is, as far as anything says it."""
    name = next((found for block in blocks if (found := procfs.process_name(block.text("status")))), None)
    folder = next((block.subject for block in blocks if "/" in block.subject), "")
    place: dict[str, str | None] = procfs.cgroup_place(folder) if folder else {}
    where = Path(home)
    name = name or place.get("container") or (where.name if where.is_dir() else where.name.partition(".")[0])
    pids = {block.subject for block in blocks if block.subject.isdigit()}
    pod = place.get("pod") or (f"{name}-{pids.pop()}" if len(pids) == 1 else name)
    return {
        "workload": name,
        "workload_inferred": True,
        "pod": pod,
        "pod_uid": place.get("pod_uid"),
        "container": place.get("container") or name,
    }
