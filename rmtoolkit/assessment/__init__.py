"""Everything that is known of every workload, worked out once: what every view, export and patch reads."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from rmtoolkit import text
from rmtoolkit._parallel import as_source, partition
from rmtoolkit._tables import beside, conform
from rmtoolkit.analysis.judge import judge
from rmtoolkit.analysis.records import VERDICTS
from rmtoolkit.analysis.signals import lives as lives_of
from rmtoolkit.assessment import _rows
from rmtoolkit.assessment._rows import WORKLOADS as WORKLOADS
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import recommend
from rmtoolkit.limits.history import Need, as_need
from rmtoolkit.limits.history import needs as gathered_needs
from rmtoolkit.limits.risk import USUAL, Margins, Prices, as_margins, of_needs, own_end, paired, with_own
from rmtoolkit.recording import Later, Recording, as_recording, read_recording
from rmtoolkit.schema import UNREAD, WORKLOAD, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from distributed import Client

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_answers import Heap
    from rmtoolkit.assessment._totals import Totals
    from rmtoolkit.limits.backtest import Record
    from rmtoolkit.limits.what_if import AnyRecording, Chosen, Scene

_SHOWN_PARTIAL: Final = 3
#: In a notebook.
_SHOWN_WORKLOADS: Final = 30
_HEADS: Final = (
    *(("Workload", ""), ("Verdict", "")),
    *((head, "n") for head in ("Growth", "Peak / limit", "Time to limit", "OOM kill 7\u00a0d")),
    ("Next step", ""),
)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    mark = text.VERDICTS[row["verdict"]]
    return (
        text.shortened(row["name"], 80),
        f"{mark.shape}\u00a0{mark.word}",
        text.whole_amounts(text.growth(row)),
        text.whole_amounts(text.peak_against_limit(row)),
        text.time_to_limit(row),
        text.chance(row["oom_probability_7d"]),
    )


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Everything that was found out about a fleet; views show it and compute nothing.

    All frames share `workload_id`, the row number of `workloads`; it counts in the order of urgency. Those that nobody
    asks for are not made.

    Attributes
    ----------
    recording
        What was assessed. Of a lake, and of a large file, only the samples that charts show.
    fleet
        All of them in a few figures: counts, kills, what can be given back, what to start with, a sentence.
    workloads
        A row per workload container, in the order of urgency: what is or will be killed, leaks, what is above the
        target, what is open, the rest, what is accepted. `limit_obstacle` says what else sets the memory or forbids the
        advised limit, which then has no patch; null: nothing that is known.
    instances
        A row per pod and container, with the same columns and `lives`: verdict, layers, kills and chances are its own,
        limits and words about them those of its workload.
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
    advice
        What there is to do, a row each: `rank` 0 is the one action, `next_step` of its workload.
    queries
        PromQL that shows in Grafana what a verdict rests on.
    changes
        What changed since last time, in words; empty where there is nothing to compare with.
    risk_curves
        A row per workload container and limit: `limit_bytes`, `oom_probability` with its 80 % interval, and what memory
        and incidents cost at that limit.
    buys
        For what grows: the limit in force and three higher ones, with chance, time and price.
    capacity
        Requests by node, and requests or limits by quota, as they are and as they would be.
    findings
        What `validate` found.
    completeness
        Samples of each container that are there and that were due.
    events
        What happened, restarts that no event names among it; `before_bytes` is what was set before a change,
        `limit_bytes` the limit that was in force.
    settings
        Limits and requests, a row for as long as one value was set; a null `start` or `end` is open.
    kills
        A row per OOM kill; of the newest three of each container what was said a day before it, or half-way through a
        run of less than two days: `said_time`, `said_verdict`, `said_kill_time` with its 80 % interval, and all of it
        as a `sentence`.
    groups
        A row per namespace and owner, the worst first: workloads by `alarm`, and what can be given back.
    needs
        What the limits were decided from, so that they can be decided anew with other margins, target or prices.
    oom_probability, prices
        What was asked for.
    margins
        What limits and chances rest on.
    record
        How such limits would have done in the last weeks of this history, beside KRR and VPA; None where it is short.

    Examples
    --------
    >>> assess(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100}))
    <Assessment: 1 workload: 1 not_leak>
    """

    recording: Recording
    fleet: Totals
    workloads: pl.DataFrame
    instances: Later = Later()
    lives: Later = Later()
    fits: Later = Later()
    forecast: Later = Later()
    evidence: Later = Later()
    checklist: Later = Later()
    advice: Later = Later()
    queries: Later = Later()
    changes: pl.DataFrame
    risk_curves: Later = Later()
    buys: Later = Later()
    capacity: Later = Later()
    findings: Later = Later()
    completeness: Later = Later()
    events: Later = Later()
    settings: Later = Later()
    kills: Later = Later()
    groups: Later = Later()
    needs: pl.DataFrame
    oom_probability: float
    margins: Margins
    record: Record | None
    prices: Prices | None

    def __repr__(self) -> str:
        counts = self.workloads["verdict"].value_counts(sort=True).iter_rows()
        said = ", ".join(f"{n} {verdict}" for verdict, n in counts)
        return f"<Assessment: {text.count(self.workloads.height, 'workload')}: {said}>"

    def __getstate__(self) -> dict[str, object]:
        """Make what is not made yet: how cannot be sent."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _repr_html_(self) -> str:
        from rmtoolkit._html import el, framed, not_complete, table, with_code  # noqa: PLC0415 - only notebooks show it

        left = self.workloads.height - _SHOWN_WORKLOADS
        shown = self.workloads.head(_SHOWN_WORKLOADS).iter_rows(named=True)
        more = f"and {text.count(left, 'more workload')}: all columns and rows are in .workloads"
        return framed(
            "rm-assessment",
            el("div", el("b", text.printable(self.fleet.sentence))),
            not_complete(self.incomplete),
            table(_HEADS, ((*_cells(row), with_code(row["next_text"])) for row in shown), inline=True),
            el("p", more) if left > 0 else None,
        )

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last sample; None without any."""
        first, last = self.completeness.select(pl.col("first").min(), pl.col("last").max()).row(0)
        return None if first is None else (first, last)

    @property
    def incomplete(self) -> str | None:
        """What could not be read or used, or has not come yet; None where nothing is known to be missing."""
        return _incomplete(self.recording.report)


