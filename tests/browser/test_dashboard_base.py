"""What every dashboard is made of, in real JupyterLab and real Voilà."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.hosts import Lab, Opened, Voila

pytestmark = pytest.mark.browser

BOARD = """
import ipywidgets
from rmtoolkit.views import plots
from rmtoolkit.views.dashboards import _base as controls
from rmtoolkit.views.dashboards._base import Page
from rmtoolkit.views.dashboards._base import Wiring
from rmtoolkit._html import el

page, wiring = Page(), Wiring()
limit = controls.slider("Limit", 512, 2048, low=64, step=8, unit="Mi")
window = controls.choice("Window", ["24 h", "7 d"], "7 d")
find = controls.search("Workload", ["shop/api", "shop/db"], "shop/api")
undo = controls.button("Undo")
answer = controls.html("", "rm-status")
copy = controls.html(el("button", "Copy", type="button", class_="rm-button", data_rm_copy="x", data_rm_send="it"))
heard = []

def show(_):
    found = plots.find(find.value, find.options)
    answer.value = el("p", f"{found}, {window.value}, limit {limit.slider.value:.0f} Mi, heard {' '.join(heard)}")

def hear(kind, value):
    heard.append(f"{kind} {value}")
    show(None)

for widget in (limit.slider, window, find):
    wiring.watch(widget, "value", show)
wiring.press(undo, lambda: limit.reach(512))
wiring.hear(page, hear)
show(None)
board = ipywidgets.VBox([page, wiring.alert, controls.controls(find, window, undo), limit.box, answer, copy])
board.add_class("rm").add_class("rm-dashboard")
board
"""


def test_controls_have_names_and_do_what_they_say(host: Lab | Voila, new: Callable[..., Opened]) -> None:
    """Slider by key, box by typing, buttons, a search by part of a name, Escape, errors: all in one light page."""
    opened = new(scheme="dark")
    host.open(opened, [BOARD])
    page = opened.page
    answer = page.get_by_role("status")
    expect(answer).to_contain_text("shop/api, 7 d, limit 512 Mi", timeout=180_000)
    handle = page.get_by_role("slider", name="Limit")
    handle.focus()
    handle.press("ArrowRight")
    expect(answer).to_contain_text("limit 520 Mi")
    expect(handle).to_have_attribute("aria-valuetext", "520")
    number = page.get_by_role("spinbutton", name="Limit")
    number.fill("640")
    number.press("Enter")
    expect(answer).to_contain_text("limit 640 Mi")
    page.get_by_role("button", name="Undo").press("Enter")
    expect(answer).to_contain_text("limit 512 Mi")
    pressed = page.get_by_role("group", name="Window").get_by_role("button", name="24 h")
    expect(pressed).to_have_attribute("aria-pressed", "false")
    pressed.click()
    expect(pressed).to_have_attribute("aria-pressed", "true")
    box = page.get_by_role("combobox", name="Workload")
    box.focus()
    page.keyboard.type("DB")
    box.press("Enter")
    expect(answer).to_contain_text("shop/db, 24 h")
    page.keyboard.press("Escape")
    expect(answer).to_contain_text("heard escape")
    board = page.locator(".rm-dashboard:not(.rm-static)")
    expect(board).to_have_css("background-color", "rgb(255, 255, 255)")
    copied = board.get_by_role("button", name="Copy")
    copied.click()
    expect(board.get_by_role("button", name="Copied")).to_be_visible()
    expect(answer).to_contain_text("send it")
    box.fill("nothing like it")
    box.press("Enter")
    expect(board.get_by_role("alert")).to_contain_text("No workload 'nothing like it'")
    expect(answer).to_contain_text("shop/db, 24 h")
    box.fill("api")
    box.press("Enter")
    expect(board.get_by_role("alert")).to_be_hidden()
    assert opened.serious(".rm-dashboard") == []
    assert opened.outside == []
    assert opened.complaints == []
