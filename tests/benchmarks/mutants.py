"""Change the package in one place at a time, and tell which changes no test notices.

Usage: ``make mutants`` or ``python tests/benchmarks/mutants.py [--n 200] [--seed 1] [--only limits] [--jobs 2]``.
Places are drawn at random with the seed, as many from each package. The changes come from mutmut's mutators and a few
of our own. Which test runs which line is noted once for a state of the package (all tests but the browser and lab
ones; some minutes; ``--tests tests/limits`` notes those only). Each change is then made in a copy under `out/mutants`
and meets the tests that run its statement, those of its own room first, one of each file in turn and fast before slow,
until one fails or they have taken ``--seconds``: what survived says how many of them it met. What a function caches
only the first test runs. Test files written since the note was made are run whole. What is known already is not run
again; a change that survived is, once the tests differ. Changes that nobody can see, because the result is the same,
stand in ``equivalent.csv`` with the reason; the share that was noticed is given with and without them.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import csv
import dataclasses
import difflib
import hashlib
import itertools
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import coverage
import libcst as cst
import pytest
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from tests.benchmarks.house_size import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
WORK: Final = ROOT / "out" / "mutants"
PACKAGE: Final = "rmtoolkit"
LEFT_OUT: Final = (
    "tests/live/test_faults.py",
    "tests/browser",
    "tests/lab",
    "tests/benchmarks",
    "tests/typing",
    "tests/test_house.py",
    "tests/test_notebooks.py",
)
PYTEST: Final = (
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestWarning",
)
#: Of mutmut's mutators those whose changes still run: `x = None`, a dropped argument or another column's name fail at
#: once in any test, and say nothing of it.
KEPT: Final = {
    "operator_number",
    "operator_name",
    "operator_keywords",
    "operator_swap_op",
    "operator_remove_unary_ops",
    "operator_augmented_assignment",
    "operator_symmetric_string_methods_swap",
    "operator_unsymmetrical_string_methods_swap",
    "operator_match",
    "operator_if_exp",
}
#: Methods whose result is of the kind that they are called on.
SAME_KIND: Final = {
    *("filter", "sort", "sort_by", "unique", "head", "tail", "shift", "reverse"),
    *("drop_nulls", "drop_nans", "fill_null", "fill_nan", "forward_fill"),
    *("clip", "abs", "round", "strip", "lstrip", "rstrip", "lower"),
}


def dropped_call(node: cst.Call) -> Iterator[cst.BaseExpression]:
    """Leave out a filter, a sort, a fill: ``x.filter(y)`` becomes ``x``."""
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in SAME_KIND:
        yield node.func.value


def dropped_option(node: cst.Call) -> Iterator[cst.Call]:
    """Leave out a keyword argument, so that its default holds."""
    for place, argument in enumerate(node.args):
        if argument.keyword is not None:
            yield node.with_changes(args=[*node.args[:place], *node.args[place + 1 :]])


def dropped_statement(node: cst.SimpleStatementLine) -> Iterator[cst.SimpleStatementLine]:
    """Leave out a call that is made for its effect."""
    if len(node.body) == 1 and isinstance(node.body[0], cst.Expr) and isinstance(node.body[0].value, cst.Call):
        yield node.with_changes(body=[cst.Pass()])


def fixed_branch(node: cst.If) -> Iterator[cst.If]:
    """Take a branch always, or never."""
    if not (isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING"):
        for name in ("True", "False"):
            yield node.with_changes(test=cst.Name(name))


OPERATORS: Final[list[tuple[type, Callable[[Any], Any]]]] = [
    *((kind, make) for kind, make in mutation_operators if make.__name__ in KEPT),
    (cst.Call, dropped_call),
    (cst.Call, dropped_option),
    (cst.SimpleStatementLine, dropped_statement),
    (cst.If, fixed_branch),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    file: str
    line: int
    text: str
    diff: str

    @property
    def key(self) -> str:
        """Its name in the list of results."""
        return hashlib.sha256(f"{self.file}\n{self.line}\n{self.diff}".encode()).hexdigest()[:16]


def equivalent() -> dict[tuple[str, str], str]:
    """Read which changes make no difference, by file and change, and why."""
    with Path(__file__).with_name("equivalent.csv").open(newline="", encoding="utf-8") as file:
        return {(row["file"], f"-{row['before']}\n+{row['after']}"): row["why"] for row in csv.DictReader(file)}


#: By line and kind of change: a node, and what to put in its place.
Places = dict[int, dict[str, list[tuple[cst.CSTNode, cst.CSTNode]]]]


class _Places(MutationVisitor):
    """Every change that a file offers, by line and by kind."""

    def __init__(self) -> None:
        super().__init__(OPERATORS, IgnoredCode(set(), set(), set()))
        self.places: Places = defaultdict(lambda: defaultdict(list))

    def _create_mutations(self, node: cst.CSTNode) -> None:
        position = self.get_metadata(PositionProvider, node, None)
        if isinstance(position, CodeRange):
            for kind, make in OPERATORS:
                if isinstance(node, kind):
                    changed = [(node, new) for new in make(node)]
                    if changed:
                        self.places[position.start.line][make.__name__] += changed


def draw(files: list[Path], chance: random.Random, number: int) -> Iterator[Mutant]:
    """Draw changes: a file by its size, a line of it that can be changed, a kind of change, one of that kind."""
    parsed: dict[Path, tuple[cst.Module, Places]] = {}
    sizes = [count(file, set())["SLOC"] for file in files]
    known: set[str] = set()
    for _ in range(20 * number):
        if len(known) == number:
            return
        file = chance.choices(files, sizes)[0]
        if file not in parsed:
            wrapper = MetadataWrapper(cst.parse_module(file.read_text("utf-8")))
            visitor = _Places()
            wrapper.visit(visitor)
            parsed[file] = wrapper.module, visitor.places
        module, places = parsed[file]
        if not places:
            continue
        line = chance.choice(sorted(places))
        kind = chance.choice(sorted(places[line]))
        old, new = chance.choice(places[line][kind])
        changed = module.deep_replace(old, new)
        text = changed.code if isinstance(changed, cst.Module) else module.code
        name = file.relative_to(ROOT).as_posix()
        lines = difflib.unified_diff(module.code.splitlines(), text.splitlines(), lineterm="", n=0)
        mutant = Mutant(name, line, text, "\n".join(list(lines)[3:]))
        if mutant.diff and mutant.key not in known:
            known.add(mutant.key)
            yield mutant


def packages() -> dict[str, list[Path]]:
    """Find the packages by walking: a folder is one, and the modules beside them are one together."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        inside = file.relative_to(ROOT / PACKAGE).parts
        found[inside[0] if len(inside) > 1 else "top level"].append(file)
    return dict(sorted(found.items()))


