"""Draw the plan of the corpus: every run with its parameters and its intended truth.

Usage: ``python data/lab/plan.py [--hard | --odd] [--seed N] > plan.jsonl``. The same seed gives the same plan;
``--hard`` draws the part of the shapes that have fooled verdicts, ``--odd`` that of behaviours that look like others.
"""

from __future__ import annotations

import argparse
import json
from random import Random
from typing import TYPE_CHECKING, Any

import names
import shapes_odd
from drafts import MIB
from record import Run
from shapes import SHAPES
from shapes_hard import HARD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drafts import Draft

SEED = 20_261_125
SHORTEST_SECONDS, LONGEST_SECONDS = 200, 900
#: How long a leak may go on after its window until it meets its limit, in windows and in seconds.
AFTER_WINDOWS, AFTER_SECONDS = 3, 1100
#: Hard runs: their windows, the share of it that is watched after it, and one run per shape, part and kind.
HARD_WINDOW, HARD_FUTURE = (450, 540), 0.52
HARD_PARTS = ("hard", "hard_sealed")
#: What the names of a part's runs begin with, where it is not the part's own first letter.
PREFIXES = {"hard_sealed": "k"}

#: Allocator, settings, weight. The first is Debian's default; services on jemalloc differ in their decay.
_ALLOCATORS: tuple[tuple[str, dict[str, str], int], ...] = (
    ("glibc", {}, 36),
    ("glibc", {"MALLOC_ARENA_MAX": "2"}, 4),
    ("jemalloc", {}, 16),
    ("jemalloc", {"MALLOC_CONF": "background_thread:true"}, 12),
    ("jemalloc", {"MALLOC_CONF": "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:2000"}, 6),
    ("jemalloc", {"MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0"}, 4),
    ("jemalloc", {"MALLOC_CONF": "dirty_decay_ms:30000"}, 4),
    ("mimalloc", {}, 12),
    ("jemalloc_static", {"MALLOC_CONF": "background_thread:true"}, 4),
    ("jemalloc_static", {}, 4),
)


def _limit(random: Random, draft: Draft, window: int) -> tuple[int | None, int]:
    """Draw a limit, and how long the run may go on after its window."""
    rate = draft.rate_bytes_per_second or 1.0
    if draft.limit_bytes is not None:
        if not draft.leak:
            return int(draft.limit_bytes), 0
        life = (draft.limit_bytes - draft.level_bytes) / rate + window
        return int(draft.limit_bytes), int(1.5 * life) + 60
    if not draft.leak:
        if random.random() < 0.05:
            return None, 0
        factor = random.choice((random.uniform(1.08, 1.25), random.uniform(1.25, 1.8), random.uniform(1.8, 3.5)))
        return int(draft.peak_bytes * factor + 6 * MIB), 0
    left = random.uniform(0.15, 2.2) * window
    generous = random.random() < 0.3 or rate * window < 0.05 * draft.level_bytes
    if generous:
        return int(draft.peak_bytes * random.uniform(1.8, 4) + 6 * MIB), 0
    limit = max(draft.level_bytes + rate * left, draft.peak_bytes + 3 * MIB)
    left = (limit - draft.level_bytes) / rate
    return int(limit), int(min(1.5 * left + 60, AFTER_WINDOWS * window, AFTER_SECONDS))


def _hard_limit(random: Random, draft: Draft, window: int) -> int:
    """Draw a limit: half of the leaks meet it within their future, the other runs do not."""
    if draft.limit_bytes is not None:
        return int(draft.limit_bytes)
    left = random.choice((random.uniform(0.15, 0.4), random.uniform(0.8, 3))) * window
    if draft.rate_bytes_per_second is None:
        return int(draft.peak_bytes * random.uniform(1.25, 2.5) + 8 * MIB)
    return int(max(draft.level_bytes + draft.rate_bytes_per_second * left, draft.peak_bytes + 2 * MIB))


def _gaps(random: Random, window: int) -> list[list[int]]:
    if random.random() > 0.15:
        return []
    gaps = []
    for _ in range(random.choice((1, 1, 2))):
        start = random.randint(int(window * 0.1), int(window * 0.85))
        gaps.append([start, start + random.randint(3, max(4, int(window * 0.08)))])
    return gaps


def _with_back_off(random: Random, more: dict[str, Any]) -> dict[str, Any]:
    """Add a scale of the kubelet's back-off, unless the shape has its own."""
    return {"back_off_scale": round(random.choice((1 / 60, 1 / 15, 0.5)), 4)} | more


def _place(seed: int) -> tuple[str, str]:
    labels = names.draw(seed)
    return labels.namespace, labels.workload


