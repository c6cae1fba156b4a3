"""The memory recommendation of the Kubernetes Vertical Pod Autoscaler, to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit.exceptions import ColumnError, RmtoolkitError
from rmtoolkit.limits.usage import WORKLOAD, kills, usage, workloads
from rmtoolkit.normalise import as_time
from rmtoolkit.recording import as_recording
from rmtoolkit.stretches import begins

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rmtoolkit.limits.usage import AnyRecording
    from rmtoolkit.recording import Recording

    Numbers = npt.NDArray[np.float64]

_DAY_MILLISECONDS: Final = 86_400_000
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
_BUMP_BYTES: Final = 100 * 2**20
_BUMP_RATIO: Final = 1.2

_STARTS: Final = _FIRST_BUCKET_BYTES * (np.power(_RATIO, np.arange(_BUCKETS)) - 1) / (_RATIO - 1)


def vpa_memory(
    recording: AnyRecording,
    cpu_times: pl.DataFrame | Mapping[str, Sequence[Any]] | Sequence[Any] | None = None,
) -> pl.DataFrame:
    """Compute what the Kubernetes VPA recommender would set as memory request.

    Each container keeps one peak per 24 hours, counted from its first sample; the peaks of all pods go into one
    histogram whose weights halve every 24 hours. An OOM kill counts as a peak of what was used then and a fifth or
    100 MiB more. The answer is a percentile of the histogram and 15 %, widened by how little history there is.

    Parameters
    ----------
    recording
        A recording, or a frame with ``time``, ``working_set_bytes`` and identity columns. Every sample is used; the
        recommender itself sees one a minute.
    cpu_times
        When CPU usage was sampled, since the confidence is counted from that: a frame with ``time`` and the identity
        columns ``namespace``, ``workload``, ``pod``, ``container`` as far as they are there, a mapping from pod to
        times, or one list of times for every pod. None: one a minute from the first to the last memory sample.

    Returns
    -------
    polars.DataFrame
        A row per workload container: `cluster`, `namespace`, `workload`, `container`, `pods`, and in bytes
        `lower_bytes`, `target_bytes`, `upper_bytes` (a band for evictions, no confidence interval). Null: no sample.
        VPA gives no limit of its own: where one is set it keeps the ratio of limit to request.

    Raises
    ------
    RmtoolkitError
        `cpu_times` cannot be read as times.

    Notes
    -----
    After the sources of the VPA recommender (Apache-2.0, kubernetes/autoscaler, August 2026) with default flags. A
    peak day of a single pod is forgotten after three days, and of eleven replicas one that is always hot is not seen.

    Examples
    --------
    >>> minutes = range(1_700_000_000, 1_700_604_800, 60)
    >>> table = pl.DataFrame({"time": minutes, "workload": "api", "working_set_bytes": 400 * 2**20})
    >>> vpa_memory(table).select("lower_bytes", "target_bytes", "upper_bytes").rows()
    [(511626781, 511772986, 584890666)]
    """
    recording = as_recording(recording)
    about = workloads(recording)
    used = usage(recording)
    shape = (about.height, _BUCKETS)
    weights, totals = np.zeros(shape), np.zeros(about.height)
    peaks = _peaks(used, kills(recording))
    if peaks.height:
        row = peaks["workload_row"].to_numpy()
        value = peaks["peak_bytes"].to_numpy()
        bucket = np.log(value * (_RATIO - 1) / _FIRST_BUCKET_BYTES + 1) / np.log(_RATIO)
        bucket = np.where(value < _FIRST_BUCKET_BYTES, 0, np.minimum(bucket, _BUCKETS - 1)).astype(np.int64)
        days = (peaks["window_end"] - peaks["reference"]).to_numpy() / _DAY_MILLISECONDS
        newest = np.zeros(about.height)
        np.maximum.at(newest, row, days)
        # Years of weights that double daily fit no double: whole halvings of all of them change no quotient.
        weight = np.exp2(days - np.floor(np.maximum(newest - _MOST_DOUBLINGS, 0))[row])
        # One after the other as the recommender adds them: a tie at 90 % is decided by the last bit.
        np.add.at(weights, (row, bucket), weight)
        np.add.at(totals, row, weight)
    confidence = _confidence(_cpu_samples(cpu_times, recording, used), about.height)
    seen = totals > 0
    floor = _FLOOR_BYTES / about["containers_in_pod"].to_numpy()
    with np.errstate(divide="ignore"):
        factors = {
            "lower_bytes": (_LOWER, np.power(1 + 0.001 / confidence, -2.0)),
            "target_bytes": (_TARGET, np.ones(about.height)),
            "upper_bytes": (_UPPER, 1 + 1 / confidence),
        }
    answers = []
    for name, (share, factor) in factors.items():
        base = np.trunc(_percentile(weights, totals, share))
        amount = base + np.trunc(_MARGIN * base)
        amount = np.trunc(np.minimum(np.where(amount > 0, amount, 1) * factor, _CAP_BYTES)) * (amount > 0)
        amount = np.trunc(np.maximum(amount, floor))
        answers.append(pl.Series(name, amount.astype(np.int64)).set(pl.Series(~seen), None))
    return about.select(*WORKLOAD, "pods").with_columns(answers)


def _peaks(used: pl.DataFrame, killed: pl.DataFrame) -> pl.DataFrame:
    """Keep one peak per container and 24 hours from its first sample, pod after pod as history is read."""
    begin = begins(used["container_id"])
    time = used["time"].to_physical().to_numpy()
    start = np.repeat(time[begin], np.diff(begin, append=used.height))
    windows = used.select("workload_row", "container_id", first=pl.Series(start)).with_columns(
        window=pl.Series((time - start) // _DAY_MILLISECONDS)
    )
    # Times rise within a container, and so do its windows: each is a stretch of rows.
    day = np.union1d(begin, begins(windows["window"]))
    peaks = windows[day]
    if day.size:
        peaks = peaks.with_columns(peak_bytes=pl.Series(np.maximum.reduceat(used["used_bytes"].to_numpy(), day)))
    else:
        peaks = peaks.with_columns(peak_bytes=pl.lit(None, dtype=pl.Int64))
    bumps = _bumps(used, killed)
    if bumps.height:
        peaks = (
            pl.concat([peaks, bumps.select(peaks.columns)])
            .group_by("workload_row", "container_id", "first", "window", maintain_order=True)
            .agg(pl.col("peak_bytes").max())
        )
    end = pl.col("first") + (pl.col("window") + 1) * _DAY_MILLISECONDS
    half = _DAY_MILLISECONDS // 2
    reference = (pl.col("window_end").min().over("workload_row") + half) // _DAY_MILLISECONDS * _DAY_MILLISECONDS
    return (
        peaks.with_columns(window_end=end)
        .with_columns(reference=reference)
        .sort("workload_row", "container_id", "window_end")
    )


def _bumps(used: pl.DataFrame, killed: pl.DataFrame) -> pl.DataFrame:
    """Say what each OOM kill counts as: the larger of request and the window's peak until then, and more."""
    rows: list[tuple[int, int, int, int, int]] = []
    for (container,), group in killed.group_by(["container_id"], maintain_order=True):
        samples = used.filter(pl.col("container_id") == container)
        if not samples.height:
            continue
        times, values = samples["time"].to_physical().to_numpy(), samples["used_bytes"].to_numpy()
        first, done, window = int(times[0]), 0, -1
        usage_peak = kill_peak = 0
        for time, request in group.select(pl.col("time").to_physical(), "request_bytes").iter_rows():
            upto = int(np.searchsorted(times, time, side="right"))
            if upto == 0:
                continue
            latest = int((times[upto - 1] - first) // _DAY_MILLISECONDS)
            if latest != window:
                done = max(done, int(np.searchsorted(times, first + latest * _DAY_MILLISECONDS)))
                usage_peak, kill_peak, window = 0, 0, latest
            highest = int(values[done:upto].max(initial=0))
            usage_peak = highest if highest > max(usage_peak, kill_peak) else usage_peak
            done = upto
            needed = max(request or 0, usage_peak)
            kill_peak = max(kill_peak, needed + _BUMP_BYTES, int(needed * _BUMP_RATIO))
            own = int((time - first) // _DAY_MILLISECONDS)
            rows.append((int(samples["workload_row"][0]), int(container), first, own, kill_peak))
    return pl.DataFrame(
        rows,
        schema={
            "workload_row": pl.UInt32,
            "container_id": pl.UInt32,
            "first": pl.Int64,
            "window": pl.Int64,
            "peak_bytes": pl.Int64,
        },
        orient="row",
    )


def _percentile(weights: Numbers, totals: Numbers, share: float) -> Numbers:
    """Find the end of the lowest bucket at which the share of the weight is reached."""
    reached = np.cumsum(weights, axis=1) >= (share * totals)[:, None]
    highest = _BUCKETS - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)
    bucket = np.where(reached.any(axis=1), np.minimum(reached.argmax(axis=1), highest), highest)
    ends = _STARTS[np.minimum(bucket + 1, _BUCKETS - 1)]
    return np.where(totals > 0, ends, 0.0)


def _confidence(cpu: pl.DataFrame, height: int) -> Numbers:
    """Days of history, or the days that so many samples would fill if that is less."""
    confidence = np.zeros(height)
    days = (cpu["last"] - cpu["first"]).to_numpy() / _DAY_MILLISECONDS
    confidence[cpu["workload_row"].to_numpy()] = np.minimum(days, cpu["n"].to_numpy() / _SAMPLES_PER_DAY)
    return confidence


def _cpu_samples(cpu_times: Any, recording: Recording, used: pl.DataFrame) -> pl.DataFrame:  # noqa: ANN401 - see above
    """First and last CPU sample of each workload container, in milliseconds, and how many there were."""
    time = pl.col("time").to_physical()
    begin = begins(used["container_id"])
    end = np.append(begin[1:], used.height)[: begin.size] - 1
    stamps = used["time"].to_physical()
    spans = used[begin].select("workload_row", "container_id", first=stamps.gather(begin), last=stamps.gather(end))
    if cpu_times is None:
        spans = spans.with_columns(n=(pl.col("last") - pl.col("first")) // _MINUTE_MILLISECONDS + 1)
    else:
        given = _given(cpu_times, recording.containers)
        spans = spans.select("workload_row", "container_id").join(
            given.group_by("container_id").agg(first=time.min(), last=time.max(), n=pl.len().cast(pl.Int64)),
            on="container_id",
        )
    return spans.group_by("workload_row").agg(pl.col("first").min(), pl.col("last").max(), pl.col("n").sum())


def _given(cpu_times: Any, containers: pl.DataFrame) -> pl.DataFrame:  # noqa: ANN401 - see vpa_memory
    """Turn what the caller gave into rows of container and time."""
    try:
        if isinstance(cpu_times, Mapping):
            tables = [pl.DataFrame({"pod": str(pod), "time": list(times)}) for pod, times in cpu_times.items()]
            table = pl.concat(tables) if tables else pl.DataFrame(schema={"pod": pl.String, "time": pl.Int64})
        elif isinstance(cpu_times, pl.DataFrame):
            table = cpu_times
        elif hasattr(cpu_times, "columns"):
            table = pl.from_pandas(cpu_times)
        else:
            table = pl.DataFrame({"time": cpu_times})
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        msg = f"cpu_times cannot be read as times ({type(error).__name__}). Give a frame with a column 'time'."
        raise RmtoolkitError(msg) from error
    if "time" not in table.columns:
        raise ColumnError.missing(wanted="time", available=table.columns)
    table = table.with_columns(time=as_time(pl.col("time"), table.schema["time"]))
    on = [name for name in ("cluster", "namespace", "workload", "pod", "container") if name in table.columns]
    table = table.select(*(pl.col(name).cast(pl.String) for name in on), "time").drop_nulls("time")
    ids = containers.select("container_id", *on)
    return table.join(ids, on=on, nulls_equal=True) if on else table.join(ids, how="cross")
