"""Cut every container's samples into lifetimes: by what is known first, by the curve only where it must."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit._parallel import partition
from rmtoolkit._tables import run_starts, search_runs
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import FOOTPRINTS, TIME, Ending

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


#: More than any time in milliseconds until the year 2248.
_MILLISECONDS: Final = 1 << 43
#: True where a row follows another one of its container; null in the first row.
_SAME: Final = pl.col("container_id") == pl.col("container_id").shift()
_STARTING: Final = ("start", "release")
_ENDING: Final = ("oom_kill", "node_oom", "evicted", "error", "end")


def lifetime_boundaries(recording: Recording, samples: pl.DataFrame) -> pl.DataFrame:
    """Find the instants at which a new life begins: from that time on."""
    tick = pl.duration(milliseconds=1)
    known = recording.events.filter(pl.col("kind").is_in([*_STARTING, *_ENDING])).select(
        "container_id",
        time=pl.when(pl.col("kind").is_in(_ENDING)).then(pl.col("time") + tick).otherwise(pl.col("time")),
    )
    cadence = recording.containers.select("container_id", "cadence_seconds")
    present = samples.lazy().select("container_id", "time", "footprint_bytes")
    if samples["footprint_bytes"].null_count():
        present = present.filter(pl.col("footprint_bytes").is_not_null())
    long = th.GAP_SCRAPES * 1000 * (cadence["cadence_seconds"].min() or 0.0)  # type: ignore[operator]
    # Of all samples few follow a fall or a long step: only these are looked at.
    marked = (
        present.with_columns(
            fall=pl.when(_SAME).then(1 - pl.col("footprint_bytes") / pl.col("footprint_bytes").shift()),
            step=pl.when(_SAME).then(pl.col("time").diff()),
        )
        .filter((pl.col("fall") > th.NEW_PROCESS_FALL) | (pl.col("step").dt.total_milliseconds() > long))
        .collect()
    )
    falls = marked.filter(pl.col("fall") > th.NEW_PROCESS_FALL)
    # The scrape that shows a restart is not the one that counts it: the fall nearby is where it happened.
    reach = pl.max_horizontal(
        th.LINGER_SCRAPES_SURE * pl.col("cadence_seconds"),
        pl.min_horizontal(th.LINGER_SECONDS, th.LINGER_SCRAPES * pl.col("cadence_seconds")),
    )
    if falls.height and known.height:
        moved = _nearest(known, falls, cadence).with_columns(
            moves=(pl.col("apart_seconds") <= reach).fill_null(value=False)
        )
        moved = moved.with_columns(moves=pl.col("moves") & _still_shown(moved, samples))
        known = moved.select("container_id", time=pl.when("moves").then("nearest").otherwise("time"))
    # A deep fall across a stretch without samples is a new process too.
    silent = (
        falls.join(cadence, on="container_id", how="left")
        .filter(pl.col("step").dt.total_milliseconds() > 1000 * th.SILENT_SCRAPES * pl.col("cadence_seconds"))
        .select("container_id", "time")
    )
    known = known.select("container_id", "time")
    found = pl.concat([_resets(samples), silent, _unseen(marked, present, cadence)]).unique()
    seen = _apart(found, known, cadence, reach)
    return pl.concat([known, seen]).unique().sort("container_id", "time")


def _still_shown(moved: pl.DataFrame, samples: pl.DataFrame) -> pl.Series:
    """Tell whether the old process is what is shown between a restart and the fall after it."""
    later = moved.select((pl.col("moves") & (pl.col("nearest") > pl.col("time"))).fill_null(value=False)).to_series()
    shown = np.ones(moved.height, dtype=bool)
    if not later.any():
        return pl.Series(shown)
    key = mark(samples, "time")
    begin, end = (np.searchsorted(key, mark(moved, name)) for name in ("time", "nearest"))
    value = samples["footprint_bytes"].to_numpy().astype(float)
    owner = samples["container_id"].to_numpy()
    for row in np.flatnonzero(later.to_numpy()):
        first, last = int(begin[row]), int(end[row])
        before = first - 1
        while before >= 0 and owner[before] == moved["container_id"][int(row)] and np.isnan(value[before]):
            before -= 1
        if before < 0 or owner[before] != moved["container_id"][int(row)]:
            shown[row] = False
            continue
        between = value[first:last]
        away = np.abs(between[~np.isnan(between)] - value[before]) > th.NEW_PROCESS_FALL * value[before]
        shown[row] = not away.any()
    return pl.Series(shown)


def mark(frame: pl.DataFrame, time: str) -> NDArray[np.int64]:
    """Give one number for container and time that keeps their order, so that one search finds all instants."""
    mark = pl.col("container_id").cast(pl.Int64) * _MILLISECONDS + pl.col(time).to_physical()
    return frame.select(mark).to_series().fill_null(0).to_numpy()


def _resets(samples: pl.DataFrame) -> pl.DataFrame:
    """Samples at which a counter has fallen: it counts a new process."""
    before = {
        name: pl.col(name).forward_fill().shift().over("container_id")
        if samples[name].null_count()
        else pl.when(_SAME).then(pl.col(name).shift())
        for name in ("work_total", "psi_some_seconds")
        if samples[name].null_count() < samples.height
    }
    if not before:
        return samples.select("container_id", "time").clear()
    fallen = pl.any_horizontal(pl.col(name) < value for name, value in before.items())
    return samples.lazy().filter(fallen).select("container_id", "time").collect()


def _unseen(marked: pl.DataFrame, present: pl.LazyFrame, cadence: pl.DataFrame) -> pl.DataFrame:
    """Ends of long stretches without samples: what happened in them is not known, so no trend spans them."""
    step = pl.col("step").dt.total_milliseconds()
    gaps = marked.join(cadence, on="container_id", how="left").filter(
        step > th.GAP_SCRAPES * 1000 * pl.col("cadence_seconds")
    )
    if not gaps.height:
        return gaps.select("container_id", "time")
    spans = (
        present.filter(pl.col("container_id").is_in(gaps["container_id"].unique().implode()))
        .group_by("container_id")
        .agg(span=(pl.col("time").max() - pl.col("time").min()).dt.total_milliseconds())
        .collect()
    )
    return (
        gaps.join(spans, on="container_id", how="left")
        .filter(step > th.LONG_GAP * pl.col("span"))
        .select("container_id", "time")
    )


def _apart(seen: pl.DataFrame, known: pl.DataFrame, cadence: pl.DataFrame, reach: pl.Expr) -> pl.DataFrame:
    """Keep what is not just another sign of a known restart."""
    if not seen.height or not known.height:
        return seen
    far = pl.col("nearest").is_null() | (pl.col("apart_seconds") > reach)
    return _nearest(seen, known, cadence).filter(far).select("container_id", "time")


def _nearest(times: pl.DataFrame, marks: pl.DataFrame, cadence: pl.DataFrame) -> pl.DataFrame:
    """Find for each time the nearest mark of its container, and how far apart the two are."""
    apart = (pl.col("nearest") - pl.col("time")).dt.total_milliseconds().abs() / 1000
    return (
        times.sort("time")
        .join_asof(
            marks.select("container_id", "time", nearest=pl.col("time")).sort("time"),
            on="time",
            by="container_id",
            strategy="nearest",
            check_sortedness=False,
        )
        .join(cadence, on="container_id", how="left")
        .with_columns(apart_seconds=apart)
    )


#: Stands in an event's detail between what was and what is.
_ARROW: Final = " → "

#: How a life ended, the most telling first.
ENDINGS: Final = tuple(ending.value for ending in Ending if ending not in (Ending.GAP, Ending.RUNNING))


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Samples cut into lives."""

    #: A row per life, as `lives` returns it.
    table: pl.DataFrame
    #: The recording's samples with `life_row`, the row of the table, and `footprint_bytes`.
    samples: pl.DataFrame


