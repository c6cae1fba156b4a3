"""Output of valgrind's massif."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.heap.dhat import number_frames
from rmtoolkit.heap.frames import FrameTable, stacks_frame
from rmtoolkit.heap.profile import GROWTH, TIMELINE, HeapProfile, HeapSummary
from rmtoolkit.loaders import files
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.provenance import Report

if TYPE_CHECKING:
    import os

EXPECTED: Final = "output of massif (massif.out.PID)"

_VALUE: Final = re.compile(r"(time|mem_heap_B|mem_heap_extra_B|mem_stacks_B)=(\d{1,18})(?:\.\d+)?\s*$")
_NODE: Final = re.compile(r"( *)n(\d{1,9}): (\d{1,15}) (.*)$", re.DOTALL)
_ALIKE: Final = re.compile(r"in \d+ places?, ")
_SECONDS: Final = {"ms": 1e-3, "s": 1.0}
_OTHERS: Final = "(all others below massif's threshold)"
_MOST_DEPTH: Final = 2048
_NO_END: Final = (
    "massif takes its last picture some time before the program ends, so what is live at the end is not known"
)


@dataclass(slots=True)
class _Snapshot:
    time: int = 0
    heap: int | None = None
    tree: str = "empty"
    #: Bytes by stack, the allocating frame first.
    stacks: dict[tuple[str, ...], int] = field(default_factory=dict)


@dataclass(slots=True)
class _Output:
    command: str | None = None
    unit: str | None = None
    snapshots: list[_Snapshot] = field(default_factory=list)
    damaged: int = 0


def read_massif(path: str | os.PathLike[str]) -> HeapProfile:
    r"""Read what valgrind's massif wrote.

    Parameters
    ----------
    path
        ``massif.out.PID``; also packed.

    Returns
    -------
    HeapProfile
        The heap as the program asked for it, without massif's own extra bytes and stacks. `peak_bytes` of a stack
        is from the peak snapshot, `live_bytes` from the last detailed one, which is not the end, `growth` from all
        detailed ones; small stacks are one row. Times are in seconds only where massif ran with ``--time-unit=ms``.

    Raises
    ------
    ReadError
        It is no output of massif, or holds no snapshot.
    OSError
        There is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "massif.out.7")
    >>> snapshot = "snapshot=0\ntime=5\nmem_heap_B=40\nmem_heap_extra_B=8\nmem_stacks_B=0\nheap_tree=peak\n"
    >>> tree = "n1: 40 (heap allocation functions) malloc\n n0: 40 0x1: api::put (a.rs:3)\n"
    >>> _ = file.write_text("desc: (none)\ncmd: ./api\ntime_unit: ms\n#---\n" + snapshot + tree)
    >>> heap = read_massif(file)
    >>> heap.summary.peak_bytes, heap.stack(1)["function"].to_list()
    (40, ['api::put'])
    """
    data, notes = files.read_bytes(path, expected=EXPECTED)
    text, more = files.as_text(data, path, expected=EXPECTED)
    output = _parse(text)
    snapshots = [snapshot for snapshot in output.snapshots if snapshot.heap is not None]
    if not snapshots:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=EXPECTED, line=1)
    left_out = {"damaged lines": output.damaged} if output.damaged else {}
    broken = len(output.snapshots) - len(snapshots)
    if broken:
        left_out["snapshots without a heap"] = broken
    partial = tuple(note for note in notes if "cut off" in note)
    if left_out or partial:
        said = [*partial, *(f"left out {counted(number, reason)}" for reason, number in left_out.items())]
        files.warn(f"{quote_path(path)}: {'; '.join(said)}.")
    report = Report(
        sources=(str(path),),
        left_out=left_out,
        partial=partial,
        warnings=(*(note for note in notes if note not in partial), *more, _NO_END),
        time_axis="seconds since the start of the program" if output.unit in _SECONDS else f"{output.unit}, no seconds",
    )
    return _profile(output, snapshots, report)


def _profile(output: _Output, snapshots: list[_Snapshot], report: Report) -> HeapProfile:
    unit = _SECONDS.get(output.unit or "")
    detailed = [snapshot for snapshot in snapshots if snapshot.stacks]
    peak = max(snapshots, key=lambda snapshot: snapshot.heap or 0)
    at_peak = next((snapshot for snapshot in detailed if snapshot.tree == "peak"), None)
    if at_peak is None and detailed:
        at_peak = max(detailed, key=lambda snapshot: snapshot.heap or 0)
    keys = list(dict.fromkeys(key for snapshot in detailed for key in snapshot.stacks))
    table = FrameTable()
    texts = list(dict.fromkeys(text for key in keys for text in key))
    numbers = dict(zip(texts, number_frames(texts, table), strict=True))
    last = detailed[-1].stacks if detailed else {}
    stacks, _ = stacks_frame(
        [[number for text in key if (number := numbers[text]) is not None] for key in keys],
        {
            "live_bytes": [last.get(key, 0) for key in keys],
            "peak_bytes": [0 if at_peak is None else at_peak.stacks.get(key, 0) for key in keys],
        },
    )
    changes, before = [], dict.fromkeys(keys, 0)
    for step, snapshot in enumerate(snapshots):
        if snapshot.stacks:
            for number, key in enumerate(keys, 1):
                size = snapshot.stacks.get(key, 0)
                if size != before[key]:
                    changes.append((number, None if unit is None else snapshot.time * unit, step, size, None))
                    before[key] = size
    timeline = pl.DataFrame(
        [
            (None if unit is None else snapshot.time * unit, snapshot.heap, None, None, step)
            for step, snapshot in enumerate(snapshots)
        ],
        schema=TIMELINE,
        orient="row",
    )
    summary = HeapSummary(
        format="massif",
        command=output.command,
        peak_bytes=peak.heap,
        peak_time_seconds=None if unit is None else peak.time * unit,
        runtime_seconds=None if unit is None else snapshots[-1].time * unit,
    )
    growth = pl.DataFrame(changes, schema=GROWTH, orient="row").sort("stack_id", "events")
    return HeapProfile(summary, stacks, table.frame(), timeline, growth, report=report)


def _parse(text: str) -> _Output:
    output = _Output()
    path: list[str] = []
    pending: list[tuple[int, int]] = []
    for line in text.split("\n"):
        if line.startswith("cmd: ") and output.command is None:
            output.command = line[5:].strip()
        elif line.startswith("time_unit: "):
            output.unit = line[11:].strip()
        elif line.startswith("snapshot="):
            output.snapshots.append(_Snapshot())
        elif line.startswith(("desc:", "#")) or not line.strip():
            continue
        elif not output.snapshots:
            output.damaged += 1
        elif found := _VALUE.match(line):
            if found[1] == "time":
                output.snapshots[-1].time = int(found[2])
            elif found[1] == "mem_heap_B":
                output.snapshots[-1].heap = int(found[2])
        elif line.startswith("heap_tree="):
            output.snapshots[-1].tree = line[10:].strip()
            path.clear()
            pending.clear()
        elif found := _NODE.match(line):
            _node(output.snapshots[-1], found, path)
        else:
            output.damaged += 1
    return output


def _node(snapshot: _Snapshot, found: re.Match[str], path: list[str]) -> None:
    """Take a node of the tree: the root is all of the heap, its children allocate, theirs call them."""
    depth = len(found[1])
    if depth > min(len(path), _MOST_DEPTH):
        return
    del path[depth:]
    children, size, text = int(found[2]), int(found[3]), found[4]
    path.append(_OTHERS if _ALIKE.match(text) else text)
    if not children and depth and size:
        key = tuple(path[1:])
        snapshot.stacks[key] = snapshot.stacks.get(key, 0) + size
