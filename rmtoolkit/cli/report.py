"""`rmtoolkit report`: the weekly page, and the files beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    from rmtoolkit._io import check_target
    from rmtoolkit._parallel import connected
    from rmtoolkit._tables import parse_time
    from rmtoolkit.views import report
    from rmtoolkit.views.report.files import write_beside

    for path, endings in ((options.output, report.ENDINGS), (options.pdf, (".pdf",))):
        if path is not None:
            check_target(path, endings)
    date = None if options.date is None else parse_time(options.date)
    with connected(options.scheduler) as client:
        found = report.contents(
            _sources.read(options),
            heap=_sources.profiles(options.heap),
            previous=_previous(options),
            acknowledged=options.acknowledged,
            title=options.title,
            oom_probability=options.oom_probability,
            margins=options.margins,
            price_per_gib_hour=options.price,
            currency=options.currency,
            client=client,
            now=date,
        )
    _sources.say("Report", report.write(found, options.output, date=date))
    if options.pdf:
        _sources.say("PDF", report.write(found, options.pdf, date=date))
    if options.beside:
        _sources.say("Files", write_beside(found, options.beside))
    fleet = found.found.fleet
    print(f"Covers {fleet.workloads:,} of {fleet.workloads:,} workloads. {fleet.sentence}")
    if found.found.incomplete is not None:
        print(f"Not complete: {found.found.incomplete}")
    return _sources.status(fleet, options.fail_on)


def _previous(options: argparse.Namespace) -> str | None:
    """Say what to compare with; the folder that is written to each week has nothing the first time."""
    last: str | None = options.previous
    if last and options.beside and os.path.realpath(last) == os.path.realpath(options.beside):
        return last if Path(last, "verdicts.parquet").exists() else None
    return last
