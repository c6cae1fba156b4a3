"""`rm.read_allocator` and `rm.read_malloc_info` on what real allocators say of one program."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.analysis.heap_answers import answer_allocator
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.views import heap_terminal
from rmtoolkit.views.heap import allocator_layers
from tests.heap.conftest import library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.heap.conftest import Workshop

JEMALLOC: Final = Path(__file__).parents[1] / "data" / "jemalloc"
MI: Final = 1 << 20
#: Half of 20,000 blocks of 1000 bytes, and one more.
LIVE_BLOCKS: Final = 10_001
LIVE_BYTES: Final = LIVE_BLOCKS * 1000


def text(workshop: Workshop, name: str, *words: str, **environment: str) -> tuple[Path, dict[str, int]]:
    """What the program printed under an allocator, and its resident memory before and after it gave pages back."""
    program = workshop.program("allocators.c")
    said = workshop.said(name, program, *words, **environment)
    resident = dict(re.findall(r"VmRSS (before|after): (\d+)", said.read_text()))
    return said, {when: int(size) for when, size in resident.items()}


@pytest.mark.parametrize("form", ["", "J"], ids=["text", "JSON"])
def test_jemalloc_tells_what_a_purge_would_give_back(workshop: Workshop, form: str) -> None:
    """What would stay resident if purged is, to the page, what jemalloc says after the purge; RSS falls as much."""
    said, rss = text(workshop, f"jemalloc{form}.log", form, LD_PRELOAD=library("libjemalloc.so.2"))
    allocator = rm.read_allocator(said)
    before, after = allocator.totals.rows(named=True)
    assert before["allocator"] == "jemalloc"
    assert before["purgeable_bytes"] >= 64 * 100_000
    assert before["resident_if_purged_bytes"] == after["resident_bytes"]
    assert after["purgeable_bytes"] == 0
    assert abs((rss["before"] - rss["after"]) - before["purgeable_bytes"]) < 2 * MI  # code of the printer
    # Holes between live blocks stay: only the layers above them go.
    assert before["fragmentation_bytes"] == after["fragmentation_bytes"]


@pytest.mark.parametrize("form", ["", "J"], ids=["text", "JSON"])
def test_jemalloc_fragmentation_per_bin(workshop: Workshop, form: str) -> None:
    """Every second block of 1000 bytes is free: the bin of 1024 has as many holes as blocks, on pages it must keep."""
    said, _ = text(workshop, f"jemalloc{form}.log", form, LD_PRELOAD=library("libjemalloc.so.2"))
    allocator = rm.read_allocator(said)
    first = allocator.bins.filter(pl.col("document") == 0)
    row = first.filter(pl.col("size_bytes") == 1024).select(pl.selectors.integer().sum()).row(0, named=True)
    assert 0 <= row["live_blocks"] - LIVE_BLOCKS < 1000  # what waits in the caches of threads counts as live
    assert row["live_blocks"] + row["free_blocks"] == pytest.approx(20_000, rel=0.01)
    assert row["fragmentation_bytes"] == row["free_blocks"] * 1024
    worst = first.sort("fragmentation_bytes", descending=True).row(0, named=True)
    assert (worst["size_bytes"], worst["partial_slabs"] > 1000) == (1024, True)
    # What jemalloc adds up itself is what the tables add up to.
    totals = allocator.totals.row(0, named=True)
    assert first["live_bytes"].sum() == totals["allocated_bytes"]
    arenas = allocator.arenas.filter(pl.col("document") == 0)
    for name in ("allocated_bytes", "active_bytes", "mapped_bytes", "dirty_bytes", "fragmentation_bytes"):
        assert arenas[name].sum() == totals[name], name


def test_text_and_json_of_one_program_agree() -> None:
    """Five arenas: the same table from both forms but for the 8 bytes that the program allocated between them."""
    as_json = rm.read_allocator(JEMALLOC / "svc_jemalloc_stats.json.gz")
    as_text = rm.read_allocator(JEMALLOC / "svc_jemalloc_stats.json.txt.gz")
    assert as_json.arenas["arena"].to_list() == as_text.arenas["arena"].to_list() == ["0", "1", "2", "3", "4"]
    same = [name for name in as_json.arenas.columns if name not in ("allocated_bytes", "fragmentation_bytes")]
    assert as_json.arenas.select(same).equals(as_text.arenas.select(same))
    assert as_json.bins.filter(pl.col("size_bytes") > 8).equals(as_text.bins.filter(pl.col("size_bytes") > 8))
    assert as_json.totals["dirty_bytes"].item() == 5106 * 4096
    assert repr(as_json).startswith("<Allocator: jemalloc, live 19.7 Mi, resident 44 Mi, could be given back 19.9 Mi")
    assert "19.9 Mi" in as_json._repr_html_()


def test_documents_without_arenas_leave_unknown_what_they_do_not_say() -> None:
    """Three short documents in one stream: totals of each, no arenas, and retention unknown instead of none."""
    allocator = rm.read_allocator(JEMALLOC / "jemalloc_interval_mixed.stderr.txt")
    assert allocator.totals["allocated_bytes"].to_list() == [8641056, 17029664, 1165784]
    assert allocator.totals["purgeable_bytes"].to_list() == [None, None, None]
    assert allocator.totals["fragmentation_bytes"].to_list() == [58848, 91616, 95784]
    assert allocator.arenas.is_empty()
    assert allocator.bins.is_empty()


def test_one_arena_in_json_without_a_merged_one() -> None:
    """A program with one arena has its arena all the same."""
    allocator = rm.read_allocator(JEMALLOC / "jemalloc_known_stats.raw.json")
    assert allocator.arenas["arena"].to_list() == ["0"]
    # 1000 blocks of 777 bytes leaked, each 896 bytes large; a few more wait in the cache of the thread.
    assert 1000 <= allocator.bins.filter(pl.col("size_bytes") == 896)["live_blocks"].item() < 1100


def test_glibc_documents_of_one_moment_agree(workshop: Workshop) -> None:
    """`malloc_info`, `mallinfo2` and `malloc_stats` of one moment: the same bytes in use and free, to the byte."""
    said, _ = text(workshop, "glibc.log", "glibc")
    numbers = dict(re.findall(r"(\w+)=(\d+)", said.read_text()))
    recording = rm.read_malloc_info(said, interval="1s")
    table = recording.samples.select("allocated_bytes", "free_bytes", "mapped_bytes")
    assert table.height == 3
    expected = int(numbers["uordblks"]), int(numbers["fordblks"]), int(numbers["arena"])
    assert set(table.rows()) == {expected}
    # Blocks of 1000 bytes are 1008 large; standard output and the thread hold the rest.
    assert 0 < expected[0] - LIVE_BLOCKS * 1008 < 100_000


def test_glibc_tells_what_a_trim_would_give_back(workshop: Workshop) -> None:
    """Resident memory falls by what was said to be purgeable when the program calls `malloc_trim(0)`."""
    said, rss = text(workshop, "glibc.log", "glibc")
    allocator = rm.read_allocator(said)
    totals = allocator.totals.row(0, named=True)
    assert totals["purgeable_bytes"] > 6_000_000
    # The ends of arenas that were never touched are not resident.
    assert rss["before"] - rss["after"] >= 0.9 * totals["purgeable_bytes"]
    assert totals["fragmentation_bytes"] == pytest.approx(10_000 * 1008, rel=0.02)
    arenas = allocator.arenas.filter(pl.col("document") == 0)
    assert arenas["arena"].to_list() == ["0", "1"]
    assert arenas["allocated_bytes"].sum() == totals["allocated_bytes"]
    holes = allocator.bins.filter((pl.col("document") == 0) & (pl.col("size_bytes") == 1008))
    assert holes["free_blocks"].item() == pytest.approx(10_000, rel=0.01)


def test_tcmalloc_text(workshop: Workshop) -> None:
    """What tcmalloc prints at the end adds up to its own sum of memory used."""
    said, _ = text(workshop, "tcmalloc.log", MALLOCSTATS="1", LD_PRELOAD=library("libtcmalloc.so.4"))
    recording = rm.read_malloc_info(said)
    last = recording.samples.row(0, named=True)
    assert 0 < last["allocated_bytes"] - LIVE_BLOCKS * 1024 < 200_000
    assert last["allocated_bytes"] + last["free_bytes"] + last["metadata_bytes"] == last["resident_bytes"]
    assert recording.containers["source"].item() == "tcmalloc stats"


def test_muzzy_pages_are_not_kept_of_what_is_resident(tmp_path: Path) -> None:
    """Pages that jemalloc gave up with MADV_FREE stand beside what is resident, and the headline leaves them out."""
    import gzip

    said = gzip.decompress((JEMALLOC / "svc_jemalloc_stats.json.gz").read_bytes())
    file = tmp_path / "stats.json"
    file.write_bytes(said.replace(b'"pmuzzy"', b'"p"').replace(b'"pdirty"', b'"pmuzzy"').replace(b'"p"', b'"pdirty"'))
    allocator = rm.read_allocator(file)
    last = allocator.totals.row(-1, named=True)
    assert (last["dirty_bytes"], last["muzzy_bytes"]) == (0, 5106 * 4096)
    assert last["resident_if_purged_bytes"] == last["resident_bytes"]
    found = answer_allocator(allocator)
    assert found.last["kept_bytes"] == 0
    assert "keeps" not in found.headline
    assert re.search(r"muzzy +19\.9 Mi +given up", heap_terminal.allocator(found))
    layers = str(allocator_layers(found)).partition("Layers: ")[2].partition("<")[0]
    assert "live heap" in layers
    assert "kept pages" not in layers
    # The same of each arena, in the picture and in the terminal.
    arenas = pl.concat([found.arenas] * 2)
    several = replace(found, arenas=arenas)
    assert arenas["kept_bytes"].to_list() == [0, 0]
    assert 'class="kept"' not in str(allocator_layers(several))
    assert len(re.findall(r"Mi +0 Mi +\S+ Mi  0 \(", heap_terminal.allocator(several))) == arenas.height


def test_tcmalloc_lists_add_up_and_have_bounds_of_their_own(tmp_path: Path, workshop: Workshop) -> None:
    """What is live, kept and in three kinds of lists is all that is resident; the largest is what is advised."""
    said, _ = text(workshop, "tcmalloc.log", MALLOCSTATS="1", LD_PRELOAD=library("libtcmalloc.so.4"))
    last = rm.read_allocator(said).totals.row(-1, named=True)
    parts = ("allocated", "dirty", "fragmentation", "thread_cache", "transfer_cache", "metadata")
    assert sum(last[f"{name}_bytes"] for name in parts) == last["resident_bytes"]
    written = said.read_text()
    for name, column in (("central", "fragmentation"), ("transfer", "transfer_cache"), ("thread", "thread_cache")):
        assert last[f"{column}_bytes"] == int(re.findall(rf"(\d+) .*Bytes in {name} cache freelist", written)[-1])
    file = tmp_path / "stats.txt"
    file.write_text(
        "MALLOC:     1000000 (    1.0 MiB) Bytes in use by application\n"
        "MALLOC: +    100000 (    0.1 MiB) Bytes in page heap freelist\n"
        "MALLOC: +    100000 (    0.1 MiB) Bytes in central cache freelist\n"
        "MALLOC: +    600000 (    0.6 MiB) Bytes in transfer cache freelist\n"
        "MALLOC: +   2000000 (    2.0 MiB) Bytes in thread cache freelists\n"
        "MALLOC: +    200000 (    0.2 MiB) Bytes in malloc metadata\n"
        "MALLOC: =   4000000 (    4.0 MiB) Actual memory used (physical + swap)\n"
    )
    found = answer_allocator(rm.read_allocator(file))
    assert found.headline == "tcmalloc keeps 2.48 Mi of 3.81 Mi resident (65 %) in the caches of its threads."
    assert "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES those of threads (1.91 Mi now)" in found.next_step
    assert "TCMALLOC_TRANSFER_NUM_OBJ" in found.next_step


def test_glibc_documents_do_not_contradict_each_other(workshop: Workshop) -> None:
    """Only malloc_info splits what is free; the other two say that they cannot, and name it."""
    said, _ = text(workshop, "glibc.log", "glibc")
    allocator = rm.read_allocator(said)
    splits = allocator.totals.select("purgeable_bytes", "fragmentation_bytes").rows()
    assert sum(None not in split for split in splits) == 1
    assert splits.count((None, None)) == 2
    assert allocator.totals["allocated_bytes"].n_unique() == 1
    for place in range(3):
        found = answer_allocator(replace(allocator, totals=allocator.totals.slice(place, 1)))
        assert ("only malloc_info tells" in found.headline) is (splits[place] == (None, None))
        assert ("malloc_info(0, stderr)" in found.next_step) is (splits[place] == (None, None))
        assert "taken from the system" in found.headline


def test_zeros_are_of_another_allocator(tmp_path: Path) -> None:
    """A program on jemalloc that logs mallinfo2: no advice for glibc, and no live heap of nothing."""
    log = tmp_path / "api.log"
    log.write_text("2026-11-24T10:00:00Z arena=0 hblkhd=0 uordblks=0 fordblks=0 keepcost=0\n")
    found = answer_allocator(rm.read_allocator(log))
    assert found.headline == "glibc: all is zero, so the program uses another allocator."
    assert "MALLOC_ARENA_MAX" not in found.next_step
    with pytest.raises(ReadError, match=r"found 'zeros only'.*The program uses another allocator"):
        rm.read_malloc_info(log)


def test_mimalloc_is_named(workshop: Workshop) -> None:
    """It tells what is committed, and the answer says that it tells no more."""
    said, _ = text(workshop, "mimalloc.log", MIMALLOC_SHOW_STATS="1", LD_PRELOAD=library("libmimalloc.so.3"))
    found = answer_allocator(rm.read_allocator(said))
    assert re.fullmatch(
        r"mimalloc: [\d.]+ Mi are committed; how much of that is in use it does not say.", found.headline
    )


def test_what_mimalloc_calls_rss_is_the_most_there_ever_was(workshop: Workshop) -> None:
    """Mimalloc tells what is committed; its `rss` is a peak and no sample, so it stands in the notes."""
    said, rss = text(workshop, "mimalloc.log", MIMALLOC_SHOW_STATS="1", LD_PRELOAD=library("libmimalloc.so.3"))
    recording = rm.read_malloc_info(said)
    assert recording.samples["mapped_bytes"].item() >= LIVE_BYTES
    assert recording.samples["rss_bytes"].null_count() == 1
    (note,) = [note for note in recording.report.notes() if "mimalloc" in note]
    (most, unit) = re.findall(r"at most ([\d.,]+) (Ki|Mi|Gi)", note)[0]
    assert float(most.replace(",", "")) * {"Ki": MI >> 10, "Mi": MI, "Gi": MI << 10}[unit] >= 0.98 * rss["before"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("arena=1000 hblkhd=50 uordblks=600 fordblks=400 keepcost=9", (650, 400, 1050)),
        ('{"mi_arena": 1000, "mi_hblkhd": 0, "mi_uordblks": 600, "mi_fordblks": 400}', (600, 400, 1000)),
        ("Mallinfo2 {\n    arena: 1000,\n    hblkhd: 0,\n    uordblks: 600,\n    fordblks: 400,\n}", (600, 400, 1000)),
        ("Total allocated space (uordblks): 600\nTotal free space (fordblks): 400", (600, 400, None)),
    ],
    ids=["logfmt", "JSON with a prefix", "Rust's debug form", "the manual's example"],
)
def test_notations_of_mallinfo2(tmp_path: Path, line: str, found: tuple[int | None, ...]) -> None:
    """Programs print the fields in many ways; what is not printed stays unknown."""
    log = tmp_path / "api.log"
    log.write_text(f"2026-11-24T10:00:00Z {line}\n2026-11-24T10:01:00Z {line}\n")
    recording = rm.read_malloc_info(log)
    assert recording.samples.select("allocated_bytes", "free_bytes", "mapped_bytes").rows() == [found, found]
    assert [f"{time:%H:%M}" for time in recording.samples["time"]] == ["10:00", "10:01"]
    assert recording.containers["workload"].item() == "api"


def test_documents_in_a_container_log(tmp_path: Path, workshop: Workshop) -> None:
    """XML in the log of a container: a time per document, from the runtime."""
    said, _ = text(workshop, "glibc.log", "glibc")
    xml = re.findall(r"<malloc .*?</malloc>", said.read_text(), re.DOTALL)[0]
    log = tmp_path / "0.log"
    log.write_text(
        "".join(
            f"2026-11-24T10:0{minute}:00.000000000Z stdout F {line}\n"
            for minute in range(3)
            for line in xml.split("\n")
        )
    )
    recording = rm.read(log)
    assert recording.samples.height == 3
    assert recording.samples["time"][1] == dt.datetime(2026, 11, 24, 10, 1, tzinfo=dt.UTC)
    assert recording.samples["free_bytes"].n_unique() == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [("glibc.log", "glibc malloc_info"), ("tcmalloc.log", "tcmalloc stats"), ("mimalloc.log", "mimalloc stats")],
    ids=["glibc", "tcmalloc", "mimalloc"],
)
def test_any_reader_recognises_them(workshop: Workshop, name: str, source: str) -> None:
    """`rm.read` tells by the content what it is."""
    libraries = {"tcmalloc.log": "libtcmalloc.so.4", "mimalloc.log": "libmimalloc.so.3"}
    preload = {"LD_PRELOAD": library(libraries[name])} if name in libraries else {}
    shows = {"tcmalloc.log": {"MALLOCSTATS": "1"}, "mimalloc.log": {"MIMALLOC_SHOW_STATS": "1"}}.get(name, {})
    words = ("glibc",) if name == "glibc.log" else ()
    said, _ = text(workshop, name, *words, **preload, **shows)
    recording = rm.read(said, **({"interval": "1s"} if words else {}))
    assert recording.containers["source"].to_list() == [source]


@pytest.mark.parametrize("reader", [rm.read_allocator, rm.read_malloc_info])
def test_other_texts_are_refused(tmp_path: Path, reader: object) -> None:
    """A file without a document is one clear error."""
    file = tmp_path / "notes.txt"
    file.write_text("nothing of the kind\n")
    assert callable(reader)
    with pytest.raises(ReadError, match=r"notes\.txt', line 1: found 'nothing of the kind', expected"):
        reader(file)


def test_how_a_text_was_read_is_in_its_report(tmp_path: Path) -> None:
    """Letters of another alphabet are told, as of every other file."""
    file = tmp_path / "old.log"
    file.write_bytes("Prüfung\nAllocated: 3145728, active: 4194304, resident: 8388608\n".encode("latin-1"))
    assert rm.read_allocator(file).report.warnings == ("not UTF-8; read as Latin-1",)


def test_rows_that_do_not_fit_their_head_are_counted(tmp_path: Path) -> None:
    """A table row that lost a number is left out and counted; the others stay."""
    import gzip

    whole = gzip.decompress((JEMALLOC / "svc_jemalloc_stats.json.txt.gz").read_bytes()).decode()
    lines = whole.split("\n")
    row = next(place for place, line in enumerate(lines) if line.split()[:3] == ["2048", "24", "20484096"])
    row = next(place for place in range(row + 1, len(lines)) if lines[place].split()[:3] == lines[row].split()[:3])
    lines[row] = lines[row].rsplit(maxsplit=2)[0]
    file = tmp_path / "stats.txt"
    file.write_text("\n".join(lines))
    with pytest.warns(RmtoolkitWarning, match="left out 1 row of tables with other columns than their heads"):
        allocator = rm.read_allocator(file)
    assert allocator.totals["allocated_bytes"].item() == 20681272
    assert 2048 not in allocator.bins.filter(pl.col("arena") == "0")["size_bytes"].to_list()


@given(cut=st.integers(0, 1 << 20), flip=st.integers(0, 255), place=st.integers(0, 1 << 20), which=st.integers(0, 3))
def test_damage_gives_a_table_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, place: int, which: int
) -> None:
    """A document that is cut off and has a changed byte: no other exception, and no negative number."""
    import gzip
    import warnings

    sources = sorted(JEMALLOC.glob("*json*")) + sorted(JEMALLOC.glob("*.txt"))
    data = sources[which % len(sources)].read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    damaged = bytearray(data[: cut % len(data) + 1])
    damaged[place % len(damaged)] = flip
    file = tmp_path_factory.mktemp("damage") / "stats.log"
    file.write_bytes(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        try:
            allocator = rm.read_allocator(file)
        except ReadError:
            return
    for frame in (allocator.totals, allocator.arenas, allocator.bins):
        for column in frame.select(pl.selectors.integer()).iter_columns():
            assert (column.drop_nulls() >= 0).all()


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _places(inner, (*at, name))
    elif isinstance(value, list) and value:
        yield from _places(value[0], (*at, 0))


def test_a_value_of_another_kind_is_unknown_or_refused(tmp_path: Path) -> None:
    """Wherever one stands in what jemalloc prints as JSON: nothing below zero is believed, and nothing else happens."""
    text = (JEMALLOC / "jemalloc_known_stats.raw.json").read_text("utf-8")
    document = text[text.index("{") : text.rindex("}") + 1]
    wrong: Iterator[Any] = itertools.cycle((None, [], "x", -1, True, {}, 1.5, 1 << 70, [{}]))
    file = tmp_path / "wrong.json"
    read = 0
    for place in list(_places(json.loads(document)))[1:]:
        changed = inside = json.loads(document)
        for name in place[:-1]:
            inside = inside[name]
        inside[place[-1]] = next(wrong)
        file.write_text(json.dumps(changed), "utf-8")
        try:
            allocator = rm.read_allocator(file)
        except ReadError as error:
            assert str(file) in str(error)  # noqa: PT017 - either will do
            continue
        read += 1
        for table in (allocator.totals, allocator.arenas, allocator.bins):
            numbers = table.select(pl.selectors.integer())
            assert not numbers.select(pl.any_horizontal(pl.all().fill_null(0).lt(0).any())).item()
    assert read > 300
