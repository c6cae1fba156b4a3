"""Memory cgroups of the lab: make, limit, measure and remove them, in version 1 and 2."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
#: Everything of one recorder lives below this folder: two of them side by side do not meet.
NAME = f"rmlab-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where this machine keeps memory cgroups.

    Attributes
    ----------
    version
        1 or 2; 0 when there is none that we may write to.
    memory
        Folder in which the lab makes its cgroups; means nothing with version 0.
    pressure
        Folder of the unified hierarchy beside version 1, which has the pressure files; null without.
    """

    version: int
    memory: Path = Path()
    pressure: Path | None = None

    def __str__(self) -> str:
        """Name what the recording was made with."""
        return f"cgroup v{self.version}" if self.version else "process"


def find(root: Path = ROOT) -> Layout:
    """Find out which memory cgroups can be made.

    Parameters
    ----------
    root
        Where the cgroup file systems are mounted.

    Returns
    -------
    Layout
        Version 0 when nothing can be made; record processes then.
    """
    for version, parent, proof in ((1, root / "memory", "memory.usage_in_bytes"), (2, root, "cgroup.controllers")):
        if not (parent / proof).exists() or not os.access(parent, os.W_OK):
            continue
        if version == 2 and "memory" not in (parent / proof).read_text().split():
            continue
        home = parent / NAME
        with contextlib.suppress(OSError):
            home.mkdir(exist_ok=True)
            if version == 2:
                (home / "cgroup.subtree_control").write_text("+memory")
                return Layout(2, home, home)
            return Layout(1, home, _unified(root))
    return Layout(0)


def _unified(root: Path) -> Path | None:
    unified = root / "unified"
    if not (unified / "memory.pressure").exists():
        return None
    home = unified / NAME
    try:
        home.mkdir(exist_ok=True)
    except OSError:
        return None
    return home


def remove(layout: Layout) -> None:
    """Remove the lab's own folders once they are empty."""
    if not layout.version:
        return
    for home in (layout.memory, layout.pressure):
        with contextlib.suppress(OSError):
            if home:
                home.rmdir()


#: What `Cgroup.read` returns, in this order.
SIGNALS = (
    "usage_bytes",
    "working_set_bytes",
    "anon_bytes",
    "file_bytes",
    "inactive_file_bytes",
    "shmem_bytes",
    "kernel_bytes",
    "swap_bytes",
    "peak_bytes",
    "failcnt",
    "psi_some_seconds",
    "psi_full_seconds",
    "sock_bytes",
    "file_mapped_bytes",
)

_V1_FILES = {
    "stat": "memory.stat",
    "usage": "memory.usage_in_bytes",
    "kernel": "memory.kmem.usage_in_bytes",
    "peak": "memory.max_usage_in_bytes",
    "failures": "memory.failcnt",
}
_V2_FILES = {
    "stat": "memory.stat",
    "usage": "memory.current",
    "peak": "memory.peak",
    "events": "memory.events",
    "swap": "memory.swap.current",
}
_V1_KEYS = ("total_rss", "total_cache", "total_inactive_file", "total_shmem", "total_swap", "total_mapped_file")
_V2_KEYS = ("anon", "file", "inactive_file", "shmem", "kernel", "sock", "file_mapped")


