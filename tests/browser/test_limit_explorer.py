"""The LimitExplorer in real JupyterLab: sliders by key and by typing, presets, copying."""

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
import rmtoolkit as rm
from tests.views.services import shop

explorer = rm.LimitExplorer(shop(), "api")
explorer
"""
]


def test_whatever_moves_the_limit_moves_every_chart(anew: Callable[..., Opened]) -> None:
    """Keys, typing and presets: curve, cost, replay, headroom and patch show the same limit, offline."""
    opened = anew()
    page = opened.page
    board = page.locator(".rm-dashboard:not(.rm-static)")
    answer = board.get_by_role("status")
    expect(answer).to_contain_text("At 512\u00a0Mi, the limit now", timeout=180_000, use_inner_text=True)
    handle = board.get_by_role("slider", name="Limit, Mi")
    handle.focus()
    handle.press("ArrowRight")
    expect(answer).to_contain_text("At 513 Mi")
    for begins in ("Chance of an OOM kill in 7 days at 513 Mi", "Cost a month at 513 Mi", "Headroom at limit 513 Mi"):
        expect(board.get_by_role("img", name=begins)).to_be_visible()
    expect(board.get_by_role("img", name="Recorded past at a limit of 513 Mi: 0 OOM kills")).to_be_visible()
    box = board.get_by_role("spinbutton", name="Limit, Mi")
    box.fill("400")
    box.press("Enter")
    expect(answer).to_contain_text("At 400 Mi")
    replayed = board.get_by_role("img", name=re.compile("Recorded past at a limit of 400 Mi: [1-9]"))
    expect(replayed).to_have_attribute("aria-label", re.compile("while starting: .* UTC; the highest needed 4"))
    presets = board.get_by_role("group", name="Set the limit to")
    ours = presets.get_by_role("button", name=re.compile("^ours"))
    ours.press("Enter")
    expect(answer).to_contain_text("our recommendation")
    expect(ours).to_have_attribute("aria-pressed", "true")
    expect(handle).to_have_attribute("aria-valuetext", re.compile(r"^\d+"))
    limit = (ours.text_content() or "").split()[-1]
    assert str(round(float(handle.get_attribute("aria-valuetext") or 0))) == limit
    expect(board.get_by_role("group", name=re.compile("Patch"))).to_contain_text(f"memory: {limit}Mi")
    board.get_by_role("button", name="Copy").click()
    expect(board.get_by_role("button", name="Copied")).to_be_visible()
    assert opened.serious(".rm-dashboard") == []
    assert opened.outside == []
    assert opened.complaints == []


def test_other_sliders_a_leak_and_the_way_back(anew: Callable[..., Opened]) -> None:
    """A smaller startup needs less; a leak buys days; what is unknown is refused in the page; reset undoes it all."""
    opened = anew(width=1000)
    page = opened.page
    board = page.locator(".rm-dashboard:not(.rm-static)")
    answer = board.get_by_role("status")
    presets = board.get_by_role("group", name="Set the limit to")
    ours = presets.get_by_role("button", name=re.compile("^ours"))
    expect(ours).to_be_visible(timeout=180_000)
    before = int((ours.text_content() or "").split()[-1])
    spike = board.get_by_role("slider", name="Startup spike, Mi")
    spike.focus()
    spike.press("Home")
    expect(answer).to_contain_text("Startups 0 times as high")
    traffic = board.get_by_role("spinbutton", name="Traffic, ×")
    traffic.fill("2")
    traffic.press("Enter")
    expect(answer).to_contain_text("2 times the traffic")
    board.get_by_role("button", name="Reset to measured").click()
    expect(answer).not_to_contain_text("times the traffic")
    expect(ours).to_have_text(f"ours {before}")
    search = board.get_by_role("combobox", name=re.compile("^Workload"))
    search.fill("leaky")
    search.press("Enter")
    expect(answer).to_contain_text("shop/leaky leaks")
    expect(ours).to_have_count(0)
    box = board.get_by_role("spinbutton", name="Limit, Mi")
    box.fill("800")
    box.press("Enter")
    expect(answer).to_contain_text(re.compile("Raising the limit to 800.Mi buys"))
    expect(board.get_by_role("slider", name="Threads")).to_have_attribute("aria-disabled", "true")
    expect(board.get_by_text("Threads: not recorded")).to_be_visible()
    search.fill("nothing like it")
    search.press("Enter")
    expect(board.get_by_role("alert")).to_contain_text("No workload")
    assert opened.serious(".rm-dashboard") == []
    assert opened.outside == []
    assert opened.complaints == []
