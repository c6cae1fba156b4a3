"""`rm.read`: any file, folder or glob, told by its content."""

from __future__ import annotations

import difflib
import glob
import inspect
import os
import re
from dataclasses import replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from rmtoolkit._provenance import Report
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.lake import is_lake
from rmtoolkit.loaders import _files
from rmtoolkit.loaders._files import check_samples, warn_of_values
from rmtoolkit.loaders._kubernetes import METRICS
from rmtoolkit.loaders.kubernetes import joined, read_objects
from rmtoolkit.loaders.prometheus._remote_read import is_remote_read
from rmtoolkit.loaders.prometheus.live import is_url, read_url
from rmtoolkit.recording import Recording, concat
from rmtoolkit.text import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rmtoolkit.loaders._kubernetes import Objects


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
    r"""Tell what a file is."""
    if is_lake(path):
        return Form.LAKE, ""
    with path.open("rb") as stream:
        magic = stream.read(4)
    return _parquet(path) if magic == b"PAR1" else _no_parquet(path)


def _no_parquet(path: Path) -> tuple[Form, str]:
    """Tell what a text or a packed file is."""
    named = path.name.lower().endswith(_DATA_ENDINGS)
    try:
        head, _ = _files.read_bytes(path, expected="a recording", first=_HEAD)
        if _HEAP.match(head):
            return Form.HEAP, "a heap profile"
        if is_remote_read(head[:_REMOTE_READ_HEAD]):
            return Form.PROMETHEUS, ""
        text, _ = _files.as_text(head, path, expected="a recording")
    except ReadError as error:
        # A file without data that is called like one with data was meant to hold some.
        why = str(error).partition(": found ")[2].partition(", expected")[0].strip("'\"")
        empty = why in ("an empty file", "only blanks")
        return (Form.BROKEN, str(error)) if named or empty else (Form.OTHER, why)
    lone = path.name in _LONE_NUMBERS and _NUMBER.fullmatch(text)
    form = Form.PROCFS if lone else _of_text(text.encode("utf-8", "replace"), text)
    if form in (None, Form.OBJECTS) and len(head) >= _HEAD:
        whole, _ = _files.read_bytes(path, expected="a recording")
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
    from rmtoolkit.loaders._kubectl_rows import failure  # noqa: PLC0415
    from rmtoolkit.loaders.kubectl_top import looks_like_csv  # noqa: PLC0415 - seldom gets so far

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
    from rmtoolkit.loaders.tables import columns_of  # noqa: PLC0415

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


PathLike: TypeAlias = str | os.PathLike[str]

_READERS: Final = {
    Form.PROMETHEUS: ("rmtoolkit.loaders.prometheus.saved", "read_prometheus"),
    Form.KUBECTL: ("rmtoolkit.loaders.kubectl_top", "read_kubectl_top"),
    Form.JEMALLOC: ("rmtoolkit.loaders.allocators", "read_jemalloc_stats"),
    Form.GLIBC: ("rmtoolkit.loaders.allocators", "read_malloc_info"),
    Form.MALLOC_TEXT: ("rmtoolkit.loaders.allocators", "read_malloc_text"),
    Form.DOCKER: ("rmtoolkit.loaders.docker", "read_docker_stats"),
    Form.PROCFS: ("rmtoolkit.loaders.linux", "read_procfs"),
    Form.LAKE: ("rmtoolkit.lake", "read_lake"),
    Form.RECORDING: ("rmtoolkit.recording", "read_recording"),
    Form.PARQUET: ("rmtoolkit.loaders.tables", "read_table"),
    Form.CSV: ("rmtoolkit.loaders.tables", "read_table"),
}
_TOGETHER: Final = (Form.PROMETHEUS, Form.DOCKER, Form.PROCFS)
_NAMES_SHOWN: Final = 10
_HOST_AND_PORT: Final = re.compile(r"[\w.-]+:\d{2,5}(/\S*)?")
_WARNED: Final = 5


