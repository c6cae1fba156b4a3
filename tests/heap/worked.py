"""What recorded and hand-made heap profiles, and dumps of allocators, are read as, written down.

``python -m tests.heap.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.heap.rust_names import demangle
from rmtoolkit.heap.tree import tree
from tests.edits import outcomes
from tests.heap import made, makers
from tests.heap.made import STACKS
from tests.loaders import made as loaders
from tests.written import markup, plain, write

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "tests" / "data" / "worked"
RECORDED: Final = sorted((ROOT / "tests" / "data" / "heap" / "recorded").iterdir())
SHOWN: Final = ROOT / "data" / "heap"
PROFILES: Final = sorted([*SHOWN.glob("*.heaptrack.zst"), *SHOWN.glob("*.dhat*")])
DUMPS: Final = sorted([*(ROOT / "tests" / "data" / "jemalloc").iterdir(), *SHOWN.glob("*.stats*")])


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


def digest(heap: rm.HeapProfile, *, most: int = 4) -> list[dict[str, Any]]:
    """Summary, notes, sums of each frame, and some of their rows."""
    leaves = [dataclasses.asdict(heap.summary), {"notes": heap.report.notes(), "modules": dict(heap.modules)}]
    leaves += [_sums(frame) for frame in (heap.stacks, heap.frames, heap.timeline, heap.growth, heap.sizes)]
    leaves += heap.timeline.gather_every(max(heap.timeline.height // (2 * most), 1)).to_dicts()
    leaves += heap.growth.gather_every(max(heap.growth.height // (4 * most), 1)).to_dicts()
    leaves += (
        heap.stacks.head(most if heap.stacks.height > 12 else 12).to_dicts() + heap.frames.head(2 * most).to_dicts()
    )
    return [plain(leaf) for leaf in leaves]


def profile(file: Path) -> list[dict[str, Any]]:
    """What is read and shown, the first stack, the largest suspects, and the upper part of the tree."""
    heap = rm.read_heap(file)
    leaves = [row for number in heap.stacks["stack_id"].head(1) for row in heap.stack(number).to_dicts()]
    leaves += rm.suspects(heap).head(8).to_dicts() + tree(heap).head(24).to_dicts()
    return [*digest(heap), shown(heap), *map(plain, leaves)]


def shown(found: rm.HeapProfile | rm.Allocator) -> dict[str, Any]:
    """How it looks in a terminal and in a notebook."""
    return {"repr": repr(found), "html": markup(found._repr_html_())}


def sums(found: rm.Allocator) -> list[dict[str, Any]]:
    """Every frame of an allocator's own statistics, and its lines."""
    frames = (found.totals, found.arenas, found.bins)
    rows = [row for frame in frames for row in (*frame.head(6).to_dicts(), _sums(frame))]
    return [plain(row) for row in rows] + [{"lines": plain(list(found.lines()))}]


def dump(file: Path) -> list[dict[str, Any]]:
    """What is read and shown of an allocator's own statistics, or the error."""
    try:
        found = rm.read_allocator(file)
    except RmtoolkitError as error:
        return [{"error": str(error).replace(f"{file.parent}/", "")}]
    return [*sums(found), shown(found)]


def sources() -> dict[str, dict[str, str]]:
    """What is edited: recorded files, made-up ones, what allocators print, and names."""
    texts = [*RECORDED, *(file for file in DUMPS if file.suffix == ".txt")]
    found = {file.name: {file.name: file.read_text("latin-1")} for file in texts}
    mine = {name: files for name, files in loaders.made().items() if name in ("glibc", "tcmalloc", "mimalloc")}
    return found | made.files() | mine | {"names": {"names": "\n".join(made.SYMBOLS)}}


def read_files(files: Mapping[str, str]) -> dict[str, Any]:
    """What a folder of files is read as: as a profile, else as an allocator's own statistics."""
    if "names" in files:
        return {str(at): demangle(name) for at, name in enumerate(files["names"].split("\n"))}
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RmtoolkitWarning)
        for name, text in files.items():
            data = makers.pprof(**json.loads(text)) if name.endswith(".pb") else text.encode("latin-1")
            (Path(place) / name).write_bytes(data)
        file = Path(place) if len(files) > 1 else Path(place) / next(iter(files))
        is_log = file.suffix in (".log", ".txt")
        leaves = dump(file) if is_log else _profile_of(file)
        told = json.dumps([*leaves, {"warnings": [str(one.message) for one in caught]}])
        told = told.replace(f"{place}/", "").replace(f"{Path(place).name}/", "").replace(place, "")
    return {str(at): leaf for at, leaf in enumerate(json.loads(told))}


def _profile_of(file: Path) -> list[dict[str, Any]]:
    try:
        heap = rm.read_heap(file)
        return digest(heap) + [
            plain(row) for row in rm.suspects(heap).head(4).to_dicts() + tree(heap).head(8).to_dicts()
        ]
    except RmtoolkitError as error:
        return [{"error": str(error)}]


#: So many programs are drawn.
DRAWN: Final = 80


def grown() -> dict[str, list[dict[str, Any]]]:
    """What is said of programs that were drawn by chance, each alone, and each beside the next."""
    found = {}
    before = None
    for seed in range(DRAWN):
        heap = made.grown(seed)
        rows = rm.suspects(heap, own=("dep",) if seed % 7 == 0 else ())
        told = rows.to_dicts() + (rm.diff(before, heap).head(2).to_dicts() if before is not None else [])
        told += tree(heap).head(6).to_dicts() if seed % 6 == 0 else []
        found[str(seed)] = [plain(row) for row in told]
        before = heap
    return found


def told() -> dict[str, list[dict[str, Any]]]:
    """All of them, by the name of the file."""
    with tempfile.TemporaryDirectory() as place:
        found = {file.name: profile(file) for file in (*_made(Path(place)), *RECORDED, *PROFILES)}
    both = [rm.read_heap(file) for file in PROFILES if file.name.endswith("heaptrack.zst")]
    found["diff"] = [plain(row) for row in rm.diff(*both).head(8).to_dicts()]
    return found | {file.name: dump(file) for file in DUMPS}


def edits() -> dict[str, list[Any]]:
    """What each edit that is stored changes."""
    stored = json.loads((FOLDER / "heap_edits.json").read_text("utf-8"))
    return outcomes(sources(), read_files, {name: [row[0] for row in rows] for name, rows in stored.items()})


if __name__ == "__main__":
    write(FOLDER / "heap_edits.json", edits())
    write(FOLDER / "heap_grown.json", grown())
    write(FOLDER / "heap.json", told())
