"""Backtest limits: generated fleets and real tails that no margin saw, after kills, and who is refused."""

from __future__ import annotations

import argparse
import datetime as dt
import math
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from tqdm import tqdm

from rmtoolkit.assessment import assess
from rmtoolkit.limits.backtest import PROMISED, RIVALS, Backtest, summarise, weeks_of
from rmtoolkit.limits.risk import HORIZON, Margins, _kind, as_margins, pairs, taught, wilson, with_own
from rmtoolkit.recording import Recording, as_recording, concat, read_recording
from rmtoolkit.schema import WORKLOAD
from tests.benchmarks import limit_replays, limit_series
from tests.benchmarks.limit_fleets import KINDS, fleet, frame

HISTORY: Final = dt.timedelta(days=14)
#: What is asked of real tails: three weeks of own history.
THREE_WEEKS: Final = dt.timedelta(days=21)
CORPUS: Final = Path(__file__).parents[2] / "data" / "corpus"
FIELD: Final = CORPUS.with_name("field")
START_TIME: Final = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
TICK: Final = dt.timedelta(milliseconds=1)


def recordings(generator: str, seed: int, a_kind: int, days: int) -> list[Recording]:
    """Generate a fleet, one recording per workload."""
    made = tqdm(fleet(generator, seed, a_kind, days), total=len(KINDS) * a_kind, desc=f"{generator} fleet", leave=False)
    return [as_recording(frame(f"{kind}-{number}", pods)) for number, (kind, pods) in enumerate(made)]


def tested(known: list[Recording], margins: Margins, weeks: int, history: dt.timedelta, *, own: bool) -> pl.DataFrame:
    """Test the last weeks, with what the weeks before them teach or without; `spread` and interval beside each row."""
    last = max(times[1] for one in known if (times := one.times()))
    found = []
    every = pl.concat(pairs(one, last) for one in known)
    about = every.filter(pl.col("history_seconds") <= history.total_seconds()).sort("history_seconds")
    about = about.unique([*WORKLOAD, "week"], keep="last").select(*WORKLOAD, "week", "spread")
    for back in tqdm(range(weeks, 0, -1), desc="weeks", leave=False):
        origin = last + TICK - back * HORIZON
        before = [taught(one, origin - TICK, history)["pairs"] for one in known] if own else []
        used = with_own(margins, pl.concat(before)) if own else margins
        rows = pl.concat(weeks_of(one, origin, history, used, PROMISED)["weeks"] for one in known)
        found.append(rows.with_columns(swing=pl.lit(used.swing)))
    return pl.concat(found).join(about, on=[*WORKLOAD, "week"], nulls_equal=True, how="left")


def show(title: str, weeks: pl.DataFrame) -> None:
    """Print the tables."""
    result = summarise(weeks, PROMISED)
    print(f"\n== {title}: {result!r}")
    print("rule            weeks  OOM weeks %        worst  slack %    GiB  only ours/theirs  p")
    for row in result.arms.iter_rows(named=True):
        print(
            f"{row['arm']:15} {row['weeks']:5}  {100 * row['oom_share']:4.1f} ({100 * row['oom_low']:4.1f}–"
            f"{100 * row['oom_high']:4.1f})  {100 * row['worst_week']:5.1f}  {100 * row['slack']:6.1f}  "
            f"{row['reserved_gib']:6.0f}  {row['only_ours']:5} / {row['only_theirs']:<5}  {row['p_value']:.4f}"
        )
    calibrated(result)
    constant(weeks)
    for row in summarise(weeks, PROMISED, reference=0.02).arms.filter(pl.col("arm").is_in(list(RIVALS))).to_dicts():
        print(
            f"at 2 % against {row['arm']:10}: OOM weeks only ours {row['only_ours']}, theirs {row['only_theirs']}, "
            f"p {row['p_value']:.4f}; slack {100 * row['slack']:.1f} %"
        )
    grew = weeks.filter(pl.col("growing") & pl.col("arm").str.starts_with("rmtoolkit"))
    number, given = grew.select(*WORKLOAD, "week").n_unique(), grew["limit_bytes"].count()
    print(f"growing: {number} weeks, {given} provisional limits at {len(PROMISED)} chances")
    ours = result.arms.filter(arm="rmtoolkit 5 %").row(0, named=True)
    figures = ("oom_weeks", "slack")
    rules = result.arms.filter(pl.col("arm").str.starts_with("max")).iter_rows(named=True)
    better = [
        row["arm"]
        for row in rules
        if all(row[name] <= ours[name] for name in figures) and any(row[name] < ours[name] for name in figures)
    ]
    print(f"dominated by: {', '.join(better) or 'none of the family'}")


