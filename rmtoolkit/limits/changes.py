"""What changed from one week to the next: what is new, worse, fixed or resolved, and what applied limits did."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis.columns import VERDICTS, WORKLOAD
from rmtoolkit.exceptions import ReadError, RmtoolkitError
from rmtoolkit.lake import Lake
from rmtoolkit.limits.week import BESIDE, Week, survey
from rmtoolkit.recording import Recording, read_recording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rmtoolkit.spread import Source

    Previous = str | os.PathLike[str] | Week | Source

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
    """Two weeks compared.

    Attributes
    ----------
    rows
        A row per change: `kind` (one of `KINDS`), the names of the workload, and `what` happened, in words that follow
        its name.
    appeared
        How many workloads were not in the week before.
    gone
        Those of the week before that are not in this one.
    above_before
        How many workloads had more than a 5 % chance of an OOM kill in the week before; None: that is not known.

    Examples
    --------
    >>> Changes(pl.DataFrame(schema=CHANGES), 0, pl.DataFrame(schema=CHANGES)).appeared
    0
    """

    rows: pl.DataFrame
    appeared: int
    gone: pl.DataFrame
    above_before: int | None = None


def verdicts_before(previous: Previous) -> pl.DataFrame:
    """Find the verdicts of the week before.

    Parameters
    ----------
    previous
        ``verdicts.parquet`` of a report, the folder it is in, what `rmtoolkit classify -o` wrote as Parquet, a frame of
        verdicts, or the week's recording, which is then judged.

    Returns
    -------
    polars.DataFrame
        The columns of `classify` and `rmtoolkit.limits.week.BESIDE`; null where the source does not have them.

    Raises
    ------
    ReadError
        There is no such file, or it holds something else.

    Examples
    --------
    >>> verdicts_before("no/such/verdicts.parquet")
    Traceback (most recent call last):
    rmtoolkit.exceptions.ReadError: Could not read 'no/such/verdicts.parquet': found 'no such file or directory', ...
    """
    if isinstance(previous, Week):
        return previous.verdicts()
    if isinstance(previous, Recording | Lake):
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
    """Name what changed since the week before.

    Parameters
    ----------
    week
        This week.
    before
        As `verdicts_before` gives it.

    Returns
    -------
    Changes
        Only what is clear: a leak that begins, ends, quickens, kills or comes within a week of its limit; kills that
        begin or end; a chance of an OOM kill that rises above 5 %, with odds five times those of the week before, or
        falls below it likewise with a release; a limit that was changed, with what that did. A leak that cannot be
        decided any more is no change, and neither is a chance that falls because a week was quiet.

    Examples
    --------
    >>> calm = survey(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20}))
    >>> compare(calm, calm.verdicts()).rows.height
    0
    """
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
