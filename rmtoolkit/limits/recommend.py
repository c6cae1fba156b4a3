"""The request and the limit that a workload container should have, why, and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.records import WORKLOAD, columns_of
from rmtoolkit.exceptions import RmtoolkitError, fault, spared
from rmtoolkit.limits import history, risk
from rmtoolkit.schema import ABSURD_BYTES, FOOTPRINTS, Action, Cause, Pattern, Verdict
from rmtoolkit.text import MI, configured, hours, hours_range, memory, moment, rate, share, times
from rmtoolkit.text import chance as chance_words
from rmtoolkit.text import count as text_count

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from rmtoolkit.limits.risk import Margins, Scores
    from rmtoolkit.recording import Recording


#: Actions that change a limit.
OF_LIMITS: Final = (Action.RAISE_LIMIT, Action.LOWER_LIMIT, Action.SET_LIMIT)
#: A pod so many times as high as the median pod is named.
_HOT = 1.3
_WEEK_SECONDS = 7 * 86_400
#: A peak so much above the need is told apart from it.
_APART = 1.1
#: Samples so far apart see no burst.
_COARSE_SECONDS = 600
#: A history so long is not short, but full of holes, where too few of its blocks hold a value.
_GAPS_HOURS = 48


def reason(need: history.Need, said: Advised, ask: _Asked, week_limit: int | None) -> str:
    """Say in a few sentences why; `week_limit` is what a whole week of such data would give."""
    if need.growing and said.target_limit_bytes is None:
        return _of_growth(need, said)
    if said.recommended_limit_bytes is None:
        return f"{_killed(need)} {_of_waiting(need, said.pairs, ask.chance)}".strip()
    return " ".join(one for one in _sentences(need, said, ask, week_limit) if one)


def _sentences(need: history.Need, said: Advised, ask: _Asked, week_limit: int | None) -> tuple[str, ...]:
    return (
        _peak(need),
        _startup(need),
        _killed(need),
        _length(need, said.recommended_limit_bytes, week_limit),
        _climb(need),
        f"One pod is {need.hot_ratio:.1f} times as high as the median pod."
        if need.hot_ratio is not None and need.hot_ratio > _HOT
        else "",
        "It lies flat at its limit without a kill, as a cache does that fills its room: beside the working set, "
        "anonymous memory tells."
        if need.pattern == Pattern.AT_LIMIT and need.need_of == history.WHOLE and not need.kills_now
        else "",
        f"The request of {configured(need.request_bytes)} is above the limit: Kubernetes takes no such pod."
        if (need.request_bytes or 0) > (need.limit_bytes or ABSURD_BYTES)
        else "",
        _limit_reasons(need, said, ask),
        f"Once the allocator gives kept pages back, {configured(said.purged_limit_bytes)} would be enough."
        if said.purged_limit_bytes is not None
        else "",
    )


def _peak(need: history.Need) -> str:
    when = f" on {moment(need.peak_time)} UTC" if need.peak_time is not None else ""
    where = f" in pod {need.peak_pod}{when}" if need.peak_pod else when
    if need.peak_bytes is None:
        return "" if need.need_bytes is None else f"The highest need was {memory(need.need_bytes)}."
    said = f"The highest use was {memory(need.peak_bytes)}{where}."
    needed = memory(need.need_bytes)
    if need.need_bytes is None or need.need_of == "above a kill":
        more = ""
    elif need.since is not None:
        more = f"Since the release of {moment(need.since)} UTC it needed up to {needed}."
    elif need.need_of == "kernel peak" and need.need_bytes > need.peak_bytes:
        more = f"The kernel recorded a peak between two scrapes: {needed}."
    elif need.need_of == history.PRESSED:
        more = "Tasks waited for memory: its page cache is missed when it is taken back, and counts."
    elif need.need_bytes > need.peak_bytes:
        more = f"With what was swapped out it needed {needed}."
    elif need.peak_bytes > _APART * need.need_bytes:
        files = "the rest is page cache, which is given back before anything is killed"
        more = f"Of that {needed} cannot be taken back; {files}."
    else:
        more = ""
    return f"{said} {more}".strip()


def _startup(need: history.Need) -> str:
    startup, settled, peak = need.startup_peak_bytes, need.settled_bytes, need.peak_bytes
    if startup is None or settled is None or peak is None or startup <= 1.1 * settled or startup < 0.95 * peak:
        return ""
    return f"Startup sets the peak: it settles at {memory(settled)}."


def _killed(need: history.Need) -> str:
    if not need.kills_now:
        return ""
    said = f"It was OOM-killed {times(need.kills_now)}"
    if need.killed_at_bytes is None:
        return (
            f"{said}, at a limit that the data do not name: it needs {memory(risk.at_least(need))} or more. "
            "Export kube_pod_container_resource_limits first."
        )
    return f"{said}, at {configured(need.killed_at_bytes)}: its real need was higher and is unknown."


def _length(need: history.Need, limit: int | None, week_limit: int | None) -> str:
    seconds = need.history_seconds or 0.0
    if seconds < risk.SHORTEST.total_seconds():
        return (
            f"Only {hours(seconds / 3600)} of data, counted as an hour: this is a first guess, ask again after a day."
        )
    if week_limit is not None and limit is not None and week_limit < limit:
        return (
            f"Only {hours(seconds / 3600)} of data, so the margin is wide. With a full week of similar data: "
            f"{configured(week_limit)}."
        )
    coarse = ""
    if need.need_of != "kernel peak" and (cadence := need.cadence_seconds or 0.0) >= _COARSE_SECONDS:
        coarse = f"It is sampled every {hours(cadence / 3600)}: what is shorter is not seen."
    week = seconds < _WEEK_SECONDS / 1.02
    return f"{'No whole week was seen: what comes once a week may be missing. ' if week else ''}{coarse}".strip()


def _climb(need: history.Need) -> str:
    if not need.climbing or not need.base_bytes or not need.need_bytes:
        return ""
    a_month = max(need.base_bytes / need.need_bytes, 1.0) ** (30 / 7) - 1
    said = f"Peaks rise {share(a_month)} a month; the limit includes that trend for a week."
    return said if a_month >= _SMALL else ""


def _limit_reasons(need: history.Need, said: Advised, ask: _Asked) -> str:  # noqa: PLR0911 - one sentence for each case
    chance, limit, now, week = ask.chance, said.recommended_limit_bytes, said.oom_probability_now, said.oom_probability
    target = f"{chance_words(chance)} chance of an OOM kill in 7 days"
    if risk.by_forecast(need):
        grows = rate(need.ahead.per_day_bytes)
        return f"What counts towards the limit grows by {grows} beside the heap: the limit is for {target} of that."
    if _fills_node(need, limit) and (week or 0.0) > chance:
        return f"Its node has no more: the chance of an OOM kill in 7 days is {chance_words(week)}."
    if limit != need.limit_bytes:
        if said.advised_basis == "kills":
            return f"Each 15 % above what killed is taken to halve the chance: the limit is for {target}."
        if need.growing:
            rises = share(30 * (need.growth_bytes_per_day or 0.0) / max(need.need_bytes or 0, 1))
            return (
                f"Provisional: whether its growth goes on is undecided. It rises {rises} a month, and the limit is for "
                f"{target} of that."
            )
        return f"The margin is for {target} ({ask.origin})."
    if now is None:
        return ""
    at = f"At {configured(need.limit_bytes)} the chance is {chance_words(now)}"
    return f"{at}, above {chance_words(chance)}." if now > chance else f"{at} in 7 days, within {chance_words(chance)}."


def _of_growth(need: history.Need, said: Advised) -> str:
    leaks = said.action is Action.FIX_LEAK
    killed = f" {_killed(need)}" if need.kills_now else ""
    if need.growth_bytes_per_day is None:
        return f"It grows at a rate that is not known.{killed}"
    first = f"No safe limit: it keeps growing, by {rate(need.growth_bytes_per_day)}."
    if not leaks:
        first = f"It grew by {rate(need.growth_bytes_per_day)}; whether that goes on is undecided."
    if said.raise_to_bytes is None or said.buys_days is None:
        return f"{first}{killed} {'Fix the growth first.' if leaks else 'Wait for what decides it.'}"
    low, high = (None if days is None else 24 * days for days in (said.buys_days_low, said.buys_days_high))
    span = hours_range(low, high)
    between = f" ({span})" if span and hours(low) != hours(high) else ""
    to, lasts = configured(said.raise_to_bytes), f"{hours(24 * said.buys_days)}{between}"
    if need.limit_bytes is None:
        return f"{first}{killed} A limit of {to} would last {lasts}."
    return f"{first}{killed} Raising to {to} buys {lasts}."


def _of_waiting(need: history.Need, pairs: int, chance: float) -> str:  # noqa: PLR0911 - one sentence for each cause
    if need.kills_now and need.killed_at_bytes is None:
        return ""
    if risk.by_forecast(need):
        grows = rate(need.ahead.per_day_bytes)
        return f"What counts towards the limit grows by {grows} beside the heap: no limit near the need holds a week."
    if need.need_bytes == 0:
        return "Every sample is zero, which no process can be: fix the exporter first."
    if need.spread is None and (length := (need.history_seconds or 0.0) / 3600) > _GAPS_HOURS:
        return f"Most of its {hours(length)} have no samples: fill the gaps, or come back with a longer history."
    if need.spread is None or not pairs:
        return "The history is too short to say what a week needs: come back with a day or more of samples."
    smallest = 1 / (pairs + 1)
    if smallest <= chance:
        return (
            f"What goes as high as {_one_in(chance)} of such weeks is above {_FURTHEST:,} times its need, or was "
            "killed before it was seen. Accept a higher chance, or come back with a longer history."
        )
    return (
        f"{text_count(pairs, 'week-to-week comparison')} cannot certify {_one_in(chance)}: the smallest chance "
        f"they can tell is {_one_in(smallest)}. Accept that, or learn margins from more workloads or weeks."
    )


def _one_in(chance: float) -> str:
    """Write a chance so that two small ones differ."""
    return chance_words(chance) if chance >= _SMALL else f"1 in {round(1 / chance):,}"


#: A limit so many times the highest need is no advice.
_FURTHEST: Final = 1000
#: A limit so many times the highest need is tried against growth that is no leak.
_FAR: Final = 3
#: Chances below this are all written alike.
_SMALL: Final = 0.001
#: What a leak's limit is raised to in "raising to X buys Y days".
_RAISED: Final = 1.5
#: Growth so slow that the next limit is a century away buys no days: it is no rate.
_NO_RATE_DAYS: Final = 36_525.0

#: A history below this is a first guess: limits are not raised for what only its shortness makes likely.
_FIRST_GUESS: Final = 86_400.0 / 1.02
#: A limit is lowered where that saves so much of the whole cost, and of the limit.
_SAVES: Final = 0.05
_LOWER: Final = 0.1
#: Between the smallest limit within the target and the one in force so many are tried for the cheapest.
_TRIED: Final = 12

#: Patterns of an allocator that holds more than is in use.
_KEEPING: Final = (Pattern.RETENTION, Pattern.FRAGMENTATION)
#: A startup so much above the settled level is worth a change.
_SPIKE: Final = 1.1


@dataclass(frozen=True, slots=True)
class Advised:
    """The one action for a workload container and the limit that goes with it: columns of `recommend_limits`."""

    action: Action
    recommended_request_bytes: int | None
    recommended_limit_bytes: int | None
    oom_probability: float | None
    oom_probability_low: float | None
    oom_probability_high: float | None
    pairs: int
    oom_probability_now: float | None
    reason: str
    headroom: float | None
    purged_limit_bytes: int | None
    raise_to_bytes: int | None
    buys_days: float | None
    buys_days_low: float | None
    buys_days_high: float | None
    qos_now: str | None
    qos_then: str | None
    reserved_now_bytes: int | None
    reserved_then_bytes: int | None
    cost_now_per_month: float | None
    cost_then_per_month: float | None
    margins: str
    oom_probability_24h: float | None
    oom_probability_30d: float | None
    oom_probability_7d_low: float | None
    oom_probability_7d_high: float | None
    risk_basis: str | None
    risk_because: str
    target_limit_bytes: int | None
    advised_basis: str | None
    provisional: bool
    incidents_now_per_month: float | None
    incidents_then_per_month: float | None
    wait_seconds: float | None


_TOLD: Final = columns_of(history.Need) | columns_of(Advised)
#: Columns of `recommend_limits`, in this order.
RECOMMENDED: Final = pl.Schema(
    (name, _TOLD[name])
    for name in (
        *WORKLOAD,
        *("pods", "action", "recommended_request_bytes", "recommended_limit_bytes", "oom_probability"),
        *("oom_probability_low", "oom_probability_high", "pairs", "limit_bytes", "request_bytes"),
        *("oom_probability_now", "reason", "verdict", "pattern", "growing", "peak_bytes", "peak_pod", "peak_time"),
        *("startup_peak_bytes", "settled_bytes", "busy_bytes", "headroom", "hot_pod", "hot_ratio", "kills"),
        *("killed_limit_bytes", "purged_limit_bytes", "raise_to_bytes", "buys_days", "buys_days_low"),
        *("buys_days_high", "qos_now", "qos_then", "reserved_now_bytes", "reserved_then_bytes", "cost_now_per_month"),
        *("cost_then_per_month", "vpa_target_bytes", "krr_limit_bytes", "history_seconds", "margins", "pods_now"),
        *("need_bytes", "need_of", "oom_probability_24h", "oom_probability_30d", "oom_probability_7d_low"),
        *("oom_probability_7d_high", "risk_basis", "risk_because", "target_limit_bytes", "advised_basis"),
        *("provisional", "incidents_now_per_month", "incidents_then_per_month", "wait_seconds"),
    )
)


def quantity(bytes_: int) -> str:
    """Write an amount of memory as Kubernetes does."""
    return f"{-(-bytes_ // MI)}Mi"


def check_chance(oom_probability: float) -> None:
    """Refuse what is no chance."""
    if not 0 < oom_probability < 1:
        msg = f"oom_probability must be between 0 and 1, got {oom_probability!r}."
        raise RmtoolkitError(msg)


def also(part: Recording, verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Gather the same of a part, beside its verdicts: for `rmtoolkit.analysis.judge.judge`."""
    from rmtoolkit.limits.baselines import krr_memory, vpa_memory  # noqa: PLC0415 - a row of verdicts names no others

    known = gathered(part, verdicts)
    for others in (
        vpa_memory(part).select(*WORKLOAD, vpa_target_bytes="target_bytes"),
        krr_memory(part).select(*WORKLOAD, krr_limit_bytes="recommended_limit_bytes"),
    ):
        known = known.join(others, on=WORKLOAD, nulls_equal=True, how="left", maintain_order="left")
    return {"needs": known}