class Cgroup:
    """One container's cgroup, with its files kept open: a sample costs a few reads."""

    def __init__(self, layout: Layout, name: str, limit_bytes: int | None, *, pod: bool = False) -> None:
        self._layout = layout
        self._pod = pod
        self.folder = layout.memory / name
        self._folders = [self.folder]
        self.folder.mkdir(parents=True, exist_ok=True)
        if layout.pressure and layout.pressure != layout.memory:
            self._folders.append(layout.pressure / name)
            self._folders[1].mkdir(exist_ok=True)
        first = layout.version == 1
        if limit_bytes is not None:
            (self.folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(limit_bytes))
            if not first:
                # Without this a container could swap instead of being killed; pods have no swap.
                with contextlib.suppress(OSError):
                    (self.folder / "memory.swap.max").write_text("0")
        # Of a pod the limit holds for all of its containers, those that have ended too.
        self._lives = 0
        if pod and not first:
            (self.folder / "cgroup.subtree_control").write_text("+memory")
        self._files: dict[str, int] = {}
        self._open()

    def _open(self) -> None:
        """Open the files that are measured; of a pod, those of a container's life."""
        if self._pod:
            self._lives += 1
            self._folders[0] = self.folder / f"life-{self._lives}"
            self._folders[0].mkdir()
        files = _V1_FILES if self._layout.version == 1 else _V2_FILES
        home = self._folders[0]
        found = {key: home / file for key, file in files.items() if (home / file).exists()}
        if (pressure := self._folders[-1] / "memory.pressure").exists():
            found["pressure"] = pressure
        found["kills"] = home / ("memory.oom_control" if self._layout.version == 1 else "memory.events")
        self._files = {key: os.open(path, os.O_RDONLY) for key, path in found.items()}

    def _shut(self) -> None:
        while self._files:
            os.close(self._files.popitem()[1])

    @property
    def joins(self) -> list[Path]:
        """Files into which a process writes its id to come under the limit."""
        return [folder / "cgroup.procs" for folder in self._folders]

    def _text(self, key: str) -> str:
        file = self._files.get(key)
        return os.pread(file, 8192, 0).decode() if file is not None else ""

    def _whole(self, key: str) -> int | None:
        text = self._text(key)
        return int(text) if text else None

    def oom_kills(self) -> int:
        """Count the processes that the kernel has killed in this cgroup for its limit."""
        return int(_pairs(self._text("kills")).get("oom_kill", 0))

    def read(self) -> tuple[int | float | None, ...]:
        """Measure once.

        Returns
        -------
        tuple
            In the order of `SIGNALS`; None where this kernel does not say.
        """
        stat = _pairs(self._text("stat"))
        usage = self._whole("usage") or 0
        if self._layout.version == 1:
            anon, file, inactive, shmem, swap, mapped = (stat.get(key) for key in _V1_KEYS)
            # Version 1 counts sockets beside the usage.
            sock = None
            kernel, failures = self._whole("kernel"), self._whole("failures")
        else:
            anon, file, inactive, shmem, kernel, sock, mapped = (stat.get(key) for key in _V2_KEYS)
            if kernel is not None:
                kernel += sock or 0
            swap, failures = self._whole("swap"), _pairs(self._text("events")).get("max")
        working_set = max(0, usage - (inactive or 0))
        some, full = _pressure(self._text("pressure"))
        counted = (usage, working_set, anon, file, inactive, shmem, kernel, swap, self._whole("peak"), failures)
        return *counted, some, full, sock, mapped

    def reset(self) -> None:
        """Forget the last process: a restarted container starts in a cgroup of its own."""
        if self._pod:
            self._shut()
            _remove(self._folders[0])
            self._open()
            return
        if self._layout.version == 1:
            with contextlib.suppress(OSError):
                (self.folder / "memory.force_empty").write_text("0")
            for file in ("memory.max_usage_in_bytes", "memory.failcnt"):
                (self.folder / file).write_text("0")
            return
        with contextlib.suppress(OSError):
            (self.folder / "memory.reclaim").write_text(str(1 << 40))
        with contextlib.suppress(OSError):
            (self.folder / "memory.peak").write_text("reset")

    def close(self) -> None:
        """Close the files and remove the cgroup; its processes have ended, or are about to."""
        self._shut()
        for folder in (*self._folders, *([self.folder] if self._pod else [])):
            _remove(folder)


def _remove(folder: Path) -> None:
    for _ in range(20):
        with contextlib.suppress(OSError):
            folder.rmdir()
            break
        time.sleep(0.01)


def _pairs(text: str) -> dict[str, int]:
    words = text.split()
    return {key: int(value) for key, value in zip(words[::2], words[1::2], strict=True)}


def _pressure(text: str) -> tuple[float | None, float | None]:
    """Read the seconds of stall from ``some … total=µs`` and ``full … total=µs``."""
    totals = [int(word[6:]) / 1e6 for word in text.split() if word.startswith("total=")]
    return (totals[0], totals[1]) if len(totals) == 2 else (None, None)
