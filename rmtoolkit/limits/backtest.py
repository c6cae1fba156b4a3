"""Would it have held, was it foretold? Weeks and kills of the past, judged by what came before, beside every rival."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl
from msgspec import Struct

from rmtoolkit._parallel import parallel_map
from rmtoolkit._tables import beside, conform, parse_duration, settings_at_time
from rmtoolkit.analysis.judge import assess_block, judge
from rmtoolkit.analysis.signals import split
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import baselines, risk
from rmtoolkit.limits.history import kills, needs, usage, workloads
from rmtoolkit.limits.recommend import limits_at
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import NUMBER, TEXT, TIME, WHOLE, WORKLOAD, YES_NO, Ending, typed
from rmtoolkit.text import chance as chance_words
from rmtoolkit.text import count

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from rmtoolkit.limits.what_if import AnyRecording

#: Our own limits at these chances.
PROMISED: Final = (0.2, 0.1, 0.05, 0.02, 0.01)
#: The rule that every other has to beat: the peak and so many percent.
FAMILY: Final = (3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50)
#: The rivals, each at its default point; what VPA gives as request is taken as the limit.
RIVALS: Final[dict[str, tuple[Callable[[Recording], pl.DataFrame], str]]] = {
    "KRR": (baselines.krr_memory, "recommended_limit_bytes"),
    "VPA target": (baselines.vpa_memory, "target_bytes"),
    "VPA upper": (baselines.vpa_memory, "upper_bytes"),
}
#: Results have intervals of 95 %: so many deviations on either side.
_DEVIATIONS: Final = 1.959964
#: Weeks that a record looks back on.
_RECORDED: Final = 5
_ARMS: Final = pl.Schema(
    {
        "arm": TEXT,
        **typed(WHOLE, "weeks oom_weeks"),
        **typed(NUMBER, "oom_share oom_low oom_high worst_week slack reserved_gib"),
        **typed(WHOLE, "only_ours only_theirs"),
        "p_value": NUMBER,
    }
)
#: The newest kills of a container are looked back on, from so long before, or half of a run shorter than twice that.
_LOOKED_BACK: Final = 3
_BEFORE: Final = dt.timedelta(days=1)
#: An OOM kill, and what was said of that container from its samples up to `said_time`; null where nobody looked.
FORETOLD: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        "time": TIME,
        "limit_bytes": WHOLE,
        "said_time": TIME,
        **typed(TEXT, "said_verdict said_pattern"),
        **typed(TIME, "said_kill_time said_kill_time_low said_kill_time_high"),
    }
)
_SAID: Final = tuple(name for name in FORETOLD if name.startswith("said_"))
_RIVALS: Final = pl.Schema(
    {**dict.fromkeys(WORKLOAD, TEXT), "week": risk.PAIRS["week"], **typed(WHOLE, "krr_limit_bytes vpa_target_bytes")}
)

WEEKS: Final = pl.Schema(
    {
        **dict.fromkeys(WORKLOAD, TEXT),
        "week": pl.Datetime("ms", "UTC"),
        "arm": TEXT,
        "growing": YES_NO,
        **typed(WHOLE, "limit_bytes needed_bytes"),
        "oom": YES_NO,
        "slack": NUMBER,
        "pods": WHOLE,
        **typed(TIME, "said_kill_time killed_time"),
    }
)


@dataclass(frozen=True, slots=True)
class Backtest:
    """How limits would have done in past weeks.

    Attributes
    ----------
    weeks
        A row per workload container, week and rule: the limit that the rule gave from what came before, what the week
        needed, whether that was more (`oom`), and the share of the limit that stayed unused on average (`slack`).
        `limit_bytes` is null where a rule gave none. Growing workloads are in it, and in nothing else. `said_kill_time`
        is when the week's past said that the limit then in force would be hit, `killed_time` when it killed first.
        A row without a rule (`arm` is null) could not be judged, as a warning says; it too is in nothing else.
    arms
        A row per rule over the weeks for which every rule gave a limit (of our own: that at 5 %; at other chances there
        may be fewer), the growing ones left out: `arm`, `weeks`,
        `oom_weeks`, `oom_share` with its 95 % interval (Wilson, by week), the share in the `worst_week`, `slack`,
        `reserved_gib`, and against ours at 5 %: `only_ours`, `only_theirs` (weeks with an OOM kill under one of the two
        only), `p_value` (McNemar, exact).
    calibration
        A row per promised chance: `promised`, `weeks`, `oom_weeks`, `observed`, `low`, `high` (95 %, Wilson, by week),
        `worst_week`.

    Examples
    --------
    >>> Backtest.__slots__
    ('weeks', 'arms', 'calibration')
    """

    weeks: pl.DataFrame
    arms: pl.DataFrame
    calibration: pl.DataFrame

    def __repr__(self) -> str:
        ours = self.arms.filter(pl.col("arm") == _name(0.05))
        if not ours.height:
            return f"<Backtest: {self.weeks.height} rows, no week in which every rule gave a limit>"
        row = ours.row(0, named=True)
        return (
            f"<Backtest: {row['weeks']} workload weeks, at 5 %: {100 * row['oom_share']:.1f} % with an OOM kill, "
            f"{100 * row['slack']:.1f} % slack>"
        )


class Record(Struct, frozen=True):
    """How limits for a chance would have done in a fleet's own last weeks, each set from what came before it."""

    promised: float
    weeks: int
    counted: int
    kills: int
    #: The week with the most of them: of how many.
    worst: tuple[int, int]
    krr: int
    vpa: int

    @property
    def sentence(self) -> str:
        return (
            f"On your last {count(self.weeks, 'week')}: {self.kills:,} of {self.counted:,} weeks of workloads with an "
            f"OOM kill, {self.worst[0]:,} of {self.worst[1]:,} in the worst, {chance_words(self.promised)} promised; "
            f"KRR {self.krr:,}, VPA {self.vpa:,}"
        )


