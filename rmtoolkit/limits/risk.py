"""The chance that a limit kills, by margins learnt from pairs of past and next week, and what a limit costs."""

from __future__ import annotations

import datetime as dt
import json
import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from msgspec import Struct
from msgspec.structs import astuple

from rmtoolkit._io import as_json, check_target, read_told, replacing
from rmtoolkit._parallel import as_source, parallel_map
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.records import Ahead, Exposure
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import history
from rmtoolkit.recording import reading
from rmtoolkit.schema import NUMBER, TEXT, WHOLE, WORKLOAD, YES_NO, Verdict, typed
from rmtoolkit.text import GI, MI

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from distributed import Client

    from rmtoolkit._parallel import Parted, Source
    from rmtoolkit.limits.history import Need
    from rmtoolkit.recording import Recording

    Numbers = npt.NDArray[np.float64]

HORIZON: Final = dt.timedelta(days=7)
#: Lengths of history that margins are learnt for: a short one says less, so its margins are larger.
HISTORIES: Final = tuple(dt.timedelta(hours=hours) for hours in (1, 6, 24, 72, 168, 336, 504, 672, 1344))
#: A history below this is no week's worth: margins for it are those of an hour, and not enough.
SHORTEST: Final = HISTORIES[0]
#: Where kinds of past begin: what lies far below its peaks rises in another way than what is always near them.
SPREADS: Final = (0.0, 0.05, 0.15, 0.4, 0.8, 1.4)

_FORMAT: Final = "rmtoolkit margins 2"
_ENDINGS: Final = (".json",)
#: A week counts when a workload was seen in most of its blocks.
_MOST: Final = 10
#: Places of a distribution that a table keeps: the rare ones are what matters.
_PLACES: Final = np.concatenate([np.linspace(0, 0.9, 46), 1 - np.geomspace(0.1, 0.001, 41)[1:], [1.0]])
#: Weeks that no table tells more of.
_KEPT: Final = 2000
#: The rise of a week that ended in kills: above everything.
CENSORED: Final = 1e9
#: What comes with the package counts as so many pairs beside a fleet's own, and as so many weeks.
_SHIPPED_PAIRS: Final = 100
_SHIPPED_WEEKS: Final = 4
#: Fewer own pairs teach nothing, nor does less than three weeks, but for a few missing hours.
_OWN: Final = 30
_OWN_HISTORY: Final = dt.timedelta(days=20, hours=18)
#: Own pairs come from so many weeks, the newest ones.
MOST_WEEKS: Final = 53
_TABLES: Final = pl.Schema(
    {**typed(NUMBER, "history_seconds spread"), **typed(WHOLE, "pairs workloads"), "rises": pl.List(pl.Float64())}
)
#: Hours of an average month.
HOURS_PER_MONTH: Final = 730.5
#: All intervals of the package are 80 % intervals: so many deviations on either side.
_DEVIATIONS: Final = 1.2815516
#: What is added to the days with kills that were counted, before the next are expected (Jeffreys' prior of a rate).
_UNCOUNTED: Final = 0.5
#: A need above a limit that killed was never seen: each 15 % more halves the chance (30 %, where it goes badly).
_HALVES: Final = 1.15
_HALVES_AT_WORST: Final = 1.3
#: Hours of a day, a week and a month.
_DAY: Final = 24.0
_WEEK: Final = 168.0
_MONTH: Final = 720.0
#: No growth is surer than this to be at the limit.
_SUREST: Final = 0.999
#: Outside an interval of 80 %, on either side.
_TENTH: Final = 0.1


class Scores(Struct, frozen=True):
    """What is known of workloads like one: how far their next weeks rose, ascending, and how much weeks differ."""

    rises: Numbers
    workloads: int
    swing: float

    @property
    def size(self) -> int:
        return self.rises.size


