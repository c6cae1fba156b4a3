"""The worked examples of CONTRIBUTING.md, applied to a copy of the package exactly as they are written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
_STEP: Final = re.compile(
    r"^`(rmtoolkit/[^`]+)`, (?:(new)|before `([^`]+)`):\n\n```(?:python|toml)\n(.*?)```$", re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package and apply every step."""
    home = tmp_path_factory.mktemp("contributing")
    shutil.copytree(ROOT / "rmtoolkit", home / "rmtoolkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name, new, before, code in _STEP.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8")):
        file = home / name
        if new:
            assert not file.exists()
            file.write_text(code, "utf-8")
            continue
        mark = before.replace(r"\n", "\n") + "\n"
        text = file.read_text("utf-8")
        assert text.count(f"\n{mark}") == 1, f"{name} should have the place {before!r} once"
        file.write_text(text.replace(f"\n{mark}", f"\n{code}{mark}"), "utf-8")
    return home


def _run(home: Path, program: str) -> list[str]:
    """Run it with the changed package, and give what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=home,
        env={"PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_has_its_steps() -> None:
    """Each fenced piece of code in CONTRIBUTING is one of the eight steps that are followed here."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert len(_STEP.findall(text)) == text.count("```python") + text.count("```toml") == 8


def test_a_source_is_a_module_and_a_row(changed: Path) -> None:
    """A log of the new kind is told by its content, read and judged; a line that is cut is left out and said."""
    lines = [f"2026-11-24T{at // 60:02}:{at % 60:02}:00Z checkout 104857600" for at in range(720)]
    (changed / "a.log").write_text("\n".join(["# memlog", *lines, "2026-11-24T12:"]) + "\n", "utf-8")
    program = """
import warnings, rmtoolkit as rm
with warnings.catch_warnings(record=True) as told:
    recording = rm.read("a.log")
print(*(one.message for one in told))
print(recording.height, *rm.classify(recording).select("workload", "verdict", "pattern").row(0))
"""
    assert _run(changed, program) == ["'a.log': left out 1 line that is cut.", "720 checkout not_leak plateau"]


_TINY: Final = """
import polars as pl, rmtoolkit as rm
table = pl.DataFrame({"time": range(0, 43_200, 60), "rss_bytes": [4 << 20] * 720})
"""


def test_a_pattern_is_a_member_a_row_and_a_rule(changed: Path) -> None:
    """A small plateau has the new pattern and its own headline."""
    program = f"""{_TINY}
print(*rm.classify(table).select("pattern", "explanation").row(0), sep="\\n")
"""
    pattern, headline = _run(changed, program)
    assert pattern == "tiny"
    assert "it needs 4 Mi, too little to look at" in headline


def test_a_column_of_the_report_is_a_line(changed: Path) -> None:
    """The page has the head of the new column and a cell under it."""
    program = f"""{_TINY}
print(rm.report(table, "a.html").read_text("utf-8"))
"""
    page = "\n".join(_run(changed, program))
    assert re.search(r"<th\b[^>]*>(?:<[^>]+>)*Pods now", page)
    assert re.search(r'<td\b[^>]*data-label="Pods now"[^>]*>1</td>', page)
