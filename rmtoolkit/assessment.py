"""Everything that is known of every workload, worked out once: what every view, export and patch reads."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis.advice import advise
from rmtoolkit.analysis.judge import judge_with, verdicts_with
from rmtoolkit.analysis.lives import lives as lives_of
from rmtoolkit.analysis.records import EVIDENCE, VERDICTS, WORKLOAD, Advice
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import recommend
from rmtoolkit.limits import recommend as cost
from rmtoolkit.limits.history import GROWS, Ahead, as_need
from rmtoolkit.limits.history import needs as gathered_needs
from rmtoolkit.limits.last_instant import last_instant
from rmtoolkit.limits.patches import OF_LIMITS, quantity
from rmtoolkit.limits.recommend import of_gathered
from rmtoolkit.limits.risk import HORIZON, as_margins, lookup, of_needs
from rmtoolkit.schema import TIME, Action, Verdict

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
    workloads = _with_growth(workloads, judgement.fits)
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
    """Say for every workload whether it leaks, why its memory is what it is, and when it reaches its limit.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, a lake, which is read part by part, or an Assessment.
    heap
        A heap profile (or its path) of the workload, or several in the order in which they were taken; of a recording
        with several workloads a mapping: ``{"billing/api": profile}``. Steady growth in it is evidence level 5 and
        names the code; a profile that shows none speaks against a leak in the heap; one that is blind, too short or a
        single picture changes no verdict and is said to.
    by
        A row per workload container, or per pod and container with `pod` and `lives`.
    client
        Of Dask distributed: its workers judge the parts, with the same result. They must see the files under the same
        path; set POLARS_MAX_THREADS where they start.

    Returns
    -------
    polars.DataFrame
        One row each. `verdict` is ``leak``, ``not_leak`` or ``inconclusive``; `leak_probability` is capped by
        `evidence_level` (1 one resident series, 2 with restarts or limits, 3 with work or replicas, 4 with a
        live-heap gauge, 5 with a heap profile). Growth is of `signal`, bytes per day, with an 80 % interval; growth
        above `detection_floor_bytes_per_day` would have been found nine times in ten. `hours_to_limit` is null
        unless `limit_outlook` is ``reaches``. `oom_probability_7d` is the chance of an OOM kill at the limit in force,
        as in `recommend_limits`. Peaks are of the working set, else the nearest signal there is.

    Raises
    ------
    RmtoolkitError
        `by` is neither of the two, there are no samples, or it cannot be told whose a heap profile is.

    Notes
    -----
    Lives are cut at known events; bounded and growing shapes compete for each (BIC, residuals with first-order
    autocorrelation); lives, pods and versions are pooled; a live-heap gauge overrules the shape of what lies
    above it. See `rmtoolkit.analysis.models`.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({
    ...     "time": range(0, 12_000, 60),
    ...     "workload": ["api"] * 200,
    ...     "rss_bytes": range(100_000_000, 140_000_000, 200_000),
    ... })
    >>> classify(table).select("workload", "verdict", "pattern").rows()
    [('api', 'leak', 'leak')]
    """
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
    """Recommend a memory request and a limit for every workload container.

    The limit is the smallest whose chance of at least one OOM kill in the next 7 days is at most `oom_probability`.
    What leaks gets no higher limit: its row says how many days a higher one would buy.

    Parameters
    ----------
    recording
        A recording, a frame that can become one, a lake, which is read part by part, or an Assessment.
    oom_probability
        The chance that is accepted, between 0 and 1; None: 0.05, or what was asked of the Assessment.
    margins
        From `learn_margins`, or the file they were saved in; None: those that come with the package, or those of the
        Assessment.
    price_per_gib_hour
        What a GiB of requested memory costs an hour, in any currency; None: costs stay null.
    client
        Of Dask distributed, as for `rm.classify`.

    Returns
    -------
    polars.DataFrame
        A row per workload container, sorted by names. `action` is the one thing to do first: ``raise_limit``,
        ``lower_limit`` (only where memory and expected incidents cost less together), ``set_limit`` (there is none now,
        or it is not known), ``fix_leak`` (`recommended_limit_bytes` is null, `raise_to_bytes` would buy `buys_days`),
        ``tune_allocator``, ``reduce_startup``, ``fix_exporter``, ``wait`` or ``none``: these leave the limit as it is.
        `oom_probability` with its 80 % interval is that of the recommended limit, over all pods, from `pairs` past and
        next weeks; `oom_probability_now` that of the limit in force, `risk_basis` what it rests on.
        `target_limit_bytes` is the smallest limit within the target, whether or not a change is worth it. `need_bytes`
        is the highest use of what cannot be taken back, made of `need_of`; `headroom` the share of the recommended
        limit above it. `purged_limit_bytes` is the limit once the allocator gives kept pages back, where allocator
        statistics tell. `hot_ratio` is the highest pod's need over the median pod's. `qos_*` is the QoS class as far
        as memory decides it. `reserved_*` is request times the pods that run now. `vpa_target_bytes` and
        `krr_limit_bytes` are what these tools would say. Bytes; null: unknown or not applicable.

    Raises
    ------
    RmtoolkitError
        `oom_probability` is not between 0 and 1.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> row = recommend_limits(table).row(0, named=True)
    >>> row["action"], row["peak_bytes"] < row["recommended_limit_bytes"] < 2 * row["peak_bytes"]
    ('set_limit', True)
    """
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
    """Give the chance of at least one OOM kill in the next 7 days for every candidate limit.

    Parameters
    ----------
    recording
        A recording, a frame that can become one, or an Assessment.
    limits
        Limits in bytes, tried for every workload container; or a frame with `limit_bytes` and any of the columns
        `cluster`, `namespace`, `workload`, `container`, for limits of each.
    margins
        From `learn_margins`, or the file they were saved in; None: those that come with the package, or those of the
        Assessment.

    Returns
    -------
    polars.DataFrame
        A row per workload container and limit: `cluster` … `container`, `limit_bytes`, `oom_probability` with
        `oom_probability_low` and `oom_probability_high` (80 %), `pairs` (past and next weeks behind the number),
        `smallest_probability` (the lowest that so many pairs can tell: 1 in pairs + 1), `certified` (false: the chance
        is at that floor, and may be anything below; or the history is shorter than an hour, and it may be higher),
        `growing` (it leaks or may), `margins` (where the pairs come from), `because`, the chances of a day and of 30
        days, and `risk_basis`: ``margins`` (past pairs of weeks), ``forecast`` (what grows) or ``kills``. The chance is
        null where nothing can be said.

    Raises
    ------
    RmtoolkitError
        There is no limit, or one is not above zero.

    Notes
    -----
    A limit's place in the scores of other pairs is its chance: conformal prediction; see `learn_margins`. The interval
    is that of Clopper and Pearson.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> risk = limit_risk(table, [90 * 2**20, 400 * 2**20])
    >>> (risk["oom_probability"] > 0.5).to_list()
    [True, False]
    """
    if isinstance(recording, Assessment):
        return of_needs(recording.needs, limits, recording.margins if margins is None else as_margins(margins))
    return of_needs(gathered_needs(recording), limits, as_margins(margins))


def checklist(
    recording: Source | Assessment, heap: Heap | Mapping[str, Heap] | None = None, *, client: Client | None = None
) -> pl.DataFrame:
    """Ask the five questions of every workload.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, a lake, which is read part by part, or an Assessment.
    heap
        As `classify` takes it.
    client
        As for `classify`.

    Returns
    -------
    polars.DataFrame
        Five rows per workload container: `cluster` … `container`, `question`, `answer` (``yes``, ``no``,
        ``unknown``), `reading` (``fine``, ``concern``, ``unknown``: a yes is good news for some questions and
        bad news for others) and `because`, the evidence in words.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> checklist(table).select("answer", "reading").rows()[0]
    ('yes', 'fine')
    """
    return as_assessment(recording, heap=heap, client=client).checklist.drop("workload_id")


def fits(recording: Source | Assessment, *, client: Client | None = None) -> pl.DataFrame:
    """Show the fit behind the verdict of every life.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, a lake, which is read part by part, or an Assessment.
    client
        As for `classify`.

    Returns
    -------
    polars.DataFrame
        A row per life with at least 10 samples: `container_id`, `life`, `signal` judged, `model` (the
        likeliest shape), `growth_start`, `growth_end`, `growth_bytes_per_day` at the life's end with its 80 %
        interval, `detection_floor_bytes_per_day`, and `fitted`: times and values of the curve.

    Examples
    --------
    >>> import polars as pl
    >>> fits(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100})).select("signal", "model").rows()
    [('rss_bytes', 'constant')]
    """
    if isinstance(recording, Assessment):
        return recording.fits.drop("workload_id")
    return judge_with(recording, None, client=client)[0].fits


def lives(recording: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame | Assessment) -> pl.DataFrame:
    """List the lifetimes of every container.

    Parameters
    ----------
    recording
        A recording, a frame that can become one, or an Assessment.

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
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "restarts_total": [0] * 6 + [1] * 4, "rss_bytes": [100] * 10})
    >>> lives(table).select("life", "ended", "samples", "settled_bytes").rows()
    [(0, 'restart', 6, 100), (1, 'running', 4, 100)]
    """
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
    return _workloads(frames["verdicts"], frames["needs"], limits, None, dt.datetime.now(dt.UTC))


def _gathered(part: Recording, verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Reduce a part to what limits are decided from, to its last instant, and to what happened."""
    return {**recommend.also(part, verdicts), "now": last_instant(part, verdicts)}


