"""What each workload container needed so far, and what is known that its next week depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.analysis.verdict import classify
from rmtoolkit.limits.history import block_peaks, describe
from rmtoolkit.limits.usage import kills, starts, usage, workloads
from rmtoolkit.parts import parts
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.stretches import begins

if TYPE_CHECKING:
    from rmtoolkit.limits.usage import AnyRecording

#: Patterns whose growth may go on: no plain limit helps against them.
_GROWTH: Final = ("leak", "unexplained_growth")
#: From this chance of a leak on, what is not decided is treated as growing.
_SUSPECT: Final = 0.3
#: Of a row of verdicts: whether it grows, or may.
GROWS: Final = pl.col("verdict").eq("leak") | (
    pl.col("verdict").eq("inconclusive")
    & (pl.col("pattern").is_in(_GROWTH) | (pl.col("leak_probability") >= _SUSPECT))
    & (pl.col("growth_bytes_per_day") > 0)
)


def needs(recording: AnyRecording, verdicts: pl.DataFrame | None = None) -> pl.DataFrame:
    """Gather per workload container what a limit depends on.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    verdicts
        Its verdicts, where they are known already (`Judgement.verdicts`); None: it is judged.

    Returns
    -------
    polars.DataFrame
        A row per workload container, sorted by names: `cluster` … `container`, `pods`; the highest use `peak_bytes`
        with `peak_pod` and `peak_time`; `hot_pod` and `hot_ratio` (the pod with the highest peak, and its peak over
        the median pod's; null with fewer than two pods); `base_bytes` (what next week's peak is measured against: the
        peak, or where a clear climb leads to, or the limit at which it was killed, if higher), `spread`, `climbing`,
        `history_seconds`; `busy_bytes` (98 of 100 samples lie below, for a request); `killed_limit_bytes` (highest
        limit at which its cgroup ran out of memory, of the version that runs now), `kills`; `limit_bytes`,
        `limit_known`, `request_bytes`; of the verdict `verdict`, `pattern`, `also`, `growth_bytes_per_day` with its
        interval, `startup_peak_bytes`, `settled_bytes`, `next_step`; and `growing`: it leaks, or it may.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 86_400, 60), "workload": "api", "rss_bytes": 10**8})
    >>> needs(table).select("peak_bytes", "verdict", "growing").rows()
    [(100000000, 'not_leak', False)]
    """
    recording = as_recording(recording)
    found = pl.concat([_of_part(part) for part in parts(recording)])
    verdicts = (classify(recording) if verdicts is None else verdicts).select(
        *WORKLOAD,
        "verdict",
        "pattern",
        "also",
        "leak_probability",
        "growth_bytes_per_day",
        "growth_low_bytes_per_day",
        "growth_high_bytes_per_day",
        "startup_peak_bytes",
        "settled_bytes",
        "next_step",
    )
    return found.join(verdicts, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left").with_columns(
        growing=GROWS.fill_null(value=False)
    )


def _of_part(recording: Recording) -> pl.DataFrame:
    used = usage(recording)
    about = workloads(recording)
    settings = _settings(recording)
    killed = _kills(recording)
    value = pl.col("used_bytes")
    by_pod = _tops(used)
    names = recording.containers.select("container_id", "pod")
    pods = (
        by_pod.join(names, on="container_id", how="left", maintain_order="left")
        .sort("workload_row", "pod_peak", descending=[False, True], maintain_order=True)
        .group_by("workload_row", maintain_order=True)
        .agg(
            peak_pod=pl.col("pod").first(),
            peak_time=pl.col("pod_time").first(),
            hot_ratio=pl.when(pl.len() > 1).then(pl.col("pod_peak").first() / pl.col("pod_peak").median()),
        )
        .with_columns(hot_pod=pl.when(pl.col("hot_ratio").is_not_null()).then("peak_pod"))
    )
    busy = used.group_by("workload_row").agg(
        busy_bytes=value.quantile(0.98, "higher").cast(pl.Int64),
        history_seconds=(pl.col("time").max() - pl.col("time").min()).dt.total_milliseconds() / 1000,
    )
    past = describe(block_peaks(used, starts(recording)), busy.select("workload_row", "history_seconds"))
    whole = about
    for frame in (past, pods, busy, killed, settings):
        whole = whole.join(frame, on="workload_row", how="left", maintain_order="left")
    return whole.with_columns(
        kills=pl.col("kills").fill_null(0),
        base_bytes=pl.max_horizontal("base_bytes", pl.col("killed_limit_bytes").cast(pl.Float64)),
    ).drop("workload_row", "containers_in_pod")


def _tops(used: pl.DataFrame) -> pl.DataFrame:
    """Find the highest use of each pod, and when it was first."""
    first = begins(used["container_id"])
    values = used["used_bytes"].to_numpy()
    tops = [
        low + int(values[low:high].argmax())
        for low, high in zip(first, np.append(first[1:], used.height), strict=False)
    ]
    return used[tops].select("workload_row", "container_id", pod_peak="used_bytes", pod_time="time")


def _settings(recording: Recording) -> pl.DataFrame:
    """Limit and request of a workload: those of its pod with the lowest, since that one is killed first."""
    ids = recording.containers.select("container_id", "limit_bytes", "request_bytes", "limit_known")
    rows = usage_rows(recording)
    return (
        ids.join(rows, on="container_id")
        .group_by("workload_row")
        .agg(pl.col("limit_bytes").min(), pl.col("request_bytes").min(), pl.col("limit_known").any())
    )


def usage_rows(recording: Recording) -> pl.DataFrame:
    """Say which workload each container belongs to.

    Parameters
    ----------
    recording
        The recording.

    Returns
    -------
    polars.DataFrame
        `container_id`, `workload_row`.

    Examples
    --------
    >>> usage_rows(as_recording(pl.DataFrame({"time": [0], "rss_bytes": [1]}))).rows()
    [(0, 0)]
    """
    return (
        recording.containers.select("container_id", *WORKLOAD)
        .join(
            workloads(recording).select("workload_row", *WORKLOAD), on=WORKLOAD, nulls_equal=True, maintain_order="left"
        )
        .select("container_id", "workload_row")
    )


def kills_of_now(recording: Recording) -> pl.DataFrame:
    """List the OOM kills of the version that runs now: a release may have changed what is needed.

    Parameters
    ----------
    recording
        The recording.

    Returns
    -------
    polars.DataFrame
        As `rmtoolkit.limits.usage.kills` gives them.

    Examples
    --------
    >>> kills_of_now(as_recording(pl.DataFrame({"time": [0], "rss_bytes": [1]}))).height
    0
    """
    released = recording.events.filter(pl.col("kind") == "release").select("container_id", released="time")
    rows = usage_rows(recording)
    latest = released.join(rows, on="container_id").group_by("workload_row").agg(pl.col("released").max())
    return (
        kills(recording)
        .join(latest, on="workload_row", how="left")
        .filter(pl.col("released").is_null() | (pl.col("time") > pl.col("released")))
        .drop("released")
    )


def _kills(recording: Recording) -> pl.DataFrame:
    return (
        kills_of_now(recording)
        .group_by("workload_row")
        .agg(killed_limit_bytes=pl.col("limit_bytes").max(), kills=pl.len().cast(pl.Int64))
    )
