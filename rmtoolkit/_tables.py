"""The frames of a recording: keyed, cleaned, ordered, cut by time; people's own tables; times as they write them."""

from __future__ import annotations

import datetime as dt
import os
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit._identity import ENOUGH, contradictions, infer, parting
from rmtoolkit.exceptions import ColumnError, RmtoolkitError, quote, warn
from rmtoolkit.schema import (
    ABSURD_BYTES,
    ANEW,
    BYTE_SIGNALS,
    CONTAINERS,
    CONTRADICTING,
    CORES,
    EVENT_KINDS,
    EVENTS,
    FOOTPRINTS,
    IDENTITY,
    IMPOSSIBLE,
    NO_CONTAINER,
    NO_TIME,
    NO_VALUE,
    NOT_FINITE,
    SAMPLES,
    SIGNALS,
    TIME,
    TWICE,
    UNREAL,
    Report,
    empty,
)
from rmtoolkit.text import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    AnyFrame = pl.DataFrame | pl.LazyFrame | pd.DataFrame

#: Instants that nanoseconds since 1970 can tell: what lies beyond is a zero or an overflow of some clock.
CALENDAR: Final = (dt.datetime(1678, 1, 1, tzinfo=dt.UTC), dt.datetime(2261, 12, 31, tzinfo=dt.UTC))
_FIRST_MS, _LAST_MS = (round(edge.timestamp()) * 1000 for edge in CALENDAR)


def conform(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Select the schema's columns, cast to its types; a column that is not there becomes null."""
    there = frame.schema
    if [*there.items()] == [*schema.items()]:
        return frame
    return frame.select(
        (pl.col(name).cast(dtype) if name in there else pl.lit(None, dtype=dtype).alias(name))
        for name, dtype in schema.items()
    )


def beside(rows: pl.DataFrame, more: pl.DataFrame, on: str | Sequence[str]) -> pl.DataFrame:
    """Put what is known of the same keys beside rows, which keep their order; null is a key too."""
    return rows.join(more, on=on, how="left", nulls_equal=True, maintain_order="left")


def known_sum(name: str) -> pl.Expr:
    """Add up what is known; null where nothing is."""
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
        # In any other form day and month may be mixed up.
        column = pl.when(column.str.contains(r"^\s*\d{4}-?\d\d")).then(column.str.strip_chars())
        # Polars infers one form from the first value; ISO 8601 with offsets of its own may follow.
        forms = (f"%F{sep}%T%.f{zone}" for sep in "T " for zone in ("%#z", ""))
        return pl.coalesce(
            column.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False),
            *(column.str.to_datetime(form, time_unit="ms", time_zone="UTC", strict=False) for form in forms),
        )
    raise ColumnError.mistyped(name="time", found=dtype, expected="datetimes, seconds or milliseconds since 1970")


