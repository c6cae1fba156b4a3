"""Answers of a Prometheus server in files: documents, errors, damage; samples still raw JSON."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from rmtoolkit.exceptions import ReadError, quote, quote_path
from rmtoolkit.loaders._files import counted, read_bytes, unreadable
from rmtoolkit.loaders.prometheus._remote_read import is_remote_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


PathLike: TypeAlias = str | os.PathLike[str]

EXPECTED: Final = "a saved Prometheus answer (JSON)"

_HEAD_BYTES: Final = 1 << 10
_NAMES: Final = (".json", ".jsonl", ".ndjson")
_COMPRESSED: Final = (".gz", ".zst", ".zstd")


def find_files(path: PathLike | Iterable[PathLike]) -> tuple[list[Path], int]:
    """Find the files that a path, a folder, a glob or several of them mean."""
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    found: dict[Path, None] = {}
    passed_over = 0
    for item in given:
        here = Path(item)
        if _is(here, Path.is_dir):
            inside = sorted(file for file in here.rglob("*") if file.is_file() and not file.name.startswith("."))
            named = [file for file in inside if is_answer_name(file.name) or _is_remote_read(file)]
            passed_over += len(inside) - len(named) if named else 0
            files = named or inside
            if not files:
                raise ReadError.at(item, found="a folder without files", expected=EXPECTED)
        elif _is(here, Path.is_file):
            files = [here]
        else:
            files = _glob(str(item))
            if not files:
                raise ReadError.at(
                    item,
                    found="no such file or folder",
                    expected=EXPECTED,
                    hint="Give a file, a folder, a glob such as 'week/*.json', or a list of them.",
                )
        found.update(dict.fromkeys(files))
    if not found:
        raise ReadError.at(given, found="an empty list of files", expected=EXPECTED)
    return list(found), passed_over


def is_answer_name(name: str) -> bool:
    """Tell by its name whether a file may hold a saved answer."""
    return without_compression(name.lower()).endswith(_NAMES)


def without_compression(name: str) -> str:
    """Take the ending of a compressed file off its name."""
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return name


def read_content(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Read a file whole, decompressed when it is gzip or zstd."""
    try:
        return read_bytes(path, expected=EXPECTED)
    except OSError as error:
        raise unreadable(path, error) from error


def _is_remote_read(file: Path) -> bool:
    """Tell by its beginning whether a file is the answer to a remote read."""
    try:
        return is_remote_read(read_bytes(file, expected=EXPECTED, first=_HEAD_BYTES)[0][:_HEAD_BYTES])
    except (OSError, ReadError):
        return False


def _is(path: Path, question: Callable[[Path], bool]) -> bool:
    try:
        return question(path)
    except (OSError, ValueError):
        return False


def _glob(pattern: str) -> list[Path]:
    import glob  # noqa: PLC0415 - only needed on this path

    try:
        return sorted(path for path in map(Path, glob.iglob(pattern, recursive=True)) if path.is_file())  # noqa: PTH207
    except (OSError, ValueError):
        return []


_SPACE: Final = re.compile(rb"\s*")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_SERIES_END: Final = re.compile(rb"\]\s*\}")
_NEXT_DOCUMENT: Final = re.compile(rb"\n(?=[{\[])")
_OPENINGS: Final = b"{["
_LIST: Final = ord("[")
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

#: A salvage tries this many places where a series may have ended; the last one is nearly always right.
_SALVAGE_TRIES: Final = 4
#: After this many unreadable documents a file is noise.
_MOST_UNREADABLE: Final = 1000

TRUNCATED: Final = "series at the end of cut-off files"
LOGS: Final = "a log answer of Loki (lines of text), not metrics"
UNREADABLE: Final = "stretches of text that are no JSON"
ODD_LABELS: Final = "labels whose value is no text"
NO_SERIES: Final = "series of another form"
NOT_UTF8: Final = "files with bytes that are not UTF-8 (shown as �)"


class Series(msgspec.Struct):
    """One series of an answer; the samples stay the bytes they were."""

    metric: dict[str, str] = {}
    values: Raw | UnsetType = UNSET
    value: Raw | UnsetType = UNSET
    timestamps: Raw | UnsetType = UNSET
    histograms: Raw | UnsetType = UNSET
    histogram: Raw | UnsetType = UNSET


class _Data(msgspec.Struct, rename={"kind": "resultType"}):
    result: list[Series] | UnsetType = UNSET
    kind: str = ""


class _Document(Series, rename={"error_type": "errorType", "is_partial": "isPartial"}):
    """Whatever form a document has: a server's answer, its `data` alone, or an export line."""

    status: str = ""
    data: _Data | UnsetType = UNSET
    result: list[Series] | UnsetType = UNSET
    error_type: str = ""
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None
    is_partial: bool = False


