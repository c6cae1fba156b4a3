"""The request and the limit that a workload container should have, why, and what it costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl
from msgspec import Struct
from msgspec.structs import astuple, replace

from rmtoolkit._tables import beside, conform
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.records import columns_of
from rmtoolkit.exceptions import RmtoolkitError, fault, spared
from rmtoolkit.limits import history, risk
from rmtoolkit.schema import ABSURD_BYTES, FOOTPRINTS, WORKLOAD, Action, Cause, Pattern, Verdict
from rmtoolkit.text import MI, first, hours, hours_range, moment, say, seconds, share, times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rmtoolkit.limits.risk import Margins, Scores
    from rmtoolkit.recording import Recording

#: Actions that change a limit.
OF_LIMITS: Final = (Action.RAISE_LIMIT, Action.LOWER_LIMIT, Action.SET_LIMIT)
#: A pod so many times as high as the median pod is named.
_HOT = 1.3
_WEEK_SECONDS = 7 * 86_400
_WHOLE_WEEK = _WEEK_SECONDS / history.NEARLY
#: Samples so far apart see no burst.
_COARSE_SECONDS = 600
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
_FIRST_GUESS: Final = 86_400.0 / history.NEARLY
#: A limit is raised to so many times the one in force, at the least.
_RAISE: Final = 1.05
#: What has rested for a week keeps a limit whose chance is above the accepted one by less than a third.
_HARDLY: Final = 4 / 3
#: A limit is lowered where that saves so much of the whole cost, and of the limit.
_SAVES: Final = 0.05
_LOWER: Final = 0.1
#: From the smallest limit within the target up to the one in force, or to so many times it, so many are tried.
_REACH: Final = 10
_TRIED: Final = 12
#: Patterns of an allocator that holds more than is in use.
KEEPING: Final = (Pattern.RETENTION, Pattern.FRAGMENTATION)
#: A startup so much above the settled level is worth a change.
_SPIKE: Final = 1.1
_PURGED: Final = pl.Schema({**dict.fromkeys(WORKLOAD, pl.String()), "purged_base_bytes": pl.Float64()})


class _Case(NamedTuple):
    """What the sentences of a reason are about: they stand in `reasons.toml`."""

    need: history.Need
    said: Advised
    chance: float
    #: What a whole week of such data would give.
    week_limit: int | None
    furthest: int = _FURTHEST

    @property
    def where(self) -> str:
        when = f" on {moment(self.need.peak_time)} UTC" if self.need.peak_time is not None else ""
        return f" in pod {self.need.peak_pod}{when}" if self.need.peak_pod else when

    @property
    def at_least(self) -> float:
        return risk.at_least(self.need)

    @property
    def climbs(self) -> float:
        return math.pow(_week_on_week(self.need), 30 / 7) - 1

    @property
    def climb(self) -> str:
        return _pace(self.climbs, math.pow(_week_on_week(self.need), 1 / 7) - 1)

    @property
    def growth(self) -> str:
        a_day = (self.need.growth_bytes_per_day or 0.0) / max(self.need.need_bytes or 0, 1)
        days = (self.need.ahead.longest_hours or math.inf) / 24
        return f"{share(a_day * days)} in each run" if days < 1 else _pace(30 * a_day, a_day)

    @property
    def bought(self) -> str:
        middle, low, high = (
            None if days is None else 24 * days
            for days in (self.said.buys_days, self.said.buys_days_low, self.said.buys_days_high)
        )
        span = hours_range(low, high)
        return hours(middle) + (f" ({span})" if span and hours(low) != hours(high) else "")

    @property
    def killed(self) -> str:
        """How often it was killed since a release that has run for a week, and in all."""
        now, ever = times(self.need.kills_now), times(self.need.kills)
        return now if now == ever else f"{now} ({ever} in all)"

    @property
    def rests_on(self) -> str:
        return {
            "kills": "each 15 % above what killed is taken to halve it",
            "forecast": "as it has grown so far",
        }.get(self.said.advised_basis or "", self.said.margins)

    @property
    def smallest(self) -> float:
        return 1 / (self.said.pairs + 1)


def reason(case: _Case) -> str:
    need, said, limit, kills = case.need, case.said, case.said.recommended_limit_bytes, case.need.kills_now
    unnamed = kills and need.killed_limit_bytes is None
    killed = first(killed_unnamed=unnamed, killed_below=kills and need.outgrown, killed=kills)
    names: list[str | None]
    if need.growing and said.target_limit_bytes is None:
        leaks, rated = said.action is Action.FIX_LEAK, need.growth_bytes_per_day is not None
        far = leaks and said.oom_probability_30d is not None and said.oom_probability_30d <= case.chance
        lasts = None not in (said.raise_to_bytes, said.buys_days) and not far
        then = first(would_last=lasts and need.limit_bytes is None, buys=lasts, fix_first=leaks, wait_first=True)
        grows = first(rate_unknown=not rated, leaks_far=far, leaks=leaks, may_grow=True)
        names = [grows, killed, then if rated else None]
    elif limit is None:
        waits = first(
            no_limit_for_forecast=risk.by_forecast(need),
            zeros=need.need_bytes == 0,
            broken=need.exporter_broken,
            too_short=need.spread is None or not said.pairs,
            furthest=case.smallest <= case.chance,
            not_certified=True,
        )
        names = [killed, None if killed == "killed_unnamed" else waits]
    else:
        peak, needed, settled = need.peak_bytes or 0, need.need_bytes or 0, need.settled_bytes
        known, startup = need.peak_bytes is not None, need.startup_peak_bytes or 0
        told = known and need.need_bytes is not None and need.need_of != "above a kill"
        length, kernel, moved = need.history_seconds or 0.0, need.need_of == "kernel peak", limit != need.limit_bytes
        unseen = need.history_seconds is None
        few = not unseen and length < risk.SHORTEST.total_seconds()
        week = case.week_limit or limit
        guess = first(first_guess=few, few_runs=need.few_runs, short=moved and week < limit)
        above = said.oom_probability_now is not None and said.oom_probability_now > case.chance
        asked = need.request_bytes or 0
        full = _fills_node(need, limit)
        names = [
            first(unseen=unseen, peak=known, need=need.need_bytes is not None),
            first(
                as_before=told and need.since is not None and length > need.watched_seconds,
                since_release=told and need.since is not None,
                kernel_peak=told and kernel and needed > peak,
                pressed=told and need.need_of == history.PRESSED,
                swapped=told and need.need_of == "with swap" and needed > peak,
                page_cache=told and peak > history.APART * needed,
            ),
            first(newer=need.newer_since and need.since is None, above_hours=need.above_hours),
            first(startup=known and settled is not None and startup >= 0.95 * peak and _starts_high(need)),
            killed,
            # Most of its history has no samples, though it runs on.
            first(holes=not need.runs and need.blocks < history.ENOUGH and need.spread is not None),
            guess
            or first(
                lower_later=not (unseen or moved or above) and length < _FIRST_GUESS and week <= (1 - _LOWER) * limit,
                no_week=not unseen and length < _WHOLE_WEEK,
            ),
            first(coarse=guess is None and not kernel and (need.cadence_seconds or 0.0) >= _COARSE_SECONDS),
            first(climbs=need.climbing and need.base_bytes and needed and case.climbs >= _SMALL),
            first(one_for_all=moved and need.held_bytes),
            first(hot=(need.hot_ratio or 0.0) > _HOT),
            first(flat_at_limit=need.lies_flat),
            first(
                request_above=asked > (need.limit_bytes or ABSURD_BYTES),
                request_below=asked and not moved and (need.busy_bytes or 0) > history.APART * asked,
            ),
            first(
                cheapest=said.action is Action.LOWER_LIMIT and limit != said.target_limit_bytes,
                limit_for_forecast=moved and risk.by_forecast(need),
                node_full=full and (said.oom_probability or 0.0) > case.chance,
                killed_least=moved and kills and limit < case.at_least + 2 * MI,
                least=moved and limit == history.LEAST_BYTES,
                step=moved and not need.growing and limit > (said.target_limit_bytes or limit),
                halves=moved and said.advised_basis == "kills",
                provisional=moved and need.growing,
                range_least=moved and limit == need.least_bytes,
                margin=moved,
                own_limits=need.held_bytes,
                hardly=above and said.action is Action.NONE,
                above=above,
                within=said.oom_probability_now is not None,
            ),
            first(node_small=moved and limit > (need.node_bytes or ABSURD_BYTES)),
            first(purged=said.purged_limit_bytes is not None),
        ]
    return " ".join(say("limits/reasons", name, case) for name in names if name)


def _week_on_week(need: history.Need) -> float:
    """How many times as high the next week's peak is expected, as peaks climb."""
    return max((need.base_bytes or 0.0) / (need.need_bytes or 1), 1.0)


