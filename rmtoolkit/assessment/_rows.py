"""The rows of an Assessment: every number and every word of each workload container."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import polars as pl
from msgspec.structs import replace

from rmtoolkit import text
from rmtoolkit._tables import beside, spans
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.patterns import advise
from rmtoolkit.analysis.records import EVIDENCE, VERDICTS, Advice, Ahead
from rmtoolkit.limits.history import GROWS, as_need
from rmtoolkit.limits.recommend import KEEPING, OF_LIMITS, quantity, risk_now
from rmtoolkit.limits.risk import HORIZON, Margins, Prices, lookup, per_month
from rmtoolkit.schema import NUMBER, TEXT, TIME, WHOLE, WORKLOAD, YES_NO, Action, Alarm, Cause, Ending, Pattern, Verdict

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit.recording import Recording
    from rmtoolkit.schema import Report

    Row = Mapping[str, Any]

_KINDS: Final = {
    "id": pl.UInt32(),
    "text": TEXT,
    "whole": WHOLE,
    "number": NUMBER,
    "yes_no": YES_NO,
    "time": TIME,
    "date": pl.Date(),
    "texts": pl.List(pl.String()),
    "evidence": EVIDENCE,
}
_COLUMNS: Final[dict[str, dict[str, str]]] = text.texts("assessment/columns")
#: A row per workload container, in the order of urgency: every number and every word that any view shows.
WORKLOADS: Final = pl.Schema({name: _KINDS[kind] for some in _COLUMNS.values() for name, kind in some.items()})

_ADVISED: Final[dict[str, str]] = text.texts("assessment/rows")["advised"]
#: Of the limits' row the same number is worked out elsewhere.
_ELSEWHERE: Final = ("kills", "verdict", "pattern", "growing", "startup_peak_bytes", "pods", "peak_bytes")
_CHANCES: Final = text.texts("assessment/rows")["chances"]
#: Starting needs so many times what running does, and sets the peak: startup is what the limit is for.
_STARTUP: Final = 1.25
_SETS_PEAK: Final = 0.9
WILL_BE_KILLED: Final = 0.499
WEEK_HOURS: Final = 168.0
_DAY_SECONDS: Final = 86_400 / 1.02
_WEEK_SECONDS: Final = 7 * _DAY_SECONDS


def joined(
    verdicts: pl.DataFrame, needs: pl.DataFrame, limits: pl.DataFrame, seen: Iterable[pl.DataFrame], now: dt.datetime
) -> pl.DataFrame:
    # The limit in force is that of the pod which is killed first, whichever is shown.
    rows = verdicts.drop("settled_bytes", "peak_bytes", "limit_bytes")
    rows = beside(rows, limits.rename(_ADVISED).drop(_ELSEWHERE), WORKLOAD)
    rows = beside(
        rows, needs.select(*WORKLOAD, "growing", "kills_now", "window_end", "peak_bytes", "held_bytes"), WORKLOAD
    )
    for frame in seen:
        rows = beside(rows, frame, "container_id")
    end, limit = pl.col("window_end"), pl.col("limit_bytes")
    startup = pl.col("startup_peak_bytes")
    patterns = pl.concat_list(pl.concat_list("pattern"), "also")
    keeps = patterns.list.eval(pl.element().is_in(KEEPING)).list.any() | (pl.col("cause") == Cause.ALLOCATOR)
    spikes = patterns.list.contains(Pattern.STARTUP_SPIKE) & (pl.col("verdict") != Verdict.LEAK)
    spikes = spikes & (startup > _STARTUP * pl.col("settled_bytes")) & (startup > _SETS_PEAK * pl.col("peak_bytes"))
    return rows.with_columns(
        data_age_seconds=pl.lit(now).cast(TIME).sub(end).dt.total_milliseconds() / 1000,
        whole_weeks=(pl.col("history_seconds") / (HORIZON.total_seconds() / 1.02)).floor().cast(pl.Int64),
        over_settled_share=limit / pl.col("settled_bytes").replace(0, None) - 1,
        reserved_change_bytes=pl.col("reserved_then_bytes") - pl.col("reserved_now_bytes"),
        cost_change_per_month=pl.col("cost_then_per_month") - pl.col("cost_now_per_month"),
        undecided_until=pl.when(pl.col("wait_seconds").is_not_null()).then(
            end + pl.duration(milliseconds=(pl.col("wait_seconds") * 1000).round(), time_unit="ms")
        ),
        # Worth a word only where it is less than what holds otherwise.
        purged_limit_bytes=pl.when(pl.col("purged_limit_bytes") < pl.coalesce("advised_limit_bytes", limit)).then(
            "purged_limit_bytes"
        ),
        # Then the peak may be that of a pod which may take more.
        limits_differ=pl.col("held_bytes").is_not_null(),
        bound_by=pl.when(spikes).then(pl.lit("startup")).when(keeps).then(pl.lit("allocator")),
        **_derived(pl.coalesce("held_bytes", limit)),
    )


_GROWTH: Final = ("growth_bytes_per_day", "growth_low_bytes_per_day", "growth_high_bytes_per_day")


def _derived(limit: pl.Expr) -> dict[str, pl.Expr]:
    """Say of a workload or a pod what its verdict, its need and the hours that are left come to."""
    verdict, leak = pl.col("verdict"), pl.col("leak_probability")
    open_, rests = verdict == Verdict.INCONCLUSIVE, (verdict == Verdict.NOT_LEAK) & pl.col("growing").not_()
    return {
        "headroom_share": 1 - pl.col("need_bytes") / limit,
        # A sample seldom meets the very byte at which the kernel kills.
        "peak_at_limit": pl.col("peak_bytes") >= th.PEAK_AT_LIMIT * limit,
        "confidence_of": pl.when(open_).then(pl.lit("Chance of a leak")).otherwise(pl.lit("Confidence")),
        "confidence_share": pl.when(verdict == Verdict.NOT_LEAK).then(1 - leak).otherwise(leak),
        "evidence_words": pl.col("evidence_level").replace_strict(text.LEVELS, default=None, return_dtype=pl.String),
        "why": pl.col("reason"),
        # When the limit is met, from the hours that are left.
        **{
            f"limit_at{side}": pl.col("window_end")
            + pl.duration(milliseconds=(pl.col(f"hours_to_limit{side}") * 3_600_000).round(), time_unit="ms")
            for side in ("", "_low", "_high")
        },
        # Where rest was shown there is no growth; the smallest that would have been seen stays.
        **{name: pl.when(rests.not_()).then(name) for name in _GROWTH},
    }


#: What a pod has of its own; the rest is that of its workload: one limit is set for all of its pods.
_OWN: Final = {*VERDICTS, *_COLUMNS["layers"], *text.texts("assessment/rows")["own"]}.difference(
    (*WORKLOAD, "next_step", "pods")
)


def instances_of(
    instances: pl.DataFrame,
    needs: pl.DataFrame,
    workloads: pl.DataFrame,
    margins: Margins,
    seen: Iterable[pl.DataFrame],
) -> pl.DataFrame:
    """Give each pod a row like its workload's, with its own verdict, layers, kills and chance at its own limit."""
    own = instances.hstack(_chances(instances, needs, workloads, margins))
    for frame in seen:
        own = beside(own, frame, "container_id")
    about = workloads.unique(WORKLOAD, keep="first", maintain_order=True).select(
        *WORKLOAD, *(pl.col(name).alias(f"its {name}") for name in WORKLOADS)
    )
    own = beside(own, about, WORKLOAD).with_columns(
        growing=GROWS.fill_null(value=False), limits_differ=pl.lit(value=False), window_end=pl.col("its window_end")
    )
    own = own.with_columns(**_derived(pl.col("limit_bytes")))
    alone = pl.col("its pods") == 1
    return own.select(
        *(
            pl.lit(1, dtype=WHOLE).alias(name)
            if name == "pods"
            else pl.col(name)
            if name in ("container_id", "pod")
            else pl.when(alone).then(f"its {name}").otherwise(pl.col(name).cast(dtype)).alias(name)
            if name in _OWN
            else pl.col(f"its {name}").alias(name)
            for name, dtype in WORKLOADS.items()
        ),
        "lives",
    )