@dataclass(slots=True)
class Answers:
    """What a file, or the body of an answer, holds."""

    series: list[Series] = field(default_factory=list)
    documents: int = 0  # how many documents were answers with series (perhaps none in them)
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def parse_answers(content: bytes, source: object) -> Answers:
    """Split text into answers and series without looking at a single sample."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            content = content.decode(encoding, "replace").encode()
    if _skip_space(content, 0) == len(content):
        raise ReadError.at(source, found="an empty file" if not content else "only blanks", expected=EXPECTED)
    try:
        return _documents(content, source)
    except UnicodeDecodeError:
        answers = _documents(content.decode("utf-8", "replace").encode(), source)
        answers.left_out[NOT_UTF8] += 1
        return answers


def _documents(content: bytes, source: object) -> Answers:
    answers = Answers()
    view = memoryview(content)
    place = _skip_space(content, 0)
    trouble: tuple[int, str] | None = None
    while place < len(content) and answers.left_out[UNREADABLE] < _MOST_UNREADABLE:
        try:
            place += _document(view[place:], answers)
        except (msgspec.MsgspecError, RecursionError) as error:
            said = str(error)
            number = _BYTE.search(said)
            at = place + int(number[1]) if number else len(content)
            trouble = trouble or (at, _BYTE.sub("", said).strip())
            following = _NEXT_DOCUMENT.search(content, place + 1)
            end = following.start() if following else len(content)
            if _salvage(view[place:end], answers):
                answers.left_out[TRUNCATED] += 1
                answers.partial.append(
                    f"{quote_path(source)} is cut off or damaged at byte {at:,}; the series before were read"
                )
            else:
                answers.left_out[UNREADABLE] += 1
            place = end
        place = _skip_space(content, place)
    if answers.left_out[UNREADABLE] and trouble:
        what = counted(answers.left_out[UNREADABLE], UNREADABLE)
        answers.partial.append(f"{quote_path(source)} holds {what} (first trouble at byte {trouble[0]:,})")
    if not answers.documents:
        _nothing_read(content, source, answers, trouble)
    return answers


def _skip_space(content: bytes, place: int) -> int:
    found = _SPACE.match(content, place)
    return found.end() if found else place


def _document(view: memoryview, answers: Answers) -> int:
    """Read the document that the view begins with; give its length."""
    if view[0] not in _OPENINGS:
        msg = "no JSON object or array (byte 0)"
        raise msgspec.DecodeError(msg)
    length = len(view)
    try:
        document = _decode(view)
    except msgspec.ValidationError as error:
        length = _length(view)
        if not _one_by_one(view[:length], answers):
            _refuse(view[:length], str(error), answers)
        return length
    except msgspec.DecodeError as error:
        length = _trailing(error)
        try:
            document = _decode(view[:length])
        except msgspec.ValidationError as other:
            if not _one_by_one(view[:length], answers):
                _refuse(view[:length], str(other), answers)
            return length
    _take(document, answers)
    return length


def _decode(view: memoryview) -> list[Series] | _Document:
    if view[0] == _LIST:
        return msgspec.json.decode(view, type=list[Series])
    return msgspec.json.decode(view, type=_Document)


def _trailing(error: msgspec.DecodeError) -> int:
    """Where a complete document ended, when the only trouble is that another follows."""
    number = _BYTE.search(str(error))
    if number is None or "trailing characters" not in str(error):
        raise error
    # msgspec names the byte after the one that it tripped over.
    return int(number[1]) - 1


def _length(view: memoryview) -> int:
    try:
        msgspec.json.decode(view, type=Raw)
    except msgspec.DecodeError as error:
        return _trailing(error)
    return len(view)


def _take(document: list[Series] | _Document, answers: Answers) -> None:
    if isinstance(document, list):
        answers.series += document
        answers.documents += 1
        return
    if document.data is not UNSET and document.data.kind == "streams":
        answers.refused.append(LOGS)
        return
    if document.status == "error" or document.error:
        answers.refused.append(f"the error answer {quote(document.error_type)}: {_line(document.error)}")
        return
    for text in document.warnings or ():
        is_annotation = text.startswith("PromQL ")
        (answers.warnings if is_annotation else answers.partial).append(f"the server warned: {_line(text)}")
    answers.warnings += [f"the server noted: {_line(text)}" for text in document.infos or ()]
    if document.is_partial:
        answers.partial.append("the server marked its answer as partial")
    result = document.data.result if document.data is not UNSET else document.result
    if result is not UNSET:
        answers.series += result
    elif document.metric or document.values is not UNSET or document.value is not UNSET:
        answers.series.append(document)
    else:
        answers.refused.append("a JSON object without series")
        return
    answers.documents += 1


def _one_by_one(view: memoryview, answers: Answers) -> bool:
    """Read the series of an answer in which one has another form; tell whether any could be read."""
    try:
        if view[0] == _LIST:
            document: list[Series] | _Document = _good_series(view, answers)
        else:
            parts = msgspec.json.decode(view, type=dict[str, Raw])
            outer = parts
            if "data" in parts:
                outer = msgspec.json.decode(parts["data"], type=dict[str, Raw])
            alone = "result" not in outer
            series = _good_series(b"[%b]" % bytes(view) if alone else outer.pop("result"), answers)
            if outer is not parts:
                parts["data"] = Raw(msgspec.json.encode(outer))
            document = series if alone else msgspec.json.decode(msgspec.json.encode(parts), type=_Document)
            if isinstance(document, _Document):
                document.result = series
                document.data = UNSET
        if not document or (isinstance(document, _Document) and not document.result):
            return False
    except msgspec.MsgspecError:
        return False
    _take(document, answers)
    return True


def _good_series(text: bytes | memoryview | Raw, answers: Answers) -> list[Series]:
    """Read each series by itself; count those of another form, and labels that are no text."""
    found: list[Series] = []
    wrong, odd = 0, 0
    for one in msgspec.json.decode(text, type=list[Raw]):
        try:
            found.append(msgspec.json.decode(one, type=Series))
            continue
        except msgspec.ValidationError:
            pass
        try:
            parts = msgspec.json.decode(one, type=dict[str, Raw])
            metric = msgspec.json.decode(parts["metric"], type=dict[str, Any])
            labels = {name: value for name, value in metric.items() if isinstance(value, str)}
            # A number is what somebody forgot to quote; anything else says nothing.
            numbers = {name: str(value) for name, value in metric.items() if type(value) in (int, float)}
            parts["metric"] = Raw(msgspec.json.encode(labels | numbers))
            found.append(msgspec.json.decode(msgspec.json.encode(parts), type=Series))
            odd += len(metric) - len(labels)
        except (msgspec.MsgspecError, KeyError):
            wrong += 1
    if found:
        answers.left_out.update({ODD_LABELS: odd, NO_SERIES: wrong})
    return found


def _line(text: str) -> str:
    """Foreign text in a message: one line, but long enough for a server's explanation."""
    cut = " ".join(text[:400].split())
    return ascii(cut)[1:-1] if not cut.isprintable() else cut + ("…" if len(text) > 400 else "")  # noqa: PLR2004


