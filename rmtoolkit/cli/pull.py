"""`rmtoolkit pull`: keep a lake current from a Prometheus server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse
    import datetime as dt


def run(options: argparse.Namespace) -> int:
    from rmtoolkit.lake import Lake
    from rmtoolkit.loaders.prometheus.live import server_at
    from rmtoolkit.loaders.pull import pull
    from rmtoolkit.text import count, stamp

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
