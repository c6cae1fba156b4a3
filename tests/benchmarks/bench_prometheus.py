"""A saved answer of twelve labels a series, read into a Recording, against prometheus-api-client's frame.

Run: ``python tests/benchmarks/bench_prometheus.py``. Targets: 20 times as fast; in fresh processes, imports and all, 25
times as fast with 3 M samples; memory that grows with the samples only. Processor time is compared too: it tells the
same on a busy machine.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import rmtoolkit as rm

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = 10_080
SERIES = 200
REPEATS = 5
TARGET = 20
#: Series of a saved answer with 3 M samples, for fresh processes.
FRESH = 300
FRESH_TARGET = 25


def answer(series: int) -> bytes:
    """A week of a working set at one minute, as `query_range` writes it."""
    draw = random.Random(1).randrange  # noqa: S311 - numbers, no secrets
    found = []
    for number in range(series):
        labels = {
            "__name__": "container_memory_working_set_bytes",
            "container": "app",
            "endpoint": "https-metrics",
            "id": f"/kubepods/burstable/pod{number:08x}-1111-2222-3333-444444444444/{number:064x}",
            "image": f"registry.example/shop/api:{number % 7}",
            "instance": f"10.0.0.{number % 200}:10250",
            "job": "kubelet",
            "metrics_path": "/metrics/cadvisor",
            "name": f"{number:064x}",
            "namespace": f"ns{number % 20}",
            "node": f"node-{number % 200}",
            "pod": f"api-7d4b9c8f6d-{number:05d}",
        }
        value = 300_000_000
        pairs = []
        for minute in range(POINTS):
            value += draw(-40_960, 40_960)
            pairs.append(f'[{1_795_000_000 + 60 * minute},"{value}"]')
        found.append(f'{{"metric":{json.dumps(labels, separators=(",", ":"))},"values":[{",".join(pairs)}]}}')
    return f'{{"status":"success","data":{{"resultType":"matrix","result":[{",".join(found)}]}}}}'.encode()


def best(task: Callable[[], object], repeats: int) -> float:
    """The shortest of several runs, in seconds: the others were disturbed."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        task()
        times.append(time.perf_counter() - begun)
    return min(times)


def their_frame(file: Path) -> object:
    """What a notebook does with prometheus-api-client and a saved answer."""
    from prometheus_api_client import MetricRangeDataFrame

    return MetricRangeDataFrame(json.loads(file.read_bytes())["data"]["result"])


_OURS = "import sys, rmtoolkit as rm; rm.read_prometheus(sys.argv[1])"
_THEIRS = (
    "import json, pathlib, sys; from prometheus_api_client import MetricRangeDataFrame; "
    "MetricRangeDataFrame(json.loads(pathlib.Path(sys.argv[1]).read_bytes())['data']['result'])"
)


def fresh(script: str, file: Path) -> tuple[float, float]:
    """How long a fresh process takes, and its processor time."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", script, str(file)], check=True)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def against_fresh(file: Path) -> None:
    """Print how two fresh processes compare, several times, the best of each."""
    file.write_bytes(answer(FRESH))
    ours, theirs = (
        [min(column) for column in zip(*[fresh(script, file) for _ in range(repeats)], strict=True)]
        for script, repeats in ((_OURS, REPEATS), (_THEIRS, 2))
    )
    for what, mine, other in zip(("seconds", "processor seconds"), ours, theirs, strict=True):
        said = "reached" if other / mine >= FRESH_TARGET else "MISSED"
        print(
            f"  fresh process, {FRESH * POINTS / 1e6:.1f} M samples: {mine:.2f} {what} beside {other:.2f}, "
            f"{other / mine:.1f} x  (target {FRESH_TARGET}: {said})",
        )


def peak_bytes(file: Path) -> int:
    """Peak resident memory of a fresh process that reads the file."""
    script = (
        "import pathlib, sys, rmtoolkit as rm; rm.read_prometheus(sys.argv[1]); "
        "print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    return 1024 * int(subprocess.check_output([sys.executable, "-c", script, str(file)]))


def main() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "answer.json")
        file.write_bytes(answer(SERIES))
        samples = SERIES * POINTS
        megabytes = file.stat().st_size / 1e6
        print(f"{SERIES} series x {POINTS:,} samples, {megabytes:.0f} MB; best of {REPEATS}, theirs of 2")
        theirs = best(lambda: their_frame(file), 2)
        print(f"  {'MetricRangeDataFrame':32} {theirs:8.3f} s  {samples / theirs / 1e6:6.2f} M samples/s")
        rm.read_prometheus(file)  # imports what it needs
        ours = best(lambda: rm.read_prometheus(file), REPEATS)
        said = "reached" if theirs / ours >= TARGET else "MISSED"
        print(
            f"  {'read_prometheus':32} {ours:8.3f} s  {samples / ours / 1e6:6.2f} M samples/s  "
            f"{theirs / ours:6.1f} x  (target {TARGET}: {said})",
        )
        against_fresh(file)
        before = None
        for series in (SERIES // 2, SERIES, 2 * SERIES):
            file.write_bytes(answer(series))
            peak = peak_bytes(file)
            grown = (
                ""
                if before is None
                else f", {(peak - before[1]) / (series - before[0]) / POINTS:.0f} bytes a sample more"
            )
            print(f"  peak memory of {series * POINTS / 1e6:.1f} M samples: {peak / 1e6:.0f} MB{grown}")
            before = (series, peak)


if __name__ == "__main__":
    main()
