"""Tell what each threshold decides: how many verdicts of the open parts change at half and at twice its value.

Usage: ``python tests/benchmarks/threshold_effects.py [NAME …]``, else for every number. What only weighs readings is
tried on readings made once; what they are made with needs them anew, which takes ten times as long. Behind the verdicts
stand the names that change: pattern, cause, outlook. A number that changes nothing at either value decides nothing
there: it is to be looked at, and mostly to go.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from rmtoolkit.analysis import models, signals, thresholds
from rmtoolkit.analysis.judge import judge
from tests.benchmarks.leak_early import cut_at
from tests.benchmarks.leak_or_not import CORPUS, FIELD, at_level, load

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

    #: By case and containers.
    Kept = dict[tuple[int, ...], signals.Readings]

#: Known from statistics, not chosen.
NOT_CHOSEN: Final = {"QUANTILE", "DEVIATIONS_PER_MAD"}
#: Shares and probabilities end at 1.
SHARES_END: Final = 1.0
GROUNDS: Final = {CORPUS: ("dev", "hard", "odd"), FIELD: ("dev", "fresh", "fresh2", "fresh3", "fresh4")}
#: What a reading is made with.
READ_WITH: Final = set(re.findall(r"\bth\.([A-Z_]+)", inspect.getsource(models) + inspect.getsource(signals)))


def cases() -> list[Recording]:
    """What is judged, of each ground: everything and the working set alone, whole and cut early."""
    found = []
    for folder, parts in GROUNDS.items():
        for part in parts:
            whole, labels = load(part, folder)
            for level in ("full", "working-set"):
                found += [cut_at(at_level(whole, labels, level)[0], share) for share in (0.4, 1)]
    return found


def judged(recordings: list[Recording], kept: Kept) -> list[tuple[str, ...]]:
    """The verdicts and the names beside them, in the order of the workloads; what was read is kept."""
    models.bank.cache_clear()
    order = ("cluster", "namespace", "workload", "container")
    read, rows = signals.read, []
    for number, recording in enumerate(recordings):

        def once(cut: Any, part: Recording, rejected: Any, number: int = number) -> signals.Readings:
            key = (number, *part.containers["container_id"])
            if key not in kept:
                kept[key] = read(cut, part, rejected)
            return kept[key]

        with mock.patch.object(signals, "read", once):
            frame = judge(recording, whole=False)[0]["verdicts"].sort(order)
        rows += frame.select("verdict", "pattern", "cause", "limit_outlook").rows()
    return rows


def changed(
    name: str, value: float, recordings: list[Recording], before: list[tuple[str, ...]], kept: Kept
) -> tuple[int, int]:
    """Count the verdicts that another value changes, and what else it changes."""
    now = type(getattr(thresholds, name))(value)
    with mock.patch.object(thresholds, name, now):
        after = judged(recordings, {} if name in READ_WITH else kept)
    pairs = list(zip(before, after, strict=True))
    verdicts = sum(one[0] != other[0] for one, other in pairs)
    return verdicts, sum(one != other for one, other in pairs) - verdicts


def main(names: list[str]) -> None:
    """Print a line for each number, the least decisive last."""
    recordings, kept = cases(), dict[tuple[int, ...], signals.Readings]()
    before = judged(recordings, kept)
    every = {
        name: value
        for name, value in vars(thresholds).items()
        if name.isupper() and isinstance(value, int | float) and name not in NOT_CHOSEN
    }
    print(
        f"{len(every)} numbers, {len(before)} verdicts; changed at half and at twice the value, and what else",
        flush=True,
    )
    rows = []
    for name in names or every:
        value = every[name]
        twice = min(2 * value, SHARES_END) if 0 < value < SHARES_END else 2 * value
        (half, names_half), (double, names_double) = (
            changed(name, other, recordings, before, kept) for other in (value / 2, twice)
        )
        rows.append((half + double + names_half + names_double, name))
        print(f"{name:24}{value:>12g}{half:>7}{double:>7}   {names_half:>4}{names_double:>5}", flush=True)
    silent = [name for total, name in sorted(rows) if not total]
    print(f"\n{len(silent)} decide nothing here: {', '.join(silent)}")


if __name__ == "__main__":
    main(sys.argv[1:])
