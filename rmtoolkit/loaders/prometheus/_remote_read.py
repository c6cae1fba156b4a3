"""Answers of Prometheus' remote read, streamed or not: protobuf, snappy, CRC-32C, Gorilla's chunks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.loaders import _wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Bytes: TypeAlias = NDArray[np.uint8]
    Ints: TypeAlias = NDArray[np.int64]
    Words: TypeAlias = NDArray[np.uint64]
    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]


#: Readers may look this many bytes beyond the end of a chunk.
PADDING: Final = 16
#: Chunks that are decoded side by side: enough for speed, and all of it stays in a processor's cache.
_LANES: Final = 8192
_COUNT_BYTES: Final = 2
#: A count, one byte of time, a value.
LEAST_BYTES: Final = 11
#: After the first, a sample takes at least two bits.
LEAST_BITS: Final = 2
_MOST_VARINT_BYTES: Final = 10

# By the first four bits: how many say how long the change of a step is, and how many it has.
_ONES: Final = np.array([0] * 8 + [1] * 4 + [2] * 2 + [3, 4], np.uint64)
_PREFIX: Final = np.array([1, 2, 3, 4, 4], np.uint64)[_ONES]
_BITS: Final = np.array([0, 14, 17, 20, 0], np.uint64)[_ONES]
_HALF: Final = np.array([0, 1 << 13, 1 << 16, 1 << 19, 0], np.uint64)[_ONES]
_WHOLE: Final = np.array([0, 1 << 14, 1 << 17, 1 << 20, 0], np.int64)[_ONES]
_USED: Final = (_PREFIX + _BITS).astype(np.int64)
_LONG: Final = 15
_WORD: Final = np.uint64(64)

_SAME, _NEW_WINDOW = 2, 3


class Chunks(NamedTuple):
    """Decoded chunks."""

    counts: Ints  # samples of each chunk; none of a damaged one
    times: Ints  # milliseconds since 1970, chunk after chunk
    values: Floats  # the samples, bit by bit as they were stored
    damaged: int


def counts_of(data: Bytes, begins: Ints, ends: Ints) -> Ints:
    """Tell how many samples chunks say they have."""
    lengths = ends - begins
    if not len(lengths):
        return lengths
    counts = data[begins].astype(np.int64) << 8 | data[begins + 1]
    least = np.where(counts > 0, LEAST_BYTES, _COUNT_BYTES)
    fits = (lengths >= least) & ((counts - 1) * LEAST_BITS <= 8 * lengths)
    return np.where(fits, counts, -1)


# After "Gorilla: A Fast, Scalable, In-Memory Time Series Database" (Pelkonen and others, 2015, VLDB 8, 1816), but with
# the step sizes of Prometheus: a time is told by the change of the step, in 0, 14, 17, 20 or 64 bits; a value by those
# bits in which it differs from the one before.
def decode_chunks(data: Bytes, begins: Ints, ends: Ints) -> Chunks:
    """Decode XOR chunks."""
    counts = counts_of(data, begins, ends)
    damaged = counts < 0
    counts[damaged] = 0
    starts = np.cumsum(counts) - counts
    times = np.empty(int(counts.sum()), np.int64)
    values = np.empty(len(times), np.uint64)
    # Chunks of one length side by side, so that few steps are made for few.
    order = np.argsort(-counts, kind="stable")
    order = order[: np.count_nonzero(counts)]
    for first in range(0, len(order), _LANES):
        lanes = order[first : first + _LANES]
        wrong = _decode_lanes(data, begins[lanes], ends[lanes], counts[lanes], starts[lanes], times, values)
        damaged[lanes[wrong]] = True
    found = Chunks(counts, times, values.view(np.float64), int(np.count_nonzero(damaged)))
    if not found.damaged:
        return found
    kept = ~np.repeat(damaged, counts)
    return Chunks(np.where(damaged, 0, counts), found.times[kept], found.values[kept], found.damaged)


def _decode_lanes(
    data: Bytes, begins: Ints, ends: Ints, counts: Ints, starts: Ints, times: Ints, values: Words
) -> Flags:
    """Decode chunks, the longest first; tell which of them end too early."""
    words: Words = np.ndarray((len(data) - 8,), ">u8", data, 0, (1,))
    begun, place, wrong = _varints(data, begins + _COUNT_BYTES)
    time = (begun >> 1).astype(np.int64) ^ -(begun & 1).astype(np.int64)
    place = np.minimum(place, ends)
    value = words[place].astype(np.uint64)
    place += 8
    times[starts], values[starts] = time, value
    delta, after, endless = _varints(data, np.minimum(place, ends))
    step = delta.astype(np.int64)
    several = counts > 1
    wrong |= several & endless
    bit = 8 * np.where(several, after, place)
    last_bit = 8 * ends
    wrong |= bit > last_bit
    leading, trailing = np.zeros(len(counts), np.uint64), np.zeros(len(counts), np.uint64)
    lasting = np.searchsorted(-counts, -np.arange(1, int(counts[0])), side="left")
    for number, active in enumerate(lasting.tolist(), 1):
        # Cut to those that have such a sample; a chunk that ended too early reads its own end again and again.
        here = bit[:active]
        np.minimum(here, last_bit[:active], out=here)
        if number > 1:
            _change_step(data, words, here, step[:active])
            np.minimum(here, last_bit[:active] + 1, out=here)
        time[:active] += step[:active]
        _change_value(data, words, here, value[:active], leading[:active], trailing[:active], wrong[:active])
        wrong[:active] |= here > last_bit[:active]
        place = starts[:active] + number
        times[place], values[place] = time[:active], value[:active]
    return wrong


def _varints(data: Bytes, place: Ints) -> tuple[Words, Ints, Flags]:
    """Read numbers of seven bits a byte; give them, the places after them, and which do not end."""
    parts = data[place[:, None] + np.arange(_MOST_VARINT_BYTES)]
    ending: Flags = parts < 0x80  # noqa: PLR2004 - the last byte has no continuation bit
    length = ending.argmax(axis=1) + 1
    inside = np.arange(_MOST_VARINT_BYTES) < length[:, None]
    shifts = np.arange(0, 7 * _MOST_VARINT_BYTES, 7, dtype=np.uint64)
    numbers = np.where(inside, (parts & 0x7F).astype(np.uint64) << shifts, np.uint64(0))
    endless: Flags = np.logical_not(ending.any(axis=1))
    return np.bitwise_or.reduce(numbers, axis=1), place + length, endless


def _word(data: Bytes, words: Words, bit: Ints) -> Words:
    """Load 64 bits from any bit on."""
    byte = bit >> 3
    shift = (bit & 7).astype(np.uint64)
    word: Words = words[byte].astype(np.uint64) << shift
    word |= data[byte + 8] >> (np.uint64(8) - shift)
    return word


def _change_step(data: Bytes, words: Words, bit: Ints, step: Ints) -> None:
    """Read by how much the step to the next sample differs from the one before."""
    word = words[bit >> 3].astype(np.uint64) << (bit & 7).astype(np.uint64)
    head = word >> np.uint64(60)
    if not head.max() >> np.uint64(3):
        bit += 1
        return
    raw = (word << _PREFIX[head]) >> (_WORD - _BITS[head])
    step += raw.astype(np.int64) - np.where(raw > _HALF[head], _WHOLE[head], 0)
    bit += _USED[head]
    long = np.flatnonzero(head == _LONG)
    if len(long):
        step[long] += _word(data, words, bit[long]).astype(np.int64)
        bit[long] += 64


def _change_value(
    data: Bytes, words: Words, bit: Ints, value: Words, leading: Words, trailing: Words, wrong: Flags
) -> None:
    """Read in which bits the next value differs from the one before."""
    word = words[bit >> 3].astype(np.uint64) << (bit & 7).astype(np.uint64)
    head = word >> np.uint64(62)
    bit += 1
    changed = np.flatnonzero(head >= _SAME)
    if not len(changed):
        return
    moved = np.flatnonzero(head == _NEW_WINDOW)
    if len(moved):
        word = word[moved]
        before = word >> np.uint64(57) & np.uint64(31)
        significant = word >> np.uint64(51) & np.uint64(63)
        significant[significant == 0] = 64
        absurd = before + significant > _WORD
        wrong[moved] |= absurd
        significant[absurd] = _WORD - before[absurd]
        leading[moved], trailing[moved] = before, _WORD - before - significant
        bit[moved] += 11
    bit[changed] += 1
    before, after = leading[changed], trailing[changed]
    differing = _word(data, words, bit[changed]) >> (before + after) << after
    value[changed] ^= differing
    bit[changed] += (_WORD - before - after).astype(np.int64)


#: Fields of the messages, as protobuf writes them: number and type in one.
_SERIES: Final = 1
_LABELS, _CHUNKS, _SAMPLES, _HISTOGRAMS = 1, 2, 2, 4
_NAME, _VALUE = 1, 2
_ENCODING, _DATA = 3, 4
_LABELS_KEY: Final = b"\x0a"
_SUM_BYTES: Final = 4
_ONE_BYTE: Final = 0x80
_SHORT_LABEL: Final = 256

#: How samples of a chunk are written.
XOR, HISTOGRAM, FLOAT_HISTOGRAM = _ENCODINGS = 1, 2, 3

#: A sample of SAMPLES whose value is not zero: its field, 16 bytes, a value, six bytes of time.
_SAMPLE_BYTES: Final = 18
_SAMPLE_MARKS: Final = ((0, 0x12), (1, 16), (2, 0x09), (11, 0x10))
_TIME_SHIFTS: Final = np.arange(0, 42, 7)

DAMAGED_FRAMES: Final = "frames of a remote read that were damaged (their check sum differs)"
CUT_FRAMES: Final = "frames at the end of a cut-off remote read"
BAD_SERIES: Final = "series of a remote read that were damaged"
UNKNOWN_CHUNKS: Final = "chunks in an encoding that is not known here (ask for JSON instead)"


@dataclass(slots=True)
class Read:
    """The samples of an answer; a series that came in several frames is listed as often."""

    labels: list[dict[str, str]] = field(default_factory=list)
    counts: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    times: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # ms, series after series
    values: Floats = field(default_factory=lambda: np.empty(0))
    histograms: int = 0
    silent: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    #: Of XOR: its series, where it begins and ends.
    chunks: list[tuple[int, int, int]] = field(default_factory=list)


def _messages(data: bytes, place: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Give where the messages in one field of another begin and end."""
    for number, kind, begin, stop in _wire.fields(data, place, end):
        if number == wanted and kind == _wire.BYTES:
            yield begin, stop


