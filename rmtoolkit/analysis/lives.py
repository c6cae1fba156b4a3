"""Cut every container's samples into lifetimes: by what is known first, by the curve only where it must."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.parameters import (
    GAP_SCRAPES,
    LINGER_SCRAPES,
    LINGER_SCRAPES_SURE,
    LINGER_SECONDS,
    LONG_GAP,
    NEW_PROCESS_FALL,
    SETTLED_BAND,
    SILENT_SCRAPES,
    STARTUP_SHARE,
)
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import FOOTPRINTS, TIME

if TYPE_CHECKING:
    import pandas as pd

#: More than any time in milliseconds until the year 2248.
_MILLISECONDS: Final = 1 << 43

#: Stands in an event's detail between what was and what is.
_ARROW: Final = " → "

#: How a life ended, the most telling first.
ENDINGS: Final = ("oom_kill", "node_oom", "evicted", "error", "release", "end", "restart")
_STARTING: Final = ("start", "release")
_ENDING: Final = ("oom_kill", "node_oom", "evicted", "error", "end")


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Samples cut into lives.

    Attributes
    ----------
    table
        A row per life, as `lives` returns it.
    samples
        The recording's samples with `life_row`, the row of the table, and `footprint_bytes`.

    Examples
    --------
    >>> Lifetimes(pl.DataFrame(), pl.DataFrame()).table.height
    0
    """

    table: pl.DataFrame
    samples: pl.DataFrame


def lives(recording: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame) -> pl.DataFrame:
    """List the lifetimes of every container.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.

    Returns
    -------
    polars.DataFrame
        A row per lifetime with at least one sample, sorted by container and time: `container_id`, `life`
        (0 is the oldest), `start` and `end` (first and last sample, UTC), `start_seen` (false: it was
        already running), `ended` (how: `oom_kill`, `node_oom`, `evicted`, `error`, `release`, `end`,
        `restart` when the reason is unknown, `gap` when a long stretch without samples hides it, `running` when it
        has not), `version`, `limit_bytes` in
        force, `samples`, `coverage`, and of the footprint (working set, else the nearest signal there
        is): `startup_peak_bytes` (highest in the first 15 % of a life whose start was seen, else null),
        `startup_seconds` (until it stays within 10 % of the settled level; null when it never does),
        `settled_bytes` (median of the later half), `peak_bytes`, `peak_time`, `last_bytes`.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "restarts_total": [0] * 6 + [1] * 4, "rss_bytes": [100] * 10})
    >>> lives(table).select("life", "ended", "samples", "settled_bytes").rows()
    [(0, 'restart', 6, 100), (1, 'running', 4, 100)]
    """
    return split(as_recording(recording)).table


def split(recording: Recording) -> Lifetimes:
    """Cut the samples of a recording into lives.

    Parameters
    ----------
    recording
        The recording.

    Returns
    -------
    Lifetimes
        The lives and the samples that belong to them.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "rss_bytes": [100] * 10})
    >>> split(as_recording(table)).samples["life_row"].unique().to_list()
    [0]
    """
    samples = recording.samples.with_columns(
        footprint_bytes=pl.coalesce(_whole(name) for name in (*FOOTPRINTS, "allocated_bytes")),
    )
    samples = _numbered(samples, _cuts(recording, samples))
    rows = (
        samples.group_by("container_id", "cut", maintain_order=True)
        .agg(start=pl.col("time").first(), end=pl.col("time").last())
        .with_row_index("life_row")
    )
    samples = samples.join(
        rows.select("container_id", "cut", "life_row"),
        on=["container_id", "cut"],
        how="left",
        maintain_order="left",
    ).drop("cut")
    table = rows.drop("cut").with_columns(
        life=pl.col("life_row").rank("dense").over("container_id").cast(pl.UInt32) - 1
    )
    table = _endings(table, recording)
    table = _in_force(table, recording)
    return Lifetimes(_measured(table, samples, recording), samples)


def _whole(name: str) -> pl.Expr:
    """A signal for the containers that mostly have it, so that one life is never a mix of two."""
    sampled = pl.col(name).count().over("container_id")
    most = pl.max_horizontal(pl.col(other).count().over("container_id") for other in FOOTPRINTS)
    return pl.when(sampled * 2 > most).then(pl.col(name))


