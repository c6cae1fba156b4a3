"""Words of real files are replaced by what no program should write: each is read, or refused with one clear error."""

from __future__ import annotations

import itertools
import random
import re
import warnings
from pathlib import Path
from typing import Final

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning

ROOT: Final = Path(__file__).parents[2]
#: Larger files are no other forms.
MOST_BYTES: Final = 60_000
FILES: Final = sorted(
    file
    for folder in (ROOT / "data" / "samples", ROOT / "tests" / "data")
    for file in folder.rglob("*")
    if file.is_file() and file.suffix not in (".md", ".c", ".rs", ".py") and 0 < file.stat().st_size < MOST_BYTES
    if not {"worked", "readings"} & {*file.parts}  # what was written down of others is no source
)
TRIES: Final = 50


def kind(file: Path) -> tuple[str, str]:
    """What a file may be one of many of: those of a folder of `tests/data`, or the samples, with the same ending."""
    return file.relative_to(ROOT).as_posix().removeprefix("tests/data/").split("/")[0], file.suffix


#: Each kind is drawn as often, however many there are of it.
KINDS: Final = [list(files) for _, files in itertools.groupby(sorted(FILES, key=kind), kind)]
#: Negative, beyond 64 bits, beyond a double, beyond what Python reads, beyond time, of another kind, nothing.
WRONG: Final = (
    *(b"-1", b"-0", b"0", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"9" * 5000),
    *(b"1e308", b"1e400", b"+Inf", b"NaN", b"1e18", b"1764115200000000000", b"1_0", b"0x10", "\u0663".encode()),
    *(b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00Z", b"", b"-", b"\n", b"[", b"{", b"null", b"true", b'"'),
    *(b"\xff\xfe", b"\x00", b"iB"),
)


@pytest.mark.parametrize("seed", range(4))
def test_wrong_words_break_nothing(seed: int, tmp_path: Path) -> None:
    """What is read can be judged, and limits can be recommended; warnings are our own."""
    dice = random.Random(seed)  # noqa: S311 - the same every time
    read = 0
    for number in range(TRIES):
        source = dice.choice(dice.choice(KINDS))
        data = source.read_bytes()
        words = [found.span() for found in re.finditer(rb'[^\s,:\[\]{}"=]+', data)]
        damaged = bytearray(data)
        # From the end on, so that earlier words stay where they are.
        for start, end in sorted(dice.sample(words, min(dice.choice([1, 1, 2, 4]), len(words))), reverse=True):
            damaged[start:end] = dice.choice([*WRONG, data[slice(*dice.choice(words))]])
        file = tmp_path / source.name
        file.write_bytes(damaged)
        said = ""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", RmtoolkitWarning)
            try:
                recording = rm.read(file)
                read += 1
                if number % 8 == 0:
                    rm.assess(recording)
            except RmtoolkitError as error:
                said = str(error)
        assert "\n" not in said, source
        file.unlink()
    assert read > TRIES // 10
