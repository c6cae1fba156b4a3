"""Bring what a loader found into the schemas: types, identity, order, no duplicates, honest nulls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rmtoolkit import workloads
from rmtoolkit.schema import (
    ABSURD_BYTES,
    BYTE_SIGNALS,
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
        Datetimes (naive ones are UTC), dates, or numbers: seconds since 1970, or milliseconds where the
        number is too large for seconds.
    dtype
        The column's type.

    Returns
    -------
    polars.Expr
        Datetime in milliseconds, UTC.

    Examples
    --------
    >>> pl.DataFrame({"t": [1_700_000_000.25]}).select(as_time(pl.col("t"), pl.Float64())).item().isoformat()
    '2023-11-14T22:13:20.250000+00:00'
    """
    if isinstance(dtype, pl.Datetime):
        stamped = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column.dt.convert_time_zone("UTC")
        return stamped.dt.cast_time_unit("ms")
    if dtype == pl.Date:
        return column.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    if dtype.is_numeric():
        # 1e11 seconds is the year 5138 and 1e11 milliseconds is 1973: no real stamp is ambiguous.
        number = column.cast(pl.Float64)
        milliseconds = pl.when(number.abs() < 1e11).then(number * 1000).otherwise(number).round()  # noqa: PLR2004
        return pl.when(milliseconds.is_finite()).then(milliseconds).cast(pl.Int64).cast(TIME)
    return column.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False)


def clean_samples(samples: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Cast signals; what is no real amount (NaN, ±Inf, negative, near 2**63) becomes null and is counted.

    Parameters
    ----------
    samples
        `container_id`, `time` and any signals, as numbers.

    Returns
    -------
    tuple of (polars.DataFrame, dict)
        The samples in their schema, and what was left out, by reason.

    Examples
    --------
    >>> frame = pl.DataFrame({"container_id": [0, 0], "time": [1.0, 2.0], "rss_bytes": [1e6, float("nan")]})
    >>> cleaned, left_out = clean_samples(frame.with_columns(pl.col("container_id").cast(pl.UInt32)))
    >>> cleaned["rss_bytes"].to_list(), left_out
    ([1000000], {'values that were NaN or infinite': 1, 'rows without any value': 1})
    """
    present = [name for name in SIGNALS if name in samples.columns]
    frame = samples.with_columns(time=as_time(pl.col("time"), samples.schema["time"]))
    left_out: dict[str, int] = {}
    checks: dict[str, pl.Expr] = {}
    for name in present:
        column = pl.col(name)
        is_float = samples.schema[name].is_float()
        finite = column.is_finite() if is_float else pl.lit(value=True)
        real = finite & (column >= 0)
        if name in BYTE_SIGNALS:
            real &= column < ABSURD_BYTES
        value = column.round() if is_float and SAMPLES[name] == pl.Int64 else column
        checks[name] = pl.when(real).then(value).cast(SAMPLES[name])
        left_out_here = frame.select(
            infinite=(~finite).sum() if is_float else pl.lit(0),
            unreal=(finite & ~real).sum(),
        ).row(0)
        for reason, count in zip(
            ("values that were NaN or infinite", "values that were negative or absurd"),
            left_out_here,
            strict=True,
        ):
            left_out[reason] = left_out.get(reason, 0) + int(count or 0)
    frame = frame.with_columns(**checks)
    before = frame.height
    frame = frame.filter(pl.col("time").is_not_null())
    left_out["rows without a readable time"] = before - frame.height
    before = frame.height
    frame = frame.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in present)) if present else frame.clear()
    left_out["rows without any value"] = before - frame.height
    return conform(frame, SAMPLES), {reason: count for reason, count in left_out.items() if count}


def order_samples(samples: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Sort by container and time; one row per instant, a later value wins over an earlier one.

    Parameters
    ----------
    samples
        In the `SAMPLES` schema.

    Returns
    -------
    tuple of (polars.DataFrame, int)
        Sorted samples without duplicates, and how many rows repeated an instant with the same signals.

    Examples
    --------
    >>> frame = conform(pl.DataFrame({"container_id": [0, 0], "time": [0, 0], "rss_bytes": [1, 1]}), SAMPLES)
    >>> order_samples(frame)[1]
    1
    """
    step = pl.struct("container_id", "time")
    key = samples.select("container_id", pl.col("time").to_physical().alias("ms"))
    rises = key.select(
        (
            (pl.col("container_id").diff().cast(pl.Int64) > 0)
            | ((pl.col("container_id").diff() == 0) & (pl.col("ms").diff() > 0))
        ).all(),
    ).item()
    if samples.height < 2 or rises:  # noqa: PLR2004
        return samples, 0
    samples = samples.sort("container_id", "time", maintain_order=True)
    repeated = samples.select(step.is_duplicated().any()).item()
    if not repeated:
        return samples, 0
    # A union of sources has several rows per instant with different signals: only a value said twice is a double.
    values = samples.select(pl.sum_horizontal(pl.col(name).is_not_null().sum() for name in SIGNALS)).item()
    merged = samples.group_by("container_id", "time", maintain_order=True).agg(
        pl.col(name).drop_nulls().last() for name in SIGNALS
    )
    kept = merged.select(pl.sum_horizontal(pl.col(name).is_not_null().sum() for name in SIGNALS)).item()
    return merged, int(values - kept)


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
        workload_inferred=pl.coalesce(pl.when(guessed).then(pl.lit(value=True)), "workload_inferred", pl.lit(value=False)),
    )
    # One source knows the uid or the owner, another does not: they still speak of the same pod.
    place = ("cluster", "namespace", "pod", "container")
    named = pl.col("pod").is_not_null()
    only_uid = pl.col("pod_uid").drop_nulls().unique()
    frame = frame.with_columns(
        pod_uid=pl.when(named & pl.col("pod_uid").is_null())
        .then(pl.when(only_uid.len().over(place) == 1).then(pl.col("pod_uid").drop_nulls().first().over(place)))
        .otherwise("pod_uid"),
        workload=pl.when(named)
        .then(pl.col("workload").sort_by("workload_inferred").drop_nulls().first().over(place))
        .otherwise("workload"),
    )
    merged = (
        frame.sort("workload_inferred", "old_id", maintain_order=True)
        .group_by(IDENTITY, maintain_order=True)
        .agg(
            "old_id",
            *(
                pl.col(name).drop_nulls().last() if name in ("limit_bytes", "request_bytes", "version") else pl.col(name).drop_nulls().first()
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
    steps = [
        pl.col("time").filter(pl.col(name).is_not_null()).diff().dt.total_milliseconds().median().alias(name)
        for name in (*FOOTPRINTS, "allocated_bytes")
    ]
    counts = [pl.col(name).count().alias(f"{name}_n") for name in (*FOOTPRINTS, "allocated_bytes")]
    grouped = samples.group_by("container_id", maintain_order=True).agg(*steps, *counts)
    most = pl.max_horizontal(f"{name}_n" for name in (*FOOTPRINTS, "allocated_bytes"))
    chosen = pl.coalesce(
        pl.when(pl.col(f"{name}_n") == most).then(pl.col(name)) for name in (*FOOTPRINTS, "allocated_bytes")
    )
    return grouped.select("container_id", cadence_seconds=chosen / 1000)

