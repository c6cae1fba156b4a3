"""Frames by number, and stacks as lists of them: what every reader of a heap profile ends in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit.heap.own_code import OWN, SYSTEM, crates, is_allocator, origin
from rmtoolkit.heap.profile import FRAMES, STACKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

_Frame = tuple[str | None, str | None, int | None, str | None]

#: A source file of C without its folder: in a Rust program that is the system's.
_BARE_C_FILE: Final = re.compile(r"[^/]+\.(?:c|cc|cpp|cxx|h|S|s|asm)$")
#: Stacks are cut after so many frames, where the program begins; and all together have no more than this.
_MOST_FRAMES: Final = 2048
_MOST_ENTRIES: Final = 8 << 20
#: No source file has more lines.
_MOST_LINES: Final = 1 << 31


class FrameTable:
    """Gives each place in the code a number, once.

    Examples
    --------
    >>> table = FrameTable()
    >>> table.number("main", "main.rs", 3, "/app/a"), table.number("main", "main.rs", 3, "/app/a")
    (0, 0)
    >>> table.frame()["origin"].to_list()
    ['own']
    """

    def __init__(self) -> None:
        self._numbers: dict[_Frame, int] = {}
        self._origins: list[str | None] = []

    def number(
        self,
        function: str | None,
        file: str | None,
        line: int | None,
        module: str | None,
        *,
        inside: str | None = None,
    ) -> int:
        """Give the number of a place; the function it is inlined into tells whose it is where its name does not."""
        frame = function, file, line if line is not None and 0 < line < _MOST_LINES else None, module
        number = self._numbers.get(frame)
        if number is None:
            number = self._numbers[frame] = len(self._numbers)
            plain = inside is None or crates(function or "") or is_allocator(function or "")
            tells = function if plain else inside
            self._origins.append(origin(tells, file, module))
        return number

    def frame(self) -> pl.DataFrame:
        """Give all places, see `rmtoolkit.heap.profile.FRAMES`."""
        rows = [(number, *frame, self._origins[number]) for frame, number in self._numbers.items()]
        if any(crates(function or "") for _, function, *_ in rows):
            rows = [(*row[:5], SYSTEM) if row[5] == OWN and _BARE_C_FILE.match(row[2] or "") else row for row in rows]
        return pl.DataFrame(rows, schema=FRAMES, orient="row")


def as_lists(rows: Integers, values: Integers, count: int) -> pl.Series:
    """Put the values of each row in a list.

    Parameters
    ----------
    rows
        Which row each value belongs to, ascending.
    values
        The values.
    count
        How many rows there are.

    Returns
    -------
    polars.Series
        Lists of numbers.

    Examples
    --------
    >>> as_lists(np.array([0, 0, 2]), np.array([5, 6, 7]), 3).to_list()
    [[5, 6], [], [7]]
    """
    flat = pl.DataFrame({"row": rows, "frames": values.astype(np.uint32)}, schema_overrides={"row": pl.Int64()})
    lists = flat.group_by("row", maintain_order=True).agg("frames")
    if lists.height == count:  # every row has a value
        return lists["frames"]
    every = pl.DataFrame({"row": np.arange(count)}, schema={"row": pl.Int64()})
    joined = every.join(lists, on="row", how="left", maintain_order="left")["frames"]
    return joined.fill_null(pl.Series([[]], dtype=pl.List(pl.UInt32)))


def stacks_frame(frames: Iterable[Sequence[int]], amounts: Mapping[str, Sequence[Any]]) -> tuple[pl.DataFrame, int]:
    """Put stacks in a table, each with a number of its own.

    Parameters
    ----------
    frames
        Numbers of the frames of each stack, the allocating one first.
    amounts
        Columns of `rmtoolkit.heap.profile.STACKS`, a value per stack; others are null.

    Returns
    -------
    tuple of (polars.DataFrame, int)
        The table, and how many stacks were cut because they are too deep.

    Examples
    --------
    >>> table, cut = stacks_frame([[0, 1], [1]], {"live_bytes": [10, 5]})
    >>> table.select("stack_id", "live_bytes", "frames").rows(), cut
    ([(1, 10, [0, 1]), (2, 5, [1])], 0)
    """
    kept: list[Sequence[int]] = []
    total = cut = 0
    for numbers in frames:
        room = min(_MOST_FRAMES, max(_MOST_ENTRIES - total, 1))
        cut += len(numbers) > room
        kept.append(numbers[:room])
        total += len(kept[-1])
    columns = {name: amounts.get(name, [None] * len(kept)) for name in STACKS if name not in ("stack_id", "frames")}
    table = pl.DataFrame(columns, schema={name: STACKS[name] for name in columns})
    lists = pl.Series("frames", kept, dtype=pl.List(pl.UInt32))
    table = table.with_columns(lists, stack_id=pl.int_range(1, pl.len() + 1), suppressed=pl.lit(value=False))
    return table.select(STACKS.names()).cast(STACKS), cut
