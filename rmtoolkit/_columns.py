"""What tables that people bring mean: names and units of columns, clocks, whose a row is, what changed on the way."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import schema
from rmtoolkit._identity import ENOUGH, HIGH, STATISTIC_LABELS, contradictions, parting, statistic
from rmtoolkit._tables import FOLLOWS, as_time, beside, one_stretch, real_cores
from rmtoolkit.exceptions import ColumnError, RmtoolkitError, quote, warn
from rmtoolkit.text import GI, looks, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    AnyFrame = pl.DataFrame | pl.LazyFrame | pd.DataFrame

_UNIT: Final = re.compile(looks("texts")["unit"])
#: What may stand in the name of an amount and changes nothing, and a unit in full.
_BESIDE: Final = re.compile(r"^(?:max|last)\((?=[^()]+\)$)|(?<=[^a-z0-9])in(?=[^a-z0-9])")
_IN_FULL: Final = re.compile(r"(?<![a-z])(kilo|mega|giga|tera|kibi|mebi|gibi|tebi)bytes(?![a-z])")
#: No service has less memory than this, and few have more.
_LEAST_BYTES, _MOST_BYTES = 1 << 20, 1 << 36
_PAGE: Final = 4096
#: What is no amount and no name, and what is a name.
NO_CELLS: Final = (pl.List, pl.Array, pl.Struct, pl.Map, pl.Binary, pl.Object)
_NAMED: Final = (pl.String, pl.Categorical, pl.Enum)
#: What holds the names, or the amounts, of whose row it is; what else holds some may tell of others.
_WRAPPERS: Final = (
    *("fields", "mem", "memory", "labels", "k8s", "kubernetes", "resource", "metric", "tags", "attributes"),
)
#: Columns lie so deep, and so many are made of one table, of keys of a map, and of metrics of a frame.
_DEEPEST, _MOST_MADE, _MOST_KEYS = 8, 1000, 20
_NO_NAME: Final = r"^\s|\s$|^(?:NULL|N/A|NaN|None|<none>|<null>|<NA>|\\N)?$"
#: A written time that names its zone, or a number.
ZONED: Final = r"(?i)\d:\d\d.*(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)\s*$|^\s*[\d.]+\s*$"
#: What no memory of a process or a container is told by alone: machines have such amounts too.
_PARTS: Final = {"active_bytes", "mapped_bytes", "retained_bytes", "metadata_bytes", "free_bytes"}
_AMOUNTS: Final = {*schema.BYTE_SIGNALS, *schema.SETTINGS}
_OF_CONTAINERS: Final = ("workload", "pod", "container")
_TOTALS: Final = {"restarts_total": "start", "oom_kills_total": "oom_kill"}
#: Days since 1900, from 1954 to 2119: as seconds they would all lie in the first day of 1970.
_DAYS: Final = (20_000, 80_000)
#: Seconds since a start are fewer than the first, those since 1970 more than the second, which is in 2001.
_NO_SECONDS: Final = (10_000_000, 1_000_000_000)
#: Two series take turns where nearly every step goes back, far, to near where the one before it began.
_TURNS, _NEAR, _FAR = 0.9, 0.1, 0.05


@cache
def _aliases() -> dict[str, str]:
    told: list[dict[str, list[str]]] = [texts("loaders/prometheus/metrics")["labels"], texts("columns")]
    return {alias: name for one in told for name, some in one.items() for alias in some} | {
        name.removesuffix("_bytes"): name for name in schema.BYTE_SIGNALS
    }


@lru_cache(1 << 12)
def column_of(head: str) -> tuple[str, int | None]:
    """Tell what a column's name means, if anything, and the bytes of an amount's unit: None where it is not said."""
    if head in schema.SAMPLES or head in schema.CONTAINERS or head in _TOTALS:
        return head, 1
    if "%" in head:
        return "", None
    plain = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", head).lower().strip()

    def known(text: str) -> str:
        return _aliases().get(re.sub(r"[^a-z0-9]+", "_", text).strip("_"), "")

    if name := known(plain):
        return name, None if name.endswith("_bytes") else 1
    plain = _IN_FULL.sub(lambda word: f"{word[1][0]}b", plain)
    for text in dict.fromkeys((plain, _BESIDE.sub("", plain))):
        found = _UNIT.fullmatch(text)
        if (name := known(found["base"].removesuffix("_bytes")) if found else "").endswith("_bytes"):
            return name, unit_in(text)
        if (name := known(text)).endswith("_bytes"):
            return name, None
    return "", None


def unit_in(name: str) -> int:
    """Tell how many bytes the unit in a metric's own name has, such as that of `app_rss_mb` or `heap_kilobytes`."""
    short = _IN_FULL.sub(lambda word: f"{word[1][0]}b", name.lower())
    # Behind it may stand a statistic.
    found = _UNIT.fullmatch(short) or re.search(r"_(?P<unit>[kmgt]i?b)(?P<joined>_)", short)
    return 1024 ** schema.POWERS.get((found["unit"] or found["joined"])[0], 0) if found else 1


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


