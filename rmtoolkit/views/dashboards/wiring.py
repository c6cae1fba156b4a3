"""What connects a dashboard's controls to its pictures: callbacks that show their errors, an end without remains."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import ipywidgets

from rmtoolkit import text
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views.markup import el

if TYPE_CHECKING:
    from collections.abc import Callable

    import traitlets

_LEFT_ALONE: Final = "The last good result stays on screen."


class Wiring:
    """Observers of one dashboard, and where it shows what went wrong in them."""

    def __init__(self) -> None:
        self.alert = ipywidgets.HTML("", layout=ipywidgets.Layout(width="100%"))
        self.alert.add_class("rm-alert")
        #: What went wrong last; None when the last action went well.
        self.failed: str | None = None
        self._undo: list[Callable[[], object]] = []
        self._inside = 0
        # JupyterLab delivers values and presses in threads of their own: one action at a time.
        self._alone = threading.RLock()

    def watch(self, widget: traitlets.HasTraits, name: str, action: Callable[[Any], object]) -> None:
        """Call an action when a trait changes."""
        guarded = self.guarded(action)
        widget.observe(guarded, names=name)
        self._undo.append(lambda: widget.unobserve(guarded, names=name))

    def press(self, button: ipywidgets.Button, action: Callable[[], object]) -> None:
        """Call an action when a button is pressed."""
        guarded = self.guarded(lambda _: action())
        button.on_click(guarded)
        self._undo.append(lambda: button.on_click(guarded, remove=True))

    def hear(self, page: ipywidgets.DOMWidget, action: Callable[[str, str], object]) -> None:
        """Call an action when the page sends something."""

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

    def _show(self, said: str | None) -> None:
        self.failed = said
        self.alert.value = "" if said is None else el("p", text.printable(said), " ", _LEFT_ALONE)

    def close(self, *widgets: ipywidgets.Widget) -> None:
        """Undo every connection and close widgets with all that is in them."""
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
