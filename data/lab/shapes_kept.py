"""Program shapes that lose nothing, and what they are mistaken for."""

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


def _steady(
    service: Service,
    parts: list[str],
    level: float,
    pattern: str,
    cause: str,
    *,
    peak: float | None = None,
    undecidable: str = "",
    needs: str = "",
    limit_bytes: float | None = None,
    run: dict[str, Any] | None = None,
) -> Draft:
    """Make the draft of a service that settles at a level and loses nothing."""
    return Draft(
        [*service.components, *parts],
        level,
        level * 1.06 if peak is None else peak,
        leak=False,
        pattern=pattern,
        cause=cause,
        undecidable=undecidable,
        needs=needs,
        limit_bytes=limit_bytes,
        run=run or {},
    )


def startup_freed(random: Random, _window: int) -> Draft:
    """Give a start-up spike back."""
    service = service_of(random)
    spike, part = startup_part(random, service, kept=random.uniform(0, 0.1))
    return _steady(
        service, [part], service.level, "startup_spike|retention", "startup|allocator", peak=service.level + spike
    )


def startup_kept(random: Random, _window: int) -> Draft:
    """Keep scattered parts of a start-up spike in use, so that pages cannot go back."""
    service = service_of(random)
    spike, part = startup_part(random, service, kept=random.uniform(0.05, 0.5), scattered=True)
    return _steady(
        service,
        [part],
        service.level + spike * 0.7,
        "retention|startup_spike|plateau",
        "allocator|startup",
        peak=service.level + spike,
        needs="allocator",
    )


def startup_slow(random: Random, window: int) -> Draft:
    """Load data over the first part of the window and keep them."""
    service = service_of(random)
    spike, part = startup_part(random, service, kept=1.0, slow=int(window * random.uniform(0.08, 0.25)))
    return _steady(service, [part], service.level + spike, "warm_up|plateau|startup_spike", "startup|heap")


def startup_too_big(random: Random, _window: int) -> Draft:
    """Meet the limit while starting, again and again, without a leak."""
    service = service_of(random)
    spike, part = startup_part(random, service, kept=0.0, slow=random.randint(5, 20))
    limit = service.level + spike * random.uniform(0.5, 0.9)
    return _steady(
        service,
        [part],
        service.level,
        "startup_spike|insufficient_data|at_limit",
        "startup",
        peak=limit,
        limit_bytes=limit,
        needs="restarts",
        undecidable="no life outlasts its start-up",
        run={"back_off_scale": round(random.uniform(0.05, 0.3), 3)},
    )


def plateau(random: Random, _window: int) -> Draft:
    """Let nothing happen."""
    service = service_of(random, weight=random.choice((0.02, 0.1, 0.3)))
    return _steady(service, [], service.level, "plateau", "heap|traffic|")


def warm_up(random: Random, window: int) -> Draft:
    """Fill a bounded cache well within the window."""
    service = service_of(random)
    cache, held = lru_part(random, service, window * random.uniform(0.06, 0.25), random.uniform(0.4, 1.6))
    return _steady(service, [cache], service.level + held, "warm_up|plateau", "heap|startup")


def warm_up_unfinished(random: Random, window: int) -> Draft:
    """Fill a bounded cache that is far from full when the window ends."""
    service = service_of(random)
    cache, held = lru_part(random, service, window * random.uniform(1.0, 2.0), random.uniform(0.6, 2.0))
    return _steady(
        service,
        [cache],
        service.level + held * 0.6,
        "warm_up|insufficient_data|unexplained_growth",
        "heap|",
        peak=service.level + held,
        undecidable="the cache is still filling",
    )


def expiring_cache(random: Random, window: int) -> Draft:
    """Keep entries for a fixed time."""
    service = service_of(random)
    life = int(window * random.uniform(0.05, 0.25))
    held = service.level * random.uniform(0.3, 1.2)
    entry = held / life / service.rate
    return _steady(
        service, [f"ttl:seconds={life},bytes={whole(entry)}"], service.level + held, "warm_up|plateau", "heap|traffic|"
    )


