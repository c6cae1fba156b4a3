"""A week of a fleet: verdicts, limits, what happened and what changed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit._parallel import Parted
from rmtoolkit.analysis.judge import Judgement, judge_with
from rmtoolkit.analysis.records import VERDICTS, WORKLOAD
from rmtoolkit.exceptions import ReadError, RmtoolkitError
from rmtoolkit.limits.cost import per_month
from rmtoolkit.limits.history import as_need
from rmtoolkit.limits.recommend import also, of_gathered
from rmtoolkit.limits.risk import risk
from rmtoolkit.recording import Recording, read_recording
from rmtoolkit.schema import TIME

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from distributed import Client

    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_reading import Heap
    from rmtoolkit.limits.risk import Margins

    Previous: TypeAlias = "str | os.PathLike[str] | Week | Source"


#: Columns of a week's verdicts behind those of `classify`.
BESIDE: Final = pl.Schema(
    {
        "oom_probability": pl.Float64(),
        "recommended_limit_bytes": pl.Int64(),
        "kills": pl.Int64(),
        "version": pl.String(),
        "released": TIME,
        "limit_changed": TIME,
        "kills_since": pl.Int64(),
        "window_start": TIME,
        "window_end": TIME,
    }
)


@dataclass(frozen=True, slots=True)
class Week:
    """What a report is written from."""

    judgement: Judgement
    limits: pl.DataFrame
    happened: pl.DataFrame

    def __repr__(self) -> str:
        """Say in one line what is inside."""
        count = self.judgement.verdicts.height
        span = "" if self.span is None else f", {self.span[0]:%Y-%m-%d %H:%M} to {self.span[1]:%Y-%m-%d %H:%M} UTC"
        return f"<Week: {count:,} workload{'' if count == 1 else 's'}{span}>"

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last sample; None without any."""
        first, last = self.judgement.completeness.select(pl.col("first").min(), pl.col("last").max()).row(0)
        return None if first is None else (first, last)

    def verdicts(self) -> pl.DataFrame:
        """Give the verdicts with what the next week's report compares itself to."""
        first, last = self.span or (None, None)
        window = {"window_start": pl.lit(first, dtype=TIME), "window_end": pl.lit(last, dtype=TIME)}
        return self.rows().with_columns(**window).select(*VERDICTS, *BESIDE)

    def rows(self) -> pl.DataFrame:
        """Put verdict, limit and what happened in one row."""
        on = list(WORKLOAD)
        limits = self.limits.rename({"reason": "limit_reason", "oom_probability": "oom_probability_then"})
        new = [name for name in limits.columns if name not in self.judgement.verdicts.columns and name != "kills"]
        counted = pl.when(pl.col("growing")).then(None).otherwise(pl.col("oom_probability_now"))
        return (
            self.judgement.verdicts.join(
                limits.select(*on, *new), on=on, how="left", nulls_equal=True, maintain_order="left"
            )
            .join(self.happened, on=on, how="left", nulls_equal=True, maintain_order="left")
            .with_columns(
                oom_probability=pl.coalesce(counted, "oom_probability_7d"), kills=pl.col("kills").fill_null(0)
            )
        )


def survey(
    source: Source,
    heap: Heap | Mapping[str, Heap] | None = None,
    *,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    price_per_gib_hour: float | None = None,
    client: Client | None = None,
) -> Week:
    """Judge a recording or a lake and recommend its limits, in one pass."""
    judgement, frames = judge_with(source, also, heap, client=client)
    limits = of_gathered(frames["needs"], oom_probability, margins, price_per_gib_hour=price_per_gib_hour)
    return Week(judgement, limits, happened(judgement.recording))


