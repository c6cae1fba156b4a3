"""The samples of a matrix read byte by byte, compiled: the same doubles as the CSV route, several times faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MOST_TIME_DIGITS: Final = 12
_MOST_TIME_DECIMALS: Final = 3
#: An integer below 2**63 becomes the nearest double in one hardware step.
_MOST_INTEGER_DIGITS: Final = 18
#: A mantissa below 2**53 over a power of ten up to 10**22: both exact, so one division rounds correctly.
_MOST_DECIMAL_DIGITS: Final = 15

# Unsigned indices spare the check for negative ones: a third of the time.
_ONE, _TWO, _THREE = np.uintp(1), np.uintp(2), np.uintp(3)
_NAN, _INF = np.float64("nan"), np.float64("inf")
_POWERS: Final = 10.0 ** np.arange(16)
_ZERO, _NINE, _SPACE, _QUOTE, _PLUS, _COMMA, _MINUS, _POINT, _OPEN, _CLOSE = b'09 "+,-.[]'
_UPPER_N, _LOWER_A, _UPPER_I, _LOWER_N, _LOWER_F = b"NaInf"


def _parse(  # noqa: C901, PLR0912, PLR0915 - one pass over bytes, compiled as a whole
    text: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> int:
    """Read ``[[seconds,"value"],…]`` of each stretch; a count of -1 means: not exact here, read it elsewhere."""
    filled = 0
    for series in range(len(starts)):
        place = np.uintp(starts[series])
        end = np.uintp(ends[series])
        begun = filled
        good = place < end and text[place] == _OPEN
        place += _ONE
        while good and place < end:
            while text[place] <= _SPACE:
                place += _ONE
            if text[place] == _CLOSE:
                break
            if text[place] != _OPEN:
                good = False
                break
            place += _ONE
            while text[place] <= _SPACE:
                place += _ONE
            # Seconds with up to three decimals, as whole milliseconds.
            time = np.int64(0)
            digits = 0
            while _ZERO <= text[place] <= _NINE:
                time = time * 10 + (text[place] - _ZERO)
                digits += 1
                place += _ONE
            decimals = 0
            if text[place] == _POINT:
                place += _ONE
                while _ZERO <= text[place] <= _NINE and decimals <= _MOST_TIME_DECIMALS:
                    time = time * 10 + (text[place] - _ZERO)
                    decimals += 1
                    place += _ONE
            if digits == 0 or digits > _MOST_TIME_DIGITS or decimals > _MOST_TIME_DECIMALS:
                good = False
                break
            for _ in range(_MOST_TIME_DECIMALS - decimals):
                time *= 10
            while text[place] <= _SPACE:
                place += _ONE
            if text[place] != _COMMA:
                good = False
                break
            place += _ONE
            while text[place] <= _SPACE:
                place += _ONE
            if text[place] != _QUOTE:
                good = False
                break
            place += _ONE
            # The value, in its string.
            negative = text[place] == _MINUS
            if negative or text[place] == _PLUS:
                place += _ONE
            mantissa = np.int64(0)
            digits = 0
            while _ZERO <= text[place] <= _NINE and digits <= _MOST_INTEGER_DIGITS:
                mantissa = mantissa * 10 + (text[place] - _ZERO)
                digits += 1
                place += _ONE
            value = np.float64(mantissa)
            if digits == 0:
                if text[place] == _UPPER_N and text[place + _ONE] == _LOWER_A and text[place + _TWO] == _UPPER_N:
                    value = _NAN
                elif text[place] == _UPPER_I and text[place + _ONE] == _LOWER_N and text[place + _TWO] == _LOWER_F:
                    value = _INF
                else:
                    good = False
                    break
                place += _THREE
            elif digits > _MOST_INTEGER_DIGITS:
                good = False
                break
            elif text[place] == _POINT:
                place += _ONE
                decimals = 0
                while _ZERO <= text[place] <= _NINE and digits <= _MOST_DECIMAL_DIGITS:
                    mantissa = mantissa * 10 + (text[place] - _ZERO)
                    digits += 1
                    decimals += 1
                    place += _ONE
                if decimals == 0 or digits > _MOST_DECIMAL_DIGITS:
                    good = False
                    break
                value = mantissa / _POWERS[decimals]
            if text[place] != _QUOTE:
                good = False
                break
            place += _ONE
            while text[place] <= _SPACE:
                place += _ONE
            if text[place] != _CLOSE:
                good = False
                break
            place += _ONE
            times[filled] = time
            values[filled] = -value if negative else value
            filled += 1
            while text[place] <= _SPACE:
                place += _ONE
            if text[place] == _COMMA:
                place += _ONE
        if good:
            counts[series] = filled - begun
        else:
            filled = begun
            counts[series] = -1
    return filled


def _compile() -> Callable[..., Any]:
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_parse)
    except RuntimeError:  # no folder to keep the compiled code in
        compiled = numba.njit(nogil=True)(_parse)
    return compiled


_compiled: Final = _compile()


def parse_matrices(
    text: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Read the samples of many series.

    Parameters
    ----------
    text
        Valid JSON.
    starts, ends
        Where in it the ``values`` of each series lie.

    Returns
    -------
    tuple of arrays
        Samples a series (-1: this one needs the slower route), and the milliseconds and values of all.

    Examples
    --------
    >>> parse_matrices(b'[[1.5,"2"],[3,"NaN"]]', np.array([0]), np.array([21]))
    (array([2]), array([1500, 3000]), array([ 2., nan]))
    """
    # The shortest sample, [0,"1"] with its comma, takes 8 bytes. Pages that are never written cost nothing.
    room = int((ends - starts).sum()) // 8 + 1
    times = np.empty(room, np.int64)
    values = np.empty(room, np.float64)
    counts = np.empty(len(starts), np.int64)
    filled = _compiled(np.frombuffer(text, np.uint8), starts, ends, times, values, counts)
    return counts, times[:filled], values[:filled]
