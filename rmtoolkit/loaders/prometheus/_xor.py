"""Chunks of Prometheus' XOR encoding turned into samples: many chunks side by side, one sample of each a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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

    counts: NDArray[np.int64]  # samples of each chunk; none of a damaged one
    times: NDArray[np.int64]  # milliseconds since 1970, chunk after chunk
    values: NDArray[np.float64]  # the samples, bit by bit as they were stored
    damaged: int


def counts_of(data: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
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
def decode_chunks(data: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Chunks:
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
    return without_damaged(Chunks(counts, times, values.view(np.float64), 0), damaged)


def without_damaged(chunks: Chunks, damaged: NDArray[np.bool_]) -> Chunks:
    """Leave out the samples of damaged chunks."""
    if not damaged.any():
        return chunks
    kept = ~np.repeat(damaged, chunks.counts)
    return Chunks(
        np.where(damaged, 0, chunks.counts), chunks.times[kept], chunks.values[kept], int(np.count_nonzero(damaged))
    )


def _decode_lanes(
    data: NDArray[np.uint8],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    counts: NDArray[np.int64],
    starts: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.uint64],
) -> NDArray[np.bool_]:
    """Decode chunks, the longest first; tell which of them end too early."""
    words: NDArray[np.uint64] = np.ndarray((len(data) - 8,), ">u8", data, 0, (1,))
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


def _varints(
    data: NDArray[np.uint8], place: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.bool_]]:
    """Read numbers of seven bits a byte; give them, the places after them, and which do not end."""
    parts = data[place[:, None] + np.arange(_MOST_VARINT_BYTES)]
    ending: NDArray[np.bool_] = parts < 0x80  # noqa: PLR2004 - the last byte has no continuation bit
    length = ending.argmax(axis=1) + 1
    inside = np.arange(_MOST_VARINT_BYTES) < length[:, None]
    shifts = np.arange(0, 7 * _MOST_VARINT_BYTES, 7, dtype=np.uint64)
    numbers = np.where(inside, (parts & 0x7F).astype(np.uint64) << shifts, np.uint64(0))
    endless: NDArray[np.bool_] = np.logical_not(ending.any(axis=1))
    return np.bitwise_or.reduce(numbers, axis=1), place + length, endless


def _word(data: NDArray[np.uint8], words: NDArray[np.uint64], bit: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Load 64 bits from any bit on."""
    byte = bit >> 3
    shift = (bit & 7).astype(np.uint64)
    word: NDArray[np.uint64] = words[byte].astype(np.uint64) << shift
    word |= data[byte + 8] >> (np.uint64(8) - shift)
    return word


def _change_step(
    data: NDArray[np.uint8], words: NDArray[np.uint64], bit: NDArray[np.int64], step: NDArray[np.int64]
) -> None:
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
    data: NDArray[np.uint8],
    words: NDArray[np.uint64],
    bit: NDArray[np.int64],
    value: NDArray[np.uint64],
    leading: NDArray[np.uint64],
    trailing: NDArray[np.uint64],
    wrong: NDArray[np.bool_],
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
