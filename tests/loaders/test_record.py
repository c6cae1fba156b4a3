"""Recording what runs on this machine: real processes, real cgroups, and made-up files of version 2."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders import record as record_cgroup
from rmtoolkit.loaders.record import ProcessReader, Recorder, together
from rmtoolkit.schema import CORES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB: Final = 1 << 20
V1: Final = Path("/sys/fs/cgroup/memory")
GROW: Final = "import time\nkeep = []\nwhile True:\n    keep.append(bytearray(2 << 20))\n    time.sleep(0.02)\n"
needs_linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux with smaps_rollup")


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def most(frame: pl.DataFrame, name: str) -> int:
    """The highest value of a column."""
    return int(max(frame[name].drop_nulls().to_list()))


def least(frame: pl.DataFrame, name: str) -> int:
    """The lowest value of a column."""
    return int(min(frame[name].drop_nulls().to_list()))


def python(code: str) -> list[str]:
    """A Python program as a command."""
    return [sys.executable, "-c", code]


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup of version 1 of the test's own."""
    folder = V1 / f"rmtoolkit-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(32 * MIB))
    except OSError:
        pytest.skip("needs root and memory cgroups of version 1 that can be written to")
    yield folder
    for pid in record_cgroup.process_ids(folder):
        os.kill(pid, 9)
    until(lambda: not record_cgroup.process_ids(folder))
    folder.rmdir()


def inside(folder: Path, code: str) -> list[str]:
    """A Python program that joins a cgroup before it starts."""
    return ["/bin/sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh", *python(code)]


@needs_linux
def test_a_command_is_followed_from_its_start_to_its_exit_status() -> None:
    """A program that holds 40 MiB shows them, starts with an event and ends with its status."""
    code = "import sys, time\nheld = bytearray(40 << 20)\ntime.sleep(2)\nsys.exit(3)"
    recording = rm.record(command=python(code), interval_seconds=0.02, name="api")
    assert recording.events.select("kind", "detail").rows() == [("start", None), ("error", "exit status 3")]
    samples = recording.samples
    assert 40 * MIB < most(samples, "anon_bytes") < 60 * MIB
    parts = samples.select(pl.sum_horizontal("anon_bytes", "file_bytes", "shmem_bytes")).to_series()
    assert (parts == samples["rss_bytes"]).all()
    assert (samples["peak_bytes"] >= samples["rss_bytes"]).all()
    about = recording.containers.select("workload", "container", "source", "limit_known").row(0)
    assert about == ("api", "api", "record", False)


@needs_linux
def test_what_a_command_prints_passes_through(capfd: pytest.CaptureFixture[str]) -> None:
    """Output and errors of the program are where they would be without the recorder."""
    rm.record(command=python("import sys; print('out'); print('err', file=sys.stderr)"), interval_seconds=0.01)
    assert capfd.readouterr() == ("out\n", "err\n")


@needs_linux
@pytest.mark.parametrize(
    ("code", "kind", "detail"),
    [
        ("pass", "end", "exit status 0"),
        ("import os; os.kill(os.getpid(), 9)", "error", "killed by signal 9 (SIGKILL)"),
        ("import os; os.abort()", "error", "killed by signal 6 (SIGABRT)"),
    ],
    ids=["done", "killed", "aborted"],
)
def test_how_a_command_ended(code: str, kind: str, detail: str) -> None:
    """An exit status or a signal is the last event; a kill from outside is no OOM kill."""
    events = rm.record(command=python(code), interval_seconds=0.01).events
    assert events.select("kind", "detail").row(-1) == (kind, detail)


@needs_linux
def test_memory_of_children_is_added_and_shared_pages_count_once() -> None:
    """Two forks of a process that holds 60 MiB hold the same 60 MiB, not 180."""
    code = (
        "import os, time\nheld = bytearray(60 << 20)\n"
        "for _ in range(2):\n    if os.fork() == 0:\n        time.sleep(2); os._exit(0)\n"
        "for _ in range(2):\n    os.wait()\n"
    )
    # Often enough, and not so often that reading would cost too much on a busy machine: then shares are not read.
    samples = rm.record(command=python(code), interval_seconds=0.25).samples
    several = samples.filter(pl.col("threads") >= 3)
    assert several.height > 3
    assert least(several, "anon_bytes") > 60 * MIB
    assert most(several, "rss_bytes") < 90 * MIB
    assert several["peak_bytes"].null_count() == several.height


