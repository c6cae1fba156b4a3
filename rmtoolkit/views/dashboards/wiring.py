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
    """Observers of one dashboard, and where it shows what went wrong in them.

    Attributes
    ----------
    alert
        An HTML widget to put near the top: empty unless the last action failed.

    Examples
    --------
    >>> wiring, box = Wiring(), ipywidgets.IntText()
    >>> wiring.watch(box, "value", lambda change: 1 / change.new)
    >>> box.value = 5
    >>> box.value = 0
    >>> wiring.failed
    'ZeroDivisionError: division by zero'
    >>> box.value = 1
    >>> wiring.failed is None
    True
    """

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
        """Call an action when a trait changes.

        Parameters
        ----------
        widget
            A control, or the dashboard itself.
        name
            The trait.
        action
            Gets the change; what it raises is shown.

        Examples
        --------
        See the class.
        """
        guarded = self.guarded(action)
        widget.observe(guarded, names=name)
        self._undo.append(lambda: widget.unobserve(guarded, names=name))

    def press(self, button: ipywidgets.Button, action: Callable[[], object]) -> None:
        """Call an action when a button is pressed.

        Parameters
        ----------
        button
            The button.
        action
            Gets nothing; what it raises is shown.

        Examples
        --------
        >>> wiring, button, pressed = Wiring(), ipywidgets.Button(), []
        >>> wiring.press(button, lambda: pressed.append(1))
        >>> button.click()
        >>> pressed
        [1]
        """
        guarded = self.guarded(lambda _: action())
        button.on_click(guarded)
        self._undo.append(lambda: button.on_click(guarded, remove=True))

    def hear(self, page: ipywidgets.DOMWidget, action: Callable[[str, str], object]) -> None:
        """Call an action when the page sends something.

        Parameters
        ----------
        page
            A `rmtoolkit.views.dashboards.page.Page`.
        action
            Gets kind (``send`` or ``escape``) and value; what it raises is shown.

        Examples
        --------
        >>> from rmtoolkit.views.dashboards.page import Page
        >>> wiring, page, heard = Wiring(), Page(), []
        >>> wiring.hear(page, lambda kind, value: heard.append(value))
        >>> page._handle_custom_msg({"kind": "send", "value": "shop/api"}, [])
        >>> heard
        ['shop/api']
        """

        def receive(_: object, content: dict[str, Any], __: object) -> None:
            guarded(content)

        guarded = self.guarded(lambda content: action(str(content.get("kind")), str(content.get("value", ""))))
        page.on_msg(receive)
        self._undo.append(lambda: page.on_msg(receive, remove=True))

    def guarded(self, action: Callable[[Any], object]) -> Callable[[Any], None]:
        """Wrap an action so that what it raises is shown in the dashboard.

        Parameters
        ----------
        action
            Gets one argument.

        Returns
        -------
        callable
            Never raises; an action that goes well takes an older message away.

        Examples
        --------
        >>> wiring = Wiring()
        >>> wiring.guarded(int)("x")
        >>> "invalid literal" in wiring.alert.value
        True
        """

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
        """Undo every connection and close widgets with all that is in them.

        Parameters
        ----------
        *widgets
            The dashboard's children.

        Examples
        --------
        >>> wiring, box = Wiring(), ipywidgets.VBox([ipywidgets.IntText()])
        >>> inside = box.children[0]
        >>> wiring.close(box)
        >>> box.comm is None, inside.layout.comm is None
        (True, True)
        """
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
