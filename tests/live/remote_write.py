"""Puts samples into a real server by remote write: markers, NaN and native histograms, which no text format has."""

from __future__ import annotations

import struct
import time
import urllib.request
from typing import TYPE_CHECKING, Final

from rmtoolkit.loaders._wire import field, pack_snappy, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: What Prometheus stores where a series ended.
STALE: Final = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def series(labels: Mapping[str, str], samples: Iterable[tuple[int, float]], histograms: Sequence[bytes] = ()) -> bytes:
    """One series: labels, samples as (milliseconds, value), and perhaps native histograms."""
    body = b"".join(field(1, field(1, name.encode()) + field(2, labels[name].encode())) for name in sorted(labels))
    for at, value in samples:
        body += field(2, b"\x09" + struct.pack("<d", value) + field(2, at))
    return field(1, body + b"".join(field(4, histogram) for histogram in histograms))


def histogram(at: int, count: int) -> bytes:
    """A native histogram of three buckets."""
    spans = field(11, field(1, 0) + field(2, 3))
    deltas = field(12, b"".join(varint(2) for _ in range(3)))
    return field(1, count) + b"\x19" + struct.pack("<d", 9.0) + field(4, 0) + spans + deltas + field(15, at)


def write(url: str, written: Iterable[bytes]) -> None:
    """Send series to a server that takes remote writes."""
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    request = urllib.request.Request(f"{url}/api/v1/write", pack_snappy(b"".join(written)), headers)  # noqa: S310
    deadline = time.monotonic() + 30
    with urllib.request.urlopen(request, timeout=max(1.0, deadline - time.monotonic())) as answer:  # noqa: S310
        assert answer.status in (200, 204)
