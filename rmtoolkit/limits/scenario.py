"""A changed past of one workload container and the limit it would need: quick enough to play with.

The same changes in the same order as in `rmtoolkit.what_if`, without judging anew: a workload that grows still grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import cost
from rmtoolkit.limits.history import describe
from rmtoolkit.limits.recommend import of_gathered
from rmtoolkit.limits.risk import of_needs
from rmtoolkit.limits.what_if import TOUCHED_STACK_BYTES, spread_over

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.limits.margins import Margins
    from rmtoolkit.limits.past import Past

    Floats = NDArray[np.float64]

#: The quietest twentieth of a pod's samples is taken not to follow the traffic.
_QUIET: Final = 0.05
#: A request is what it uses nearly always.
_BUSY: Final = 0.98


@dataclass(frozen=True, slots=True)
class Change:
    """What is different.

    Attributes
    ----------
    startup_scale
        Height of every startup over the settled level, 1 as it was.
    spread_seconds
        Over how much more time each startup is spread; 0 as it was.
    threads
        How many; None as it was.
    traffic
        1 as it was.

    Examples
    --------
    >>> Change().nothing, Change(traffic=2).nothing
    (True, False)
    """

    startup_scale: float = 1.0
    spread_seconds: float = 0.0
    threads: int | None = None
    traffic: float = 1.0

    @property
    def nothing(self) -> bool:
        """Whether everything is as it was."""
        return self == Change()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One workload container after a change.

    Attributes
    ----------
    used
        Bytes, a value for each sample of the past.
    need
        As a row of `rmtoolkit.limits.recommend.gather`, after the change.
    settled_bytes
        The usual level of lives; None where nothing settles.
    running_bytes
        The highest value outside startups.
    startups
        The highest value of each startup that was seen.
    pod
        The number of the pod with the highest value.

    Examples
    --------
    >>> Outcome.__slots__[:2]
    ('used', 'need')
    """

    used: Floats
    need: dict[str, Any]
    settled_bytes: float | None
    running_bytes: float | None
    startups: Floats
    pod: int


def measured_spike(past: Past) -> float | None:
    """Find how far the highest startup went above its settled level.

    Parameters
    ----------
    past
        The past.

    Returns
    -------
    float or None
        Bytes; None where no startup was seen.

    Examples
    --------
    >>> from rmtoolkit.limits.past import of_workload
    >>> from rmtoolkit.recording import as_recording
    >>> recording = as_recording(pl.DataFrame({"time": [0, 60], "rss_bytes": [5, 6]}))
    >>> measured_spike(of_workload(recording, recording.containers.row(0, named=True))) is None
    True
    """
    starting = past.starting
    if not starting.any():
        return None
    spike = float((past.used[starting] - past.settled[starting]).max())
    return spike if spike > 0 else None


def change(past: Past, wanted: Change) -> Floats:
    """Give what would have been used.

    Parameters
    ----------
    past
        The past.
    wanted
        What is different.

    Returns
    -------
    numpy.ndarray
        Bytes, a value for each sample.

    Raises
    ------
    RmtoolkitError
        Threads are to change, and the recording does not know how many there were.

    Examples
    --------
    >>> from rmtoolkit.limits.past import of_workload
    >>> from rmtoolkit.recording import as_recording
    >>> recording = as_recording(pl.DataFrame({"time": range(0, 600, 60), "rss_bytes": [100] * 5 + [200] * 5}))
    >>> float(change(of_workload(recording, recording.containers.row(0, named=True)), Change(traffic=2))[-1])
    300.0
    """
    return _changed(past, wanted)[0]


def _changed(past: Past, wanted: Change) -> tuple[Floats, Floats, Floats]:
    """Give what would have been used, where it would settle, and each sample's shift other than by its startup."""
    if wanted.nothing or not past.used.size:
        return past.used, past.settled, np.zeros(past.used.size)
    used, settled = past.used, past.settled
    if wanted.threads is not None:
        if past.threads is None:
            msg = "The recording does not know how many threads there were."
            raise RmtoolkitError(msg)
        shift = np.nan_to_num((wanted.threads - past.threads) * TOUCHED_STACK_BYTES)
        used, settled = np.maximum(used + shift, 0.0), np.maximum(settled + shift, 0.0)
    if wanted.traffic != 1:
        floor = _floors(past, used)
        used = np.maximum(used + np.maximum(used - floor, 0.0) * (wanted.traffic - 1), 0.0)
        settled = settled + np.maximum(settled - floor, 0.0) * (wanted.traffic - 1)
    moved = used - past.used
    if wanted.startup_scale != 1 or wanted.spread_seconds:
        excess = np.where(past.starting, np.maximum(used - settled, 0.0), 0.0)
        then = excess * wanted.startup_scale
        if wanted.spread_seconds and excess.any():
            then = _spread(past, then, wanted.spread_seconds)
        used = np.maximum(used + then - excess, 0.0)
    return used, settled, moved


