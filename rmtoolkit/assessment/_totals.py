"""What stands beside the rows: totals, changes since last time, pods, advice, curves, nodes, quotas, what happened."""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import polars as pl

from rmtoolkit import schema, text
from rmtoolkit._io import read_columns
from rmtoolkit._tables import beside, conform, known_sum
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.patterns import advise
from rmtoolkit.analysis.queries import queries
from rmtoolkit.analysis.records import VERDICTS, Advice
from rmtoolkit.analysis.words import OF_ALL_LIVES
from rmtoolkit.assessment import _rows
from rmtoolkit.exceptions import ReadError, system_words
from rmtoolkit.limits.history import as_need
from rmtoolkit.limits.recommend import OF_LIMITS, quantity
from rmtoolkit.limits.risk import Margins, Prices, expected, of_needs, per_month, priced
from rmtoolkit.recording import Recording
from rmtoolkit.schema import NUMBER, TEXT, TIME, WHOLE, WORKLOAD, Alarm, Verdict, typed
from rmtoolkit.text import first, say

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Totals:
    """What all workloads together say; what is accepted counts in `workloads` and `accepted` alone."""

    workloads: int
    containers: int
    accepted: int
    leak: int
    inconclusive: int
    not_leak: int
    #: Workloads that were OOM-killed in the last seven days, and how often.
    killed: int
    kills: int
    #: Workloads that may meet their limit within seven days; leaks that will; leaks of which that is not known.
    reaching: int
    leaks_reaching: int
    leaks_unknown: int
    above_target: int | None
    target: float
    #: Workloads by why they are named first, each counted once.
    alarms: tuple[tuple[str, int], ...]
    #: Without a verdict, or with too little data to rule a kill out.
    short_of_data: int
    killed_again: int
    dying_otherwise: int
    #: What is set aside above the advised requests, in how many workloads; None: unknown.
    waste_bytes: int | None
    waste_workloads: int
    waste_per_month: float | None
    currency: str | None
    coverage: float | None
    samples: int
    data_age_seconds: float | None
    stale: bool
    window_end: dt.datetime | None
    #: Against last time; None where nothing is compared.
    leaks_new: int | None
    leaks_gone: int | None
    appeared: int | None
    gone: int | None
    above_target_before: int | None
    #: `workload_id` of what to start with, and why; None: nothing to do.
    start_with: int | None
    start_because: str

    @property
    def judged(self) -> int:
        return self.leak + self.inconclusive + self.not_leak

    @property
    def age_sentence(self) -> str | None:
        if self.window_end is None or self.data_age_seconds is None or not self.stale:
            return None
        end = f"{text.moment(self.window_end)} UTC"
        ago = text.hours(self.data_age_seconds / 3600)
        # Data of one may end before those of others.
        return f"The data end on {end}, {ago} ago: every “in 2 h” counts from the last sample of its workload."

    @property
    def leaks_ahead(self) -> str:
        """Say whether what leaks will hit its limit this week; nothing where nothing leaks."""
        return self._say(self._ahead)

    @property
    def sentence(self) -> str:
        alarms, undecided = dict(self.alarms), self.inconclusive == self.judged
        if not self.judged:
            return self._say("nothing")
        return self._say(
            first(leaks=self.leak, no_verdict=undecided, no_leak=True),
            self._ahead or first(more_data=self.inconclusive and not undecided),
            first(killed=self.killed),
            first(dying_too=self.killed and self.dying_otherwise, dying=self.dying_otherwise),
            first(above=alarms.get(Alarm.ABOVE_TARGET)),
            first(short=alarms.get(Alarm.TOO_LITTLE_DATA)),
        )

    @property
    def _ahead(self) -> str | None:
        return first(
            it_hits=self.leak == 1 and self.leaks_reaching,
            hit=self.leak and self.leaks_reaching,
            when_unknown=self.leak and self.leaks_unknown >= self.leak,
            some_unknown=self.leak and self.leaks_unknown,
            far=self.leak,
        )

    def _say(self, *names: str | None) -> str:
        told = {field.name: getattr(self, field.name) for field in fields(self)} | {"judged": self.judged}
        told |= {name: dict(self.alarms).get(name) for name in (Alarm.ABOVE_TARGET, Alarm.TOO_LITTLE_DATA)}
        return " ".join(say("assessment/totals", name, told) for name in names if name)


#: Data whose last sample is more scrapes old than this are told to be.
_STALE_SCRAPES: Final = 3