def _incomplete(report: Report) -> str | None:
    lost = report.left_out.get(UNREAD, 0)
    lines = (*report.unusable, *report.partial)
    said = [text.printable(line).rstrip(".") for line in lines[:_SHOWN_PARTIAL]]
    if report.is_noticeable:
        said.insert(0, f"{text.share(report.dropped_share)} of what was measured is left out: {report.lost}")
    if lost:
        where = "it" if lost == 1 else "them"
        said.insert(0, f"{text.count(lost, 'file')} could not be read: workloads in {where} may be missing")
    more = text.and_more(len(lines), _SHOWN_PARTIAL)
    return f"{'; '.join([*said, *([more.strip()] if more else [])])}." if said else None


def assess(
    source: Source | Assessment,
    *,
    heap: Heap | Mapping[str, Heap] | None = None,
    margins: Margins | str | os.PathLike[str] | None = None,
    oom_probability: float = 0.05,
    prices: Prices | None = None,
    previous: str | os.PathLike[str] | Source | Assessment | None = None,
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
        From `rm.learn_margins`, or the file they were saved in; None: those that come with the package, and from three
        weeks of history on what these weeks teach.
    oom_probability
        The chance of an OOM kill within 7 days that is accepted, between 0 and 1.
    prices
        What memory and an incident cost; None: costs stay null.
    previous
        What was found last time: an Assessment, its `workloads`, ``verdicts.parquet`` of a report or the folder it is
        in; or the recording of then, which is assessed first.
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
    >>> found = assess(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100}))
    >>> found.workloads.select("workload", "verdict", "pattern").rows()
    [('api', 'not_leak', 'plateau')]
    """
    if isinstance(source, Assessment):
        return source
    from rmtoolkit.assessment import _totals  # noqa: PLC0415 - a row of verdicts needs none of it
    from rmtoolkit.limits import backtest  # noqa: PLC0415 - nor of this

    recommend.check_chance(oom_probability)
    chosen = as_margins(margins)
    before = None if previous is None else _totals.up_to_date(_before(previous))
    source = as_source(source)
    frames, about = judge(source, partial(_gathered, end=own_end(source, margins)), heap, client=client)
    record = backtest.record_of(frames, chosen, oom_probability)
    chosen = with_own(chosen, frames["pairs"])
    needs = frames["needs"]
    limits = recommend.of_gathered(needs, oom_probability, chosen, prices=prices)
    rows = _rows.joined(
        frames["verdicts"], needs, limits, (frames["windows"], frames["layers"]), now or dt.datetime.now(dt.UTC)
    )
    kills = _totals.kills_of(frames["kills"])
    rows = _rows.with_lives(rows, frames["lives"], frames["fits"], kills, about.containers)
    rows = _rows.by_urgency(_rows.with_accepted(_rows.with_waste(rows, prices), accepted))
    rows = _rows.with_owners(_rows.with_alarms(rows, oom_probability), about.report.owners)
    rows = _rows.with_obstacles(rows, about.report)
    rows = rows.with_columns(
        dropped_share=pl.lit(about.report.dropped_share, pl.Float64), incomplete=pl.lit(_incomplete(about.report))
    )
    rows, changes = _totals.compare(conform(_rows.named(_rows.with_words(rows)), WORKLOADS), before)
    first = rows.unique(WORKLOAD, keep="first", maintain_order=True)
    keys, ends = first.select("workload_id", *WORKLOAD), first.select(*WORKLOAD, "window_end")
    ids = beside(about.containers, keys, WORKLOAD).select("container_id", "workload_id")
    by_container = partial(_with_id, ids=ids, on=["container_id"])
    by_name = partial(_with_id, ids=keys, on=list(WORKLOAD))
    tried = cache(partial(_totals.tried_limits, rows))
    settings = cache(partial(_totals.settings_of, about))
    curves = cache(lambda: by_name(_totals.curves_of(needs, limits, tried(), chosen, prices)))
    return Assessment(
        recording=about,
        fleet=_totals.totals_of(
            rows, frames["completeness"], None if before is None else changes, oom_probability, prices, before
        ),
        workloads=rows,
        instances=lambda: _rows.instances_of(
            frames["instances"], needs, rows, chosen, (frames["layers"], _by_pod(frames["lives"], about, ends))
        ),
        lives=partial(by_container, frames["lives"]),
        fits=partial(by_container, frames["fits"]),
        forecast=partial(by_container, frames["forecast"]),
        evidence=partial(_totals.evidence_of, rows),
        checklist=partial(by_name, frames["checklist"]),
        advice=partial(_totals.advice_of, rows),
        queries=partial(_totals.queries_of, rows),
        changes=changes,
        risk_curves=curves,
        buys=lambda: _totals.buys_of(rows, needs, tried(), curves(), prices),
        capacity=partial(_totals.capacity_of, rows, about, frames["completeness"]),
        findings=partial(by_container, frames["findings"]),
        completeness=partial(by_container, frames["completeness"]),
        events=lambda: by_container(_totals.events_of(about, frames["lives"], settings())),
        settings=lambda: by_container(settings()),
        kills=partial(by_container, kills),
        groups=partial(_totals.groups_of, rows),
        needs=needs,
        oom_probability=oom_probability,
        margins=chosen,
        record=record,
        prices=prices,
    )


def _before(previous: str | os.PathLike[str] | Source | Assessment) -> pl.DataFrame:
    from rmtoolkit.assessment import _totals  # noqa: PLC0415 - as in `assess`

    if isinstance(previous, str | os.PathLike):
        found = _totals.stored(previous)
        return assess(read_recording(previous)).workloads if found is None else found
    frame: Any = previous.collect() if isinstance(previous, pl.LazyFrame) else previous
    return pl.DataFrame(frame) if "verdict" in getattr(frame, "columns", ()) else assess(frame).workloads


def _by_pod(lives: pl.DataFrame, recording: Recording, ends: pl.DataFrame) -> pl.DataFrame:
    ends = beside(recording.containers.select("container_id", *WORKLOAD), ends, WORKLOAD)
    killed = beside(recording.events.filter(pl.col("kind") == "oom_kill"), ends, "container_id")
    counts = {"kills": pl.len().cast(pl.Int64), "kills_7d": _rows.RECENT.sum().cast(pl.Int64)}
    kills = killed.group_by("container_id").agg(**counts, last_kill=pl.col("time").max())
    runs = lives.group_by("container_id").agg(**_rows.OF_RUNS)
    return beside(runs, kills, "container_id").with_columns(pl.col("kills", "kills_7d").fill_null(0))


def _with_id(frame: pl.DataFrame, *, ids: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    return beside(frame, ids, on).select("workload_id", *frame.columns)


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
        single snapshot changes no verdict and is said to.
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
        instances = assess(recording, heap=heap, client=client).instances
        return instances.select("cluster", "namespace", "workload", "pod", *list(VERDICTS)[3:], "lives")
    if isinstance(recording, Assessment):
        return recording.workloads.select(*VERDICTS)
    # Nobody asks for the other frames.
    source = as_source(recording)
    frames, _ = judge(source, partial(_needed, end=own_end(source), requests=False), heap, whole=False, client=client)
    limits = recommend.of_gathered(frames["needs"], 0.05, with_own(as_margins(None), frames["pairs"]))
    rows = _rows.joined(frames["verdicts"], frames["needs"], limits, (), dt.datetime.now(dt.UTC))
    return conform(_rows.with_words(_rows.by_urgency(rows)), WORKLOADS).select(*VERDICTS)


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
        From `learn_margins`, or the file they were saved in; None: as in `rm.assess`, or those of the Assessment.
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
        ``tune_allocator``, ``reduce_startup``, ``fix_exporter``, ``clear_files``, ``wait`` or ``none``: these
        leave the limit as it is.
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
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> row = recommend_limits(table).row(0, named=True)
    >>> row["action"], row["peak_bytes"] < row["recommended_limit_bytes"] < 2 * row["peak_bytes"]
    ('set_limit', True)
    """
    prices = None if price_per_gib_hour is None else replace(USUAL, per_gib_hour=price_per_gib_hour)
    if isinstance(recording, Assessment):
        target = recording.oom_probability if oom_probability is None else oom_probability
        chosen = recording.margins if margins is None else as_margins(margins)
        return recommend.of_gathered(recording.needs, target, chosen, prices=prices or recording.prices)
    target = 0.05 if oom_probability is None else oom_probability
    recommend.check_chance(target)
    source, chosen = as_source(recording), as_margins(margins)
    frames, _ = judge(source, partial(_needed, end=own_end(source, margins)), whole=False, client=client)
    return recommend.of_gathered(frames["needs"], target, with_own(chosen, frames["pairs"]), prices=prices)


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
        From `learn_margins`, or the file they were saved in; None: as in `rm.assess`, or those of the Assessment.

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
        There is no limit, one is not above zero, or no workload has the names that stand with them.

    Notes
    -----
    A limit's place in the scores of other pairs is its chance: conformal prediction; see `learn_margins`. The interval
    is Wilson's, of as many independent draws as workloads and weeks that differ allow.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> risk = limit_risk(table, [90 * 2**20, 400 * 2**20])
    >>> (risk["oom_probability"] > 0.5).to_list()
    [True, False]
    """
    if isinstance(recording, Assessment):
        return of_needs(recording.needs, limits, recording.margins if margins is None else as_margins(margins))
    recording, chosen = as_recording(recording), as_margins(margins)
    end, known = own_end(recording, margins), gathered_needs(recording)
    found = pl.concat(paired(part, end, known)["pairs"] for part in partition(recording))
    return of_needs(known, limits, with_own(chosen, found))


def checklist(
    recording: Source | Assessment, heap: Heap | Mapping[str, Heap] | None = None, *, client: Client | None = None
) -> pl.DataFrame:
    """Ask the five questions of every workload.

    Parameters
    ----------
    recording, heap, client
        As `classify` takes them.

    Returns
    -------
    polars.DataFrame
        Five rows per workload container: `cluster` … `container`, `question`, `answer` (``yes``, ``no``,
        ``unknown``), `reading` (``fine``, ``concern``, ``unknown``: a yes is good news for some questions and
        bad news for others) and `because`, the evidence in words.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> checklist(table).select("answer", "reading").rows()[0]
    ('yes', 'fine')
    """
    return assess(recording, heap=heap, client=client).checklist.drop("workload_id")


def fits(recording: Source | Assessment, *, client: Client | None = None) -> pl.DataFrame:
    """Show the fit behind the verdict of every life.

    Parameters
    ----------
    recording, client
        As `classify` takes them.

    Returns
    -------
    polars.DataFrame
        A row per life with at least 10 samples: `container_id`, `life`, `signal` judged, `model` (the
        likeliest shape), `growth_start`, `growth_end`, `growth_bytes_per_day` at the life's end with its 80 %
        interval, `detection_floor_bytes_per_day`, and `fitted`: times and values of the curve.

    Examples
    --------
    >>> fits(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [600_000] * 100})).select("signal", "model").rows()
    [('rss_bytes', 'constant')]
    """
    if isinstance(recording, Assessment):
        return recording.fits.drop("workload_id")
    return judge(recording, client=client)[0]["fits"]


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
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "restarts_total": [0] * 6 + [1] * 4, "rss_bytes": [100] * 10})
    >>> lives(table).select("life", "ended", "samples", "settled_bytes").rows()
    [(0, 'restart', 6, 100), (1, 'running', 4, 100)]
    """
    if isinstance(recording, Assessment):
        return recording.lives.drop("workload_id")
    return lives_of(recording)


