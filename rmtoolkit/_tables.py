"""The frames of a recording: keyed, cleaned, ordered, cut by time, taken apart; and times as people write them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmtoolkit import schema
from rmtoolkit._identity import ENOUGH, contradictions, infer
from rmtoolkit.exceptions import ColumnError, RmtoolkitError, quote

#: Instants that nanoseconds since 1970 can tell: what lies beyond is a zero or an overflow of some clock.
CALENDAR: Final = (dt.datetime(1678, 1, 1, tzinfo=dt.UTC), dt.datetime(2261, 12, 31, tzinfo=dt.UTC))
_FIRST_MS, _LAST_MS = (round(edge.timestamp()) * 1000 for edge in CALENDAR)

#: What lies so far from the others, and from those of its container, and is so small a share, is of a clock that was
#: not set, or has run over.
_DECADES, _FEW = dt.timedelta(days=20 * 365), 0.1
#: True where a row follows another one of its container; null in the first row.
FOLLOWS: Final = pl.col("container_id") == pl.col("container_id").shift()
#: What the kernel counts towards a limit: no container has more of it than its machine.
_CHARGED: Final = (
    *schema.FOOTPRINTS,
    *("file_bytes", "inactive_file_bytes", "shmem_bytes", "kernel_bytes", "peak_bytes", "swap_bytes"),
)
#: What no process that runs has nothing of.
_NEVER_ZERO: Final = ("working_set_bytes", "usage_bytes", "rss_bytes", "allocated_bytes")
#: What is written in steps is 0 where it is less than one of them: the least amount is so many.
_STEPS: Final = 8
#: Limits change, and not every change is on record: a lone value counts up to so many times the highest one known.
_BEYOND: Final = 16
_DURATION: Final = re.compile(r"(?<![0-9])(?P<number>[0-9]++(?:\.[0-9]++)?)(?P<unit>ms|s|m|h|d|w)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
#: Seconds since 1970, or thousandths, millionths or billionths of them, in digits; others may be those of a date.
_STAMP: Final = r"^1[0-8]\d{8}(\d{3})?(\.\d*)?$|^1[0-8]\d{14}(\d{3})?$"
_EARLIEST: Final = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
#: What is longer than the calendar begins here.
_SINCE: Final = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
#: A log that starts anew more often than this is one whose rows are in no order.
_MOST_STRETCHES: Final = 8
_HALF_DAY_MS: Final = 43_200_000
#: Page cache of which no larger share is ever inactive is files in memory; of files that are read a sixth or more is.
_INACTIVE: Final = 0.05
#: ... unless the whole fills its limit to this share.
_FULL: Final = 0.99
#: Fewer samples do not show what is inactive at times.
_SHOW_INACTIVE: Final = 24
#: So far a value may move while its unit changes, in powers of 1,024; so far beyond a gap, where one side is less than
#: any needs; so near to each other amounts stay on each side.
_UNLIKE, _UNLIKE_TINY, _LEVEL = 0.02, 0.2, 0.1
#: The most of a whole number of 32 bits, with a sign and without.
_MOST_OF_32: Final = (2**31 - 1, 2**32 - 1)
#: Signals of the layers, from the lowest up: the first one that was ever scraped says which instant is shown.
_LOWEST: Final = ("allocated_bytes", "anon_bytes", "rss_bytes", "working_set_bytes", "usage_bytes")
#: Signals that layers are made of.
PARTS: Final = (*_LOWEST, "active_bytes", "resident_bytes", "free_bytes", "shmem_bytes", "kernel_bytes", "file_bytes")
_SHOWN: Final = {"container_id": pl.UInt32(), "layers_time": schema.TIME, **dict.fromkeys(PARTS, pl.Int64())}
#: What was scraped longer before that instant is no part of it.
_SAME_INSTANT: Final = dt.timedelta(hours=1)
#: What was scraped longer before the last sample is not shown at all.
_RECENT_MS: Final = 24 * 3_600_000
#: Upper edges of the layers, from the bottom up.
TOPS: Final = ("live", "slack", "kept", "outside", "cache")


def conform(frame: pl.DataFrame, wanted: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Select the columns of a schema, cast to its types; a column that is not there becomes null."""
    there = frame.schema
    if [*there.items()] == [*wanted.items()]:
        return frame
    return frame.select(
        (pl.col(name).cast(dtype) if name in there else pl.lit(None, dtype=dtype).alias(name))
        for name, dtype in wanted.items()
    )


def beside(rows: pl.DataFrame, more: pl.DataFrame, on: str | Sequence[str]) -> pl.DataFrame:
    """Put what is known of the same keys beside rows, which keep their order; null is a key too."""
    return rows.join(more, on=on, how="left", nulls_equal=True, maintain_order="left")


