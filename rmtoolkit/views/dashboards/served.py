"""All dashboards of one recording behind one row of buttons: what `rmtoolkit dashboard` serves."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from rmtoolkit.assessment import assess
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.recording import read_recording
from rmtoolkit.views.dashboards import SERVED, _base
from rmtoolkit.views.dashboards._base import Board, Page, Wiring
from rmtoolkit.views.dashboards.explorer import LimitExplorer
from rmtoolkit.views.dashboards.fleet import Fleet
from rmtoolkit.views.dashboards.triage import Triage

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording


class Dashboards(Board):
    """Fleet, Triage and LimitExplorer of one recording, one at a time; each is made when it is first shown."""

    shown = traitlets.Enum(("fleet", "triage", "limits"), "fleet")

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._found = assess(recording)
        super().__init__()
        self._wiring = Wiring()
        self._made: dict[str, Any] = {}
        choices = [("Fleet", "fleet"), ("Triage", "triage"), ("Limits", "limits")]
        self._choice = _base.choice("Show", choices, "fleet")
        self._page = Page()
        bar = ipywidgets.VBox([self._page, self._choice, self._wiring.alert])
        bar.add_class("rm").add_class("rm-dashboard").add_class("rm-bar")
        self._place = ipywidgets.VBox([])
        self.children = (bar, self._place)
        self._wiring.watch(self._choice, "value", lambda change: self.set_trait("shown", change.new))
        self._wiring.watch(self, "shown", lambda _: self._show())
        self._show()

    @property
    def board(self) -> Any:  # noqa: ANN401 - one of three
        """The dashboard that is shown."""
        return self._made[self.shown]

    def _show(self) -> None:
        self._choice.value = self.shown
        if self.shown not in self._made:
            boards = {"fleet": Fleet, "triage": Triage, "limits": LimitExplorer}
            self._made[self.shown] = boards[self.shown](self._found, samples_from=self._recording)
            self._beside = tuple(self._made.values())
        self._place.children = (self._made[self.shown],)


def served() -> Dashboards:
    """Make the dashboards of the recording that the environment names."""
    told = os.environ.get(SERVED)
    if told is None:
        msg = f"The environment has no {SERVED}: this page is made by rmtoolkit dashboard."
        raise RmtoolkitError(msg)
    return Dashboards(read_recording(json.loads(told)["recording"]))
