"""Series of real memory over weeks, from files that are no part of the project: machines and jobs of two companies.

Machines: a row an hour with ``series``, ``time``, ``max_kib``, ``mean_kib``, ``capacity_mib`` (Bitbrains, GWA-T-12
"rnd"; Shen, van Beek, Iosup, CCGrid 2015). Jobs: a row every five minutes with ``series``, ``day``, ``step``,
``percent`` of a machine (Google cluster-data 2011). Half of each, by a hash of its name, is to learn from.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

import rmtoolkit as rm
from tests.benchmarks.limit_fleets import MIB, START

if TYPE_CHECKING:
    from pathlib import Path

LEARN, TEST = 0, 1
SOURCE: Final = "machines and jobs of public traces (Bitbrains GWA-T-12, Google 2011)"
#: Quarters of an hour stand for an hour: the highest, and what is left of the mean.
QUARTERS: Final = 4
#: What a percent of a machine is taken for.
PERCENT_BYTES: Final = 655 * MIB


def read(path: Path, half: int) -> rm.Recording:
    """Read half of the series of a file."""
    table = pl.read_parquet(path)
    mine = [name for name in table["series"].unique() if zlib.crc32(str(name).encode()) % 2 == half]
    table = table.filter(pl.col("series").is_in(mine))
    return machines(table) if "max_kib" in table.columns else jobs(table)


def machines(table: pl.DataFrame) -> rm.Recording:
    """Read machines: each is a workload that may need all that its node has."""
    hours = table.group_by("series", "time").agg(pl.max("max_kib", "mean_kib", "capacity_mib"))
    rest = (QUARTERS * pl.col("mean_kib") - pl.col("max_kib")).clip(0) / (QUARTERS - 1)
    quarters = [
        hours.select(
            time=pl.col("time").dt.replace_time_zone("UTC") + pl.duration(minutes=60 // QUARTERS * number),
            workload="series",
            pod="series",
            node="series",
            working_set_bytes=((rest if number else pl.col("max_kib")) * 1024).cast(pl.Int64),
        )
        for number in range(QUARTERS)
    ]
    recording = rm.Recording.from_frame(pl.concat(quarters))
    capacity = hours.group_by("series").agg(pl.col("capacity_mib").max().cast(pl.Int64) * MIB)
    return replace(recording, report=replace(recording.report, nodes=dict(capacity.rows())))


def jobs(table: pl.DataFrame) -> rm.Recording:
    """Read jobs: each is a workload."""
    seconds = START + pl.col("day").cast(pl.Int64) * 86_400 + pl.col("step") * 300
    used = (pl.col("percent") * PERCENT_BYTES).cast(pl.Int64)
    return rm.Recording.from_frame(table.select(time=seconds, workload="series", pod="series", working_set_bytes=used))