def _chances(instances: pl.DataFrame, needs: pl.DataFrame, workloads: pl.DataFrame, margins: Margins) -> pl.DataFrame:
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
        mine = replace(
            need,
            base_bytes=None if need.base_bytes is None else need.base_bytes * share,
            need_bytes=None if need.need_bytes is None else round(need.need_bytes * share),
            growing=row["grows"],
            limit_bytes=row["limit_bytes"],
            held_bytes=None,
            ahead=Ahead(**row["ahead"]) if row["ahead"] else Ahead(),
        )
        risk = risk_now(mine, scores(mine))
        found.append((risk.day, risk.week, risk.month, risk.low, risk.high, mine.need_bytes))
    return pl.DataFrame(found, {name: WORKLOADS[name] for name in _CHANCES}, orient="row")


def with_waste(rows: pl.DataFrame, prices: Prices | None) -> pl.DataFrame:
    now = pl.coalesce("request_bytes", "limit_bytes")
    waste = ((now - pl.col("advised_request_bytes")) * pl.col("pods_now")).clip(0)
    return rows.with_columns(waste_bytes=waste, waste_per_month=waste * pl.lit(per_month(1.0, prices), NUMBER))


def with_alarms(rows: pl.DataFrame, target: float) -> pl.DataFrame:
    """Say what is above the target, what meets its limit within a week, and why a workload is named first."""
    rows = rows.with_columns(
        above_target=pl.col("oom_probability_7d") > target, reaches_soon=pl.col("hours_to_limit") <= WEEK_HOURS
    )
    alarms = {
        Alarm.KILLED: pl.col("kills_7d") > 0,
        Alarm.WILL_BE_KILLED: _LIKELY & _GUESSED.not_(),
        Alarm.LEAK: pl.col("verdict") == Verdict.LEAK,
        Alarm.TOO_LITTLE_DATA: pl.col("above_target") & _GUESSED,
        Alarm.ABOVE_TARGET: pl.col("above_target"),
    }
    said = (pl.when(holds.fill_null(value=False)).then(pl.lit(str(name))) for name, holds in alarms.items())
    return rows.with_columns(alarm=pl.coalesce(said))


