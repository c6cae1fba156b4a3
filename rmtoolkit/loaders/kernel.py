"""What the kernel says of OOM kills, in dmesg or the journal: whose, at which limit, and what was resident."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import polars as pl

from rmtoolkit._workloads import Event
from rmtoolkit.exceptions import ReadError, quote_path, warn
from rmtoolkit.loaders import _timestamps
from rmtoolkit.loaders._files import counted, read_text
from rmtoolkit.loaders._timestamps import Asked
from rmtoolkit.loaders.linux import cgroup_place, memory_stat_signals
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import ABSURD_BYTES, CONTAINERS, EVENTS, SAMPLES, Report
from rmtoolkit.text import hours, memory

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


SOURCE: Final = "kernel"
_EXPECTED: Final = "lines of the kernel about OOM kills, as dmesg or journalctl print them"
_LINE: Final = re.compile(
    r"\binvoked oom-killer: (?P<begins>)"
    r"|\bmemory: usage (?P<usage>\d{1,17})kB, limit (?P<limit>\d{1,17})kB"
    r"|\boom-kill:constraint=(?P<constraint>\w+)(?P<where>[^\n]*)"
    r"|\bTask in (?P<task_memcg>\S+) killed as a result of limit of (?P<oom_memcg>\S+)"
    r"|\b(?P<of_cgroup>Memory cgroup out of memory|Out of memory(?: \(oom_kill_allocating_task\))?): Kill process"
    r"|(?P<of>(?:Memory cgroup o|O)ut of memory[^:\n]{0,80}: )?\bKilled process (?P<pid>\d{1,10})\b[^(\n]{0,40}"
    r"\((?P<task>[^\n]{0,64}?)\)[^\n]{0,200}?\banon-rss:(?P<anon>\d{1,17})kB, file-rss:(?P<file>\d{1,17})kB"
    r"(?:, shmem-rss:(?P<shmem>\d{1,17})kB)?"
)
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


@dataclass(slots=True)
class _Kill:
    """One call of the OOM killer; with `memory.oom.group` it ends several processes."""

    line: int = 0
    text: str = ""
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
        """Take from a line at which limit it happened."""
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
        """Take from a line which process ended, and what it held."""
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
        own = self.oom_memcg == self.task_memcg or cgroup_place(self.oom_memcg or "")["pod_uid"] is not None
        return "oom_kill" if own else "node_oom"

    def row(self) -> dict[str, Any]:
        """Tell whose it was, what was resident, files of others too, and what the cgroup held at its own limit."""
        place = cgroup_place(self.task_memcg or "")
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
        """Say what was resident in what was killed."""
        what = ", ".join(f"{memory(size)} {name}" for name, size in self.resident.items() if size)
        more = f" and {len(self.tasks) - 1} more" if len(self.tasks) > 1 else ""
        is_own = self.kind == "oom_kill"
        at = "" if is_own or self.oom_memcg is None else f", at the limit of {self.oom_memcg}"
        files = self.held.get("shmem_bytes", 0) - self.resident.get("shared", 0)
        if is_own and self.limit_bytes and files >= _WORTH_A_WORD * self.limit_bytes:
            at = f"; {memory(files)} of files in memory (tmpfs) that it does not map"
        detail = f"{self.tasks[0]}{more}: {what} resident{at}"
        return Event(time, str(self.kind), self.limit_bytes if is_own else None, detail[:200])


def read_kernel(
    path: str | os.PathLike[str],
    *,
    time: str | dt.datetime | None = None,
    timezone: str | dt.tzinfo | None = None,
) -> Recording:
    """Read OOM kills from what `dmesg` or `journalctl` printed.

    A kill at the container's own limit is an `oom_kill`, with the limit in force; one at the limit of several
    containers or of the machine is a `node_oom`. What was resident is a sample and the event's detail. Where times are
    seconds since the machine started, a line of the kernel that has both clocks says when that was, else `time`.
    """
    asked = Asked.of(path, time, None, timezone)
    text, notes = read_text(path, expected=_EXPECTED)
    found = list(_kills(text))
    kills = [kill for kill in found if kill.kind is not None]
    left_out = Counter({_NOT_SAID: len(found) - len(kills)})
    if not kills:
        raise ReadError.at(path, found=counted(len(found), _NOT_SAID), expected=_EXPECTED)
    kills, times, axis = _times(kills, asked)
    left_out[_TIMELESS] = len(found) - len(kills) - left_out[_NOT_SAID]
    told = list(enumerate(zip(kills, times, strict=True)))
    rows = pl.DataFrame(
        [{"container_id": number, "time": time, **kill.row()} for number, (kill, time) in told],
        schema_overrides={**CONTAINERS, **SAMPLES, "time": pl.Int64()},
    )
    events = [(number, *kill.event(time)) for number, (kill, time) in told]
    left_out = +left_out
    if left_out:
        warn(f"{quote_path(path)}: left out {', '.join(counted(lost, why) for why, lost in left_out.items())}.")
    report = Report((str(path),), found=("OOM kills of the kernel",), left_out=left_out, warnings=notes, time_axis=axis)
    return normalise(rows, rows, pl.DataFrame(events, schema=EVENTS, orient="row"), report)


def _kills(text: str) -> Iterator[_Kill]:
    kill, both, listing = _Kill(), None, False
    for number, line in enumerate(_plain(text), 1):
        if (clocks := _CLOCKS.search(line)) and (uptime := _UPTIME.match(line)):
            both = float(clocks[1] or clocks[2]), float(uptime[1])
        said = _LINE.search(line)
        if said is None:
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
    """Write entries of `journalctl -o json` as lines."""
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


def _times(kills: list[_Kill], asked: Asked) -> tuple[list[_Kill], list[int], str]:
    """Tell which kills have an instant, and it."""
    stamps = [_timestamps.find(_UPTIME.sub("", kill.text).strip(" [](){}")) for kill in kills]
    dated = [(kill, stamp[0]) for kill, stamp in zip(kills, stamps, strict=True) if stamp is not None]
    times: dict[int, int] = {}
    axes: list[str] = []
    if dated:
        first = dated[0][0]
        instants, axis = _timestamps.instants([stamp for _, stamp in dated], (first.line, first.text), asked)
        times |= {kill.line: instant for (kill, _), instant in zip(dated, instants, strict=True)}
        axes.append(axis)
    start = asked.start()
    old = 0.0
    for kill in kills:
        uptime = _UPTIME.match(kill.text)
        clocks = kill.clocks if start is None else (start.timestamp(), 0.0)
        if kill.line not in times and uptime is not None and clocks is not None:
            at, then = float(uptime[1]), clocks[0] - clocks[1]
            times[kill.line] = round((then + at) * 1000)
            old = max(old, at - clocks[1]) if start is None else 0.0
            says = "as asked" if start is not None else "as the kernel says"
            began = _timestamps.as_datetime(round(then * 1000))
            axes.append(f"seconds since the machine started, {began:%Y-%m-%d %H:%M:%S} UTC {says}")
    if old > _SOON_SECONDS:
        warn(
            f"{quote_path(asked.path)}: kills have the time of a clock that the kernel told {hours(old / 3600)} before."
            f" If it was set since, or the machine slept, {_WHEN}"
        )
    if not times:
        hint = f"Print it with dmesg --time-format iso, or journalctl -k -o short-iso; or {_WHEN}"
        found = kills[0].text.strip() or "a line without a time"
        raise ReadError.at(asked.path, found=found, expected="the time of day", line=kills[0].line, hint=hint)
    known = [kill for kill in kills if kill.line in times]
    return known, [times[kill.line] for kill in known], "; ".join(dict.fromkeys(axes))


#: Of a pod's containers the kill is of the one with its limit, else of the one with its name, else of the only one.
_RANKS: Final = (
    pl.col("limit_bytes") == pl.col("limit_bytes_right"),
    pl.col("workload") == pl.col("container_right"),
)


def joined(recording: Recording) -> Recording:
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
