"""Scans whose steps draw continuous variables: their density is that of a loop written in NumPy.

Answers: loops in NumPy, with SciPy's densities; Kalman's filter.
"""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import stats

import graphs
import ppl
from graphs.errors import DerivationError
from graphs.surgery.interpreting import interpret

RNG = np.random.default_rng(20240919)
Y = RNG.normal(size=7)
ZERO = pt.constant(np.float64(0))


def generator():
    return pt.random.shared_rng(seed=1)


def scan(step, **options):
    return pytensor.scan(step, return_updates=False, **options)


def test_an_autoregression_of_two_lags():
    def step(first, second, rng):
        rng, x = rng.normal(0.5 * first - 0.3 * second + 0.1, 0.7)
        return x, rng

    start = np.array([0.4, -0.2])
    x, _ = scan(step, outputs_info=[{"initial": pt.as_tensor(start), "taps": [-1, -2]}, generator()], n_steps=7)
    model = ppl.Model({ppl.Normal("y", x, 0.5): Y})
    [(name, _)] = model.latent.items()
    value = RNG.normal(size=7)
    whole = np.concatenate([start, value])
    means = 0.5 * whole[1:-1] - 0.3 * whole[:-2] + 0.1
    expected = stats.norm.logpdf(value, means, 0.7).sum() + stats.norm.logpdf(Y, value, 0.5).sum()
    lp = graphs.logprob(model)
    assert interpret([lp.values[name]], lp.total)(value) == pytest.approx(expected, rel=1e-12)


def observed(x, data):
    """Return the joint log-density of a model of one observed sequence, whose parameters are numbers."""
    return float(interpret([], graphs.logprob(ppl.Model({x: data})).total)())


def test_variances_that_follow_from_the_last_value():
    def step(last, variance, rng):
        variance = 0.2 + 0.3 * last**2 + 0.4 * variance
        rng, y = rng.normal(0.1, pt.sqrt(variance))
        return y, variance, rng

    y, variances, _ = scan(step, outputs_info=[ZERO, pt.constant(0.9, dtype="float64"), generator()], n_steps=7)
    expected, last, variance = 0.0, 0.0, 0.9
    for now in Y:
        variance = 0.2 + 0.3 * last**2 + 0.4 * variance
        expected += stats.norm.logpdf(now, 0.1, np.sqrt(variance))
        last = now
    kept = ppl.Deterministic("variances", variances)
    model = ppl.Model({y: Y}, kept)
    assert interpret([], graphs.logprob(model).total)() == pytest.approx(expected, rel=1e-12)


def test_errors_carried_along_as_in_a_moving_average():
    def step(last, error, rng):
        mean = 0.3 + 0.5 * last - 0.4 * error
        rng, y = rng.normal(mean, 0.8)
        return y, y - mean, rng

    y, _, _ = scan(step, outputs_info=[ZERO, ZERO, generator()], n_steps=7)
    expected, last, error = 0.0, 0.0, 0.0
    for now in Y:
        mean = 0.3 + 0.5 * last - 0.4 * error
        expected += stats.norm.logpdf(now, mean, 0.8)
        last, error = now, now - mean
    assert observed(y, Y) == pytest.approx(expected, rel=1e-12)


def test_what_is_carried_but_its_own_earlier_values_are_not_used():
    def step(total, rng):
        rng, y = rng.normal(pt.tanh(total), 1.0)
        return total + y, y, rng

    _, y, _ = scan(step, outputs_info=[ZERO, None, generator()], n_steps=7)
    before = np.concatenate([[0], np.cumsum(Y)[:-1]])
    assert observed(y, Y) == pytest.approx(stats.norm.logpdf(Y, np.tanh(before), 1.0).sum(), rel=1e-12)


def test_a_level_that_follows_a_slope_that_is_drawn_too():
    def step(level, slope, rng):
        rng, new = rng.normal(level + slope, 0.5)
        rng, steeper = rng.normal(slope, 0.2)
        return new, steeper, rng

    level, slope, _ = scan(step, outputs_info=[ZERO, ZERO, generator()], n_steps=7)
    level.name, slope.name = "level", "slope"
    model = ppl.Model({ppl.Normal("y", level, 0.3): Y, ppl.Normal("z", slope, 0.3): Y})
    lp = graphs.logprob(model)
    values = {name: RNG.normal(size=7) for name in lp.values}
    at, s = values["level"], values["slope"]
    before = [np.concatenate([[0], v[:-1]]) for v in (at, s)]
    expected = stats.norm.logpdf(at, before[0] + before[1], 0.5).sum() + stats.norm.logpdf(s, before[1], 0.2).sum()
    expected += stats.norm.logpdf(Y, at, 0.3).sum() + stats.norm.logpdf(Y, s, 0.3).sum()
    assert interpret(list(lp.values.values()), lp.total)(*values.values()) == pytest.approx(expected, rel=1e-12)


