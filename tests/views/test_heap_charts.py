from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import cli, text
from rmtoolkit.analysis.heap_answers import answer, answer_allocator
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.suspects import OTHERS, over_time
from rmtoolkit.views.heap import LAYERS, allocator_layers, allocator_sizes, page, plot_over_time
from tests.analysis.profiles import MI, growing, profile, resting

STATS = Path(__file__).parents[1] / "data" / "jemalloc"
CACHE, INDEX = "billing::cache::insert", "billing::index::build"


def test_what_is_held_over_time_adds_up() -> None:
    """At every moment the functions and everything else are the live heap."""
    holds = {CACHE: growing(900), INDEX: resting(40 * MI)} | {f"a::m{at}::f": resting(at * 9e4) for at in range(1, 9)}
    heap = profile(holds)
    table = over_time(heap, most=3)
    assert table["function"].unique(maintain_order=True).to_list()[0] == CACHE
    assert table["function"].n_unique() == 4
    assert OTHERS in table["function"].to_list()
    live = dict(heap.timeline.select("time_seconds", "live_bytes").iter_rows())
    by_time: dict[float, int] = {}
    for time, held in table.select("time_seconds", "live_bytes").iter_rows():
        by_time[time] = by_time.get(time, 0) + held
    assert len(by_time) > 200
    assert {time: live[time] for time in by_time} == by_time


def test_growth_stands_at_the_bottom_in_the_colour_of_alarm() -> None:
    """What grows is the lowest area, marked by shape and word; a name too long is cut in the middle, no amount is."""
    heap = profile({CACHE: growing(9000), "billing::index::build_for_each_of_the_tenants": resting(40 * MI)})
    shown = page(answer(heap))
    areas = {look: drawn for drawn, look in re.findall(r'<path d="([^"]*Z)" class="(\w+)', shown)}
    assert set(areas) == {"alarm", "kept"}
    assert areas["alarm"].endswith("V260H62Z")
    assert not areas["kept"].endswith("H62Z")
    assert "▲ billing::cache::insert 6.1" in shown
    assert ">build_for_ea…_the_tenants 40 Mi<" in shown
    (says,) = re.findall(r'role="img" aria-label="([^"]*)"', shown)
    assert f"{CACHE} grows from 0.954 Mi to 6.1" in says


def test_pictures_without_times_are_drawn_in_their_order() -> None:
    """A series that knows only its order has numbers instead of seconds; a single picture has no time at all."""
    pictures = []
    for at in range(5):
        whole = profile({CACHE: growing(0, start=1e6 * (at + 1))})
        pictures.append(HeapProfile(whole.summary, whole.stacks, whole.frames))
    from rmtoolkit.heap.formats import join

    joined = join(pictures)
    assert "snapshots, in the order in which they were taken" in page(answer(joined))
    assert plot_over_time(pictures[0], rm.suspects(pictures[0])) is None


def test_layers_of_an_allocator_are_as_wide_as_they_hold() -> None:
    """Real statistics of jemalloc: widths are in proportion, and the words have the figures."""
    found = answer_allocator(rm.read_allocator(STATS / "svc_jemalloc_stats.json.gz"))
    last = found.allocator.totals.row(-1, named=True)
    svg = allocator_layers(found)
    bars = {kind: float(width) for width, kind in re.findall(r'width="([\d.]+)" height="34" class="(\w+)"', svg)}
    assert set(bars) == {"live", "slack", "kept", "whole"}
    assert bars["kept"] / bars["live"] == pytest.approx(last["dirty_bytes"] / last["allocated_bytes"], rel=0.01)
    assert all(f"{LAYERS[kind]} " in svg for kind in bars)


def test_limits_as_it_is_and_if_purged() -> None:
    """The limit leaves a tenth above what is resident; purged pages are taken off, and steps are whole."""
    found = answer_allocator(rm.read_allocator(STATS / "svc_jemalloc_stats.json.gz"))
    assert found.limit_as_it_is_bytes is not None
    assert found.limit_if_purged_bytes is not None
    last: dict[str, Any] = {**found.last}
    assert found.limit_as_it_is_bytes >= last["resident_bytes"] / 0.9 > found.limit_as_it_is_bytes - 16 * MI
    assert found.limit_if_purged_bytes >= (last["resident_bytes"] - last["kept_bytes"]) / 0.9
    assert found.limit_if_purged_bytes < found.limit_as_it_is_bytes
    assert "keeps 19.9 Mi of 44 Mi resident" in found.headline
    assert "dirty_decay_ms" in found.next_step


def test_sizes_with_gaps_come_first(tmp_path: Path) -> None:
    """The size of block that wastes most is on top, and what wastes next to nothing is left out."""
    found = answer_allocator(rm.read_allocator(STATS / "svc_jemalloc_stats.json.gz"))
    gaps = found.sizes["fragmentation_bytes"].drop_nulls().to_list()
    assert gaps == sorted(gaps, reverse=True)
    assert 'aria-label="Blocks of 1,024 bytes have most of the gaps' in allocator_sizes(found)
    line = tmp_path / "stats.log"
    line.write_text("Allocated: 3145728, active: 4194304, resident: 8388608\n")
    assert "Sizes of blocks" not in page(answer_allocator(rm.read_allocator(line)))


def test_gaps_that_are_small_beside_the_largest_are_not_drawn() -> None:
    """A size with less than a fiftieth of the largest gaps has no bar; with a fiftieth it has one."""
    found = answer_allocator(rm.read_allocator(STATS / "svc_jemalloc_stats.json.gz"))
    gaps = pl.Series("fragmentation_bytes", [50 * MI, MI, MI - 1])
    drawn = allocator_sizes(replace(found, sizes=found.sizes.head(3).with_columns(gaps)))
    named = [f"blocks of {text.block_size(size)}<" in drawn for size in found.sizes["size_bytes"].head(3)]
    assert named == [True, True, False]


def test_command_line_answers_for_an_allocator(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`rmtoolkit heap` takes statistics too: kept and in gaps, limits, sizes; they cannot be compared."""
    file = str(STATS / "svc_jemalloc_stats.json.gz")
    assert cli.main(["heap", file, "-o", str(tmp_path / "sizes.csv")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("jemalloc keeps 19.9 Mi of 44 Mi resident (45.3 %)")
    assert "Limit as it is 64 Mi, if purged 32 Mi" in said
    assert max(map(len, said.splitlines()[:-1])) <= 100
    assert (tmp_path / "sizes.csv").read_text().startswith("size_bytes,")
    assert cli.main(["heap", file, "--diff", file]) == 2
    assert "cannot be compared" in capsys.readouterr().err


def test_sizes_of_blocks_are_exact() -> None:
    """Whole Ki and Mi where they are, else bytes."""
    assert [text.block_size(one) for one in (320, 1536, 16384, 2 << 20)] == [
        "320 bytes",
        "1,536 bytes",
        "16 Ki",
        "2 Mi",
    ]
