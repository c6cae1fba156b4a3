"""The samples of many series as text, turned into numbers at once by polars' CSV parser."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import polars as pl

from rmtoolkit.loaders.prometheus_even import read_even

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: 2109. A later time, or one before 1970, is damage.
MOST_MILLISECONDS: Final = 1 << 42
#: What Prometheus stores where a series ended: no number, and not the NaN that arithmetic gives.
STALE_BITS: Final = np.uint64(0x7FF0000000000002)
STALE: Final = np.array([STALE_BITS]).view(np.float64)[0]

NO_SERIES_FORM: Final = "series whose samples are not pairs of time and value"
NO_PAIR: Final = "samples that are not a pair of time and value"
NO_NUMBERS: Final = "values that are no numbers"

_LINE: Final = {"nothing": pl.String(), "seconds": pl.Float64(), "value": pl.Float64()}
#: Shorter series are read faster all at once.
_LONG_BYTES: Final = 1 << 14
_BLANKS: Final = (b" ", b"\n", b"\t", b"\r")


_Pair: TypeAlias = tuple[float, float | str | None]


class Numbers(NamedTuple):
    """Samples of several series, one stretch a series.

    Attributes
    ----------
    counts
        Samples of each series.
    times
        Milliseconds since 1970; -1 where the time is impossible.
    values
        The samples.
    """

    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


def read_pairs(texts: Sequence[bytes | memoryview], left_out: Counter[str]) -> Numbers:
    """Read ``[[1.5,"2"],[3,"NaN"]]`` of each series.

    Parameters
    ----------
    texts
        Valid JSON, none of them empty.
    left_out
        Takes the counts of what could not be used.

    Returns
    -------
    Numbers
        All samples; a value that is no number is NaN, what is no pair is
        left out; a series of another form has no samples.

    Examples
    --------
    >>> from collections import Counter
    >>> read_pairs([b'[[1.5,"2"],[3,"NaN"]]', b"[[1, 2.5]]"], Counter())
    Numbers(counts=array([2, 1]), times=array([1500, 3000, 1000]), values=array([2. , nan, 2.5]))
    """
    parts = [read_even(memoryview(text)) if len(text) >= _LONG_BYTES else None for text in texts]
    others = [text for text, part in zip(texts, parts, strict=True) if part is None]
    if len(others) == len(texts):
        return _read_uneven(texts, left_out)
    if others:
        counts, times, values = _read_uneven(others, left_out)
        cuts = np.cumsum(counts)[:-1]
        pieces = zip(np.split(times, cuts), np.split(values, cuts), strict=True)
        parts = [next(pieces) if part is None else part for part in parts]
    return _stacked([part for part in parts if part is not None])


def _read_uneven(texts: Sequence[bytes | memoryview], left_out: Counter[str]) -> Numbers:
    return _read_compact(texts) or _stacked([_read_odd(text, left_out) for text in texts])


def _read_compact(texts: Sequence[bytes | memoryview]) -> Numbers | None:
    """Read pairs as servers write them; None when one of the series has another form."""
    joined = b"],[".join([text[2:-2] for text in texts])
    if any(blank in joined for blank in _BLANKS):
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
    """Read a series sample by sample: escapes, plain numbers, nulls, rubbish."""
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
        samples = msgspec.json.decode(text, type=list[msgspec.Raw])
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
    possible = (milliseconds >= 0) & (milliseconds < MOST_MILLISECONDS)
    return np.where(possible, milliseconds, -1).astype(np.int64)


def _stacked(parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Numbers:
    return Numbers(
        np.array([len(times) for times, _ in parts], np.int64),
        np.concatenate([times for times, _ in parts]),
        np.concatenate([values for _, values in parts]),
    )


def read_exports(values: Sequence[bytes], timestamps: Sequence[bytes], left_out: Counter[str]) -> Numbers:
    """Read ``"values":[1,2,null]`` and ``"timestamps":[1000,2000,3000]`` of each series.

    Parameters
    ----------
    values, timestamps
        Valid JSON, one of each a series, none of them empty. A null stands where a series ended.
    left_out
        Takes the counts of what could not be used.

    Returns
    -------
    Numbers
        All samples, a null as `STALE`; a series of another form has no samples.

    Examples
    --------
    >>> from collections import Counter
    >>> read_exports([b"[1,null]"], [b"[1000,2000]"], Counter())
    Numbers(counts=array([2]), times=array([1000, 2000]), values=array([ 1., nan]))
    """
    together = _read_arrays(values, timestamps)
    if together is not None:
        return together
    parts: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    for value, timestamp in zip(values, timestamps, strict=True):
        alone = _read_arrays([value], [timestamp]) or _read_odd_arrays(value, timestamp, left_out)
        if alone is None:
            left_out[NO_SERIES_FORM] += 1
        parts.append((np.empty(0, np.int64), np.empty(0)) if alone is None else (alone.times, alone.values))
    return _stacked(parts)


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
    if found.null_count():
        ended = found.is_null().to_numpy()
        numbers = found.to_numpy().copy()
        numbers[ended] = STALE
        return Numbers(counts, times.to_numpy(), numbers)
    return Numbers(counts, times.to_numpy(), found.to_numpy())


def _read_odd_arrays(value: bytes, timestamp: bytes, left_out: Counter[str]) -> Numbers | None:
    """Read what is good of two arrays of one length; None when that is nothing."""
    try:
        values = msgspec.json.decode(value, type=list[msgspec.Raw])
        times = msgspec.json.decode(timestamp, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if len(values) != len(times):
        return None
    good: list[Numbers] = []
    for one, time in zip(values, times, strict=True):
        alone = _read_arrays([b"[%b]" % bytes(one)], [b"[%b]" % bytes(time)])
        if alone is not None:
            good.append(alone)
    if not any(numbers.counts.sum() for numbers in good):
        return None
    left_out[NO_PAIR] += len(values) - len(good)
    columns = [np.concatenate([getattr(numbers, name) for numbers in good]) for name in ("times", "values")]
    return Numbers(np.array([len(columns[0])], np.int64), *columns)


def _column(texts: Sequence[bytes], dtype: pl.DataType) -> pl.Series:
    lines = b",".join([text[1:-1] for text in texts]).replace(b",", b"\n").replace(b'"', b"")
    return pl.read_csv(lines, has_header=False, schema={"it": dtype}, quote_char=None, null_values="null")["it"]
