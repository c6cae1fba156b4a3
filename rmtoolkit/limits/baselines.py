"""What other tools would recommend, each by its own rules: to compare with, not to follow."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit._identity import LOOKBACK_MILLISECONDS
from rmtoolkit._tables import beside, run_starts, spans
from rmtoolkit.analysis.signals import mark
from rmtoolkit.limits.history import BUMP_BYTES, BUMP_RATIO, DAY_MILLISECONDS, footprint, kills, workloads
from rmtoolkit.schema import WORKLOAD
from rmtoolkit.text import MI

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

_MINUTE_MILLISECONDS: Final = 60_000
_SAMPLES_PER_DAY: Final = 1440
_MOST_DOUBLINGS: Final = 900

# The defaults of the recommender's flags.
_FIRST_BUCKET_BYTES: Final = 1e7
_RATIO: Final = 1.05
_BUCKETS: Final = 176
_MARGIN: Final = 0.15
_LOWER, _TARGET, _UPPER = 0.5, 0.9, 0.95
_FLOOR_BYTES: Final = 250 * 2**20
_CAP_BYTES: Final = 1e14

_STARTS: Final = _FIRST_BUCKET_BYTES * (np.power(_RATIO, np.arange(_BUCKETS)) - 1) / (_RATIO - 1)
KRR_HISTORY: Final = dt.timedelta(hours=336)
_KRR_STEP_MILLISECONDS: Final = 75_000
_KRR_BUFFER_PERCENT: Final = 15
_KRR_POINTS: Final = 100
_KRR_FLOOR_BYTES: Final = 100 * MI


def others(recording: Recording) -> pl.DataFrame:
    """Say what VPA would request and which limit KRR would set: what is compared with."""
    vpa = vpa_memory(recording).select(*WORKLOAD, vpa_target_bytes="target_bytes")
    krr = krr_memory(recording).select(*WORKLOAD, krr_limit_bytes="recommended_limit_bytes")
    return beside(vpa, krr, WORKLOAD)


def vpa_memory(recording: Recording) -> pl.DataFrame:
    """Compute what the Kubernetes VPA recommender would set as memory request, from a CPU sample in every minute."""
    about = workloads(recording)
    used = footprint(recording)
    weights, totals = np.zeros((about.height, _BUCKETS)), np.zeros(about.height)
    peaks = _peaks_vpa(used, kills(recording))
    if peaks.height:
        row = peaks["workload_row"].to_numpy()
        value = peaks["peak_bytes"].to_numpy()
        bucket = np.log(value * (_RATIO - 1) / _FIRST_BUCKET_BYTES + 1) / np.log(_RATIO)
        bucket = np.where(value < _FIRST_BUCKET_BYTES, 0, np.minimum(bucket, _BUCKETS - 1)).astype(np.int64)
        days = (peaks["window_end"] - peaks["reference"]).to_numpy() / DAY_MILLISECONDS
        newest = np.zeros(about.height)
        np.maximum.at(newest, row, days)
        # Years of weights that double daily fit no double: whole halvings of all of them change no quotient.
        weight = np.exp2(days - np.floor(np.maximum(newest - _MOST_DOUBLINGS, 0))[row])
        # One after the other as the recommender adds them: a tie at 90 % is decided by the last bit.
        np.add.at(weights, (row, bucket), weight)
        np.add.at(totals, row, weight)
    # Days of history, or the days that the CPU samples would fill if that is less.
    first, last = (pl.col(name).to_physical() for name in ("first", "last"))
    lasted, samples = last.max() - first.min(), (last - first) // _MINUTE_MILLISECONDS + 1
    stretches = spans(used, "workload_row").group_by("workload_row")
    cpu = stretches.agg(days=lasted / DAY_MILLISECONDS, samples=samples.sum())
    confidence = np.zeros(about.height)
    confidence[cpu["workload_row"].to_numpy()] = np.minimum(cpu["days"], cpu["samples"] / _SAMPLES_PER_DAY)
    seen = totals > 0
    floor = _FLOOR_BYTES / about["containers_in_pod"].to_numpy()
    with np.errstate(divide="ignore"):
        factors = {
            "lower_bytes": (_LOWER, np.power(1 + 0.001 / confidence, -2.0)),
            "target_bytes": (_TARGET, np.ones(about.height)),
            "upper_bytes": (_UPPER, 1 + 1 / confidence),
        }
    highest = _BUCKETS - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)
    answers = []
    for name, (share, factor) in factors.items():
        # The end of the lowest bucket at which the share of the weight is reached.
        reached = np.cumsum(weights, axis=1) >= (share * totals)[:, None]
        bucket = np.where(reached.any(axis=1), np.minimum(reached.argmax(axis=1), highest), highest)
        base = np.where(seen, np.trunc(_STARTS[np.minimum(bucket + 1, _BUCKETS - 1)]), 0.0)
        amount = base + np.trunc(_MARGIN * base)
        amount = np.trunc(np.minimum(np.where(amount > 0, amount, 1) * factor, _CAP_BYTES)) * (amount > 0)
        amount = np.trunc(np.maximum(amount, floor))
        answers.append(pl.Series(name, amount.astype(np.int64)).set(pl.Series(~seen), None))
    return about.select(*WORKLOAD, "pods").with_columns(answers)


def _peaks_vpa(used: pl.DataFrame, killed: pl.DataFrame) -> pl.DataFrame:
    """Keep one peak per container and 24 hours from its first sample, pod after pod as history is read."""
    begin = run_starts(used["container_id"])
    time = used["time"].to_physical().to_numpy()
    start = np.repeat(time[begin], np.diff(begin, append=used.height))
    windows = used.select("workload_row", "container_id", first=pl.Series(start)).with_columns(
        window=pl.Series((time - start) // DAY_MILLISECONDS)
    )
    # Times rise within a container, and so do its windows: each is a stretch of rows.
    day = np.union1d(begin, run_starts(windows["window"]))
    values = used["used_bytes"].to_numpy()
    highest = np.maximum.reduceat(values, day) if day.size else values
    peaks = windows[day].with_columns(peak_bytes=pl.Series(highest, dtype=pl.Int64))
    peaks = pl.concat([peaks, pl.DataFrame(_bumps(used, killed), peaks.schema, orient="row")])
    of_window = peaks.group_by("workload_row", "container_id", "first", "window", maintain_order=True)
    peaks = of_window.agg(pl.col("peak_bytes").max())
    end = pl.col("first") + (pl.col("window") + 1) * DAY_MILLISECONDS
    half = DAY_MILLISECONDS // 2
    reference = (pl.col("window_end").min().over("workload_row") + half) // DAY_MILLISECONDS * DAY_MILLISECONDS
    dated = peaks.with_columns(window_end=end).with_columns(reference=reference)
    return dated.sort("workload_row", "container_id", "window_end")


def _bumps(used: pl.DataFrame, killed: pl.DataFrame) -> list[tuple[int, int, int, int, int]]:
    """Say what each OOM kill counts as: the larger of request and the window's peak until then, and more."""
    rows: list[tuple[int, int, int, int, int]] = []
    times, values = used["time"].to_physical().to_numpy(), used["used_bytes"].to_numpy()
    begin = np.searchsorted(used["container_id"].to_numpy(), killed["container_id"].to_numpy())
    until = np.searchsorted(mark(used, "time"), mark(killed, "time"), side="right")
    told = killed.select("workload_row", "container_id", pl.col("time").to_physical(), "request_bytes").iter_rows()
    last = first = done = window = usage_peak = kill_peak = -1
    for (row, container, time, request), low, upto in zip(told, begin.tolist(), until.tolist(), strict=True):
        if upto == low:
            continue
        if container != last:
            last, first, done, window = container, int(times[low]), low, -1
        latest = int((times[upto - 1] - first) // DAY_MILLISECONDS)
        if latest != window:
            done = max(done, low + int(np.searchsorted(times[low:upto], first + latest * DAY_MILLISECONDS)))
            usage_peak, kill_peak, window = 0, 0, latest
        highest = int(values[done:upto].max(initial=0))
        usage_peak = highest if highest > max(usage_peak, kill_peak) else usage_peak
        done = upto
        needed = max(request or 0, usage_peak)
        kill_peak = max(kill_peak, needed + BUMP_BYTES, int(needed * BUMP_RATIO))
        rows.append((row, container, first, (time - first) // DAY_MILLISECONDS, kill_peak))
    return rows


def krr_memory(recording: Recording) -> pl.DataFrame:
    """Compute what Robusta KRR's simple strategy would set as memory request and limit."""
    seen = _subquery(footprint(recording))
    found = seen.group_by("workload_row").agg(raw=pl.col("used_bytes").max(), points=pl.col("points").sum())
    whole = -(-(100 + _KRR_BUFFER_PERCENT) * pl.col("raw") // (100 * MI)) * MI
    amount = pl.when(pl.col("points") >= _KRR_POINTS).then(pl.max_horizontal(whole, _KRR_FLOOR_BYTES))
    return _answer(recording, found, amount, pl.col("points").fill_null(0))


def _subquery(used: pl.DataFrame) -> pl.DataFrame:
    """Find of each container the highest sample that a subquery sees, and at how many instants it sees one."""
    if not used.height:
        return used.select("workload_row", "used_bytes", points=pl.lit(0, dtype=pl.Int64))
    last, step = used.select(pl.col("time").max().to_physical()).item(), _KRR_STEP_MILLISECONDS
    oldest = last - int(KRR_HISTORY.total_seconds() * 1000)
    used = used.filter(pl.col("time").to_physical() > oldest - LOOKBACK_MILLISECONDS)
    begin = run_starts(used["container_id"])
    rows = used[begin].select("workload_row")
    time = used["time"].to_physical().to_numpy()
    following = np.append(time[1:], 0)
    following[np.append(begin[1:], used.height) - 1] = last + LOOKBACK_MILLISECONDS
    until = np.minimum(np.minimum(following, time + LOOKBACK_MILLISECONDS), last + 1)
    first = -(-np.maximum(time, oldest) // step)
    points = np.maximum(-(-until // step) - first, 0)
    highest = np.maximum.reduceat(np.where(points > 0, used["used_bytes"].to_numpy(), -1), begin)
    found = rows.with_columns(used_bytes=pl.Series(highest), points=pl.Series(np.add.reduceat(points, begin)))
    return found.filter(pl.col("points") > 0)


def max_plus(recording: Recording, percent: float) -> pl.DataFrame:
    """Compute the highest working set over all pods and so many percent: the rule that every other has to beat."""
    # In thousandths of a percent, whole numbers: 200 × 1.15 is 229.99… as a float.
    thousandths = round(1000 * (100 + percent))
    amount = -(-thousandths * pl.col("peak") // 100_000)
    peaks = footprint(recording).group_by("workload_row").agg(peak=pl.col("used_bytes").max())
    return _answer(recording, peaks, amount)


def _answer(recording: Recording, found: pl.DataFrame, amount: pl.Expr, *also: pl.Expr) -> pl.DataFrame:
    """Give a row per workload container, whether or not it has samples; the amount is request and limit."""
    rows = beside(workloads(recording), found, "workload_row")
    return rows.select(*WORKLOAD, "pods", *also, recommended_request_bytes=amount, recommended_limit_bytes=amount)