@dataclass(frozen=True, slots=True)
class Margins:
    """How far next weeks went above what came before.

    Attributes
    ----------
    origin
        Where the pairs come from, in words: said in every answer that uses them.
    tables
        A row per length of history and kind of past: `history_seconds`, `spread` (how far the highest peak, and that of
        a usual fourteenth of the history, lie above the mean, at the least: the geometric mean of both logs), `pairs`
        and `workloads` (how many were learnt from), `rises` (List of Float64, ascending: log of the next week's peak
        over the expected one, both with 16 MiB added, since small processes rise by amounts, not by shares).
    swing
        How far weeks are from what the tables promise: the variance of a week's chance of a high rise, over that of a
        single pair.
    own
        Places that a fleet's own pairs have in these tables, ascending; from 1 on, by how much more they rose.
    own_pairs
        How many own pairs these are, each of which has a place for every length of history.

    Examples
    --------
    >>> Margins.shipped()
    <Margins: shipped with rmtoolkit, learnt from ...>
    """

    origin: str
    tables: pl.DataFrame
    swing: float = 0.0
    own: tuple[float, ...] = ()
    own_pairs: int = 0

    def __repr__(self) -> str:
        return f"<Margins: {self.origin}, {int(self.tables['pairs'].sum())} pairs of a past and a next week>"

    def scores(self, history_seconds: float, spread: float) -> Scores:
        """Choose what fits a workload.

        Parameters
        ----------
        history_seconds
            How long its past is; the table of the longest history that is no longer is used. For a history shorter than
            all, the shortest is used: that is too optimistic, and whoever shows the answer must say so.
        spread
            How far its peaks lie above its mean, as in `tables`.

        Returns
        -------
        Scores
            Ascending; empty when there is no table at all.

        Examples
        --------
        >>> rises = Margins.shipped().scores(14 * 86_400, spread=0.2).rises
        >>> bool(rises[0] < rises[-1])
        True
        """
        shortest = pl.col("history_seconds").min()
        length = pl.col("history_seconds") <= pl.max_horizontal(pl.lit(history_seconds * history.NEARLY), shortest)
        fitting = self.tables.filter(length & (pl.col("spread") <= max(spread, 0.0)))
        if not fitting.height:
            return Scores(np.zeros(0), 0, 0.0)
        row = fitting.sort("history_seconds", "spread").row(-1, named=True)
        places = self._places(row["pairs"])
        rises = np.interp(places, _PLACES, row["rises"]) + np.maximum(places - 1, 0.0)
        return Scores(rises, row["workloads"], self.swing)

    def _places(self, pairs: int) -> Numbers:
        """Give the places in a table that stand for all pairs: evenly, or as the fleet's own pairs have them."""
        count = min(self.own_pairs + _SHIPPED_PAIRS if self.own_pairs else pairs, _KEPT)
        even: Numbers = np.arange(1, count + 1) / count
        if not self.own_pairs:
            return even
        ours = np.full(len(self.own), self.own_pairs / len(self.own))
        theirs = (np.arange(_SHIPPED_PAIRS) + 0.5) / _SHIPPED_PAIRS
        both = np.concatenate([np.array(self.own), theirs])
        order = np.argsort(both)
        weight = np.concatenate([ours, np.ones(_SHIPPED_PAIRS)])[order].cumsum()
        found: Numbers = both[order][np.minimum(np.searchsorted(weight / weight[-1], even - 1e-9), both.size - 1)]
        return found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the margins into a small JSON file, named .json; one that is there is replaced whole, at once.

        Raises
        ------
        RmtoolkitError
            The name ends in something else, there is no such folder, or the disk is full.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Margins.load(Margins.shipped().save(f"{folder}/margins.json")) == Margins.shipped()
        True
        """
        check_target(path, _ENDINGS)
        rows = self.tables.iter_rows(named=True)
        tables = [{**row, "rises": [float(f"{rise:.4g}") for rise in row["rises"]]} for row in rows]
        content = {"format": _FORMAT, "origin": self.origin, "swing": round(self.swing, 6)}
        content |= {"own_pairs": self.own_pairs, "own": self.own, "tables": tables}
        with replacing(path, _ENDINGS) as part:
            part.write_text(json.dumps(content), "utf-8")
        return Path(path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Margins:
        """Read margins that `save` wrote.

        Raises
        ------
        ReadError
            It is no such file.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Margins.load(Margins.shipped().save(f"{folder}/margins.json")).origin == Margins.shipped().origin
        True
        """
        with reading(path, "margins that Margins.save wrote"):
            return _parse(as_json(read_told(Path(path))))

    @staticmethod
    @cache
    def shipped() -> Margins:
        """Give the margins that come with the package.

        Learnt from generated fleets and public series: right in kind, but not from your services. Your own are learnt
        beside them as soon as there are some weeks of history.

        Examples
        --------
        >>> "not from your services" in Margins.shipped().origin
        True
        """
        return _parse(json.loads(files("rmtoolkit.limits").joinpath("margins.json").read_text("utf-8")))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Margins)
            and (self.origin, self.swing, self.own, self.own_pairs)
            == (other.origin, other.swing, other.own, other.own_pairs)
            and self.tables.equals(other.tables)
        )

    __hash__ = None  # type: ignore[assignment]


def with_own(margins: Margins, found: pl.DataFrame) -> Margins:
    """Learn from a fleet's own pairs how high it goes in the tables: it counts the more the more of them there are."""
    known = found.filter(pl.col("history_seconds") >= HORIZON.total_seconds()).sort("history_seconds")
    known = known.with_columns(place=_own_places(margins.tables, known))
    # Of each week the longest history.
    weeks = known.unique([*WORKLOAD, "week"], keep="last", maintain_order=True)
    if weeks.height < _OWN:
        return margins
    # Weeks differ in how often rises come that one in twenty pairs has.
    number, swing = weeks["week"].n_unique(), swing_of(weeks["place"] > 1 - 1 / 20, weeks["week"])
    until = weeks.select(pl.col("week").max() + HORIZON).item()
    return Margins(
        f"learnt from {weeks.select(WORKLOAD).n_unique()} workloads over {number} weeks until {until:%Y-%m-%d}, "
        f"beside those {margins.origin}",
        margins.tables,
        (_SHIPPED_WEEKS * margins.swing + number * swing) / (_SHIPPED_WEEKS + number),
        tuple(round(place, 4) for place in known["place"].sort()),
        weeks.height,
    )


