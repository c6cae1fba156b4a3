"""A fleet in a few figures: verdicts, kills, spare memory, what to start with; nodes and quotas; what limits buy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.assessment._changes import Change
from rmtoolkit.limits.cost import per_month
from rmtoolkit.schema import Action, Outlook, Pattern, Verdict

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from rmtoolkit.limits.cost import Prices
    from rmtoolkit.recording import Recording

    Row = Mapping[str, Any]

_HORIZON_HOURS: Final = 168


@dataclass(frozen=True, slots=True)
class Totals:
    """What all workloads together say; what is accepted counts in `workloads` and `accepted` alone."""

    workloads: int
    containers: int
    accepted: int
    leak: int
    inconclusive: int
    not_leak: int
    #: What does not leak, by pattern, the most common first.
    patterns: tuple[tuple[str, int], ...]
    #: Workloads with too few samples to judge.
    too_little_data: int
    #: Workloads that were OOM-killed in the last seven days, and how often.
    killed: int
    kills: int
    #: Workloads that meet their limit within seven days; leaks among them; leaks of which that is not known.
    reaching: int
    leaks_reaching: int
    leaks_unknown: int
    #: Above `target`; None where no chance is known.
    above_target: int | None
    target: float
    #: What is set aside above the advised requests, in how many workloads; None: unknown.
    waste_bytes: int | None
    waste_workloads: int
    waste_per_month: float | None
    reserved_now_bytes: int | None
    reserved_then_bytes: int | None
    cost_now_per_month: float | None
    cost_then_per_month: float | None
    currency: str | None
    coverage: float | None
    samples: int
    #: Of the workload with the oldest data.
    data_age_seconds: float | None
    window_start: dt.datetime | None
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
        """Workloads that are not accepted."""
        return self.leak + self.inconclusive + self.not_leak

    @property
    def sentence(self) -> str:
        """The answer for all of them: what stands first."""
        total = text.count(self.judged, "workload")
        if not self.judged:
            return "There is no workload to judge."
        if self.leak:
            said = f"{self.leak:,} of {total} {'leaks' if self.leak == 1 else 'leak'}. {self._when()}"
        elif self.inconclusive == self.judged:
            said = f"None of {total} can be decided yet."
        else:
            said = f"No leak found in {total}."
            said += f" {self.inconclusive:,} cannot be decided yet." if self.inconclusive else ""
        return " ".join((said, *self._risks()))

    def _when(self) -> str:
        if self.leaks_reaching:
            who = "It" if self.leak == 1 else f"{self.leaks_reaching:,}"
            reach = "reaches its" if self.leaks_reaching == 1 else "reach their"
            return f"{who} {reach} limit within 7 days."
        if self.leaks_unknown:
            return f"When {'it' if self.leak == 1 else 'they'} would reach a limit is not known."
        return f"{'It does not reach its' if self.leak == 1 else 'None reaches its'} limit within 7 days."

    def _risks(self) -> list[str]:
        said = []
        if self.killed:
            said.append(f"{self.killed:,} {'was' if self.killed == 1 else 'were'} OOM-killed in the last 7 days.")
        if self.above_target:
            verb = "exceeds" if self.above_target == 1 else "exceed"
            said.append(f"{self.above_target:,} {verb} the {text.share(self.target)} OOM target.")
        return said


def totals_of(
    rows: pl.DataFrame, completeness: pl.DataFrame, changes: pl.DataFrame | None, target: float, prices: Prices | None
) -> Totals:
    """Add up the rows of a fleet; `changes` is None where nothing is compared."""
    awake = rows.filter(pl.col("accepted").not_())
    verdicts = dict(awake["verdict"].value_counts().iter_rows())
    leaks, bounded = (awake.filter(pl.col("verdict") == name) for name in (Verdict.LEAK, Verdict.NOT_LEAK))
    common = bounded["pattern"].value_counts().sort("count", "pattern", descending=[True, False])
    reaching = pl.col("hours_to_limit") <= _HORIZON_HOURS
    known = completeness.filter(pl.col("coverage").is_not_null())
    expected = int(known["expected"].sum())
    chances = awake["oom_probability_7d"].drop_nulls()
    start, because = _start(awake, target)
    compared = changes is not None
    is_leak, was_leak = pl.col("verdict") == Verdict.LEAK, pl.col("previous_verdict") == Verdict.LEAK
    previous = rows["previous_oom_probability_7d"]
    return Totals(
        workloads=rows.height,
        containers=completeness.height,
        accepted=rows.height - awake.height,
        leak=verdicts.get(Verdict.LEAK, 0),
        inconclusive=verdicts.get(Verdict.INCONCLUSIVE, 0),
        not_leak=verdicts.get(Verdict.NOT_LEAK, 0),
        patterns=tuple(common.iter_rows()),
        too_little_data=awake.filter(pl.col("pattern") == Pattern.INSUFFICIENT_DATA).height,
        killed=awake.filter(pl.col("kills_7d") > 0).height,
        kills=int(awake["kills_7d"].sum()),
        reaching=awake.filter(reaching).height,
        leaks_reaching=leaks.filter(reaching).height,
        leaks_unknown=leaks["hours_to_limit"].null_count(),
        above_target=int((chances > target).sum()) if chances.len() else None,
        target=target,
        waste_bytes=_sum(awake, "waste_bytes"),
        waste_workloads=awake.filter(pl.col("waste_bytes") > 0).height,
        waste_per_month=_sum(awake, "waste_per_month"),
        reserved_now_bytes=_sum(rows, "reserved_now_bytes"),
        reserved_then_bytes=_sum(rows, "reserved_then_bytes"),
        cost_now_per_month=_sum(rows, "cost_now_per_month"),
        cost_then_per_month=_sum(rows, "cost_then_per_month"),
        currency=None if prices is None else prices.currency,
        coverage=int(known.select(pl.min_horizontal("samples", "expected").sum()).item()) / expected
        if expected
        else None,
        samples=int(completeness["samples"].sum()),
        data_age_seconds=_lowest(rows["data_age_seconds"]),
        window_start=completeness.select(pl.col("first").min()).item(),
        window_end=completeness.select(pl.col("last").max()).item(),
        leaks_new=rows.filter(is_leak & was_leak.fill_null(value=False).not_()).height if compared else None,
        leaks_gone=rows.filter(was_leak & (pl.col("verdict") == Verdict.NOT_LEAK)).height if compared else None,
        appeared=None if changes is None else changes.filter(pl.col("kind") == Change.NEW).height,
        gone=None if changes is None else changes.filter(pl.col("kind") == Change.GONE).height,
        above_target_before=int((previous > target).sum()) if compared and previous.count() else None,
        start_with=start,
        start_because=because,
    )


def _lowest(ages: pl.Series) -> float | None:
    found = ages.min()
    return float(found) if isinstance(found, int | float) else None


def _sum(rows: pl.DataFrame, name: str) -> Any:  # noqa: ANN401 - of the column's type
    """Add up what is known; None where nothing is."""
    return rows[name].sum() if rows[name].count() else None


def _start(awake: pl.DataFrame, target: float) -> tuple[int | None, str]:
    """Find what to start with, and say why."""
    names = ("workload_id", "verdict", "action", "kills_7d", "limit_outlook", "hours_to_limit", "growth_bytes_per_day")
    more = ("oom_probability_7d", "advised_limit_bytes", "advised_oom_probability", "next_text")
    acts = awake.filter(pl.col("action") != Action.NONE).select(*names, *more)
    if not acts.height:
        return None, "Nothing to do."
    row = acts.row(0, named=True)
    return row["workload_id"], _because(row, target)


def _because(row: Row, target: float) -> str:
    if row["verdict"] == Verdict.LEAK:
        cure = "and a higher limit does not cure it"
        if row["limit_outlook"] == Outlook.REACHES and row["hours_to_limit"]:
            return f"{text.hours(row['hours_to_limit'])} to its limit, {cure}."
        return f"it leaks {text.rate(row['growth_bytes_per_day'])}, {cure}."
    chance = row["oom_probability_7d"] or 0.0
    if chance > target:
        said = f"{text.chance(chance)} chance of an OOM kill in the next 7 days"
        if row["action"] == Action.RAISE_LIMIT:
            said += f"; a limit of {text.configured(row['advised_limit_bytes'])} brings it to "
            said += text.chance(row["advised_oom_probability"])
        return f"{said}."
    return str(row["next_text"])


#: Higher limits that are tried, as multiples of the one in force; the first is `raise_to_bytes`.
_RAISED: Final = (1.5, 2.0, 3.0)
_MIB: Final = 2**20

BUYS: Final = pl.Schema(
    {
        "workload_id": pl.UInt32(),
        **{name: pl.String() for name in WORKLOAD},
        "limit_bytes": pl.Int64(),
        "oom_probability": pl.Float64(),
        "hours_to_limit": pl.Float64(),
        "hours_bought": pl.Float64(),
        "cost_per_month": pl.Float64(),
    }
)


def tried_limits(rows: pl.DataFrame) -> pl.DataFrame:
    """List the limit in force and higher ones for every workload that grows towards one."""
    grows = rows.filter(pl.col("growing") & (pl.col("limit_bytes") > 0))
    found = [
        (row["workload_id"], *(row[name] for name in WORKLOAD), limit)
        for row in grows.select("workload_id", *WORKLOAD, "limit_bytes").iter_rows(named=True)
        for limit in (row["limit_bytes"], *(math.ceil(row["limit_bytes"] * times / _MIB) * _MIB for times in _RAISED))
    ]
    schema = {name: BUYS[name] for name in ("workload_id", *WORKLOAD, "limit_bytes")}
    return pl.DataFrame(found, schema=schema, orient="row")


def buys_of(rows: pl.DataFrame, tried: pl.DataFrame, curves: pl.DataFrame, prices: Prices | None) -> pl.DataFrame:
    """Say what each of those limits buys: a chance, time, and at which price."""
    about = rows.select(
        "workload_id", "growth_bytes_per_day", "pods_now", left="hours_to_limit", in_force="limit_bytes"
    )
    chances = curves.select("workload_id", "limit_bytes", "oom_probability")
    more, rate = pl.col("limit_bytes") - pl.col("in_force"), pl.col("growth_bytes_per_day")
    bought = pl.when(rate > 0).then(more / rate * 24)
    price = per_month(1.0, None if prices is None else prices.per_gib_hour)
    return (
        tried.join(about, on="workload_id", how="left", maintain_order="left")
        .join(chances, on=["workload_id", "limit_bytes"], how="left", maintain_order="left")
        .with_columns(
            hours_to_limit=pl.col("left") + bought,
            hours_bought=bought,
            cost_per_month=pl.lit(None, dtype=pl.Float64) if price is None else more * pl.col("pods_now") * price,
        )
        .select(BUYS.names())
        .cast(BUYS)
    )


#: A container whose last sample is older than this many of its steps no longer runs.
_GONE_STEPS: Final = 5
_LEAST_SECONDS: Final = 300.0

CAPACITY: Final = pl.Schema(
    {
        "kind": pl.String(),
        "name": pl.String(),
        "available_bytes": pl.Int64(),
        "containers": pl.Int64(),
        "unknown": pl.Int64(),
        "now_bytes": pl.Int64(),
        "then_bytes": pl.Int64(),
        "freed_bytes": pl.Int64(),
    }
)


def capacity_of(rows: pl.DataFrame, recording: Recording, completeness: pl.DataFrame) -> pl.DataFrame:
    """Add up requests by node, and requests or limits by quota, as they are and as they would be."""
    report = recording.report
    if not report.nodes and not report.quotas:
        return pl.DataFrame(schema=CAPACITY)
    running = _running(rows, recording, completeness)
    quotas = pl.DataFrame(
        [
            {
                "name": name,
                "namespace": name.partition("/")[0],
                "resource": name.rpartition(" ")[2],
                "available": amount,
            }
            for name, amount in report.quotas.items()
        ],
        schema={"name": pl.String(), "namespace": pl.String(), "resource": pl.String(), "available": pl.Int64()},
    )
    nodes = pl.DataFrame(
        {"name": list(report.nodes), "available": list(report.nodes.values())},
        schema={"name": pl.String(), "available": pl.Int64()},
    )
    found = [_summed("node", nodes.join(running, left_on="name", right_on="node", how="left"), "request")]
    for setting, resources in (("request", ("requests.memory", "memory")), ("limit", ("limits.memory",))):
        mine = quotas.filter(pl.col("resource").is_in(resources))
        found.append(_summed("quota", mine.join(running, on="namespace", how="left"), setting))
    return pl.concat(found)


def _running(rows: pl.DataFrame, recording: Recording, completeness: pl.DataFrame) -> pl.DataFrame:
    """List the containers that run at the end, with their settings now and then."""
    containers = recording.containers.join(
        completeness.select("container_id", "last"), on="container_id", maintain_order="left"
    )
    newest = containers["last"].max()
    reach = pl.max_horizontal(pl.col("cadence_seconds").fill_null(60.0) * _GONE_STEPS, pl.lit(_LEAST_SECONDS))
    limits = rows.select(*WORKLOAD, "advised_request_bytes", "advised_limit_bytes", "growing")
    return (
        containers.filter((pl.lit(newest) - pl.col("last")).dt.total_seconds() <= reach)
        .join(limits, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            # What grows keeps what it has: nothing is advised that a leak would fill.
            pl.when(pl.col(now).is_not_null() & pl.col("growing").not_().fill_null(value=False))
            .then(pl.coalesce(then, now))
            .otherwise(now)
            .alias(f"{now} then")
            for now, then in (("request_bytes", "advised_request_bytes"), ("limit_bytes", "advised_limit_bytes"))
        )
        .select(
            "node",
            "namespace",
            "container_id",
            "request_bytes",
            "limit_bytes",
            "request_bytes then",
            "limit_bytes then",
        )
    )


def _summed(kind: str, joined: pl.DataFrame, setting: str) -> pl.DataFrame:
    now, then = pl.col(f"{setting}_bytes"), pl.col(f"{setting}_bytes then")
    there = pl.col("container_id").is_not_null()
    return (
        joined.group_by("name", "available", maintain_order=True)
        .agg(
            containers=there.sum().cast(pl.Int64),
            unknown=(there & now.is_null()).sum().cast(pl.Int64),
            now_bytes=now.sum(),
            then_bytes=then.sum(),
        )
        .select(
            kind=pl.lit(kind),
            name="name",
            available_bytes="available",
            containers="containers",
            unknown="unknown",
            now_bytes="now_bytes",
            then_bytes="then_bytes",
            freed_bytes=pl.col("now_bytes") - pl.col("then_bytes"),
        )
        .cast(CAPACITY)
        .sort("name")
    )
