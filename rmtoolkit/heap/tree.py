"""The stacks of a heap profile as a tree of functions, for flame graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError, quote
from rmtoolkit.heap.growth import curves, read_curves
from rmtoolkit.heap.own_code import OWN, STD, SYSTEM, crates, plain_name, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rmtoolkit.heap.profile import HeapProfile

#: What a tree can be of, and how that is called.
MEASURES: Final = {
    "growth_bytes": "growth after startup",
    "peak_bytes": "held at the peak",
    "live_bytes": "live at the end",
    "allocated_bytes": "allocated in all",
    "allocations": "allocations",
    "temporary": "temporary allocations",
}
#: Stacks that are told apart; what is smaller is one node.
_STACKS: Final = 4096
_GROWING_STACKS: Final = 1024

#: One row per node, parents before their children. The first row is the whole.
TREE: Final = pl.Schema(
    {
        "node_id": pl.UInt32(),
        "parent_id": pl.UInt32(),
        "depth": pl.UInt32(),
        "name": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
        "origin": pl.String(),
        "frames": pl.UInt32(),
        "value": pl.Int64(),
        "before": pl.Int64(),
    },
)


def measure_of(heap: HeapProfile) -> str:
    """Choose what a tree of this profile says most about.

    Parameters
    ----------
    heap
        A profile.

    Returns
    -------
    str
        One of `MEASURES`: growth where the profile knows time and something grew, else what is held.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> measure_of(HeapProfile(HeapSummary("dhat")))
    'live_bytes'
    """
    for name in ("growth_bytes", "peak_bytes"):
        if sum(_amounts(heap, name).values()):
            return name
    return "live_bytes"


def tree(
    heap: HeapProfile,
    by: str | None = None,
    *,
    root: str | None = None,
    every_frame: bool = False,
    before: HeapProfile | None = None,
) -> pl.DataFrame:
    """Put the stacks together, from the program's start to what allocates.

    Parameters
    ----------
    heap
        A profile.
    by
        One of `MEASURES`; None chooses.
    root
        A function: only what it and what it calls allocates, wherever it is called from.
    every_frame
        Whether all frames are nodes. If not, what runs before your own code is left out, and a row of frames of Rust,
        of the system or of one dependency is one node.
    before
        An older profile: its amounts stand in `before`, and what only it has is in the tree too.

    Returns
    -------
    polars.DataFrame
        See `TREE`. `value` includes what is called; `frames` says how many frames a node stands for. Names are as
        people say them (``Type::method``).

    Raises
    ------
    RmtoolkitError
        There is no such measure or function.

    Examples
    --------
    >>> from rmtoolkit.heap.frames import FrameTable, stacks_frame
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> table = FrameTable()
    >>> leaf, main = (table.number(name, "a.rs", 1, "/app/a") for name in ("api::put", "api::main"))
    >>> stacks, _ = stacks_frame([[leaf, main], [main]], {"live_bytes": [5, 2]})
    >>> heap = HeapProfile(HeapSummary("dhat"), stacks, table.frame())
    >>> tree(heap).select("depth", "name", "value").rows()
    [(0, 'all', 7), (1, 'api::main', 7), (2, 'api::put', 5)]
    """
    by = measure_of(heap) if by is None else by
    if by not in MEASURES:
        msg = f"by={quote(by)} is not known. There are: {', '.join(MEASURES)}."
        raise RmtoolkitError(msg)
    nodes = _Nodes()
    for which, profile in enumerate([heap] if before is None else [heap, before]):
        _plant(nodes, profile, _amounts(profile, by), which, every_frame=every_frame)
    if root is not None:
        nodes = _of(nodes, spoken(plain_name(root)))
    return nodes.frame(with_before=before is not None)


def _amounts(heap: HeapProfile, by: str) -> dict[int, int]:
    """Tell what each stack counts for."""
    if by == "growth_bytes":
        return _growth(heap)
    known = heap.stacks.filter(pl.col(by) > 0).select("stack_id", by)
    return dict(known.iter_rows())


def _growth(heap: HeapProfile) -> dict[int, int]:
    """Tell what each stack holds more after startup, and keeps."""
    if not heap.growth.height:
        return {}
    most = heap.growth.group_by("stack_id").agg(pl.col("live_bytes").max()).filter(pl.col("live_bytes") > 0)
    stacks = most.sort("live_bytes", "stack_id", descending=[True, False]).head(_GROWING_STACKS)["stack_id"].to_list()
    numbers = {stack: place for place, stack in enumerate(stacks)}
    every = heap.stacks.select("stack_id").with_columns(
        group=pl.col("stack_id").replace_strict(numbers, default=len(stacks), return_dtype=pl.Int64)
    )
    found = curves(heap, every, len(stacks) + 1)
    if found is None:
        return {}
    growth = read_curves(found).growth
    return {stack: int(growth[place]) for stack, place in numbers.items() if growth[place] > 0}


class _Nodes:
    """A tree that grows as stacks are put in."""

    def __init__(self) -> None:
        self.parents: list[int] = [0]
        self.children: list[dict[str, int]] = [{}]
        self.about: list[dict[str, Any]] = [{"name": "all", "file": None, "line": None, "origin": None, "frames": 0}]
        self.values: list[list[int]] = [[0, 0]]

    def child(self, parent: int, about: Mapping[str, Any]) -> int:
        known = self.children[parent].get(about["name"])
        if known is None:
            known = self.children[parent][about["name"]] = len(self.about)
            self.parents.append(parent)
            self.children.append({})
            self.about.append(dict(about))
            self.values.append([0, 0])
        return known

    def add(self, path: Sequence[Mapping[str, Any]], amount: int, which: int) -> None:
        node = 0
        self.values[0][which] += amount
        for about in path:
            node = self.child(node, about)
            self.values[node][which] += amount

    def frame(self, *, with_before: bool) -> pl.DataFrame:
        """Give all nodes, parents first and the largest child first."""
        rows: list[dict[str, Any]] = []
        waiting: list[tuple[int, int | None, int]] = [(0, None, 0)]
        while waiting:
            node, parent, depth = waiting.pop()
            number = len(rows)
            value, before = self.values[node]
            rows.append(
                {
                    "node_id": number,
                    "parent_id": parent,
                    "depth": depth,
                    **self.about[node],
                    "value": value,
                    "before": before if with_before else None,
                }
            )
            below = sorted(self.children[node].values(), key=lambda one: (max(self.values[one]), -one))
            waiting += [(one, number, depth + 1) for one in below]
        return pl.DataFrame(rows, schema=TREE)


def _plant(nodes: _Nodes, heap: HeapProfile, amounts: dict[int, int], which: int, *, every_frame: bool) -> None:
    largest = sorted(amounts, key=lambda stack: (-amounts[stack], stack))[:_STACKS]
    about = {row["frame_id"]: _about(row) for row in heap.frames.iter_rows(named=True)}
    lists = dict(heap.stacks.filter(pl.col("stack_id").is_in(largest)).select("stack_id", "frames").iter_rows())
    for stack in largest:
        frames = [about[number] for number in reversed(lists[stack])]
        nodes.add(frames if every_frame else _short(frames), amounts[stack], which)
    rest = [amount for stack, amount in amounts.items() if stack not in lists]
    if rest:
        name = f"({len(rest):,} smaller stacks)"
        nodes.add([{"name": name, "file": None, "line": None, "origin": None, "frames": 0}], sum(rest), which)


def _about(row: dict[str, Any]) -> dict[str, Any]:
    function = row["function"]
    module = row["module"].rsplit("/", 1)[-1] if row["module"] else None
    name = spoken(plain_name(function)) if function else f"({module}, no symbols)" if module else "(unknown)"
    told = {column: row[column] for column in ("file", "line", "origin")}
    return {"name": name, **told, "frames": 1}


def _kind(about: Mapping[str, Any]) -> tuple[str, str]:
    """Say what makes neighbours one node: all of Rust and the system, or one dependency; own code by function."""
    origin, name = about["origin"], about["name"]
    if origin in (STD, SYSTEM):
        return STD, ""
    if origin == OWN or origin is None:
        return OWN, name
    roots = crates(name)
    return origin, roots[0] if roots else name


def _short(frames: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what runs before the program's own code, and put rows of foreign frames together."""
    first = next((at for at, about in enumerate(frames) if about["origin"] == OWN), 0)
    kept: list[dict[str, Any]] = []
    last: tuple[str, str] | None = None
    for about in frames[first:]:
        kind = _kind(about)
        if kind == last:
            kept[-1]["frames"] += 1
        else:
            kept.append(dict(about))
        last = kind
    return kept


def _of(nodes: _Nodes, root: str) -> _Nodes:
    """Take the tree below a function, wherever it is called from; where it calls itself the outermost counts."""
    if not any(about["name"] == root for about in nodes.about[1:]):
        names = dict.fromkeys(about["name"] for about in nodes.about[1:])
        raise UnknownWorkloadError.named(root, names, kind="function")
    found = _Nodes()
    found.about[0] |= {"name": root}
    waiting: list[tuple[int, int | None]] = [(0, None)]
    while waiting:
        node, target = waiting.pop()
        if target is not None:
            for which in (0, 1):
                found.values[target][which] += nodes.values[node][which]
        for child in nodes.children[node].values():
            if target is not None:
                waiting.append((child, found.child(target, nodes.about[child])))
            elif nodes.about[child]["name"] == root:
                found.about[0] = dict(nodes.about[child])
                waiting.append((child, 0))
            else:
                waiting.append((child, None))
    return found
