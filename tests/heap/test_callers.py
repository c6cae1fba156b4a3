from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.heap._names import STD, FrameTable, origin, stacks_frame
from rmtoolkit.heap.profile import GROWTH, HeapProfile, HeapSummary
from rmtoolkit.heap.suspects import churn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOMENTS = 200


def profile(holds: Mapping[tuple[str, ...], tuple[Callable[[int], int], int]], of_c: str | None = None) -> HeapProfile:
    """A profile of stacks, the allocating function first: what each holds over time, and how often it allocates."""
    table = FrameTable()
    places = {
        name: (name, "/usr/local/go/src/sync/pool.go" if name in GO_POOL else None, None, of_c)
        if of_c
        else (f"api::{name}", f"/app/src/{name}.rs", 7, "/app/api")
        for path in holds
        for name in path
    }
    stacks = [[table.number(*places[name]) for name in path] for path in holds]
    rows = [
        (stack, float(at), at, curve(at), 1 + curve(at) // 1000)
        for stack, (curve, _) in enumerate(holds.values(), start=1)
        for at in range(MOMENTS)
    ]
    live = [curve(MOMENTS - 1) for curve, _ in holds.values()]
    allocations = [times for _, times in holds.values()]
    frame, _ = stacks_frame(stacks, {"live_bytes": live, "allocations": allocations, "temporary": [0] * len(live)})
    return HeapProfile(
        HeapSummary("heaptrack", allocations=sum(allocations), live_at_end_bytes=sum(live)),
        frame,
        table.frame(),
        growth=pl.DataFrame(rows, schema=GROWTH, orient="row"),
    )


def grows(at: int) -> int:
    """A thousand bytes a second."""
    return 1000 * at


def rests(at: int) -> int:
    """A megabyte from the start."""
    return 1_000_000 if at else 0


def comes_and_goes(at: int) -> int:
    """A buffer that is there every other moment."""
    return 300_000 * (at % 2)


@pytest.mark.parametrize(
    "between", [(), ("encode",), ("encode", "wrap")], ids=["at once", "one between", "two between"]
)
def test_the_caller_of_a_helper_is_named_where_only_it_grows(between: tuple[str, ...]) -> None:
    """A function that makes buffers for all hides a leak in none of its callers, however far away they are."""
    heap = profile(
        {
            ("buffer", *between, "cache", "main"): (grows, 200),
            ("buffer", *between, "config", "main"): (rests, 20),
            ("buffer", *between, "request", "main"): (comes_and_goes, 5000),
        }
    )
    first = rm.suspects(heap).row(0, named=True)
    assert (first["function"], first["through"], first["file"]) == ("api::cache", "api::buffer", "/app/src/cache.rs")
    assert first["reading"] == "grows"
    assert "through api::buffer" in first["evidence"]
    assert heap.stack(first["stack_id"])["function"].to_list()[-2] == "api::cache"


@pytest.mark.parametrize(
    ("inner", "named"), [(("parse", "run"), "api::parse"), ((), "api::intern")], ids=["called by own code", "main"]
)
def test_one_other_caller_is_enough_within_a_program(inner: tuple[str, ...], named: str) -> None:
    """An interner that grows through one of two callers is theirs; where that is main, nothing is said by it."""
    heap = profile({("intern", *inner, "main"): (grows, 2400), ("intern", "header", "main"): (lambda _: 200, 8)})
    assert rm.suspects(heap)["function"][0] == named


GO_POOL = ("sync.(*Pool).Get",)
SERVED = {
    ("zmalloc", "load_config", "main"): (rests, 20),
    ("zmalloc", "str_new", "load_config", "main"): (rests, 20),
    ("zmalloc", "str_new", "log", "main"): (comes_and_goes, 5000),
}


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("zmalloc", "session_new", "on_accept", "main"), "session_new"),
        (("zmalloc", "str_new", "on_set", "main"), "on_set"),
        (("ngx_pool_alloc", "zmalloc", "on_accept", "main"), "ngx_pool_alloc"),
        (("session_alloc", "on_accept", "main"), "session_alloc"),
        (("list_dealloc", "on_accept", "main"), "list_dealloc"),
        (("server.init.func2", *GO_POOL, "server.nbPoolGet", "server.parse"), "server.nbPoolGet"),
    ],
)
@pytest.mark.parametrize("module", ["/usr/sbin/served", "/usr/lib/postgresql/15/bin/postgres"])
def test_in_c_who_calls_an_allocator_of_ones_own_is_named(path: tuple[str, ...], named: str, module: str) -> None:
    """Not the function through which several allocate; one with a name like it that one calls is named itself."""
    table = rm.suspects(profile({path: (grows, 200), **SERVED}, of_c=module))
    assert (table["function"][0], table["reading"][0]) == (named, "grows")
    assert table["growth_share"][0] == 1


