"""Intervals for shares that were counted."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

#: All intervals of the package are 80 % intervals.
_TAIL: Final = 0.1
_STEPS: Final = 100
#: Steps that halve before lines are drawn, and what is near enough.
_HALVED: Final = 6
_NEAR: Final = 1e-13


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
    """Find where a rising function of a share has a value: halve, then draw lines (the Illinois method)."""
    low, high = 0.0, 1.0
    below, above = rising(low) - wanted, rising(high) - wanted
    for step in range(_STEPS):
        draws = step >= _HALVED
        middle = high - above * (high - low) / (above - below) if draws else (low + high) / 2
        found = rising(middle) - wanted
        if abs(found) < _NEAR or high - low < _NEAR:
            return middle
        # The end that stays where it is counts half, or it would stay for ever.
        if found < 0:
            low, below, above = middle, found, above / 2 if draws else above
        else:
            high, above, below = middle, found, below / 2 if draws else below
    return (low + high) / 2


def _at_most(count: int, total: int, share: float) -> float:
    """Give the chance of at most so many successes of a binomial distribution."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    successes = np.arange(count + 1)
    logs = _log_ways(total)[: count + 1] + successes * math.log(share) + (total - successes) * math.log1p(-share)
    return min(float(np.exp(logs).sum()), 1.0)


@lru_cache(maxsize=64)
def _log_ways(total: int) -> npt.NDArray[np.float64]:
    """Give the log of the number of ways to choose 0, 1, … of so many."""
    factorials = np.cumsum(np.log(np.maximum(np.arange(total + 1), 1)))
    return np.asarray(factorials[-1] - factorials - factorials[::-1])


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
