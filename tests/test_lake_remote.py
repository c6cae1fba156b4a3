"""A lake in an object store is read like one in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fsspec
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit._io import as_place
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.lake import is_lake
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> rm.Lake:
    """A small fleet in a folder."""
    return fleet.write_lake(tmp_path / "lake", 6, 144, cadence_ms=1_800_000, buckets=3)


@pytest.fixture
def store(lake: rm.Lake) -> Iterator[str]:
    """The same in memory, as an object store has it."""
    memory = fsspec.filesystem("memory")
    memory.put(str(lake.path), "/bucket/lake", recursive=True)
    yield "memory://bucket/lake"
    memory.rm("/bucket", recursive=True)


def test_a_lake_in_a_store_gives_what_the_folder_gives(lake: rm.Lake, store: str) -> None:
    """Every question has the same answer, and nothing is written."""
    far = rm.Lake(store)
    assert is_lake(store)
    assert far.times() == lake.times()
    assert far.recording() == lake.recording()
    assert rm.classify(far).equals(rm.classify(lake))
    assert rm.recommend_limits(far.window(last="1d")).equals(rm.recommend_limits(lake.window(last="1d")))
    assert far.scan().select(pl.len()).collect().item() == lake.scan().select(pl.len()).collect().item()
    assert far.partitions().drop("path").equals(lake.partitions().drop("path"))
    with pytest.raises(RmtoolkitError, match="lakes in object stores are only read"):
        far.append(lake.recording())


def test_a_damaged_object_is_named(store: str) -> None:
    """With its address; the rest is judged."""
    memory = fsspec.filesystem("memory")
    first = str(rm.Lake(store).files()[0])
    memory.pipe_file(first.removeprefix("memory://"), b"no parquet")
    with pytest.warns(RmtoolkitWarning, match=f"could not be read; the first: .*{first}"):
        rm.classify(rm.Lake(store))


def test_a_file_address_is_a_path(lake: rm.Lake) -> None:
    """``file://`` is read and appended to like the folder."""
    near = rm.Lake(f"file://{lake.path}")
    assert near.path == lake.path
    assert near.append(lake.recording()) == 0


def test_a_store_that_nobody_knows_is_said() -> None:
    """With what to install."""
    assert not is_lake("nonsense://bucket/lake")
    assert not is_lake("http://127.0.0.1:1/lake")
    with pytest.raises(RmtoolkitError, match=r"Could not use 'nonsense://.*Hint: pip install"):
        rm.classify(rm.Lake("nonsense://bucket/lake"))
    assert str(as_place("s3://bucket/lake")) == "s3://bucket/lake"
