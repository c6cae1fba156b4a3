"""What is true of every dashboard: one that could not be made leaves nothing behind and says only what was wrong."""

from __future__ import annotations

import ast
import datetime as dt
import gc
import math
import pickle
import sys
import threading
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import polars as pl
import pytest
import traitlets

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views.dashboards import SERVED, _base
from rmtoolkit.views.dashboards._base import Page, Wiring, slider
from rmtoolkit.views.dashboards.fleet import served
from tests import fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rmtoolkit.views.dashboards._base import Board

BOARDS: Final[list[type[Board]]] = [rm.Triage, rm.LimitExplorer, rm.Fleet]
NOTHING: Final = pl.DataFrame(schema={"time": pl.Int64, "rss_bytes": pl.Int64})
TABLE: Final = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20})


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Python could only print, since it was raised while something was thrown away."""
    found: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: found.append(f"{one.exc_type.__name__}: {one.exc_value}"))
    return found


def _widgets() -> set[str]:
    """The widgets that are there now; what earlier tests have only let go of has names of its own."""
    return set(ipywidgets.widgets.widget._instances)


def _new_widgets(before: set[str]) -> set[str]:
    """Those that were made since then and are still held."""
    if _widgets() - before:
        gc.collect()
    return _widgets() - before


RECORDING: Final = rm.Recording.from_frame(TABLE)
REFUSED: Final = {
    "Triage of nothing": lambda: rm.Triage(NOTHING),
    "LimitExplorer of nothing": lambda: rm.LimitExplorer(NOTHING),
    "Fleet of nothing": lambda: rm.Fleet(NOTHING),
    "Triage of another workload": lambda: rm.Triage(TABLE, workload="db"),
    "LimitExplorer of another workload": lambda: rm.LimitExplorer(TABLE, "db"),
    "LimitExplorer with a certain kill": lambda: rm.LimitExplorer(TABLE, oom_probability=2.0),
    "Fleet with a certain kill": lambda: rm.Fleet(TABLE, oom_probability=2.0),
    "LimitExplorer with a price below nothing": lambda: rm.LimitExplorer(TABLE, price_per_incident=-1.0),
    **{f"{board.__name__} with a word too many": partial(board, RECORDING, nothing=1) for board in BOARDS},
    **{f"{board.__name__} without a recording": board for board in BOARDS},
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_could_not_be_made_leaves_nothing(make: Callable[[], Any], unheard: list[str]) -> None:
    """The error is the one that was raised, closing what never was is fine, and no widget stays."""
    before = _widgets()
    with pytest.raises((RmtoolkitError, traitlets.TraitError, TypeError)):
        make()
    assert _new_widgets(before) == set()
    assert unheard == []


def test_a_chart_that_cannot_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch, unheard: list[str]) -> None:
    """Whoever lacks the extra is told what to install; what was made until then is gone."""
    _base.bundle.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    before = _widgets()
    with pytest.raises(RmtoolkitError, match="pip install"):
        rm.Triage(TABLE)
    assert _new_widgets(before) == set()
    assert unheard == []


def test_the_first_chart_of_a_kernel_waits_for_no_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a picture of what is chosen, without Altair and Vega, until a page asks; the next is live at once."""
    _base.bundle.cache_clear()
    monkeypatch.setitem(sys.modules, "altair", None)
    first = rm.Triage(pl.concat([TABLE, TABLE.with_columns(workload=pl.lit("db"))]))
    assert _base.bundle.cache_info().currsize == 0
    for name in ("api", "db"):
        first.workload = name
        assert f">Memory of {name}</title>" in first._chart.still
    first._chart.asked = True
    second = rm.Triage(TABLE)
    assert first._chart._esm == second._chart._esm == _base.bundle()
    # Nothing of the picture goes along with a chart that lives.
    assert first._chart.live
    assert first._chart.still == second._chart.still == ""
    for triage in (first, second):
        triage.close()


@pytest.mark.parametrize("board", BOARDS)
def test_a_path_is_told_how_to_be_read(board: Callable[[Any], Board]) -> None:
    """Dashboards read no files; the error names what does."""
    with pytest.raises(RmtoolkitError, match=r"got str\. Hint: rm\.read\('shop\.lake'\) reads"):
        board("shop.lake")


@pytest.mark.parametrize("board", BOARDS)
def test_what_never_was_can_be_closed(board: type[Board], unheard: list[str]) -> None:
    """Even before anything of it is there, twice; and nothing of it stays or complains."""
    before = _widgets()
    never = board.__new__(board)
    never.close()
    never.close()
    del never
    assert _new_widgets(before) == set()
    assert unheard == []


