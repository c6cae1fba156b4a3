"""One limit of one workload container: what is requested with it, what that costs a month, and the chance of a kill."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rmtoolkit.limits.risk import risk

if TYPE_CHECKING:
    from rmtoolkit.limits.history import Need
    from rmtoolkit.limits.risk import Numbers, Risk

_MIB: Final = 2**20
GIB: Final = 2**30
#: Hours of an average month, and of a week.
HOURS_PER_MONTH: Final = 730.5
_HOURS_PER_WEEK: Final = 168


@dataclass(frozen=True, slots=True)
class Prices:
    """What memory and incidents cost.

    Attributes
    ----------
    per_gib_hour
        A GiB of reserved memory for an hour.
    per_incident
        A week with OOM kills.
    whole
        Whether the whole limit is reserved (request = limit), or only the request.
    currency
        Of both.

    Examples
    --------
    >>> Prices(0.005, 40.0).currency
    'USD'
    """

    per_gib_hour: float
    per_incident: float
    whole: bool = True
    currency: str = "USD"


#: What things usually cost, where nobody says.
USUAL: Final = Prices(0.005, 40.0)


@dataclass(frozen=True, slots=True)
class AtLimit:
    """Everything that a limit says in one number each; None: not known, or nobody named a price."""

    limit_bytes: int
    request_bytes: int | None
    reserved_bytes: int | None
    memory_per_month: float | None
    incidents_per_month: float | None
    risk: Risk

    @property
    def total_per_month(self) -> float | None:
        """What memory and incidents cost together."""
        memory, incidents = self.memory_per_month, self.incidents_per_month
        return None if memory is None or incidents is None else memory + incidents


def at_limit(
    need: Need, limit_bytes: int, request_bytes: int | None, scores: Numbers, prices: Prices | None = None
) -> AtLimit:
    """Say everything of one limit with one request; without a request the scheduler sets the whole limit aside."""
    found = risk(need, limit_bytes, scores)
    aside = reserved(need, limit_bytes, request_bytes)
    return AtLimit(
        limit_bytes,
        request_bytes,
        aside,
        per_month(aside, None if prices is None else prices.per_gib_hour),
        expected(found.week, None if prices is None else prices.per_incident),
        found,
    )


def reserved(need: Need, limit_bytes: int | None, request_bytes: int | None) -> int | None:
    """Say what the scheduler sets aside for all pods that run now: the request, or the limit where there is none."""
    asked = limit_bytes if request_bytes is None else request_bytes
    return None if asked is None else min(asked, asked if limit_bytes is None else limit_bytes) * need.pods_now


def advised_request(need: Need, limit_bytes: int | None) -> int | None:
    """Take what it uses nearly always, in whole MiB: packing goes by the request, kills by the limit."""
    if need.guaranteed and limit_bytes is not None:
        # Guaranteed stays Guaranteed.
        return limit_bytes
    if need.busy_bytes is None:
        return None
    wanted = max(math.ceil(need.busy_bytes / _MIB), 1) * _MIB
    return wanted if limit_bytes is None else min(wanted, limit_bytes)


def requested(need: Need, limit_bytes: int, *, whole: bool | None = None, anew: bool = False) -> int | None:
    """Say what is requested beside a limit: the request in force beside the limit in force, unless it is set anew."""
    if whole is not None:
        return limit_bytes if whole else advised_request(replace(need, request_bytes=None), limit_bytes)
    if limit_bytes == need.limit_bytes and not anew:
        return need.request_bytes
    return advised_request(need, limit_bytes)


def per_month(reserved_bytes: float | None, price_per_gib_hour: float | None) -> float | None:
    """Price what is reserved for a month."""
    if reserved_bytes is None or price_per_gib_hour is None:
        return None
    return reserved_bytes / GIB * price_per_gib_hour * HOURS_PER_MONTH


def expected(oom_probability: float | None, price_per_incident: float | None) -> float | None:
    """Price the OOM kills that are to be expected in a month."""
    if oom_probability is None or price_per_incident is None:
        return None
    return oom_probability * price_per_incident * HOURS_PER_MONTH / _HOURS_PER_WEEK
