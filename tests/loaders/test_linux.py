"""What Linux says of processes and cgroups: files, copies of them, and logs."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.loaders import Form, linux, recognise
from rmtoolkit.loaders.linux import read_blocks

DATA: Final = Path(__file__).parents[1] / "data" / "procfs"
MIB: Final = 1 << 20
NO_LIMIT: Final = 9_223_372_036_854_771_712
ROLLUP: Final = (
    "55ddcb385000-7fff41e65000 ---p 00000000 00:00 0    [rollup]\nRss:   {} kB\nPss:   9 kB\nAnonymous:   {} kB\n"
)
V2: Final = {
    "memory.current": "1000000\n",
    "memory.max": "max\n",
    "memory.peak": "1200000\n",
    "memory.swap.current": "4096\n",
    "memory.stat": "anon 600000\nfile 300000\nkernel 50000\nshmem 8192\ninactive_file 200000\n",
    "memory.events": "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n",
    "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
}


def save(folder: Path, content: str, name: str = "api.log") -> Path:
    """Save a file."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(content, "utf-8")
    return file


@pytest.mark.parametrize("file", sorted(DATA.glob("*[!d]")), ids=lambda file: file.name)
def test_real_files_are_recognised(file: Path) -> None:
    """Copies and logs are known by their content."""
    assert recognise(file)[0] is Form.PROCFS


def test_a_log_of_smaps_rollup_is_a_row_per_time_stamp() -> None:
    """The growth of a real process shows to the page."""
    samples = rm.read_procfs(DATA / "rollup.log").samples
    assert samples["rss_bytes"].to_list() == [14_655_488, 15_708_160, 17_813_504, 18_866_176, 20_971_520]
    assert samples["time"][0] == dt.datetime(2026, 11, 25, 3, 58, 3, 45_000, dt.UTC)


def test_lines_picked_from_status_tell_name_process_and_memory() -> None:
    """`grep` of a few lines below epoch seconds is enough."""
    recording = rm.read(DATA / "status_grep.log")
    assert recording.samples.height == 3
    assert recording.containers["container"].item() == "python"
    assert recording.samples["threads"].to_list() == [1, 1, 1]


def test_two_processes_in_one_log_are_two_containers() -> None:
    """Each process keeps its own curve."""
    recording = rm.read(DATA / "two_processes.log")
    assert recording.containers["workload"].to_list() == ["python", "python"]
    by_pod = recording.samples.group_by("container_id", maintain_order=True).agg("anon_bytes")["anon_bytes"]
    assert by_pod[0].len() == by_pod[1].len() == 2
    assert abs(by_pod[0][0] - by_pod[1][0]) >= 5 * MIB


def test_what_grep_prints_of_a_real_cgroup_is_its_accounts() -> None:
    """File names before the lines say what each is; the limit is known."""
    recording = rm.read(DATA / "v1_grep.log")
    assert recording.containers.select("container", "limit_bytes", "limit_known").row(0) == (
        "rmtest-sample",
        64 * MIB,
        True,
    )
    samples = recording.samples
    assert samples["usage_bytes"].to_list() == samples["peak_bytes"].to_list() == [11_370_496, 20_021_248, 28_672_000]
    assert (samples["usage_bytes"] - samples["working_set_bytes"]).to_list() == [4096] * 3


def test_headings_of_head_and_tail_say_which_file_follows() -> None:
    """`head -v` and `tail -n +1` of several files are read."""
    recording = rm.read(DATA / "v1_head.log")
    assert recording.samples["usage_bytes"].to_list() == [37_060_608, 368_640]
    assert recording.containers["limit_bytes"].item() == 64 * MIB


def test_a_single_copy_is_of_when_it_was_written() -> None:
    """Without a time stamp the file's own time is taken, and said."""
    recording = rm.read(DATA / "v1_memory.stat")
    assert recording.report.time_axis.startswith("assumed")
    assert recording.samples.select("anon_bytes", "file_bytes").row(0) == (8_559_108_096, 7_006_183_424)


