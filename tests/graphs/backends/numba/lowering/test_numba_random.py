"""Draws of programs follow the distributions that the random variables name.

Answers: SciPy's distributions.
"""

from __future__ import annotations

import math

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.stats
from pytensor.tensor.random.type import random_generator_type

from graphs.backends.numba import compile_program
from graphs.backends.numba.library.rng import seed_states

NUM_DRAWS = 40_000
FALSE_ALARM = 1e-6
random = pt.random


def sample(build, shape=(NUM_DRAWS,), seed=1):
    """Draw once from a random variable built by ``build(rng, size)``."""
    rng = random_generator_type("rng")
    built = build(rng, shape)
    next_rng, draw = built if isinstance(built, tuple) else (None, built)
    program = compile_program([], [draw], rng=rng, next_rng=next_rng)
    return program.unpack(program([], rng=seed_states(seed, 1)[0])[1])[0]


CONTINUOUS = {
    "normal": (lambda **k: random.normal(1.5, 2.0, **k), scipy.stats.norm(1.5, 2)),
    "uniform": (lambda **k: random.uniform(-1.0, 3.0, **k), scipy.stats.uniform(-1, 4)),
    "gamma": (lambda **k: random.gamma(2.5, scale=0.5, **k), scipy.stats.gamma(2.5, scale=0.5)),
    "invgamma": (lambda **k: random.invgamma(3.0, 2.0, **k), scipy.stats.invgamma(3, scale=2)),
    "beta": (lambda **k: random.beta(2.0, 0.7, **k), scipy.stats.beta(2, 0.7)),
    "exponential": (lambda **k: random.exponential(3.0, **k), scipy.stats.expon(scale=3)),
    "halfnormal": (lambda **k: random.halfnormal(1.0, 2.0, **k), scipy.stats.halfnorm(1, 2)),
    "lognormal": (lambda **k: random.lognormal(0.3, 0.5, **k), scipy.stats.lognorm(0.5, scale=math.exp(0.3))),
    "cauchy": (lambda **k: random.cauchy(1.0, 2.0, **k), scipy.stats.cauchy(1, 2)),
    "halfcauchy": (lambda **k: random.halfcauchy(1.0, 2.0, **k), scipy.stats.halfcauchy(1, 2)),
    "laplace": (lambda **k: random.laplace(1.0, 2.0, **k), scipy.stats.laplace(1, 2)),
    "logistic": (lambda **k: random.logistic(1.0, 2.0, **k), scipy.stats.logistic(1, 2)),
    "gumbel": (lambda **k: random.gumbel(1.0, 2.0, **k), scipy.stats.gumbel_r(1, 2)),
    "weibull": (lambda **k: random.weibull(1.7, **k), scipy.stats.weibull_min(1.7)),
    "pareto": (lambda **k: random.pareto(2.5, 3.0, **k), scipy.stats.pareto(2.5, scale=3)),
    "t": (lambda **k: random.t(4.0, 1.0, 2.0, **k), scipy.stats.t(4, 1, 2)),
    "triangular": (lambda **k: random.triangular(-1.0, 2.0, 3.0, **k), scipy.stats.triang(0.75, -1, 4)),
    "wald": (lambda **k: random.wald(2.0, 3.0, **k), scipy.stats.invgauss(2 / 3, scale=3)),
    "vonmises": (lambda **k: random.vonmises(0.4, 2.0, **k), scipy.stats.vonmises(2, 0.4)),
    "truncexpon": (lambda **k: random.truncexpon(2.0, 1.0, 3.0, **k), scipy.stats.truncexpon(2, 1, 3)),
    "gengamma": (lambda **k: random.gengamma(3.0, 2.0, 1.5, **k), scipy.stats.gengamma(1.5, 2, scale=1.5)),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_draws(name):
    build, distribution = CONTINUOUS[name]
    draws = sample(lambda rng, size: build(rng=rng, size=size, return_next_rng=True))
    if name == "vonmises":
        # SciPy's circle is centred on the mean.
        draws = (draws - 0.4 + np.pi) % (2 * np.pi) - np.pi + 0.4
    assert scipy.stats.kstest(draws, distribution.cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize(
    ("lower", "upper"), [(-1, 2), (0.3, 0.9), (2, 5), (4, np.inf), (-np.inf, -3), (-0.2, np.inf), (-9, -8)]
)
def test_truncated_normal_draws(lower, upper):
    draws = sample(
        lambda rng, size: pm.TruncatedNormal.dist(
            1.0, 2.0, lower=1 + 2 * lower, upper=1 + 2 * upper, size=size, rng=rng
        )
    )
    distribution = scipy.stats.truncnorm(lower, upper, 1, 2)
    assert scipy.stats.kstest(draws, distribution.cdf).pvalue > FALSE_ALARM


DISCRETE = {
    "bernoulli": (lambda **k: random.bernoulli(0.3, **k), scipy.stats.bernoulli(0.3)),
    "binomial": (lambda **k: random.binomial(20, 0.3, **k), scipy.stats.binom(20, 0.3)),
    "poisson": (lambda **k: random.poisson(4.5, **k), scipy.stats.poisson(4.5)),
    "geometric": (lambda **k: random.geometric(0.3, **k), scipy.stats.geom(0.3)),
    "negative_binomial": (lambda **k: random.nbinom(5, 0.4, **k), scipy.stats.nbinom(5, 0.4)),
    "beta_binomial": (lambda **k: random.betabinom(15, 2.0, 3.0, **k), scipy.stats.betabinom(15, 2, 3)),
    "hypergeometric": (lambda **k: random.hypergeometric(7, 12, 11, **k), scipy.stats.hypergeom(19, 7, 11)),
    "integers": (lambda **k: random.integers(-2, 5, **k), scipy.stats.randint(-2, 5)),
    "discrete_uniform": (
        lambda **k: pm.DiscreteUniform.dist(3, 8, size=k["size"], rng=k["rng"]),
        scipy.stats.randint(3, 9),
    ),
    "categorical": (
        lambda **k: random.categorical([0.2, 0.5, 0.3], **k),
        scipy.stats.rv_discrete(values=([0, 1, 2], [0.2, 0.5, 0.3])),
    ),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_draws(name):
    build, distribution = DISCRETE[name]
    draws = sample(lambda rng, size: build(rng=rng, size=size, return_next_rng=True))
    assert draws.dtype.kind in "iu"
    values, counts = np.unique(draws, return_counts=True)
    expected = distribution.pmf(values) * NUM_DRAWS
    keep = expected > 10
    rest = NUM_DRAWS - expected[keep].sum()
    counts, expected = np.append(counts[keep], counts[~keep].sum()), np.append(expected[keep], rest)
    if rest < 10:
        counts, expected = counts[:-1], expected[:-1]
    assert scipy.stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1) > FALSE_ALARM


@pytest.mark.parametrize("concentration", [[0.5, 1.5, 3.0], [0.02, 0.05, 0.01]])
def test_dirichlet_draws(concentration):
    draws = sample(lambda rng, size: random.dirichlet(concentration, size=size, rng=rng, return_next_rng=True))
    np.testing.assert_allclose(draws.sum(axis=1), 1.0)
    for k, alpha in enumerate(concentration):
        marginal = scipy.stats.beta(alpha, sum(concentration) - alpha)
        # Values below the smallest double are zero: compare where the distribution function is known.
        grid = marginal.ppf(np.linspace(0.3, 0.9, 13))
        grid = grid[(grid > 1e-300) & (grid < 1 - 1e-12)]
        shares = (draws[:, k, None] <= grid).mean(axis=0)
        cumulative = marginal.cdf(grid)
        errors = np.sqrt(cumulative * (1 - cumulative) / NUM_DRAWS)
        assert (abs(shares - cumulative) < 5.5 * errors).all()


def test_multivariate_normal_draws():
    mean, covariance = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])
    draws = sample(
        lambda rng, size: random.multivariate_normal(mean, covariance, size=size, rng=rng, return_next_rng=True)
    )
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (draws - mean).T)
    for row in whitened:
        assert scipy.stats.kstest(row, "norm").pvalue > FALSE_ALARM
    assert abs(np.corrcoef(whitened)[np.triu_indices(3, 1)]).max() < 5.5 / math.sqrt(NUM_DRAWS)


