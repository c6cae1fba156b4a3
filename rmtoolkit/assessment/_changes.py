"""What changed since last time, told only where it is clear."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis.records import VERDICTS, WORKLOAD
from rmtoolkit.assessment._rows import WORKLOADS
from rmtoolkit.exceptions import ReadError
from rmtoolkit.schema import TIME

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Iterator, Mapping

    Row = Mapping[str, Any]


class Change(StrEnum):
    """What became of a workload, in the order in which it is told."""

    NEW = "new"
    WORSE = "worse"
    APPLIED = "applied"
    BETTER = "better"
    RESOLVED = "resolved"
    GONE = "gone"


#: A row per change; `workload_id` is null for what is gone.
CHANGES: Final = pl.Schema(
    {
        "workload_id": pl.UInt32(),
        "kind": pl.String(),
        **{name: pl.String() for name in WORKLOAD},
        "sentence": pl.String(),
        "time": TIME,
    }
)
#: What is compared, beside the columns of `classify`.
_BESIDE: Final = (
    "advised_limit_bytes",
    "kills",
    "version",
    "released",
    "limit_changed",
    "kills_since",
    "last_kill",
    "window_start",
    "window_end",
)
_COMPARED: Final = pl.Schema({name: WORKLOADS[name] for name in (*VERDICTS, *_BESIDE) if name != "evidence"})
#: Names that columns had in files of earlier versions; `oom_probability` was the chance at the limit in force.
_FORMERLY: Final = {"recommended_limit_bytes": "advised_limit_bytes", "oom_probability": "oom_probability_7d"}
#: The chance of an OOM kill above which a workload is named, and the horizon in hours of a limit that is reached.
_TARGET: Final = 0.05
_HORIZON_HOURS: Final = 168.0
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
        return pl.read_parquet(file) if "verdict" in pl.read_parquet_schema(file) else None
    except OSError as error:
        raise ReadError.at(file, found=(error.strerror or str(error)).lower(), expected=expected) from error
    except pl.exceptions.PolarsError as error:
        raise ReadError.at(file, found=str(error).splitlines()[0], expected=expected) from error


def compare(rows: pl.DataFrame, before: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Name what changed; give the rows with their change, and a row per change."""
    if before is None:
        return rows, pl.DataFrame(schema=CHANGES)
    on = list(WORKLOAD)
    before = before.with_columns(pl.col(old).alias(new) for old, new in _FORMERLY.items() if old in before.columns)
    old = before.unique(on, keep="first", maintain_order=True).select(
        (pl.col(name).cast(dtype) if name in before.columns else pl.lit(None, dtype=dtype)).alias(name)
        for name, dtype in _COMPARED.items()
    )
    now = rows.select("workload_id", "evidence", *_COMPARED)
    both = now.join(
        old.select(*on, pl.struct(pl.all()).alias("before")), on=on, how="left", nulls_equal=True, maintain_order="left"
    )
    found: list[tuple[Any, ...]] = []
    told: list[tuple[Any, ...]] = []
    for row in both.iter_rows(named=True):
        last = row["before"]
        mine = list(_of(row, last))
        found += [(row["workload_id"], kind, *(row[name] for name in on), said, time) for kind, said, time in mine]
        first = mine[0] if mine else ("same", None, None)
        moved = last is not None and _limit_moved(row, last)
        told.append(
            (
                first[0],
                first[1],
                moved and last is not None and last["advised_limit_bytes"] == row["limit_bytes"],
                last and last["verdict"],
                last and last["oom_probability_7d"],
                last and last["limit_bytes"],
            )
        )
    gone = old.join(now, on=on, how="anti", nulls_equal=True, maintain_order="left").select(*on, "window_end")
    found += [(None, Change.GONE, *names, "is gone.", end) for *names, end in gone.iter_rows()]
    changes = pl.DataFrame(found, schema=CHANGES, orient="row")
    order = pl.col("kind").replace_strict({str(kind): at for at, kind in enumerate(Change)}, return_dtype=pl.Int64)
    schema = {name: WORKLOADS[name] for name in _TOLD}
    return (
        rows.with_columns(pl.DataFrame(told, schema=schema, orient="row")),
        changes.sort(order, maintain_order=True),
    )


_TOLD: Final = (
    "change",
    "changed",
    "applied",
    "previous_verdict",
    "previous_oom_probability_7d",
    "previous_limit_bytes",
)


def _of(row: Row, last: Row | None) -> Iterator[tuple[Change, str, dt.datetime | None]]:
    """Name the changes of one workload."""
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
    """Say of a workload that was not there last time what is wrong with it."""
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
    if row["limit_outlook"] == "reaches" and row["hours_to_limit"] is not None:
        words += f": {text.hours(row['hours_to_limit'])} to the limit"
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
    if not moved and _soon(row) and not _soon(last):
        before = text.hours(last["hours_to_limit"]) if last["hours_to_limit"] is not None else "not within sight"
        said.append(f"reaches its limit in {text.hours(row['hours_to_limit'])}, last time {before}")
    elif said and row["hours_to_limit"] is not None:
        before = f", last time {text.hours(last['hours_to_limit'])}" if last["hours_to_limit"] is not None else ""
        said.append(f"{text.hours(row['hours_to_limit'])} to the limit{before}")
    return f"{'; '.join(said)}." if said else None


def _many_more(kills: int, before: int) -> bool:
    return kills > _MORE_KILLS * before + (1 if before else 0)


def _soon(row: Row) -> bool:
    return row["hours_to_limit"] is not None and row["hours_to_limit"] <= _HORIZON_HOURS


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
    """Compare OOM kills of what does not leak."""
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
    return "it does not leak" if row["verdict"] == "not_leak" else "whether it leaks is not decided"


def _crossed(row: Row, last: Row) -> tuple[Change, str] | None:
    chance, before = row["oom_probability_7d"], last["oom_probability_7d"]
    if chance is None or before is None or (chance > _TARGET) == (before > _TARGET):
        return None
    if abs(_log_odds(chance) - _log_odds(before)) < math.log(_ODDS):
        return None
    target, last_time = text.share(_TARGET), f"last time {text.chance(before)}"
    if chance > _TARGET:
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
        left = f": {text.hours(row['hours_to_limit'])} to it" if row["hours_to_limit"] is not None else ""
        return f"{words}; that buys time, it still leaks{left}."
    before, chance = last["oom_probability_7d"], row["oom_probability_7d"]
    if before is not None and chance is not None:
        then, now = text.chance(before), text.chance(chance)
        change = f"stays {now}" if then == now else f"{then.removesuffix(' %')} → {now}"
        words += f": chance of an OOM kill {change}"
    kills = row["kills"] if row["kills_since"] is None else row["kills_since"]
    return f"{words}, {'none seen' if not kills else text.count(kills, 'kill') + ' since'}."
