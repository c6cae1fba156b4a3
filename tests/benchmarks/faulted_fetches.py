"""Fetches from a real Prometheus through a proxy that spoils answers: the same recording, or it is said what is not.

    python -m tests.benchmarks.faulted_fetches [--fetches 500] [--seed 1]

Each fetch has one kind of fault: of the network (refused, reset, cut, slow) or of what arrives (a login page, half a
document, a frame less). It meets the first requests, some, or all of them. What comes is compared with what comes
without: the same; something else, and the report or a warning says so; or one clear error. Anything else is a defect:
another recording without a word, another exception, or more than a minute.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from tests.live.conftest import instant
from tests.live.history import END, history
from tests.live.proxy import FAULTS, SPOILED, Proxy, Seen
from tests.live.servers import T0, Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable

SAME, TOLD, REFUSED = "the same", "told", "a clear error"
GOOD: Final = (SAME, TOLD, REFUSED)
_LONGEST_SECONDS: Final = 60
ASKED: Final[tuple[dict[str, Any], ...]] = (
    {"namespace": "shop"},
    {"pod": "ha-0"},
    {"namespace": "restart"},
    {"namespace": "exact", "step": "5m"},
)
_OPTIONS: Final[dict[str, Any]] = {"backoff_seconds": 0.001, "retries": 6, "timeout_seconds": 5.0}


class Fetch(NamedTuple):
    """One fetch with its faults."""

    asked: int
    fault: str
    when: str
    remote_read: bool
    seed: int

    def faults(self) -> Callable[[Seen], str | None]:
        """Which requests it meets."""
        draw = random.Random(self.seed)  # noqa: S311 - faults, no secrets
        seen = 0

        def fault(_: Seen) -> str | None:
            nonlocal seen
            seen += 1
            meets = {"first": seen == 1 + self.seed % 5, "some": draw.random() < 0.3, "all": True}[self.when]
            return self.fault if meets else None

        return fault


def planned(count: int, seed: int) -> list[Fetch]:
    """As many fetches, every fault in turn, the rest at random."""
    draw = random.Random(seed)  # noqa: S311 - faults, no secrets
    kinds = [*FAULTS, *SPOILED]
    return [
        Fetch(draw.randrange(4), kinds[at % len(kinds)], draw.choice(("first", "some", "all")), draw.random() < 0.5, at)
        for at in range(count)
    ]


def fetched(url: str, fetch: Fetch) -> rm.Recording:
    """Fetch as it was asked for."""
    with rm.Prometheus(url, remote_read=fetch.remote_read, **_OPTIONS) as source:
        return source.recording(start=instant(T0), end=instant(END + 7), **ASKED[fetch.asked])


def outcome(server: Prometheus, fetch: Fetch, whole: rm.Recording) -> str:
    """What a fetch with faults comes to beside `whole`, the same without."""
    begun = time.monotonic()
    with Proxy(server.url, fetch.faults()) as proxy, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = fetched(proxy.url, fetch)
        except RmtoolkitError as error:
            says = str(error)
            found_it = REFUSED if proxy.url in says and says.splitlines()[0].strip() else f"an error that says {says!r}"
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            found_it = f"{type(error).__name__}: {error}"
        else:
            equal = all(getattr(found, name).equals(getattr(whole, name)) for name in ("samples", "events"))
            equal = equal and found.containers.equals(whole.containers)
            said = [str(one.message) for one in warned if issubclass(one.category, RmtoolkitWarning)]
            # That JSON was read instead of a remote read says of no sample that it is missing.
            told = [*found.report.partial, *(one for one in said if "JSON was read instead" not in one)]
            found_it = SAME if equal else TOLD if told else "another recording without a word"
    slow = time.monotonic() - begun > _LONGEST_SECONDS
    return f"{found_it}, after more than a minute" if slow else found_it


def outcomes(server: Prometheus, fetches: list[Fetch]) -> list[tuple[Fetch, str]]:
    """What each comes to."""
    whole: dict[int, rm.Recording] = {}
    for fetch in fetches:
        if fetch.asked not in whole:
            whole[fetch.asked] = fetched(server.url, fetch._replace(remote_read=False))
    return [(fetch, outcome(server, fetch, whole[fetch.asked])) for fetch in fetches]


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetches through a proxy that spoils answers.")
    parser.add_argument("--fetches", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    with Prometheus(Path(tempfile.mkdtemp()), history()) as server:
        done = outcomes(server, planned(options.fetches, options.seed))
    print(f"{len(done):,} fetches in {time.monotonic() - begun:.0f} s")
    for what, number in Counter(what for _, what in done).most_common():
        print(f"{number:6,}  {what}")
    for fetch, what in done:
        if what not in GOOD:
            print(f"DEFECT {fetch}: {what}")


if __name__ == "__main__":
    main()