def known_sum(name: str) -> pl.Expr:
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def as_time(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Read times as UTC instants in milliseconds; what no clock tells is null."""
    time = _instant(column, dtype)
    return pl.when(time.to_physical().is_between(_FIRST_MS, _LAST_MS)).then(time)


def _instant(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        stamped = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column.dt.convert_time_zone("UTC")
        return stamped.dt.cast_time_unit("ms")
    if dtype == pl.Null:
        return column.cast(schema.TIME)
    if dtype == pl.Date:
        return column.cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
    if dtype.is_numeric():
        return _since_1970(column)
    if dtype == pl.String:
        column = column.str.strip_chars()
        stamp = pl.when(column.str.contains(_STAMP)).then(column).cast(pl.Float64, strict=False)
        # In any other form day and month may be mixed up.
        column = pl.when(column.str.contains(r"^\d{4}-?\d\d") & stamp.is_null()).then(column)
        # Polars infers one form from the first value; ISO 8601 with offsets of its own may follow.
        forms = (f"%F{sep}%T%.f{zone}" for sep in "T " for zone in ("%#z", ""))
        return pl.coalesce(
            _since_1970(stamp),
            column.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False),
            *(column.str.to_datetime(form, time_unit="ms", time_zone="UTC", strict=False) for form in forms),
        )
    raise ColumnError.mistyped(name="time", found=dtype, expected="datetimes, seconds or milliseconds since 1970")


def _since_1970(column: pl.Expr) -> pl.Expr:
    # In none of these units does a stamp between 1973 and 5138 pass for one in another.
    number = column.cast(pl.Float64)
    milliseconds = pl.lit(None, dtype=pl.Float64)
    for below, factor in ((1e20, 1e-6), (1e17, 1e-3), (1e14, 1.0), (1e11, 1e3)):
        milliseconds = pl.when(number.abs() < below).then(number * factor).otherwise(milliseconds)
    return milliseconds.round().cast(pl.Int64).cast(schema.TIME)


def clean_samples(samples: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Cast signals; what is no real amount (NaN, ±Inf, negative, absurd) becomes null and is counted."""
    present = [name for name in schema.SIGNALS if name in samples.columns]
    time = pl.col("time")
    frame = samples.select("container_id", *present, time=as_time(time, samples.schema["time"]))
    if frame.height and frame.select(time.max() - time.min() > _DECADES).item():
        usual = time.median(), time.median().over("container_id")
        far = pl.all_horizontal((time - middle).abs() > _DECADES for middle in usual)
        frame = frame.with_columns(pl.when(~far | (far.mean() > _FEW)).then(time))
    finite = {name: pl.col(name).cast(pl.Float64).is_finite() for name in present}
    real = {name: finite[name] & (pl.col(name) >= 0) for name in present}
    whole = [name for name in present if schema.SAMPLES[name] == pl.Int64]
    real |= {name: real[name] & (pl.col(name) < schema.NO_MACHINE_BYTES) for name in whole}
    counts = frame.select(
        *((~finite[name]).sum().alias(f"{name} infinite") for name in present),
        *((finite[name] & ~real[name]).sum().alias(f"{name} unreal") for name in present),
        timeless=pl.col("time").is_null().sum(),
    ).row(0, named=True)
    for name in present:
        value = pl.col(name)
        if counts[f"{name} infinite"] + counts[f"{name} unreal"]:
            value = pl.when(real[name]).then(value)
        elif frame.schema[name] == schema.SAMPLES[name]:
            continue
        value = value.round() if name in whole and frame.schema[name].is_float() else value
        frame = frame.with_columns(value.cast(schema.SAMPLES[name]).alias(name))
    if counts["timeless"]:
        frame = frame.filter(pl.col("time").is_not_null())
    frame, zeros = _without_zeros(frame)
    valued = frame.select(pl.any_horizontal(pl.lit(value=False), *(pl.col(name).is_not_null() for name in present)))
    empty_rows = int((~valued.to_series()).sum())
    left_out = {
        schema.NOT_FINITE: sum(counts[f"{name} infinite"] for name in present),
        schema.UNREAL: sum(counts[f"{name} unreal"] for name in present),
        schema.ZEROS: zeros,
        schema.NO_TIME: counts["timeless"],
        schema.NO_VALUE: empty_rows,
    }
    frame = frame.filter(valued.to_series()) if empty_rows else frame
    return frame, {reason: count for reason, count in left_out.items() if count}


def _without_zeros(samples: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Take away, and count, zeros at which nothing was measured, of containers whose amounts are far above 0."""
    names = [name for name in _NEVER_ZERO if name in samples.columns and (samples[name] == 0).any()]
    before = sum(samples[name].null_count() for name in names)
    there = [pl.col(name) > 0 for name in schema.BYTE_SIGNALS if name in samples.columns]
    nothing = pl.all_horizontal(pl.lit(value=True), *(some.fill_null(value=False).not_() for some in there))
    gaps = {}
    for name in names:
        amounts = pl.col(name).filter(pl.col(name) > 0)
        step = amounts.unique().sort().diff().min().fill_null(0)
        is_far = (amounts.min() > pl.max_horizontal(_STEPS * step, schema.LEAST_LIMIT_BYTES)).over("container_id")
        # What mostly has nothing is stopped between its batches.
        is_gap = (pl.col(name) == 0) & nothing & is_far & (pl.col(name).median() > 0).over("container_id")
        gaps[name] = pl.when(is_gap.fill_null(value=False).not_()).then(name)
    samples = samples.with_columns(**gaps)
    return samples, sum(samples[name].null_count() for name in names) - before


def rooms(containers: pl.DataFrame, events: pl.DataFrame, nodes: Mapping[str, int]) -> pl.DataFrame:
    """Tell what a container may hold: twice its node or, where none is known, many times its highest limit."""
    changed = events.filter(pl.col("kind") == "limit").group_by("container_id").agg(pl.max("value_bytes"))
    node = pl.col("node").replace_strict(dict(nodes), default=None, return_dtype=pl.Int64)
    room = pl.coalesce(2 * node, _BEYOND * pl.max_horizontal("limit_bytes", "value_bytes"))
    return beside(containers, changed, "container_id").select("container_id", room=room).drop_nulls()


def order_samples(samples: pl.DataFrame, bounds: pl.DataFrame | None = None) -> tuple[pl.DataFrame, dict[str, int]]:
    """Sort by container and time; one row per instant: a value without room goes, then a later one wins."""
    if _is_ordered(samples):
        return _marked(samples), {}
    samples = _sort(samples)
    again = FOLLOWS & (pl.col("time") == pl.col("time").shift())
    second = samples.select(again.fill_null(value=False)).to_series()
    if not second.any():
        return _marked(samples), {}
    doubled = second | second.shift(-1, fill_value=False)
    # Two sources may give different signals for one instant: only a value said twice is a double.
    twice = samples.filter(doubled)
    present = [name for name in schema.SIGNALS if name in samples.columns and twice[name].count()]
    given = sum(twice[name].count() for name in present)
    if bounds is not None:
        room = pl.col("room")
        twice = beside(twice, bounds, "container_id").with_columns(
            pl.when((pl.col(name) > room) & (pl.col(name) <= room).any().over("container_id", "time"))
            .then(None)
            .otherwise(pl.col(name))
            .alias(name)
            for name in _CHARGED
            if name in present
        )
    groups = twice.group_by("container_id", "time", maintain_order=True)
    merged = groups.agg(pl.col(name).last(ignore_nulls=True) for name in present)
    differing = groups.agg((pl.col(name) != pl.col(name).last(ignore_nulls=True)).sum() for name in present)
    possible, kept = (sum(frame[name].count() for name in present) for frame in (twice, merged))
    contradictions = sum(int(differing[name].sum()) for name in present)
    samples = pl.concat([samples.filter(~doubled), merged], how="diagonal")
    settled = {schema.TWICE: possible - kept - contradictions, schema.CONTRADICTING: contradictions}
    return _marked(_sort(samples)), {**settled, schema.IMPOSSIBLE: given - possible}


def drop_impossible(samples: pl.DataFrame, bounds: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Take away, and count, single values that there is no room for."""
    tops = samples.group_by("container_id").agg(pl.max_horizontal(pl.col(_CHARGED).max()).alias("top"))
    doubtful = bounds.join(tops, on="container_id").filter(pl.col("top") > pl.col("room")).drop("top")
    if not doubtful.height:
        return samples, 0
    rows = beside(samples, doubtful, "container_id")

    def alone(name: str) -> pl.Expr:
        value = pl.col(name)
        near = pl.max_horizontal(
            shifted.over("container_id") for shifted in (value.forward_fill().shift(), value.backward_fill().shift(-1))
        )
        return ((value > pl.col("room")) & (near <= pl.col("room"))).fill_null(value=False)

    wrong = rows.select(alone(name).alias(name) for name in _CHARGED)
    if not (count := int(sum(wrong.sum().row(0)))):
        return samples, 0
    samples = samples.with_columns(
        pl.when(~wrong[name]).then(pl.col(name)).alias(name) for name in _CHARGED if wrong[name].any()
    )
    return samples.filter(pl.any_horizontal(pl.col(schema.SIGNALS).is_not_null())), count


def _marked(samples: pl.DataFrame) -> pl.DataFrame:
    return conform(samples, schema.SAMPLES).with_columns(pl.col("container_id").set_sorted())


def _sort(samples: pl.DataFrame) -> pl.DataFrame:
    time = pl.col("time").to_physical()
    first, last, most = samples.select(time.min(), time.max().alias("last"), pl.col("container_id").max()).row(0)
    span = last - first + 1
    if (most + 1) * span >= 1 << 63:
        return samples.sort("container_id", "time", maintain_order=True)
    # One whole number sorts several times faster than two columns.
    return samples.sort(pl.col("container_id").cast(pl.Int64) * span + (time - first), maintain_order=True)


def _is_ordered(samples: pl.DataFrame) -> bool:
    container, time = samples["container_id"].to_numpy(), samples["time"].to_physical().to_numpy()
    same = container[1:] == container[:-1]
    return bool(((container[1:] > container[:-1]) | (same & (time[1:] > time[:-1]))).all())


def real_cores(frame: pl.DataFrame) -> pl.DataFrame:
    cores = [pl.col(name).cast(pl.Float64) for name in schema.CORES if name in frame.columns]
    return frame.with_columns(pl.when((each > 0) & (each <= schema.ABSURD_BYTES)).then(each) for each in cores)


def key_containers(
    containers: pl.DataFrame, workload_pattern: str | None, *, settled: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every container instance one row and one id, in a fixed order."""
    frame = real_cores(conform(containers, schema.CONTAINERS)).rename({"container_id": "old_id"})
    frame = frame.with_columns(infer(pl.col("pod"), workload_pattern).alias("inferred"))
    owner, kind = (pl.col("inferred").struct.field(name) for name in ("workload", "workload_kind"))
    unknown = pl.col("workload").is_null()
    guessed = unknown & pl.col("pod").is_not_null()
    frame = frame.with_columns(
        workload=pl.coalesce("workload", owner),
        workload_kind=pl.coalesce("workload_kind", pl.when(unknown).then(kind)),
        workload_inferred=guessed | pl.col("workload_inferred").fill_null(value=False),
    )
    frame = fill_in(frame, settled=settled)
    latest = ("limit_bytes", "request_bytes", *schema.CORES, "version")
    known = pl.col("limit_known").any() | pl.col("limit_bytes").is_not_null().any()
    told = {"limit_known": known, "workload_inferred": pl.col("workload_inferred").all()}
    others = [name for name in schema.CONTAINERS if name not in (*schema.IDENTITY, "container_id", *told, *latest)]
    merged = (
        frame.sort("workload_inferred", "old_id", maintain_order=True)
        .group_by(schema.IDENTITY, maintain_order=True)
        .agg("old_id", pl.col(latest).last(ignore_nulls=True), pl.col(others).first(ignore_nulls=True), **told)
        .sort(schema.IDENTITY, nulls_last=True)
        .with_row_index("container_id")
    )
    return conform(merged, schema.CONTAINERS), merged.select("old_id", "container_id").explode("old_id")


def fill_in(frame: pl.DataFrame, *, settled: bool = False) -> pl.DataFrame:
    """Name what is named in part as the only one that says more; of what is settled, ids alone were not."""
    named = pl.col("pod").is_not_null()
    lacking = frame.select((pl.col("namespace", "cluster", "pod_uid").is_null() & named).any()).row(0, named=True)
    for name, place in (
        *(() if settled else (("namespace", ["pod", "container"]), ("cluster", ["namespace", "pod", "container"]))),
        ("pod_uid", ["cluster", "namespace", "pod", "container"]),
    ):
        if not lacking[name]:
            continue
        # Several known values are several pods of one name: then the one without stays on its own.
        known = frame.filter(named & pl.col(name).is_not_null()).select(*place, name).unique()
        if not known.height:
            continue
        known = known.filter(pl.len().over(place) == 1).rename({name: "known"})
        filled = pl.when(named).then(pl.coalesce(name, "known")).otherwise(name).alias(name)
        frame = beside(frame, known, place).with_columns(filled).drop("known")
    place = ["cluster", "namespace", "pod", "container"]
    if settled or not frame.select(pl.struct(place).is_duplicated().any()).item():
        return frame
    # An owner that was guessed gives way to the one that is known; two that are known are two containers.
    guessed = pl.col("workload_inferred") | pl.col("workload").is_null()
    owner = (
        frame.filter(named & pl.col("workload").is_not_null())
        .unique([*place, "workload", "workload_inferred"], maintain_order=True)
        .filter((~pl.col("workload_inferred")).sum().over(place) <= 1)
        .sort("workload_inferred", maintain_order=True)
        .unique(place, keep="first", maintain_order=True)
        .select(*place, owner="workload")
    )
    owned = pl.col("owner").is_not_null() & named & guessed
    renamed = owned & (pl.col("owner") != pl.col("workload"))
    owned_by = beside(frame, owner, place).with_columns(
        workload=pl.when(owned).then("owner").otherwise("workload"),
        # The kind that was guessed with another owner does not belong to this one.
        workload_kind=pl.when(renamed).then(None).otherwise("workload_kind"),
    )
    return owned_by.drop("owner")


def tidy_events(events: pl.DataFrame) -> pl.DataFrame:
    frame = events.with_columns(time=as_time(pl.col("time"), events.schema["time"])) if events.height else events
    told = conform(frame, schema.EVENTS).drop_nulls(["time", "container_id"]).unique(maintain_order=True)
    return told.sort("container_id", "time", "kind", maintain_order=True)


def doubtful(containers: pl.DataFrame, samples: pl.DataFrame, events: pl.DataFrame) -> tuple[set[int], set[int]]:
    """Find containers of which an amount may lack its highest bits; and those of which one changes its unit."""
    short, scaled = set[int](), set[int]()
    whose = containers.select("container_id", "source", "limit_bytes")
    # Of files and the like there may be a page, and at once thousands.
    for name in (name for name in schema.FOOTPRINTS if samples[name].count()):
        amount, most = pl.col(name), pl.col("most")
        ends = {"low": amount.filter(amount > 0).min(), "most": amount.max(), "cut": amount.is_in(_MOST_OF_32).any()}
        about = samples.group_by("container_id").agg(**ends).join(whose, on="container_id")
        short.update(about.filter("cut")["container_id"])
        # What a source counts in more bits, it counts so of all.
        about = about.with_columns(narrow=most.max().over("source") < 2**32)
        about = about.filter((most >= 1024 ** (1 - _UNLIKE_TINY) * pl.col("low")) | ((most > 2**31) & pl.col("narrow")))
        rows = samples.filter(pl.col("container_id").is_in(about["container_id"].implode()), amount > 0)
        ids, values = rows["container_id"].to_numpy(), rows[name].cast(pl.Float64).to_numpy()
        turns = ids[_other_unit(ids, values, rows["time"].to_physical().to_numpy())]
        # A unit changes once.
        scaled.update(turns[np.bincount(turns)[turns] == 1].tolist())
        over = _begins_again(ids, values)
        if len(over):
            real = {"until": rows["time"][over + 1], "real": values[over + 1] + 2**32}
            begun = rows[over].select("container_id", since="time").with_columns(**real)
            # What lacks a bit is more than that; what fell at its limit is not, nor what was made anew.
            begun = begun.join(about.filter("narrow"), on="container_id")
            begun = begun.filter((pl.col("limit_bytes") >= pl.col("real")).fill_null(value=True))
            anew = begun.join(events.filter(pl.col("kind").is_in(["start", "oom_kill"])), on="container_id")
            step = pl.col("until") - pl.col("since")
            anew = anew.filter(pl.col("time").is_between("since", pl.col("until") + step))
            short.update(begun.join(anew, on="container_id", how="anti")["container_id"])
    return short, scaled


def _other_unit(ids: NDArray[Any], values: NDArray[Any], times: NDArray[Any]) -> Any:  # noqa: ANN401 - places
    # A thousand is nearly 1,024: both are one power.
    power = np.log(values) / np.log(1024)
    step = np.diff(power)
    # Beyond a gap it moved meanwhile; with none, little that grows at once is a service that starts, or wakes.
    since = np.diff(times)
    is_far = (np.minimum(values[1:], values[:-1]) < schema.LEAST_LIMIT_BYTES) & (since > ENOUGH * np.roll(since, 1))
    near = np.abs(step - np.round(step)) <= np.where(is_far, _UNLIKE_TINY, _UNLIKE)
    turns = np.flatnonzero((np.round(step) != 0) & near) + 1
    turns = turns[(turns >= ENOUGH) & (turns <= len(power) - ENOUGH)]
    around = turns[:, None] + np.arange(-ENOUGH, ENOUGH)
    levels = np.ptp(power[around].reshape(-1, 2, ENOUGH), axis=2).max(axis=1, initial=0)
    return turns[(levels <= _LEVEL) & (np.ptp(ids[around], axis=1) == 0)]


def _begins_again(ids: NDArray[np.uint32], values: NDArray[np.float64]) -> Any:  # noqa: ANN401 - places
    """Find where an amount that rises to 2**32 goes on from 0 as far as it went before, once: a saw does it again."""
    step = np.diff(values)
    over = np.flatnonzero((step < -(2**31)) & (ids[1:] == ids[:-1]))
    over = over[(over >= ENOUGH) & (np.bincount(ids[over], minlength=1)[ids[over]] == 1)]
    usual = np.median(step[over[:, None] - np.arange(1, ENOUGH)], axis=1)
    on = step[over] + 2**32
    return over[(on >= 0) & (on <= 2 * usual)]


def with_cadences(containers: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    instants = samples.select("container_id", "time")
    usual = {"step": pl.col("time").to_physical().diff().median(), "samples": pl.len()}
    there = [name for name in (*schema.FOOTPRINTS, "allocated_bytes") if samples[name].null_count() < samples.height]
    found = (
        instants.filter(samples[name].is_not_null()).group_by("container_id", maintain_order=True).agg(**usual)
        for name in there or schema.FOOTPRINTS[:1]
    )
    # Of several signals the one that was sampled most often.
    steps = pl.concat(found).sort("samples", descending=True, maintain_order=True)
    about = beside(containers, steps.unique("container_id", keep="first", maintain_order=True), "container_id")
    return about.with_columns(cadence_seconds=pl.col("step") / 1000).select(*schema.CONTAINERS)


def parse_duration(value: str | dt.timedelta) -> dt.timedelta:
    if isinstance(value, dt.timedelta):
        duration = value
    else:
        parts = list(_DURATION.finditer(value))
        if "".join(part[0] for part in parts) != value or not parts:
            msg = f"{quote(value)} is no duration. Write it like '7d', '36h' or '1h30m'."
            raise RmtoolkitError(msg)
        try:
            duration = dt.timedelta(seconds=sum(float(part["number"]) * _UNIT_SECONDS[part["unit"]] for part in parts))
        except OverflowError as error:
            msg = f"{quote(value)} is longer than any recording. Write it like '7d', '36h' or '1h30m'."
            raise RmtoolkitError(msg) from error
    if duration <= dt.timedelta(0):
        msg = f"A duration must be above zero, got {value!r}."
        raise RmtoolkitError(msg)
    return duration


def parse_time(value: str | dt.datetime) -> dt.datetime:
    try:
        stamp = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        return stamp.replace(tzinfo=dt.UTC) if stamp.tzinfo is None else stamp.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{quote(value)} is no time. Write it like '2026-11-23T03:05' (UTC) or '2026-11-23T03:05+01:00'."
        raise RmtoolkitError(msg) from error


def window_bounds(
    start: str | dt.datetime | None,
    end: str | dt.datetime | None,
    last: str | dt.timedelta | None,
    newest: dt.datetime | None,
) -> tuple[dt.datetime | None, dt.datetime | None]:
    low = parse_time(start) if start is not None else None
    high = parse_time(end) if end is not None else None
    if last is not None:
        if low is not None:
            msg = "Give either start or last, not both."
            raise RmtoolkitError(msg)
        stop = high if high is not None else newest
        length = parse_duration(last)
        # Longer than the calendar reaches back is as long as there is anything.
        low = stop - length if stop is not None and length < stop - _EARLIEST else None
    if low is not None and high is not None and high < low:
        raise ends_early(low, high)
    return low, high


def asked_window(
    last: str | dt.timedelta | None, start: str | dt.datetime | None, end: str | dt.datetime | None
) -> tuple[dt.datetime, dt.datetime]:
    """Find the window to fetch from a server: the last week until now, where nothing else is said."""
    stop = parse_time(end) if end is not None else dt.datetime.now(dt.UTC)
    begin, _ = window_bounds(start, stop, last or ("7d" if start is None else None), None)
    begin = begin or _SINCE
    if begin >= stop:
        raise ends_early(begin, stop)
    return begin, stop


def ends_early(begin: dt.datetime, stop: dt.datetime) -> RmtoolkitError:
    return RmtoolkitError(f"The window ends ({stop.isoformat()}) before it starts ({begin.isoformat()}).")


def one_stretch(samples: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep the longest stretch of a container whose rows start anew in time and say otherwise; count what is lost."""
    if samples["time"].is_sorted() or _is_ordered(samples):
        return samples, 0
    step = pl.col("time").to_physical().diff()
    about = {"step": step, "usual": step.median(), "stretch": (step < 0).fill_null(value=False).cum_sum()}
    rows = samples.with_row_index("row").with_columns(
        pl.col("time").to_physical(), *(each.over("container_id").alias(name) for name, each in about.items())
    )
    # On as far as usual, on a clock that goes round in half a day: not so where a copy of the log begins again.
    back = pl.col("step") * pl.col("usual").sign() < 0
    ahead = (pl.col("step") + pl.col("usual").sign() * _HALF_DAY_MS) / pl.col("usual")
    goes_round = rows.filter(back).select(back.any() & ahead.is_between(0, 2, closed="right").all()).item()
    if goes_round and not samples.is_duplicated().any():
        msg = (
            "The times go back by half a day, less a step, while their rows go on: the clock has twelve hours. "
            "Hint: write them with AM and PM, or with 24 hours."
        )
        raise ColumnError(msg)
    again = pl.col("stretch").max().over("container_id").is_between(1, _MOST_STRETCHES - 1)
    found = contradictions(rows.filter(again), ["container_id"], "stretch", ENOUGH)
    lost = [row for _, parts, _ in found for part in sorted(parts, key=len)[:-1] for row in part["row"]]
    kept = samples.with_row_index("row").filter(~pl.col("row").is_in(lost)).drop("row") if lost else samples
    return kept, len(lost)


def run_starts(column: pl.Series) -> NDArray[np.int64]:
    values = column.to_numpy()
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]]))


