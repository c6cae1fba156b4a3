"""Small profiles, written as the tools write them."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def varint(value: int) -> bytes:
    """A number of a protocol buffer."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field with a number."""
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes) -> bytes:
    """A field with bytes: a text, or a message."""
    return varint(field << 3 | 2) + varint(len(value)) + value


def packed(field: int, values: Iterable[int]) -> bytes:
    """A field with numbers one after the other."""
    return data(field, b"".join(map(varint, values)))


def pprof(
    samples: Sequence[tuple[Sequence[str], Sequence[int]]],
    types: Sequence[str] = ("inuse_objects", "inuse_space"),
    period: int = 0,
    *,
    pack: bool = True,
    mapping: tuple[int, int, str, str] = (0x1000, 0, "/app/service", ""),
    taken_seconds: int = 0,
) -> bytes:
    """A pprof profile: of each sample the functions, the allocating one first, and its values.

    Functions joined by ``|`` are inlined into each other, the innermost first; one that begins with 0x is an address.
    """
    begin, offset, module, build = mapping
    strings = ["", module, build]

    def string(text: str) -> int:
        if text not in strings:
            strings.append(text)
        return strings.index(text)

    places = list(dict.fromkeys(place for places, _ in samples for place in places))
    functions = list(dict.fromkeys(name for place in places for name in place.split("|") if not name.startswith("0x")))
    body = b"".join(data(1, number(1, string(kind)) + number(2, string("bytes"))) for kind in types)
    for stack, values in samples:
        numbers = [places.index(place) + 1 for place in stack]
        both = [(1, numbers), (2, values)]
        one_by_one = b"".join(number(field, value) for field, several in both for value in several)
        body += data(2, b"".join(packed(*one) for one in both) if pack else one_by_one)
    body += data(
        3,
        number(1, 1) + number(2, begin) + number(3, begin + 0x800000) + number(4, offset) + number(5, 1) + number(6, 2),
    )
    for place, name in enumerate(places, 1):
        if name.startswith("0x"):
            body += data(4, number(1, place) + number(2, 1) + number(3, int(name, 16)))
            continue
        lines = b"".join(
            data(4, number(1, functions.index(part) + 1) + number(2, 10 + functions.index(part)))
            for part in name.split("|")
        )
        body += data(4, number(1, place) + number(2, 1) + number(3, 0x1000 + place) + lines)
    for place, name in enumerate(functions, 1):
        file = b"" if name.startswith(("alloc::", "tokio::")) else number(4, string("src/main.rs"))
        body += data(5, number(1, place) + number(2, string(name)) + file)
    body += b"".join(data(6, text.encode("utf-8", "surrogateescape")) for text in strings)
    body += number(9, taken_seconds * 10**9) if taken_seconds else b""
    return body + (number(12, period) if period else b"")


def heaptrack(
    stacks: Sequence[Sequence[str]],
    sizes: Sequence[tuple[int, int]],
    events: Sequence[str],
    form: int = 3,
    *,
    file: str = "src/main.rs",
) -> bytes:
    """A recording of heaptrack: stacks with the allocating function first, infos as (size, stack), lines of events."""
    texts: list[bytes] = [b"/app/service", file.encode()]
    pointers: list[str] = []
    lines: list[bytes] = [b"v 10500 %d" % form if form else b"", b"X ./service --port 1"]
    traces: dict[tuple[str, ...], int] = {}
    body: list[bytes] = []

    def string(text: str) -> int:
        raw = text.encode("utf-8", "surrogateescape")
        if raw not in texts:
            texts.append(raw)
        return texts.index(raw) + 1

    def pointer(place: str) -> int:
        if place not in pointers:
            pointers.append(place)
        return pointers.index(place) + 1

    def trace(stack: tuple[str, ...]) -> int:
        if not stack:
            return 0
        if stack not in traces:
            parent = trace(stack[1:])
            traces[stack] = len(traces) + 1
            body.append(b"t %x %x" % (pointer(stack[0]), parent))
        return traces[stack]

    numbers = [trace(tuple(stack)) for stack in stacks]
    ips = []
    for place, name in enumerate(pointers):
        frames = b"".join(b" %x 2 %x" % (string(part), 10 + place) for part in name.split("|"))
        ips.append(b"i %x 1%s" % (0x1000 + place, frames))
    lines += [b"s %x %s" % (len(text), text) if form >= 3 else b"s " + text for text in texts]
    infos = [b"a %x %x" % (size, numbers[stack]) for size, stack in sizes]
    if not form:
        lines = lines[1:]
    told = b"# strings: %d\n# ips: %d\n" % (len(texts), len(ips))
    return b"\n".join([*lines, *ips, *body, *infos, *(event.encode() for event in events), b"", told])


def jeprof(rate: int, stacks: Sequence[tuple[Sequence[int], int, int]]) -> str:
    """A dump of jemalloc: of each stack the addresses, how many objects were sampled, and their bytes."""
    objects, size = sum(stack[1] for stack in stacks), sum(stack[2] for stack in stacks)
    lines = [f"heap_v2/{rate}", f"  t*: {objects}: {size} [0: 0]", f"  t0: {objects}: {size} [0: 0]"]
    for addresses, count, total in stacks:
        lines.append("@ " + " ".join(f"{address:#x}" for address in addresses))
        lines += [f"  t*: {count}: {total} [0: 0]", f"  t0: {count}: {total} [0: 0]"]
    maps = "1000-9000 r-xp 00000000 00:00 7    /app/service"
    return "\n".join([*lines, "", "MAPPED_LIBRARIES:", maps, ""])


def bomb(head: bytes, chunk: bytes, times: int) -> bytes:
    """Pack a head and as many chunks with gzip: the chunk is packed once, and its bytes are repeated."""
    packer = zlib.compressobj(9, wbits=-15)
    begin = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(chunk) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(head)
    for _ in range(times):
        checksum = zlib.crc32(chunk, checksum)
    end = packer.flush() + struct.pack("<II", checksum, (len(head) + times * len(chunk)) % (1 << 32))
    return b"\x1f\x8b\x08\0\0\0\0\0\2\xff" + begin + one * times + end
