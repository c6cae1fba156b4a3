"""What a higher limit buys a workload that grows: time, never a cure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.limits.cost import per_month
from rmtoolkit.limits.margins import Margins
from rmtoolkit.limits.risk import of_needs

if TYPE_CHECKING:
    from rmtoolkit.limits.week import Week

#: Limits that are tried, as multiples of the one in force.
_TRIED: Final = (1.0, 1.5, 2.0)
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
    if not grows.height:
        return pl.DataFrame(schema=BUYS)
    tried = pl.concat(
        [
            grows.select(*WORKLOAD, limit_bytes=(pl.col("limit_bytes") * times / _MIB).ceil().cast(pl.Int64) * _MIB)
            if times > 1
            else grows.select(*WORKLOAD, "limit_bytes")
            for times in _TRIED
        ]
    )
    # What grows is asked nothing of past pairs.
    grows = grows.with_columns(growing=pl.lit(value=True), climbing=pl.lit(None, dtype=pl.Boolean))
    risk = of_needs(grows, tried, Margins.shipped())
    about = {tuple(row[name] for name in WORKLOAD): row for row in grows.iter_rows(named=True)}
    rows = [_row(row, about[tuple(row[name] for name in WORKLOAD)], price_per_gib_hour) for row in risk.to_dicts()]
    return pl.DataFrame(rows, schema=BUYS).unique(maintain_order=True)


def _row(risk: dict[str, Any], about: dict[str, Any], price: float | None) -> dict[str, Any]:
    limit, now = risk["limit_bytes"], about["limit_bytes"]
    more = limit - now
    rate = about["growth_bytes_per_day"]
    hours = about["hours_to_limit"]
    if more and hours is not None:
        hours = hours + more / rate * 24 if rate and rate > 0 else None
    chance = about["oom_probability"] if not more else risk["oom_probability"]
    if chance is not None and about["oom_probability"] is not None:
        # Two estimates of one thing: a higher limit is never riskier than the one in force.
        chance = min(chance, about["oom_probability"])
    return {
        **{name: risk[name] for name in WORKLOAD},
        "limit_bytes": limit,
        "oom_probability": chance,
        "hours": None if hours is None or not math.isfinite(hours) else hours,
        "cost_per_month": per_month(more * about["pods"], price) if more else None,
    }
