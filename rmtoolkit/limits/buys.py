"""What a higher limit buys a workload that grows: time, never a cure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.limits.cost import per_month
from rmtoolkit.limits.risk import of_row

if TYPE_CHECKING:
    from rmtoolkit.limits.week import Week

#: Higher limits that are tried, as multiples of the one in force.
_TRIED: Final = (1.5, 2.0)
_MIB: Final = 2**20

BUYS: Final = pl.Schema(
    {
        **{name: pl.String() for name in WORKLOAD},
        "limit_bytes": pl.Int64(),
        "oom_probability": pl.Float64(),
        "hours": pl.Float64(),
        "cost_per_month": pl.Float64(),
    }
)


def buys(week: Week, price_per_gib_hour: float | None = None) -> pl.DataFrame:
    """Try higher limits for every workload that grows towards one.

    Parameters
    ----------
    week
        The week.
    price_per_gib_hour
        Of a requested GiB; None: costs stay null.

    Returns
    -------
    polars.DataFrame
        Three rows per workload container that grows and has a limit: the names, `limit_bytes` (the one in force, half
        as much again, and twice as much), `oom_probability` within seven days, `hours` until it is reached, and
        `cost_per_month` of what is more, for all pods.

    Examples
    --------
    >>> from rmtoolkit.limits.week import survey
    >>> buys(survey(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": 50 << 20}))).height
    0
    """
    grows = week.rows().filter(
        pl.col("growing").fill_null(value=False) & pl.col("limit_bytes").is_not_null() & (pl.col("limit_bytes") > 0)
    )
    rows = [_row(about, limit, price_per_gib_hour) for about in grows.iter_rows(named=True) for limit in _tried(about)]
    return pl.DataFrame(rows, schema=BUYS)


def _tried(about: dict[str, Any]) -> list[int]:
    now = about["limit_bytes"]
    return [now, *(math.ceil(now * times / _MIB) * _MIB for times in _TRIED)]


def _row(about: dict[str, Any], limit: int, price: float | None) -> dict[str, Any]:
    more = limit - about["limit_bytes"]
    rate, hours = about["growth_bytes_per_day"], about["hours_to_limit"]
    chance = about["oom_probability"]
    if more:
        # What grows is asked for its growth alone: no margin comes into it.
        tried = of_row(about | {"limit_bytes": limit, "growing": True}, np.array([]))[0]
        # Two estimates of one thing: a higher limit is never riskier than the one in force.
        chance = tried if chance is None or tried is None else min(tried, chance)
        if hours is not None:
            hours = hours + more / rate * 24 if rate and rate > 0 else None
    return {
        **{name: about[name] for name in WORKLOAD},
        "limit_bytes": limit,
        "oom_probability": chance,
        "hours": hours,
        "cost_per_month": per_month(more * about["pods"], price) if more else None,
    }
