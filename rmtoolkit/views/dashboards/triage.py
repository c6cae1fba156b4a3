"""The triage dashboard: one workload's verdict, its reasons and its memory, and a window of it to judge again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import traitlets

from rmtoolkit import text
from rmtoolkit._times import parse_time
from rmtoolkit.analysis.judge import Judgement, judge
from rmtoolkit.exceptions import UnknownWorkloadError
from rmtoolkit.views import theme, timeline_chart
from rmtoolkit.views.dashboards import controls
from rmtoolkit.views.dashboards.board import Board
from rmtoolkit.views.dashboards.live_chart import LiveChart
from rmtoolkit.views.dashboards.page import Page
from rmtoolkit.views.dashboards.wiring import Wiring
from rmtoolkit.views.triage.case import Case, timeline
from rmtoolkit.views.triage.heap import heap_part
from rmtoolkit.views.triage.picture import Picture, State, picture, pods, windows

if TYPE_CHECKING:
    import altair as alt

    from rmtoolkit._parallel import Source

_DRAGS: Final = [("zoom and pan", "zoom"), ("re-judge a window", "judge")]


class Triage(Board):
    """Does it leak, why is its memory what it is, and when does it reach its limit: one workload at a time.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, a lake, or what `judge` found in one. Of a lake there are only the
        samples that charts show; for all of a workload give ``lake.recording(workload="api")``.
    heap
        Heap profiles, as for `judge`.
    workload
        The workload to begin with, or a part of its name; without it the worst.

    Attributes
    ----------
    workload, pod, last_ms, judged, function, drag
        The state; setting one changes what is shown. `pod` is empty for the one that stands for all, `last_ms` how much
        of the past is shown (0: all), `judged` the window that is judged (first and last ms since 1970, UTC; None: all
        that was recorded), `function` what fills the picture of the heap profile (empty: the whole program),
        `drag` ``zoom`` or ``judge``.

    Raises
    ------
    RmtoolkitError
        There are no samples, or no such workload.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> triage = Triage(table)
    >>> triage
    <Triage: api does not leak: it stays at 50 Mi.>
    >>> triage.picture.row["verdict"]
    'not_leak'
    >>> triage.close()
    """

    workload = traitlets.Unicode()
    pod = traitlets.Unicode()
    last_ms = traitlets.Int(0, min=0)
    judged: Any = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=None, allow_none=True)
    function = traitlets.Unicode()
    drag = traitlets.Enum(("zoom", "judge"), "zoom")

    def __init__(
        self,
        recording: Source | Judgement,
        heap: Any = None,  # noqa: ANN401 - a profile, a path, several, or a mapping
        *,
        workload: str | None = None,
    ) -> None:
        found = recording if isinstance(recording, Judgement) else judge(recording, heap)
        self._case = Case(found, heap)
        first = self._find(workload) if workload is not None else self._case.names[0]
        self._state = State(first)
        self._picture = picture(self._case, self._state)
        # The first widget: it is the one that may not be installed.
        self._chart = LiveChart(timeline_chart.form())
        self._wiring = Wiring()
        self._settling = False
        self._page = Page()
        self._search = controls.search("Workload (type to search, worst first)", self._case.names, first)
        self._pods = controls.dropdown("Pod", pods(self._case, first), "")
        self._windows = controls.choice("Shown", windows(self._case, first), 0)
        self._drags = controls.choice("Drag on the chart to", _DRAGS, "zoom")
        self._aside = controls.html("", "rm-aside")
        self._answer = controls.html("", "rm-status")
        self._said = controls.html("")
        self._undo = controls.button("Judge the whole recording again")
        self._again = ipywidgets.HBox([self._said, self._undo])
        self._again.add_class("rm-again")
        self._from, self._to = controls.moment("From, UTC"), controls.moment("To, UTC")
        self._judge = controls.button("Judge this window")
        self._typed = ipywidgets.HBox([self._from, self._to, self._judge])
        self._typed.add_class("rm-controls").add_class("rm-typed")
        self._heading = controls.html("")
        self._ages, self._evidence = controls.html("", "rm-ages"), controls.html("", "rm-evidence")
        halves = ipywidgets.HBox([self._ages, self._evidence])
        halves.add_class("rm-halves")
        self._questions, self._heap, self._folded = (controls.html("") for _ in range(3))
        row = controls.controls(self._search, self._pods, self._windows, self._drags, self._aside)
        super().__init__(
            [
                *(self._page, self._wiring.alert, row, self._again, self._answer, self._heading, self._chart),
                *(self._typed, halves, self._questions, self._heap, self._folded),
            ]
        )
        self.add_class("rm").add_class("rm-dashboard").add_class("rm-triage")
        with self._quiet():
            self.workload = first
        self._show()
        self._connect()

    @property
    def picture(self) -> Picture:
        """What is shown, as markup and frames, without a widget."""
        return self._picture

    @property
    def chart(self) -> alt.LayerChart:
        """The chart that is shown, with its data inside: to change, or ``triage.chart.save("memory.svg")``."""
        return timeline_chart.chart(self._picture.drawn, self._picture.row, theme.LIGHT)

    def __repr__(self) -> str:
        """Say the verdict."""
        return f"<Triage: {text.printable(self._picture.row['headline'])}>"

    def _connect(self) -> None:
        watch = self._wiring.watch
        for name in ("workload", "pod", "last_ms", "judged"):
            watch(self, name, lambda _: self._changed())
        watch(self, "function", lambda _: self._zoomed())
        watch(self, "drag", lambda change: self._dragged(change.new))
        watch(self._search, "value", lambda change: self._searched(change.new))
        watch(self._pods, "value", lambda change: self._choose("pod", change.new))
        watch(self._windows, "value", lambda change: self._choose("last_ms", change.new))
        watch(self._drags, "value", lambda change: self._choose("drag", change.new))
        watch(self._chart, "selection", lambda change: self._selected(change.new))
        watch(self._chart, "shown", lambda change: self._looked(change.new))
        for box in (self._from, self._to):
            watch(box, "value", self._typed_in)
        self._wiring.press(self._undo, self.judge_all)
        self._wiring.press(self._judge, self._judge_typed)
        self._wiring.hear(self._page, self._heard)
        self._dragged("zoom")

    def _heard(self, kind: str, value: str) -> None:
        """Do what was pressed in the picture of the heap profile, or undo."""
        what, _, function = value.partition(" ")
        if kind == "send" and what == "zoom":
            # What fills the width already is pressed to go back.
            self.function = "" if function == self.function else function
        elif kind == "escape" and value == "tree":
            self.function = ""
        elif kind == "escape":
            self.judge_all()

    def judge_all(self) -> None:
        """Judge the whole recording again after a window of it.

        Examples
        --------
        >>> import polars as pl
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> triage = Triage(table)
        >>> triage.judged = (0, 3_000_000)
        >>> "Judged on" in triage.picture.judged
        True
        >>> triage.judge_all()
        >>> triage.judged is None
        True
        >>> triage.close()
        """
        self.set_trait("judged", None)

    def _find(self, typed: str) -> str:
        found = controls.match(typed, self._case.names)
        if found is None:
            raise UnknownWorkloadError.named(typed, self._case.names)
        return found

    def _quiet(self) -> _Settling:
        return _Settling(self)

    def _choose(self, name: str, value: object) -> None:
        if not self._settling:
            setattr(self, name, value)

    def _searched(self, typed: str) -> None:
        if self._settling:
            return
        found = self._find(typed)
        self.workload = found
        with self._quiet():
            self._search.value = found

    def _dragged(self, drag: str) -> None:
        self._chart.drag = drag
        self._typed.layout.display = "flex" if drag == "judge" else "none"
        with self._quiet():
            self._drags.value = drag

    def _selected(self, ends: list[int]) -> None:
        if ends:
            self.judged = tuple(ends)

    def _judge_typed(self) -> None:
        first, last = (parse_time(box.value) for box in (self._from, self._to))
        self.judged = (_ms(first), _ms(last))

    def _looked(self, ends: list[int]) -> None:
        """Send what a stretch looks like from near, where somebody zoomed or moved to."""
        if len(ends) != 2:  # noqa: PLR2004
            return
        judged = self._state.judged
        case = self._case if judged is None else self._case.again(self._state.workload, judged)
        row = self._picture.row
        drawn = timeline(case, row, (ends[0], ends[1]))
        self._chart.redraw(timeline_chart.rows(drawn, row, top=self._picture.top))
        self._type(ends)

    def _type(self, ends: tuple[int, int] | list[int]) -> None:
        last = min(ends[1], self._picture.drawn.now)
        for box, value in ((self._from, ends[0]), (self._to, last)):
            box.value = text.stamp(dt.datetime.fromtimestamp(value / 1000, tz=dt.UTC), seconds=True)

    @staticmethod
    def _typed_in(change: Any) -> None:  # noqa: ANN401 - a traitlets change
        """Show how an instant was read."""
        change.owner.value = text.stamp(parse_time(change.new), seconds=True)

    def _changed(self) -> None:
        if self._settling:
            return
        before = self._state
        wanted = State(self.workload, self.pod, self.last_ms, self.judged, before.function)
        if wanted.workload != before.workload:
            # Pods, windows, functions and what was selected belong to the workload before.
            wanted = State(self._find(wanted.workload))
        elif wanted.pod != before.pod:
            wanted = replace(wanted, judged=None)
        self._state = wanted
        try:
            self._picture = picture(self._case, wanted)
            self._show()
        except Exception:
            self._state = before
            raise
        finally:
            self._settle()

    def _zoomed(self) -> None:
        """Draw the heap profile alone: the chart stays where somebody has moved it."""
        if self._settling:
            return
        wanted = replace(self._state, function=self.function)
        try:
            drawn = heap_part(self._case.heap(wanted.workload), wanted.function)
        except Exception:
            self._settle()
            raise
        self._state, self._picture = wanted, replace(self._picture, heap=drawn)
        self._heap.value = drawn

    def _settle(self) -> None:
        """Let traits and controls say what is shown."""
        state = self._state
        with self._quiet():
            self.workload, self.pod, self.function = state.workload, state.pod, state.function
            self.last_ms = state.last_ms
            self.set_trait("judged", state.judged)
            self._search.value = state.workload
            for control, options, value in (
                (self._pods, pods(self._case, state.workload), state.pod),
                (self._windows, windows(self._case, state.workload), state.last_ms),
            ):
                if list(control.options) != options:
                    control.options = options
                control.value = value
            if state.judged is None:
                self._chart.selection = []

    def _show(self) -> None:
        found = self._picture
        # First of all: whoever sees the answer may type into these boxes, and must not be overwritten.
        self._type(found.home)
        self._aside.value, self._answer.value, self._heading.value = found.aside, found.answer, found.heading
        self._ages.value, self._evidence.value = found.ages, found.evidence
        self._questions.value, self._heap.value, self._folded.value = found.questions, found.heap, found.folded
        self._said.value = found.judged
        self._again.layout.display = "flex" if found.judged else "none"
        rows = timeline_chart.rows(found.drawn, found.row, top=found.top)
        axes = {"x0": float(found.home[0]), "x1": float(found.home[1]), "top": found.top}
        self._chart.draw(rows, axes, found.says, found.step_ms)


class _Settling:
    """While it lasts, changes of traits and controls are ours, not the user's."""

    def __init__(self, triage: Triage) -> None:
        self.triage = triage

    def __enter__(self) -> None:
        self.before = self.triage._settling  # noqa: SLF001 - the other half of the same class
        self.triage._settling = True  # noqa: SLF001

    def __exit__(self, *_: object) -> None:
        self.triage._settling = self.before  # noqa: SLF001


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)
