"""Lines of a heaptrack file into numbers: allocations and frees at once, with numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from rmtoolkit.heap.blocks import MARGIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: ``+ `` or ``- `` as the little-endian word that they make.
_PLUS: Final = ord("+") | ord(" ") << 8
_MINUS: Final = ord("-") | ord(" ") << 8
_ONES: Final = np.uint64(0x0101010101010101)
#: Hex digits that fit into one word: no index is longer.
_MOST_DIGITS: Final = 8


class Events(NamedTuple):
    """What stands in one block.

    Attributes
    ----------
    keys
        A number per allocation or free: twice the allocation info's index, and one more for a free.
    starts, ends
        Where every other line begins and ends in the block, in its order.
    before
        How many events stand before each of those lines.
    """

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    before: NDArray[np.int64]


def decode(block: memoryview) -> Events:
    r"""Find the events of a block, and the lines that are none.

    Parameters
    ----------
    block
        `MARGIN` bytes of anything, then whole lines.

    Returns
    -------
    Events
        Lines ``+ INDEX`` and ``- INDEX`` as numbers, all others by their place.

    Examples
    --------
    >>> events = decode(memoryview(b"\0" * MARGIN + b"+ 1f\nc a\n- 1f\n+ 1 2 3\n"))
    >>> events.keys.tolist(), events.starts.tolist(), events.before.tolist()
    ([62, 63], [13, 22], [1, 2])
    """
    text = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(text == 10)
    if text[:MARGIN].any():
        ends = ends[np.searchsorted(ends, MARGIN) :]
    starts = np.empty_like(ends)
    starts[0] = MARGIN
    np.add(ends[:-1], 1, out=starts[1:])
    digits = ends - starts
    digits -= 2
    # The last line may be blank, and then nothing follows its end.
    kind = np.ndarray((len(text) - 1,), "<u2", block, strides=(1,))[np.minimum(starts, len(text) - 2)]
    is_free = kind == _MINUS
    is_event = (kind == _PLUS) | is_free
    is_event &= (digits > 0) & (digits <= _MOST_DIGITS)
    words = np.ndarray((len(text) - 7,), "<u8", block, strides=(1,))[ends - 8]
    values, good = hex_words(words, digits)
    is_event &= good
    values <<= np.uint64(1)
    values |= is_free
    keys = values.view(np.int64)
    others = np.flatnonzero(~is_event)
    if len(others):
        keys = keys[is_event]
    return Events(keys, starts[others], ends[others], others - np.arange(len(others)))


def hex_words(words: NDArray[np.uint64], digits: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Read the hex digits at the end of each word, eight at a time; say where something else stands.

    Parameters
    ----------
    words
        Eight characters each, the last one in the highest byte; overwritten.
    digits
        How many of them count.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray)
        The values, and which of them were written in hex digits only.

    Examples
    --------
    >>> words = np.frombuffer(b"xx + 1f4xxxxx 1 ", np.uint64).copy()
    >>> hex_words(words, np.array([3, 3]))
    (array([500,  16], dtype=uint64), array([ True, False]))
    """
    # What precedes the digits is shifted out at the low end, where the first characters are.
    shift = (8 - digits).view(np.uint64)
    shift <<= np.uint64(3)
    words >>= shift
    letters = words >> np.uint64(6)
    letters &= _ONES
    # Of a digit one bit is set, of a letter the other; of a blank none.
    either = words >> np.uint64(4)
    either &= _ONES
    either ^= letters
    good = either == _ONES >> shift
    letters *= np.uint64(9)
    words &= np.uint64(0x0F0F0F0F0F0F0F0F)
    words += letters
    words <<= shift
    good &= (words & np.uint64(0x1010101010101010)) == 0
    # The first digit is the lowest byte, and counts most.
    words.byteswap(inplace=True)
    words |= words >> np.uint64(4)
    words &= np.uint64(0x00FF00FF00FF00FF)
    words |= words >> np.uint64(8)
    words &= np.uint64(0x0000FFFF0000FFFF)
    words |= words >> np.uint64(16)
    words &= np.uint64(0x00000000FFFFFFFF)
    return words, good