def test_all_of_a_page_of_dashboards_is_closed() -> None:
    """Also those that are not shown."""
    before = _widgets()
    fleet = rm.Fleet(RECORDING)
    fleet.opened = "api"
    for name in ("limits", "triage", "fleet"):
        fleet.view = name
    fleet.close()
    assert _new_widgets(before) == set()
    fleet.close()


def test_actions_of_two_threads_come_one_after_the_other() -> None:
    """JupyterLab delivers a value in one thread and a press in another; neither sees the other half done."""
    wiring = Wiring()
    done: list[str] = []

    def first(_: object) -> None:
        other.start()
        other.join(0.2)
        done.append("first")

    other = threading.Thread(target=wiring.guarded(done.append), args=("second",), daemon=True)
    wiring.guarded(first)(None)
    other.join(60)
    assert done == ["first", "second"]


@pytest.mark.parametrize("board", BOARDS)
def test_every_board_says_how_old_its_data_are(board: Callable[[Any], Board]) -> None:
    """The line of the report's banner, where the data end long before now; nothing where they do not."""
    end: dt.datetime = RECORDING.samples.select(pl.col("time").max()).item()
    for later, said in ((dt.timedelta(minutes=1), False), (dt.timedelta(days=9), True)):
        made = board(rm.assess(RECORDING, now=end + later))
        assert ("The data end on" in made.static()) == said
        made.close()


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_leaves_a_picture_that_hides_where_it_lives(board: Callable[[Any], Board]) -> None:
    """All that is written in it stands in one piece of markup; the style of the live page hides just that piece."""
    shown: list[dict[str, Any]] = []
    made = board(RECORDING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", lambda bundle, *, raw: shown.append(bundle) if raw else None)
        made._ipython_display_()
        made.pictured = False
        made._ipython_display_()
    live, still, again = shown
    assert set(live) == set(again) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert live["text/plain"] == repr(made)
    page = next(child for child in made.children if isinstance(child, Page))
    ident = f"rm-{page.model_id}"
    assert page.css.endswith(f"#{ident}{{display:none}}")
    assert f'id="{ident}"' in still["text/html"]
    assert f"#{ident}" not in still["text/html"]
    assert "<svg" in still["text/html"]
    assert len(still["text/html"]) < 120_000
    for widget in [made, *made.children]:
        if isinstance(widget, ipywidgets.HTML) and widget.value:
            assert widget.value in still["text/html"]
    made.close()


@pytest.mark.parametrize("board", BOARDS)
def test_marimo_is_shown_the_picture(board: type[Board]) -> None:
    """It takes no widgets of Jupyter, and no text but what is a str and nothing more."""
    made = board(RECORDING)
    kind, shown = made._mime_()
    assert (kind, type(shown)) == ("text/html", str)
    assert shown == made.static()
    assert "<svg" in shown
    made.close()


def test_what_a_notebook_shows_is_plain_text() -> None:
    """Not a class of our own that looks like it: a notebook that packs strings by their type would show nothing."""
    found = rm.assess(RECORDING)
    for shown in (RECORDING, found, rm.explain(found, "api")):
        assert type(shown._repr_html_()) is str
    methods = [
        node
        for path in Path(rm.__file__).parent.rglob("*.py")
        if "_repr_html_" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name == "_repr_html_"
    ]
    assert len(methods) >= 6
    ends = [node.value for method in methods for node in ast.walk(method) if isinstance(node, ast.Return)]
    assert {ast.unparse(end).partition("(")[0] for end in ends if end is not None} <= {"str", "framed"}


def test_a_page_shows_what_the_command_judged_and_nothing_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the file runs: a link, a folder, and what others may write are refused."""
    judged = tmp_path / "judged"
    judged.write_bytes(pickle.dumps((rm.assess(RECORDING), None, RECORDING)))
    judged.chmod(0o600)
    (tmp_path / "link").symlink_to(judged)
    monkeypatch.delenv(SERVED, raising=False)
    with pytest.raises(RmtoolkitError, match=f"has no {SERVED}: this page is made by rmtoolkit dashboard"):
        served()
    for name, mode in (("link", 0o600), ("", 0o600), ("judged", 0o620), ("judged", 0o602)):
        judged.chmod(mode)
        monkeypatch.setenv(SERVED, str(tmp_path / name))
        with pytest.raises(RmtoolkitError, match="is no file that only you can write"):
            served()
    judged.chmod(0o644)
    shown = served()
    assert (shown.pictured, [row["workload"] for row in shown._found]) == (False, ["api"])
    shown.view = "limits"
    shown.close()


def _inside(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _inside(child)


def _another(control: Any) -> object:
    """A value that a user could give instead; None where there is none."""
    if isinstance(control, ipywidgets.Combobox):
        return control.options[-1]
    if hasattr(control, "options"):
        values = [value for _, value in control.options]
        return next((value for value in reversed(values) if value not in (control.value, None)), None)
    if hasattr(control, "min"):
        return control.min + math.ceil(0.3 * (control.max - control.min) / control.step) * control.step
    return f"{control.value}a"


@cache
def _several() -> rm.Assessment:
    names = ["few-samples", "killed-climbs", "start-and-bursts", "days-and-nights"]
    return rm.assess(fleet.recording().filter(workload=names), now=fleet.NOW)


def _shown(board: Board, without: Any) -> list[str]:
    traits = [getattr(board, name) for name in type(board).class_trait_names() if name in vars(type(board))]
    values = [one.value for one in _inside(board) if one is not without and hasattr(one, "value")]
    return list(map(repr, traits + values))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.__name__)
def test_no_control_is_dead(board: type[Board]) -> None:
    """Another value of any control, and a press of any button, changes what the board holds or shows."""
    shown = board(_several())
    named = ("Text", "FloatSlider", "BoundedFloatText", "Combobox", "Dropdown", "ToggleButtons")
    kinds = tuple(getattr(ipywidgets, name) for name in named)
    inside = list(_inside(shown))
    used, dead = 0, []
    for control in [one for one in inside if isinstance(one, kinds)]:
        first, before, value = control.value, _shown(shown, control), _another(control)
        if value is not None:
            control.value = value
            used += 1
            dead += [] if _shown(shown, control) != before else [control.description]
            control.value = first
    for control in inside:  # what a button takes back must have been set
        if isinstance(control, ipywidgets.FloatSlider):
            control.value = _another(control)
    # The last comes first: of two buttons it sets what the other takes back.
    for button in [one for one in reversed(inside) if isinstance(one, ipywidgets.Button)]:
        before = _shown(shown, button)
        button.click()
        dead += [] if _shown(shown, button) != before else [button.description]
    shown.close()
    assert used >= 5
    assert dead == []


def test_an_error_stays_until_the_next_action_and_what_it_calls_does_not_hide_it() -> None:
    """Ours are shown in their words, others with their kind, on one line; a good action takes them away."""
    wiring = Wiring()

    def fails(error: Exception) -> None:
        raise error

    def said() -> str | None:
        return wiring.failed

    bad, good = wiring.guarded(fails), wiring.guarded(lambda _: None)
    bad(RmtoolkitError("no <such> thing"))
    assert said() == "no <such> thing"
    assert wiring.alert.value == "<p>no &lt;such&gt; thing The last good result stays on screen.</p>"
    bad(ValueError("odd"))
    assert said() == "ValueError: odd"
    good(None)
    assert (said(), wiring.alert.value) == (None, "")

    def both(_: object) -> None:
        bad(RmtoolkitError("within"))
        good(None)

    wiring.guarded(both)(None)
    assert said() == "within"
    good(None)
    assert said() is None
    with wiring.quiet():
        bad(RmtoolkitError("also when it is quiet"))
    assert said() == "also when it is quiet"
    wiring.close()


def test_what_is_closed_does_nothing_any_more() -> None:
    """Not when a trait changes, nor when a button is pressed, nor when the page sends something."""
    wiring, page, button, control = Wiring(), Page(), ipywidgets.Button(), ipywidgets.IntText()
    done: list[str] = []
    wiring.watch(control, "value", lambda _: done.append("value"))
    wiring.press(button, lambda: done.append("press"))
    wiring.hear(page, lambda kind, _: done.append(kind))

    def used() -> list[str]:
        done.clear()
        control.value += 1
        button.click()
        page._handle_custom_msg({"kind": "send"}, [])
        return list(done)

    assert used() == ["value", "press", "send"]
    wiring.close()
    assert used() == []
    for widget in (page, button, control):
        widget.close()


def test_a_slider_has_the_ends_that_it_is_given() -> None:
    """Beyond the old ones too, on both sides; slider and box agree; to reach a value, only the end in the way moves."""
    made = slider("Limit", 5, 10, step=1, unit="Mi")

    def now() -> list[tuple[float, float, float]]:
        return [(one.min, one.value, one.max) for one in (made.slider, made.number)]

    for low, value, high in ((40, 50, 60), (-10, -5, 0), (-20, 70, 80), (3, 3, 4)):
        made.set(value, low=low, high=high)
        assert now() == [(low, value, high)] * 2
    made.set(9, low=1, high=9)
    assert now() == [(1, 9, 9)] * 2
    for value, ends in ((100, (1, 100)), (-100, (-100, 100)), (7, (-100, 100))):
        made.reach(value)
        assert now() == [(ends[0], value, ends[1])] * 2
    made.slider.value = 8
    assert made.number.value == 8
    assert made.number.description == "Limit, Mi"
    # What is half typed is no value yet.
    assert not made.number.continuous_update
