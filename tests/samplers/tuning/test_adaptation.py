"""What is learnt while tuning, against closed forms.

Answers: closed forms, and the published equations.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
from scipy import optimize

from samplers.tuning.adaptation import (
    LOG_STEP_SIZE,
    NUM_MOMENTS,
    NUM_TUNING_FIELDS,
    SCALAR_ACCEPTANCE,
    VECTOR_ACCEPTANCE,
    adapt_scale,
    finish_averaging,
    start_averaging,
    start_inverse_mass_matrix,
    update_averaging,
    update_inverse_mass_matrix,
)


def learn(draws: np.ndarray, gradients: np.ndarray, initial: float = 1.0) -> np.ndarray:
    tune, size = draws.shape
    inverse_mass_matrix = np.full(size, initial)
    tuning, moments = np.zeros(NUM_TUNING_FIELDS), np.zeros((NUM_MOMENTS, size))
    for i in range(tune):
        update_inverse_mass_matrix(tuning, i, tune, draws[i], gradients[i], moments, inverse_mass_matrix)
    return inverse_mass_matrix


def test_inverse_mass_matrix_of_a_normal_is_exact_after_few_draws() -> None:
    scale = np.logspace(-2, 2, 5)
    draws = np.random.default_rng(1).normal(3.0, scale, size=(20, 5))
    np.testing.assert_allclose(learn(draws, -(draws - 3.0) / scale**2), scale**2, rtol=1e-9)


def test_inverse_mass_matrix_of_a_skewed_density() -> None:
    """The logarithm of a gamma variable: var(x) = trigamma(shape), var(gradient) = shape."""
    from scipy.special import polygamma

    shape = 3.0
    draws = np.log(np.random.default_rng(2).gamma(shape, size=(4000, 3)))
    # The last estimate is from a window of 80 to 160 draws.
    np.testing.assert_allclose(learn(draws, shape - np.exp(draws)), sqrt(float(polygamma(1, shape)) / shape), rtol=0.35)


def test_elements_that_do_not_vary_keep_their_value() -> None:
    draws = np.random.default_rng(3).normal(size=(100, 3))
    draws[:, 1] = 4.0
    gradients = -draws
    gradients[:, 2] = 0.5
    learnt = learn(draws, gradients, initial=7.0)
    np.testing.assert_allclose(learnt, [1.0, 7.0, 7.0])


def test_early_draws_are_forgotten() -> None:
    """A chain that starts far out and steep, then settles."""
    random = np.random.default_rng(4)
    draws = random.normal(0.0, 2.0, size=(1000, 2))
    gradients = -draws / 4.0
    draws[:100] *= 1e3
    np.testing.assert_allclose(learn(draws, gradients), 4.0)


def test_first_guess_is_finite_whatever_the_gradient() -> None:
    guess = np.zeros(5)
    start_inverse_mass_matrix(np.array([0.0, np.nan, np.inf, -4.0, 1e-300]), guess)
    np.testing.assert_array_equal(guess, [1.0, 1.0, 1.0, 0.25, 1.0])


@pytest.mark.parametrize("target", [0.4, 0.6, 0.8])
def test_dual_averaging_finds_the_root(target: float) -> None:
    """A known acceptance curve with noise."""
    random = np.random.default_rng(5)
    tuning = np.zeros(NUM_TUNING_FIELDS)
    start_averaging(tuning, 10.0)
    for _ in range(2000):
        rate = exp(-exp(tuning[LOG_STEP_SIZE])) + random.normal(0.0, 0.05)
        update_averaging(tuning, min(max(rate, 0.0), 1.0), target)
    finish_averaging(tuning)
    assert exp(tuning[LOG_STEP_SIZE]) == pytest.approx(-log(target), rel=0.15)


def test_dual_averaging_follows_the_published_equation() -> None:
    """Hoffman and Gelman (2014), equation 6, with their constants."""
    random = np.random.default_rng(6)
    tuning = np.zeros(NUM_TUNING_FIELDS)
    start_averaging(tuning, 0.3)
    errors, log_steps = [], []
    for m in range(1, 40):
        rate = random.random()
        update_averaging(tuning, rate, 0.8)
        weight = 1.0 / (m + 10.0)
        errors.append((1.0 - weight) * (errors[-1] if errors else 0.0) + weight * (0.8 - rate))
        log_steps.append(log(10 * 0.3) - sqrt(m) / 0.05 * errors[-1])
        assert tuning[LOG_STEP_SIZE] == pytest.approx(log_steps[-1])
    average = 0.0
    for m, value in enumerate(log_steps, 1):
        average = m**-0.75 * value + (1.0 - m**-0.75) * average
    finish_averaging(tuning)
    assert tuning[LOG_STEP_SIZE] == pytest.approx(average)


def test_step_size_stays_finite_on_a_flat_density() -> None:
    tuning = np.zeros(NUM_TUNING_FIELDS)
    start_averaging(tuning, 1.0)
    for _ in range(10_000):
        update_averaging(tuning, 1.0, 0.01)
    assert np.isfinite(exp(tuning[LOG_STEP_SIZE]))


def test_proposal_scale_finds_the_best_acceptance_rate() -> None:
    """Random-walk Metropolis on a standard normal: the rate is (2/pi) atan(2/scale), 0.44 at scale 2.42."""
    random = np.random.default_rng(7)
    best = optimize.brentq(lambda scale: 2.0 / np.pi * np.arctan(2.0 / scale) - 0.44, 0.1, 10.0)
    scale, x = 50.0, 0.0
    scales = []
    for count in range(1, 5001):
        proposal = x + scale * random.normal()
        rate = min(1.0, exp(0.5 * x * x - 0.5 * proposal * proposal))
        x = proposal if random.random() < rate else x
        scale = adapt_scale(scale, rate, SCALAR_ACCEPTANCE, count)
        scales.append(scale)
    assert np.exp(np.mean(np.log(scales[2500:]))) == pytest.approx(best, rel=0.1)
    assert adapt_scale(1.0, 0.234, VECTOR_ACCEPTANCE, 3) == pytest.approx(1.0)
    assert adapt_scale(1.0, float("nan"), SCALAR_ACCEPTANCE, 1) < 1.0
