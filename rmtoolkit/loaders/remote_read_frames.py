"""The answer to a remote read, taken apart: frames, series, labels and where the samples stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from rmtoolkit.loaders.protobuf import BYTES, FIXED64, VARINT, WireError, fields, read_varint, unpack_snappy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

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
    """A message of a streamed answer.

    Attributes
    ----------
    begin, end
        Where it stands.
    crc
        Its check sum, as the server wrote it.
    """

    begin: int
    end: int
    crc: int


@dataclass(slots=True)
class Taken:
    """Series of an answer and where their chunks stand.

    Attributes
    ----------
    labels
        Labels of each series.
    owners, begins, ends
        Of each XOR chunk: its series, and where it stands.
    histograms
        Series that hold nothing but native histograms.
    silent
        Series without anything.
    left_out
        Counts by reason.
    """

    labels: list[dict[str, str]] = field(default_factory=list)
    owners: list[NDArray[np.int64]] = field(default_factory=list)
    begins: list[NDArray[np.int64]] = field(default_factory=list)
    ends: list[NDArray[np.int64]] = field(default_factory=list)
    histograms: int = 0
    silent: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def split_frames(data: bytes, left_out: Counter[str]) -> Iterator[Frame]:
    r"""Walk over the frames of a streamed answer.

    Parameters
    ----------
    data
        The body.
    left_out
        Takes the counts of what is cut off.

    Yields
    ------
    Frame
        Each whole frame; its sum is not looked at.

    Examples
    --------
    >>> left_out = Counter()
    >>> list(split_frames(b"\x01\0\0\0\x07x\x09\0\0", left_out)), left_out.total()
    ([Frame(begin=5, end=6, crc=7)], 1)
    """
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
    """Take the series of a frame.

    Parameters
    ----------
    data
        The body.
    frame
        A frame whose sum is right.
    taken
        Takes what is found.
    listed
        Lists the chunks of a series, as `list_chunks` does; None where it is damaged.

    Raises
    ------
    WireError
        The frame is no message.

    Examples
    --------
    >>> take_frame(b"", Frame(0, 0, 0), Taken(), lambda begin, end: None)
    """
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
    r"""Read the labels with which a series begins.

    Parameters
    ----------
    data
        The bytes.
    place, end
        Where the series stands.

    Returns
    -------
    tuple of (dict, int)
        Labels, and the place after them. Bytes that are no UTF-8 become �.

    Raises
    ------
    WireError
        They are damaged.

    Examples
    --------
    >>> read_labels(b"\x0a\x0a\x0a\x03pod\x12\x03db0\x12", 0, 13)
    ({'pod': 'db0'}, 12)
    """
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
    r"""List the chunks of a series.

    Parameters
    ----------
    data
        Bytes, or an array of them: this is compiled too.
    place, end
        Where the series stands, without its labels.
    rows
        Takes where each chunk begins and ends, and its encoding; a row for every two bytes is enough.

    Returns
    -------
    int
        How many there are; -1 when the series is damaged.

    Examples
    --------
    >>> rows = np.zeros((9, 3), np.int64)
    >>> list_chunks(b"\x12\x06\x18\x01\x22\x02xy", 0, 8, rows), rows[0].tolist()
    (1, [6, 8, 1])
    """
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
    """A series of an answer of type SAMPLES.

    Attributes
    ----------
    labels
        Its labels.
    times
        Milliseconds since 1970.
    values
        The samples.
    has_histograms
        Whether it holds native histograms.
    """

    labels: dict[str, str]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    has_histograms: bool


def plain_series(content: bytes) -> Iterator[Plain]:
    """Read an answer of type SAMPLES, which servers give that do not stream.

    Parameters
    ----------
    content
        The body: a snappy block.

    Yields
    ------
    Plain
        Each series.

    Raises
    ------
    WireError
        It is damaged: such an answer has no check sums, so nothing after the damage is believed.

    Examples
    --------
    >>> from rmtoolkit.loaders.protobuf import field, pack_snappy
    >>> labels = field(1, field(1, b"pod") + field(2, b"db-0"))
    >>> body = field(1, field(1, labels + field(2, field(2, 1500))))
    >>> next(plain_series(pack_snappy(body)))
    Plain(labels={'pod': 'db-0'}, times=array([1500]), values=array([0.]), has_histograms=False)
    """
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