def sample(number: int, seed: int, only: list[str]) -> dict[str, list[Mutant]]:
    """Draw as many changes from each package; `only` names packages, or the beginnings of paths in the package."""
    groups = packages()
    if only:
        paths = [ROOT / PACKAGE / name.removeprefix(f"{PACKAGE}/") for name in only]
        groups = {
            name: chosen
            for name, files in groups.items()
            if (chosen := [file for file in files if name in only or any(_below(file, path) for path in paths)])
        }
    if not groups:
        sys.exit(f"There is no such package: {', '.join(only)}. There are: {', '.join(packages())}.")
    shares = {name: number // len(groups) + (place < number % len(groups)) for place, name in enumerate(groups)}
    return {name: list(draw(files, random.Random(f"{seed} {name}"), shares[name])) for name, files in groups.items()}  # noqa: S311


def _below(file: Path, path: Path) -> bool:
    return file == path or path in file.parents or file.with_suffix("") == path


def digest(folder: Path, below: str) -> dict[str, str]:
    """Give a hash of each Python file below a folder."""
    files = sorted((folder / below).rglob("*.py"))
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}


def copied(tree: Path) -> Path:
    """Bring a copy of the project up to date; what did not change keeps its time, and so its compiled file."""
    git = shutil.which("git") or "git"
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    wanted = {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()}
    for name in sorted(wanted):
        target = tree / name
        if not target.exists() or target.read_bytes() != (ROOT / name).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    for target in [path for path in tree.rglob("*.py") if path.relative_to(tree).as_posix() not in wanted]:
        target.unlink()
    return tree


