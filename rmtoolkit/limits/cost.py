"""What memory costs: what is reserved, at a price that the user names."""

from __future__ import annotations

from typing import Final

GIB: Final = 2**30
#: Hours of an average month.
HOURS_PER_MONTH: Final = 730.5


def per_month(reserved_bytes: float | None, price_per_gib_hour: float | None) -> float | None:
    """Price what is reserved for a month.

    Parameters
    ----------
    reserved_bytes
        Request times replicas; None: unknown.
    price_per_gib_hour
        In any currency; None: unknown.

    Returns
    -------
    float or None
        In the currency of the price; None when one of them is unknown.

    Examples
    --------
    >>> per_month(2 * GIB, 0.005)
    7.305
    """
    if reserved_bytes is None or price_per_gib_hour is None:
        return None
    return reserved_bytes / GIB * price_per_gib_hour * HOURS_PER_MONTH


def expected(oom_probability: float | None, price_per_incident: float | None) -> float | None:
    """Price the OOM kills that are to be expected in a month.

    Parameters
    ----------
    oom_probability
        Chance of one or more in seven days; None: unknown.
    price_per_incident
        What a week with an OOM kill costs; None: unknown.

    Returns
    -------
    float or None
        In the currency of the price; a week counts once, however many kills it has.

    Examples
    --------
    >>> round(expected(0.05, 1000), 2)
    217.41
    """
    if oom_probability is None or price_per_incident is None:
        return None
    return oom_probability * price_per_incident * HOURS_PER_MONTH / 168
