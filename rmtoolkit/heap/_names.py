"""Frames, and whose code they are: the user's own, a dependency's, Rust's or the system's."""

from __future__ import annotations

import re
from array import array
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit._tables import conform
from rmtoolkit.exceptions import quote_path, warn
from rmtoolkit.heap.profile import FRAMES, STACKS
from rmtoolkit.schema import Report
from rmtoolkit.text import counted, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

#: Origins of a frame, the nearest to the user first.
OWN, DEPENDENCY, STD, SYSTEM = "own", "dependency", "std", "system"
#: Stands for callers of which massif says no more than how much came through them.
CUT_OFF: Final = "(all others below massif's threshold)"
_FOLDERS: Final[dict[str, list[str]]] = texts("heap/folders")
_CRATES: Final = {name: origin for origin, names in texts("heap/crates").items() for name in names}

_STD_FILE: Final = re.compile(
    r"/rustc/[0-9a-f]{6,}/|^/rust/deps/|/rustlib/src/rust/"
    r"|(?:^|/)library/(?:alloc|core|std|proc_macro|test|panic_\w+|unwind|backtrace|stdarch|compiler-builtins"
    r"|portable-simd|rtstartup)/"
)
#: Go's own library: where it is installed, or without that (-trimpath).
_GO_FILE: Final = re.compile(
    rf"(?:^|/go[\w.-]{{0,40}}/(?:[^/]{{0,40}}/)?src/|/toolchain@[^/]{{0,80}}/src/)(?:{'|'.join(_FOLDERS['go'])})/"
)
_DEPENDENCY_FILE: Final = re.compile(
    r"/\.?cargo/(?:registry|git)/|/registry/src/|/git/checkouts/|(?:^|/)(?:cargo-)?vendor(?:-dir|ed)?/"
    # What remains of a registry's path where a build hides it: a folder of name and version.
    r"|(?:^|/)[A-Za-z0-9_-]+-\d++\.\d++\.\d[^/]*+/"
    # A module of Go, and what a compiler of messages wrote.
    r"|@v\d{1,9}\.\d|\.pb\.(?:go|cc|h)$"
)
_REPOSITORY: Final = re.compile(r"(?:^|/)((?:[\w-]+\.)+[a-z]+/[^/]+/[^/]+)/")
_PACKAGE: Final = re.compile(r"/([A-Za-z0-9_-]+)-\d++\.\d++\.\d[^/]*+/")
_ABSOLUTE: Final = re.compile(r"/|[A-Za-z]:/")
_SYSTEM_FILE: Final = re.compile(
    rf"^(?:\./|\.\./)+(?:{'|'.join(map(re.escape, _FOLDERS['libc']))})/|^/build/|^/usr/(?:src|include)/"
)
#: Libraries of the system; programs stand there as well (/usr/lib/postgresql/15/bin/postgres).
_SYSTEM_MODULE: Final = re.compile(
    r"^(?:/usr)?/lib(?:32|64|x32|exec)?/.*\.so\b|^linux-(?:vdso|gate)|^\[|^/nix/store/[^/]*glibc"
)

#: What is loaded on demand comes with the program, wherever it is installed.
_EXTENSION: Final = re.compile(r"/(?:(?:dist|site)-packages|node_modules|gems|modules|plugins?)/")

