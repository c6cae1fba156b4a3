"""Remote read of Prometheus: the request, and its answer as series and samples."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from dataclasses import field as dataclasses_field
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote, quote_path
from rmtoolkit.loaders._files import counted
from rmtoolkit.loaders._wire import (
    BYTES,
    FIXED64,
    VARINT,
    WireError,
    crc32c,
    field,
    fields,
    pack_snappy,
    read_varint,
    unpack_snappy,
)
from rmtoolkit.loaders.prometheus._xor import PADDING, counts_of, decode_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from rmtoolkit.loaders.prometheus._xor import Chunks


#: Fields of the messages, as protobuf writes them: number and type in one.
_SERIES: Final = 1
_LABELS, _CHUNKS, _SAMPLES, _HISTOGRAMS = 1, 2, 2, 4
_NAME, _VALUE = 1, 2
_LABELS_KEY: Final = b"\x0a"
_SUM_BYTES: Final = 4
_ONE_BYTE: Final = 0x80
_SHORT_LABEL: Final = 256

#: How samples of a chunk are written.
XOR, HISTOGRAM, FLOAT_HISTOGRAM = 1, 2, 3

#: A sample of SAMPLES whose value is not zero: its field, 16 bytes, a value, six bytes of time.
_SAMPLE_BYTES: Final = 18
_SAMPLE_MARKS: Final = ((0, 0x12), (1, 16), (2, 0x09), (11, 0x10))
_TIME_SHIFTS: Final = np.arange(0, 42, 7)

DAMAGED_FRAMES: Final = "frames of a remote read that were damaged (their check sum differs)"
CUT_FRAMES: Final = "frames at the end of a cut-off remote read"
BAD_SERIES: Final = "series of a remote read that were damaged"
UNKNOWN_CHUNKS: Final = "chunks in an encoding that is not known here (ask for JSON instead)"


class Frame(NamedTuple):
    """A message of a streamed answer."""

    begin: int
    end: int
    crc: int


@dataclass(slots=True)
class Taken:
    """Series of an answer and where their chunks stand."""

    labels: list[dict[str, str]] = dataclasses_field(default_factory=list)
    owners: list[NDArray[np.int64]] = dataclasses_field(default_factory=list)
    begins: list[NDArray[np.int64]] = dataclasses_field(default_factory=list)
    ends: list[NDArray[np.int64]] = dataclasses_field(default_factory=list)
    histograms: int = 0
    silent: int = 0
    left_out: Counter[str] = dataclasses_field(default_factory=Counter)


def split_frames(data: bytes, left_out: Counter[str]) -> Iterator[Frame]:
    r"""Walk over the frames of a streamed answer."""
    place = 0
    while place < len(data):
        try:
            length, begin = read_varint(data, place, len(data))
        except WireError:
            left_out[CUT_FRAMES] += 1
            return
        begin += _SUM_BYTES
        if length > len(data) - begin:
            left_out[CUT_FRAMES] += 1
            return
        yield Frame(begin, begin + length, int.from_bytes(data[begin - _SUM_BYTES : begin], "big"))
        place = begin + length


def take_frame(
    data: bytes,
    frame: Frame,
    taken: Taken,
    listed: Callable[[int, int], NDArray[np.int64] | None],
) -> None:
    """Take the series of a frame."""
    for number, kind, begin, end in fields(data, frame.begin, frame.end):
        if number != _SERIES or kind != BYTES:
            continue
        try:
            labels, after = read_labels(data, begin, end)
        except WireError:
            labels, after = {}, begin
        chunks = listed(after, end)
        if chunks is None or (not labels and after == begin):
            taken.left_out[BAD_SERIES] += 1
            continue
        encodings = chunks[:, 2]
        is_xor = encodings == XOR
        is_histogram = (encodings == HISTOGRAM) | (encodings == FLOAT_HISTOGRAM)
        taken.left_out[UNKNOWN_CHUNKS] += int(np.count_nonzero(~is_xor & ~is_histogram))
        if not is_xor.any():
            taken.histograms += bool(is_histogram.any())
            taken.silent += not len(chunks)
            continue
        chunks = chunks[is_xor]
        taken.owners.append(np.full(len(chunks), len(taken.labels)))
        taken.begins.append(chunks[:, 0])
        taken.ends.append(chunks[:, 1])
        taken.labels.append(labels)


def read_labels(data: bytes, place: int, end: int) -> tuple[dict[str, str], int]:
    r"""Read the labels with which a series begins."""
    labels: dict[str, str] = {}
    while data[place : place + 1] == _LABELS_KEY and place < end:
        length, begin = read_varint(data, place + 1, end)
        place = begin + length
        if place > end:
            msg = "a label that goes beyond its series"
            raise WireError(msg)
        # What is remembered stays bounded, whatever a server sends.
        read = _label if length <= _SHORT_LABEL else _label.__wrapped__
        name, value = read(data[begin:place])
        labels[name] = value
    return labels, place


@lru_cache(maxsize=1 << 14)
def _label(message: bytes) -> tuple[str, str]:
    """Read a label; most of them stand in very many series."""
    name = value = ""
    for number, kind, first, last in fields(message, 0, len(message)):
        if kind == BYTES and number in (_NAME, _VALUE):
            text = message[first:last].decode("utf-8", "replace")
            name, value = (text, value) if number == _NAME else (name, text)
    return name, value


def list_chunks(data: Any, place: int, end: int, rows: NDArray[np.int64]) -> int:  # noqa: ANN401, C901, PLR0912 - also compiled
    r"""List the chunks of a series."""
    row, limit, inside = 0, end, False
    begin = stop = encoding = 0
    while True:
        if inside and place == limit:
            rows[row, 0], rows[row, 1], rows[row, 2] = begin, stop, encoding
            row += 1
            inside, limit = False, end
        if place >= limit:
            return row
        key = shift = 0
        while True:
            if place >= limit or shift > 63:  # noqa: PLR2004 - bits
                return -1
            byte = int(data[place])
            place += 1
            key |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:  # noqa: PLR2004 - the last byte has no continuation bit
                break
        kind = key & 7
        size = 0
        if kind in (0, 2):
            shift = 0
            while True:
                if place >= limit or shift > 63:  # noqa: PLR2004 - bits
                    return -1
                byte = int(data[place])
                place += 1
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:  # noqa: PLR2004 - the last byte has no continuation bit
                    break
            if kind == 0:
                if inside and key == 24:  # noqa: PLR2004 - the encoding: field 3, a number
                    encoding = size & 0xFF
                continue
        elif kind == 1:
            size = 8
        elif kind == 5:  # noqa: PLR2004 - four bytes
            size = 4
        else:
            return -1
        if size < 0 or size > limit - place:
            return -1
        if not inside and key == 18:  # noqa: PLR2004 - a chunk: field 2, a message
            inside, limit = True, place + size
            begin = stop = encoding = 0
            continue
        if inside and key == 34:  # noqa: PLR2004 - the data: field 4, bytes
            begin, stop = place, place + size
        place += size


class Plain(NamedTuple):
    """A series of an answer of type SAMPLES."""

    labels: dict[str, str]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    has_histograms: bool


def plain_series(content: bytes) -> Iterator[Plain]:
    """Read an answer of type SAMPLES, which servers give that do not stream."""
    data = unpack_snappy(content)
    for number, kind, begin, end in fields(data, 0, len(data)):
        if number != _SERIES or kind != BYTES:
            continue
        for inner, inner_kind, first, last in fields(data, begin, end):
            if inner == _SERIES and inner_kind == BYTES:
                yield _plain(data, first, last)


def _plain(data: bytes, begin: int, end: int) -> Plain:
    labels, place = read_labels(data, begin, end)
    rows = _equal_samples(data, place, end)
    if rows is not None:
        return Plain(labels, *rows, has_histograms=False)
    times: list[int] = []
    values: list[float] = []
    has_histograms = False
    for number, kind, first, last in fields(data, place, end):
        has_histograms |= number == _HISTOGRAMS
        if number != _SAMPLES or kind != BYTES:
            continue
        # What is zero is not written.
        time, value = 0, 0.0
        for inner, inner_kind, where, until in fields(data, first, last):
            if inner == _NAME and inner_kind == FIXED64:
                value = float(np.frombuffer(data, "<f8", 1, where)[0])
            elif inner == _VALUE and inner_kind == VARINT:
                time = until - (1 << 64) if until >> 63 else until
        times.append(time)
        values.append(value)
    return Plain(labels, np.array(times, np.int64), np.array(values, np.float64), has_histograms)


def _equal_samples(data: bytes, begin: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Read samples that all take the same number of bytes; None where they do not."""
    count, rest = divmod(end - begin, _SAMPLE_BYTES)
    if not count or rest:
        return None
    rows = np.frombuffer(data, np.uint8, end - begin, begin).reshape(count, _SAMPLE_BYTES)
    time = rows[:, 12:]
    if any((rows[:, place] != mark).any() for place, mark in _SAMPLE_MARKS):
        return None
    if (time[:, :-1] < _ONE_BYTE).any() or (time[:, -1] >= _ONE_BYTE).any():
        return None
    times = ((time & 0x7F).astype(np.int64) << _TIME_SHIFTS).sum(axis=1)
    return times, rows[:, 3:11].copy().view("<f8")[:, 0]


