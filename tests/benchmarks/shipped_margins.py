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

from rmtoolkit.limits.risk import (
    _PLACES,
    _TABLES,
    HISTORIES,
    HORIZON,
    SPREADS,
    Margins,
    _kind,
    _own_places,
    pairs,
    swing_of,
)
from rmtoolkit.recording import as_recording
from rmtoolkit.schema import WORKLOAD
from tests.benchmarks import limit_series
from tests.benchmarks.limit_fleets import KINDS, fleet, frame

TARGET = Path(__file__).resolve().parents[2] / "rmtoolkit" / "limits" / "margins.json"
#: The place in a past's table from which a week counts as high, as margins of a fleet count it.
_HIGH = 0.95
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


def swing(found: pl.DataFrame, tables: pl.DataFrame) -> float:
    """Say how far the weeks of a source are at most from what the tables promise, after so many weeks of history."""
    whole = found.filter(pl.col("history_seconds").is_between(*WEEKS))
    high = whole.with_columns(high=_own_places(tables, whole) > _HIGH).group_by("history_seconds")
    return max((swing_of(part["high"], part["week"], 1 - _HIGH) for _, part in high), default=0.0)


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
    tables = tables_of(pl.concat(sources.values()))
    differ = {name: round(swing(found, tables), 4) for name, found in sources.items()}
    Margins(f"{origin}: not from your services", tables, max(differ.values())).save(options.output)
    print(Margins.load(options.output).tables.drop("rises"), options.output.stat().st_size // 1024, "KiB")
    print("weeks differ from what was promised by", differ)


if __name__ == "__main__":
    main()