#: What runs before the program does, and what allocates for it.
_RUNTIME: Final = re.compile(
    r"_*(?:start|libc_start\w*|rust_\w+|rdl_\w+|rg_\w+|clone3?|(?:je_|mi_|tc_|rjem_)?(?:m|c|re|aligned_|posix_mem)alloc\w*"
    r"|posix_memalign|mallocx|xallocx|rallocx|operator new.*|main|start_thread|pthread_create\w*)$"
)
#: What a program puts around its allocator, to count or to choose; and Rust's own way to it.
_ALLOCATOR: Final = re.compile(
    r"(?:^__rustc::| as (?:core|std|alloc|allocator_api2)::(?:\w+::)*(?:GlobalAlloc|Allocator)>::)"
    # Valgrind names inlined functions without their path, or not at all.
    r"|^(?:alloc|alloc_zeroed|realloc|allocate|__r(?:ust|dl|g)_(?:alloc|alloc_zeroed|realloc)|UnknownInlinedFun"
    # C's, wherever they stand: what they give is the caller's.
    r"|_*(?:IO_)?(?:(?:str|strn|wcs)dup|v?asprintf(?:_internal|_chk)?))$"
)
#: By its name C's own way to memory (zmalloc, ngx_palloc, MemoryContextAlloc), where several call it.
WRAPPER: Final = re.compile(r"(?i)(?<!de)(?:alloc(?!ation)|strn?dup)")
#: C++: files of its library, names left to its headers, operators that look like brackets, what is behind arguments.
_CPP_OWN: Final = re.compile(
    r"(?:(?:st[dl]_|hashtable|unordered_|shared_ptr)\w*|alloc_traits|new_allocator|basic_string|unique_ptr)\.h\n"
    r"|\w+\.tcc\n|invoke\.h\n__invoke|[^/]+\.h\n_(?:[MS]_|[_A-Z]\w*<)"
)
_CPP_OPERATOR: Final = re.compile(r"(?<=\boperator)(?:\(\)|[<>=-]+)")
_CPP_BEHIND: Final = re.compile(r"(?: const|&| \[clone [^\]]*+\])*+")
_BASIC: Final = "bool char str u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 fn unsafe extern for _ Self"
_BASIC_TYPES: Final = frozenset(_BASIC.split())
#: A slice, a pointer, a reference or a tuple; brackets around traits are none.
_BUILT_IN: Final = re.compile(r"[\[*&]|\((?!dyn )")
_CLOSURE: Final = re.compile(r"::\{(?:closure|shim)[^{}]*+\}|::\{\{[^{}]*+\}\}")
_HEAD: Final = re.compile(r"^(?:[<&*(\[]|mut |const |dyn |impl |'[a-z_]\w* |for<[^<>]*> )+")
_ROOT: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*")


def _bare(function: str) -> str:
    """Leave out what C++ puts around a name: a type before it, arguments behind it; in round brackets < may compare."""
    if not (end := function.rfind(")") + 1) or not _CPP_BEHIND.fullmatch(function, end):
        return function
    plain = _CPP_OPERATOR.sub(lambda found: "_" * len(found[0]), function[:end])
    depth, angles, begin, outer = 0, 0, 0, len(plain)
    for place, letter in enumerate(plain):
        if not depth + angles and letter == "(":
            outer = place
        elif not depth + angles and letter == " " and not plain.endswith("operator", 0, place):
            begin = begin if plain[place + 1] == "<" else place + 1
        depth += (letter in "([{") - (letter in ")]}")
        angles += 0 if depth else (letter == "<") - (letter == ">")
    return function[begin:outer] if begin < outer else function


@lru_cache(maxsize=1 << 16)
def crates(function: str) -> tuple[str, ...]:
    function = _bare(function)
    if "::" not in function:
        return ()
    if not function.startswith("<"):
        return tuple(_root(function))
    own, trait = _halves(function[1 : _closing(function)])
    # Only Rust's own library gives methods to a type of the language.
    built_in = not trait and (_BUILT_IN.match(own) or own in _BASIC_TYPES)
    return ("core",) if built_in else (*_root(own), *_root(trait))


def _root(path: str) -> list[str]:
    path = _HEAD.sub("", path)
    found = _ROOT.match(path)
    if not found or found[0] in _BASIC_TYPES or not path[found.end() :].startswith("::"):
        return []
    return [found[0]]


def _depths(text: str) -> Iterator[tuple[int, str, int]]:
    """Give each character with its place and the number of brackets that it is in; they are in their own."""
    depth = 0
    for place, character in enumerate(text):
        depth += character == "<"
        yield place, character, depth
        if character == ">" and text[place - 1] != "-":
            depth = max(depth - 1, 0)


def _closing(text: str) -> int:
    return next((place - 1 for place, _, depth in _depths(f"{text} ") if not depth), len(text))


def _halves(inner: str) -> tuple[str, str]:
    for place, character, depth in _depths(inner):
        if character == " " and not depth and inner.startswith(" as ", place):
            return inner[:place], inner[place + 4 :]
    return inner, ""