def happened(recording: Recording) -> pl.DataFrame:
    """Count kills, and find the last release and the last change of the limit of each workload."""
    names = recording.containers.select("container_id", *WORKLOAD, running="version")
    events = recording.events.join(names, on="container_id", maintain_order="left")
    killed, release = (pl.col("kind") == kind for kind in ("oom_kill", "release"))
    # The first word on a limit says what it is, not that it changed.
    changed = (pl.col("kind") == "limit") & pl.col("value_bytes").ne(
        pl.col("value_bytes").filter(pl.col("kind") == "limit").first().over("container_id")
    )
    told = (
        events.sort("time", maintain_order=True)
        .with_columns(changed=changed)
        .group_by(*WORKLOAD, maintain_order=True)
        .agg(
            kills=killed.sum().cast(pl.Int64),
            detail=pl.col("detail").filter(release).last(),
            released=pl.col("time").filter(release).last(),
            limit_changed=pl.col("time").filter("changed").last(),
            kills_since=(killed & (pl.col("time") > pl.col("time").filter("changed").last())).sum().cast(pl.Int64),
        )
    )
    known = names.group_by(*WORKLOAD, maintain_order=True).agg(running=pl.col("running").drop_nulls().last())
    return known.join(told, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left").select(
        *WORKLOAD,
        kills=pl.col("kills").fill_null(0),
        version=pl.coalesce("detail", "running"),
        released=pl.col("released").cast(TIME),
        limit_changed=pl.col("limit_changed").cast(TIME),
        kills_since=pl.when(pl.col("limit_changed").is_not_null()).then("kills_since"),
    )


#: Kinds of change, in the order in which they are told.
KINDS: Final = ("new", "worse", "fixed", "applied", "resolved")
CHANGES: Final = pl.Schema({name: pl.String() for name in ("kind", *WORKLOAD, "what")})
#: The chance of an OOM kill above which a workload is named, and the horizon in hours of a limit that is reached.
TARGET: Final = 0.05
_HORIZON_HOURS: Final = 168.0
#: A chance has changed when its odds have, by this factor: estimates from two weeks always differ somewhat.
_ODDS: Final = 5.0
#: Kills of a leak come and go with its lives: only the first one is news, or this many times as many and more.
_MORE_KILLS: Final = 2
#: A leak is faster when its interval lies above the old one and its rate is this many times the old one.
_FASTER: Final = 1.5


@dataclass(frozen=True, slots=True)
class Changes:
    """Two weeks compared."""

    rows: pl.DataFrame
    appeared: int
    gone: pl.DataFrame
    above_before: int | None = None


def verdicts_before(previous: Previous) -> pl.DataFrame:
    """Find the verdicts of the week before."""
    if isinstance(previous, Week):
        return previous.verdicts()
    if isinstance(previous, Recording | Parted):
        return survey(previous).verdicts()
    if isinstance(previous, pl.LazyFrame):
        previous = previous.collect()
    if not isinstance(previous, str | os.PathLike):
        frame = pl.DataFrame(previous)
        return _complete(frame) if "verdict" in frame.columns else survey(previous).verdicts()
    return _from_file(Path(previous))


def _from_file(path: Path) -> pl.DataFrame:
    file = path / "verdicts.parquet" if path.is_dir() else path
    expected = "verdicts.parquet of a report, or the folder it is in"
    try:
        if not file.is_file():
            raise ReadError.at(file, found="no such file or directory", expected=expected)
        if "verdict" not in pl.read_parquet_schema(file):
            return survey(read_recording(file)).verdicts()
        return _complete(pl.read_parquet(file))
    except OSError as error:
        raise ReadError.at(file, found=(error.strerror or str(error)).lower(), expected=expected) from error
    except RmtoolkitError as error:
        if isinstance(error, ReadError) and error.args and "found" in str(error):
            raise
        raise ReadError.at(file, found=str(error), expected=expected) from error
    except pl.exceptions.PolarsError as error:
        raise ReadError.at(file, found=str(error).splitlines()[0], expected=expected) from error