_LIKELY: Final = pl.col("oom_probability_7d") >= WILL_BE_KILLED
_ENOUGH: Final = pl.when(_LIKELY).then(_DAY_SECONDS).otherwise(_WEEK_SECONDS)
#: A chance that only little data make: a day near the limit is a forecast, less than a week else is none.
_GUESSED: Final = (pl.col("history_seconds").fill_null(0.0) < _ENOUGH) & (pl.col("verdict") != Verdict.LEAK)


def by_urgency(rows: pl.DataFrame) -> pl.DataFrame:
    """Put first what is or will be killed, then leaks, what is above the target, what is open, the rest."""
    chance, hours = pl.col("oom_probability_7d").fill_null(0.0), pl.col("hours_to_limit")
    dies = (chance >= WILL_BE_KILLED) | (hours <= WEEK_HOURS).fill_null(value=False)
    # What little data cannot rule out stands below what was killed or is foretold.
    dies &= _GUESSED.not_() | (pl.col("kills_now") > 0).fill_null(value=False)
    accepted = pl.col("accepted") if "accepted" in rows.columns else pl.lit(value=False)
    leaks, open_ = (pl.col("verdict") == verdict for verdict in (Verdict.LEAK, Verdict.INCONCLUSIVE))
    ranks = {5: accepted, 0: dies, 1: leaks, 2: chance > th.RISKY, 3: open_}
    return rows.sort(
        pl.coalesce(*(pl.when(holds).then(rank) for rank, holds in ranks.items()), pl.lit(4)),
        pl.when(dies).then(pl.col("oom_probability_24h").fill_null(0.0).neg().round(6)),
        hours,
        chance.neg(),
        (pl.col("peak_bytes") / pl.col("limit_bytes")).neg(),
        *WORKLOAD,
        nulls_last=True,
        maintain_order=True,
    ).with_columns(workload_id=pl.int_range(pl.len(), dtype=pl.UInt32))