def rivals(part: Recording, pairs: pl.DataFrame) -> pl.DataFrame:
    """Say what KRR and VPA would have set before the last weeks of all pairs."""
    found = [pl.DataFrame(schema=_RIVALS)]
    for week in pairs["week"].unique().sort(descending=True).head(_RECORDED):
        before = part.window(start=week - baselines.KRR_HISTORY, end=week - dt.timedelta(milliseconds=1))
        others = baselines.others(before).with_columns(week=pl.lit(week).cast(risk.PAIRS["week"]))
        found.append(others.select(_RIVALS.names()))
    return pl.concat(found)


def record_of(gathered: dict[str, pl.DataFrame], margins: risk.Margins, promised: float) -> Record | None:
    """Count how limits would have done in the last weeks, with margins from before each; None: there are too few."""
    # Of each week the longest history.
    found = gathered["pairs"].sort("history_seconds").unique([*WORKLOAD, "week"], keep="last")
    found = found.with_columns(need_bytes="peak_bytes")
    rows = []
    for week in gathered["rivals"]["week"].unique():
        before = risk.with_own(margins, gathered["pairs"].filter(pl.col("week") < week))
        mine = found.filter(week=week)
        rows.append(mine.with_columns(limits_at(mine, promised, before)["limit_bytes"]))
    if not rows:
        return None
    weeks = pl.concat(rows).join(gathered["rivals"], on=[*WORKLOAD, "week"], nulls_equal=True)
    limits = ("limit_bytes", "krr_limit_bytes", "vpa_target_bytes")
    # Killed then: what it needed was above everything.
    killed = weeks.drop_nulls(limits).with_columns(
        (pl.col(name) < pl.col("next_bytes")) | (pl.col("rise") >= risk.CENSORED) for name in limits
    )
    if not killed.height:
        return None
    by_week = killed.group_by("week").agg(pl.col("limit_bytes").sum(), n=pl.len())
    worst = by_week.sort(pl.col("limit_bytes") / pl.col("n")).row(-1)
    sums = killed.select(pl.col(limits).sum()).row(0)
    return Record(promised, by_week.height, killed.height, sums[0], (worst[1], worst[2]), sums[1], sums[2])