def _cuts(recording: Recording, samples: pl.DataFrame) -> pl.DataFrame:
    """Instants at which a new life begins: from that time on."""
    tick = pl.duration(milliseconds=1)
    known = recording.events.filter(pl.col("kind").is_in([*_STARTING, *_ENDING])).select(
        "container_id",
        time=pl.when(pl.col("kind").is_in(_ENDING)).then(pl.col("time") + tick).otherwise(pl.col("time")),
    )
    before = pl.col("footprint_bytes").shift().over("container_id")
    present = samples.filter(pl.col("footprint_bytes").is_not_null()).select(
        "container_id",
        "time",
        fall=1 - pl.col("footprint_bytes") / before,
        step=pl.col("time").diff().over("container_id"),
    )
    falls = present.filter(pl.col("fall") > NEW_PROCESS_FALL)
    cadence = recording.containers.select("container_id", "cadence_seconds")
    # The scrape that shows a restart is not the one that counts it: the fall nearby is where it happened.
    reach = pl.max_horizontal(
        LINGER_SCRAPES_SURE * pl.col("cadence_seconds"),
        pl.min_horizontal(LINGER_SECONDS, LINGER_SCRAPES * pl.col("cadence_seconds")),
    )
    if falls.height and known.height:
        known = _nearest(known, falls, cadence).select(
            "container_id",
            time=pl.when(pl.col("apart_seconds") <= reach).then("nearest").otherwise("time"),
        )
    # A counter that falls is a new process; so is a deep fall across a stretch without samples.
    resets = samples.filter(
        pl.any_horizontal(
            pl.col(name) < pl.col(name).forward_fill().shift().over("container_id")
            for name in ("work_total", "psi_some_seconds")
        ),
    ).select("container_id", "time")
    silent = (
        falls.join(cadence, on="container_id", how="left")
        .filter(pl.col("step").dt.total_milliseconds() > 1000 * SILENT_SCRAPES * pl.col("cadence_seconds"))
        .select("container_id", "time")
    )
    silent = pl.concat([silent, _unseen(present, cadence)])
    known = known.select("container_id", "time")
    seen = _apart(pl.concat([resets, silent]).unique(), known, cadence, reach)
    return pl.concat([known, seen]).unique().sort("container_id", "time")


def _unseen(present: pl.DataFrame, cadence: pl.DataFrame) -> pl.DataFrame:
    """Ends of long stretches without samples: what happened in them is not known, so no trend spans them."""
    span = (pl.col("time").max() - pl.col("time").min()).dt.total_milliseconds().over("container_id")
    step = pl.col("step").dt.total_milliseconds()
    return (
        present.with_columns(span=span)
        .join(cadence, on="container_id", how="left")
        .filter((step > LONG_GAP * pl.col("span")) & (step > GAP_SCRAPES * 1000 * pl.col("cadence_seconds")))
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


def _numbered(samples: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
    """Number each sample by the cuts before it; stretches without samples vanish by themselves."""
    if not cuts.height:
        return samples.with_columns(cut=pl.lit(0, dtype=pl.Int64))
    # One number for container and time keeps the order, so that one search numbers all samples.
    mark = pl.col("container_id").cast(pl.Int64) * _MILLISECONDS + pl.col("time").to_physical()
    marks = cuts.select(mark.alias("mark"))["mark"].to_numpy()
    before = samples.select(mark.alias("mark"))["mark"].to_numpy()
    return samples.with_columns(cut=pl.Series(np.searchsorted(marks, before, side="right")))


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
        "container_id", slack=pl.duration(milliseconds=1000 * SILENT_SCRAPES * pl.col("cadence_seconds").fill_null(0))
    )
    found = (
        table.join(events, on="container_id", how="inner")
        .join(step, on="container_id", how="left")
        .filter(
            (pl.col("event_time") >= pl.col("end") - pl.col("slack"))
            & (pl.col("next_start").is_null() | (pl.col("event_time") <= pl.col("next_start") + pl.col("slack")))
            & (pl.col("event_time") > pl.col("start")),
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
                .when(pl.col("next_start") - pl.col("end") > GAP_SCRAPES / SILENT_SCRAPES * pl.col("slack"))
                .then(pl.lit("gap"))
                .otherwise(pl.lit("restart")),
            ),
        )
        .with_columns(
            start_seen=pl.col("begun").fill_null(value=False)
            | (pl.col("ended").shift().over("container_id") != "gap").fill_null(value=False),
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
    value = pl.col("footprint_bytes")
    spans = table.select("life_row", "start", "end", "start_seen")
    inside = (
        samples.select("life_row", "time", "footprint_bytes")
        .filter(value.is_not_null())
        .join(
            spans,
            on="life_row",
            how="left",
            maintain_order="left",
        )
    )
    span = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    age = (pl.col("time") - pl.col("start")).dt.total_milliseconds()
    stats = inside.group_by("life_row", maintain_order=True).agg(
        samples=pl.len().cast(pl.Int64),
        startup_peak_bytes=value.filter(pl.col("start_seen") & (age <= STARTUP_SHARE * span)).max(),
        settled_bytes=value.filter(2 * age >= span).median().cast(pl.Int64),
        peak_bytes=value.max(),
        peak_time=pl.col("time").filter(value == value.max()).first(),
        last_bytes=value.last(),
    )
    outside = (
        inside.join(stats.select("life_row", "settled_bytes"), on="life_row", how="left", maintain_order="left")
        .filter((value - pl.col("settled_bytes")).abs() > SETTLED_BAND * pl.col("settled_bytes"))
        .group_by("life_row", maintain_order=True)
        .agg(startup_seconds=(age.max() / 1000))
    )
    cadence = recording.containers.select("container_id", "cadence_seconds")
    expected = (
        (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000 / pl.col("cadence_seconds")
    ).round() + 1
    whole = (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000
    return (
        table.join(stats, on="life_row", how="left", maintain_order="left")
        .join(outside, on="life_row", how="left", maintain_order="left")
        .join(cadence, on="container_id", how="left", maintain_order="left")
        .with_columns(
            coverage=(pl.col("samples") / expected).clip(0, 1),
            startup_seconds=pl.when(pl.col("start_seen") & (pl.col("startup_seconds").fill_null(0) < whole / 2)).then(
                pl.col("startup_seconds").fill_null(0.0),
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
