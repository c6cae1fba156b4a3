"""Tell what each threshold decides: how many verdicts of the development part change at half and at twice its value.

Usage: ``python tests/benchmarks/threshold_effects.py [NAME …]``, else for every number: each judges the part eight
times. A number that changes nothing at either value decides nothing there: it is to be looked at, and mostly to go.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import rmtoolkit as rm
from rmtoolkit.analysis import models, thresholds
from tests.benchmarks.leak_early import cut_at
from tests.benchmarks.leak_or_not import CORPUS, at_level, load

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

#: Known from statistics, not chosen.
NOT_CHOSEN: Final = {"QUANTILE", "DEVIATIONS_PER_MAD"}
#: Shares and probabilities end at 1.
SHARES_END: Final = 1.0


def cases() -> list[Recording]:
    """What is judged: everything and the working set alone, whole and cut early."""
    whole, labels = load("dev", CORPUS)
    return [cut_at(at_level(whole, labels, level)[0], share) for level in ("full", "working-set") for share in (0.4, 1)]


def judged(recordings: list[Recording]) -> list[tuple[str, ...]]:
    """The verdicts, in the order of the workloads."""
    models.bank.cache_clear()
    found = (rm.classify(recording).sort("namespace", "workload", "container") for recording in recordings)
    return [row for frame in found for row in frame.select("verdict").iter_rows()]


def changed(name: str, value: float, recordings: list[Recording], before: list[tuple[str, ...]]) -> int:
    """Count the verdicts that another value changes."""
    kept = getattr(thresholds, name)
    setattr(thresholds, name, type(kept)(value))
    try:
        after = judged(recordings)
    finally:
        setattr(thresholds, name, kept)
    return sum(one != other for one, other in zip(before, after, strict=True))


def main(names: list[str]) -> None:
    """Print a line for each number, the least decisive first."""
    recordings = cases()
    before = judged(recordings)
    every = {
        name: value
        for name, value in vars(thresholds).items()
        if name.isupper() and isinstance(value, int | float) and name not in NOT_CHOSEN
    }
    print(f"{len(every)} numbers, {len(before)} verdicts; changed at half and at twice the value", flush=True)
    rows = []
    for name in names or every:
        value = every[name]
        twice = min(2 * value, SHARES_END) if 0 < value < SHARES_END else 2 * value
        effect = [changed(name, other, recordings, before) for other in (value / 2, twice)]
        rows.append((sum(effect), name))
        print(f"{name:24}{value:>12g}{effect[0]:>7}{effect[1]:>7}", flush=True)
    silent = [name for total, name in sorted(rows) if not total]
    print(f"\n{len(silent)} decide nothing here: {', '.join(silent)}")


if __name__ == "__main__":
    main(sys.argv[1:])
