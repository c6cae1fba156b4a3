"""`rmtoolkit heap`: what a heap profile, or an allocator's statistics, answer."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit._io import check_target, is_url
from rmtoolkit.cli import _sources
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rmtoolkit.analysis.heap_answers import AllocatorAnswer, DiffAnswer, HeapAnswer
    from rmtoolkit.heap.allocator import Allocator
    from rmtoolkit.heap.profile import HeapProfile

FORMATS: Final = (".json", ".csv", ".parquet", ".html")


def run(options: argparse.Namespace) -> int:
    from rmtoolkit.analysis import heap_answers
    from rmtoolkit.heap import IN_CLUSTER
    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.views import heap_terminal

    if (options.pyroscope is None) == (not options.files):
        msg = "Expected a FILE or an address, or --pyroscope URL --labels NAME=VALUE,…"
        raise RmtoolkitError(msg)
    source = _sources.shown(options.files[:2] or [options.pyroscope]) + text.and_more(len(options.files), 2)
    is_served = any(is_url(one) or IN_CLUSTER.fullmatch(one) for one in options.files)
    files = _fetched(options) if is_served else options.files
    check_target(options.output, FORMATS)
    pen = text.Pen.of(sys.stdout, colour=not options.no_color)
    heap = _read(files, options) if files else _kept(options)
    found: HeapAnswer | DiffAnswer | AllocatorAnswer
    if not isinstance(heap, HeapProfile):
        if options.diff is not None:
            msg = "An allocator's statistics cannot be compared; --diff is for heap profiles."
            raise RmtoolkitError(msg)
        found = heap_answers.answer_allocator(heap)
        said = heap_terminal.allocator(found, source=source, pen=pen)
        what, table = ("Sizes", found.sizes) if found.sizes.height else ("Totals", heap.totals)
    elif options.diff is not None:
        before = _read([options.diff], options)
        if not isinstance(before, HeapProfile):
            msg = f"{quote(options.diff)} is no heap profile but an allocator's statistics: they cannot be compared."
            raise RmtoolkitError(msg)
        found = heap_answers.answer_diff(before, heap)
        source = f"{options.diff} → {source}"
        said = heap_terminal.changes(found, source=source, pen=pen)
        what, table = "Changes", found.table
    else:
        found = heap_answers.answer(heap)
        said = heap_terminal.answer(found, source=source, pen=pen)
        what, table = "Suspects", found.suspects
    sys.stdout.write(said)
    if options.output is not None:
        from rmtoolkit.views import exports
        from rmtoolkit.views import heap as heap_page

        is_page = Path(options.output).suffix.lower() in heap_page.ENDINGS
        path = options.output
        written = heap_page.write(found, path, source=source) if is_page else exports.write(table, path)
        _sources.say("Page" if is_page else what, written)
    return _sources.DONE


def _fetched(options: argparse.Namespace) -> list[str]:
    from rmtoolkit.heap.served import fetch

    if len(options.files) > 1:
        msg = "One address at a time: growth needs snapshots of one program."
        raise RmtoolkitError(msg)
    is_folder = options.output and Path(options.output).suffix.lower() not in FORMATS
    folder = options.output if is_folder else "heap-profiles"
    options.output = None if is_folder else options.output
    found: list[str] = []
    for file in fetch(options.files[0], folder, **_sources.typed(options, "of-addresses")):
        found.append(str(file))
        # What is no profile is said before anybody waits.
        _read(found[-1:], options)
        _sources.say("Kept", file)
        sys.stdout.flush()
    return found


def _kept(options: argparse.Namespace) -> HeapProfile:
    from rmtoolkit.heap.served import read_pyroscope

    pairs = [pair.partition("=") for pair in (options.labels or "").split(",")]
    if not all(name and equals for name, equals, _ in pairs):
        msg = f"--labels {quote(options.labels or '')}: expected NAME=VALUE,… such as service_name=api,pod=api-0."
        raise RmtoolkitError(msg)
    asked = _sources.typed(options, "signing", "times", "binary", "debug")
    asked |= {} if options.count is None else {"profiles": options.count}
    return read_pyroscope(options.pyroscope, {name: value for name, _, value in pairs}, **asked)


def _read(paths: Sequence[str], options: argparse.Namespace) -> HeapProfile | Allocator:
    from rmtoolkit.heap import kept, read_heap

    with ExitStack() as copies:
        # What comes through a pipe is read twice where it is no profile; a glob stays one.
        files = [copies.enter_context(kept(path)) for path in paths]
        try:
            return read_heap(files[0] if len(files) == 1 else files, binary=options.binary, debug=options.debug)
        except ReadError as error:
            if len(files) == 1:
                from rmtoolkit.heap.allocator import read_allocator

                with suppress(ReadError):
                    return read_allocator(files[0])
            raise error from None
