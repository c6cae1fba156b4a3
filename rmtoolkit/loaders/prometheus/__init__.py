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
    """Tell by its beginning whether a file, or a body, is the answer to a remote read."""
    head = head[: 1 << 10]
    # Protobuf's tag of a label's value: text has no such byte.
    if b"\x12" not in head:
        return False
    from rmtoolkit.loaders.prometheus._remote_read import kind_of  # noqa: PLC0415 - seldom gets so far

    return bool(kind_of(head))