def totals_of(
    rows: pl.DataFrame,
    completeness: pl.DataFrame,
    changes: pl.DataFrame | None,
    target: float,
    prices: Prices | None,
    before: pl.DataFrame | None,
) -> Totals:
    """Add up the rows of a fleet; `changes` and the rows of last time are None where nothing is compared."""
    awake = rows.filter(pl.col("accepted").not_())
    reaching, alarm = pl.col("hours_to_limit") <= _rows.WEEK_HOURS, pl.col("alarm")
    likely = pl.col("oom_probability_7d") >= _rows.WILL_BE_KILLED
    known = completeness.filter(pl.col("coverage").is_not_null())
    covered = pl.min_horizontal("samples", "expected").sum() / pl.col("expected").sum().replace(0, None)
    acts = awake.filter(pl.col("action") != schema.Action.NONE).head(1).to_dicts()
    compared = changes is not None
    is_leak, was_leak = pl.col("verdict") == Verdict.LEAK, pl.col("previous_verdict") == Verdict.LEAK
    open_ = pl.col("verdict") == Verdict.INCONCLUSIVE
    counted = {
        **{verdict.value: pl.col("verdict") == verdict for verdict in Verdict},
        "killed": pl.col("kills_7d") > 0,
        "reaching": reaching,
        "leaks_reaching": is_leak & reaching & likely,
        "leaks_unknown": is_leak & pl.col("hours_to_limit").is_null(),
        "short_of_data": open_ | (alarm == Alarm.TOO_LITTLE_DATA).fill_null(value=False),
        "killed_again": (alarm == Alarm.KILLED) & likely,
        "dying_otherwise": (alarm == Alarm.WILL_BE_KILLED) & is_leak.not_(),
        "waste_workloads": pl.col("waste_bytes") > 0,
    }
    return Totals(
        **awake.select(holds.sum().alias(name) for name, holds in counted.items()).row(0, named=True),
        workloads=rows.height,
        containers=completeness.height,
        accepted=rows.height - awake.height,
        kills=int(awake["kills_7d"].sum()),
        above_target=_above(rows, target),
        target=target,
        alarms=tuple((str(name), int((awake["alarm"] == name).sum())) for name in Alarm),
        **awake.select(map(known_sum, ("waste_bytes", "waste_per_month"))).row(0, named=True),
        currency=None if prices is None else prices.currency,
        coverage=known.select(covered).item(),
        samples=int(completeness["samples"].sum()),
        data_age_seconds=rows.select(pl.col("data_age_seconds").min()).item(),
        stale=bool((rows["data_age_seconds"] > _STALE_SCRAPES * rows["cadence_seconds"].fill_null(60.0)).all()),
        window_end=completeness.select(pl.col("last").max()).item(),
        leaks_new=rows.filter(is_leak & was_leak.fill_null(value=False).not_()).height if compared else None,
        leaks_gone=rows.filter(was_leak & (pl.col("verdict") == Verdict.NOT_LEAK)).height if compared else None,
        appeared=None if changes is None else changes.filter(pl.col("kind") == Change.NEW).height,
        gone=None if changes is None else changes.filter(pl.col("kind") == Change.GONE).height,
        above_target_before=None if before is None else _above(before, target),
        start_with=acts[0]["workload_id"] if acts else None,
        start_because=_why_start(acts[0], target) if acts else _rows.NOTHING,
    )


def _above(before: pl.DataFrame, target: float) -> int | None:
    """Count what was above the target last time, what is gone since too; what was accepted then counted nowhere."""
    if "accepted" in before.columns:
        before = before.filter(pl.col("accepted").fill_null(value=False).not_())
    chances = before["oom_probability_7d"] if "oom_probability_7d" in before.columns else pl.Series(dtype=pl.Float64)
    return int((chances > target).sum()) if chances.count() else None


def _why_start(row: Row, target: float) -> str:
    if row["verdict"] == Verdict.LEAK:
        cure = "raising the limit only delays the kill"
        if row["limit_outlook"] == schema.Outlook.REACHES and row["hours_to_limit"]:
            return f"{_rows.hits(row)}; {cure}."
        return f"it leaks {text.rate(row['growth_bytes_per_day'])}; {cure}."
    chance = row["oom_probability_7d"] or 0.0
    if chance > target:
        said = f"{text.chance(chance)} chance of an OOM kill in the next 7 days"
        if row["action"] == schema.Action.RAISE_LIMIT:
            said += f"; a limit of {text.configured(row['advised_limit_bytes'])} brings it to "
            said += text.chance(row["advised_oom_probability"])
        return f"{said}."
    return str(row["next_text"])


