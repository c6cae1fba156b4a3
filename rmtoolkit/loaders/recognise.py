"""Tell by its content what a file is."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError
from rmtoolkit.lake import is_lake
from rmtoolkit.loaders import files
from rmtoolkit.loaders.kubernetes_documents import METRICS
from rmtoolkit.loaders.remote_read import is_remote_read

if TYPE_CHECKING:
    from pathlib import Path


class Form(StrEnum):
    """What can be read, in the words of messages; the rest is named and skipped."""

    PROMETHEUS = "a Prometheus answer"
    KUBECTL = "kubectl top output"
    OBJECTS = "Kubernetes objects"
    JEMALLOC = "jemalloc statistics"
    GLIBC = "glibc malloc statistics"
    MALLOC_TEXT = "tcmalloc or mimalloc statistics"
    DOCKER = "Docker output"
    PROCFS = "memory files of Linux"
    RECORDING = "a recording"
    LAKE = "a lake"
    PARQUET = "a table in Parquet"
    CSV = "a table in CSV"
    HEAP = "a heap profile"
    OTHER = "no recording"
    BROKEN = "broken"


UNDERSTOOD: Final = (
    "saved Prometheus answers (JSON, remote read), output of kubectl top pod (tables, CSV, JSON, YAML) and of kubectl "
    "get pods -o json beside it, docker stats, inspect and events, statistics of jemalloc (text, JSON), glibc "
    "(malloc_info), tcmalloc and mimalloc, smaps_rollup, status and cgroup files of Linux, recordings and tables in "
    "Parquet, or CSV with a time and a memory column; also packed with gzip or zstd"
)

_HEAD: Final = 1 << 18
_REMOTE_READ_HEAD: Final = 1 << 10
_DATA_ENDINGS: Final = (".json", ".jsonl", ".ndjson", ".parquet", ".log", ".csv", ".gz", ".zst")

_JEMALLOC: Final = re.compile(
    rb'\{\s*\\?"jemalloc\\?"\s*:|_{3} Begin jemalloc statistics _{3}|\bAllocated: \d+, active: \d+',
)
_GLIBC: Final = re.compile(rb'<malloc version="\d+">|\b(?:\w*_)?uordblks\b[^\n\w]{1,8}\d|\bin use bytes +=[ ]+\d')
_MALLOC_TEXT: Final = re.compile(
    rb"\bMALLOC: +\d+ \( *[\d.]+ [A-Za-z]+\) Bytes in use by application|\bheap stats: +peak +total +freed +current\b"
)
_METRICS: Final = re.compile(METRICS.encode())
_KINDS: Final = (
    rb"(?:Pod|ReplicaSet|Deployment|StatefulSet|DaemonSet|Job|CronJob|ReplicationController|Node|ResourceQuota|Event)"
    rb"(?:List)?"
)
#: What the API shows has a uid or a revision; the manifests that people write have neither.
_OBJECTS: Final = re.compile(rb'"kind"\s*:\s*"%b"|(?:^|\n)(?:- |  )?kind: %b\b' % (_KINDS, _KINDS))
_LIVE: Final = re.compile(rb'"uid"\s*:|\n\s+uid: |"resourceVersion"\s*:|\n\s+resourceVersion: ')
_KUBECTL: Final = re.compile(
    rb"\bCPU(?:\(cores\))?\s+(?:CPU\S+\s+)?MEMORY\b"
    rb"|(?:^|\n)(?:[^\n]*\S)?[ \t]+\d+m[ \t]+\d+Mi(?:[ \t]+(?:\d+Mi|<unknown>))?[ \t]*\r?(?:\n|$)"
    rb"|[ \t]\d+m[ \t]+\d+%[ \t]+\d+Mi[ \t]+\d+%|(?:^|\n)(?:NAMESPACE[ \t]+)?POD[ \t]*\r?\n"
    rb"|Every [\d.]+s: kubectl top ",
)
_PROMETHEUS: Final = re.compile(
    rb'"resultType"\s*:|"status"\s*:\s*"(?:success|error)"|"metric"\s*:\s*\{[^{}]*\}\s*,\s*"values?"\s*:',
)
#: A pair of sizes without a blank in them is written by Docker; progress bars have one.
_DOCKER: Final = re.compile(
    rb'\bMEM USAGE ?/ ?LIMIT\b|"[Mm]em_?[Uu]sage"\s*:\s*"|"memory_stats"\s*:\s*\{|"HostConfig"\s*:\s*\{'
    rb'|"Action"\s*:\s*"[^"]+"\s*,\s*"Actor"\s*:|"status"\s*:\s*"(?:start|die|oom)"\s*,\s*"id"\s*:\s*"[0-9a-f]{64}"'
    rb"|\S container \w+ [0-9a-f]{64} \(|(?<![\w.])[\d.]+[KMG]?i?B ?/ ?[\d.]+[KMG]i?B(?![\w/])",
)
_PROCFS: Final = re.compile(
    rb"(?:^|\n)[^\n]{0,80}?\b(?:VmRSS|RssAnon|Rss|Pss):[ \t]+\d+ kB[ \t\r]*(?:\n|$)"
    rb"|==> \S*(?:memory\.[a-z]|smaps_rollup)\S* <=="
    rb"|(?:^|\n)(?:\S*memory\.stat:)?(?:total_)?(?:anon|rss|inactive_file) \d+[ \t\r]*(?:\n|$)"
    rb"|(?:^|\n)(?:\S*/)?memory\.(?:current|usage_in_bytes):\d+",
)
_HEAP: Final = re.compile(
    rb"(?:v [0-9a-f]+(?: [0-9a-f]+)?\n|heap_v2/|heap profile:|--- symbol|desc: [^\n]*\ncmd: |\{\s*\"dhatFileVersion\")",
)


#: Files of a cgroup whose content alone does not say what it is.
_LONE_NUMBERS: Final = frozenset(
    (
        *("memory.current", "memory.max", "memory.peak", "memory.swap.current", "memory.events", "memory.pressure"),
        *("memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"),
        "memory.kmem.usage_in_bytes",
    ),
)
_NUMBER: Final = re.compile(r"\s*(?:\d+|max|(?:[a-z_]+ \d+\s+)+|(?:(?:some|full) avg10=[^\n]*\s*)+)\s*")


def recognise(path: Path) -> tuple[Form, str]:
    r"""Tell what a file is.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple of (Form, str)
        The form, and where it is none that can be read, why.

    Raises
    ------
    OSError
        The file cannot be opened.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "misleading.json")
    >>> _ = file.write_text("NAME   CPU(cores)   MEMORY(bytes)\ndb-0   1m   20Mi\n")
    >>> recognise(file)[0].value
    'kubectl top output'
    """
    if is_lake(path):
        return Form.LAKE, ""
    with path.open("rb") as stream:
        magic = stream.read(4)
    return _parquet(path) if magic == b"PAR1" else _no_parquet(path)


def _no_parquet(path: Path) -> tuple[Form, str]:
    """Tell what a text or a packed file is."""
    named = path.name.lower().endswith(_DATA_ENDINGS)
    try:
        head, _ = files.read_bytes(path, expected="a recording", first=_HEAD)
        if _HEAP.match(head):
            return Form.HEAP, "a heap profile"
        if is_remote_read(head[:_REMOTE_READ_HEAD]):
            return Form.PROMETHEUS, ""
        text, _ = files.as_text(head, path, expected="a recording")
    except ReadError as error:
        # A file without data that is called like one with data was meant to hold some.
        why = str(error).partition(": found ")[2].partition(", expected")[0].strip("'\"")
        empty = why in ("an empty file", "only blanks")
        return (Form.BROKEN, str(error)) if named or empty else (Form.OTHER, why)
    lone = path.name in _LONE_NUMBERS and _NUMBER.fullmatch(text)
    form = Form.PROCFS if lone else _of_text(text.encode("utf-8", "replace"), text)
    if form in (None, Form.OBJECTS) and len(head) >= _HEAD:
        whole, _ = files.read_bytes(path, expected="a recording")
        marks = (
            (Form.JEMALLOC, _JEMALLOC),
            (Form.KUBECTL, _METRICS),
            (Form.GLIBC, _GLIBC),
            (Form.MALLOC_TEXT, _MALLOC_TEXT),
            (Form.KUBECTL, _KUBECTL),
        )
        # Metrics may stand behind the objects; a table does not.
        later = next((later for later, mark in marks[: 2 if form else 5] if mark.search(whole)), None)
        form = later or form
    if form is not None:
        return form, ""
    return Form.OTHER, "other JSON" if text.lstrip()[:1] in ("{", "[") else "other text"


def _of_text(data: bytes, text: str) -> Form | None:
    """Tell what the first part of a text file is."""
    from rmtoolkit.loaders.kubectl_csv import looks_like_csv  # noqa: PLC0415 - seldom gets so far
    from rmtoolkit.loaders.kubectl_lines import failure  # noqa: PLC0415

    marks = (
        (Form.KUBECTL, _METRICS),
        (Form.JEMALLOC, _JEMALLOC),
        (Form.PROMETHEUS, _PROMETHEUS),
        (Form.GLIBC, _GLIBC),
        (Form.MALLOC_TEXT, _MALLOC_TEXT),
    )
    for form, mark in marks:
        if mark.search(data):
            return form
    if _OBJECTS.search(data) and _LIVE.search(data):
        return Form.OBJECTS
    if _has_columns(text):
        return Form.CSV
    for form, mark in ((Form.DOCKER, _DOCKER), (Form.PROCFS, _PROCFS)):
        if mark.search(data):
            return form
    if _KUBECTL.search(data) or looks_like_csv(text) or failure(text.lstrip().split("\n", 1)[0]):
        return Form.KUBECTL
    return None


def _has_columns(text: str) -> bool:
    """Tell whether the first line names a time and a memory column."""
    from rmtoolkit.loaders.table_files import columns_of  # noqa: PLC0415

    return columns_of(text) is not None


def _parquet(path: Path) -> tuple[Form, str]:
    """Tell our own Parquet files from others."""
    import polars as pl  # noqa: PLC0415

    try:
        metadata = pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        return Form.BROKEN, str(ReadError.at(path, found=first, expected="a whole Parquet file"))
    return (Form.RECORDING if "rmtoolkit.recording" in metadata else Form.PARQUET), ""
