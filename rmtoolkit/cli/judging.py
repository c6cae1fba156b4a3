"""What judges a recording: `classify`, `explain`, `compare`, `limits`, `report`, `alerts`, `demo`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit._io import check_target, is_far, make_folder, write_whole
from rmtoolkit.cli import _sources
from rmtoolkit.exceptions import RmtoolkitError, quote, quote_path

_YAML: Final = (".yaml", ".yml")
#: Recordings of a clone; a wheel has some of them beside its modules.
SAMPLES: Final = "data/samples"
PAGE: Final = "out/demo.html"


def classify(options: argparse.Namespace) -> int:
    from rmtoolkit.assessment import classify
    from rmtoolkit.views import exports, terminal

    ending = _sources.stream_format(options, exports.FORMATS)
    found = _sources.assessed(options, heap=_sources.profiles(options.heap))
    if not ending:
        # Who brings a profile asks for code, which a line has no room for.
        asked = {"by": options.by, "details": options.verbose or bool(options.heap)}
        pen, source = text.Pen.of(sys.stdout, colour=not options.no_color), _sources.shown(options.sources)
        sys.stdout.write(terminal.table(found, source=source, pen=pen, **asked))
        _sources.warn_of_age(found)

    def written(form: str) -> bytes:
        return exports.as_bytes(exports.as_told(classify(found, by=options.by), found), form)

    _sources.deliver("Verdicts", options.output, ending, written)
    return _sources.status(found.fleet, options.fail_on)


def explain(options: argparse.Namespace) -> int:
    from rmtoolkit.views.explanation import CODE, explain

    if Path(options.of).exists() and not any(is_far(one) or Path(one).exists() for one in options.sources):
        msg = f"{quote(options.of)} is a file or folder. The workload comes first: rmtoolkit explain WORKLOAD SOURCE."
        raise RmtoolkitError(msg)
    found = explain(_sources.read(options), options.of, heap=_sources.profiles(options.heap))
    pen, lines = text.Pen.of(sys.stdout), []
    for line in found.summary().splitlines():
        # A query with a line break in it, or cut, cannot be copied. Evidence goes on below its own column.
        indent = " " * 16 if line.startswith("  ") else ""
        lines += [line] if line.startswith(CODE) else text.wrapped(line, pen.width, indent=indent)
    sys.stdout.write(pen.body(lines))
    return _sources.DONE


def compare(options: argparse.Namespace) -> int:
    import polars as pl

    from rmtoolkit.assessment.comparison import compare
    from rmtoolkit.views import explanation, exports

    ending = _sources.stream_format(options, (*explanation.ENDINGS, *exports.FORMATS))
    found = compare(rm.read(options.local), _sources.read(options))
    layers = found.layers.with_columns(incomplete=pl.lit(found.incomplete, pl.String))
    if not ending:
        pen = text.Pen.of(sys.stdout)
        lines = (text.wrapped(line, pen.width, indent=" " * 11) for line in found.summary().splitlines())
        sys.stdout.write(pen.body(part for parts in lines for part in parts))

    def written(form: str) -> bytes:
        return explanation.page(found) if form in explanation.ENDINGS else exports.as_bytes(layers, form)

    _sources.deliver("Comparison", options.output, ending, written)
    return _sources.DONE


def limits(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from rmtoolkit.limits.risk import USUAL
    from rmtoolkit.views import terminal

    ending = _sources.stream_format(options, terminal.FORMATS)
    prices = None if options.price is None else replace(USUAL, per_gib_hour=options.price)
    asked = {"margins": options.margins, "oom_probability": options.oom_probability, "prices": prices}
    found = _sources.assessed(options, **asked)
    if not ending:
        sys.stdout.write(terminal.limits_table(found, details=options.verbose, pen=text.Pen.of(sys.stdout)))
        _sources.warn_of_age(found)
    _sources.deliver("Limits", options.output, ending, lambda form: terminal.as_bytes(found, form))
    return _sources.DONE


def report(options: argparse.Namespace) -> int:
    from rmtoolkit._parallel import connected
    from rmtoolkit._tables import parse_time
    from rmtoolkit.views import report
    from rmtoolkit.views.report.files import write_beside

    check_target(options.output, report.ENDINGS)
    check_target(options.pdf, (".pdf",))
    date = None if options.date is None else parse_time(options.date)
    previous = options.previous
    # The folder that is written to each week has nothing the first time.
    if previous and options.beside and os.path.realpath(previous) == os.path.realpath(options.beside):
        previous = previous if Path(previous, "verdicts.parquet").exists() else None
    with connected(options.scheduler) as client:
        found = report.contents(
            _sources.read(options),
            heap=_sources.profiles(options.heap),
            previous=previous,
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
    for line in text.not_complete(found.found.incomplete):
        print(line)
    return _sources.status(fleet, options.fail_on)


def alerts(options: argparse.Namespace) -> int:
    from rmtoolkit.views import alerts

    streamed = options.output == "-"
    if streamed and options.tests:
        msg = "--tests names the file of the rules. Hint: -o rules.yaml."
        raise RmtoolkitError(msg)
    check_target(None if streamed else options.output, _YAML)
    check_target(options.tests, _YAML)
    check_target(options.dashboard, (".json",))
    found = _sources.assessed(options)
    _sources.deliver("Rules", options.output, ".yaml" if streamed else None, lambda _: alerts.rules(found).encode())
    if options.tests:
        beside = os.path.relpath(options.output, Path(options.tests).parent)
        _sources.say("Tests", write_whole(options.tests, alerts.rule_tests(found, beside).encode()))
    if options.dashboard:
        written = write_whole(options.dashboard, alerts.dashboard(found).encode())
        if not streamed:
            _sources.say("Dashboard", written)
    return _sources.DONE


def demo(_: argparse.Namespace) -> int:
    show_samples()
    return _sources.DONE


def show_samples(folder: Path | None = None, target: Path | None = None) -> Path:
    from rmtoolkit.views import report, terminal

    clone, root = Path(__file__).parents[2], Path()
    if (clone / SAMPLES).is_dir() and (clone / "pyproject.toml").is_file():
        root = Path() if Path().samefile(clone) else clone
        samples = root / SAMPLES
    else:
        samples = Path(__file__).parents[1] / "samples"
    folder = samples if folder is None else folder
    target = root / PAGE if target is None else target
    if not folder.is_dir():
        msg = f"There are no samples in {quote_path(folder)}: this installation lacks a part. Hint: install it again."
        raise RmtoolkitError(msg)
    found = rm.assess(rm.read(folder))
    sys.stdout.write(terminal.table(found, source=str(folder), details=False, pen=text.Pen.of(sys.stdout)))
    make_folder(target.parent)
    path = report.report(found, target, title="rmtoolkit demo")
    print(f"Report: {path}")
    return path