def take_apart(
    frame: AnyFrame, events: AnyFrame | None, source: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, schema.Report]:
    table, notes = _to_polars(frame)
    signals = _check_columns(table)
    known = {"time", *signals, *schema.CONTAINERS, *_TOTALS}
    ignored = [name for name in table.columns if name not in known]
    identity: list[str] = [name for name in (*schema.IDENTITY, "node", "workload_kind") if name in table.columns]
    texts = [name for name in (*identity, "version") if name in table.columns]
    naive = is_naive(table["time"])
    time_axis = "as recorded, without a time zone: UTC was assumed" if naive else schema.Report().time_axis
    given = refuse_other_clocks(table["time"]).drop_nulls().to_physical()
    time = as_time(pl.col("time"), table.schema["time"])
    table = table.with_columns(*(pl.col(name).cast(pl.String) for name in texts), time=time)
    # Blanks around a name say nothing, and an empty one is none, as databases and pandas write it in words, too.
    blank = [name for name in texts if table[name].unique().str.contains(_NO_NAME).any()]
    table = table.with_columns(pl.col(blank).str.strip_chars().str.replace(_NO_NAME, "").replace("", None))
    if table.height and table["time"].null_count() == table.height:
        # A number: polars cannot show each of its instants.
        shown = quote(given[0]) if given.len() else "nulls"
        msg = f"The column 'time' holds no time that can be read, but {shown}. Hint: write it as 2026-11-24T08:00:00Z."
        raise ColumnError(msg)
    left_out = {schema.NO_TIME: table["time"].null_count()}
    table = table.drop_nulls("time")
    if names := [name for name in identity if name in _OF_CONTAINERS]:
        # Beside rows of containers those that name a machine are of machines, those that name nothing of nobody.
        places = [pl.col(name).is_null() for name in ("cluster", "namespace") if name in identity]
        of_node = [pl.col("node").is_not_null()] if "node" in identity else []
        alone = pl.any_horizontal(pl.all_horizontal(pl.lit(value=True), *places), *of_node)
        of_none = table.select(pl.all_horizontal(pl.col(names).is_null()) & alone).to_series()
        left_out[schema.NO_CONTAINER] = 0 if of_none.all() else int(of_none.sum())
        table = table.filter(~of_none) if left_out[schema.NO_CONTAINER] else table
    # As cAdvisor calls what holds the namespaces of a pod: no container of Kubernetes can have capitals.
    if "container" in identity and not (is_pause := table["container"].eq_missing("POD")).all():
        left_out[schema.PAUSE] = int(is_pause.sum())
        table = table.filter(~is_pause)
    table, left_out[schema.SUMMARIES], unusable = _highest(table, [*identity, "time"], ignored)
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
    samples, left_out[schema.ANEW] = one_stretch(table.select("container_id", "time", *signals))
    if not identity and (name := _in_turn(samples, signals)):
        notes.append(f"in the column {quote(name)} two series seem to take turns")
        warn(f"I{notes[-1][1:]}: every second value is of another level. Hint: name their containers in a column pod.")
    report = schema.Report(
        sources=(source,),
        found=tuple(
            kind for kind, name in zip(("restarts", "OOM kills"), _TOTALS, strict=True) if name in table.columns
        ),
        left_out={reason: count for reason, count in left_out.items() if count},
        unusable=schema.in_doubt(*unusable),
        warnings=(*notes, *parted, *([f"columns not used: {', '.join(map(quote, ignored))}"] if ignored else [])),
        time_axis=time_axis,
    )
    return containers, samples, pl.concat(found, how="diagonal_relaxed"), report