def _floors(past: Past, used: Floats) -> Floats:
    """Find what each pod holds in its quietest twentieth, a value for each sample."""
    ends = np.append(past.first[1:], used.size)
    floors = []
    for low, high in zip(past.first, ends, strict=True):
        rank = int(_QUIET * (high - low - 1))
        floors.append(np.partition(used[low:high], rank)[rank])
    return np.repeat(np.array(floors), ends - past.first)


def _spread(past: Past, excess: Floats, seconds: float) -> Floats:
    """Spread startups: only samples that what is spread may reach take part."""
    high = np.flatnonzero(excess > 0)
    until = np.full(past.begins.size, -1, dtype=np.int64)
    np.maximum.at(until, past.life[high], past.times[high] + round(1000 * seconds))
    there = past.times <= until[past.life]
    frame = pl.DataFrame(
        {
            "life_row": past.life[there],
            "time": pl.Series(past.times[there]).cast(pl.Datetime("ms", "UTC")),
            "excess": excess[there],
            "cadence_seconds": past.cadence[past.pod[there]],
        }
    )
    then = excess.copy()
    then[there] = spread_over(frame, seconds).to_numpy()
    return then


def outcome(past: Past, need: dict[str, Any], wanted: Change) -> Outcome:
    """Say what a workload container would need after a change.

    Parameters
    ----------
    past
        The past.
    need
        Its row of `rmtoolkit.limits.recommend.gather`.
    wanted
        What is different.

    Returns
    -------
    Outcome
        With nothing different, the row that was given.

    Examples
    --------
    >>> from rmtoolkit.limits.past import of_workload
    >>> from rmtoolkit.limits.recommend import gather
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [10 * 2**20] * 50 + [20 * 2**20] * 50})
    >>> row = gather(table).row(0, named=True)
    >>> outcome(of_workload(as_recording(table), row), row, Change(traffic=2)).need["peak_bytes"] // 2**20
    30
    """
    used, settled, moved = _changed(past, wanted)
    if not used.size:
        return Outcome(used, need, None, None, np.zeros(0), 0)
    peaks = past.pod_peaks(used)
    hot = int(used[peaks].argmax())
    after = need if wanted.nothing else _needed(past, need, used, moved, wanted, peaks)
    begins = past.begins
    starting = past.starting
    # Of a changed past, a startup is where it was, and where it is spread to.
    high = used.copy()
    high[~starting] = -1.0
    tops = np.maximum.reduceat(high, begins)
    levels = settled[begins]
    running = used[~starting]
    return Outcome(
        used=used,
        need=after,
        settled_bytes=float(np.median(levels[np.isfinite(levels)])) if np.isfinite(levels).any() else None,
        running_bytes=float(running.max()) if running.size else None,
        startups=tops[tops >= 0],
        pod=hot,
    )


def _needed(
    past: Past, need: dict[str, Any], used: Floats, moved: Floats, wanted: Change, peaks: NDArray[np.int64]
) -> dict[str, Any]:
    """Write the row that `gather` would give, as far as limits and risk depend on the change."""
    history = describe(past.block_peaks(used), past.history_seconds)
    base, spread, climbing = history.select("base_bytes", "spread", "climbing").row(0)
    killed = _killed(past, used, moved, wanted)
    top = int(peaks[used[peaks].argmax()])
    rank = min(int(np.ceil(_BUSY * (used.size - 1))), used.size - 1)
    return need | {
        "base_bytes": max(base, killed or 0.0),
        "spread": spread,
        "climbing": climbing,
        "peak_bytes": round(float(used[top])),
        "peak_pod": past.pods[int(past.pod[top])],
        "peak_time": pl.Series([int(past.times[top])]).cast(pl.Datetime("ms", "UTC"))[0],
        "killed_limit_bytes": None if killed is None else round(killed),
        "busy_bytes": round(float(np.partition(used, rank)[rank])),
        "hot_ratio": float(used[peaks].max() / max(float(np.median(used[peaks])), 1.0)) if peaks.size > 1 else None,
        # What is kept of the allocator's pages is not told apart from the rest of what moved.
        "purged_base_bytes": None,
    }


