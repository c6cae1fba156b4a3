"""The tokens of the visual language: charts, HTML and the terminal read this module and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Each token on white and on a dark surface. Every text colour has at least 4.5:1 on `surface`, every control 3:1.
_TOKENS: Final = {
    "surface": ("#FFFFFF", "#12171C"),
    "panel": ("#F5F7F9", "#1A2127"),
    "line": ("#D5DAE1", "#333D47"),
    "control": ("#7A8594", "#76828F"),
    "ink": ("#15202B", "#E9EDF2"),
    "ink-2": ("#465260", "#B6C0CB"),
    "ink-3": ("#5C6877", "#98A4B1"),
    "accent": ("#0A5AA8", "#84BDF3"),
    "leak": ("#B3390C", "#FF9D70"),
    "ok": ("#0A6A5C", "#5FCBB4"),
    "unsure": ("#64479A", "#C6ACEC"),
    "on-badge": ("#FFFFFF", "#12171C"),
    "live": ("#174A86", "#7DBBF7"),
    "slack": ("#4C85C2", "#4483C1"),
    "kept": ("#A3C8E8", "#2A5484"),
    "outside": ("#D8AE62", "#937538"),
    "cache": ("#D3D8DE", "#414B56"),
    # The area under a line that no allocator splits into layers: it belongs to none of them.
    "whole": ("#C8DEF1", "#1F3A58"),
}
LIGHT: Final[Mapping[str, str]] = {name: light for name, (light, _) in _TOKENS.items()}
DARK: Final[Mapping[str, str]] = {name: dark for name, (_, dark) in _TOKENS.items()}

FAMILY: Final = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
CODE_FAMILY: Final = "ui-monospace, Menlo, Consolas, monospace"

#: Terminal styles of the verdict tokens: SGR parameters. Colour only on the verdict.
SGR: Final[Mapping[str, str]] = {"leak": "1;31", "ok": "1;36", "unsure": "1;35", "bold": "1", "dim": "2"}


def styled(name: str, written: str, *, colour: bool) -> str:
    return f"\x1b[{SGR[name]}m{written}\x1b[0m" if colour and written else written


#: Between two columns of a terminal.
GAP: Final = "  "


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [GAP.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def variables(tokens: Mapping[str, str]) -> str:
    return ";".join(f"--rm-{name}:{value}" for name, value in tokens.items())
