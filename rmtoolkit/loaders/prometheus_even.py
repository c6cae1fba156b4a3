"""Samples as text that all take the same number of bytes, read as a table of digits: most of what servers write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: ``[seconds,"value"]`` with digits and a point only.
_SAMPLE: Final = re.compile(rb'\[(\d{1,11})(?:\.(\d{1,3}))?,"(\d{1,15})(?:\.(\d{1,14}))?"\]')
#: A mantissa of so many digits, over a power of ten up to 10**22, are both exact: one division rounds correctly.
_MOST_DIGITS: Final = 15
_ZERO: Final = np.uint8(ord("0"))
_NINE: Final = 9
#: Shorter stretches of one width are not worth the start.
_LEAST_ROWS: Final = 32
#: After a change of width, look this many times as far ahead as the last stretch went.
_AHEAD: Final = 4


def read_even(text: memoryview) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Read a series whose samples change their width seldom.

    Parameters
    ----------
    text
        ``[[1,"2"],[3,"4"]]``, JSON that is known to be valid.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray) or None
        Milliseconds and values; None where there are blanks, exponents, signs, or widths that change often.

    Examples
    --------
    >>> samples = ",".join(f'[{time},"{time % 7}.5"]' for time in range(1000, 1040))
    >>> times, values = read_even(memoryview(f"[{samples}]".encode()))
    >>> times[:2].tolist(), values[:2].tolist()
    ([1000000, 1001000], [6.5, 0.5])
    """
    data = np.frombuffer(text, np.uint8)
    place, ahead = 1, len(text)
    times: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    while place < len(text):
        sample = _SAMPLE.match(text, place)
        if sample is None or len(sample[3] + (sample[4] or b"")) > _MOST_DIGITS:
            return None
        width = sample.end() + 1 - place
        # Behind the last sample stands a bracket, where the others have a comma.
        rows = data[place : place + min((len(text) - place) // width, ahead) * width].reshape(-1, width)
        fields = [(begin - place, end - place) for begin, end in map(sample.span, range(1, 5)) if begin >= 0]
        digits = [rows[:, begin:end] - _ZERO for begin, end in fields]
        good = _alike(rows, digits, fields, is_last=place + rows.size == len(text))
        if good < _LEAST_ROWS and place + good * width < len(text):
            return None
        numbers = iter([_joined(table[:good]) for table in digits])
        time = next(numbers) * 1000
        if sample[2]:
            time += next(numbers) * 10.0 ** (3 - len(sample[2]))
        value = next(numbers)
        if sample[4]:
            scale = 10.0 ** len(sample[4])
            value = (value * scale + next(numbers)) / scale
        times.append(time.astype(np.int64))
        values.append(value)
        place += good * width
        ahead = _AHEAD * good
    return (times[0], values[0]) if len(times) == 1 else (np.concatenate(times), np.concatenate(values))


def _alike(
    rows: NDArray[np.uint8],
    digits: list[NDArray[np.uint8]],
    fields: list[tuple[int, int]],
    *,
    is_last: bool,
) -> int:
    """How many of the first samples have their digits where the first one has them, and the same marks between."""
    inside = {place for begin, end in fields for place in range(begin, end)}
    marks = [place for place in range(rows.shape[1]) if place not in inside]
    # The last sample of all has another mark behind it.
    height = len(rows)
    wrong = [
        np.flatnonzero(column != first)
        for column, first in (
            (rows[: height - (is_last and place == marks[-1]), place], rows[0, place]) for place in marks
        )
    ]
    # Below "0" the difference wraps around and is large.
    wrong += [np.flatnonzero(table.max(axis=1) > _NINE) for table in digits if table.max() > _NINE]
    return min((int(places[0]) for places in wrong if len(places)), default=height)


def _joined(digits: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Join digits to whole numbers."""
    number: NDArray[np.float64] = digits.astype(np.float64) @ 10.0 ** np.arange(digits.shape[1] - 1, -1, -1)
    return number