def gathered(part: Recording, verdicts: pl.DataFrame, *, requests: bool = True) -> pl.DataFrame:
    """Gather what an action and its chances depend on, without what others say."""
    return history.needs(part, verdicts, requests=requests).join(
        purged_bases(part, verdicts), on=WORKLOAD, nulls_equal=True, how="left", maintain_order="left"
    )


def of_gathered(
    known: pl.DataFrame,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    prices: risk.Prices | None = None,
) -> pl.DataFrame:
    """Do what `recommend_limits` does for what `gather` gathered before."""
    check_chance(oom_probability)
    chosen = risk.as_margins(margins)
    ask = _Asked(oom_probability, risk.lookup(chosen), chosen.origin, prices)
    names = [field.name for field in fields(Advised)]
    told = attrgetter(*names)
    rows = [told(_advised(row, ask)) for row in known.iter_rows(named=True)]
    advised = pl.DataFrame(rows, schema={name: RECOMMENDED[name] for name in names}, orient="row")
    answer = known.drop(name for name in names if name in known.columns).hstack(advised)
    return answer.select(
        pl.col(name) if name in answer.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in RECOMMENDED.items()
    ).cast(RECOMMENDED)


def _advised(row: Mapping[str, Any], ask: _Asked) -> Advised:
    """Advise on one; what nobody foresaw is said of it, and of no other."""

    def not_advised(error: BaseException) -> Advised:
        nothing = dict.fromkeys(field.name for field in fields(Advised))
        said = {"reason": f"No limit is advised: {fault(error)}.", "risk_because": fault(error), "margins": ask.origin}
        return Advised(**nothing | said | {"action": Action.WAIT, "pairs": 0, "provisional": True})  # type: ignore[arg-type]

    return spared(not_advised, lambda: _advise(history.as_need(row), ask))


