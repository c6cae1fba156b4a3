"""Made services for the dashboards: a week of samples, one a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import rmtoolkit as rm

if TYPE_CHECKING:
    import numpy.typing as npt

MI: Final = 2**20


def service(
    name: str,
    values: npt.ArrayLike,
    *,
    pod: int = 0,
    limit: int | None = 512,
    step: int = 60,
    **columns: Any,
) -> pl.DataFrame:
    """One pod of a workload, in MiB; a sample a minute unless said otherwise."""
    used = np.asarray(values, dtype=np.float64)
    at = np.arange(used.size)
    return pl.DataFrame(
        {
            "time": 1_760_000_000 + step * at,
            "namespace": "shop",
            "workload": name,
            "pod": f"{name}-{pod}",
            "container": "app",
            "working_set_bytes": (used * MI).astype(np.int64),
        }
    ).with_columns(
        limit_bytes=pl.lit(None if limit is None else limit * MI, dtype=pl.Int64),
        **{key: pl.lit(value) if np.isscalar(value) else pl.Series(value) for key, value in columns.items()},
    )


def starting(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A week with restarts, each with a startup spike of 150 MiB or so; values, and how often it had restarted."""
    rng = np.random.default_rng(seed)
    at = np.arange(7 * 1440)
    begun = np.isin(at, [900, 4000, 7000])
    age = at - np.maximum.accumulate(np.where(begun, at, 0))
    spike = np.where((age < 8) & (at >= 900), 150 * np.exp(-age / 4), 0)
    return 300 + 10 * np.sin(at / 229) + 2 * rng.standard_normal(at.size) + spike, begun.cumsum()


def shop(other: str = "db") -> rm.Recording:
    """A service with startups, one that leaks, and a quiet one."""
    frames = []
    for pod in range(2):
        values, restarts = starting(pod)
        frames.append(service("api", values, pod=pod, threads=24, restarts_total=restarts))
    frames.append(service("leaky", 200 + np.arange(7 * 1440) * 0.02))
    frames.append(service(other, 100 + np.random.default_rng(1).standard_normal(7 * 1440)))
    return rm.Recording.from_frame(pl.concat(frames, how="diagonal_relaxed"))
