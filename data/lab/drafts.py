"""What the program shapes of the corpus are composed of: a draft, and the parts that several of them share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def between(random: Random, low: float, high: float) -> float:
    """Draw evenly on a logarithmic scale."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def whole(value: float) -> int:
    """Cut to whole bytes."""
    return int(value)


@dataclass(frozen=True, slots=True)
class Service:
    """Base load and traffic, which every run has."""

    components: list[str]
    level: float
    rate: float
    request: float
    hold: int


def service_of(
    random: Random, traffic: str = "kind=constant", *, level: float | None = None, weight: float = 0.08
) -> Service:
    """Draw a base load and a traffic whose requests in flight hold `weight` of it."""
    base = level or between(random, 18, 95) * MIB
    rate = between(random, 8, 45)
    hold = random.randint(1, 3)
    request = max(4096.0, base * weight / rate / hold * random.uniform(0.5, 1.5))
    request = min(request, 96 * 1024)
    noise = round(random.choice((0.03, 0.08, 0.15, 0.25)), 3)
    item = random.choice(("2k", "8k", "32k"))
    return Service(
        [
            f"base:bytes={whole(base)},item={item}",
            f"traffic:{traffic},rate={rate:.1f},bytes={whole(request)},hold={hold},noise={noise}",
        ],
        base + rate * request * hold,
        rate,
        request,
        hold,
    )


KINDS = ("vec", "box", "map")


def leak_part(random: Random, kind: str, rate: float, extra: str = "", *, per_request: float | None = None) -> str:
    """Write a leak of `rate` bytes per second; with `per_request`, at so many requests per second."""
    item = whole(between(random, 120, min(6000, max(200, rate / 4))))
    amount = f"bytes={whole(rate / per_request)},per=request" if per_request else f"bytes={whole(rate)}"
    return f"leak:kind={kind},{amount},item={item}{extra}"


def growth_rate(random: Random, service: Service, seconds: float, low: float = 0.15, high: float = 1.3) -> float:
    """Draw a rate that adds a clear part of the level over so many seconds."""
    return service.level * between(random, low, high) / seconds


def startup_part(
    random: Random, service: Service, kept: float, *, scattered: bool = False, slow: int = 0
) -> tuple[float, str]:
    """Write a start-up that takes a spike beside the level; returns its size too."""
    spike = service.level * random.uniform(0.8, 2.6)
    seconds = slow or random.randint(2, 8)
    threads = random.choice((0, 0, 4))
    item = random.choice(("1500", "6k", "40k", "300k")) if not scattered else random.choice(("900", "3k", "7k"))
    return spike, (
        f"startup:bytes={whole(spike)},seconds={seconds},hold={random.randint(1, 6)},kept={kept:.2f},"
        f"scattered={int(scattered)},item={item},threads={threads}"
    )


def lru_part(random: Random, service: Service, fill_seconds: float, share: float) -> tuple[str, float]:
    """Write a cache of `share` of the level that is about full after so many seconds."""
    held = service.level * share
    item = between(random, 600, 5000)
    items = max(50, int(held / item))
    zipf = random.uniform(0.2, 0.7)
    keys = int(items * random.uniform(1.6, 4))
    # Hits do not fill the cache; about this part of the look-ups are misses while it fills.
    lookups = items / fill_seconds / service.rate * (1.5 + zipf)
    return f"lru:items={items},bytes={whole(item)},keys={keys},zipf={zipf:.2f},lookups={lookups:.2f}", held


def file_part(random: Random, bytes_: float, window: int) -> str:
    """Write a file that grows to so many bytes within the window and is read on the way."""
    write = bytes_ / (window * random.uniform(0.5, 0.95))
    hot = bytes_ * random.uniform(0.3, 0.9)
    return f"file:write={whole(write)},most={whole(bytes_)},read={whole(write * random.uniform(2, 6))},hot={whole(hot)}"
