"""The style of every page, dashboard and output: the sheets of `assets` with the tokens of a light and a dark theme.

Each stands under a class of its own, so that nothing leaks into a notebook. Notebooks style tables, code and lists by
rules of their own; two classes outweigh them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from rmtoolkit._html import Markup
from rmtoolkit.views._plot import DARK, FAMILY, LIGHT
from rmtoolkit.views._plot_svg import STYLE as CHARTS


@cache
def asset(name: str) -> Markup:
    """Read one file of `assets`, once; a style sheet loses its comments and what white space it has for people."""
    text = files("rmtoolkit.views").joinpath("assets", name).read_text(encoding="utf-8")
    if not name.endswith(".css"):
        return Markup(text)
    code, *commented = text.split("/*")
    plain = code + "".join(part.partition("*/")[2] for part in commented)
    short = re.sub(r" ?([{};,]) ?|(?<=:) ", r"\1", re.sub(r"\s+", " ", plain))
    return Markup(short.replace(";}", "}").strip())


def variables(tokens: Mapping[str, str]) -> str:
    return ";".join(f"--rm-{name}:{value}" for name, value in tokens.items())


_LIGHT: Final = f"{variables(LIGHT)};color-scheme:light"
_DARK: Final = f"{variables(DARK)};color-scheme:dark"
_FONTS: Final = f"--rm-family:{FAMILY};--rm-code:ui-monospace, Menlo, Consolas, monospace"
_PAPER: Final = variables({**LIGHT, "ink": "#000000", "ink-2": "#000000", "ink-3": "#333333"})


def _of_system(selector: str) -> str:
    return f"{selector}{{{_FONTS};{_LIGHT}}}@media (prefers-color-scheme:dark){{{selector}{{{_DARK}}}}}"


def themed(selector: str, *names: str) -> Markup:
    notebook = f"[data-jp-theme-light=true] {selector}{{{_LIGHT}}}[data-jp-theme-light=false] {selector}{{{_DARK}}}"
    return Markup(_of_system(selector) + notebook + _under(selector, *names))


def _under(selector: str, *names: str) -> str:
    """Read sheets, and what they share; the selector stands for every `.X` in them."""
    return re.sub(r"\.X(?![\w-])", selector, "".join(map(asset, ("parts.css", *names))))


#: The answer in the output of a cell, with a box around it.
STYLE: Final = Markup(themed(".rm.rm-explanation", "frame.css", "answer.css") + CHARTS)
#: In what two recordings differ, as a page.
COMPARISON: Final = Markup(_of_system("body") + asset("comparison.css"))
#: What a heap profile answers, as a page.
HEAP_PAGE: Final = Markup(STYLE + _of_system(":root") + asset("heap_page.css"))

_DASHBOARD: Final = ".rm.rm-dashboard"
DASHBOARD: Final = Markup(themed(_DASHBOARD, "answer.css", "dashboard.css") + CHARTS)
FLEET: Final = Markup(themed(_DASHBOARD, "answer.css", "dashboard.css", "fleet.css") + CHARTS)
EXPLORER: Final = Markup(themed(_DASHBOARD, "answer.css", "dashboard.css", "explorer.css") + CHARTS)

#: What is around the dashboards of a served page.
SERVED: Final = Markup(_of_system("body") + asset("served.css"))
#: The weekly page.
REPORT: Final = Markup(
    f"{_of_system('.rm')}{_under('.rm', 'report.css')}{CHARTS}@media print{{.rm{{{_PAPER};color-scheme:light}}}}"
    f"{asset('report_print.css')}"
)