def test_where_no_code_is_ones_own_a_dependency_is_named_and_not_who_runs_it() -> None:
    """An extension of Python without symbols grows, not the interpreter through which some of it is called."""
    table, extension = FrameTable(), "/usr/lib/python3/dist-packages/lxml/etree.so"
    inner, *calls = [table.number(None, None, None, extension)] + [
        table.number(name, None, None, "/usr/bin/python3") for name in ("vectorcall", "eval", "run")
    ]
    stacks, _ = stacks_frame([[inner, *calls], [inner, calls[1], calls[2]]], {"live_bytes": [MOMENTS * 1000, 5]})
    rows = [(1, float(at), at, grows(at), at) for at in range(MOMENTS)] + [(2, 0.0, 0, 5, 1)]
    heap = HeapProfile(
        HeapSummary("heaptrack"), stacks, table.frame(), growth=pl.DataFrame(rows, schema=GROWTH, orient="row")
    )
    assert rm.suspects(heap).select("function", "through").row(0) == ("(etree.so, no symbols)", None)


@pytest.mark.parametrize("inner", [("__rust_alloc", "allocate_frame"), ("malloc", "add_allocation")])
def test_a_name_that_has_an_allocator_in_it_is_not_always_one(inner: tuple[str, ...]) -> None:
    """What Rust allocates for, as ``no_mangle`` names it, and who keeps a list of allocations, keeps that itself."""
    paths = ((*inner, caller, "main") for caller in ("on_get", "on_set"))
    table = rm.suspects(profile(dict.fromkeys(paths, (grows, 20)), of_c="/app/api"))
    assert table["function"].to_list() == [inner[-1]]


def test_in_rust_a_name_like_that_of_an_allocator_is_no_allocator() -> None:
    """A pool of one's own that keeps is itself the suspect."""
    heap = profile({("buffer_alloc", "on_get", "main"): (grows, 20), ("buffer_alloc", "on_set", "main"): (grows, 20)})
    assert rm.suspects(heap)["function"].to_list() == ["api::buffer_alloc"]


def test_a_function_that_keeps_for_all_its_callers_is_itself_the_suspect() -> None:
    """An insert that is called from three handlers, and grows through each, is named, and not the handlers."""
    heap = profile({("insert", f"handler_{letter}", "main"): (grows, 100) for letter in "abc"})
    found = rm.suspects(heap)
    assert found["function"].to_list() == ["api::insert"]
    assert found["through"].to_list() == [None]


def test_two_callers_that_grow_are_both_named() -> None:
    """Two leaks through one helper are two suspects; who only holds much is named too, the rest is the helper's."""
    heap = profile(
        {
            ("buffer", "cache", "main"): (grows, 200),
            ("buffer", "queue", "main"): (lambda at: 600 * at, 200),
            ("buffer", "config", "main"): (rests, 20),
            ("buffer", "small", "main"): (lambda _: 9000, 20),
        }
    )
    found = rm.suspects(heap)
    assert found["function"].to_list() == ["api::cache", "api::queue", "api::config", "api::buffer"]
    assert found["reading"].to_list() == ["grows", "grows", "held", "held"]
    assert found["growth_bytes"].sum() == pytest.approx(1600 * MOMENTS / 2, rel=0.1)


