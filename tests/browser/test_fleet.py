"""The fleet's table in real JupyterLab: sorting, filtering and opening by key and by mouse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.hosts import Opened

pytestmark = pytest.mark.browser

CELLS: Final = [
    """
import numpy as np
import polars as pl
import rmtoolkit as rm
from tests.views.services import service

hours, rng = np.arange(7 * 24), np.random.default_rng(2)
frames = [
    service(f"calm-{number:02}", 100 + number + rng.standard_normal(hours.size), step=3600,
            namespace="shop" if number % 2 else "search")
    for number in range(40)
]
frames += [service(f"leaky-{rate}", 200 + hours * 0.01 * rate, step=3600) for rate in (50, 150)]
fleet = rm.Fleet(rm.Recording.from_frame(pl.concat(frames)))
fleet
"""
]


def test_a_fleet_is_sorted_filtered_and_opened(anew: Callable[..., Opened]) -> None:
    """Heads sort by key and keep the focus, which shows in boxes too; tiles and boxes filter, pages turn."""
    opened = anew()
    page = opened.page
    board = page.locator(".rm-dashboard").first
    rows = board.locator("tbody tr")
    status = board.get_by_role("status")
    expect(rows.first).to_contain_text("leaky-150", timeout=180_000)
    expect(status).to_contain_text("42 workloads")
    expect(rows).to_have_count(25)
    head = board.get_by_role("columnheader", name="Workload")
    expect(head).not_to_have_attribute("aria-sort", re.compile("."))
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(rows.first).to_contain_text("calm-00")
    expect(head.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("leaky-50")
    board.get_by_role("button", name="Next", exact=True).click()
    expect(rows).to_have_count(17)
    expect(board.get_by_text("26–42 of 42")).to_be_visible()
    board.get_by_role("button", name=re.compile("can be given back")).click()
    expect(board.locator("button.rm-tile[aria-pressed=true]")).to_contain_text("can be given back")
    expect(status).to_contain_text("40 workloads of 42")
    search = board.get_by_role("textbox", name="Search")
    search.fill("calm-07")
    expect(rows).to_have_count(1)
    expect(rows.get_by_role("img")).to_have_attribute("aria-label", re.compile("peak 1.. Mi, limit 512 Mi"))
    search.fill("")
    for _ in ("Search", "Namespace"):
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Tab")
    board.get_by_role("group", name="Verdict").get_by_role("button", name="leak", exact=True).click()
    expect(rows).to_have_count(2)
    board.get_by_role("combobox", name="Sort by").select_option("growth")
    expect(rows.first).to_contain_text("leaky-150")
    assert opened.serious(".rm-dashboard") == []
    assert opened.outside == opened.complaints == []


def test_a_row_goes_to_triage_and_limits_and_back(anew: Callable[..., Opened]) -> None:
    """By keys alone, in a narrow dark notebook: Enter on a name, the buttons above, Escape; the workload goes along."""
    opened = anew(width=1200, dark=True)
    page = opened.page
    board = page.locator(".rm-dashboard").first
    rows = board.locator("tbody tr")
    expect(rows.first).to_contain_text("leaky-150", timeout=180_000)
    # The theme is the notebook's, not the light system's.
    expect(board).to_have_css("background-color", "rgb(18, 23, 28)")
    # Nothing sticks out of the page.
    inside = "board => board.querySelector('table.rm-fleet').scrollWidth <= board.clientWidth"
    page.wait_for_function(inside, arg=board.element_handle())
    assert opened.serious(".rm-dashboard") == []
    # At twice the size in a window of 1,536 a name still is one word a line; then the table scrolls.
    page.set_viewport_size({"width": 768, "height": 800})
    name = board.get_by_role("button", name="leaky-150")
    # The notebook gives its cells their width by a script, after the window has its own.
    page.wait_for_function("board => board.getBoundingClientRect().right <= innerWidth", arg=board.element_handle())
    page.wait_for_function("name => name.getClientRects().length === 1", arg=name.element_handle())
    page.set_viewport_size({"width": 1200, "height": 800})
    board.get_by_role("textbox", name="Search").fill("leaky")
    expect(rows).to_have_count(2)
    name = board.get_by_role("button", name="leaky-50")
    name.focus()
    page.keyboard.press("Enter")
    triage = page.locator(".rm-dashboard .rm-dashboard")
    expect(triage.get_by_role("status").first).to_contain_text("leaky-50 leaks", timeout=180_000)
    expect(board.locator("table.rm-fleet")).to_be_hidden()
    show = board.get_by_role("group", name="Show")
    expect(show.get_by_role("button", name="Triage")).to_be_focused()
    show.get_by_role("button", name="Limits").press("Enter")
    expect(board.get_by_role("slider", name="Limit, Mi")).to_be_visible(timeout=60_000)
    expect(board.get_by_role("combobox", name=re.compile("Workload"))).to_have_value("shop/leaky-50", timeout=60_000)
    page.keyboard.press("Escape")
    expect(rows).to_have_count(2)
    expect(triage).to_have_count(0)
    assert opened.outside == []
    assert opened.complaints == []
