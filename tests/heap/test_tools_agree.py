"""DHAT, massif, gperftools and jemalloc on one program that counts its own allocations: the same bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import rmtoolkit as rm
from tests.heap.conftest import library

if TYPE_CHECKING:
    from pathlib import Path

    from tests.heap.conftest import Workshop


@pytest.fixture(scope="module")
def truth(workshop: Workshop) -> dict[str, int]:
    """What the program counted."""
    program = workshop.program("exact.c", "-rdynamic")
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", workshop.run([program]))}


@pytest.fixture(scope="module")
def profiles(workshop: Workshop) -> dict[str, Path]:
    """One profile of each tool."""
    program = workshop.program("exact.c", "-rdynamic")
    folder = workshop.folder
    dhat = ["valgrind", "--tool=dhat", f"--dhat-out-file={folder / 'dhat.json'}", program]
    massif = ["valgrind", "--tool=massif", f"--massif-out-file={folder / 'massif.out'}", "--peak-inaccuracy=0.0"]
    massif += ["--threshold=0.0", "--detailed-freq=1", str(program)]
    settings = f"prof:true,lg_prof_sample:0,prof_final:true,prof_accum:true,prof_prefix:{folder / 'profiled'}"
    made = {
        "dhat": workshop.make("dhat.json", ("valgrind",), dhat),
        "massif": workshop.make("massif.out", ("valgrind",), massif),
        "gperftools": workshop.make(
            "gperf.0001.heap",
            (),
            [program],
            environment={"HEAPPROFILE": str(folder / "gperf"), "LD_PRELOAD": library("libtcmalloc.so.4")},
        ),
    }
    # jemalloc puts the number of the process into the name.
    workshop.said("profiled.log", program, MALLOC_CONF=settings, LD_PRELOAD=library("libjemalloc.so.2"))
    (made["jemalloc"],) = folder.glob("profiled.*.0.f.heap")
    return made


def test_what_is_live_at_the_end(truth: dict[str, int], profiles: dict[str, Path]) -> None:
    """DHAT and gperftools count the same bytes and blocks as the program, and heaptrack does elsewhere."""
    for name in ("dhat", "gperftools"):
        summary = rm.read_heap(profiles[name]).summary
        assert (summary.live_at_end_bytes, summary.live_at_end_blocks) == (truth["live"], truth["blocks"]), name


def test_what_was_allocated(truth: dict[str, int], profiles: dict[str, Path]) -> None:
    """The same number of calls and bytes; a realloc is a call."""
    for name in ("dhat", "gperftools"):
        summary = rm.read_heap(profiles[name]).summary
        assert (summary.allocations, summary.allocated_bytes) == (truth["allocations"], truth["total"]), name


def test_the_peak(truth: dict[str, int], profiles: dict[str, Path]) -> None:
    """DHAT and massif saw the same most, and each splits it among the same functions."""
    dhat, massif = rm.read_heap(profiles["dhat"]), rm.read_heap(profiles["massif"])
    assert dhat.summary.peak_bytes == massif.summary.peak_bytes == truth["peak"]
    assert dhat.stacks["peak_bytes"].sum() == massif.stacks["peak_bytes"].sum() == truth["peak"]

    def by_function(heap: rm.HeapProfile) -> dict[str, int]:
        found: dict[str, int] = {}
        for stack, size in heap.stacks.select("stack_id", "peak_bytes").rows():
            names = [name for name in heap.stack(stack)["function"] if name not in (None, "malloc", "realloc")]
            found[names[0]] = found.get(names[0], 0) + size
        return {name: size for name, size in found.items() if size}

    assert by_function(dhat) == by_function(massif) == {"keep": 104950, "replace": 500, "leak": 2331, "main": 50000}


def test_massif_does_not_know_the_end(profiles: dict[str, Path]) -> None:
    """Its last picture is taken before the end: what is live then is not said to be live at the end."""
    heap = rm.read_massif(profiles["massif"])
    assert heap.summary.live_at_end_bytes is None
    assert heap.timeline["live_bytes"][-1] > 0
    assert any("before the program ends" in note for note in heap.report.notes())


def test_jemalloc_counts_size_classes(truth: dict[str, int], profiles: dict[str, Path]) -> None:
    """With every allocation sampled jemalloc's dump is exact too, in blocks as large as it makes them: 384 for 333."""
    heap = rm.read_jeprof(profiles["jemalloc"])
    assert not heap.summary.sampled
    assert heap.stacks.filter(heap.stacks["live_blocks"] == truth["blocks"])["live_bytes"].to_list() == [7 * 384]


def test_functions_have_their_names_where_the_tool_knows_them(profiles: dict[str, Path]) -> None:
    """Valgrind names functions; gperftools and jemalloc give places, which the program that is still there names."""
    assert rm.suspects(rm.read_dhat(profiles["dhat"]))["function"].to_list() == ["leak"]
    for name in ("gperftools", "jemalloc"):
        heap = rm.read_jeprof(profiles[name])
        assert {"leak", "main"} <= set(heap.frames["function"]), name
        assert heap.frames.filter(function="leak")["file"].str.ends_with("exact.c").all(), name
