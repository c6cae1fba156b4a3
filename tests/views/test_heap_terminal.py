from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from rmtoolkit import cli
from rmtoolkit.analysis import heap_answers as heap_answer
from rmtoolkit.heap import read_heap
from rmtoolkit.heap.allocator import read_allocator
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.text import Pen
from rmtoolkit.views import heap_terminal
from tests.analysis.profiles import MI, growing, profile, resting

ROOT = Path(__file__).parents[2]
CACHE, INDEX = "billing::cache::insert", "billing::index::build"


def shown(heap: HeapProfile, *, unicode: bool = True, colour: bool = False, width: int = 100) -> str:
    """The short answer."""
    return heap_terminal.answer(heap_answer.answer(heap), source="api.zst", pen=Pen(colour, unicode, width))


def heaptrack(path: Path, seconds: int, each: int, text: str = "billing::cache::insert") -> Path:
    """A recording in which one function keeps so many bytes every tenth of a second."""
    lines = ["v 10500 3", "X ./api", f"s {len(text):x} {text}", "s 7 ./api.rs", "s 5 ./api", "i 1 3 1 2 7", "t 1 0"]
    lines += [f"a {each:x} 1"]
    for tick in range(seconds * 10):
        lines += ["+ 0", f"c {tick * 100:x}", f"R {5000 + tick:x}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_answer_names_what_grows_and_how_fast() -> None:
    """The first line is the answer; the suspect has its rate, its share and what calls it."""
    lines = shown(profile({CACHE: growing(900), INDEX: resting(40 * MI)})).splitlines()
    assert lines[0] == f"The heap grows steadily, by 52.7 Ki a minute in {CACHE} (100 % of the steady growth)."
    row = next(line for line in lines if line.startswith("▲ grows"))
    assert row.endswith(f"{CACHE} (cache.rs:40)")
    assert any(line.strip() == f"through api::main → {CACHE}" for line in lines)
    assert lines[-1] == f"Next: bound or free what this code keeps: `{CACHE} (cache.rs:40)`."
    assert any("that alone is no leak" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_an_answer_keeps_to_the_width_of_the_terminal(width: int) -> None:
    """Whatever was profiled; names that are too long keep their end."""
    heaps = [profile({CACHE: growing(900), INDEX: resting(40 * MI)}), profile({CACHE: resting(40 * MI)})]
    answers = [heap_terminal.answer(heap_answer.answer(heap), pen=Pen(width=width)) for heap in heaps]
    answers.append(heap_terminal.changes(heap_answer.answer_diff(*heaps), pen=Pen(width=width)))
    recorded = read_heap(ROOT / "tests" / "data" / "heap" / "recorded" / "exact.heaptrack.raw")
    answers.append(heap_terminal.answer(heap_answer.answer(recorded), pen=Pen(width=width)))
    allocator = heap_answer.answer_allocator(read_allocator(ROOT / "data" / "samples" / "amber-heron.stats.log"))
    answers.append(heap_terminal.allocator(allocator, pen=Pen(width=width)))
    lines = [line for answer in answers for line in answer.splitlines()]
    assert max(map(len, lines)) <= width
    assert any(line.endswith("insert (cache.rs:40)") for line in lines)


def test_a_name_below_its_figures_has_the_whole_line() -> None:
    """What has no room beside them is cut at the edge of the terminal, not as if they still stood before it."""
    name = f"billing::{'x' * 36}"
    lines = shown(profile({name: growing(900), INDEX: resting(9 * MI)}), width=60).splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("READING"))
    assert lines[head + 1] == "  FUNCTION"
    assert lines[head + 3] == f"  …{f'{name} (billing.rs:40)'[-57:]}"


def test_what_is_known_of_no_function_has_no_column() -> None:
    """Growth of snapshots without times has no rate."""
    timed = profile({CACHE: growing(900)})
    times = timed.timeline.with_columns(time_seconds=pl.lit(None, pl.Float64))
    assert "A MINUTE" in shown(timed)
    assert "A SECOND" not in shown(HeapProfile(timed.summary, timed.stacks, timed.frames, times))


def test_other_readings_have_other_answers() -> None:
    """What rests, a picture and a blind profile each say what they can tell, and what to do next."""
    rests = profile({CACHE: resting(40 * MI)})
    assert shown(rests).startswith("Nothing in the heap grows after startup.\n")
    freed = shown(replace(rests, summary=replace(rests.summary, live_at_end_bytes=0)))
    assert "that alone is no leak" in shown(rests)
    assert "that alone is no leak" not in freed
    coarse = shown(replace(rests, summary=replace(rests.summary, sample_bytes=512 << 10)))
    assert coarse.startswith("No steady growth is seen in the heap, but below 6 Mi it would not show in this sample.")
    picture = shown(HeapProfile(rests.summary, rests.stacks, rests.frames))
    assert picture.startswith("A single snapshot shows what is held, not what grows.")
    assert "GROWTH" not in picture
    assert "Next: take more, half an hour apart" in picture
    blind = shown(profile({CACHE: growing(900)}, rss_bytes=300 * MI))
    assert blind.startswith("The heap profile missed")
    assert "▲" not in blind


@pytest.mark.parametrize("unicode", [True, False])
def test_lines_fit_into_a_hundred_columns(*, unicode: bool) -> None:
    """Whatever the names are, no line is longer but code to copy, and ASCII is ASCII."""
    long = "::".join(["a_crate_with_a_long_name"] * 9) + "::insert"
    body = shown(profile({long: growing(900), INDEX: resting(9 * MI)}), unicode=unicode)
    assert max(len(line) for line in body.splitlines() if not line.startswith("`")) <= 100
    assert unicode or body.isascii()
    assert "insert (a_crate_with_a_long_name.rs:40)" in body


def test_colour_is_on_the_reading_only_and_carries_no_meaning() -> None:
    """Without its colours the text is the same."""
    import re

    heap = profile({CACHE: growing(900), INDEX: resting(9 * MI)})
    coloured = shown(heap, colour=True)
    assert "\x1b[1;31m▲ grows\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(heap)


def test_command_line_reads_a_file_and_writes_the_suspects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`rmtoolkit heap FILE -o FILE.json` prints the answer and writes a row for each suspect."""
    file, out = heaptrack(tmp_path / "api.heap", 30, 4096), tmp_path / "suspects.json"
    assert cli.main(["heap", str(file), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("The heap grows steadily, by 40 Ki a second in billing::cache::insert (100 % of the")
    assert said.endswith(f"Suspects: {out}\n")
    (row,) = json.loads(out.read_text())
    assert (row["function"], row["reading"], row["line"]) == (CACHE, "grows", 7)


def test_command_line_compares_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--diff` says what the newer file holds more than the older one, and through which code."""
    new, old = heaptrack(tmp_path / "new", 30, 4096), heaptrack(tmp_path / "old", 10, 4096)
    assert cli.main(["heap", str(new), "--diff", str(old), "-o", str(tmp_path / "changes.csv")]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    more = f"{(300 - 100) * 4096 / MI:.3g} Mi"
    assert said.startswith(f"The second holds {more} more at the end than the first, most of it through {CACHE}.")
    assert "0.391 Mi → 1.17 Mi" in said
    assert "live_bytes_change" in (tmp_path / "changes.csv").read_text()


def test_command_line_takes_pictures_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several dumps of one program are one answer about what grows."""
    dumps = []
    for at in range(6):
        dump = tmp_path / f"jeprof.{at}.heap"
        size = (at + 1) * 4096
        dump.write_text(
            f"heap_v2/1\n  t*: {size // 64}: {size} [0: 0]\n@ 0x10 0x20\n  t*: {size // 64}: {size} [0: 0]\n"
        )
        dumps.append(str(dump))
    assert cli.main(["heap", *dumps]) == 0
    assert capsys.readouterr().out.startswith(
        "The heap grows steadily, by 12 Ki after startup in 0xf (100 % of the steady growth)."
    )
    assert cli.main(["heap", *dumps[:2]]) == 0
    assert capsys.readouterr().out.startswith("4 Ki more came by the last of 2 snapshots, 100 % of it in 0xf: so few ")


def test_command_line_says_what_is_no_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text, a missing file and an unknown ending are one line each and exit status 2."""
    other = tmp_path / "README"
    other.write_text("hello\n")
    for words, found in (
        ([str(other)], "expected a heap profile"),
        ([str(tmp_path / "none")], "no such file"),
        ([str(heaptrack(tmp_path / "a", 1, 16)), "-o", str(tmp_path / "a.txt")], "must end in"),
    ):
        assert cli.main(["heap", *words]) == 2
        said = capsys.readouterr().err
        assert found in said
        assert said.count("\n") == 1


def test_classify_takes_a_heap_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`classify SOURCE --heap FILE` names the code; of several workloads one must be named."""
    table = tmp_path / "rss.csv"
    rows = [f"{60 * at},{name},{10**8 + 6000 * at * 60}" for name in ("api", "web") for at in range(200)]
    table.write_text("time,workload,rss_bytes\n" + "\n".join(rows) + "\n")
    file = heaptrack(tmp_path / "api=1.heap", 30, 4096)
    assert cli.main(["classify", str(table), "--heap", str(file)]) == 2
    assert "--heap api=FILE" in capsys.readouterr().err
    assert cli.main(["classify", str(table), "--heap", f"web={file}"]) == 0
    said = capsys.readouterr().out
    assert said.count("bound or free what this code keeps") == 1
    assert cli.main(["classify", str(table), "--heap", f"web={file}", "--heap", str(file)]) == 2
    assert "names no workload" in capsys.readouterr().err


def test_a_summary_without_numbers_is_no_error() -> None:
    """A profile that says next to nothing gets an answer that says so."""
    assert "is held, not what grows" in shown(HeapProfile(HeapSummary("pprof")))


@pytest.mark.parametrize("pages", [False, True])
def test_massif_says_what_it_counts_and_has_no_end(*, pages: bool, tmp_path: Path) -> None:
    """Pages are no heap: of them stacks and maps are seen, and what is used is not; no column is empty throughout."""
    text = f"desc: --time-unit=ms{' --pages-as-heap=yes' if pages else ''}\ncmd: ./api\ntime_unit: ms\n#---\n"
    for number in range(40):
        held = 1000 + 100 * number
        text += f"snapshot={number}\ntime={1000 * number}\nmem_heap_B={held}\nmem_heap_extra_B=0\nmem_stacks_B=0\n"
        text += f"heap_tree=detailed\nn1: {held} (heap) malloc\n n0: {held} 0x1: billing::cache::insert (api.rs:3)\n"
    file = tmp_path / "massif.out.7"
    file.write_text(text)
    heap = read_heap(file)
    said = " ".join(shown(heap).split())
    assert heap.summary.format == ("massif --pages-as-heap" if pages else "massif")
    assert ("Not in this profile: what is used of these pages" in said) == pages
    assert ("Not in this profile: memory maps, thread stacks" in said) != pages
    assert "HELD" in said
    assert "AT THE END" not in said
