"""Judge a lake on Dask's workers: what two of them, with one polars thread each, gain over one.

Run: ``python tests/benchmarks/bench_dask.py [--containers 1000] [--lake FOLDER]``. Target: 1.6 times as fast. The
machine must be idle: a ratio of two wall times is what is measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from distributed import Client, LocalCluster

import rmtoolkit as rm
from tests.benchmarks import fleet

ROOT: Final = Path(__file__).parent.parent.parent
WEEK_SAMPLES: Final = 7 * 24 * 60
TARGET: Final = 1.6


def seconds(lake: rm.Lake, workers: int) -> float:
    """Classify a lake with so many workers; the better of two runs, when the workers are warm."""
    cluster = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
    )
    with cluster, Client(cluster) as client:
        few = lake.window(last="1d")
        rm.classify(few, client=client)
        best = float("inf")
        for _ in range(2):
            begun = time.perf_counter()
            rm.classify(lake, client=client)
            best = min(best, time.perf_counter() - begun)
    return best


def main() -> None:
    """Make a fleet, if there is none, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, default=1000)
    parser.add_argument("--lake", type=Path, help="one that is there already")
    given = parser.parse_args()
    # Workers take these from here.
    os.environ["POLARS_MAX_THREADS"] = "1"
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as name:
        lake = rm.Lake(given.lake) if given.lake else fleet.write_lake(Path(name) / "l", given.containers, WEEK_SAMPLES)
        one, two = (seconds(lake, workers) for workers in (1, 2))
    ratio = one / two
    said = "reached" if ratio >= TARGET else "MISSED"
    print(
        f"  one worker {one:.1f} s, two workers {two:.1f} s: {ratio:.2f} times as fast (target {TARGET}: {said}); "
        f"load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
