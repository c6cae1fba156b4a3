"""What a workload's past says of its next week: how high it was, how much that moves, and whether it climbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    import datetime as dt

    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

#: A history is cut into so many blocks; the highest value of each is what counts.
BLOCKS: Final = 14
#: Blocks that must hold a value before anything is said about how much they move.
_ENOUGH: Final = 8
#: A climb of the blocks counts when it is so many times its own error, and so large over the history.
_CLEAR: Final = 4.0
_MATERIAL: Final = 0.02
#: Added to the movement before the root is taken: a workload that never moved may still move by some percent.
_RESTLESS: Final = 0.01
_DEVIATIONS_PER_MAD: Final = 1.4826
_HOUR: Final = 3600.0
_WEEK: Final = 7 * 86_400.0
#: A climb within hours is a startup or a warm-up: only one over days is drawn on.
_CLIMBS_FROM: Final = 3 * 86_400.0 / 1.02


def block_peaks(
    used: pl.DataFrame, starts: pl.DataFrame, start: dt.datetime | None = None, end: dt.datetime | None = None
) -> pl.DataFrame:
    """Reduce a stretch of usage to the highest value of each of its blocks, over all pods.

    Parameters
    ----------
    used, starts
        As `rmtoolkit.limits.usage.usage` and `starts` give them.
    start, end
        The stretch: from `start` on, before `end`. It is cut into `BLOCKS` blocks of equal length. None: from each
        workload's first to its last sample.

    Returns
    -------
    polars.DataFrame
        A row per workload and block with a value: `workload_row`, `block` (0 is the oldest), `peak_bytes`, `started`
        (a process began in it, so that its peak may be that of a startup).

    Examples
    --------
    >>> import datetime as dt
    >>> begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    >>> table = pl.DataFrame(
    ...     {"workload_row": [0, 0], "time": [begin, begin + dt.timedelta(hours=13)], "used_bytes": [5, 6]},
    ...     schema_overrides={"workload_row": pl.UInt32},
    ... )
    >>> starts = pl.DataFrame({"workload_row": [0], "time": [begin]}, schema_overrides={"workload_row": pl.UInt32})
    >>> block_peaks(table, starts, begin, begin + dt.timedelta(hours=14)).rows()
    [(0, 0, 5, True), (0, 13, 6, False)]
    >>> block_peaks(table, starts).rows()
    [(0, 0, 5, True), (0, 13, 6, False)]
    """
    time = pl.col("time").to_physical()
    if start is None or end is None:
        spans = used.lazy().group_by("workload_row").agg(first=time.min(), length=time.max() - time.min() + 1)
        inside, began = (frame.lazy().join(spans, on="workload_row", maintain_order="left") for frame in (used, starts))
        block = (time - pl.col("first")) * BLOCKS // pl.col("length")
    else:
        inside, began = used.lazy().filter((pl.col("time") >= start) & (pl.col("time") < end)), starts.lazy()
        length = (end - start).total_seconds() * 1000 / BLOCKS
        block = ((pl.col("time") - start).dt.total_milliseconds() / length).floor()
    block = block.cast(pl.Int32)
    # What began just before the first block may be starting in it.
    began = began.select("workload_row", block=block).filter(pl.col("block") >= -1)
    began = began.with_columns(pl.col("block").clip(0), started=True).unique()
    return (
        inside.group_by("workload_row", block=block)
        .agg(peak_bytes=pl.col("used_bytes").max())
        .join(began, on=["workload_row", "block"], how="left")
        .with_columns(pl.col("started").fill_null(value=False))
        .collect()
        .sort("workload_row", "block")
    )


def describe(peaks: pl.DataFrame, history_seconds: float | pl.DataFrame) -> pl.DataFrame:
    """Say of every workload where its next peak is expected, and how far from there it may be.

    Parameters
    ----------
    peaks
        As `block_peaks` gives it.
    history_seconds
        How long the blocks are together; a frame with `workload_row` and `history_seconds` where it differs.

    Returns
    -------
    polars.DataFrame
        A row per workload: `workload_row`, `peak_bytes` (highest value), `base_bytes` (that, or where a clear climb of
        days leads to within a week), `spread` (what a margin is measured in, no unit: larger where peaks differ more
        from block to block, those with a startup apart from those without; 1 for an hour, since what moves within an
        hour says little about a week), `climbing` Boolean, `blocks` (how many had a value; fewer than 8 say nothing
        about movement, and `spread` is null).

    Examples
    --------
    >>> flat = pl.DataFrame({"workload_row": 0, "block": range(14), "peak_bytes": [100] * 14, "started": False})
    >>> describe(flat, 14 * 86_400).select("base_bytes", pl.col("spread").round(3), "climbing").rows()
    [(100.0, 0.1, False)]
    """
    if not peaks.height:
        return pl.DataFrame(schema=_DESCRIBED)
    number = peaks["workload_row"].rle_id().to_numpy()
    rows = peaks["workload_row"].unique(maintain_order=True)
    if isinstance(history_seconds, pl.DataFrame):
        known = rows.to_frame().join(history_seconds, on="workload_row", how="left", maintain_order="left")
        length = known["history_seconds"].to_numpy()
    else:
        length = np.full(rows.len(), history_seconds)
    levels = np.full((rows.len(), BLOCKS), np.nan)
    levels[number, peaks["block"].to_numpy()] = np.log(np.maximum(peaks["peak_bytes"].to_numpy(), 1))
    seen = np.isfinite(levels).sum(axis=1)
    slope = _theil_sen(levels)
    residual = levels - slope[:, None] * np.arange(BLOCKS)
    residual -= np.nanmedian(residual, axis=1, keepdims=True)
    error = _DEVIATIONS_PER_MAD * np.nanmedian(np.abs(residual), axis=1) * np.sqrt(12 / BLOCKS) / BLOCKS
    climbing = (seen >= _ENOUGH) & (slope > _CLEAR * error) & (slope * BLOCKS > _MATERIAL) & (length >= _CLIMBS_FROM)
    # A climb is never drawn on for longer than it was seen.
    climb = np.where(climbing, slope * BLOCKS * np.minimum(_WEEK / np.maximum(length, 1.0), 1.0), 0.0)
    started = np.zeros(levels.shape, bool)
    started[number, peaks["block"].to_numpy()] = peaks["started"].to_numpy()
    moved = _movement(np.where(climbing[:, None], residual, levels), started)
    weight = _weight(length)
    spread = np.where(seen >= _ENOUGH, (_RESTLESS + moved) ** weight, np.nan)
    highest = peaks.group_by("workload_row", maintain_order=True).agg(pl.col("peak_bytes").max())["peak_bytes"]
    return pl.DataFrame(
        {
            "workload_row": rows,
            "peak_bytes": highest,
            "base_bytes": highest.to_numpy() * np.exp(climb),
            "spread": spread,
            "climbing": climbing,
            "blocks": seen,
        },
        schema=_DESCRIBED,
    ).with_columns(pl.col("spread").fill_nan(None))


_DESCRIBED: Final = pl.Schema(
    {
        "workload_row": pl.UInt32(),
        "peak_bytes": pl.Int64(),
        "base_bytes": pl.Float64(),
        "spread": pl.Float64(),
        "climbing": pl.Boolean(),
        "blocks": pl.Int64(),
    }
)


def spread_over(spread: float, history_seconds: float, other_seconds: float) -> float | None:
    """Give the spread that the same movement would have over another length of history.

    Parameters
    ----------
    spread
        As `describe` gives it.
    history_seconds
        How long the history was.
    other_seconds
        How long the other one is.

    Returns
    -------
    float or None
        No unit; None for a history so short that its movement does not count.

    Examples
    --------
    >>> spread_over(0.1, 14 * 86_400, 7 * 86_400)
    0.1
    >>> spread_over(1.0, 1800, 7 * 86_400) is None
    True
    """
    weight = float(_weight(np.array([history_seconds]))[0])
    if not weight:
        return None
    return float(spread ** (float(_weight(np.array([other_seconds]))[0]) / weight))


def _weight(length: Numbers) -> Numbers:
    """How much movement counts: not at all within an hour, by its root from a week on."""
    counts: Numbers = np.clip(np.log(np.maximum(length, 1.0) / _HOUR) / np.log(_WEEK / _HOUR), 0.0, 1.0) / 2
    return counts


def _movement(levels: Numbers, started: npt.NDArray[np.bool_]) -> Numbers:
    """Find how far blocks lie from others of their kind: a startup beside quiet days is no movement."""
    squares = np.zeros(len(levels))
    for kind in (started, ~started):
        of_kind = np.where(kind, levels, 0.0)
        number = np.maximum((kind & np.isfinite(levels)).sum(axis=1), 1)
        middle = np.nansum(of_kind, axis=1) / number
        squares += np.nansum(np.where(kind, levels - middle[:, None], 0.0) ** 2, axis=1)
    moved: Numbers = np.sqrt(squares / np.maximum(np.isfinite(levels).sum(axis=1), 1))
    return moved


def _theil_sen(levels: Numbers) -> Numbers:
    """Find the median of the slopes of all pairs, per row; missing blocks take no part."""
    first, second = np.triu_indices(BLOCKS, 1)
    slopes = (levels[:, second] - levels[:, first]) / (second - first)
    # A row with a single block has no pair: its slope is 0.
    slopes[~np.isfinite(slopes).any(axis=1)] = 0.0
    return np.asarray(np.nanmedian(slopes, axis=1))
