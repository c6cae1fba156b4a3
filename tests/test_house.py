"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import collections
import functools
import gc
import importlib
import inspect
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm
from tests.benchmarks.house_size import circles, graph

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = sorted((ROOT / "rmtoolkit").rglob("*.py"))
TESTS: Final = sorted(path for path in (ROOT / "tests").rglob("test_*.py"))

#: What each part of the package may import. What stands nowhere is core: the recording and what it is made of.
LAYERS: Final = {
    "core": {"core"},
    "validation": {"core", "validation"},
    "loaders": {"core", "loaders"},
    "heap": {"core", "loaders", "heap"},
    "analysis": {"core", "validation", "heap", "analysis"},
    "limits": {"core", "validation", "analysis", "limits"},
    "assessment": {"core", "validation", "heap", "analysis", "limits", "assessment"},
    "views": {"core", "validation", "heap", "analysis", "limits", "assessment", "views"},
    "__main__": {"core", "cli"},
    "cli": {"core", "validation", "loaders", "heap", "analysis", "limits", "assessment", "views", "cli"},
}
#: Slow to import, and used by few.
HEAVY: Final = {"altair", "IPython", "ipywidgets", "pandas", "prometheus_api_client", "pyarrow", "requests"}
#: Not for the layers that compute.
PICTURES: Final = {"altair", "IPython", "ipywidgets", "vl_convert"}


def short(path: Path) -> str:
    """The path as people say it."""
    return path.relative_to(ROOT).as_posix()


def layer(module: str) -> str:
    """The layer that a module of the package belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else "core"


def imports(path: Path) -> Iterator[str]:
    """All modules that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from (f"{module}.{alias.name}" if module == "rmtoolkit" else module for alias in node.names)


@pytest.mark.parametrize("path", TESTS, ids=short)
def test_every_test_says_in_a_sentence_what_it_shows(path: Path) -> None:
    """Each test function has a docstring that begins with one sentence."""
    silent = [
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test")
        and not re.match(r".*[.?]$", (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " "))
    ]
    assert silent == []


@pytest.mark.parametrize("name", rm.__all__)
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    """The list of public names is the truth, and each has an example."""
    assert ">>>" in (getattr(rm, name).__doc__ or "")
    assert name in dir(rm)


@pytest.mark.parametrize("name", [name for name in rm.__all__ if isinstance(getattr(rm, name), type)])
def test_every_public_method_is_documented(name: str) -> None:
    """Who holds a result, a lake or a dashboard finds out from each method what it gives."""
    kind = getattr(rm, name)
    ours = {own: value for own, value in vars(kind).items() if not own.startswith("_")}
    silent = [
        own
        for own, value in ours.items()
        if (inspect.isroutine(value) or isinstance(value, property | functools.cached_property))
        and not inspect.getdoc(value)
    ]
    assert silent == []


@pytest.mark.parametrize("path", [path for path in PACKAGE if path != ROOT / "rmtoolkit" / "__init__.py"], ids=short)
def test_imports_never_go_back(path: Path) -> None:
    """Loaders, recording, analysis, views, command line: each layer knows only those before it.

    The package's own ``__init__`` is left out: the front door names every room.
    """
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    allowed = LAYERS[layer(module)]
    back = {name for name in imports(path) if name.split(".")[0] == "rmtoolkit" and layer(name) not in allowed}
    assert back == set()


def test_no_modules_import_each_other() -> None:
    """Imports, those for types and inside functions too, lead nowhere back."""
    assert circles(graph(ROOT / "rmtoolkit")) == []


@pytest.mark.parametrize("path", [path for path in PACKAGE if "views" not in path.parts], ids=short)
def test_what_computes_draws_nothing(path: Path) -> None:
    """Charts and widgets are the business of the views."""
    assert {name.split(".")[0] for name in imports(path)} & PICTURES == set()