def named(rows: pl.DataFrame) -> pl.DataFrame:
    about = rows.select(WORKLOAD).to_dicts()
    # Cards are called ``namespace/workload/container``; what is no plain name is percent-encoded.
    found: list[str] = []
    seen: Counter[str] = Counter()
    for row in about:
        parts = [quote(str(row[part]), safe="") for part in FORMS[1] if row[part] is not None]
        name = "/".join(parts) or "workload"
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return rows.with_columns(name=pl.Series(names(about), dtype=TEXT), anchor=pl.Series(found, dtype=TEXT))


FORMS: Final = (("namespace", "workload"), ("namespace", "workload", "container"), WORKLOAD)


def names(rows: Sequence[Row]) -> list[str]:
    found: list[str | None] = [None] * len(rows)
    for parts in FORMS:
        written = ["/".join(text.printable(row[part]) for part in parts if row[part] is not None) for row in rows]
        times = Counter(written)
        found = [
            name or (form if times[form] == 1 or parts is FORMS[-1] else None)
            for name, form in zip(found, written, strict=True)
        ]
    return [name or text.NOT_APPLICABLE for name in found]


def with_values(rows: pl.DataFrame, found: Sequence[tuple[object, ...]], names: str) -> pl.DataFrame:
    return rows.with_columns(pl.DataFrame(found, {name: WORKLOADS[name] for name in names.split()}, orient="row"))


#: Lives and those that their own limit ended, and the lowest and the highest of their peaks.
OF_RUNS: Final = {
    "runs": pl.len().cast(pl.Int64),
    "runs_killed": (pl.col("ended") == Ending.OOM_KILL).sum().cast(pl.Int64),
    "run_peak_low_bytes": pl.col("peak_bytes").min(),
    "run_peak_high_bytes": pl.col("peak_bytes").max(),
}


def with_lives(
    rows: pl.DataFrame, lives: pl.DataFrame, fits: pl.DataFrame, kills: pl.DataFrame, containers: pl.DataFrame
) -> pl.DataFrame:
    """Count runs, say what was foretold, since when the shown pod grows, and by how much for each unit of work."""
    names = containers.select("container_id", *WORKLOAD)
    rows = beside(rows, beside(lives, names, "container_id").group_by(WORKLOAD).agg(**OF_RUNS), WORKLOAD)
    told = beside(kills.sort("time"), names, "container_id")
    last = told.unique(WORKLOAD, keep="last", maintain_order=True).select(*WORKLOAD, foretold="sentence")
    since = fits.group_by("container_id", maintain_order=True).agg(pl.col("growth_start").drop_nulls().last())
    per_work = pl.col("evidence").list.filter(pl.element().struct.field("statistic") == "growth_per_work").list.first()
    return beside(beside(rows, last, WORKLOAD), since, "container_id").with_columns(
        growth_since=pl.when("growing").then("growth_start"), growth_per_work_bytes=per_work.struct.field("estimate")
    )


def with_owners(rows: pl.DataFrame, owners: Mapping[str, str]) -> pl.DataFrame:
    place = pl.col("namespace")
    of_workload = _known(place + "/" + pl.col("workload"), owners, TEXT)
    return rows.with_columns(owner=pl.coalesce(of_workload, _known(place, owners, TEXT)))


def with_obstacles(rows: pl.DataFrame, report: Report) -> pl.DataFrame:
    """Say why the advised limit cannot be applied as it is: something else sets it, or the namespace forbids it."""
    place = pl.concat_str(pl.col("namespace", "workload", "container").fill_null(""), separator="/")
    told = _known(place, report.governors, TEXT)
    limit, most = pl.col("advised_limit_bytes"), _known(pl.col("namespace") + " max", report.ranges, WHOLE)
    allowed = _known(most, {size: text.configured(size) for size in report.ranges.values()}, TEXT)
    told = pl.coalesce(
        told, pl.when(limit > most).then(pl.format("a LimitRange of the namespace allows at most {}", allowed))
    )
    rows = rows.with_columns(limit_obstacle=pl.when(limit.is_not_null() & pl.col("action").is_in(OF_LIMITS)).then(told))
    warns = pl.format("{} But {}.", "limit_reason", "limit_obstacle")
    return rows.with_columns(limit_reason=pl.coalesce(warns, "limit_reason"))


