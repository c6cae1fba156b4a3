"""`rmtoolkit pull`: keep a lake current from a Prometheus server."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Callable


#: Of what a server is asked for a lake takes everything, or it is said in files.
_UNUSED: Final = ("pod", "timezone", "time", "interval")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Say what the command understands."""
    command.add_argument("--prometheus", metavar="URL", required=True, help="address of the server (http://…)")
    command.add_argument(
        "-o", "--output", metavar="LAKE", required=True, help="the lake: a folder or s3://…; made if need be"
    )
    command.add_argument(
        "--overlap",
        metavar="DURATION",
        default="10m",
        help="how much of what the lake has to fetch again, for samples that came late; default 10m",
    )
    command.add_argument("--again", action="store_true", help="fetch everything, whatever was pulled before")
    _sources.add_server(
        command, last="how long before the end to begin, such as 36h; default 7d", **dict.fromkeys(_UNUSED)
    )


def run(options: argparse.Namespace) -> int:
    """Pull, and say what was pulled."""
    from rmtoolkit.lake import Lake
    from rmtoolkit.loaders.prometheus.live import server_at
    from rmtoolkit.loaders.pull import pull
    from rmtoolkit.text import count, stamp

    if threading.current_thread() is threading.main_thread():
        # A polite kill is Ctrl-C: what is in the lake is whole, and the next pull goes on.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    told = _sources.named(options)
    waiting = {"timeout_seconds": told.pop("timeout_seconds")} if "timeout_seconds" in told else {}
    with server_at(
        options.prometheus,
        token_file=options.token_file,
        tenant=options.tenant,
        ca_file=options.ca_file,
        remote_read=bool(options.remote_read),
        **waiting,
    ) as server:
        lake = Lake(options.output)
        done = pull(
            server,
            lake,
            last=options.last,
            start=options.start,
            end=options.end,
            namespace=options.namespace,
            workload=options.workload,
            step=options.step,
            **told,
            overlap=options.overlap,
            again=options.again,
            progress=_progress(),
        )
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    span = f"{stamp(done.start)} to {stamp(done.end)} UTC"
    amounts = f"{count(done.samples, 'sample')} fetched, {count(done.files, 'file')} written"
    _sources.say("Pulled", f"{options.output} ({span}; {amounts})")
    for line in lake.unfinished():
        _sources.say("Not complete", f"{line}.")
    return 0


def _progress() -> Callable[[dt.datetime, int], None] | None:
    """Say on a terminal how far it is."""
    if not sys.stderr.isatty():
        return None

    def show(until: dt.datetime, samples: int) -> None:
        print(f"\rpulled to {until:%Y-%m-%d %H:%M}, {samples:,} samples\x1b[K", end="", file=sys.stderr, flush=True)

    return show