def test_vectors():
    matrix, covariance = RNG.normal(size=(2, 2)) * 0.4, np.array([[1.0, 0.3], [0.3, 0.5]])

    def step(last, rng):
        rng, x = rng.multivariate_normal(pt.as_tensor(matrix) @ last, covariance)
        return x, rng

    x, _ = scan(step, outputs_info=[pt.zeros(2), generator()], n_steps=5)
    data = RNG.normal(size=(5, 2))
    means = np.concatenate([np.zeros((1, 2)), data[:-1]]) @ matrix.T
    expected = stats.multivariate_normal([0, 0], covariance).logpdf(data - means).sum()
    assert observed(x, data) == pytest.approx(expected, rel=1e-12)


def test_positive_variables_are_moved_to_the_real_line():
    x, _ = scan(positive_step, outputs_info=[pt.constant(1.0, dtype="float64"), generator()], n_steps=7)
    x.name = "x"
    model = ppl.Model({ppl.Normal("y", x, 1.0): Y})
    lp = graphs.logprob(model, space="unconstrained")
    u = RNG.normal(size=7) * 0.5
    value = np.exp(u)
    before = np.concatenate([[1.0], value[:-1]])
    expected = stats.gamma.logpdf(value, 2.0, scale=before / 2).sum() + u.sum() + stats.norm.logpdf(Y, value).sum()
    [variable] = lp.values.values()
    assert interpret([variable], lp.total)(u) == pytest.approx(expected, rel=1e-12)


def positive_step(last, rng):
    rng, x = rng.gamma(2.0, scale=last / 2)
    return x, rng


def test_bounds_are_refused_with_the_alternative():
    def step(last, rng):
        rng, x = rng.uniform(0, 1 + last**2)
        return x, rng

    x, _ = scan(step, outputs_info=[ZERO, generator()], n_steps=7)
    with pytest.raises(DerivationError, match="between bounds"):
        graphs.logprob(ppl.Model({ppl.Normal("y", x, 1.0): Y}), space="unconstrained")


def test_a_variable_that_a_step_uses_without_being_given_it_is_refused():
    """Such a variable would be another one at every step, where the user means one."""
    scale = ppl.HalfNormal("scale", 1)

    def step(last, rng):
        rng, x = rng.normal(0.5 * last, scale)
        return x, rng

    x, _ = scan(step, outputs_info=[ZERO, generator()], n_steps=7)
    with pytest.raises(DerivationError, match="non_sequences"):
        ppl.Model({x: Y})


def test_draws_from_the_prior_follow_the_steps():
    def step(last, variance, rng):
        variance = 0.5 + 0.25 * last**2 + 0.25 * variance
        rng, y = rng.normal(0.0, pt.sqrt(variance))
        return y, variance, rng

    y, _, _ = scan(step, outputs_info=[ZERO, pt.constant(1.0, dtype="float64"), generator()], n_steps=20_000)
    drawn = ppl.Model({ppl.Normal("z", y[0], 1.0): 0.0}, y)
    [name] = drawn.latent
    squares = drawn[name].eval() ** 2
    # The mean of y^2 is 0.5 / (1 - 0.25 - 0.25) = 1; the standard error is found from 40 batches.
    batches = squares.reshape(40, -1).mean(axis=1)
    assert abs(batches.mean() - 1) < 5 * batches.std() / np.sqrt(40)


def test_a_linear_state_space_model_has_its_exact_posterior():
    def step(last, rng):
        rng, x = rng.normal(0.9 * last, 0.6)
        return x, rng

    x, _ = scan(step, outputs_info=[ZERO, generator()], n_steps=7)
    x.name = "x"
    model = ppl.Model({ppl.Normal("y", x, 0.5): Y})
    trace = ppl.sample(model, draws=2000, tune=500, chains=4, seed=3, sampler="nuts", progress=False)
    difference = np.eye(7) - 0.9 * np.eye(7, k=-1)
    precision = difference.T @ difference / 0.36 + np.eye(7) / 0.25
    mean = np.linalg.solve(precision, Y / 0.25)
    scale = np.sqrt(np.diag(np.linalg.inv(precision)))
    draws = trace.posterior["x"].to_numpy().reshape(-1, 7)
    # At least 2000 effective draws: five standard errors.
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * scale.max() / np.sqrt(2000))
    np.testing.assert_allclose(draws.std(axis=0), scale, rtol=5 / np.sqrt(2 * 2000))


def test_stochastic_volatility_with_named_distributions():
    def step(h, rng):
        rng, new = rng.normal(-0.5 + 0.8 * (h + 0.5), 0.4)
        rng, y = rng.normal(0.0, pt.exp(new / 2))
        return new, y, rng

    h, y, _ = scan(step, outputs_info=[pt.constant(-0.5, dtype="float64"), None, generator()], n_steps=7)
    h.name = "h"
    lp = graphs.logprob(ppl.Model({y: Y}))
    [variable] = lp.values.values()
    value = RNG.normal(size=7)
    before = np.concatenate([[-0.5], value[:-1]])
    expected = stats.norm.logpdf(value, -0.5 + 0.8 * (before + 0.5), 0.4).sum()
    expected += stats.norm.logpdf(Y, 0, np.exp(value / 2)).sum()
    assert interpret([variable], lp.total)(value) == pytest.approx(expected, rel=1e-12)
