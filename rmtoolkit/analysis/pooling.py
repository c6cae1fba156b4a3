"""Put lives together into instances, and instances into workloads: one weak trend repeated is a strong one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.records import HeapKind
from rmtoolkit.schema import Ending, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.analysis.records import HeapReading, Opinion, Reading

_SECONDS_PER_DAY: Final = 86_400
#: What kinds of reading decide something.
_DECIDES: Final = (HeapKind.GROWS, HeapKind.RESTS)


@dataclass(slots=True)
class Pool:
    """What several lives say together."""

    #: The lives that count, of the running version.
    opinions: list[Opinion]
    #: Probabilities, they sum to 1.
    growing: float
    bounded: float
    unresolved: float
    #: The life that stands for all of them.
    main: Opinion | None
    #: True when growth in life after life ends in kills or restarts.
    masked: bool = False
    #: The running version, when it no longer grows and an older one did.
    fixed_version: str | None = None
    #: The running version, when it grows and the lives of older versions were flat.
    since_version: str | None = None
    #: The version before the running one, where it is known.
    before_version: str | None = None
    #: Settled level of the running version less that of the one before; None where one is unknown.
    moved_bytes: float | None = None
    #: Lives that grow, that could be judged, and that ended in an OOM kill.
    lives_rising: int = 0
    lives_judged: int = 0
    kills: int = 0
    #: The running version was seen too shortly to judge; for so long the longest life before it was.
    young_release: bool = False
    longest_before_seconds: float | None = None
    #: No more probable is growth said to be.
    surest: float = 1.0
    #: What a heap profile of the workload says, beside these lives.
    heap: HeapReading | None = None


def _logit(value: float) -> float:
    clipped = min(max(value, 1 - th.MOST_SURE), th.MOST_SURE)
    return math.log(clipped / (1 - clipped))


def _chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def pool_lives(opinions: Sequence[Opinion]) -> Pool:
    """Pool the lives of one container instance."""
    usable = [opinion for opinion in opinions if opinion.reading is not None]
    if not usable:
        pool = Pool(list(opinions), 0.0, 0.0, 1.0, opinions[-1] if opinions else None)
        pool.kills = sum(opinion.life.ended == Ending.OOM_KILL for opinion in opinions)
        return pool
    if opinions[-1].signal is None and opinions[-1].life.version not in {None, usable[-1].life.version}:
        return _just_released(pool_lives(usable), opinions[-1:])
    current, older, short = _running_version(usable)
    pool = _combine(current)
    _unmask(pool, current)
    _weigh_endings(pool, current)
    if not older:
        return pool
    pool.moved_bytes = _moved(current, older)
    before = _combine(older)
    _unmask(before, older)
    if (
        short
        and len({opinion.life.version for opinion in older if opinion.growing > th.HARDLY_GROWS}) > 1
        and before.growing > th.LEAKED_BEFORE
    ):
        # Releases did not end it before: one more, just begun, is no reason to think it did.
        pool.growing, pool.bounded, pool.unresolved = before.growing, before.bounded, before.unresolved
        pool.main, pool.masked = before.main, before.masked
    elif short and pool.growing > th.LIKELY and before.growing > th.LEAKED_BEFORE:
        # The new version has begun as the old one did: what agrees is surer than either.
        pool.growing = _chance(_logit(pool.growing) + th.INDEPENDENCE * _logit(before.growing))
        pool.bounded = min(pool.bounded, 1 - pool.growing)
        pool.unresolved = 1 - pool.growing - pool.bounded
        pool.main = before.main
    elif short:
        _wait_for_release(pool, before)
    elif pool.bounded > th.CLEAN_FROM and before.growing > th.LEAKED_BEFORE:
        pool.fixed_version = _version(current)
    elif pool.growing > th.LEAKED_BEFORE and before.bounded > th.CLEAN_FROM:
        pool.since_version = _version(current)
    pool.before_version = _version(older)
    return pool


def _hold_one_rise(pool: Pool) -> None:
    """A straight rise of one life since its start may be a cache that has not met its bound."""
    row = pool.main.reading if pool.main is not None else None
    if row is None or row.onset > th.STARTUP_SHARE or row.begun_at > 2 * th.BEGUN_SHARE or row.teeth >= th.TEETH:
        return
    most = th.ONE_RISE if row.samples >= th.ONE_RISE_SAMPLES else th.ONE_RISE_EARLY
    over = max(pool.growing - most, 0.0)
    pool.growing, pool.unresolved, pool.surest = pool.growing - over, pool.unresolved + over, th.ONE_RISE


def _version(opinions: Sequence[Opinion]) -> str | None:
    """Version of the youngest of some lives; None where it is unknown."""
    return max(opinions, key=lambda opinion: opinion.life.start).life.version


def _wait_for_release(pool: Pool, before: Pool) -> None:
    """A release that was seen too shortly neither proves nor disproves what came before it."""
    main = before.main
    settled = main.reading.settled if main is not None and main.reading is not None else 0.0
    same = pool.moved_bytes is not None and abs(pool.moved_bytes) <= th.SAME_LEVEL * settled
    if before.bounded > th.CLEAN_FROM and same:
        pool.growing, pool.bounded, pool.unresolved, pool.main = before.growing, before.bounded, before.unresolved, main
        return
    pool.growing, pool.bounded, pool.unresolved = th.YOUNG_RELEASE, th.YOUNG_RELEASE, 1 - 2 * th.YOUNG_RELEASE
    pool.young_release = True
    pool.longest_before_seconds = max(opinion.life.seconds for opinion in before.opinions)


def _just_released(pool: Pool, running: Sequence[Opinion]) -> Pool:
    """A version that was seen too shortly to judge clears no leak of the one before."""
    leaky = {opinion.life.version for opinion in pool.opinions if opinion.growing > th.HARDLY_GROWS}
    if pool.growing > th.LEAKED_BEFORE and len(leaky) <= 1:
        pool.before_version = _version(pool.opinions)
        pool.young_release = True
        pool.longest_before_seconds = max(opinion.life.seconds for opinion in pool.opinions)
        pool.opinions = [*pool.opinions, *running]
        pool.growing, pool.bounded, pool.unresolved = th.YOUNG_RELEASE, th.YOUNG_RELEASE, 1 - 2 * th.YOUNG_RELEASE
    return pool


def _moved(current: Sequence[Opinion], older: Sequence[Opinion]) -> float | None:
    """Settled level now less settled level before, both as the median over their lives."""
    levels = [[opinion.reading.settled for opinion in part if opinion.reading is not None] for part in (current, older)]
    return float(np.median(levels[0]) - np.median(levels[1])) if all(levels) else None


def _running_version(opinions: list[Opinion]) -> tuple[list[Opinion], list[Opinion], bool]:
    """Split off the lives of older versions; say whether the running one was seen too shortly to judge."""
    running = opinions[-1].life.version
    current = [opinion for opinion in opinions if opinion.life.version == running]
    older = [opinion for opinion in opinions if opinion.life.version != running]
    longest = max(opinion.life.seconds for opinion in opinions)
    if older and max(opinion.life.seconds for opinion in current) < th.SHORT * longest:
        return current, older, True
    return current, older, False


def _combine(opinions: Sequence[Opinion]) -> Pool:
    longest = max(opinion.life.seconds for opinion in opinions)
    weights = [
        1.0 if opinion.life.seconds >= longest else th.INDEPENDENCE * opinion.life.seconds / max(longest, 1e-9)
        for opinion in opinions
    ]
    for index, opinion in enumerate(opinions):
        if opinion.life.seconds < th.SHORT * longest:
            weights[index] = 0.0
        elif opinion.life.ended != Ending.RUNNING and _ends_in_jump(opinion) and index < len(opinions) - 1:
            weights[index] *= th.JUMPED
    whole = max(sum(weights), 1e-9)
    if whole < 1:
        weights = [weight / whole for weight in weights]
    grows = sum(weight * _logit(opinion.growing) for weight, opinion in zip(weights, opinions, strict=True))
    bound = sum(weight * _logit(opinion.bounded) for weight, opinion in zip(weights, opinions, strict=True))
    if len(opinions) == 1:
        only = opinions[0]
        chances = (only.growing, only.bounded, only.unresolved)
    else:
        growing, bounded = _chance(grows), _chance(bound)
        unresolved = max(0.0, 1 - growing - bounded)
        total = growing + bounded + unresolved
        chances = (growing / total, bounded / total, unresolved / total)
    main = max(opinions, key=lambda opinion: (opinion.life.seconds >= th.STANDS_FOR_ALL * longest, opinion.life.start))
    return Pool(list(opinions), *chances, main)


def _ends_in_jump(opinion: Opinion) -> bool:
    """Whether a life ends in a burst that its end cut off: it says nothing about the lives after it."""
    row = opinion.reading
    if row is None or opinion.growing >= th.HARDLY_GROWS:
        return False
    return row.top > th.JUMP_RATIO * row.middle_level and row.middle_level < th.JUMP_RATIO * row.early_level


def _unmask(pool: Pool, opinions: Sequence[Opinion]) -> None:
    """See a leak that restarts keep hiding: the same growth in every life, ended by kills."""
    rising: list[tuple[Opinion, Reading]] = []
    for opinion in opinions:
        row = opinion.reading
        if row is None or opinion.growing + opinion.unresolved <= th.LIKELY:
            continue
        if row.mean_rise > 0 and row.growth_per_day > 0:
            rising.append((opinion, row))
    ended = [opinion for opinion in opinions if opinion.life.ended != Ending.RUNNING]
    kills = [opinion for opinion in ended if opinion.life.ended == Ending.OOM_KILL]
    pool.lives_rising = len(rising)
    pool.lives_judged = len(opinions)
    pool.kills = len(kills)
    if len(rising) < th.MASKED_LIVES or len(rising) < th.MASKED_SHARE * len(opinions) or not ended:
        return
    slopes = np.array([row.growth_per_day for _, row in rising])
    spread = float(
        np.median(np.abs(slopes - np.median(slopes))) * th.DEVIATIONS_PER_MAD / max(float(np.median(slopes)), 1e-9)
    )
    if spread > th.AGREEING:
        return
    # Sums of weights may be above 1 by a rounding error.
    typical = min(float(np.median([opinion.growing for opinion, _ in rising])), 1.0)
    if typical < th.MASKED_GROWING:
        # The same deceleration in every life is a warm-up that restarts keep interrupting.
        return
    pool.masked = True
    gain = 1 - (1 - typical) ** (th.INDEPENDENCE * len(rising))
    pool.growing = max(pool.growing, gain)
    rest = pool.bounded + pool.unresolved
    scale = (1 - pool.growing) / rest if rest > 0 else 0.0
    pool.bounded, pool.unresolved = pool.bounded * scale, pool.unresolved * scale


def _weigh_endings(pool: Pool, opinions: Sequence[Opinion]) -> None:
    """A climb into the limit that comes again is a leak whatever its shape; no rest is known after one kill."""
    killed = [opinion for opinion in opinions if opinion.life.ended == Ending.OOM_KILL]
    outlived = [opinion for opinion in killed if opinion.life.samples >= th.OUTLIVED_SAMPLES]
    climbs = [opinion for opinion in outlived if _climbed(opinion) >= th.CLIMBED]
    longest = max(opinion.life.samples for opinion in opinions)
    failed = [opinion for opinion in opinions if opinion.life.ended == Ending.ERROR]
    if len(climbs) >= th.CLIMBS and len(climbs) >= len(killed) / 2:
        more = max(th.CLIMBS_LEAK - pool.growing, 0.0)
        rest = max(pool.bounded + pool.unresolved, 1e-9)
        pool.growing += more
        pool.bounded, pool.unresolved = (part * (1 - more / rest) for part in (pool.bounded, pool.unresolved))
        pool.masked = True
    elif (killed and longest < th.OUTLIVED_SAMPLES) or (
        len(failed) > len(opinions) / 2 and not killed and longest < th.ONE_RISE_SAMPLES
    ):
        # Lives that never outlive their start show what it needs, or a leak: nobody can tell.
        over = max(pool.growing - th.ONE_RISE_EARLY, 0.0)
        pool.growing, pool.unresolved = pool.growing - over, pool.unresolved + over
    last = opinions[-1]
    outlasted = last.bounded > th.CLEAN_FROM and all(last.life.seconds >= opinion.life.seconds for opinion in killed)
    if not outlasted and any(_climbed(opinion) >= th.CLIMBED / 2 for opinion in killed):
        moved = th.FORCED_REST * pool.bounded
        pool.bounded, pool.unresolved = pool.bounded - moved, pool.unresolved + moved


def _climbed(opinion: Opinion) -> float:
    """How much of the way to its limit a life went, as its footprint shows it, before its last eighth."""
    whole, limit = opinion.footprint or opinion.reading, opinion.life.limit_bytes
    if whole is None or not limit:
        return 0.0
    return (whole.end_level - whole.early_level) / max(limit - whole.early_level, 1.0)


def pool_instances(pools: Sequence[Pool]) -> tuple[Pool, int, int]:
    """Pool the instances (pods) of one workload container."""
    answer, growing, judged = _pool_instances(pools)
    if sum(opinion.reading is not None for pool in pools for opinion in pool.opinions) == 1:
        _hold_one_rise(answer)
    return answer, growing, judged


def _pool_instances(pools: Sequence[Pool]) -> tuple[Pool, int, int]:
    judged = [pool for pool in pools if pool.main is not None and pool.main.reading is not None]
    if not judged:
        return pools[0], 0, 0
    starts = [pool.main.life.start for pool in judged if pool.main is not None]
    newest = judged[starts.index(max(starts))]
    version = newest.main.life.version if newest.main is not None else None
    longest = max(_duration(pool) for pool in judged)
    running = [pool for pool in judged if pool.main is not None and pool.main.life.version == version]
    older = [pool for pool in judged if pool not in running]
    young: list[Opinion] = []
    if older and max(_duration(pool) for pool in running) < th.SHORT * longest:
        if all(pool.growing <= th.LIKELY for pool in running) and _are_gone(older, running):
            young = [opinion for pool in running for opinion in pool.opinions]
        running, older = judged, []
    latest = max(pools, key=lambda pool: pool.opinions[-1].life.start) if all(p.opinions for p in pools) else newest
    if latest not in judged and latest.opinions[-1].life.version not in {None, version} and _are_gone(judged, [latest]):
        young = latest.opinions
    growing = [pool for pool in running if pool.growing > th.LIKELY]
    if len(running) == 1:
        answer = running[0]
    else:
        odds = [_logit(pool.growing) for pool in running]
        # The best of n looks better than it is; several that agree are better than they look.
        best = max(odds) - th.BEST_OF_MANY * math.log(len(running))
        together = th.INDEPENDENCE * sum(odds) / math.sqrt(len(odds))
        chance = _chance(max(best, together)) if growing else _chance(together if together > 0 else max(odds))
        worst = min((pool for pool in running if _duration(pool) >= th.SHORT * longest), key=lambda pool: pool.bounded)
        bounded = min(worst.bounded, 1 - chance)
        main = max(running, key=lambda pool: (pool.growing > th.LIKELY, pool.growing if growing else _duration(pool)))
        if not growing and worst.bounded < th.LIKELY:
            main = worst
        answer = Pool(
            [opinion for pool in running for opinion in pool.opinions],
            chance,
            bounded,
            max(0.0, 1 - chance - bounded),
            main.main,
            masked=main.masked,
            fixed_version=main.fixed_version,
            since_version=main.since_version,
            before_version=main.before_version,
            lives_rising=main.lives_rising,
            lives_judged=main.lives_judged,
            kills=main.kills,
            young_release=main.young_release,
            longest_before_seconds=main.longest_before_seconds,
        )
    if young:
        return _just_released(answer, young), len(growing), len(running)
    if older:
        answer.moved_bytes = _moved(
            [opinion for pool in running for opinion in pool.opinions],
            [opinion for pool in older for opinion in pool.opinions],
        )
    if (
        older
        and answer.bounded > th.CLEAN_FROM
        and max(pool.growing for pool in older) > th.LEAKED_BEFORE
        and version is not None
    ):
        answer.fixed_version = version
    if (
        older
        and answer.growing > th.LEAKED_BEFORE
        and min(pool.bounded for pool in older) > th.CLEAN_FROM
        and version is not None
    ):
        answer.since_version = version
    if older and answer.before_version is None:
        answer.before_version = _version([opinion for pool in older for opinion in pool.opinions])
    return answer, len(growing), len(running)


def _are_gone(older: Sequence[Pool], newer: Sequence[Pool]) -> bool:
    """Whether some instances had ended by the middle of the lives of others, which replace them."""
    ends = [opinion.life.end for pool in older for opinion in pool.opinions]
    lives = [opinion.life for pool in newer for opinion in pool.opinions]
    start, end = min(life.start for life in lives), max(life.end for life in lives)
    return max(ends) <= start + (end - start) / 2


def _duration(pool: Pool) -> float:
    return max((opinion.life.seconds for opinion in pool.opinions), default=0.0)


def with_heap(pool: Pool, reading: HeapReading | None) -> Pool:
    """Let a heap profile speak about a workload."""
    main = pool.main
    if reading is None or main is None or main.reading is None:
        return pool
    heard = replace(reading, kind=_heard(pool, main.reading, reading))
    growing, bounded, unresolved = pool.growing, pool.bounded, pool.unresolved
    if heard.kind == HeapKind.GROWS:
        growing, unresolved = growing + th.HEAP_SETTLES * unresolved, (1 - th.HEAP_SETTLES) * unresolved
        growing *= th.HEAP_ODDS
    elif heard.kind == HeapKind.RESTS and main.signal != Signal.ALLOCATED and not main.threads_grow:
        # What grows is not in the heap that was seen; whether it ends elsewhere is another question.
        taken = growing * (1 - 1 / th.HEAP_ODDS)
        growing, unresolved = growing - taken, unresolved + taken
    whole = growing + bounded + unresolved
    return replace(pool, growing=growing / whole, bounded=bounded / whole, unresolved=unresolved / whole, heap=heard)


def _heard(pool: Pool, judged: Reading, reading: HeapReading) -> HeapKind:
    """What a profile says beside what was recorded."""
    if reading.kind not in _DECIDES:
        return reading.kind
    recorded = max(judged.growth_per_day, 0.0) / _SECONDS_PER_DAY if pool.bounded < th.CLEAN_FROM else 0.0
    if reading.kind == HeapKind.GROWS:
        rate = reading.growth_bytes_per_second
        return HeapKind.SMALL if rate is not None and rate < th.HEAP_EXPLAINS * recorded else HeapKind.GROWS
    if not recorded:
        return HeapKind.RESTS
    # In the stretch that the profile measured, so much would have come.
    due = recorded * (reading.seconds or 0.0)
    return HeapKind.RESTS if due >= max(th.HEAP_LEAST, th.HEAP_SHOWS * reading.moved_bytes) else HeapKind.SHORT


def decides(pool: Pool) -> bool:
    """Tell whether the verdict rests on a heap profile as well: evidence level 5."""
    return pool.heap is not None and pool.heap.kind in _DECIDES


def names_leak(pool: Pool) -> str | None:
    """Name the code that leaks, where a profile does."""
    heap = pool.heap
    return heap.suspects[0].function if heap is not None and heap.kind == HeapKind.GROWS and heap.suspects else None
