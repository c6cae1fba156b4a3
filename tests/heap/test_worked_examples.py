"""Heap profiles and dumps of allocators are read, summed up and told apart as it was written down."""

from __future__ import annotations

from tests.heap.worked import FOLDER, edits, grown, told
from tests.written import changes


def test_nothing_changed() -> None:
    """`python -m tests.heap.worked` writes a change down that is meant."""
    assert changes(FOLDER / "heap.json", told()) == []


def test_a_change_of_a_file_changes_what_it_did() -> None:
    """Of files with one thing changed (a line, a word, a value of JSON) the same is read, left out or refused."""
    assert changes(FOLDER / "heap_edits.json", edits()) == []


def test_growth_of_any_shape_is_told_as_before() -> None:
    """Programs whose stacks grow, fill, come and go in ways drawn by chance: who is named, how much, in which words."""
    assert changes(FOLDER / "heap_grown.json", grown()) == []
