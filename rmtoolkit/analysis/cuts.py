"""Find where one life of a container ends and the next begins: by what is known, by the curve only where it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.parameters import (
    GAP_SCRAPES,
    LINGER_SCRAPES,
    LINGER_SCRAPES_SURE,
    LINGER_SECONDS,
    LONG_GAP,
    NEW_PROCESS_FALL,
    SILENT_SCRAPES,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.recording import Recording

#: More than any time in milliseconds until the year 2248.
_MILLISECONDS: Final = 1 << 43
#: True where a row follows another one of its container; null in the first row.
_SAME: Final = pl.col("container_id") == pl.col("container_id").shift()
_STARTING: Final = ("start", "release")
_ENDING: Final = ("oom_kill", "node_oom", "evicted", "error", "end")


def cuts(recording: Recording, samples: pl.DataFrame) -> pl.DataFrame:
    """Find the instants at which a new life begins: from that time on.

    Parameters
    ----------
    recording
        Where the samples come from, with what is known to have happened.
    samples
        Sorted by container and time, with `footprint_bytes`.

    Returns
    -------
    polars.DataFrame
        `container_id` and `time`.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "restarts_total": [0] * 6 + [1] * 4, "rss_bytes": [100] * 10})
    >>> recording = as_recording(table)
    >>> cuts(recording, recording.samples.with_columns(footprint_bytes="rss_bytes"))["time"].dt.minute().to_list()
    [6]
    """
    tick = pl.duration(milliseconds=1)
    known = recording.events.filter(pl.col("kind").is_in([*_STARTING, *_ENDING])).select(
        "container_id",
        time=pl.when(pl.col("kind").is_in(_ENDING)).then(pl.col("time") + tick).otherwise(pl.col("time")),
    )
    cadence = recording.containers.select("container_id", "cadence_seconds")
    present = samples.lazy().select("container_id", "time", "footprint_bytes")
    if samples["footprint_bytes"].null_count():
        present = present.filter(pl.col("footprint_bytes").is_not_null())
    long = GAP_SCRAPES * 1000 * (cadence["cadence_seconds"].min() or 0.0)  # type: ignore[operator]
    # Of all samples few follow a fall or a long step: only these are looked at.
    marked = (
        present.with_columns(
            fall=pl.when(_SAME).then(1 - pl.col("footprint_bytes") / pl.col("footprint_bytes").shift()),
            step=pl.when(_SAME).then(pl.col("time").diff()),
        )
        .filter((pl.col("fall") > NEW_PROCESS_FALL) | (pl.col("step").dt.total_milliseconds() > long))
        .collect()
    )
    falls = marked.filter(pl.col("fall") > NEW_PROCESS_FALL)
    # The scrape that shows a restart is not the one that counts it: the fall nearby is where it happened.
    reach = pl.max_horizontal(
        LINGER_SCRAPES_SURE * pl.col("cadence_seconds"),
        pl.min_horizontal(LINGER_SECONDS, LINGER_SCRAPES * pl.col("cadence_seconds")),
    )
    if falls.height and known.height:
        moved = _nearest(known, falls, cadence).with_columns(
            moves=(pl.col("apart_seconds") <= reach).fill_null(value=False)
        )
        moved = moved.with_columns(moves=pl.col("moves") & _still_shown(moved, samples))
        known = moved.select("container_id", time=pl.when("moves").then("nearest").otherwise("time"))
    # A deep fall across a stretch without samples is a new process too.
    silent = (
        falls.join(cadence, on="container_id", how="left")
        .filter(pl.col("step").dt.total_milliseconds() > 1000 * SILENT_SCRAPES * pl.col("cadence_seconds"))
        .select("container_id", "time")
    )
    known = known.select("container_id", "time")
    found = pl.concat([_resets(samples), silent, _unseen(marked, present, cadence)]).unique()
    seen = _apart(found, known, cadence, reach)
    return pl.concat([known, seen]).unique().sort("container_id", "time")


def _still_shown(moved: pl.DataFrame, samples: pl.DataFrame) -> pl.Series:
    """Tell whether the old process is what is shown between a restart and the fall after it.

    A new process that starts high and falls is none: neither is one without anything before it.
    """
    later = moved.select((pl.col("moves") & (pl.col("nearest") > pl.col("time"))).fill_null(value=False)).to_series()
    shown = np.ones(moved.height, dtype=bool)
    if not later.any():
        return pl.Series(shown)
    key = mark(samples, "time")
    begin, end = (np.searchsorted(key, mark(moved, name)) for name in ("time", "nearest"))
    value = samples["footprint_bytes"].to_numpy().astype(float)
    owner = samples["container_id"].to_numpy()
    for row in np.flatnonzero(later.to_numpy()):
        first, last = int(begin[row]), int(end[row])
        before = first - 1
        while before >= 0 and owner[before] == moved["container_id"][int(row)] and np.isnan(value[before]):
            before -= 1
        if before < 0 or owner[before] != moved["container_id"][int(row)]:
            shown[row] = False
            continue
        between = value[first:last]
        away = np.abs(between[~np.isnan(between)] - value[before]) > NEW_PROCESS_FALL * value[before]
        shown[row] = not away.any()
    return pl.Series(shown)


def mark(frame: pl.DataFrame, time: str) -> NDArray[np.int64]:
    """Give one number for container and time that keeps their order, so that one search finds all instants.

    Parameters
    ----------
    frame
        With `container_id` and the column of times.
    time
        Its name.

    Returns
    -------
    numpy.ndarray
        One number a row.

    Examples
    --------
    >>> when = pl.Series([7], dtype=pl.Datetime("ms"))
    >>> mark(pl.DataFrame({"container_id": [0], "time": when}), "time").tolist()
    [7]
    """
    mark = pl.col("container_id").cast(pl.Int64) * _MILLISECONDS + pl.col(time).to_physical()
    return frame.select(mark).to_series().fill_null(0).to_numpy()


def _resets(samples: pl.DataFrame) -> pl.DataFrame:
    """Samples at which a counter has fallen: it counts a new process."""
    before = {
        name: pl.col(name).forward_fill().shift().over("container_id")
        if samples[name].null_count()
        else pl.when(_SAME).then(pl.col(name).shift())
        for name in ("work_total", "psi_some_seconds")
        if samples[name].null_count() < samples.height
    }
    if not before:
        return samples.select("container_id", "time").clear()
    fallen = pl.any_horizontal(pl.col(name) < value for name, value in before.items())
    return samples.lazy().filter(fallen).select("container_id", "time").collect()


def _unseen(marked: pl.DataFrame, present: pl.LazyFrame, cadence: pl.DataFrame) -> pl.DataFrame:
    """Ends of long stretches without samples: what happened in them is not known, so no trend spans them."""
    step = pl.col("step").dt.total_milliseconds()
    gaps = marked.join(cadence, on="container_id", how="left").filter(
        step > GAP_SCRAPES * 1000 * pl.col("cadence_seconds")
    )
    if not gaps.height:
        return gaps.select("container_id", "time")
    spans = (
        present.filter(pl.col("container_id").is_in(gaps["container_id"].unique().implode()))
        .group_by("container_id")
        .agg(span=(pl.col("time").max() - pl.col("time").min()).dt.total_milliseconds())
        .collect()
    )
    return (
        gaps.join(spans, on="container_id", how="left")
        .filter(step > LONG_GAP * pl.col("span"))
        .select("container_id", "time")
    )


def _apart(seen: pl.DataFrame, known: pl.DataFrame, cadence: pl.DataFrame, reach: pl.Expr) -> pl.DataFrame:
    """Keep what is not just another sign of a known restart."""
    if not seen.height or not known.height:
        return seen
    far = pl.col("nearest").is_null() | (pl.col("apart_seconds") > reach)
    return _nearest(seen, known, cadence).filter(far).select("container_id", "time")


def _nearest(times: pl.DataFrame, marks: pl.DataFrame, cadence: pl.DataFrame) -> pl.DataFrame:
    """Find for each time the nearest mark of its container, and how far apart the two are."""
    apart = (pl.col("nearest") - pl.col("time")).dt.total_milliseconds().abs() / 1000
    return (
        times.sort("time")
        .join_asof(
            marks.select("container_id", "time", nearest=pl.col("time")).sort("time"),
            on="time",
            by="container_id",
            strategy="nearest",
            check_sortedness=False,
        )
        .join(cadence, on="container_id", how="left")
        .with_columns(apart_seconds=apart)
    )