def read(path: PathLike | Iterable[PathLike], **options: Any) -> Recording:  # noqa: ANN401 - passed on
    r"""Read whatever holds a recording.

    Parameters
    ----------
    path
        A file, a folder (to its bottom, without hidden files), a glob, the address of a Prometheus server
        (``http://…``), or several of them. What a file is
        is told by its content: saved Prometheus answers, output of ``kubectl top pod``, dumps of
        ``kubectl get pods,replicasets,nodes -o json`` that supply its limits, owners and restarts, jemalloc
        statistics, what Docker or Linux say (see `read_docker_stats` and `read_procfs`), a recording that
        `Recording.write` stored, a lake, or a table (Parquet, CSV) with a time and a memory column; each also packed
        with gzip or zstd.
    **options
        Passed to those readers that take them: see `Prometheus.recording` (``last="7d"``, ``namespace=``),
        `read_prometheus`, `read_kubectl_top` and `read_jemalloc_stats`.

    Returns
    -------
    Recording
        Everything as one. The report names the files that hold no recording (documents, pictures, heap
        profiles); a file that looks like a source and cannot be read is left out with a warning.

    Raises
    ------
    ReadError
        Nothing could be read.
    RmtoolkitError
        No reader takes such an option.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "README.md").write_text("About these.")
    >>> _ = (folder / "top.log").write_text("2026-11-24T22:51:07Z\nNAME CPU(cores) MEMORY(bytes)\ndb-0 3m 9Mi\n")
    >>> recording = read(folder)
    >>> recording
    <Recording: 1 container, 1 samples, 2026-11-24 22:51 to 2026-11-24 22:51 UTC>
    >>> recording.report.notes()[-1]
    'skipped, no recording: README.md'
    """
    _check_options(options)
    named = [path] if isinstance(path, str | os.PathLike) else list(path)
    urls = [item for item in named if is_url(item)]
    if urls:
        return _live(urls, [item for item in named if not is_url(item)], options)
    found, given = _files_sniff(named)
    sorted_out = _sort_out(found)
    parts, used = _read_all(sorted_out, options)
    dumps = sorted_out.forms.get(Form.OBJECTS, [])
    objects = _read_objects(sorted_out) if dumps and parts else None
    if not parts:
        raise _nothing(path, sorted_out)
    recording = concat(parts)
    if objects:
        recording = joined(recording, objects)
    notes = []
    if sorted_out.skipped:
        notes.append(f"skipped, no recording: {_named([file.name for file, _ in sorted_out.skipped])}")
    foreign = [file.name for file, _ in sorted_out.skipped if file in given]
    if foreign:
        holds = "source holds" if len(foreign) == 1 else "sources hold"
        _files.warn(f"{len(foreign):,} {holds} no recording: {_named(foreign, _WARNED)}")
    failed = sorted_out.failed
    if failed:
        first = _cause(failed[0][1])
        names = _named([file.name for file, _ in failed], _WARNED)
        _files.warn(f"{len(failed):,} of {count(len(found), 'file')} could not be read: {names}; the first: {first}")
        notes.append(f"could not be read: {_named([file.name for file, _ in failed])}; the first: {first}")
    idle = sorted(set(options) - used)
    if idle:
        notes.append(f"options without a use here: {', '.join(idle)}")
    left_out = {"files that could not be read": len(failed)} if failed else {}
    extra = Report(left_out=left_out, warnings=tuple(notes), time_axis=recording.report.time_axis)
    warn_of_values(recording)
    report = recording.report.joined(extra)
    if recording.stored is not None:
        # The samples of a large file stay where they are.
        return Recording.waiting(recording.containers, recording.stored, recording.events, report)
    return replace(recording, report=report)


def _live(urls: Sequence[object], others: Sequence[PathLike], options: Mapping[str, object]) -> Recording:
    """Read servers, and files beside them."""
    from_servers = {name: value for name, value in options.items() if name in _options_of(read_url)}
    parts = [read_url(str(url), **from_servers) for url in urls]  # type: ignore[arg-type] # passed on
    if others:
        from_files = {name: value for name, value in options.items() if name in _known_of_files()}
        parts.append(read(others, **from_files))
    return concat(parts)


class _SortedOut(NamedTuple):
    """Files by what they are; those that hold no recording; those that should and cannot be read."""

    forms: dict[Form, list[Path]]
    skipped: list[tuple[Path, str]]
    failed: list[tuple[Path, Exception]]


def _sort_out(found: Sequence[Path]) -> _SortedOut:
    result = _SortedOut({}, [], [])
    for file in found:
        try:
            form, why = recognise(file)
        except ReadError as error:
            result.failed.append((file, error))
            continue
        except OSError as error:
            result.failed.append((file, _files.unreadable(file, error)))
            continue
        if form is Form.BROKEN:
            result.failed.append((file, ReadError(why)))
        elif form in _READERS or form is Form.OBJECTS:
            result.forms.setdefault(form, []).append(file)
        else:
            result.skipped.append((file, why))
    return result


def _read_all(sorted_out: _SortedOut, options: Mapping[str, object]) -> tuple[list[Recording], set[str]]:
    """Read format by format; add to the failures; say which options had a use."""
    parts: list[Recording] = []
    used: set[str] = set()
    for form, paths in sorted_out.forms.items():
        if form is Form.OBJECTS:
            continue
        reader = _reader(form)
        wanted = {name: value for name, value in options.items() if name in _parameters(form)}
        used |= set(wanted)
        # Some files explain each other: the owners of one file's pods, or a container's limit, stand in another.
        groups = [paths] if form in _TOGETHER else [[file] for file in paths]
        for group in groups:
            try:
                part = reader(group[0] if len(group) == 1 else group, **wanted)
                check_samples(part, quote(group[0]) + (f" and {len(group) - 1:,} more" if len(group) > 1 else ""))
                parts.append(part)
            except (ReadError, OSError) as error:
                cause = _files.unreadable(group[0], error) if isinstance(error, OSError) else error
                sorted_out.failed.extend((file, cause) for file in group)
    return parts, used