def calibrated(result: Backtest) -> None:
    """Say which share of weeks came true at each promised chance, by kind of past, and how many weeks it holds."""
    inside = total = 0
    for row in result.calibration.iter_rows(named=True):
        chance = row["promised"]
        mine = result.weeks.filter(pl.col("arm") == f"rmtoolkit {100 * chance:g} %", ~pl.col("growing"))
        mine = mine.drop_nulls("limit_bytes")
        kinds = mine.group_by(_kind(pl.col("spread")).alias("spread")).agg(pl.col("oom").mean(), n=pl.len())
        by_kind = [f"{100 * kind:.1f} % of {n}" for _, kind, n in kinds.sort("spread").rows() if n >= 1 / chance]
        for _, kills, count, swing in mine.group_by("week").agg(pl.sum("oom"), pl.len(), pl.first("swing")).rows():
            low, high = wilson(chance, 1 / (swing + 1 / count))
            # Workloads are whole: a hundredth of sixty is none or one.
            inside, total = inside + (math.floor(low * count) <= kills <= math.ceil(high * count)), total + 1
        print(
            f"promised {100 * chance:3.0f} %: observed {100 * (row['observed'] or 0):5.1f} % "
            f"({100 * row['low']:.1f}–{100 * row['high']:.1f}), worst week {100 * (row['worst_week'] or 0):.1f} %, "
            f"of {row['weeks']} weeks; by spread {', '.join(by_kind)}"
        )
    print(f"weeks whose share lies in the interval of 80 %: {inside} of {total}")


def constant(weeks: pl.DataFrame) -> None:
    """Hold the memory against that of the multiple of the peak with the same kills."""
    for chance in PROMISED:
        name = f"rmtoolkit {100 * chance:g} %"
        mine = weeks.filter(pl.col("arm") == name, ~pl.col("growing")).drop_nulls("limit_bytes")
        peak = weeks.filter(arm="max + 3 %").select(*WORKLOAD, "week", peak=pl.col("limit_bytes") / 1.03)
        both = mine.join(peak, on=[*WORKLOAD, "week"], nulls_equal=True)
        times = np.sort((both["needed_bytes"] / both["peak"]).to_numpy())
        kills = int(both["oom"].sum())
        factor = float(times[both.height - kills - 1]) if both.height else 1.0
        ratio = float(both["limit_bytes"].to_numpy().sum()) / (factor * float(both["peak"].to_numpy().sum()) or 1.0)
        print(f"{name}: {kills} kills; peak × {factor:.2f} has as many, and needs {100 / ratio - 100:+.0f} % memory")


def stretched(part: str, folder: Path = CORPUS, span: dt.timedelta = HISTORY + HORIZON) -> list[Recording]:
    """Read each recorded run as so much time; of three weeks two are to set limits from, and no rule has seen one."""
    whole = read_recording(folder / f"{part}.parquet")
    leaks = pl.read_csv(folder / f"{part}_labels.csv", infer_schema_length=None).select("namespace", "workload")
    known = []
    for row in leaks.iter_rows(named=True):
        run = whole.filter(namespace=row["namespace"], workload=row["workload"])
        (first, last) = run.times() or (None, None)
        assert first is not None
        assert last is not None
        factor = span / (last - first)
        later = START_TIME + (pl.col("time") - first).dt.total_milliseconds().mul(factor).cast(pl.Duration("ms"))
        parts = {name: getattr(run, name).with_columns(time=later) for name in ("samples", "events")}
        cadence = run.containers.with_columns(pl.col("cadence_seconds") * factor)
        known.append(replace(run, containers=cadence, **parts))
    return known