def foretold(part: Recording) -> pl.DataFrame:
    """List OOM kills, and what was said a day before the newest of a container, or half way through short runs."""
    found = kills(part).select("container_id", "time", "limit_bytes")
    if not found.height:
        return pl.DataFrame(schema=FORETOLD)
    part = part.filter(pl.col("container_id").is_in(found["container_id"].implode()))
    runs = split(part).table.filter(pl.col("ended") == Ending.OOM_KILL).select("container_id", "start", "end")
    found = found.sort("time").join_asof(
        runs.sort("end"), left_on="time", right_on="end", by="container_id", strategy="backward", check_sortedness=False
    )
    # Of a kill that two events tell of the later one has no run of its own.
    own = found.filter(pl.struct("container_id", "end").is_first_distinct())
    half = pl.col("start") + (pl.col("time") - pl.col("start")) / 2
    said_time = pl.max_horizontal("time" - pl.lit(_BEFORE), half).dt.truncate("1s").cast(TIME)
    asked = own.select("container_id", "time", said_time=said_time).drop_nulls("said_time")
    newest = pl.int_range(pl.len(), 0, -1).over("container_id") <= _LOOKED_BACK
    looked = beside(found, _said_at(part, asked.filter(newest)), ["container_id", "time"])
    return looked.select(FORETOLD.names()).cast(FORETOLD).sort("container_id", "time")


def _said_at(part: Recording, asked: pl.DataFrame) -> pl.DataFrame:
    """Judge containers at instants of their own: at each it is one that none of the others is beside."""
    numbered = asked.select(container_id=pl.int_range(pl.len(), dtype=pl.UInt32), one="container_id", end="said_time")

    def then(frame: pl.DataFrame) -> pl.DataFrame:
        both = numbered.join(frame.rename({"container_id": "one"}), on="one", maintain_order="left_right")
        return both.select(*frame.columns, "end")

    happened, until = then(part.events), pl.col("time") <= pl.col("end")
    seen = then(part.samples).filter(until).drop("end")
    last = dict(seen.group_by("container_id").agg(pl.col("time").max()).iter_rows())
    there = then(part.containers).filter(pl.col("container_id").is_in(list(last))).drop("end")
    containers = settings_at_time(there, happened, pl.col("end"))
    events = happened.filter(until).drop("end")
    rows = []
    if last:
        block = assess_block(replace(part, containers=containers, samples=seen, events=events), restarts_known=True)
        for at, (container, time, said_time) in enumerate(asked.iter_rows()):
            if at in last:
                row = block.instance(at)
                hours = (row.hours_to_limit, row.hours_to_limit_low, row.hours_to_limit_high)
                times = (None if left is None else last[at] + dt.timedelta(hours=left) for left in hours)
                rows.append((container, time, said_time, row.verdict, row.pattern, *times))
    return pl.DataFrame(rows, {name: FORETOLD[name] for name in ("container_id", "time", *_SAID)}, orient="row")


