"""The Recording: what every loader returns and every analysis takes."""

from __future__ import annotations

import datetime as dt
import html
import json
import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import polars as pl

from rmtoolkit import normalise as _normalise
from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitError, quote
from rmtoolkit.schema import (
    CONTAINERS,
    EVENT_KINDS,
    EVENTS,
    FOOTPRINTS,
    IDENTITY,
    SAMPLES,
    SIGNALS,
    TIME,
    empty,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

_METADATA_KEY: Final = "rmtoolkit.recording"

#: Other names under which people bring the same columns. What is renamed is said in the report.
_ALIASES: Final = {
    "timestamp": "time",
    "timestamp_s": "time",
    "ts": "time",
    "datetime": "time",
    "series_id": "workload",
    "deployment": "workload",
    "memory_bytes": "working_set_bytes",
    "working_set": "working_set_bytes",
    "rss": "rss_bytes",
    "restarts": "restarts_total",
}

_DURATION: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d|w)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(value: str | dt.timedelta) -> dt.timedelta:
    """Read a duration such as ``"7d"``, ``"1h30m"`` or a timedelta.

    Parameters
    ----------
    value
        Numbers with ms, s, m, h, d or w, without spaces; or a timedelta.

    Returns
    -------
    datetime.timedelta
        The duration.

    Raises
    ------
    RmtoolkitError
        It is no duration, or it is not above zero.

    Examples
    --------
    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(value, dt.timedelta):
        duration = value
    else:
        parts = list(_DURATION.finditer(value))
        if "".join(part[0] for part in parts) != value or not parts:
            msg = f"{quote(value)} is no duration. Write it like '7d', '36h' or '1h30m'."
            raise RmtoolkitError(msg)
        duration = dt.timedelta(seconds=sum(float(part["number"]) * _UNIT_SECONDS[part["unit"]] for part in parts))
    if duration <= dt.timedelta(0):
        msg = f"A duration must be above zero, got {value!r}."
        raise RmtoolkitError(msg)
    return duration


def parse_time(value: str | dt.datetime) -> dt.datetime:
    """Read an instant; without a zone it is UTC.

    Parameters
    ----------
    value
        A datetime or an ISO 8601 string.

    Returns
    -------
    datetime.datetime
        In UTC.

    Raises
    ------
    RmtoolkitError
        It is no instant.

    Examples
    --------
    >>> parse_time("2026-11-23T03:05").isoformat()
    '2026-11-23T03:05:00+00:00'
    """
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError as error:
            msg = f"{quote(value)} is no time. Write it like '2026-11-23T03:05' (UTC) or '2026-11-23T03:05+01:00'."
            raise RmtoolkitError(msg) from error
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


@dataclass(frozen=True, slots=True)
class Report:
    """What a loader was asked, what it found and what it did not use.

    Attributes
    ----------
    sources
        Files, commands or addresses that were read, without secrets.
    asked
        The request in words; empty where a file was simply read.
    found
        Kinds of facts that the source reports even when nothing happened: ``restarts``, ``limits``.
    missing
        What was looked for and not found.
    left_out
        How many values or rows were not used, by reason.
    partial
        What is incomplete although it was loaded.
    warnings
        Everything else the reader should know.
    time_axis
        Where the times come from.

    Examples
    --------
    >>> Report(sources=("a.json",), left_out={"NaN": 2}).notes()
    ('left out: 2 NaN',)
    """

    sources: tuple[str, ...] = ()
    asked: str = ""
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    partial: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    time_axis: str = "as recorded, UTC"

    def notes(self) -> tuple[str, ...]:
        """Put everything a reader should know in lines.

        Returns
        -------
        tuple of str
            Empty when everything was found and used.

        Examples
        --------
        >>> Report(missing=("limits",)).notes()
        ('missing: limits',)
        """
        return (
            *(f"partial: {line}" for line in self.partial),
            *(f"missing: {line}" for line in self.missing),
            *(f"left out: {count:,} {reason}" for reason, count in self.left_out.items()),
            *self.warnings,
        )

    def joined(self, other: Report) -> Report:
        """Add another report to this one.

        Parameters
        ----------
        other
            The report of what is added.

        Returns
        -------
        Report
            Both; counts are summed, lines are kept once.

        Examples
        --------
        >>> Report(left_out={"NaN": 1}).joined(Report(left_out={"NaN": 2})).left_out
        {'NaN': 3}
        """
        counts = dict(self.left_out)
        for reason, count in other.left_out.items():
            counts[reason] = counts.get(reason, 0) + count

        def both(mine: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(mine + theirs))

        return Report(
            sources=both(self.sources, other.sources),
            asked="; ".join(dict.fromkeys(text for text in (self.asked, other.asked) if text)),
            found=both(self.found, other.found),
            missing=both(self.missing, other.missing),
            left_out=counts,
            partial=both(self.partial, other.partial),
            warnings=both(self.warnings, other.warnings),
            time_axis="; ".join(dict.fromkeys((self.time_axis, other.time_axis))),
        )


@dataclass(frozen=True, slots=True)
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
    >>> import polars as pl
    >>> Recording.from_frame(pl.DataFrame({"time": [0, 60], "pod": ["db-0"] * 2, "rss_bytes": [10, 20]}))
    <Recording: 1 container, 2 samples, 1970-01-01 00:00 to 1970-01-01 00:01 UTC>
    """

    containers: pl.DataFrame
    samples: pl.DataFrame
    events: pl.DataFrame = field(default_factory=lambda: empty(EVENTS))
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        """Check the schemas once, so that nothing downstream has to."""
        for name, frame, schema in (
            ("containers", self.containers, CONTAINERS),
            ("samples", self.samples, SAMPLES),
            ("events", self.events, EVENTS),
        ):
            if frame.schema != schema:
                differing = [
                    f"{column} is {frame.schema.get(column, 'missing')}, not {dtype}"
                    for column, dtype in schema.items()
                    if frame.schema.get(column) != dtype
                ]
                extra = [column for column in frame.columns if column not in schema]
                msg = (
                    f"The {name} frame has not the schema of a Recording: "
                    f"{'; '.join(differing + [f'{column} is unknown' for column in extra]) or 'the order differs'}. "
                    "Hint: build it with rm.Recording.from_frame."
                )
                raise RmtoolkitError(msg)

    @classmethod
    def from_frame(
        cls,
        frame: pl.DataFrame | pl.LazyFrame | pd.DataFrame,
        *,
        events: pl.DataFrame | pd.DataFrame | None = None,
        workload_pattern: str | None = None,
        source: str = "frame",
    ) -> Self:
        """Make a recording of any table with a time and at least one memory column.

        Parameters
        ----------
        frame
            polars, lazy or pandas; a row per container and instant. Columns are those of the schemas:
            a time (datetime, or seconds or milliseconds since 1970), any of the signals, any identity
            columns (`cluster` … `container`, `version`). `limit_bytes`, `request_bytes`, `version`,
            `restarts_total` and `oom_kills_total` may change from row to row: changes become events.
            Other columns are named in the report and not used.
        events
            A row per event: identity columns as in `frame`, `time`, `kind`, `value_bytes`, `detail`.
        workload_pattern
            Regular expression with a group ``workload`` that reads the owner from a pod's name.
        source
            Said in the report.

        Returns
        -------
        Recording
            The same data in the package's shape.

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
        table, renamed = _to_polars(frame)
        signals = [name for name in SIGNALS if name in table.columns]
        if "time" not in table.columns:
            raise ColumnError.missing("time", table.columns)
        if not any(name.endswith("_bytes") for name in signals):
            raise ColumnError.missing("working_set_bytes", table.columns)
        known = {"time", *signals, *CONTAINERS, "restarts_total", "oom_kills_total"}
        ignored = [name for name in table.columns if name not in known]
        identity = [name for name in (*IDENTITY, "node", "workload_kind") if name in table.columns]
        table = table.with_columns(
            pl.col(name).cast(pl.String) for name in [*identity, *(["version"] if "version" in table.columns else [])]
        )
        key = pl.struct(identity) if identity else pl.lit(0)
        table = table.with_columns(
            time=_normalise.as_time(pl.col("time"), table.schema["time"]),
            container_id=key.rank("dense").cast(pl.UInt32),
        ).sort("container_id", "time", maintain_order=True)
        last = [
            pl.col(name).drop_nulls().last()
            for name in (*CONTAINERS,)
            if name in table.columns and name not in ("container_id", "source", "cadence_seconds", *identity)
        ]
        containers = table.group_by("container_id", maintain_order=True).agg(
            *(pl.col(name).first() for name in identity),
            *last,
            source=pl.lit(source),
        )
        found = [_changes(table)]
        if events is not None:
            found.append(_identified(_to_polars(events)[0], containers, identity))
        return cls(
            *normalise(
                containers,
                table.select("container_id", "time", *signals),
                pl.concat(found, how="diagonal_relaxed"),
                Report(
                    sources=(source,),
                    found=("restarts",) if "restarts_total" in table.columns else (),
                    warnings=(
                        *(f"column {old!r} was read as {new!r}" for old, new in renamed.items()),
                        *((f"columns not used: {', '.join(map(quote, ignored))}",) if ignored else ()),
                    ),
                ),
                workload_pattern=workload_pattern,
            )._parts(),
        )

    def _parts(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Report]:
        return self.containers, self.samples, self.events, self.report

    def frame(self) -> pl.DataFrame:
        """Join identity and limits onto the samples, for free exploration.

        Returns
        -------
        polars.DataFrame
            A row per container and scrape: the identity columns, `version`, `limit_bytes` and
            `request_bytes` at the window's end, `time` and every signal that has a value.

        Examples
        --------
        >>> import polars as pl
        >>> Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [9]})).frame().columns
        ['cluster', 'namespace', 'workload', 'pod', 'pod_uid', 'container', 'version', 'limit_bytes', \
'request_bytes', 'time', 'rss_bytes']
        """
        sampled = [name for name in SIGNALS if self.samples[name].count()]
        about = [*IDENTITY, "version", "limit_bytes", "request_bytes"]
        return self.samples.join(
            self.containers.select("container_id", *about),
            on="container_id",
            how="left",
            maintain_order="left",
        ).select(*about, "time", *sampled)

    def filter(self, *predicates: pl.Expr, **equal: str | int | Iterable[str]) -> Recording:
        """Keep some containers.

        Parameters
        ----------
        *predicates
            Expressions over the columns of `containers`.
        **equal
            Column and the value, or the values, that it must have: ``namespace="shop"``.

        Returns
        -------
        Recording
            Their samples and events; ids stay as they are.

        Raises
        ------
        ColumnError
            No such column.

        Examples
        --------
        >>> import polars as pl
        >>> table = pl.DataFrame({"time": [0, 0], "pod": ["db-0", "web-0"], "rss_bytes": [1, 2]})
        >>> Recording.from_frame(table).filter(workload="db").containers["pod"].to_list()
        ['db-0']
        """
        conditions = list(predicates)
        for name, wanted in equal.items():
            if name not in CONTAINERS:
                raise ColumnError.missing(name, CONTAINERS)
            values = [wanted] if isinstance(wanted, str | int) else list(wanted)
            conditions.append(pl.col(name).is_in(values))
        kept = self.containers.filter(*conditions) if conditions else self.containers
        ids = kept["container_id"].implode()
        return replace(
            self,
            containers=kept,
            samples=self.samples.filter(pl.col("container_id").is_in(ids)),
            events=self.events.filter(pl.col("container_id").is_in(ids)),
        )

    def window(
        self,
        start: str | dt.datetime | None = None,
        end: str | dt.datetime | None = None,
        *,
        last: str | dt.timedelta | None = None,
    ) -> Recording:
        """Keep a stretch of time.

        Parameters
        ----------
        start, end
            First and last instant to keep, both included; None is open. Without a zone, UTC.
        last
            A duration before `end` (or before the last sample) instead of a start.

        Returns
        -------
        Recording
            Containers with a sample in the window; limits and requests as they were at its end.

        Raises
        ------
        RmtoolkitError
            The window ends before it starts, or both `start` and `last` are given.

        Examples
        --------
        >>> import polars as pl
        >>> table = pl.DataFrame({"time": [0, 60, 120], "pod": ["db-0"] * 3, "rss_bytes": [1, 2, 3]})
        >>> Recording.from_frame(table).window(last="1m").samples["rss_bytes"].to_list()
        [2, 3]
        """
        low = parse_time(start) if start is not None else None
        high = parse_time(end) if end is not None else None
        if last is not None:
            if low is not None:
                msg = "Give either start or last, not both."
                raise RmtoolkitError(msg)
            stop = high if high is not None else self.samples["time"].max()
            low = stop - parse_duration(last) if isinstance(stop, dt.datetime) else None
        if low is not None and high is not None and high < low:
            msg = f"The window ends ({high.isoformat()}) before it starts ({low.isoformat()})."
            raise RmtoolkitError(msg)
        inside = [
            condition
            for condition in (
                pl.col("time") >= low if low is not None else None,
                pl.col("time") <= high if high is not None else None,
            )
            if condition is not None
        ]
        samples = self.samples.filter(*inside) if inside else self.samples
        kept = self.containers.filter(pl.col("container_id").is_in(samples["container_id"].unique().implode()))
        before = self.events.filter(pl.col("time") <= high) if high is not None else self.events
        for kind in ("limit", "request"):
            column = f"{kind}_bytes"
            then = (
                before.filter(pl.col("kind") == kind)
                .group_by("container_id", maintain_order=True)
                .agg(pl.col("value_bytes").last().alias("then"), pl.lit(value=True).alias("changed"))
            )
            kept = (
                kept.join(then, on="container_id", how="left", maintain_order="left")
                .with_columns(pl.when("changed").then("then").otherwise(column).alias(column))
                .drop("then", "changed")
            )
        ids = kept["container_id"].implode()
        events = self.events.filter(*inside, pl.col("container_id").is_in(ids))
        return replace(self, containers=kept, samples=samples, events=events)

    def completeness(self) -> pl.DataFrame:
        """Compare the samples that are there with those that were due.

        Returns
        -------
        polars.DataFrame
            A row per container: `container_id`, `samples`, `first`, `last` (UTC), `expected` and
            `coverage` = samples / expected over the container's own first to last sample; 1 is
            complete, null when a single sample says nothing about a cadence.

        Examples
        --------
        >>> import polars as pl
        >>> table = pl.DataFrame({"time": [0, 60, 120, 300], "pod": ["db-0"] * 4, "rss_bytes": [1, 2, 3, 4]})
        >>> Recording.from_frame(table).completeness()["coverage"].round(2).to_list()
        [0.67]
        """
        footprint = pl.any_horizontal(pl.col(name).is_not_null() for name in (*FOOTPRINTS, "allocated_bytes"))
        counted = (
            self.samples.group_by("container_id", maintain_order=True)
            .agg(
                samples=footprint.sum().cast(pl.Int64),
                first=pl.col("time").filter(footprint).min(),
                last=pl.col("time").filter(footprint).max(),
            )
            .join(self.containers.select("container_id", "cadence_seconds"), on="container_id", how="left")
        )
        span = (pl.col("last") - pl.col("first")).dt.total_milliseconds() / 1000
        expected = (span / pl.col("cadence_seconds")).round().cast(pl.Int64) + 1
        return counted.with_columns(expected=expected).select(
            "container_id",
            "samples",
            "first",
            "last",
            "expected",
            coverage=(pl.col("samples") / pl.col("expected")).clip(0, 1),
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Store the recording in one Parquet file.

        Parameters
        ----------
        path
            File to write; an existing one is replaced whole, at once.

        Returns
        -------
        pathlib.Path
            The file. `rm.read_recording` gives the same recording back; any Parquet reader sees a tidy
            table of identity, time and signals.

        Examples
        --------
        >>> import polars as pl, tempfile
        >>> recording = Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [9]}))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_recording(recording.write(f"{folder}/a.parquet")) == recording
        True
        """
        target = Path(path)
        table = self.samples.join(
            self.containers.select("container_id", "cluster", "namespace", "workload", "pod", "container"),
            on="container_id",
            how="left",
            maintain_order="left",
        )
        kept = {
            "containers": self.containers.write_json(),
            "events": self.events.with_columns(pl.col("time").to_physical()).write_json(),
            "report": json.dumps(_report_as_json(self.report)),
        }
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        os.close(handle)
        try:
            table.write_parquet(temporary, compression="zstd", metadata={_METADATA_KEY: json.dumps(kept)})
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return target

    def __eq__(self, other: object) -> bool:
        """Two recordings are equal when their frames and reports are."""
        if not isinstance(other, Recording):
            return NotImplemented
        return self.report == other.report and all(
            mine.equals(theirs)
            for mine, theirs in (
                (self.containers, other.containers),
                (self.samples, other.samples),
                (self.events, other.events),
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Say in one line what is inside."""
        count = self.containers.height
        text = f"{count:,} container{'' if count == 1 else 's'}, {self.samples.height:,} samples"
        if self.samples.height:
            first, last = self.samples.select(first=pl.col("time").min(), last=pl.col("time").max()).row(0)
            text += f", {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        return f"<Recording: {text}>"

    def _repr_html_(self) -> str:
        """Show at a glance what is inside, how complete it is and what was left out."""
        rows = self.containers.join(self.completeness(), on="container_id", how="left", maintain_order="left")
        signals = ", ".join(name.removesuffix("_bytes").replace("_", " ") for name in SIGNALS if self.samples[name].count())
        kinds = ", ".join(
            f"{count} {kind.replace('_', ' ')}" for kind, count in self.events["kind"].value_counts(sort=True).iter_rows()
        )
        shown = rows.head(_SHOWN_CONTAINERS)
        body = "".join(_container_row(row) for row in shown.iter_rows(named=True))
        more = rows.height - shown.height
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.report.notes())
        return (
            '<div class="rm-recording" style="font:14px/1.45 system-ui,sans-serif">'
            f"<p><b>{html.escape(repr(self)[12:-1])}</b><br>signals: {html.escape(signals) or 'none'}"
            f"<br>events: {html.escape(kinds) or 'none'}</p>"
            "<table><thead><tr><th>workload</th><th>pod / container</th><th>limit, Mi</th><th>every, s</th>"
            f"<th>samples</th><th>coverage, %</th></tr></thead><tbody>{body}</tbody></table>"
            + (f"<p>and {more:,} more containers</p>" if more > 0 else "")
            + (f"<p>Not used or not found:</p><ul>{notes}</ul>" if notes else "<p>Nothing was left out.</p>")
            + "</div>"
        )


_SHOWN_CONTAINERS: Final = 20


def _container_row(row: dict[str, Any]) -> str:
    if row["limit_bytes"] is not None:
        limit = f"{row['limit_bytes'] / 2**20:,.0f}"
    else:
        limit = "none" if row["limit_known"] else "unknown"
    cadence = "unknown" if row["cadence_seconds"] is None else f"{row['cadence_seconds']:g}"
    coverage = "unknown" if row["coverage"] is None else f"{100 * row['coverage']:.1f}"
    name = "/".join(row[part] or "–" for part in ("namespace", "workload"))
    name += " (inferred)" if row["workload_inferred"] else ""
    instance = " / ".join(row[part] or "–" for part in ("pod", "container"))
    cells = (html.escape(name), html.escape(instance), limit, cadence, f"{row['samples'] or 0:,}", coverage)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _report_as_json(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in Report.__dataclass_fields__}


def _to_polars(frame: Any) -> tuple[pl.DataFrame, dict[str, str]]:  # noqa: ANN401 - any kind of table
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        if not hasattr(frame, "columns") or not hasattr(frame, "index"):
            msg = f"Expected a Recording or a polars or pandas frame, got {type(frame).__name__}."
            raise RmtoolkitError(msg)
        if getattr(frame.index, "name", None) is not None or type(frame.index).__name__ == "DatetimeIndex":
            frame = frame.rename_axis(frame.index.name or "time").reset_index()
        frame = pl.from_pandas(frame)
    renamed = {old: new for old, new in _ALIASES.items() if old in frame.columns and new not in frame.columns}
    # Two aliases of one column: the first one wins, the second stays and is reported as unused.
    renamed = {old: new for index, (old, new) in enumerate(renamed.items()) if new not in list(renamed.values())[:index]}
    return frame.rename(renamed), renamed


def _changes(table: pl.DataFrame) -> pl.DataFrame:
    """Turn columns that change from row to row into events."""
    found = [empty(EVENTS)]
    for column, kind in (("limit_bytes", "limit"), ("request_bytes", "request")):
        if column in table.columns:
            rows = table.filter(pl.col(column).is_not_null()).with_columns(
                before=pl.col(column).shift().over("container_id"),
            )
            changed = rows.filter(pl.col("before").is_not_null() & (pl.col("before") != pl.col(column)))
            found.append(changed.select("container_id", "time", kind=pl.lit(kind), value_bytes=pl.col(column)))
    if "version" in table.columns:
        rows = table.filter(pl.col("version").is_not_null()).with_columns(
            before=pl.col("version").shift().over("container_id"),
        )
        changed = rows.filter(pl.col("before").is_not_null() & (pl.col("before") != pl.col("version")))
        found.append(changed.select("container_id", "time", kind=pl.lit("release"), detail=pl.col("version")))
    for column, kind in (("restarts_total", "start"), ("oom_kills_total", "oom_kill")):
        if column in table.columns:
            rows = table.filter(pl.col(column).is_not_null()).with_columns(step=pl.col(column).diff().over("container_id"))
            rose = rows.filter(pl.col("step") > 0)
            found.append(rose.select("container_id", "time", kind=pl.lit(kind)))
    return pl.concat(found, how="diagonal_relaxed")


def _identified(events: pl.DataFrame, containers: pl.DataFrame, identity: list[str]) -> pl.DataFrame:
    """Give events that name their container the id of that container."""
    for name in ("time", "kind"):
        if name not in events.columns:
            raise ColumnError.missing(name, events.columns)
    unknown = events.filter(~pl.col("kind").is_in(EVENT_KINDS))["kind"].unique().to_list()
    if unknown:
        msg = f"Unknown event kinds: {', '.join(map(quote, unknown))}. Known: {', '.join(EVENT_KINDS)}."
        raise RmtoolkitError(msg)
    on = [name for name in identity if name in events.columns]
    events = events.with_columns(pl.col(name).cast(pl.String) for name in on)
    events = events.with_columns(time=_normalise.as_time(pl.col("time"), events.schema["time"]))
    ids = containers.select("container_id", *on)
    joined = events.drop("container_id", strict=False).join(ids, on=on, how="inner") if on else events.join(ids, how="cross")
    return joined.select(
        "container_id",
        "time",
        "kind",
        *(name for name in ("value_bytes", "detail") if name in joined.columns),
    )


def normalise(
    containers: pl.DataFrame,
    samples: pl.DataFrame,
    events: pl.DataFrame | None = None,
    report: Report | None = None,
    *,
    workload_pattern: str | None = None,
) -> Recording:
    """Make a recording of what a loader found: the one door into the schemas.

    Parameters
    ----------
    containers
        Rows with a provisional `container_id` and any columns of the schema; several rows may speak of
        the same container. Rows without a `workload` get one inferred from the pod's name.
    samples
        `container_id` as above, `time` and signals as numbers (bytes, not strings), in any order.
    events
        `container_id`, `time`, `kind`, `value_bytes`, `detail`.
    report
        What the loader has to say; counts made here are added.
    workload_pattern
        Regular expression with a group ``workload`` for pod names.

    Returns
    -------
    Recording
        Sorted by container and time, free of duplicates; `container_id` is new: the rank of the identity.

    Examples
    --------
    >>> import polars as pl
    >>> recording = normalise(
    ...     pl.DataFrame({"container_id": [7], "namespace": ["shop"], "pod": ["db-0"]}),
    ...     pl.DataFrame({"container_id": [7, 7], "time": [60, 0], "rss_bytes": [2.0, float("inf")]}),
    ... )
    >>> recording.samples["rss_bytes"].to_list(), recording.report.notes()
    ([2], ('left out: 1 values that were NaN or infinite', 'left out: 1 rows without any value'))
    """
    report = report or Report()
    frame, mapping = _normalise.key_containers(containers, workload_pattern)
    mapping = mapping.with_columns(pl.col("old_id").cast(pl.UInt32), pl.col("container_id").cast(pl.UInt32))

    def rekey(rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.with_columns(pl.col("container_id").cast(pl.UInt32))
        if mapping["old_id"].equals(mapping["container_id"]):
            return rows.filter(pl.col("container_id").is_in(mapping["old_id"].implode()))
        joined = rows.join(mapping, left_on="container_id", right_on="old_id", how="inner", maintain_order="left")
        return joined.drop("container_id").rename({"container_id_right": "container_id"})

    rows, left_out = _normalise.clean_samples(rekey(samples))
    rows, doubles = _normalise.order_samples(rows)
    if doubles:
        left_out["values given twice for one instant"] = doubles
    found = _normalise.tidy_events(rekey(events)) if events is not None and events.height else empty(EVENTS)
    measured = _normalise.cadences(rows)
    frame = (
        frame.drop("cadence_seconds")
        .join(measured, on="container_id", how="left", maintain_order="left")
        .select(*CONTAINERS)
    )
    return Recording(frame, rows, found, report.joined(Report(left_out=left_out, time_axis=report.time_axis)))


def concat(recordings: Iterable[Recording]) -> Recording:
    """Put recordings together; the same container in two of them becomes one.

    Parameters
    ----------
    recordings
        At least one. Samples at the same instant are joined signal by signal; where two differ, the
        later recording wins, and the report counts how many.

    Returns
    -------
    Recording
        All of them as one.

    Raises
    ------
    RmtoolkitError
        There is nothing to put together.

    Examples
    --------
    >>> import polars as pl
    >>> a = Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [1]}))
    >>> b = Recording.from_frame(pl.DataFrame({"time": [0], "pod": ["db-0"], "allocated_bytes": [2]}))
    >>> concat([a, b]).samples.select("rss_bytes", "allocated_bytes").rows()
    [(1, 2)]
    """
    parts = list(recordings)
    if not parts:
        msg = "There is no recording to put together."
        raise RmtoolkitError(msg)
    if len(parts) == 1:
        return parts[0]
    shifts: list[int] = []
    total = 0
    for part in parts:
        shifts.append(total)
        total += int(part.containers["container_id"].max() or 0) + 1  # type: ignore[arg-type]

    def stack(name: str) -> pl.DataFrame:
        return pl.concat(
            getattr(part, name).with_columns(pl.col("container_id") + pl.lit(shift, dtype=pl.UInt32))
            for part, shift in zip(parts, shifts, strict=True)
        )

    report = parts[0].report
    for part in parts[1:]:
        report = report.joined(part.report)
    containers = stack("containers").with_columns(
        # An inferred owner must not stand in the way of the same pod with a known one.
        workload=pl.when("workload_inferred").then(None).otherwise("workload"),
        inferred=pl.col("workload"),
    )
    containers = containers.with_columns(
        workload=pl.when(pl.col("pod").is_null()).then("inferred").otherwise("workload"),
    ).drop("inferred")
    return normalise(containers, stack("samples"), stack("events"), report)


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """Read a recording that `Recording.write` stored.

    Parameters
    ----------
    path
        The Parquet file.

    Returns
    -------
    Recording
        What was stored.

    Raises
    ------
    ReadError
        The file is no Parquet file, or not one of ours.

    Examples
    --------
    >>> import polars as pl, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [9]})
    ...     print(read_recording(Recording.from_frame(table).write(f"{folder}/a.parquet")))
    <Recording: 1 container, 1 samples, 1970-01-01 00:00 to 1970-01-01 00:00 UTC>
    """
    expected = "a recording in Parquet"
    try:
        metadata = pl.read_parquet_metadata(path)
        if _METADATA_KEY not in metadata:
            raise ReadError.at(path, found="another Parquet file", expected=expected, hint="Use rm.read for any table.")
        kept = json.loads(metadata[_METADATA_KEY])
        samples = pl.read_parquet(path, columns=list(SAMPLES))
        report = json.loads(kept["report"])
        containers = pl.read_json(kept["containers"].encode(), schema=CONTAINERS)
        events = pl.read_json(kept["events"].encode(), schema={**EVENTS, "time": pl.Int64()})
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, ReadError | FileNotFoundError):
            raise
        found = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError.at(path, found=found, expected=expected) from error
    return Recording(
        containers,
        samples,
        events.with_columns(pl.col("time").cast(TIME)),
        Report(**{name: tuple(value) if isinstance(value, list) else value for name, value in report.items()}),
    )


def as_recording(data: Any) -> Recording:  # noqa: ANN401 - any kind of table
    """Accept a recording, or any frame that can become one.

    Parameters
    ----------
    data
        A Recording, or a polars, lazy or pandas frame.

    Returns
    -------
    Recording
        The recording itself, or what `Recording.from_frame` makes of the frame.

    Raises
    ------
    RmtoolkitError
        It is neither.

    Examples
    --------
    >>> import polars as pl
    >>> as_recording(pl.DataFrame({"time": [0], "rss_bytes": [1]})).containers.height
    1
    """
    return data if isinstance(data, Recording) else Recording.from_frame(data)
