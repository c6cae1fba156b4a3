"""Learn the margins that come with the package: writes rmtoolkit/limits/margins.json.

From generated fleets, and from half of the real series whose files are named: without them the tails are too light.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
from tqdm import tqdm

from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.limits.risk import _PLACES, _TABLES, HISTORIES, HORIZON, SPREADS, Margins, _kind, pairs, swing_of
from rmtoolkit.recording import as_recording
from tests.benchmarks import limit_series
from tests.benchmarks.limit_fleets import KINDS, fleet, frame

TARGET = Path(__file__).resolve().parents[2] / "rmtoolkit" / "limits" / "margins.json"
#: Weeks differ in how many pairs rise as one in twenty does.
HIGH = 0.95
#: Pairs that are enough for a table; with fewer, the kinds of past beside it are taken as well.
_PLENTY = 50
#: Lengths of history of which there are weeks enough to say so.
WEEKS = (7 * 86_400.0, 28 * 86_400.0)


def of(recording: object) -> pl.DataFrame:
    """Make all pairs of a recording."""
    recording = as_recording(recording)
    _, last = recording.times() or (None, None)
    assert isinstance(last, dt.datetime)
    return pairs(recording, last, HISTORIES[0])


def swing(found: pl.DataFrame) -> float:
    """Say how much the weeks of a source differ at most, after so many weeks of history."""
    high = pl.col("rise") > pl.col("rise").quantile(HIGH).over("history_seconds")
    whole = found.filter(pl.col("history_seconds").is_between(*WEEKS)).with_columns(high=high)
    return max((swing_of(part["high"], part["week"]) for _, part in whole.group_by("history_seconds")), default=0.0)


def tables_of(learnt: pl.DataFrame) -> pl.DataFrame:
    """Make tables of pairs."""
    sorted_ = learnt.with_columns(kind=_kind(pl.col("spread"))).sort("rise")
    rows, week = [], {}
    for length in sorted_["history_seconds"].unique().sort(descending=True):
        group = sorted_.filter(history_seconds=length)
        for number, least in enumerate(SPREADS):
            reach, near = 0, group.filter(kind=least)
            while near.height < _PLENTY and reach < len(SPREADS):
                reach += 1
                near = group.filter(pl.col("kind").is_in(SPREADS[max(number - reach, 0) : number + reach + 1]))
            rises = near["rise"].to_numpy()[np.ceil(_PLACES * near.height - 1e-9).astype(int).clip(1) - 1]
            if length >= HORIZON.total_seconds():
                week[least] = rises
            # Less than a week never says more than a week does.
            rises = np.maximum(rises, week.get(least, rises))
            rows.append((length, least, near.height, near.select(WORKLOAD).n_unique(), rises.tolist()))
    return pl.DataFrame(rows, schema=_TABLES, orient="row").sort("history_seconds", "spread")


def main() -> None:
    """Learn and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=Path, nargs="*", default=[], help="files as limit_series tells of them")
    parser.add_argument("--a-kind", type=int, default=30, help="workloads of each kind and generator")
    parser.add_argument("--days", type=int, default=77)
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    options = parser.parse_args()
    generated = []
    for generator in ("calm", "wild"):
        made = fleet(generator, 900, options.a_kind, options.days)
        for number, (kind, pods) in enumerate(tqdm(made, desc=generator, total=len(KINDS) * options.a_kind)):
            if kind != "leak":  # what leaks gets no limit
                generated.append(of(frame(f"{generator}-{number}", pods)))
    sources = {"generated": pl.concat(generated)}
    if options.series:
        real = [of(limit_series.read(path, limit_series.LEARN)) for path in options.series]
        sources["real"] = pl.concat(real)
    known = {name: found.select(WORKLOAD).n_unique() for name, found in sources.items()}
    origin = f"shipped with rmtoolkit, learnt from {known['generated']} workloads of generated fleets"
    if options.series:
        origin += f" and {known['real']} {limit_series.SOURCE}"
    differs = max(swing(found) for found in sources.values())
    Margins(f"{origin}: not from your services", tables_of(pl.concat(sources.values())), differs).save(options.output)
    print(Margins.load(options.output).tables.drop("rises"), options.output.stat().st_size // 1024, "KiB")
    print("weeks differ by", {name: round(swing(found), 4) for name, found in sources.items()})


if __name__ == "__main__":
    main()