def ever(samples: pl.DataFrame, signal: pl.Expr) -> pl.Expr:
    there = samples.select(signal.is_not_null()).to_series().to_numpy()
    if there.all() or not there.any():
        return pl.lit(value=bool(there.any()))
    first = run_starts(samples["container_id"])
    return pl.lit(pl.Series(np.repeat(np.logical_or.reduceat(there, first), np.diff(first, append=samples.height))))


def one_signal(samples: pl.DataFrame, names: Iterable[str], otherwise: pl.Expr | None = None) -> pl.Expr:
    """Choose one signal per container, the first that it has: a scrape without it must not turn into another one."""
    chosen = pl.lit(None, dtype=pl.Int64) if otherwise is None else otherwise
    present = [name for name in names if samples[name].count()]
    # What comes after one that is always there is never asked.
    always = next((at for at, name in enumerate(present) if not samples[name].null_count()), len(present))
    for name in reversed(present[: always + 1]):
        signal = pl.col(name)
        chosen = pl.when(ever(samples, signal)).then(signal).otherwise(chosen) if samples[name].null_count() else signal
    return chosen


def spans(samples: pl.DataFrame, *also: str) -> pl.DataFrame:
    ends = {"first": pl.col("time").first(), "last": pl.col("time").last()}
    of_each = samples.group_by("container_id", maintain_order=True)
    return of_each.agg(*(pl.col(name).first() for name in also), samples=pl.len().cast(pl.Int64), **ends)


