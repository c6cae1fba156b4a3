"""Parts of recordings, and samples that stay in their file until they are asked for."""

from __future__ import annotations

import json
import os
import pickle
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import _parallel
from rmtoolkit import recording as recordings
from rmtoolkit._parallel import partition
from rmtoolkit.exceptions import ReadError
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rmtoolkit.recording import Recording

LIVES, SAMPLES = 12, 300


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stored fleet of six workloads with two pods each."""
    return fleet.write(tmp_path / "fleet.parquet", LIVES, SAMPLES, replicas=2)


@pytest.fixture
def large(file: Path, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The fleet, of which the samples are not read."""
    monkeypatch.setattr(recordings, "LARGE_ROWS", 100)
    return rm.read_recording(file)


def is_unread(recording: Recording) -> bool:
    """Whether the samples are still in their file."""
    return recording.stored is not None


def test_samples_are_read_when_asked_for(large: Recording, file: Path) -> None:
    """What is known without the samples does not read them; the samples are those of the file."""
    assert is_unread(large)
    assert large.height == LIVES * SAMPLES
    assert "12 containers, 3,600 samples" in repr(large)
    assert large.containers.height == LIVES
    assert is_unread(large)
    assert large.samples.height == LIVES * SAMPLES
    assert not is_unread(large)
    assert large.samples.select("container_id", "time", "rss_bytes").equals(
        pl.read_parquet(file, columns=["container_id", "time", "rss_bytes"])
    )


def test_a_large_recording_is_the_same_as_a_small_one(large: Recording, file: Path) -> None:
    """However it was read, filtered, cut or pickled, it has the same content."""
    assert large.stored is not None
    samples = large.stored.collect(large.stored.scan())
    small = recordings.Recording(large.containers, samples, large.events, large.report)
    assert large.filter(workload="svc-03").samples.equals(small.filter(workload="svc-03").samples)
    assert large.window(last="1h").samples.equals(small.window(last="1h").samples)
    assert large.times() == small.times()
    assert rm.validate(large).equals(rm.validate(small))
    assert rm.lives(large).equals(rm.lives(small))
    assert is_unread(large)
    assert pickle.loads(pickle.dumps(large)) == large  # noqa: S301 - our own
    assert not is_unread(large)
    assert large == rm.read_recording(file)


@pytest.mark.parametrize(
    ("rows", "parts"),
    [(1, 6), (2 * SAMPLES, 6), (2 * SAMPLES + 1, 3), (700, 3), (LIVES * SAMPLES, 1), (10**9, 1)],
)
def test_parts_hold_whole_workloads(large: Recording, file: Path, rows: int, parts: int) -> None:
    """Both pods of a workload are in one part, each sample in exactly one, and no part is read before its time."""
    found = list(partition(large, rows=rows))
    assert len(found) == parts
    assert is_unread(large)
    assert all(map(is_unread, found))
    held = [(part.height, (part.stored and part.stored.counts) or ()) for part in found]
    assert held == [(sum(counts), counts) for _, counts in held]
    assert sum((counts for _, counts in held), ()) == (SAMPLES,) * LIVES
    # A part can be cut again, and what is in memory is cut in the same way.
    assert sum(len(list(partition(part, rows=1))) for part in found) == 6
    samples = rm.read_recording(file).samples
    in_memory = recordings.Recording(large.containers, samples, large.events, large.report)
    assert list(partition(in_memory, rows=rows)) == found
    assert pl.concat([part.samples for part in found]).equals(large.samples)
    assert pl.concat([part.containers for part in found]).equals(large.containers)
    names = [set(part.containers["workload"]) for part in found]
    assert sum(map(len, names)) == len(set().union(*names))


@pytest.mark.parametrize("stored", [True, False])
def test_events_go_with_their_containers(large: Recording, *, stored: bool) -> None:
    """Each part has the events of its own containers, in their order."""
    kept = large.events.clear()
    times = [large.samples["time"][0]] * LIVES
    events = pl.DataFrame({"container_id": range(LIVES), "time": times, "kind": "start"}, schema_overrides=kept.schema)
    events = pl.concat([kept, events], how="diagonal")
    samples = large.samples
    held = recordings.Recording(large.containers, samples, events)
    if stored:
        held = replace(large, events=events)
    found = list(partition(held, rows=1))
    assert [part.events["container_id"].to_list() for part in found] == [[at, at + 1] for at in range(0, LIVES, 2)]