def daily(random: Random, window: int) -> Draft:
    """Follow a daily load over at least two days."""
    period = int(window / random.uniform(2.2, 6))
    traffic = f"kind=diurnal,period={period},depth={random.uniform(0.4, 0.9):.2f},phase={random.random():.2f}"
    service = service_of(random, traffic, weight=random.uniform(0.4, 1.2))
    return _steady(service, [], service.level, "periodic", "traffic", peak=service.level * 1.7)


def rising_half_day(random: Random, window: int) -> Draft:
    """Show the rising half of a daily load and nothing else."""
    period = int(window * random.uniform(2.1, 3))
    traffic = f"kind=diurnal,period={period},depth={random.uniform(0.6, 0.9):.2f},phase={random.uniform(0.0, 0.08):.2f}"
    service = service_of(random, traffic, weight=random.uniform(0.6, 1.4))
    return _steady(
        service,
        [],
        service.level * 1.4,
        "periodic|insufficient_data|unexplained_growth",
        "traffic|",
        peak=service.level * 1.9,
        needs="load",
        undecidable="less than one period of a daily load",
    )


def bursty_traffic(random: Random, window: int) -> Draft:
    """Follow traffic that bursts."""
    length = max(3, int(window / random.uniform(30, 90)))
    traffic = (
        f"kind=bursty,chance={random.uniform(4, 10) / window:.4f},length={length},factor={random.uniform(3, 7):.1f}"
    )
    service = service_of(random, traffic, weight=random.uniform(0.15, 0.4))
    return _steady(service, [], service.level, "burst|retention|plateau", "traffic|allocator", peak=service.level * 2.5)


def traffic_ramp(random: Random, window: int) -> Draft:
    """Follow traffic that grows to a multiple and stays there."""
    start, length = int(window * random.uniform(0.1, 0.25)), int(window * random.uniform(0.25, 0.45))
    traffic = f"kind=ramp,from={start},seconds={length},factor={random.uniform(2, 4):.1f}"
    service = service_of(random, traffic, weight=random.uniform(0.5, 1.2))
    return _steady(
        service,
        [],
        service.level * 2,
        "step|periodic|warm_up|plateau",
        "traffic|",
        peak=service.level * 3,
        needs="load",
    )


def endless_ramp(random: Random, window: int) -> Draft:
    """Follow traffic that grows all the window long; only the load tells it from a leak."""
    traffic = f"kind=ramp,from=0,seconds={window * 2},factor={random.uniform(4, 7):.1f}"
    service = service_of(random, traffic, weight=random.uniform(0.5, 1.0))
    return _steady(
        service,
        [],
        service.level * 2,
        "periodic|unexplained_growth|insufficient_data",
        "traffic|",
        peak=service.level * 3,
        needs="load",
        undecidable="the load has not stopped growing",
    )


def flat_sawtooth(random: Random, window: int) -> Draft:
    """Gather and drop batches, from a flat floor."""
    service = service_of(random)
    period = max(12, int(window / random.uniform(4.5, 16)))
    tooth = service.level * random.uniform(0.3, 1.5)
    jitter, item = random.choice((0, 0.1, 0.25)), random.choice(("4k", "16k", "200k"))
    part = f"sawtooth:bytes={whole(tooth)},period={period},jitter={jitter},item={item}"
    return _steady(
        service,
        [part],
        service.level + tooth,
        "sawtooth|retention",
        "heap|allocator",
        peak=service.level + tooth * 1.25,
    )


def few_teeth(random: Random, window: int) -> Draft:
    """Show less than two drops of a sawtooth."""
    service = service_of(random)
    period = int(window * random.uniform(0.6, 1.1))
    tooth = service.level * random.uniform(0.4, 1.2)
    part = f"sawtooth:bytes={whole(tooth)},period={period},jitter=0,item=4k"
    return _steady(
        service,
        [part],
        service.level + tooth,
        "sawtooth|insufficient_data|unexplained_growth",
        "heap|",
        peak=service.level + tooth * 1.05,
        undecidable="fewer than three cycles",
    )


