"""What others use to find leaks, written anew from their descriptions and read as kindly as is reasonable.

Each rule looks at one memory series per container, as its authors do, and never at a sum over pods; a workload
leaks when one of its containers does. Containers that a release has replaced are left out, as an alarm that is
evaluated now leaves them out. A rule that has too little data says inconclusive.

Rules that speak of hours count in the scrapes they expect: one recorded second of the corpus stands for one scrape,
of one minute for `predict_linear` (the default of Prometheus), 15 seconds for Coroot (its default), and five minutes
for PrecogMF (its grid).

Where two readings were open, the one with the better F1 on ``dev`` was taken: a container's longest life, not its last
nor all of them as one series; the intervals above, not shorter or longer ones; Coroot's rule at the window's end, not
at any time in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from rmtoolkit.recording import Recording

    Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """One container's memory.

    Attributes
    ----------
    at
        Scrapes since the window began, one for each value; a gap leaves numbers out.
    bytes
        What was scraped.
    limit_bytes
        Null when there is none or it is not known.
    cadence_seconds
        Of one scrape.
    current
        Whether this life goes on at the window's end: only then is there a time left to the limit.
    """

    at: Values
    bytes: Values
    limit_bytes: float | None
    cadence_seconds: float = 1.0
    current: bool = True


#: Whether a series leaks (null = cannot say), and scrapes until the limit when the rule has an idea of that.
Opinion = tuple[bool | None, float | None]
UNSURE: Final[Opinion] = (None, None)

#: In scrapes.
_COROOT_HOUR: Final = 240
_PRECOG_HOUR: Final = 12
_PRECOG_SHORTEST: Final = 6 * _PRECOG_HOUR
_PRECOG_HORIZON: Final = 7 * 24 * _PRECOG_HOUR


def line(at: Values, values: Values) -> tuple[float, float, float]:
    """Fit a straight line by least squares.

    Returns
    -------
    tuple[float, float, float]
        Slope per scrape, value at the last scrape, and r².
    """
    x, y = at - at.mean(), values - values.mean()
    spread, total = float(x @ x), float(y @ y)
    if not spread or not total:
        return 0.0, float(values[-1]), 0.0
    slope = float(x @ y) / spread
    return slope, float(values.mean() + slope * x[-1]), slope * slope * spread / total


def until(limit: float | None, now: float, slope: float) -> float | None:
    """Count the scrapes until a straight line meets the limit; null when it never does."""
    return max(limit - now, 0.0) / slope if limit is not None and slope > 0 else None


def mann_kendall(series: Series) -> Opinion:
    """Mann-Kendall trend test at p < 0.05, upwards, with the correction for ties."""
    values = series.bytes
    count = len(values)
    # Four values cannot reach p < 0.05 in any order.
    if count < 5:
        return UNSURE
    rises = int(np.sign(values[None, :] - values[:, None])[np.triu_indices(count, 1)].sum())
    ties = np.unique(values, return_counts=True)[1].astype(float)
    variance = (count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    return (variance > 0 and rises > 0 and erfc((rises - 1) / sqrt(2 * variance)) < 0.05), None


def straight_line(series: Series) -> Opinion:
    """A straight line that rises and explains the series: r² of at least 0.8."""
    if len(series.bytes) < 3:
        return UNSURE
    slope, now, fit = line(series.at, series.bytes)
    return slope > 0 and fit >= 0.8, until(series.limit_bytes, now, slope)


def predict_linear(series: Series) -> Opinion:
    """Prometheus' ``predict_linear(memory[4h], 24 * 3600) > limit``, at the last scrape.

    One scrape a minute: the line goes through the last 240 scrapes, or as many as there are, and 1440 ahead.
    """
    if series.limit_bytes is None or len(series.bytes) < 2:
        return UNSURE
    recent = series.at > series.at[-1] - 240
    slope, now, _ = line(series.at[recent], series.bytes[recent])
    return now + 1440 * slope > series.limit_bytes, until(series.limit_bytes, now, slope)


def first_and_last(series: Series) -> Opinion:
    """Mean of the last tenth against the mean of the first: more than 1.2 times as much."""
    tenth = len(series.bytes) // 10
    if not tenth:
        return UNSURE
    return bool(series.bytes[-tenth:].mean() > 1.2 * series.bytes[:tenth].mean()), None


def quarters(series: Series) -> Opinion:
    """Median of the last quarter against that of the first, after a tenth for warming up: more than 5 % more."""
    settled = series.bytes[len(series.bytes) // 10 :]
    quarter = len(settled) // 4
    if not quarter:
        return UNSURE
    return bool(np.median(settled[-quarter:]) > 1.05 * np.median(settled[:quarter])), None


def _longest_run(values: Values) -> slice:
    """Find the longest stretch in which no value is less than half of the one before."""
    edges = np.r_[0, np.flatnonzero(values[1:] < 0.5 * values[:-1]) + 1, len(values)]
    longest = int(np.argmax(np.diff(edges)))
    return slice(int(edges[longest]), int(edges[longest + 1]))


def coroot(series: Series) -> Opinion:
    """Coroot's inspection of RSS over the last hour, at the window's end.

    A scrape every 15 seconds makes 240 an hour. At least 80 % of them must be there, and a third of them after the
    last fall to less than half. A straight line through these has to gain 10 % within the hour, and 5 % of the limit
    (50 MiB without one); the slope of its last quarter has to be at least 0.3 of the whole, so that a warm-up that
    levels off is left alone.
    """
    recent = series.at > series.at[-1] - _COROOT_HOUR
    at, values = series.at[recent], series.bytes[recent]
    if len(values) < 0.8 * _COROOT_HOUR:
        return UNSURE
    run = _longest_run(values)
    at, values = at[run], values[run]
    if len(values) < _COROOT_HOUR / 3:
        return UNSURE
    slope, now, _ = line(at, values)
    gained = slope * _COROOT_HOUR
    tail = at >= at[-1] - max(at[-1] - at[0], _COROOT_HOUR) / 4
    goes_on = line(at[tail], values[tail])[0] >= 0.3 * slope > 0
    enough = 0.05 * series.limit_bytes if series.limit_bytes else 50 * 2.0**20
    return goes_on and gained >= max(0.1 * (now - gained), enough), until(series.limit_bytes, now, slope)


def _change_points(values: Values) -> list[int]:
    """List where the level jumps (modified z-score above 3.5), at least six hours apart, and both ends."""
    jumps = np.abs(np.diff(values))
    away = np.abs(jumps - np.median(jumps))
    last = len(values) - 1
    found = [0]
    for place in np.flatnonzero(0.6745 * away > 3.5 * np.median(away)) + 1:
        if place - found[-1] >= _PRECOG_SHORTEST:
            found.append(int(place))
    return found if found[-1] == last else [*found, last]


def _trend(values: Values) -> tuple[float, float] | None:
    """Fit a line; its r² and slope when it rises for six hours, fits, and reaches 100 % within seven days."""
    if len(values) <= _PRECOG_SHORTEST:
        return None
    slope, _, fit = line(np.arange(len(values), dtype=float), values)
    in_time = slope > 0 and 100 - values[-1] <= slope * _PRECOG_HORIZON
    return (fit, slope) if in_time and fit > 0.8 else None


def _usual(known: Values) -> tuple[float, int]:
    """Learn the steepest slope and the longest duration of trends that ended by themselves."""
    points = _change_points(known)
    steepest, longest = 0.0, _PRECOG_SHORTEST
    for number, begin in enumerate(points[:-1]):
        trends = [(*trend, end) for end in points[number + 1 :] if (trend := _trend(known[begin : end + 1]))]
        if trends and (best := max(trends))[2] < points[-1]:
            steepest, longest = max(steepest, best[1]), max(longest, best[2] - begin)
    return steepest, longest


def precog_mf(series: Series) -> Opinion:
    """PrecogMF on the share of the limit in use: learn from the first third of the window, then judge it all.

    Its grid has a cell every 5 minutes. It must be given a time without a leak to learn from; nothing tells which
    that is, so it gets the first third, as it would in practice, and a leak that is in there it takes for usual. It
    alarms at a straight rise of six hours or more that would reach 100 % within seven days, is steeper and longer than
    any learnt, has reached 40 %, and (the "max filter") ends at the highest level yet or at 95 %. Judging only the
    other two thirds would find fewer of the leaks.
    """
    if not series.limit_bytes or len(series.bytes) < 9:
        return UNSURE
    cells = np.arange(series.at[0], series.at[-1] + 0.5)
    share = np.interp(cells, series.at, 100 * series.bytes / series.limit_bytes)
    hour = np.r_[np.full(_PRECOG_HOUR - 1, np.nan), share]
    smooth = np.nanmedian(sliding_window_view(hour, _PRECOG_HOUR), axis=1)
    known = smooth[: len(smooth) // 3]
    if share[-1] < 40:
        return False, None
    steepest, longest = _usual(known)
    points = _change_points(smooth)
    alarms = [
        trend[1]
        for begin in points[:-1]
        if (trend := _trend(smooth[begin:])) and trend[1] >= steepest and len(smooth) - 1 - begin >= longest
    ]
    highest, before = np.sort(smooth[points[-2] :])[-10:], np.sort(known)[-10:]
    if not alarms or highest[0] < min(95.0, float(np.median(before))):
        return False, None
    return True, (100 - float(smooth[-1])) / alarms[0]


def series(recording: Recording, signal: str = "working_set_bytes") -> Iterator[tuple[tuple[str, str], Series]]:
    """Cut what the rules judge: the longest life of each container that no release has replaced.

    Parameters
    ----------
    recording
        Any recording.
    signal
        Whose values.

    Yields
    ------
    tuple[tuple[str, str], Series]
        Namespace and workload, and the series.
    """
    memory = recording.samples.drop_nulls(signal).select("container_id", pl.col("time").dt.epoch("ms"), signal)
    about = recording.containers.select("container_id", "namespace", "workload", "limit_bytes", "cadence_seconds")
    about = about.join(memory.group_by("container_id").agg(last=pl.col("time").max()), on="container_id")
    about = about.with_columns(end=pl.col("last").max().over("namespace", "workload"))
    rows = memory.partition_by("container_id", as_dict=True, include_key=False)
    turns = recording.events.filter(pl.col("kind").is_in(["start", "end"])).with_columns(pl.col("time").dt.epoch("ms"))
    for container, namespace, workload, limit, cadence, last, end in about.sort("container_id").rows():
        mine = turns.filter(pl.col("container_id") == container).select("kind", "time").rows()
        if mine and mine[-1][0] == "end" and mine[-1][1] < end:
            continue
        time, values = (rows[(container,)][name].to_numpy() for name in ("time", signal))
        cuts = np.searchsorted(time, [when for kind, when in mine if kind == "start"])
        edges = np.unique(np.r_[0, cuts, len(time)])
        longest = int(np.argmax(np.diff(edges)))
        life = slice(int(edges[longest]), int(edges[longest + 1]))
        every = cadence or 1.0
        at = (time[life] - time[0]) / (1000 * every)
        yield (namespace, workload), Series(at, values[life].astype(float), limit, every, time[life][-1] == last)


def _classifier(rule: Callable[[Series], Opinion], *signals: str) -> Callable[[Recording], pl.DataFrame]:
    """Make a classifier of a rule for one series; it takes the first signal that was recorded."""

    def classify(recording: Recording) -> pl.DataFrame:
        signal = next((name for name in signals if recording.samples[name].count()), "working_set_bytes")
        found: dict[tuple[str, str], list[tuple[Series, Opinion]]] = {}
        for key, one in series(recording, signal):
            found.setdefault(key, []).append((one, rule(one)))
        answers = []
        for (namespace, workload), opinions in found.items():
            said = [leaks for _, (leaks, _) in opinions]
            verdict = "leak" if any(said) else "inconclusive" if None in said else "not_leak"
            hours = [
                left * one.cadence_seconds / 3600
                for one, (leaks, left) in opinions
                if leaks and left is not None and one.current
            ]
            answers.append((namespace, workload, verdict, min(hours, default=None)))
        schema = {"namespace": pl.String, "workload": pl.String, "verdict": pl.String, "hours_to_limit": pl.Float64}
        return pl.DataFrame(answers, schema=schema, orient="row")

    classify.__doc__ = rule.__doc__
    return classify


#: Every baseline: a recording in, a row per workload out.
BASELINES: Final = {
    "mann_kendall": _classifier(mann_kendall),
    "straight_line": _classifier(straight_line),
    "predict_linear": _classifier(predict_linear),
    "coroot": _classifier(coroot, "rss_bytes"),
    "first_and_last": _classifier(first_and_last),
    "quarters": _classifier(quarters),
    "precog_mf": _classifier(precog_mf),
}
