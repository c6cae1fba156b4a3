"""What stands in a heaptrack file beside the events: strings, instruction pointers, traces, sizes, the clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from rmtoolkit.exceptions import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


#: No newer form is known.
NEWEST: Final = 3
#: From this form on a string says its length first.
_SIZED: Final = 3
#: From this form on allocations and frees name an entry of the table of sizes.
INDEXED: Final = 1
#: No block is larger than what a process can address.
MOST_BYTES: Final = 1 << 46
#: A file that has more text than this outside its events is none.
_MOST_TABLE_BYTES: Final = 256 << 20
_MOST_NAMES: Final = 1 << 22
_MOST_MILLISECONDS: Final = 1 << 40
_MOST_PAGE_BYTES: Final = 1 << 30

DAMAGED: Final = "damaged lines"
UNKNOWN: Final = "lines of an unknown kind"


class Mark(NamedTuple):
    """A line that has its place among the events: a stamp (c), the resident pages (R), an attachment (A)."""

    before: int
    kind: str
    value: int


@dataclass(slots=True)
class Tables:
    """All lines but the events, read one block after the other."""

    path: object
    form: int | None = None
    version: int | None = None
    command: str | None = None
    page_bytes: int = 4096
    raw: bool = False
    attached: bool = False
    strings: list[bytes] = field(default_factory=list)
    pointers: list[tuple[int, ...]] = field(default_factory=list)
    modules: list[tuple[int, int, bytes, int]] = field(default_factory=list)
    executable: bytes = b""
    suppressions: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    claims: dict[str, int] = field(default_factory=dict)
    _traces: list[NDArray[np.int64]] = field(default_factory=list)
    _infos: list[NDArray[np.int64]] = field(default_factory=list)
    _known: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    _bytes: int = 0

    def take(self, lines: Sequence[bytes], before: Sequence[int]) -> list[Mark]:
        """Read some lines."""
        self._bytes += sum(map(len, lines))
        if self._bytes > _MOST_TABLE_BYTES:
            raise ReadError.at(
                self.path, found=f"more than {_MOST_TABLE_BYTES:,} bytes of names", expected="a heaptrack recording"
            )
        if len(self.strings) + len(self.pointers) > _MOST_NAMES:
            raise ReadError.at(self.path, found=f"more than {_MOST_NAMES:,} names", expected="a heaptrack recording")
        by_kind: dict[bytes, list[int]] = {}
        for number, line in enumerate(lines):
            by_kind.setdefault(line[:2], []).append(number)
        for kind, numbers in by_kind.items():
            found = [lines[number] for number in numbers]
            if kind == b"t ":
                self._traces.append(self._pairs(found))
            elif kind == b"a ":
                self._infos.append(self._pairs(found))
                self._known = None
            elif kind in _READERS:
                for line in found:
                    try:
                        _READERS[kind](self, line[2:])
                    except (ValueError, IndexError):
                        self.left_out[DAMAGED] += 1
            elif kind[:1] == b"#":
                for line in found:
                    self._claim(line)
            elif kind not in (b"", b"c ", b"R ", b"A", b"A "):
                self.left_out[UNKNOWN if kind[1:] == b" " and kind[:1] not in b"+-" else DAMAGED] += len(found)
        return self._marks(lines, before, by_kind)

    def _pairs(self, lines: list[bytes]) -> NDArray[np.int64]:
        """Read lines of two numbers; a damaged one keeps its place in the table."""
        try:
            fields = b" ".join(lines).split()
            if len(fields) == 3 * len(lines):
                numbers = [int(word, 16) for word in chain.from_iterable(zip(fields[1::3], fields[2::3], strict=True))]
                table = np.array(numbers, np.int64).reshape(-1, 2)
                if not (table < 0).any():
                    return table
        except (ValueError, OverflowError):
            pass
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

    def _marks(self, lines: Sequence[bytes], before: Sequence[int], by_kind: dict[bytes, list[int]]) -> list[Mark]:
        marks = []
        numbers = sorted(chain.from_iterable(by_kind.get(kind, ()) for kind in (b"c ", b"R ", b"A", b"A ")))
        for number in numbers:
            kind = lines[number][:1].decode()
            if kind == "A":
                self.attached = True
                marks.append(Mark(before[number], kind, 0))
                continue
            try:
                value = int(lines[number].split()[1], 16)
            except (ValueError, IndexError):
                value = -1
            if 0 <= value < _MOST_MILLISECONDS:
                marks.append(Mark(before[number], kind, value))
            else:
                self.left_out[DAMAGED] += 1
        return marks

    def infos(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give size and trace of each entry that allocations name."""
        if self._known is None:
            table = _joined(self._infos)
            sizes = table[:, 0]
            absurd = (sizes < 0) | (sizes >= MOST_BYTES)
            self._known = np.where(absurd, 0, sizes), table[:, 1]
        return self._known

    def trace_count(self) -> int:
        """Say how many traces there are so far."""
        return sum(map(len, self._traces))

    def traces(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give instruction pointer and parent of each trace."""
        table = _joined(self._traces)
        parents = table[:, 1]
        # A parent always stands before its children; anything else would make a circle.
        return table[:, 0], np.where((parents >= 0) & (parents <= np.arange(len(parents))), parents, 0)

    def first_line(self, line: bytes) -> None:
        """Take the version from the first line of the file."""
        if not line.startswith(b"v "):
            self.form = 0
            return
        words = line.split()
        try:
            self.version = int(words[1], 16)
            # Early builds of 1.2 and before do not say the form.
            self.form = int(words[2], 16) if len(words) > 2 else 1
        except (ValueError, IndexError):
            raise ReadError.at(self.path, found=line, expected="v VERSION FORM, as heaptrack writes", line=1) from None
        if self.form > NEWEST:
            raise ReadError.at(
                self.path,
                found=f"form {self.form}",
                expected=f"one from 0 to {NEWEST}",
                line=1,
                hint="A newer heaptrack wrote it.",
            )

    def _claim(self, line: bytes) -> None:
        words = line[1:].split(b":")
        if len(words) == 2 and words[1].strip().isdigit() and len(words[1]) < 20:
            self.claims[words[0].strip().decode("ascii", "replace")] = int(words[1])

    def text(self, data: bytes) -> bytes:
        """Take a string: with its length first in newer forms."""
        if (self.form or 0) < _SIZED:
            return data
        length, _, rest = data.partition(b" ")
        if int(length, 16) != len(rest):
            self.left_out["strings whose length is not what they say"] += 1
        return rest

    def _string(self, data: bytes) -> None:
        place = len(self.strings)
        self.strings.append(data)
        self.strings[place] = self.text(data)

    def _pointer(self, data: bytes) -> None:
        place = len(self.pointers)
        self.pointers.append(())
        self.pointers[place] = tuple([int(word, 16) for word in data.split()])

    def _header(self, data: bytes) -> None:
        if self.form is None:
            self.first_line(b"v " + data)

    def _debuggee(self, data: bytes) -> None:
        if self.command is None:
            self.command = data.decode("utf-8", "replace")

    def _pages(self, data: bytes) -> None:
        size = int(data.split()[0], 16)
        if not 0 < size <= _MOST_PAGE_BYTES:
            raise ValueError(size)
        self.page_bytes = size

    def _suppression(self, data: bytes) -> None:
        # Written with its length in newer forms, and without in older ones; some readers know the old one only.
        if not data.startswith(b"leak:"):
            data = data.partition(b" ")[2]
        if not data.startswith(b"leak:"):
            raise ValueError(data)
        self.suppressions.append(data.removeprefix(b"leak:").decode("utf-8", "replace").strip())

    def _executable(self, data: bytes) -> None:
        self.raw = True
        self.executable = self.text(data)

    def _module(self, data: bytes) -> None:
        self.raw = True
        rest = data
        if (self.form or 0) >= _SIZED:
            length, _, rest = data.partition(b" ")
            size = int(length, 16)
            name, rest = rest[:size], rest[size:]
        else:
            name, _, rest = rest.partition(b" ")
        if name == b"-":
            # Modules were loaded or closed, and are all listed again; earlier addresses keep their names.
            return
        name = self.executable if name == b"x" else name
        numbers = [int(word, 16) for word in rest.split()]
        base = numbers[0]
        for begin, size in zip(numbers[1::2], numbers[2::2], strict=False):
            self.modules.append((base + begin, base + begin + size, name, base))


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Put the parts of a table together, once."""
    if not parts:
        return np.empty((0, 2), np.int64)
    if len(parts) > 1:
        parts[:] = [np.concatenate(parts)]
    return parts[0]


_READERS: Final[dict[bytes, Callable[[Any, bytes], None]]] = {
    b"s ": Tables._string,  # noqa: SLF001 - the class's own
    b"i ": Tables._pointer,  # noqa: SLF001
    b"v ": Tables._header,  # noqa: SLF001
    b"X ": Tables._debuggee,  # noqa: SLF001
    b"x ": Tables._executable,  # noqa: SLF001
    b"I ": Tables._pages,  # noqa: SLF001
    b"S ": Tables._suppression,  # noqa: SLF001
    b"m ": Tables._module,  # noqa: SLF001
}
