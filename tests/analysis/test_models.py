"""The competition of shapes, against numbers that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rmtoolkit.analysis.models import FAMILIES, RHOS, Fit, Given, _kendall, bank, compete, remove, whiten
from rmtoolkit.analysis.thresholds import RICHER
from tests.analysis.curves import MI, ar1, saturate

BINS = 96
U = (np.arange(BINS) + 0.5) / BINS


def fitted(values: np.ndarray, level: np.ndarray, **given: np.ndarray) -> Fit:
    """Compete on rows without a limit whose bins are all filled, of a meter without a grain, in less than a day."""
    nothing = np.zeros(len(values))
    usual = {"headroom": nothing + np.inf, "filled": nothing + 1, "grain": nothing, "day_cycles": nothing}
    return compete(values, Given(**usual | {"level": level} | given))


def fit(curve: np.ndarray, sigma: float = 0.3, seed: int = 0, **given: Any) -> Fit:
    """Compete on one row, in MiB, with a little white noise."""
    values = curve + np.random.default_rng(seed).normal(0, sigma, len(curve))
    level = given.pop("level", float(np.median(curve)))
    more = {name: np.array([value]) for name, value in given.items()}
    return fitted(values[None, :] * MI, np.array([level * MI]), **more)


def test_line_gives_back_its_slope() -> None:
    """A pure line has its own slope, no error to speak of, and its own curve."""
    line = 100 + 60 * U
    found = fit(line, sigma=0)
    assert FAMILIES[found.family[0]] == "linear"
    assert found.growing[0] > 0.95
    assert found.growth[0] == pytest.approx(60 * MI, rel=0.002)
    assert np.allclose(found.fitted[0], line * MI, rtol=1e-3)
    assert found.onset[0] < 0.05


@pytest.mark.parametrize("sigma", [0.5, 2.0], ids="sigma{}".format)
def test_slope_lies_in_its_interval(sigma: float) -> None:
    """Over forty noisy lines the true slope lies in the 80 % interval about four times in five."""
    inside = 0
    for seed in range(40):
        found = fit(100 + 60 * U, sigma, seed)
        inside += bool(abs(found.growth[0] - 60 * MI) < 1.2816 * found.growth_error[0])
    assert 24 <= inside <= 40


def test_weighted_slope_equals_generalised_least_squares() -> None:
    """With one autocorrelation the slope of the line is the textbook estimate."""
    rng = np.random.default_rng(3)
    y = 100 + 60 * U + ar1(rng, BINS, 2, 0.6)
    rho = 0.6
    shapes = bank(BINS, rho)
    line = int(np.flatnonzero(shapes.family == FAMILIES.index("linear"))[0])
    covariance = rho ** np.abs(np.subtract.outer(np.arange(BINS), np.arange(BINS)))
    inverse = np.linalg.inv(covariance)
    x = np.column_stack([np.ones(BINS), U])
    expected = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)[1]
    projection = whiten(y[None, :], rho)[0] @ shapes.columns[:, shapes.place[line, 0]]
    assert projection * shapes.scale[line] == pytest.approx(expected, rel=1e-9)


def test_of_equals_the_first_is_named() -> None:
    """Where several families explain all but the noise of the meter, order decides and not rounding."""
    found = fit(100 + 0.75 * U, sigma=0)
    equal = found.families[0] > (1 - 1e-9) * found.families[0].max()
    assert equal.sum() > 1
    assert found.family[0] == equal.argmax()


@pytest.mark.parametrize(
    ("curve", "kind"),
    [
        pytest.param(100 + 0 * U, "bounded", id="constant"),
        pytest.param(100 + 30 * (U > 0.5), "bounded", id="step"),
        pytest.param(100 + 60 * saturate(U, 0.12), "bounded", id="warm_up"),
        pytest.param(100 + 60 * np.minimum(U, 0.4), "bounded", id="ramp_that_ended"),
        pytest.param(100 + 60 * saturate(U, 0.9), "unresolved", id="one_time_constant"),
        pytest.param(100 + 20 * np.log1p(U / 0.05), "unresolved", id="logarithm"),
        pytest.param(100 + 60 * np.maximum(U - 0.5, 0), "growing", id="rest_then_growth"),
        pytest.param(100 + 40 * saturate(U, 0.05) + 40 * np.maximum(U - 0.45, 0), "growing", id="warm_up_rest_growth"),
        pytest.param(100 - 40 * (U > 0.4) + 30 * np.maximum(U - 0.4, 0), "growing", id="drop_then_growth"),
        pytest.param(100 - 40 * U, "bounded", id="decline"),
    ],
)
def test_kind_of_a_clear_shape(curve: np.ndarray, kind: str) -> None:
    """Each clear shape is told by what it says about the time after the window, and its curve is found."""
    found = fit(curve)
    assert getattr(found, kind)[0] > 0.8, {
        name: float(getattr(found, name)[0]) for name in ("growing", "bounded", "unresolved")
    }
    assert np.median(np.abs(found.fitted[0] - curve * MI)) < MI


def test_a_warm_up_of_any_length_is_one() -> None:
    """However quiet the meter and large the rise, none falls between two of the lengths that are tried."""
    rng = np.random.default_rng(9)
    lengths = np.linspace(0.05, 0.19, 57)
    clean = np.stack([100 + 200 * saturate(U, length) for length in lengths]) * MI
    found = fitted(clean + rng.normal(0, MI / 2, clean.shape), np.median(clean, axis=1))
    assert found.bounded.min() > 0.6, lengths[found.bounded <= 0.6]


@pytest.mark.parametrize(
    ("curve", "family"),
    [(100 + 0 * U, "constant"), (100 + 60 * U, "linear"), (100 + 30 * (U > 0.5), "step")],
    ids=["constant", "linear", "step"],
)
def test_family_of_the_plainest_shapes(curve: np.ndarray, family: str) -> None:
    """What one word describes is called by it, not by a richer word for the same curve."""
    named = [FAMILIES[fit(curve, seed=seed).family[0]] for seed in range(10)]
    assert named.count(family) >= 8, named


@pytest.mark.parametrize("onset", [0.3, 0.5, 0.65], ids="onset{}".format)
def test_onset_of_growth(onset: float) -> None:
    """Growth after a rest is dated to a few hundredths of the window."""
    assert fit(100 + 60 * np.maximum(U - onset, 0)).onset[0] == pytest.approx(onset, abs=0.06)


@pytest.mark.parametrize("late", [60, 120, 240], ids="{}".format)
def test_a_bend_near_the_end_makes_steady_growth_neither_younger_nor_faster(late: float) -> None:
    """Where a burst reaches into the last bins of a line, it began with the line, and goes on as that did."""
    found = fit(100 + 60 * U + late * np.maximum(U - 0.94, 0))
    assert found.growing[0] > 0.95
    assert found.onset[0] < 0.05
    assert found.growth[0] == pytest.approx(60 * MI, rel=0.05)


def test_probabilities_sum_to_one() -> None:
    """The three kinds, and all families, share one probability."""
    rng = np.random.default_rng(5)
    values = np.abs(100 * MI + 5 * MI * rng.normal(0, 1, (30, BINS)).cumsum(axis=1))
    found = fitted(values, np.full(30, 100.0 * MI))
    assert np.allclose(found.growing + found.bounded + found.unresolved, 1)
    assert np.allclose(found.families.sum(axis=1), 1)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    """Rows judged together get what each gets alone."""
    rng = np.random.default_rng(6)
    values = np.stack([100 + 60 * U, 100 + 0 * U, 100 + 60 * saturate(U, 0.2)]) * MI + rng.normal(0, MI, (3, BINS))
    level = np.median(values, axis=1)
    together = fitted(values, level)
    for row in range(3):
        alone = fitted(values[[row]], level[[row]])
        assert alone.growing[0] == pytest.approx(together.growing[row])
        assert alone.growth[0] == pytest.approx(together.growth[row])


def test_scale_does_not_matter() -> None:
    """The same picture a thousand times larger gets the same answer."""
    small, large = fit(100 + 20 * U, 1.0), fit(1000 * (100 + 20 * U), 1000.0)
    assert large.growing[0] == pytest.approx(small.growing[0], abs=0.01)
    assert large.growth[0] == pytest.approx(1000 * small.growth[0], rel=1e-3)


def test_half_a_wave_competes_only_where_a_day_is_near() -> None:
    """Half a cosine is open where the window is half a day, and not where it is ten minutes."""
    curve = 300 - 40 * np.cos(np.pi * U)
    assert fit(curve, day_cycles=0.5).unresolved[0] > 0.6
    assert FAMILIES[fit(curve, day_cycles=0.007).family[0]] != "half_wave"


def test_growth_below_what_matters_is_bounded() -> None:
    """A rise of under two percent matters to nobody, unless the limit is as near."""
    curve = 100 + 1.9 * U
    assert fit(curve, 0.02).growing[0] < 0.1
    assert fit(curve, 0.02).bounded[0] > 0.9
    assert fit(curve, 0.02, headroom=4.0 * MI).growing[0] > 0.4


def test_a_coarse_meter_is_no_evidence() -> None:
    """One count of a coarse meter is no step and no growth."""
    curve = 100 + 1.0 * (U > 0.7)
    found = fit(curve, 0, grain=float(MI))
    assert found.bounded[0] > 0.9


def test_floor_falls_with_the_noise() -> None:
    """The less noise, the smaller the growth that would have been found; never below what matters."""
    floors = [fit(100 + 0 * U, sigma).floor[0] for sigma in (0.2, 1.0, 4.0)]
    assert floors == sorted(floors)
    assert floors[0] >= 0.02 * 100 * MI


def test_no_rows() -> None:
    """Nothing to fit is no error."""
    found = fitted(np.zeros((0, BINS)), np.zeros(0))
    assert found.growing.shape == (0,)
    assert found.fitted.shape == (0, BINS)


@pytest.mark.parametrize("bins", [24, 48, 96])
@pytest.mark.parametrize("height", [40.0, -40.0])
def test_a_line_beside_a_step_is_seen_wherever_the_step_is(bins: int, height: float) -> None:
    """Growth by 18 % with a step in any bin: the step is no reason to take the rest for wandering."""
    u = (np.arange(bins) + 0.5) / bins
    for edge in range(bins // 6, bins - bins // 4):
        found = fit(100 + 18 * u + height * (np.arange(bins) >= edge), sigma=0.2, seed=edge)
        assert found.growing[0] > 0.9, edge


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
@pytest.mark.parametrize("bins", [12, 24, 48, 96], ids="bins{}".format)
def test_bases_are_orthonormal(bins: int, rho: float) -> None:
    """The columns of each shape are orthonormal and free of the constant."""
    shapes = bank(bins, rho)
    constant = whiten(np.ones((1, bins)), rho)[0]
    assert np.abs(constant @ shapes.columns).max() < 1e-8
    for place, count in zip(shapes.place, shapes.count.tolist(), strict=True):
        block = shapes.columns[:, place[:count]]
        assert np.allclose(block.T @ block, np.eye(count), atol=1e-8)


def test_every_family_has_members() -> None:
    """No family is lost for want of bins; its members share one vote, less for a word that contains a simpler one."""
    shapes = bank(96, 0.0)
    for code in range(len(FAMILIES)):
        vote = np.exp(shapes.prior[shapes.family == code]).sum()
        assert vote == pytest.approx(np.exp(RICHER.get(FAMILIES[code], 0)))


@pytest.mark.parametrize("cycles", [3.0, 5.5, 7.0, 14.2], ids="cycles{}".format)
@pytest.mark.parametrize("trend", [0.0, 25.0], ids="trend{}".format)
def test_wave_is_removed_and_the_trend_stays(cycles: float, trend: float) -> None:
    """Whatever the number of cycles, what is left is the trend."""
    rest, share = remove((100 + trend * U + 12 * np.sin(2 * np.pi * cycles * U + 1))[None, :], np.array([0.1]))
    assert share[0] > 0.9
    assert np.abs(rest[0] - rest[0].mean() - trend * (U - U.mean())).max() < 3


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(100 + 0 * U, id="flat"),
        pytest.param(100 + 50 * U, id="line"),
        pytest.param(100 + 20 * np.sin(np.pi * U), id="half_wave"),
        pytest.param(100 + 0.05 * np.sin(2 * np.pi * 6 * U), id="wave_below_the_meter"),
    ],
)
def test_what_is_no_cycle_stays(curve: np.ndarray) -> None:
    """Lines, bends and what no meter can tell are left exactly alone."""
    rest, share = remove(curve[None, :], np.array([0.1]))
    assert share[0] == 0
    assert (rest[0] == curve).all()


def test_white_noise_has_no_cycle() -> None:
    """Of fifty rows of noise none is half a cycle."""
    noise = 100 + np.random.default_rng(1).normal(0, 1, (50, BINS))
    assert (remove(noise, np.full(50, 0.1))[1] == 0).all()


def test_mean_is_kept() -> None:
    """Removing a cycle does not move the level."""
    values = (100 + 12 * np.sin(2 * np.pi * 6.3 * U))[None, :]
    assert remove(values, np.array([0.1]))[0].mean() == pytest.approx(values.mean())


def test_no_rows_have_no_season() -> None:
    """Nothing to look at is no error."""
    rest, share = remove(np.zeros((0, BINS)), np.zeros(0))
    assert rest.shape == (0, BINS)
    assert share.shape == (0,)


@pytest.mark.parametrize(
    ("values", "order"),
    [([], 0), ([1], 0), ([1, 2], 1), ([2, 1], -1), ([1, 2, 3], 1), ([1, 3, 2, 4], 2 / 3), ([1, 1], 0)],
)
def test_how_much_of_values_rises_is_the_share_of_pairs_in_order(values: list[float], order: float) -> None:
    """Kendall's rank correlation with time, of two values as of many."""
    assert _kendall(values) == pytest.approx(order)
