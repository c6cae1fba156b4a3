"""The bank of shapes that compete to explain a life: bounded ones and growing ones.

Each shape is a small family of straight least-squares problems on the bins of a life's time, 0 to 1. Their
bases are made once for a width and an autocorrelation; fitting all lives is then one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit.analysis.parameters import RICHER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Names of the shapes: the bounded ones first.
FAMILIES: Final = (
    "constant",
    "step",
    "two_steps",
    "pulse",
    "saturating",
    "two_saturating",
    "saturating_step",
    "log",
    "power",
    "ramp_end",
    "ramp",
    "half_wave",
    "linear",
    "two_slopes",
    "saturating_linear",
    "saturating_hinge",
    "step_linear",
    "step_hinge",
    "two_steps_linear",
)
#: Index of each family in `FAMILIES`.
CODE: Final = {name: code for code, name in enumerate(FAMILIES)}
#: Families that grow without an end.
GROWTH_FAMILIES: Final = FAMILIES[FAMILIES.index("linear") :]
#: Autocorrelations, bin to bin, that compete; the last is nearly a random walk.
RHOS: Final = (0.0, 0.35, 0.6, 0.78, 0.9, 0.96)
#: Terms nearer than this to each other count as one.
_SAME: Final = 1e-7
_MOST_CYCLES: Final = 1.75
#: Of these large families every n-th member is enough to choose an autocorrelation.
_SPARSE: Final = {
    "two_steps": 6,
    "pulse": 7,
    "two_steps_linear": 6,
    "two_saturating": 8,
    "saturating_step": 6,
    "saturating_hinge": 6,
    "two_slopes": 2,
    "ramp_end": 3,
    "ramp": 4,
    "saturating": 3,
}


@dataclass(frozen=True, slots=True)
class Bank:
    """All shapes for one number of bins.

    Attributes
    ----------
    time
        Bin centres, 0 to 1.
    columns
        Orthonormal bases side by side, each orthogonal to the constant: bins x columns.
    first, count
        Where the columns of each shape begin and how many there are (0 for the constant).
    family
        Index into `FAMILIES`.
    scale
        Projection on the last column times this = coefficient of the shape's last term.
    lead, mix
        Of the last but one term: its scale, and the share of the last coefficient to take off.
    onset
        Where the last term begins, 0 to 1.
    shape
        The time constant or the number of cycles, where a family has one.
    prior
        Log prior: families are equal, the members of a family share.
    design, triangle
        Of each shape: its terms less what they share with the constant (bins x terms), and the triangle
        that turns projections into coefficients.

    Examples
    --------
    >>> bank(24).columns.shape[0]
    24
    """

    time: Array
    columns: Array
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    family: NDArray[np.int64]
    scale: Array
    lead: Array
    mix: Array
    onset: Array
    shape: Array
    prior: Array
    design: tuple[Array, ...]
    triangle: tuple[Array, ...]


def _terms(u: Array) -> Iterator[tuple[str, list[Array], float, float]]:
    """Give every member of every family: name, terms beside the constant, onset, shape."""
    bins = len(u)
    fine = np.linspace(0.06, 0.96, 24 if bins >= 48 else 16)
    coarse = np.linspace(0.08, 0.92, 13)
    taus = np.geomspace(0.012, 2.5, 36)
    fast = taus[taus < 0.34][::2]

    def step(c: float) -> Array:
        return (u > c).astype(float)

    def hinge(c: float) -> Array:
        return np.maximum(u - c, 0)

    yield "constant", [], 0, 0
    yield "linear", [u], 0, 0
    # A step falls between two bins: a coarser grid would leave its edge as an outlier.
    for c in np.arange(3, bins - 2) / bins:
        yield "step", [step(c)], c, 0
        yield "step_linear", [step(c), u], 0, c
        yield "step_hinge", [step(c), hinge(c)], c, 0
    for c in fine:
        yield "ramp_end", [np.minimum(u, c)], c, 0
        yield "two_slopes", [np.minimum(u, c), hinge(c)], c, 0
    for index, c in enumerate(coarse):
        for d in coarse[index + 1 :]:
            yield "two_steps", [step(c), step(d)], d, c
            yield "two_steps_linear", [step(c), step(d), u], 0, c
            yield "ramp", [np.clip((u - c) / (d - c), 0, 1)], d, c
    edges = np.arange(3, bins - 2, max(1, bins // 32)) / bins
    for index, c in enumerate(edges):
        for d in edges[index + 1 :]:
            yield "pulse", [step(c) - step(d)], d, c
    for tau in taus:
        yield "saturating", [np.exp(-u / tau)], 0, tau
    for tau in taus[::3]:
        for slower in taus[1::3]:
            if slower > 2.5 * tau:
                yield "two_saturating", [np.exp(-u / tau), np.exp(-u / slower)], 0, slower
    for tau in fast:
        yield "saturating_linear", [np.exp(-u / tau), u], 0, tau
        for c in coarse:
            yield "saturating_step", [np.exp(-u / tau), step(c)], c, tau
            yield "saturating_hinge", [np.exp(-u / tau), hinge(c)], c, tau
    for c in np.geomspace(0.004, 1.0, 12):
        yield "log", [np.log1p(u / c)], 0, c
    # Distinct keys among repeating ones grow by a power of the time (Heaps' law): ever slower, without an end.
    for exponent in np.arange(0.3, 0.81, 0.05):
        yield "power", [u**exponent], 0, exponent
    for cycles in np.geomspace(0.25, _MOST_CYCLES, 12):
        yield "half_wave", [np.sin(2 * np.pi * cycles * u), np.cos(2 * np.pi * cycles * u)], 0, cycles


def whiten(rows: Array, rho: float) -> Array:
    """Take a first-order autocorrelation out of rows.

    Parameters
    ----------
    rows
        Values, rows x bins.
    rho
        Autocorrelation from bin to bin.

    Returns
    -------
    numpy.ndarray
        Rows of the same shape, whose residuals are independent if `rho` is right.

    Examples
    --------
    >>> whiten(np.array([[1.0, 2.0, 3.0]]), 0.0).tolist()
    [[1.0, 2.0, 3.0]]
    """
    white = rows.astype(float)
    white[:, 1:] -= rho * rows[:, :-1]
    white[:, 0] *= np.sqrt(1 - rho**2)
    return white


@lru_cache(maxsize=48)
def bank(bins: int, rho: float = 0.0, *, sparse: bool = False) -> Bank:
    """Make the bases of all shapes for a width; made once, then kept.

    Parameters
    ----------
    bins
        Bins of a life.
    rho
        Autocorrelation of the residuals from bin to bin; the bases are whitened by it.
    sparse
        Only the few shapes that the choice of an autocorrelation needs.

    Returns
    -------
    Bank
        All shapes.

    Examples
    --------
    >>> bool(np.allclose(bank(24).columns.sum(axis=0), 0))
    True
    """
    u = (np.arange(bins) + 0.5) / bins
    constant = whiten(np.ones((1, bins)), rho)[0]
    length = np.sqrt((constant**2).sum())
    constant /= length
    seen: dict[str, int] = {}
    given: list[tuple[str, float, float, Array]] = []
    for name, terms, begins, value in _terms(u):
        seen[name] = seen.get(name, -1) + 1
        if not (sparse and seen[name] % _SPARSE.get(name, 1)):
            given.append((name, begins, value, np.array(terms).reshape(len(terms), bins)))
    bases = _bases([design for *_, design in given], rho, constant)
    members = [
        (name, begins, value, design.T - shared / length, q, r)
        for (name, begins, value, design), (shared, q, r) in zip(given, bases, strict=True)
        # On few bins two terms can be the same: such a member says nothing new.
        if not len(design) or np.abs(np.diag(r)).min() >= _SAME * np.abs(np.diag(r)).max()
    ]
    count = np.array([member[5].shape[0] for member in members])
    codes = np.array([CODE[member[0]] for member in members])
    last = [member[5] for member in members]
    return Bank(
        time=u,
        columns=np.concatenate([member[4] for member in members], axis=1),
        first=np.cumsum(count) - count,
        count=count,
        family=codes,
        scale=np.array([1 / r[-1, -1] if len(r) else 0.0 for r in last]),
        lead=np.array([1 / r[-2, -2] if len(r) > 1 else 0.0 for r in last]),
        mix=np.array([r[-2, -1] if len(r) > 1 else 0.0 for r in last]),
        onset=np.array([member[1] for member in members], dtype=float),
        shape=np.array([member[2] for member in members], dtype=float),
        prior=np.array([RICHER.get(member[0], 0.0) for member in members]) - np.log(np.bincount(codes)[codes]),
        design=tuple(member[3] for member in members),
        triangle=tuple(last),
    )


def _bases(designs: list[Array], rho: float, constant: Array) -> list[tuple[Array, Array, Array]]:
    """Make the bases of many designs at once: what each shares with the constant, and its two factors."""
    found: dict[int, tuple[Array, Array, Array]] = {}
    for terms in {len(design) for design in designs}:
        which = [index for index, design in enumerate(designs) if len(design) == terms]
        stack = np.array([designs[index] for index in which])
        white = whiten(stack.reshape(-1, stack.shape[2]), rho).reshape(stack.shape)
        shared = white @ constant
        q, r = np.linalg.qr((white - shared[:, :, None] * constant).transpose(0, 2, 1))
        found |= zip(which, zip(shared, q, r, strict=True), strict=True)
    return [found[index] for index in range(len(designs))]
