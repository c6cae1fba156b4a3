"""Addresses get the names that addr2line gives them, from the build that ran and from no other."""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm
from rmtoolkit.cli import main
from rmtoolkit.exceptions import ReadError
from rmtoolkit.heap import symbols
from rmtoolkit.heap.rust_names import demangle
from tests.heap import makers
from tests.heap.conftest import BUILDS, library, needed

if TYPE_CHECKING:
    from rmtoolkit.heap.profile import HeapProfile
    from tests.heap.conftest import Workshop

SETTINGS: Final = {
    "jemalloc": ("libjemalloc.so.2", {"MALLOC_CONF": "prof:true,lg_prof_sample:0,prof_final:true,prof_prefix:{}"}),
    "gperftools": ("libtcmalloc.so.4", {"HEAPPROFILE": "{}"}),
}


def dump(workshop: Workshop, program: Path, allocator: str = "jemalloc") -> Path:
    """Run one of the services with an allocator that dumps at the end."""
    preloaded, settings = SETTINGS[allocator]
    prefix = workshop.folder / f"{allocator}-{program.name}"
    told = {name: text.format(prefix) for name, text in settings.items()}
    workshop.said(f"{prefix.name}.log", program, "per_request", 400, LD_PRELOAD=library(preloaded), **told)
    return max(workshop.folder.glob(f"{prefix.name}.*.heap"))


def build(workshop: Workshop, name: str = "usual", *more: str) -> Path:
    """Compile the services."""
    needed("addr2line", "objcopy", "strip")
    flags = ("--crate-name", "leaks", *BUILDS[name], *more)
    return workshop.program("leaks.rs", *flags, name="-".join(["leaks", name, *("other" for _ in more[:1])]))


def addresses(text: str, program: Path) -> dict[int, int]:
    """The addresses of a dump that are the program's, and where the program has them."""
    maps = re.findall(rf"^([0-9a-f]+)-([0-9a-f]+) .*{program.name}$", text, re.MULTILINE)
    begin, end = int(maps[0][0], 16), int(maps[-1][1], 16)
    every = {int(word, 16) for line in re.findall(r"@ (.*0x.*)", text) for word in line.split()}
    return {address: address - 1 - begin for address in sorted(every) if begin <= address < end}


def addr2line(program: Path, places: list[int]) -> list[list[tuple[str, str | None, int | None]]]:
    """What addr2line says of places."""
    asked = [f"{place:#x}" for place in places]
    tool = shutil.which("addr2line") or "addr2line"
    said = subprocess.run([tool, "-afi", "-e", program, *asked], capture_output=True, check=True, text=True)
    blocks = [block.split("\n") for block in re.split(r"^0x[0-9a-f]{16}\n", said.stdout, flags=re.MULTILINE)[1:]]
    found = []
    for block in blocks:
        pairs = zip(block[::2], block[1::2], strict=False)
        parts = [(name, *re.sub(r" \(disc.*", "", place).rsplit(":", 1)) for name, place in pairs]
        found.append(
            [
                (demangle(name), None if file == "??" else file, int(line) if line.isdigit() and int(line) else None)
                for name, file, line in parts
            ]
        )
    return found


def rows(heap: HeapProfile, module: str) -> list[list[tuple[str, str | None, int | None]]]:
    """The frames of each stack that are the program's."""
    named = {
        number: (function, file, line)
        for number, function, file, line, where, _ in heap.frames.iter_rows()
        if where is not None and where.endswith(module)
    }
    return [[named[frame] for frame in frames if frame in named] for frames in heap.stacks["frames"].to_list()]


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("allocator", SETTINGS)
def test_every_frame_is_what_addr2line_says(workshop: Workshop, allocator: str, name: str) -> None:
    """Of the binary that was mapped, and is still there: inlined functions, names, files and lines of each stack."""
    program = build(workshop, name)
    text = (file := dump(workshop, program, allocator)).read_text()
    places = addresses(text, program)
    told = dict(zip(places, addr2line(program, list(places.values())), strict=True))
    stacks = [
        [int(word, 16) for word in line.split()] for line in re.findall(r"^.*@((?: 0x[0-9a-f]+)+)$", text, re.MULTILINE)
    ]
    expected = [[frame for address in stack if address in told for frame in told[address]] for stack in stacks]
    heap = rm.read_heap(file)
    assert sorted(map(str, rows(heap, program.name))) == sorted(map(str, expected))
    assert sum(len(frames) > 1 for frames in told.values()) >= 3
    assert any("leaks" in frame[0] for stack in expected for frame in stack)
    assert not any("no symbols" in note for note in heap.report.warnings)


