"""What `rm.record` follows: a process, a command that it starts, or a cgroup."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.loaders.procfs import cgroup_place
from rmtoolkit.loaders.record_cgroup import find_cgroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psutil


@dataclass(slots=True)
class Target:
    """What is followed.

    Attributes
    ----------
    name
        Stands for workload and container.
    asked
        In words, without the arguments of a command.
    process
        The process; None of a cgroup.
    child
        The same, where this program started it.
    folder
        Of the cgroup.
    place
        `pod` and `pod_uid`.
    started
        When it began, in seconds since 1970; None of a cgroup.

    Examples
    --------
    >>> Target("api", "process 7").folder is None
    True
    """

    name: str
    asked: str
    process: psutil.Process | None = None
    child: subprocess.Popen[bytes] | None = None
    folder: Path | None = None
    place: dict[str, str | None] = field(default_factory=dict)
    started: float | None = None


def find_target(
    pid: int | None, command: Sequence[str] | None, cgroup: str | os.PathLike[str] | None, name: str | None
) -> Target:
    """Find, or start, what is to be followed.

    Parameters
    ----------
    pid, command, cgroup, name
        As `rm.record` takes them; exactly one of the first three.

    Returns
    -------
    Target
        It.

    Raises
    ------
    RmtoolkitError
        There is no such process, program or cgroup.

    Examples
    --------
    >>> find_target(os.getpid(), None, None, "this").place["pod"] == f"this-{os.getpid()}"
    True
    """
    import psutil  # noqa: PLC0415

    if cgroup is not None:
        folder = find_cgroup(cgroup)
        place = cgroup_place(str(folder))
        called = name or place["container"] or place["pod"] or folder.name
        return Target(
            called, f"cgroup {os.fspath(cgroup)}", folder=folder, place={**place, "pod": place["pod"] or called}
        )
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
        why = (getattr(error, "strerror", None) or str(error)).lower()
        msg = f"Could not start {quote(words[0])}: {why}."
        raise RmtoolkitError(msg) from error


def processes_of(pids: Sequence[int]) -> list[psutil.Process]:
    """Find processes by their ids.

    Parameters
    ----------
    pids
        Their ids.

    Returns
    -------
    list of psutil.Process
        Those that are still there.

    Examples
    --------
    >>> len(processes_of([os.getpid(), -1]))
    1
    """
    import psutil  # noqa: PLC0415

    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error, ValueError):
            found.append(psutil.Process(pid))
    return found
