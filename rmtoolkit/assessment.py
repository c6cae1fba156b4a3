"""Everything that is known of every workload, worked out once: what every view, export and patch reads."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit._times import begins
from rmtoolkit.analysis.advice import advise
from rmtoolkit.analysis.judge import judge_with, verdicts_with
from rmtoolkit.analysis.lives import lives as lives_of
from rmtoolkit.analysis.records import EVIDENCE, VERDICTS, WORKLOAD, Advice
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import recommend
from rmtoolkit.limits import recommend as cost
from rmtoolkit.limits.history import GROWS, Ahead, as_need
from rmtoolkit.limits.history import needs as gathered_needs
from rmtoolkit.limits.patches import quantity
from rmtoolkit.limits.recommend import of_gathered
from rmtoolkit.limits.risk import HORIZON, as_margins, lookup, of_needs
from rmtoolkit.schema import TIME, Action

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from distributed import Client

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_reading import Heap
    from rmtoolkit.limits.history import AnyRecording
    from rmtoolkit.limits.recommend import Prices
    from rmtoolkit.limits.risk import Margins
    from rmtoolkit.recording import Recording

_SHARE: Final = pl.Float64()
_BYTES: Final = pl.Int64()
_RATE: Final = pl.Float64()
_HOURS: Final = pl.Float64()
_MONEY: Final = pl.Float64()
_TEXT: Final = pl.String()
_COUNT: Final = pl.Int64()

#: A row per workload container, in the order of urgency: every number and every word that any view shows.
WORKLOADS: Final = pl.Schema(
    {
        # Who it is.
        "workload_id": pl.UInt32(),
        "cluster": _TEXT,
        "namespace": _TEXT,
        "workload": _TEXT,
        "container": _TEXT,
        "workload_kind": _TEXT,
        "workload_inferred": pl.Boolean(),
        "version": _TEXT,
        "pods": _COUNT,
        "pods_now": _COUNT,
        "owner": _TEXT,
        # The pod that is shown first.
        "container_id": pl.UInt32(),
        "pod": _TEXT,
        # The window.
        "window_start": TIME,
        "window_end": TIME,
        "data_age_seconds": pl.Float64(),
        "coverage": _SHARE,
        "dropped_share": _SHARE,
        "cadence_seconds": pl.Float64(),
        "history_seconds": pl.Float64(),
        "whole_weeks": _COUNT,
        # The verdict.
        "verdict": _TEXT,
        "leak_probability": _SHARE,
        "pattern": _TEXT,
        "also": pl.List(pl.String()),
        "cause": _TEXT,
        "signal": _TEXT,
        "evidence_level": _COUNT,
        "growing": pl.Boolean(),
        # Growth, of `signal`.
        "growth_bytes_per_day": _RATE,
        "growth_low_bytes_per_day": _RATE,
        "growth_high_bytes_per_day": _RATE,
        "growth_since": TIME,
        "detection_floor_bytes_per_day": _RATE,
        "growth_per_work_bytes": pl.Float64(),
        # Layers of one instant of the pod that is shown first; they add up to the working set.
        "layers_time": TIME,
        "live_bytes": _BYTES,
        "slack_bytes": _BYTES,
        "kept_bytes": _BYTES,
        "outside_bytes": _BYTES,
        "anon_bytes": _BYTES,
        "cache_bytes": _BYTES,
        "kernel_bytes": _BYTES,
        "shmem_bytes": _BYTES,
        "working_set_bytes": _BYTES,
        "rss_bytes": _BYTES,
        # Levels.
        "peak_bytes": _BYTES,
        "peak_pod": _TEXT,
        "peak_time": TIME,
        "hot_pod": _TEXT,
        "hot_ratio": pl.Float64(),
        "startup_peak_bytes": _BYTES,
        "settled_bytes": _BYTES,
        "need_bytes": _BYTES,
        "need_of": _TEXT,
        "busy_bytes": _BYTES,
        # The limit in force.
        "limit_bytes": _BYTES,
        "limit_known": pl.Boolean(),
        "request_bytes": _BYTES,
        "headroom_share": _SHARE,
        "over_settled_share": _SHARE,
        "qos_now": _TEXT,
        "released": TIME,
        "limit_changed": TIME,
        # Kills, once each.
        "kills": _COUNT,
        "kills_7d": _COUNT,
        "kills_since": _COUNT,
        "last_kill": TIME,
        "killed_limit_bytes": _BYTES,
        "runs": _COUNT,
        "runs_killed": _COUNT,
        # Outlook: the instant first, hours from `window_end`.
        "limit_outlook": _TEXT,
        "limit_at": TIME,
        "limit_at_low": TIME,
        "limit_at_high": TIME,
        "hours_to_limit": _HOURS,
        "hours_to_limit_low": _HOURS,
        "hours_to_limit_high": _HOURS,
        # The chance of at least one OOM kill at the limit in force.
        "oom_probability_24h": _SHARE,
        "oom_probability_7d": _SHARE,
        "oom_probability_30d": _SHARE,
        "oom_probability_7d_low": _SHARE,
        "oom_probability_7d_high": _SHARE,
        "risk_basis": _TEXT,
        "risk_because": _TEXT,
        # The one action, and the limit that goes with it.
        "action": _TEXT,
        "advised_limit_bytes": _BYTES,
        "advised_request_bytes": _BYTES,
        "advised_oom_probability": _SHARE,
        "advised_oom_probability_low": _SHARE,
        "advised_oom_probability_high": _SHARE,
        "advised_headroom_share": _SHARE,
        "advised_basis": _TEXT,
        "provisional": pl.Boolean(),
        "limit_reason": _TEXT,
        "qos_then": _TEXT,
        "purged_limit_bytes": _BYTES,
        "raise_to_bytes": _BYTES,
        "buys_days": pl.Float64(),
        "buys_days_low": pl.Float64(),
        "buys_days_high": pl.Float64(),
        "pairs": _COUNT,
        "margins": _TEXT,
        # Money: of all pods that run now.
        "reserved_now_bytes": _BYTES,
        "reserved_then_bytes": _BYTES,
        "cost_now_per_month": _MONEY,
        "cost_then_per_month": _MONEY,
        "incidents_now_per_month": _MONEY,
        "incidents_then_per_month": _MONEY,
        "waste_bytes": _BYTES,
        "waste_per_month": _MONEY,
        # What others say.
        "vpa_target_bytes": _BYTES,
        "krr_limit_bytes": _BYTES,
        # Words.
        "headline": _TEXT,
        "why": _TEXT,
        "explanation": _TEXT,
        "next_step": _TEXT,
        "setting": _TEXT,
        "expected": _TEXT,
        "undecided_until": TIME,
        "worst_until_then": _TEXT,
        # Against last time.
        "change": _TEXT,
        "previous_verdict": _TEXT,
        "previous_oom_probability_7d": _SHARE,
        # What a team accepts.
        "accepted": pl.Boolean(),
        "accepted_until": pl.Date(),
        "accepted_bound_bytes": _BYTES,
        "evidence": EVIDENCE,
    }
)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that was found out about a fleet; views show it and compute nothing.

    All frames share `workload_id`, the row number of `workloads`; it counts in the order of urgency.

    Attributes
    ----------
    recording
        What was assessed. Of a lake, and of a large file, only the samples that charts show.
    workloads
        A row per workload container, in the order of urgency: see `WORKLOADS`.
    instances
        A row per pod and container.
    lives
        A row per lifetime.
    fits
        A row per judged lifetime, with the fitted curve.
    forecast
        The footprint's expected course from the last sample on.
    evidence
        A row per piece of evidence, with the window and the lives that it rests on.
    checklist
        The five questions for every workload container.
    risk_curves
        A row per workload container and limit: `limit_bytes`, `oom_probability` with its 80 % interval.
    findings
        What `validate` found.
    completeness
        Samples of each container that are there and that were due.
    events
        What happened.
    needs
        What the limits were decided from, so that they can be decided anew with other margins, target or prices.
    oom_probability, margins, prices
        What was asked for.

    Examples
    --------
    >>> import polars as pl
    >>> assess(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100}))
    <Assessment: 1 workload: 1 not_leak>
    """

    recording: Recording
    workloads: pl.DataFrame
    instances: pl.DataFrame
    lives: pl.DataFrame
    fits: pl.DataFrame
    forecast: pl.DataFrame
    evidence: pl.DataFrame
    checklist: pl.DataFrame
    risk_curves: pl.DataFrame
    findings: pl.DataFrame
    completeness: pl.DataFrame
    events: pl.DataFrame
    needs: pl.DataFrame
    oom_probability: float
    margins: Margins
    prices: Prices | None

    def __repr__(self) -> str:
        """Count the verdicts."""
        counts = self.workloads["verdict"].value_counts(sort=True).iter_rows()
        count = self.workloads.height
        said = ", ".join(f"{n} {verdict}" for verdict, n in counts)
        return f"<Assessment: {count:,} workload{'' if count == 1 else 's'}: {said}>"

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last sample; None without any."""
        first, last = self.completeness.select(pl.col("first").min(), pl.col("last").max()).row(0)
        return None if first is None else (first, last)


def assess(
    source: Source | Assessment,
    *,
    heap: Heap | Mapping[str, Heap] | None = None,
    margins: Margins | str | os.PathLike[str] | None = None,
    oom_probability: float = 0.05,
    prices: Prices | None = None,
    previous: Assessment | pl.DataFrame | None = None,
    accepted: Iterable[Acknowledgement] = (),
    client: Client | None = None,
    now: dt.datetime | None = None,
) -> Assessment:
    """Work out everything about every workload, once.

    Every function that takes a recording may be given the result instead: nothing is then worked out again.

    Parameters
    ----------
    source
        A recording, any frame that can become one, or a lake, which is read part by part. An Assessment is given back.
    heap
        As `rm.classify` takes it.
    margins
        From `rm.learn_margins`, or the file they were saved in; None: those that come with the package.
    oom_probability
        The chance of an OOM kill within 7 days that is accepted, between 0 and 1.
    prices
        What memory and an incident cost; None: costs stay null.
    previous
        What was found last time, as an Assessment or its `workloads`.
    accepted
        What the team knows and accepts.
    client
        Of Dask distributed, as for `rm.classify`.
    now
        The clock that the age of the data is counted by; None: that of this machine.

    Returns
    -------
    Assessment
        Small, where the source is not in memory.

    Raises
    ------
    RmtoolkitError
        There are no samples, it cannot be told whose a heap profile is, or `oom_probability` is not between 0 and 1.

    Examples
    --------
    >>> import polars as pl
    >>> found = assess(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100}))
    >>> found.workloads.select("workload", "verdict", "pattern").rows()
    [('api', 'not_leak', 'plateau')]
    """
    if isinstance(source, Assessment):
        return source
    recommend.check_chance(oom_probability)
    chosen = as_margins(margins)
    judgement, frames = judge_with(source, _gathered, heap, client=client)
    needs, about = frames["needs"], judgement.recording
    limits = of_gathered(needs, oom_probability, chosen, prices=prices)
    workloads = _workloads(judgement.verdicts, needs, limits, frames["now"], now or dt.datetime.now(dt.UTC))
    workloads = _with_runs(workloads, judgement.lives, about.containers)
    workloads = _accept(_compare(workloads, previous, oom_probability), accepted)
    keys = workloads.unique(WORKLOAD, keep="first", maintain_order=True).select("workload_id", *WORKLOAD)
    ids = about.containers.join(keys, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
    by_container = partial(_with_id, ids=ids, on=["container_id"])
    by_name = partial(_with_id, ids=keys, on=list(WORKLOAD))
    return Assessment(
        recording=about,
        workloads=workloads,
        instances=by_container(_instances(judgement.instances, needs, workloads, chosen)),
        lives=by_container(judgement.lives),
        fits=by_container(judgement.fits),
        forecast=by_container(judgement.forecast),
        evidence=_evidence(workloads),
        checklist=by_name(judgement.checklist),
        risk_curves=by_name(_curves(needs, limits, chosen)),
        findings=by_container(judgement.findings),
        completeness=by_container(judgement.completeness),
        events=by_container(about.events),
        needs=needs,
        oom_probability=oom_probability,
        margins=chosen,
        prices=prices,
    )


def classify(
    recording: Source | Assessment,
    heap: Heap | Mapping[str, Heap] | None = None,
    *,
    by: Literal["workload", "instance"] = "workload",
    client: Client | None = None,
) -> pl.DataFrame:
    """Say for every workload whether it leaks, why its memory is what it is, and when it reaches its limit."""
    if by not in ("workload", "instance"):
        msg = f"by must be 'workload' or 'instance', got {by!r}."
        raise RmtoolkitError(msg)
    if by == "instance":
        instances = as_assessment(recording, heap=heap, client=client).instances
        return instances.select("cluster", "namespace", "workload", "pod", *list(VERDICTS)[3:], "lives")
    rows = recording.workloads if isinstance(recording, Assessment) else _rows_alone(recording, heap, client=client)
    return rows.select(*VERDICTS)


def recommend_limits(
    recording: Source | Assessment,
    oom_probability: float | None = None,
    margins: Margins | str | os.PathLike[str] | None = None,
    *,
    price_per_gib_hour: float | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Recommend a memory request and a limit for every workload container."""
    prices = None if price_per_gib_hour is None else replace(cost.USUAL, per_gib_hour=price_per_gib_hour)
    if isinstance(recording, Assessment):
        target = recording.oom_probability if oom_probability is None else oom_probability
        chosen = recording.margins if margins is None else as_margins(margins)
        return of_gathered(recording.needs, target, chosen, prices=prices or recording.prices)
    target = 0.05 if oom_probability is None else oom_probability
    recommend.check_chance(target)
    return of_gathered(recommend.gather(recording, client=client), target, margins, prices=prices)


