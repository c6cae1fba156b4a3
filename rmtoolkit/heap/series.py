"""Several pictures of one program as one profile that knows time."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ReadError
from rmtoolkit.heap.frames import FrameTable, stacks_frame
from rmtoolkit.heap.profile import GROWTH, TIMELINE, HeapProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_AMOUNTS: Final = (
    "allocations",
    "allocated_bytes",
    "temporary",
    "live_bytes",
    "live_blocks",
    "peak_bytes",
    "peak_blocks",
)

#: Files written closer together than this were copied together.
_MOMENT_SECONDS: Final = 0.05


def read_series(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    read: Callable[[str | os.PathLike[str]], HeapProfile],
    expected: str,
) -> HeapProfile:
    """Read one picture, or all that a folder, a glob or a list means as one profile.

    Parameters
    ----------
    path
        Where they are.
    read
        Reads one file.
    expected
        What should be there, for the message.

    Returns
    -------
    HeapProfile
        Of several, what `join` makes of them.

    Raises
    ------
    ReadError
        There is none.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapSummary
    >>> read_series(__file__, lambda _: HeapProfile(HeapSummary("pprof")), "a profile").summary.format
    'pprof'
    """
    if isinstance(path, str | os.PathLike):
        here = Path(path)
        if here.is_dir():
            found = [file for file in here.iterdir() if file.is_file() and not file.name.startswith(".")]
        elif not here.exists() and any(letter in str(path) for letter in "*?["):
            found = [Path(name) for name in glob.glob(str(path))]  # noqa: PTH207 - the pattern may be absolute
        else:
            return read(path)
        found.sort(key=_order)
    else:
        found = [Path(item) for item in path]
    if not found:
        raise ReadError.at(path, found="no files", expected=expected)
    times = [file.stat().st_mtime for file in found]
    # Copies made in no time say nothing about when the pictures were taken.
    rising = all(later - earlier > _MOMENT_SECONDS for earlier, later in pairwise(times))
    return join([read(file) for file in found], [time - times[0] for time in times] if rising else None)


def _order(file: Path) -> tuple[list[int], float, str]:
    """Sort by the numbers in a name, as dumps are counted."""
    return [int(number) for number in re.findall(r"\d{1,18}", file.name)], file.stat().st_mtime, file.name


def join(profiles: Sequence[HeapProfile], seconds: Sequence[float] | None = None) -> HeapProfile:
    """Make one profile of several pictures of one program.

    Parameters
    ----------
    profiles
        In the order in which they were taken.
    seconds
        When each was taken; None is unknown: then growth has an order but no times.

    Returns
    -------
    HeapProfile
        The last picture, with a row of `timeline` per picture and the `growth` of each stack. Stacks are the same
        when their functions, files, lines and modules are.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import FRAMES, HeapSummary
    >>> frames = pl.DataFrame([(0, "api::put", "a.rs", 3, None, "own")], schema=FRAMES, orient="row")
    >>> pictures = [
    ...     HeapProfile(HeapSummary("pprof"), stacks_frame([[0]], {"live_bytes": [size]})[0], frames) for size in (5, 9)
    ... ]
    >>> join(pictures).growth["live_bytes"].to_list()
    [5, 9]
    """
    if len(profiles) == 1:
        return profiles[0]
    table = FrameTable()
    numbers: dict[tuple[int, ...], int] = {}
    changes: list[tuple[int, float | None, int, int, int]] = []
    held: dict[int, tuple[int, int]] = {}
    for step, profile in enumerate(profiles):
        places = {
            number: table.number(function, file, line, module)
            for number, function, file, line, module, _ in profile.frames.iter_rows()
        }
        now: dict[int, tuple[int, int]] = {}
        for frames, size, blocks in profile.stacks.select("frames", "live_bytes", "live_blocks").iter_rows():
            key = tuple(places[number] for number in frames)
            stack = numbers.setdefault(key, len(numbers) + 1)
            before = now.get(stack, (0, 0))
            now[stack] = before[0] + (size or 0), before[1] + (blocks or 0)
        when = None if seconds is None else float(seconds[step])
        changes.extend(
            (stack, when, step, *now.get(stack, (0, 0)))
            for stack in sorted(now.keys() | held.keys())
            if now.get(stack, (0, 0)) != held.get(stack, (0, 0))
        )
        held = now
    last = profiles[-1]
    stacks = _restacked(last, table, numbers)
    timeline = pl.DataFrame(
        {
            "time_seconds": seconds if seconds is not None else [None] * len(profiles),
            "live_bytes": [profile.summary.live_at_end_bytes for profile in profiles],
            "events": range(len(profiles)),
        }
    ).with_columns(pl.lit(None, pl.Int64()).alias("peak_bytes"), pl.lit(None, pl.Int64()).alias("rss_bytes"))
    report = last.report
    for profile in profiles[:-1]:
        report = profile.report.joined(report)
    return replace(
        last,
        stacks=stacks,
        frames=table.frame(),
        timeline=timeline.select(TIMELINE.names()).cast(TIMELINE),
        growth=pl.DataFrame(changes, schema=GROWTH, orient="row").sort("stack_id", "events"),
        report=replace(
            report, time_axis="when the files were written" if seconds is not None else "the order of the files"
        ),
    )


def _restacked(last: HeapProfile, table: FrameTable, numbers: dict[tuple[int, ...], int]) -> pl.DataFrame:
    """List every stack of any picture, with what the last one says of it."""
    places = {
        number: table.number(function, file, line, module)
        for number, function, file, line, module, _ in last.frames.iter_rows()
    }
    said: dict[int, list[int | None]] = {}
    for frames, *amounts in last.stacks.select("frames", *_AMOUNTS).iter_rows():
        stack = numbers[tuple(places[number] for number in frames)]
        known = said.get(stack)
        said[stack] = (
            list(amounts)
            if known is None
            else [one if other is None else (one or 0) + other for one, other in zip(known, amounts, strict=True)]
        )
    gone = [0 if name.startswith("live") else None for name in _AMOUNTS]
    rows = [said.get(stack, gone) for stack in numbers.values()]
    return stacks_frame(list(numbers), {name: [row[place] for row in rows] for place, name in enumerate(_AMOUNTS)})[0]
