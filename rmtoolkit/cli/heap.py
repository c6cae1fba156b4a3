"""`rmtoolkit heap`: what a heap profile, or an allocator's statistics, answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import polars as pl

    from rmtoolkit.analysis.heap_answers import AllocatorAnswer, DiffAnswer, HeapAnswer
    from rmtoolkit.heap.allocator import Allocator
    from rmtoolkit.heap.profile import HeapProfile

#: Who asks, as of Prometheus.
_SERVED: Final = ("token_file", "tenant", "ca_file")
_WINDOW: Final = ("last", "start", "end")
FORMATS: Final = (".json", ".csv", ".parquet", ".html")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Say what the command understands."""
    command.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="a heap profile: heaptrack, jemalloc's or gperftools' dumps, pprof, DHAT, massif; several, a folder or a "
        "glob are pictures of one program, in the order of the numbers in their names; or the statistics of jemalloc, "
        "glibc or tcmalloc; - is stdin; or the address at which a service serves it (http://…/debug/pprof/heap), "
        "in a cluster pod/NAME:PORT/debug/pprof/heap, svc/… or deploy/…, which kubectl forwards",
    )
    add_symbols(command)
    command.add_argument("--diff", metavar="OTHER", help="say what changed since this older profile")
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write the suspects, or the changes: .csv, .json or .parquet; or .html, a page with charts; of an "
        "address else the folder in which profiles are kept (default heap-profiles)",
    )
    served = command.add_argument_group("of an address")
    served.add_argument("--every", metavar="DURATION", help="how long to wait between two profiles, such as 30m")
    said = "how many to fetch and compare; default 2 with --every, 24 of Pyroscope"
    served.add_argument("--count", type=int, metavar="N", help=said)
    served.add_argument("-n", "--namespace", metavar="NAME", help="of the pod; default that of the context")
    served.add_argument("--context", metavar="NAME", help="of kubectl; default the current one")
    kept = command.add_argument_group("of Pyroscope")
    kept.add_argument("--pyroscope", metavar="URL", help="read the heap profiles that this server has kept")
    kept.add_argument("--labels", metavar="NAME=VALUE,…", help="of the process, such as service_name=api,pod=api-0")
    for name in _WINDOW:
        kept.add_argument(f"--{name}", metavar=_sources.SERVER_OPTIONS[name][0], help=_sources.SERVER_OPTIONS[name][1])
    for name in _SERVED:
        metavar, said = _sources.SERVER_OPTIONS[name]
        served.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=said)
    command.add_argument("--no-color", action="store_true", help="no colour, on a terminal too (like NO_COLOR=1)")


def add_symbols(command: argparse.ArgumentParser) -> None:
    """Add what names addresses."""
    said = "the program that ran, or a library: names the addresses of a profile without names; several times"
    command.add_argument("--binary", action="append", metavar="FILE", help=said)
    said = "a folder with the debugging information of stripped binaries; several times"
    command.add_argument("--debug", action="append", metavar="FOLDER", help=said)


def run(options: argparse.Namespace) -> int:
    """Print the short answer, and write what was asked for."""
    from rmtoolkit import text
    from rmtoolkit._io import check_target, is_url
    from rmtoolkit.analysis import heap_answers
    from rmtoolkit.exceptions import RmtoolkitError, quote
    from rmtoolkit.heap import IN_CLUSTER
    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.views import heap_terminal

    if (options.pyroscope is None) == (not options.files):
        msg = "Expected a FILE or an address, or --pyroscope URL --labels NAME=VALUE,…"
        raise RmtoolkitError(msg)
    source = _sources.shown(options.files or [options.pyroscope])
    is_served = any(is_url(one) or IN_CLUSTER.fullmatch(one) for one in options.files)
    files = _fetched(options) if is_served else options.files
    if options.output:
        check_target(options.output, FORMATS)
    unicode = text.has_unicode(sys.stdout)
    heap = _read(files, options) if files else _kept(options)
    if not isinstance(heap, HeapProfile):
        return _allocator(heap, options, source=source, unicode=unicode)
    if options.diff is not None:
        before = _read([options.diff], options)
        if not isinstance(before, HeapProfile):
            msg = f"{quote(options.diff)} is no heap profile but an allocator's statistics: they cannot be compared."
            raise RmtoolkitError(msg)
        changed = heap_answers.answer_diff(before, heap)
        source = f"{options.diff} → {source}"
        sys.stdout.write(heap_terminal.changes(changed, source=source, unicode=unicode))
        _write(changed, changed.table, options.output, "Changes", source)
    else:
        found = heap_answers.answer(heap)
        colour = text.wants_colour(sys.stdout) and not options.no_color
        sys.stdout.write(heap_terminal.answer(found, source=source, colour=colour, unicode=unicode))
        _write(found, found.suspects, options.output, "Suspects", source)
    return 0


