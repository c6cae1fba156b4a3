"""A packed or plain text file in blocks of whole lines, in bounded memory, as far as it can be unpacked."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rmtoolkit.exceptions import ReadError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

_Item = TypeVar("_Item")

#: Room in front of every block, so that the eight bytes before any end of line exist.
MARGIN: Final = 8
#: What is looked at together unless told otherwise.
BLOCK_BYTES: Final = 1 << 21
#: No line of any format is longer; what follows up to the next end of line is dropped.
_LINE_BYTES: Final = 1 << 20

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: Frames that hold no data (0x184D2A50 to 0x184D2A5F) may stand first.
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_PACKED_BYTES: Final = 1 << 18
#: A damaged stream gives nothing of the read in which it breaks: read again in pieces, the last one byte by byte.
_PIECES: Final = (1 << 12, 1)
#: A packed file may unpack to this much, whatever its size; beyond that to this many times its size.
_ALWAYS_BYTES: Final = 2 << 30
_RATIO: Final = 200
#: So much without any end of line is no text.
_ENDLESS_BYTES: Final = 256 << 20


class Blocks:
    r"""The lines of one file.

    Attributes
    ----------
    path
        The file.
    packed_bytes
        Its size.
    block_bytes
        How much is looked at together.
    damage
        Why the end of it is missing; None while nothing is.
    long_lines
        How many lines were dropped because no line is that long.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_bytes(b"v 10500 3\n+ 0")
    ...     [bytes(block[MARGIN:]) for block in Blocks(file.name, expected="a log")]
    [b'v 10500 3\n', b'+ 0\n']
    """

    def __init__(self, path: str | os.PathLike[str], *, expected: str, block_bytes: int = BLOCK_BYTES) -> None:
        self.path = Path(path)
        self.block_bytes = block_bytes
        self.damage: str | None = None
        self.long_lines = 0
        if self.path.is_dir():
            raise ReadError.at(path, found="a folder", expected=expected)
        self.packed_bytes = self.path.stat().st_size
        with self.path.open("rb") as stream:
            magic = stream.read(4)
        if not magic:
            raise ReadError.at(path, found="an empty file", expected=expected)
        self._zstd = magic == _ZSTD or (magic[1:] == _SKIPPABLE and magic[0] & 0xF0 == 0x50)
        self._gzip = magic.startswith(_GZIP)

    def __iter__(self) -> Iterator[memoryview]:
        """Give blocks of whole lines after `MARGIN` bytes of anything; the next block overwrites the last one."""
        # What was left of the last block goes in front of the next one.
        front = MARGIN + _LINE_BYTES
        slot = bytearray(front + self.block_bytes)
        rest, skipping, dropped, given = b"", False, 0, 0
        allowed = max(_ALWAYS_BYTES, _RATIO * self.packed_bytes)
        for size in self._parts(memoryview(slot)[front:]):
            given += size
            if given > allowed or dropped > _ENDLESS_BYTES:
                self.damage = f"it unpacks to more than {given - size:,} bytes, and no more was read"
                return
            end = slot.rfind(b"\n", front, front + size) + 1
            begin = front
            if end and skipping:
                begin, skipping = slot.find(b"\n", front, end) + 1, False
            elif end:
                begin = front - len(rest)
                slot[begin:front] = rest
            if begin < end:
                yield memoryview(slot)[begin - MARGIN : end]
            rest = bytes(slot[end : front + size]) if end else rest + slot[front : front + size]
            if len(rest) > _LINE_BYTES:
                self.long_lines += not skipping
                dropped += len(rest)
                rest, skipping = b"", True
        if rest:
            yield memoryview(b"".join((bytes(MARGIN), rest, b"\n")))

    def _parts(self, room: memoryview) -> Iterator[int]:
        """Fill the room again and again; say each time with how many bytes."""
        if self._gzip:
            for part in self._gunzip():
                room[: len(part)] = part
                yield len(part)
        elif self._zstd:
            yield from self._unzstd(room)
        else:
            with self.path.open("rb", buffering=0) as stream:
                while size := stream.readinto(room):
                    yield size

    def _unzstd(self, room: memoryview) -> Iterator[int]:
        """Unpack frames; where that breaks, once more in smaller pieces, to the last byte there is."""
        import pyarrow as pa  # noqa: PLC0415 - slow to import, and only this path needs it

        given = 0
        for piece in (self.block_bytes, *_PIECES):
            try:
                with pa.CompressedInputStream(pa.OSFile(str(self.path)), "zstd") as stream:
                    skip = given
                    while skip:
                        skip -= stream.readinto(room[: min(skip, len(room))])
                    while size := stream.readinto(room[:piece]):
                        given += size
                        yield size
            except (OSError, pa.ArrowException) as error:
                self.damage = "it is cut off" if "runcated" in str(error) else "it is damaged"
            else:
                return

    def _gunzip(self) -> Iterator[bytes]:
        with self.path.open("rb") as stream:
            member: Any = None
            packed = b""
            while packed := packed or stream.read(_PACKED_BYTES):
                if member is None:
                    packed = packed.lstrip(b"\0")
                    if not packed:
                        continue
                    member = zlib.decompressobj(wbits=31)
                try:
                    part = member.decompress(packed, self.block_bytes)
                except zlib.error:
                    self.damage = "it is damaged"
                    return
                if part:
                    yield part
                packed = member.unconsumed_tail or member.unused_data
                if member.eof:
                    member = None
            if member is not None:
                self.damage = "it is cut off"


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Make the next item while the last one is used; what makes it must let go of the interpreter to gain from that.

    Parameters
    ----------
    items
        Where they come from.

    Yields
    ------
    object
        The items.

    Examples
    --------
    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