def _gathered_alone(part: Recording, verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Do the same without what a verdict does not show."""
    return {"needs": gathered_needs(part, verdicts, requests=False), "verdicts": verdicts}


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
_ELSEWHERE: Final = ("kills", "verdict", "pattern", "growing", "startup_peak_bytes", "limit_bytes")


def _workloads(
    verdicts: pl.DataFrame, needs: pl.DataFrame, limits: pl.DataFrame, seen: pl.DataFrame | None, now: dt.datetime
) -> pl.DataFrame:
    """Put everything about a workload container in one row, the most urgent first; `seen` where it is asked for."""
    on = list(WORKLOAD)
    advised = limits.rename(_ADVISED).drop(_ELSEWHERE, "pods", "peak_bytes")
    risky = ("oom_probability_24h", "oom_probability_7d", "oom_probability_30d")
    rows = (
        verdicts.drop(*risky, "settled_bytes")
        .join(advised, on=on, how="left", nulls_equal=True, maintain_order="left")
        .join(
            needs.select(*on, "growing", "kills_now", "window_end"),
            on=on,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
    )
    if seen is not None:
        rows = rows.join(seen, on="container_id", how="left", maintain_order="left")
    end, limit = pl.col("window_end"), pl.col("limit_bytes")

    def instant(hours: str) -> pl.Expr:
        return end + pl.duration(milliseconds=(pl.col(hours) * 3_600_000).round(), time_unit="ms")

    rows = rows.with_columns(
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


_WORDS: Final = {
    "next_step": _TEXT,
    "setting": _TEXT,
    "expected": _TEXT,
    "undecided_until": TIME,
    "worst_until_then": _TEXT,
}


def _with_words(rows: pl.DataFrame) -> pl.DataFrame:
    """Say the one action in words."""
    said = []
    # A row with all its evidence is large: few need it.
    for at, row in enumerate(rows.select(_SAID_FROM).iter_rows(named=True)):
        action = Action(row["action"] or Action.NONE)
        until = row["undecided_until"]
        if action is Action.NONE:
            found = Advice(NOTHING) if not row["next_step"].startswith(NOTHING[:-1]) else None
        elif action in OF_LIMITS or (action is Action.WAIT and until is not None) or _limit_missing(row):
            found = _of_limit(row, action)
        else:
            every = list(advise(rows.row(at, named=True)))
            found = next((one for one in every if _fits(one, action)), Advice(_OTHERWISE[action]))
            until = next((one.until for one in every if one.until is not None), until)
        if found is None:
            found = Advice(row["next_step"].removesuffix("."))
        until = found.until or until
        said.append((found.sentence, found.setting, found.expected, until, _worst(row)))
    return rows.with_columns(pl.DataFrame(said, schema=_WORDS, orient="row"), why=pl.col("reason"))


def _worst(row: Mapping[str, Any]) -> str | None:
    """Say what may happen until an open verdict is decided."""
    if row["verdict"] != Verdict.INCONCLUSIVE or row["oom_probability_24h"] is None:
        return None
    day, week = (text.chance(row[name]) for name in ("oom_probability_24h", "oom_probability_7d"))
    return f"an OOM kill: {day} chance within a day, {week} within 7 days"


_SAID_FROM: Final = (
    "verdict",
    "oom_probability_24h",
    "action",
    "undecided_until",
    "next_step",
    "kills_now",
    "limit_bytes",
    "advised_limit_bytes",
    "advised_oom_probability",
    "oom_probability_7d",
    "wait_seconds",
    "history_seconds",
)


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


def _with_growth(workloads: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """Say since when the shown pod grows, and by how much for each unit of work."""
    since = fits.group_by("container_id", maintain_order=True).agg(pl.col("growth_start").drop_nulls().last())
    per_work = pl.col("evidence").list.filter(pl.element().struct.field("statistic") == "growth_per_work").list.first()
    return (
        workloads.join(since, on="container_id", how="left", maintain_order="left")
        .with_columns(
            growth_since=pl.when("growing").then("growth_start"),
            growth_per_work_bytes=per_work.struct.field("estimate"),
        )
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