@lru_cache(maxsize=1 << 16)
def origin(function: str | None, file: str | None, module: str | None) -> str | None:
    if module is not None and _SYSTEM_MODULE.search(module):
        return DEPENDENCY if _EXTENSION.search(module) else SYSTEM
    if _is_library(function or "", file or ""):
        return STD
    names = crates(function or "")
    # A file without its folder says nothing where the name does: there is a main.rs in every crate.
    if file and not (names and "/" not in file):
        path = file.replace("\\", "/")
        if _STD_FILE.search(path) or (path.endswith((".go", ".s")) and _GO_FILE.search(path)):
            return STD
        if _DEPENDENCY_FILE.search(path):
            return DEPENDENCY
        # What is relative to its crate's folder says nothing where the name does: there is a src/lib.rs in every crate.
        if _ABSOLUTE.match(path) or not names:
            return SYSTEM if _SYSTEM_FILE.search(path) else OWN
    if not names:
        return SYSTEM if function is not None and _RUNTIME.match(function) else None
    origins = {_CRATES.get(name, OWN) for name in names}
    return next(each for each in (OWN, DEPENDENCY, STD) if each in origins)


def _is_library(function: str, file: str) -> bool:
    is_cpp = _CPP_OWN.match(f"{file}\n{function}") and all(_CRATES.get(one) == STD for one in crates(function))
    return bool(_ALLOCATOR.search(function) or is_cpp)


def frame_name(function: str | None, module: str | None) -> str:
    if function:
        return plain_name(function)
    return f"({PurePosixPath(module).name}, no symbols)" if module else "(unknown)"


#: What is left where arguments were cut out.
_LEFT_OVER: Final = re.compile(r"::(?=::|$)")


@lru_cache(maxsize=1 << 16)
def plain_name(function: str) -> str:
    """Name the function that the source has: without closures, type arguments and brackets around the type."""
    name = _without_closures(_bare(function))
    if name.startswith("<"):
        end = _closing(name)
        own, trait = _halves(name[1:end])
        own, trait = _without_arguments(own), _without_arguments(trait)
        rest = _without_arguments(name[end + 1 :])
        name = f"<{own} as {trait}>{rest}" if trait else own + rest
    else:
        name = _without_arguments(name)
    return _without_closures(name) or function


def _without_closures(name: str) -> str:
    end = len(name)
    while (begin := name.rfind("::{", 0, end)) >= 0 and _CLOSURE.fullmatch(name, begin, end):
        end = begin
    return name[:end]


def spoken(name: str) -> str:
    """Name a function as people say it: a method of its type, whatever trait it comes from."""
    if not name.startswith("<"):
        return name
    end = _closing(name)
    return _halves(name[1:end])[0] + name[end + 1 :] if end < len(name) else name


def _without_arguments(path: str) -> str:
    kept = "".join(character for _, character, depth in _depths(path) if not depth) if "<" in path else path
    return _LEFT_OVER.sub("", kept)


_Frame = tuple[str | None, str | None, int | None, str | None]

_FOLDER: Final = re.compile(r"[^/]+/")
#: A source file of C without its folder: in a Rust program that is the system's, in one of C++ only this.
_BARE_C_FILE: Final = re.compile(r"[^/]+\.(?:c|cc|cpp|cxx|h|S|s|asm)$")
_LIBC_FILE: Final = re.compile(r"[^/]+\.(?:c|S|s|asm)$|dl-[\w-]+\.h$")
#: Stacks are cut after so many frames, where the program begins; and all together have no more than this.
_MOST_FRAMES: Final = 2048
MOST_ENTRIES: Final = 8 << 20
#: No source file has more lines.
_MOST_LINES: Final = 1 << 31


class FrameTable:
    def __init__(self) -> None:
        self._numbers: dict[_Frame, int] = {}
        self._origins: list[str | None] = []

    def number(
        self, function: str | None, file: str | None, line: int | None, module: str | None, *, inside: str | None = None
    ) -> int:
        """Give the number of a place; the function it is inlined into tells whose it is where its name does not."""
        frame = function, file, line if line is not None and 0 < line < _MOST_LINES else None, module
        number = self._numbers.get(frame)
        if number is None:
            number = self._numbers[frame] = len(self._numbers)
            plain = inside is None or not _is_short(function or "", file or "")
            found = origin(function if plain else inside, file, module)
            # Within what is compiled together files have no folder; one that has is of a crate of its own.
            is_foreign = not plain and found == OWN and _FOLDER.match(file or "")
            self._origins.append(DEPENDENCY if is_foreign else found)
        return number

    def frame(self) -> pl.DataFrame:
        rows = [(number, *frame, self._origins[number]) for frame, number in self._numbers.items()]
        named = {(row[2], row[5] == OWN) for row in rows if crates(row[1] or "")}
        # What is inlined into a dependency's function, and has no path in its name, is told by its file.
        mine = {file for file, is_own in named if file and is_own and (file, False) not in named}
        rows = [(*row[:5], OWN) if row[2] in mine and _is_short(row[1] or "", row[2]) else row for row in rows]
        mains = (_REPOSITORY.search(row[2] or "") for row in rows if row[1] == "main.main")
        if (program := next(filter(None, mains), None)) is not None:
            # What is of another repository than the program in Go is none of its own.
            foreign = re.compile(rf"(?!{re.escape(program[1])}\b)[\w-]+(?:\.[\w-]+)+/")
            rows = [(*row[:5], DEPENDENCY) if row[5] == OWN and foreign.match(row[1] or "") else row for row in rows]
        if any(crates(function or "") for _, function, *_ in rows):
            is_rust = any((row[2] or "").endswith(".rs") or {"core", "alloc"} & {*crates(row[1] or "")} for row in rows)
            # Crates whose own folder stands in the paths of what is inlined are dependencies without it too.
            packages = {
                name.replace("-", "_") for file in {row[2] or "" for row in rows} for name in _PACKAGE.findall(file)
            }
            rows = [
                (*row[:5], _elsewhere(row[1], row[2] or "", packages, is_rust=is_rust)) if row[5] == OWN else row
                for row in rows
            ]
        return pl.DataFrame(rows, schema=FRAMES, orient="row")


