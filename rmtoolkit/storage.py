"""One recording in one Parquet file."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, RmtoolkitError
from rmtoolkit.provenance import Report
from rmtoolkit.schema import CONTAINERS, EVENTS, SAMPLES, TIME
from rmtoolkit.writing import check_target, replacing

if TYPE_CHECKING:
    import os

    from rmtoolkit.recording import Recording

ENDINGS: Final = (".parquet",)
_METADATA_KEY: Final = "rmtoolkit.recording"


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
    table.write_parquet(made, compression="zstd", metadata=metadata_of(recording))
    with replacing(path, ENDINGS) as part:
        part.write_bytes(made.getbuffer())
    return Path(path)


def metadata_of(recording: Recording) -> dict[str, str]:
    """Put everything but the samples into the form in which it is stored beside them.

    Parameters
    ----------
    recording
        Its containers, events and report are stored.

    Returns
    -------
    dict
        Metadata of the Parquet file.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> list(metadata_of(as_recording(pl.DataFrame({"time": [0], "rss_bytes": [9]}))))
    ['rmtoolkit.recording']
    """
    kept = {
        "containers": recording.containers.write_json(),
        "events": recording.events.with_columns(pl.col("time").to_physical()).write_json(),
        "report": json.dumps(asdict(recording.report)),
    }
    return {_METADATA_KEY: json.dumps(kept)}


def read_parts(path: str | os.PathLike[str]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Report]:
    """Read what `write_recording` stored.

    Parameters
    ----------
    path
        The Parquet file.

    Returns
    -------
    tuple of (polars.DataFrame, polars.DataFrame, polars.DataFrame, Report)
        Containers, samples, events and report.

    Raises
    ------
    ReadError
        The file is no Parquet file, or not one of ours.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     read_parts(file.name)
    Traceback (most recent call last):
    rmtoolkit.exceptions.ReadError: ...
    """
    expected = "a recording in Parquet"
    file = Path(path)
    try:
        metadata = pl.read_parquet_metadata(file)
        if _METADATA_KEY not in metadata:
            raise ReadError.at(path, found="another Parquet file", expected=expected, hint="Use rm.read for any table.")
        kept = json.loads(metadata[_METADATA_KEY])
        samples = pl.read_parquet(file, columns=SAMPLES.names()).cast(SAMPLES)
        containers = pl.read_json(kept["containers"].encode(), schema=CONTAINERS)
        events = pl.read_json(kept["events"].encode(), schema={**EVENTS, "time": pl.Int64()})
        report = _as_report(json.loads(kept["report"]))
    except (FileNotFoundError, RmtoolkitError):
        raise
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        found = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError.at(path, found=found, expected=expected) from error
    return containers, samples, events.with_columns(pl.col("time").cast(TIME)), report


def _as_report(kept: dict[str, Any]) -> Report:
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    return Report(**fields)
