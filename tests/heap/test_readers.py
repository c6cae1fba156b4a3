"""Readers of single pictures (jeprof, pprof, DHAT, massif, gperftools), series of them, and forms of heaptrack."""

from __future__ import annotations

import gzip
import json
import math
import os
import tracemalloc
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.analysis.heap_answers import answer_diff
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning, UnknownWorkloadError
from rmtoolkit.heap import _names
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.heap.tree import tree
from tests.heap import makers

if TYPE_CHECKING:
    from pathlib import Path

T0: Final = 1_795_000_000
LEAK: Final = ["alloc::alloc::alloc|alloc::raw_vec::grow", "billing::cache::insert", "tokio::runtime::poll", "main"]
CACHE: Final = ["alloc::alloc::alloc", "billing::pages::load", "main"]


def test_jemalloc_samples_are_scaled_up(tmp_path: Path) -> None:
    """A stack of small objects is seen seldom, one of large objects always: each is scaled by its own chance."""
    rate, file = 524_288, tmp_path / "jeprof.1.0.i0.heap"
    file.write_text(makers.jeprof(rate, [([0x1100, 0x1200], 4, 4 * 1000), ([0x1300], 2, 2 * (64 << 20))]))
    heap = rm.read_jeprof(file)
    small = 4000 / (1 - math.exp(-1000 / rate))
    assert heap.stacks["live_bytes"].to_list() == [round(small), 128 << 20]
    assert heap.stacks["live_blocks"][0] == round(small / 1000)
    assert heap.summary.sampled
    assert "about" in repr(heap)


@given(blocks=st.integers(1, 1 << 20), each=st.integers(1, 1 << 24), rate=st.integers(1, 1 << 30))
def test_scaling_never_loses_memory(blocks: int, each: int, rate: int) -> None:
    """What was sampled is the least there can be, and what is much larger than the interval is counted as it is."""
    from rmtoolkit.heap.formats import _scaled

    found, size = _scaled(blocks, blocks * each, rate)
    assert found >= blocks
    assert size >= blocks * each
    if each > 40 * rate:
        assert size == blocks * each


@pytest.mark.parametrize("pack", [True, False], ids=["packed", "one by one"])
def test_pprof_with_inlined_functions(pack: bool, tmp_path: Path) -> None:
    """Lines of one location are inlined into each other, the innermost first; addresses keep module and offset."""
    data = makers.pprof([(LEAK, [3, 300]), (["0x1234"], [1, 50])], period=524_288, pack=pack)
    file = tmp_path / "heap.pb.gz"
    file.write_bytes(gzip.compress(data))
    heap = rm.read_heap(file)
    assert heap.stack(1)["function"].to_list() == [name for place in LEAK for name in place.split("|")]
    assert heap.stack(2)["function"].to_list() == ["service+0x234"]
    assert heap.stacks.select("live_blocks", "live_bytes").rows() == [(3, 300), (1, 50)]
    assert (heap.summary.command, heap.summary.sampled) == ("/app/service", True)
    assert heap.stack(1)["origin"].to_list()[:3] == ["std", "std", "own"]


def test_pprof_of_something_else_is_refused(tmp_path: Path) -> None:
    """A profile of the processor is one of pprof too, and no heap."""
    file = tmp_path / "cpu.pb"
    file.write_bytes(makers.pprof([(["main"], [3, 300])], types=("samples", "cpu")))
    with pytest.raises(ReadError, match="found 'samples, cpu', expected a profile with inuse_space"):
        rm.read_pprof(file)


@pytest.mark.parametrize(
    ("sample", "found"), [(makers.number(2, 5), "a number where"), (makers.data(2, b"\x0a\x01\x80"), "does not end")]
)
def test_pprof_damaged_in_its_first_sample_says_where(sample: bytes, found: str, tmp_path: Path) -> None:
    """Nothing before it can be used: the damage is the error, not the values whose names stand behind it."""
    file = tmp_path / "cut.pb"
    file.write_bytes(makers.data(1, makers.number(1, 1)) + sample + makers.pprof([(["main"], [3, 300])]))
    with pytest.raises(ReadError, match=found):
        rm.read_pprof(file)


