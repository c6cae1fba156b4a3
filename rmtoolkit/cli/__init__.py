"""The command line: parse, call the public functions, print. Exit status 0 done, 1 findings, 2 bad input."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rmtoolkit.cli._sources import BAD_INPUT, DONE, add_options, is_plugin, option_names
from rmtoolkit.exceptions import (
    RmtoolkitError,
    RmtoolkitWarning,
    did_you_mean,
    fault,
    is_fault,
    quote_path,
    system_words,
)
from rmtoolkit.text import printable, texts

_STDERR: Final = 2
_MEANING: Final = re.compile(r"\b(metric|label)s=\{'([^']*)': '([^']*)'\}")
_FLAGS: Final = {"verify": "ca-file", "timeout_seconds": "timeout"}
_UNKNOWN: Final = re.compile(r"unrecognized arguments: --([\w-]+)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, with the words of the process unless others are given, and give its exit status."""
    if arguments is None:
        # The process is ours and ends with the command: looking for garbage took a fifth of a short one's time. What is
        # imported stays, and at the end everything goes at once.
        gc.set_threshold(100_000)
        atexit.register(gc.freeze)
    # A shell may have closed it (`>&-`): files are written all the same.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    options = _parser().parse_args(arguments)
    if arguments is None and options.run.__name__ != "record":
        # numpy's threads for matrices wait busily, and ours are small; a command that is recorded has its own.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        with _own_words(options.run), warnings.catch_warnings():
            _show_warnings_as_lines()
            status = int(options.run(options))
            print(end="", flush=True)
            return status
    except RmtoolkitError as error:
        return _fail(str(error))
    except OSError as error:
        try:
            print(end="", flush=True)
        except OSError:
            # Python would try once more at exit, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has seen enough (| head)
            return DONE
        place = f" {quote_path(error.filename)}" if error.filename is not None else ""
        return _fail(f"Could not read or write{place}: {system_words(error)}.")
    except KeyboardInterrupt:
        return _fail("stopped.", status=130)
    except BaseException as error:
        if not is_fault(error):
            raise
        # Not 1: a script must never take a fault of ours for a leak.
        return _fail(fault(error))


@contextmanager
def _own_words(run: Callable[[argparse.Namespace], int]) -> Iterator[None]:
    """Keep off the terminal what libraries write past Python, such as pages of a panic: we say it, in one line."""
    own = sys.stderr
    # A command that is recorded writes for itself.
    others = run.__name__ == "record" or run.__module__.endswith(".dashboard")
    try:
        if others or os.environ.get("RMTOOLKIT_TRACEBACK") or own.fileno() != _STDERR:
            raise OSError  # noqa: TRY301 - as where it is no file
        kept = os.dup(_STDERR)
    except (OSError, ValueError, AttributeError):
        yield
        return
    own.flush()
    words = os.fdopen(kept, "w", 1, encoding=own.encoding, errors=own.errors)
    with words, Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), _STDERR)
        sys.stderr = words
        try:
            yield
        finally:
            words.flush()
            os.dup2(kept, _STDERR)
            sys.stderr = own


def _fail(message: str, status: int = BAD_INPUT) -> int:
    print(f"rmtoolkit: {printable(' '.join(_as_flags(message).split()))}", file=sys.stderr)
    return status


def _as_flags(message: str) -> str:
    """Say in a message what to write here, where it says what to write in Python."""
    message = _MEANING.sub(r"--\1 \2=\3", message)
    names = "|".join((*option_names(["times", "names", "servers", "snapshots"]), "debug", *_FLAGS))
    return re.sub(
        rf"\b({names})=(?:'([^']*)'|(?=[^\w\s'\"]|\s|$))",
        lambda told: f"--{_FLAGS.get(told[1], told[1].replace('_', '-'))} {told[2] or ''}".rstrip(),
        message,
    )


def _show_warnings_as_lines() -> None:
    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, RmtoolkitWarning):
            _fail(f"warning: {message}")

    warnings.simplefilter("always", RmtoolkitWarning)
    warnings.showwarning = show


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        hint = ""
        word, _, choices = message.partition("invalid choice: ")[2].partition(" (choose from ")
        if choices:
            # Until Python 3.12 each of them is quoted.
            hint = did_you_mean(word.strip("'"), choices.rstrip(")").replace("'", "").replace(",", " ").split())
        elif unknown := _UNKNOWN.search(message):
            # With their dashes all options are alike.
            hint = did_you_mean(unknown[1], [option.lstrip("-") for option in self._option_string_actions])
            hint = hint.replace("'", "'--", 1)
        self.exit(_fail(f"{message}. {hint} See: {self.prog} --help"))


class _Command(_Parser):
    """Learns what a command understands when its words are read."""

    def parse_known_args(self, *words: Any, **options: Any) -> Any:  # noqa: ANN401 - as argparse has it
        name = self.prog.split()[-1]
        add_options(self, name)
        # Only what is asked for is imported.
        home, _, run = texts("cli/commands")["commands"][name]["run"].partition(":")
        self.set_defaults(run=getattr(import_module(f"rmtoolkit.cli.{home}"), run))
        found, unknown = super().parse_known_args(*words, **options)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        import rmtoolkit

        print(f"rmtoolkit {rmtoolkit.__version__}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kubectl rmtoolkit" if is_plugin() else "rmtoolkit",
        description="Does a Rust service leak, why is its memory high, and when does it reach its limit?",
        epilog="Exit status: 0 done, 1 findings that --fail-on asked for, 2 bad input or usage.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Command)
    for name, told in texts("cli/commands")["commands"].items():
        commands.add_parser(name, help=told["help"], allow_abbrev=False)
    return parser
