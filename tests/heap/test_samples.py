"""The shipped heap profiles say what their README says is true of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rmtoolkit as rm
from rmtoolkit.analysis.heap_answers import answer, answer_allocator
from tests.heap.makers import heaptrack

HEAP = Path(__file__).parents[2] / "data" / "heap"
#: What the service counted itself in its last second.
LOST, ALIVE = 3_996_582, 26_544_920
#: Bytes that its leak loses a second.
RATE = 32_000


def test_readme_names_every_file() -> None:
    """Whatever lies in the folder has a row, and no row is without its file."""
    named = re.findall(r"^\| `([^`]+)`", (HEAP / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in HEAP.iterdir() if path.name != "README.md")


def test_leak_beside_a_cache_is_found_with_its_rate_and_size() -> None:
    """heaptrack: the planted function is first, through the helper that allocates for all, and the cache is at rest."""
    heap = rm.read_heap(HEAP / "warm-jackdaw.heaptrack.zst")
    found = rm.suspects(heap)
    first = found.row(0, named=True)
    assert (first["function"], first["reading"]) == ("<service::leaks::Leak as service::Component>::tick", "grows")
    assert first["through"] == "service::ledger::block"
    assert first["growth_bytes_per_second"] == pytest.approx(RATE, rel=0.05)
    assert first["held_bytes"] == pytest.approx(LOST, rel=0.01)
    assert heap.summary.live_at_end_bytes == pytest.approx(ALIVE, rel=0.01)
    readings = dict(found.select("function", "reading").iter_rows())
    assert readings["service::caches::Lru::look_up"] != "grows"
    assert [name for name, reading in readings.items() if reading == "grows"] == [first["function"]]


def test_shares_of_growth_are_shares_of_all_of_it(tmp_path: Path) -> None:
    """Two leaks, one three times the other: a quarter and three quarters; what is given back has no part in it."""
    stacks = [[name, "main"] for name in ("service::small", "service::large", "service::scratch")]
    events = [event for tick in range(400) for event in (f"c {tick * 10:x}", "+ 0", "+ 1", "+ 2", "- 2")]
    file = tmp_path / "two.heaptrack"
    file.write_bytes(heaptrack(stacks, [(1000, 0), (3000, 1), (500, 2)], events))
    found = rm.suspects(rm.read_heap(file))
    shares = dict(found.select("function", "growth_share").iter_rows())
    assert shares["service::small"] == pytest.approx(0.25)
    assert shares["service::large"] == pytest.approx(0.75)
    assert "service::scratch" not in shares
    first = found.row(0, named=True)
    assert first["function"] == "service::large"
    # The earlier half may be start-up: of 400 ticks of 10 ms the later half is looked at.
    assert first["growth_bytes"] == pytest.approx(0.5 * 400 * 3000, rel=0.01)
    assert first["growth_bytes_per_second"] == pytest.approx(400 * 3000 / 4, rel=0.01)


def test_evidence_says_what_was_seen_of_each() -> None:
    """Growth with its blocks, rate and steadiness; a cache at rest as that; and one picture claims no growth."""
    grows, holds, *_ = rm.suspects(rm.read_heap(HEAP / "warm-jackdaw.heaptrack.zst"))["evidence"]
    assert re.fullmatch(
        r"2\.91 Mi more after startup in 1,485 blocks, 1\.88 Mi a minute, through service::ledger::block; "
        r"grew in 100 % of that time",
        grows,
    )
    assert holds == "holds 12 Mi, no more than after startup"
    (picture, *_) = rm.suspects(rm.read_heap(HEAP / "warm-jackdaw.dhat.json.gz"))["evidence"]
    assert picture == "holds 12 Mi; a single snapshot does not tell whether that grows"


def test_before_the_leak_began_nothing_is_called_one() -> None:
    """The first 80 seconds of the same service: what fills is a cache, and the change since is the leak."""
    early = rm.read_heap(HEAP / "warm-jackdaw-early.heaptrack.zst")
    heap = rm.read_heap(HEAP / "warm-jackdaw.heaptrack.zst")
    assert "Leak" not in rm.suspects(early)["function"][0]
    assert not rm.suspects(early)["function"].str.contains("Leak as .*tick").any()
    change = rm.diff(early, heap)
    assert change["live_bytes_change"].sum() == pytest.approx(
        (heap.summary.live_at_end_bytes or 0) - (early.summary.live_at_end_bytes or 0)
    )


def test_a_single_picture_calls_nothing_a_leak() -> None:
    """DHAT: what holds most is told, whatever inlined functions are called, and no verdict changes."""
    heap = rm.read_heap(HEAP / "warm-jackdaw.dhat.json.gz")
    found = rm.suspects(heap)
    assert set(found["reading"]) == {"live"}
    assert not found["function"].str.contains("UnknownInlinedFun|rust_alloc").any()
    recording = rm.read(HEAP.parent / "samples" / "warm-jackdaw")
    columns = ["verdict", "leak_probability", "cause", "evidence_level"]
    assert rm.classify(recording, heap).select(columns).equals(rm.classify(recording).select(columns))


def test_recording_and_profile_together_name_the_code() -> None:
    """The recording alone cannot name a cause; with the profile it is level 5, surer, and names file and line."""
    recording = rm.read(HEAP.parent / "samples" / "warm-jackdaw")
    alone = rm.classify(recording).row(0, named=True)
    row = rm.classify(recording, HEAP / "warm-jackdaw.heaptrack.zst").row(0, named=True)
    assert (alone["verdict"], row["verdict"]) == ("leak", "leak")
    assert (alone["evidence_level"], row["evidence_level"]) == (2, 5)
    assert row["leak_probability"] > alone["leak_probability"]
    assert row["cause"] == "heap"
    assert "service::leaks::Leak::tick (leaks.rs:" in row["next_step"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("warm_up", "Nothing in the heap grows after startup."),
        ("slab_churn", "18.8 Ki came after startup, in few steps or for a while, most of it in services::rests::"),
        ("lru_full_of_sizes", "6.35 Ki came after startup, in few steps or for a while; no function keeps more than"),
    ],
)
def test_startup_begins_with_the_program_and_not_with_its_profiler(program: str, said: str) -> None:
    """Massif: valgrind needs seconds before the program runs; headline and functions look at the same stretch."""
    assert said in answer(rm.read_heap(HEAP / "growth" / f"{program}.massif.zst")).headline


@pytest.mark.parametrize(
    ("file", "kept", "gaps"),
    [("noble-newt.stats.log.zst", 203, 26), ("opal-vole.stats.log.zst", 0.2, 177)],
)
def test_what_is_kept_is_told_from_what_lies_in_gaps(file: str, kept: float, gaps: float) -> None:
    """Statistics of jemalloc: one service keeps freed pages, the other has holes in pages in use."""
    found = answer_allocator(rm.read_allocator(HEAP / file))
    last: dict[str, Any] = {**found.last}
    assert last["kept_bytes"] / 2**20 == pytest.approx(kept, rel=0.05)
    assert last["fragmentation_bytes"] / 2**20 == pytest.approx(gaps, rel=0.05)
    assert ("dirty_decay_ms" in found.next_step) == (kept > gaps)
    # Large blocks have a page more than they need, which no size tells.
    assert 0.6 <= found.sizes["fragmentation_bytes"].sum() / last["fragmentation_bytes"] <= 1
