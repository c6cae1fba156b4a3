"""Replay generated services that were killed, and count healthy ones that are refused a limit.

Killed: a service gets a limit below what it needs. What goes above it is killed and starts anew; a scrape sees a
process on its way up, never what it would have needed. From two weeks of that a limit is advised, and held against the
need of the third. Refused: two weeks of services that do not leak, under no limit, and how many of them get none.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from tqdm import tqdm

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.limits.risk import wilson
from tests.benchmarks.limit_fleets import DAY, KINDS, START, Pod, frame, workload

if TYPE_CHECKING:
    from collections.abc import Iterator

#: As long as Kubernetes waits between two starts, and some.
STEP: Final = 900
SEEN: Final = 14 * DAY // STEP
DAYS: Final = 21
#: The limit, as a share of the highest need of the two weeks.
SHARES: Final = (0.5, 0.99)
#: A scrape of a process that was killed sees so much of its limit at least.
EARLIEST: Final = 0.2
#: Seeds that no margin was learnt from.
FIRST_SEED: Final = 900_000
HEALTHY: Final = tuple(kind for kind in KINDS if kind != "leak")
TOLD: Final = ("action", "verdict", "recommended_limit_bytes", "vpa_target_bytes")


def services(generator: str) -> Iterator[tuple[str, int, list[Pod], pl.DataFrame]]:
    """Generate services of every kind that does not leak, with what is seen of their first two weeks."""
    for number in count():
        kind, seed = HEALTHY[number % len(HEALTHY)], FIRST_SEED + number
        pods = workload(kind, generator, seed, DAYS, STEP)
        seen = frame(f"{kind}-{seed}", pods, STEP).filter(pl.col("time") < START + SEEN * STEP)
        yield kind, seed, pods, seen


def killed(generator: str) -> Iterator[tuple[dict[str, Any], rm.Recording]]:
    """Give each too low a limit, and record what is left to see; what was never killed is left out."""
    for kind, seed, pods, table in services(generator):
        rng = np.random.default_rng([5, seed, KINDS.index(kind)])
        limit = int(rng.uniform(*SHARES) * max(pod.values[:SEEN].max() for pod in pods))
        over = pl.col("working_set_bytes") > limit
        kills = table.filter(over).select("time", "pod", kind=pl.lit("oom_kill"))
        reached = pl.Series(rng.uniform(EARLIEST, 1, table.height) * limit)
        seen = table.with_columns(
            working_set_bytes=pl.when(over).then(reached).otherwise("working_set_bytes").cast(pl.Int64),
            restarts_total=pl.col("restarts_total") + over.cast(pl.Int64).cum_sum().over("pod"),
            limit_bytes=pl.lit(limit),
        )
        needed = float(max(pod.values[SEEN:].max() for pod in pods))
        if kills.height:
            about = {"kind": kind, "limit_bytes": limit, "needed_bytes": needed, "kills": kills.height}
            yield about, rm.Recording.from_frame(seen, events=kills)


def unlimited(generator: str) -> Iterator[tuple[dict[str, Any], rm.Recording]]:
    """Record the same services under no limit."""
    for kind, _, _, table in services(generator):
        yield {"kind": kind}, rm.Recording.from_frame(table)


def advised(made: Iterator[tuple[dict[str, Any], rm.Recording]], runs: int) -> pl.DataFrame:
    """Ask for a limit for each."""
    rows = []
    for (about, recording), _ in zip(tqdm(made, total=runs, leave=False, file=sys.stderr), range(runs), strict=False):
        rows.append(about | rm.recommend_limits(recording).select(TOLD).row(0, named=True))
    return pl.DataFrame(rows, infer_schema_length=None)


def share(frame_: pl.DataFrame, name: str) -> str:
    """Write a share of rows with its 95 % interval."""
    found = int(frame_[name].sum())
    low, high = wilson(found / max(frame_.height, 1), frame_.height, 1.959964)
    return f"{found} of {frame_.height} ({100 * low:.1f}–{100 * high:.1f} %)"


def refused(generator: str, runs: int) -> None:
    """Print how many healthy services get no limit."""
    found = advised(unlimited(generator), runs).with_columns(refused=pl.col("recommended_limit_bytes").is_null())
    print(f"{generator}: refused without a leak: {share(found, 'refused')}")
    for (kind,), rows in found.group_by(["kind"], maintain_order=True):
        leaks = rows.filter("refused")["verdict"].eq("leak").sum()
        print(f"  {kind:12} {share(rows, 'refused')}, {leaks} called leak")


def killed_held(generator: str, runs: int) -> None:
    """Print how often the limit advised after kills held the week after."""
    limit = pl.col("recommended_limit_bytes")
    found = advised(killed(generator), runs).with_columns(
        held=limit >= pl.col("needed_bytes"), vpa=pl.col("vpa_target_bytes") >= pl.col("needed_bytes")
    )
    given = found.drop_nulls("held")
    times = given.select((limit / pl.col("needed_bytes")).median()).item()
    print(f"{generator}: {found.height} services that were killed, {found.height - given.height} refused a limit")
    print(f"the limit held the week after: {share(given, 'held')}; VPA's target: {share(given, 'vpa')}")
    print(f"median of the limit over the need: {times:.2f}")
    for kind in given["kind"].unique(maintain_order=True).to_list():
        print(f"  {kind:12} {share(given.filter(kind=kind), 'held')}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["killed", "refused"])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--generator", default="field", choices=["calm", "wild", "field"])
    options = parser.parse_args()
    warnings.simplefilter("ignore", RmtoolkitWarning)
    (refused if options.what == "refused" else killed_held)(options.generator, options.runs)


if __name__ == "__main__":
    main()
