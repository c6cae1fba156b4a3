"""Columns, types and units of the frames that a Recording holds: the only place that knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

import polars as pl

from rmtoolkit.exceptions import warn
from rmtoolkit.text import counted, sentence, texts

TIME: Final = pl.Datetime("ms", "UTC")
WHOLE, NUMBER, TEXT, YES_NO = pl.Int64(), pl.Float64(), pl.String(), pl.Boolean()
#: The kernel reports "no limit" as a number near 2**63; no processor addresses this much.
ABSURD_BYTES: Final = 1 << 52
#: No container runs in less, no machine has as much.
LEAST_LIMIT_BYTES, NO_MACHINE_BYTES = 1 << 20, 1 << 46
#: Units of amounts, folded: those of the standards, as Docker and Grafana write them; Kubernetes leaves the B out.
UNITS: Final = dict.fromkeys(("", "b", "bytes"), 1) | {
    **{letter: 1000**power for power, letter in enumerate("kmg", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtpe", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtpe", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)},
}
#: With these people mean powers of 1,024 in a head, as `ps`, `free` and Kubernetes do.
POWERS: Final = {"k": 1, "m": 2, "g": 3, "t": 4}
CONTRADICTING: Final = "values that contradict each other at one instant; the later one was used"
IMPOSSIBLE: Final = "values that were alone far above the memory of the node, or every limit"
#: Reasons for which a report says that values, or whole rows, were left out that somebody had measured.
NOT_FINITE: Final = "values that were NaN or infinite"
UNREAL: Final = "values that were negative or absurd"
NO_NUMBERS: Final = "values that are no numbers"
ZEROS: Final = "values of 0 among real amounts, where nothing was measured"
LOST_VALUES: Final = (NOT_FINITE, UNREAL, ZEROS, NO_NUMBERS, CONTRADICTING, IMPOSSIBLE)
#: A smaller share is told nobody who does not ask.
_NOTICEABLE_SHARE: Final = 0.01
UNREAD: Final = "files that could not be read"
#: So many of them are named.
_NAMED: Final = 20
NO_TIMES: Final = "samples with an impossible time"
NO_PAIR: Final = "samples that are not a pair of time and value"
NO_TIME: Final = "rows without a readable time"
_REPORTS: Final = texts("words")["reports"]
PODMAN, ANEW, LESS, BARE, PARTS = (str(_REPORTS[name]) for name in ("podman", "anew", "less", "bare", "parts"))
NO_CONTAINER: Final = "rows of no known container"
ASTRAY: Final = "rows with a damaged quotation mark"
CUT: Final = "objects that are cut off or damaged"
LOST_ROWS: Final = (NO_TIME, NO_CONTAINER, NO_TIMES, NO_PAIR, ANEW, ASTRAY, CUT)
#: What stands behind the names of containers that somebody should look at.
DOUBTS = SUM, SWAPPED, BITS, UNIT, AT_ONCE = tuple(
    str(_REPORTS[name]) for name in ("sum", "swapped", "bits", "unit", "at_once")
)
NO_LIMITS: Final = "limits below 1 MiB, in which nothing runs, or beyond any machine, taken as unknown"
#: Reasons for which nothing is lost.
TOTALS: Final = "samples of totals, which are the sum of the others at each instant"
TWICE: Final = "values given twice for one instant"
SUMMARIES: Final = "samples that are means, or another statistic, of those of another source"
PAUSE: Final = "rows of pause containers"
NO_VALUE: Final = "rows without any value"
ROUNDED: Final = "rounded values of containers that another source measured exactly at the same time"

_Said = TypeVar("_Said", str, int)


def typed(dtype: pl.DataType, names: str) -> dict[str, pl.DataType]:
    return dict.fromkeys(names.split(), dtype)


#: Columns that together say which container a row speaks of.
IDENTITY: Final = ("cluster", "namespace", "workload", "pod", "pod_uid", "container")

#: ... and those that say which workload's: what makes a row of verdicts.
WORKLOAD: Final = ("cluster", "namespace", "workload", "container")

#: CPUs that a container may use (its quota), and those of its machine.
CORES: Final = ("quota_cores", "node_cores")

#: Columns that hold the same for a whole container, or change seldom; their changes become events.
SETTINGS: Final = ("limit_bytes", "request_bytes")

#: One row per container instance: one container of one pod. Null means unknown.
CONTAINERS: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        **typed(TEXT, "cluster node namespace workload workload_kind pod pod_uid container version"),
        **typed(WHOLE, "limit_bytes request_bytes"),
        "limit_known": YES_NO,
        **dict.fromkeys(CORES, NUMBER),
        "quantum_bytes": WHOLE,
        "cadence_seconds": NUMBER,
        "workload_inferred": YES_NO,
        "source": TEXT,
    }
)

#: Memory gauges in bytes. A process or container holds this much at the instant of the row.
_BYTES: Final = """
usage_bytes working_set_bytes anon_bytes file_bytes inactive_file_bytes active_file_bytes shmem_bytes file_mapped_bytes
kernel_bytes sock_bytes swap_bytes peak_bytes rss_bytes allocated_bytes active_bytes resident_bytes mapped_bytes
retained_bytes metadata_bytes free_bytes
"""
BYTE_SIGNALS: Final = tuple(_BYTES.split())

#: Numbers of what a process holds one by one: async tasks, open files and sockets, messages that wait in its queues,
#: series that it exports.
HELD_SIGNALS: Final = ("tasks", "descriptors", "queued", "series")

#: Counters that only fall when the process restarts.
COUNTERS: Final = ("psi_some_seconds", "psi_full_seconds", "refaults_total", "work_total")

#: One row per container and scrape. Null means: not sampled at that instant.
SAMPLES: Final = pl.Schema(
    {"container_id": pl.UInt32(), "time": TIME}
    | dict.fromkeys((*BYTE_SIGNALS, "threads", *HELD_SIGNALS), WHOLE)
    | dict.fromkeys((*COUNTERS, "load"), NUMBER)
)

SIGNALS: Final = tuple(name for name in SAMPLES if name not in ("container_id", "time"))

#: Signals that follow the memory of the whole container or process, the one nearest the limit first.
FOOTPRINTS: Final = ("working_set_bytes", "usage_bytes", "rss_bytes", "anon_bytes")

EVENT_KINDS: Final = ("start", "end", "oom_kill", "node_oom", "evicted", "error", "release", "limit", "request", "gap")

#: One row per event. `value_bytes` is the new limit or request; `detail` is a version or a reason.
EVENTS: Final = pl.Schema(
    {"container_id": pl.UInt32(), "time": TIME, "kind": TEXT, "value_bytes": WHOLE, "detail": TEXT}
)


class Signal(StrEnum):
    """What is read of a life: gauges and counters of the samples, and the footprint that is one of them."""

    ALLOCATED = "allocated_bytes"
    ANON = "anon_bytes"
    RSS = "rss_bytes"
    WORKING_SET = "working_set_bytes"
    USAGE = "usage_bytes"
    FOOTPRINT = "footprint_bytes"
    ACTIVE = "active_bytes"
    RESIDENT = "resident_bytes"
    SHMEM = "shmem_bytes"
    FILE_MAPPED = "file_mapped_bytes"
    KERNEL = "kernel_bytes"
    SOCK = "sock_bytes"
    THREADS = "threads"
    TASKS = "tasks"
    DESCRIPTORS = "descriptors"
    QUEUED = "queued"
    SERIES = "series"
    FILE = "file_bytes"
    SWAP = "swap_bytes"
    FREE = "free_bytes"
    PEAK = "peak_bytes"
    LOAD = "load"
    WORK = "work_total"
    PSI_SOME = "psi_some_seconds"
    PSI_FULL = "psi_full_seconds"
    REFAULTS = "refaults_total"


class Ending(StrEnum):
    """How a life ended: by what is known, the most telling first; then by what is not."""

    OOM_KILL = "oom_kill"
    NODE_OOM = "node_oom"
    EVICTED = "evicted"
    ERROR = "error"
    RELEASE = "release"
    END = "end"
    RESTART = "restart"
    GAP = "gap"
    RUNNING = "running"


class Verdict(StrEnum):
    LEAK = "leak"
    NOT_LEAK = "not_leak"
    INCONCLUSIVE = "inconclusive"


class Pattern(StrEnum):
    STARTUP_SPIKE = "startup_spike"
    PLATEAU = "plateau"
    LEAK = "leak"
    WARM_UP = "warm_up"
    STEP = "step"
    PERIODIC = "periodic"
    SAWTOOTH = "sawtooth"
    BURST = "burst"
    RETENTION = "retention"
    FRAGMENTATION = "fragmentation"
    PAGE_CACHE = "page_cache"
    THREAD_GROWTH = "thread_growth"
    AT_LIMIT = "at_limit"
    UNEXPLAINED_GROWTH = "unexplained_growth"
    INSUFFICIENT_DATA = "insufficient_data"


class Cause(StrEnum):
    HEAP = "heap"
    THREAD_STACKS = "thread_stacks"
    OUTSIDE_ALLOCATOR = "outside_allocator"
    ALLOCATOR = "allocator"
    PAGE_CACHE = "page_cache"
    STARTUP = "startup"
    TRAFFIC = "traffic"
    RELEASE = "release"
    TASKS = "tasks"
    CONNECTIONS = "connections"
    QUEUE = "queue"
    EXPORTER = "exporter"
    TMPFS = "tmpfs"
    SOCKETS = "sockets"
    MAPPED_FILES = "mapped_files"
    ARENAS = "arenas"
    RUNTIME = "runtime"


class Outlook(StrEnum):
    BOUNDED = "bounded"
    REACHES = "reaches"
    UNKNOWN = "unknown"


class Action(StrEnum):
    FIX_LEAK = "fix_leak"
    RAISE_LIMIT = "raise_limit"
    LOWER_LIMIT = "lower_limit"
    SET_LIMIT = "set_limit"
    TUNE_ALLOCATOR = "tune_allocator"
    REDUCE_STARTUP = "reduce_startup"
    FIX_EXPORTER = "fix_exporter"
    CLEAR_FILES = "clear_files"
    WAIT = "wait"
    NONE = "none"


class Alarm(StrEnum):
    """Why a workload is named first; the order is that of urgency."""

    KILLED = "killed"
    WILL_BE_KILLED = "will_be_killed"
    LEAK = "leak"
    ABOVE_TARGET = "above_target"
    TOO_LITTLE_DATA = "too_little_data"


def empty(schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


def differing(found: pl.Schema, wanted: pl.Schema) -> str:
    if found == wanted:
        return ""
    wrong = [
        f"{column} is {found.get(column, 'missing')}, not {dtype}"
        for column, dtype in wanted.items()
        if found.get(column) != dtype
    ]
    unknown = [f"{column} is unknown" for column in found if column not in wanted]
    return "; ".join(wrong + unknown) or "the order differs"


def agreed(said: Iterable[tuple[str, _Said]]) -> dict[str, _Said]:
    """Keep what all say alike; of what they do not agree on nothing is known."""
    found: dict[str, set[_Said]] = {}
    for name, value in said:
        found.setdefault(name, set()).add(value)
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def in_doubt(*said: str) -> tuple[str, ...]:
    """Warn of what cannot be trusted, for a report that keeps it."""
    for line in said:
        warn(sentence(line))
    return said


@dataclass(frozen=True, slots=True)
class Report:
    """What a loader was asked, what it found and what it did not use."""

    sources: tuple[str, ...] = ()
    asked: str = ""
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    #: What the user gave a meaning to, as it was written, and nothing is called so.
    unseen: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    #: What the source did not give, and may give when it is asked again; and what it gave that cannot be used.
    partial: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    time_axis: str = "as recorded, UTC"
    dropped_share: float | None = None
    nodes: Mapping[str, int] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)
    #: What a container of a namespace may have at least and at most, by `namespace min` and `namespace max`.
    ranges: Mapping[str, int] = field(default_factory=dict)
    #: What else sets the memory of a container, or counts by it, by `namespace/workload/container`.
    governors: Mapping[str, str] = field(default_factory=dict)
    #: The person or team that is told, by `namespace/workload` and by `namespace`.
    owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_noticeable(self) -> bool:
        """Whether so much was lost that everybody should hear of it; a smaller share stands here only."""
        return (self.dropped_share or 0) >= _NOTICEABLE_SHARE or IMPOSSIBLE in self.left_out

    @property
    def lost(self) -> str:
        """How much of what somebody had measured was left out, and why."""
        reasons = (reason for reason in (*LOST_VALUES, *LOST_ROWS) if self.left_out.get(reason))
        return ", ".join(counted(self.left_out[reason], reason) for reason in reasons)

    def notes(self) -> tuple[str, ...]:
        return (
            *(f"partial: {line}" for line in (*self.partial, *self.unusable)),
            *(f"missing: {line}" for line in (*self.unseen, *self.missing)),
            *(f"left out: {counted(count, reason)}" for reason, count in self.left_out.items()),
            *self.warnings,
        )

    def more(self, **facts: Any) -> Report:  # noqa: ANN401 - of the fields
        """Add facts about the same source."""
        return self.joined(Report(time_axis=self.time_axis, **facts))

    def without(self, failed: Sequence[object]) -> Report:
        """Count files that could not be read, and say what is wrong with each, up to so many."""
        rest = [f"{len(failed) - _NAMED:,} more files could not be read"] if len(failed) > _NAMED else []
        return self.more(left_out={UNREAD: len(failed)} if failed else {}, partial=(*map(str, failed[:_NAMED]), *rest))

    def joined(self, other: Report) -> Report:
        lines = ("sources", "found", "missing", "unseen", "partial", "unusable", "warnings")
        facts = ("ranges", "governors", "owners")
        more = other.left_out.items()
        shares = [one.dropped_share for one in (self, other) if one.dropped_share is not None]
        said: dict[str, Any] = {
            name: tuple(dict.fromkeys(getattr(self, name) + getattr(other, name))) for name in lines
        }
        said["unseen"] = tuple(line for line in said["unseen"] if line not in said["found"])
        said |= {name: agreed([*getattr(self, name).items(), *getattr(other, name).items()]) for name in facts}
        return Report(
            **said,
            asked="; ".join(dict.fromkeys(text for text in (self.asked, other.asked) if text)),
            left_out={**self.left_out, **{reason: self.left_out.get(reason, 0) + count for reason, count in more}},
            time_axis="; ".join(dict.fromkeys((self.time_axis, other.time_axis))),
            dropped_share=max(shares, default=None),
            nodes={**self.nodes, **other.nodes},
            quotas={**self.quotas, **other.quotas},
        )
