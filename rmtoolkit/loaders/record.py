"""`rm.record`: a process, a command or a cgroup of this machine in the same shape as the cluster's recordings."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import psutil

from rmtoolkit._identity import Event
from rmtoolkit._io import check_target, is_lake, is_store
from rmtoolkit.exceptions import RmtoolkitError, quote, quote_path, system_words
from rmtoolkit.lake import Lake
from rmtoolkit.loaders import linux
from rmtoolkit.recording import ENDINGS, Recording, normalise
from rmtoolkit.schema import SAMPLES, Report
from rmtoolkit.text import texts

ROOT: Final = Path("/sys/fs/cgroup")
PROC: Final = Path("/proc")
#: Adding up the pages of a large process takes long and holds it up: then it is not done again.
_LONGEST_SHARE: Final = 0.05
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
_QUOTA_SECONDS: Final = 10.0


def find_cgroup(path: str | os.PathLike[str], root: Path = ROOT) -> Path:
    inner = str(path).strip("/")
    for folder in (Path(path), root / "memory" / inner, root / inner):
        if is_cgroup(folder):
            return folder
    why = texts("loaders/hints")["record"]["no_cgroup"].format(root=root)
    msg = f"Could not record the cgroup {quote_path(path)}: {why}"
    raise RmtoolkitError(msg)


def is_cgroup(folder: Path) -> bool:
    try:
        return any((folder / name).exists() for name in ("memory.current", "memory.usage_in_bytes"))
    except OSError:
        return False


def cgroup_of(pid: int, root: Path = ROOT, proc: Path = PROC) -> Path | None:
    lines = _text(proc / str(pid) / "cgroup").splitlines()
    found = dict(line.split(":", 2)[1:] for line in lines if line.count(":") > 1)
    of_memory = (f"memory{path}" for controllers, path in found.items() if "memory" in controllers.split(","))
    inner = next(of_memory, found.get(""))
    folder = None if inner is None else root / inner.lstrip("/")
    return folder if folder is not None and is_cgroup(folder) else None


def read_cgroup(folder: Path) -> dict[str, int | float]:
    texts = {name: text for name in linux.CGROUP_FILES if (text := _text(folder / name))}
    if "memory.usage_in_bytes" in texts and "memory" in (parts := folder.parts):
        # Beside version 1, version 2 may be mounted for the pressure files.
        at = len(parts) - 1 - parts[::-1].index("memory")
        texts["memory.pressure"] = _text(Path(*parts[:at], "unified", *parts[at + 1 :], "memory.pressure"))
    if "usage_bytes" not in (signals := linux.cgroup_signals(texts)):
        return {}
    if "memory.current" in texts:
        # What is above counts too, and version 2 does not say it below.
        above = (linux.parse_amount(_text(one / "memory.max")) for one in folder.parents)
        signals["limit_bytes"] = min((limit for limit in (signals.get("limit_bytes"), *above) if limit), default=0)
    return signals


def quota_of(folder: Path | None, root: Path = ROOT) -> float | None:
    """Tell how many cores a cgroup may use, whatever is above it; None where nothing bounds them."""
    if folder is None or not folder.is_relative_to(root):
        return None
    inner = folder.relative_to(root)
    home, path = (root / "cpu", inner.relative_to("memory")) if inner.parts[:1] == ("memory",) else (root, inner)
    found = []
    for place in (home / path, *(home / above for above in path.parents)):
        words = _text(place / "cpu.max").split()
        words = words or [_text(place / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        quota, period, *_ = (linux.parse_amount(word) for word in (*words, "", ""))
        if quota and period:
            found.append(quota / period)
    return min(found, default=None)


def oom_kills(folder: Path) -> int | None:
    """Count the processes that the kernel has killed for memory in a cgroup so far, or, of `/proc`, on this machine."""
    names = ("memory.events", "memory.oom_control", "vmstat")
    found = (linux.pairs(_text(folder / name)).get("oom_kill") for name in names)
    return next((kills for kills in found if kills is not None), None)


def has_run(folder: Path) -> bool:
    """Tell whether anybody has been in a cgroup: who runs touches pages, and what the kernel keeps of it does not."""
    stat = linux.pairs(_text(folder / "memory.stat"))
    return stat.get("total_pgfault", stat.get("pgfault", 0)) > 0


def process_ids(folder: Path) -> list[int]:
    # Version 2 writes 0 for a process that this namespace cannot see.
    return sorted({int(pid) for pid in _members(folder) if pid.isdigit() and pid != "0"})


def is_populated(folder: Path) -> bool | None:
    if (populated := linux.pairs(_text(folder / "cgroup.events")).get("populated")) is not None:
        return populated > 0
    return bool(_members(folder)) if (folder / "cgroup.procs").exists() else None


def _members(folder: Path) -> list[str]:
    try:
        files = [folder / "cgroup.procs", *folder.glob("*/**/cgroup.procs")]
    except OSError:
        return []
    return [pid for file in files for pid in _text(file).split()]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


@dataclass(slots=True)
class Target:
    name: str
    asked: str
    process: psutil.Process | None = None  # the process; None of a cgroup
    child: subprocess.Popen[bytes] | None = None  # the same, where this program started it
    folder: Path | None = None
    place: dict[str, str | None] = field(default_factory=dict)
    started: float | None = None  # when it began, in seconds since 1970; None of a cgroup


def find_target(
    pid: int | None, command: Sequence[str] | None, cgroup: str | os.PathLike[str] | None, name: str | None
) -> Target:
    if cgroup is not None:
        folder = find_cgroup(cgroup)
        place = linux.cgroup_place(str(folder))
        called = name or place["container"] or place["pod"] or folder.name
        place["pod"] = place["pod"] or called
        return Target(called, f"cgroup {os.fspath(cgroup)}", folder=folder, place=place)
    child = None
    began, asked = time.time(), f"process {pid}"
    if command is not None:
        # The kernel tells a start to the second only. Arguments may hold secrets.
        child = _start(command)
        pid, asked = child.pid, f"command {Path(command[0]).name}"
    try:
        process = psutil.Process(pid)
        created = process.create_time()
        called = name or (Path(command[0]).name if command else process.name())
    except (psutil.Error, ValueError, OverflowError, TypeError) as error:
        msg = f"Could not record process {quote(pid)}: there is no such process."
        raise RmtoolkitError(msg) from error
    # Process ids come again: together with its start it is one of a kind.
    mine: dict[str, str | None] = {"pod": f"{called}-{pid}", "pod_uid": f"{pid}-{int(created * 1000)}"}
    return Target(called, asked, process, child, place=mine, started=began if child else created)


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    words = [os.fspath(word) for word in command]
    if isinstance(command, str) or not words:
        msg = 'A command is a list of words: ["./api", "--port", "8080"].'
        raise RmtoolkitError(msg)
    try:
        return subprocess.Popen(words)  # noqa: S603 - the command that the user gave
    except (OSError, ValueError) as error:
        why = system_words(error) if isinstance(error, OSError) else str(error)
        msg = f"Could not start {quote(words[0])}: {why}."
        raise RmtoolkitError(msg) from error


class ProcessReader:
    """Reads processes again and again; gives up on what costs them too much."""

    def __init__(self, interval_seconds: float, proc: Path = PROC) -> None:
        self._longest = _LONGEST_SHARE * interval_seconds
        self._proc = proc
        self._adds_up = True
        self._costs: deque[float] = deque(maxlen=3)
        self.notes: dict[str, None] = {}

    def read(self, pids: Iterable[int]) -> dict[str, int]:
        found = [part for pid in pids if (part := self._one(pid))]
        return together([part for part, _ in found], [rollup for _, rollup in found], self.notes)

    def _one(self, pid: int) -> tuple[dict[str, int], dict[str, int]] | None:
        home = self._proc / str(pid)
        if not (self._proc / "self").exists():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                return {"rss_bytes": process.memory_info().rss, "threads": process.num_threads()}, {}
            return None
        status = linux.fields(_text(home / "status"), linux.STATUS)
        if "rss_bytes" not in status:
            # Gone, or a zombie: dead, and not fetched by its parent.
            return None
        try:
            # Only its owner may look.
            status["descriptors"] = sum(1 for _ in (home / "fd").iterdir())
        except PermissionError:
            self.notes["open files and sockets may not be counted: the process is another user's"] = None
        except OSError:
            pass
        return status, self._rollup(home)

    def _rollup(self, home: Path) -> dict[str, int]:
        if not self._adds_up:
            return {}
        start = time.thread_time()
        try:
            text = (home / "smaps_rollup").read_text()
        except OSError as error:
            if isinstance(error, PermissionError):
                self.notes["smaps_rollup may not be read: amounts are those of status, which lag a little"] = None
            return {}
        self._costs.append(time.thread_time() - start)
        if len(self._costs) == self._costs.maxlen and min(self._costs) > self._longest:
            self._adds_up = False
            self.notes["smaps_rollup took too long to read again and again: amounts are those of status"] = None
        return linux.fields(text, linux.ROLLUP)


def together(
    found: Sequence[Mapping[str, int]], rollups: Sequence[Mapping[str, int]], notes: dict[str, None]
) -> dict[str, int]:
    parts = [linux.process_signals(one, rollup) for one, rollup in zip(found, rollups, strict=True)]
    if len(parts) < 2:  # noqa: PLR2004
        return parts[0] if parts else {}
    counts = {"threads": sum(one.get("threads", 0) for one in found)}
    if all("descriptors" in one for one in found):
        counts["descriptors"] = sum(one["descriptors"] for one in found)
    if not all("pss_anon_bytes" in rollup for rollup in rollups):
        notes["several processes: pages that they share are counted for each of them"] = None
        names = ("rss_bytes", "anon_bytes", "file_bytes", "shmem_bytes", "swap_bytes")
        whole = [name for name in names if all(name in part for part in parts)]
        return {name: sum(part[name] for part in parts) for name in whole} | counts
    split = ("anon_bytes", "file_bytes", "shmem_bytes", "swap_bytes")
    held = {name: sum(rollup.get(f"pss_{name}", 0) for rollup in rollups) for name in split}
    held["file_bytes"] = max(held["file_bytes"], *(part.get("file_bytes", 0) for part in parts))
    return {"rss_bytes": held["anon_bytes"] + held["file_bytes"] + held["shmem_bytes"], **held, **counts}


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
        Stands for workload and container, as in the cluster; without it, the program's or the cgroup's name.
    path
        Also keep this file (.parquet) current while recording; or a lake, such as ``s3://bucket/lake``, where a process
        stands for a pod of its own.

    Returns
    -------
    Recording
        A row per sample. Of processes their memory, `threads` and `descriptors` (open files and sockets); pages that
        several share count once. Of a cgroup its accounts, pressure and limit, too, and the CPUs that it may use beside
        those of the machine. Events: `start`, `end` with the exit status, `error`, `oom_kill` when the cgroup's limit
        killed it, `node_oom` when the machine had no memory left.

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
    recorder = Recorder(pid, command, cgroup, interval_seconds, duration_seconds, name, path)
    with contextlib.suppress(KeyboardInterrupt):
        for _ in recorder.samples():
            pass
    return recorder.recording()


@dataclass(slots=True, repr=False)
class Recorder:
    """Records until its end; what there is so far can be had at any time."""

    pid: int | None = None
    command: Sequence[str] | None = None
    cgroup: str | os.PathLike[str] | None = None
    interval_seconds: float = 1.0
    duration_seconds: float | None = None
    name: str | None = None
    path: str | os.PathLike[str] | None = None
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _chunks: list[pl.DataFrame] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _limit: int | None = None
    _kills: int | None = None
    _alive: bool | None = None
    _machine_kills: int | None = field(default_factory=lambda: oom_kills(PROC))
    #: Counts of kills in the cgroups of the process, with times.
    _counts: dict[Path, deque[tuple[float, int | None]]] = field(default_factory=dict)
    #: The cores that a cgroup may use, and when that was read.
    _quota: tuple[Path | None, float, float | None] = (None, float("-inf"), None)
    _lake: Lake | None = field(init=False, default=None)
    _reader: ProcessReader = field(init=False)
    _target: Target = field(init=False)

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.pid, self.command, self.cgroup)) != 1:
            msg = "Give exactly one of pid, command and cgroup to record."
            raise RmtoolkitError(msg)
        for what in ("interval_seconds", "duration_seconds"):
            seconds = getattr(self, what)
            if seconds is not None and not 0 < seconds < float("inf"):
                msg = f"{what} must be above zero, got {seconds}."
                raise RmtoolkitError(msg)
        if self.path is not None and (is_store(self.path) or is_lake(self.path)):
            self._lake = Lake(self.path)
            self._lake.make()
        elif self.path is not None:
            check_target(self.path, ENDINGS)
        self._reader = ProcessReader(self.interval_seconds)
        self._target = find_target(self.pid, self.command, self.cgroup, self.name)
        self._follow_process()
        if self._target.folder is not None:
            self._kills = oom_kills(self._target.folder)
        started, now = self._target.started, time.time()
        if started is not None and now - started <= _START_SEEN_INTERVALS * self.interval_seconds + _CLOCK_SECONDS:
            self._event("start", min(started, now))

    def _follow_process(self) -> None:
        """Notice when a process is moved to another cgroup, as launchers do; a dying one is in the root."""
        if (process := self._target.process) is not None and (folder := cgroup_of(process.pid)) is not None:
            self._counts.setdefault(folder, deque())
        now = time.monotonic()
        for place, counts in self._counts.items():
            counts.append((now, oom_kills(place)))
            # A process that is killed is still there for a moment; what was counted long before was another.
            while len(counts) > 1 and counts[1][0] < now - _DYING_SECONDS:
                counts.popleft()

    def samples(self) -> Generator[dict[str, Any], None, None]:
        start = time.monotonic()
        end = start + self.duration_seconds if self.duration_seconds is not None else float("inf")
        # The first sample is written at once: whatever happens then, there is a file.
        written, cost = float("-inf"), 0.0
        tick = 0
        try:
            while True:
                if row := self._measure():
                    self._rows.append(row)
                    yield row
                now = time.monotonic()
                pause = min(max(_WRITE_SECONDS, _WRITE_SHARE * cost), _MOST_WRITE_SECONDS)
                if self.path is not None and now - written >= pause:
                    self.save()
                    written = time.monotonic()
                    cost = written - now
                # What could not be kept up with is left out, not caught up.
                tick = max(tick + 1, int((time.monotonic() - start) / self.interval_seconds) + 1)
                until = min(start + tick * self.interval_seconds, end)
                if self._wait(max(0.0, until - time.monotonic())) or time.monotonic() >= end:
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
        if not signals:
            return {}
        folder, now = folder or next(reversed(self._counts), None), time.monotonic()
        # Three files for each folder above it, which hardly ever change.
        if folder != self._quota[0] or now - self._quota[1] >= _QUOTA_SECONDS:
            self._quota = (folder, now, quota_of(folder))
        return {"time": stamp, **signals}

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
        if linux.rose(self._kills, kills):
            self._event("oom_kill" if self._limit else "node_oom", now, self._limit or None)
        elif self._alive and not alive:
            self._gone(now)
        # An empty cgroup that nobody has been in yet is waited for.
        known = self._alive is not None or not signals or kills or has_run(folder)
        self._alive = alive or (False if known else None)
        self._kills = kills
        if not alive:
            return {}
        processes = self._reader.read(process_ids(folder))
        return signals | {key: processes[key] for key in ("rss_bytes", "threads", "descriptors") if key in processes}

    def _tree(self) -> list[int]:
        process = self._target.process
        if process is None:
            return []
        try:
            return [one.pid for one in (process, *process.children(recursive=True))] if process.is_running() else []
        except psutil.Error:
            return [process.pid]

    def _wait(self, seconds: float) -> bool:
        child, process = self._target.child, self._target.process
        if (running := child or process) is None:
            time.sleep(seconds)
            # With a duration, a service that is started again is followed again.
            return self._alive is False and self.duration_seconds is None
        try:
            running.wait(seconds)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            return False
        self._ended(child.returncode if child is not None else None)
        return True

    def _ended(self, code: int | None) -> None:
        killed = self._killed()
        now = time.time()
        if killed is not None and (code is None or code == -signal.SIGKILL):
            self._event(killed[0], now, killed[1], "killed by the kernel for memory")
        elif code is None:
            self._event("end", now, None, "exit status not known: not started by this recorder")
        elif code < 0:
            name = next((one.name for one in signal.Signals if one == -code), "unknown")
            self._event("error", now, None, f"killed by signal {-code} ({name})")
        else:
            self._event("end" if code == 0 else "error", now, None, f"exit status {code}")

    def _killed(self) -> tuple[str, int | None] | None:
        for folder, counts in self._counts.items():
            if linux.rose(counts[0][1], oom_kills(folder)):
                limit = int(read_cgroup(folder).get("limit_bytes", 0))
                return ("oom_kill", limit) if limit else ("node_oom", None)
        return None

    def _gone(self, now: float) -> None:
        last = self._events[-1] if self._events else None
        recent = 1000 * (now - _START_SEEN_INTERVALS * self.interval_seconds - _CLOCK_SECONDS)
        if last is not None and last.kind in ("oom_kill", "node_oom") and last.time >= recent:
            # That was the end, and samples since the kernel counted it are of the process that was dying.
            self._rows = [row for row in self._rows if row["time"] < last.time]
            return
        before, self._machine_kills = self._machine_kills, oom_kills(PROC)
        if linux.rose(before, self._machine_kills):
            # Version 1 takes the count of kills away with the cgroup.
            detail = "no process is left; about then the kernel killed for memory on this machine"
            self._event("error", now, None, detail)
        else:
            self._event("end", now, None, "no process is left")

    def _event(self, kind: str, at: float, value: int | None = None, detail: str | None = None) -> None:
        self._events.append(Event(round(at * 1000), kind, value, detail))

    def _close(self) -> None:
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
            self.save()

    def save(self) -> None:
        """Write what was recorded so far; an earlier file stays whole until the new one is."""
        if self._lake is not None:
            self._lake.append(self.recording())
        elif self.path is not None:
            self.recording().write(self.path)

    def recording(self) -> Recording:
        if len(self._rows) >= _CHUNK_ROWS or not self._chunks:
            self._chunks.append(pl.DataFrame(self._rows, schema=SAMPLES))
            self._rows = []
        samples = pl.concat([*self._chunks, pl.DataFrame(self._rows, schema=SAMPLES)]).with_columns(container_id=0)
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
            "quota_cores": self._quota[2],
            "node_cores": os.cpu_count(),
            "source": "record",
        }
        report = Report(
            sources=(self._target.asked,),
            asked=f"record {self._target.asked} every {self.interval_seconds:g} s",
            found=("restarts", *(("limits",) if self._limit is not None else ())),
            warnings=tuple(self._reader.notes),
        )
        return normalise([container], samples, [(0, *event) for event in self._events], report)