def test_a_series_of_dumps_has_growth(tmp_path: Path) -> None:
    """Dumps in the order of their numbers, of a folder or a list: what grows is first, though a cache holds more."""
    for place in range(12):
        samples = [(LEAK, [place, 500 * place]), (CACHE, [9, 90_000])]
        (tmp_path / f"heap.{place}.pb").write_bytes(makers.pprof(samples))
    heap = rm.read_pprof(tmp_path)
    found = rm.suspects(heap)
    assert found["function"].to_list() == ["billing::cache::insert", "billing::pages::load"]
    assert found["reading"].to_list() == ["grows", "held"]
    assert heap.timeline["live_bytes"].to_list() == [90_000 + 500 * place for place in range(12)]
    single = [rm.read_pprof(tmp_path / f"heap.{place}.pb") for place in range(12)]
    assert rm.suspects(single)["function"].to_list() == found["function"].to_list()
    # One picture only tells what is held.
    assert rm.suspects(single[-1])["reading"].to_list() == ["live", "live"]


def test_a_service_that_symbolises_its_own_dump(tmp_path: Path) -> None:
    """Names before the stacks, inlined ones joined by two hyphens, as jeprof --raw writes them."""
    text = (
        "--- symbol\nbinary=/app/billing\n0x1100 inner--billing::put::h0123456789abcdef\n0x1200 main\n---\n--- heap\n"
    )
    file = tmp_path / "heap.raw"
    file.write_text(text + makers.jeprof(1, [([0x1100, 0x1200], 2, 96)]))
    heap = rm.read_heap(file)
    assert heap.stack(1)["function"].to_list() == ["inner", "billing::put", "main"]
    assert heap.summary.command == "/app/billing"


def test_pprof_says_when_it_was_taken(tmp_path: Path) -> None:
    """Neither names nor times of files tell as much, and what repeats the one before is no picture of its own."""
    types = ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space")
    taken = {"now.pb": (500, 3), "before.pb": (380, 2), "again.pb": (440, 2), "first.pb": (20, 1)}
    for name, (seconds, blocks) in taken.items():
        sample = (["main.keep", "main.main"], [blocks, 96 * blocks, blocks, 96 * blocks])
        (tmp_path / name).write_bytes(makers.pprof([sample], types, taken_seconds=seconds))
    heap = rm.read_heap(tmp_path)
    assert heap.timeline.select("time_seconds", "live_bytes").rows() == [(0, 96), (360, 192), (480, 288)]
    assert heap.report.time_axis == "when each was taken"
    assert "left out 1 of 4 snapshots, the same as the one before" in heap.report.warnings[-1]


def test_the_text_that_go_serves_names_its_functions(tmp_path: Path) -> None:
    """Names stand behind each stack, inlined ones at one address; it ends with statistics, and snapshots may repeat."""
    row = (
        "2: 96 [2: 96] @ 0x1101 0x1201\n#\t0x1100\tmain.keep+0xb3\t\t/src/main.go:7\n"
        "#\t0x1100\tmain.(*Store).Put+0x1b\t/src/main.go:9\n#\t0x1200\tmain.main+0x25\t/src/main.go:20\n\n"
    )
    text = f"heap profile: 2: 96 [2: 96] @ heap/2\n{row}\n# runtime.MemStats\n# Alloc = 96\n"
    files = [tmp_path / f"heap.{number}" for number in range(3)]
    for file in files:
        file.write_text(text)
    heap = rm.read_heap(files)
    assert heap.summary.format == "pprof"
    assert heap.stack(1)["function"].to_list() == ["main.keep", "main.(*Store).Put", "main.main"]
    assert not heap.report.partial
    assert not heap.report.left_out
    assert heap.timeline.height == 3
    assert not heap.report.warnings


@pytest.mark.parametrize(
    ("lasts", "kept", "reading"),
    [
        ([1, 1, 1, 2, 3, 6], 6, "grows"),
        ([1, 1, 1, 1, 1, 20], 25, "held"),
        ([4] * 10 + [56], 24, "held"),
    ],
    ids=["collections at each doubling", "fills and rests", "rests after collections"],
)
def test_what_repeats_between_collections_is_no_rest(lasts: list[int], kept: int, reading: str, tmp_path: Path) -> None:
    """A rest longer than is usual is one, also at the end, however often a collection was served before."""
    types = ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space")
    for at, step in enumerate(step for step, times in enumerate(lasts, 1) for _ in range(times)):
        values = [900 * step, step << 26, 100 * step, step << 24]
        sample = makers.pprof([(["main.keep", "main.main"], values)], types, taken_seconds=60 * at + 60)
        (tmp_path / f"heap.{at}.pb").write_bytes(sample)
    heap = rm.read_heap(tmp_path)
    assert (heap.timeline.height, rm.suspects(heap)["reading"].to_list()) == (kept, [reading])
    assert "Go" not in " ".join(heap.report.warnings)


