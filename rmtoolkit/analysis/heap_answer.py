"""The short answer about a heap profile, and about what changed between two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis.heap_reading import HeapReading, read_profile
from rmtoolkit.heap.churn import churn
from rmtoolkit.heap.diff import diff
from rmtoolkit.heap.own_code import STD, SYSTEM, plain_name, spoken
from rmtoolkit.heap.sight import limits_of_sight
from rmtoolkit.heap.suspects import suspects
from rmtoolkit.heap.tree import tree
from rmtoolkit.intervals import small_memory
from rmtoolkit.text import count, hours, memory, number, printable, share

if TYPE_CHECKING:
    from rmtoolkit.heap.profile import HeapProfile

#: A change below this share of what was held before is said to be none.
_SAME: Final = 0.01
#: Characters of a command line that are shown.
_COMMAND: Final = 60


@dataclass(frozen=True, slots=True)
class HeapAnswer:
    """What a heap profile answers.

    Attributes
    ----------
    heap
        The profile.
    reading
        What it says about growth.
    headline
        The answer in a sentence.
    suspects
        As `rmtoolkit.suspects` gives it.
    path
        The user's own functions from the program's start to the first suspect.
    churn
        As `rmtoolkit.heap.churn.churn` gives it.
    unseen
        What the profile cannot show.
    next_step
        One action.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> answer(HeapProfile(HeapSummary("dhat"))).headline
    'One picture of the heap tells what is held, not what grows.'
    """

    heap: HeapProfile
    reading: HeapReading
    headline: str
    suspects: pl.DataFrame
    path: tuple[str, ...]
    churn: pl.DataFrame
    unseen: tuple[str, ...]
    next_step: str

    def __repr__(self) -> str:
        """Give the answer."""
        return f"<HeapAnswer: {self.headline}>"


def answer(heap: HeapProfile) -> HeapAnswer:
    """Put together what a heap profile answers.

    Parameters
    ----------
    heap
        A profile, or several joined.

    Returns
    -------
    HeapAnswer
        For the command line, a page, a notebook.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> answer(HeapProfile(HeapSummary("heaptrack", peak_bytes=1, rss_peak_bytes=1 << 30))).headline
    'This profile is blind: the memory of the program is not in it.'
    """
    table = suspects(heap)
    reading = read_profile(heap, table)
    path = _path(heap, table["stack_id"][0]) if table.height else ()
    seen = tuple(limits_of_sight(heap))
    return HeapAnswer(heap, reading, _headline(reading), table, path, churn(heap), seen, _next(reading))


def _headline(reading: HeapReading) -> str:
    if reading.kind == "blind":
        return "This profile is blind: the memory of the program is not in it."
    if reading.kind == "picture":
        most = f" {reading.largest} holds most." if reading.largest else ""
        return f"One picture of the heap tells what is held, not what grows.{most}"
    if reading.kind == "grows":
        first = reading.suspects[0]
        rate = reading.growth_bytes_per_second
        speed = memory(reading.growth_bytes) if rate is None else f"{small_memory(rate)}/s"
        return (
            f"The heap grows steadily by {speed} after startup, {share(min(first.share, 1))} of it in {first.function}."
        )
    if reading.moved_bytes > _SAME * reading.held_bytes:
        came = memory(reading.moved_bytes)
        return f"Nothing grows steadily to the end; {came} came after startup, in few steps or for a while."
    return "Nothing in the heap grows after startup."


def _next(reading: HeapReading) -> str:
    if reading.kind == "grows":
        place = reading.suspects[0].place
        return f"Bound or free what this code keeps: `{place}`."
    if reading.kind == "blind":
        return (
            "Use the profiler of the allocator that the program has (jemalloc: prof:true), or build once with the "
            "system's allocator."
        )
    if reading.kind == "picture":
        return "Take a second one half an hour later: `rmtoolkit heap FIRST SECOND` tells what grows."
    return (
        "If RSS grows all the same, look at what the allocator keeps (its statistics) and at mappings (smaps); "
        "`rmtoolkit classify RECORDING --heap FILE` judges both."
    )


def _path(heap: HeapProfile, stack_id: int) -> tuple[str, ...]:
    """List the user's own functions on a stack, the outermost first, each once."""
    frames = heap.stack(stack_id).reverse()
    own = frames.filter(pl.col("origin").is_null() | ~pl.col("origin").is_in([STD, SYSTEM]))
    names = [spoken(plain_name(name)) for name in own["function"].drop_nulls()]
    return tuple(printable(name) for at, name in enumerate(names) if not at or name != names[at - 1])


