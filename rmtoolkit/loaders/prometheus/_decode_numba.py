"""The samples of matrices read byte by byte, compiled."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


# Unsigned indices spare the check for negative ones: a third of the time.
_1_COMMON_NUMBA, _2_COMMON_NUMBA, _3_COMMON_NUMBA, _4, _5, _6, _7 = (np.uintp(number) for number in range(1, 8))
_S8_COMMON_NUMBA, _S16_COMMON_NUMBA, _S24, _S32_COMMON_NUMBA, _S40, _S48, _S56 = (
    np.uint64(8 * number) for number in range(1, 8)
)


def compile_(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:  # noqa: ANN401 - numba's own
    """Compile a function, and keep what was compiled where there is a place for it."""
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        compiled = numba.njit(nogil=True, **options)(function)
    return compiled


def _little(data: NDArray[np.uint8], place: Any) -> Any:  # noqa: ANN401 - an unsigned index, an unsigned word
    """Load eight bytes, the first one lowest; the compiler makes a single load of it."""
    return (
        np.uint64(data[place])
        | np.uint64(data[place + _1_COMMON_NUMBA]) << _S8_COMMON_NUMBA
        | np.uint64(data[place + _2_COMMON_NUMBA]) << _S16_COMMON_NUMBA
        | np.uint64(data[place + _3_COMMON_NUMBA]) << _S24
        | np.uint64(data[place + _4]) << _S32_COMMON_NUMBA
        | np.uint64(data[place + _5]) << _S40
        | np.uint64(data[place + _6]) << _S48
        | np.uint64(data[place + _7]) << _S56
    )


def _big(data: NDArray[np.uint8], place: Any) -> Any:  # noqa: ANN401 - an unsigned index, an unsigned word
    """Load eight bytes, the first one highest; the compiler makes a load and a swap of it."""
    return (
        np.uint64(data[place]) << _S56
        | np.uint64(data[place + _1_COMMON_NUMBA]) << _S48
        | np.uint64(data[place + _2_COMMON_NUMBA]) << _S40
        | np.uint64(data[place + _3_COMMON_NUMBA]) << _S32_COMMON_NUMBA
        | np.uint64(data[place + _4]) << _S24
        | np.uint64(data[place + _5]) << _S16_COMMON_NUMBA
        | np.uint64(data[place + _6]) << _S8_COMMON_NUMBA
        | np.uint64(data[place + _7])
    )


load_little: Final = compile_(_little, inline="always")
load_big: Final = compile_(_big, inline="always")

_VALUES: Final = re.compile(rb'"values"\s{0,8}:\s{0,8}\[')
#: What the pattern matches is shorter than this.
_LONGEST_MATCH: Final = 32
#: No sample that is read here takes more bytes than this, so none is read beyond the end.
_MARGIN: Final = 256
#: Bytes that are looked at together: they fit into a processor's cache.
_CHUNK: Final = 1 << 20
#: The shortest sample, [0,"1"] with its comma.
_SHORTEST: Final = 8

_MOST_TIME_DIGITS: Final = 12
_MOST_TIME_DECIMALS: Final = 3
#: An integer below 2**63 becomes the nearest double in one hardware step.
_MOST_INTEGER_DIGITS: Final = 18
#: A mantissa below 2**53 over a power of ten up to 10**22: both exact, so one division rounds correctly.
_MOST_DECIMAL_DIGITS: Final = 15
_MOST_BLANKS: Final = 64

#: How reading a series ended: at its end, at the limit, at something that needs more care.
_DONE, _MORE, _ODD = 0, 1, 2

_NAN, _INF = np.float64("nan"), np.float64("inf")
_POWERS: Final = 10.0 ** np.arange(16)
_TO_MILLISECONDS: Final = np.array([1000, 100, 10, 1])
_ZERO, _NINE, _SPACE, _QUOTE, _PLUS, _COMMA, _MINUS, _POINT, _OPEN, _CLOSE = b'09 "+,-.[]'
_LINE, _TAB, _RETURN = b"\n\t\r"
_UPPER_N, _LOWER_A, _UPPER_I, _LOWER_N, _LOWER_F = b"NaInf"

# Unsigned indices spare the check for negative ones: a third of the time.
_1, _2, _3, _8, _12 = (np.uintp(number) for number in (1, 2, 3, 8, 12))
_S4, _S8, _S16, _S32 = (np.uint64(number) for number in (4, 8, 16, 32))
_HIGH: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_NONE, _N1, _N8 = (np.uint64(number) for number in (0, 1, 8))
_S7, _S60, _S64 = (np.uint64(number) for number in (7, 60, 64))
_ZEROS, _UP_TO_NINE, _HIGHEST = (np.uint64(0x0101010101010101 * byte) for byte in (0x30, 0x76, 0x80))
#: n << 4 in the nth byte from the top.
_PLACES: Final = np.uint64(0x0010203040506070)
#: ``,"`` behind the two last digits of a time in seconds, and two bytes of any digits.
_COMMA_QUOTE: Final = np.uint64(0x222C << 16)
_COMMA_QUOTE_MASK: Final = np.uint64(0xFFFF << 16)
_TWO, _15, _3S = (np.uint64(number) for number in (0xFFFF, 0x0F, 3))
_TWO_HIGH, _TWO_SIXES, _TWO_THREES = (np.uint64(0x0101 * byte) for byte in (0xF0, 0x06, 0x33))
_TEN, _HUNDRED = np.int64(10), np.int64(100)
_WHOLE_POWERS: Final = 10 ** np.arange(9)
_SIXES: Final = np.uint64(0x0606060606060606)
_THREES: Final = np.uint64(0x3333333333333333)
_LOW, _PAIRS, _QUADS = (np.uint64(mask) for mask in (0x0F0F0F0F0F0F0F0F, 0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF))
_BY_PAIRS, _BY_QUADS, _BY_EIGHTS = (np.uint64(factor) for factor in (2561, 6553601, 42949672960001))


def _are_digits(word: Any) -> Any:  # noqa: ANN401 - an unsigned word
    """Tell whether all eight bytes are digits: 0x30 to 0x39."""
    return ((word & _HIGH) | (((word + _SIXES) & _HIGH) >> _S4)) == _THREES


def _number(word: Any) -> Any:  # noqa: ANN401 - an unsigned word
    """Join eight digits by pairs, by fours, by eights."""
    word = (word & _LOW) * _BY_PAIRS >> _S8
    word = (word & _PAIRS) * _BY_QUADS >> _S16
    return np.int64((word & _QUADS) * _BY_EIGHTS >> _S32)


def _run(word: Any) -> Any:  # noqa: ANN401 - an unsigned word
    """Count the digits with which eight bytes begin."""
    other = word ^ _ZEROS
    # The first byte that is no digit keeps its highest bit; what a carry makes of those behind it does not matter.
    found = ((other + _UP_TO_NINE) | other) & _HIGHEST
    if found == _NONE:
        return _N8
    return (((found & (~found + _N1)) >> _S7) * _PLACES) >> _S60


def _is_blank(character: Any) -> Any:  # noqa: ANN401 - a byte
    return character in (_SPACE, _LINE, _TAB, _RETURN)


_all_digits = compile_(_are_digits, inline="always")
_joined = compile_(_number, inline="always")
_digits = compile_(_run, inline="always")
_blank = compile_(_is_blank, inline="always")


def _parse(  # noqa: C901, PLR0911, PLR0912, PLR0915 - one pass over bytes, compiled as a whole
    text: NDArray[np.uint8],
    start: int,
    limit: int,
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    begun: int,
    filled: int,
) -> tuple[Any, int, int]:
    """Read ``[seconds,"value"],…]`` up to the limit; give the place, the samples so far, and how it ended."""
    place = np.uintp(start)
    end = np.uintp(limit)
    while True:
        # Blanks are few; a page of them is no answer of a server.
        blanks = 0
        while text[place] <= _SPACE and blanks < _MOST_BLANKS and _blank(text[place]):
            place += _1
            blanks += 1
        if place >= end:
            return np.int64(place), filled, _MORE
        if text[place] == _CLOSE and filled == begun:
            return np.int64(place + _1), filled, _DONE
        if text[place] != _OPEN:
            return np.int64(place), filled, _ODD
        place += _1
        # Ten digits, and a string of up to fifteen: nearly every sample.
        seconds, word = load_little(text, place), load_little(text, place + _8)
        two = word & _TWO
        if (
            _all_digits(seconds)
            and ((two & _TWO_HIGH) | (((two + _TWO_SIXES) & _TWO_HIGH) >> _S4)) == _TWO_THREES
            and word & _COMMA_QUOTE_MASK == _COMMA_QUOTE
        ):
            at = place + _12
            first = load_little(text, at)
            count = _digits(first)
            if count == _N8:
                number = _joined(first)
                at += _8
                first = load_little(text, at)
                count = _digits(first)
            else:
                number = np.int64(0)
                if count == _NONE:
                    count = _N8
            if count < _N8:
                if count > _NONE:
                    number = number * _WHOLE_POWERS[count] + _joined(first << (_S64 - (count << _3S)))
                at += np.uintp(count)
                if text[at] == _QUOTE and text[at + _1] == _CLOSE:
                    values[filled] = number
                    tail = np.int64(word & _15) * _TEN + np.int64((word >> _S8) & _15)
                    times[filled] = (_joined(seconds) * _HUNDRED + tail) * 1000
                    if text[at + _2] == _COMMA and text[at + _3] == _OPEN:
                        filled += 1
                        place = at + _3
                        continue
                    if text[at + _2] == _CLOSE:
                        return np.int64(at + _3), filled + 1, _DONE
        while text[place] <= _SPACE and blanks < _MOST_BLANKS and _blank(text[place]):
            place += _1
            blanks += 1
        negative = False
        # The two numbers of a sample: seconds, and in a string the value.
        for part in range(2):
            number = np.int64(0)
            digits = decimals = 0
            word = load_little(text, place)
            if _all_digits(word):
                number = _joined(word)
                digits = 8
                place += _8
            while _ZERO <= text[place] <= _NINE and digits <= _MOST_INTEGER_DIGITS:
                number = number * 10 + (text[place] - _ZERO)
                digits += 1
                place += _1
            if digits > _MOST_INTEGER_DIGITS:
                return np.int64(place), filled, _ODD
            if digits and text[place] == _POINT:
                place += _1
                while _ZERO <= text[place] <= _NINE and digits + decimals <= _MOST_DECIMAL_DIGITS:
                    number = number * 10 + (text[place] - _ZERO)
                    decimals += 1
                    place += _1
                if decimals == 0 or digits + decimals > _MOST_DECIMAL_DIGITS:
                    return np.int64(place), filled, _ODD
            if part:
                value = number / _POWERS[decimals]
                if digits == 0:
                    if text[place] == _UPPER_N and text[place + _1] == _LOWER_A and text[place + _2] == _UPPER_N:
                        value = _NAN
                    elif text[place] == _UPPER_I and text[place + _1] == _LOWER_N and text[place + _2] == _LOWER_F:
                        value = _INF
                    else:
                        return np.int64(place), filled, _ODD
                    place += _3
                values[filled] = -value if negative else value
                break
            if digits == 0 or digits > _MOST_TIME_DIGITS or decimals > _MOST_TIME_DECIMALS:
                return np.int64(place), filled, _ODD
            times[filled] = number * _TO_MILLISECONDS[decimals]
            while text[place] <= _SPACE and blanks < _MOST_BLANKS and _blank(text[place]):
                place += _1
                blanks += 1
            if text[place] != _COMMA:
                return np.int64(place), filled, _ODD
            place += _1
            while text[place] <= _SPACE and blanks < _MOST_BLANKS and _blank(text[place]):
                place += _1
                blanks += 1
            if text[place] != _QUOTE:
                return np.int64(place), filled, _ODD
            place += _1
            negative = text[place] == _MINUS
            if negative or text[place] == _PLUS:
                place += _1
        if text[place] != _QUOTE:
            return np.int64(place), filled, _ODD
        place += _1
        while text[place] <= _SPACE and blanks < _MOST_BLANKS and _blank(text[place]):
            place += _1
            blanks += 1
        if text[place] != _CLOSE:
            return np.int64(place), filled, _ODD
        place += _1
        filled += 1
        while text[place] <= _SPACE and blanks < _MOST_BLANKS and _blank(text[place]):
            place += _1
            blanks += 1
        if text[place] == _CLOSE:
            return np.int64(place + _1), filled, _DONE
        if text[place] != _COMMA:
            return np.int64(place), filled, _ODD
        place += _1
        if text[place] == _CLOSE:
            return np.int64(place), filled, _ODD


_parse_compiled: Final = compile_(_parse)


class Cut(NamedTuple):
    """An answer without the samples that were read from it."""

    rest: bytes
    mark: bytes
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


def cut_matrices(read: Callable[[memoryview], int | None], size: int) -> Cut | None:
    """Read the samples of every matrix in an answer, and take them out of it."""
    text = np.zeros(_CHUNK + _MARGIN, np.uint8)
    view = text.data
    # Pages that are never written cost nothing.
    times = np.empty(size // _SHORTEST + 1, np.int64)
    values = np.empty(len(times), np.float64)
    mark = secrets.token_hex(16).encode()
    pieces: list[bytes] = []
    ends = [0]
    kept = filled = 0
    begin: int | None = None  # where the series begins that is being read; -1 when that was in a chunk before
    while True:
        came = read(view[kept : min(_CHUNK, kept + size)]) or 0 if size else 0
        size = size - came if came else 0
        end = kept + came
        text[end : end + _MARGIN] = 0
        written = place = 0
        while True:
            if begin is None:
                found = _VALUES.search(view[:end], place)
                if found is None:
                    break
                begin = place = found.end()
                filled = ends[-1]
            limit = max(end - _MARGIN, 0) if size else end
            place, filled, how = _parse_compiled(text, place, limit, times, values, ends[-1], filled)
            if how == _MORE and size:
                break
            if how == _DONE:
                pieces += [bytes(view[written : max(begin - 1, written)]), b'"%b%d"' % (mark, len(ends) - 1)]
                ends.append(filled)
                written = place
            elif begin < 0:
                return None
            else:
                place = begin
            begin = None
        if begin is None:
            place = max(written, place, end - _LONGEST_MATCH if size else end)
            pieces.append(bytes(view[written:place]))
        else:
            pieces.append(bytes(view[written : max(begin - 1, written)]))
            begin = -1
        if not size:
            break
        kept = end - place
        view[:kept] = bytes(view[place:end])
    starts = np.array(ends[:-1], np.int64)
    counts = np.array(ends[1:], np.int64) - starts
    return Cut(b"".join(pieces), mark, starts, counts, times[: ends[-1]], values[: ends[-1]])