def _known(key: pl.Expr, told: Mapping[Any, Any], dtype: pl.DataType) -> pl.Expr:
    return key.replace_strict(dict(told), default=None, return_dtype=dtype)


def with_accepted(rows: pl.DataFrame, accepted: Iterable[Acknowledgement]) -> pl.DataFrame:
    known = list(accepted)
    found: list[tuple[object, ...]] = []
    for row in rows.select(*WORKLOAD, "peak_bytes", "window_end").iter_rows(named=True):
        one = next((one for one in known if one.covers(row)), None)
        if one is None:
            found.append((False, None, None, None, None))
        else:
            passed = one.passed(row["peak_bytes"], row["window_end"] and row["window_end"].date())
            found.append((passed is None, one.until, one.up_to_bytes, one.known, passed))
    names = "accepted accepted_until accepted_bound_bytes accepted_because accepted_passed"
    return with_values(rows, found, names)


def windows(part: Recording, verdicts: pl.DataFrame) -> pl.DataFrame:
    about = part.containers.select("container_id", *WORKLOAD, "pod", "cadence_seconds", "workload_kind")
    window = {"window_start": pl.col("first").min(), "window_end": pl.col("last").max()}
    usual = (pl.col("cadence_seconds").median(), pl.col("workload_kind").drop_nulls().first())
    of_workload = beside(about, spans(part.samples), "container_id").group_by(*WORKLOAD, maintain_order=True)
    found = of_workload.agg(*usual, **window)
    happened = beside(found, _happened(part, found.select(*WORKLOAD, "window_end")), WORKLOAD).drop("window_end")
    shown = beside(verdicts.select("container_id", *WORKLOAD), about.select("container_id", "pod"), "container_id")
    return beside(shown, happened, WORKLOAD).drop(WORKLOAD)


#: Of events, beside the end of the window of their workload.
RECENT: Final = pl.col("time") > pl.col("window_end").fill_null(pl.col("time").max()) - HORIZON


def _happened(part: Recording, end: pl.DataFrame) -> pl.DataFrame:
    """Count kills, once each, and find the last release and the last change of the limit of each workload."""
    names = part.containers.select("container_id", *WORKLOAD, running="version")
    events = beside(part.events.join(names, on="container_id", maintain_order="left"), end, WORKLOAD)
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
            kills_7d=(killed & RECENT).sum().cast(pl.Int64),
            last_kill=time.filter(killed).last(),
            detail=pl.col("detail").filter(release).last(),
            released=time.filter(release).last(),
            limit_changed=time.filter("changed").last(),
            kills_since=(killed & (time > time.filter("changed").last())).sum().cast(pl.Int64),
        )
    )
    known = names.group_by(*WORKLOAD, maintain_order=True).agg(running=pl.col("running").drop_nulls().last())
    kills, since = pl.col("kills", "kills_7d").fill_null(0), pl.col("limit_changed").is_not_null()
    latest = {"version": pl.coalesce("detail", "running"), "kills_since": pl.when(since).then("kills_since")}
    return beside(known, told, WORKLOAD).select(*WORKLOAD, kills, "last_kill", "released", "limit_changed", **latest)


