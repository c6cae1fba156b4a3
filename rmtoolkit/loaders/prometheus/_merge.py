"""Answers about one container put together: replicas, sources, series that overlap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmtoolkit import _identity, schema
from rmtoolkit.exceptions import quote
from rmtoolkit.loaders.prometheus import _metrics
from rmtoolkit.loaders.prometheus._decode import FILE_LABEL, Decoded, stack
from rmtoolkit.recording import doubt
from rmtoolkit.schema import ABSURD_BYTES, BARE, BYTE_SIGNALS, LESS, PARTS, PODMAN, SAMPLES, SETTINGS
from rmtoolkit.text import count

#: A stretch without a sample is a gap when it is longer than this many intervals.
_GAP_INTERVALS: Final = 2
#: Taken for the interval of a series of a single sample.
_UNKNOWN_INTERVAL: Final = 60_000
#: No more series than this are asked to fill the gaps of one.
_MOST_CANDIDATES: Final = 8
_FOREVER: Final = np.iinfo(np.int64).max

REPLICA: Final = "samples of a second Prometheus replica (it only fills gaps)"
OTHER_METRIC: Final = "samples of another metric that says the same"
OTHER_JOB: Final = "samples of a second job or exporter for the same container (it only fills gaps)"
OTHER_LABELS: Final = "samples under other labels for the same signal of the same container"
STALE: Final = "samples of a second Prometheus replica that stood still while the first one went on"
OLD_LIFE: Final = "samples of an old container after its successor had started"
NO_LIVES: Final = pl.DataFrame(schema={"entity": pl.Int64(), "begin": pl.Int64(), "before": pl.Int64()})
_PORT: Final = "port of instance"
_NAMING: Final = {*_metrics.TOLD["series"]["naming"]}.union(
    *(_metrics.LABELS[name] for name in ("namespace", "pod", "container"))
)
#: Where nothing else differs, these do, the best first: machine, exporter, replica, the container's own ids. A pod may
#: move, a container has several ids: only what overlaps is parted by them.
_IDS: Final = (*_metrics.LABELS["pod_uid"], "name", "id")
_LAST: Final = (
    *_metrics.LABELS["node"],
    "instance",
    *_metrics.SOURCE_LABELS,
    _PORT,
    "exported_job",
    *_metrics.REPLICA_LABELS,
    *_IDS,
)
#: These tell servers apart that scrape the same, and no other clusters; so many scrapes around say what another may.
_OF_COPIES, _REACH = {*_metrics.REPLICA_LABELS} - {"prometheus"}, 4
#: So many labels part containers at most: each is looked for in all series. So many of others are named.
_MOST_LABELS, _SHOWN_LABELS = 32, 3
#: Of thousandths, how far arithmetic is from what was written.
_AS_WRITTEN: Final = 1e-6


def fills_gaps(base: pl.DataFrame, extra: pl.DataFrame, key: str) -> pl.DataFrame:
    """Keep the samples that fall into gaps of others: never between two that follow each other."""
    if base.is_empty():
        return extra
    step = pl.col("time").diff().median().over(key)
    near = base.select(key, "time", usual=step, before="time", after="time")
    found = extra.with_columns(own=step).join_asof(near.drop("after"), on="time", by=key, check_sortedness=False)
    found = found.join_asof(near.drop("before"), on="time", by=key, strategy="forward", check_sortedness=False)
    before, after = pl.col("before"), pl.col("after")
    gap = pl.coalesce(after, pl.col("time").max().over(key)) - pl.coalesce(before, pl.col("time").min().over(key))
    is_gap = gap > _GAP_INTERVALS * pl.coalesce("usual", "usual_right", "own", _UNKNOWN_INTERVAL).cast(pl.Int64)
    is_twice = before.eq_missing(pl.col("time"))
    return found.filter((before.is_null() & after.is_null()) | (is_gap & ~is_twice)).select(extra.columns)


class Merged(NamedTuple):
    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    lives: pl.DataFrame
    left_out: Counter[str]


def merge(table: pl.DataFrame, decoded: Decoded) -> Merged:
    series = table["series"].to_numpy()
    group = table["group"].to_numpy()
    alone = np.bincount(group)[group] == 1
    if alone.all():
        return Merged(decoded.counts[series], *decoded.of(series), NO_LIVES, Counter())
    ranked = table.with_columns(
        count=decoded.counts[series], value=decoded.values[decoded.starts[series]]
    ).with_columns(
        # One replica for all signals of a container, so that they share their instants.
        weight=pl.col("count").sum().over("entity", "replica", "source")
    )
    lives, table = _lives(ranked)
    several = table.filter(~alone)
    summed, rows = _summed(several, _rows(several, decoded))
    made = _one_of_each(several, rows)
    counts = np.bincount(made["group"].to_numpy(), minlength=int(group.max()) + 1).astype(np.int64)
    # The samples that were made stand behind those that are used as they came.
    group_starts = np.cumsum(counts) - counts + len(decoded.times)
    group_starts[group[alone]] = decoded.starts[series[alone]]
    counts[group[alone]] = decoded.counts[series[alone]]
    return Merged(
        counts,
        stack(np.concatenate([decoded.times, made["time"].to_numpy()]), group_starts, counts),
        stack(np.concatenate([decoded.values, made["value"].to_numpy()]), group_starts, counts),
        lives,
        _unused(several, made, summed),
    )


def _lives(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Find which container took the place of which; say from when on a series is no longer believed."""
    started = pl.col("value") * 1000
    exact = started.filter((pl.col("role") == "start_time_seconds") & started.is_finite()).first()
    near = pl.col("exact").is_between(pl.col("first") - _identity.LOOKBACK_MILLISECONDS, pl.col("first"))
    several = (
        table.filter(pl.col("life").is_not_null())
        .group_by("entity", "life")
        .agg(pl.col("first").min(), pl.col("last").max(), pl.col("count").sum(), exact=exact)
        .filter(pl.len().over("entity") > 1)
        .with_columns(exact=pl.when(near).then(pl.col("exact").cast(pl.Int64)).otherwise("first"))
        .sort("entity", "first", "exact", "last", "life")
    )
    changes: list[tuple[int, int, int]] = []
    rows = several.with_columns(cut=pl.lit(_FOREVER), parallel=pl.lit(value=False)).rows(named=True)
    last: dict[str, Any] | None = None
    for row in rows:
        before = last if last is not None and last["entity"] == row["entity"] else None
        if before is not None and before["last"] - row["first"] > _identity.HANDOVER_MILLISECONDS:
            last, loser = (row, before) if before["count"] < row["count"] else (before, row)
            loser["parallel"] = True
            continue
        if before is not None:
            before["cut"] = row["exact"]
            changes.append((row["entity"], row["first"], min(before["last"], row["first"])))
        last = row
    marks = pl.DataFrame(rows, schema={**several.schema, "cut": pl.Int64(), "parallel": pl.Boolean()})
    marks = marks.select("entity", "life", "cut", "parallel")
    marked = table.join(marks, on=["entity", "life"], how="left", maintain_order="left").with_columns(
        pl.col("cut").fill_null(_FOREVER),
        life=pl.when(pl.col("parallel").fill_null(value=False)).then(None).otherwise("life"),
    )
    return pl.DataFrame(changes, schema=NO_LIVES.schema, orient="row"), marked


