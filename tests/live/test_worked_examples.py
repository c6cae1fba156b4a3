"""What a real server is read as is what was written down, whichever way the samples come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.worked import FILE, told
from tests.written import changes

if TYPE_CHECKING:
    from tests.live.servers import Prometheus


@pytest.mark.usefixtures("both_ways")
def test_nothing_changed(server: Prometheus) -> None:
    """`python -m tests.live.worked` writes a change down that is meant."""
    assert changes(FILE, told(server)) == []
