"""What the kernel says of a process or a cgroup: `/proc/PID` and the files of the memory controller."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from rmtoolkit._workloads import Event
from rmtoolkit.exceptions import ReadError, warn
from rmtoolkit.loaders import _timestamps
from rmtoolkit.loaders._files import PathLike, counted, read_each, read_text, whole_number
from rmtoolkit.loaders._timestamps import Asked
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import ABSURD_BYTES, CONTAINERS, EVENTS, SAMPLES, Report

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from rmtoolkit.loaders._timestamps import Stamp


_KIB: Final = 1024
_FIELD: Final = re.compile(r"^[ \t]*+(\w++):[ \t]++(\d{1,20})(?:[ \t]++kB)?[ \t]*+$", re.MULTILINE)
_NAME: Final = re.compile(r"^Name:[ \t]++(.*)", re.MULTILINE)
_PAIR: Final = re.compile(r"^[ \t]*+(\w++)[ \t]++(\d{1,20})[ \t]*+$", re.MULTILINE)
_STALL: Final = re.compile(r"^[ \t]*+(some|full)[ \t].*?\btotal=(\d{1,20})\b", re.MULTILINE)

#: Keys of `memory.stat` by version: hierarchical ones where version 1 has both.
_V1: Final = {
    "anon_bytes": "rss",
    "file_bytes": "cache",
    "inactive_file_bytes": "inactive_file",
    "shmem_bytes": "shmem",
    "swap_bytes": "swap",
    "file_mapped_bytes": "mapped_file",
    "refaults_total": "workingset_refault_file",
}
_V2: Final = {
    "anon_bytes": "anon",
    "file_bytes": "file",
    "inactive_file_bytes": "inactive_file",
    "shmem_bytes": "shmem",
    "file_mapped_bytes": "file_mapped",
    "sock_bytes": "sock",
    "kernel_bytes": "kernel",
    "refaults_total": "workingset_refault_file",
}
#: What `kernel` adds up where the kernel (before Linux 5.18) does not.
_KERNEL_PARTS: Final = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "slab", "vmalloc")

#: Files that hold one number, by the signal they give.
NUMBER_FILES: Final = {
    "memory.current": "usage_bytes",
    "memory.usage_in_bytes": "usage_bytes",
    "memory.peak": "peak_bytes",
    "memory.max_usage_in_bytes": "peak_bytes",
    "memory.swap.current": "swap_bytes",
    "memory.kmem.usage_in_bytes": "kernel_bytes",
    "memory.max": "limit_bytes",
    "memory.limit_in_bytes": "limit_bytes",
}


#: Fields of `/proc/PID/smaps_rollup` and `/proc/PID/status`, in KiB, by what is made of them.
ROLLUP: Final = {
    "Rss": "rss_bytes",
    "Anonymous": "anon_bytes",
    "Swap": "swap_bytes",
    "Pss": "pss_bytes",
    "Pss_Anon": "pss_anon_bytes",
    "Pss_File": "pss_file_bytes",
    "Pss_Shmem": "pss_shmem_bytes",
    "SwapPss": "pss_swap_bytes",
}
STATUS: Final = {
    "VmRSS": "rss_bytes",
    "RssAnon": "anon_bytes",
    "RssFile": "file_bytes",
    "RssShmem": "shmem_bytes",
    "VmSwap": "swap_bytes",
    "VmHWM": "peak_bytes",
    "Threads": "threads",
}


def fields(text: str, wanted: Mapping[str, str]) -> dict[str, int]:
    """Read lines such as ``VmRSS:  2048 kB``."""
    found = {
        wanted[name]: min(int(number), ABSURD_BYTES >> 10) for name, number in _FIELD.findall(text) if name in wanted
    }
    return {signal: number * (1 if signal == "threads" else _KIB) for signal, number in found.items()}


def memory_stat_signals(stat: Mapping[str, int]) -> dict[str, int]:
    """Turn the keys of `memory.stat` into signals; Docker's API answers with the same keys."""
    if "anon" in stat:
        signals = {signal: stat[key] for signal, key in _V2.items() if key in stat}
        parts = [stat[part] for part in (("kernel",) if "kernel" in stat else _KERNEL_PARTS) if part in stat]
        # The kernel counts what lies in socket buffers beside the rest that it holds.
        return signals | ({"kernel_bytes": sum(parts) + stat.get("sock", 0)} if parts else {})
    if "rss" not in stat and "total_rss" not in stat:
        return {}
    whole = "total_" if "total_rss" in stat else ""
    signals = {signal: stat[f"{whole}{key}"] for signal, key in _V1.items() if f"{whole}{key}" in stat}
    limit = stat.get("hierarchical_memory_limit", ABSURD_BYTES)
    return signals | ({"limit_bytes": limit} if limit < ABSURD_BYTES else {})


