"""Record many runs of the lab side by side.

Usage: ``python data/lab/record.py PLAN.jsonl --out FOLDER [--jobs 64] [--only RUN …]``

A plan has a JSON object per line, one per run (see `Run`), with its label inside: what is true of a run is
written down before it starts. Each finished run leaves ``RUN.parquet`` (a row per container and second) and
``RUN.json`` (plan, containers, events). A run that is there already is not recorded again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import build
import cgroups
import names
import polars as pl
from container import ROW, BackOff, Container, find_library

#: Samples are taken this far into each second, when the services have done their work and sleep.
SAMPLE_PHASE_SECONDS = 0.7
#: Services started per second: many at once would disturb those that run.
STARTS_PER_SECOND = 4
#: A rollout replaces one replica after the other, so many seconds apart.
ROLLOUT_SECONDS = 3

SCHEMA = pl.Schema(
    {"container": pl.UInt32(), "time": pl.Datetime("ms", "UTC"), "scraped": pl.Boolean()}
    | {name: pl.Float64() if name.startswith("psi_") else pl.Int64() for name in ROW},
)


@dataclass(frozen=True, slots=True)
class Run:
    """What is recorded: a line of the plan.

    Attributes
    ----------
    run
        Its name; also the name of its files.
    seed
        Of everything random in it, labels too.
    components
        The behaviour, in the words of the service's command line.
    allocator
        ``glibc``, ``jemalloc`` or ``mimalloc`` (preloaded), or ``jemalloc_static``.
    stack
        Whether the service is the one with components on Tokio.
    native
        Whether it runs beside the cgroups, as on a laptop: only its process is recorded.
    environment
        Settings such as ``MALLOC_CONF``.
    allocators, environments
        The same of each release, the first one included, where they change.
    limit_bytes, request_bytes
        Of each container; no limit when null.
    window_seconds
        What the recording shows.
    after_seconds
        How much longer it may go on, unseen, until every leaking container meets its limit.
    replicas
        Pods side by side; each has its own process and cgroup.
    releases
        Seconds at which the next version is rolled out.
    gaps
        Pairs of seconds between which nothing is scraped.
    quota_cores, node_cores
        Cores that each container may use, and those of the machine that it stands for: only told, nothing holds it
        to them. Threads and arenas are as many as the components and the environment say.
    pod
        Whether the limit is that of the pod, and each life has a cgroup of its own in it, as in Kubernetes: what an
        earlier life left on a tmpfs then counts for the pod, not for the container that runs.
    back_off_scale
        Recorded seconds per second of the kubelet's back-off.
    statistics
        ``{"every": seconds, "form": "text" | "json"}`` to keep a log of jemalloc's own statistics.
    label
        Class, intended truth and whatever else the plan's author wants beside the data.
    """

    run: str
    seed: int
    components: list[str]
    allocator: str = "glibc"
    stack: bool = False
    native: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    allocators: list[str] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    limit_bytes: int | None = None
    request_bytes: int | None = None
    window_seconds: int = 600
    after_seconds: int = 0
    replicas: int = 1
    releases: list[int] = field(default_factory=list)
    gaps: list[list[int]] = field(default_factory=list)
    quota_cores: float | None = None
    node_cores: int | None = None
    pod: bool = False
    back_off_scale: float = 1.0
    statistics: dict[str, Any] | None = None
    label: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: str) -> Run:
        """Read a line of a plan."""
        values = json.loads(line)
        unknown = set(values) - {part.name for part in fields(cls)}
        if unknown:
            msg = f"run {values.get('run')!r} has unknown entries: {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        return cls(**values)


@dataclass(slots=True)
class Pod:
    """A container and the labels of the pod that it is in."""

    container: Container
    pod: str
    pod_uid: str
    version: int
    replica: int
    alive: bool = True


class Recording:
    """A run while it is recorded."""

    def __init__(self, run: Run, program: Path, layout: cgroups.Layout, out: Path, work: Path, epoch: int) -> None:
        self.run = run
        self._program = program
        self.epoch = epoch
        self._layout = layout
        self._out = out
        self._work = work / run.run
        self._shared = Path(tempfile.gettempdir() if not Path("/dev/shm").is_dir() else "/dev/shm") / f"rmlab-{run.run}"  # noqa: S108
        self._names = names.draw(run.seed)
        self._random = Random(f"pods/{run.seed}")
        self._rows: list[tuple[Any, ...]] = []
        self._pods: list[Pod] = []
        self._releases = deque(enumerate(run.releases, start=2))
        self._rollout: deque[tuple[int, int, int]] = deque()
        self._log = out / f"{run.run}.log"
        for folder in (self._work, self._shared):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._log.unlink(missing_ok=True)
        for replica in range(run.replicas):
            self._add(replica, 1, float(epoch))

    def _add(self, replica: int, version: int, now: float) -> None:
        pod = f"{self._names.replica_set(self.run.seed, version)}-{names.suffix(self._random)}"
        bits = f"{self._random.getrandbits(128):032x}"
        container = self._container(pod, replica, version)
        self._pods.append(
            Pod(container, pod, f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}", version, replica),
        )
        container.start(now)

    def _container(self, pod: str, replica: int, version: int) -> Container:
        """Make the container of a pod, with the command that it runs."""
        run = self.run
        environment = dict(run.environments[version - 1] if run.environments else run.environment)
        allocator = run.allocators[version - 1] if run.allocators else run.allocator
        if allocator in ("jemalloc", "mimalloc"):
            environment["LD_PRELOAD"] = str(find_library(f"lib{allocator}"))
        options = {
            "seed": run.seed,
            "epoch": self.epoch,
            "version": version,
            "replica": replica,
            "directory": self._work,
            "shared": self._shared,
        }
        if run.statistics:
            options |= {
                "stats": self._log,
                "stats-every": run.statistics["every"],
                "stats-form": run.statistics["form"],
            }
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        return Container(
            [str(self._program), *words, *run.components],
            environment,
            name=f"{self._names.namespace}_{pod}_{self._names.container}",
            layout=self._layout,
            limit_bytes=run.limit_bytes,
            back_off=BackOff(run.back_off_scale),
            pod=run.pod,
        )

    def step(self, now: float) -> bool:
        """Measure once; returns whether the run has come to its end."""
        second = int(now - self.epoch)
        while self._releases and self._releases[0][1] <= second:
            version, at = self._releases.popleft()
            self._rollout.extend(
                (at + replica * ROLLOUT_SECONDS, replica, version) for replica in range(self.run.replicas)
            )
        while self._rollout and self._rollout[0][0] <= second:
            _, replica, version = self._rollout.popleft()
            for pod in self._pods:
                if pod.replica == replica and pod.alive:
                    pod.container.close(now)
                    pod.alive = False
            self._add(replica, version, now)
        scraped = not any(start <= second < end for start, end in self.run.gaps)
        stamp = int(now * 1000)
        for index, pod in enumerate(self._pods):
            if pod.alive:
                row = pod.container.step(now)
                if row is not None:
                    self._rows.append((index, stamp, scraped, *row))
        return self._over(second)

    def _over(self, second: int) -> bool:
        run = self.run
        # What a label calls the future is watched in any case.
        if second < run.window_seconds + run.label.get("future_seconds", 0):
            return False
        if second >= run.window_seconds + run.after_seconds:
            return True
        # Only the replica that leaks, if the plan names one, must meet its limit after the window.
        only = run.label.get("leaking_replica")
        end = self.epoch + run.window_seconds
        return all(
            any(event.kind == "oom_kill" and event.time > end for event in pod.container.events)
            for pod in self._pods
            if pod.alive and only in (None, pod.replica)
        )

    def close(self) -> None:
        """End all processes and remove their cgroups and files."""
        now = time.time()
        for pod in self._pods:
            if pod.alive:
                pod.container.close(now)
                pod.alive = False
        for folder in (self._work, self._shared):
            shutil.rmtree(folder, ignore_errors=True)

    def save(self) -> None:
        """Write what was recorded, whole or not at all."""
        frame = pl.DataFrame(
            [list(column) for column in zip(*self._rows, strict=True)] if self._rows else [],
            schema=SCHEMA,
            strict=False,
        )
        about = {
            "plan": asdict(self.run),
            "epoch": self.epoch,
            "measured_with": str(self._layout),
            "containers": [
                {
                    **asdict(self._names),
                    "replica_set": self._names.replica_set(self.run.seed, pod.version),
                    "pod": pod.pod,
                    "pod_uid": pod.pod_uid,
                    "version": pod.version,
                    "replica": pod.replica,
                    "restarts": pod.container.restarts,
                    "events": [asdict(event) for event in pod.container.events],
                }
                for pod in self._pods
            ],
        }
        target = self._out / f"{self.run.run}.parquet"
        frame_part = self._out / f"{self.run.run}.parquet.part"
        frame.write_parquet(frame_part, compression="zstd")
        part = self._out / f"{self.run.run}.json.part"
        part.write_text(json.dumps(about, indent=1))
        part.replace(self._out / f"{self.run.run}.json")
        frame_part.replace(target)


def _program(allocator: str, out: Path, *, stack: bool) -> Path:
    if stack:
        return build.build_stack(out.absolute().parent / "bin")
    archive = find_library("libjemalloc_pic", "a") if allocator == "jemalloc_static" else None
    return build.build(out.parent / "bin", jemalloc_archive=archive)


One = TypeVar("One", bound=Recording)


def next_second(active: list[One]) -> list[One]:
    """Wait for the next second, take its samples, and store the runs that have ended; they are no longer active."""
    time.sleep((SAMPLE_PHASE_SECONDS - time.time()) % 1.0)
    now = time.time()
    ended = [recording for recording in active if now >= recording.epoch and recording.step(now)]
    for recording in ended:
        recording.close()
        recording.save()
        active.remove(recording)
    return ended


def record(plan: list[Run], out: Path, *, jobs: int = 64) -> None:
    """Record all runs of a plan that are not there yet.

    Parameters
    ----------
    plan
        The runs.
    out
        Folder of the results.
    jobs
        How many run side by side.
    """
    out.mkdir(parents=True, exist_ok=True)
    pending = deque(run for run in plan if not (out / f"{run.run}.parquet").exists())
    layout = cgroups.find()
    if not layout.version:
        print(
            "No memory cgroup can be made here: only processes are recorded, and no limit kills them.", file=sys.stderr
        )
    # Compiled before the first second is recorded: a compiler would hold everything up.
    kinds = {(run.allocator, run.stack) for run in pending}
    programs = {kind: _program(kind[0], out, stack=kind[1]) for kind in kinds}
    active: list[Recording] = []
    work = Path(tempfile.mkdtemp(prefix="rmlab-"))
    try:
        while active or pending:
            now = time.time()
            for _ in range(min(STARTS_PER_SECOND, jobs - len(active), len(pending))):
                run = pending.popleft()
                where = cgroups.Layout(0) if run.native else layout
                active.append(Recording(run, programs[run.allocator, run.stack], where, out, work, int(now) + 1))
            for ended in next_second(active):
                print(f"{ended.run.run} done, {len(active)} active, {len(pending)} to come", flush=True)
    finally:
        for recording in active:
            recording.close()
        shutil.rmtree(work, ignore_errors=True)
        cgroups.remove(layout)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--only", nargs="*", help="names of runs")
    given = parser.parse_args()
    plan = [Run.parse(line) for line in given.plan.read_text().splitlines() if line.strip()]
    if given.only:
        plan = [run for run in plan if run.run in given.only]
    # Both a polite kill and Ctrl-C end here, so that everything is cleaned up without a traceback.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    record(plan, given.out, jobs=given.jobs)


if __name__ == "__main__":
    main()