@pytest.mark.parametrize("closure", ["wait::{{closure}}", "wait::{closure#0}"])
def test_who_runs_a_closure_is_not_who_leaks(closure: str) -> None:
    """What an executor polls, or a helper calls back, is of the function that it is written in."""
    heap = profile({(closure, "turn", "main"): (grows, 200), ("wait", "main"): (lambda at: 90_000 * (at > 0), 20)})
    assert rm.suspects(heap).select("function", "reading").rows() == [("api::wait", "grows")]


@pytest.mark.parametrize("given", ["a.heap", 5, [], ["a.heap"], [5, "b"]], ids=repr)
def test_what_is_no_profile_is_named_with_the_way_to_one(given: Any) -> None:
    """Names of files are none yet, for suspects as for diff."""
    ask: list[Callable[[], object]] = [lambda: rm.suspects(given), lambda: rm.diff(given, given)]
    for one in ask:
        with pytest.raises(
            rm.RmtoolkitError, match=r"'(str|int|list)' is no heap profile\. Hint: rm\.read_heap\(PATH\)"
        ):
            one()


def test_a_function_that_calls_itself_is_one_caller() -> None:
    """Recursion through a helper makes no new callers."""
    heap = profile({("build", *["build"] * depth, "main"): (grows, 10) for depth in range(5)})
    assert rm.suspects(heap)["function"].to_list() == ["api::build"]


def test_a_full_cache_that_drifts_does_not_grow() -> None:
    """Entries of different sizes make a bounded cache rise a little for a long time; a leak beside it does grow."""
    heap = profile(
        {
            ("insert", "main"): (lambda at: 30_000_000 + 100 * at, 900),
            ("lose", "main"): (lambda at: 2000 * at, 200),
        }
    )
    assert dict(rm.suspects(heap).select("function", "reading").iter_rows()) == {
        "api::lose": "grows",
        "api::insert": "grew",
    }


def test_totals_are_the_same_whoever_is_named() -> None:
    """What is held and allocated is told of one function or another, and never twice."""
    heap = profile(
        {
            ("buffer", "cache", "main"): (grows, 200),
            ("buffer", "config", "main"): (rests, 20),
            ("cache", "main"): (lambda _: 5000, 3),
        }
    )
    found = rm.suspects(heap)
    assert found["live_at_end_bytes"].sum() == heap.stacks["live_bytes"].sum()
    assert found["allocations"].sum() == 223
    assert found["stacks"].sum() == 3


def test_an_allocator_of_ones_own_is_rusts_way_to_memory() -> None:
    """A wrapper that counts every allocation is on every stack, and answers for none."""
    for function in (
        "<api::count::Counting as core::alloc::global::GlobalAlloc>::alloc",
        "<api::Arena as core::alloc::Allocator>::allocate",
        "<api::Arena as allocator_api2::alloc::Allocator>::allocate",
        "__rustc::__rust_alloc",
    ):
        assert origin(function, "/app/src/count.rs", "/app/api") == STD
    assert origin("<api::Arena as api::Allocator>::allocate", "/app/src/arena.rs", "/app/api") == "own"


def test_churn_counts_by_function() -> None:
    """Functions are listed by how often they allocate, whatever they hold."""
    heap = profile({("cache", "main"): (grows, 200), ("request", "main"): (comes_and_goes, 5000)})
    assert churn(heap).select("function", "allocations").rows() == [("api::request", 5000), ("api::cache", 200)]
    silent = HeapProfile(HeapSummary("pprof"), heap.stacks.with_columns(allocations=None), heap.frames)
    assert churn(silent).height == 0
