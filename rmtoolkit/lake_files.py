"""The files of a lake: one per bucket and day, each a recording that is whole in itself."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import zlib
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path  # noqa: TC003 - the examples use it
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit import storage
from rmtoolkit.exceptions import ReadError
from rmtoolkit.normalise import cadences
from rmtoolkit.places import for_polars
from rmtoolkit.provenance import Report
from rmtoolkit.recording import Recording, concat
from rmtoolkit.schema import CONTAINERS, EVENTS, IDENTITY, SIGNALS
from rmtoolkit.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rmtoolkit.places import Remote

_METADATA_KEY: Final = "rmtoolkit.lake"
_EXPECTED: Final = "a partition of a lake"
#: A file that is replaced while it is read is read again.
_TRIES: Final = 5
_LEFT: Final = ".rmtoolkit-"


def bucket_of(cluster: str | None, namespace: str | None, workload: str | None, buckets: int) -> int:
    """Tell in which bucket a workload is: always the same one.

    Parameters
    ----------
    cluster, namespace, workload
        Its names; None is unknown.
    buckets
        How many the lake has.

    Returns
    -------
    int
        From 0 on: the CRC-32 of the names, divided among the buckets.

    Examples
    --------
    >>> bucket_of("prod", "shop", "api", 64)
    28
    """
    names = "\x1f".join(name or "" for name in (cluster, namespace, workload))
    return zlib.crc32(names.encode("utf-8", "surrogatepass")) % buckets


def file_of(root: Path, bucket: int, date: dt.date) -> Path:
    """Name the file of a bucket and a day.

    Parameters
    ----------
    root
        Folder of the lake.
    bucket, date
        The partition; days begin at midnight UTC.

    Returns
    -------
    pathlib.Path
        Where it is, or would be.

    Examples
    --------
    >>> file_of(Path("lake"), 7, dt.date(2026, 11, 25)).as_posix()
    'lake/bucket=007/2026-11-25.parquet'
    """
    return root / f"bucket={bucket:03}" / f"{date.isoformat()}.parquet"


def place_of(file: Path | Remote) -> tuple[int, dt.date] | None:
    """Tell bucket and day of a file by its name.

    Parameters
    ----------
    file
        A file below a lake.

    Returns
    -------
    tuple of (int, datetime.date), or None
        None for files that are no partitions.

    Examples
    --------
    >>> place_of(Path("lake/bucket=007/2026-11-25.parquet"))
    (7, datetime.date(2026, 11, 25))
    """
    with suppress(ValueError):
        folder, _, number = file.parent.name.partition("=")
        if folder == "bucket" and file.suffix == ".parquet":
            return int(number), dt.date.fromisoformat(file.stem)
    return None


def read_partition(file: Path | Remote, workloads: pl.DataFrame | None = None) -> Recording:
    """Read a partition and make sure that it is what was written.

    Parameters
    ----------
    file
        The file.
    workloads
        `cluster`, `namespace` and `workload` of those to read; None: all.

    Returns
    -------
    Recording
        What is in it.

    Raises
    ------
    ReadError
        It is damaged, or no partition.
    FileNotFoundError
        There is none.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "2026-11-25.parquet")
    >>> found = Recording.from_frame(pl.DataFrame({"time": [0], "rss_bytes": [1]}))
    >>> write_partition(file, found)
    >>> read_partition(file).samples.equals(found.samples)
    True
    """
    for tries_left in reversed(range(_TRIES)):
        stamp = _stamp(file)
        try:
            return _read(file, workloads)
        except ReadError:
            # Somebody appends meanwhile: the new file is as whole as the old one was.
            if not tries_left or _stamp(file) == stamp:
                raise
    raise AssertionError


def _read(file: Path | Remote, workloads: pl.DataFrame | None) -> Recording:
    containers, stored, events, report = storage.open_parts(file)
    try:
        wanted = json.loads(pl.read_parquet_metadata(for_polars(file))[_METADATA_KEY])["crc32"]
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError) as error:
        raise ReadError.at(file, found="a recording from elsewhere", expected=_EXPECTED) from error
    if workloads is not None:
        places = containers.with_row_index("place").join(
            workloads, on=workloads.columns, how="semi", nulls_equal=True, maintain_order="left"
        )["place"]
        # Containers are sorted by workload, and samples by container: what is asked for lies together.
        begin, end = (int(places[0]), int(places[-1]) + 1) if places.len() else (0, 0)
        containers, stored, wanted = containers[begin:end], stored.part(begin, end), wanted[begin:end]
        events = events.filter(pl.col("container_id").is_in(containers["container_id"].implode()))
    samples = stored.collect(stored.scan())
    if checksums(samples, stored.signals, stored.counts or ()) != wanted:
        hint = "The file is damaged: restore it from a backup, or move it away and fill the day again."
        raise ReadError.at(file, found="other samples than were written", expected=_EXPECTED, hint=hint)
    return Recording(containers, samples, events, report)


def tells_restarts(file: Path | Remote) -> bool:
    """Tell whether the source of a partition reports restarts, from the end of the file alone.

    Parameters
    ----------
    file
        The file.

    Returns
    -------
    bool
        False where it cannot be read.

    Examples
    --------
    >>> tells_restarts(Path("/no/such"))
    False
    """
    with suppress(pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError):
        return bool(json.loads(pl.read_parquet_metadata(for_polars(file))[_METADATA_KEY])["restarts"])
    return False


def extent(files: Sequence[Path | Remote]) -> tuple[dt.datetime, dt.datetime] | None:
    """Find the first and the last sample of some files.

    Parameters
    ----------
    files
        Partitions; those that cannot be read are passed over.

    Returns
    -------
    tuple of datetime, or None
        None when there is none.

    Examples
    --------
    >>> extent([Path("/no/such")])
    """
    found = []
    for file in files:
        with suppress(pl.exceptions.PolarsError, OSError):
            time = pl.col("time")
            found.append(pl.scan_parquet(for_polars(file)).select(first=time.min(), last=time.max()).collect())
    if not found:
        return None
    first, last = pl.concat(found).select(pl.col("first").min(), pl.col("last").max()).row(0)
    return None if first is None else (first, last)


def _stamp(file: Path | Remote) -> tuple[int, int, int]:
    now = file.stat()
    return now.st_ino, now.st_size, now.st_mtime_ns


def checksums(samples: pl.DataFrame, signals: Sequence[str], counts: Sequence[int]) -> list[int]:
    """Sum up the samples of each container, so that a change of any of them shows.

    Parameters
    ----------
    samples
        In the schema `SAMPLES`, sorted.
    signals
        Those that have a value anywhere in the file.
    counts
        Samples of each container, in their order.

    Returns
    -------
    list of int
        CRC-32s of the times, of the values and of where there are none.

    Examples
    --------
    >>> found = Recording.from_frame(pl.DataFrame({"time": [0, 1], "rss_bytes": [1, 2]})).samples
    >>> one, other = (
    ...     checksums(frame, ["rss_bytes"], [2]) for frame in (found, found.with_columns(pl.col("rss_bytes") + 1))
    ... )
    >>> one == other
    False
    """
    bounds = list(accumulate(counts, initial=0))
    if bounds[-1] != samples.height:
        return []
    totals = list(counts)
    for name in ("time", *signals):
        column = samples[name].to_physical()
        values = [column.fill_null(0).to_numpy()]
        if column.null_count():
            values.append(column.is_null().to_numpy())
        for array in values:
            view = memoryview(np.ascontiguousarray(array)).cast("B")
            size = array.itemsize
            totals = [
                zlib.crc32(view[size * low : size * high], total)
                for total, low, high in zip(totals, bounds, bounds[1:], strict=False)
            ]
    return totals


def write_partition(file: Path, recording: Recording) -> None:
    """Write a partition: an existing one stays whole until the new one is, also when the power fails.

    Parameters
    ----------
    file
        The file; its folder must be there.
    recording
        What belongs into it.

    Raises
    ------
    RmtoolkitError
        The disk is full, or anything else the system says against it.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "2026-11-25.parquet")
    >>> write_partition(file, Recording.from_frame(pl.DataFrame({"time": [0], "rss_bytes": [1]})))
    >>> pl.read_parquet(file)["rss_bytes"].to_list()
    [1]
    """
    samples = recording.samples
    table = samples.join(
        recording.containers.select("container_id", *IDENTITY), on="container_id", how="left", maintain_order="left"
    ).select("container_id", *IDENTITY, "time", *SIGNALS)
    counts = recording.containers.join(
        samples.group_by("container_id").len("rows"), on="container_id", how="left", maintain_order="left"
    )["rows"].fill_null(0)
    signals = [name for name in SIGNALS if samples[name].null_count() < samples.height]
    metadata = storage.metadata_of(
        recording.containers, recording.events, recording.report, rows=counts.to_list(), signals=signals
    )
    told = {"crc32": checksums(samples, signals, counts.to_list()), "restarts": recording.tells_restarts}
    metadata[_METADATA_KEY] = json.dumps(told)
    # Made in memory: polars reports a full disk as a broken file.
    made = io.BytesIO()
    table.write_parquet(made, compression="zstd", metadata=metadata)
    with replacing(file, storage.ENDINGS) as part, part.open("wb") as stream:
        stream.write(made.getbuffer())
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that a rename in a folder outlasts a power failure.

    Parameters
    ----------
    folder
        The folder.

    Examples
    --------
    >>> sync_folder(Path("."))
    """
    # Some systems cannot open folders; there it is not needed.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def clear_leftovers(root: Path) -> None:
    """Remove what an append left that was killed; nobody else may be appending.

    Parameters
    ----------
    root
        Folder of the lake.

    Examples
    --------
    >>> clear_leftovers(Path("/no/such"))
    """
    for place in (root, *root.glob("bucket=*")):
        for folder in place.glob(f"{_LEFT}*"):
            for file in folder.iterdir():
                file.unlink(missing_ok=True)
            folder.rmdir()


