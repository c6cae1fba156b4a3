"""What the readers of `kubectl top` output find, and how it becomes a Recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from rmtoolkit.exceptions import ReadError, quote, quote_path
from rmtoolkit.loaders import timeline
from rmtoolkit.loaders.files import warn
from rmtoolkit.loaders.kubernetes_join import SOURCE, WITHOUT_OBJECTS, joined
from rmtoolkit.loaders.kubernetes_objects import Objects
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.recording import Recording, Report, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rmtoolkit.loaders.stamps import Stamp

ROWS: Final = pl.Schema(
    {
        "number": pl.Int64(),
        "table": pl.Int64(),
        "stamp": pl.Int64(),
        "of_day": pl.Int64(),
        "namespace": pl.String(),
        "pod": pl.String(),
        "container": pl.String(),
        "memory_bytes": pl.Int64(),
        "swap_bytes": pl.Int64(),
    },
)
MARKS: Final = pl.Schema({"number": pl.Int64(), "stamp": pl.Int64(), "of_day": pl.Int64()})
FAILURES: Final = pl.Schema({**MARKS, "detail": pl.String(), "empty": pl.Boolean()})

_SECOND_MS: Final = 1000
_SERVED_AGAIN: Final = "samples that metrics-server served again"


@dataclass(frozen=True, slots=True)
class Log:
    """A log of `kubectl top`, read but not yet put on a time axis.

    Attributes
    ----------
    rows
        A row per pod or container and snapshot. `number` is the line, `table` counts runs of rows,
        `stamp` is an index into `stamps`, null where the row has no stamp of its own; it is moved on by
        `of_day` milliseconds.
    failures
        A row per scrape that gave an error, or (`empty`) found no pods.
    marks
        A row per line that is a time stamp.
    stamps
        Time stamps, each with a line in which it stands.
    quantum_bytes
        Memory was rounded down to a multiple of this; None = exact.
    left_out
        Counts by reason.
    first_left_out
        Line number and text of the first line that could not be used.
    notes
        What else a reader should know.
    objects
        Pods and other Kubernetes objects that stand in it too.
    """

    rows: pl.DataFrame
    failures: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FAILURES))
    marks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MARKS))
    stamps: Sequence[tuple[Stamp, str]] = ()
    quantum_bytes: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    first_left_out: tuple[int, str] | None = None
    notes: tuple[str, ...] = ()
    objects: Objects = field(default_factory=Objects)


def put_together(
    log: Log,
    asked: timeline.Asked,
    *,
    notes: tuple[str, ...] = (),
    namespace: str | None = None,
    workload_pattern: str | None = None,
) -> Recording:
    """Put a log on its time axis and into the schemas.

    Parameters
    ----------
    log
        What was read.
    asked
        The file and what the user said about its times.
    notes
        What was noted when the file was opened.
    namespace
        For rows that do not name theirs.
    workload_pattern
        Passed on to `normalise`.

    Returns
    -------
    Recording
        `working_set_bytes` (and `swap_bytes`) per pod or container; a failed scrape is a `gap` event of
        the containers in the snapshots next to it.

    Examples
    --------
    >>> import datetime as dt
    >>> rows = pl.DataFrame({"number": [2], "table": [1], "pod": ["db-0"], "memory_bytes": [20 << 20]})
    >>> rows = rows.select((pl.col(n) if n in rows.columns else pl.lit(None)).cast(t).alias(n) for n, t in ROWS.items())
    >>> asked = timeline.Asked("a.log", dt.datetime.now(dt.UTC), time="2026-11-24T22:51")
    >>> put_together(Log(rows), asked).samples["time"].dt.hour().to_list()
    [22]
    """
    rows = log.rows.with_columns(
        namespace=pl.coalesce("namespace", pl.lit(namespace, dtype=pl.String)),
    ).with_columns(container_id=pl.struct("namespace", "pod", "container").rank("dense").cast(pl.UInt32))
    rows, failures, axis = _timed(rows, log, asked)
    left_out = dict(log.left_out)
    timeless = rows["time"].null_count()
    if timeless:
        left_out["rows before the first time stamp or without one"] = timeless
        rows = rows.filter(pl.col("time").is_not_null())
    if rows.is_empty():
        raise ReadError.at(asked.path, found=f"{timeless:,} rows without a time stamp", expected="a time for each")
    again = rows.height
    if log.quantum_bytes is None:
        # metrics-server serves a sample again until its next window: that is no double.
        rows = rows.unique(["container_id", "time", "memory_bytes"], keep="first", maintain_order=True)
        if again > rows.height:
            left_out[_SERVED_AGAIN] = again - rows.height
    containers = rows.unique("container_id", keep="first", maintain_order=True).select(
        "container_id",
        "namespace",
        "pod",
        "container",
        quantum_bytes=pl.lit(log.quantum_bytes, dtype=pl.Int64),
        source=pl.lit(SOURCE),
    )
    partial = []
    for some, what in ((failures.filter(~pl.col("empty")), "failed"), (failures.filter("empty"), "found no pods")):
        if some.height:
            first = f"line {some['number'][0]}: {quote(some['detail'][0])}"
            partial.append(f"{some.height:,} scrape{'' if some.height == 1 else 's'} {what} ({first})")
    report = Report(
        sources=(str(asked.path),),
        missing=(WITHOUT_OBJECTS,),
        left_out=left_out,
        partial=tuple(partial),
        warnings=(*notes, *log.notes, *_unused(axis, asked)),
        time_axis=axis,
    )
    lost = ", ".join(counted(count, reason) for reason, count in left_out.items() if reason != _SERVED_AGAIN)
    if lost and log.first_left_out:
        lost += f" (line {log.first_left_out[0]}: {quote(log.first_left_out[1])})"
    complaints = [*([f"left out {lost}"] if lost else []), *partial]
    if complaints:
        warn(f"{quote_path(asked.path)}: {'; '.join(complaints)}. The rest was read.")
    recording = normalise(
        containers,
        rows.select("container_id", "time", working_set_bytes="memory_bytes", swap_bytes="swap_bytes"),
        _gaps(rows, failures),
        report,
        workload_pattern=workload_pattern,
    )
    return joined(recording, log.objects)


def _unused(axis: str, asked: timeline.Asked) -> tuple[str, ...]:
    """Name the options that had nothing to do, so that nobody relies on them."""
    return (
        *(
            ("interval= was not needed: the log has time stamps",)
            if asked.interval and not axis.startswith("assumed")
            else ()
        ),
        *(
            ("time= was not needed: the log has time stamps",)
            if asked.time and axis.startswith("as recorded, ")
            else ()
        ),
    )


def _timed(rows: pl.DataFrame, log: Log, asked: timeline.Asked) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Give every row and failure its time, in milliseconds since 1970; null where there is none."""
    own = rows["stamp"].drop_nulls()
    marks = log.marks
    if own.len() and (marks.is_empty() or _says(own, log) >= _says(marks["stamp"], log)):
        return _by_own_stamps(rows, log, asked)
    if marks.is_empty():
        ticks, failure_ticks = _ticks(rows, log.failures)
        times, axis = timeline.spaced(max([*ticks, *failure_ticks]) + 1, asked, found="snapshots")
        return (
            rows.with_columns(time=pl.Series([times[tick] for tick in ticks], dtype=pl.Int64)),
            log.failures.with_columns(time=pl.Series([times[tick] for tick in failure_ticks], dtype=pl.Int64)),
            axis,
        )
    if marks.height == 1 and _comes_again(rows, marks["number"][0]):
        return _by_one_mark(rows, log, asked)
    times, axis = _instants(marks, log, asked)
    marked = marks.select("number", mark="number", time=pl.Series(times, dtype=pl.Int64))
    # `date` may stand before or after the table: after, when a table comes first and a stamp last.
    last_row = rows["number"].max()
    after = rows["number"][0] < marks["number"][0] and isinstance(last_row, int) and last_row < marks["number"][-1]
    strategy: Literal["forward", "backward"] = "forward" if after else "backward"
    return (
        rows.join_asof(marked, on="number", strategy=strategy),
        log.failures.join_asof(marked, on="number", strategy=strategy),
        axis,
    )


