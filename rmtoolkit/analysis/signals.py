"""Read every signal of every life: its levels, its shape, and the models that compete to explain it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis import bank, persistence, shapes
from rmtoolkit.analysis.envelope import Envelope, envelopes
from rmtoolkit.analysis.fitting import fit_rows
from rmtoolkit.analysis.load import without_load
from rmtoolkit.analysis.parameters import LARGEST_GRAIN, QUANTILE
from rmtoolkit.schema import ABSURD_BYTES, FOOTPRINTS, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rmtoolkit.analysis.lives import Lifetimes
    from rmtoolkit.recording import Recording

    Array = NDArray[np.float64]

#: Signals that a verdict can rest on, the most telling first.
JUDGED: Final = ("allocated_bytes", "anon_bytes", "rss_bytes", "working_set_bytes", "usage_bytes")
#: Signals whose growth is looked at as well.
_FITTED: Final = (
    *JUDGED,
    *("footprint_bytes", "active_bytes", "resident_bytes", "shmem_bytes", "kernel_bytes", "threads"),
)
#: Signals of which only the levels are read.
_LEVELS: Final = (
    "file_bytes",
    "swap_bytes",
    "free_bytes",
    "peak_bytes",
    "load",
    "work_total",
    "psi_some_seconds",
    "psi_full_seconds",
    "refaults_total",
)
#: Families with a step: what comes before and after it says nothing about a bend.
_STEPPED: Final = [code for name, code in bank.CODE.items() if "step" in name or name == "pulse"]
_DAY_SECONDS: Final = 86_400
#: Places in the window, 0 to 1: the early part, and where the start-up is surely over.
_EARLY: Final = 0.2
_AFTER_START: Final = 0.25


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything read off the signals.

    Attributes
    ----------
    table
        A row per life and signal: `life_row`, `signal`, `samples`, `filled`, the scalars of `models.Fit`
        and `shapes.Shapes`, growth and its error per day, and `curve`, its place among the curves.
    curves
        For each row of the table: the fitted curve in bytes.

    Examples
    --------
    >>> Readings(pl.DataFrame(), ()).curves
    ()
    """

    table: pl.DataFrame
    curves: tuple[Array, ...]


def read(cut: Lifetimes, recording: Recording, rejected: pl.DataFrame) -> Readings:
    """Read all signals of all lives.

    Parameters
    ----------
    cut
        The lives and their samples.
    recording
        Where they come from.
    rejected
        `container_id` and `signal` that `validate` does not accept as evidence.

    Returns
    -------
    Readings
        A signal with fewer than 10 samples in a life has no row.

    Examples
    --------
    >>> from rmtoolkit.analysis.lives import split
    >>> from rmtoolkit.recording import as_recording
    >>> recording = as_recording(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": range(1000, 1100)}))
    >>> nothing = pl.DataFrame(schema={"container_id": pl.UInt32, "signal": pl.String})
    >>> read(split(recording), recording, nothing).table["signal"].to_list()
    ['rss_bytes', 'footprint_bytes']
    """
    samples = _with_swap(cut.samples)
    for name in rejected["signal"].unique().to_list():
        if name in samples.columns:
            bad = rejected.filter(pl.col("signal") == name)["container_id"].implode()
            samples = samples.with_columns(
                pl.when(~pl.col("container_id").is_in(bad)).then(pl.col(name)).alias(name),
            )
    wanted = [name for name in (*_FITTED, *_LEVELS) if samples[name].count()]
    # The footprint is mostly one of the signals: read it once, under both names.
    whole = next((name for name in FOOTPRINTS if samples[name].equals(samples["footprint_bytes"])), "footprint_bytes")
    if whole != "footprint_bytes" and "footprint_bytes" in wanted:
        wanted.remove("footprint_bytes")
    lives = cut.table.with_row_index("life_row").join(
        recording.containers.select("container_id", "quantum_bytes"),
        on="container_id",
        how="left",
        maintain_order="left",
    )
    tables: list[pl.DataFrame] = []
    curves: list[Array] = []
    for envelope in envelopes(samples, cut.table, wanted):
        table, fitted = _read_width(envelope, lives, whole, len(curves))
        tables.append(table)
        curves.extend(fitted)
    if not tables:
        return Readings(_read_width(Envelope(_no_rows(), *(np.zeros((0, 24)),) * 3), lives, whole, 0)[0], ())
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


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(
        schema={"life_row": pl.UInt32, "signal": pl.String, "samples": pl.Int64, "filled": pl.Float64},
    )


