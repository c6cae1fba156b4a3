"""A finished run as the exporters see it: times of the cluster, containers, lives and events."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recorded:
    """One run, cut to what is shown, in the time of the cluster it stands for.

    Attributes
    ----------
    plan
        The line of the plan, label included.
    containers
        Labels and events of each container; event times are Unix seconds of the cluster.
    frame
        A row per container and scrape: `container` (index into `containers`), `second` since the start of
        the run, `unix` seconds of the cluster, `life` counted from 0, signals, and the truth.
    time_scale
        Seconds of the cluster per recorded second.
    start, end
        Unix seconds of the cluster.
    """

    plan: dict[str, Any]
    containers: list[dict[str, Any]]
    frame: pl.DataFrame
    time_scale: int
    start: int
    end: int

    def digest(self, *parts: object) -> str:
        """Make a stable 64-digit id, as container runtimes do."""
        return hashlib.sha256("/".join(map(str, (self.plan["seed"], *parts))).encode()).hexdigest()

    @property
    def node(self) -> str:
        """Name of the node; the same for all pods of a run."""
        return f"node-{self.plan['seed'] % 7 + 1}"

    def version(self, container: dict[str, Any]) -> str:
        """Name the release that a container runs."""
        return f"1.{container['version'] + self.plan['seed'] % 30}.0"


def read(folder: Path, run: str, *, time_scale: int = 1, shown_seconds: int | None = None) -> Recorded:
    """Read a run that `record.py` left.

    Parameters
    ----------
    folder
        Where the files are.
    run
        Name of the run.
    time_scale
        How many seconds one recorded second stands for.
    shown_seconds
        Recorded seconds to show; the window of the plan when not given.

    Returns
    -------
    Recorded
        The end of the window is the true end of the recording, so that times lie in the past.
    """
    about = json.loads((folder / f"{run}.json").read_text())
    epoch: int = about["epoch"]
    plan = about["plan"]
    shown: int = shown_seconds or plan["window_seconds"]
    end = (epoch + shown) // time_scale * time_scale
    start = end - shown * time_scale

    def cluster(time: float) -> float:
        return start + (time - epoch) * time_scale

    containers = []
    for index, container in enumerate(about["containers"]):
        events = [{**event, "time": cluster(event["time"])} for event in container["events"]]
        containers.append({**container, "index": index, "events": [event for event in events if event["time"] <= end]})
    second = (pl.col("time").dt.epoch("ms") / 1000 - epoch).floor().cast(pl.Int64)
    frame = (
        pl.read_parquet(folder / f"{run}.parquet")
        .with_columns(second=second, load=pl.col("load_thousandths") / 1000)
        .filter(pl.col("second") < shown)
        .with_columns(unix=start + pl.col("second") * time_scale)
        .sort("container", "second")
    )
    starts = [[event["time"] for event in container["events"] if event["kind"] == "start"] for container in containers]
    life = [
        sum(begin <= unix for begin in starts[index]) - 1 for index, unix in frame.select("container", "unix").rows()
    ]
    frame = frame.with_columns(life=pl.Series(life, dtype=pl.Int64).clip(0))
    return Recorded(plan, [c for c in containers if c["events"]], frame, time_scale, start, end)
