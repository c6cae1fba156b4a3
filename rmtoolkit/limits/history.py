"""What each workload container needed so far, and what its past says of its next week."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from msgspec import Struct

from rmtoolkit._parallel import partition
from rmtoolkit._tables import FOLLOWS, beside, conform, ever, in_force, one_signal, run_starts, spans
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.judge import judge
from rmtoolkit.analysis.records import REJECTED, Ahead
from rmtoolkit.exceptions import ColumnError, RmtoolkitError, UnknownWorkloadError, quote, warn
from rmtoolkit.schema import ABSURD_BYTES, FOOTPRINTS, NUMBER, TIME, WORKLOAD, Pattern, typed
from rmtoolkit.validation import ABOVE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from rmtoolkit.recording import Recording

#: A history is cut into so many blocks; the highest value of each is what counts.
BLOCKS: Final = 14
#: A history of values in fewer blocks has holes, or is of what runs and ends: it counts for less than its time.
ENOUGH: Final = 8
#: A climb of the blocks counts when it is so many times its own error, and so large over the history.
_CLEAR: Final = 4.0
_MATERIAL: Final = 0.02
#: ... and where its later half rises by no less than this part of the whole.
_STILL: Final = 2.0
#: What moves less than this is as calm as can be.
_RESTLESS: Final = 0.01
#: What moves less than this lies flat.
_FLAT: Final = 0.05
#: Peaks of blocks that all lie within a twentieth are no more restless than what lies two fifths below its peak.
_ALIKE: Final = 8.0
#: The mean of fewer samples says nothing of how far a block's peak lies above it.
FEW: Final = 4
DAY_MILLISECONDS: Final = 86_400_000
_WEEK: Final = 7 * 86_400.0
#: A history that lacks a fiftieth of a length is taken as that long.
NEARLY: Final = 1.02
#: A climb within hours is a startup or a warm-up: only one over days is drawn on.
_CLIMBS_FROM: Final = 3 * 86_400.0 / NEARLY
#: Where pods have limits of their own, the one nearest to its limit is told apart from one so many times as high.
_HIGHER: Final = 1.05
#: A container's processes need some memory before the first sample: nothing below is advised.
LEAST_BYTES: Final = 16 * 2**20
#: A peak so much above the need, or a limit that killed, is told apart from it.
APART: Final = 1.1
#: What the VPA recommender takes a killed container to need: at least so much more, and so many times as much.
BUMP_BYTES: Final = 100 * 2**20
BUMP_RATIO: Final = 1.2
#: What is so long ago says half as much of the next kill: of 1, 2, 3, 4 and 8 weeks it foretold them best.
FADES_HOURS: Final = 14 * 24.0
#: What the kernel alone saw, and what was swapped out, is named from this share of the need on.
_MATERIAL_USAGE: Final = 0.05
#: What a need is made of where nothing tells page cache apart.
WHOLE: Final = "working set"
#: What it is made of where only the allocator tells anything.
ALLOCATOR: Final = "allocator"
#: What it is made of where tasks waited for memory: then page cache is missed as soon as it is taken back.
PRESSED: Final = "working set under pressure"
_PARTS: Final = (
    *("anon_bytes", "file_bytes", "inactive_file_bytes", "shmem_bytes", "kernel_bytes", "peak_bytes", "swap_bytes"),
)
#: Whether versions ran on for long enough to tell how hours and days differ.
_LASTED: Final = (pl.col("runs") == 0) & (pl.col("history_seconds") >= DAY_MILLISECONDS / 1000)
_MOVED_BY: Final = {
    "workload_row": pl.UInt32(),
    "newer_since": TIME,
    "newer_bytes": pl.Int64(),
    "since": TIME,
    **typed(NUMBER, "above_hours old_bytes before_spread before_seconds"),
}
#: A release that moves the peak by this factor ends what came before it.
_MOVED: Final = 1.1
#: Hours that a release has not seen are expected to need at most so many times what was seen.
_ABOVE: Final = 2.0

PEAKS: Final = pl.Schema(
    {"workload_row": pl.UInt32(), "block": pl.Int32(), **typed(pl.Int64(), "peak_bytes samples"), "mean_bytes": NUMBER}
)


def block_peaks(used: pl.DataFrame, start: dt.datetime | None = None, end: dt.datetime | None = None) -> pl.DataFrame:
    """Reduce a stretch of usage to the highest value and the highest pod's mean of each of its blocks."""
    times, values = used["time"].dt.cast_time_unit("ms").to_physical().to_numpy(), used["used_bytes"].to_numpy()
    rows = used["workload_row"].to_numpy()
    # Time rises in the samples of a container.
    runs = run_starts(used["container_id"])
    ends = np.append(runs[1:], rows.size)[: runs.size]
    number = rows[runs]
    if start is None or end is None:
        most = int(number.max(initial=0)) + 1
        first, last = np.full(most, np.iinfo(np.int64).max), np.full(most, np.iinfo(np.int64).min)
        np.minimum.at(first, number, times[runs])
        np.maximum.at(last, number, times[ends - 1])
        length = np.where(last >= first, last - first + 1, 1)
    else:
        first = np.full(int(number.max(initial=0)) + 1, round(start.timestamp() * 1000), dtype=np.int64)
        length = np.full(first.size, round((end - start).total_seconds() * 1000), dtype=np.int64)
    # Block k begins with the first sample at or after its edge.
    edges = first[:, None] - (-np.arange(BLOCKS + 1) * length[:, None] // BLOCKS)
    cuts = np.array(
        [low + np.searchsorted(times[low:high], edges[row]) for low, high, row in zip(runs, ends, number, strict=True)],
        dtype=np.int64,
    ).reshape(-1, BLOCKS + 1)
    held = cuts[:, :-1] < cuts[:, 1:]
    run, block = np.nonzero(held)
    begin, stop = cuts[:, :-1][held], cuts[:, 1:][held]
    if not run.size:
        return pl.DataFrame(schema=PEAKS)
    # Every second stretch lies between two blocks: outside, or empty.
    stretches = np.column_stack([begin, stop]).ravel()
    # The last one ends where the samples do.
    stretches = stretches[: -1 if stretches[-1] == values.size else None]
    peaks, sums = (reduce.reduceat(values, stretches)[::2] for reduce in (np.maximum, np.add))
    columns = (number[run], block, peaks, stop - begin, sums / (stop - begin))
    found = pl.DataFrame(dict(zip(PEAKS, columns, strict=True)), schema=PEAKS)
    return found.group_by("workload_row", "block").max().sort("workload_row", "block")


def describe(peaks: pl.DataFrame, history_seconds: npt.ArrayLike) -> pl.DataFrame:
    """Say of every workload where its next peak is expected, and how far peaks lie above the mean."""
    number = peaks["workload_row"].rle_id().to_numpy()
    rows = peaks["workload_row"].unique(maintain_order=True)
    length = np.broadcast_to(history_seconds, rows.len())
    levels = np.full((rows.len(), BLOCKS), np.nan)
    levels[number, peaks["block"].to_numpy()] = np.log(np.maximum(peaks["peak_bytes"].to_numpy(), 1))
    seen = np.isfinite(levels).sum(axis=1)
    # The median of the slopes of all pairs, in which missing blocks take no part; that of a single block is 0.
    one, other = np.triu_indices(BLOCKS, 1)
    slopes = (levels[:, other] - levels[:, one]) / (other - one)
    slope = _medians(slopes)
    residual = levels - slope[:, None] * np.arange(BLOCKS)
    residual -= _medians(residual)[:, None]
    error = th.DEVIATIONS_PER_MAD * _medians(np.abs(residual)) * np.sqrt(12 / BLOCKS) / BLOCKS
    # What has come to rest since is not drawn on.
    goes_on = _medians(slopes[:, one >= BLOCKS // 2]) > slope / _STILL
    climbing = (
        goes_on & (seen >= ENOUGH) & (slope > _CLEAR * error) & (slope * BLOCKS > _MATERIAL) & (length >= _CLIMBS_FROM)
    )
    # A climb goes on as a line, and is never drawn on for longer than it was seen.
    share = np.minimum(_WEEK / np.maximum(length, 1.0), 1.0)
    climb = np.where(climbing, -np.expm1(-slope * BLOCKS) * share, 0.0)
    means = np.full(levels.shape, np.nan)
    means[number, peaks["block"].to_numpy()] = np.maximum(peaks["mean_bytes"].to_numpy(), 1.0)
    top = np.maximum(np.nanmax(levels, axis=1) - np.log(np.nanmean(means, axis=1)), 0.0)
    # A startup, or a single peak, makes nothing as restless as what rises like that in every block.
    usual = np.maximum(_medians(levels - np.log(means)), _RESTLESS)
    whole = peaks.group_by("workload_row", maintain_order=True).agg(
        pl.max("peak_bytes"), usually=pl.median("samples"), samples=pl.sum("samples")
    )
    told = (whole["usually"] >= FEW).to_numpy()
    usual = np.where(told, usual, top)
    spread = np.where((seen >= ENOUGH) | told, np.sqrt(top * usual), np.nan)
    # What comes to the same height in every block is no more restless than these heights are.
    apart = np.nanmax(levels, axis=1) - np.nanmin(levels, axis=1)
    spread = np.where(seen >= ENOUGH, np.minimum(spread, _ALIKE * apart), spread)
    highest = whole["peak_bytes"].to_numpy()
    found = {"workload_row": rows, "peak_bytes": highest, "base_bytes": highest * (1 + climb), "spread": spread}
    found |= {"climbing": climbing, "blocks": seen, "samples": whole["samples"]}
    return pl.DataFrame(found).with_columns(pl.col("spread").fill_nan(None))


def _medians(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Take medians of what is known in each row, 0 where nothing is: numpy's way takes 7 ms to import."""
    known = np.isfinite(rows).sum(axis=1)[:, None]
    middle = np.take_along_axis(np.sort(rows, axis=1), np.hstack([known - 1, known]) // 2, axis=1)
    return np.nan_to_num(middle.sum(axis=1) / 2)


def past_of(used: pl.DataFrame) -> pl.DataFrame:
    """Say of every workload how long it was seen, and what `describe` says of all that was."""
    length = lengths(used).sort("workload_row")
    return beside(length, describe(block_peaks(used), length["history_seconds"]), "workload_row")


def usage(recording: Recording) -> pl.DataFrame:
    """Take from a recording what a limit is held against and cannot be taken back."""
    return _usage(recording, _need(recording))


def _usage(recording: Recording, made: pl.DataFrame | None) -> pl.DataFrame:
    return footprint(recording, allocator=True) if made is None else _by_workload(recording, made["need_bytes"])


def need_of(recording: Recording, made: pl.DataFrame | None) -> pl.DataFrame:
    """Say of each container what its need was made of: first what the samples of its memory do not show."""
    ids = recording.samples["container_id"]
    if made is None:
        told = pl.any_horizontal(pl.col(FOOTPRINTS).is_not_null().any())
        return recording.samples.group_by("container_id", maintain_order=True).agg(
            need_of=pl.when(told).then(pl.lit(WHOLE)).otherwise(pl.lit(ALLOCATOR))
        )
    highest = pl.col("need_bytes") == pl.col("need_bytes").max()
    of_the_peak, of_swap = (
        (pl.col(part) > _MATERIAL_USAGE * pl.col("need_bytes")).filter(highest).any() for part in ("above", "swapped")
    )
    kinds = {
        "kernel peak": of_the_peak,
        PRESSED: pl.col("pressed").any(),
        "with swap": of_swap,
        "anon+kernel+shmem": pl.col("by_sum").first(),
        "working set less files": pl.col("by_files").first(),
        WHOLE: pl.col("told").any(),
    }
    first = pl.coalesce(*(pl.when(holds).then(pl.lit(kind)) for kind, holds in kinds.items()), pl.lit(ALLOCATOR))
    return made.with_columns(ids).group_by("container_id", maintain_order=True).agg(need_of=first)


def _need(recording: Recording) -> pl.DataFrame | None:
    """Work out the need of every sample; None where it is the footprint and nothing else."""
    samples = recording.samples_with_files
    known = {name for name in _PARTS if samples[name].null_count() < samples.height}
    whole = "anon_bytes" in known and ("file_bytes" in known or {"kernel_bytes", "shmem_bytes"} <= known)
    if not (whole or known & {"peak_bytes", "swap_bytes"}):
        return None
    part = samples.select("container_id", *dict.fromkeys((*_PARTS, *FOOTPRINTS)))
    # What is scraped at other instants is taken as it was last; the anonymous memory and the whole are not.
    beside = [name for name in known - {"anon_bytes"} if samples[name].null_count() > 0]
    part = part.with_columns(pl.col(name).forward_fill().over("container_id") for name in beside)
    part = part.with_columns(samples.select("container_id", whole=one_signal(samples, FOOTPRINTS, _HELD))["whole"])
    told_parts = ("anon_bytes", "file_bytes", "kernel_bytes", "shmem_bytes")
    anon, files, kernel, shmem = (ever(samples, pl.col(name)) for name in told_parts)
    counted = pl.col("anon_bytes") + pl.col("kernel_bytes").fill_null(0) + pl.col("shmem_bytes").fill_null(0)
    # The working set has no inactive files in it.
    inactive = pl.col("inactive_file_bytes") if samples["working_set_bytes"].count() else pl.lit(0)
    active = (pl.col("file_bytes") - inactive.fill_null(0) - pl.col("shmem_bytes").fill_null(0)).clip(0)
    by_files = pl.max_horizontal(counted, pl.col("whole") - active)
    by_sum = anon & kernel & shmem
    told_here = pl.when(by_sum).then(counted).when(anon & files).then(by_files).otherwise(pl.col("whole"))
    # Tasks had waited for memory since the sample before.
    waited, passed = pl.col("psi_some_seconds").diff(), pl.col("time").diff()
    pressed = FOLLOWS & (waited > th.PRESSURE * passed.dt.total_milliseconds() / 1000)
    part = part.with_columns(samples.select(pressed=pressed.fill_null(value=False)))
    # A gap in one part is no fall of the need; what was swapped out would come back into memory.
    need = pl.when("pressed").then(pl.max_horizontal(told_here, "whole")).otherwise(told_here)
    # The kernel keeps its own peak: where it rises, memory was that much above what this scrape saw.
    peak = pl.col("peak_bytes")
    risen = peak > pl.when(FOLLOWS).then(peak.shift()).fill_null(0)
    seen = pl.max_horizontal("whole", "usage_bytes")
    above, swapped = pl.when(risen).then((peak - seen).clip(0)).fill_null(0), pl.col("swap_bytes").fill_null(0)
    return part.select(
        "pressed",
        by_sum=by_sum,
        by_files=anon & files,
        told=pl.any_horizontal(pl.col(FOOTPRINTS).is_not_null()),
        need_bytes=need + swapped + above,
        above=above,
        swapped=swapped,
    )


def footprint(recording: Recording, *, allocator: bool = False) -> pl.DataFrame:
    """Take the working set, or the nearest signal there is: what VPA, KRR and the others look at; as `usage`."""
    return _by_workload(recording, one_signal(recording.samples, FOOTPRINTS, _HELD if allocator else None))


def kept_by_allocator(samples: pl.DataFrame) -> tuple[pl.Expr, str]:
    """Give what the allocator keeps though nothing is in it, and what that is: no word where nothing tells."""
    pages = pl.col("resident_bytes") - pl.col("active_bytes") - pl.col("metadata_bytes").fill_null(0)
    kept = pl.coalesce(pages, "free_bytes").clip(0).forward_fill().over("container_id")
    if samples.select(pages.count()).item():
        return kept, "dirty and muzzy pages, as with dirty_decay_ms:0,muzzy_decay_ms:0"
    return kept, "free chunks, as malloc_trim would" if samples["free_bytes"].count() else ""


#: What the allocator holds, where nobody else says anything: resident pages, or live blocks and free chunks.
_HELD: Final = pl.coalesce(
    "resident_bytes",
    pl.coalesce("active_bytes", "allocated_bytes") + pl.col("free_bytes"),
    "active_bytes",
    "allocated_bytes",
)


def _by_workload(recording: Recording, used: pl.Expr | pl.Series) -> pl.DataFrame:
    rows = np.zeros(recording.containers.select(pl.col("container_id").max().fill_null(0)).item() + 1, dtype=np.uint32)
    rows[recording.containers["container_id"].to_numpy()] = _workload_rows(recording).to_numpy()
    ids = recording.samples["container_id"]
    chosen = recording.samples.select(
        pl.Series("workload_row", rows[ids.to_numpy()]), "container_id", "time", used_bytes=used
    )
    return chosen.filter(pl.col("used_bytes").is_not_null()) if chosen["used_bytes"].null_count() else chosen


def _workload_rows(recording: Recording) -> pl.Series:
    """Give workloads numbers in the order of their names, and each container that of its own."""
    return recording.containers.select(pl.struct(WORKLOAD).rank("dense").cast(pl.UInt32) - 1).to_series()


def workloads(recording: Recording) -> pl.DataFrame:
    siblings = pl.col("container").n_unique().over("cluster", "namespace", "workload")
    containers = recording.containers.with_columns(workload_row=_workload_rows(recording), siblings=siblings)
    pods, in_pod = pl.struct("pod", "pod_uid").n_unique(), pl.col("siblings").first()
    counted = {"pods": pods.cast(pl.Int64), "containers_in_pod": in_pod.cast(pl.Int64)}
    return containers.group_by("workload_row").agg(pl.col(WORKLOAD).first(), **counted).sort("workload_row")


def at_limits(about: pl.DataFrame, limits: Sequence[int] | int | pl.DataFrame) -> pl.DataFrame:
    """Put limits beside workloads: by the names that stand with them, or each beside all."""
    limit = "limit_bytes"
    # A frame of pandas is one too.
    given = pl.DataFrame(limits if hasattr(limits, "columns") else {limit: limits}, strict=False)  # type: ignore[arg-type]
    if limit not in given.columns:
        raise ColumnError.missing(limit, given.columns)
    on = [name for name in WORKLOAD if name in given.columns]
    for name in on:
        if given[name].dtype.is_nested() or given[name].dtype in (pl.Binary, pl.Duration, pl.Object):
            raise ColumnError.mistyped(name, found=given[name].dtype, expected="names")
    wanted = given.select(pl.col(on).cast(pl.String), limit).drop_nulls(limit)
    sizes = wanted[limit]
    # Polars takes a yes among numbers for a byte.
    yes = [one for one in limits if isinstance(one, bool)] if isinstance(limits, list | tuple) else []
    known = sizes.len() and sizes.dtype.is_numeric() and not yes
    if not (known and sizes.cast(pl.Float64).is_between(1, 2 * ABSURD_BYTES).all()):
        msg = f"Give one limit or more, each a number of bytes above zero, got {quote(yes or sizes.to_list()[:3])}."
        raise RmtoolkitError(msg)
    wanted = wanted.cast({limit: pl.Int64})
    if not on:
        return about.join(wanted, how="cross", maintain_order="left_right")
    names = pl.concat_str(on, separator="/", ignore_nulls=True)
    names = pl.when(pl.any_horizontal(pl.col(on).is_not_null())).then(names).otherwise(pl.lit("null"))
    asked, there = wanted.select(on).unique(maintain_order=True), about.select(names).to_series().unique().sort()
    unknown = asked.join(about, on=on, how="anti", nulls_equal=True, maintain_order="left").select(names).to_series()
    if unknown.len() == asked.height and about.height:
        raise UnknownWorkloadError.named(unknown[0], there)
    if unknown.len():
        warn(f"Left out limits. {UnknownWorkloadError.named(', '.join(unknown), there)}")
    return about.join(wanted, on=on, nulls_equal=True, maintain_order="left_right")


def kills(recording: Recording) -> pl.DataFrame:
    found = recording.events.filter(pl.col("kind") == "oom_kill").select("container_id", "time", told="value_bytes")
    if not found.height:
        return pl.DataFrame(schema=_KILLED)
    found = beside(found, _rows_of(recording, "limit_bytes", "request_bytes"), "container_id")
    # Changed at the instant of the kill: it was killed at what held before.
    earlier = found.with_columns(pl.col("time") - pl.duration(milliseconds=1))
    for kind in ("limit", "request"):
        before = in_force(earlier, recording.events, kind)[f"{kind}_bytes"]
        found = in_force(found, recording.events, kind).with_columns(pl.coalesce(before, before.name))
    # A kill may say itself at which limit.
    found = found.with_columns(limit_bytes=pl.coalesce("told", "limit_bytes"))
    return found.select(_KILLED.names()).sort("workload_row", "container_id", "time")


_KILLED: Final = pl.Schema(
    {
        **dict.fromkeys(("workload_row", "container_id"), pl.UInt32()),
        "time": TIME,
        **dict.fromkeys(("limit_bytes", "request_bytes"), pl.Int64()),
    }
)

#: Patterns whose growth may go on: no plain limit helps against them.
_GROWTH: Final = ("leak", "unexplained_growth")
#: From this chance of a leak on, what is not decided is treated as growing.
_SUSPECT: Final = 0.3
#: Growth of less than this share of the level a week says nothing about the next week.
SLOW: Final = 0.01
#: Of a row of verdicts: whether it grows, or may.
GROWS: Final = pl.col("verdict").eq("leak") | (
    pl.col("verdict").eq("inconclusive")
    & (pl.col("pattern").is_in(_GROWTH) | (pl.col("leak_probability") >= _SUSPECT))
    & (pl.col("growth_bytes_per_day") > SLOW / 7 * pl.col("peak_bytes").fill_null(0))
)

_GREW: Final = pl.col("growth_bytes_per_day") * pl.col("kills_hours") / 24
#: Whether it rises at times only: in runs between which nothing runs, or kills are too rare for growth that goes on.
_AT_TIMES: Final = pl.col("verdict").eq("inconclusive") & (
    pl.col("rests") | (2 * pl.col("kills_now") * pl.col("killed_limit_bytes") < _GREW)
)


class Need(Struct, frozen=True):
    """What one workload container needed so far, and what its next weeks depend on: a row of `needs`."""

    cluster: str | None = None
    namespace: str | None = None
    workload: str | None = None
    container: str | None = None
    base_bytes: float | None = None
    spread: float | None = None
    #: Of the blocks of its history those with samples.
    blocks: int = BLOCKS
    #: How often it ran, where each run took less than one of them; 0: it runs on.
    runs: int = 0
    climbing: bool | None = None
    #: The length of an unbroken history that says as much as what was seen in the whole span.
    history_seconds: float | None = None
    span_seconds: float | None = None
    need_bytes: int | None = None
    #: Since the last kill alone.
    need_since_bytes: int | None = None
    need_of: str | None = None
    #: The release that moved the peak: what came before it is left out.
    since: dt.datetime | None = None
    #: A release whose need is lower, and does not count yet.
    newer_since: dt.datetime | None = None
    newer_bytes: int | None = None
    #: A release of less than a day uses so many times what the versions before used at the same hours.
    above_hours: float | None = None
    cadence_seconds: float | None = None
    growing: bool = False
    kills: int = 0
    kills_now: int = 0
    #: The highest limit that killed: the one in force where the data name none for the time of the kill.
    killed_limit_bytes: int | None = None
    #: Days with `kills_now`, of which those two weeks ago count half: what is killed is often killed again at once.
    killed_days: float = 0.0
    #: From the first of `kills_now` to the last sample: a status tells of kills before the first one too.
    kills_hours: float | None = None
    ahead: Ahead = Ahead()
    pods: int = 1
    pods_now: int = 1
    #: Of the pod that is nearest to its own; and what that comes to for the highest, where that has another.
    limit_bytes: int | None = None
    held_bytes: int | None = None
    limit_known: bool = False
    request_bytes: int | None = None
    #: What the largest node that it runs on has.
    node_bytes: int | None = None
    #: What a LimitRange asks for at least.
    least_bytes: int | None = None
    busy_bytes: int | None = None
    peak_bytes: int | None = None
    peak_pod: str | None = None
    peak_time: dt.datetime | None = None
    hot_pod: str | None = None
    hot_ratio: float | None = None
    startup_peak_bytes: int | None = None
    settled_bytes: int | None = None
    verdict: str | None = None
    pattern: str | None = None
    also: Sequence[str] = ()
    cause: str | None = None
    growth_bytes_per_day: float | None = None
    purged_base_bytes: float | None = None
    exporter_broken: bool = False
    vpa_target_bytes: int | None = None
    krr_limit_bytes: int | None = None

    @property
    def names(self) -> tuple[str | None, str | None, str | None, str | None]:
        return self.cluster, self.namespace, self.workload, self.container

    @property
    def outgrown(self) -> bool:
        """Whether more was seen than the limit that killed: of readings while it was in force only much more is."""
        killed = self.killed_limit_bytes or ABSURD_BYTES
        raised = killed < (self.limit_bytes or ABSURD_BYTES) and (self.need_since_bytes or 0) > killed
        return raised or (self.need_bytes or 0) > killed * APART

    @property
    def lies_flat(self) -> bool:
        """Whether it lies at its limit as a cache does that fills its room, and nothing tells the cache apart."""
        return self.pattern == Pattern.AT_LIMIT and self.need_of == WHOLE and not self.kills_now

    @property
    def counted_seconds(self) -> float:
        """The history that margins go by: of what fills its room a day shows what a week would."""
        length, flat = self.history_seconds or 0.0, self.lies_flat and (self.spread or 1.0) < _FLAT
        return _WEEK if flat and DAY_MILLISECONDS / 1000 <= NEARLY * length < _WEEK else length

    @property
    def few_runs(self) -> bool:
        return 0 < min(self.runs, self.blocks) < ENOUGH and self.spread is not None

    @property
    def watched_seconds(self) -> float:
        return self.span_seconds or self.history_seconds or 0.0

    @property
    def whole(self) -> bool:
        """Whether the whole limit is set aside: where no request is known, Kubernetes takes the limit for it."""
        return self.request_bytes is None or self.request_bytes == self.limit_bytes


_OF_NEED: Final = tuple(name for name in Need.__struct_fields__ if name != "ahead")


def as_need(row: Mapping[str, Any]) -> Need:
    known = {name: row[name] for name in _OF_NEED if row.get(name) is not None}
    return Need(**known, ahead=Ahead(**row.get("ahead") or {}))


def needs(recording: Recording, verdicts: pl.DataFrame | None = None, *, requests: bool = True) -> pl.DataFrame:
    """Gather per workload container what a limit depends on: a row each, sorted by names."""
    found = pl.concat([_needs_of(part, requests=requests) for part in partition(recording)])
    if verdicts is None:
        verdicts = judge(recording, whole=False)[0]["verdicts"]
    known = verdicts.unique(WORKLOAD, keep="first", maintain_order=True).select(
        *WORKLOAD,
        *(name for name in _OF_VERDICT if name in verdicts.columns),
        *([_BROKEN.alias("exporter_broken")] if "evidence" in verdicts.columns else []),
    )
    return (
        beside(found, known, WORKLOAD)
        .with_columns(growing=(GROWS & _AT_TIMES.fill_null(value=False).not_()).fill_null(value=False))
        .with_columns(
            held_bytes=pl.when((pl.col("kills_now") == 0) & ~pl.col("growing")).then("held_bytes"),
            # What grows has not settled.
            settled_bytes=pl.when("growing").then(None).otherwise("settled_bytes"),
            peak_bytes=pl.when(pl.col("need_of") == ALLOCATOR)
            .then(pl.max_horizontal("peak_bytes", "need_bytes"))
            .otherwise("peak_bytes"),
        )
        .drop("rests")
    )


_OF_VERDICT: Final = (
    *("verdict", "pattern", "also", "cause", "leak_probability", "growth_bytes_per_day"),
    *("startup_peak_bytes", "settled_bytes", "peak_bytes", "ahead"),
)
_SAID: Final = pl.col("evidence").list.eval(pl.element().struct.field("statistic"))
#: Whether a gauge was rejected whose right figures would settle the verdict, or the limit.
_BROKEN: Final = (
    _SAID.list.contains(f"{REJECTED}{ABOVE_LIMIT}")
    | (
        (pl.col("verdict") == "inconclusive")
        & _SAID.list.contains("no_live_heap")
        & _SAID.list.eval(pl.element().str.starts_with(REJECTED)).list.any()
    )
).fill_null(value=False)
#: A pod runs when it has a sample within so many scrapes of the workload's last one.
_SCRAPES_NOW: Final = 2


def _needs_of(recording: Recording, *, requests: bool) -> pl.DataFrame:
    made_of = _need(recording)
    whole_past = _usage(recording, made_of)
    released, killed = released_at(recording), kills(recording)
    used, since = _since_release(whole_past, released)
    about = workloads(recording)
    value = pl.col("used_bytes")
    tops = _pod_peaks(used, recording)
    pods = (
        beside(tops, need_of(recording, made_of), "container_id")
        .group_by("workload_row")
        .agg(
            need_bytes=pl.col("pod_peak").first(),
            need_of=pl.col("need_of").first(),
            hot_pod=pl.when(pl.len() > 1).then(pl.col("pod").first()),
            # A pod that used nothing at all is no measure for the others.
            hot_ratio=pl.when(pl.len() > 1).then(pl.col("pod_peak").first() / pl.col("pod_peak").median().clip(1)),
        )
    )
    # Ranking every sample takes longer than all the rest.
    rank = value.quantile(0.98, "higher").cast(pl.Int64) if requests else pl.lit(None, dtype=pl.Int64)
    busy = used.group_by("workload_row").agg(busy_bytes=rank, told=pl.len())
    highest = _pod_peaks(whole_past if made_of is None else footprint(recording, allocator=True), recording)
    first = {"peak_pod": pl.col("pod").first(), "peak_time": pl.col("pod_time").first()}
    highest = highest.group_by("workload_row").agg(**first)
    past, runs = past_of(used).drop("peak_bytes"), _running(recording, tops)
    died = _kills(beside(killed, runs.select("workload_row", "window_end"), "workload_row"), released)
    after = used.join(died, on="workload_row").filter(pl.col("time") > pl.col("last_kill"))
    later = after.group_by("workload_row").agg(need_since_bytes=value.max())
    for frame in (highest, past, pods, busy, died, later, since, runs):
        about = beside(about, frame, "workload_row")
    in_force = pl.when(pl.col("kills_now") > 0).then("limit_bytes")
    about = about.with_columns(killed_limit_bytes=pl.coalesce("killed_limit_bytes", in_force))
    above = pl.col("killed_limit_bytes") >= pl.col("need_bytes")
    span, seen = pl.col("history_seconds"), pl.col("samples") * pl.col("cadence_seconds")
    holes = (pl.col("runs") == 0) & (pl.col("blocks") < ENOUGH)
    # Between kills it waits to be started: they say what it needs.
    waits = holes & (pl.col("kills_now") > 0)

    def passed_since(time: str) -> pl.Expr:
        return (pl.col("window_end") - pl.col(time)).dt.total_milliseconds() / 1000

    return about.with_columns(
        pl.col("kills", "kills_now").fill_null(0),
        pods_now=pl.col("pods_now").fill_null(0),
        span_seconds=span,
        # A run tells as much as the time until the next.
        history_seconds=pl.when(pl.col("runs") > 0)
        .then(span * pl.min_horizontal("runs", "blocks", ENOUGH) / ENOUGH)
        .when(holes & pl.col("spread").is_not_null() & ~waits.fill_null(value=False))
        .then(pl.min_horizontal(span * pl.col("blocks") / BLOCKS, seen))
        .otherwise(pl.max_horizontal(span, pl.col("before_seconds").clip(upper_bound=_WEEK))),
        spread=pl.when(waits).then(None).otherwise(pl.max_horizontal("spread", "before_spread")),
        # Of a kill before the first sample these samples are no past: it is counted, and no base for what comes next.
        # No process needs nothing at all: from zeros nothing is expected.
        base_bytes=pl.max_horizontal(
            pl.when(pl.col("need_bytes") > 0).then("base_bytes"),
            # What was highest before at hours that a release has not seen yet, times what others show.
            (pl.col("old_bytes") * pl.col("above_hours")).clip(upper_bound=_ABOVE * pl.col("base_bytes")),
            pl.when(passed_since("last_kill") <= pl.col("history_seconds"))
            .then(pl.col("killed_limit_bytes"))
            .cast(pl.Float64),
        ),
        # What was killed needed more than anybody saw.
        need_of=pl.when(above).then(pl.lit("above a kill")).otherwise("need_of"),
        need_bytes=pl.max_horizontal("need_bytes", "killed_limit_bytes"),
        kills_hours=passed_since("first_kill") / 3600,
        rests=(pl.col("runs") > 0) & (pl.col("told") * pl.col("cadence_seconds") < span / 2),
    ).drop("workload_row", "containers_in_pod", "first_kill", "last_kill", "samples", "told", *list(_MOVED_BY)[5:])


def lengths(used: pl.DataFrame) -> pl.DataFrame:
    """Say how long each workload was seen, and of what ends each time within one block of that how often it ran."""
    whole, longest = pl.col("last").max() - pl.col("first").min(), (pl.col("last") - pl.col("first")).max()
    runs = pl.when(BLOCKS * longest < whole).then(pl.len()).otherwise(0).cast(pl.Int64)
    lasted = spans(used, "workload_row").group_by("workload_row")
    return lasted.agg(history_seconds=whole.dt.total_milliseconds() / 1000, runs=runs)


def _running(recording: Recording, tops: pl.DataFrame) -> pl.DataFrame:
    """Say of each workload which pods run, and with what settings: those of the pod that is nearest to its limit."""
    seen = spans(recording.samples).select("container_id", "last")
    report = recording.report
    least = pl.col("namespace") + " min"
    known = recording.containers.select(
        *("container_id", "pod", "pod_uid", "cadence_seconds", "limit_bytes", "request_bytes", "limit_known"),
        node_bytes=pl.col("node").replace_strict(dict(report.nodes), default=None, return_dtype=pl.Int64),
        least_bytes=least.replace_strict(dict(report.ranges), default=None, return_dtype=pl.Int64),
    )
    about = beside(known, seen, "container_id").join(_rows_of(recording), on="container_id")
    limit, peak = pl.col("limit_bytes"), pl.col("pod_peak").fill_null(0)
    about = beside(about, tops.select("container_id", "pod_peak"), "container_id").sort(
        -peak / limit, "limit_bytes", "request_bytes", nulls_last=True
    )
    # Scrapes never come to the millisecond: half a step more is given.
    reach = pl.col("cadence_seconds").fill_null(0.0) * (_SCRAPES_NOW - 0.5)
    gone = (pl.col("last").max() - pl.col("last")).dt.total_milliseconds() / 1000
    # What a pod that is gone was allowed says nothing of those that came after it.
    runs = (gone <= reach) | pl.col("last").max().is_null()
    higher = peak.max() / peak.filter(runs).first()
    apart = (limit.filter(runs).n_unique() > 1) & (higher > _HIGHER)
    return about.group_by("workload_row").agg(
        pl.col("limit_bytes", "request_bytes").filter(runs).drop_nulls().first(),
        pl.col("limit_known").filter(runs).any(),
        pl.col("cadence_seconds").median(),
        pl.col("node_bytes", "least_bytes").max(),
        held_bytes=pl.when(apart).then(limit.filter(runs).first() * higher).cast(pl.Int64),
        pods_now=pl.struct("pod", "pod_uid").filter(gone <= reach).n_unique().cast(pl.Int64),
        window_end=pl.col("last").max(),
    )


def _pod_peaks(used: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    """Find the highest sample of each pod, that of the highest pod of each workload first."""
    tops = highest(used["used_bytes"].to_numpy(), run_starts(used["container_id"]))
    pods = recording.containers.select("container_id", "pod")
    return beside(
        used[tops].select("workload_row", "container_id", pod_peak="used_bytes", pod_time="time"), pods, "container_id"
    ).sort("workload_row", "pod_peak", descending=[False, True], maintain_order=True)


def highest(values: npt.NDArray[Any], first: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Find the first highest value of each stretch; they begin at `first`."""
    ends = np.append(first[1:], values.size)
    found = [low + int(values[low:high].argmax()) for low, high in zip(first, ends, strict=False)]
    return np.array(found, dtype=np.int64)


def _rows_of(recording: Recording, *also: str) -> pl.DataFrame:
    return recording.containers.select("container_id", *also, workload_row=_workload_rows(recording))


def released_at(recording: Recording) -> pl.DataFrame:
    """Find the last release of each workload, and the last that has run for a week, which has shown its need."""
    rows, time = _rows_of(recording), pl.col("time")
    seen = spans(recording.samples).join(rows, on="container_id")
    ends = seen.group_by("workload_row").agg(end=pl.col("last").max())
    events = recording.events.filter(pl.col("kind") == "release").join(rows, on="container_id")
    # Pods of a version that no earlier one had; one that is gone was rolled back.
    about = recording.containers.select("container_id", "version", reach=_SCRAPES_NOW * pl.col("cadence_seconds"))
    begun = (
        beside(seen, about, "container_id")
        .drop_nulls("version")
        .group_by("workload_row", "version")
        .agg(pl.col("last", "reach").max(), time=pl.col("first").min())
    )
    gone = (pl.col("last").max() - pl.col("last")).dt.total_seconds().over("workload_row") > pl.col("reach")
    begun = begun.filter(time > time.min().over("workload_row"), gone.not_())
    releases = pl.concat(
        [events.select("workload_row", "time", told=True), begun.select("workload_row", "time", told=False)]
    )
    shown = pl.col("told") & (time <= pl.col("end") - dt.timedelta(seconds=_WEEK))
    of_workload = releases.join(ends, on="workload_row").group_by("workload_row")
    return of_workload.agg(newest=time.max(), released=time.filter(shown).max())


def kills_of_now(killed: pl.DataFrame, released: pl.DataFrame) -> pl.DataFrame:
    """Take the OOM kills since a release that has run for a week: before that none has shown that it needs less."""
    still = pl.col("released").is_null() | (pl.col("time") > pl.col("released"))
    return beside(killed, released.drop("newest"), "workload_row").filter(still).drop("released")


def _since_release(used: pl.DataFrame, released: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out what was used before a release that moved the peak; say of which workloads, and since when."""
    if not released.height or not used.height:
        return used, conform(released.clear(), _MOVED_BY)
    dated = beside(used, released, "workload_row")
    value, time = pl.col("used_bytes"), pl.col("time")
    old, shown = time < pl.col("newest"), time >= pl.col("released")
    found = dated.group_by("workload_row").agg(
        pl.col("newest", "released").first(),
        old_bytes=value.filter(old).max(),
        new_bytes=value.filter(~old).max(),
        higher=value.filter(~old).max() > _MOVED * value.filter(old).max(),
        moved=(value.filter(shown).max() / value.filter(shown.not_()).max()).log().abs() > np.log(_MOVED),
        starting=(time - pl.col("newest")).max() < dt.timedelta(hours=1),
        young=(time - pl.col("newest")).max() < dt.timedelta(days=1),
    )
    # A version that needs more has shown that at once, one that needs less after a week.
    since = pl.when("higher").then("newest").when("moved").then("released")
    moved = found.select("workload_row", since=since).drop_nulls("since")
    # Releases that each need more go on: what came before them says by how much.
    past = dated.join(moved, on="workload_row", how="semi", maintain_order="left")
    moved = moved.join(past_of(past).filter("climbing"), on="workload_row", how="anti")
    # In less than a day not all hours are seen: nights are held against nights.
    back = (time - pl.col("newest")).dt.total_milliseconds()
    days = (
        dated.filter(back.max().over("workload_row") < DAY_MILLISECONDS)
        .filter(back % DAY_MILLISECONDS <= back.max().over("workload_row"))
        .group_by("workload_row", "container_id", day=back // DAY_MILLISECONDS)
        .agg(level=value.median())
        .group_by("workload_row", "day")
        .agg(pl.col("level").max())
    )
    level, before = pl.col("level"), pl.col("day") < 0
    above = days.group_by("workload_row").agg(
        above_hours=level.filter(~before).first() / level.filter(before).median().clip(1)
    )
    above = beside(found, above, "workload_row").filter(
        pl.col("above_hours") > _MOVED,
        pl.col("higher") | ~pl.col("starting"),
        pl.col("workload_row").is_in(lengths(dated.filter(old)).filter(_LASTED)["workload_row"].implode()),
    )
    dated = beside(dated.drop("newest", "released"), moved, "workload_row")
    kept = dated.filter(pl.col("since").is_null() | (time >= pl.col("since")))
    # The level is new; how restless it is, those before have shown in a day or more.
    lasted = past_of(dated.filter(time < pl.col("since"))).filter(_LASTED)
    lasted = lasted.select("workload_row", before_spread="spread", before_seconds="history_seconds")
    # A new image may need as much once its week comes: that it needs less is told, and changes no limit.
    less = ~pl.col("young") & (pl.col("new_bytes") < pl.col("old_bytes") / _MOVED)
    told = found.select(
        "workload_row", newer_since=pl.when(less).then("newest"), newer_bytes=pl.when(less).then("new_bytes")
    )
    for frame in (moved, above.select("workload_row", "above_hours", "old_bytes"), lasted):
        told = beside(told, frame, "workload_row")
    return kept.drop("since"), told


def _kills(killed: pl.DataFrame, released: pl.DataFrame) -> pl.DataFrame:
    """Count kills: all of them, and those of the version that runs now, with the highest limit that killed it."""
    everything = killed.group_by("workload_row").agg(kills=pl.len().cast(pl.Int64))
    ago = (pl.col("window_end") - pl.col("time")).dt.total_days().fill_null(0).clip(0).unique().sort()
    of_now = (
        kills_of_now(killed, released)
        .group_by("workload_row")
        .agg(
            killed_limit_bytes=pl.col("limit_bytes").max(),
            kills_now=pl.len().cast(pl.Int64),
            # Powers of many at once differ in the last digit.
            killed_days=pl.lit(0.5).pow(24 * (ago + 0.5) / FADES_HOURS).sum().round(9),
            first_kill=pl.col("time").min(),
            last_kill=pl.col("time").max(),
        )
    )
    return beside(everything, of_now, "workload_row")
