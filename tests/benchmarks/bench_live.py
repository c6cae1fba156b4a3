"""A live Prometheus: a week of 500 series against prometheus-api-client's frame; a week of fifty Deployments, cold.

Run: ``python tests/benchmarks/bench_live.py`` (Debian's ``prometheus``; some minutes and 8 GB, most of them for the
frame). Targets: from the address to the Recording 10 times as fast as the client's frame, in less than
600 MiB; a cold process to verdicts and limits in less than 3 s, with at most 12 requests; to limits alone in two thirds
of the time that the queries which KRR sends take by its client library, with peaks of hours in half of it. KRR itself
imports more, lists workloads and computes: it is not run here.
"""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.servers import T0, Prometheus, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

SERIES, POINTS, MINUTE = 500, 10_080, 60
DEPLOYMENTS, PODS, STEP = 50, 2, 75
WEEK = 604_800
REPEATS = 3

_OURS = """
import datetime as dt, json, pathlib, sys, time
import rmtoolkit as rm
url, start, end, way = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4] == "1"
window = {name: dt.datetime.fromtimestamp(at, dt.UTC) for name, at in (("start", start), ("end", end))}
# What has to be imported is, for a small piece.
small = rm.Prometheus(url, remote_read=way).recording(start=window["end"] - dt.timedelta(hours=1), end=window["end"])
begun, used = time.perf_counter(), time.process_time()
recording = rm.Prometheus(url, remote_read=way).recording(**window)
seconds, cpu = time.perf_counter() - begun, time.process_time() - used
peak = 1024 * int(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
print(json.dumps([seconds, cpu, peak, recording.samples.height]))
"""

_THEIRS = """
import datetime as dt, json, sys, time
from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect
url, start, end = sys.argv[1], *map(int, sys.argv[2:4])
begun, used = time.perf_counter(), time.process_time()
data = PrometheusConnect(url).custom_query_range(
    "container_memory_working_set_bytes",
    dt.datetime.fromtimestamp(start), dt.datetime.fromtimestamp(end), "60",
)
frame = MetricRangeDataFrame(data)
print(json.dumps([time.perf_counter() - begun, time.process_time() - used, 0, len(frame)]))
"""

_COLD = """
import datetime as dt, json, sys
import rmtoolkit as rm
url, start, end = sys.argv[1], *map(int, sys.argv[2:4])
window = {name: dt.datetime.fromtimestamp(at, dt.UTC) for name, at in (("start", start), ("end", end))}
recording = rm.Prometheus(url).recording(**window)
verdicts = rm.classify(recording)
limits = rm.recommend_limits(recording)
print(json.dumps([recording.samples.height, verdicts.height, limits.height]))
"""

_LIMITS = """
import datetime as dt, json, sys
import rmtoolkit as rm
url, start, end, hours = sys.argv[1], *map(int, sys.argv[2:5])
window = {name: dt.datetime.fromtimestamp(at, dt.UTC) for name, at in (("start", start), ("end", end))}
recording = rm.Prometheus(url).recording(**window, step="1h" if hours else None)
print(json.dumps([recording.samples.height, rm.recommend_limits(recording).height]))
"""

