"""`rm.read`: any file, folder or glob, told by its content."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from rmtoolkit._io import IN_COLUMNS, is_far, is_lake, is_store, is_url
from rmtoolkit.exceptions import ReadError, RmtoolkitError, did_you_mean, named, quote, quote_path, warn
from rmtoolkit.loaders import _files
from rmtoolkit.loaders.prometheus import is_remote_read
from rmtoolkit.recording import Recording, as_recording, concat, reading
from rmtoolkit.schema import BYTE_SIGNALS
from rmtoolkit.text import and_more, count, texts, unread


class Form(StrEnum):
    SERVER = "the address of a Prometheus server"
    PROMETHEUS = "a Prometheus answer"
    KUBECTL = "kubectl top output"
    OBJECTS = "Kubernetes objects"
    JEMALLOC = "jemalloc statistics"
    MALLOC = "glibc, tcmalloc or mimalloc statistics"
    DOCKER = "Docker output"
    PROCFS = "memory files of Linux"
    KERNEL = "lines of the kernel about OOM kills"
    RECORDING = "a recording"
    LAKE = "a lake"
    PARQUET = "a table in Parquet or Arrow"
    CSV = "a table in CSV"
    HEAP = "a heap profile"
    OTHER = "no recording"


_HEAD_BYTES: Final = 1 << 18
_DATA_ENDINGS: Final = (".json", ".jsonl", ".ndjson", ".parquet", ".log", ".csv", ".gz", ".zst")
_EXPECTED: Final = "a recording"
#: Files that a warning names.
_WARNED: Final = 5
#: What may be asked of any source.
TIMES: Final = ("start", "end", "last")
NAMES: Final = ("namespace", "workload", "pod")

_SIGNS: Final[dict[str, dict[str, list[str]]]] = texts("loaders/signs")
_OTHERS: Final[dict[str, dict[str, str]]] = texts("loaders/others")
_MARKS: Final = {form: "|".join(sign["marks"]).encode() for form, sign in _SIGNS.items()}
_KINDS: Final = b"(?:%b)(?:List)?" % _MARKS["objects"]
#: What the API shows has a uid or a revision; the manifests that people write have neither.
_OBJECTS: Final = rb'(?m)"kind"\s*+:\s*+"%b"|^(?:- |  )?kind: %b\b' % (_KINDS, _KINDS)
_LIVE: Final = rb'(?m)"uid"\s*+:|^[ \t]++uid: |"resourceVersion"\s*+:|^[ \t]++resourceVersion: '
#: What stands in a file of a cgroup, whose content alone does not say what it is.
_NUMBER: Final = r"\s*+(?:(?:\d++|max)\s*+|(?:[a-z_]++ \d++\s++)+|(?:(?:some|full) avg10=[^\n]*+\s*+)+)"


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def is_parquet(self) -> bool:
        with self.path.open("rb") as stream:
            return stream.read(4) == b"PAR1"

    @cached_property
    def metadata(self) -> dict[str, str]:
        with reading(self.path, "a whole Parquet file"):
            return pl.read_parquet_metadata(self.path)

    @cached_property
    def head(self) -> bytes:
        return _files.read_bytes(self.path, expected=_EXPECTED, first=_HEAD_BYTES)[0]

    @cached_property
    def text(self) -> str:
        return _files.as_text(self.head, self.path, expected=_EXPECTED)[0]

    @cached_property
    def data(self) -> bytes:
        return self.text.encode("utf-8", "replace")

    @cached_property
    def rest(self) -> bytes:
        if len(self.head) < _HEAD_BYTES:
            return b""
        return _files.read_bytes(self.path, expected=_EXPECTED)[0]


def _is_top(file: _File) -> bool:
    from rmtoolkit.loaders._kubectl_rows import CUSTOM, failure  # noqa: PLC0415
    from rmtoolkit.loaders.kubectl_top import as_table  # noqa: PLC0415 - seldom gets so far

    first = file.text.lstrip().split("\n", 1)[0]
    is_table = re.search(_MARKS["kubectl"], file.data) is not None or CUSTOM.search(file.text) is not None
    return is_table or as_table(file.text) is not None or failure(first) is not None


def _told_by(room: str, asked: str, signs: str = "") -> Callable[[_File], bool]:
    # Most files have nothing of that, and get not so far.
    return lambda file: (
        re.search(signs, file.text) is not None
        and bool(getattr(import_module(f"rmtoolkit.loaders.{room}"), asked)(file.text))
    )


def _is_json_rows(file: _File) -> bool:
    from rmtoolkit.loaders.tables import json_rows  # noqa: PLC0415 - few files get so far

    # Below one name after the other stands a column each, the last beyond any head.
    whole = file.rest if file.text.startswith(("{", "[")) else b""
    return any(json_rows(text)[0] for text in (file.text, whole.decode("utf-8", "replace")))


def _is_of_cgroup(file: _File) -> bool:
    if not file.path.name.startswith("memory."):
        return False
    from rmtoolkit.loaders.linux import CGROUP_FILES  # noqa: PLC0415 - few files are such

    return file.path.name in CGROUP_FILES and re.fullmatch(_NUMBER, file.text) is not None


def _has(form: str) -> Callable[[_File], bool]:
    words = [word.encode() for word in _SIGNS[form]["words"]]
    return lambda file: any(word in file.data for word in words) and re.search(_MARKS[form], file.data) is not None


class Reader(NamedTuple):
    """A row of the table: what is tried first stands first."""

    form: Form
    recognises: Callable[[_File], bool]
    #: Module and name of the function: once for each form that is a recording of its own.
    reads: tuple[str, str] | None = None
    #: Files of one folder explain each other: the owners of one file's pods, or a container's limit, stand in another.
    together: bool = False
    #: May stand behind more than the head of a file, as in the log of a program.
    behind: bytes | None = None

    def load(self) -> Callable[..., Recording]:
        assert self.reads is not None  # noqa: S101 - for the type checker; only such rows are asked
        module, name = self.reads
        reader: Callable[..., Recording] = getattr(import_module(f"rmtoolkit.{module}"), name)
        return reader


READERS: Final = (
    Reader(Form.SERVER, lambda _: False, ("loaders.prometheus.live", "read_url")),
    Reader(Form.LAKE, lambda file: is_lake(file.path), ("lake", "read_lake")),
    Reader(
        Form.RECORDING,
        lambda file: file.is_parquet and "rmtoolkit.recording" in file.metadata,
        ("recording", "read_recording"),
    ),
    Reader(Form.PARQUET, lambda file: file.head.startswith(IN_COLUMNS), ("loaders.tables", "read_table")),
    Reader(Form.HEAP, lambda file: re.match(_MARKS["heap"], file.head) is not None),
    Reader(
        Form.PROMETHEUS,
        lambda file: is_remote_read(file.head),
        ("loaders.prometheus.saved", "read_prometheus"),
        together=True,
    ),
    Reader(Form.PROCFS, _is_of_cgroup, ("loaders.linux", "read_procfs"), together=True),
    Reader(Form.KUBECTL, _has("metrics"), ("loaders.kubectl_top", "read_kubectl_top"), behind=_MARKS["metrics"]),
    Reader(Form.JEMALLOC, _has("jemalloc"), ("loaders.allocators", "read_jemalloc_stats"), behind=_MARKS["jemalloc"]),
    Reader(Form.PROMETHEUS, _has("prometheus")),
    Reader(Form.PROMETHEUS, _told_by("prometheus._forms", "is_samples")),
    Reader(Form.PROMETHEUS, _told_by("prometheus._forms", "is_other_json")),
    Reader(Form.MALLOC, _has("malloc"), ("loaders.allocators", "read_malloc_info"), behind=_MARKS["malloc"]),
    Reader(Form.OBJECTS, lambda file: None not in (re.search(_OBJECTS, file.data), re.search(_LIVE, file.data))),
    Reader(Form.CSV, _told_by("tables", "head_of", r"[,;\t|]"), ("loaders.tables", "read_table")),
    Reader(Form.KERNEL, _has("kernel"), ("loaders.linux", "read_kernel"), behind=_MARKS["kernel"]),
    Reader(Form.DOCKER, _has("docker"), ("loaders.docker", "read_docker_stats"), together=True),
    Reader(Form.PROCFS, _has("procfs")),
    Reader(Form.KUBECTL, _is_top, behind=_MARKS["kubectl"]),
    Reader(Form.CSV, _is_json_rows),
)

#: The row that reads each form that is a recording of its own.
OF_FORM: Final = {row.form: row for row in sorted(READERS, key=lambda row: [*Form].index(row.form)) if row.reads}
UNDERSTOOD: Final = f"{', '.join(OF_FORM)}; files also packed with gzip or zstd"


def sources() -> list[tuple[Form, str, str]]:
    return [(form, source, how) for form in Form for source, how in texts("loaders/sources").get(form.name, ())]


def recognise(path: Path) -> tuple[Form, str]:
    """Tell what a file is, and why it is none that can be read; one that should be one and is not is an error."""
    file = _File(path)
    try:
        form = next((row.form for row in READERS if row.recognises(file)), None)
        if form in (None, Form.OBJECTS) and file.rest:
            # Metrics may stand behind the objects; a table does not.
            marks = [(row.behind, row.form) for row in READERS if form is None or row.behind is not _MARKS["kubectl"]]
            form = next((there for mark, there in marks if mark and re.search(mark, file.rest)), form)
    except ReadError as error:
        # A file without data that is called like one with data was meant to hold some.
        why = str(error).partition(": found ")[2].partition(", expected")[0].strip("'\"")
        meant = path.name.lower().endswith(_DATA_ENDINGS) or why in ("an empty file", "only blanks", *_files.HOLDERS)
        if meant or file.is_parquet:
            raise
        return Form.OTHER, why
    if form is None:
        known = (name for name, told in _OTHERS.items() if "mark" in told and re.search(told["mark"], file.text))
        return Form.OTHER, next(known, "other JSON" if file.text.lstrip()[:1] in ("{", "[") else "other text")
    return form, str(form) if form is Form.HEAP else ""


def read(path: _files.PathLike | Iterable[_files.PathLike], **options: Any) -> Recording:  # noqa: ANN401 - passed on
    r"""Read whatever holds a recording.

    Parameters
    ----------
    path
        A file, a folder (to its bottom, without hidden files), a glob, the address of a Prometheus server
        (``http://…``), of a lake in an object store (``s3://…``), or several of them. What a file is, is told by its
        content (the README lists what there is); each may be packed with gzip or zstd. A table in memory (what has
        ``__arrow_c_stream__``) is read by `Recording.from_frame`.
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
    if hasattr(path, "__arrow_c_stream__"):
        check_options(options, [path])
        _warn_of_idle(options)
        return as_recording(path)
    named = [path] if isinstance(path, str | os.PathLike) else list(path)
    check_options(options, named)
    if far := [item for item in named if is_far(item)]:
        return _far(far, [item for item in named if item not in far], options)
    if not named:
        msg = f"Nothing to read: the list of files is empty. Understood are {UNDERSTOOD}."
        raise ReadError(msg)
    return _near(named, options)


def _near(named: Sequence[_files.PathLike], options: Mapping[str, Any], cut_by: Sequence[str] = ()) -> Recording:
    """Read files; options by which they are cut afterwards are of use whoever takes them."""
    found, given = _files.find_files(named, expected=UNDERSTOOD, meant="a file, a folder or a glob", hint=_server_hint)
    sorted_out = _sort_out(found)
    parts, used = _read_all(sorted_out, options)
    if not parts:
        raise _nothing(named[0] if len(named) == 1 else named, sorted_out)
    recording = _explained(concat(parts), sorted_out)
    _warn_of_idle({name: value for name, value in options.items() if name not in used.union(cut_by)})
    skipped = sorted_out.skipped
    if foreign := [file for file in skipped if file in given]:
        warn(f"{count(len(foreign), 'source holds', 'sources hold')} no recording: {_named(foreign, _WARNED)}")
    if failed := sorted_out.failed:
        warn(f"{unread(len(failed), len(found))}: {_named(failed, _WARNED)}; the first: {next(iter(failed.values()))}")
    _files.warn_of_names(recording.report, "in these files")
    told = [error or f"Could not read {quote_path(file)}, either." for file, error in failed.items()]
    notes = (f"skipped, no recording: {_named(skipped)}",) * bool(skipped)
    report = recording.report.more(warnings=notes).without(told)
    _files.warn_of_values(recording.report, found)
    if recording.stored is None and not any(recording.samples[name].count() for name in BYTE_SIGNALS):
        warn(f"No amount of memory is in {_named(found, _WARNED)}. Hint: read it together with samples of memory.")
    # The samples of a large file stay where they are.
    samples = recording.samples if recording.stored is None else recording.stored
    return Recording(recording.containers, samples, recording.events, report)


def _server_hint(item: str) -> str:
    if "://" in item:
        return "The address of a server begins with http:// or https://."
    return f"For a server write {quote(f'http://{item}')}." if re.fullmatch(r"[\w.-]+:\d{2,5}(/\S*)?", item) else ""


def _far(urls: Sequence[object], others: Sequence[_files.PathLike], options: Mapping[str, Any]) -> Recording:
    from_servers = {name: value for name, value in options.items() if name in _options_of(Form.SERVER)}
    server, lake = OF_FORM[Form.SERVER].load(), OF_FORM[Form.LAKE].load()
    parts = [lake(str(url)) if is_store(url) else server(str(url), **from_servers) for url in urls]
    if others:
        of_files = {name: value for name, value in options.items() if name in _options_of_files()}
        parts.append(_near(others, of_files, cut_by=NAMES))
    whole = concat(parts)
    if not others and not any(map(is_url, urls)):
        _warn_of_idle(options)
    if all(map(is_url, (*urls, *others))):
        return whole
    # What a server is asked for, other sources are cut to.
    times, names = ({name: options[name] for name in some if name in options} for some in (TIMES, NAMES))
    whole = whole.window(**times) if times else whole
    return whole.filter(**names) if names else whole


class _SortedOut(NamedTuple):
    """Files by what they are; those that hold no recording; those that should and cannot be read."""

    forms: dict[Form, list[Path]]
    skipped: dict[Path, str]
    failed: dict[Path, Exception | None]  # none of what was read together with the one before


def _sort_out(found: Sequence[Path]) -> _SortedOut:
    result = _SortedOut({}, {}, {})
    for file in found:
        try:
            with named(f"Could not read {quote(file)}", ReadError):
                form, why = recognise(file)
        except (ReadError, OSError) as error:
            result.failed[file] = _files.unreadable(file, error)
            continue
        if form in OF_FORM or form is Form.OBJECTS:
            result.forms.setdefault(form, []).append(file)
        else:
            result.skipped[file] = why
    return result


def _read_all(sorted_out: _SortedOut, options: Mapping[str, object]) -> tuple[list[Recording], set[str]]:
    """Read format by format; add to the failures; say which options had a use."""
    parts: list[Recording] = []
    used: set[str] = set()
    for form, paths in sorted_out.forms.items():
        if form is Form.OBJECTS:
            continue
        reader = OF_FORM[form].load()
        wanted = {name: value for name, value in options.items() if name in _options_of(form)}
        used |= set(wanted)
        for group in [paths] if OF_FORM[form].together else [[file] for file in paths]:
            try:
                names = _files.shown(group)
                with named(f"Could not read {names}", ReadError):
                    part = reader(group[0] if len(group) == 1 else group, **wanted)
                _files.check_samples(part, names)
                parts.append(part)
            except (ReadError, OSError) as error:
                sorted_out.failed.update({**dict.fromkeys(group), group[0]: _files.unreadable(group[0], error)})
    return parts, used


def _explained(recording: Recording, sorted_out: _SortedOut) -> Recording:
    if files := sorted_out.forms.get(Form.OBJECTS):
        from rmtoolkit.loaders.kubernetes import joined, read_objects  # noqa: PLC0415

        with named(f"Could not read {_files.shown(files)}", ReadError):
            objects, failed = read_objects(files)
            recording = joined(recording, objects)
        sorted_out.failed.update(failed)
    if sorted_out.forms.get(Form.KERNEL):
        from rmtoolkit.loaders.linux import with_kills  # noqa: PLC0415

        recording = with_kills(recording)
    return recording


def _warn_of_idle(options: Mapping[str, object]) -> None:
    if given := sorted(line for name, to in options.items() if to is not None for line in _files.as_given(name, to)):
        warn(f"{', '.join(given)}: no reader of these sources takes it.")


def _options_of(form: Form) -> list[str]:
    readers: list[Callable[..., object]] = [OF_FORM[form].load()]
    if form is Form.SERVER:
        from rmtoolkit.loaders.prometheus.live import Prometheus, server_at  # noqa: PLC0415

        readers += [server_at, Prometheus.recording]
    parameters = [one for reader in readers for one in inspect.signature(reader).parameters.values()]
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _options_of_files() -> set[str]:
    return {name for form in OF_FORM if form is not Form.SERVER for name in _options_of(form)}


def check_options(options: Mapping[str, object], sources: Sequence[object]) -> None:
    """Refuse an option that no reader takes, since it is misspelt, or none of these sources."""
    if not options:
        return
    of_servers, of_files = set(_options_of(Form.SERVER)), _options_of_files()
    known = sorted(of_servers | of_files)
    for name in options:
        if name not in known:
            msg = f"No reader takes an option {quote(name)}. There are: {', '.join(known)}."
            raise RmtoolkitError(f"{msg} {did_you_mean(name, known)}".rstrip())
        if name not in of_files and not any(map(is_url, sources)):
            msg = f"{name}= is for servers, and no source begins with http:// or https://."
            raise RmtoolkitError(f"{msg} Hint: rm.read(…).window({name}=…)." if name in TIMES else msg)
        if name not in of_servers and sources and all(map(is_far, sources)):
            msg = f"{name}= is for files, and there is none among the sources."
            raise RmtoolkitError(msg)


def _nothing(path: object, sorted_out: _SortedOut) -> Exception:
    failed, skipped = sorted_out.failed, sorted_out.skipped
    dumps = sorted_out.forms.get(Form.OBJECTS, [])
    if dumps and not failed:
        hint = "Read them together with the output of kubectl top pod --containers, or use rmtoolkit record --kubectl."
        expected = f"memory samples beside them: {UNDERSTOOD}"
        return ReadError.at(dumps[0], found=str(Form.OBJECTS), expected=expected, hint=hint)
    if failed:
        first, *others = filter(None, failed.values())
        return ReadError(f"None of {len(failed):,} files could be read; the first: {first}") if others else first
    if len(skipped) == 1:
        file, why = next(iter(skipped.items()))
        head, _, row = (_File(file).text if why == "other text" else "").strip().partition("\n")
        cells = (head.count(sign) == row.partition("\n")[0].count(sign) > 1 for sign in ",;\t")
        if why == "other text" and (file.suffix.lower() in (".csv", ".tsv") or any(cells)):
            expected = "a first line that names a time and a memory column, such as `time,rss_bytes`"
            hint = "Hint: call the columns time, namespace, pod, container and memory_bytes."
            return ReadError.at(file, found=head, expected=expected, line=1, hint=hint)
        hint = f"Hint: {_OTHERS[why]['hint']}" if why in _OTHERS else ""
        return ReadError.at(file, found=why, expected=UNDERSTOOD, hint=hint)
    return ReadError.at(path, found=f"{len(skipped):,} files that hold no recording", expected=UNDERSTOOD)


def _named(files: Iterable[Path], most: int = 10) -> str:
    names = [file.name if file.name.isprintable() else ascii(file.name) for file in files]
    return ", ".join(names[:most]) + and_more(len(names), most)
