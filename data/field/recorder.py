"""Record the programs of the field corpus under load, many side by side.

Usage: ``PYTHONPATH=data/lab python data/field/recorder.py PLAN.jsonl --out FOLDER --tools FOLDER [--jobs 40]
[--only RUN …]``.

TOOLS holds the virtual environment ``py`` and ``npm/node_modules``. Nothing is installed: what is missing is named, and
its runs are left out. The files are those of `record.py` of the lab; what the load counted stands where the lab's own
services tell their truth. A run that is there already is not recorded again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from string import Template

import cgroups
from container import TRUTH, BackOff, Container
from record import Recording, Run, next_second
from software import PROGRAMS

HERE = Path(__file__).parent
FIRST_PORT, PORTS_PER_RUN = 21000, 5
#: Programs started per second; some take seconds of a processor.
STARTS_PER_SECOND = 1
#: The recorder goes first, so that it does not miss seconds; what it starts takes its turn as usual.
NICENESS = -10
_CALM = f"nice -n {-NICENESS}"
_DIES = "setpriv --pdeathsig KILL"
_SIGNALS = {"HUP": signal.SIGHUP, "USR1": signal.SIGUSR1, "TERM": signal.SIGTERM}


class Group(Container):
    """A container of several processes: when the kernel kills one of them, all end, as Kubernetes has it."""

    def step(self, now: float) -> tuple[int | float | None, ...] | None:
        """Look after the container once."""
        life = self._life
        if life is not None and (self._oom_kills() > life.kills or life.process.poll() is not None):
            self._kill_all()
            life.process.wait()
        return super().step(now)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process."""
        if self._life is not None:
            self._life.process.send_signal(number)

    def close(self, now: float) -> None:
        """End all processes and remove the cgroup."""
        self._kill_all()
        super().close(now)

    def _kill_all(self) -> None:
        if self._cgroup is None:
            return
        for _ in range(100):
            pids = (self._cgroup.folder / "cgroup.procs").read_text().split()
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            if self._life is not None:
                self._life.process.poll()
            time.sleep(0.01)


class Driver:
    """The load on one replica, and what it last said."""

    def __init__(self, run: Run, setup: Setup) -> None:
        self._pending, self.said = b"", [0, 0, 0]
        entries = {"seed": run.seed + setup.replica, "window": run.window_seconds, "folder": str(setup.folder)}
        entries |= {"port": setup.port} | json.loads(run.components[0])
        self._process = subprocess.Popen(
            [*_CALM.split(), sys.executable, str(HERE / "load.py"), json.dumps(entries)],
            stdout=subprocess.PIPE,
            stderr=(setup.folder / "load.log").open("wb"),
            stdin=subprocess.DEVNULL,
        )
        if self._process.stdout:
            os.set_blocking(self._process.stdout.fileno(), False)

    def read(self) -> list[int]:
        """Take the last whole line."""
        if self._process.stdout:
            self._pending += self._process.stdout.read() or b""
        *lines, self._pending = self._pending.split(b"\n")
        if lines:
            self.said = [int(word) for word in lines[-1].split()]
        return self.said

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class FieldRun(Recording):
    """A run of a program while it is recorded, with a load beside each replica."""

    def __init__(
        self, run: Run, setups: list[Setup], layout: cgroups.Layout, out: Path, work: Path, epoch: int
    ) -> None:
        self._setups, self._signals = setups, 0
        super().__init__(run, Path(), layout, out, work, epoch)
        self._loads = [Driver(run, setup) for setup in setups]

    def _container(self, pod: str, replica: int, version: int) -> Container:  # noqa: ARG002 - each release is the same
        program, fill = self._setups[replica].program, self._setups[replica].fill
        log = "2>>log" if "<" in program.command else ">>log 2>&1"
        return Group(
            ["/bin/sh", "-c", f"cd {self._setups[replica].folder}; exec {_CALM} {_DIES} {fill(program.command)} {log}"],
            {"PATH": "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin"}
            | {name: fill(value) for name, value in program.environment.items()},
            name=pod,
            layout=self._layout,
            limit_bytes=self.run.limit_bytes,
            back_off=BackOff(self.run.back_off_scale),
        )

    def step(self, now: float) -> bool:
        """Measure once, with what the loads have counted."""
        before = len(self._rows)
        over = super().step(now)
        second = int(now - self.epoch)
        planned = self.run.label["signal"]
        # A second that was missed is made up for; a restart comes once.
        if planned and second // planned[1] > self._signals and not (self._signals and planned[0] == "TERM"):
            self._signals = second // planned[1]
            for pod in self._pods:
                if pod.alive and isinstance(pod.container, Group):
                    pod.container.signal(_SIGNALS[planned[0]])
        for place, row in enumerate(self._rows[before:], start=before):
            load = self._loads[self._pods[row[0]].replica]
            self._rows[place] = (*row[: -len(TRUTH)], *self._counted(load, second))
        return over

    def _counted(self, load: Driver, second: int) -> tuple[int | None, ...]:
        """Give the lab's columns of truth as far as the load knows them: items times what one takes by plan."""
        work, items, thousandths, *gauges = load.read()
        label = self.run.label
        stored = items * label["item_bytes"]
        dead = stored if label["leak"] else 0
        told = (second, second, stored, dead, 0, 0, work, thousandths, *gauges)
        return (*told, *[None] * (len(TRUTH) - len(told)))

    def _over(self, second: int) -> bool:
        return second >= self.run.window_seconds + self.run.after_seconds

    @property
    def ports(self) -> list[int]:
        """First of the ports of each replica."""
        return [setup.port for setup in self._setups]

    def told(self) -> str:
        """Say in a line what came of it."""
        kinds = [event.kind for pod in self._pods for event in pod.container.events]
        label = self.run.label
        level = self._rows[-1][3 + cgroups.SIGNALS.index("working_set_bytes")] >> 20 if self._rows else 0
        return (
            f"{self.run.run} {label['shape']}, {label['use']}: {len(self._rows)} samples, "
            f"{kinds.count('oom_kill')} kills, {kinds.count('error')} errors, "
            f"work {self._loads[0].said[0]}, items {self._loads[0].said[1]}, {level} MiB"
        )

    def close(self) -> None:
        """End everything and remove the folder."""
        for load in self._loads:
            load.close()
        super().close()
        for setup in reversed(self._setups):
            setup.remove(keep=self._out / f"{self.run.run}.txt")