def _killed(past: Past, used: Floats, moved: Floats, wanted: Change) -> float | None:
    """Move the limits that killed by what moved the sample before: the need was above them, and moves as it did."""
    found = []
    ends = np.append(past.first[1:], used.size)
    for pod, time, limit in past.killed.drop_nulls().iter_rows():
        low, high = int(past.first[pod]), int(ends[pod])
        at = max(low + int(np.searchsorted(past.times[low:high], time, side="right")) - 1, low)
        then = limit + moved[at]
        if past.starting[at]:
            level = past.settled[at] + moved[at]
            then = level + max(then - level, 0.0) * _eased(past, used, moved, wanted, at)
        found.append(then)
    return max(found, default=None)


def _eased(past: Past, used: Floats, moved: Floats, wanted: Change, at: int) -> float:
    """Say how high the startup of a sample's life is, as a share of what it was."""
    same = (past.life == past.life[at]) & past.starting
    before = float((past.used[same] - past.settled[same]).max())
    after = float((used[same] - past.settled[same] - moved[same]).max())
    return max(after, 0.0) / before if before > 0 else wanted.startup_scale


def curve(found: Outcome, limits: Floats, margins: Margins) -> pl.DataFrame:
    """Give the chance of an OOM kill within 7 days at every limit.

    Parameters
    ----------
    found
        After a change.
    limits
        Bytes.
    margins
        As in `rmtoolkit.limit_risk`.

    Returns
    -------
    polars.DataFrame
        As `rmtoolkit.limit_risk` gives it.

    Examples
    --------
    >>> from rmtoolkit.limits.scene import scene_of
    >>> minutes = range(0, 864_000, 600)
    >>> scene = scene_of(pl.DataFrame({"time": minutes, "workload": "api", "rss_bytes": 100 * 2**20}))
    >>> curve(scene.found, np.array([90.0, 400.0]) * 2**20, scene.margins)["oom_probability"].to_list()[0] > 0.9
    True
    """
    return of_needs(_row(found.need), [round(float(limit)) for limit in limits], margins)


def ours(found: Outcome, oom_probability: float, margins: Margins) -> dict[str, Any]:
    """Recommend request and limit.

    Parameters
    ----------
    found
        After a change.
    oom_probability, margins
        As in `rmtoolkit.recommend_limits`.

    Returns
    -------
    dict
        The row of `rmtoolkit.recommend_limits`.

    Examples
    --------
    >>> from rmtoolkit.limits.scene import scene_of
    >>> minutes = range(0, 864_000, 600)
    >>> scene = scene_of(pl.DataFrame({"time": minutes, "workload": "api", "rss_bytes": 100 * 2**20}))
    >>> ours(scene.found, 0.05, scene.margins)["action"]
    'set'
    """
    return of_gathered(_row(found.need), oom_probability, margins).row(0, named=True)


def _row(need: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([need], schema_overrides=dict.fromkeys(WORKLOAD, pl.String), infer_schema_length=None)


def reserved_bytes(row: dict[str, Any], limit_bytes: float, *, whole: bool) -> float | None:
    """Say what a limit makes the scheduler set aside, over all pods.

    Parameters
    ----------
    row
        As `ours` gives it.
    limit_bytes
        The limit.
    whole
        Whether the request is the limit itself (what Kubernetes sets where there is none, and what Guaranteed needs).

    Returns
    -------
    float or None
        Bytes; None where the request is not known.

    Examples
    --------
    >>> reserved_bytes({"recommended_request_bytes": 5, "pods": 3}, 10, whole=False)
    15
    """
    request = limit_bytes if whole else row["recommended_request_bytes"]
    return None if request is None else min(request, limit_bytes) * max(row["pods"], 1)


def costs(
    risk: pl.DataFrame, row: dict[str, Any], price_per_gib_hour: float, price_per_incident: float, *, whole: bool
) -> pl.DataFrame:
    """Price every limit for a month: the memory it sets aside, and the weeks with OOM kills it lets through.

    Parameters
    ----------
    risk
        As `curve` gives it.
    row
        As `ours` gives it.
    price_per_gib_hour, price_per_incident
        In one currency.
    whole
        As in `reserved_bytes`.

    Returns
    -------
    polars.DataFrame
        `limit_bytes`, `memory`, `incidents`, `total`: a month's price; null where something is not known.

    Examples
    --------
    >>> risk = pl.DataFrame({"limit_bytes": [2**30], "oom_probability": [0.05]})
    >>> costs(risk, {"recommended_request_bytes": 2**30, "pods": 2}, 0.005, 0.0, whole=True)["total"].to_list()
    [7.305]
    """
    rows = [
        (
            limit,
            cost.per_month(reserved_bytes(row, limit, whole=whole), price_per_gib_hour),
            cost.expected(chance, price_per_incident),
        )
        for limit, chance in risk.select("limit_bytes", "oom_probability").iter_rows()
    ]
    schema = {"limit_bytes": pl.Int64, "memory": pl.Float64, "incidents": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(total=pl.col("memory") + pl.col("incidents"))
