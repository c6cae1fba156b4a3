"""The program shapes of the corpus: how each is composed and what is true of it.

A shape is a function that draws parameters and returns a `Draft`. What it says there is the intended truth,
written into the plan before anything runs; `judge.py` compares it with what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

MIB = 1 << 20


@dataclass(slots=True)
class Draft:
    """A run without its name, seed and allocator.

    Attributes
    ----------
    components
        For the service's command line.
    level_bytes, peak_bytes
        What it is expected to hold when settled (at the window's end for growth) and at most.
    leak
        Whether memory that is never used again grows at the window's end.
    pattern, cause
        Right answers, alternatives separated by ``|``.
    undecidable
        Why the window cannot decide it; empty when it can.
    onset_seconds
        When the growth starts.
    rate_bytes_per_second
        Of the growth, by design; null without growth.
    needs
        What beside one resident series is needed to decide it: ``load``, ``allocator``, ``cgroup``,
        ``restarts``, ``versions``, ``threads``; empty when the series alone shows it.
    limit_bytes
        A limit that belongs to the shape; null lets the plan draw one.
    run
        Further entries of the run: replicas, releases, allocator, environment, label entries.
    """

    components: list[str]
    level_bytes: float
    peak_bytes: float
    leak: bool
    pattern: str
    cause: str
    undecidable: str = ""
    onset_seconds: int | None = None
    rate_bytes_per_second: float | None = None
    needs: str = ""
    limit_bytes: float | None = None
    run: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shape:
    """A function that draws, and how many runs it gets in each part."""

    draw: Callable[[Random, int], Draft]
    dev: int
    sealed: int


def _between(random: Random, low: float, high: float) -> float:
    """Draw evenly on a logarithmic scale."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def _size(value: float) -> int:
    return int(value)


@dataclass(frozen=True, slots=True)
class _Service:
    """Base load and traffic, which every run has."""

    components: list[str]
    level: float
    rate: float
    request: float
    hold: int


def _service(random: Random, traffic: str = "kind=constant", *, level: float | None = None, weight: float = 0.08) -> _Service:
    """Draw a base load and a traffic whose requests in flight hold `weight` of it."""
    base = level or _between(random, 18, 95) * MIB
    rate = _between(random, 8, 45)
    hold = random.randint(1, 3)
    request = max(4096.0, base * weight / rate / hold * random.uniform(0.5, 1.5))
    request = min(request, 96 * 1024)
    noise = round(random.choice((0.03, 0.08, 0.15, 0.25)), 3)
    item = random.choice(("2k", "8k", "32k"))
    return _Service(
        [
            f"base:bytes={_size(base)},item={item}",
            f"traffic:{traffic},rate={rate:.1f},bytes={_size(request)},hold={hold},noise={noise}",
        ],
        base + rate * request * hold,
        rate,
        request,
        hold,
    )


_KINDS = ("vec", "box", "map")


def _leak(random: Random, kind: str, rate: float, extra: str = "", *, per_request: float | None = None) -> str:
    """Write a leak of `rate` bytes per second; with `per_request`, at so many requests per second."""
    item = _size(_between(random, 120, min(6000, max(200, rate / 4))))
    amount = f"bytes={_size(rate / per_request)},per=request" if per_request else f"bytes={_size(rate)}"
    return f"leak:kind={kind},{amount},item={item}{extra}"


def _growth(random: Random, service: _Service, seconds: float, low: float = 0.15, high: float = 1.3) -> float:
    """Draw a rate that adds a clear part of the level over so many seconds."""
    return service.level * _between(random, low, high) / seconds


def _leaking(service: _Service, parts: list[str], rate: float, window: int, onset: int, **more: Any) -> Draft:
    level = service.level + rate * (window - onset) + more.pop("beside", 0.0)
    values = {"leak": True, "pattern": "leak", "cause": "heap", **more}
    peak = values.pop("peak", level * 1.03)
    return Draft(
        [*service.components, *parts],
        level,
        max(peak, level * 1.03),
        onset_seconds=onset,
        rate_bytes_per_second=rate,
        **values,
    )


def _steady(service: _Service, parts: list[str], level: float, pattern: str, cause: str, **more: Any) -> Draft:
    values = {"leak": False, **more}
    peak = values.pop("peak", level * 1.06)
    return Draft([*service.components, *parts], level, peak, pattern=pattern, cause=cause, **values)


# --- memory that is lost ----------------------------------------------------------------------------------


def steady_leak(random: Random, window: int) -> Draft:
    """A constant leak from the beginning."""
    service = _service(random)
    rate = _growth(random, service, window)
    return _leaking(service, [_leak(random, random.choice(_KINDS), rate)], rate, window, 0)


def request_leak(random: Random, window: int) -> Draft:
    """A leak per request under constant traffic."""
    service = _service(random)
    rate = _growth(random, service, window)
    return _leaking(service, [_leak(random, random.choice(_KINDS), rate, per_request=service.rate)], rate, window, 0)


def cycle_leak(random: Random, window: int) -> Draft:
    """Reference-counted nodes that point at each other, two per request."""
    service = _service(random)
    rate = _growth(random, service, window)
    return _leaking(service, [_leak(random, "rc", rate, per_request=service.rate)], rate, window, 0)


def backlog_leak(random: Random, window: int) -> Draft:
    """A channel whose receiver does not read."""
    service = _service(random)
    rate = _growth(random, service, window)
    return _leaking(service, [_leak(random, "channel", rate)], rate, window, 0)


def endless_cache(random: Random, window: int) -> Draft:
    """A cache without a bound whose keys never repeat."""
    service = _service(random)
    rate = _growth(random, service, window)
    return _leaking(service, [f"cache:fresh=1,bytes={max(64, _size(rate / service.rate))}"], rate, window, 0)


def release_leak(random: Random, window: int) -> Draft:
    """A leak that came with a release in the middle of the window."""
    service = _service(random)
    at = int(window * random.uniform(0.3, 0.55))
    rate = _growth(random, service, window - at)
    part = _leak(random, random.choice(_KINDS), rate, ",from_version=2")
    return _leaking(service, [part], rate, window, at, needs="versions", run={"releases": [at], "replicas": random.choice((1, 2))})


def replica_leak(random: Random, window: int) -> Draft:
    """A leak in one of several replicas."""
    service = _service(random)
    replicas = random.choice((2, 3))
    only = random.randrange(replicas)
    rate = _growth(random, service, window)
    part = _leak(random, random.choice(_KINDS), rate, f",replica={only}")
    return _leaking(service, [part], rate, window, 0, run={"replicas": replicas, "leaking_replica": only})


def killed_leak(random: Random, window: int) -> Draft:
    """A leak that meets its limit several times within the window."""
    service = _service(random)
    lives = random.uniform(3.2, 6)
    rate = service.level * random.uniform(0.7, 1.8) * lives / window
    life = window / lives
    return _leaking(
        service,
        [_leak(random, random.choice(_KINDS), rate)],
        rate,
        window,
        0,
        needs="restarts",
        limit_bytes=(service.level + rate * life) * 1.03 + 2 * MIB,
    )


def job_leak(random: Random, window: int) -> Draft:
    """A job that leaves something behind each time it runs."""
    service = _service(random)
    every = max(20, int(window / random.uniform(5, 10)))
    rate = _growth(random, service, window, 0.25, 1.2)
    bytes_ = service.level * random.uniform(0.05, 0.4)
    part = f"job:every={every},at={int(every * random.uniform(0.2, 0.8))},seconds={random.randint(2, 5)},bytes={_size(bytes_)},item=8k,residue={_size(rate * every)}"
    return _leaking(service, [part], rate, window, every, beside=bytes_)


def rising_sawtooth(random: Random, window: int) -> Draft:
    """A batch that is dropped again and again, from a floor that rises."""
    service = _service(random)
    period = max(12, int(window / random.uniform(5, 14)))
    tooth = service.level * random.uniform(0.25, 0.9)
    rate = _growth(random, service, window, 0.25, 1.0)
    part = f"sawtooth:bytes={_size(tooth)},period={period},jitter={random.choice((0, 0.1, 0.25))},item=4k,residue={_size(rate * period)}"
    return _leaking(service, [part], rate, window, period, beside=tooth, pattern="leak|sawtooth")


def warm_up_then_leak(random: Random, window: int) -> Draft:
    """A bounded cache fills; a leak goes on."""
    service = _service(random)
    fill = window * random.uniform(0.08, 0.2)
    cache, held = _lru(random, service, fill, random.uniform(0.3, 0.8))
    onset = int(window * random.uniform(0.0, 0.4))
    rate = _growth(random, service, window - onset, 0.3, 1.2)
    part = _leak(random, random.choice(_KINDS), rate, f",after={onset}")
    return _leaking(service, [cache, part], rate, window, onset, beside=held)


def step_then_leak(random: Random, window: int) -> Draft:
    """A reload lifts the level; a leak starts some time later."""
    service = _service(random)
    at = int(window * random.uniform(0.15, 0.35))
    step = service.level * random.uniform(0.25, 0.7)
    onset = at + int(window * random.uniform(0.0, 0.2))
    rate = _growth(random, service, window - onset, 0.25, 1.0)
    parts = [f"reload:at={at},bytes={_size(step)}", _leak(random, random.choice(_KINDS), rate, f",after={onset}")]
    return _leaking(service, parts, rate, window, onset, beside=step)


def daily_leak(random: Random, window: int) -> Draft:
    """Memory that follows a daily load, and a leak below it."""
    period = int(window / random.uniform(2.3, 5))
    service = _service(random, f"kind=diurnal,period={period},depth={random.uniform(0.3, 0.8):.2f},phase={random.random():.2f}", weight=0.4)
    rate = _growth(random, service, window, 0.3, 1.2)
    per_request = random.random() < 0.5
    part = _leak(random, random.choice(_KINDS), rate, per_request=service.rate if per_request else None)
    return _leaking(service, [part], rate, window, 0, peak=(service.level + rate * window) * 1.3)


def cached_leak(random: Random, window: int) -> Draft:
    """A leak under a page cache that is much larger."""
    service = _service(random)
    rate = _growth(random, service, window, 0.3, 1.2)
    file = _between(random, 60, 200) * MIB
    parts = [_file(random, file, window), _leak(random, random.choice(_KINDS), rate)]
    return _leaking(service, parts, rate, window, 0, beside=file, needs="cgroup")


def spike_then_leak(random: Random, window: int) -> Draft:
    """A large start-up spike and a leak: freed pages may hide it from resident memory."""
    service = _service(random)
    spike, part = _startup(random, service, kept=0.0)
    rate = _growth(random, service, window, 0.25, 1.0)
    peak = service.level + max(spike, rate * window)
    return _leaking(service, [part, _leak(random, random.choice(_KINDS), rate)], rate, window, 0, peak=peak * 1.03, needs="allocator")


def endless_threads(random: Random, window: int) -> Draft:
    """Threads that are started and never end, each with a stack it has touched."""
    service = _service(random)
    every = random.randint(1, 4)
    rate = _growth(random, service, window, 0.25, 1.2)
    # A thread costs about 12 kB beside what it touches of its stack.
    part = f"threads:every={every},touch={max(16_384, _size(rate * every - 12_000))}"
    return _leaking(service, [part], rate, window, 0, pattern="thread_growth|leak", cause="thread_stacks", needs="threads")


def faint_leak(random: Random, window: int) -> Draft:
    """A leak far below what the window can resolve, or too slow to matter."""
    service = _service(random)
    rate = service.level * random.uniform(0.002, 0.012) / window
    part = _leak(random, random.choice(_KINDS), rate)
    return _leaking(
        service, [part], rate, window, 0, pattern="plateau|insufficient_data|leak", undecidable="growth below what matters",
    )


def late_leak(random: Random, window: int) -> Draft:
    """A leak that starts shortly before the window ends."""
    service = _service(random)
    onset = int(window * random.uniform(0.9, 0.95))
    rate = _growth(random, service, window, 0.4, 1.2)
    part = _leak(random, random.choice(_KINDS), rate, f",after={onset}")
    return _leaking(
        service, [part], rate, window, onset, pattern="insufficient_data|unexplained_growth|leak|step", undecidable="starts too late in the window",
    )


def endless_tmpfs(random: Random, window: int) -> Draft:
    """Files in memory that nobody deletes."""
    service = _service(random)
    rate = _growth(random, service, window, 0.2, 1.0)
    return _leaking(
        service, [f"shared:bytes={_size(rate)}"], rate, window, 0,
        pattern="unexplained_growth|leak", cause="outside_allocator", needs="cgroup",
        undecidable="outside the allocator: nothing recorded says whether it will end",
    )  # fmt: skip


def endless_mapping(random: Random, window: int) -> Draft:
    """Anonymous mappings past the allocator, without an end."""
    service = _service(random)
    rate = _growth(random, service, window, 0.3, 1.2)
    return _leaking(
        service, [f"mmap:bytes={_size(rate)},piece=256k"], rate, window, 0,
        pattern="unexplained_growth|leak", cause="outside_allocator", needs="allocator",
        undecidable="outside the allocator: nothing recorded says whether it will end",
    )  # fmt: skip


def burst_leak(random: Random, window: int) -> Draft:
    """A leak per request that shows mostly while traffic bursts."""
    length = max(4, int(window / random.uniform(30, 60)))
    service = _service(random, f"kind=bursty,chance={random.uniform(6, 12) / window:.4f},length={length},factor={random.uniform(3, 6):.1f}")
    rate = _growth(random, service, window, 0.3, 1.0)
    part = _leak(random, random.choice(_KINDS), rate, per_request=service.rate * 1.6)
    return _leaking(service, [part], rate, window, 0, peak=(service.level * 1.6 + rate * window) * 1.1)


# --- memory that is not lost ------------------------------------------------------------------------------


def _startup(random: Random, service: _Service, kept: float, *, scattered: bool = False, slow: int = 0) -> tuple[float, str]:
    spike = service.level * random.uniform(0.8, 2.6)
    seconds = slow or random.randint(2, 8)
    threads = random.choice((0, 0, 4))
    item = random.choice(("1500", "6k", "40k", "300k")) if not scattered else random.choice(("900", "3k", "7k"))
    return spike, (
        f"startup:bytes={_size(spike)},seconds={seconds},hold={random.randint(1, 6)},kept={kept:.2f},"
        f"scattered={int(scattered)},item={item},threads={threads}"
    )


def _lru(random: Random, service: _Service, fill_seconds: float, share: float) -> tuple[str, float]:
    """A cache of `share` of the level that is about full after so many seconds."""
    held = service.level * share
    item = _between(random, 600, 5000)
    items = max(50, int(held / item))
    zipf = random.uniform(0.2, 0.7)
    keys = int(items * random.uniform(1.6, 4))
    # Hits do not fill the cache; about this part of the look-ups are misses while it fills.
    lookups = items / fill_seconds / service.rate * (1.5 + zipf)
    return f"lru:items={items},bytes={_size(item)},keys={keys},zipf={zipf:.2f},lookups={lookups:.2f}", held


def _file(random: Random, bytes_: float, window: int) -> str:
    write = bytes_ / (window * random.uniform(0.5, 0.95))
    hot = bytes_ * random.uniform(0.3, 0.9)
    return f"file:write={_size(write)},most={_size(bytes_)},read={_size(write * random.uniform(2, 6))},hot={_size(hot)}"


def startup_freed(random: Random, window: int) -> Draft:
    """A start-up spike that is given back."""
    service = _service(random)
    spike, part = _startup(random, service, kept=random.uniform(0, 0.1))
    return _steady(service, [part], service.level, "startup_spike|retention", "startup|allocator", peak=service.level + spike)


def startup_kept(random: Random, window: int) -> Draft:
    """A start-up spike of which scattered parts stay in use, so that pages cannot go back."""
    service = _service(random)
    spike, part = _startup(random, service, kept=random.uniform(0.05, 0.5), scattered=True)
    return _steady(
        service, [part], service.level + spike * 0.7, "retention|startup_spike|plateau", "allocator|startup",
        peak=service.level + spike, needs="allocator",
    )  # fmt: skip


def startup_slow(random: Random, window: int) -> Draft:
    """Data loaded over the first part of the window and kept."""
    service = _service(random)
    spike, part = _startup(random, service, kept=1.0, slow=int(window * random.uniform(0.08, 0.25)))
    return _steady(service, [part], service.level + spike, "warm_up|plateau|startup_spike", "startup|heap")


def startup_too_big(random: Random, window: int) -> Draft:
    """A start-up spike above the limit: killed and restarted, without a leak."""
    service = _service(random)
    spike, part = _startup(random, service, kept=0.0, slow=random.randint(5, 20))
    limit = service.level + spike * random.uniform(0.5, 0.9)
    return _steady(
        service, [part], service.level, "startup_spike|insufficient_data|at_limit", "startup",
        peak=limit, limit_bytes=limit, needs="restarts",
        undecidable="no life outlasts its start-up", run={"back_off_scale": round(random.uniform(0.05, 0.3), 3)},
    )  # fmt: skip


def plateau(random: Random, window: int) -> Draft:
    """Nothing happens."""
    service = _service(random, weight=random.choice((0.02, 0.1, 0.3)))
    return _steady(service, [], service.level, "plateau", "heap|traffic|")


def warm_up(random: Random, window: int) -> Draft:
    """A bounded cache that fills well within the window."""
    service = _service(random)
    cache, held = _lru(random, service, window * random.uniform(0.06, 0.25), random.uniform(0.4, 1.6))
    return _steady(service, [cache], service.level + held, "warm_up|plateau", "heap|startup")


def warm_up_unfinished(random: Random, window: int) -> Draft:
    """A bounded cache that is far from full when the window ends."""
    service = _service(random)
    cache, held = _lru(random, service, window * random.uniform(1.0, 2.0), random.uniform(0.6, 2.0))
    return _steady(
        service, [cache], service.level + held * 0.6, "warm_up|insufficient_data|unexplained_growth", "heap|",
        peak=service.level + held, undecidable="the cache is still filling",
    )  # fmt: skip


def expiring_cache(random: Random, window: int) -> Draft:
    """Entries that live for a fixed time."""
    service = _service(random)
    life = int(window * random.uniform(0.05, 0.25))
    held = service.level * random.uniform(0.3, 1.2)
    entry = held / life / service.rate
    return _steady(service, [f"ttl:seconds={life},bytes={_size(entry)}"], service.level + held, "warm_up|plateau", "heap|traffic|")


def daily(random: Random, window: int) -> Draft:
    """Memory that follows a daily load, over at least two days."""
    period = int(window / random.uniform(2.2, 6))
    traffic = f"kind=diurnal,period={period},depth={random.uniform(0.4, 0.9):.2f},phase={random.random():.2f}"
    service = _service(random, traffic, weight=random.uniform(0.4, 1.2))
    return _steady(service, [], service.level, "periodic", "traffic", peak=service.level * 1.7)


def rising_half_day(random: Random, window: int) -> Draft:
    """The rising half of a daily load and nothing else."""
    period = int(window * random.uniform(2.1, 3))
    traffic = f"kind=diurnal,period={period},depth={random.uniform(0.6, 0.9):.2f},phase={random.uniform(0.0, 0.08):.2f}"
    service = _service(random, traffic, weight=random.uniform(0.6, 1.4))
    return _steady(
        service, [], service.level * 1.4, "periodic|insufficient_data|unexplained_growth", "traffic|",
        peak=service.level * 1.9, needs="load", undecidable="less than one period of a daily load",
    )  # fmt: skip


def bursty_traffic(random: Random, window: int) -> Draft:
    """Traffic that bursts, and memory with it."""
    length = max(3, int(window / random.uniform(30, 90)))
    traffic = f"kind=bursty,chance={random.uniform(4, 10) / window:.4f},length={length},factor={random.uniform(3, 7):.1f}"
    service = _service(random, traffic, weight=random.uniform(0.15, 0.4))
    return _steady(service, [], service.level, "burst|retention|plateau", "traffic|allocator", peak=service.level * 2.5)


def traffic_ramp(random: Random, window: int) -> Draft:
    """Traffic that grows to a multiple and stays there."""
    start, length = int(window * random.uniform(0.1, 0.25)), int(window * random.uniform(0.25, 0.45))
    traffic = f"kind=ramp,from={start},seconds={length},factor={random.uniform(2, 4):.1f}"
    service = _service(random, traffic, weight=random.uniform(0.5, 1.2))
    return _steady(
        service, [], service.level * 2, "step|periodic|warm_up|plateau", "traffic|", peak=service.level * 3, needs="load",
    )


def endless_ramp(random: Random, window: int) -> Draft:
    """Traffic that grows all the window long; only the load tells it from a leak."""
    traffic = f"kind=ramp,from=0,seconds={window * 2},factor={random.uniform(4, 7):.1f}"
    service = _service(random, traffic, weight=random.uniform(0.5, 1.0))
    return _steady(
        service, [], service.level * 2, "periodic|unexplained_growth|insufficient_data", "traffic|",
        peak=service.level * 3, needs="load", undecidable="the load has not stopped growing",
    )  # fmt: skip


def flat_sawtooth(random: Random, window: int) -> Draft:
    """A batch that is gathered and dropped, from a flat floor."""
    service = _service(random)
    period = max(12, int(window / random.uniform(4.5, 16)))
    tooth = service.level * random.uniform(0.3, 1.5)
    part = f"sawtooth:bytes={_size(tooth)},period={period},jitter={random.choice((0, 0.1, 0.25))},item={random.choice(('4k', '16k', '200k'))}"
    return _steady(service, [part], service.level + tooth, "sawtooth|retention", "heap|allocator", peak=service.level + tooth * 1.25)


def few_teeth(random: Random, window: int) -> Draft:
    """A sawtooth of which the window shows less than two drops."""
    service = _service(random)
    period = int(window * random.uniform(0.6, 1.1))
    tooth = service.level * random.uniform(0.4, 1.2)
    part = f"sawtooth:bytes={_size(tooth)},period={period},jitter=0,item=4k"
    return _steady(
        service, [part], service.level + tooth, "sawtooth|insufficient_data|unexplained_growth", "heap|",
        peak=service.level + tooth * 1.05, undecidable="fewer than three cycles",
    )  # fmt: skip


def rare_spikes(random: Random, window: int) -> Draft:
    """Short spikes at random times, none of them near the end."""
    service = _service(random)
    spike = service.level * random.uniform(0.6, 2)
    first = window * random.uniform(0.2, 0.4)
    parts = [
        f"job:at={int(first + index * window * random.uniform(0.12, 0.2))},seconds={random.randint(2, 8)},bytes={_size(spike)},item={random.choice(('8k', '64k', '300k'))}"
        for index in range(random.randint(1, 3))
    ]
    return _steady(service, parts, service.level, "burst|retention", "traffic|heap|allocator|", peak=service.level + spike)


def last_burst(random: Random, window: int) -> Draft:
    """A burst that is not over when the window ends."""
    service = _service(random)
    seconds = max(6, int(window * random.uniform(0.04, 0.1)))
    at = window - seconds + random.randint(1, 3)
    spike = service.level * random.uniform(0.3, 0.9)
    part = f"job:at={at},seconds={seconds + 20},bytes={_size(spike)},item=8k"
    return _steady(
        service, [part], service.level + spike * 0.5, "burst|step|insufficient_data|unexplained_growth", "traffic|heap|",
        peak=service.level + spike, undecidable="the burst is not over",
    )  # fmt: skip


def jobs(random: Random, window: int) -> Draft:
    """A job on a schedule that gives everything back."""
    service = _service(random)
    every = max(20, int(window / random.uniform(5, 10)))
    spike = service.level * random.uniform(0.4, 1.6)
    part = f"job:every={every},at={every // 2},seconds={random.randint(2, 6)},bytes={_size(spike)},spread=0.2,item={random.choice(('8k', '64k', '300k'))}"
    return _steady(service, [part], service.level, "burst|periodic|sawtooth|retention", "heap|traffic|allocator|", peak=service.level + spike * 1.2)


def fragmenting(random: Random, window: int) -> Draft:
    """Bytes in use stay flat while the pages they lie on multiply."""
    rounds = random.randint(16, 28)
    size = _between(random, 3, 8) * MIB
    gap = random.choice((5, 7, 9))
    service = _service(random)
    stock = rounds * size / (gap + 1) * 1.15
    every = max(3, int(window * random.uniform(0.85, 0.98) / rounds))
    part = f"fragment:stock={_size(stock)},round={_size(size)},every={every},rounds={rounds},gap={gap}"
    level = service.level + stock + rounds * size * 0.8
    return _steady(
        service, [part], level, "fragmentation", "allocator", peak=level + size, needs="allocator",
        run={"allocator": random.choice(("jemalloc", "jemalloc", "glibc", "jemalloc_static"))},
    )  # fmt: skip


def arena_ratchet(random: Random, window: int) -> Draft:
    """Worker threads whose arenas keep the pages of their largest task."""
    service = _service(random)
    threads = random.randint(4, 12)
    task = _between(random, 2, 9) * MIB
    every = int(window / random.uniform(8, 25))
    part = f"pool:threads={threads},bytes={_size(task)},every={every},item={random.choice(('600', '4k', '20k'))},spread=0.9"
    level = service.level + threads * task * 0.6
    return _steady(
        service, [part], level, "retention|plateau|warm_up|burst", "allocator|", peak=service.level + threads * task,
        needs="allocator",
    )


def burst_retained(random: Random, window: int) -> Draft:
    """A burst in the middle after which the allocator keeps the pages."""
    service = _service(random)
    spike = service.level * random.uniform(0.5, 1.5)
    at = int(window * random.uniform(0.2, 0.6))
    part = f"job:at={at},seconds={random.randint(3, 10)},bytes={_size(spike)},item={random.choice(('700', '3k', '9k'))}"
    allocator, settings = random.choice(
        (
            ("jemalloc", {"MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}),
            ("jemalloc", {"MALLOC_CONF": "dirty_decay_ms:600000"}),
            ("mimalloc", {"MIMALLOC_PURGE_DELAY": "-1"}),
            ("glibc", {"MALLOC_TRIM_THRESHOLD_": "4294967296"}),
        ),
    )
    return _steady(
        service, [part], service.level + spike, "retention|step|burst", "allocator", needs="allocator",
        peak=service.level + spike * 1.05, run={"allocator": allocator, "environment": settings},
    )  # fmt: skip


def burst_returned(random: Random, window: int) -> Draft:
    """A burst whose pages the allocator gives back: by decay, or because it is told to trim."""
    service = _service(random)
    spike = service.level * random.uniform(0.6, 1.8)
    at = int(window * random.uniform(0.2, 0.5))
    parts = [f"job:at={at},seconds={random.randint(3, 10)},bytes={_size(spike)},item=4k"]
    if random.random() < 0.5:
        run: dict[str, Any] = {"allocator": "jemalloc", "environment": {"MALLOC_CONF": "background_thread:true,dirty_decay_ms:5000"}}
    else:
        run = {"allocator": "glibc", "environment": {}}
        parts.append(f"trim:every={random.randint(15, 45)}")
    return _steady(service, parts, service.level, "burst", "traffic|heap|allocator|", peak=service.level + spike, run=run)


def page_cache(random: Random, window: int) -> Draft:
    """Files are written and read; the cache grows within a generous limit."""
    service = _service(random)
    file = _between(random, 60, 220) * MIB
    return _steady(service, [_file(random, file, window)], service.level + file, "page_cache", "page_cache", needs="cgroup")


def page_cache_full(random: Random, window: int) -> Draft:
    """The page cache fills the limit; the kernel takes back what is needed."""
    service = _service(random)
    file = _between(random, 120, 260) * MIB
    limit = service.level + file * random.uniform(0.35, 0.6)
    return _steady(
        service, [_file(random, file, window)], limit, "page_cache|at_limit", "page_cache", peak=limit, limit_bytes=limit, needs="cgroup",
    )


def step(random: Random, window: int) -> Draft:
    """A reload lifts the level once or twice."""
    service = _service(random)
    count = random.choice((1, 1, 2))
    size = service.level * random.uniform(0.2, 0.7)
    at = int(window * random.uniform(0.25, 0.55))
    part = f"reload:at={at},every={int(window * 0.2)},count={count},bytes={_size(size)},item={random.choice(('2k', '8k', '200k'))}"
    return _steady(service, [part], service.level + count * size, "step", "heap|release|")


def release_step(random: Random, window: int) -> Draft:
    """A release needs more memory than the one before."""
    service = _service(random)
    size = service.level * random.uniform(0.25, 0.8)
    at = int(window * random.uniform(0.3, 0.7))
    return _steady(
        service, [f"reload:at=0,from_version=2,bytes={_size(size)}"], service.level + size, "step|plateau", "release",
        needs="versions", run={"releases": [at], "replicas": random.choice((1, 2))},
    )  # fmt: skip


def last_step(random: Random, window: int) -> Draft:
    """A step in the last part of the window."""
    service = _service(random)
    size = service.level * random.uniform(0.2, 0.6)
    at = int(window * random.uniform(0.955, 0.98))
    return _steady(
        service, [f"reload:at={at},bytes={_size(size)}"], service.level + size, "step|insufficient_data|unexplained_growth", "heap|",
        undecidable="the step is too close to the window's end",
    )  # fmt: skip


def fixed_leak(random: Random, window: int) -> Draft:
    """A leak that a release has ended."""
    service = _service(random)
    at = int(window * random.uniform(0.35, 0.55))
    rate = _growth(random, service, at, 0.3, 1.0)
    part = _leak(random, random.choice(_KINDS), rate, ",last_version=1")
    return _steady(
        service, [part], service.level, "plateau|step", "heap|release|", peak=service.level + rate * at,
        needs="versions", run={"releases": [at]},
    )  # fmt: skip


def bounded_threads(random: Random, window: int) -> Draft:
    """Threads up to a number, or threads that end and are joined."""
    service = _service(random)
    touch = _between(random, 60, 300) * 1024
    if random.random() < 0.5:
        most = random.randint(15, 60)
        every = max(1, int(window * random.uniform(0.1, 0.3) / most))
        part, held = f"threads:every={every},touch={_size(touch)},most={most}", most * touch
        pattern = "thread_growth|warm_up|plateau"
    else:
        life = int(window * random.uniform(0.05, 0.15))
        every = random.randint(1, 3)
        part, held = f"threads:every={every},touch={_size(touch)},life={life}", life / every * touch
        pattern = "thread_growth|warm_up|plateau"
    return _steady(service, [part], service.level + held, pattern, "thread_stacks|heap|startup", needs="threads")


def bounded_tmpfs(random: Random, window: int) -> Draft:
    """Files in memory up to a size."""
    service = _service(random)
    most = service.level * random.uniform(0.2, 0.8)
    rate = most / (window * random.uniform(0.1, 0.35))
    return _steady(
        service, [f"shared:bytes={_size(rate)},most={_size(most)}"], service.level + most, "warm_up|plateau|step|page_cache", "outside_allocator|page_cache|",
    )


def bounded_mapping(random: Random, window: int) -> Draft:
    """Mappings past the allocator up to a size."""
    service = _service(random)
    most = service.level * random.uniform(0.3, 0.9)
    rate = most / (window * random.uniform(0.1, 0.3))
    return _steady(
        service, [f"mmap:bytes={_size(rate)},piece=256k,most={_size(most)}"], service.level + most, "warm_up|plateau|step", "outside_allocator|heap|",
    )


def slowing_growth(random: Random, window: int) -> Draft:
    """A map of distinct keys that repeat more and more: growth that slows down and never ends."""
    service = _service(random)
    zipf = random.uniform(0.9, 1.25)
    grows = service.level * random.uniform(0.4, 1.2)
    lookups = random.uniform(4, 12)
    item = min(20_000.0, grows / (service.rate * lookups * window) * random.uniform(2.5, 4))
    return _steady(
        service, [f"cache:fresh=0,keys=50000000,zipf={zipf:.2f},lookups={lookups:.1f},bytes={_size(item)}"], service.level + grows,
        "unexplained_growth|warm_up|insufficient_data", "heap|", peak=service.level + grows * 1.5,
        undecidable="growth slows down and has no bound",
    )  # fmt: skip


def reload_copy(random: Random, window: int) -> Draft:
    """Data read anew beside the old copy, again and again."""
    service = _service(random)
    size = service.level * random.uniform(0.3, 0.9)
    every = max(15, int(window / random.uniform(5, 9)))
    part = f"reload:at=2,every={every},count=1000,replace=1,bytes={_size(size)},item={random.choice(('3k', '20k', '300k'))}"
    return _steady(service, [part], service.level + size, "burst|retention|plateau|sawtooth|periodic", "heap|allocator|", peak=service.level + 2 * size)


def burst_too_big(random: Random, window: int) -> Draft:
    """A rare burst above the limit: an OOM kill without a leak."""
    service = _service(random)
    spike = service.level * random.uniform(0.8, 1.6)
    limit = service.level + spike * random.uniform(0.4, 0.8)
    times = sorted(random.sample(range(int(window * 0.2), int(window * 0.75)), random.choice((1, 2))))
    parts = [f"job:at={at},seconds={random.randint(2, 5)},bytes={_size(spike)},item=16k" for at in times]
    return _steady(service, parts, service.level, "burst|plateau", "traffic|heap|", peak=limit, limit_bytes=limit, needs="restarts")


SHAPES: dict[str, Shape] = {
    "steady_leak": Shape(steady_leak, 9, 7),
    "request_leak": Shape(request_leak, 7, 5),
    "cycle_leak": Shape(cycle_leak, 0, 6),
    "backlog_leak": Shape(backlog_leak, 4, 3),
    "endless_cache": Shape(endless_cache, 5, 4),
    "release_leak": Shape(release_leak, 4, 4),
    "replica_leak": Shape(replica_leak, 4, 4),
    "killed_leak": Shape(killed_leak, 5, 5),
    "job_leak": Shape(job_leak, 5, 4),
    "rising_sawtooth": Shape(rising_sawtooth, 4, 4),
    "warm_up_then_leak": Shape(warm_up_then_leak, 5, 4),
    "step_then_leak": Shape(step_then_leak, 0, 5),
    "daily_leak": Shape(daily_leak, 4, 4),
    "cached_leak": Shape(cached_leak, 0, 5),
    "spike_then_leak": Shape(spike_then_leak, 5, 4),
    "endless_threads": Shape(endless_threads, 3, 3),
    "faint_leak": Shape(faint_leak, 3, 3),
    "late_leak": Shape(late_leak, 2, 2),
    "endless_tmpfs": Shape(endless_tmpfs, 2, 2),
    "endless_mapping": Shape(endless_mapping, 0, 3),
    "burst_leak": Shape(burst_leak, 0, 4),
    "startup_freed": Shape(startup_freed, 5, 5),
    "startup_kept": Shape(startup_kept, 4, 4),
    "startup_slow": Shape(startup_slow, 4, 4),
    "startup_too_big": Shape(startup_too_big, 2, 2),
    "plateau": Shape(plateau, 7, 6),
    "warm_up": Shape(warm_up, 6, 5),
    "warm_up_unfinished": Shape(warm_up_unfinished, 3, 3),
    "expiring_cache": Shape(expiring_cache, 4, 3),
    "daily": Shape(daily, 5, 5),
    "rising_half_day": Shape(rising_half_day, 2, 2),
    "bursty_traffic": Shape(bursty_traffic, 4, 3),
    "traffic_ramp": Shape(traffic_ramp, 0, 4),
    "endless_ramp": Shape(endless_ramp, 2, 2),
    "flat_sawtooth": Shape(flat_sawtooth, 6, 5),
    "few_teeth": Shape(few_teeth, 2, 2),
    "rare_spikes": Shape(rare_spikes, 4, 3),
    "last_burst": Shape(last_burst, 2, 2),
    "jobs": Shape(jobs, 4, 3),
    "fragmenting": Shape(fragmenting, 4, 4),
    "arena_ratchet": Shape(arena_ratchet, 4, 3),
    "burst_retained": Shape(burst_retained, 4, 3),
    "burst_returned": Shape(burst_returned, 3, 3),
    "page_cache": Shape(page_cache, 3, 3),
    "page_cache_full": Shape(page_cache_full, 2, 2),
    "step": Shape(step, 4, 4),
    "release_step": Shape(release_step, 3, 3),
    "last_step": Shape(last_step, 1, 1),
    "fixed_leak": Shape(fixed_leak, 3, 3),
    "bounded_threads": Shape(bounded_threads, 3, 3),
    "bounded_tmpfs": Shape(bounded_tmpfs, 2, 1),
    "bounded_mapping": Shape(bounded_mapping, 0, 3),
    "slowing_growth": Shape(slowing_growth, 2, 3),
    "reload_copy": Shape(reload_copy, 0, 5),
    "burst_too_big": Shape(burst_too_big, 3, 2),
}
