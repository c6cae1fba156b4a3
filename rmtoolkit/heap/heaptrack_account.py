"""What allocations and frees add up to: per entry, at the peak, over time; in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rmtoolkit.heap.heaptrack_tables import Mark

    Integers = NDArray[np.int64]

#: Steps of the growth table: when there are so many, every two become one.
_MOST_STEPS: Final = 512
#: Rows of the growth table, and rows of the timeline: the same.
_MOST_GROWTH: Final = 1 << 19
_MOST_ROWS: Final = 1 << 18
#: A step is at least so many events or so many milliseconds long.
_STEP_EVENTS: Final = 256
_STEP_MS: Final = 10
#: Bytes of a packed file per event: a first guess that spares merging.
_PACKED_PER_EVENT: Final = 2


class Nets(NamedTuple):
    """What changed within a step: traces, and by how many bytes and blocks."""

    traces: Integers
    size: Integers
    blocks: Integers


class Tally(Protocol):
    """Counts events: with numpy (`NumpyTally`, which says what each method does), or compiled."""

    @property
    def counts(self) -> Integers:  # noqa: D102 - see above, here and below
        ...

    @property
    def temporaries(self) -> Integers: ...  # noqa: D102

    @property
    def entries(self) -> int: ...  # noqa: D102

    @property
    def live(self) -> int: ...  # noqa: D102

    def grow(self, sizes: Integers, traces: Integers, most_traces: int) -> None: ...  # noqa: D102
    def load(self, keys: Integers, temporary: Integers | None = None) -> None: ...  # noqa: D102
    def advance(self, end: int) -> int: ...  # noqa: D102
    def nets(self) -> Nets: ...  # noqa: D102
    def at_peak(self) -> Integers: ...  # noqa: D102
    def reset(self) -> None: ...  # noqa: D102


class NumpyTally:
    """Counts events a block at a time.

    Examples
    --------
    >>> tally = NumpyTally()
    >>> tally.grow(np.array([10, 5]), np.array([1, 2]), 3)
    >>> tally.load(np.array([0, 2, 1]))  # both entries, then the first is freed
    >>> tally.advance(2), tally.live, tally.advance(3), tally.live
    (15, 15, 15, 5)
    >>> tally.nets().size.tolist(), tally.counts.tolist(), tally.at_peak().tolist()
    ([5], [1, 1, 1, 0], [1, 0, 1, 0])
    """

    def __init__(self) -> None:
        self.counts = np.zeros(0, np.int64)
        self.temporaries = np.zeros(0, np.int64)
        self.live = 0
        self._signed = np.zeros(0, np.int64)
        self._traces = np.zeros(0, np.int64)
        self._held = np.zeros(0, np.int64)
        self._most_traces = 0
        self._last = 0
        self._peak = 0
        self._best: tuple[Integers, Integers, int] = self.counts, self.counts, 0
        self._keys = self._cum = np.zeros(0, np.int64)
        self._at = self._counted = 0

    @property
    def entries(self) -> int:
        """How many entries are known."""
        return len(self._traces)

    def grow(self, sizes: Integers, traces: Integers, most_traces: int) -> None:
        """Learn of more entries; the last one takes events of entries that do not exist."""
        more = len(sizes) - len(self._traces)
        self._signed = np.column_stack((sizes, -sizes)).ravel()
        self._traces, self._most_traces = traces, most_traces
        self.counts = np.append(self.counts, np.zeros(2 * more, np.int64))
        self._held = np.append(self._held, np.zeros(more, np.int64))
        self.temporaries = np.append(self.temporaries, np.zeros(more, np.int64))

    def load(self, keys: Integers, temporary: Integers | None = None) -> None:
        """Take the events of a block."""
        self._count()
        self._keys, self._at, self._counted = keys, 0, 0
        if not len(keys):
            self._cum = keys
            return
        # No key is beyond the table, so none is clipped: it only spares a second look at each.
        self._cum = self._signed.take(keys, mode="clip")
        self._cum[0] += self.live
        np.cumsum(self._cum, out=self._cum)
        best = int(self._cum.argmax())
        if self._cum[best] > self._peak:
            self._peak = int(self._cum[best])
            self._best = self.counts.copy(), keys, best + 1
        if temporary is None:
            temporary = self._freed_at_once(keys)
        self.temporaries += np.bincount(temporary, minlength=len(self.temporaries))

    def _freed_at_once(self, keys: Integers) -> Integers:
        """Find entries that are freed right after they were allocated; entry 0 after any free, as heaptrack does."""
        pairs = np.flatnonzero((keys[1:] ^ keys[:-1]) == 1) + 1
        pairs = pairs[(keys[pairs] & 1) == 1]
        zeros = np.flatnonzero(keys == 1)
        before = np.where(zeros > 0, keys[zeros - 1], self._last)
        more = int(((before & 1) == 1).sum())
        first = int(keys[0]) & 1 and int(keys[0]) ^ 1 == self._last
        self._last = int(keys[-1])
        return np.concatenate((keys[pairs] >> 1, np.zeros(more, np.int64), keys[:1] >> 1 if first else zeros[:0]))

    def advance(self, end: int) -> int:
        """Go on to an event of the block; say how much was live at most on the way."""
        if end <= self._at:
            return self.live
        most = max(self.live, int(self._cum[self._at : end].max()))
        self.live = int(self._cum[end - 1])
        self._at = end
        return most

    def nets(self) -> Nets:
        """Say what changed since the last time."""
        self._count()
        held = self.counts[0::2] - self.counts[1::2]
        entries = np.flatnonzero(held != self._held)
        change = held[entries] - self._held[entries]
        self._held = held
        traces, size = self._traces[entries], change * self._signed[2 * entries]
        if 4 * len(entries) < self._most_traces:
            found, where = np.unique(traces, return_inverse=True)
            many = len(found)
        else:
            found, where, many = None, traces, self._most_traces
        sizes = np.bincount(where, weights=size, minlength=many).astype(np.int64)
        blocks = np.bincount(where, weights=change, minlength=many).astype(np.int64)
        changed = np.flatnonzero((sizes != 0) | (blocks != 0))
        return Nets(changed if found is None else found[changed], sizes[changed], blocks[changed])

    def _count(self) -> None:
        """Count the events up to where we are."""
        if self._at > self._counted:
            self.counts += np.bincount(self._keys[self._counted : self._at], minlength=len(self.counts))
            self._counted = self._at

    def at_peak(self) -> Integers:
        """Count the allocations and frees of each entry up to the peak."""
        counts, keys, end = self._best
        counts = np.append(counts, np.zeros(len(self.counts) - len(counts), np.int64))
        return counts + np.bincount(keys[:end], minlength=len(counts))

    def reset(self) -> None:
        """Forget everything so far."""
        self.counts[:] = 0
        self.temporaries[:] = 0
        self._held[:] = 0
        self._counted = self._at
        self._cum = self._cum - self.live
        self.live = self._peak = 0
        self._best = self.counts[:0], self._keys[:0], 0
        if self._at < len(self._cum):
            best = self._at + int(self._cum[self._at :].argmax())
            if self._cum[best] > 0:
                self._peak = int(self._cum[best])
                self._best = self.counts * 0, self._keys[self._at :], best + 1 - self._at


class Row(NamedTuple):
    """A stamp: when, how much is live, at most since the stamp before, resident, and events so far."""

    ms: int
    live: int
    most: int
    rss: int
    events: int


class Account:
    """Follows a whole file: the timeline, the peak, and what each trace holds over time.

    Parameters
    ----------
    tally
        Counts the events.
    packed_bytes
        Size of the file.
    growth
        Whether to follow each trace over time.

    Examples
    --------
    >>> from rmtoolkit.heap.heaptrack_tables import Mark
    >>> tally = NumpyTally()
    >>> tally.grow(np.array([10, 0]), np.array([1, 0]), 2)
    >>> account = Account(tally, 100)
    >>> account.add(np.array([0, 0, 1]), [Mark(2, "c", 10), Mark(3, "c", 20)])
    >>> account.finish()
    >>> account.peak, account.peak_ms, [(row.ms, row.live) for row in account.rows]
    (20, 0, [(10, 20), (20, 10)])
    """

    def __init__(self, tally: Tally, packed_bytes: int, *, growth: bool = True) -> None:
        self.tally = tally
        self.peak = self.peak_ms = self.last_ms = self.rss_pages = self.events = 0
        self.rows: list[Row] = []
        self.steps: list[tuple[int, int, Nets]] = []
        self.late_stamps = 0
        self._growth = growth
        self._most = self._growth_rows = 0
        self._step_events = max(_STEP_EVENTS, packed_bytes // _PACKED_PER_EVENT // _MOST_STEPS)
        self._step_ms = _STEP_MS
        self._step_began = (0, 0)

    def add(self, keys: Integers, marks: Sequence[Mark], temporary: Integers | None = None) -> None:
        """Go through the events of a block.

        Parameters
        ----------
        keys
            Twice the entry of each event, and one more for a free.
        marks
            Stamps, resident pages and attachments, by their place among them.
        temporary
            Entries that are freed right after they were allocated, where that is known better.
        """
        self.tally.load(keys, temporary)
        begun = self.events
        for mark in marks:
            self._go(begun, mark.before)
            if mark.kind == "c":
                self._stamp(mark.value)
            elif mark.kind == "R":
                self._resident(mark.value)
            else:
                self._forget()
        self._go(begun, len(keys))

    def _go(self, begun: int, end: int) -> None:
        """Go on to an event; close steps on the way that hold enough events."""
        while self._growth:
            full = self._step_began[0] + self._step_events - begun
            if full > end:
                break
            self._advance(full, begun)
            self._close()
        self._advance(end, begun)

    def _advance(self, end: int, begun: int) -> None:
        most = self.tally.advance(end)
        self._most = max(self._most, most)
        if most > self.peak:
            self.peak, self.peak_ms = most, self.last_ms
        self.events = max(self.events, begun + end)

    def _stamp(self, ms: int) -> None:
        if ms < self.last_ms:
            self.late_stamps += 1
            return
        self.last_ms = ms
        self.rows.append(Row(ms, self.tally.live, max(self._most, self.tally.live), -1, self.events))
        self._most = self.tally.live
        if len(self.rows) >= 2 * _MOST_ROWS:
            self.rows = [
                later._replace(most=max(first.most, later.most), rss=max(first.rss, later.rss))
                for first, later in zip(self.rows[::2], self.rows[1::2], strict=True)
            ]
        if self._growth and ms - self._step_began[1] >= self._step_ms:
            self._close()

    def _resident(self, pages: int) -> None:
        self.rss_pages = max(self.rss_pages, pages)
        if self.rows:
            self.rows[-1] = self.rows[-1]._replace(rss=pages)

    def _close(self) -> None:
        nets = self.tally.nets()
        self.steps.append((self.events, self.last_ms, nets))
        self._step_began = self.events, self.last_ms
        self._growth_rows += len(nets.traces)
        if len(self.steps) >= _MOST_STEPS or (self._growth_rows > _MOST_GROWTH and len(self.steps) > 1):
            self._merge()

    def _merge(self) -> None:
        """Make one step of every two."""
        self._step_events *= 2
        self._step_ms *= 2
        pairs = list(zip(self.steps[::2], self.steps[1::2], strict=False))
        odd = self.steps[2 * len(pairs) :]
        self.steps = [(events, ms, added(first, nets)) for (_, _, first), (events, ms, nets) in pairs] + odd
        self._growth_rows = sum(len(nets.traces) for *_, nets in self.steps)

    def _forget(self) -> None:
        self.tally.reset()
        self.rows.clear()
        self.steps.clear()
        self.peak = self.peak_ms = self._most = self._growth_rows = self.rss_pages = 0
        self._step_began = self.events, self.last_ms

    def finish(self) -> None:
        """Close the last step."""
        if self._growth:
            self._close()
        else:
            self.tally.nets()


def added(first: Nets, second: Nets) -> Nets:
    """Join two steps.

    Parameters
    ----------
    first, second
        What changed in each.

    Returns
    -------
    Nets
        What changed in both together.

    Examples
    --------
    >>> one = Nets(np.array([1, 2]), np.array([10, 5]), np.array([1, 1]))
    >>> added(one, Nets(np.array([1]), np.array([-10]), np.array([-1])))
    Nets(traces=array([2]), size=array([5]), blocks=array([1]))
    """
    traces, where = np.unique(np.concatenate((first.traces, second.traces)), return_inverse=True)
    size = np.zeros(len(traces), np.int64)
    blocks = np.zeros(len(traces), np.int64)
    np.add.at(size, where, np.concatenate((first.size, second.size)))
    np.add.at(blocks, where, np.concatenate((first.blocks, second.blocks)))
    kept = (size != 0) | (blocks != 0)
    return Nets(traces[kept], size[kept], blocks[kept])