#: For each workload three queries for its pods and four for what they used, by ten threads, as KRR plans them. There is
#: no CPU here: its queries find nothing.
_KRR = """
import concurrent.futures, json, sys
from prometheus_api_client import PrometheusConnect
url, start, end, count = sys.argv[1], *map(int, sys.argv[2:5])
server, week = PrometheusConnect(url), f"{(end - start) // 60}m"
def asked(number):
    space, name = f'namespace="ns{number % 5}"', f"svc-{number}-7d4b9c8f6d"
    pods = f'{{{space},pod=~"{name}-m8rtz|{name}-q2wxk",container="app"}}'
    memory = f"max(container_memory_working_set_bytes{pods}) by (container, pod, job)[{week}:75s]"
    cpu = f"max(rate(container_cpu_usage_seconds_total{pods}[75s])) by (container, pod, job)[{week}:75s]"
    return [
        server.custom_query(query, {"time": end})
        for query in (
            f'last_over_time(kube_replicaset_owner{{{space},owner_name="svc-{number}"}}[{week}])',
            f'last_over_time(kube_pod_owner{{{space},owner_name="{name}"}}[{week}])',
            f'last_over_time(kube_pod_status_phase{{{space},pod=~"{name}-.*"}}[{week}])',
            f"max_over_time({memory})", f"count_over_time({memory})",
            f"quantile_over_time(0.95, {cpu})", f"count_over_time({cpu})",
        )
    ]
with concurrent.futures.ThreadPoolExecutor(10) as pool:
    found = list(pool.map(asked, range(count)))
print(json.dumps([sum(map(len, found)), sum(len(one[3]) for one in found)]))
"""


def walk(draw: random.Random, points: int, step: int) -> Iterator[tuple[int, int]]:
    """A working set that moves by whole pages."""
    value = 300_000_000
    for number in range(points):
        value += draw.randrange(-40_960, 40_961, 4_096)
        yield T0 + step * number, value


def week_of_series() -> list[str]:
    """A week of many containers at one minute, one metric."""
    draw = random.Random(1)  # noqa: S311 - numbers, no secrets
    made: list[str] = []
    for number in range(SERIES):
        place = {"namespace": f"ns{number % 20}", "pod": f"api-7d4b9c8f6d-{number:05d}", "container": "app"}
        labels = {**place, "id": f"/kubepods/pod{number:08x}/{number:064x}", "node": f"node-{number % 50}"}
        made += lines("container_memory_working_set_bytes", labels, walk(draw, POINTS, MINUTE))
    return made


def week_of_deployments() -> list[str]:
    """A week of fifty Deployments of two pods: memory, limits, requests, restarts, images and owners."""
    draw = random.Random(2)  # noqa: S311 - numbers, no secrets
    points = WEEK // STEP
    flat = range(T0, T0 + STEP * points, STEP)
    made: list[str] = []
    for number in range(DEPLOYMENTS):
        name = f"svc-{number}"
        above = {"namespace": f"ns{number % 5}", "job": "kube-state-metrics"}
        replica_set = f"{name}-7d4b9c8f6d"
        for suffix in ("m8rtz", "q2wxk")[:PODS]:
            place = {"namespace": above["namespace"], "pod": f"{replica_set}-{suffix}", "container": "app"}
            kubelet = {"id": f"/kubepods/{replica_set}-{suffix}", "image": f"shop/{name}:1.2", "job": "kubelet"}
            for metric in ("working_set_bytes", "rss", "cache"):
                made += lines(f"container_memory_{metric}", place | kubelet, walk(draw, points, STEP))
            known = {**place, "job": "kube-state-metrics"}
            memory = {"resource": "memory", "unit": "byte"}
            facts: list[tuple[str, dict[str, str], int]] = [
                ("resource_limits", memory, 1 << 29),
                ("resource_requests", memory, 1 << 28),
                ("status_restarts_total", {}, 0),
                ("info", {"image": f"shop/{name}:1.2"}, 1),
            ]
            for metric, more, value in facts:
                made += lines(f"kube_pod_container_{metric}", known | more, ((at, value) for at in flat))
            owner = {"pod": place["pod"], "owner_kind": "ReplicaSet", "owner_name": replica_set}
            made += lines("kube_pod_owner", above | owner, ((at, 1) for at in flat))
        owner = {"replicaset": replica_set, "owner_kind": "Deployment", "owner_name": name}
        made += lines("kube_replicaset_owner", above | owner, ((at, 1) for at in flat))
    return made


