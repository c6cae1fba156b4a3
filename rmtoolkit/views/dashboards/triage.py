"""`rm.Triage`: does this workload leak, and why is its memory high?"""

from __future__ import annotations

import shlex
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import traitlets
from msgspec import Struct, structs

from rmtoolkit import text
from rmtoolkit._html import Markup, el, folded, join, wide
from rmtoolkit._tables import parse_time
from rmtoolkit.analysis.heap_answers import Heap, HeapAnswer, answer, profiles_by_workload
from rmtoolkit.assessment import Assessment, assess
from rmtoolkit.exceptions import RmtoolkitError, door
from rmtoolkit.heap._names import plain_name, spoken
from rmtoolkit.schema import WORKLOAD
from rmtoolkit.views import _plot_vega, _tables, icicle, lives, plots
from rmtoolkit.views._plot import instant
from rmtoolkit.views.dashboards import _base
from rmtoolkit.views.timeline import Chart, Timeline, Timelines, ahead, describe, draw, ms, titled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import altair as alt

    from rmtoolkit._parallel import Source
    from rmtoolkit.recording import Recording

    Heaps = Heap | Mapping[str, Heap] | None

#: Below this many samples a window says nothing about a shape.
_LEAST: Final = 10
#: The title of the part about the heap profile, which a button of the answer opens.
_HEAP: Final = "Heap profile"
_SUSPECTS: Final[Sequence[_tables.Column]] = (
    ("Function of your own code", "code", lambda row: el("code", text.printable(spoken(plain_name(row["function"]))))),
    ("Reading", "word", lambda row: text.printable(row["reading"])),
    ("Growth", "n", lambda row: text.known(text.small_memory, row["growth_bytes"])),
    ("Held", "n", lambda row: text.known(text.small_memory, row["held_bytes"])),
    ("Evidence", "wrap", lambda row: text.printable(row["evidence"])),
)
#: Stretches that can be looked at, if they are shorter than the recording, in hours.
_WINDOWS: Final = {"5 min": 1 / 12, "1 h": 1, "6 h": 6, "24 h": 24, "7 d": 168, "30 d": 720}
_COUNTS: Final = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine", 10: "Ten"}


class Case:
    """An Assessment, and windows of it that were judged again; `samples_from` is a recording with more samples."""

    def __init__(self, found: Assessment, heap: Heaps = None, *, samples_from: Recording | None = None) -> None:
        self.found = found
        self._recording = samples_from or found.recording
        self._heaps = {} if heap is None else profiles_by_workload(heap, found.recording)
        self.names = found.workloads["name"].to_list()
        self._at = {name: at for at, name in enumerate(self.names)}
        #: The most urgent that left a sample: of others kills may be known, and there is nothing to draw.
        self.first: str = next(iter(found.workloads.filter(pl.col("peak_bytes").is_not_null())["name"]), self.names[0])
        self.timelines = Timelines(found, samples_from=samples_from)
        self.again: Callable[[str, tuple[int, int]], Case] = lru_cache(16)(self._judge_window)
        self.heap: Callable[[str], HeapAnswer | None] = cache(self._answer)

    def row(self, name: str) -> dict[str, Any]:
        return self.found.workloads.row(self._at[name], named=True)

    def _answer(self, name: str) -> HeapAnswer | None:
        profile = self._heaps.get(self.found.workloads.select(WORKLOAD).row(self._at[name]))
        return None if profile is None else answer(profile)

    def of(self, frame: pl.DataFrame, name: str) -> pl.DataFrame:
        return frame.filter(workload_id=self._at[name])

    def instances(self, name: str) -> pl.DataFrame:
        return self.of(self.found.instances, name)

    def kills(self, name: str, pod: str) -> list[dict[str, Any]]:
        kills = self.of(self.found.kills, name)
        if pod:
            kills = _in(kills, self.instances(name).filter(pod=pod)["container_id"])
        return kills.sort("time", descending=True).to_dicts()

    def _judge_window(self, name: str, window: tuple[int, int]) -> Case:
        row = self.row(name)
        recording = self._recording.filter(*(pl.col(column).eq_missing(row[column]) for column in WORKLOAD))
        first, last = map(instant, window)
        part = recording.window(first, last)
        if part.samples.height < _LEAST:
            msg = (
                f"There are {text.count(part.samples.height, 'sample')} between {text.moment(first)} and "
                f"{text.moment(last)} UTC: too few to judge. Select a longer window."
            )
            raise RmtoolkitError(msg)
        asked = self.found
        found = Case(assess(part, oom_probability=asked.oom_probability, margins=asked.margins, prices=asked.prices))
        # A name that had to say more beside others keeps saying it.
        found.names, found._at = [name], {name: 0}
        return found


