"""`rmtoolkit record`: sample what runs now, into a file that every other command reads."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Say what the command understands.

    Parameters
    ----------
    command
        Its parser.

    Examples
    --------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> parser.parse_args(["--kubectl", "-A", "-o", "week.jsonl"]).output
    'week.jsonl'
    """
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--kubectl", action="store_true", help="record the containers of a cluster through kubectl")
    where = command.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", metavar="NAME", help="of this namespace; without it, that of the context")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    command.add_argument("--context", metavar="NAME", help="the cluster: a context of kubectl's configuration")
    command.add_argument("--interval", metavar="TIME", default="15s", help="time between two samples (default 15s)")
    command.add_argument("--duration", metavar="TIME", help="stop after so long, such as 1h; without it, on Ctrl-C")
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="the file: .jsonl, to which a line per answer is added, or .parquet, made of them at the end",
    )


def run(options: argparse.Namespace) -> int:
    """Record, and say what was recorded.

    Parameters
    ----------
    options
        What was asked.

    Returns
    -------
    int
        The exit status, 0.

    Examples
    --------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> run(parser.parse_args(["--kubectl", "-o", "week.txt"]))
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: Could not write 'week.txt': the name must end in .jsonl, .ndjson, ...
    """
    from rmtoolkit.loaders.kubectl_record import record_kubectl
    from rmtoolkit.text import count

    with _stopped_by_kill():
        recording = record_kubectl(
            options.output,
            namespace=options.namespace,
            all_namespaces=options.all_namespaces,
            context=options.context,
            interval=options.interval,
            duration=options.duration,
        )
    containers, samples = recording.containers.height, recording.samples.height
    print(f"Recorded: {options.output} ({count(samples, 'sample')} of {count(containers, 'container')})")
    sys.stdout.flush()
    return 0


@contextmanager
def _stopped_by_kill() -> Iterator[None]:
    """Take a polite kill, as of systemd or `timeout`, for Ctrl-C: the recording ends, and is whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
