"""The verdict: leak, not a leak, or not decidable yet; with pattern, cause, growth, outlook and evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from rmtoolkit.analysis import advice, checklist, evidence, forecast, pooling, signals
from rmtoolkit.analysis.lives import split
from rmtoolkit.analysis.opinion import Opinion, form, going_on
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import TIME
from rmtoolkit.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rmtoolkit.analysis.pooling import Pool

#: Growth at least this probable is called a leak ...
LEAK_FROM: Final = 0.75
#: ... and an end of growth at least this probable is called none. Between them lies `inconclusive`.
CLEAN_FROM: Final = 0.6
#: How much of what cannot be told apart counts as a leak in the probability.
_UNRESOLVED_LEAKS: Final = 0.35
#: No evidence of a level can make a verdict surer than this: one curve can suggest, never prove.
SUREST: Final = {1: 0.9, 2: 0.93, 3: 0.95, 4: 0.98, 5: 0.995}

_EVIDENCE: Final = pl.List(
    pl.Struct(
        {
            "says": pl.String,
            "text": pl.String,
            "value": pl.String,
            "weight": pl.Int64,
            "signal": pl.String,
            "start": TIME,
            "end": TIME,
        },
    ),
)

#: Columns of `classify`, in this order; what follows is for the views.
VERDICTS: Final = pl.Schema(
    {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "container": pl.String(),
        "pods": pl.Int64(),
        "verdict": pl.String(),
        "leak_probability": pl.Float64(),
        "pattern": pl.String(),
        "also": pl.List(pl.String()),
        "cause": pl.String(),
        "signal": pl.String(),
        "evidence_level": pl.Int64(),
        "growth_bytes_per_day": pl.Float64(),
        "growth_low_bytes_per_day": pl.Float64(),
        "growth_high_bytes_per_day": pl.Float64(),
        "detection_floor_bytes_per_day": pl.Float64(),
        "limit_outlook": pl.String(),
        "hours_to_limit": pl.Float64(),
        "hours_to_limit_low": pl.Float64(),
        "hours_to_limit_high": pl.Float64(),
        "oom_probability_7d": pl.Float64(),
        "startup_peak_bytes": pl.Int64(),
        "settled_bytes": pl.Int64(),
        "peak_bytes": pl.Int64(),
        "limit_bytes": pl.Int64(),
        "coverage": pl.Float64(),
        "explanation": pl.String(),
        "next_step": pl.String(),
        "evidence": _EVIDENCE,
    },
)
_FOR_VIEWS: Final = {
    "headline": pl.String(),
    "reason": pl.String(),
    "container_id": pl.UInt32(),
    "workload_inferred": pl.Boolean(),
    "limit_known": pl.Boolean(),
}
#: What makes a row of verdicts, and what a row of the instances has besides.
WORKLOAD: Final = ("cluster", "namespace", "workload", "container")
_INSTANCE: Final = {"pod": pl.String(), "lives": pl.Int64()}


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything that was found out about a recording; views show it and compute nothing.

    Attributes
    ----------
    recording
        What was judged.
    lives
        A row per lifetime.
    fits
        A row per judged lifetime, with the fitted curve.
    verdicts
        A row per workload container: the columns of `classify` and what views need besides.
    instances
        The same per pod and container.
    checklist
        The five questions for every workload container.
    forecast
        The footprint's expected course from the last sample on.
    findings
        What `validate` found.

    Examples
    --------
    >>> import polars as pl
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100}))
    <Judgement: 1 workload: 1 not_leak>
    """

    recording: Recording
    lives: pl.DataFrame
    fits: pl.DataFrame
    verdicts: pl.DataFrame
    instances: pl.DataFrame
    checklist: pl.DataFrame
    forecast: pl.DataFrame
    findings: pl.DataFrame

    def __repr__(self) -> str:
        """Count the verdicts."""
        counts = self.verdicts["verdict"].value_counts(sort=True).iter_rows()
        count = self.verdicts.height
        return (
            f"<Judgement: {count} workload{'' if count == 1 else 's'}: "
            + ", ".join(f"{n} {v}" for v, n in counts)
            + ">"
        )


