"""One container of the lab: a process under a limit, measured, restarted as the kubelet does."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cgroups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Columns of a line of truth that the service writes.
TRUTH = (
    "truth_second",
    "age_seconds",
    "live_bytes",
    "dead_bytes",
    "outside_bytes",
    "outside_dead_bytes",
    "work_total",
    "load_thousandths",
    "allocated_bytes",
    "active_bytes",
    "resident_bytes",
    "mapped_bytes",
    "retained_bytes",
    "metadata_bytes",
    "free_bytes",
    "tasks",
    "queued",
    "series",
)
PROCESS = ("rss_bytes", "threads", "descriptors")
#: A measured row without its time.
ROW = (*cgroups.SIGNALS, *PROCESS, *TRUTH)

#: The kubelet restarts at once, then waits 10 s, doubling to 300 s; 10 minutes of peace reset it.
FIRST_WAIT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 300.0
PEACE_SECONDS = 600.0
_STOP_SECONDS = 5.0


@dataclass(slots=True)
class BackOff:
    """How long the next restart waits.

    Attributes
    ----------
    scale
        Recorded seconds per second of the cluster: 1/60 when a recorded second stands for a minute.
    """

    scale: float = 1.0
    _wait: float = field(default=0.0)

    def next(self, lived_seconds: float) -> float:
        """Return the wait after a life of so many recorded seconds."""
        if lived_seconds > PEACE_SECONDS * self.scale:
            self._wait = 0.0
        wait = self._wait
        self._wait = min(max(FIRST_WAIT_SECONDS, 2 * wait), LONGEST_WAIT_SECONDS)
        return wait * self.scale


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a container, at a Unix time."""

    time: float
    kind: str
    detail: str | None = None


@dataclass(slots=True)
class _Life:
    """One process of a container, from its start to its end."""

    process: subprocess.Popen[bytes]
    output: int
    status: int
    started: float
    kills: int
    pending: bytes = b""
    truth: tuple[int | None, ...] | None = None

    def read_truth(self) -> None:
        """Take what the service has written; the last whole line counts."""
        with contextlib.suppress(BlockingIOError):
            self.pending += os.read(self.output, 65536)
        *lines, self.pending = self.pending.split(b"\n")
        if lines:
            values = (int(word) for word in lines[-1].split())
            self.truth = tuple(None if value == -1 else value for value in values)

    def close(self) -> None:
        """Close the files of a process that has ended."""
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.status)


class Container:
    """A container that is started, measured each second, and restarted when it dies."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        name: str,
        layout: cgroups.Layout,
        limit_bytes: int | None,
        back_off: BackOff,
        pod: bool = False,
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._cgroup = cgroups.Cgroup(layout, name, limit_bytes, pod=pod) if layout.version else None
        self._back_off = back_off
        self._life: _Life | None = None
        self._start_at = 0.0
        self.events: list[Event] = []
        self.restarts = 0

    def start(self, now: float) -> None:
        """Start the process inside its cgroup."""
        joins = [str(path) for path in self._cgroup.joins] if self._cgroup else []
        # A shell joins first, so that the service's own memory is charged from its first page.
        # `env` sets the preload after that, so that the shell does not run with it.
        script = 'for file in $RMLAB_JOIN; do echo $$ > "$file" || exit 125; done; unset RMLAB_JOIN; exec "$@"'
        settings = [f"{key}={value}" for key, value in self._environment.items()]
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", "/usr/bin/env", *settings, *self._command],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "RMLAB_JOIN": " ".join(joins)},
        )
        output = process.stdout.fileno() if process.stdout else -1
        os.set_blocking(output, False)
        status = os.open(f"/proc/{process.pid}/status", os.O_RDONLY)
        self._life = _Life(process, output, status, now, self._oom_kills())
        self.events.append(Event(now, "start"))

    def step(self, now: float) -> tuple[int | float | None, ...] | None:
        """Look after the container once.

        Parameters
        ----------
        now
            Unix time.

        Returns
        -------
        tuple or None
            In the order of `ROW`; None while there is no process.
        """
        life = self._life
        if life is None:
            if now >= self._start_at:
                if self._cgroup:
                    self._cgroup.reset()
                self.restarts += 1
                self.start(now)
            return None
        if life.process.poll() is not None:
            self._ended(life, now)
            return None
        life.read_truth()
        process = _status(life.status)
        if process is None:
            return None
        descriptors = _descriptors(life.process.pid)
        measured = self._cgroup.read() if self._cgroup else (None,) * len(cgroups.SIGNALS)
        return (*measured, *process, descriptors, *(life.truth or (None,) * len(TRUTH)))

    def _oom_kills(self) -> int:
        return self._cgroup.oom_kills() if self._cgroup else 0

    def _ended(self, life: _Life, now: float) -> None:
        killed = self._oom_kills() > life.kills
        status = f"exit status {life.process.returncode}"
        life.close()
        self._life = None
        self.events.append(Event(now, "oom_kill") if killed else Event(now, "error", status))
        self._start_at = now + self._back_off.next(now - life.started)

    def stop(self, now: float) -> None:
        """End the process, if there is one, as a rollout does."""
        life = self._life
        if life is None:
            return
        life.process.terminate()
        try:
            life.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            life.process.kill()
            life.process.wait()
        life.close()
        self._life = None
        self.events.append(Event(now, "end"))
        self._start_at = float("inf")

    def close(self, now: float) -> None:
        """End the process and remove the cgroup."""
        self.stop(now)
        if self._cgroup:
            self._cgroup.close()
            self._cgroup = None


def _status(file: int) -> tuple[int, int] | None:
    """Read resident bytes and threads of a process; None when it has just ended."""
    try:
        text = os.pread(file, 4096, 0)
    except ProcessLookupError:
        return None
    resident = text.find(b"VmRSS:")
    if resident < 0:
        return None
    threads = text.index(b"Threads:")
    return int(text[resident + 6 : resident + 32].split()[0]) * 1024, int(text[threads + 8 : threads + 20].split()[0])


def _descriptors(pid: int) -> int | None:
    """Count the open files and sockets of a process; None when it has just ended."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return None


def find_library(name: str, kind: str = "so.*") -> Path:
    """Find an allocator: a shared library to preload, or an archive (``kind="a"``) to link in.

    Raises
    ------
    FileNotFoundError
        It is not installed.
    """
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"):
        found = sorted(Path(folder).glob(f"{name}.{kind}"))
        if found:
            return found[0]
    msg = f"{name} is not installed"
    raise FileNotFoundError(msg)
