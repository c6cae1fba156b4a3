"""Profiles as people have them: packed in any way, through a pipe, without an end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from tests import peak
from tests.heap import makers
from tests.heap.conftest import DATA
from tests.heap.test_damage import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "gz": gzip.compress,
    "zst": zstd,
}
RECORDED: Final = DATA / "recorded"
MI: Final = 1 << 20


def profiles() -> dict[str, bytes]:
    """A small one of each form."""
    names = ("exact.heaptrack", "exact.heaptrack.raw", "exact.dhat.json", "exact.massif", "exact.gperftools.heap")
    made = {"jeprof": makers.jeprof(512, [([0x1010, 0x2020], 1, 8)]).encode(), "pprof": makers.pprof([(["a"], [1, 8])])}
    return made | {name: (RECORDED / name).read_bytes() for name in names}


#: What each reader is given is, in its words.
READERS: Final = {
    "heap": "a heap profile",
    "heaptrack": "a heaptrack recording",
    "pprof": "a pprof profile",
    "jeprof": "a heap dump",
    "dhat": "a DHAT profile",
    "massif": "output of massif",
    "allocator": "statistics",
}


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_folder_is_no_profile(reader: str, tmp_path: Path) -> None:
    """Whoever reads one file says that it is a folder, whoever reads several that it holds none."""
    found = "no files" if reader in ("heap", "pprof", "jeprof") else "a folder"
    with pytest.raises(ReadError, match=rf"found '{found}', expected {READERS[reader]}"):
        getattr(rm, f"read_{reader}")(tmp_path)


def test_frees_of_what_was_never_allocated_count_for_nothing(tmp_path: Path) -> None:
    """In a raw recording of heaptrack, from its first event to its last; they are counted, and a warning says so."""
    lines = profiles()["exact.heaptrack.raw"].splitlines(keepends=True)
    # What is freed in between makes no allocation less temporary: it stands before them, and at the end.
    freed = [part for line in lines for part in ((b"- 7\n", line) if line.startswith(b"+ ") else (line,))] + [b"- 7\n"]
    (tmp_path / "a").write_bytes(b"".join(lines))
    (tmp_path / "b").write_bytes(b"".join(freed))
    plain = rm.read_heaptrack(tmp_path / "a")
    with pytest.warns(RmtoolkitWarning, match=f"left out {len(freed) - len(lines)} frees of what was not allocated"):
        more = rm.read_heaptrack(tmp_path / "b")
    assert more.summary == plain.summary
    assert more.stacks.equals(plain.stacks)
    assert more.sizes.equals(plain.sizes)


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", profiles())
def test_packed_in_any_way(name: str, packer: str, tmp_path: Path) -> None:
    """The same profile; one that is cut off is read as far as it goes, or refused, and both say why."""
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    data = profiles()[name]
    plain.write_bytes(data)
    # Members one after another, as the packers themselves write them.
    half = len(data) // 2
    packed.write_bytes(PACKERS[packer](data[:half]) + PACKERS[packer](data[half:]))
    assert rm.read_heap(packed).summary == rm.read_heap(plain).summary
    packed.write_bytes(packed.read_bytes()[:-9])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            said = " ".join([*rm.read_heap(packed).report.notes(), *(str(one.message) for one in seen)])
        except RmtoolkitError as error:
            said = str(error)
    assert any(word in said for word in ("cut off", "damaged", "truncated", "whole JSON")), said


@pytest.mark.parametrize("name", profiles())
def test_through_a_pipe(name: str, tmp_path: Path) -> None:
    """What gives its bytes once, and nobody can go back in, is read as the file is."""
    data = profiles()[name]
    plain, pipe = tmp_path / "plain", tmp_path / "pipe"
    plain.write_bytes(data)
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True).start()
    assert rm.read_heap(pipe).summary == rm.read_heap(plain).summary


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
def test_the_command_reads_a_pipe(path: str) -> None:
    """As - and as the shell names it: a profile, one that is packed, and statistics of an allocator."""
    profile = profiles()["exact.heaptrack"]
    stats = b"Allocated: 3145728, active: 4194304, resident: 8388608\n"
    for data, word in ((profile, b"keep"), (zstd(profile), b"keep"), (stats, b"jemalloc")):
        done = subprocess.run(
            [sys.executable, "-m", "rmtoolkit", "heap", path], input=data, capture_output=True, check=True
        )
        assert word in done.stdout


#: Lines without end, and what stands before them.
HEAPTRACK: Final = makers.heaptrack([["put", "main"]], [(16, 0)], ["+ 0", "- 0"] * 2000 + ["+ 0", "c a"])
JEPROF: Final = makers.jeprof(512, [([0x1010, 0x2020], 1, 8)]).encode().partition(b"@")[0]
ENDLESS: Final = {
    "stamps": (HEAPTRACK, b"c 1\n"),
    "stamps between events": (HEAPTRACK, b"+ 0\nc 1\n"),
    "resident pages": (HEAPTRACK, b"R 1\n"),
    "stacks": (HEAPTRACK, b"t 1 1\n"),
    "sizes": (HEAPTRACK, b"a 10 1\n"),
    "names": (HEAPTRACK, b"s 1 a\n"),
    "events": (HEAPTRACK, b"+ 0\n- 0\n"),
    "rows of jemalloc": (JEPROF, b"@ 0x1010 0x2020\n  t*: 1: 8 [0: 0]\n"),
    "places of one stack": (JEPROF + b"@", b" 0x1010"),
    "nodes of massif": (
        (RECORDED / "exact.massif").read_bytes(),
        b"snapshot=0\ntime=5\nmem_heap_B=40\nheap_tree=empty\n",
    ),
    "strings of pprof": (makers.pprof([(["a"], [1, 8])]), makers.data(6, b"a")),
    "zeros": (b"", b"\0"),
}


def bounded(read: Callable[[], object], mebibytes: int = 400) -> None:
    """Little memory and little time, and an error or a profile."""
    start = time.process_time()
    with peak.takes_less(mebibytes), warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        try:
            read()
        except ReadError as error:
            assert any(word in str(error) for word in ("more than", "found '\\x00")), error  # noqa: PT017
    assert time.process_time() - start < 10


@pytest.mark.parametrize("kind", ["stamps between events", "names", "rows of jemalloc", "nodes of massif", "zeros"])
def test_bombs(kind: str, tmp_path: Path) -> None:
    """What is small and unpacks to much is read in bounds, or refused by name."""
    head, line = ENDLESS[kind]
    file = tmp_path / "bomb.gz"
    file.write_bytes(makers.bomb(head, line * (MI // len(line)), 26 if head == HEAPTRACK else 8))
    assert file.stat().st_size < MI // 8
    bounded(lambda: rm.read_heap(file), mebibytes=100)


@pytest.mark.parametrize("kind", ENDLESS)
def test_without_an_end(kind: str, tmp_path: Path) -> None:
    """A pipe into which somebody writes for ever."""
    head, line = ENDLESS[kind]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        try:
            with pipe.open("wb") as out:
                out.write(head)
                while True:
                    out.write(line * (MI // len(line)))
        except BrokenPipeError:
            pass

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    bounded(lambda: rm.read_heap(pipe))
    writer.join(10)


@pytest.mark.parametrize("read", [rm.read_heap, rm.read_jeprof], ids=["read_heap", "read_jeprof"])
def test_zeros_without_an_end(read: Callable[[str], object]) -> None:
    """The kernel's own, which is no profile."""
    bounded(lambda: read("/dev/zero"))


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"FLR\0\0\2\0\0", "a recording of Java's Flight Recorder"),
        (b"JAVA PROFILE 1.0.2\0", "a heap dump of Java"),
        (b"PERFILE2", "perf's samples of the processor"),
        (b'<malloc version="1">', "statistics of glibc"),
        pytest.param(gzip.compress(gzip.compress(b"heap_v2/1")), "a file that is packed twice", id="gzip in gzip"),
        (b"PK\3\4", "a zip archive"),
        (b"PAR1\x15\4\0", "a Parquet table"),
        (b"ARROW1\0\0", "an Arrow table"),
        (b'<svg version="1.1">', "give the dump itself"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE svg>', "give the dump itself"),
        (b'digraph "api; 17.1 MB" {\n', "give the dump itself"),
        (b"Total: 17.1 MB\n    10.0  58.5%  58.5%     10.0  58.5% api::put\n", "give the dump itself"),
        (b"main;<api::Page as Draw>::run;api::put 4096\nmain 9\n", "give the dump itself"),
    ],
)
def test_what_is_another_tools(head: bytes, what: str, tmp_path: Path) -> None:
    """A recording of Java's Flight Recorder, or of memory over time, is named as such."""
    file = tmp_path / "app"
    file.write_bytes(head + bytes(64))
    with pytest.raises(ReadError, match=what):
        rm.read_heap(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_dump_as_windows_saves_it(encoding: str, tmp_path: Path) -> None:
    """What PowerShell writes of a program's output begins with a mark of its encoding."""
    text = (RECORDED / "exact.gperftools.heap").read_text()
    (tmp_path / "saved.heap").write_text(text, encoding=encoding)
    assert rm.read_heap(tmp_path / "saved.heap").summary == rm.read_heap(RECORDED / "exact.gperftools.heap").summary


def test_what_lies_beside_the_dumps_of_a_process(tmp_path: Path) -> None:
    """Notes, and the dump that a kill left empty, are left out with a warning; another process is another series."""
    for number in range(3):
        (tmp_path / f"jeprof.7.{number}.i{number}.heap").write_text(makers.jeprof(1, [([0x1010], 1, 8 + number)]))
    (tmp_path / "README.md").write_text("dumps of Tuesday")
    (tmp_path / "jeprof.7.3.i3.heap").touch()
    with pytest.warns(RmtoolkitWarning, match=r"2 of 5 files could not be read; the first: .*README\.md"):
        heap = rm.read_heap(tmp_path)
    assert heap.timeline["live_bytes"].to_list() == [8, 9, 10]
    (tmp_path / "jeprof.9.0.f.heap").write_text(makers.jeprof(1, [([0x1010], 1, 8)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        with pytest.raises(RmtoolkitError, match=r"jeprof\.9\.0\.f\.heap': these are of different processes"):
            rm.read_heap(tmp_path)


def test_of_a_file_that_is_no_profile_the_first_line_is_shown(tmp_path: Path) -> None:
    """That is enough to know it by; the rest may be long, or nobody's business."""
    file = tmp_path / "notes.txt"
    file.write_text("first words\nsecret words\nmore\n")
    with pytest.raises(ReadError, match=r"line 1.*'first words'") as raised:
        rm.read_heap(file)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("head", "rate"),
    [("heap_v2/524288", 524288), ("heapz_v2/524288", 524288), ("heap/1048576", 524288), ("growthz", 1), ("growth", 1)],
)
def test_heads_of_gperftools(head: str, rate: int, tmp_path: Path) -> None:
    """Servers' own heads; what calls itself heap and no more counts its interval twice."""
    file = tmp_path / "served.heap"
    file.write_text(f"heap profile:  10:  10240 [ 10: 10240] @ {head}\n  10:  10240 [ 10: 10240] @ 0x1010 0x2020\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        live = rm.read_heap(file).summary.live_at_end_bytes
    scaled = 10240 / (1 - 2.718281828459045 ** (-1024 / rate)) if rate > 1 else 10240
    assert live == pytest.approx(scaled, rel=1e-6)


def test_objects_without_a_size_are_as_many_as_they_are(tmp_path: Path) -> None:
    """No sampling scales what has no bytes, and what was only ever counted is told."""
    file = tmp_path / "jeprof.1.0.f.heap"
    file.write_text("heap_v2/524288\n  t*: 2: 0 [5: 0]\n@ 0x10 0x20\n  t*: 2: 0 [5: 0]\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        stacks = rm.read_heap(file).stacks
    assert stacks.select("live_blocks", "live_bytes", "allocations", "allocated_bytes").rows() == [(2, 0, 5, 0)]


def test_what_was_freed_since_a_profile_before(tmp_path: Path) -> None:
    """A pprof of changes counts below zero, and the sum is that of both signs."""
    file = tmp_path / "delta.pb"
    file.write_bytes(makers.pprof([(["a", "main"], [3, 300]), (["b", "main"], [-1, -100])]))
    heap = rm.read_heap(file)
    assert heap.summary.live_at_end_bytes == 200
    assert heap.stacks["live_bytes"].to_list() == [300, -100]
