"""`rmtoolkit alerts`: rules for Prometheus that watch what was judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse

_YAML: Final = (".yaml", ".yml")


def run(options: argparse.Namespace) -> int:
    import os

    from rmtoolkit._io import check_target, write_whole
    from rmtoolkit.exceptions import RmtoolkitError
    from rmtoolkit.views import alerts

    streamed = options.output == "-"
    if streamed and options.tests:
        msg = "--tests names the file of the rules. Hint: -o rules.yaml."
        raise RmtoolkitError(msg)
    wanted = ((None if streamed else options.output, _YAML), (options.tests, _YAML), (options.dashboard, (".json",)))
    for path, endings in wanted:
        if path:
            check_target(path, endings)
    found = _sources.assessed(options)
    rules = alerts.rules(found).encode()
    if streamed:
        _sources.stream(rules)
    else:
        _sources.say("Rules", write_whole(options.output, rules))
    if options.tests:
        beside = os.path.relpath(options.output, Path(options.tests).parent)
        _sources.say("Tests", write_whole(options.tests, alerts.rule_tests(found, beside).encode()))
    if options.dashboard:
        written = write_whole(options.dashboard, alerts.dashboard(found).encode())
        if not streamed:
            _sources.say("Dashboard", written)
    return _sources.DONE