def pairs(text: str) -> dict[str, int]:
    """Read lines such as ``anon 8192``."""
    return {key: min(int(number), ABSURD_BYTES) for key, number in _PAIR.findall(text)}


def parse_amount(text: str) -> int | None:
    """Read a file that holds one amount, such as `memory.max`."""
    return whole_number(text.strip(), ABSURD_BYTES)


def add_working_set(signals: dict[str, int | float]) -> None:
    """Take from the usage what the kernel gives back first, as cAdvisor, the kubelet and Docker do."""
    if "usage_bytes" in signals and "inactive_file_bytes" in signals:
        signals["working_set_bytes"] = max(0, signals["usage_bytes"] - signals["inactive_file_bytes"])


def process_signals(status: Mapping[str, int], rollup: Mapping[str, int]) -> dict[str, int]:
    """Put together what `status` and `smaps_rollup` say of one process."""
    exact = {name: rollup[name] for name in ("rss_bytes", "anon_bytes", "swap_bytes") if name in rollup}
    signals = {**status, **exact}
    if "peak_bytes" in signals and "rss_bytes" in signals:
        # The counters behind the peak lag too.
        signals["peak_bytes"] = max(signals["peak_bytes"], signals["rss_bytes"])
    if {"rss_bytes", "anon_bytes"} <= exact.keys() and "shmem_bytes" in status:
        signals["file_bytes"] = max(0, exact["rss_bytes"] - exact["anon_bytes"] - status["shmem_bytes"])
    return signals


def cgroup_signals(files: Mapping[str, str]) -> dict[str, int | float]:
    """Turn the files of a cgroup into signals."""
    signals: dict[str, int | float] = {}
    for name, signal in NUMBER_FILES.items():
        text = files.get(name)
        amount = parse_amount(text) if text is not None else None
        if amount is not None:
            signals[signal] = amount
        elif signal == "limit_bytes" and text is not None and text.strip():
            signals[signal] = 0
    stat = memory_stat_signals(pairs(files.get("memory.stat", "")))
    # The limit of a group above may be the smaller one.
    above = stat.pop("limit_bytes", None)
    if above is not None:
        signals["limit_bytes"] = min(above, int(signals.get("limit_bytes", 0)) or above)
    signals |= {name: amount for name, amount in stat.items() if name not in signals}
    add_working_set(signals)
    stalls = _STALL.findall(files.get("memory.pressure", ""))
    signals |= {f"psi_{kind}_seconds": int(total) / 1e6 for kind, total in stalls}
    for name in ("memory.events", "memory.oom_control"):
        if (kills := pairs(files.get(name, "")).get("oom_kill")) is not None:
            signals["oom_kills"] = kills
    return signals


#: `/kubepods/burstable/pod<uid>/<id>`, `kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope`, `docker/<id>`.
_POD_UID: Final = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})")
_CONTAINER_ID: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])")


def cgroup_place(path: str) -> dict[str, str | None]:
    """Tell from the path of a cgroup whose it is."""
    path = path.rstrip("/")
    pod, container = _POD_UID.search(path), _CONTAINER_ID.search(path)
    short = container[1] if container else None
    if pod:
        return {"pod": None, "pod_uid": pod[1].replace("_", "-"), "container": short}
    if short:
        return {"pod": short, "pod_uid": short, "container": None}
    return {"pod": None, "pod_uid": None, "container": path.rpartition("/")[2] or None}


#: Files of a cgroup that give signals.
CGROUP_FILES: Final = frozenset(
    {*NUMBER_FILES, "memory.stat", "memory.pressure", "memory.events", "memory.oom_control"}
)
PROCESS_FILES: Final = frozenset({"smaps_rollup", "status"})

