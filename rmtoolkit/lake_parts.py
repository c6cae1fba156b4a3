"""Read the files of one bucket as recordings: all days of some workloads in one, as much as fits at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rmtoolkit import lake_files, storage
from rmtoolkit.exceptions import ReadError
from rmtoolkit.normalise import cadences, key_containers, order_samples, tidy_events
from rmtoolkit.parts import PART_ROWS
from rmtoolkit.recording import Recording
from rmtoolkit.schema import CONTAINERS, IDENTITY, SIGNALS
from rmtoolkit.stretches import begins

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rmtoolkit.places import Remote

    Place = Path | Remote

#: What tells a workload from others; the containers of a file are sorted by it first.
_WORKLOAD = IDENTITY[:3]


def together(found: Sequence[Recording]) -> Recording:
    """Make one recording of the days of a bucket.

    Parameters
    ----------
    found
        Partitions of one bucket, or the same workloads of each, in the order of their days.

    Returns
    -------
    Recording
        Everything as one, sorted by container and time; limits and requests that changed between two days, so that
        neither day saw the change, are events.

    Examples
    --------
    >>> tables = [pl.DataFrame({"time": [time], "pod": ["a-0"], "rss_bytes": [1]}) for time in (0, 1)]
    >>> days = list(map(Recording.from_frame, tables))
    >>> together(days).samples["time"].dt.epoch("s").to_list()
    [0, 1]
    """
    # Provisional ids rise with the days: of two limits the later one counts.
    sizes = [
        part.containers.select(pl.col("container_id").max().fill_null(0).cast(pl.Int64)).item() + 1 for part in found
    ]
    shifts = np.cumsum([0, *sizes])
    stacked = pl.concat(
        part.containers.with_columns(pl.col("container_id") + pl.lit(shift, dtype=pl.UInt32))
        for part, shift in zip(found, shifts, strict=False)
    )
    frame, mapping = key_containers(stacked, None)
    numbers = np.zeros(int(shifts[-1]), dtype=np.uint32)
    numbers[mapping["old_id"].to_numpy()] = mapping["container_id"].to_numpy()

    def keyed(rows: pl.DataFrame, shift: int) -> pl.DataFrame:
        return rows.with_columns(pl.Series("container_id", numbers[rows["container_id"].to_numpy() + shift]))

    samples = _in_order([keyed(part.samples, int(shift)) for part, shift in zip(found, shifts, strict=False)])
    events = tidy_events(
        pl.concat([keyed(part.events, int(shift)) for part, shift in zip(found, shifts, strict=False)])
    )
    containers = (
        frame.drop("cadence_seconds")
        .join(cadences(samples), on="container_id", how="left", maintain_order="left")
        .select(*CONTAINERS)
    )
    report = lake_files.joined(part.report for part in found)
    whole = Recording(containers, samples, events, report)
    settings = stacked.with_columns(pl.Series("container_id", numbers[stacked["container_id"].to_numpy()]))
    kinds = settings.select("container_id", "limit_known", "limit_bytes", "request_bytes").unique()
    if kinds.height == containers.height:
        return whole
    changes = lake_files.settings_changes(found, whole)
    events = pl.concat([events, changes]).unique(maintain_order=True)
    return Recording(containers, samples, events.sort("container_id", "time", "kind", maintain_order=True), report)


def _in_order(days: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put each container's days behind each other: whole stretches are moved, nothing is compared."""
    sampled = [name for name in SIGNALS if any(day[name].null_count() < day.height for day in days)]
    whole = pl.concat([day.select("container_id", "time", *sampled) for day in days], rechunk=True)
    ids = whole["container_id"]
    first = begins(ids)
    length = np.diff(first, append=whole.height)
    order = np.argsort(ids.gather(first).to_numpy(), kind="stable")
    if (order[1:] < order[:-1]).any():
        start, count = first[order], length[order]
        before = np.cumsum(count) - count
        whole = whole[np.repeat(start - before, count) + np.arange(whole.height)]
    # What two sources said of one container on the same day is joined as everywhere.
    return order_samples(whole)[0]


def bucket_parts(files: Sequence[Place], failed: list[ReadError], rows: int = PART_ROWS) -> Iterator[Recording]:
    """Read a bucket, part by part.

    Parameters
    ----------
    files
        Of one bucket, in the order of their days.
    failed
        Gets an error for every file that cannot be read; the others are.
    rows
        Samples that are enough for a part; it ends with the workload that reaches them.

    Yields
    ------
    Recording
        All days of some workloads; no workload stands in two parts.

    Examples
    --------
    >>> list(bucket_parts([], []))
    []
    """
    heads = []
    for file in files:
        try:
            containers, stored, _, _ = storage.open_parts(file)
        except (ReadError, OSError) as error:
            failed.append(as_read_error(file, error))
        else:
            heads.append((file, containers, stored))
    number = _numbered([(containers, stored) for _, containers, stored in heads], rows)
    bad: set[Place] = set()
    chosen = number.partition_by("part", maintain_order=True)
    for names in chosen:
        found = []
        for file, *_ in heads:
            if file in bad:
                continue
            try:
                found.append(lake_files.read_partition(file, None if len(chosen) == 1 else names.select(_WORKLOAD)))
            except (ReadError, OSError) as error:
                bad.add(file)
                failed.append(as_read_error(file, error))
        found = [partition for partition in found if partition.containers.height]
        if found:
            yield together(found)


