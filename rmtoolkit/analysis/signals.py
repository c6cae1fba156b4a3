"""Cut every container's samples into lifetimes, and read every signal of each: levels, load, shape, models."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from msgspec import Struct

from rmtoolkit._identity import releases_by_name
from rmtoolkit._parallel import parallel_map
from rmtoolkit._tables import FOLLOWS, beside, in_force, run_starts, search_runs, spans
from rmtoolkit.analysis import models
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.models import Envelope, describe, envelopes, fit_rows
from rmtoolkit.analysis.records import AgeKind, ByAge
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import ABSURD_BYTES, FOOTPRINTS, TIME, WORKLOAD, Ending, Signal
from rmtoolkit.validation import above_limits, believed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: More than any time in milliseconds until the year 2248.
_MILLISECONDS: Final = 1 << 43
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
    counted = samples.select("container_id", "time", "footprint_bytes", fallen=_counter_fallen(samples))
    present = counted.drop_nulls("footprint_bytes")
    long = th.GAP_SCRAPES * 1000 * (cadence["cadence_seconds"].min() or 0.0)  # type: ignore[operator]
    # Of all samples few follow a fall or a long step: only these are looked at.
    marked = present.with_columns(
        fall=pl.when(FOLLOWS).then(1 - pl.col("footprint_bytes") / pl.col("footprint_bytes").shift()),
        step=pl.when(FOLLOWS).then(pl.col("time").diff()),
    ).filter((pl.col("fall") > th.NEW_PROCESS_FALL) | (pl.col("step").dt.total_milliseconds() > long))
    marked = beside(marked, cadence, "container_id")
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
        moves = pl.col("moves") & _still_shown(moved, samples)
        known = moved.select("container_id", time=pl.when(moves).then("nearest").otherwise("time"))
    # A deep fall across a stretch without samples is a new process too, unless what it counts goes on.
    silent = falls.filter(
        pl.col("fallen").is_null(),
        pl.col("step").dt.total_milliseconds() > 1000 * th.SILENT_SCRAPES * pl.col("cadence_seconds"),
    )
    signs = (counted.filter("fallen"), silent, _unseen(marked, present))
    seen = pl.concat(sign.select("container_id", "time") for sign in signs)
    if seen.height and known.height:
        # What is just another sign of a known restart is left out.
        far = pl.col("nearest").is_null() | (pl.col("apart_seconds") > reach)
        seen = _nearest(seen, known, cadence).filter(far).select("container_id", "time")
    return pl.concat([known, seen]).unique().sort("container_id", "time")


def _still_shown(moved: pl.DataFrame, samples: pl.DataFrame) -> pl.Series:
    """Tell whether the old process is what is shown between a restart and the fall after it."""
    later = moved.select((pl.col("moves") & (pl.col("nearest") > pl.col("time"))).fill_null(value=False)).to_series()
    shown = np.ones(moved.height, dtype=bool)
    if not later.any():
        return pl.Series(shown)
    key, value = mark(samples, "time"), pl.col("footprint_bytes").cast(pl.Float64)
    begin, end = (np.searchsorted(key, mark(moved, name)) for name in ("time", "nearest"))
    known = samples.select(value=value, before=value.forward_fill().shift().over("container_id"))
    for row in np.flatnonzero(later.to_numpy()):
        between, before = known["value"][begin[row] : end[row]], known["before"].item(begin[row])
        shown[row] = before is not None and not ((between - before).abs() > th.NEW_PROCESS_FALL * before).any()
    return pl.Series(shown)


def mark(frame: pl.DataFrame, time: str) -> NDArray[np.int64]:
    """Give one number for container and time that keeps their order, so that one search finds all instants."""
    mark = pl.col("container_id").cast(pl.Int64) * _MILLISECONDS + pl.col(time).to_physical()
    return frame.select(mark).to_series().fill_null(0).to_numpy()


def _counter_fallen(samples: pl.DataFrame) -> pl.Expr:
    """Whether a counter of the process has fallen since its last sample; null where none tells."""
    before = {
        name: pl.col(name).forward_fill().shift().over("container_id")
        if samples[name].null_count()
        else pl.when(FOLLOWS).then(pl.col(name).shift())
        for name in ("work_total", "psi_some_seconds", "psi_full_seconds", "peak_bytes")
        if samples[name].null_count() < samples.height
    }
    peak, none = before.pop("peak_bytes", None), pl.lit(None, dtype=pl.Boolean)
    told = pl.any_horizontal(pl.col(name) < value for name, value in before.items()) if before else none
    if peak is None:
        return told
    # The kernel's peak begins anew with a cgroup, which may outlive a process: that it stays tells nothing. One that
    # falls time and again is that of each interval.
    rare = (pl.col("peak_bytes") < peak).sum() <= 1 + th.SELDOM * pl.col("peak_bytes").count()
    anew = (pl.col("peak_bytes") < (1 - th.MATERIAL_SHARE) * peak) & rare.over("container_id")
    return pl.when(anew).then(pl.lit(value=True)).otherwise(told)


def _unseen(marked: pl.DataFrame, present: pl.DataFrame) -> pl.DataFrame:
    """Ends of long stretches without samples: what happened in them is not known, so no trend spans them."""
    step = pl.col("step").dt.total_milliseconds()
    gaps = marked.filter(step > th.GAP_SCRAPES * 1000 * pl.col("cadence_seconds"))
    if not gaps.height:
        return gaps
    whole = (pl.col("last") - pl.col("first")).dt.total_milliseconds()
    return beside(gaps, spans(present), "container_id").filter(step > th.LONG_GAP * whole)


def _nearest(times: pl.DataFrame, marks: pl.DataFrame, cadence: pl.DataFrame) -> pl.DataFrame:
    marked = marks.select("container_id", "time", nearest=pl.col("time")).sort("time")
    found = times.sort("time").join_asof(
        marked, on="time", by="container_id", strategy="nearest", check_sortedness=False
    )
    apart = (pl.col("nearest") - pl.col("time")).dt.total_milliseconds().abs()
    return beside(found, cadence, "container_id").with_columns(apart_seconds=apart / 1000)


ENDINGS: Final = tuple(ending.value for ending in Ending if ending not in (Ending.GAP, Ending.RUNNING))


class Lifetimes(Struct, frozen=True):
    table: pl.DataFrame
    #: The recording's samples with `life_row`, the row of the table, and `footprint_bytes`.
    samples: pl.DataFrame


def lives(recording: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame) -> pl.DataFrame:
    def cut(part: Recording) -> dict[str, pl.DataFrame]:
        return {"lives": split(believed(part, above_limits(part))).table}

    return parallel_map(as_recording(recording), cut, otherwise=_not_cut)[0]["lives"]


def _not_cut(part: Recording, _: BaseException) -> dict[str, pl.DataFrame]:
    nobody = split(replace(part, containers=part.containers.clear(), samples=part.samples.clear()))
    return {"lives": pl.concat([nobody.table, part.containers.select("container_id")], how="diagonal")}


def split(recording: Recording, known: pl.DataFrame | None = None) -> Lifetimes:
    """Cut the samples of a recording into lives; those `known` are taken where they are of just these samples."""
    samples = recording.samples.with_columns(footprint_bytes=_footprint(recording.samples))
    if known is not None and (cut := _cut_as(known, samples)):
        return cut
    starts = _starts(samples, lifetime_boundaries(recording, samples))
    lengths = np.diff(starts, append=samples.height)
    number = np.arange(len(starts), dtype=np.uint32)
    samples = samples.with_columns(life_row=pl.Series(np.repeat(number, lengths)))
    ids, times = samples["container_id"][starts], samples["time"]
    edges = {"start": times[starts], "end": times[starts + lengths - 1]}
    table = pl.DataFrame({"life_row": number, "container_id": ids, **edges})
    table = table.with_columns(life=pl.col("life_row").rank("dense").over("container_id").cast(pl.UInt32) - 1)
    table = _in_force(_endings(table, recording), recording)
    return Lifetimes(_measured(table, samples, recording), samples)


def _cut_as(known: pl.DataFrame, samples: pl.DataFrame) -> Lifetimes | None:
    """Cut samples where known lives begin; None unless these hold every sample, from first to last."""
    table = known.filter(pl.col("container_id").is_in(samples["container_id"].unique().implode()))
    marks, starts, ends = mark(samples, "time"), mark(table, "start"), mark(table, "end")
    first, last = np.searchsorted(marks, starts), np.searchsorted(marks, ends)
    if not samples.height or not table.height or last[-1] != samples.height - 1:
        return None
    if first[0] or (first[1:] != last[:-1] + 1).any() or (marks[first] != starts).any() or (marks[last] != ends).any():
        return None
    number = np.repeat(np.arange(table.height, dtype=np.uint32), last - first + 1)
    return Lifetimes(table, samples.with_columns(life_row=pl.Series(number)))


def _footprint(samples: pl.DataFrame) -> pl.Expr:
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
    starts = run_starts(samples["container_id"])
    if not cuts.height:
        return starts
    rows = np.searchsorted(mark(samples, "time"), mark(cuts, "time"))
    return np.unique(np.concatenate([starts, rows[rows < samples.height]]))


def _endings(table: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    silent = 1000 * th.SILENT_SCRAPES * pl.col("cadence_seconds").fill_null(0)
    step = recording.containers.select("container_id", slack=pl.duration(milliseconds=silent))
    table = beside(table.with_columns(next_start=pl.col("start").shift(-1).over("container_id")), step, "container_id")
    start, end, after, slack = (pl.col(name) for name in ("start", "end", "next_start", "slack"))
    told = recording.events.filter(pl.col("kind").is_in(ENDINGS))
    since = pl.max_horizontal(end - slack, start + pl.duration(milliseconds=1))
    until = pl.coalesce(after + slack, pl.lit(told["time"].max(), TIME))
    edges = table.select("container_id", since=since, until=until)
    marks = mark(told, "time")
    first, last = np.searchsorted(marks, mark(edges, "since")), np.searchsorted(marks, mark(edges, "until"), "right")
    kinds = np.append(told["kind"].cast(pl.Enum(ENDINGS)).to_physical(), 0)
    least = np.minimum.reduceat(kinds, np.column_stack([first, last]).ravel())[::2]
    ended = [ENDINGS[kind] if known else None for kind, known in zip(least, last > first, strict=True)]
    starts = recording.events.filter(pl.col("kind") == "start").select("container_id", start="time", begun="time")
    silent = after - end > th.GAP_SCRAPES / th.SILENT_SCRAPES * slack
    untold = (
        pl.when(after.is_null()).then(pl.lit("running")).when(silent).then(pl.lit("gap")).otherwise(pl.lit("restart"))
    )
    near = (pl.col("begun") - start).abs() <= slack
    follows = pl.col("ended").shift().over("container_id") != "gap"
    table = table.join_asof(starts, on="start", by="container_id", strategy="nearest", check_sortedness=False)
    table = table.with_columns(ended=pl.coalesce(pl.Series(ended, dtype=pl.String), untold))
    return table.with_columns(start_seen=near.fill_null(value=False) | follows.fill_null(value=False))


def _with_releases(containers: pl.DataFrame, lives: pl.DataFrame) -> pl.DataFrame:
    """Let the names of pods tell a release once it has run for long: a restart and a new limit rename pods as well."""
    seen = lives.group_by("container_id").agg(
        begun=pl.col("start").max(), lived=(pl.col("end") - pl.col("start")).max().dt.total_milliseconds()
    )
    named = beside(releases_by_name(containers), seen, "container_id")
    newest = pl.col("version") == pl.col("version").sort_by("begun", nulls_last=False).last().over(WORKLOAD)
    long = pl.col("lived").filter("newest").max() >= th.SHORT * pl.col("lived").max()
    told = containers["version"].is_not_null() | long.over(WORKLOAD)
    named = named.with_columns(newest=newest)
    return named.select("container_id", "limit_bytes", version=pl.when(told).then("version"))


def told_by_hash(recording: Recording) -> pl.Expr:
    """Whether a life's version is a hash in its pod's name, which a new limit changes as well."""
    told = recording.containers.filter(pl.col("version").is_not_null())
    ids = pl.concat(some["container_id"] for some in (told, _releases(recording)))
    return pl.col("version").is_not_null() & ~pl.col("container_id").is_in(ids.implode())


def _releases(recording: Recording) -> pl.DataFrame:
    return recording.events.filter((pl.col("kind") == "release") & pl.col("detail").is_not_null())


def _in_force(table: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    table = beside(table, _with_releases(recording.containers, table), "container_id")
    table = in_force(table, recording.events, "limit", "end")
    releases = _releases(recording)
    if not releases.height:
        return table
    # A detail reads ``a → b``, which tells what ran before, or only ``b``.
    parts = pl.col("detail").str.split(" → ")
    before = pl.when(parts.list.len() > 1).then(parts.list.first()).first()
    first = releases.group_by("container_id", maintain_order=True).agg(before=before, changed=pl.lit(value=True))
    then = releases.select("container_id", end="time", then=parts.list.last())
    table = table.join_asof(then, on="end", by="container_id", check_sortedness=False)
    version = pl.when("changed").then(pl.coalesce("then", "before")).otherwise("version")
    return beside(table, first, "container_id").with_columns(version=version).drop("then", "before", "changed")


def _measured(table: pl.DataFrame, samples: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    cadence = recording.containers.select("container_id", "cadence_seconds")
    whole = (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000
    expected = (whole / pl.col("cadence_seconds")).round() + 1
    settling = pl.col("startup_seconds").fill_null(0.0)
    return (
        beside(beside(table, _levels(table, samples), "life_row"), cadence, "container_id")
        .with_columns(
            coverage=(pl.col("samples") / expected).clip(0, 1),
            startup_seconds=pl.when(pl.col("start_seen") & (settling < whole / 2)).then(settling),
        )
        .select(
            *("container_id", "life", pl.col("start", "end").cast(TIME), "start_seen", "ended", "version"),
            *("limit_bytes", pl.col("samples").fill_null(0), "coverage", "startup_peak_bytes", "startup_seconds"),
            *("settled_bytes", "peak_bytes", "peak_time", "last_bytes"),
        )
    )


def _levels(table: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    inside = samples.select("life_row", "time", value="footprint_bytes")
    if inside["value"].null_count():
        inside = inside.filter(pl.col("value").is_not_null())
    first = run_starts(inside["life_row"])
    length = np.diff(first, append=inside.height)
    row = inside["life_row"][first]
    chosen = table[row]
    start = chosen["start"].to_physical().to_numpy()
    span = chosen["end"].to_physical().to_numpy() - start
    value, time = inside["value"].to_numpy(), inside["time"].to_physical().to_numpy()
    later = search_runs(time, first, length, (start + (span + 1) // 2)[:, None])[:, 0]
    bounds = list(zip(first.tolist(), later.tolist(), (first + length).tolist(), strict=True))
    tops = np.array([low + value[low:high].argmax() for low, _, high in bounds], dtype=np.int64)
    settled = [pl.Series(value[middle:high]).median() for _, middle, high in bounds]
    usual = pl.Series(settled, dtype=pl.Float64).cast(pl.Int64)
    told = {"life_row": row, "samples": length, "settled_bytes": usual, "last_bytes": value[first + length - 1]}
    highest = {"peak_bytes": value[tops], "peak_time": inside["time"][tops]}
    stats = pl.DataFrame(told | highest, schema_overrides={"samples": pl.Int64})
    begun = beside(chosen.filter("start_seen"), stats.select("life_row", "settled_bytes"), "life_row")
    return beside(stats, _startup(inside, begun), "life_row")


def _startup(inside: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    span = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    age = (pl.col("time") - pl.col("start")).dt.total_milliseconds()
    away = (pl.col("value") - pl.col("settled_bytes")).abs() > th.SETTLED_BAND * pl.col("settled_bytes")
    peak = pl.col("value").filter(age <= th.STARTUP_SHARE * span).max()
    lives = inside.join(begun, on="life_row", how="inner").group_by("life_row")
    return lives.agg(startup_peak_bytes=peak, startup_seconds=age.filter(away).max() / 1000)


def without_load(
    envelope: Envelope, rows: pl.DataFrame, values: Array, fitted: NDArray[np.bool_]
) -> tuple[Array, Array]:
    share = np.zeros(len(rows))
    signal, life = (rows[name].to_numpy() for name in ("signal", "life_row"))
    loads: dict[int, Array] = {}
    for row in np.flatnonzero(signal == "work_total"):
        loads[int(life[row])] = np.maximum(np.gradient(envelope.mean[row]), 0)
    for row in np.flatnonzero(signal == "load"):
        loads[int(life[row])] = envelope.mean[row]
    if not loads:
        return values, share
    values = values.copy()
    u = np.linspace(-0.5, 0.5, envelope.bins)
    for row in np.flatnonzero(fitted):
        load = loads.get(int(life[row]))
        if load is None or np.ptp(load) <= th.LOAD_VARIES * max(abs(float(np.median(load))), 1e-12):
            continue
        rest, best = _explained(values[row], load, u)
        if best > 0:
            values[row], share[row] = rest, best
    return values, share


def _explained(y: Array, load: Array, u: Array) -> tuple[Array, float]:
    """One row without what follows the load, and the share of its movement that this is."""
    best, rest = 0.0, y
    # Shares of the last bin's load that memory still feels.
    for smoothing in (0.0, 0.5, 0.8):
        # An exponential moving average: memory follows the load with a delay.
        felt = pl.Series(load).ewm_mean(alpha=1 - smoothing, adjust=False).to_numpy()
        felt = (felt - felt.mean()) / max(float(felt.std()), 1e-12)
        with_trend = np.column_stack([np.ones_like(u), u, felt])
        base = with_trend[:, :2] if abs(float(np.corrcoef(felt, u)[0, 1])) < th.LOAD_TRENDS else with_trend[:, :1]
        full = np.column_stack([base, felt])
        before = y - base @ np.linalg.lstsq(base, y, rcond=None)[0]
        coefficients = np.linalg.lstsq(full, y, rcond=None)[0]
        explained = 1 - ((y - full @ coefficients) ** 2).sum() / max((before**2).sum(), 1e-12)
        # Without room for a trend of its own, the load must explain nearly everything.
        needed = th.LOAD_EXPLAINS if base.shape[1] > 1 else th.LOAD_EXPLAINS_ALONE
        without = y - coefficients[-1] * felt
        if coefficients[-1] > 0 and explained > max(best, needed) and _follows(without, y):
            best, rest = float(explained), without
    return rest, best


def _follows(without: Array, y: Array) -> bool:
    """Whether neither half of the window moves twice as much without it: what follows the load does so all along."""
    half = len(y) // 2
    line = np.column_stack([np.ones(half), np.arange(half)])

    def moves(values: Array) -> Array:
        halves = np.column_stack([values[:half], values[-half:]])
        found: Array = ((halves - line @ np.linalg.lstsq(line, halves, rcond=None)[0]) ** 2).sum(axis=0)
        return found

    return bool((moves(without) <= 2 * moves(y)).all())


def check(values: Array, onset: Array, growth: Array, growing: Array, grain: Array) -> tuple[dict[str, Array], Array]:
    """Compare what the end of each row does with the growth that was found in it; give the slope of its last third."""
    bins = values.shape[1]
    width = max(2, bins // 24)
    begin = np.clip(onset, 0.0, 0.9)
    # The first mark stands behind the onset: a step there is not part of the growth.
    begin = begin + np.where(begin > 0, 1.1 * width / bins, 0)
    levels, places = zip(*(_around(values, begin + (1 - begin) * part / 3, width) for part in range(4)), strict=True)
    whole = (levels[3] - levels[0]) / np.maximum(places[3] - places[0], 1 / bins)
    third = (levels[3] - levels[2]) / np.maximum(places[3] - places[2], 1 / bins)
    # Beside a step or a warm-up the slope that the models found is that of the growth, the whole rise is not.
    slope = np.where(
        (growing > th.LIKELY) & (growth > 0), np.where(whole > 0, np.minimum(whole, growth), growth), whole
    )
    steps = np.abs(np.diff(values, axis=1))
    top = np.sort(steps, axis=1)[:, -max(1, bins // 10) :].sum(axis=1)
    jumpy = top > th.JUMPY * steps.sum(axis=1)
    noise = np.maximum(th.DEVIATIONS_PER_MAD * np.median(steps, axis=1), grain)

    before, place = _around(values, np.full(len(values), 1 - th.TAIL - 1.5 * width / bins), width)
    expected = growth * (places[3] - place)
    clear = (expected > th.CLEAR_DEVIATIONS * noise) & ~jumpy
    smooth = models.smoothed(values, 2)
    rest, unrested = _rests(smooth, noise)
    start = np.clip(np.maximum(onset, th.STARTUP_OVER), 0.0, 0.9)
    (low, middle), (low_at, middle_at) = zip(
        *(_around(values, start + (1 - start) * part / 2, width) for part in range(2)), strict=True
    )
    former = (middle - low) / np.maximum(middle_at - low_at, 1 / bins)
    latter = (levels[3] - middle) / np.maximum(places[3] - middle_at, 1 / bins)
    # A step or two beside the growth are no part of it; many small ones may be all of it.
    level = np.median(values, axis=1)
    size = th.JUMP_DEVIATIONS * th.DEVIATIONS_PER_MAD * np.median(steps, axis=1) + th.STEP_SHARE / 2 * level
    large = steps > size[:, None]
    # However many the start took; one that falls within a bin shows at both its sides.
    later = large[:, bins // th.START_PART :]
    few = large.any(axis=1) & (later[:, :1].sum(axis=1) + (later[:, 1:] & ~later[:, :-1]).sum(axis=1) <= th.FEW_JUMPS)
    calm_steps = np.where(large, 0.0, np.diff(values, axis=1))
    calm = np.concatenate([np.zeros((len(values), 1)), np.cumsum(calm_steps, axis=1)], axis=1)
    ends, starts = (_around(calm, where, width)[0] for where in (np.ones(len(values)), begin))
    due = growth * (places[3] - places[0])
    # What is left of a slope of nothing by rounding is no growth, on whatever machine.
    grown = due > 1e-9 * level
    # Where growth comes in jumps, whether the last of them has come yet makes the difference of one.
    wobble = np.where(jumpy, top / max(1, bins // 10), noise / np.sqrt(width))
    # After a fall the rise begins at the lowest place, not where the window does.
    least = np.minimum.reduce(levels[:3])
    below = smooth < (least + th.BEGUN_SHARE * (levels[3] - least))[:, None]
    found = {
        "last_third": np.where(
            # Where the bins are too few to tell the last third from the one before, or the grain too coarse.
            (places[3] <= places[2]) | ((slope > 0) & (slope * (1 - begin) / 3 < 2 * grain) & (third < slope)),
            th.UNCHECKED,
            np.where(slope > 0, np.where(whole > 0, third, np.maximum(third, 0)) / np.where(slope > 0, slope, 1), 0.0),
        ),
        "tail": np.where(clear, (levels[3] - before) / np.where(clear, expected, 1), np.nan),
        "straight": np.where(former > 0, latter / np.where(former > 0, former, 1), np.inf),
        "bend_noise": np.where(levels[3] > low, wobble / np.maximum((levels[3] - low) / 2, 1e-9), np.inf),
        "between": np.where(few & grown, (ends - starts) / np.where(grown, due, 1), np.nan),
        "begun_at": np.where(below.any(axis=1), (bins - below[:, ::-1].argmax(axis=1)) / bins, 0.0),
        "rest": rest,
        "unrested": unrested,
    }
    return found, third


def _grows_on(low: Array, fit: models.Fit, given: models.Given, ended: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the lowest, calmer samples are seen to grow on in rows that rest or have ended: by their floor, then."""
    low, going = models.cleaned(low[ended]), np.zeros(len(low), dtype=bool)
    # What a start or a step leaves hides what grows after it: the later half is judged by its own noise, too.
    for since in (0, low.shape[1] // 2):
        late = low[:, since:]
        share = late.shape[1] / low.shape[1]
        rises = _level_at(late, 1.0) - _level_at(late, 0.25) > th.MATERIAL_SHARE * np.abs(given.level[ended])
        some = np.flatnonzero(rises & (late.shape[1] >= models.WIDTHS[-1]))
        rows, late, told = ended[some], late[some], given.at(ended[some])
        seen = models.compete(late, told._replace(day_cycles=share * told.day_cycles))
        calm = (seen.noise < share * fit.noise[rows]) & (seen.growing > th.LIKELY) & (seen.growth > seen.floor)
        of_calm = (column[calm] for column in (late, seen.onset, seen.growth, seen.growing, told.grain))
        shown = np.flatnonzero(calm)[check(*of_calm)[0]["last_third"] > th.SLOWING]
        going[rows[shown]] = True
        fit.floor[rows[shown]] = np.minimum(fit.floor[rows[shown]], seen.floor[shown] / share)
    return going


def _around(values: Array, place: Array, width: int) -> tuple[Array, Array]:
    """Median of a few bins around a place of the window, and the middle of the bins that were taken."""
    bins = values.shape[1]
    first = np.clip(np.round(place * bins).astype(int) - width, 0, bins - 2 * width)
    index = first[:, None] + np.arange(2 * width)[None, :]
    return np.median(np.take_along_axis(values, index, axis=1), axis=1), (first + width) / bins


def _rests(smooth: Array, noise: Array) -> tuple[Array, Array]:
    """Find how long the last rest is, and what it lacks to be longer than those before it on lower ground."""
    bins = smooth.shape[1]
    lowest = smooth.min(axis=1)
    slack = np.maximum.reduce(
        [th.REST_NOISE * noise, th.REST_SHARE * np.abs(smooth[:, -1]), th.REST_RANGE * (smooth.max(axis=1) - lowest)]
    )
    end = np.median(smooth[:, -max(2, bins // 24) :], axis=1)
    away = np.abs(smooth - end[:, None]) > slack[:, None]
    last = np.where(away.any(axis=1), away[:, ::-1].argmax(axis=1), bins)
    lacks = np.zeros(len(smooth))
    for row in np.flatnonzero(end - lowest > th.REST_RISE * slack):
        before = _rests_before(smooth[row, : bins - last[row]].tolist(), slack[row], max(3, bins // 12))
        if before and end[row] - max(level for level, *_ in before) > th.REST_RISE * slack[row]:
            # The first rest may have begun before the window did, and no step came before it.
            longest = max((to - since) * (1.0 if since else th.FIRST_REST) for _, since, to in before)
            # Steps that grow are those of something that doubles: each rest is twice as long as the one before.
            level, _, to = before[-1]
            abrupt = bins - last[row] - to <= bins // 12
            grows = len(before) > 1 and end[row] - level > th.STEPS_GROW * (level - before[-2][0]) > 0
            lacks[row] = max(longest * (th.DOUBLES if grows and abrupt else th.OUTLASTS) - last[row], 0) / bins
    return last / bins, lacks


def _rests_before(line: list[float], slack: float, shortest: int) -> list[tuple[float, int, int]]:
    """Find stretches that stay within the slack of their mean so far: level, begin and end of each."""
    found, begin, total = [], 0, line[0] if line else 0.0
    for place in range(1, len(line) + 1):
        mean = total / (place - begin)
        if place == len(line) or abs(line[place] - mean) > slack:
            if place - begin >= shortest:
                found.append((mean, begin, place))
            begin, total = place, 0.0
        if place < len(line):
            total += line[place]
    return found


#: Signals that a verdict can rest on, the most telling first.
JUDGED: Final = (Signal.ALLOCATED, Signal.ANON, Signal.RSS, Signal.WORKING_SET, Signal.USAGE)
#: Signals whose growth is looked at as well, and signals of which only the levels are read.
_FITTED_TOO: Final = (Signal.FOOTPRINT, Signal.ACTIVE, Signal.RESIDENT, Signal.SHMEM, Signal.KERNEL, Signal.THREADS)
_FITTED: Final = tuple(signal.value for signal in (*JUDGED, *_FITTED_TOO))
_LEVELS: Final = tuple(signal.value for signal in Signal if signal.value not in _FITTED)
_FROM_FIT: Final = ("growing", "bounded", "unresolved", "fresh", "onset", "noise")
#: Families with a step: what comes before and after it says nothing about a bend.
_STEPPED: Final = [code for name, code in models.CODE.items() if "step" in name or name == models.Family.PULSE]
DAY_SECONDS: Final = 86_400


class Readings(Struct, frozen=True):
    #: A row per life and signal: `life_row`, `signal`, `samples`, `filled`, the scalars of `models.Fit` and
    #: `models.Shapes`, growth and its error per day, and `curve`, its place among the curves.
    table: pl.DataFrame
    curves: tuple[Array, ...]


def read(cut: Lifetimes, recording: Recording, rejected: pl.DataFrame) -> Readings:
    samples = _with_swap(cut.samples)
    for name in rejected["signal"].unique().to_list():
        if name in samples.columns:
            bad = rejected.filter(pl.col("signal") == name)["container_id"].implode()
            samples = samples.with_columns(pl.when(~pl.col("container_id").is_in(bad)).then(pl.col(name)).alias(name))
    wanted = [name for name in (*_FITTED, *_LEVELS) if samples[name].count()]
    # The footprint is mostly one of the signals: read it once, under both names.
    whole = next((name for name in FOOTPRINTS if samples[name].equals(samples["footprint_bytes"])), "footprint_bytes")
    if whole != "footprint_bytes" and "footprint_bytes" in wanted:
        wanted.remove("footprint_bytes")
    span = (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000
    quantum = recording.containers.select("container_id", "quantum_bytes")
    lives = beside(cut.table.with_row_index("life_row"), quantum, "container_id")
    lives = lives.select("life_row", "limit_bytes", "quantum_bytes", span_seconds=span)
    tables: list[pl.DataFrame] = []
    curves: list[Array] = []
    for envelope in envelopes(samples, cut.table, wanted):
        table, fitted = _read_width(envelope, lives, whole, len(curves))
        tables.append(table)
        curves.extend(fitted)
    if not tables:
        schema = {"life_row": pl.UInt32, "signal": pl.String, "samples": pl.Int64, "filled": pl.Float64}
        nothing = Envelope(pl.DataFrame(schema=schema), *(np.zeros((0, 24)),) * 3)
        return Readings(_read_width(nothing, lives, whole, 0)[0], ())
    if whole != "footprint_bytes":
        tables += [
            part.filter(pl.col("signal") == whole).with_columns(signal=pl.lit("footprint_bytes")) for part in tables
        ]
    order = {name: position for position, name in enumerate((*wanted, "footprint_bytes"))}
    table = pl.concat(tables).sort("life_row", pl.col("signal").replace_strict(order, return_dtype=pl.Int64))
    return Readings(table, tuple(curves))


def _with_swap(samples: pl.DataFrame) -> pl.DataFrame:
    """Count what was swapped out as the memory that it is: else what leaks into swap would lie flat."""
    if not samples["swap_bytes"].max():
        return samples
    swapped = pl.col("swap_bytes").fill_null(0)
    neither = pl.col("anon_bytes").is_null() & pl.col("rss_bytes").is_null()
    return samples.with_columns(
        *(pl.col(name) + swapped for name in ("anon_bytes", "rss_bytes")),
        *(
            pl.when(neither).then(pl.col(name) + swapped).otherwise(name).alias(name)
            for name in ("working_set_bytes", "usage_bytes")
        ),
    )


def _read_width(envelope: Envelope, lives: pl.DataFrame, whole: str, offset: int) -> tuple[pl.DataFrame, list[Array]]:
    rows = beside(envelope.rows, lives, "life_row")
    shape, floor = describe(envelope)
    signal, span = (rows[name].to_numpy() for name in ("signal", "span_seconds"))
    fitted = np.isin(signal, _FITTED)
    values, load_share = without_load(envelope, rows, floor, fitted)
    given = models.Given(
        level=_measure(rows, shape["settled"]),
        headroom=_headroom(envelope, rows, whole),
        filled=rows["filled"].to_numpy(),
        grain=np.maximum(rows["quantum_bytes"].fill_null(0).to_numpy().astype(float), _grain(envelope)),
        day_cycles=span / DAY_SECONDS,
    )
    _, life = np.unique(rows["life_row"], return_inverse=True)
    work = np.zeros_like(envelope.mean)
    work[life[signal == "work_total"]] = envelope.mean[signal == "work_total"]
    values, fit, periodic = fit_rows(values, given, fitted, shape["teeth"], np.maximum.accumulate(work[life], axis=1))
    lasting, third = check(values[fitted], fit.onset, fit.growth, fit.growing, given.grain[fitted])
    ended = ((fit.bounded > th.LIKELY) | (lasting["last_third"] < th.SLOWING)) & (shape["teeth"][fitted] < th.TEETH)
    going = _grows_on(envelope.low[fitted], fit, given.at(np.flatnonzero(fitted)), np.flatnonzero(ended))
    fit.unresolved[going] += fit.bounded[going]
    fit.bounded[going], lasting["rest"][going] = 0.0, 0.0
    per_day = DAY_SECONDS / np.maximum(span, 1e-3)
    place = np.flatnonzero(fitted)
    doubt = np.hypot(fit.growth_error, th.SLOPE_DOUBT * fit.growth)
    growth = fit.growth * per_day[place]

    def spread(column: Array) -> pl.Series:
        whole = np.full(len(rows), np.nan)
        whole[place] = column
        return pl.Series(whole, nan_to_null=True)

    def named(codes: NDArray[np.int64]) -> pl.Series:
        names = np.full(len(rows), "none", dtype=object)
        names[place] = [models.FAMILIES[code] for code in codes]
        return pl.Series(names, dtype=pl.String)

    bounded = np.where(np.isin(models.FAMILIES, models.GROWTH_FAMILIES), -1, fit.families)
    tail = max(2, envelope.bins // 8)
    table = rows.drop("limit_bytes", "quantum_bytes").with_columns(
        family=named(fit.family),
        bounded_family=named(bounded.argmax(axis=1)),
        periodic=pl.Series(periodic),
        # Less than a byte a day is rounding.
        growth_per_day=spread(np.where(np.abs(growth) < 1, 0.0, growth)),
        # What comes differs from what was fitted by more than the fit's own error, and what speeds up may go on so.
        growth_error_per_day=spread(doubt * per_day[place]),
        growth_error_up_per_day=spread(np.hypot(doubt, np.maximum(third - fit.growth, 0)) * per_day[place]),
        floor_per_day=spread(fit.floor * per_day[place]),
        stepped=spread(fit.families[:, _STEPPED].sum(axis=1)),
        mean_rise=spread((_level_at(envelope.mean, 1.0) - _level_at(envelope.mean, 0.25))[place]),
        floor_rise=spread((_level_at(values, 1.0) - _level_at(values, 0.25))[place]),
        load_share=pl.Series(load_share),
        first_level=pl.Series(np.median(envelope.mean[:, :tail], axis=1)),
        early_level=pl.Series(_level_at(envelope.mean, 0.2)),
        middle_level=pl.Series(_level_at(envelope.mean, 0.5)),
        top=pl.Series(envelope.high[:, -tail:].max(axis=1)),
        **{name: spread(getattr(fit, name)) for name in _FROM_FIT},
        **{name: spread(column) for name, column in lasting.items()},
        **{name: pl.Series(column) for name, column in shape.items()},
    )
    curve_row = np.full(len(rows), -1)
    curve_row[place] = offset + np.arange(len(place))
    return table.with_columns(curve=pl.Series(curve_row)), list(fit.fitted)


def _level_at(mean: Array, share: float) -> Array:
    bins = mean.shape[1]
    width = max(2, bins // 8)
    first = min(max(0, round(share * bins) - width // 2), bins - width)
    return np.median(mean[:, first : first + width], axis=1)


def _measure(rows: pl.DataFrame, settled: Array) -> Array:
    """Level that growth is measured against: of the whole process, however small the signal itself is."""
    size = pl.col("settled")
    wholes = (
        size.filter(pl.col("signal") == name).first().over("life_row")
        for name in ("anon_bytes", "rss_bytes", "working_set_bytes", "usage_bytes")
    )
    process = pl.when(pl.col("signal") == "threads").then(size).otherwise(pl.max_horizontal(size, pl.coalesce(wholes)))
    return rows.select("life_row", "signal", settled=pl.Series(settled)).select(process).to_series().to_numpy()


def _grain(envelope: Envelope) -> Array:
    """Smallest difference between lowest samples of neighbouring bins, where all that fits in pages moves in it."""
    steps = np.abs(np.diff(envelope.low, axis=1))
    smallest = np.where(steps > 0, steps, np.inf).min(axis=1, initial=np.inf)
    return np.where(smallest <= th.LARGEST_GRAIN, smallest, 0.0)


def _headroom(envelope: Envelope, rows: pl.DataFrame, whole: str) -> Array:
    """Bytes from the footprint's end to the limit, for all signals of a life; infinite without a limit."""
    top = np.median(envelope.high[:, -max(2, envelope.bins // 8) :], axis=1)
    limit, end = pl.col("limit_bytes"), pl.col("top").filter(pl.col("signal") == whole).first().over("life_row")
    room = pl.when(limit < ABSURD_BYTES).then((limit - end.fill_null(0)).clip(0)).otherwise(np.inf)
    return rows.with_columns(top=pl.Series(top)).select(room).to_series().to_numpy()


#: A day in milliseconds.
_DAY: Final = 1000 * DAY_SECONDS
#: Bins of the age that lives of a workload have in common, fewer lives tell too little, and more are no surer.
_AGES, _FEWEST_LIVES, _MOST_LIVES = 24, 8, 96
#: Times the rise of most lives, from which on one rises alone.
_ALONE: Final = 6


def by_age(cut: Lifetimes, containers: pl.DataFrame) -> dict[tuple[str | None, ...], ByAge]:
    """Find workloads whose old lives need no more than young ones do, or more than the load of a day explains."""
    if cut.table.height < th.MASKED_LIVES:
        return {}
    lives = beside(cut.table.with_row_index("life_row"), containers.select("container_id", *WORKLOAD), "container_id")
    start, end, span = (pl.col(name) for name in ("start", "end", "span"))
    lives = lives.with_columns(pl.col("start", "end").to_physical()).with_columns(span=end - start)
    # Few lives become the oldest: what is compared is the age that some of them reach.
    some = span.sort(descending=True).slice(pl.max_horizontal(pl.len() // 10, 2), 1).first()
    come = (some >= th.STANDS_FOR_ALL * span.max()) & (some > 0)
    go = (pl.len() >= _FEWEST_LIVES) & (start.max() - start.min() >= span.max())
    # One by one, lives of about a day do not tell its load from their age.
    whole = pl.min_horizontal(end.max() - start.min(), span.sum() / th.STANDS_FOR_ALL)
    known = (some >= th.NIGHT_DAYS / 2 * _DAY) & (whole >= th.FEWEST_CYCLES * _DAY)
    days = known & (span.max() < th.FEWEST_CYCLES * _DAY)
    # How old a process was when the recording began is not known.
    seen = pl.col("start_seen") | ((pl.col("life") == 0) & (start - start.min() > some / _AGES))
    named = pl.any_horizontal(pl.col("workload", "container").is_not_null())
    lives = lives.filter(named).filter((come & (go | days)).over(WORKLOAD))
    told_of = {"age": some, "go": go, "days": days, "seen": seen & (span >= th.SHORT * some)}
    lives = lives.with_columns(what.over(WORKLOAD).alias(name) for name, what in told_of.items())
    every = (pl.len() - 1) // _MOST_LIVES + 1
    chosen = lives.sort("start").filter((pl.int_range(pl.len()) % every == 0).over(WORKLOAD))
    samples_of = cut.samples.select("life_row", "time", *map(str, JUDGED))
    samples_of = samples_of.join(chosen.select("life_row", "start", *told_of, *WORKLOAD), on="life_row")
    found = {}
    for key, samples in samples_of.group_by(WORKLOAD):
        name = next((name for name in map(str, JUDGED) if samples[name].count()), None)
        if name is None:
            continue
        cells = _by_moment(samples.rename({name: "value"}).drop_nulls("value"))
        if samples["go"][0] and not cells.is_empty() and _rests_by_age(cells):
            found[key] = ByAge(name, AgeKind.RESTS, 0.0)
        elif samples["days"][0] and (told := _rise_by_age(cells.filter("seen", pl.col("share") * th.START_PART > 1))):
            found[key] = ByAge(name, *told)
    return found


def _by_moment(samples: pl.DataFrame) -> pl.DataFrame:
    """Means of each life at each moment, one in so many of the age that lives have in common."""
    time, start, age = pl.col("time").to_physical(), pl.col("start"), pl.col("age")
    share = (time - start) / age
    cut = samples.with_columns(old=(share * _AGES).cast(pl.Int64), moment=(time * _AGES / age).cast(pl.Int64))
    groups = cut.filter(pl.col("old") < _AGES).group_by("moment", "life_row")
    about = {"share": share.mean(), "begun": (start / age).first()}
    return groups.agg(pl.first("old", "seen"), time.mean(), pl.col("value").mean(), **about).sort("moment", "life_row")


#: Waves of a day beside which all must agree how far lives rise; of the middle one that is told.
_WAVES: Final = (2, 3, 4)
#: Parts of the age in which a slow start comes to rest.
_STARTS: Final = (0.06, 0.12, 0.25, 0.5)


def _rise_by_age(cells: pl.DataFrame) -> tuple[AgeKind, float] | None:
    """Tell by how much lives rise as they age, beyond a day's load and data that grow, where there are several."""
    cells = cells.sort("life_row", "moment")
    first = run_starts(cells["life_row"])
    if (several := len(first)) < th.MASKED_LIVES:
        return None
    share, time, value = (cells[name].to_numpy() for name in ("share", "time", "value"))
    angles = [time * (2 * math.pi * order / _DAY) for order in range(1, max(_WAVES) + 1)]
    waves, starts = (
        (wave(angle) for angle in angles for wave in (np.sin, np.cos)),
        (np.exp(-share / part) for part in _STARTS),
    )
    columns = np.stack([share, *waves, *starts, value], axis=1)
    length = np.diff(first, append=cells.height)
    means = np.add.reduceat(columns, first) / length[:, None]
    columns -= np.repeat(means, length, axis=0)

    def fit(order: int, *more: int) -> tuple[Array, Array, Array]:
        """Tell what a life needs by its age, some waves of its day and a start, the errors, and what that leaves."""
        parts = columns[:, [*range(1 + 2 * order), *more]]
        inverse = np.linalg.pinv(parts.T @ parts, hermitian=True)
        needs = inverse @ (parts.T @ columns[:, -1])
        rest = columns[:, -1] - parts @ needs
        # What one life has too much of it has for long: it counts once.
        each = np.add.reduceat(parts * rest[:, None], first) @ inverse
        return needs, np.sqrt((each**2).sum(axis=0) * several / (several - 1)), rest

    fits = [fit(order) for order in _WAVES]
    rises = [float(needs[0]) for needs, *_ in fits]
    error = math.hypot(max(errors[0] for _, errors, _ in fits[:2]), max(rises) - min(rises))
    # Data that grow lift what each life begins with.
    needs, begun = fits[1][0], cells["begun"].to_numpy()[first]
    levels, begun = means[:, -1] - means[:, : len(needs)] @ needs, begun - begun.mean()
    grown = max(float(begun @ levels / (begun @ begun)), 0.0)
    rise, material = rises[1] - grown, th.MATERIAL_SHARE * value.mean()
    if rise <= max(th.TREND * error, material):
        # One that leaks among others is not explained by the day of all.
        own = np.add.reduceat(columns[:, 0] * fits[1][-1], first) / np.add.reduceat(columns[:, 0] ** 2, first)
        alone = own.max() > _ALONE * np.median(abs(own))
        return (AgeKind.NO_RISE, rise) if rise < material and not alone else None
    places = range(columns.shape[1] - 1 - len(_STARTS), columns.shape[1] - 1)
    slow = [
        min((fit(order, place) for place in places), key=lambda found: found[-1] @ found[-1]) for order in _WAVES[:2]
    ]
    seen = all(needs[-1] < -th.TREND * errors[-1] for needs, errors, _ in slow)
    beside = sum(float(needs[0]) for needs, *_ in slow) / len(slow) - grown
    return (AgeKind.SLOW_START if seen and beside < rise / 2 else AgeKind.RISES), rise


def _rests_by_age(cells: pl.DataFrame) -> bool:
    """Whether neither what all lives need by their age nor one of them rises by what matters, give or take errors."""
    cells = cells.with_columns(life=pl.col("life_row").rank("dense") - 1, at=pl.col("moment").rank("dense") - 1)
    value, old, life, at = (cells[name].to_numpy() for name in ("value", "old", "life", "at"))
    several = life.max() + 1
    # A level for each age and one for each life, without what all have in common at a moment.
    known = np.zeros((len(value), _AGES + several + 1))
    rows = np.arange(len(value))
    known[rows, old], known[rows, _AGES + life], known[:, -1] = 1.0, 1.0, value
    means = np.add.reduceat(known, run_starts(cells["at"])) / np.bincount(at)[:, None]
    known -= means[at]
    parts, level = known[:, :-1], value.mean()
    normal, target = parts.T @ parts, parts.T @ known[:, -1]
    own = np.repeat([0.0, 1.0], [_AGES, several])
    # Lives differ by what they begin with, by so much more than samples do.
    ratio = 1.0
    for _ in range(2):
        weighed = normal + np.diag(1e-6 + ratio * own)
        needs = np.linalg.solve(weighed, target)
        rest = known[:, -1] - parts @ needs
        noise = max((rest**2).sum() / max(len(value) - len(means) - _AGES, 1), (th.NOISE_SHARE * level) ** 2)
        ratio = noise / max(float((needs[_AGES:] ** 2).mean()), 1e-9)
    later = np.zeros(len(needs))
    later[_AGES // 4 : _AGES // 2], later[_AGES - _AGES // 4 : _AGES] = -4 / _AGES, 4 / _AGES
    error = math.sqrt(noise * float(later @ np.linalg.solve(weighed, later)))
    # Where one of them leaks, it rises beyond what all do.
    late = cells.select((pl.int_range(pl.len()) * 2 >= pl.len()).over("life")).to_series().to_numpy()
    rises = np.bincount(life, np.where(late, rest, -rest)) / np.bincount(life)
    # All that one grows is about twice that, as with ages: what is seen in one alone is no common error.
    apart = rises * np.sqrt(np.bincount(life))
    rise = (4 if apart.max() > _ALONE * np.median(abs(apart)) else 2) * float(rises.max())
    # Where lives need more the later they begin, something grows all the same.
    levels = (np.bincount(life, value) / np.bincount(life))[np.argsort(at[np.unique(life, return_index=True)[1]])]
    before, after = (np.quantile(half, (0, 0.25, 0.5, 0.75, 1)) for half in np.array_split(levels, 2))
    most = max(2 * abs(float(later @ needs)) + th.TREND * error, rise, float((after - before).min()))
    return bool(most < th.MATERIAL_SHARE * level)


def fits(lives: pl.DataFrame, readings: Readings, judged: pl.DataFrame) -> pl.DataFrame:
    known = judged.join(readings.table, on=["life_row", "signal"], how="inner", maintain_order="left")
    joined = beside(known, lives.with_row_index("life_row"), "life_row")
    span = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    begun = (span * pl.col("onset").fill_null(0.0)).cast(pl.Int64)
    return joined.select(
        "container_id",
        "life",
        "signal",
        model="family",
        growth_start=pl.col("start") + pl.duration(milliseconds=begun),
        growth_end="end",
        growth_bytes_per_day="growth_per_day",
        growth_low_bytes_per_day=pl.col("growth_per_day") - th.QUANTILE * pl.col("growth_error_per_day"),
        growth_high_bytes_per_day=pl.col("growth_per_day") + th.QUANTILE * pl.col("growth_error_up_per_day"),
        detection_floor_bytes_per_day="floor_per_day",
        fitted=_curves(joined, readings.curves),
    )


def _curves(rows: pl.DataFrame, curves: Sequence[Array]) -> pl.Series:
    begin, end = (rows[name].to_physical().to_numpy() for name in ("start", "end"))
    points = {bins: np.linspace(0, bins - 1, min(48, bins)).round().astype(np.int64) for bins in models.WIDTHS}
    chosen = [points[len(curves[curve])] for curve in rows["curve"]]
    count = list(map(len, chosen))
    whole = np.repeat([len(curves[curve]) for curve in rows["curve"]], count)
    share = (np.concatenate([*chosen, np.zeros(0)]) + 0.5) / np.maximum(whole, 1)
    table = pl.DataFrame(
        {
            "row": np.repeat(np.arange(len(count)), count),
            "time": (np.repeat(begin, count) + share * np.repeat(end - begin, count)).round().astype(np.int64),
            "value_bytes": np.concatenate(
                [np.zeros(0), *(curves[curve][some] for curve, some in zip(rows["curve"], chosen, strict=True))]
            ),
        }
    ).with_columns(pl.col("time").cast(TIME))
    return table.group_by("row", maintain_order=True).agg(pl.struct("time", "value_bytes").alias("fitted"))["fitted"]