#: What is wrong and what can be saved, a row for each namespace and owner, the worst first.
GROUPS: Final = pl.Schema(
    {
        **typed(TEXT, "namespace owner"),
        **dict.fromkeys(("workloads", *map(str, Alarm), "waste_bytes"), WHOLE),
        "waste_per_month": NUMBER,
    }
)


def groups_of(rows: pl.DataFrame) -> pl.DataFrame:
    alarms = [(pl.col("alarm") == name).sum().alias(str(name)) for name in Alarm]
    waste = map(known_sum, ("waste_bytes", "waste_per_month"))
    groups = rows.filter(pl.col("accepted").not_()).group_by("namespace", "owner", maintain_order=True)
    found = groups.agg(pl.len().alias("workloads"), *alarms, *waste)
    return conform(found.sort(*map(str, Alarm), "workloads", descending=True, maintain_order=True), GROUPS)


#: Higher limits that are tried, as multiples of the one in force; the first is `raise_to_bytes`.
_RAISED: Final = (1.5, 2.0, 3.0)
BUYS: Final = pl.Schema(
    {
        "workload_id": pl.UInt32(),
        **dict.fromkeys(WORKLOAD, TEXT),
        "limit_bytes": WHOLE,
        **typed(NUMBER, "oom_probability hours_to_limit hours_bought cost_per_month"),
    }
)


def tried_limits(rows: pl.DataFrame) -> pl.DataFrame:
    grows, limit = rows.filter(pl.col("growing") & (pl.col("limit_bytes") > 0)), pl.col("limit_bytes")
    tried = pl.concat_list(limit, *((limit * times / text.MI).ceil().cast(WHOLE) * text.MI for times in _RAISED))
    return grows.select("workload_id", *WORKLOAD, tried.alias("limit_bytes")).explode("limit_bytes")


def buys_of(
    rows: pl.DataFrame, needs: pl.DataFrame, tried: pl.DataFrame, curves: pl.DataFrame, prices: Prices | None
) -> pl.DataFrame:
    rates = needs.select(*WORKLOAD, rate=pl.col("ahead").struct.field("per_day_bytes"))
    about = rows.select("workload_id", *WORKLOAD, "pods_now", left="hours_to_limit", in_force="limit_bytes")
    about = beside(about, rates, WORKLOAD).drop(WORKLOAD)
    chances = curves.select("workload_id", "limit_bytes", "oom_probability")
    more, rate = pl.col("limit_bytes") - pl.col("in_force"), pl.col("rate")
    bought = pl.when(rate > 0).then(more / rate * 24)
    found = beside(beside(tried, about, "workload_id"), chances, ["workload_id", "limit_bytes"])
    cost = more * pl.col("pods_now") * pl.lit(per_month(1.0, prices), NUMBER)
    left = pl.col("left") + bought
    return conform(found.with_columns(hours_to_limit=left, hours_bought=bought, cost_per_month=cost), BUYS)


#: A container whose last sample is older than this many of its steps no longer runs.
_GONE_STEPS: Final = 5
_LEAST_SECONDS: Final = 300.0

CAPACITY: Final = pl.Schema(
    typed(TEXT, "kind name") | typed(WHOLE, "available_bytes containers unknown now_bytes then_bytes freed_bytes")
)


def capacity_of(rows: pl.DataFrame, recording: Recording, completeness: pl.DataFrame) -> pl.DataFrame:
    """Add up requests by node, of all nodes, and requests or limits by quota, as they are and as they would be."""
    report = recording.report
    if not report.nodes and not report.quotas:
        return pl.DataFrame(schema=CAPACITY)
    running = _running(rows, recording, completeness)
    nodes, quotas = (
        pl.DataFrame(list(of.items()), schema={"name": pl.String(), "available_bytes": pl.Int64()}, orient="row")
        for of in (report.nodes, report.quotas)
    )
    quotas = quotas.with_columns(
        namespace=pl.col("name").str.split("/").list.first(), resource=pl.col("name").str.split(" ").list.last()
    )
    found = [_summed("node", nodes.join(running, left_on="name", right_on="node", how="left"), "request")]
    if nodes.height:
        whole = pl.lit("nodes").alias("kind"), pl.lit("all nodes").alias("name")
        found.append(found[0].select(*whole, pl.exclude("kind", "name").sum()))
    for setting, resources in (("request", ("requests.memory", "memory")), ("limit", ("limits.memory",))):
        mine = quotas.filter(pl.col("resource").is_in(resources))
        found.append(_summed("quota", mine.join(running, on="namespace", how="left"), setting))
    return pl.concat(found)