def _pace(a_month: float, a_day: float) -> str:
    """Write how fast it rises; nothing that doubles within a month is followed for as long."""
    return f"{share(a_month)} a month" if a_month < 1 else f"{share(a_day)} a day"


class Advised(Struct, frozen=True):
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
#: Columns of `recommend_limits`: what is advised, and what it rests on.
RECOMMENDED: Final = pl.Schema(
    (name, _TOLD[name])
    for name in (
        *WORKLOAD,
        *Advised.__struct_fields__,
        *("pods", "pods_now", "limit_bytes", "request_bytes", "verdict", "pattern", "growing", "kills"),
        *("killed_limit_bytes", "peak_bytes", "peak_pod", "peak_time", "need_bytes", "need_of", "busy_bytes"),
        *("startup_peak_bytes", "settled_bytes", "hot_pod", "hot_ratio", "history_seconds"),
        *("vpa_target_bytes", "krr_limit_bytes"),
    )
)


def quantity(bytes_: int) -> str:
    return f"{-(-bytes_ // MI)}Mi"


def check_chance(oom_probability: float) -> None:
    if not 0 < oom_probability < 1:
        msg = f"oom_probability must be between 0 and 1, got {oom_probability!r}."
        raise RmtoolkitError(msg)


def gathered(part: Recording, verdicts: pl.DataFrame, *, requests: bool = True) -> pl.DataFrame:
    """Gather what an action and its chances depend on; for requests what others say, too."""
    known = beside(history.needs(part, verdicts, requests=requests), purged_bases(part, verdicts), WORKLOAD)
    if not requests:
        return known
    from rmtoolkit.limits.baselines import others  # noqa: PLC0415 - a row of verdicts names no others

    return beside(known, others(part), WORKLOAD)