def with_words(rows: pl.DataFrame) -> pl.DataFrame:
    said = []
    for at, row in enumerate(rows.select(name for name in _SAID_FROM if name in rows.columns).iter_rows(named=True)):
        action = Action(row["action"] or Action.NONE)
        until, exporter = row["undecided_until"], action is Action.FIX_EXPORTER
        if action is Action.NONE:
            more = row["next_step"].startswith(NOTHING[:-1]) and row["next_step"] != NOTHING
            beside = advise(rows.row(at, named=True)) if more else ()
            found = next((one for one in beside if one.text.startswith(NOTHING[:-1])), Advice.of("nothing"))
        elif action in OF_LIMITS or (exporter and row["kills_now"] and row["limit_bytes"] is None):
            found = _of_limit(row, action)
        else:
            every = list(advise(rows.row(at, named=True)))
            decided = next((one.until for one in every if one.until is not None), None)
            if action is Action.WAIT and decided is None and None not in (until, row["history_seconds"]):
                # There is a history, and it is only too short.
                found = _of_limit(row, action)
            else:
                found = next((one for one in every if _fits(one, action)), Advice.of(f"only_{action}"))
            until = decided or until
        # Rows of verdicts alone have none.
        but = "" if row.get("limit_obstacle") is None else f" But {row['limit_obstacle']}."
        first = time_bought(row)
        words = first + found.sentence + but, first + found.text.rstrip(".") + "." + but
        of_advice = (*words, found.setting, found.expected, found.until or until)
        said.append((*of_advice, _worst(row), _limit_because(row), _alarm_text(row)))
    names = "next_step next_text setting expected undecided_until worst_until_then limit_because alarm_text"
    return with_values(rows, said, names)


#: A row with all its evidence is large: few need it.
_SAID_FROM: Final[list[str]] = text.texts("assessment/rows")["said_from"]


def time_bought(row: Row) -> str:
    """Say what a higher limit buys where a leak kills before anybody can mend it."""
    left, bought = row["hours_to_limit"], row.get("buys_days")
    soon = left is not None and left <= _DAY_HOURS and row["limit_bytes"] is not None
    if row["action"] != Action.FIX_LEAK or not soon or not bought:
        return ""
    return f"A limit of {text.configured(row['raise_to_bytes'])} buys {text.hours(_DAY_HOURS * bought)} more. "


def _worst(row: Row) -> str | None:
    waits = row["verdict"] == Verdict.INCONCLUSIVE or row["action"] == Action.WAIT
    if not waits or row["oom_probability_24h"] is None:
        return None
    day, week = (text.chance(row[name]) for name in ("oom_probability_24h", "oom_probability_7d"))
    return f"an OOM kill: {day} chance within a day, {week} within 7 days"


def _limit_because(row: Row) -> str | None:
    if row["kills_now"]:
        at = "" if row["killed_limit_bytes"] is None else f" at {text.configured(row['killed_limit_bytes'])}"
        return f"OOM-killed {text.times(row['kills_now'])}{at}"
    if row["growing"] or row["verdict"] == Verdict.LEAK:
        grows = "grows" if row["verdict"] == Verdict.LEAK else "may grow"
        rate = row["growth_bytes_per_day"]
        return grows if rate is None else f"{grows} by {text.rate(rate)}"
    if row["need_bytes"] is None:
        return None
    need, seen = text.memory(row["need_bytes"]), row["history_seconds"]
    said = f"startup needs {need}" if row["bound_by"] == "startup" else f"needs up to {need}"
    if row["risk_basis"] == "forecast":
        return f"{said} so far, and grows"
    return f"{said}, seen for {text.hours(seen / 3600)}" if seen and seen < _WEEK_SECONDS else said


def _alarm_text(row: Row) -> str | None:
    if row.get("alarm") is None:
        return None
    limit = text.configured(row["limit_bytes"])
    near = None not in (row["limit_at"], row["limit_bytes"]) and row["hours_to_limit"] <= th.FAR_HOURS
    soon = hits(row, f"its {limit} limit") if near else ""
    kill = f"{text.chance(row['oom_probability_7d'])} chance of an OOM kill this week at {limit}"
    match Alarm(row["alarm"]):
        case Alarm.KILLED:
            at = "" if row["killed_limit_bytes"] is None else f" at {text.configured(row['killed_limit_bytes'])}"
            last = f"{'last ' if row['kills_7d'] > 1 else ''}{text.moment(row['last_kill'])} UTC"
            said = [soon, f"OOM-killed {text.times(row['kills_7d'])}{at}, {last}"]
        case Alarm.LEAK:
            known = "no limit is set" if row["limit_known"] else "its limit is unknown"
            far = known if row["limit_bytes"] is None else f"its {limit} limit is far away"
            said = [f"leaks {text.rate(row['growth_bytes_per_day'])}", soon or far]
        case Alarm.TOO_LITTLE_DATA:
            seen, chance = text.hours((row["history_seconds"] or 0.0) / 3600), text.chance(row["oom_probability_7d"])
            said = [f"{chance} chance of an OOM kill this week; only {seen} of data"]
        case Alarm.WILL_BE_KILLED:
            said = [soon or kill]
        case Alarm.ABOVE_TARGET:
            said = [kill, soon]
    return "; ".join(filter(None, said))


