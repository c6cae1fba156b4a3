"""The triage dashboard in real JupyterLab and real Voilà: by mouse, by typing, by keyboard, offline."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.hosts import PATIENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from tests.browser.hosts import Opened, Voila

pytestmark = pytest.mark.browser

CELLS = [
    f"""
from pathlib import Path
import rmtoolkit as rm

samples = Path({str(ROOT / "data" / "samples")!r})
triage = rm.Triage(rm.concat([rm.read(samples / name) for name in ("tidy-grouse", "noble-newt")]))
triage
"""
]
#: Left end, right end and height of the plot within the chart's box, px.
LEFT, RIGHT, MIDDLE = 66, 8, 150


def board(opened: Opened) -> Locator:
    """The dashboard, once its chart is drawn."""
    found = opened.page.locator(".rm-triage:not(.rm-static)")
    expect(found.locator(".rm-live-chart[data-drawn]")).to_be_visible(timeout=PATIENCE)
    return found


def drag(page: Page, chart: Locator, first: float, last: float) -> None:
    """Drag over the plot from one share of its width to another."""
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    left, width = box["x"] + LEFT, box["width"] - LEFT - RIGHT
    page.mouse.move(left + first * width, box["y"] + MIDDLE)
    page.mouse.down()
    page.mouse.move(left + (first + last) / 2 * width, box["y"] + MIDDLE)
    page.mouse.move(left + last * width, box["y"] + MIDDLE)
    page.mouse.up()


def shown(chart: Locator) -> tuple[dt.datetime, dt.datetime]:
    """Both ends of the time axis."""
    first, last = (dt.datetime.fromisoformat(end) for end in str(chart.get_attribute("data-shown")).split("/"))
    return first, last


def test_choose_select_and_undo(anew: Callable[..., Opened]) -> None:
    """A workload is chosen by typing a part of its name, a window by dragging, and both are undone; all offline."""
    opened = anew()
    found = board(opened)
    page, answer, chart = opened.page, found.get_by_role("status"), found.locator(".rm-live-chart")
    expect(answer.get_by_role("heading", level=1)).to_have_text(
        re.compile(r"tidy-grouse leaks .* will hit its 128\sMi limit")
    )
    expect(chart).to_have_attribute("aria-label", re.compile(r"Limit 128 Mi\. .*OOM kill Tue 24 Nov 12:50"))
    expect(chart.locator("[aria-label='limit 128 Mi']").first).to_have_attribute("aria-roledescription", "rule mark")

    expect(answer).to_contain_text(re.compile(r"Last kill: On Tue 24 Nov 21:20 UTC the data said .*killed at 23:00"))
    found.locator("summary", has_text="How this was got").press("Enter")
    query = found.get_by_role("definition").filter(has_text="deriv(container_memory_rss")
    query.get_by_role("button", name="Copy").press("Enter")
    expect(query.get_by_role("button", name="Copied")).to_be_visible()

    search = found.get_by_role("combobox", name="Workload")
    search.focus()
    page.keyboard.type("NEWT")
    search.press("Enter")
    expect(answer.get_by_role("heading", level=1)).to_contain_text("noble-newt does not leak")
    expect(search).to_have_value("iris/noble-newt")
    expect(chart).to_have_attribute("aria-label", re.compile("kept pages 2"))
    search.fill("grouse")
    search.press("Enter")
    expect(chart).to_have_attribute("aria-label", re.compile("OOM kill Tue 24 Nov 12:50"))

    found.get_by_role("button", name="re-judge a window").click()
    expect(found.get_by_role("textbox", name="From, UTC")).to_be_visible()
    drag(page, chart, 0.17, 0.3)
    judged = found.get_by_text(re.compile(r"Judged on Tue 24 Nov 1\d:\d\d to Tue 24 Nov 1\d:\d\d UTC only"))
    expect(judged).to_be_visible()
    expect(found.get_by_role("heading", name="One life by age")).to_be_visible()
    found.get_by_role("button", name="Judge the whole recording again").click()
    expect(judged).to_be_hidden()
    expect(found.get_by_role("heading", name="Five lives by age")).to_be_visible()

    # The same without a mouse: two instants, a button, and Escape.
    found.get_by_role("textbox", name="From, UTC").fill("2026-11-24 13:00")
    found.get_by_role("textbox", name="To, UTC").fill("2026-11-24 16:00")
    found.get_by_role("textbox", name="To, UTC").press("Tab")
    # A value and a press take different ways to the kernel: what was typed is there once it is written out.
    expect(found.get_by_role("textbox", name="From, UTC")).to_have_value("2026-11-24 13:00:00")
    expect(found.get_by_role("textbox", name="To, UTC")).to_have_value("2026-11-24 16:00:00")
    found.get_by_role("button", name="Judge this window").press("Enter")
    expect(found.get_by_text("Judged on Tue 24 Nov 13:00 to Tue 24 Nov 16:00 UTC only")).to_be_visible()
    chart.press("Escape")
    expect(judged).to_be_hidden()

    assert opened.serious(".rm-triage") == []
    assert opened.outside == []
    assert opened.complaints == []


def test_zoom_pan_errors_and_width(anew: Callable[..., Opened]) -> None:
    """In a dark notebook on a light system nothing is cut off; keys and mouse move the chart; errors are shown."""
    opened = anew(width=1000, dark=True)
    found = board(opened)
    page, chart = opened.page, found.locator(".rm-live-chart")
    # It is drawn first, and then gets the width that it has.
    page.wait_for_function("(board => board.scrollWidth <= board.clientWidth)(document.querySelector('.rm-triage'))")
    expect(found).to_have_css("background-color", "rgb(18, 23, 28)")

    assert "12:00" in chart.locator(".role-axis-label text").all_text_contents()
    home = shown(chart)
    assert home[0] == dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC)
    drawn = str(chart.get_attribute("data-drawn"))
    for key in ("+", "+", "+", "+", "+", "ArrowLeft"):
        chart.press(key)
    # What was shown coarsely is sent finely once the chart rests.
    expect(chart).not_to_have_attribute("data-drawn", drawn)
    near = shown(chart)
    assert near[1] - near[0] == pytest.approx((home[1] - home[0]) * 0.8**5, abs=dt.timedelta(seconds=1))
    drag(page, chart, 0.5, 0.7)
    moved = shown(chart)
    assert near[0] - moved[0] == pytest.approx(0.2 * (near[1] - near[0]), abs=dt.timedelta(minutes=2))
    chart.press("Home")
    expect(chart).to_have_attribute("data-shown", re.compile(f"^{home[0]:%Y-%m-%dT%H:%M}"))
    found.get_by_role("group", name="Shown").get_by_role("button", name="1 h").click()
    expect(chart).to_have_attribute("data-shown", re.compile(r"^2026-11-25T00:29"))

    search = found.get_by_role("combobox", name="Workload")
    search.fill("nothing of the kind")
    search.press("Enter")
    expect(found.get_by_role("alert")).to_contain_text("No workload 'nothing of the kind'")
    expect(found.get_by_role("status")).to_contain_text("tidy-grouse leaks")
    for details in found.locator("details").all():
        details.locator("summary").press("Enter")
    expect(found.get_by_text("Startup peak")).to_be_visible()

    # On a phone the answer stands before what changes it.
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function("(board => board.clientWidth <= 400)(document.querySelector('.rm-triage'))")
    answer, controls = (found.locator(name).first.bounding_box() for name in (".rm-status", ".rm-controls"))
    assert answer is not None
    assert controls is not None
    assert answer["y"] + answer["height"] <= controls["y"]
    assert opened.serious(".rm-triage") == []
    assert opened.outside == []
    assert opened.complaints == []


HEAP = f"""
from pathlib import Path
import rmtoolkit as rm