def of_gathered(
    known: pl.DataFrame, oom_probability: float, margins: Margins, prices: risk.Prices | None = None
) -> pl.DataFrame:
    check_chance(oom_probability)
    ask = _Asked(oom_probability, risk.lookup(margins), margins.origin, prices)
    names = Advised.__struct_fields__
    rows = [astuple(_advised(row, ask)) for row in known.iter_rows(named=True)]
    advised = pl.DataFrame(rows, schema={name: RECOMMENDED[name] for name in names}, orient="row")
    return conform(known.drop(names, strict=False).hstack(advised), RECOMMENDED)


def _advised(row: Mapping[str, Any], ask: _Asked) -> Advised:
    def not_advised(error: BaseException) -> Advised:
        nothing = dict.fromkeys(Advised.__struct_fields__)
        said = {"reason": f"No limit is advised: {fault(error)}.", "risk_because": fault(error), "margins": ask.origin}
        return Advised(**nothing | said | {"action": Action.WAIT, "pairs": 0, "provisional": True})  # type: ignore[arg-type]

    return spared(not_advised, lambda: _advise(history.as_need(row), ask))


def advise(need: history.Need, oom_probability: float, margins: Margins, prices: risk.Prices | None = None) -> Advised:
    return _advise(need, _Asked(oom_probability, risk.lookup(margins), margins.origin, prices))


def limits_at(known: pl.DataFrame, oom_probability: float, margins: Margins) -> pl.DataFrame:
    """Give the smallest limit within the target; null for what grows and where the pairs cannot tell."""
    scores = risk.lookup(margins)
    limits = [_limit(need, oom_probability, scores(need)) for need in map(history.as_need, known.iter_rows(named=True))]
    return known.select(WORKLOAD).with_columns(limit_bytes=pl.Series(limits, dtype=pl.Int64))


