"""Learn the margins that come with the package, from generated fleets: writes rmtoolkit/limits/margins.json."""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl
from tqdm import tqdm

from rmtoolkit.limits.risk import Margins, pairs, tables_of
from rmtoolkit.recording import as_recording
from tests.benchmarks.limit_fleets import DAY, fleet, frame

TARGET = Path(__file__).resolve().parents[2] / "rmtoolkit" / "limits" / "margins.json"


def main() -> None:
    """Learn and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a-kind", type=int, default=60, help="workloads of each kind and generator")
    parser.add_argument("--days", type=int, default=35)
    options = parser.parse_args()
    found = []
    for generator in ("calm", "wild"):
        for number, (kind, pods) in enumerate(
            tqdm(fleet(generator, 900, options.a_kind, options.days), desc=generator, total=11 * options.a_kind)
        ):
            if kind != "leak":  # what leaks gets no limit
                recording = as_recording(frame(f"w{number}", pods))
                span = recording.times()
                if span is not None:
                    found.append(pairs(recording, span[1]))
    workloads = 2 * 10 * options.a_kind
    origin = (
        f"shipped with rmtoolkit, learnt from generated fleets, {workloads} workloads over {options.days} days: "
        "not from your services"
    )
    Margins(origin, tables_of(pl.concat(found))).save(TARGET)
    print(
        Margins.load(TARGET).tables.with_columns(scores=pl.col("scores").list.len()),
        TARGET.stat().st_size // 1024,
        "KiB",
        DAY,
    )


if __name__ == "__main__":
    main()
