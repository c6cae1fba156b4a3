"""`rmtoolkit heap`, and `--heap` of the commands that judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_HEAP_HELP = (
    "a heap profile of the workload, as WORKLOAD=FILE where there are several workloads; several files of one workload "
    "are pictures in the order in which they were taken"
)


def add_heap(command: argparse.ArgumentParser) -> None:
    """Add the option that gives a heap profile to a verdict.

    Parameters
    ----------
    command
        A command that judges.

    Examples
    --------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_heap(parser)
    >>> parser.parse_args(["--heap", "api=a.zst", "--heap", "b.zst"]).heap
    ['api=a.zst', 'b.zst']
    """
    command.add_argument("--heap", action="append", default=[], metavar="[WORKLOAD=]FILE", help=_HEAP_HELP)


def profiles(given: Sequence[str]) -> list[str] | dict[str, list[str]] | None:
    """Sort the files of `--heap` by workload.

    Parameters
    ----------
    given
        As on the command line.

    Returns
    -------
    list of str, dict of str to list of str, or None
        As `rmtoolkit.classify` takes it.

    Raises
    ------
    RmtoolkitError
        Some name a workload and some do not.

    Examples
    --------
    >>> profiles(["api=a.zst", "api=b.zst", "web=c.zst"]), profiles(["a.zst"]), profiles([])
    ({'api': ['a.zst', 'b.zst'], 'web': ['c.zst']}, ['a.zst'], None)
    """
    from rmtoolkit.exceptions import RmtoolkitError, quote  # noqa: PLC0415 - the command line imports this for its help

    named: dict[str, list[str]] = {}
    alone: list[str] = []
    for one in given:
        workload, equals, file = one.partition("=")
        # A file may have such a sign in its name.
        if not equals or not workload or Path(one).exists():
            alone.append(one)
        else:
            named.setdefault(workload, []).append(file)
    if named and alone:
        msg = f"--heap {quote(alone[0])} names no workload, and others do. Hint: --heap WORKLOAD=FILE for each."
        raise RmtoolkitError(msg)
    return named or alone or None