def limit_risk(
    recording: AnyRecording | Assessment,
    limits: Sequence[int] | int | pl.DataFrame,
    margins: Margins | str | os.PathLike[str] | None = None,
) -> pl.DataFrame:
    """Give the chance of at least one OOM kill in the next 7 days for every candidate limit."""
    if isinstance(recording, Assessment):
        return of_needs(recording.needs, limits, recording.margins if margins is None else as_margins(margins))
    return of_needs(gathered_needs(recording), limits, as_margins(margins))


def checklist(
    recording: Source | Assessment, heap: Heap | Mapping[str, Heap] | None = None, *, client: Client | None = None
) -> pl.DataFrame:
    """Ask the five questions of every workload."""
    return as_assessment(recording, heap=heap, client=client).checklist.drop("workload_id")


def fits(recording: Source | Assessment, *, client: Client | None = None) -> pl.DataFrame:
    """Show the fit behind the verdict of every life."""
    if isinstance(recording, Assessment):
        return recording.fits.drop("workload_id")
    return judge_with(recording, None, client=client)[0].fits


def lives(recording: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame | Assessment) -> pl.DataFrame:
    """List the lifetimes of every container."""
    if isinstance(recording, Assessment):
        return recording.lives.drop("workload_id")
    return lives_of(recording)


