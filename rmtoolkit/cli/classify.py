"""`rmtoolkit classify`: a verdict for every workload."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    from rmtoolkit import text
    from rmtoolkit.assessment import classify
    from rmtoolkit.views import exports, terminal

    streamed = _sources.stream_format(options)
    if options.output and not streamed:
        exports.check_format(options.output)
    found = _sources.assessed(options, heap=_sources.profiles(options.heap))
    rows = exports.as_told(classify(found, by=options.by), found)
    if streamed:
        _sources.stream(exports.as_bytes(rows, streamed))
        return _sources.status(found.fleet, options.fail_on)
    sys.stdout.write(
        terminal.table(
            found,
            source=_sources.shown(options.sources),
            by=options.by,
            colour=text.wants_colour(sys.stdout) and not options.no_color,
            unicode=text.has_unicode(sys.stdout),
            # Who brings a profile asks for code, which a line has no room for.
            details=options.verbose or bool(options.heap),
            width=text.columns(sys.stdout),
        )
    )
    _sources.warn_of_age(found)
    if options.output:
        _sources.say("Verdicts", exports.write(rows, options.output))
    return _sources.status(found.fleet, options.fail_on)
