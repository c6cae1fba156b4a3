"""What tests say of memory can fail, whatever an earlier test of the same process took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests import peak

if TYPE_CHECKING:
    from collections.abc import Callable

MI = 1 << 20
WAYS: dict[str, Callable[[int], object]] = {
    "one block": lambda mebibytes: bytearray(mebibytes * MI),
    "small ones": lambda mebibytes: [bytes(600) for _ in range(mebibytes * MI // 640)],
    "an array": lambda mebibytes: np.ones(mebibytes * MI // 8),
}


@peak.needs_linux
@pytest.mark.parametrize("way", WAYS)
def test_what_takes_too_much_is_seen_after_what_took_more(way: str) -> None:
    """Too much is an error though the process has held twice that; less is none."""
    WAYS[way](400)
    with pytest.raises(AssertionError), peak.takes_less(150):
        WAYS[way](200)
    with peak.takes_less(150):
        WAYS[way](50)