def test_multinomial_draws():
    probabilities = np.array([0.2, 0.0, 0.5, 0.3])
    draws = sample(lambda rng, size: random.multinomial(10, probabilities, size=size, rng=rng, return_next_rng=True))
    assert (draws.sum(axis=1) == 10).all()
    assert (draws[:, 1] == 0).all()
    error = np.sqrt(10 * probabilities * (1 - probabilities) / NUM_DRAWS) + 1e-12
    assert (abs(draws.mean(axis=0) - 10 * probabilities) < 5.5 * error).all()
    covariance = 10 * (np.diag(probabilities) - np.outer(probabilities, probabilities))
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.08)


def test_batched_parameters():
    rng = random_generator_type("rng")
    mean, p = pt.tensor("mean", shape=(3,)), pt.tensor("p", shape=(4, 2))
    next_rng, x = rng.normal(mean, 0.0, size=(2, 3))
    next_rng, k = next_rng.categorical(p)
    next_rng, d = next_rng.dirichlet(1e9 * p + 1e6)
    program = compile_program([mean, p], [x, k, d], rng=rng, next_rng=next_rng)
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    _, out = program(np.concatenate([[1.0, 2.0, 3.0], rows.ravel()]), rng=seed_states(0, 1)[0])
    x, k, d = program.unpack(out)
    np.testing.assert_array_equal(x, [[1.0, 2.0, 3.0]] * 2)
    np.testing.assert_array_equal(k, [0, 1, 1, 0])
    np.testing.assert_allclose(d, rows, atol=0.01)