def _running(rows: pl.DataFrame, recording: Recording, completeness: pl.DataFrame) -> pl.DataFrame:
    containers = beside(recording.containers, completeness.select("container_id", "last"), "container_id")
    newest = containers["last"].max()
    reach = pl.max_horizontal(pl.col("cadence_seconds").fill_null(60.0) * _GONE_STEPS, pl.lit(_LEAST_SECONDS))
    limits = rows.select(*WORKLOAD, "advised_request_bytes", "advised_limit_bytes")
    running = containers.filter((pl.lit(newest) - pl.col("last")).dt.total_seconds() <= reach)
    # What leaks keeps what it has: nothing is advised that it would fill.
    then = (
        pl.when(pl.col(now).is_not_null()).then(pl.coalesce(f"advised_{now}", now)).alias(f"{now} then")
        for now in ("request_bytes", "limit_bytes")
    )
    return beside(running, limits, WORKLOAD).select(
        "node", "namespace", "container_id", "request_bytes", "limit_bytes", *then
    )


def _summed(kind: str, joined: pl.DataFrame, setting: str) -> pl.DataFrame:
    now, then = pl.col(f"{setting}_bytes"), pl.col(f"{setting}_bytes then")
    there = pl.col("container_id").is_not_null()
    counted = {"containers": there.sum(), "unknown": (there & now.is_null()).sum()}
    amounts = {"now_bytes": now.sum(), "then_bytes": then.sum(), "freed_bytes": now.sum() - then.sum()}
    summed = joined.group_by("name", "available_bytes", maintain_order=True).agg(**counted, **amounts)
    return summed.select(pl.lit(kind).alias("kind"), *CAPACITY.names()[1:]).cast(CAPACITY).sort("name")


def evidence_of(workloads: pl.DataFrame) -> pl.DataFrame:
    exploded = workloads.select("workload_id", "runs", "evidence").explode("evidence", empty_as_null=False)
    found = exploded.filter(pl.col("evidence").is_not_null()).unnest("evidence")
    whole = pl.col("statistic").is_in(OF_ALL_LIVES)
    return found.with_columns(lives=pl.when(whole).then("runs").otherwise(1)).drop("runs")


_TRIED: Final = (0.8, 0.9, 1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0)


def curves_of(
    needs: pl.DataFrame, limits: pl.DataFrame, more: pl.DataFrame, margins: Margins, prices: Prices | None
) -> pl.DataFrame:
    """Give the chance and the price of limits around the need, of the one in force, the advised one and some more."""
    on = list(WORKLOAD)
    around = needs.select(
        *on, pl.concat_list([(pl.col("need_bytes") * times).cast(pl.Int64) for times in _TRIED]).alias("limit_bytes")
    ).explode("limit_bytes")
    named_ones = [limits.select(*on, limit_bytes=name) for name in ("limit_bytes", "recommended_limit_bytes")]
    tried = pl.concat([around, *named_ones, more.select(*on, "limit_bytes")])
    tried = tried.filter(pl.col("limit_bytes") > 0).unique().sort(*on, "limit_bytes")
    if not tried.height:
        tried = needs.select(*on, limit_bytes=pl.lit(1, dtype=pl.Int64))
    found = of_needs(needs, tried, margins)
    if prices is None:
        return found.with_columns(
            pl.lit(None, NUMBER).alias(name) for name in ("cost_per_month", "incidents_per_month")
        )
    known = {tuple(row[name] for name in WORKLOAD): as_need(row) for row in needs.iter_rows(named=True)}
    costs = []
    for *key, limit, chance in found.select(*on, "limit_bytes", "oom_probability").iter_rows():
        need = known[tuple(key)]
        costs.append((priced(need, limit, need.request_bytes, prices), expected(chance, prices)))
    return found.hstack(pl.DataFrame(costs, typed(NUMBER, "cost_per_month incidents_per_month"), orient="row"))


def advice_of(rows: pl.DataFrame) -> pl.DataFrame:
    found = [
        (row["workload_id"], rank, one.text.rstrip(".") + ".", one.setting, one.expected, one.because, one.until)
        for row in rows.iter_rows(named=True)
        for rank, one in enumerate(_steps_of(row))
    ]
    wanted = {"workload_id": pl.UInt32(), "rank": WHOLE, **typed(TEXT, "text setting expected because"), "until": TIME}
    return pl.DataFrame(found, schema=wanted, orient="row")


