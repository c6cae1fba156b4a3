"""Small fleets with known needs."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.analysis.judge import judge
from rmtoolkit.limits.recommend import gathered

MIB: Final = 2**20
DAY: Final = 86_400
START: Final = 1_750_000_000


def samples(values: object, *, step: int = 3600, **labels: object) -> pl.DataFrame:
    """One container's working set."""
    column = pl.Series("working_set_bytes", np.asarray(values, dtype=np.float64)).cast(pl.Int64)
    about = {"namespace": "shop", "workload": "api", "pod": "api-0", "container": "app"} | labels
    return pl.DataFrame({"time": START + np.arange(column.len()) * step, "working_set_bytes": column}).with_columns(
        pl.lit(value).alias(name) for name, value in about.items()
    )


def gather(recording: rm.Recording) -> pl.DataFrame:
    """What limits are decided from."""
    return judge(recording, lambda part, verdicts: {"needs": gathered(part, verdicts)}, whole=False)[0]["needs"]


def steady(days: int, level: float = 200.0, *, rough: float = 0.01, seed: int = 1, step: int = 3600) -> np.ndarray:
    """A level in MiB with a little noise, in bytes."""
    return level * MIB * (1 + rough * np.random.default_rng(seed).standard_normal(days * DAY // step))


@pytest.fixture(scope="session")
def fleet() -> rm.Recording:
    """Forty settled workloads over five weeks, of which one in ten has a spike in some weeks."""
    frames = []
    for number in range(40):
        values = steady(35, 100 + 5 * number, seed=number)
        if number % 10 == 0:
            values[24 * (3 + 7 * (number // 10)) : 24 * (3 + 7 * (number // 10)) + 2] *= 1.6
        frames.append(samples(values, workload=f"w{number:02}", pod=f"w{number:02}-0"))
    return rm.Recording.from_frame(pl.concat(frames))


@pytest.fixture(scope="module", autouse=True)
def _fleets_are_judged_once(judged_once: None) -> None:
    """Many tests ask other limits of the same fleets."""
