"""Writes what Prometheus writes: XOR chunks, and the two answers to a remote read."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rmtoolkit.loaders._wire import crc32c, field, pack_snappy, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WORD = (1 << 64) - 1
#: One bit less than a power of two on the negative side, as Go's reader has it.
_STEPS = ((14, "10"), (17, "110"), (20, "1110"))


def bits_of(value: float) -> int:
    """The bits of a double."""
    return int.from_bytes(struct.pack(">d", value), "big")


def xor_chunk(times: Sequence[int], values: Sequence[int]) -> bytes:
    """Encode samples, the values as bits of doubles, after `prometheus/tsdb/chunkenc/xor.go`."""
    head = len(times).to_bytes(2, "big")
    if not times:
        return head
    head += varint((times[0] << 1) ^ (times[0] >> 63)) + values[0].to_bytes(8, "big")
    bits: list[str] = []
    window: tuple[int, int] | None = None
    step = 0
    for index in range(1, len(times)):
        new = times[index] - times[index - 1]
        if index == 1:
            head += varint(new)
        else:
            bits.append(_step_bits(new - step))
        step = new
        differing = values[index] ^ values[index - 1]
        if not differing:
            bits.append("0")
            continue
        # Go writes at most 31 leading zeros.
        leading = min(64 - differing.bit_length(), 31)
        trailing = (differing & -differing).bit_length() - 1
        if window is not None and leading >= window[0] and trailing >= window[1]:
            size = 64 - sum(window)
            bits.append(f"10{differing >> window[1]:0{size}b}")
        else:
            window = (leading, trailing)
            size = 64 - leading - trailing
            bits.append(f"11{leading:05b}{size & 63:06b}{differing >> trailing:0{size}b}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return head + bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8))


def _step_bits(change: int) -> str:
    if change == 0:
        return "0"
    for size, prefix in _STEPS:
        if -((1 << (size - 1)) - 1) <= change <= 1 << (size - 1):
            return f"{prefix}{change & ((1 << size) - 1):0{size}b}"
    return f"1111{change & _WORD:064b}"


def labels_of(labels: Mapping[str, str]) -> bytes:
    """Labels as both answers hold them."""
    return b"".join(field(1, field(1, name.encode()) + field(2, text.encode())) for name, text in labels.items())


def chunk_field(data: bytes, encoding: int = 1) -> bytes:
    """A chunk of a series."""
    return field(2, field(1, 1) + field(2, 2) + field(3, encoding) + field(4, data))


def frame(*series: bytes) -> bytes:
    """A frame of a streamed answer."""
    message = b"".join(field(1, one) for one in series)
    return varint(len(message)) + crc32c(message).to_bytes(4, "big") + message


def streamed(series: Iterable[tuple[Mapping[str, str], Sequence[tuple[int, float]]]], size: int = 120) -> bytes:
    """A streamed answer: a frame a series, a chunk every `size` samples."""
    frames = []
    for labels, samples in series:
        chunks = [samples[place : place + size] for place in range(0, len(samples), size)]
        data = [xor_chunk([time for time, _ in chunk], [bits_of(value) for _, value in chunk]) for chunk in chunks]
        frames.append(frame(labels_of(labels) + b"".join(map(chunk_field, data))))
    return b"".join(frames)


def plain(series: Iterable[tuple[Mapping[str, str], Sequence[tuple[int, float]]]]) -> bytes:
    """The older answer: samples in a snappy block; what is zero is not written."""
    found = b""
    for labels, samples in series:
        body = labels_of(labels)
        for time, value in samples:
            number = b"" if bits_of(value) == 0 else b"\x09" + struct.pack("<d", value)
            body += field(2, number + (field(2, time) if time else b""))
        found += field(1, body)
    return pack_snappy(field(1, found))
