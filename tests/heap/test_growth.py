"""What is read of curves: how much grew, how fast, whose share it is, and in which words that is said."""

from __future__ import annotations

import math
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit._tables import conform
from rmtoolkit.analysis.heap_answers import answer, answer_diff
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.heap._names import FrameTable, stacks_frame
from rmtoolkit.heap.formats import join, read_one_pprof
from rmtoolkit.heap.profile import GROWTH, TIMELINE, HeapProfile, HeapSummary
from rmtoolkit.heap.suspects import _grown, over_time, suspects
from rmtoolkit.heap.tree import FEWEST, READINGS, Curves, _goes_on, floors, for_good, read_curves
from tests.heap import makers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rmtoolkit.analysis.heap_answers import HeapAnswer

GROWTH_FOLDER: Final = Path(__file__).parents[2] / "data" / "heap" / "growth"
#: A minute of a program that does the same in every second.
SECONDS: Final = range(65)


def service(events: Callable[[int], int] = lambda second: 10 * second, **held: Callable[[int], int]) -> HeapProfile:
    """A program whose functions hold so many bytes at each second, in blocks of 100 bytes."""
    table = FrameTable()
    numbers = [table.number(f"api::{name}", "src/api.rs", 3, "/app/api") for name in held]
    ends = [amount(SECONDS[-1]) for amount in held.values()]
    stacks, _ = stacks_frame(
        [[number] for number in numbers], {"live_bytes": ends, "allocations": [end // 100 for end in ends]}
    )
    rows = [
        (stack, float(second), events(second), amount(second), amount(second) // 100)
        for stack, amount in enumerate(held.values(), 1)
        for second in SECONDS
    ]
    moments = [(float(second), None, None, None, events(second)) for second in SECONDS]
    return HeapProfile(
        HeapSummary("heaptrack"),
        stacks,
        table.frame(),
        pl.DataFrame(moments, schema=TIMELINE, orient="row"),
        pl.DataFrame(rows, schema=GROWTH, orient="row"),
    )


def test_growth_its_share_and_its_rates_are_numbers_that_can_be_checked() -> None:
    """Of two leaks, one three times the other, everything that is counted is what was planted."""
    heap = service(big=lambda second: 3000 * second, small=lambda second: 1000 * second, kept=lambda _: 7000)
    found = suspects(heap)
    assert found["function"].to_list() == ["api::big", "api::small", "api::kept"]
    assert found["reading"].to_list() == ["grows", "grows", "held"]
    assert found["growth_bytes"].to_list() == [96_000, 32_000, 0]
    assert found["growth_blocks"].to_list() == [960, 320, 0]
    assert found["growth_share"].to_list() == [0.75, 0.25, 0.0]
    assert found["growth_bytes_per_second"].to_list() == [3000.0, 1000.0, 0.0]
    assert found["steadiness"].to_list() == [1.0, 1.0, 0.0]
    assert found["held_bytes"].to_list() == [192_000, 64_000, 7000]


def test_evidence_says_what_the_numbers_are() -> None:
    """A growth with its blocks, its rate and its share of the time; what is held without any of them."""
    heap = service(big=lambda second: 3000 * second, kept=lambda _: 7000)
    grows, held = suspects(heap)["evidence"]
    assert grows == "93.8 Ki more after startup in 960 blocks, 2.93 Ki a second; grew in 100 % of that time"
    assert held == "holds 6.84 Ki, no more than after startup"


def test_one_picture_says_what_is_held_and_that_it_cannot_say_more() -> None:
    """Without growth the largest comes first, in words that promise nothing; what holds nothing has no row."""
    whole = service(small=lambda _: 100, big=lambda _: 4096, gone=lambda _: 0)
    found = suspects(HeapProfile(whole.summary, whole.stacks, whole.frames))
    assert found["function"].to_list() == ["api::big", "api::small"]
    assert found["reading"].to_list() == ["live", "live"]
    assert found["held_bytes"].to_list() == [4096, 100]
    assert found["evidence"][0] == "holds 4 Ki; a single snapshot does not tell whether that grows"
    assert found.select("growth_bytes", "growth_share", "steadiness").null_count().row(0) == (2, 2, 2)


@pytest.mark.parametrize(("end", "held"), [(7, [7]), (0, [1000, 5])], ids=["a leak", "all given back"])
def test_one_picture_of_a_program_that_ended_says_what_it_held_at_its_peak(end: int, held: list[int]) -> None:
    """Unless some of its own is left: what a program does not give back as it ends is its leak."""
    whole = service(big=lambda _: end, start=lambda _: 0)
    stacks = whole.stacks.with_columns(peak_bytes=pl.Series([1000, 5]))
    assert suspects(HeapProfile(whole.summary, stacks, whole.frames))["held_bytes"].to_list() == held


@pytest.mark.parametrize(("ends_known", "when"), [(True, "at the end"), (False, "in its last snapshot")])
@pytest.mark.parametrize(
    ("held", "said"),
    [
        (1_009_000, "holds as much as the first {when} (0.962 Mi)"),
        (991_000, "holds as much as the first {when} (0.945 Mi)"),
        (1_020_000, "holds 19.5 Ki more {when} than the first, most of it through api::keep"),
        (980_000, "holds 19.5 Ki less {when} than the first, most of it through api::keep"),
    ],
)
def test_less_than_a_hundredth_is_no_difference(held: int, said: str, when: str, *, ends_known: bool) -> None:
    """Of two profiles the second is said to hold more or less only where that is not next to nothing."""
    before, after = (
        replace(heap, summary=replace(heap.summary, live_at_end_bytes=amount if ends_known else None))
        for amount, heap in ((1_000_000, service(keep=lambda _: 1_000_000)), (held, service(keep=lambda _: held)))
    )
    assert said.format(when=when) in answer_diff(before, after).headline


def test_a_function_stands_at_the_stack_that_grew_most() -> None:
    """Line and stack of a row are those of what grew in the second half, not of what holds most."""
    table = FrameTable()
    numbers = [table.number("api::put", "src/api.rs", line, "/app/api") for line in (1, 2)]
    stacks, _ = stacks_frame([[number] for number in numbers], {"live_bytes": [90_000, 64_000]})
    rows = [
        (stack, float(second), second, amount, None)
        for second in SECONDS
        for stack, amount in ((1, min(90_000, 9000 * second)), (2, 1000 * second))
    ]
    heap = HeapProfile(
        HeapSummary("heaptrack"), stacks, table.frame(), growth=pl.DataFrame(rows, schema=GROWTH, orient="row")
    )
    found = suspects(heap)
    assert found.select("line", "stack_id", "stacks").rows() == [(2, 2, 2)]
    # Where no blocks are counted, their growth is unknown, not zero.
    assert found["growth_blocks"].to_list() == [None]


def test_the_table_of_a_cache_that_is_full_by_now_is_no_leak() -> None:
    """It doubled as the cache filled, at another line of the function whose entries came for a while."""
    table = FrameTable()
    numbers = [table.number("api::Cache::put", "src/api.rs", line, "/app/api") for line in (1, 2)]
    stacks, _ = stacks_frame([[number] for number in numbers], {"live_bytes": [44_000, 32_768]})
    shapes: list[Callable[[int], tuple[int, int]]] = [
        lambda t: (1000 * min(t, 44), min(t, 44)),
        lambda t: (4096 << sum(t >= at for at in (9, 17, 34)), 1),
    ]
    rows = [(at + 1, float(t), t, *shape(t)) for t in SECONDS for at, shape in enumerate(shapes)]
    growth = pl.DataFrame(rows, schema=GROWTH, orient="row")
    found = suspects(HeapProfile(HeapSummary("heaptrack"), stacks, table.frame(), growth=growth))
    assert found.select("function", "reading").rows() == [("api::Cache::put", "grew")]


def test_without_names_a_stack_that_grows_is_told_from_one_that_comes_and_goes() -> None:
    """A stripped program is one function to us, and what goes in one place of it hid what comes in another."""
    table = FrameTable()
    stacks, _ = stacks_frame([[table.number(None, None, None, "/app/api")]] * 2, {"live_bytes": [64_000, 90_000]})
    waves = curve(lambda t: 60_000 + 50_000 * math.sin(t / 3 + 1))
    shapes = curve(lambda t: 1000 * t), waves
    rows = [(at + 1, float(t), t, int(of[t]), int(of[t]) // 100) for t in SECONDS for at, of in enumerate(shapes)]
    growth = pl.DataFrame(rows, schema=GROWTH, orient="row")
    found = suspects(HeapProfile(HeapSummary("heaptrack"), stacks, table.frame(), growth=growth))
    said = [("(api, no symbols)", "grows", 1), ("(api, no symbols)", "held", 2)]
    assert found.select("function", "reading", "stack_id").rows() == said


def late(second: int) -> int:
    """Twenty events in all of a quiet minute, and thousands in its last seconds."""
    return second // 3 + 1000 * max(second - 58, 0)


def test_a_cache_that_fills_while_little_is_done_is_no_leak_beside_one() -> None:
    """By time it grows until the end is near, by the work done it was full at once: the stricter clock counts."""
    heap = service(late, leak=lambda second: 1000 * second, cache=lambda second: 2000 * min(second, 58))
    found = {row["function"]: row for row in suspects(heap).iter_rows(named=True)}
    assert found["api::leak"]["reading"] == "grows"
    assert (found["api::cache"]["reading"], found["api::cache"]["growth_bytes"]) == ("held", 0)


def test_growth_by_one_clock_counts_where_nothing_grows_by_both() -> None:
    """An idle program that grows while it waits does so by time alone."""
    found = suspects(service(late, cache=lambda second: 2000 * min(second, 58)))
    assert found["growth_bytes"][0] > 0
    assert found["reading"][0] != "held"


def read(*held: Sequence[float], blocks: Sequence[Sequence[float]] = (), clocks: int = 1) -> dict[str, Any]:
    """What one clock, even in time, says of some curves; blocks are of 100 bytes, or as many as are given."""
    size = np.array(held, dtype=np.float64)
    clock = np.linspace(0, 1, size.shape[1])
    many = np.array(blocks, dtype=np.float64) if blocks else size / 100
    found = read_curves(Curves(64 * clock, (clock,) * clocks, size, many))
    return {name: values.tolist() for name, values in found._asdict().items()}


def curve(of: Callable[[int], float]) -> list[float]:
    """A curve over the minute."""
    return [float(of(second)) for second in SECONDS]


#: What is held over the minute in bytes and in blocks, and how that is read.
CURVES: Final = {
    "in every second": (lambda t: 1000 * t, None, "grows"),
    "at two thirds of the pace after the half": (lambda t: 1500 * min(t, 32) + 1000 * max(t - 32, 0), None, "grows"),
    "ever more slowly": (lambda t: 100_000 * (1 - 0.96**t), None, "fills"),
    "again from the half on, ever more slowly": (lambda t: 50_000 * (1 - 0.9 ** (t % 32.5)), None, "fills"),
    "by one container that doubled, and not just now": (
        lambda t: 1 << sum(t >= at for at in (2, 5, 10, 20, 40)) + 10,
        lambda _: 1,
        "doubles",
    ),
    "until three quarters, and then in sizes alone": (
        lambda t: 1000 * min(t, 48) + 10 * t,
        lambda _: 0,
        "grew",
    ),
    "evenly in blocks, as their table doubles in bytes": (
        lambda t: 100 * t + (8000 << sum(t >= at for at in (4, 8, 16, 32))),
        lambda t: 10 * t,
        "grows",
    ),
    "until three quarters": (lambda t: 1000 * min(t, 48), None, "grew"),
    "from three quarters on": (lambda t: 1000 * max(t - 48, 0), None, "grows"),
    "in one step": (lambda t: 1000 + 32_000 * (t > 50), None, "grew"),
    "rarely": (lambda t: 6000 * (t // 7), None, "grows"),
    "by one container that doubles": (lambda t: 1 << max(t, 1).bit_length() + 10, lambda _: 1, "grows"),
    "by one container that doubled until an eighth": (
        lambda t: 1 << min(max(t, 1).bit_length() + 10, 14),
        lambda _: 1,
        "held",
    ),
    "by a table that doubled once more long after": (
        lambda t: 4096 << sum(t >= at for at in (2, 6, 40)),
        lambda _: 1,
        "grew",
    ),
    "a little more slowly": (lambda t: 100_000 * (1 - 0.9866**t), None, "fills"),
    "in one step, and next to nothing besides": (lambda t: 1000 + 32_000 * (t > 40) + 2 * t, None, "grew"),
    "no more than it falls, where no blocks are counted": (
        lambda t: 100_000 + 100 * t + 1500 * math.sin(t / 3),
        lambda _: 0,
        "held",
    ),
    "by one container that doubled in the last six moments": (
        lambda t: 1000 * 2 ** max(t - 58, 0),
        lambda _: 1,
        "grows",
    ),
    "by one block that gets longer": (lambda t: 1000 * t, lambda _: 1, "grows"),
    "in waves": (lambda t: 50_000 + 30_000 * math.sin(t / 5), None, "held"),
    "in two waves": (lambda t: 50_000 - 30_000 * math.cos(t / 5.3), None, "held"),
    "in nine teeth": (lambda t: 4000 * (t % 7.2), None, "held"),
    "in teeth on a rising floor": (lambda t: 4000 * (t % 6) + 1000 * t, None, "grows"),
    "in sizes, not in blocks": (
        lambda t: 2_110_000 + 2000 * t + 9000 * math.sin(7 * t),
        lambda _: 3002,
        "held",
    ),
    "in sizes that never fall": (lambda t: 40_000 + 1000 * t, lambda _: 20, "grows"),
    "after what the start needed has gone": (lambda t: 1000 * t + 80_000 * (t < 40), None, "grows"),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_is_read_as_what_never_goes_away(name: str) -> None:
    """What grows goes on without its largest step, above what comes and goes, and not only in the sizes of blocks."""
    size, blocks, expected = CURVES[name]
    said = read(curve(size), blocks=[curve(blocks)] if blocks else ())
    assert said["reading"] == [expected]
    assert (said["growth"][0] > 0) == (expected != "held")


@pytest.mark.parametrize(("share", "cache", "lists"), [(0.9, "fills", "doubles"), (0.2, "grows", "grew")])
def test_who_makes_all_allocations_is_not_measured_by_them(share: float, cache: str, lists: str) -> None:
    """A cache allocates where it grows, and lists only as they double: time tells of them, unless others allocate."""
    fills = 1 - 0.96 ** np.linspace(0, 64, 200)
    # Seven lists, each a little later than the one before.
    doubled = np.floor(np.log2(np.outer(np.linspace(1, 60, 100), 1 + np.arange(7) / 400)))
    several = 1000 * (2**doubled).sum(axis=1), np.full(100, 7.0), doubled.sum(axis=1)
    for (held, blocks, made), reading in (((100_000 * fills, 1000 * fills, fills), cache), (several, lists)):
        clock = np.linspace(0, 1, len(made))
        found = Curves(60 * clock, (clock, made / made[-1]), held[None], blocks[None], counted=True)
        assert read_curves(found._replace(share=np.array([share]))).reading.tolist() == [reading]


def test_in_few_pictures_an_arena_doubles_by_chunks() -> None:
    """Each chunk is a block more, and two may come from one picture to the next."""
    said = read([31_124.0, 63_892.0, *[129_428.0] * 3, 260_500.0, 260_500.0], blocks=[[4, 5, 6, 6, 6, 7, 7]])
    assert said["reading"] == ["doubles"]


@pytest.mark.parametrize("pictures", range(2, 8))
def test_few_pictures_tell_what_came_and_not_whether_it_goes_on(pictures: int) -> None:
    """Four rises after the first quarter are the least that goes on: a cache that fills may be all of fewer."""
    said = read([1000.0 * at for at in range(pictures)])
    assert said["reading"] == ["grows" if pictures >= FEWEST else "grew"]


@pytest.mark.parametrize("form", ["gperftools, by live", "jemalloc, by live"])
@pytest.mark.parametrize("pictures", [5, 6, 20])
@pytest.mark.parametrize("frees", [False, True], ids=["keeps all", "gives back"])
def test_the_dump_of_the_end_is_no_picture_more(form: str, pictures: int, frees: bool, tmp_path: Path) -> None:
    """Written right after another, as the program ends, it shows no rest; what was live then is told all the same."""
    moments = [*np.linspace(1 / pictures, 1, pictures), 1.001]
    heap = dumped(tmp_path, lambda work: 0 if frees and work > 1 else KEEPS["a leak"](min(work, 1)), form, moments)
    assert heap.summary.live_at_end_bytes == (0 if frees else 40_000_000)
    assert answer(heap).reading.kind == ("grows" if pictures >= FEWEST else "few")


@pytest.mark.parametrize("step", [0, 1, 5], ids=["allocates no more", "a little", "works on"])
def test_what_allocates_no_more_once_it_is_warm_rests(step: int) -> None:
    """By allocations alone a pool grows up to its last: they are its growth. A leak goes on whatever else is done."""
    held: Callable[[int], int]
    for held, reading in ((lambda t: 100 * min(20 * t, 400), "held"), (lambda t: 2000 * t, "grows")):
        made = [held(second) // 100 + step * second for second in SECONDS]
        heap = service(made.__getitem__, put=held)
        heap = replace(heap, summary=replace(heap.summary, allocations=1000))
        assert suspects(heap)["reading"].to_list() == [reading]


@pytest.mark.parametrize("until", [24, 64], ids=["until the half", "to the end"])
def test_a_program_that_allocates_nothing_else_has_not_ended(until: int) -> None:
    """Of tables that are made one by one, and nothing besides, time goes on though there are no more of them."""
    heap = service(lambda second: 30 + min(second, until) // 4, table=lambda second: 100 * (min(second, until) // 4))
    heap = replace(heap, summary=replace(heap.summary, allocations=46))
    assert suspects(heap)["reading"].to_list() == ["grows" if until == 64 else "held"]


def test_growth_is_what_came_after_startup_and_stayed() -> None:
    """Its amount, its blocks and its share of the time are those that were planted."""
    said = read(curve(lambda t: 1000 * t), [1000.0] * 57 + [33_000.0] * 8)
    assert said["growth"] == [32_000.0, 32_000.0]
    assert said["growth_blocks"] == [320.0, 320.0]
    assert said["steadiness"][0] == 1.0
    assert 0 < said["steadiness"][1] < 0.5


def test_what_comes_and_goes_within_a_part_is_no_growth() -> None:
    """The least that was held within a part counts, and what was held when it began."""
    values = np.array([[5.0, 9.0, 1.0, 9.0, 9.0, 7.0, 8.0, 8.0]])
    assert floors(values, np.array([0, 4])).tolist() == [[1.0, 7.0]]
    assert read(curve(lambda t: 1000 + 500 * (t % 2)))["growth"] == [0.0]


def test_what_may_go_in_the_next_fall_is_not_kept_for_good() -> None:
    """The last tooth counts up to where the ones before it fell; a fall that came once does not come again."""
    teeth = np.array([[1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0]])
    assert [values.tolist() for values in for_good(teeth)] == [[[1, 2, 2, 2, 3, 3, 3, 4, 4]], [7]]
    once = np.array([[9.0, 9.0, 1.0, 2.0, 3.0, 4.0]])
    assert [values.tolist() for values in for_good(once)] == [[[1, 1, 1, 2, 3, 4]], [0]]


def test_the_whole_row_of_a_leak_that_began_late() -> None:
    """It grew by 1000 bytes a second in the last quarter only, in a process whose cache was full at the half."""
    heap = service(
        late=lambda second: 1000 * max(second - 48, 0), cache=lambda second: 500 * min(second, 32), kept=lambda _: 900
    )
    columns = ("reading", "growth_bytes", "growth_blocks", "steadiness", "held_bytes", "growth_bytes_per_second")
    assert suspects(heap).select("function", *columns).rows() == [
        ("api::late", "grows", 13_000, 130, 0.875, 16_000, 406.25),
        ("api::cache", "grew", 1500, 15, 0.125, 16_000, 46.875),
        ("api::kept", "held", 0, 0, 0.0, 900, 0.0),
    ]


def test_a_stack_without_an_early_half_grew_by_all_it_holds() -> None:
    """Of two stacks of a function, the one that came in the second half is shown with all that it holds."""
    heap = service(put=lambda second: 10 * second, get=lambda second: 5000 if second > 40 else 0)
    grown = dict(_grown(heap).rows())
    assert grown == {1: 10 * 64 - 10 * 32, 2: 5000}


@pytest.mark.parametrize(
    ("program", "reading", "function"),
    [
        ("regex_by_tenant", "grows", "services::leaks::regex_by_tenant::Rules::for_tenant"),
        ("dash_sessions", "grows", "services::leaks::dash_sessions::Sessions::login"),
        ("thread_pools", "grows", "services::leaks::thread_pools::register"),
        ("refill_after_clear", "fills", "services::rests::refill_after_clear::product"),
        ("lru_large", "fills", "services::rests::lru_large::look_up"),
    ],
)
def test_services_on_real_crates(program: str, reading: str, function: str) -> None:
    """The first row is the user's own function: behind crates, a derived clone, a stalled clock, a cleared cache."""
    first = suspects(rm.read_heap(GROWTH_FOLDER / f"{program}.heaptrack.zst")).row(0, named=True)
    assert (first["reading"], first["function"]) == (reading, function)


@pytest.mark.parametrize(
    ("program", "function"),
    [
        ("dash_sessions", "login"),
        ("regex_by_tenant", "for_tenant"),
        ("three_to_one", "services::leaks::three_to_one::Traffic::keep_answer"),
    ],
)
def test_what_valgrind_names_in_short_is_the_users_own_function(program: str, function: str) -> None:
    """Behind inlined functions of crates, a derived clone, a closure, and though the runtime allocates as it ends."""
    first = suspects(rm.read_heap(GROWTH_FOLDER / f"{program}.massif.zst")).row(0, named=True)
    assert (first["reading"], first["function"]) == ("grows", function)


def test_massif_of_a_program_in_c_plus_plus(tmp_path: Path) -> None:
    """Types, arguments and libc's files without folders are left out of names: what is left is the user's function."""
    calls = ["sysmalloc (malloc.c:2711)", "operator new(unsigned long) (in /usr/lib/libstdc++.so.6)"]
    calls += [
        "void std::vector<store::Row, std::allocator<store::Row> >::_M_realloc_insert<int>(int&&) (vector.tcc:453)"
    ]
    own = ["std::vector<int>& store::Cache<int, long>::put(int const&, long) const (cache.cpp:14)", "main (api.cpp:9)"]
    text = "desc: (none)\ncmd: ./api\ntime_unit: i\n#---\n"
    for at in range(12):
        text += f"snapshot={at}\ntime={at}\nmem_heap_B={4096 * at}\nheap_tree=detailed\nn1: {4096 * at} (heap) malloc\n"
        for depth, call in enumerate([*calls, *own], 1):
            text += f"{' ' * depth}n{int(depth < 5)}: {4096 * at} 0x{depth}: {call}\n"
    (tmp_path / "massif.out.7").write_text(text)
    found = suspects(rm.read_heap(tmp_path / "massif.out.7"))
    assert found.select("function", "reading", "origin").rows() == [("store::Cache::put", "grows", "own")]


def _massif(
    file: Path, holds: Sequence[Mapping[str, int]], *, every: int, time: Callable[[int], int] = lambda at: 1000 * at
) -> Path:
    """Write snapshots of what some stacks hold (frames with blanks between), each so often with its tree."""
    text = "desc: (none)\ncmd: ./api\ntime_unit: i\n#---\n"
    for number, held in enumerate(holds):
        whole = sum(held.values())
        detailed = number % every == every - 1
        text += f"snapshot={number}\ntime={time(number)}\nmem_heap_B={whole}\nmem_heap_extra_B=0\nmem_stacks_B=0\n"
        text += f"heap_tree={'detailed' if detailed else 'empty'}\n"
        text += f"n{len(held)}: {whole} (heap allocation functions) malloc\n" if detailed else ""
        for stack, size in held.items() if detailed else ():
            names = stack.split()
            for depth, name in enumerate(names, 1):
                end = name == names[-1]
                said = (
                    "in 3 places, all below massif's threshold (1.00%)" if name == "rest" else f"0x1: {name} (api.rs:3)"
                )
                text += f"{' ' * depth}n{0 if end else 1}: {size} {said}\n"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("unit", "axis"), [("ms", "seconds since the start of the program"), ("i", "i, no seconds"), ("B", "B, no seconds")]
)
def test_massif_says_what_its_times_are(unit: str, axis: str, tmp_path: Path) -> None:
    """Instructions and bytes allocated are no seconds, and the report of the profile says so."""
    file = _massif(tmp_path / "a", [{"api::keep": 1_000 * number} for number in range(20)], every=5)
    file.write_text(file.read_text().replace("time_unit: i", f"time_unit: {unit}"))
    assert rm.read_heap(file).report.time_axis == axis


def test_between_detailed_snapshots_the_whole_heap_tells_how_it_goes(tmp_path: Path) -> None:
    """Every tenth has a tree, as massif does it: what falls in between does not grow, what rises all the time does."""
    teeth = [{"api::log": 50_000 + 9_000 * (number % 9)} for number in range(60)]
    assert suspects(rm.read_heap(_massif(tmp_path / "teeth", teeth, every=10)))["reading"].to_list() == ["held"]
    leak = [{"api::keep": 1_000 * number, "api::base": 100_000} for number in range(60)]
    # As the program ends it gives everything back.
    leak += [{"api::keep": 60_000 - 3_000 * number, "api::base": 100_000} for number in range(20)]
    found = suspects(rm.read_heap(_massif(tmp_path / "leak", leak, every=10)))
    assert found.select("function", "reading").rows() == [("api::keep", "grows"), ("api::base", "held")]
    # What comes and goes in between is of who does so where there are trees as well.
    both = [{"api::keep": 1_000 * number, "api::log": 9_000 * (number % 17)} for number in range(60)]
    found = suspects(rm.read_heap(_massif(tmp_path / "both", both, every=5)))
    assert found.select("function", "reading").rows() == [("api::keep", "grows"), ("api::log", "held")]


def test_snapshots_that_are_not_evenly_far_apart_tell_what_was_held_then(tmp_path: Path) -> None:
    """Between trees what grows evenly with time is told as it was, however often massif looked."""
    holds = [{"api::keep": 1 + 7 * number**2, "api::base": 100_000} for number in range(41)]
    heap = rm.read_heap(_massif(tmp_path / "massif", holds, every=10, time=lambda at: at**2))
    grown = heap.growth.filter(pl.col("stack_id") == 1, pl.col("events") < 39**2)
    assert heap.stack(1)["function"].to_list() == ["api::keep"]
    told = grown["live_bytes"].to_numpy()[9:]
    assert np.abs(told - 1 - 7 * grown["events"].to_numpy()[9:]).max() <= 1


@pytest.mark.parametrize(("step", "reading"), [(60, "grew"), (600, "grows")])
def test_growth_that_massif_would_not_tell_apart_is_none(step: int, reading: str, tmp_path: Path) -> None:
    """Below its threshold of 1 % of the heap a sum is what its trees, which are far apart, happened to catch."""
    holds = [{"api::keep": 5_000 + step * number, "api::base": 500_000} for number in range(41)]
    found = suspects(rm.read_heap(_massif(tmp_path / "massif", holds, every=10)))
    assert found.filter(function="api::keep")["reading"].to_list() == [reading]


def test_callers_below_massifs_threshold_are_no_other_callers(tmp_path: Path) -> None:
    """What massif does not tell apart grows with its threshold: it is no caller that rests, and nothing that leaks."""
    holds = [
        {"api::keep api::run": 5_000 * number, "api::keep rest": 400, "rest": 300 + 5 * number} for number in range(40)
    ]
    found = suspects(rm.read_heap(_massif(tmp_path / "massif", holds, every=1)))
    assert found.filter(pl.col("reading") == "grows")["function"].to_list() == ["api::keep"]


def test_massif_of_more_than_any_program_has_is_refused(tmp_path: Path) -> None:
    """Small snapshots after one with many stacks would take more memory than there is."""
    holds = [{f"api::f{number}": 10 for number in range(3_000)}, *[{"api::f1": 10}] * 3_000]
    with pytest.raises(ReadError, match=r"3,001 snapshots of 3,000 stacks.*--threshold"):
        rm.read_heap(_massif(tmp_path / "massif", holds, every=1))


def test_an_inlined_function_is_of_the_crate_whose_file_it_stands_in() -> None:
    """Its own name says nothing: a folder is another crate's, a file known by full names is that crate's."""
    table = FrameTable()
    table.number("api::run", "jobs.rs", 3, None)
    table.number("tokio::block_on", "park.rs", 5, None)
    inlined = [("insert", "src/map.rs", "api::run"), ("keep", "jobs.rs", "tokio::block_on")]
    inlined += [("poll", "park.rs", "tokio::block_on"), ("login", "users.rs", "api::run")]
    # Types of the language have no methods but Rust's own, and C++ keeps names and headers for its library.
    inlined += [("convert_while_ascii", "str.rs", "<str>::to_uppercase"), ("copy", "slice.rs", "<[api::Row]>::to_vec")]
    inlined += [("__allocate_guarded<T>", "allocated_ptr.h", "Emitter::spawn(double)")]
    inlined += [("make_shared<T>", "shared_ptr.h", "Emitter::spawn(double)")]
    numbers = [table.number(name, file, 7, None, inside=inside) for name, file, inside in inlined]
    origins = ["dependency", "own", "dependency", "own", *["std"] * 4]
    assert table.frame()["origin"].gather(numbers).to_list() == origins


def test_what_a_program_allocates_while_it_ends_hides_no_leak() -> None:
    """All is given back in the last seconds, and a little is allocated between: it grew until then."""
    heap = service(
        leak=lambda second: 5000 * second if second < 62 else 0, exit=lambda second: 100 * (second in (61, 63))
    )
    assert suspects(heap).row(0, named=True)["reading"] == "grows"
    # What comes and goes while all is held is work.
    held = service(cache=lambda second: 9000 if second < 62 else 8000, exit=lambda second: 100 * (second in (61, 63)))
    assert suspects(held)["reading"].to_list() == ["held", "held"]


def test_a_program_that_takes_long_to_give_back_what_it_holds_hides_no_leak() -> None:
    """Stamps between the moments at which stacks are told apart say what the whole holds, and that it goes."""
    goes = {61: 150_000, 62: 80_000, 63: 40_000, 64: 0}
    heap = service(
        base=lambda second: 900_000 if second < 64 else 0, leak=lambda second: goes.get(second, 3000 * second)
    )
    live = heap.growth.group_by("events", "time_seconds", maintain_order=True).agg(pl.col("live_bytes").sum())
    stamps = live.select(pl.col("events") + 5, pl.col("time_seconds") + 0.5, "live_bytes").head(len(SECONDS) - 1)
    known = pl.concat((live, stamps)).sort("events")
    found = suspects(replace(heap, timeline=conform(known, TIMELINE)))
    assert found.select("function", "reading").rows() == [("api::leak", "grows"), ("api::base", "held")]


@pytest.mark.parametrize(
    ("blocks", "step", "reading"),
    [(0, 0.05, "grows"), (0, 0.6, "held"), (40, 0.05, "grows"), (40, 0.6, "fills")],
    ids=["as many", "as many, that vary", "a few more", "a few more, that vary"],
)
def test_few_containers_that_become_larger_are_no_noise_of_sizes(blocks: int, step: float, reading: str) -> None:
    """What comes and hardly goes is a growth, though it is in as many blocks as before, or in a few more."""
    clock = np.linspace(0, 1, 23)
    rises = np.where(np.arange(23) % 6 == 5, -step, 1.0).cumsum()
    size = np.array([50_000 * rises])
    number = np.array([24 + blocks * np.sqrt(clock)])
    found = read_curves(Curves(60 * clock, (clock,), size, number))
    assert found.reading.tolist() == [reading]


def test_one_step_that_takes_a_while_is_one_step() -> None:
    """Where connections come at once and stay, it does not matter where the parts begin; what creeps counts alone."""
    clock = np.linspace(0, 1, 64)
    creeps = np.arange(64) * 100.0
    comes = np.interp(np.arange(64), (37, 41), (100_000, 600_000))
    found = read_curves(Curves(60 * clock, (clock,), np.array([comes + creeps]), np.zeros((1, 64))))
    assert found.reading.tolist() == ["grew"]


@pytest.mark.parametrize("ends", [(58, 61, 64), (58, 59, 64)], ids=["each in turn", "two at once"])
def test_threads_that_end_before_the_program_hide_no_leak(ends: tuple[int, ...]) -> None:
    """Each gives back what it kept while others still work; a batch that is given back while all go on is no end."""

    def worker(end: int) -> Callable[[int], int]:
        return lambda second: 5000 * second if second < end else 0

    found = suspects(service(**{f"worker{number}": worker(end) for number, end in enumerate(ends)}))
    assert found["reading"].to_list() == ["grows"] * len(ends)
    batch = suspects(service(put=lambda second: 5000 * (second % 58)))
    assert batch["reading"].to_list() == ["grew"]


@pytest.mark.parametrize(("kept", "growth"), [(5000, 29_300), (40_000, 29_000)], ids=["a little", "much"])
def test_a_little_that_is_given_back_late_is_no_end(kept: int, growth: int) -> None:
    """Less is allocated in the last seconds; only where more than a quarter of all goes with it do they not count."""
    heap = service(
        leak=lambda second: 1000 * min(second, 58) + 100 * max(second - 58, 0),
        cache=lambda second: kept * (second <= 58),
    )
    found = suspects(heap).filter(pl.col("function") == "api::leak")
    assert found["growth_bytes"].to_list() == [growth]


def test_what_has_no_parts_does_not_go_on() -> None:
    """All that was done was done at the start."""
    assert _goes_on(np.zeros((3, 0), np.bool_)).tolist() == [False] * 3


def test_many_frees_of_little_at_the_end_are_no_work() -> None:
    """A server that leaves its leak where it is frees all else one by one: known by stamps, not by stacks."""
    heap = service(base=lambda _: 900_000, leak=lambda second: 1000 * second)
    live = heap.growth.group_by("events", "time_seconds", maintain_order=True).agg(pl.col("live_bytes").sum())
    last = live.tail(1)
    frees = pl.concat(
        last.with_columns(pl.col("events") + 10 * step, pl.col("live_bytes") - 100 * step) for step in range(1, 40)
    )
    found = suspects(replace(heap, timeline=conform(pl.concat((live, frees)), TIMELINE)))
    assert found.drop("steadiness").equals(suspects(heap).drop("steadiness"))
    assert found["reading"].to_list() == ["grows", "held"]


@pytest.mark.parametrize("waits", [0, 40], ids=["a clock of work", "a clock that ran as well"])
def test_time_begins_when_the_program_does(waits: int) -> None:
    """A profiler ran for two thirds of the time before anything was allocated: what rests since then has not grown."""
    heap = service(lambda second: max(second - 40, -waits), cache=lambda second: 900 * min(max(second - 40, 0), 8))
    assert suspects(heap)["reading"].to_list() == ["held"]


def test_between_pictures_a_little_less_is_not_the_end() -> None:
    """Eight pictures of what grew and rests, a little less in the last ones; where most of it goes, that is the end."""
    for last, reading in (((4000, 3990, 3985, 3980), "grew"), ((4000, 5000, 6000, 100), "grows")):
        sizes = [1000, 2000, 3000, *last]
        pictures = [
            HeapProfile(
                HeapSummary("pprof"),
                stacks_frame([[0]], {"live_bytes": [size], "live_blocks": [size // 10]})[0],
                service(put=lambda _: 1).frames,
            )
            for size in sizes
        ]
        assert suspects(pictures)["reading"].to_list() == [reading], last


def test_a_cache_that_was_full_soon_rests_however_long_the_clock_stood_still() -> None:
    """By its work it is full after a quarter; by time it filled in the second half, and then nothing more came."""
    assert "grows" not in suspects(rm.read_heap(GROWTH_FOLDER / "ring_log.heaptrack.zst"))["reading"]


def test_pictures_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """The ninth before the tenth, as when they are named one by one; also as a shell lists them, with the end's."""
    names = [f"lru_full_of_sizes.jemalloc.{number}.heap.zst" for number in range(15)]
    for number, name in enumerate(names):
        shutil.copy(
            GROWTH_FOLDER / name, tmp_path / f"jeprof.7.{number}.{f'i{number}' if number < 14 else 'f'}.heap.zst"
        )
    told = rm.read_heap([GROWTH_FOLDER / name for name in names]).timeline["live_bytes"]
    assert rm.read_heap(tmp_path).timeline["live_bytes"].equals(told)
    assert rm.read_heap(sorted(tmp_path.iterdir())).timeline["live_bytes"].equals(told)


@pytest.mark.parametrize(
    ("interval", "cache", "leak"), [(1, "fills", "grows"), (2000, "fills", "grows"), (8000, "rises", "grows")]
)
def test_a_sample_tells_a_cache_that_fills_by_enough_blocks(interval: int, cache: str, leak: str) -> None:
    """Of a thousand blocks all are seen, some 50, or some 12: so few may have come early by chance."""
    for size, expected in ((lambda t: 1000 * round(100 - 100 * 0.96**t), cache), (lambda t: 1000 * t, leak)):
        heap = service(put=size)
        found = answer(replace(heap, summary=replace(heap.summary, sample_bytes=interval)))
        assert found.reading.kind == expected
        assert ("the sample has too few blocks of it" in found.headline) == (expected == "rises")


@pytest.mark.parametrize("counted", [True, False], ids=["with blocks", "bytes alone"])
def test_a_sample_tells_how_a_leak_a_full_cache_and_one_that_fills_go_on(tmp_path: Path, counted: bool) -> None:
    """Profiles of pprof at 512 KiB, as Go writes them or as jemalloc_pprof does, which tells bytes and no interval.

    Of what is held about every 4,000th block is seen, more or less by chance: a leak grows, a full cache rests, and
    one that fills is no leak.
    """
    shapes: dict[str, Callable[[float], float]] = {
        "leaks": lambda part: 40 * part,
        "is_full": lambda part: 30 * min(10 * part, 1),
        "fills": lambda part: 60 * (1 - math.exp(-part / 0.4)),
    }
    file, readings = tmp_path / "heap.pb", []
    for name, shape in shapes.items():
        chance = np.random.default_rng(7)
        told = []
        for _ in range(6):
            pictures, seen = [], 0
            for picture in range(24):
                more = chance.poisson(max(shape((picture + 1) / 24) - shape(picture / 24), 0))
                again = chance.binomial(seen, 0.15) if name == "is_full" else 0
                seen += int(more - again + (chance.poisson(again) if again else 0))
                rows = [(("api::keep", "main"), (4000 * seen, 524_352 * seen)), (("api::serve", "main"), (9, 600_000))]
                values = [(stack, amounts if counted else amounts[1:]) for stack, amounts in rows]
                types = ("inuse_objects", "inuse_space")[not counted :]
                file.write_bytes(makers.pprof(values, types, period=524_288 if counted else 0))
                pictures.append(read_one_pprof(file))
            heap = join(pictures)
            assert heap.summary.sample_bytes == 524_288
            assert suspects(heap)["growth_blocks"].is_null().all() != counted
            told.append(answer(heap).reading.kind.value)
        readings.append(told)
    leaks, full, fills = readings
    assert leaks.count("grows") >= 5
    assert set(full) == {"rests"}
    assert fills.count("grows") <= 1


#: What a sample has seen come in each quarter of the time, and how that is read.
QUARTERS: Final = {
    "evenly after a burst": ((400, 100, 100, 100), "grows"),
    "a little faster at first": ((300, 200, 160, 160), "grows"),
    "ever less, by chance more once": ((600, 200, 220, 100), "fills"),
    "early, in few blocks": ((12, 6, 4, 5), "grows"),
}


@pytest.mark.parametrize("case", QUARTERS)
def test_a_sample_tells_by_when_it_came_what_fills(case: str) -> None:
    """It came early and still comes more slowly than in the second quarter, and is too much for chance."""
    quarters, reading = QUARTERS[case]
    clock = np.linspace(0, 1, 33)
    seen = np.array([np.interp(clock, np.linspace(0, 1, 5), np.cumsum((0, *quarters)))])
    told = [Curves(60 * clock, (clock,), 8000 * seen, number, sample_bytes=8000) for number in (seen, 100 * seen)]
    assert [read_curves(found).reading[0] for found in told] == [reading] * 2


def test_stairs_of_the_few_blocks_that_a_sample_has_seen_are_no_container(tmp_path: Path) -> None:
    """A full cache, of which one, two and four more are seen."""
    comes = np.repeat((16, 17, 19, 23), (10, 2, 4, 4))
    assert pictured(tmp_path, [(int(seen), 1 << 19) for seen in comes]).reading.kind == "rests"


@pytest.mark.parametrize("counted", [True, False], ids=["with blocks", "bytes alone"])
def test_a_container_that_doubles_is_named_in_a_sample(tmp_path: Path, counted: bool) -> None:
    """All the time, and late among so many pictures that several make a part."""
    for after in ((2, 4, 8), (56, 59, 62)):
        sizes = [16 << 20 + sum(picture >= one for one in after) for picture in range(after[-1] + 2)]
        found = pictured(tmp_path, [(1, size) for size in sizes], counted=counted)
        assert found.reading.kind == "grows"
        assert "api::keep" in found.headline
    # Of several at once none is missed that is far larger than the interval.
    lists = [(7, 4 << 20 << sum(picture >= one for one in (1, 2, 5))) for picture in range(8)]
    found = pictured(tmp_path, lists, counted=counted)
    assert found.reading.kind == "doubles"
    assert "one container doubled, 100 % of it in api::keep" in found.headline


def test_a_full_cache_of_which_a_sample_sees_few_is_no_leak(tmp_path: Path) -> None:
    """All of it was replaced between two pictures, and each block that is seen stands for many: more came by chance."""
    kept = [(4000 * seen, 131) for seen in (100, 90, 98, 99, 100, 101, 113, 116, 118, 121)]
    assert pictured(tmp_path, kept, counted=True).reading.kind == "rests"


@pytest.mark.parametrize(("last", "kind"), [(236, "few"), (224, "rests")], ids=["goes on", "stands still"])
def test_what_begins_in_the_second_half_of_few_pictures_may_go_on(last: int, kind: str, tmp_path: Path) -> None:
    """There is no room for so many rises as show it; where it stands still there is nothing to tell."""
    kept = [(seen, 1 << 22) for seen in (200, 200, 200, 200, 200, 212, 224, last)]
    assert pictured(tmp_path, kept).reading.kind == kind


def test_six_pictures_of_bytes_alone_tell_a_leak(tmp_path: Path) -> None:
    """So many are asked for: what comes evenly in each is no chance."""
    assert pictured(tmp_path, [(seen, 1 << 19) for seen in range(200, 272, 12)]).reading.kind == "grows"


def pictured(folder: Path, kept: Sequence[tuple[int, int]], *, counted: bool = False) -> HeapAnswer:
    """What is said of pictures at 512 KiB of so many blocks, each of so many bytes, beside some that come and go."""
    pictures = []
    for picture, (many, size) in enumerate(kept):
        busy = (("api::serve", "main"), (9000, (58 + picture % 5) << 19))
        rows = [(("api::keep", "main"), (many, many * size)), busy]
        file = folder / "heap.pb"
        types = ("inuse_objects", "inuse_space")[not counted :]
        values = [(stack, amounts if counted else amounts[1:]) for stack, amounts in rows]
        file.write_bytes(makers.pprof(values, types, period=1 << 19))
        pictures.append(read_one_pprof(file))
    return answer(join(pictures))


def test_bytes_alone_are_no_sample_where_something_small_is_among_them(tmp_path: Path) -> None:
    """What counts every block has small ones; without any of less than a page it is a sample, at a power of two.

    Of several the shortest interval counts, and where only much was seen, it is no longer than usual.
    """
    file, told = tmp_path / "heap.pb", []
    for small, interval in ((96, 1), (5000, 4096), (300_000, 1 << 18), (9 << 20, 1 << 21)):
        samples = [(("api::put", "main"), (9 << 20,)), (("api::get", "main"), (small,))]
        file.write_bytes(makers.pprof(samples, ("inuse_space",)))
        told.append(read_one_pprof(file))
        assert told[-1].summary.sample_bytes == interval
    assert join(told[1:]).summary.sample_bytes == join(told[:0:-1]).summary.sample_bytes == 4096


STEPS: Final = st.lists(
    st.tuples(st.sampled_from([0.0, 0.01, 1.0, 60.0]), st.sampled_from([0, 1, 7, 5000]), st.integers(-5000, 9000)),
    min_size=2,
    max_size=90,
)


@settings(max_examples=30)
@given(STEPS, st.booleans(), st.sampled_from([1, 64, 512]))
@example([(0.01, 1, 900), *[(0.01, 7, 0)] * 40, (0.01, 5000, 0)], True, 1)  # noqa: FBT003 - examples are told by place, as what is given
@example([*[(1.0, 1, 0)] * 90, *[(1.0, 1, 2000)] * 3], False, 64)  # noqa: FBT003
@example([(1.0, 1, 1), *[(1.0, 1, 0)] * 7, (1.0, 1, 2), *[(1.0, 1, 0)] * 6, (1.0, 1, 6143)], False, 512)  # noqa: FBT003
def test_whatever_a_heap_does_it_is_read(steps: list[tuple[float, int, int]], timed: bool, sample: int) -> None:
    """Bursts, pauses, work that is done at once, moments without any: each has a reading, and amounts that can be.

    And what is drawn beyond what would show in a sample is not called unseen.
    """
    moments, held = [], 0
    seconds, events = 0.0, 0
    for gap, done, change in steps:
        seconds, events, held = seconds + gap, events + done, max(held + change, 0)
        moments.append((seconds if timed else None, held, held, None, events))
    timeline = pl.DataFrame(moments, schema=TIMELINE, orient="row")
    growth = timeline.select(
        pl.lit(1, pl.UInt32).alias("stack_id"), "time_seconds", "events", "live_bytes", pl.lit(1).alias("live_blocks")
    ).cast(GROWTH)
    table = FrameTable()
    frame = table.number("api::put", "/app/src/a.rs", 3, "/app/api")
    stacks, _ = stacks_frame([[frame]], {"live_bytes": [held], "allocations": [1]})
    summary = HeapSummary("heaptrack", live_at_end_bytes=held, sample_bytes=sample)
    heap = HeapProfile(summary, stacks, table.frame(), timeline, growth)
    for row in rm.suspects(heap).iter_rows(named=True):
        assert row["reading"] in READINGS
        assert 0 <= (row["growth_bytes"] or 0) <= max(live for _, live, *_ in moments)
    found, drawn = answer(heap), over_time(heap)
    if "would not show" in found.headline and drawn.height:
        # The program begins when it holds something.
        drawn = drawn[(drawn["live_bytes"] > 0).arg_max() or 0 :]
        clock = drawn["time_seconds" if timed else "step"]
        before = drawn.filter(clock <= (clock[0] + clock[-1]) / 2)["live_bytes"][-1]
        assert drawn["live_bytes"][-1] - before <= found.reading.shows_bytes


#: What a program keeps after so much of its work, beside 100 blocks in which it keeps none.
KEEPS: Final[dict[str, Callable[[float], float]]] = {
    "a leak": lambda work: 40e6 * work,
    "a cache": lambda work: 40e6 * -math.expm1(-6 * work),
}


def dumped(
    folder: Path, keeps: Callable[[float], float], what: str, moments: Sequence[float] | None = None
) -> HeapProfile:
    """A series of dumps, one for every so many bytes, of a program that frees half of what it allocates at once."""
    form, _, why = what.partition(", ")
    by_live = why.startswith("as it rises")
    works = np.linspace(0, 1, 20_001)
    live = np.array([keeps(work) for work in works])
    made = live + 25e6 * works
    chosen = np.searchsorted(live if by_live else made, np.arange(1, 33) / 33 * (live if by_live else made)[-1])
    moments = moments or [*works[chosen], *([2.0, 3.0] if why.endswith("two more by hand") else [])]
    for number, work in enumerate(moments):
        held, in_all = round(keeps(work) / 500), round((keeps(work) + 25e6 * work) / 500)
        row, letter = f"{held}: {500 * held} [{in_all}: {500 * in_all}]", "mui"[2 - by_live if work <= 1 else 0]
        text = f"heap profile: {row} @ heapprofile\n {row} @ 0x1010\n"
        if form == "jemalloc":
            text = makers.jeprof(1, [([0x1010], held, 500 * held)])
        file = folder / f"dump.7.{number}.{letter}{number}.heap"
        file.write_text(text)
        os.utime(file, (1000 * work * ("copied" not in why),) * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        return rm.read_heap(folder)


@pytest.mark.parametrize(
    ("what", "leak", "cache"),
    [
        ("gperftools, copied", "grows", "fills"),
        ("gperftools, as it rises", "rises", "fills"),
        ("jemalloc, timed", "grows", "fills"),
        ("jemalloc, copied", "rises", "fills"),
        ("jemalloc, as it rises", "rises", "fills"),
        ("jemalloc, as it rises, copied", "rises", "rises"),
        ("jemalloc, as it rises, two more by hand", "grows", "fills"),
    ],
)
def test_dumps_that_come_as_memory_is_taken(what: str, leak: str, cache: str, tmp_path: Path) -> None:
    """By their number what fills looks even: what was allocated in all tells, or their times; or nothing does."""
    for (name, keeps), expected in zip(KEEPS.items(), (leak, cache), strict=True):
        folder = tmp_path / name
        folder.mkdir()
        found = answer(dumped(folder, keeps, what))
        assert (name, found.suspects["reading"].to_list()) == (name, [expected])
        assert found.reading.kind == expected
        assert ("leak from a cache" in found.headline) == (expected == "rises")
