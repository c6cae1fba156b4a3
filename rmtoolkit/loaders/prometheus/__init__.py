"""Prometheus and what speaks its language: saved answers and live servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections import Counter

    import numpy as np
    from numpy.typing import NDArray

TRUNCATED: Final = "series at the end of cut-off files"
HISTOGRAMS: Final = "native histogram series (they hold no memory gauge)"
NO_SAMPLES: Final = "series without samples"


class Found(NamedTuple):
    """Series with their samples, one stretch a series; what was not read, and how times were told."""

    labels: list[dict[str, str]]
    counts: NDArray[np.int64]
    times: NDArray[np.int64]  # milliseconds since 1970
    values: NDArray[np.float64]
    left_out: Counter[str]
    partial: tuple[str, ...] = ()
    time_axis: str = ""


def is_remote_read(head: bytes) -> bool:
    head = head[: 1 << 10]
    # Protobuf's tag of a label's value: text has no such byte.
    return b"\x12" in head and bool(kind_of(head))


def kind_of(head: bytes) -> str:
    """Tell what kind of answer to a remote read a body is: ``plain``, ``streamed`` in chunks, or none."""
    from rmtoolkit.loaders import _wire  # noqa: PLC0415 - seldom gets so far

    try:
        size, place = _wire.read_varint(head, 0, len(head))
    except _wire.WireError:
        return ""
    # A snappy block begins with a literal: nothing can be copied yet.
    if place < len(head) and not head[place] & 3:
        longer = max((head[place] >> 2) - 59, 0)
        if _wire.begins_with_name(head, place + 1 + longer, size, depth=3):
            return "plain"
    return "streamed" if _wire.begins_with_name(head, place + 4, size, depth=2) else ""