def hits(row: Row, its: str = "its limit") -> str:
    """Say when the limit is hit, and how likely, or that restarts come first, as the headline has it."""
    left = row["hours_to_limit"]
    if left <= 0:
        return f"has reached {its}"
    when = f"in {text.hours(left)}" if row["limit_at"] is None else f"on {text.instant(row['limit_at'], left)}"
    month = row["oom_probability_30d"]
    if left > _MONTH_HOURS:
        # No chance is worked out for so long.
        return f"{'will' if row['verdict'] == Verdict.LEAK else 'may'} hit {its} {when}"
    if month is not None and month < _NEVER:
        return f"restarts before it hits {its}"
    chance = month if left > WEEK_HOURS else row["oom_probability_7d"]
    return f"{'will' if (chance or 0.0) >= WILL_BE_KILLED else 'may'} hit {its} {when}"


_DAY_HOURS: Final = 24
_MONTH_HOURS: Final = 30 * _DAY_HOURS
#: A chance of this in a month, where growth is at the limit within it, is of lives that end before.
_NEVER: Final = 0.001


_VERBS: Final = {Action.RAISE_LIMIT: "Raise", Action.LOWER_LIMIT: "Lower", Action.SET_LIMIT: "Set"}
NOTHING: Final = "Nothing to do."


def names_limit(one: Advice) -> bool:
    return (one.setting or "").startswith("resources.limits")


def _fits(one: Advice, action: Action) -> bool:
    """Tell whether a piece of advice is about the one action; what names another limit never is."""
    about_exporter = (one.because or "").startswith("rejected_")
    if action is Action.FIX_EXPORTER:
        return about_exporter
    if action is Action.REDUCE_STARTUP:
        return one.because == "startup_peak_bytes"
    nothing = action is Action.WAIT and one.text.startswith(NOTHING[:-1])
    return not (nothing or names_limit(one) or about_exporter or one.because == "oom_probability_7d")


def _of_limit(row: Row, action: Action) -> Advice:
    if action is Action.FIX_EXPORTER:
        return Advice.of("export_limit", times=text.times(row["kills_now"]))
    if action is Action.WAIT:
        until = row["undecided_until"]
        chance, left = row["oom_probability_7d"], text.hours(row["wait_seconds"] / 3600)
        rests = f"{text.hours(row['history_seconds'] / 3600)} of data" if row["history_seconds"] else "a single sample"
        what = f"nothing can be said of a week from {rests}"
        if chance is not None:
            what = f"the {text.chance(chance)} chance of an OOM kill in 7 days rests on {rests}"
        return Advice.of("wait_for_history", until=until, when=text.moment(until), left=left, what=what)
    old, new = row["limit_bytes"], row["advised_limit_bytes"]
    change = f" from {text.configured(old)}" if old is not None else ""
    before = None if old is None else row["oom_probability_7d"]
    chance = row["advised_oom_probability"]
    instead = "" if before is None else f" instead of {text.chance(before)}"
    if before is not None and text.chance(before) == text.chance(chance):
        instead = ", as now"
    return Advice(
        f"{_VERBS[action]} the limit{change} to {text.configured(new)}",
        setting=f"resources.limits.memory: {quantity(new)}",
        expected=None if chance is None else f"{text.chance(chance)} chance of an OOM kill in 7 days{instead}",
    )