def _gathered(part: Recording, verdicts: pl.DataFrame, end: dt.datetime | None) -> dict[str, pl.DataFrame]:
    """Reduce a part to what limits are decided from, and to what happened."""
    from rmtoolkit.limits.backtest import foretold, rivals  # noqa: PLC0415 - as in `assess`

    found = _needed(part, verdicts, end)
    return {
        **found,
        "rivals": rivals(part, found["pairs"]),
        "kills": foretold(part),
        "windows": _rows.windows(part, verdicts),
    }


def _needed(
    part: Recording, verdicts: pl.DataFrame, end: dt.datetime | None, *, requests: bool = True
) -> dict[str, pl.DataFrame]:
    known = recommend.gathered(part, verdicts, requests=requests)
    return {"needs": known, **paired(part, end, known)}


def explored(found: Assessment, row: dict[str, Any]) -> tuple[Scene, Chosen]:
    """Say of a row of `workloads` what every limit means, and the one in force; the advised one where none is set."""
    from rmtoolkit.limits.what_if import Change, choose, of_workload, scene  # noqa: PLC0415 - for explorers alone

    wanted = [pl.col(part).eq_missing(pl.lit(row[part], pl.String)) for part in WORKLOAD]
    need = as_need(found.needs.filter(wanted).row(0, named=True))
    past = of_workload(found.recording, need.names, found.lives)
    known = scene(past, need, Change(), found.margins, found.oom_probability, found.prices or USUAL)
    return known, choose(known, tried_first(need, row))


def tried_first(need: Need, row: Mapping[str, Any]) -> int:
    """Give the limit that is tried first, for all pods: where each has its own, one at which the chance is theirs."""
    in_force = need.held_bytes or row["limit_bytes"]
    return in_force or row["advised_limit_bytes"] or row["raise_to_bytes"] or max(row["peak_bytes"], 1)