def classify(
    recording: Recording | pl.DataFrame,
    heap: object | None = None,
    *,
    by: Literal["workload", "instance"] = "workload",
) -> pl.DataFrame:
    """Say for every workload whether it leaks, why its memory is what it is, and when it reaches its limit.

    Parameters
    ----------
    recording
        A recording, or any frame that can become one.
    heap
        Heap profiles are not read yet: anything but None is an error.
    by
        A row per workload container, or per pod and container with `pod` and `lives`.

    Returns
    -------
    polars.DataFrame
        One row each. `verdict` is ``leak``, ``not_leak`` or ``inconclusive``; `leak_probability` is capped by
        `evidence_level` (1 one resident series, 2 with restarts or limits, 3 with work or replicas, 4 with a
        live-heap gauge). Growth is of `signal`, bytes per day, with an 80 % interval; growth above
        `detection_floor_bytes_per_day` would have been found nine times in ten. `hours_to_limit` is null
        unless `limit_outlook` is ``reaches``. Peaks are of the working set, else the nearest signal there is.

    Raises
    ------
    RmtoolkitError
        `by` is neither of the two, or there are no samples.

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
    judgement = judge(recording, heap)
    if by == "workload":
        return judgement.verdicts.select(*VERDICTS)
    return judgement.instances.select("cluster", "namespace", "workload", "pod", *list(VERDICTS)[3:], "lives")


def fits(recording: Recording | pl.DataFrame) -> pl.DataFrame:
    """Show the fit behind the verdict of every life.

    Parameters
    ----------
    recording
        A recording, or any frame that can become one.

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
    return judge(recording).fits


def judge(recording: Recording | pl.DataFrame, heap: object | None = None) -> Judgement:
    """Judge everything in a recording once, for tables, charts and reports alike.

    Parameters
    ----------
    recording
        A recording, or any frame that can become one.
    heap
        Heap profiles are not read yet: anything but None is an error.

    Returns
    -------
    Judgement
        All frames.

    Raises
    ------
    RmtoolkitError
        There are no samples.

    Examples
    --------
    >>> import polars as pl
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100})).verdicts["pattern"].to_list()
    ['plateau']
    """
    if heap is not None:
        msg = "Heap profiles are not read yet; call it without heap=."
        raise RmtoolkitError(msg)
    recording = as_recording(recording)
    if not recording.samples.height:
        msg = "The recording has no samples: there is nothing to judge."
        raise RmtoolkitError(msg)
    findings = validate(recording)
    cut = split(recording)
    rejected = findings.filter(pl.col("rejected")).select("container_id", "signal").unique()
    readings = signals.read(cut, recording, rejected)
    opinions = _opinions(cut.table, readings.table, recording)
    facts = _Facts(recording, cut.table, findings, opinions)
    pools = {container: pooling.pool_lives(found) for container, found in opinions.items()}
    judged = [
        (opinion.life["life_row"], opinion.signal)
        for found in opinions.values()
        for opinion in found
        if opinion.signal is not None
    ]
    judged_frame = pl.DataFrame(judged, schema={"life_row": pl.UInt32, "signal": pl.String}, orient="row")
    rows: list[dict[str, Any]] = []
    instance_rows: list[dict[str, Any]] = []
    answers: list[pl.DataFrame] = []
    paths: list[pl.DataFrame] = []
    for containers in facts.workloads():
        members = [pools[container] for container in containers]
        pool, growing, seen = pooling.pool_instances(members)
        row, path = _row(pool, facts, containers, growing=growing, judged=seen)
        rows.append(row)
        paths.append(path)
        answers.append(checklist.answer(row, pool, recording))
        for container in containers:
            single, _ = _row(pools[container], facts, [container], growing=0, judged=1)
            instance_rows.append(
                single | {"pod": facts.about[container]["pod"], "lives": len(opinions[container])},
            )
    schema = VERDICTS | _FOR_VIEWS
    verdicts = _by_urgency(pl.DataFrame(rows, schema=schema, orient="row"))
    return Judgement(
        recording=recording,
        lives=cut.table,
        fits=signals.fits(cut, readings, judged_frame),
        verdicts=verdicts,
        instances=pl.DataFrame(instance_rows, schema=schema | _INSTANCE, orient="row"),
        checklist=pl.concat(answers),
        forecast=pl.concat(paths),
        findings=findings,
    )