def test_containers_without_samples_are_in_a_part_too() -> None:
    """Nobody is left out who was never sampled, first, last or in between."""
    table = pl.DataFrame({"time": [0, 0], "pod": ["b-0", "d-0"], "rss_bytes": [1, 1]})
    whole = rm.Recording.from_frame(table)
    names = ["a", "b", "c", "d", "e"]
    about = pl.concat([whole.containers[:1]] * len(names)).with_columns(
        container_id=pl.Series(range(len(names)), dtype=pl.UInt32), workload=pl.Series(names)
    )
    samples = whole.samples.with_columns(container_id=pl.Series([1, 3], dtype=pl.UInt32))
    recording = recordings.Recording(about, samples)
    found = [part.containers["workload"].to_list() for part in partition(recording, rows=1)]
    assert found == [["a", "b"], ["c", "d"], ["e"]]
    assert [part.height for part in partition(recording, rows=2)] == [2, 0]
    assert list(partition(recording, rows=3)) == [recording]


def test_matrices_use_one_thread_while_parts_are_worked_on() -> None:
    """The library's threads are held back for as long as it takes, and given back afterwards, after an error too."""
    calls = _parallel._openblas()
    if calls is None:
        pytest.skip("numpy uses another library here")
    ask, tell = calls
    before = ask()
    tell(2)
    try:
        for parts in ([1], [1, 2, 3]):
            assert [*_parallel.in_parallel(lambda _: ask(), parts)] == [1] * len(parts)
            assert ask() == 2
        with pytest.raises(ZeroDivisionError):
            list(_parallel.in_parallel(lambda part: 1 // part, [1, 0]))
        assert ask() == 2
    finally:
        tell(before)


def test_answers_come_in_the_order_of_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long each takes; no more parts are begun than there are workers, and one."""
    monkeypatch.setattr(_parallel, "_cores", lambda: 3)
    begun: list[int] = []
    first_may_end = threading.Event()

    def parts() -> Iterator[int]:
        for part in range(20):
            begun.append(part)
            if part == 3:
                first_may_end.set()
            yield part

    def work(part: int) -> int:
        if not part:
            assert first_may_end.wait(10)
        return -part

    answers = _parallel.in_parallel(work, parts())
    assert next(answers) == 0
    assert len(begun) <= 6
    assert list(answers) == [-part for part in range(1, 20)]


def test_a_workload_out_of_order_stays_whole() -> None:
    """Where the containers of a workload do not follow each other, a part reaches to the last of them."""
    table = pl.DataFrame({"time": [0] * 4, "pod": ["a-0", "b-0", "c-0", "d-0"], "rss_bytes": [1] * 4})
    recording = rm.Recording.from_frame(table)
    mixed = recording.containers.with_columns(workload=pl.Series(["x", "y", "x", "z"]))
    found = list(partition(recordings.Recording(mixed, recording.samples), rows=1))
    assert [part.containers["workload"].to_list() for part in found] == [["x", "y", "x"], ["z"]]


def test_a_file_that_was_replaced_is_not_read(large: Recording, file: Path) -> None:
    """Samples of another file are not taken for those of the one that was opened."""
    before = file.stat()
    fleet.write(file, LIVES, SAMPLES + 1)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    with pytest.raises(ReadError, match="changed after it was opened"):
        large.samples  # noqa: B018 - reading it is the test


def test_a_file_in_no_order_is_refused(tmp_path: Path, file: Path) -> None:
    """Samples that are not sorted by container are an error that names the file."""
    shuffled = tmp_path / "shuffled.parquet"
    metadata = pl.read_parquet_metadata(file)
    pl.read_parquet(file).reverse().write_parquet(
        shuffled, metadata={"rmtoolkit.recording": metadata["rmtoolkit.recording"]}
    )
    with pytest.raises(ReadError, match=r"shuffled\.parquet.*no order"):
        rm.read_recording(shuffled)


def test_a_file_without_counts_is_read_as_well(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that do not say how many samples each container has are counted."""
    kept = json.loads(pl.read_parquet_metadata(file)["rmtoolkit.recording"])
    del kept["rows"], kept["signals"]
    older = tmp_path / "older.parquet"
    pl.read_parquet(file).write_parquet(older, metadata={"rmtoolkit.recording": json.dumps(kept)})
    monkeypatch.setattr(recordings, "LARGE_ROWS", 100)
    recording = rm.read_recording(older)
    assert [part.height for part in partition(recording, rows=1)] == [2 * SAMPLES] * 6
    assert recording.samples.equals(rm.read_recording(file).samples)


def test_reading_a_large_file_leaves_the_samples_in_it(large: Recording, file: Path, tmp_path: Path) -> None:
    """`rm.read` keeps of a large recording what it needs to know, and says as much of it as of a small one."""
    found = rm.read(file)
    assert is_unread(found)
    assert found == large
    (tmp_path / "README.md").write_text("what this is")
    found = rm.read(tmp_path)
    assert found.report.notes()[-1] == "skipped, no recording: README.md"
    assert is_unread(found)