@needs_linux
def test_open_files_and_sockets_are_counted() -> None:
    """A process that opens forty pairs of sockets has eighty descriptors more, and as many again in its child."""
    code = (
        "import os, socket, time\nheld = [socket.socketpair() for _ in range(40)]\n"
        "child = os.fork()\ntime.sleep(1.5)\n"
        "child and os.wait()\n"
    )
    samples = rm.record(command=python(code), interval_seconds=0.05).samples
    assert 160 <= most(samples.filter(threads=2), "descriptors") < 200


@needs_linux
def test_a_process_is_followed_until_it_is_gone() -> None:
    """A process that somebody else started is recorded to its end; its exit status is not ours to know."""
    with subprocess.Popen(python("import time\nheld = bytearray(20 << 20)\ntime.sleep(2)")) as process:
        recording = rm.record(pid=process.pid, interval_seconds=0.02)
    assert most(recording.samples, "anon_bytes") > 20 * MIB
    assert recording.events.row(-1, named=True)["kind"] == "end"
    assert recording.containers["pod"].item().endswith(f"-{process.pid}")


@needs_linux
def test_a_duration_ends_the_recording_and_the_command() -> None:
    """A command that still runs is asked to end; a process of somebody else is left alone."""
    recorder = Recorder(command=python("import time; time.sleep(60)"), interval_seconds=0.02, duration_seconds=0.2)
    rows = list(recorder.samples())
    assert recorder.recording().events.row(-1, named=True)["detail"] == "stopped by the recorder"
    # A busy machine leaves samples out; how far apart they are is shown with a clock of its own below.
    assert 1 <= len(rows) <= 11
    with subprocess.Popen(python("import time; time.sleep(60)")) as process:
        rm.record(pid=process.pid, interval_seconds=0.02, duration_seconds=0.1)
        assert process.poll() is None
        process.kill()