def draw(shape: str, part: str, index: int, seed: int, taken: set[tuple[str, str]]) -> Run:
    """Draw one run.

    Parameters
    ----------
    shape, part, index
        Which it is: shape, ``dev`` or ``sealed``, and its number there.
    seed
        Of the plan.
    taken
        Namespaces and workloads in use; the new ones are added.

    Returns
    -------
    record.Run
        With the intended truth in its label.
    """
    random = Random(f"{seed}/{part}/{shape}/{index}")
    future: dict[str, int] = {}
    limit: int | None
    if part in HARD_PARTS:
        window = random.randint(*HARD_WINDOW)
        draft = HARD[shape.removesuffix("_like")](random, window, leak=not shape.endswith("_like"))
        limit, after = _hard_limit(random, draft, window), 0
        future = {"future_seconds": int(window * HARD_FUTURE)}
    else:
        window = int(SHORTEST_SECONDS * (LONGEST_SECONDS / SHORTEST_SECONDS) ** random.random())
        draft = SHAPES[shape].draw(random, window)
        limit, after = _limit(random, draft, window)
    allocator, environment, _ = random.choices(_ALLOCATORS, [weight for *_, weight in _ALLOCATORS])[0]
    more: dict[str, Any] = {"allocator": allocator, "environment": {} if "allocator" in draft.run else environment}
    more |= draft.run
    leaking_replica = more.pop("leaking_replica", None)
    run_seed = random.randrange(1 << 30)
    while _place(run_seed) in taken:
        run_seed += 1
    taken.add(_place(run_seed))
    label = {
        "part": part,
        "shape": shape,
        "leak": draft.leak,
        "decidable": not draft.undecidable,
        "reason": draft.undecidable,
        "pattern": draft.pattern,
        "cause": draft.cause,
        "needs": draft.needs,
        "onset_seconds": draft.onset_seconds,
        "rate_bytes_per_second": draft.rate_bytes_per_second and round(draft.rate_bytes_per_second),
        "level_bytes": round(draft.level_bytes),
        "peak_bytes": round(draft.peak_bytes),
        **future,
    }
    if leaking_replica is not None:
        label["leaking_replica"] = leaking_replica
    return Run(
        run=f"{PREFIXES.get(part, part[0])}{random.getrandbits(32):08x}",
        seed=run_seed,
        components=draft.components,
        limit_bytes=limit,
        request_bytes=int(draft.level_bytes * random.uniform(0.5, 1.1)) // MIB * MIB or MIB,
        window_seconds=window,
        after_seconds=after,
        gaps=_gaps(random, window),
        label=label,
        **_with_back_off(random, more),
    )


def plan(seed: int = SEED) -> Iterator[Run]:
    """Draw all runs, the longest first, so that the recording ends with short ones."""
    taken: set[tuple[str, str]] = set()
    runs = [
        draw(name, part, index, seed, taken)
        for name, shape in SHAPES.items()
        for part, count in (("dev", shape.dev), ("sealed", shape.sealed))
        for index in range(count)
    ]
    yield from sorted(runs, key=lambda run: -(run.window_seconds + run.after_seconds))


def plan_hard(seed: int = SEED) -> Iterator[Run]:
    """Draw the hard runs: each shape as a leak and as its look-alike, once for each part."""
    taken = {_place(run.seed) for run in plan(seed)}
    for name in HARD:
        for kind in (name, f"{name}_like"):
            for part in HARD_PARTS:
                yield draw(kind, part, 0, seed, taken)


def plan_odd(seed: int = shapes_odd.SEED) -> Iterator[Run]:
    """Write the odd runs down: only seeds are drawn."""
    random = Random(seed)
    for number, odd in enumerate(shapes_odd.ODD):
        yield Run(
            run=f"o{number:02d}{odd.name}{'L' if odd.leak else 'h'}",
            seed=random.randrange(1 << 30),
            components=[f"base:bytes={odd.base_mib}m,item=8k", f"traffic:{odd.traffic}", *odd.parts],
            allocator=odd.allocator,
            limit_bytes=odd.limit_mib * MIB,
            request_bytes=48 * MIB,
            window_seconds=shapes_odd.WINDOW_SECONDS,
            label={
                "part": "odd",
                "shape": odd.shape,
                "leak": odd.leak,
                "decidable": odd.told_from is not None,
                "reason": odd.undecidable,
                "pattern": "",
                "cause": "",
                "needs": odd.needs,
                "onset_seconds": odd.onset,
                "told_from_seconds": odd.told_from,
                "note": odd.note,
                "future_seconds": shapes_odd.FUTURE_SECONDS,
            },
            **odd.more,
        )


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--hard", dest="draw", action="store_const", const=plan_hard, default=plan)
    which.add_argument("--odd", dest="draw", action="store_const", const=plan_odd)
    given = parser.parse_args()
    for run in given.draw() if given.seed is None else given.draw(given.seed):
        print(json.dumps({name: getattr(run, name) for name in Run.__slots__}))


if __name__ == "__main__":
    main()
