"""Measure a process and its children."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit.loaders import procfs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psutil

PROC: Final = Path("/proc")
#: Adding up the pages of a large process takes long and holds it up: then it is not done again.
_LONGEST_SHARE: Final = 0.05


class ProcessReader:
    """Reads processes again and again; gives up on what costs them too much.

    Parameters
    ----------
    interval_seconds
        Time between two readings.
    proc
        Where the process files are; without it, psutil tells what it can.

    Examples
    --------
    >>> import psutil
    >>> ProcessReader(1.0).read([psutil.Process()])["threads"] >= 1
    True
    """

    def __init__(self, interval_seconds: float, proc: Path = PROC) -> None:
        self._longest = _LONGEST_SHARE * interval_seconds
        self._proc = proc
        self._adds_up = True
        self._costs: deque[float] = deque(maxlen=3)
        self.notes: dict[str, None] = {}

    def read(self, processes: Iterable[psutil.Process]) -> dict[str, int]:
        """Measure processes as one.

        Parameters
        ----------
        processes
            A process and its children.

        Returns
        -------
        dict
            Signals of the samples' schema; empty when none of them is there any more.
        """
        found = [part for process in processes if (part := self._one(process))]
        return together([part for part, _ in found], [rollup for _, rollup in found], self.notes)

    def _one(self, process: psutil.Process) -> tuple[dict[str, int], dict[str, int]] | None:
        home = self._proc / str(process.pid)
        if not (self._proc / "self").exists():
            return self._elsewhere(process)
        try:
            status = procfs.parse_status((home / "status").read_text("utf-8", "replace"))
        except OSError:
            return None
        if "rss_bytes" not in status:
            # A zombie: dead, and not fetched by its parent.
            return None
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
        return procfs.parse_smaps_rollup(text)

    def _elsewhere(self, process: psutil.Process) -> tuple[dict[str, int], dict[str, int]] | None:
        import psutil  # noqa: PLC0415 - imported by whoever made the process

        try:
            with process.oneshot():
                return {"rss_bytes": process.memory_info().rss, "threads": process.num_threads()}, {}
        except psutil.Error:
            return None


def together(
    found: Sequence[Mapping[str, int]], rollups: Sequence[Mapping[str, int]], notes: dict[str, None]
) -> dict[str, int]:
    """Add up processes without counting the pages twice that they share.

    Parameters
    ----------
    found
        What `status` says of each.
    rollups
        What `smaps_rollup` says of each; empty where it could not be read.
    notes
        What a reader of the report should know is added as keys.

    Returns
    -------
    dict
        Signals. Of one process they are its own. Of several, anonymous and shared memory are sums of shares, each
        page divided by its holders; mapped files count once as far as can be seen: the larger of the sum of shares and
        the most that one of them maps. There is no peak of several.

    Examples
    --------
    >>> fork = {"rss_bytes": 50, "shmem_bytes": 0}, {"pss_anon_bytes": 15, "pss_file_bytes": 5, "pss_shmem_bytes": 0}
    >>> together([fork[0]] * 2, [{"rss_bytes": 50, "anon_bytes": 30} | fork[1]] * 2, {})["rss_bytes"]
    50
    """
    if len(found) < 2:  # noqa: PLR2004
        return {name: value for one, rollup in zip(found, rollups, strict=True)
                for name, value in procfs.process_signals(one, rollup).items()}  # fmt: skip
    threads = {"threads": sum(one.get("threads", 0) for one in found)}
    parts = [procfs.process_signals(one, rollup) for one, rollup in zip(found, rollups, strict=True)]
    if not all("pss_anon_bytes" in rollup for rollup in rollups):
        notes["several processes: pages that they share are counted for each of them"] = None
        names = ("rss_bytes", "anon_bytes", "file_bytes", "shmem_bytes", "swap_bytes")
        whole = [name for name in names if all(name in part for part in parts)]
        return {name: sum(part[name] for part in parts) for name in whole} | threads

    def share(name: str) -> int:
        return sum(rollup.get(name, 0) for rollup in rollups)

    anon, shmem = share("pss_anon_bytes"), share("pss_shmem_bytes")
    mapped = max(share("pss_file_bytes"), *(part.get("file_bytes", 0) for part in parts))
    return {
        "rss_bytes": anon + shmem + mapped,
        "anon_bytes": anon,
        "file_bytes": mapped,
        "shmem_bytes": shmem,
        "swap_bytes": share("pss_swap_bytes"),
        **threads,
    }
