"""The bank of shapes: whitened, orthonormal, complete."""

from __future__ import annotations

import numpy as np
import pytest

from rmtoolkit.analysis.models import FAMILIES, RHOS, bank, whiten
from rmtoolkit.analysis.thresholds import RICHER


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9], ids="rho{}".format)
def test_whitening_undoes_an_autoregression(rho: float) -> None:
    """Whitened first-order noise is the shocks that it was made of."""
    rng = np.random.default_rng(7)
    shocks = rng.normal(0, 1, 5000)
    values = np.empty(5000)
    values[0] = shocks[0] / np.sqrt(1 - rho**2)
    for index in range(1, 5000):
        values[index] = rho * values[index - 1] + shocks[index]
    assert np.allclose(whiten(values[None, :], rho)[0], shocks)


@pytest.mark.parametrize("rho", RHOS, ids="rho{}".format)
@pytest.mark.parametrize("bins", [24, 48, 96], ids="bins{}".format)
def test_bases_are_orthonormal(bins: int, rho: float) -> None:
    """The columns of each shape are orthonormal and free of the constant."""
    shapes = bank(bins, rho)
    constant = whiten(np.ones((1, bins)), rho)[0]
    assert np.abs(constant @ shapes.columns).max() < 1e-8
    for first, count in zip(shapes.first.tolist(), shapes.count.tolist(), strict=True):
        block = shapes.columns[:, first : first + count]
        assert np.allclose(block.T @ block, np.eye(count), atol=1e-8)


def test_every_family_has_members() -> None:
    """No family is lost for want of bins; its members share one vote, less for a word that contains a simpler one."""
    shapes = bank(96)
    for code in range(len(FAMILIES)):
        vote = np.exp(shapes.prior[shapes.family == code]).sum()
        assert vote == pytest.approx(np.exp(RICHER.get(FAMILIES[code], 0)))