def environment(tree: Path, **more: str) -> dict[str, str]:
    """Let the copy's package come first, and no test write where another run reads."""
    path = os.pathsep.join([str(tree), *filter(None, [os.environ.get("PYTHONPATH")])])
    ours = {"PYTHONPATH": path, "HYPOTHESIS_STORAGE_DIRECTORY": str(WORK / "hypothesis"), **more}
    return {name: value for name, value in os.environ.items() if name != "CI"} | ours


@dataclasses.dataclass(frozen=True)
class Known:
    """What was noted of a state of the package: who runs which line, and what each test costs."""

    data: coverage.CoverageData
    tree: Path
    cpu_seconds: dict[str, float]
    wall_seconds: dict[str, float]
    failed: frozenset[str]
    tests: dict[str, str]

    def by_line(self, file: str | Path) -> dict[int, list[str]]:
        """Give the tests that run each line of a file."""
        return self.data.contexts_by_lineno(str(self.tree / file))


def known(jobs: int, asked: list[str], *, anew: bool) -> Known:
    """Read the note, or run the tests to make it when there is none of this state of the package."""
    tree, notes = WORK / "tree0", WORK / "map"
    state = {"package": digest(ROOT, PACKAGE), "asked": asked}
    stamp = notes / "state.json"
    stored = json.loads(stamp.read_text("utf-8")) if stamp.exists() else None
    if anew or stored is None or any(stored[name] != value for name, value in state.items()):
        shutil.rmtree(notes, ignore_errors=True)
        notes.mkdir(parents=True)
        print("Noting which test runs which line …", flush=True)
        tests = digest(copied(tree), "tests")
        command = [sys.executable, *PYTEST, "-p", "tests.benchmarks.mutant_map", "-m", "not browser", *asked]
        command += [f"--ignore={name}" for name in LEFT_OUT] + ([f"-n{jobs}", "--dist=worksteal"] if jobs > 1 else [])
        begun = time.perf_counter()
        with (notes / "pytest.log").open("w") as log:
            subprocess.run(command, cwd=tree, env=environment(tree, MUTANT_MAP=str(notes)), stdout=log, check=False)
        if not (notes / "tests.json").exists():
            sys.exit(f"The tests did not run: see {notes / 'pytest.log'}.")
        whole = coverage.Coverage(data_file=notes / "coverage", messages=False)
        whole.combine([str(notes)])
        whole.save()
        stored = {**state, "tests": tests}
        stamp.write_text(json.dumps(stored), encoding="utf-8")
        print(f"  {time.perf_counter() - begun:.0f} s, log in {notes / 'pytest.log'}", flush=True)
    data = coverage.CoverageData(str(notes / "coverage"))
    data.read()
    told = json.loads((notes / "tests.json").read_text("utf-8"))
    return Known(data, tree, told["cpu_seconds"], told["wall_seconds"], frozenset(told["failed"]), stored["tests"])


def statement(text: str, line: int) -> tuple[range, bool]:
    """Give the lines of the innermost statement on a line (of a block its head), and whether a function holds it."""
    node: ast.AST = ast.parse(text)
    lines, inside = range(line, line + 1), False
    while True:
        below = [
            child
            for child in ast.walk(node)
            if child is not node
            and isinstance(child, ast.stmt)
            and child.lineno <= line <= (child.end_lineno or child.lineno)
        ]
        if not below:
            return lines, inside
        node = below[0]
        first = getattr(node, "lineno", line)
        body = getattr(node, "body", None)
        end = body[0].lineno if isinstance(body, list) and body else (getattr(node, "end_lineno", None) or first) + 1
        lines = range(first, max(end, first + 1))
        inside = inside or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and line not in lines)