#: A label, how it is compared (``=``, ``!=``, ``=~``, ``!~``), and with what.
Matcher: TypeAlias = tuple[str, str, str]

#: What a server has to be told with the request.
HEADERS: Final = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "Accept-Encoding": "identity",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}
#: How a streamed answer is marked, and one that is not.
STREAMED_TYPE: Final = "application/x-streamed-protobuf"
PLAIN_TYPE: Final = "application/x-protobuf"

_COMPARISONS: Final = {"=": 0, "!=": 1, "=~": 2, "!~": 3}
_STREAMED, _PLAIN = 1, 0
#: Below this the start of numba costs more than it saves, unless it runs already.
_NUMBA_BYTES: Final = 8 << 20
_NUMBA_BYTES_RUNNING: Final = 1 << 16
#: An answer that says it holds more samples than this is damage, or too much for one machine.
_MOST_SAMPLES: Final = 1 << 28


DAMAGED_CHUNKS: Final = "chunks of a remote read that were damaged"


class Read(NamedTuple):
    """The samples of an answer."""

    labels: list[dict[str, str]]
    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    histograms: int
    silent: int
    left_out: Counter[str]


def request_body(selectors: Iterable[Iterable[Matcher]], start: int, end: int, *, streamed: bool = True) -> bytes:
    r"""Write the body of a request for raw samples."""
    body = b""
    for selector in selectors:
        query = field(1, start) + field(2, end)
        for label, comparison, value in selector:
            if comparison not in _COMPARISONS:
                msg = f"A label is compared by one of {', '.join(_COMPARISONS)}; found {quote(comparison)}."
                raise RmtoolkitError(msg)
            matcher = field(1, _COMPARISONS[comparison]) + field(2, label.encode()) + field(3, value.encode())
            query += field(3, matcher)
        body += field(1, query)
    # The first that a server knows is used.
    body += b"".join(field(2, kind) for kind in ((_STREAMED, _PLAIN) if streamed else (_PLAIN,)))
    return pack_snappy(body)


