"""What charts show of a history that is too long to keep: one sample of every stretch, the highest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.schema import FOOTPRINTS, SIGNALS
from rmtoolkit.stretches import begins

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

#: Stretches that a container's history is cut into: an hour each in a week.
STRETCHES: Final = 168


def shown(recording: Recording, lives: pl.DataFrame, containers: pl.Series) -> pl.DataFrame:
    """Choose the samples that charts of some containers need.

    Parameters
    ----------
    recording
        Where the samples are.
    lives
        Its lives, as `rm.lives` gives them.
    containers
        Ids of those that are drawn.

    Returns
    -------
    polars.DataFrame
        Samples as they were taken: of each of 168 stretches the one with the highest footprint, and the first and the
        last one of each life; all of a container that has few. Signals without any value are left away.

    Examples
    --------
    >>> from rmtoolkit.analysis.lives import lives
    >>> from rmtoolkit.recording import as_recording
    >>> recording = as_recording(pl.DataFrame({"time": range(0, 100_000, 10), "rss_bytes": [5] * 9999 + [7]}))
    >>> few = shown(recording, lives(recording), recording.containers["container_id"])
    >>> few.height, few["rss_bytes"].max(), few.columns
    (168, 7, ['container_id', 'time', 'rss_bytes'])
    """
    samples = recording.samples.filter(pl.col("container_id").is_in(containers.implode()))
    samples = samples.select(
        "container_id", "time", *(name for name in SIGNALS if samples[name].null_count() < samples.height)
    )
    if not samples.height:
        return samples
    first = begins(samples["container_id"])
    length = np.diff(first, append=samples.height)
    time = samples["time"].to_physical().to_numpy()
    start, end = np.repeat(time[first], length), np.repeat(time[first + length - 1], length)
    stretch = (time - start) * STRETCHES // (end - start + 1)
    # A container with few samples keeps all: each is a stretch of its own.
    few = np.repeat(length <= 2 * STRETCHES, length)
    number = np.where(few, np.arange(samples.height), stretch)
    new = np.ones(samples.height, dtype=bool)
    new[1:] = number[1:] != number[:-1]
    new[first] = True
    runs = np.flatnonzero(new)
    names = [name for name in (*FOOTPRINTS, "allocated_bytes") if name in samples.columns]
    used = samples.select(pl.coalesce(*names, pl.lit(0, dtype=pl.Int64)).fill_null(0)).to_series().to_numpy()
    highest = np.repeat(np.maximum.reduceat(used, runs), np.diff(runs, append=samples.height))
    tops = np.flatnonzero(used == highest)
    _, once = np.unique(np.searchsorted(runs, tops, side="right"), return_index=True)
    kept = np.zeros(samples.height, dtype=bool)
    kept[tops[once]] = True
    ends = pl.concat([lives.select("container_id", time=edge) for edge in ("start", "end")]).unique()
    rows = (
        samples.select("container_id", "time").with_row_index("row").join(ends, on=["container_id", "time"], how="semi")
    )
    kept[rows["row"].to_numpy()] = True
    return samples.filter(pl.Series(kept))