def moved(workshop: Workshop, program: Path, folder: Path) -> tuple[Path, Path]:
    """A dump as it comes from elsewhere, and the binary under another name."""
    file = folder / "dump.heap"
    file.write_text(dump(workshop, program).read_text().replace(str(program), "/app/service"))
    return file, Path(shutil.copy(program, folder / "service-1.2.3"))


def test_the_binary_is_given(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it a note asks for it; with it the command names the function."""
    file, binary = moved(workshop, build(workshop), tmp_path)
    without = rm.read_jeprof(file)
    assert "no symbols, so functions have no names: give the binary that ran" in without.report.warnings[-1]
    assert without.frames["function"].str.starts_with("service+0x").any()
    assert main(["heap", str(file), "--binary", str(binary)]) == 0
    said = capsys.readouterr().out
    assert "leaks::" in said
    assert "no symbols" not in said
    assert not any("service+0x" in str(row) for row in rows(rm.read_jeprof(file, binary=binary), "/app/service"))


def test_a_binary_of_another_build(workshop: Workshop, tmp_path: Path) -> None:
    """Calls stand elsewhere in it, and that is said with its build-id."""
    file, binary = moved(workshop, build(workshop), tmp_path)
    other = build(workshop, "usual", "-C", "opt-level=1")
    told = symbols.read_binary(other).build_id
    assert told
    assert told != symbols.read_binary(binary).build_id
    with pytest.raises(ReadError, match=rf"leaks-usual-other.*build-id {told}.*the build of /app/service that ran"):
        rm.read_heap(file, binary=other)
    with pytest.raises(ReadError, match=r"found '#!/bin/.*expected a program or library of Linux"):
        rm.read_heap(file, binary=Path(shutil.which("ldd") or "/usr/bin/ldd"))


def test_debugging_information_of_its_own(workshop: Workshop, tmp_path: Path) -> None:
    """By name, by build-id as Debian stores it and as a cache of debuginfod does; that of another build is an error."""
    file, binary = moved(workshop, build(workshop), tmp_path)
    expected = rows(rm.read_heap(file, binary=binary), "/app/service")
    told = symbols.read_binary(binary).build_id or ""
    debug = tmp_path / "service.debug"
    workshop.run(["objcopy", "--only-keep-debug", binary, debug])
    workshop.run(["strip", "--strip-all", binary])
    workshop.run(["objcopy", f"--add-gnu-debuglink={debug}", binary])
    stored = [tmp_path / "a" / "service.debug", tmp_path / "b" / ".build-id" / told[:2] / f"{told[2:]}.debug"]
    stored += [tmp_path / "c" / told / "debuginfo"]
    for place in stored:
        place.parent.mkdir(parents=True)
        shutil.copy(debug, place)
    assert rows(rm.read_heap(file, binary=binary), "/app/service") == expected, "beside the binary"
    debug.unlink()
    bare = rm.read_heap(file, binary=binary)
    assert "has no debugging information, so functions have no names" in bare.report.warnings[-1]
    for name in "abc":
        assert rows(rm.read_heap(file, binary=binary, debug=tmp_path / name), "/app/service") == expected, name
    shutil.copy(build(workshop, "usual", "-C", "opt-level=1"), stored[0])
    with pytest.raises(ReadError, match=rf"found 'build-id [0-9a-f]+', expected build-id {told}"):
        rm.read_heap(file, binary=binary, debug=tmp_path / "a")
    with pytest.raises(ReadError, match="debugging information alone is given by debug="):
        rm.read_heap(file, binary=stored[1])


def test_a_stripped_program_has_the_names_that_it_exports(workshop: Workshop, tmp_path: Path) -> None:
    """What it does not export keeps its address: the nearest name is another function's."""
    needed("addr2line", "strip")
    file, binary = moved(workshop, workshop.program("exact.c", "-rdynamic"), tmp_path)
    whole = rows(rm.read_heap(file, binary=binary), "/app/service")
    workshop.run(["strip", "--strip-all", binary])
    heap = rm.read_heap(file, binary=binary)
    found = rows(heap, "/app/service")
    assert {name for stack in found for name, *_ in stack if "+0x" not in name} == {"main", "_start"}
    assert [[name in ("main", "_start") for name, *_ in stack] for stack in found] == [
        [name in ("main", "_start") for name, *_ in stack] for stack in whole
    ]
    assert "so functions that it does not export have no names" in heap.report.warnings[-1]


@pytest.mark.parametrize("back", [0, 1], ids=["return addresses", "calls"])
def test_pprof_says_its_build(workshop: Workshop, tmp_path: Path, back: int) -> None:
    """Its build-id is compared; addresses may be those of calls or those behind them."""
    program = build(workshop)
    text = dump(workshop, program).read_text()
    places = addresses(text, program)
    ((begin, offset),) = re.findall(rf"^([0-9a-f]+)-[0-9a-f]+ r-xp ([0-9a-f]+) .*{program.name}$", text, re.MULTILINE)
    told = symbols.read_binary(program).build_id or ""
    file = tmp_path / "heap.pb"
    stacks = [([f"{address - back:#x}"], [1, 8]) for address in places]
    file.write_bytes(makers.pprof(stacks, mapping=(int(begin, 16), int(offset, 16), str(program), told)))
    expected = addr2line(program, list(places.values()))
    assert rows(rm.read_heap(file), program.name) == expected
    other = build(workshop, "usual", "-C", "opt-level=1")
    ids = f"build-id {symbols.read_binary(other).build_id}', expected build-id {told}"
    with pytest.raises(ReadError, match=ids):
        rm.read_pprof(file, binary=other)


CALLS: Final = {
    symbols._X86_64: ("e800000000", "ffd0", "ff5008", "ff148500", "ff9000000000", "ff94c000000000"),
    symbols._AARCH64: ("00000094", "00003fd6"),
}


@pytest.mark.parametrize("machine", [*CALLS, 0])
def test_nine_of_ten_places_are_beside_calls(machine: int, tmp_path: Path) -> None:
    """Behind them or inside; one more that went astray, and the build is another. Of other processors nobody knows.

    The last call ends where the file does.
    """
    places = range(16, 161, 16)
    for number, code in enumerate(CALLS.get(machine, ("e800000000",))):
        for calls, behind, inside in ((10, 1, 0), (9, 1, 0), (8, None, None)):
            cells = [bytes.fromhex(code).rjust(16, b"\0") if at < calls else bytes(16) for at in range(10)]
            file = tmp_path / f"{number}-{calls}"
            file.write_bytes(b"".join(cells))
            binary = symbols.Binary(file, machine, None, (), has_names=False, has_lines=False, exported=(), link=None)
            assert not machine or binary.behind_calls([1 << 64, *places]) == calls, code
            if not code.startswith("ff"):  # such a call and one byte more look like a longer one
                assert symbols._before_calls(binary, places) == (behind if machine else 0)
                assert symbols._before_calls(binary, [place - 1 for place in places]) == (inside if machine else 0)


@pytest.mark.parametrize(("at", "changed"), [(32, 1), (24, 1 << 63)], ids=["half an entry", "beyond the file"])
def test_damaged_names_that_are_exported_refuse_no_binary(
    workshop: Workshop, tmp_path: Path, at: int, changed: int
) -> None:
    """What is whole of the table counts, and of that functions."""
    data = bytearray(workshop.program("exact.c", "-rdynamic").read_bytes())
    (begin,), (count,) = struct.unpack_from("<Q", data, 40), struct.unpack_from("<H", data, 60)
    place = next(
        one for one in range(begin, begin + 64 * count, 64) if struct.unpack_from("<I", data, one + 4)[0] == 11
    )
    whole = symbols.read_binary(workshop.program("exact.c", "-rdynamic")).exported
    struct.pack_into("<Q", data, place + at, struct.unpack_from("<Q", data, place + at)[0] + changed)
    (tmp_path / "service").write_bytes(data)
    assert symbols.read_binary(tmp_path / "service").exported == (whole if changed == 1 else ())


def test_damaged_binaries_are_named(workshop: Workshop, tmp_path: Path) -> None:
    """Wrong bytes in the heads of a file: another answer or a named error; places beyond its end are no calls."""
    data = build(workshop).read_bytes()
    (sections,) = struct.unpack_from("<Q", data, 40)
    file = tmp_path / "wrong"
    file.write_bytes(data)
    dice = random.Random(7)  # noqa: S311 - the same every time
    with file.open("r+b") as out:
        for _ in range(1500):
            places = [begin + dice.randrange(size) for begin, size in ((0, 64), (64, 800), (sections, 45 * 64))]
            for place in (chosen := dice.sample(places, dice.choice([1, 2, 3]))):
                out.seek(place)
                out.write(bytes([dice.choice([0, 255, dice.randrange(256)])]))
            out.flush()
            try:
                symbols.read_binary(file).behind_calls([1, 5000, 1 << 63, 1 << 64])
            except ReadError as error:
                assert symbols.EXPECTED in str(error)  # noqa: PT017 - either will do
            for place in chosen:
                out.seek(place)
                out.write(data[place : place + 1])
            out.flush()
    file.write_bytes(b"\x7fELF\x02\x01")
    with pytest.raises(ReadError, match="cut off or damaged"):
        symbols.read_binary(file)