def _in(frame: pl.DataFrame, containers: pl.Series) -> pl.DataFrame:
    return frame.filter(pl.col("container_id").is_in(containers.implode()))


def timeline(case: Case, row: dict[str, Any], span: tuple[int, int] | None = None) -> Timeline:
    if (found := case.timelines.of(row, span)) is None:
        raise plots.nothing(row)
    return found


def heap_part(answer: HeapAnswer | None, row: dict[str, Any], function: str) -> Markup:
    if answer is not None:
        return _drawn(answer, function)
    if function:
        msg = f"There is no heap profile to show {text.printable(function)!r} in. Load one with heap=."
        raise RmtoolkitError(msg)
    return folded(
        _HEAP,
        "none loaded; one names the code",
        el("p", "Where the service serves profiles, fetch two of them, half an hour apart:", class_="note"),
        _tables.code(_fetching(row), copied=True),
        el("p", "Then load them; a file of heaptrack, DHAT or massif does too:", class_="note"),
        _tables.code('rm.Triage(recording, heap=rm.read_heap("heap-profiles"))', copied=True),
    )


def _fetching(row: dict[str, Any]) -> str:
    served = "PORT/debug/pprof/heap --every 30m"
    if None in (row["namespace"], row["pod"]):
        return f"rmtoolkit heap http://HOST:{served}"
    pod, space = (text.printable(row[name]) for name in ("pod", "namespace"))
    return f"rmtoolkit heap {shlex.quote(f'pod/{pod}')}:{served} -n {shlex.quote(space)}"


@lru_cache(32)
def _drawn(answer: HeapAnswer, function: str) -> Markup:
    rows = answer.suspects.head(8).to_dicts()
    return folded(
        _HEAP,
        text.printable(answer.headline),
        wide("Suspects", _tables.write(_SUSPECTS, rows))
        if rows
        else el("p", "No function of your own code holds memory.", class_="note"),
        el("h2", "Who calls it", el("span", "width is memory, the program's start on top", class_="note")),
        el("p", el("code", text.printable(function)), " fills the width, from wherever it is called.")
        if function
        else None,
        icicle.zoomable(answer.heap, root=function or None, suspects=answer.suspects, sends=True),
        el("p", f"Not seen: {text.printable('; '.join(answer.unseen))}.", class_="note") if answer.unseen else None,
    )


class State(Struct, frozen=True):
    workload: str
    pod: str = ""
    last_ms: int = 0
    judged: tuple[int, int] | None = None
    function: str = ""


class Picture(Struct, frozen=True):
    aside: Markup
    answer: Markup
    judged: Markup
    heading: Markup
    drawn: Timeline
    row: dict[str, Any]
    says: str
    top: float
    ages: Markup
    evidence: Markup
    how: Markup
    questions: Markup
    heap: Markup
    folded: Markup
    home: tuple[int, int]
    step_ms: float


