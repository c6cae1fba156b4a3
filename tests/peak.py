"""How much memory this process takes at most from now on, whatever it took before: Linux tells."""

from __future__ import annotations

import ctypes
import gc
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORGET: Final = Path("/proc/self/clear_refs")
needs_linux: Final = pytest.mark.skipif(not _FORGET.exists(), reason="needs Linux: /proc tells what a process takes")


def forget() -> int:
    """Begin the highest amount anew, once what is free has gone back; give what is held, or 0 where nothing tells."""
    gc.collect()
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        _FORGET.write_text("5")
    return most_bytes()


def most_bytes() -> int:
    """Give the highest amount since then."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


@contextmanager
def takes_less(mebibytes: int) -> Iterator[None]:
    """Fail where more than that is taken within, beyond what was held before."""
    if not _FORGET.exists():
        pytest.skip("needs Linux: /proc tells what a process takes")
    before = forget()
    yield
    assert most_bytes() - before < mebibytes << 20
