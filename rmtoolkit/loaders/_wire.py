"""The few pieces of protobuf and snappy that remote read needs: small, bounded for hostile input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from rmtoolkit.exceptions import RmtoolkitError

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
    number &= _WORD
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3 | VARINT) + varint(content)
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def read_varint(data: Buffer, place: int, end: int) -> tuple[int, int]:
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
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and seldom needed

    packed: bytes = pa.compress(data, codec="snappy", asbytes=True)
    return packed


def unpack_snappy(data: Buffer) -> bytes:
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


def begins_with_name(head: bytes, place: int, length: int, depth: int) -> bool:
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
