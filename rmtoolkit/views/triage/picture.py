"""From the state of the triage dashboard to everything it shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis import advice
from rmtoolkit.views import _tables, summary, svg, timeline_chart
from rmtoolkit.views.markup import Markup, el, join
from rmtoolkit.views.parts import facts, pattern_words, with_code
from rmtoolkit.views.timeline import ahead
from rmtoolkit.views.timeline_svg import Chart
from rmtoolkit.views.triage import ages
from rmtoolkit.views.triage.case import timeline
from rmtoolkit.views.triage.heap import heap_part

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Advice
    from rmtoolkit.views.timeline import Timeline
    from rmtoolkit.views.triage.case import Case

_HOUR: Final = 3_600_000
#: Stretches that can be looked at, if they are shorter than the recording.
_WINDOWS: Final = (
    ("5 min", _HOUR // 12),
    ("1 h", _HOUR),
    ("6 h", 6 * _HOUR),
    ("24 h", 24 * _HOUR),
    ("7 d", 168 * _HOUR),
    ("30 d", 720 * _HOUR),
)
_SHOWN_WINDOWS: Final = 3
_SHOWN_NAME: Final = 120
ALL_PODS: Final = "all pods"


@dataclass(frozen=True, slots=True)
class State:
    """What the user of a triage dashboard has chosen."""

    workload: str
    pod: str = ""
    last_ms: int = 0
    judged: tuple[int, int] | None = None
    function: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is shown for a state."""

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
    questions: Markup
    heap: Markup
    folded: Markup
    home: tuple[int, int]
    step_ms: float


def picture(case: Case, state: State) -> Picture:
    """Show a state."""
    judged = case if state.judged is None else case.again(state.workload, state.judged)
    row = _row(judged, state)
    whole = timeline(case, _row(case, state))
    if state.judged is None:
        drawn = whole
        home = _home(whole, state.last_ms)
    else:
        # What was judged is drawn with its own fit and forecast, at the place where it lies in the whole.
        drawn = timeline(judged, row)
        home = (drawn.start, drawn.until)
        # The end of a selected window is not now.
        drawn = replace(drawn, current=drawn.current and whole.current and drawn.now == whole.now)
    if home != (drawn.start, drawn.until):
        drawn = timeline(judged, row, home)
    container = row["container_id"]
    about = judged.timelines.about[container]
    return Picture(
        aside=_aside(case, state, row),
        answer=_answer(row, state.workload),
        judged=_judged(state),
        heading=_heading(whole, row, about),
        drawn=drawn,
        row=row,
        says=timeline_chart.says(whole if state.judged is None else drawn, row),
        top=Chart(whole, row).y.high,
        ages=_ages(judged, state, row),
        evidence=_tables.evidence(row, caption="Evidence"),
        questions=_tables.questions(judged.questions(state.workload).to_dicts(), caption="The five questions"),
        heap=heap_part(case.heap(state.workload), state.function),
        folded=_folded(judged, state, row, whole, about),
        home=home,
        step_ms=1000 * (about["cadence_seconds"] or 1.0),
    )


def windows(case: Case, workload: str) -> list[tuple[str, int]]:
    """Offer stretches of the past to look at."""
    whole = timeline(case, case.rows[workload])
    step = 1000 * (case.timelines.about[case.rows[workload]["container_id"]]["cadence_seconds"] or 1.0)
    fitting = [
        (words, size)
        for words, size in _WINDOWS
        if _LEAST_STEPS * step <= size <= _LARGEST_SHARE * (whole.now - whole.start)
    ]
    return [*fitting[-_SHOWN_WINDOWS:], ("all", 0)]


_LEAST_STEPS: Final = 20
_LARGEST_SHARE: Final = 0.8


def pods(case: Case, workload: str) -> list[tuple[str, str]]:
    """Offer the pods of a workload."""
    instances = case.instances(workload)
    if instances.height < 2:  # noqa: PLR2004
        return [(ALL_PODS, "")]
    return [(ALL_PODS, ""), *((text.printable(pod), pod) for pod in instances["pod"].to_list() if pod is not None)]


def _row(case: Case, state: State) -> dict[str, Any]:
    """Find the verdict on the workload, or on one of its pods."""
    row = case.rows[state.workload]
    if not state.pod:
        return row
    found = case.instances(state.workload).filter(pl.col("pod") == state.pod)
    return row | {"pods": 1} | found.row(0, named=True) if found.height else row


