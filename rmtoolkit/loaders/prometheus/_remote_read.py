"""Answers of Prometheus' remote read, of type SAMPLES: protobuf in a block of snappy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import _wire
from rmtoolkit.loaders.prometheus import HISTOGRAMS, NO_SAMPLES, Found, kind_of
from rmtoolkit.text import counted

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

#: Fields of the messages, as protobuf writes them: number and type in one.
_SERIES: Final = 1
_SAMPLES, _HISTOGRAMS = 2, 4
_NAME, _VALUE = 1, 2
_LABELS_KEY: Final = b"\x0a"
_ONE_BYTE: Final = 0x80
_SHORT_LABEL: Final = 256

#: A sample whose value is not zero: its field, 16 bytes, a value, six bytes of time.
_SAMPLE_BYTES: Final = 18
_SAMPLE_MARKS: Final = ((0, 0x12), (1, 16), (2, 0x09), (11, 0x10))
_TIME_SHIFTS: Final = np.arange(0, 42, 7)

BAD_SERIES: Final = "series of a remote read that were damaged"
#: What a server has to be told with the request.
HEADERS: Final = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "Accept-Encoding": "identity",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}
#: How the answer is marked.
CONTENT_TYPE: Final = "application/x-protobuf"
#: The answer to a query that matched nothing.
NO_SERIES: Final = b"\x02\x04\x0a\x00"


def _messages(data: bytes, place: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    for number, kind, begin, stop in _wire.fields(data, place, end):
        if number == wanted and kind == _wire.BYTES:
            yield begin, stop


def _read_labels(data: bytes, place: int, end: int) -> tuple[dict[str, str], int]:
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
    name = value = ""
    for number, kind, first, last in _wire.fields(message, 0, len(message)):
        if kind == _wire.BYTES and number in (_NAME, _VALUE):
            text = message[first:last].decode("utf-8", "replace")
            name, value = (text, value) if number == _NAME else (name, text)
    return name, value


def _read_samples(data: bytes, place: int, end: int) -> tuple[Ints, Floats]:
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
    count, rest = divmod(end - begin, _SAMPLE_BYTES)
    if not count or rest:
        return None
    rows = np.frombuffer(data, np.uint8, end - begin, begin).reshape(count, _SAMPLE_BYTES)
    time = rows[:, 12:]
    if any((rows[:, place] != mark).any() for place, mark in _SAMPLE_MARKS):
        return None
    if (time[:, :-1] < _ONE_BYTE).any() or (time[:, -1] >= _ONE_BYTE).any():
        return None
    return ((time & 0x7F).astype(np.int64) << _TIME_SHIFTS).sum(axis=1), rows[:, 3:11].copy().view("<f8")[:, 0]


def request_body(conditions: Iterable[tuple[str, str, str]], start: int, end: int) -> bytes:
    """Write the body of a request for raw samples; a server that is not told a type answers with SAMPLES."""
    query = _wire.field(1, start) + _wire.field(2, end)
    for label, comparison, value in conditions:
        matcher = _wire.field(1, ("=", "!=", "=~", "!~").index(comparison)) + _wire.field(2, label.encode())
        query += _wire.field(3, matcher + _wire.field(3, value.encode()))
    return _wire.pack_snappy(_wire.field(1, query))


def read_answer(content: bytes, source: object) -> Found:
    if kind_of(content[: 1 << 10]) == "streamed":
        hint = "Save an answer of `/api/v1/query_range`, or ask without STREAMED_XOR_CHUNKS."
        found = "a streamed answer to a remote read, in chunks"
        raise ReadError.at(source, found=found, expected="one of type SAMPLES", hint=hint)
    labels: list[dict[str, str]] = []
    parts: list[tuple[Ints, Floats]] = []
    left_out: Counter[str] = Counter()
    try:
        data = _wire.unpack_snappy(content)
        answers = _messages(data, 0, len(data), _SERIES)
        for begin, end in (series for answer in answers for series in _messages(data, *answer, _SERIES)):
            said, place = _read_labels(data, begin, end)
            samples = _read_samples(data, place, end)
            if len(samples[0]):
                labels.append(said)
                parts.append(samples)
            else:
                numbers = [number for number, *_ in _wire.fields(data, place, end)]
                left_out[HISTOGRAMS if _HISTOGRAMS in numbers else NO_SAMPLES] += 1
    except _wire.WireError as error:
        if not parts:
            expected, hint = "the answer to a remote read", "It is cut off or damaged: save it again."
            raise ReadError.at(source, found=str(error), expected=expected, hint=hint) from error
        left_out[BAD_SERIES] += 1
    counts = np.array([len(times) for times, _ in parts], np.int64)
    times, values = map(np.concatenate, zip(*parts, strict=True)) if parts else (np.empty(0, np.int64), np.empty(0))
    return Found(labels, counts, times, values, +left_out, (counted(1, BAD_SERIES),) if left_out[BAD_SERIES] else ())