def picture(case: Case, state: State) -> Picture:
    judged = case if state.judged is None else case.again(state.workload, state.judged)
    row = _row(judged, state)
    whole = timeline(case, row if judged is case else _row(case, state))
    if state.judged is None:
        drawn, home = whole, _home(whole, state.last_ms)
    else:
        # What was judged is drawn with its own fit and forecast, at the place where it lies in the whole.
        drawn = timeline(judged, row)
        # The end of a selected window is not now.
        drawn = structs.replace(drawn, current=drawn.current and whole.current and drawn.now == whole.now)
        home = drawn.start, drawn.until
    if home != (drawn.start, drawn.until):
        drawn = timeline(judged, row, home)
    kills, heap = judged.kills(state.workload, state.pod), case.heap(state.workload)
    title, note = titled(whole, row, text.printable(row["pod"] or row["container"] or ""))

    def told(frame: pl.DataFrame) -> list[dict[str, Any]]:
        return judged.of(frame, state.workload).to_dicts()

    return Picture(
        aside=_aside(case, state, row),
        answer=join(_tables.caveats(case.found), _answer(case, row, state.workload, kills)),
        judged=_judged(state),
        heading=el("h2", title, el("span", note, class_="note")),
        drawn=drawn,
        row=row,
        says=f"Memory over time. {describe(whole if state.judged is None else drawn, row)}",
        top=Chart(whole, row).y.high,
        ages=_ages(judged, state, row),
        evidence=_tables.evidence(row, where=True),
        how=_tables.how(row, told(judged.found.queries), copied=True),
        questions=_tables.questions(told(judged.found.checklist), caption="The five questions"),
        heap=heap_part(heap, row, state.function),
        folded=_folded(judged, state, row, whole, kills),
        home=home,
        step_ms=1000 * (row["cadence_seconds"] or 1.0),
    )


def windows(case: Case, workload: str) -> list[tuple[str, int]]:
    row = case.row(workload)
    whole = timeline(case, row)
    least = 20 * 1000 * (row["cadence_seconds"] or 1.0)
    sizes = ((words, round(hours * 3_600_000)) for words, hours in _WINDOWS.items())
    fitting = [(words, size) for words, size in sizes if least <= size <= 0.8 * (whole.now - whole.start)]
    return [*fitting[-3:], ("all", 0)]


def pods(case: Case, workload: str) -> list[tuple[str, str]]:
    names = case.instances(workload)["pod"].to_list()
    several = [(text.printable(pod), pod) for pod in names if pod is not None] if len(names) > 1 else []
    return [("all pods", ""), *several]


def _row(case: Case, state: State) -> dict[str, Any]:
    found = case.instances(state.workload).filter(pl.col("pod") == state.pod)
    return found.row(0, named=True) if state.pod and found.height else case.row(state.workload)


