"""Backtest the limits on generated fleets: margins from two generators, weeks from a third; writes a table."""

from __future__ import annotations

import argparse
import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl
from tqdm import tqdm

from rmtoolkit.limits.backtest import RIVALS, Backtest, summarise, weeks_of
from rmtoolkit.limits.risk import HORIZON, Margins, as_margins, pairs, tables_of
from rmtoolkit.recording import Recording, as_recording, read_recording
from tests.benchmarks.limit_fleets import KINDS, fleet, frame

HISTORY: Final = dt.timedelta(days=14)
CORPUS: Final = Path(__file__).parents[2] / "data" / "corpus"
START_TIME: Final = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def recordings(generator: str, seed: int, a_kind: int, days: int) -> list[tuple[str, Recording]]:
    """Generate a fleet, one recording per workload."""
    made = tqdm(fleet(generator, seed, a_kind, days), total=len(KINDS) * a_kind, desc=f"{generator} fleet", leave=False)
    return [(kind, as_recording(frame(f"{kind}-{number}", pods))) for number, (kind, pods) in enumerate(made)]


def tested(known: list[tuple[str, Recording]], margins: Margins | None, weeks: int) -> Backtest:
    """Test the last weeks; without margins, those of the fleet's own weeks before."""
    (_, last) = known[0][1].times() or (None, None)
    assert last is not None
    found = []
    for back in range(weeks, 0, -1):
        origin = last + dt.timedelta(milliseconds=1) - back * HORIZON
        used = margins
        if used is None:
            before = [pairs(recording, origin - dt.timedelta(milliseconds=1)) for _, recording in known]
            used = Margins("learnt from the fleet's own weeks before", tables_of(pl.concat(before)))
        found += [weeks_of(recording, origin, HISTORY, used) for _, recording in tqdm(known, desc="weeks", leave=False)]
    return summarise(pl.concat(found))


def show(title: str, result: Backtest) -> None:
    """Print the tables."""
    print(f"\n== {title}: {result!r}")
    print("rule            weeks  OOM weeks %       slack %   GiB  churn %  only ours/theirs  p        slack p")
    for row in result.arms.iter_rows(named=True):
        churn = "–" if row["churn"] is None else f"{100 * row['churn']:.1f}"
        print(
            f"{row['arm']:15} {row['weeks']:5}  {100 * row['oom_share']:4.1f} ({100 * row['oom_low']:.1f}–"
            f"{100 * row['oom_high']:.1f})  {100 * row['slack']:6.1f}  {row['reserved_gib']:6.0f}  {churn:>6}  "
            f"{row['only_ours']:5} / {row['only_theirs']:<5}  {row['p_value']:.4f}  {row['slack_p_value'] or 0:.4f}"
        )
    for row in result.calibration.iter_rows(named=True):
        print(
            f"promised {100 * row['promised']:4.0f} %: observed {100 * (row['observed'] or 0):5.1f} % "
            f"({100 * row['low']:.1f}–{100 * row['high']:.1f}) of {row['weeks']} weeks"
        )
    for row in summarise(result.weeks, reference=0.02).arms.filter(pl.col("arm").is_in(list(RIVALS))).to_dicts():
        print(
            f"at 2 % against {row['arm']:10}: OOM weeks only ours {row['only_ours']}, theirs {row['only_theirs']}, "
            f"p {row['p_value']:.4f}; slack {100 * row['slack_difference']:+.1f} points, "
            f"p {row['slack_p_value'] or 0:.4f}"
        )
    growing = result.growing.row(0, named=True)
    print(f"growing: {growing['weeks']} weeks, {growing['violations']} with a plain limit")
    print(f"dominated by: {', '.join(result.dominated_by()) or 'none of the family'}")


def stretched(part: str) -> list[tuple[str, Recording]]:
    """Read each recorded run as three weeks: two to set limits from, and one that no rule has seen."""
    whole = read_recording(CORPUS / f"{part}.parquet")
    leaks = pl.read_csv(CORPUS / f"{part}_labels.csv", infer_schema_length=None).select("namespace", "workload", "leak")
    known = []
    for row in leaks.iter_rows(named=True):
        run = whole.filter(namespace=row["namespace"], workload=row["workload"])
        (first, last) = run.times() or (None, None)
        assert first is not None
        assert last is not None
        factor = (HISTORY + HORIZON) / (last - first)
        later = START_TIME + (pl.col("time") - first).dt.total_milliseconds().mul(factor).cast(pl.Duration("ms"))
        parts = {name: getattr(run, name).with_columns(time=later) for name in ("samples", "events")}
        cadence = run.containers.with_columns(pl.col("cadence_seconds") * factor)
        known.append(("leak" if row["leak"] else "sound", replace(run, containers=cadence, **parts)))
    return known


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a-kind", type=int, default=36, help="workloads of each kind")
    parser.add_argument("--weeks", type=int, default=2, help="weeks to test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generator", default="field", choices=["calm", "wild", "field"])
    parser.add_argument("--margins", type=Path, help="a file of margins instead of the shipped ones")
    parser.add_argument("--corpus", choices=["dev", "sealed"], help="recorded runs, each read as three weeks, instead")
    options = parser.parse_args()
    if options.corpus:
        known = stretched(options.corpus)
        show(f"corpus {options.corpus}, shipped margins", tested(known, as_margins(options.margins), 1))
        return
    days = 14 + 7 * options.weeks + 7
    known = recordings(options.generator, options.seed, options.a_kind, days)
    show(f"{options.generator}, shipped margins", tested(known, as_margins(options.margins), options.weeks))
    show(f"{options.generator}, its own past weeks", tested(known, None, options.weeks))


if __name__ == "__main__":
    main()