def backtest(
    recording: AnyRecording,
    *,
    history: str | dt.timedelta = "14d",
    margins: risk.Margins | str | os.PathLike[str] | None = None,
    promised: Sequence[float] = PROMISED,
) -> Backtest:
    """Let every rule set limits from the past, and count the weeks in which they would have killed.

    Parameters
    ----------
    recording
        Your own history: as long as `history` and a week more, at the least.
    history
        What a rule sees before each week.
    margins
        For our own limits. None: the shipped ones, and what the weeks before each test week teach. Given
        margins must not come from the weeks that are tested.
    promised
        Chances of an OOM kill that our limits are set for.

    Returns
    -------
    Backtest
        Weeks, rules and calibration.

    Raises
    ------
    RmtoolkitError
        The recording is too short.

    Notes
    -----
    A week has an OOM kill when any pod went above the limit. What the process would have done after it is not in the
    record, so kills are not counted. Peaks between two scrapes are missing for all alike.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 22 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> backtest(table).arms.filter(pl.col("arm") == "KRR")["weeks"].to_list()
    [1]
    """
    recording = as_recording(recording)
    length = parse_duration(history)
    span = recording.times()
    origins = [] if span is None else _origins(*span, length)
    if not origins:
        msg = f"A backtest needs {(length + risk.HORIZON).days} days: what a rule sees, and a week to test it on."
        raise RmtoolkitError(msg)
    found = []
    for origin in origins:
        learnt = risk.as_margins(margins)
        if margins is None:
            # What the weeks that lie before teach.
            past = partial(risk.taught, end=origin - dt.timedelta(milliseconds=1), length=length)
            learnt = risk.with_own(learnt, parallel_map(recording, past)[0]["pairs"])
        scored = partial(weeks_of, origin=origin, history=length, margins=learnt, promised=promised)
        found.append(parallel_map(recording, scored, otherwise=partial(_unscored, origin=origin))[0]["weeks"])
    return summarise(pl.concat(found), promised)