def _to_polars(frame: Any) -> tuple[pl.DataFrame, list[str]]:  # noqa: ANN401 - any kind of table
    """Give a table the names and units of the schema, and say what was read as what."""
    later = getattr(frame, "collect", getattr(frame, "compute", None))
    frame = frame if later is None else later()
    frame = frame.to_frame() if type(frame).__name__ == "Series" else frame
    if hasattr(frame, "columns") and hasattr(frame, "index"):
        frame = _from_pandas(frame)
    elif hasattr(frame, "__arrow_c_stream__"):
        frame = pl.DataFrame(frame)
    else:
        msg = f"Expected a Recording or a table (polars, pandas, Arrow), got {type(frame).__name__}."
        if isinstance(frame, str | os.PathLike):
            msg += f" Hint: rm.read({quote(os.fspath(frame))}) reads files, folders and lakes."
        elif isinstance(frame, dict | list):
            msg += " Hint: polars.DataFrame(…) makes a table of lists."
        raise RmtoolkitError(msg)
    frame = unnested(frame)
    own = own_names(frame.columns)
    frame, notes = _by_metric(frame.rename(own))
    notes += [f"column {head!r} was read as {name!r}" for head, name in own.items()]
    # Lists and the like are no amount and no name.
    frame = frame.drop(
        name for name, dtype in frame.schema.items() if isinstance(dtype, NO_CELLS) and column_of(name)[0]
    )
    # Of two units of one amount the one that can mean nothing else comes first.
    for head in sorted(frame.columns, key=lambda head: re.search(r"(?i)[kmgt]b[^a-z]*$", head) is not None):
        name, unit = column_of(head)
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


def unnested(table: pl.DataFrame) -> pl.DataFrame:
    """Give what lies in structs and maps columns of their own, such as `labels.pod`; other lists stay as they are."""
    for _ in range(_DEEPEST):
        made: dict[str, pl.Series] = {}
        for column in table:
            is_struct = isinstance(column.dtype, pl.Struct)
            inner = column.struct.unnest() if is_struct else _of_map(column) if is_map(column.dtype) else [column]
            for one in inner:
                name = one.name if one is column else f"{column.name}.{one.name}"
                made.setdefault(name, one.alias(name))
        if made.keys() == {*table.columns} or len(made) > table.width + _MOST_MADE:
            break
        table = pl.DataFrame([*made.values()])
    return table


def is_map(dtype: pl.DataType) -> bool:
    """Whether values have names of their own in each row, as labels do: a map, or a list of such pairs."""
    if isinstance(dtype, pl.Map):
        return isinstance(dtype.key, _NAMED)
    inner = dtype.inner.fields if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct) else []
    return len(inner) == 2 and isinstance(inner[0].dtype, _NAMED)  # noqa: PLR2004


def _of_map(pairs: pl.Series) -> pl.DataFrame:
    if isinstance(pairs.dtype, pl.Map):
        pairs = pairs.cast(pl.List(pl.Struct({"key": pl.String, "value": pairs.dtype.value})))
    rows = pl.DataFrame({"\0row": pl.int_range(len(pairs), eager=True), "\0pair": pairs})
    told = rows.explode("\0pair").drop_nulls().unnest("\0pair")
    row, key, value = told.columns
    told = told.with_columns(pl.col(key).cast(pl.String)).drop_nulls(key)
    # Names that most rows have, and those first that mean something.
    names = told[key].value_counts(sort=True)[key].head(_MOST_MADE).to_list()
    kept = sorted(names, key=lambda name: not column_of(name)[0])[:_MOST_KEYS]
    told = told.filter(pl.col(key).is_in(kept))
    wide = told.pivot(key, index=row, values=value, aggregate_function="first")  # noqa: PD010 - of polars
    return beside(rows.select(row), wide, row).drop(row)


def own_names(heads: Sequence[str]) -> dict[str, str]:
    """Call what lies in a holder of names or amounts, as `labels.pod`, as itself, where nothing else means that."""
    ends: dict[str, str] = {}
    for head in heads:
        end = head
        while "." in end and end.partition(".")[0] in _WRAPPERS:
            end = end.partition(".")[2]
        if end != head and not column_of(head)[0] and (end in schema.SAMPLES or column_of(end)[0] in schema.IDENTITY):
            ends[head] = end
    meant = Counter(column_of(name)[0] for name in (*heads, *ends.values()))
    return {head: end for head, end in ends.items() if meant[column_of(end)[0]] == 1}


