"""What memory would have been, if; the kills of a limit in the recorded past; and what of them can be played with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from msgspec import Struct, structs

from rmtoolkit._tables import FOLLOWS, beside
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.signals import split
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import history
from rmtoolkit.limits.history import Need, describe, highest
from rmtoolkit.limits.recommend import Advised, advise, qos
from rmtoolkit.limits.risk import USUAL, AtLimit, Margins, Prices, Scores, advised_request, at_limit, lookup, requested
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import FOOTPRINTS, NUMBER, TEXT, WHOLE, WORKLOAD, YES_NO, typed
from rmtoolkit.text import MI, count, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    AnyRecording = Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame
    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

#: The quietest twentieth of a pod's samples is taken not to follow the traffic.
_QUIET: Final = 0.05
#: Stack that a thread touches when nothing is known: two pages of the kernel's and what a shallow call chain needs.
TOUCHED_STACK_BYTES: Final = 64 * 1024
#: A stretch above the limit is one kill; a new one begins after so long below it.
_GAP_MS: Final = 600_000
#: The first minutes of a process are its startup.
_STARTUP_MS: Final = 600_000
#: Above this share of what it needs while running, startup is what matters.
_STARTUP_LEADS: Final = 1.05
#: A request is what it uses nearly always.
_BUSY: Final = 0.98
#: Limits tried for a curve.
_TRIED: Final = 96
#: A range wider than this is cut in equal ratios, not in equal steps.
_WIDE: Final = 6.0

KILLS: Final = pl.Schema(
    {
        **dict.fromkeys(WORKLOAD, TEXT),
        "pod": TEXT,
        "time": pl.Datetime("ms", "UTC"),
        "phase": TEXT,
        **typed(WHOLE, "used_bytes limit_bytes"),
        "recorded": YES_NO,
    }
)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A recording as it would have been, and what had to be assumed.

    Attributes
    ----------
    recording
        The same containers and instants; only the footprint differs.
    assumptions
        A sentence for every change.

    Examples
    --------
    >>> what_if(pl.DataFrame({"time": [0], "rss_bytes": [9]})).assumptions
    ()
    """

    recording: Recording
    assumptions: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<WhatIf: {count(len(self.assumptions), 'change')}, {self.recording!r}>"


class Change(Struct, frozen=True, kw_only=True):
    threads: float | None = None
    traffic: float = 1.0
    startup_scale: float = 1.0
    startup_spread_seconds: float = 0.0

    @property
    def nothing(self) -> bool:
        return self == Change()

    @property
    def assumptions(self) -> list[str]:
        return [
            say("limits/what_if", name, {"amount": amount, "stack": TOUCHED_STACK_BYTES})
            for name, amount in structs.asdict(self).items()
            if amount != getattr(Change(), name)
        ]


