"""What the kernel says of OOM kills, in dmesg or the journal: whose, at which limit, and what was resident."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import polars as pl

from rmtoolkit._workloads import Event
from rmtoolkit.exceptions import ReadError, quote_path, warn
from rmtoolkit.loaders import _timestamps
from rmtoolkit.loaders._files import counted, read_text
from rmtoolkit.loaders._timestamps import Asked
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import ABSURD_BYTES, CONTAINERS, EVENTS, SAMPLES, Report
from rmtoolkit.text import memory

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
_NOT_SAID: Final = "kills without a word about whose limit it was"
_OF_CGROUP: Final = "CONSTRAINT_MEMCG"
_PLACE: Final = re.compile(r",(oom_memcg|task_memcg)=([^,\n]*)")
#: What journald and syslog put before the message, and what the kernel itself does: seconds since it started.
_HOST: Final = re.compile(r"(?P<stamp>.*?)\s(?P<host>\S+) kernel:")
_UPTIME: Final = re.compile(r"^\s*(?:<\d+>)?\[ *\d+\.\d+\]\s*")
_POD: Final = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})")
_CONTAINER: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])")
#: A reason is told by others a little later than the kernel did it.
_SAME_KILL: Final = dt.timedelta(minutes=5)


@dataclass(slots=True)
class _Kill:
    """One call of the OOM killer; with `memory.oom.group` it ends several processes."""

    line: int = 0
    text: str = ""
    host: str | None = None
    constraint: str | None = None
    limit_bytes: int | None = None
    usage_bytes: int | None = None
    oom_memcg: str | None = None
    task_memcg: str | None = None
    tasks: list[str] = field(default_factory=list)
    resident: dict[str, int] = field(default_factory=dict)

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
        own = self.oom_memcg == self.task_memcg or _names(self.oom_memcg or "") != (None, None)
        return "oom_kill" if own else "node_oom"

    def row(self) -> dict[str, Any]:
        """Tell whose it was, what was resident, files of others too, and what the cgroup held at its own limit."""
        pod, container = _names(self.task_memcg or "")
        unit = (self.task_memcg or "").rstrip("/").rpartition("/")[2]
        is_own = self.kind == "oom_kill"
        return {
            "node": self.host,
            "pod_uid": pod or container,
            "workload": unit if unit and pod is None and container is None else self.tasks[0].rpartition(" (pid ")[0],
            "workload_inferred": True,
            "limit_bytes": self.limit_bytes if is_own else None,
            "source": SOURCE,
            "rss_bytes": sum(self.resident.values()),
            "usage_bytes": self.usage_bytes if is_own else None,
        }

    def event(self, time: int) -> Event:
        """Say what was resident in what was killed."""
        what = ", ".join(f"{memory(size)} {name}" for name, size in self.resident.items() if size)
        more = f" and {len(self.tasks) - 1} more" if len(self.tasks) > 1 else ""
        is_own = self.kind == "oom_kill"
        at = "" if is_own or self.oom_memcg is None else f", at the limit of {self.oom_memcg}"
        detail = f"{self.tasks[0]}{more}: {what} resident{at}"
        return Event(time, str(self.kind), self.limit_bytes if is_own else None, detail[:200])


def _names(path: str) -> tuple[str | None, str | None]:
    """Find the uid of a pod and the id of a container in the path of a cgroup."""
    pod, container = _POD.search(path), _CONTAINER.search(path)
    return pod[1].replace("_", "-") if pod else None, container[1] if container else None


def read_kernel(
    path: str | os.PathLike[str],
    *,
    time: str | dt.datetime | None = None,
    timezone: str | dt.tzinfo | None = None,
) -> Recording:
    """Read OOM kills from what `dmesg` or `journalctl` printed.

    A kill at the container's own limit is an `oom_kill`, with the limit in force; one at the limit of several
    containers or of the machine is a `node_oom`. What was resident is a sample and the event's detail.
    """
    asked = Asked.of(path, time, None, timezone)
    text, notes = read_text(path, expected=_EXPECTED)
    found = list(_kills(text))
    kills = [kill for kill in found if kill.kind is not None]
    if not kills:
        raise ReadError.at(path, found=counted(len(found), _NOT_SAID), expected=_EXPECTED)
    times, axis = _times(kills, asked)
    told = list(enumerate(zip(kills, times, strict=True)))
    rows = pl.DataFrame(
        [{"container_id": number, "time": time, **kill.row()} for number, (kill, time) in told],
        schema_overrides={**CONTAINERS, **SAMPLES, "time": pl.Int64()},
    )
    events = [(number, *kill.event(time)) for number, (kill, time) in told]
    lost = len(found) - len(kills)
    if lost:
        warn(f"{quote_path(path)}: left out {counted(lost, _NOT_SAID)}.")
    left_out = {_NOT_SAID: lost} if lost else {}
    report = Report((str(path),), found=("OOM kills of the kernel",), left_out=left_out, warnings=notes, time_axis=axis)
    return normalise(rows, rows, pl.DataFrame(events, schema=EVENTS, orient="row"), report)


def _kills(text: str) -> Iterator[_Kill]:
    kill = _Kill()
    for number, line in enumerate(_plain(text), 1):
        said = _LINE.search(line)
        if said is None:
            continue
        if said["task"] is None and (kill.tasks or said["begins"] is not None):
            if kill.tasks:
                yield kill
            kill = _Kill()
        kill.hear(said)
        if said["task"] is not None:
            kill.add(said, number, line[: said.start()])
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


def _times(kills: list[_Kill], asked: Asked) -> tuple[list[int], str]:
    stamps = [_timestamps.find(_UPTIME.sub("", kill.text).strip(" [](){}")) for kill in kills]
    for kill, stamp in zip(kills, stamps, strict=True):
        if stamp is None:
            hint = "Print it with dmesg --time-format iso, or journalctl -k -o short-iso."
            found = kill.text.strip() or "a line without a time"
            raise ReadError.at(asked.path, found=found, expected="the time of day", line=kill.line, hint=hint)
    known = [stamp[0] for stamp in stamps if stamp is not None]
    return _timestamps.instants(known, (kills[0].line, kills[0].text), asked)


def joined(recording: Recording) -> Recording:
    """Give kills to the containers of other sources that they name by the pod's uid or the container's id."""
    rows = recording.containers.to_dicts()
    others = [row for row in rows if row["source"] != SOURCE and row["pod_uid"] is not None]
    place: dict[int, int] = {}
    for row in rows:
        if row["source"] != SOURCE or row["pod_uid"] is None:
            continue
        same = [other for other in others if other["pod_uid"] == row["pod_uid"]]
        for narrower in (
            [other for other in same if row["limit_known"] and other["limit_bytes"] == row["limit_bytes"]],
            [other for other in same if other["container"] == row["workload"]],
        ):
            same = narrower if len(same) > 1 and narrower else same
        if len(same) == 1:
            place[row["container_id"]] = same[0]["container_id"]
        elif same:
            # One of the containers of a pod that is known.
            row |= {name: same[0][name] for name in ("cluster", "namespace", "pod", "workload", "workload_kind")}
    ours = {row["container_id"] for row in rows if row["source"] == SOURCE}
    told = recording.events.to_dicts()
    events = [event for event in told if event["container_id"] not in ours]
    theirs = [event for event in events if event["kind"] in ("oom_kill", "node_oom")]
    for event in (event for event in told if event["container_id"] in ours):
        event["container_id"] = place.get(event["container_id"], event["container_id"])
        near = [one for one in events if one["container_id"] == event["container_id"]]
        near = [one for one in near if abs(one["time"] - event["time"]) <= _SAME_KILL]
        # What kube-state-metrics told of it, or another copy of the same lines.
        known = next((one for one in near if one in theirs or one["detail"] == event["detail"]), None)
        if known is None:
            events.append(event)
        elif known in theirs:
            theirs.remove(known)
            known["detail"] = event["detail"]
    return normalise(
        pl.DataFrame([row for row in rows if row["container_id"] not in place], schema=CONTAINERS),
        recording.samples.filter(~pl.col("container_id").is_in(list(place))),
        pl.DataFrame(events, schema=EVENTS),
        recording.report,
    )
