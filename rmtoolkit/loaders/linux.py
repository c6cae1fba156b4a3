"""What the kernel says of processes and cgroups, in `/proc/PID` and the memory controller's files, and of OOM kills."""

from __future__ import annotations

import datetime as dt
import os
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from rmtoolkit._identity import UID_IN_CGROUP, Event
from rmtoolkit.exceptions import ReadError, quote_path, warn
from rmtoolkit.loaders import _timestamps
from rmtoolkit.loaders._files import PathLike, noted, read_each, read_text, whole_number
from rmtoolkit.loaders._timestamps import Asked, Stamp
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import ABSURD_BYTES, CONTAINERS, EVENTS, SAMPLES, Report
from rmtoolkit.text import and_more, counted, hours, looks, memory, texts

_FIELD: Final = re.compile(r"^[ \t]*+(\w++):[ \t]++(\d{1,20})(?:[ \t]++kB)?[ \t]*+$", re.MULTILINE)
_NAME: Final = re.compile(r"^Name:[ \t]++(.*)", re.MULTILINE)
_PAIR: Final = re.compile(r"^[ \t]*+(\w++)[ \t]++(\d{1,20})[ \t]*+$", re.MULTILINE)
_STALL: Final = re.compile(r"^[ \t]*+(some|full)[ \t].*?\btotal=(\d{1,20})\b", re.MULTILINE)
#: `/kubepods/burstable/pod<uid>/<id>`, `kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope`, `docker/<id>`.
#: The innermost: in kind, and in Docker in Docker, the outer container is the node.
_CONTAINER_ID: Final = re.compile(r".*(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])[^/]*(/.+)?")

_TOLD: Final = texts("loaders/linux")
NUMBER_FILES, ROLLUP, STATUS = (_TOLD[name] for name in ("files", "smaps_rollup", "status"))
#: What `kernel` adds up where the kernel (before Linux 5.18) does not.
_KERNEL_PARTS: Final = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "slab", "vmalloc")
CGROUP_FILES: Final = {*NUMBER_FILES, "memory.stat", "memory.pressure", "memory.events", "memory.oom_control"}
PROCESS_FILES: Final = frozenset({"smaps_rollup", "status"})

_SECTION: Final = re.compile(r"==> (?P<path>.+) <==")
#: What `grep . FILES` puts before each line.
_PREFIX: Final = re.compile(r"(?P<path>(?:[^\s:]*/)?(?:memory\.[a-z_.]++|smaps_rollup|status)):(?P<rest>.*)")
_PROCESS_PATH: Final = re.compile(r"/proc/(\d+|self)/(?:smaps_rollup|status)$")
_BLOCK_FIELD: Final = re.compile(r"(\w++):\s++(\S.*)")
_ROLLUP_FIELDS: Final = frozenset({*ROLLUP, "Pss_Dirty", "LazyFree"})
_STATUS_FIELDS: Final = frozenset({*STATUS, "Name", "Pid", "VmPeak", "VmSize"})
_OTHER_FIELDS: Final = re.compile(r"\w++:(?:\s.*)?")
_PAIR_LINE: Final = re.compile(r"([a-z]\w*) (\d+)")
_EVENTS: Final = frozenset(["low", "high", "max", "oom", "oom_kill", "oom_group_kill", "oom_kill_disable", "under_oom"])
_STALL_LINE: Final = re.compile(r"(?:some|full) avg10=\S++ .*total=\d+")
_MAPPING: Final = re.compile(r"[0-9a-f]{6,16}-[0-9a-f]{6,16} [rwxps-]{4} .*")
_NUMBER: Final = re.compile(r"\d+|max")
_EXPECTED: Final = "smaps_rollup or status of a process, or memory.stat and other files of a cgroup"
_OTHER: Final = "lines that do not say what they are"
SOURCE: Final = "kernel"
_KILLS: Final = "lines of the kernel about OOM kills, as dmesg or journalctl print them"
_LINE: Final = re.compile(looks("kernel")["line"])
#: What the cgroup at its limit held, in bytes: a line each, or all in one where the kernel is old.
_STATS: Final = "Memory cgroup stats for "
_STAT: Final = re.compile(r"(?:^|[\s:])([a-z_]{1,40}) (\d{1,19})\s*$")
_OLD_STAT: Final = re.compile(r"\b([a-z_]{1,40}):(\d{1,17})KB")
_NOT_SAID: Final = "kills without a word about whose limit it was"
_TIMELESS: Final = "kills in seconds since the machine started, and nothing says when that was"
_OF_CGROUP: Final = "CONSTRAINT_MEMCG"
_PLACE: Final = re.compile(r",(oom_memcg|task_memcg)=([^,\n]*)")
#: What journald and syslog put before the message, and what the kernel itself does: seconds since it started.
_HOST: Final = re.compile(r"(?P<stamp>.*?)\s(?P<host>\S+) kernel:")
_UPTIME: Final = re.compile(r"^\s*(?:<\d+>)?\[ *(\d{1,10}\.\d{1,9})\]\s*")
#: Lines in which the kernel tells both clocks: audit's, and when it set its own by that of the board.
_CLOCKS: Final = re.compile(r"\baudit\((\d{9,10}\.\d{3}):\d+\)|\bsetting system clock to [^(]{1,60}\((\d{9,10})\)")
_WHEN: Final = "say when the machine started, as uptime -s does: time='2026-11-24T08:00:00'."
_HELD: Final = ("anon_bytes", "file_bytes", "shmem_bytes", "file_mapped_bytes", "kernel_bytes", "sock_bytes")
#: Files in memory are told of a kill from this share of the limit on.
_WORTH_A_WORD: Final = 0.1
#: A clock that was told so long before is that of the kill.
_SOON_SECONDS: Final = 60
#: A reason is told by others a little later than the kernel did it.
_SAME_KILL: Final = dt.timedelta(minutes=5)
#: Of a pod's containers the kill is of the one with its limit, else of the one with its name, else of the only one.
_RANKS: Final = (pl.col("limit_bytes") == pl.col("limit_bytes_right"), pl.col("workload") == pl.col("container_right"))