def is_remote_read(head: bytes) -> bool:
    r"""Tell whether a file, or a body, is the answer to a remote read."""
    return _is_streamed(head) or _is_plain(head)


def _is_streamed(head: bytes) -> bool:
    try:
        length, place = read_varint(head, 0, len(head))
    except WireError:
        return False
    return length > 0 and _begins_with_label(head, place + 4, length, depth=2)


def _is_plain(head: bytes) -> bool:
    """Look into the literal with which a snappy block begins: nothing can be copied yet."""
    try:
        size, place = read_varint(head, 0, len(head))
    except WireError:
        return False
    if place >= len(head) or head[place] & 3:
        return False
    longer = max((head[place] >> 2) - 59, 0)
    return size > 0 and _begins_with_label(head, place + 1 + longer, size, depth=3)


def _begins_with_label(head: bytes, place: int, length: int, depth: int) -> bool:
    """Tell whether messages stand in each other, each the first of its kind, and in the innermost a name."""
    try:
        for level in range(depth + 1):
            if head[place : place + 1] != b"\x0a":
                return False
            inner, place = read_varint(head, place + 1, len(head))
            if inner >= length or (not inner and level < depth):
                return False
            length = inner
    except WireError:
        return False
    name = head[place : place + length]
    return name.isascii() and name.replace(b"_", b"a").replace(b".", b"a").replace(b":", b"a").isalnum()


def read_answer(
    content: bytes,
    source: object,
    *,
    start: int | None = None,
    end: int | None = None,
    fast: bool | None = None,
) -> Read:
    """Read the answer to a remote read."""
    if _is_plain(content[: 1 << 10]) and not _first_frame_is_right(content):
        read = _plain_answer(content, source)
    else:
        read = _streamed_answer(content, source, fast=_compiled(len(content)) if fast is None else fast)
    outside = np.zeros(0, bool)
    if start is not None and len(read.times):
        outside = read.times < start
    if end is not None and len(read.times):
        outside = read.times > end if start is None else outside | (read.times > end)
    if outside.any():
        owner = np.repeat(np.arange(len(read.counts)), read.counts)
        counts = np.bincount(owner[~outside], minlength=len(read.counts)).astype(np.int64)
        read = read._replace(counts=counts, times=read.times[~outside], values=read.values[~outside])
    return read


