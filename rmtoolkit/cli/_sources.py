"""What the commands share: sources, heap profiles, what ends with status 1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from typing_extensions import TypeIs

    from rmtoolkit.assessment._totals import Totals
    from rmtoolkit.lake import Lake
    from rmtoolkit.limits.risk import Prices
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
_REMOTE_READ_HELP: Final = "fetch samples by remote read instead of JSON, where the server has it"
_SEVERAL: Final = ("namespace", "workload", "pod")
_TIMES: Final = ("start", "end", "last")
_FAIL_HELP: Final = (
    "exit with status 1 if a workload leaks (leak), or if one reaches its limit or has more than the accepted chance "
    "of an OOM kill within 7 days (oom); may be given twice"
)
_HEAP_HELP: Final = (
    "a heap profile of the workload, as WORKLOAD=FILE where there are several workloads; several files of one workload "
    "are pictures in the order in which they were taken"
)


def add_sources(command: argparse.ArgumentParser, *, fail_on: bool = True, scheduler: bool = True) -> None:
    """Add what says where to read, and of it what."""
    command.add_argument("sources", nargs="+", metavar="SOURCE", help=_SOURCE_HELP)
    if fail_on:
        command.add_argument("--fail-on", action="append", choices=("leak", "oom"), default=[], help=_FAIL_HELP)
    if scheduler:
        command.add_argument(
            "--scheduler",
            metavar="ADDRESS",
            help="of Dask, such as tcp://10.0.0.1:8786: its workers judge the parts of a lake",
        )
    add_server(command.add_argument_group("what to look at (step and what follows are of a server, http://…)"))


def add_server(command: argparse.ArgumentParser | argparse._ArgumentGroup, **told: str | None) -> None:
    """Add what a server is asked for, and by whom; another help for some of it, or None to leave it out."""
    for name, (shown, text) in _SERVER_OPTIONS.items():
        if (said := told.get(name, text)) is not None:
            action = "append" if name in _SEVERAL else "store"
            command.add_argument(f"--{name.replace('_', '-')}", metavar=shown, help=said, action=action)
    command.add_argument("--remote-read", action="store_true", default=None, help=_REMOTE_READ_HELP)


def add_heap(command: argparse.ArgumentParser) -> None:
    """Add the option that gives a heap profile to a verdict."""
    command.add_argument("--heap", action="append", default=[], metavar="[WORKLOAD=]FILE", help=_HEAP_HELP)


def add_limits(command: argparse.ArgumentParser) -> None:
    """Add what a recommendation of limits can be told."""
    command.add_argument(
        "--oom-probability",
        type=float,
        default=0.05,
        metavar="P",
        help="accepted chance of an OOM kill in 7 days (default 0.05)",
    )
    command.add_argument("--margins", metavar="FILE", help="margins that were learnt from your own weeks (JSON)")
    command.add_argument("--price", type=float, metavar="P", help="of a requested GiB for an hour, in any currency")


def read(options: argparse.Namespace) -> Recording | Lake:
    """Read what was asked for; a lake stays one."""
    import rmtoolkit as rm
    from rmtoolkit._io import is_lake, is_url
    from rmtoolkit.exceptions import RmtoolkitError
    from rmtoolkit.lake import Lake

    known = (*_SERVER_OPTIONS, "remote_read")
    asked = {name: getattr(options, name) for name in known if getattr(options, name) is not None}
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


def is_recording(found: Recording | Lake) -> TypeIs[Recording]:
    """Tell a recording from a lake."""
    from rmtoolkit.recording import Recording

    return isinstance(found, Recording)


def shown(sources: Sequence[str]) -> str:
    """Name the sources, without the credentials that an address may hold."""
    from rmtoolkit._io import is_url

    if not any(map(is_url, sources)):
        return " ".join(sources)
    from rmtoolkit.loaders.prometheus.live import shown_url

    return " ".join(shown_url(source) if is_url(source) else source for source in sources)


def profiles(given: Sequence[str]) -> list[str] | dict[str, list[str]] | None:
    """Sort the files of `--heap` by workload, as `rmtoolkit.classify` takes them."""
    from rmtoolkit.exceptions import RmtoolkitError, quote

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


def prices(options: argparse.Namespace, currency: str = "USD") -> Prices | None:
    """Give what things cost, where it is said."""
    from dataclasses import replace

    from rmtoolkit.limits.risk import USUAL

    return None if options.price is None else replace(USUAL, per_gib_hour=options.price, currency=currency)


def status(fleet: Totals, fail_on: Sequence[str]) -> int:
    """Give the exit status that `--fail-on` asks for."""
    leaks = "leak" in fail_on and fleet.leak > 0
    kills = "oom" in fail_on and (fleet.reaching > 0 or bool(fleet.above_target))
    return FINDINGS if leaks or kills else DONE
