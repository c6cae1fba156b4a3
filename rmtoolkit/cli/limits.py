"""`rmtoolkit limits`: requests and limits, by their risk."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    from rmtoolkit import text
    from rmtoolkit.views import terminal

    streamed = _sources.stream_format(options)
    if options.output and not streamed:
        terminal.check_format(options.output)
    found = _sources.assessed(
        options, margins=options.margins, oom_probability=options.oom_probability, prices=_sources.prices(options)
    )
    if streamed:
        _sources.stream(terminal.as_bytes(found, streamed))
        return _sources.DONE
    sys.stdout.write(terminal.limits_table(found, unicode=text.has_unicode(sys.stdout), width=text.columns(sys.stdout)))
    _sources.warn_of_age(found)
    if options.output:
        _sources.say("Limits", terminal.write(found, options.output))
    return _sources.DONE