@needs_linux
@pytest.mark.parametrize(
    ("takes", "steps"), [(0.0, [50] * 29), (0.03, [50] * 29), (0.12, [150] * 9)], ids=["nothing", "less", "more"]
)
def test_samples_keep_their_distance(takes: float, steps: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What one sample took is not added to the interval; what could not be kept up with is left out, not caught up."""
    now = 1_000.0

    def wait(_: Recorder, seconds: float) -> bool:
        nonlocal now
        now += max(0.0, seconds)
        return False

    clock = {"monotonic": lambda: now, "time": lambda: now, "time_ns": lambda: round(now * 1e9)}
    monkeypatch.setattr(record_cgroup, "time", SimpleNamespace(**vars(time) | clock))
    monkeypatch.setattr(Recorder, "_wait", wait)
    times = []
    for row in Recorder(pid=os.getpid(), interval_seconds=0.05, duration_seconds=1.5).samples():
        times.append(row["time"])
        now += takes
    assert [after - before for before, after in pairwise(times)] == steps


@needs_linux
def test_the_file_is_kept_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While recording, the file can be read at any time; at the end it holds everything."""
    monkeypatch.setattr("rmtoolkit.loaders.record._WRITE_SECONDS", 0.05)
    monkeypatch.setattr("rmtoolkit.loaders.record._WRITE_SHARE", 0)
    file = tmp_path / "api.parquet"
    recorder = Recorder(pid=os.getpid(), interval_seconds=0.02, duration_seconds=60, path=file)
    seen: list[int] = []
    with closing(recorder.samples()) as samples:
        for _ in samples:
            seen += [rm.read_recording(file).samples.height] if file.exists() else []
            if len(set(seen)) > 2:
                break
    assert len(set(seen)) > 2
    assert seen == sorted(seen)
    assert rm.read_recording(file) == recorder.recording()


def test_many_rows_are_kept_in_chunks_and_none_is_lost() -> None:
    """What was recorded can be asked for again and again while it goes on."""
    recorder = Recorder(pid=os.getpid(), interval_seconds=0.003, duration_seconds=2.5)
    heights, count = [], 0
    for count, _ in enumerate(recorder.samples(), start=1):
        if count % 150 == 0:
            heights.append((count, recorder.recording().samples["time"].n_unique()))
    times = recorder.recording().samples["time"]
    assert times.is_sorted()
    assert heights == sorted(heights)
    assert times.len() > 0.9 * count


@needs_linux
def test_a_cgroup_in_which_nobody_has_run_may_hold_others(cgroup: Path) -> None:
    """What the kernel keeps of those below is charged to it, and is nobody."""
    below = cgroup / "below"
    below.mkdir()
    assert not record_cgroup.has_run(cgroup)
    subprocess.run(inside(below, ""), check=True)
    assert record_cgroup.has_run(cgroup)
    until(lambda: not record_cgroup.process_ids(below))
    below.rmdir()


@needs_linux
def test_a_real_cgroup_that_meets_its_limit(cgroup: Path) -> None:
    """Usage rises to the limit, the kernel kills, and the recording says so with the limit in force."""
    recorder = Recorder(cgroup=cgroup, interval_seconds=0.02)
    with subprocess.Popen(inside(cgroup, f"import sys\nsys.stdin.read()\n{GROW}"), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for _ in recorder.samples():
            process.stdin.close()
    recording = recorder.recording()
    assert process.returncode == -9
    # On a busy machine samples may be far apart.
    told = recording.events.filter(pl.col("kind") != "gap")
    assert told.select("kind", "value_bytes").rows() == [("oom_kill", 32 * MIB)]
    # Who comes too late waits for nobody.
    assert rm.record(cgroup=cgroup).events.height == 0
    assert recording.containers.select("limit_known", "limit_bytes").row(0) == (True, 32 * MIB)
    samples = recording.samples
    assert most(samples, "peak_bytes") <= 32 * MIB
    assert (samples["working_set_bytes"] <= samples["usage_bytes"]).all()
    assert most(samples, "usage_bytes") > 16 * MIB
    assert most(samples, "threads") == 1
    assert rm.lives(recording)["ended"].to_list() == ["oom_kill"]


@needs_linux
def test_a_command_killed_for_its_cgroups_limit_is_an_oom_kill(cgroup: Path) -> None:
    """A launcher that moves its program into a limited cgroup is followed there."""
    events = rm.record(command=inside(cgroup, GROW), interval_seconds=0.02).events
    assert events.select("kind", "value_bytes").rows() == [("start", None), ("oom_kill", 32 * MIB)]


@needs_linux
def test_a_cgroup_that_is_used_again_has_a_new_life(
    cgroup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a duration, the end of its processes is an event and a new one is another start."""
    # Whom the kernel kills on this machine meanwhile, as another test lets it, is not told.
    monkeypatch.setattr(record_cgroup, "PROC", tmp_path)
    inner = f"/bin/sh -c 'echo $$ > {cgroup}/cgroup.procs; exec sleep 2'"
    with subprocess.Popen(["/bin/sh", "-c", f"{inner}; sleep 2; {inner}"]):
        until(lambda: record_cgroup.is_populated(cgroup))
        recorder = Recorder(cgroup=cgroup, interval_seconds=0.02, duration_seconds=20)
        for _ in recorder.samples():
            if recorder.recording().events["kind"].to_list() == ["end", "start"]:
                break
    assert recorder.recording().events["kind"].to_list() == ["end", "start"]


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """Files of a cgroup of version 2 below a group with a smaller limit."""
    folder = tmp_path / "cgroup" / "kube.slice" / "api.service"
    folder.mkdir(parents=True)
    (folder.parent / "memory.max").write_text("50000000\n")
    files = {
        "memory.current": "1000000\n",
        "memory.max": "max\n",
        "memory.peak": "1200000\n",
        "memory.swap.current": "0\n",
        "memory.stat": "anon 600000\nfile 300000\nkernel 50000\nshmem 0\ninactive_file 200000\n",
        "memory.events": "low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\n",
        "memory.pressure": "some avg10=0 avg60=0 avg300=0 total=2500000\nfull avg10=0 avg60=0 avg300=0 total=500000\n",
        "cgroup.events": "populated 1\nfrozen 0\n",
        "cgroup.procs": "",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def test_version_2_is_measured_with_the_limit_above(v2: Path) -> None:
    """Every file has its signal; of several limits the smallest counts."""
    assert record_cgroup.read_cgroup(v2) == {
        "usage_bytes": 1_000_000,
        "peak_bytes": 1_200_000,
        "swap_bytes": 0,
        "limit_bytes": 50_000_000,
        "anon_bytes": 600_000,
        "file_bytes": 300_000,
        "inactive_file_bytes": 200_000,
        "shmem_bytes": 0,
        "kernel_bytes": 50_000,
        "working_set_bytes": 800_000,
        "psi_some_seconds": 2.5,
        "psi_full_seconds": 0.5,
        "oom_kills": 0,
    }


def test_the_smallest_quota_above_counts(tmp_path: Path) -> None:
    """Both versions bound a cgroup by those above it; `max`, and -1, bound nothing."""
    for place, files in {
        "pod": {"cpu.max": "150000 100000"},
        "pod/api": {"cpu.max": "max 100000"},
        "cpu/pod": {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"},
        "cpu/pod/api": {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"},
    }.items():
        for name, content in files.items():
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            (tmp_path / place / name).write_text(content + "\n")
    folders = (tmp_path / "pod" / "api", tmp_path / "memory" / "pod" / "api", tmp_path / "other", None)
    assert [record_cgroup.quota_of(folder, tmp_path) for folder in folders] == [1.5, 0.5, None, None]


@needs_linux
def test_a_quota_is_not_read_at_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are many and hardly ever change: samples of one cgroup share what was read; the container tells it."""
    asked: list[Path | None] = []

    def quota_of(folder: Path | None) -> float:
        asked.append(folder)
        return 1.5

    monkeypatch.setattr(record_cgroup, "quota_of", quota_of)
    recorder = Recorder(pid=os.getpid(), interval_seconds=0.001)
    samples = recorder.samples()
    for _ in range(5):
        next(samples)
    samples.close()
    assert recorder.recording().containers.select(CORES).rows() == [(1.5, os.cpu_count())]
    assert len(asked) == len(set(asked))


def test_version_2_tells_kills_changed_limits_and_the_end(v2: Path) -> None:
    """Its counters become events; so does a limit that is changed while it is recorded."""
    recorder = Recorder(cgroup=v2, interval_seconds=0.01, duration_seconds=30)
    for step, _ in enumerate(recorder.samples()):
        if step == 1:
            (v2 / "memory.max").write_text("40000000\n")
        elif step == 2:
            (v2 / "memory.events").write_text("oom 1\noom_kill 1\n")
        elif step == 3:
            (v2 / "cgroup.events").write_text("populated 0\n")
            assert recorder._measure() == {}
            break
    kinds = recorder.recording().events.select("kind", "value_bytes").rows()
    # The kill was the end: there is no second one.
    assert kinds == [("limit", 40_000_000), ("oom_kill", 40_000_000)]
    # A sample of the process that was dying, taken when the kernel had counted it, begins no new life.
    assert rm.lives(recorder.recording())["ended"].to_list() == ["oom_kill"]
    assert recorder.recording().containers["limit_bytes"].item() == 40_000_000


def test_a_cgroup_can_be_named_as_the_kernel_does(v2: Path) -> None:
    """The path in /proc/PID/cgroup leads to the folder, in version 1 and 2."""
    root = v2.parents[1]
    assert record_cgroup.find_cgroup("/kube.slice/api.service", root) == v2
    # What Kubernetes did not name is a pod of its own.
    place = record_cgroup.find_target(None, None, v2, None).place
    assert place["pod"] == "api.service"
    proc = root.parent / "proc"
    (proc / "7").mkdir(parents=True)
    (proc / "7" / "cgroup").write_text("0::/kube.slice/api.service\n")
    assert record_cgroup.cgroup_of(7, root, proc) == v2
    # systemd's names hold colons of their own.
    old = root / "memory" / "system.slice:docker:5"
    old.mkdir(parents=True)
    (old / "memory.usage_in_bytes").write_text("5\n")
    (proc / "7" / "cgroup").write_text("9:name=systemd:/x\n4:cpu,memory:/system.slice:docker:5\n0::/\n")
    assert record_cgroup.cgroup_of(7, root, proc) == old


def test_pressure_beside_version_1_is_found(tmp_path: Path) -> None:
    """Where version 2 is mounted for pressure only, its file of the same group is read."""
    folder, unified = tmp_path / "memory" / "api", tmp_path / "unified" / "api"
    for home in (folder, unified):
        home.mkdir(parents=True)
    (folder / "memory.usage_in_bytes").write_text("5\n")
    (unified / "memory.pressure").write_text("some avg10=0 avg60=0 avg300=0 total=1000000\n")
    assert record_cgroup.read_cgroup(folder)["psi_some_seconds"] == 1.0


def test_without_proc_the_resident_memory_is_still_there(tmp_path: Path) -> None:
    """On systems without /proc, psutil tells RSS and threads."""
    signals = ProcessReader(1.0, proc=tmp_path).read([os.getpid()])
    assert signals["rss_bytes"] > MIB
    assert set(signals) == {"rss_bytes", "threads"}


def test_what_may_not_be_read_is_said() -> None:
    """Without smaps_rollup, several processes count shared pages twice, and the report says so."""
    notes: dict[str, None] = {}
    one = {"rss_bytes": 10, "anon_bytes": 4, "threads": 1}
    assert together([one, one], [{}, {}], notes) == {"rss_bytes": 20, "anon_bytes": 8, "threads": 2}
    seen = one | {"descriptors": 5}
    assert together([seen, seen], [{}, {}], notes)["descriptors"] == 10
    assert "descriptors" not in together([seen, one], [{}, {}], notes)
    assert any("counted for each" in note for note in notes)


def test_local_and_cluster_are_one_recording() -> None:
    """The same workload here and there goes into one chart; neither is lost."""
    frame = pl.DataFrame({"time": [0, 60], "workload": ["api"] * 2, "pod": ["api-0"] * 2, "rss_bytes": [1, 2]})
    here = rm.record(pid=os.getpid(), interval_seconds=0.01, duration_seconds=0.03, name="api")
    both = rm.concat([here, rm.Recording.from_frame(frame)])
    assert both.filter(workload="api").containers.height == 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "exactly one of pid, command and cgroup"),
        ({"pid": 1, "cgroup": "/"}, "exactly one of"),
        ({"pid": 2**22 + 5}, "no such process"),
        ({"pid": -1}, "no such process"),
        ({"command": ["/no/such/program"]}, "Could not start '/no/such/program': no such file"),
        ({"command": []}, "a list of words"),
        ({"command": "ls -l"}, "a list of words"),
        ({"cgroup": "/no/such"}, "no memory.current"),
        ({"pid": 1, "interval_seconds": 0}, "interval_seconds must be above zero"),
        ({"pid": 1, "duration_seconds": -1}, "duration_seconds must be above zero"),
        ({"pid": 1, "path": "a.csv"}, "must end in .parquet"),
    ],
)
def test_a_mistake_is_one_clear_sentence(asked: dict[str, object], message: str) -> None:
    """What cannot be recorded is said before anything is."""
    with pytest.raises(RmtoolkitError, match=message):
        rm.record(**asked)  # type: ignore[arg-type]


def test_arguments_of_a_command_are_in_no_report() -> None:
    """They may hold secrets: only the program's name is kept."""
    recording = rm.record(command=[*python("pass"), "--token=hunter2"], interval_seconds=0.01)
    assert "hunter2" not in f"{recording.report}{recording.containers.write_json()}{recording.events.write_json()}"
