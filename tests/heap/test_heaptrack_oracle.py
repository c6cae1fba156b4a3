"""`rm.read_heaptrack` against heaptrack_print on recordings made here, and against the truth where that is wrong."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.heap.conftest import Workshop

#: heaptrack brings libstdc++ along, which allocates this once.
POOL_BYTES: Final = 73_728
MI: Final = 1 << 20


def exact(workshop: Workshop, *words: str, raw: bool = False) -> tuple[Path, dict[str, int]]:
    """Record the program that counts its own allocations; give the recording and what it counted."""
    program = workshop.program("exact.c", "-rdynamic")
    truth = workshop.run([program, *words])
    return workshop.heaptrack(program, *words, raw=raw), {
        name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", truth)
    }


def interpreted(workshop: Workshop, raw: Path) -> Path:
    """Interpret a raw recording with heaptrack's own tool."""
    name = raw.name.replace(".raw", ".interpreted")
    tool = "/usr/lib/heaptrack/libexec/heaptrack_interpret"
    return workshop.make(name, ("zstd",), ["sh", "-c", f"zstd -dc {raw} | {tool} | zstd -q > {workshop.folder / name}"])


RECORDINGS: Final[dict[str, Callable[[Workshop], Path]]] = {
    "exact": lambda workshop: exact(workshop)[0],
    "map": lambda workshop: workshop.service("map", "v0"),
    "threads": lambda workshop: workshop.service("thread", "usual"),
    "spike": lambda workshop: workshop.service("next_to_spike", "plain"),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_totals_equal_those_of_heaptrack_print(name: str, workshop: Workshop) -> None:
    """Calls, temporary ones, what is live at the end and at the peak, sizes, resident memory and run time."""
    file = RECORDINGS[name](workshop)
    heap = rm.read_heaptrack(file)
    summary = heap.summary
    text = workshop.run(["heaptrack_print", "-f", file])
    calls, temporary = (
        int(re.findall(rf"^{what}: (\d+) \(", text, re.MULTILINE)[0])
        for what in ("calls to allocation functions", "temporary memory allocations")
    )
    assert (summary.allocations, summary.temporary, summary.temporary_exact) == (calls, temporary, False)
    assert summary.runtime_seconds == pytest.approx(float(re.findall(r"total runtime: ([\d.]+)s", text)[0]), abs=0.0051)
    assert summary.rss_peak_bytes is not None
    rss = re.findall(r"peak RSS[^:]*: ([\d.]+)M", text)[0]
    assert summary.rss_peak_bytes / 1e6 == pytest.approx(float(rss), abs=0.0051)

    def cost(kind: str) -> list[int]:
        """What heaptrack_print writes for each stack, exactly."""
        stacks = workshop.folder / f"{name}.{kind}.{summary.allocations}.stacks"
        workshop.run(["heaptrack_print", "-f", file, "-F", stacks, "--flamegraph-cost-type", kind])
        return sorted(int(line.rsplit(" ", 1)[1]) for line in stacks.read_text(errors="replace").splitlines())

    stacks = heap.stacks
    for kind, column in (("allocations", "allocations"), ("temporary", "temporary"), ("peak", "peak_bytes")):
        assert sorted(value for value in stacks[column] if value) == [value for value in cost(kind) if value], kind
    kept = stacks.filter(~pl.col("suppressed"))["live_bytes"]
    assert sorted(value for value in kept if value) == [value for value in cost("leaked") if value]
    assert (summary.peak_bytes, summary.live_at_end_bytes) == (stacks["peak_bytes"].sum(), kept.sum())

    table = workshop.folder / f"{name}.sizes"
    workshop.run(["heaptrack_print", "-f", file, "-H", table])
    sizes = [tuple(map(int, line.split("\t"))) for line in table.read_text().splitlines()]
    assert heap.sizes.select("size_bytes", "allocations").rows() == sorted(sizes)


def test_totals_equal_the_truth(workshop: Workshop) -> None:
    """What the program counted, and the one block of libstdc++ that heaptrack adds."""
    file, truth = exact(workshop)
    summary = rm.read_heaptrack(file).summary
    assert summary.allocations == truth["allocations"] + 1
    assert summary.allocated_bytes == truth["total"] + POOL_BYTES
    assert summary.peak_bytes == truth["peak"] + POOL_BYTES
    assert (summary.live_at_end_bytes, summary.live_at_end_blocks) == (truth["live"], truth["blocks"])


def test_temporary_allocations_are_exact_from_a_raw_recording(workshop: Workshop) -> None:
    """By address: as many as the program counted. By size and stack, as heaptrack_print counts, only an upper bound."""
    raw, truth = exact(workshop, raw=True)
    heap = rm.read_heaptrack(raw)
    assert (heap.summary.temporary, heap.summary.temporary_exact) == (truth["temporary"], True)
    bound = rm.read_heaptrack(exact(workshop)[0]).summary
    assert bound.temporary is not None
    # Forty times a slot is filled anew: the block that goes is not the one that came.
    assert bound.temporary == truth["temporary"] + 40
    assert ("temporary", f"at most {bound.temporary}") in bound.lines()
    assert ("temporary", str(truth["temporary"])) in heap.summary.lines()


def test_raw_and_interpreted_give_the_same(workshop: Workshop) -> None:
    """The same recording before and after heaptrack's own interpreter: the same totals, timeline and growth."""
    raw, _ = exact(workshop, raw=True)
    first, second = rm.read_heaptrack(raw), rm.read_heaptrack(interpreted(workshop, raw))
    for name in ("allocations", "allocated_bytes", "peak_bytes", "live_at_end_bytes", "live_at_end_blocks"):
        assert getattr(first.summary, name) == getattr(second.summary, name), name
    assert first.timeline.equals(second.timeline)
    assert first.sizes.equals(second.sizes)
    by_amount = ["allocations", "allocated_bytes", "live_bytes", "peak_bytes"]
    assert first.stacks.select(by_amount).sort(by_amount).equals(second.stacks.select(by_amount).sort(by_amount))
    # Without an interpreter functions have no names, but places that are the same in every run.
    assert first.frames["function"].str.contains(r"^exact\+0x[0-9a-f]+$").any()
    assert any("not interpreted" in note for note in first.report.notes())


def test_suppressions_that_the_program_brings_along_count(workshop: Workshop) -> None:
    """heaptrack_print 1.5 rejects embedded suppressions that it wrote itself; what they name is no leak."""
    file, truth = exact(workshop, "kept")
    summary = rm.read_heaptrack(file).summary
    assert summary.suppressed_bytes == 123
    assert summary.live_at_end_bytes == truth["live"] - 123


def test_inlined_functions_stand_in_their_places(workshop: Workshop) -> None:
    """From the allocator outwards: Rust's own functions, the planted one, the program's main, the runtime."""
    heap = rm.read_heaptrack(workshop.service("map", "v0"))
    first = rm.suspects(heap).row(0, named=True)
    names = [name or "" for name in heap.stack(first["stack_id"])["function"]]
    planted, main = names.index("leaks::planted::index_forever"), names.index("leaks::main")
    runtime = next(place for place, name in enumerate(names) if name.startswith("std::rt::lang_start"))
    assert 0 < planted < main < runtime
    assert all(origin == "std" for origin in heap.stack(first["stack_id"])["origin"][:planted])
    # No hash and no mangled name is left, of either mangling.
    joined = "\n".join(heap.frames["function"].drop_nulls())
    assert not re.search(r"::h[0-9a-f]{16}$|^_R[A-Z]|^_ZN\d|\$LT\$|\$u7b\$", joined, re.MULTILINE)


@pytest.mark.parametrize(
    ("mebibytes", "note"),
    [(200, "MiB|Mi were resident: an allocator that is linked statically"), (0, "no Rust code was seen to allocate")],
    ids=["much resident", "nothing seen"],
)
def test_a_blind_profile_says_so(mebibytes: int, note: str, workshop: Workshop) -> None:
    """An allocator that is linked into the program is out of heaptrack's sight, and the reader warns of that."""
    program = workshop.program("own_allocator.rs")
    file = workshop.heaptrack(program, mebibytes)
    with pytest.warns(RmtoolkitWarning, match=note):
        heap = rm.read_heaptrack(file)
    assert any("linked statically" in text for text in heap.report.notes())
    assert (heap.summary.peak_bytes or 0) < MI


def test_what_is_cut_off_is_said(workshop: Workshop, tmp_path: Path) -> None:
    """heaptrack_print prints what it could unpack and succeeds silently; the reader warns, or refuses an empty rest."""
    file = workshop.service("map", "v0")
    data = file.read_bytes()
    cut = tmp_path / "heaptrack.cut.1.zst"
    cut.write_bytes(data[: len(data) * 2 // 3])
    silent = subprocess.run(["heaptrack_print", "-f", cut], capture_output=True, text=True, check=False)  # noqa: S607
    assert silent.returncode == 0
    assert "cut off" not in silent.stdout + silent.stderr
    with pytest.warns(RmtoolkitWarning, match="cut off; the totals are those of the part that could be read"):
        heap = rm.read_heaptrack(cut)
    whole = rm.read_heaptrack(file).summary
    assert 0 < (heap.summary.allocations or 0) < (whole.allocations or 0)
    cut.write_bytes(data[:30])
    with pytest.raises(ReadError, match="Nothing of it can be unpacked: it is cut off"):
        rm.read_heaptrack(cut)
