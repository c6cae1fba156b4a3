"""Answers of a Prometheus server: documents, errors, damage; and their samples, without a Python object for each."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, TypeVar

import msgspec
import numpy as np
import polars as pl
from msgspec import UNSET, Raw, UnsetType
from numpy.typing import NDArray

from rmtoolkit._identity import any_contradicts, place_names, summaries
from rmtoolkit.exceptions import ReadError, quote, quote_path
from rmtoolkit.loaders._files import MARKS, read_bytes
from rmtoolkit.loaders._timestamps import Asked
from rmtoolkit.loaders.prometheus import HISTOGRAMS, NO_SAMPLES, TRUNCATED, Found, is_remote_read
from rmtoolkit.schema import CONTRADICTING, NO_NUMBERS, NO_PAIR, NO_TIMES, SUMMARIES, TWICE
from rmtoolkit.text import counted, first, texts

EXPECTED: Final = "a saved Prometheus answer (JSON)"

_SPACE: Final = re.compile(rb"\s*")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_SERIES_END: Final = re.compile(rb"\]\s*\}")
_NEXT_DOCUMENT: Final = re.compile(rb"\n(?=[{\[])")

#: A salvage tries this many places where a series may have ended; the last one is nearly always right.
_SALVAGE_TRIES: Final = 4
_MOST_UNREADABLE: Final = 1000

LOGS: Final = "a log answer of Loki (lines of text), not metrics"
UNREADABLE: Final = "stretches of text that are no JSON"
ODD_LABELS: Final = "labels whose value is no text"
NO_SERIES: Final = "series of another form"
NOT_UTF8: Final = "files that are not UTF-8 throughout (bad bytes are shown as �)"
#: ``[seconds,"value"]`` with digits and a point only.
_SAMPLE: Final = re.compile(rb'\[(\d{1,11})(?:\.(\d{1,3}))?,"(\d{1,15})(?:\.(\d{1,14}))?"\]')
#: A mantissa of so many digits, over a power of ten up to 10**22, are both exact: one division rounds correctly.
_MOST_DIGITS: Final = 15
#: Shorter stretches of one width are not worth the start; longer ones leave a processor's cache.
_LEAST_ROWS: Final = 32
_MOST_ROWS: Final = 1 << 14
#: 2109. A later time, or one before 1970, is damage.
MOST_MILLISECONDS: Final = 1 << 42
#: What Prometheus stores where a series ended: no number, and not the NaN that arithmetic gives.
STALE_BITS: Final = np.uint64(0x7FF0000000000002)
STALE: Final = np.array([STALE_BITS]).view(np.float64)[0]

NO_SERIES_FORM: Final = "series whose samples are not pairs of time and value"

_LINE: Final = {"nothing": pl.String(), "seconds": pl.Float64(), "value": pl.Float64()}
#: Shorter series are read faster all at once.
_LONG_BYTES: Final = 1 << 14
_Pair: TypeAlias = tuple[float, float | str | None]
_Number = TypeVar("_Number", np.int64, np.float64)
_Waiting: TypeAlias = "tuple[int, *tuple[bytes | memoryview, ...]]"

#: Text that is turned into numbers at once: enough for speed, little beside the answer itself.
_BATCH_BYTES: Final = 16 << 20
#: Google's series begin like it, but for labels in labels and a path.
_ANSWER: Final = re.compile(rb'"metric"\s*+:\s*+\{(?!\s*+(?:"labels"\s*+:\s*+\{|"type"\s*+:\s*+"[^"/]*+/))')
_ANSWER_BYTES: Final = 1 << 16

#: What is left out of an answer that is not whole, or not as a server writes it.
DAMAGE: Final = (TRUNCATED, NOT_UTF8, ODD_LABELS, NO_SERIES, NO_SERIES_FORM, NO_PAIR, NO_NUMBERS, NO_TIMES)
#: Stands among the labels where nothing but the file tells series of one name apart.
FILE_LABEL: Final = "rmtoolkit_file"


class Series(msgspec.Struct):
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
    series: list[Series] = field(default_factory=list)
    documents: int = 0  # how many documents were answers with series (perhaps none in them)
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def parse_answers(content: bytes, source: object) -> Answers:
    """Split text into answers and series without looking at a single sample."""
    for mark, encoding in MARKS:
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
    if view[0] not in b"{[":
        msg = "no JSON object or array (byte 0)"
        raise msgspec.DecodeError(msg)
    length = len(view)
    try:
        document = _decode(view)
    except msgspec.DecodeError as error:
        length = _length(view, error)
        try:
            document = _decode(view[:length])
        except msgspec.ValidationError as other:
            if not _one_by_one(view[:length], answers):
                _refuse(view[:length], str(other), answers)
            return length
    _take(document, answers)
    return length


def _decode(view: memoryview) -> list[_Document] | _Document:
    if view[0] == ord("["):
        return msgspec.json.decode(view, type=list[_Document])
    return msgspec.json.decode(view, type=_Document)


def _length(view: memoryview, error: msgspec.DecodeError) -> int:
    """Where a complete document ended, when the only trouble is its form, or that another follows."""
    if isinstance(error, msgspec.ValidationError):
        try:
            msgspec.json.decode(view, type=Raw)
        except msgspec.DecodeError as other:
            error = other
        else:
            return len(view)
    number = _BYTE.search(str(error))
    if number is None or "trailing characters" not in str(error):
        raise error
    # msgspec names the byte after the one that it tripped over.
    return int(number[1]) - 1


def _take(document: Sequence[Series] | _Document, answers: Answers) -> None:
    if not isinstance(document, _Document):
        answers.documents += not document
        # Of series, or of whole answers, as `jq -s` puts them together.
        for one in document:
            if isinstance(one, _Document):
                _take(one, answers)
            else:
                answers.series.append(one)
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
        parts = msgspec.json.decode(view, type=dict[str, Raw]) if view[0] != ord("[") else {}
        inner = msgspec.json.decode(parts["data"], type=dict[str, Raw]) if "data" in parts else parts
        several = inner.get("result") if parts else view
        series = _good_series(b"[%b]" % bytes(view) if several is None else several, answers)
        said = {name: part for name, part in parts.items() if name not in ("data", "result")}
        document = msgspec.json.decode(msgspec.json.encode(said), type=_Document)
    except msgspec.MsgspecError:
        return False
    if series:
        document.result = series
        _take(document if parts and several is not None else series, answers)
    return bool(series)


def _good_series(text: bytes | memoryview | Raw, answers: Answers) -> list[Series]:
    found: list[Series] = []
    wrong, odd = 0, 0
    for one in msgspec.json.decode(text, type=list[Raw]):
        with suppress(msgspec.ValidationError):
            found.append(msgspec.json.decode(one, type=Series))
            continue
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
    what = f"JSON of another form ({said})"
    # Parts stay as they are: what is refused may be large.
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
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
    answers.refused.append(what)


def _salvage(view: memoryview, answers: Answers) -> bool:
    ends = deque((found.end() for found in _SERIES_END.finditer(view)), maxlen=_SALVAGE_TRIES)
    for end in reversed(ends):
        for closing in (b"]",) if view[0] == ord("[") else (b"]}}", b"}", b"]}"):
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
    hints = texts("loaders/hints")["saved"]
    if answers.refused:
        what = answers.refused[0]
        hint = hints["an_error" if what.startswith("the error answer") else "another"]
        msg = f"Could not read {quote_path(source)}: found {what}; expected a matrix or a vector of series. {hint}"
        raise ReadError(msg)
    at, said = trouble or (0, "no JSON")
    head = content[:4096].lstrip()
    is_json = head[:1] in (b"{", b"[")
    kind = first(page=head[:1] == b"<", binary=b"\0" in head, damaged=is_json) or "text"
    place = at if is_json else _skip_space(content, 0)
    shown = content[max(0, min(place, len(content) - 40)) :][:80] if is_json else head[:80]
    line, hint = content.count(b"\n", 0, place) + 1, hints[kind].format(at=at, said=said)
    raise ReadError.at(source, found=shown, expected=EXPECTED, line=line, hint=hint)


def read_even(text: memoryview) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    data = np.frombuffer(text, np.uint8)
    place, ahead = 1, _MOST_ROWS
    times: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    while place < len(text):
        sample = _SAMPLE.match(text, place)
        if sample is None or len(sample[3] + (sample[4] or b"")) > _MOST_DIGITS:
            return None
        width = sample.end() + 1 - place
        size = min((len(text) - place) // width, ahead) * width
        least, room = _like(re.sub(rb"\d", b"0", sample[0]) + b",")
        # Of digits their number is left, of marks nothing.
        digits = data[place : place + size] - least[:size]
        wrong = digits > room[:size]
        # Behind the last sample stands a bracket, where the others have a comma.
        wrong[-1] &= place + size < len(text)
        good = (int(wrong.argmax()) or size) // width
        if good < _LEAST_ROWS and place + good * width < len(text):
            return None
        rows = digits[: good * width].reshape(good, width)
        spans = (sample.span(field) for field in range(1, 5) if sample[field])
        numbers = iter([_joined_digits(rows[:, begin - place : end - place]) for begin, end in spans])
        time = next(numbers) * 1000
        if sample[2]:
            time += next(numbers) * 10 ** (3 - len(sample[2]))
        scale = 10 ** len(sample[4] or b"")
        value = next(numbers)
        times.append(time)
        values.append((value * scale + next(numbers)) / scale if sample[4] else value.astype(np.float64))
        place += good * width
        # A width that has just changed may soon change again.
        ahead = min(4 * good, _MOST_ROWS)
    return (times[0], values[0]) if len(times) == 1 else (np.concatenate(times), np.concatenate(values))


@lru_cache(maxsize=8)
def _like(sample: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    least = np.frombuffer(sample * _MOST_ROWS, np.uint8)
    return least, (least == ord("0")) * np.uint8(9)


def _joined_digits(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    powers = 10.0 ** np.arange(rows.shape[1])[::-1]
    numbers: NDArray[np.float64] = rows.astype(np.float64) @ powers
    return numbers.astype(np.int64)


class Numbers(NamedTuple):
    counts: NDArray[np.int64]
    times: NDArray[np.int64]  # milliseconds since 1970; -1 where the time is impossible
    values: NDArray[np.float64]


def read_pairs(texts: Sequence[bytes | memoryview], left_out: Counter[str]) -> list[Numbers]:
    """Read ``[[1.5,"2"],[3,"NaN"]]`` of each series: in pieces, so that long ones are copied once, at the end."""
    parts = [read_even(memoryview(text)) if len(text) >= _LONG_BYTES else None for text in texts]
    others = [text for text, part in zip(texts, parts, strict=True) if part is None]
    counts, times, values = _read_compact(others) or stacked([_read_odd(text, left_out) for text in others])
    if len(others) == len(texts):
        return [Numbers(counts, times, values)]
    cuts = np.cumsum(counts)[:-1]
    pieces = zip(np.split(times, cuts), np.split(values, cuts), strict=True)
    return [stacked([next(pieces) if part is None else part]) for part in parts]


def _read_compact(texts: Sequence[bytes | memoryview]) -> Numbers | None:
    joined = b"],[".join([text[2:-2] for text in texts])
    if any(blank in joined for blank in (b" ", b"\n", b"\t", b"\r")):
        texts = [msgspec.json.format(bytes(text), indent=-1) for text in texts]
        joined = b"],[".join([text[2:-2] for text in texts])
    counts = np.array([bytes(text).count(b"],[") for text in texts], np.int64) + 1
    rows = int(counts.sum())
    # One pass leaves ",1.5,2],3,4": a line ends at "]", and the next begins with the comma between samples.
    lines = b"," + joined.translate(None, b'"[')
    # Two quotes a sample and a bracket between two: any other number means another form.
    if len(joined) + 1 - len(lines) != 3 * rows - 1 or b"\\" in joined:
        return None
    try:
        frame = pl.read_csv(lines, has_header=False, schema=_LINE, quote_char=None, eol_char="]")
    except pl.exceptions.PolarsError:
        return None
    if frame.height != rows or frame["seconds"].null_count() or frame["value"].null_count():
        return None
    return Numbers(counts, _milliseconds(frame["seconds"].to_numpy()), frame["value"].to_numpy())


def _read_odd(text: bytes | memoryview, left_out: Counter[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    try:
        pairs = msgspec.json.decode(text, type=list[_Pair])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pairs = _good_pairs(text, left_out)
    values = [_number(value) for _, value in pairs]
    if None in values:
        left_out[NO_NUMBERS] += values.count(None)
    times = _milliseconds(np.array([time for time, _ in pairs], np.float64))
    return times, np.array([np.nan if value is None else value for value in values], np.float64)


def _good_pairs(text: bytes | memoryview, left_out: Counter[str]) -> list[_Pair]:
    """Read the pairs of a series that holds something else as well; count the rest, or the series if none is good."""
    pairs: list[_Pair] = []
    with suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        samples = msgspec.json.decode(text, type=list[Raw])
        for sample in samples:
            with suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                pairs.append(msgspec.json.decode(sample, type=_Pair))
        if pairs:
            left_out[NO_PAIR] += len(samples) - len(pairs)
    if not pairs:
        left_out[NO_SERIES_FORM] += 1
    return pairs


def _number(value: float | str | None) -> float | None:
    if not isinstance(value, str):
        return value
    try:
        # Python alone would take underscores, as in its own literals.
        return None if "_" in value else float(value)
    except ValueError:
        return None


def _milliseconds(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    with np.errstate(over="ignore"):  # beyond all time anyway
        milliseconds = seconds * 1000
    np.rint(milliseconds, out=milliseconds)
    if not len(milliseconds) or (milliseconds.min() >= 0 and milliseconds.max() < MOST_MILLISECONDS):
        return milliseconds.astype(np.int64)
    return np.where((milliseconds >= 0) & (milliseconds < MOST_MILLISECONDS), milliseconds, -1).astype(np.int64)


def stacked(parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Numbers:
    return Numbers(
        np.array([len(times) for times, _ in parts], np.int64),
        _joined([times for times, _ in parts], np.int64),
        _joined([values for _, values in parts], np.float64),
    )


def read_exports(values: Sequence[bytes], timestamps: Sequence[bytes], left_out: Counter[str]) -> Numbers:
    both = zip(values, timestamps, strict=True)
    return _read_arrays(values, timestamps) or stacked([_read_odd_arrays(*one, left_out) for one in both])


def _read_arrays(values: Sequence[bytes], timestamps: Sequence[bytes]) -> Numbers | None:
    counts = np.array([text.count(b",") for text in timestamps], np.int64) + 1
    if [text.count(b",") + 1 for text in values] != counts.tolist():
        return None
    try:
        found = _column(values, pl.Float64())
        times = _column(timestamps, pl.Int64())
    except pl.exceptions.PolarsError:
        return None
    if len(found) != counts.sum() or len(times) != counts.sum() or times.null_count():
        return None
    times = times.set(~times.is_between(0, MOST_MILLISECONDS - 1), -1)
    return Numbers(counts, times.to_numpy(), found.fill_null(STALE).to_numpy())


def _read_odd_arrays(
    value: bytes, timestamp: bytes, left_out: Counter[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if alone := _read_arrays([value], [timestamp]):
        return alone.times, alone.values
    values, times = [], []
    with suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        values, times = (msgspec.json.decode(text, type=list[Raw]) for text in (value, timestamp))
    both = zip(values, times, strict=True) if len(values) == len(times) else ()
    pairs = [_read_arrays([b"[%b]" % bytes(one)], [b"[%b]" % bytes(time)]) for one, time in both]
    good = [numbers for numbers in pairs if numbers]
    left_out.update({NO_PAIR: len(pairs) - len(good)} if good else {NO_SERIES_FORM: 1})
    return _joined([one.times for one in good], np.int64), _joined([one.values for one in good], np.float64)


def _column(texts: Sequence[bytes], dtype: pl.DataType) -> pl.Series:
    lines = b",".join([text[1:-1] for text in texts]).replace(b",", b"\n").replace(b'"', b"")
    return pl.read_csv(lines, has_header=False, schema={"it": dtype}, quote_char=None, null_values="null")["it"]


@dataclass(frozen=True, slots=True)
class Decoded:
    labels: list[dict[str, str]]  # labels of each series, as the server sent them
    sources: list[str]
    counts: NDArray[np.int64]
    times: NDArray[np.int64]  # milliseconds since 1970, UTC, of all samples, series after series
    values: NDArray[np.float64]
    warnings: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def starts(self) -> NDArray[np.int64]:
        return np.cumsum(self.counts) - self.counts

    @property
    def owners(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def of(self, series: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        starts, counts = self.starts[series], self.counts[series]
        return stack(self.times, starts, counts), stack(self.values, starts, counts)

    def span(self, series: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        starts = self.starts[series]
        return self.times[starts], self.times[starts + self.counts[series] - 1]

    def only(self, kept: NDArray[np.bool_]) -> Decoded:
        counts = np.bincount(self.owners[kept], minlength=len(self.counts)).astype(np.int64)
        return replace(self, counts=counts, times=self.times[kept], values=self.values[kept])

    def where(self, series: NDArray[np.bool_]) -> Decoded:
        if series.all():
            return self
        chosen = np.flatnonzero(series)
        return self.chosen(chosen, self.counts[series], *self.of(chosen))

    def chosen(
        self,
        series: NDArray[np.int64],
        counts: NDArray[np.int64],
        times: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> Decoded:
        labels, sources = ([told[index] for index in series.tolist()] for told in (self.labels, self.sources))
        return replace(self, labels=labels, sources=sources, counts=counts, times=times, values=values)


@dataclass(slots=True)
class Decoder:
    warnings: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    time_axes: list[str] = field(default_factory=list)
    _labels: list[dict[str, str]] = field(default_factory=list)
    _sources: list[str] = field(default_factory=list)
    _pairs: list[_Waiting] = field(default_factory=list)
    _exports: list[_Waiting] = field(default_factory=list)
    _waiting_bytes: int = 0
    #: Numbers of the series, and their samples.
    _blocks: list[tuple[NDArray[np.int64], Numbers]] = field(default_factory=list)

    def add(self, content: bytes, source: str, name: str | None = None) -> None:
        if is_remote_read(content):
            from rmtoolkit.loaders.prometheus._remote_read import read_answer  # noqa: PLC0415 - seldom needed

            self._add_block(read_answer(content, source), source, name)
        else:
            self._take(parse_answers(content, source), source, name)

    def _add_block(self, found: Found, source: str, name: str | None) -> None:
        first = len(self._labels)
        self._labels += [labels if name is None else {"__name__": name, **labels} for labels in found.labels]
        self._sources += [source] * len(found.labels)
        numbers = Numbers(found.counts, found.times, found.values)
        self._blocks.append((np.arange(first, len(self._labels), dtype=np.int64), numbers))
        self.left_out.update(found.left_out)
        self.partial += [f"{quote_path(source)}: {note}" for note in found.partial]
        self.time_axes += [found.time_axis] if found.time_axis else []

    def add_file(self, path: Path, name: str | None, asked: Asked) -> None:
        """Take a file, perhaps compressed; what was asked tells the times of samples that have none."""
        content, notes = read_bytes(path, expected=EXPECTED)
        other = None
        if not _ANSWER.search(content, 0, _ANSWER_BYTES) and not is_remote_read(content):
            from rmtoolkit.loaders.prometheus._forms import read  # noqa: PLC0415 - an answer does without

            other = read(content, asked)
        if other is None:
            self.add(content, str(path), name)
        else:
            self._add_block(other, str(path), name)
        self.partial += [f"{quote_path(path)}: {note}" for note in notes]

    def _take(self, answers: Answers, source: str, name: str | None) -> None:
        self.warnings += answers.warnings
        self.partial += answers.partial
        self.left_out.update(answers.left_out)
        self.partial += [f"{quote_path(source)}: found {what}" for what in dict.fromkeys(answers.refused)]
        for series in answers.series:
            index = len(self._labels)
            if series.values is not UNSET and series.timestamps is not UNSET:
                self._wait(self._exports, index, memoryview(series.values), memoryview(series.timestamps))
            elif series.values is not UNSET:
                self._wait(self._pairs, index, memoryview(series.values))
            elif series.value is not UNSET:
                self._wait(self._pairs, index, b"[%b]" % bytes(series.value))
            else:
                is_histogram = series.histogram is not UNSET or series.histograms is not UNSET
                self.left_out[HISTOGRAMS if is_histogram else NO_SAMPLES] += 1
                continue
            if name is not None and "__name__" not in series.metric:
                series.metric["__name__"] = name
            self._labels.append(series.metric)
            self._sources.append(source)

    def finish(self) -> Decoded:
        self._flush()
        # In the order of a Recording: what was asked of one metric is then not put into another order again.
        place = ("__name__", "namespace", "pod", "container")
        blocks = sorted(
            (block for block in self._blocks if len(block[0])),
            key=lambda block: [self._labels[block[0][0]].get(name, "") for name in place],
        )
        self._blocks.clear()
        order = _joined([series for series, _ in blocks], np.int64)
        counts = _joined([numbers.counts for _, numbers in blocks], np.int64)
        times = _joined([numbers.times for _, numbers in blocks], np.int64)
        values = _joined([numbers.values for _, numbers in blocks], np.float64)
        # A series of another form is counted as that already, and one without a possible time by its samples.
        self.left_out[NO_SAMPLES] += int((counts == 0).sum()) - self.left_out[NO_SERIES_FORM]
        labels, sources = ([taken[index] for index in order.tolist()] for taken in (self._labels, self._sources))
        decoded = Decoded(labels, sources, counts, times, values, self.warnings, self.partial, self.left_out)
        if len(times) and (times.min() < 0 or times.max() >= MOST_MILLISECONDS):
            good = (times >= 0) & (times < MOST_MILLISECONDS)
            self.left_out[NO_TIMES] += int(len(times) - good.sum())
            decoded = decoded.only(good)
        return replace(decoded.where(decoded.counts > 0), left_out=+self.left_out)

    def _wait(self, queue: list[_Waiting], index: int, *texts: bytes | memoryview) -> None:
        # No sample, and some blanks.
        if any(len(text) < 16 and not bytes(text).strip(b"[] \t\r\n") for text in texts):  # noqa: PLR2004
            self.left_out[NO_SAMPLES] += 1
            return
        queue.append((index, *texts))
        self._waiting_bytes += sum(map(len, texts))
        if self._waiting_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._pairs:
            indices, texts = zip(*self._pairs, strict=True)
            rest = iter(indices)
            for numbers in read_pairs(texts, self.left_out):
                self._blocks.append((np.fromiter(rest, np.int64, len(numbers.counts)), numbers))
        if self._exports:
            indices, values, times = zip(*self._exports, strict=True)
            numbers = read_exports([bytes(text) for text in values], [bytes(text) for text in times], self.left_out)
            self._blocks.append((np.array(indices, np.int64), numbers))
        self._pairs, self._exports, self._waiting_bytes = [], [], 0


def _joined(parts: Sequence[NDArray[_Number]], dtype: type[_Number]) -> NDArray[_Number]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def stack(array: NDArray[_Number], starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[_Number]:
    """Put stretches of an array one after another; copies nothing when they are so already."""
    if not len(starts):
        return array[:0]
    if np.array_equal(starts[1:], starts[:-1] + counts[:-1]):
        return array[starts[0] : starts[-1] + counts[-1]]
    stretches = zip(starts.tolist(), (starts + counts).tolist(), strict=True)
    return np.concatenate([array[start:end] for start, end in stretches])


def tidy(decoded: Decoded) -> Decoded:
    """Join series that came in pieces; sort samples by time; keep one of those at the same instant."""
    decoded = _parted_by_file(decoded)
    first: dict[frozenset[tuple[str, str]], int] = {}
    owners = np.array([first.setdefault(frozenset(labels.items()), len(first)) for labels in decoded.labels], np.int64)
    if len(first) < len(owners):
        counts = np.bincount(owners, decoded.counts).astype(np.int64)
        first_of_each = np.unique(owners, return_index=True)[1]
        decoded = decoded.chosen(first_of_each, counts, *decoded.of(np.argsort(owners, kind="stable")))
    ends = np.cumsum(decoded.counts)
    falls = decoded.times[1:] <= decoded.times[:-1]
    falls[ends[:-1] - 1] = False
    wrong = np.flatnonzero(falls)
    if not len(wrong):
        return decoded
    disordered = np.zeros(len(ends), bool)
    disordered[np.searchsorted(ends, wrong, side="right")] = True
    owner = decoded.owners
    rows = np.flatnonzero(disordered[owner])
    order = rows[np.lexsort((decoded.times[rows], owner[rows]))]
    times, values = decoded.times.copy(), decoded.values.copy()
    times[rows], values[rows] = times[order], values[order]
    kept = np.ones(len(times), bool)
    kept[:-1] = (np.diff(times) != 0) | (np.diff(owner) != 0)
    # Without NaN: two that say nothing contradict nobody.
    differs = np.nonzero(~kept)[0]
    differing = int(((values[differs] > values[differs + 1]) | (values[differs] < values[differs + 1])).sum())
    twice = Counter({CONTRADICTING: differing, TWICE: len(differs) - differing})
    return replace(decoded, times=times, values=values, left_out=+(decoded.left_out + twice)).only(kept)


def _parted_by_file(decoded: Decoded) -> Decoded:
    """Let their file be a label of all series where two files contradict each other, unless one sums up the other."""
    if len(set(decoded.sources)) == 1:
        return decoded
    several: dict[frozenset[tuple[str, str]], dict[str, list[int]]] = {}
    for index, (labels, source) in enumerate(zip(decoded.labels, decoded.sources, strict=True)):
        several.setdefault(frozenset(labels.items()), {}).setdefault(source, []).append(index)
    parted, fewer = False, np.zeros(len(decoded.times), bool)
    for by_source in (one for one in several.values() if len(one) > 1):
        parts = [decoded.of(np.array(series)) for series in by_source.values()]
        order = [np.argsort(times, kind="stable") for times, _ in parts]
        curves = [(part[0][by], part[1][by]) for part, by in zip(parts, order, strict=True)]
        if any_contradicts(curves):
            parted = True
            for coarse, first, last in summaries(curves):
                mine = np.isin(decoded.owners, [*by_source.values()][coarse])
                fewer |= mine & (decoded.times >= first) & (decoded.times <= last)
    if fewer.any():
        left_out = decoded.left_out + Counter({SUMMARIES: int(fewer.sum())})
        rest = decoded.only(~fewer)
        return _parted_by_file(replace(rest.where(rest.counts > 0), left_out=left_out))
    names, told = place_names(decoded.sources), zip(decoded.labels, decoded.sources, strict=True)
    return replace(decoded, labels=[{**labels, FILE_LABEL: names[of]} for labels, of in told]) if parted else decoded