def purged_bases(part: Recording, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Find where the next peak is expected once the allocator gives back what it keeps, for what keeps much."""
    on = list(WORKLOAD)
    keeps = pl.col("pattern").is_in(KEEPING) | pl.col("also").list.contains(Pattern.RETENTION)
    about = verdicts.filter(keeps & (pl.col("verdict") == Verdict.NOT_LEAK)).select(on)
    if not about.height:
        return pl.DataFrame(schema=_PURGED)
    mine = part.containers.join(about, on=on, how="semi", nulls_equal=True)["container_id"]
    kept = part.filter(pl.col("container_id").is_in(mine.implode()))
    given_back, _ = history.kept_by_allocator(kept.samples)
    whole = pl.coalesce(FOOTPRINTS)
    held = kept.samples.select("container_id", "time", held=whole - (whole - given_back).clip(0)).drop_nulls()
    if not held.height:
        return pl.DataFrame(schema=_PURGED)
    used = history.usage(kept).join(held, on=["container_id", "time"], maintain_order="left")
    used = used.with_columns(used_bytes=(pl.col("used_bytes") - pl.col("held")).clip(0))
    about = beside(history.workloads(kept), history.past_of(used), "workload_row")
    return about.select(*WORKLOAD, purged_base_bytes="base_bytes").cast(_PURGED)


class _Asked(Struct, frozen=True):
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
    raise_to, days, days_low, days_high = _days_bought(need)
    action, limit = _decide(need, now, target, purged, raise_to, ask, scores)
    # Nothing is told that would not be less.
    purged = purged if purged is not None and limit is not None and purged < limit else None
    # Each pod stays below its own limit: nothing is set for all of them.
    own = limit == need.limit_bytes and need.held_bytes is not None
    unknown = limit is None and (need.spread is None or not scores.size)
    request = None if unknown or own else risk.advised_request(need, limit)
    highest = need.held_bytes if own else limit
    # Where none is advised, the one in force stays.
    kept = need.request_bytes if request is None else request
    after = None if limit is None else risk.at_limit(need, limit, kept, scores, ask.prices)
    then = risk.Risk() if after is None else now if own else after.risk
    length = need.history_seconds or 0.0
    first_guess = length < _FIRST_GUESS
    # After a day there is a first limit; above the target, whether that is for want of history a week tells.
    enough = _FIRST_GUESS if first_guess else _WHOLE_WEEK if limit and (now.week or 0.0) > ask.chance else 0.0
    awaited = action is Action.WAIT and enough > length and not (need.growing or risk.by_forecast(need))
    reserved_now = risk.reserved(need, need.limit_bytes, need.request_bytes)
    week_limit = None if target is None or action is Action.LOWER_LIMIT else _after_a_week(need, ask)
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
        headroom=None if highest is None or need.need_bytes is None else 1 - need.need_bytes / highest,
        purged_limit_bytes=purged,
        raise_to_bytes=raise_to,
        buys_days=days,
        buys_days_low=days_low,
        buys_days_high=days_high,
        qos_now=qos(need.request_bytes, need.limit_bytes, known=need.limit_known),
        qos_then=None if limit is None else qos(kept, limit, known=True),
        reserved_now_bytes=reserved_now,
        reserved_then_bytes=None if limit is None else risk.reserved(need, limit, kept),
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
        incidents_now_per_month=risk.expected(now.week, ask.prices),
        incidents_then_per_month=None if after is None else after.incidents_per_month,
        # A few runs count as less than their time: so do the next ones.
        wait_seconds=(enough - length) / _counted(need) if awaited else None,
    )
    return replace(said, reason=reason(_Case(need, said, ask.chance, week_limit)))


def risk_now(need: history.Need, scores: Scores) -> risk.Risk:
    """Give the chance at the limit in force; an unknown limit does not hide that it killed."""
    limit = need.limit_bytes
    if limit is None and need.kills_now and not need.limit_known:
        limit = need.killed_limit_bytes or need.need_bytes
    limit = need.held_bytes or limit
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
    unnamed = need.kills_now and need.killed_limit_bytes is None
    if need.exporter_broken or unnamed or need.need_bytes == 0:
        # Figures that would decide it are wrong, or zero; or it was killed at a limit that nobody wrote down.
        return Action.FIX_EXPORTER, None
    if need.cause == Cause.TMPFS and (need.kills_now or (risk.by_forecast(need) and (now.week or 0.0) > ask.chance)):
        # A restart keeps the files that fill the limit: they fill a higher one too.
        return Action.CLEAR_FILES, in_force
    cure = _cure(need)
    if target is None:
        if need.growing and need.kills_now and to_try:
            return Action.RAISE_LIMIT, to_try
        return (cure if cure is Action.TUNE_ALLOCATOR and not need.kills_now else Action.WAIT), None
    if in_force is None:
        return Action.SET_LIMIT, target
    whole = (need.history_seconds or 0.0) >= _WHOLE_WEEK
    steady = whole and not (need.kills_now or need.growing or need.climbing or risk.by_forecast(need))
    accepted = ask.chance * (_HARDLY if steady else 1.0)
    if (now.week or 0.0) > accepted and not (in_force >= target and _fills_node(need, target)):
        if not need.kills_now and cure is Action.TUNE_ALLOCATOR and purged is not None and purged <= in_force:
            return cure, in_force
        close = (need.need_bytes or 0) >= th.CLOSE_TO_LIMIT * in_force
        # Neither a short history nor a rise that has not lasted for days moves a limit that is far away.
        short = (need.history_seconds or 0.0) < _FIRST_GUESS or (_after_a_week(need, ask) or ABSURD_BYTES) <= in_force
        short = (short or (need.growing and not need.climbing)) and not risk.by_forecast(need)
        if not need.kills_now and not close and short:
            return cure or Action.WAIT, in_force
        # Nobody rolls out a limit for a single MiB; a node has no more than it has.
        least = min(math.ceil(_RAISE * in_force / MI), (need.node_bytes or ABSURD_BYTES) // MI) * MI
        return Action.RAISE_LIMIT, max(target, in_force, least)
    if cure is not None:
        return cure, in_force
    lower = _cheapest(need, target, in_force, ask, scores)
    if lower is not None:
        return Action.LOWER_LIMIT, lower
    return (Action.WAIT if need.verdict == Verdict.INCONCLUSIVE else Action.NONE), in_force


def _cure(need: history.Need) -> Action | None:
    if need.verdict != Verdict.NOT_LEAK:
        return None
    if need.pattern in KEEPING or Pattern.RETENTION in need.also:
        return Action.TUNE_ALLOCATOR
    return Action.REDUCE_STARTUP if _starts_high(need) else None


def _starts_high(need: history.Need) -> bool:
    startup, settled = need.startup_peak_bytes, need.settled_bytes
    spikes = Pattern.STARTUP_SPIKE in (need.pattern, *need.also)
    return spikes and bool(startup and settled and startup > _SPIKE * settled)


def _cheapest(need: history.Need, target: int, in_force: int, ask: _Asked, scores: Scores) -> int | None:
    """Find the limit below the one in force at which memory and incidents cost least; None: none is worth it."""
    if need.climbing:
        # What must be raised again within a month is not lowered.
        target = math.ceil(target * math.pow(_week_on_week(need), 30 / 7 - 1))
    grows = need.growing or risk.by_forecast(need)
    seen = min(need.history_seconds or 0.0, need.watched_seconds)
    if grows or need.held_bytes or target > (1 - _LOWER) * in_force or seen < _FIRST_GUESS:
        return None
    prices = ask.prices or risk.USUAL

    def whole(limit: int) -> float:
        one = risk.at_limit(need, limit, need.request_bytes, scores, prices)
        return (one.memory_per_month or 0.0) + (one.incidents_per_month or 0.0)

    furthest = min(in_force / target, _REACH)
    steps = (target * furthest ** (step / (_TRIED - 1)) for step in range(_TRIED - 1))
    least, best = min((whole(limit), limit) for limit in {math.ceil(limit / MI) * MI for limit in steps})
    return best if best <= (1 - _LOWER) * in_force and least < (1 - _SAVES) * whole(in_force) else None


def _limit(need: history.Need, chance: float, scores: Scores) -> int | None:
    """Find the smallest limit with at most that chance; None for what leaks, and where the pairs cannot tell."""
    if need.verdict == Verdict.LEAK or (need.kills_now and need.killed_limit_bytes is None):
        return None
    wanted = _by_scores(need, chance, scores)
    if need.kills_now:
        wanted = max(wanted or 0.0, risk.above_kills(need, chance))
    if need.growing or risk.by_forecast(need):
        wanted = _by_forecast(need, wanted or 0.0, chance, scores)
    # No machine has that much: such an amount is no need.
    if wanted is None or wanted >= ABSURD_BYTES:
        return None
    size = max(math.ceil((wanted + 1) / MI) * MI, history.LEAST_BYTES, need.least_bytes or 0)
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
    """Find the limit that a whole week which is no more restless would give, where there is less."""
    if need.spread is None or (need.history_seconds or 0.0) >= _WHOLE_WEEK:
        return None
    seen = replace(need, history_seconds=_WEEK_SECONDS * _counted(need))
    return _limit(seen, ask.chance, ask.scores(seen))


def _counted(need: history.Need) -> float:
    return (need.history_seconds or 1.0) / (need.watched_seconds or 1.0) if need.few_runs else 1.0


def qos(request: int | None, limit: int | None, *, known: bool) -> str | None:
    """Name the QoS class as far as memory decides it: Guaranteed needs the same of the CPU."""
    if request is None and limit is None:
        return "BestEffort" if known else None
    return "Guaranteed" if request == limit or request is None else "Burstable"


def _basis(found: risk.Risk, origin: str, need: history.Need) -> str | None:
    if found.basis != "margins":
        return found.basis
    whose = "shipped" if origin.startswith("shipped") else "own"
    return f"{whose}, {seconds(need.history_seconds or 0.0)} of data"


def _days_bought(need: history.Need) -> tuple[int | None, float | None, float | None, float | None]:
    """Give a higher limit to try, and the days that it would hold out against the growth, with their interval."""
    now = need.limit_bytes or need.need_bytes
    to = math.ceil((now or 0) * _RAISED / MI) * MI
    middle, soonest, latest = need.ahead.days_until(to - (now or 0))
    known = need.growing and now and middle is not None and middle <= _NO_RATE_DAYS
    return (to, middle, soonest, latest) if known else (None, None, None, None)
