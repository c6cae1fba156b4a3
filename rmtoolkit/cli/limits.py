"""`rmtoolkit limits`: requests and limits, by their risk."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse

HELP: Final = "recommend requests and limits, by their risk"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Say what the command understands."""
    _sources.add_sources(command, fail_on=False)
    _sources.add_limits(command)
    command.add_argument(
        "-o", "--output", metavar="FILE", help="also write them: .parquet, .csv, .json, or .yaml as Kubernetes patches"
    )


def run(options: argparse.Namespace) -> int:
    """Print the limits, and write what was asked for."""
    from rmtoolkit._parallel import connected
    from rmtoolkit.assessment import recommend_limits
    from rmtoolkit.views import terminal
    from rmtoolkit.views import terminal as limits_terminal

    if options.output:
        limits_terminal.check_format(options.output)
    source = _sources.read(options)
    with connected(options.scheduler) as client:
        limits = recommend_limits(
            source, options.oom_probability, options.margins, price_per_gib_hour=options.price, client=client
        )
    unicode = terminal.has_unicode(sys.stdout)
    sys.stdout.write(limits_terminal.limits_table(limits, options.oom_probability, unicode=unicode))
    if options.output:
        containers = source.containers if _sources.is_recording(source) else source.containers()
        print(f"Limits: {limits_terminal.write(limits, containers, options.output)}")
    return _sources.DONE
