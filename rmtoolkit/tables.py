"""Any table with a time and a memory column, taken apart into containers, samples and events."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from rmtoolkit.exceptions import ColumnError, RmtoolkitError, quote
from rmtoolkit.normalise import as_time
from rmtoolkit.provenance import Report
from rmtoolkit.schema import ABSURD_BYTES, BYTE_SIGNALS, CONTAINERS, EVENT_KINDS, EVENTS, IDENTITY, SIGNALS, empty

if TYPE_CHECKING:
    import pandas as pd

    AnyFrame = pl.DataFrame | pl.LazyFrame | pd.DataFrame

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
#: A written time that names its zone, or a number.
_ZONED: Final = r"(?i)\d:\d\d.*(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)\s*$|^\s*[\d.]+\s*$"
#: Columns that hold the same for a whole container, or change seldom; their changes become events.
_SETTINGS: Final = ("limit_bytes", "request_bytes")
_TOTALS: Final = {"restarts_total": "start", "oom_kills_total": "oom_kill"}


class Parts(NamedTuple):
    """What `normalise` needs."""

    containers: pl.DataFrame
    samples: pl.DataFrame
    events: pl.DataFrame
    report: Report


def take_apart(frame: AnyFrame, events: AnyFrame | None, source: str) -> Parts:
    """Take a table apart into containers, samples and events.

    Parameters
    ----------
    frame
        A row per container and instant.
    events
        A row per event; its identity columns name the container.
    source
        Said in the report.

    Returns
    -------
    Parts
        Not yet cleaned or sorted; `container_id` is provisional.

    Raises
    ------
    ColumnError
        There is no time column or no memory column, or one holds the wrong type.

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0, 60], "pod": ["db-0", "db-1"], "rss_bytes": [5, 6], "limit_bytes": [9, None]})
    >>> take_apart(table, None, "frame").containers.select("pod", "limit_bytes", "limit_known").rows()
    [('db-0', 9, True), ('db-1', None, False)]
    """
    table, renamed = _to_polars(frame)
    signals = _check_columns(table)
    known = {"time", *signals, *CONTAINERS, *_TOTALS}
    ignored = [name for name in table.columns if name not in known]
    identity: list[str] = [name for name in (*IDENTITY, "node", "workload_kind") if name in table.columns]
    texts = [name for name in (*identity, "version") if name in table.columns]
    time_axis = _time_axis(table["time"])
    table = table.with_columns(
        *(pl.col(name).cast(pl.String) for name in texts),
        time=_readable_time(table),
    )
    table, containers = _identify(table, identity)
    about, changes = _settings(table)
    containers = containers.join(about, on="container_id", how="left", maintain_order="left").with_columns(
        source=pl.lit(source),
    )
    found = [changes]
    left_out: dict[str, int] = {}
    if events is not None:
        named, strangers = _identified(_to_polars(events)[0], containers, identity)
        found.append(named)
        if strangers:
            left_out["events of containers that are not in the frame"] = strangers
    report = Report(
        sources=(source,),
        found=("restarts",) if "restarts_total" in table.columns else (),
        left_out=left_out,
        warnings=(
            *(f"column {old!r} was read as {new!r}" for old, new in renamed.items()),
            *((f"columns not used: {', '.join(map(quote, ignored))}",) if ignored else ()),
        ),
        time_axis=time_axis,
    )
    samples = table.select("container_id", "time", *signals)
    return Parts(containers, samples, pl.concat(found, how="diagonal_relaxed"), report)


def _to_polars(frame: Any) -> tuple[pl.DataFrame, dict[str, str]]:  # noqa: ANN401 - any kind of table
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        if not hasattr(frame, "columns") or not hasattr(frame, "index"):
            msg = f"Expected a Recording or a polars or pandas frame, got {type(frame).__name__}."
            if isinstance(frame, str | os.PathLike):
                msg += f" Hint: rm.read({quote(os.fspath(frame))}) reads files, folders and lakes."
            raise RmtoolkitError(msg)
        frame = _from_pandas(frame)
    renamed = {old: new for old, new in _ALIASES.items() if old in frame.columns and new not in frame.columns}
    # Two aliases of one column: the first one wins, the second stays and is reported as unused.
    renamed = {old: new for i, (old, new) in enumerate(renamed.items()) if new not in list(renamed.values())[:i]}
    return frame.rename(renamed), renamed


def _from_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    if type(frame.index).__name__ == "DatetimeIndex" and frame.index.name is None:
        frame = frame.rename_axis("time")
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    if named:
        frame = frame.reset_index(named)
    try:
        return pl.from_pandas(frame.set_axis(frame.columns.map(str), axis=1))
    except (TypeError, ValueError) as error:
        msg = f"The pandas frame cannot be read: {error}. Hint: give each column one type."
        raise ColumnError(msg) from error


def _check_columns(table: pl.DataFrame) -> list[str]:
    """Find the signals; refuse what is missing or is no number."""
    signals = [name for name in SIGNALS if name in table.columns]
    if "time" not in table.columns:
        raise ColumnError.missing(wanted="time", available=table.columns)
    if not any(name.endswith("_bytes") for name in signals):
        raise ColumnError.no_memory(available=table.columns, known=BYTE_SIGNALS)
    for name in (*signals, *_SETTINGS, *_TOTALS):
        dtype = table.schema.get(name)
        if dtype is not None and not dtype.is_numeric() and dtype != pl.Null:
            raise ColumnError.mistyped(name, found=dtype, expected="a number")
    return signals


def _readable_time(table: pl.DataFrame) -> pl.Series:
    time = table.select(as_time(pl.col("time"), table.schema["time"])).to_series()
    if table.height and time.null_count() == table.height:
        stated = table["time"].drop_nulls()
        msg = f"The column 'time' holds no time that can be read, but {quote(stated[0]) if stated.len() else 'nulls'}."
        raise ColumnError(msg)
    return time


def _time_axis(time: pl.Series) -> str:
    """Say where the times come from; a number counts from 1970 and needs no zone."""
    naive = (isinstance(time.dtype, pl.Datetime) and time.dtype.time_zone is None) or time.dtype == pl.Date
    if time.dtype == pl.String:
        naive = bool((~time.str.contains(_ZONED)).any())
    return "as recorded, without a time zone: UTC was assumed" if naive else Report().time_axis


def _identify(table: pl.DataFrame, identity: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each container a number. Its rows usually stand together: only the first of each run is looked up."""
    if not identity:
        containers = pl.DataFrame({"container_id": [0]}, schema={"container_id": pl.UInt32})
        return table.with_columns(container_id=pl.lit(0, dtype=pl.UInt32)), containers
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in identity)
    starts = table.select(differs | (pl.int_range(pl.len()) == 0)).to_series()
    heads = table.select(identity).filter(starts)
    run = starts.cum_sum() - 1
    containers = heads.unique(maintain_order=True).with_row_index("container_id")
    ids = heads.join(containers, on=identity, how="left", nulls_equal=True, maintain_order="left")["container_id"]
    return table.with_columns(container_id=ids.gather(run)), containers


