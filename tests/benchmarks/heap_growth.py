"""Score what is said of growth in recorded heaps: does the headline name what leaks, and nothing where nothing does?

Usage: ``python tests/benchmarks/heap_growth.py [--part dev] [--verbose]``. The programs and what is true of them stand
in `data/heap/growth`. ``--part sealed`` is for judging, never for tuning: it names no program, and each look is
written to `heap_sealed_runs.csv` beside this file.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import re
import shutil
import subprocess
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import rmtoolkit as rm
from rmtoolkit.analysis.heap_answers import answer
from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.heap._names import spoken
from rmtoolkit.heap.formats import join
from rmtoolkit.heap.tree import MOVES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.heap.profile import HeapProfile

FOLDER: Final = Path(__file__).parents[2] / "data" / "heap" / "growth"
SEALED_LOG: Final = Path(__file__).with_name("heap_sealed_runs.csv")
TOOLS: Final = ("heaptrack", "massif", "jemalloc", "gperftools", "dhat")


class Case(NamedTuple):
    """A program, what is true of it, and a recording."""

    program: str
    tool: str
    truth: str
    functions: tuple[str, ...]
    files: list[Path]

    def read(self) -> HeapProfile:
        """Read it, with several dumps in the order of their numbers."""
        with warnings.catch_warnings():
            # That a table is cut off or that names are missing is not what is asked here.
            warnings.simplefilter("ignore", RmtoolkitWarning)
            return join([rm.read_heap(file) for file in self.files])


def cases(part: str) -> Iterator[Case]:
    """Give all recordings of a part."""
    with (FOLDER / "truth.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == part]
    for row in rows:
        functions = tuple(row["functions"].split(";")) if row["functions"] else ()
        for tool in TOOLS:
            files = sorted(FOLDER.glob(f"{row['program']}.{tool}.*"), key=_number)
            if files:
                yield Case(row["program"], tool, row["truth"], functions, files)


def _number(file: Path) -> int:
    return int((re.findall(r"\.(\d+)\.", file.name) or ["0"])[0])


def outcome(case: Case) -> tuple[str, str]:
    """Tell how an answer does: right, or what is wrong with it; and the answer."""
    found = answer(case.read())
    rows = list(found.suspects.iter_rows(named=True))
    growing = [_in_crate(row["function"]) for row in rows if row["reading"] == "grows"]
    first = [(row["reading"], spoken(row["function"])[-40:], row["growth_bytes"]) for row in rows[:4]]
    said = f"{found.headline}  {first}"
    if case.tool == "dhat":
        return ("right" if {row["reading"] for row in rows} == {"live"} else "judged"), said
    if case.truth != "leaks":
        return ("false alarm" if growing else "right"), said
    if not growing:
        # It is named, as what may go on.
        is_named = bool(rows) and rows[0]["reading"] in MOVES and _in_crate(rows[0]["function"]) in case.functions
        return "open" if is_named else "missed", said
    named = set(growing[: len(case.functions)])
    # Valgrind knows inlined functions by their last name alone.
    short = {name.rpartition("::")[2] for name in case.functions}
    is_right = named == set(case.functions) or (case.tool == "massif" and named == short)
    return ("right" if is_right else "wrong name"), said


def _in_crate(function: str) -> str:
    name = spoken(function)
    return name.partition("::")[2] or name


def main() -> None:
    """Print a table: a row per tool and truth."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", choices=("dev", "sealed"), default="dev")
    parser.add_argument("--verbose", action="store_true", help="name what is not right (dev only)")
    given = parser.parse_args()
    tally: dict[tuple[str, str], Counter[str]] = {}
    for case in cases(given.part):
        result, said = outcome(case)
        tally.setdefault((case.tool, case.truth), Counter())[result] += 1
        if given.verbose and given.part == "dev" and result != "right":
            print(f"{case.tool} {case.program}: {result}: {said}")
    lines = [
        f"{tool:10} {truth:6} {counts['right']:3} of {counts.total():3} right"
        + "".join(f", {number} {what}" for what, number in counts.items() if what != "right")
        for (tool, truth), counts in sorted(tally.items())
    ]
    print("\n".join(lines))
    if given.part == "sealed":
        asked = [shutil.which("git") or "git", "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(asked, check=True, capture_output=True, text=True)
        with SEALED_LOG.open("a", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((dt.datetime.now(dt.UTC).isoformat("T", "seconds"), commit.stdout.strip(), *lines))


if __name__ == "__main__":
    main()
