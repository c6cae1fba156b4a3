"""Program shapes that have fooled verdicts: each is a leak, and beside it a look-alike that loses nothing.

Each draws its service, what it does, and the growth from its onset to the window's end; the look-alike is drawn alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from drafts import KINDS, MIB, Draft, Service, leak_part, lru_part, service_of, whole

if TYPE_CHECKING:
    from random import Random


class Hard(Protocol):
    """Draws one or the other."""

    def __call__(self, random: Random, window: int, *, leak: bool) -> Draft:
        """Draw the leak or its look-alike."""
        ...


_SETTLES = "warm_up|plateau|step"


def _draft(
    service: Service,
    parts: list[str],
    grown: float,
    pattern: str,
    *,
    beside: float = 0.0,
    peak: float = 0.0,
    rate: float | None = None,
    onset: int = 0,
    undecidable: str = "",
    needs: str = "",
    cause: str = "heap",
    limit_bytes: float | None = None,
) -> Draft:
    """Make the draft of a service that has grown by so much at the window's end; with a rate it leaks."""
    level = service.level + grown + beside
    return Draft(
        [*service.components, *parts],
        level,
        max(peak, level * 1.04),
        leak=rate is not None,
        pattern=pattern,
        cause=cause,
        undecidable=undecidable,
        onset_seconds=None if rate is None else onset,
        rate_bytes_per_second=rate,
        needs=needs,
        limit_bytes=limit_bytes,
    )


def _leak(random: Random, grown: float, seconds: float, extra: str = "", *, per_request: float | None = None) -> str:
    return leak_part(random, random.choice(KINDS), grown / seconds, extra, per_request=per_request)


def wave(random: Random, window: int, *, leak: bool) -> Draft:
    """Swing with a daily load by far more than is lost below it, or than a cache below it takes until it is full."""
    period = int(window / random.uniform(2.4, 4))
    traffic = f"kind=diurnal,period={period},depth={random.uniform(0.5, 0.8):.2f},phase={random.random():.2f}"
    service = service_of(random, traffic, weight=random.uniform(0.6, 1.0))
    grown = service.level * random.uniform(0.12, 0.3)
    peak = service.level * 1.8 + grown
    if leak:
        return _draft(service, [_leak(random, grown, window)], grown, "leak", rate=grown / window, peak=peak)
    cache, _ = lru_part(random, service, window * random.uniform(0.2, 0.35), grown / service.level)
    return _draft(service, [cache], grown, "periodic|warm_up|plateau", cause="traffic|heap", peak=peak)


def office(random: Random, window: int, *, leak: bool) -> Draft:
    """Grow in business hours only."""
    period, open_ = int(window / random.uniform(3.2, 5)), random.uniform(0.3, 0.45)
    traffic = f"kind=hours,period={period},depth={open_:.2f},phase={random.uniform(0, 0.9):.2f}"
    service = service_of(random, traffic)
    grown = service.level * random.uniform(0.2, 0.6)
    if leak:
        part = _leak(random, grown, window * open_, per_request=service.rate)
        return _draft(service, [part], grown, "leak|periodic", rate=grown / window)
    cache, _ = lru_part(random, service, window * open_ * random.uniform(0.25, 0.4), grown / service.level)
    return _draft(service, [cache], grown, f"{_SETTLES}|periodic", cause="heap|traffic|")


