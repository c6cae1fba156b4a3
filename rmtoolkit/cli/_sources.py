"""What the commands share: sources, heap profiles, what ends with status 1."""

from __future__ import annotations

import argparse
import atexit
import math
import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit._io import check_target, is_lake, is_store, is_url, write_whole
from rmtoolkit.exceptions import CALLED, RmtoolkitError, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rmtoolkit.assessment import Assessment
    from rmtoolkit.assessment._totals import Totals
    from rmtoolkit.lake import Lake
    from rmtoolkit.recording import Recording

DONE: Final = 0
FINDINGS: Final = 1
BAD_INPUT: Final = 2


def is_plugin() -> bool:
    return Path(sys.argv[0]).name.startswith("kubectl-rmtoolkit") or bool(os.environ.get("RMTOOLKIT_PLUGIN"))


def _chance(typed: str) -> float:
    chance = _number(typed.removesuffix("%")) / (100 if typed.endswith("%") else 1)
    if not 0 < chance < 1:
        msg = f"'{typed}' is no chance between 0 and 1. Write it like 0.05 or 5%"
        raise argparse.ArgumentTypeError(msg)
    return chance


_TYPES: Final = {"int": int, "float": float, "chance": _chance}


def add_options(command: argparse.ArgumentParser, name: str) -> None:
    told = text.texts("cli/commands")
    own = told["commands"][name].get("options", {})

    def add(place: argparse._ActionsContainer, takes: Sequence[str]) -> None:
        for one in takes:
            if (group := told["groups"].get(one)) is not None:
                inner = place.add_argument_group(group["title"]) if "title" in group else place
                inner = place.add_mutually_exclusive_group() if group.get("exclusive") else inner
                add(inner, group["takes"])
                continue
            option: dict[str, Any] = {**told["options"].get(one, {}), **own.get(one, {})}
            option |= {"type": _TYPES[option["type"]]} if "type" in option else {}
            names = [one] if option.pop("positional", False) else [option.pop("short", f"--{one}"), f"--{one}"]
            place.add_argument(*dict.fromkeys(names), **option)

    add(command, told["commands"][name]["takes"])


def option_names(takes: Sequence[str]) -> Iterator[str]:
    groups = text.texts("cli/commands")["groups"]
    for one in takes:
        yield from option_names(groups[one]["takes"]) if one in groups else [one.replace("-", "_")]


def typed(options: argparse.Namespace, *takes: str) -> dict[str, Any]:
    return {name: value for name in option_names(takes) if (value := getattr(options, name)) is not None}


def stream_format(options: argparse.Namespace, endings: Sequence[str]) -> str | None:
    """Tell the ending of the format in which all goes to stdout; None where it does not, and a file can be written."""
    if options.output == "-":
        return ".md" if options.format == "markdown" else f".{options.format or 'json'}"
    if options.format is not None:
        msg = "--format is that of -o -: the name of a file tells its own."
        raise RmtoolkitError(msg)
    check_target(options.output, endings)
    return None


def deliver(what: str, path: str | None, ending: str | None, made: Callable[[str], bytes]) -> None:
    """Write to stdout in the format that was asked for, or to a file whose name tells it, if there is one."""
    if ending:
        sys.stdout.flush()
        sys.stdout.buffer.write(made(ending))
    elif path:
        say(what, write_whole(path, made(Path(path).suffix.lower())))


def say(what: str, path: object) -> None:
    """Name a file that was written; its name may hold what a terminal obeys."""
    print(f"{what}: {text.printable(path)}")


def warn_of_age(found: Assessment) -> None:
    """Say to who sits at a terminal that the data are old; what is piped says the same of the same data each time."""
    if sys.stdout.isatty() and found.fleet.age_sentence is not None:
        print(f"rmtoolkit: {found.fleet.age_sentence}", file=sys.stderr)


def named(options: argparse.Namespace) -> dict[str, Any]:
    """Give what metrics and labels mean, and how long to wait, as Python takes it."""
    found: dict[str, Any] = {}
    for name in ("metric", "label"):
        for one in getattr(options, name) or ():
            given, equals, meaning = one.rpartition("=")
            if not equals or not given or not meaning:
                msg = f"--{name} {quote(one)}: expected {text.texts('cli/commands')['options'][name]['metavar']}."
                raise RmtoolkitError(msg)
            found.setdefault(f"{name}s", {})[given] = meaning
    if options.timeout is not None:
        seconds = _number(options.timeout)
        if not 0 < seconds < math.inf:
            msg = f"--timeout {quote(options.timeout)}: expected seconds, such as 60."
            raise RmtoolkitError(msg)
        found["timeout_seconds"] = seconds
    return found