def _by_urgency(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Worst first: leaks by time to limit, then what cannot be decided, then the rest by risk."""
    order = {"leak": 0, "inconclusive": 1, "not_leak": 2}
    return verdicts.sort(
        pl.col("verdict").replace_strict(order, return_dtype=pl.Int64),
        pl.col("hours_to_limit").fill_null(float("inf")),
        pl.col("oom_probability_7d").fill_null(0.0).neg(),
        *WORKLOAD,
        nulls_last=True,
        maintain_order=True,
    )


def _opinions(table: pl.DataFrame, readings: pl.DataFrame, recording: Recording) -> dict[int, list[Opinion]]:
    by_life: dict[int, dict[str, dict[str, Any]]] = {}
    for row in readings.iter_rows(named=True):
        by_life.setdefault(row["life_row"], {})[row["signal"]] = row
    restarts_known = "restarts" in recording.report.found or bool(
        recording.events["kind"].is_in(["start", "end", "oom_kill", "error"]).any(),
    )
    found: dict[int, list[Opinion]] = {container: [] for container in recording.containers["container_id"]}
    for life in table.with_row_index("life_row").iter_rows(named=True):
        opinion = form(life, by_life.get(life["life_row"], {}), restarts_known=restarts_known)
        found[life["container_id"]].append(opinion)
    return found


class _Facts:
    """Look-ups shared by all rows."""

    def __init__(
        self,
        recording: Recording,
        table: pl.DataFrame,
        findings: pl.DataFrame,
        opinions: dict[int, list[Opinion]],
    ) -> None:
        self.opinions = opinions
        self.recording = recording
        self.findings = findings
        self.about = {row["container_id"]: row for row in recording.containers.iter_rows(named=True)}
        per = recording.completeness()
        self.counts = {row["container_id"]: (row["samples"], row["expected"]) for row in per.iter_rows(named=True)}
        lives = table.group_by("container_id", maintain_order=True).agg(
            pl.col("startup_peak_bytes").max(),
            pl.col("peak_bytes").max(),
            hours=((pl.col("end") - pl.col("start")).dt.total_milliseconds().sum() / 3_600_000),
        )
        self.lives = {row["container_id"]: row for row in lives.iter_rows(named=True)}
        self.with_events = set(recording.events["container_id"].unique().to_list())
        kills = recording.events.filter(pl.col("kind") == "oom_kill").group_by("container_id").len()
        self.kills = dict(kills.iter_rows())

    def workloads(self) -> Iterable[list[int]]:
        """Containers by workload, in the order of the recording; an unnamed container is its own workload."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for container, about in self.about.items():
            key = tuple(about[name] for name in WORKLOAD)
            if about["workload"] is None and about["container"] is None:
                key = (*key, container)
            groups.setdefault(key, []).append(container)
        return groups.values()

    def maximum(self, containers: list[int], name: str) -> int | None:
        """Highest of what the lives of some containers show."""
        found = [self.lives[c][name] for c in containers if c in self.lives and self.lives[c][name] is not None]
        return max(found) if found else None


def _row(
    pool: Pool,
    facts: _Facts,
    containers: list[int],
    *,
    growing: int,
    judged: int,
) -> tuple[dict[str, Any], pl.DataFrame]:
    main = pool.main
    shown = main.life["container_id"] if main is not None and main.life else containers[0]
    about = facts.about[shown]
    level = _evidence_level(pool, facts, containers)
    verdict = "leak" if pool.growing >= LEAK_FROM else "not_leak" if pool.bounded >= CLEAN_FROM else "inconclusive"
    pattern, also, cause = _pattern(pool, verdict)
    surest = SUREST[level]
    probability = min(max(pool.growing + _UNRESOLVED_LEAKS * pool.unresolved, 1 - surest), surest)
    limit = main.life["limit_bytes"] if main is not None and main.life else about["limit_bytes"]
    growth = forecast.growth_against_limit(main) if main is not None else None
    if main is not None and main.life:
        growth = forecast.from_now(growth, main, facts.opinions[shown][-1])
    goes_on = _goes_on(pool, verdict)
    outlook = forecast.Outlook("unknown", None, None, None, None)
    path = pl.DataFrame(schema=forecast.FORECAST)
    if main is not None and main.life:
        outlook = forecast.look_ahead(
            main,
            growth,
            growing=goes_on,
            open_end=verdict == "inconclusive" and pool.bounded < CLEAN_FROM,
            limit_bytes=limit,
            limit_known=about["limit_known"],
            kills=sum(facts.kills.get(container, 0) for container in containers),
            watched_hours=sum(facts.lives[c]["hours"] for c in containers if c in facts.lives),
        )
        path = forecast.paths(shown, main, growth, outlook, growing=goes_on)
    reading = main.readings.get(main.signal or "") if main is not None else None
    samples = sum(facts.counts[c][0] or 0 for c in containers if c in facts.counts)
    expected = sum(facts.counts[c][1] or facts.counts[c][0] or 0 for c in containers if c in facts.counts)
    row: dict[str, Any] = {
        **{name: about[name] for name in WORKLOAD},
        "pods": len({facts.about[container]["pod"] or container for container in containers}),
        "verdict": verdict,
        "leak_probability": probability,
        "pattern": pattern,
        "also": also,
        "cause": cause,
        "signal": main.signal if main is not None else None,
        "evidence_level": level,
        **_growth_columns(pool, reading),
        "limit_outlook": outlook.outlook,
        "hours_to_limit": outlook.hours,
        "hours_to_limit_low": outlook.low,
        "hours_to_limit_high": outlook.high,
        "oom_probability_7d": outlook.oom_probability,
        "startup_peak_bytes": facts.maximum(containers, "startup_peak_bytes"),
        "settled_bytes": main.life.get("settled_bytes") if main is not None else None,
        "peak_bytes": facts.maximum(containers, "peak_bytes"),
        "limit_bytes": limit,
        "coverage": samples / expected if expected else None,
        "container_id": shown,
        "workload_inferred": about["workload_inferred"],
        "limit_known": about["limit_known"],
    }
    situation = advice.Situation(row, pool, growing, judged, facts.findings.filter(pl.col("container_id") == shown))
    row["evidence"] = evidence.rows(situation)
    row["headline"] = advice.headline(situation)
    row["reason"] = advice.reason(situation)
    row["explanation"] = f"{row['headline']} {row['reason']}"
    row["next_step"] = advice.next_step(situation)
    return row, path


def _growth_columns(pool: Pool, reading: dict[str, Any] | None) -> dict[str, float | None]:
    names = (
        "growth_bytes_per_day",
        "growth_low_bytes_per_day",
        "growth_high_bytes_per_day",
        "detection_floor_bytes_per_day",
    )
    if reading is None or reading["growth_per_day"] is None:
        return dict.fromkeys(names)
    growth, error = reading["growth_per_day"], reading["growth_error_per_day"]
    if pool.masked:
        slopes = [
            opinion.readings[opinion.signal]["growth_per_day"]
            for opinion in pool.opinions
            if opinion.signal is not None and opinion.growing + opinion.unresolved > 0.5
        ]
        growth = sorted(slopes)[len(slopes) // 2] if slopes else growth
    return dict(
        zip(
            names,
            (
                growth,
                growth - forecast.QUANTILE * error,
                growth + forecast.QUANTILE * error,
                reading["floor_per_day"],
            ),
            strict=True,
        ),
    )


def _goes_on(pool: Pool, verdict: str) -> float:
    """Probability that the memory that counts against the limit keeps growing, leak or not."""
    main = pool.main
    if verdict == "leak" or main is None:
        return pool.growing
    if "growing_layer" not in main.notes:
        return pool.growing + _UNRESOLVED_LEAKS * pool.unresolved
    if main.notes["growing_layer"] == "cache":
        return 0.0
    name = "shmem_bytes" if main.notes["growing_layer"] == "shmem" else "anon_bytes"
    row = main.readings.get(name) or main.readings.get("rss_bytes") or main.readings["footprint_bytes"]
    return going_on(row)


def _evidence_level(pool: Pool, facts: _Facts, containers: list[int]) -> int:
    main = pool.main
    if main is None:
        return 1
    if main.signal == "allocated_bytes":
        return 4
    if "work_total" in main.readings or "load" in main.readings or len(containers) > 1:
        return 3
    known = main.life.get("limit_bytes") is not None or any(container in facts.with_events for container in containers)
    return 2 if known or "restarts" in facts.recording.report.found else 1


#: A release that moves the level by this share is a step.
_MOVED_SHARE: Final = 0.08
_GROWS_WITH: Final = {
    "saturating_linear": "warm_up",
    "saturating_hinge": "warm_up",
    "step_linear": "step",
    "step_hinge": "step",
    "two_steps_linear": "step",
}


def _pattern(pool: Pool, verdict: str) -> tuple[str, list[str], str | None]:
    main = pool.main
    if main is None or main.signal is None:
        return "insufficient_data", [], None
    also = list(main.also)
    row = main.readings[main.signal]
    if verdict == "leak":
        if main.notes.get("threads_grow") and (main.pattern == "thread_growth" or _threads_explain(main)):
            return "thread_growth", [name for name in also if name != "thread_growth"], "thread_stacks"
        if row["teeth"] >= 4:
            also.append("sawtooth")
        elif row["family"] in _GROWS_WITH:
            also.append(_GROWS_WITH[row["family"]])
        if row["periodic"] > 0:
            also.append("periodic")
        if main.notes.get("startup"):
            also.append("startup_spike")
        cause = "heap" if main.signal == "allocated_bytes" else None
        skipped = ("leak", "plateau", "thread_growth", "unexplained_growth")
        return "leak", [name for name in dict.fromkeys(also) if name not in skipped], cause
    pattern, cause = main.pattern, main.cause
    if verdict == "inconclusive" and pattern not in ("at_limit", "insufficient_data"):
        if pattern != "unexplained_growth":
            also.insert(0, pattern)
        pattern = "unexplained_growth"
    if verdict == "not_leak" and pattern == "unexplained_growth":
        pattern = "plateau"
    moved = pool.moved_bytes
    if verdict == "not_leak" and moved is not None and abs(moved) > _MOVED_SHARE * row["settled"]:
        if pattern == "plateau":
            pattern, cause = "step", "release"
        else:
            also.append("step")
    if verdict == "not_leak" and main.notes.get("startup") and pattern != "startup_spike":
        also.append("startup_spike")
    return pattern, [name for name in dict.fromkeys(also) if name != pattern], cause


def _threads_explain(main: Opinion) -> bool:
    """Whether the growth lies outside the live heap, where stacks are."""
    heap = main.readings.get("allocated_bytes")
    whole = main.readings.get("anon_bytes") or main.readings.get("rss_bytes") or main.readings.get("footprint_bytes")
    if heap is None or whole is None:
        return True
    return bool(heap["mean_rise"] < 0.5 * whole["mean_rise"])
