"""What dashboards share: controls, wiring, errors in sight, an end without remains; a chart in the browser."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import anywidget
import ipywidgets
import traitlets

from rmtoolkit import text
from rmtoolkit._html import Markup, el
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views.style import DASHBOARD, asset

Widget = TypeVar("Widget", bound=ipywidgets.DOMWidget)


class Board(ipywidgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    _wiring: Wiring
    _page: Page
    _beside: tuple[ipywidgets.Widget, ...] = ()
    #: Whether a picture without controls goes along, for where no kernel runs.
    pictured = True

    def _ipython_display_(self, **_: Any) -> None:  # noqa: ANN401 - as IPython calls it
        """Show the dashboard, and a picture of it that stays hidden as long as the dashboard is there."""
        from IPython import display  # noqa: PLC0415 - who has no notebook needs none

        show: Any = display.display
        page = self._page
        ident = f"rm-{page.model_id}"
        if self.pictured:
            page.css = f"{page.css}#{ident}{{display:none}}"
        show(self._repr_mimebundle_(), raw=True)
        if self.pictured:
            show({"text/html": self.static(ident)}, raw=True)

    def _mime_(self) -> tuple[str, str]:
        """Show the picture alone in marimo, which takes no widgets of Jupyter."""
        return "text/html", str(self.static())

    def static(self, ident: str = "") -> Markup:
        return el(
            "div",
            el("style", Markup(self._page.css.split("#rm-", maxsplit=1)[0])),
            *(_still(child) for child in self.children),
            id=ident or None,
            class_=" ".join(["rm-static", *self._dom_classes]),
        )

    def close(self) -> None:
        # Python closes what it throws away, also where a wrong argument kept it from ever being made.
        if hasattr(self, "_wiring"):
            self._wiring.close(*self.children, *self._beside, self.layout)
        super().close()


def _still(widget: ipywidgets.DOMWidget) -> Markup | None:
    """Write what a widget shows: markup as it is, boxes with what is in them, a chart as its picture."""
    if widget.layout.display == "none":
        return None
    classes = " ".join(widget._dom_classes) or None  # noqa: SLF001 - they have no other name
    if isinstance(widget, ipywidgets.HTML):
        return el("div", Markup(widget.value), class_=classes) if widget.value else None
    if isinstance(widget, ipywidgets.Box):
        inside = [found for found in map(_still, widget.children) if found]
        return el("div", *inside, class_=classes) if inside else None
    picture: Callable[[str], Markup] | None = getattr(widget, "picture", None)
    return picture(f"rm-{widget.model_id}") if picture else None


class Wiring:
    def __init__(self) -> None:
        self.alert = ipywidgets.HTML("", layout=ipywidgets.Layout(width="100%"))
        self.alert.add_class("rm-alert")
        #: What went wrong last; None when the last action went well.
        self.failed: str | None = None
        #: Above 0 while changes are not the user's.
        self.silent = 0
        self._undo: list[Callable[[], object]] = []
        self._inside = 0
        # JupyterLab delivers values and presses in threads of their own: one action at a time.
        self._alone = threading.RLock()

    def watch(self, widget: traitlets.HasTraits, names: str | list[str], action: Callable[[Any], object]) -> None:
        """Call an action when one of some traits changes and the change is the user's."""
        guarded = self.guarded(lambda change: None if self.silent else action(change))
        widget.observe(guarded, names=names)
        self._undo.append(lambda: widget.unobserve(guarded, names=names))

    def lead(self, control: ipywidgets.Widget, board: Board, trait: str) -> None:
        self.watch(control, "value", lambda change: board.set_trait(trait, change.new))

    def press(self, button: ipywidgets.Button, action: Callable[[], object]) -> None:
        guarded = self.guarded(lambda _: action())
        button.on_click(guarded)
        self._undo.append(lambda: button.on_click(guarded, remove=True))

    def hear(self, page: ipywidgets.DOMWidget, action: Callable[[str, str], object]) -> None:
        def receive(_: object, content: dict[str, Any], __: object) -> None:
            guarded(content)

        guarded = self.guarded(lambda content: action(str(content.get("kind")), str(content.get("value", ""))))
        page.on_msg(receive)
        self._undo.append(lambda: page.on_msg(receive, remove=True))

    def guarded(self, action: Callable[[Any], object]) -> Callable[[Any], None]:
        """Wrap an action so that what it raises is shown in the dashboard."""

        def run(argument: Any) -> None:  # noqa: ANN401 - a change, a button or a message
            with self._alone:
                self._inside += 1
                if self._inside == 1:
                    self._show(None)
                try:
                    action(argument)
                except RmtoolkitError as error:
                    self._show(str(error))
                except Exception as error:  # noqa: BLE001 - elsewhere it would vanish into a log that nobody reads
                    self._show(f"{type(error).__name__}: {error}")
                finally:
                    self._inside -= 1

        return run

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """While it lasts, changes of traits and controls are ours, not the user's."""
        self.silent += 1
        try:
            yield
        finally:
            self.silent -= 1

    def _show(self, said: str | None) -> None:
        self.failed = said
        self.alert.value = (
            "" if said is None else el("p", f"{text.printable(said)} The last good result stays on screen.")
        )

    def close(self, *widgets: ipywidgets.Widget) -> None:
        while self._undo:
            self._undo.pop()()
        for widget in (*widgets, self.alert):
            _close(widget)