def test_a_folder_of_copies_is_one_container(tmp_path: Path) -> None:
    """Files of one cgroup, each under its own name, are one row with everything in it."""
    for name, content in V2.items():
        save(tmp_path / "api.service", content, name)
    recording = rm.read(tmp_path)
    assert recording.containers.select("container", "limit_known", "limit_bytes").row(0) == ("api.service", True, None)
    row = recording.samples.row(0, named=True)
    assert {
        name: value for name, value in row.items() if value is not None and name not in ("container_id", "time")
    } == {
        "usage_bytes": 1_000_000,
        "working_set_bytes": 800_000,
        "anon_bytes": 600_000,
        "file_bytes": 300_000,
        "inactive_file_bytes": 200_000,
        "shmem_bytes": 8_192,
        "kernel_bytes": 50_000,
        "swap_bytes": 4_096,
        "peak_bytes": 1_200_000,
        "psi_some_seconds": 2.5,
        "psi_full_seconds": 0.5,
    }


def test_two_folders_of_copies_are_two_containers(tmp_path: Path) -> None:
    """Copies belong together by folder."""
    for folder in ("api", "web"):
        for name, content in V2.items():
            save(tmp_path / folder, content, name)
    assert rm.read(tmp_path).containers["container"].to_list() == ["api", "web"]


def test_a_kill_counted_between_two_snapshots_is_an_event(tmp_path: Path) -> None:
    """When the kernel's count rises, a process was killed for the limit in force."""
    log = "".join(
        f"2026-11-25T03:0{minute}:00Z\n/cg/api/memory.max:67108864\n/cg/api/memory.current:{60 - minute}000000\n"
        f"/cg/api/memory.events:oom_kill {kills}\n"
        for minute, kills in enumerate((0, 0, 1))
    )
    recording = rm.read(save(tmp_path, log))
    events = recording.events.select("kind", "value_bytes", "time").rows()
    assert events == [("oom_kill", 64 * MIB, dt.datetime(2026, 11, 25, 3, 2, tzinfo=dt.UTC))]


def test_a_container_seen_from_inside_is_one(tmp_path: Path) -> None:
    """Its cgroup's files and its one process in a log belong together."""
    log = (
        f"2026-11-25T03:00:00Z\n==> /sys/fs/cgroup/memory.current <==\n5000000\n==> /proc/1/smaps_rollup <==\n{ROLLUP}"
    )
    recording = rm.read(save(tmp_path, log.format(3000, 2000)))
    assert recording.samples.select("usage_bytes", "rss_bytes").rows() == [(5_000_000, 3000 * 1024)]


def test_snapshots_without_any_time_need_an_interval(tmp_path: Path) -> None:
    """Several and no time stamp are refused with advice; with an interval they are read."""
    file = save(tmp_path, ROLLUP.format(10, 5) + ROLLUP.format(12, 6))
    with pytest.raises(ReadError, match=r"2 snapshots and no time stamp.*interval="):
        rm.read_procfs(file)
    samples = rm.read_procfs(file, interval="10s", time="2026-11-25").samples
    assert samples["rss_bytes"].to_list() == [10 * 1024, 12 * 1024]


def test_a_stamp_at_the_head_of_each_line_is_read(tmp_path: Path) -> None:
    """`ts` before lines of status gives the times."""
    lines = [f"2026-11-25T03:00:{second}Z VmRSS:     {size} kB\n" for second, size in ((10, 100), (20, 200))]
    samples = rm.read(save(tmp_path, "".join(lines))).samples
    assert samples.select("rss_bytes").to_series().to_list() == [102_400, 204_800]
    assert [time.second for time in samples["time"]] == [10, 20]


def test_a_list_of_mappings_is_refused_with_advice(tmp_path: Path) -> None:
    """`smaps` would look like a thousand snapshots."""
    mappings = "".join(f"{start:012x}-{start + 4096:012x} rw-p 0 00:00 0 \nRss:  4 kB\n" for start in (4096, 8192))
    with pytest.raises(ReadError, match="smaps_rollup, which is their sum"):
        rm.read_procfs(save(tmp_path, mappings))