def _steps_of(row: Row) -> Iterator[Advice]:
    first = row["next_text"]
    every = list(advise(row))
    # The time that a higher limit buys stands before it.
    of_first = [one for one in every if first.endswith(one.text.rstrip(".") + ".")]
    because = of_first[0].because if of_first else row["action"]
    yield Advice(first, row["setting"], row["expected"], because, row["undecided_until"])
    for one in every:
        # A limit is named in one place.
        if one not in of_first and one.text.rstrip(".") != _rows.NOTHING[:-1] and not _rows.names_limit(one):
            yield one
    # Where a kill is near, the first step says so.
    if row["raise_to_bytes"] is not None and row["action"] not in OF_LIMITS and not _rows.time_bought(row):
        bought = text.hours(24 * row["buys_days"])
        until = "this is decided" if row["action"] == schema.Action.WAIT else "it is fixed"
        how = "set a limit" if row["limit_bytes"] is None else "raise the limit"
        more = " more" if row["limit_bytes"] is not None else ""
        size = quantity(row["raise_to_bytes"])
        yield Advice.of("survive_until", decided=until, how=how, quantity=size, bought=bought, more=more)


def queries_of(rows: pl.DataFrame) -> pl.DataFrame:
    found = [
        (row["workload_id"], query.shows, query.promql) for row in rows.iter_rows(named=True) for query in queries(row)
    ]
    return pl.DataFrame(found, schema={"workload_id": pl.UInt32(), **typed(TEXT, "shows promql")}, orient="row")


class Change(StrEnum):
    NEW = "new"
    WORSE = "worse"
    APPLIED = "applied"
    BETTER = "better"
    RESOLVED = "resolved"
    GONE = "gone"


#: A row per change; `workload_id` is null for what is gone.
CHANGES: Final = pl.Schema(
    {"workload_id": pl.UInt32(), **dict.fromkeys(("kind", *WORKLOAD, "sentence"), TEXT), "time": TIME}
)
#: What is compared, beside the columns of `classify`.
_BESIDE: Final = (
    *("advised_limit_bytes", "kills", "version", "released", "limit_changed", "kills_since", "last_kill"),
    *("window_start", "window_end"),
)
_COMPARED: Final = pl.Schema({name: _rows.WORKLOADS[name] for name in (*VERDICTS, *_BESIDE) if name != "evidence"})
#: Names that columns had in files of earlier versions; `oom_probability` was the chance at the limit in force.
_FORMERLY: Final = {"recommended_limit_bytes": "advised_limit_bytes", "oom_probability": "oom_probability_7d"}
#: A chance has changed when its odds have, by this factor: estimates of two windows always differ somewhat.
_ODDS: Final = 5.0
#: Kills of a leak come and go with its lives: only the first one is news, or this many times as many and more.
_MORE_KILLS: Final = 2
#: A leak is faster when its interval lies above the old one and its rate is this many times the old one.
_FASTER: Final = 1.5


def stored(previous: str | os.PathLike[str]) -> pl.DataFrame | None:
    """Read what a report left last time; None where the file is a recording."""
    path = Path(previous)
    file = path / "verdicts.parquet" if path.is_dir() else path
    expected = "verdicts.parquet of a report, or the folder it is in"
    try:
        if not file.is_file():
            raise ReadError.at(file, found="no such file or directory", expected=expected)
        return read_columns(file, file, expected) if "verdict" in pl.read_parquet_schema(file) else None
    except OSError as error:
        raise ReadError.at(file, found=system_words(error), expected=expected) from error
    except pl.exceptions.PolarsError as error:
        raise ReadError.at(file, found=str(error).splitlines()[0], expected=expected) from error


def up_to_date(before: pl.DataFrame) -> pl.DataFrame:
    return before.with_columns(pl.col(old).alias(new) for old, new in _FORMERLY.items() if old in before.columns)