_SECTION: Final = re.compile(r"==> (?P<path>.+) <==")
#: What `grep . FILES` puts before each line.
_PREFIX: Final = re.compile(r"(?P<path>(?:[^\s:]*/)?(?:memory\.[a-z_.]++|smaps_rollup|status)):(?P<rest>.*)")
_PROCESS_PATH: Final = re.compile(r"/proc/(\d+|self)/(?:smaps_rollup|status)$")
_BLOCK_FIELD: Final = re.compile(r"(\w++):\s++(\S.*)")
_ROLLUP_FIELDS: Final = frozenset({*ROLLUP, "Pss_Dirty", "LazyFree"})
_STATUS_FIELDS: Final = frozenset({*STATUS, "Name", "Pid", "VmPeak", "VmSize"})
_OTHER_FIELDS: Final = re.compile(r"\w++:(?:\s.*)?")
_PAIR_PROCFS_BLOCKS: Final = re.compile(r"([a-z]\w*) (\d+)")
_EVENTS: Final = frozenset(["low", "high", "max", "oom", "oom_kill", "oom_group_kill", "oom_kill_disable", "under_oom"])
_STALL_PROCFS_BLOCKS: Final = re.compile(r"(?:some|full) avg10=\S++ .*total=\d+")
_MAPPING: Final = re.compile(r"[0-9a-f]{6,16}-[0-9a-f]{6,16} [rwxps-]{4} .*")
_NUMBER: Final = re.compile(r"\d+|max")


