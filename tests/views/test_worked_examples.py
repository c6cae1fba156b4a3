"""What every view shows of the worked fleet is what was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.views.worked import FOLDER, PARTS
from tests.written import changes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_nothing_changed(part: Callable[[], dict[str, list[Any]]]) -> None:
    """`python -m tests.views.worked` writes a change down that is meant."""
    assert changes(FOLDER / f"{part.__name__}.json", part()) == []
