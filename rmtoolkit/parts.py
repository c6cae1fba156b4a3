"""Cut a recording into parts that hold all there is of some workloads, so that each can be judged by itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Samples that a part has at least, unless the recording ends before.
PART_ROWS: Final = 2_000_000


def parts(recording: Recording, rows: int = PART_ROWS) -> Iterator[Recording]:
    """Cut a recording into parts, without reading the samples of a stored one.

    Parameters
    ----------
    recording
        Sorted, as every recording is.
    rows
        Samples that are enough for a part; it ends with the workload that reaches them.

    Yields
    ------
    Recording
        Containers that follow each other, with their samples and events; no workload stands in two parts. Samples
        of a stored recording are read when the part is asked for them.

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0, 0, 60, 60], "pod": ["a-0", "b-0"] * 2, "rss_bytes": [1] * 4})
    >>> [part.containers["pod"].to_list() for part in parts(Recording.from_frame(table), rows=1)]
    [['a-0'], ['b-0']]
    """
    if not recording.containers.height:
        yield recording
        return
    counts = _counts(recording)
    ends = np.cumsum(counts)
    begin = 0
    for end in _bounds(recording.containers, ends, rows):
        if begin == 0 and end == len(counts) and recording.stored is None:
            yield recording
            return
        containers = recording.containers[begin:end]
        low = int(ends[begin - 1]) if begin else 0
        length = int(ends[end - 1]) - low
        events = recording.events.filter(pl.col("container_id").is_in(containers["container_id"].implode()))
        if recording.stored is None:
            yield Recording(containers, recording.samples.slice(low, length), events, recording.report)
        else:
            mine = dataclasses.replace(
                recording.stored, first=low, rows=length, counts=tuple(map(int, counts[begin:end]))
            )
            yield Recording.waiting(containers, mine, events, recording.report)
        begin = end


def _counts(recording: Recording) -> NDArray[np.int64]:
    """Count the samples of each container, in the order of the containers."""
    if recording.stored is not None and recording.stored.counts is not None:
        return np.array(recording.stored.counts, dtype=np.int64)
    samples = recording.samples.lazy() if recording.stored is None else recording.stored.scan()
    found = samples.group_by("container_id").len("rows").collect(engine="streaming")
    joined = recording.containers.join(found, on="container_id", how="left", maintain_order="left")
    return joined["rows"].fill_null(0).to_numpy().astype(np.int64)


def _bounds(containers: pl.DataFrame, ends: NDArray[np.int64], rows: int) -> Iterator[int]:
    """Positions behind the last container of each part."""
    # Containers are sorted by workload; should they not be, a part reaches to the last one of a workload.
    number = containers.select(pl.struct("cluster", "namespace", "workload").rank("dense")).to_series().to_numpy()
    last = np.zeros(int(number.max(initial=0)) + 1, dtype=np.int64)
    last[number] = np.arange(len(number))
    reach = np.maximum.accumulate(last[number])
    begun = 0
    for end in np.flatnonzero(reach == np.arange(len(number))) + 1:
        if ends[end - 1] - begun >= rows or end == len(number):
            yield int(end)
            begun = ends[end - 1]
