"""One recording in one Parquet file."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, RmtoolkitError
from rmtoolkit.normalise import conform
from rmtoolkit.places import as_place, for_polars
from rmtoolkit.provenance import Report
from rmtoolkit.schema import CONTAINERS, EVENTS, SAMPLES, SIGNALS, TIME
from rmtoolkit.writing import check_target, replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from rmtoolkit.places import Remote
    from rmtoolkit.recording import Recording

ENDINGS: Final = (".parquet",)
_METADATA_KEY: Final = "rmtoolkit.recording"
_EXPECTED: Final = "a recording in Parquet"


def write_recording(recording: Recording, path: str | os.PathLike[str]) -> Path:
    """Store a recording: its samples as a tidy table, the rest in the file's metadata.

    Parameters
    ----------
    recording
        What to store.
    path
        File to write, ending in .parquet; an existing one is replaced whole, at once.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    RmtoolkitError
        The name ends in something else, there is no such folder, or the disk is full.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> recording = as_recording(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [9]}))
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pl.read_parquet(write_recording(recording, f"{folder}/a.parquet"))["pod"].to_list()
    ['db-0']
    """
    check_target(path, ENDINGS)
    table = recording.samples.join(
        recording.containers.select("container_id", "cluster", "namespace", "workload", "pod", "container"),
        on="container_id",
        how="left",
        maintain_order="left",
    )
    # Made in memory: polars reports a full disk as a broken file.
    made = io.BytesIO()
    counts = recording.containers.join(
        recording.samples.group_by("container_id").len("rows"), on="container_id", how="left", maintain_order="left"
    )["rows"].fill_null(0)
    metadata = metadata_of(
        recording.containers,
        recording.events,
        recording.report,
        rows=counts.to_list(),
        signals=[name for name in SIGNALS if recording.samples[name].null_count() < recording.samples.height],
    )
    table.write_parquet(made, compression="zstd", metadata=metadata)
    with replacing(path, ENDINGS) as part:
        part.write_bytes(made.getbuffer())
    return Path(path)


def metadata_of(
    containers: pl.DataFrame,
    events: pl.DataFrame,
    report: Report,
    *,
    rows: Sequence[int],
    signals: Sequence[str],
) -> dict[str, str]:
    """Put everything but the samples into the form in which it is stored beside them.

    Parameters
    ----------
    containers, events, report
        As in the recording.
    rows
        Samples of each container, in the order of `containers`, in which they are stored as well.
    signals
        Those that have a value anywhere.

    Returns
    -------
    dict
        Metadata of the Parquet file.

    Examples
    --------
    >>> from rmtoolkit.schema import empty
    >>> list(metadata_of(empty(CONTAINERS), empty(EVENTS), Report(), rows=[], signals=[]))
    ['rmtoolkit.recording']
    """
    kept = {
        "containers": containers.write_json(),
        "events": events.with_columns(pl.col("time").to_physical()).write_json(),
        "report": json.dumps(asdict(report)),
        "rows": list(rows),
        "signals": list(signals),
    }
    return {_METADATA_KEY: json.dumps(kept)}


@dataclass(frozen=True, slots=True)
class Stored:
    """Samples in a file, read when they are asked for and only as far as they are.

    Attributes
    ----------
    path
        The Parquet file.
    rows
        How many samples it has.
    signals
        Those that have a value anywhere; the others are not read.
    counts
        Samples of each container, in the order of the containers; None in files that do not say.
    stamp
        Size and time of change when the file was opened: another file of that name is not read.
    first
        Row of the file at which these samples begin.

    Examples
    --------
    >>> Stored.__slots__
    ('path', 'rows', 'signals', 'counts', 'stamp', 'first')
    """

    path: Path | Remote
    rows: int
    signals: tuple[str, ...]
    counts: tuple[int, ...] | None
    stamp: tuple[int, int]
    first: int = 0

    def part(self, begin: int, end: int) -> Stored:
        """Give the samples of some containers that follow each other.

        Parameters
        ----------
        begin, end
            Place of the first container, and behind the last one; `counts` must be known.

        Returns
        -------
        Stored
            Theirs, unread.
        """
        counts = self.counts or ()
        first = self.first + sum(counts[:begin])
        return replace(self, first=first, rows=sum(counts[begin:end]), counts=counts[begin:end])

    def scan(self) -> pl.LazyFrame:
        """Give the columns that have values, unread.

        Returns
        -------
        polars.LazyFrame
            `container_id`, `time` and signals, in the types of the schema.
        """
        names = ["container_id", "time", *self.signals]
        rows = pl.scan_parquet(for_polars(self.path)).slice(self.first, self.rows)
        return rows.select(pl.col(name).cast(SAMPLES[name]) for name in names)

    def collect(self, samples: pl.LazyFrame) -> pl.DataFrame:
        """Read what was made of `scan`.

        Parameters
        ----------
        samples
            A frame with the columns of `scan`.

        Returns
        -------
        polars.DataFrame
            In the schema `SAMPLES`.

        Raises
        ------
        ReadError
            The file is broken, or not the one any more that was opened.
        """
        with _reading(self.path):
            if _stamp(self.path) != self.stamp:
                raise ReadError.at(
                    self.path,
                    found="a file that was changed after it was opened",
                    expected="the one that was opened",
                    hint="Read it again.",
                )
            found = conform(samples.collect(), SAMPLES)
        if not found["container_id"].is_sorted():
            raise ReadError.at(self.path, found="samples in no order", expected="samples sorted by container and time")
        return found


@contextmanager
def _reading(path: str | os.PathLike[str] | Remote) -> Iterator[None]:
    """Say in one error of ours what is wrong with a file."""
    try:
        yield
    except (FileNotFoundError, RmtoolkitError):
        raise
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        found = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError.at(path, found=found, expected=_EXPECTED) from error


def _stamp(path: Path | Remote) -> tuple[int, int]:
    now = path.stat()
    return now.st_size, now.st_mtime_ns


def open_parts(path: str | os.PathLike[str] | Remote) -> tuple[pl.DataFrame, Stored, pl.DataFrame, Report]:
    """Read what `write_recording` stored, but not yet the samples.

    Parameters
    ----------
    path
        The Parquet file.

    Returns
    -------
    tuple of (polars.DataFrame, Stored, polars.DataFrame, Report)
        Containers, samples still in the file, events and report.

    Raises
    ------
    ReadError
        The file is no Parquet file, or not one of ours.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     open_parts(file.name)
    Traceback (most recent call last):
    rmtoolkit.exceptions.ReadError: ...
    """
    file = as_place(path)
    with _reading(path):
        stamp = _stamp(file)
        metadata = pl.read_parquet_metadata(for_polars(file))
        if _METADATA_KEY not in metadata:
            raise ReadError.at(
                path, found="another Parquet file", expected=_EXPECTED, hint="Use rm.read for any table."
            )
        kept = json.loads(metadata[_METADATA_KEY])
        containers = pl.read_json(kept["containers"].encode(), schema=CONTAINERS)
        events = pl.read_json(kept["events"].encode(), schema={**EVENTS, "time": pl.Int64()})
        report = _as_report(json.loads(kept["report"]))
        rows = pl.scan_parquet(for_polars(file)).select(pl.len()).collect().item()
        counts = kept.get("rows")
        known = isinstance(counts, list) and len(counts) == containers.height and sum(counts) == rows
        # A signal that the version which wrote the file did not know was not sampled.
        there = pl.read_parquet_schema(for_polars(file))
        signals = tuple(name for name in SIGNALS if name in kept.get("signals", SIGNALS) and name in there)
    stored = Stored(file, rows, signals, tuple(counts) if known else None, stamp)
    return containers, stored, events.with_columns(pl.col("time").cast(TIME)), report


def _as_report(kept: dict[str, Any]) -> Report:
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    return Report(**fields)