def _origins(first: dt.datetime, last: dt.datetime, history: dt.timedelta) -> list[dt.datetime]:
    end = last + dt.timedelta(milliseconds=1)
    weeks = min((end - first - history * 0.98) // risk.HORIZON, risk.MOST_WEEKS)
    return [end - back * risk.HORIZON for back in range(weeks, 0, -1)]


def _unscored(part: Recording, _: BaseException, *, origin: dt.datetime) -> dict[str, pl.DataFrame]:
    rows = part.containers.select(WORKLOAD).unique(maintain_order=True)
    return {"weeks": conform(rows.with_columns(week=pl.lit(origin)), WEEKS)}


def weeks_of(
    recording: Recording, origin: dt.datetime, history: dt.timedelta, margins: risk.Margins, promised: Sequence[float]
) -> dict[str, pl.DataFrame]:
    tick = dt.timedelta(milliseconds=1)
    before = recording.window(start=origin - history, end=origin - tick)
    after = recording.window(start=origin, end=origin + risk.HORIZON - tick)
    if not before.height or not after.height:
        return {"weeks": pl.DataFrame(schema=WEEKS)}
    amount = pl.col("used_bytes")
    used = usage(after).group_by("workload_row").agg(needed_bytes=amount.max(), mean_bytes=amount.mean())
    week = workloads(after).join(used, on="workload_row").select(*WORKLOAD, "needed_bytes", "mean_bytes")
    verdicts = judge(before, whole=False)[0]["verdicts"]
    known = needs(before, verdicts)
    last = before.samples.group_by("container_id").agg(last=pl.col("time").max())
    hours = pl.duration(milliseconds=(pl.col("hours_to_limit") * 3_600_000).round(), time_unit="ms")
    said = verdicts.join(last, on="container_id").select(*WORKLOAD, said_kill_time=pl.col("last") + hours)
    killed = kills(after).group_by("workload_row").agg(killed_time=pl.col("time").min())
    came = workloads(after).join(killed, on="workload_row").select(*WORKLOAD, "killed_time")
    arms = {_name(chance): limits_at(known, chance, margins) for chance in promised}
    rules = RIVALS | {
        f"max + {percent} %": (partial(baselines.max_plus, percent=percent), "recommended_limit_bytes")
        for percent in FAMILY
    }
    arms |= {name: rule(before).select(*WORKLOAD, limit_bytes=column) for name, (rule, column) in rules.items()}
    arms["hindsight"] = week.select(*WORKLOAD, limit_bytes="needed_bytes")
    whole = week.join(known.select(*WORKLOAD, "growing", "pods"), on=WORKLOAD, nulls_equal=True)
    whole = beside(beside(whole, said, WORKLOAD), came, WORKLOAD)
    rows = [beside(whole, limits, WORKLOAD).with_columns(arm=pl.lit(name)) for name, limits in arms.items()]
    needed, mean, limit = (pl.col(f"{name}_bytes") for name in ("needed", "mean", "limit"))
    weeks = pl.concat(rows).with_columns(week=pl.lit(origin), oom=needed > limit, slack=1 - mean / limit)
    return {"weeks": conform(weeks, WEEKS)}


def _name(chance: float) -> str:
    return f"rmtoolkit {100 * chance:g} %"


def summarise(weeks: pl.DataFrame, promised: Sequence[float], *, reference: float = 0.05) -> Backtest:
    key = [*WORKLOAD, "week"]
    settled = weeks.filter(~pl.col("growing"))
    # A chance too small for the pairs there were leaves a week out for that chance only.
    must = pl.col("limit_bytes").is_not_null() | (
        pl.col("arm").str.starts_with("rmtoolkit") & (pl.col("arm") != _name(reference))
    )
    common = settled.filter(must.all().over(key)).filter(pl.col("limit_bytes").is_not_null())
    compared = common.filter(pl.col("arm") == _name(reference))
    arms = [_arm(name, rows, compared) for (name,), rows in common.group_by(["arm"], maintain_order=True)]
    given = settled.drop_nulls("limit_bytes")
    calibration = [
        {"promised": chance, **_share(given.filter(arm=_name(chance)), "observed", "")} for chance in promised
    ]
    told = typed(WHOLE, "weeks oom_weeks") | typed(NUMBER, "observed low high worst_week")
    promises = pl.DataFrame(calibration, schema={"promised": NUMBER, **told})
    return Backtest(weeks, pl.concat([pl.DataFrame(schema=_ARMS), *arms]), promises)


def _arm(name: str, rows: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    both = reference.join(rows, on=[*WORKLOAD, "week"], nulls_equal=True, suffix="_theirs")
    only_ours = int((both["oom"] & ~both["oom_theirs"]).sum())
    only_theirs = int((~both["oom"] & both["oom_theirs"]).sum())
    row = {
        "arm": name,
        **_share(rows, "oom_share", "oom_"),
        "slack": rows.select(pl.col("slack").mean()).item(),
        "reserved_gib": float((rows["limit_bytes"] * rows["pods"]).sum()) / 2**30 / max(rows["week"].n_unique(), 1),
        "only_ours": only_ours,
        "only_theirs": only_theirs,
        "p_value": mcnemar(only_ours, only_theirs),
    }
    return pl.DataFrame([row], schema=_ARMS)


def _share(rows: pl.DataFrame, name: str, prefix: str) -> dict[str, object]:
    """Count weeks with a kill; workloads of one week are no independent draws, so the interval goes by both."""
    killed, total = int(rows["oom"].sum()), rows.height
    swing = risk.swing_of(rows["oom"], rows["week"])
    low, high = risk.wilson(killed / max(total, 1), 1 / (swing + 1 / total) if total else 0.0, _DEVIATIONS)
    worst = rows.group_by("week").agg(pl.col("oom").mean())["oom"].max()
    return {
        "weeks": total,
        "oom_weeks": killed,
        name: killed / total if total else None,
        f"{prefix}low": low,
        f"{prefix}high": high,
        "worst_week": worst,
    }


def mcnemar(only_first: int, only_second: int) -> float:
    """Give the exact two-sided p-value of a paired comparison of two ways to fail."""
    total = only_first + only_second
    ways = sum(math.comb(total, fails) for fails in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * ways / (1 << total))
