"""Judge a recording: from its samples to verdicts, fits, checklist and forecast, in one pass over it."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from msgspec import Struct, structs

from rmtoolkit._identity import OWN_SUFFIX
from rmtoolkit._parallel import as_source, parallel_map
from rmtoolkit._tables import conform, last_layers, run_starts
from rmtoolkit.analysis import assess, records, signals, words
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.around import Seen, look_around
from rmtoolkit.analysis.patterns import advise_on, name_pattern
from rmtoolkit.analysis.signals import split
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning, quote
from rmtoolkit.recording import Recording
from rmtoolkit.schema import CORES, FOOTPRINTS, SAMPLES, SIGNALS, TIME, Cause, Ending, Outlook, Pattern, Signal, Verdict
from rmtoolkit.text import and_more
from rmtoolkit.validation import ABOVE_LIMIT, believed, validate_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from distributed import Client

    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_answers import Heap, Key
    from rmtoolkit.analysis.records import HeapReading, Life, Opinion, Pool, Reading

    #: What a forecast is drawn from: `paths` has its parts in this order.
    Line = tuple[float, ...]
    Also = Callable[[Recording, pl.DataFrame], dict[str, pl.DataFrame]]


class Instance(Struct, frozen=True):
    container_id: int
    cluster: str | None
    namespace: str | None
    workload: str | None
    container: str | None
    pod: str | None
    limit_bytes: int | None
    limit_known: bool
    workload_inferred: bool
    cadence_seconds: float | None

    @property
    def key(self) -> tuple[str | None, str | None, str | None, str | None]:
        return self.cluster, self.namespace, self.workload, self.container


def maximum(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def verdict_row(
    pool: Pool, block: Assessed, containers: list[int], *, growing: int, judged: int
) -> tuple[records.VerdictRow, Line | None]:
    main = pool.main
    about = block.about[main.life.container_id if main is not None else containers[0]]
    lives = [opinion.life for container in containers for opinion in block.opinions[container]]
    level = _evidence_level(pool, block, containers)
    verdict = Verdict.NOT_LEAK if pool.bounded >= th.CLEAN_FROM else Verdict.INCONCLUSIVE
    verdict = Verdict.LEAK if pool.growing >= th.LEAK_FROM else verdict
    pattern, also, cause = name_pattern(pool, verdict)
    if cause is None and verdict == Verdict.LEAK and pool.leaking_code is not None:
        cause = Cause.HEAP
    around: Sequence[records.Evidence] = ()
    limit, outlook, lasts = about.limit_bytes, TimeToLimit(Outlook.UNKNOWN), records.ENDLESS
    line, ahead, goes_on = None, None, 0.0
    if main is not None:
        opinions = [block.opinions[container] for container in containers]
        cause, around = look_around(Seen(opinions, main, verdict, pattern, also, cause))
        limit = main.life.limit_bytes
        growth = from_now(growth_against_limit(main), main, block.opinions[about.container_id][-1])
        goes_on, open_end = _goes_on(pool, main, verdict)
        lasts = exposure((life, block.about[life.container_id].cadence_seconds) for life in lives)
        known = about.limit_known
        outlook = look_ahead(main, growth, growing=goes_on, open_end=open_end, limit_known=known, lasts=lasts)
        ahead = _ahead(main, growth, goes_on, lasts)
        line = line_of(main, growth, outlook, goes_on)
    counts = [block.counts[container] for container in containers if container in block.counts]
    samples = sum(seen or 0 for seen, _ in counts)
    expected = sum(due or seen or 0 for seen, due in counts)
    # What cannot be told counts in part, and less beside rest; rest is the surer, the more samples show it.
    said, surest = pool.growing + th.UNRESOLVED_LEAKS * pool.unresolved * (1 - pool.bounded), th.SUREST[level]
    if verdict == Verdict.INCONCLUSIVE and main is not None and main.growing_layer not in (None, *assess.GIVEN_BACK):
        # Of what lies outside nobody knows the bound, nor does anybody of one rise inside.
        said = max(said, min(goes_on, th.ONE_RISE_EARLY))
    settled = main.life.settled_bytes if main is not None else None
    if pool.too_young is not None and pattern == Pattern.STEP:
        settled = pool.too_young.settled_bytes or settled
    least = min(th.REST_SURER * (1 - surest) + th.REST_SAMPLES / max(samples, 1), th.UNRESOLVED_LEAKS)
    row = records.VerdictRow(
        cluster=about.cluster,
        namespace=about.namespace,
        workload=about.workload,
        container=about.container,
        pods=len(containers),
        verdict=verdict,
        leak_probability=min(max(said, least), surest, pool.surest),
        pattern=pattern,
        also=also,
        cause=cause,
        signal=main.signal if main is not None else None,
        evidence_level=level,
        limit_outlook=outlook.outlook,
        hours_to_limit=outlook.hours,
        hours_to_limit_low=outlook.low,
        hours_to_limit_high=outlook.high,
        startup_peak_bytes=maximum(life.startup_peak_bytes for life in lives),
        settled_bytes=settled,
        peak_bytes=maximum(life.peak_bytes for life in lives),
        limit_bytes=limit,
        coverage=samples / expected if expected else None,
        container_id=about.container_id,
        workload_inferred=about.workload_inferred,
        limit_known=about.limit_known,
        pod=about.pod,
        lives=len(block.opinions[about.container_id]),
        ahead=ahead,
    )
    _set_growth(row, pool)
    rejected = block.rejected.get(about.container_id, ())
    end = max((life.end for life in lives), default=None)
    killed = sum(life.ended == Ending.OOM_KILL for life in lives)
    kills = max(sum(block.kills.get(container, 0) for container in containers), killed)
    situation = words.Situation(
        row,
        pool,
        growing,
        judged,
        words.open_question(pool, pattern, cause, rejected, end, kills, lasts.longest_hours),
        rejected=rejected,
        around=around,
        lasts=lasts,
        capped=outlook.capped,
        runs=len(lives),
        killed=killed,
        kills=kills,
        start=min((life.start for life in lives), default=None),
        end=end,
    )
    row.evidence = words.evidence(situation)
    row.headline = words.headline(situation)
    row.reason = words.reason(situation)
    row.explanation = f"{row.headline} {row.reason}"
    row.next_step = next(advise_on(row)).sentence
    return row, line


def _set_growth(row: records.VerdictRow, pool: Pool) -> None:
    reading = pool.main.reading if pool.main is not None else None
    if reading is None:
        return
    growth, error, error_up = reading.growth_per_day, reading.growth_error_per_day, reading.growth_error_up_per_day
    if row.verdict == Verdict.NOT_LEAK and reading.growing > pool.growing:
        # A line fitted growth that was then seen to end: the interval must hold both.
        error, error_up = (max(one, 1.2 * abs(growth) / th.QUANTILE) for one in (error, error_up))
    if pool.masked:
        slopes = sorted(
            opinion.reading.growth_per_day
            for opinion in pool.opinions
            if opinion.reading is not None and opinion.growing + opinion.unresolved > th.LIKELY
        )
        growth = slopes[len(slopes) // 2] if slopes else growth
    if row.verdict == Verdict.LEAK and growth <= 0 and row.ahead is not None:
        # It rests at times, and is killed of what fills the limit.
        growth, error = row.ahead.per_day_bytes or growth, row.ahead.error_bytes or error
        error_up = row.ahead.error_up_bytes or error_up
    row.growth_bytes_per_day = growth
    row.growth_low_bytes_per_day = growth - th.QUANTILE * error
    row.growth_high_bytes_per_day = growth + th.QUANTILE * error_up
    # Where growth was found, what the models see is what shows.
    sure = 1.0 if row.verdict == Verdict.LEAK else th.FLOOR_SURE
    row.detection_floor_bytes_per_day = reading.floor_per_day * sure


def _goes_on(pool: Pool, main: Opinion, verdict: Verdict) -> tuple[float, bool]:
    """Tell how probably what counts against the limit keeps growing, leak or not, and whether that stays open."""
    layer, beside = main.growing_layer, None
    if layer is not None and layer != records.Layer.CACHE:
        names = (records.BESIDE[layer],) if layer in records.BESIDE else (Signal.ANON, Signal.RSS)
        beside = next(main.readings[name] for name in (*names, Signal.FOOTPRINT) if name in main.readings)
    if verdict == Verdict.LEAK:
        return pool.growing, False
    goes_on, may_grow = (0.0, 0.0) if beside is None else assess.going_on(main, beside)
    open_end = may_grow > th.LIKELY if verdict == Verdict.NOT_LEAK else pool.bounded < th.CLEAN_FROM
    return (pool.growing + th.UNRESOLVED_LEAKS * pool.unresolved if layer is None else goes_on), open_end


def _evidence_level(pool: Pool, block: Assessed, containers: list[int]) -> int:
    main = pool.main
    if main is None:
        return 1
    if pool.heap is not None and pool.heap.kind in (records.HeapKind.GROWS, records.HeapKind.RESTS):
        return 5
    if Signal.ALLOCATED in main.readings:
        return 4
    if Signal.WORK in main.levels or Signal.LOAD in main.levels or len(containers) > 1:
        return 3
    known = main.life.limit_bytes is not None or not block.with_events.isdisjoint(containers)
    return 2 if known or "restarts" in block.recording.report.found else 1


class Assessed(Struct, frozen=True):
    """What the samples of a block were reduced to; the samples themselves are no longer needed."""

    recording: Recording
    lives: pl.DataFrame
    readings: signals.Readings
    #: What `validate` found; samples that are there and that were due; the memory at the last sample, taken apart.
    findings: pl.DataFrame
    completeness: pl.DataFrame
    layers: pl.DataFrame
    #: By container: what it is, the opinions on its lives, and what these say together.
    about: dict[int, Instance]
    opinions: dict[int, list[Opinion]]
    pools: dict[int, Pool]
    #: Samples that are there and that were due, what `validate` does not accept, and who had events.
    counts: dict[int, tuple[int | None, int | None]]
    rejected: dict[int, list[records.Rejected]]
    with_events: set[int]
    kills: Mapping[int, int]
    heaps: Mapping[Key, HeapReading]
    #: By workload, where that is known.
    by_age: Mapping[tuple[str | None, ...], records.ByAge]

    def workloads(self) -> Iterator[tuple[list[int], records.VerdictRow, Pool, Line | None]]:
        """Give the containers of each workload, its verdict, what that rests on, and its forecast."""
        groups: dict[tuple[str | int | None, ...], list[int]] = {}
        for container, about in self.about.items():
            # What nothing names is its own workload.
            unnamed = about.workload is None and about.container is None
            groups.setdefault((*about.key, container) if unnamed else about.key, []).append(container)
        for containers in groups.values():
            pool, growing, judged = self._pooled(containers)
            row, line = verdict_row(pool, self, containers, growing=growing, judged=judged)
            yield containers, row, pool, line

    def _pooled(self, containers: list[int]) -> tuple[Pool, int, int]:
        key = self.about[containers[0]].key
        pool, growing, judged = assess.pool_instances([self.pools[container] for container in containers])
        assess.weigh_age(pool, self.by_age.get(key))
        return assess.with_heap(pool, self.heaps.get(key)), growing, judged

    def instance(self, container: int) -> records.VerdictRow:
        pool, *_ = self._pooled([container])
        return verdict_row(pool, self, [container], growing=0, judged=1)[0]


def assess_block(
    recording: Recording, *, restarts_known: bool, heaps: Mapping[Key, HeapReading] | None = None
) -> Assessed:
    findings = validate_part(recording)
    recording = believed(recording, findings)
    listed = pl.any_horizontal(pl.col("shmem_bytes", "active_file_bytes").is_not_null())
    told_files = set(recording.samples.select(pl.col("container_id").filter(listed).unique()).to_series())
    recording = replace(recording, samples=recording.samples_with_files)
    cut = split(recording)
    told = signals.read(cut, recording, findings.filter("rejected").select("container_id", "signal").unique())
    readings = records.readings_of(told.table)
    opinions: dict[int, list[Opinion]] = {container: [] for container in recording.containers["container_id"]}
    last = last_layers(recording.samples, recording.containers["container_id"])
    layers = {row["container_id"]: row for row in last.iter_rows(named=True)}
    cores = {who: told for who, *told in recording.containers.select("container_id", *CORES).iter_rows()}
    files = pl.col("shmem_bytes")
    # Files in memory at the first sample of a life, the most in its first few, and at its last.
    seen = cut.samples.select("life_row", files).filter(files.is_not_null()).group_by("life_row")
    made = seen.agg(files.first(), files.head(th.FIRST_SAMPLES).max().alias("early"), files.last().alias("last"))
    files_of = {row: (first, early, end) for row, first, early, end in made.iter_rows()}
    # Restarts are counted of a pod: of one made anew under its name tell its uid, or when it started.
    named = recording.containers.filter(pl.col("pod_uid").is_null(), ~pl.col("pod").str.contains(OWN_SUFFIX))
    made_anew = set(named["container_id"]) - set(recording.events.filter(kind="start")["container_id"])
    for life in records.lives_of(cut.table.with_columns(hashed=signals.told_by_hash(recording))):
        found, levels = readings.get(life.row, ({}, {}))
        known = life.container_id in told_files
        opinion = assess.assess_lifetime(life, found, levels, restarts_known=restarts_known, files_told=known)
        if not restarts_known or life.container_id in made_anew:
            assess.doubt_name(opinion)
        opinion.now, opinion.files = layers.get(life.container_id, {}), files_of.get(life.row)
        opinion.quota_cores, opinion.node_cores = cores[life.container_id]
        opinions[life.container_id].append(opinion)
    rejected: dict[int, list[records.Rejected]] = {}
    told_of = ("container_id", *records.Rejected.__struct_fields__)
    for container, *what in findings.filter("rejected").select(told_of).iter_rows():
        rejected.setdefault(container, []).append(records.Rejected(*what))
    completeness = recording.completeness()
    counts = completeness.select("container_id", "samples", "expected").iter_rows()
    return Assessed(
        replace(recording, samples=recording.samples.clear()),
        cut.table,
        told,
        findings,
        completeness,
        last,
        {row[0]: Instance(*row) for row in recording.containers.select(Instance.__struct_fields__).iter_rows()},
        opinions,
        {container: assess.pool_lives(lives) for container, lives in opinions.items()},
        {container: (samples, expected) for container, samples, expected in counts},
        rejected,
        set(recording.events["container_id"].unique()),
        Counter(recording.events.filter(pl.col("kind") == "oom_kill")["container_id"]),
        heaps or {},
        signals.by_age(cut, recording.containers),
    )


#: Stretches that a container's history is cut into: an hour each in a week.
STRETCHES: Final = 168


def downsample(recording: Recording, lives: pl.DataFrame, containers: pl.Series) -> pl.DataFrame:
    samples = recording.samples.filter(pl.col("container_id").is_in(containers.implode()))
    samples = samples.select(
        "container_id", "time", *(name for name in SIGNALS if samples[name].null_count() < samples.height)
    )
    if not samples.height:
        return samples
    first = run_starts(samples["container_id"])
    length = np.diff(first, append=samples.height)
    time = samples["time"].to_physical().to_numpy()
    start, end = np.repeat(time[first], length), np.repeat(time[first + length - 1], length)
    stretch = (time - start) * STRETCHES // (end - start + 1)
    # A container with few samples keeps all: each is a stretch of its own.
    number = np.where(np.repeat(length <= 2 * STRETCHES, length), np.arange(samples.height), stretch)
    runs = np.union1d(run_starts(pl.Series(number)), first)
    names = [name for name in (*FOOTPRINTS, "allocated_bytes") if name in samples.columns]
    used = samples.select(pl.coalesce(*names, pl.lit(0, dtype=pl.Int64)).fill_null(0)).to_series().to_numpy()
    highest = np.repeat(np.maximum.reduceat(used, runs), np.diff(runs, append=samples.height))
    tops = np.flatnonzero(used == highest)
    _, once = np.unique(np.searchsorted(runs, tops, side="right"), return_index=True)
    kept = np.zeros(samples.height, dtype=bool)
    kept[tops[once]] = True
    ends = pl.concat([lives.select("container_id", time=edge) for edge in ("start", "end")]).unique()
    rows = (
        samples.select("container_id", "time").with_row_index("row").join(ends, on=["container_id", "time"], how="semi")
    )
    kept[rows["row"].to_numpy()] = True
    return samples.filter(pl.Series(kept))


def judge(
    recording: Source,
    also: Also | None = None,
    heap: Heap | Mapping[str, Heap] | None = None,
    *,
    whole: bool = True,
    client: Client | None = None,
) -> tuple[dict[str, pl.DataFrame], Recording]:
    """Judge part by part, without limits and their chances; `also` makes more frames of each part in the same pass."""
    # If not the `whole`, then no more than verdicts and findings, and what `also` makes.
    source = as_source(recording)
    if isinstance(source, Recording):
        # Of who left no sample kills may be known.
        if not source.height and "oom_kill" not in source.events["kind"]:
            msg = "The recording has no samples: there is nothing to judge."
            raise RmtoolkitError(msg)
        restarts_known = source.tells_restarts
    else:
        restarts_known = source.tells_restarts()
    heaps = {}
    if heap is not None:
        from rmtoolkit.analysis.heap_answers import profiles_by_workload, read_profile  # noqa: PLC0415 - few have one

        heaps = {key: read_profile(profile) for key, profile in profiles_by_workload(heap, source).items()}
    # What is not in memory does not come into it: charts get what they show.
    thin = whole and (not isinstance(source, Recording) or source.stored is not None)
    work = partial(_frames, whole=whole, thin=thin, also=also, restarts_known=restarts_known, heaps=heaps)
    frames, about = parallel_map(source, work, client=client)
    # When amounts look like another unit the shape stands, and every amount is wrong.
    for check, rejected, then in (
        ("tiny_value", False, "Give bytes; else every amount is wrong."),
        (ABOVE_LIMIT, True, "Such a limit is taken as unknown."),
    ):
        found = frames["findings"].filter(check=check, rejected=rejected).unique("container_id", maintain_order=True)
        for row in found.head(1).iter_rows(named=True):
            name = quote(row["pod"] or row["workload"] or row["container"] or "one container")
            warnings.warn(f"{name}{and_more(found.height, 1)}: {row['detail']} {then}", RmtoolkitWarning, stacklevel=2)
    if thin:
        about = replace(about, samples=conform(frames.pop("shown"), SAMPLES))
    return frames, believed(about, frames["findings"])


def _frames(
    part: Recording, *, whole: bool, thin: bool, also: Also | None, restarts_known: bool, heaps: dict[Key, HeapReading]
) -> dict[str, pl.DataFrame]:
    block = assess_block(part, restarts_known=restarts_known, heaps=heaps)
    found = list(block.workloads())
    verdicts = records.frame_of((row for _, row, _, _ in found), records.JUDGED)
    frames = {"verdicts": verdicts, "findings": block.findings}
    if whole:
        opinions = [opinion for lives in block.opinions.values() for opinion in lives if opinion.signal is not None]
        judged = [(opinion.life.row, str(opinion.signal)) for opinion in opinions]
        life_signals = pl.DataFrame(judged, schema={"life_row": pl.UInt32, "signal": pl.String}, orient="row")
        # The only instance of a workload is judged with it.
        instances = (row if len(ids) == 1 else block.instance(one) for ids, row, *_ in found for one in ids)
        told = [line for _, row, pool, _ in found for line in words.answers(row, pool)]
        frames |= {
            "lives": block.lives,
            "fits": signals.fits(block.lives, block.readings, life_signals),
            "instances": records.frame_of(instances, records.JUDGED | records.INSTANCE),
            "checklist": pl.DataFrame(told, schema=words.CHECKLIST, orient="row"),
            "forecast": paths(line for *_, line in found if line is not None),
            "completeness": block.completeness,
            "layers": block.layers,
        }
    if thin:
        frames["shown"] = downsample(part, block.lives, verdicts["container_id"])
    return frames | (also(believed(part, block.findings), verdicts) if also else {})


def exposure(lives: Iterable[tuple[Life, float | None]]) -> records.Exposure:
    """See from the lives of a workload how long one lasts when memory does not end it."""
    known = list(lives)
    if not known:
        return records.ENDLESS
    newest = max(life.start for life, _ in known)
    last = max(life.end for life, _ in known)
    # Where the youngest life has ended, the next one begins with the forecast.
    age = max((life.hours for life, _ in known if life.start == newest and life.ended == Ending.RUNNING), default=0.0)
    ended: list[Life] = []
    for life, cadence in known:
        silent = (last - life.end).total_seconds() > max(th.LINGER_SECONDS, th.LINGER_SCRAPES * (cadence or 0.0))
        over = silent if life.ended == Ending.RUNNING else life.ended not in (Ending.GAP, Ending.OOM_KILL)
        limit, peak = life.limit_bytes, life.peak_bytes
        if over and not (limit and peak and peak > th.PEAK_NEAR_LIMIT * limit):
            ended.append(life)
    longest = max((life.hours for life in ended), default=0.0)
    times = _endings(ended, longest)
    return records.Exposure(age, longest * (1 + 1 / times) if times >= th.RESTARTS_CAP else None)


def _endings(lives: list[Life], longest_hours: float) -> int:
    """Count how often something ended lives: all pods of a rollout end together, and a false start is no life."""
    times, last, short = 0, None, th.SHORT * longest_hours
    for end in sorted(life.end for life in lives if life.hours >= short):
        if last is None or (end - last).total_seconds() / 3600 > short:
            times, last = times + 1, end
    return times


_POINTS: Final = 20

FORECAST: Final = pl.Schema(
    {"container_id": pl.UInt32(), "time": TIME, **dict.fromkeys(("low_bytes", "mid_bytes", "high_bytes"), pl.Float64())}
)


class TimeToLimit(Struct, frozen=True):
    outlook: Outlook
    #: Hours from the last sample to the limit, with an 80 % interval; None unless it reaches, and for an open end.
    hours: float | None = None
    low: float | None = None
    high: float | None = None
    capped: bool = False


class Growth(Struct, frozen=True):
    per_day_bytes: float
    error_bytes: float
    error_up_bytes: float
    #: What the kernel cannot take back, at the end of the life: the highest of its last samples.
    level_bytes: float
    noise_bytes: float


def growth_against_limit(opinion: Opinion) -> Growth | None:
    whole = opinion.footprint
    if whole is None:
        return None
    row = opinion.readings.get(Signal.ANON, whole)
    if row is not whole and opinion.beside is None and _grows_unseen(opinion, row, whole):
        row = whole
    counted = [opinion.readings[part] for part in (Signal.SHMEM, Signal.KERNEL) if part in opinion.readings]
    counted = counted if row is not whole else []
    level = row.top + sum(part.end_level for part in counted)
    grows = [row, *(part for part in counted if part.growing > th.LIKELY)]
    leak = opinion.reading
    if (layer := opinion.beside) is not None:
        row = opinion.readings.get(records.BESIDE[layer], whole)
        level, grows = whole.top if row is whole else level, [row]
    elif (
        leak is not None and leak.growing > th.LIKELY and leak.growth_per_day > sum(one.growth_per_day for one in grows)
    ):
        # Pages that an allocator keeps take a leak in for a while only.
        grows = [leak]
    error = math.hypot(*(one.growth_error_per_day for one in grows))
    error_up = math.hypot(*(one.growth_error_up_per_day for one in grows))
    return Growth(sum(one.growth_per_day for one in grows), error, error_up, level, row.noise)


def _grows_unseen(opinion: Opinion, anon: Reading, whole: Reading) -> bool:
    """Tell whether the whole grows faster than its anonymous memory, and by no files that the kernel can drop."""
    file = opinion.levels.get(Signal.FILE)
    if file is None or Signal.KERNEL in opinion.readings or whole.growing <= th.LIKELY:
        return False
    extra = (whole.growth_per_day - anon.growth_per_day) * opinion.life.seconds / 86_400
    return extra > th.UNSEEN * whole.mean_rise and file.came < extra / 2


def from_now(growth: Growth | None, main: Opinion, last: Opinion) -> Growth | None:
    """Start the forecast where the container is now, which may be a younger life than the one judged."""
    if growth is None or (last is main and last.life.ended == Ending.RUNNING):
        return growth
    whole = main.readings[Signal.FOOTPRINT]
    beside = max(whole.top - growth.level_bytes, 0.0)
    level = last.life.last_bytes if last.life.ended == Ending.RUNNING else None
    return structs.replace(growth, level_bytes=max((whole.begun if level is None else level) - beside, 0.0))


def look_ahead(
    opinion: Opinion,
    growth: Growth | None,
    *,
    growing: float,
    open_end: bool,
    limit_known: bool,
    lasts: records.Exposure,
) -> TimeToLimit:
    limit_bytes = opinion.life.limit_bytes
    if limit_bytes is None:
        return TimeToLimit(Outlook.UNKNOWN if growing > th.LIKELY or not limit_known else Outlook.BOUNDED)
    if growth is None:
        return TimeToLimit(Outlook.UNKNOWN)
    if growing <= th.LIKELY or growth.per_day_bytes <= 0:
        return TimeToLimit(Outlook.UNKNOWN if open_end else Outlook.BOUNDED)
    room = limit_bytes - growth.level_bytes
    hours = max(room, 0.0) / growth.per_day_bytes * 24
    if hours > th.HORIZON_WINDOWS * max(opinion.life.hours, 1e-6) and hours > th.HORIZON_WEEKS * 7 * 24:
        return TimeToLimit(Outlook.BOUNDED)
    capped = hours > lasts.left_hours
    if capped and open_end:
        # What may grow, and ends before it is there, meets no limit.
        return TimeToLimit(Outlook.UNKNOWN)
    fast = growth.per_day_bytes + th.QUANTILE * growth.error_up_bytes
    slow = growth.per_day_bytes - th.QUANTILE * growth.error_bytes
    wobble = th.QUANTILE * growth.noise_bytes
    low = max(room - wobble, 0.0) / fast * 24
    high = (max(room, 0.0) + wobble) / slow * 24 if slow > 0 else None
    return TimeToLimit(Outlook.REACHES, hours, low, high, capped=capped)


def _ahead(opinion: Opinion, growth: Growth | None, goes_on: float, lasts: records.Exposure) -> records.Ahead:
    line = {}
    if growth is not None:
        whole = opinion.readings[Signal.FOOTPRINT]
        # After a restart, what counts against the limit is never above where it is now.
        fresh = max(whole.begun - max(whole.top - growth.level_bytes, 0.0), 0.0)
        line = structs.asdict(growth) | {"fresh_bytes": min(fresh, growth.level_bytes)}
    return records.Ahead(**line, goes_on=goes_on, age_hours=lasts.age_hours, longest_hours=lasts.longest_hours)


def paths(lines: Iterable[Line]) -> pl.DataFrame:
    known = np.array(list(lines), dtype=float).reshape(-1, 8)
    container, start, ahead, level, rate, doubt, up, spread = known.T[:, :, None]
    hours = ahead * np.arange(_POINTS + 1) / _POINTS
    columns = {
        "container_id": np.broadcast_to(container, hours.shape).astype(np.uint32),
        "time": np.rint(start + hours * 3_600_000).astype(np.int64),
        "low_bytes": np.maximum(level + (rate - th.QUANTILE * doubt) * hours / 24 - th.QUANTILE * spread, 0.0),
        "mid_bytes": level + rate * hours / 24,
        "high_bytes": level + (rate + th.QUANTILE * up) * hours / 24 + th.QUANTILE * spread,
    }
    return pl.DataFrame({name: column.ravel() for name, column in columns.items()}).cast(FORECAST)


def line_of(opinion: Opinion, growth: Growth | None, outlook: TimeToLimit, growing: float) -> Line | None:
    whole = opinion.footprint
    if whole is None or growth is None or outlook.outlook == Outlook.UNKNOWN:
        return None
    window = opinion.life.seconds / 3600
    ahead = 0.3 * window
    if outlook.hours is not None:
        ahead = min(max(1.15 * (outlook.high or outlook.hours), ahead), window)
    goes_on = growing > th.LIKELY
    rate = growth.per_day_bytes if goes_on else 0.0
    doubt, up = (growth.error_bytes, growth.error_up_bytes) if goes_on else (0.0, 0.0)
    start = opinion.life.end.timestamp() * 1000
    return opinion.life.container_id, start, ahead, whole.end_level, rate, doubt, up, whole.noise
