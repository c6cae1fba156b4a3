"""What an allocator said in a log, now and then, as a Recording of one container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from rmtoolkit.exceptions import quote_path
from rmtoolkit.loaders import files, timeline
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.recording import Recording, Report, normalise
from rmtoolkit.schema import SAMPLES

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from rmtoolkit.loaders.stamps import Stamp

#: Endings that say what a file is, not whose.
_ENDINGS: Final = (
    ".gz",
    ".zst",
    ".log",
    ".txt",
    ".json",
    ".jsonl",
    ".xml",
    ".out",
    ".err",
    ".stderr",
    ".stats",
    ".jemalloc",
    ".raw",
)

UNSTAMPED: Final = "documents without a time stamp, among others that have one"


class Said(NamedTuple):
    """One document: where it stands, when it was written if its log says so, and values by column of the samples."""

    line: int
    stamp: tuple[Stamp, str] | None
    amounts: Mapping[str, int | None]


class Whose(NamedTuple):
    """Names that a user gave; without pod and workload the name of the file is taken."""

    pod: str | None = None
    namespace: str | None = None
    container: str | None = None
    workload: str | None = None

    def frame(self, path: str | os.PathLike[str], source: str) -> pl.DataFrame:
        """Make the one row of the containers.

        Parameters
        ----------
        path
            The file.
        source
            What wrote it.

        Returns
        -------
        polars.DataFrame
            For `normalise`.

        Examples
        --------
        >>> Whose(namespace="shop").frame("logs/api.stats.log", "jemalloc stats").select("workload", "namespace").row(0)
        ('api', 'shop')
        """
        inferred = self.workload is None and self.pod is None
        return pl.DataFrame(
            {
                "container_id": [0],
                "namespace": [self.namespace],
                "pod": [self.pod],
                "container": [self.container],
                "workload": [_name(path) if inferred else self.workload],
                "workload_inferred": [inferred],
                "source": [source],
            },
            schema_overrides={name: pl.String() for name in ("namespace", "pod", "container", "workload")},
        )


def _name(path: str | os.PathLike[str]) -> str:
    """Take from a file's name what says what it is, and keep whose it is."""
    name = Path(path).name
    while True:
        ending = next(
            (ending for ending in _ENDINGS if name.lower().endswith(ending) and len(name) > len(ending)), None
        )
        if ending is None:
            return name
        name = name[: -len(ending)]


def samples_frame(times: Sequence[int], amounts: Sequence[Mapping[str, int | None]]) -> pl.DataFrame:
    """Put values at their times, for `normalise`.

    Parameters
    ----------
    times
        Milliseconds since 1970.
    amounts
        Values by column of the samples, one mapping per time.

    Returns
    -------
    polars.DataFrame
        Of the one container 0.

    Examples
    --------
    >>> samples_frame([0], [{"free_bytes": 7}])["free_bytes"].to_list()
    [7]
    """
    names = list(dict.fromkeys(name for values in amounts for name in values))
    columns = {name: [values.get(name) for values in amounts] for name in names}
    return pl.DataFrame(
        {"container_id": [0] * len(times), "time": list(times), **columns},
        schema={"container_id": pl.UInt32(), "time": pl.Int64(), **{name: SAMPLES[name] for name in names}},
    ).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))


def as_recording(
    said: Sequence[Said], asked: timeline.Asked, whose: Whose, source: str, notes: Sequence[str] = ()
) -> Recording:
    """Make a Recording of documents that say no more than their values.

    Parameters
    ----------
    said
        At least one.
    asked
        The file, and what the user said about its times.
    whose
        Whose it is.
    source
        What wrote it.
    notes
        What a reader should know besides.

    Returns
    -------
    Recording
        Times come from the log, else from the line before a document, else from `interval`; the report says which.

    Raises
    ------
    ReadError
        There are several documents and no way to tell when they were written.

    Examples
    --------
    >>> import datetime as dt
    >>> asked = timeline.Asked("api.log", dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
    >>> as_recording([Said(1, None, {"free_bytes": 7})], asked, Whose(), "malloc_info").samples["free_bytes"].item()
    7
    """
    left_out = {}
    timed = [one for one in said if one.stamp is not None]
    if timed:
        if len(timed) < len(said):
            left_out[UNSTAMPED] = len(said) - len(timed)
        first = timed[0].stamp
        stamps = [one.stamp[0] for one in timed if one.stamp is not None]
        times, axis = timeline.instants(stamps, (timed[0].line, first[1] if first else ""), asked)
    else:
        timed = list(said)
        times, axis = timeline.spaced(len(timed), asked, found="documents")
    if left_out:
        words = "; ".join(f"left out {counted(number, reason)}" for reason, number in left_out.items())
        files.warn(f"{quote_path(asked.path)}: {words}. The rest was read.")
    return normalise(
        whose.frame(asked.path, source),
        samples_frame(times, [one.amounts for one in timed]),
        None,
        Report(sources=(str(asked.path),), left_out=left_out, warnings=tuple(notes), time_axis=axis),
    )