def fields(text: str, wanted: Mapping[str, str]) -> dict[str, int]:
    found = {wanted[name]: int(number) for name, number in _FIELD.findall(text) if name in wanted}
    return {name: min(size << (0 if name == "threads" else 10), ABSURD_BYTES) for name, size in found.items()}


def memory_stat_signals(stat: Mapping[str, int]) -> dict[str, int]:
    """Turn the keys of `memory.stat` into signals; Docker's API answers with the same keys."""
    if "anon" in stat:
        signals = {signal: stat[key] for signal, key in _TOLD["v2"].items() if key in stat}
        parts = [stat[part] for part in (("kernel",) if "kernel" in stat else _KERNEL_PARTS) if part in stat]
        # The kernel counts what lies in socket buffers beside the rest that it holds.
        return signals | ({"kernel_bytes": sum(parts) + stat.get("sock", 0)} if parts else {})
    if "rss" not in stat and "total_rss" not in stat:
        return {}
    whole = "total_" if "total_rss" in stat else ""
    signals = {signal: stat[f"{whole}{key}"] for signal, key in _TOLD["v1"].items() if f"{whole}{key}" in stat}
    limit = stat.get("hierarchical_memory_limit", ABSURD_BYTES)
    return signals | ({"limit_bytes": limit} if limit < ABSURD_BYTES else {})


def pairs(text: str) -> dict[str, int]:
    return {key: min(int(number), ABSURD_BYTES) for key, number in _PAIR.findall(text)}


def parse_amount(text: str) -> int | None:
    return whole_number(text.strip(), ABSURD_BYTES)