def _settings(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Find what holds at the window's end, and turn what changed before into events."""
    used = [
        name
        for name in (*CONTAINERS, *_TOTALS)
        if name in table.columns and name not in (*IDENTITY, "node", "workload_kind", "source", "cadence_seconds")
    ]
    if used == ["container_id"]:
        return table.select("container_id").unique(), empty(EVENTS)
    rows = table.select("time", *used).sort("container_id", "time", maintain_order=True)
    known: list[pl.Expr] = []
    found = [empty(EVENTS)]
    for name in _SETTINGS:
        if name in used:
            # "No limit" is written as 0, -1, infinity or a number near 2**63; NaN is no statement.
            value = pl.col(name).cast(pl.Float64)
            said = pl.col(name).is_not_null() & value.is_not_nan()
            real = (value > 0) & (value < ABSURD_BYTES)
            rows = rows.with_columns(
                pl.when(said & real).then(pl.col(name)).cast(pl.Int64).alias(name),
                said.alias(f"{name} said"),
            )
            known.append(pl.col(name).filter(pl.col(f"{name} said")).last())
            found.append(_changes(rows.filter(f"{name} said"), name, name.removesuffix("_bytes"), "value_bytes"))
    if "limit_bytes" in used:
        given = pl.col("limit_known").any() if "limit_known" in used else pl.lit(value=False)
        known.append((given | pl.col("limit_bytes said").any()).alias("limit_known"))
    if "version" in used:
        released = _changes(rows.filter(pl.col("version").is_not_null()), "version", "release", "detail")
        before = pl.col("detail").shift().over("container_id")
        released = released.with_columns(detail=before + " → " + pl.col("detail"))
        found.append(released.filter(pl.int_range(pl.len()).over("container_id") > 0))
    for name, kind in _TOTALS.items():
        if name in used:
            counted = rows.filter(pl.col(name).is_not_null())
            rose = pl.col(name).diff().over("container_id") > 0
            found.append(counted.filter(rose).select("container_id", "time", kind=pl.lit(kind)))
    plain = [name for name in used if name in CONTAINERS and name not in ("container_id", *_SETTINGS)]
    if "limit_bytes" in used and "limit_known" in plain:
        plain.remove("limit_known")
    about = rows.group_by("container_id", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().last() for name in plain),
        *known,
    )
    return about, pl.concat(found, how="diagonal_relaxed")


def _changes(rows: pl.DataFrame, name: str, kind: str, into: str) -> pl.DataFrame:
    """List the changes of a setting, and before them the value it had at first."""
    same = pl.col("container_id") == pl.col("container_id").shift()
    turned = rows.filter(~same.fill_null(value=False) | pl.col(name).ne_missing(pl.col(name).shift()))
    turned = turned.filter(pl.len().over("container_id") > 1)
    return turned.select("container_id", "time", kind=pl.lit(kind), **{into: pl.col(name)})


def _identified(events: pl.DataFrame, containers: pl.DataFrame, identity: list[str]) -> tuple[pl.DataFrame, int]:
    """Give events that name their container its id; count those whose container is unknown."""
    for name in ("time", "kind"):
        if name not in events.columns:
            raise ColumnError.missing(name, events.columns)
    unknown = events.filter(~pl.col("kind").is_in(EVENT_KINDS))["kind"].unique().to_list()
    if unknown:
        msg = f"Unknown event kinds: {', '.join(map(quote, unknown))}. Known: {', '.join(EVENT_KINDS)}."
        raise RmtoolkitError(msg)
    on = [name for name in identity if name in events.columns]
    events = (
        events.drop("container_id", strict=False)
        .with_row_index("row")
        .with_columns(
            *(pl.col(name).cast(pl.String) for name in on),
            time=as_time(pl.col("time"), events.schema["time"]),
        )
    )
    ids = containers.select("container_id", *on)
    joined = events.join(ids, on=on, how="inner", nulls_equal=True) if on else events.join(ids, how="cross")
    kept = ["container_id", "time", "kind", *(name for name in ("value_bytes", "detail") if name in joined.columns)]
    return joined.select(kept), events.height - joined["row"].n_unique()