def _frames(data: bytes, left_out: Counter[str]) -> Iterator[tuple[int, int, int]]:
    """Walk over the frames of a streamed answer: begin, end, and the check sum that the server wrote."""
    place = 0
    while place < len(data):
        try:
            length, begin = _wire.read_varint(data, place, len(data))
        except _wire.WireError:
            length, begin = len(data), place
        begin += _SUM_BYTES
        if length > len(data) - begin:
            left_out[CUT_FRAMES] += 1
            return
        yield begin, begin + length, int.from_bytes(data[begin - _SUM_BYTES : begin], "big")
        place = begin + length


def _take_frame(data: bytes, begin: int, end: int, read: Read) -> None:
    """Take the series of a frame whose sum is right."""
    for first, last in _messages(data, begin, end, _SERIES):
        try:
            labels, after = read_labels(data, first, last)
            chunks = list_chunks(data, after, last) if labels else None
        except _wire.WireError:
            labels, chunks = {}, None
        if chunks is None:
            read.left_out[BAD_SERIES] += 1
            continue
        encodings = {encoding for _, _, encoding in chunks}
        read.left_out[UNKNOWN_CHUNKS] += sum(encoding not in _ENCODINGS for _, _, encoding in chunks)
        if XOR not in encodings:
            read.histograms += not encodings.isdisjoint((HISTOGRAM, FLOAT_HISTOGRAM))
            read.silent += not chunks
            continue
        read.chunks += [(len(read.labels), low, high) for low, high, encoding in chunks if encoding == XOR]
        read.labels.append(labels)


