"""Many tests ask for the same recordings in another way."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _recordings_are_judged_once(judged_once: None) -> None:
    """What each of them asks stays its own."""