def _is_short(function: str, file: str) -> bool:
    """Tell whether a name does not say whose the function is, as valgrind names what is inlined."""
    return not crates(function) and not _is_library(function, file)


def _elsewhere(function: str | None, file: str, packages: AbstractSet[str], *, is_rust: bool) -> str:
    """Tell whose a frame is that looks like the user's own, by all that the profile has."""
    if _BARE_C_FILE.match(file) if is_rust else _LIBC_FILE.match(file):
        return SYSTEM
    roots = () if _ABSOLUTE.match(file) else crates(function or "")
    return DEPENDENCY if roots and all(root in packages or _CRATES.get(root, OWN) != OWN for root in roots) else OWN


def report(
    path: object,
    left_out: Mapping[str, int],
    partial: Sequence[str] = (),
    warnings: Sequence[str] = (),
    *,
    loud: Sequence[str] = (),
    time_axis: str = "as recorded, UTC",
) -> Report:
    """Say what was not read of a profile, and warn of that and of what is loud."""
    left_out = {reason: number for reason, number in left_out.items() if number}
    said = [*partial, *(f"left out {counted(number, reason)}" for reason, number in left_out.items()), *loud]
    if said:
        warn(f"{quote_path(path)}: {'; '.join(said)}.")
    return Report(
        (str(path),), left_out=left_out, partial=tuple(partial), warnings=(*loud, *warnings), time_axis=time_axis
    )


def deep(cut: int) -> list[str]:
    return [f"{counted(cut, 'stacks')} cut because of their depth"] if cut else []


def as_lists(flat: pl.DataFrame, count: int) -> pl.Series:
    # What is known to be in order is cut out, not looked for.
    lists = flat.set_sorted("row").group_by("row", maintain_order=True).agg("frames")
    every = pl.DataFrame({"row": range(count)}, schema={"row": pl.Int64()})
    joined = every.join(lists, on="row", how="left", maintain_order="left")["frames"]
    return joined.fill_null(pl.Series([[]], dtype=pl.List(pl.UInt32)))


def stacks_frame(frames: Iterable[Iterable[int]], amounts: Mapping[str, Sequence[Any]]) -> tuple[pl.DataFrame, int]:
    every, counts, cut = array("I"), [], 0
    # Where all together are too many, each keeps what lies next to its allocation.
    fair = MOST_ENTRIES // max(1, *map(len, amounts.values()))
    for numbers in frames:
        room = min(_MOST_FRAMES, max(MOST_ENTRIES - len(every), fair, 1))
        # A place of many inlined functions that stands in a stack again and again has no end.
        kept = array("I", islice(numbers, room + 1))
        cut += len(kept) > room
        every += kept[:room]
        counts.append(min(len(kept), room))
    flat = pl.DataFrame({"row": np.repeat(np.arange(len(counts)), counts), "frames": np.frombuffer(every, np.uint32)})
    table = pl.DataFrame(amounts, schema={name: STACKS[name] for name in amounts})
    columns = {"stack_id": pl.int_range(1, pl.len() + 1), "suppressed": pl.lit(value=False)}
    table = table.with_columns(as_lists(flat, len(counts)).alias("frames"), **columns)
    return conform(table, STACKS), cut