def _comes_again(rows: pl.DataFrame, mark: int) -> bool:
    """Tell whether there are several snapshots below the only time stamp, or above it."""
    below = pl.col("number") > mark
    return bool(rows.select(pl.struct("container_id", below=below).is_duplicated().any()).item())


def _says(ids: pl.Series, log: Log) -> tuple[int, bool]:
    """Tell how much the best of some stamps says."""
    return max((int(stamp.kind), stamp.utc) for stamp in (log.stamps[index][0] for index in ids.unique()))


def _instants(some: pl.DataFrame, log: Log, asked: timeline.Asked) -> tuple[list[int], str]:
    stamps = [stamp for stamp, _ in log.stamps]
    places = zip(some["stamp"], some["of_day"], strict=True)
    read = [stamps[index] if of_day is None else stamps[index].at(of_day) for index, of_day in places]
    return timeline.instants(read, (some["number"][0], log.stamps[some["stamp"][0]][1]), asked)


def _by_own_stamps(rows: pl.DataFrame, log: Log, asked: timeline.Asked) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Take the stamp at the head of each line."""
    both = (
        pl.concat([rows.select(*MARKS), log.failures.select(*MARKS)])
        .filter(pl.col("stamp").is_not_null())
        .sort("number")
    )
    both = both.filter(pl.struct("stamp", "of_day").rle_id().diff().fill_null(1) > 0)
    times, axis = _instants(both, log, asked)
    heads = both.select("number", time=pl.Series(times, dtype=pl.Int64))

    def at(some: pl.DataFrame) -> pl.DataFrame:
        timed = some.join_asof(heads, on="number", strategy="backward")
        return timed.with_columns(time=pl.when(pl.col("stamp").is_not_null()).then("time"))

    timed = at(rows)
    if timed.select((pl.col("time") % _SECOND_MS != 0).any()).item():
        timed = timed.with_columns(time=_together(timed))
    return timed, at(log.failures), axis


def _together(rows: pl.DataFrame) -> pl.Series:
    """Give the lines of one snapshot one time: a stamp per line runs on while kubectl prints."""
    times: list[int | None] = []
    seen: set[int] = set()
    first, before, table_before = 0, 0, -1
    for table, key, time in rows.select("table", "container_id", "time").iter_rows():
        if time is None:
            times.append(None)
            continue
        if not seen or not 0 <= time - before < _SECOND_MS or key in seen or table != table_before:
            first, seen = time, set()
        seen.add(key)
        before, table_before = time, table
        times.append(first)
    return pl.Series(times, dtype=pl.Int64)


def _by_one_mark(rows: pl.DataFrame, log: Log, asked: timeline.Asked) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Count on from the only time stamp of a log with several snapshots."""
    (start,), axis = _instants(log.marks, log, asked)
    ticks, failure_ticks = _ticks(rows, log.failures)
    known = asked._replace(time=timeline.as_datetime(start))
    times, _ = timeline.spaced(max([*ticks, *failure_ticks]) + 1, known, found="snapshots under one time stamp")
    return (
        rows.with_columns(time=pl.Series([times[tick] for tick in ticks], dtype=pl.Int64)),
        log.failures.with_columns(time=pl.Series([times[tick] for tick in failure_ticks], dtype=pl.Int64)),
        f"assumed: the one time stamp is that of the first snapshot, the others are {asked.interval} apart ({axis})",
    )