def chosen(mutant: Mutant, facts: Known, changed: set[str], seconds: float) -> tuple[list[str], float, int]:
    """Choose tests, the likeliest first: its own room's, one of each file in turn; how long, and of how many."""
    by_line = facts.by_line(mutant.file)
    lines, inside = statement((ROOT / mutant.file).read_text("utf-8"), mutant.line)
    # What stands outside of functions runs at import, whoever imports first: all tests of the file may notice it.
    covering = {test for line in (lines if inside else by_line) for test in by_line.get(line, []) if test}
    if not covering and not inside:  # a module of names alone: whoever runs its package
        files = (ROOT / mutant.file).parent.glob("*.py")
        covering = {
            test for file in files for tests in facts.by_line(file.relative_to(ROOT)).values() for test in tests if test
        }
    of_file = {test.split("::")[0] for tests in by_line.values() for test in tests if test}
    turns: dict[str, int] = Counter()
    order = []
    for test in sorted(covering - facts.failed, key=lambda test: facts.cpu_seconds.get(test, 0.0)):
        home = test.split("::")[0]
        if home not in changed:
            order.append((not _own(home, mutant.file), turns[home], facts.cpu_seconds.get(test, 0.0), test))
            turns[home] += 1
    tests = sorted(name for name in changed if name in of_file or name not in facts.tests)
    expected = waited = 5.0 * len(tests)
    of_all = len(tests) + len(order)
    for *_, cost, test in sorted(order):
        if tests and expected + cost > seconds:
            continue
        tests.append(test)
        expected += cost
        waited += facts.wall_seconds.get(test, 0.0)
    return tests, waited, of_all


def _own(test: str, file: str) -> bool:
    """Whether a file of tests stands where the changed one does, or has its name."""
    room = Path(file).relative_to(PACKAGE)
    names = {part.strip("_") for part in (*room.parent.parts, room.stem)} - {"init"}
    return not names.isdisjoint({*Path(test).parent.parts, Path(test).stem.removeprefix("test_")})


def meet(mutant: Mutant, facts: Known, changed: set[str], seconds: float, tree: Path) -> dict[str, Any]:
    """Make the change in a copy, run its tests, and take it back."""
    tests, expected, of_all = chosen(mutant, facts, changed, seconds)
    told: dict[str, Any] = {"key": mutant.key, "file": mutant.file, "line": mutant.line}
    told |= {"tests": len(tests), "of_all": of_all}
    if not tests:
        return told | {"fate": "survived", "by": "no test runs it"}
    target = tree / mutant.file
    before = target.read_bytes()
    arguments = tree / "chosen.txt"
    compiled = target.parent / "__pycache__"
    try:
        target.write_text(mutant.text, encoding="utf-8")
        for file in compiled.glob(f"{target.stem}.*.pyc"):
            file.unlink()
        while True:
            arguments.write_text("\n".join(tests), encoding="utf-8")
            done = subprocess.run(
                [sys.executable, *PYTEST, "-x", "--no-header", "-rfE", "--tb=no", f"@{arguments}"],
                cwd=tree,
                env=environment(tree, PYTHONDONTWRITEBYTECODE="1"),
                capture_output=True,
                text=True,
                check=False,
                timeout=60 + 6 * expected,
            )
            # Values that a test file makes anew at each start give names that the next start does not know.
            gone = {test for test in tests if f"{test}\n" in done.stderr and "not found:" in done.stderr}
            if done.returncode != pytest.ExitCode.USAGE_ERROR or not gone or len(gone) == len(tests):
                break
            tests = [test for test in tests if test not in gone]
    except subprocess.TimeoutExpired:
        return told | {"fate": "killed", "by": "it never ends"}
    finally:
        target.write_bytes(before)
    red = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # A change that breaks the import of a test file is noticed, although pytest calls that a wrong use.
    if not red and done.returncode in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED}:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        return told | {"fate": "not run", "by": " ".join(last)}
    fate = "survived" if done.returncode == 0 else "killed"
    return told | {"fate": fate, "by": red[0].split(" - ")[0] if red else ""}


