"""The triage dashboard without a browser: its traits, its controls, its errors and its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import ipywidgets
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from tests.analysis.profiles import growing, profile

if TYPE_CHECKING:
    from collections.abc import Iterator

MI = 1 << 20
START = 1_700_000_000


def service(name: str, values: list[int], pod: str = "0") -> pl.DataFrame:
    """A service that is sampled every minute."""
    times = range(START, START + 60 * len(values), 60)
    names = {"namespace": "shop", "workload": name, "pod": f"{name}-{pod}", "container": "app"}
    return pl.DataFrame({"time": times, **names, "working_set_bytes": values, "limit_bytes": 512 * MI})


@pytest.fixture(scope="module")
def assessed() -> rm.Assessment:
    """A leak with two pods, and two calm services."""
    rising = [(50 + at // 4) * MI for at in range(600)]
    calm = [80 * MI] * 600
    frames = [
        service("ledger", rising),
        service("ledger", rising, "1"),
        service("web", calm),
        service("websocket", calm),
    ]
    return rm.assess(pl.concat(frames))


@pytest.fixture
def triage(assessed: rm.Assessment) -> Iterator[rm.Triage]:
    """A dashboard, closed after the test."""
    made = rm.Triage(assessed)
    yield made
    made.close()


def inside(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """A widget and all that is in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def said(triage: rm.Triage) -> str:
    """The alert, without its markup."""
    found: str = triage._wiring.alert.value
    return found


def test_it_opens_with_the_worst(triage: rm.Triage) -> None:
    """The leak is shown, in words, and the repr says so too."""
    assert triage.workload == "shop/ledger"
    assert "ledger leaks" in triage._answer.value
    assert repr(triage).startswith("<Triage: ledger leaks")


def test_a_workload_can_be_named_at_the_start(assessed: rm.Assessment) -> None:
    """A part of the name is enough; one that is not there is an error that lists what is."""
    triage = rm.Triage(assessed, workload="websocket")
    assert triage.workload == "shop/websocket"
    triage.close()
    with pytest.raises(RmtoolkitError, match="No workload 'nothing'"):
        rm.Triage(assessed, workload="nothing")


@pytest.mark.parametrize(
    ("typed", "found"), [("web", "shop/web"), ("WEBS", "shop/websocket"), ("shop/web", "shop/web")]
)
def test_typing_a_part_of_a_name_chooses(triage: rm.Triage, typed: str, found: str) -> None:
    """The box then shows the whole name, and everything else follows."""
    triage._search.value = typed
    assert (triage.workload, triage._search.value) == (found, found)
    assert f"{found.partition('/')[2]} does not leak" in triage._answer.value
    assert triage._chart.says == triage.picture.says


def test_a_name_that_is_not_there_is_said_and_the_rest_stays(triage: rm.Triage) -> None:
    """The alert names it; the next good choice takes the alert away."""
    before = triage._answer.value
    triage._search.value = "legder"
    assert "No workload &#x27;legder&#x27;" in said(triage)
    assert "The last good result stays on screen." in said(triage)
    assert (triage._answer.value, triage.workload) == (before, "shop/ledger")
    triage.workload = "shop/"
    assert "workloads match &#x27;shop/&#x27;" in said(triage)
    assert (triage._answer.value, triage.workload) == (before, "shop/ledger")
    triage._search.value = "shop/web"
    assert said(triage) == ""


def test_a_switch_of_the_workload_resets_what_belonged_to_the_old_one(triage: rm.Triage) -> None:
    """Pod, window and stretch are of one workload."""
    triage.pod, triage.last_ms = "ledger-1", 3_600_000
    triage.judged = (START * 1000, (START + 6000) * 1000)
    triage.workload = "shop/web"
    assert (triage.pod, triage.last_ms, triage.judged) == ("", 0, None)
    assert triage._pods.options == (("all pods", ""),)
    assert triage._again.layout.display == "none"


def test_a_selection_in_the_chart_is_judged_and_undone(triage: rm.Triage) -> None:
    """The browser sets the selection; a button, Escape or the trait undo it."""
    whole = triage._answer.value
    for undo in (
        triage._undo.click,
        lambda: triage._page._handle_custom_msg({"kind": "escape", "value": ""}, []),
        triage.judge_all,
    ):
        triage._chart.selection = [START * 1000, (START + 6000) * 1000]
        assert triage.judged == (START * 1000, (START + 6000) * 1000)
        assert "Judged on" in triage._said.value
        assert triage._again.layout.display == "flex"
        assert triage._answer.value != whole
        undo()
        assert triage.judged is None
        assert (triage._answer.value, triage._again.layout.display) == (whole, "none")