def test_dhat_of_dhat_rs(tmp_path: Path) -> None:
    """Microseconds, columns behind lines, blocks at the peak and at the end."""
    file = tmp_path / "dhat-heap.json"
    file.write_text(
        '{"dhatFileVersion":2,"mode":"rust-heap","verb":"Allocated","bklt":true,"bkacc":false,"tu":"µs","Mtu":"s",'
        '"tuth":10,"cmd":"./billing","pid":7,"tg":500000,"te":2000000,"pps":['
        '{"tb":900,"tbk":9,"tl":5,"mb":300,"mbk":3,"gb":200,"gbk":2,"eb":100,"ebk":1,"fs":[1,2]}],'
        '"ftbl":["[root]","0x1: alloc::alloc::alloc (alloc/src/alloc.rs:95:9)","0x2: billing::put (src/a.rs:3:5)"]}'
    )
    heap = rm.read_dhat(file)
    summary = heap.summary
    assert (summary.allocations, summary.peak_bytes, summary.live_at_end_bytes) == (9, 200, 100)
    assert (summary.peak_time_seconds, summary.runtime_seconds) == (0.5, 2)
    assert heap.stack(1).select("function", "file", "line").rows()[1] == ("billing::put", "src/a.rs", 3)
    file.write_text(file.read_text().replace("rust-heap", "rust-ad-hoc"))
    with pytest.raises(ReadError, match="mode rust-ad-hoc"):
        rm.read_dhat(file)


@pytest.mark.parametrize("form", [0, 1, 2, 3])
@pytest.mark.parametrize("packing", ["plain", "gz", "two members"])
def test_forms_of_heaptrack(form: int, packing: str, tmp_path: Path) -> None:
    """Every form and packing gives the same totals, stacks and timeline."""
    stacks = [["alloc::alloc::alloc|billing::put", "main"], ["billing::load", "main"]]
    events = ["+ 0", "+ 1", "c a", "R 10", "- 0", "+ 0", "c 14", "R 20", "- 1"]
    if not form:
        events = ["+ 10 2 7f0", "+ 20 3 7f1", "c a", "R 10", "- 7f0", "+ 10 2 7f0", "c 14", "R 20", "- 7f1"]
    data = makers.heaptrack(stacks, [] if not form else [(16, 0), (32, 1)], events, form)
    if packing == "gz":
        data = gzip.compress(data)
    elif packing == "two members":
        data = gzip.compress(data[:100]) + gzip.compress(data[100:])
    file = tmp_path / "recording"
    file.write_bytes(data)
    heap = rm.read_heap(file)
    summary = heap.summary
    assert (summary.allocations, summary.peak_bytes, summary.live_at_end_bytes) == (3, 48, 16)
    assert (summary.rss_peak_bytes, summary.runtime_seconds) == (0x20 * 4096, 0.021)
    assert heap.timeline.select("time_seconds", "live_bytes", "peak_bytes").rows() == [(0.01, 48, 48), (0.02, 48, 48)]
    assert heap.sizes.rows() == [(16, 2, 1), (32, 1, 0)]
    names = heap.stack(heap.stacks["stack_id"][0])["function"].to_list()
    assert names == (["alloc::alloc::alloc", "billing::put", "main"] if form != 1 else names)
    assert not [note for note in heap.report.notes() if "attached" in note or "not interpreted" in note]


@pytest.mark.parametrize("shift", range(4))
def test_what_is_freed_at_once_is_temporary_wherever_a_block_ends(shift: int, tmp_path: Path) -> None:
    """A file is read block by block: an allocation at the end of one is freed at the beginning of the next."""
    stacks, sizes = [["put", "main"], ["keep", "main"]], [(16, 0), (8, 1)]
    file = tmp_path / "api.heaptrack"
    file.write_bytes(makers.heaptrack(stacks, sizes, ["+ 1"] * shift + ["+ 0", "- 0"] * 120_000))
    found = rm.read_heaptrack(file).summary
    assert found.temporary == 120_000
    assert found.allocations == 120_000 + shift


def test_a_newer_form_is_refused(tmp_path: Path) -> None:
    """A file of a form that is not known is no guess."""
    file = tmp_path / "new"
    file.write_text("v 20000 4\nX ./a\n")
    with pytest.raises(ReadError, match=r"line 1: found 'form 4', expected one from 0 to 3. A newer"):
        rm.read_heaptrack(file)


def test_an_attached_recorder_starts_from_nothing(tmp_path: Path) -> None:
    """What came before heaptrack was attached does not count, and the report says so."""
    data = makers.heaptrack([["billing::put", "main"]], [(16, 0)], ["+ 0", "+ 0", "A", "+ 0", "c a"])
    file = tmp_path / "attached"
    file.write_bytes(data)
    heap = rm.read_heaptrack(file)
    assert (heap.summary.allocations, heap.summary.live_at_end_bytes, heap.summary.peak_bytes) == (1, 16, 16)
    assert any("attached to a running program" in note for note in heap.report.notes())


def test_async_functions_are_named_by_their_own_code(tmp_path: Path) -> None:
    """By names alone: executors and wrappers around futures are passed over; closures belong to their function."""
    stack = [
        "alloc::alloc::alloc",
        "<alloc::raw_vec::RawVec<T>>::grow_one",
        "<bytes::bytes_mut::BytesMut>::reserve_inner",
        "billing::handlers::create::{closure#0}::{closure#1}",
        "<axum::handler::future::IntoServiceFuture<F> as core::future::future::Future>::poll",
        "<tower::util::Oneshot<S, R> as core::future::future::Future>::poll",
        "tokio::runtime::task::raw::poll::<billing::main::{closure#0}>",
        "std::sys::backtrace::__rust_begin_short_backtrace",
    ]
    lines = ["v 10500 3", "X ./billing", *(f"s {len(name):x} {name}" for name in stack)]
    lines += [f"i {16 * place:x} 0 {place:x}" for place in range(1, 9)]
    lines += [f"t {9 - place:x} {place - 1:x}" for place in range(1, 9)]
    file = tmp_path / "async"
    lines += ["a 40 8", *(f"+ 0\nc {10 * place:x}" for place in range(1, 60)), "", "# strings: 8", "# ips: 8", ""]
    file.write_text("\n".join(lines))
    found = rm.suspects(rm.read_heaptrack(file)).row(0, named=True)
    assert (found["function"], found["reading"]) == ("billing::handlers::create", "grows")


def test_diff_ignores_addresses_and_moved_lines(tmp_path: Path) -> None:
    """Two builds: what grew, came and went; the sum of each change is the difference of the totals."""
    profiles = []
    for name, samples in (
        ("before.pb", [(LEAK, [1, 100]), (CACHE, [2, 200]), (["billing::old", "main"], [1, 7])]),
        ("after.pb", [(CACHE, [2, 200]), (["billing::new", "main"], [1, 9]), (LEAK, [5, 500])]),
    ):
        (tmp_path / name).write_bytes(makers.pprof(samples))
        profiles.append(rm.read_pprof(tmp_path / name))
    a, b = profiles
    table = rm.diff(a, b)
    assert dict(table.select("function", "live_bytes_change").rows()) == {
        "billing::cache::insert": 400,
        "billing::new": 9,
        "billing::old": -7,
    }
    before, after = (heap.summary.live_at_end_bytes or 0 for heap in (a, b))
    assert table["live_bytes_change"].sum() == after - before
    assert rm.diff(a, a).is_empty()
    assert rm.diff(b, a).select("live_bytes_change").sum().item() == -402


def test_what_one_of_two_profiles_does_not_know_has_no_difference(tmp_path: Path) -> None:
    """A picture has no peak: nobody knows how much more there was; of what it has not at all there was nothing."""
    (tmp_path / "a.pb").write_bytes(makers.pprof([(LEAK, [1, 100]), (CACHE, [2, 200])]))
    (tmp_path / "b").write_bytes(makers.heaptrack([["billing::put", "main"]], [(16, 0)], ["+ 0", "+ 0", "- 0"]))
    picture, whole = rm.read_pprof(tmp_path / "a.pb"), rm.read_heaptrack(tmp_path / "b")
    for pair in ((picture, whole), (whole, picture)):
        table = rm.diff(*pair)
        assert table.height == 3
        assert (
            table.select("live_bytes_before", "live_bytes_after", "live_bytes_change").null_count().row(0) == (0,) * 3
        )
        assert (
            table.select("peak_bytes_before", "peak_bytes_after", "peak_bytes_change").null_count().row(0) == (3,) * 3
        )
    assert rm.diff(whole, whole).height == 0


@pytest.mark.parametrize(("file", "named"), [("src/log.c", "append"), ("src/log.rs", "add::append")])
def test_functions_of_c_that_are_inlined_have_a_name_of_their_own(file: str, named: str, tmp_path: Path) -> None:
    """Heaptrack joins it to those that it is inlined into, as if they were its crates; in Rust they may be."""
    recorded = makers.heaptrack([["add::append|add", "main"]], [(16, 0)], ["+ 0"], file=file)
    (tmp_path / "recording").write_bytes(recorded)
    heap = rm.read_heap(tmp_path / "recording")
    assert heap.stack(heap.stacks["stack_id"][0])["function"].to_list() == [named, "add", "main"]


def test_the_most_between_two_stamps_is_kept(tmp_path: Path) -> None:
    """Also of what was freed before the second: from nothing, and back to nothing."""
    file = tmp_path / "recording"
    file.write_bytes(
        makers.heaptrack([["put", "main"]], [(16, 0)], ["c 1", "+ 0", "c 2", "- 0", "+ 0", "- 0", "c 3", "c 4"])
    )
    found = rm.read_heap(file).timeline.select("time_seconds", "live_bytes", "peak_bytes").rows()
    assert found == [(0.001, 0, 0), (0.002, 16, 16), (0.003, 0, 16), (0.004, 0, 0)]


def test_stamps_that_go_back_are_left_out(tmp_path: Path) -> None:
    """A damaged clock does not turn the timeline around; the report counts."""
    file = tmp_path / "clock"
    file.write_bytes(
        makers.heaptrack([["billing::put", "main"]], [(16, 0)], ["+ 0", "c 64", "+ 0", "c 5", "+ 0", "c 6e"])
    )
    with pytest.warns(RmtoolkitWarning, match="1 stamp of time out of order"):
        heap = rm.read_heaptrack(file)
    assert heap.timeline["time_seconds"].is_sorted()
    assert heap.summary.runtime_seconds == 0.111


def test_a_recording_that_was_not_interpreted_names_module_and_offset(tmp_path: Path) -> None:
    """Long addresses are told apart by their upper digits, and code by its distance from where its module begins."""
    lines = [
        "v 10500 3",
        "X ./api",
        "x 8 /app/api",
        "m 1 x 555555554000 0 5000",
        "m c /lib/libc.so 7f0000000000 0 1000",
        "t 555555554123 0",
        "t 7f0000000010 1",
        "+ 10 1 7f00aabbccdd",
        "+ 20 2 7e00aabbccdd",
        "- 7f00aabbccdd",
        "R 451",
    ]
    file = tmp_path / "raw"
    file.write_text("\n".join(lines) + "\n")
    heap = rm.read_heaptrack(file)
    assert (heap.summary.allocations, heap.summary.live_at_end_bytes, heap.summary.temporary) == (2, 32, 0)
    names = {tuple(heap.stack(number)["function"]): tuple(heap.stack(number)["module"]) for number in (1, 2)}
    assert names == {
        ("api+0x123",): ("/app/api",),
        ("libc.so+0x10", "api+0x123"): ("/lib/libc.so", "/app/api"),
    }
    assert any("not interpreted" in note for note in heap.report.notes())


def test_what_a_thread_runs_is_named_in_massif(tmp_path: Path) -> None:
    """Valgrind gives an inlined closure no path; Rust's own frames that start the thread say whose it is."""
    tree = [
        "n1: 40 (heap allocation functions) malloc",
        "n1: 40 0x10: {closure#0} (api.rs:7)",
        "n1: 40 0x10: std::sys::backtrace::__rust_begin_short_backtrace (library/std/src/sys/backtrace.rs:166)",
        "n1: 40 0x20: {closure#0}<api::watch::{closure_env#0}, usize> (library/std/src/thread/lifecycle.rs:91)",
        "n0: 40 0x20: call_once<std::thread::{closure_env#0}<api::watch::{closure_env#0}>> (library/core/a.rs:2)",
    ]
    lines = ["desc: a", "cmd: ./api", "time_unit: ms", "#-----------", "snapshot=0", "#-----------", "time=5"]
    lines += ["mem_heap_B=40", "mem_heap_extra_B=8", "mem_stacks_B=0", "heap_tree=peak"]
    file = tmp_path / "massif.out.7"
    file.write_text("\n".join([*lines, *(" " * depth + node for depth, node in enumerate(tree)), ""]))
    heap = rm.read_massif(file)
    assert heap.stack(1)["function"][0] == "api::watch::{closure#0}"
    assert rm.suspects(heap)["function"].to_list() == ["api::watch"]


def test_growth_in_massif_is_by_stack_and_time(tmp_path: Path) -> None:
    """Two stacks that change in turns each have their rows together, in the order of the snapshots."""
    snapshots = [
        f"snapshot={number}\ntime={number}\nmem_heap_B={one + two}\nmem_heap_extra_B=0\nmem_stacks_B=0\n"
        f"heap_tree=detailed\nn2: {one + two} (heap allocation functions) malloc\n"
        f" n0: {one} 0x1: a::one (a.rs:1)\n n0: {two} 0x2: a::two (a.rs:2)\n"
        for number, (one, two) in enumerate([(10, 20), (30, 20), (30, 40)])
    ]
    file = tmp_path / "massif.out.7"
    file.write_text("desc: (none)\ncmd: ./api\ntime_unit: ms\n#---\n" + "".join(snapshots))
    heap = rm.read_massif(file)
    assert heap.growth.select("stack_id", "events", "live_bytes").rows() == [
        (1, 0, 10),
        (1, 1, 30),
        (2, 0, 20),
        (2, 2, 40),
    ]
    assert heap.growth["time_seconds"].to_list() == [0.0, 0.001, 0.0, 0.002]
    branch = tree(heap, "peak_bytes", root="a::two")
    assert branch.select("name", "value").rows() == [("a::two", 40)]
    with pytest.raises(UnknownWorkloadError):
        tree(heap, root="a::three")


def test_the_whole_tells_what_few_trees_of_massif_do_not() -> None:
    """A service as massif records it by itself, a tree in ten snapshots: its queue of retries is never emptied."""
    found = rm.suspects(rm.read_massif("tests/data/heap/backoff.massif.gz"))
    assert found.select("function", "reading").row(0) == ("service::Backoff::keep", "grows")
    assert found["reading"].to_list().count("grows") == 1


@pytest.mark.parametrize("text", ['{"dhatFileVersion": 3, "pps": [], "ftbl": []}', '[{"dhatFileVersion": 2}]'])
def test_dhat_of_another_version_is_refused(tmp_path: Path, text: str) -> None:
    """Its fields may mean something else; a list is no profile at all."""
    file = tmp_path / "dhat-heap.json"
    file.write_text(text)
    with pytest.raises(ReadError, match=r"dhatFileVersion 3|Expected object, got array"):
        rm.read_dhat(file)


def test_only_a_sampled_profile_says_about() -> None:
    """What was counted is said as it is, what was sampled as an estimate, and what is unknown as unknown."""
    counted = HeapSummary("dhat", peak_bytes=3 << 20, live_at_end_bytes=1 << 20)
    assert repr(HeapProfile(counted)) == "<HeapProfile: dhat, 0 stacks, peak 3 Mi, live at the end 1 Mi>"
    sampled = HeapSummary("jeprof", peak_bytes=None, live_at_end_bytes=1 << 20, sample_bytes=1 << 19)
    assert repr(HeapProfile(sampled)) == "<HeapProfile: jeprof, 0 stacks, peak unknown, live at the end about 1 Mi>"


def test_dhat_takes_memory_as_its_file_is_long(tmp_path: Path) -> None:
    """Points are decoded one by one: 2,000 stacks of 100 frames as lists of Python would take ten times as much."""
    frames = ["[root]", *(f"0x{place:X}: api::put_{place} (a.rs:3)" for place in range(2_000))]
    stacks = [[1 + (first + 7 * place) % 2_000 for place in range(100)] for first in range(2_000)]
    points = [{"tb": 64, "tbk": 1, "fs": stack} for stack in stacks]
    document = {"dhatFileVersion": 2, "mode": "heap", "pps": points, "ftbl": frames}
    file = tmp_path / "dhat.out"
    file.write_text(json.dumps(document))
    rm.read_dhat(file)  # what is made once
    tracemalloc.start()
    heap = rm.read_dhat(file)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert heap.stacks["frames"].to_list() == [[number - 1 for number in stack] for stack in stacks]
    assert most < 5 * file.stat().st_size


def test_stacks_are_cut_only_when_all_of_them_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are counted over all stacks: of 3, 3 and 3 with room for 7, the last keeps its fair share of two."""
    monkeypatch.setattr(_names, "MOST_ENTRIES", 7)
    frame, cut = _names.stacks_frame([[1, 2, 3]] * 3, {"live_bytes": [1, 2, 3]})
    assert frame["frames"].list.len().to_list() == [3, 3, 2]
    assert cut == 1


@pytest.mark.parametrize(
    ("gaps", "told"),
    [
        ([30, 30, 30, 30], True),
        ([30, 30, 30, 0.02], True),
        ([30, 30, 30, 0], True),
        ([0.02, 0.02, 30, 30], True),
        ([0.001, 0, 0.002, 0.001], False),
        ([30, -60, 30, 30], False),
        ([0.02], False),
    ],
)
def test_two_pictures_of_one_moment_take_no_times_from_the_others(
    gaps: list[float], told: bool, tmp_path: Path
) -> None:
    """A program dumps more often as it starts and ends; copies made in no time, or in another order, tell nothing."""
    for number in range(len(gaps) + 1):
        file = tmp_path / f"jeprof.7.{number}.heap"
        file.write_text(makers.jeprof(1, [([0x1100], 1 + number, (1 + number) << 20)]))
        os.utime(file, (T0 + sum(gaps[:number]),) * 2)
    heap = rm.read_heap(tmp_path)
    seconds = heap.growth["time_seconds"].to_list()
    # That of the end is no picture more.
    pictures = range(len(gaps) + (not told or gaps[-1] > 1))
    assert seconds == pytest.approx([sum(gaps[:at]) if told else None for at in pictures])
    assert (heap.timeline["time_seconds"].null_count() == 0) is told
    assert rm.suspects(heap).height


@pytest.mark.parametrize("ends", [(True, True), (False, False), (True, False), (False, True)])
def test_what_is_held_at_the_end_is_compared_only_where_both_know_it(ends: tuple[bool, bool], tmp_path: Path) -> None:
    """DHAT knows it, massif does not: of two of massif the last snapshots are compared."""
    pair = []
    for at, ended in enumerate(ends):
        size = 40 << (20 + at)
        file = tmp_path / f"{at}.profile"
        if ended:
            sums = dict.fromkeys(("tb", "gb", "eb"), size) | dict.fromkeys(("tbk", "gbk", "ebk"), 1)
            table = ["[root]", "0x1: api::put (a.rs:3:5)"]
            points = [{**sums, "fs": [1]}]
            told = {"dhatFileVersion": 2, "mode": "rust-heap", "cmd": "./api", "pps": points, "ftbl": table}
            file.write_text(json.dumps(told))
        else:
            head = f"desc: (none)\ncmd: ./api\ntime_unit: ms\n#---\nsnapshot=0\ntime=5\nmem_heap_B={size}\n"
            tree = f"n1: {size} (heap allocation functions) malloc\n n0: {size} 0x1: api::put (a.rs:3)\n"
            file.write_text(f"{head}mem_heap_extra_B=8\nmem_stacks_B=0\nheap_tree=peak\n{tree}")
        pair.append(rm.read_heap(file))
    said = answer_diff(*pair).headline
    if ends[0] != ends[1]:
        assert said.startswith("1 function changed; what is held at the end is unknown in one of them.")
    else:
        when = "at the end" if ends[0] else "in its last snapshot"
        assert said.startswith(f"The second holds 40 Mi more {when} than the first, most of it through api::put.")
