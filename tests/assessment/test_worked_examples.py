"""Every number and word of the Assessment of the worked fleet is the one that was written down."""

from __future__ import annotations

from tests.assessment.worked import FOLDER, told
from tests.written import changes


def test_nothing_changed() -> None:
    """`python -m tests.assessment.worked` writes a change down that is meant."""
    assert changes(FOLDER / "fleet.json", told()) == []