def _ticks(rows: pl.DataFrame, failures: pl.DataFrame) -> tuple[list[int], list[int]]:
    """Count snapshots where only the rows tell them apart: a new one begins when a container comes again."""
    tables: list[set[int]] = []
    starts: list[int] = []
    of_row: list[int] = []
    before = None
    for number, table, key in rows.select("number", "table", "container_id").iter_rows():
        if table != before or key in tables[-1]:
            tables.append(set())
            starts.append(number)
        tables[-1].add(key)
        of_row.append(len(tables) - 1)
        before = table
    table_ticks, failure_ticks = [0] * len(tables), [0] * failures.height
    steps = [(number, index, False) for index, number in enumerate(starts)]
    steps += [(number, index, True) for index, number in enumerate(failures["number"])]
    tick = -1
    seen: set[int] = set()
    is_new = True
    for _, index, failed in sorted(steps):
        if failed or is_new or seen & tables[index]:
            tick, seen = tick + 1, set()
        is_new = failed
        if failed:
            failure_ticks[index] = tick
        else:
            table_ticks[index] = tick
            seen |= tables[index]
    return [table_ticks[table] for table in of_row], failure_ticks


def _gaps(rows: pl.DataFrame, failures: pl.DataFrame) -> pl.DataFrame | None:
    """Tell the containers in the snapshots before and after a failed scrape that there was one."""
    failed = failures.filter(pl.col("time").is_not_null()).sort("number")
    if failed.is_empty():
        return None
    place = pl.Series("place", rows["number"].search_sorted(failed["number"]), dtype=pl.Int64)
    runs = (
        failed.with_columns(place)
        .group_by("place", maintain_order=True)
        .agg(pl.col("time", "detail").first(), count=pl.len())
        .with_columns(
            kind=pl.lit("gap"),
            detail=pl.format(
                "scrape failed: {}{}",
                "detail",
                pl.when(pl.col("count") > 1).then(pl.format(" ({} in a row)", "count")).otherwise(pl.lit("")),
            ),
        )
    )
    times = rows["time"]
    near = pl.concat(
        [
            beside.with_columns(near=times.gather(beside["place"] - before))
            for before, beside in (
                (1, runs.filter(pl.col("place") > 0)),
                (0, runs.filter(pl.col("place") < rows.height)),
            )
        ],
    )
    return (
        near.join(rows.select("container_id", near="time").unique(), on="near")
        .unique(["container_id", "place"])
        .select("container_id", "time", "kind", "detail")
    )