def nights(random: Random, window: int, *, leak: bool) -> Draft:
    """Run a nightly job that leaves something each time, or only the first times."""
    every = int(window / random.uniform(3.4, 5.5))
    service = service_of(random)
    residue = service.level * random.uniform(0.06, 0.15)
    spike, at = service.level * random.uniform(0.2, 0.6), int(every * random.uniform(0.3, 0.7))
    most = 0 if leak else whole(residue * random.choice((1, 1.5)))
    part = (
        f"job:every={every},at={at},seconds={random.randint(3, 8)},bytes={whole(spike)},item=8k,"
        f"residue={whole(residue)},most={most}"
    )
    grown = residue * (window // every) if leak else most
    rate = residue / every if leak else None
    pattern = "leak" if leak else "step|burst|periodic|sawtooth|retention|plateau"
    return _draft(service, [part], grown, pattern, rate=rate, onset=at, peak=service.level + grown + spike)


def flag(random: Random, window: int, *, leak: bool) -> Draft:
    """Switch something on late in the window: a leak, or a cache that is soon full."""
    service = service_of(random)
    at = int(window * (random.uniform(0.6, 0.7) if leak else random.uniform(0.45, 0.55)))
    grown = service.level * random.uniform(0.15, 0.4)
    if leak:
        part = _leak(random, grown, window - at, f",after={at}")
        return _draft(service, [part], grown, "leak", rate=grown / (window - at), onset=at)
    count = random.randint(12, 25)
    part = f"reload:at={at},every=2,count={count},bytes={whole(grown / count)},item=4k"
    return _draft(service, [part], grown, "step|warm_up", cause="heap|release|")


def faster(random: Random, window: int, *, leak: bool) -> Draft:
    """Grow faster and faster; the look-alike stops in the middle of the window."""
    service = service_of(random)
    grown = service.level * random.uniform(0.3, 0.9)
    if leak:
        double = int(window / random.uniform(2, 3.5))
        first = grown * 0.6931 / double / (2 ** (window / double) - 1)
        part = leak_part(random, random.choice(KINDS), first, f",double={double}")
        return _draft(service, [part], grown, "leak", rate=first * 2 ** (window / double))
    end, steps, power = window * random.uniform(0.45, 0.55), 40, random.uniform(2, 3)
    parts = []
    for place in range(0, steps, 2):
        size = grown * (((place + 2) / steps) ** power - (place / steps) ** power)
        parts.append(f"reload:at={int(end * (place + 1) / steps)},bytes={whole(max(size, 4096))},item=2k")
    return _draft(service, parts, grown, _SETTLES, cause="heap|startup|")


def doublings(random: Random, window: int, *, leak: bool) -> Draft:
    """Fill a hash table that doubles once or twice in the window, without an end or up to a number of entries."""
    service = service_of(random)
    entries = int(service.level * random.uniform(0.5, 1.0) / 64)
    start = int(entries / random.uniform(3, 6))
    end = window if leak else window * random.uniform(0.35, 0.5)
    rate = (entries - start) / end
    part = f"table:start={start},rate={rate:.2f}" + ("" if leak else f",most={entries}")
    grown = (entries - start) * 64 * 1.5
    pattern = "leak|step" if leak else _SETTLES
    peak = service.level + entries * 64 * 3.5
    return _draft(service, [part], grown, pattern, beside=start * 64, rate=rate * 64 if leak else None, peak=peak)


def hump(random: Random, window: int, *, leak: bool) -> Draft:
    """Hold much early, which is given back; what grows after it stays below."""
    service = service_of(random)
    spike = service.level * random.uniform(0.8, 1.5)
    job = f"job:at=5,seconds={int(window * random.uniform(0.12, 0.25))},bytes={whole(spike)},item=64k"
    grown = service.level * random.uniform(0.15, 0.4)
    peak = service.level + spike + grown * 0.3
    if leak:
        part = _leak(random, grown, window)
        return _draft(service, [job, part], grown, "leak", rate=grown / window, peak=peak)
    cache, _ = lru_part(random, service, window * random.uniform(0.25, 0.35), grown / service.level)
    return _draft(service, [job, cache], grown, f"startup_spike|burst|retention|{_SETTLES}", peak=peak)


def behind_a_cache(random: Random, window: int, *, leak: bool) -> Draft:
    """Fill a large cache in the first third; behind it a leak shows, or a second cache that is full before the end."""
    service = service_of(random)
    cache, held = lru_part(random, service, window * random.uniform(0.2, 0.3), random.uniform(0.6, 1.2))
    grown = service.level * random.uniform(0.2, 0.5)
    if leak:
        part = _leak(random, grown, window)
        return _draft(service, [cache, part], grown, "leak", beside=held, rate=grown / window)
    second, _ = lru_part(random, service, window * random.uniform(0.35, 0.45), grown / service.level)
    return _draft(service, [cache, second], grown, _SETTLES, beside=held)


def pauses(random: Random, window: int, *, leak: bool) -> Draft:
    """Grow with pauses, the last of which lasts to the window's end: no longer than the others, or far longer."""
    service = service_of(random)
    grown = service.level * random.uniform(0.3, 0.7)
    count = random.choice((3, 4))
    rest = int(window * (random.uniform(0.1, 0.13) if leak else random.uniform(0.04, 0.06)))
    last = int(rest * random.uniform(0.7, 0.95)) if leak else int(window * random.uniform(0.4, 0.5))
    run = (window - last - rest * (count - 1)) // count
    parts = []
    # After the window a leak goes on as it did before.
    for place in range(count + (6 if leak else 0)):
        begin = place * (run + rest)
        if leak:
            end = begin + run
            parts.append(f"leak:kind=vec,bytes={whole(grown / count / run)},item=1500,after={begin},until={end}")
        else:
            parts.append(f"reload:at={begin},every=1,count={run},bytes={whole(grown / count / run)},item=1500")
    rate = grown / count / (run + rest) if leak else None
    return _draft(service, parts, grown, "leak|step" if leak else _SETTLES, rate=rate)


def teeth(random: Random, window: int, *, leak: bool) -> Draft:
    """Show three teeth, each from a higher floor or from the same."""
    service = service_of(random)
    period = int(window / random.uniform(3.25, 3.8))
    tooth = service.level * random.uniform(0.3, 0.8)
    residue = service.level * random.uniform(0.08, 0.2) if leak else 0
    part = f"sawtooth:bytes={whole(tooth)},period={period},jitter=0.05,item=4k,residue={whole(residue)}"
    pattern = "leak|sawtooth" if leak else "sawtooth|retention|periodic"
    rate = residue / period if leak else None
    peak = service.level + tooth * 1.1 + residue * 3
    return _draft(service, [part], residue * 3, pattern, beside=tooth / 2, rate=rate, onset=period, peak=peak)


def floors(random: Random, window: int, *, leak: bool) -> Draft:
    """Raise the floor of teeth whose tops stay: what is left of each takes the room of the next."""
    service = service_of(random)
    count = random.randint(7, 11)
    tooth = service.level * random.uniform(0.6, 1.0)
    # The teeth get shorter as the floor rises, so that more of them fit.
    grown = tooth * (random.uniform(0.2, 0.3) if leak else random.uniform(0.15, 0.25))
    residue = grown / count / (1.25 if leak else 0.4)
    part = (
        f"sawtooth:bytes={whole(tooth)},period={window // count},item=4k,residue={whole(residue)},"
        f"top={whole(tooth)},most={0 if leak else whole(grown)}"
    )
    pattern = "leak|sawtooth" if leak else "sawtooth|retention|warm_up"
    rate = grown / window if leak else None
    peak = service.level + tooth * 1.1
    return _draft(service, [part], grown, pattern, beside=tooth / 3, rate=rate, onset=window // count, peak=peak)


def child(random: Random, window: int, *, leak: bool) -> Draft:
    """Run a worker process: it leaks until the kernel kills it, or is replaced in time by its parent."""
    service = service_of(random, level=random.uniform(8, 14) * MIB)
    bytes_ = random.uniform(10, 20) * MIB
    life = window / random.uniform(3.3, 4.8)
    grown = bytes_ * random.uniform(1.5, 3)
    words = f"child:bytes={whole(bytes_)},item=4k"
    if leak:
        limit = service.level + bytes_ + grown + 10 * MIB
        part = f"{words},leak={whole((grown + 6 * MIB) / life)}"
        pattern = "leak|sawtooth|at_limit"
        return _draft(
            service, [part], grown, pattern, beside=bytes_, rate=grown / life, limit_bytes=limit, peak=limit, needs=""
        )
    part = f"{words},batch={whole(grown / life)},age={int(life)}"
    return _draft(service, [part], grown / 2, "sawtooth|retention|periodic", beside=bytes_, cause="heap|")


def errors(random: Random, window: int, *, leak: bool) -> Draft:
    """End with an error again and again: when a leak has grown too large, or long before anything can be seen."""
    service = service_of(random)
    if leak:
        life = window / random.uniform(3.3, 5)
        grown = service.level * random.uniform(0.5, 1.2)
        parts = [_leak(random, grown, life), f"exit:above={whole(service.level + grown)}"]
        return _draft(service, parts, grown, "leak", rate=grown / life, needs="restarts", peak=service.level + grown)
    life = random.randint(14, 30)
    load = service.level * random.uniform(0.5, 1.5)
    parts = [
        f"startup:bytes={whole(load)},seconds={life},hold=100,kept=1,item=32k",
        f"exit:age={life - random.randint(1, 5)}",
    ]
    why = "no life outlasts its start-up"
    pattern = "startup_spike|insufficient_data|warm_up"
    return _draft(service, parts, load, pattern, cause="startup|", undecidable=why, needs="restarts")


def late_bound(random: Random, window: int, *, leak: bool) -> Draft:
    """Rise from the beginning to the end of the window, without a bound or with one that is met in the future."""
    service = service_of(random)
    grown = service.level * random.uniform(0.4, 1.0)
    if leak:
        part = f"cache:fresh=1,bytes={max(64, whole(grown / window / service.rate))}"
        return _draft(service, [part], grown, "leak", rate=grown / window)
    cache, held = lru_part(random, service, window * random.uniform(0.8, 1.0), 1.4 * grown / service.level)
    return _draft(
        service,
        [cache],
        grown,
        "warm_up|insufficient_data|unexplained_growth|leak",
        peak=service.level + held,
        undecidable="the bound is met only after the window",
    )


#: By name: the leak is called as the shape, its look-alike with `_like`.
HARD: dict[str, Hard] = {
    "wave": wave,
    "office": office,
    "nights": nights,
    "flag": flag,
    "faster": faster,
    "doublings": doublings,
    "hump": hump,
    "behind_a_cache": behind_a_cache,
    "pauses": pauses,
    "teeth": teeth,
    "floors": floors,
    "child": child,
    "errors": errors,
    "late_bound": late_bound,
}