def test_scalar_draws_are_independent_of_one_another():
    rng = random_generator_type("rng")
    outputs, current = [], rng
    for _ in range(4):
        current, draw = current.normal()
        outputs.append(draw)
    program = compile_program([], outputs, rng=rng, next_rng=current)
    state = seed_states(0, 1)[0]
    draws = np.array([program([], rng=state)[1] for _ in range(3000)])
    assert abs(np.corrcoef(draws.T)[np.triu_indices(4, 1)]).max() < 5.5 / math.sqrt(3000)
    assert scipy.stats.kstest(draws.ravel(), "norm").pvalue > FALSE_ALARM


def test_same_seed_same_draws_and_the_generator_advances():
    rng = random_generator_type("rng")
    next_rng, draw = rng.gamma(2.0, scale=1.0, size=3)
    program = compile_program([], [draw], rng=rng, next_rng=next_rng)
    state = seed_states(3, 1)[0]
    first, second = program([], rng=state)[1], program([], rng=state)[1]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(program([], rng=seed_states(3, 1)[0])[1], first)


def test_variables_with_generators_of_their_own_are_drawn_too():
    mean = pt.tensor("mean", shape=())
    x = pm.Normal.dist(mean, 1.0, size=500)
    y = pm.Normal.dist(x, 0.0)
    program = compile_program([mean], [x, y])
    _, out = program(np.array([100.0]), rng=seed_states(0, 1)[0])
    x, y = program.unpack(out)
    np.testing.assert_allclose(x, y)
    assert scipy.stats.kstest(x - 100, "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize(
    ("build", "distribution"),
    [
        (lambda size: pm.Kumaraswamy.dist(2.0, 3.0, size=size), scipy.stats.beta(1, 3)),
        (lambda size: pm.HalfStudentT.dist(nu=4.0, sigma=2.0, size=size), None),
        (lambda size: pm.SkewNormal.dist(mu=1.0, sigma=2.0, alpha=3.0, size=size), scipy.stats.skewnorm(3, 1, 2)),
        (lambda size: pm.ExGaussian.dist(1.0, 2.0, nu=3.0, size=size), scipy.stats.exponnorm(1.5, 1, 2)),
        (lambda size: pm.Wald.dist(2.0, 3.0, alpha=1.0, size=size), scipy.stats.invgauss(2 / 3, 1, scale=3)),
    ],
)
def test_distributions_of_pymc(build, distribution):
    program = compile_program([], [build(NUM_DRAWS)])
    draws = program([], rng=seed_states(0, 1)[0])[1]
    if distribution is None:
        assert scipy.stats.kstest(draws, lambda x: 2 * scipy.stats.t(4, scale=2).cdf(x) - 1).pvalue > FALSE_ALARM
    elif isinstance(distribution.dist, scipy.stats.beta.__class__):
        assert scipy.stats.kstest(draws**2, distribution.cdf).pvalue > FALSE_ALARM
    else:
        assert scipy.stats.kstest(draws, distribution.cdf).pvalue > FALSE_ALARM


def test_a_distribution_without_machine_code_is_called_back():
    rng = random_generator_type("rng")
    last, drawn = rng.permutation(np.arange(5.0))
    program = compile_program([], [drawn], rng=rng, next_rng=last)
    np.testing.assert_array_equal(np.sort(program(np.zeros(0), rng=seed_states(0, 1)[0])[1]), np.arange(5.0))


def test_impossible_parameters_give_nan():
    rng, scale = random_generator_type("rng"), pt.tensor("scale", shape=())
    second, gamma = rng.gamma(scale, scale=1.0)
    third, beta = second.beta(scale, 1.0)
    last, normal = third.normal(0.0, pt.log(scale))
    program = compile_program([scale], [gamma, beta, normal], rng=rng, next_rng=last)
    assert np.isnan(program(np.array([-1.0]), rng=seed_states(0, 1)[0])[1]).all()