def _read_width(
    envelope: Envelope,
    lives: pl.DataFrame,
    whole: str,
    offset: int,
) -> tuple[pl.DataFrame, list[Array]]:
    rows = envelope.rows.join(
        lives.select(
            "life_row",
            "limit_bytes",
            "quantum_bytes",
            span_seconds=(pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000,
        ),
        on="life_row",
        how="left",
        maintain_order="left",
    )
    shape = shapes.describe(envelope)
    signal = rows["signal"].to_numpy()
    span = rows["span_seconds"].to_numpy()
    fitted = np.isin(signal, _FITTED)
    values, load_share = without_load(envelope, rows, shape.floor, fitted)
    given = {
        "level": _measure(rows, shape.settled),
        "headroom": _headroom(envelope, rows, whole),
        "filled": rows["filled"].to_numpy(),
        "grain": np.maximum(rows["quantum_bytes"].fill_null(0).to_numpy().astype(float), _grain(envelope)),
        "day_cycles": span / _DAY_SECONDS,
    }
    values, fit, periodic = fit_rows(values, given, fitted, shape.teeth)
    lasting = persistence.check(values[fitted], fit.onset, fit.growth, fit.growing, given["grain"][fitted])
    per_day = _DAY_SECONDS / np.maximum(span, 1e-3)
    place = np.flatnonzero(fitted)

    def spread(column: Array) -> pl.Series:
        whole = np.full(len(rows), np.nan)
        whole[place] = column
        return pl.Series(whole, nan_to_null=True)

    family = np.full(len(rows), "none", dtype=object)
    family[place] = [bank.FAMILIES[code] for code in fit.family]
    growing_part = np.isin(bank.FAMILIES, bank.GROWTH_FAMILIES)
    low_rise = _rise(envelope.low)[place]
    mean_rise = _rise(envelope.mean)[place]
    table = rows.drop("limit_bytes", "quantum_bytes").with_columns(
        growing=spread(fit.growing),
        bounded=spread(fit.bounded),
        unresolved=spread(fit.unresolved),
        faint=spread(fit.faint),
        fresh=spread(fit.fresh),
        family=pl.Series(family, dtype=pl.String),
        bounded_family=pl.Series(_names(fit.families, ~growing_part, family, place), dtype=pl.String),
        periodic=pl.Series(periodic),
        growth_per_day=spread(fit.growth * per_day[place]),
        growth_error_per_day=spread(fit.growth_error * per_day[place]),
        floor_per_day=spread(fit.floor * per_day[place]),
        last_third=spread(lasting.last_third),
        tail=spread(lasting.tail),
        quarter=spread(lasting.quarter),
        begun_at=spread(lasting.begun),
        excursion=spread(lasting.excursion),
        straight=spread(lasting.straight),
        between=spread(lasting.between),
        bend_noise=spread(lasting.bend_noise),
        stepped=spread(fit.families[:, _STEPPED].sum(axis=1)),
        onset=spread(fit.onset),
        noise=spread(fit.noise),
        low_rise=spread(low_rise),
        mean_rise=spread(mean_rise),
        load_share=pl.Series(load_share),
        first_level=pl.Series(np.median(envelope.mean[:, : max(2, envelope.bins // 8)], axis=1)),
        early_level=pl.Series(_level_at(envelope.mean, _EARLY)),
        middle_level=pl.Series(_level_at(envelope.mean, 0.5)),
        top=pl.Series(envelope.high[:, -max(2, envelope.bins // 8) :].max(axis=1)),
        **{name: pl.Series(getattr(shape, name)) for name in shape.__dataclass_fields__ if name != "floor"},
    )
    curve_row = np.full(len(rows), -1)
    curve_row[place] = offset + np.arange(len(place))
    return table.with_columns(curve=pl.Series(curve_row)), list(fit.fitted)


def _names(
    families: Array, allowed: NDArray[np.bool_], family: NDArray[np.object_], place: NDArray[np.int64]
) -> NDArray[np.object_]:
    """The likeliest family among the allowed ones."""
    names = np.full(len(family), "none", dtype=object)
    masked = np.where(allowed, families, -1)
    names[place] = [bank.FAMILIES[code] for code in masked.argmax(axis=1)] if len(place) else []
    return names


def _level_at(mean: Array, share: float) -> Array:
    """Median of an eighth of the bins around a place in the window."""
    bins = mean.shape[1]
    width = max(2, bins // 8)
    first = min(max(0, round(share * bins) - width // 2), bins - width)
    return np.median(mean[:, first : first + width], axis=1)


def _rise(values: Array) -> Array:
    """Rise from the early part, after the start-up, to the end."""
    return _level_at(values, 1.0) - _level_at(values, _AFTER_START)


def _measure(rows: pl.DataFrame, settled: Array) -> Array:
    """Level that growth is measured against: of the whole process, however small the signal itself is."""
    table = rows.select("life_row", "signal", settled=pl.Series(settled))
    size = settled.copy()
    found = np.zeros(len(rows), dtype=bool)
    for name in ("anon_bytes", "rss_bytes", "working_set_bytes", "usage_bytes"):
        own = table.filter(pl.col("signal") == name).select("life_row", pl.col("settled").alias("whole"))
        whole = table.join(own, on="life_row", how="left", maintain_order="left")["whole"].to_numpy()
        use = ~found & ~np.isnan(whole) & (table["signal"] != "threads").to_numpy()
        size[use] = np.maximum(settled[use], whole[use])
        found |= use
    return size


def _grain(envelope: Envelope) -> Array:
    """Smallest difference between lowest samples of neighbouring bins, where all that fits in pages moves in it."""
    steps = np.abs(np.diff(envelope.low, axis=1))
    smallest = np.where(steps > 0, steps, np.inf).min(axis=1, initial=np.inf)
    return np.where(smallest <= LARGEST_GRAIN, smallest, 0.0)


def _headroom(envelope: Envelope, rows: pl.DataFrame, whole: str) -> Array:
    """Bytes from the footprint's end to the limit, for all signals of a life; infinite without a limit."""
    top = np.median(envelope.high[:, -max(2, envelope.bins // 8) :], axis=1)
    own = pl.DataFrame({"life_row": rows["life_row"], "top": top}).filter(rows["signal"] == whole)
    joined = rows.join(own, on="life_row", how="left", maintain_order="left")
    limit = joined["limit_bytes"].fill_null(ABSURD_BYTES).to_numpy().astype(float)
    end = joined["top"].fill_null(0).to_numpy()
    return np.where(limit >= ABSURD_BYTES, np.inf, np.maximum(limit - end, 0))


def fits(lives: pl.DataFrame, readings: Readings, judged: pl.DataFrame) -> pl.DataFrame:
    """Lay out the fit of the judged signal of every life.

    Parameters
    ----------
    lives
        The table of lives.
    readings
        What was read off their signals.
    judged
        `life_row` and `signal`: the signal that each life is judged by.

    Returns
    -------
    polars.DataFrame
        A row per judged life, as `rm.fits` documents it.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100})).fits["model"].to_list()
    ['constant']
    """
    numbered = lives.with_row_index("life_row")
    joined = (
        judged.select("life_row", "signal")
        .join(readings.table, on=["life_row", "signal"], how="inner", maintain_order="left")
        .join(numbered, on="life_row", how="left", maintain_order="left")
    )
    return joined.select(
        "container_id",
        "life",
        "signal",
        model="family",
        growth_start=_at(pl.col("onset").fill_null(0.0)),
        growth_end="end",
        growth_bytes_per_day="growth_per_day",
        growth_low_bytes_per_day=pl.col("growth_per_day") - QUANTILE * pl.col("growth_error_per_day"),
        growth_high_bytes_per_day=pl.col("growth_per_day") + QUANTILE * pl.col("growth_error_per_day"),
        detection_floor_bytes_per_day="floor_per_day",
        fitted=_curves(joined, readings.curves),
    )


def _at(share: pl.Expr) -> pl.Expr:
    span = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    return pl.col("start") + pl.duration(milliseconds=(span * share).cast(pl.Int64))


def _curves(rows: pl.DataFrame, curves: Sequence[Array]) -> pl.Series:
    """At most 48 points of each curve, ends included."""
    begin, end = (rows[name].to_physical().to_numpy() for name in ("start", "end"))
    chosen = [_points(len(curves[curve])) for curve in rows["curve"]]
    count = [len(points) for points in chosen]
    whole = np.repeat([len(curves[curve]) for curve in rows["curve"]], count)
    share = (np.concatenate([*chosen, np.zeros(0)]) + 0.5) / np.maximum(whole, 1)
    points = pl.DataFrame(
        {
            "row": np.repeat(np.arange(len(count)), count),
            "time": (np.repeat(begin, count) + share * np.repeat(end - begin, count)).round().astype(np.int64),
            "value_bytes": np.concatenate(
                [np.zeros(0), *(curves[curve][points] for curve, points in zip(rows["curve"], chosen, strict=True))],
            ),
        },
    ).with_columns(pl.col("time").cast(TIME))
    return points.group_by("row", maintain_order=True).agg(pl.struct("time", "value_bytes").alias("fitted"))["fitted"]


@lru_cache
def _points(bins: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, bins - 1, min(48, bins)).round().astype(np.int64))