def lives(recording: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame) -> pl.DataFrame:
    """List the lifetimes of every container."""
    return pl.concat([split(part).table for part in partition(as_recording(recording))])


def split(recording: Recording) -> Lifetimes:
    """Cut the samples of a recording into lives."""
    samples = recording.samples.with_columns(footprint_bytes=_footprint(recording.samples))
    starts = _starts(samples, lifetime_boundaries(recording, samples))
    lengths = np.diff(starts, append=samples.height)
    number = np.arange(len(starts), dtype=np.uint32)
    samples = samples.with_columns(life_row=pl.Series(np.repeat(number, lengths)))
    table = pl.DataFrame(
        {
            "life_row": number,
            "container_id": samples["container_id"].gather(starts),
            "start": samples["time"].gather(starts),
            "end": samples["time"].gather(starts + lengths - 1),
        }
    ).with_columns(life=pl.col("life_row").rank("dense").over("container_id").cast(pl.UInt32) - 1)
    table = _endings(table, recording)
    table = _in_force(table, recording)
    return Lifetimes(_measured(table, samples, recording), samples)


def _footprint(samples: pl.DataFrame) -> pl.Expr:
    """The signal each container mostly has, so that one life is never a mix of two."""
    names = [name for name in (*FOOTPRINTS, "allocated_bytes") if samples[name].null_count() < samples.height]
    if not names:
        return pl.lit(None, dtype=pl.Int64)
    if not samples[names[0]].null_count():
        return pl.col(names[0])
    most = pl.max_horizontal(pl.lit(0), *(pl.col(name).count() for name in names if name in FOOTPRINTS))
    mostly = samples.group_by("container_id").agg((pl.col(name).count() * 2 > most).alias(name) for name in names)
    return pl.coalesce(
        pl.when(pl.col("container_id").is_in(mostly.filter(name)["container_id"].implode())).then(pl.col(name))
        for name in names
    )