def _refuse(view: memoryview, said: str, answers: Answers) -> None:
    """Say what a JSON document is that has not the form of an answer."""
    what = f"JSON of another form ({said})"
    try:
        parts = msgspec.json.decode(view, type=dict[str, Raw])
        data = bytes(parts.get("data", Raw(b"null")))
        if bytes(parts.get("status", Raw(b""))) == b'"error"':
            what = f"the error answer {quote(bytes(parts.get('errorType', Raw(b''))))}"
        elif data.startswith(b"["):
            what = "a list of labels, series or exemplars"
        elif data.startswith(b"{"):
            kind = bytes(msgspec.json.decode(data, type=dict[str, Raw]).get("resultType", Raw(b"null")))
            if kind in (b'"scalar"', b'"string"'):
                what = f"a {kind.decode()[1:-1]}, which has no series"
            elif kind == b'"streams"':
                what = LOGS
            elif kind == b"null":
                what = "an answer about the server, not about metrics"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    answers.refused.append(what)


def _salvage(view: memoryview, answers: Answers) -> bool:
    """Read the complete series of a document that is cut off."""
    ends = deque((found.end() for found in _SERIES_END.finditer(view)), maxlen=_SALVAGE_TRIES)
    closings = (b"]",) if view[0] == _LIST else (b"]}}", b"}", b"]}")
    for end in reversed(ends):
        for closing in closings:
            taken = Answers()
            try:
                _document(memoryview(bytes(view[:end]) + closing), taken)
            except (msgspec.MsgspecError, RecursionError):
                continue
            if taken.series:
                answers.series += taken.series
                answers.documents += 1
                return True
    return False


def _nothing_read(content: bytes, source: object, answers: Answers, trouble: tuple[int, str] | None) -> NoReturn:
    if answers.refused:
        what = answers.refused[0]
        hint = (
            "It holds no samples: mend the query and save the answer again."
            if what.startswith("the error answer")
            else "Save the answer to a query for a metric, such as container_memory_working_set_bytes[1d]."
        )
        msg = f"Could not read {quote_path(source)}: found {what}; expected a matrix or a vector of series. {hint}"
        raise ReadError(msg)
    at, said = trouble or (0, "no JSON")
    head = content[:4096].lstrip()
    if head[:1] == b"<":
        hint = "A login or error page looks like this: sign in and save the answer again."
    elif b"\0" in head:
        hint = "It is binary; save the answer of /api/v1/query_range or /api/v1/query as JSON."
    elif head[:1] in (b"{", b"["):
        hint = f"The JSON is damaged at byte {at:,}: {said}. Save the answer again."
    elif head.startswith((b"# HELP", b"# TYPE")):
        hint = "It is the text of /metrics, one instant only; ask /api/v1/query_range for the history."
    else:
        hint = "Save the answer of /api/v1/query_range or /api/v1/query."
    is_json = head[:1] in (b"{", b"[")
    place = at if is_json else _skip_space(content, 0)
    shown = content[max(0, min(place, len(content) - 40)) :][:80] if is_json else head[:80]
    line = content.count(b"\n", 0, place) + 1
    raise ReadError.at(source, found=shown, expected=EXPECTED, line=line, hint=hint)
