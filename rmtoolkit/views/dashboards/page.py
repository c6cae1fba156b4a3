"""What a dashboard needs of the page around it and ipywidgets do not give: style, names for screen readers, clicks."""

from __future__ import annotations

import anywidget
import traitlets

from rmtoolkit.views.assets import asset
from rmtoolkit.views.notebook_style import DASHBOARD


class Page(anywidget.AnyWidget):
    """The first child of every dashboard."""

    _esm = asset("dashboard.js")
    css = traitlets.Unicode(DASHBOARD).tag(sync=True)