def rose(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now > before


def add_working_set(signals: dict[str, int | float]) -> None:
    """Take from the usage what the kernel gives back first, as cAdvisor, the kubelet and Docker do."""
    if "usage_bytes" in signals and "inactive_file_bytes" in signals:
        signals["working_set_bytes"] = max(0, signals["usage_bytes"] - signals["inactive_file_bytes"])


def process_signals(status: Mapping[str, int], rollup: Mapping[str, int]) -> dict[str, int]:
    exact = {name: rollup[name] for name in ("rss_bytes", "anon_bytes", "swap_bytes") if name in rollup}
    signals = {**status, **exact}
    if "peak_bytes" in signals and "rss_bytes" in signals:
        # The counters behind the peak lag too.
        signals["peak_bytes"] = max(signals["peak_bytes"], signals["rss_bytes"])
    if {"rss_bytes", "anon_bytes"} <= exact.keys() and "shmem_bytes" in status:
        signals["file_bytes"] = max(0, exact["rss_bytes"] - exact["anon_bytes"] - status["shmem_bytes"])
    return signals


def cgroup_signals(files: Mapping[str, str]) -> dict[str, int | float]:
    signals: dict[str, int | float] = {}
    for name, signal in NUMBER_FILES.items():
        text = files.get(name, "").strip()
        if (amount := whole_number(text, ABSURD_BYTES)) is not None:
            signals[signal] = amount
        elif signal == "limit_bytes" and text:
            signals[signal] = 0
    stat = memory_stat_signals(pairs(files.get("memory.stat", "")))
    # The limit of a group above may be the smaller one.
    if (above := stat.pop("limit_bytes", None)) is not None:
        signals["limit_bytes"] = min(above, int(signals.get("limit_bytes", 0)) or above)
    signals |= {name: amount for name, amount in stat.items() if name not in signals}
    add_working_set(signals)
    stalls = _STALL.findall(files.get("memory.pressure", ""))
    signals |= {f"psi_{kind}_seconds": int(total) / 1e6 for kind, total in stalls}
    for name in ("memory.events", "memory.oom_control"):
        if (kills := pairs(files.get(name, "")).get("oom_kill")) is not None:
            signals["oom_kills"] = kills
    return signals


def cgroup_place(path: str, *, below: bool = False) -> dict[str, str | None]:
    """Tell from the path of a cgroup whose it is; one below a container's is its own, unless `below` says otherwise."""
    path = path.rstrip("/")
    pod, container = re.search(UID_IN_CGROUP, path), _CONTAINER_ID.match(path)
    short = container[1] if container and (below or not container[2]) else None
    if pod:
        return {"pod": None, "pod_uid": pod[1].replace("_", "-"), "container": short}
    if short:
        return {"pod": short, "pod_uid": short, "container": None}
    return {"pod": None, "pod_uid": None, "container": path.rpartition("/")[2] or None}


@dataclass(slots=True)
class Block:
    line: int  # where it begins
    subject: str  # process id or folder of the cgroup; empty where it is not said
    stamp: tuple[int, Stamp, str] | None  # with its line
    tick: int
    files: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return "\n".join(self.files.get(name, ()))


@dataclass(slots=True)
class Log:
    blocks: list[Block] = field(default_factory=list)  # in order
    other: int = 0
    mappings: bool = False
    #: What is read: of which file, in which snapshot, under which time stamp, of whom.
    file: str = ""
    tick: int = -1
    stamp: tuple[int, Stamp, str] | None = None
    seen: dict[str, set[str]] = field(default_factory=dict)
    subject: str = ""
    block: Block | None = None

    def take(self, line: int, text: str) -> None:
        if not text:
            return
        if section := _SECTION.fullmatch(text):
            self._open(section["path"])
            return
        if prefix := _PREFIX.fullmatch(text):
            self._open(prefix["path"])
            text = prefix["rest"].strip()
        if self._known(line, text):
            return
        # A bare number may be the time or an amount: only the first in a snapshot can be the time.
        begun = self.block is not None and not self.block.files and self.block.stamp is not None
        found = None if begun and text.isdigit() else _timestamps.find(text)
        if found is None:
            self.other += 1
            return
        rest = found[1].strip()
        # A weekday may be left of a stamp that stands alone.
        own = not any(letter.isdigit() for letter in rest)
        last = None if self.stamp is None else self.stamp[1]
        if own or last is None:
            self.tick += 1
            self.stamp, self.seen = (line, found[0], text), {}
            self.block = self._add(line)
        elif last.milliseconds // 1000 != found[0].milliseconds // 1000:
            # The lines of one snapshot may be stamped apart: what comes again tells a new one.
            self.stamp, self.block = (line, found[0], text), None
        if not own and not self._known(line, rest):
            self.other += 1

    def _open(self, path: str) -> None:
        folder, _, self.file = path.rpartition("/")
        process = _PROCESS_PATH.search(path)
        subject = process[1] if process else folder
        if subject != self.subject:
            self.subject, self.block = subject, None

    def _add(self, line: int) -> Block:
        block = Block(line, self.subject, self.stamp, max(0, self.tick))
        self.blocks.append(block)
        return block

    def _known(self, line: int, text: str) -> bool:
        name, key = self._of(text)
        if not name:
            return bool(key)
        if key == "Name" and self.block is not None and name in self.block.files:
            # Another process, or the same one again: its id comes a few lines later.
            self.block, self.subject = None, ""
        elif key == "Pid":
            self.subject = text.rsplit(maxsplit=1)[-1]
            again = self._again("status/Pid")
            if self.block is not None:
                self.block.subject = self.subject
                self.block.tick = self.tick if again else self.block.tick
        elif key != "Name" and self._again(f"{name}/{key}"):
            self.block = None
        if self.block is None or self.block.subject != self.subject:
            self.block = self._add(line)
        self.block.files.setdefault(name, []).append(text)
        return True

    def _again(self, what: str) -> bool:
        if what not in (seen := self.seen.setdefault(self.subject, set())):
            seen.add(what)
            return False
        self.tick = max(0, self.tick) + 1
        self.seen = {self.subject: {what}}
        return True

    def _of(self, text: str) -> tuple[str, str]:
        """Tell of which file a line is, and what in it; no file for what is known to be of no use."""
        if (found := _BLOCK_FIELD.fullmatch(text)) and found[1] in _ROLLUP_FIELDS | _STATUS_FIELDS:
            return ("smaps_rollup" if found[1] in _ROLLUP_FIELDS else "status"), found[1]
        if _MAPPING.fullmatch(text):
            self.mappings |= not text.endswith("[rollup]")
            return "smaps_rollup", "rollup"
        if pair := _PAIR_LINE.fullmatch(text):
            name = "memory.events" if pair[1] in _EVENTS else "memory.stat"
            return (self.file if self.file in CGROUP_FILES else name), pair[1]
        if _STALL_LINE.fullmatch(text):
            # The files for processor and disk look the same.
            return ("memory.pressure", text[:4]) if self.file == "memory.pressure" else ("", "stall")
        if _NUMBER.fullmatch(text) and self.file in NUMBER_FILES:
            return self.file, "number"
        return "", "field" if _OTHER_FIELDS.fullmatch(text) else ""


def read_blocks(text: str, file_name: str) -> Log:
    log = Log(file=file_name if file_name in CGROUP_FILES | PROCESS_FILES else "")
    for line, content in enumerate(text.split("\n"), start=1):
        log.take(line, content.strip())
    # A stamp without anything after it leaves an empty block.
    log.blocks = [block for block in log.blocks if block.files]
    return log


@dataclass(slots=True)
class _Found:
    told: dict[tuple[str, str], list[tuple[int, Block]]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    axes: list[str] = field(default_factory=list)  # where the times come from
    notes: list[str] = field(default_factory=list)


def read_procfs(
    path: PathLike | Iterable[PathLike],
    *,
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
) -> Recording:
    r"""Read what Linux says of processes and cgroups.

    Parameters
    ----------
    path
        A file or several: copies of `/proc/PID/smaps_rollup`, `/proc/PID/status`, `memory.stat` (version 1 or 2) and
        their like under their own names, those in one folder of one container; or logs of a loop that printed them
        (with `cat`, `head -v`, `tail -n +1` or ``grep .``), also packed.
    time, interval, timezone
        As for `rmtoolkit.read_jemalloc_stats`, of snapshots instead of documents. Without `time`, a copy was made when
        the file was last written.

    Returns
    -------
    Recording
        Of processes what they hold; of cgroups what `memory.stat` has, too, the limit, and an `oom_kill` event where
        the kernel counted one between two snapshots.

    Raises
    ------
    ReadError
        There is nothing of memory in it, or the times are not known.

    Examples
    --------
    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp(), "api.log")
    >>> _ = log.write_text("2026-11-25T03:44:31Z\nName:\tapi\nPid:\t7\nVmRSS:\t  2048 kB\n")
    >>> recording = read_procfs(log)
    >>> recording.containers["container"].item(), recording.samples["rss_bytes"].item()
    ('api', 2097152)
    """
    paths = [Path(path)] if isinstance(path, str | os.PathLike) else [Path(file) for file in path]
    found = _Found()
    failed = read_each(
        paths, lambda file: _read(Path(file), Asked(file, time, interval, timezone), found), expected=_EXPECTED
    )
    containers: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    events: list[tuple[int, *tuple[Any, ...]]] = []
    for key, ((home, _), told) in enumerate(found.told.items()):
        told.sort(key=lambda pair: pair[0])
        limit = kills = None
        for at, block in told:
            status, rollup = block.text("status"), block.text("smaps_rollup")
            process = process_signals(fields(status, STATUS), fields(rollup, ROLLUP))
            signals: dict[str, Any] = cgroup_signals({name: block.text(name) for name in block.files})
            now, counted_now = signals.pop("limit_bytes", None), signals.pop("oom_kills", None)
            if now is not None and limit is not None and now != limit:
                events.append((key, *Event(at, "limit", now or None)))
            limit = limit if now is None else now
            if rose(kills, counted_now):
                events.append((key, *Event(at, "oom_kill", limit or None)))
            kills = kills if counted_now is None else counted_now
            # The process's own figures where the cgroup has the same name for its own.
            if values := {**process, **signals}:
                samples.append({"container_id": key, "time": at, **values})
        known = {"limit_known": limit is not None, "limit_bytes": limit or None, "source": "proc"}
        containers.append({"container_id": key, **_about(home, [block for _, block in told]), **known})
    if not samples:
        raise ReadError.at(paths[0], found="no amount of memory", expected=_EXPECTED)
    report = Report(
        sources=tuple(map(str, paths)),
        found=("limits",) if any(entry["limit_known"] for entry in containers) else (),
        left_out=+found.left_out,
        time_axis="; ".join(dict.fromkeys(found.axes)),
    )
    recording = normalise(containers, samples, events, noted(report.without(failed), paths, found.notes))
    if other := found.left_out[_OTHER]:
        warn(f"{paths[0].name!r}: left out {counted(other, _OTHER)}.")
    return recording


def _read(file: Path, asked: Asked, found: _Found) -> None:
    """Read a file, and put together what speaks of one container; copies of one folder were made at one instant."""
    text, notes = read_text(file, expected=_EXPECTED)
    log = read_blocks(text, file.name)
    if log.mappings:
        hint = "Read smaps_rollup, which is their sum."
        raise ReadError.at(file, found="smaps, one mapping after another", expected=_EXPECTED, hint=hint)
    if not log.blocks:
        raise ReadError.at(file, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    times, axis = _times(log, asked)
    found.left_out[_OTHER] += log.other
    found.axes.append(axis)
    found.notes += notes
    copied = file.name in CGROUP_FILES | PROCESS_FILES
    home = str(file.parent if copied else file)
    # One process and one cgroup in a log are a container seen from inside.
    subjects = {block.subject for block in log.blocks} - {""}
    processes = {name for name in subjects if name.isdigit() or name == "self"}
    alone = len(processes) <= 1 and len(subjects - processes) <= 1
    for time, block in zip(times, log.blocks, strict=True):
        told = found.told.setdefault((home, "" if copied or alone else block.subject), [])
        if copied and told and len(log.blocks) == 1:
            told[0][1].files.update(block.files)
            told[0] = (max(time, told[0][0]), told[0][1])
        elif alone and told and told[-1][0] == time and told[-1][1].tick == block.tick:
            told[-1][1].files.update(block.files)
        else:
            told.append((time, block))


def _times(log: Log, asked: Asked) -> tuple[list[int], str]:
    stamps = [block.stamp for block in log.blocks if block.stamp is not None]
    ticks = log.blocks[-1].tick + 1
    if stamps:
        each = len(stamps) == len(log.blocks) and (len(set(stamps)) > 1 or ticks == 1)
        known = [stamp for _, stamp, _ in (stamps if each else stamps[:1])]
        instants, axis = _timestamps.instants(known, (log.blocks[0].line, stamps[0][2]), asked)
        if each:
            return instants, axis
        asked = asked._replace(time=_timestamps.as_datetime(instants[0]))
    instants, axis = _timestamps.spaced(ticks, asked, found="snapshots")
    return [instants[block.tick] for block in log.blocks], axis


def _about(home: str, blocks: Sequence[Block]) -> dict[str, Any]:
    names = (_NAME.search(block.text("status")) for block in blocks)
    name = next((word for found in names if found and (word := found[1].strip())), None)
    folder = next((block.subject for block in blocks if "/" in block.subject), "")
    place: dict[str, str | None] = cgroup_place(folder) if folder else {}
    where = Path(home)
    name = name or place.get("container") or (where.name if where.is_dir() else where.name.partition(".")[0])
    pids = {block.subject for block in blocks if block.subject.isdigit()}
    return {
        "workload": name,
        "workload_inferred": True,
        "pod": place.get("pod") or (f"{name}-{pids.pop()}" if len(pids) == 1 else name),
        "pod_uid": place.get("pod_uid"),
        "container": place.get("container") or name,
    }


@dataclass(slots=True)
class _Kill:
    """One call of the OOM killer; with `memory.oom.group` it ends several processes."""

    line: int = 0
    text: str = ""
    time: int | None = None  # in milliseconds; None where nothing says when it was
    #: Seconds since 1970 and since the machine started, in the last line that told both.
    clocks: tuple[float, float] | None = None
    host: str | None = None
    constraint: str | None = None
    limit_bytes: int | None = None
    usage_bytes: int | None = None
    oom_memcg: str | None = None
    task_memcg: str | None = None
    tasks: list[str] = field(default_factory=list)
    resident: dict[str, int] = field(default_factory=dict)
    #: Of the cgroup at its limit: lines of its memory.stat.
    stat: dict[str, int] = field(default_factory=dict)

    def hear(self, said: re.Match[str]) -> None:
        if said["limit"]:
            self.usage_bytes, limit = int(said["usage"]) << 10, int(said["limit"]) << 10
            self.limit_bytes = limit if limit < ABSURD_BYTES else None
        elif said["constraint"]:
            places = dict(_PLACE.findall(said["where"]))
            self.constraint = said["constraint"]
            self.oom_memcg, self.task_memcg = places.get("oom_memcg"), places.get("task_memcg")
        elif said["task_memcg"]:
            self.constraint, self.task_memcg, self.oom_memcg = _OF_CGROUP, said["task_memcg"], said["oom_memcg"]
        elif self.constraint is None and (of := said["of"] or said["of_cgroup"]):
            self.constraint = _OF_CGROUP if of.startswith("Memory cgroup") else "CONSTRAINT_NONE"

    def add(self, said: re.Match[str], line: int, before: str) -> None:
        if not self.tasks:
            by = _HOST.match(before)
            self.line, self.text, self.host = line, (by["stamp"] if by else before)[:200], by["host"] if by else None
        self.tasks.append(f"{said['task']} (pid {said['pid']})")
        for name, key in (("anonymous", "anon"), ("file", "file"), ("shared", "shmem")):
            self.resident[name] = self.resident.get(name, 0) + (int(said[key] or 0) << 10)

    @property
    def kind(self) -> str | None:
        """Tell the container's own limit from that of all containers, or of the machine; None where nobody says."""
        if self.constraint != _OF_CGROUP:
            return "node_oom" if self.constraint else None
        own = self.oom_memcg == self.task_memcg or cgroup_place(self.oom_memcg or "", below=True)["pod_uid"] is not None
        return "oom_kill" if own else "node_oom"

    def row(self) -> dict[str, Any]:
        """Tell whose it was, what was resident, files of others too, and what the cgroup held at its own limit."""
        place = cgroup_place(self.task_memcg or "", below=True)
        unit = place["container"] if place["pod_uid"] is None else None
        is_own = self.kind == "oom_kill"
        return {
            "node": self.host,
            "pod_uid": place["pod_uid"],
            "workload": unit or self.tasks[0].rpartition(" (pid ")[0],
            "workload_inferred": True,
            "limit_bytes": self.limit_bytes if is_own else None,
            "source": SOURCE,
            "rss_bytes": sum(self.resident.values()),
            "usage_bytes": self.usage_bytes if is_own else None,
            **(self.held if is_own else {}),
        }

    @property
    def held(self) -> dict[str, int]:
        """What the cgroup held: also files in memory that no process maps, those of containers that ended too."""
        found = memory_stat_signals(self.stat)
        return {name: found[name] for name in _HELD if name in found}

    def event(self, time: int) -> Event:
        what = ", ".join(f"{memory(size)} {name}" for name, size in self.resident.items() if size)
        more = and_more(len(self.tasks), 1)
        is_own = self.kind == "oom_kill"
        at = "" if is_own or self.oom_memcg is None else f", at the limit of {self.oom_memcg}"
        files = self.held.get("shmem_bytes", 0) - self.resident.get("shared", 0)
        if is_own and self.limit_bytes and files >= _WORTH_A_WORD * self.limit_bytes:
            at = f"; {memory(files)} of files in memory (tmpfs) that it does not map"
        detail = f"{self.tasks[0]}{more}: {what} resident{at}"
        return Event(time, str(self.kind), self.limit_bytes if is_own else None, detail[:200])


def read_kernel(
    path: str | os.PathLike[str], *, time: str | dt.datetime | None = None, timezone: str | dt.tzinfo | None = None
) -> Recording:
    # A kill at the container's own limit is an `oom_kill`; one at the limit of several or of the machine is a
    # `node_oom`. Where times are seconds since a start, a line that has both clocks says when that was, else `time`.
    asked = Asked(path, time, None, timezone)
    text, notes = read_text(path, expected=_KILLS)
    found = list(_kills(text))
    kills = [kill for kill in found if kill.kind is not None]
    left_out = Counter({_NOT_SAID: len(found) - len(kills)})
    if not kills:
        raise ReadError.at(path, found=counted(len(found), _NOT_SAID), expected=_KILLS)
    axis = _place(kills, asked)
    timed = list(enumerate((kill, kill.time) for kill in kills if kill.time is not None))
    left_out[_TIMELESS] = len(kills) - len(timed)
    rows = pl.DataFrame(
        [{"container_id": number, "time": time, **kill.row()} for number, (kill, time) in timed],
        schema_overrides={**CONTAINERS, **SAMPLES, "time": pl.Int64()},
    )
    events = [(number, *kill.event(time)) for number, (kill, time) in timed]
    if left_out := +left_out:
        warn(f"{quote_path(path)}: left out {', '.join(counted(lost, why) for why, lost in left_out.items())}.")
    report = Report((str(path),), found=("OOM kills of the kernel",), left_out=left_out, time_axis=axis)
    return normalise(rows, rows, events, noted(report, [path], notes))


def _kills(text: str) -> Iterator[_Kill]:
    kill, both, listing = _Kill(), None, False
    for number, line in enumerate(_plain(text), 1):
        if (clocks := _CLOCKS.search(line)) and (uptime := _UPTIME.match(line)):
            both = float(clocks[1] or clocks[2]), float(uptime[1])
        if (said := _LINE.search(line)) is None:
            if _STATS in line:
                told = {name: int(size) << 10 for name, size in _OLD_STAT.findall(line.partition(_STATS)[2])}
                kill.stat, listing = told, True
            elif listing and (stat := _STAT.search(line)):
                kill.stat.setdefault(stat[1], int(stat[2]))
            continue
        listing = False
        if said["task"] is None and (kill.tasks or said["begins"] is not None):
            if kill.tasks:
                yield kill
            kill = _Kill()
        kill.hear(said)
        if said["task"] is not None:
            kill.add(said, number, line[: said.start()])
            kill.clocks = both
    if kill.tasks:
        yield kill


def _plain(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if line.startswith("{"):
            try:
                entry = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError):
                continue
            if isinstance(entry, dict) and str(stamp := entry.get("__REALTIME_TIMESTAMP")).isdigit():
                yield f"{stamp} {entry.get('_HOSTNAME') or '-'} kernel: {entry.get('MESSAGE')}"
        else:
            yield line


def _place(kills: list[_Kill], asked: Asked) -> str:
    stamps = [_timestamps.find(_UPTIME.sub("", kill.text).strip(" [](){}")) for kill in kills]
    dated = [(kill, stamp[0]) for kill, stamp in zip(kills, stamps, strict=True) if stamp is not None]
    axes: list[str] = []
    if dated:
        first = dated[0][0]
        instants, axis = _timestamps.instants([stamp for _, stamp in dated], (first.line, first.text), asked)
        for (kill, _), instant in zip(dated, instants, strict=True):
            kill.time = instant
        axes.append(axis)
    start = asked.start()
    old = 0.0
    for kill in kills:
        uptime = _UPTIME.match(kill.text)
        clocks = kill.clocks if start is None else (start.timestamp(), 0.0)
        if kill.time is None and uptime is not None and clocks is not None:
            at, then = float(uptime[1]), clocks[0] - clocks[1]
            kill.time = round((then + at) * 1000)
            old = max(old, at - clocks[1]) if start is None else 0.0
            says = "as asked" if start is not None else "as the kernel says"
            began = _timestamps.as_datetime(round(then * 1000))
            axes.append(f"seconds since the machine started, {began:%Y-%m-%d %H:%M:%S} UTC {says}")
    if old > _SOON_SECONDS:
        said = texts("loaders/hints")["kernel"]["old_clock"].format(hours=hours(old / 3600), when=_WHEN)
        warn(f"{quote_path(asked.path)}: {said}")
    if not axes:
        hint = f"Print it with dmesg --time-format iso, or journalctl -k -o short-iso; or {_WHEN}"
        found = kills[0].text.strip() or "a line without a time"
        raise ReadError.at(asked.path, found=found, expected="the time of day", line=kills[0].line, hint=hint)
    return "; ".join(dict.fromkeys(axes))


def with_kills(recording: Recording) -> Recording:
    """Give kills to the containers of other sources that they name by the pod's uid or the container's id."""
    about = recording.containers
    ours, others = about.filter(source=SOURCE), about.filter(pl.col("source") != SOURCE)
    same = ours.join(others, on="pod_uid", maintain_order="left_right")
    for is_it in _RANKS:
        found = is_it.fill_null(value=False)
        same = same.filter(found | ~found.any().over("container_id"))
    place = same.filter(pl.len().over("container_id") == 1).select("container_id", to="container_id_right")
    # One of the containers of a pod that is known.
    pods = same.join(place, on="container_id", how="anti").unique("container_id", keep="first", maintain_order=True)
    names = ("cluster", "namespace", "pod", "workload", "workload_kind")
    pods = pods.select("container_id", pl.lit(value=True).alias("known"), *(f"{name}_right" for name in names))
    about = about.join(pods, on="container_id", how="left", maintain_order="left").with_columns(
        pl.when("known").then(f"{name}_right").otherwise(name).alias(name) for name in names
    )
    events = recording.events.join(place, on="container_id", how="left", maintain_order="left").with_columns(
        is_ours=pl.col("container_id").is_in(ours["container_id"].implode()),
        container_id=pl.coalesce("to", "container_id"),
    )
    is_kill = pl.col("is_ours") | pl.col("kind").is_in(["oom_kill", "node_oom"])
    by_container = events.filter(is_kill).sort("time", maintain_order=True).partition_by("container_id")
    kills = [kill for some in by_container for kill in _told_once(some.to_dicts())]
    return normalise(
        about.join(place, on="container_id", how="anti").select(*CONTAINERS),
        recording.samples.join(place, on="container_id", how="anti"),
        pl.concat([events.filter(~is_kill).select(*EVENTS), pl.DataFrame(kills, schema=EVENTS)]),
        recording.report,
    )


def _told_once(kills: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put what the kernel says beside the same kill as others told it; leave out other copies of its lines."""
    told = [kill for kill in kills if not kill["is_ours"]]
    times = [kill["time"] for kill in told]
    for kill in (kill for kill in kills if kill["is_ours"]):
        near = slice(bisect_left(times, kill["time"] - _SAME_KILL), bisect_right(times, kill["time"] + _SAME_KILL))
        # What kube-state-metrics told of it, or another copy of the same lines.
        known = next((one for one in told[near] if not one["is_ours"] or one["detail"] == kill["detail"]), None)
        if known is not None:
            known |= {"detail": kill["detail"], "is_ours": True}
            continue
        at = bisect_right(times, kill["time"])
        told.insert(at, kill)
        times.insert(at, kill["time"])
    return told
