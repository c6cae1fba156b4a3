"""The chance that a limit kills: at least one OOM kill in the next seven days, for every limit that is asked about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.intervals import clopper_pearson
from rmtoolkit.limits.margins import HORIZON, SHORTEST, as_margins, lookup
from rmtoolkit.limits.need import needs

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import numpy.typing as npt

    from rmtoolkit.limits.margins import Margins
    from rmtoolkit.limits.usage import AnyRecording

_DAYS: Final = HORIZON.total_seconds() / 86_400
#: An 80 % interval of a normal distribution is so many deviations wide.
_DEVIATIONS_IN_80: Final = 2.5631

#: What has killed before may well kill again.
_KILLED_BEFORE: Final = 0.5
#: How well a level is known.
_LEVEL: Final = 0.02

#: Chance, its interval, pairs, smallest chance they can tell, whether certified, why.
Answer = tuple[float | None, float | None, float | None, int, float | None, bool, str]

RISK: Final = pl.Schema(
    {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "container": pl.String(),
        "limit_bytes": pl.Int64(),
        "oom_probability": pl.Float64(),
        "oom_probability_low": pl.Float64(),
        "oom_probability_high": pl.Float64(),
        "pairs": pl.Int64(),
        "smallest_probability": pl.Float64(),
        "certified": pl.Boolean(),
        "growing": pl.Boolean(),
        "margins": pl.String(),
        "because": pl.String(),
    }
)


def limit_risk(
    recording: AnyRecording,
    limits: Sequence[int] | int | pl.DataFrame,
    margins: Margins | str | os.PathLike[str] | None = None,
) -> pl.DataFrame:
    """Give the chance of at least one OOM kill in the next 7 days for every candidate limit.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    limits
        Limits in bytes, tried for every workload container; or a frame with `limit_bytes` and any of the columns
        `cluster`, `namespace`, `workload`, `container`, for limits of each.
    margins
        From `learn_margins`, or the file they were saved in; None: those that come with the package.

    Returns
    -------
    polars.DataFrame
        A row per workload container and limit: `cluster` … `container`, `limit_bytes`, `oom_probability` with
        `oom_probability_low` and `oom_probability_high` (80 %), `pairs` (past and next weeks behind the number),
        `smallest_probability` (the lowest that so many pairs can tell: 1 in pairs + 1), `certified` (false: the chance
        is at that floor, and may be anything below; or the history is shorter than an hour, and it may be higher),
        `growing` (it leaks or may: then the chance is that of the growth reaching the limit, and waiting makes it
        worse), `margins` (where the pairs come from), `because`. The chance is null where nothing can be said.

    Raises
    ------
    RmtoolkitError
        There is no limit, or one is not above zero.

    Notes
    -----
    A limit's place in the scores of other pairs is its chance: conformal prediction; see `learn_margins`. The interval
    is that of Clopper and Pearson.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> risk = limit_risk(table, [90 * 2**20, 400 * 2**20])
    >>> (risk["oom_probability"] > 0.5).to_list()
    [True, False]
    """
    return of_needs(needs(recording), limits, as_margins(margins))


def of_needs(known: pl.DataFrame, limits: Sequence[int] | int | pl.DataFrame, margins: Margins) -> pl.DataFrame:
    """Do what `limit_risk` does for needs that were gathered before.

    Parameters
    ----------
    known
        As `rmtoolkit.limits.need.needs` gives it.
    limits, margins
        As in `limit_risk`.

    Returns
    -------
    polars.DataFrame
        As in `limit_risk`.

    Examples
    --------
    >>> from rmtoolkit.limits.margins import Margins
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> of_needs(needs(table), 400 * 2**20, Margins.shipped())["certified"].to_list()
    [False]
    """
    tried = _tried(known, limits)
    scores = lookup(margins)
    # What grows needs no pairs, and callers that ask about nothing else give no columns for them.
    found = [
        _of_growth(row) if row["growing"] else _of_scores(row, scores(row["history_seconds"], row["climbing"]))
        for row in tried.iter_rows(named=True)
    ]
    answer = pl.DataFrame(
        found,
        schema={
            "oom_probability": pl.Float64,
            "oom_probability_low": pl.Float64,
            "oom_probability_high": pl.Float64,
            "pairs": pl.Int64,
            "smallest_probability": pl.Float64,
            "certified": pl.Boolean,
            "because": pl.String,
        },
        orient="row",
    )
    return (
        tried.select(*WORKLOAD, "limit_bytes", "growing")
        .hstack(answer)
        .with_columns(margins=pl.lit(margins.origin))
        .select(RISK.names())
    )


def of_row(row: dict[str, Any], scores: npt.NDArray[np.float64]) -> Answer:
    """Answer for one limit of one workload container.

    Parameters
    ----------
    row
        As `rmtoolkit.limits.need.needs` gives it, with the limit as `limit_bytes`.
    scores
        Those of the margins that fit it.

    Returns
    -------
    tuple
        As `Answer` says.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> row = needs(table).row(0, named=True) | {"limit_bytes": 90 * 2**20}
    >>> of_row(row, np.array([0.1, 0.2]))[0]
    1.0
    """
    return _of_growth(row) if row["growing"] else _of_scores(row, scores)


def _tried(known: pl.DataFrame, limits: Sequence[int] | int | pl.DataFrame) -> pl.DataFrame:
    """Put every workload beside the limits to try for it."""
    if isinstance(limits, pl.DataFrame):
        if "limit_bytes" not in limits.columns:
            msg = f"The frame of limits needs a column 'limit_bytes', found {', '.join(limits.columns)}."
            raise RmtoolkitError(msg)
        wanted = limits.select(*(name for name in WORKLOAD if name in limits.columns), "limit_bytes")
    else:
        values = [limits] if isinstance(limits, int) else list(limits)
        wanted = pl.DataFrame({"limit_bytes": values}, schema={"limit_bytes": pl.Float64})
    if not wanted.height or wanted["limit_bytes"].null_count() or not bool((wanted["limit_bytes"] > 0).all()):
        msg = "Give one limit or more, each above zero bytes."
        raise RmtoolkitError(msg)
    wanted = wanted.with_columns(pl.col("limit_bytes").cast(pl.Int64))
    rest = known.drop("limit_bytes")
    on = [name for name in WORKLOAD if name in wanted.columns]
    if not on:
        return rest.join(wanted, how="cross", maintain_order="left_right")
    return rest.join(wanted, on=on, nulls_equal=True, maintain_order="left_right")


def _of_scores(row: dict[str, Any], scores: npt.NDArray[np.float64]) -> Answer:
    """Find the place of a limit in the scores of past pairs."""
    base, spread = row["base_bytes"], row["spread"]
    if base is None or spread is None or not scores.size:
        return None, None, None, 0, None, False, "the history is too short to say anything about a week"
    limit = float(row["limit_bytes"])
    above = int(scores.size - np.searchsorted(scores, math.log(limit / base) / spread, side="left"))
    floor = 1 / (scores.size + 1)
    chance = (above + 1) / (scores.size + 1)
    low, high = clopper_pearson(above, scores.size)
    killed = row["killed_limit_bytes"]
    if killed is not None and limit <= killed:
        return (
            max(chance, _KILLED_BEFORE),
            low,
            1.0,
            scores.size,
            floor,
            True,
            "it was OOM killed at this limit or a higher one",
        )
    if (row["history_seconds"] or 0.0) < SHORTEST.total_seconds():
        because = "the history is shorter than an hour, and counted as an hour: the true chance is higher"
        return min(chance, 1.0), low, 1.0, scores.size, floor, False, because
    because = (
        "no pair went so high: the chance may be anything below" if above == 0 else "counted in past pairs of weeks"
    )
    return min(chance, 1.0), low, max(high, chance), scores.size, floor, above > 0, because


def _of_growth(row: dict[str, Any]) -> Answer:
    """Let the growth go on for a week: does it reach the limit?"""
    rate, low, high = (
        row[name] for name in ("growth_bytes_per_day", "growth_low_bytes_per_day", "growth_high_bytes_per_day")
    )
    peak, limit = row["peak_bytes"], row["limit_bytes"]
    if rate is None or peak is None:
        return None, None, None, 0, None, False, "it grows, but not at a rate that is known"
    deviation = 0.0
    if low is not None and high is not None:
        deviation = (high - low) / _DEVIATIONS_IN_80 * _DAYS
    # The level itself is known to some percent only.
    deviation = math.hypot(deviation, _LEVEL * peak)
    chance = 0.5 * math.erfc((limit - peak - rate * _DAYS) / deviation / math.sqrt(2))
    return chance, None, None, 0, None, True, "it grows: this is the chance that the growth gets there within a week"