def merged(old: Recording, new: Recording, events_within: tuple[dt.datetime, dt.datetime] | None) -> Recording:
    """Add to a partition.

    Parameters
    ----------
    old, new
        What is there and what comes.
    events_within
        Between these instants the events of the new one's containers replace those that are there: of two pulls that
        overlap, the later one has seen more. None keeps all.

    Returns
    -------
    Recording
        Both: each sample once. Where two differ, the new one counts.

    Examples
    --------
    >>> frames = [pl.DataFrame({"time": times, "rss_bytes": [5] * 2}) for times in ([0, 1], [1, 2])]
    >>> merged(*map(Recording.from_frame, frames), None).samples.height
    3
    """
    kept = old.events
    if events_within is not None:
        again = old.containers.join(new.containers, on=IDENTITY, how="semi", nulls_equal=True)["container_id"]
        stale = pl.col("container_id").is_in(again.implode()) & pl.col("time").is_between(*events_within)
        kept = kept.filter(~stale)
    parts = [Recording(old.containers, old.samples, kept), Recording(new.containers, new.samples, new.events)]
    whole = concat(parts)
    changes = settings_changes(parts, whole)
    events = pl.concat([whole.events, changes]).unique(maintain_order=True).sort("container_id", "time", "kind")
    return Recording(whole.containers, whole.samples, events, joined([old.report, new.report]))


