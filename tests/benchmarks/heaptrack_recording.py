"""Write a recording as heaptrack does, of any size: a service with requests, a cache, a startup and a leak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

#: As large as those of a service of middle size that was recorded for 41 s: infos, trace nodes, pointers, strings.
INFOS: Final = 46_000
TRACES: Final = 2_600
POINTERS: Final = 1_900
STRINGS: Final = 2_400
COMMON: Final = 15
#: heaptrack writes a stamp every ten milliseconds; that service made 840,000 events per second.
EVENTS_PER_STAMP: Final = 8_400
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a recording, counted while it was made."""

    allocations: int
    events: int
    live_at_end_bytes: int
    live_at_end_blocks: int
    peak_bytes: int
    leaked_bytes: int


def _tables(random: np.random.Generator) -> tuple[list[bytes], Integers, Integers]:
    """Make strings, pointers, traces and infos; give their lines, and size and trace of each info."""
    lines = [b"v 10500 3", b"X ./service --port 8080", b"I 1000 5f5e10"]
    names = [b"/app/service", b"/rustc/0/library/alloc/src/alloc.rs"]
    names += [b"service::module_%d::function_%d" % (number % 40, number) for number in range(STRINGS - 2)]
    lines += [b"s %x %s" % (len(name), name) for name in names]
    for number in range(1, POINTERS + 1):
        inlined = b"".join(b" %x 2 %x" % (3 + (number * 7 + k) % (STRINGS - 2), 90 + k) for k in range(number % 4))
        lines.append(b"i %x 1 %x 2 5f%s" % (0x55550000 + 16 * number, 3 + number % (STRINGS - 2), inlined))
    for number in range(1, TRACES + 1):
        # The runtime's own frames are one below the other; from there on everything branches.
        parent = number - 1 if number <= COMMON else int(random.integers(COMMON, number))
        lines.append(b"t %x %x" % (1 + number % POINTERS, parent))
    sizes = np.maximum(1, random.lognormal(5, 1.2, INFOS)).astype(np.int64)
    traces = 1 + np.minimum((random.pareto(1.1, INFOS) * 40).astype(np.int64), TRACES - 1)
    lines += [b"a %x %x" % pair for pair in zip(sizes.tolist(), traces.tolist(), strict=True)]
    return lines, sizes, traces


def _events(random: np.random.Generator, allocations: int, leaking: int) -> Iterator[Integers]:
    """Give blocks of keys, twice the info and one more for a free: short lives, a cache, and a leak."""
    due_at = np.zeros(0)
    due_of = np.zeros(0, np.int64)
    for begin in range(0, allocations, _BLOCK):
        number = min(_BLOCK, allocations - begin)
        # A few sizes come often, most seldom: so a line is as long on average as in a real recording, 6.2 bytes.
        infos = (INFOS * random.random(number) ** 3).astype(np.int64)
        at = begin + np.arange(number, dtype=np.float64)
        kind = random.random(number)
        lives = np.where(kind < 0.5, 0.5, np.where(kind < 0.97, random.exponential(300, number), 0.0))
        lives = np.where(kind >= 0.97, random.exponential(400_000, number), lives)
        leaked = kind > 0.9995
        infos[leaked] = leaking
        at_free = at + lives
        at_free[leaked] = np.inf
        due_at, due_of = np.append(due_at, at_free), np.append(due_of, infos)
        last = begin + number >= allocations
        now = np.isfinite(due_at) & (due_at < (np.inf if last else begin + number))
        keys = np.append(2 * infos, 2 * due_of[now] + 1)
        order = np.argsort(np.append(at, due_at[now]), kind="stable")
        due_at, due_of = due_at[~now], due_of[~now]
        yield keys[order]


def write(path: Path, events: int, seed: int = 1) -> Truth:
    """Write about so many events, packed with zstd.

    Parameters
    ----------
    path
        Where to.
    events
        Allocations and frees.
    seed
        Another one, another recording.

    Returns
    -------
    Truth
        What the file holds.
    """
    import pyarrow as pa

    random = np.random.default_rng(seed)
    lines, sizes, _ = _tables(random)
    signed = np.column_stack((sizes, -sizes)).ravel()
    words = [b"%s %x\n" % (sign, info) for info in range(INFOS) for sign in (b"+", b"-")]
    live = blocks = peak = written = allocated = stamp = leaked = 0
    leaking = INFOS - 1
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as out:
        stream: BinaryIO = out
        stream.write(b"\n".join(lines) + b"\n")
        for keys in _events(random, events // 2, leaking):
            cum = live + np.cumsum(signed[keys])
            peak, live = max(peak, int(cum.max())), int(cum[-1])
            frees = int((keys & 1).sum())
            allocated += len(keys) - frees
            blocks += len(keys) - 2 * frees
            leaked += int((keys == 2 * leaking).sum() - (keys == 2 * leaking + 1).sum()) * int(sizes[leaking])
            written += len(keys)
            listed = keys.tolist()
            for begin in range(0, len(listed), EVENTS_PER_STAMP):
                stamp += 10
                stream.write(b"".join(map(words.__getitem__, listed[begin : begin + EVENTS_PER_STAMP])))
                stream.write(b"c %x\nR %x\n" % (stamp, (live + (30 << 20)) >> 12))
        stream.write(b"\n# strings: %d\n# ips: %d\n" % (STRINGS, POINTERS))
    return Truth(allocated, written, live, blocks, peak, leaked)