def read_labels(data: bytes, place: int, end: int) -> tuple[dict[str, str], int]:
    """Read the labels with which a series begins."""
    labels: dict[str, str] = {}
    while data[place : place + 1] == _LABELS_KEY and place < end:
        length, begin = _wire.read_varint(data, place + 1, end)
        place = begin + length
        if place > end:
            msg = "a label that goes beyond its series"
            raise _wire.WireError(msg)
        # What is remembered stays bounded, whatever a server sends.
        read = _label if length <= _SHORT_LABEL else _label.__wrapped__
        name, value = read(data[begin:place])
        labels[name] = value
    return labels, place


@lru_cache(maxsize=1 << 14)
def _label(message: bytes) -> tuple[str, str]:
    """Read a label; most of them stand in very many series."""
    name = value = ""
    for number, kind, first, last in _wire.fields(message, 0, len(message)):
        if kind == _wire.BYTES and number in (_NAME, _VALUE):
            text = message[first:last].decode("utf-8", "replace")
            name, value = (text, value) if number == _NAME else (name, text)
    return name, value


def list_chunks(data: bytes, place: int, end: int) -> list[tuple[int, int, int]]:
    """Tell where the chunks of a series begin and end, and their encoding; the series is without its labels."""
    chunks: list[tuple[int, int, int]] = []
    for begin, stop in _messages(data, place, end, _CHUNKS):
        first, last, encoding = begin, begin, 0
        for inner, inner_kind, where, until in _wire.fields(data, begin, stop):
            if inner == _ENCODING and inner_kind == _wire.VARINT:
                encoding = where & 0xFF
            elif inner == _DATA and inner_kind == _wire.BYTES:
                first, last = where, until
        chunks.append((first, last, encoding))
    return chunks