def future(part: str) -> None:
    """Hold the limits advised after each run's window, read as two weeks, against what it needed in its future."""
    folder = CORPUS if part == "odd" else FIELD
    runs = assess(concat(stretched(part, folder, HISTORY))).workloads.select(
        "namespace", "workload", "verdict", "action", "advised_limit_bytes"
    )
    needed = pl.read_parquet(folder / f"{part}_future.parquet").group_by("namespace", "workload")
    labels = pl.read_csv(folder / f"{part}_labels.csv", infer_schema_length=None)
    if "use" not in labels.columns:
        labels = labels.rename({"components": "use"})
    found = (
        labels.select("namespace", "workload", "shape", "use", "leak", "peak_bytes")
        .join(runs, on=["namespace", "workload"], how="left")
        .join(needed.agg(needed_bytes=pl.col("working_set_bytes").max()), on=["namespace", "workload"], how="left")
    )
    limit, need = pl.col("advised_limit_bytes"), pl.max_horizontal("needed_bytes", "peak_bytes")
    for leaks, title in ((False, "healthy"), (True, "leaks")):
        mine = found.filter(leak=leaks)
        given = mine.drop_nulls("advised_limit_bytes").with_columns(held=limit >= pl.col("needed_bytes"))
        held = int(given["held"].sum())
        low, high = wilson(held / max(given.height, 1), given.height, 1.96)
        times = given.select((limit / need).median()).item()
        lowered = given.filter(action="lower_limit")
        print(
            f"{title}: {mine.height} runs, {given.height} with a limit; it held {held} times "
            f"({low:.0%} to {high:.0%}), median {times or 0:.2f} of the need; "
            f"{lowered.height} lowered, of which {lowered['held'].sum()} held"
        )
        for row in given.filter(~pl.col("held")).iter_rows(named=True):
            print(
                f"  {row['shape']}, {row['use']} ({row['verdict']}, {row['action']}): "
                f"{row['advised_limit_bytes'] >> 20} Mi for {row['needed_bytes'] >> 20}"
            )


def real(paths: list[Path], margins: Margins) -> None:
    """Test on the half of real series that no margin was learnt from."""
    if not paths:
        print("\n== real tails: not measured; --series names the files, limit_series.py tells of what form they are")
    for path in paths:
        known = limit_series.read(path, limit_series.TEST)
        first, last = known.times() or (START_TIME, START_TIME)
        weeks = (last + TICK - first - THREE_WEEKS * 0.98) // HORIZON
        if weeks > 0:
            show(f"{path.stem}, three weeks, shipped", tested([known], margins, weeks, THREE_WEEKS, own=False))
            show(f"{path.stem}, three weeks, own", tested([known], margins, weeks, THREE_WEEKS, own=True))
            continue
        for history in (dt.timedelta(hours=6), dt.timedelta(days=1), dt.timedelta(days=3)):
            if last - first > HORIZON + history:
                show(f"{path.stem}, {history}", tested([known], margins, 1, history, own=False))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a-kind", type=int, default=36, help="workloads of each kind")
    parser.add_argument("--weeks", type=int, default=2, help="weeks to test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generator", default="field", choices=["calm", "wild", "field"])
    parser.add_argument("--margins", type=Path, help="a file of margins instead of the shipped ones")
    parser.add_argument(
        "--corpus", choices=["dev", "sealed", "odd"], help="recorded runs, each read as three weeks, instead"
    )
    parser.add_argument(
        "--future",
        choices=["dev", "fresh", "fresh2", "fresh3", "fresh4", "odd"],
        help="strangers' runs, or odd ones, against their own futures, instead",
    )
    parser.add_argument("--series", type=Path, nargs="*", default=[], help="real series, as limit_series tells of them")
    parser.add_argument("--replays", type=int, default=0, help="services that were killed, and healthy ones, to replay")
    parser.add_argument("--only-real", action="store_true")
    options = parser.parse_args()
    margins = as_margins(options.margins)
    if options.future:
        future(options.future)
        return
    if options.corpus:
        show(f"corpus {options.corpus}", tested(stretched(options.corpus), margins, 1, HISTORY, own=False))
        return
    real(options.series, margins)
    if options.only_real:
        return
    known = recordings(options.generator, options.seed, options.a_kind, 14 + 7 * options.weeks + 7)
    for own in (False, True):
        title = f"{options.generator} fleet, two weeks, {'own' if own else 'shipped'}"
        show(title, tested(known, margins, options.weeks, HISTORY, own=own))
    if options.replays:
        limit_replays.killed_held(options.generator, options.replays)
        limit_replays.refused(options.generator, options.replays)


if __name__ == "__main__":
    main()
