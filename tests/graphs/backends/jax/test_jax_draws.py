"""Draws of the JAX backend follow SciPy's distributions.

Answers: SciPy's distributions.
"""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
import pytensor.tensor.random.basic as ptr
import pytest
import scipy.stats as st

pytest.importorskip("jax", reason="JAX is not installed")

from graphs.backends.jax.backend import JaxBackend

# A Kolmogorov-Smirnov or chi-square test fails at this level by chance; seeds are fixed.
FALSE_ALARM = 1e-4
NUM_DRAWS = 20_000
CONTINUOUS = [
    (ptr.normal, (1.0, 2.0), st.norm(1, 2)),
    (ptr._gamma, (2.5, 3.0), st.gamma(2.5, scale=3)),
    (ptr.invgamma, (2.5, 3.0), st.invgamma(2.5, scale=3)),
    (ptr.beta, (2.0, 3.0), st.beta(2, 3)),
    (ptr.uniform, (2.0, 3.0), st.uniform(2, 1)),
    (ptr.exponential, (2.0,), st.expon(scale=2)),
    (ptr.t, (3.0, 1.0, 2.0), st.t(3, 1, 2)),
    (ptr.lognormal, (0.5, 0.7), st.lognorm(0.7, scale=np.exp(0.5))),
    (ptr.halfnormal, (0.5, 0.7), st.halfnorm(0.5, 0.7)),
    (ptr.halfcauchy, (0.5, 0.7), st.halfcauchy(0.5, 0.7)),
    (ptr.weibull, (2.5,), st.weibull_min(2.5)),
    (ptr.triangular, (1.0, 2.0, 5.0), st.triang(0.25, 1, 4)),
    (ptr.wald, (1.5, 3.0), st.invgauss(0.5, scale=3)),
]


DISCRETE = [
    (ptr.categorical, ([0.2, 0.3, 0.1, 0.4],), st.rv_discrete(values=(range(4), [0.2, 0.3, 0.1, 0.4]))),
    (ptr.bernoulli, (0.3,), st.bernoulli(0.3)),
    (ptr.binomial, (7, 0.3), st.binom(7, 0.3)),
    (ptr.poisson, (3.5,), st.poisson(3.5)),
    (ptr.geometric, (0.3,), st.geom(0.3)),
    (ptr.nbinom, (4, 0.3), st.nbinom(4, 0.3)),
    (ptr.integers, (2, 6), st.randint(2, 6)),
]


def draws_of(variable, parameters, size=(NUM_DRAWS,)):
    rng = pt.random.rng("rng")
    _, draw = variable(*parameters, size=size, rng=rng, return_next_rng=True)
    [values] = JaxBackend().function([], [draw], rng=rng)(np.random.default_rng(3))
    assert values.dtype == draw.dtype
    return values


@pytest.mark.parametrize(("variable", "parameters", "law"), CONTINUOUS, ids=lambda x: getattr(x, "name", ""))
def test_continuous_draws_follow_scipy(variable, parameters, law):
    assert st.kstest(draws_of(variable, parameters), law.cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize(("variable", "parameters", "law"), DISCRETE, ids=lambda x: getattr(x, "name", ""))
def test_discrete_draws_follow_scipy(variable, parameters, law):
    counts = np.bincount(draws_of(variable, parameters))
    expected = law.pmf(np.arange(len(counts))) * NUM_DRAWS
    assert counts[expected == 0].sum() == 0
    is_common = expected > 5
    statistic = ((counts - expected) ** 2)[is_common] / expected[is_common]
    assert st.chi2.sf(statistic.sum(), is_common.sum() - 1) > FALSE_ALARM


def test_batched_categorical_draws_follow_their_own_probabilities():
    probabilities = np.array([[0.1, 0.9], [0.5, 0.5], [1.0, 0.0]])
    values = draws_of(ptr.categorical, (probabilities,), size=(NUM_DRAWS, 3))
    standard_error = np.sqrt(probabilities.prod(axis=1) / NUM_DRAWS)
    assert np.all(np.abs(values.mean(axis=0) - probabilities[:, 1]) <= 4 * standard_error)


def test_two_draws_from_one_generator_are_independent_and_reproducible():
    rng = pt.random.rng("rng")
    next_rng, first = ptr.normal(0.0, 1.0, size=(NUM_DRAWS,), rng=rng, return_next_rng=True)
    _, second = ptr.normal(0.0, 1.0, size=(NUM_DRAWS,), rng=next_rng, return_next_rng=True)
    function = JaxBackend().function([], [first, second], rng=rng)
    x, y = function(np.random.default_rng(1))
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(NUM_DRAWS)
    np.testing.assert_array_equal(function(np.random.default_rng(1))[0], x)
    assert not np.array_equal(function(np.random.default_rng(2))[0], x)


def test_map_draws_afresh_for_every_row():
    rng, mu = pt.random.rng("rng"), pt.dscalar("mu")
    _, draw = ptr.normal(mu, 1.0, rng=rng, return_next_rng=True)
    mus = np.linspace(-3, 3, NUM_DRAWS)
    [values] = JaxBackend().map([mu], [draw], rng=rng)(np.random.default_rng(1), mus)
    assert st.kstest(values - mus, st.norm.cdf).pvalue > FALSE_ALARM