def _close(widget: ipywidgets.Widget) -> None:
    for child in getattr(widget, "children", ()):
        _close(child)
    parts = [getattr(widget, name, None) for name in ("layout", "style")]
    widget.close()
    for part in parts:
        if isinstance(part, ipywidgets.Widget):
            part.close()


_LABEL = {"description_width": "initial"}


class Slider(NamedTuple):
    """A slider and its number box, which do the same; what lies between two steps stands in the box."""

    box: ipywidgets.Box
    slider: ipywidgets.FloatSlider
    number: ipywidgets.BoundedFloatText

    def set(self, value: float, *, low: float, high: float) -> None:
        for control in (self.slider, self.number):
            # The ends are widened first: a value outside would be pulled to one of them.
            control.min = min(low, control.max)
            control.max = max(high, control.min)
            control.min = low
        self.number.value = value
        self.slider.value = self.on_step(value)

    def on_step(self, value: float) -> float:
        """Find the nearest step: a browser would answer with it what it is told else, as if somebody had moved."""
        low, high, step = (float(end or 0) for end in (self.slider.min, self.slider.max, self.slider.step))
        return min(max(round(low + round((value - low) / step) * step, 9), low), high)

    def reach(self, value: float) -> None:
        """Set the value; the ends give way where it lies beyond them."""
        if abs(self.number.value - value) > 1e-9:  # noqa: PLR2004 - rounding
            self.set(value, low=min(self.slider.min, value), high=max(self.slider.max, value))


def slider(label: str, value: float, high: float, *, step: float, unit: str, low: float = 0) -> Slider:
    named = f"{label}, {unit}" if unit else label
    moved = ipywidgets.FloatSlider(value=value, min=low, max=high, step=step, readout=False)
    number = ipywidgets.BoundedFloatText(
        value=value, min=low, max=high, step=step, description=named, style=_LABEL, continuous_update=False
    )
    row = box(moved, number, html(el("span", unit), "rm-unit"), classes=["rm-slider-row"])
    whole = box(html(el("span", label), "rm-name"), row, classes=["rm-slider"], kind=ipywidgets.VBox)
    made = Slider(whole, moved, number)

    def read(value: float) -> float:
        # The browser places the handle by per cent and may report 511.99999999999994: nobody wants to read that.
        return number.value if made.on_step(value) == made.on_step(number.value) else round(value, 9)

    traitlets.dlink((number, "value"), (moved, "value"), made.on_step)
    traitlets.dlink((moved, "value"), (number, "value"), read)
    return made


def search(label: str, options: Sequence[str], value: str) -> ipywidgets.Combobox:
    about = {"description": label, "style": _LABEL, "continuous_update": False}
    return _classed(ipywidgets.Combobox(value=value, options=tuple(options), **about), "rm-wide")


def choice(label: str, options: Sequence[tuple[str, Any]], value: object) -> ipywidgets.ToggleButtons:
    return ipywidgets.ToggleButtons(options=list(options), value=value, description=label, style=_LABEL)


def dropdown(label: str, options: Sequence[tuple[str, Any]], value: object) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(options=list(options), value=value, description=label, style=_LABEL)


def button(label: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=label, layout=ipywidgets.Layout(width="auto"))


def moment(label: str) -> ipywidgets.Text:
    return _classed(ipywidgets.Text(description=label, style=_LABEL, continuous_update=False), "rm-moment")


def html(value: str, *classes: str) -> ipywidgets.HTML:
    return _classed(ipywidgets.HTML(value), *classes)


def box(
    *widgets: ipywidgets.Widget, classes: Sequence[str] = (), kind: type[ipywidgets.Box] = ipywidgets.HBox
) -> ipywidgets.Box:
    return _classed(kind(list(widgets)), *classes)


def _classed(widget: Widget, *classes: str) -> Widget:
    for name in classes:
        widget.add_class(name)
    return widget


def controls(*widgets: ipywidgets.Widget, also: Sequence[str] = ()) -> ipywidgets.Box:
    return box(*widgets, classes=("rm-controls", *also))


class Page(anywidget.AnyWidget):
    _esm = asset("copy.js") + asset("zoom.js") + asset("dashboard.js")
    css = traitlets.Unicode(DASHBOARD).tag(sync=True)


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
    """A chart of named data sets over a time axis whose ends are its parameters `x0` and `x1`."""

    # The first of a kernel stands as a picture until its script is made: once it is on a page, which asks for it.

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
