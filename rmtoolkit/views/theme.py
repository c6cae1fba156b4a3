"""The tokens of the visual language: charts, HTML and the terminal read this module and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.text import texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Tokens of the light and of the dark theme; their names stand in `looks.toml`.
LIGHT, DARK = ({name: pair[at] for name, pair in texts("views/looks")["tokens"].items()} for at in range(2))

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