def show(drawn: dict[str, list[Mutant]], results: dict[str, dict[str, Any]]) -> None:
    """Print what was noticed by package, and each change that was not."""
    same = equivalent()
    fates: dict[str, Counter[str]] = {}
    for name, mutants in drawn.items():
        fates[name] = Counter(results[mutant.key]["fate"] for mutant in mutants)
        fates[name]["same"] = sum(
            results[mutant.key]["fate"] == "survived" and (mutant.file, mutant.diff) in same for mutant in mutants
        )
    fates["all"] = sum(fates.values(), Counter())
    print(f"\n{'':12}{'killed':>8}{'survived':>10}{'the same':>10}{'not run':>9}{'noticed':>9}{'of real':>9}")
    for name, fate in fates.items():
        met = fate["killed"] + fate["survived"]
        shares = [f"{fate['killed'] / of:.0%}" if of else "-" for of in (met, met - fate["same"])]
        counts = f"{fate['killed']:>8}{fate['survived']:>10}{fate['same']:>10}{fate['not run']:>9}"
        print(f"{name:12}{counts}{shares[0]:>9}{shares[1]:>9}")
    for name, mutants in drawn.items():
        for mutant in sorted(mutants, key=lambda mutant: (mutant.file, mutant.line)):
            told = results[mutant.key]
            if told["fate"] != "killed":
                passed = f"{told['tests']} of {told['of_all']} tests pass"
                why = same.get((mutant.file, mutant.diff)) or told["by"] or passed
                print(f"\n{name}: {mutant.file}:{mutant.line}: {told['fate']}, {why}\n{mutant.diff}")


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, draw, run what is not known yet, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="how many changes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws other places (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], help="a package, or a path in it; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of CPU time of tests for a change, at most (default: %(default)s)"
    )
    parser.add_argument("--tests", action="append", help="folders or files of tests (default: all)")
    parser.add_argument("--map", action="store_true", help="note anew which test runs which line")
    given = parser.parse_args(arguments)
    drawn = sample(given.n, given.seed, given.only)
    facts = known(given.jobs, given.tests or ["tests"], anew=given.map)
    now = digest(ROOT, "tests")
    changed = {name for name, value in now.items() if facts.tests.get(name) != value and "/test_" in name}
    changed -= {name for name in changed if name.startswith(LEFT_OUT)}
    of_tests = hashlib.sha256(json.dumps(now).encode()).hexdigest()[:16]
    file = WORK / "results.jsonl"
    results: dict[str, dict[str, Any]] = {}
    for told in map(json.loads, file.read_text("utf-8").splitlines() if file.exists() else []):
        if told["fate"] == "killed" or told["of_tests"] == of_tests:
            results[told["key"]] = told
    # One of each package in turn: what is known before the end is known of all of them.
    turns = itertools.chain.from_iterable(itertools.zip_longest(*drawn.values()))
    todo = [mutant for mutant in turns if mutant is not None and mutant.key not in results]
    trees: queue.Queue[Path] = queue.Queue()
    for place in range(given.jobs):
        trees.put(copied(WORK / f"tree{place}"))

    def run(mutant: Mutant) -> dict[str, Any]:
        tree = trees.get()
        try:
            return meet(mutant, facts, changed, given.seconds, tree) | {"of_tests": of_tests}
        finally:
            trees.put(tree)

    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool, file.open("a", encoding="utf-8") as log:
        for place, told in enumerate(pool.map(run, todo), 1):
            results[told["key"]] = told
            log.write(json.dumps(told) + "\n")
            log.flush()
            where = f"{told['file']}:{told['line']}"
            print(f"{place:4} of {len(todo)}  {told['fate']:9} {where}  {told['by']}", flush=True)
    show(drawn, results)


if __name__ == "__main__":
    main()
