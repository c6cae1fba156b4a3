"""Heap profiles and dumps of allocators are read, summed up and told apart as it was written down."""

from __future__ import annotations

from tests.heap.worked import FOLDER, told
from tests.written import changes


def test_nothing_changed() -> None:
    """`python -m tests.heap.worked` writes a change down that is meant."""
    assert changes(FOLDER / "heap.json", told()) == []