def _first_frame_is_right(content: bytes) -> bool:
    frame = next(split_frames(content, Counter()), None)
    return frame is not None and frame.crc == crc32c(content[frame.begin : frame.end])


def _compiled(size: int) -> bool:
    least = _NUMBA_BYTES_RUNNING if "rmtoolkit.loaders.prometheus._decode_numba" in sys.modules else _NUMBA_BYTES
    return size >= least and find_spec("numba") is not None


class _Tools(NamedTuple):
    """What takes an answer apart: all in Python and numpy, or all compiled."""

    crc: Callable[[int, int], int]
    list_chunks: Callable[[int, int, NDArray[np.int64]], int]
    decode: Callable[[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]], Chunks]


def _tools(content: bytes, data: NDArray[np.uint8], *, fast: bool) -> _Tools:
    if fast:
        from rmtoolkit.loaders.prometheus import _remote_read_numba as compiled  # noqa: PLC0415 - an extra, slow to import

        return _Tools(partial(compiled.crc32c, data), partial(compiled.list_chunks, data), compiled.decode_chunks)
    view = memoryview(content)
    return _Tools(lambda begin, end: crc32c(view[begin:end]), partial(list_chunks, content), decode_chunks)


def _streamed_answer(content: bytes, source: object, *, fast: bool) -> Read:
    data = np.zeros(len(content) + PADDING, np.uint8)
    data[: len(content)] = np.frombuffer(content, np.uint8)
    tools = _tools(content, data, fast=fast)
    rows = np.empty((0, 3), np.int64)

    def listed(begin: int, end: int) -> NDArray[np.int64] | None:
        nonlocal rows
        if len(rows) < (end - begin) // 2 + 1:
            # Pages that are never written cost nothing.
            rows = np.empty((end - begin + 1, 3), np.int64)
        number = tools.list_chunks(begin, end, rows)
        return None if number < 0 else rows[:number].copy()

    taken = Taken()
    whole = 0
    for frame in split_frames(content, taken.left_out):
        if tools.crc(frame.begin, frame.end) != frame.crc:
            taken.left_out[DAMAGED_FRAMES] += 1
            continue
        try:
            take_frame(content, frame, taken, listed)
            whole += 1
        except WireError:
            taken.left_out[DAMAGED_FRAMES] += 1
    if content and not whole:
        raise ReadError.at(
            source,
            found=f"{len(content):,} bytes without a single whole frame",
            expected="the answer to a remote read",
            hint="It is cut off or damaged: save it again.",
        )
    empty = np.empty(0, np.int64)
    owners, begins, ends = (np.concatenate([empty, *columns]) for columns in (taken.owners, taken.begins, taken.ends))
    _check_samples(data, begins, ends, source)
    chunks = tools.decode(data, begins, ends)
    taken.left_out[DAMAGED_CHUNKS] += chunks.damaged
    counts = np.bincount(owners, chunks.counts, minlength=len(taken.labels)).astype(np.int64)
    return Read(taken.labels, counts, chunks.times, chunks.values, taken.histograms, taken.silent, +taken.left_out)


def _check_samples(data: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64], source: object) -> None:
    promised = int(np.maximum(counts_of(data, begins, ends), 0).sum())
    if promised > _MOST_SAMPLES:
        raise ReadError.at(
            source,
            found=f"{promised:,} samples",
            expected=f"at most {_MOST_SAMPLES:,} in one answer",
            hint="Ask for a shorter time or for fewer containers at once.",
        )


def _plain_answer(content: bytes, source: object) -> Read:
    labels: list[dict[str, str]] = []
    parts: list[Plain] = []
    histograms = silent = 0
    left_out: Counter[str] = Counter()
    try:
        for series in plain_series(content):
            if len(series.times):
                labels.append(series.labels)
                parts.append(series)
            elif series.has_histograms:
                histograms += 1
            else:
                silent += 1
    except WireError as error:
        if not parts:
            raise ReadError.at(
                source,
                found=str(error),
                expected="the answer to a remote read",
                hint="It is cut off or damaged: save it again.",
            ) from error
        left_out[BAD_SERIES] += 1
    return Read(
        labels,
        np.array([len(part.times) for part in parts], np.int64),
        np.concatenate([np.empty(0, np.int64), *(part.times for part in parts)]),
        np.concatenate([np.empty(0), *(part.values for part in parts)]),
        histograms,
        silent,
        left_out,
    )


def damage_of(read: Read, source: object) -> list[str]:
    """Say what of an answer could not be read."""
    return [f"{quote_path(source)}: {counted(count, reason)}" for reason, count in read.left_out.items()]
