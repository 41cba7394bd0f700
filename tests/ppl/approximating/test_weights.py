"""What importance weights say.

Answers: closed forms of normal distributions in the place of one another; the logarithm of a Beta function; shapes of
tails from the theory of extreme values.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln

from ppl.approximating.weights import effective, pareto_k, said_by, shifted, smoothed

SEEDS = range(20)
NUMBER = 4000


def normal_weights(seed: int, centre: float, scale: float, size: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Of the standard normal distribution over another one, at draws of that."""
    x = np.random.default_rng(seed).normal(centre, scale, size=(NUMBER, size))
    return x, (stats.norm.logpdf(x) - stats.norm.logpdf(x, centre, scale)).sum(axis=1)


def beta_weights(seed: int, a: float, b: float) -> np.ndarray:
    """Of the logit of a Beta variable, not normalised, over a normal distribution with the moments of its middle."""
    centre, scale = np.log(a / b), (1 / a + 1 / b) ** 0.5
    x = np.random.default_rng(seed).normal(centre, scale, size=NUMBER)
    return -a * np.logaddexp(0, -x) - b * np.logaddexp(0, x) - stats.norm.logpdf(x, centre, scale)


@pytest.mark.parametrize(("a", "b"), [(5, 9), (31, 71), (10, 4), (200, 300)])
def test_near_approximations_of_skewed_posteriors_are_not_called_far(a: float, b: float) -> None:
    """Weights pile up below a maximum of the ratio; the standard error of evidence is a hundredth or less."""
    shapes = [pareto_k(beta_weights(seed, a, b)) for seed in SEEDS]
    assert np.mean(np.array(shapes) > 0.7) <= 0.15
    said = [said_by(beta_weights(seed, a, b)) for seed in SEEDS]
    off = [abs(s["log_evidence_by_weights"] - betaln(a, b)) - 5 * s["log_evidence_error"] for s in said]
    assert max(off) < 2e-3
    assert np.median([s["log_evidence_error"] for s in said]) < 0.01
    assert np.median([s["weights_share"] for s in said]) > 0.9


def test_narrow_approximations_are_called_far() -> None:
    """A normal distribution of scale s for one of scale 1 leaves a tail of shape 1 - s^2 to its weights: 0.91."""
    shapes = np.array([pareto_k(normal_weights(seed, 0.0, 0.3)[1]) for seed in SEEDS])
    assert np.mean(shapes > 0.7) >= 0.8
    # Of a tail of 47 draws the shape has a standard error of 0.28, and ArviZ draws it towards 0.5.
    assert np.median(shapes) == pytest.approx(0.91, abs=0.2)


def test_heavy_tails_that_hold_little_are_seen() -> None:
    """One percent of a posterior is ten times as wide: its standard deviation is 1.4, where draws say 1."""
    shapes = []
    for seed in SEEDS:
        x = np.random.default_rng(seed).normal(size=NUMBER)
        wide = np.log(0.01) + stats.norm.logpdf(x, 0, 10)
        shapes.append(pareto_k(np.logaddexp(np.log(0.99) + stats.norm.logpdf(x), wide) - stats.norm.logpdf(x)))
    assert np.mean(np.array(shapes) > 0.7) >= 0.9


@pytest.mark.parametrize("scale", [1.3, 2.0])
def test_the_worth_of_draws_that_are_too_wide(scale: float) -> None:
    """The mean of squared weights is s / sqrt(2 - 1 / s^2), and weights are bounded."""
    _, weights = normal_weights(1, 0.0, scale)
    share = (2 - 1 / scale**2) ** 0.5 / scale
    # Squares of weights below s have a standard deviation below s^2 / 2.
    assert effective(weights) / NUMBER == pytest.approx(share, abs=5 * scale**2 / 2 / NUMBER**0.5)
    assert pareto_k(weights) < 0.7


def test_how_far_weights_move_means() -> None:
    x, weights = normal_weights(1, 0.4, 1.5, size=1)
    both = np.column_stack([np.random.default_rng(2).normal(size=NUMBER), x])
    shifts, errors = shifted(weights, both)
    np.testing.assert_array_less(np.abs(shifts - [0.0, 0.4]), 5 * errors)
    said = said_by(weights, both, lambda which: [f"x[{i}]" for i in which])
    assert said["weights_shift_of"] == "x[1]"
    assert said["weights_shift"] == shifts[1]


def test_weights_of_which_nothing_is_known() -> None:
    impossible = np.full(100, -np.inf)
    assert smoothed(impossible)[1] == np.inf
    assert said_by(impossible, np.zeros((100, 2)))["weights_ess"] == 0.0
    assert pareto_k(np.zeros(100)) == -np.inf
    assert np.isnan(pareto_k(np.arange(10.0)))
    x, weights = normal_weights(3, 0.0, 2.0)
    some = np.where(np.arange(NUMBER) % 3 == 0, -np.inf, weights)
    assert effective(some) == pytest.approx(effective(weights[np.isfinite(some)]))
    assert pareto_k(some) < 0.7
    # Half of the weights are the largest there is: they are bounded.
    assert pareto_k(np.minimum(weights, np.median(weights))) == -np.inf
    assert np.isfinite(shifted(some, x)[0]).all()
    assert said_by(np.array([0.5]), np.zeros((1, 1)))["weights_shift"] == 0.0
