"""What other tools would recommend, each by its own rules: to compare with, not to follow."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.usage import WORKLOAD, kills, usage, workloads
from rmtoolkit.limits.vpa import vpa_memory
from rmtoolkit.recording import as_recording
from rmtoolkit.stretches import begins

if TYPE_CHECKING:
    from rmtoolkit.limits.usage import AnyRecording

__all__ = [
    "autopilot_memory",
    "castai_memory",
    "crane_memory",
    "krr_memory",
    "kubecost_memory",
    "max_plus",
    "vpa_memory",
]

_MIB: Final = 2**20

_KRR_HISTORY: Final = dt.timedelta(hours=336)
_KRR_STEP_MILLISECONDS: Final = 75_000
_KRR_BUFFER_PERCENT: Final = 15
_KRR_OOM_BUFFER_PERCENT: Final = 25
_KRR_POINTS: Final = 100
_KRR_FLOOR_BYTES: Final = 100 * _MIB
#: An instant query sees a sample for so long.
_LOOKBACK_MILLISECONDS: Final = 300_000

_CRANE_BUCKET_BYTES: Final = 100 * _MIB

#: Percent that leave nothing of a peak.
_NOTHING_LEFT: Final = -100


def krr_memory(recording: AnyRecording, *, use_oom: bool = False) -> pl.DataFrame:
    """Compute what Robusta KRR's simple strategy would set as memory request and limit.

    The highest working set over all pods, seen every 75 seconds over 14 days, and 15 %, in whole MiB, 100 MiB or more.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time``, ``working_set_bytes`` and identity columns.
    use_oom
        Also take a limit at which a pod was OOM killed, and 25 %. The tool does not do this unless asked.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `cluster`, `namespace`, `workload`, `container`, `pods`, `points` (instants
        seen, summed over pods), `recommended_request_bytes` and `recommended_limit_bytes`, which are equal; null when
        there are fewer than 100 points.

    Notes
    -----
    After the sources of robusta-dev/krr (MIT, July 2026) with default options. It looks at multiples of 75 seconds,
    where each sees the newest sample of the last five minutes: a spike of 30 seconds is seen with a chance of 40 %.

    Examples
    --------
    >>> minutes = range(0, 172_800, 15)
    >>> table = pl.DataFrame({"time": minutes, "workload": "api", "working_set_bytes": 412_345_678})
    >>> krr_memory(table)["recommended_limit_bytes"][0] / 2**20
    453.0
    """
    recording = as_recording(recording)
    seen = _subquery(usage(recording))
    found = seen.group_by("workload_row").agg(raw=pl.col("used_bytes").max(), points=pl.col("points").sum())
    percents = (100 + _KRR_BUFFER_PERCENT) * pl.col("raw")
    if use_oom:
        limits = kills(recording).group_by("workload_row").agg(killed=pl.col("limit_bytes").max())
        found = found.join(limits, on="workload_row", how="left")
        percents = pl.max_horizontal(percents, (100 + _KRR_OOM_BUFFER_PERCENT) * pl.col("killed"))
    whole = _up(percents, 100 * _MIB) * _MIB
    amount = pl.when(pl.col("points") >= _KRR_POINTS).then(pl.max_horizontal(whole, _KRR_FLOOR_BYTES))
    return _answer(
        recording,
        found,
        pl.col("points").fill_null(0),
        recommended_request_bytes=amount,
        recommended_limit_bytes=amount,
    )


def _subquery(used: pl.DataFrame) -> pl.DataFrame:
    """Find of each container the highest sample that a subquery sees, and at how many instants it sees one."""
    begin = begins(used["container_id"])
    rows = used[begin].select("workload_row")
    if not used.height:
        return rows.with_columns(used_bytes=pl.lit(None, dtype=pl.Int64), points=pl.lit(0, dtype=pl.Int64))
    time = used["time"].to_physical().to_numpy()
    last = int(time.max())
    step = _KRR_STEP_MILLISECONDS
    oldest = last - int(_KRR_HISTORY.total_seconds() * 1000)
    following = np.append(time[1:], 0)
    following[np.append(begin[1:], used.height) - 1] = last + _LOOKBACK_MILLISECONDS
    until = np.minimum(np.minimum(following, time + _LOOKBACK_MILLISECONDS), last + 1)
    first = -(-np.maximum(time, oldest) // step)
    points = np.maximum(-(-until // step) - first, 0)
    highest = np.maximum.reduceat(np.where(points > 0, used["used_bytes"].to_numpy(), -1), begin)
    found = rows.with_columns(used_bytes=pl.Series(highest), points=pl.Series(np.add.reduceat(points, begin)))
    return found.filter(pl.col("points") > 0)


def _up(value: pl.Expr, step: int) -> pl.Expr:
    """Whole steps, rounded up; exact, since floats would not be."""
    return (value + (step - 1)) // step


def max_plus(recording: AnyRecording, percent: float) -> pl.DataFrame:
    """Compute the highest working set over all pods and so many percent: the rule that every other has to beat.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time``, ``working_set_bytes`` and identity columns. Every sample counts.
    percent
        What is added, in percent: 15 gives max × 1.15.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `cluster`, `namespace`, `workload`, `container`, `pods`,
        `recommended_request_bytes` and `recommended_limit_bytes`, which are equal, rounded up to a byte.

    Raises
    ------
    RmtoolkitError
        `percent` is not a number above -100.

    Examples
    --------
    >>> max_plus(pl.DataFrame({"time": [0, 60], "rss_bytes": [100, 200]}), 15)["recommended_limit_bytes"].to_list()
    [230]
    """
    if not _NOTHING_LEFT < percent < float("inf"):
        msg = f"percent must be a number above -100, got {percent!r}."
        raise RmtoolkitError(msg)
    recording = as_recording(recording)
    # In thousandths of a percent, whole numbers: 200 × 1.15 is 229.99… as a float.
    thousandths = round(1000 * (100 + percent))
    amount = _up(pl.col("peak") * thousandths, 100_000)
    return _answer(recording, _peaks(recording), recommended_request_bytes=amount, recommended_limit_bytes=amount)


def crane_memory(recording: AnyRecording) -> pl.DataFrame:
    """Compute what Crane would set as memory request.

    The 99th percentile of a week of samples, one a minute, whose weights halve every 48 hours, in buckets of 100 MiB,
    and 15 %. The newest OOM kill of the week raises it to a fifth or 100 MiB above what was in force.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time``, ``working_set_bytes`` and identity columns.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `cluster`, `namespace`, `workload`, `container`, `pods`,
        `recommended_request_bytes`; `recommended_limit_bytes` is null, since it gives none.

    Notes
    -----
    After the sources of gocrane/crane (Apache-2.0, December 2024). What lasts less than 1 % of the week is not seen.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "rss_bytes": 2**20})
    >>> crane_memory(table)["recommended_request_bytes"].to_list()
    [120586240]
    """
    recording = as_recording(recording)
    minutes = _recent(usage(recording), days=7).with_columns(bucket=pl.col("used_bytes") // _CRANE_BUCKET_BYTES)
    minutes = minutes.group_by("container_id", pl.col("time").dt.truncate("1m"), maintain_order=True).last()
    found = _percentile(minutes, pl.col("bucket"), 0.99, half_life_hours=48).with_columns(
        raw=(pl.col("value") + 1) * _CRANE_BUCKET_BYTES
    )
    killed = _recent(kills(recording), days=7, of=usage(recording))
    bumps = (
        killed.sort("time")
        .group_by("workload_row")
        .agg(pl.coalesce("limit_bytes", "request_bytes").last().alias("then"))
        .select(
            "workload_row",
            bump=pl.max_horizontal(pl.col("then") + 100 * _MIB, (1.2 * pl.col("then")).cast(pl.Int64)),
        )
    )
    found = found.join(bumps, on="workload_row", how="left")
    amount = pl.max_horizontal(115 * pl.col("raw") // 100, "bump")
    return _answer(recording, found, recommended_request_bytes=amount, recommended_limit_bytes=_NONE)


def autopilot_memory(recording: AnyRecording) -> pl.DataFrame:
    """Compute the moving-window recommendation of Google's Autopilot for memory.

    The 98th percentile of the peaks of every five minutes and pod, weighed by their size and by age, which halves the
    weight every 48 hours, and 15 %.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time``, ``working_set_bytes`` and identity columns.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `cluster`, `namespace`, `workload`, `container`, `pods`, and
        `recommended_limit_bytes`; `recommended_request_bytes` is equal, since it sets one number.

    Notes
    -----
    After K. Rzadca et al., "Autopilot: workload autoscaling at Google", EuroSys 2020: the percentile for jobs of the
    default tolerance. The paper's margin is 10 to 15 %; its last step, the highest recommendation of the last hour,
    is left out, and the percentile is taken of the peaks themselves instead of buckets.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "rss_bytes": 2**20})
    >>> autopilot_memory(table)["recommended_limit_bytes"].to_list()
    [1205863]
    """
    recording = as_recording(recording)
    peaks = (
        usage(recording)
        .group_by("workload_row", "container_id", pl.col("time").dt.truncate("5m"), maintain_order=True)
        .agg(pl.col("used_bytes").max())
    )
    found = _percentile(peaks, pl.col("used_bytes"), 0.98, half_life_hours=48, by_size=True)
    amount = (1.15 * pl.col("value")).ceil().cast(pl.Int64)
    return _answer(recording, found, recommended_request_bytes=amount, recommended_limit_bytes=amount)


def kubecost_memory(recording: AnyRecording) -> pl.DataFrame:
    """Compute what Kubecost would set as memory request: the highest use divided by a target utilisation of 70 %.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time``, ``working_set_bytes`` and identity columns.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `cluster`, `namespace`, `workload`, `container`, `pods`,
        `recommended_request_bytes`; `recommended_limit_bytes` is null, since it gives none.

    Notes
    -----
    The documented default of its request sizing: algorithm ``max``, target utilisation 0.7.

    Examples
    --------
    >>> kubecost_memory(pl.DataFrame({"time": [0, 60], "rss_bytes": [60, 70]}))["recommended_request_bytes"].to_list()
    [100]
    """
    recording = as_recording(recording)
    amount = _up(10 * pl.col("peak"), 7)
    return _answer(recording, _peaks(recording), recommended_request_bytes=amount, recommended_limit_bytes=_NONE)


def castai_memory(recording: AnyRecording) -> pl.DataFrame:
    """Compute what CAST AI would set: the highest use of five days and 10 %, and one and a half of that as limit.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time``, ``working_set_bytes`` and identity columns.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `cluster`, `namespace`, `workload`, `container`, `pods`,
        `recommended_request_bytes`, `recommended_limit_bytes`.

    Notes
    -----
    After its public documentation; its service is closed.

    Examples
    --------
    >>> castai_memory(pl.DataFrame({"time": [0, 60], "rss_bytes": [60, 100]}))[
    ...     "recommended_request_bytes", "recommended_limit_bytes"
    ... ].rows()
    [(110, 165)]
    """
    recording = as_recording(recording)
    found = _recent(usage(recording), days=5).group_by("workload_row").agg(peak=pl.col("used_bytes").max())
    return _answer(
        recording,
        found,
        recommended_request_bytes=_up(110 * pl.col("peak"), 100),
        recommended_limit_bytes=_up(165 * pl.col("peak"), 100),
    )


_NONE: Final = pl.lit(None, dtype=pl.Int64)


def _peaks(recording: AnyRecording) -> pl.DataFrame:
    return usage(recording).group_by("workload_row").agg(peak=pl.col("used_bytes").max())


def _recent(rows: pl.DataFrame, days: int, of: pl.DataFrame | None = None) -> pl.DataFrame:
    """Keep the last so many days, counted from the recording's end."""
    last = (rows if of is None else of)["time"].max()
    return rows.filter(pl.col("time") > pl.lit(last) - dt.timedelta(days=days))


def _percentile(
    rows: pl.DataFrame,
    value: pl.Expr,
    share: float,
    *,
    half_life_hours: float,
    by_size: bool = False,
) -> pl.DataFrame:
    """Find the lowest value at which the share of a workload's weight is reached; weights halve with age."""
    age_hours = (pl.col("time").max().over("workload_row") - pl.col("time")).dt.total_milliseconds() / 3_600_000
    weight = 2.0 ** (-age_hours / half_life_hours)
    if by_size:
        weight = weight * pl.col("used_bytes")
    reached = pl.col("weight").cum_sum().over("workload_row") >= share * pl.col("weight").sum().over("workload_row")
    return (
        rows.select("workload_row", value=value, weight=weight)
        .sort("workload_row", "value")
        .filter(reached)
        .group_by("workload_row", maintain_order=True)
        .agg(pl.col("value").first())
    )


def _answer(recording: AnyRecording, found: pl.DataFrame, *also: pl.Expr, **amounts: pl.Expr) -> pl.DataFrame:
    """Give a row per workload container, whether or not it has samples."""
    return (
        workloads(recording)
        .join(found, on="workload_row", how="left", maintain_order="left")
        .select(*WORKLOAD, "pods", *also, **amounts)
    )
