"""Ten services with a planted leak each, recorded with heaptrack: the planted function is the first suspect."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.heap.conftest import Workshop

#: What was planted, by shape; and how the program is built: as usual, with names mangled in the newer way, or without
#: optimisation.
PLANTED: Final = {
    "vec": ("leaks::planted::Session::record", "usual"),
    "map": ("leaks::planted::index_forever", "v0"),
    "rc_cycle": ("leaks::planted::link_both_ways", "usual"),
    "channel": ("leaks::planted::announce", "v0"),
    "thread": ("leaks::planted::watch_forever", "usual"),
    "per_request": ("leaks::planted::keep_request", "plain"),
    "after_warm_up": ("leaks::planted::keep_request", "v0"),
    "next_to_cache": ("leaks::planted::keep_request", "usual"),
    "next_to_spike": ("leaks::planted::keep_request", "plain"),
    "two_leaks": ("leaks::planted::keep_request", "v0"),
}
BARE: Final = ("map", "rc_cycle", "next_to_spike")


@pytest.fixture(scope="module")
def recordings(workshop: Workshop) -> dict[str, Path]:
    """One recording per shape, two at a time: the programs sleep more than they work."""
    shapes = {shape: (shape, build) for shape, (_, build) in PLANTED.items()} | {"none": ("none", "v0")}
    shapes |= {f"{shape} bare": (shape, "bare") for shape in BARE}
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(shapes, pool.map(lambda one: workshop.service(*one), shapes.values()), strict=True))


@pytest.mark.parametrize("shape", PLANTED)
def test_the_planted_function_is_the_first_suspect(shape: str, recordings: dict[str, Path]) -> None:
    """By name, as growth that goes on, before caches and a startup that hold more."""
    found = rm.suspects(rm.read_heaptrack(recordings[shape]))
    first = found.row(0, named=True)
    assert (first["function"], first["reading"], first["origin"]) == (PLANTED[shape][0], "grows", "own")
    assert first["growth_bytes"] > 0
    assert "more after startup" in first["evidence"]


@pytest.mark.parametrize("shape", BARE)
def test_names_of_functions_are_enough(shape: str, recordings: dict[str, Path]) -> None:
    """Without debugging information no file tells whose code it is: the crate in the name does."""
    found = rm.suspects(rm.read_heaptrack(recordings[f"{shape} bare"])).row(0, named=True)
    assert (found["function"], found["reading"], found["line"]) == (PLANTED[shape][0], "grows", None)


def test_both_of_two_leaks_come_first(recordings: dict[str, Path]) -> None:
    """The larger leak is first, the smaller one second; nothing else grows."""
    found = rm.suspects(rm.read_heaptrack(recordings["two_leaks"]))
    growing = found.filter(found["reading"] == "grows")
    assert growing["function"].to_list() == ["leaks::planted::keep_request", "leaks::planted::keep_trace"]


def test_growth_is_told_in_blocks(recordings: dict[str, Path]) -> None:
    """A block of 333 bytes for each request is that much growth per block."""
    first = rm.suspects(rm.read_heaptrack(recordings["per_request"])).row(0, named=True)
    assert first["growth_bytes"] == pytest.approx(333 * first["growth_blocks"], rel=0.01)


def test_a_service_without_a_leak_has_no_growing_suspect(recordings: dict[str, Path]) -> None:
    """A bounded cache is held, and nothing grows."""
    found = rm.suspects(rm.read_heaptrack(recordings["none"]))
    assert "grows" not in found["reading"].to_list()
    assert found["function"][0] == "leaks::Cache::remember"


@pytest.mark.parametrize("shape", PLANTED)
def test_what_heaptrack_print_shows(shape: str, recordings: dict[str, Path], workshop: Workshop) -> None:
    """Its default report has no list of leaks, and no entry of its lists is headed by the planted function.

    In most of these recordings the name does occur, somewhere in the backtraces below other heads. Of a program without
    debugging information heaptrack_print heads an entry with the mangled name: there is no inlining to hide it.
    """
    default = workshop.run(["heaptrack_print", "-f", recordings[shape]])
    assert "MEMORY LEAKS" not in default
    assert "MOST CALLS TO ALLOCATION FUNCTIONS" in default
    heads = re.findall(r"^\S+ (?:calls|consumed|temporary|leaked)\b[^\n]* from\n(\S+)", default, re.MULTILINE)
    assert len(heads) > 4
    assert not [head for head in heads if "planted" in head]
    # Asked for leaks, it lists them below the allocator's own functions.
    leaks = workshop.run(["heaptrack_print", "-l1", "-f", recordings[shape]])
    section = leaks.partition("MEMORY LEAKS")[2].partition("MOST TEMPORARY")[0]
    heads = re.findall(r"^\S+ leaked[^\n]* from\n(\S+)", section, re.MULTILINE)
    assert heads
    assert "planted" not in heads[0]