def cut(recording: Recording, containers: pl.DataFrame, samples: pl.DataFrame, events: pl.DataFrame) -> Recording:
    """Make a recording of some rows of another.

    Parameters
    ----------
    recording
        The other.
    containers
        Some of its containers, in their order, perhaps with other settings.
    samples, events
        Rows of these containers, in their order.

    Returns
    -------
    Recording
        With ids and cadences as `normalise` gives them.

    Examples
    --------
    >>> found = Recording.from_frame(pl.DataFrame({"time": [0, 0], "pod": ["a-0", "b-0"], "rss_bytes": [1, 2]}))
    >>> cut(found, found.containers[1:], found.samples[1:], found.events).samples["container_id"].to_list()
    [0]
    """
    ids = containers.select(old="container_id").with_row_index("container_id")

    def keyed(frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.rename({"container_id": "old"}).join(ids, on="old", maintain_order="left")
        return joined.select(frame.columns)

    samples = keyed(samples)
    about = containers.drop("container_id", "cadence_seconds").with_row_index("container_id")
    about = about.join(cadences(samples), on="container_id", how="left", maintain_order="left").select(*CONTAINERS)
    return Recording(about, samples, keyed(events), recording.report)


def settings_changes(parts: Sequence[Recording], whole: Recording) -> pl.DataFrame:
    """Find limits and requests that changed between two parts, so that neither part saw the change.

    Parameters
    ----------
    parts
        In the order of time.
    whole
        All of them as one.

    Returns
    -------
    polars.DataFrame
        Events of `whole`'s containers: at the first sample under the new setting, and at the first one under the old.

    Examples
    --------
    >>> parts = [Recording.from_frame(pl.DataFrame({"time": [time], "rss_bytes": [1], "limit_bytes": [limit]}))
    ...          for time, limit in ((0, 5), (60, 9))]
    >>> settings_changes(parts, concat(parts)).select("kind", "value_bytes").rows()
    [('limit', 5), ('limit', 9)]
    """
    seen = []
    for number, part in enumerate(parts):
        span = part.samples.group_by("container_id").agg(first=pl.col("time").min(), last=pl.col("time").max())
        told = part.containers.join(span, on="container_id", how="inner")
        said = part.events.filter(pl.col("kind").is_in(["limit", "request"])).select("container_id", "kind").unique()
        for kind in ("limit", "request"):
            # An event in the part says more than the difference between two.
            silent = told.join(said.filter(pl.col("kind") == kind), on="container_id", how="anti")
            both = pl.concat([told.with_columns(silent=False).join(silent, on="container_id", how="anti"),
                              silent.with_columns(silent=True)])  # fmt: skip
            known = pl.col("limit_known") if kind == "limit" else pl.col("request_bytes").is_not_null()
            seen.append(
                both.filter(known).select(
                    *IDENTITY,
                    "first",
                    "last",
                    "silent",
                    kind=pl.lit(kind),
                    part=pl.lit(number),
                    value_bytes=pl.col(f"{kind}_bytes"),
                ),
            )
    place = [*IDENTITY, "kind"]
    before = {
        f"{name}_before": pl.col(name).shift().over(place, order_by="first")
        for name in ("value_bytes", "first", "last", "silent")
    }
    changed = (
        pl.concat(seen)
        .with_columns(**before)
        .filter(pl.col("silent"), pl.col("last_before") < pl.col("first"))
        .filter(pl.col("value_bytes_before").ne_missing(pl.col("value_bytes")))
    )
    # What held before is said too: else nothing would tell it.
    earlier = changed.filter("silent_before").with_columns(first="first_before", value_bytes="value_bytes_before")
    return (
        pl.concat([earlier, changed])
        .join(whole.containers.select("container_id", *IDENTITY), on=IDENTITY, nulls_equal=True)
        .select("container_id", time="first", kind="kind", value_bytes="value_bytes", detail=pl.lit(None, pl.String()))
        .cast(dict(EVENTS))  # type: ignore[arg-type]
    )


def joined(reports: Iterable[Report]) -> Report:
    """Put the reports of partitions together: they repeat each other, so counts are not added up.

    Parameters
    ----------
    reports
        At least one.

    Returns
    -------
    Report
        Each line once, of each count the highest.

    Examples
    --------
    >>> joined([Report(left_out={"NaN": 2}), Report(left_out={"NaN": 3})]).left_out
    {'NaN': 3}
    """
    different = {repr(report): report for report in reports}.values()
    whole = Report(time_axis="")
    counts: dict[str, int] = {}
    for report in different:
        for reason, count in report.left_out.items():
            counts[reason] = max(count, counts.get(reason, 0))
        whole = whole.joined(report)
    axes = dict.fromkeys(axis for axis in whole.time_axis.split("; ") if axis)
    asked = dict.fromkeys(part for part in whole.asked.split("; ") if part)
    return replace(whole, left_out=counts, asked="; ".join(asked), time_axis="; ".join(axes))
