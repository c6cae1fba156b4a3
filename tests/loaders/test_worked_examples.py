"""Each file beside the tests is read as it was written down: containers, sums, events, notes, or the error."""

from __future__ import annotations

import pytest

from tests.loaders.worked import FOLDER, FOLDERS, queries, told
from tests.written import changes


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_changed(folder: str) -> None:
    """`python -m tests.loaders.worked` writes a change down that is meant."""
    assert changes(FOLDER / f"{folder}.json", told(folder)) == []


def test_a_server_is_asked_as_before() -> None:
    """Whatever is wanted: the same looks at its series, and the same cuts of what it has."""
    assert changes(FOLDER / "queries.json", queries()) == []
