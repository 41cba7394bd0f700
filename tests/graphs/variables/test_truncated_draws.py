"""Draws of truncated variables follow their closed forms, however far out their bounds are.

Answers: closed forms, by SciPy's tails on the log scale.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import special, stats

import ppl
from graphs.backends import get_backend
from graphs.errors import SamplingError
from graphs.joint.drawing import with_draws
from ppl.starting.initial import StartingPoints

NUM_DRAWS = 4000
SLOW = pytest.mark.slow
FALSE_ALARM = 1e-6
"""Of each test of Kolmogorov and Smirnov or of Pearson: exact draws fail one in a million."""
BACKENDS = ["numba", *(pytest.param(name, marks=pytest.mark.slow) for name in ("c", "jax"))]


def beyond(law, bound):
    """Return the cumulative probability above a bound, by SciPy's log-scale tails."""
    return lambda x: -np.expm1(law.logsf(x) - law.logsf(bound))


def short_of(law, bound):
    return lambda x: np.exp(law.logcdf(x) - law.logcdf(bound))


def between(law, low, high):
    return lambda x: (law.cdf(x) - law.cdf(low)) / (law.cdf(high) - law.cdf(low))


# A variable, its bounds, and the cumulative probability of what is drawn.
CONTINUOUS = {
    "gamma": (pm.Gamma.dist(2, 1), 60.0, None, lambda x: 1 - (1 + x) / 61 * np.exp(60 - x)),
    "gamma, its lower tail": (pm.Gamma.dist(30, 1), None, 1e-8, lambda x: (x / 1e-8) ** 30),
    "gamma, in the middle": (pm.Gamma.dist(2, 1), 1.0, 4.0, between(stats.gamma(2), 1, 4)),
    "gamma, tiny": (pm.Gamma.dist(0.01, 1), None, 3.0, short_of(stats.gamma(0.01), 3)),
    "exponential": (pm.Exponential.dist(1), 60.0, None, lambda x: -np.expm1(60 - x)),
    "exponential, narrow": (pm.Exponential.dist(1), 800.0, 800.5, lambda x: np.expm1(800 - x) / np.expm1(-0.5)),
    "student": (pm.StudentT.dist(3), 1e6, None, lambda x: 1 - (1e6 / x) ** 3),
    "beta": (pm.Beta.dist(2, 3), 1 - 1e-6, None, lambda x: 1 - ((1 - x) / 1e-6) ** 3),
    "inverse gamma": (pm.InverseGamma.dist(2, 1), None, 1e-3, lambda x: (1 + 1 / x) / 1001 * np.exp(1000 - 1 / x)),
    "laplace": (pm.Laplace.dist(0, 1), None, -500.0, lambda x: np.exp(x + 500)),
    "wald": (pm.Wald.dist(mu=1, lam=1), 5.0, 50.0, between(stats.invgauss(1), 5, 50)),
    "without an effect": (pm.LogNormal.dist(0, 1), -1.0, None, stats.lognorm(1).cdf),
}
ARRAY = np.array([0.5, 30.0, 500.0])


def drawn(variables, backend, seed=1):
    rng = pt.random.rng("rng")
    return get_backend(backend).function([], with_draws(variables, rng), rng=rng)(np.random.default_rng(seed))


def assert_follows(draws, cdf):
    assert np.isfinite(draws).all()
    found = stats.kstest(draws, cdf)
    assert found.pvalue > FALSE_ALARM, found


# PyMC's own, of truncated inverse gamma variables.
@pytest.mark.filterwarnings("ignore:RandomVariables .* were found:UserWarning")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [n if n == "gamma" else pytest.param(n, marks=pytest.mark.slow) for n in CONTINUOUS])
def test_continuous_variables(name, backend):
    base, lower, upper, cdf = CONTINUOUS[name]
    [draws] = drawn([pm.Truncated.dist(base, lower, upper, size=NUM_DRAWS)], backend)
    assert draws.min() >= (-np.inf if lower is None else lower)
    assert draws.max() <= (np.inf if upper is None else upper)
    assert_follows(draws, cdf)


@pytest.mark.parametrize("backend", ["c", "numba", pytest.param("jax", marks=pytest.mark.slow)])
def test_normal_variables_beyond_forty_standard_deviations(backend):
    bounds = [(40.0, np.inf), (-np.inf, -40.0), (40.0, 40.02), (-1.0, 2.0)]
    all_draws = drawn([pm.TruncatedNormal.dist(0, 1, lower=a, upper=b, size=NUM_DRAWS) for a, b in bounds], backend)
    for (low, high), draws in zip(bounds, all_draws, strict=True):
        side = -1.0 if low > 0 else 1.0
        ends = sorted((side * low, side * high))
        below, top = special.log_ndtr(ends)
        position = np.expm1(special.log_ndtr(side * draws) - top) / -np.expm1(below - top) + 1
        assert_follows(position, stats.uniform.cdf)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numba", "c", "jax"])
