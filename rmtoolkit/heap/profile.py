"""The heap profile: what every reader of one returns."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import polars as pl

from rmtoolkit._html import el, framed, table
from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.schema import NUMBER, TEXT, WHOLE, YES_NO, Report, typed
from rmtoolkit.text import UNKNOWN, count, hours, memory

#: One row per stack that allocated. Null means that the format does not say.
STACKS: Final = pl.Schema(
    {
        "stack_id": pl.UInt32(),
        **typed(WHOLE, "allocations allocated_bytes temporary live_bytes live_blocks peak_bytes peak_blocks"),
        "suppressed": YES_NO,
        "frames": pl.List(pl.UInt32()),
    }
)

#: One row per place in the code. `origin` says whose code it is: own, dependency, std or system.
FRAMES: Final = pl.Schema(
    {"frame_id": pl.UInt32(), **typed(TEXT, "function file"), "line": WHOLE, **typed(TEXT, "module origin")}
)

#: One row per moment. `peak_bytes` is the most that was live since the row before.
TIMELINE: Final = pl.Schema({"time_seconds": NUMBER, **typed(WHOLE, "live_bytes peak_bytes rss_bytes events")})

#: One row per stack and step in which what it holds changed; `events` counts allocations and frees of all stacks.
GROWTH: Final = pl.Schema(
    {"stack_id": pl.UInt32(), "time_seconds": NUMBER, **typed(WHOLE, "events live_bytes live_blocks")}
)

#: One row per size of a block as it was asked for.
SIZES: Final = pl.Schema(typed(WHOLE, "size_bytes allocations live_blocks"))


@dataclass(frozen=True, slots=True)
class HeapSummary:
    """The totals of a profile; None is unknown."""

    format: str
    command: str | None = None
    allocations: int | None = None
    allocated_bytes: int | None = None
    temporary: int | None = None
    temporary_exact: bool | None = None
    live_at_end_bytes: int | None = None
    live_at_end_blocks: int | None = None
    suppressed_bytes: int | None = None
    peak_bytes: int | None = None
    peak_time_seconds: float | None = None
    rss_peak_bytes: int | None = None
    runtime_seconds: float | None = None
    #: The profiler sees one allocation in about so many bytes; 1 where it sees all.
    sample_bytes: int = 1
    #: When it was taken, in seconds since 1970.
    taken_seconds: float | None = None
    #: Each snapshot was taken because memory had come, so none tells of a rest; no format says that this is not so.
    taken_as_it_rose: bool | None = None

    @property
    def sampled(self) -> bool:
        return self.sample_bytes > 1

    def lines(self) -> list[tuple[str, str]]:
        about = "about " if self.sampled else ""
        after = "" if self.peak_time_seconds is None else f" after {hours(self.peak_time_seconds / 3600)}"
        blocks = "" if self.live_at_end_blocks is None else f" in {count(self.live_at_end_blocks, 'block')}"
        rows = [
            ("peak", f"{about}{memory(self.peak_bytes)}{after}", self.peak_bytes),
            ("live at the end", f"{about}{memory(self.live_at_end_bytes)}{blocks}", self.live_at_end_bytes),
            ("suppressed", memory(self.suppressed_bytes), self.suppressed_bytes or None),
            ("resident at most", f"{memory(self.rss_peak_bytes)}, with the recorder", self.rss_peak_bytes),
            ("allocations", f"{about}{self.allocations or 0:,}", self.allocations),
            ("temporary", f"{'' if self.temporary_exact else 'at most '}{self.temporary or 0:,}", self.temporary),
            ("recorded", hours((self.runtime_seconds or 0) / 3600), self.runtime_seconds),
        ]
        return [(what, text) for what, text, value in rows if value is not None]


class Module(NamedTuple):
    build_id: str | None = None
    inode: int | None = None


@dataclass(frozen=True, slots=True)
class HeapProfile:
    """What code allocated, what it holds, and how that went over time.

    Attributes
    ----------
    summary
        The totals.
    stacks
        One row per stack, see `STACKS`: `live_bytes` at the end, `peak_bytes` at the moment of the whole program's
        peak. `frames` lists its `frame_id`, the allocating function first, with inlined functions in their places.
    frames
        One row per place in the code, see `FRAMES`: names demangled, `origin` own, dependency, std or system.
    timeline
        One row per moment, see `TIMELINE`; empty where a format knows no time.
    growth
        What each stack held over time, see `GROWTH`; empty where a format knows no time.
    sizes
        One row per size of a block, see `SIZES`; empty where a format does not say.
    modules
        The files that the program had mapped, where a format says so; the program itself is the first.
    report
        What was read, and what a reader should know.

    Examples
    --------
    >>> heap = HeapProfile(HeapSummary(format="dhat", peak_bytes=3 << 20, live_at_end_bytes=1 << 20))
    >>> heap
    <HeapProfile: dhat, 0 stacks, peak 3 Mi, live at the end 1 Mi>
    """

    summary: HeapSummary
    stacks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STACKS))
    frames: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FRAMES))
    timeline: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TIMELINE))
    growth: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=GROWTH))
    sizes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SIZES))
    modules: Mapping[str, Module] = field(default_factory=dict)
    report: Report = field(default_factory=Report)

    def stack(self, stack_id: int) -> pl.DataFrame:
        """Give the frames of one of `stacks`: columns of `FRAMES`, the allocating function first.

        Raises
        ------
        RmtoolkitError
            There is no such stack.

        Examples
        --------
        >>> HeapProfile(HeapSummary(format="dhat")).stack(7)
        Traceback (most recent call last):
        rmtoolkit.exceptions.RmtoolkitError: No stack 7. There are 0 stacks; stacks["stack_id"] names them.
        """
        row = self.stacks.filter(pl.col("stack_id") == stack_id)
        if row.height != 1:
            there = count(self.stacks.height, "stack")
            msg = f'No stack {quote(stack_id).strip(chr(39))}. There are {there}; stacks["stack_id"] names them.'
            raise RmtoolkitError(msg)
        order = row.select(pl.col("frames").explode(empty_as_null=False).alias("frame_id"))
        return order.join(self.frames, on="frame_id", how="left", maintain_order="left")

    def __repr__(self) -> str:
        summary = self.summary
        stacks = count(self.stacks.height, "stack")
        peak, live = (
            ("about " if summary.sampled and amount is not None else "") + memory(amount)
            for amount in (summary.peak_bytes, summary.live_at_end_bytes)
        )
        return f"<HeapProfile: {summary.format}, {stacks}, peak {peak}, live at the end {live}>"

    def _repr_html_(self) -> str:
        notes = [el("li", note) for note in self.report.notes()]
        return framed(
            "rm-heap",
            el("p", el("b", "Heap profile"), f" ({self.summary.format}) of {self.summary.command or UNKNOWN}"),
            table((("", ""), ("", "")), self.summary.lines(), named=True, inline=True),
            el("ul", *notes) if notes else None,
            style=";max-width:60em",
        )


_MAP: Final = re.compile(
    r"([0-9a-f]{1,16})-([0-9a-f]{1,16}) +[-r][-w][-x][-ps] +([0-9a-f]{1,16}) +\S+ +(\d+) *(.*)", re.IGNORECASE
)


class Places:
    def __init__(self, maps: Iterable[tuple[int, int, int, str]]) -> None:
        self._maps = sorted(maps)
        self._begins = [begin for begin, *_ in self._maps]

    def reach(self, address: int) -> bool:
        return bool(self._maps) and address <= self._maps[-1][1]

    def place(self, address: int) -> tuple[str, str | None]:
        number = bisect_right(self._begins, address) - 1
        if number >= 0:
            _, end, base, module = self._maps[number]
            if address < end and module:
                return f"{PurePosixPath(module).name}+{address - base:#x}", module
        return f"{address:#x}", None


def read_maps(lines: Iterable[str]) -> tuple[Places, dict[str, Module]]:
    found = []
    modules: dict[str, Module] = {}
    for line in lines:
        if match := _MAP.match(line.strip()):
            begin, end, offset = (int(number, 16) for number in match.groups()[:3])
            module = match[5].strip()
            found.append((begin, end, begin - offset, module))
            if module.startswith("/"):
                modules.setdefault(module, Module(inode=int(match[4])))
    return Places(found), modules
