"""One workload container's past, laid out so that a changed past and a limit's kills in it are quickly known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.limits.history import BLOCKS
from rmtoolkit.limits.need import kills_of_now
from rmtoolkit.limits.replay import EPISODE_GAP, STARTUP
from rmtoolkit.limits.usage import usage
from rmtoolkit.limits.what_if import startups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.recording import Recording

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

_GAP_MS: Final = EPISODE_GAP.total_seconds() * 1000
_STARTUP_MS: Final = STARTUP.total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class Past:
    """Everything recorded of one workload container: a value per sample, sorted by pod and time.

    Attributes
    ----------
    times
        ms since 1970.
    used
        Bytes that a limit is held against.
    pod, life
        Of each sample; pods are numbered from 0 in the order of `pods`, lives from 0 in the order of the samples.
    first, begins
        The first sample of each pod, and of each life.
    settled
        Where the sample's life settles, bytes.
    starting
        Whether its process was still starting.
    threads
        How many there were; None where no pod tells.
    block
        Which of the blocks that a need is measured in.
    started
        The blocks in which a process may have been starting.
    cadence
        Seconds between samples, of each pod.
    pods
        Names; None where unknown.
    begun
        When processes of each pod began, ms since 1970.
    killed
        A row per OOM kill of the version that runs now: `pod`, `time` (ms since 1970), `limit_bytes`.
    history_seconds
        From the first to the last sample.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> recording = as_recording(pl.DataFrame({"time": [0, 60], "rss_bytes": [5, 6]}))
    >>> of_workload(recording, recording.containers.row(0, named=True)).used.tolist()
    [5.0, 6.0]
    """

    times: Whole
    used: Floats
    pod: Whole
    life: Whole
    first: Whole
    begins: Whole
    settled: Floats
    starting: NDArray[np.bool_]
    threads: Floats | None
    block: Whole
    started: Whole
    cadence: Floats
    pods: tuple[str | None, ...]
    begun: tuple[Whole, ...]
    killed: pl.DataFrame
    history_seconds: float

    def block_peaks(self, used: Floats) -> pl.DataFrame:
        """Reduce a past, as it was or changed, to the highest value of each block.

        Parameters
        ----------
        used
            A value per sample, bytes.

        Returns
        -------
        polars.DataFrame
            As `rmtoolkit.limits.history.block_peaks` gives it, of one workload.
        """
        # Within a pod a block is one run of samples.
        runs = np.flatnonzero(np.diff(self.block + BLOCKS * self.pod, prepend=-1))
        highest = np.full(BLOCKS, -1.0)
        np.maximum.at(highest, self.block[runs], np.maximum.reduceat(used, runs))
        seen = np.flatnonzero(highest >= 0)
        started = np.zeros(BLOCKS, dtype=np.bool_)
        started[self.started] = True
        return pl.DataFrame(
            {
                "workload_row": np.zeros(seen.size, dtype=np.uint32),
                "block": seen,
                "peak_bytes": highest[seen],
                "started": started[seen],
            },
            schema={"workload_row": pl.UInt32, "block": pl.Int32, "peak_bytes": pl.Int64, "started": pl.Boolean},
            strict=False,
        )

    def pod_peaks(self, used: Floats) -> Whole:
        """Find the highest sample of each pod.

        Parameters
        ----------
        used
            A value per sample, bytes.

        Returns
        -------
        numpy.ndarray
            Positions among the samples, in the order of `pods`.
        """
        ends = np.append(self.first[1:], used.size)
        found = [low + int(used[low:high].argmax()) for low, high in zip(self.first, ends, strict=True)]
        return np.array(found, dtype=np.int64)

    def kills(self, used: Floats, limit_bytes: float) -> pl.DataFrame:
        """List the kills that a limit would have caused: `rmtoolkit.replay` for one workload, much faster.

        Parameters
        ----------
        used
            A value per sample, bytes.
        limit_bytes
            The limit.

        Returns
        -------
        polars.DataFrame
            As in `rmtoolkit.replay`, a row per kill: `pod` (number), `time` (ms since 1970), `used_bytes`, `starting`.
        """
        above = np.flatnonzero(used > limit_bytes)
        pod, time = self.pod[above], self.times[above]
        fresh = np.ones(above.size, dtype=np.bool_)
        fresh[1:] = (np.diff(pod) != 0) | (np.diff(time) > _GAP_MS)
        at = np.flatnonzero(fresh)
        highest = np.maximum.reduceat(used[above], at) if at.size else np.zeros(0)
        starting = [_just_begun(self.begun[number], when) for number, when in zip(pod[at], time[at], strict=True)]
        return pl.DataFrame(
            {"pod": pod[at], "time": time[at], "used_bytes": highest, "starting": starting},
            schema={"pod": pl.Int64, "time": pl.Int64, "used_bytes": pl.Float64, "starting": pl.Boolean},
        )


def _started(blocks: Whole) -> Whole:
    """Keep those inside, and what began just before the first, which may be starting in it."""
    return np.clip(blocks[(blocks >= -1) & (blocks < BLOCKS)], 0, None)


def _just_begun(begun: Whole, when: int) -> bool:
    at = int(np.searchsorted(begun, when, side="right")) - 1
    return at >= 0 and when - int(begun[at]) <= _STARTUP_MS


def of_workload(recording: Recording, names: dict[str, Any]) -> Past:
    """Lay out the past of one workload container.

    Parameters
    ----------
    recording
        The recording.
    names
        `cluster`, `namespace`, `workload`, `container`; what else is in it does not matter.

    Returns
    -------
    Past
        Without any sample where nothing was recorded.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": [0, 60], "pod": ["a", "b"], "workload": "w", "rss_bytes": [5, 6]})
    >>> recording = as_recording(table)
    >>> of_workload(recording, recording.containers.row(0, named=True)).pods
    ('a', 'b')
    """
    mine = _only(recording, names)
    used = _beside(usage(mine), startups(mine).drop("excess"), mine)
    used = _beside(used, _threads(mine), mine)
    begins = np.flatnonzero(np.diff(used["life_row"].to_numpy().astype(np.int64), prepend=-1))
    times = used["time"].to_physical().to_numpy().astype(np.int64)
    ids, first = np.unique(used["container_id"].to_numpy(), return_index=True)
    pod = np.repeat(np.arange(ids.size), np.diff(first, append=times.size))
    about = {row["container_id"]: row for row in mine.containers.iter_rows(named=True)}
    begun = mine.events.filter(pl.col("kind").is_in(["start", "release"])).sort("time")
    begin = int(times.min()) if times.size else 0
    span = int(times.max()) - begin + 1 if times.size else 1
    number = {int(container): at for at, container in enumerate(ids)}
    killed = kills_of_now(mine).filter(pl.col("container_id").is_in(ids.tolist()))
    return Past(
        times=times,
        used=used["used_bytes"].to_numpy().astype(np.float64),
        pod=pod.astype(np.int64),
        life=np.repeat(np.arange(begins.size), np.diff(begins, append=times.size)),
        first=first.astype(np.int64),
        begins=begins,
        settled=used["settled_bytes"].cast(pl.Float64).fill_null(float("inf")).to_numpy(),
        starting=used["starting"].fill_null(value=False).to_numpy(),
        threads=None if used["threads"].null_count() == used.height else used["threads"].cast(pl.Float64).to_numpy(),
        block=(times - begin) * BLOCKS // span,
        started=_started((begun["time"].to_physical().to_numpy() - begin) * BLOCKS // span),
        cadence=np.array([about[int(container)]["cadence_seconds"] or 0.0 for container in ids]),
        pods=tuple(about[int(container)]["pod"] for container in ids),
        begun=tuple(
            begun.filter(pl.col("container_id") == int(container))["time"].to_physical().to_numpy() for container in ids
        ),
        killed=killed.select(
            pod=pl.col("container_id").replace_strict(number, return_dtype=pl.Int64) if number else pl.lit(0),
            time=pl.col("time").to_physical(),
            limit_bytes=pl.col("limit_bytes"),
        ),
        history_seconds=(span - 1) / 1000,
    )


def _only(recording: Recording, names: dict[str, Any]) -> Recording:
    """Keep what belongs to one workload container; of a large file nothing else is read."""
    return recording.filter(*(pl.col(name).eq_missing(pl.lit(names[name], dtype=pl.String)) for name in WORKLOAD))


def _beside(used: pl.DataFrame, more: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    """Put columns of all samples beside those that have a value; nothing is searched for where all have one."""
    if used.height == recording.samples.height:
        return used.hstack(more.drop("container_id", "time"))
    return used.join(more, on=["container_id", "time"], how="left", maintain_order="left")


def _threads(recording: Recording) -> pl.DataFrame:
    """Give every sample the threads that were last counted."""
    return recording.samples.select("container_id", "time", pl.col("threads").forward_fill().over("container_id"))
