"""The command line: parse, call the public functions, print. Exit status 0 done, 1 findings, 2 bad input."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

from rmtoolkit import dashboard_command, heap_command, pull_command, recording_command, report_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from typing_extensions import TypeIs

    from rmtoolkit.analysis.judge import Judgement
    from rmtoolkit.lake import Lake
    from rmtoolkit.recording import Recording

DONE: Final = 0
FINDINGS: Final = 1
BAD_INPUT: Final = 2

_SOURCE_HELP: Final = (
    "a file, a folder or a glob: saved Prometheus answers, kubectl top logs, docker stats, jemalloc statistics, "
    "Parquet, a lake; or the address of a Prometheus server (http://…)"
)
#: What to look at. A server is asked for just that; any other source is cut to the times and names.
_SERVER_OPTIONS: Final = {
    "last": ("DURATION", "how long before the end to begin, such as 36h; default 7d, of a file all"),
    "start": ("TIME", "first instant, such as 2026-11-23T03:05 (UTC)"),
    "end": ("TIME", "last instant; default now"),
    "namespace": ("NAME", "only this namespace; may be given several times"),
    "workload": ("NAME", "only this workload; may be given several times"),
    "pod": ("NAME", "only this pod; may be given several times"),
    "step": ("DURATION", "the highest value of every step, such as 1h, instead of all samples: for whole fleets"),
    "token_file": ("FILE", "holds the token to sign with; or set RMTOOLKIT_TOKEN, or RMTOOLKIT_USERNAME and _PASSWORD"),
    "tenant": ("NAME", "sent as X-Scope-OrgID; or set RMTOOLKIT_TENANT"),
    "ca_file": ("FILE", "certificates of your own authority; or set RMTOOLKIT_CA_FILE"),
}
_SEVERAL: Final = ("namespace", "workload", "pod")
_TIMES: Final = ("start", "end", "last")
_FAIL_HELP: Final = (
    "exit with status 1 if a workload leaks (leak), or if one reaches its limit or has more than a 5 %% chance of "
    "an OOM kill within 7 days (oom); may be given twice"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = _parser().parse_args(arguments)
    from rmtoolkit.exceptions import RmtoolkitError

    try:
        with warnings.catch_warnings():
            _show_warnings_as_lines()
            return int(options.run(options))
    except RmtoolkitError as error:
        return _fail(str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # The reader has seen enough (| head). Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        return _fail(_what_the_system_said(error))
    except KeyboardInterrupt:
        return _fail("stopped.", status=130)
    except Exception as error:
        if os.environ.get("RMTOOLKIT_TRACEBACK"):
            raise
        # Not 1: a script must never take a fault of ours for a leak.
        found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return _fail(f"internal error, {found} (a bug; RMTOOLKIT_TRACEBACK=1 shows where)")


def _fail(message: str, status: int = BAD_INPUT) -> int:
    from rmtoolkit.text import printable

    print(f"rmtoolkit: {printable(' '.join(message.split()))}", file=sys.stderr)
    return status


def _what_the_system_said(error: OSError) -> str:
    from rmtoolkit.exceptions import quote_path

    place = f" {quote_path(error.filename)}" if error.filename is not None else ""
    return f"Could not read or write{place}: {(error.strerror or str(error)).lower()}."


def _show_warnings_as_lines() -> None:
    from rmtoolkit.exceptions import RmtoolkitWarning

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, RmtoolkitWarning):
            _fail(f"warning: {message}")

    warnings.simplefilter("always", RmtoolkitWarning)
    warnings.showwarning = show


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(_fail(f"{message}. See: {self.prog} --help"))


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        import rmtoolkit

        print(f"rmtoolkit {rmtoolkit.__version__}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rmtoolkit",
        description="Does a Rust service leak, why is its memory high, and when does it reach its limit?",
        epilog="Exit status: 0 done, 1 findings that --fail-on asked for, 2 bad input or usage.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    classify = commands.add_parser("classify", help="print a verdict for every workload", allow_abbrev=False)
    _add_sources(classify)
    classify.add_argument(
        "--by",
        choices=("workload", "instance"),
        default="workload",
        help="a row per workload (default), or per pod and container",
    )
    heap_command.add_heap(classify)
    classify.add_argument("-o", "--output", metavar="FILE", help="also write the verdicts: .parquet, .csv or .json")
    classify.add_argument("--no-color", action="store_true", help="no colour, on a terminal too (like NO_COLOR=1)")
    classify.set_defaults(run=_classify)

    limits = commands.add_parser("limits", help="recommend requests and limits, by their risk", allow_abbrev=False)
    _add_sources(limits, fail_on=False)
    limits.add_argument(
        "--oom-probability",
        type=float,
        default=0.05,
        metavar="P",
        help="accepted chance of an OOM kill in 7 days (default 0.05)",
    )
    limits.add_argument("--margins", metavar="FILE", help="margins that were learnt from your own weeks (JSON)")
    limits.add_argument("--price", type=float, metavar="P", help="of a requested GiB for an hour, in any currency")
    limits.add_argument(
        "-o", "--output", metavar="FILE", help="also write them: .parquet, .csv, .json, or .yaml as Kubernetes patches"
    )
    limits.set_defaults(run=_limits)

    report = commands.add_parser("report", help="write one self-contained HTML page", allow_abbrev=False)
    _add_sources(report)
    report_command.add_arguments(report)
    heap_command.add_heap(report)
    report.set_defaults(run=_report)

    heap = commands.add_parser("heap", help="say what grows in a heap profile, and in which code", allow_abbrev=False)
    heap_command.add_arguments(heap)
    heap.set_defaults(run=heap_command.run)

    dashboard = commands.add_parser("dashboard", help="serve the dashboards on this machine", allow_abbrev=False)
    _add_sources(dashboard, fail_on=False, scheduler=False)
    dashboard_command.add_arguments(dashboard)
    dashboard.set_defaults(run=_dashboard)

    record = commands.add_parser("record", help="sample what runs now into a file", allow_abbrev=False)
    recording_command.add_arguments(record)
    record.set_defaults(run=recording_command.run)

    pull = commands.add_parser("pull", help="keep a lake current from a Prometheus server", allow_abbrev=False)
    pull_command.add_arguments(pull)
    pull.set_defaults(run=pull_command.run)

    demo = commands.add_parser("demo", help="judge the sample recordings in data/samples", allow_abbrev=False)
    demo.set_defaults(run=_demo)
    return parser


def _add_sources(command: argparse.ArgumentParser, *, fail_on: bool = True, scheduler: bool = True) -> None:
    command.add_argument("sources", nargs="+", metavar="SOURCE", help=_SOURCE_HELP)
    if fail_on:
        command.add_argument("--fail-on", action="append", choices=("leak", "oom"), default=[], help=_FAIL_HELP)
    if scheduler:
        command.add_argument(
            "--scheduler",
            metavar="ADDRESS",
            help="of Dask, such as tcp://10.0.0.1:8786: its workers judge the parts of a lake",
        )
    server = command.add_argument_group("what to look at (step and what follows are of a server, http://…)")
    for name, (shown, text) in _SERVER_OPTIONS.items():
        action = "append" if name in _SEVERAL else "store"
        server.add_argument(f"--{name.replace('_', '-')}", metavar=shown, help=text, action=action)


def _classify(options: argparse.Namespace) -> int:
    from rmtoolkit._parallel import connected
    from rmtoolkit.analysis.judge import judge
    from rmtoolkit.views import exports, terminal

    if options.output:
        exports.check_format(options.output)
    with connected(options.scheduler) as client:
        judgement = judge(_read(options), heap_command.profiles(options.heap), client=client)
    sys.stdout.write(
        terminal.table(
            judgement,
            source=_shown(options.sources),
            by=options.by,
            colour=terminal.wants_colour(sys.stdout) and not options.no_color,
            unicode=terminal.has_unicode(sys.stdout),
        ),
    )
    if options.output:
        print(f"Verdicts: {exports.write(exports.columns(judgement, options.by), options.output)}")
    return _status(judgement, options.fail_on)


def _report(options: argparse.Namespace) -> int:
    from rmtoolkit._parallel import connected

    with connected(options.scheduler) as client:
        return report_command.run(options, _read, heap_command.profiles, client)


def _limits(options: argparse.Namespace) -> int:
    from rmtoolkit._parallel import connected
    from rmtoolkit.limits.recommend import recommend_limits
    from rmtoolkit.views import limits_terminal, terminal

    if options.output:
        limits_terminal.check_format(options.output)
    recording = _read(options)
    with connected(options.scheduler) as client:
        limits = recommend_limits(
            recording, options.oom_probability, options.margins, price_per_gib_hour=options.price, client=client
        )
    unicode = terminal.has_unicode(sys.stdout)
    sys.stdout.write(limits_terminal.table(limits, options.oom_probability, unicode=unicode))
    if options.output:
        print(f"Limits: {limits_terminal.write(limits, _containers(recording), options.output)}")
    return DONE


def _demo(_: argparse.Namespace) -> int:
    from rmtoolkit.demo import run

    run()
    return DONE


def _dashboard(options: argparse.Namespace) -> int:
    dashboard_command.check()
    found = _read(options)
    recording = found if _is_recording(found) else found.recording()
    return dashboard_command.serve(recording, port=options.port, browser=not options.no_browser)


def _is_recording(found: Recording | Lake) -> TypeIs[Recording]:
    from rmtoolkit.recording import Recording

    return isinstance(found, Recording)


def _containers(found: Recording | Lake) -> pl.DataFrame:
    return found.containers if _is_recording(found) else found.containers()


def _read(options: argparse.Namespace) -> Recording | Lake:
    import rmtoolkit as rm
    from rmtoolkit.exceptions import RmtoolkitError
    from rmtoolkit.lake import Lake, is_lake
    from rmtoolkit.loaders.prometheus.live import is_url

    asked = {name: getattr(options, name) for name in _SERVER_OPTIONS if getattr(options, name) is not None}
    # All at once: what cannot be read is left out as long as something else can.
    if any(map(is_url, options.sources)):
        return rm.read(options.sources, **asked)
    times = {name: asked.pop(name) for name in _TIMES if name in asked}
    names = {name: asked.pop(name) for name in _SEVERAL if name in asked}
    if asked:
        msg = f"--{next(iter(asked)).replace('_', '-')} is for servers, and no SOURCE begins with http:// or https://."
        raise RmtoolkitError(msg)
    # A lake is read part by part: it may not fit into memory.
    alone = len(options.sources) == 1 and is_lake(options.sources[0])
    found = Lake(options.sources[0]) if alone else rm.read(options.sources)
    if times:
        found = found.window(**times)
    return found.filter(**names) if names else found


def _shown(sources: Sequence[str]) -> str:
    """Name the sources, without the credentials that an address may hold."""
    from rmtoolkit.loaders.prometheus.live import is_url, shown_url

    return " ".join(shown_url(source) if is_url(source) else source for source in sources)


def _status(judgement: Judgement, fail_on: Sequence[str]) -> int:
    from rmtoolkit.views.summary import counts

    counted = counts(judgement.verdicts)
    leaks = "leak" in fail_on and counted.leak > 0
    kills = "oom" in fail_on and (counted.reaching > 0 or bool(counted.above_target))
    return FINDINGS if leaks or kills else DONE


if __name__ == "__main__":
    sys.exit(main())