def test_lines_that_do_not_say_what_they_are_are_counted(tmp_path: Path) -> None:
    """A bare number among named ones is not guessed at; pressure of an unnamed file may be the processor's."""
    stall = "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"
    file = save(tmp_path, f"2026-11-25T03:00:00Z\nVmRSS:  100 kB\n1234\nwhat is this\n{stall}")
    with pytest.warns(RmtoolkitWarning, match="2 lines that do not say what they are"):
        recording = rm.read_procfs(file)
    assert recording.samples["psi_some_seconds"].null_count() == 1


@pytest.mark.parametrize(
    ("text", "bytes_"), [("67108864\n", 64 * MIB), ("max\n", None), (f"{NO_LIMIT}\n", None), ("", None), ("-1", None)]
)
def test_amounts_that_stand_for_no_limit(text: str, bytes_: int | None) -> None:
    """Version 2 says max, version 1 a number near 2**63."""
    assert linux.parse_amount(text) == bytes_


def test_the_limit_above_counts_when_it_is_smaller() -> None:
    """Version 1 says in memory.stat what the groups above allow."""
    stat = "rss 5\ncache 5\nhierarchical_memory_limit 1000\ntotal_rss 5\ntotal_cache 5\n"
    files = {"memory.usage_in_bytes": "10", "memory.stat": stat}
    assert linux.cgroup_signals({**files, "memory.limit_in_bytes": str(NO_LIMIT)})["limit_bytes"] == 1000
    assert linux.cgroup_signals({**files, "memory.limit_in_bytes": "500"})["limit_bytes"] == 500


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (
            "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
            "pod12345678_1234_1234_1234_123456789abc.slice/cri-containerd-" + "a" * 64 + ".scope",
            (None, "12345678-1234-1234-1234-123456789abc", "a" * 12),
        ),
        ("/sys/fs/cgroup/system.slice/docker-" + "b" * 64 + ".scope", ("b" * 12, "b" * 12, None)),
        ("/sys/fs/cgroup/docker/" + "c" * 64 + "/init.scope", (None, None, "init.scope")),
        (
            "/sys/fs/cgroup/system.slice/docker-" + "a" * 64 + ".scope/kubelet/kubelet-kubepods-"
            "pod12345678_1234_1234_1234_123456789abc.slice/cri-containerd-" + "b" * 64 + ".scope",
            (None, "12345678-1234-1234-1234-123456789abc", "b" * 12),
        ),
        ("/sys/fs/cgroup/docker/" + "a" * 64 + "/docker/" + "b" * 64, ("b" * 12, "b" * 12, None)),
        ("/sys/fs/cgroup/memory/rmlab/api/", (None, None, "api")),
    ],
    ids=["kubernetes", "docker", "below docker", "pod of a node in docker", "docker in docker", "own"],
)
def test_the_path_of_a_cgroup_tells_whose_it_is(path: str, place: tuple[str | None, ...]) -> None:
    """Pods, Docker containers and others are told apart, the innermost that holds it, and what is below from it."""
    assert tuple(linux.cgroup_place(path).values()) == place


def test_a_kill_below_a_container_is_the_containers() -> None:
    """The kernel names the cgroup of the process, which may lie below that of its container."""
    assert linux.cgroup_place("/docker/" + "c" * 64 + "/init.scope", below=True)["container"] is None
    assert linux.cgroup_place("/docker/" + "c" * 64 + "/init.scope", below=True)["pod"] == "c" * 12


def test_parts_of_a_process_add_up(tmp_path: Path) -> None:
    """Resident memory is anonymous memory, mapped files and shared memory, to the byte."""
    shutil.copy("/proc/self/status", tmp_path / "status")
    shutil.copy("/proc/self/smaps_rollup", tmp_path / "smaps_rollup")
    row = rm.read_procfs([tmp_path / "status", tmp_path / "smaps_rollup"]).samples.row(0, named=True)
    assert row["rss_bytes"] == row["anon_bytes"] + row["file_bytes"] + row["shmem_bytes"]
    assert row["peak_bytes"] >= row["rss_bytes"] > MIB


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from([*V2["memory.stat"].split("\n"), "max", "12", "==> a/b <=="])).map("\n".join)
)
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text gives blocks or none, and never an exception."""
    assert all(block.files for block in read_blocks(text, "").blocks)