def rare_spikes(random: Random, window: int) -> Draft:
    """Spike at random times, none of them near the end."""
    service = service_of(random)
    spike = service.level * random.uniform(0.6, 2)
    first = window * random.uniform(0.2, 0.4)
    parts = []
    for index in range(random.randint(1, 3)):
        at = int(first + index * window * random.uniform(0.12, 0.2))
        seconds, item = random.randint(2, 8), random.choice(("8k", "64k", "300k"))
        parts.append(f"job:at={at},seconds={seconds},bytes={whole(spike)},item={item}")
    return _steady(
        service, parts, service.level, "burst|retention", "traffic|heap|allocator|", peak=service.level + spike
    )


def last_burst(random: Random, window: int) -> Draft:
    """End the window while a burst goes on."""
    service = service_of(random)
    seconds = max(6, int(window * random.uniform(0.04, 0.1)))
    at = window - seconds + random.randint(1, 3)
    spike = service.level * random.uniform(0.3, 0.9)
    part = f"job:at={at},seconds={seconds + 20},bytes={whole(spike)},item=8k"
    return _steady(
        service,
        [part],
        service.level + spike * 0.5,
        "burst|step|insufficient_data|unexplained_growth",
        "traffic|heap|",
        peak=service.level + spike,
        undecidable="the burst is not over",
    )


def jobs(random: Random, window: int) -> Draft:
    """Run a job on a schedule that gives everything back."""
    service = service_of(random)
    every = max(20, int(window / random.uniform(5, 10)))
    spike = service.level * random.uniform(0.4, 1.6)
    seconds, item = random.randint(2, 6), random.choice(("8k", "64k", "300k"))
    part = f"job:every={every},at={every // 2},seconds={seconds},bytes={whole(spike)},spread=0.2,item={item}"
    return _steady(
        service,
        [part],
        service.level,
        "burst|periodic|sawtooth|retention",
        "heap|traffic|allocator|",
        peak=service.level + spike * 1.2,
    )


def fragmenting(random: Random, window: int) -> Draft:
    """Keep the bytes in use flat while the pages they lie on multiply."""
    rounds = random.randint(16, 28)
    size = between(random, 3, 8) * MIB
    gap = random.choice((5, 7, 9))
    service = service_of(random)
    stock = rounds * size / (gap + 1) * 1.15
    every = max(3, int(window * random.uniform(0.85, 0.98) / rounds))
    part = f"fragment:stock={whole(stock)},round={whole(size)},every={every},rounds={rounds},gap={gap}"
    level = service.level + stock + rounds * size * 0.8
    return _steady(
        service,
        [part],
        level,
        "fragmentation",
        "allocator",
        peak=level + size,
        needs="allocator",
        run={"allocator": random.choice(("jemalloc", "jemalloc", "glibc", "jemalloc_static"))},
    )


def arena_ratchet(random: Random, window: int) -> Draft:
    """Work in threads whose arenas keep the pages of their largest task."""
    service = service_of(random)
    threads = random.randint(4, 12)
    task = between(random, 2, 9) * MIB
    every = int(window / random.uniform(8, 25))
    item = random.choice(("600", "4k", "20k"))
    part = f"pool:threads={threads},bytes={whole(task)},every={every},item={item},spread=0.9"
    level = service.level + threads * task * 0.6
    return _steady(
        service,
        [part],
        level,
        "retention|plateau|warm_up|burst",
        "allocator|",
        peak=service.level + threads * task,
        needs="allocator",
    )


