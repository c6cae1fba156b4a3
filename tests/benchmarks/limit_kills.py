"""Replay runs that were killed: is the limit that is advised after the kills enough for the week after?

Services are generated, and given a limit below what they need. What goes above it is killed and starts anew, five
minutes later at the most; a scrape sees a process on its way up, never what it would have needed. From two weeks of
that a limit is advised, and held against the need of the third.
"""

from __future__ import annotations

import argparse
from typing import Final

import numpy as np
import polars as pl
from tqdm import tqdm

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.backtest import wilson
from tests.benchmarks.limit_fleets import DAY, KINDS, START, frame, workload

STEP: Final = 900
SEEN: Final = 14 * DAY // STEP
DAYS: Final = 21
#: The limit, as a share of the highest need of the two weeks.
SHARES: Final = (0.5, 0.99)
#: A scrape of a process that was killed sees so much of its limit at least.
EARLIEST: Final = 0.2


def killed(kind: str, generator: str, seed: int) -> tuple[rm.Recording, dict[str, float]] | None:
    """Generate a service, give it too low a limit, and record what is left to see; None where nothing was killed."""
    pods = workload(kind, generator, seed, DAYS, STEP)
    rng = np.random.default_rng([5, seed, KINDS.index(kind)])
    limit = int(rng.uniform(*SHARES) * max(pod.values[:SEEN].max() for pod in pods))
    table = frame(f"{kind}-{seed}", pods, STEP).filter(pl.col("time") < START + SEEN * STEP)
    over = pl.col("working_set_bytes") > limit
    kills = table.filter(over).select("time", "pod", kind=pl.lit("oom_kill"))
    if not kills.height:
        return None
    reached = pl.Series(rng.uniform(EARLIEST, 1, table.height) * limit)
    seen = table.with_columns(
        working_set_bytes=pl.when(over).then(reached).otherwise("working_set_bytes").cast(pl.Int64),
        restarts_total=pl.col("restarts_total") + over.cast(pl.Int64).cum_sum().over("pod"),
        limit_bytes=pl.lit(limit),
    )
    needed = float(max(pod.values[SEEN:].max() for pod in pods))
    recording = rm.Recording.from_frame(seen, events=kills)
    return recording, {"limit": limit, "needed": needed, "kills": kills.height}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--generator", default="field", choices=["calm", "wild", "field"])
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if kind != "leak"]
    rows = []
    progress = tqdm(total=options.runs, leave=False)
    seed = 0
    while len(rows) < options.runs:
        run = killed(kinds[seed % len(kinds)], options.generator, 900_000 + seed)
        seed += 1
        if run is None:
            continue
        recording, about = run
        try:
            advised = rm.recommend_limits(recording).row(0, named=True)
        except RmtoolkitError:
            advised = {}
        names = ("action", "recommended_limit_bytes", "oom_probability", "vpa_target_bytes", "need_bytes", "verdict")
        rows.append(
            {"kind": kinds[(seed - 1) % len(kinds)]} | about | {name: advised.get(name) for name in names}
        )
        progress.update()
    runs = pl.DataFrame(rows, infer_schema_length=None).with_columns(
        held=pl.col("recommended_limit_bytes") >= pl.col("needed"),
        vpa=pl.max_horizontal("vpa_target_bytes", "limit") >= pl.col("needed"),
        often=pl.when(pl.col("kills") < 5).then(pl.lit("1 to 4")).when(pl.col("kills") < 100).then(pl.lit("5 to 99")).otherwise(pl.lit("100 or more")),
        times=pl.col("recommended_limit_bytes") / pl.col("needed"),
    )
    given = runs.drop_nulls("held")
    low, high = wilson(int(given["held"].sum()), given.height)
    print(
        f"{options.generator}: {runs.height} runs that were killed, {given.height} given a limit; it held the next week "
        f"in {100 * given['held'].mean():.1f} % ({100 * low:.1f}–{100 * high:.1f}); VPA's target {100 * given['vpa'].mean():.1f} %; "
        f"median limit over need {given['times'].median():.2f}"
    )
    pl.Config.set_tbl_rows(50); pl.Config.set_tbl_width_chars(200)
    for by in ("kind", "often"):
        print(given.group_by(by).agg(runs=pl.len(), held=pl.col("held").mean(), vpa=pl.col("vpa").mean(), times=pl.col("times").median()).sort(by))
    print(runs.filter(pl.col("held").is_null())["kind", "action"].to_struct().value_counts())
    runs.write_parquet("/tmp/lk/runs.parquet")


if __name__ == "__main__":
    main()