def _own_places(tables: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    places = np.ones(known.height)
    numbered = known.with_row_index("at").with_columns(kind=_kind(pl.col("spread")))
    for (length, kind), group in numbered.group_by("history_seconds", "kind"):
        table = tables.filter(history_seconds=length, spread=kind)
        rises = group["rise"].to_numpy()
        if table.height:
            before = table["rises"][0].to_numpy()
            inside = np.interp(rises, before, _PLACES)
            places[group["at"].to_numpy()] = inside + np.maximum(rises - before[-1], 0.0)
    return pl.Series(places)


def _parse(content: Any) -> Margins:  # noqa: ANN401 - whatever a file holds
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        msg = "another format"
        raise ValueError(msg)
    tables = pl.DataFrame(content["tables"], schema=_TABLES)
    if tables.filter(~pl.col("spread").is_in(SPREADS) | (pl.col("rises").list.len() != _PLACES.size)).height:
        msg = "an unknown kind of past"
        raise ValueError(msg)
    own = tuple(float(place) for place in content["own"])
    return Margins(str(content["origin"]), tables, float(content["swing"]), own, int(content["own_pairs"]))


def lookup(margins: Margins) -> Callable[[Need], Scores]:
    lengths = np.unique(margins.tables["history_seconds"].to_numpy())
    at = cache(margins.scores)

    def scores(need: Need) -> Scores:
        # What lies between two of them has the table of the shorter one.
        longest = lengths[lengths <= need.counted_seconds * history.NEARLY].max(initial=0.0)
        return at(longest, SPREADS[bisect_right(SPREADS, need.spread or 0.0) - 1])

    return scores


def as_margins(margins: Margins | str | os.PathLike[str] | None) -> Margins:
    if isinstance(margins, Margins):
        return margins
    return Margins.shipped() if margins is None else Margins.load(margins)


def learn_margins(recording: Source, *, client: Client | None = None) -> Margins:
    """Learn safety margins from weeks of history: how far did next weeks go above what came before?

    Parameters
    ----------
    recording
        Three weeks or more of many workloads, in a lake too; what grows now is left out, since it gets no limit by
        margins. Every week but the first is once the next week of what lies before it.
    client
        Of Dask distributed, as for `rm.classify`.

    Returns
    -------
    Margins
        To give to `limit_risk`, `recommend_limits` and `backtest`, and to save in a small file: the shipped tables, and
        the places that the fleet's own weeks have in them, which count the more the more there are.

    Raises
    ------
    RmtoolkitError
        The history is shorter than two weeks, or there are too few workloads and weeks.

    Notes
    -----
    The rise of a pair is the log of the next week's peak over the expected one; a limit for a chance is a quantile of
    the rises of pasts as long and as restless (conformal prediction, V. Vovk et al., "Algorithmic Learning in a Random
    World", 2005). With n pairs no chance below 1 / (n + 1) is claimed.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> hours = np.arange(0, 21 * 86_400, 3600)
    >>> frames = [
    ...     pl.DataFrame({"time": hours, "workload": name, "rss_bytes": (1e8 + 1e6 * rng.normal(size=504)).astype(int)})
    ...     for name in "abcdefghijklmnop"
    ... ]
    >>> learn_margins(pl.concat(frames)).own_pairs
    32
    """
    source = as_source(recording)
    span = source.times()
    found = pl.DataFrame(schema=PAIRS)
    if span is not None:
        found = parallel_map(source, partial(taught, end=span[1], length=span[1] - span[0]), client=client)[0]["pairs"]
    margins = with_own(Margins.shipped(), found)
    if not margins.own_pairs:
        weeks = found.select(*WORKLOAD, "week").n_unique()
        length = 0.0 if span is None else (span[1] - span[0]).total_seconds() / 86_400
        msg = (
            f"Margins need {_OWN} weeks of workloads that do not grow, each with a week before it: found {weeks} in "
            f"{length:.1f} days. Hint: the shipped ones are used by default."
        )
        raise RmtoolkitError(msg)
    return margins


def own_end(source: Recording | Parted, margins: object = None) -> dt.datetime | None:
    """Give the end of a history that is long enough to learn from, where no margins are given."""
    span = source.times() if margins is None else None
    return span[1] if span and span[1] - span[0] > _OWN_HISTORY else None


def paired(part: Recording, end: dt.datetime | None, known: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Make all pairs of a part but those of what grows now, which gets no limit by them; without an end, none."""
    if end is None:
        return {"pairs": pl.DataFrame(schema=PAIRS)}
    grows = known.filter("growing").select(WORKLOAD)
    return {"pairs": pairs(part, end).join(grows, on=WORKLOAD, how="anti", nulls_equal=True, maintain_order="left")}


def taught(part: Recording, end: dt.datetime, length: dt.timedelta) -> dict[str, pl.DataFrame]:
    """Make pairs of the whole past of a part; what grows is told by the last stretch of it, so long."""
    seen = part.window(start=end - length, end=end)
    if not seen.height:
        return {"pairs": pl.DataFrame(schema=PAIRS)}
    return paired(part, end, history.needs(seen, requests=False))


#: Past and next weeks, a row per workload container, week and length of history.
PAIRS: Final = pl.Schema(
    {
        **dict.fromkeys(WORKLOAD, TEXT),
        "week": pl.Datetime("ms", "UTC"),
        **typed(NUMBER, "history_seconds spread base_bytes"),
        **typed(WHOLE, "peak_bytes next_bytes"),
        "rise": NUMBER,
    }
)


def pairs(recording: Recording, end: dt.datetime, least: dt.timedelta = HORIZON) -> pl.DataFrame:
    """Hold every week against what came before it, for every length of history that there is, from `least` on."""
    used, killed = history.usage(recording), history.kills(recording)
    found = [pl.DataFrame(schema=PAIRS)]
    first = used["time"].min()
    step = dt.timedelta(seconds=float(recording.containers.select(pl.col("cadence_seconds").median()).item() or 0.0))
    names = history.workloads(recording).select("workload_row", *WORKLOAD)
    last = end + dt.timedelta(milliseconds=1)
    back = (pl.lit(last) - pl.col("time")).dt.total_milliseconds() // (HORIZON // dt.timedelta(milliseconds=1))
    # Only weeks with samples: one that names a time of long ago must not cost thousands of empty ones.
    known = used.filter(pl.col("time") < last).select(back=back.unique().sort())["back"]
    for weeks in known.head(MOST_WEEKS).to_list():
        stop = last - weeks * HORIZON
        begin = stop - HORIZON
        if not isinstance(first, dt.datetime) or begin <= first:
            break
        week = history.block_peaks(used, begin, stop).group_by("workload_row")
        after = week.agg(next_bytes=pl.col("peak_bytes").max(), next_blocks=pl.len())
        # What those needed that were killed in the week is not known, only that it was more.
        died = killed.filter((pl.col("time") >= begin) & (pl.col("time") < stop))["workload_row"].unique()
        after = after.filter(pl.col("next_blocks") >= _MOST).join(names, on="workload_row")
        for length in HISTORIES:
            # A sample stands for the time until the next: of a day by the hour there are 23 between first and last.
            missing = max(length * (history.NEARLY - 1), min(step, length / 24))
            if length < max(least, history.FEW * history.BLOCKS * step) or begin - length < first - missing:
                continue
            before = history.describe(history.block_peaks(used, begin - length, begin), length.total_seconds())
            then, base = (pl.col(name) + history.LEAST_BYTES for name in ("next_bytes", "base_bytes"))
            rise = then.log() - base.log()
            rise = pl.when(pl.col("workload_row").is_in(died.implode())).then(CENSORED).otherwise(rise)
            dated = {"week": pl.lit(begin).cast(PAIRS["week"]), "history_seconds": pl.lit(length.total_seconds())}
            before = before.filter((pl.col("blocks") >= history.ENOUGH) & (pl.col("peak_bytes") > 0))
            pair = before.join(after, on="workload_row").with_columns(rise=rise, **dated)
            found.append(pair.select(PAIRS.names()))
    return pl.concat(found)


def _kind(spread: pl.Expr) -> pl.Expr:
    return pl.max_horizontal(pl.when(spread >= least).then(least) for least in SPREADS)


def swing_of(high: pl.Series, week: pl.Series, promised: float | None = None) -> float:
    """Say how much weeks differ in their share of something: the variance beyond chance, over that of one pair."""
    share = pl.DataFrame({"week": week, "high": high}).group_by("week").agg(pl.mean("high"), n=pl.len())
    # Around what was promised it says too how far that was off.
    middle = float(high.mean() or 0.0) if promised is None else promised  # type: ignore[arg-type]
    one = middle * (1 - middle)
    if not one:
        return 0.0
    seen = float((share["n"] * (share["high"] - middle) ** 2).sum()) / high.len()
    return max(seen / one - share.height / high.len(), 0.0)


def wilson(share: float, total: float, deviations: float = _DEVIATIONS) -> tuple[float, float]:
    """Give the interval of a share of so many independent draws after Wilson: 80 %, or of so many deviations."""
    if total <= 0:
        return 0.0, 1.0
    square = deviations * deviations
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = deviations * math.sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return max(middle - half, 0.0), min(middle + half, 1.0)


class Risk(Struct, frozen=True):
    """The chance of at least one OOM kill at one limit, within a day, a week and a month; None where it is unknown."""

    day: float | None = None
    week: float | None = None
    month: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    smallest: float | None = None
    certified: bool = False
    basis: str | None = None
    because: str = ""


RISK: Final = pl.Schema(
    {
        **dict.fromkeys(WORKLOAD, TEXT),
        "limit_bytes": WHOLE,
        **typed(NUMBER, "oom_probability oom_probability_low oom_probability_high"),
        "pairs": WHOLE,
        "smallest_probability": NUMBER,
        **typed(YES_NO, "certified growing"),
        **typed(TEXT, "margins because"),
        **typed(NUMBER, "oom_probability_24h oom_probability_30d"),
        "risk_basis": TEXT,
    }
)
#: The fields of `Risk`, as columns.
_ANSWER: Final = (
    *("oom_probability_24h", "oom_probability", "oom_probability_30d"),
    *("oom_probability_low", "oom_probability_high", "pairs", "smallest_probability", "certified"),
    *("risk_basis", "because"),
)


def of_needs(known: pl.DataFrame, limits: Sequence[int] | int | pl.DataFrame, margins: Margins) -> pl.DataFrame:
    """Do what `limit_risk` does for needs that were gathered before."""
    tried, scores = history.at_limits(known.rename({"limit_bytes": "in_force"}), limits), lookup(margins)
    rows = [(history.as_need(row | {"limit_bytes": row["in_force"]}), row) for row in tried.iter_rows(named=True)]
    found = [astuple(risk(need, row["limit_bytes"], scores(need))) for need, row in rows]
    answer = pl.DataFrame(found, schema={name: RISK[name] for name in _ANSWER}, orient="row")
    told = tried.select(*WORKLOAD, "limit_bytes", "growing").hstack(answer)
    return told.with_columns(margins=pl.lit(margins.origin)).select(RISK.names())


def by_forecast(need: Need) -> bool:
    """Tell whether what counts towards the limit grows although nothing is known to leak: files in memory, say."""
    ahead = need.ahead
    slow = history.SLOW / 7 * (need.need_bytes or 0)
    rises = (ahead.goes_on or 0.0) > th.LIKELY and (ahead.per_day_bytes or 0.0) > slow
    # Runs that end have shown how high they go.
    return rises and not (need.growing or need.runs)


def risk(need: Need, limit_bytes: float, scores: Scores) -> Risk:
    """Give the chance at one limit: of the forecast for what grows, of past pairs of weeks for the rest, of kills."""
    grows = need.growing or by_forecast(need)
    found = _of_growth(need, limit_bytes) if grows else _of_scores(need, limit_bytes, scores)
    if need.growing and need.verdict != Verdict.LEAK:
        # It may not go on; and restarts end a forecast, but not what climbs from week to week whatever they do.
        found = max(found, _of_scores(need, limit_bytes, scores), key=lambda one: one.week or 0.0)
    return _of_kills(need, limit_bytes, found) if need.kills_now else found


def _of_scores(need: Need, limit: float, scores: Scores) -> Risk:
    if need.base_bytes is None or need.spread is None or not scores.size:
        return Risk(because="the history is too short to say anything about a week")
    # A limit is as good as its place among the rises of others.
    rise = math.log((limit + history.LEAST_BYTES) / (need.base_bytes + history.LEAST_BYTES))
    above = int(scores.size - scores.rises.searchsorted(rise, side="left"))
    chance = min((above + 1) / (scores.size + 1), 1.0)
    floor = 1 / (scores.size + 1)
    # Pairs of one week, and of one workload, are no independent draws.
    low, high = wilson(chance, 1 / (scores.swing + 1 / max(scores.workloads, 1)))
    low, high = min(low, chance), max(high, chance)
    certified = above > 0
    beyond = "no comparison went so high: the chance may be anything below"
    because = "based on past week-to-week comparisons" if above else beyond
    if (need.history_seconds or 0.0) < SHORTEST.total_seconds():
        because = "the history is shorter than an hour, and counted as an hour: the true chance is higher"
        certified, high = False, 1.0
    # Weeks are alike.
    day, month = (chance if chance >= 1 else -math.expm1(math.log1p(-chance) * h / _WEEK) for h in (_DAY, _MONTH))
    return Risk(day, chance, month, low if above else 0.0, high, scores.size, floor, certified, "margins", because)


def _of_growth(need: Need, limit: float) -> Risk:
    """Let the growth go on: is it at the limit within a day, a week, a month?"""
    ahead = need.ahead
    if ahead.per_day_bytes is None or ahead.level_bytes is None or ahead.goes_on is None:
        return Risk(because="it grows, but not at a rate that is known")
    if ahead.level_bytes >= limit:
        because = "it uses more than that already"
        return Risk(1.0, 1.0, 1.0, 1.0, 1.0, certified=True, basis="forecast", because=because)
    doubt = ahead.error_bytes or 0.0
    day, week, month = chances(ahead, limit, ahead.per_day_bytes, doubt, ahead.goes_on)
    # Whether it goes on is the larger doubt: a tenth on either side is enough for it to end, or to go on.
    ends = 0.0 if ahead.goes_on < 1 - _TENTH else ahead.goes_on
    lasts_on = 1.0 if ahead.goes_on > _TENTH else ahead.goes_on
    slow = chances(ahead, limit, ahead.per_day_bytes - th.QUANTILE * doubt, 0.0, ends)[1]
    fast = chances(ahead, limit, ahead.per_day_bytes + th.QUANTILE * doubt, 0.0, lasts_on)[1]
    because = "it grows: this is the chance that the growth gets there within a week"
    low, high = min(slow, fast, week), max(slow, fast, week)
    return Risk(day, week, month, low, high, certified=True, basis="forecast", because=because)


def chances(ahead: Ahead, limit: float, per_day: float, doubt: float, goes_on: float) -> tuple[float, float, float]:
    """Give the chance that growth by so much a day is at the limit within a day, a week and a month."""
    lasts = Exposure(ahead.age_hours or 0.0, ahead.longest_hours)
    level, spread = ahead.level_bytes or 0.0, ahead.noise_bytes or 0.0
    fresh = level if ahead.fresh_bytes is None else ahead.fresh_bytes
    found: list[float] = []
    reached = 0.0
    for horizon in (_DAY, _WEEK, _MONTH):
        now = min(horizon, lasts.left_hours)
        # A later life repeats the same growth from its start: the same slope decides in every one of them.
        later = min(horizon - now, lasts.longest_hours or 0.0)
        for hours, used in ((now, level), (later, fresh)):
            reached = max(reached, _reaches(hours / 24, limit - used, per_day, doubt, spread) if hours > 0 else 0.0)
        found.append(min(goes_on * reached, _SUREST))
    return found[0], found[1], found[2]


def _reaches(days: float, room: float, per_day: float, doubt: float, spread: float) -> float:
    """Chance that a line of uncertain slope, with noise around it, is at the limit after some days."""
    deviation = max(math.hypot(doubt * days, spread), 1e-9)
    return 0.5 * (1 + math.erf((per_day * days - room) / deviation / math.sqrt(2)))


def _of_kills(need: Need, limit: float, found: Risk) -> Risk:
    """Keep a chance above what kills say: at the limit that killed they go on, above it nobody saw the need."""
    killed = need.killed_limit_bytes or need.need_bytes
    if not killed or (limit > killed and need.outgrown):
        return found
    higher = math.log(max(limit / killed, 1.0))
    share, worst = (
        min(_crowded(need) * 0.5 ** (higher / math.log(halves)), 1.0) for halves in (_HALVES, _HALVES_AT_WORST)
    )
    day, week, month = (share * _again(need, hours) for hours in (_DAY, _WEEK, _MONTH))
    if found.week is not None and found.week >= week:
        return found
    slow, fast = (-math.expm1(-days / _watched(need) * _WEEK) for days in _count_range(need.killed_days))
    below = "it was OOM killed below: how much it needed was never seen"
    because = "it was OOM killed at this limit or a higher one" if limit <= killed else below
    day, month = max(day, found.day or 0.0), max(month, found.month or 0.0)
    low, high = min(share * slow, week), max(worst * fast, week)
    return Risk(
        day, week, month, low, high, found.pairs, found.smallest, certified=True, basis="kills", because=because
    )


def _watched(need: Need) -> float:
    """For how many hours kills were counted, as much as they say: at least since the first, before any sample too."""
    hours = max(need.watched_seconds / 3600, need.kills_hours or 0.0, 1.0)
    return history.FADES_HOURS * (1 - math.pow(0.5, hours / history.FADES_HOURS)) / math.log(2)


def _again(need: Need, hours: float) -> float:
    """Give the chance of another day with kills within so many hours, by how many there were in how long."""
    watched = _watched(need)
    return 1 - math.pow(watched / (watched + hours), need.killed_days + _UNCOUNTED)


def _crowded(need: Need) -> float:
    """How much further above the limit the need may be where kills come at once: the fourth root of those in a day."""
    hours = need.kills_hours or need.watched_seconds / 3600
    return math.pow(max(need.kills_now * _DAY / max(hours, _DAY), 1.0), 0.25)


def above_kills(need: Need, chance: float) -> float:
    """Find the limit from which on kills below it leave no more than that chance, and never less than `at_least`."""
    killed = need.killed_limit_bytes
    if killed is None or need.outgrown:
        return at_least(need)
    halvings = math.log2(_crowded(need) * _again(need, _WEEK) / chance)
    return max(float(killed * _HALVES ** max(halvings, 0.0) + 1), at_least(need))


def at_least(need: Need) -> float:
    """Give what a container that was killed needs at least, as the VPA recommender takes it."""
    killed = need.killed_limit_bytes or max(need.need_bytes or 0, need.request_bytes or 0)
    return max(killed + history.BUMP_BYTES, history.BUMP_RATIO * killed)


def _count_range(count: float) -> tuple[float, float]:
    """Give the 80 % interval of what so many kills were expected to be (Wilson and Hilferty)."""
    count, more = max(count, 1e-9), count + 1
    low = count * max(1 - 1 / (9 * count) - th.QUANTILE / (3 * math.sqrt(count)), 0.0) ** 3
    return low, more * (1 - 1 / (9 * more) + th.QUANTILE / (3 * math.sqrt(more))) ** 3


@dataclass(frozen=True, slots=True)
class Prices:
    """What memory and incidents cost.

    Attributes
    ----------
    per_gib_hour
        A GiB of reserved memory for an hour.
    per_incident
        A week with OOM kills.
    whole
        Whether the whole limit is paid for, whatever is requested; else the request, or the limit where there is none.
    currency
        Of both.

    Examples
    --------
    >>> Prices(0.005, 40.0).currency
    'USD'
    """

    per_gib_hour: float
    per_incident: float
    whole: bool = False
    currency: str = "USD"

    def __post_init__(self) -> None:
        for price in (self.per_gib_hour, self.per_incident):
            if not 0 <= price < math.inf:
                msg = f"A price is 0 or more, got {price!r}."
                raise RmtoolkitError(msg)


#: What things usually cost, where nobody says.
USUAL: Final = Prices(0.005, 40.0)


class AtLimit(Struct, frozen=True):
    """Everything that a limit says in one number each; None: not known, or nobody named a price."""

    limit_bytes: int
    memory_per_month: float | None
    incidents_per_month: float | None
    risk: Risk

    @property
    def total_per_month(self) -> float | None:
        memory, incidents = self.memory_per_month, self.incidents_per_month
        return None if memory is None or incidents is None else memory + incidents


def at_limit(need: Need, limit_bytes: int, request_bytes: int | None, scores: Scores, prices: Prices | None) -> AtLimit:
    """Say everything of one limit with one request; without a request the scheduler sets the whole limit aside."""
    found = risk(need, limit_bytes, scores)
    memory, incidents = priced(need, limit_bytes, request_bytes, prices), expected(found.week, prices)
    return AtLimit(limit_bytes, memory, incidents, found)


def reserved(need: Need, limit_bytes: int | None, request_bytes: int | None) -> int | None:
    """Say what the scheduler sets aside for all pods that run now: the request, or the limit where there is none."""
    asked = limit_bytes if request_bytes is None else request_bytes
    return None if asked is None else min(asked, asked if limit_bytes is None else limit_bytes) * need.pods_now


def priced(need: Need, limit_bytes: int | None, request_bytes: int | None, prices: Prices | None) -> float | None:
    paid = limit_bytes if limit_bytes is not None and prices is not None and prices.whole else request_bytes
    return per_month(reserved(need, limit_bytes, paid), prices)


def advised_request(need: Need, limit_bytes: int | None, *, whole: bool | None = None) -> int | None:
    """Take what it uses nearly always, in whole MiB: packing goes by the request, kills by the limit."""
    guaranteed = need.request_bytes is not None and need.request_bytes == need.limit_bytes
    if limit_bytes is not None and (guaranteed if whole is None else whole):
        # Guaranteed stays Guaranteed.
        return limit_bytes
    # No past says what growth will need.
    if not need.busy_bytes or (need.growing and whole is None):
        return None
    wanted = max(math.ceil(need.busy_bytes / MI) * MI, MI, need.least_bytes or 0)
    return wanted if limit_bytes is None else min(wanted, limit_bytes)


def requested(need: Need, limit_bytes: int, *, whole: bool | None, anew: bool = False) -> int | None:
    """Say what is requested beside a limit: the request in force, unless another is set together with the limit."""
    anew = anew or whole is not None or limit_bytes != need.limit_bytes
    asked = advised_request(need, limit_bytes, whole=whole) if anew else None
    return need.request_bytes if asked is None else asked


def per_month(reserved_bytes: float | None, prices: Prices | None) -> float | None:
    if reserved_bytes is None or prices is None:
        return None
    return reserved_bytes / GI * prices.per_gib_hour * HOURS_PER_MONTH


def expected(oom_probability: float | None, prices: Prices | None) -> float | None:
    if oom_probability is None or prices is None:
        return None
    return oom_probability * prices.per_incident * HOURS_PER_MONTH / _WEEK
