"""The Recording: what every loader returns and every analysis takes; its Parquet file and its picture in a notebook."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, reduce
from itertools import compress, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import polars as pl

from rmtoolkit import _identity, _tables, schema, text
from rmtoolkit._io import allowed_rows, as_json, as_place, check_target, for_polars, write_whole
from rmtoolkit._tables import CALENDAR, as_time, beside, conform, settings_at_time, spans, window_bounds
from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitError, UnknownWorkloadError, door, quote, warn
from rmtoolkit.schema import Report

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from rmtoolkit._store import Remote

_SHOWN_CONTAINERS: Final = 20
_HEADS: Final = (
    *(("workload", ""), ("pod / container", "")),
    *((head, "n") for head in ("limit", "every", "samples", "coverage")),
)
ENDINGS: Final = (".parquet",)
#: Fewer values of a frame may be given twice on purpose.
_MANY: Final = 50
_METADATA_KEY: Final = "rmtoolkit.recording"
_EXPECTED: Final = "a recording in Parquet"
#: The kernel cuts a limit to whole pages, and a table to a few digits.
_ROUNDED_LIMIT: Final = 1.02
#: A part whose samples are further apart than so many times those of another may be of other amounts.
_SELDOM: Final = 4
#: More samples than this stay in their file until they are asked for.
LARGE_ROWS: Final = 4_000_000
#: Names that people mistype.
_NAMES: Final = ("cluster", "namespace", "workload", "pod", "container")
_PARTED, _STILL = (str(text.texts("words")["reports"][name]) for name in ("parted", "still"))
#: Days and times, and signs, in the names of files: they tell nothing that the samples do not.
_DATES: Final = re.compile(r"(?:\d[\W_T]?){6,}+|[\W_]++")
#: A limit of 0 is none, and no reader gives one.
_LEAST: Final = {"limit_bytes": 1, "request_bytes": 0, **dict.fromkeys(schema.CORES, 0)}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    name = "/".join(part for part in (row["namespace"], row["workload"]) if part) or text.NOT_APPLICABLE
    return (
        name + (" (inferred)" if row["workload_inferred"] else ""),
        " / ".join(row[part] or text.NOT_APPLICABLE for part in ("pod", "container")),
        text.configured(row["limit_bytes"], known=row["limit_known"]),
        text.UNKNOWN if row["cadence_seconds"] is None else f"{row['cadence_seconds']:g} s",
        f"{row['samples'] or 0:,}",
        text.share(row["coverage"]),
    )


def as_parquet(
    recording: Recording,
    columns: Sequence[str],
    about: Callable[[Sequence[int], Sequence[str]], dict[str, str]] | None = None,
) -> bytes:
    samples, containers = recording.samples, recording.containers
    counted = samples.group_by("container_id").len("rows")
    rows = beside(containers.select("container_id"), counted, "container_id")["rows"].fill_null(0).to_list()
    signals = [name for name in schema.SIGNALS if samples[name].null_count() < samples.height]
    metadata = metadata_of(containers, recording.events, recording.report, rows=rows, signals=signals)
    metadata |= {} if about is None else about(rows, signals)
    names = [name for name in columns if name not in schema.SAMPLES]
    table = beside(samples, containers.select("container_id", *names), "container_id")
    # Made in memory: polars reports a full disk as a broken file.
    made = io.BytesIO()
    table.select(columns).write_parquet(made, compression="zstd", metadata=metadata)
    # No view of it: where an error keeps one, Python prints that what is below could not be closed.
    return made.getvalue()


def metadata_of(
    containers: pl.DataFrame, events: pl.DataFrame, report: Report, *, rows: Sequence[int], signals: Sequence[str]
) -> dict[str, str]:
    kept = {
        "containers": containers.write_json(),
        "events": events.with_columns(pl.col("time").to_physical()).write_json(),
        "report": json.dumps(asdict(report)),
        "rows": list(rows),
        "signals": list(signals),
    }
    return {_METADATA_KEY: json.dumps(kept)}


class Stored(msgspec.Struct, frozen=True):
    """Samples in a file, read when they are asked for and only as far as they are."""

    path: Path | Remote
    rows: int
    signals: tuple[str, ...]
    counts: tuple[int, ...] | None
    stamp: tuple[int, int]
    ids: frozenset[int]
    first: int = 0

    def part(self, begin: int, end: int) -> Stored:
        counts = self.counts or ()
        first = self.first + sum(counts[:begin])
        return msgspec.structs.replace(self, first=first, rows=sum(counts[begin:end]), counts=counts[begin:end])

    def scan(self) -> pl.LazyFrame:
        names = ["container_id", "time", *self.signals]
        rows = pl.scan_parquet(for_polars(self.path)).slice(self.first, self.rows)
        return rows.select(pl.col(name).cast(schema.SAMPLES[name]) for name in names)

    def __call__(self) -> pl.DataFrame:
        return self.collect(self.scan())

    def collect(self, samples: pl.LazyFrame) -> pl.DataFrame:
        with reading(self.path):
            if stamp_of(self.path) != self.stamp:
                changed, opened = "a file that was changed after it was opened", "the one that was opened"
                raise ReadError.at(self.path, found=changed, expected=opened, hint="Read it again.")
            found = conform(samples.collect(), schema.SAMPLES)
        expected = "samples sorted by container and time"
        if not found["container_id"].is_sorted():
            raise ReadError.at(self.path, found="samples in no order", expected=expected)
        if not self.ids.issuperset(found["container_id"].unique()):
            raise ReadError.at(self.path, found="samples of no container", expected=expected)
        amounts = pl.col(schema.BYTE_SIGNALS).is_between(0, schema.ABSURD_BYTES).all()
        if not found.select(pl.all_horizontal(pl.col("time").is_between(*CALENDAR).all(), amounts)).item():
            raise ReadError.at(self.path, found="times or amounts that cannot be", expected=expected)
        # A file's row groups would be put together anew by everybody who takes a column as an array.
        return found.with_columns(pl.col("container_id").set_sorted()).rechunk()


@contextmanager
def reading(path: str | os.PathLike[str] | Remote, expected: str = _EXPECTED) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, RmtoolkitError):
        raise
    # A panic is no Exception.
    except pl.exceptions.PanicException as error:
        raise ReadError.at(path, found="a damaged file", expected=expected) from error
    except (
        *(pl.exceptions.PolarsError, msgspec.MsgspecError, OSError),
        *(KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError),
    ) as error:
        found = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError.at(path, found=found, expected=expected) from error


def stamp_of(path: Path | Remote) -> tuple[int, int]:
    now = path.stat()
    return now.st_size, now.st_mtime_ns


def containers_of(path: Path | Remote) -> pl.DataFrame:
    with reading(path):
        kept = as_json(pl.read_parquet_metadata(for_polars(path))[_METADATA_KEY])
        return pl.read_json(kept["containers"].encode(), schema=schema.CONTAINERS)


def open_parts(path: str | os.PathLike[str] | Remote) -> tuple[pl.DataFrame, Stored, pl.DataFrame, Report]:
    file = as_place(path)

    def demand(*, holds: bool, found: str) -> None:
        if not holds:
            raise ReadError.at(path, found=found, expected=_EXPECTED)

    with reading(path):
        if not isinstance(file, Path):
            file = file.read()
        stamp = stamp_of(file)
        metadata = pl.read_parquet_metadata(for_polars(file))
        if _METADATA_KEY not in metadata:
            hint = "Use rm.read for any table."
            raise ReadError.at(path, found="another Parquet file", expected=_EXPECTED, hint=hint)
        kept = as_json(metadata[_METADATA_KEY])
        containers = pl.read_json(kept["containers"].encode(), schema=schema.CONTAINERS)
        events = pl.read_json(kept["events"].encode(), schema={**schema.EVENTS, "time": pl.Int64()})
        possible = (pl.col(name).is_between(least, schema.ABSURD_BYTES).all() for name, least in _LEAST.items())
        demand(holds=containers.select(pl.all_horizontal(*possible)).item(), found="limits or requests that cannot be")
        told = as_json(kept["report"])
        report = msgspec.convert(asdict(Report(**told)), Report)
        counts = (*report.left_out.values(), *report.nodes.values(), *report.quotas.values(), *report.ranges.values())
        real = all(0 <= number <= schema.ABSURD_BYTES for number in counts) and 0 <= (report.dropped_share or 0) <= 1
        demand(holds=real, found="a report of absurd numbers")
        rows = pl.scan_parquet(for_polars(file)).select(pl.len()).collect().item()
        counts = kept.get("rows")
        known = isinstance(counts, list) and len(counts) == containers.height and sum(counts) == rows
        demand(holds=not known or min(counts, default=0) >= 0, found="a negative number of rows")
        # A signal that the version which wrote the file did not know was not sampled.
        there = pl.read_parquet_schema(for_polars(file))
        known_then = kept.get("signals", schema.SIGNALS)
        signals = tuple(name for name in schema.SIGNALS if name in known_then and name in there)
        kinds = {name: there[name] for name in ("container_id", "time", *signals)}
        for name, kind in kinds.items():
            demand(holds=kind.is_numeric() or kind.is_temporal(), found=f"{kind} in the column {name!r}")
        few = rows <= allowed_rows(stamp[0], len(kinds))
        demand(holds=few, found=f"{stamp[0]:,} bytes that unpack to {rows:,} rows")
        ids = frozenset(containers["container_id"])
        own = len(ids) == containers.height and None not in ids and ids.issuperset(events["container_id"])
        demand(holds=own, found="containers without a number of their own")
    stored = Stored(file, rows, signals, tuple(counts) if known else None, stamp, ids)
    events = events.with_columns(as_time(pl.col("time").cast(schema.TIME), schema.TIME)).drop_nulls("time")
    # Files of before keep limits that no container can have.
    containers, events, wrong = _possible(containers, events)
    return containers, stored, events, report.more(left_out={schema.NO_LIMITS: wrong} if wrong else {})


class Later:
    """A frame, or what makes it when it is first asked for: samples of a large file, what few ask of an assessment."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, whole: object | None, owner: type | None = None) -> pl.DataFrame:
        if whole is None:
            # Nothing is made without them.
            raise AttributeError
        held = whole.__dict__[self._name]
        if not isinstance(held, pl.DataFrame):
            held = whole.__dict__[self._name] = held()
        frame: pl.DataFrame = held
        return frame

    def __set__(self, whole: object, frame: pl.DataFrame | Callable[[], pl.DataFrame]) -> None:
        whole.__dict__[self._name] = frame


