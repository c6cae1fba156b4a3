"""Every number and word that analysis gives of a few recordings is the one that was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.analysis import drawn
from tests.analysis.worked import FOLDER, RECORDINGS, advised, told
from tests.written import changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from rmtoolkit.recording import Recording


@pytest.mark.parametrize("make", RECORDINGS, ids=lambda make: make.__name__)
def test_nothing_changed(make: Callable[[], Recording]) -> None:
    """What was read, fitted, judged, asked and foretold; `python -m tests.analysis.worked` writes a change down."""
    assert changes(FOLDER / f"{make.__name__}.json", told(make())) == []


def test_the_same_is_advised() -> None:
    """For each verdict, pattern and cause, whatever evidence there is; the same command writes a change down."""
    assert changes(FOLDER / "advised.json", advised()) == []


def test_the_same_is_said_of_what_is_drawn_by_lot() -> None:
    """A thousand lives and two hundred workloads at the turns of every threshold; the same command writes it down."""
    assert changes(FOLDER / "drawn.json", drawn.told()) == []