def _starts(samples: pl.DataFrame, cuts: pl.DataFrame) -> NDArray[np.int64]:
    """Rows at which a life begins: the first of each container, and the first from each cut on."""
    starts = run_starts(samples["container_id"])
    if not cuts.height:
        return starts
    rows = np.searchsorted(mark(samples, "time"), mark(cuts, "time"))
    return np.unique(np.concatenate([starts, rows[rows < samples.height]]))


def _endings(table: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    """Name how each life ended, from the events between its last sample and the next life's first."""
    table = table.with_columns(next_start=pl.col("start").shift(-1).over("container_id"))
    rank = {kind: order for order, kind in enumerate(ENDINGS)}
    events = recording.events.filter(pl.col("kind").is_in(ENDINGS)).select(
        "container_id",
        "kind",
        event_time=pl.col("time"),
        rank=pl.col("kind").replace_strict(rank, return_dtype=pl.Int64),
    )
    step = recording.containers.select(
        "container_id",
        slack=pl.duration(milliseconds=1000 * th.SILENT_SCRAPES * pl.col("cadence_seconds").fill_null(0)),
    )
    found = (
        table.join(events, on="container_id", how="inner")
        .join(step, on="container_id", how="left")
        .filter(
            (pl.col("event_time") >= pl.col("end") - pl.col("slack"))
            & (pl.col("next_start").is_null() | (pl.col("event_time") <= pl.col("next_start") + pl.col("slack")))
            & (pl.col("event_time") > pl.col("start"))
        )
        .sort("rank")
        .group_by("life_row", maintain_order=True)
        .agg(pl.col("kind").first().alias("ended"))
    )
    starts = recording.events.filter(pl.col("kind") == "start").select("container_id", begun=pl.col("time"))
    seen = (
        table.join(starts, on="container_id", how="inner")
        .join(step, on="container_id", how="left")
        .filter(
            (pl.col("begun") - pl.col("start")).dt.total_milliseconds().abs() <= pl.col("slack").dt.total_milliseconds()
        )
        .select(pl.col("life_row").unique())
        .with_columns(begun=pl.lit(value=True))
    )
    return (
        table.join(found, on="life_row", how="left", maintain_order="left")
        .join(seen, on="life_row", how="left", maintain_order="left")
        .join(step, on="container_id", how="left", maintain_order="left")
        .with_columns(
            ended=pl.coalesce(
                "ended",
                pl.when(pl.col("next_start").is_null())
                .then(pl.lit("running"))
                .when(pl.col("next_start") - pl.col("end") > th.GAP_SCRAPES / th.SILENT_SCRAPES * pl.col("slack"))
                .then(pl.lit("gap"))
                .otherwise(pl.lit("restart")),
            )
        )
        .with_columns(
            start_seen=pl.col("begun").fill_null(value=False)
            | (pl.col("ended").shift().over("container_id") != "gap").fill_null(value=False)
        )
        .drop("begun", "next_start", "slack")
    )


def _in_force(table: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    """Add the limit and the version that held at the end of each life."""
    table = table.join(
        recording.containers.select("container_id", "version", "limit_bytes"),
        on="container_id",
        how="left",
        maintain_order="left",
    )
    for kind, column, value in (("limit", "limit_bytes", "value_bytes"), ("release", "version", "detail")):
        changes = recording.events.filter((pl.col("kind") == kind) & pl.col(value).is_not_null())
        if not changes.height:
            continue
        # Before the first change the value is unknown, unless the change says it: then the later one is used.
        then = (
            table.select("life_row", "container_id", "end")
            .sort("end")
            .join_asof(
                changes.select("container_id", end=pl.col("time"), then=_after(value)).sort("end"),
                on="end",
                by="container_id",
                strategy="backward",
                check_sortedness=False,
            )
        )
        first = changes.group_by("container_id", maintain_order=True).agg(before=_before(value))
        later = changes.select("container_id").unique().with_columns(changed=pl.lit(value=True))
        table = (
            table.join(then.select("life_row", "then"), on="life_row", how="left", maintain_order="left")
            .join(later, on="container_id", how="left", maintain_order="left")
            .join(first, on="container_id", how="left", maintain_order="left")
            .with_columns(pl.when("changed").then(pl.coalesce("then", "before")).otherwise(column).alias(column))
            .drop("then", "before", "changed")
        )
    return table


def _after(column: str) -> pl.Expr:
    """What a change says holds after it: a detail reads ``a → b`` or only ``b``."""
    return pl.col(column).str.split(_ARROW).list.last() if column == "detail" else pl.col(column)


def _before(column: str) -> pl.Expr:
    """What the first change says held before it; null when it does not say."""
    first = pl.col(column).first()
    if column != "detail":
        return first.filter(pl.lit(value=False)).first()
    return pl.when(first.str.contains(_ARROW, literal=True)).then(first.str.split(_ARROW).list.first())


def _measured(table: pl.DataFrame, samples: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    """Add counts, coverage, and the levels of the footprint."""
    stats = _levels(table, samples)
    cadence = recording.containers.select("container_id", "cadence_seconds")
    expected = (
        (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000 / pl.col("cadence_seconds")
    ).round() + 1
    whole = (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000
    return (
        table.join(stats, on="life_row", how="left", maintain_order="left")
        .join(cadence, on="container_id", how="left", maintain_order="left")
        .with_columns(
            coverage=(pl.col("samples") / expected).clip(0, 1),
            startup_seconds=pl.when(pl.col("start_seen") & (pl.col("startup_seconds").fill_null(0) < whole / 2)).then(
                pl.col("startup_seconds").fill_null(0.0)
            ),
        )
        .select(
            "container_id",
            "life",
            pl.col("start").cast(TIME),
            pl.col("end").cast(TIME),
            "start_seen",
            "ended",
            "version",
            "limit_bytes",
            pl.col("samples").fill_null(0),
            "coverage",
            "startup_peak_bytes",
            "startup_seconds",
            "settled_bytes",
            "peak_bytes",
            "peak_time",
            "last_bytes",
        )
    )


def _levels(table: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Measure the footprint of each life that has one."""
    inside = samples.select("life_row", "time", value="footprint_bytes")
    if inside["value"].null_count():
        inside = inside.filter(pl.col("value").is_not_null())
    first = run_starts(inside["life_row"])
    length = np.diff(first, append=inside.height)
    row = inside["life_row"].gather(first)
    chosen = table[row]
    start = chosen["start"].to_physical().to_numpy()
    span = chosen["end"].to_physical().to_numpy() - start
    value, time = inside["value"].to_numpy(), inside["time"].to_physical().to_numpy()
    later = search_runs(time, first, length, (start + (span + 1) // 2)[:, None])[:, 0]
    bounds = list(zip(first.tolist(), later.tolist(), (first + length).tolist(), strict=True))
    tops = np.array([low + value[low:high].argmax() for low, _, high in bounds], dtype=np.int64)
    stats = pl.DataFrame(
        {
            "life_row": row,
            "samples": length,
            "settled_bytes": [_median(value[middle:high]) for _, middle, high in bounds],
            "peak_bytes": value[tops],
            "peak_time": inside["time"].gather(tops),
            "last_bytes": value[first + length - 1],
        },
        schema_overrides={"samples": pl.Int64, "settled_bytes": pl.Int64},
    )
    begun = chosen.filter("start_seen").join(stats.select("life_row", "settled_bytes"), on="life_row", how="left")
    return stats.join(_startup(inside, begun), on="life_row", how="left", maintain_order="left")


def _median(values: NDArray[np.int64]) -> int | None:
    """Find the middle of whole numbers, several times faster than numpy's own for short stretches."""
    half = len(values) // 2
    if not len(values):
        return None
    if len(values) % 2:
        return int(np.partition(values, half)[half])
    middle = np.partition(values, (half - 1, half))
    return int((int(middle[half - 1]) + int(middle[half])) / 2)


def _startup(inside: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    """Measure the first part of the lives that were seen to begin: its peak, and when it was over."""
    span = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    age = (pl.col("time") - pl.col("start")).dt.total_milliseconds()
    away = (pl.col("value") - pl.col("settled_bytes")).abs() > th.SETTLED_BAND * pl.col("settled_bytes")
    return (
        inside.lazy()
        .join(begun.lazy(), on="life_row", how="inner")
        .group_by("life_row")
        .agg(
            startup_peak_bytes=pl.col("value").filter(age <= th.STARTUP_SHARE * span).max(),
            startup_seconds=age.filter(away).max() / 1000,
        )
        .collect()
    )