def search_runs(
    values: NDArray[np.int64], first: NDArray[np.int64], length: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find in many sorted stretches at once where values begin to be large enough."""
    low = np.repeat(first[:, None], wanted.shape[1], axis=1)
    high = low + length[:, None]
    for _ in range(int(length.max(initial=0)).bit_length()):
        middle = (low + high) // 2
        # Where the search is over, low and high are equal and stay so.
        open_ = low < high
        below = open_ & (values[np.minimum(middle, len(values) - 1)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low


def in_force(frame: pl.DataFrame, events: pl.DataFrame, kind: str, at: str = "time") -> pl.DataFrame:
    """Put the limit or request in force at each instant for that of the end; before its first change none is known."""
    name, changes = f"{kind}_bytes", events.filter(pl.col("kind") == kind)
    if not changes.height:
        return frame
    changed = pl.col("container_id").is_in(changes["container_id"].unique().implode())
    then = changes.select("container_id", pl.col("time").alias(at), then="value_bytes")
    found = frame.join_asof(then, on=at, by="container_id", check_sortedness=False)
    return found.with_columns(pl.when(changed).then("then").otherwise(name).alias(name)).drop("then")


def settings_at_time(containers: pl.DataFrame, events: pl.DataFrame, end: dt.datetime | pl.Expr) -> pl.DataFrame:
    """Give containers the limits and requests they had at an instant, or each at its own, a column of the events."""
    held = pl.col("time") <= end
    for kind in ("limit", "request"):
        column = f"{kind}_bytes"
        changes = events.filter(pl.col("kind") == kind, held.is_not_null()).group_by("container_id")
        then = changes.agg(then=pl.col("value_bytes").filter(held).last(), set=held.any())
        containers = beside(containers, then, "container_id").with_columns(
            pl.when(pl.col("set").is_null()).then(column).otherwise("then").alias(column),
            # What was set only later says nothing about what held before.
            *([pl.col("limit_known") & pl.col("set").fill_null(value=True)] if kind == "limit" else []),
        )
        containers = containers.drop("then", "set")
    return containers


def with_files_in_memory(samples: pl.DataFrame, containers: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Fill in the files of a tmpfs where no gauge tells them: page cache that the kernel lists nowhere as such."""
    shared, files = pl.col("shmem_bytes"), pl.col("file_bytes")
    if not samples["file_bytes"].count() or not samples["shmem_bytes"].null_count():
        return samples
    idle = pl.coalesce("inactive_file_bytes", (pl.col("usage_bytes") - pl.col("working_set_bytes")).clip(0))
    usage = pl.col("usage_bytes")
    rows = samples.select("container_id", shared, files, "active_file_bytes", usage, idle=idle)
    came, idled = (one.max() - one.min() for one in (files, pl.col("idle")))
    none = pl.col("idle").max() <= _INACTIVE * files.max()
    # Where most of it came meanwhile, what was inactive before is of other files.
    none |= (came >= files.max() / 2) & (idled <= _INACTIVE * came)
    enough = pl.col("idle").count() >= _SHOW_INACTIVE
    told = rows.group_by("container_id").agg(
        gauged=shared.count() > 0, never=none & enough, top=usage.max(), usual=usage.mean()
    )
    # What lies at its limit all the time and is not killed is given back.
    limit, killed = pl.col("limit_bytes"), events.filter(pl.col("kind") == "oom_kill")["container_id"]
    given_back = (pl.col("top") >= _FULL * limit) & (pl.col("usual") >= (1 - _INACTIVE) * limit)
    given_back &= pl.col("container_id").is_in(killed.implode()).not_()
    told = beside(told, containers.select("container_id", limit), "container_id")
    told = told.with_columns(never=pl.col("never") & given_back.fill_null(value=False).not_())
    known = beside(rows, told.select("container_id", "gauged", "never"), "container_id")
    found = (files - pl.col("idle") - pl.coalesce("active_file_bytes", pl.when("never").then(0))).clip(0)
    return samples.with_columns(known.select(shmem_bytes=pl.when("gauged").then(shared).otherwise(found)))


def apart(rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Take `PARTS` of one instant apart; unknown is null. From live heap to cache they add up to the working set."""

    def below_roof(edge: pl.Expr) -> pl.Expr:
        # The allocator's own count of pages runs a little ahead of the kernel's: nothing is above what that says.
        return pl.when(edge.is_not_null()).then(pl.min_horizontal(edge, "roof"))

    live, gaps, whole, rest = (pl.col(name) for name in ("live", "gaps", "whole", "rest"))
    pages = pl.coalesce("active_bytes", "allocated_bytes") + pl.col("free_bytes")
    own = pl.col("private").is_not_null()
    shared = pl.col("shmem_bytes").is_not_null()
    told = pl.when(pl.col("kernel_bytes").is_not_null()).then(pl.min_horizontal("kernel_bytes", rest))
    # Step by step: as one expression the same parts would be worked out hundreds of times.
    return (
        rows.with_columns(
            whole=pl.coalesce("working_set_bytes", "usage_bytes"), private=pl.coalesce("anon_bytes", "rss_bytes")
        )
        .with_columns(roof=pl.min_horizontal("private", pl.coalesce(whole, "rss_bytes", "anon_bytes", pl.lit(2**62))))
        .with_columns(
            live=below_roof(pl.col("allocated_bytes")),
            active=below_roof(pl.col("active_bytes")),
            held=below_roof(pl.coalesce("resident_bytes", pages)),
        )
        .with_columns(gaps=(pl.col("active") - live).clip(0))
        .with_columns(kept=(pl.col("held") - live - gaps.fill_null(0)).clip(0))
        .with_columns(heap=live + gaps.fill_null(0) + pl.col("kept").fill_null(0))
        .with_columns(anonymous=pl.when(own).then("roof").otherwise("heap"))
        .with_columns(room=(whole - pl.col("anonymous")).clip(0))
        .with_columns(shmem=pl.when(shared).then(pl.min_horizontal("shmem_bytes", pl.coalesce("room", "shmem_bytes"))))
        .with_columns(rest=pl.col("room") - pl.col("shmem").fill_null(0))
        .with_columns(files=(pl.col("file_bytes") - pl.col("shmem").fill_null(0)).clip(0))
        # What is neither the process's nor a file is the kernel's; where files are not told, all of the rest is cache.
        .with_columns(kernel=pl.when(own).then(pl.coalesce(told, (rest - pl.col("files")).clip(0))))
        .select(
            *keys,
            live_bytes=live,
            slack_bytes=gaps,
            kept_bytes="kept",
            outside_bytes=pl.when(own).then(pl.col("anonymous") - pl.col("heap")),
            anon_bytes="anonymous",
            cache_bytes=pl.when(own).then(rest - pl.col("kernel").fill_null(0)),
            kernel_bytes="kernel",
            shmem_bytes="shmem",
            working_set_bytes=whole,
            rss_bytes=pl.coalesce("rss_bytes", "anon_bytes"),
        )
    )


def last_layers(samples: pl.DataFrame, containers: pl.Series) -> pl.DataFrame:
    """Take the memory of containers apart at the last scrape of their lowest layer."""
    names = [name for name in PARTS if samples[name].null_count() < samples.height]
    lowest = [pl.col("time").filter(pl.col(name).is_not_null()).last() for name in _LOWEST if name in names]
    if not lowest or not containers.len():
        return apart(conform(pl.DataFrame({"container_id": containers}), _SHOWN), "container_id", "layers_time")
    ran = spans(samples)
    last = np.repeat(ran["last"].to_physical().to_numpy(), ran["samples"].to_numpy())
    age = last - samples["time"].to_physical().to_numpy()
    recent = samples.select("container_id", "time", *names).filter(age < _RECENT_MS)
    instants = recent.group_by("container_id").agg(layers_time=pl.coalesce(lowest))
    found = (
        recent.join(instants, on="container_id", maintain_order="left")
        .filter(pl.col("time").is_between(pl.col("layers_time") - _SAME_INSTANT, "layers_time"))
        .group_by("container_id", maintain_order=True)
        .agg(pl.col("layers_time").first(), pl.col(names).last(ignore_nulls=True))
    )
    return apart(conform(found, _SHOWN), "container_id", "layers_time")


def edges(samples: pl.DataFrame) -> pl.DataFrame:
    """Give the upper edges of one container's layers at every sample; null where its signal was not scraped."""
    # What bounds it is taken from the scrape before in its `life`.
    own = {
        "live": pl.col("allocated_bytes"),
        "slack": pl.col("active_bytes"),
        "kept": pl.coalesce("resident_bytes", "free_bytes"),
        "outside": pl.coalesce("anon_bytes", "rss_bytes"),
        "cache": pl.coalesce("working_set_bytes", "usage_bytes"),
    }
    there = samples.select(signal.is_not_null().alias(name) for name, signal in own.items())
    filled = samples.select("life", *PARTS).with_columns(pl.col(PARTS).forward_fill().over("life"))
    heap = pl.sum_horizontal("live_bytes", "slack_bytes")
    tops = apart(filled).select(
        live="live_bytes", slack=heap, kept=heap + pl.col("kept_bytes"), outside="anon_bytes", cache="working_set_bytes"
    )
    return tops.select(pl.when(there[name]).then(pl.col(name)).cast(pl.Float64).alias(name) for name in own)


def thick(row: dict[str, Any]) -> dict[str, int | None]:
    """Say how thick each layer is in a row, by its colour: what lies above the process's own memory is one layer."""
    whole, own = row["working_set_bytes"], row["anon_bytes"]
    rest = None if whole is None or own is None else whole - own
    layers = {name: row[f"{name}_bytes"] for name in ("live", "slack", "kept", "outside")}
    return layers | {"cache": rest, "whole": own}
