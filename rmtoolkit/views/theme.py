"""The tokens of the visual language: charts, HTML and the terminal read this module and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Colours on white. Every text colour has at least 4.5:1 on `surface`, every control 3:1.
LIGHT: Final[Mapping[str, str]] = {
    "surface": "#FFFFFF",
    "panel": "#F5F7F9",
    "line": "#D5DAE1",
    "control": "#7A8594",
    "ink": "#15202B",
    "ink-2": "#465260",
    "ink-3": "#5C6877",
    "accent": "#0A5AA8",
    "leak": "#B3390C",
    "ok": "#0A6A5C",
    "unsure": "#64479A",
    "on-badge": "#FFFFFF",
    "live": "#174A86",
    "slack": "#4C85C2",
    "kept": "#A3C8E8",
    "outside": "#D8AE62",
    "cache": "#D3D8DE",
    # The area under a line that no allocator splits into layers: it belongs to none of them.
    "whole": "#C8DEF1",
}

#: The same tokens on a dark surface.
DARK: Final[Mapping[str, str]] = {
    "surface": "#12171C",
    "panel": "#1A2127",
    "line": "#333D47",
    "control": "#76828F",
    "ink": "#E9EDF2",
    "ink-2": "#B6C0CB",
    "ink-3": "#98A4B1",
    "accent": "#84BDF3",
    "leak": "#FF9D70",
    "ok": "#5FCBB4",
    "unsure": "#C6ACEC",
    "on-badge": "#12171C",
    "live": "#7DBBF7",
    "slack": "#4483C1",
    "kept": "#2A5484",
    "outside": "#937538",
    "cache": "#414B56",
    "whole": "#1F3A58",
}

FAMILY: Final = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
CODE_FAMILY: Final = "ui-monospace, Menlo, Consolas, monospace"

#: Terminal styles of the verdict tokens: SGR parameters. Colour only on the verdict.
SGR: Final[Mapping[str, str]] = {"leak": "1;31", "ok": "1;36", "unsure": "1;35", "bold": "1", "dim": "2"}


def styled(name: str, written: str, *, colour: bool) -> str:
    """Write in a style of the terminal."""
    return f"\x1b[{SGR[name]}m{written}\x1b[0m" if colour and written else written


def variables(tokens: Mapping[str, str]) -> str:
    """Write tokens as CSS custom properties."""
    return ";".join(f"--rm-{name}:{value}" for name, value in tokens.items())
