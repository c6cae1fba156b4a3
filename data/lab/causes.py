"""Make `data/causes` of its recorded plan: a recording for each run, the truth, and the first of each cause as answers.

Usage: ``python data/lab/causes.py out/causes/raw data/causes``
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import recorded
from export import prometheus_one_file, recording
from samples import lost_bytes

COLUMNS: tuple[str, ...] = ("recording", "run", "part", "shown", "cause", "signal", "first", "last", "lost_bytes")
#: What is counted, by the name of a run.
SIGNALS = {
    "tasks": "tasks",
    "connections": "descriptors",
    "queue": "queued",
    "exporter": "series",
    "allocator": "anon_bytes",
    "tmpfs": "shmem_bytes",
    "sockets": "kernel_bytes",
    "mapped_files": "file_mapped_bytes",
    "arenas": "free_bytes",
    "runtime": "threads",
    "startup": "anon_bytes",
}
ANSWERS = (
    *("container_memory_working_set_bytes", "container_memory_rss", "process_resident_memory_bytes"),
    *("jemalloc_allocated_bytes", "jemalloc_resident_bytes", "kube_pod_container_status_restarts_total"),
    *("kube_pod_container_resource_limits", "process_open_fds", "tokio_live_tasks_count", "queue_depth"),
    "scrape_samples_scraped",
)


def make(folder: Path, line: dict[str, Any], target: Path, taken: set[str]) -> dict[str, Any]:
    """Export one run; give its row of the truth."""
    name = line["run"]
    run = recorded.read(folder, name, time_scale=line["label"]["time_scale"])
    # On a busy machine two looks may fall into one second: the later one counts.
    frame = run.frame.unique(["container", "second"], keep="last", maintain_order=True)
    run = replace(run, frame=frame)
    workload = run.containers[0]["workload"]
    part = line["label"].get("part", "dev")
    # Some runs drew the same workload's name.
    workload += f"-{line['seed']}" if line.get("releases") or workload in taken else ""
    taken.add(workload)
    recording(run).write(target / f"{workload}.parquet")
    if (
        name.endswith("-1")
        and part == "dev"
        and name.partition("-")[0] in ("tasks", "connections", "queue", "exporter")
    ):
        prometheus_one_file(run, target / f"{workload}.json", metrics=ANSWERS, every=3)
    kind = name.partition("-")[0]
    counted = run.frame[SIGNALS[kind]].drop_nulls()
    if not len(counted):
        # An allocator with other gauges than glibc's.
        counted = run.frame["resident_bytes"].drop_nulls()
    return {
        "recording": workload,
        "run": name,
        "part": part,
        "shown": kind,
        "cause": cause_of(kind, line["label"]["cause"], run.frame),
        "signal": SIGNALS[kind],
        "first": counted[len(counted) // 5],
        "last": counted[-1],
        "lost_bytes": lost_bytes(run.frame),
    }


def cause_of(kind: str, planned: str, frame: pl.DataFrame) -> str:
    """Give the cause that was planned, unless what was measured shows none, or another; no verdict is asked."""
    if kind == "allocator" and not moved(frame):
        return ""
    # What a start needed and the allocator keeps is the allocator's.
    return "allocator" if kind == planned == "startup" and not fell(frame) else planned


def fell(frame: pl.DataFrame) -> bool:
    """Whether the memory of a start was by a quarter more than what was there at the end."""
    anon = frame["anon_bytes"].drop_nulls().to_numpy()
    return bool(anon[: len(anon) // 5].max() > 1.25 * np.median(anon[-60:]))


def moved(frame: pl.DataFrame) -> bool:
    """Whether a release raised the memory by more than a tenth and not the live heap, as the program counted it."""
    levels = [
        frame.filter(container=number).select(pl.col("anon_bytes", "live_bytes").drop_nulls().tail(60).median()).row(0)
        for number in (0, frame["container"].max())
    ]
    (anon, live), (then, live_then) = levels
    return bool(then > 1.1 * anon and abs(live_then - live) < (then - anon) / 2)


def main() -> None:
    """Export every run of the plan that was recorded; what was said of the others stays."""
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    plan = [json.loads(line) for line in (target / "plan.jsonl").read_text().splitlines()]
    plan = [line for line in plan if (folder / f"{line['run']}.parquet").exists()]
    with (target / "truth.csv").open(newline="") as file:
        # Those of real servers, too, are not of the plan.
        kept = [row for row in csv.DictReader(file) if row["run"] not in {line["run"] for line in plan}]
    taken = {row["recording"] for row in kept}
    rows = [*kept, *(make(folder, line, target, taken) for line in plan)]
    for line in (target / "pairs/plan.jsonl").read_text().splitlines():
        name = json.loads(line)["run"]
        if (folder / f"{name}.parquet").exists():
            recording(recorded.read(folder, name, time_scale=60)).write(target / f"pairs/{name}.parquet")
    with (target / "truth.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