#: What writes and decides nothing: patches, names of places in code, spans of time, PromQL.
WRITES: Final = {
    "rmtoolkit.limits.patches": {"documents", "fragment", "obstacle", "patches_yaml", "per_workload"},
    "rmtoolkit.analysis.heap_answers": {"place", "spans"},
    "rmtoolkit.analysis.queries": {"alerts", "quoted"},
}
#: Views that ask analysis or limits themselves. A heap profile is answered where it is given: to Triage, or to its own
#: page; and LimitExplorer asks for limits that no Assessment has: those of the slider.
STILL_COMPUTE: Final[dict[str, set[str]]] = {
    "rmtoolkit/views/heap.py": {"answer", "answer_allocator", "answer_diff"},
    "rmtoolkit/views/dashboards/triage.py": {"answer", "profiles_by_workload"},
    "rmtoolkit/views/dashboards/explorer.py": {
        "as_need",
        "choose",
        "measured_spike",
        "measured_threads",
        "of_workload",
        "scene",
    },
}


MODULES: Final = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in PACKAGE}


def computing(path: Path) -> set[str]:
    """Names of functions and modules that a file imports from analysis and limits."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or layer(node.module or "") not in ("analysis", "limits"):
            continue
        module = importlib.import_module(str(node.module))
        # What is not there at run time is the name of a type.
        names = {alias.name for alias in node.names if callable(getattr(module, alias.name, str))}
        types = {name for name in names if isinstance(getattr(module, name, str), type)}
        packages = {alias.name for alias in node.names if f"{node.module}.{alias.name}" in MODULES}
        found |= (names - types - WRITES.get(str(node.module), set())) | packages
    return found


@pytest.mark.parametrize("path", [path for path in PACKAGE if "views" in path.relative_to(ROOT).parts], ids=short)
def test_no_view_computes(path: Path) -> None:
    """Views take records, enums and schemas from analysis and limits; what is true they read in the Assessment."""
    assert computing(path) == STILL_COMPUTE.get(short(path), set())


def test_a_name_leaves_the_collector_of_garbage_as_it_was() -> None:
    """It rests while a module is imported: who had stopped it finds it stopped, and others find it at work."""
    gc.disable()
    try:
        assert callable(rm.read)
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert callable(rm.read)
    assert gc.isenabled()


def overridden(calls: list[ast.Call], place: int | None, name: str) -> bool:
    """Whether all calls of a function say what a parameter is."""
    return all(
        any(said.arg == name for said in call.keywords)
        or (place is not None and len(call.args) > place and not any(isinstance(one, ast.Starred) for one in call.args))
        for call in calls
    )


def test_every_default_is_taken_by_somebody() -> None:
    """What all callers of a function say themselves has no default: one would decide nothing, and look as if it did."""
    trees = {path: list(ast.walk(ast.parse(path.read_text("utf-8")))) for path in PACKAGE}
    nodes = [node for tree in trees.values() for node in tree]
    calls = collections.defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            calls[node.func.id if isinstance(node.func, ast.Name) else node.func.attr].append(node)
    called = {id(call.func) for found in calls.values() for call in found}
    # Others call what is public, and who hands a function on leaves open how it will be called.
    known = {*rm.__all__} | {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called}
    known |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and id(node) not in called}
    idle = []
    for path, tree in trees.items():
        for node in tree:
            if not isinstance(node, ast.FunctionDef) or node.name in known or not calls[node.name]:
                continue
            named = [*node.args.posonlyargs, *node.args.args]
            bound = int(bool(named) and named[0].arg in {"self", "cls"})
            places: dict[str, int | None] = {one.arg: at for at, one in enumerate(named, -bound)}
            names = list(places)[len(named) - len(node.args.defaults) :]
            said = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            names += [one.arg for one, value in said if value is not None]
            idle += [
                f"{short(path)}:{node.lineno} {node.name}({name})"
                for name in names
                if overridden(calls[node.name], places.get(name), name)
            ]
    assert not idle, idle


def test_importing_the_package_loads_nothing_slow() -> None:
    """`import rmtoolkit` is free, and no module loads what only some of its functions need."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE
        # A dashboard is imported only by who wants widgets.
        if path.name != "__main__.py" and "dashboards" not in path.parts
    ]
    code = (
        "import sys, importlib, rmtoolkit\n"
        f"assert not {HEAVY | {'polars', 'numpy'}!r} & set(sys.modules), 'import rmtoolkit'\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    slow = {HEAVY!r} & set(sys.modules)\n"
        "    assert not slow, (name, slow)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", ["prometheus", "kubectl_top", "parquet"])