def what_if(
    recording: AnyRecording,
    *,
    startup_scale: float | None = None,
    startup_spread_seconds: float | None = None,
    threads: int | None = None,
    traffic: float | None = None,
    purge: bool = False,
) -> WhatIf:
    """Change a recorded past: a smaller or slower startup, other threads, other traffic, an allocator that gives back.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    startup_scale
        Height of every startup spike over the settled level, 1 as it was: 0.5 halves it.
    startup_spread_seconds
        Spread each startup over so much more time, as delayed cache initialisation does: what comes at once is
        averaged over it.
    threads
        Number of threads instead of the recorded one.
    traffic
        Load, 1 as it was: what follows the load follows it, the rest stays.
    purge
        Take away the pages that the allocator keeps though nothing is in them.

    Returns
    -------
    WhatIf
        The changed recording and what was assumed.

    Raises
    ------
    RmtoolkitError
        A number is negative, or the recording does not have what a change needs.

    Examples
    --------
    >>> table = pl.DataFrame({
    ...     "time": range(0, 1200, 10),
    ...     "rss_bytes": [500] * 20 + [100] + [900] * 3 + [500] * 96,
    ...     "restarts_total": [0] * 20 + [1] * 100,
    ... })
    >>> what_if(table, startup_scale=0.5).recording.samples["rss_bytes"].max()
    700
    """
    asked = {
        "threads": threads,
        "traffic": traffic,
        "startup_scale": startup_scale,
        "startup_spread_seconds": startup_spread_seconds,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    for name, value in given.items():
        if not 0 <= value < float("inf"):
            msg = f"{name} must be 0 or more, got {value!r}."
            raise RmtoolkitError(msg)
    wanted, past, said = Change(**given), as_recording(recording), []
    if purge:
        held, what = history.kept_by_allocator(past.samples)
        if not what:
            msg = (
                "The recording has no allocator statistics: what is kept is not known. Hint: expose jemalloc's "
                "resident and active bytes, or glibc's mallinfo2."
            )
            raise RmtoolkitError(msg)
        said.append(f"The allocator gives back at once what it keeps ({what}); using it again then costs page faults.")
        past = _shifted(past, -past.samples.select(held).to_series())
    if not wanted.nothing:
        laid_out = lay_out(past)
        shift = pl.Series(changed(laid_out, wanted)[0] - laid_out.used)
        moved, on = history.usage(past).with_columns(shift=shift), ["container_id", "time"]
        past = _shifted(past, beside(past.samples, moved, on)["shift"])
    said += wanted.assumptions
    if said and "oom_kill" in past.events["kind"]:
        said.append("Recorded OOM kills stay as they were, each at the limit in force then.")
    return WhatIf(past, tuple(said))


def startups(recording: Recording, lives: pl.DataFrame | None = None) -> pl.DataFrame:
    """Say of every sample whether its process was still starting, and at which level it settled."""
    cut = split(recording, lives)
    spans = _settling(cut.table.with_row_index("life_row"))
    row = cut.samples["life_row"]
    known = cut.samples.select("container_id", "time", "life_row", "footprint_bytes")
    known = known.hstack(spans.drop("life_row")[row])
    value = pl.col("footprint_bytes")
    age, length = pl.col("time") - pl.col("start"), pl.col("end") - pl.col("start")
    early = (age <= th.STARTUP_SHARE * length) | pl.col("cut_short")
    begun = known.filter(pl.col("start_seen") & early & value.is_not_null()).group_by("life_row", maintain_order=True)
    tops = begun.agg(top=pl.col("time").get(value.arg_max()))
    known = known.with_columns(beside(spans, tops, "life_row")["top"].gather(row))
    # Startup is over when, after its highest point, the settled level is reached for the first time.
    low = (pl.col("time") > pl.col("top")) & (value <= (1 + th.SETTLED_BAND) * pl.col("settled_bytes"))
    over = known.filter(low).group_by("life_row", maintain_order=True).agg(over=pl.col("time").min())
    known = known.with_columns(beside(spans, over, "life_row")["over"].gather(row))
    starting = (pl.col("time") < pl.col("over")).fill_null(value=False) | pl.col("cut_short")
    return known.select("container_id", "time", "life_row", "settled_bytes", starting=starting)


def _settling(table: pl.DataFrame) -> pl.DataFrame:
    """Find where lives settle; those that were killed before they could take the level of the others."""
    settles = pl.col("startup_seconds").is_not_null()
    usual, longest = pl.col("settled_bytes").median().cast(pl.Int64), pl.col("startup_seconds").max()
    others = table.filter(settles).group_by("container_id").agg(usual=usual, longest=longest)
    length = (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000
    short = (pl.col("ended") == "oom_kill") & ~settles & pl.col("start_seen") & (length <= pl.col("longest"))
    told = beside(table, others, "container_id").with_columns(cut_short=short.fill_null(value=False))
    settled = pl.when("cut_short").then("usual").otherwise("settled_bytes")
    return told.select("life_row", "start", "end", "start_seen", "cut_short", settled_bytes=settled)


def changed(past: Past, wanted: Change) -> tuple[Floats, Floats, Floats]:
    """Give what would have been used, where it would settle, and each sample's shift other than by its startup."""
    if wanted.nothing or not past.used.size:
        return past.used, past.settled, np.zeros(past.used.size)
    used, settled = past.used, past.settled
    if wanted.threads is not None:
        if past.threads is None:
            msg = (
                "The recording does not know how many threads there were. Hint: scrape process_threads beside the "
                "memory."
            )
            raise RmtoolkitError(msg)
        shift = np.nan_to_num((wanted.threads - past.threads) * TOUCHED_STACK_BYTES)
        used, settled = np.maximum(used + shift, 0.0), np.maximum(settled + shift, 0.0)
    if wanted.traffic != 1:
        ends = np.append(past.first[1:], used.size)
        # What each pod holds in its quietest twentieth, a value for each sample.
        pods = zip(past.first, ends, (_QUIET * (ends - past.first - 1)).astype(int), strict=True)
        floors = [np.partition(used[low:high], rank)[rank] for low, high, rank in pods]
        floor = np.repeat(np.array(floors), ends - past.first)
        used = np.maximum(used + np.maximum(used - floor, 0.0) * (wanted.traffic - 1), 0.0)
        settled = settled + np.maximum(settled - floor, 0.0) * (wanted.traffic - 1)
    moved = used - past.used
    if wanted.startup_scale != 1 or wanted.startup_spread_seconds:
        excess = np.where(past.starting, np.maximum(used - settled, 0.0), 0.0)
        then = excess * wanted.startup_scale
        if wanted.startup_spread_seconds and excess.any():
            then = _spread(past, then, wanted.startup_spread_seconds)
        used = np.maximum(used + then - excess, 0.0)
    return used, settled, moved


def _spread(past: Past, excess: Floats, seconds: float) -> Floats:
    """Average startups over more time: only samples that what is spread may reach take part."""
    high = np.flatnonzero(excess > 0)
    until = np.full(past.begins.size, -1, dtype=np.int64)
    np.maximum.at(until, past.life[high], past.times[high] + round(1000 * seconds))
    there = past.times <= until[past.life]
    times = pl.Series(past.times[there]).cast(pl.Datetime("ms", "UTC"))
    reached = pl.DataFrame({"life_row": past.life[there], "time": times, "excess": excess[there]})
    window = f"{max(round(seconds * 1000), 1)}ms"
    summed = pl.col("excess").rolling_sum_by("time", window_size=window).over("life_row")
    # Averaging over less than one scrape would add memory.
    highest = pl.col("excess").rolling_max_by("time", window_size=window).over("life_row")
    averaged = summed * pl.Series(past.cadence[past.pod[there]]) / max(seconds, 0.001)
    then = excess.copy()
    then[there] = reached.select(pl.min_horizontal(averaged, highest)).to_series().to_numpy()
    return then


def _shifted(recording: Recording, shift: pl.Series) -> Recording:
    by = shift.fill_null(0).round().cast(pl.Int64)
    samples = recording.samples.with_columns((pl.col(name) + by).clip(0) for name in FOOTPRINTS)
    return replace(recording, samples=samples)


def replay(recording: AnyRecording, limit: Sequence[int] | int | pl.DataFrame) -> pl.DataFrame:
    """List the OOM kills that limits would have caused in the recorded past.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    limit
        In bytes, one or several, each for every workload container; or a frame with `limit_bytes` and any of the
        columns `cluster`, `namespace`, `workload`, `container`. A workload without one is not replayed.

    Returns
    -------
    polars.DataFrame
        A row per limit and kill, sorted by workload and time: `cluster` … `container`, `pod`, `time`, `phase`
        (`startup`: in the first ten minutes of a process whose start was seen, else `running`), `used_bytes` (highest
        of the episode), `limit_bytes`, `recorded` (an OOM kill is in the record: `used_bytes` is then at least the
        limit in force, and the need was higher). A stretch above the limit is one kill, until use was ten minutes below
        it or the process was killed: what a killed process would have done next is not in the record.

    Notes
    -----
    What was OOM-killed at this limit or a higher one is killed again, also where the last sample lay below it. Peaks
    between two scrapes that killed nothing, and kills at lower or unknown limits whose need nobody saw, are not
    counted: the true number may be higher.

    Raises
    ------
    RmtoolkitError
        There is no limit, one is not above zero, or no workload has the names that stand with them.

    Examples
    --------
    >>> minutes = range(0, 6000, 60)
    >>> table = pl.DataFrame({"time": minutes, "rss_bytes": [300 if 3000 <= t < 3300 else 200 for t in minutes]})
    >>> replay(table, 250).select("phase", "used_bytes").rows()
    [('running', 300)]
    """
    recording = as_recording(recording)
    tried = history.at_limits(history.workloads(recording), limit)
    used, killed = history.usage(recording), history.kills(recording)
    instants = [_instants(used, "used_bytes"), _instants(killed, "limit_bytes", recorded=True)]
    again = pl.col("recorded") & (pl.col("used_bytes") == pl.col("limit_bytes"))
    against = pl.concat(instants).join(tried, on="workload_row", maintain_order="left")
    above = against.filter((pl.col("used_bytes") > pl.col("limit_bytes")) | again)
    pods = recording.containers.select("container_id", *WORKLOAD, "pod")
    found = _episodes(above, _begun(recording)).join(pods, on="container_id")
    phase = pl.when("starting").then(pl.lit("startup")).otherwise(pl.lit("running"))
    ordered = found.with_columns(phase=phase).sort(*WORKLOAD, "time", "limit_bytes", nulls_last=False)
    return ordered.select(KILLS.names()).cast(KILLS)


def _begun(recording: Recording) -> pl.DataFrame:
    begun = recording.events.filter(pl.col("kind").is_in(["start", "release"])).select("container_id", "time")
    return begun.with_columns(pl.col("time").to_physical())


def _episodes(above: pl.DataFrame, begun: pl.DataFrame) -> pl.DataFrame:
    """Make one kill of each stretch above a limit, ms since 1970, and tell whether its process had just begun."""
    time, limit = pl.col("time"), pl.col("limit_bytes")
    goes_on = FOLLOWS & (limit == limit.shift()) & (time.diff() <= _GAP_MS) & pl.col("recorded").shift().not_()
    ordered = above.sort("container_id", "limit_bytes", "time", "recorded")
    return (
        ordered.with_columns(episode=goes_on.fill_null(value=False).not_().cum_sum())
        .group_by("episode", "container_id", "limit_bytes", maintain_order=True)
        .agg(
            time.first(),
            pl.col("used_bytes").max(),
            pl.col("recorded").any(),
            # A kill is told together with the start that follows it: it ended the life before.
            asked=time.first() - pl.col("recorded").first(),
        )
        .sort("asked")
        .join_asof(
            begun.sort("time").with_columns(begun="time"),
            left_on="asked",
            right_on="time",
            by="container_id",
            strategy="backward",
            check_sortedness=False,
        )
        .with_columns(starting=(pl.col("asked") - pl.col("begun") <= _STARTUP_MS).fill_null(value=False))
    )


def _instants(found: pl.DataFrame, value: str, *, recorded: bool = False) -> pl.DataFrame:
    told = found.select("workload_row", "container_id", pl.col("time").to_physical(), used_bytes=pl.col(value))
    return told.with_columns(pl.col("used_bytes").cast(pl.Int64), recorded=pl.lit(recorded)).drop_nulls("used_bytes")


class Past(Struct, frozen=True):
    """Everything recorded, mostly of one workload container: a value per sample, sorted by pod and time."""

    times: Whole
    used: Floats
    pod: Whole
    life: Whole
    first: Whole
    begins: Whole
    settled: Floats
    starting: NDArray[np.bool_]
    threads: Floats | None
    cadence: Floats
    pods: tuple[str | None, ...]
    #: When processes began.
    begun: pl.DataFrame
    #: Recorded OOM kills with the limit in force; `now`: of the version that runs now.
    killed: pl.DataFrame
    history_seconds: float

    def block_peaks(self, used: Floats) -> pl.DataFrame:
        """Reduce a past, as it was or changed, to the highest value of each block."""
        about = {"workload_row": np.zeros(used.size, dtype=np.uint32), "container_id": self.pod}
        times = pl.Series(self.times).cast(pl.Datetime("ms", "UTC"))
        return history.block_peaks(pl.DataFrame(about | {"time": times, "used_bytes": used.astype(np.int64)}))

    def kills(self, used: Floats, limit_bytes: float, needed: Floats | None = None) -> pl.DataFrame:
        """List the kills that a limit would have caused: `rmtoolkit.replay` for one workload, much faster."""
        # `needed` is what each recorded kill needed at least, where the past was changed.
        bound = self.killed["limit_bytes"].cast(pl.Float64) if needed is None else pl.Series(needed)
        again = self.killed.select(container_id="pod", time="time", used_bytes=bound, recorded=pl.lit(value=True))
        above = np.flatnonzero(used > limit_bytes)
        seen = {"container_id": self.pod[above], "time": self.times[above], "used_bytes": used[above]}
        instants = pl.DataFrame(seen).with_columns(recorded=pl.lit(value=False))
        both = pl.concat([instants, again.filter(pl.col("used_bytes") >= limit_bytes)])
        found = _episodes(both.with_columns(limit_bytes=limit_bytes), self.begun)
        return found.sort("container_id", "time").select(
            "time", "used_bytes", "starting", "recorded", pod="container_id"
        )


def of_workload(recording: Recording, names: Sequence[str | None], lives: pl.DataFrame | None = None) -> Past:
    """Lay out the past of one workload container, of a cluster, namespace, workload and container; `lives` if known."""
    wanted = zip(WORKLOAD, names, strict=True)
    mine = (pl.col(column).eq_missing(pl.lit(name, dtype=pl.String)) for column, name in wanted)
    return lay_out(recording.filter(*mine), lives)


def lay_out(mine: Recording, lives: pl.DataFrame | None = None) -> Past:
    used = _beside_samples(history.usage(mine), startups(mine, lives), mine)
    threads = pl.col("threads").forward_fill().over("container_id")
    used = _beside_samples(used, mine.samples.select("container_id", "time", threads), mine)
    begins = np.flatnonzero(np.diff(used["life_row"].to_numpy().astype(np.int64), prepend=-1))
    times = used["time"].to_physical().to_numpy().astype(np.int64)
    ids, first = np.unique(used["container_id"].to_numpy(), return_index=True)
    pod = np.repeat(np.arange(ids.size), np.diff(first, append=times.size))
    about = {row["container_id"]: row for row in mine.containers.iter_rows(named=True)}
    killed = history.kills(mine).drop_nulls("limit_bytes")
    now = history.kills_of_now(killed, history.released_at(mine)).select("container_id", "time", now=True).unique()
    killed = beside(killed, now, ["container_id", "time"])
    # Killed before anybody sampled it: pods of their own, behind those that have samples.
    ids = np.append(ids, np.setdiff1d(killed["container_id"].to_numpy(), ids))
    number = {int(container): at for at, container in enumerate(ids)}
    pods = pl.col("container_id").replace_strict(number, default=None, return_dtype=pl.Int64)
    return Past(
        times=times,
        used=used["used_bytes"].to_numpy().astype(np.float64),
        pod=pod.astype(np.int64),
        life=np.repeat(np.arange(begins.size), np.diff(begins, append=times.size)),
        first=first.astype(np.int64),
        begins=begins,
        settled=used["settled_bytes"].cast(pl.Float64).fill_null(float("inf")).to_numpy(),
        starting=used["starting"].fill_null(value=False).to_numpy(),
        threads=None if used["threads"].null_count() == used.height else used["threads"].cast(pl.Float64).to_numpy(),
        cadence=np.array([about[int(container)]["cadence_seconds"] or 0.0 for container in ids]),
        pods=tuple(about[int(container)]["pod"] for container in ids),
        begun=_begun(mine).with_columns(container_id=pods),
        killed=killed.select(
            pod=pods,
            time=pl.col("time").to_physical(),
            limit_bytes=pl.col("limit_bytes"),
            now=pl.col("now").fill_null(value=False),
        ),
        history_seconds=int(np.ptp(times)) / 1000 if times.size else 0.0,
    )


def _beside_samples(used: pl.DataFrame, more: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    """Put columns of all samples beside those that have a value; nothing is searched for where all have one."""
    if used.height == recording.samples.height:
        return used.hstack(more.drop("container_id", "time"))
    return beside(used, more, ["container_id", "time"])


class Level(NamedTuple):
    """A level that a limit is held against: its lowest, usual and highest value."""

    name: str
    low_bytes: float
    usual_bytes: float
    high_bytes: float

    def room(self, limit_bytes: int) -> float:
        """Say which share of a limit is free above it; negative where the limit is below."""
        return (limit_bytes - self.high_bytes) / limit_bytes


class Outcome(Struct, frozen=True):
    used: Floats
    need: Need
    settled_bytes: float | None
    running_bytes: float | None
    #: How high each recorded start went; of those that were OOM-killed, at least.
    startups: Floats
    pod: int
    #: What each recorded kill needed at least.
    killed: Floats
    #: The highest of them that was a start; None where no start was killed.
    killed_start_bytes: float | None = None

    @property
    def startup_leads(self) -> bool:
        """Whether startups set the peak, not the steady load."""
        highest, running = float(self.startups.max(initial=0.0)), self.running_bytes
        return bool(self.startups.size) and (running is None or highest > _STARTUP_LEADS * running)

    @property
    def levels(self) -> list[Level]:
        steady, running, starts = self.settled_bytes, self.running_bytes, self.startups
        found = [] if steady is None else [Level("steady", steady, steady, steady)]
        found += [] if running is None else [Level("running peak", running, running, running)]
        if starts.size:
            found.append(Level("startup", float(starts.min()), float(np.median(starts)), float(starts.max())))
        return found


def measured_spike(past: Past) -> float | None:
    spike = float((past.used - past.settled).max(where=past.starting, initial=0.0))
    return spike if spike > 0 else None


def measured_threads(past: Past) -> int | None:
    """Find how many threads there usually were; None where they were not recorded."""
    return None if past.threads is None else round(float(np.nanmedian(past.threads)))


def outcome(past: Past, need: Need, wanted: Change) -> Outcome:
    used, settled, moved = changed(past, wanted)
    if not used.size:
        return Outcome(used, need, None, None, np.zeros(0), 0, np.zeros(past.killed.height))
    peaks = highest(used, past.first)
    hot = int(used[peaks].argmax())
    killed, at = _killed(past, used, moved, wanted)
    of_now = killed[past.killed["now"].to_numpy()]
    worst = float(of_now.max()) if of_now.size else None
    after = need if wanted.nothing else _needed(past, need, used, worst, peaks)
    begins, starting = past.begins, past.starting
    # Of a changed past, a startup is where it was, and where it is spread to.
    high = used.copy()
    high[~starting] = -1.0
    tops = np.maximum.reduceat(high, begins)
    fell = (at >= 0) & starting[at]
    # A start that a limit killed needed more: a byte at least.
    np.maximum.at(tops, past.life[at[fell]], killed[fell] + 1)
    levels = settled[begins]
    running = used[~starting]
    return Outcome(
        used=used,
        need=after,
        settled_bytes=float(np.median(levels[np.isfinite(levels)])) if np.isfinite(levels).any() else None,
        running_bytes=float(running.max()) if running.size else None,
        startups=tops[tops >= 0],
        pod=hot,
        killed=killed,
        killed_start_bytes=float(killed[fell].max()) if fell.any() else None,
    )


def _needed(past: Past, need: Need, used: Floats, killed: float | None, peaks: NDArray[np.int64]) -> Need:
    history = describe(past.block_peaks(used), past.history_seconds)
    base, spread, climbing = history.select("base_bytes", "spread", "climbing").row(0)
    top, last = int(peaks[used[peaks].argmax()]), max(past.killed.filter("now")["time"], default=0)
    rank = min(int(np.ceil(_BUSY * (used.size - 1))), used.size - 1)
    return structs.replace(
        need,
        base_bytes=max(base, killed or 0.0),
        spread=spread,
        climbing=climbing,
        need_bytes=round(max(float(used[top]), killed or 0.0)),
        need_since_bytes=round(float(used.max(where=past.times > last, initial=0.0))),
        peak_bytes=round(float(used[top])),
        peak_pod=past.pods[int(past.pod[top])],
        peak_time=pl.Series([int(past.times[top])]).cast(pl.Datetime("ms", "UTC"))[0],
        killed_limit_bytes=None if killed is None else round(killed),
        busy_bytes=round(float(np.partition(used, rank)[rank])),
        hot_ratio=float(used[peaks].max() / max(float(np.median(used[peaks])), 1.0)) if peaks.size > 1 else None,
        # What is kept of the allocator's pages is not told apart from the rest of what moved.
        purged_base_bytes=None,
    )


def _killed(past: Past, used: Floats, moved: Floats, wanted: Change) -> tuple[Floats, NDArray[np.int64]]:
    """Move the limits that killed by what moved the sample before: the need was above them, and moves as it did."""
    # Beside them the row of that sample; -1 where there is none.
    found = past.killed["limit_bytes"].cast(pl.Float64).to_numpy().copy()
    rows = np.full(found.size, -1)
    ends = np.append(past.first[1:], used.size)
    for number, (pod, time) in enumerate(past.killed.select("pod", "time").iter_rows()):
        if pod >= past.first.size:
            continue
        low, high = int(past.first[pod]), int(ends[pod])
        at = low + int(np.searchsorted(past.times[low:high], time, side="left")) - 1
        rows[number] = at if at >= low else -1
        if not wanted.nothing:
            found[number] = _moved(past, used, moved, wanted, max(at, low), found[number])
    return found, rows


def _moved(past: Past, used: Floats, moved: Floats, wanted: Change, at: int, limit: float) -> float:
    """Move a limit that killed after a sample: as that sample moved, and by how high its startup is of what it was."""
    then, level = float(limit + moved[at]), float(past.settled[at] + moved[at])
    if not past.starting[at] or not math.isfinite(level):
        return then
    life = int(past.life[at])
    mine = slice(int(past.begins[life]), int(past.begins[life + 1]) if life + 1 < past.begins.size else None)
    same = past.starting[mine]
    before = float((past.used[mine] - past.settled[mine])[same].max())
    after = float((used[mine] - past.settled[mine] - moved[mine])[same].max())
    eased = max(after, 0.0) / before if before > 0 else wanted.startup_scale
    return level + max(then - level, 0.0) * eased


class Scene(Struct, frozen=True):
    past: Past
    found: Outcome
    change: Change
    ours: Advised
    low: int
    high: int
    #: A row per limit that was tried: chance with its interval, and what a month costs.
    curve: pl.DataFrame
    prices: Prices
    #: Whether the whole limit is requested; None: as it is, or as it is advised.
    whole: bool | None
    scores: Scores
    target: float

    @property
    def wide(self) -> bool:
        return self.high > _WIDE * self.low

    @property
    def ours_bytes(self) -> int | None:
        return self.ours.recommended_limit_bytes

    @property
    def growing(self) -> bool:
        return self.found.need.growing and self.ours_bytes is None

    def at(self, limit_bytes: int) -> AtLimit:
        """Say what one limit means: the one in force with the request in force."""
        need = self.found.need
        return at_limit(need, limit_bytes, requested(need, limit_bytes, whole=self.whole), self.scores, self.prices)

    def set_with(self, limit_bytes: int) -> tuple[int | None, str | None]:
        """Say what is requested together with a new limit, None for what is in force, and the QoS class then."""
        need, whole = self.found.need, self.whole
        then = requested(need, limit_bytes, whole=whole, anew=True)
        return advised_request(need, limit_bytes, whole=whole), qos(then, limit_bytes, known=True)


class Chosen(AtLimit, frozen=True):
    kills: pl.DataFrame
    #: Recorded starts that needed more.
    starts_above: int
    days: float | None
    days_low: float | None
    days_high: float | None

    @property
    def chance(self) -> float | None:
        return self.risk.week


def scene(
    past: Past,
    need: Need,
    change: Change,
    margins: Margins,
    target: float = 0.05,
    prices: Prices = USUAL,
    *,
    whole: bool | None = None,
) -> Scene:
    if need.held_bytes:
        # One limit for all pods is explored; what each has of its own is none.
        need = structs.replace(need, limit_bytes=None, limit_known=False, held_bytes=None)
    found = outcome(past, need, change)
    ours = advise(found.need, target, margins, prices)
    others = (found.need.vpa_target_bytes, found.need.krr_limit_bytes)
    named = (found.need.limit_bytes, ours.recommended_limit_bytes, *others)
    # As far as a card tells what higher limits buy.
    low, high = _span(found, [*named, ours.raise_to_bytes and 2 * ours.raise_to_bytes])
    scores = lookup(margins)(found.need)
    cut = np.geomspace if high > _WIDE * low else np.linspace
    tried = sorted(
        {
            *(round(float(limit)) for limit in cut(low, high, _TRIED)),
            *(limit for limit in named if limit and low <= limit <= high),
        }
    )
    curve = curve_of(found.need, tried, scores, prices, whole=whole)
    return Scene(past, found, change, ours, low, high, curve, prices, whole, scores, target)


def curve_of(need: Need, limits: Sequence[int], scores: Scores, prices: Prices, *, whole: bool | None) -> pl.DataFrame:
    """Give chance and cost of every limit, each as it would be once it is set."""
    rows = []
    for limit in limits:
        # What is set together with a limit is the advised request, at the limit in force too.
        one = at_limit(need, limit, requested(need, limit, whole=whole, anew=True), scores, prices)
        chances = (one.risk.week, one.risk.low, one.risk.high)
        rows.append((limit, *chances, one.memory_per_month, one.incidents_per_month, one.total_per_month))
    numbers = typed(NUMBER, "oom_probability oom_probability_low oom_probability_high memory incidents total")
    return pl.DataFrame(rows, schema={"limit_bytes": WHOLE, **numbers}, orient="row")


def _span(found: Outcome, named: Sequence[int | None]) -> tuple[int, int]:
    """Find the limits between which everything of interest lies, in whole steps of the axis."""
    need = found.need
    points = [float(limit) for limit in named if limit is not None]
    points += [float(need.need_bytes or need.peak_bytes or MI)]
    if need.killed_limit_bytes is not None:
        points.append(1.2 * need.killed_limit_bytes)
    level = found.settled_bytes if found.settled_bytes is not None else points[-1]
    low, high = min(0.9 * min(points), 0.95 * max(level, 1.0)), 1.2 * max(points)
    step = 2 ** max(math.floor(math.log2(max(high - low, 1) / 64)), 0)
    # A limit of nothing is no limit.
    return max(math.floor(low / step), 1) * step, math.ceil(high / step) * step


def choose(known: Scene, limit_bytes: int) -> Chosen:
    one, found = known.at(limit_bytes), known.found
    kills = known.past.kills(found.used, limit_bytes, found.killed)
    # From the limit in force, or the peak where there is none.
    more = limit_bytes - (found.need.limit_bytes or found.need.peak_bytes or 0)
    days = found.need.ahead.days_until(more) if known.growing else (None, None, None)
    starts_above = int((found.startups > limit_bytes).sum())
    about = structs.asdict(one)
    return Chosen(**about, kills=kills, starts_above=starts_above, days=days[0], days_low=days[1], days_high=days[2])
