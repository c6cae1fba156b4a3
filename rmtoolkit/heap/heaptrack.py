"""What stands in a heaptrack file beside the events: strings, instruction pointers, traces, sizes, the clock."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmtoolkit._tables import conform
from rmtoolkit.exceptions import ReadError
from rmtoolkit.heap import _heaptrack_events
from rmtoolkit.heap._heaptrack_events import MARGIN, Account, Addresses, Blocks, Events, Mark, Row, Tally, ahead
from rmtoolkit.heap._names import MOST_ENTRIES, FrameTable, as_lists, report
from rmtoolkit.heap.profile import GROWTH, STACKS, HeapProfile, HeapSummary, Places
from rmtoolkit.heap.rust_names import demangle
from rmtoolkit.heap.suspects import blind
from rmtoolkit.text import texts

Integers = NDArray[np.int64]

#: No newer form is known.
NEWEST: Final = 3
#: From this form on a string says its length first.
_SIZED: Final = 3
#: From this form on allocations and frees name an entry of the table of sizes.
INDEXED: Final = 1
#: Of a suppression, and how many of them are looked for at once: longer expressions are refused.
_LONGEST_PATTERN: Final = 1000
_PATTERNS: Final = 8
#: No block is larger than what a process can address.
MOST_BYTES: Final = 1 << 46
_MOST_ALLOCATED: Final = 1 << 62
#: A file that has more text than this outside its events is none.
_MOST_TABLE_BYTES: Final = 256 << 20
_MOST_LINES: Final = 1 << 22
#: Of more stamps the timeline keeps every second, third, … one.
_MANY_STAMPS: Final = 1 << 17
_MOST_MILLISECONDS: Final = 1 << 40
_MOST_PAGE_BYTES: Final = 1 << 30

_MARKS: Final = frozenset((b"c ", b"R ", b"A", b"A "))
_KINDS: Final = frozenset((b"s ", b"i ", b"v ", b"X ", b"x ", b"I ", b"S ", b"m "))
DAMAGED: Final = "lines that are damaged"
UNKNOWN: Final = "lines of an unknown kind"


@dataclass(slots=True)
class Tables:
    """All lines but the events, read one block after the other."""

    path: object
    form: int | None = None
    command: str | None = None
    page_bytes: int = 4096
    raw: bool = False
    #: Whether frees name addresses, so that temporary allocations are counted exactly.
    exact: bool = False
    attached: bool = False
    strings: list[bytes] = field(default_factory=list)
    pointers: list[tuple[int, ...]] = field(default_factory=list)
    #: Begin, end, the address of the file's own beginning, and the file.
    modules: list[tuple[int, int, int, str]] = field(default_factory=list)
    executable: bytes = b""
    suppressions: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    claims: dict[str, int] = field(default_factory=dict)
    trace_parts: list[NDArray[np.int64]] = field(default_factory=list)
    _infos: list[NDArray[np.int64]] = field(default_factory=list)
    #: Size and trace of each entry, once they are worked out; of a file with addresses as far as these were read.
    known: tuple[Integers, Integers] | None = None
    _bytes: int = 0
    _lines: int = 0

    def take(self, lines: Sequence[bytes], before: Sequence[int]) -> list[Mark]:
        self._bytes += sum(map(len, lines))
        self._lines += len(lines)
        bounds = ((self._bytes, _MOST_TABLE_BYTES, "bytes of names"), (self._lines, _MOST_LINES, "names and stacks"))
        for amount, most, what in bounds:
            if amount > most:
                raise ReadError.at(self.path, found=f"more than {most:,} {what}", expected="a heaptrack recording")
        marks: list[Mark] = []
        at = 0
        # What is alike mostly stands together.
        for kind, found in ((kind, list(lines)) for kind, lines in groupby(lines, lambda line: line[:2])):
            if kind in (b"t ", b"a "):
                (self.trace_parts if kind == b"t " else self._infos).append(self._pairs(found))
                self.known = None
            elif kind in _KINDS:
                for line in found:
                    try:
                        self._line(kind, line[2:])
                    except (ValueError, IndexError):
                        self.left_out[DAMAGED] += 1
            elif kind in _MARKS:
                marks += self._marks(kind[:1].decode(), found, before[at : at + len(found)])
            elif kind[:1] == b"#":
                for line in found:
                    self._claim(line)
            elif kind:
                self.left_out[UNKNOWN if kind[1:] == b" " and kind[:1] not in b"+-" else DAMAGED] += len(found)
            at += len(found)
        return marks

    def _pairs(self, lines: list[bytes]) -> NDArray[np.int64]:
        table = _heaptrack_events.pairs(lines)
        if table is not None:
            return table
        pairs = []
        for line in lines:
            try:
                _, first, second = line.split()
                pair = int(first, 16), int(second, 16)
                if min(pair) < 0 or max(pair) >= 1 << 63:
                    raise ValueError  # noqa: TRY301 - the same answer to the same fault
            except ValueError:
                self.left_out[DAMAGED] += 1
                pair = 0, 0
            pairs.append(pair)
        return np.array(pairs, np.int64).reshape(-1, 2)

    def _marks(self, kind: str, lines: Sequence[bytes], before: Sequence[int]) -> Iterator[Mark]:
        for line, place in zip(lines, before, strict=True):
            self.attached |= kind == "A"
            try:
                value = 0 if kind == "A" else int(line.split()[1], 16)
            except (ValueError, IndexError):
                value = -1
            if 0 <= value < _MOST_MILLISECONDS:
                yield Mark(place, kind, value)
            else:
                self.left_out[DAMAGED] += 1

    def infos(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self.known is None:
            sizes, traces = _joined(self._infos).T
            self.known = np.where((sizes < 0) | (sizes >= MOST_BYTES), 0, sizes), traces
        return self.known

    def traces(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        table = _joined(self.trace_parts)
        parents = table[:, 1]
        # A parent always stands before its children; anything else would make a circle.
        return table[:, 0], np.where((parents >= 0) & (parents <= np.arange(len(parents))), parents, 0)

    def first_line(self, line: bytes) -> None:
        if not line.startswith(b"v "):
            self.form = 0
            return
        try:
            # Behind the version; early builds of 1.2 and before do not say the form.
            _, *form = [int(word, 16) for word in line.split()[1:3]]
            self.form = form[0] if form else 1
        except (ValueError, IndexError):
            raise ReadError.at(self.path, found=line, expected="v VERSION FORM, as heaptrack writes", line=1) from None
        if self.form > NEWEST:
            found, expected = f"form {self.form}", f"one from 0 to {NEWEST}"
            raise ReadError.at(self.path, found=found, expected=expected, line=1, hint="A newer heaptrack wrote it.")

    def _claim(self, line: bytes) -> None:
        words = line[1:].split(b":")
        if len(words) == 2 and words[1].strip().isdigit() and len(words[1]) < 20:
            self.claims[words[0].strip().decode("ascii", "replace")] = int(words[1])

    def text(self, data: bytes) -> bytes:
        if (self.form or 0) < _SIZED:
            return data
        length, _, rest = data.partition(b" ")
        if int(length, 16) != len(rest):
            self.left_out["strings whose length is not what they say"] += 1
        return rest

    def _line(self, kind: bytes, data: bytes) -> None:
        match kind:
            case b"s ":
                self.strings.append(data)
                self.strings[-1] = self.text(data)
            case b"i ":
                self.pointers.append(())
                self.pointers[-1] = tuple([int(word, 16) for word in data.split()])
            case b"v " if self.form is None:
                self.first_line(b"v " + data)
            case b"X " if self.command is None:
                self.command = data.decode("utf-8", "replace")
            case b"x ":
                self.raw = True
                self.executable = self.text(data)
            case b"I ":
                size = int(data.split()[0], 16)
                if not 0 < size <= _MOST_PAGE_BYTES:
                    raise ValueError(size)
                self.page_bytes = size
            case b"S ":
                self._suppression(data)
            case b"m ":
                self._module(data)

    def _suppression(self, data: bytes) -> None:
        # Written with its length in newer forms, and without in older ones; some readers know the old one only.
        if not data.startswith(b"leak:"):
            data = data.partition(b" ")[2]
        if not data.startswith(b"leak:") or len(data) > _LONGEST_PATTERN:
            raise ValueError(data)
        self.suppressions.append(data.removeprefix(b"leak:").decode("utf-8", "replace").strip())

    def _module(self, data: bytes) -> None:
        self.raw = True
        name, _, rest = data.partition(b" ")
        if (self.form or 0) >= _SIZED:
            size = int(name, 16)
            name, rest = rest[:size], rest[size:]
        if name == b"-":
            # Modules were loaded or closed, and are all listed again; earlier addresses keep their names.
            return
        name = self.executable if name == b"x" else name
        base, *numbers = [int(word, 16) for word in rest.split()]
        shown = name.decode("utf-8", "replace")
        for begin, size in zip(numbers[::2], numbers[1::2], strict=False):
            self.modules.append((base + begin, base + begin + size, base, shown))


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    if not parts:
        return np.empty((0, 2), np.int64)
    if len(parts) > 1:
        parts[:] = [np.concatenate(parts)]
    return parts[0]


#: What libraries keep on purpose until the end.
SUPPRESSIONS: Final[list[str]] = texts("heap/formats")["heaptrack"]["suppressions"]


def frames_of_pointers(tables: Tables, table: FrameTable) -> list[list[int]]:
    strings: list[str | None] = [None, *(text.decode("utf-8", "replace") for text in tables.strings)]

    def string(number: int) -> str | None:
        return strings[number] if 0 <= number < len(strings) else None

    found: list[list[int]] = [[]]
    for fields in tables.pointers:
        module = string(fields[1]) if len(fields) > 1 else None
        places = [(*fields[at : at + 3], 0, 0, 0)[:3] for at in range(2, max(len(fields), 3), 3)]
        # Of inlined functions of C the interpreter joins the names as if they stood within each other.
        in_c = (string(places[-1][1]) or "").endswith(".c")
        numbers = []
        for name, file, line in places:
            own = demangle(string(name) or "").rpartition("::" if in_c else "\n")[2]
            numbers.append(table.number(own or None, string(file), line, module))
        found.append(numbers)
    return found


def walk(traces: Integers, pointers: Integers, parents: Integers) -> tuple[Integers, Integers, int]:
    rows = np.flatnonzero(traces > 0)
    here = traces[rows]
    found: list[tuple[Integers, Integers]] = []
    total = 0
    while len(here) and total + len(here) <= MOST_ENTRIES:
        found.append((rows, pointers[here - 1]))
        total += len(here)
        here = parents[here - 1]
        on = np.flatnonzero(here > 0)
        rows, here = rows[on], here[on]
    if not found:
        return traces[:0], traces[:0], 0
    all_rows = np.concatenate([row for row, _ in found])
    order = np.argsort(all_rows, kind="stable")
    return (
        all_rows[order].astype(np.int64),
        np.concatenate([pointer for _, pointer in found])[order],
        (len(found) if len(here) else 0),
    )


EXPECTED: Final = "a heaptrack recording"
#: What is looked at together should fit into a processor's cache.
_BLOCK_BYTES: Final = 1 << 18
#: With more damage than this nothing is worth reading on.
_MOST_DAMAGE: Final = 1 << 20
#: Enough of the beginning to tell what follows.
_HEAD_BYTES: Final = 1 << 16

BEYOND: Final = "events of unknown entries"
UNMATCHED: Final = "frees of what was not allocated in the recording"


def read_heaptrack(path: str | os.PathLike[str]) -> HeapProfile:
    r"""Read a recording of heaptrack.

    Parameters
    ----------
    path
        What ``heaptrack`` or ``heaptrack --record-only`` wrote, of any version so far, packed with zstd or gzip or
        not at all. Suppressions that heaptrack itself knows and those that the program brings along count.

    Returns
    -------
    HeapProfile
        With a timeline and the growth of every stack. A file that is cut off or damaged gives its good part, and
        says so. Of a file that was not interpreted (``--record-only``) functions are named by module and offset,
        and temporary allocations are counted exactly; else their number is an upper bound.

    Raises
    ------
    ReadError
        It is no recording of heaptrack, or nothing can be read of it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "heaptrack.api.7.txt")
    >>> lines = ["v 10500 3", "X ./api", "s 4 /api", "s b api::insert", "i 7f00 1 2", "t 1 0", "a 10 1"]
    >>> _ = file.write_text("\n".join([*lines, "+ 0", "c a", "+ 0", "# strings: 2", "# ips: 1"]))
    >>> heap = read_heaptrack(file)
    >>> heap
    <HeapProfile: heaptrack, 1 stack, peak 32 B, live at the end 32 B>
    >>> heap.stack(1)["function"].to_list(), heap.summary.allocations
    (['api::insert'], 2)
    """
    blocks, tables, account = _read(path)
    if account.tally.counts.any() or tables.command is not None or account.rows:
        return _profile(blocks, tables, account)
    hint = None if blocks.damage is None else f"Nothing of it can be unpacked: {blocks.damage}."
    raise ReadError.at(path, found="no allocation at all", expected=EXPECTED, hint=hint)


class _Part(NamedTuple):
    """A block in numbers; of a raw file with the entries known by then."""

    events: Events
    lines: list[bytes]
    before: list[int]
    infos: tuple[Integers, Integers] | None


def _parts(blocks: Blocks, tables: Tables) -> Iterator[_Part]:
    addresses: Addresses | None = None
    stamps = 0
    for block in blocks:
        if tables.form is None:
            addresses = _begin(tables, bytes(block[MARGIN : MARGIN + _HEAD_BYTES]))
        events = _heaptrack_events.decode(block) if addresses is None else addresses.decode(block)
        # Blank lines mean nothing, and there is no end to how many a packed file may hold.
        told, stamps = _thinned(block, events.starts, np.flatnonzero(events.ends > events.starts), stamps)
        places = zip(events.starts[told].tolist(), events.ends[told].tolist(), strict=True)
        lines = [bytes(block[start:end]) for start, end in places]
        yield _Part(events, lines, events.before[told].tolist(), None if addresses is None else addresses.infos())


def _thinned(block: memoryview, starts: Integers, told: Integers, seen: int) -> tuple[Integers, int]:
    """Leave out stamps, each with what was resident then, the more of them the more there were before; count them."""
    text = np.frombuffer(block, np.uint8)
    kind = np.where(text.take(starts[told] + 1, mode="clip") == ord(" "), text.take(starts[told]), 0)
    stamps, resident = kind == ord("c"), kind == ord("R")
    counted = max(stamps, resident, key=np.count_nonzero)
    every = seen // _MANY_STAMPS + 1
    kept = told if every == 1 else told[(np.cumsum(counted) % every == 0) | ~(stamps | resident)]
    return kept, seen + int(np.count_nonzero(counted))


def _read(path: str | os.PathLike[str]) -> tuple[Blocks, Tables, Account]:
    blocks = Blocks(path, expected=EXPECTED, block_bytes=_BLOCK_BYTES)
    tally = Tally()
    tables = Tables(blocks.path)
    account = Account(tally, blocks.packed_bytes)

    def grow() -> int:
        """Count all entries so far from now on, and say which number is the first that names none."""
        sizes, traces = tables.infos()
        if len(sizes) + 1 != len(tally.temporaries):
            most = sum(map(len, tables.trace_parts))
            # A last entry takes what names no entry.
            tally.grow(np.append(sizes, 0), np.append(np.where(traces <= most, traces, 0), 0), most + 1)
        return 2 * len(sizes)

    for part in ahead(_parts(blocks, tables)):
        marks = tables.take(part.lines, part.before)
        if part.infos is not None:
            tables.known, tables.exact = part.infos, True
        keys = part.events.keys
        # Tables may be long, and those without any event in between are looked at once.
        most = grow() if len(keys) or not len(tally.temporaries) else 0
        if len(keys) and int(keys.max()) >= most:
            beyond = keys >= most
            tables.left_out[BEYOND] += int(beyond.sum())
            keys = np.where(beyond, most + (keys & 1), keys)
        tables.left_out[UNMATCHED] += part.events.unmatched
        account.add(keys, marks, part.events.temporary)
        if tables.left_out.total() > _MOST_DAMAGE:
            blocks.damage = f"more than {_MOST_DAMAGE:,} of its lines are damaged, and no more was read"
            break
    grow()
    account.close()
    return blocks, tables, account


def _begin(tables: Tables, head: bytes) -> Addresses | None:
    lines = head.split(b"\n")
    good = sum(line[1:2] == b" " and line[:1] in b"vXIsitacRxmSA+-" for line in lines)
    if 2 * good < len(lines) - 1:
        raise ReadError.at(tables.path, found=lines[0], expected=EXPECTED, line=1)
    tables.first_line(lines[0])
    if tables.form == 0 and any(line.startswith(b"a ") for line in lines):
        raise ReadError.at(tables.path, found="no first line", expected="v VERSION FORM, as heaptrack writes", line=1)
    is_raw = any(line.startswith((b"x ", b"m ")) for line in lines[:100])
    return Addresses() if is_raw or (tables.form or 0) < INDEXED else None


def _profile(blocks: Blocks, tables: Tables, account: Account) -> HeapProfile:
    tally, (sizes, _) = account.tally, tables.infos()
    counts = tally.counts.reshape(-1, 2)[: len(sizes)]
    if counts[:, 0] @ sizes.astype(np.float64) >= _MOST_ALLOCATED:
        raise ReadError.at(blocks.path, found="amounts that add up to more than any program has", expected=EXPECTED)
    # Only in a damaged file more is freed than was allocated.
    excess = np.maximum(counts[:, 1] - counts[:, 0], 0)
    tables.left_out[UNMATCHED] += int(excess.sum())
    counts = counts - np.column_stack((np.zeros_like(excess), excess))
    at_peak = tally.at_peak().reshape(-1, 2)[: len(sizes)]
    temporaries = tally.temporaries[: len(sizes)]
    stacks, frames, cut = _stacks(tables, counts, at_peak, temporaries)
    stacks = _suppress(stacks, frames, [*SUPPRESSIONS, *tables.suppressions])
    suppressed = int(stacks["live_bytes"].filter(stacks["suppressed"]).sum())
    kept = ~stacks["suppressed"]
    last = account.rows[-1].ms if account.rows else None
    summary = HeapSummary(
        format="heaptrack",
        command=tables.command,
        allocations=int(counts[:, 0].sum()),
        allocated_bytes=int(stacks["allocated_bytes"].sum()),
        temporary=int(temporaries.sum()),
        temporary_exact=tables.exact,
        live_at_end_bytes=int(stacks["live_bytes"].filter(kept).sum()),
        live_at_end_blocks=int(stacks["live_blocks"].filter(kept).sum()),
        suppressed_bytes=suppressed,
        peak_bytes=account.peak,
        peak_time_seconds=account.peak_ms / 1000 if account.rows else None,
        rss_peak_bytes=account.rss_pages * tables.page_bytes if account.rss_pages else None,
        # The last stamp falls into its millisecond; heaptrack_print counts that one too.
        runtime_seconds=None if last is None else (last + 1) / 1000,
    )
    tables.left_out["stamps of time out of order"] += account.late_stamps
    notes = ["heaptrack was attached to a running program: what it held before is not in these numbers"]
    notes = notes if tables.attached else []
    notes += ["not interpreted, so functions have no names (heaptrack --interpret names them)"] if tables.raw else []
    unseen = blind(summary, stacks, frames)
    loud = [] if unseen is None else [unseen]
    axis = "seconds since the start of the program"
    told = report(blocks.path, tables.left_out, _partial(blocks, tables, cut), notes, loud=loud, time_axis=axis)
    rows = pl.DataFrame(account.rows, schema=dict.fromkeys(Row._fields, pl.Int64))
    rss = pl.when(pl.col("rss") >= 0).then(pl.col("rss") * tables.page_bytes)
    seconds = pl.col("ms") / 1000
    timeline = rows.select(time_seconds=seconds, live_bytes="live", peak_bytes="most", rss_bytes=rss, events="events")
    entries = pl.DataFrame({"size_bytes": sizes, "allocations": counts[:, 0], "live_blocks": counts @ (1, -1)})
    by_size = entries.filter(pl.col("allocations") > 0).group_by("size_bytes").sum().sort("size_bytes")
    return HeapProfile(summary, stacks, frames, timeline, _growth(account), by_size, report=told)


def _stacks(
    tables: Tables, counts: Integers, at_peak: Integers, temporaries: Integers
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    (pointers, parents), (sizes, traces) = tables.traces(), tables.infos()
    blocks = {"live_blocks": counts[:, 0] - counts[:, 1], "peak_blocks": at_peak[:, 0] - at_peak[:, 1]}
    held = blocks | {name.replace("blocks", "bytes"): amounts * sizes for name, amounts in blocks.items()}
    made = {"allocations": counts[:, 0], "temporary": temporaries, "allocated_bytes": counts[:, 0] * sizes}
    entries = pl.DataFrame({"stack_id": np.where(traces <= len(pointers), traces, 0), **made, **held})
    stacks = entries.group_by("stack_id").sum().filter(pl.col("allocations") > 0).sort("stack_id")
    rows, steps, cut = walk(stacks["stack_id"].to_numpy(), pointers, parents)
    table = FrameTable()
    if tables.raw:
        addresses, steps = np.unique(steps, return_inverse=True)
        steps = steps + 1
        # The module, and how far into it.
        named = map(Places(tables.modules).place, addresses.tolist())
        frames = [[], *([table.number(text, None, None, module)] for text, module in named)]
    else:
        frames = frames_of_pointers(tables, table)
    steps = np.where((steps > 0) & (steps < len(frames)), steps, 0)
    found = pl.DataFrame({"row": rows, "frames": pl.Series(frames, dtype=pl.List(pl.UInt32)).gather(steps)})
    lists = as_lists(found.explode("frames", empty_as_null=False), stacks.height)
    stacks = stacks.with_columns(lists.alias("frames"), suppressed=pl.lit(value=False))
    return conform(stacks, STACKS), table.frame(), cut


def _suppress(stacks: pl.DataFrame, frames: pl.DataFrame, patterns: Iterable[str]) -> pl.DataFrame:
    expressions = [
        ("" if pattern.startswith("^") else ".*")
        + ".*".join(map(re.escape, pattern.removeprefix("^").removesuffix("$").split("*")))
        + ("$" if pattern.endswith("$") else "")
        for pattern in patterns
        if pattern.strip("^$*")
    ]
    named = pl.any_horizontal(
        pl.col("function", "file", "module").str.contains(f"(?s)^(?:{'|'.join(expressions[at : at + _PATTERNS])})")
        for at in range(0, len(expressions), _PATTERNS)
    )
    hit = pl.col("frames").list.eval(pl.element().is_in(frames.filter(named)["frame_id"].to_list())).list.any()
    return stacks.with_columns(suppressed=hit.fill_null(value=False))


def _growth(account: Account) -> pl.DataFrame:
    steps = [nets for *_, nets in account.steps]
    counts = [len(nets.traces) for nets in steps]
    changes = {
        "stack_id": np.concatenate([nets.traces for nets in steps]),
        "time_seconds": np.repeat([ms / 1000 for _, ms, _ in account.steps], counts),
        "events": np.repeat([events for events, *_ in account.steps], counts),
        "live_bytes": np.concatenate([nets.size for nets in steps]),
        "live_blocks": np.concatenate([nets.blocks for nets in steps]),
    }
    # By stack, and in the order of time within each; what hangs on no trace is left out.
    rows = pl.DataFrame(changes).filter(pl.col("stack_id") > 0).sort("stack_id", maintain_order=True)
    return conform(rows.with_columns(pl.col("live_bytes", "live_blocks").cum_sum().over("stack_id")), GROWTH)


def _partial(blocks: Blocks, tables: Tables, cut: int) -> list[str]:
    partial = []
    # What is interpreted ends with these counts; what is not with what was resident at the last stamp.
    is_whole = re.fullmatch(rb"R .*\n", blocks.end) if tables.raw else "ips" in tables.claims
    damage = blocks.damage or (
        None if is_whole else "its last lines are missing (it is cut off, or what wrote it was killed)"
    )
    if damage is not None:
        partial.append(f"{damage}; the totals are those of the part that could be read")
    for name, have in (("strings", len(tables.strings)), ("ips", len(tables.pointers))):
        if tables.claims.get(name, have) != have:
            partial.append(f"{have:,} of {tables.claims[name]:,} {name} are there, so names may be wrong")
    if cut:
        partial.append(f"stacks are cut after {cut:,} frames")
    return partial