def clean_samples(samples: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Cast signals; what is no real amount (NaN, ±Inf, negative, absurd) becomes null and is counted."""
    present = [name for name in SIGNALS if name in samples.columns]
    frame = samples.select("container_id", *present, time=as_time(pl.col("time"), samples.schema["time"]))
    finite = {
        name: pl.col(name).is_finite() if frame.schema[name].is_float() else pl.lit(value=True) for name in present
    }
    real = {name: finite[name] & (pl.col(name) >= 0) for name in present}
    real |= {name: real[name] & (pl.col(name) < ABSURD_BYTES) for name in present if SAMPLES[name] == pl.Int64()}
    counts = frame.select(
        *((~finite[name]).sum().alias(f"{name} infinite") for name in present),
        *((finite[name] & ~real[name]).sum().alias(f"{name} unreal") for name in present),
        timeless=pl.col("time").is_null().sum(),
    ).row(0, named=True)
    for name in present:
        value = pl.col(name)
        if counts[f"{name} infinite"] + counts[f"{name} unreal"]:
            value = pl.when(real[name]).then(value)
        elif frame.schema[name] == SAMPLES[name]:
            continue
        whole = frame.schema[name].is_float() and SAMPLES[name] == pl.Int64
        frame = frame.with_columns((value.round() if whole else value).cast(SAMPLES[name]).alias(name))
    if counts["timeless"]:
        frame = frame.filter(pl.col("time").is_not_null())
    valued = frame.select(pl.any_horizontal(pl.lit(value=False), *(pl.col(name).is_not_null() for name in present)))
    empty_rows = int((~valued.to_series()).sum())
    left_out = {
        NOT_FINITE: sum(counts[f"{name} infinite"] for name in present),
        UNREAL: sum(counts[f"{name} unreal"] for name in present),
        NO_TIME: counts["timeless"],
        NO_VALUE: empty_rows,
    }
    frame = frame.filter(valued.to_series()) if empty_rows else frame
    return frame, {reason: count for reason, count in left_out.items() if count}


#: What the kernel counts towards a limit: no container has more of it than its machine.
_CHARGED: Final = (
    *FOOTPRINTS,
    *("file_bytes", "inactive_file_bytes", "shmem_bytes", "kernel_bytes", "peak_bytes", "swap_bytes"),
)
#: Limits change, and not every change is on record: a lone value counts up to so many times the highest one known.
_BEYOND: Final = 16


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
    present = [name for name in SIGNALS if name in samples.columns and twice[name].count()]
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
    copies = possible - kept - contradictions
    return _marked(_sort(samples)), {TWICE: copies, CONTRADICTING: contradictions, IMPOSSIBLE: given - possible}


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
    return samples.filter(pl.any_horizontal(pl.col(SIGNALS).is_not_null())), count


def _marked(samples: pl.DataFrame) -> pl.DataFrame:
    """Tell polars that containers stand one after the other: it then groups without hashing."""
    return conform(samples, SAMPLES).with_columns(pl.col("container_id").set_sorted())


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
    container, time = ids.to_numpy(), times.to_physical().to_numpy()
    same = container[1:] == container[:-1]
    return bool(((container[1:] > container[:-1]) | (same & (time[1:] > time[:-1]))).all())


def _real_cores(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep CPUs that are a number above 0: cgroups write 0 or -1 where there is no limit."""
    cores = [pl.col(name).cast(pl.Float64) for name in CORES if name in frame.columns]
    return frame.with_columns(pl.when(each.is_between(0, ABSURD_BYTES, closed="right")).then(each) for each in cores)


def key_containers(containers: pl.DataFrame, workload_pattern: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every container instance one row and one id, in a fixed order."""
    frame = _real_cores(conform(containers, CONTAINERS)).rename({"container_id": "old_id"})
    frame = frame.with_columns(infer(pl.col("pod"), workload_pattern).alias("inferred"))
    owner, kind = (pl.col("inferred").struct.field(name) for name in ("workload", "workload_kind"))
    unknown = pl.col("workload").is_null()
    guessed = unknown & pl.col("pod").is_not_null()
    frame = frame.with_columns(
        workload=pl.coalesce("workload", owner),
        workload_kind=pl.coalesce("workload_kind", pl.when(unknown).then(kind)),
        workload_inferred=guessed | pl.col("workload_inferred").fill_null(value=False),
    )
    frame = _fill_in(frame)
    latest = ("limit_bytes", "request_bytes", *CORES, "version")
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
    return conform(merged, CONTAINERS), merged.select("old_id", "container_id").explode("old_id")


def _fill_in(frame: pl.DataFrame) -> pl.DataFrame:
    """Give a pod what only another source says of it: cluster, namespace, uid, owner."""
    named = pl.col("pod").is_not_null()
    lacking = frame.select((pl.col("namespace", "cluster", "pod_uid").is_null() & named).any()).row(0, named=True)
    for name, place in (
        ("namespace", ["pod", "container"]),
        ("cluster", ["namespace", "pod", "container"]),
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
    if not frame.select(pl.struct(place).is_duplicated().any()).item():
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
    told = conform(frame, EVENTS).drop_nulls(["time", "container_id"]).unique(maintain_order=True)
    return told.sort("container_id", "time", "kind", maintain_order=True)


def with_cadences(containers: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    instants = samples.select("container_id", "time")
    usual = {"step": pl.col("time").to_physical().diff().median(), "samples": pl.len()}
    there = [name for name in (*FOOTPRINTS, "allocated_bytes") if samples[name].null_count() < samples.height]
    found = (
        instants.filter(samples[name].is_not_null()).group_by("container_id", maintain_order=True).agg(**usual)
        for name in there or FOOTPRINTS[:1]
    )
    # Of several signals the one that was sampled most often.
    steps = pl.concat(found).sort("samples", descending=True, maintain_order=True)
    about = beside(containers, steps.unique("container_id", keep="first", maintain_order=True), "container_id")
    return about.with_columns(cadence_seconds=pl.col("step") / 1000).select(*CONTAINERS)


@cache
def _aliases() -> dict[str, str]:
    """Give what the other names mean under which people bring the same columns."""
    told: list[dict[str, list[str]]] = [texts("loaders/prometheus/metrics")["labels"], texts("columns")]
    return {alias: name for one in told for name, some in one.items() for alias in some} | {
        name.removesuffix("_bytes"): name for name in BYTE_SIGNALS
    }


_UNIT: Final = re.compile(
    r"(?P<base>.*?[a-z0-9])(?:[^a-z0-9]++(?P<unit>[kmgt]i?|[kmgt]?i?b|bytes)|(?P<joined>[kmgt]i?b))[^a-z0-9]*"
)
#: Units of amounts, folded: those of the standards, as Docker and Grafana write them; Kubernetes leaves the B out.
UNITS: Final = dict.fromkeys(("", "b", "bytes"), 1) | {
    **{letter: 1000**power for power, letter in enumerate("kmg", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtpe", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtpe", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)},
}
#: With these people mean powers of 1,024 in a head, as `ps`, `free` and Kubernetes do.
POWERS: Final = {"k": 1, "m": 2, "g": 3, "t": 4}
#: No service has less memory than this, and few have more.
_LEAST_BYTES, _MOST_BYTES = 1 << 20, 1 << 36
_NO_MACHINE: Final = 1 << 44
_PAGE: Final = 4096


@lru_cache(1 << 12)
def column_of(head: str) -> tuple[str, int | None] | None:
    """Tell what the name of a column means, and of an amount how many bytes its unit has; None where it says none."""
    if head in SAMPLES or head in CONTAINERS or head in _TOTALS:
        return head, 1
    if "%" in head:
        return None
    plain = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", head).lower().strip()

    def known(text: str) -> str:
        return _aliases().get(re.sub(r"[^a-z0-9]+", "_", text).strip("_"), "")

    if name := known(plain):
        return name, None if name.endswith("_bytes") else 1
    found = _UNIT.fullmatch(plain)
    name = known(found["base"]) if found else ""
    return (name, unit_in(plain)) if name.endswith("_bytes") else None


def unit_in(name: str) -> int:
    """Tell how many bytes the unit in a metric's own name has, such as that of `app_rss_mb` or `heap_kilobytes`."""
    short = re.sub(
        r"(?<=[_.])(kilo|mega|giga|tera|kibi|mebi|gibi|tebi)bytes$", lambda word: f"{word[1][0]}b", name.lower()
    )
    found = _UNIT.fullmatch(short)
    return 1024 ** POWERS.get((found["unit"] or found["joined"])[0], 0) if found else 1


def plausible_unit(head: str, values: pl.Series) -> int:
    """Find the unit of amounts whose name says none, from all of them; refuse where two are as likely."""
    numbers = values.cast(pl.Float64, strict=False).drop_nulls()
    numbers = numbers.filter(numbers.is_finite() & (numbers > 0))
    usual = float(numbers.median() or 0)  # type: ignore[arg-type] # of numbers
    fits = [unit for unit in (1, 1 << 10, 1 << 20, 1 << 30) if _LEAST_BYTES <= usual * unit < _MOST_BYTES]
    if len(fits) > 1 and len(numbers) >= ENOUGH:
        # The kernel counts pages of 4 KiB, MiB are counted whole more often than GiB.
        whole = [unit for unit in fits if (numbers % (_PAGE // min(unit, _PAGE)) == 0).all()]
        fits = whole[:1] or [unit for unit in fits if unit > _PAGE or (numbers % 1 == 0).all()]
    if len(fits) > 1:
        msg = (
            f"The column {quote(head)} does not say its unit, and its values, such as {usual:g}, may be in several. "
            f"Hint: call it {quote(f'{head}_bytes')}, {quote(f'{head}_kib')} or {quote(f'{head}_mib')}."
        )
        raise ColumnError(msg)
    return fits[0] if fits else 1


#: A written time that names its zone, or a number.
_ZONED: Final = r"(?i)\d:\d\d.*(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)\s*$|^\s*[\d.]+\s*$"
#: True where a row follows another one of its container; null in the first row.
FOLLOWS: Final = pl.col("container_id") == pl.col("container_id").shift()
#: Columns that hold the same for a whole container, or change seldom; their changes become events.
SETTINGS: Final = ("limit_bytes", "request_bytes")
_TOTALS: Final = {"restarts_total": "start", "oom_kills_total": "oom_kill"}
_OF_CONTAINERS: Final = ("workload", "pod", "container")


def take_apart(
    frame: AnyFrame, events: AnyFrame | None, source: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, Report]:
    """Make what `normalise` takes of a table: containers, samples, events and a report."""
    table, notes = _to_polars(frame)
    signals = _check_columns(table)
    known = {"time", *signals, *CONTAINERS, *_TOTALS}
    ignored = [name for name in table.columns if name not in known]
    identity: list[str] = [name for name in (*IDENTITY, "node", "workload_kind") if name in table.columns]
    texts = [name for name in (*identity, "version") if name in table.columns]
    naive = is_naive(table["time"])
    time_axis = "as recorded, without a time zone: UTC was assumed" if naive else Report().time_axis
    given = refuse_other_clocks(table["time"]).drop_nulls().to_physical()
    time = as_time(pl.col("time"), table.schema["time"])
    table = table.with_columns(*(pl.col(name).cast(pl.String) for name in texts), time=time)
    if table.height and table["time"].null_count() == table.height:
        # A number: polars cannot show each of its instants.
        msg = f"The column 'time' holds no time that can be read, but {quote(given[0]) if given.len() else 'nulls'}."
        raise ColumnError(msg)
    left_out = {NO_TIME: table["time"].null_count()}
    table = table.drop_nulls("time")
    if "node" in identity and (names := [name for name in identity if name in _OF_CONTAINERS]):
        # Beside rows of containers those that name their machine alone are of machines.
        of_node = pl.all_horizontal(pl.col(names).is_null()) & pl.col("node").is_not_null()
        left_out[NO_CONTAINER] = 0 if table.select(of_node.all()).item() else table.select(of_node.sum()).item()
        table = table.filter(~of_node) if left_out[NO_CONTAINER] else table
    table, parted = _parted(table, identity, [*(["node"] if "node" in identity else []), *ignored])
    identity = list(dict.fromkeys([*(["cluster"] if parted else []), *identity]))
    table, containers = _identify(table, identity)
    about, changes = _settings(table)
    containers = beside(containers, about, "container_id").with_columns(source=pl.lit(source))
    found = [changes]
    if events is not None:
        named, strangers, containers = _identified(_to_polars(events)[0], containers, identity)
        found.append(named)
        if strangers:
            left_out["events of containers that are not in the frame"] = strangers
    samples, left_out[ANEW] = one_stretch(table.select("container_id", "time", *signals))
    if not identity and (name := _in_turn(samples, signals)):
        turn = f"In the column {quote(name)} two series seem to take turns"
        warn(f"{turn}: every second value is of another level. Hint: name their containers in a column pod.")
        notes.append(f"in the column {name!r} two series seem to take turns")
    if name := _other_unit(samples, signals):
        unit = f"in the column {quote(name)} the unit seems to change on the way"
        warn(f"I{unit[1:]}: from one value to the next it is about a thousand, or a million, times another.")
        notes.append(unit)
    report = Report(
        sources=(source,),
        found=("restarts",) if "restarts_total" in table.columns else (),
        left_out={reason: count for reason, count in left_out.items() if count},
        warnings=(*notes, *parted, *([f"columns not used: {', '.join(map(quote, ignored))}"] if ignored else [])),
        time_axis=time_axis,
    )
    return containers, samples, pl.concat(found, how="diagonal_relaxed"), report


def _to_polars(frame: Any) -> tuple[pl.DataFrame, list[str]]:  # noqa: ANN401 - any kind of table
    """Give a table the names and units of the schema, and say what was read as what."""
    later = getattr(frame, "collect", getattr(frame, "compute", None))
    frame = frame if later is None else later()
    if hasattr(frame, "columns") and hasattr(frame, "index"):
        frame = _from_pandas(frame)
    elif hasattr(frame, "__arrow_c_stream__"):
        frame = pl.DataFrame(frame)
    else:
        msg = f"Expected a Recording or a table (polars, pandas, Arrow), got {type(frame).__name__}."
        if isinstance(frame, str | os.PathLike):
            msg += f" Hint: rm.read({quote(os.fspath(frame))}) reads files, folders and lakes."
        raise RmtoolkitError(msg)
    notes: list[str] = []
    # Of two units of one amount the one that can mean nothing else comes first.
    for head in sorted(frame.columns, key=lambda head: re.search(r"(?i)[kmgt]b[^a-z]*$", head) is not None):
        name, unit = column_of(head) or ("", 1)
        if not name or head == name:
            continue
        factor = _factor(frame[head], name, unit)
        value = pl.col(head) * factor if factor > 1 else pl.col(head)
        if name in frame.columns:
            # Two of one meaning: what is called as in the schema wins, else the first; the other is reported as unused
            # unless it only speaks where that is silent, as where a name was changed on the way.
            both = pl.col(name).is_not_null() & pl.col(head).is_not_null()
            if frame.select(both.any() | pl.col(head).is_null().all()).item():
                continue
            value = pl.coalesce(name, value)
        if unit is None and factor > 1:
            warn(f"Column {quote(head)} does not say its unit: read as {'KMG'[factor.bit_length() // 10 - 1]}iB.")
        frame = frame.with_columns(value.alias(head)).drop(name, strict=False).rename({head: name})
        of_units = f", in units of {factor:,} bytes" if factor > 1 else ""
        notes.append(f"column {head!r} was read as {name!r}{of_units}")
    return frame, notes


def _factor(amounts: pl.Series, name: str, unit: int | None) -> int:
    """Tell how many bytes each number of a column is; refuse what no machine has."""
    if not amounts.dtype.is_numeric():
        return unit or 1
    factor = plausible_unit(amounts.name, amounts) if unit is None else unit
    usual = float(amounts.median() or 0)  # type: ignore[arg-type] # of numbers
    if factor > 1 and usual * factor >= _NO_MACHINE:
        head = quote(amounts.name)
        msg = f"No machine has {usual:,.0f} of {head}. Hint: if it holds bytes, call it {quote(name)}."
        raise ColumnError(msg)
    return factor


def _parted(table: pl.DataFrame, identity: Sequence[str], extras: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """Let a column that tells containers of one name with other values apart stand as cluster."""
    keys = [name for name in IDENTITY if name in identity]
    signals = [name for name in BYTE_SIGNALS if name in table.columns]
    for label in (name for name in extras if table[name].dtype == pl.String and table[name].n_unique() > 1):
        rows = table.select(*keys, label, *signals, "time").sort("time").filter(pl.len().over(*keys, label) >= ENOUGH)
        if next(contradictions(rows, keys, label, 1, steady=True), None) is not None:
            own = pl.col("cluster") if "cluster" in table.columns else pl.lit(None, pl.String)
            note = f"containers of one name with other values: told apart by the column {quote(label)}"
            return table.with_columns(cluster=parting(own, label)), [f"{note}, which stands as cluster"]
    return table, []


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
    for name in (*signals, *SETTINGS, *CORES, *_TOTALS):
        dtype = table.schema.get(name)
        if dtype is not None and not dtype.is_numeric() and dtype != pl.Null:
            raise ColumnError.mistyped(name, found=dtype, expected="a number")
    return signals


#: Days since 1900, from 1954 to 2119: as seconds they would all lie in the first day of 1970.
_DAYS: Final = (20_000, 80_000)
#: Seconds since a start are fewer than the first, those since 1970 more than the second, which is in 2001.
_NO_SECONDS: Final = (10_000_000, 1_000_000_000)


def _is_other_clock(time: pl.Series) -> bool:
    read = time.to_frame("time").select(as_time(pl.col("time"), time.dtype)).to_series().to_physical()
    return bool((read / 1000).is_between(*_NO_SECONDS).all() and read.count())


def refuse_other_clocks(time: pl.Series) -> pl.Series:
    """Refuse numbers that count something else than seconds, or parts of them, since 1970; give anything else back."""
    if not time.dtype.is_numeric() or not time.count():
        return time
    shown = f"{time.drop_nulls().cast(pl.Float64)[0]:.17g}"
    if time.dtype.is_float() and time.is_between(*_DAYS).all() and (time != time.floor()).any():
        days = f"{quote(time.name)} holds days of a spreadsheet, such as {float(shown):g}."
        msg = f"{days} Hint: format the column as yyyy-mm-dd hh:mm:ss and export again."
        raise ColumnError(msg)
    # Nearly always its first one tells that a clock is meant.
    if _is_other_clock(time.drop_nulls().head(1)) and _is_other_clock(time):
        other = f"{quote(time.name)} counts from another day than 1970, or in another unit: it holds {shown}."
        msg = f"{other} Hint: write seconds or milliseconds since 1970, or times such as 2026-11-24T08:00:00Z."
        raise ColumnError(msg)
    return time


def is_naive(time: pl.Series) -> bool:
    """Tell whether times lack a zone; a number counts from 1970 and needs none."""
    if time.dtype == pl.String:
        return bool((~time.str.contains(_ZONED)).any())
    return (isinstance(time.dtype, pl.Datetime) and time.dtype.time_zone is None) or time.dtype == pl.Date


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
    ids = beside(heads, containers, identity)["container_id"]
    return table.with_columns(container_id=ids.gather(run)), containers


#: Two series take turns where nearly every step goes back, far, to near where the one before it began.
_TURNS, _NEAR, _FAR = 0.9, 0.1, 0.05


def _in_turn(samples: pl.DataFrame, signals: Sequence[str]) -> str:
    """Find an amount of which every second value is of another container."""
    rows = samples.sort("time")
    for name in (name for name in signals if name in BYTE_SIGNALS):
        values = rows[name].drop_nulls().cast(pl.Float64).to_numpy()
        steps, twos = np.diff(values), np.abs(values[2:] - values[:-2])
        if len(twos) >= 2 * ENOUGH:
            step = np.median(np.abs(steps))
            turns = np.mean(steps[1:] * steps[:-1] < 0) >= _TURNS
            if turns and np.median(twos) < _NEAR * step and step > _FAR * np.median(values):
                return name
    return ""


#: So far a value may move while its unit changes, in powers of 1,024.
_UNLIKE: Final = 0.02


def _other_unit(samples: pl.DataFrame, signals: Sequence[str]) -> str:
    """Find an amount that a container has at one level and then, at once and to stay, at that of another unit."""
    amounts = [name for name in signals if name in BYTE_SIGNALS]
    ends = samples.group_by("container_id").agg(
        (pl.col(name).max() >= 1024 ** (1 - _UNLIKE) * pl.col(name).filter(pl.col(name) > 0).min()) for name in amounts
    )
    for name in amounts:
        rows = samples.join(ends.filter(name), on="container_id", how="semi").select("container_id", "time", name)
        rows = rows.filter(pl.col(name).is_between(1, ABSURD_BYTES)).sort("container_id", "time")
        # A thousand is nearly 1,024: both are one power.
        ids, power = rows["container_id"].to_numpy(), rows[name].cast(pl.Float64).log(1024).to_numpy()
        step = np.diff(power)
        turns = np.flatnonzero((abs(np.round(step)) >= 1) & (abs(step - np.round(step)) <= _UNLIKE)) + 1
        turns = turns[(turns >= ENOUGH) & (turns <= len(power) - ENOUGH)]
        around = turns[:, None] + np.arange(-ENOUGH, ENOUGH)
        levels = np.ptp(power[around].reshape(-1, 2, ENOUGH), axis=2).max(axis=1, initial=0)
        if ((levels <= _NEAR) & (np.ptp(ids[around], axis=1) == 0)).any():
            return name
    return ""


def _settings(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Find what holds at the window's end, and turn what changed before into events."""
    used = [
        name
        for name in (*CONTAINERS, *_TOTALS)
        if name in table.columns and name not in (*IDENTITY, "node", "workload_kind", "source", "cadence_seconds")
    ]
    if used == ["container_id"]:
        return table.select("container_id").unique(), empty(EVENTS)
    rows = _real_cores(table.select("time", *used)).sort("container_id", "time", maintain_order=True)
    plain = [name for name in used if name in CONTAINERS and name != "container_id"]
    known = {name: pl.col(name).drop_nulls().last() for name in plain}
    found = [empty(EVENTS)]
    for name in SETTINGS:
        if name in used:
            # "No limit" is written as 0, -1, infinity or a number near 2**63; NaN is no statement.
            value = pl.col(name).cast(pl.Float64)
            said = pl.col(name).is_not_null() & value.is_not_nan()
            real = (value > 0) & (value < ABSURD_BYTES)
            rows = rows.with_columns(
                pl.when(said & real).then(pl.col(name)).cast(pl.Int64).alias(name), said.alias(f"{name} said")
            )
            known[name] = pl.col(name).filter(pl.col(f"{name} said")).last()
            found.append(_changes(rows.filter(f"{name} said"), name, name.removesuffix("_bytes"), "value_bytes"))
    if "limit_bytes" in used:
        given = pl.col("limit_known").any() if "limit_known" in used else pl.lit(value=False)
        known["limit_known"] = given | pl.col("limit_bytes said").any()
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
    about = rows.group_by("container_id", maintain_order=True).agg(**known)
    return about, pl.concat(found, how="diagonal_relaxed")


def _changes(rows: pl.DataFrame, name: str, kind: str, into: str) -> pl.DataFrame:
    """List the changes of a setting, and before them the value it had at first."""
    turned = rows.filter(~FOLLOWS.fill_null(value=False) | pl.col(name).ne_missing(pl.col(name).shift()))
    turned = turned.filter(pl.len().over("container_id") > 1)
    return turned.select("container_id", "time", kind=pl.lit(kind), **{into: pl.col(name)})


def _identified(
    events: pl.DataFrame, containers: pl.DataFrame, identity: list[str]
) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    """Give events that name their container its id; count those whose container is unknown, and list the known ones."""
    for name in ("time", "kind"):
        if name not in events.columns:
            raise ColumnError.missing(name, events.columns)
    unknown = events.filter(~pl.col("kind").is_in(EVENT_KINDS))["kind"].unique().to_list()
    if unknown:
        msg = f"Unknown event kinds: {', '.join(map(quote, unknown))}. Known: {', '.join(EVENT_KINDS)}."
        raise RmtoolkitError(msg)
    on = [name for name in identity if name in events.columns]
    events = events.drop("container_id", strict=False).with_row_index("row")
    events = events.with_columns(
        *(pl.col(name).cast(pl.String) for name in on), time=as_time(pl.col("time"), events.schema["time"])
    )
    if on:
        # What was killed before any sample saw it is known all the same, beside what is sampled.
        unseen = events.filter(kind="oom_kill").select(on).unique(maintain_order=True)
        unseen = unseen.join(containers, on=on, how="anti", nulls_equal=True)
        if "namespace" in on:
            unseen = unseen.join(containers, on="namespace", how="semi", nulls_equal=True)
        first = containers.select(pl.col("container_id").max().cast(pl.Int64).fill_null(-1)).item() + 1
        unseen = unseen.with_row_index("container_id", first).cast({"container_id": containers.schema["container_id"]})
        agreed = [name for name in ("cluster", "namespace", "container") if name in identity and name not in on]
        same = containers.select(pl.col(name).unique() for name in agreed if containers[name].n_unique() == 1)
        containers = pl.concat([containers, unseen.join(same, how="cross") if same.width else unseen], how="diagonal")
    ids = containers.select("container_id", *on)
    joined = events.join(ids, on=on, how="inner", nulls_equal=True) if on else events.join(ids, how="cross")
    kept = ["container_id", "time", "kind", *(name for name in ("value_bytes", "detail") if name in joined.columns)]
    return joined.select(kept), events.height - joined["row"].n_unique(), containers


_DURATION: Final = re.compile(r"(?<![0-9])(?P<number>[0-9]++(?:\.[0-9]++)?)(?P<unit>ms|s|m|h|d|w)")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EARLIEST: Final = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
#: What is longer than the calendar begins here.
_SINCE: Final = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)


def parse_duration(value: str | dt.timedelta) -> dt.timedelta:
    """Read a duration such as ``"7d"``, ``"1h30m"`` or a timedelta."""
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
    """Read an instant; without a zone it is UTC."""
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


#: A log that starts anew more often than this is one whose rows are in no order.
_MOST_STRETCHES: Final = 8
_HALF_DAY_MS: Final = 43_200_000


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
    lost = [row for _, parts in found for part in sorted(parts, key=len)[:-1] for row in part["row"]]
    kept = samples.with_row_index("row").filter(~pl.col("row").is_in(lost)).drop("row") if lost else samples
    return kept, len(lost)


def run_starts(column: pl.Series) -> NDArray[np.int64]:
    """Find the rows at which a value differs from the one before."""
    values = column.to_numpy()
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]]))


def ever(samples: pl.DataFrame, signal: pl.Expr) -> pl.Expr:
    """Tell of every sample whether its container has a signal at all."""
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
    first = run_starts(samples["container_id"])
    length = np.diff(first, append=samples.height)
    found = {
        **{name: samples[name][first] for name in ("container_id", *also)},
        "samples": length,
        "first": samples["time"][first],
        "last": samples["time"][first + length - 1],
    }
    return pl.DataFrame(found)


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


#: Page cache of which no larger share is ever inactive is files in memory; of files that are read a sixth or more is.
_INACTIVE: Final = 0.05
#: ... unless the whole fills its limit to this share.
_FULL: Final = 0.99
#: Fewer samples do not show what is inactive at times.
_SHOW_INACTIVE: Final = 24


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


#: Signals of the layers, from the lowest up: the first one that was ever scraped says which instant is shown.
_LOWEST: Final = ("allocated_bytes", "anon_bytes", "rss_bytes", "working_set_bytes", "usage_bytes")
#: Signals that layers are made of.
PARTS: Final = (*_LOWEST, "active_bytes", "resident_bytes", "free_bytes", "shmem_bytes", "kernel_bytes", "file_bytes")
_SHOWN: Final = {"container_id": pl.UInt32(), "layers_time": TIME, **dict.fromkeys(PARTS, pl.Int64())}
#: What was scraped longer before that instant is no part of it.
_SAME_INSTANT: Final = dt.timedelta(hours=1)
#: What was scraped longer before the last sample is not shown at all.
_RECENT_MS: Final = 24 * 3_600_000


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


#: Upper edges of the layers, from the bottom up.
TOPS: Final = ("live", "slack", "kept", "outside", "cache")


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
