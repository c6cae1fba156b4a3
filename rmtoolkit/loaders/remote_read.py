"""Remote read of Prometheus: the request, and its answer as series and samples, markers of their ends included."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote, quote_path
from rmtoolkit.loaders import remote_read_frames as frames
from rmtoolkit.loaders.crc32c import crc32c
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.loaders.protobuf import WireError, field, pack_snappy, read_varint
from rmtoolkit.loaders.remote_read_xor import PADDING, counts_of, decode_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from rmtoolkit.loaders.remote_read_xor import Chunks

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
    """The samples of an answer.

    Attributes
    ----------
    labels
        Labels of each series; one that came in several frames is listed as often.
    counts
        Samples of each.
    times
        Milliseconds since 1970, series after series.
    values
        The samples, bit by bit as they are stored; `prometheus_numbers.STALE_BITS` where a series ended.
    histograms, silent
        How many series hold only native histograms, or nothing.
    left_out
        Counts of what could not be read, by reason.
    """

    labels: list[dict[str, str]]
    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    histograms: int
    silent: int
    left_out: Counter[str]


def request_body(selectors: Iterable[Iterable[Matcher]], start: int, end: int, *, streamed: bool = True) -> bytes:
    r"""Write the body of a request for raw samples.

    Parameters
    ----------
    selectors
        Each a list of matchers; regular expressions are anchored, as in PromQL. All are answered at once.
    start, end
        Milliseconds since 1970, both included. Whole chunks are answered, so samples outside have to be cut.
    streamed
        Ask for XOR chunks. Servers that do not know them answer as if it were not asked.

    Returns
    -------
    bytes
        A snappy block with a protobuf message, to be sent with `HEADERS`.

    Raises
    ------
    RmtoolkitError
        A matcher compares in a way that does not exist.

    Examples
    --------
    >>> request_body([[("pod", "=", "a")]], 1, 2)
    b'\x16T\n\x10\x08\x01\x10\x02\x1a\n\x08\x00\x12\x03pod\x1a\x01a\x10\x01\x10\x00'
    """
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
    r"""Tell whether a file, or a body, is the answer to a remote read.

    Parameters
    ----------
    head
        Its first bytes; some hundred are enough.

    Returns
    -------
    bool
        It begins with a series that begins with a label.

    Examples
    --------
    >>> is_remote_read(b"\x14\0\0\0\0\x0a\x12\x0a\x08\x0a\x03pod\x12\x01a"), is_remote_read(b"{}")
    (True, False)
    """
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
    """Read the answer to a remote read.

    Parameters
    ----------
    content
        The body: streamed XOR chunks, or the older form without streaming.
    source
        File or address, for messages.
    start, end
        Milliseconds; samples outside are left away, since whole chunks are answered.
    fast
        Use numba; None decides by the size, and whether it is there.

    Returns
    -------
    Read
        All that could be read. A damaged frame is left out and counted; so is an unknown encoding.

    Raises
    ------
    ReadError
        Nothing in it could be read.

    Examples
    --------
    >>> read_answer(b"", "answer.bin").labels
    []
    """
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
    frame = next(frames.split_frames(content, Counter()), None)
    return frame is not None and frame.crc == crc32c(content[frame.begin : frame.end])


def _compiled(size: int) -> bool:
    least = _NUMBA_BYTES_RUNNING if "rmtoolkit.loaders.common_numba" in sys.modules else _NUMBA_BYTES
    return size >= least and find_spec("numba") is not None


class _Tools(NamedTuple):
    """What takes an answer apart: all in Python and numpy, or all compiled."""

    crc: Callable[[int, int], int]
    list_chunks: Callable[[int, int, NDArray[np.int64]], int]
    decode: Callable[[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]], Chunks]


def _tools(content: bytes, data: NDArray[np.uint8], *, fast: bool) -> _Tools:
    if fast:
        from rmtoolkit.loaders import remote_read_numba as compiled  # noqa: PLC0415 - an extra, slow to import

        return _Tools(partial(compiled.crc32c, data), partial(compiled.list_chunks, data), compiled.decode_chunks)
    view = memoryview(content)
    return _Tools(lambda begin, end: crc32c(view[begin:end]), partial(frames.list_chunks, content), decode_chunks)


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

    taken = frames.Taken()
    whole = 0
    for frame in frames.split_frames(content, taken.left_out):
        if tools.crc(frame.begin, frame.end) != frame.crc:
            taken.left_out[frames.DAMAGED_FRAMES] += 1
            continue
        try:
            frames.take_frame(content, frame, taken, listed)
            whole += 1
        except WireError:
            taken.left_out[frames.DAMAGED_FRAMES] += 1
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
    parts: list[frames.Plain] = []
    histograms = silent = 0
    left_out: Counter[str] = Counter()
    try:
        for series in frames.plain_series(content):
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
        left_out[frames.BAD_SERIES] += 1
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
    """Say what of an answer could not be read.

    Parameters
    ----------
    read
        The answer.
    source
        File or address.

    Returns
    -------
    list of str
        Sentences for `Report.partial`.

    Examples
    --------
    >>> damage_of(read_answer(b"", "answer.bin"), "answer.bin")
    []
    """
    return [f"{quote_path(source)}: {counted(count, reason)}" for reason, count in read.left_out.items()]
