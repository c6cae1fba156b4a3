"""Every number and word of the Assessment of the worked fleet is the one that was written down."""

from __future__ import annotations

from tests.assessment.worked import FOLDER, told, words_by_lot
from tests.written import changes


def test_nothing_changed() -> None:
    """`python -m tests.assessment.worked` writes a change down that is meant."""
    assert changes(FOLDER / "fleet.json", told()) == []


def test_the_same_is_said_of_what_is_drawn_by_lot() -> None:
    """Three hundred rows and totals at the turns of every sentence; the same command writes it down."""
    assert changes(FOLDER / "words.json", words_by_lot()) == []
