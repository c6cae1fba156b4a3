"""Which kills would a limit have caused in the recorded past?"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.usage import usage, workloads
from rmtoolkit.recording import as_recording

if TYPE_CHECKING:
    from rmtoolkit.limits.usage import AnyRecording

#: A stretch above the limit is one kill; a new one begins after so long below it.
EPISODE_GAP: Final = dt.timedelta(minutes=10)
#: The first minutes of a process are its startup.
STARTUP: Final = dt.timedelta(minutes=10)

KILLS: Final = pl.Schema(
    {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "container": pl.String(),
        "pod": pl.String(),
        "time": pl.Datetime("ms", "UTC"),
        "phase": pl.String(),
        "used_bytes": pl.Int64(),
        "limit_bytes": pl.Int64(),
    }
)


def replay(recording: AnyRecording, limit: int | pl.DataFrame) -> pl.DataFrame:
    """List the OOM kills that a limit would have caused in the recorded past.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    limit
        In bytes, for every workload container; or a frame with `limit_bytes` and any of the columns `cluster`,
        `namespace`, `workload`, `container`. A workload without one is not replayed.

    Returns
    -------
    polars.DataFrame
        A row per kill, sorted by workload and time: `cluster` … `container`, `pod`, `time`, `phase` (`startup`: in the
        first ten minutes of a process whose start was seen, else `running`), `used_bytes` (highest of the episode),
        `limit_bytes`. A stretch above the limit is one kill, until use was ten minutes below it: what a killed process
        would have done next is not in the record. A peak between two scrapes is not in it either, so the true number
        may be higher.

    Raises
    ------
    RmtoolkitError
        The limit is not above zero.

    Examples
    --------
    >>> minutes = range(0, 6000, 60)
    >>> table = pl.DataFrame({"time": minutes, "rss_bytes": [300 if 3000 <= t < 3300 else 200 for t in minutes]})
    >>> replay(table, 250).select("phase", "used_bytes").rows()
    [('running', 300)]
    """
    recording = as_recording(recording)
    about = workloads(recording)
    if isinstance(limit, pl.DataFrame):
        on = [name for name in WORKLOAD if name in limit.columns]
        wanted = limit.select(*on, "limit_bytes")
        about = (
            about.join(wanted, on=on, nulls_equal=True, maintain_order="left")
            if on
            else about.join(wanted, how="cross", maintain_order="left")
        )
    else:
        about = about.with_columns(limit_bytes=pl.lit(limit))
    about = about.filter(pl.col("limit_bytes").is_not_null())
    if about.height and not bool((about["limit_bytes"] > 0).all()):
        msg = "A limit must be above zero bytes."
        raise RmtoolkitError(msg)
    above = (
        usage(recording)
        .join(about.select("workload_row", *WORKLOAD, pl.col("limit_bytes").cast(pl.Int64)), on="workload_row")
        .filter(pl.col("used_bytes") > pl.col("limit_bytes"))
        .sort("container_id", "time")
    )
    fresh = (pl.col("time").diff().over("container_id") > EPISODE_GAP).fill_null(value=True)
    begun = recording.events.filter(pl.col("kind").is_in(["start", "release"])).select(
        "container_id", "time", begun=pl.col("time")
    )
    pods = recording.containers.select("container_id", "pod")
    return (
        above.with_columns(episode=fresh.cum_sum())
        .group_by("episode", "container_id", *WORKLOAD, maintain_order=True)
        .agg(pl.col("time").first(), pl.col("used_bytes").max(), pl.col("limit_bytes").first())
        .sort("time")
        .join_asof(begun.sort("time"), on="time", by="container_id", strategy="backward", check_sortedness=False)
        .join(pods, on="container_id", how="left", maintain_order="left")
        .with_columns(
            phase=pl.when((pl.col("time") - pl.col("begun")) <= STARTUP)
            .then(pl.lit("startup"))
            .otherwise(pl.lit("running")),
        )
        .sort(*WORKLOAD, "time", nulls_last=False)
        .select(KILLS.names())
        .cast(KILLS)
    )