data = Path({str(ROOT / "data")!r})
triage = rm.Triage(rm.read(data / "samples" / "warm-jackdaw"), heap=data / "heap" / "warm-jackdaw.heaptrack.zst")
triage
"""


def test_a_heap_profile_names_the_code_and_zooms(voila: Voila, new: Callable[..., Opened]) -> None:
    """Suspects and icicle say what grows and how much; pointer and keys zoom into a function and back."""
    opened = new()
    voila.open(opened, [HEAP])
    found = board(opened)
    page, drawn = opened.page, str(found.locator(".rm-live-chart").get_attribute("data-drawn"))
    folded = found.locator("summary", has_text="Heap profile")
    found.get_by_role("button", name="Show its code").press("Enter")
    expect(folded).to_be_focused()
    expect(folded).to_be_in_viewport()
    suspects = found.get_by_role("table").filter(has_text="Function of your own code")
    expect(suspects.get_by_role("row").nth(1)).to_contain_text("grows")
    name = suspects.get_by_role("row").nth(1).get_by_role("code").inner_text()

    assert name == "service::leaks::Leak::tick"
    icicle = found.get_by_role("tree")
    expect(icicle).to_have_attribute("aria-label", re.compile(rf"^Growth after startup: [\d.]+ Mi.* {re.escape(name)}"))
    grows = icicle.get_by_role("treeitem", name=re.compile(rf"^grows steadily: {re.escape(name)}: [\d.]+ Mi, "))
    expect(grows).to_be_visible()
    caller = icicle.get_by_role("treeitem").nth(1)
    said = str(caller.get_attribute("aria-label"))
    assert said == "service::main: 2.91 Mi, 100 %; service.rs:117"

    grows.click()
    whole = found.get_by_role("button", name="Show the whole")
    expect(whole).to_be_enabled()
    expect(icicle).to_have_attribute("aria-label", re.compile(rf"^Growth after startup through {re.escape(name)}: "))
    top = icicle.get_by_role("treeitem").first
    expect(top.locator("rect").first).to_have_attribute("width", "1080")
    expect(top).to_be_focused()
    expect(icicle.get_by_role("treeitem", name=said)).to_have_count(0)
    whole.click()
    expect(whole).to_be_disabled()
    expect(top).to_have_attribute("aria-label", re.compile("^all: "))
    expect(top).to_be_focused()

    # The same without a mouse.
    page.keyboard.press("ArrowDown")
    expect(caller).to_be_focused()
    expect(found.locator(".said")).to_have_text(said)
    page.keyboard.press("Enter")
    expect(whole).to_be_enabled()
    expect(top).to_be_focused()
    page.keyboard.press("Escape")
    expect(whole).to_be_disabled()
    expect(caller).to_be_focused()
    expect(found.locator(".rm-live-chart")).to_have_attribute("data-drawn", drawn)
    assert opened.serious(".rm-triage") == []
    assert opened.outside == []
    assert opened.complaints == []