def _read_objects(sorted_out: _SortedOut) -> Objects:
    """Read what explains the samples; add to the failures."""
    objects, failed = read_objects(sorted_out.forms[Form.OBJECTS])
    sorted_out.failed.extend(failed)
    return objects


def _reader(form: Form) -> Callable[..., Recording]:
    module, name = _READERS[form]
    reader: Callable[..., Recording] = getattr(import_module(module), name)
    return reader


def _parameters(form: Form) -> list[str]:
    """List the options that a reader takes."""
    return _options_of(_reader(form))


def _options_of(reader: Callable[..., Recording]) -> list[str]:
    parameters = inspect.signature(reader).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _known_of_files() -> set[str]:
    return {name for form in _READERS for name in _parameters(form)}


def _check_options(options: Mapping[str, object]) -> None:
    """Refuse an option that no reader takes: it is misspelt."""
    if not options:
        return
    known = sorted(_known_of_files() | set(_options_of(read_url)))
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            msg = f"No reader takes an option {quote(name)}. There are: {', '.join(known)}."
            raise RmtoolkitError(f"{msg} Hint: did you mean {close[0]!r}?" if close else msg)


def _files_sniff(path: PathLike | Iterable[PathLike]) -> tuple[list[Path], set[Path]]:
    """Find the files that a path, a folder, a glob or several of them mean, each once; and those meant by name."""
    found: dict[Path, None] = {}
    by_name: set[Path] = set()
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    for item in given:
        here = Path(item)
        is_folder = False
        try:
            is_folder = here.is_dir()
            if is_folder:
                shown = _inside(here)
            else:
                named = [here] if here.exists() else _globbed(str(item))
                by_name.update(file for file in named if not file.is_dir())
                shown = [
                    file
                    for match in named
                    for file in (_inside(match) if match.is_dir() and not is_lake(match) else [match])
                ]
        except (OSError, ValueError):
            shown = []
        if not shown:
            if is_folder:
                raise ReadError.at(item, found="a folder without files", expected=UNDERSTOOD)
            hint = f"For a server write {quote(f'http://{item}')}." if _HOST_AND_PORT.fullmatch(str(item)) else ""
            raise ReadError.at(item, found="no such file or folder", expected="a file, a folder or a glob", hint=hint)
        found.update(dict.fromkeys(shown))
    if not found:
        msg = f"Nothing to read: the list of files is empty. Understood are {UNDERSTOOD}."
        raise ReadError(msg)
    return list(found), by_name


def _inside(folder: Path) -> list[Path]:
    """List the files of a folder without hidden ones; a lake is one, and so is what is no folder."""
    if not folder.is_dir() or is_lake(folder):
        return [folder]
    files_below = sorted(file for file in folder.rglob("*") if file.is_file())
    return [file for file in files_below if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def _globbed(pattern: str) -> list[Path]:
    """List what matches, folders too: a recording may be one."""
    matches = sorted(set(map(Path, glob.iglob(pattern, recursive=True))))  # noqa: PTH207
    return [match for match in matches if match.is_file() or match.is_dir()]


def _nothing(path: object, sorted_out: _SortedOut) -> Exception:
    """Choose the one error that says most."""
    failed, skipped = sorted_out.failed, sorted_out.skipped
    dumps = sorted_out.forms.get(Form.OBJECTS, [])
    if dumps and not failed:
        hint = "Read them together with the output of kubectl top pod --containers, or use rmtoolkit record --kubectl."
        expected = f"memory samples beside them: {UNDERSTOOD}"
        return ReadError.at(dumps[0], found=str(Form.OBJECTS), expected=expected, hint=hint)
    if len({id(error) for _, error in failed}) == 1:
        return failed[0][1]
    if failed:
        msg = f"None of {len(failed):,} files could be read; the first: {_cause(failed[0][1])}"
        return ReadError(msg)
    if len(skipped) == 1:
        return ReadError.at(skipped[0][0], found=skipped[0][1], expected=UNDERSTOOD)
    return ReadError.at(path, found=f"{len(skipped):,} files that hold no recording", expected=UNDERSTOOD)


def _cause(error: Exception) -> str:
    return str(error)


def _named(names: Sequence[str], most: int = _NAMES_SHOWN) -> str:
    """List some names."""
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:most])
    more = len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown
