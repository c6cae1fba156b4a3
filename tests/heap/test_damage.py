"""Damaged, hostile and absurd profiles: one clear error, or what is good of it; in bounded time and memory."""

from __future__ import annotations

import gzip
import random
import re
import time
import warnings
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
import pytest

import rmtoolkit as rm
from rmtoolkit.analysis.heap_answers import read_profile
from rmtoolkit.analysis.records import HeapKind
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.heap import _heaptrack_events
from tests import peak
from tests.heap import makers
from tests.heap.conftest import DATA

if TYPE_CHECKING:
    from pathlib import Path

    from tests.heap.conftest import Workshop

#: Draws of a bit that is flipped, by form, most of them where a file is read fast; `make fuzz` tries many more.
FLIPS: Final = {
    "heaptrack": 45,
    "heaptrack.zst": 12,
    "heaptrack.gz": 12,
    "raw": 24,
    "dhat": 90,
    "massif": 36,
    "gperftools": 45,
    "pprof": 90,
    "jemalloc": 24,
}
#: Files with wrong words, by form.
WRONG_FILES: Final = {"heaptrack": 30, "raw": 20, "dhat": 45, "massif": 36, "gperftools": 24}
#: What may stand where a number should: negative, too large, of another kind, nothing.
WRONG_WORDS: Final = b"""-1 -7f ffffffffffffffff 7fffffffffffffff 8000000000000000 18446744073709551616 0x10 1_0
-9223372036854775808 99999999999999999999999999 ffffffff + - nan 1e308 null [ { \xff\xfe \x00""".split()
RECORDED: Final = DATA / "recorded"
MI: Final = 1 << 20


def unzstd(data: bytes) -> bytes:
    """Unpack one file."""
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return bytes(stream.read())


def zstd(data: bytes) -> bytes:
    """Pack one file."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(memoryview(sink.getvalue()))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """One small real profile of `exact.c` in each form, the same every time; pprof is written by hand."""
    plain = (RECORDED / "exact.heaptrack").read_bytes()
    samples = [(["alloc|vec", "service::put", "main"], [3, 300]), (["alloc|vec", "0x1234"], [1, 50])]
    return {
        "heaptrack": plain,
        "heaptrack.zst": zstd(plain),
        "heaptrack.gz": gzip.compress(plain, mtime=0),
        "raw": (RECORDED / "exact.heaptrack.raw").read_bytes(),
        "dhat": (RECORDED / "exact.dhat.json").read_bytes(),
        "massif": (RECORDED / "exact.massif").read_bytes(),
        "gperftools": (RECORDED / "exact.gperftools.heap").read_bytes(),
        "pprof": makers.pprof(samples, period=512),
        "jemalloc": makers.jeprof(512, [([0x1100 + place, 0x1200], 4, 4000 + place) for place in range(9)]).encode(),
    }


def attempt(file: Path, *, ask: bool = True) -> str:
    """Read a file: whole, with a warning, or refused; nothing else may happen, and nothing that cannot be."""
    said, heap = "", None
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            heap = rm.read_heap(file)
        except ReadError as error:
            said = str(error)
    if heap is None:
        assert file.name in said
        assert "\n" not in said
        return "refused"
    assert not [one for one in seen if not issubclass(one.category, RmtoolkitWarning)]
    assert len(seen) < 2
    for name in ("allocations", "allocated_bytes", "live_bytes", "live_blocks", "temporary"):
        assert (heap.stacks[name].drop_nulls() >= 0).all(), name
    named = heap.stacks["frames"].explode(empty_as_null=False).drop_nulls()
    assert named.is_in(heap.frames["frame_id"].implode()).all()
    if ask:
        read_profile(heap, rm.suspects(heap))
    return "warned" if seen else "whole"


def like_words(data: bytes) -> list[list[tuple[int, int]]]:
    """Where words stand, those together that mean the same: at the same place of lines that begin alike."""
    kinds = defaultdict(list)
    for line in re.finditer(rb"[^\n]+", data):
        for place, word in enumerate(re.finditer(rb'[^\s,:=\[\]{}"]+', line[0])):
            start, end = word.span()
            kinds[line[0].lstrip()[:2], min(place, 9)].append((line.start() + start, line.start() + end))
    return list(kinds.values())


@pytest.mark.parametrize("form", FLIPS)
def test_flipped_bits(form: str, files: dict[str, bytes], tmp_path: Path) -> None:
    """Any one bit is wrong, in every kind of word: another number, a warning, or an error; never another exception."""
    dice = random.Random(form)  # noqa: S311 - the same every time
    data = files[form]
    kinds = like_words(data)
    file = tmp_path / "flipped.profile"
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    flips = set()
    for _ in range(FLIPS[form]):
        start, end = dice.choice(dice.choice(kinds))
        # What ends a word is hit as often as a letter of it. A short word is hit often: the same flip is tried once.
        flips.add((min(dice.randint(start, end), len(data) - 1), dice.randrange(8)))
    with peak.takes_less(200):
        for number, (place, bit) in enumerate(sorted(flips)):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            file.write_bytes(damaged)
            begun = time.process_time()
            outcomes[attempt(file, ask=number % 50 == 0)] += 1
            slowest = max(slowest, time.process_time() - begun)
    assert outcomes.total() == len(flips) > FLIPS[form] / 2
    assert outcomes["warned"] + outcomes["refused"] > 0, "damage must be noticed"
    assert slowest < 5


@pytest.mark.parametrize("form", WRONG_FILES)
def test_wrong_words(form: str, files: dict[str, bytes], tmp_path: Path) -> None:
    """A word or some are wrong, or are gone, or stand twice: the same, and none of it is believed."""
    dice = random.Random(form)  # noqa: S311 - the same every time
    data = files[form]
    kinds = like_words(data)
    file = tmp_path / "wrong.profile"
    made = set()
    for _ in range(WRONG_FILES[form]):
        damaged = bytearray(data)
        # From the end on, so that earlier words stay where they are.
        chosen = {dice.choice(dice.choice(kinds)) for _ in range(dice.choice([1, 1, 1, 2, 4]))}
        for start, end in sorted(chosen, reverse=True):
            other = dice.choice([*WRONG_WORDS, b"", data[slice(*dice.choice(dice.choice(kinds)))], 2 * data[start:end]])
            damaged[start:end] = other
        made.add(bytes(damaged))
    for number, one in enumerate(sorted(made)):
        file.write_bytes(one)
        attempt(file, ask=number % 50 == 0)


@pytest.mark.parametrize("form", FLIPS)
def test_cut_off_anywhere(form: str, files: dict[str, bytes], tmp_path: Path) -> None:
    """Cut at sixty places, between lines too: told in one warning, or refused, or nothing that counts is gone."""
    data = files[form]
    file = tmp_path / "cut.profile"
    file.write_bytes(data)
    whole = rm.read_heap(file)
    ends = [found.end() for found in re.finditer(rb"\n", data)][:-1]
    places = {*range(1, len(data), max(len(data) // 24, 1)), *ends[:: max(len(ends) // 24, 1)], *ends[-12:]}
    for number, place in enumerate(sorted(places)):
        file.write_bytes(data[:place])
        # massif takes its last snapshot at any time, and nothing says that more of them followed.
        ends_well = form == "massif" and data[place:].startswith(b"#-----------\nsnapshot=")
        if attempt(file, ask=number % 10 == 0) == "whole" and not ends_well:
            heap = rm.read_heap(file)
            assert (heap.summary, heap.report.left_out) == (whole.summary, whole.report.left_out), place
            assert heap.stacks.equals(whole.stacks), place
            assert heap.frames.equals(whole.frames), place


def test_cut_before_the_clock_ticks_it_is_a_picture(files: dict[str, bytes], tmp_path: Path) -> None:
    """What ends before its first stamp tells no time, and so nothing of what grows or rests."""
    file = tmp_path / "short.heaptrack"
    lines = files["heaptrack"].partition(b"\nc ")[0].splitlines(keepends=True)
    for count in range(len(lines) // 2, len(lines), len(lines) // 10):
        file.write_bytes(b"".join(lines[:count]))
        with pytest.warns(RmtoolkitWarning):
            heap = rm.read_heap(file)
        assert not heap.timeline.height
        assert read_profile(heap).kind == HeapKind.PICTURE


def test_a_recording_cut_at_twenty_places(workshop: Workshop, tmp_path: Path) -> None:
    """The more of a packed recording there is, the more of it is read, and each time the reader warns."""
    data = workshop.service("map", "v0").read_bytes()
    file = tmp_path / "heaptrack.cut.1.zst"
    read = []
    for place in range(len(data) // 21, len(data), len(data) // 21):
        file.write_bytes(data[:place])
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                read.append(rm.read_heaptrack(file).summary.allocations or 0)
            except ReadError as error:
                read.append(0)
                seen_text = str(error)
            else:
                seen_text = str(seen[0].message)
        assert "it is cut off" in seen_text
    assert len(read) >= 20
    assert read == sorted(read)
    assert read[-1] > 0.6 * (rm.read_heaptrack(workshop.service("map", "v0")).summary.allocations or 0)


@pytest.mark.parametrize("kind", ["zeros", "blank lines", "foreign lines"])
def test_a_bomb_is_defused(kind: str, tmp_path: Path) -> None:
    """Mebibytes of nothing in a small file: less memory than they are, little time, an error or a warning."""
    head = makers.heaptrack([["put", "main"]], [(16, 0)], ["+ 0", "- 0"] * 20_000 + ["+ 0", "c a"])
    chunk = {"zeros": bytes(MI), "blank lines": b"\n" * MI, "foreign lines": b"q 1\n" * (MI // 4)}[kind]
    file = tmp_path / "heaptrack.bomb.1.gz"
    file.write_bytes(makers.bomb(head, chunk, 64))
    start = time.process_time()
    with peak.takes_less(100), warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        heap = rm.read_heaptrack(file)
    assert heap.summary.live_at_end_bytes == 16
    if kind != "blank lines":
        assert heap.report.notes()
    assert time.process_time() - start < 10


def test_what_unpacks_without_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good events without end: what was read until the limit counts, and the report says that there is more."""
    monkeypatch.setattr(_heaptrack_events, "_ALWAYS_BYTES", 8 * MI)
    data = makers.heaptrack([["put", "main"]], [(16, 0)], []) + b"+ 0\n- 0\n" * (2 * MI)
    file = tmp_path / "heaptrack.long.1.zst"
    file.write_bytes(zstd(data))
    assert len(data) > 200 * file.stat().st_size
    with pytest.warns(RmtoolkitWarning, match=r"unpacks to more than [\d,]+ bytes, and no more was read"):
        heap = rm.read_heaptrack(file)
    assert 0.9 * MI < (heap.summary.allocations or 0) <= 2 * MI


@pytest.mark.parametrize("form", ["heaptrack", "dhat", "jeprof", "pprof", "massif"])
def test_a_stack_of_thirty_thousand_frames(form: str, tmp_path: Path) -> None:
    """A recursion without end is cut where the program begins, and the report says so; the allocating end stays."""
    deep = 30_000
    names = [f"service::level_{place}" for place in range(deep)]
    file = tmp_path / "deep.profile"
    if form == "heaptrack":
        body = ["v 10500 3", "X ./service", "s 4 /app"]
        body += [f"s {len(name):x} {name}" for name in names]
        body += [f"i {0x1000 + place:x} 1 {place + 2:x}" for place in range(deep)]
        body += [f"t {deep - place:x} {place:x}" for place in range(deep)]
        file.write_text("\n".join([*body, f"a 10 {deep:x}", "+ 0", "c a", ""]))
    elif form == "dhat":
        table = ",".join(f'"{place:#x}: {name} (main.rs:3)"' for place, name in enumerate(names))
        point = f'{{"tb":16,"tbk":1,"eb":16,"ebk":1,"gb":16,"gbk":1,"fs":[{",".join(map(str, range(deep)))}]}}'
        file.write_text(f'{{"dhatFileVersion":2,"mode":"rust-heap","pps":[{point}],"ftbl":[{table}]}}')
    elif form == "jeprof":
        file.write_text(makers.jeprof(1, [([0x1100 + place % 0x4000 for place in range(deep)], 1, 16)]))
    elif form == "pprof":
        samples = makers.data(2, makers.packed(1, range(1, deep + 1)) + makers.packed(2, [1, 16]))
        locations = b"".join(
            makers.data(4, makers.number(1, place + 1) + makers.data(4, makers.number(1, place + 1)))
            for place in range(deep)
        )
        functions = b"".join(
            makers.data(5, makers.number(1, place + 1) + makers.number(2, place + 3)) for place in range(deep)
        )
        types = makers.data(1, makers.number(1, 1)) + makers.data(1, makers.number(1, 2))
        strings = [b"", b"inuse_objects", b"inuse_space", *(name.encode() for name in names)]
        file.write_bytes(types + samples + locations + functions + b"".join(makers.data(6, text) for text in strings))
    else:
        tree = "".join(
            f"{' ' * place}n1: 16 {place:#x}: {name} (main.rs:3)\n" for place, name in enumerate(names[:3000])
        )
        head = "desc: x\ncmd: y\ntime_unit: ms\nsnapshot=0\ntime=1\nmem_heap_B=16\nheap_tree=peak\n"
        file.write_text(head + tree)
    start = time.process_time()
    with peak.takes_less(150), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        heap = rm.read_heap(file)
    assert time.process_time() - start < 10
    if form != "massif":
        assert heap.stacks["live_bytes"].sum() == 16
        first = heap.stack(heap.stacks["stack_id"][0])["function"]
        assert first[0] == (
            "service+0xff" if form == "jeprof" else "service::level_0" if form != "heaptrack" else names[0]
        )
        assert len(first) <= deep
        if len(first) < deep:
            assert any("cut" in str(one.message) for one in seen)


def test_amounts_that_no_program_has_and_patterns_of_stars_are_no_internal_error(tmp_path: Path) -> None:
    """Each amount may be, their sum may not; each suppression may be, and all are looked for."""
    file = tmp_path / "huge.profile"
    file.write_bytes(makers.pprof([([f"a::{letter}"], [1, 1 << 61]) for letter in "bcde"]))
    with pytest.raises(ReadError, match="amounts that add up to more than any program has"):
        rm.read_heap(file)
    file.write_bytes(makers.heaptrack([["put", "main"]], [((1 << 46) - 1, 0)], [*["+ 0"] * (1 << 17), "c a"]))
    with pytest.raises(ReadError, match="amounts that add up to more than any program has"):
        rm.read_heap(file)
    head = makers.heaptrack([["put", "main"]], [(16, 0)], ["+ 0", "c a"])
    file.write_bytes(head + b"S leak:%b\n" % (b"*a" * 400) * 60)
    assert rm.read_heap(file).summary.live_at_end_bytes == 16


_SNAPSHOT: Final = "snapshot=0\ntime=1\nmem_heap_B=16\n?\n?\nheap_tree=empty\n"
DAMAGES: Final[dict[str, tuple[bytes, int]]] = {
    "massif": (f"desc: x\n?\n?\n?\ncmd: y\ntime_unit: ms\n{_SNAPSHOT}".encode(), 5),
    "jeprof": (
        f"--- symbol\n?\n?\n---\n--- heap\n{makers.jeprof(1, [([16], 1, 16)])}".replace("  t0", "?\n  t0").encode(),
        4,
    ),
    "heaptrack": (makers.heaptrack([["put", "main"]], [(16, 0)], ["+ 0", "a ?", "a ?", "i ?", "c a"]), 3),
}


@pytest.mark.parametrize("form", DAMAGES)
def test_every_damage_is_counted(form: str, tmp_path: Path) -> None:
    """Two broken lines of a kind are two, wherever they stand, and what is whole is read."""
    file = tmp_path / "damaged.profile"
    data, number = DAMAGES[form]
    file.write_bytes(data)
    with pytest.warns(RmtoolkitWarning, match=f"left out {number} lines that are damaged"):
        heap = rm.read_heap(file)
    assert heap.summary.live_at_end_bytes in {16, None}


def test_objects_without_bytes_have_no_average(tmp_path: Path) -> None:
    """Sampled objects of no size are as many as were sampled."""
    file = tmp_path / "empty.heap"
    file.write_text(makers.jeprof(512 << 10, [([16], 3, 0), ([32], 1, 1 << 30)]))
    assert rm.read_heap(file).stacks.select("live_blocks", "live_bytes").rows() == [(3, 0), (1, 1 << 30)]


@pytest.mark.parametrize("form", ["pprof", "jeprof"])
def test_a_place_of_many_inlined_functions_again_and_again_has_an_end(form: str, tmp_path: Path) -> None:
    """Some kilobytes that stand for a hundred million frames are cut like any deep stack, in bounded time."""
    file = tmp_path / "again.profile"
    if form == "pprof":
        file.write_bytes(makers.pprof([(["|".join(["a::b"] * 10_000)] * 10_000, [1, 16])]))
    else:
        file.write_text(
            f"--- symbol\n0x10ff {'a::b--' * 10_000}\n---\n--- heap\n{makers.jeprof(1, [([0x1100] * 10_000, 1, 16)])}"
        )
    start = time.process_time()
    with pytest.warns(RmtoolkitWarning, match="1 stack cut because of their depth"):
        heap = rm.read_heap(file)
    assert time.process_time() - start < 5
    assert heap.stacks.select(pl.col("frames").list.len()).item() == 2048


@pytest.mark.parametrize("form", ["heaptrack", "dhat", "jeprof", "pprof", "massif"])
def test_names_that_are_no_text(form: str, tmp_path: Path) -> None:
    """Bytes that are not UTF-8, line feeds as escapes, markup: the profile is read, and HTML escapes them."""
    hostile = "caf\udce9<script>alert(1)</script>"
    file = tmp_path / "hostile.profile"
    if form == "heaptrack":
        file.write_bytes(makers.heaptrack([[hostile, "main"]], [(16, 0)], ["+ 0", "c a"]))
    elif form == "pprof":
        file.write_bytes(makers.pprof([([hostile, "main"], [1, 16])]))
    elif form == "jeprof":
        text = f"--- symbol\nbinary=/app/{hostile}\n0x10 {hostile}\n---\n--- heap\n"
        text += makers.jeprof(1, [([0x10], 1, 16)])
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    elif form == "dhat":
        point = '{"tb":16,"tbk":1,"eb":16,"ebk":1,"gb":16,"gbk":1,"fs":[1]}'
        text = f'{{"dhatFileVersion":2,"mode":"rust-heap","cmd":"{hostile}","pps":[{point}],'
        text += f'"ftbl":["[root]","0x1: {hostile}"]}}'
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    else:
        text = f"desc: x\ncmd: {hostile}\ntime_unit: ms\nsnapshot=0\ntime=1\nmem_heap_B=16\nheap_tree=peak\n"
        text += f"n1: 16 (heap allocation functions) malloc\n n0: 16 0x1: {hostile} (main.rs:3)\n"
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        try:
            heap = rm.read_heap(file)
        except ReadError:
            assert form == "dhat"  # JSON is UTF-8 or nothing
            return
    assert heap.frames["function"].str.contains("<script>", literal=True).any()
    assert "<script>" not in heap._repr_html_()
    json_safe = heap.frames.write_json()
    assert isinstance(json_safe, str)
    assert rm.suspects(heap).height == 1


def test_circles_and_forward_references_end(tmp_path: Path) -> None:
    """Traces whose parent comes later, pointers and strings that are not there: read, without a loop."""
    lines = ["v 10500 3", "X ./a", "s 1 a", "i 10 1 63", "t 1 2", "t 1 1", "t 63 2", "a 10 3", "a 10 63", "+ 0", "+ 1"]
    file = tmp_path / "circle.txt"
    file.write_text("\n".join([*lines, "+ 99", "c a", ""]))
    with pytest.warns(RmtoolkitWarning, match="1 event of unknown entries"):
        heap = rm.read_heaptrack(file)
    assert heap.summary.allocations == 2
    assert heap.stacks.select(pl.col("frames").list.len().max()).item() <= 3


@pytest.mark.parametrize("stamp", ["c zz", "c", "c -5", "c 10000000000"])
def test_a_time_that_cannot_be_is_left_out_and_moves_none(stamp: str, tmp_path: Path) -> None:
    """A stamp of heaptrack that is no number, is below zero or too large is a damaged line, and not an early time."""
    file = tmp_path / "unnamed"
    file.write_text(f"v 10500 3\nX ./api\na 10 0\n+ 0\n{stamp}\n+ 0\nc 64\n- 0\nc c8\n")
    with pytest.warns(RmtoolkitWarning, match="left out 1 line that is damaged"):
        heap = rm.read_heap(file)
    assert heap.timeline["time_seconds"].to_list() == [0.1, 0.2]
    assert dict(heap.report.left_out) == {"lines that are damaged": 1}