def _complete(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Give every column that is compared, in its type."""
    wanted = {name: dtype for name, dtype in (VERDICTS | BESIDE).items() if name != "evidence"}
    return verdicts.select(
        (pl.col(name).cast(dtype) if name in verdicts.columns else pl.lit(None, dtype=dtype)).alias(name)
        for name, dtype in wanted.items()
    )


def compare(week: Week, before: pl.DataFrame) -> Changes:
    """Name what changed since the week before."""
    now = week.rows().select(*VERDICTS, *(name for name in BESIDE if not name.startswith("window")))
    on = list(WORKLOAD)
    old = before.unique(on, maintain_order=True)
    both = now.join(
        old.select(*on, pl.struct(pl.all()).alias("before")), on=on, how="left", nulls_equal=True, maintain_order="left"
    )
    found: list[dict[str, Any]] = []
    for row in both.iter_rows(named=True):
        last = row.pop("before")
        found += [{"kind": kind, **{name: row[name] for name in on}, "what": what} for kind, what in _of(row, last)]
    rows = pl.DataFrame(found, schema=CHANGES)
    order = pl.col("kind").replace_strict({kind: place for place, kind in enumerate(KINDS)}, return_dtype=pl.Int64)
    gone = old.join(now, on=on, how="anti", nulls_equal=True, maintain_order="left").select(on)
    appeared = now.join(old, on=on, how="anti", nulls_equal=True).height
    chances = old["oom_probability"].drop_nulls()
    above = int((chances > TARGET).sum()) if chances.len() else None
    return Changes(rows.sort(order, maintain_order=True), appeared, gone, above)


def _of(row: dict[str, Any], last: dict[str, Any] | None) -> Iterable[tuple[str, str]]:
    """Name the changes of one workload."""
    leaks, leaked = row["verdict"] == "leak", last is not None and last["verdict"] == "leak"
    moved = last is not None and _limit_moved(row, last)
    if leaks and not leaked:
        yield "new", _began(row, last)
    elif leaks and last is not None:
        if said := _worse(row, last, moved=moved):
            yield "worse", said
    elif leaked and last is not None and row["verdict"] == "not_leak":
        yield _ended(row, last)
    elif killed := _killed(row, last):
        yield killed
    elif last is not None and not moved and (crossed := _crossed(row, last)):
        yield crossed
    if moved and last is not None:
        yield "applied", _applied(row, last)


def _began(row: dict[str, Any], last: dict[str, Any] | None) -> str:
    since = next((piece["value"] for piece in row["evidence"] or [] if piece["statistic"] == "since_version"), None)
    words = f"leaks {text.rate(row['growth_bytes_per_day'])}"
    if since is not None:
        day = f", {text.day(row['released'])}" if row["released"] is not None and row["version"] == since else ""
        words += f" since release {text.printable(since)}{day}"
    elif row["released"] is not None:
        release = f" {text.printable(row['version'])}" if row["version"] is not None else ""
        words += f", with release{release} of {text.day(row['released'])} in the week"
    elif last is None:
        words += "; it was not there last week"
    if row["limit_outlook"] == "reaches" and row["hours_to_limit"] is not None:
        words += f": {text.hours(row['hours_to_limit'])} to the limit"
    return f"{words}."


def _worse(row: dict[str, Any], last: dict[str, Any], *, moved: bool) -> str | None:
    said = []
    kills: int | None = last["kills"]
    if kills is not None and _many_more(row["kills"], kills):
        said.append(f"was OOM-killed {_times(row['kills'])}, last week {_times(kills, zero='never')}")
    low, high = row["growth_low_bytes_per_day"], last["growth_high_bytes_per_day"]
    rate, old = row["growth_bytes_per_day"], last["growth_bytes_per_day"]
    same = row["signal"] == last["signal"]
    if same and None not in (low, high, rate, old) and low > high and rate > _FASTER * old > 0:
        said.append(f"leaks {text.rate(rate)}, last week {text.rate(old)}")
    if not moved and _soon(row) and not _soon(last):
        before = text.hours(last["hours_to_limit"]) if last["hours_to_limit"] is not None else "not within sight"
        said.append(f"reaches its limit in {text.hours(row['hours_to_limit'])}, last week {before}")
    elif said and row["hours_to_limit"] is not None:
        before = f", last week {text.hours(last['hours_to_limit'])}" if last["hours_to_limit"] is not None else ""
        said.append(f"{text.hours(row['hours_to_limit'])} to the limit{before}")
    return f"{'; '.join(said)}." if said else None


def _many_more(kills: int, before: int) -> bool:
    return kills > _MORE_KILLS * before + (1 if before else 0)


def _soon(row: dict[str, Any]) -> bool:
    return row["hours_to_limit"] is not None and row["hours_to_limit"] <= _HORIZON_HOURS


def _ended(row: dict[str, Any], last: dict[str, Any]) -> tuple[str, str]:
    was = f" (was {text.rate(last['growth_bytes_per_day'])})" if last["growth_bytes_per_day"] is not None else ""
    by = next((piece["value"] for piece in row["evidence"] or [] if piece["statistic"] == "fixed_version"), None)
    if by is None and row["version"] is not None and last["version"] not in (None, row["version"]):
        by = row["version"]
    if by is not None or row["released"] is not None:
        release = "its release" if by is None else f"release {text.printable(by)}"
        day = f", {text.day(row['released'])}" if row["released"] is not None else ""
        return "fixed", f"no longer leaks since {release}{day}{was}."
    return "resolved", f"no longer leaks{was}."


def _killed(row: dict[str, Any], last: dict[str, Any] | None) -> tuple[str, str] | None:
    """Compare OOM kills of what does not leak."""
    before = last["kills"] if last is not None else 0
    if before is None:
        return None
    if _many_more(row["kills"], before) and (row["kills_since"] is None or row["kills_since"]):
        since = f", last week {_times(before, zero='never')}" if last is not None else ""
        leak = "it does not leak" if row["verdict"] == "not_leak" else "whether it leaks is not decided"
        return "worse" if before else "new", f"was OOM-killed {_times(row['kills'])}{since}; {leak}."
    if before and not row["kills"]:
        return "resolved", f"a week without an OOM kill, last week {text.count(before, 'kill')}."
    return None


def _crossed(row: dict[str, Any], last: dict[str, Any]) -> tuple[str, str] | None:
    chance, before = row["oom_probability"], last["oom_probability"]
    if chance is None or before is None or (chance > TARGET) == (before > TARGET):
        return None
    if abs(_log_odds(chance) - _log_odds(before)) < math.log(_ODDS):
        return None
    target, last_week = text.share(TARGET), f"last week {text.chance(before)}"
    if chance > TARGET:
        # What leaked last week was named then; that it is not decided now is no change.
        kind = "worse" if last["verdict"] == "leak" else "new"
        return kind, f"exceeds the {target} target: {text.chance(chance)} chance of an OOM kill, {last_week}."
    if row["released"] is None and row["version"] == last["version"]:
        # A quiet week changes nothing: the next start or burst may be as high as the last one.
        return None
    release = f"release {text.printable(row['version'])}" if row["version"] is not None else "its release"
    return "resolved", f"is within the {target} target since {release}: {text.chance(chance)}, {last_week}."


def _log_odds(chance: float) -> float:
    # Beyond a tenth of a per cent nobody has seen enough weeks to tell.
    bounded = min(max(chance, 0.001), 0.999)
    return math.log(bounded / (1 - bounded))


def _limit_moved(row: dict[str, Any], last: dict[str, Any]) -> bool:
    now, then = row["limit_bytes"], last["limit_bytes"]
    return now is not None and then is not None and now != then


def _applied(row: dict[str, Any], last: dict[str, Any]) -> str:
    words = f"limit {text.configured_mi(last['limit_bytes'])} → {text.configured(row['limit_bytes'])}"
    if last["recommended_limit_bytes"] == row["limit_bytes"]:
        words += ", as recommended"
    if row["verdict"] == "leak":
        if row["limit_bytes"] < last["limit_bytes"]:
            return f"{words}; it leaks."
        left = f": {text.hours(row['hours_to_limit'])} to it" if row["hours_to_limit"] is not None else ""
        return f"{words}; that buys time, it still leaks{left}."
    before, chance = last["oom_probability"], row["oom_probability"]
    if before is not None and chance is not None:
        then, now = text.chance(before), text.chance(chance)
        change = f"stays {now}" if then == now else f"{then.removesuffix(' %')} → {now}"
        words += f": chance of an OOM kill {change}"
    kills = row["kills"] if row["kills_since"] is None else row["kills_since"]
    return f"{words}, {'none seen' if not kills else text.count(kills, 'kill') + ' since'}."


def _times(amount: int, *, zero: str = "never") -> str:
    return {0: zero, 1: "once", 2: "twice"}.get(amount, f"{amount:,} times")


#: A container whose last sample is older than this many of its steps no longer runs.
_GONE_STEPS: Final = 5
_LEAST_SECONDS: Final = 300.0

_SETTINGS: Final = ("request", "limit")

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


def capacity(week: Week) -> pl.DataFrame:
    """Add up requests by node, and requests or limits by quota, as they are and as they would be."""
    report = week.judgement.recording.report
    if not report.nodes and not report.quotas:
        return pl.DataFrame(schema=CAPACITY)
    running = _running(week)
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
    for setting, resources in (
        ("request", ("requests.memory", "memory")),
        ("limit", ("limits.memory",)),
    ):
        mine = quotas.filter(pl.col("resource").is_in(resources))
        found.append(_summed("quota", mine.join(running, on="namespace", how="left"), setting))
    return pl.concat(found)


def _running(week: Week) -> pl.DataFrame:
    """List the containers that run at the week's end, with their settings now and then."""
    seen = week.judgement.completeness.select("container_id", "last")
    containers = week.judgement.recording.containers.join(seen, on="container_id", maintain_order="left")
    newest = containers["last"].max()
    reach = pl.max_horizontal(pl.col("cadence_seconds").fill_null(60.0) * _GONE_STEPS, pl.lit(_LEAST_SECONDS))
    limits = week.limits.select(*WORKLOAD, "recommended_request_bytes", "recommended_limit_bytes", "growing")
    return (
        containers.filter((pl.lit(newest) - pl.col("last")).dt.total_seconds() <= reach)
        .join(limits, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            # What leaks keeps what it has: nothing is recommended that a leak would fill.
            pl.when(pl.col(now).is_not_null() & pl.col("growing").not_().fill_null(value=False))
            .then(pl.coalesce(then, now))
            .otherwise(now)
            .alias(f"{now} then")
            for now, then in (
                ("request_bytes", "recommended_request_bytes"),
                ("limit_bytes", "recommended_limit_bytes"),
            )
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


#: Higher limits that are tried, as multiples of the one in force.
_TRIED: Final = (1.5, 2.0)
_MIB: Final = 2**20

BUYS: Final = pl.Schema(
    {
        **{name: pl.String() for name in WORKLOAD},
        "limit_bytes": pl.Int64(),
        "oom_probability": pl.Float64(),
        "hours": pl.Float64(),
        "cost_per_month": pl.Float64(),
    }
)


def buys(week: Week, price_per_gib_hour: float | None = None) -> pl.DataFrame:
    """Try higher limits for every workload that grows towards one."""
    grows = week.rows().filter(
        pl.col("growing").fill_null(value=False) & pl.col("limit_bytes").is_not_null() & (pl.col("limit_bytes") > 0)
    )
    rows = [_row(about, limit, price_per_gib_hour) for about in grows.iter_rows(named=True) for limit in _tried(about)]
    return pl.DataFrame(rows, schema=BUYS)


def _tried(about: dict[str, Any]) -> list[int]:
    now = about["limit_bytes"]
    return [now, *(math.ceil(now * times / _MIB) * _MIB for times in _TRIED)]


def _row(about: dict[str, Any], limit: int, price: float | None) -> dict[str, Any]:
    more = limit - about["limit_bytes"]
    rate, hours = about["growth_bytes_per_day"], about["hours_to_limit"]
    chance = about["oom_probability"]
    if more:
        # What grows is asked for its growth alone: no margin comes into it.
        tried = risk(replace(as_need(about), growing=True), limit, np.array([])).week
        # Two estimates of one thing: a higher limit is never riskier than the one in force.
        chance = tried if chance is None or tried is None else min(tried, chance)
        if hours is not None:
            hours = hours + more / rate * 24 if rate and rate > 0 else None
    return {
        **{name: about[name] for name in WORKLOAD},
        "limit_bytes": limit,
        "oom_probability": chance,
        "hours": hours,
        "cost_per_month": per_month(more * about["pods"], price) if more else None,
    }
