"""Program shapes that lose memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drafts import (
    KINDS,
    MIB,
    Draft,
    Service,
    between,
    file_part,
    growth_rate,
    leak_part,
    lru_part,
    service_of,
    startup_part,
    whole,
)

if TYPE_CHECKING:
    from random import Random


def _leaking(
    service: Service,
    parts: list[str],
    rate: float,
    window: int,
    onset: int,
    *,
    beside: float = 0.0,
    peak: float = 0.0,
    pattern: str = "leak",
    cause: str = "heap",
    undecidable: str = "",
    needs: str = "",
    limit_bytes: float | None = None,
    run: dict[str, Any] | None = None,
) -> Draft:
    """Make the draft of a leak that adds `rate` bytes per second from `onset` on, `beside` what else is held."""
    level = service.level + rate * (window - onset) + beside
    return Draft(
        [*service.components, *parts],
        level,
        max(peak, level * 1.03),
        leak=True,
        pattern=pattern,
        cause=cause,
        undecidable=undecidable,
        onset_seconds=onset,
        rate_bytes_per_second=rate,
        needs=needs,
        limit_bytes=limit_bytes,
        run=run or {},
    )


def steady_leak(random: Random, window: int) -> Draft:
    """Leak at a constant rate from the beginning."""
    service = service_of(random)
    rate = growth_rate(random, service, window)
    return _leaking(service, [leak_part(random, random.choice(KINDS), rate)], rate, window, 0)


def request_leak(random: Random, window: int) -> Draft:
    """Leak per request under constant traffic."""
    service = service_of(random)
    rate = growth_rate(random, service, window)
    return _leaking(service, [leak_part(random, random.choice(KINDS), rate, per_request=service.rate)], rate, window, 0)


def cycle_leak(random: Random, window: int) -> Draft:
    """Leak reference-counted nodes that point at each other."""
    service = service_of(random)
    rate = growth_rate(random, service, window)
    return _leaking(service, [leak_part(random, "rc", rate, per_request=service.rate)], rate, window, 0)


def backlog_leak(random: Random, window: int) -> Draft:
    """Fill a channel whose receiver does not read."""
    service = service_of(random)
    rate = growth_rate(random, service, window)
    return _leaking(service, [leak_part(random, "channel", rate)], rate, window, 0)


def endless_cache(random: Random, window: int) -> Draft:
    """Fill a cache without a bound whose keys never repeat."""
    service = service_of(random)
    rate = growth_rate(random, service, window)
    return _leaking(service, [f"cache:fresh=1,bytes={max(64, whole(rate / service.rate))}"], rate, window, 0)


def release_leak(random: Random, window: int) -> Draft:
    """Leak from a release in the middle of the window on."""
    service = service_of(random)
    at = int(window * random.uniform(0.3, 0.55))
    rate = growth_rate(random, service, window - at)
    part = leak_part(random, random.choice(KINDS), rate, ",from_version=2")
    return _leaking(
        service, [part], rate, window, at, needs="versions", run={"releases": [at], "replicas": random.choice((1, 2))}
    )


def replica_leak(random: Random, window: int) -> Draft:
    """Leak in one of several replicas."""
    service = service_of(random)
    replicas = random.choice((2, 3))
    only = random.randrange(replicas)
    rate = growth_rate(random, service, window)
    part = leak_part(random, random.choice(KINDS), rate, f",replica={only}")
    return _leaking(service, [part], rate, window, 0, run={"replicas": replicas, "leaking_replica": only})


def killed_leak(random: Random, window: int) -> Draft:
    """Leak up to the limit several times within the window."""
    service = service_of(random)
    lives = random.uniform(3.2, 6)
    rate = service.level * random.uniform(0.7, 1.8) * lives / window
    life = window / lives
    return _leaking(
        service,
        [leak_part(random, random.choice(KINDS), rate)],
        rate,
        window,
        0,
        needs="restarts",
        limit_bytes=(service.level + rate * life) * 1.03 + 2 * MIB,
    )


def job_leak(random: Random, window: int) -> Draft:
    """Run a job that leaves something behind each time."""
    service = service_of(random)
    every = max(20, int(window / random.uniform(5, 10)))
    rate = growth_rate(random, service, window, 0.25, 1.2)
    bytes_ = service.level * random.uniform(0.05, 0.4)
    at, seconds = int(every * random.uniform(0.2, 0.8)), random.randint(2, 5)
    residue = whole(rate * every)
    part = f"job:every={every},at={at},seconds={seconds},bytes={whole(bytes_)},item=8k,residue={residue}"
    return _leaking(service, [part], rate, window, every, beside=bytes_)


def rising_sawtooth(random: Random, window: int) -> Draft:
    """Gather and drop batches, from a floor that rises."""
    service = service_of(random)
    period = max(12, int(window / random.uniform(5, 14)))
    tooth = service.level * random.uniform(0.25, 0.9)
    rate = growth_rate(random, service, window, 0.25, 1.0)
    jitter, residue = random.choice((0, 0.1, 0.25)), whole(rate * period)
    part = f"sawtooth:bytes={whole(tooth)},period={period},jitter={jitter},item=4k,residue={residue}"
    return _leaking(service, [part], rate, window, period, beside=tooth, pattern="leak|sawtooth")


def warm_up_then_leak(random: Random, window: int) -> Draft:
    """Fill a bounded cache, then leak."""
    service = service_of(random)
    fill = window * random.uniform(0.08, 0.2)
    cache, held = lru_part(random, service, fill, random.uniform(0.3, 0.8))
    onset = int(window * random.uniform(0.0, 0.4))
    rate = growth_rate(random, service, window - onset, 0.3, 1.2)
    part = leak_part(random, random.choice(KINDS), rate, f",after={onset}")
    return _leaking(service, [cache, part], rate, window, onset, beside=held)


def step_then_leak(random: Random, window: int) -> Draft:
    """Lift the level by a reload, then leak."""
    service = service_of(random)
    at = int(window * random.uniform(0.15, 0.35))
    step = service.level * random.uniform(0.25, 0.7)
    onset = at + int(window * random.uniform(0.0, 0.2))
    rate = growth_rate(random, service, window - onset, 0.25, 1.0)
    parts = [f"reload:at={at},bytes={whole(step)}", leak_part(random, random.choice(KINDS), rate, f",after={onset}")]
    return _leaking(service, parts, rate, window, onset, beside=step)


def daily_leak(random: Random, window: int) -> Draft:
    """Leak below memory that follows a daily load."""
    period = int(window / random.uniform(2.3, 5))
    service = service_of(
        random,
        f"kind=diurnal,period={period},depth={random.uniform(0.3, 0.8):.2f},phase={random.random():.2f}",
        weight=0.4,
    )
    rate = growth_rate(random, service, window, 0.3, 1.2)
    per_request = random.random() < 0.5
    part = leak_part(random, random.choice(KINDS), rate, per_request=service.rate if per_request else None)
    return _leaking(service, [part], rate, window, 0, peak=(service.level + rate * window) * 1.3)


def cached_leak(random: Random, window: int) -> Draft:
    """Leak under a page cache that is much larger."""
    service = service_of(random)
    rate = growth_rate(random, service, window, 0.3, 1.2)
    file = between(random, 60, 200) * MIB
    parts = [file_part(random, file, window), leak_part(random, random.choice(KINDS), rate)]
    return _leaking(service, parts, rate, window, 0, beside=file, needs="cgroup")


def spike_then_leak(random: Random, window: int) -> Draft:
    """Leak after a large start-up spike: freed pages may hide it from resident memory."""
    service = service_of(random)
    spike, part = startup_part(random, service, kept=0.0)
    rate = growth_rate(random, service, window, 0.25, 1.0)
    peak = service.level + max(spike, rate * window)
    return _leaking(
        service,
        [part, leak_part(random, random.choice(KINDS), rate)],
        rate,
        window,
        0,
        peak=peak * 1.03,
        needs="allocator",
    )


def endless_threads(random: Random, window: int) -> Draft:
    """Start threads that never end, each with a stack it has touched."""
    service = service_of(random)
    every = random.randint(1, 4)
    rate = growth_rate(random, service, window, 0.25, 1.2)
    # A thread costs about 12 kB beside what it touches of its stack.
    part = f"threads:every={every},touch={max(16_384, whole(rate * every - 12_000))}"
    return _leaking(
        service, [part], rate, window, 0, pattern="thread_growth|leak", cause="thread_stacks", needs="threads"
    )


def faint_leak(random: Random, window: int) -> Draft:
    """Leak far below what the window can resolve, or too slowly to matter."""
    service = service_of(random)
    rate = service.level * random.uniform(0.002, 0.012) / window
    part = leak_part(random, random.choice(KINDS), rate)
    return _leaking(
        service,
        [part],
        rate,
        window,
        0,
        pattern="plateau|insufficient_data|leak",
        undecidable="growth below what matters",
    )


def late_leak(random: Random, window: int) -> Draft:
    """Leak from shortly before the end of the window on."""
    service = service_of(random)
    onset = int(window * random.uniform(0.9, 0.95))
    rate = growth_rate(random, service, window, 0.4, 1.2)
    part = leak_part(random, random.choice(KINDS), rate, f",after={onset}")
    return _leaking(
        service,
        [part],
        rate,
        window,
        onset,
        pattern="insufficient_data|unexplained_growth|leak|step",
        undecidable="starts too late in the window",
    )


def endless_tmpfs(random: Random, window: int) -> Draft:
    """Write files in memory that nobody deletes."""
    service = service_of(random)
    rate = growth_rate(random, service, window, 0.2, 1.0)
    return _leaking(
        service,
        [f"shared:bytes={whole(rate)}"],
        rate,
        window,
        0,
        pattern="unexplained_growth|leak",
        cause="outside_allocator",
        needs="cgroup",
        undecidable="outside the allocator: nothing recorded says whether it will end",
    )


def endless_mapping(random: Random, window: int) -> Draft:
    """Map memory past the allocator, without an end."""
    service = service_of(random)
    rate = growth_rate(random, service, window, 0.3, 1.2)
    return _leaking(
        service,
        [f"mmap:bytes={whole(rate)},piece=256k"],
        rate,
        window,
        0,
        pattern="unexplained_growth|leak",
        cause="outside_allocator",
        needs="allocator",
        undecidable="outside the allocator: nothing recorded says whether it will end",
    )


def burst_leak(random: Random, window: int) -> Draft:
    """Leak per request, so that it shows mostly while traffic bursts."""
    length = max(4, int(window / random.uniform(30, 60)))
    service = service_of(
        random,
        f"kind=bursty,chance={random.uniform(6, 12) / window:.4f},length={length},factor={random.uniform(3, 6):.1f}",
    )
    rate = growth_rate(random, service, window, 0.3, 1.0)
    part = leak_part(random, random.choice(KINDS), rate, per_request=service.rate * 1.6)
    return _leaking(service, [part], rate, window, 0, peak=(service.level * 1.6 + rate * window) * 1.1)
