"""`rmtoolkit record`: sample what runs now, into a file that every other command reads."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse

    from rmtoolkit.loaders.record import Recorder
    from rmtoolkit.recording import Recording

_SHOWN_EVERY_SECONDS: Final = 0.5


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Say what the command understands."""
    what = command.add_mutually_exclusive_group()
    what.add_argument("--pid", type=int, metavar="N", help="record this process of this machine, with its children")
    what.add_argument("--cgroup", metavar="PATH", help="record this cgroup of this machine: a container or a service")
    what.add_argument("--kubectl", action="store_true", help="record the containers of a cluster through kubectl")
    command.add_argument(
        "command",
        nargs="*",
        metavar="-- COMMAND",
        help="start this program and record it, with its children; its arguments follow",
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", metavar="NAME", help="of this namespace; without it, that of the context")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    command.add_argument("--context", metavar="NAME", help="the cluster: a context of kubectl's configuration")
    command.add_argument("--name", help="stands for workload and container of what runs on this machine")
    command.add_argument("--interval", metavar="TIME", help="time between two samples (1s; of a cluster 15s)")
    command.add_argument(
        "--duration",
        metavar="TIME",
        help="stop after so long, such as 1h; without it, when what is recorded has ended, or on Ctrl-C",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="the file: .parquet, or a lake (a folder that is one, or s3://…), which can be read while it is recorded; "
        "or of a cluster .jsonl, to which a line per answer is added, or .parquet, made of them at the end",
    )


def run(options: argparse.Namespace) -> int:
    """Record, and say what was recorded."""
    if _sources.is_plugin() and options.pid is None and not (options.cgroup or options.command):
        options.kubectl = True
    _check(options)
    # A closed terminal as well.
    with _sources.stopped_by("SIGTERM", "SIGHUP"):
        recording = _of_cluster(options) if options.kubectl else _of_this_machine(options)
    from rmtoolkit.text import count, printable

    containers, samples = recording.containers.height, recording.samples.height
    line = f"Recorded: {options.output} ({count(samples, 'sample')} of {count(containers, 'container')})"
    if not options.kubectl and recording.events.height:
        last = recording.events.row(-1, named=True)
        line += f", {printable(last['kind'])}" + (f": {printable(last['detail'])}" if last["detail"] else "")
    # What a program prints is its own: ours goes beside it.
    print(line, file=sys.stderr if options.command else sys.stdout, flush=True)
    return 0


def _check(options: argparse.Namespace) -> None:
    from rmtoolkit.exceptions import RmtoolkitError

    given = [options.pid is not None, options.cgroup is not None, options.kubectl, bool(options.command)]
    if sum(given) != 1:
        msg = "Say what to record: one of --pid N, --cgroup PATH, --kubectl, or -- COMMAND."
        raise RmtoolkitError(msg)
    ours = {"--name": options.name}
    theirs = {"-n": options.namespace, "-A": options.all_namespaces or None, "--context": options.context}
    wrong = next((name for name, value in (ours if options.kubectl else theirs).items() if value is not None), None)
    if wrong is not None:
        msg = f"{wrong} is {'not ' if options.kubectl else ''}for --kubectl."
        raise RmtoolkitError(msg)


def _of_cluster(options: argparse.Namespace) -> Recording:
    from rmtoolkit.loaders.record_kubectl import record_kubectl

    asked = {name: getattr(options, name) for name in ("namespace", "all_namespaces", "context", "duration")}
    return record_kubectl(options.output, interval=options.interval or "15s", **asked)


def _of_this_machine(options: argparse.Namespace) -> Recording:
    from rmtoolkit._tables import parse_duration
    from rmtoolkit.loaders.record import Recorder

    recorder = Recorder(
        pid=options.pid,
        command=options.command or None,
        cgroup=options.cgroup,
        interval_seconds=parse_duration(options.interval or "1s").total_seconds(),
        duration_seconds=parse_duration(options.duration).total_seconds() if options.duration else None,
        name=options.name,
        path=options.output,
    )
    with suppress(KeyboardInterrupt):
        _watch(recorder)
    return recorder.recording()


def _watch(recorder: Recorder) -> None:
    """Record to the end; on a terminal, say how it goes."""
    from rmtoolkit.text import memory

    shows = sys.stderr.isatty()
    began, shown, peak = time.monotonic(), 0.0, 0
    for number, sample in enumerate(recorder.samples(), start=1):
        now = time.monotonic()
        footprint = sample.get("working_set_bytes", sample.get("rss_bytes", 0))
        peak = max(peak, footprint)
        if shows and now - shown >= _SHOWN_EVERY_SECONDS:
            shown = now
            minutes, seconds = divmod(int(now - began), 60)
            text = f"{minutes:3}:{seconds:02}  {number:,} samples  {memory(footprint)}, peak {memory(peak)}"
            _sources.progress(text)
    if shows:
        _sources.progress()
