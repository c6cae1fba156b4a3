"""What every dashboard is: a box of widgets that can be closed at any time, even before it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

if TYPE_CHECKING:
    from rmtoolkit.views.dashboards.wiring import Wiring


class Board(ipywidgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The class that dashboards are of."""

    _wiring: Wiring
    _beside: tuple[ipywidgets.Widget, ...] = ()

    def close(self) -> None:
        """Take away every connection, control and picture."""
        # Python closes what it throws away, also where a wrong argument kept it from ever being made.
        if hasattr(self, "_wiring"):
            self._wiring.close(*self.children, *self._beside, self.layout)
        super().close()
