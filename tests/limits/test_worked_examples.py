"""What is said of limits, changed pasts and past weeks is what was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.limits.worked import FOLDER, PARTS
from tests.written import changes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_nothing_changed(part: Callable[[], dict[str, list[Any]]]) -> None:
    """`python -m tests.limits.worked` writes a change down that is meant."""
    assert changes(FOLDER / f"{part.__name__}.json", part()) == []