def advise(need: history.Need, oom_probability: float, margins: Margins, prices: risk.Prices | None = None) -> Advised:
    """Do for one need what `of_gathered` does for many."""
    return _advise(need, _Asked(oom_probability, risk.lookup(margins), margins.origin, prices))


def limits_at(known: pl.DataFrame, oom_probability: float, margins: Margins) -> pl.DataFrame:
    """Give the smallest limit within the target; null for what grows and where the pairs cannot tell."""
    scores = risk.lookup(margins)
    limits = []
    for row in known.iter_rows(named=True):
        need = history.as_need(row)
        limits.append(_limit(need, oom_probability, scores(need)))
    return known.select(WORKLOAD).with_columns(limit_bytes=pl.Series(limits, dtype=pl.Int64))


_PURGED: Final = pl.Schema({**dict.fromkeys(WORKLOAD, pl.String()), "purged_base_bytes": pl.Float64()})


def purged_bases(part: Recording, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Find where the next peak is expected once the allocator gives back what it keeps, for what keeps much."""
    on = list(WORKLOAD)
    keeps = pl.col("pattern").is_in(_KEEPING) | pl.col("also").list.contains(Pattern.RETENTION)
    about = verdicts.filter(keeps & (pl.col("verdict") == Verdict.NOT_LEAK)).select(on)
    mine = part.containers.join(about, on=on, how="semi", nulls_equal=True)["container_id"]
    found = [pl.DataFrame(schema=_PURGED)]
    if mine.len():
        kept = part.filter(pl.col("container_id").is_in(mine.implode()))
        seen = kept.samples.group_by("container_id").agg(
            pages=pl.all_horizontal(pl.col("resident_bytes", "active_bytes").is_not_null().any()),
            chunks=pl.col("free_bytes").is_not_null().any(),
        )
        # What is kept is told in two ways: a neighbour that tells it otherwise changes nothing.
        for told in (pl.col("pages"), pl.col("chunks") & pl.col("pages").not_()):
            ids = seen.filter(told)["container_id"]
            if ids.len():
                found.append(_given_back(kept.filter(pl.col("container_id").is_in(ids.implode()))))
    return pl.concat(found).unique(on, keep="first", maintain_order=True)


def _given_back(kept: Recording) -> pl.DataFrame:
    """Take what the allocator keeps from what counts towards the limit."""
    given_back, _ = history.kept_by_allocator(kept.samples)
    whole = pl.coalesce(FOOTPRINTS)
    held = kept.samples.select("container_id", "time", held=whole - (whole - given_back.fill_null(0)).clip(0))
    used = (
        history.usage(kept)
        .join(held, on=["container_id", "time"], how="left", maintain_order="left")
        .with_columns(used_bytes=(pl.col("used_bytes") - pl.col("held").fill_null(0)).clip(0))
    )
    span = (pl.col("time").max() - pl.col("time").min()).dt.total_milliseconds() / 1000
    past = history.describe(history.block_peaks(used), used.group_by("workload_row").agg(history_seconds=span))
    about = history.workloads(kept).join(past, on="workload_row", how="left", maintain_order="left")
    return about.select(*WORKLOAD, purged_base_bytes="base_bytes").cast(_PURGED)


@dataclass(frozen=True, slots=True)
class _Asked:
    chance: float
    scores: Callable[[history.Need], Scores]
    origin: str
    prices: risk.Prices | None


def _advise(need: history.Need, ask: _Asked) -> Advised:
    """Decide for one workload container: one action, and the limit that goes with it."""
    scores = ask.scores(need)
    now = risk_now(need, scores)
    target = _limit(need, ask.chance, scores)
    purged = None
    if target is not None and need.purged_base_bytes is not None:
        purged = _limit(replace(need, base_bytes=need.purged_base_bytes), ask.chance, scores)
    raise_to, days, days_low, days_high = _buys(need) if need.growing else _NOTHING_BOUGHT
    action, limit = _decide(need, now, target, purged, raise_to, ask, scores)
    # Nothing is told that would not be less.
    purged = purged if purged is not None and limit is not None and purged < limit else None
    # No past says what growth will need.
    request = None if need.growing and not (need.guaranteed and limit) else risk.advised_request(need, limit)
    after = None if limit is None else risk.at_limit(need, limit, request, scores, ask.prices)
    then = risk.Risk() if after is None else after.risk
    first_guess = (need.history_seconds or 0.0) < _FIRST_GUESS
    reserved_now = risk.reserved(need, need.limit_bytes, need.request_bytes)
    incident = None if ask.prices is None else ask.prices.per_incident
    week_limit = None if target is None or limit != target else _after_a_week(need, ask)
    said = Advised(
        action=action,
        recommended_request_bytes=request,
        recommended_limit_bytes=limit,
        oom_probability=then.week,
        oom_probability_low=then.low,
        oom_probability_high=then.high,
        pairs=scores.size,
        oom_probability_now=now.week,
        reason="",
        headroom=None if limit is None or need.need_bytes is None else 1 - need.need_bytes / limit,
        purged_limit_bytes=purged,
        raise_to_bytes=raise_to,
        buys_days=days,
        buys_days_low=days_low,
        buys_days_high=days_high,
        qos_now=qos(need.request_bytes, need.limit_bytes, known=need.limit_known),
        qos_then=None if limit is None else qos(request, limit, known=True),
        reserved_now_bytes=reserved_now,
        reserved_then_bytes=None if after is None else after.reserved_bytes,
        cost_now_per_month=risk.priced(need, need.limit_bytes, need.request_bytes, ask.prices),
        cost_then_per_month=None if after is None else after.memory_per_month,
        margins=ask.origin,
        oom_probability_24h=now.day,
        oom_probability_30d=now.month,
        oom_probability_7d_low=now.low,
        oom_probability_7d_high=now.high,
        risk_basis=_basis(now, ask.origin, need),
        risk_because=now.because,
        target_limit_bytes=target,
        advised_basis=_basis(then, ask.origin, need),
        provisional=first_guess or need.growing or then.basis == "kills",
        incidents_now_per_month=risk.expected(now.week, incident),
        incidents_then_per_month=None if after is None else after.incidents_per_month,
        wait_seconds=max(_FIRST_GUESS - (need.history_seconds or 0.0), 0.0)
        if action is Action.WAIT and first_guess and not (need.growing or risk.by_forecast(need))
        else None,
    )
    return replace(said, reason=reason(need, said, ask, week_limit))


def risk_now(need: history.Need, scores: Scores) -> risk.Risk:
    """Give the chance at the limit in force; an unknown limit does not hide that it killed."""
    limit = need.limit_bytes
    if limit is None and need.kills_now and not need.limit_known:
        limit = need.killed_at_bytes or need.need_bytes
    return risk.Risk(because="there is no limit, or it is not known") if not limit else risk.risk(need, limit, scores)


def _decide(  # noqa: C901, PLR0911 - a table of cases, the first that holds
    need: history.Need,
    now: risk.Risk,
    target: int | None,
    purged: int | None,
    to_try: int | None,
    ask: _Asked,
    scores: Scores,
) -> tuple[Action, int | None]:
    """Choose the one thing to do first, and the limit that it leaves or sets; None: none helps, or none is known."""
    in_force = need.limit_bytes
    if need.verdict == Verdict.LEAK:
        return Action.FIX_LEAK, None
    unnamed = need.kills_now and need.killed_at_bytes is None
    if need.exporter_broken or unnamed or need.need_bytes == 0:
        # Figures that would decide it are wrong, or zero; or it was killed at a limit that nobody wrote down.
        return Action.FIX_EXPORTER, None
    if need.cause == Cause.TMPFS and need.kills_now:
        # A restart keeps the files that filled the limit: they fill a higher one too.
        return Action.CLEAR_FILES, in_force
    cure = _cure(need)
    if target is None:
        if need.growing and need.kills_now and to_try:
            return Action.RAISE_LIMIT, to_try
        return (cure if cure is Action.TUNE_ALLOCATOR and not need.kills_now else Action.WAIT), None
    if in_force is None:
        return Action.SET_LIMIT, target
    if (now.week or 0.0) > ask.chance and not (in_force >= target and _fills_node(need, target)):
        if not need.kills_now and cure is Action.TUNE_ALLOCATOR and purged is not None and purged <= in_force:
            return cure, in_force
        close = (need.need_bytes or 0) >= th.CLOSE_TO_LIMIT * in_force
        # Neither a short history nor a rise that has not lasted for days moves a limit that is far away.
        short = (need.history_seconds or 0.0) < _FIRST_GUESS or (need.growing and not need.climbing)
        short = short and not risk.by_forecast(need)
        if not need.kills_now and not close and short:
            return cure or Action.WAIT, in_force
        return Action.RAISE_LIMIT, max(target, in_force)
    if cure is not None:
        return cure, in_force
    lower = _cheapest(need, target, in_force, ask, scores)
    if lower is not None:
        return Action.LOWER_LIMIT, lower
    return (Action.WAIT if need.verdict == Verdict.INCONCLUSIVE else Action.NONE), in_force


def _cure(need: history.Need) -> Action | None:
    """Name what makes a workload need less, where its pattern says so."""
    if need.verdict != Verdict.NOT_LEAK:
        return None
    if need.pattern in _KEEPING or Pattern.RETENTION in need.also:
        return Action.TUNE_ALLOCATOR
    startup, settled = need.startup_peak_bytes, need.settled_bytes
    if Pattern.STARTUP_SPIKE in (need.pattern, *need.also) and startup and settled and startup > _SPIKE * settled:
        return Action.REDUCE_STARTUP
    return None


def _cheapest(need: history.Need, target: int, in_force: int, ask: _Asked, scores: Scores) -> int | None:
    """Find the limit below the one in force at which memory and incidents cost least; None: none is worth it."""
    if need.growing or target > (1 - _LOWER) * in_force or (need.history_seconds or 0.0) < _FIRST_GUESS:
        return None
    prices = ask.prices or risk.USUAL

    def whole(limit: int) -> float:
        one = risk.at_limit(need, limit, need.request_bytes, scores, prices)
        return (one.memory_per_month or 0.0) + (one.incidents_per_month or 0.0)

    steps = (target * (in_force / target) ** (step / (_TRIED - 1)) for step in range(_TRIED - 1))
    least, best = min((whole(limit), limit) for limit in {math.ceil(limit / MI) * MI for limit in steps})
    return best if best <= (1 - _LOWER) * in_force and least < (1 - _SAVES) * whole(in_force) else None


def _limit(need: history.Need, chance: float, scores: Scores) -> int | None:
    """Find the smallest limit with at most that chance; None for what leaks, and where the pairs cannot tell."""
    if need.verdict == Verdict.LEAK or (need.kills_now and need.killed_at_bytes is None):
        return None
    wanted = _by_scores(need, chance, scores)
    if need.kills_now:
        wanted = max(wanted or 0.0, risk.above_kills(need, chance))
    if need.growing or risk.by_forecast(need):
        wanted = _by_forecast(need, wanted or 0.0, chance, scores)
    # No machine has that much: such an amount is no need.
    if wanted is None or wanted >= ABSURD_BYTES:
        return None
    size = max(math.ceil((wanted + 1) / MI) * MI, history.LEAST_BYTES)
    room = (need.node_bytes or size) // MI * MI
    # Its node has no more.
    return room if max(need.need_bytes or 0, risk.at_least(need) if need.kills_now else 0) <= room < size else size


def _fills_node(need: history.Need, limit: int | None) -> bool:
    return limit is not None and need.node_bytes is not None and limit + MI > need.node_bytes


def _by_forecast(need: history.Need, least: float, chance: float, scores: Scores) -> float | None:
    """Find the limit that what grows beside the heap stays below for a week; None where none near does."""
    low = math.ceil(least / MI)
    high = max(math.ceil(_FAR * (need.need_bytes or 0) / MI), low)

    def holds(size: int) -> bool:
        week = risk.risk(need, size * MI + MI, scores).week
        return week is not None and week <= chance

    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return float(high * MI)


def _by_scores(need: history.Need, chance: float, scores: Scores) -> float | None:
    place = math.ceil((1 - chance) * (scores.size + 1))
    if need.base_bytes is None or need.spread is None or not 1 <= place <= scores.size:
        return None
    rise = max(float(scores.rises[place - 1]), 0.0)
    # A rise this high stands for weeks that ended in kills: what they needed is not known.
    if rise + math.log(max(need.base_bytes, 1.0) / max(need.need_bytes or 0, 1)) > math.log(_FURTHEST):
        return None
    return (need.base_bytes + history.LEAST_BYTES) * math.exp(rise) - history.LEAST_BYTES


def _after_a_week(need: history.Need, ask: _Asked) -> int | None:
    """Find the limit that a whole week which is no more restless would give, where there is less than half of one."""
    week = risk.HORIZON.total_seconds()
    if need.spread is None or (need.history_seconds or 0.0) > week / 2:
        return None
    seen = replace(need, history_seconds=week)
    return _limit(seen, ask.chance, ask.scores(seen))


def qos(request: int | None, limit: int | None, *, known: bool) -> str | None:
    """Name the QoS class as far as memory decides it: Guaranteed needs the same of the CPU."""
    if request is None and limit is None:
        return "BestEffort" if known else None
    return "Guaranteed" if request == limit or request is None else "Burstable"


def _basis(found: risk.Risk, origin: str, need: history.Need) -> str | None:
    if found.basis != "margins":
        return found.basis
    whose = "shipped" if origin.startswith("shipped") else "own"
    return f"{whose}, {hours((need.history_seconds or 0.0) / 3600)} of data"


_Bought: TypeAlias = tuple[int | None, float | None, float | None, float | None]
_NOTHING_BOUGHT: Final[_Bought] = (None, None, None, None)


def _buys(need: history.Need) -> _Bought:
    """Give a higher limit to try, and the days that it would hold out against the growth, with their interval."""
    now = need.limit_bytes or need.need_bytes
    if now is None:
        return _NOTHING_BOUGHT
    to = math.ceil(now * _RAISED / MI) * MI
    middle, soonest, latest = risk.days_until(need, to - now)
    return _NOTHING_BOUGHT if middle is None or middle > _NO_RATE_DAYS else (to, middle, soonest, latest)
