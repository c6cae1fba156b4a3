from __future__ import annotations

import itertools
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

if TYPE_CHECKING:
    from pathlib import Path

#: What the service writes, from a process that needs no compiler.
STAND_IN = """
import time
held = []
for second in range(60):
    held.append(bytearray(1 << 20))
    print(second, second, len(held) << 20, 0, 0, 0, second, 1000, *[-1] * 10, flush=True)
    time.sleep(0.2)
"""


def test_back_off_follows_the_kubelet() -> None:
    """Restart at once, then after 10 s doubling to 300 s; ten quiet minutes start it anew."""
    import container

    back_off = container.BackOff(scale=1.0)
    assert [back_off.next(5) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert back_off.next(601) == 0
    scaled = container.BackOff(scale=0.1)
    assert [scaled.next(5) for _ in range(3)] == [0, 1, 2]


def test_container_is_measured_and_cleaned_up(tmp_path: Path) -> None:
    """A process is sampled, with cgroup numbers where one can be made, and nothing of it is left behind."""
    import cgroups
    import container

    layout = cgroups.find()
    name = f"test_{tmp_path.name}_app"
    made = container.Container(
        [sys.executable, "-c", STAND_IN],
        {},
        name=name,
        layout=layout,
        limit_bytes=1 << 30,
        back_off=container.BackOff(),
    )
    try:
        made.start(time.time())
        row: dict[str, Any] = {}
        deadline = time.monotonic() + 60
        # The service writes its numbers by itself: until the first have come, a step has none of them.
        while not (row.get("live_bytes") or 0) and time.monotonic() < deadline:
            row = dict(zip(container.ROW, made.step(time.time()) or (None,) * len(container.ROW), strict=True))
    finally:
        made.close(time.time())
        cgroups.remove(layout)
    assert row["rss_bytes"] > 5 << 20
    assert row["threads"] >= 1
    assert row["live_bytes"] >= 1 << 20
    assert row["allocated_bytes"] is None
    assert [event.kind for event in made.events] == ["start", "end"]
    if layout.version:
        assert 0 < row["anon_bytes"] <= row["usage_bytes"]
        assert not (layout.memory / name).exists()


def test_smoke_run(tmp_path: Path) -> None:
    """Five recorded seconds of the real service, or the plan without it where there is no compiler."""
    import build
    import record

    run = record.Run(
        run="smoke", seed=3, components=["base:bytes=8m", "leak:bytes=1m"], limit_bytes=64 << 20, window_seconds=5
    )
    if shutil.which("rustc") is None:
        with pytest.raises(build.NoCompilerError, match="rustc"):
            record.record([run], tmp_path / "raw")
        return
    record.record([run], tmp_path / "raw")
    frame = pl.read_parquet(tmp_path / "raw" / "smoke.parquet")
    assert 4 <= frame.height <= 6
    # A list entry costs 24 bytes beside its kilobyte, and both are lost. On a busy machine a sample may come late.
    told = frame.drop_nulls("dead_bytes")
    grown, seconds = (told[name][-1] - told[name][0] for name in ("dead_bytes", "time"))
    assert grown == pytest.approx(round(grown / (1 << 20)) * (1 << 20), rel=0.06)
    assert grown / (1 << 20) == pytest.approx(seconds.total_seconds(), abs=1.2)
    about = json.loads((tmp_path / "raw" / "smoke.json").read_text())
    assert about["measured_with"] in ("cgroup v1", "cgroup v2", "process")
    before = (tmp_path / "raw" / "smoke.parquet").stat().st_mtime_ns
    record.record([run], tmp_path / "raw")
    assert (tmp_path / "raw" / "smoke.parquet").stat().st_mtime_ns == before


def test_nothing_writable_means_processes_only(tmp_path: Path) -> None:
    """Without cgroups the layout says so."""
    import cgroups

    assert str(cgroups.find(tmp_path)) == "process"


def test_version_2_is_read_by_its_own_names(tmp_path: Path) -> None:
    """A cgroup of version 2 gives the same signals in the same order."""
    import cgroups

    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    layout = cgroups.find(tmp_path)
    assert layout.version == 2
    folder = layout.memory / "ns_pod_app"
    folder.mkdir()
    (folder / "memory.max").write_text("max")
    (folder / "memory.stat").write_text("anon 700\nfile 200\ninactive_file 150\nshmem 5\nkernel 60\n")
    (folder / "memory.current").write_text("1000\n")
    (folder / "memory.peak").write_text("1200\n")
    (folder / "memory.swap.current").write_text("0\n")
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 4\noom 1\noom_kill 1\n")
    (folder / "memory.pressure").write_text(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n"
    )
    group = cgroups.Cgroup(layout, "ns_pod_app", 1 << 20)
    read = dict(zip(cgroups.SIGNALS, group.read(), strict=True))
    assert (folder / "memory.max").read_text() == str(1 << 20)
    assert group.oom_kills() == 1
    assert read == {
        "usage_bytes": 1000,
        "working_set_bytes": 850,
        "anon_bytes": 700,
        "file_bytes": 200,
        "inactive_file_bytes": 150,
        "shmem_bytes": 5,
        "kernel_bytes": 60,
        "swap_bytes": 0,
        "peak_bytes": 1200,
        "failcnt": 4,
        "psi_some_seconds": 2.5,
        "psi_full_seconds": 0.5,
        "sock_bytes": None,
        "file_mapped_bytes": None,
    }


def test_plan_is_the_same_each_time() -> None:
    """The plan depends on its seed and on nothing else."""
    import plan

    first, second = (list(itertools.islice(plan.plan(7), 20)) for _ in range(2))
    assert first == second
    assert first != list(itertools.islice(plan.plan(8), 20))


def test_unknown_entries_of_a_plan_are_refused() -> None:
    """A typing error in a plan is not silence."""
    import record

    with pytest.raises(ValueError, match="limit_byte"):
        record.Run.parse('{"run": "a", "seed": 1, "components": [], "limit_byte": 3}')
