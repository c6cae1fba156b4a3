"""A recording judged part by part, by several threads, gives what it gives as a whole."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rmtoolkit as rm
from rmtoolkit import _parallel
from rmtoolkit._parallel import partition
from rmtoolkit.analysis.judge import judge
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

FRAMES = ("lives", "fits", "verdicts", "instances", "checklist", "forecast", "findings")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """24 lives of eight shapes, two pods a workload; some pods were killed on the way."""
    made = rm.read_recording(fleet.write(tmp_path_factory.mktemp("fleet") / "fleet.parquet", 24, 400, replicas=2))
    killed = pl.DataFrame({"container_id": [2, 9], "time": [1_790_012_000_000] * 2, "kind": ["oom_kill"] * 2})
    return rm.Recording(
        made.containers,
        made.samples,
        killed.select(
            pl.col("container_id").cast(pl.UInt32),
            pl.col("time").cast(pl.Datetime("ms", "UTC")),
            "kind",
            value_bytes=pl.lit(None, dtype=pl.Int64),
            detail=pl.lit(None, dtype=pl.String),
        ),
    )


@pytest.fixture(scope="module")
def whole(recording: Recording) -> dict[str, pl.DataFrame]:
    """What is said of it at once."""
    return judge(recording)[0]


@pytest.mark.parametrize(
    ("rows", "cores"), [(1, 3), (7 * 400, 1), (7 * 400, 3), (10**9, 3)], ids=["one", "alone", "seven", "all"]
)
def test_parts_give_the_same_frames(
    recording: Recording, whole: dict[str, pl.DataFrame], rows: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every frame of a judgement is the same for parts of one workload, of several, and for the whole."""
    monkeypatch.setattr(_parallel, "partition", partial(partition, rows=rows))
    monkeypatch.setattr(_parallel, "_cores", lambda: cores)
    pieces = judge(recording)[0]
    for name in FRAMES:
        # Matrices of another height are added up in another order: the last digits may differ.
        assert_frame_equal(pieces[name], whole[name], rel_tol=1e-9, abs_tol=1e-9)


def test_verdicts_alone_are_those_of_the_whole(recording: Recording, whole: dict[str, pl.DataFrame]) -> None:
    """What is not worked out beside them does not change them, here and where the chances are added."""
    assert judge(recording, whole=False)[0]["verdicts"].equals(whole["verdicts"])
    verdicts = rm.classify(recording)
    assert verdicts.equals(rm.assess(recording).workloads.select(verdicts.columns))


def test_a_fault_in_one_part_ends_all(recording: Recording) -> None:
    """The first error comes out as it is, and nothing is left running."""

    def work(part: Recording) -> int:
        if part.containers["container_id"][0] == 4:
            raise ZeroDivisionError
        return part.height

    with pytest.raises(ZeroDivisionError):
        list(_parallel.in_parallel(work, partition(recording, rows=1)))
