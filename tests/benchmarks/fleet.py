"""A made fleet in one stored recording, written in small parts: for measuring speed, never for judging verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from rmtoolkit._lake_files import bucket_of
from rmtoolkit.lake import Lake
from rmtoolkit.recording import Recording, metadata_of
from rmtoolkit.schema import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MI: Final = 1 << 20
PAGE: Final = 4096
CADENCE_MS: Final = 60_000
#: Lives made at once.
_PART: Final = 50


def write(path: Path, lives: int, samples_each: int, *, replicas: int = 1, cadence_ms: int = CADENCE_MS) -> Path:
    """Write a recording of containers with one life each, sorted, with three signals.

    Parameters
    ----------
    path
        The Parquet file to write.
    lives
        Containers.
    samples_each
        Samples of each.
    replicas
        Pods of a workload.
    cadence_ms
        Time from sample to sample.

    Returns
    -------
    pathlib.Path
        The file.
    """
    containers, empty = _containers(lives, replicas, cadence_ms)
    schema = SAMPLES
    names = containers.select("container_id", "cluster", "namespace", "workload", "pod", "container")

    def parts(*_: object) -> Iterator[pl.DataFrame]:
        for low in range(0, lives, _PART):
            yield _part(np.arange(low, min(low + _PART, lives)), samples_each, cadence_ms)

    metadata = metadata_of(
        containers,
        empty.events,
        empty.report,
        rows=[samples_each] * lives,
        signals=["working_set_bytes", "rss_bytes", "allocated_bytes"],
    )
    table = register_io_source(parts, schema=schema, is_pure=True)
    table.join(names.lazy(), on="container_id", how="left", maintain_order="left").sink_parquet(
        path, compression="zstd", metadata=metadata
    )
    return path


def write_lake(
    path: Path, lives: int, samples_each: int, *, replicas: int = 2, cadence_ms: int = CADENCE_MS, buckets: int = 64
) -> Lake:
    """Write the same into a lake, bucket by bucket.

    Parameters
    ----------
    path
        The folder to make.
    lives, samples_each, replicas, cadence_ms
        As for `write`.
    buckets
        Of the lake.

    Returns
    -------
    Lake
        With a file for each bucket and day.
    """
    lake = Lake(path, buckets=buckets)
    containers, empty = _containers(lives, replicas, cadence_ms)
    names = containers.select("cluster", "namespace", "workload").iter_rows()
    numbers = [bucket_of(cluster, namespace, workload, buckets) for cluster, namespace, workload in names]
    containers = containers.with_columns(bucket=pl.Series(numbers))
    for mine in containers.partition_by("bucket", include_key=False):
        lives_here = mine["container_id"].to_numpy()
        samples = pl.concat(
            _part(lives_here[low : low + _PART], samples_each, cadence_ms) for low in range(0, len(lives_here), _PART)
        )
        events = empty.events.filter(pl.col("container_id").is_in(mine["container_id"].implode()))
        lake.append(Recording(mine, samples, events, empty.report))
    return lake


def _containers(lives: int, replicas: int, cadence_ms: int) -> tuple[pl.DataFrame, Recording]:
    """Make the containers, and a recording that has nothing of them but their names."""
    width = len(str(lives))
    pods = pl.DataFrame({"number": range(lives)}).select(
        time=pl.lit(0),
        cluster=pl.lit("bench"),
        namespace=pl.lit("fleet"),
        workload=pl.format("svc-{}", (pl.col("number") // replicas).cast(pl.String).str.zfill(width)),
        pod=pl.format("svc-{}", pl.col("number").cast(pl.String).str.zfill(width)),
        container=pl.lit("app"),
        limit_bytes=pl.lit(1024 * MI),
        working_set_bytes=pl.lit(1),
    )
    empty = Recording.from_frame(pods)
    return empty.containers.with_columns(cadence_seconds=pl.lit(cadence_ms / 1000)), empty


def _part(numbers: NDArray[np.int64], samples_each: int, cadence_ms: int) -> pl.DataFrame:
    whole, heap = zip(*(_life(int(number), samples_each) for number in numbers), strict=True)
    memory = np.concatenate(whole)
    frame = pl.DataFrame(
        {
            "container_id": np.repeat(numbers.astype(np.uint32), samples_each),
            "time": np.tile(1_790_000_000_000 + cadence_ms * np.arange(samples_each), len(numbers)),
            "working_set_bytes": _pages(memory + 20 * MI),
            "rss_bytes": _pages(memory),
            "allocated_bytes": np.concatenate(heap).astype(np.int64),
        },
    )
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in SAMPLES.items()
    )


def _pages(memory: Array) -> NDArray[np.int64]:
    return (memory // PAGE).astype(np.int64) * PAGE


def _life(number: int, samples: int) -> tuple[Array, Array]:
    """Memory and live heap of one life: eight shapes, each with a size and noise of its own."""
    random = np.random.default_rng(number)
    u = np.arange(samples) / samples
    size: float = random.uniform(50, 400)
    noise = random.normal(0, size / 200, samples)
    match number % 8:
        case 0 | 1:
            heap = np.full(samples, size)
        case 2:
            heap = size * (1 + random.uniform(0.1, 1.0) * u)
        case 3:
            heap = size * (1.3 - 0.5 * np.exp(-u / random.uniform(0.02, 0.1)))
        case 4:
            heap = size * (1 + 0.3 * np.sin(2 * np.pi * (7 * u + random.uniform())))
        case 5:
            heap = size * (1 + 0.4 * (random.uniform(5, 30) * u % 1))
        case 6:
            heap = size * (1 + 0.3 * (u > random.uniform(0.2, 0.8)))
        case _:
            heap = np.full(samples, size)
            return (heap * (1.6 - 0.5 * np.exp(-u / 0.1)) + noise) * MI, (heap + noise) * MI
    return (heap * 1.1 + 12 + noise) * MI, (heap + noise) * MI