def _plain_samples(data: bytes, place: int, end: int) -> tuple[Ints, Floats]:
    """Read the samples of a series of an answer of type SAMPLES, as servers give it that do not stream."""
    if (rows := _equal_samples(data, place, end)) is not None:
        return rows
    times: list[int] = []
    values: list[float] = []
    for first, last in _messages(data, place, end, _SAMPLES):
        # What is zero is not written.
        time, value = 0, 0.0
        for inner, inner_kind, where, until in _wire.fields(data, first, last):
            if inner == _NAME and inner_kind == _wire.FIXED64:
                value = float(np.frombuffer(data, "<f8", 1, where)[0])
            elif inner == _VALUE and inner_kind == _wire.VARINT:
                time = until - (1 << 64) if until >> 63 else until
        times.append(time)
        values.append(value)
    return np.array(times, np.int64), np.array(values, np.float64)


def _equal_samples(data: bytes, begin: int, end: int) -> tuple[Ints, Floats] | None:
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
#: An answer that says it holds more samples than this is damage, or too much for one machine.
_MOST_SAMPLES: Final = 1 << 28


DAMAGED_CHUNKS: Final = "chunks of a remote read that were damaged"


def request_body(selectors: Iterable[Iterable[Matcher]], start: int, end: int, *, streamed: bool = True) -> bytes:
    """Write the body of a request for raw samples."""
    body = b""
    for selector in selectors:
        query = _wire.field(1, start) + _wire.field(2, end)
        for label, comparison, value in selector:
            if comparison not in _COMPARISONS:
                msg = f"A label is compared by one of {', '.join(_COMPARISONS)}; found {quote(comparison)}."
                raise RmtoolkitError(msg)
            matcher = _wire.field(1, _COMPARISONS[comparison]) + _wire.field(2, label.encode())
            query += _wire.field(3, matcher + _wire.field(3, value.encode()))
        body += _wire.field(1, query)
    # The first that a server knows is used.
    body += b"".join(_wire.field(2, kind) for kind in ((_STREAMED, _PLAIN) if streamed else (_PLAIN,)))
    return _wire.pack_snappy(body)