def compare(rows: pl.DataFrame, before: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    if before is None:
        return rows, pl.DataFrame(schema=CHANGES)
    on = list(WORKLOAD)
    old = conform(before.unique(on, keep="first", maintain_order=True), _COMPARED)
    now = rows.select("workload_id", "evidence", "limit_at", *_COMPARED)
    both = beside(now, old.select(*on, before=pl.struct(pl.all())), on)
    found: list[tuple[Any, ...]] = []
    told: list[tuple[Any, ...]] = []
    for row in both.iter_rows(named=True):
        last = row["before"]
        mine = list(_changes_of(row, last))
        found += [(row["workload_id"], kind, *(row[name] for name in on), said, time) for kind, said, time in mine]
        first = mine[0] if mine else ("same", None, None)
        applied = last is not None and _limit_moved(row, last) and last["advised_limit_bytes"] == row["limit_bytes"]
        then = ("verdict", "oom_probability_7d", "limit_bytes")
        told.append((first[0], first[1], applied, *(last and last[name] for name in then)))
    gone = old.join(now, on=on, how="anti", nulls_equal=True, maintain_order="left").select(*on, "window_end")
    found += [(None, Change.GONE, *names, "is gone.", end) for *names, end in gone.iter_rows()]
    changes = pl.DataFrame(found, schema=CHANGES, orient="row")
    names = "change changed applied previous_verdict previous_oom_probability_7d previous_limit_bytes"
    return _rows.with_values(rows, told, names), changes.sort(pl.col("kind").cast(pl.Enum(Change)), maintain_order=True)


def _changes_of(row: Row, last: Row | None) -> Iterator[tuple[Change, str, dt.datetime | None]]:
    if last is None:
        yield Change.NEW, _appeared(row), row["window_start"]
        return
    leaks, leaked = row["verdict"] == "leak", last["verdict"] == "leak"
    moved = _limit_moved(row, last)
    if leaks and not leaked:
        yield Change.WORSE, _leaks(row, last), row["released"]
    elif leaks:
        if said := _worse(row, last, moved=moved):
            yield Change.WORSE, said, row["last_kill"]
    elif leaked and row["verdict"] == "not_leak":
        yield Change.RESOLVED, _ended(row, last), row["released"]
    elif killed := _killed(row, last):
        yield (*killed, row["last_kill"])
    elif not moved and (crossed := _crossed(row, last)):
        yield (*crossed, row["released"])
    if moved:
        yield Change.APPLIED, _applied(row, last), row["limit_changed"]


def _appeared(row: Row) -> str:
    if row["verdict"] == "leak":
        return _leaks(row, None)
    if row["kills"]:
        return f"was not there last time, and was OOM-killed {text.times(row['kills'])}; {_leak_or_not(row)}."
    return "was not there last time."


def _leaks(row: Row, last: Row | None) -> str:
    since = next((piece["value"] for piece in row["evidence"] or [] if piece["statistic"] == "since_version"), None)
    words = f"leaks {text.rate(row['growth_bytes_per_day'])}"
    if since is not None:
        day = f", {text.day(row['released'])}" if row["released"] is not None and row["version"] == since else ""
        words += f" since release {text.printable(since)}{day}"
    elif row["released"] is not None:
        release = f" {text.printable(row['version'])}" if row["version"] is not None else ""
        words += f", with release{release} of {text.day(row['released'])} in the week"
    elif last is None:
        words += "; it was not there last time"
    if row["limit_outlook"] == schema.Outlook.REACHES and row["hours_to_limit"] is not None:
        words += f"; {_rows.hits(row)}"
    return f"{words}."


def _worse(row: Row, last: Row, *, moved: bool) -> str | None:
    said = []
    kills: int | None = last["kills"]
    if kills is not None and _many_more(row["kills"], kills):
        said.append(f"was OOM-killed {text.times(row['kills'])}, last time {text.times(kills)}")
    low, high = row["growth_low_bytes_per_day"], last["growth_high_bytes_per_day"]
    rate, old = row["growth_bytes_per_day"], last["growth_bytes_per_day"]
    same = row["signal"] == last["signal"]
    if same and None not in (low, high, rate, old) and low > high and rate > _FASTER * old > 0:
        said.append(f"leaks {text.rate(rate)}, last time {text.rate(old)}")
    if not moved and _reaches_soon(row) and not _reaches_soon(last):
        before = text.hours(last["hours_to_limit"]) if last["hours_to_limit"] is not None else "not within sight"
        said.append(f"{_rows.hits(row)}, last time {before}")
    elif said and row["hours_to_limit"] is not None:
        before = f", last time {text.hours(last['hours_to_limit'])}" if last["hours_to_limit"] is not None else ""
        said.append(f"{_rows.hits(row)}{before}")
    return f"{'; '.join(said)}." if said else None


def _many_more(kills: int, before: int) -> bool:
    return kills > _MORE_KILLS * before + (1 if before else 0)


def _reaches_soon(row: Row) -> bool:
    return row["hours_to_limit"] is not None and row["hours_to_limit"] <= _rows.WEEK_HOURS


def _ended(row: Row, last: Row) -> str:
    was = f" (was {text.rate(last['growth_bytes_per_day'])})" if last["growth_bytes_per_day"] is not None else ""
    by = next((piece["value"] for piece in row["evidence"] or [] if piece["statistic"] == "fixed_version"), None)
    if by is None and row["version"] is not None and last["version"] not in (None, row["version"]):
        by = row["version"]
    if by is not None or row["released"] is not None:
        release = "its release" if by is None else f"release {text.printable(by)}"
        day = f", {text.day(row['released'])}" if row["released"] is not None else ""
        return f"no longer leaks since {release}{day}{was}."
    return f"no longer leaks{was}."


def _killed(row: Row, last: Row) -> tuple[Change, str] | None:
    before: int | None = last["kills"]
    if before is None:
        return None
    if _many_more(row["kills"], before) and (row["kills_since"] is None or row["kills_since"]):
        killed = f"was OOM-killed {text.times(row['kills'])}, last time {text.times(before)}"
        return Change.WORSE, f"{killed}; {_leak_or_not(row)}."
    if before and not row["kills"]:
        return Change.RESOLVED, f"no OOM kill, last time {text.count(before, 'kill')}."
    return None


def _leak_or_not(row: Row) -> str:
    return "it does not leak" if row["verdict"] == "not_leak" else "whether it leaks is undecided"


def _crossed(row: Row, last: Row) -> tuple[Change, str] | None:
    chance, before = row["oom_probability_7d"], last["oom_probability_7d"]
    if chance is None or before is None or (chance > th.RISKY) == (before > th.RISKY):
        return None
    if abs(_log_odds(chance) - _log_odds(before)) < math.log(_ODDS):
        return None
    target, last_time = text.share(th.RISKY), f"last time {text.chance(before)}"
    if chance > th.RISKY:
        # What leaked last time was named then; that it is not decided now is no change.
        return Change.WORSE, f"exceeds the {target} target: {text.chance(chance)} chance of an OOM kill, {last_time}."
    if row["released"] is None and row["version"] == last["version"]:
        # A quiet week changes nothing: the next start or burst may be as high as the last one.
        return None
    release = f"release {text.printable(row['version'])}" if row["version"] is not None else "its release"
    return Change.BETTER, f"is within the {target} target since {release}: {text.chance(chance)}, {last_time}."


def _log_odds(chance: float) -> float:
    # Beyond a tenth of a per cent nobody has seen enough weeks to tell.
    bounded = min(max(chance, 0.001), 0.999)
    return math.log(bounded / (1 - bounded))


def _limit_moved(row: Row, last: Row) -> bool:
    now, then = row["limit_bytes"], last["limit_bytes"]
    return now is not None and then is not None and now != then


def _applied(row: Row, last: Row) -> str:
    words = f"limit {text.configured_mi(last['limit_bytes'])} → {text.configured(row['limit_bytes'])}"
    if last["advised_limit_bytes"] == row["limit_bytes"]:
        words += ", as recommended"
    if row["verdict"] == "leak":
        if row["limit_bytes"] < last["limit_bytes"]:
            return f"{words}; it leaks."
        left = f": it {_rows.hits(row)}" if row["hours_to_limit"] is not None else ""
        return f"{words}; that only delays the kill, it still leaks{left}."
    before, chance = last["oom_probability_7d"], row["oom_probability_7d"]
    if before is not None and chance is not None:
        then, now = text.chance(before), text.chance(chance)
        change = f"stays {now}" if then == now else f"{then.removesuffix(' %')} → {now}"
        words += f": chance of an OOM kill {change}"
    kills = row["kills"] if row["kills_since"] is None else row["kills_since"]
    return f"{words}, {'none seen' if not kills else text.count(kills, 'kill') + ' since'}."


#: A limit or a request as long as one value was set: from `start` (null: whenever) to `end` (null: still).
SETTINGS: Final = pl.Schema(
    {"container_id": pl.UInt32(), "kind": TEXT, **typed(TIME, "start end"), "value_bytes": WHOLE}
)


def settings_of(recording: Recording) -> pl.DataFrame:
    """Cut limits and requests into stretches of one value; what was set before the first change is unknown."""
    said = recording.events.filter(pl.col("kind").is_in(["limit", "request"]))
    following = pl.col("time").shift(-1).over("container_id", "kind")
    changed = said.select("container_id", "kind", start="time", end=following, value_bytes="value_bytes")
    constant = (
        recording.containers.select("container_id", limit="limit_bytes", request="request_bytes")
        .unpivot(index="container_id", variable_name="kind", value_name="value_bytes")
        .join(said, on=["container_id", "kind"], how="anti")
    )
    found = pl.concat([changed, conform(constant, SETTINGS)]).drop_nulls("value_bytes")
    return found.sort("container_id", "kind", "start")


def kills_of(foretold: pl.DataFrame) -> pl.DataFrame:
    return foretold.with_columns(
        sentence=pl.Series([_foretold(row) for row in foretold.iter_rows(named=True)], dtype=pl.String)
    )


def _foretold(row: Row) -> str:
    killed, said, foreseen = row["time"], row["said_time"], row["said_kill_time"]
    if said is None:
        return f"Killed on {text.moment(killed)} UTC."
    fine = killed - said < dt.timedelta(minutes=10)

    def when(time: dt.datetime) -> str:
        same = time.astimezone(dt.UTC).date() == said.astimezone(dt.UTC).date()
        return text.clock(time, seconds=fine) if same else text.moment(time, seconds=fine)

    begin, came = f"On {text.moment(said, seconds=fine)} UTC", f"it was killed at {when(killed)}"
    if foreseen is not None:
        low, high = row["said_kill_time_low"], row["said_kill_time_high"]
        span = f" (80 %: {when(low)} to {when(high)})" if None not in (low, high) else ""
        return f"{begin} the data said {when(foreseen)}{span}; {came}."
    if row["said_pattern"] == schema.Pattern.INSUFFICIENT_DATA:
        return f"{begin} there were too few samples to tell; {came}."
    if row["said_verdict"] == Verdict.NOT_LEAK:
        return f"{begin} the data showed no growth towards the limit; {came}."
    return f"{begin} it could not be said when; {came}."


_CUTS: Final = ("oom_kill", "node_oom", "evicted", "error", "end", "start", "release")
#: A restart is seen in the samples up to this many steps away from the event that tells of it.
_REACH_STEPS: Final = 10
_FAR: Final = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


def events_of(recording: Recording, lives: pl.DataFrame, settings: pl.DataFrame) -> pl.DataFrame:
    """List what happened, restarts that no event names among it: what was set before, and the limit in force."""
    told = pl.concat([recording.events, _unnamed(recording, lives)], how="diagonal").sort("time", maintain_order=True)
    # At the instant of a change the old limit was still the one that killed.
    limits = settings.filter(kind="limit").select(
        "container_id", "start", time=pl.col("end").fill_null(pl.lit(_FAR).cast(TIME)), limit_bytes="value_bytes"
    )
    return (
        told.with_columns(before_bytes=pl.col("value_bytes").shift().over("container_id", "kind"))
        .join_asof(limits.sort("time"), on="time", by="container_id", strategy="forward", check_sortedness=False)
        .with_columns(
            limit_bytes=pl.when((pl.col("start") <= pl.col("time")).fill_null(value=True)).then("limit_bytes")
        )
        .select(*schema.EVENTS, "before_bytes", "limit_bytes")
        .sort("container_id", "time", maintain_order=True)
    )


def _unnamed(recording: Recording, lives: pl.DataFrame) -> pl.DataFrame:
    """List restarts that no event explains; what happened in a long stretch without samples is not known."""
    step = pl.col("cadence_seconds").fill_null(60.0) * 1000 * _REACH_STEPS
    reach = recording.containers.select("container_id", reach=pl.duration(milliseconds=step.round(), time_unit="ms"))
    ended, end = (pl.col(name).shift().over("container_id") for name in ("ended", "end"))
    before = lives.sort("container_id", "start").with_columns(hidden=ended == schema.Ending.GAP, before=end)
    begun = beside(before.filter(pl.col("hidden").not_()), reach, "container_id")
    begun = begun.with_columns(time=pl.col("before") - pl.col("reach")).sort("time")
    cuts = recording.events.filter(pl.col("kind").is_in(_CUTS)).select("container_id", "time", cut="time")
    nearest = begun.join_asof(
        cuts.sort("time"), on="time", by="container_id", strategy="forward", check_sortedness=False
    )
    unexplained = (pl.col("cut") > pl.col("start") + pl.col("reach")).fill_null(value=True)
    return nearest.filter(unexplained).select("container_id", time="start", kind=pl.lit(schema.Ending.RESTART.value))
