"""Measure a memory cgroup of version 1 or 2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import RmtoolkitError, quote_path
from rmtoolkit.loaders import procfs

if TYPE_CHECKING:
    import os

ROOT: Final = Path("/sys/fs/cgroup")
_V1_FILE: Final = "memory.usage_in_bytes"
_V2_FILE: Final = "memory.current"
_FILES: Final = {
    1: (_V1_FILE, "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.kmem.usage_in_bytes", "memory.stat",
        "memory.oom_control"),
    2: (_V2_FILE, "memory.max", "memory.peak", "memory.swap.current", "memory.stat", "memory.events",
        "memory.pressure"),
}  # fmt: skip


def find_cgroup(path: str | os.PathLike[str], root: Path = ROOT) -> Path:
    """Find the folder of a cgroup's memory files.

    Parameters
    ----------
    path
        The folder, or the cgroup's path as `/proc/PID/cgroup` writes it.
    root
        Where the cgroup file systems are mounted.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    RmtoolkitError
        No such cgroup accounts for memory.

    Examples
    --------
    >>> find_cgroup("/no/such")
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: Could not record the cgroup '/no/such': no memory.current (version 2) and ...
    """
    inner = str(path).strip("/")
    for folder in (Path(path), root / "memory" / inner, root / inner):
        if version_of(folder):
            return folder
    msg = (
        f"Could not record the cgroup {quote_path(path)}: no memory.current (version 2) and no memory.usage_in_bytes "
        f"(version 1) there or below {root}. /proc/PID/cgroup says in which cgroup a process is; the root of version 2 "
        "has no such file."
    )
    raise RmtoolkitError(msg)


def version_of(folder: Path) -> int:
    """Tell the version of a cgroup.

    Parameters
    ----------
    folder
        Perhaps a cgroup's.

    Returns
    -------
    int
        1 or 2; 0 when it is none, or none any more.

    Examples
    --------
    >>> version_of(Path("/no/such"))
    0
    """
    try:
        return 1 if (folder / _V1_FILE).exists() else 2 if (folder / _V2_FILE).exists() else 0
    except OSError:
        return 0


def cgroup_of(pid: int, root: Path = ROOT, proc: Path = Path("/proc")) -> Path | None:
    """Find the memory cgroup that a process is in.

    Parameters
    ----------
    pid
        The process.
    root, proc
        Where the file systems are mounted.

    Returns
    -------
    pathlib.Path or None
        The folder; None where there is none that can be seen.

    Examples
    --------
    >>> cgroup_of(-1) is None
    True
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    found = {
        controllers: path for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1)
    }
    for controllers, path in found.items():
        if "memory" in controllers.split(","):
            folder = root / "memory" / path.lstrip("/")
            return folder if version_of(folder) else None
    if "" in found and version_of(folder := root / found[""].lstrip("/")):
        return folder
    return None


def read_cgroup(folder: Path) -> dict[str, int | float]:
    """Measure a cgroup.

    Parameters
    ----------
    folder
        As `find_cgroup` found it.

    Returns
    -------
    dict
        As `procfs.cgroup_signals`; the limit is the smallest of the cgroup's own and those above it. Empty when the
        cgroup is gone.

    Examples
    --------
    >>> read_cgroup(Path("/no/such"))
    {}
    """
    version = version_of(folder)
    if not version:
        return {}
    texts = {name: text for name in _FILES[version] if (text := _text(folder / name))}
    if version == 1 and (pressure := _text(_unified(folder) / "memory.pressure")):
        texts["memory.pressure"] = pressure
    signals = procfs.cgroup_signals(texts)
    if "usage_bytes" not in signals:
        return {}
    if version == 2:  # noqa: PLR2004
        # What is above counts too, and version 2 does not say it below.
        limits = [int(signals.get("limit_bytes", 0)), *map(_limit, folder.parents)]
        signals["limit_bytes"] = min((limit for limit in limits if limit), default=0)
    return signals


def oom_kills(folder: Path) -> int | None:
    """Count the processes that the kernel has killed for memory in a cgroup so far.

    Parameters
    ----------
    folder
        The cgroup.

    Returns
    -------
    int or None
        None where the kernel does not say.

    Examples
    --------
    >>> oom_kills(Path("/no/such")) is None
    True
    """
    found = (procfs.pairs(_text(folder / name)).get("oom_kill") for name in ("memory.events", "memory.oom_control"))
    return next((kills for kills in found if kills is not None), None)


def process_ids(folder: Path) -> list[int]:
    """List the processes of a cgroup and those below it.

    Parameters
    ----------
    folder
        The cgroup.

    Returns
    -------
    list of int
        Process ids; empty when it is gone.

    Examples
    --------
    >>> process_ids(Path("/no/such"))
    []
    """
    try:
        lists = [folder / "cgroup.procs", *folder.glob("*/**/cgroup.procs")]
    except OSError:
        return []
    # Version 2 writes 0 for a process that this namespace cannot see.
    return sorted({int(pid) for file in lists for pid in _text(file).split() if pid.isdigit() and pid != "0"})


def is_populated(folder: Path) -> bool | None:
    """Tell whether a cgroup has processes.

    Parameters
    ----------
    folder
        The cgroup.

    Returns
    -------
    bool or None
        Those of groups below count; None where it is not known.

    Examples
    --------
    >>> is_populated(Path("/no/such")) is None
    True
    """
    populated = procfs.pairs(_text(folder / "cgroup.events")).get("populated")
    if populated is not None:
        return populated > 0
    if not (folder / "cgroup.procs").exists():
        return None
    return any(_text(file).strip() for file in [folder / "cgroup.procs", *folder.glob("*/**/cgroup.procs")])


def _limit(folder: Path) -> int:
    return procfs.parse_amount(_text(folder / "memory.max")) or 0


def _unified(folder: Path) -> Path:
    """Beside version 1, version 2 may be mounted for the pressure files."""
    parts = folder.parts
    at = len(parts) - 1 - parts[::-1].index("memory") if "memory" in parts else None
    return Path(*parts[:at], "unified", *parts[at + 1 :]) if at is not None else folder


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
