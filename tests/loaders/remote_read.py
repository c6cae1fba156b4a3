"""Writes the answer of Prometheus to a remote read."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from rmtoolkit.loaders._wire import field, pack_snappy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def labels_of(labels: Mapping[str, str]) -> bytes:
    """Labels of a series, as the answer holds them."""
    return b"".join(field(1, field(1, name.encode()) + field(2, text.encode())) for name, text in labels.items())


def remote_read(series: Iterable[tuple[Mapping[str, str], Sequence[tuple[int, float]]]]) -> bytes:
    """Samples in a snappy block; what is zero is not written."""
    found = b""
    for labels, samples in series:
        body = labels_of(labels)
        for time, value in samples:
            number = b"" if struct.pack("<d", value) == bytes(8) else b"\x09" + struct.pack("<d", value)
            body += field(2, number + (field(2, time) if time else b""))
        found += field(1, body)
    return pack_snappy(field(1, found))
