"""Tell what each threshold decides: how many verdicts of the development parts change at half and at twice its value.

Usage: ``python tests/benchmarks/threshold_effects.py [NAME …]``, else for every number: each judges the parts of all
grounds eight times. Behind the verdicts stand the names that change: pattern, cause, outlook. A number that changes
nothing at either value decides nothing there: it is to be looked at, and mostly to go.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis import models, thresholds
from rmtoolkit.analysis.judge import judge
from tests.benchmarks.leak_early import cut_at
from tests.benchmarks.leak_or_not import CORPUS, FIELD, at_level, load

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

#: Known from statistics, not chosen.
NOT_CHOSEN: Final = {"QUANTILE", "DEVIATIONS_PER_MAD"}
#: Shares and probabilities end at 1.
SHARES_END: Final = 1.0


def cases() -> list[Recording]:
    """What is judged, of each ground: everything and the working set alone, whole and cut early."""
    found = []
    for part, folder in (("dev", CORPUS), ("dev", FIELD), ("hard", CORPUS)):
        whole, labels = load(part, folder)
        for level in ("full", "working-set"):
            found += [cut_at(at_level(whole, labels, level)[0], share) for share in (0.4, 1)]
    return found


def judged(recordings: list[Recording]) -> list[tuple[str, ...]]:
    """The verdicts and the names beside them, in the order of the workloads."""
    models.bank.cache_clear()
    order = ("cluster", "namespace", "workload", "container")
    found = (judge(recording, whole=False)[0]["verdicts"].sort(order) for recording in recordings)
    return [row for frame in found for row in frame.select("verdict", "pattern", "cause", "limit_outlook").iter_rows()]


def changed(name: str, value: float, recordings: list[Recording], before: list[tuple[str, ...]]) -> tuple[int, int]:
    """Count the verdicts that another value changes, and what else it changes."""
    kept = getattr(thresholds, name)
    setattr(thresholds, name, type(kept)(value))
    try:
        after = judged(recordings)
    finally:
        setattr(thresholds, name, kept)
    pairs = list(zip(before, after, strict=True))
    verdicts = sum(one[0] != other[0] for one, other in pairs)
    return verdicts, sum(one != other for one, other in pairs) - verdicts


def main(names: list[str]) -> None:
    """Print a line for each number, the least decisive last."""
    recordings = cases()
    before = judged(recordings)
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
            changed(name, other, recordings, before) for other in (value / 2, twice)
        )
        rows.append((half + double + names_half + names_double, name))
        print(f"{name:24}{value:>12g}{half:>7}{double:>7}   {names_half:>4}{names_double:>5}", flush=True)
    silent = [name for total, name in sorted(rows) if not total]
    print(f"\n{len(silent)} decide nothing here: {', '.join(silent)}")


if __name__ == "__main__":
    main(sys.argv[1:])
