"""Prometheus and what speaks its language: saved answers and live servers."""

from typing import Final

_HEAD_BYTES: Final = 1 << 10
TRUNCATED: Final = "series at the end of cut-off files"


def is_remote_read(head: bytes) -> bool:
    """Tell by its beginning whether a file, or a body, is the answer to a remote read."""
    head = head[:_HEAD_BYTES]
    # Protobuf's tag of a label's value: text has no such byte.
    if b"\x12" not in head:
        return False
    from rmtoolkit.loaders.prometheus._remote_read import begins_with_series  # noqa: PLC0415 - seldom gets so far

    return begins_with_series(head)