def _number(typed: str) -> float:
    try:
        return float(typed)
    except ValueError:
        return math.nan


def asked_of(options: argparse.Namespace) -> dict[str, Any]:
    """Give what is asked of the sources, as Python takes it; of servers only where one is a source."""
    # Times and names are asked of servers, and cut from any other source.
    if of_some := typed(options, "servers", "snapshots") | named(options):
        from rmtoolkit.loaders import check_options

        check_options(of_some, options.sources)
    return typed(options, "times", "names") | of_some


def read(options: argparse.Namespace) -> Recording | Lake:
    return read_with([_stdin() if source == "-" else source for source in options.sources], asked_of(options))


def read_with(sources: list[str], asked: Mapping[str, Any]) -> Recording | Lake:
    """Read some of the sources; what is for servers goes to servers only."""
    # All at once: what cannot be read is left out as long as something else can.
    if any(map(is_url, sources)):
        unused = [*option_names(["snapshots"])] if all(map(is_url, sources)) else []
        return rm.read(sources, **{name: value for name, value in asked.items() if name not in unused})
    groups = (["times"], ["names"], ["snapshots", "metrics", "labels"])
    times, names, of_files = ({name: asked[name] for name in option_names(group) if name in asked} for group in groups)
    # A lake is read part by part: it may not fit into memory.
    alone = len(sources) == 1 and (is_store(sources[0]) or is_lake(sources[0])) and not of_files
    found = rm.Lake(sources[0]) if alone else rm.read(sources, **of_files)
    if times:
        found = _windowed(found, times) if isinstance(found, rm.Recording) else found.window(**times)
    return found.filter(**names) if names else found


def _windowed(whole: Recording, times: Mapping[str, Any]) -> Recording:
    """Keep a stretch of time; where nothing lies in it, say what there is."""
    found = whole.window(**times)
    if found.containers.is_empty() and (there := whole.times()) is not None:
        msg = f"No sample lies in that time. There are samples of {text.period(*there)}."
        raise RmtoolkitError(msg)
    return found


def _stdin() -> str:
    """Keep what comes through stdin in a file until the end: readers look at its beginning first."""
    folder = tempfile.mkdtemp(prefix="rmtoolkit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "stdin")
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    CALLED[str(path)] = "standard input"
    return str(path)


def assessed(options: argparse.Namespace, **asked: Any) -> Assessment:  # noqa: ANN401 - as `assess` takes it
    """Read and assess what was asked for, on the workers of a scheduler where one is named."""
    from rmtoolkit._parallel import connected
    from rmtoolkit.assessment import assess

    with connected(options.scheduler) as client:
        return assess(read(options), client=client, **asked)


@contextmanager
def stopped_by(*names: str) -> Iterator[None]:
    """Take signals, such as the polite kill of systemd or `timeout`, for Ctrl-C: what is done stays whole."""
    is_main = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in names if is_main and hasattr(signal, name)]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def progress(words: str = "") -> None:
    print(f"\r{words}\x1b[K", end="", file=sys.stderr, flush=True)


def shown(sources: Sequence[str]) -> str:
    """Name the sources, without the credentials that an address may hold."""
    if not any(map(is_url, sources)):
        return " ".join(sources)
    from rmtoolkit.loaders.server import Address, Secrets

    return " ".join(Address(source, Secrets()).url if is_url(source) else source for source in sources)


def profiles(given: Sequence[str]) -> list[str] | dict[str, list[str]] | None:
    """Sort the files of `--heap` by workload, as `rmtoolkit.classify` takes them."""
    named: dict[str, list[str]] = {}
    alone: list[str] = []
    for one in given:
        workload, equals, file = one.partition("=")
        # A file may have such a sign in its name.
        if not equals or not workload or Path(one).exists():
            alone.append(one)
        else:
            named.setdefault(workload, []).append(file)
    if named and alone:
        msg = f"--heap {quote(alone[0])} names no workload, and others do. Hint: --heap WORKLOAD=FILE for each."
        raise RmtoolkitError(msg)
    return named or alone or None


def status(fleet: Totals, fail_on: Sequence[str]) -> int:
    leaks = "leak" in fail_on and fleet.leak > 0
    kills = "oom" in fail_on and (fleet.reaching > 0 or bool(fleet.above_target))
    return FINDINGS if leaks or kills else DONE
