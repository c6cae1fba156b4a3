"""The same as in `remote_read_xor`, `remote_read_frames` and `crc32c`, compiled: several times as fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rmtoolkit.loaders._wire import tables
from rmtoolkit.loaders.prometheus._decode_numba import compile_, load_big, load_little
from rmtoolkit.loaders.prometheus._xor import Chunks, counts_of, without_damaged
from rmtoolkit.loaders.prometheus.saved import _remote_read

if TYPE_CHECKING:
    from numpy.typing import NDArray


_U = [np.uint64(number) for number in range(65)]
_0, _1, _2, _3, _4, _5, _6, _7, _8 = _U[:9]
_11, _13, _14, _16, _17, _20, _44, _51, _56, _57, _58, _59, _62, _63, _64 = (
    _U[number] for number in (11, 13, 14, 16, 17, 20, 44, 51, 56, 57, 58, 59, 62, 63, 64)
)
_LOW7: Final = np.uint64(0x7F)
_MORE: Final = np.uint64(0x80)
_31: Final = np.uint64(31)
_ALL: Final = np.uint64(0xFFFFFFFF)
_BYTE: Final = np.uint64(0xFF)

list_chunks: Final = compile_(_remote_read.list_chunks)


def _word(data: NDArray[np.uint8], bit: Any) -> Any:  # noqa: ANN401 - an unsigned index, an unsigned word
    """Load 64 bits from any bit on."""
    place = np.uintp(bit >> _3)
    shift = bit & _7
    word = load_big(data, place) << shift
    return word | np.uint64(data[place + np.uintp(8)]) >> (_8 - shift)


_word_at: Final = compile_(_word, inline="always")


def _decode(  # noqa: C901, PLR0912, PLR0915 - one pass over bits, compiled as a whole
    data: NDArray[np.uint8],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    counts: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.uint64],
    damaged: NDArray[np.bool_],
) -> None:
    """Decode chunks one after another; mark those that end too early."""
    filled = np.uintp(0)
    for chunk in range(len(begins)):
        count = counts[chunk]
        last = np.uint64(ends[chunk]) << _3
        bit = np.uint64(begins[chunk] + 2) << _3
        time = step = np.int64(0)
        value = leading = trailing = _0
        first = filled
        filled += np.uintp(count)
        for number in range(count):
            if bit > last:
                damaged[chunk] = True
                break
            if number < 2:  # noqa: PLR2004 - the first two times are whole bytes
                place = np.uintp(bit >> _3)
                raw = shift = _0
                while shift < _64:
                    byte = np.uint64(data[place])
                    place += np.uintp(1)
                    raw |= (byte & _LOW7) << shift
                    shift += _7
                    if byte < _MORE:
                        break
                else:
                    damaged[chunk] = True
                    break
                bit = np.uint64(place) << _3
                if number == 0:
                    time = np.int64(raw >> _1) ^ -np.int64(raw & _1)
                    if bit > last:
                        damaged[chunk] = True
                        break
                    value = load_big(data, place)
                    bit += _64
                    times[first], values[first] = time, value
                    continue
                step = np.int64(raw)
            else:
                word = load_big(data, np.uintp(bit >> _3)) << (bit & _7)
                if not word >> _63:
                    bit += _1
                elif word >> _62 == _2:
                    raw = word << _2 >> (_64 - _14)
                    step += np.int64(raw) - (np.int64(1 << 14) if raw > _1 << _13 else np.int64(0))
                    bit += _16
                elif word >> np.uint64(61) == _6:
                    raw = word << _3 >> (_64 - _17)
                    step += np.int64(raw) - (np.int64(1 << 17) if raw > _1 << _16 else np.int64(0))
                    bit += _20
                elif word >> np.uint64(60) == np.uint64(14):
                    raw = word << _4 >> _44
                    step += np.int64(raw) - (np.int64(1 << 20) if raw > _1 << np.uint64(19) else np.int64(0))
                    bit += np.uint64(24)
                else:
                    step += np.int64(_word_at(data, bit + _4))
                    bit += np.uint64(68)
            if bit > last:
                damaged[chunk] = True
                break
            time += step
            word = load_big(data, np.uintp(bit >> _3)) << (bit & _7)
            if word >> _63:
                if word >> _62 == _3:
                    leading = word >> _57 & _31
                    significant = word >> _51 & _63
                    if significant == _0:
                        significant = _64
                    if leading + significant > _64:
                        damaged[chunk] = True
                        break
                    trailing = _64 - leading - significant
                    bit += _13
                else:
                    bit += _2
                if bit > last:
                    damaged[chunk] = True
                    break
                value ^= _word_at(data, bit) >> (leading + trailing) << trailing
                bit += _64 - leading - trailing
            else:
                bit += _1
            times[first + np.uintp(number)], values[first + np.uintp(number)] = time, value
        if bit > last:
            damaged[chunk] = True


_decode_compiled: Final = compile_(_decode)


def decode_chunks(data: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Chunks:
    """Decode XOR chunks, as `remote_read_xor.decode_chunks` does."""
    counts = counts_of(data, begins, ends)
    damaged = counts < 0
    counts[damaged] = 0
    times = np.empty(int(counts.sum()), np.int64)
    values = np.empty(len(times), np.uint64)
    _decode_compiled(data, begins, ends, counts, times, values, damaged)
    return without_damaged(Chunks(counts, times, values.view(np.float64), 0), damaged)


def _crc32c(data: NDArray[np.uint8], begin: int, end: int, table: NDArray[np.uint32]) -> int:
    """Sum eight bytes a step."""
    crc = _ALL
    place, last = np.uintp(begin), np.uintp(end)
    while last - place >= np.uintp(8):
        word = load_little(data, place) ^ crc
        crc = np.uint64(
            table[7, word & _BYTE]
            ^ table[6, word >> _8 & _BYTE]
            ^ table[5, word >> _16 & _BYTE]
            ^ table[4, word >> np.uint64(24) & _BYTE]
            ^ table[3, word >> np.uint64(32) & _BYTE]
            ^ table[2, word >> np.uint64(40) & _BYTE]
            ^ table[1, word >> np.uint64(48) & _BYTE]
            ^ table[0, word >> _56]
        )
        place += np.uintp(8)
    while place < last:
        crc = np.uint64(table[0, (crc ^ np.uint64(data[place])) & _BYTE]) ^ crc >> _8
        place += np.uintp(1)
    return int(crc ^ _ALL)


_crc32c_compiled: Final = compile_(_crc32c)


def crc32c(data: NDArray[np.uint8], begin: int, end: int) -> int:
    """Compute the CRC-32C of some of the bytes."""
    return int(_crc32c_compiled(data, begin, end, tables()))
