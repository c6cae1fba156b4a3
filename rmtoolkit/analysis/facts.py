"""Look-ups about containers that the rows of all workloads share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rmtoolkit.analysis.opinion import Opinion
    from rmtoolkit.recording import Recording


class Facts:
    """Look-ups shared by all rows.

    Attributes
    ----------
    recording
        What is judged.
    rejected
        Check, signal and sentence of what `validate` does not accept as evidence, by container.
    opinions
        Opinions on the lives of each container, the oldest first.
    about
        Row of `containers` by container.
    counts
        Samples, and samples expected, by container.
    lives
        Highest startup peak, highest peak, and hours watched, by container.
    with_events
        Containers of which anything is known to have happened.
    kills
        OOM kills by container.
    """

    def __init__(
        self,
        recording: Recording,
        table: pl.DataFrame,
        findings: pl.DataFrame,
        completeness: pl.DataFrame,
        opinions: dict[int, list[Opinion]],
    ) -> None:
        self.opinions = opinions
        self.recording = recording
        self.rejected: dict[int, list[tuple[str, str, str]]] = {}
        for found in findings.filter(pl.col("rejected")).iter_rows(named=True):
            self.rejected.setdefault(found["container_id"], []).append(
                (found["check"], found["signal"], found["detail"])
            )
        self.about = {row["container_id"]: row for row in recording.containers.iter_rows(named=True)}
        counts = completeness.select("container_id", "samples", "expected").iter_rows()
        self.counts = {container: (samples, expected) for container, samples, expected in counts}
        lives = table.group_by("container_id", maintain_order=True).agg(
            pl.col("startup_peak_bytes").max(),
            pl.col("peak_bytes").max(),
            hours=((pl.col("end") - pl.col("start")).dt.total_milliseconds().sum() / 3_600_000),
        )
        self.lives = {row["container_id"]: row for row in lives.iter_rows(named=True)}
        self.with_events = set(recording.events["container_id"].unique().to_list())
        watched = table.group_by("container_id").agg(since=pl.col("start").min())
        # A status tells of kills before the first sample too: they are no part of what was watched.
        kills = (
            recording.events.filter(pl.col("kind") == "oom_kill")
            .join(watched, on="container_id", how="inner")
            .filter(pl.col("time") >= pl.col("since"))
            .group_by("container_id")
            .len()
        )
        self.kills = dict(kills.iter_rows())

    def workloads(self) -> Iterable[list[int]]:
        """Containers by workload, in the order of the recording; an unnamed container is its own workload."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for container, about in self.about.items():
            key = tuple(about[name] for name in WORKLOAD)
            if about["workload"] is None and about["container"] is None:
                key = (*key, container)
            groups.setdefault(key, []).append(container)
        return groups.values()

    def maximum(self, containers: list[int], name: str) -> int | None:
        """Highest of what the lives of some containers show."""
        found = [self.lives[c][name] for c in containers if c in self.lives and self.lives[c][name] is not None]
        return max(found) if found else None
