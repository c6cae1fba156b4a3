"""Bring what a loader found into the schemas: types, identity, order, no duplicates, honest nulls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit import workloads
from rmtoolkit.exceptions import ColumnError
from rmtoolkit.schema import (
    ABSURD_BYTES,
    CONTAINERS,
    EVENTS,
    FOOTPRINTS,
    IDENTITY,
    SAMPLES,
    SIGNALS,
    TIME,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Rows that are looked at together.
_ROWS: Final = 1 << 16


def conform(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Select the schema's columns, cast to its types; a column that is not there becomes null.

    Parameters
    ----------
    frame
        Any frame.
    schema
        The columns and types wanted.

    Returns
    -------
    polars.DataFrame
        Exactly the schema's columns, in its order.

    Examples
    --------
    >>> conform(pl.DataFrame({"kind": ["gap"]}), EVENTS).columns
    ['container_id', 'time', 'kind', 'value_bytes', 'detail']
    """
    return frame.select(
        (pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name))
        for name, dtype in schema.items()
    )


def as_time(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Read times as UTC instants in milliseconds.

    Parameters
    ----------
    column
        Datetimes (naive ones are UTC), dates, ISO 8601 strings, or numbers: seconds since 1970, or
        milliseconds, microseconds or nanoseconds where the number is too large for anything else.
    dtype
        The column's type.

    Returns
    -------
    polars.Expr
        Datetime in milliseconds, UTC; null where there is nothing to be read.

    Raises
    ------
    ColumnError
        Times cannot be read from columns of this type.

    Examples
    --------
    >>> pl.DataFrame({"t": [1_700_000_000.25]}).select(as_time(pl.col("t"), pl.Float64())).item().isoformat()
    '2023-11-14T22:13:20.250000+00:00'
    """
    if isinstance(dtype, pl.Datetime):
        stamped = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column.dt.convert_time_zone("UTC")
        return stamped.dt.cast_time_unit("ms")
    if dtype == pl.Null:
        return column.cast(TIME)
    if dtype == pl.Date:
        return column.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    if dtype.is_numeric():
        # In none of these units does a stamp between 1973 and 5138 pass for one in another.
        number = column.cast(pl.Float64)
        milliseconds = pl.lit(None, dtype=pl.Float64)
        for below, factor in ((1e20, 1e-6), (1e17, 1e-3), (1e14, 1.0), (1e11, 1e3)):
            milliseconds = pl.when(number.abs() < below).then(number * factor).otherwise(milliseconds)
        return milliseconds.round().cast(pl.Int64).cast(TIME)
    if dtype == pl.String:
        # Polars infers one form from the first value; ISO 8601 with offsets of its own may follow.
        forms = (f"%F{sep}%T%.f{zone}" for sep in "T " for zone in ("%#z", ""))
        return pl.coalesce(
            column.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False),
            *(column.str.to_datetime(form, time_unit="ms", time_zone="UTC", strict=False) for form in forms),
        )
    raise ColumnError.mistyped(name="time", found=dtype, expected="datetimes, seconds or milliseconds since 1970")


def clean_samples(samples: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Cast signals; what is no real amount (NaN, ±Inf, negative, near 2**63) becomes null and is counted.

    Parameters
    ----------
    samples
        `container_id`, `time` and any signals, as numbers.

    Returns
    -------
    tuple of (polars.DataFrame, dict)
        `container_id`, `time` and the same signals in the types of their schema, and what was left out, by reason.

    Examples
    --------
    >>> frame = pl.DataFrame({"container_id": [0, 0], "time": [1.0, 2.0], "rss_bytes": [1e6, float("nan")]})
    >>> cleaned, left_out = clean_samples(frame.with_columns(pl.col("container_id").cast(pl.UInt32)))
    >>> cleaned["rss_bytes"].to_list(), left_out
    ([1000000], {'values that were NaN or infinite': 1, 'rows without any value': 1})
    """
    present = [name for name in SIGNALS if name in samples.columns]
    frame = samples.select("container_id", *present, time=as_time(pl.col("time"), samples.schema["time"]))
    finite = {name: _finite(name, frame) for name in present}
    real = {name: finite[name] & (pl.col(name) >= 0) for name in present}
    real |= {name: real[name] & (pl.col(name) < ABSURD_BYTES) for name in present if SAMPLES[name] == pl.Int64()}
    counts = frame.select(
        *((~finite[name]).sum().alias(f"{name} infinite") for name in present),
        *((finite[name] & ~real[name]).sum().alias(f"{name} unreal") for name in present),
        timeless=pl.col("time").is_null().sum(),
    ).row(0, named=True)
    left_out = {
        reason: sum(counts[f"{name} {word}"] for name in present)
        for reason, word in (
            ("values that were NaN or infinite", "infinite"),
            ("values that were negative or absurd", "unreal"),
        )
    }
    frame = frame.with_columns(
        _as_signal(name, frame, pl.when(real[name]).then(pl.col(name)) if unsound else pl.col(name))
        for name in present
        if (unsound := counts[f"{name} infinite"] + counts[f"{name} unreal"]) or frame.schema[name] != SAMPLES[name]
    )
    if counts["timeless"]:
        left_out["rows without a readable time"] = counts["timeless"]
        frame = frame.filter(pl.col("time").is_not_null())
    valued = frame.select(pl.any_horizontal(pl.lit(value=False), *(pl.col(name).is_not_null() for name in present)))
    empty_rows = int((~valued.to_series()).sum())
    if empty_rows:
        left_out["rows without any value"] = empty_rows
        frame = frame.filter(valued.to_series())
    return frame, {reason: count for reason, count in left_out.items() if count}


def _finite(name: str, frame: pl.DataFrame) -> pl.Expr:
    return pl.col(name).is_finite() if frame.schema[name].is_float() else pl.lit(value=True)


def _as_signal(name: str, frame: pl.DataFrame, value: pl.Expr) -> pl.Expr:
    whole = value.round() if frame.schema[name].is_float() and SAMPLES[name] == pl.Int64 else value
    return whole.cast(SAMPLES[name]).alias(name)


def order_samples(samples: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Sort by container and time; one row per instant, a later value wins over an earlier one.

    Parameters
    ----------
    samples
        `container_id`, `time` and any signals of the `SAMPLES` schema.

    Returns
    -------
    tuple of (polars.DataFrame, int, int)
        The samples in their schema, sorted and without duplicates; how many values were given twice for one
        instant; how many were left out because a later one for their instant differs.

    Examples
    --------
    >>> frame = conform(pl.DataFrame({"container_id": [0, 0], "time": [0, 0], "rss_bytes": [1, 1]}), SAMPLES)
    >>> order_samples(frame)[1:]
    (1, 0)
    """
    if _is_ordered(samples):
        return conform(samples, SAMPLES), 0, 0
    same = pl.col("container_id") == pl.col("container_id").shift()
    rises = (pl.col("container_id") > pl.col("container_id").shift()) | (same & (pl.col("time").diff() >= 0))
    if not samples.select(rises.all()).item():
        samples = _sort(samples)
    again = same & (pl.col("time") == pl.col("time").shift())
    doubled = samples.select(again=again.fill_null(value=False)).with_columns(
        repeated=pl.col("again") | pl.col("again").shift(-1, fill_value=False),
    )
    if not doubled["again"].any():
        return conform(samples, SAMPLES), 0, 0
    # Two sources may give different signals for one instant: only a value said twice is a double.
    present = [name for name in SIGNALS if name in samples.columns]
    twice = samples.filter(doubled["repeated"])
    groups = twice.group_by("container_id", "time", maintain_order=True)
    merged = groups.agg(pl.col(name).last(ignore_nulls=True) for name in present)
    differing = groups.agg((pl.col(name) != pl.col(name).last(ignore_nulls=True)).sum() for name in present)
    given, kept = (
        frame.select(pl.sum_horizontal(pl.lit(0), *(pl.col(name).count() for name in present))).item()
        for frame in (twice, merged)
    )
    contradictions = int(
        differing.select(pl.sum_horizontal(pl.lit(0), *(pl.col(name).sum() for name in present))).item()
    )
    samples = pl.concat([samples.filter(~doubled["repeated"]), merged.select(samples.columns)])
    return conform(_sort(samples), SAMPLES), int(given - kept) - contradictions, contradictions


def _sort(samples: pl.DataFrame) -> pl.DataFrame:
    """Sort by container and time, rows of one instant as they came."""
    time = pl.col("time").to_physical()
    first, last, most = samples.select(time.min(), time.max().alias("last"), pl.col("container_id").max()).row(0)
    span = last - first + 1
    if (most + 1) * span >= 1 << 63:
        return samples.sort("container_id", "time", maintain_order=True)
    # One whole number sorts several times faster than two columns.
    return samples.sort(pl.col("container_id").cast(pl.Int64) * span + (time - first), maintain_order=True)


def _is_ordered(samples: pl.DataFrame) -> bool:
    """Whether every row is later than the one before it, or of a later container."""
    ids, times = samples["container_id"], samples["time"]
    if ids.null_count() or times.null_count():
        return False
    containers, every = ids.to_numpy(), times.to_physical().to_numpy()
    for first in range(0, len(every), _ROWS):
        container, time = (column[first : first + _ROWS + 1] for column in (containers, every))
        same = container[1:] == container[:-1]
        if not ((container[1:] > container[:-1]) | (same & (time[1:] > time[:-1]))).all():
            return False
    return True


def key_containers(containers: pl.DataFrame, workload_pattern: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every container instance one row and one id, in a fixed order.

    Parameters
    ----------
    containers
        Rows with a provisional `container_id`; several may speak of the same container.
    workload_pattern
        Passed to `workloads.infer` for rows without an owner.

    Returns
    -------
    tuple of (polars.DataFrame, polars.DataFrame)
        The containers in their schema, and a map from `old_id` to `container_id`.

    Examples
    --------
    >>> rows = pl.DataFrame({"container_id": [5, 9], "pod": ["db-0", "db-0"], "limit_bytes": [None, 7]})
    >>> frame, mapping = key_containers(rows, None)
    >>> frame.select("container_id", "workload", "limit_bytes").rows(), mapping.height
    ([(0, 'db', 7)], 2)
    """
    frame = conform(containers, CONTAINERS).rename({"container_id": "old_id"})
    frame = frame.with_columns(workloads.infer(pl.col("pod"), workload_pattern).alias("inferred"))
    unknown = pl.col("workload").is_null()
    guessed = unknown & pl.col("pod").is_not_null()
    frame = frame.with_columns(
        workload=pl.coalesce("workload", pl.col("inferred").struct.field("workload")),
        workload_kind=pl.when(unknown)
        .then(pl.coalesce("workload_kind", pl.col("inferred").struct.field("workload_kind")))
        .otherwise("workload_kind"),
        workload_inferred=guessed | pl.col("workload_inferred").fill_null(value=False),
    )
    frame = _fill_in(frame)
    latest = ("limit_bytes", "request_bytes", "version")
    merged = (
        frame.sort("workload_inferred", "old_id", maintain_order=True)
        .group_by(IDENTITY, maintain_order=True)
        .agg(
            "old_id",
            *(
                pl.col(name).last(ignore_nulls=True) if name in latest else pl.col(name).first(ignore_nulls=True)
                for name in CONTAINERS
                if name not in (*IDENTITY, "container_id", "limit_known", "workload_inferred")
            ),
            limit_known=pl.col("limit_known").any() | pl.col("limit_bytes").is_not_null().any(),
            workload_inferred=pl.col("workload_inferred").all(),
        )
        .sort(IDENTITY, nulls_last=True)
        .with_row_index("container_id")
    )
    mapping = merged.select("old_id", "container_id").explode("old_id")
    return conform(merged, CONTAINERS), mapping


def _fill_in(frame: pl.DataFrame) -> pl.DataFrame:
    """Give a pod what only another source says of it: cluster, namespace, uid, owner."""
    named = pl.col("pod").is_not_null()
    for name, place in (
        ("namespace", ["pod", "container"]),
        ("cluster", ["namespace", "pod", "container"]),
        ("pod_uid", ["cluster", "namespace", "pod", "container"]),
    ):
        if not frame.select((named & pl.col(name).is_null()).any()).item():
            continue
        # Several known values are several pods of one name: then the one without stays on its own.
        known = frame.filter(named & pl.col(name).is_not_null()).select(*place, name).unique()
        if not known.height:
            continue
        known = known.filter(pl.len().over(place) == 1).rename({name: "known"})
        frame = (
            frame.join(known, on=place, how="left", nulls_equal=True, maintain_order="left")
            .with_columns(pl.when(named).then(pl.coalesce(name, "known")).otherwise(name).alias(name))
            .drop("known")
        )
    place = ["cluster", "namespace", "pod", "container"]
    if not frame.select(pl.struct(place).is_duplicated().any()).item():
        return frame
    owner = (
        frame.filter(named & pl.col("workload").is_not_null())
        .sort("workload_inferred", maintain_order=True)
        .unique(place, keep="first", maintain_order=True)
        .select(*place, owner="workload", guess="workload_inferred")
    )
    owned = pl.col("owner").is_not_null() & named
    return (
        frame.join(owner, on=place, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            workload=pl.when(owned).then("owner").otherwise("workload"),
            # The kind that was guessed with another owner does not belong to this one.
            workload_kind=pl.when(owned & (pl.col("owner") != pl.col("workload")) & pl.col("workload_inferred"))
            .then(None)
            .otherwise("workload_kind"),
        )
        .drop("owner", "guess")
    )


def tidy_events(events: pl.DataFrame) -> pl.DataFrame:
    """Cast, sort and dedupe events.

    Parameters
    ----------
    events
        `container_id`, `time`, `kind` and optionally `value_bytes` and `detail`.

    Returns
    -------
    polars.DataFrame
        In the `EVENTS` schema, sorted by container, time and kind.

    Examples
    --------
    >>> tidy_events(pl.DataFrame({"container_id": [0, 0], "time": [1, 1], "kind": ["start", "start"]})).height
    1
    """
    frame = events.with_columns(time=as_time(pl.col("time"), events.schema["time"])) if events.height else events
    return (
        conform(frame, EVENTS)
        .filter(pl.col("time").is_not_null() & pl.col("container_id").is_not_null())
        .unique(maintain_order=True)
        .sort("container_id", "time", "kind", maintain_order=True)
    )


def cadences(samples: pl.DataFrame) -> pl.DataFrame:
    """Find how often each container was sampled.

    Parameters
    ----------
    samples
        In the `SAMPLES` schema, sorted.

    Returns
    -------
    polars.DataFrame
        `container_id` and `cadence_seconds`: the median time between two samples of the footprint
        signal that has most of them; null with fewer than two.

    Examples
    --------
    >>> rows = {"container_id": [0, 0, 0], "time": [0, 15_000, 30_000], "rss_bytes": [1, 2, 3]}
    >>> cadences(conform(pl.DataFrame(rows), SAMPLES)).rows()
    [(0, 15.0)]
    """
    sampled = [name for name in (*FOOTPRINTS, "allocated_bytes") if samples[name].null_count() < samples.height]
    container = samples["container_id"].to_numpy()
    none = pl.DataFrame({"container_id": container[_starts(container)]}).select(
        "container_id",
        step=pl.lit(None, dtype=pl.Float64),
        samples=pl.lit(0, dtype=pl.Int64),
    )
    instants = samples.select("container_id", "time")
    found = (
        _usual_steps(instants.filter(samples[name].is_not_null()) if samples[name].null_count() else instants)
        for name in sampled
    )
    return (
        pl.concat([*found, none])
        .sort("container_id", "samples", descending=[False, True], maintain_order=True)
        .unique("container_id", keep="first", maintain_order=True)
        .select("container_id", cadence_seconds=pl.col("step") / 1000)
    )


def _starts(container: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Where the rows of each container begin; they are sorted."""
    if not len(container):
        return np.empty(0, np.int64)
    # An id without rows would begin where the next one does.
    return np.unique(np.searchsorted(container, np.arange(int(container[-1]) + 1, dtype=np.uint32)))


def _usual_steps(samples: pl.DataFrame) -> pl.DataFrame:
    """Tell the median time between two samples of each container, in milliseconds."""
    container, time = samples["container_id"].to_numpy(), samples["time"].to_physical().to_numpy()
    starts = _starts(container)
    ends = np.append(starts[1:], len(container)) - 1
    median = np.zeros(len(starts))
    several = np.flatnonzero(ends > starts)
    # Some containers at a time, whose steps fit into a processor's cache.
    for some in np.split(several, np.flatnonzero(np.diff(starts[several] // _ROWS)) + 1) if len(several) else ():
        first = starts[some[0]]
        steps = np.diff(time[first : ends[some[-1]] + 1])
        begins, stops = starts[some] - first, ends[some] - first
        # Stretches of the steps within a container, and between them the steps into the next one, left out.
        bounds = np.column_stack([begins, stops]).ravel()[:-1]
        low, high = (extreme.reduceat(steps, bounds)[::2] for extreme in (np.minimum, np.maximum))
        median[some] = low
        for place in np.flatnonzero(low != high):
            median[some[place]] = np.median(steps[begins[place] : stops[place]])
    counts = ends - starts + 1
    frame = pl.DataFrame({"container_id": container[starts], "step": median, "samples": counts})
    return frame.with_columns(pl.when(pl.col("samples") > 1).then("step"))