def begins_with_series(head: bytes) -> bool:
    """Tell whether a body is the answer to a remote read."""
    return _is_streamed(head) or _is_plain(head)


def _is_streamed(head: bytes) -> bool:
    try:
        length, place = _wire.read_varint(head, 0, len(head))
    except _wire.WireError:
        return False
    return length > 0 and _begins_with_label(head, place + 4, length, depth=2)


def _is_plain(head: bytes) -> bool:
    """Look into the literal with which a snappy block begins: nothing can be copied yet."""
    try:
        size, place = _wire.read_varint(head, 0, len(head))
    except _wire.WireError:
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
            inner, place = _wire.read_varint(head, place + 1, len(head))
            if inner >= length or (not inner and level < depth):
                return False
            length = inner
    except _wire.WireError:
        return False
    name = head[place : place + length]
    return name.isascii() and name.replace(b"_", b"a").replace(b".", b"a").replace(b":", b"a").isalnum()


def read_answer(content: bytes, source: object) -> Read:
    """Read the answer to a remote read."""
    if _is_plain(content[: 1 << 10]):
        begin, end, crc = next(_frames(content, Counter()), (0, 0, -1))
        if crc != _wire.crc32c(content[begin:end]):
            return _plain_answer(content, source)
    return _streamed_answer(content, source)


def _unusable(source: object, found: str) -> ReadError:
    hint = "It is cut off or damaged: save it again."
    return ReadError.at(source, found=found, expected="the answer to a remote read", hint=hint)


def _streamed_answer(content: bytes, source: object) -> Read:
    view = memoryview(content)
    read, whole = Read(), 0
    for begin, end, crc in _frames(content, read.left_out):
        try:
            if _wire.crc32c(view[begin:end]) == crc:
                _take_frame(content, begin, end, read)
                whole += 1
                continue
        except _wire.WireError:
            pass
        read.left_out[DAMAGED_FRAMES] += 1
    if content and not whole:
        raise _unusable(source, f"{len(content):,} bytes without a single whole frame")
    data = np.zeros(len(content) + PADDING, np.uint8)
    data[: len(content)] = np.frombuffer(content, np.uint8)
    owners, begins, ends = np.array(read.chunks, np.int64).reshape(-1, 3).T
    promised = int(np.maximum(counts_of(data, begins, ends), 0).sum())
    if promised > _MOST_SAMPLES:
        expected = f"at most {_MOST_SAMPLES:,} in one answer"
        hint = "Ask for a shorter time or for fewer containers at once."
        raise ReadError.at(source, found=f"{promised:,} samples", expected=expected, hint=hint)
    counts, read.times, read.values, damaged = decode_chunks(data, begins, ends)
    read.counts = np.bincount(owners, counts, minlength=len(read.labels)).astype(np.int64)
    read.left_out = +(read.left_out + Counter({DAMAGED_CHUNKS: damaged}))
    return read


def _plain_answer(content: bytes, source: object) -> Read:
    read = Read()
    parts: list[tuple[Ints, Floats]] = []
    try:
        data = _wire.unpack_snappy(content)
        answers = _messages(data, 0, len(data), _SERIES)
        for begin, end in (series for answer in answers for series in _messages(data, *answer, _SERIES)):
            labels, place = read_labels(data, begin, end)
            samples = _plain_samples(data, place, end)
            if len(samples[0]):
                read.labels.append(labels)
                parts.append(samples)
            else:
                has_histograms = any(number == _HISTOGRAMS for number, *_ in _wire.fields(data, place, end))
                read.histograms += has_histograms
                read.silent += not has_histograms
    except _wire.WireError as error:
        if not parts:
            raise _unusable(source, str(error)) from error
        read.left_out[BAD_SERIES] += 1
    if parts:
        read.counts = np.array([len(times) for times, _ in parts], np.int64)
        read.times, read.values = map(np.concatenate, zip(*parts, strict=True))
    return read