def gathered(found: Sequence[dict[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """Put the frames of parts together, under the ids and in the order of the whole.

    Parameters
    ----------
    found
        Frames of each part, by name; `containers` among them. Others have a `container_id`, or the names of a workload.

    Returns
    -------
    dict of polars.DataFrame
        The same of the whole: ids are the ranks of the containers, rows stand in the order of the workloads.

    Examples
    --------
    >>> parts = [Recording.from_frame(pl.DataFrame({"time": [0], "pod": [pod], "rss_bytes": [1]})) for pod in "ba"]
    >>> whole = gathered([{"containers": part.containers, "samples": part.samples} for part in parts])
    >>> whole["containers"].select("container_id", "pod").rows(), whole["samples"]["container_id"].to_list()
    ([(0, 'a'), (1, 'b')], [0, 1])
    """
    sizes = [frames["containers"].height for frames in found]
    shifts = [sum(sizes[:at]) for at in range(len(sizes))]

    def shifted(frame: pl.DataFrame, shift: int) -> pl.DataFrame:
        if "container_id" not in frame.columns:
            return frame
        return frame.with_columns(pl.col("container_id") + pl.lit(shift, dtype=pl.UInt32))

    whole = {
        name: pl.concat(
            (shifted(frames[name], shift) for frames, shift in zip(found, shifts, strict=True)), how="diagonal"
        )
        for name in found[0]
    }
    ordered = whole["containers"].sort(IDENTITY, nulls_last=True, maintain_order=True)
    numbers = ordered.select("container_id", *_WORKLOAD).with_row_index("new")
    place = numbers.select(pl.struct(_WORKLOAD).rle_id().alias("place")).to_series()
    numbers = numbers.with_columns(place)
    names = numbers.unique(_WORKLOAD, keep="first").select(*_WORKLOAD, "place")

    def rekeyed(frame: pl.DataFrame) -> pl.DataFrame:
        columns = frame.columns
        if "container_id" in columns:
            about = numbers.select("container_id", "new", "place")
            joined = frame.join(about, on="container_id", how="left", maintain_order="left")
            joined = joined.with_columns(container_id="new")
        elif set(_WORKLOAD) <= set(columns):
            joined = frame.join(names, on=_WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        else:
            return frame
        # Within a workload the rows stay as its part gave them.
        return joined.sort("place", maintain_order=True).select(columns)

    frames = {name: rekeyed(frame) for name, frame in whole.items() if name != "containers"}
    frames["containers"] = ordered.drop("container_id").with_row_index("container_id").select(*CONTAINERS)
    return frames


def group_parts(
    buckets: Sequence[Sequence[Place]], failed: list[ReadError], rows: int = PART_ROWS
) -> Iterator[Recording]:
    """Read a few buckets: a large one part by part, several small ones as one.

    Parameters
    ----------
    buckets
        Files of each.
    failed, rows
        As for `bucket_parts`.

    Yields
    ------
    Recording
        All days of some workloads; no workload stands in two parts.

    Examples
    --------
    >>> list(group_parts([[], []], []))
    []
    """
    found = (part for files in buckets for part in bucket_parts(files, failed, rows))
    if len(buckets) == 1:
        yield from found
    elif wholes := list(found):
        yield in_one(wholes)


def in_one(wholes: Sequence[Recording]) -> Recording:
    """Put recordings of different workloads together.

    Parameters
    ----------
    wholes
        At least one; no workload stands in two of them.

    Returns
    -------
    Recording
        All of them as one.

    Examples
    --------
    >>> tables = [pl.DataFrame({"time": [0], "pod": [pod], "rss_bytes": [1]}) for pod in "ba"]
    >>> in_one(list(map(Recording.from_frame, tables))).containers["pod"].to_list()
    ['a', 'b']
    """
    if len(wholes) == 1:
        return wholes[0]
    frames = gathered(
        [{"containers": whole.containers, "samples": whole.samples, "events": whole.events} for whole in wholes]
    )
    return Recording(**frames, report=lake_files.joined(whole.report for whole in wholes))


def _numbered(heads: Sequence[tuple[pl.DataFrame, storage.Stored]], rows: int) -> pl.DataFrame:
    """Say in which part each workload is."""
    counted = [
        containers.select(*_WORKLOAD, rows=pl.Series(stored.counts, dtype=pl.Int64))
        for containers, stored in heads
        if stored.counts is not None
    ]
    if not counted:
        return pl.DataFrame(schema={**dict.fromkeys(_WORKLOAD, pl.String()), "part": pl.Int64()})
    totals = pl.concat(counted).group_by(_WORKLOAD).agg(pl.col("rows").sum()).sort(_WORKLOAD, nulls_last=True)
    before = totals["rows"].cum_sum() - totals["rows"]
    return totals.select(*_WORKLOAD, part=before // rows)


def as_read_error(file: Place, error: ReadError | OSError) -> ReadError:
    """Name the file in what the system said.

    Parameters
    ----------
    file
        What was read.
    error
        What came of it.

    Returns
    -------
    ReadError
        The same, if it was one.

    Examples
    --------
    >>> from pathlib import Path
    >>> print(as_read_error(Path("a.parquet"), PermissionError(13, "Permission denied")))
    Could not read 'a.parquet': found 'permission denied', expected a partition of a lake.
    """
    if isinstance(error, ReadError):
        return error
    return ReadError.at(file, found=(error.strerror or str(error)).lower(), expected="a partition of a lake")