@dataclass(frozen=True)
class Recording:
    """Memory samples and events of containers, sorted and free of duplicates.

    Attributes
    ----------
    containers
        A row per container instance, in the schema `rmtoolkit.schema.CONTAINERS`.
    samples
        A row per container and scrape, in `rmtoolkit.schema.SAMPLES`; bytes, null = not sampled then.
    events
        A row per event, in `rmtoolkit.schema.EVENTS`.
    report
        What was asked, found, missing and left out.

    Raises
    ------
    RmtoolkitError
        A frame does not have its schema. Build recordings with `Recording.from_frame`, `normalise` or a reader.

    Examples
    --------
    >>> Recording.from_frame(pl.DataFrame({"time": [0, 60], "pod": ["db-0"] * 2, "rss_bytes": [10, 20]}))
    <Recording: 1 container, 2 samples, 1970-01-01 00:00 to 1970-01-01 00:01 UTC>
    """

    containers: pl.DataFrame
    samples: Later = Later()
    events: pl.DataFrame = field(default_factory=lambda: schema.empty(schema.EVENTS))
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        """Check the schemas once, so that nothing downstream has to."""
        for name, frame, wanted in (
            ("containers", self.containers, schema.CONTAINERS),
            *((("samples", self.samples, schema.SAMPLES),) if self.stored is None else ()),
            ("events", self.events, schema.EVENTS),
        ):
            if fault := schema.differing(frame.schema, wanted):
                msg = (
                    f"The {name} frame has not the schema of a Recording: {fault}. "
                    "Hint: build it with rm.Recording.from_frame."
                )
                raise RmtoolkitError(msg)

    @property
    def stored(self) -> Stored | None:
        """Where the samples of a large file are until somebody asks for `samples`; None otherwise."""
        held = self.__dict__["samples"]
        return held if isinstance(held, Stored) else None

    @cached_property
    def samples_with_files(self) -> pl.DataFrame:
        """The samples as they are judged: worked out once, and never stored as measured."""
        return _tables.with_files_in_memory(self.samples, self.containers, self.events)

    @staticmethod
    @door
    def from_frame(
        frame: pl.DataFrame | pl.LazyFrame | pd.DataFrame,
        *,
        events: pl.DataFrame | pd.DataFrame | None = None,
        workload_pattern: str | None = None,
        source: str = "frame",
    ) -> Recording:
        """Make a recording of any table with a time and at least one memory column.

        Parameters
        ----------
        frame
            polars, lazy or pandas; a row per container and instant. Columns are those of the schemas: a time
            (datetime, or seconds or milliseconds since 1970), signals, identity. `limit_bytes`, `request_bytes`,
            `version`, `restarts_total` and `oom_kills_total` may change from row to row: changes become events. Other
            columns are named in the report and not used.
        events
            A row per event: identity columns as in `frame`, `time`, `kind`, `value_bytes`, `detail`.
        workload_pattern
            Regular expression with a group ``workload`` that reads the owner from a pod's name.
        source
            Said in the report.

        Raises
        ------
        ColumnError
            There is no time column or no memory column.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"time": pd.to_datetime(["2026-01-01", "2026-01-02"]), "rss_bytes": [1.5e6, None]})
        >>> Recording.from_frame(table).samples["rss_bytes"].to_list()
        [1500000]
        """
        from rmtoolkit._columns import take_apart  # noqa: PLC0415 - what a reader gives does without

        recording = normalise(*take_apart(frame, events, source), workload_pattern=workload_pattern)
        if recording.report.left_out.get(schema.CONTRADICTING, 0) >= _MANY:
            refuse_doubled(recording, quote(source))
        told = {schema.UNREAL, schema.NO_CONTAINER, schema.ANEW}
        if recording.report.is_noticeable and told & recording.report.left_out.keys():
            warn(f"Left out {recording.report.lost}.")
        warn_of_doubts(recording.report)
        return recording

    def frame(self) -> pl.DataFrame:
        """Join identity and limits onto the samples, for free exploration.

        Returns
        -------
        polars.DataFrame
            A row per container and scrape: the identity columns, `version`, `limit_bytes` and
            `request_bytes` at the window's end, `time` and every signal that has a value.

        Examples
        --------
        >>> Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [9]})).frame().columns
        ['cluster', 'namespace', 'workload', 'pod', 'pod_uid', 'container', 'version', 'limit_bytes', \
'request_bytes', 'time', 'rss_bytes']
        """
        sampled = [name for name in schema.SIGNALS if self.samples[name].count()]
        cores = [name for name in schema.CORES if self.containers[name].count()]
        about = [*schema.IDENTITY, "version", "limit_bytes", "request_bytes", *cores]
        joined = beside(self.samples, self.containers.select("container_id", *about), "container_id")
        return joined.select(*about, "time", *sampled)

    def filter(self, *predicates: pl.Expr, **equal: str | int | Iterable[str] | None) -> Recording:
        """Keep some containers, their samples and their events; ids stay as they are.

        Parameters
        ----------
        *predicates
            Expressions over the columns of `containers`.
        **equal
            Column and the value, or the values, that it must have: ``namespace="shop"``; None is unknown.

        Raises
        ------
        ColumnError
            No such column.
        UnknownWorkloadError
            No container has this cluster, namespace, workload, pod or container name. Expressions may find nothing.

        Examples
        --------
        >>> table = pl.DataFrame({"time": [0, 0], "pod": ["db-0", "web-0"], "rss_bytes": [1, 2]})
        >>> Recording.from_frame(table).filter(workload="db").containers["pod"].to_list()
        ['db-0']
        """
        kept = self.containers
        for name, wanted in equal.items():
            if name not in schema.CONTAINERS:
                raise ColumnError.missing(name, schema.CONTAINERS)
            values = _several(wanted)
            if name in _NAMES:
                there = self.containers[name].unique().sort()
                unknown = next((value for value in values if value not in there.to_list()), None)
                if unknown is not None:
                    raise UnknownWorkloadError.named(unknown, there.drop_nulls(), kind=name)
            kept = kept.filter(has(name, values))
        if kept.is_empty() and not equal.keys().isdisjoint(_NAMES):
            asked = ", ".join(f"{name}={quote(wanted)}" for name, wanted in equal.items())
            msg = f"No container has all of {asked}. Each of these names exists, but not together."
            raise UnknownWorkloadError(msg)
        kept = kept.filter(*predicates) if predicates else kept
        ids = kept["container_id"].implode()
        theirs = pl.col("container_id").is_in(ids)
        samples, events = self._samples_where(theirs), self.events.filter(theirs)
        return replace(self, containers=kept, samples=samples, events=events)

    @door
    def window(
        self,
        start: str | dt.datetime | None = None,
        end: str | dt.datetime | None = None,
        *,
        last: str | dt.timedelta | None = None,
    ) -> Recording:
        """Keep a stretch of time, and the containers with a sample or an OOM kill in it.

        Limits and requests are as they were at its end.

        Parameters
        ----------
        start, end
            First and last instant to keep, both included; None is open. Without a zone, UTC.
        last
            A duration before `end` (or before the last sample) instead of a start.

        Raises
        ------
        RmtoolkitError
            The window ends before it starts, or both `start` and `last` are given.

        Examples
        --------
        >>> table = pl.DataFrame({"time": [0, 60, 120], "pod": ["db-0"] * 3, "rss_bytes": [1, 2, 3]})
        >>> Recording.from_frame(table).window(last="1m").samples["rss_bytes"].to_list()
        [2, 3]
        """
        times = self.times()
        low, high = window_bounds(start, end, last, newest=times[1] if times is not None else None)
        inside = [pl.col("time") >= low] if low is not None else []
        inside += [pl.col("time") <= high] if high is not None else []
        samples = self._samples_where(*inside) if inside else self.samples
        events = self.events.filter(*inside)
        killed = events.filter(kind="oom_kill")["container_id"]
        seen = pl.concat([samples["container_id"].unique(), killed]).implode()
        kept = self.containers.filter(pl.col("container_id").is_in(seen))
        if high is not None:
            kept = settings_at_time(kept, self.events, high)
        events = events.filter(pl.col("container_id").is_in(kept["container_id"].implode()))
        return replace(self, containers=kept, samples=samples, events=events)

    @property
    def tells_restarts(self) -> bool:
        """Whether its source reports restarts, so that none seen means none happened."""
        kinds = ["start", "end", "oom_kill", "error"]
        return "restarts" in self.report.found or bool(self.events["kind"].is_in(kinds).any())

    @property
    def height(self) -> int:
        """How many samples there are, read or not."""
        return self.samples.height if self.stored is None else self.stored.rows

    def times(self) -> tuple[dt.datetime, dt.datetime] | None:
        """Give the instants of the first and the last sample, in UTC; None where there is none.

        Examples
        --------
        >>> [time.minute for time in Recording.from_frame(pl.DataFrame({"time": [0, 60], "rss_bytes": [1, 2]})).times()]
        [0, 1]
        """
        ends = pl.col("time").min(), pl.col("time").max().alias("last")
        found = self.samples.select(ends) if self.stored is None else self.stored.scan().select(ends).collect()
        first, last = found.row(0)
        return None if first is None else (first, last)

    def _samples_where(self, *predicates: pl.Expr) -> pl.DataFrame:
        if self.stored is None:
            return self.samples.filter(*predicates)
        return self.stored.collect(self.stored.scan().filter(*predicates))

    def completeness(self) -> pl.DataFrame:
        """Compare the samples that are there with those that were due.

        Returns
        -------
        polars.DataFrame
            A row per container: `container_id`, `samples`, `first`, `last` (UTC), `expected` and `coverage` = samples /
            expected from its first to its last sample; null when a single sample says nothing about a cadence.

        Examples
        --------
        >>> table = pl.DataFrame({"time": [0, 60, 120, 300], "pod": ["db-0"] * 4, "rss_bytes": [1, 2, 3, 4]})
        >>> Recording.from_frame(table).completeness()["coverage"].round(2).to_list()
        [0.67]
        """
        samples = self.samples
        present = samples.select("container_id", "time")
        names = (*schema.FOOTPRINTS, "allocated_bytes")
        if all(samples[name].null_count() for name in names):
            present = present.filter(samples.select(pl.any_horizontal(pl.col(names).is_not_null())).to_series())
        counted = beside(spans(samples).select("container_id"), spans(present), "container_id")
        counted = beside(counted, self.containers.select("container_id", "cadence_seconds"), "container_id")
        span = (pl.col("last") - pl.col("first")).dt.total_milliseconds() / 1000
        expected = (span / pl.col("cadence_seconds")).round().cast(pl.Int64) + 1
        found = counted.with_columns(pl.col("samples").fill_null(0), expected=expected)
        coverage = (pl.col("samples") / pl.col("expected")).clip(0, 1)
        return found.select("container_id", "samples", "first", "last", "expected", coverage=coverage)

    @door
    def write(self, path: str | os.PathLike[str]) -> Path:
        """Store the recording in one Parquet file.

        Parameters
        ----------
        path
            File to write, ending in .parquet; an existing one is replaced whole, at once.

        Returns
        -------
        pathlib.Path
            The file, which `rm.read_recording` reads; any Parquet reader sees a table of identity, time and signals.

        Raises
        ------
        RmtoolkitError
            The name ends in something else, there is no such folder, or the disk is full.

        Examples
        --------
        >>> import tempfile
        >>> recording = Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [9]}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_recording(recording.write(f"{folder}/a.parquet")) == recording
        True
        """
        check_target(path, ENDINGS)
        return write_whole(path, as_parquet(self, [*schema.SAMPLES, *_NAMES]), ENDINGS)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recording):
            return NotImplemented
        mine, theirs = frames_of(self), frames_of(other)
        return self.report == other.report and all(mine[name].equals(theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        said = f"{text.count(self.containers.height, 'container')}, {self.height:,} samples"
        if (times := self.times()) is not None:
            said += f", {' to '.join(map(text.stamp, times))} UTC"
        return f"<Recording: {said}>"

    def _repr_html_(self) -> str:
        from rmtoolkit._html import el, framed, join, table  # noqa: PLC0415 - only notebooks show it

        rows = beside(self.containers, self.completeness(), "container_id")
        signals = ", ".join(text.signal_word(name) for name in schema.SIGNALS if self.samples[name].count())
        kinds = self.events["kind"].value_counts(sort=True, name="times")
        events = ", ".join(
            f"{times:,} × {text.signal_word(kind)}" for kind, times in kinds.sort("times", "kind").reverse().iter_rows()
        )
        shown = rows.head(_SHOWN_CONTAINERS)
        more = rows.height - shown.height
        notes = [el("li", note) for note in self.report.notes()]
        return framed(
            "rm-recording",
            el("div", el("b", repr(self)[12:-1])),
            el("div", f"signals: {signals or 'none'}"),
            el("div", f"events: {events or 'none'}"),
            table(_HEADS, map(_cells, shown.iter_rows(named=True)), inline=True),
            el("p", f"and {text.count(more, 'more container')}") if more > 0 else None,
            join(el("p", "Good to know:"), el("ul", *notes)) if notes else el("p", "Nothing was left out."),
        )


def _several(wanted: str | int | Iterable[str] | None) -> list[Any]:
    return [wanted] if wanted is None or isinstance(wanted, str | int) else list(wanted)


def has(name: str, wanted: str | int | Iterable[str] | None) -> pl.Expr:
    return pl.col(name).is_in(_several(wanted), nulls_equal=True)


def _framed(rows: pl.DataFrame | Sequence[Any], columns: pl.Schema) -> pl.DataFrame:
    return rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, columns, orient="row")


def normalise(
    containers: pl.DataFrame | Sequence[Mapping[str, Any]],
    samples: pl.DataFrame | Sequence[Mapping[str, Any]],
    events: pl.DataFrame | Sequence[tuple[Any, ...]] = (),
    report: Report | None = None,
    *,
    workload_pattern: str | None = None,
) -> Recording:
    """Make a recording of what a loader found, as frames or row by row: the one door into the schemas."""
    report = report or Report()
    samples, events = _framed(samples, schema.SAMPLES), _framed(events, schema.EVENTS)
    frame, mapping = _tables.key_containers(_framed(containers, schema.CONTAINERS), workload_pattern)
    mapping = mapping.with_columns(pl.col("old_id").cast(pl.UInt32), pl.col("container_id").cast(pl.UInt32))

    unchanged = mapping["old_id"].equals(mapping["container_id"])

    def rekey(rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.with_columns(pl.col("container_id").cast(pl.UInt32))
        last = rows["container_id"].max()
        if unchanged and rows["container_id"].null_count() == 0 and (last is None or int(last) < mapping.height):  # type: ignore[arg-type]
            return rows
        joined = rows.join(mapping, left_on="container_id", right_on="old_id", how="inner", maintain_order="left")
        return joined.drop("container_id").rename({"container_id_right": "container_id"})

    keyed = rekey(samples)
    rows, wrong = _tables.clean_samples(keyed)
    found = _tables.tidy_events(rekey(events)) if events.height else schema.empty(schema.EVENTS)
    frame, found, wrong_limits = _possible(frame, found)
    if wrong_limits:
        warn(f"Left out {text.counted(wrong_limits, schema.NO_LIMITS)}.")
    bounds = _tables.rooms(frame, found, report.nodes)
    rows, settled = _tables.order_samples(rows, bounds)
    rows, alone = _tables.drop_impossible(rows, bounds)
    lost = Counter({**wrong, schema.NO_CONTAINER: samples.height - keyed.height, **settled})
    sums, doubtful = _identity.totals(frame, rows, found)
    if sums:
        lost[schema.TOTALS] = rows.height
        frame, rows, found = (some.filter(~pl.col("container_id").is_in(sums)) for some in (frame, rows, found))
        lost[schema.TOTALS] -= rows.height
    lost.update({schema.NO_LIMITS: wrong_limits, schema.IMPOSSIBLE: alone})
    # A request that ended may be older than the limit, which alone was changed.
    lowered = found.filter(kind="limit").join(found.filter(kind="request"), on="container_id", how="anti")
    above = frame.filter(pl.col("request_bytes") > _ROUNDED_LIMIT * pl.col("limit_bytes"))
    above = above.join(lowered, on="container_id", how="anti")
    sum_or_not = doubt(frame.filter(pl.col("container_id").is_in(doubtful)), schema.SUM)
    # What was said of parts is said of the whole.
    kept = (
        (line for line in lines if not line.endswith(schema.DOUBTS)) for lines in (report.unusable, report.warnings)
    )
    unusable, warnings = map(tuple, kept)
    report = replace(
        report,
        unusable=(*unusable, *sum_or_not, *doubtful_amounts(frame, rows, found)),
        warnings=(*warnings, *doubt(above, schema.SWAPPED), *doubt(under_several_ids(frame, rows)[0], schema.AT_ONCE)),
    )
    told = report.more(left_out=+lost)
    told = replace(told, dropped_share=_dropped_share(told.left_out, rows))
    return Recording(_tables.with_cadences(frame, rows), rows, found, told)


def doubt(containers: pl.DataFrame, said: str) -> tuple[str, ...]:
    named = pl.coalesce(*_NAMES[::-1], pl.lit("the container"))
    names = containers.select(named.unique(maintain_order=True)).to_series()
    return (f"{', '.join(map(quote, names[:3]))}{text.and_more(len(names), 3)} {said}",) * bool(len(names))


def seldom_seen(parts: pl.DataFrame) -> Iterator[str]:
    """Say which containers are looked at far less often in one part than in another."""
    step = pl.col("cadence_seconds")
    far = parts.group_by(schema.IDENTITY, maintain_order=True).agg(far=step.max() > _SELDOM * step.min()).filter("far")
    yield from doubt(far, "seen far less often in one part than in another: if those are means, they hide peaks")


def under_several_ids(containers: pl.DataFrame, samples: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Find containers of one name with several ids: those that are there at once, and those that follow each other."""
    # Elsewhere a uid is a label that was asked for, and tells them apart in so many words.
    place = [name for name in schema.IDENTITY if name != "pod_uid"]
    named = containers.filter(pl.col("pod_uid").str.contains(r"^[0-9a-f]{12,}$"), source="docker stats")
    several = named.filter(pl.len().over(place) > 1)
    if several.is_empty():
        return several, several
    told = beside(several, spans(samples), "container_id").drop_nulls("first").sort("first")
    lap = (pl.col("last").cum_max().shift() - pl.col("first")).dt.total_milliseconds().max().over(place)
    return told.filter(lap > 0), told.filter(lap <= 0)


def doubtful_amounts(containers: pl.DataFrame, samples: pl.DataFrame, events: pl.DataFrame) -> Iterator[str]:
    """Say of which containers amounts may lack bits, or change their unit."""
    for ids, said in zip(_tables.doubtful(containers, samples, events), (schema.BITS, schema.UNIT), strict=True):
        yield from doubt(containers.filter(pl.col("container_id").is_in(ids)), said)


def warn_of_doubts(report: Report) -> None:
    schema.in_doubt(*(said for said in (*report.unusable, *report.warnings) if said.endswith(schema.DOUBTS)))


def _possible(containers: pl.DataFrame, events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    bounds = schema.LEAST_LIMIT_BYTES, schema.NO_MACHINE_BYTES - 1
    # No limit is written as 0, -1 or a number near 2**63, in events as in columns.
    is_none = (pl.col("kind") == "limit") & ~pl.col("value_bytes").is_between(1, schema.ABSURD_BYTES - 1)
    events = events.with_columns(value_bytes=pl.when(is_none.fill_null(value=False).not_()).then("value_bytes"))
    limit = ~containers["limit_bytes"].is_between(*bounds).fill_null(value=True)
    change = (events["kind"] == "limit") & ~events["value_bytes"].is_between(*bounds).fill_null(value=True)
    wrong = containers.filter(limit).height + events.filter(change).height
    known = {"limit_bytes": pl.when(~limit).then("limit_bytes"), "limit_known": pl.col("limit_known") & ~limit}
    return containers.with_columns(**known), events.filter(~change), wrong


def refuse_doubled(recording: Recording, place: str) -> None:
    doubled, copies = (recording.report.left_out.get(reason, 0) for reason in (schema.CONTRADICTING, schema.TWICE))
    # The samples of a large recording stay in their file: when it was made they were checked.
    counts = doubled and recording.stored is None
    kept = sum(recording.samples[name].count() for name in schema.SIGNALS) if counts else 0
    # Of two series taken for one some values may be alike.
    if counts and (doubled >= kept or kept - doubled <= copies < doubled):
        fall = f"{doubled + kept:,} values fall on {text.count(kept, 'instant')} of their containers"
        hint = "the times lack digits, as a spreadsheet writes 1.79E+09, or no column tells containers apart"
        msg = f"Could not use {place}: {fall}. Hint: {hint}."
        raise ReadError(msg)


def _dropped_share(left_out: Mapping[str, int], rows: pl.DataFrame) -> float | None:
    """Tell how much of what was measured was lost, of values or of rows; None where nothing was measured."""
    kept = sum(rows.height - rows[name].null_count() for name in schema.SIGNALS)
    counts = [(sum(left_out.get(reason, 0) for reason in schema.LOST_VALUES), kept)]
    counts.append((sum(left_out.get(reason, 0) for reason in schema.LOST_ROWS), rows.height))
    return max((lost / (lost + left) for lost, left in counts if lost + left), default=None)


def concat(recordings: Iterable[Recording]) -> Recording:
    """Put recordings together; the same container in two of them becomes one.

    Parameters
    ----------
    recordings
        At least one. Samples at the same instant are joined signal by signal; where two differ, the later one wins, and
        is counted. Containers of one name that overlap in time with other values are several: their file stands as
        `cluster`.

    Raises
    ------
    RmtoolkitError
        There is nothing to put together.

    Examples
    --------
    >>> a = Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [1]}))
    >>> b = Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "allocated_bytes": [2]}))
    >>> concat([a, b]).samples.select("rss_bytes", "allocated_bytes").rows()
    [(1, 2)]
    """
    parts = [as_recording(one) for one in recordings]
    if not parts:
        msg = "There is no recording to put together."
        raise RmtoolkitError(msg)
    if len(parts) == 1:
        return parts[0]
    # Provisional ids rise with the end of the recordings: of two limits the later one counts.
    ends = [times[1] if (times := part.times()) else CALENDAR[0] for part in parts]
    order = sorted(range(len(parts)), key=ends.__getitem__)
    raised = dict(zip(order, ids_apart([frames_of(parts[index]) for index in order]), strict=True))
    containers, samples, events = (
        pl.concat(raised[index][name] for index in range(len(parts))) for name in ("containers", "samples", "events")
    )
    report = reduce(Report.joined, (part.report for part in parts))
    part_of = np.repeat(range(len(parts)), [part.containers.height for part in parts])
    sources = [", ".join(part.report.sources) for part in parts]
    if not all(sources):
        # Parts of a lake have no source: they are of one.
        return normalise(containers, samples, events, report)
    containers, unlike = _identity.named_by_values(containers, samples, part_of)
    if unlike:
        said = "named in part, and their values do not say which of that name they are: kept apart"
        report = replace(report, warnings=(*report.warnings, f"{text.count(unlike, 'container')} {said}"))
    contradicting = _contradicting(containers, samples, part_of)
    samples, fewer = _without_summaries(containers, samples, part_of) if contradicting else (samples, 0)
    names = _identity.place_names(sources)
    # Files of one folder are of one cluster, those of another perhaps of another.
    folders = np.unique([names[one] for one in sources], return_inverse=True)[1]
    several = dict.fromkeys(folders.tolist())
    if 1 < len(several) < len(parts) and _contradicting(containers, samples, folders[part_of]):
        return concat(concat(compress(parts, folders == folder)) for folder in several)
    if contradicting := _contradicting(containers, samples, part_of) if fewer else contradicting:
        # Sources without a name of their own are told apart by their number.
        own = [names[one] if sources.count(one) == 1 else f"source {at}" for at, one in enumerate(sources, 1)]
        named = pl.Series([own[part] if part in contradicting else None for part in part_of], dtype=pl.String)
        containers = containers.with_columns(cluster=_identity.parting("cluster", pl.lit(named)))
        called = _identity.differ_by_statistic(named.drop_nulls().unique())
        report = parted(report, is_still=called or any(contradicting.values()))
    nameless = containers.select(pl.all_horizontal(pl.col(schema.IDENTITY).is_null())).to_series().to_numpy()
    looks = {names[sources[part]]: parts[part].times() for part in part_of[nameless].tolist()}
    alone = sorted((times, name) for name, times in looks.items() if times)
    in_turn = all(before[1] < after[0] for (before, _), (after, _) in pairwise(alone))
    if in_turn:
        report = replace(report, warnings=(*report.warnings, *as_one([name for _, name in alone])))
    containers, samples, rounded = _without_rounded(containers, samples)
    left_out = +Counter({schema.ROUNDED: rounded, schema.SUMMARIES: fewer})
    warnings = () if fewer else tuple(seldom_seen(containers))
    return normalise(containers, samples, events, report.more(left_out=left_out, warnings=warnings))


def parted(report: Report, *, is_still: bool) -> Report:
    """Say that containers were told apart by their file, and where one may be a copy of another."""
    return report.more(warnings=(_PARTED,), unusable=schema.in_doubt(*([_STILL] if is_still else [])))


def as_one(names: Sequence[str]) -> tuple[str, ...]:
    """Say that files without names were read as one, unless their own differ in days and times alone."""
    if len({_DATES.sub("", name) for name in names}) < 2:  # noqa: PLR2004
        return ()
    said = f"files that name no container, one after the other, were read as one: {quote(names[0])} and more"
    warn(f"{text.sentence(said)} Hint: name their containers in a column pod.")
    return (said,)


def frames_of(recording: Recording) -> dict[str, pl.DataFrame]:
    return {"containers": recording.containers, "samples": recording.samples, "events": recording.events}


def ids_apart(wholes: Sequence[Mapping[str, pl.DataFrame]]) -> list[dict[str, pl.DataFrame]]:
    """Raise the ids of containers, so that no two wholes have one in common and those of the later are higher."""
    raised, least = [], 0
    for frames in wholes:
        more = pl.selectors.by_name("container_id", require_all=False) + pl.lit(least, dtype=pl.UInt32)
        raised.append({name: frame.with_columns(more) for name, frame in frames.items()})
        least += frames["containers"].select(pl.col("container_id").max().fill_null(0).cast(pl.Int64)).item() + 1
    return raised


def _said_by_several(containers: pl.DataFrame) -> pl.DataFrame:
    _, mapping = _tables.key_containers(containers, None)
    keys = mapping.select(key="container_id", container_id=pl.col("old_id").cast(containers.schema["container_id"]))
    return keys.filter(pl.len().over("key") > 1).join(containers, on="container_id", maintain_order="left")


def _contradictions(
    containers: pl.DataFrame, samples: pl.DataFrame, part_of: NDArray[np.int64]
) -> Iterator[tuple[str, list[pl.DataFrame], bool]]:
    keys = _said_by_several(containers.with_columns(part=pl.Series(part_of))).select("container_id", "key", "part")
    return _identity.contradictions(samples.join(keys, on="container_id").sort("time"), ["key"], "part", 2)


def _contradicting(containers: pl.DataFrame, samples: pl.DataFrame, part_of: NDArray[np.int64]) -> dict[int, bool]:
    """Find the recordings in which a container has other values at the same time; tell whether one stands still."""
    found = _contradictions(containers, samples, part_of)
    return {some["part"][0]: is_still for name, parts, is_still in found for some in parts if some[name].count()}


def _without_summaries(
    containers: pl.DataFrame, samples: pl.DataFrame, part_of: NDArray[np.int64]
) -> tuple[pl.DataFrame, int]:
    """Leave out the means, or the like, of what another source says more finely; count them."""
    fewer = []
    for name, parts, _ in _contradictions(containers, samples, part_of):
        told = [part for part in parts if part[name].count()]
        for at, *span in _identity.summaries([_identity.curve_of(part, name) for part in told]):
            first, last = (pl.lit(time, schema.TIME) for time in span)
            is_then = pl.col("time").is_between(first, last)
            fewer.append((pl.col("container_id") == told[at]["container_id"][0]) & is_then)
    kept = samples.filter(~pl.any_horizontal(fewer)) if fewer else samples
    return kept, samples.height - kept.height


def _without_rounded(containers: pl.DataFrame, samples: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Leave out rounded amounts of containers that another source measured exactly at the same time."""
    rounded, amount = pl.col("quantum_bytes").is_not_null(), pl.col("working_set_bytes")
    told = _said_by_several(containers).select("container_id", "key", "quantum_bytes")
    both = told.filter(rounded.any().over("key"), ~rounded.all().over("key"))
    if both.is_empty():
        return containers, samples, 0
    exact = pl.col("time").filter(~rounded, amount > 0)
    step = (exact.max() - exact.min()) / exact.count()
    is_then = pl.col("time").is_between((exact.min() - step).over("key"), (exact.max() + step).over("key"))
    found = beside(samples, both, "container_id").select(rounded & amount.is_not_null() & is_then).to_series()
    wrong = found.fill_null(value=False)
    samples = samples.with_columns(pl.when(~wrong).then(amount).alias("working_set_bytes"))
    samples = samples.filter(~wrong | pl.any_horizontal(pl.col(schema.SIGNALS).is_not_null()))
    # Nothing rounded is left of these.
    gone = both.filter(rounded).join(samples.drop_nulls("working_set_bytes"), on="container_id", how="anti")
    is_gone = pl.col("container_id").is_in(gone["container_id"].implode())
    containers = containers.with_columns(quantum_bytes=pl.when(~is_gone).then("quantum_bytes"))
    return containers, samples, int(wrong.sum())


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """Read a recording that `Recording.write` stored.

    Parameters
    ----------
    path
        The Parquet file.

    Returns
    -------
    Recording
        What was stored. The samples of a large file stay in it until they are asked for.

    Raises
    ------
    ReadError
        The file is no Parquet file, or not one of ours.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [9]})
    ...     print(read_recording(Recording.from_frame(table).write(f"{folder}/a.parquet")))
    <Recording: 1 container, 1 samples, 1970-01-01 00:00 to 1970-01-01 00:00 UTC>
    """
    containers, stored, events, report = open_parts(path)
    if wrong := report.left_out.get(schema.NO_LIMITS):
        warn(f"Left out {text.counted(wrong, schema.NO_LIMITS)}.")
    samples = stored if stored.rows > LARGE_ROWS else stored()
    return Recording(containers, samples, events, report)


def as_recording(data: Any) -> Recording:  # noqa: ANN401 - any kind of table
    return data if isinstance(data, Recording) else Recording.from_frame(data)