def _home(whole: Timeline, last_ms: int) -> tuple[int, int]:
    if not last_ms or last_ms >= whole.now - whole.start:
        return whole.start, whole.until
    future = min(ahead(whole.forecast, last_ms), max(whole.until - whole.now, last_ms // 3))
    return whole.now - last_ms, whole.now + future


def _aside(case: Case, state: State, row: dict[str, Any]) -> Markup:
    rank = case.names.index(state.workload) + 1
    several = len(case.names) > 1
    first = f"{rank:,} of {len(case.names):,} workloads, worst first" if several else "the only workload"
    return join(el("div", first), el("div", f"coverage {text.share(row['coverage'])}, all times UTC"))


def _answer(case: Case, row: dict[str, Any], name: str, kills: list[dict[str, Any]]) -> Markup:
    step, *then = _tables.action(row | {"text": row["next_text"]}, copied=True)
    known, code = case.heap(name) is not None, None
    if known or row["growing"]:
        words = "Show its code" if known else "Name its code"
        code = el("button", words, type="button", class_="rm-button small", data_rm_open=_HEAP)
    said = text.printable(kills[0]["sentence"]) if kills else None
    return _tables.answer(
        row,
        name,
        el("p", text.told(row["headline"]), class_="headline", role="heading", aria_level="1"),
        join(
            el("div", el("div", el("b", "Next:"), " ", step), *then, code, class_="next"),
            el("p", el("b", "Last kill:"), " ", said, class_="foretold") if said else None,
        ),
        case.found.oom_probability,
        most=120,
        class_=f"answer {text.VERDICTS[row['verdict']].token}",
    )


def _judged(state: State) -> Markup:
    if state.judged is None:
        return Markup("")
    first, last = map(instant, state.judged)
    return el("p", el("b", "Judged on "), f"{text.moment(first)} to {text.moment(last)} UTC", " only.", class_="judged")


def _ages(judged: Case, state: State, row: dict[str, Any]) -> Markup:
    of = judged.instances(state.workload)
    ids = pl.Series([row["container_id"]], dtype=pl.UInt32) if state.pod else of["container_id"]
    found = lives.collect(judged.timelines.samples, _in(judged.found.lives, ids), row["signal"])
    count = row["runs"]
    title = "One life by age" if count == 1 else f"{_COUNTS.get(count, f'{count:,}')} lives by age"
    heading = el("h2", title, el("span", text.signal_word(row["signal"]), class_="note"))
    if not found:
        return join(el("h2", "Lives by age"), el("p", "There is no sample to draw.", class_="note"))
    return join(heading, lives.draw(found, row, state.workload))


def _folded(judged: Case, state: State, row: dict[str, Any], whole: Timeline, kills: list[dict[str, Any]]) -> Markup:
    instances = judged.instances(state.workload)
    names = dict(instances.select("container_id", "pod").iter_rows())
    ran, findings = (_in(of, instances["container_id"]) for of in (judged.found.lives, judged.found.findings))
    return join(
        _tables.kills(kills),
        _tables.pods(instances.to_dicts()),
        _tables.lives(ran.to_dicts(), names, judged.row(state.workload)),
        _tables.quality(row["coverage"], findings.to_dicts(), whole.gaps, row["cadence_seconds"]),
    )


class Triage(_base.Board):
    """Does it leak, why is its memory what it is, and when does it reach its limit: one workload at a time.

    Parameters
    ----------
    source
        A recording, any frame that can become one, a lake, or an Assessment. Of a lake there are only the samples that
        charts show; for all of a workload give ``lake.recording(workload="api")``.
    heap, samples_from
        As in `rmtoolkit.Fleet`.
    workload
        The workload to begin with, or a part of its name that no other has; without it the worst.

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

    @door
    def __init__(
        self,
        source: Source | Assessment,
        heap: Heaps = None,
        *,
        workload: str | None = None,
        samples_from: Recording | None = None,
    ) -> None:
        self._case = Case(assess(source, heap=heap), heap, samples_from=samples_from)
        first = plots.find(workload, self._case.names) if workload is not None else self._case.first
        self._state = State(first)
        self._picture = picture(self._case, self._state)
        # The first widget: it is the one that may not be installed.
        self._chart = _base.LiveChart(_plot_vega.spec(), self._drawn)
        self._wiring, self._page = _base.Wiring(), _base.Page()
        self._search = _base.search("Workload (type to search, worst first)", self._case.names, first)
        self._pods = _base.dropdown("Pod", pods(self._case, first), "")
        self._windows = _base.choice("Shown", windows(self._case, first), 0)
        drags = [("zoom and pan", "zoom"), ("re-judge a window", "judge")]
        self._drags = _base.choice("Drag on the chart to", drags, "zoom")
        self._aside = _base.html("", "rm-aside")
        self._answer = _base.html("", "rm-status")
        self._said = _base.html("")
        self._undo = _base.button("Judge the whole recording again")
        self._again = _base.box(self._said, self._undo, classes=["rm-again"])
        self._from, self._to = _base.moment("From, UTC"), _base.moment("To, UTC")
        self._judge = _base.button("Judge this window")
        self._typed = _base.controls(self._from, self._to, self._judge, also=["rm-typed"])
        self._heading = _base.html("")
        self._ages, self._evidence = _base.html("", "rm-ages"), _base.html("", "rm-evidence")
        halves = _base.box(self._ages, self._evidence, classes=["rm-halves"])
        self._how, self._questions, self._heap, self._folded = (_base.html("") for _ in range(4))
        row = _base.controls(self._search, self._pods, self._windows, self._drags, self._aside)
        super().__init__(
            [
                *(self._page, self._wiring.alert, row, self._again, self._answer, self._heading),
                _base.box(self._chart, classes=["rm-scroll"]),
                *(self._typed, halves, self._how, self._questions, self._heap, self._folded),
            ]
        )
        self.add_class("rm").add_class("rm-dashboard").add_class("rm-triage")
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
        return plots.of_timeline(self._picture.drawn, self._picture.row)

    def _drawn(self, ident: str) -> Markup:
        found = self._picture
        return draw(found.drawn, found.row, ident, text.printable(found.row["workload"]))

    def __repr__(self) -> str:
        return f"<Triage: {text.printable(self._picture.row['headline'])}>"

    def _connect(self) -> None:
        watch = self._wiring.watch
        watch(self, ["workload", "pod", "last_ms", "judged"], lambda _: self._changed())
        watch(self, "function", lambda _: self._zoomed())
        watch(self, "drag", lambda change: self._dragged(change.new))
        watch(self._search, "value", lambda change: self._searched(change.new))
        for control, trait in ((self._pods, "pod"), (self._windows, "last_ms"), (self._drags, "drag")):
            self._wiring.lead(control, self, trait)
        watch(self._chart, "selection", lambda change: self.set_trait("judged", tuple(change.new) or self.judged))
        watch(self._chart, "shown", lambda change: self._looked(change.new))
        for box in (self._from, self._to):
            watch(box, "value", self._typed_in)
        self._wiring.press(self._undo, self.judge_all)
        self._wiring.press(self._judge, self._judge_typed)
        self._wiring.hear(self._page, self._heard)
        self._dragged("zoom")

    def _heard(self, kind: str, value: str) -> None:
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

    def _searched(self, typed: str) -> None:
        self.workload = plots.find(typed, self._case.names)
        with self._wiring.quiet():
            self._search.value = self.workload

    def _dragged(self, drag: str) -> None:
        self._chart.drag = drag
        self._typed.layout.display = "flex" if drag == "judge" else "none"
        with self._wiring.quiet():
            self._drags.value = drag

    def _judge_typed(self) -> None:
        self.judged = tuple(ms(parse_time(box.value)) for box in (self._from, self._to))

    def _looked(self, ends: list[int]) -> None:
        """Send what a stretch looks like from near, where somebody zoomed or moved to."""
        if len(ends) != 2:  # noqa: PLR2004
            return
        judged = self._state.judged
        case = self._case if judged is None else self._case.again(self._state.workload, judged)
        row = self._picture.row
        drawn = timeline(case, row, (ends[0], ends[1]))
        self._chart.redraw(_plot_vega.rows(drawn, row, top=self._picture.top))
        self._type(ends)

    def _type(self, ends: tuple[int, int] | list[int]) -> None:
        last = min(ends[1], self._picture.drawn.now)
        for box, value in ((self._from, ends[0]), (self._to, last)):
            box.value = text.stamp(instant(value), seconds=True)

    @staticmethod
    def _typed_in(change: Any) -> None:  # noqa: ANN401 - a traitlets change
        change.owner.value = text.stamp(parse_time(change.new), seconds=True)

    def _changed(self) -> None:
        before = self._state
        wanted = State(self.workload, self.pod, self.last_ms, self.judged, before.function)
        try:
            if wanted.workload != before.workload:
                # Pods, windows, functions and what was selected belong to the workload before.
                wanted = State(plots.find(wanted.workload, self._case.names))
            elif wanted.pod != before.pod:
                wanted = structs.replace(wanted, judged=None)
            self._state = wanted
            self._picture = picture(self._case, wanted)
            self._show()
        except Exception:
            self._state = before
            raise
        finally:
            self._settle()

    def _zoomed(self) -> None:
        """Draw the heap profile alone: the chart stays where somebody has moved it."""
        wanted = structs.replace(self._state, function=self.function)
        try:
            drawn = heap_part(self._case.heap(wanted.workload), self._picture.row, wanted.function)
        except Exception:
            self._settle()
            raise
        self._state, self._picture = wanted, structs.replace(self._picture, heap=drawn)
        self._heap.value = drawn

    def _settle(self) -> None:
        state = self._state
        with self._wiring.quiet():
            for name, value in structs.asdict(state).items():
                self.set_trait(name, value)
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
        for name in ("aside", "answer", "heading", "ages", "evidence", "how", "questions", "heap", "folded"):
            getattr(self, f"_{name}").value = getattr(found, name)
        self._said.value = found.judged
        self._again.layout.display = "flex" if found.judged else "none"
        rows = _plot_vega.rows(found.drawn, found.row, top=found.top)
        axes = {"x0": float(found.home[0]), "x1": float(found.home[1]), "top": found.top}
        self._chart.draw(rows, axes, found.says, found.step_ms)
