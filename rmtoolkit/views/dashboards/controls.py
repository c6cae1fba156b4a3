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
    """A slider and its number box, which do the same."""

    box: ipywidgets.VBox
    slider: ipywidgets.FloatSlider
    number: ipywidgets.BoundedFloatText

    def set(self, value: float, *, low: float | None = None, high: float | None = None) -> None:
        """Set the value, and the ends where they are given."""
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
    """Make a slider with a number box that does everything it does."""
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
    """Make a box to type into that lists what matches."""
    box = ipywidgets.Combobox(
        value=value, options=tuple(options), description=label, style=_LABEL, continuous_update=False
    )
    box.add_class("rm-wide")
    return box


def match(typed: str, options: Sequence[str]) -> str | None:
    """Find what somebody meant who typed a part of a name."""
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
    """Make a row of buttons of which one is pressed."""
    return ipywidgets.ToggleButtons(options=list(options), value=value, description=label, style=_LABEL)


def dropdown(label: str, options: Sequence[str] | Sequence[tuple[str, Any]], value: object) -> ipywidgets.Dropdown:
    """Make a list to choose from."""
    return ipywidgets.Dropdown(options=list(options), value=value, description=label, style=_LABEL)


def button(label: str) -> ipywidgets.Button:
    """Make a button; its words are its name."""
    return ipywidgets.Button(description=label, layout=ipywidgets.Layout(width="auto"))


def moment(label: str) -> ipywidgets.Text:
    """Make a box for an instant."""
    box = ipywidgets.Text(description=label, style=_LABEL, continuous_update=False)
    box.add_class("rm-moment")
    return box


def html(value: str, *classes: str) -> ipywidgets.HTML:
    """Make a place for markup."""
    widget = ipywidgets.HTML(value)
    for name in classes:
        widget.add_class(name)
    return widget


def controls(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
    """Put controls into one row that wraps."""
    row = ipywidgets.HBox(list(widgets))
    row.add_class("rm-controls")
    return row
