from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from rmtoolkit.views import _plot, _plot_svg
from rmtoolkit.views.style import REPORT
from tests.views.colours import contrast

if TYPE_CHECKING:
    from collections.abc import Mapping


THEMES = [pytest.param(_plot.LIGHT, id="light"), pytest.param(_plot.DARK, id="dark")]
TEXT = ("ink", "ink-2", "ink-3", "accent", "leak", "ok", "unsure")


def test_themes_have_the_same_tokens() -> None:
    """A token that exists in light exists in dark."""
    assert list(_plot.LIGHT) == list(_plot.DARK)


@pytest.mark.parametrize("tokens", THEMES)
@pytest.mark.parametrize("name", TEXT)
def test_text_is_readable(tokens: Mapping[str, str], name: str) -> None:
    """Every colour that text takes has at least 4.5:1 on the surface and on panels."""
    assert contrast(tokens[name], tokens["surface"]) >= 4.5
    assert contrast(tokens[name], tokens["panel"]) >= 4.5


@pytest.mark.parametrize("tokens", THEMES)
@pytest.mark.parametrize("name", ["leak", "ok", "unsure", "accent", "live"])
def test_badges_are_readable(tokens: Mapping[str, str], name: str) -> None:
    """Text on a badge and on the live layer has at least 4.5:1."""
    assert contrast(tokens["on-badge"], tokens[name]) >= 4.5


@pytest.mark.parametrize("tokens", THEMES)
def test_controls_are_visible(tokens: Mapping[str, str]) -> None:
    """Borders of controls and axes have at least 3:1."""
    assert contrast(tokens["control"], tokens["surface"]) >= 3


def test_every_colour_comes_from_the_tokens() -> None:
    """The style sheet names no colour of its own outside the token declarations and the black of print."""
    known = {value.upper() for value in (*_plot.LIGHT.values(), *_plot.DARK.values(), "#000000", "#333333")}
    assert {found.upper() for found in re.findall(r"#[0-9A-Fa-f]{6}\b", REPORT)} <= known


def test_fields_and_scroll_bars_are_as_dark_as_the_page() -> None:
    """Nothing on a screen says after the dark theme that what the browser draws itself is light."""
    screen = REPORT.partition("@media print")[0]
    assert screen.rindex("color-scheme:dark") > screen.rindex("color-scheme:light")


def test_every_variable_is_declared() -> None:
    """No rule refers to a custom property that nothing sets."""
    used = set(re.findall(r"var\((--[\w-]+)\)", REPORT))
    declared = set(re.findall(r"(--[\w-]+):", REPORT))
    assert used <= declared


def test_chart_rules_stay_under_one_class() -> None:
    """Rules of charts cannot leak into a notebook that shows one."""
    selectors = [part for rule in re.findall(r"([^{}]+)\{", _plot_svg.STYLE) for part in rule.split(",")]
    assert all(selector.strip().startswith(".rm-chart") for selector in selectors)