def burst_retained(random: Random, window: int) -> Draft:
    """Burst in the middle, after which the allocator keeps the pages."""
    service = service_of(random)
    spike = service.level * random.uniform(0.5, 1.5)
    at = int(window * random.uniform(0.2, 0.6))
    part = f"job:at={at},seconds={random.randint(3, 10)},bytes={whole(spike)},item={random.choice(('700', '3k', '9k'))}"
    allocator, settings = random.choice(
        (
            ("jemalloc", {"MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}),
            ("jemalloc", {"MALLOC_CONF": "dirty_decay_ms:600000"}),
            ("mimalloc", {"MIMALLOC_PURGE_DELAY": "-1"}),
            ("glibc", {"MALLOC_TRIM_THRESHOLD_": "4294967296"}),
        ),
    )
    return _steady(
        service,
        [part],
        service.level + spike,
        "retention|step|burst",
        "allocator",
        needs="allocator",
        peak=service.level + spike * 1.05,
        run={"allocator": allocator, "environment": settings},
    )


def burst_returned(random: Random, window: int) -> Draft:
    """Burst, after which pages go back: by decay, or because the allocator is told to trim."""
    service = service_of(random)
    spike = service.level * random.uniform(0.6, 1.8)
    at = int(window * random.uniform(0.2, 0.5))
    parts = [f"job:at={at},seconds={random.randint(3, 10)},bytes={whole(spike)},item=4k"]
    if random.random() < 0.5:
        run: dict[str, Any] = {
            "allocator": "jemalloc",
            "environment": {"MALLOC_CONF": "background_thread:true,dirty_decay_ms:5000"},
        }
    else:
        run = {"allocator": "glibc", "environment": {}}
        parts.append(f"trim:every={random.randint(15, 45)}")
    return _steady(
        service, parts, service.level, "burst", "traffic|heap|allocator|", peak=service.level + spike, run=run
    )


def page_cache(random: Random, window: int) -> Draft:
    """Write and read files; the cache grows within a generous limit."""
    service = service_of(random)
    file = between(random, 60, 220) * MIB
    return _steady(
        service, [file_part(random, file, window)], service.level + file, "page_cache", "page_cache", needs="cgroup"
    )


def page_cache_full(random: Random, window: int) -> Draft:
    """Fill the limit with page cache; the kernel takes back what is needed."""
    service = service_of(random)
    file = between(random, 120, 260) * MIB
    limit = service.level + file * random.uniform(0.35, 0.6)
    return _steady(
        service,
        [file_part(random, file, window)],
        limit,
        "page_cache|at_limit",
        "page_cache",
        peak=limit,
        limit_bytes=limit,
        needs="cgroup",
    )


def step(random: Random, window: int) -> Draft:
    """Lift the level once or twice by a reload."""
    service = service_of(random)
    count = random.choice((1, 1, 2))
    size = service.level * random.uniform(0.2, 0.7)
    at = int(window * random.uniform(0.25, 0.55))
    item = random.choice(("2k", "8k", "200k"))
    part = f"reload:at={at},every={int(window * 0.2)},count={count},bytes={whole(size)},item={item}"
    return _steady(service, [part], service.level + count * size, "step", "heap|release|")


def release_step(random: Random, window: int) -> Draft:
    """Release a version that needs more memory than the one before."""
    service = service_of(random)
    size = service.level * random.uniform(0.25, 0.8)
    at = int(window * random.uniform(0.3, 0.7))
    return _steady(
        service,
        [f"reload:at=0,from_version=2,bytes={whole(size)}"],
        service.level + size,
        "step|plateau",
        "release",
        needs="versions",
        run={"releases": [at], "replicas": random.choice((1, 2))},
    )


def last_step(random: Random, window: int) -> Draft:
    """Step up in the last part of the window."""
    service = service_of(random)
    size = service.level * random.uniform(0.2, 0.6)
    at = int(window * random.uniform(0.955, 0.98))
    return _steady(
        service,
        [f"reload:at={at},bytes={whole(size)}"],
        service.level + size,
        "step|insufficient_data|unexplained_growth",
        "heap|",
        undecidable="the step is too close to the window's end",
    )


def fixed_leak(random: Random, window: int) -> Draft:
    """End a leak by a release."""
    service = service_of(random)
    at = int(window * random.uniform(0.35, 0.55))
    rate = growth_rate(random, service, at, 0.3, 1.0)
    part = leak_part(random, random.choice(KINDS), rate, ",last_version=1")
    return _steady(
        service,
        [part],
        service.level,
        "plateau|step",
        "heap|release|",
        peak=service.level + rate * at,
        needs="versions",
        run={"releases": [at]},
    )


def bounded_threads(random: Random, window: int) -> Draft:
    """Start threads up to a number, or threads that end and are joined."""
    service = service_of(random)
    touch = between(random, 60, 300) * 1024
    if random.random() < 0.5:
        most = random.randint(15, 60)
        every = max(1, int(window * random.uniform(0.1, 0.3) / most))
        part, held = f"threads:every={every},touch={whole(touch)},most={most}", most * touch
        pattern = "thread_growth|warm_up|plateau"
    else:
        life = int(window * random.uniform(0.05, 0.15))
        every = random.randint(1, 3)
        part, held = f"threads:every={every},touch={whole(touch)},life={life}", life / every * touch
        pattern = "thread_growth|warm_up|plateau"
    return _steady(service, [part], service.level + held, pattern, "thread_stacks|heap|startup", needs="threads")


def bounded_tmpfs(random: Random, window: int) -> Draft:
    """Write files in memory up to a size."""
    service = service_of(random)
    most = service.level * random.uniform(0.2, 0.8)
    rate = most / (window * random.uniform(0.1, 0.35))
    return _steady(
        service,
        [f"shared:bytes={whole(rate)},most={whole(most)}"],
        service.level + most,
        "warm_up|plateau|step|page_cache",
        "outside_allocator|page_cache|",
    )


def bounded_mapping(random: Random, window: int) -> Draft:
    """Map memory past the allocator up to a size."""
    service = service_of(random)
    most = service.level * random.uniform(0.3, 0.9)
    rate = most / (window * random.uniform(0.1, 0.3))
    return _steady(
        service,
        [f"mmap:bytes={whole(rate)},piece=256k,most={whole(most)}"],
        service.level + most,
        "warm_up|plateau|step",
        "outside_allocator|heap|",
    )


def slowing_growth(random: Random, window: int) -> Draft:
    """Collect keys that repeat more and more: growth that slows down and never ends."""
    service = service_of(random)
    zipf = random.uniform(0.9, 1.25)
    grows = service.level * random.uniform(0.4, 1.2)
    lookups = random.uniform(4, 12)
    item = min(20_000.0, grows / (service.rate * lookups * window) * random.uniform(2.5, 4))
    return _steady(
        service,
        [f"cache:fresh=0,keys=50000000,zipf={zipf:.2f},lookups={lookups:.1f},bytes={whole(item)}"],
        service.level + grows,
        "unexplained_growth|warm_up|insufficient_data",
        "heap|",
        peak=service.level + grows * 1.5,
        undecidable="growth slows down and has no bound",
    )


def reload_copy(random: Random, window: int) -> Draft:
    """Read data anew beside the old copy, again and again."""
    service = service_of(random)
    size = service.level * random.uniform(0.3, 0.9)
    every = max(15, int(window / random.uniform(5, 9)))
    item = random.choice(("3k", "20k", "300k"))
    part = f"reload:at=2,every={every},count=1000,replace=1,bytes={whole(size)},item={item}"
    return _steady(
        service,
        [part],
        service.level + size,
        "burst|retention|plateau|sawtooth|periodic",
        "heap|allocator|",
        peak=service.level + 2 * size,
    )


def burst_too_big(random: Random, window: int) -> Draft:
    """Burst above the limit once or twice: an OOM kill without a leak."""
    service = service_of(random)
    spike = service.level * random.uniform(0.8, 1.6)
    limit = service.level + spike * random.uniform(0.4, 0.8)
    times = sorted(random.sample(range(int(window * 0.2), int(window * 0.75)), random.choice((1, 2))))
    parts = [f"job:at={at},seconds={random.randint(2, 5)},bytes={whole(spike)},item=16k" for at in times]
    return _steady(
        service, parts, service.level, "burst|plateau", "traffic|heap|", peak=limit, limit_bytes=limit, needs="restarts"
    )