def as_assessment(source: Source | Assessment, **options: Any) -> Assessment:  # noqa: ANN401 - those of `assess`
    """Give an Assessment back as it is; assess anything else."""
    return source if isinstance(source, Assessment) else assess(source, **options)


def _rows_alone(
    source: Source, heap: Heap | Mapping[str, Heap] | None = None, *, client: Client | None = None
) -> pl.DataFrame:
    """Make the rows of the workloads where nobody asks for the other frames."""
    frames = verdicts_with(source, _gathered_alone, heap, client=client)
    limits = of_gathered(frames["needs"])
    return _workloads(frames["verdicts"], frames["needs"], limits, frames["now"], dt.datetime.now(dt.UTC))


def _gathered(part: Recording, verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Reduce a part to what limits are decided from, to its last instant, and to what happened."""
    return {**recommend.also(part, verdicts), "now": _last_instant(part, verdicts)}


def _gathered_alone(part: Recording, verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Do the same without what only others would say of the limit."""
    return {"needs": gathered_needs(part, verdicts), "now": _last_instant(part, verdicts), "verdicts": verdicts}


#: From the lowest layer up: the first one that was ever scraped says which instant is shown.
_LOWEST: Final = ("allocated_bytes", "anon_bytes", "rss_bytes", "working_set_bytes", "usage_bytes")
_OTHER_PARTS: Final = (
    "active_bytes",
    "resident_bytes",
    "free_bytes",
    "shmem_bytes",
    "kernel_bytes",
    "file_bytes",
)
#: What was scraped longer before that instant is no part of it.
_SAME_INSTANT: Final = dt.timedelta(hours=1)


def _last_instant(part: Recording, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Find the window of each workload, what happened in it, and the layers of its shown pod at the last scrape."""
    shown = verdicts.select("container_id", *WORKLOAD)
    ids = part.samples["container_id"]
    first = begins(ids)
    last = np.append(first[1:], part.samples.height) - 1
    seen = pl.DataFrame(
        {
            "container_id": ids.gather(first),
            "first": part.samples["time"].gather(first),
            "last": part.samples["time"].gather(last),
        }
    )
    about = part.containers.select("container_id", *WORKLOAD, "pod", "cadence_seconds", "workload_kind")
    windows = (
        about.join(seen, on="container_id", how="left", maintain_order="left")
        .group_by(*WORKLOAD, maintain_order=True)
        .agg(
            window_start=pl.col("first").min(),
            window_end=pl.col("last").max(),
            cadence_seconds=pl.col("cadence_seconds").median(),
            workload_kind=pl.col("workload_kind").drop_nulls().first(),
        )
    )
    end = windows.select(*WORKLOAD, "window_end")
    on = {"on": list(WORKLOAD), "how": "left", "nulls_equal": True, "maintain_order": "left"}
    return (
        shown.join(about.select("container_id", "pod"), on="container_id", how="left", maintain_order="left")
        .join(_layers(part, shown["container_id"]), on="container_id", how="left", maintain_order="left")
        .join(windows, **on)
        .join(_happened(part, end).drop("window_end"), **on)
        .drop(WORKLOAD)
    )


def _happened(part: Recording, end: pl.DataFrame) -> pl.DataFrame:
    """Count kills, once each, and find the last release and the last change of the limit of each workload."""
    names = part.containers.select("container_id", *WORKLOAD, running="version")
    events = part.events.join(names, on="container_id", maintain_order="left").join(
        end, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left"
    )
    killed, release = (pl.col("kind") == kind for kind in ("oom_kill", "release"))
    # The first word on a limit says what it is, not that it changed.
    changed = (pl.col("kind") == "limit") & pl.col("value_bytes").ne(
        pl.col("value_bytes").filter(pl.col("kind") == "limit").first().over("container_id")
    )
    time = pl.col("time")
    told = (
        events.sort("time", maintain_order=True)
        .with_columns(changed=changed)
        .group_by(*WORKLOAD, maintain_order=True)
        .agg(
            kills=killed.sum().cast(pl.Int64),
            kills_7d=(killed & (time > pl.col("window_end") - HORIZON)).sum().cast(pl.Int64),
            last_kill=time.filter(killed).last(),
            detail=pl.col("detail").filter(release).last(),
            released=time.filter(release).last(),
            limit_changed=time.filter("changed").last(),
            kills_since=(killed & (time > time.filter("changed").last())).sum().cast(pl.Int64),
        )
    )
    known = names.group_by(*WORKLOAD, maintain_order=True).agg(running=pl.col("running").drop_nulls().last())
    return (
        known.join(told, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .join(end, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .select(
            *WORKLOAD,
            pl.col("kills", "kills_7d").fill_null(0),
            "last_kill",
            "released",
            "limit_changed",
            "window_end",
            version=pl.coalesce("detail", "running"),
            kills_since=pl.when(pl.col("limit_changed").is_not_null()).then("kills_since"),
        )
    )


def _layers(part: Recording, shown: pl.Series) -> pl.DataFrame:
    """Take the memory of each shown container apart at the last scrape of its lowest layer; unknown is null."""
    samples = part.samples
    names = [
        name
        for name in (
            *_LOWEST,
            "active_bytes",
            "resident_bytes",
            "free_bytes",
            "shmem_bytes",
            "kernel_bytes",
            "file_bytes",
        )
        if samples[name].null_count() < samples.height
    ]
    lowest = [pl.col("time").filter(pl.col(name).is_not_null()).last() for name in _LOWEST if name in names]
    if not lowest:
        return pl.DataFrame({"container_id": shown})
    recent = samples.select("container_id", "time", *names).filter(
        pl.col("container_id").is_in(shown.implode())
        & (pl.col("time") > pl.col("time").last().over("container_id") - 24 * _SAME_INSTANT)
    )
    instant = pl.coalesce(lowest)
    then = (pl.col("time") <= instant) & (pl.col("time") >= instant - _SAME_INSTANT)
    found = recent.group_by("container_id", maintain_order=True).agg(
        instant.alias("layers_time"), *(pl.col(name).filter(then).drop_nulls().last() for name in names)
    )
    missing = {*_LOWEST, *_OTHER_PARTS}.difference(names)
    found = found.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in missing)
    whole = pl.coalesce("working_set_bytes", "usage_bytes")
    top = pl.coalesce(whole, "rss_bytes", "anon_bytes", pl.lit(2**62))

    def below(edge: pl.Expr) -> pl.Expr:
        # The allocator's own count of pages runs a little ahead of the kernel's: nothing is above the whole.
        return pl.when(edge.is_not_null()).then(pl.min_horizontal(edge, top))

    private = pl.coalesce("anon_bytes", "rss_bytes")
    live = below(pl.col("allocated_bytes"))
    active = below(pl.col("active_bytes"))
    held = below(pl.coalesce("resident_bytes", pl.coalesce("active_bytes", "allocated_bytes") + pl.col("free_bytes")))
    gaps = (active - live).clip(0)
    kept = (held - live - gaps.fill_null(0)).clip(0)
    heap = live + gaps.fill_null(0) + kept.fill_null(0)
    anonymous = below(pl.max_horizontal(private, heap))
    shmem = pl.col("shmem_bytes")
    rest = (whole - anonymous - shmem.fill_null(0)).clip(0)
    files = (pl.col("file_bytes") - shmem.fill_null(0)).clip(0)
    # What is neither the process's nor a file is the kernel's; where files are not told, all of the rest is cache.
    told = pl.when(pl.col("kernel_bytes").is_not_null()).then(pl.min_horizontal("kernel_bytes", rest))
    kernel = pl.when(private.is_not_null()).then(pl.coalesce(told, (rest - files).clip(0)))
    return found.select(
        "container_id",
        "layers_time",
        live_bytes=live,
        slack_bytes=gaps,
        kept_bytes=kept,
        outside_bytes=pl.when(private.is_not_null()).then(anonymous - heap),
        anon_bytes=anonymous,
        cache_bytes=pl.when(private.is_not_null()).then(rest - kernel.fill_null(0)),
        kernel_bytes=kernel,
        shmem_bytes="shmem_bytes",
        working_set_bytes=whole,
        rss_bytes=pl.coalesce("rss_bytes", "anon_bytes"),
    )


#: Columns of the limits under the names that they have beside a verdict.
_ADVISED: Final = {
    "recommended_limit_bytes": "advised_limit_bytes",
    "recommended_request_bytes": "advised_request_bytes",
    "oom_probability": "advised_oom_probability",
    "oom_probability_low": "advised_oom_probability_low",
    "oom_probability_high": "advised_oom_probability_high",
    "oom_probability_now": "oom_probability_7d",
    "headroom": "advised_headroom_share",
    "reason": "limit_reason",
}
#: Of the limits' row the same number is worked out elsewhere.
_ELSEWHERE: Final = ("kills", "verdict", "pattern", "growing", "startup_peak_bytes", "settled_bytes", "limit_bytes")


def _workloads(
    verdicts: pl.DataFrame, needs: pl.DataFrame, limits: pl.DataFrame, seen: pl.DataFrame, now: dt.datetime
) -> pl.DataFrame:
    """Put everything about a workload container in one row, the most urgent first."""
    on = list(WORKLOAD)
    advised = limits.rename(_ADVISED).drop(_ELSEWHERE, "pods", "peak_bytes")
    risky = ("oom_probability_24h", "oom_probability_7d", "oom_probability_30d")
    rows = (
        verdicts.drop(risky)
        .join(advised, on=on, how="left", nulls_equal=True, maintain_order="left")
        .join(needs.select(*on, "growing", "kills_now"), on=on, how="left", nulls_equal=True, maintain_order="left")
        .join(seen, on="container_id", how="left", maintain_order="left")
    )
    end, limit = pl.col("window_end"), pl.col("limit_bytes")

    def instant(hours: str) -> pl.Expr:
        return end + pl.duration(milliseconds=(pl.col(hours) * 3_600_000).round(), time_unit="ms")

    grows = pl.col("growing") | (pl.col("verdict") == "leak")
    rows = rows.with_columns(
        # What grows has not settled.
        settled_bytes=pl.when(grows.fill_null(value=False)).then(None).otherwise("settled_bytes"),
    ).with_columns(
        data_age_seconds=pl.lit(now).cast(TIME).sub(end).dt.total_milliseconds() / 1000,
        whole_weeks=(pl.col("history_seconds") / (HORIZON.total_seconds() / 1.02)).floor().cast(pl.Int64),
        headroom_share=1 - pl.col("need_bytes") / limit,
        over_settled_share=limit / pl.col("settled_bytes").replace(0, None) - 1,
        waste_bytes=((limit - pl.col("advised_limit_bytes")) * pl.col("pods_now")).clip(0),
        limit_at=instant("hours_to_limit"),
        limit_at_low=instant("hours_to_limit_low"),
        limit_at_high=instant("hours_to_limit_high"),
        undecided_until=pl.when(pl.col("wait_seconds").is_not_null()).then(
            end + pl.duration(milliseconds=(pl.col("wait_seconds") * 1000).round(), time_unit="ms")
        ),
    )
    rows = _by_urgency(_with_words(rows)).with_columns(workload_id=pl.int_range(pl.len(), dtype=pl.UInt32))
    return rows.select(
        pl.col(name).cast(dtype) if name in rows.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in WORKLOADS.items()
    )


def _by_urgency(rows: pl.DataFrame) -> pl.DataFrame:
    """Worst first: leaks by time to limit, then what cannot be decided, then the rest by risk."""
    return rows.sort(
        pl.col("verdict").replace_strict(_VERDICTS, return_dtype=pl.Int64),
        pl.col("hours_to_limit").fill_null(float("inf")),
        pl.col("oom_probability_7d").fill_null(0.0).neg(),
        *WORKLOAD,
        nulls_last=True,
        maintain_order=True,
    )


_WORDS: Final = {"next_step": _TEXT, "setting": _TEXT, "expected": _TEXT, "undecided_until": TIME}


def _with_words(rows: pl.DataFrame) -> pl.DataFrame:
    """Say the one action in words."""
    said = [_words(row) for row in rows.iter_rows(named=True)]
    return rows.with_columns(pl.DataFrame(said, schema=_WORDS, orient="row"), why=pl.col("reason"))


def _words(row: Mapping[str, Any]) -> tuple[str, str | None, str | None, dt.datetime | None]:
    """Give the sentence, the setting, what it should change, and until when it is open."""
    action = Action(row["action"] or Action.NONE)
    until = row["undecided_until"]
    if action in _OF_LIMITS or (action is Action.WAIT and until is not None) or _limit_missing(row):
        found = _of_limit(row, action)
    else:
        found = next((one for one in advise(dict(row)) if _fits(one, action)), Advice(_OTHERWISE.get(action, NOTHING)))
    return found.sentence, found.setting, found.expected, found.until or until


#: Actions that change a limit: a patch is written for these alone.
_OF_LIMITS: Final = (Action.RAISE_LIMIT, Action.LOWER_LIMIT, Action.SET_LIMIT)
_VERBS: Final = {Action.RAISE_LIMIT: "Raise", Action.LOWER_LIMIT: "Lower", Action.SET_LIMIT: "Set"}
NOTHING: Final = "Nothing to do."
_OTHERWISE: Final = {
    Action.WAIT: "Record for longer, then judge again.",
    Action.FIX_LEAK: "Take a heap profile: what was not freed names the code.",
    Action.TUNE_ALLOCATOR: "Let the allocator return freed pages.",
    Action.REDUCE_STARTUP: "Fill caches when they are first used, instead of all at once at the start.",
    Action.FIX_EXPORTER: "Mend the exporter: its figures cannot be.",
}


def _fits(one: Advice, action: Action) -> bool:
    """Tell whether a piece of advice is about the one action; what names another limit never is."""
    about_limit = (one.setting or "").startswith("resources.limits")
    about_exporter = (one.because or "").startswith("rejected_")
    if action is Action.FIX_EXPORTER:
        return about_exporter
    if action is Action.NONE:
        return one.text.startswith("Nothing to do")
    if action is Action.REDUCE_STARTUP:
        return one.because == "startup_peak_bytes"
    return not about_limit and not about_exporter and one.because != "oom_probability_7d"


def _limit_missing(row: Mapping[str, Any]) -> bool:
    return row["action"] == Action.FIX_EXPORTER and bool(row["kills_now"]) and row["limit_bytes"] is None


def _of_limit(row: Mapping[str, Any], action: Action) -> Advice:
    """Say what to do about a limit."""
    if action is Action.FIX_EXPORTER:
        times = text.count(row["kills_now"], "time")
        return Advice(
            f"Export the limit: it was OOM-killed {times}, at a limit that the data do not name",
            setting="kube_pod_container_resource_limits",
            expected="the limit to raise",
        )
    if action is Action.WAIT:
        until = row["undecided_until"]
        chance, left = text.chance(row["oom_probability_7d"]), text.hours(row["wait_seconds"] / 3600)
        return Advice(
            f"Wait until {text.moment(until)} UTC ({left} more), then judge again: the {chance} chance of an OOM kill "
            f"in 7 days rests on {text.hours(row['history_seconds'] / 3600)} of data",
            expected="a smaller chance, or a reason to raise the limit",
            until=until,
        )
    old, new = row["limit_bytes"], row["advised_limit_bytes"]
    change = f" from {text.configured(old)}" if old is not None else ""
    before = row["oom_probability_7d"]
    instead = f" instead of {text.chance(before)}" if before is not None and old is not None else ""
    chance = row["advised_oom_probability"]
    return Advice(
        f"{_VERBS[action]} the limit{change} to {text.configured(new)}",
        setting=f"resources.limits.memory: {quantity(new)}",
        expected=None if chance is None else f"{text.chance(chance)} chance of an OOM kill in 7 days{instead}",
    )


def _instances(instances: pl.DataFrame, needs: pl.DataFrame, workloads: pl.DataFrame, margins: Margins) -> pl.DataFrame:
    """Give each pod the chance at its own limit: its share of the workload's need, its own growth and kills."""
    scores = lookup(margins)
    known = {tuple(row[name] for name in WORKLOAD): as_need(row) for row in needs.iter_rows(named=True)}
    whole = {tuple(row[:4]): row[4:] for row in workloads.select(*WORKLOAD, *_CHANCES).iter_rows()}
    found = []
    about = instances.select(
        *WORKLOAD, "peak_bytes", "limit_bytes", "ahead", grows=GROWS.fill_null(value=False)
    ).iter_rows(named=True)
    for row in about:
        key = tuple(row[name] for name in WORKLOAD)
        need = known[key]
        if need.pods == 1:
            found.append(whole[key])
            continue
        share = (row["peak_bytes"] or 0) / need.peak_bytes if need.peak_bytes else 1.0
        base = None if need.base_bytes is None else need.base_bytes * share
        mine = replace(
            need,
            base_bytes=base,
            need_bytes=None if need.need_bytes is None else round(need.need_bytes * share),
            growing=row["grows"],
            limit_bytes=row["limit_bytes"],
            ahead=Ahead(**row["ahead"]) if row["ahead"] else Ahead(),
        )
        risk = recommend.risk_now(mine, scores(mine.history_seconds, mine.climbing))
        found.append((risk.day, risk.week, risk.month))
    chances = pl.DataFrame(found, schema=dict.fromkeys(_CHANCES, pl.Float64), orient="row")
    return instances.with_columns(chances).drop("ahead")


_CHANCES: Final = ("oom_probability_24h", "oom_probability_7d", "oom_probability_30d")


#: The worst first.
_VERDICTS: Final = {"leak": 0, "inconclusive": 1, "not_leak": 2}
#: A limit is met sooner when it is by more than this share of what was left.
_SOONER: Final = 0.5


def _compare(workloads: pl.DataFrame, previous: Assessment | pl.DataFrame | None, target: float) -> pl.DataFrame:
    """Say of each workload whether it is new, worse, better or the same as last time: a longer time is not worse."""
    if previous is None:
        return workloads
    frame = previous.workloads if isinstance(previous, Assessment) else previous
    names = ("verdict", "oom_probability_7d", "limit_at")
    before = frame.unique(WORKLOAD, keep="first", maintain_order=True).select(
        *WORKLOAD,
        *(
            (pl.col(name) if name in frame.columns else pl.lit(None, dtype=WORKLOADS[name])).alias(f"before {name}")
            for name in names
        ),
        there=pl.lit(value=True),
    )
    rows = workloads.join(before, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
    now, then = (pl.col(name).replace_strict(_VERDICTS, default=None) for name in ("verdict", "before verdict"))
    chance, old = pl.col("oom_probability_7d"), pl.col("before oom_probability_7d")
    left, left_then = pl.col("limit_at") - pl.col("window_end"), pl.col("before limit_at") - pl.col("window_end")
    sooner = left < left_then * _SOONER
    worse = (now < then) | sooner.fill_null(value=False) | ((chance > target) & (old <= target)).fill_null(value=False)
    better = (now > then) | ((chance <= target) & (old > target)).fill_null(value=False)
    return rows.with_columns(
        change=pl.when(pl.col("there").is_null())
        .then(pl.lit("new"))
        .when(worse)
        .then(pl.lit("worse"))
        .when(better)
        .then(pl.lit("better"))
        .otherwise(pl.lit("same")),
        previous_verdict=pl.col("before verdict"),
        previous_oom_probability_7d=old,
    ).select(workloads.columns)


def _accept(workloads: pl.DataFrame, accepted: Iterable[Acknowledgement]) -> pl.DataFrame:
    """Note what the team accepts, as long as it is within its bound."""
    known = list(accepted)
    if not known:
        return workloads.with_columns(accepted=pl.lit(value=False))
    rows = []
    for row in workloads.select(*WORKLOAD, "peak_bytes", "window_end").iter_rows(named=True):
        found = next((one for one in known if one.covers(row)), None)
        day = None if row["window_end"] is None else row["window_end"].date()
        holds = found is not None and found.passed(row["peak_bytes"], day) is None
        rows.append((holds, found.until if found else None, found.up_to_bytes if found else None))
    names = ("accepted", "accepted_until", "accepted_bound_bytes")
    return workloads.with_columns(pl.DataFrame(rows, schema={name: WORKLOADS[name] for name in names}, orient="row"))


def _with_runs(workloads: pl.DataFrame, lives: pl.DataFrame, containers: pl.DataFrame) -> pl.DataFrame:
    """Count the lives of each workload, and those that its own limit ended."""
    runs = (
        lives.join(containers.select("container_id", *WORKLOAD), on="container_id", how="left", maintain_order="left")
        .group_by(WORKLOAD)
        .agg(runs=pl.len().cast(pl.Int64), runs_killed=(pl.col("ended") == "oom_kill").sum().cast(pl.Int64))
    )
    return (
        workloads.drop("runs", "runs_killed")
        .join(runs, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .select(workloads.columns)
    )


def _with_id(frame: pl.DataFrame, *, ids: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    joined = frame.join(ids.select(*on, "workload_id"), on=on, how="left", nulls_equal=True, maintain_order="left")
    return joined.select("workload_id", *frame.columns)


#: Evidence of all lives together: it rests on the whole window.
_OF_ALL_LIVES: Final = (
    "lives_rising",
    "pods_growing",
    "oom_kills",
    "node_events",
    "fixed_version",
    "since_version",
    "life_length",
)


def _evidence(workloads: pl.DataFrame) -> pl.DataFrame:
    """Give a row per piece of evidence, with the window and the number of lives that it rests on."""
    exploded = workloads.select("workload_id", "window_start", "window_end", "runs", "evidence").explode(
        "evidence", empty_as_null=False
    )
    found = exploded.filter(pl.col("evidence").is_not_null()).unnest("evidence")
    whole = pl.col("statistic").is_in(_OF_ALL_LIVES)
    return found.with_columns(
        start=pl.when(whole).then("window_start").otherwise("start"),
        end=pl.when(whole).then("window_end").otherwise("end"),
        lives=pl.when(whole).then("runs").otherwise(1),
    ).drop("window_start", "window_end", "runs")


#: Limits of a curve, as multiples of the highest need.
_TRIED: Final = (0.8, 0.9, 1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0)


def _curves(needs: pl.DataFrame, limits: pl.DataFrame, margins: Margins) -> pl.DataFrame:
    """Give the chance at limits around the need, the one in force and the advised one."""
    on = list(WORKLOAD)
    around = needs.select(
        *on, pl.concat_list([(pl.col("need_bytes") * times).cast(pl.Int64) for times in _TRIED]).alias("limit_bytes")
    ).explode("limit_bytes")
    named = [limits.select(*on, limit_bytes=name) for name in ("limit_bytes", "recommended_limit_bytes")]
    tried = pl.concat([around, *named]).filter(pl.col("limit_bytes") > 0).unique().sort(*on, "limit_bytes")
    if not tried.height:
        tried = needs.select(*on, limit_bytes=pl.lit(1, dtype=pl.Int64))
    return of_needs(needs, tried, margins)
