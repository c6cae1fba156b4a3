"""`rmtoolkit compare`: a local recording beside the pod's, layer by layer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    import polars as pl

    import rmtoolkit as rm
    from rmtoolkit import text
    from rmtoolkit._io import check_target
    from rmtoolkit.assessment.comparison import compare
    from rmtoolkit.views import explanation, exports

    streamed = _sources.stream_format(options)
    is_page = Path(options.output or "").suffix.lower() in explanation.ENDINGS
    if options.output and not streamed:
        check_target(options.output, (*explanation.ENDINGS, *exports.FORMATS))
    found = compare(rm.read(options.local), _sources.read(options))
    layers = found.layers.with_columns(incomplete=pl.lit(found.incomplete, pl.String))
    if streamed:
        _sources.stream(exports.as_bytes(layers, streamed))
        return _sources.DONE
    width = text.columns(sys.stdout)
    lines = [
        part for line in found.summary().splitlines() for part in text.wrapped(line, width, indent=" " * 11) or [""]
    ]
    _sources.show("\n".join(lines) + "\n")
    if options.output:
        written = explanation.write(found, options.output) if is_page else exports.write(layers, options.output)
        _sources.say("Comparison", written)
    return _sources.DONE
