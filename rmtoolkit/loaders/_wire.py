"""The few pieces of protobuf and snappy that remote read needs, and CRC-32C: small, bounded for hostile input."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from rmtoolkit.exceptions import RmtoolkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


Buffer: TypeAlias = bytes | memoryview

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED: Final = {FIXED64: 8, FIXED32: 4}
_MOST_VARINT_BYTES: Final = 10
_WORD: Final = (1 << 64) - 1

#: A snappy copy of three bytes gives up to 64: nothing packs better.
_SNAPPY_RATIO: Final = 22
#: No answer unpacks to more than this.
_NEVER_BYTES: Final = 1 << 30


class WireError(RmtoolkitError):
    """Bytes that are not what they should be."""


def varint(number: int) -> bytes:
    """Write a number, seven bits a byte."""
    number &= _WORD
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def field(number: int, content: bytes | int) -> bytes:
    """Write a field of a message."""
    if isinstance(content, int):
        return varint(number << 3 | VARINT) + varint(content)
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def read_varint(data: Buffer, place: int, end: int) -> tuple[int, int]:
    """Read a number."""
    number = shift = 0
    for byte in data[place : min(end, place + _MOST_VARINT_BYTES)]:
        place += 1
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no continuation bit
            return (number | byte << shift) & _WORD, place
        number |= (byte & 0x7F) << shift
        shift += 7
    msg = "a number that does not end"
    raise WireError(msg)


def fields(data: Buffer, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Walk over the fields of a message."""
    while place < end:
        # Nearly all keys take one byte.
        key = data[place]
        key, place = (key, place + 1) if key < 0x80 else read_varint(data, place, end)  # noqa: PLR2004 - seven bits
        kind = key & 7
        if kind == VARINT:
            value, place = read_varint(data, place, end)
            yield key >> 3, kind, value, value
            continue
        if kind == BYTES:
            length, place = read_varint(data, place, end)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            msg = f"a field of type {kind}"
            raise WireError(msg)
        if length > end - place:
            msg = f"a field of {length:,} bytes where {end - place:,} are left"
            raise WireError(msg)
        yield key >> 3, kind, place, place + length
        place += length


def pack_snappy(data: bytes) -> bytes:
    """Write a snappy block."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and seldom needed

    packed: bytes = pa.compress(data, codec="snappy", asbytes=True)
    return packed


def unpack_snappy(data: Buffer) -> bytes:
    """Unpack a snappy block."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and seldom needed

    size, _ = read_varint(data, 0, len(data))
    if size > min(_SNAPPY_RATIO * len(data), _NEVER_BYTES):
        msg = f"{len(data):,} bytes that say they unpack to {size:,}"
        raise WireError(msg)
    try:
        unpacked: bytes = pa.decompress(bytes(data), decompressed_size=size, codec="snappy", asbytes=True)
    except (OSError, pa.ArrowException) as error:
        msg = "a damaged snappy block"
        raise WireError(msg) from error
    return unpacked


#: The polynomial of Castagnoli, its bits reversed.
_POLYNOMIAL: Final = 0x82F63B78
_ALL: Final = 0xFFFFFFFF
_WORD_CRC32C: Final = 8
#: Below this the table is asked byte by byte.
_FEW_BYTES: Final = 64


@cache
def tables() -> NDArray[np.uint32]:
    """Make the remainders of every byte with none to seven zero bytes after it."""
    row = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        row = np.where(row & 1, (row >> 1) ^ np.uint32(_POLYNOMIAL), row >> 1)
    rows = [row]
    for _ in range(7):
        rows.append(rows[0][rows[-1] & 0xFF] ^ (rows[-1] >> 8))
    return np.stack(rows)


# A CRC is linear: the sum of two halves is the sum of the left one, moved by the length of the right one, with the sum
# of the right one. So all words are summed at once, then neighbours are put together until one is left. See Intel's
# "Fast CRC computation for generic polynomials".
def crc32c(data: bytes | memoryview) -> int:
    """Compute the CRC-32C of bytes."""
    if len(data) < _FEW_BYTES:
        table: list[int] = tables()[0].tolist()
        crc = _ALL
        for byte in bytes(data):
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ _ALL
    # Zeros before the first byte change nothing; what a CRC begins with is the complement of the first four bytes.
    before = -len(data) % _WORD_CRC32C
    padded = np.zeros(before + len(data), np.uint8)
    padded[before:] = np.frombuffer(data, np.uint8)
    padded[before : before + 4] ^= 0xFF
    words = padded.reshape(-1, _WORD_CRC32C)
    sums = np.zeros(len(words), np.uint32)
    for column, table_of in enumerate(tables()[::-1]):
        sums ^= table_of[words[:, column]]
    level = 0
    while len(sums) > 1:
        if len(sums) % 2:
            sums = np.append(np.uint32(0), sums)
        sums = _through(_moves(level), sums[0::2]) ^ sums[1::2]
        level += 1
    return int(sums[0]) ^ _ALL


def _through(moves: NDArray[np.uint32], sums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Move sums: each of their bytes is looked up by itself."""
    moved: NDArray[np.uint32] = (
        moves[0][sums & 0xFF] ^ moves[1][(sums >> 8) & 0xFF] ^ moves[2][(sums >> 16) & 0xFF] ^ moves[3][sums >> 24]
    )
    return moved


@cache
def _moves(level: int) -> NDArray[np.uint32]:
    """Make the remainders of each byte of a sum, with a word times two to the power of the level after it."""
    if level:
        half = _moves(level - 1)
        return _through(half, half)
    rows = np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]
    for _ in range(_WORD_CRC32C):
        rows = tables()[0][rows & 0xFF] ^ (rows >> 8)
    return rows
