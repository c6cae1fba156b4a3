"""Controls with a visible label, a name that screen readers read, and the same look in every dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets
import traitlets

from rmtoolkit.views.markup import el

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL = {"description_width": "initial"}


class Slider(NamedTuple):
    """A slider and its number box, which do the same.

    Attributes
    ----------
    box
        What to show: label, slider, number box and unit.
    slider, number
        The two controls; their `value` is one.

    Examples
    --------
    >>> limit = slider("Limit", 512, 64, 2048, step=8, unit="Mi")
    >>> limit.number.value = 640
    >>> limit.slider.value
    640.0
    """

    box: ipywidgets.VBox
    slider: ipywidgets.FloatSlider
    number: ipywidgets.BoundedFloatText

    def set(self, value: float, *, low: float | None = None, high: float | None = None) -> None:
        """Set the value, and the ends where they are given.

        Parameters
        ----------
        value, low, high
            In the slider's unit.

        Examples
        --------
        >>> limit = slider("Limit", 512, 64, 2048, step=8, unit="Mi")
        >>> limit.set(9000, low=4096, high=16384)
        >>> limit.number.value
        9000.0
        """
        for control in (self.slider, self.number):
            # The ends are widened first: a value outside would be pulled to one of them.
            if low is not None:
                control.min = min(low, control.max)
            if high is not None:
                control.max = max(high, control.min)
                control.min = control.min if low is None else low
        self.number.value = value


def slider(
    label: str, value: float, low: float, high: float, *, step: float, unit: str = "", continuous: bool = True
) -> Slider:
    """Make a slider with a number box that does everything it does.

    Parameters
    ----------
    label
        What it sets; visible, and the name of both controls.
    value, low, high, step
        In the unit.
    unit
        Stands behind the number box.
    continuous
        Whether the value follows while the slider is dragged.

    Returns
    -------
    Slider
        Put `box` into the dashboard; observe `value` of `slider`.

    Examples
    --------
    >>> slider("Traffic", 1, 0.1, 10, step=0.1, unit="×").number.description
    'Traffic, ×'
    """
    named = f"{label}, {unit}" if unit else label
    moved = ipywidgets.FloatSlider(
        value=value, min=low, max=high, step=step, readout=False, continuous_update=continuous
    )
    number = ipywidgets.BoundedFloatText(
        value=value, min=low, max=high, step=step, description=named, style=_LABEL, continuous_update=False
    )
    traitlets.dlink((number, "value"), (moved, "value"))
    # The browser places the handle by per cent and may report 511.99999999999994: nobody wants to read that.
    traitlets.dlink((moved, "value"), (number, "value"), lambda value: round(value, 9))
    row = ipywidgets.HBox([moved, number, html(el("span", unit), "rm-unit")])
    row.add_class("rm-slider-row")
    box = ipywidgets.VBox([html(el("span", label), "rm-name"), row])
    box.add_class("rm-slider")
    return Slider(box, moved, number)


def search(label: str, options: Sequence[str], value: str) -> ipywidgets.Combobox:
    """Make a box to type into that lists what matches.

    Parameters
    ----------
    label
        What it chooses.
    options
        All there is, in order.
    value
        What is chosen first.

    Returns
    -------
    ipywidgets.Combobox
        Its value changes on Enter, not on every key; `match` tells what was meant.

    Examples
    --------
    >>> search("Workload", ["shop/api"], "shop/api").value
    'shop/api'
    """
    box = ipywidgets.Combobox(
        value=value, options=tuple(options), description=label, style=_LABEL, continuous_update=False
    )
    box.add_class("rm-wide")
    return box


def match(typed: str, options: Sequence[str]) -> str | None:
    """Find what somebody meant who typed a part of a name.

    Parameters
    ----------
    typed
        The text.
    options
        All there is, the likeliest first.

    Returns
    -------
    str or None
        The option itself; else the first that is, has a part, begins with or holds the text, in capitals or not.

    Examples
    --------
    >>> match("API", ["shop/db", "shop/api-canary", "shop/api"])
    'shop/api'
    >>> match("cana", ["shop/db", "shop/api-canary", "shop/api"])
    'shop/api-canary'
    """
    if typed in options:
        return typed
    wanted = typed.strip().casefold()
    if not wanted:
        return None
    folded = [option.casefold() for option in options]
    # A whole name between the slashes is meant more likely than a part of one.
    tests = (
        lambda name: name == wanted,
        lambda name: wanted in name.split("/"),
        lambda name: name.startswith(wanted),
        lambda name: wanted in name,
    )
    return next((option for test in tests for option, name in zip(options, folded, strict=True) if test(name)), None)


def choice(label: str, options: Sequence[str] | Sequence[tuple[str, Any]], value: object) -> ipywidgets.ToggleButtons:
    """Make a row of buttons of which one is pressed.

    Parameters
    ----------
    label
        What it chooses.
    options
        Words, or pairs of word and value.
    value
        What is chosen first.

    Returns
    -------
    ipywidgets.ToggleButtons
        Observe its `value`.

    Examples
    --------
    >>> choice("Window", [("24 h", 24), ("7 d", 168)], 168).label
    '7 d'
    """
    return ipywidgets.ToggleButtons(options=list(options), value=value, description=label, style=_LABEL)


def dropdown(label: str, options: Sequence[str] | Sequence[tuple[str, Any]], value: object) -> ipywidgets.Dropdown:
    """Make a list to choose from.

    Parameters
    ----------
    label
        What it chooses.
    options
        Words, or pairs of word and value.
    value
        What is chosen first.

    Returns
    -------
    ipywidgets.Dropdown
        Observe its `value`.

    Examples
    --------
    >>> dropdown("Pod", ["all pods", "api-0"], "all pods").value
    'all pods'
    """
    return ipywidgets.Dropdown(options=list(options), value=value, description=label, style=_LABEL)


def button(label: str) -> ipywidgets.Button:
    """Make a button; its words are its name.

    Parameters
    ----------
    label
        A verb first.

    Returns
    -------
    ipywidgets.Button
        For `Wiring.press`.

    Examples
    --------
    >>> button("Undo").description
    'Undo'
    """
    return ipywidgets.Button(description=label, layout=ipywidgets.Layout(width="auto"))


def moment(label: str) -> ipywidgets.Text:
    """Make a box for an instant.

    Parameters
    ----------
    label
        What it is; say the zone.

    Returns
    -------
    ipywidgets.Text
        Its value changes on Enter; `rmtoolkit.times.parse_time` reads it.

    Examples
    --------
    >>> moment("From, UTC").continuous_update
    False
    """
    box = ipywidgets.Text(description=label, style=_LABEL, continuous_update=False)
    box.add_class("rm-moment")
    return box


def html(value: str, *classes: str) -> ipywidgets.HTML:
    """Make a place for markup.

    Parameters
    ----------
    value
        Markup: whoever writes it escapes what is foreign.
    *classes
        Classes of the widget; ``rm-status`` and ``rm-alert`` are spoken when they change.

    Returns
    -------
    ipywidgets.HTML
        Set its `value` to change it.

    Examples
    --------
    >>> html("<b>x</b>", "rm-status")._dom_classes
    ('rm-status',)
    """
    widget = ipywidgets.HTML(value)
    for name in classes:
        widget.add_class(name)
    return widget


def controls(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
    """Put controls into one row that wraps.

    Parameters
    ----------
    *widgets
        From left to right.

    Returns
    -------
    ipywidgets.HBox
        With a line below.

    Examples
    --------
    >>> len(controls(button("Undo")).children)
    1
    """
    row = ipywidgets.HBox(list(widgets))
    row.add_class("rm-controls")
    return row