def run(script: str, server: Prometheus, end: int, *more: int) -> tuple[list[float], float, float]:
    """What a fresh process says, how long it took, and its processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    words = [sys.executable, "-c", script, server.url, *map(str, (T0, end, *more))]
    said: list[float] = json.loads(subprocess.check_output(words))
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def queries(server: Prometheus) -> int:
    """How many requests to its API the server says that it has had."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:  # noqa: S310
        text = answer.read().decode()
    found = re.findall(r'^prometheus_http_requests_total\{.*handler="/api/v1/.*"\} (\d+)', text, re.MULTILINE)
    return sum(map(int, found))


def judged(value: float, target: float, *, least: bool) -> str:
    """Whether a target is reached."""
    return "reached" if (value >= target if least else value <= target) else "MISSED"


def against_the_frame(folder: Path) -> None:
    """Print how fast a week of 500 series arrives."""
    end = T0 + MINUTE * (POINTS - 1)
    with Prometheus(folder, week_of_series()) as server:
        print(f"{SERIES} series x {POINTS:,} points from a live Prometheus; ours: best of {REPEATS}, theirs: one run")
        (theirs, their_cpu, _, rows), _, _ = run(_THEIRS, server, end)
        print(f"  MetricRangeDataFrame     {theirs:7.2f} s (CPU {their_cpu:6.2f} s), {rows:,} rows")
        target = 10
        for name, way in (("as JSON", 0), ("by remote read", 1)):
            tries = [run(_OURS, server, end, way)[0] for _ in range(REPEATS)]
            seconds, cpu, peak, samples = min(tries)
            peak = max(one[2] for one in tries)
            assert samples == SERIES * POINTS
            ratio = theirs / seconds
            print(
                f"  {name:24} {seconds:7.2f} s (CPU {cpu:6.2f} s), {ratio:5.1f} x (target {target}: "
                f"{judged(ratio, target, least=True)}), peak {peak / 2**20:.0f} MiB (target 600: "
                f"{judged(peak / 2**20, 600, least=False)})",
            )


def cold_process(folder: Path) -> None:
    """Print how long it takes from nothing to verdicts and limits."""
    end = T0 + STEP * (WEEK // STEP - 1)
    with Prometheus(folder, week_of_deployments()) as server:
        print(f"{DEPLOYMENTS} Deployments x {PODS} pods x 7 days at {STEP} s, cold process to verdicts and limits")
        tries = []
        for _ in range(REPEATS):
            before = queries(server)
            said, seconds, cpu = run(_COLD, server, end)
            tries.append((seconds, cpu, queries(server) - before, said))
        seconds, cpu, asked, (samples, verdicts, limits) = min(tries)
        print(
            f"  {seconds:.2f} s (CPU {cpu:.2f} s; target 3 s: {judged(seconds, 3, least=False)}), {asked} requests "
            f"(target 12: {judged(asked, 12, least=False)}); {samples:,} rows, {verdicts} verdicts, {limits} limits",
        )
        ways = {
            "the queries that KRR sends": (_KRR, DEPLOYMENTS),
            "limits, raw": (_LIMITS, 0),
            "limits, hours": (_LIMITS, 1),
        }
        # In turns: what disturbs one disturbs all.
        rounds = [
            {name: run(script, server, end, more) for name, (script, more) in ways.items()} for _ in range(REPEATS)
        ]
        theirs, raw, hours = (min(one[name][1:] for one in rounds) for name in ways)
        print(f"  the queries that KRR sends, by its client library: {theirs[0]:.2f} s (CPU {theirs[1]:.2f} s)")
        for name, (seconds, cpu), target in (("raw", raw, 0.67), ("with peaks of hours", hours, 0.5)):
            reached = judged(seconds / theirs[0], target, least=False)
            print(
                f"  cold to limits, {name}: {seconds:.2f} s (CPU {cpu:.2f} s), {seconds / theirs[0]:.2f} of it "
                f"(target {target}: {reached})"
            )


def main() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        cold_process(Path(folder, "deployments"))
        against_the_frame(Path(folder, "series"))


if __name__ == "__main__":
    main()
