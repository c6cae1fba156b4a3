"""`rmtoolkit explain`: one workload, with its evidence and what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    from rmtoolkit import text
    from rmtoolkit._io import is_far
    from rmtoolkit.exceptions import RmtoolkitError, quote
    from rmtoolkit.views.explanation import CODE, explain

    if Path(options.of).exists() and not any(is_far(one) or Path(one).exists() for one in options.sources):
        msg = f"{quote(options.of)} is a file or folder. The workload comes first: rmtoolkit explain WORKLOAD SOURCE."
        raise RmtoolkitError(msg)
    found = explain(_sources.read(options), options.of, heap=_sources.profiles(options.heap))
    width, lines = text.columns(sys.stdout), []
    for line in found.summary().splitlines():
        # A query with a line break in it, or cut, cannot be copied. What goes on stands below its own column.
        indent = " " * 16 if line.startswith("  ") else CODE
        lines += [line] if line.startswith(CODE) else text.wrapped(line, width, indent=indent)
    _sources.show("\n".join(lines) + "\n")
    return _sources.DONE
