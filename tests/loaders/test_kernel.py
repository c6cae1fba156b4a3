"""What the kernel says of OOM kills: whose it was, at which limit, what was resident; alone and beside a recording."""

from __future__ import annotations

import datetime as dt
import json
import re
from contextlib import nullcontext
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders import Form, recognise
from tests.loaders.kubernetes import API, T0, container, ended, listed, pod, running, save, status, top

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[1] / "data" / "kernel" / "dmesg.txt"
REAL = DATA.read_text()
MIB = 1 << 20
UID = "0e1f7a52-9f0c-4c1e-8a55-3d2a1b6c7d8e"
ID = "5f" * 32
OWN = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={id},mems_allowed=0,oom_memcg={oom},task_memcg={task},"
    "task=api,pid=7,uid=0"
)
KILLED = (
    "Memory cgroup out of memory: Killed process 7 (api) total-vm:9000kB, anon-rss:2048kB, file-rss:1024kB, "
    "shmem-rss:512kB, UID:0 pgtables:132kB oom_score_adj:985"
)


def lines(*messages: str) -> str:
    """Messages as `dmesg --time-format iso` prints them, a second apart."""
    return "".join(f"2026-11-28T15:00:{at:02},000001+00:00 {message}\n" for at, message in enumerate(messages))


def read(folder: Path, text: str, **options: Any) -> rm.Recording:
    """Save and read."""
    (folder / "kern.log").write_text(text)
    return rm.read(folder / "kern.log", **options)


def test_real_kills_are_told_apart() -> None:
    """At its own limit it is an OOM kill, with the limit in force; at the limit of all pods the node's."""
    recording = rm.read(DATA)
    about = recording.containers
    assert about.select("pod_uid", "workload", "limit_bytes", "source").rows() == [(UID, "python", 32 * MIB, "kernel")]
    assert recording.events.select("kind", "value_bytes").rows() == [("oom_kill", 32 * MIB), ("node_oom", None)]
    own, node = recording.events["detail"]
    assert re.fullmatch(r"python \(pid \d+\): [\d.]+ Mi anonymous, [\d.]+ Mi file resident", own)
    assert node.endswith("at the limit of /rmtoolkit-kernel/kubepods")
    said = [sum(map(int, re.findall(r"(?:anon|file|shmem)-rss:(\d+)kB", line))) for line in REAL.split("\n")]
    assert recording.samples["rss_bytes"].to_list() == [size << 10 for size in said if size]
    assert recording.samples["usage_bytes"].to_list() == [32 * MIB, None]


def test_files_in_memory_that_outlive_kills_are_told() -> None:
    """Three containers of a pod are killed by what the first left on its tmpfs: no higher limit is advised."""
    recording = rm.read(DATA.with_name("tmpfs.txt"))
    counted = [int(size) for size in re.findall(r"total_shmem (\d+)", DATA.with_name("tmpfs.txt").read_text())]
    assert recording.samples["shmem_bytes"].to_list() == counted
    assert recording.samples["anon_bytes"].to_list() < counted
    assert all(
        detail.endswith("56.1 Mi of files in memory (tmpfs) that it does not map") for detail in details(recording)
    )
    (row,) = rm.assess(recording).workloads.rows(named=True)
    assert (row["cause"], row["action"]) == ("tmpfs", "clear_files")


def details(recording: rm.Recording) -> list[str]:
    """What is said of each kill."""
    return recording.events["detail"].to_list()


def test_an_old_kernel_says_all_in_one_line(tmp_path: Path) -> None:
    """Before the list of lines there was one, in KB."""
    stats = f"Memory cgroup stats for /docker/{ID}: cache:900KB rss:100KB rss_huge:0KB shmem:800KB mapped_file:8KB"
    limit = "memory: usage 1024kB, limit 1024kB, failcnt 1"
    own = OWN.format(id=ID, oom=f"/docker/{ID}", task=f"/docker/{ID}")
    recording = read(tmp_path, lines("api invoked oom-killer: x", limit, stats, own, KILLED))
    assert recording.samples.select("anon_bytes", "file_bytes", "shmem_bytes").row(0) == (
        100 << 10,
        900 << 10,
        800 << 10,
    )


