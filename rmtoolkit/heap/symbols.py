"""Names for addresses: the binary that was mapped, the file with its debugging information, and addr2line."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeAlias

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote_path
from rmtoolkit.heap._names import FrameTable, stacks_frame
from rmtoolkit.heap.profile import HeapProfile, Module
from rmtoolkit.heap.rust_names import demangle

Paths: TypeAlias = "str | PathLike[str] | Iterable[str | PathLike[str]]"
#: Function, file and line, the innermost of inlined functions first.
Names: TypeAlias = list[tuple[str, str | None, int | None]]

EXPECTED: Final = "a program or library of Linux (ELF, 64 bits)"
_PLACE: Final = re.compile(r".*\+0x([0-9a-f]{1,16})$", re.DOTALL)
#: LLVM writes some names of Rust in its own way, so those stay mangled.
_TOOLS: Final = {"addr2line": "-afiC", "llvm-addr2line": "-afi"}
_SECONDS: Final = 300
_SAID: Final = re.compile(r"(?:\?\?|(.*)):(?:\?|(\d{1,9}))(?: \(discriminator \d+\))?$", re.DOTALL)
_BUILD_ID: Final = re.compile(rb"\x04\0\0\0([\x01-\x40])\0\0\0\x03\0\0\0GNU\0")
_X86_64, _AARCH64 = 62, 183
_SYMBOL: Final = struct.Struct("<IBBHQQ")
#: Most of what is looked at of a table of a file.
_MOST: Final = _SYMBOL.size << 17
#: Of the addresses of a program that it ran; unwinding sometimes goes astray.
_BEHIND_CALLS: Final = 0.9
_ADDRESS: Final = re.compile(r"0x[0-9a-f]+$")
_OTHER_BUILD: Final = "Take it out of the image that ran; debugging information alone is given by debug=."


@dataclass(frozen=True, slots=True)
class Binary:
    """What is known of a file: whose build it is, what of it is loaded where, and where its names are."""

    path: Path
    machine: int
    build_id: str | None
    #: Begin in the file, size in it, and address, of each part that is loaded.
    loads: tuple[tuple[int, int, int], ...]
    has_names: bool
    has_lines: bool
    #: Begin and end of each function that it exports, in order: where it is stripped nothing else has a name.
    exported: tuple[tuple[int, int], ...]
    #: Name and checksum of the file with the debugging information.
    link: tuple[str, int] | None

    @property
    def told(self) -> str:
        return f"build-id {self.build_id or '(none)'}"

    def address(self, offset: int) -> int | None:
        return next((offset - begin + to for begin, size, to in self.loads if begin <= offset < begin + size), None)

    def names(self, address: int) -> bool:
        before = self.exported[: bisect_right(self.exported, (address + 1,))]
        return self.has_names or (bool(before) and address < before[-1][1])

    def behind_calls(self, offsets: Iterable[int]) -> int:
        found, size = 0, self.path.stat().st_size
        with self.path.open("rb") as file:
            for offset in offsets:
                if offset > size:
                    continue
                file.seek(max(offset - 8, 0))
                code = file.read(min(offset, 8))
                found += len(code) == 8 and bool(_is_call(code) if self.machine == _X86_64 else _is_branch(code))
        return found


def _is_call(code: bytes) -> bool:
    return code[-5] == 0xE8 or any(code[-size] == 0xFF and code[1 - size] >> 3 & 7 == 2 for size in (2, 3, 4, 6, 7))


def _is_branch(code: bytes) -> bool:
    (word,) = struct.unpack_from("<I", code, 4)
    return bool(word >> 26 == 0x25 or word & 0xFFFFFC1F == 0xD63F0000)


def read_binary(path: str | PathLike[str]) -> Binary:
    with Path(path).open("rb") as file:
        head = file.read(64)
        if not head.startswith(b"\x7fELF\x02\x01"):
            raise ReadError.at(path, found=head[:16], expected=EXPECTED)
        try:
            return _elf(Path(path), file, head)
        except (struct.error, OverflowError, IndexError, ValueError, OSError):
            raise ReadError.at(path, found="a file that is cut off or damaged", expected=EXPECTED) from None


def _elf(path: Path, file: BinaryIO, head: bytes) -> Binary:
    def part(begin: int, size: int) -> bytes:
        file.seek(begin)
        return file.read(min(size, _MOST))

    machine, at, sections_at = *struct.unpack_from("<H", head, 18), *struct.unpack_from("<QQ", head, 32)
    _, count, _, section_count, names_in = struct.unpack_from("<5H", head, 54)
    segments = list(struct.iter_unpack("<IIQQQQQQ", part(at, 56 * count)))
    sections = list(struct.iter_unpack("<IIQQQQIIQQ", part(sections_at, 64 * section_count)))
    texts = part(*sections[names_in][4:6]) if sections else b""
    named = {texts[one[0] : texts.find(b"\0", one[0])]: (one[4], one[5]) for one in sections}
    notes = [part(begin, size) for kind, _, begin, _, _, size, *_ in segments if kind == 4]
    notes.append(part(*named.get(b".note.gnu.build-id", (0, 0))))
    ids = (note[found.end() :][: found[1][0]].hex() for note in notes if (found := _BUILD_ID.search(note)))
    link = part(*named.get(b".gnu_debuglink", (0, 0)))
    symbols_at, symbols_size = named.get(b".dynsym", (0, 0))
    table = part(min(symbols_at, file.seek(0, os.SEEK_END)), symbols_size)
    # Functions, also those of which the program chooses one as it starts, are of the kinds 2 and 10.
    exported = _SYMBOL.iter_unpack(table[: len(table) // _SYMBOL.size * _SYMBOL.size])
    return Binary(
        path,
        machine,
        next(ids, None),
        tuple((begin, size, to) for kind, _, begin, to, _, size, *_ in segments if kind == 1 and size),
        b".symtab" in named,
        any(name in named for name in (b".debug_info", b".zdebug_info")),
        tuple(sorted((at, at + size) for _, kind, *_, at, size in exported if size and kind & 15 in (2, 10))),
        (link.partition(b"\0")[0].decode("utf-8", "replace"), *struct.unpack("<I", link[-4:])) if link else None,
    )


def symbolised(heap: HeapProfile, binary: Paths | None, debug: Paths | None) -> HeapProfile:
    if not heap.modules:
        return heap
    wanted: dict[str, dict[int, int]] = {}
    for number, function, module in heap.frames.select("frame_id", "function", "module").iter_rows():
        if module in heap.modules and function and (found := _PLACE.match(function)):
            wanted.setdefault(module, {})[number] = int(found[1], 16)
    given = _given(_several(binary), heap.modules)
    folders = _several(debug)
    own = next(iter(heap.modules))
    # Libraries look alike on many machines.
    is_here = _mapped(own, heap.modules[own]) is not None
    names: dict[int, Names] = {}
    notes: list[str] = []
    for module, places in wanted.items():
        file = given.get(module) or (_mapped(module, heap.modules[module]) if is_here else None)
        before = None if file is None else _before_calls(file, places.values())
        if file is None or (before is None and module not in given):
            continue
        if before is None:
            expected = f"the build of {module} that ran: no calls stand at the profile's addresses"
            raise ReadError.at(file.path, found=file.told, expected=expected, hint=_OTHER_BUILD)
        source = _with_lines(file, folders)
        if source is None and (module in given or module == own):
            lacks = "functions that it does not export" if file.exported else "functions"
            lacks = "inlined functions and lines" if file.has_names else lacks
            notes.append(
                f"{quote_path(file.path)} has no debugging information, so {lacks} have no names: name its folder "
                "(debug=, on the command line --debug)"
            )
        if source is None and not (file.has_names or file.exported):
            continue
        addresses = {number: file.address(place - before) for number, place in places.items()}
        asked = {address for address in addresses.values() if address is not None}
        said = _ask(source or file.path, sorted(asked), needed=bool(given))
        # The nearest function that is exported is not the one that stands there.
        said = {address: found for address, found in said.items() if source or file.names(address)}
        names |= {number: said[address] for number, address in addresses.items() if address in said}
    if own in wanted and not notes and not names.keys() & wanted[own].keys():
        notes.append(
            "no symbols, so functions have no names: give the binary that ran (binary=, on the command line --binary)"
        )
    if notes:
        heap = replace(heap, report=replace(heap.report, warnings=(*heap.report.warnings, *notes)))
    return _renamed(heap, names) if names else heap


def _renamed(heap: HeapProfile, names: Mapping[int, Names]) -> HeapProfile:
    table = FrameTable()
    numbers: dict[int, list[int]] = {}
    for number, function, file, line, module, _ in heap.frames.iter_rows():
        found = names.get(number) or [(function, file, line)]
        numbers[number] = [table.number(*one, module, inside=found[-1][0]) for one in found]
    lists = [[name for frame in frames for name in numbers[frame]] for frames in heap.stacks["frames"].to_list()]
    amounts = heap.stacks.drop("stack_id", "suppressed", "frames").to_dict(as_series=False)
    return replace(heap, stacks=stacks_frame(lists, amounts)[0], frames=table.frame())


def _several(paths: Paths | None) -> list[Path]:
    return [Path(one) for one in ([paths] if isinstance(paths, str | PathLike) else paths or ())]


def _given(paths: Sequence[Path], modules: Mapping[str, Module]) -> dict[str, Binary]:
    found: dict[str, Binary] = {}
    for binary in map(read_binary, paths):
        by_build = (one for one, about in modules.items() if binary.build_id and about.build_id == binary.build_id)
        own_name = binary.path.name
        by_name = (one for one in modules if PurePosixPath(one.removesuffix(" (deleted)")).name == own_name)
        module = next(by_build, None) or next(by_name, None) or next(iter(modules))
        told = modules[module].build_id
        if told is not None and told != binary.build_id:
            expected = f"build-id {told}, that of {module} in the profile"
            raise ReadError.at(binary.path, found=binary.told, expected=expected, hint=_OTHER_BUILD)
        found[module] = binary
    return found


def _mapped(module: str, about: Module) -> Binary | None:
    path = Path(module)
    try:
        if not path.is_file() or (about.build_id is None and path.stat().st_ino != about.inode):
            return None
        binary = read_binary(path)
    except (OSError, ValueError, ReadError):
        return None
    return binary if about.build_id in (None, binary.build_id) else None


def _before_calls(binary: Binary, places: Iterable[int]) -> int | None:
    """Tell whether places stand inside calls (0) or behind them (1); None where they are of another build."""
    if binary.machine not in (_X86_64, _AARCH64):
        return 0
    every = set(places)
    inside, behind = (binary.behind_calls(place + more for place in every) for more in (1, 0))
    return None if max(inside, behind) < _BEHIND_CALLS * len(every) else int(behind > inside)


def _with_lines(binary: Binary, folders: Sequence[Path]) -> Path | None:
    if binary.has_lines:
        return binary.path
    link, checksum = binary.link or (f"{binary.path.name}.debug", None)
    first, rest = (binary.build_id or "")[:2], (binary.build_id or "")[2:]
    names = [f".build-id/{first}/{rest}.debug", f"{first}/{rest}.debug", f"{first}{rest}/debuginfo"] if rest else []
    here = binary.path.parent
    for folder in (*folders, here, here / ".debug", Path("/usr/lib/debug")):
        for name in (*names, PurePosixPath(link).name):
            file = folder / name
            if not file.is_file():
                continue
            other = read_binary(file)
            same = other.build_id == binary.build_id if binary.build_id else zlib.crc32(file.read_bytes()) == checksum
            if same and other.has_lines:
                return file
            if not same and folder in folders:
                expected = f"{binary.told}, that of {binary.path}"
                raise ReadError.at(file, found=other.told, expected=expected, hint=_OTHER_BUILD)
    return None


def _ask(path: Path, addresses: Sequence[int], *, needed: bool) -> dict[int, Names]:
    tool = next((name for name in _TOOLS if shutil.which(name)), None)
    if tool is None and needed:
        msg = "Names for addresses need addr2line, which is not here. Hint: install binutils or llvm."
        raise RmtoolkitError(msg)
    if tool is None:
        return {}
    # LLVM would ask servers for what it does not find.
    quiet = {name: value for name, value in os.environ.items() if name != "DEBUGINFOD_URLS"}
    try:
        done = subprocess.run(  # noqa: S603 - the names of tools are ours
            [tool, _TOOLS[tool], "-e", str(path.absolute())],
            input="".join(f"{address:#x}\n" for address in addresses).encode(),
            env=quiet,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        msg = f"{tool} took longer than {_SECONDS} s to read {quote_path(path)}."
        raise RmtoolkitError(msg) from None
    found: dict[int, Names] = {}
    lines = iter(done.stdout.decode("utf-8", "replace").splitlines())
    names: Names = []
    for line in lines:
        if _ADDRESS.match(line):
            names = found.setdefault(int(line, 16), [])
        elif (said := _SAID.match(next(lines, ""))) and line != "??":
            names.append((demangle(line), said[1], int(said[2]) if said[2] else None))
    return found