def _by_metric(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Give each metric a column, where each row is a value of one, as the client of Prometheus makes frames."""
    if not isinstance(rows.schema.get("__name__"), _NAMED) or "value" not in rows.columns:
        return rows, []
    rows = rows.with_columns(pl.col("__name__").cast(pl.String))
    names = rows["__name__"].drop_nulls().value_counts(sort=True)["__name__"].head(_MOST_MADE).to_list()
    known = [name for name in names if column_of(name)[0] in schema.SIGNALS][:_MOST_KEYS]
    if not known or {*known} & {*rows.columns}:
        return rows, []
    parts = (rows.filter(__name__=name).drop("__name__").rename({"value": name}) for name in known)
    found = pl.concat(parts, how="diagonal")
    others = sorted({*names}.difference(known))
    said = (
        f"{rows.height - found.height:,} rows of other metrics not used: {', '.join(map(quote, others[:_MOST_KEYS]))}"
    )
    return found, [said] * bool(others)


def _factor(amounts: pl.Series, name: str, unit: int | None) -> int:
    if not amounts.dtype.is_numeric():
        return unit or 1
    factor = plausible_unit(amounts.name, amounts) if unit is None else unit
    usual = float(amounts.median() or 0)  # type: ignore[arg-type] # of numbers
    if factor > 1 and usual * factor >= _MOST_BYTES:
        hint = f"Hint: if it holds bytes, call it {quote(name)}."
        if usual * factor >= schema.NO_MACHINE_BYTES:
            msg = f"No machine has {usual:,.0f} of {quote(amounts.name)}. {hint}"
            raise ColumnError(msg)
        warn(f"Few services have {usual * factor / GI:,.0f} Gi, as {quote(amounts.name)} says by its name. {hint}")
    return factor


def _highest(
    table: pl.DataFrame, keys: Sequence[str], extras: Sequence[str]
) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    """Keep of statistics of one amount, which a column names, the highest; count the rest; say if it is no maximum."""
    same = [*keys, *(pl.col(name).is_null().alias(f"no {name}") for name in schema.SIGNALS if name in table.columns)]
    for name in (name for name in extras if name.lower() in STATISTIC_LABELS):
        said = pl.col(name).cast(pl.String).fill_null("")
        kinds = {text: statistic({name.lower(): text}) for text in table.select(said.unique()).to_series()}
        shares = [kind for kind in kinds.values() if kind is not None]
        if shares and len(shares) == len(kinds):
            share = said.replace_strict(kinds)
            kept = table.filter(share == share.max().over(same)) if len(set(shares)) > 1 else table
            unusable = () if max(shares) >= HIGH else (f"containers {schema.LESS}",)
            return kept, table.height - kept.height, unusable
    return table, 0, ()


def _parted(table: pl.DataFrame, identity: Sequence[str], extras: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """Let a column that tells containers of one name with other values apart stand as cluster."""
    keys = [name for name in schema.IDENTITY if name in identity]
    signals = [name for name in schema.BYTE_SIGNALS if name in table.columns]
    for label in (name for name in extras if table[name].dtype == pl.String and table[name].n_unique() > 1):
        rows = table.select(*keys, label, *signals, "time").sort("time").filter(pl.len().over(*keys, label) >= ENOUGH)
        if next(contradictions(rows, keys, label, 1, steady=True), None) is not None:
            if all(column_of(text or "")[0] in _AMOUNTS for text in table[label].unique()):
                msg = f"{quote(label)} says which amount each row holds. Hint: give each of them a column of its own."
                raise ColumnError(msg)
            if table[label].str.starts_with("node/").any():
                warn(f"{quote(label)} names nodes, too. Hint: leave them out, they hold what their pods hold.")
            own = pl.col("cluster") if "cluster" in table.columns else pl.lit(None, pl.String)
            note = f"containers of one name with other values: told apart by the column {quote(label)}"
            return table.with_columns(cluster=parting(own, label)), [f"{note}, which stands as cluster"]
    return table, []


def _from_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    frame, index = frame.set_axis(frame.columns.map(str), axis=1).reset_index(drop=True), frame.index
    levels: dict[str, Any] = {}
    for at in range(index.nlevels):
        level = index.get_level_values(at)
        name = level.name
        # Numbers of rows say nothing.
        if name is None and (index.nlevels > 1 or level.inferred_type != "integer"):
            is_time = level.inferred_type.startswith("date") and not {"time"} & {*frame.columns, *levels, *index.names}
            name = "time" if is_time else f"level_{at}"
        if name is not None and str(name) not in frame.columns:
            level = level.astype(object) if level.inferred_type == "categorical" else level
            levels[f"level_{at}" if str(name) in levels else str(name)] = level
    for at, (name, level) in enumerate(levels.items()):
        frame.insert(at, name, level)
    try:
        return pl.from_pandas(frame)
    except (TypeError, ValueError) as error:
        msg = f"The pandas frame cannot be read: {error}. Hint: give each column one type and a name of its own."
        raise ColumnError(msg) from error


def _check_columns(table: pl.DataFrame) -> list[str]:
    signals = [name for name in schema.SIGNALS if name in table.columns]
    if "time" not in table.columns:
        raise ColumnError.missing(wanted="time", available=table.columns)
    if _PARTS.issuperset(name for name in signals if name.endswith("_bytes")):
        raise ColumnError.no_memory(
            available=table.columns, known=schema.FOOTPRINTS, taken=(*schema.SIGNALS, *schema.SETTINGS)
        )
    for name in (*signals, *schema.SETTINGS, *schema.CORES, *_TOTALS):
        dtype = table.schema.get(name)
        if dtype is not None and not dtype.is_numeric() and dtype != pl.Null:
            raise ColumnError.mistyped(name, found=dtype, expected="a number; rm.read knows the units in a CSV's cells")
    return signals


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
    if time.dtype == pl.String:
        return bool((~time.str.contains(ZONED)).any())
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


def _in_turn(samples: pl.DataFrame, signals: Sequence[str]) -> str:
    rows = samples.sort("time")
    for name in (name for name in signals if name in schema.BYTE_SIGNALS):
        values = rows[name].drop_nulls().cast(pl.Float64).to_numpy()
        steps, twos = np.diff(values), np.abs(values[2:] - values[:-2])
        if len(twos) >= 2 * ENOUGH:
            step = np.median(np.abs(steps))
            turns = np.mean(steps[1:] * steps[:-1] < 0) >= _TURNS
            if turns and np.median(twos) < _NEAR * step and step > _FAR * np.median(values):
                return name
    return ""


def _settings(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    whose = (*schema.IDENTITY, "node", "workload_kind", "source", "cadence_seconds")
    used = [name for name in (*schema.CONTAINERS, *_TOTALS) if name in table.columns and name not in whose]
    if used == ["container_id"]:
        return table.select("container_id").unique(), schema.empty(schema.EVENTS)
    rows = real_cores(table.select("time", *used)).sort("container_id", "time", maintain_order=True)
    plain = [name for name in used if name in schema.CONTAINERS and name != "container_id"]
    known = {name: pl.col(name).drop_nulls().last() for name in plain}
    found = [schema.empty(schema.EVENTS)]
    for name in schema.SETTINGS:
        if name in used:
            # "No limit" is written as 0, -1, infinity or a number near 2**63; NaN is no statement.
            value = pl.col(name).cast(pl.Float64)
            said = pl.col(name).is_not_null() & value.is_not_nan()
            real = (value > 0) & (value < schema.ABSURD_BYTES)
            rows = rows.with_columns(
                pl.when(said & real).then(value.clip(1)).cast(pl.Int64).alias(name), said.alias(f"{name} said")
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
            count = pl.col(name)
            counted = rows.with_columns(count.cast(pl.Float64).fill_nan(None)).drop_nulls(name)
            # A mean of several rows is no whole number.
            step = count.floor().diff()
            # What is 0 again in the row after each count was counted since the row before, not since the start; so was
            # what is no whole number and falls, since a few rows before.
            again, is_mean = (count > 0) & (count.shift(fill_value=1) > 0), (count % 1 != 0).any()
            # So was what is 0 nearly always, again and again: what counts on stays where it is until it falls, and so
            # is seen twice or more.
            falls = (step < 0) & (count == 0)
            is_rare = (falls.sum() > 1) & (count.first() == 0) & ((count > 0).sum() < 2 * falls.sum())
            is_each = (step < 0).any() & (again.any().not_() | is_mean | is_rare)
            each = pl.when(~(is_mean & again)).then(count)
            step = pl.when(is_each).then(each).otherwise(step).over("container_id")
            # A fall means that the container was made anew under the same name.
            told = pl.when(step < 0).then(pl.lit("start")).when(step > 0).then(pl.lit(kind))
            found.append(counted.select("container_id", "time", kind=told).drop_nulls("kind"))
    return rows.group_by("container_id", maintain_order=True).agg(**known), pl.concat(found, how="diagonal_relaxed")


def _changes(rows: pl.DataFrame, name: str, kind: str, into: str) -> pl.DataFrame:
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
    unknown = events.filter(~pl.col("kind").is_in(schema.EVENT_KINDS))["kind"].unique().to_list()
    if unknown:
        msg = f"Unknown event kinds: {', '.join(map(quote, unknown))}. Known: {', '.join(schema.EVENT_KINDS)}."
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
