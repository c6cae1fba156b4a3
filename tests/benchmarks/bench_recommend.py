"""Time limits for a fleet: 28 days at 5 minutes, stored sorted in Parquet, in a process of its own."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.fleet import write

FIVE_MINUTES_MS = 300_000
SAMPLES = 28 * 24 * 12


def one(path: str, what: str) -> None:
    """Do one of the two, and print what it took."""
    import rmtoolkit as rm

    recording = rm.read(path)
    begin, used = time.perf_counter(), time.process_time()
    rows = rm.recommend_limits(recording).height if what == "recommend" else rm.learn_margins(recording).tables.height
    took = {
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - used,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "rows": rows,
    }
    print(json.dumps(took))


def main() -> None:
    """Generate, and measure both in fresh processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--containers", type=int, default=1000, help="10000 is a large fleet, and takes minutes to make"
    )
    parser.add_argument("--one", nargs=2, metavar=("PATH", "WHAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = write(
            Path(folder) / "fleet.parquet", options.containers, SAMPLES, cadence_ms=FIVE_MINUTES_MS, replicas=2
        )
        for what in ("recommend", "learn"):
            done = subprocess.run(
                [sys.executable, __file__, "--one", str(path), what], check=True, capture_output=True, text=True
            )
            took = json.loads(done.stdout)
            print(
                f"{what:9} {options.containers} containers × {SAMPLES} samples: {took['seconds']:.1f} s, "
                f"CPU {took['cpu_seconds']:.1f} s, peak {took['peak_gib']:.2f} GiB, {took['rows']} rows"
            )


if __name__ == "__main__":
    main()