def _fetched(options: argparse.Namespace) -> list[str]:
    """Fetch profiles, and keep them in the folder that was meant."""
    from rmtoolkit.exceptions import RmtoolkitError
    from rmtoolkit.heap.fetch import fetch

    if len(options.files) > 1:
        msg = "One address at a time: growth needs pictures of one program."
        raise RmtoolkitError(msg)
    is_folder = options.output and Path(options.output).suffix.lower() not in FORMATS
    folder = options.output if is_folder else "heap-profiles"
    options.output = None if is_folder else options.output
    asked = {name: getattr(options, name) for name in (*_SERVED, "namespace", "context")}
    found: list[str] = []
    for file in fetch(options.files[0], folder, every=options.every, count=options.count, **asked):
        found.append(str(file))
        # What is no profile is said before anybody waits.
        _read(found[-1:], options)
        _sources.say("Kept", file)
        sys.stdout.flush()
    return found


def _kept(options: argparse.Namespace) -> HeapProfile:
    """Read what a Pyroscope server has."""
    from rmtoolkit.exceptions import RmtoolkitError, quote
    from rmtoolkit.heap.pyroscope import read_pyroscope

    pairs = [pair.partition("=") for pair in (options.labels or "").split(",")]
    if not all(name and equals for name, equals, _ in pairs):
        msg = f"--labels {quote(options.labels or '')}: expected NAME=VALUE,… such as service_name=api,pod=api-0."
        raise RmtoolkitError(msg)
    asked = {name: getattr(options, name) for name in (*_SERVED, *_WINDOW, "binary", "debug")}
    asked |= {} if options.count is None else {"profiles": options.count}
    return read_pyroscope(options.pyroscope, {name: value for name, _, value in pairs}, **asked)


def _read(paths: Sequence[str], options: argparse.Namespace) -> HeapProfile | Allocator:
    """Read heap profiles, or the statistics of an allocator."""
    from contextlib import ExitStack

    from rmtoolkit.exceptions import ReadError
    from rmtoolkit.heap import kept, read_heap

    with ExitStack() as copies:
        # What comes through a pipe is read twice where it is no profile; a glob stays one.
        files = [copies.enter_context(kept(path)) for path in paths]
        try:
            return read_heap(files[0] if len(files) == 1 else files, binary=options.binary, debug=options.debug)
        except ReadError as error:
            if len(files) == 1:
                from rmtoolkit.heap.allocator import read_allocator

                try:
                    return read_allocator(files[0])
                except ReadError:
                    pass
            raise error from None


def _allocator(allocator: Allocator, options: argparse.Namespace, *, source: str, unicode: bool) -> int:
    from rmtoolkit.analysis.heap_answers import answer_allocator
    from rmtoolkit.exceptions import RmtoolkitError
    from rmtoolkit.views import heap_terminal

    if options.diff is not None:
        msg = "An allocator's statistics cannot be compared; --diff is for heap profiles."
        raise RmtoolkitError(msg)
    found = answer_allocator(allocator)
    sys.stdout.write(heap_terminal.allocator(found, source=source, unicode=unicode))
    what = "Sizes" if found.sizes.height else "Totals"
    _write(found, found.sizes if found.sizes.height else allocator.totals, options.output, what, source)
    return 0


def _write(
    found: HeapAnswer | DiffAnswer | AllocatorAnswer, table: pl.DataFrame, path: str | None, what: str, source: str
) -> None:
    """Write the table, or the page, and say so."""
    if path is None:
        return
    from rmtoolkit.views import exports
    from rmtoolkit.views import heap as heap_page

    is_page = Path(path).suffix.lower() in heap_page.ENDINGS
    written = heap_page.write(found, path, source=source) if is_page else exports.write(table, path)
    _sources.say("Page" if is_page else what, written)
