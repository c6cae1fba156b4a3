"""What the README shows of a command is what the command prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rmtoolkit.cli import main

ROOT = Path(__file__).parents[1]
#: One command and what it prints; of those that only begin something nothing is shown.
BLOCK = re.compile(r"^```\n\$ \.venv/bin/rmtoolkit (.+)\n((?:(?!```|\$ ).*\n)+)```$", re.MULTILINE)
SHOWN = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command.split()[0] for command, _ in SHOWN])
def test_what_a_command_prints(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line, in a terminal of 100 columns; an ellipsis stands for lines left out."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    assert main(shlex.split(command)) in (0, 1)
    printed = capsys.readouterr().out
    for part in re.split(r"^…\n", shown, flags=re.MULTILINE):
        assert part.rstrip("\n") in printed


def test_commands_are_shown_with_what_they_print() -> None:
    """A verdict, a limit and a heap profile are."""
    assert [command.split()[0] for command, _ in SHOWN] == ["classify", "limits", "heap"]