class Setup:
    """The folder, ports and files of a replica, made before it starts."""

    def __init__(self, run: Run, replica: int, work: Path, tools: Path, port: int) -> None:
        self.replica, self.port = replica, port
        self.program = PROGRAMS[run.label["shape"]]
        self.folder = work / f"{run.run}-{replica}.d"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o777)
        self.folder.chmod(0o777)  # some daemons become a user of their own
        ports = dict(
            zip(("port", "origin", "other", "third", "fourth"), range(port, port + PORTS_PER_RUN), strict=True)
        )
        self._values = {name: str(value) for name, value in ports.items()} | {
            "dir": str(self.folder),
            "here": str(HERE / "hosted"),
            "py": str(tools / "py/bin"),
            "npm": str(tools / "npm"),
        }
        self._values |= {
            name: Template(value).safe_substitute(self._values)
            for name, value in (self.program.settings | run.label["settings"]).items()
        }
        for name, text in self.program.files.items():
            (self.folder / name).write_text(self.fill(text))
        self.before = subprocess.Popen(
            ["/bin/sh", "-c", self.fill(self.program.before) or "true"],
            stdin=subprocess.DEVNULL, stdout=(self.folder / "before.log").open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def fill(self, text: str) -> str:
        """Fill in ports, folders and settings."""
        return Template(text).safe_substitute(self._values)

    def remove(self, keep: Path) -> None:
        """Remove the folder; the ends of its logs stay."""
        logs = [self.folder / name for name in ("before.log", "log", "load.log")]
        keep.write_text("\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists()))
        shutil.rmtree(self.folder, ignore_errors=True)


def missing(package: str, tools: Path) -> bool:
    """Whether a package is not installed."""
    registry, _, name = package.partition(":")
    if registry == "apt":
        return subprocess.run(["dpkg", "-s", name], capture_output=True, check=False).returncode != 0
    if registry == "pip":
        return not any(tools.glob(f"py/lib/python*/site-packages/{name.replace('-', '_')}-*.dist-info"))
    return not ((name == "node" and shutil.which("node")) or (tools / "npm/node_modules" / name).exists())


def record(plan: list[Run], out: Path, tools: Path, *, jobs: int) -> None:
    """Record all runs of a plan that are not there yet and whose packages are."""
    out.mkdir(parents=True, exist_ok=True)
    needed = {package for run in plan for package in PROGRAMS[run.label["shape"]].packages}
    lacking = {package for package in sorted(needed) if missing(package, tools)}
    if lacking:
        print(f"Not installed, so their runs are left out: {' '.join(sorted(lacking))}", file=sys.stderr)
    pending = deque(
        run for run in plan
        if not (out / f"{run.run}.parquet").exists() and not lacking & set(PROGRAMS[run.label["shape"]].packages)
    )  # fmt: skip
    layout = cgroups.find()
    if not layout.version:
        sys.exit("No memory cgroup can be made here: be root, with a writable cgroup file system.")
    ports = deque(range(FIRST_PORT, FIRST_PORT + 2 * PORTS_PER_RUN * (jobs + 1), PORTS_PER_RUN))
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    preparing: list[tuple[Run, list[Setup]]] = []
    active: list[FieldRun] = []
    work = Path(tempfile.mkdtemp(prefix="rmfield-"))
    work.chmod(0o755)
    try:
        while active or pending or preparing:
            if pending and len(active) + len(preparing) < jobs:
                run = pending.popleft()
                setups = [Setup(run, it, work, tools.absolute(), ports.popleft()) for it in range(run.replicas)]
                preparing.append((run, setups))
            ready = [pair for pair in preparing if all(setup.before.poll() is not None for setup in pair[1])]
            for run, setups in ready[:STARTS_PER_SECOND]:
                preparing.remove((run, setups))
                active.append(FieldRun(run, setups, layout, out, work, int(time.time()) + 1))
            for ended in next_second(active):
                ports.extend(ended.ports)
                print(f"{ended.told()}, {len(active)} active, {len(pending)} to come", flush=True)
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
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--only", nargs="*", help="names of runs or of programs")
    parser.add_argument(
        "--try", dest="seconds", type=int, help="record so many seconds of each, to see whether it works"
    )
    given = parser.parse_args()
    plan = [Run.parse(line) for line in given.plan.read_text().splitlines() if line.strip()]
    if given.only:
        plan = [run for run in plan if {run.run, run.label["shape"]} & set(given.only)]
    if given.seconds:
        plan = [replace(run, window_seconds=given.seconds, after_seconds=0) for run in plan]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    record(plan, given.out, given.tools, jobs=given.jobs)


if __name__ == "__main__":
    main()
