"""Resampling, temperatures and genealogies.

Answers: expectations over the uniform number, exact by its intervals; the variance of multinomial resampling; moments
of log-normal numbers.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from samplers.particles.genealogies import Genealogy, error_of_logarithm
from samplers.particles.resampling import normalized, systematic
from samplers.particles.temperatures import effective_share, next_temperature


def offspring_by_interval(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the numbers of offspring over the uniform number: constant between breaks."""
    number = len(weights)
    breaks = np.unique(np.concatenate([[0.0, 1.0], np.mod(np.cumsum(weights) * number, 1.0)]))
    lengths, middles = np.diff(breaks), (breaks[1:] + breaks[:-1]) / 2
    counts = np.array([np.bincount(systematic(weights, u), minlength=number) for u in middles])
    mean = lengths @ counts
    return mean, lengths @ (counts - mean) ** 2


@pytest.mark.parametrize("weights", [[0.5, 0.25, 0.25], [0.1, 0.0, 0.61, 0.29], [1.0], [0.2] * 5, [0.0, 0.0, 1.0]])
def test_systematic_resampling_is_unbiased(weights: list[float]) -> None:
    weights = np.array(weights)
    mean, variance = offspring_by_interval(weights)
    np.testing.assert_allclose(mean, len(weights) * weights, atol=1e-12)
    fractions = np.mod(len(weights) * weights, 1.0)
    np.testing.assert_allclose(variance, fractions * (1.0 - fractions), atol=1e-12)


def test_relatives_stay_side_by_side() -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(50))
    assert (np.diff(systematic(weights, 0.3)) >= 0).all()


def test_what_has_no_weight_has_no_offspring() -> None:
    weights = np.array([0.0, 0.3, 0.0, 0.7, 0.0])
    for uniform in (0.0, 0.5, np.nextafter(1.0, 0.0)):
        assert set(systematic(weights, uniform).tolist()) <= {1, 3}


def test_the_mean_of_weights() -> None:
    weights, log_mean = normalized(np.array([-1000.0, -1000.0 + np.log(3.0), -np.inf]))
    np.testing.assert_allclose(weights, [0.25, 0.75, 0.0])
    assert log_mean == pytest.approx(-1000.0 + np.log(4.0 / 3.0))
    assert normalized(np.array([-np.inf, -np.inf]))[1] == -np.inf


def test_the_next_temperature() -> None:
    loglikelihoods = np.random.default_rng(2).normal(0.0, 30.0, 500)
    found = next_temperature(0.1, loglikelihoods, 0.5)
    assert effective_share((found - 0.1) * loglikelihoods) == pytest.approx(0.5, abs=1e-9)
    assert next_temperature(0.9999, loglikelihoods * 1e-3, 0.5) == 1.0
    # Impossible ones count as lost already.
    half = np.where(np.arange(500) < 250, loglikelihoods, -np.inf)
    share = effective_share((next_temperature(0.0, half, 0.5)) * half)
    assert share == pytest.approx(0.25, abs=1e-9)
    assert next_temperature(0.0, np.zeros(5), 0.5) == 1.0
    assert 0.0 < next_temperature(0.0, np.array([0.0, -1e290]), 0.9) < 1e-280


def test_of_one_stage_the_variance_is_that_of_the_weights() -> None:
    """Over the number of particles, as of independent draws."""
    weights = np.random.default_rng(3).dirichlet(np.full(400, 2.0))
    genealogy = Genealogy(400)
    genealogy.add(weights, None)
    expected = ((weights * 400) ** 2).mean() - 1.0
    assert genealogy.relative_variance == pytest.approx(expected / 400, rel=0.01)


def test_equal_weights_leave_all_founders() -> None:
    genealogy = Genealogy(100)
    for _ in range(5):
        genealogy.add(np.full(100, 0.01), systematic(np.full(100, 0.01), 0.4))
    assert genealogy.num_founders == 100
    assert genealogy.relative_variance < 1e-9


@pytest.mark.parametrize("is_mixing", [True, False])
def test_the_variance_of_two_stages(is_mixing: bool) -> None:
    """Particles are standard normal; weights exp(a x), thrice, with moves that forget and moves that do nothing.

    Of an estimate Z the variance is E Z^2 times the relative one, which is of that very Z. That over 4000 runs has a
    relative error of 0.03, or 0.1 where it is of products of few large weights.
    """
    rng, number, slope = np.random.default_rng(4), 200, 0.5
    found, estimated = [], []
    for _ in range(4000):
        x, genealogy, total = rng.normal(size=number), Genealogy(number), 0.0
        for _ in range(3):
            weights, log_mean = normalized(slope * x - slope**2 / 2)
            ancestors = systematic(weights, rng.uniform())
            genealogy.add(weights, ancestors)
            total += log_mean
            x = rng.normal(size=number) if is_mixing else x[ancestors]
        found.append(np.exp(total))
        estimated.append(genealogy.relative_variance)
    expected = np.mean(np.square(found) * estimated)
    assert expected == pytest.approx(np.var(found), rel=0.12 if is_mixing else 0.25)


@pytest.mark.parametrize("deviation", [0.01, 0.5, 1.5])
def test_the_error_of_a_logarithm(deviation: float) -> None:
    """The variance of a log-normal number over its mean square is 1 - exp(-s^2); of very many founders all is known."""
    mean, variance = stats.lognorm.stats(deviation)
    relative = variance / (variance + mean**2)
    assert error_of_logarithm(relative, 10**9, 10**9) == pytest.approx(deviation, rel=1e-6)
    assert error_of_logarithm(relative, 5, 1000) == pytest.approx(deviation * 1.5**0.5, rel=1e-6)


def test_what_descends_from_one_is_rough_and_finite() -> None:
    assert 2.0 < error_of_logarithm(1.0, 1, 500) < 5.0
    assert error_of_logarithm(0.0, 500, 500) == 0.0
