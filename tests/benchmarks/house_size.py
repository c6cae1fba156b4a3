"""Measure the house: by package files, lines, code, docstrings of internals, loose dictionaries; and import circles.

Usage: ``python tests/benchmarks/house_size.py [FOLDER]``. Code is a line with a token that is neither a comment nor a
docstring. Internal is all that is no name of ``rm.__all__`` and no method of one.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2] / "rmtoolkit"
WIDTHS: Final = {
    "files": 7,
    "lines": 9,
    "SLOC": 9,
    "functions": 10,
    "docstring lines": 16,
    "of internals": 13,
    "dict[str, Any]": 15,
    "over 700": 9,
}
_BLANK: Final = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(node: ast.AST, public: set[str], *, shown: bool = False) -> Iterator[tuple[range, bool]]:
    """Give each docstring's lines, and whether it is of a public name or a method of one."""
    if isinstance(node, Documented):
        shown = shown or getattr(node, "name", None) in public
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            yield range(first.lineno, (first.end_lineno or first.lineno) + 1), shown
    for child in ast.iter_child_nodes(node):
        yield from docstrings(child, public, shown=shown)


def public_names(package: Path) -> dict[str, set[str]]:
    """Give the public names by the module that they come from, as the front door imports them."""
    homes: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse((package / "__init__.pyi").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module != "__future__":
            homes.setdefault(node.module.removeprefix(f"{package.name}."), set()).update(a.name for a in node.names)
    return homes


def count(file: Path, public: set[str]) -> Counter[str]:
    """Count one file."""
    text = file.read_text("utf-8")
    tree = ast.parse(text)
    said = list(docstrings(tree, public))
    in_docstrings = {line for lines, _ in said for line in lines}
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _BLANK
        for line in range(token.start[0], token.end[0] + 1)
    }
    return Counter(
        {
            "files": 1,
            "lines": len(text.splitlines()),
            "SLOC": len(code - in_docstrings),
            "functions": sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree)),
            "docstring lines": len(in_docstrings),
            "of internals": sum(len(lines) for lines, shown in said if not shown),
            "dict[str, Any]": text.count("dict[str, Any]"),
            "over 700": int(len(code - in_docstrings) > 700),
        }
    )


def module_name(file: Path, package: Path) -> str:
    """Name the module of a file."""
    parts = [package.name, *file.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """Give every module, or name in a module, that is imported: for types only, and inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level + is_package or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def graph(package: Path) -> dict[str, set[str]]:
    """Say of each module which others of the package it imports; the front door, which names all rooms, is left out."""
    files = {module_name(file, package): file for file in package.rglob("*.py")}
    edges: dict[str, set[str]] = {}
    for module, file in files.items():
        if module == package.name:
            continue
        names = imported(ast.parse(file.read_text("utf-8")), module, is_package=file.name == "__init__.py")
        homes = {name if name in files else name.rpartition(".")[0] for name in names}
        edges[module] = (homes & files.keys()) - {module, package.name}
    return edges


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Give the groups of modules of which each leads to all others (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(edges.get(module, ())):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            place = stack.index(module)
            found.append(sorted(stack[place:]))
            del stack[place:]

    for module in sorted(edges):
        if module not in index:
            visit(module)
    return [group for group in found if len(group) > 1]


def main(arguments: list[str] | None = None) -> None:
    """Count and print."""
    given = sys.argv[1:] if arguments is None else arguments
    package = Path(given[0]).resolve() if given else ROOT
    homes = public_names(package)
    rooms: dict[str, Counter[str]] = {}
    for file in sorted(package.rglob("*.py")):
        inside = file.relative_to(package).parts
        module = module_name(file, package).removeprefix(f"{package.name}.")
        rooms.setdefault(inside[0] if len(inside) > 1 else "top level", Counter()).update(
            count(file, homes.get(module, set()))
        )
    rooms = {"all": sum(rooms.values(), Counter()), **dict(sorted(rooms.items(), key=lambda room: -room[1]["SLOC"]))}
    print(f"{'':12}" + "".join(f"{name:>{width}}" for name, width in WIDTHS.items()))
    for name, counted in rooms.items():
        print(f"{name:12}" + "".join(f"{counted[what]:>{width},}" for what, width in WIDTHS.items()))
    assets = [file for kind in ("js", "css") for file in package.rglob(f"*.{kind}")]
    lines = sum(len(file.read_text("utf-8").splitlines()) for file in assets)
    print(f"\nJavaScript and CSS: {len(assets)} files, {lines} lines")
    edges = graph(package)
    once = Counter(other for others in edges.values() for other in others)
    print(f"Modules that exactly one other imports: {sum(times == 1 for times in once.values())}")
    found = circles(edges)
    print(f"Import circles, imports for types and inside functions counted: {len(found)}")
    for group in found:
        print(f"  {' '.join(group)}")


if __name__ == "__main__":
    main()
