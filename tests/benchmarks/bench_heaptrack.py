"""Measure how fast heaptrack recordings of 1 to 30 million events are read, beside heaptrack_print on the same file.

The whole profile is read each time: totals, stacks, timeline, sizes and the growth of every stack. Runs take turns, so
that what else the machine does hits all of them; the least of each counts. CPU seconds say how much work it is: the
reader unpacks in a thread of its own, so on an idle machine it takes less time than that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from tests.benchmarks.heaptrack_recording import write

EVENTS: Final = (1_000_000, 10_000_000, 30_000_000)
ROUNDS: Final = 3
MI: Final = 1 << 20
#: Reads once the small file, so that everything is imported, then the large one.
READ: Final = """
import sys, time
import rmtoolkit as rm
small, large = sys.argv[1:]
rm.read_heaptrack(small)
wall, cpu = time.perf_counter(), time.process_time()
heap = rm.read_heaptrack(large)
print(time.perf_counter() - wall, time.process_time() - cpu)
print(heap.summary.allocations, heap.summary.peak_bytes, heap.summary.live_at_end_bytes, heap.summary.temporary)
"""


class Run(NamedTuple):
    """What a process took: seconds, CPU seconds and bytes; and of a reader the reading alone."""

    wall: float
    cpu: float
    most_bytes: int
    read_wall: float
    read_cpu: float
    said: str


def run(command: list[str]) -> Run:
    """Run a command to its end."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
    if child.returncode:
        sys.exit(f"{command[0]} failed")
    cpu = usage.ru_utime + usage.ru_stime
    first, _, rest = text.partition("\n")
    times = [float(word) for word in first.split()] if command[0] == sys.executable else [wall, cpu]
    return Run(wall, cpu, usage.ru_maxrss * 1024, times[0], times[1], rest)


def main() -> None:
    """Run and print."""
    tool = shutil.which("heaptrack_print")
    if tool is None:
        sys.exit("needs heaptrack_print: apt install heaptrack")
    with tempfile.TemporaryDirectory() as name:
        for events in EVENTS:
            compare(tool, Path(name), events)


def compare(tool: str, folder: Path, events: int) -> None:
    """Read one recording with each program in turn, and print what they took."""
    small, large = folder / "small.zst", folder / "large.zst"
    # In a process of its own: what one holds when it starts another counts as that one's.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(write, small, 200_000).result()
        truth = pool.submit(write, large, events).result()
    print(f"{truth.events:,} events, {large.stat().st_size / MI:.0f} MiB packed, load {os.getloadavg()[0]:.1f}")
    commands = {
        "heaptrack_print": [tool, "-f", str(large)],
        "rm.read_heaptrack": [sys.executable, "-c", READ, str(small), str(large)],
        "rmtoolkit heap": [str(Path(sys.executable).with_name("rmtoolkit")), "heap", str(large)],
    }
    runs: dict[str, list[Run]] = {kind: [] for kind in commands}
    for _ in range(ROUNDS):
        for kind, command in commands.items():
            runs[kind].append(run(command))
    expected = f"{truth.allocations} {truth.peak_bytes} {truth.live_at_end_bytes} "
    said = runs["rm.read_heaptrack"][0].said
    if not said.startswith(expected):
        sys.exit(f"{said} instead of {expected}")
    base = [min(values) for values in zip(*(one[:2] for one in runs["heaptrack_print"]), strict=True)]
    print(f"{'':18}{'wall s':>8}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'process CPU s':>15}{'ratio':>7}{'MiB':>6}")
    for kind, several in runs.items():
        wall, cpu = min(one.read_wall for one in several), min(one.read_cpu for one in several)
        whole, most = min(one.cpu for one in several), max(one.most_bytes for one in several)
        print(
            f"{kind:18}{wall:8.2f}{wall / base[0]:7.2f}{cpu:8.2f}{cpu / base[1]:7.2f}"
            f"{whole:15.2f}{whole / base[1]:7.2f}{most / MI:6.0f}"
        )


if __name__ == "__main__":
    main()
