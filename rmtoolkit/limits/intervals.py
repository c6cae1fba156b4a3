"""Intervals for shares that were counted."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: All intervals of the package are 80 % intervals.
_TAIL: Final = 0.1
_STEPS: Final = 60


@lru_cache(maxsize=65_536)
def clopper_pearson(count: int, total: int) -> tuple[float, float]:
    """Give the exact 80 % interval of a share: so many of so many.

    Parameters
    ----------
    count
        How often it happened.
    total
        How often it could have.

    Returns
    -------
    tuple of float
        Lowest and highest share that fit; (0, 1) when there is nothing to count.

    Notes
    -----
    C. Clopper and E. Pearson, Biometrika 26 (1934).

    Examples
    --------
    >>> [round(bound, 3) for bound in clopper_pearson(1, 20)]
    [0.005, 0.181]
    """
    if total == 0:
        return 0.0, 1.0
    low = 0.0 if count == 0 else _solve(lambda share: 1 - _at_most(count - 1, total, share), _TAIL)
    high = 1.0 if count == total else _solve(lambda share: 1 - _at_most(count, total, share), 1 - _TAIL)
    return low, high


def _solve(rising: Callable[[float], float], wanted: float) -> float:
    """Find where a rising function of a share has a value."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2


def _at_most(count: int, total: int, share: float) -> float:
    """Give the chance of at most so many successes of a binomial distribution."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    whole = math.lgamma(total + 1)
    logs = (
        whole - math.lgamma(k + 1) - math.lgamma(total - k + 1) + k * math.log(share) + (total - k) * math.log1p(-share)
        for k in range(count + 1)
    )
    return min(sum(math.exp(value) for value in logs), 1.0)


@lru_cache(maxsize=65_536)
def wilson(count: int, total: int) -> tuple[float, float]:
    """Give the 95 % interval of a share after Wilson: for tables of results.

    Parameters
    ----------
    count
        How often it happened.
    total
        How often it could have.

    Returns
    -------
    tuple of float
        Lowest and highest share that fit; (0, 1) when there is nothing to count.

    Notes
    -----
    E. Wilson, Journal of the American Statistical Association 22 (1927).

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson(5, 100)]
    [0.022, 0.112]
    """
    if total == 0:
        return 0.0, 1.0
    z = 1.959964
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def mcnemar(only_first: int, only_second: int) -> float:
    """Give the exact two-sided p-value of a paired comparison of two ways to fail.

    Parameters
    ----------
    only_first, only_second
        Pairs in which only the one, or only the other, failed.

    Returns
    -------
    float
        1 when there is no such pair.

    Notes
    -----
    Q. McNemar, Psychometrika 12 (1947); the exact binomial form.

    Examples
    --------
    >>> round(mcnemar(7, 32), 5)
    7e-05
    """
    total = only_first + only_second
    if total == 0:
        return 1.0
    return min(1.0, 2 * _at_most(min(only_first, only_second), total, 0.5))
