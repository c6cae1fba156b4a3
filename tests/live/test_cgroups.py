"""From the kernel to the recording: real cgroups, scraped by a real Prometheus, pulled while it goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.loaders.record import process_ids
from tests.live.cgroup_exporter import NAMESPACE, WORKING_SET, Exporter
from tests.live.servers import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB: Final = 1 << 20
_LIMIT: Final = 32 * MIB
_SIGNALS: Final = {
    "container_memory_usage_bytes": "usage_bytes",
    WORKING_SET: "working_set_bytes",
    "container_memory_rss": "anon_bytes",
    "container_memory_cache": "file_bytes",
}
_GROWS: Final = "import time\nkeep = []\nwhile True:\n    keep.append(bytearray(1 << 20))\n    time.sleep(0.15)\n"
_HOLDS: Final = "import time\nkeep = bytearray(40 << 20)\ntime.sleep(120)\n"


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A memory cgroup of the test's own, of version 1 or 2, in which others can be made."""
    root = Path("/sys/fs/cgroup")
    made = (root / "memory" if (root / "memory").is_dir() else root) / f"rmtoolkit-live-{os.getpid()}"
    try:
        made.mkdir()
        if (made / "cgroup.subtree_control").exists():
            (made / "cgroup.subtree_control").write_text("+memory")
    except OSError:
        pytest.skip("needs root and memory cgroups that can be written to")
    yield made
    for group in (*(path for path in made.iterdir() if path.is_dir()), made):
        removed(group)


def removed(group: Path) -> None:
    """End what is in a cgroup, and take it away, as a kubelet does."""
    for pid in process_ids(group):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not process_ids(group))
    group.rmdir()


def started(folder: Path, name: str, code: str, limit: int | None = None) -> subprocess.Popen[bytes]:
    """Run a program in a cgroup of its own."""
    group = folder / name
    group.mkdir()
    if limit is not None:
        file = next(group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists())
        file.write_text(str(limit))
        if (group / "memory.swap.max").exists():
            (group / "memory.swap.max").write_text("0")
    script = f'echo $$ > {group}/cgroup.procs; exec "$@"'
    return subprocess.Popen(["/bin/sh", "-c", script, "sh", sys.executable, "-c", code])


def oom_kills(group: Path) -> int:
    """How often the kernel has killed in a cgroup because of its limit."""
    file = next(group / name for name in ("memory.oom_control", "memory.events") if (group / name).exists())
    return int(dict(line.split() for line in file.read_text().splitlines())["oom_kill"])


def test_what_the_kernel_counted_is_what_the_recording_has(folder: Path, tmp_path: Path) -> None:
    """Every byte and millisecond of two containers; the limit, the kill at it, and the end of the one that went."""
    if shutil.which("prometheus") is None:
        pytest.skip("needs Debian's package prometheus: apt install prometheus")
    with Exporter(folder) as exporter, Prometheus(tmp_path, [], scrapes=exporter.scrapes()) as server:
        # The first scrape comes some seconds after the start.
        until(lambda: len(server.query("up == 1", time.time())) == 2)
        with started(folder, "holds", _HOLDS), started(folder, "grows", _GROWS, _LIMIT) as grows:
            assert grows.wait(60) == -signal.SIGKILL
            assert oom_kills(folder / "grows") == 1
            exporter.killed.add("grows")
            removed(folder / "grows")
            reason = "kube_pod_container_status_last_terminated_reason"
            until(lambda: server.query(reason, time.time()))
            until(lambda: not server.query(f'{WORKING_SET}{{container="grows"}}', time.time()))
            with rm.Prometheus(server.url) as source:
                recording = source.recording(last="10m", namespace=NAMESPACE)
            removed(folder / "holds")

    names = recording.containers.select("container_id", "container")
    rows = recording.samples.join(names, on="container_id").with_columns(pl.col("time").dt.epoch("ms"))
    for container, said in exporter.said.items():
        mine = rows.filter(container=container)
        for metric, signal_name in _SIGNALS.items():
            # The one that goes on has been scraped since.
            until_last = mine["time"].to_list()[-1]
            there = [(at, value) for at, name, value in said if name == metric and at <= until_last]
            assert mine.drop_nulls(signal_name).select("time", signal_name).rows() == there, (container, metric)
    limits = recording.containers.sort("container").select("container", "limit_bytes", "version").rows()
    assert limits == [("grows", _LIMIT, "1"), ("holds", None, "1")]
    told = recording.events.join(names, on="container_id").select("container", "kind", "value_bytes").rows()
    assert ("grows", "oom_kill", _LIMIT) in told
    assert [kind for container, kind, _ in told if container == "holds" and kind != "start"] == []
    ended = rm.lives(recording).join(names, on="container_id").sort("start").group_by("container").first()
    assert dict(ended.select("container", "ended").iter_rows()) == {"grows": "oom_kill", "holds": "running"}
    held = rows.filter(container="holds")["working_set_bytes"]
    assert int(max(held.drop_nulls().to_list())) > 40 * MIB


def test_what_the_kernel_says_of_a_kill(folder: Path, tmp_path: Path) -> None:
    """A real kill in a cgroup called as a container: at its limit, with what was resident."""
    container = f"{os.getpid():012x}" + "0" * 52
    with started(folder, container, _GROWS.replace("0.15", "0"), _LIMIT) as grows:
        assert grows.wait(60) == -signal.SIGKILL
    said = subprocess.run(["/bin/dmesg", "--time-format", "iso"], capture_output=True, text=True, check=False)
    if container not in said.stdout:
        pytest.skip("needs to read the messages of the kernel")
    (tmp_path / "dmesg.txt").write_text(said.stdout)
    recording = rm.read(tmp_path / "dmesg.txt").filter(pod_uid=container[:12])
    assert recording.containers["limit_bytes"].to_list() == [_LIMIT]
    assert recording.events.select("kind", "value_bytes").rows() == [("oom_kill", _LIMIT)]
    assert abs(recording.events["time"].item().timestamp() - time.time()) < 60
    assert 0.8 * _LIMIT < recording.samples["rss_bytes"].item() < 1.5 * _LIMIT
