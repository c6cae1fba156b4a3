"""The command line: parse, call the public functions, print. Exit status 0 done, 1 findings, 2 bad input."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import TYPE_CHECKING

from rmtoolkit.cli import classify, dashboard, demo, heap, limits, pull, record, report
from rmtoolkit.cli._sources import BAD_INPUT, DONE

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A module for each command: HELP, add_arguments and run.
_COMMANDS = {
    "classify": classify,
    "limits": limits,
    "report": report,
    "heap": heap,
    "dashboard": dashboard,
    "record": record,
    "pull": pull,
    "demo": demo,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, with the words of the process unless others are given, and give its exit status."""
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
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, allow_abbrev=False)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
