"""The memory that a limit is held against: one value per container and scrape, with the workload it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import FOOTPRINTS
from rmtoolkit.stretches import begins

if TYPE_CHECKING:
    import pandas as pd

    AnyRecording = Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame

#: What a recommendation is given for: one container of one workload, over all its pods.
WORKLOAD: Final = ("cluster", "namespace", "workload", "container")


def usage(recording: AnyRecording) -> pl.DataFrame:
    """Take from a recording what a limit is held against.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time`` and a memory column.

    Returns
    -------
    polars.DataFrame
        A row per container and scrape, sorted by both: `workload_row` UInt32 (the row of `workloads`),
        `container_id`, `time`, `used_bytes` (Int64: the working set; of a container that has none, the nearest
        signal there is: usage, RSS, anon). Scrapes without a value are left out.

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0, 60], "pod": ["a", "b"], "workload": "w", "rss_bytes": [5, 6]})
    >>> usage(table).select("workload_row", "container_id", "used_bytes").rows()
    [(0, 0, 5), (0, 1, 6)]
    """
    recording = as_recording(recording)
    samples = recording.samples
    present = [name for name in FOOTPRINTS if samples[name].null_count() < samples.height]
    if not present:
        return _placed(recording, pl.lit(None, dtype=pl.Int64))
    if not samples[present[0]].null_count():
        return _placed(recording, pl.col(present[0]))
    # One signal per container: a single scrape without working set must not turn into usage.
    first = begins(samples["container_id"])
    has = [np.logical_or.reduceat(samples[name].is_not_null().to_numpy(), first) for name in present]
    length = np.diff(first, append=samples.height)
    which = pl.lit(pl.Series(np.repeat(np.argmax(has, axis=0), length), dtype=pl.UInt8))
    return _placed(
        recording, pl.coalesce(pl.when(which == number).then(pl.col(name)) for number, name in enumerate(present))
    )


def _placed(recording: Recording, used: pl.Expr) -> pl.DataFrame:
    rows = np.zeros(recording.containers.select(pl.col("container_id").max().fill_null(0)).item() + 1, dtype=np.uint32)
    rows[recording.containers["container_id"].to_numpy()] = _row(recording).to_numpy()
    ids = recording.samples["container_id"]
    chosen = recording.samples.select(
        pl.Series("workload_row", rows[ids.to_numpy()]), "container_id", "time", used_bytes=used
    )
    return chosen.filter(pl.col("used_bytes").is_not_null()) if chosen["used_bytes"].null_count() else chosen


def _row(recording: Recording) -> pl.Series:
    """Give workloads numbers in the order of their names, and each container that of its own."""
    return recording.containers.select(pl.struct(WORKLOAD).rank("dense").cast(pl.UInt32) - 1).to_series()


def workloads(recording: AnyRecording) -> pl.DataFrame:
    """List the workload containers of a recording.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `workload_row`, `cluster`, `namespace`, `workload`, `container`, `pods` (how
        many were seen), `containers_in_pod` (how many containers its pods have in the recording).

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0, 0], "pod": ["a", "a"], "container": ["app", "proxy"], "rss_bytes": [5, 6]})
    >>> workloads(table).select("container", "pods", "containers_in_pod").rows()
    [('app', 1, 2), ('proxy', 1, 2)]
    """
    recording = as_recording(recording)
    about = recording.containers.with_columns(workload_row=_row(recording))
    siblings = about.select(
        "workload_row",
        n=pl.col("container").n_unique().over("cluster", "namespace", "workload").cast(pl.Int64),
    ).unique()
    return (
        about.group_by("workload_row", maintain_order=True)
        .agg(*(pl.col(name).first() for name in WORKLOAD), pods=pl.struct("pod", "pod_uid").n_unique().cast(pl.Int64))
        .join(siblings, on="workload_row", how="left", maintain_order="left")
        .rename({"n": "containers_in_pod"})
        .sort("workload_row")
    )


def starts(recording: AnyRecording) -> pl.DataFrame:
    """List when processes began.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.

    Returns
    -------
    polars.DataFrame
        A row per `start` or `release` event: `workload_row`, `time`. What ran before the recording is not in it.

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0, 60], "rss_bytes": [5, 2], "restarts_total": [0, 1], "workload": "w"})
    >>> starts(table).rows()
    [(0, datetime.datetime(1970, 1, 1, 0, 1, tzinfo=zoneinfo.ZoneInfo(key='UTC')))]
    """
    recording = as_recording(recording)
    rows = recording.containers.select("container_id", workload_row=_row(recording))
    return (
        recording.events.filter(pl.col("kind").is_in(["start", "release"]))
        .join(rows, on="container_id", how="inner", maintain_order="left")
        .select("workload_row", "time")
    )


def kills(recording: AnyRecording) -> pl.DataFrame:
    """List the OOM kills of a recording with the limit and the request that held then.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.

    Returns
    -------
    polars.DataFrame
        A row per `oom_kill` event (a node OOM or an eviction says nothing about a limit): `workload_row`,
        `container_id`, `time`, `limit_bytes`, `request_bytes`; null where unknown or unset.

    Examples
    --------
    >>> table = pl.DataFrame(
    ...     {"time": [0, 60], "rss_bytes": [5, 2], "oom_kills_total": [0, 1], "limit_bytes": [7, 7], "workload": "w"}
    ... )
    >>> kills(table).select("limit_bytes", "request_bytes").rows()
    [(7, None)]
    """
    recording = as_recording(recording)
    rows = recording.containers.select("container_id", "limit_bytes", "request_bytes", workload_row=_row(recording))
    found = recording.events.filter(pl.col("kind") == "oom_kill").select("container_id", "time").sort("time")
    for kind in ("limit", "request"):
        changes = recording.events.filter(pl.col("kind") == kind).select(
            "container_id",
            "time",
            pl.col("value_bytes").alias(f"{kind} then"),
            pl.lit(value=True).alias(f"{kind} said"),
        )
        found = found.join_asof(
            changes.sort("time"), on="time", by="container_id", strategy="backward", check_sortedness=False
        )
    return (
        found.join(rows, on="container_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col(f"{kind} said")).then(f"{kind} then").otherwise(f"{kind}_bytes").alias(f"{kind}_bytes")
            for kind in ("limit", "request")
        )
        .select("workload_row", "container_id", "time", "limit_bytes", "request_bytes")
        .sort("workload_row", "container_id", "time")
    )