def _home(whole: Timeline, last_ms: int) -> tuple[int, int]:
    if not last_ms or last_ms >= whole.now - whole.start:
        return whole.start, whole.until
    return whole.now - last_ms, whole.now + min(
        ahead(whole.forecast, last_ms), max(whole.until - whole.now, last_ms // 3)
    )


def _aside(case: Case, state: State, row: dict[str, Any]) -> Markup:
    rank = case.names.index(state.workload) + 1
    several = len(case.names) > 1
    first = f"{rank:,} of {len(case.names):,} workloads, worst first" if several else "the only workload"
    return join(el("div", first), el("div", f"coverage {text.share(row['coverage'])}, all times UTC"))


def _answer(row: dict[str, Any], name: str) -> Markup:
    mark = text.VERDICTS[row["verdict"]]
    words = [*([text.count(row["pods"], "pod")] if row["pods"] else []), *pattern_words(row)]
    found = list(advice.advise(row))
    said = el(
        "div",
        el("span", svg.mark(mark.shape), mark.badge, class_="badge"),
        el("span", ", ".join([summary.shortened(name, _SHOWN_NAME), *words]), class_="who"),
        el("p", text.printable(row["headline"]), class_="headline", role="heading", aria_level="1"),
        el("p", text.printable(row["reason"]), class_="reason"),
        _next(found[0]) if found else None,
    )
    return el("div", said, facts(row), class_=f"answer {mark.token}")


def _next(step: Advice) -> Markup:
    """Say what to do, with what is to be typed on a line of its own and a button that copies it."""
    expected = f"Expected: {text.printable(step.expected.rstrip('.'))}." if step.expected else None
    setting = text.printable(step.setting) if step.setting else None
    return el(
        "div",
        el("div", el("b", "Next:"), " ", with_code(step.text.rstrip(".") + ".")),
        el(
            "div",
            el("code", setting, class_="block"),
            el("button", "Copy", type="button", class_="rm-button small", data_rm_copy=setting),
            class_="copied",
        )
        if setting
        else None,
        el("span", expected, class_="small") if expected else None,
        class_="next",
    )


def _judged(state: State) -> Markup:
    if state.judged is None:
        return Markup("")
    first, last = (dt.datetime.fromtimestamp(value / 1000, tz=dt.UTC) for value in state.judged)
    return el("p", el("b", "Judged on "), f"{text.moment(first)} to {text.moment(last)}", " only.", class_="judged")


def _heading(whole: Timeline, row: dict[str, Any], about: dict[str, Any]) -> Markup:
    title = "Memory by layer" if len(whole.layers) > 1 else "Memory"
    pod = text.printable(about["pod"] or about["container"] or "")
    note = [*([pod] if pod else []), "time in UTC", *(["band = 80 % interval"] if whole.forecast is not None else [])]
    one = ", one pod" if row["pods"] and row["pods"] > 1 else ""
    return el("h2", f"{title}{one}", el("span", ", ".join(note), class_="note"))


def _ages(judged: Case, state: State, row: dict[str, Any]) -> Markup:
    instances = judged.instances(state.workload)
    if state.pod:
        instances = instances.filter(pl.col("container_id") == row["container_id"])
    ids = instances["container_id"].to_list()
    lives = pl.concat([judged.timelines.lives[one] for one in ids if one in judged.timelines.lives])
    signal = row["signal"] or "working_set_bytes"
    found = ages.collect(judged.timelines.samples, lives, signal)
    count = len(found)
    title = "One life by age" if count == 1 else f"{_COUNTS.get(count, f'{count:,}')} lives by age"
    note = text.SIGNAL_WORDS.get(signal, signal)
    heading = el("h2", title, el("span", note, class_="note"))
    if not found:
        return join(el("h2", "Lives by age"), el("p", "There is no sample to draw.", class_="note"))
    return join(heading, ages.draw(found, row, state.workload))


_COUNTS: Final = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine", 10: "Ten"}


def _folded(judged: Case, state: State, row: dict[str, Any], whole: Timeline, about: dict[str, Any]) -> Markup:
    instances = judged.instances(state.workload)
    ids = instances["container_id"].to_list()
    lives = pl.concat([judged.timelines.lives[one] for one in ids if one in judged.timelines.lives])
    names = dict(zip(ids, instances["pod"].to_list(), strict=True))
    findings = judged.judgement.findings.filter(pl.col("container_id").is_in(ids))
    return join(
        _tables.pods(instances.to_dicts()),
        _tables.lives(lives.to_dicts(), names),
        _tables.quality(row["coverage"], findings.to_dicts(), whole.gaps, about["cadence_seconds"]),
    )