def test_a_saved_file_becomes_a_row_through_few_modules(form: str, tmp_path: Path) -> None:
    """Who wants to follow one file to its row of verdicts reads at most 35 of our modules."""
    samples = ROOT / "data" / "samples"
    file = {"prometheus": samples / "vivid-vole.json", "kubectl_top": samples / "fair-badger.top.log"}.get(form)
    if file is None:
        file = tmp_path / "vivid-vole.parquet"
        rm.read(samples / "vivid-vole.json").write(file)
    code = (
        "import sys, rmtoolkit as rm\n"
        f"assert rm.classify(rm.read({str(file)!r})).height\n"
        "ours = sorted(name for name in sys.modules if name.startswith('rmtoolkit'))\n"
        "assert len(ours) <= 35, ours\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    """A slip of the finger gets Python's usual answer; the version is there."""
    with pytest.raises(AttributeError, match="no attribute 'clasify'"):
        getattr(rm, "clasify")  # noqa: B009 - the type checkers know that there is none
    assert re.fullmatch(r"\d+\.\d+\.\d+", rm.__version__)


def plain(requirement: str) -> str:
    """The name in a requirement, as indexes write it."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_the_lock_is_complete_and_names_no_place() -> None:
    """Every dependency of every extra and group is pinned with hashes, and no address stands in the lock."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert not re.search(r"://| @ |index|pypi|mirror", lock.replace("importlib", ""))
    blocks = re.split(r"^(?=[a-z0-9-]+==)", lock, flags=re.MULTILINE)[1:]
    pins = {block.split("==")[0] for block in blocks}
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(name for extra in project["project"]["optional-dependencies"].values() for name in extra),
        *project["dependency-groups"]["dev"],
    ]
    assert sorted({plain(requirement) for requirement in wanted} - pins) == []


def stored_files() -> list[Path]:
    """All files of the project, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is on PATH
        capture_output=True,
        check=True,
        cwd=ROOT,
    ).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_nothing_that_a_test_started_is_awaited_for_ever() -> None:
    """What is still there after a while is ended, also where a test has failed and waits within its `with`."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as left:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    assert left.returncode == -signal.SIGKILL


def test_no_link_is_stored() -> None:
    """A link leads to a place on one machine, and checking it out over a folder of that name deletes the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--stage"],  # noqa: S607 - git is on PATH
        capture_output=True,
        check=True,
        cwd=ROOT,
    ).stdout.decode()
    assert [entry for entry in listed.split("\0") if entry.startswith("120000")] == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """Paths of a developer's machine and addresses of package indexes are of no use to others."""
    places = re.compile(rb"(?<![\w.])/(work|root|Users)/|/home/(?!user|app)\w|py" + rb"pi\.org|python" + rb"hosted")
    found = {short(path): match[0] for path in stored_files() if (match := places.search(path.read_bytes()))}
    assert found == {}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_documents_name_only_what_exists(document: str) -> None:
    """Every make target, file and public name that a document mentions is there."""
    text = (ROOT / document).read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert sorted(set(re.findall(r"`make ([a-z]+)", text)) - targets) == []
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert sorted(link for link in links if not (ROOT / link).exists()) == []
    assert sorted(set(re.findall(r"\brm\.([A-Za-z_]+)\(", text)) - set(rm.__all__)) == []


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    """The first section is what is not released yet."""
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert sections[0] == "[Unreleased]"