def test_counts(backend):
    counts = [
        (pm.Poisson.dist(1), 100, None, stats.poisson(1)),
        (pm.NegativeBinomial.dist(mu=1, alpha=1e8), 1, None, stats.poisson(1)),
        (pm.Poisson.dist(5000), None, 4500, stats.poisson(5000)),
        (pm.Binomial.dist(20, 0.3), 17.5, 20.0, stats.binom(20, 0.3)),
    ]
    all_draws = drawn([pm.Truncated.dist(base, a, b, size=NUM_DRAWS) for base, a, b, _ in counts], backend)
    for draws, (_, low, high, law) in zip(all_draws, counts, strict=True):
        states = np.arange(np.ceil(4300 if low is None else low), (low + 30 if high is None else high) + 1)
        expected = special.softmax(law.logpmf(states)) * NUM_DRAWS
        seen = np.array([(draws == s).sum() for s in states])
        assert seen.sum() == NUM_DRAWS
        is_rare = expected < 5
        seen, expected = (np.append(v[~is_rare], v[is_rare].sum()) for v in (seen, expected))
        seen, expected = seen[expected > 1e-6], expected[expected > 1e-6]
        found = stats.chisquare(seen, expected * NUM_DRAWS / expected.sum())
        assert found.pvalue > FALSE_ALARM, found


@pytest.mark.slow
def test_bounds_and_parameters_that_are_arrays_and_random():
    """What is beyond a bound of an exponential variable, over its scale, is a standard one."""
    scale = ppl.Exponential("scale", 1.0)
    model = ppl.Model(ppl.Truncated("x", pm.Exponential.dist(scale=scale), lower=ARRAY, shape=(2, 3)))
    prior = ppl.prior_predictive(model, draws=700, seed=2).prior
    x, scale = prior["x"].to_numpy()[0], prior["scale"].to_numpy()[0]
    assert (x >= ARRAY).all()
    # Where the scale is a billion times below the bound nothing is left of the excess.
    kept = scale > 1e-2
    assert_follows(((x - ARRAY) / scale[:, None, None])[kept].ravel(), stats.expon.cdf)


HIDDEN = {
    "mixture": lambda: ppl.Mixture(
        "v", [0.3, 0.7], [pm.Truncated.dist(pm.Exponential.dist(1), 60.0), pm.Normal.dist(-9, 1)], size=NUM_DRAWS
    ),
    "graph": lambda: ppl.CustomDist(
        "v", 60.0, dist=lambda a, size: pm.Truncated.dist(pm.Exponential.dist(1), a, size=size) * 1.0, size=NUM_DRAWS
    ),
}


@pytest.mark.parametrize("name", ["graph", pytest.param("mixture", marks=pytest.mark.slow)])
def test_truncated_variables_inside_others(name):
    [draws] = drawn([HIDDEN[name]()], "numba")
    share = {"mixture": 0.3, "graph": 1.0}[name]
    beyond_bound = draws[draws > 0]
    assert stats.binomtest(beyond_bound.size, NUM_DRAWS, share).pvalue > FALSE_ALARM
    assert_follows(beyond_bound - 60, stats.expon.cdf)


def test_hurdles_of_counts_that_are_nearly_always_zero():
    """Of a rate that small what is not zero is one."""
    [draws] = drawn([pm.HurdlePoisson.dist(psi=0.4, mu=1e-12, size=NUM_DRAWS)], "numba")
    assert stats.binomtest(int((draws == 1).sum()), NUM_DRAWS, 0.4).pvalue > FALSE_ALARM
    assert ((draws == 0) | (draws == 1)).all()


# Bounds that are known when the model is made are looked at then.
EMPTY = {
    "gamma": lambda: ppl.Truncated("y", pm.Gamma.dist(2, 1), upper=ppl.Normal("high", -9, 0.1), size=3),
    "normal": lambda: ppl.Truncated("y", pm.Normal.dist(0, 1), lower=ppl.Normal("low", 9, 0.1), upper=1.0, size=3),
    "poisson": lambda: ppl.Truncated("y", pm.Poisson.dist(3.0), lower=ppl.DiscreteUniform("low", 5, 6), upper=2),
    "component": lambda: ppl.Mixture(
        "y",
        [0.5, 0.5],
        [pm.Truncated.dist(pm.Gamma.dist(2, 1), upper=ppl.Normal("high", -9, 0.1)), pm.Normal.dist(0, 1)],
        size=50,
    ),
    "without tails": lambda: ppl.Truncated(
        "y", pm.VonMises.dist(0.0, 1.0), lower=ppl.Normal("low", 9, 0.1), max_n_steps=10
    ),
}


@pytest.mark.filterwarnings("ignore:No safe default transform")
@pytest.mark.parametrize("backend", ["numba", "c"])
@pytest.mark.parametrize("name", [n if n in ("normal", "poisson") else pytest.param(n, marks=SLOW) for n in EMPTY])
def test_bounds_without_anything_between_them_are_refused(name, backend):
    model = ppl.Model(EMPTY[name]())
    with pytest.raises(SamplingError, match=r"y cannot be drawn: .*between its bounds"):
        ppl.prior_predictive(model, draws=2, seed=1, backend=backend)


def test_chains_start_at_draws():
    model = ppl.Model(ppl.Truncated("x", pm.Gamma.dist(2, 1), lower=60.0, size=200))
    points = StartingPoints(ppl.plan(model, sampler="nuts"))("prior", 1, 1)
    # On the real line: the logarithms of what is beyond the bound.
    assert_follows(60 + np.exp(points.ravel()), CONTINUOUS["gamma"][3])


def test_declaring_does_not_warn_of_draws_that_are_not_made():
    ppl.Truncated("x", pm.InverseGamma.dist(2, 1), upper=1e-3)