def written(form: Callable[[dt.datetime, str], str]) -> str:
    """The real lines, as another program writes them."""
    said = (line.split(" ", 1) for line in REAL.rstrip("\n").split("\n"))
    return "".join(form(dt.datetime.fromisoformat(time.replace(",", ".")), text) + "\n" for time, text in said)


def journal(time: dt.datetime, text: str) -> str:
    """An entry of `journalctl -o json`."""
    stamp = str(round(time.timestamp() * 1e6))
    said = {"__REALTIME_TIMESTAMP": stamp, "_TRANSPORT": "kernel", "_HOSTNAME": "node-1", "MESSAGE": text}
    return json.dumps(said)


BEGAN = dt.datetime(2026, 11, 28, 14, 49, 45, 755_240, dt.UTC)


def uptime(time: dt.datetime, text: str) -> str:
    """As `dmesg` prints it: seconds since the machine started."""
    return f"[{(time - BEGAN).total_seconds():12.6f}] {text}"


BOOT = "[    0.244760] "
OLD_CLOCK = "the time of a clock that the kernel told 49 min before.*time="
FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "dmesg, audit tells both clocks": (
        f"{BOOT}audit: type=2000 audit({BEGAN.timestamp() + 0.24476:.3f}:1): state=initialized\n" + written(uptime),
        {},
    ),
    "dmesg, the clock of the board": (
        f"{BOOT}rtc_cmos: setting system clock to 2026-11-28T14:49:46 UTC ({BEGAN.timestamp() + 0.25:.0f})\n"
        + written(uptime),
        {},
    ),
    "dmesg, the user tells": (written(uptime), {"time": BEGAN.isoformat()}),
    "journalctl -o short-monotonic": (
        written(lambda time, text: uptime(time, f"node-1 kernel: {text}")),
        {"time": BEGAN.isoformat()},
    ),
    "journalctl -o short-iso": (written(lambda time, text: f"{time:%Y-%m-%dT%H:%M:%S+0000} node-1 kernel: {text}"), {}),
    "journalctl -o short-unix": (written(lambda time, text: f"{time.timestamp():.6f} node-1 kernel: {text}"), {}),
    "journalctl -o short-full": (
        written(lambda time, text: f"{time:%a %Y-%m-%d %H:%M:%S UTC} node-1 kernel: {text}"),
        {},
    ),
    "journalctl": (written(lambda time, text: f"{time:%b %d %H:%M:%S} node-1 kernel: {text}"), {"timezone": "UTC"}),
    "journalctl -o json": (written(journal), {}),
    "kern.log": (written(lambda time, text: f"{time.isoformat()} node-1 kernel: [ 4217.{time:%f}] {text}"), {}),
    "dmesg -T": (written(lambda time, text: f"[{time:%a %b %d %H:%M:%S %Y}] {text}"), {"timezone": "UTC"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_program_that_prints_them(tmp_path: Path, name: str) -> None:
    """The same kills at the same second, and the node where it is said."""
    text, options = FORMS[name]
    with pytest.warns(RmtoolkitWarning, match=OLD_CLOCK) if BOOT in text else nullcontext():
        recording = read(tmp_path, text, **options)
    assert recording.events["kind"].to_list() == ["oom_kill", "node_oom"]
    assert recording.events["detail"].to_list() == rm.read(DATA).events["detail"].to_list()
    seconds = [dt.datetime.fromisoformat(line[:19]) for line in REAL.split("\n") if "Killed process" in line]
    assert [time.replace(microsecond=0, tzinfo=None) for time in recording.events["time"]] == seconds
    assert recording.containers["node"].to_list() == [None if "dmesg" in name else "node-1"]


def test_after_a_sleep_the_last_line_with_both_clocks_counts(tmp_path: Path) -> None:
    """The kernel's seconds stand still while a machine sleeps; audit tells both clocks again and again."""
    before, after = (f"[  100.000000] audit: type=1 audit({second}.000:7): x\n" for second in (1795800100, 1795900100))
    text = before + "".join(f"[  100.000001] {line}\n" for line in (OWN.format(id=ID, oom="/a", task="/a"), KILLED))
    recording = read(
        tmp_path, text + after.replace("100.0", "101.0", 1) + text.partition("\n")[2].replace("100.0", "102.0")
    )
    assert recording.events["time"].dt.epoch("s").to_list() == [1795800100, 1795900101]
    assert "seconds since the machine started" in recording.report.time_axis


def test_kills_without_an_instant_are_counted(tmp_path: Path) -> None:
    """Beside others they are left out with a warning."""
    bare = written(uptime)
    with pytest.warns(
        RmtoolkitWarning, match="left out 2 kills in seconds since the machine started, and nothing says"
    ):
        recording = read(tmp_path, REAL + bare)
    assert recording.events["kind"].to_list() == ["oom_kill", "node_oom"]
    assert sum(recording.report.left_out.values()) == 2


def test_many_kills_beside_a_recording_are_joined_at_once(tmp_path: Path) -> None:
    """A node on which something is killed every minute for weeks: each kill finds its own, in seconds."""
    at = dt.datetime(2026, 11, 28, 14, 59, tzinfo=dt.UTC)
    minutes = [at + dt.timedelta(minutes=number) for number in range(20_000)]
    kills = pl.DataFrame(
        {
            "time": minutes,
            "pod": "api-0",
            "container": "app",
            "kind": "oom_kill",
            "value_bytes": 64 * MIB,
            "detail": "x",
        }
    )
    said = "".join(
        f"{time + dt.timedelta(seconds=2):%Y-%m-%dT%H:%M:%S}+00:00 {line}\n"
        for time in minutes
        for line in (
            OWN.format(id=ID, oom=f"{POD}/a", task=f"{POD}/a"),
            KILLED.replace("process 7", f"process {time:%j%H%M}"),
        )
    )
    begun = process_time()
    recording = beside(tmp_path, measured(), said, kills)
    told = recording.events.filter(kind="oom_kill")
    assert told.height == len(minutes)
    assert told["detail"].str.starts_with("api (pid ").all()
    assert process_time() - begun < 30


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            written(lambda _, text: f"[ 4217.123456] {text}"),
            r"expected the time of day.*dmesg --time-format iso.*time=",
        ),
        (written(lambda time, text: f"[{time:%a %b %d %H:%M:%S %Y}] {text}"), "timezone="),
        (
            lines("Killed process 7 (api) total-vm:9kB, anon-rss:2kB, file-rss:1kB"),
            "1 kill without a word about whose limit",
        ),
    ],
)
def test_what_is_not_said_is_asked_for(tmp_path: Path, text: str, says: str) -> None:
    """Seconds since the start of the machine, a clock without a zone, a kill without its reason."""
    with pytest.raises(ReadError, match=says):
        read(tmp_path, text)


POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0e1f7a52_9f0c_4c1e_8a55_3d2a1b6c7d8e.slice"
PATHS = {
    "containerd, systemd": (f"{POD}/cri-containerd-{ID}.scope", f"{POD}/cri-containerd-{ID}.scope", "oom_kill", UID),
    "CRI-O": (f"{POD}/crio-{ID}.scope/container", f"{POD}/crio-{ID}.scope/container", "oom_kill", UID),
    "a cgroup inside": (f"{POD}/cri-containerd-{ID}.scope/init", f"{POD}/cri-containerd-{ID}.scope", "oom_kill", UID),
    "the pod's limit": (f"{POD}/cri-containerd-{ID}.scope", POD, "oom_kill", UID),
    "all pods": (f"{POD}/cri-containerd-{ID}.scope", "/kubepods.slice", "node_oom", UID),
    "Docker": (f"/docker/{ID}", f"/docker/{ID}", "oom_kill", ID[:12]),
    "Docker, systemd": (f"/system.slice/docker-{ID}.scope", f"/system.slice/docker-{ID}.scope", "oom_kill", ID[:12]),
    "Podman": (f"/machine.slice/libpod-{ID}.scope", f"/machine.slice/libpod-{ID}.scope", "oom_kill", ID[:12]),
    "a service": ("/system.slice/api.service", "/system.slice/api.service", "oom_kill", None),
    "a slice of services": ("/system.slice/api.service", "/system.slice", "node_oom", None),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_cgroup_s_path_tells_whose_it_was(tmp_path: Path, name: str) -> None:
    """The pod's uid, else the container's id as Docker shortens it, else the service."""
    task, oom, kind, uid = PATHS[name]
    limit = "memory: usage 65536kB, limit 65536kB, failcnt 9"
    recording = read(tmp_path, lines(limit, OWN.format(id=ID, oom=oom, task=task), KILLED))
    workload = "api" if uid else "api.service"
    assert recording.containers.select("pod_uid", "workload").rows() == [(uid, workload)]
    limits = [65536 << 10 if kind == "oom_kill" else None]
    assert recording.containers["limit_bytes"].to_list() == limits
    assert recording.events.select("kind", "value_bytes").rows() == [(kind, limits[0])]
    assert recording.samples["rss_bytes"].to_list() == [3584 << 10]


OLD = {
    "4.4": (
        f"Task in /docker/{ID} killed as a result of limit of /docker/{ID}",
        "memory: usage 65536kB, limit 65536kB, failcnt 9",
        "memory+swap: usage 65536kB, limit 9007199254740988kB, failcnt 0",
        "Memory cgroup out of memory: Kill process 7 (api) score 999 or sacrifice child",
        "Killed process 7 (api) total-vm:9000kB, anon-rss:2048kB, file-rss:1024kB",
    ),
    "RHEL 7": (
        f"Task in /docker/{ID} killed as a result of limit of /docker/{ID}",
        "memory: usage 65536kB, limit 65536kB, failcnt 9",
        "Memory cgroup out of memory: Kill process 7 (api) score 999 or sacrifice child",
        "Killed process 7 (api), UID 1000, total-vm:9000kB, anon-rss:2048kB, file-rss:1024kB, shmem-rss:0kB",
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_lines_of_old_kernels(tmp_path: Path, name: str) -> None:
    """They say it in other words."""
    recording = read(tmp_path, lines(*OLD[name]))
    assert recording.containers.select("pod_uid", "limit_bytes").rows() == [(ID[:12], 64 * MIB)]
    assert recording.events.select("kind", "value_bytes").rows() == [("oom_kill", 64 * MIB)]
    assert recording.samples["rss_bytes"].to_list() == [3 * MIB]


NODE = {
    "now": "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=x,mems_allowed=0,global_oom,"
    "task_memcg={task},task=api,pid=7,uid=0",
    "4.4": "Out of memory: Kill process 7 (api) score 900 or sacrifice child",
    "filtered": "",
}


@pytest.mark.parametrize("name", NODE)
def test_a_machine_without_memory_is_no_fault_of_the_container(tmp_path: Path, name: str) -> None:
    """It says nothing of a limit."""
    killed = KILLED.replace("Memory cgroup out", "Out") if name != "4.4" else KILLED.partition(": ")[2]
    before = ("memory: usage 5kB, limit 7kB, failcnt 9",) if name == "filtered" else ()
    recording = read(
        tmp_path, lines(*before, "api invoked oom-killer: x", NODE[name].format(task=f"/docker/{ID}"), killed)
    )
    assert recording.events.select("kind", "value_bytes").rows() == [("node_oom", None)]
    assert recording.containers["limit_known"].to_list() == [False]


def test_a_group_that_is_killed_is_one_kill(tmp_path: Path) -> None:
    """With `memory.oom.group`, which Kubernetes sets, all processes of a container end together."""
    place = PATHS["containerd, systemd"][0]
    more = KILLED.replace("process 7 (api)", "process 8 (worker)")
    recording = read(
        tmp_path, lines(OWN.format(id=ID, oom=place, task=place), KILLED, f"Tasks in {place} are going", more)
    )
    assert recording.events["detail"].to_list() == [
        "api (pid 7) and 1 more: 4 Mi anonymous, 2 Mi file, 1 Mi shared resident"
    ]
    assert recording.samples["rss_bytes"].to_list() == [2 * 3584 << 10]


def measured(*, uid: str | None = UID, containers: tuple[str, ...] = ("app",), **more: Any) -> pl.DataFrame:
    """Two minutes of a pod's containers around the kill, and a restart."""
    at = dt.datetime(2026, 11, 28, 14, 59, tzinfo=dt.UTC)
    rows = [
        {"time": at + dt.timedelta(seconds=15 * step), "pod": "api-0", "pod_uid": uid, "container": name}
        | {
            "working_set_bytes": (40 + step) * MIB,
            "limit_bytes": (64 + 64 * number) * MIB,
            "restarts_total": int(step > 4),
        }
        | more
        for number, name in enumerate(containers)
        for step in range(9)
    ]
    return pl.DataFrame(rows)


def beside(folder: Path, table: pl.DataFrame, text: str, events: pl.DataFrame | None = None) -> rm.Recording:
    """Read lines of the kernel beside a recording."""
    rm.Recording.from_frame(table, events=events).write(folder / "a.parquet")
    (folder / "kern.log").write_text(text)
    return rm.read(folder)


def at_own_limit(task: str = POD + f"/cri-containerd-{ID}.scope") -> str:
    """One kill at 64 MiB."""
    limit = "memory: usage 65536kB, limit 65536kB, failcnt 9"
    return lines("api invoked oom-killer: x", limit, OWN.format(id=ID, oom=task, task=task), KILLED)


def test_a_kill_joins_the_pod_that_it_names(tmp_path: Path) -> None:
    """By its uid: one container, its own samples only, and the kill among its events."""
    recording = beside(tmp_path, measured(), at_own_limit())
    assert recording.containers.select("pod", "container").rows() == [("api-0", "app")]
    assert recording.samples["rss_bytes"].null_count() == recording.height == 9
    kills = recording.events.filter(kind="oom_kill")
    assert kills.select("value_bytes", "detail").rows() == [
        (64 * MIB, "api (pid 7): 2 Mi anonymous, 1 Mi file, 0.5 Mi shared resident")
    ]
    assert rm.lives(recording)["ended"].to_list() == ["oom_kill", "running"]


def test_a_kill_joins_a_container_of_docker_by_its_id(tmp_path: Path) -> None:
    """Docker's loader keeps the short id."""
    recording = beside(tmp_path, measured(uid=ID[:12], pod=None), at_own_limit(f"/docker/{ID}"))
    assert recording.containers["container"].to_list() == ["app"]
    assert "oom_kill" in recording.events["kind"]


def test_of_several_containers_the_limit_decides(tmp_path: Path) -> None:
    """The one whose limit the kernel names; where none has it, the kill stays with the pod."""
    recording = beside(tmp_path, measured(containers=("app", "proxy")), at_own_limit())
    kills = recording.events.filter(kind="oom_kill").join(recording.containers, on="container_id")
    assert kills["container"].to_list() == ["app"]
    other = beside(tmp_path, measured(containers=("app", "proxy")).with_columns(limit_bytes=5 * MIB), at_own_limit())
    kills = other.events.filter(kind="oom_kill").join(other.containers, on="container_id")
    assert kills.select("pod", "workload", "container").rows() == [("api-0", "api", None)]


def test_a_kill_that_is_known_is_not_counted_twice(tmp_path: Path) -> None:
    """What kube-state-metrics told half a minute later is the same kill, now with what was resident."""
    event = {"pod": "api-0", "container": "app", "kind": "oom_kill", "value_bytes": 64 * MIB, "detail": "OOMKilled"}
    later = pl.DataFrame([{**event, "time": dt.datetime(2026, 11, 28, 15, 0, 30, tzinfo=dt.UTC)}])
    recording = beside(tmp_path, measured(), at_own_limit(), later)
    kills = recording.events.filter(kind="oom_kill")
    assert kills["time"].to_list() == later["time"].to_list()
    assert kills["detail"].to_list()[0].startswith("api (pid 7)")


def test_copies_of_the_lines_are_one_kill(tmp_path: Path) -> None:
    """Two looks at the kernel's buffer overlap, and their clocks differ a little."""
    (tmp_path / "a.log").write_text(at_own_limit())
    (tmp_path / "b.log").write_text(at_own_limit().replace("000001+", "210001+"))
    recording = rm.read(tmp_path)
    assert recording.events["kind"].to_list() == ["oom_kill"]


def test_a_kill_of_another_pod_stands_alone(tmp_path: Path) -> None:
    """It is told, and belongs to nobody else."""
    recording = beside(tmp_path, measured(uid=UID.replace("0e", "1e")), at_own_limit())
    assert recording.containers.select("container", "source").rows() == [("app", "frame"), (None, "kernel")]


def test_kills_without_a_reason_are_counted(tmp_path: Path) -> None:
    """Beside others they are left out with a warning."""
    with pytest.warns(RmtoolkitWarning, match="1 kill without a word about"):
        recording = read(tmp_path, at_own_limit() + lines("a invoked oom-killer: x", KILLED.partition(": ")[2]))
    assert recording.events["kind"].to_list() == ["oom_kill"]


def test_other_lines_of_the_kernel_are_no_recording(tmp_path: Path) -> None:
    """A journal without kills holds nothing for us."""
    (tmp_path / "kern.log").write_text(lines("usb 1-1: new device", "eth0: link up", "oom_reaper: reaped"))
    assert recognise(tmp_path / "kern.log")[0] is Form.OTHER


@pytest.mark.filterwarnings("ignore:.*the time of a clock")
@given(share=st.floats(0, 1), name=st.sampled_from(sorted(FORMS)))
def test_lines_that_are_cut_tell_no_other_kill(
    tmp_path_factory: pytest.TempPathFactory, share: float, name: str
) -> None:
    """Cut anywhere: the kills before, or one clear error."""
    text, options = FORMS[name]
    try:
        recording = read(tmp_path_factory.mktemp("cut"), text[: int(share * len(text))], **options)
    except RmtoolkitError:
        return
    assert recording.events["kind"].to_list() in (["oom_kill"], ["oom_kill", "node_oom"])


def test_a_log_of_kubectl_top_with_objects_and_the_kernel(tmp_path: Path) -> None:
    """Three files of one incident: the objects say whose the uid is, and the kill that both tell is one."""
    kill = f"{T0 + dt.timedelta(minutes=20):%Y-%m-%dT%H:%M}"
    text = at_own_limit().replace("2026-11-28T15:00", kill)
    states = status(restarts=1, last=ended(0, 20.05), state=running(20.5))
    dump = listed(pod(API, container(limit="64Mi"), statuses=(states,), uid=UID))
    (tmp_path / "kern.log").write_text(text)
    save(tmp_path, top({(API, "api"): [*range(30, 50), *range(30, 50)]}), dump)
    recording = rm.read(tmp_path)
    assert recording.containers.select("pod", "container", "limit_bytes").rows() == [(API, "api", 64 * MIB)]
    kills = recording.events.filter(kind="oom_kill")
    assert kills.select("value_bytes", "detail").rows() == [
        (64 * MIB, "api (pid 7): 2 Mi anonymous, 1 Mi file, 0.5 Mi shared resident")
    ]
    assert recording.samples["rss_bytes"].null_count() == recording.height