def _rows(table: pl.DataFrame, decoded: Decoded) -> pl.DataFrame:
    series = table["series"].to_numpy()
    times, values = decoded.of(series)
    return pl.DataFrame({"series": np.repeat(series, decoded.counts[series]), "time": times, "value": values})


def _summed(table: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Sum gauges of several label sets of one exporter, or the increments of counters; give what went into sums."""
    counted = table.filter(pl.col("role").is_in(["work_total", "load"]))
    # What is counted under two names is not done twice.
    parts = counted.filter(pl.col("rank") == pl.col("rank").min().over("group"))
    of_one = ["role", "group", "replica", "source"]
    value, is_counter = pl.col("value"), pl.col("role") == "work_total"
    step = value.diff().over("series")
    sums = (
        rows.join(parts.select("series", *of_one), on="series", maintain_order="left")
        .filter(~is_counter | value.is_finite())
        .with_columns(pl.when(is_counter & (step >= 0)).then(step).otherwise(value).alias("value"))
        # A sum stands for the first of its series.
        .group_by(*of_one, "time")
        .agg(pl.col("series").min(), value.sum())
        .sort(*of_one, "time")
        .with_columns(pl.when(is_counter).then(value.cum_sum().over(of_one)).otherwise(value).alias("value"))
    )
    others = rows.join(counted, on="series", how="anti", maintain_order="left")
    return parts["series"], pl.concat([others, sums.select(rows.columns)])


def _one_of_each(table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Choose and fill within each life, hand over from life to life, then fill from what belongs to no life."""
    ranked = (
        table.filter(pl.col("series").is_in(rows["series"].implode()))
        .with_columns(-pl.col("statistic", "weight"))
        .sort("group", "rank", "statistic", "weight", "source", "replica", "series")
        .select(
            *("series", "group", "life", "cut"),
            place=pl.struct("group", "life").rank("dense"),
            order=pl.int_range(pl.len()).over("group", "life"),
        )
    )
    lived, columns = pl.col("life").is_not_null(), ["group", *rows.columns]
    within, others = (
        rows.join(some.drop("life"), on="series", maintain_order="left")
        for some in (ranked.filter(lived), ranked.filter(~lived))
    )
    base = _layered(within, "place").filter(pl.col("time") < pl.col("cut")).select(columns).sort("group", "time")
    # Where there are no lives, the first of the others is the base.
    return _layered(others.select(*columns, "order"), "group", base)


def _layered(rows: pl.DataFrame, key: str, base: pl.DataFrame | None = None) -> pl.DataFrame:
    found = rows.drop("order").clear() if base is None else base
    for (order,), layer in sorted(rows.partition_by("order", include_key=False, as_dict=True).items()):
        if order < _MOST_CANDIDATES:
            found = pl.concat([found, fills_gaps(found, layer, key)]).sort(key, "time")
    return found


def _unused(table: pl.DataFrame, made: pl.DataFrame, summed: pl.Series) -> Counter[str]:
    counts = np.bincount(made["series"].to_numpy(), minlength=int(table["series"].max() or 0) + 1)  # type: ignore[arg-type]
    own = pl.lit(pl.Series(counts[table["series"].to_numpy()]))
    kept = pl.when(pl.col("series").is_in(summed.implode())).then("count").otherwise(own)
    # The series that gave most is the one that is used; of a life of its own it can only have lost the end.
    chosen = table.with_columns(unused=pl.col("count") - kept, kept=kept).sort("kept", descending=True)
    others = {"name": OTHER_METRIC, "replica": REPLICA, "source": OTHER_JOB}
    differing = (
        pl.when(pl.col(name) != pl.col(name).first().over("group")).then(pl.lit(why)) for name, why in others.items()
    )
    is_first = pl.col("series") == pl.col("series").first().over("group", "life")
    old = pl.when(pl.col("life").is_not_null() & is_first).then(pl.lit(OLD_LIFE))
    reasons = chosen.with_columns(reason=pl.coalesce(old, *differing, pl.lit(OTHER_LABELS)))
    totals = reasons.group_by("reason").agg(pl.col("unused").sum()).filter(pl.col("unused") > 0)
    return Counter({reason: int(count) for reason, count in totals.sort("reason").iter_rows()})


def side_by_side(signals: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    instants = ["container_id", "time"]
    parts = [frame.with_columns(_column(name, frame["value"].to_numpy())) for name, frame in signals.items()]
    parts = [part.drop("value") for part in parts] or [pl.DataFrame(schema={name: SAMPLES[name] for name in instants})]
    first = parts[0].select(instants)
    if all(part.select(instants).equals(first) for part in parts[1:]):
        return pl.concat([first, *(part.drop(instants) for part in parts)], how="horizontal")
    return pl.concat(parts, how="align_full")


def _column(name: str, values: NDArray[np.float64]) -> pl.Series:
    """Whole numbers where the schema wants them and all are real; else leave it to `normalise`, which counts."""
    # What is no number is the least and the most of all.
    if SAMPLES[name] == pl.Int64 and len(values) and values.min() >= 0 and values.max() < ABSURD_BYTES:
        return pl.Series(name, np.rint(values, out=np.empty(len(values), np.int64), casting="unsafe"))
    return pl.Series(name, values)


def tell_apart(
    table: pl.DataFrame, decoded: Decoded, workload_pattern: str | None, known: list[str]
) -> _metrics.Placed:
    """Find the container of each series; those of one name that overlap with other values are parted by a label."""
    is_podman = bool(table["name"].str.starts_with("podman_container_mem_usage").any())
    notes, doubts, left_out = list[str](), [PODMAN] if is_podman else [], Counter[str]()
    first, last = decoded.span(table["series"].to_numpy())
    table = table.with_columns(first=first, last=last)
    # What parted them before parts them again, so that names stay; what parts them now stands there afterwards.
    for label in known:
        table = _parted(table, decoded.labels, label, [])
    while True:
        placed = _metrics.identify_containers(table, decoded.labels, workload_pattern)
        found = list(_differing(placed.table, decoded))
        pairs = [pair for pair, contradicts in found if contradicts]
        still = [(entity, labels, series) for entity, labels, series in pairs if series is not None]
        if stale := [series for _, labels, series in still if labels and {*labels} <= _OF_COPIES]:
            table = table.filter(~pl.col("series").is_in(stale))
            left_out[STALE] += int(decoded.counts[stale].sum())
            continue
        counts = Counter(label for _, labels, _ in pairs for label in labels)
        if not counts or len(notes) >= _MOST_LABELS:
            others = {*_LAST, *known, FILE_LABEL}
            in_turn = {(label, of[0]) for of, contradicts in found if not contradicts for label in {*of[1]} - others}
            doubts += _doubts(placed, decoded, len({entity for entity, *_ in pairs}))
            notes += [
                f"{count(number, 'container')} of one name, under one {quote(label)} and then another: read as one"
                for label, number in Counter(label for label, _ in sorted(in_turn)).most_common(_SHOWN_LABELS)
            ]
            warnings, lost = [*placed.warnings, *notes], placed.left_out + left_out
            return placed._replace(warnings=warnings, left_out=lost, unusable=tuple(doubts))
        places = {label: place for place, label in enumerate(_LAST, 1)}
        best = sorted(counts, key=lambda label: (places.get(label, 0), -counts[label], label))
        todo = {entity for entity, *_ in pairs}
        for label in best[:_MOST_LABELS]:
            if not (entities := {entity for entity, labels, _ in pairs if entity in todo and label in labels}):
                continue
            todo -= entities
            mine = placed.table.filter(pl.col("entity").is_in(list(entities)), pl.col("level") == "container")
            table = _parted(table, decoded.labels, label, mine["series"].to_list())
            known += [label] if label not in (*_LAST, *known) else []
            what = "their file" if label == FILE_LABEL else f"the label {quote(label)}"
            said = "of one name whose series overlap in time with other values: told apart by"
            told = f"{count(len(entities), 'container')} {said} {what}, which stands as cluster"
            called = _identity.differ_by_statistic({_value(decoded.labels[one], label) for one in mine["series"]})
            if called or label in _OF_COPIES or entities.intersection(entity for entity, *_ in still):
                of = "statistics of one amount" if called else "copies of one server"
                doubts.append(f"{told}: if it names {of}, each counts twice")
            else:
                notes.append(told)


def _rounded(decoded: Decoded, series: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which were written in MiB or GiB with three digits behind the point at most, as Docker does."""
    values, counts = decoded.of(series)[1], decoded.counts[series]
    written = [1000 * values / 1024**power for power in (2, 3)]
    with np.errstate(invalid="ignore"):
        whole = [abs(one - np.rint(one)) < _AS_WRITTEN for one in written]
    alike = [np.logical_and.reduceat(one, np.cumsum(counts) - counts) for one in whole]
    return np.logical_or(*alike)


def _doubts(placed: _metrics.Placed, decoded: Decoded, mixed: int) -> Iterator[str]:
    if mixed:
        yield (
            f"{count(mixed, 'container')} of one name whose series overlap in time with other values, and no "
            "label tells them apart: only the longest of each is used"
        )
    disputed = placed.containers[_disputed(placed.table, decoded)]
    yield from doubt(disputed, "told with another limit or request by a second exporter")
    amounts = placed.table.filter(pl.col("role").is_in(BYTE_SIGNALS)).drop_nulls("entity")
    series, statistic, one = pl.col("series"), pl.col("statistic"), ("entity", "role")
    less = statistic.fill_null(1).max().over(one) < _identity.HIGH
    parts, more = (
        np.add.reduceat(which, decoded.starts, dtype=np.int64)
        for which in (decoded.values > np.floor(decoded.values), decoded.values > 0)
    )
    # What stands still has a rate of zero.
    in_parts = np.flatnonzero(2 * parts > more)
    in_parts = in_parts[~_rounded(decoded, in_parts)]
    made = (series.is_in(in_parts.tolist()) & statistic.is_null()).all().over(one) & pl.col("role").is_in(
        schema.FOOTPRINTS
    )
    bare = [one for one in amounts["series"].to_list() if decoded.labels[one].keys() == {"__name__"}]
    for some, said in ((less, LESS), (series.is_in(bare), BARE), (made, PARTS)):
        yield from doubt(placed.containers[amounts.filter(some)["entity"].unique().sort().to_list()], said)


def _differing(table: pl.DataFrame, decoded: Decoded) -> Iterator[tuple[tuple[int, list[str], int | None], bool]]:
    """Give the container of two series that contradict or follow each other, and what differs and stands still."""
    amounts = table.filter(pl.col("role").is_in(BYTE_SIGNALS)).drop_nulls("entity")
    # What the kernel counts is one amount under each of its names; a process has as many as there are processes.
    amounts = amounts.with_columns(amount=pl.when(pl.col("family") != "cgroup").then("name"))
    one = ["entity", "role", "amount", "statistic"]
    some = amounts.filter(pl.len().over(one) > 1).sort("entity", "rank", "name")
    starts = decoded.starts

    def samples(index: int) -> _identity.Curve:
        stretch = slice(starts[index], starts[index] + decoded.counts[index])
        return decoded.times[stretch], decoded.values[stretch]

    for (entity, *_), rows in some.group_by(one, maintain_order=True):
        series = sorted(rows["series"].to_list(), key=lambda index: -int(decoded.counts[index]))
        for other in series[1:]:
            mine, theirs = decoded.labels[series[0]], decoded.labels[other]
            telling = {*mine, *theirs, _PORT} - _NAMING
            differ = [label for label in telling if _value(mine, label) != _value(theirs, label)]
            is_copy = bool(differ) and {*differ} <= _OF_COPIES
            both = ((other, series[0]), (series[0], other))
            # What moves from one scrape to the next is seen at other moments.
            contradicts = _identity.contradict(samples(series[0]), samples(other), _REACH if is_copy else 1)
            stale = None
            if is_copy or contradicts:
                stale = next((one for one, of in both if _identity.stands_still(samples(one), samples(of))), None)
            contradicts = contradicts or stale is not None
            labels = [label for label in differ if not label.startswith("container_label_")]
            if contradicts or _identity.in_turn(samples(series[0]), samples(other)):
                yield (int(str(entity)), labels, stale), contradicts


def _disputed(table: pl.DataFrame, decoded: Decoded) -> list[int]:
    """Find containers of whose limit or request two exporters of one metric say something else from first to last."""
    told, of_one = table.filter(pl.col("role").is_in(SETTINGS)).drop_nulls("entity"), ("entity", "name", "life")
    begins = decoded.starts[told["series"].to_numpy()]
    ends = begins + decoded.counts[told["series"].to_numpy()] - 1
    told = told.with_columns(begin=decoded.values[begins], end=decoded.values[ends])
    told = told.filter(pl.col("last") > pl.col("last").max().over(of_one) - _identity.HANDOVER_MILLISECONDS)
    # Who has just begun may be there in the place of another.
    told = told.filter(pl.col("first") < pl.col("last").min().over(of_one) - _identity.HANDOVER_MILLISECONDS)
    differ = (pl.col(name).n_unique().over(of_one) > 1 for name in ("begin", "end"))
    return told.filter(*differ)["entity"].unique().sort().to_list()


def _value(labels: Mapping[str, str], label: str) -> str:
    if label == _PORT:
        return labels.get("instance", "")
    value = labels.get(label, "")
    # Two exporters of one machine listen at two ports.
    return re.sub(r":\d{1,5}$", "", value) if label == "instance" else value


def _parted(table: pl.DataFrame, labels: list[dict[str, str]], label: str, mine: list[int]) -> pl.DataFrame:
    said = pl.lit(pl.Series([_value(labels[series], label) or None for series in table["series"]], dtype=pl.String))
    is_mine = pl.col("series").is_in(mine)
    # Where others have the label, a container without it is not theirs.
    value = pl.coalesce(said, pl.when(is_mine).then(pl.lit(f"no {label}")))
    # What stands there already is not said twice.
    value = pl.when(value.ne_missing(pl.col("cluster"))).then(value)
    parted = is_mine | pl.lit(label not in _LAST)
    return table.with_columns(cluster=pl.when(parted).then(_identity.parting("cluster", value)).otherwise("cluster"))
