"""The fast part of `make fuzz`: some inputs of each kind, and that what goes wrong is noticed."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import pytest

from rmtoolkit.exceptions import ReadError
from tests.benchmarks import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Of inputs that once ended in a traceback, seed and number.
ONCE = [
    (1, 19),
    (1, 81),
    (1, 319),
    (7, 485),
    (7, 554),
    (7, 1265),
    (7, 5933),
    (7, 6125),
    (8, 6271),
    (8, 7195),
    (8, 8425),
    (8, 14357),
    (9, 9165),
    (9, 11610),
    (9, 16241),
    (1, 74302),
    (1, 167848),
    (1, 235505),
]


def test_some_inputs_of_each_kind_are_handled() -> None:
    """A recording or one clear error, in bounded time and memory, in a process of their own."""
    assert list(fuzz._block(2026, 0, 6 * len(fuzz.KINDS))) == []


@pytest.mark.parametrize("door", ["command", "reader"])
@pytest.mark.parametrize(("seed", "number"), ONCE)
def test_what_was_not_handled_once_is_now(seed: int, number: int, door: str, tmp_path: Path) -> None:
    """Inputs that ended in an internal error are refused, or read."""
    assert fuzz.attempt(seed, number, tmp_path / "in", with_command=door == "command") is None


@pytest.mark.parametrize("end", ["it is stopped", "its parent dies"])
def test_nothing_of_it_stays(end: str, tmp_path: Path) -> None:
    """What was written to be tried is removed, however it ends."""
    words = [sys.executable, "-m", "tests.benchmarks.fuzz", "--block", "0", "100000", str(tmp_path / "its")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=fuzz.ROOT, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "[0, null]\n"
        assert (tmp_path / "its").is_dir()
        if end == "it is stopped":
            worker.terminate()
        worker.stdout.close()
        worker.wait(60)
    assert list(tmp_path.iterdir()) == []


def broken(reader: Callable[[], object]) -> fuzz.Input:
    """An input that a reader does not handle."""
    return fuzz.Input(["classify"], reader)


def test_what_is_not_handled_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of another kind, a warning, two lines, a status of 1, time that passes, memory that is new."""

    def warns() -> None:
        warnings.warn("a library", UserWarning, stacklevel=1)

    def lines() -> None:
        msg = "two\nlines"
        raise ReadError(msg)

    monkeypatch.setattr(fuzz, "SECONDS", 0.01)
    for reader, said in (
        (lambda: dict[int, int]()[0], "text: KeyError: 0"),
        (warns, "text: UserWarning: a library"),
        (lines, "text: not one line"),
        (lambda: [*range(3_000_000)], "seconds"),
    ):
        monkeypatch.setitem(fuzz.KINDS, "text", lambda *_, reader=reader: broken(reader))
        assert said in str(fuzz.attempt(1, len(fuzz.KINDS), tmp_path / "in"))
    monkeypatch.setattr(fuzz, "SECONDS", 100.0)
    monkeypatch.setattr(fuzz, "BYTES", 1 << 26)
    held = b"x" * (1 << 27)
    for more, said in ((b"x", " GiB"), (b"", "None")):
        monkeypatch.setitem(fuzz.KINDS, "text", lambda *_, more=more: broken(lambda: bytearray(more * len(held))))
        assert said in str(fuzz.attempt(1, len(fuzz.KINDS), tmp_path / "in"))
    monkeypatch.setattr(fuzz, "command", lambda _: 1)
    assert "status 1" in str(fuzz.attempt(1, 0, tmp_path / "in"))


def test_a_panic_of_a_library_is_one_line(tmp_path: Path) -> None:
    """What polars writes when it gives up, pages of it, stays off the terminal; the file is named, with status 2."""
    fuzz.KINDS["Parquet"](random.Random("8/8425"), tmp_path)  # noqa: S311 - one that once did it
    words = [sys.executable, "-m", "rmtoolkit", "classify", str(tmp_path / "table.parquet")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=fuzz.ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"rmtoolkit: Could not read '.*table\.parquet': found 'a damaged file', expected .*\n", done.stderr
    )