@dataclass(frozen=True, slots=True)
class DiffAnswer:
    """What changed between two heap profiles.

    Attributes
    ----------
    before, after
        The profiles.
    table
        As `rmtoolkit.diff` gives it.
    headline
        The answer in a sentence.
    path
        The user's own functions from the program's start to what changed most.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> answer_diff(HeapProfile(HeapSummary("dhat")), HeapProfile(HeapSummary("dhat"))).headline
    'The two profiles do not differ.'
    """

    before: HeapProfile
    after: HeapProfile
    table: pl.DataFrame
    headline: str
    path: tuple[str, ...]

    def __repr__(self) -> str:
        """Give the answer."""
        return f"<DiffAnswer: {self.headline}>"


def answer_diff(before: HeapProfile, after: HeapProfile) -> DiffAnswer:
    """Put together what changed between two heap profiles.

    Parameters
    ----------
    before, after
        The profiles.

    Returns
    -------
    DiffAnswer
        For the command line, a page, a notebook.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> answer_diff(HeapProfile(HeapSummary("dhat")), HeapProfile(HeapSummary("dhat")))
    <DiffAnswer: The two profiles do not differ.>
    """
    table = diff(before, after)
    path = _changed_path(before, after) if table.height else ()
    return DiffAnswer(before, after, table, _changed(before, table, path), path)


def _changed(before: HeapProfile, table: pl.DataFrame, path: tuple[str, ...]) -> str:
    if not table.height:
        return "The two profiles do not differ."
    change = int(table["live_bytes_change"].sum() or 0)
    held = before.summary.live_at_end_bytes or 0
    first = table.row(0, named=True)
    name = printable(spoken(first["function"]))
    if table["live_bytes_change"].null_count() == table.height:
        return f"{count(table.height, 'function')} differ; what is held at the end is unknown in one of them."
    if abs(change) <= _SAME * held and abs(first["live_bytes_change"]) <= _SAME * held:
        return f"The second holds as much as the first at the end ({memory(held + change)}), in the same places."
    word = "more" if change > 0 else "less"
    # A helper that allocates for many says little without its caller.
    through = " → ".join(path[-2:]) if path else name
    return f"The second holds {memory(abs(change))} {word} at the end than the first, most of it through {through}."


def _changed_path(before: HeapProfile, after: HeapProfile) -> tuple[str, ...]:
    """Follow the largest change from the program's start; list the own functions on the way."""
    nodes = tree(after, "live_bytes", before=before).with_columns(change=pl.col("value") - pl.col("before"))
    whole = nodes["change"][0]
    largest = nodes["change"].max() if whole >= 0 else nodes["change"].min()
    if not isinstance(largest, int) or not largest:
        return ()
    sign = 1 if largest > 0 else -1
    names: list[str] = []
    node = 0
    while True:
        below = nodes.filter(pl.col("parent_id") == node).sort(pl.col("change") * sign, descending=True)
        if not below.height or below["change"][0] * sign <= 0:
            return tuple(names)
        node, name, origin = below.select("node_id", "name", "origin").row(0)
        if origin not in (STD, SYSTEM) and (not names or names[-1] != name):
            names.append(printable(name))


def spans(heap: HeapProfile) -> str:
    """Say what a profile is of, and how long it is.

    Parameters
    ----------
    heap
        A profile.

    Returns
    -------
    str
        Without the file's name.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> spans(HeapProfile(HeapSummary("heaptrack", command="./api", runtime_seconds=300.0, allocations=2000)))
    'heaptrack of ./api, 5 min, 2,000 allocations, 6.67 a second'
    """
    summary = heap.summary
    # A command line may hold more than anybody wants to read, or to show.
    command = printable(summary.command or "")
    shown = command if len(command) <= _COMMAND else command[: _COMMAND - 1] + "…"
    words = [summary.format + (f" of {shown}" if shown else "")]
    if summary.runtime_seconds:
        words.append(hours(summary.runtime_seconds / 3600))
    if summary.allocations is not None:
        words.append(count(summary.allocations, "allocation"))
        if summary.runtime_seconds:
            words.append(f"{number(summary.allocations / summary.runtime_seconds)} a second")
    return ", ".join(words)
