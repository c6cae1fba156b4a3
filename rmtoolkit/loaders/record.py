"""`rm.record`: a process, a command or a cgroup of this machine in the same shape as the cluster's recordings."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.procfs import pairs
from rmtoolkit.loaders.record_cgroup import cgroup_of, is_populated, oom_kills, process_ids, read_cgroup
from rmtoolkit.loaders.record_process import PROC, ProcessReader
from rmtoolkit.loaders.record_target import find_target, processes_of
from rmtoolkit.recording import Recording, Report, normalise
from rmtoolkit.schema import CONTAINERS, EVENTS, SAMPLES, SIGNALS, empty

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import psutil

_STOP_SECONDS: Final = 10.0
#: A start so shortly before the first sample belongs to the recording.
_START_SEEN_INTERVALS: Final = 2
#: What is recorded is written so often at most, and never for more than a twentieth of the time.
_WRITE_SECONDS: Final = 5.0
#: However long one write took, when the machine was busy: no more than this is lost if the recorder is killed.
_MOST_WRITE_SECONDS: Final = 60.0
_WRITE_SHARE: Final = 20
_CHUNK_ROWS: Final = 512
#: The kernel tells when a process started to the second.
_CLOCK_SECONDS: Final = 1.0
_DYING_SECONDS: Final = 5.0


def record(
    *,
    pid: int | None = None,
    command: Sequence[str] | None = None,
    cgroup: str | os.PathLike[str] | None = None,
    interval_seconds: float = 1.0,
    duration_seconds: float | None = None,
    name: str | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Recording:
    """Record memory on this machine, to set beside what happens in the cluster.

    Parameters
    ----------
    pid
        Follow this process and its children.
    command
        Start this program, with its arguments, and follow it and its children. What it prints is passed through.
    cgroup
        Follow this cgroup: its folder, or its path as `/proc/PID/cgroup` writes it. Containers of Docker and
        Kubernetes and services of systemd are cgroups.
    interval_seconds
        Time between two samples.
    duration_seconds
        Stop after so long; a command that still runs is asked to end. Without it, until the process or cgroup is gone
        or Ctrl-C is pressed: that ends the recording, not your program.
    name
        Stands for workload and container; without it, the program's or the cgroup's name. Give it the workload's name
        in the cluster to see both as one.
    path
        Also keep this file (.parquet) current while recording.

    Returns
    -------
    Recording
        A row per sample. Of processes: `rss_bytes`, `anon_bytes`, `file_bytes` (mapped files), `shmem_bytes`,
        `swap_bytes`, `threads` and, of one without children, `peak_bytes`. Of several, pages that they share
        count once. Of a cgroup: `usage_bytes`, `working_set_bytes`, `anon_bytes`, `file_bytes` (page cache) and the
        rest of its accounts, pressure, its limit, and `rss_bytes` and `threads` of its processes. Events: `start`,
        `end` with the exit status, `error`, `oom_kill` when the cgroup's limit killed it, `node_oom` when the
        machine had no memory left.

    Raises
    ------
    RmtoolkitError
        Not exactly one of `pid`, `command` and `cgroup` is given; there is no such process, program or cgroup.

    Examples
    --------
    >>> import sys
    >>> recording = record(command=[sys.executable, "-c", "pass"], interval_seconds=0.01)
    >>> recording.events["kind"].to_list(), recording.events["detail"][-1]
    (['start', 'end'], 'exit status 0')
    """
    recorder = Recorder(
        pid=pid,
        command=command,
        cgroup=cgroup,
        interval_seconds=interval_seconds,
        duration_seconds=duration_seconds,
        name=name,
        path=path,
    )
    with contextlib.suppress(KeyboardInterrupt):
        for _ in recorder.samples():
            pass
    return recorder.recording()


class Recorder:
    """Records until its end; what there is so far can be had at any time.

    Parameters are those of `record`.

    Examples
    --------
    >>> recorder = Recorder(pid=1, duration_seconds=0.01, interval_seconds=0.01)
    >>> sorted(next(recorder.samples()))[-2:]
    ['threads', 'time']
    """

    def __init__(
        self,
        *,
        pid: int | None = None,
        command: Sequence[str] | None = None,
        cgroup: str | os.PathLike[str] | None = None,
        interval_seconds: float = 1.0,
        duration_seconds: float | None = None,
        name: str | None = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        if sum(given is not None for given in (pid, command, cgroup)) != 1:
            msg = "Give exactly one of pid, command and cgroup to record."
            raise RmtoolkitError(msg)
        for what, seconds in (("interval_seconds", interval_seconds), ("duration_seconds", duration_seconds)):
            if seconds is not None and not 0 < seconds < float("inf"):
                msg = f"{what} must be above zero, got {seconds}."
                raise RmtoolkitError(msg)
        if path is not None:
            from rmtoolkit.storage import ENDINGS  # noqa: PLC0415
            from rmtoolkit.writing import check_target  # noqa: PLC0415

            check_target(path, ENDINGS)
        self._interval = interval_seconds
        self._duration = duration_seconds
        self._path = path
        self._reader = ProcessReader(interval_seconds)
        self._rows: list[dict[str, Any]] = []
        self._chunks: list[pl.DataFrame] = []
        self._events: list[dict[str, Any]] = []
        self._limit: int | None = None
        self._kills: int | None = None
        self._alive: bool | None = None
        self._machine_kills = _machine_kills()
        self._target = find_target(pid, command, cgroup, name)
        #: Counts of kills in the cgroups of the process, with times.
        self._counts: dict[Path, deque[tuple[float, int | None]]] = {}
        self._follow_process()
        if self._target.folder is not None:
            self._kills = oom_kills(self._target.folder)
        started, now = self._target.started, time.time()
        if started is not None and now - started <= _START_SEEN_INTERVALS * interval_seconds + _CLOCK_SECONDS:
            self._event("start", min(started, now))

    def _follow_process(self) -> None:
        """Notice when a process is moved to another cgroup, as launchers do; a dying one is in the root."""
        process = self._target.process
        folder = cgroup_of(process.pid) if process is not None else None
        if folder is not None:
            self._counts.setdefault(folder, deque())
        now = time.monotonic()
        for place, counts in self._counts.items():
            counts.append((now, oom_kills(place)))
            # A process that is killed is still there for a moment; what was counted long before was another.
            while len(counts) > 1 and counts[1][0] < now - _DYING_SECONDS:
                counts.popleft()

    def samples(self) -> Generator[dict[str, Any], None, None]:
        """Measure again and again.

        Yields
        ------
        dict
            Each sample with its `time` in milliseconds.
        """
        start = time.monotonic()
        end = start + self._duration if self._duration is not None else float("inf")
        # The first sample is written at once: whatever happens then, there is a file.
        written, cost = float("-inf"), 0.0
        tick = 0
        try:
            while True:
                row = self._measure()
                if row:
                    self._rows.append(row)
                    yield row
                now = time.monotonic()
                pause = min(max(_WRITE_SECONDS, _WRITE_SHARE * cost), _MOST_WRITE_SECONDS)
                if self._path is not None and now - written >= pause:
                    self.save()
                    written = time.monotonic()
                    cost = written - now
                # What could not be kept up with is left out, not caught up.
                tick = max(tick + 1, int((time.monotonic() - start) / self._interval) + 1)
                until = min(start + tick * self._interval, end)
                if self._wait(until - time.monotonic()) or time.monotonic() >= end:
                    break
        finally:
            self._close()

    def _measure(self) -> dict[str, Any]:
        stamp = time.time_ns() // 1_000_000
        folder = self._target.folder
        if folder is None:
            self._follow_process()
            signals: dict[str, Any] = dict(self._reader.read(self._tree()))
        else:
            signals = self._measure_cgroup(folder, stamp / 1000)
        return {"time": stamp, **signals} if signals else {}

    def _measure_cgroup(self, folder: Path, now: float) -> dict[str, Any]:
        signals: dict[str, Any] = dict(read_cgroup(folder))
        alive = bool(signals) and is_populated(folder) is not False
        if alive and self._alive is False:
            self._event("start", now)
        limit, kills = signals.pop("limit_bytes", None), signals.pop("oom_kills", None)
        if limit is not None:
            if self._limit is not None and limit != self._limit:
                self._event("limit", now, limit or None)
            self._limit = limit
        killed = kills is not None and self._kills is not None and kills > self._kills
        if killed:
            self._event("oom_kill" if self._limit else "node_oom", now, self._limit or None)
        elif self._alive and not alive:
            self._gone(now)
        # An empty cgroup that nobody has been in yet is waited for.
        self._alive = alive or (None if self._alive is None else False)
        self._kills = kills
        if not alive:
            return {}
        processes = self._reader.read(processes_of(process_ids(folder)))
        return signals | {key: processes[key] for key in ("rss_bytes", "threads") if key in processes}

    def _tree(self) -> list[psutil.Process]:
        import psutil  # noqa: PLC0415

        process = self._target.process
        if process is None:
            return []
        try:
            return [process, *process.children(recursive=True)] if process.is_running() else []
        except psutil.Error:
            return [process]

    def _wait(self, seconds: float) -> bool:
        """Wait for the next sample; true when there will be none."""
        import psutil  # noqa: PLC0415

        seconds = max(0.0, seconds)
        child, process = self._target.child, self._target.process
        if child is not None:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                return False
            self._ended(child.returncode)
            return True
        if process is not None:
            try:
                process.wait(seconds)
            except psutil.TimeoutExpired:
                return False
            self._ended(None)
            return True
        time.sleep(seconds)
        # With a duration, a service that is started again is followed again.
        return self._alive is False and self._duration is None

    def _ended(self, code: int | None) -> None:
        killed = self._killed()
        now = time.time()
        if killed is not None and (code is None or code == -signal.SIGKILL):
            self._event(killed[0], now, killed[1], "killed by the kernel for memory")
        elif code is None:
            self._event("end", now, None, "exit status not known: not started by this recorder")
        elif code < 0:
            self._event("error", now, None, f"killed by signal {-code} ({_signal_name(-code)})")
        else:
            self._event("end" if code == 0 else "error", now, None, f"exit status {code}")

    def _killed(self) -> tuple[str, int | None] | None:
        """Tell whether the kernel has killed in a cgroup of the process: kind of event and limit in force."""
        for folder, counts in self._counts.items():
            before, now = counts[0][1], oom_kills(folder)
            if now is not None and before is not None and now > before:
                limit = int(read_cgroup(folder).get("limit_bytes", 0))
                return ("oom_kill", limit) if limit else ("node_oom", None)
        return None

    def _gone(self, now: float) -> None:
        last = self._events[-1] if self._events else None
        recent = 1000 * (now - _START_SEEN_INTERVALS * self._interval - _CLOCK_SECONDS)
        if last is not None and last["kind"] in ("oom_kill", "node_oom") and last["time"] >= recent:
            # That was the end, and samples since the kernel counted it are of the process that was dying.
            self._rows = [row for row in self._rows if row["time"] < last["time"]]
            return
        machine = _machine_kills()
        hint = machine is not None and self._machine_kills is not None and machine > self._machine_kills
        self._machine_kills = machine
        if hint:
            # Version 1 takes the count of kills away with the cgroup.
            detail = "no process is left; about then the kernel killed for memory on this machine"
            self._event("error", now, None, detail)
        else:
            self._event("end", now, None, "no process is left")

    def _event(self, kind: str, at: float, value: int | None = None, detail: str | None = None) -> None:
        self._events.append(
            {"container_id": 0, "time": round(at * 1000), "kind": kind, "value_bytes": value, "detail": detail},
        )

    def _close(self) -> None:
        """Ask a command that still runs to end, and write the file."""
        child = self._target.child
        try:
            if child is not None and child.returncode is None:
                child.terminate()
                try:
                    child.wait(_STOP_SECONDS)
                except (subprocess.TimeoutExpired, KeyboardInterrupt):
                    child.kill()
                    child.wait()
                self._event("end", time.time(), None, "stopped by the recorder")
        finally:
            if self._path is not None:
                self.save()

    @property
    def exit_status(self) -> int | None:
        """Of a command that has ended; negative for a signal; None while it runs or of what is not a command."""
        return self._target.child.returncode if self._target.child is not None else None

    def save(self) -> None:
        """Write what was recorded so far; an earlier file stays whole until the new one is."""
        if self._path is not None:
            self.recording().write(self._path)

    def recording(self) -> Recording:
        """Give what was recorded so far.

        Returns
        -------
        Recording
            One container.
        """
        if len(self._rows) >= _CHUNK_ROWS or not self._chunks:
            schema = {"time": pl.Int64()} | {name: SAMPLES[name] for name in SIGNALS}
            self._chunks.append(pl.DataFrame(self._rows, schema=schema))
            self._rows = []
        schema = self._chunks[0].schema
        samples = pl.concat([*self._chunks, pl.DataFrame(self._rows, schema=schema)])
        place = self._target.place
        container = {
            "container_id": 0,
            "node": socket.gethostname(),
            "workload": self._target.name,
            "workload_inferred": False,
            "pod": place.get("pod"),
            "pod_uid": place.get("pod_uid"),
            "container": self._target.name,
            "limit_known": self._limit is not None,
            "limit_bytes": self._limit or None,
            "source": "record",
        }
        report = Report(
            sources=(self._target.asked,),
            asked=f"record {self._target.asked} every {self._interval:g} s",
            found=("restarts", *(("limits",) if self._limit is not None else ())),
            warnings=tuple(self._reader.notes),
            time_axis="as recorded, UTC",
        )
        return normalise(
            pl.DataFrame([container], schema_overrides=CONTAINERS, infer_schema_length=None),
            samples.with_columns(container_id=pl.lit(0, dtype=pl.UInt32)),
            pl.DataFrame(self._events, infer_schema_length=None) if self._events else empty(EVENTS),
            report,
        )


def _machine_kills() -> int | None:
    """Count the processes that the kernel has killed for memory on this machine, whatever the reason."""
    try:
        return pairs((PROC / "vmstat").read_text()).get("oom_kill")
    except OSError:
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