def test_a_window_can_be_typed(triage: rm.Triage) -> None:
    """Whoever cannot drag types two instants; the boxes appear with what dragging does."""
    assert triage._typed.layout.display == "none"
    triage._drags.value = "judge"
    assert (triage.drag, triage._chart.drag, triage._typed.layout.display) == ("judge", "judge", "flex")
    triage._from.value, triage._to.value = "2023-11-14 22:13:20", "2023-11-15 02:00:00"
    triage._judge.click()
    assert triage.judged == (START * 1000, START * 1000 + 13_600_000)
    triage._from.value = "2023-11-14T23:30+01:00"
    assert triage._from.value == "2023-11-14 22:30:00"
    triage._from.value = "yesterday-ish"
    triage._judge.click()
    assert "yesterday-ish" in said(triage)
    assert triage.judged == (START * 1000, START * 1000 + 13_600_000)


def test_a_window_of_too_few_samples_leaves_the_last_picture(triage: rm.Triage) -> None:
    """The message says what to do, and state and picture stay together."""
    before = triage._answer.value
    triage._chart.selection = [START * 1000, (START + 120) * 1000]
    assert "Select a longer window" in said(triage)
    assert (triage.judged, triage._answer.value) == (None, before)


def test_a_pod_is_chosen_by_list_or_trait(triage: rm.Triage) -> None:
    """Control and trait say the same."""
    triage._pods.value = "ledger-1"
    assert triage.pod == "ledger-1"
    assert "ledger-1" in triage._heading.value
    triage.pod = ""
    assert triage._pods.value == ""


def test_moving_in_the_chart_sends_finer_rows_and_leaves_the_axes(triage: rm.Triage) -> None:
    """The axes are the user's while he moves; the boxes for instants follow."""
    axes, serial = triage._chart.axes, triage._chart.serial
    first = (START + 6000) * 1000
    triage._chart.shown = [first, first + 1_200_000]
    assert triage._chart.axes is axes
    assert triage._chart.serial == serial + 1
    assert triage._from.value == "2023-11-14 23:53:20"


def test_the_chart_can_be_taken_away(triage: rm.Triage) -> None:
    """`triage.chart` is a chart of Altair with fixed colours and its data inside."""
    made = triage.chart.to_dict()
    assert "var(" not in json.dumps(made)
    assert sum(map(len, made["datasets"].values())) > 50


def test_it_uses_no_output_widget_and_stays_small(triage: rm.Triage) -> None:
    """Output widgets hang in Voilà; a saved notebook must stay below 3 MB with all dashboards."""
    found = list(inside(triage))
    assert not any(isinstance(widget, ipywidgets.Output) for widget in found)
    assert sum(len(json.dumps(widget.get_state(), default=str)) for widget in found) < 1_300_000


def test_a_heap_profile_zooms_and_nothing_else_is_drawn(assessed: rm.Assessment) -> None:
    """A press zooms to a function and back; the chart stays; another workload begins with its whole profile."""
    hostile = "api::<img src=x onerror=alert(1)>::f"
    heap = profile({"api::put": growing(20_000), hostile: growing(9_000)})
    triage = rm.Triage(assessed, heap={"shop/ledger": heap})
    whole, serial = triage._heap.value, triage._chart.serial
    assert 'data-rm-send="zoom api::put"' in whole
    assert "<img" not in whole

    def hear(kind: str, value: str) -> None:
        triage._page._handle_custom_msg({"kind": kind, "value": value}, [])

    hear("send", "zoom api::put")
    assert triage.function == "api::put"
    assert triage.picture.heap == triage._heap.value
    assert "through api::put" in triage._heap.value
    hear("send", f"zoom {hostile}")
    assert "<img" not in triage._heap.value
    hear("send", "zoom nowhere")
    assert "No function" in said(triage)
    assert triage.function == hostile
    triage.pod = "ledger-1"
    assert triage.function == hostile
    serial += 1
    triage.judged = (START * 1000, (START + 30_000) * 1000)
    hear("escape", "tree")
    assert triage._heap.value == whole
    assert triage.judged is not None
    assert triage._chart.serial == serial + 1
    triage.function = "api::put"
    triage.workload = "shop/web"
    assert triage.function == ""
    triage.function = "api::put"
    assert "There is no heap profile" in said(triage)
    assert triage.function == ""
    triage.close()


def test_closing_leaves_nothing(assessed: rm.Assessment) -> None:
    """No widget and no observer stays, and closing twice is fine."""
    everything = ipywidgets.widgets.widget._instances
    before = set(everything)
    triage = rm.Triage(assessed)
    parts = list(inside(triage))
    assert len(set(everything) - before) > len(parts)
    triage.close()
    triage.close()
    assert set(everything) - before == set()
    serial = triage._chart.serial
    triage.workload = "shop/web"
    assert triage._chart.serial == serial
