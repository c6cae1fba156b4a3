"""Commands, checks of the data, figures, lakes and tables say what was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import commands, faults, figures, lakes, tables
from tests.written import changes

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("module", [commands, faults, figures, lakes, tables], ids=lambda module: module.__name__)
def test_nothing_changed(module: ModuleType) -> None:
    """`python -m` and the module's name write a change down that is meant."""
    assert changes(module.FILE, module.told()) == []
