"""What recorded and hand-made heap profiles, and dumps of allocators, are read as, written down.

``python -m tests.heap.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import dataclasses
import gzip
import tempfile
from pathlib import Path
from typing import Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.heap.tree import tree
from tests.heap import makers
from tests.written import plain, write

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "tests" / "data" / "worked"
RECORDED: Final = sorted((ROOT / "tests" / "data" / "heap" / "recorded").iterdir())
SHOWN: Final = ROOT / "data" / "heap"
PROFILES: Final = sorted([*SHOWN.glob("*.heaptrack.zst"), *SHOWN.glob("*.dhat*")])
DUMPS: Final = sorted([*(ROOT / "tests" / "data" / "jemalloc").iterdir(), *SHOWN.glob("*.stats*")])

STACKS: Final = (
    ("alloc::alloc::alloc|billing::put", "billing::handle", "main"),
    ("api::cache::fill", "api::serve", "main"),
    ("tokio::spawn|api::serve", "main"),
)


def _made(folder: Path) -> list[Path]:
    """One program in five formats: what leaks, what fills and is full, what is freed at once."""
    events = []
    for step in range(64):
        events += ["+ 0", "+ 2", "- 2", *(["+ 1"] if step < 20 else []), f"R {1000 + step:x}", f"c {step * 10:x}"]
    samples = [(stack, [step + 1, 100 * step]) for step, stack in enumerate(STACKS)]
    files = {
        "made.heaptrack": makers.heaptrack(STACKS, [(48, 0), (4096, 1), (24, 2)], events),
        "made.pb": makers.pprof(samples, period=524_288),
        "made.pb.gz": gzip.compress(makers.pprof(samples, types=("alloc_objects", "inuse_space"))),
        "made.heap": makers.jeprof(524_288, [([0x1100, 0x1200], 4, 4000), ([0x1300], 2, 2 << 26)]).encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def _sums(frame: pl.DataFrame) -> dict[str, Any]:
    """How many rows there are, and the sum of each column of numbers."""
    numbers = [name for name, kind in frame.schema.items() if kind.is_numeric()]
    return {"rows": frame.height} | frame.select(pl.col(numbers).sum()).row(0, named=True) if frame.height else {}


def profile(file: Path) -> list[dict[str, Any]]:
    """Summary, largest stacks, suspects, the upper part of the tree, and sums of the rest."""
    heap = rm.read_heap(file)
    large = heap.stacks.height > 12
    leaves = [dataclasses.asdict(heap.summary), {"notes": heap.report.notes()}]
    leaves += [_sums(frame) for frame in (heap.stacks, heap.frames, heap.timeline, heap.growth, heap.sizes)]
    leaves += heap.timeline.gather_every(max(heap.timeline.height // 8, 1)).to_dicts()
    leaves += heap.growth.gather_every(max(heap.growth.height // 16, 1)).to_dicts()
    leaves += heap.stacks.head(4 if large else 12).to_dicts() + heap.frames.head(8).to_dicts()
    leaves += rm.suspects(heap).head(8).to_dicts()
    leaves += tree(heap).head(24).to_dicts()
    return [plain(leaf) for leaf in leaves]


def dump(file: Path) -> list[dict[str, Any]]:
    """Every frame of an allocator's own statistics, and its lines."""
    try:
        found = rm.read_allocator(file)
    except RmtoolkitError as error:
        return [{"error": str(error).replace(f"{file.parent}/", "")}]
    frames = (found.totals, found.arenas, found.bins)
    rows = [row for frame in frames for row in (*frame.head(6).to_dicts(), _sums(frame))]
    return [plain(row) for row in rows] + [{"lines": plain(list(found.lines()))}]


def told() -> dict[str, list[dict[str, Any]]]:
    """All of them, by the name of the file."""
    with tempfile.TemporaryDirectory() as place:
        found = {file.name: profile(file) for file in (*_made(Path(place)), *RECORDED, *PROFILES)}
    both = [rm.read_heap(file) for file in PROFILES if file.name.endswith("heaptrack.zst")]
    found["diff"] = [plain(row) for row in rm.diff(*both).head(8).to_dicts()]
    return found | {file.name: dump(file) for file in DUMPS}


if __name__ == "__main__":
    write(FOLDER / "heap.json", told())
