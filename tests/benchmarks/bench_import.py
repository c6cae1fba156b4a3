"""Measure how long `import rmtoolkit` and `rmtoolkit --help` take, as whole processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

REPEAT = 7
RUNS = (
    ("python -c pass", [sys.executable, "-c", "pass"], None),
    ("import rmtoolkit", [sys.executable, "-c", "import rmtoolkit"], 0.2),
    ("rmtoolkit --help", [str(Path(sys.executable).with_name("rmtoolkit")), "--help"], 0.4),
)


def seconds(command: list[str]) -> float:
    """Time one process from start to end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Run and print; the first run of each fills the file cache and is not counted."""
    for name, command, target in RUNS:
        seconds(command)
        median = statistics.median(seconds(command) for _ in range(REPEAT))
        print(f"{name:20} {median:6.3f} s, median of {REPEAT}" + (f" (target {target} s)" if target else ""))


if __name__ == "__main__":
    main()
