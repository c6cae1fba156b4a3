"""What keeps samples for every other command: `record`, of what runs now, and `pull`, from a Prometheus server."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rmtoolkit.cli import _sources
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.text import count, memory, printable, stamp

if TYPE_CHECKING:
    import argparse
    import datetime as dt

    from rmtoolkit.loaders.record import Recorder
    from rmtoolkit.recording import Recording

_SHOWN_EVERY_SECONDS: Final = 0.5


def record(options: argparse.Namespace) -> int:
    if _sources.is_plugin() and options.pid is None and not (options.cgroup or options.command):
        options.kubectl = True
    _check(options)
    # A closed terminal as well.
    with _sources.stopped_by("SIGTERM", "SIGHUP"):
        recording = _of_cluster(options) if options.kubectl else _of_this_machine(options)
    containers, samples = recording.containers.height, recording.samples.height
    line = f"Recorded: {options.output} ({count(samples, 'sample')} of {count(containers, 'container')})"
    if not options.kubectl and recording.events.height:
        last = recording.events.row(-1, named=True)
        line += f", {printable(last['kind'])}" + (f": {printable(last['detail'])}" if last["detail"] else "")
    # What a program prints is its own: ours goes beside it.
    print(line, file=sys.stderr if options.command else sys.stdout, flush=True)
    return 0


def _check(options: argparse.Namespace) -> None:
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

    return record_kubectl(options.output, **_sources.typed(options, "one-place", "context", "interval", "duration"))


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


def pull(options: argparse.Namespace) -> int:
    from rmtoolkit.lake import Lake
    from rmtoolkit.loaders.prometheus.live import server_at
    from rmtoolkit.loaders.pull import pull

    told, shows = _sources.named(options), sys.stderr.isatty()
    waiting = {"timeout_seconds": told.pop("timeout_seconds")} if "timeout_seconds" in told else {}
    served = _sources.typed(options, "signing", "remote-read") | waiting
    told |= _sources.typed(options, "times", "namespace", "workload", "step", "overlap", "again")

    def show(until: dt.datetime, samples: int) -> None:
        _sources.progress(f"pulled to {until:%Y-%m-%d %H:%M}, {samples:,} samples")

    # What is in the lake is whole, and the next pull goes on.
    with _sources.stopped_by("SIGTERM"), server_at(options.prometheus, **served) as server:
        lake = Lake(options.output)
        done = pull(server, lake, **told, progress=show if shows else None)
    if shows:
        _sources.progress()
    span = f"{stamp(done.start)} to {stamp(done.end)} UTC"
    amounts = f"{count(done.samples, 'sample')} fetched, {count(done.files, 'file')} written"
    _sources.say("Pulled", f"{options.output} ({span}; {amounts})")
    for line in lake.unfinished():
        _sources.say("Not complete", f"{line}.")
    return 0