@dataclass(slots=True)
class Block:
    """What was said of one process or cgroup at one instant."""

    line: int  # where it begins
    subject: str  # process id or folder of the cgroup; empty where it is not said
    stamp: int | None  # index of its time stamp; None without
    tick: int
    files: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Give the content of a file; empty where it was not there."""
        return "\n".join(self.files.get(name, ()))


@dataclass(slots=True)
class Log:
    """What stands in one file."""

    blocks: list[Block] = field(default_factory=list)  # in order
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)
    other: int = 0
    mappings: bool = False


def read_blocks(text: str, file_name: str = "") -> Log:
    """Cut a file into blocks."""
    log = Log()
    reader = _Reader(log, file_name if file_name in CGROUP_FILES | PROCESS_FILES else "")
    for line, content in enumerate(text.split("\n"), start=1):
        reader.take(line, content.strip())
    # A stamp without anything after it leaves an empty block.
    log.blocks = [block for block in log.blocks if block.files]
    return log


class _Reader:
    """Goes through the lines and remembers which file they are of."""

    def __init__(self, log: Log, file_name: str) -> None:
        self._log = log
        self._file = file_name
        self._tick = -1
        self._stamp: int | None = None
        self._seen: dict[str, set[str]] = {}
        self._subject = ""
        self._block: Block | None = None

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
        if text.isdigit() and self._block is not None and not self._block.files and self._block.stamp is not None:
            self._log.other += 1
            return
        found = _timestamps.find(text)
        if found is None:
            self._log.other += 1
            return
        rest = found[1].strip()
        # A weekday may be left of a stamp that stands alone.
        own = not any(letter.isdigit() for letter in rest)
        self._mark(line, found[0], text, own=own)
        if not own and not self._known(line, rest):
            self._log.other += 1

    def _open(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        self._file = name
        process = _PROCESS_PATH.search(path)
        subject = process[1] if process else folder
        if subject != self._subject:
            self._subject, self._block = subject, None

    def _mark(self, line: int, stamp: Stamp, text: str, *, own: bool) -> None:
        last = self._log.stamps[self._stamp][0] if self._stamp is not None else None
        self._log.stamps.append((stamp, text))
        if own or last is None:
            self._stamp = len(self._log.stamps) - 1
            self._tick += 1
            self._seen = {}
            self._block = self._add(line)
        elif last.milliseconds // 1000 != stamp.milliseconds // 1000:
            # The lines of one snapshot may be stamped apart: what comes again tells a new one.
            self._stamp = len(self._log.stamps) - 1
            self._block = None

    def _add(self, line: int) -> Block:
        block = Block(line, self._subject, self._stamp, max(0, self._tick))
        self._log.blocks.append(block)
        return block

    def _known(self, line: int, text: str) -> bool:
        """Take a line that says something; false when it says nothing that is known."""
        name, key = self._of(text)
        if not name:
            return bool(key)
        if key == "Name" and self._block is not None and name in self._block.files:
            # Another process, or the same one again: its id comes a few lines later.
            self._block, self._subject = None, ""
        elif key == "Pid":
            self._identify(text.rsplit(maxsplit=1)[-1])
        elif key != "Name" and self._again(f"{name}/{key}"):
            self._block = None
        if self._block is None or self._block.subject != self._subject:
            self._block = self._add(line)
        self._block.files.setdefault(name, []).append(text)
        return True

    def _again(self, what: str) -> bool:
        """Notice what comes a second time in a snapshot: then it is the next one."""
        seen = self._seen.setdefault(self._subject, set())
        if what not in seen:
            seen.add(what)
            return False
        self._tick = max(0, self._tick) + 1
        self._seen = {self._subject: {what}}
        return True

    def _identify(self, pid: str) -> None:
        self._subject = pid
        again = self._again("status/Pid")
        if self._block is not None:
            self._block.subject = pid
            if again:
                self._block.tick = self._tick

    def _of(self, text: str) -> tuple[str, str]:
        """Tell of which file a line is, and what in it; no file for what is known to be of no use."""
        found = _BLOCK_FIELD.fullmatch(text)
        if found and found[1] in _ROLLUP_FIELDS | _STATUS_FIELDS:
            return ("smaps_rollup" if found[1] in _ROLLUP_FIELDS else "status"), found[1]
        if _MAPPING.fullmatch(text):
            self._log.mappings |= not text.endswith("[rollup]")
            return "smaps_rollup", "rollup"
        pair = _PAIR_PROCFS_BLOCKS.fullmatch(text)
        if pair:
            name = self._file if self._file in CGROUP_FILES else ""
            name = name or ("memory.events" if pair[1] in _EVENTS else "memory.stat")
            return name, pair[1]
        if _STALL_PROCFS_BLOCKS.fullmatch(text):
            # The files for processor and disk look the same.
            return ("memory.pressure", text[:4]) if self._file == "memory.pressure" else ("", "stall")
        if _NUMBER.fullmatch(text) and self._file in NUMBER_FILES:
            return self._file, "number"
        return "", "field" if _OTHER_FIELDS.fullmatch(text) else ""


_EXPECTED: Final = "smaps_rollup or status of a process, or memory.stat and other files of a cgroup"


class _Source(NamedTuple):
    """One file with its blocks and their times, and where these come from."""

    path: Path
    log: Log
    times: list[int]
    axis: str
    notes: tuple[str, ...]


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
        A file or several: copies of `/proc/PID/smaps_rollup`, `/proc/PID/status`, `memory.stat` (version 1 or 2),
        `memory.current`, `memory.max`, `memory.peak`, `memory.events`, `memory.pressure` and their like under their
        own names; or logs of a loop that printed them (with `cat`, `head -v`, `tail -n +1` or ``grep .``), with or
        without time stamps, also packed. Copies in one folder belong to one container.
    time
        When a copy was made, or the first snapshot of a log without time stamps. Without it, when the file was last
        written.
    interval
        Time between two snapshots of a log without time stamps.
    timezone
        Zone of time stamps that do not say theirs.

    Returns
    -------
    Recording
        Of processes `rss_bytes`, `anon_bytes`, `file_bytes` (mapped files), `shmem_bytes`, `swap_bytes`, `threads`;
        of cgroups `usage_bytes`, `working_set_bytes` and what `memory.stat` has, `peak_bytes`, pressure, the limit,
        and an `oom_kill` event where the kernel counted one between two snapshots.

    Raises
    ------
    ReadError
        There is nothing of memory in it, or the times are not known.
    OSError
        There is no such file.

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
    sources: list[_Source] = []
    failed = read_each(
        paths,
        lambda file: sources.append(_read(Path(file), Asked.of(file, time, interval, timezone))),
        expected=_EXPECTED,
    )
    containers, samples, events = _tell(sources)
    other = sum(source.log.other for source in sources)
    report = Report(
        sources=tuple(str(file) for file in paths),
        found=("limits",) if any(entry["limit_known"] for entry in containers) else (),
        left_out=+Counter({"lines that do not say what they are": other, "files that could not be read": failed}),
        warnings=tuple(dict.fromkeys(note for source in sources for note in source.notes)),
        time_axis="; ".join(dict.fromkeys(source.axis for source in sources)),
    )
    if not samples:
        raise ReadError.at(paths[0], found="no amount of memory", expected=_EXPECTED)
    recording = normalise(
        pl.DataFrame(containers, schema=CONTAINERS),
        pl.DataFrame(samples, schema=SAMPLES),
        pl.DataFrame(events, schema=EVENTS, orient="row"),
        report,
    )
    if other:
        warn(f"{paths[0].name!r}: left out {counted(other, 'lines that do not say what they are')}.")
    return recording


def _read(file: Path, asked: Asked) -> _Source:
    text, notes = read_text(file, expected=_EXPECTED)
    log = read_blocks(text, file.name)
    if log.mappings:
        hint = "Read smaps_rollup, which is their sum."
        raise ReadError.at(file, found="smaps, one mapping after another", expected=_EXPECTED, hint=hint)
    if not log.blocks:
        raise ReadError.at(file, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    return _Source(file, log, *_times(log, asked), notes)


def _times(log: Log, asked: Asked) -> tuple[list[int], str]:
    own = [block.stamp for block in log.blocks if block.stamp is not None]
    ticks = log.blocks[-1].tick + 1
    if len(own) == len(log.blocks) and (len(set(own)) > 1 or ticks == 1):
        first = (log.blocks[0].line, log.stamps[own[0]][1])
        return _timestamps.instants([log.stamps[index][0] for index in own], first, asked)
    if own:
        (moment,), _ = _timestamps.instants([log.stamps[own[0]][0]], (log.blocks[0].line, log.stamps[own[0]][1]), asked)
        asked = asked._replace(time=_timestamps.as_datetime(moment))
    instants, axis = _timestamps.spaced(ticks, asked, found="snapshots")
    return [instants[block.tick] for block in log.blocks], axis


def _tell(
    sources: Sequence[_Source],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[int, *tuple[Any, ...]]]]:
    containers: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    events: list[tuple[int, *tuple[Any, ...]]] = []
    for key, ((home, _), told) in enumerate(_merged(sources).items()):
        told.sort(key=lambda pair: pair[0])
        about, limit, kills = _about(home, [block for _, block in told]), None, None
        for time, block in told:
            status, rollup = block.text("status"), block.text("smaps_rollup")
            process = process_signals(fields(status, STATUS), fields(rollup, ROLLUP))
            signals: dict[str, Any] = cgroup_signals({name: block.text(name) for name in block.files})
            now, counted_now = signals.pop("limit_bytes", None), signals.pop("oom_kills", None)
            if now is not None:
                if limit is not None and now != limit:
                    events.append((key, *Event(time, "limit", now or None)))
                limit = now
            if counted_now is not None:
                if kills is not None and counted_now > kills:
                    events.append((key, *Event(time, "oom_kill", limit or None)))
                kills = counted_now
            # The process's own figures where the cgroup has the same name for its own.
            if values := {**process, **signals}:
                samples.append({"container_id": key, "time": time, **values})
        known = {"limit_known": limit is not None, "limit_bytes": limit or None, "source": "proc"}
        containers.append({"container_id": key, **about, **known})
    return containers, samples, events


def _merged(sources: Sequence[_Source]) -> dict[tuple[str, str], list[tuple[int, Block]]]:
    """Put together what speaks of one container; copies of one folder were made at one instant."""
    found: dict[tuple[str, str], list[tuple[int, Block]]] = {}
    for source in sources:
        copied = source.path.name in CGROUP_FILES | PROCESS_FILES
        home = str(source.path.parent if copied else source.path)
        subjects = list(dict.fromkeys(block.subject for block in source.log.blocks))
        # One process and one cgroup in a log are a container seen from inside.
        processes = [name for name in subjects if name.isdigit() or name == "self"]
        alone = len(processes) <= 1 and len([name for name in subjects if name and name not in processes]) <= 1
        for time, block in zip(source.times, source.log.blocks, strict=True):
            subject = "" if copied or alone else block.subject
            told = found.setdefault((home, subject), [])
            if copied and told and len(source.log.blocks) == 1:
                told[0][1].files.update(block.files)
                told[0] = (max(time, told[0][0]), told[0][1])
            elif alone and told and told[-1][0] == time and told[-1][1].tick == block.tick:
                told[-1][1].files.update(block.files)
            else:
                told.append((time, block))
    return found


def _about(home: str, blocks: Sequence[Block]) -> dict[str, Any]:
    names = (_NAME.search(block.text("status")) for block in blocks)
    name = next((word for found in names if found and (word := found[1].strip())), None)
    folder = next((block.subject for block in blocks if "/" in block.subject), "")
    place: dict[str, str | None] = cgroup_place(folder) if folder else {}
    where = Path(home)
    name = name or place.get("container") or (where.name if where.is_dir() else where.name.partition(".")[0])
    pids = {block.subject for block in blocks if block.subject.isdigit()}
    pod = place.get("pod") or (f"{name}-{pids.pop()}" if len(pids) == 1 else name)
    return {
        "workload": name,
        "workload_inferred": True,
        "pod": pod,
        "pod_uid": place.get("pod_uid"),
        "container": place.get("container") or name,
    }
