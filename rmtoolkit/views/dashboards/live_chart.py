"""The chart of a dashboard that lives in the browser: zoomed, moved, redrawn in place."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views.assets import asset

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from rmtoolkit._html import Markup


def _converter() -> ModuleType:
    try:
        return import_module("vl_convert")  # only in the extra for notebooks
    except ModuleNotFoundError as error:
        msg = "Charts in a notebook need the package vl-convert-python: pip install 'rmtoolkit[notebook]'."
        raise RmtoolkitError(msg) from error


@cache
def bundle() -> str:
    """Script and Vega in one: 0.9 MB, made once, in more than a second during which nothing else runs."""
    converter = _converter()
    newest = converter.get_vegalite_versions()[-1]
    return str(converter.javascript_bundle(asset("live_chart.js"), vl_version=newest))


class LiveChart(anywidget.AnyWidget):
    """A chart of named data sets over a time axis whose ends are its parameters `x0` and `x1`.

    The first of a kernel stands as a picture until its script is made: once it is on a page, which asks for it.
    """

    spec = traitlets.Dict().tag(sync=True)
    #: Columns for each data set, and values of the chart's parameters.
    rows = traitlets.Dict().tag(sync=True)
    axes = traitlets.Dict().tag(sync=True)
    #: Ends of the time axis that Home and a double click go back to; nobody gets beyond them.
    home = traitlets.Dict({"x0": 0.0, "x1": 1.0}).tag(sync=True)
    #: ms between samples: nobody zooms in further than two of them.
    step = traitlets.Float(1000.0).tag(sync=True)
    #: What dragging does; with Shift the other.
    drag = traitlets.Enum(("zoom", "judge"), "zoom").tag(sync=True)
    #: First and last ms since 1970 of what is looked at, and of what was selected: the browser sets them.
    shown = traitlets.List(trait=traitlets.Int()).tag(sync=True)
    selection = traitlets.List(trait=traitlets.Int()).tag(sync=True)
    says = traitlets.Unicode("").tag(sync=True)
    #: Goes up with every change; the browser writes it to ``data-drawn`` when it has drawn it.
    serial = traitlets.Int(0).tag(sync=True)
    still = traitlets.Unicode("").tag(sync=True)
    asked = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, spec: dict[str, Any], picture: Callable[[str], Markup]) -> None:
        _converter()
        #: Whether the script is there that draws it; until then a picture stands for it.
        self.live = bool(bundle.cache_info().currsize)
        self._esm = bundle() if self.live else asset("still_chart.js")
        #: Draws what it shows where no script runs, under an id.
        self.picture = picture
        super().__init__(spec=spec)
        self.observe(self._enliven, "asked")

    def _enliven(self, _: object) -> None:
        """Put the script in the place of the picture: the page draws again."""
        script = bundle()
        with self.hold_sync():
            self.live, self._esm, self.still = True, script, ""

    def draw(self, rows: dict[str, Any], axes: dict[str, float], says: str, step_ms: float = 1000.0) -> None:
        with self.hold_sync():
            self.home = {"x0": axes["x0"], "x1": axes["x1"]}
            self.rows, self.says, self.step = rows, says, step_ms
            self.serial += 1
            # Equal axes are set again too: somebody may have moved away from them.
            self.axes = axes | {"serial": float(self.serial)}
            self.shown = []
            if not self.live:
                self.still = self.picture(f"rm-{self.model_id}-still")

    def redraw(self, rows: dict[str, Any]) -> None:
        """Replace the rows and leave the axes as the user has moved them."""
        with self.hold_sync():
            self.rows = rows
            self.serial += 1
