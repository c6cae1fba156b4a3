"""Each file beside the tests is read as it was written down: containers, sums, events, notes, or the error."""

from __future__ import annotations

import pytest

from tests.loaders.worked import FOLDER, FOLDERS, edits, queries, told
from tests.written import changes


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_changed(folder: str) -> None:
    """`python -m tests.loaders.worked` writes a change down that is meant."""
    assert changes(FOLDER / f"{folder}.json", told(folder)) == []


def test_a_server_is_asked_as_before() -> None:
    """Whatever is wanted: the same looks at its series, and the same cuts of what it has."""
    assert changes(FOLDER / "queries.json", queries()) == []


def test_a_change_of_a_file_changes_what_it_did() -> None:
    """Of files with one thing changed (a line, a word, a value of JSON) the same is read, left out or refused."""
    assert changes(FOLDER / "edits.json", edits()) == []
